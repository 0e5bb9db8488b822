"""Transfers on their way to the sandbox gateway: pending, failing, lost on the way; never twice."""

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotFound
from portal.core.lifecycles import IllegalStep
from portal.db import returns as stored
from portal.db.refunds import Payout
from portal.ports import Unavailable
from portal.services import audit, notices, payouts, refunds, work
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, as_it_is, came_back


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def a_refund(gateways, shop, *, ending="", paid=None):
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=paid or [a_payment("card", ending=ending)])
    return_id = came_back(gateways, shop, order)
    return order, return_id, refunds.propose(a_person(shop, "finance"), return_id, now=NOW)


def send(refund_id, gateways):
    payouts.send(refund_id, gateways=gateways, now=NOW)


def test_a_pending_refund_stays_pending_until_the_gateway_is_done(shop, finance, gateways, sandbox):
    order, return_id, refund_id = a_refund(gateways, shop, ending="-pending")
    for _ in range(2):
        with pytest.raises(Unavailable):
            send(refund_id, gateways)
        refund = refunds.one(finance, refund_id)
        assert (refund.state, refund.payouts[0].state) == ("pending", "pending")
    assert as_it_is(order).payments[0].left == 0, "its quota is held"
    assert "refunded" not in [mail.event for mail in notices.of_return(return_id)]
    assert audit.verify().problems == []
    sandbox.settle()
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    send(refund_id, gateways)
    assert len(sandbox.refunds()) == 1 and audit.verify().problems == []


@pytest.mark.parametrize("ending", ["-fails", "-fails-late"])
def test_a_failed_refund_frees_its_quota_and_can_be_tried_again_under_a_new_key(
    shop, finance, gateways, sandbox, ending
):
    order, return_id, refund_id = a_refund(gateways, shop, ending=ending)
    if ending == "-fails-late":
        with pytest.raises(Unavailable):
            send(refund_id, gateways)
        sandbox.settle()
    send(refund_id, gateways)
    refund = refunds.one(finance, refund_id)
    assert (refund.state, refund.error) == ("failed", "the card is closed")
    assert as_it_is(order).payments[0].left == 2000
    assert stored.get(return_id).refund_state == "failed" and stored.get(return_id).state == "inspected"
    assert audit.verify().problems == []
    refunds.retry(finance, refund_id, now=NOW)
    assert as_it_is(order).payments[0].left == 0
    assert audit.verify().problems == []
    if ending == "-fails":
        send(refund_id, gateways)
        assert refunds.one(finance, refund_id).state == "failed"
    keys = [key for key, *_ in sandbox.refunds()]
    assert len(keys) == len(set(keys))
    assert audit.verify().problems == []


def test_a_retry_is_sent_even_after_many_tries_of_the_first(shop, finance, gateways, sandbox, session, drain):
    """The names of durable work differ, so that the worker cannot take the retry for work it has done."""
    _, _, refund_id = a_refund(gateways, shop, ending="-fails-late")
    session.commit()
    drain()
    for _ in range(2):
        for item in work.listing(statuses=("DELAYED",)):
            work.resume(item.id)
        drain()
    sandbox.settle()
    for item in work.listing(statuses=("DELAYED",)):
        work.resume(item.id)
    drain()
    session.expire_all()
    assert refunds.one(finance, refund_id).state == "failed"
    refunds.retry(finance, refund_id, now=NOW)
    drain()
    session.expire_all()
    assert refunds.one(finance, refund_id).payouts[-1].state == "pending"
    assert len(sandbox.refunds()) == 2


def test_a_failed_refund_that_is_given_up_frees_units_and_lines_too(shop, finance, gateways):
    order, return_id, refund_id = a_refund(gateways, shop, ending="-fails")
    send(refund_id, gateways)
    refunds.cancel(finance, refund_id, now=NOW)
    line = as_it_is(order).items[0]
    assert (line.refunded, as_it_is(order).payments[0].left) == (0, 2000)
    assert refunds.quote(finance, return_id, now=NOW).amount == 2000
    assert audit.verify().problems == []
    with pytest.raises(IllegalStep):
        refunds.retry(finance, refund_id, now=NOW)


def test_an_answer_that_is_lost_is_looked_up_and_never_doubled(shop, finance, gateways, sandbox):
    order, _, refund_id = a_refund(gateways, shop, ending="-unavailable")
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    refund = refunds.one(finance, refund_id)
    assert (refund.state, refund.payouts[0].state) == ("pending", "unknown")
    assert as_it_is(order).payments[0].left == 0, "unknown is not failed"
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert [(amount, state) for _, _, amount, state in sandbox.refunds()] == [(2000, "succeeded")]


def test_the_key_of_a_transfer_is_its_own_for_ever(shop, gateways, session, sandbox):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    for _ in range(3):
        with pytest.raises(Unavailable):
            send(refund_id, gateways)
    payout = session.scalar(sa.select(Payout).where(Payout.refund_id == refund_id))
    assert payout.attempts == 3 and [key for key, *_ in sandbox.refunds()] == [payout.key]


def test_money_that_is_on_its_way_is_not_canceled(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    with pytest.raises(IllegalStep):
        refunds.cancel(finance, refund_id, now=NOW)


def test_a_canceled_transfer_is_never_sent(shop, finance, gateways, sandbox):
    _, _, refund_id = a_refund(gateways, shop)
    refunds.cancel(finance, refund_id, now=NOW)
    send(refund_id, gateways)
    assert sandbox.refunds() == [] and refunds.one(finance, refund_id).state == "canceled"


def test_one_tender_may_fail_while_the_other_is_paid_and_only_the_failed_one_is_tried_again(
    shop, finance, gateways, sandbox
):
    paid = [a_payment("card", "5.00", ending="-fails"), a_payment("gift_card")]
    _, return_id, refund_id = a_refund(gateways, shop, paid=paid)
    send(refund_id, gateways)
    refund = refunds.one(finance, refund_id)
    assert refund.state == "failed"
    assert {payout.tender: payout.state for payout in refund.payouts} == {
        "card": "failed",
        "gift_card": "succeeded",
    }
    with pytest.raises(Conflict, match="partly_paid"):
        refunds.cancel(finance, refund_id, now=NOW)
    refunds.retry(finance, refund_id, now=NOW)
    send(refund_id, gateways)
    paid_out = [(capture.split("-")[2], amount) for _, capture, amount, _ in sandbox.refunds()]
    assert sorted(paid_out) == [("card", 500), ("card", 500), ("gift_card", 1500)]
    assert audit.verify().problems == []
    assert stored.get(return_id).state == "inspected"


def test_cash_is_paid_by_a_person_who_says_how(shop, finance, gateways, sandbox):
    order, return_id, refund_id = a_refund(gateways, shop, paid=[a_payment("cash")])
    send(refund_id, gateways)
    refund = refunds.one(finance, refund_id)
    assert refund.payouts[0].state == "requires_action" and sandbox.refunds() == []
    assert stored.get(return_id).refund_state == "requires_action"
    payout_id = refund.payouts[0].id
    with pytest.raises(NotFound):
        refunds.settle_by_hand(a_person(a_merchant(), "finance"), payout_id, proof="x", now=NOW)
    with pytest.raises(Conflict, match="proof_missing"):
        refunds.settle_by_hand(finance, payout_id, proof=" ", now=NOW)
    refunds.settle_by_hand(finance, payout_id, proof="Till receipt 7", now=NOW)
    refund = refunds.one(finance, refund_id)
    assert refund.state == "succeeded" and refund.payouts[0].reference == "Till receipt 7"
    with pytest.raises(Conflict, match="not_by_hand"):
        refunds.settle_by_hand(finance, payout_id, proof="Again", now=NOW)
    assert audit.verify().problems == [] and stored.get(return_id).state == "closed"


def test_a_gateway_that_confirms_another_amount_is_looked_into_by_a_person(shop, finance, gateways, session):
    from portal.ports import RefundResult

    _, _, refund_id = a_refund(gateways, shop)
    payout = session.scalar(sa.select(Payout).where(Payout.refund_id == refund_id))
    payouts._begin(payout.id, refund_id)
    wrong = RefundResult(state="succeeded", reference="r-1", amount=1999, currency="EUR")
    payouts.record(payout.id, refund_id, wrong, now=NOW)
    refund = refunds.one(finance, refund_id)
    assert refund.state != "succeeded" and refund.payouts[0].state == "requires_action"


def test_a_success_that_is_taken_back_later_is_a_failure_with_a_reversal(shop, finance, gateways, session):
    from portal.ports import RefundResult

    order, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    payout = session.scalar(sa.select(Payout).where(Payout.refund_id == refund_id))
    failed = RefundResult(state="failed", reference="", amount=2000, currency="EUR", error="returned")
    payouts.record(payout.id, refund_id, failed, now=NOW)
    payouts.record(payout.id, refund_id, failed, now=NOW)
    assert refunds.one(finance, refund_id).state == "failed" and as_it_is(order).payments[0].left == 2000
    assert audit.verify().problems == []

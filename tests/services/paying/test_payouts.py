"""Transfers on their way to the sandbox gateway: pending, failing, lost on the way; never twice."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotFound
from portal.core.lifecycles import IllegalStep
from portal.db import returns as stored
from portal.db.refunds import Payout
from portal.ports import Declined, RefundResult, Unavailable
from portal.services import jobs, tasks, work
from portal.services.gateways import looking
from portal.services.paying import byhand, payouts, settling
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.talking import notices
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


def send(refund_id, gateways, after=timedelta(0)):
    payouts.send(refund_id, gateways=gateways, now=NOW + after)


def look(gateways, after=timedelta(hours=1)):
    """What a worker does beside its queue, so long after."""
    return looking.look_at_due(gateways=gateways, now=NOW + after)


def the_payout(session, refund_id):
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Payout).where(Payout.refund_id == refund_id).order_by(Payout.id)).all()[
        -1
    ]


def open_tasks(finance):
    return [(task.kind, task.details.get("reason", "")) for task in tasks.listing(finance)]


class Gateway:
    """A gateway in front of the sandbox whose wire can be cut: what is sent and asked for is written down."""

    code = "sandbox"

    def __init__(self, behind):
        self.behind, self.sent, self.asked, self.faults = behind, [], 0, []

    def refund(self, **order):
        self.sent.append(order["key"])
        fault = self.faults.pop(0) if self.faults else None
        if fault in ("before", "declined", "not_authorized"):
            raise (
                Unavailable("no route")
                if fault == "before"
                else Declined("too_much" if fault == "declined" else fault)
            )
        result = self.behind.refund(**order)
        if fault == "after":
            raise Unavailable("cut", retry_after=42)
        return result

    def look_up(self, **order):
        self.asked += 1
        fault = self.faults.pop(0) if self.faults and self.faults[0] in ("lag", "away") else None
        if fault == "away":
            raise Unavailable("no route")
        return None if fault == "lag" else self.behind.look_up(**order)

    def __getattr__(self, name):
        return getattr(self.behind, name)


@pytest.fixture
def wire(gateways):
    """The gateway with a wire to cut, in the place of the sandbox."""
    gateways.payments["sandbox"] = Gateway(gateways.payments["sandbox"])
    return gateways.payments["sandbox"]


def test_a_pending_refund_stays_pending_until_the_gateway_is_done(shop, finance, gateways, sandbox):
    order, return_id, refund_id = a_refund(gateways, shop, ending="-pending")
    for after in (0, 6):
        send(refund_id, gateways)
        look(gateways, timedelta(minutes=after))
        refund = refunds.one(finance, refund_id)
        assert (refund.state, refund.payouts[0].state) == ("pending", "pending")
    assert as_it_is(order).payments[0].left == 0, "its quota is held"
    assert "refunded" not in [mail.event for mail in notices.of_return(return_id)]
    assert audit.verify().problems == []
    sandbox.settle()
    look(gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    send(refund_id, gateways)
    assert len(sandbox.refunds()) == 1 and audit.verify().problems == []


@pytest.mark.parametrize("ending", ["-fails", "-fails-late"])
def test_a_failed_refund_frees_its_quota_and_can_be_tried_again_under_a_new_key(
    shop, finance, gateways, sandbox, ending
):
    order, return_id, refund_id = a_refund(gateways, shop, ending=ending)
    send(refund_id, gateways)
    if ending == "-fails-late":
        sandbox.settle()
        look(gateways)
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


def test_a_retry_is_sent_after_the_first_was_sent_by_the_same_worker(
    shop, finance, gateways, sandbox, session, drain
):
    """The names of durable work differ, so that the worker cannot take the retry for work it has done."""
    _, _, refund_id = a_refund(gateways, shop, ending="-fails-late")
    session.commit()
    drain()
    assert the_payout(session, refund_id).state == "pending" and work.listing() == []
    sandbox.settle()
    look(gateways, timedelta(days=400))
    assert refunds.one(finance, refund_id).state == "failed"
    refunds.retry(finance, refund_id, now=NOW)
    session.commit()
    drain()
    assert the_payout(session, refund_id).state == "pending"
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


def test_money_that_is_on_its_way_is_not_canceled(shop, finance, gateways):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
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
    assert sorted(paid_out) == [("card", 500), ("card", 500)], "the gift card is a ledger of ours"
    assert audit.verify().problems == []
    assert stored.get(return_id).state == "inspected"


def test_cash_is_paid_by_a_person_who_says_how(shop, finance, gateways, sandbox):
    order, return_id, refund_id = a_refund(gateways, shop, paid=[a_payment("cash")])
    send(refund_id, gateways)
    refund = refunds.one(finance, refund_id)
    assert refund.payouts[0].state == "requires_action" and sandbox.refunds() == []
    assert stored.get(return_id).refund_state == "requires_action"
    assert open_tasks(finance) == [("pay_by_hand", "")]
    payout_id = refund.payouts[0].id
    with pytest.raises(NotFound):
        byhand.settle_by_hand(a_person(a_merchant(), "finance"), payout_id, proof="x", now=NOW)
    with pytest.raises(Conflict, match="proof_missing"):
        byhand.settle_by_hand(finance, payout_id, proof=" ", now=NOW)
    byhand.settle_by_hand(finance, payout_id, proof="Till receipt 7", now=NOW)
    refund = refunds.one(finance, refund_id)
    assert refund.state == "succeeded" and refund.payouts[0].reference == "Till receipt 7"
    assert open_tasks(finance) == []
    with pytest.raises(Conflict, match="not_by_hand"):
        byhand.settle_by_hand(finance, payout_id, proof="Again", now=NOW)
    assert audit.verify().problems == [] and stored.get(return_id).state == "closed"


def test_a_success_that_is_taken_back_later_is_a_failure_with_a_reversal(
    shop, finance, gateways, sandbox, session
):
    order, return_id, refund_id = a_refund(gateways, shop, ending="-returned")
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    sandbox.settle()
    look(gateways, timedelta(days=2))
    look(gateways, timedelta(days=4))
    assert refunds.one(finance, refund_id).state == "failed" and as_it_is(order).payments[0].left == 2000
    assert open_tasks(finance) == [("refund_failed", "")]
    assert audit.verify().problems == []
    refunds.retry(finance, refund_id, now=NOW)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded" and open_tasks(finance) == []
    assert len(sandbox.refunds()) == 2 and audit.verify().problems == []


# ------------------------------------------------------------------------------------------- answers that are lost


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_cut_wire_is_no_failure_and_is_looked_up_before_the_same_key_is_sent_again(
    shop, finance, gateways, wire, session, cut
):
    order, _, refund_id = a_refund(gateways, shop)
    wire.faults = [cut]
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    assert (payout.state, payout.lost_at, wire.asked) == ("unknown", NOW, 0)
    assert as_it_is(order).payments[0].left == 0 and open_tasks(finance) == []
    send(refund_id, gateways, timedelta(seconds=5))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert wire.asked == 1 and set(wire.sent) == {payout.key}
    assert len(wire.sent) == (2 if cut == "before" else 1)
    assert len(wire.behind.refunds()) == 1 and audit.verify().problems == []


def test_a_look_up_that_lags_makes_no_second_refund(shop, finance, gateways, wire):
    _, _, refund_id = a_refund(gateways, shop)
    wire.faults = ["after", "lag"]
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    send(refund_id, gateways, timedelta(seconds=5))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert len(set(wire.sent)) == 1 and len(wire.behind.refunds()) == 1


def test_after_a_day_nothing_is_sent_before_a_look_up_that_can_be_relied_on(
    shop, finance, gateways, wire, session
):
    """The gateway has forgotten the key by then: only that the refund is surely not there allows another."""
    _, _, refund_id = a_refund(gateways, shop)
    wire.faults = ["before"]
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    wire.faults = ["before"]
    with pytest.raises(Unavailable):
        send(refund_id, gateways, timedelta(hours=22, minutes=30))
    with pytest.raises(Unavailable) as told:
        send(refund_id, gateways, timedelta(hours=23, minutes=10))
    assert told.value.retry_after == 3600 and len(wire.sent) == 2, "its answer was lost 40 minutes ago"
    assert the_payout(session, refund_id).state == "unknown"
    send(refund_id, gateways, timedelta(hours=24, minutes=10))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert len(set(wire.sent)) == 1 and len(wire.sent) == 3 and len(wire.behind.refunds()) == 1
    assert the_payout(session, refund_id).sent_at == NOW + timedelta(hours=24, minutes=10)


def test_a_worker_that_died_while_sending_counts_as_a_lost_answer(shop, finance, gateways, wire, session):
    _, _, refund_id = a_refund(gateways, shop)
    payout = the_payout(session, refund_id)
    payouts._begin(payout.id, refund_id, gateways=gateways, now=NOW)
    wire.refund(key=payout.key, reference=_capture(session, payout), amount=2000, currency="EUR")
    assert the_payout(session, refund_id).state == "submitting"
    send(refund_id, gateways, timedelta(seconds=1))
    assert refunds.one(finance, refund_id).state == "succeeded" and len(wire.sent) == 1


def _capture(session, payout):
    from portal.db.orders import Payment

    return session.scalar(sa.select(Payment.reference).where(Payment.id == payout.payment_id))


def test_how_long_the_gateway_asks_to_be_left_alone_is_passed_on(shop, gateways, wire):
    _, _, refund_id = a_refund(gateways, shop)
    wire.faults = ["after"]
    with pytest.raises(Unavailable) as told:
        send(refund_id, gateways)
    assert told.value.retry_after == 42


# ----------------------------------------------------------------------------------------------------- refusals


def test_a_refusal_is_final_at_once_and_tells_a_person_why(shop, finance, gateways, wire, session):
    order, _, refund_id = a_refund(gateways, shop, ending="-declines")
    send(refund_id, gateways)
    send(refund_id, gateways, timedelta(minutes=1))
    refund = refunds.one(finance, refund_id)
    assert refund.state == "failed" and as_it_is(order).payments[0].left == 2000 and len(wire.sent) == 1
    (task,) = tasks.listing(finance)
    assert (task.kind, task.subject_id, task.opened_at) == ("refund_failed", refund_id, NOW)
    assert task.details["reason"] == "refused" and task.details["number"] == refund.number
    assert task.details["amount"] == 2000 and audit.verify().problems == []


def test_a_refusal_that_our_own_lost_sending_may_have_caused_settles_nothing_yet(
    shop, finance, gateways, wire, session
):
    order, _, refund_id = a_refund(gateways, shop)
    wire.faults = ["before"]
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    wire.faults = ["lag", "declined"]
    with pytest.raises(Unavailable):
        send(refund_id, gateways, timedelta(minutes=1))
    assert the_payout(session, refund_id).state == "unknown" and as_it_is(order).payments[0].left == 0
    wire.faults = ["lag", "declined"]
    send(refund_id, gateways, timedelta(hours=2))
    assert the_payout(session, refund_id).state == "failed" and as_it_is(order).payments[0].left == 2000


def test_an_account_that_is_not_let_in_fails_no_refund_it_waits_and_tells(
    shop, finance, gateways, wire, session
):
    order, _, refund_id = a_refund(gateways, shop)
    wire.faults = ["not_authorized"]
    with pytest.raises(Unavailable) as told:
        send(refund_id, gateways)
    assert told.value.retry_after == 1800
    assert refunds.one(finance, refund_id).state == "pending" and as_it_is(order).payments[0].left == 0
    assert the_payout(session, refund_id).state == "planned"
    assert open_tasks(finance) == [("not_authorized", "not_authorized")]
    send(refund_id, gateways, timedelta(hours=1))
    assert refunds.one(finance, refund_id).state == "succeeded" and len(set(wire.sent)) == 1
    assert open_tasks(finance) == [], "the account is let in again"


# -------------------------------------------------------------------------------------------------- wrong answers


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"amount": 1999}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"reference": "somebody-else"}, "reference"),
    ],
)
@pytest.mark.parametrize("state", ["succeeded", "pending", "failed"])
def test_an_answer_about_something_else_is_set_aside_for_a_person(
    shop, finance, gateways, session, wrong, reason, state
):
    order, _, refund_id = a_refund(gateways, shop, ending="-pending")
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    right = {"amount": 2000, "currency": "EUR", "reference": payout.provider_reference}
    settling.record(payout.id, refund_id, RefundResult(state=state, **right | wrong), now=NOW)
    payout = the_payout(session, refund_id)
    assert (payout.state, payout.provider_reference) == ("requires_action", right["reference"])
    assert refunds.one(finance, refund_id).state == "pending" and as_it_is(order).payments[0].left == 0
    (task,) = tasks.listing(finance)
    assert (task.kind, task.details["reason"]) == ("wrong_answer", reason)
    (name,) = wrong
    assert (task.details["ours"][name], task.details["theirs"][name]) == (right[name], wrong[name])
    assert audit.verify().problems == []
    settling.record(payout.id, refund_id, RefundResult(state="succeeded", **right), now=NOW)
    assert refunds.one(finance, refund_id).state == "succeeded" and tasks.listing(finance) == ()


def test_an_answer_with_the_id_of_another_refund_is_set_aside(shop, finance, gateways, session):
    _, _, first = a_refund(gateways, shop)
    send(first, gateways)
    _, _, second = a_refund(gateways, shop)
    payout, known = the_payout(session, second), the_payout(session, first).provider_reference
    told = RefundResult(state="succeeded", reference=known, amount=2000, currency="EUR")
    settling.record(payout.id, second, told, now=NOW)
    assert the_payout(session, second).state == "requires_action"
    assert open_tasks(finance) == [("wrong_answer", "reference")]


def test_a_transfer_that_the_gateway_knew_and_knows_no_more_is_set_aside(
    shop, finance, gateways, wire, session
):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    send(refund_id, gateways)
    wire.faults = ["lag"]
    look(gateways)
    assert the_payout(session, refund_id).state == "requires_action"
    assert open_tasks(finance) == [("wrong_answer", "gone")]


def test_a_result_that_is_told_twice_or_late_counts_once(shop, finance, gateways, session):
    _, return_id, refund_id = a_refund(gateways, shop)
    payout = the_payout(session, refund_id)
    told = {"reference": "r-1", "amount": 2000, "currency": "EUR"}
    for state in ("pending", "succeeded", "pending", "succeeded", "requires_action"):
        settling.record(payout.id, refund_id, RefundResult(state=state, **told), now=NOW)
    assert the_payout(session, refund_id).state == "succeeded"
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    for state in ("failed", "succeeded", "failed", "canceled", "pending"):
        settling.record(payout.id, refund_id, RefundResult(state=state, **told), now=NOW)
    assert the_payout(session, refund_id).state == "failed" and audit.verify().problems == []


def test_what_the_gateway_cancels_is_still_owed_and_its_quota_is_free(
    shop, finance, gateways, sandbox, session
):
    order, _, refund_id = a_refund(gateways, shop, ending="-asks")
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    assert payout.state == "requires_action"
    sandbox.end(payout.provider_reference, "canceled", error="the customer did not answer")
    look(gateways)
    assert the_payout(session, refund_id).state == "canceled"
    assert refunds.one(finance, refund_id).state == "failed" and as_it_is(order).payments[0].left == 2000
    assert open_tasks(finance) == [("refund_failed", "")] and audit.verify().problems == []
    refunds.retry(finance, refund_id, now=NOW)
    assert as_it_is(order).payments[0].left == 0 and audit.verify().problems == []


def test_when_the_money_is_there_and_with_which_reference_is_kept(shop, gateways, session):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    assert payout.arrives_on > NOW.date() and payout.bank_reference.startswith("SANDBOX")
    assert (payout.sent_at, payout.checked_at, payout.settled_at) == (NOW, NOW, NOW)


# --------------------------------------------------------------------------------------------------- without events


def test_what_is_pending_is_asked_for_every_five_minutes_and_no_more_often(shop, finance, gateways, wire):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    send(refund_id, gateways)
    for second in range(0, 3600, 30):
        look(gateways, timedelta(seconds=second))
    assert 10 <= wire.asked <= 12
    wire.behind.settle()
    for second in range(3600, 3600 + 900, 30):
        look(gateways, timedelta(seconds=second))
    assert refunds.one(finance, refund_id).state == "succeeded"


def test_a_success_is_looked_at_less_and_less_and_after_a_month_no_more(shop, gateways, wire, session):
    _, _, refund_id = a_refund(gateways, shop)
    send(refund_id, gateways)
    looks, moment = [], timedelta(0)
    while (payout := the_payout(session, refund_id)).next_check_at is not None:
        moment = payout.next_check_at - NOW
        looks.append(moment)
        assert look(gateways, moment) == 1
    distances = [b - a for a, b in zip(looks, looks[1:], strict=False)]
    assert distances == sorted(distances) and distances[0] == timedelta(minutes=10)
    first_day = [one for one in looks if one <= timedelta(days=1)]
    assert len(first_day) == 144, "every ten minutes"
    assert timedelta(days=28) < moment <= timedelta(days=30) and len(looks) - len(first_day) < 50


def test_two_workers_never_look_at_the_same_transfer_at_once(shop, gateways, wire):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    send(refund_id, gateways)
    assert [look(gateways, timedelta(minutes=6)) for _ in range(3)] == [1, 0, 0]
    assert wire.asked == 1


def test_a_gateway_that_is_away_is_asked_once_and_the_rest_waits_a_minute(
    shop, finance, gateways, wire, session
):
    made = [a_refund(gateways, shop, ending="-pending")[2] for _ in range(3)]
    for refund_id in made:
        send(refund_id, gateways)
    wire.behind.settle()
    wire.faults = ["away"]
    assert look(gateways, timedelta(minutes=6)) == 3 and wire.asked == 1
    assert look(gateways, timedelta(minutes=6, seconds=30)) == 0
    assert look(gateways, timedelta(minutes=7)) == 3
    assert {refunds.one(finance, refund_id).state for refund_id in made} == {"succeeded"}


def test_one_transfer_that_cannot_be_looked_at_keeps_no_other_waiting(shop, finance, gateways, wire, session):
    made = [a_refund(gateways, shop, ending="-pending")[2] for _ in range(3)]
    for refund_id in made:
        send(refund_id, gateways)
    poison = the_payout(session, made[0]).key
    healthy = wire.look_up

    def look_up(**order):
        if order["key"] == poison:
            raise KeyError("an answer nobody foresaw")
        return healthy(**order)

    wire.look_up = look_up
    wire.behind.settle()
    assert look(gateways, timedelta(minutes=6)) == 3
    assert [refunds.one(finance, refund_id).state for refund_id in made] == [
        "pending",
        "succeeded",
        "succeeded",
    ]


def test_what_a_worker_cannot_look_after_keeps_nothing_else_waiting(
    shop, finance, gateways, sandbox, session
):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    send(refund_id, gateways)
    sandbox.settle()
    jobs.tick(replace(gateways, payments={"sandbox": "out of order"}), now=NOW + timedelta(days=2))
    assert [task.kind for task in tasks.listing(finance)] == ["refund_waits"], "it was told all the same"
    jobs.tick(replace(gateways, payments={"sandbox": sandbox}), now=NOW + timedelta(days=3))
    assert refunds.one(finance, refund_id).state == "succeeded"


def test_what_waits_for_more_than_a_day_is_told_once(shop, finance, gateways, sandbox):
    _, _, refund_id = a_refund(gateways, shop, ending="-pending")
    send(refund_id, gateways)
    assert looking.tell_of_waiting(now=NOW + timedelta(hours=23)) == 0
    later = NOW + timedelta(hours=25)
    assert [looking.tell_of_waiting(now=later) for _ in range(2)] == [1, 0]
    (task,) = tasks.listing(finance)
    assert (task.kind, task.details["state"]) == ("refund_waits", "pending")
    sandbox.settle()
    look(gateways, timedelta(hours=26))
    assert tasks.listing(finance) == ()


# ------------------------------------------------------------------------------------------------ what people do


def test_a_failed_transfer_goes_another_way_by_a_persons_word_and_never_by_itself(
    shop, finance, gateways, wire, session
):
    order, return_id, refund_id = a_refund(gateways, shop, ending="-declines")
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    for reason, provider, code in ((" ", "manual", "reason_missing"), ("x", "pigeon", "not_redirectable")):
        with pytest.raises(Conflict, match=code):
            byhand.redirect(finance, payout.id, provider=provider, reason=reason, now=NOW)
    account = {"holder": "Demo Customer", "iban": "DE02120300000000202051", "bic": ""}
    new = byhand.redirect(
        finance,
        payout.id,
        provider="bank_transfer",
        destination=account,
        reason="The card is closed",
        now=NOW,
    )
    planned = the_payout(session, refund_id)
    assert (planned.id, planned.provider, planned.state) == (new, "bank_transfer", "planned")
    assert planned.destination == account and planned.payment_id == payout.payment_id
    assert refunds.one(finance, refund_id).state == "pending" and as_it_is(order).payments[0].left == 0
    assert open_tasks(finance) == [] and audit.verify().problems == []
    send(refund_id, gateways)
    assert the_payout(session, refund_id).state == "planned" and len(wire.sent) == 1
    with pytest.raises(Conflict, match="not_redirectable"):
        byhand.redirect(finance, payout.id, provider="manual", reason="Again", now=NOW)
    byhand.redirect(finance, new, provider="manual", reason="At the till", now=NOW)
    send(refund_id, gateways)
    assert the_payout(session, refund_id).state == "requires_action" and audit.verify().problems == []


def test_what_still_lies_at_the_gateway_is_not_sent_another_way(shop, finance, gateways, session):
    _, _, refund_id = a_refund(gateways, shop, ending="-asks")
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    with pytest.raises(Conflict, match="still_at_gateway"):
        byhand.redirect(finance, payout.id, provider="manual", reason="Quicker", now=NOW)
    with pytest.raises(NotFound):
        byhand.redirect(
            a_person(a_merchant(), "finance"), payout.id, provider="manual", reason="Mine", now=NOW
        )


def test_a_failed_transfer_that_was_paid_elsewhere_is_settled_with_its_proof(
    shop, finance, gateways, session
):
    order, return_id, refund_id = a_refund(gateways, shop, ending="-declines")
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    byhand.settle_by_hand(finance, payout.id, proof="Check 4711", method="check", now=NOW)
    settled = the_payout(session, refund_id)
    assert (settled.provider, settled.state, settled.provider_reference) == (
        "manual",
        "succeeded",
        "Check 4711",
    )
    assert settled.destination["by_hand"]["method"] == "check"
    assert refunds.one(finance, refund_id).state == "succeeded" and as_it_is(order).payments[0].left == 0
    assert open_tasks(finance) == [] and audit.verify().problems == []
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1


def test_a_gift_card_is_paid_back_inside_the_transaction_of_its_result(shop, finance, gateways, sandbox):
    _, _, refund_id = a_refund(gateways, shop, paid=[a_payment("gift_card")])
    send(refund_id, gateways)
    send(refund_id, gateways)
    refund = refunds.one(finance, refund_id)
    assert (refund.state, refund.payouts[0].provider) == ("succeeded", "gift_card")
    assert sandbox.refunds() == [] and audit.verify().problems == []


def test_a_bank_transfer_waits_for_its_batch(shop, finance, gateways, sandbox, session):
    _, _, refund_id = a_refund(gateways, shop, paid=[a_payment("bank_transfer")])
    send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    assert (payout.provider, payout.state, payout.next_check_at) == ("bank_transfer", "planned", None)
    assert refunds.one(finance, refund_id).state == "pending" and sandbox.refunds() == []
    for state in ("pending", "succeeded"):
        told = RefundResult(state=state, reference="B-1", amount=2000, currency="EUR", bank_reference="E2E-1")
        settling.record(payout.id, refund_id, told, now=NOW)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert the_payout(session, refund_id).bank_reference == "E2E-1" and audit.verify().problems == []

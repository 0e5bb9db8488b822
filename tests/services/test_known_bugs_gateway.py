"""Bugs that others shipped between shop and gateway: webhooks, store credit, waiting; none of them happens here."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db.base import db
from portal.db.credits import Credit, CreditEntry
from portal.db.gateway import GatewayEvent
from portal.db.refunds import Payout, Refund, Transfer
from portal.ports import Unavailable
from portal.services import work
from portal.services.gateways import gateway_events, looking
from portal.services.paying import payouts
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


class Beside:
    """The gateway; while it is asked to refund, ``meanwhile`` happens, and the answer comes afterwards."""

    code = "sandbox"

    def __init__(self, behind, meanwhile):
        self.behind, self.meanwhile = behind, meanwhile

    def refund(self, **order):
        answer = self.behind.refund(**order)
        self.meanwhile(answer)
        return answer

    def __getattr__(self, name):
        return getattr(self.behind, name)


def a_refund(gateways, shop, finance, units=2, **tender):
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", **tender)])
    return_id = came_back(gateways, shop, order, {"MUG": units})
    return order, return_id, refunds.propose(finance, return_id, now=NOW)


def deliver(gateways, reference, *, copies=1, number=1, now=NOW):
    """An event of that refund, and the work that it promised."""
    headers, body = gateways.payments["sandbox"].announce(reference, now=now, number=number)
    for _ in range(copies):
        gateway_events.receive("sandbox", headers, body, gateways=gateways, now=now)
    handle(gateways, now)


def handle(gateways, now=NOW):
    db.session.rollback()
    for event_id in db.session.scalars(sa.select(GatewayEvent.id).order_by(GatewayEvent.id)).all():
        gateway_events.handle(event_id, gateways=gateways, now=now)


def assert_one_refund(gateways, return_id, amount):
    """At the gateway, here, in the books and in the mailbox; by the person who decided it."""
    db.session.rollback()
    assert [row[2] for row in gateways.payments["sandbox"].refunds()] == [amount]
    assert db.session.scalars(sa.select(Refund.amount_minor)).all() == [amount]
    assert db.session.scalars(sa.select(Payout.state)).all() == ["succeeded"]
    settled = sa.select(sa.func.count(sa.distinct(Transfer.entry_id))).where(
        Transfer.kind == "payout_settled"
    )
    assert db.session.scalar(settled) == 1
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    assert audit.verify().problems == []


@pytest.mark.parametrize("units", [1, 2], ids=["partial", "full"])
def test_woocommerce_stripe_2724_a_webhook_that_overtakes_a_slow_answer_makes_no_second_refund(
    shop, finance, gateways, units
):
    _, return_id, refund_id = a_refund(gateways, shop, finance, units)
    gateway = gateways.payments["sandbox"]
    gateways.payments["sandbox"] = Beside(gateway, lambda answer: deliver(gateways, answer.reference))
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert_one_refund(gateways, return_id, units * 1000)


def test_woocommerce_stripe_3653_events_of_several_refunds_find_their_own(shop, finance, gateways, sandbox):
    """Late, twice and for the first of two: each is matched by its own key, never by the last one or the order."""
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", ending="-pending")])
    sent = []
    for _ in range(2):
        refund_id = refunds.propose(finance, came_back(gateways, shop, order, {"MUG": 1}), now=NOW)
        payouts.send(refund_id, gateways=gateways, now=NOW)
        sent.append(db.session.scalars(sa.select(Payout).where(Payout.refund_id == refund_id)).one())
    first, second = (payout.provider_reference for payout in sent)
    sandbox.end(first, "failed", error="the card is closed")
    deliver(gateways, second, copies=2)
    deliver(gateways, first, copies=2)
    sandbox.end(second, "succeeded")
    deliver(gateways, first, number=2)
    deliver(gateways, second, number=2)
    db.session.rollback()
    states = dict(
        tuple(row) for row in db.session.execute(sa.select(Payout.provider_reference, Payout.state))
    )
    assert states == {first: "failed", second: "succeeded"}
    assert len(sandbox.refunds()) == 2 and as_it_is(order).payments[0].refunded == 1000
    assert audit.verify().problems == []


def test_gumroad_6193_no_transaction_is_open_while_the_gateway_is_asked(shop, finance, gateways, database):
    """So whatever overtakes the answer sees what was decided, and nothing waits for a lock of ours."""
    _, return_id, refund_id = a_refund(gateways, shop, finance)
    seen = []

    def meanwhile(answer):
        assert not db.session().in_transaction(), "a transaction is open over a call to the gateway"
        with db.engine.connect() as other:
            other = other.execution_options(writes=True)
            seen.append(other.scalar(sa.select(Payout.state).where(Payout.key == order_key)))
            other.execute(sa.update(Payout).values(checked_at=NOW))
            other.execute(sa.update(Refund).values(reason="somebody else writes here"))
            other.commit()
        deliver(gateways, answer.reference)

    order_key = db.session.scalars(sa.select(Payout.key)).one()
    db.session.rollback()
    gateways.payments["sandbox"] = Beside(gateways.payments["sandbox"], meanwhile)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert seen == ["submitting"], "the intent was committed before the call"
    assert_one_refund(gateways, return_id, 2000)


@pytest.mark.parametrize("copies", [1, 3])
def test_magento2_24149_the_gateways_notice_of_our_own_refund_writes_no_second_credit_memo(
    shop, finance, gateways, session, copies
):
    _, return_id, refund_id = a_refund(gateways, shop, finance)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    reference = session.scalars(sa.select(Payout.provider_reference)).one()
    for number in range(1, 3):
        deliver(gateways, reference, copies=copies, number=number, now=NOW + timedelta(minutes=number))
    assert_one_refund(gateways, return_id, 2000)
    notes = session.scalar(sa.text("SELECT count(*) FROM credit_notes"))
    assert notes == 1


def test_adyen_magento2_722_a_refund_made_here_is_not_taken_for_one_made_there(
    shop, finance, gateways, session
):
    """Also when its event is handled before the answer was written down: our key is in it."""
    order, return_id, refund_id = a_refund(gateways, shop, finance, units=1)
    gateway = gateways.payments["sandbox"]
    gateways.payments["sandbox"] = Beside(
        gateway, lambda answer: deliver(gateways, answer.reference, copies=2)
    )
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert_one_refund(gateways, return_id, 1000)
    assert session.scalar(sa.text("SELECT count(*) FROM outside_refunds")) == 0
    assert as_it_is(order).payments[0].refunded == 1000


def test_ps_checkout_331_a_queued_webhook_adds_nothing(shop, finance, gateways, session):
    """Delivered five times, queued once, handled again and again."""
    _, return_id, refund_id = a_refund(gateways, shop, finance)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    reference = session.scalars(sa.select(Payout.provider_reference)).one()
    deliver(gateways, reference, copies=5)
    handle(gateways, NOW + timedelta(hours=1))
    queued = [item for item in work.listing() if item.kind == "gateway_event"]
    assert len(queued) == 1
    assert_one_refund(gateways, return_id, 2000)


def test_commerce_coordinator_243_a_full_refund_is_written_once_however_often_it_is_announced(
    shop, finance, gateways, sandbox, session
):
    """One made on the gateway's own pages: counted once, by its own id, and not refunded here again."""
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment(reference="the-capture")])
    reference = sandbox.refund_outside("the-capture", 2000)
    for number in range(1, 4):
        deliver(gateways, reference, copies=2, number=number)
    assert session.scalars(sa.text("SELECT amount_minor FROM outside_refunds")).all() == [2000]
    paid = as_it_is(order).payments[0]
    assert (paid.refunded, paid.left) == (2000, 0)
    assert len(sandbox.refunds()) == 1 and session.scalar(sa.select(sa.func.count(Refund.id))) == 0
    assert audit.verify().problems == []


def test_magento2_38815_an_error_of_the_card_gives_the_store_credit_back_once(
    shop, finance, gateways, sandbox, session
):
    """Paid by credit and card; the card's gateway fails twice, a person tries again: the credit came back once."""
    paid = [a_payment("store_credit", "15.00"), a_payment("card", ending="-fails")]
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=paid)
    refund_id = refunds.propose(finance, came_back(gateways, shop, order), now=NOW)
    for _ in range(3):
        payouts.send(refund_id, gateways=gateways, now=NOW)
        if refunds.one(finance, refund_id).state == "failed":
            refunds.retry(finance, refund_id, now=NOW)
    session.rollback()
    assert session.scalars(sa.select(CreditEntry.amount_minor)).all() == [1500]
    assert session.scalars(sa.select(Credit.balance_minor)).all() == [1500]
    own = sa.select(Payout.state).where(Payout.provider == "store_credit")
    assert session.scalars(own).all() == ["succeeded"]
    assert audit.verify().problems == []


def test_mollie_722_a_refund_whose_event_never_comes_is_settled_all_the_same(
    shop, finance, gateways, sandbox, session
):
    """Nobody waits for an event: what is not final is asked for, every five minutes and no more often."""
    _, return_id, refund_id = a_refund(gateways, shop, finance, ending="-pending")
    payouts.send(refund_id, gateways=gateways, now=NOW)
    sandbox.settle()
    for minute in range(0, 15, 5):
        looking.look_at_due(gateways=gateways, now=NOW + timedelta(minutes=minute))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert session.scalar(sa.select(sa.func.count(GatewayEvent.id))) == 0
    assert_one_refund(gateways, return_id, 2000)


def test_hi_events_1067_a_gateway_that_is_away_leaves_nothing_pending_for_ever(
    shop, finance, gateways, sandbox, session
):
    _, return_id, refund_id = a_refund(gateways, shop, finance, ending="-unavailable")
    with pytest.raises(Unavailable):
        payouts.send(refund_id, gateways=gateways, now=NOW)
    assert refunds.one(finance, refund_id).state == "pending"
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(minutes=11))
    assert_one_refund(gateways, return_id, 2000)

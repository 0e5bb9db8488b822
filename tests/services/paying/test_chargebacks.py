"""Disputed payments: what is disputed cannot be refunded as well, whoever tries, and what is won can again."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core.access import Conflict
from portal.db.base import transaction
from portal.db.gateway import Chargeback, GatewayEvent
from portal.db.orders import Payment
from portal.services import tasks
from portal.services.gateways import gateway_events
from portal.services.paying import byhand, chargebacks, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, as_it_is, came_back

EVER = NOW - timedelta(days=400)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def take_over(sandbox, session):
    """All that the gateway's list says, as the daily comparison takes it over."""
    told = [chargebacks.apply("sandbox", one, now=NOW) for one in sandbox.disputes_since(EVER)]
    session.rollback()
    session.expire_all()
    return told


def held(session):
    session.rollback()
    session.expire_all()
    return [
        (payment.captured_minor, payment.refunded_minor, payment.disputed_minor)
        for payment in session.scalars(sa.select(Payment).order_by(Payment.id))
    ]


def test_a_dispute_holds_its_part_of_the_payment_until_it_is_won(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    dispute = sandbox.dispute(f"{order.number}-card", 1500)
    for _ in range(2):
        assert take_over(sandbox, session) == ["open"]
        assert held(session) == [(2000, 0, 1500)] and as_it_is(order).payments[0].left == 500
    (task,) = tasks.listing(finance)
    assert (task.kind, task.key, task.details["held"], task.details["rest"]) == (
        "chargeback",
        dispute,
        1500,
        0,
    )
    assert task.details["orders"] == [order.number]
    sandbox.decide(dispute, "won")
    assert take_over(sandbox, session) == ["won"]
    assert held(session) == [(2000, 0, 0)] and as_it_is(order).payments[0].left == 2000
    assert tasks.listing(finance) == () and audit.verify().problems == []


def test_what_is_lost_is_gone_for_good(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    return_id = came_back(gateways, shop, order)
    dispute = sandbox.dispute(f"{order.number}-card", 2000)
    take_over(sandbox, session)
    sandbox.decide(dispute, "lost")
    assert take_over(sandbox, session) == ["lost"]
    assert held(session) == [(2000, 0, 2000)] and as_it_is(order).payments[0].left == 0
    row = session.scalars(sa.select(Chargeback)).one()
    assert (row.state, row.closed_at) == ("lost", NOW)
    due = refunds.quote(finance, return_id, now=NOW)
    assert (due.amount, due.clamped, due.shares) == (0, 2000, ()), "the bank has given it back already"
    (task,) = tasks.listing(finance)
    assert task.details["state"] == "lost" and audit.verify().problems == []


def test_as_much_is_held_as_fits_and_the_rest_when_there_is_room(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", ending="-fails")])
    refund_id = refunds.propose(finance, came_back(gateways, shop, order, {"MUG": 1}), now=NOW)
    sandbox.dispute(f"{order.number}-card-fails", 1500)
    take_over(sandbox, session)
    assert held(session) == [(2000, 1000, 1000)]
    (task,) = tasks.listing(finance)
    assert (task.details["held"], task.details["rest"]) == (1000, 500)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert refunds.one(finance, refund_id).state == "failed"
    assert held(session) == [(2000, 0, 1500)]
    assert {one.kind: one.details.get("rest") for one in tasks.listing(finance)}["chargeback"] == 0
    with pytest.raises(Conflict, match="too_much"):
        refunds.retry(finance, refund_id, now=NOW)
    assert audit.verify().problems == []


def test_the_database_itself_refuses_to_refund_what_is_disputed(shop, gateways, sandbox, session):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    sandbox.dispute(f"{order.number}-card", 1500)
    take_over(sandbox, session)
    for statement in (
        "UPDATE payments SET refunded_minor = 501",
        "UPDATE payments SET disputed_minor = 2001",
        "UPDATE payments SET disputed_minor = -1",
        "UPDATE payments SET captured_minor = 1499",
        "UPDATE chargebacks SET held_minor = amount_minor + 1",
        "UPDATE chargebacks SET state = 'forgotten'",
    ):
        with pytest.raises(IntegrityError), transaction():
            session.execute(sa.text(statement))
    with transaction():
        session.execute(sa.text("UPDATE payments SET refunded_minor = 500"))
    assert held(session) == [(2000, 500, 1500)]


def test_a_dispute_is_taken_over_by_its_event_too(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    dispute = sandbox.dispute(f"{order.number}-card", 300)
    for number, (decided, outcome, left) in enumerate((("open", "open", 1700), ("won", "won", 2000))):
        sandbox.decide(dispute, decided)
        headers, body = sandbox.announce(dispute, now=NOW, number=number)
        gateway_events.receive("sandbox", headers, body, gateways=gateways, now=NOW)
        session.rollback()
        for event_id in session.scalars(sa.select(GatewayEvent.id)).all():
            gateway_events.handle(event_id, gateways=gateways, now=NOW)
        session.rollback()
        session.expire_all()
        assert outcome in session.scalars(sa.select(GatewayEvent.outcome)).all()
        assert as_it_is(order).payments[0].left == left


def test_another_currency_or_a_strangers_capture_holds_nothing(shop, gateways, sandbox, session):
    sandbox.learn("somebody-elses", captured=500, currency="EUR")
    sandbox.dispute("somebody-elses", 100)
    order = an_order(gateways, shop)
    with transaction():
        session.execute(sa.text("UPDATE payments SET currency = 'USD'"))
    sandbox.dispute(f"{order.number}-card", 100)
    assert take_over(sandbox, session) == ["foreign", "wrong_currency"]
    assert held(session) == [(1000, 0, 0)]


@pytest.mark.parametrize(
    ("units", "disputed", "then"),
    [
        ({"MUG": 2, "POT": 1}, 4500, [(500, 500, 0), (4500, 4500, 0)]),
        ({"MUG": 2}, 2000, [(500, 0, 0), (4500, 2000, 0)]),
        ({"MUG": 2}, 4500, [(500, 0, 0), (4500, 2000, 2500)]),
    ],
    ids=["beside a tender that was paid", "of a part", "with more than it"],
)
def test_a_failed_refund_that_the_customers_bank_has_paid_ends_with_the_chargeback_as_its_proof(
    shop, finance, gateways, sandbox, session, units, disputed, then
):
    """What a lost dispute took can be neither sent nor given up once a part is paid: that is no dead end."""
    items = [an_item("MUG", 2), an_item("POT", 1, "30.00")]
    paid = [a_payment("gift_card", "5.00"), a_payment("card", ending="-fails")]
    order = an_order(gateways, shop, items, paid=paid)
    refund_id = refunds.propose(finance, came_back(gateways, shop, order, units), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    (failed,) = [one for one in refunds.one(finance, refund_id).payouts if one.state == "failed"]
    dispute = sandbox.dispute(f"{order.number}-card-fails", disputed)
    take_over(sandbox, session)
    before = held(session)
    sandbox.decide(dispute, "lost")
    take_over(sandbox, session)
    assert held(session) == before
    byhand.settle_by_hand(finance, failed.id, proof=f"Chargeback {dispute}", now=NOW)
    for _ in range(2):
        take_over(sandbox, session)
        assert sorted(held(session)) == then
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert audit.verify().problems == []


def test_a_dispute_that_may_still_be_won_has_paid_nothing(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, paid=[a_payment("card", ending="-fails")])
    refund_id = refunds.propose(finance, came_back(gateways, shop, order), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    dispute = sandbox.dispute(f"{order.number}-card-fails", 1000)
    take_over(sandbox, session)
    (failed,) = refunds.one(finance, refund_id).payouts
    with pytest.raises(Conflict, match="too_much"):
        byhand.settle_by_hand(finance, failed.id, proof=dispute, now=NOW)

"""Transfers over real HTTP to a gateway shaped like Stripe: the same machinery, other books."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from portal.core.access import SYSTEM
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment
from portal.db.gateway import GatewayEvent
from portal.db.refunds import Payout
from portal.ports import Unavailable
from portal.services import intake, tasks
from portal.services.gateways import gateway_events, looking, reconcile
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import HOME, a_merchant, a_person, as_it_is, came_back, order_called
from tests.stripe_server import running


@pytest.fixture(scope="module")
def server():
    with running() as stripe:
        yield stripe


@pytest.fixture
def stripe(server):
    server.mend()
    server.forget_requests()
    return server


@pytest.fixture
def app(make_app, stripe):
    return make_app(**stripe.environ(), STRIPE_TIMEOUT="2")


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


def now():
    return datetime.now(UTC)


def an_order(shop, stripe, number, **more):
    """Two mugs of 10 EUR, paid by a card that the gateway knows."""
    capture = stripe.payment(2000, "EUR", **more)
    placed = now() - timedelta(days=5)
    mugs = IncomingLine(
        external_id="1", sku="MUG", name="Demo mug", units=2, unit_price=Decimal(10), shipped=2, delivered=2,
        shipped_at=placed, delivered_at=placed,
    )  # fmt: skip
    told = IncomingOrder(
        external_id=number, number=number, currency="EUR", placed_at=placed, lines=(mugs,), total=Decimal(20),
        payments=(IncomingPayment(reference=capture, tender="card", captured=Decimal(20)),), country="DE",
        email="demo.customer@customer.example", name="Demo Customer", postcode="20359", address=HOME.record(),
        digest=number,
    )  # fmt: skip
    intake.import_orders(SYSTEM, shop, [told], source="tests", now=now(), gateway="stripe")
    return order_called(shop, number), capture


def a_refund(gateways, shop, finance, stripe, number="S-1", **more):
    order, capture = an_order(shop, stripe, number, **more)
    refund_id = refunds.propose(finance, came_back(gateways, shop, order, now=now()), now=now())
    return order, capture, refund_id


def the_payout(session, refund_id):
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Payout).where(Payout.refund_id == refund_id)).one()


def send(refund_id, gateways):
    payouts.send(refund_id, gateways=gateways, now=now())


def executed(stripe, capture):
    return [(one["amount"], one["status"]) for one in stripe.refunds(capture)]


def test_a_refund_is_paid_once_with_our_key_and_found_again(shop, finance, gateways, stripe, session):
    _, capture, refund_id = a_refund(gateways, shop, finance, stripe)
    for _ in range(2):
        send(refund_id, gateways)
    payout = the_payout(session, refund_id)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert executed(stripe, capture) == [(2000, "succeeded")]
    assert [seen.key for seen in stripe.requests()] == [payout.key]
    assert looking.look(payout.id, refund_id, gateways=gateways, now=now())
    assert reconcile.run(gateways=gateways, now=now()).agrees and audit.verify().problems == []


@pytest.mark.parametrize(
    "fault", ["reset_before", "reset_after", "hang_after", "cut_json", "garbage", ("error", {"after": True})]
)
def test_whatever_happens_to_an_answer_one_refund_is_made(shop, finance, gateways, stripe, session, fault):
    kind, more = fault if isinstance(fault, tuple) else (fault, {})
    order, capture, refund_id = a_refund(gateways, shop, finance, stripe, number=f"S-{kind}")
    stripe.fault(kind, **more)
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    assert the_payout(session, refund_id).state == "unknown" and as_it_is(order).payments[0].left == 0
    assert tasks.listing(finance) == ()
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert executed(stripe, capture) == [(2000, "succeeded")]
    assert len({seen.key for seen in stripe.requests()}) == 1


@pytest.mark.parametrize("fault", ["wrong_amount", "wrong_currency", "wrong_capture"])
def test_a_wrong_echo_is_set_aside_and_comes_right_by_looking(
    shop, finance, gateways, stripe, session, fault
):
    _, capture, refund_id = a_refund(gateways, shop, finance, stripe, number=f"S-{fault}")
    stripe.fault(fault)
    send(refund_id, gateways)
    assert the_payout(session, refund_id).state == "requires_action"
    assert [task.kind for task in tasks.listing(finance)] == ["wrong_answer"]
    looking.look(the_payout(session, refund_id).id, refund_id, gateways=gateways, now=now())
    assert refunds.one(finance, refund_id).state == "succeeded" and tasks.listing(finance) == ()
    assert executed(stripe, capture) == [(2000, "succeeded")]


def test_a_wrong_id_is_noticed_by_the_next_look_and_told(shop, finance, gateways, stripe, session):
    _, capture, refund_id = a_refund(gateways, shop, finance, stripe, number="S-wrong-id")
    stripe.fault("wrong_id")
    send(refund_id, gateways)
    assert looking.look_at_due(gateways=gateways, now=now() + timedelta(minutes=11)) == 1
    assert [task.kind for task in tasks.listing(finance)] == ["wrong_answer"]
    assert executed(stripe, capture) == [(2000, "succeeded")] and audit.verify().problems == []


def test_a_key_that_is_revoked_fails_nothing(shop, finance, gateways, stripe, session):
    _, _, refund_id = a_refund(gateways, shop, finance, stripe, number="S-401")
    stripe.fault("unauthorized", times=None)
    with pytest.raises(Unavailable) as told:
        send(refund_id, gateways)
    assert told.value.retry_after == 1800 and the_payout(session, refund_id).state == "planned"
    assert [task.kind for task in tasks.listing(finance)] == ["not_authorized"]
    stripe.mend()
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded" and tasks.listing(finance) == ()


def test_what_was_refunded_over_there_is_declined_at_once_and_told(shop, finance, gateways, stripe, session):
    order, capture, refund_id = a_refund(gateways, shop, finance, stripe, number="S-out")
    stripe.refund_outside(capture, 1500)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "failed" and len(stripe.requests()) == 1
    (task,) = tasks.listing(finance)
    assert task.kind == "refund_failed" and task.details["reason"] == "too_much"
    assert reconcile.run(gateways=gateways, now=now()).agrees
    assert as_it_is(order).payments[0].left == 500 and audit.verify().problems == []


def test_events_bring_every_later_state(shop, finance, gateways, stripe, session):
    order, capture, refund_id = a_refund(
        gateways, shop, finance, stripe, number="S-ev", card="pending_refund"
    )
    send(refund_id, gateways)
    assert the_payout(session, refund_id).state == "pending"
    reference = the_payout(session, refund_id).provider_reference
    stripe.settle(reference)
    deliver(gateways, session, stripe, about=reference)
    assert the_payout(session, refund_id).state == "succeeded"
    stripe.fail(reference)
    dispute = stripe.dispute(capture, 300)
    deliver(gateways, session, stripe, about=reference)
    deliver(gateways, session, stripe, about=dispute)
    assert the_payout(session, refund_id).state == "failed"
    assert as_it_is(order).payments[0].left == 1700 and audit.verify().problems == []
    assert {task.kind for task in tasks.listing(finance)} == {"refund_failed", "chargeback"}


def deliver(gateways, session, stripe, about):
    """Every event about that, twice and backwards, then the work that was promised."""
    events = [one for one in stripe.events() if about in str(one)]
    assert events
    for event in (*reversed(events), *events):
        headers, body = stripe.signed(event)
        gateway_events.receive("stripe", headers, body, gateways=gateways, now=now())
    session.rollback()
    for event_id in session.scalars(sa.select(GatewayEvent.id)).all():
        gateway_events.handle(event_id, gateways=gateways, now=now())

"""What Stripe only holds is let go through the whole portal: over real HTTP, with lost answers, events and captures."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db.gateway import GatewayEvent
from portal.db.orders import Payment
from portal.ports import Unavailable
from portal.services import tasks
from portal.services.gateways import gateway_events, looking, reconcile
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, as_it_is
from tests.services.reserved import become, given_back, payments_of, transfers_of
from tests.stripe_server import running

INTENTS = "/v1/payment_intents"


@pytest.fixture
def server():
    with running() as started:
        started.advance(NOW.timestamp() - time.time())
        yield started


@pytest.fixture
def app(make_app, server):
    made = make_app(**server.environ(), STRIPE_TIMEOUT="2")
    made.config["CLOCK"] = lambda: NOW
    return made


@pytest.fixture
def gateways(app):
    built = app.extensions["gateways"]
    bare = replace(built, payments={"stripe": built.payments["stripe"]._inner})
    app.extensions["gateways"] = bare
    return bare


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def held(gateways, server, shop):
    """An order of two mugs at 10.00, which Stripe holds on a card; its reference."""
    reference = server.authorization(2_000)
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", reference=reference)])
    become(order, reference, "authorized")
    return as_it_is(order), reference


def send(refund_id, gateways, after=timedelta(0)):
    try:
        payouts.send(refund_id, gateways=gateways, now=NOW + after)
    except Unavailable:
        return False
    return True


def handle_all(session, gateways, now=NOW):
    """Look into every event; answers what became of each."""
    session.rollback()
    for event_id in session.scalars(sa.select(GatewayEvent.id).order_by(GatewayEvent.id)).all():
        gateway_events.handle(event_id, gateways=gateways, now=now)
    session.rollback()
    return list(session.scalars(sa.select(GatewayEvent.outcome).order_by(GatewayEvent.id)))


def deliver(server, gateways):
    for event in server.events():
        headers, body = server.signed(event, at=int(NOW.timestamp()))
        gateway_events.receive("stripe", headers, body, gateways=gateways, now=NOW)


def test_what_remains_is_written_for_the_shop_and_nothing_is_refunded(shop, finance, gateways, server, held):
    order, reference = held
    refund_id = given_back(gateways, shop, order)
    assert send(refund_id, gateways) and send(refund_id, gateways)
    (payout,) = transfers_of(refund_id)
    assert server.metadata(reference) == {f"r_{payout.key}": "1000", "amount_to_capture": "1000"}
    assert payout.provider_reference == f"{reference}/r_{payout.key}:1000"
    assert server.refunds() == [] and refunds.one(finance, refund_id).state == "succeeded"
    server.take(reference, 1_000)
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(hours=2))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert audit.verify().problems == []
    report = reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3))
    assert report.agrees and (report.checked["stripe"]["refunds"], report.checked["stripe"]["transfers"]) == (
        0,
        1,
    )


def test_with_nothing_remaining_the_intent_is_canceled_and_its_events_are_no_refunds(
    session, shop, finance, gateways, server, held
):
    order, reference = held
    for _ in range(2):
        assert send(given_back(gateways, shop, as_it_is(order)), gateways)
    assert gateways.payments["stripe"].capture(reference).authorized == 0
    assert [one["amount"] for one in server.refunds(reference)] == [2_000], (
        "the object by which Stripe frees it"
    )
    deliver(server, gateways)
    assert {"released"} <= set(handle_all(session, gateways)) <= {"released", "ignored"}
    payment = payments_of(order)["authorized"]
    assert (payment.refunded_minor, payment.released_minor) == (2_000, 2_000)
    assert [task.kind for task in tasks.listing(finance)] == []
    report = reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3))
    assert report.agrees and report.checked["stripe"]["outside"] == 0
    assert audit.verify().problems == []


@pytest.mark.parametrize("trouble", ["reset_after", "reset_before", "cut_json", "hang_after"])
def test_an_answer_that_was_lost_is_looked_up(shop, finance, gateways, server, held, trouble):
    order, reference = held
    refund_id = given_back(gateways, shop, order)
    server.fault(trouble, path=INTENTS, seconds=3)
    assert not send(refund_id, gateways)
    assert transfers_of(refund_id)[0].state == "unknown"
    assert payments_of(order)["authorized"].refunded_minor == 1_000, "its quota is held"
    assert send(refund_id, gateways, timedelta(minutes=2))
    assert refunds.one(finance, refund_id).state == "succeeded"
    there = gateways.payments["stripe"].capture(reference)
    assert (there.authorized, there.released) == (1_000, 1_000) and audit.verify().problems == []


def test_a_cancellation_whose_answer_was_lost_is_canceled_once(shop, finance, gateways, server, held):
    order, reference = held
    refund_id = given_back(gateways, shop, order, 2)
    server.fault("reset_before", path=f"{INTENTS}/{reference}/cancel")
    assert not send(refund_id, gateways)
    assert gateways.payments["stripe"].look_up(key=transfers_of(refund_id)[0].key, capture=reference) is None
    assert send(refund_id, gateways, timedelta(minutes=2))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert len(server.refunds(reference)) == 1 and audit.verify().problems == []


def test_what_the_shop_captured_before_is_refunded_under_the_same_key(
    session, shop, finance, gateways, server, held
):
    order, reference = held
    refund_id = given_back(gateways, shop, order)
    server.take(reference, 2_000)
    server.fault("reset_after")
    assert not send(refund_id, gateways)
    assert send(refund_id, gateways, timedelta(minutes=2))
    (payout,) = transfers_of(refund_id)
    assert (payout.mode, payout.state) == ("captured", "succeeded")
    assert [(one["metadata"]["payout"], one["amount"]) for one in server.refunds()] == [(payout.key, 1_000)]
    assert server.metadata(reference) == {}
    assert session.scalars(sa.select(Payment.mode)).one() == "captured"
    assert audit.verify().problems == []
    assert reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3)).agrees


def test_what_the_shop_captured_though_it_was_let_go_is_told_and_refunded_on_another_try(
    shop, finance, gateways, server, held
):
    order, reference = held
    refund_id = given_back(gateways, shop, order)
    assert send(refund_id, gateways)
    server.take(reference)
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(hours=1))
    assert refunds.one(finance, refund_id).state == "failed"
    assert [task.details["reason"] for task in tasks.listing(finance)] == ["captured_anyway"]
    refunds.retry(finance, refund_id, now=NOW + timedelta(hours=2))
    assert send(refund_id, gateways, timedelta(hours=2))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert [one["amount"] for one in server.refunds()] == [1_000]
    payment = payments_of(order)["captured"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (2_000, 1_000, 0)
    assert audit.verify().problems == []


def test_captured_here_and_held_there_is_refused_before_stripe_is_asked_for_money(
    shop, finance, gateways, server, held
):
    order, reference = held
    become(order, reference, "captured")
    refund_id = given_back(gateways, shop, order)
    assert send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "failed"
    assert [task.details["reason"] for task in tasks.listing(finance)] == ["not_captured"]
    assert server.requests(path="/v1/refunds") == []


def test_an_authorization_that_expired_is_let_go_already(shop, finance, gateways, server, held):
    order, reference = held
    refund_id = given_back(gateways, shop, order)
    server.void(reference)
    assert send(refund_id, gateways)
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(hours=1))
    assert refunds.one(finance, refund_id).state == "succeeded"
    report = reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3))
    assert report.agrees and audit.verify().problems == []

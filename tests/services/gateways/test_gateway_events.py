"""Events are hints: whatever order, number and loss they come in, what the gateway shows is what counts."""

import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db import history
from portal.db.gateway import GatewayEvent
from portal.db.refunds import Payout
from portal.ports import Forged, Unavailable
from portal.services import tasks
from portal.services.gateways import gateway_events, looking
from portal.services.paying import payouts, settling
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


def a_refund(gateways, shop, finance, ending="-pending"):
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", ending=ending)])
    return_id = came_back(gateways, shop, order)
    return order, return_id, refunds.propose(finance, return_id, now=NOW)


def the_payout(session, refund_id):
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Payout).where(Payout.refund_id == refund_id)).one()


def receive(gateways, told, now=NOW):
    headers, body = told
    return gateway_events.receive("sandbox", headers, body, gateways=gateways, now=now)


def handle_all(session, gateways, now=NOW):
    """What the promised work does, in the order of arrival; answers the outcomes."""
    session.rollback()
    ids = session.scalars(sa.select(GatewayEvent.id).order_by(GatewayEvent.id)).all()
    for event_id in ids:
        gateway_events.handle(event_id, gateways=gateways, now=now)
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(GatewayEvent.outcome).order_by(GatewayEvent.id)).all()


def test_an_event_brings_what_the_gateway_shows_and_not_what_it_says(
    shop, finance, gateways, sandbox, session
):
    _, _, refund_id = a_refund(gateways, shop, finance)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    payout = the_payout(session, refund_id)
    sandbox.settle()
    told = sandbox.announce(payout.provider_reference, now=NOW)
    sandbox.end(payout.provider_reference, "failed", error="closed")
    receive(gateways, told)
    assert handle_all(session, gateways) == ["applied"]
    assert the_payout(session, refund_id).state == "failed", "the event said succeeded"


def test_an_event_is_stored_once_and_handled_once(shop, finance, gateways, sandbox, session):
    _, return_id, refund_id = a_refund(gateways, shop, finance)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    sandbox.settle()
    told = sandbox.announce(the_payout(session, refund_id).provider_reference, now=NOW)
    assert [receive(gateways, told) for _ in range(3)] == [True, False, False]
    for _ in range(2):
        assert handle_all(session, gateways) == ["applied"]
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1


def test_an_event_that_overtakes_the_answer_makes_no_second_refund_and_no_other_author(
    shop, finance, gateways, sandbox, session
):
    """woocommerce-gateway-stripe#838: the webhook is there before the API has answered."""
    _, return_id, refund_id = a_refund(gateways, shop, finance, ending="")
    payout = the_payout(session, refund_id)
    order = payouts._begin(payout.id, refund_id, gateways=gateways, now=NOW)
    answer = sandbox.refund(key=order.key, reference=order.reference, amount=order.amount, currency="EUR")
    receive(gateways, sandbox.announce(answer.reference, now=NOW))
    assert handle_all(session, gateways) == ["applied"]
    assert the_payout(session, refund_id).state == "succeeded"
    settling.record(payout.id, refund_id, answer, now=NOW + timedelta(seconds=10))
    assert len(sandbox.refunds()) == 1 and len(refunds.of_return(return_id)) == 1
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    done = [row for row in history.of([return_id]) if row.what == "refund.succeeded"]
    assert [(row.actor_kind, row.actor_id, row.actor_name) for row in done] == [
        ("person", finance.id, finance.name)
    ]
    assert audit.verify().problems == []


def dump(session, refund_id, return_id, finance):
    payout = the_payout(session, refund_id)
    refund = refunds.one(finance, refund_id)
    return (
        (payout.state, payout.error, payout.provider_reference, payout.attempts, payout.amount_minor),
        (refund.state, refund.error),
        sorted((mail.event, mail.recipient) for mail in notices.of_return(return_id)),
        sorted((row.what, row.actor_name) for row in history.of([return_id])),
        [(task.kind, task.state) for task in tasks.listing(finance)],
        audit.verify().problems,
    )


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("ends", ["succeeded", "failed"])
def test_events_in_any_order_and_number_end_the_same(shop, finance, gateways, sandbox, session, ends):
    chance = random.Random(7)
    seen = set()
    for _round in range(12):
        _, return_id, refund_id = a_refund(gateways, shop, finance)
        payouts.send(refund_id, gateways=gateways, now=NOW)
        reference = the_payout(session, refund_id).provider_reference
        events = []
        for number, state in enumerate(("pending", "requires_action", "pending", ends)):
            sandbox.end(reference, state, error="closed" if state == "failed" else "")
            events.append(sandbox.announce(reference, now=NOW, number=number))
        delivered = [event for event in events for _ in range(chance.randint(0, 3))]
        chance.shuffle(delivered)
        for event in delivered:
            receive(gateways, event)
            if chance.random() < 0.5:
                handle_all(session, gateways)
        handle_all(session, gateways)
        looking.look(the_payout(session, refund_id).id, refund_id, gateways=gateways, now=NOW)
        told = dump(session, refund_id, return_id, finance)
        seen.add(
            repr((told[0][0:2], told[1], [one[0] for one in told[2]], [one[0] for one in told[3]], told[5]))
        )
    assert len(seen) == 1 and audit.verify().problems == []


def test_a_foreign_event_is_stored_and_changes_nothing(shop, finance, gateways, sandbox, session):
    sandbox.learn("somebody-elses", captured=1_000, currency="EUR")
    refund = sandbox.refund_outside("somebody-elses", 400)
    dispute = sandbox.dispute("somebody-elses", 100)
    for reference in (refund, dispute):
        receive(gateways, sandbox.announce(reference, now=NOW))
    assert handle_all(session, gateways) == ["foreign", "foreign"]
    assert tasks.listing(finance) == () and audit.verify().problems == []


def test_what_is_forged_leaves_no_trace(gateways, sandbox, session):
    sandbox.learn("cap", captured=1_000, currency="EUR")
    _, body = sandbox.announce(sandbox.refund_outside("cap", 400), now=NOW)
    with pytest.raises(Forged):
        receive(gateways, ({}, body))
    assert handle_all(session, gateways) == []


def test_an_event_about_what_the_list_does_not_show_yet_waits_and_is_given_up_in_the_end(
    shop, finance, gateways, sandbox, session
):
    order = an_order(gateways, shop)
    sandbox.refund_outside(f"{order.number}-card", 400)
    told = sandbox.announce("sandbox-00000001", now=NOW)
    receive(gateways, told)
    real = gateways.payments["sandbox"]

    class Lagging:
        def __getattr__(self, name):
            return getattr(real, name)

        def refunds_since(self, moment):
            return iter(())

    gateways.payments["sandbox"] = Lagging()
    with pytest.raises(Unavailable) as waits:
        handle_all(session, gateways)
    assert waits.value.retry_after == 60
    assert handle_all(session, gateways, now=NOW + timedelta(days=2)) == ["not_found"]


def test_old_events_are_forgotten_and_young_ones_are_not(shop, gateways, sandbox, session):
    sandbox.learn("cap", captured=1_000, currency="EUR")
    refund = sandbox.refund_outside("cap", 400)
    for number, days in enumerate((0, 50)):
        moment = NOW + timedelta(days=days)
        receive(gateways, sandbox.announce(refund, now=moment, number=number), now=moment)
    handle_all(session, gateways, now=NOW + timedelta(days=50))
    gateway_events.tidy(now=NOW + timedelta(days=100))
    assert len(handle_all(session, gateways)) == 1


# -------------------------------------------------------------------------------------------- made on its own pages


def outside(gateways, sandbox, session, capture, amount):
    reference = sandbox.refund_outside(capture, amount)
    receive(gateways, sandbox.announce(reference, now=NOW))
    return reference, handle_all(session, gateways)[-1]


def test_a_refund_made_on_the_gateways_pages_counts_against_every_cap(
    shop, finance, gateways, sandbox, session
):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    return_id = came_back(gateways, shop, order)
    reference, outcome = outside(gateways, sandbox, session, f"{order.number}-card", 1500)
    assert outcome == "counted" and as_it_is(order).payments[0].left == 500
    (task,) = tasks.listing(finance)
    assert (task.kind, task.key, task.details["amount"], task.details["rest"]) == (
        "outside_refund",
        reference,
        1500,
        0,
    )
    assert task.details["orders"] == [order.number]
    assert refunds.quote(finance, return_id, now=NOW).amount <= 500
    assert audit.verify().problems == []
    sandbox.end(reference, "failed")
    receive(gateways, sandbox.announce(reference, now=NOW, number=2))
    assert handle_all(session, gateways)[-1] == "nothing"
    assert as_it_is(order).payments[0].left == 2000 and tasks.listing(finance) == ()
    assert audit.verify().problems == []


def test_what_others_have_taken_by_then_is_told_and_counted_when_there_is_room(
    shop, finance, gateways, sandbox, session
):
    order, _, refund_id = a_refund(gateways, shop, finance, ending="")
    capture = f"{order.number}-card"
    reference, outcome = outside(gateways, sandbox, session, capture, 700)
    assert outcome == "uncounted" and as_it_is(order).payments[0].left == 0
    (task,) = tasks.listing(finance)
    assert (task.details["counted"], task.details["rest"]) == (0, 700)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert refunds.one(finance, refund_id).state == "failed", "the gateway has only 1300 left"
    receive(gateways, sandbox.announce(reference, now=NOW, number=2))
    assert handle_all(session, gateways)[-1] == "counted"
    assert as_it_is(order).payments[0].left == 1300 and audit.verify().problems == []


def test_of_a_payment_that_two_orders_share_no_share_is_overdrawn(shop, finance, gateways, sandbox, session):
    paid = [a_payment("card", reference="shared-1", captured="50.00")]
    small = an_order(gateways, shop, [an_item("MUG", 1, "20.00")], paid=paid)
    large = an_order(gateways, shop, [an_item("JAR", 1, "30.00")], paid=paid)
    assert outside(gateways, sandbox, session, "shared-1", 3500)[1] == "counted"
    assert [as_it_is(order).payments[0].left for order in (small, large)] == [1500, 0]
    (task,) = tasks.listing(finance)
    assert set(task.details["orders"]) == {small.number, large.number}
    assert audit.verify().problems == []


def test_every_key_of_ours_is_ours_even_before_its_answer_is_known(shop, finance, gateways, sandbox, session):
    _, _, refund_id = a_refund(gateways, shop, finance, ending="-unavailable")
    with pytest.raises(Unavailable):
        payouts.send(refund_id, gateways=gateways, now=NOW)
    assert the_payout(session, refund_id).provider_reference == ""
    receive(gateways, sandbox.announce("sandbox-00000001", now=NOW))
    assert handle_all(session, gateways) == ["applied"]
    assert refunds.one(finance, refund_id).state == "succeeded" and tasks.listing(finance) == ()

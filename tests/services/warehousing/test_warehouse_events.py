"""What a warehouse tells: stored once, believed as far as it is proved, each happening with its ending."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import NotFound
from portal.core.logistics import ToldUnits
from portal.db.base import transaction
from portal.db.merchants import Merchant
from portal.db.orders import OrderLine
from portal.db.stock import StockLevel
from portal.db.warehouse import WarehouseEvent
from portal.ports import Forged, Unavailable
from portal.services import cancellations, tasks, work
from portal.services.stockroom import asking
from portal.services.warehousing import fulfilment, warehouse_events
from tests.builders import a_merchant, a_person
from tests.services.cancelling import (
    NOW,
    beside,
    canceled,
    confirm,
    goods,
    line,
    page,
    propose,
    proven,
    told,
    unshipped,
)


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def there(gateways):
    """Its clock stands still as the tests' does: what it signs is not too old however long all tests take."""
    gateways.warehouse._clock = NOW.timestamp
    return gateways.warehouse


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def name(shop, session):
    session.rollback()
    return session.scalars(sa.select(Merchant.slug).where(Merchant.id == shop)).one()


@pytest.fixture
def post(gateways):
    """Delivers to the portal, as the web does."""

    def deliver(headers, body, now=NOW):
        answer = warehouse_events.receive("sandbox", headers, body, gateways=gateways, now=now).answer
        return answer or {}

    return deliver


def known(there, order):
    """The order as the warehouse imported it."""
    there.learn(asking.known_as(order.id))
    return order.number


def handle_all(session, gateways, now=NOW):
    """What the promised work does, in the order of arrival; answers the outcomes."""
    session.rollback()
    for event_id in session.scalars(sa.select(WarehouseEvent.id).order_by(WarehouseEvent.id)).all():
        warehouse_events.handle(event_id, gateways=gateways, now=now)
    return outcomes(session)


def outcomes(session):
    session.rollback()
    session.expire_all()
    return list(session.scalars(sa.select(WarehouseEvent.outcome).order_by(WarehouseEvent.id)))


def counts(session, order):
    session.rollback()
    rows = session.execute(
        sa.select(OrderLine.sku, OrderLine.picked_units, OrderLine.shipped_units)
        .where(OrderLine.order_id == order.id)
        .order_by(OrderLine.number)
    )
    return {row.sku: (row.picked_units, row.shipped_units) for row in rows}


def signed(there, type, data, *, id="evt-1", now=NOW):
    body = json.dumps({"version": 1, "type": type, "timestamp": now.isoformat(), "data": data}).encode()
    return there.signed(id, body, at=now), body


# ------------------------------------------------------------------------------------------------------- picking


def test_what_may_be_picked_is_answered_and_counts_as_picked(shop, name, gateways, there, post, session):
    order = unshipped(gateways, shop, goods("MUG", 3), goods("LID"))
    canceled(gateways, shop, order, {"MUG": 1})
    propose(gateways, shop, order, {"LID": 1})
    assert there.pick(name, known(there, order), post=post) == {"1": 2}, "a canceled mug and a held lid stay"
    assert counts(session, order) == {"MUG": (2, 0), "LID": (0, 0)}
    assert outcomes(session) == ["answered"] and proven() == []


def test_what_is_picked_cannot_be_canceled_any_more(shop, name, gateways, there, post, session):
    order = unshipped(gateways, shop)
    there.pick(name, known(there, order), {"MUG": 2}, post=post)
    sheet = cancellations.sheet(a_person(shop, "csr"), order.id, gateways=gateways, now=NOW)
    assert [offer.units for offer in sheet.offers] == [1]
    assert {finding.code for finding in sheet.offers[0].findings} == {"being_picked"}


def test_a_question_that_comes_again_gets_the_same_answer_and_takes_no_more(
    shop, name, gateways, there, post, session
):
    order = unshipped(gateways, shop)
    data = {"merchant": name, "order": order.number, "lines": [{"sku": "MUG", "units": 2}]}
    answers = [post(*signed(there, "pick.asked", data)) for _ in range(3)]
    assert answers[0]["lines"] == [{"line": "1", "sku": "MUG", "units": 2}]
    assert answers[1] == answers[2] == answers[0] and counts(session, order) == {"MUG": (2, 0)}


def test_of_an_order_that_is_not_known_nothing_is_granted(shop, name, gateways, there, post, session):
    data = {"merchant": name, "order": "nobody's", "lines": [{"sku": "MUG", "units": 2}]}
    assert post(*signed(there, "pick.asked", data)) == {
        "version": 1, "order": "nobody's", "known": False, "lines": [],
    }  # fmt: skip
    assert outcomes(session) == ["unknown_order"] and work.listing() == []


def test_what_goes_back_on_the_shelf_can_be_canceled_again(shop, name, gateways, there, post, session):
    order = unshipped(gateways, shop)
    there.pick(name, known(there, order), {"MUG": 3}, post=post)
    there.put_back(name, order.number, {"MUG": 2})
    there.deliver(post)
    assert handle_all(session, gateways) == ["answered", "put_back"]
    assert counts(session, order) == {"MUG": (1, 0)} and line(order).cancelable_units == 2


def test_who_picks_without_asking_is_believed_within_what_is_free(shop, name, gateways, there, post, session):
    order = unshipped(gateways, shop)
    canceled(gateways, shop, order, {"MUG": 1})
    data = {"merchant": name, "order": order.number, "lines": [{"line": "1", "units": 3}]}
    post(*signed(there, "picked", data))
    assert handle_all(session, gateways) == ["picked"] and counts(session, order) == {"MUG": (2, 0)}


# ------------------------------------------------------------------------------------------------------ shipping


def test_shipped_is_a_fact_and_is_told_once(shop, name, gateways, there, post, session, drain):
    order = unshipped(gateways, shop)
    there.pick(name, known(there, order), {"MUG": 2}, post=post)
    there.ship(name, order.number)
    event = there.untold()[0]
    for _ in range(3):
        post(*there.announce(event.number, now=NOW))
    drain()
    assert counts(session, order) == {"MUG": (0, 2)} and outcomes(session) == ["answered", "shipped"]
    assert handle_all(session, gateways) == ["answered", "shipped"]
    assert counts(session, order) == {"MUG": (0, 2)} and proven() == []


def test_a_proposal_that_the_warehouse_overtakes_ends_and_says_so(
    shop, name, gateways, there, post, session, drain
):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    there.ship(name, known(there, order), {"MUG": 3})
    there.deliver(post)
    drain()
    assert (page(shop, made).state, outcomes(session)) == ("overtaken", ["overtook"])
    assert told(made) == ["cancellation_proposed", "cancellation_overtaken"]
    assert confirm(gateways, shop, made) == "overtaken" and line(order).held == () and proven() == []


def test_what_was_confirmed_and_not_released_yet_is_undone_when_it_ships(
    shop, name, gateways, there, post, session, drain
):
    order = unshipped(gateways, shop)
    made = canceled(gateways, shop, order, {"MUG": 1})
    there.ship(name, known(there, order), {"MUG": 3})
    there.deliver(post)
    handle_all(session, gateways)
    drain()
    assert (page(shop, made).state, beside(made).warehouse_state) == ("overtaken", "shipped")
    assert there.requests() == [], "nobody is asked to leave out what has left"
    assert gateways.payments["sandbox"].refunds() == [] and proven() == []


def test_shipped_after_it_said_they_would_stay_is_for_a_person(
    shop, name, gateways, there, post, session, drain
):
    """The refund stands, the stock is right, one task, one message to finance."""
    order = unshipped(gateways, shop, goods("MUG-CONTRADICTS", 3))
    made = canceled(gateways, shop, order, {"MUG-CONTRADICTS": 1})
    drain()
    assert beside(made).warehouse_state == "released"
    there.settle()
    there.ship(name, order.number, {"MUG-CONTRADICTS": 2})
    there.deliver(post)
    drain()
    (task,) = tasks.listing(a_person(shop, "csr"), kind="shipped_after_release")
    assert task.subject_id == made and sorted(outcomes(session)) == ["after_release", "shipped"]
    assert [one.kind for one in tasks.listing(a_person(shop, "csr"))] == ["shipped_after_release"]
    assert [(amount, state) for *_, amount, state in gateways.payments["sandbox"].refunds()] == [
        (1000, "succeeded")
    ]
    assert page(shop, made).state == "closed" and counts(session, order) == {"MUG-CONTRADICTS": (0, 3)}
    assert told(made).count("cancellation_sent_anyway") == 1
    there_now = session.scalars(sa.select(StockLevel.units).where(StockLevel.sku == "MUG-CONTRADICTS"))
    assert sum(there_now) == 0 and proven() == []


def test_parcels_in_any_order_and_number_end_the_same(shop, name, gateways, there, post, session):
    """Picked, shipped in three parcels, each told up to three times, in any order."""
    chance, seen = random.Random(11), set()
    for round in range(6):
        order = unshipped(gateways, shop, goods("MUG", 3), goods("LID", 2))
        told_of = [
            signed(there, "shipped", {"merchant": name, "order": order.number, "lines": [{"line": one, "units": 1}]},
                   id=f"evt-{round}-{number}")
            for number, one in enumerate(("1", "1", "2"))
        ]  # fmt: skip
        pick = {"merchant": name, "order": order.number, "lines": [{"line": "1", "units": 1}]}
        told_of.append(signed(there, "picked", pick, id=f"evt-{round}-pick"))
        deliveries = [one for one in told_of for _ in range(chance.randint(1, 3))]
        chance.shuffle(deliveries)
        for headers, body in deliveries:
            post(headers, body)
            if chance.random() < 0.5:
                handle_all(session, gateways)
        handle_all(session, gateways)
        seen.add(repr({sku: shipped for sku, (_, shipped) in counts(session, order).items()}))
    assert seen == {"{'MUG': 2, 'LID': 1}"} and proven() == []


def test_an_event_that_is_there_before_its_order_waits_for_it(shop, name, gateways, there, post, session):
    data = {"merchant": name, "order": "D-EARLY", "lines": [{"sku": "MUG", "units": 1}]}
    post(*signed(there, "shipped", data))
    with pytest.raises(Unavailable):
        handle_all(session, gateways)
    assert outcomes(session) == [""]
    order = unshipped(gateways, shop, number="D-EARLY")
    assert handle_all(session, gateways, NOW + timedelta(hours=1)) == ["shipped"]
    assert counts(session, order) == {"MUG": (0, 1)}


def test_an_event_about_nothing_is_given_up_after_a_day(shop, name, gateways, there, post, session):
    data = {"merchant": name, "order": "nobody's", "lines": [{"sku": "MUG", "units": 1}]}
    post(*signed(there, "shipped", data))
    with pytest.raises(Unavailable):
        handle_all(session, gateways, NOW + timedelta(hours=23))
    assert handle_all(session, gateways, NOW + timedelta(hours=24)) == ["unknown_order"]


# ------------------------------------------------------------------------------------------------------- answers


def test_a_late_answer_comes_by_its_event(shop, name, gateways, there, post, session, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-LATE", 2)), {"MUG-LATE": 1})
    drain()
    there.settle()
    there.deliver(post)
    drain()
    assert (beside(made).warehouse_state, outcomes(session)) == ("released", ["released"])
    assert page(shop, made).state == "closed"


def test_what_an_event_says_of_an_answer_is_not_believed_but_looked_up(
    shop, name, gateways, there, post, session, drain
):
    order = unshipped(gateways, shop, goods("MUG-LATE", 2))
    made = canceled(gateways, shop, order, {"MUG-LATE": 1})
    drain()
    data = {"merchant": name, "order": order.number, "key": f"leave-out-{made}", "state": "released"}
    post(*signed(there, "leave_out.answered", data))
    assert handle_all(session, gateways) == ["pending"] and beside(made).warehouse_state == "pending"
    assert gateways.payments["sandbox"].refunds() == []


def test_answers_that_arrive_the_wrong_way_round_end_the_same(
    shop, name, gateways, there, post, session, drain
):
    order = unshipped(gateways, shop, goods("MUG-LATE", 2))
    made = canceled(gateways, shop, order, {"MUG-LATE": 1})
    drain()
    there.settle()
    for number, state in enumerate(("released", "pending", "released")):
        data = {"merchant": name, "order": order.number, "key": f"leave-out-{made}", "state": state}
        post(*signed(there, "leave_out.answered", data, id=f"evt-{number}"))
    assert handle_all(session, gateways) == ["released", "known", "known"]
    assert beside(made).warehouse_state == "released" and tasks.listing(a_person(shop, "csr")) == ()


def test_an_answer_to_nobodys_question_is_stored_and_changes_nothing(
    shop, name, gateways, there, post, session
):
    data = {"merchant": name, "order": "x", "key": "leave-out-nobody", "state": "released"}
    post(*signed(there, "leave_out.answered", data))
    assert handle_all(session, gateways) == ["unknown_key"]


# ----------------------------------------------------------------------------------------------- whom it is about


def test_an_event_of_one_shop_never_touches_another(shop, name, gateways, there, post, session, drain):
    other = a_merchant()
    order = unshipped(gateways, other, number="D-THEIRS")
    made = canceled(gateways, other, order, {"MUG": 1})
    told_of = (
        ("shipped", {"lines": [{"sku": "MUG", "units": 3}]}),
        ("leave_out.answered", {"key": f"leave-out-{made}", "state": "refused"}),
    )
    for number, (type, data) in enumerate(told_of):
        whole = {"merchant": name, "order": "D-THEIRS", **data}
        post(*signed(there, type, whole, id=f"evt-{number}"))
    asked = {"merchant": name, "order": "D-THEIRS", "lines": [{"sku": "MUG", "units": 1}]}
    assert post(*signed(there, "pick.asked", asked, id="evt-9"))["known"] is False
    with pytest.raises(Unavailable):
        handle_all(session, gateways)
    session.rollback()
    handle_all(session, gateways, NOW + timedelta(days=2))
    assert outcomes(session) == ["unknown_order", "unknown_key", "unknown_order"]
    assert counts(session, order) == {"MUG": (0, 0)} and beside(made).warehouse_state == "waiting"


def test_the_same_id_from_two_shops_is_two_events(shop, name, gateways, there, post, session):
    other = a_merchant(slug="demo-second-shop")
    for merchant, slug in ((shop, name), (other, "demo-second-shop")):
        order = unshipped(gateways, merchant)
        data = {"merchant": slug, "order": order.number, "lines": [{"sku": "MUG", "units": 1}]}
        post(*signed(there, "shipped", data, id="evt-same"))
    assert handle_all(session, gateways) == ["shipped", "shipped"]


@pytest.mark.parametrize("wrong", ["unknown_shop", "unsigned", "other_warehouse", "senseless"])
def test_what_is_not_for_us_writes_nothing(shop, name, gateways, there, session, wrong):
    merchant = "nobody" if wrong == "unknown_shop" else name
    lines = [{"units": 1}] if wrong == "senseless" else [{"sku": "MUG", "units": 1}]
    headers, body = signed(there, "shipped", {"merchant": merchant, "order": "x", "lines": lines})
    if wrong == "unsigned":
        headers = {}
    kind = {"unsigned": Forged, "other_warehouse": NotFound}.get(wrong, ValueError)
    with pytest.raises(kind):
        warehouse_events.receive(
            "rest" if wrong == "other_warehouse" else "sandbox", headers, body, gateways=gateways, now=NOW
        )
    assert outcomes(session) == [] and work.listing() == []


def test_events_are_forgotten_when_they_were_dealt_with_long_ago(shop, name, gateways, there, post, session):
    order = unshipped(gateways, shop)
    data = {"merchant": name, "order": order.number, "lines": [{"sku": "MUG", "units": 1}]}
    post(*signed(there, "shipped", data, id="evt-1"))
    handle_all(session, gateways)
    post(*signed(there, "shipped", data | {"order": "nobody's"}, id="evt-2"))
    warehouse_events.tidy(now=NOW + timedelta(days=89))
    assert outcomes(session) == ["shipped", ""]
    warehouse_events.tidy(now=NOW + timedelta(days=91))
    assert outcomes(session) == [""], "what nobody dealt with stays"


def test_the_last_unit_is_picked_or_canceled_and_never_both(shop, name, gateways, there, post, session):
    """Whoever is first has it; the other is told."""
    order = unshipped(gateways, shop, goods("MUG", 1))
    made = propose(gateways, shop, order, {"MUG": 1})
    assert there.pick(name, known(there, order), post=post) == {}
    assert confirm(gateways, shop, made) == "confirmed"
    second = unshipped(gateways, shop, goods("MUG", 1))
    with transaction():
        fulfilment.may_pick(shop, second.number, (ToldUnits(sku="MUG", units=1),), now=NOW)
    assert line(second).cancelable_units == 0 and proven() == []

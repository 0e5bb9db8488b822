"""The warehouse is told once what it must not send; every answer, and every silence, has its ending."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.intake import Special
from portal.core.logistics import ToldUnits
from portal.db import history
from portal.db.base import transaction
from portal.db.merchants import Merchant
from portal.ports import Declined, Unavailable
from portal.services import cancellations, tasks, work
from portal.services.stockroom import asking
from portal.services.warehousing import fulfilment, warehouse
from tests.builders import a_merchant, a_person, as_it_is, shipping_cost
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
    service,
    told,
    unshipped,
    wish,
)
from tests.warehouse_server import running

QUARTER = timedelta(minutes=15)


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def there(gateways):
    return gateways.warehouse


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def dock(shop):
    return a_person(shop, "warehouse")


def later(**by):
    """By the clock that workers go by."""
    return datetime.now(UTC) + timedelta(**by)


def leave_out(gateways, made, now=NOW):
    """What the promised work does."""
    warehouse.leave_out(made, gateways=gateways, now=now)


def paid(gateways):
    return [(amount, state) for _, _, amount, state in gateways.payments["sandbox"].refunds()]


def open_tasks(shop, kind=None):
    return [one.kind for one in tasks.listing(a_person(shop, "supervisor"), kind=kind)]


def slug(session, shop):
    session.rollback()
    return session.scalars(sa.select(Merchant.slug).where(Merchant.id == shop)).one()


def answers(session, made):
    session.rollback()
    return [one.details["answer"] for one in history.of([made]) if one.what == "warehouse.answered"]


# ---------------------------------------------------------------------------------------------------- released


def test_the_warehouse_is_told_once_with_what_stays_split_by_location(shop, gateways, there, session, drain):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"), goods("LID"), shipping_cost())
    made = canceled(gateways, shop, order, {"MUG": 2})
    assert (beside(made).warehouse_state, paid(gateways)) == ("waiting", [])
    drain()
    (asked,) = there.requests()
    assert asked.key == f"leave-out-{made}" == beside(made).warehouse_key
    assert [(one["sku"], one["units"]) for one in asked.body["lines"]] == [("MUG", 2)]
    (shipment,) = asked.body["shipments"]
    assert [(one["sku"], one["units"]) for one in shipment["lines"]] == [("MUG", 1), ("LID", 1)]
    assert (asked.body["number"], asked.body["merchant"]) == (order.number, slug(session, shop))
    assert beside(made).warehouse_state == "released" and paid(gateways) == [(1866, "succeeded")]
    assert page(shop, made).state == "closed" and answers(session, made) == ["released"] and proven() == []


def test_no_money_moves_before_the_warehouse_has_answered(shop, gateways, there, session, drain):
    order = unshipped(gateways, shop, goods("MUG-LATE", 3))
    made = canceled(gateways, shop, order, {"MUG-LATE": 1})
    drain()
    assert (beside(made).warehouse_state, paid(gateways), page(shop, made).state) == (
        "pending",
        [],
        "confirmed",
    )
    there.settle()
    assert warehouse.ask_due(gateways=gateways, now=later(minutes=3)) == 1
    drain()
    assert (beside(made).warehouse_state, paid(gateways)) == ("released", [(1000, "succeeded")])
    assert answers(session, made) == ["pending", "released"] and proven() == []
    assert warehouse.ask_due(gateways=gateways, now=later(days=1)) == 0, "nobody is asked again"


def test_an_answer_is_recorded_once_however_often_the_work_is_done(shop, gateways, there, session, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    for _ in range(3):
        leave_out(gateways, made)
    drain()
    assert len(there.requests()) == 1 and answers(session, made) == ["released"]
    assert [one.what for one in history.of([made])].count("warehouse.asked") == 1
    assert paid(gateways) == [(933, "succeeded")] and told(made).count("refunded") == 1


def test_a_lost_answer_is_looked_up_and_never_asked_anew(shop, gateways, there, session):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-LOST", 2)), {"MUG-LOST": 1})
    with pytest.raises(Unavailable):
        leave_out(gateways, made)
    assert beside(made).warehouse_state == "waiting"
    leave_out(gateways, made)
    assert beside(made).warehouse_state == "released" and len(there.requests()) == 1


def test_asked_again_the_request_is_the_same_word_for_word(shop, gateways, there, session):
    """Meanwhile more of the order was canceled: under its key nothing else is asked."""
    order = unshipped(gateways, shop, goods("MUG", 3), goods("LID", 2))
    first = canceled(gateways, shop, order, {"MUG": 1})
    there.away(True)
    with pytest.raises(Unavailable):
        leave_out(gateways, first)
    second = canceled(gateways, shop, order, {"LID": 1})
    there.away(False)
    leave_out(gateways, second)
    leave_out(gateways, first)
    stays = [
        {one["sku"]: one["units"] for one in asked.body["shipments"][0]["lines"]}
        for asked in there.requests()
    ]
    assert stays == [{"MUG": 2, "LID": 1}, {"MUG": 2, "LID": 2}]
    assert {beside(made).warehouse_state for made in (first, second)} == {"released"}


def test_a_bundle_is_left_out_by_its_parts(shop, gateways, there, drain):
    """The line that has the price and no goods of its own is nothing that lies in a warehouse."""
    cup, plate = (Special(list_price=Decimal(price)) for price in (5, 20))
    parts = [
        goods("CUP", 2, "0.00", parent="1", special=cup),
        goods("PLATE", 1, "0.00", parent="1", special=plate),
    ]
    order = unshipped(gateways, shop, goods("SET", 1, "30.00"), *parts, goods("LID"))
    units = {"SET": 1, "CUP": 2, "PLATE": 1}
    made = canceled(gateways, shop, order, units)
    drain()
    (asked,) = there.requests()
    assert {one["sku"]: one["units"] for one in asked.body["lines"]} == {"CUP": 2, "PLATE": 1}
    assert [one["sku"] for one in asked.body["shipments"][0]["lines"]] == ["LID"]
    assert (beside(made).warehouse_state, paid(gateways)) == ("released", [(3000, "succeeded")])
    assert proven() == []


def test_services_wait_for_no_warehouse(shop, gateways, there, drain):
    order = unshipped(gateways, shop, goods("MUG"), service("CARE", "30.00", days_had=10))
    made = canceled(gateways, shop, order, {"CARE": (1, "at_once")})
    drain()
    assert (beside(made).warehouse_state, there.requests()) == ("none", [])
    assert paid(gateways) == [(2000, "succeeded")]


# ------------------------------------------------------------------------------------- refused, gone, contradicted


@pytest.mark.parametrize(
    ("ending", "state", "became"), [("-REFUSES", "refused", "refused"), ("-SHIPPED", "shipped", "overtaken")]
)
def test_a_no_undoes_everything_and_says_so(shop, gateways, there, session, drain, ending, state, became):
    sku = f"MUG{ending}"
    order = unshipped(gateways, shop, goods(sku, 3, "9.33"))
    before = as_it_is(order)
    made = canceled(gateways, shop, order, {sku: 2})
    drain()
    assert (beside(made).warehouse_state, page(shop, made).state, paid(gateways)) == (state, became, [])
    after = line(order, sku)
    assert (after.canceled, after.held, after.refunded) == ((), (), 0)
    assert as_it_is(order).payments == before.payments
    assert told(made) == ["cancellation_proposed", "cancellation_confirmed", "cancellation_overtaken"]
    assert answers(session, made) == [state] and proven() == []


@pytest.mark.parametrize("ending", ["-LATE-REFUSES", "-LATE-SHIPPED"])
def test_a_late_no_undoes_it_all_the_same(shop, gateways, there, session, drain, ending):
    sku = f"MUG{ending}"
    made = canceled(gateways, shop, unshipped(gateways, shop, goods(sku, 2)), {sku: 1})
    drain()
    there.settle()
    warehouse.ask_due(gateways=gateways, now=later(minutes=3))
    assert page(shop, made).state in ("refused", "overtaken") and paid(gateways) == [] and proven() == []


def test_a_yes_that_becomes_a_no_is_for_a_person_and_the_refund_stands(shop, gateways, there, session, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    drain()
    there.answer(f"leave-out-{made}", "shipped")
    found = there.look_up(f"leave-out-{made}")
    for _ in range(2):
        assert warehouse.record(made, found, now=NOW) == "contradicts"
    assert open_tasks(shop) == ["shipped_after_release"] and paid(gateways) == [(933, "succeeded")]
    (task,) = tasks.listing(a_person(shop, "csr"), kind="shipped_after_release")
    assert task.subject_id == made and task.details["theirs"] == "shipped"
    assert page(shop, made).state == "closed" and beside(made).warehouse_state == "released"
    assert told(made).count("cancellation_sent_anyway") == 1


def test_a_no_that_becomes_a_yes_is_for_a_person(shop, gateways, there, drain):
    """What the customer was told would be sent is left out there."""
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-REFUSES", 2)), {"MUG-REFUSES": 1})
    drain()
    there.answer(f"leave-out-{made}", "released")
    assert warehouse.record(made, there.look_up(f"leave-out-{made}"), now=NOW) == "contradicts"
    assert open_tasks(shop) == ["warehouse_contradicts"] and page(shop, made).state == "refused"


def test_two_reasons_for_one_no_are_no_contradiction(shop, gateways, there, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-REFUSES", 2)), {"MUG-REFUSES": 1})
    drain()
    there.answer(f"leave-out-{made}", "shipped")
    assert warehouse.record(made, there.look_up(f"leave-out-{made}"), now=NOW) == "known"
    assert open_tasks(shop) == []


# ----------------------------------------------------------------------------------------------------- silence


def test_a_silent_warehouse_is_told_of_after_a_quarter_of_an_hour_and_asked_on(
    shop, gateways, there, session, drain
):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    there.away(True)
    for minutes, expected in ((0, []), (14, []), (15, ["warehouse_silent"]), (20, ["warehouse_silent"])):
        with pytest.raises(Unavailable):
            leave_out(gateways, made, NOW + timedelta(minutes=minutes))
        assert open_tasks(shop) == expected
    (task,) = tasks.listing(a_person(shop, "csr"))
    assert (task.subject_id, task.details["number"]) == (made, page(shop, made).draft.number)
    assert beside(made).silent_at == NOW + QUARTER and paid(gateways) == []
    there.away(False)
    leave_out(gateways, made, NOW + timedelta(minutes=25))
    drain()
    assert open_tasks(shop) == [] and paid(gateways) == [(933, "succeeded")] and proven() == []


def test_the_work_itself_goes_on_while_it_is_silent(shop, gateways, there, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    there.away(True)
    drain()
    waiting = [one for one in work.listing(statuses=("DELAYED",)) if one.kind == "leave_out"]
    assert [one.attempt for one in waiting] == [2]
    there.away(False)
    work.resume(waiting[0].id)
    drain()
    assert beside(made).warehouse_state == "released"


def test_an_answer_that_stays_pending_is_told_of_as_well(shop, gateways, there, drain):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-LATE", 2)), {"MUG-LATE": 1})
    drain()
    for minutes in range(3, 40, 4):
        warehouse.ask_due(gateways=gateways, now=later(minutes=minutes))
    assert open_tasks(shop) == ["warehouse_silent"]
    there.settle()
    warehouse.ask_due(gateways=gateways, now=later(minutes=60))
    assert open_tasks(shop) == [] and beside(made).warehouse_state == "released"


def test_where_no_worker_could_ask_a_person_is_told_too(shop, gateways, session):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    assert warehouse.tell_of_silent(now=NOW + QUARTER - timedelta(seconds=1)) == 0
    assert [warehouse.tell_of_silent(now=NOW + QUARTER) for _ in range(2)] == [1, 0]
    assert open_tasks(shop) == ["warehouse_silent"] and beside(made).silent_at == NOW + QUARTER


def test_one_that_is_out_of_reach_keeps_nobody_else_waiting(shop, gateways, there):
    """Looked after oldest first; the first never answers."""
    first = canceled(gateways, shop, unshipped(gateways, shop, goods("A-OUTAGE", 2)), {"A-OUTAGE": 1})
    second = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    assert warehouse.ask_due(gateways=gateways, now=NOW + timedelta(minutes=3)) == 2
    assert [beside(made).warehouse_state for made in (first, second)] == ["waiting", "released"]


def test_a_warehouse_that_is_connected_no_more_is_for_a_person_at_once(shop, gateways):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    with pytest.raises(Unavailable):
        leave_out(replace(gateways, warehouse=None), made)
    (task,) = tasks.listing(a_person(shop, "csr"))
    assert (task.kind, task.details["reason"]) == ("warehouse_silent", "warehouse_no_warehouse")


# ------------------------------------------------------------------------------------------------- people's answers


def test_a_person_records_what_it_said_and_it_is_asked_on_until_it_has_heard(
    shop, dock, gateways, there, session, drain
):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    there.away(True)
    drain()
    warehouse.tell_of_silent(now=NOW + QUARTER)
    warehouse.record_answer(dock, made, state="released", note="Called, aisle 4", now=NOW + QUARTER)
    assert open_tasks(shop) == [] and beside(made).answer["by"] == "person"
    drain()
    assert paid(gateways) == [(933, "succeeded")], "the refund goes by what the person said"
    assert beside(made).next_ask_at is not None, "nobody has left anything out yet"
    there.away(False)
    warehouse.ask_due(gateways=gateways, now=later(hours=1))
    assert len(there.requests()) == 1 and beside(made).answer["heard"]["state"] == "released"
    assert (
        beside(made).next_ask_at is None and open_tasks(shop) == [] and answers(session, made) == ["released"]
    )
    by = [one.actor_name for one in history.of([made]) if one.what == "warehouse.answered"]
    assert by == [dock.name] and proven() == []


def test_a_person_who_was_told_yes_and_the_warehouse_that_says_it_left_disagree(
    shop, dock, gateways, there, drain
):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG-SHIPPED", 2)), {"MUG-SHIPPED": 1})
    there.away(True)
    drain()
    warehouse.record_answer(dock, made, state="released", note="Called", now=NOW)
    there.away(False)
    warehouse.ask_due(gateways=gateways, now=later(hours=1))
    assert open_tasks(shop) == ["shipped_after_release"] and beside(made).warehouse_state == "released"
    assert beside(made).next_ask_at is None


@pytest.mark.parametrize(("state", "became"), [("refused", "refused"), ("shipped", "overtaken")])
def test_a_person_who_was_told_no_undoes_it_and_nothing_is_sent_to_the_warehouse_any_more(
    shop, dock, gateways, there, drain, state, became
):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    there.away(True)
    drain()
    warehouse.record_answer(dock, made, state=state, note="Called", now=NOW)
    there.away(False)
    warehouse.ask_due(gateways=gateways, now=later(hours=1))
    assert page(shop, made).state == became and there.requests() == [] and paid(gateways) == []
    assert warehouse.ask_due(gateways=gateways, now=later(days=2)) == 0 and proven() == []


def test_only_who_works_with_stock_records_an_answer_once_and_with_a_note(
    shop, dock, gateways, session, drain
):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    for code, given in (
        ("note_missing", {"state": "released", "note": " "}),
        ("answer_unknown", {"state": "pending", "note": "x"}),
    ):
        with pytest.raises(Conflict) as no:
            warehouse.record_answer(dock, made, now=NOW, **given)
        assert no.value.code == code
    with pytest.raises(NotAllowed):
        warehouse.record_answer(a_person(shop, "csr"), made, state="released", note="x", now=NOW)
    with pytest.raises(NotFound):
        warehouse.record_answer(a_person(a_merchant(), "admin"), made, state="released", note="x", now=NOW)
    drain()
    with pytest.raises(Conflict) as no:
        warehouse.record_answer(dock, made, state="released", note="x", now=NOW)
    assert no.value.code == "answer_known"


# ------------------------------------------------------------------------------------------------- being asked first


def test_constraints_are_objections_to_be_seen(shop, gateways, there, session):
    order = unshipped(gateways, shop, goods("MUG-DROP-SHIP", 2), goods("LID"))
    sheet = cancellations.sheet(a_person(shop, "csr"), order.id, gateways=gateways, now=NOW)
    found = {finding.code for offer in sheet.offers for finding in offer.findings}
    assert "drop_ship" in found and not sheet.warehouse_silent
    assert {line.id: line.sku for line in order.lines}[
        next(offer.line_id for offer in sheet.offers if offer.units)
    ] == "LID"


def test_a_silent_warehouse_leaves_the_page_to_the_facts(shop, gateways, there, session):
    order = unshipped(gateways, shop)
    there.away(True)
    actor = a_person(shop, "csr")
    sheet = cancellations.sheet(actor, order.id, gateways=gateways, now=NOW)
    assert sheet.warehouse_silent and [offer.units for offer in sheet.offers] == [3]
    estimate = cancellations.estimate(actor, order.id, wish(order, {"MUG": 1}), gateways=gateways, now=NOW)
    assert estimate.warehouse_silent and estimate.verdict.outcome != "refused"
    made = propose(gateways, shop, order, {"MUG": 1})
    assert confirm(gateways, shop, made) == "confirmed"


@pytest.mark.parametrize("problem", [ValueError("what is this"), KeyError("line"), Declined("unknown_order")])
def test_whatever_is_wrong_with_a_warehouse_breaks_no_page(shop, gateways, there, session, problem):
    class Broken:
        code = "sandbox"

        def constraints(self, order, *, now):
            raise problem

    order = unshipped(gateways, shop)
    broken = replace(gateways, warehouse=Broken())
    assert asking.constraints(order, gateways=broken, now=NOW).silent


def test_an_order_that_was_sent_all_the_same_is_asked_about_and_learned_anew(
    shop, gateways, there, session, tmp_path
):
    """One was left out, and sent: more is gone than was bought and not canceled."""
    order = unshipped(gateways, shop, goods("MUG", 2))
    made = canceled(gateways, shop, order, {"MUG": 1})
    leave_out(gateways, made)
    with transaction():
        fulfilment.shipped(shop, order.number, (ToldUnits(sku="MUG", units=2),), now=NOW)
    (line,) = asking.known_as(order.id).lines
    assert (line.units, line.shipped) == (2, 2)
    for warehouse_of in (there, SandboxWarehouse(tmp_path / "another.sqlite")):
        warehouse_of.constraints(asking.known_as(order.id), now=NOW)


def test_nobody_is_waited_for_while_rows_are_locked(shop, gateways, session):
    order = unshipped(gateways, shop)
    with transaction(), pytest.raises(RuntimeError):
        asking.constraints(order, gateways=gateways, now=NOW)


# ---------------------------------------------------------------------------------------------------- over HTTP


@pytest.fixture
def server():
    with running() as there:
        yield there


@pytest.fixture
def over_http(make_app, server):
    return make_app(**server.environ()).extensions["gateways"]


def taken_in(session, server, shop, order):
    """The warehouse's own import of the order, by the ids that the channel gave."""
    known = asking.known_as(order.id)
    server.take_in(known.merchant, known.order, {one.line: (one.sku, one.units) for one in known.lines})
    return known


def test_over_http_a_page_never_waits_for_long(shop, over_http, server, session):
    order = unshipped(over_http, shop)
    taken_in(session, server, shop, order)
    server.trouble("hang_before", "/constraints", times=9, seconds=6)
    began = time.monotonic()
    sheet = cancellations.sheet(a_person(shop, "csr"), order.id, gateways=over_http, now=NOW)
    assert time.monotonic() - began < 3 and sheet.warehouse_silent
    assert [offer.units for offer in sheet.offers] == [3]


def test_over_http_it_is_told_and_answers_the_same(shop, over_http, server, session):
    order = unshipped(over_http, shop)
    known = taken_in(session, server, shop, order)
    made = canceled(over_http, shop, order, {"MUG": 2})
    leave_out(over_http, made)
    assert beside(made).warehouse_state == "released"
    assert server.orders[known.merchant, known.order]["1"].left_out == 2


def test_over_http_every_lost_answer_is_found_again(shop, over_http, server, session):
    order = unshipped(over_http, shop)
    known = taken_in(session, server, shop, order)
    made = canceled(over_http, shop, order, {"MUG": 1})
    server.trouble("reset_after", "/leave-outs")
    server.trouble("garbage", "/leave-outs/")
    for _ in range(2):
        with suppress(Unavailable):
            leave_out(over_http, made)
    assert beside(made).warehouse_state == "waiting"
    leave_out(over_http, made)
    assert beside(made).warehouse_state == "released"
    assert server.orders[known.merchant, known.order]["1"].left_out == 1
    assert [method for method, path, _ in server.seen if path.startswith("/leave-outs")] == [
        "POST",
        "GET",
        "GET",
    ]


def test_over_http_an_order_that_it_does_not_know_is_for_a_person_until_it_does(
    shop, over_http, server, session
):
    order = unshipped(over_http, shop)
    made = canceled(over_http, shop, order, {"MUG": 1})
    with pytest.raises(Unavailable) as away:
        leave_out(over_http, made)
    assert away.value.retry_after == 300
    (task,) = tasks.listing(a_person(shop, "csr"))
    assert (task.kind, task.details["reason"]) == ("warehouse_silent", "warehouse_unknown_order")
    taken_in(session, server, shop, order)
    leave_out(over_http, made, NOW + timedelta(minutes=5))
    assert beside(made).warehouse_state == "released" and open_tasks(shop) == []

"""The dock: fewer, other and damaged units; stock that is kept apart; statements that do not grow with lines."""

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.lifecycles import IllegalStep
from portal.db import returns as stored
from portal.db.base import db
from portal.db.shipments import Shipment
from portal.db.stock import StockMovement
from portal.services.docking import receiving
from portal.services.handling import desk, dossiers
from portal.services.proofs import verifying
from portal.services.stockroom import stock
from tests.builders import (
    NOW,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    inspect,
    line_ids,
    receive,
)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def dock(shop):
    return a_person(shop, "warehouse")


def test_goods_that_are_faster_than_their_label_were_delivered_and_the_label_is_not_bought(
    shop, gateways, drain
):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 1)]))
    receive(shop, return_id)
    drain()
    parcel = db.session.scalars(sa.select(Shipment).where(Shipment.return_id == return_id)).one()
    assert (parcel.state, parcel.tracking_number) == ("delivered", "")


def test_fewer_units_are_a_part_and_more_are_refused_with_the_maximum(shop, dock, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]))
    mug = line_ids(return_id)["MUG"]
    receiving.receive(dock, return_id, {mug: 2}, now=NOW)
    assert stored.get(return_id).state == "partially_received"
    with pytest.raises(Conflict) as conflict:
        receiving.receive(dock, return_id, {mug: 2}, now=NOW)
    assert (conflict.value.code, conflict.value.details["maximum"]) == ("more_than_authorized", 1)
    with pytest.raises(Conflict, match="more_than_authorized"):
        receiving.receive(dock, return_id, {mug: -1}, now=NOW)
    with pytest.raises(Conflict, match="nothing_counted"):
        receiving.receive(dock, return_id, {mug: 0}, now=NOW)
    receiving.receive(dock, return_id, {mug: 1}, now=NOW)
    assert stored.get(return_id).state == "received"
    with pytest.raises(Conflict, match="all_received"):
        receiving.receive(dock, return_id, {mug: 1}, now=NOW)


def test_damaged_and_other_units_are_counted_and_never_more_than_arrived(shop, dock, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 4)]))
    mug = line_ids(return_id)["MUG"]
    with pytest.raises(Conflict) as conflict:
        receiving.receive(dock, return_id, {mug: 2}, damaged={mug: 1}, other={mug: 2}, now=NOW)
    assert (conflict.value.code, conflict.value.details["maximum"]) == ("more_found_than_arrived", 2)
    receiving.receive(dock, return_id, {mug: 2}, damaged={mug: 1}, other={mug: 1}, now=NOW)
    receiving.receive(dock, return_id, {mug: 2}, damaged={mug: 1}, now=NOW)
    (line,) = dossiers.dossier(dock, return_id, now=NOW).page.draft.lines
    assert (line.received, line.damaged, line.other) == (4, 2, 1)


def test_a_line_of_another_return_is_not_received(shop, dock, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    mine, other = (a_return(gateways, shop, order, {"MUG": 1}) for _ in range(2))
    with pytest.raises(NotFound):
        receiving.receive(dock, mine, {line_ids(other)["MUG"]: 1}, now=NOW)


def test_who_may_not_receive_or_inspect(shop, dock, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    lines = {line_ids(return_id)["MUG"]: 1}
    with pytest.raises(NotAllowed):
        receiving.receive(a_person(shop, "finance"), return_id, lines, now=NOW)
    with pytest.raises(NotFound):
        receiving.receive(a_person(a_merchant(), "warehouse"), return_id, lines, now=NOW)
    receive(shop, return_id)
    with pytest.raises(NotAllowed):
        receiving.inspect(a_person(shop, "csr"), return_id, [], now=NOW)


def test_what_arrives_is_kept_apart_until_it_is_inspected(shop, session, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 5), an_item("HAT", 1)])
    return_id = a_return(gateways, shop, order, {"MUG": 3})
    rest = [(line.sku, line.shipped, line.canceled, line.refunded) for line in as_it_is(order).items]
    receive(shop, return_id)
    assert stock.levels(shop, ["MUG", "HAT"]) == {"MUG": {"quarantine": 3}}
    inspect(shop, return_id, [("MUG", 1, "A", True)])
    inspect(shop, return_id, [("MUG", 1, "D", True)], disposition="recycle")
    inspect(shop, return_id, [("MUG", 1, "D", False)], disposition="ship_back_to_customer")
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"available": 1, "gone": 1}}
    assert verifying.run().problems == []
    moved = session.execute(
        sa.select(StockMovement.bucket, sa.func.sum(StockMovement.delta)).group_by(StockMovement.bucket)
    )
    assert {bucket: int(units) for bucket, units in moved if units} == {"available": 1, "gone": 1}
    assert [(line.sku, line.shipped, line.canceled, line.refunded) for line in as_it_is(order).items] == rest
    assert as_it_is(order).items[0].returned == ((0, 3),)
    assert as_it_is(order).items[0].returned == ((0, 3),)
    assert as_it_is(order).items[1].claimed == ()


def test_a_level_that_was_changed_by_hand_is_found(shop, session, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    receive(shop, return_id)
    session.execute(sa.text("UPDATE stock_levels SET units = 7 WHERE bucket = 'quarantine'"))
    assert verifying.run().problems == ["S1 MUG in quarantine at main: 7 units, movements say 1"]


def test_inspecting_in_parts_ends_with_the_last_unit(shop, dock, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]))
    receive(shop, return_id)
    inspect(shop, return_id, [("MUG", 2, "B", True)])
    assert stored.get(return_id).state == "received"
    with pytest.raises(Conflict) as conflict:
        inspect(shop, return_id, [("MUG", 1, "A", True), ("MUG", 1, "A", True)])
    assert (conflict.value.code, conflict.value.details["maximum"]) == ("more_than_received", 0)
    for bad, code in ((("MUG", 1, "Z", True), "unknown_grade"), (("MUG", 0, "A", True), "nothing_counted")):
        with pytest.raises(Conflict, match=code):
            inspect(shop, return_id, [bad])
    with pytest.raises(Conflict, match="unknown_disposition"):
        inspect(shop, return_id, [("MUG", 1, "A", True)], disposition="eat")
    inspect(shop, return_id, [("MUG", 1, "A", True)])
    assert stored.get(return_id).state == "inspected"
    found = dossiers.dossier(dock, return_id, now=NOW).inspections
    assert [(one.units, one.grade) for one in found] == [(2, "B"), (1, "A")]


def test_what_comes_later_opens_an_inspected_return_again(shop, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]))
    receive(shop, return_id, {"MUG": 1})
    inspect(shop, return_id)
    receive(shop, return_id, {"MUG": 1})
    assert stored.get(return_id).state == "received"


def test_nothing_is_received_for_a_return_that_is_not_expected(shop, gateways):
    from portal.services.handling import confirmation

    return_id = a_return(gateways, shop, an_order(gateways, shop))
    confirmation.cancel(a_person(shop), return_id, now=NOW)
    with pytest.raises(IllegalStep):
        receive(shop, return_id)


def test_a_return_with_money_on_its_way_is_not_closed(shop, gateways):
    from portal.services.refunding import refunds
    from tests.builders import came_back

    return_id = came_back(gateways, shop, an_order(gateways, shop))
    refunds.propose(a_person(shop, "finance"), return_id, now=NOW)
    with pytest.raises(Conflict, match="refund_open"):
        desk.close(a_person(shop), return_id, now=NOW)


@pytest.mark.parametrize("step", ["confirm", "receive", "inspect", "propose"])
def test_statements_do_not_grow_with_the_lines(shop, gateways, step):
    from portal.services.handling import confirmation
    from portal.services.refunding import refunds
    from tests.builders import SITE, a_draft, fill

    def statements(lines):
        order = an_order(gateways, shop, [an_item(f"SKU-{n}", 2) for n in range(lines)])
        agent = a_person(shop)
        draft = a_draft(agent, shop, order)
        fill(agent, draft, gateways, order=order)
        done = {
            "confirm": lambda: confirmation.confirm(agent, draft, site=SITE, now=NOW),
            "receive": lambda: receive(shop, draft),
            "inspect": lambda: inspect(shop, draft),
            "propose": lambda: refunds.propose(agent, draft, now=NOW),
        }
        for name in list(done)[: list(done).index(step)]:
            done[name]()
        return counted(done[step])

    assert statements(2) == statements(12)


def counted(call):
    seen = []

    def note(_connection, _cursor, statement, *_rest):
        seen.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    try:
        call()
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", note)
    return len(seen)

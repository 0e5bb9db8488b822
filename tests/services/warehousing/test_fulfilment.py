"""What a warehouse picks and ships: asked before the shelf, a fact afterwards; and what stock makes of it."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask, current_app

from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.core.access import NotFound
from portal.core.intake import Special
from portal.core.inventory import OUTSIDE, Movement
from portal.core.logistics import ToldUnits
from portal.db import cancellations as beside_of
from portal.db import returns as stored_returns
from portal.db.base import db, transaction
from portal.db.merchants import Merchant
from portal.db.orders import OrderLine
from portal.db.stock import StockMovement
from portal.db.tasks import Task
from portal.services import cancellations
from portal.services.cancellations import ending
from portal.services.proofs import verifying
from portal.services.stockroom import stock
from portal.services.warehousing import fulfilment
from tests.builders import a_customer, a_merchant, a_person, an_item, as_it_is, order_called
from tests.services.cancelling import NOW, canceled, confirm, goods, propose, told, unshipped
from tests.services.stock_world import tell, told_order


@pytest.fixture
def shop(session: Any) -> Iterator[UUID]:
    made = a_merchant(now=NOW)
    yield made
    db.session.rollback()
    assert verifying.run().problems == [], "stock does not add up at the end of the test"


def sku(name: str = "MUG", units: int = 1) -> ToldUnits:
    return ToldUnits(sku=name, units=units)


def ask(shop: UUID, order: Any, *lines: ToldUnits, **more: Any) -> int:
    with transaction():
        granted = fulfilment.may_pick(shop, order.number, lines or (sku(units=9),), now=NOW, **more)
    return sum(granted.values())


def ship(shop: UUID, order: Any, *lines: ToldUnits, **more: Any) -> fulfilment.Shipped:
    with transaction():
        return fulfilment.shipped(shop, order.number, lines or (sku(),), now=NOW, **more)


def line(order: Any, name: str = "MUG") -> Any:
    found = db.session.scalars(sa.select(OrderLine).where(OrderLine.order_id == order.id)).all()
    one = next(row for row in found if row.sku == name)
    db.session.refresh(one)
    return one


def state(return_id: UUID) -> str:
    row = stored_returns.get(return_id)
    assert row is not None
    db.session.refresh(row)
    return row.state


def whys(name: str = "MUG") -> list[tuple[str, str, int]]:
    moved = StockMovement
    found = db.session.execute(
        sa.select(moved.why, moved.bucket, moved.delta).where(moved.sku == name).order_by(moved.id)
    )
    return [(row.why, row.bucket, row.delta) for row in found]


def warehouse_said(return_id: UUID, answer: str) -> None:
    """As if the warehouse had been asked, and had answered so."""
    with transaction():
        held = beside_of.hold(return_id)
        assert held is not None
        held[1].warehouse, held[1].warehouse_state = "tests", answer
        db.session.flush()


# ------------------------------------------------------------------------------------------------------ stock


def test_an_order_that_is_not_sent_reserves_its_goods_and_nothing_else(shop: UUID, gateways: Any) -> None:
    order = unshipped(
        gateways,
        shop,
        goods("MUG", 3),
        goods("HAT", 2, shipped=1),
        an_item("TEA", 4),
        an_item("HELP", 1, "30.00", kind="service", shipped=0),
    )
    reserved = {row.sku: line(order, row.sku).reserved_units for row in order.lines}
    assert reserved == {"MUG": 3, "HAT": 1, "TEA": 0, "HELP": 0}
    assert stock.levels(shop, ["MUG", "HAT", "TEA", "HELP"]) == {
        "MUG": {"reserved": 3},
        "HAT": {"reserved": 1},
    }
    assert whys() == [("ordered", "reserved", 3)]


@pytest.mark.parametrize("told_state", ["pending", "canceled"])
def test_an_order_that_is_not_confirmed_reserves_nothing(shop: UUID, gateways: Any, told_state: str) -> None:
    unshipped(gateways, shop, state=told_state)
    assert stock.levels(shop, ["MUG"]) == {}


def test_orders_that_were_sent_cost_the_import_nothing(shop: UUID, gateways: Any) -> None:
    """Hundreds of thousands of them come in at once: not one statement more for stock, and a few for a batch."""
    asked: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        asked.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", listen)
    try:
        tell(gateways, shop, *(told_order(f"S-{n}", {"MUG": (3, 3)}) for n in range(40)))
        sent = [one for one in asked if "stock_" in one or "reserved_units =" in one]
        asked.clear()
        tell(gateways, shop, *(told_order(f"U-{n}", {"MUG": (3, 0), "HAT": (1, 0)}) for n in range(40)))
    finally:
        sa.event.remove(db.engine, "before_cursor_execute", listen)
    assert sent == []
    assert len([one for one in asked if "stock_" in one]) == 3
    assert stock.levels(shop, ["MUG", "HAT"]) == {"MUG": {"reserved": 120}, "HAT": {"reserved": 40}}


def test_what_left_is_reserved_no_longer_in_several_parcels(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    assert list(ship(shop, order).units.values()) == [1]
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"reserved": 2}}
    assert list(ship(shop, order, sku(units=2)).units.values()) == [2]
    assert stock.levels(shop, ["MUG"]) == {}
    assert (line(order).shipped_units, line(order).reserved_units) == (3, 0)
    assert line(order).shipped_at == NOW
    assert whys() == [("ordered", "reserved", 3), ("shipped", "reserved", -1), ("shipped", "reserved", -2)]


def test_more_than_was_bought_is_told_back_and_changes_nothing(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    done = ship(shop, order, sku(units=5), sku("CAT"))
    assert list(done.units.values()) == [3]
    assert done.unknown == ("2 × MUG", "1 × CAT")
    assert line(order).shipped_units == 3


def test_totals_that_are_told_twice_or_in_any_order_count_once(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    for units in (2, 1, 2, 0, 2):
        ship(shop, order, sku(units=units), total=True)
    assert line(order).shipped_units == 2
    ship(shop, order, sku(units=3), total=True)
    assert (line(order).shipped_units, line(order).reserved_units) == (3, 0)


def test_an_event_is_dealt_with_once(shop: UUID, gateways: Any) -> None:
    given = {"kind": "shipped", "order_ref": "1", "at": NOW, "now": NOW}
    with transaction():
        assert fulfilment.once(shop, "cli", "parcel-1", **given)
    with transaction():
        assert not fulfilment.once(shop, "cli", "parcel-1", **given)
        assert fulfilment.once(shop, "another", "parcel-1", **given)


def test_a_line_is_found_by_our_id_its_own_or_its_sku(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop, goods("MUG", 2), goods("MUG", 2, "5.00"), goods("HAT", 2))
    ids = [one.id for one in order.items]
    assert ship(shop, order, ToldUnits(line=str(ids[1]), units=1)).units == {ids[1]: 1}
    assert ship(shop, order, ToldUnits(line="3", units=1)).units == {ids[2]: 1}
    assert ship(shop, order, sku(units=3)).units == {ids[0]: 2, ids[1]: 1}
    assert ship(shop, order, ToldUnits(line="7", sku="HAT", units=1)).unknown == ("1 × 7",)


def test_an_order_is_found_by_number_channel_id_or_ours_and_only_with_its_merchant(
    shop: UUID, gateways: Any
) -> None:
    order = unshipped(gateways, shop, number="#K-77")
    for ref in ("k77", "#K-77", str(order.id)):
        with transaction():
            assert fulfilment.shipped(shop, ref, [sku()], now=NOW).order_id == order.id
    for merchant, ref in ((a_merchant(now=NOW), "#K-77"), (shop, "K-78"), (shop, "")):
        with pytest.raises(NotFound), transaction():
            fulfilment.shipped(merchant, ref, [sku()], now=NOW)


def test_goods_lie_where_their_line_says(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop, goods("MUG", 2, special=Special(location="north")), goods("MUG", 1))
    places = [("MUG", "north", "reserved"), ("MUG", "main", "reserved")]
    assert stock.at(shop, places) == {places[0]: 2, places[1]: 1}
    canceled(gateways, shop, order, {"MUG": 1})
    db.session.rollback()
    assert sum(stock.at(shop, places).values()) == 2
    assert stock.levels(shop, ["MUG"])["MUG"]["available"] == 1


# ------------------------------------------------------------------------------------------------ picking is asked


def test_what_may_be_picked_is_neither_held_nor_canceled_nor_picked_nor_sent(
    shop: UUID, gateways: Any
) -> None:
    order = unshipped(gateways, shop, goods("MUG", 9, "4.00"))
    canceled(gateways, shop, order, {"MUG": 2})
    propose(gateways, shop, as_it_is(order), {"MUG": 3})
    ship(shop, order)
    assert ask(shop, order, sku(units=2)) == 2
    assert ask(shop, order) == 1
    assert ask(shop, order) == 0
    assert (line(order).picked_units, line(order).reserved_units) == (3, 6)


def test_what_is_picked_can_be_canceled_by_nobody_until_it_is_put_back(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    assert ask(shop, order) == 3
    with pytest.raises(Exception, match="being_picked"):
        propose(gateways, shop, as_it_is(order), {"MUG": 1})
    with transaction():
        assert list(fulfilment.put_back(shop, order.number, [sku(units=2)], now=NOW).values()) == [2]
    assert line(order).picked_units == 1
    assert state(propose(gateways, shop, as_it_is(order), {"MUG": 2})) == "proposed"


def test_a_total_that_was_picked_is_granted_once(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    assert ask(shop, order, sku(units=2), total=True) == 2
    assert ask(shop, order, sku(units=2), total=True) == 0
    ship(shop, order)
    assert (line(order).picked_units, line(order).shipped_units) == (1, 1)
    assert ask(shop, order, sku(units=2), total=True) == 0


def test_no_service_is_picked_and_none_is_shipped(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop, goods("MUG", 1), an_item("HELP", 1, "30.00", kind="service", shipped=0))
    assert ask(shop, order, sku("HELP")) == 0
    assert ship(shop, order, sku("HELP")).unknown == ("1 × HELP",)


# ------------------------------------------------------------------------------------------------ shipping is a fact


def test_a_proposal_ends_when_its_units_are_sent_first_and_the_customer_is_told(
    shop: UUID, gateways: Any
) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    assert ship(shop, order).overtaken == ()
    assert state(made) == "proposed"
    assert ship(shop, order).overtaken == (made,)
    assert state(made) == "overtaken"
    assert (line(order).held_units, line(order).shipped_units, line(order).reserved_units) == (0, 2, 1)
    assert told(made)[-1] == "cancellation_overtaken"
    assert confirm(gateways, shop, made) == "overtaken"
    assert whys()[-1] == ("shipped", "reserved", -1)


def test_only_as_many_proposals_end_as_units_left(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop, goods("MUG", 4, "4.00"))
    first, second = (propose(gateways, shop, as_it_is(order), {"MUG": 1}) for _ in range(2))
    assert ship(shop, order, sku(units=3)).overtaken == (second,)
    assert (state(first), state(second)) == ("proposed", "overtaken")
    assert confirm(gateways, shop, first) in ("confirmed", "closed")
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"available": 1}}


@pytest.mark.parametrize("answer", ["waiting", "pending"])
def test_a_confirmed_cancellation_that_no_warehouse_answered_is_undone_when_its_goods_leave(
    shop: UUID, gateways: Any, answer: str
) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    warehouse_first(gateways, shop, made, answer)
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"reserved": 2, "available": 1}}
    assert ship(shop, order, sku(units=3)).overtaken == (made,)
    assert state(made) == "overtaken"
    assert (line(order).canceled_units, line(order).shipped_units, line(order).reserved_units) == (0, 3, 0)
    assert stock.levels(shop, ["MUG"]) == {}
    assert [why for why, *_ in whys()] == [
        "ordered", "canceled", "canceled", "cancellation_undone", "cancellation_undone", "shipped",
    ]  # fmt: skip


def warehouse_first(gateways: Any, shop: UUID, made: UUID, answer: str) -> None:
    """Confirmed where a warehouse keeps the goods, and its answer is this."""
    place = current_app.config["SETTINGS"].data_dir / f"{made}.sqlite"
    asked = replace(gateways, warehouse=SandboxWarehouse(place))
    assert confirm(asked, shop, made) == "confirmed"
    warehouse_said(made, answer)


def test_goods_that_left_although_the_warehouse_released_them_are_a_task_and_the_refund_stands(
    shop: UUID, gateways: Any
) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    warehouse_first(gateways, shop, made, "released")
    done = ship(shop, order, sku(units=3))
    assert (done.overtaken, done.after_release) == ((), (made,))
    assert state(made) in ("confirmed", "closed")
    assert (line(order).canceled_units, line(order).shipped_units, line(order).reserved_units) == (1, 3, 0)
    assert stock.levels(shop, ["MUG"]) == {}
    assert whys()[-1] == ("shipped_after_release", "available", -1)
    task = db.session.scalars(sa.select(Task).where(Task.kind == "shipped_after_release")).one()
    assert task.subject_id == made
    ship(shop, order, sku(units=3), total=True)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Task)) == 1


def test_an_import_that_tells_of_shipped_units_ends_proposals_as_a_warehouse_does(
    shop: UUID, gateways: Any
) -> None:
    tell(gateways, shop, told_order("I-1", {"MUG": (3, 0)}))
    order = order_called(shop, "I-1")
    made = propose(gateways, shop, order, {"MUG": 2})
    tell(gateways, shop, told_order("I-1", {"MUG": (3, 1)}))
    assert (state(made), line(order).reserved_units, line(order).held_units) == ("proposed", 2, 2)
    tell(gateways, shop, told_order("I-1", {"MUG": (3, 2)}))
    assert (state(made), line(order).reserved_units, line(order).held_units) == ("overtaken", 1, 0)
    assert told(made)[-1] == "cancellation_overtaken"
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"reserved": 1}}


def test_an_import_that_tells_of_units_that_were_released_opens_a_task(shop: UUID, gateways: Any) -> None:
    tell(gateways, shop, told_order("I-2", {"MUG": (3, 0)}))
    made = propose(gateways, shop, order_called(shop, "I-2"), {"MUG": 1})
    warehouse_first(gateways, shop, made, "released")
    tell(gateways, shop, told_order("I-2", {"MUG": (3, 3)}))
    assert state(made) in ("confirmed", "closed")
    assert stock.levels(shop, ["MUG"]) == {}
    task = db.session.scalars(sa.select(Task).where(Task.kind == "shipped_after_release")).one()
    assert task.subject_id == made


CHANGES: dict[str, tuple[Any, Any, dict[str, dict[str, int]]]] = {
    "more units": ({"MUG": (3, 0)}, {"MUG": (5, 0)}, {"MUG": {"reserved": 5}}),
    "fewer units": ({"MUG": (3, 0)}, {"MUG": (1, 0)}, {"MUG": {"reserved": 1}}),
    "fewer units, some sent": ({"MUG": (3, 0)}, {"MUG": (2, 1)}, {"MUG": {"reserved": 1}}),
    "a line less": ({"MUG": (3, 0), "HAT": (2, 0)}, {"HAT": (2, 0)}, {"HAT": {"reserved": 2}}),
    "a line more": (
        {"MUG": (3, 0)},
        {"MUG": (3, 0), "HAT": (2, 1)},
        {"MUG": {"reserved": 3}, "HAT": {"reserved": 1}},
    ),
    "everything sent": ({"MUG": (3, 1)}, {"MUG": (3, 3)}, {}),
    "less sent than before": ({"MUG": (3, 2)}, {"MUG": (3, 1)}, {"MUG": {"reserved": 1}}),
    "another place": (
        {"MUG": (3, 0)},
        {"MUG": (3, 1, Special(location="north"))},
        {"MUG": {"reserved": 2}},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_stock_follows_an_order_that_is_told_anew(shop: UUID, gateways: Any, change: str) -> None:
    before, after, lies = CHANGES[change]
    tell(gateways, shop, told_order("I-3", before))
    tell(gateways, shop, told_order("I-3", after))
    tell(gateways, shop, told_order("I-3", after))
    assert stock.levels(shop, ["MUG", "HAT"]) == lies


def test_an_order_that_is_told_as_pending_confirmed_and_canceled(shop: UUID, gateways: Any) -> None:
    for told_state, lies in (
        ("pending", {}),
        ("confirmed", {"MUG": {"reserved": 2}}),
        ("pending", {}),
        ("confirmed", {"MUG": {"reserved": 2}}),
        ("canceled", {"MUG": {"available": 2}}),
    ):
        tell(gateways, shop, told_order("I-4", {"MUG": (3, 1)}, state=told_state))
        assert stock.levels(shop, ["MUG"]) == lies, told_state


def test_a_bundle_with_one_price_is_its_parts(shop: UUID, gateways: Any) -> None:
    head = told_order("I-5", {"SET": (2, 0), "CUP": (2, 0), "TEA": (4, 0)}, price="0")
    part = [replace(line, parent="SET", special=Special(list_price=Decimal(2))) for line in head.lines[1:]]
    whole = replace(head.lines[0], unit_price=Decimal("10.00"))
    paid = replace(head.payments[0], captured=Decimal("20.00"))
    tell(gateways, shop, replace(head, lines=(whole, *part), payments=(paid,), total=Decimal("20.00")))
    assert stock.levels(shop, ["SET", "CUP", "TEA"]) == {"CUP": {"reserved": 2}, "TEA": {"reserved": 4}}


# ----------------------------------------------------------------------------------------------- undone, and short


def test_a_refused_cancellation_is_reserved_again(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    warehouse_first(gateways, shop, made, "pending")
    with transaction():
        ending.refuse(made, code="picking", now=NOW)
    assert state(made) == "refused"
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"reserved": 3}}
    assert line(order).reserved_units == 3


def test_what_somebody_took_meanwhile_is_reserved_all_the_same_and_a_person_is_asked_to_count(
    shop: UUID, gateways: Any
) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    warehouse_first(gateways, shop, made, "pending")
    with transaction():
        taken = Movement(sku="MUG", units=1, source="available", target=OUTSIDE)
        stock.write(
            [stock.Moved(why="counted", movement=taken, note="Sold at the counter", by="Demo")],
            merchant_id=shop,
            now=NOW,
        )
    with transaction():
        ending.refuse(made, code="picking", now=NOW)
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"reserved": 3}}
    task = db.session.scalars(sa.select(Task).where(Task.kind == "stock_short")).one()
    assert (task.details["sku"], task.details["units"]) == ("MUG", 1)


def test_declined_expired_and_withdrawn_proposals_leave_stock_as_it_was(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    cancellations.decline(a_customer(made, shop), made, now=NOW)
    made = propose(gateways, shop, as_it_is(order), {"MUG": 2})
    cancellations.withdraw(a_person(shop, "csr"), made, reason="A mistake", now=NOW)
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"reserved": 3}}
    assert whys() == [("ordered", "reserved", 3)]


# ---------------------------------------------------------------------------------------------- the command line


def test_verify_stock_names_what_does_not_hold_and_ends_with_1(app: Flask, shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    canceled(gateways, shop, order, {"MUG": 1})
    db.session.rollback()

    def run(args: list[str]) -> Any:
        db.session.rollback()
        return app.test_cli_runner().invoke(args=args)

    done = run(args=["verify-stock"])
    assert done.exit_code == 0, done.output
    assert "no problems" in done.output
    with db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE order_lines SET reserved_units = 3"))
    done = run(args=["verify-stock"])
    assert done.exit_code == 1
    assert "S3 order" in done.output and "3 units reserved, 2 are still to be sent" in done.output
    with db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE order_lines SET reserved_units = 2"))
        connection.execute(sa.text("UPDATE stock_levels SET units = units + 1 WHERE bucket = 'available'"))
    other = a_merchant(slug="other-shop", now=NOW)
    assert other and run(args=["verify-stock", "--merchant", "other-shop"]).exit_code == 0
    done = run(args=["verify-stock", "--json"])
    assert done.exit_code == 1 and "2 units, movements say 1" in done.output
    with db.engine.begin() as connection:
        connection.execute(sa.text("UPDATE stock_levels SET units = units - 1 WHERE bucket = 'available'"))


def test_a_parcel_that_is_told_on_the_command_line_counts_once(app: Flask, shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    slug = db.session.scalar(sa.select(Merchant.slug).where(Merchant.id == shop))
    db.session.rollback()
    run = app.test_cli_runner().invoke
    ship = ["ship", "--merchant", slug, "--order", order.number, "--event", "parcel-1", "MUG=2"]
    assert "2 units" in run(args=ship).output
    assert "told before" in run(args=ship).output
    assert line(order).shipped_units == 2
    done = run(args=[*ship[:-2], "parcel-2", "MUG=2"])
    assert done.exit_code == 1 and "does not have 1 × MUG" in done.output
    assert run(args=[*ship[:-1], "MUG"]).exit_code == 2
    assert run(args=["ship", "--merchant", slug, "--order", "none", "--event", "x", "MUG=1"]).exit_code == 1

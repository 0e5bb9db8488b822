from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.inventory import (
    BUCKETS,
    COUNTED,
    MAIN,
    NOTHING_COMES,
    OUTSIDE,
    WHYS,
    Goods,
    Movement,
    NotInStock,
    Place,
    StockEvent,
    applied,
    coming,
    counted,
    followed,
    movements_for,
    stock_name,
)
from portal.core.reasons import DISPOSITIONS, GRADES, disposition_for


def moved(kind: str, units: int, **given: object) -> list[tuple[int, str, str]]:
    event = StockEvent(kind=kind, sku="SKU", units=units, **given)  # type: ignore[arg-type]
    return [(move.units, move.source, move.target) for move in movements_for(event)]


def test_announced_units_are_expected_and_withdrawn_ones_no_longer() -> None:
    assert moved("announced", 3) == [(3, OUTSIDE, "expected")]
    assert moved("withdrawn", 3) == [(3, "expected", OUTSIDE)]


@pytest.mark.parametrize(
    ("units", "expected", "moves"),
    [
        (3, 3, [(3, "expected", "quarantine")]),
        (2, 3, [(2, "expected", "quarantine")]),
        (3, 2, [(2, "expected", "quarantine"), (1, OUTSIDE, "quarantine")]),
        (1, 0, [(1, OUTSIDE, "quarantine")]),
        (0, 2, []),
    ],
)
def test_what_arrives_waits_in_quarantine_whether_announced_or_not(
    units: int, expected: int, moves: list[tuple[int, str, str]]
) -> None:
    assert moved("received", units, expected=expected) == moves


@pytest.mark.parametrize("disposition", DISPOSITIONS)
def test_every_disposition_has_a_place(disposition: str) -> None:
    for units, source, target in moved("inspected", 2, disposition=disposition):
        assert (units, source) == (2, "quarantine")
        assert target in (*BUCKETS, OUTSIDE)


def test_only_restocking_makes_units_available() -> None:
    available = [
        disposition
        for disposition in DISPOSITIONS
        if any(target == "available" for _, _, target in moved("inspected", 1, disposition=disposition))
    ]
    assert available == ["restock", "restock_open_box"]
    assert moved("inspected", 1, disposition="quarantine") == []


@pytest.mark.parametrize("grade", GRADES)
def test_every_grade_proposes_a_known_disposition(grade: str) -> None:
    assert disposition_for(grade) in DISPOSITIONS


def test_a_return_from_announcement_to_stock_keeps_every_unit_in_one_place() -> None:
    stock: dict[Place, int] = {}
    events = [
        StockEvent(kind="announced", sku="SKU", units=3),
        StockEvent(kind="received", sku="SKU", units=2, expected=3),
        StockEvent(kind="inspected", sku="SKU", units=1, disposition="restock"),
        StockEvent(kind="inspected", sku="SKU", units=1, disposition="recycle"),
        StockEvent(kind="withdrawn", sku="SKU", units=1),
    ]
    for event, total in zip(events, (3, 3, 3, 3, 2), strict=True):
        stock = applied(stock, movements_for(event))
        assert sum(stock.values()) == total
        assert min(stock.values()) >= 0
    assert stock["SKU", MAIN, "available"] == stock["SKU", MAIN, "gone"] == 1


def test_what_is_not_there_cannot_be_moved() -> None:
    event = StockEvent(kind="inspected", sku="SKU", units=2, disposition="restock")
    with pytest.raises(NotInStock) as caught:
        applied({("SKU", MAIN, "quarantine"): 1}, movements_for(event))
    assert caught.value.maximum == 1


@pytest.mark.parametrize(
    "event",
    [
        StockEvent(kind="received", sku="SKU", units=-1),
        StockEvent(kind="inspected", sku="SKU", units=1, disposition="eaten"),
        StockEvent(kind="lost", sku="SKU", units=1),
    ],
)
def test_what_moves_no_stock_is_refused(event: StockEvent) -> None:
    with pytest.raises(ValueError):
        movements_for(event)


def test_a_movement_needs_units_and_two_places() -> None:
    with pytest.raises(ValueError):
        Movement(sku="SKU", units=0, source="expected", target="quarantine")
    with pytest.raises(ValueError):
        Movement(sku="SKU", units=1, source="expected", target="expected")


# ------------------------------------------------------------------------------------------------ orders


def test_each_thing_that_happens_at_an_order_moves_units_its_own_way() -> None:
    assert moved("ordered", 3) == [(3, OUTSIDE, "reserved")]
    assert moved("shipped", 3) == [(3, "reserved", OUTSIDE)]
    assert moved("canceled", 3) == [(3, "reserved", "available")]
    assert moved("order_changed", 3) == [(3, "reserved", OUTSIDE)]
    assert moved("cancellation_undone", 3, free=3) == [(3, "available", "reserved")]
    assert moved("cancellation_undone", 3, free=1) == [(1, "available", "reserved"), (2, OUTSIDE, "reserved")]
    assert moved("shipped_after_release", 3, free=1) == [(1, "available", OUTSIDE)]


def test_every_movement_stays_at_its_location() -> None:
    event = StockEvent(kind="cancellation_undone", sku="SKU", units=2, free=1, location="north")
    assert {move.location for move in movements_for(event)} == {"north"}


@pytest.mark.parametrize(
    ("given", "owed"),
    [
        ({}, 5),
        ({"shipped": 2}, 3),
        ({"shipped": 2, "canceled": 3}, 0),
        ({"shipped": 4, "canceled": 3}, 0),
        ({"confirmed": False}, 0),
        ({"kind": "service"}, 0),
        ({"kind": "gift_card"}, 0),
    ],
)
def test_a_line_owes_the_goods_that_neither_left_nor_were_canceled(given: dict[str, Any], owed: int) -> None:
    assert Goods(sku="SKU", units=5, **given).owed == owed


@pytest.mark.parametrize(("there", "found"), [(0, 3), (3, 0), (5, 2)])
def test_what_was_counted_is_what_lies_there_afterwards(there: int, found: int) -> None:
    move = counted("SKU", "available", there=there, found=found)
    assert move is not None
    place = ("SKU", MAIN, "available")
    assert applied({place: there}, [move])[place] == found


def test_nobody_counts_what_orders_and_returns_decide_and_nothing_below_zero() -> None:
    assert counted("SKU", "available", there=2, found=2) is None
    for bucket in {*BUCKETS, OUTSIDE} - set(COUNTED):
        with pytest.raises(ValueError):
            counted("SKU", bucket, there=0, found=1)
    with pytest.raises(ValueError):
        counted("SKU", "available", there=2, found=-1)


def test_goods_are_known_by_their_sku_or_else_by_their_name() -> None:
    assert (stock_name("A-1", "Mug"), stock_name("", "Mug"), len(stock_name("x" * 300, ""))) == (
        "A-1",
        "Mug",
        100,
    )


def test_a_return_expects_what_was_authorized_and_has_not_come() -> None:
    assert coming("return", "approved", 3, 0) == 3
    assert coming("return", "partially_received", 3, 2) == 1
    assert [coming("return", state, 3, 0) for state in ("requested", "canceled", "expired", "closed")] == [
        0
    ] * 4
    assert [coming(kind, "approved", 3, 0) for kind in NOTHING_COMES] == [0] * len(NOTHING_COMES)


# ------------------------------------------------------------------------------------------------ properties


@st.composite
def goods(draw: st.DrawFn, **fixed: Any) -> Goods:
    units = draw(st.integers(0, 12))
    given = {
        "sku": draw(st.sampled_from(["A", "B"])),
        "location": draw(st.sampled_from([MAIN, "north"])),
        "units": units,
        "shipped": draw(st.integers(0, units)),
        "canceled": draw(st.integers(0, units)),
        "kind": draw(st.sampled_from(["merchandise", "merchandise", "service"])),
        "confirmed": draw(st.booleans()),
    }
    return Goods(**{**given, **fixed})


@given(st.lists(goods(), min_size=1, max_size=8))
def test_stock_that_follows_a_line_reserves_what_it_owes_whatever_its_channel_tells(
    told: list[Goods],
) -> None:
    """However often, in whatever order: never below zero, one place, and the same told again moves nothing."""
    stock: dict[Place, int] = {}
    before = replace(told[0], reserved=0)
    for line in told:
        steps = followed(before, line)
        assert all(why in WHYS for why, _ in steps)
        stock = applied(stock, [move for _, move in steps])
        before = replace(line, reserved=line.owed)
        reserved = {place: units for place, units in stock.items() if place[2] == "reserved" and units}
        assert reserved == ({(line.sku, line.location, "reserved"): line.owed} if line.owed else {})
        assert min(stock.values(), default=0) >= 0
        assert followed(before, line) == ()


@given(st.integers(1, 20), st.lists(st.tuples(st.sampled_from("csur"), st.integers(1, 5)), max_size=30))
def test_no_unit_of_an_order_is_lost_or_doubled_whatever_happens_to_it(
    units: int, happenings: list[tuple[str, int]]
) -> None:
    """Canceled, shipped, undone, and taken by hand from what is available: every unit is in one place."""
    stock = applied({}, movements_for(StockEvent(kind="ordered", sku="A", units=units)))
    reserved, available, canceled, gone = units, 0, 0, 0
    for what, many in happenings:
        if what == "c" and reserved:
            n = min(many, reserved)
            stock = applied(stock, movements_for(StockEvent(kind="canceled", sku="A", units=n)))
            reserved, available, canceled = reserved - n, available + n, canceled + n
        elif what == "s" and reserved:
            n = min(many, reserved)
            stock = applied(stock, movements_for(StockEvent(kind="shipped", sku="A", units=n)))
            reserved, gone = reserved - n, gone + n
        elif what == "u" and canceled:
            n = min(many, canceled)
            event = StockEvent(kind="cancellation_undone", sku="A", units=n, free=available)
            stock = applied(stock, movements_for(event))
            reserved, canceled, available = reserved + n, canceled - n, max(0, available - n)
        elif what == "r" and available:
            n = min(many, available)
            move = counted("A", "available", there=available, found=available - n)
            assert move is not None
            stock, available = applied(stock, [move]), available - n
        assert stock.get(("A", MAIN, "reserved"), 0) == reserved
        assert stock.get(("A", MAIN, "available"), 0) == available
        assert reserved + canceled + gone == units

import pytest

from portal.core.inventory import (
    BUCKETS,
    MAIN,
    OUTSIDE,
    Movement,
    NotInStock,
    Place,
    StockEvent,
    applied,
    movements_for,
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

"""Stock of returned goods: which bucket a unit is in, and what moves it. A unit is always in one place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.core.reasons import DISPOSITIONS

BUCKETS = ("available", "reserved", "expected", "quarantine", "damaged", "gone")
"""``expected`` is announced by customers, ``quarantine`` has arrived and waits for inspection."""

OUTSIDE = "outside"
"""With the customer: where expected units come from and kept ones stay."""

_AFTER_INSPECTION = {
    "restock": "available",
    "restock_open_box": "available",
    "refurbish": "damaged",
    "repair_return_to_customer": "damaged",
    "return_to_vendor": "damaged",
    "liquidate": "gone",
    "donate": "gone",
    "recycle": "gone",
    "destroy": "gone",
    "quarantine": "quarantine",
    "keep_with_customer": OUTSIDE,
    "ship_back_to_customer": OUTSIDE,
    "missing": OUTSIDE,
}


class NotInStock(ValueError):
    """A movement takes more units from a bucket than are there; ``maximum`` says how many are."""

    def __init__(self, sku: str, bucket: str, maximum: int) -> None:
        super().__init__(f"{sku}: {maximum} in {bucket}")
        self.sku, self.bucket, self.maximum = sku, bucket, maximum


@dataclass(frozen=True, kw_only=True)
class Movement:
    """``units`` (above zero) of ``sku`` from one bucket to another. Raises ``ValueError`` otherwise."""

    sku: str
    units: int
    source: str
    target: str

    def __post_init__(self) -> None:
        if self.units <= 0 or self.source == self.target:
            raise ValueError(f"{self.units} of {self.sku} from {self.source} to {self.target}")


@dataclass(frozen=True, kw_only=True)
class StockEvent:
    """What happened to units of ``sku``: ``announced``, ``withdrawn``, ``received`` or ``inspected``.

    ``expected`` is how many of the received units were announced and are still expected;
    ``disposition`` is what the inspection decided.
    """

    kind: str
    sku: str
    units: int
    expected: int = 0
    disposition: str = ""


def movements_for(event: StockEvent) -> tuple[Movement, ...]:
    """The movements that ``event`` causes; none for units that stay where they are.

    Arrived units go to quarantine whatever their state: only an inspection makes them available.
    Raises ``ValueError`` for negative units and for an unknown kind or disposition.
    """
    if event.units < 0 or event.expected < 0:
        raise ValueError(f"{event.units} units of {event.sku}")
    if event.kind == "announced":
        moves = ((event.units, OUTSIDE, "expected"),)
    elif event.kind == "withdrawn":
        moves = ((event.units, "expected", OUTSIDE),)
    elif event.kind == "received":
        announced = min(event.units, event.expected)
        return _moved(
            event.sku,
            ((announced, "expected", "quarantine"), (event.units - announced, OUTSIDE, "quarantine")),
        )
    elif event.kind == "inspected" and event.disposition in DISPOSITIONS:
        moves = ((event.units, "quarantine", _AFTER_INSPECTION[event.disposition]),)
    else:
        raise ValueError(f"{event.kind!r} {event.disposition!r} moves no stock")
    return _moved(event.sku, moves)


def applied(
    stock: Mapping[tuple[str, str], int], movements: Iterable[Movement]
) -> dict[tuple[str, str], int]:
    """``stock`` ((sku, bucket) -> units) after ``movements``. Raises ``NotInStock``; then nothing moved."""
    after = dict(stock)
    for move in movements:
        if move.source != OUTSIDE:
            there = after.get((move.sku, move.source), 0)
            if there < move.units:
                raise NotInStock(move.sku, move.source, there)
            after[move.sku, move.source] = there - move.units
        if move.target != OUTSIDE:
            after[move.sku, move.target] = after.get((move.sku, move.target), 0) + move.units
    return after


def _moved(sku: str, moves: Iterable[tuple[int, str, str]]) -> tuple[Movement, ...]:
    return tuple(
        Movement(sku=sku, units=units, source=source, target=target)
        for units, source, target in moves
        if units and source != target
    )

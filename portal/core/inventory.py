"""Stock: which bucket a unit is in, what moves it, and why. A unit is always in one place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from portal.core.facts import CANCELLATIONS, KEEP, MERCHANDISE
from portal.core.reasons import DISPOSITIONS

BUCKETS = ("available", "reserved", "expected", "quarantine", "damaged", "gone")
"""``reserved`` is promised to orders, ``expected`` announced by customers, ``quarantine`` waits for inspection."""

COUNTED = ("available", "quarantine", "damaged")
"""What a person may count: what is reserved or expected follows from orders and returns alone."""

OUTSIDE = "outside"
"""With the customer, or not the portal's to know: where units come from and where those that left are."""

MAIN = "main"
"""Where goods lie when nobody says otherwise, and where returned ones arrive."""

WHYS = (
    "ordered",
    "shipped",
    "canceled",
    "cancellation_undone",
    "order_changed",
    "shipped_after_release",
    "return_announced",
    "return_withdrawn",
    "return_received",
    "return_inspected",
    "unexpected_found",
    "unexpected_decided",
    "counted",
    "inspected",
)
"""Every reason a movement may give; ``inspected`` is of returns of the past that were written down later."""

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

Place = tuple[str, str, str]
"""SKU, location, bucket."""


class NotInStock(ValueError):
    """A movement takes more units from a bucket than are there; ``maximum`` says how many are."""

    def __init__(self, sku: str, bucket: str, maximum: int) -> None:
        super().__init__(f"{sku}: {maximum} in {bucket}")
        self.sku, self.bucket, self.maximum = sku, bucket, maximum


@dataclass(frozen=True, kw_only=True)
class Movement:
    """``units`` (above zero) of ``sku`` from one bucket to another, at one location.

    Raises ``ValueError`` for no units, and where nothing would move.
    """

    sku: str
    units: int
    source: str
    target: str
    location: str = MAIN

    def __post_init__(self) -> None:
        if self.units <= 0 or self.source == self.target:
            raise ValueError(f"{self.units} of {self.sku} from {self.source} to {self.target}")


@dataclass(frozen=True, kw_only=True)
class StockEvent:
    """What happened to units of ``sku``, at an order or at a return.

    At an order: ``ordered``, ``shipped``, ``canceled``, ``cancellation_undone``, ``order_changed``,
    ``shipped_after_release``. At a return: ``announced``, ``withdrawn``, ``received``, ``inspected``. Of goods that
    nobody announced: ``found``, then ``matched`` (they count as a return's from now on), ``sent_back``,
    ``restocked``, ``disposed``.

    ``expected`` is how many of the received units were announced and are still expected; ``disposition``
    is what the inspection decided; ``free`` is how many of undone units are still available.
    """

    kind: str
    sku: str
    units: int
    expected: int = 0
    disposition: str = ""
    free: int = 0
    location: str = MAIN


_ONE_WAY = {
    "ordered": (OUTSIDE, "reserved"),
    "shipped": ("reserved", OUTSIDE),
    "canceled": ("reserved", "available"),
    "order_changed": ("reserved", OUTSIDE),
    "announced": (OUTSIDE, "expected"),
    "withdrawn": ("expected", OUTSIDE),
    "found": (OUTSIDE, "quarantine"),
    "matched": ("quarantine", OUTSIDE),
    "sent_back": ("quarantine", OUTSIDE),
    "restocked": ("quarantine", "available"),
    "disposed": ("quarantine", "gone"),
}
_TWO_WAYS = {
    "received": ("expected", "quarantine"),
    "cancellation_undone": ("available", "reserved"),
    "shipped_after_release": ("available", OUTSIDE),
}
"""What comes from its bucket as far as it is there, and for the rest from outside."""


def movements_for(event: StockEvent) -> tuple[Movement, ...]:
    """The movements that ``event`` causes; none for units that stay where they are.

    Arrived units go to quarantine whatever their state: only an inspection makes them available. Raises
    ``ValueError`` for negative units and for an unknown kind or disposition.
    """
    if event.units < 0 or event.expected < 0 or event.free < 0:
        raise ValueError(f"{event.units} units of {event.sku}")
    if event.kind in _ONE_WAY:
        return _moved(event, ((event.units, *_ONE_WAY[event.kind]),))
    if event.kind in _TWO_WAYS:
        source, target = _TWO_WAYS[event.kind]
        there = min(event.units, event.expected if event.kind == "received" else event.free)
        return _moved(event, ((there, source, target), (event.units - there, OUTSIDE, target)))
    if event.kind == "inspected" and event.disposition in DISPOSITIONS:
        return _moved(event, ((event.units, "quarantine", _AFTER_INSPECTION[event.disposition]),))
    raise ValueError(f"{event.kind!r} {event.disposition!r} moves no stock")


def after_inspection(disposition: str) -> str:
    """The bucket of units that an inspection decided on, or ``outside``. Raises ``KeyError``."""
    return _AFTER_INSPECTION[disposition]


def applied(stock: Mapping[Place, int], movements: Iterable[Movement]) -> dict[Place, int]:
    """``stock`` after ``movements``. Raises ``NotInStock``; then nothing moved."""
    after = dict(stock)
    for move in movements:
        if move.source != OUTSIDE:
            there = after.get((move.sku, move.location, move.source), 0)
            if there < move.units:
                raise NotInStock(move.sku, move.source, there)
            after[move.sku, move.location, move.source] = there - move.units
        if move.target != OUTSIDE:
            place = move.sku, move.location, move.target
            after[place] = after.get(place, 0) + move.units
    return after


def counted(sku: str, bucket: str, *, there: int, found: int, location: str = MAIN) -> Movement | None:
    """The movement that makes ``there`` units what a person ``found``; None where they agree.

    Raises ``ValueError`` for a bucket that nobody counts, and for less than nothing.
    """
    if bucket not in COUNTED or found < 0:
        raise ValueError(f"{found} of {sku} in {bucket}")
    if found == there:
        return None
    source, target = (OUTSIDE, bucket) if found > there else (bucket, OUTSIDE)
    return Movement(sku=sku, units=abs(found - there), source=source, target=target, location=location)


ANNOUNCED = ("approved", "in_transit", "partially_received", "received", "inspected")
"""States of a return of which goods may still be on their way."""

NOTHING_COMES = (*CANCELLATIONS, KEEP, "returnless_refund")
"""Kinds of a return for which no goods are expected."""


def coming(kind: str, state: str, authorized: int, received: int) -> int:
    """How many units of a return line are expected."""
    return authorized - received if kind not in NOTHING_COMES and state in ANNOUNCED else 0


def stock_name(sku: str, name: str) -> str:
    """What stock knows goods by; what was typed in may have nothing but its name."""
    return (sku or name)[:100]


@dataclass(frozen=True, kw_only=True)
class Goods:
    """What stock has to know of one order line, and what it reserves for it now."""

    sku: str
    units: int
    shipped: int = 0
    canceled: int = 0
    reserved: int = 0
    location: str = MAIN
    kind: str = MERCHANDISE
    confirmed: bool = True
    """Whether its order is one that will be sent."""

    @property
    def owed(self) -> int:
        """How many units must be reserved: goods of a confirmed order that neither left nor were canceled.

        Goods that left although they were canceled are owed to nobody: never below zero.
        """
        if self.kind != MERCHANDISE or not self.confirmed:
            return 0
        return max(0, self.units - self.shipped - self.canceled)


def followed(before: Goods, after: Goods) -> tuple[tuple[str, Movement], ...]:
    """(why, movement) that make what is reserved for a line what it owes, when its channel tells it anew.

    Units that left since are ``shipped``, those canceled since are ``canceled`` and available, what is
    gone otherwise is ``order_changed``; what is new is ``ordered``. Another SKU or location is both.
    """
    if (before.sku, before.location) != (after.sku, after.location):
        return (
            *_steps(before, (("order_changed", before.reserved),)),
            *_steps(after, (("ordered", after.owed),)),
        )
    missing = after.owed - before.reserved
    if missing >= 0:
        return _steps(after, (("ordered", missing),))
    less = -missing
    shipped = min(less, max(0, after.shipped - before.shipped))
    canceled = min(less - shipped, max(0, after.canceled - before.canceled))
    rest = less - shipped - canceled
    return _steps(before, (("shipped", shipped), ("canceled", canceled), ("order_changed", rest)))


def _steps(goods: Goods, steps: Iterable[tuple[str, int]]) -> tuple[tuple[str, Movement], ...]:
    return tuple(
        (kind, movement)
        for kind, units in steps
        for movement in movements_for(
            StockEvent(kind=kind, sku=goods.sku, units=units, location=goods.location)
        )
    )


def _moved(event: StockEvent, moves: Iterable[tuple[int, str, str]]) -> tuple[Movement, ...]:
    return tuple(
        Movement(sku=event.sku, units=units, source=source, target=target, location=event.location)
        for units, source, target in moves
        if units and source != target
    )

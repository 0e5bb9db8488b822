"""Rows that took units back without saying of which order: to which lines they belong, strictly.

The verdict is the same whichever lines the units are taken of; they are taken of the latest purchase first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from portal.core.facts import MERCHANDISE
from portal.core.intake import IncomingCancellation
from portal.core.spans import Span, count, free, lowest, merge

VERDICTS = ("ACCEPT", "OVER_QTY", "PRICE_MISMATCH", "NO_ORIGINAL", "NO_CUSTOMER", "NOT_MERCHANDISE")


@dataclass(frozen=True, kw_only=True)
class Bought:
    """A line that the customer bought at some time, and which of its units are gone."""

    line_id: UUID
    order_id: UUID
    sku: str
    unit_price: Decimal
    units: int
    placed_at: datetime
    number: int
    taken: tuple[Span, ...] = ()

    @property
    def left(self) -> int:
        return self.units - count(self.taken)


@dataclass(frozen=True, kw_only=True)
class Take:
    """Units of one line that a row takes back."""

    bought: Bought
    spans: tuple[Span, ...]

    @property
    def units(self) -> int:
        return count(self.spans)


def verdict(row: IncomingCancellation, bought: Sequence[Bought]) -> tuple[str, tuple[Take, ...]]:
    """What becomes of ``row`` given what its customer ``bought``, and of which lines the units are taken.

    The first objection that applies; a row is accepted whole or not at all.
    """
    if row.kind != MERCHANDISE:
        return "NOT_MERCHANDISE", ()
    if not row.customer_ref:
        return "NO_CUSTOMER", ()
    before = [line for line in bought if line.sku == row.sku and line.placed_at <= row.at]
    if not before:
        return "NO_ORIGINAL", ()
    priced = [line for line in before if line.unit_price == row.unit_price]
    if not priced:
        return "PRICE_MISMATCH", ()
    if sum(line.left for line in priced) < row.units:
        return "OVER_QTY", ()
    takes, wanted = [], row.units
    for line in sorted(priced, key=lambda line: (line.placed_at, line.order_id, -line.number), reverse=True):
        units = min(wanted, line.left)
        if units:
            takes.append(Take(bought=line, spans=lowest(free(line.taken, line.units), units)))
            wanted -= units
    return "ACCEPT", tuple(takes)


def after(bought: Sequence[Bought], takes: Sequence[Take]) -> list[Bought]:
    """What is left of ``bought`` once ``takes`` are taken."""
    taken = {take.bought.line_id: take.spans for take in takes}
    return [
        replace(line, taken=merge((*line.taken, *taken[line.line_id]))) if line.line_id in taken else line
        for line in bought
    ]


def within(takes: Sequence[Take], at: datetime, window: timedelta) -> str:
    """Whether the units were bought in the ``window`` before ``at``: inside, outside, or partly."""
    ages = {at - take.bought.placed_at <= window for take in takes}
    return "partly" if len(ages) > 1 else "inside" if True in ages else "outside"

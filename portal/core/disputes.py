"""What a customer may contest of a return, on what ground, and what an answer to it must be."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.core.facts import CANCELLATIONS, KEEP
from portal.core.money import Minor

GROUNDS = ("amount", "deduction", "refusal", "missing_refund", "other")
"""Why: the sum, something kept back, units not taken, money that never came, or something else."""

WISHES = ("difference", "full_refund", "explanation", "goods_back", "other")
"""What the customer wants of it."""

OUTCOMES = (
    "offer_accepted",
    "counter_accepted",
    "settled",
    "upheld",
    "goods_back",
    "explained",
    "withdrawn",
)
"""How it ended. The first three pay; ``settled`` is a person's decision without an offer."""

NOTHING_PAID = ("upheld", "goods_back", "explained")
"""Outcomes by which a person ends it without money."""

CONTESTABLE = (
    "approved",
    "in_transit",
    "partially_received",
    "received",
    "inspected",
    "closed",
    "declined",
    "expired",
)
"""States in which something was decided, or has become of it; before that there is nothing to contest."""

MONEY_AWAITED = ("in_transit", "partially_received", "received", "inspected", "closed", "expired")
"""States in which a customer may miss money, if none was given back yet."""

OPEN = ("open", "awaiting_customer", "awaiting_merchant", "escalated")
WAITS_FOR_MERCHANT = ("open", "awaiting_merchant", "escalated")
"""The merchant's clock runs in these."""

CANCELED = ("confirmed", "closed")
"""The same of a cancellation: its units are taken out, and something is due for them."""

LONGEST_WORDS = 2000
MOST_PICTURES = 5

REMIND_BEFORE = timedelta(hours=24)
"""So long before an offer expires its customer is reminded."""


@dataclass(frozen=True, kw_only=True)
class LineStanding:
    """What became of one line of a return, as far as it can be contested. Units."""

    units: int
    declined: int = 0
    rejected: int = 0
    received: int = 0
    refunded: int = 0
    withheld: Minor = 0
    """Kept back of its refunds so far."""


def may_contest(state: str, kind: str, lines: Iterable[LineStanding]) -> bool:
    """Whether a customer may open a dispute about a return in ``state``.

    One that is approved and was not sent yet only where a part of it was refused.
    """
    if kind in CANCELLATIONS:
        return state in CANCELED
    if state not in CONTESTABLE:
        return False
    if state == "approved" and kind != KEEP:
        return any(line.declined for line in lines)
    return True


def grounds(state: str, kind: str, line: LineStanding) -> tuple[str, ...]:
    """On what grounds one line can be contested, the likeliest first; never empty."""
    found = []
    if line.rejected or line.declined or state == "declined":
        found.append("refusal")
    if line.withheld:
        found.append("deduction")
    if line.refunded or kind in (KEEP, *CANCELLATIONS):
        found.append("amount")
    if kind in CANCELLATIONS or ("amount" not in found and state in MONEY_AWAITED):
        found.append("missing_refund")
    return (*found, "other")


def due(opened: datetime, hours: int) -> datetime:
    """Until when the merchant has promised to answer."""
    return opened + timedelta(hours=hours)


def main_ground(of_lines: Iterable[str]) -> str:
    """The ground that the whole dispute is listed under: the one first in ``GROUNDS``."""
    named = set(of_lines)
    return next((one for one in GROUNDS if one in named), "other")

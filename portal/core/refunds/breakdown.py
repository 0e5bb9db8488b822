"""The refund of one request, line by line: the same object in every page, message, document and posting."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from portal.core.money import Minor
from portal.core.spans import Span

CODES = (
    "item_subtotal",
    "order_discount_share",
    "item_tax",
    "shipping_refund",
    "shipping_tax",
    "restocking_fee",
    "return_shipping_fee",
    "condition_deduction",
    "missing_accessory_deduction",
    "goodwill",
    "bonus_credit",
    "previously_refunded",
)
"""The vocabulary's money codes, in the order they are shown."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the explanation; ``amount`` is signed and sums, with the others, to the refund.

    ``amount`` includes ``tax`` where ``tax`` is told (then tax has no row of its own); ``basis`` says
    what it was worked out from, as values for a translated sentence; ``rule`` names the rule.
    """

    code: str
    amount: Minor
    rule: str
    tax: Minor = 0
    label: str = ""
    line_id: UUID | None = None
    basis: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class LineRefund:
    """What is given back for one order line (or charge): which units, how much, how much of it tax."""

    line_id: UUID
    spans: tuple[Span, ...]
    amount: Minor
    taxes: tuple[tuple[str, Minor], ...] = ()
    withheld: Minor = 0
    """Fees and deductions of this line that were kept back: they never leak into a later refund."""

    @property
    def tax(self) -> Minor:
        return sum(amount for _, amount in self.taxes)


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of a refund that goes back to one payment. ``payment_id`` None: nobody to send it to, a task."""

    payment_id: UUID | None
    amount: Minor
    tender: str = ""
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """A refund explained. ``amount`` is the sum of ``rows``, never negative, and the sum of ``shares``.

    ``assessed`` is False when there is no order to take amounts from: then the amount is to be
    assessed by a person, and is not zero but unknown.
    """

    currency: str
    rows: tuple[Row, ...]
    lines: tuple[LineRefund, ...]
    shares: tuple[Share, ...]
    policy_version: int
    assessed: bool = True
    clamped: Minor = 0
    """What a cap took off, and the rows say so."""

    @property
    def amount(self) -> Minor:
        return sum(row.amount for row in self.rows)

    @property
    def tax(self) -> Minor:
        return sum(line.tax for line in self.lines)

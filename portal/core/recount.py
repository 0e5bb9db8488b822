"""What a refund must be, worked out a second time: own arithmetic over what was paid, and nothing of the engine.

The refund engine rounds running totals with whole numbers; here every unit's part is an exact fraction, and
is rounded where money.md 5 rounds. What persons or rules decided (fees, goodwill, promotions, charges) is taken
as it was decided; what units are worth, and that all of it sums to what the ledger holds, is worked out anew.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from portal.core.money import Minor
from portal.core.spans import Span

HALF = Fraction(1, 2)


@dataclass(frozen=True, kw_only=True)
class PaidLine:
    """One line of the order as it was paid; ``taxes`` are (label, charged)."""

    paid: Minor
    units: int
    taxes: tuple[tuple[str, Minor], ...] = ()
    is_charge: bool = False


@dataclass(frozen=True, kw_only=True)
class RefundedLine:
    """What a refund took of a line. ``given`` was given back before for the same units, which were kept then."""

    line: PaidLine
    spans: tuple[Span, ...]
    amount: Minor
    """As it was decided: counts for charges and for units that stay alone."""
    stays: bool = False
    given: Minor = 0
    promotion: Minor = 0
    used: tuple[int, int] | None = None
    """Of a service: so many days of so many were had."""
    runs_out: bool = False
    """A service that ends with what was paid for: nothing of it goes back."""


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What the ledger holds of one refund, debits less credits, reversed postings left out."""

    goods: Minor = 0
    taxes: Mapping[str, Minor] = field(default_factory=dict)
    charges: Minor = 0
    fees: Minor = 0
    """Kept back, as a positive amount."""
    added: Minor = 0
    set_off: Minor = 0
    payable: Minor = 0
    """Owed by deciding on it, as a positive amount."""
    paid: Minor = 0
    """Of it what was paid out, or let go."""


@dataclass(frozen=True, kw_only=True)
class Recount:
    """``expected`` is what was worked out anew, ``posted`` what the ledger says was decided."""

    expected: Minor
    posted: Minor
    faults: tuple[str, ...] = ()

    @property
    def is_accurate(self) -> bool:
        return not self.faults


def up_to(amount: Minor, unit: int, of: int) -> Minor:
    """What the first ``unit`` of ``of`` units are worth of ``amount``, rounded half up."""
    return floor(Fraction(amount * unit, of) + HALF) if of else 0


def worth(amount: Minor, spans: Iterable[Span], of: int) -> Minor:
    return sum(up_to(amount, end, of) - up_to(amount, first, of) for first, end in spans)


def owed(part: RefundedLine) -> Minor:
    """What the line's part must be, before fees: from what was paid, unit by unit."""
    if part.line.is_charge or part.stays:
        return part.amount
    if part.runs_out:
        return -part.promotion
    value = worth(part.line.paid, part.spans, part.line.units) - part.given
    if part.used is not None and value:
        done, of = part.used
        value -= floor(Fraction(value * min(done, of), of) + HALF) if of else value
    return value - part.promotion


def recount(
    lines: Iterable[RefundedLine], posted: Posted, *, clamped: Minor = 0, is_paid: bool = False
) -> Recount:
    """The refund worked out anew, and everything in which the ledger differs from it.

    ``clamped`` is what caps took off (and said so); ``is_paid`` whether all of it must be paid out by now.
    """
    parts = tuple(lines)
    undone = max(
        0, -posted.fees
    )  # fees that an agreement gave back: out of what was kept, not out of the goods
    items = sum(owed(part) for part in parts if not part.line.is_charge) - clamped - undone
    charges = sum(owed(part) for part in parts if part.line.is_charge)
    expected = items + charges - posted.fees + posted.added - posted.set_off
    faults = []
    given = posted.goods + posted.charges + sum(posted.taxes.values())
    if given != items + charges:
        faults.append("units")
    if posted.payable != expected:
        faults.append("decided")
    if any(part.amount > part.line.paid for part in parts):
        faults.append("more_than_paid")
    if (
        _plain(parts, clamped)
        and not posted.fees
        and _taxes(parts) != {k: v for k, v in posted.taxes.items() if v}
    ):
        faults.append("tax")
    if is_paid and posted.paid != posted.payable:
        faults.append("paid")
    return Recount(expected=expected, posted=posted.payable, faults=tuple(faults))


def _plain(parts: Iterable[RefundedLine], clamped: Minor) -> bool:
    """Whether nothing but whole units at their price is in it, so that its tax is a plain running total.

    Where a unit costs less than its tax would round to, tax follows the value (money.md 5) and is left out.
    """
    return not clamped and all(
        not (part.line.is_charge or part.stays or part.given or part.promotion or part.used or part.runs_out)
        and part.line.units > 0
        and part.line.paid // part.line.units >= sum(-(-tax // part.line.units) for _, tax in part.line.taxes)
        for part in parts
    )


def _taxes(parts: Iterable[RefundedLine]) -> dict[str, Minor]:
    found: dict[str, Minor] = {}
    for part in parts:
        for label, tax in part.line.taxes:
            found[label] = found.get(label, 0) + worth(tax, part.spans, part.line.units)
    return {label: tax for label, tax in found.items() if tax}

"""What was agreed about contested units, paid as exactly that amount: out of what was kept back, then their price.

Units that were refunded get back what was kept of them (a fee is undone, a promotion's share given back); units
that were not are adjusted, so that a later refund of them takes it off again. Never more than was paid for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.core.facts import Adjusted, LineFacts, OrderFacts, ReturnRequest
from portal.core.money import Minor, allocate
from portal.core.policy.terms import Terms
from portal.core.refunds import adjustments, sources
from portal.core.refunds.breakdown import Breakdown, LineRefund, Negative, Row, TooMuch
from portal.core.refunds.values import Taxes, add_to, paid_for, tax_within
from portal.core.spans import Span, count

RULE = "dispute"
"""What the rows of a settlement name as their rule."""


@dataclass(frozen=True, kw_only=True)
class Contested:
    """The contested units of one order line, and what refunds of the same return did with them."""

    line: LineFacts
    refunded: tuple[Span, ...] = ()
    """Positions that a refund was made for."""
    open: tuple[Span, ...] = ()
    """Positions that nothing was refunded for: refused, or still with the customer."""
    given: Minor = 0
    """What went back for ``refunded`` so far, settlements counted."""
    taxes: tuple[tuple[str, Minor], ...] = ()
    """The tax in ``given``, per label."""
    withheld: Minor = 0
    """Fees and deductions of ``refunded`` that are still kept back."""
    promotion: Minor = 0
    """The same for promotions."""
    promotion_taxes: tuple[tuple[str, Minor], ...] = ()

    @property
    def kept_back(self) -> Minor:
        """What was kept of the refunded units and can be given back, of fees first."""
        paid, _ = paid_for(self.line, self.refunded)
        before, _ = adjustments.given(self.line, self.refunded)
        return max(0, min(self.withheld + self.promotion, paid - before - self.given))

    @property
    def unrefunded(self) -> Minor:
        """What the other units cost, less what was given for them while they were kept."""
        paid, _ = paid_for(self.line, self.open)
        before, _ = adjustments.given(self.line, self.open)
        return max(0, paid - before)

    @property
    def room(self) -> Minor:
        """The most that can be paid for these units."""
        return min(self.line.refundable, self.kept_back + self.unrefunded)


def maximum(order: OrderFacts, contested: Sequence[Contested]) -> Minor:
    """The most that a settlement may come to: what the units leave, and what the payments have.

    What a chargeback holds, and what was refunded here or elsewhere, is not there.
    """
    return min(sum(one.room for one in contested), sources.left(order))


def settle(
    order: OrderFacts, contested: Sequence[Contested], amount: Minor, request: ReturnRequest, terms: Terms
) -> Breakdown:
    """The refund of exactly ``amount`` for contested units, spread by what each line leaves.

    Raises ``Negative`` unless above zero, ``TooMuch`` with the maximum.
    """
    if amount <= 0:
        raise Negative(f"{amount} is not above zero")
    most = maximum(order, contested)
    if amount > most:
        raise TooMuch("amount", most)
    parts = allocate(amount, [one.room for one in contested])
    lines, rows = [], []
    for one, part in zip(contested, parts, strict=True):
        if part:
            line = _line(one, part)
            lines.append(line)
            rows.append(_row(one, line))
    return Breakdown(
        currency=order.currency,
        rows=tuple(rows),
        lines=tuple(lines),
        shares=sources.shares(amount, (), order, request, terms),
        policy_version=terms.version,
    )


def is_settlement(breakdown: Breakdown) -> bool:
    """Whether a refund paid what was agreed in a dispute, and nothing that was worked out."""
    return any(row.rule == RULE for row in breakdown.rows)


def _row(one: Contested, line: LineRefund) -> Row:
    return Row(
        code="adjustment",
        amount=line.amount,
        rule=RULE,
        tax=line.tax,
        label=one.line.name,
        line_id=one.line.id,
        basis={
            "agreed": line.amount,
            "maximum": one.room,
            "fees_back": -line.withheld,
            "units": count(one.refunded) + count(one.open),
        },
    )


def _line(one: Contested, amount: Minor) -> LineRefund:
    back = min(amount, one.kept_back)
    fees = min(back, one.withheld)
    promotion = back - fees
    promotion_taxes = _tax_of_promotion(one, promotion)
    taxes = dict(promotion_taxes)
    adjusted: tuple[Adjusted, ...] = ()
    if amount > back:
        adjusted, more = adjustments.spread(one.line, one.open, amount - back)
        add_to(taxes, more)
    return LineRefund(
        line_id=one.line.id,
        spans=(),
        amount=amount,
        taxes=tuple((label, tax) for label, tax in taxes.items() if tax),
        withheld=-fees,
        promotion=-promotion,
        promotion_taxes=tuple((label, -tax) for label, tax in promotion_taxes.items() if tax),
        adjusted=adjusted,
    )


def _tax_of_promotion(one: Contested, promotion: Minor) -> Taxes:
    """The tax in what is given back of a promotion's share. In fees there is none: they left it to the goods."""
    _, charged = paid_for(one.line, one.refunded)
    _, before = adjustments.given(one.line, one.refunded)
    given = dict(one.taxes)
    rest = {
        label: max(0, min(tax, charged.get(label, 0) - before.get(label, 0) - given.get(label, 0)))
        for label, tax in one.promotion_taxes
    }
    return _within(rest, one.promotion, promotion) if promotion else {}


def _within(taxes: Taxes, of: Minor, part: Minor) -> Taxes:
    """The tax in ``part`` of an amount ``of`` that holds ``taxes``; never more of it than ``of`` itself."""
    total = sum(taxes.values())
    if total > of:
        taxes = tax_within(taxes, total, 0, of)
    return tax_within(taxes, of, 0, part) if part < of else dict(taxes)

"""What the customer paid for certain units, with the tax charged in it, and what caps leave of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from portal.core.facts import Adjusted, LineFacts
from portal.core.money import Minor, rounded
from portal.core.spans import Span, worth

Taxes = dict[str, Minor]
"""Tax label -> amount."""


def labels(line: LineFacts) -> Taxes:
    """The tax charged on the whole line per label, never more than the line cost."""
    left, charged = max(0, line.paid), dict.fromkeys((tax.label for tax in line.taxes), 0)
    for tax in line.taxes:
        part = min(left, max(0, tax.amount))
        charged[tax.label] += part
        left -= part
    return charged


def paid_for(line: LineFacts, spans: Iterable[Span]) -> tuple[Minor, Taxes]:
    """What those unit positions of ``line`` cost, tax included, and the tax in it per label.

    Both are running totals: all positions together are worth exactly what was paid and charged
    (money.md 4, 5), and the tax of any position lies between 0 and what the position cost.
    """
    spans, units, gross = tuple(spans), line.units, max(0, line.paid)
    value = worth(gross, spans, units)
    if not line.taxes:
        return value, {}
    taxes = labels(line)
    if gross // units >= sum(-(-tax // units) for tax in taxes.values()):
        return value, {label: worth(tax, spans, units) for label, tax in taxes.items()}
    # Units of a cent or less: rounded apart, a unit could cost nothing and carry tax. So tax follows value.
    found = dict.fromkeys(taxes, 0)
    for first, end in spans:
        piece = tax_within(taxes, gross, rounded(gross * first, units), rounded(gross * end, units))
        add_to(found, piece)
    return value, found


def tax_within(taxes: Taxes, gross: Minor, first: Minor, end: Minor) -> Taxes:
    """The tax in the part ``first``..``end`` of an amount ``gross`` that holds ``taxes``; running totals."""
    if not taxes:
        return {}
    below = _tax_below(tuple(taxes.values()), gross, first)
    above = _tax_below(tuple(taxes.values()), gross, end)
    return {label: high - low for label, high, low in zip(taxes, above, below, strict=True)}


def _tax_below(taxes: Sequence[Minor], gross: Minor, at: Minor) -> list[Minor]:
    """Tax per label in the first ``at`` of ``gross``.

    Label after label takes its part of what the labels before it left over; so each grows with ``at``
    and all of them together never faster than ``at`` itself.
    """
    found = []
    for tax in taxes:
        part = rounded(tax * at, gross) if gross > 0 else 0
        found.append(part)
        at -= part
        gross -= tax
    return found


def add_to(taxes: Taxes, more: Taxes, sign: int = 1) -> None:
    """Add ``more`` to ``taxes`` label by label, or with ``sign`` -1 take it off."""
    for label, tax in more.items():
        taxes[label] = taxes.get(label, 0) + sign * tax


@dataclass(kw_only=True)
class Part:
    """One line's part of a refund in the making: ``amount`` holds ``taxes``, fees go to ``withheld``."""

    line: LineFacts
    spans: tuple[Span, ...]
    amount: Minor
    taxes: Taxes = field(default_factory=dict)
    withheld: Minor = 0
    unsaid_tax: Minor = 0
    """Tax in ``withheld`` where a fee left nothing else: rows of fees tell no tax."""
    promotion: Minor = 0
    """Kept back since a promotion no longer holds; below zero: given back."""
    promotion_taxes: Taxes = field(default_factory=dict)
    adjusted: tuple[Adjusted, ...] = ()
    is_named: bool = False
    """A person named it: no cap of the whole order lowers it."""

    @property
    def tax(self) -> Minor:
        return sum(self.taxes.values())

    @property
    def goods(self) -> Minor:
        """The value that percentages are taken of: with tax where the prices are with tax."""
        return self.amount if self.line.prices_include_tax else self.amount - self.tax

    def cut(self, to: Minor) -> Taxes:
        """Lower the amount, the tax in it in proportion; the tax that was taken off."""
        before, self.taxes = self.taxes, tax_within(self.taxes, self.amount, 0, to)
        self.amount = to
        return {label: tax - self.taxes[label] for label, tax in before.items()}

    def withhold(self, fee: Minor) -> None:
        """Keep ``fee`` back; tax stays whole until it is all that is left."""
        self.amount -= fee
        self.withheld += fee
        tax = self.tax
        if tax > self.amount:
            self.taxes = tax_within(self.taxes, tax, 0, self.amount)
            self.unsaid_tax += tax - self.tax

    def lose(self, promotion: Minor) -> Minor:
        """Keep ``promotion`` back, the tax in it in proportion; how much of it was tax."""
        gone = self.cut(self.amount - promotion)
        self.promotion += promotion
        add_to(self.promotion_taxes, gone)
        return sum(gone.values())


class Left:
    """What caps leave of each line and tax label, less what this refund took already (money.md 11, 12)."""

    def __init__(self) -> None:
        self._amounts: dict[object, Minor] = {}
        self._taxes: dict[object, Taxes] = {}

    def amount(self, line: LineFacts) -> Minor:
        held = self._amounts.get(line.id)
        return line.refundable if held is None else held

    def taxes(self, line: LineFacts) -> Taxes:
        """What is left of each tax label of the line."""
        if line.id not in self._taxes:
            left = labels(line)
            for tax in line.taxes:
                left[tax.label] = max(0, left[tax.label] - tax.refunded)
            self._taxes[line.id] = left
        return self._taxes[line.id]

    def part(self, line: LineFacts, amount: Minor) -> Part:
        """``amount`` of what is left of a charge, with its part of the tax that is left."""
        room, taxes = self.amount(line), dict(self.taxes(line))
        tax = sum(taxes.values())
        if tax > room:
            taxes = tax_within(taxes, tax, 0, room)
        if amount < room:
            taxes = tax_within(taxes, room, 0, amount)
        return Part(line=line, spans=(), amount=amount, taxes=taxes)

    def take(self, part: Part) -> tuple[tuple[str, Minor, Minor], ...]:
        """Lower ``part`` to what is left and use that up: (cap, how much it took off, tax in that)."""
        took = []
        left = self.taxes(part.line)
        over = {label: tax - left[label] for label, tax in part.taxes.items() if tax > left[label]}
        if over:
            part.taxes = {label: min(tax, left[label]) for label, tax in part.taxes.items()}
            part.amount -= sum(over.values())
            took.append(("tax_cap", sum(over.values()), sum(over.values())))
        room = self.amount(part.line)
        if part.amount > room:
            before, tax = part.amount, part.tax
            part.cut(room)
            took.append(("line_cap", before - room, tax - part.tax))
        self._amounts[part.line.id] = room - part.amount
        if left:
            self._taxes[part.line.id] = {label: left[label] - part.taxes.get(label, 0) for label in left}
        return tuple(took)

"""A refund explained: every row of a breakdown with its label, amount and how it was worked out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.core.documents import ReceiptRow
from portal.core.money import Minor
from portal.core.refunds.breakdown import Breakdown, Row
from portal.words.catalogue import N_
from portal.words.reckoning import explained

if TYPE_CHECKING:
    from portal.words import Words


@dataclass(frozen=True, kw_only=True)
class WordedRow:
    """One line as it is read: ``amount`` in minor units (None: to be assessed) and ``formatted``.

    ``basis`` is how it was worked out, ``rule`` the rule's name; both may be empty.
    """

    label: str
    amount: Minor | None
    formatted: str
    basis: str = ""
    rule: str = ""
    code: str = ""
    is_total: bool = False

    def printed(self) -> ReceiptRow:
        """The same for papers and messages."""
        return ReceiptRow(label=self.label, amount=self.formatted, note=self.basis, total=self.is_total)


@dataclass(frozen=True, kw_only=True)
class WordedBreakdown:
    """A refund explained: its rows, and the total they sum to."""

    rows: tuple[WordedRow, ...]
    total: WordedRow
    currency: str

    def __iter__(self) -> Iterator[WordedRow]:
        """The rows, then the total."""
        return iter((*self.rows, self.total))


LABELS = {
    "item_subtotal": N_("Price of the items"),
    "order_discount_share": N_("Discount you had"),
    "item_tax": N_("Tax"),
    "shipping_refund": N_("Shipping you paid"),
    "shipping_tax": N_("Tax on shipping"),
    "restocking_fee": N_("Restocking fee"),
    "return_shipping_fee": N_("Return shipping"),
    "condition_deduction": N_("Deduction for condition"),
    "missing_accessory_deduction": N_("Missing accessory"),
    "goodwill": N_("Goodwill"),
    "bonus_credit": N_("Bonus for store credit"),
    "previously_refunded": N_("Already refunded"),
    "duty_refund": N_("Duty you paid"),
    "fee_refund": N_("Fee you paid"),
    "adjustment": N_("Agreed amount"),
    "exchange_value": N_("Goods you get in exchange"),
}
RULES = {
    "paid": N_("What was paid"),
    "discount": N_("Discount of the order"),
    "tax": N_("Tax as charged"),
    "refund_shipping": N_("Refund of shipping"),
    "restocking_fee": N_("Restocking fee"),
    "condition_deductions": N_("Condition of the goods"),
    "accessory_deductions": N_("Missing accessories"),
    "depreciation": N_("Loss of value through use"),
    "return_postage": N_("Who pays the way back"),
    "goodwill": N_("Goodwill"),
    "store_credit_bonus": N_("Bonus for store credit"),
    "refund_duties": N_("Refund of duties"),
    "refund_fees": N_("Refund of fees"),
    "promotions": N_("Discounts judged anew for what you keep"),
    "scope_used": N_("Part of the service that was used"),
    "runs_out": N_("Service ends with the period paid for"),
    "cancel_shipping": N_("Shipping worked out anew for what you keep"),
    "allowance": N_("Price lowered, the goods stay with you"),
    "named": N_("Agreed with customer service"),
    "exchange": N_("Set off against the new goods"),
    "adjusted": N_("Given back while you kept it"),
    "dispute": N_("Agreed in a dispute"),
    "tax_cap": N_("Never more tax than was charged"),
    "line_cap": N_("Never more than was paid for the item"),
    "order_cap": N_("Never more than was paid for the order"),
}


def worded(words: Words, breakdown: Breakdown, *, estimate: bool) -> WordedBreakdown:
    """Every row in words, and the total with the tax in it; a refund nobody assessed yet says so."""
    name = words.gettext("Estimated refund") if estimate else words.gettext("Refund")
    currency = breakdown.currency
    if not breakdown.assessed:
        why = words.gettext(
            "There is no order to compare with. We work the amount out when the goods are here."
        )
        unknown = words.gettext("To be assessed")
        total = WordedRow(label=name, amount=None, formatted=unknown, basis=why, code="total", is_total=True)
        return WordedBreakdown(rows=(), total=total, currency=currency)
    tax = sum(row.amount if row.code in ("item_tax", "shipping_tax") else row.tax for row in breakdown.rows)
    said = [words.gettext("Of this, %(tax)s is tax.", tax=words.money(tax, currency))] if tax > 0 else []
    if breakdown.due:
        due = words.money(breakdown.due, currency)
        said.append(words.gettext("The new goods cost more: %(due)s remains to be paid.", due=due))
    total = WordedRow(
        label=name,
        amount=breakdown.amount,
        formatted=words.money(breakdown.amount, currency),
        basis=" ".join(said),
        code="total",
        is_total=True,
    )
    rows = tuple(_row(words, row, currency) for row in breakdown.rows)
    return WordedBreakdown(rows=rows, total=total, currency=currency)


def changes(words: Words, changed: Iterable[Row], currency: str) -> tuple[WordedRow, ...]:
    """What changed an amount: per rule before, after and the difference, in words."""
    found = []
    for row in changed:
        basis = row.basis or {}
        was, now = words.money(basis.get("before", 0), currency), words.money(basis.get("after", 0), currency)
        sentence = words.gettext("%(before)s before, %(after)s now.", before=was, after=now)
        why = explained(words, row, currency) if basis.get("after") else ""
        found.append(
            WordedRow(
                label=label(words, row),
                amount=row.amount,
                formatted=words.money(row.amount, currency, signed=True),
                basis=" ".join(filter(None, (sentence, why))),
                rule=rule(words, row.rule),
                code=row.code,
            )
        )
    return tuple(found)


def rule(words: Words, code: str) -> str:
    return words.gettext(RULES[code]) if code in RULES else code


def label(words: Words, row: Row) -> str:
    """What the row is about: the goods by name, a fee by its kind and the goods it is for."""
    name = words.gettext(LABELS[row.code]) if row.code in LABELS else row.code
    if row.code == "item_subtotal" and row.label:
        units = (row.basis or {}).get("units")
        return f"{units} × {row.label}" if units else row.label
    if row.code == "shipping_refund":
        return name  # the charge's own name says the same again
    if row.rule == "promotions":
        if "given_back" in (row.basis or {}):
            return words.gettext("Discount given back")
        return words.gettext("Discount that no longer applies")
    if row.rule == "scope_used":
        name = words.gettext("Used already")
    if row.rule == "dispute":
        name = words.gettext("Agreed with you")
    if row.rule == "allowance":
        name = words.gettext("Price adjustment")
    if row.code == "previously_refunded" and row.rule != "adjusted":
        name = words.gettext("Limited to what is left")
    return words.gettext("%(what)s: %(which)s", what=name, which=row.label) if row.label else name


def _row(words: Words, row: Row, currency: str) -> WordedRow:
    return WordedRow(
        label=label(words, row),
        amount=row.amount,
        formatted=words.money(row.amount, currency),
        basis=explained(words, row, currency),
        rule=rule(words, row.rule),
        code=row.code,
    )

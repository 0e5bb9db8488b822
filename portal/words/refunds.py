"""A refund explained: every row of a breakdown with its label, amount and how it was worked out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from portal.core.documents import ReceiptRow
from portal.core.money import Minor, minor
from portal.core.refunds.breakdown import Breakdown, Row
from portal.words.catalogue import N_

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
    "tax_cap": N_("Never more tax than was charged"),
    "line_cap": N_("Never more than was paid for the item"),
    "order_cap": N_("Never more than was paid for the order"),
}
CAPS = {
    "tax_cap": N_("Not more than the %(maximum)s of tax that are left to refund."),
    "line_cap": N_("Not more than the %(maximum)s that are left to refund for this item."),
    "order_cap": N_("Not more than the %(maximum)s that are left to refund for this order."),
}
SHIPPING = {
    "full_return": N_("The whole order comes back, so its shipping is refunded."),
    "proportion": N_("The part of the shipping that belongs to these items."),
    "fault": N_("The part of the shipping that belongs to these items, since the fault is not yours."),
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
    total = WordedRow(
        label=name,
        amount=breakdown.amount,
        formatted=words.money(breakdown.amount, currency),
        basis=words.gettext("Of this, %(tax)s is tax.", tax=words.money(tax, currency)) if tax > 0 else "",
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
    if row.code == "previously_refunded":
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


def explained(words: Words, row: Row, currency: str) -> str:
    """How the row's amount was worked out, as one or two sentences; empty where there is nothing to say."""
    basis = row.basis or {}
    said = _EXPLAINED[row.rule](words, basis, currency) if row.rule in _EXPLAINED else ""
    if "limited_to" in basis:
        asked = words.money(basis["asked"], currency)
        said += " " + words.gettext("It would be %(asked)s; never more than is refunded.", asked=asked)
    return said.strip()


Basis = Mapping[str, Any]


def _paid(words: Words, basis: Basis, currency: str) -> str:
    units, of = basis.get("units"), basis.get("of_units")
    if not units or not of:
        return ""
    try:
        price = minor(Decimal(str(basis.get("unit_price"))), currency, round_to_unit=True)
    except (InvalidOperation, ValueError):
        return words.gettext("%(units)s of %(of)s bought.", units=units, of=of)
    each = words.money(price, currency)
    return words.gettext("%(units)s of %(of)s bought, at %(price)s each.", units=units, of=of, price=each)


def _discount(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext(
        "The part for %(units)s of %(of)s from the discount of %(discount)s on this item.",
        units=basis.get("units"),
        of=basis.get("of_units"),
        discount=words.money(basis.get("of_discount", 0), currency),
    )


def _tax(words: Words, basis: Basis, currency: str) -> str:
    charged = words.money(basis.get("charged", 0), currency)
    return words.gettext("The part of the %(charged)s charged.", charged=charged)


def _shipping(words: Words, basis: Basis, currency: str) -> str:
    how = basis.get("how", "")
    return words.gettext(SHIPPING[how]) if how in SHIPPING else ""


def _restocking(words: Words, basis: Basis, currency: str) -> str:
    if "percent_bp" in basis:
        return _percent_of(words, basis, currency)
    fixed = words.money(basis.get("fixed", 0), currency)
    if "units" in basis:
        return words.gettext("%(fixed)s for each of %(units)s.", fixed=fixed, units=basis["units"])
    return words.gettext("%(fixed)s once per return.", fixed=fixed)


def _percent_of(words: Words, basis: Basis, currency: str) -> str:
    percent = words.percent(basis["percent_bp"])
    return words.gettext(
        "%(percent)s of %(of)s.", percent=percent, of=words.money(basis.get("of", 0), currency)
    )


def _condition(words: Words, basis: Basis, currency: str) -> str:
    share = _percent_of(words, basis, currency)
    if basis.get("grade"):
        return (
            words.gettext("Found in the inspection: %(grade)s.", grade=words.grade(basis["grade"]))
            + " "
            + share
        )
    condition = words.condition(basis.get("condition"))
    return words.gettext("You told us: %(condition)s.", condition=condition) + " " + share


def _depreciation(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext(
        "%(days)s of %(of_days)s days of use, taken from %(of)s.",
        days=basis.get("days"),
        of_days=basis.get("of_days"),
        of=words.money(basis.get("of", 0), currency),
    )


def _accessory(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext("Not in the parcel: %(accessory)s.", accessory=basis.get("accessory", ""))


def _postage(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext("The price of the way back you chose; this shop does not pay it for this reason.")


def _addition(words: Words, basis: Basis, currency: str) -> str:
    if basis.get("reason"):
        return words.gettext("Given on top: %(reason)s", reason=basis["reason"])
    if "percent_bp" not in basis:
        return ""
    return _percent_of(words, basis, currency)


def _cap(rule: str) -> Any:
    def said(words: Words, basis: Basis, currency: str) -> str:
        return words.gettext(CAPS[rule], maximum=words.money(basis.get("maximum", 0), currency))

    return said


_EXPLAINED = {
    "paid": _paid,
    "discount": _discount,
    "tax": _tax,
    "refund_shipping": _shipping,
    "restocking_fee": _restocking,
    "condition_deductions": _condition,
    "depreciation": _depreciation,
    "accessory_deductions": _accessory,
    "return_postage": _postage,
    "goodwill": _addition,
    "store_credit_bonus": _addition,
    **{rule: _cap(rule) for rule in CAPS},
}

"""How an amount of a refund was worked out, as one or two sentences per row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from portal.core.money import minor
from portal.core.refunds.breakdown import Row
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

CAPS = {
    "tax_cap": N_("Not more than the %(maximum)s of tax that are left to refund."),
    "line_cap": N_("Not more than the %(maximum)s that are left to refund for this item."),
    "order_cap": N_("Not more than the %(maximum)s that are left to refund for this order."),
}
SHIPPING = {
    "full_return": N_("The whole order comes back, so its shipping is refunded."),
    "proportion": N_("The part of the shipping that belongs to these items."),
    "fault": N_("The part of the shipping that belongs to these items, since the fault is not yours."),
    "law": N_("You withdraw from the whole order, so its ordinary delivery is refunded."),
    "canceled": N_("The whole order is canceled, so its shipping is refunded."),
}
CHARGE = {
    "full_return": N_("The whole order comes back."),
    "proportion": N_("The part that belongs to these items."),
    "fault": N_("The part that belongs to these items, since the fault is not yours."),
    "law": N_("You withdraw from the whole order."),
    "canceled": N_("The whole order is canceled."),
}


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


def _charge(words: Words, basis: Basis, currency: str) -> str:
    how = basis.get("how", "")
    return words.gettext(CHARGE[how]) if how in CHARGE else ""


def _restocking(words: Words, basis: Basis, currency: str) -> str:
    if "percent_bp" in basis:
        said = _percent_of(words, basis, currency)
    else:
        fixed = words.money(basis.get("fixed", 0), currency)
        if "units" in basis:
            said = words.gettext("%(fixed)s for each of %(units)s.", fixed=fixed, units=basis["units"])
        else:
            said = words.gettext("%(fixed)s once per return.", fixed=fixed)
    return " ".join(filter(None, (said, _told(words, basis), _age(words, basis))))


def _told(words: Words, basis: Basis) -> str:
    """The condition an amount goes by: as inspected once that is known, as declared until then."""
    if basis.get("grade"):
        return words.gettext("Found in the inspection: %(grade)s.", grade=words.grade(basis["grade"]))
    if basis.get("condition"):
        condition = words.condition(basis["condition"])
        return words.gettext("You told us: %(condition)s.", condition=condition)
    return ""


def _age(words: Words, basis: Basis) -> str:
    days = basis.get("days")
    return words.gettext("Sent back %(days)s days after delivery.", days=days) if days else ""


def _percent_of(words: Words, basis: Basis, currency: str) -> str:
    percent = words.percent(basis["percent_bp"])
    return words.gettext(
        "%(percent)s of %(of)s.", percent=percent, of=words.money(basis.get("of", 0), currency)
    )


def _condition(words: Words, basis: Basis, currency: str) -> str:
    return " ".join(filter(None, (_told(words, basis), _percent_of(words, basis, currency))))


def _depreciation(words: Words, basis: Basis, currency: str) -> str:
    of = words.money(basis.get("of", 0), currency)
    if "percent_bp" in basis:
        percent = words.percent(basis["percent_bp"])
        if "used" in basis:
            told = words.gettext(
                "After %(used)s units of use: %(percent)s of %(of)s.",
                used=basis["used"],
                percent=percent,
                of=of,
            )
        else:
            told = words.gettext(
                "After %(days)s days of use: %(percent)s of %(of)s.",
                days=basis["days"],
                percent=percent,
                of=of,
            )
    elif "used" in basis:
        told = words.gettext(
            "%(used)s of %(of_used)s units of use, taken from %(of)s.",
            used=basis["used"],
            of_used=basis.get("of_used"),
            of=of,
        )
    else:
        told = words.gettext(
            "%(days)s of %(of_days)s days of use, taken from %(of)s.",
            days=basis.get("days"),
            of_days=basis.get("of_days"),
            of=of,
        )
    if "most_bp" in basis:
        told += " " + words.gettext("Never more than %(percent)s.", percent=words.percent(basis["most_bp"]))
    return told


def _scope(words: Words, basis: Basis, currency: str) -> str:
    if basis.get("in") == "days":
        return words.gettext(
            "%(done)s of %(days)s days paid for were had, taken from %(of)s.",
            done=basis.get("done"),
            days=basis.get("of_scope"),
            of=words.money(basis.get("of", 0), currency),
        )
    return words.gettext(
        "%(done)s of %(scope)s were done, taken from %(of)s.",
        done=basis.get("done"),
        scope=basis.get("of_scope"),
        of=words.money(basis.get("of", 0), currency),
    )


def _runs_out(words: Words, basis: Basis, currency: str) -> str:
    if basis.get("ends_on"):
        return words.gettext(
            "Paid for until %(day)s, and not renewed.", day=words.day(date.fromisoformat(basis["ends_on"]))
        )
    return words.gettext("Not renewed after the period that is paid for.")


def _cancel_shipping(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext(
        "For what you keep, shipping is %(price)s.", price=words.money(basis.get("price", 0), currency)
    )


def _promotions(words: Words, basis: Basis, currency: str) -> str:
    if "given_back" in basis:
        return words.gettext("What we kept back of an earlier refund is yours again.")
    lost = [f"{name} {words.money(amount, currency)}" for name, amount in basis.get("lost", ())]
    return words.gettext(
        "Without the items you send back, these discounts no longer hold for what you keep: %(lost)s.",
        lost=", ".join(lost),
    )


def _allowance(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext(
        "You keep %(units)s of %(of)s; %(paid)s was paid for it.",
        units=basis.get("units"),
        of=basis.get("of_units"),
        paid=words.money(basis.get("paid", 0), currency),
    )


def _named(words: Words, basis: Basis, currency: str) -> str:
    return words.gettext(
        "%(named)s was agreed in place of %(computed)s.",
        named=words.money(basis.get("named", 0), currency),
        computed=words.money(basis.get("computed", 0), currency),
    )


def _dispute(words: Words, basis: Basis, currency: str) -> str:
    most = words.money(basis.get("maximum", 0), currency)
    if basis.get("fees_back"):
        back = words.money(basis["fees_back"], currency)
        return words.gettext(
            "Of this, %(back)s had been kept back before. At most %(maximum)s could be given back for it.",
            back=back,
            maximum=most,
        )
    return words.gettext("At most %(maximum)s could be given back for it.", maximum=most)


def _adjusted(words: Words, basis: Basis, currency: str) -> str:
    given = words.money(basis.get("given", 0), currency)
    return words.gettext("You got %(given)s back for it while you kept it.", given=given)


def _exchange(words: Words, basis: Basis, currency: str) -> str:
    items = ", ".join(f"{units} × {name}" for units, name, _ in basis.get("items", ()))
    price = words.money(basis.get("price", 0), currency)
    return words.gettext("For %(items)s, which cost %(price)s.", items=items, price=price)


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
    "refund_duties": _charge,
    "refund_fees": _charge,
    "scope_used": _scope,
    "runs_out": _runs_out,
    "cancel_shipping": _cancel_shipping,
    "promotions": _promotions,
    "allowance": _allowance,
    "named": _named,
    "adjusted": _adjusted,
    "dispute": _dispute,
    "exchange": _exchange,
    "restocking_fee": _restocking,
    "condition_deductions": _condition,
    "depreciation": _depreciation,
    "accessory_deductions": _accessory,
    "return_postage": _postage,
    "goodwill": _addition,
    "store_credit_bonus": _addition,
    **{rule: _cap(rule) for rule in CAPS},
}

"""The terms of a policy in words: the name of each term, and its value as a merchant reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

TERMS = {
    "active": N_("Returns are accepted"),
    "order_source": N_("Orders are connected"),
    "portal": N_("Customer portal"),
    "self_service": N_("Customers may start by themselves"),
    "window_days": N_("Days to return after delivery"),
    "windows": N_("Other times for categories or reasons"),
    "final_sale_categories": N_("Categories that are final sale"),
    "final_sale_except_faults": N_("Final sale comes back all the same by the fault of"),
    "excluded_categories": N_("Categories that cannot be returned"),
    "photo_reasons": N_("Reasons that need a photo"),
    "approval_reasons": N_("Reasons that a person looks at first"),
    "approval_conditions": N_("Conditions that a person looks at first"),
    "approval_value": N_("Returns worth more need a supervisor"),
    "auto_approve": N_("Approve returns without objection at once"),
    "refund_shipping": N_("Refund of the shipping that was paid"),
    "refund_duties": N_("Refund of duties"),
    "refund_fees": N_("Refund of fees charged with the order"),
    "ordinary_delivery": N_("Price of the ordinary delivery"),
    "promotions": N_("Deals that depended on what goes back"),
    "deals": N_("Discount codes and deals"),
    "restocking_fee.percent_bp": N_("Restocking fee, part of the price"),
    "restocking_fee.fixed": N_("Restocking fee, fixed amount"),
    "restocking_fee.per_unit": N_("The fixed amount counts for each unit"),
    "restocking_fee.waived_reasons": N_("No restocking fee for these reasons"),
    "restocking_fee.waived_faults": N_("No restocking fee by the fault of"),
    "restocking_fee.tiers": N_("Restocking fee by time and condition"),
    "condition_deductions_bp": N_("Kept back for the condition"),
    "accessory_deductions": N_("Kept back for missing accessories"),
    "depreciation": N_("Loss of value by age or use"),
    "return_postage": N_("Who pays the way back"),
    "goodwill_cap": N_("Most goodwill per refund"),
    "store_credit_bonus_bp": N_("Bonus for taking store credit"),
    "store_credit_bonus_cap": N_("Most bonus for store credit"),
    "store_credit_months": N_("Months that store credit is good for"),
    "tender_order": N_("Which payment is given back first"),
    "refund_trigger": N_("When a refund is due"),
    "refund_limits": N_("Most that a role approves alone in 24 hours"),
    "two_people_above": N_("Refunds above this need two people"),
    "cancellations": N_("Customers may cancel what was not shipped"),
    "cancellation_hours": N_("Hours to answer a proposed cancellation"),
    "cancellation_reminder_hours": N_("Hours before the end at which the customer is reminded"),
    "bundles": N_("Bundles that are canceled"),
    "cancel_shipping": N_("Shipping when a part is canceled"),
    "shipping_tiers": N_("Price of shipping by the worth of the goods"),
    "approval_hours": N_("Hours to decide what was requested"),
    "inspection_hours": N_("Hours to inspect what arrived"),
    "refund_hours": N_("Hours to refund what was inspected"),
    "info_days": N_("Days a customer has to answer a question"),
    "dispute_hours": N_("Hours to answer a dispute"),
    "offer_days": N_("Days that an offer in a dispute stands"),
    "ship_by_days": N_("Days to send an approved return"),
    "link_days": N_("Days that a link stays open"),
    "max_photos": N_("Photos per item"),
    "methods": N_("Ways of sending"),
    "preset": N_("Made from the preset"),
}
"""Path of a term (as in its JSON) -> its name; each term has one."""

CHOICES = {
    "refund_shipping": {
        "never": N_("Never"),
        "full_return": N_("When the whole order comes back"),
        "proportion": N_("In proportion to what comes back"),
        "fault": N_("In proportion, when the fault is yours or the carrier's"),
        "law": N_("As consumer law says"),
    },
    "promotions": {
        "keep": N_("The customer keeps them"),
        "re_evaluate": N_("They are judged again for what stays"),
    },
    "bundles": {
        "parts": N_("Parts may be taken out"),
        "whole": N_("Only as a whole"),
    },
    "cancel_shipping": {
        "keep": N_("The same rule as for returns"),
        "re_evaluate": N_("It is worked out anew for what stays"),
    },
    "return_postage": {
        "merchant": N_("The shop"),
        "customer": N_("The customer"),
        "customer_remorse": N_("The customer, unless the fault is yours or the carrier's"),
    },
    "refund_trigger": {
        "on_receipt": N_("When the goods are here"),
        "on_inspection": N_("When the goods were inspected"),
        "manual": N_("When somebody decides it"),
    },
}
"""Term -> the words that it may be, as they are read."""
CHOICES["refund_duties"] = CHOICES["refund_fees"] = CHOICES["refund_shipping"]

FAULTS = {
    "merchant": N_("the shop"),
    "carrier": N_("the carrier"),
    "customer": N_("the customer"),
    "none": N_("nobody"),
}
AMOUNTS = (
    "approval_value",
    "ordinary_delivery",
    "restocking_fee.fixed",
    "goodwill_cap",
    "store_credit_bonus_cap",
    "two_people_above",
)
UNSET = {
    "photo_reasons": N_("Those that usually need one"),
    "store_credit_months": N_("As long as the law says"),
    "ordinary_delivery": N_("What was charged"),
}
"""What it means that one of these is not set, where that is not nothing."""
NOTHING: tuple[Any, ...] = (None, [], (), {}, "")


def name(words: Words, path: str) -> str:
    """The name of a term; one that nobody named is its path."""
    return words.gettext(TERMS[path]) if path in TERMS else path


def choice(words: Words, path: str, value: str) -> str:
    """The value of a term that is one of a few words."""
    return words.gettext(CHOICES[path][value])


def value(words: Words, path: str, told: Any, currency: str) -> str:
    """The value of a term (as in its JSON) for reading; what is a table stays JSON."""
    if isinstance(told, bool):
        return words.gettext("Yes") if told else words.gettext("No")
    if told is None and path in UNSET:
        return words.gettext(UNSET[path])
    if told in NOTHING:
        return words.gettext("None")
    if path in CHOICES:
        return choice(words, path, told)
    if path in AMOUNTS:
        return words.money(told, currency)
    if path.endswith("_bp") and isinstance(told, int):
        return words.percent(told)
    if path == "shipping_tiers":
        return "; ".join(_tier(words, one["from_goods"], one["price"], currency) for one in told)
    if path in ("condition_deductions_bp", "refund_limits", "accessory_deductions"):
        return ", ".join(_pair(words, path, code, amount, currency) for code, amount in told)
    if isinstance(told, list | tuple) and all(isinstance(one, str) for one in told):
        return ", ".join(_code(words, path, one) for one in told)
    return words.number(told) if isinstance(told, int) else json.dumps(told, ensure_ascii=False)


def _tier(words: Words, start: int, price: int, currency: str) -> str:
    return words.gettext(
        "from %(start)s on: %(price)s", start=words.money(start, currency), price=words.money(price, currency)
    )


def _pair(words: Words, path: str, code: str, amount: int, currency: str) -> str:
    shown = words.percent(amount) if path.endswith("_bp") else words.money(amount, currency)
    return f"{_code(words, path, code)}: {shown}"


def _code(words: Words, path: str, code: str) -> str:
    """A code of the vocabulary as it is read; categories are the shop's own words."""
    if path.endswith("reasons"):
        return words.reason(code)
    if path.endswith("faults"):
        return words.gettext(FAULTS[code]) if code in FAULTS else code
    if path == "tender_order":
        return words.gettext("in proportion") if code == "proportion" else words.tender(code)
    if path == "methods":
        return words.method(code).name
    if path == "refund_limits":
        return words.role(code)
    if path in ("condition_deductions_bp", "approval_conditions"):
        return words.grade(code) if len(code) == 1 else words.condition(code)
    return code

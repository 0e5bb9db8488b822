"""The form of a policy's common terms; what it does not show stays as it is in the draft."""

import re
from dataclasses import replace
from typing import Any

from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from portal.core.access import PERMISSIONS, ROLES
from portal.core.money import Minor, major
from portal.core.policy.judging import CLOCKS
from portal.core.policy.terms import ShippingTier, Terms
from portal.core.reasons import CONDITIONS, GRADES, REASONS
from portal.web.forms.admin import AmountField, as_number
from portal.web.words import gettext, words
from portal.web.words import lazy_gettext as _l
from portal.words.policies import CHOICES, TERMS

APPROVERS = tuple(role for role in ROLES if role in PERMISSIONS["refunds.approve"])
METHODS = ("print_at_home", "qr_dropoff", "pickup", "dropoff_point", "own_carrier")
TENDER_ORDERS = {
    "card": ("card", "wallet", "bank_transfer", "store_credit", "gift_card", "cash"),
    "credit": ("gift_card", "store_credit", "card", "wallet", "bank_transfer", "cash"),
    "proportion": ("proportion",),
}
"""The usual orders, by the name that stands in the form; any other is kept as it is."""
OTHER = "other"
TIER_ROWS = 5
"""Prices of shipping that the form has room for; a policy with more of them keeps them as they are."""
FACES = (*CONDITIONS, *GRADES)
"""What a deduction for the condition can be about: as declared, then as inspected."""


def _label(path: str) -> Any:
    return _l(TERMS[path])


class PercentField(StringField):
    """A percentage as people type it, ``12.5`` or ``12,5``, of at most 100."""

    def read(self) -> int | None:
        """Basis points, 0 for nothing typed; what is wrong is told at the field, then None."""
        text = (self.data or "").strip().removesuffix("%").strip().replace(",", ".")
        if not text:
            return 0
        if not re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text, re.ASCII):
            self.errors = [gettext("Enter a percentage, such as %(example)s", example=typed_percent(1250))]
            return None
        whole, _, rest = text.partition(".")
        found = int(whole) * 100 + int(rest.ljust(2, "0") or 0)
        if found > 10_000:
            self.errors = [gettext("Enter a percentage of at most 100")]
            return None
        return found


class WordsField(StringField):
    """Words of the shop's own (categories), with commas between them."""

    def read(self) -> tuple[str, ...]:
        parts = (part.strip() for part in (self.data or "").split(","))
        return tuple(dict.fromkeys(part for part in parts if part))


class DaysField(IntegerField):
    """A whole number of days."""

    wanted = _l("Enter a number of days")

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(str(self.wanted)) from None


class HoursField(DaysField):
    """A whole number of hours."""

    wanted = _l("Enter a number of hours")


def typed(amount: Minor | None, currency: str) -> str:
    """An amount as somebody would type it."""
    text = "" if amount is None else f"{major(amount, currency):f}"
    return text if words().language == "en" else text.replace(".", ",")


def typed_percent(part: int) -> str:
    """Basis points as somebody would type the percentage; nothing for none."""
    text = f"{major(part, 'EUR'):f}".rstrip("0").rstrip(".") if part else ""
    return text if words().language == "en" else text.replace(".", ",")


def _days(path: str, least: int = 0) -> DaysField:
    told = _l("Enter 1 to 3650 days") if least else _l("Enter 0 to 3650 days")
    return DaysField(
        _label(path), validators=[InputRequired(DaysField.wanted), NumberRange(least, 3650, told)]
    )


def _hours(path: str, least: int) -> HoursField:
    told = _l("Enter 1 to 720 hours") if least else _l("Enter 0 to 720 hours")
    return HoursField(
        _label(path), validators=[InputRequired(HoursField.wanted), NumberRange(least, 720, told)]
    )


def _boxes(path: str) -> SelectMultipleField:
    return SelectMultipleField(
        _label(path), option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )


def _amount(path: str) -> AmountField:
    return AmountField(_label(path), validators=[Optional(), Length(max=30)])


class PolicyForm(FlaskForm):
    """The terms that most shops set. ``revision`` is the draft's, as the page showed it."""

    revision = HiddenField()
    active = BooleanField(_label("active"))
    portal = BooleanField(_label("portal"))
    self_service = BooleanField(_label("self_service"))
    window_days = _days("window_days")
    ship_by_days = _days("ship_by_days")
    link_days = _days("link_days")
    excluded_categories = WordsField(_label("excluded_categories"), validators=[Length(max=2000)])
    final_sale_categories = WordsField(_label("final_sale_categories"), validators=[Length(max=2000)])
    methods = _boxes("methods")
    auto_approve = BooleanField(_label("auto_approve"))
    approval_value = _amount("approval_value")
    approval_reasons = _boxes("approval_reasons")
    return_postage = RadioField(_label("return_postage"), validators=[InputRequired()])
    refund_shipping = SelectField(_label("refund_shipping"))
    promotions = SelectField(_label("promotions"))
    fee_percent = PercentField(_label("restocking_fee.percent_bp"), validators=[Length(max=10)])
    fee_fixed = _amount("restocking_fee.fixed")
    fee_per_unit = BooleanField(_label("restocking_fee.per_unit"))
    refund_trigger = SelectField(_label("refund_trigger"))
    tender_order = SelectField(_label("tender_order"))
    goodwill_cap = _amount("goodwill_cap")
    bonus_percent = PercentField(_label("store_credit_bonus_bp"), validators=[Length(max=10)])
    store_credit_bonus_cap = _amount("store_credit_bonus_cap")
    two_people_above = _amount("two_people_above")
    cancellations = BooleanField(_label("cancellations"))
    cancellation_hours = _hours("cancellation_hours", 1)
    cancellation_reminder_hours = _hours("cancellation_reminder_hours", 0)
    approval_hours = _hours("approval_hours", 1)
    inspection_hours = _hours("inspection_hours", 1)
    refund_hours = _hours("refund_hours", 1)
    dispute_hours = _hours("dispute_hours", 1)
    info_days = _days("info_days", 1)
    offer_days = _days("offer_days", 1)
    bundles = RadioField(_label("bundles"), validators=[InputRequired()])
    cancel_shipping = RadioField(_label("cancel_shipping"), validators=[InputRequired()])

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.methods.choices = [(code, words().method(code).name) for code in METHODS]
        self.approval_reasons.choices = [(code, words().reason(code)) for code in REASONS]
        for name in WORDED:
            self[name].choices = [(code, gettext(told)) for code, told in CHOICES[name].items()]
        self.tender_order.choices = [
            ("card", gettext("Card first, gift card and store credit last")),
            ("credit", gettext("Gift card and store credit first")),
            ("proportion", gettext("In proportion to what each paid")),
        ]

    def deductions(self) -> list[tuple[str, PercentField]]:
        """(condition or grade, its field)"""
        return [(face, self[f"condition_{face}"]) for face in FACES]

    def tiers(self) -> list[tuple[AmountField, AmountField]]:
        """(worth of the goods from which on, price of shipping), one pair a row; some rows are empty."""
        return [(self[f"tier_from_{n}"], self[f"tier_price_{n}"]) for n in range(TIER_ROWS)]

    def limits(self) -> list[tuple[str, AmountField]]:
        """(role, its field)"""
        return [(role, self[f"limit_{role}"]) for role in APPROVERS]


for _face in FACES:
    setattr(PolicyForm, f"condition_{_face}", PercentField(validators=[Length(max=10)]))
for _role in APPROVERS:
    setattr(PolicyForm, f"limit_{_role}", AmountField(validators=[Optional(), Length(max=30)]))

for _n in range(TIER_ROWS):
    _start = AmountField(_l("Goods worth from"), validators=[Optional(), Length(max=30)])
    _price = AmountField(_l("Price of shipping"), validators=[Optional(), Length(max=30)])
    setattr(PolicyForm, f"tier_from_{_n}", _start)
    setattr(PolicyForm, f"tier_price_{_n}", _price)

WORDED = (
    "return_postage", "refund_shipping", "promotions", "refund_trigger", "bundles", "cancel_shipping",
)  # fmt: skip
"""Terms that are one of a few words."""
PLAIN = (
    "active", "portal", "self_service", "window_days", "ship_by_days", "link_days", "auto_approve",
    "cancellations", "cancellation_hours", "cancellation_reminder_hours", *CLOCKS, *WORDED,
)  # fmt: skip
"""Terms whose field says the same."""
SEVERAL = ("methods", "approval_reasons")
CATEGORIES = ("excluded_categories", "final_sale_categories")
OPTIONAL_AMOUNTS = ("approval_value", "two_people_above")
AMOUNTS = ("goodwill_cap", "store_credit_bonus_cap")


def filled(terms: Terms, revision: int, currency: str, *, formdata: Any = None) -> PolicyForm:
    """The form of ``terms``; with ``formdata`` what was typed stands in it instead."""
    fee, deductions, limits = (
        terms.restocking_fee,
        dict(terms.condition_deductions_bp),
        dict(terms.refund_limits),
    )
    order = next((name for name, one in TENDER_ORDERS.items() if one == terms.tender_order), OTHER)
    given: dict[str, Any] = {name: getattr(terms, name) for name in PLAIN}
    given |= {name: list(getattr(terms, name)) for name in SEVERAL}
    given |= {name: ", ".join(getattr(terms, name)) for name in CATEGORIES}
    given |= {name: typed(getattr(terms, name), currency) for name in OPTIONAL_AMOUNTS}
    given |= {name: typed(getattr(terms, name) or None, currency) for name in AMOUNTS}
    given |= {f"condition_{face}": typed_percent(deductions.get(face, 0)) for face in FACES}
    given |= {f"limit_{role}": typed(limits.get(role), currency) for role in APPROVERS}
    for n, tier in enumerate(terms.shipping_tiers[:TIER_ROWS]):
        given[f"tier_from_{n}"] = typed(tier.from_goods, currency)
        given[f"tier_price_{n}"] = typed(tier.price, currency)
    given |= {
        "revision": str(revision),
        "fee_percent": typed_percent(fee.percent_bp),
        "fee_fixed": typed(fee.fixed or None, currency),
        "fee_per_unit": fee.per_unit,
        "bonus_percent": typed_percent(terms.store_credit_bonus_bp),
        "tender_order": order,
    }
    form = PolicyForm(formdata=formdata, data=given)
    if order == OTHER:
        kept = words().join(
            gettext("in proportion") if one == "proportion" else words().tender(one)
            for one in terms.tender_order
        )
        form.tender_order.choices = [*form.tender_order.choices, (OTHER, kept)]
    return form


def read(form: PolicyForm, terms: Terms, currency: str) -> Terms | None:
    """``terms`` with what the form says; None when something is wrong, which stands at its field then."""
    right = form.validate()
    amounts = {name: form[name].read(currency) for name in (*OPTIONAL_AMOUNTS, *AMOUNTS, "fee_fixed")}
    limits = {role: field.read(currency) for role, field in form.limits()}
    deductions = {face: field.read() for face, field in form.deductions()}
    percent, bonus = form.fee_percent.read(), form.bonus_percent.read()
    tiers = _tiers(form, terms, currency)
    if not right or any(field.errors for field in form):
        return None
    order = terms.tender_order if form.tender_order.data == OTHER else TENDER_ORDERS[form.tender_order.data]
    return replace(
        terms,
        **{name: form[name].data for name in PLAIN},
        **{name: tuple(form[name].data) for name in SEVERAL},
        **{name: form[name].read() for name in CATEGORIES},
        **{name: amounts[name] for name in OPTIONAL_AMOUNTS},
        **{name: amounts[name] or 0 for name in AMOUNTS},
        restocking_fee=replace(
            terms.restocking_fee,
            percent_bp=percent,
            fixed=amounts["fee_fixed"] or 0,
            per_unit=form.fee_per_unit.data,
        ),
        condition_deductions_bp=_changed(terms.condition_deductions_bp, deductions),
        refund_limits=_changed(terms.refund_limits, limits, keep_nothing=True),
        store_credit_bonus_bp=bonus,
        tender_order=order,
        shipping_tiers=tiers,
    )


def _tiers(form: PolicyForm, terms: Terms, currency: str) -> tuple[ShippingTier, ...]:
    """The prices of shipping that were typed, by rising worth; what is wrong is told at its field."""
    found: dict[Minor, Minor] = {}
    for start, price in form.tiers():
        first, asked = start.read(currency), price.read(currency)
        if start.errors or price.errors or (first is None and asked is None):
            continue
        if asked is None:
            price.errors = [gettext("Enter the price of shipping, 0 where it is free")]
        elif (first or 0) in found:
            start.errors = [gettext("Enter each worth of the goods once")]
        else:
            found[first or 0] = asked
    kept = terms.shipping_tiers[TIER_ROWS:]
    tiers = (*(ShippingTier(from_goods=first, price=price) for first, price in found.items()), *kept)
    if form.cancel_shipping.data == "re_evaluate" and not tiers:
        form.cancel_shipping.errors = [gettext("Enter at least one price of shipping")]
    return tuple(sorted(tiers, key=lambda tier: tier.from_goods))


def _changed(
    before: tuple[tuple[str, int], ...], told: dict[str, int | None], *, keep_nothing: bool = False
) -> tuple[tuple[str, int], ...]:
    """The pairs with what was told of some codes; the others, and the order of those that stay, are kept."""
    wanted = {code: n for code, n in told.items() if n is not None and (n or keep_nothing)}
    kept = [(code, wanted.get(code, n)) for code, n in before if code in wanted or code not in told]
    return (*kept, *((code, n) for code, n in wanted.items() if code not in dict(before)))


class TermsForm(FlaskForm):
    """All terms of the draft, as JSON."""

    revision = HiddenField()
    terms = TextAreaField(
        _l("All terms as JSON"), validators=[InputRequired(_l("Enter the terms")), Length(max=200_000)]
    )


class RevisionForm(FlaskForm):
    """A step with the draft as it was shown."""

    revision = HiddenField(validators=[InputRequired()])

    @property
    def seen(self) -> int:
        seen = as_number(self.revision.data)
        return -1 if seen is None else seen

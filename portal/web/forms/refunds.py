"""The forms of refunds: what is agreed in place of what was worked out, read as the services want it."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from flask_wtf import FlaskForm
from wtforms import (
    DateField,
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from portal.core.facts import OrderFacts
from portal.core.money import Minor, major, minor
from portal.core.policy.terms import Terms
from portal.core.reasons import REASONS
from portal.core.refunds.overrides import WAIVABLE, WAYS, Overrides
from portal.core.returns import Draft
from portal.services.refunding.allowances import Allowance, Wish
from portal.web.forms.admin import CHANNELS_OF_AGENTS, ActionForm, AmountField
from portal.web.words import gettext, words
from portal.web.words import lazy_gettext as _l

NOT_SAID_YET = "…"
"""Stands for the reason while it is still to be written: what is shown does not hang on its words."""


def _trimmed(value: str | None) -> str:
    return (value or "").strip()


def typed(amount: Minor | None, currency: str) -> str:
    """An amount as somebody would type it."""
    if amount is None:
        return ""
    text = f"{major(amount, currency):f}"
    return text if words().language == "en" else text.replace(".", ",")


class RefundLineForm(Form):
    """What is agreed for the units of one line."""

    line_id = HiddenField(validators=[InputRequired()])
    amount = AmountField(_l("Agreed amount"), validators=[Optional(), Length(max=30)])
    missing = SelectMultipleField(
        _l("Not in the parcel"), option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )


class TenderForm(Form):
    """What goes back to one payment."""

    payment_id = HiddenField(validators=[InputRequired()])
    amount = AmountField(_l("Amount"), validators=[Optional(), Length(max=30)])


class RefundForm(ActionForm):
    """Money that goes back as it was worked out, or as somebody decides otherwise and says why."""

    shown = HiddenField()
    """What the page showed: sent back with the decision, so that nothing else is made."""
    shown_amount = HiddenField()
    """Its sum in minor units, to be told to who came too late."""
    basis = HiddenField()
    """On which the page stood: another one means that somebody else was faster."""
    lines = FieldList(FormField(RefundLineForm))
    tenders = FieldList(FormField(TenderForm))
    waived = SelectMultipleField(
        _l("Leave out"), option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )
    goodwill = AmountField(_l("Goodwill on top"), validators=[Optional(), Length(max=30)])
    way = RadioField(_l("How the money goes back"), default="refund")
    reason = TextAreaField(_l("Reason"), filters=[_trimmed], validators=[Optional(), Length(max=500)])

    def offer(self, terms: Terms, waivable: Iterable[str] = WAIVABLE) -> None:
        """The choices there are, in the words of whoever looks."""
        self.waived.choices = [(rule, words().deduction(rule)) for rule in waivable]
        self.way.choices = [(way, words().way(way)) for way in WAYS]
        for row in self.lines:
            row.form.missing.choices = [
                (code, words().accessory(code)) for code, _price in terms.accessory_deductions
            ]

    def overrides(
        self, currency: str, found: Mapping[UUID, tuple[str, ...]], *, needs_reason: bool = True
    ) -> Overrides | None:
        """What is asked for; None when something is wrong, which then stands at its field.

        ``found`` is what the inspection says is missing, by order line: only what differs is decided anew.
        """
        amounts = [(UUID(row.line_id.data), row.amount.read(currency)) for row in self.lines]
        tenders = [(UUID(row.payment_id.data), row.amount.read(currency)) for row in self.tenders]
        goodwill = self.goodwill.read(currency)
        missing = [
            (UUID(row.line_id.data), tuple(row.missing.data or ()))
            for row in self.lines
            if sorted(row.missing.data or ()) != sorted(found.get(UUID(row.line_id.data), ()))
        ]
        asked = Overrides(
            goodwill=goodwill or 0,
            amounts=tuple((line_id, amount) for line_id, amount in amounts if amount is not None),
            missing=tuple(missing),
            waived=tuple(self.waived.data or ()),
            way=self.way.data or "refund",
            tenders=tuple((payment_id, amount) for payment_id, amount in tenders if amount is not None),
            reason=self.reason.data or ("" if needs_reason else NOT_SAID_YET),
        )
        if self.has_faults:
            return None
        if needs_reason and asked.is_any and not asked.reason:
            self.reason.errors = [
                gettext("Write down why you grant goodwill")
                if asked == Overrides(goodwill=asked.goodwill)
                else gettext("Write down why you decide otherwise")
            ]
            return None
        return asked

    @property
    def has_faults(self) -> bool:
        fields = [self.goodwill, *(row.amount for row in self.lines), *(row.amount for row in self.tenders)]
        return any(field.errors for field in fields)

    def blame(self, code: str, details: Mapping[str, Any], told: str) -> None:
        """Put a refusal of the services where it belongs: at a line, at a tender, at goodwill, or on top."""
        for row in self.lines:
            if details.get("line") == row.line_id.data:
                row.amount.errors = [told]
                return
        for row in self.tenders:
            if details.get("payment") == row.payment_id.data:
                row.amount.errors = [told]
                return
        if code == "tenders_differ" and self.tenders.entries:
            self.tenders.entries[0].amount.errors = [told]
        elif code in ("not_granted", "reason_missing") or details.get("what") == "goodwill":
            self.goodwill.errors = [told]
        else:
            self.form_errors.append(told)


def filled(
    draft: Draft, order: OrderFacts, overrides: Overrides, found: Mapping[UUID, tuple[str, ...]]
) -> Any:
    """What the form of a refund starts with, as keyword arguments."""
    amounts, missing = dict(overrides.amounts), dict(overrides.missing)
    tenders = dict(overrides.tenders)
    return {
        "lines": [
            {
                "line_id": str(line.order_line_id),
                "amount": typed(amounts.get(line.order_line_id), order.currency),
                "missing": list(missing.get(line.order_line_id, found.get(line.order_line_id, ()))),
            }
            for line in draft.lines
            if line.order_line_id is not None
        ],
        "tenders": [
            {"payment_id": str(one.id), "amount": typed(tenders.get(one.id), order.currency)}
            for one in order.payments
        ],
        "waived": list(overrides.waived),
        "goodwill": typed(overrides.goodwill or None, order.currency),
        "way": overrides.way,
        "reason": overrides.reason,
    }


class ApprovalForm(FlaskForm):
    """``seen`` is the digest of the refund that was looked at."""

    seen = HiddenField()


class ProofForm(FlaskForm):
    """How a transfer was made outside of the portal, and when."""

    method = SelectField(_l("How it was paid"), validators=[InputRequired(_l("Choose how it was paid"))])
    on = DateField(_l("On which day"), validators=[InputRequired(_l("Enter the day it was paid"))])
    proof = StringField(
        _l("Receipt or reference"),
        filters=[_trimmed],
        validators=[InputRequired(_l("Enter what proves the payment")), Length(max=100)],
    )

    def offer(self, today: date) -> None:
        """``today`` is the shop's day: the one proposed, and the last that can be told."""
        self.today = today
        self.method.choices = [("", gettext("Choose how it was paid")), *words().by_hand()]
        if self.on.data is None and not self.is_submitted():
            self.on.data = today

    def validate_on(self, field: DateField) -> None:
        if field.data is not None and field.data > self.today:
            raise ValidationError(gettext("Enter a day that is not in the future"))


class RedirectForm(FlaskForm):
    """Another way for one transfer, and why."""

    provider = RadioField(_l("Where it goes"), validators=[InputRequired(_l("Choose where it goes"))])
    holder = StringField(_l("Account holder"), filters=[_trimmed], validators=[Optional(), Length(max=70)])
    iban = StringField(_l("IBAN"), filters=[_trimmed], validators=[Optional(), Length(max=42)])
    bic = StringField(_l("BIC"), filters=[_trimmed], validators=[Optional(), Length(max=11)])
    reason = TextAreaField(
        _l("Reason"), filters=[_trimmed], validators=[InputRequired(_l("Write down why")), Length(max=500)]
    )

    def offer(self, ways: Iterable[str]) -> None:
        self.provider.choices = [(way, words().way(way)) for way in ways]


class AllowanceLineForm(Form):
    """So many units of one line that stay, and what goes back for them."""

    line_id = HiddenField(validators=[InputRequired()])
    units = IntegerField(
        _l("Units"), validators=[Optional(), NumberRange(0, 1_000_000, _l("Enter a number of units from 0"))]
    )
    amount = AmountField(_l("Amount for all of them"), validators=[Optional(), Length(max=30)])
    percent = StringField(
        _l("or percent of the price"), filters=[_trimmed], validators=[Optional(), Length(max=6)]
    )

    def percent_bp(self) -> int | None:
        """Basis points; None where nothing was typed, or something wrong, which then stands at the field."""
        text = (self.percent.data or "").replace(",", ".").removesuffix("%").strip()
        if not text:
            return None
        if not re.fullmatch(r"\d{1,3}(\.\d{1,2})?", text, re.ASCII) or minor(text, "EUR") > 10_000:
            self.percent.errors = [gettext("Enter a percentage from 0 to 100")]
            return None
        return minor(text, "EUR")


class AllowanceForm(FlaskForm):
    """A part of the price that goes back while the goods stay."""

    nonce = HiddenField()
    shown = HiddenField()
    lines = FieldList(FormField(AllowanceLineForm))
    reason = SelectField(_l("Reason"), validators=[InputRequired(_l("Choose a reason"))])
    channel = SelectField(_l("How did the customer ask?"))
    note = TextAreaField(
        _l("Why, for colleagues"),
        filters=[_trimmed],
        validators=[InputRequired(_l("Write down why")), Length(max=500)],
    )
    message = TextAreaField(
        _l("Message to the customer"), filters=[_trimmed], validators=[Optional(), Length(max=2000)]
    )

    def offer(self) -> None:
        self.reason.choices = [
            ("", gettext("Choose a reason")),
            *((code, words().reason(code)) for code in REASONS),
        ]
        self.channel.choices = [(code, words().channel(code)) for code in CHANNELS_OF_AGENTS]

    def wish(self, currency: str, *, needs_reason: bool = True) -> Wish | None:
        """What is asked for; None when something is wrong, which then stands at its field."""
        lines = []
        for row in self.lines:
            amount, percent = row.form.amount.read(currency), row.form.percent_bp()
            units = row.form.units.data or 0
            if amount is not None and percent is not None:
                row.form.percent.errors = [gettext("Enter an amount or a percentage, not both")]
            elif not units and (amount or percent):
                row.form.units.errors = [gettext("Enter how many units this is for")]
            if units:
                lines.append(
                    Allowance(line_id=UUID(row.line_id.data), units=units, amount=amount, percent_bp=percent)
                )
        if any(
            field.errors for row in self.lines for field in (row.form.amount, row.form.percent, row.units)
        ):
            return None
        said = self.note.data or ("" if needs_reason else NOT_SAID_YET)
        return Wish(
            lines=tuple(lines),
            reason=self.reason.data or "other",
            note=said,
            message=self.message.data or "",
            channel=self.channel.data or CHANNELS_OF_AGENTS[0],
        )

    def blame(self, details: Mapping[str, Any], told: str) -> None:
        """Put a refusal of the services at its line, or on top."""
        for row in self.lines:
            if details.get("line") == row.line_id.data:
                row.form.amount.errors = [told]
                return
        self.form_errors.append(told)

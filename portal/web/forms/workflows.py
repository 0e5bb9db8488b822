"""The forms of a shop's rules: one rule, one proposal for the dock, and steps with the draft as it was shown."""

from __future__ import annotations

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
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from portal.core.reasons import CHANNELS, CONDITIONS, DISPOSITIONS, GRADES, REASONS
from portal.core.workflows import OUTCOMES, DispositionRule, Rule
from portal.web.forms.admin import AmountField
from portal.web.forms.policies import PercentField, WordsField, typed, typed_percent
from portal.web.words import gettext, words
from portal.web.words import lazy_gettext as _l
from portal.words.workflows import FIELDS
from portal.words.workflows import OUTCOMES as OUTCOME_WORDS


def _label(name: str) -> Any:
    return _l(FIELDS[name])


def _boxes(name: str) -> SelectMultipleField:
    return SelectMultipleField(
        _label(name), option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )


def _name() -> StringField:
    return StringField(_label("name"), validators=[DataRequired(_l("Give the rule a name")), Length(max=120)])


def _number(name: str, most: int) -> IntegerField:
    told = _l("Enter a whole number from 1")
    return _WholeField(_label(name), validators=[Optional(), NumberRange(1, most, told)])


class _WholeField(IntegerField):
    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(gettext("Enter a whole number from 1")) from None


class RuleForm(FlaskForm):
    """One rule. What is left empty asks nothing."""

    revision = HiddenField()
    name = _name()
    outcome = RadioField(_label("outcome"), validators=[InputRequired(_l("Choose what happens then"))])
    on = BooleanField(_l("This rule is on"))
    reasons = _boxes("reasons")
    conditions = _boxes("conditions")
    categories = WordsField(_label("categories"), validators=[Length(max=1000)])
    skus = WordsField(_label("skus"), validators=[Length(max=2000)])
    channels = _boxes("channels")
    value_from = AmountField(_label("value_from"), validators=[Optional(), Length(max=30)])
    value_to = AmountField(_label("value_to"), validators=[Optional(), Length(max=30)])
    rate_from = PercentField(_label("rate_from_bp"), validators=[Length(max=10)])
    rate_orders = _number("rate_orders", 100)
    returns_from = _number("returns_from", 1000)
    returns_days = _number("returns_days", 3650)

    def offer(self) -> RuleForm:
        """The form with everything that can be chosen, in words."""
        self.outcome.choices = [(code, gettext(OUTCOME_WORDS[code][0])) for code in OUTCOMES]
        _offer(self)
        self.channels.choices = [(code, words().channel(code)) for code in CHANNELS]
        return self

    def read(self, rule: Rule, currency: str) -> Rule | None:
        """``rule`` with what was typed; None when something is wrong, which stands at its field then."""
        right = self.validate()
        least, most = self.value_from.read(currency), self.value_to.read(currency)
        rate = self.rate_from.read()
        if least is not None and most is not None and least > most:
            self.value_to.errors = [gettext("Enter an amount that is not below the one before")]
        if not right or any(field.errors for field in self):
            return None
        return replace(
            rule,
            name=self.name.data.strip(),
            outcome=self.outcome.data,
            on=self.on.data,
            reasons=tuple(self.reasons.data),
            conditions=tuple(self.conditions.data),
            categories=self.categories.read(),
            skus=self.skus.read(),
            channels=tuple(self.channels.data),
            value_from=least,
            value_to=most,
            rate_from_bp=rate or None,
            rate_orders=self.rate_orders.data or 5,
            returns_from=self.returns_from.data,
            returns_days=self.returns_days.data or 90,
        )


class ProposalForm(FlaskForm):
    """What is proposed at the dock."""

    revision = HiddenField()
    name = _name()
    disposition = SelectField(_label("disposition"))
    on = BooleanField(_l("This rule is on"))
    grades = _boxes("grades")
    reasons = _boxes("reasons")
    conditions = _boxes("conditions")
    categories = WordsField(_label("categories"), validators=[Length(max=1000)])

    def offer(self) -> ProposalForm:
        """The form with everything that can be chosen, in words."""
        self.disposition.choices = [(code, words().disposition(code)) for code in DISPOSITIONS]
        self.grades.choices = [(code, words().grade(code)) for code in GRADES]
        _offer(self)
        return self

    def read(self, rule: DispositionRule, currency: str) -> DispositionRule | None:
        """``rule`` with what was typed; None when something is wrong, which stands at its field then."""
        if not self.validate():
            return None
        return replace(
            rule,
            name=self.name.data.strip(),
            disposition=self.disposition.data,
            on=self.on.data,
            grades=tuple(self.grades.data),
            reasons=tuple(self.reasons.data),
            conditions=tuple(self.conditions.data),
            categories=self.categories.read(),
        )


def _offer(form: RuleForm | ProposalForm) -> None:
    form.reasons.choices = [(code, words().reason(code)) for code in REASONS]
    form.conditions.choices = [(code, words().condition(code)) for code in CONDITIONS]


def filled(
    rule: Rule | DispositionRule, revision: int, currency: str, formdata: Any
) -> RuleForm | ProposalForm:
    """The form of ``rule``; with ``formdata`` what was typed stands in it instead."""
    given: dict[str, Any] = {
        "revision": str(revision),
        "name": rule.name,
        "on": rule.on,
        "reasons": list(rule.reasons),
        "conditions": list(rule.conditions),
        "categories": ", ".join(rule.categories),
    }
    if isinstance(rule, DispositionRule):
        given |= {"disposition": rule.disposition, "grades": list(rule.grades)}
        return ProposalForm(formdata=formdata, data=given).offer()
    given |= {
        "outcome": rule.outcome,
        "skus": ", ".join(rule.skus),
        "channels": list(rule.channels),
        "value_from": typed(rule.value_from, currency),
        "value_to": typed(rule.value_to, currency),
        "rate_from": typed_percent(rule.rate_from_bp or 0),
        "rate_orders": rule.rate_orders,
        "returns_from": rule.returns_from,
        "returns_days": rule.returns_days,
    }
    return RuleForm(formdata=formdata, data=given).offer()

"""What the pages of a return send, read into the words of the services. Shared by customer and admin pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any
from uuid import UUID

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice

from portal.core.addresses import Address, AddressFinding, AddressRules, address_from
from portal.core.reasons import CATEGORIES, CONDITIONS, REASONS, in_category
from portal.services.filing.returns import LineChoice, SurveyAnswer
from portal.web.words import gettext as _
from portal.web.words import words

MOST_UNITS = 1_000_000
LONGEST_NOTE = 2000


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing to put right: the id of its field, and the sentence."""

    field: str
    text: str
    here: str = ""
    """The sentence as it stands at the field itself, where that is shorter."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """What a form said. ``problems`` are of shape alone; ``values`` are as typed, for showing the page again."""

    choices: tuple[Any, ...] = ()
    problems: tuple[Problem, ...] = ()
    values: Mapping[str, str]


def whole(text: str) -> int | None:
    """A number of units as typed, or None where it is none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else None


# --------------------------------------------------------------------------------------------------- items


def read_units(form: MultiDict[str, str], most: Mapping[UUID, int] | None = None) -> Read:
    """Units of order lines: ``units-<id>`` beside ``was-<id>``, what the page showed when it was made.

    Only lines that differ are told, so that two open tabs do not undo each other. The buttons ``less``, ``more``,
    ``none`` and ``all`` name a field and take or add one, or all that ``most`` says of it.
    """
    choices, problems = [], []
    values = {name: value for name, value in form.items() if name.startswith("units-")}
    for button, step in (("less", -1), ("more", 1)):
        name = form.get(button, "")
        if name in values and (typed := whole(values[name])) is not None:
            values[name] = str(max(0, typed + step))
    if (name := form.get("none", "")) in values:
        values[name] = "0"
    if (name := form.get("all", "")) in values:
        line_id = as_id(name.removeprefix("units-"))
        values[name] = str((most or {}).get(line_id, 0) if line_id else 0)
    for name, value in values.items():
        line_id = as_id(name.removeprefix("units-"))
        units = whole(value) if value.strip() else 0
        if line_id is None:
            continue
        if units is None or units > MOST_UNITS:
            problems.append(Problem(field=name, text=_("Enter a whole number of units, such as 1.")))
        elif form.get(f"was-{line_id}") != str(units):
            choices.append(LineChoice(order_line_id=line_id, units=units))
    return Read(choices=tuple(choices), problems=tuple(problems), values=values)


def read_products(form: MultiDict[str, str]) -> Read:
    """Products that were typed in: rows of ``line_id``, ``name``, ``sku`` and ``units``; empty ones are left out,
    and those that are as the page showed them (``was``). ``values`` name the fields with the number of their row."""
    choices, problems = [], []
    values: dict[str, str] = {}
    rows = list(
        zip_longest(
            *(form.getlist(name) for name in ("line_id", "name", "sku", "units", "was")), fillvalue=""
        )
    )
    dropped = form.get("drop", "")
    for number, (line_id, name, sku, typed, was) in enumerate(rows):
        values |= {f"name-{number}": name, f"sku-{number}": sku, f"units-{number}": typed}
        name, sku = name.strip(), sku.strip()
        if was and was == product_text(name, sku, typed) and dropped != str(number):
            continue
        if dropped == str(number) or not (name or sku):
            if line_id and as_id(line_id):
                choices.append(LineChoice(line_id=as_id(line_id), units=0))
            continue
        units = whole(typed)
        if not units or units > MOST_UNITS:
            problems.append(Problem(field=f"units-{number}", text=_("Enter how many, 1 or more.")))
        elif not name:
            problems.append(Problem(field=f"name-{number}", text=_("Enter the name of the product.")))
        elif len(name) > 300 or len(sku) > 100:
            problems.append(Problem(field=f"name-{number}", text=_("That is too long.")))
        else:
            choices.append(LineChoice(line_id=as_id(line_id), name=name, sku=sku, units=units))
    return Read(choices=tuple(choices), problems=tuple(problems), values=values)


def product_text(name: str, sku: str, units: object) -> str:
    """What the page shows of a product that was typed in, as one text to compare."""
    return f"{units} × {name} {sku}".strip()


def as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------- reasons


def read_answers(form: MultiDict[str, str], line_ids: tuple[UUID, ...]) -> Read:
    """``reason-<id>``, ``condition-<id>`` and ``note-<id>`` of each line; an unknown code is nobody's answer."""
    answers, problems = [], []
    values = dict(form.items())
    for line_id in line_ids:
        reason = form.get(f"reason-{line_id}", "")
        condition = form.get(f"condition-{line_id}", "")
        note = form.get(f"note-{line_id}", "").strip()
        if len(note) > LONGEST_NOTE:
            told = _("Keep the note under %(maximum)s characters.", maximum=LONGEST_NOTE)
            problems.append(Problem(field=f"note-{line_id}", text=told))
            note = note[:LONGEST_NOTE]
        known = REASONS.get(reason)
        answers.append(
            SurveyAnswer(
                line_id=line_id,
                reason=reason if known and known.by_customer else None,
                condition=condition if condition in CONDITIONS else None,
                note=note,
            )
        )
    return Read(choices=tuple(answers), problems=tuple(problems), values=values)


def reason_groups() -> list[tuple[str, list[tuple[str, str]]]]:
    """The two levels of reasons: (category, its (code, name)), in the order of the page."""
    said = words()
    return [
        (
            said.category(category),
            [(reason.code, said.reason(reason.code)) for reason in in_category(category)],
        )
        for category in CATEGORIES
    ]


def conditions() -> list[tuple[str, str]]:
    return [(code, words().condition(code)) for code in CONDITIONS]


# ------------------------------------------------------------------------------------------------- address


class AddressForm(FlaskForm):
    """The fields of one country's addresses; ``address_form`` makes the class for a country."""

    rules: AddressRules
    names: list[str]

    def wanted(self) -> Address:
        record = {name: field.data for name, field in self._fields.items() if name in ADDRESS_FIELDS}
        return address_from({**record, "country": self.rules.country})

    def tell(self, findings: tuple[AddressFinding, ...]) -> bool:
        """Put each finding at its field; whether there were any."""
        for finding in findings:
            field = self._fields.get(finding.field)
            rule = self.rules.field(finding.field)
            told = words().address_finding(finding.code, finding.help, rule.label if rule else finding.field)
            if field is not None:
                field.errors = [*field.errors, told]
            else:
                self.form_errors.append(told)
        return bool(findings)


ADDRESS_FIELDS = ("name", "company", "street", "postcode", "city", "region", "phone")


def address_form(rules: AddressRules, *, filled: Address | None = None, data: Any = None) -> AddressForm:
    """The form of a country: its fields in its order under its names, filled with what is known."""
    made: dict[str, Any] = {"rules": rules}
    for field in rules.fields:
        label = words().address_label(field.label)
        hints: dict[str, Any] = {"autocomplete": field.autocomplete}
        if field.name == "street":
            made[field.name] = TextAreaField(label, render_kw={**hints, "rows": 2})
        elif field.choices:
            choices = [
                SelectChoice("", _("Please choose")),
                *(SelectChoice(*choice) for choice in field.choices),
            ]
            made[field.name] = SelectField(label, choices=choices, validate_choice=False, render_kw=hints)
        else:
            made[field.name] = StringField(label, render_kw=hints)
        if field.required:
            made[field.name].kwargs["render_kw"] = {
                **hints,
                **made[field.name].kwargs["render_kw"],
                "required": True,
            }
    known = filled.record() | {"street": "\n".join(filled.street)} if filled else {}
    form_class = type("CountryAddressForm", (AddressForm,), made)
    form = form_class(formdata=data, data=known)
    form.names = [field.name for field in rules.fields]  # type: ignore[attr-defined]
    return form  # type: ignore[no-any-return]

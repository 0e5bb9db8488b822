"""The form of a decision: of every line so many units approved and so many refused, and why."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from wtforms import (
    FieldList,
    Form,
    FormField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import Length, NumberRange, Optional

from portal.core.policy.overrides import Override
from portal.core.reasons import CONDITIONS, DECLINE_REASONS, REASONS
from portal.core.returns import DraftLine
from portal.services.handling.deciding import LineDecision
from portal.web.forms.admin import ActionForm, _trimmed
from portal.web.words import gettext, words
from portal.web.words import lazy_gettext as _l


class UnitsField(IntegerField):
    """A whole number of units; what is none is told in the reader's language."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(gettext("Enter a number of units from 0")) from None


class DecidedLineForm(Form):
    """What is decided of one line; refused units that were left empty are all the others."""

    line_id = HiddenField()
    approved = UnitsField(
        _l("Approved"),
        validators=[Optional(), NumberRange(0, 1_000_000, _l("Enter a number of units from 0"))],
    )
    declined = UnitsField(
        _l("Refused"),
        validators=[Optional(), NumberRange(0, 1_000_000, _l("Enter a number of units from 0"))],
    )
    reason = SelectField(_l("Why refused"), validators=[Optional()])
    message = StringField(
        _l("Message about the refused units"), filters=[_trimmed], validators=[Optional(), Length(max=2000)]
    )
    changed_reason = SelectField(_l("Reason of the customer"), validators=[Optional()])
    changed_condition = SelectField(_l("Condition"), validators=[Optional()])

    def offer(self) -> None:
        said = words()
        self.reason.choices = [
            ("", gettext("Choose a reason")),
            *((code, said.decline_reason(code)) for code in DECLINE_REASONS),
        ]
        as_told = ("", gettext("As the customer says"))
        self.changed_reason.choices = [as_told, *((code, said.reason(code)) for code in REASONS)]
        self.changed_condition.choices = [as_told, *((code, said.condition(code)) for code in CONDITIONS)]

    def units(self, line: DraftLine) -> tuple[int, int]:
        """(approved, refused) as typed; what was left empty is the rest of the line."""
        approved, declined = self.approved.data, self.declined.data
        if approved is None:
            approved = max(0, line.units - declined) if declined is not None else 0
        return approved, declined if declined is not None else max(0, line.units - approved)

    def judge(self, line: DraftLine) -> bool:
        """Whether every unit is decided, and refused ones have a reason; what is wrong is told at its field."""
        if self.approved.errors or self.declined.errors:
            return False
        if self.approved.data is None and self.declined.data is None:
            self.approved.errors = [gettext("Enter how many units of %(name)s are approved", name=line.name)]
            return False
        approved, declined = self.units(line)
        if approved + declined != line.units:
            self.approved.errors = [
                gettext(
                    "%(name)s: approved and refused units have to be %(units)s together",
                    name=line.name,
                    units=line.units,
                )
            ]
            return False
        if declined and not self.reason.data:
            self.reason.errors = [gettext("Choose why units of %(name)s are refused", name=line.name)]
            return False
        return True

    def decision(self, line: DraftLine) -> LineDecision:
        approved, declined = self.units(line)
        return LineDecision(
            line_id=line.id,
            approved=approved,
            declined=declined,
            reason=(self.reason.data or "") if declined else "",
            message=(self.message.data or "") if declined else "",
            changed_reason=self.changed_reason.data or None,
            changed_condition=self.changed_condition.data or None,
        )


class SetAsideForm(Form):
    """One objection that a reason sets aside."""

    code = HiddenField()
    line_id = HiddenField()
    because = StringField(
        _l("Why you set it aside"), filters=[_trimmed], validators=[Optional(), Length(max=500)]
    )


class DecisionForm(ActionForm):
    """All lines of a return, what is set aside, and words for the customer."""

    lines = FieldList(FormField(DecidedLineForm))
    objections = FieldList(FormField(SetAsideForm))
    message = TextAreaField(
        _l("Message to the customer"), filters=[_trimmed], validators=[Optional(), Length(max=2000)]
    )

    def rows(self) -> dict[str, DecidedLineForm]:
        """line id -> its part of the form."""
        return {row.line_id.data: row.form for row in self.lines}

    def offer(self) -> None:
        for row in self.lines:
            row.form.offer()

    def judge(self, lines: Iterable[DraftLine]) -> bool:
        """Whether all lines are decided as a whole; told at the fields."""
        rows = self.rows()
        wrong = [line for line in lines if not rows[str(line.id)].judge(line)]
        return not wrong

    def decisions(self, lines: Iterable[DraftLine]) -> list[LineDecision]:
        rows = self.rows()
        return [rows[str(line.id)].decision(line) for line in lines]

    def overrides(self) -> list[Override]:
        """The objections that got a reason."""
        return [
            Override(
                code=row.code.data,
                reason=row.because.data,
                line_id=UUID(row.line_id.data) if row.line_id.data else None,
            )
            for row in self.objections
            if row.because.data
        ]

    def ask_why(self, objections: Iterable[tuple[str, str]]) -> None:
        """A row for each objection (code, line id) that has none yet: what is chosen may raise others."""
        there = {(row.code.data, row.line_id.data) for row in self.objections}
        for code, line_id in objections:
            if (code, line_id) not in there:
                self.objections.append_entry({"code": code, "line_id": line_id})

    def fill(self, wanted: Mapping[str, tuple[int, int]]) -> None:
        """Put units into the fields: line id -> (approved, refused)."""
        for line_id, row in self.rows().items():
            approved, declined = wanted[line_id]
            for field, units in ((row.approved, approved), (row.declined, declined)):
                field.raw_data, field.data = None, units

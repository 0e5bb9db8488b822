"""What the agent's page of a cancellation sends: which units leave, how services end, and the words around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import HiddenField, RadioField, SelectField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional

from portal.core.bundled import bundles
from portal.core.cancellations import CancelOffer
from portal.core.facts import OrderFacts
from portal.services.cancellations import Choice
from portal.web.forms.admin import CHANNELS_OF_AGENTS, ActionForm
from portal.web.forms.cancellations import reasons
from portal.web.forms.returns import LONGEST_NOTE, MOST_UNITS, Problem, as_id, whole
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import words

BUTTONS = ("more", "less", "all", "none", "bundle", "everything", "estimate")
"""What is pressed to change the selection; any of them only works out what it comes to."""

ANSWERS = ("released", "refused", "shipped")


def _trimmed(value: str | None) -> str:
    return (value or "").strip()


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What leaves the order, in the order of the receipt. ``left`` is a line of which nothing leaves any more."""

    choices: tuple[Choice, ...] = ()
    problems: tuple[Problem, ...] = ()
    left: UUID | None = None

    def units(self, line_id: UUID) -> int:
        return next((one.units for one in self.choices if one.line_id == line_id), 0)


def is_change(form: MultiDict[str, str]) -> bool:
    """Whether a button of the selection was pressed, and not the one that sends."""
    return any(name in form for name in BUTTONS)


def read_proposal(form: MultiDict[str, str], order: OrderFacts, offers: Iterable[CancelOffer]) -> Selection:
    """``cancel-<line id>``: units, ``ending-<line id>``: how a service ends; and the button that was pressed.

    ``more`` and ``less`` change one unit, ``all`` takes as many as may go, ``none`` gives them back, ``bundle``
    takes a thing with all its parts, ``everything`` whatever may go. More than may go can be typed: then the
    page says what stands against it. The name of a bundle is not chosen: it goes with its last part.
    """
    choices, problems, left = [], [], None
    names = {bundle.header.id for bundle in bundles(order) if bundle.is_name}
    for offer in offers:
        if offer.line_id in names:
            continue
        name = f"cancel-{offer.line_id}"
        typed = form.get(name, "").strip()
        before = whole(typed) if typed else 0
        if before is None or before > MOST_UNITS:
            problems.append(Problem(field=name, text=_("Enter a whole number of units, such as 1.")))
            before = 1
        units = _pressed(form, order, offer, before)
        if whole(form.get(f"was-{offer.line_id}", "")) and not units:
            left = offer.line_id
        if units:
            choices.append(Choice(line_id=offer.line_id, units=units, ending=_ending(form, offer)))
    return Selection(choices=tuple(choices), problems=tuple(problems), left=left)


def _pressed(form: MultiDict[str, str], order: OrderFacts, offer: CancelOffer, units: int) -> int:
    """The units of a line after the button: never more than may go, unless more were typed before."""
    name, most = f"cancel-{offer.line_id}", max(units, offer.units)
    line = order.line(offer.line_id)
    if form.get("more") == name:
        return most if line.recurs else min(most, units + 1)
    if form.get("less") == name:
        return 0 if line.recurs else max(0, units - 1)
    if form.get("none") == name:
        return 0
    bundle = as_id(form.get("bundle", ""))
    whole_bundle = bundle is not None and bundle in (line.id, line.parent_id)
    return most if form.get("all") == name or whole_bundle or "everything" in form else units


def _ending(form: MultiDict[str, str], offer: CancelOffer) -> str:
    """How it ends, as chosen; the first way that there is where nobody chose."""
    chosen = form.get(f"ending-{offer.line_id}", "")
    return chosen if chosen in offer.endings else next(iter(offer.endings), "")


class ProposalForm(FlaskForm):
    """How the customer asked, why, and the words for colleagues and for the customer."""

    nonce = HiddenField()
    shown = HiddenField()
    channel = RadioField(
        _l("How did the customer ask?"), validators=[InputRequired(_l("Choose how the customer asked"))]
    )
    reason = SelectField(_l("Reason"), validators=[Optional()])
    note = TextAreaField(
        _l("Note for colleagues"), filters=[_trimmed], validators=[Optional(), Length(max=LONGEST_NOTE)]
    )
    message = TextAreaField(
        _l("Message to the customer"), filters=[_trimmed], validators=[Optional(), Length(max=LONGEST_NOTE)]
    )

    def offer(self) -> ProposalForm:
        """Fill in the choices, in the words of whoever looks."""
        self.channel.choices = [(code, words().channel(code)) for code in CHANNELS_OF_AGENTS]
        self.reason.choices = [("", _("Not said")), *reasons()]
        return self


class WithdrawalForm(ActionForm):
    """Why a proposal is taken back, for the history."""

    reason = TextAreaField(
        _l("Reason"), filters=[_trimmed], validators=[DataRequired(_l("Write down why")), Length(max=500)]
    )


class WarehouseAnswerForm(ActionForm):
    """What somebody at the warehouse said when they were asked in person."""

    state = RadioField(
        _l("What does the warehouse say?"), validators=[InputRequired(_l("Choose what the warehouse says"))]
    )
    note = TextAreaField(
        _l("Who said so, and how"),
        filters=[_trimmed],
        validators=[DataRequired(_l("Write down who said so")), Length(max=500)],
    )

    def offer(self) -> WarehouseAnswerForm:
        self.state.choices = [(state, words().state("warehouse", state).name) for state in ANSWERS]
        return self

"""What the pages of a cancellation send, read into the words of the services. Shared by customers and agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms import RadioField, TextAreaField
from wtforms.validators import InputRequired, Length

from portal.core.cancellations import REASONS
from portal.core.facts import ENDINGS
from portal.services.cancellations import Choice
from portal.web.forms.returns import MOST_UNITS, Problem, Read, as_id, whole
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import words
from portal.words.cancelling import SCORES

LONGEST_COMMENT = 2000


def read_selection(form: MultiDict[str, str], *, prefix: str = "cancel") -> Read:
    """``cancel-<line id>``: units, and ``ending-<line id>``: how a recurring service ends (empty: it goes on).

    Every line that the form names is answered, with 0 units where nothing of it leaves. The buttons ``less``
    and ``more`` name a field and take or add one. A service without a field for its units is all of them.
    """
    choices, problems = [], []
    values = {name: value for name, value in form.items() if name.startswith((f"{prefix}-", "ending-"))}
    for button, step in (("less", -1), ("more", 1)):
        name = form.get(button, "")
        if name in values and name.startswith(prefix) and (typed := whole(values[name])) is not None:
            values[name] = str(max(0, typed + step))
    for name, value in values.items():
        if not name.startswith(f"{prefix}-") or (line_id := as_id(name.removeprefix(f"{prefix}-"))) is None:
            continue
        units = whole(value) if value.strip() else 0
        asked = f"ending-{line_id}" in form
        ending = form.get(f"ending-{line_id}", "")
        if units is None or units > MOST_UNITS:
            problems.append(Problem(field=name, text=_("Enter a whole number of units, such as 1.")))
        elif asked and ending not in ENDINGS:
            choices.append(Choice(line_id=line_id, units=0))
        else:
            choices.append(Choice(line_id=line_id, units=units, ending=ending if units else ""))
    return Read(choices=tuple(choices), problems=tuple(problems), values=values)


def merged(before: Mapping[str, Choice], changed: Iterable[Choice]) -> tuple[Choice, ...]:
    """The whole selection: what was chosen ``before`` (line id as text -> choice), and what is said anew."""
    found = dict(before)
    found.update((str(choice.line_id), choice) for choice in changed)
    return tuple(found.values())


def reasons() -> list[tuple[str, str]]:
    """(code, name) of every reason for taking something out of an order, in the order of the page."""
    return [(code, words().cancel_reason(code)) for code in REASONS]


class ScoreForm(FlaskForm):
    """How satisfied the customer was, and why."""

    score = RadioField(
        _l("How did this go for you?"),
        coerce=lambda value: int(value) if value is not None and str(value).isdigit() else None,
        validators=[InputRequired(_l("Choose one of the five answers."))],
    )
    comment = TextAreaField(
        _l("What could we do better?"),
        filters=[lambda value: (value or "").strip()],
        validators=[
            Length(
                max=LONGEST_COMMENT,
                message=_l("Keep the comment under %(maximum)s characters.", maximum=LONGEST_COMMENT),
            )
        ],
    )

    def offer(self) -> ScoreForm:
        """The five answers in the reader's language, best first."""
        self.score.choices = [(value, words().score(value)) for value in sorted(SCORES, reverse=True)]
        return self

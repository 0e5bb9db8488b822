"""Two people in one draft: what one of them changed is taken, what both changed is shown in both versions."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from flask import request, url_for
from werkzeug.wrappers import Response

from portal.services.filing.returns import LineChoice, Page
from portal.services.handling import entry
from portal.web.actor import person
from portal.web.admin import stale
from portal.web.admin.dossiers import who
from portal.web.forms.admin import as_number
from portal.web.forms.entry import ContactForm
from portal.web.forms.returns import AddressForm, product_text
from portal.web.forms.together import WAS
from portal.web.words import gettext as _
from portal.web.words import words

Row = tuple[str, str, str]
"""(label, what was sent, what is stored), as a person reads them."""


def refused(found: Page, clashes: Iterable[Row]) -> Response | None:
    """The page with both versions; None where nothing clashes, or where nobody else was at this draft since the
    form was made: then it is an earlier answer of the same person that went before."""
    rows, seen = list(clashes), as_number(request.form.get("seen"))
    if not rows or seen is None:
        return None
    other = entry.changed_by_another(person(), found, since=seen)
    if other is None:
        return None
    return stale.refused(
        shown=rows,
        version=entry.saved(found).sequence,
        field="seen",
        instead=url_for("admin.prepare.show", return_id=found.draft.id),
        change=stale.Change(
            what=words().event(other.what, other.details, found.draft.currency),
            who=who(other.actor_kind, other.actor_name),
            at=other.at,
        ),
    )


# ------------------------------------------------------------------------------------------ field -> what is stored


def answers(found: Page) -> dict[str, str]:
    """Of the reasons, by the names of their fields."""
    return {
        f"{kind}-{line.id}": value or ""
        for line in found.draft.lines
        for kind, value in (("reason", line.reason), ("condition", line.condition), ("note", line.note))
    }


def contact(form: ContactForm) -> dict[str, str]:
    """Of a form that is filled with what is stored."""
    return {field.name: field.data or "" for field in form if field.name.startswith("contact-")}


def address(form: AddressForm) -> dict[str, str]:
    """Of a form that is filled with what is stored."""
    return {field.name: field.data or "" for field in form if field.name in form.names}


# ----------------------------------------------------------------------------------- what both changed, to be shown


def answers_shown(found: Page, names: Iterable[str], mine: Mapping[str, str]) -> Iterator[Row]:
    """Reasons, conditions and notes of ``names``."""
    there, names = answers(found), set(names)
    labels = {"reason": _("Reason"), "condition": _("Condition"), "note": _("Note")}
    said: dict[str, Callable[[str], str]] = {
        "reason": lambda code: words().reason(code) if code else "",
        "condition": lambda code: words().condition(code) if code else "",
        "note": str,
    }
    for line in found.draft.lines:
        for kind, label in labels.items():
            name = f"{kind}-{line.id}"
            if name in names:
                yield f"{line.name}: {label}", said[kind](mine[name]), said[kind](there[name])


def units_shown(found: Page, choices: Iterable[LineChoice]) -> Iterator[Row]:
    """Units that this form changed and somebody else has changed to others, of the order or typed in."""
    by_order = {line.order_line_id: line for line in found.draft.lines if line.order_line_id}
    typed = {line.id: line for line in found.draft.lines if not line.order_line_id}
    names = {line.id: line.name for line in found.order.items} if found.order else {}
    shown = dict(zip(request.form.getlist("line_id"), request.form.getlist("was"), strict=False))
    for choice in choices:
        if choice.order_line_id is not None:
            line = by_order.get(choice.order_line_id)
            name, mine, theirs = (
                names.get(choice.order_line_id, ""),
                str(choice.units),
                str(line.units if line else 0),
            )
            was = request.form.get(f"{WAS}{choice.order_line_id}", theirs)
        elif (line := typed.get(choice.line_id)) is not None:
            name, theirs = line.name, product_text(line.name, line.sku, line.units)
            mine = product_text(choice.name, choice.sku, choice.units) if choice.units else "0"
            was = shown.get(str(line.id), theirs)
        else:
            continue
        if was != theirs != mine:
            yield _("Units of %(what)s", what=name), mine, theirs


def fields_shown(
    form: ContactForm | AddressForm, names: Iterable[str], mine: Mapping[str, str]
) -> Iterator[Row]:
    """Fields of a form that is filled with what is stored, choices by their names."""
    wanted = set(names)
    for field in form:
        if field.name in wanted:
            named = dict(getattr(field, "choices", None) or ())
            value, stored = mine[field.name], field.data or ""
            yield field.label.text, str(named.get(value, value)), str(named.get(stored, stored))

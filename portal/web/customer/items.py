"""Which units come back: rows per line of the order, or products typed in where there is no order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.facts import MERCHANDISE, LineFacts
from portal.core.policy.verdict import Finding, LineOffer, Refused
from portal.core.returns import Step
from portal.core.spans import count
from portal.services import cancellations
from portal.services.cancellations import Around, Choice
from portal.services.filing import returns
from portal.services.handling.confirmation import UNITS_GONE
from portal.web.customer.opened import Opened, elsewhere, go_on, open_return, settled_meanwhile
from portal.web.customer.order import (
    bundle_name,
    cancel_rows,
    chosen,
    is_container,
    names_only,
    objection,
    outcome,
    past_rows,
    place,
    together,
    units_out,
)
from portal.web.forms.cancellations import merged, read_selection
from portal.web.forms.returns import Problem, Read, read_products, read_units
from portal.web.page import gateways, now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import ngettext, words

bp = Blueprint("items", __name__, url_prefix="/r/<uuid:return_id>/items")
BLANK_ROWS = 1


@bp.get("")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.LINES):
        return there
    return _page(opened, _around(opened), problems=_gone(opened))


@bp.post("")
def choose(return_id: UUID) -> Response:
    """Every change is saved; Continue goes on, any other button comes back here."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.LINES):
        return there
    around = _around(opened)
    has_order = opened.view.order is not None
    read = _read(around) if has_order else read_products(request.form)
    try:
        problems = read.problems or _save(opened, around, read)
    except Conflict as error:
        return settled_meanwhile(error, opened)
    if problems:
        return _page(open_return(return_id), _around(opened), read, problems=problems, status=422)
    if not request.form.get("go") and (pressed := _pressed()) is not None:
        return redirect_to(opened.url("customer.items.show") + pressed)
    opened = open_return(return_id)
    around = _around(opened)
    if not opened.view.draft.lines and around.companion is None:
        told = _("Choose at least one item.") if has_order else _("Enter at least one product.")
        first = _first_field(opened, around) if has_order else "name-0"
        return _page(opened, around, read, problems=(Problem(field=first, text=told),), status=422)
    if gone := _gone(opened):
        return _page(opened, around, read, problems=gone, status=422)
    if around.companion is not None and not opened.view.draft.lines:
        return redirect_to(url_for("customer.cancellation.show", return_id=around.companion.draft.id))
    return go_on(return_id)


@bp.post("/saved")
def save(return_id: UUID) -> Response:
    """One stepper moved: saved at once, and answered with the estimate as it is now."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.LINES):
        return there
    around = _around(opened)
    read = _read(around)
    problems = read.problems
    if not problems:
        try:
            problems = _save(opened, around, read)
        except Conflict as error:
            return settled_meanwhile(error, opened)
        opened = open_return(return_id)
        around = _around(opened)
    return _page(
        opened, around, read if problems else None, problems=problems, status=422 if problems else 200
    )


def _around(opened: Opened) -> Around:
    """The order that the return is about: what may be canceled of it, and what happened to it before."""
    return cancellations.around(opened.actor, opened.id, gateways=gateways(), now=now())


@dataclass(frozen=True, kw_only=True)
class BothRead(Read):
    """What the page said of units that come back (``choices``), and of units that never leave."""

    cancel: tuple[Choice, ...] = ()


def _read(around: Around) -> BothRead:
    """Only lines that differ from what the page showed, so that two open tabs do not undo each other."""
    back, out = read_units(request.form), read_selection(request.form) if around.offers else None
    if out is None:
        return BothRead(choices=back.choices, problems=back.problems, values=back.values)
    changed = tuple(
        choice
        for choice in out.choices
        if request.form.get(f"wascancel-{choice.line_id}") != f"{choice.units}{choice.ending}"
    )
    return BothRead(
        choices=back.choices,
        problems=(*back.problems, *out.problems),
        values={**back.values, **out.values},
        cancel=changed,
    )


def _save(opened: Opened, around: Around, read: Read) -> tuple[Problem, ...]:
    """Keep what was chosen; every objection to either part, each at its row."""
    problems: tuple[Problem, ...] = ()
    if read.choices:
        try:
            returns.choose_lines(opened.actor, opened.id, read.choices, now=now(), partly=True)
        except Refused as error:
            problems = _problems(opened, error.verdict.findings)
    if isinstance(read, BothRead) and read.cancel:
        before = chosen(around)
        wanted = merged(before, read.cancel)
        try:
            cancellations.choose(opened.actor, opened.id, wanted, gateways=gateways(), now=now())
        except Refused as error:
            problems += _problems(opened, error.verdict.findings, field="cancel")
    return problems


def _first_field(opened: Opened, around: Around) -> str:
    """The first stepper of the page, or the page itself."""
    for row in items(opened, around, None):
        if row["cancel"] and row["cancel"]["max"]:
            return f"cancel-{row['id']}"
        if row["max"]:
            return f"units-{row['id']}"
    return "main"


def _gone(opened: Opened) -> tuple[Problem, ...]:
    """What is chosen and was taken by somebody else, or canceled, since."""
    return _problems(opened, tuple(f for f in opened.view.verdict.findings if f.code in UNITS_GONE))


def _pressed() -> str | None:
    """Where to come back to, after a button that is not Continue: the place of that button."""
    for button in ("less", "more"):
        if name := request.form.get(button):
            return "#" + name.replace("units-", "item-").replace("cancel-", "item-")
    if "add" in request.form:
        return "?more=1"
    return "" if {"update", "drop"} & set(request.form) else None


def _page(
    opened: Opened,
    around: Around,
    read: Read | None = None,
    *,
    problems: tuple[Problem, ...] = (),
    status: int = 200,
) -> Response:
    opened = together(opened, around)
    shown = items(opened, around, read)
    one_list = bool(around.offers)
    steps = opened.progress(Step.LINES)
    if around.companion is not None and not opened.view.draft.lines:
        steps = [steps[0], steps[-1]]  # what is only canceled has no reason, parcel or way of sending
    return page(
        "customer/items.html",
        fragments=("estimate",),
        also=("banner", "thumb"),
        status=status,
        **opened.context(
            steps=steps,
            items=shown if one_list else [item for item in shown if not item["unsent_only"]],
            unsent=[] if one_list else [item for item in shown if item["unshipped"]],
            mixed=one_list and any(item["cancel"] for item in shown),
            may_return=any(item["max"] for item in shown),
            products=_products(opened, read),
            problems=problems,
            faulty={problem.field for problem in problems},
            counted=counted(opened, around),
            out=outcome(around.companion) if around.companion else None,
            past=past_rows(opened.id, around.past),
            totals=around.totals,
            told_here=request.endpoint == "customer.items.save",
        ),
    )


def counted(opened: Opened, around: Around | None = None) -> dict[str, Any]:
    """How much of the order leaves it, and how much goes back, for the banner."""
    view = opened.view
    out = units_out(around.companion) if around and around.companion else 0
    bought = view.units_ordered - (names_only(view.order) if view.order else 0)
    whole = 0 < bought <= view.draft.units + out
    return {"units": view.draft.units, "out": out, "of": bought, "whole": whole}


def items(opened: Opened, around: Around, read: Read | None) -> list[dict[str, Any]]:
    """The rows of the page: every thing bought, what may leave or come back of it, and why not where not."""
    view = opened.view
    if view.order is None:
        return []
    taken_back = {line.order_line_id: line for line in view.draft.lines}
    cancel = cancel_rows(opened, around, read)
    found = []
    for offer in sorted(view.offers, key=lambda offer: place(view.order, offer.line_id)):
        line = view.order.line(offer.line_id)
        taken = taken_back.get(line.id)
        units = taken.units if taken else 0
        maximum = offer.units if offer.choosable else 0
        found.append(
            {
                "id": line.id,
                "name": line.name,
                "variant": line.variant,
                "picture": line.picture,
                "bought": line.units,
                "paid": line.paid,
                "each": line.paid // line.units if line.units and line.paid % line.units == 0 else None,
                "list": line.goods // line.units if line.units and line.goods % line.units == 0 else None,
                "discounted": line.discount > 0,
                "units": units,
                "value": (read.values.get(f"units-{line.id}") if read else None) or str(units),
                "max": max(maximum, units),
                "until": offer.until if maximum else None,
                "why_not": _why_not(opened, line, offer),
                "by_agent": bool(taken and taken.by_agent),
                "unshipped": offer.unshipped if line.kind == MERCHANDISE else 0,
                "unsent_only": line.kind == MERCHANDISE and not line.shipped and offer.unshipped > 0,
                "only_if_faulty": offer.choosable and any(f.weight == "refused" for f in offer.findings),
                "cancel": cancel.get(line.id),
                "gift": line.gift,
                "service": line.recurs,
                "container": is_container(line, view.order),
                "part_of": bundle_name(line, view.order),
                "canceled": count(line.canceled),
                "ends_on": line.ends_on,
            }
        )
    return found


def _why_not(opened: Opened, line: LineFacts, offer: LineOffer) -> list[str]:
    """Every reason why no unit, or only some, may come back."""
    said = words()
    told = [said.finding(finding, opened.view.draft.currency) for finding in offer.findings]
    if not told and not offer.units and line.kind == MERCHANDISE:
        told.append(_("All units of this are in a return already, or were canceled."))
    return told


def _products(opened: Opened, read: Read | None) -> list[dict[str, str]]:
    """The rows of products typed in: as typed when something is wrong, else as saved; one empty row more."""
    if opened.view.order is not None:
        return []
    if read is not None and read.problems:
        form = request.form
        rows = zip(
            form.getlist("line_id"),
            form.getlist("name"),
            form.getlist("sku"),
            form.getlist("units"),
            strict=False,
        )
        return [{"line_id": i, "name": n, "sku": s, "units": u} for i, n, s, u in rows]
    saved = [
        {"line_id": str(line.id), "name": line.name, "sku": line.sku, "units": str(line.units)}
        for line in opened.view.draft.lines
    ]
    blank = {"line_id": "", "name": "", "sku": "", "units": "1"}
    return [*saved, *([blank] * BLANK_ROWS if not saved or "more" in request.args else [])]


def _problems(opened: Opened, findings: tuple[Finding, ...], *, field: str = "units") -> tuple[Problem, ...]:
    """Each objection at its row, naming the maximum where there is one."""
    names = {line.id: line.name for line in opened.view.order.lines} if opened.view.order else {}
    found = []
    for finding in findings:
        told = words().finding(finding, opened.view.draft.currency)
        maximum = finding.details.get("maximum")
        if field == "cancel":
            told = objection(finding, opened.view.draft.currency)
        elif finding.code == "too_many_units" and isinstance(maximum, int):
            told = ngettext(
                "At most %(n)s unit can be returned.", "At most %(n)s units can be returned.", maximum
            )
        here = told
        if finding.line_id in names:
            told = f"{names[finding.line_id]}: {told}"
        found.append(
            Problem(here=here, field=f"{field}-{finding.line_id}" if finding.line_id else "main", text=told)
        )
    return tuple(found)

"""Which units come back: rows per line of the order, or products typed in where there is no order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.facts import MERCHANDISE, LineFacts
from portal.core.policy.verdict import Finding, LineOffer, Refused
from portal.core.returns import Step
from portal.services import returns
from portal.services.confirmation import UNITS_GONE
from portal.web.customer.opened import Opened, elsewhere, go_on, open_return, settled_meanwhile
from portal.web.forms.returns import Problem, Read, read_products, read_units
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import ngettext, words

bp = Blueprint("items", __name__, url_prefix="/r/<uuid:return_id>/items")
BLANK_ROWS = 1


@bp.get("")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    return elsewhere(opened, Step.LINES) or _page(opened, problems=_gone(opened))


@bp.post("")
def choose(return_id: UUID) -> Response:
    """Every change is saved; Continue goes on, any other button comes back here."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.LINES):
        return there
    has_order = opened.view.order is not None
    read = read_units(request.form) if has_order else read_products(request.form)
    if read.problems:
        return _page(opened, read, problems=read.problems, status=422)
    try:
        if read.choices:
            returns.choose_lines(opened.actor, return_id, read.choices, now=now(), partly=True)
    except Refused as error:
        return _page(opened, read, problems=_problems(opened, error.verdict.findings), status=422)
    except Conflict as error:
        return settled_meanwhile(error, opened)
    if not request.form.get("go") and (pressed := _pressed()) is not None:
        return redirect_to(opened.url("customer.items.show") + pressed)
    opened = open_return(return_id)
    if not opened.view.draft.lines:
        told = _("Choose at least one item.") if has_order else _("Enter at least one product.")
        first = f"units-{opened.view.offers[0].line_id}" if has_order and opened.view.offers else "name-0"
        return _page(opened, read, problems=(Problem(field=first, text=told),), status=422)
    if gone := _gone(opened):
        return _page(opened, read, problems=gone, status=422)
    return go_on(return_id)


@bp.post("/saved")
def save(return_id: UUID) -> Response:
    """One stepper moved: saved at once, and answered with the estimate as it is now."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.LINES):
        return there
    read = read_units(request.form)
    problems = read.problems
    if not problems and read.choices:
        try:
            returns.choose_lines(opened.actor, return_id, read.choices, now=now(), partly=True)
            opened = open_return(return_id)
        except Refused as error:
            problems = _problems(opened, error.verdict.findings)
        except Conflict as error:
            return settled_meanwhile(error, opened)
    return _page(opened, read if problems else None, problems=problems, status=422 if problems else 200)


def _gone(opened: Opened) -> tuple[Problem, ...]:
    """What is chosen and was taken by somebody else, or canceled, since."""
    return _problems(opened, tuple(f for f in opened.view.verdict.findings if f.code in UNITS_GONE))


def _pressed() -> str | None:
    """Where to come back to, after a button that is not Continue: the place of that button."""
    for button in ("less", "more"):
        if name := request.form.get(button):
            return "#" + name.replace("units-", "item-")
    if "add" in request.form:
        return "?more=1"
    return "" if {"update", "drop"} & set(request.form) else None


def _page(
    opened: Opened, read: Read | None = None, *, problems: tuple[Problem, ...] = (), status: int = 200
) -> Response:
    shown = items(opened, read)
    return page(
        "customer/items.html",
        fragments=("estimate",),
        also=("banner", "thumb"),
        status=status,
        **opened.context(
            Step.LINES,
            items=[item for item in shown if not item["unsent_only"]],
            unsent=[item for item in shown if item["unshipped"]],
            products=_products(opened, read),
            problems=problems,
            faulty={problem.field for problem in problems},
            counted=counted(opened),
            told_here=request.endpoint == "customer.items.save",
        ),
    )


def counted(opened: Opened) -> dict[str, Any]:
    """How much of the order goes back, for the banner."""
    view = opened.view
    return {"units": view.draft.units, "of": view.units_ordered, "whole": view.is_whole_order}


def items(opened: Opened, read: Read | None) -> list[dict[str, Any]]:
    """The rows of the page: every thing bought, what may come back of it, and why not where not."""
    view = opened.view
    if view.order is None:
        return []
    chosen = {line.order_line_id: line for line in view.draft.lines}
    found = []
    for offer in view.offers:
        line = view.order.line(offer.line_id)
        taken = chosen.get(line.id)
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


def _problems(opened: Opened, findings: tuple[Finding, ...]) -> tuple[Problem, ...]:
    """Each objection at its row, naming the maximum where there is one."""
    names = {line.id: line.name for line in opened.view.order.lines} if opened.view.order else {}
    found = []
    for finding in findings:
        told = words().finding(finding, opened.view.draft.currency)
        maximum = finding.details.get("maximum")
        if finding.code == "too_many_units" and isinstance(maximum, int):
            told = ngettext(
                "At most %(n)s unit can be returned.", "At most %(n)s units can be returned.", maximum
            )
        if finding.line_id in names:
            told = f"{names[finding.line_id]}: {told}"
        found.append(Problem(field=f"units-{finding.line_id}" if finding.line_id else "main", text=told))
    return tuple(found)

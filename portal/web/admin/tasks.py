"""What a person must look at: opened by the portal, closed with a note on what was done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.services import tasks
from portal.services.tasks import TaskFacts
from portal.web.actor import needs, person
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Tab
from portal.web.forms.admin import ReasonForm
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("tasks", __name__)

PER_PAGE = 50
OF_REFUND = (
    "refund_failed",
    "refund_waits",
    "pay_by_hand",
    "not_authorized",
    "wrong_answer",
    "credit_note_failed",
    "undisputed_waits",
)
"""Kinds whose subject is a refund, which has a page."""
OF_RETURN = ("warehouse_silent", "shipped_after_release", "warehouse_contradicts")
"""Kinds whose subject is a return or a cancellation."""

WITH_RETURN = (*OF_RETURN, "safety_recall", "exchange_wanted")
"""Kinds whose subject has the page of a return."""

OF_DISPUTE = ("dispute_due", "dispute_overdue", "dispute_unpayable", "settlement_canceled")
"""Kinds whose subject is a dispute."""


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One task in words: what it is about, and both sides where two do not agree."""

    task: TaskFacts
    name: str
    told: tuple[tuple[str, str], ...]
    url: str | None


@bp.get("/tasks")
@needs("refunds.read")
def index() -> Response:
    """What is open, or was done, newest first."""
    state = "done" if request.args.get("state") == "done" else "open"
    rows = tasks.listing(
        person(), state=state, after=as_id(request.args.get("after", "")), limit=PER_PAGE + 1
    )
    shown = rows[:PER_PAGE]
    return page(
        "admin/tasks/index.html",
        fragments=("listed",),
        here=request.full_path.rstrip("?"),
        rows=[task_row(row) for row in shown],
        state=state,
        tabs=[
            Tab(
                name=_("Open"),
                url=url_for("admin.tasks.index"),
                current=state == "open",
                count=tasks.count(person()),
            ),
            Tab(name=_("Done"), url=url_for("admin.tasks.index", state="done"), current=state == "done"),
        ],
        may_close=person().may_somewhere("refunds.propose"),
        next_url=url_for("admin.tasks.index", state=state, after=shown[-1].id)
        if len(rows) > PER_PAGE
        else None,
        first_url=url_for("admin.tasks.index", state=state) if request.args.get("after") else None,
    )


@bp.route("/tasks/<uuid:task_id>/closure", methods=["GET", "POST"])
@needs("refunds.propose")
def close(task_id: UUID) -> Response:
    """It is dealt with: how, for the history."""
    task, form = tasks.one(person(), task_id), ReasonForm()
    if form.is_submitted() and form.validate():
        tasks.close(person(), task_id, note=form.reason.data, now=now())
        tell(_("The task is done."))
        return redirect_to(url_for("admin.tasks.index"))
    return page(
        "admin/tasks/close.html",
        row=task_row(task),
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def task_row(task: TaskFacts) -> TaskRow:
    """A task as it is shown."""
    details = task.details
    currency = str(details.get("currency") or "")
    named = (
        ("number", _("Number")),
        ("code", _("Scanned")),
        ("sku", _("SKU")),
        ("units", _("Units")),
        ("provider", _("Payment provider")),
        ("label", _("Payment")),
        ("capture", _("Reference there")),
        ("amount", _("Amount")),
        ("counted", _("Counted against what is left")),
        ("held", _("Held")),
        ("state", _("State")),
        ("reason", _("Reason")),
        ("error", _("Told by the provider")),
        ("ending", _("Code ends in")),
        ("ours", _("Our books")),
        ("theirs", _("Their list")),
    )
    told = [(name, _value(key, details[key], currency)) for key, name in named if details.get(key)]
    if task.kind in OF_RETURN:
        told = [(name, _said(key, details[key])) for key, name in named if details.get(key)]
    return TaskRow(
        task=task,
        name=words().task(task.kind),
        told=tuple(told),
        url=_page_of(task),
    )


def _page_of(task: TaskFacts) -> str | None:
    """Where what it is about stands, if that has a page."""
    if task.kind == "unexpected_goods" and task.details.get("item"):
        may_look = person().may_somewhere("returns.receive")
        return url_for("admin.dock.finding", finding_id=UUID(str(task.details["item"]))) if may_look else None
    if task.subject_id is None:
        return None
    if task.kind in OF_DISPUTE:
        return url_for("admin.disputes.show", dispute_id=task.subject_id)
    if task.kind in WITH_RETURN:
        return url_for("admin.returns.show", return_id=task.subject_id)
    return url_for("admin.refunds.show", refund_id=task.subject_id) if task.kind in OF_REFUND else None


def _said(key: str, value: object) -> str:
    """One detail of what a warehouse said."""
    if key in ("ours", "theirs", "state"):
        return words().state("warehouse", str(value)).name
    return _value(key, value, "")


def _value(key: str, value: object, currency: str) -> str:
    """One detail in words; a side of a difference is all that is known of it."""
    said = words()
    if isinstance(value, Mapping):
        unit = str(value.get("currency") or currency)
        parts: list[Any] = [
            _value(name, part, unit)
            for name, part in value.items()
            if name != "currency" and part not in ("", None)
        ]
        return " · ".join(str(part) for part in parts)
    if isinstance(value, int) and not isinstance(value, bool) and currency and len(currency) == 3:
        return said.money(value, currency)
    if key == "provider":
        return said.provider(str(value))
    if key in ("error", "reason"):
        return said.refusal(str(value))
    return str(value)

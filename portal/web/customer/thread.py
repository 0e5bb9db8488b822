"""What customer and shop write to each other about a return: read and answered without an account."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, request
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import Conflict
from portal.core.facts import CANCELLATIONS
from portal.services.handling import requests
from portal.services.talking import threads
from portal.services.talking.threads import LONGEST, Attached, EntryFacts
from portal.web import uploads
from portal.web.customer.opened import Opened, open_return
from portal.web.extensions import limiter
from portal.web.forms.returns import Problem, as_id
from portal.web.page import now, page, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("thread", __name__, url_prefix="/r/<uuid:return_id>/messages")

FORMS = ("answer-form", "write", "compose", "ask", "notes")
"""The forms of a thread, the customer's and those at the desk."""

CLOSED = ("draft",)
"""States in which there is nobody to write to yet."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One entry as the customer sees it."""

    entry: EntryFacts
    mine: bool
    asked: tuple[str, ...]
    """Of a request: which items photos are wanted of."""
    standing: str
    """What became of a request, in words; empty for a message."""


def context(opened: Opened, **more: Any) -> dict[str, Any]:
    """What ``customer/_thread.html`` shows: on the status page and on the page of the thread alone."""
    thread = threads.of_return(opened.actor, opened.id)
    names = {line.id: line.name for line in opened.view.draft.lines}
    asked = thread.request
    return {
        "thread": thread,
        "entries": [_shown(entry, names) for entry in thread.entries],
        "asked": asked,
        "asked_by": last_day(asked.due_at) if asked and asked.due_at else None,
        "asked_lines": [(line_id, names[line_id]) for line_id in asked.line_ids if line_id in names]
        if asked and "photo" in asked.asks
        else [],
        "may_write": opened.view.draft.state not in CLOSED,
        "longest": LONGEST,
        "most_photos": uploads.MOST_FILES,
        "nonces": (secrets.token_urlsafe(24), secrets.token_urlsafe(24)),
        "fields_kept": kept_fields(),
        "written": {},
        "problems": [],
        "told": {},
        **more,
    }


def kept_fields() -> dict[str, tuple[str, ...]]:
    """Which forms of the thread stay as they are while htmx replaces what is around them, and which photos.

    What was typed stays in every form but the one that was sent; chosen photos also in that one, until they are
    taken: nobody but the person at the browser can choose them again.
    """
    if not wants_fragment() or request.headers.get("HX-Target") != "thread":
        return {"forms": (), "photos": ()}
    sent = request.headers.get("HX-Trigger", "").removesuffix("-form") or "none"
    forms = tuple(one for one in FORMS if one.removesuffix("-form") != sent)
    return {"forms": forms, "photos": FORMS if request.method == "POST" else ()}


def last_day(due_at: datetime) -> datetime:
    """A moment of the last day on which an answer counts."""
    return due_at - timedelta(seconds=1)


def _shown(entry: EntryFacts, names: Mapping[UUID, str]) -> Shown:
    standing = ""
    if entry.kind == "request":
        day = words().day(last_day(entry.due_at), weekday=True) if entry.due_at else ""
        standing = {
            "": _("Please answer by %(day)s.", day=day),
            "answered": _("You have answered."),
            "withdrawn": _("You do not have to answer any more."),
            "decided": _("You do not have to answer any more."),
            "expired": _("There was no answer by %(day)s.", day=day),
        }[entry.outcome]
    return Shown(
        entry=entry,
        mine=entry.kind == "customer",
        asked=tuple(names[line_id] for line_id in entry.line_ids if line_id in names),
        standing=standing,
    )


@bp.get("")
def show(return_id: UUID) -> AnyResponse:
    """The thread as a page of its own; the status page shows it too."""
    return _page(open_return(return_id))


@bp.post("")
@limiter.limit("30/hour")
def write(return_id: UUID) -> AnyResponse:
    """A message to the shop, with or without photos."""
    opened = open_return(return_id)
    attached, problem = _attached("photos")
    if problem is None:
        try:
            threads.write(
                opened.actor, return_id, request.form.get("message", ""), nonce=_nonce(), attached=attached,
                folder=_folder(), now=now(),
            )  # fmt: skip
        except Conflict as conflict:
            problem = words().conflict(conflict.code, conflict.details)
        else:
            tell(_("We have your message and answer by e-mail."))
            return _back(opened)
    return _page(opened, field="message", problem=problem)


@bp.post("/<uuid:request_id>/answer")
@limiter.limit("30/hour")
def answer(return_id: UUID, request_id: UUID) -> AnyResponse:
    """The answer to what the shop asked: words, photos of the items it named, or both."""
    opened = open_return(return_id)
    attached: list[Attached] = []
    problem = None
    for name in request.files:
        found, problem = _attached(name, line_id=as_id(name.removeprefix("photos-")))
        attached += found
        if problem is not None:
            break
    if problem is None:
        try:
            in_time = requests.answer(
                opened.actor, return_id, request_id, request.form.get("answer", ""), nonce=_nonce(),
                attached=attached, folder=_folder(), now=now(),
            )  # fmt: skip
        except Conflict as conflict:
            problem = words().conflict(conflict.code, conflict.details)
        else:
            if in_time:
                tell(_("Thank you. We have your answer and go on with your return."))
            elif _was_over(opened, request_id):
                tell(_("The time to answer was over. We have your message all the same."), "wait")
            else:
                tell(_("We have your message and answer by e-mail."))
            return _back(opened)
    return _page(opened, field="answer", problem=problem)


def _was_over(opened: Opened, request_id: UUID) -> bool:
    """Whether the last day had passed; else it was withdrawn, decided, or answered elsewhere."""
    entries = threads.of_return(opened.actor, opened.id).entries
    return any(one.id == request_id and one.outcome in ("", "expired") for one in entries)


@bp.post("/read")
def read(return_id: UUID) -> AnyResponse:
    """What was shown has been seen."""
    opened = open_return(return_id)
    threads.mark_read(opened.actor, return_id, upto=as_id(request.form.get("upto", "")), now=now())
    return Response(status=204) if wants_fragment() else _back(opened)


def _attached(name: str, *, line_id: UUID | None = None) -> tuple[list[Attached], str | None]:
    """The photos of one field, or what is wrong with them."""
    try:
        return [(content, line_id) for content in uploads.contents(request.files.getlist(name))], None
    except uploads.TooLarge:
        return [], _("This photo is larger than 10 MB. Choose a smaller one.")
    except uploads.TooMany:
        return [], _("Choose at most %(maximum)s photos at once.", maximum=uploads.MOST_FILES)


def _nonce() -> str | None:
    return request.form.get("nonce", "")[:40] or None


def _folder() -> Any:
    return current_app.config["SETTINGS"].upload_dir


def _back(opened: Opened) -> AnyResponse:
    there = "thread.show" if opened.view.draft.kind in CANCELLATIONS else "status.show"
    return redirect_to(opened.url(f"customer.{there}", _anchor="thread"))


def _page(opened: Opened, *, field: str = "", problem: str | None = None) -> Response:
    more: dict[str, Any] = {}
    if problem is not None:
        more = {
            "written": {field: request.form.get(field, "")},
            "problems": [Problem(field=field, text=problem)],
            "told": {field: problem},
        }
    return page(
        "customer/thread.html",
        fragments=("thread",),
        status=422 if problem is not None else 200,
        **opened.context(**context(opened, **more)),
    )

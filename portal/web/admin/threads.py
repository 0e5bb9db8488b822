"""The thread of a return at the desk: messages, notes among colleagues, questions with a last day, ready texts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.core.facts import CANCELLATIONS
from portal.services.filing import returns
from portal.services.filing.returns import Page
from portal.services.handling import requests
from portal.services.talking import canned, threads
from portal.services.talking.threads import LONGEST, EntryFacts
from portal.web import uploads
from portal.web.actor import by_itself, needs, person
from portal.web.admin import stale
from portal.web.customer.thread import kept_fields, last_day
from portal.web.forms.returns import Problem, as_id, whole
from portal.web.page import now, page, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("threads", __name__)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One entry as people see it."""

    entry: EntryFacts
    who: str
    asked: tuple[str, ...]
    standing: str
    tone: str


def context(actor: Actor, view: Page, **more: Any) -> dict[str, Any]:
    """What ``admin/threads/_thread.html`` shows, as ``talk``; the caller has passed the gate."""
    draft = view.draft
    thread = threads.of_return(actor, draft.id)
    names = {line.id: line.name for line in draft.lines}
    may_write = draft.state != "draft" and actor.may("messages.send", draft.merchant_id)
    ready = canned.listing(actor, merchant_id=draft.merchant_id) if may_write else ()
    language = canned.spoken(draft.language)
    return {
        "talk": {
            "id": draft.id,
            "entries": [_shown(entry, names, draft.name) for entry in thread.entries],
            "unread": thread.unread,
            "seen": thread.entries[-1].id if thread.entries else UUID(int=0),
            "of_lines": thread.of_lines,
            "kept": kept_fields(),
            "request": thread.request,
            "may_write": may_write,
            "may_ask": may_write
            and thread.request is None
            and draft.state in requests.ASKABLE
            and draft.kind not in CANCELLATIONS,
            "holds": draft.state == "requested",
            "canned": ready,
            "in_language": {one.id: language in one.texts for one in ready},
            "to": draft.email,
            "language": language,
            "lines": [(str(line.id), line.name) for line in draft.lines],
            "days": view.terms.info_days,
            "most_days": requests.MOST_DAYS,
            "longest": LONGEST,
            "version": draft.version,
            "nonces": tuple(secrets.token_urlsafe(24) for _n in range(3)),
            "written": {},
            "chosen": (),
            "used": None,
            "missing": None,
            "problems": [],
            "told": {},
            **more,
        }
    }


def _shown(entry: EntryFacts, names: Mapping[UUID, str], customer: str) -> Shown:
    standing, tone = "", "quiet"
    if entry.kind == "request":
        day = words().day(last_day(entry.due_at), weekday=True) if entry.due_at else ""
        standing, tone = {
            "": (_("Waits for an answer until %(day)s", day=day), "wait"),
            "answered": (_("Answered"), "good"),
            "withdrawn": (_("Withdrawn"), "quiet"),
            "decided": (_("Decided without an answer"), "quiet"),
            "expired": (_("No answer in time"), "bad"),
        }[entry.outcome]
    who = entry.author_name or customer
    if entry.kind == "customer":
        who = _("%(name)s (customer)", name=who)
    elif entry.author_name in ("", "system"):
        who = _("Portal")
    return Shown(
        entry=entry,
        who=who,
        asked=tuple(names[line_id] for line_id in entry.line_ids if line_id in names),
        standing=standing,
        tone=tone,
    )


@bp.get("/returns/<uuid:return_id>/messages")
@needs("returns.read")
def show(return_id: UUID) -> AnyResponse:
    """The thread as a page of its own; the page of the return shows it too."""
    return _page(_view(return_id))


@bp.post("/returns/<uuid:return_id>/messages")
@needs("messages.send")
def write(return_id: UUID) -> AnyResponse:
    """A message to the customer; or, with the button beside the ready texts, one of them put into the field."""
    view = _view(return_id)
    if "insert" in request.form:
        return _inserted(view)
    try:
        attached = [(content, None) for content in uploads.contents(request.files.getlist("photos"))]
        threads.write(
            person(), return_id, request.form.get("message", ""), kind="agent", nonce=_nonce(), now=now(),
            attached=attached, folder=_folder(), canned_id=as_id(request.form.get("used", "")),
            seen=as_id(request.form.get("seen", "")),
        )  # fmt: skip
    except Conflict as conflict:
        return _refused(view, "message", words().conflict(conflict.code, conflict.details))
    except uploads.TooLarge:
        return _refused(view, "message", _("This photo is larger than 10 MB. Choose a smaller one."))
    except uploads.TooMany:
        many = _("Choose at most %(maximum)s photos at once.", maximum=uploads.MOST_FILES)
        return _refused(view, "message", many)
    tell(_("Sent. The customer gets it by e-mail and sees it on the status page."))
    return _back(view)


@bp.post("/returns/<uuid:return_id>/notes")
@needs("returns.read")
def note(return_id: UUID) -> AnyResponse:
    """A note among colleagues."""
    view = _view(return_id)
    try:
        threads.write(
            person(), return_id, request.form.get("note", ""), kind="note", nonce=_nonce(), now=now()
        )
    except Conflict as conflict:
        return _refused(view, "note", words().conflict(conflict.code, conflict.details))
    tell(_("Kept as a note. The customer does not see it."))
    return _back(view)


@bp.post("/returns/<uuid:return_id>/questions")
@needs("messages.send")
def ask(return_id: UUID) -> AnyResponse:
    """Ask the customer for an answer or photos, until a day."""
    view = _view(return_id)
    lines = [line_id for text in request.form.getlist("lines") if (line_id := as_id(text)) is not None]
    days = whole(request.form.get("days", ""))
    try:
        if days is None:
            raise Conflict("days_out_of_range", maximum=requests.MOST_DAYS)
        requests.ask(
            person(), return_id, request.form.get("question", ""), asks=request.form.getlist("asks"),
            line_ids=lines, days=days, nonce=_nonce(), now=now(), version=whole(request.form.get("version", "")),
        )  # fmt: skip
    except Conflict as conflict:
        field = {"days_out_of_range": "days", "nothing_asked": "asks"}.get(conflict.code, "question")
        return _refused(view, field, words().conflict(conflict.code, conflict.details))
    except Stale:
        return _changed_meanwhile(return_id)
    tell(_("Asked. The customer is told by e-mail and reminded once."))
    return _back(view)


@bp.post("/returns/<uuid:return_id>/questions/<uuid:entry_id>/withdrawal")
@needs("messages.send")
def withdraw(return_id: UUID, entry_id: UUID) -> AnyResponse:
    """Nothing is asked any more; the customer is told."""
    view = _view(return_id)
    requests.withdraw(person(), return_id, entry_id, now=now())
    tell(_("The question is withdrawn, and the customer is told."), "info")
    return _back(view)


@bp.post("/returns/<uuid:return_id>/messages/read")
@needs("returns.read")
@by_itself
def read(return_id: UUID) -> AnyResponse:
    """What the customer wrote, as far as it was shown, has been seen."""
    threads.mark_read(person(), return_id, upto=as_id(request.form.get("upto", "")), now=now())
    if wants_fragment():
        return Response(status=204)
    return redirect_to(url_for("admin.returns.show", return_id=return_id, _anchor="thread"))


def _changed_meanwhile(return_id: UUID) -> Response:
    """What was asked beside the return as it is now: nothing that was typed is lost."""
    there = returns.page(person(), return_id, now=now()).draft
    waits = words().state("return", "needs_info" if there.state == "requested" else there.state).name
    question = (_("What do you need to know?"), request.form.get("question", ""), "")
    return stale.refused(
        shown=[question, (_("State"), waits, words().state("return", there.state).name)],
        version=there.version,
        instead=url_for("admin.returns.show", return_id=return_id),
        subject_id=return_id,
    )


def _inserted(view: Page) -> AnyResponse:
    """The ready text behind what was typed; a note where the customer's language has none."""
    answer_id = as_id(request.form.get("canned", ""))
    typed = request.form.get("message", "").rstrip()
    if answer_id is None:
        return _refused(view, "message", _("Choose a ready text first."))
    found = canned.filled(person(), answer_id, view.draft.id)
    said = words()
    missing = (
        _(
            "This text is not there in %(wanted)s: you see it in %(language)s. Translate it before you send it.",
            wanted=said.language_name(found.wanted),
            language=said.language_name(found.language),
        )
        if found.is_missing
        else None
    )
    text = f"{typed}\n\n{found.text}" if typed else found.text
    return _page(view, written={"message": text}, used=answer_id, missing=missing)


def _refused(view: Page, field: str, problem: str) -> AnyResponse:
    """The page again with what was typed and what is wrong with it."""
    return _page(
        view,
        status=422,
        written={name: request.form.get(name, "") for name in ("message", "note", "question", "days")},
        chosen=(*request.form.getlist("asks"), *request.form.getlist("lines")),
        used=as_id(request.form.get("used", "")),
        problems=[Problem(field=field, text=problem)],
        told={field: problem},
    )


def _view(return_id: UUID) -> Page:
    """Raises ``NotFound``, ``NotAllowed``."""
    view = returns.page(person(), return_id, now=now())
    if not person().may("returns.read", view.draft.merchant_id):
        raise NotFound
    speak(zone=view.merchant.zone)
    return view


def _page(view: Page, *, status: int = 200, **more: Any) -> Response:
    return page(
        "admin/threads/show.html",
        fragments=("thread", "entries"),
        status=status,
        draft=view.draft,
        shop=view.merchant,
        **context(person(), view, **more),
    )


def _back(view: Page) -> AnyResponse:
    """For htmx the thread alone, else where it stands: on the return's page."""
    if wants_fragment() or view.draft.kind in CANCELLATIONS:
        return redirect_to(url_for("admin.threads.show", return_id=view.draft.id))
    return redirect_to(url_for("admin.returns.show", return_id=view.draft.id, _anchor="thread"))


def _nonce() -> str | None:
    return request.form.get("nonce", "")[:40] or None


def _folder() -> Any:
    return current_app.config["SETTINGS"].upload_dir

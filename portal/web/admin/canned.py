"""Canned answers: the list with its search, and the form with one text per language."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound, Stale
from portal.core.placeholders import NAMES
from portal.services import merchants
from portal.services.talking import canned
from portal.services.talking.canned import CannedFacts
from portal.services.talking.threads import LONGEST
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.forms.returns import Problem, whole
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import words
from portal.words import LANGUAGES

bp = Blueprint("canned", __name__)


@dataclass(frozen=True, kw_only=True)
class Text:
    """The text of one language as the form shows it."""

    field: str
    language: str
    name: str
    value: str


@bp.get("/answers")
@needs("answers.edit")
def index() -> Response:
    """Every ready text of my shops; what is looked for stands in the address."""
    query = request.args.get("q", "").strip()[:200]
    return page(
        "admin/canned/index.html",
        fragments=("rows",),
        rows=canned.listing(person(), query=query),
        columns=(
            Column(name=_("Ready text")),
            Column(name=_("Languages")),
            Column(name=_("Used"), number=True),
            Column(name=_("Changed")),
            Column(name=_("Shop")),
        ),
        tabs=tabs("canned"),
        query=query,
    )


def tabs(current: str) -> tuple[Tab, ...]:
    """Ready texts and playbooks belong together."""
    return (
        Tab(name=_("Ready texts"), url=url_for("admin.canned.index"), current=current == "canned"),
        Tab(name=_("Playbooks"), url=url_for("admin.playbooks.index"), current=current == "playbooks"),
    )


@bp.route("/answers/new", methods=["GET", "POST"])
@needs("answers.edit")
def new() -> Response:
    """Write a new one, for one of the shops whose answers this person looks after."""
    shops = [one for one in merchants.of_actor(person()) if person().may("answers.edit", one.id)]
    asked = as_id(request.values.get("merchant", ""))
    shop = next((one for one in shops if asked in (None, one.id)), None)
    if shop is None:
        raise NotFound
    if request.method == "GET":
        return _form(None, shops=shops, merchant_id=shop.id)
    try:
        canned.save(
            person(), merchant_id=shop.id, name=request.form.get("name", ""), texts=_texts(), now=now()
        )
    except Conflict as conflict:
        return _form(None, shops=shops, merchant_id=shop.id, conflict=conflict)
    tell(_("Saved. It is offered wherever a message is written."))
    return redirect_to(url_for("admin.canned.index"))


@bp.route("/answers/<uuid:answer_id>", methods=["GET", "POST"])
@needs("answers.edit")
def edit(answer_id: UUID) -> Response:
    """Change one as it was last seen."""
    found = _found(answer_id)
    if request.method == "GET":
        return _form(found)
    try:
        canned.save(
            person(), merchant_id=found.merchant_id, answer_id=answer_id, name=request.form.get("name", ""),
            texts=_texts(), version=_version(), now=now(),
        )  # fmt: skip
    except Conflict as conflict:
        return _form(found, conflict=conflict)
    except Stale:
        there, mine = canned.read(person(), answer_id), _texts()
        shown = [(_("Name"), request.form.get("name", ""), there.name)]
        shown += [
            (words().language_name(one), mine.get(one, ""), there.texts.get(one, "")) for one in LANGUAGES
        ]
        return stale.refused(
            shown=shown,
            version=there.version,
            instead=url_for("admin.canned.edit", answer_id=answer_id),
            subject_id=answer_id,
        )
    tell(_("Saved. It is offered wherever a message is written."))
    return redirect_to(url_for("admin.canned.index"))


@bp.post("/answers/<uuid:answer_id>/removal")
@needs("answers.edit")
def remove(answer_id: UUID) -> Response:
    """Delete it; what was sent with it stays."""
    canned.remove(person(), answer_id, now=now())
    tell(_("Deleted. What was sent with it stays as it is."), "info")
    return redirect_to(url_for("admin.canned.index"))


def _found(answer_id: UUID) -> CannedFacts:
    found = canned.read(person(), answer_id)
    if not person().may("answers.edit", found.merchant_id):
        raise NotFound
    return found


def _texts() -> dict[str, str]:
    return {one: request.form.get(f"text-{one}", "").replace("\r\n", "\n") for one in LANGUAGES}


def _version() -> int | None:
    return whole(request.form.get("version", ""))


def _form(
    found: CannedFacts | None,
    *,
    shops: Any = (),
    merchant_id: UUID | None = None,
    conflict: Conflict | None = None,
) -> Response:
    typed = request.method == "POST"
    texts = _texts() if typed else found.texts if found else {}
    problems = (
        [Problem(field=_field(conflict), text=words().conflict(conflict.code, conflict.details))]
        if conflict
        else []
    )
    return page(
        "admin/canned/form.html",
        status=422 if conflict else 200,
        found=found,
        action=url_for("admin.canned.edit", answer_id=found.id) if found else url_for("admin.canned.new"),
        name=request.form.get("name", "") if typed else found.name if found else "",
        version=request.form.get("version", "") if typed else found.version if found else "",
        texts=[
            Text(field=f"text-{one}", language=one, name=words().language_name(one), value=texts.get(one, ""))
            for one in LANGUAGES
        ],
        shops=shops,
        merchant_id=merchant_id,
        problems=problems,
        told={one.field: one.text for one in problems},
        placeholders=placeholders(),
        longest=LONGEST,
        longest_name=canned.LONGEST_NAME,
    )


def _field(conflict: Conflict) -> str:
    if conflict.code in ("name_missing", "name_taken"):
        return "name"
    return f"text-{conflict.details.get('language') or next(iter(LANGUAGES))}"


def placeholders() -> list[tuple[str, str]]:
    """What may stand in a text, and what it stands for."""
    said = {
        "name": _("the customer's name"),
        "number": _("the return's number"),
        "order": _("the order's number"),
        "agent": _("your own name"),
        "merchant": _("the name of the shop"),
    }
    return [(f"{{{one}}}", said[one]) for one in NAMES]

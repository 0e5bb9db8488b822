"""Why each item comes back, in what condition, and the photos that a reason asks for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, current_app, request
from werkzeug.wrappers import Response as AnyResponse

from portal.core import returns as returning
from portal.core.access import Conflict, NotFound
from portal.core.policy.rules import needs_photo
from portal.core.reasons import REASONS
from portal.core.returns import DraftLine, Step
from portal.services import photos
from portal.services.filing import returns
from portal.web import uploads
from portal.web.customer.opened import Opened, elsewhere, go_on, open_return, settled_meanwhile
from portal.web.extensions import limiter
from portal.web.forms.returns import Problem, Read, as_id, conditions, read_answers, reason_groups
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import ngettext, words

bp = Blueprint("reasons", __name__, url_prefix="/r/<uuid:return_id>/reasons")


@bp.get("")
def show(return_id: UUID) -> AnyResponse:
    opened = open_return(return_id)
    return elsewhere(opened, Step.SURVEY) or _page(opened)


@bp.post("")
@limiter.limit("120/minute")
def answer(return_id: UUID) -> AnyResponse:
    """All answers and photos of the page at once; nothing that fits is lost when something else does not."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.SURVEY):
        return there
    lines = tuple(line.id for line in opened.view.draft.lines)
    read = read_answers(request.form, lines)
    problems = list(read.problems)
    try:
        returns.answer(opened.actor, return_id, read.choices, now=now())
        for line_id in lines:
            problems += _take_photos(opened, line_id)
        if (gone := as_id(request.form.get("remove", ""))) is not None:
            _remove(opened, gone)
    except Conflict as error:
        return settled_meanwhile(error, opened)
    opened = open_return(return_id)
    if "remove" in request.form or "add" in request.form:
        if problems:
            return _page(opened, read, problems=problems, status=422)
        place = request.form.get("add") or request.form.get("line") or ""
        return redirect_to(
            opened.url("customer.reasons.show") + (f"#item-{as_id(place)}" if as_id(place) else "")
        )
    problems += [problem for line in opened.view.draft.lines for problem in _missing(opened, line)]
    if problems:
        return _page(opened, read, problems=problems, status=422)
    return go_on(return_id)


@bp.post("/<uuid:line_id>")
def save(return_id: UUID, line_id: UUID) -> AnyResponse:
    """One answer of one item changed: saved at once, answered with what this reason asks further."""
    opened, line = _line(return_id, line_id)
    if there := elsewhere(opened, Step.SURVEY):
        return there
    read = read_answers(request.form, (line.id,))
    given = read.choices[0]
    if f"note-{line_id}" not in request.form:
        given = returns.SurveyAnswer(
            line_id=line.id, reason=given.reason, condition=given.condition, note=line.note
        )
    try:
        returns.answer(opened.actor, return_id, (given,), now=now())
    except Conflict as error:
        return settled_meanwhile(error, opened)
    return _part(return_id, line_id)


@bp.post("/<uuid:line_id>/photos")
@limiter.limit("60/minute")
def add(return_id: UUID, line_id: UUID) -> AnyResponse:
    """Photos chosen: taken one by one, each told when it cannot be."""
    opened, line = _line(return_id, line_id)
    if there := elsewhere(opened, Step.SURVEY):
        return there
    try:
        problems = _take_photos(opened, line.id)
    except Conflict as error:
        return settled_meanwhile(error, opened)
    return _part(return_id, line_id, problems=problems)


@bp.post("/<uuid:line_id>/photos/<uuid:photo_id>/removal")
def remove(return_id: UUID, line_id: UUID, photo_id: UUID) -> AnyResponse:
    opened, _line_of = _line(return_id, line_id)
    if there := elsewhere(opened, Step.SURVEY):
        return there
    try:
        _remove(opened, photo_id)
    except Conflict as error:
        return settled_meanwhile(error, opened)
    return _part(return_id, line_id)


@bp.get("/photos/<uuid:photo_id>")
def photo(return_id: UUID, photo_id: UUID) -> Response:
    """One photo, for whoever holds a link to this return; never as a page of its own."""
    opened = open_return(return_id)
    content = photos.read(opened.actor, return_id, photo_id, folder=_folder())
    response = Response(content, mimetype="image/jpeg")
    response.headers["Content-Disposition"] = f'inline; filename="photo-{photo_id.hex[-6:]}.jpg"'
    response.headers["Cache-Control"] = "private, max-age=600"
    return response


def _folder() -> Any:
    return current_app.config["SETTINGS"].upload_dir


def _line(return_id: UUID, line_id: UUID) -> tuple[Opened, DraftLine]:
    opened = open_return(return_id)
    line = next((line for line in opened.view.draft.lines if line.id == line_id), None)
    if line is None:
        raise NotFound
    return opened, line


def _take_photos(opened: Opened, line_id: UUID) -> list[Problem]:
    """Keep every photo that can be kept; what is wrong with the others. Raises ``Conflict`` where all is settled."""
    problems: list[str] = []
    try:
        for content in uploads.contents(request.files.getlist(f"photos-{line_id}")):
            try:
                photos.add(opened.actor, opened.id, line_id, content, folder=_folder(), now=now())
            except Conflict as error:
                if error.code in ("not_a_draft", "locked"):
                    raise
                problems.append(words().conflict(error.code, error.details))
    except uploads.TooLarge:
        problems.append(_("This photo is larger than 10 MB. Choose a smaller one."))
    except uploads.TooMany:
        problems.append(_("Choose at most %(maximum)s photos at once.", maximum=uploads.MOST_FILES))
    return [Problem(field=f"photos-{line_id}", text=text) for text in dict.fromkeys(problems)]


def _remove(opened: Opened, photo_id: UUID) -> None:
    photos.remove(opened.actor, opened.id, photo_id, folder=_folder(), now=now())


def _missing(opened: Opened, line: DraftLine) -> list[Problem]:
    """What this item still needs before the return can go on."""
    found = []
    reason = REASONS.get(line.reason or "")
    if reason is None:
        found.append(Problem(field=f"reason-{line.id}", text=_("%(item)s: choose a reason.", item=line.name)))
    if line.condition is None:
        found.append(
            Problem(field=f"condition-{line.id}", text=_("%(item)s: choose its condition.", item=line.name))
        )
    if reason and reason.note_required and not line.note.strip():
        found.append(Problem(field=f"note-{line.id}", text=_("%(item)s: write a few words.", item=line.name)))
    if returning.needs_photo(line, opened.view.terms):
        found.append(
            Problem(field=f"photos-{line.id}", text=_("%(item)s: add a photo that shows it.", item=line.name))
        )
    stopped = [f for f in opened.view.verdict.of(line.order_line_id or line.id) if f.weight == "refused"]
    for finding in stopped:
        if finding.code in ("window_expired", "final_sale"):
            told = words().finding(finding, opened.view.draft.currency)
            found.append(Problem(field=f"reason-{line.id}", text=f"{line.name}: {told}"))
    return found


def _context(opened: Opened, read: Read | None, problems: list[Problem]) -> dict[str, Any]:
    terms = opened.view.terms
    by_field: dict[str, str] = {}
    for problem in problems:
        by_field.setdefault(problem.field, problem.text)
    photo_reasons = [code for code in REASONS if needs_photo(code, terms)]
    return opened.context(
        Step.SURVEY,
        groups=reason_groups(),
        conditions=conditions(),
        lines=[_item(opened, line, read) for line in opened.view.draft.lines],
        problems=problems,
        told=by_field,
        photo_reasons=words().join(f"“{words().reason(code)}”" for code in photo_reasons),
        max_photos=terms.max_photos,
    )


def _item(opened: Opened, line: DraftLine, read: Read | None) -> dict[str, Any]:
    values = read.values if read else {}
    reason = REASONS.get(line.reason or "")
    room = opened.view.terms.max_photos - len(line.photos)
    return {
        "id": line.id,
        "name": line.name,
        "variant": line.variant,
        "picture": line.picture,
        "units": line.units,
        "reason": line.reason or "",
        "condition": line.condition or "",
        "note": values.get(f"note-{line.id}", line.note),
        "note_needed": bool(reason and reason.note_required),
        "photos": line.photos,
        "photo_needed": line.photo_asked or needs_photo(line.reason, opened.view.terms),
        "room": max(0, room),
        "room_text": ngettext(
            "You can add %(n)s more photo.", "You can add %(n)s more photos.", max(0, room)
        ),
    }


def _page(
    opened: Opened, read: Read | None = None, *, problems: list[Problem] | None = None, status: int = 200
) -> AnyResponse:
    return page("customer/reasons.html", status=status, **_context(opened, read, problems or []))


def _part(return_id: UUID, line_id: UUID, *, problems: list[Problem] | None = None) -> AnyResponse:
    """The part of one item that depends on its reason, with the estimate; the whole page without htmx."""
    opened = open_return(return_id)
    context = _context(opened, None, problems or [])
    item = next(item for item in context["lines"] if item["id"] == line_id)
    return page(
        "customer/reasons.html",
        fragments={f"ask-{line_id}": "ask", f"need-{line_id}": "need"},
        also=("estimate", "thumb"),
        status=422 if problems else 200,
        **context,
        item=item,
    )

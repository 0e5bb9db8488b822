"""The same step for many returns of a list, and a page that says what became of each."""

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.core.reasons import DECLINE_REASONS
from portal.services.handling import assigning, bulk
from portal.services.handling.bulk import ACTIONS, MOST, UNDONE, Result
from portal.web.actor import needs, person
from portal.web.admin.deciding import grace
from portal.web.admin.shapes import Column
from portal.web.forms.admin import as_number
from portal.web.page import gateways, now, page
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("bulk", __name__)


@bp.post("/returns/bulk")
@needs("returns.read")
def ask() -> Response:
    """What shall become of the chosen returns: the actions with what each of them needs."""
    ids = _ids()
    return _asked(ids) if ids else _asked(ids, problem=_("Choose returns first."), status=422)


@bp.post("/returns/bulk/<string:action>")
@needs("returns.read")
def run(action: str) -> Response:
    """Do it to all that were chosen; each row is done, or says why not."""
    if action not in ACTIONS:
        raise NotFound
    ids, typed = _ids(), request.form
    if not ids:
        return _asked(ids, problem=_("Choose returns first."), status=422)
    try:
        results = bulk.run(
            person(),
            action,
            ids,
            now=now(),
            reason=typed.get("reason", ""),
            message=typed.get("message", "").strip()[:2000],
            person_id=_id(typed.get("person", "")),
            tag=typed.get("tag", ""),
            versions=_versions(ids),
            grace=grace(),
        )
    except Conflict as conflict:
        told = {
            "unknown_reason": _("Choose a reason"),
        }.get(conflict.code) or words().conflict(conflict.code, conflict.details)
        at = {"unknown_reason": "reason", "tag_empty": "tag"}.get(conflict.code, "")
        return _asked(ids[:MOST], problem=told, at=at, status=422)
    done = [one for one in results if one.done]
    return page(
        "admin/returns/bulk_done.html",
        title=_titles()[action],
        rows=[(one, why(one)) for one in results],
        done=len(done),
        failed=len(results) - len(done),
        undo=[(one.return_id, one.version) for one in done] if action in UNDONE else [],
        labels=[one.return_id for one in done] if action == "labels" else [],
        columns=(Column(name=_("Return")), Column(name=_("Result"))),
    )


@bp.post("/returns/bulk/labels.pdf")
@needs("returns.read")
def labels() -> Response:
    """The labels of all that were chosen as one file: a page of the label printer for each."""
    made = bulk.labels(person(), _ids(), gateways=gateways(), language=words().language)
    return Response(
        made.content,
        content_type=made.media_type,
        headers={"Content-Disposition": 'inline; filename="labels.pdf"'},
    )


def why(one: Result) -> str:
    """Why it was not done, in words; empty where it was."""
    said = words()
    if one.done:
        return ""
    if one.findings:
        return " ".join(dict.fromkeys(said.finding(finding) for finding in one.findings))
    if one.code == "not_found":
        return _("Not found")
    if one.code == "not_allowed":
        return _("You may not do this; a supervisor may.")
    if one.code in ("illegal_step", "decided_already"):
        state = said.state(str(one.details.get("lifecycle", "return")), str(one.details["state"])).name
        return _("That is not possible: it is now “%(state)s”.", state=state)
    return said.conflict(one.code, one.details)


def _titles() -> dict[str, str]:
    return {
        "approve": _("Approve returns"),
        "decline": _("Decline returns"),
        "undo": _("Take decisions back"),
        "assign": _("Assign returns"),
        "tag": _("Tag returns"),
        "labels": _("Print labels"),
        "resend": _("Send e-mails again"),
    }


def _asked(ids: Sequence[UUID], *, problem: str = "", at: str = "", status: int = 200) -> Response:
    return page(
        "admin/returns/bulk.html",
        ids=ids,
        offered=bulk.offered(person()),
        reasons=[(code, words().decline_reason(code)) for code in DECLINE_REASONS],
        people=assigning.everybody(person()),
        problem=problem,
        at=at,
        typed={name: request.form.get(name, "") for name in ("reason", "message", "person", "tag")},
        back=url_for("admin.returns.index"),
        status=status,
    )


def _ids() -> list[UUID]:
    """The chosen returns; what is no id is nothing that anybody could have chosen."""
    found = [_id(one) for one in request.form.getlist("ids")]
    return [one for one in found if one is not None]


def _versions(ids: Sequence[UUID]) -> dict[UUID, int]:
    """What each of the chosen was at when the page that takes decisions back was made."""
    told = {one: as_number(request.form.get(f"version-{one}")) for one in ids}
    return {one: version for one, version in told.items() if version is not None}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""The steps of a submitted return: decide, receive, inspect, close, cancel. Each carries the version that was seen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, Stale
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import RETURN
from portal.core.reasons import disposition_for
from portal.core.returns import DraftLine
from portal.services import confirmation, deciding, desk, dossiers, receiving, shipping
from portal.services.dossiers import Dossier, InspectionFacts
from portal.services.receiving import InspectionEntry
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.deciding import customer_is_told, grace
from portal.web.admin.presence import around
from portal.web.forms.admin import ActionForm, CloseForm, DeclineForm, InspectionForm, ReasonForm, ReceiptForm
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("steps", __name__)


@bp.post("/returns/<uuid:return_id>/authorization")
@needs("returns.approve")
def approve(return_id: UUID) -> Response:
    """Authorize what was requested; label and mail follow."""
    try:
        deciding.approve(person(), return_id, now=now(), version=ActionForm().seen_version, grace=grace())
    except Stale:
        found = _found(return_id)
        return _too_late(found, "approve", again=RETURN.can(found.page.draft.state, "approve"))
    except Conflict as conflict:
        if conflict.code != "override_needed":
            raise
        tell(_("The policy is against approving this. Say why you approve it all the same."), "wait")
        return redirect_to(url_for("admin.deciding.show", return_id=return_id))
    tell(f"{_('Approved.')} {customer_is_told()}")
    return back(return_id)


@bp.route("/returns/<uuid:return_id>/decline", methods=["GET", "POST"])
@needs("returns.approve")
def decline(return_id: UUID) -> Response:
    """Refuse, with a reason for the reports and words for the customer."""
    found = _found(return_id)
    form = DeclineForm(version=str(found.page.draft.version))
    form.offer()
    if form.is_submitted():
        if form.validate():
            try:
                deciding.decline(
                    person(),
                    return_id,
                    reason=form.reason.data,
                    message=form.message.data or "",
                    now=now(),
                    version=form.seen_version,
                    grace=grace(),
                )
            except Stale:
                reasons = (_("Reason"), words().decline_reason(form.reason.data),
                           words().decline_reason(found.decline_reason))  # fmt: skip
                again = RETURN.can(found.page.draft.state, "decline")
                return _too_late(found, "decline", again=again, rows=(reasons,))
            tell(f"{_('Declined.')} {customer_is_told()}", "info")
            return back(return_id)
        return _page("decline", found, form, status=422)
    return _page("decline", found, form)


@dataclass(frozen=True, kw_only=True)
class Open:
    """Units of a line that wait for this step."""

    line: DraftLine
    units: int
    seen: str = ""
    """What the dock saw of them: damaged, other, or nothing."""


@bp.route("/returns/<uuid:return_id>/receipt", methods=["GET", "POST"])
@needs("returns.receive")
def receive(return_id: UUID) -> Response:
    """Count what came out of the parcel: fewer, other, damaged units too."""
    found = _found(return_id)
    waiting = [Open(line=line, units=line.authorized - line.received) for line in found.page.draft.lines]
    waiting = [one for one in waiting if one.units > 0]
    form = ReceiptForm(
        version=str(found.page.draft.version), lines=[{"line_id": str(one.line.id)} for one in waiting]
    )
    if not form.is_submitted():
        return _page("receive", found, form, waiting=waiting)
    if form.validate():
        counts = {one.line.id: one.units for one in waiting} if form.everything.data else form.counts()
        try:
            receiving.receive(
                person(),
                return_id,
                counts,
                damaged=form.damaged(),
                other=form.other(),
                note=form.note.data or "",
                now=now(),
                version=form.seen_version,
            )
        except Stale:
            return _too_late(found, "receive", again=bool(waiting), rows=_counted(found, counts))
        except Conflict as conflict:
            form.form_errors.append(words().conflict(conflict.code, conflict.details))
        else:
            tell(_("Received. The units are kept apart until they are inspected."))
            return back(return_id)
    return _page("receive", found, form, waiting=waiting, status=422)


@bp.route("/returns/<uuid:return_id>/inspection", methods=["GET", "POST"])
@needs("returns.inspect")
def inspect(return_id: UUID) -> Response:
    """Grade what arrived, accept or reject it, decide what becomes of it."""
    found = _found(return_id)
    waiting = _to_inspect(found)
    rows = [
        {"line_id": str(one.line.id), "units": one.units} | _PROPOSED.get(one.seen, {}) for one in waiting
    ]
    form = InspectionForm(version=str(found.page.draft.version), lines=rows)
    for row in form.lines:
        row.form.offer(code for code, _price in found.page.terms.accessory_deductions)
    if not form.is_submitted():
        return _page("inspect", found, form, waiting=waiting)
    if form.validate():
        try:
            receiving.inspect(person(), return_id, _entries(form), now=now(), version=form.seen_version)
        except Stale:
            return _too_late(found, "inspect", again=bool(waiting), rows=_graded(found, _entries(form)))
        except Conflict as conflict:
            form.form_errors.append(words().conflict(conflict.code, conflict.details))
        else:
            tell(_("Inspected."))
            return back(return_id)
    return _page("inspect", found, form, waiting=waiting, status=422)


_PROPOSED = {
    "damaged": {"grade": "D"},
    "other": {"grade": "W", "disposition": "quarantine", "accepted": "no"},
}
"""What the dock saw fills in the inspection; whoever inspects may say otherwise."""


def _to_inspect(found: Dossier) -> list[Open]:
    """What waits of each line: the broken units, what is something else, and the rest, each in a row."""
    waiting = []
    for line in found.page.draft.lines:
        left = line.received - line.accepted - line.rejected
        for seen, units, grade in (("damaged", line.damaged, "D"), ("other", line.other, "W")):
            graded = sum(
                one.units for one in found.inspections if (one.line_id, one.grade) == (line.id, grade)
            )
            open_units = min(left, max(0, units - graded))
            if open_units:
                waiting.append(Open(line=line, units=open_units, seen=seen))
            left -= open_units
        if left:
            waiting.append(Open(line=line, units=left))
    return waiting


def _entries(form: InspectionForm) -> list[InspectionEntry]:
    """The rows that have a grade; what becomes of a unit is what its grade proposes unless somebody chose."""
    return [
        InspectionEntry(
            line_id=UUID(row.line_id.data),
            units=row.units.data or 0,
            grade=row.grade.data,
            disposition=row.disposition.data or disposition_for(row.grade.data),
            accepted=row.accepted.data == "yes",
            missing_accessories=tuple(row.missing.data or ()),
            used=row.used.data,
            note=row.note.data or "",
        )
        for row in form.lines
        if row.grade.data
    ]


@bp.route("/returns/<uuid:return_id>/closure", methods=["GET", "POST"])
@needs("returns.approve")
def close(return_id: UUID) -> Response:
    """Nothing more will come of it; units that never arrived can be returned again."""
    found = _found(return_id)
    form = CloseForm(version=str(found.page.draft.version))
    form.offer()
    if form.is_submitted():
        if form.validate():
            try:
                desk.close(person(), return_id, reason=form.reason.data, now=now(), version=form.seen_version)
            except Stale:
                return _too_late(found, "close", again=RETURN.can(found.page.draft.state, "close"))
            tell(_("The return is closed."))
            return back(return_id)
        return _page("close", found, form, status=422)
    return _page("close", found, form)


@bp.route("/returns/<uuid:return_id>/reopening", methods=["GET", "POST"])
@needs("returns.override")
def reopen(return_id: UUID) -> Response:
    """Take up a closed return again, with a reason."""
    found = _found(return_id)
    form = ReasonForm(version=str(found.page.draft.version))
    if form.is_submitted():
        if form.validate():
            try:
                desk.reopen(
                    person(), return_id, reason=form.reason.data, now=now(), version=form.seen_version
                )
            except Stale:
                return _too_late(found, "reopen", again=RETURN.can(found.page.draft.state, "reopen"))
            tell(_("The return is open again."), "info")
            return back(return_id)
        return _page("reopen", found, form, status=422)
    return _page("reopen", found, form)


@bp.post("/returns/<uuid:return_id>/label")
@needs("returns.approve")
def label_again(return_id: UUID) -> Response:
    """Ask once more for a label that could not be made."""
    shipping.label_again(person(), return_id, now=now())
    tell(_("The label is asked for again."))
    return back(return_id)


@bp.post("/returns/<uuid:return_id>/shipment")
@needs("returns.receive")
def ship(return_id: UUID) -> Response:
    """The customer says that the parcel is on its way."""
    shipping.hand_over(person(), return_id, now=now())
    tell(_("Marked as on its way."))
    return back(return_id)


@bp.post("/returns/<uuid:return_id>/cancellation")
@needs("returns.create")
def cancel(return_id: UUID) -> Response:
    """Withdraw a return that is not on its way; its units can be returned again."""
    confirmation.cancel(person(), return_id, now=now())
    tell(_("The return is canceled."), "info")
    return back(return_id)


def _too_late(
    found: Dossier, step: str, *, again: bool, rows: tuple[tuple[str, str, str], ...] = ()
) -> Response:
    """Somebody else changed the return: what the step would have done, beside what is there now."""
    return stale.refused_step(found.page.draft.id, mine=words().button(step), again=again, rows=rows)


def _counted(found: Dossier, counts: Mapping[UUID, int]) -> tuple[tuple[str, str, str], ...]:
    """Of each line what was counted now, beside what is there."""
    return tuple(
        (
            line.name,
            _("%(n)s more arrived", n=counts.get(line.id, 0)),
            _("%(received)s of %(units)s arrived", received=line.received, units=line.authorized),
        )
        for line in found.page.draft.lines
    )


def _graded(found: Dossier, entries: list[InspectionEntry]) -> tuple[tuple[str, str, str], ...]:
    """Of each line the grades that were given now, beside those that are there."""
    said = words()

    def told(made: Iterable[InspectionEntry | InspectionFacts], line: DraftLine) -> str:
        return said.join(f"{one.units} × {said.grade(one.grade)}" for one in made if one.line_id == line.id)

    return tuple(
        (line.name, told(entries, line), told(found.inspections, line)) for line in found.page.draft.lines
    )


def _found(return_id: UUID) -> Dossier:
    found = dossiers.dossier(person(), return_id, now=now())
    if found.page.draft.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    speak(zone=found.page.merchant.zone)
    return found


def _page(
    name: str, found: Dossier, form: ActionForm, *, waiting: list[Open] | None = None, status: int = 200
) -> Response:
    return page(
        f"admin/steps/{name}.html",
        found=found,
        draft=found.page.draft,
        shop=found.page.merchant,
        form=form,
        waiting=waiting or [],
        presence=around(found.page.draft.id, name),
        counts_use=any(one.by == "use" for one in found.page.terms.depreciation),
        status=status,
    )


def back(return_id: UUID) -> Response:
    """To the page of the return, where it stands what became of it."""
    return redirect_to(url_for("admin.returns.show", return_id=return_id))

"""The steps of a submitted return: decide, close, reopen, cancel. Each carries the version that was seen.

Goods are received and graded at the dock (``web/admin/dock.py``).
"""

from uuid import UUID

from flask import Blueprint, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotAllowed, Stale
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import RETURN
from portal.services.filing import objecting, shipping
from portal.services.handling import confirmation, deciding, desk, dossiers
from portal.services.handling.dossiers import Dossier
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.deciding import grace, tell_decided
from portal.web.admin.presence import around
from portal.web.forms.admin import ActionForm, CloseForm, DeclineForm, ReasonForm
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
    except NotAllowed as problem:
        if problem.permission != objecting.BY_OVERRIDING:
            raise
        tell(_("Only a supervisor may approve this. You can refuse it, or leave it to one."), "wait")
        return back(return_id)
    tell_decided(return_id, _("Approved."), "approved")
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
            tell_decided(return_id, _("Declined."), "declined")
            return back(return_id)
        return _page("decline", found, form, status=422)
    return _page("decline", found, form)


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
    """The customer says that the parcel is on its way. What it cannot be is not said to be; twice is no error."""
    state = _found(return_id).page.draft.state
    if state != "in_transit":
        RETURN.after(state, "ship")
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


def _found(return_id: UUID) -> Dossier:
    found = dossiers.dossier(person(), return_id, now=now())
    if found.page.draft.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    speak(zone=found.page.merchant.zone)
    return found


def _page(name: str, found: Dossier, form: ActionForm, *, status: int = 200) -> Response:
    return page(
        f"admin/steps/{name}.html",
        found=found,
        draft=found.page.draft,
        shop=found.page.merchant,
        form=form,
        presence=around(found.page.draft.id, name),
        status=status,
    )


def back(return_id: UUID) -> Response:
    """To the page of the return, where it stands what became of it."""
    return redirect_to(url_for("admin.returns.show", return_id=return_id))

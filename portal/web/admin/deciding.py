"""The page on which a return is decided: units of each line approved or refused, with reasons and words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, current_app, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import RETURN
from portal.core.policy.verdict import Finding, Refused
from portal.services.filing import objecting
from portal.services.handling import deciding, dossiers
from portal.services.handling.deciding import GRACE, LineDecision
from portal.services.handling.dossiers import Dossier
from portal.web.actor import needs, person
from portal.web.admin import stale
from portal.web.admin.amounts import explained
from portal.web.admin.presence import around
from portal.web.forms.admin import ActionForm
from portal.web.forms.deciding import DecisionForm
from portal.web.page import now, page, redirect_to, tell, tell_undo
from portal.web.words import gettext as _
from portal.web.words import ngettext, speak, words

bp = Blueprint("deciding", __name__)

FILLS = ("approve", "decline")


def grace() -> int:
    """Seconds that a decision waits before the customer hears of it."""
    return int(current_app.config.get("GRACE", GRACE))


@bp.get("/returns/<uuid:return_id>/decision")
@needs("returns.approve")
def show(return_id: UUID) -> Response:
    """Every line with what is asked for, what stands against it, and a decision to be made."""
    found = _found(return_id)
    return _page(found, _form(found, None))


@bp.post("/returns/<uuid:return_id>/decision/estimate")
@needs("returns.approve")
def estimate(return_id: UUID) -> Response:
    """The same page with what was typed so far: nothing is written. htmx takes the sum alone."""
    found = _found(return_id)
    form = _form(found, request.form)
    fill = request.form.get("fill", "")
    if fill in FILLS:
        everything = {str(one.id): one.units for one in found.page.draft.lines}
        form.fill({key: (n, 0) if fill == "approve" else (0, n) for key, n in everything.items()})
    return _page(found, form)


@bp.post("/returns/<uuid:return_id>/decision")
@needs("returns.approve")
def decide(return_id: UUID) -> Response:
    """Write the decision; what is wrong with it stands at its field, and what came too late beside what is there."""
    found = _found(return_id)
    form = _form(found, request.form)
    fine = form.validate()
    if not (form.judge(found.page.draft.lines) and fine):
        return _page(found, form, status=422)
    choices = form.decisions(found.page.draft.lines)
    try:
        state = deciding.decide(
            person(),
            return_id,
            choices,
            overrides=form.overrides(),
            message=form.message.data or "",
            now=now(),
            version=form.seen_version,
            grace=grace(),
        )
    except Stale:
        return _too_late(return_id, choices)
    except Conflict as conflict:
        if conflict.code == "override_needed":
            form.form_errors.append(_("Say why you set the objections aside, or refuse these units."))
        elif conflict.code in ("units_gone", "parcel_left", "refund_exists"):
            raise
        else:
            form.form_errors.append(words().conflict(conflict.code, conflict.details))
        return _page(found, form, status=422)
    except Refused as refused:
        form.form_errors += [
            words().finding(one, found.page.draft.currency) for one in refused.verdict.findings
        ]
        return _page(found, form, status=422)
    except NotAllowed:
        if not any(one.approved for one in choices):
            raise
        form.form_errors.append(
            _("Only a supervisor may approve this. You can refuse it, or leave it to one.")
        )
        return _page(found, form, status=403)
    told(return_id, state, choices)
    return redirect_to(url_for("admin.returns.show", return_id=return_id))


def told(return_id: UUID, state: str, choices: Sequence[LineDecision]) -> None:
    """Say what was decided, and when the customer hears of it."""
    approved, refused = (sum(getattr(one, side) for one in choices) for side in ("approved", "declined"))
    if state == "declined":
        said = _("Declined.")
    elif refused:
        said = counted(approved, refused)
    else:
        said = _("Approved.")
    tell_decided(return_id, said, state)


def counted(approved: int, refused: int) -> str:
    """How many units were approved and how many refused, in one sentence each."""
    yes = ngettext("%(num)s unit approved.", "%(num)s units approved.", approved)
    return f"{yes} " + ngettext("%(num)s unit refused.", "%(num)s units refused.", refused)


def tell_decided(return_id: UUID, said: str, state: str) -> None:
    """Say it on the next page, with a button that takes the decision back."""
    declined = state == "declined"
    tell_undo(
        f"{said} {customer_is_told()}",
        "info" if declined else "good",
        url=url_for("admin.deciding.undo", return_id=return_id),
        name=_("Undo"),
        version=deciding.version_of(person(), return_id),
    )


def customer_is_told() -> str:
    """When the customer hears of a decision that was just made."""
    wait = grace()
    if not wait:
        return _("The customer is told by e-mail.")
    return _("The customer is told by e-mail in %(n)s seconds; undone before, nobody is told.", n=wait)


@bp.post("/returns/<uuid:return_id>/decision/undo")
@needs("returns.approve")
def undo(return_id: UUID) -> Response:
    """Take a decision back; what was refused is taken again."""
    version = ActionForm().seen_version
    try:
        was_told = _undone(return_id, version)
    except Stale:
        return stale.refused_step(return_id, mine=_("The decision taken back"))
    if was_told:
        tell(
            _("The return is under review again. The customer knew of the decision and is told of this too."),
            "info",
        )
    else:
        tell(_("The return is under review again. The customer was told nothing."), "info")
    return redirect_to(url_for("admin.returns.show", return_id=return_id))


def _undone(return_id: UUID, version: int | None) -> bool:
    """Taken back; where only the work that follows was in the way, and nobody changed it, once more."""
    for _attempt in range(3):
        try:
            return deciding.undo(person(), return_id, now=now(), version=version)
        except Stale:
            if deciding.version_of(person(), return_id) != version:
                raise
    return deciding.undo(person(), return_id, now=now(), version=version)


# ------------------------------------------------------------------------------------------------ the page


def may_decide(found: Dossier) -> bool:
    """Whether there is anything to decide, or a decision that can still be made otherwise."""
    return RETURN.can(found.page.draft.state, "approve") or deciding.may_be_undone(
        found.page, [one.state for one in found.parcels]
    )


@dataclass(frozen=True, kw_only=True)
class DecisionPart:
    """What the page of a return says of its decision, and the ways on from there."""

    text: str = ""
    url: str = ""
    name: str = ""
    undo: str = ""
    undo_name: str = ""


def part(found: Dossier) -> DecisionPart:
    """For the page of a return: counts of what was decided, undo while that goes, and the page to decide on."""
    draft = found.page.draft
    if not person().may("returns.approve", draft.merchant_id) or draft.kind in CANCELLATIONS:
        return DecisionPart()
    decided, open_still = draft.state in deciding.DECIDED, may_decide(found)
    approved, refused = (
        sum(getattr(one, side) for one in draft.lines) for side in ("authorized", "declined")
    )
    text = ""
    if approved and refused:
        text = counted(approved, refused)
    url = url_for("admin.deciding.show", return_id=draft.id) if open_still else ""
    undo_url = url_for("admin.deciding.undo", return_id=draft.id) if open_still and decided else ""
    return DecisionPart(
        text=text,
        url=url,
        name=_("Decide otherwise") if decided else _("Decide line by line"),
        undo=undo_url,
        undo_name=_("Undo decline") if draft.state == "declined" else _("Undo approval"),
    )


def _found(return_id: UUID) -> Dossier:
    found = dossiers.dossier(person(), return_id, now=now())
    draft = found.page.draft
    if draft.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    if not person().may("returns.approve", draft.merchant_id):
        raise NotAllowed("returns.approve")
    if not may_decide(found):
        RETURN.after(draft.state, "approve")
    speak(zone=found.page.merchant.zone)
    return found


def _form(found: Dossier, typed: MultiDict[str, str] | None) -> DecisionForm:
    """The form as it starts, or as it was sent; only of this return's lines and objections."""
    draft = found.page.draft
    decided = draft.state in deciding.DECIDED
    lines = [
        {
            "line_id": str(one.id),
            "approved": one.authorized if decided else one.units,
            "declined": one.declined if decided else None,
            "reason": one.decline_reason,
            "message": one.decline_message,
        }
        for one in draft.lines
    ]
    objections = [{"code": one.code, "line_id": str(one.line_id or "")} for one in _objections(found)[0]]
    given = {
        "version": str(draft.version),
        "lines": lines,
        "objections": objections,
        "message": found.decline_message,
    }
    form = DecisionForm(formdata=typed, **given)
    form.offer()
    if set(form.rows()) != {str(one.id) for one in draft.lines}:
        raise NotFound
    return form


def _objections(found: Dossier, choices: Sequence[LineDecision] = ()) -> tuple[tuple[Finding, ...], bool]:
    lines = deciding.as_decided(found.page, choices) if choices else ()
    return objecting.of_return(person(), found.page.draft.id, lines=lines, now=found.page.now)


def _page(found: Dossier, form: DecisionForm, *, status: int = 200) -> Response:
    draft, currency = found.page.draft, found.page.draft.currency
    rows = form.rows()
    names = {one.order_line_id or one.id: one.name for one in draft.lines}
    choices = [rows[str(one.id)].decision(one) for one in draft.lines]
    objections, supervisor = _objections(found, choices)
    said = {(one.code, str(one.line_id or "")): one for one in objections}
    form.ask_why(said)
    worked = deciding.preview(found.page, choices, now=found.page.now)
    return page(
        "admin/steps/decide.html",
        fragments=("estimate",),
        found=found,
        draft=draft,
        shop=found.page.merchant,
        form=form,
        lines=[(one, rows[str(one.id)], _why(found, one.order_line_id or one.id)) for one in draft.lines],
        objections=[
            (row.form, words().finding(said[key], currency), names.get(said[key].line_id, ""))
            for row in form.objections
            if (key := (row.code.data, row.line_id.data)) in said
        ],
        supervisor_only=supervisor and not person().may(objecting.BY_OVERRIDING, draft.merchant_id),
        estimate=explained(worked, estimate=True),
        approved_units=sum(one.approved for one in choices),
        declined_units=sum(one.declined for one in choices),
        decided=draft.state in deciding.DECIDED,
        grace=grace(),
        presence=around(draft.id, "decide"),
        status=status,
    )


def _why(found: Dossier, line_id: UUID) -> tuple[str, ...]:
    """What stands against one line, in words."""
    findings = found.page.verdict.of(line_id)
    return tuple(dict.fromkeys(words().finding(one, found.page.draft.currency) for one in findings))


def _too_late(return_id: UUID, choices: Sequence[LineDecision]) -> Response:
    """Somebody else was faster: what each line would have got, beside what it has now."""
    found = dossiers.dossier(person(), return_id, now=now())
    mine: Mapping[UUID, LineDecision] = {one.line_id: one for one in choices}
    draft = found.page.draft
    state = "approved" if any(one.approved for one in choices) else "declined"
    shown = [(_("State"), words().state("return", state).name, words().state("return", draft.state).name)]
    for line in draft.lines:
        one = mine.get(line.id)
        theirs = (
            _units(line.authorized, line.declined, line.decline_reason)
            if draft.state not in ("requested", "needs_info")
            else _("Not decided")
        )
        shown.append((line.name, _units(one.approved, one.declined, one.reason) if one else "", theirs))
    again = may_decide(found)
    return stale.refused(
        shown=shown,
        version=draft.version,
        instead=url_for("admin.returns.show", return_id=return_id),
        subject_id=return_id,
        again=again,
        why_not="" if again else _("This cannot be decided any more."),
        currency=draft.currency,
    )


def _units(approved: int, declined: int, reason: str) -> str:
    parts = [_("%(n)s approved", n=approved)] if approved else []
    if declined:
        why = words().decline_reason(reason)
        parts.append(
            _("%(n)s refused: %(why)s", n=declined, why=why) if why else _("%(n)s refused", n=declined)
        )
    return "\n".join(parts)

"""Refunds: shown before they are made, approved, sent again, given up, or paid by hand."""

from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.core.lifecycles import REFUND
from portal.core.refunds.breakdown import Breakdown
from portal.services import dossiers, refunds
from portal.services.dossiers import Dossier
from portal.services.refunds import RefundFacts
from portal.web.actor import needs, person
from portal.web.admin.amounts import explained
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column, Tab
from portal.web.forms.admin import ProofForm, ReasonForm, RefundForm
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("refunds", __name__)

PER_PAGE = 50


@bp.get("/refunds")
@needs("refunds.read")
def index() -> Response:
    """The refunds of a state, newest first."""
    state = request.args.get("state", "")
    state = state if state in REFUND.states else ""
    rows = refunds.listing(
        person(), state=state or None, after=as_id(request.args.get("after", "")), limit=PER_PAGE + 1
    )
    shown = rows[:PER_PAGE]
    more = {"state": state or None, "after": shown[-1].id} if len(rows) > PER_PAGE else None
    tabs = [Tab(name=_("All"), url=url_for("admin.refunds.index"), current=not state)]
    tabs += [
        Tab(
            name=words().state("refund", one).name,
            url=url_for("admin.refunds.index", state=one),
            current=one == state,
        )
        for one in REFUND.states
    ]
    return page(
        "admin/refunds/index.html",
        fragments=("rows",),
        rows=shown,
        tabs=tabs,
        state=state,
        columns=(
            Column(name=_("Refund")),
            Column(name=_("State")),
            Column(name=_("Amount"), number=True),
            Column(name=_("Return")),
            Column(name=_("By")),
            Column(name=_("Made")),
        ),
        next_url=url_for("admin.refunds.index", **more) if more else None,  # type: ignore[arg-type]
        first_url=url_for("admin.refunds.index", state=state or None) if request.args.get("after") else None,
    )


@bp.get("/returns/<uuid:return_id>/refund")
@needs("refunds.propose")
def new(return_id: UUID) -> Response:
    """What would be refunded, line by line, before anything is done."""
    found = _found(return_id)
    due = refunds.quote(person(), return_id, now=now())
    return _form_page(found, due, RefundForm(formdata=None, expected=str(due.amount)))


@bp.post("/returns/<uuid:return_id>/refund")
@needs("refunds.propose")
def create(return_id: UUID) -> Response:
    """Make it as shown. With goodwill the new sum is shown first, and made when it is sent again unchanged."""
    found, form = _found(return_id), RefundForm()
    currency = found.page.draft.currency
    goodwill = form.extra(currency) if form.validate_on_submit() else None
    if goodwill is None:
        return _form_page(found, refunds.quote(person(), return_id, now=now()), form, status=422)
    reason = form.reason.data or ""
    try:
        due = refunds.quote(person(), return_id, goodwill=goodwill, reason=reason, now=now())
    except Conflict as conflict:
        if conflict.code not in ("too_much", "not_granted", "reason_missing"):
            raise
        form.goodwill.errors = [words().conflict(conflict.code, conflict.details, currency)]
        return _form_page(found, refunds.quote(person(), return_id, now=now()), form, status=422)
    if form.shown != due.amount:
        form.expected.data = str(due.amount)
        return _form_page(found, due, form, changed=True, status=422)
    refunds.propose(person(), return_id, goodwill=goodwill, reason=reason, expected=due.amount, now=now())
    tell(
        _("The refund is made.")
        if person().may("refunds.approve", found.page.draft.merchant_id)
        else _("The refund waits for approval.")
    )
    return redirect_to(url_for("admin.returns.show", return_id=return_id, _anchor="refund"))


def _found(return_id: UUID) -> Dossier:
    found = dossiers.dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    return found


def _form_page(
    found: Dossier, due: Breakdown, form: RefundForm, *, changed: bool = False, status: int = 200
) -> Response:
    return page(
        "admin/refunds/new.html",
        draft=found.page.draft,
        shop=found.page.merchant,
        terms=found.page.terms,
        form=form,
        due=explained(due),
        shares=due.shares,
        changed=changed,
        example=form.goodwill.example(due.currency),
        approves=person().may("refunds.approve", found.page.draft.merchant_id),
        status=status,
    )


@bp.post("/refunds/<uuid:refund_id>/approval")
@needs("refunds.approve")
def approve(refund_id: UUID) -> Response:
    """Let a proposed refund go."""
    refunds.approve(person(), refund_id, now=now())
    tell(_("Approved. The refund is sent in a moment."))
    return _back(refund_id)


@bp.post("/refunds/<uuid:refund_id>/retry")
@needs("refunds.approve")
def retry(refund_id: UUID) -> Response:
    """Send what failed once more."""
    refunds.retry(person(), refund_id, now=now())
    tell(_("The refund is sent again."))
    return _back(refund_id)


@bp.route("/refunds/<uuid:refund_id>/cancellation", methods=["GET", "POST"])
@needs("refunds.propose")
def cancel(refund_id: UUID) -> Response:
    """Give a refund up before anything was paid, with a reason."""
    refund, form = _refund(refund_id), ReasonForm()
    if form.is_submitted() and form.validate():
        refunds.cancel(person(), refund_id, reason=form.reason.data, now=now())
        tell(_("The refund is canceled."), "info")
        return _back(refund_id)
    return page(
        "admin/refunds/cancel.html", refund=refund, form=form, status=422 if form.is_submitted() else 200
    )


@bp.route("/refunds/<uuid:refund_id>/payouts/<uuid:payout_id>/settlement", methods=["GET", "POST"])
@needs("refunds.approve")
def settle(refund_id: UUID, payout_id: UUID) -> Response:
    """A person paid this transfer outside, and says how."""
    refund, form = _refund(refund_id), ProofForm()
    payout = next((one for one in refund.payouts if one.id == payout_id), None)
    if payout is None:
        raise NotFound
    if form.is_submitted() and form.validate():
        refunds.settle_by_hand(person(), payout_id, proof=form.proof.data, now=now())
        tell(_("The payment is recorded."))
        return _back(refund_id)
    return page(
        "admin/refunds/settle.html",
        refund=refund,
        payout=payout,
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def _refund(refund_id: UUID) -> RefundFacts:
    return refunds.one(person(), refund_id)


def _back(refund_id: UUID) -> Response:
    """To the return of the refund, where it stands what became of it."""
    refund = _refund(refund_id)
    if refund.return_id is None:
        return redirect_to(url_for("admin.refunds.index"))
    return redirect_to(url_for("admin.returns.show", return_id=refund.return_id, _anchor="refund"))

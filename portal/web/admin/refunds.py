"""Refunds: shown before they are made, changed while they wait, approved, sent again or another way, given up."""

from collections.abc import Callable
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import REFUND, IllegalStep
from portal.core.refunds.overrides import Overrides
from portal.services import merchants
from portal.services.handling import dossiers
from portal.services.handling.dossiers import Dossier
from portal.services.paying import bank_accounts, byhand
from portal.services.refunding import refunds
from portal.services.refunding.refund_facts import PayoutFacts
from portal.services.refunding.refunds import Proposal, RefundFacts
from portal.web.actor import needs, person
from portal.web.admin import panel as panels
from portal.web.admin import stale
from portal.web.admin.panel import Panel
from portal.web.admin.refund_rows import ways_of
from portal.web.forms.admin import ReasonForm
from portal.web.forms.refunds import ApprovalForm, ProofForm, RedirectForm, RefundForm
from portal.web.page import gateways, now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("refunds", __name__)


@bp.get("/refunds/<uuid:refund_id>")
@needs("refunds.read")
def show(refund_id: UUID) -> Response:
    """To where it stands: on the page of its return."""
    return _back(refund_id)


# ----------------------------------------------------------------------------------------- made, and changed


@bp.get("/returns/<uuid:return_id>/refund")
@needs("refunds.propose")
def new(return_id: UUID) -> Response:
    """What would be refunded, line by line, before anything is done."""
    return panels.first(_panel(return_id))


@bp.post("/returns/<uuid:return_id>/refund/recalculation")
@needs("refunds.propose")
def recalculate(return_id: UUID) -> Response:
    """The same with what was typed so far; nothing is made."""
    return panels.recalculated(_panel(return_id))


@bp.post("/returns/<uuid:return_id>/refund")
@needs("refunds.propose")
def create(return_id: UUID) -> Response:
    """Make it as shown. Another sum than was shown is shown first, and made when it is sent again unchanged."""
    panel = _panel(return_id)
    return _decide(
        panel,
        lambda asked, shown: refunds.propose(person(), return_id, overrides=asked, shown=shown, now=now()),
        return_id,
    )


def _panel(return_id: UUID) -> Panel:
    """Of a return. A cancellation has its refund from its customer's yes: another only where that was given up."""
    found = _found(return_id)
    if found.page.draft.kind in CANCELLATIONS and found.refund_state != "canceled":
        raise Conflict("is_cancellation")

    def work_out(overrides: Overrides) -> Proposal:
        return refunds.proposal(person(), return_id, overrides=overrides, now=now())

    return panels.return_panel(found, work_out)


@bp.get("/refunds/<uuid:refund_id>/revision")
@needs("refunds.propose")
def revision(refund_id: UUID) -> Response:
    """A refund that waits for approval, to be changed."""
    return panels.first(_revision(refund_id))


@bp.post("/refunds/<uuid:refund_id>/revision/recalculation")
@needs("refunds.propose")
def recalculate_revision(refund_id: UUID) -> Response:
    """The same with what was typed so far; nothing is kept."""
    return panels.recalculated(_revision(refund_id))


@bp.post("/refunds/<uuid:refund_id>/revision")
@needs("refunds.propose")
def revise(refund_id: UUID) -> Response:
    """Change it as shown; whoever approved it approved something else."""
    panel = _revision(refund_id)
    return _decide(
        panel,
        lambda asked, shown: refunds.revise(person(), refund_id, overrides=asked, shown=shown, now=now()),
        panel.found.page.draft.id,
    )


def _revision(refund_id: UUID) -> Panel:
    refund = _refund(refund_id)
    if refund.return_id is None:
        raise NotFound
    REFUND.after(refund.state, "revise")

    def work_out(overrides: Overrides) -> Proposal:
        return refunds.revision(person(), refund_id, overrides=overrides, now=now())

    return Panel(
        found=_found(refund.return_id),
        work_out=work_out,
        save=url_for("admin.refunds.revise", refund_id=refund_id),
        recalculate=url_for("admin.refunds.recalculate_revision", refund_id=refund_id),
        title=_("Change refund %(number)s", number=refund.number),
        back=url_for("admin.returns.show", return_id=refund.return_id, _anchor="refund"),
        revises=True,
        decided=refund.overrides,
    )


def _decide(panel: Panel, act: Callable[[Overrides, str], object], return_id: UUID) -> Response:
    form = panel.form()
    fine = form.validate_on_submit()
    is_late = bool(form.basis.data) and form.basis.data != panel.basis
    asked = form.overrides(panel.order.currency, panel.missing()) if fine else None
    try:
        worked = panels.worked_out(panel, form, asked)
    except Conflict as conflict:
        if not is_late:
            raise
        return _too_late(panel, form, None, why_not=words().conflict(conflict.code, conflict.details))
    if asked is None or worked is None:
        return panels.shown(panel, form, _as_it_was(panel), status=422)
    if form.shown.data != worked.shown:
        if is_late:
            return _too_late(panel, form, worked)
        return panels.shown(panel, form, worked, changed=True, status=422)
    try:
        act(asked, worked.shown)
    except Conflict as conflict:
        if conflict.code != "nothing_changed":
            raise
        form.blame(conflict.code, {}, words().conflict(conflict.code))
        return panels.shown(panel, form, worked, status=422)
    if panel.revises:
        tell(_("The refund is changed."))
    elif worked.standing.is_complete:
        tell(_("The refund is made."))
    else:
        tell(_("The refund waits for approval."))
    return redirect_to(url_for("admin.returns.show", return_id=return_id, _anchor="refund"))


def _too_late(panel: Panel, form: RefundForm, worked: Proposal | None, *, why_not: str = "") -> Response:
    """Somebody else was faster: the sum that was confirmed beside the one it is now, and the refunds there are."""
    said, currency = words(), panel.order.currency
    confirmed = form.shown_amount.data or ""
    mine = said.money(int(confirmed), currency) if confirmed.isascii() and confirmed.isdecimal() else ""
    theirs = said.money(worked.due.amount, currency) if worked else _("Nothing more")
    made = [
        (one.number, "", f"{said.money(one.amount, currency)} · {said.state('refund', one.state).name}")
        for one in panel.found.refunds
    ]
    draft = panel.found.page.draft
    return stale.refused(
        shown=[(_("Refund"), mine, theirs), *made],
        version=worked.shown if worked else "",
        field="shown",
        instead=url_for("admin.returns.show", return_id=draft.id, _anchor="refund"),
        subject_id=draft.id,
        again=worked is not None,
        why_not=why_not,
        currency=currency,
    )


def _as_it_was(panel: Panel) -> Proposal:
    return panel.work_out(panel.decided)


def _found(return_id: UUID) -> Dossier:
    found = dossiers.dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    return found


# ------------------------------------------------------------------------------------------ approved, given up


@bp.post("/refunds/<uuid:refund_id>/approval")
@needs("refunds.propose")
def approve(refund_id: UUID) -> Response:
    """Stand behind a refund as it was seen; it goes once enough people do."""
    try:
        refunds.approve(person(), refund_id, seen=ApprovalForm().seen.data or None, now=now())
    except IllegalStep:
        return _approved_too_late(refund_id, again=False)
    except Conflict as conflict:
        if conflict.code != "refund_revised":
            raise
        return _approved_too_late(refund_id, again=True)
    sent = _refund(refund_id).state != "pending_approval"
    tell(
        _("Approved. The refund is sent in a moment.")
        if sent
        else _("Approved. One more person has to, then it is sent.")
    )
    return _back(refund_id)


def _approved_too_late(refund_id: UUID, *, again: bool) -> Response:
    """What was to be approved, beside what somebody else made of it meanwhile."""
    refund, said = _refund(refund_id), words()
    seen = request.form.get("seen_amount", "")
    mine = said.money(int(seen), refund.currency) if seen.isascii() and seen.isdecimal() else ""
    state = said.state("refund", refund.state).name
    where = (
        url_for("admin.returns.show", return_id=refund.return_id, _anchor="refund")
        if refund.return_id
        else url_for("admin.refunds.index")
    )
    return stale.refused(
        shown=[
            (_("State"), _("Approve refund"), state),
            (_("Refund"), mine, said.money(refund.amount, refund.currency)),
        ],
        version=refund.digest,
        field="seen",
        instead=where,
        subject_id=refund.return_id,
        again=again,
        why_not="" if again else _("That is not possible any more: it is now “%(state)s”.", state=state),
        currency=refund.currency,
    )


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


# ------------------------------------------------------------------------------------------ its transfers


@bp.route("/refunds/<uuid:refund_id>/payouts/<uuid:payout_id>/settlement", methods=["GET", "POST"])
@needs("refunds.approve")
def settle(refund_id: UUID, payout_id: UUID) -> Response:
    """A person paid this transfer outside, and says how and when."""
    refund, form = _refund(refund_id), ProofForm()
    payout = _payout(refund, payout_id)
    form.offer(_today(refund))
    if form.is_submitted() and form.validate():
        byhand.settle_by_hand(
            person(),
            payout_id,
            proof=form.proof.data,
            method=form.method.data,
            on=form.on.data,
            now=now(),
        )
        tell(_("The payment is recorded."))
        return _back(refund_id)
    return page(
        "admin/refunds/settle.html",
        refund=refund,
        payout=payout,
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def _today(refund: RefundFacts) -> date:
    """The day it is where the shop is."""
    zones = {one.id: one.zone for one in merchants.of_actor(person())}
    return now().astimezone(ZoneInfo(zones[refund.merchant_id])).date()


ACCOUNT_FIELDS = {
    "holder_missing": "holder",
    "iban_wrong": "iban",
    "iban_not_sepa": "iban",
    "bic_wrong": "bic",
}
"""Refusal of an account -> the field it is about."""


@bp.route("/refunds/<uuid:refund_id>/payouts/<uuid:payout_id>/redirection", methods=["GET", "POST"])
@needs("refunds.approve")
def redirect(refund_id: UUID, payout_id: UUID) -> Response:
    """Give a transfer up and send its money another way, with a reason."""
    refund, form = _refund(refund_id), RedirectForm()
    payout = _payout(refund, payout_id)
    form.offer(ways_of(payout))
    if form.is_submitted() and form.validate():
        try:
            byhand.redirect(
                person(),
                payout_id,
                provider=form.provider.data,
                destination=_destination(form),
                reason=form.reason.data,
                now=now(),
            )
        except Conflict as conflict:
            told = words().conflict(conflict.code, conflict.details, refund.currency)
            field = form[ACCOUNT_FIELDS[conflict.code]] if conflict.code in ACCOUNT_FIELDS else None
            if field is None:
                form.form_errors.append(told)
            else:
                field.errors = [told]
        else:
            tell(_("The money goes another way now."))
            return _back(refund_id)
    return page(
        "admin/refunds/redirect.html",
        refund=refund,
        payout=payout,
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def _destination(form: RedirectForm) -> dict[str, object] | None:
    """The account, where one was given; without one the customer is asked for it."""
    given = {"holder": form.holder.data or "", "iban": form.iban.data or "", "bic": form.bic.data or ""}
    if form.provider.data != "bank_transfer" or not any(given.values()):
        return None
    return dict(bank_accounts.checked(**given, gateways=gateways()).record())


def _payout(refund: RefundFacts, payout_id: UUID) -> PayoutFacts:
    payout = next((one for one in refund.payouts if one.id == payout_id), None)
    if payout is None:
        raise NotFound
    return payout


def _refund(refund_id: UUID) -> RefundFacts:
    return refunds.one(person(), refund_id)


def _back(refund_id: UUID) -> Response:
    """To the return of the refund, where it stands what became of it."""
    refund = _refund(refund_id)
    if refund.return_id is None:
        return redirect_to(url_for("admin.refunds.index"))
    return redirect_to(url_for("admin.returns.show", return_id=refund.return_id, _anchor="refund"))

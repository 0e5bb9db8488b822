"""Files for the bank: collected by one person, released by another, then told what became of them."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request, url_for
from flask import Response as Answer
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.core.lifecycles import BATCH
from portal.services import merchants
from portal.services.handling import dossiers
from portal.services.paying import bank, bank_accounts
from portal.services.paying.bank import BatchFacts
from portal.web.actor import needs, person
from portal.web.admin.returns import as_id
from portal.web.admin.shapes import Column
from portal.web.customer.account import AccountForm
from portal.web.forms.admin import ReasonForm
from portal.web.page import gateways, now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("bank", __name__, url_prefix="/bank")

PER_PAGE = 50


@bp.get("")
@needs("refunds.approve")
def index() -> Response:
    """What waits for the next batch, shop by shop, and the batches there were."""
    rows = bank.listing(person(), after=as_id(request.args.get("after", "")), limit=PER_PAGE + 1)
    shown = rows[:PER_PAGE]
    more = url_for("admin.bank.index", after=shown[-1].id) if len(rows) > PER_PAGE else None
    waiting = bank.waiting(person())
    return page(
        "admin/bank/index.html",
        waiting=waiting,
        rows=shown,
        shops={one.merchant_id: one.merchant for one in waiting},
        editable={one.merchant_id for one in waiting if person().may("policies.edit", one.merchant_id)},
        columns=(
            Column(name=_("Batch")),
            Column(name=_("State")),
            Column(name=_("Transfers"), number=True),
            Column(name=_("Amount"), number=True),
            Column(name=_("Collected")),
            Column(name=_("Released")),
        ),
        next_url=more,
        first_url=url_for("admin.bank.index") if request.args.get("after") else None,
    )


@bp.post("/<uuid:merchant_id>/batches")
@needs("refunds.approve")
def collect(merchant_id: UUID) -> Response:
    """Put what waits into one batch."""
    try:
        batch_id = bank.collect(person(), merchant_id, gateways=gateways(), now=now())
    except Conflict as conflict:
        tell(words().conflict(conflict.code, conflict.details), "wait")
        return redirect_to(url_for("admin.bank.index"))
    tell(_("Collected. Somebody else has to release it now."))
    return redirect_to(url_for("admin.bank.show", batch_id=batch_id))


@bp.get("/batches/<uuid:batch_id>")
@needs("refunds.approve")
def show(batch_id: UUID) -> Response:
    """One batch: what it pays to whom, and the next step."""
    return _page(bank.one(person(), batch_id))


@bp.post("/batches/<uuid:batch_id>/release")
@needs("refunds.approve")
def release(batch_id: UUID) -> Response:
    """A second person lets it go: from now on there is a file."""
    try:
        bank.release(person(), batch_id, gateways=gateways(), now=now())
    except Conflict as conflict:
        tell(words().conflict(conflict.code, conflict.details), "bad")
        return redirect_to(url_for("admin.bank.show", batch_id=batch_id))
    tell(_("Released. Hand the file to your bank."))
    return redirect_to(url_for("admin.bank.show", batch_id=batch_id))


@bp.get("/batches/<uuid:batch_id>/file")
@needs("refunds.approve")
def download(batch_id: UUID) -> Answer:
    """The file, the same to the byte whenever it is asked for."""
    name, content = bank.file(person(), batch_id)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(content, content_type="application/xml; charset=utf-8", headers=headers)


@bp.post("/batches/<uuid:batch_id>/execution")
@needs("refunds.approve")
def execute(batch_id: UUID) -> Response:
    """The bank has paid all of it."""
    bank.execute(person(), batch_id, now=now())
    tell(_("Recorded. The customers are told that their money is on its way."))
    return redirect_to(url_for("admin.bank.show", batch_id=batch_id))


@bp.route("/batches/<uuid:batch_id>/cancellation", methods=["GET", "POST"])
@needs("refunds.approve")
def cancel(batch_id: UUID) -> Response:
    """Give a batch up, with a reason."""
    batch, form = bank.one(person(), batch_id), ReasonForm()
    if form.is_submitted() and form.validate():
        bank.cancel(person(), batch_id, reason=form.reason.data, now=now())
        tell(_("The batch is given up."), "info")
        return redirect_to(url_for("admin.bank.show", batch_id=batch_id))
    return page("admin/bank/cancel.html", batch=batch, form=form, status=422 if form.is_submitted() else 200)


@bp.route("/batches/<uuid:batch_id>/transfers/<uuid:payout_id>/return", methods=["GET", "POST"])
@needs("refunds.approve")
def send_back(batch_id: UUID, payout_id: UUID) -> Response:
    """The bank sent one transfer back."""
    batch, form = bank.one(person(), batch_id), ReasonForm()
    row = next((one for one in batch.rows if one.payout_id == payout_id), None)
    if row is None:
        raise NotFound
    if form.is_submitted() and form.validate():
        bank.returned(person(), payout_id, reason=form.reason.data, now=now())
        tell(_("Recorded. The refund has failed and can be paid in another way."), "info")
        return redirect_to(url_for("admin.bank.show", batch_id=batch_id))
    return page(
        "admin/bank/returned.html",
        batch=batch,
        row=row,
        form=form,
        status=422 if form.is_submitted() else 200,
    )


@bp.route("/<uuid:merchant_id>/account", methods=["GET", "POST"])
@needs("policies.edit")
def account(merchant_id: UUID) -> Response:
    """From which account the shop pays."""
    known, form = bank_accounts.of_merchant(person(), merchant_id), AccountForm()
    if form.is_submitted() and form.validate():
        try:
            bank_accounts.set_of_merchant(
                person(),
                merchant_id,
                holder=form.holder.data,
                iban=form.iban.data,
                bic=form.bic.data or "",
                gateways=gateways(),
                now=now(),
            )
        except Conflict as conflict:
            if not form.complain(conflict.code):
                raise
        else:
            tell(_("The account is saved."))
            return redirect_to(url_for("admin.bank.index"))
    return page(
        "admin/bank/account.html",
        shop=merchants.by_id(merchant_id),
        known=known.masked if known else "",
        form=form,
        status=422 if form.is_submitted() else 200,
    )


@bp.route("/returns/<uuid:return_id>/account", methods=["GET", "POST"])
@needs("refunds.propose")
def customer_account(return_id: UUID) -> Response:
    """Where a customer wants the refund, as told on the phone; all but covered once it is known."""
    found = dossiers.dossier(person(), return_id, now=now())
    speak(zone=found.page.merchant.zone)
    wanted, form = bank_accounts.is_wanted(return_id), AccountForm()
    if wanted and form.is_submitted() and form.validate():
        try:
            bank_accounts.give(
                person(),
                return_id,
                holder=form.holder.data,
                iban=form.iban.data,
                bic=form.bic.data or "",
                gateways=gateways(),
                now=now(),
            )
        except Conflict as conflict:
            if not form.complain(conflict.code):
                raise
        else:
            tell(_("The account is noted: %(account)s.", account=bank_accounts.given(return_id)))
            return redirect_to(url_for("admin.returns.show", return_id=return_id, _anchor="refund"))
    if not form.is_submitted():
        form.holder.data = found.page.draft.name
    return page(
        "admin/bank/customer.html",
        draft=found.page.draft,
        wanted=wanted,
        given=bank_accounts.given(return_id),
        form=form,
        status=422 if form.is_submitted() else 200,
    )


def _page(batch: BatchFacts) -> Response:
    mine = batch.created_by_id is not None and batch.created_by_id == person().id
    on_its_way = [row for row in batch.rows if row.state in ("pending", "succeeded")]
    return page(
        "admin/bank/show.html",
        batch=batch,
        mine=mine,
        may_release=batch.state == BATCH.start and not mine,
        may_execute=BATCH.can(batch.state, "execute"),
        may_cancel=BATCH.can(batch.state, "cancel"),
        returnable={row.payout_id for row in on_its_way},
        columns=(
            Column(name=_("Refund")),
            Column(name=_("State")),
            Column(name=_("Amount"), number=True),
            Column(name=_("To")),
            Column(name=_("Bank reference")),
            Column(name=_("Do")),
        ),
    )

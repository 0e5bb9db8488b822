"""An agent takes units out of an order that has not shipped: chosen on one page, sent to the customer to confirm."""

import secrets
from datetime import timedelta
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.policy.verdict import Refused, Verdict
from portal.services import cancellations
from portal.services.cancellations import Sheet, Wish, reading
from portal.services.lists import orders
from portal.services.lists.orders import OrderPage
from portal.web.actor import needs, person
from portal.web.admin import proposal_rows as rows
from portal.web.admin.amounts import explained
from portal.web.forms.proposals import ProposalForm, Selection, is_change, read_proposal
from portal.web.page import gateways, now, page, redirect_to, site, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words.calls import WRITTEN

bp = Blueprint("proposals", __name__)

FRAGMENTS = ("leaves", "bought", "sums", "script")


@bp.get("/orders/<uuid:order_id>/cancellation")
@needs("cancellations.propose")
def new(order_id: UUID) -> Response:
    """What is in the order, and nothing chosen yet."""
    found, sheet = _found(order_id)
    form = ProposalForm(formdata=None, nonce=secrets.token_urlsafe(24), channel=_asked_by())
    return _page(found, sheet, form, Selection())


@bp.post("/orders/<uuid:order_id>/cancellation/estimate")
@needs("cancellations.propose")
def estimate(order_id: UUID) -> Response:
    """The same with what is chosen now; nothing is kept."""
    found, sheet = _found(order_id)
    return _page(found, sheet, ProposalForm(), read_proposal(request.form, sheet.order, sheet.offers))


@bp.post("/orders/<uuid:order_id>/cancellation")
@needs("cancellations.propose")
def create(order_id: UUID) -> Response:
    """Propose it as shown, once. What comes to another sum is shown first, and sent when it is sent again."""
    found, sheet = _found(order_id)
    form, selection = ProposalForm().offer(), read_proposal(request.form, sheet.order, sheet.offers)
    if is_change(request.form):
        return _page(found, sheet, form, selection)
    if not form.validate() or selection.problems:
        return _page(found, sheet, form, selection, status=422)
    try:
        made = cancellations.propose(
            person(),
            order_id,
            _wish(form, selection),
            shown=form.shown.data or "",
            nonce=(form.nonce.data or "")[:40],
            gateways=gateways(),
            site=site(),
            now=now(),
        )
    except Refused as refusal:
        return _page(found, sheet, form, selection, refused=refusal.verdict, status=422)
    except Conflict as conflict:
        if conflict.code != "amount_changed":
            raise
        return _page(found, sheet, form, selection, changed=True, status=422)
    tell(_("Proposed. The customer gets an e-mail and has to confirm it; the units are held until then."))
    return redirect_to(url_for("admin.cancellations.show", return_id=made))


def _found(order_id: UUID) -> tuple[OrderPage, Sheet]:
    found = orders.order(person(), order_id)
    speak(zone=found.merchant.zone)
    return found, cancellations.sheet(person(), order_id, gateways=gateways(), now=now())


def _asked_by() -> str:
    """How the customer asked, as the address says; else by phone."""
    return request.args.get("channel", "phone")


def _wish(form: ProposalForm, selection: Selection) -> Wish:
    return Wish(
        choices=selection.choices,
        reason=form.reason.data or "",
        note=form.note.data or "",
        message=form.message.data or "",
        channel=form.channel.data or "phone",
    )


def _page(
    found: OrderPage,
    sheet: Sheet,
    form: ProposalForm,
    selection: Selection,
    *,
    refused: Verdict | None = None,
    changed: bool = False,
    status: int = 200,
) -> Response:
    form.offer()
    wish = _wish(form, selection)
    _request, worked = (
        reading.estimated(  # by what the warehouse has just said: it is not asked twice for a page
            sheet.order, wish.choices, wish.reason, constraints=sheet.constraints, now=now()
        )
    )
    language, script = rows.script(found, sheet, selection, worked, form.channel.data or "phone", now=now())
    shares = rows.shares(sheet.order, worked.breakdown)
    against = rows.against_all(sheet, selection, worked)
    stands_against = bool(against or any(worked.verdict.of(one.line_id) for one in selection.choices))
    return page(
        "admin/proposals/new.html",
        fragments=FRAGMENTS,
        also=[name for name in FRAGMENTS if name != request.headers.get("HX-Target")],
        status=status,
        found=found,
        order=sheet.order,
        shop=sheet.merchant,
        sheet=sheet,
        form=form,
        selection=selection,
        bought=rows.bought(sheet, selection),
        leaves=rows.leaving(sheet, selection, worked),
        units=sum(one.units for one in selection.choices),
        against=against,
        refused=rows.said(refused.findings, sheet.order.currency) if refused else (),
        is_refused=bool(selection.choices) and stands_against,
        changed=changed,
        worked=explained(worked.breakdown, estimate=True),
        total_label=rows.total_label(shares),
        shares=shares,
        mixed=len({share.mode for share in shares}) > 1,
        totals=rows.totals(worked.before, worked.after),
        shown=worked.shown if selection.choices else "",
        hours=worked.hours,
        until=now() + timedelta(hours=worked.hours),
        silent=sheet.warehouse_silent,
        language=language,
        script=script,
        is_written=form.channel.data in WRITTEN,
        spoken=words().channel(form.channel.data or "phone"),
        may_return=person().may("returns.create", sheet.merchant.id) and found.terms.active,
    )

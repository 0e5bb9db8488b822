"""A refund without a return: from the page of the order, for goods that the customer keeps."""

import secrets
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotAllowed
from portal.core.facts import LineFacts
from portal.core.money import Minor
from portal.services.lists import orders
from portal.services.lists.orders import OrderPage
from portal.services.refunding import allowances
from portal.services.refunding.refunds import Proposal
from portal.web.actor import needs, person
from portal.web.admin import panel as panels
from portal.web.forms.refunds import AllowanceForm
from portal.web.page import now, page, redirect_to, site, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("allowances", __name__)


@dataclass(frozen=True, kw_only=True)
class KeptRow:
    """One line of the order of which units are with the customer."""

    line: LineFacts
    units: int
    paid: Minor


@bp.get("/orders/<uuid:order_id>/refund")
@needs("refunds.propose")
def new(order_id: UUID) -> Response:
    """Which items, and what of their price goes back."""
    found = _found(order_id)
    form = _form(found, fresh=True)
    return _page(found, form, None)


@bp.post("/orders/<uuid:order_id>/refund/recalculation")
@needs("refunds.propose")
def recalculate(order_id: UUID) -> Response:
    """The same with what was typed so far; nothing is made."""
    found = _found(order_id)
    form = _form(found)
    worked, _wish = _worked_out(found, form, needs_reason=False)
    if "HX-Request" not in request.headers:
        form.note.errors = form.reason.errors = ()
    return _page(found, form, worked, stale=worked is None and bool(_faults(form)))


@bp.post("/orders/<uuid:order_id>/refund")
@needs("refunds.propose")
def create(order_id: UUID) -> Response:
    """Make it as shown; another sum is shown first, and made when it is sent again unchanged."""
    found = _found(order_id)
    form = _form(found)
    fine = form.validate_on_submit()
    worked, wish = _worked_out(found, form, needs_reason=fine)
    if not fine or worked is None or wish is None:
        return _page(found, form, worked, status=422)
    if form.shown.data != worked.shown:
        return _page(found, form, worked, changed=bool(form.shown.data), status=422)
    return_id = allowances.create(
        person(), order_id, wish, shown=worked.shown, nonce=form.nonce.data, site=site(), now=now()
    )
    tell(_("The refund is made.") if worked.standing.is_complete else _("The refund waits for approval."))
    return redirect_to(url_for("admin.returns.show", return_id=return_id, _anchor="refund"))


def _found(order_id: UUID) -> OrderPage:
    found = orders.order(person(), order_id)
    if not person().may("refunds.propose", found.merchant.id):
        raise NotAllowed("refunds.propose")
    speak(zone=found.merchant.zone)
    return found


def _kept(found: OrderPage) -> list[KeptRow]:
    return [
        KeptRow(line=line, units=line.returnable_units, paid=allowances.price_of(line, line.returnable_units))
        for line in found.order.items
        if line.returnable_units and line.refundable
    ]


def _form(found: OrderPage, *, fresh: bool = False) -> AllowanceForm:
    rows = [{"line_id": str(row.line.id)} for row in _kept(found)]
    nonce = secrets.token_urlsafe(16)
    form = AllowanceForm(formdata=None, lines=rows, nonce=nonce) if fresh else AllowanceForm(lines=rows)
    for row in rows[len(form.lines) :]:  # which a browser would have sent
        form.lines.append_entry(row)
    form.offer()
    return form


def _worked_out(
    found: OrderPage, form: AllowanceForm, *, needs_reason: bool
) -> tuple[Proposal | None, allowances.Wish | None]:
    """What is asked for, worked out; None where nothing was chosen yet, or where the form says why not."""
    wish = form.wish(found.order.currency, needs_reason=needs_reason)
    if wish is None or (not wish.lines and not needs_reason):
        return None, wish
    try:
        return allowances.proposal(person(), found.order.id, wish, now=now()), wish
    except Conflict as conflict:
        told = words().conflict(conflict.code, conflict.details, found.order.currency)
        form.blame(conflict.details, told)
        return None, wish


def _faults(form: AllowanceForm) -> list[dict[str, str]]:
    rows = [field for row in form.lines for field in (row.form.units, row.form.amount, row.form.percent)]
    return [
        *({"field": field.id, "text": str(field.errors[0])} for field in rows if field.errors),
        *({"field": "refund-form", "text": str(text)} for text in form.form_errors),
    ]


def _page(
    found: OrderPage,
    form: AllowanceForm,
    worked: Proposal | None,
    *,
    changed: bool = False,
    stale: bool = False,
    status: int = 200,
) -> Response:
    currency = found.order.currency
    sums = (
        panels.sums(worked, currency=currency, merchant_id=found.merchant.id, payments=found.order.payments)
        if worked
        else {}
    )
    return page(
        "admin/allowances/new.html",
        fragments=("worked",),
        found=found,
        order=found.order,
        form=form,
        rows=_kept(found),
        worked=worked is not None,
        example=form.lines[0].form.amount.example(currency) if form.lines.entries else "",
        changed=changed,
        stale=stale,
        problems=_faults(form) if stale and "HX-Request" in request.headers else [],
        status=status,
        **sums,
    )

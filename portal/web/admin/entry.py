"""An agent starts a return for a customer: which merchant, which type, for whom, and how they asked."""

import secrets
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import NotFound
from portal.core.merchants import MerchantFacts
from portal.core.policy.terms import Terms
from portal.services import merchants, orders, returns
from portal.web.actor import needs, person
from portal.web.forms.admin import NewReturnForm
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _

bp = Blueprint("entry", __name__)


@bp.get("/returns/new")
@needs("returns.create")
def new() -> Response:
    """The first questions; an order or a customer that was found fills the customer in."""
    merchant = _chosen_merchant(request.args.get("merchant", ""))
    if merchant is None:
        return page("admin/entry/merchant.html", merchants=_own_merchants())
    form = NewReturnForm(formdata=None, nonce=secrets.token_urlsafe(24), language=merchant.language)
    order_id = _uuid(request.args.get("order", ""))
    if order_id is not None:
        found = orders.order(person(), order_id)
        if found.merchant.id != merchant.id:
            raise NotFound
        form = NewReturnForm(
            formdata=None,
            nonce=secrets.token_urlsafe(24),
            order_id=str(order_id) if request.args.get("with_order") else "",
            name=found.name,
            email=found.email,
            phone=found.phone,
            language=found.language or merchant.language,
        )
    return _show(form, merchant, query=request.args.get("customer", "").strip())


@bp.post("/returns/new")
@needs("returns.create")
def create() -> Response:
    """Make the draft and go on with it; the same form twice makes one."""
    merchant = _chosen_merchant(request.args.get("merchant", ""))
    if merchant is None:
        raise NotFound
    form = NewReturnForm()
    form.offer()
    if not form.validate_on_submit():
        return _show(form, merchant, status=422)
    wanted = form.wanted()
    return_id = returns.start_draft(
        person(),
        merchant_id=merchant.id,
        kind=wanted.kind,
        channel=wanted.channel,
        name=wanted.name,
        email=wanted.email,
        phone=wanted.phone,
        language=wanted.language,
        order_id=_uuid(form.order_id.data or ""),
        nonce=form.nonce.data[:40] or None,
        now=now(),
    )
    return redirect_to(url_for("admin.prepare.show", return_id=return_id))


def _show(form: NewReturnForm, merchant: MerchantFacts, *, query: str = "", status: int = 200) -> Response:
    form.offer()
    terms = merchants.terms_of(merchant.id)
    hits = orders.find_orders(person(), merchant_id=merchant.id, query=query) if query else ()
    return page(
        "admin/entry/new.html",
        fragments=("customers",),
        form=form,
        shop=merchant,
        several=len(_own_merchants()) > 1,
        terms=terms,
        ways=_ways(terms),
        query=query,
        hits=hits,
        status=status,
    )


def _ways(terms: Terms) -> tuple[str, ...]:
    """How this return can end, in words: the policy says which of the two it supports."""
    ways = []
    if terms.by_link:
        ways.append(_("Send a link: the customer finishes what you leave open."))
    if terms.by_agent:
        ways.append(_("Authorize it yourself: the customer gets number, label and receipt by e-mail."))
    return tuple(ways)


def _own_merchants() -> list[MerchantFacts]:
    """Those this person may create returns for."""
    actor = person()
    return [one for one in merchants.of_actor(actor) if actor.may("returns.create", one.id)]


def _chosen_merchant(wanted: str) -> MerchantFacts | None:
    """The merchant of the address, or the only one; None when there is a choice. A stranger's is not found."""
    own = _own_merchants()
    if not wanted:
        return own[0] if len(own) == 1 else None
    for one in own:
        if str(one.id) == wanted:
            return one
    raise NotFound


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

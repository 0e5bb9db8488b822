"""The first moment of a call: how the customer asked, and the order found by whatever they can say."""

import secrets
from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict, NotFound
from portal.core.merchants import MerchantFacts
from portal.services import merchants
from portal.services.handling import entry
from portal.services.lists import orders
from portal.services.lists.orders import OrderHit
from portal.web.actor import needs, person
from portal.web.forms.entry import EntryForm
from portal.web.forms.returns import as_id
from portal.web.page import gateways, now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("entry", __name__)


@bp.get("/returns/new")
@needs("returns.create")
def new() -> Response:
    """An empty page, or the orders that fit what was said; an order named in the address is found at once."""
    shop = _shop(request.args.get("merchant", ""))
    order_id = as_id(request.args.get("order", ""))
    found = orders.order(person(), order_id) if order_id else None
    if found is not None and found.merchant.id not in {one.id for one in _shops()}:
        raise NotFound
    form = EntryForm(
        formdata=None,
        nonce=secrets.token_urlsafe(24),
        begun=str(int(now().timestamp())),
        merchant=str(shop.id) if shop else "",
        channel=request.args.get("channel", ""),
        q=found.order.number if found else request.args.get("q", "").strip(),
    )
    hits = orders.hits_of([order_id]) if order_id else _hits(form.q.data or "", shop)
    return _page(form, hits)


@bp.post("/returns/new")
@needs("returns.create")
def create() -> Response:
    """Begin the draft with the order that was picked, or the only one that fits; the same form twice makes one."""
    shop = _shop(request.args.get("merchant", "") or request.form.get("merchant", ""))
    form = EntryForm().offer(_shops())
    order_id, customer_of = (
        as_id(request.form.get("order_id", "")),
        as_id(request.form.get("customer_of", "")),
    )
    hits: tuple[OrderHit, ...] = ()
    if "find" in request.form:
        hits = _hits(form.q.data or "", shop)
        order_id = _meant(hits)
        if order_id is None:
            form.validate()
            return _look_again(form, hits)
    elif order_id or customer_of:
        hits = _hits(form.q.data or "", shop)
    elif shop is None:
        form.validate()
        form.merchant.errors = [_("Choose the shop")]
        return _page(form, _hits(form.q.data or "", shop), status=422)
    if not form.validate():
        return _page(form, hits, status=422)
    try:
        return_id = entry.begin(
            person(),
            merchant_id=shop.id if shop else None,
            kind=form.kind.data,
            channel=form.channel.data,
            order_id=order_id,
            customer_of=customer_of,
            name=form.name.data or "",
            email=form.email.data or "",
            phone=form.phone.data or "",
            language=_language(),
            nonce=(form.nonce.data or "")[:40] or None,
            begun_at=form.begun_at,
            gateways=gateways(),
            now=now(),
        )
    except Conflict as conflict:
        if conflict.code != "policy_inactive":
            raise
        form.form_errors.append(words().conflict(conflict.code, conflict.details))
        return _page(form, hits, status=422)
    return redirect_to(url_for("admin.prepare.show", return_id=return_id, at="next"))


def _look_again(form: EntryForm, hits: tuple[OrderHit, ...]) -> Response:
    """Several orders fit, or none: nothing is begun."""
    if not form.q.data:
        form.q.errors = [_("Type something that the customer can say: an order number, name, phone, e-mail")]
    return _page(form, hits, at="hits" if hits else "q", status=422 if form.errors else 200)


SHOWN = 12
"""Orders that are listed: who looks for another one says more."""


def _page(form: EntryForm, hits: tuple[OrderHit, ...], *, at: str = "", status: int = 200) -> Response:
    shops = _shops()
    form.offer(shops)
    names = {one.id: one.name for one in shops}
    own = [hit for hit in hits if hit.merchant_id in names]
    return page(
        "admin/entry/new.html",
        fragments=("hits", "entry"),
        status=status,
        form=form,
        hits=own[:SHOWN],
        is_cut=len(own) > SHOWN,
        shops=shops,
        shop_names=names,
        several=len(shops) > 1,
        switched_off=[one.name for one in shops if not merchants.terms_of(one.id).active],
        query=form.q.data or "",
        at=at or ("channel" if not form.channel.data else "q"),
        drafts=entry.drafts(person()),
    )


def _hits(query: str, shop: MerchantFacts | None) -> tuple[OrderHit, ...]:
    if not query:
        return ()
    merchant_id = shop.id if shop else None
    return tuple(orders.find_orders(person(), query=query, merchant_id=merchant_id, limit=SHOWN + 1))


def _meant(hits: tuple[OrderHit, ...]) -> UUID | None:
    """The order that is meant without doubt: the only one that fits, or the only one of that number."""
    exact = [hit for hit in hits if hit.exact]
    if len(exact) == 1 or len(hits) == 1:
        return (exact or hits)[0].id
    return None


def _language() -> str:
    """The language of messages, where the form says one."""
    return request.form.get("language", "")[:10]


def _shops() -> list[MerchantFacts]:
    """Those this person may create returns for."""
    actor = person()
    return [one for one in merchants.of_actor(actor) if actor.may("returns.create", one.id)]


def _shop(wanted: str) -> MerchantFacts | None:
    """The shop of the form or address, or the only one; None when all are looked through. A stranger's is not found."""
    own = _shops()
    if not wanted:
        return own[0] if len(own) == 1 else None
    for one in own:
        if str(one.id) == wanted:
            return one
    raise NotFound

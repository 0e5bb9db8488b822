"""What is on a code: typed in, never in an address, and answered alike whatever is wrong with it."""

from __future__ import annotations

import time
from uuid import UUID

from flask import Blueprint, session, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from portal.core.merchants import MerchantFacts
from portal.services import merchants
from portal.services.ledgers import credits
from portal.web.admin.shapes import Column
from portal.web.extensions import limiter
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import lazy_gettext as _l
from portal.web.words import speak

bp = Blueprint("credit", __name__, url_prefix="/credit/<string:slug>")

ANSWER_AFTER = 0.1
"""Seconds that every answer takes, known or not: longer than looking takes, so that time tells nothing."""


class CodeForm(FlaskForm):
    """A code of a store credit or gift card, however it is typed."""

    code = StringField(
        _l("Code"),
        validators=[InputRequired(_l("Enter the code. It is in our e-mail to you.")), Length(max=60)],
    )


@bp.get("")
def show(slug: str) -> Response:
    """Where a code is typed."""
    return page("customer/credit.html", merchant=_merchant(slug), form=CodeForm(formdata=None))


@bp.post("")
@limiter.limit("10/minute;60/hour")
def look(slug: str) -> Response:
    """To its balance; what is no code of this shop gets one and the same answer."""
    merchant, form = _merchant(slug), CodeForm()
    began = time.monotonic()
    found = credits.typed(merchant.id, form.code.data or "") if form.validate() else None
    time.sleep(max(0.0, ANSWER_AFTER - (time.monotonic() - began)))
    if found is None:
        if not form.errors:
            form.code.errors = [_("We do not know this code. Check it against our e-mail, sign by sign.")]
        return page("customer/credit.html", status=422, merchant=merchant, form=form)
    session["credit"] = {"id": str(found), "slug": slug}
    return redirect_to(url_for("customer.credit.balance", slug=slug))


@bp.get("/balance")
def balance(slug: str) -> Response:
    """What is on the code that this browser typed last."""
    merchant, held = _merchant(slug), session.get("credit", {})
    if held.get("slug") != slug:
        return redirect_to(url_for("customer.credit.show", slug=slug))
    return page(
        "customer/credit_balance.html",
        merchant=merchant,
        credit=credits.seen(merchant.id, UUID(held["id"]), now=now()),
        columns=(
            Column(name=_("Day")),
            Column(name=_("What")),
            Column(name=_("Amount"), number=True),
            Column(name=_("Balance"), number=True),
        ),
    )


@bp.post("/close")
def close(slug: str) -> Response:
    """This browser forgets the code: for a machine that others use."""
    session.pop("credit", None)
    return redirect_to(url_for("customer.credit.show", slug=slug))


@bp.get("/close")
def closed(slug: str) -> Response:
    """A reload of that, or another language."""
    return redirect_to(url_for("customer.credit.show", slug=slug))


def _merchant(slug: str) -> MerchantFacts:
    merchant = merchants.by_slug(slug)
    speak("", merchant.zone, default=merchant.language)
    return merchant

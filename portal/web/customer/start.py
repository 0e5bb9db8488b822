"""Without a link: order number and e-mail or postcode. The answer is the same whether or not there is such an order."""

from __future__ import annotations

import time

from flask import Blueprint, current_app, request, url_for
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from portal.core.merchants import MerchantFacts
from portal.services import links, merchants
from portal.web.extensions import limiter
from portal.web.page import now, page, redirect_to, site
from portal.web.words import lazy_gettext as _l
from portal.web.words import speak, words

bp = Blueprint("start", __name__)

ANSWER_AFTER = 0.25
"""Seconds that every answer takes, found or not: longer than finding takes, so that time tells nothing."""


def _trimmed(value: str | None) -> str:
    return (value or "").strip()


class StartForm(FlaskForm):
    """Which order, and something that only its buyer knows."""

    number = StringField(
        _l("Order number"),
        filters=[_trimmed],
        validators=[
            InputRequired(_l("Enter the order number. It is in your order confirmation.")),
            Length(max=60),
        ],
    )
    proof = StringField(
        _l("E-mail address or postcode"),
        filters=[_trimmed],
        validators=[
            InputRequired(_l("Enter the e-mail address or the postcode of your order.")),
            Length(max=254),
        ],
    )


class TrackForm(StartForm):
    """The same for a return that exists."""

    number = StringField(
        _l("Number of your return or cancellation"),
        filters=[_trimmed],
        validators=[InputRequired(_l("Enter the number. It begins with RMA or CA.")), Length(max=60)],
    )


def _typed_number() -> str:
    return "start:" + request.form.get("number", "").strip().lower()[:60]


@bp.get("/")
def home() -> Response:
    """In the demo the shops' start pages; elsewhere only the way to come by a link."""
    demo = current_app.config["SETTINGS"].app_env == "demo"
    return page("customer/home.html", shops=merchants.every() if demo else ())


@bp.get("/start/<string:slug>")
def show(slug: str) -> Response:
    merchant, terms = _merchant(slug)
    return page(
        "customer/start.html",
        merchant=merchant,
        terms=terms,
        form=StartForm(formdata=None),
        track=_track_form(),
    )


@bp.post("/start/<string:slug>")
@limiter.limit("20/minute;100/hour")
@limiter.limit("10/hour", key_func=_typed_number)
def send(slug: str) -> Response:
    merchant, terms = _merchant(slug)
    form = StartForm()
    if not form.validate():
        return page(
            "customer/start.html", status=422, merchant=merchant, terms=terms, form=form, track=_track_form()
        )
    return _send(merchant, form)


@bp.post("/start/<string:slug>/track")
@limiter.limit("20/minute;100/hour")
@limiter.limit("10/hour", key_func=_typed_number)
def track(slug: str) -> Response:
    merchant, terms = _merchant(slug)
    form = TrackForm(prefix="")
    if not form.validate():
        form = _track_form(form)
        return page(
            "customer/start.html",
            status=422,
            merchant=merchant,
            terms=terms,
            form=StartForm(formdata=None),
            track=form,
        )
    return _send(merchant, form)


@bp.get("/start/<string:slug>/track")
def back(slug: str) -> Response:
    """A reload of what was refused, or another language."""
    return redirect_to(url_for("customer.start.show", slug=slug))


@bp.get("/start/<string:slug>/sent")
def sent(slug: str) -> Response:
    """Always this page, to the byte."""
    merchant, _terms = _merchant(slug)
    return page("customer/sent.html", merchant=merchant, csrf_token=str)


@bp.get("/track/<string:number>")
def parcel(number: str) -> Response:
    """What the address on a label opens: how to follow the parcel. Says nothing about the number itself."""
    return page("customer/track.html", number=number[:40])


def _merchant(slug: str):  # type: ignore[no-untyped-def]
    merchant = merchants.by_slug(slug)
    speak("", merchant.zone, default=merchant.language)
    return merchant, merchants.terms_of(merchant.id)


def _track_form(form: TrackForm | None = None) -> TrackForm:
    """The second form of the page: its fields have ids of their own."""
    form = form or TrackForm(formdata=None)
    for field in (form.number, form.proof):
        field.id = f"track-{field.name}"
        field.label.field_id = field.id
    return form


def _send(merchant: MerchantFacts, form: StartForm) -> Response:
    """Find the order or not; answer the same, after the same time."""
    began = time.monotonic()
    links.start_by_customer(
        merchant_id=merchant.id,
        order_number=form.number.data,
        proof=form.proof.data,
        language=words().language,
        site=site(),
        now=now(),
    )
    time.sleep(max(0.0, ANSWER_AFTER - (time.monotonic() - began)))
    return redirect_to(url_for("customer.start.sent", slug=merchant.slug))

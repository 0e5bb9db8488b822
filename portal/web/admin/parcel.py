"""Where the parcel of a draft comes from, and how it is sent: answered by the agent, when the customer can say."""

from uuid import UUID

from flask import Blueprint, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.shipping import Method
from portal.services import returns, shipping
from portal.services.outside import Unavailable
from portal.services.returns import Page
from portal.services.shipping import Way
from portal.web.actor import needs, person
from portal.web.admin import drafts
from portal.web.admin.prepare import draft_of
from portal.web.admin.returns import payers
from portal.web.forms.returns import AddressForm, Problem, address_form
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("parcel", __name__)


@bp.get("/returns/<uuid:return_id>/prepare/address")
@needs("returns.create")
def address(return_id: UUID) -> Response:
    """The address as it is known; ``country`` changes what is asked."""
    found = draft_of(return_id)
    proposed = returns.proposed_address(found)
    country = request.args.get("country", "") or proposed.country or found.merchant.country
    return _address_page(found, country, address_form(_addresses().rules(country), filled=proposed))


@bp.post("/returns/<uuid:return_id>/prepare/address")
@needs("returns.create")
def set_address(return_id: UUID) -> Response:
    """Checked by the rules of its country."""
    found = draft_of(return_id)
    country = request.form.get("country", "")
    form = address_form(_addresses().rules(country), data=request.form)
    wanted = form.wanted()
    if form.tell(_addresses().check(wanted)):
        return _address_page(found, country, form, status=422)
    returns.set_address(person(), return_id, wanted, now=now())
    return redirect_to(url_for("admin.prepare.show", return_id=return_id))


def _address_page(found: Page, country: str, form: AddressForm, *, status: int = 200) -> Response:
    return page(
        "admin/prepare/address.html",
        found=found,
        draft=found.draft,
        shop=found.merchant,
        form=form,
        fields=[form[field.name] for field in form.rules.fields],
        country=country,
        countries=_addresses().countries(words().language),
        status=status,
    )


@bp.get("/returns/<uuid:return_id>/prepare/sending")
@needs("returns.create")
def sending(return_id: UUID) -> Response:
    """The ways on offer, with price, deduction and speed."""
    return _sending_page(draft_of(return_id))


@bp.post("/returns/<uuid:return_id>/prepare/sending")
@needs("returns.create")
def set_sending(return_id: UUID) -> Response:
    """Choose one of them."""
    found = draft_of(return_id)
    rate_id = request.form.get("rate", "")
    if not rate_id:
        told = (Problem(field="ways", text=_("Choose how it is sent.")),)
        return _sending_page(found, problems=told, status=422)
    try:
        shipping.choose_sending(
            person(),
            return_id,
            rate_id=rate_id,
            point_id=request.form.get(f"point-{rate_id}", ""),
            slot_id=request.form.get(f"slot-{rate_id}", ""),
            tracking_number=request.form.get(f"number-{rate_id}", ""),
            gateways=current_app.extensions["gateways"],
            now=now(),
        )
    except Conflict as conflict:
        if conflict.code in ("not_a_draft", "locked"):
            raise
        told = (Problem(field="ways", text=words().conflict(conflict.code, conflict.details)),)
        return _sending_page(found, problems=told, status=422)
    return redirect_to(url_for("admin.prepare.show", return_id=return_id))


def _sending_page(found: Page, *, problems: tuple[Problem, ...] = (), status: int = 200) -> Response:
    offered: tuple[Way, ...] = ()
    missing = ""
    try:
        offered = shipping.ways(
            person(), found.draft.id, gateways=current_app.extensions["gateways"], now=now()
        )
    except Conflict as conflict:
        missing = words().conflict(conflict.code, conflict.details)
    except Unavailable:
        missing = _("No carrier answers at the moment. Please try again in a minute.")
    return page(
        "admin/prepare/sending.html",
        found=found,
        draft=found.draft,
        shop=found.merchant,
        ways=offered,
        pays=payers(),
        own_carrier=Method.OWN_CARRIER,
        chosen=drafts.chosen_rate(found, request.form),
        asked=request.form,
        missing=missing,
        problems=problems,
        status=status,
    )


def _addresses():  # type: ignore[no-untyped-def]
    return current_app.extensions["gateways"].addresses

"""Where the parcel comes from, asked as its country writes addresses."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.returns import Step
from portal.services.filing import returns
from portal.web.customer.opened import Opened, elsewhere, go_on, open_return, settled_meanwhile
from portal.web.forms.returns import AddressForm, address_form
from portal.web.page import gateways, now, page
from portal.web.words import words

bp = Blueprint("address", __name__, url_prefix="/r/<uuid:return_id>/address")


@bp.get("")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.ADDRESS):
        return there
    known = returns.proposed_address(opened.view)
    if not known.name:
        known = replace(known, name=opened.view.draft.name)
    return _page(opened, address_form(gateways().addresses.rules(known.country), filled=known), known.country)


@bp.post("")
def answer(return_id: UUID) -> Response:
    """Checked by the rules of the country; another country first shows its own fields, with what was typed."""
    opened = open_return(return_id)
    if there := elsewhere(opened, Step.ADDRESS):
        return there
    addresses = gateways().addresses
    country = request.form.get("country", "")[:2].upper()
    form = address_form(addresses.rules(country), data=request.form)
    if "change_country" in request.form or request.form.get("shown") != country:
        return _page(opened, form, country, status=422)
    wanted = form.wanted()
    form.validate()
    if form.tell(addresses.check(wanted)) or form.errors:
        return _page(opened, form, country, status=422)
    try:
        returns.set_address(opened.actor, return_id, wanted, now=now())
    except Conflict as error:
        return settled_meanwhile(error, opened)
    return go_on(return_id)


def _page(opened: Opened, form: AddressForm, country: str, *, status: int = 200) -> Response:
    return page(
        "customer/address.html",
        fragments=("fields",),
        status=status,
        **opened.context(
            Step.ADDRESS,
            form=form,
            country=country,
            countries=gateways().addresses.countries(words().language),
        ),
    )

"""Where the parcel of a draft comes from, and how it is sent: answered by the agent, when the customer can say."""

from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.services.filing import returns, shipping
from portal.services.filing.returns import Page
from portal.web.actor import needs, person
from portal.web.admin import both
from portal.web.admin.prepare import settle
from portal.web.admin.workspace import address_form_of, back, draft_of, ways_of, workspace
from portal.web.forms.returns import Problem, address_form
from portal.web.forms.together import plain, together
from portal.web.page import gateways, now
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("parcel", __name__)


@bp.post("/returns/<uuid:return_id>/prepare/address")
@needs("returns.create")
def set_address(return_id: UUID) -> Response:
    """Checked by the rules of its country. Another country asks other fields, and nothing is judged yet.

    What is wrong leaves the question open, so that nothing is ever sent from an address that was being changed.
    A field that is only still empty is nobody's fault before Save is pressed: it is being typed.
    """
    found, addresses = draft_of(return_id), gateways().addresses
    country = request.form.get("country", "")
    form = address_form(addresses.rules(country), data=request.form)
    if "look" in request.form or country != request.form.get("country_was", country):
        returns.doubt_address(person(), return_id, now=now())
        return workspace(returns.page(person(), return_id, now=now()), address=form)
    # An address is one thing: half of one and half of another would be nobody's.
    there = address_form_of(found)
    sent = together(request.form, both.address(there))
    if sent.theirs and not sent.mine:
        return back(return_id)
    if sent.theirs:
        differing = [name for name in there.names if sent.there[name] != plain(request.form.get(name, ""))]
        shown = both.fields_shown(there, differing, request.form)
        if (clash := both.refused(found, shown)) is not None:
            return clash
    wanted = form.wanted()
    if findings := addresses.check(wanted):
        returns.doubt_address(person(), return_id, now=now())
        again = returns.page(person(), return_id, now=now())
        if "save" not in request.form and all(one.code == "missing" for one in findings):
            return workspace(again, address=form)
        form.tell(findings)
        return workspace(again, address=form, status=422)
    returns.set_address(person(), return_id, wanted, now=now())
    settle(found)
    return back(return_id)


@bp.post("/returns/<uuid:return_id>/prepare/sending")
@needs("returns.create")
def set_sending(return_id: UUID) -> Response:
    """Choose one of the ways on offer."""
    found = draft_of(return_id)
    rate_id = request.form.get("rate", "")
    if not rate_id:
        told = (Problem(field="ways", text=_("Choose how it is sent.")),)
        return workspace(found, way_problems=told, status=422)
    sent = together(request.form, {"rate": found.draft.sending.rate_id if found.draft.sending else ""})
    if sent.clashes:
        names = {way.rate.id: words().method(way.rate.method).name for way in ways_of(found)[0]}
        mine, theirs = (names.get(one, "") for one in (rate_id, sent.there["rate"]))
        if (clash := both.refused(found, [(_("Way of sending"), mine, theirs)])) is not None:
            return clash
    if (slot := _missing_slot(found, rate_id)) is not None:
        returns.doubt_sending(person(), return_id, now=now())
        again = returns.page(person(), return_id, now=now())
        if "save" not in request.form:
            return workspace(again)  # the time is chosen next
        told = (Problem(field=slot, text=_("Choose when the driver shall come.")),)
        return workspace(again, way_problems=told, status=422)
    try:
        shipping.choose_sending(
            person(),
            return_id,
            rate_id=rate_id,
            point_id=request.form.get(f"point-{rate_id}", ""),
            slot_id=request.form.get(f"slot-{rate_id}", ""),
            tracking_number=request.form.get(f"number-{rate_id}", ""),
            gateways=gateways(),
            now=now(),
        )
    except Conflict as conflict:
        if conflict.code in ("not_a_draft", "locked"):
            raise
        told = (Problem(field="ways", text=words().conflict(conflict.code, conflict.details)),)
        return workspace(found, way_problems=told, status=422)
    return back(return_id)


def _missing_slot(found: Page, rate_id: str) -> str | None:
    """The field of a pick-up of which no time is chosen; None where nothing is missing."""
    for number, way in enumerate(ways_of(found)[0], 1):
        if way.rate.id == rate_id and way.slots and not request.form.get(f"slot-{rate_id}", ""):
            return f"slot-{number}"
    return None

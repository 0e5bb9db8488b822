"""The one screen of a draft: what it shows, which parts of it change with what, and where to go on."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from flask import current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.facts import CANCELLATIONS
from portal.core.policy.verdict import Verdict
from portal.core.returns import BY_CUSTOMER, Step, is_done, steps_left
from portal.core.shipping import Method
from portal.core.workflows import EXCHANGE_FIRST
from portal.services.filing import returns, shipping
from portal.services.filing.returns import Page
from portal.services.filing.shipping import Way
from portal.services.handling import entry
from portal.services.lists import customers, orders
from portal.services.lists.orders import OrderHit
from portal.services.outside import Unavailable
from portal.web.actor import person
from portal.web.admin import both, drafts, rulings
from portal.web.admin.amounts import explained
from portal.web.admin.presence import around
from portal.web.admin.returns import payers
from portal.web.forms.admin import SendLinkForm
from portal.web.forms.entry import ContactForm
from portal.web.forms.returns import AddressForm, Problem, address_form, conditions, reason_groups
from portal.web.page import gateways, now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import speak, words
from portal.words import Words
from portal.words import workflows as told

AFFECTED = {
    "lines": ("heading", "survey", "ways", "panel", "script"),
    "survey": ("heading", "lines", "ways", "panel", "script"),
    "contact": ("heading", "past", "panel", "script"),
    "address": ("heading", "ways", "panel", "script"),
    "ways": ("heading", "panel", "script"),
    "heading": ("lines", "survey", "contact", "address", "ways", "panel", "script", "past"),
}
"""What else a change of one part changes; the heading asks by itself, for what somebody else has changed."""


def draft_of(return_id: UUID) -> Page:
    """The page of a draft; a return that is confirmed meanwhile is a conflict."""
    found = returns.page(person(), return_id, now=now())
    speak(zone=found.merchant.zone)
    if found.draft.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    if found.draft.state != "draft":
        raise Conflict("not_a_draft", state=found.draft.state)
    return found


def back(return_id: UUID, at: str = "") -> Response:
    """The screen again; ``at`` is the field to go on with, ``next`` the first that is still open."""
    anchor = at if at != "next" else None
    return redirect_to(
        url_for("admin.prepare.show", return_id=return_id, at=at or None, _anchor=anchor or None)
    )


def workspace(
    found: Page,
    *,
    problems: tuple[Problem, ...] = (),
    typed: Mapping[str, str] | None = None,
    refused: Verdict | None = None,
    contact: ContactForm | None = None,
    address: AddressForm | None = None,
    way_problems: tuple[Problem, ...] = (),
    end_problems: tuple[Problem, ...] = (),
    status: int = 200,
) -> Response:
    """The whole screen, or the part that was changed with everything that follows from it."""
    draft, terms = found.draft, found.terms
    target = request.headers.get("HX-Target", "")
    ways, missing = ways_of(found)
    left = [step for step in steps_left(draft, terms) if step is not Step.CONFIRM]
    where = request.args.get("at", "")
    override = drafts.override(found, person())
    goes_on = drafts.next_field(found, left, has_ways=bool(ways))
    address = address or address_form_of(found)
    hits = _hits(found)
    answer = page(
        "admin/prepare/show.html",
        fragments=("entry", "orders", *AFFECTED),
        also=AFFECTED.get(target, ()) if status == 200 or target not in AFFECTED else ("heading",),
        status=status,
        found=found,
        draft=draft,
        shop=found.merchant,
        terms=terms,
        items=drafts.items(found),
        products=drafts.products(found),
        survey=drafts.survey(found),
        reasons=reason_groups(),
        conditions=conditions(),
        problems=problems,
        typed=typed or {},
        refused=drafts.objections(refused, found) if refused else (),
        worries=drafts.objections(found.verdict, found),
        tasks=drafts.tasks(found),
        left=left,
        left_names=[words().step(step) for step in left],
        left_for_customer=drafts.left_for_customer(found),
        refund=explained(found.breakdown, estimate=True),
        saved=entry.saved(found),
        at=goes_on.field if where == "next" else where,
        goes_on=goes_on,
        contact=contact or contact_form(found),
        contact_there=both.contact(contact_form(found)),
        address=address,
        address_there=both.address(address_form_of(found)),
        address_fields=[address[field.name] for field in address.rules.fields],
        country=address.rules.country,
        countries=gateways().addresses.countries(words().language),
        address_done=is_done(Step.ADDRESS, draft, terms),
        address_open=bool(address.errors)
        or not is_done(Step.ADDRESS, draft, terms)
        or "look" in request.form,
        printed=gateways().addresses.printed(draft.address, language=words().language)
        if draft.address
        else (),
        ways=ways,
        way_missing=missing,
        way_problems=way_problems,
        pays=payers(),
        own_carrier=Method.OWN_CARRIER,
        chosen=drafts.chosen_rate(found, request.form),
        asked=request.form,
        end_problems=end_problems,
        presence=around(draft.id),
        decision=rulings.worded(found.decision, draft.currency),
        override=override,
        wishes=told.WISHES if found.decision and found.decision.outcome == EXCHANGE_FIRST else {},
        **_past(found, target),
        query=request.args.get("q", "").strip(),
        hits=hits[:SHOWN],
        is_cut=len(hits) > SHOWN,
        link_form=_link_form(found),
        may_link=terms.by_link and person().may("links.manage", draft.merchant_id),
        script=drafts.script(found, waits=override is not None and not override.may),
    )
    if target == "entry":
        answer.headers["HX-Push-Url"] = url_for("admin.prepare.show", return_id=draft.id)
    return answer


def _past(found: Page, target: str) -> dict[str, Any]:
    """What the customer had before; only for an answer that shows it."""
    if target in AFFECTED and "past" not in AFFECTED[target]:
        return {"past": None, "customer": None}
    return {"past": entry.past(person(), found), "customer": customers.of(person(), found.draft.id)}


SHOWN = 8
"""Orders that are listed: who looks for another one says more."""


def _hits(found: Page) -> tuple[OrderHit, ...]:
    query = request.args.get("q", "").strip()
    if not query:
        return ()
    merchant_id = found.draft.merchant_id
    return tuple(orders.find_orders(person(), merchant_id=merchant_id, query=query, limit=SHOWN + 1))


def ways_of(found: Page) -> tuple[tuple[Way, ...], str]:
    """What is on offer, or why nothing is."""
    if not found.draft.lines:
        return (), _("As soon as items are chosen, the ways to send them stand here.")
    try:
        return shipping.ways(person(), found.draft.id, gateways=gateways(), now=now()), ""
    except Conflict as conflict:
        return (), words().conflict(conflict.code, conflict.details)
    except Unavailable:
        return (), _("No carrier answers at the moment. Please try again in a minute.")


def contact_form(found: Page) -> ContactForm:
    """Filled with what is stored."""
    draft = found.draft
    return ContactForm(
        formdata=None,
        kind=draft.kind,
        name=draft.name,
        email=draft.email,
        phone=draft.phone,
        language=Words(draft.language).language,  # a channel says de-DE, where the choice says de
    ).offer()


def address_form_of(found: Page) -> AddressForm:
    """Filled with what is stored, else with what is proposed."""
    proposed = returns.proposed_address(found)
    country = proposed.country or found.merchant.country
    return address_form(gateways().addresses.rules(country), filled=proposed)


def _link_form(found: Page) -> SendLinkForm:
    done = [step for step in BY_CUSTOMER[:-1] if is_done(step, found.draft, found.terms)]
    form = SendLinkForm(
        formdata=None,
        note=found.draft.note,
        days=found.terms.link_days,
        mail=True,
        open=[step for step in done if step not in found.draft.locked],
    )
    form.offer(done)
    return form


def uploads():  # type: ignore[no-untyped-def]
    """Where photos are kept."""
    return current_app.config["SETTINGS"].upload_dir

"""The draft on one screen: order, items, reasons, photos and customer, saved at each change, and the end of it."""

from uuid import UUID

from flask import Blueprint, current_app, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.facts import CANCELLATIONS
from portal.core.policy.verdict import Refused
from portal.services import photos
from portal.services.filing import returns
from portal.services.filing.returns import Page
from portal.services.handling import confirmation, entry
from portal.services.lists import orders
from portal.web.actor import needs, person
from portal.web.admin import both, drafts
from portal.web.admin.workspace import back, contact_form, draft_of, uploads, workspace
from portal.web.forms.admin import OrderNumberForm, PhotosForm, as_number
from portal.web.forms.entry import ContactForm
from portal.web.forms.returns import LONGEST_NOTE, Problem, read_answers, read_products, read_units
from portal.web.forms.together import together
from portal.web.page import gateways, now, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("prepare", __name__)


@bp.get("/returns/<uuid:return_id>/prepare")
@needs("returns.create")
def show(return_id: UUID) -> Response:
    """The draft as it stands; one that is confirmed has a page of its own."""
    found = returns.page(person(), return_id, now=now())
    if _has_seen(found, request.args.get("seen", "")):
        return Response(status=204)
    if found.draft.state != "draft" or found.draft.kind in CANCELLATIONS:
        return redirect_to(url_for("admin.returns.show", return_id=return_id))
    speak(zone=found.merchant.zone)
    return workspace(found)


def _has_seen(found: Page, seen: str) -> bool:
    """Whether a page that asks by itself shows all there is. One that has just ended the draft moves on by itself."""
    shown = as_number(seen)
    if shown is None:
        return False
    if found.draft.state != "draft":
        return entry.changed_by_another(person(), found, since=shown) is None
    return entry.saved(found).sequence == shown


@bp.post("/returns/<uuid:return_id>/prepare/lines")
@needs("returns.create")
def choose(return_id: UUID) -> Response:
    """Units per line of the order, or products typed in. Only what differs from what was shown is changed."""
    found = draft_of(return_id)
    read = read_units(_units_posted(), drafts.most(found)) if found.order else read_products(request.form)
    if read.problems:
        return workspace(found, problems=read.problems, typed=read.values, status=422)
    if (clash := both.refused(found, both.units_shown(found, read.choices))) is not None:
        return clash
    try:
        if read.choices:
            returns.choose_lines(person(), return_id, read.choices, now=now(), partly=True, despite=True)
            settle(found)
    except Refused as refusal:
        return workspace(found, typed=read.values, refused=refusal.verdict, status=422)
    return back(return_id, drafts.after_lines(returns.page(person(), return_id, now=now()), request.form))


def _units_posted() -> MultiDict[str, str]:
    """The form; with scripts a button has changed its field already, and does not count again."""
    if not wants_fragment():
        return request.form
    return MultiDict((name, value) for name, value in request.form.items() if name not in UNIT_BUTTONS)


UNIT_BUTTONS = ("more", "less", "all", "none")


def settle(before: Page) -> None:
    """The way of sending after a change, as far as nobody has to be asked for it."""
    entry.settle_way(person(), before.draft.id, before=before.draft.sending, gateways=gateways(), now=now())


@bp.post("/returns/<uuid:return_id>/prepare/survey")
@needs("returns.create")
def answer(return_id: UUID) -> Response:
    """Reasons, conditions and notes; what is not known yet stays open."""
    found = draft_of(return_id)
    sent = together(request.form, both.answers(found))
    read = read_answers(MultiDict(sent.values), tuple(line.id for line in found.draft.lines))
    if read.problems:
        return workspace(found, problems=read.problems, typed=read.values, status=422)
    shown = both.answers_shown(found, sent.clashes, sent.values)
    if (clash := both.refused(found, shown)) is not None:
        return clash
    returns.answer(person(), return_id, read.choices, now=now())
    settle(found)
    return back(return_id)


@bp.post("/returns/<uuid:return_id>/prepare/photos/<uuid:line_id>")
@needs("returns.create")
def add_photos(return_id: UUID, line_id: UUID) -> Response:
    """Photos that the customer sent by other means."""
    found, form = draft_of(return_id), PhotosForm()
    if not form.validate_on_submit():
        told = Problem(field=f"photos-{line_id}", text=form.errors["photos"][0])
        return workspace(found, problems=(told,), status=422)
    for upload in form.photos.data:
        photos.add(person(), return_id, line_id, upload.read(), folder=uploads(), now=now())
    return back(return_id, f"photos-{line_id}")


@bp.post("/returns/<uuid:return_id>/prepare/photos/<uuid:photo_id>/removal")
@needs("returns.create")
def remove_photo(return_id: UUID, photo_id: UUID) -> Response:
    """Take a photo back."""
    photos.remove(person(), return_id, photo_id, folder=uploads(), now=now())
    return back(return_id, "survey")


@bp.post("/returns/<uuid:return_id>/prepare/order")
@needs("returns.create")
def set_order(return_id: UUID) -> Response:
    """Tie the return to the order. Another order empties the selection."""
    found, form = draft_of(return_id), OrderNumberForm()
    if not form.validate_on_submit():
        told = Problem(field="order_number", text=next(iter(form.errors.values()))[0])
        return workspace(found, problems=(told,), status=422)
    picked = form.picked()
    if picked is None and not form.order_number.data and "order_number" in request.form:
        nothing = _("Type something that the customer can say: an order number, name, phone, e-mail")
        return workspace(found, problems=(Problem(field="order_number", text=nothing),), status=422)
    if picked is None and form.order_number.data and found.terms.order_source:
        hits = orders.find_orders(person(), merchant_id=found.draft.merchant_id, query=form.order_number.data)
        exact = [hit for hit in hits if hit.exact]
        picked = exact[0].id if len(exact) == 1 else None
    returns.set_order(
        person(), return_id, order_id=picked, order_number=form.order_number.data or "", now=now()
    )
    if picked is not None:
        entry.take_customer(person(), return_id, gateways=gateways(), now=now())
    return back(return_id, "next")


@bp.post("/returns/<uuid:return_id>/prepare/customer")
@needs("returns.create")
def set_customer(return_id: UUID) -> Response:
    """Who it is for, how to reach them, and of which type it is; how they asked stays as it was."""
    found = draft_of(return_id)
    there = contact_form(found)
    sent = together(request.form, both.contact(there))
    form = ContactForm(formdata=MultiDict({**request.form, **sent.values})).offer()
    if not form.validate():
        return workspace(found, contact=form, status=422)
    if (clash := both.refused(found, both.fields_shown(there, sent.clashes, sent.values))) is not None:
        return clash
    returns.set_customer(
        person(),
        return_id,
        name=form.name.data or "",
        email=form.email.data or "",
        phone=form.phone.data or "",
        language=form.language.data,
        kind=form.kind.data,
        now=now(),
    )
    return back(return_id)


@bp.post("/returns/<uuid:return_id>/prepare/confirmation")
@needs("returns.create")
def confirm(return_id: UUID) -> Response:
    """Authorize: everything is answered, the units are taken, label and e-mail are promised.

    What the policy refuses needs a reason; without the right to override it waits for somebody who has it.
    What somebody else has changed since the page was made has to be looked at first.
    """
    despite = request.form.get("despite", "").strip()[:LONGEST_NOTE]
    if (unseen := _unseen(return_id)) is not None:
        told = (Problem(field="lines", text=words().conflict("changed_meanwhile")),)
        return workspace(unseen, end_problems=told, status=422)
    try:
        confirmation.confirm(
            person(),
            return_id,
            wish=request.form.get("wish", ""),
            despite=despite,
            site=current_app.extensions["site"],
            now=now(),
        )
    except Refused as refusal:
        found = returns.page(person(), return_id, now=now())
        if not despite and drafts.override(found, person()):
            told = (
                Problem(field="despite", text=_("Say why it is taken back although the policy refuses it.")),
            )
            return workspace(found, end_problems=told, status=422)
        return workspace(found, refused=refusal.verdict, status=422)
    except Conflict as conflict:
        if conflict.code != "steps_left":
            raise
        tell(words().conflict(conflict.code, conflict.details), "bad")
        return back(return_id, "next")
    return redirect_to(url_for("admin.entered.show", return_id=return_id))


def _unseen(return_id: UUID) -> Page | None:
    """The draft as it is, where another person or the customer has answered something since it was shown."""
    found, shown = returns.page(person(), return_id, now=now()), as_number(request.form.get("seen"))
    if found.draft.state != "draft" or found.draft.kind in CANCELLATIONS or shown is None:
        return None
    speak(zone=found.merchant.zone)
    changed = entry.changed_by_another(person(), found, since=shown, what="return.updated")
    return found if changed is not None else None

"""The workspace of one draft: order, items, questions and refund on one page, and the two ways to end it."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from flask import Blueprint, current_app, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import Conflict
from portal.core.facts import CANCELLATIONS
from portal.core.policy.verdict import Refused, Verdict
from portal.core.returns import Step, steps_left
from portal.services import confirmation, orders, photos, returns
from portal.services.returns import Page
from portal.web.actor import needs, person
from portal.web.admin import drafts
from portal.web.admin.amounts import explained
from portal.web.forms.admin import NewReturnForm, OrderNumberForm, PhotosForm
from portal.web.forms.returns import (
    Problem,
    conditions,
    read_answers,
    read_products,
    read_units,
    reason_groups,
)
from portal.web.page import now, page, redirect_to, tell
from portal.web.words import gettext as _
from portal.web.words import speak, words

bp = Blueprint("prepare", __name__)

FRAGMENTS = ("lines", "survey", "panel")


@bp.get("/returns/<uuid:return_id>/prepare")
@needs("returns.create")
def show(return_id: UUID) -> Response:
    """The draft as it stands; one that is confirmed has a page of its own."""
    found = returns.page(person(), return_id, now=now())
    if found.draft.state != "draft" or found.draft.kind in CANCELLATIONS:
        return redirect_to(url_for("admin.returns.show", return_id=return_id))
    return _workspace(found)


def _workspace(
    found: Page,
    *,
    problems: tuple[Problem, ...] = (),
    typed: Mapping[str, str] | None = None,
    refused: Verdict | None = None,
    status: int = 200,
) -> Response:
    left = [step for step in steps_left(found.draft, found.terms) if step is not Step.CONFIRM]
    return page(
        "admin/prepare/show.html",
        fragments=FRAGMENTS,
        also=[name for name in FRAGMENTS if name != request.headers.get("HX-Target")],
        status=status,
        found=found,
        draft=found.draft,
        shop=found.merchant,
        terms=found.terms,
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
    )


@bp.post("/returns/<uuid:return_id>/prepare/lines")
@needs("returns.create")
def choose(return_id: UUID) -> Response:
    """Units per line of the order, or products typed in. Only what differs from what was shown is changed."""
    found = draft_of(return_id)
    read = read_units(request.form) if found.order else read_products(request.form)
    if read.problems:
        return _workspace(found, problems=read.problems, typed=read.values, status=422)
    try:
        if read.choices:
            returns.choose_lines(person(), return_id, read.choices, now=now(), partly=True)
    except Refused as refusal:
        return _workspace(found, typed=read.values, refused=refusal.verdict, status=422)
    return _back(return_id)


@bp.post("/returns/<uuid:return_id>/prepare/survey")
@needs("returns.create")
def answer(return_id: UUID) -> Response:
    """Reasons, conditions and notes; what is not known yet stays open."""
    found = draft_of(return_id)
    read = read_answers(request.form, tuple(line.id for line in found.draft.lines))
    if read.problems:
        return _workspace(found, problems=read.problems, typed=read.values, status=422)
    returns.answer(person(), return_id, read.choices, now=now())
    return _back(return_id)


@bp.post("/returns/<uuid:return_id>/prepare/photos/<uuid:line_id>")
@needs("returns.create")
def add_photos(return_id: UUID, line_id: UUID) -> Response:
    """Photos that the customer sent by other means."""
    draft_of(return_id)
    form = PhotosForm()
    if form.validate_on_submit():
        for upload in form.photos.data:
            photos.add(person(), return_id, line_id, upload.read(), folder=_uploads(), now=now())
    else:
        tell(form.errors["photos"][0], "bad")
    return _back(return_id, "survey")


@bp.post("/returns/<uuid:return_id>/prepare/photos/<uuid:photo_id>/removal")
@needs("returns.create")
def remove_photo(return_id: UUID, photo_id: UUID) -> Response:
    """Take a photo back."""
    photos.remove(person(), return_id, photo_id, folder=_uploads(), now=now())
    return _back(return_id, "survey")


@bp.get("/returns/<uuid:return_id>/prepare/order")
@needs("returns.create")
def order(return_id: UUID) -> Response:
    """Find the order and pick it, type its number, or go on without."""
    found = draft_of(return_id)
    return _order_page(found, OrderNumberForm(formdata=None, order_number=found.draft.order_number))


@bp.post("/returns/<uuid:return_id>/prepare/order")
@needs("returns.create")
def set_order(return_id: UUID) -> Response:
    """Tie the return to the order. Another order empties the selection."""
    found, form = draft_of(return_id), OrderNumberForm()
    if not form.validate_on_submit():
        return _order_page(found, form, status=422)
    picked = form.picked()
    if picked is None and form.order_number.data and found.terms.order_source:
        hits = orders.find_orders(person(), merchant_id=found.draft.merchant_id, query=form.order_number.data)
        exact = [hit for hit in hits if hit.number.lower() == form.order_number.data.lower()]
        picked = exact[0].id if len(exact) == 1 else None
    returns.set_order(
        person(), return_id, order_id=picked, order_number=form.order_number.data or "", now=now()
    )
    return _back(return_id)


def _order_page(found: Page, form: OrderNumberForm, *, status: int = 200) -> Response:
    query = request.args.get("q", "").strip()
    if not query and request.method == "GET" and not found.draft.order_id:
        query = found.draft.email
    hits = orders.find_orders(person(), merchant_id=found.draft.merchant_id, query=query) if query else ()
    return page(
        "admin/prepare/order.html",
        fragments=("orders",),
        found=found,
        draft=found.draft,
        shop=found.merchant,
        form=form,
        query=query,
        hits=hits,
        status=status,
    )


@bp.get("/returns/<uuid:return_id>/prepare/customer")
@needs("returns.create")
def customer(return_id: UUID) -> Response:
    """Who it is for, and of which type."""
    found = draft_of(return_id)
    draft = found.draft
    form = NewReturnForm(
        formdata=None,
        kind=draft.kind,
        channel=draft.channel,
        name=draft.name,
        email=draft.email,
        phone=draft.phone,
        language=draft.language,
    )
    return _customer_page(found, form)


@bp.post("/returns/<uuid:return_id>/prepare/customer")
@needs("returns.create")
def set_customer(return_id: UUID) -> Response:
    """Correct customer or type; how they asked stays as it was."""
    found, form = draft_of(return_id), NewReturnForm()
    form.offer()
    del form.channel
    if not form.validate_on_submit():
        return _customer_page(found, form, status=422)
    returns.set_customer(
        person(),
        return_id,
        name=form.name.data,
        email=form.email.data,
        phone=form.phone.data,
        language=form.language.data,
        kind=form.kind.data,
        now=now(),
    )
    return _back(return_id)


def _customer_page(found: Page, form: NewReturnForm, *, status: int = 200) -> Response:
    form.offer()
    return page(
        "admin/prepare/customer.html",
        found=found,
        draft=found.draft,
        shop=found.merchant,
        form=form,
        status=status,
    )


@bp.post("/returns/<uuid:return_id>/prepare/confirmation")
@needs("returns.create")
def confirm(return_id: UUID) -> Response:
    """Authorize: everything is answered, the units are taken, label and e-mail are promised."""
    try:
        state = confirmation.confirm(person(), return_id, site=current_app.extensions["site"], now=now())
    except Refused as refusal:
        return _workspace(returns.page(person(), return_id, now=now()), refused=refusal.verdict, status=422)
    except Conflict as conflict:
        if conflict.code != "steps_left":
            raise
        tell(words().conflict(conflict.code, conflict.details), "bad")
        return _back(return_id)
    if state == "approved":
        tell(
            _(
                "Authorized and submitted for shipping. The customer gets number, label and receipt by e-mail."
            ),
            "good",
        )
    elif state == "requested":
        tell(_("Submitted. Somebody with the right to decide has to approve it."), "wait")
    return redirect_to(url_for("admin.returns.show", return_id=return_id))


def draft_of(return_id: UUID) -> Page:
    """The page of a draft; a return that is confirmed meanwhile is a conflict."""
    found = returns.page(person(), return_id, now=now())
    speak(zone=found.merchant.zone)
    if found.draft.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    if found.draft.state != "draft":
        raise Conflict("not_a_draft", state=found.draft.state)
    return found


def _back(return_id: UUID, anchor: str | None = None) -> Response:
    return redirect_to(url_for("admin.prepare.show", return_id=return_id, _anchor=anchor))


def _uploads() -> Path:
    folder: Path = current_app.config["SETTINGS"].upload_dir
    return folder

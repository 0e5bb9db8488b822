"""The first page of a link: who prepared what, what is left, and until when."""

from uuid import UUID

from flask import Blueprint
from werkzeug.wrappers import Response

from portal.core.returns import BY_CUSTOMER, Step, is_done
from portal.services import links
from portal.web.customer.opened import PAGES, Opened, go_on, open_return
from portal.web.page import now, page, redirect_to
from portal.web.words import gettext as _
from portal.web.words import words

bp = Blueprint("landing", __name__, url_prefix="/r/<uuid:return_id>")


@bp.get("")
def show(return_id: UUID) -> Response:
    opened = open_return(return_id)
    if opened.is_cancellation:
        return redirect_to(opened.url("customer.cancellation.show"))
    if not opened.is_draft:
        return redirect_to(opened.url("customer.status.show"))
    return page(
        "customer/landing.html",
        **opened.context(tasks=tasks(opened), may_cancel=opened.may_cancel),
    )


@bp.post("")
def go(return_id: UUID) -> Response:
    """The customer presses Continue: from here on we know that a person opened the link."""
    opened = open_return(return_id)
    links.mark_opened(opened.actor, opened.link.id, now=now())
    return go_on(return_id)


def tasks(opened: Opened) -> list[dict[str, object]]:
    """What is done and what is left, as the customer sees it."""
    draft, terms = opened.view.draft, opened.view.terms
    found: list[dict[str, object]] = []
    for step in BY_CUSTOMER:
        if step == Step.ADDRESS and not is_done(step, draft, terms) and draft.order_id:
            continue  # taken from the order, and shown where the way of sending is chosen
        done = is_done(step, draft, terms)
        note = _("Answered by our support") if done and not opened.may(step) else None
        found.append(
            {
                "name": words().step(step),
                "done": done,
                "note": note,
                "url": opened.url(PAGES[step]) if done and opened.may(step) else None,
            }
        )
    return found

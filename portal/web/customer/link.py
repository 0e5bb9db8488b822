"""A link is opened: reading it changes nothing, and the token leaves the address at once."""

from uuid import UUID

from flask import Blueprint, request, url_for
from werkzeug.wrappers import Response

from portal.core.access import NotFound
from portal.core.links import STATUS
from portal.services import links, merchants
from portal.web.actor import LinkDead, hold, holder
from portal.web.extensions import limiter
from portal.web.page import now, page, redirect_to
from portal.web.words import speak

bp = Blueprint("link", __name__)
LONGEST_TOKEN = 100
SCORES = ("1", "2", "3", "4", "5")
"""What a press in the message about a cancellation says: how it was."""


@bp.get("/l/<string:token>")
@limiter.limit("30/minute", deduct_when=lambda response: response.status_code == 404)
def open(token: str) -> Response:
    """Remember in this browser which return may be opened, and go to its clean address."""
    found = links.open_token(token) if len(token) <= LONGEST_TOKEN else None
    if found is None:
        raise NotFound
    hold(found)
    if found.standing(now()) in ("expired", "revoked"):
        raise LinkDead(found, found.standing(now()))
    if (value := request.args.get("score", "")) in SCORES:
        return redirect_to(url_for("customer.score.show", return_id=found.return_id, score=value))
    if found.purpose == STATUS and request.args.get("to") == "dispute":
        return redirect_to(url_for("customer.dispute.show", return_id=found.return_id))
    if found.purpose == STATUS:
        return redirect_to(url_for("customer.status.show", return_id=found.return_id))
    return redirect_to(url_for("customer.landing.show", return_id=found.return_id))


@bp.post("/r/<uuid:return_id>/new-link")
@limiter.limit("10/hour")
def ask(return_id: UUID) -> Response:
    """The holder of a dead link asks for another one; our people send it to the address on file."""
    _actor, link = holder(return_id, dead=True)
    merchant = merchants.by_id(link.merchant_id)
    speak("", merchant.zone, default=merchant.language)
    if link.standing(now()) not in ("expired", "revoked"):
        return redirect_to(url_for("customer.landing.show", return_id=return_id))
    links.ask_for_new(link.id, now=now())
    return redirect_to(url_for("customer.link.asked", return_id=return_id))


@bp.get("/r/<uuid:return_id>/new-link")
def asked(return_id: UUID) -> Response:
    """What happens now that a new link was asked for."""
    _actor, link = holder(return_id, dead=True)
    merchant = merchants.by_id(link.merchant_id)
    speak("", merchant.zone, default=merchant.language)
    return page("customer/asked.html", merchant=merchant)

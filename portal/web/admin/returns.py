"""The page of one return with everything on it; ``lists`` has the list of them."""

from uuid import UUID

from flask import Blueprint, Response, current_app, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import Conflict, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.refunds.breakdown import Breakdown, explain_change
from portal.services import disputes, photos
from portal.services.filing import shipping
from portal.services.handling.dossiers import Dossier, changes, dossier
from portal.services.refunding import refunds
from portal.web.actor import needs, person
from portal.web.admin import customers, deciding, dock_part, dossiers, presence, rulings, threads
from portal.web.admin.amounts import explained
from portal.web.page import now, page, redirect_to, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak, words

PARTS = ("top", "goods", "record", "past")
"""What of the page shows itself anew when something happened to the return; who writes a message is not disturbed."""

bp = Blueprint("returns", __name__)


@bp.get("/returns/<uuid:return_id>")
@needs("returns.read")
def show(return_id: UUID) -> AnyResponse:
    """Everything that is known of a return, and the next step; its parts tell by themselves what changed."""
    if _is_as_seen(return_id):
        return Response(status=204)
    found = dossier(person(), return_id, now=now())
    if found.page.draft.kind in CANCELLATIONS:  # it has a page of its own
        return redirect_to(url_for("admin.cancellations.show", return_id=return_id))
    speak(zone=found.page.merchant.zone)
    draft, actor = found.page.draft, person()
    due = _due(found)
    estimate = found.confirmed or found.page.breakdown
    return page(
        "admin/returns/show.html",
        fragments=PARTS,
        own_url=url_for("admin.returns.show", return_id=return_id, seen=len(found.history)),
        found=found,
        draft=draft,
        shop=found.page.merchant,
        order=found.page.order,
        actions=dossiers.actions(found, actor, due=due),
        lines=dossiers.lines(found),
        estimate=explained(estimate, estimate=True),
        due=explained(due) if due else None,
        changes=words().changes(explain_change(found.confirmed, due), due.currency)
        if due and found.confirmed
        else (),
        refunds=dossiers.refunds(found, actor),
        parcels=found.parcels,
        documents=dossiers.papers(found),
        pays=payers(),
        links=[(link, link.standing(now())) for link in found.links if link.purpose == "finish"],
        mails=found.mails,
        history=dossiers.history(found, with_money=actor.may("refunds.read", draft.merchant_id)),
        disputes=disputes.of_return(actor, draft.id),
        verdict=dossiers.verdict(found),
        decision=rulings.worded(found.page.decision, draft.currency),
        sees_money=actor.may("refunds.read", draft.merchant_id),
        may_decide=actor.may("returns.approve", draft.merchant_id),
        sees_links=actor.may("links.manage", draft.merchant_id),
        may_create=actor.may("returns.create", draft.merchant_id),
        **customers.about(return_id, draft.merchant_id),
        deciding=deciding.part(found),
        dock=dock_part.part(found, actor),
        presence=presence.around(draft.id),
        **threads.context(actor, found.page),
    )


def _is_as_seen(return_id: UUID) -> bool:
    """Whether a part asks anew, and nothing happened to this return since it was shown."""
    asks = wants_fragment() and request.headers.get("HX-Target") in PARTS
    return asks and request.args.get("seen") == str(changes(person(), return_id))


def payers() -> dict[str, str]:
    """Who bears the postage, said to colleagues."""
    return {
        "merchant": _("The shop pays the postage"),
        "customer": _("The customer pays the carrier"),
        "deduct": _("The postage is taken off the refund"),
    }


def _due(found: Dossier) -> Breakdown | None:
    """What could be refunded now, for whoever may see it; None when there is nothing to refund."""
    draft = found.page.draft
    arrived = any(line.received for line in draft.lines)
    if not arrived or not person().may("refunds.read", draft.merchant_id):
        return None
    try:
        return refunds.quote(person(), draft.id, now=now())
    except Conflict:
        return None


@bp.get("/returns/<uuid:return_id>/photos/<uuid:photo_id>")
@needs("returns.read")
def photo(return_id: UUID, photo_id: UUID) -> Response:
    """A photo that the customer sent."""
    folder = current_app.config["SETTINGS"].upload_dir
    picture = photos.read(person(), return_id, photo_id, folder=folder)
    return Response(picture, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=600"})


@bp.get("/returns/<uuid:return_id>/papers/<string:kind>.<string:format>")
@needs("returns.read")
def paper(return_id: UUID, kind: str, format: str) -> Response:
    """A label, slip, code or receipt as it was made."""
    if kind not in ("label", "qr", "packing_slip", "receipt"):
        raise NotFound
    made = shipping.document(person(), return_id, kind=kind, format=format, size=request.args.get("size", ""))
    shown = "inline" if format in ("pdf", "png", "svg") else "attachment"
    return Response(
        made.content,
        content_type=made.media_type,
        headers={"Content-Disposition": f'{shown}; filename="{made.filename}"'},
    )


def as_id(text: str) -> UUID | None:
    """The id in an address, or None where there is none; what is no id is not found."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None

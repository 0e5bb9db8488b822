"""The papers of a return, as files to keep or print."""

from uuid import UUID

from flask import Blueprint, Response, request

from portal.core.access import NotFound
from portal.services.filing import shipping
from portal.services.ledgers import credit_notes
from portal.web.customer.opened import open_return
from portal.web.page import gateways

bp = Blueprint("papers", __name__, url_prefix="/r/<uuid:return_id>/papers")
SHOWN = ("image/png", "application/pdf")
"""Types a browser may show by itself; everything else is saved."""


@bp.get("/<string:kind>.<string:format>")
def show(return_id: UUID, kind: str, format: str) -> Response:
    """Label, QR code, packing slip or receipt; ``?size=`` picks one, ``?save=1`` saves it."""
    opened = open_return(return_id)
    if kind not in ("label", "qr", "packing_slip", "receipt") or format not in ("pdf", "png", "svg", "zpl"):
        raise NotFound
    paper = shipping.document(
        opened.actor, return_id, kind=kind, format=format, size=request.args.get("size", "")[:10]
    )
    number = opened.view.draft.number or ""
    response = Response(paper.content, content_type=paper.media_type)
    how = "inline" if paper.media_type in SHOWN and not request.args.get("save") else "attachment"
    response.headers["Content-Disposition"] = f'{how}; filename="{number}-{paper.filename}"'
    return response


@bp.get("/credit-notes/<string:number>.pdf")
def credit_note(return_id: UUID, number: str) -> Response:
    """The credit note of one of the return's refunds, on paper."""
    opened = open_return(return_id)
    paper = credit_notes.document(opened.actor, number, return_id=return_id, gateways=gateways())
    response = Response(paper.content, content_type=paper.media_type)
    response.headers["Content-Disposition"] = f'inline; filename="{number}.pdf"'
    response.headers["Cache-Control"] = "no-store"
    return response

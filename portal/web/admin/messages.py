"""Messages to customers as they were sent; a link's place is shown, never its token."""

import secrets
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from portal.services import merchants
from portal.services.talking import notices
from portal.services.talking.notices import MailFacts
from portal.web.actor import needs, person
from portal.web.admin.mails import framing, shown
from portal.web.page import now, page, redirect_to, tell, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak

bp = Blueprint("messages", __name__)


@bp.get("/messages/<uuid:mail_id>")
@needs("returns.read")
def show(mail_id: UUID) -> AnyResponse:
    """One message: text and looks."""
    mail = notices.read(person(), mail_id)
    shop = merchants.by_id(mail.merchant_id)
    speak(zone=shop.zone)
    answer = framing(
        page(
            "admin/messages/show.html",
            fragments=("standing",),
            mail=mail,
            headers=_headers(mail),
            attachments=_attachments(mail),
            may_send=person().may("returns.create", mail.merchant_id),
            nonce=secrets.token_urlsafe(24),
        )
    )
    if wants_fragment() and mail.state != "queued":
        # Only a page that waits for the sending asks so: it shows the whole message now.
        answer.headers["HX-Refresh"] = "true"
    return answer


def _headers(mail: MailFacts) -> list[tuple[str, str]]:
    """What stood around the message, as it was handed to the mail server."""
    told = mail.envelope.get("headers", {})
    return [*told.items(), ("Subject", mail.subject)] if told else []


def _attachments(mail: MailFacts) -> list[dict[str, Any]]:
    """What went with it; a picture inside the message has no address of its own."""
    return [
        {
            "name": one["name"],
            "media_type": one["media_type"],
            "size": _("%(n)s KB", n=max(1, round(one["size"] / 1024))),
            "inline": one["inline"],
            "url": None
            if one["inline"]
            else url_for("admin.mails.attachment", mail_id=mail.id, name=one["name"]),
        }
        for one in mail.envelope.get("attachments", ())
    ]


@bp.get("/messages/<uuid:mail_id>/looks")
@needs("returns.read")
def looks(mail_id: UUID) -> Response:
    """The HTML of a message, shut in."""
    return shown(notices.read(person(), mail_id).html)


@bp.post("/messages/<uuid:mail_id>/repetition")
@needs("returns.create")
def resend(mail_id: UUID) -> AnyResponse:
    """Send it once more, as a new message."""
    notices.resend(person(), mail_id, nonce=request.form.get("nonce", "")[:40], now=now())
    tell(_("It goes out once more."))
    mail = notices.read(person(), mail_id)
    return redirect_to(url_for("admin.returns.show", return_id=mail.return_id, _anchor="messages"))

"""The demo's outgoing mail, readable in the browser. It does not exist outside of the demo."""

from uuid import UUID

from flask import Blueprint, Flask, Response, current_app
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import NotFound
from portal.services.talking import notices
from portal.web.admin.mails import framing, shown
from portal.web.page import page

bp = Blueprint("outbox", __name__, url_prefix="/outbox")


def init(app: Flask) -> None:
    """Mount it in the demo alone: its messages carry links that work."""
    if app.config["SETTINGS"].app_env == "demo":
        app.register_blueprint(bp)


@bp.get("")
def index() -> AnyResponse:
    """The newest messages."""
    return page("outbox/index.html", mails=notices.outbox(limit=100))


@bp.get("/<uuid:mail_id>")
def show(mail_id: UUID) -> AnyResponse:
    """One message as its reader got it."""
    mail = notices.as_sent(mail_id, site=current_app.extensions["site"])
    return framing(page("outbox/show.html", mail=mail, attachments=notices.attachments(mail_id)))


@bp.get("/<uuid:mail_id>/looks")
def looks(mail_id: UUID) -> Response:
    """Its HTML, shut in."""
    return shown(notices.as_sent(mail_id, site=current_app.extensions["site"]).html)


@bp.get("/<uuid:mail_id>/attachments/<string:name>")
def attachment(mail_id: UUID, name: str) -> Response:
    """One of its papers."""
    for one in notices.attachments(mail_id):
        if one.name == name:
            headers = {"Content-Disposition": f'attachment; filename="{one.name}"'}
            return Response(one.content, content_type=one.media_type, headers=headers)
    raise NotFound

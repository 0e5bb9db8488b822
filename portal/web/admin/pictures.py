"""One picture of a message, a dispute, an inspection or a parcel, for people of the merchant."""

from uuid import UUID

from flask import Blueprint, Response, current_app

from portal.services import pictures
from portal.web.actor import needs, person

bp = Blueprint("pictures", __name__)


@bp.get("/pictures/<uuid:picture_id>")
@needs("returns.read")
def show(picture_id: UUID) -> Response:
    """The picture itself, never as a page of its own."""
    content = pictures.read(person(), picture_id, folder=current_app.config["SETTINGS"].upload_dir)
    return Response(content, mimetype="image/jpeg", headers={"Cache-Control": "private, max-age=600"})

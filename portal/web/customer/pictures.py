"""One picture of a message, a dispute or an inspection, for whoever holds a link to the return it belongs to."""

from uuid import UUID

from flask import Blueprint, Response, current_app

from portal.services import pictures
from portal.web.customer.opened import open_return

bp = Blueprint("pictures", __name__, url_prefix="/r/<uuid:return_id>/pictures")


@bp.get("/<uuid:picture_id>")
def show(return_id: UUID, picture_id: UUID) -> Response:
    """The picture itself, never as a page of its own."""
    opened = open_return(return_id)
    content = pictures.read(opened.actor, picture_id, folder=current_app.config["SETTINGS"].upload_dir)
    response = Response(content, mimetype="image/jpeg")
    response.headers["Content-Disposition"] = f'inline; filename="picture-{picture_id.hex[-6:]}.jpg"'
    response.headers["Cache-Control"] = "private, max-age=600"
    return response

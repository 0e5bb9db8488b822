"""Pages of the desk that show themselves anew: one question, asked often, whether anything has changed."""

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from portal.services.lists import boards
from portal.web.actor import by_itself, needs, person

bp = Blueprint("live", __name__)


@bp.get("/live")
@needs("returns.read")
@by_itself
def changes() -> Response:
    """204 while nothing has happened since ``seen``, else the number to go on from. Asking keeps nobody signed in."""
    latest = boards.changes(person())
    if request.args.get("seen") == str(latest):
        return Response(status=204)
    answer = jsonify(seen=latest)
    answer.headers["Cache-Control"] = "no-store"
    return answer

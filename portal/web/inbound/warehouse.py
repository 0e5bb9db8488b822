"""Events of a warehouse: proved over the raw body, stored once, a question answered with JSON."""

import logging

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from portal.core.access import NotFound, Stale
from portal.services.outside import Forged
from portal.services.warehousing import warehouse_events
from portal.web.extensions import csrf, limiter
from portal.web.page import now

blueprint = Blueprint("inbound_warehouse", __name__, url_prefix="/inbound")
log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024
TRIES = 3


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    csrf.exempt(blueprint)  # another machine has no form of ours; its signature is what counts
    limiter.exempt(blueprint)  # a wave asks for many orders at once


@blueprint.post("/warehouse/<string:code>")
def warehouse(code: str) -> Response:
    """200 once the event is stored, with the answer where it asks; 4xx, and nothing is written, for what is no event.

    503 where the database gave way to another: the same event again will do.
    """
    if request.mimetype != "application/json":
        return _no("wrong_type", "an event is application/json", 415)
    request.max_content_length = MOST_BYTES
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return _no("too_large", "the event is too large", 413)
    try:
        found = _received(code, body)
    except NotFound:
        return _no("unknown_warehouse", "no such warehouse", 404)
    except Forged as problem:
        log.warning("forged_event", extra={"provider": code, "reason": str(problem)})
        return _no("forged", "the signature does not prove this", 401)
    except ValueError as problem:
        log.warning("senseless_event", extra={"provider": code, "reason": str(problem)})
        return _no("senseless", str(problem)[:300], 400)
    except Stale:
        answer = _no("busy", "the same again will do", 503)
        answer.headers["Retry-After"] = "1"
        return answer
    return jsonify(found.answer if found.answer is not None else {"version": 1, "stored": True})


def _received(code: str, body: bytes) -> warehouse_events.Received:
    for attempt in range(TRIES):
        try:
            return warehouse_events.receive(
                code, request.headers, body, gateways=current_app.extensions["gateways"], now=now()
            )
        except Stale:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _no(code: str, message: str, status: int) -> Response:
    answer = jsonify({"error": {"code": code, "message": message}})
    answer.status_code = status
    return answer

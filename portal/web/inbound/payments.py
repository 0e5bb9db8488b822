"""Events of payment gateways: proved over the raw body, stored once, answered at once, looked into later."""

import logging

from flask import Blueprint, Flask, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from portal.core.access import NotFound
from portal.services.gateways import gateway_events
from portal.services.outside import Forged
from portal.web.extensions import csrf, limiter
from portal.web.page import now

blueprint = Blueprint("inbound", __name__, url_prefix="/inbound")
log = logging.getLogger(__name__)

MOST_BYTES = 512 * 1024
"""Of one event; those of gateways have a few thousand."""


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    csrf.exempt(blueprint)  # another machine has no form of ours; its signature is what counts
    limiter.exempt(blueprint)  # a gateway delivers in bursts, and again what was refused


@blueprint.post("/payments/<string:provider>")
def payments(provider: str) -> Response:
    """200 once the event is stored, however often it comes; 4xx, and nothing is written, for what is no event."""
    if request.mimetype != "application/json":
        return _say("an event is application/json", 415)
    request.max_content_length = MOST_BYTES
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return _say("too large", 413)
    gateways = current_app.extensions["gateways"]
    try:
        gateway_events.receive(provider, request.headers, body, gateways=gateways, now=now())
    except NotFound:
        return _say("no such gateway", 404)
    except Forged as problem:
        log.warning("forged_event", extra={"provider": provider, "reason": str(problem)})
        return _say("the signature does not prove this", 400)
    except ValueError as problem:
        log.warning("senseless_event", extra={"provider": provider, "reason": str(problem)})
        return _say("this makes no sense", 400)
    return _say("stored", 200)


def _say(text: str, status: int) -> Response:
    return Response(text + "\n", status, mimetype="text/plain")

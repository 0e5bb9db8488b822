"""What a load balancer asks: alive, and ready to work."""

import os

from flask import Blueprint, Flask, Response, current_app

from portal.services import health
from portal.web.extensions import limiter

blueprint = Blueprint("health", __name__)


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    limiter.exempt(blueprint)


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers. A slow database is no reason to restart every process, so it is not asked."""
    return _say("alive", 200)


@blueprint.get("/healthz")
@blueprint.get("/readyz")
def readyz() -> Response:
    """The database answers with the newest tables, and files can be written; else 503 and what is wrong.

    What only somebody should look at (a warehouse that is silent) stands in a line of its own beside ``ready``.
    """
    settings = current_app.config["SETTINGS"]
    found = health.faults(
        migrations=os.path.join(current_app.root_path, "migrations"),
        folders=(settings.data_dir, settings.upload_dir),
    )
    if found:
        return _say("\n".join(found), 503)
    return _say("\n".join(("ready", *health.notices())), 200)


def _say(text: str, status: int) -> Response:
    return Response(text + "\n", status, mimetype="text/plain")

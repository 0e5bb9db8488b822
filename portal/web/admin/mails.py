"""The HTML of a message in a page: its own document in a frame that can run nothing and load nothing."""

from typing import TypeVar

from flask import Response
from werkzeug.wrappers import Response as AnyResponse

from portal.web.extensions import CONTENT_SECURITY_POLICY

SHUT_IN = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Inline styles are what mail programs need; no script runs, no form is sent, nothing foreign is loaded."""

R = TypeVar("R", bound=AnyResponse)


def shown(html: str) -> Response:
    """The message as a document of its own, for the frame of its page."""
    response = Response(html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = SHUT_IN
    return response


def framing(response: R) -> R:
    """Let this one page hold a frame of this site."""
    response.headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"
    return response

"""From the errors of core, services and the outside to what a person reads. The only place that maps them."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, make_response, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.lifecycles import IllegalStep
from portal.core.policy.verdict import Refused
from portal.services import merchants
from portal.services.outside import Declined, Unavailable
from portal.web.actor import LinkDead, SignInNeeded, is_quiet
from portal.web.extensions import ForeignRequest, came_from_here
from portal.web.page import FRAGMENT_HEADERS, wants_fragment
from portal.web.words import gettext as _
from portal.web.words import speak, words

log = logging.getLogger(__name__)

SECRETS = ("password",)
"""Fields that are never written back into a page."""


def answer(status: int, template: str = "", **context: Any) -> Response:
    """The page of an error, or, asked for by htmx, the notice that goes into ``#flash``."""
    fragment = wants_fragment()
    if merchant := g.get("merchant"):
        home = url_for("customer.start.show", slug=merchant.slug)
        context = {"merchant": merchant, "home_url": home, **context}
    shown = template or f"errors/{status}.html"
    response = make_response(render_template(shown, as_fragment=fragment, **context), status)
    response.vary.update(FRAGMENT_HEADERS)
    response.headers["HX-Push-Url"] = "false"
    if fragment:
        response.headers["HX-Retarget"] = "#flash"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def not_found(_error: Exception) -> Response:
    """Always the same bytes, whatever was asked for: nothing can be learned from them."""
    g.pop("merchant", None)
    return answer(404, csrf_token=str, home_url=url_for("customer.start.home"))


def not_allowed(_error: NotAllowed) -> Response:
    return answer(403)


def stale(_error: Exception) -> Response:
    return answer(409, told=words().conflict("stale"))


def conflict(error: Conflict) -> Response:
    return answer(409, told=words().conflict(error.code, error.details))


def illegal_step(error: IllegalStep) -> Response:
    state = words().state(error.lifecycle, error.state).name
    return answer(409, told=_("That is not possible any more: it is now “%(state)s”.", state=state))


def refused(error: Refused) -> Response:
    """All objections at once. A view that has a form shows them there instead."""
    told = " ".join(words().finding(finding) for finding in error.verdict.findings)
    return answer(422, told=told)


def unavailable(error: Unavailable) -> Response:
    log.warning("outside_unavailable", extra={"error": str(error)})
    return answer(
        503,
        told=_(
            "A service we need does not answer at the moment. What you entered is saved; please try again in a minute."
        ),
    )


def declined(error: Declined) -> Response:
    return answer(409, told=words().declined(error.code))


def link_dead(error: LinkDead) -> Response:
    g.merchant = merchants.by_id(error.link.merchant_id)
    speak("", g.merchant.zone, default=g.merchant.language)
    ask = url_for("customer.link.ask", return_id=error.link.return_id)
    return answer(410, "errors/link-expired.html", link_state=error.standing, ask_url=ask)


def sign_in_needed(_error: SignInNeeded) -> AnyResponse:
    """To the sign-in page, and back to here afterwards where that is a page. Nothing that was typed is lost by it."""
    if (
        wants_fragment() and is_quiet()
    ):  # what a page asks by itself does not take it away from whoever writes there
        return make_response("", 204)
    typed = _typed() if request.method == "POST" and (came_from_here() or wants_fragment()) else []
    if typed:
        url = url_for("admin.sign_in.show")
        return answer(403, "errors/signed-out.html", typed=typed, address=request.path, sign_in_url=url)
    if wants_fragment():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = url_for("admin.sign_in.show", next=_page_around())
        return response
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("admin.sign_in.show", next=back), 303)


def _page_around() -> str | None:
    """The page in which a part was asked for: that is where to come back to, and not to the part alone."""
    try:
        shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:
        return None
    return (f"{shown.path}?{shown.query}" if shown.query else shown.path) or None


def _typed() -> list[tuple[str, str]]:
    """(name, value) of what was sent, to be offered again."""
    return [
        (name, value)
        for name, value in request.form.items(multi=True)
        if name != "csrf_token" and not any(secret in name for secret in SECRETS)
    ]


def foreign(_error: ForeignRequest) -> Response:
    return answer(403, told=_("This was sent from another site, so nothing was done."))


def csrf(error: CSRFError) -> Response:
    """The form is too old, or not ours. What was typed is offered again where our own page sent it."""
    if isinstance(error, ForeignRequest):
        return foreign(error)
    typed = _typed() if came_from_here() and not wants_fragment() else []
    return answer(403, "errors/form-expired.html", typed=typed, address=request.path)


def http(error: HTTPException) -> AnyResponse:
    """What Flask itself refuses. Redirects of the router stay redirects."""
    status = error.code or 500
    if status < 400:
        return error.get_response()
    if status == 404:
        return not_found(error)
    if status == 429:
        response = answer(429, csrf_token=str)
        response.headers["Retry-After"] = "60"
        return response
    known = status in (400, 403, 405, 409, 410, 413, 422, 503)
    answered = answer(status, "" if known else "errors/400.html" if status < 500 else "errors/500.html")
    if status == 405 and getattr(error, "valid_methods", None):
        answered.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
    return answered


def broken(error: Exception) -> Response:
    """A fault of ours: recorded with its trace, answered with the number to quote."""
    log.exception("unhandled", exc_info=error)
    return answer(500, request_id=g.get("request_id", ""), csrf_token=str)


def init(app: Flask) -> None:
    for error, handler in {
        NotFound: not_found,
        NotAllowed: not_allowed,
        Stale: stale,
        Conflict: conflict,
        IllegalStep: illegal_step,
        Refused: refused,
        Unavailable: unavailable,
        Declined: declined,
        LinkDead: link_dead,
        SignInNeeded: sign_in_needed,
        CSRFError: csrf,
        HTTPException: http,
    }.items():
        app.register_error_handler(error, handler)
    if not app.testing:
        app.register_error_handler(Exception, broken)

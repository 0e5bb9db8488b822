"""One address, two answers: the whole page, or the fragment of it that htmx asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from flask import Response, current_app, flash, make_response, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from portal.core.links import Site

FRAGMENT_HEADERS = ("HX-Request", "HX-Target", "HX-History-Restore-Request")


def now() -> datetime:
    """The time of this request, aware UTC. A test may put a clock into ``app.config["CLOCK"]``."""
    clock = current_app.config.get("CLOCK")
    return clock() if clock else datetime.now(UTC)


def wants_fragment() -> bool:
    """Whether htmx asks for a part of a page: not for a restore from its history, not for a boosted link."""
    asked = request.headers
    return (
        asked.get("HX-Request") == "true"
        and asked.get("HX-History-Restore-Request") != "true"
        and asked.get("HX-Boosted") != "true"
    )


def page(
    template: str,
    fragments: Sequence[str] | Mapping[str, str] = (),
    also: Sequence[str] = (),
    status: int = 200,
    **context: Any,
) -> Response:
    """Answer with the page ``template``, or with the one of its ``fragments`` that is htmx's target.

    A fragment named ``choice`` is ``_choice.html`` beside the page and its root is ``id="choice"``. Those in
    ``also``, and what was flashed, come with it out of band. Another target gets the whole page, swapped whole.
    Where a page has several of a kind, ``fragments`` maps each id to its name: ``{"ask-1": "ask"}``.
    """
    names = fragments if isinstance(fragments, Mapping) else {name: name for name in fragments}
    target = request.headers.get("HX-Target", "") if wants_fragment() else ""
    if target in names:
        body = "".join(
            [
                _fragment(template, names[target], context),
                *(out_of_band(_fragment(template, name, context), name) for name in also),
            ]
        )
        if session.get("_flashes"):
            body += out_of_band(render_template("_flash.html", **context), "flash")
    else:
        body = render_template(template, **context)
    response = make_response(body, status)
    response.vary.update(FRAGMENT_HEADERS)
    if wants_fragment() and target not in names:
        response.headers["HX-Retarget"] = "body"
        response.headers["HX-Reswap"] = "innerHTML"
        if request.method == "GET":
            response.headers["HX-Push-Url"] = request.full_path.rstrip("?")
    if status == 422:
        response.headers["HX-Push-Url"] = "false"
    return response


def _fragment(template: str, name: str, context: dict[str, Any]) -> str:
    return render_template(str(PurePosixPath(template).parent / f"_{name}.html"), **context)


def out_of_band(html: str, name: str) -> str:
    """The fragment, told to go to its own place wherever the rest goes."""
    return re.sub(rf'\bid="{re.escape(name)}"', f'id="{name}" hx-swap-oob="true"', html, count=1)


def site() -> Site:
    """Where the portal is reached, for links that are written into messages."""
    settings = current_app.config["SETTINGS"]
    return Site(base_url=settings.base_url, secret=settings.secret_key)


def gateways() -> Any:
    """The adapters, to be handed on to services."""
    return current_app.extensions["gateways"]


def redirect_to(url: str) -> AnyResponse:
    """After a POST: look at what became of it there (303)."""
    return redirect(url, 303)


def tell(text: str, tone: str = "good") -> None:
    """Say one sentence on the next page. ``tone`` is good, info, wait or bad."""
    flash(str(text), tone)


def tell_undo(text: str, tone: str = "good", *, url: str, name: str, version: int) -> None:
    """The same with a button that takes it back: ``name`` is posted to ``url`` with the version that came of it."""
    flash({"text": str(text), "url": url, "name": str(name), "version": version}, tone)  # type: ignore[arg-type]

"""A test client that reads every page it fetches as a browser, a screen reader and a firewall would.

``client.get`` and ``client.post`` fail where a page is not valid HTML, a field has no label, a form no token,
where a template asks the database, or where the policy against injected scripts has a hole.
``client.submit`` posts a form as a browser would: only fields that the page has, the token from the page,
the address the page names.
"""

from __future__ import annotations

import contextvars
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import flask
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.html import Page, name_of, page_faults


class Fault(AssertionError):
    """A page that must not leave the house; says everything that is wrong with it."""


# --------------------------------------------------------------------------------- what a template may not do


class _Rendering(threading.local):
    """Which template is being rendered in this thread, and what it asked the database meanwhile."""

    def __init__(self) -> None:
        self.depth = 0
        self.asked: list[str] = []


_rendering = _Rendering()


def _rendering_begins(_sender: object, **_more: object) -> None:
    _rendering.depth += 1


def _rendering_ends(_sender: object, **_more: object) -> None:
    _rendering.depth -= 1


@event.listens_for(sa.Engine, "before_cursor_execute")
def _asked(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
    if _rendering.depth > 0:
        _rendering.asked.append(statement)


flask.before_render_template.connect(_rendering_begins)
flask.template_rendered.connect(_rendering_ends)


def header_faults(headers: Mapping[str, str]) -> Iterator[str]:
    policy = headers.get("Content-Security-Policy", "")
    if "default-src" not in policy:
        yield "has no Content-Security-Policy with a default-src"
    if "unsafe-" in policy or "*" in policy:
        yield f"has a hole in its Content-Security-Policy: {policy}"
    if headers.get("X-Content-Type-Options") != "nosniff":
        yield "has no X-Content-Type-Options: nosniff"


# ------------------------------------------------------------------------------------------------- the client


class Answer(TestResponse):
    """A response with its page, read."""

    asked_for: str = ""

    @property
    def page(self) -> Page:
        return Page(self.get_data(as_text=True))


class CheckingClient(FlaskClient):
    """Flask's test client, refusing every page with a fault; ``check=False`` lets one request pass unread."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.response_wrapper = type("CheckedAnswer", (Answer, self.application.response_class), {})
        self.csrf_token = ""

    def open(
        self, *args: Any, htmx: str | None = None, csrf: bool = True, check: bool = True, **more: Any
    ) -> Any:
        """As Flask's; ``htmx`` names the element htmx would swap; a post carries the last page's token."""
        if htmx is not None:
            more["headers"] = {**dict(more.get("headers") or {}), "HX-Request": "true", "HX-Target": htmx}
        data = more.get("data")
        posts = more.get("method") == "POST" and "json" not in more
        if csrf and self.csrf_token and posts and (data is None or isinstance(data, Mapping)):
            more["data"] = {"csrf_token": self.csrf_token, **(_plain(data) if data else {})}
        _rendering.depth, _rendering.asked = 0, []
        # An app context left open by the test must not be shared: a real request has a session of its own.
        answer = contextvars.Context().run(super().open, *args, **more)
        asked, _rendering.asked = _rendering.asked, []
        if check:
            self._check(answer, asked)
        return answer

    def _check(self, answer: Any, asked: list[str]) -> None:
        faults = [f"asks the database while it renders: {statement}" for statement in asked]
        if answer.mimetype == "text/html":
            faults += header_faults(answer.headers)
            html = answer.get_data(as_text=True)
            if html.strip() and answer.status_code not in (301, 302, 303, 307, 308):
                faults += page_faults(html)
                token = re.search(r'name="csrf_token"[^>]*?value="([^"]+)"', html)
                self.csrf_token = token.group(1) if token else self.csrf_token
        if faults:
            what = f"{answer.request.method} {answer.request.path} ({answer.status_code})"
            raise Fault(what + "".join(f"\n  - {fault}" for fault in faults))

    def submit(
        self,
        page: Any,
        data: Mapping[str, Any] | None = None,
        *,
        action: str = "",
        button: str = "",
        drop: Iterable[str] = (),
        **more: Any,
    ) -> Any:
        """Fill in the form of ``page`` (an answer) and press ``button``, as a browser without JavaScript.

        ``data`` overrides fields by name (a list for several values, a (stream, filename) for a file); a
        name that the form lacks fails. ``drop`` unchecks boxes.
        """
        read = page.page
        form = read.form(action, button=button)
        values, names = read.fields(form)
        for name in drop:
            assert name in names, f"the form has no field {name!r}; it has {sorted(names)}"
            values.poplist(name)
        for name, value in (data or {}).items():
            assert name in names, f"the form has no field {name!r}; it has {sorted(names)}"
            values.setlist(name, list(value) if isinstance(value, list) else [value])
        pressed = (
            [one for one in read.buttons(form) if button in name_of(one)]
            if button
            else read.buttons(form)[:1]
        )
        target = form.get("action", "")
        for one in pressed[:1]:
            if one.get("name"):
                values.add(one.get("name"), one.get("value", ""))
            target = one.get("formaction") or target
        target = urljoin(page.request.path, target)
        if form.get("method", "get").lower() == "get":
            return self.get(target, query_string=values, **more)
        return self.post(target, data=values.to_dict(flat=False), csrf=False, **more)


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return data.to_dict(flat=False) if isinstance(data, MultiDict) else dict(data)

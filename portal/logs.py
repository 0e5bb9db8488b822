"""Logs: one line per happening, with the request's id and without anybody's personal data."""

from __future__ import annotations

import logging
import re
import secrets
import sys
import time
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from flask import Flask, Response, g, request

from portal.settings import Settings

request_id: ContextVar[str] = ContextVar("request_id", default="")

_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

# Fields are dropped by name, and what looks personal is covered wherever it stands. Both are needed: a name
# looks like any other word, and a mail address may stand inside an error of a library.
PRIVATE_FIELDS = frozenset(
    {
        "authorization",
        "body",
        "city",
        "company",
        "cookie",
        "csrf_token",
        "customer",
        "email",
        "first_name",
        "form",
        "full_name",
        "last_name",
        "line1",
        "line2",
        "name",
        "note",
        "password",
        "phone",
        "postal_code",
        "postcode",
        "recipient",
        "recipients",
        "sender",
        "session",
        "signature",
        "street",
        "subject",
        "to",
        "token",
        "url_token",
        "zip",
    }
)
_PATTERNS = (
    (re.compile(r"(/l/)[^/?#\s\"']+"), r"\1[token]"),
    (re.compile(r"(?i)\b((?:token|secret|password|key|csrf_token|session)=)[^&\s\"']+"), r"\1[hidden]"),
    (re.compile(r"(?i)(\w[\w+-]*://)[^/@\s]+@"), r"\1[hidden]@"),
    (re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*"), "[email]"),
    # What random_token() of portal.core.links makes, wherever it strays: 22 or more characters of base 64.
    (re.compile(r"(?<![\w/.-])(?=[\w-]*\d)(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[\w-]{22,}(?![\w.-])"), "[token]"),
)


def covered(value: str) -> str:
    """``value`` with mail addresses, tokens and credentials replaced by what they were."""
    for pattern, instead in _PATTERNS:
        value = pattern.sub(instead, value)
    return value


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor every line passes last: nothing personal leaves, however deep it stands."""
    for key in list(event):
        event[key] = "[hidden]" if key.lower() in PRIVATE_FIELDS else _clean(event[key])
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return covered(value)
    if isinstance(value, dict):
        return {k: "[hidden]" if str(k).lower() in PRIVATE_FIELDS else _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return covered(str(value))


def _add_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if current := request_id.get():
        event.setdefault("request_id", current)
    return event


def _without_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A database's complaint quotes the row it refused; the statement is enough to find the fault."""
    error = event.get("exc_info")
    error = sys.exc_info() if error is True else error
    fault = error[1] if isinstance(error, tuple) else error
    seen: set[int] = set()
    while isinstance(fault, BaseException) and id(fault) not in seen:
        seen.add(id(fault))
        if hasattr(fault, "hide_parameters"):
            fault.hide_parameters = True
        if (hasattr(fault, "hide_parameters") or hasattr(fault, "diag")) and fault.args:
            fault.args = (str(fault.args[0]).partition("\nDETAIL:")[0],)  # PostgreSQL quotes the row there
        fault = getattr(fault, "orig", None) or fault.__cause__ or fault.__context__
    return event


def configure(settings: Settings) -> None:
    """Send every line, our own and the libraries', to standard error in the form the settings ask for."""
    shared: list[Any] = [
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    last: list[Any]
    if settings.log_format == "json":
        last = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="ts")]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_values,
            structlog.processors.format_exc_info,
            redact,
            *last,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("werkzeug", "gunicorn.access", "urllib3", "PIL", "fontTools", "alembic"):
        logging.getLogger(noisy).setLevel("WARNING")
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def init_request_logging(app: Flask) -> None:
    """Give each request an id (the caller's own if it is a decent one) and log one line when it is answered.

    The line names the route, never the path as typed: a path may hold a token.
    """
    log = structlog.get_logger("portal.request")

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(8)
        g.request_began = time.perf_counter()
        request_id.set(g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        if "request_id" in g:
            response.headers["X-Request-Id"] = g.request_id
            quiet = request.endpoint in ("static", "health.livez", "health.readyz")
            (log.debug if quiet else log.info)(
                "request",
                method=request.method,
                route=request.url_rule.rule if request.url_rule else "none",
                endpoint=request.endpoint,
                status=response.status_code,
                ms=round((time.perf_counter() - g.request_began) * 1000, 1),
            )
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        request_id.set("")

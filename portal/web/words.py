"""In which language this request is answered, and the words of it. One place decides: ``words()``."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, has_request_context, redirect, request, session
from jinja2 import StrictUndefined
from werkzeug.local import LocalProxy
from werkzeug.wrappers import Response

from portal.core.refunds.breakdown import Breakdown
from portal.words import LANGUAGES, Words, best_match, install, languages

DEFAULT_ZONE = "Europe/Berlin"


def words() -> Words:
    """The words of this request: as the reader chose, else as the return was written, else as the browser asks."""
    if not has_request_context():
        return Words("en", DEFAULT_ZONE)
    if "words" not in g:
        speak()
    return g.words  # type: ignore[no-any-return]


def speak(language: str = "", zone: str = "", *, default: str = "en") -> Words:
    """Answer in ``language`` unless the reader has chosen one; times are told in ``zone``.

    Where a page names none, it is that of the shop that is asked for, or of the first one of whoever is signed in.
    """
    chosen = session.get("language", "")
    if chosen not in LANGUAGES:
        chosen = (
            best_match(language)
            if language
            else best_match(request.headers.get("Accept-Language", ""), default)
        )
    g.words = Words(chosen, zone or g.get("zone") or DEFAULT_ZONE)
    return g.words  # type: ignore[no-any-return]


def gettext(message: str, **values: object) -> str:
    return words().gettext(message, **values)


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    return words().ngettext(one, many, n, **values)


def lazy_gettext(message: str, **values: object) -> Any:
    """The same, said when it is shown: for labels and messages of forms, which are made at import."""
    return LocalProxy(lambda: words().gettext(message, **values))


def explained(breakdown: Breakdown | None, *, estimate: bool = False) -> dict[str, Any]:
    """A refund as ``parts/breakdown.html`` shows it: rows, total (None: to be assessed), currency, note."""
    if breakdown is None:
        return {"rows": [], "total": None, "currency": "", "label": gettext("Refund"), "note": ""}
    told = words().breakdown(breakdown, estimate=estimate)
    return {
        "rows": told.rows,
        "total": told.total.amount,
        "currency": told.currency,
        "label": told.total.label,
        "note": told.total.basis,
    }


def init(app: Flask) -> None:
    """Words, filters and the language switch for every template of ``app``."""
    env = app.jinja_env
    env.undefined = StrictUndefined
    install(env, words)
    env.globals["words"] = LocalProxy(words)
    env.filters["money"] = lambda amount, currency, signed=False: words().money(
        amount, currency, signed=signed
    )
    env.filters["day"] = lambda on, weekday=False: words().day(on, weekday=weekday)
    env.filters["moment"] = lambda at: words().moment(at)
    env.filters["accessory"] = lambda code: words().accessory(code)
    env.filters["time"] = lambda at: words().time(at)

    @app.context_processor
    def spoken() -> dict[str, object]:
        return {"language": words().language, "languages": languages()}

    @app.before_request
    def switch() -> Response | None:
        """``?lang=de`` is kept for this visitor, and leaves the address."""
        asked = request.args.get("lang", "")
        if request.method not in ("GET", "HEAD") or asked not in LANGUAGES:
            return None
        session["language"] = asked
        kept = "&".join(
            part for part in request.query_string.decode().split("&") if not part.startswith("lang=")
        )
        return redirect(request.path + (f"?{kept}" if kept else ""), 303)

"""What Flask is extended with: forms that only this site can send, limits, and the headers of every answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Flask, Response, abort, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFError, CSRFProtect
from htmx_flask import Htmx
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.settings import Settings
from portal.web import oidc

csrf = CSRFProtect()
htmx = Htmx()
limiter = Limiter(get_remote_address, headers_enabled=False)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
}
SAFE = ("GET", "HEAD", "OPTIONS")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class ForeignRequest(CSRFError):
    """Another site's page sent this."""


def init(app: Flask) -> None:
    settings: Settings = app.config["SETTINGS"]
    secure = settings.base_url.startswith("https://")
    app.config.update(
        SESSION_COOKIE_NAME="__Host-session" if secure else "session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session: a form may stay open over lunch
        WTF_CSRF_SSL_STRICT=False,  # it needs the referrer, which our pages do not send; Origin is checked below
        WTF_I18N_ENABLED=False,
        RATELIMIT_STORAGE_URI=settings.ratelimit_storage_uri,
        RATELIMIT_HEADERS_ENABLED=False,
        MAX_FORM_PARTS=5000,
        MAX_FORM_MEMORY_SIZE=2 * 1024 * 1024,
    )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]

    @app.before_request
    def only_from_here() -> None:
        """Refuse what another site sends, before any token is looked at."""
        if request.method in SAFE:
            return
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "null")
        here = (request.host, urlsplit(settings.base_url).netloc)
        # Our own pages send no referrer, so their browser says "Origin: null"; then Sec-Fetch-Site tells.
        if site in ("cross-site", "same-site") or (origin != "null" and urlsplit(origin).netloc not in here):
            raise ForeignRequest("This was sent from another site.")

    app.before_request(readable)
    csrf.init_app(app)
    htmx.init_app(app)
    limiter.init_app(app)

    ours = dict(HEADERS)
    if provider := oidc.origin(settings):
        # Signing out is a form whose answer leads to the provider, and browsers look at where it leads.
        ours["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
            "form-action 'self'", f"form-action 'self' {provider}"
        )

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in ours.items():
            response.headers.setdefault(name, value)
        if settings.is_production:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        response.headers.setdefault("Cache-Control", "no-store")
        return response


UNSEEN = dict.fromkeys((*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x1C), 0x7F))
"""Characters that nobody types: no line ends, no tabulator, nothing that scanners put between two fields."""


def readable() -> None:
    """Take out of every text what cannot be seen, and PostgreSQL cannot keep; there is no address that has it."""
    if request.path.translate(UNSEEN) != request.path:
        abort(404)
    request.args = _seen(request.args)
    if request.mimetype in FORMS and not request.path.startswith("/inbound/"):
        request.form = _seen(request.form)


def _seen(given: MultiDict[str, str]) -> ImmutableMultiDict[str, str]:
    pairs = ((name.translate(UNSEEN), value.translate(UNSEEN)) for name, value in given.items(multi=True))
    return ImmutableMultiDict(list(pairs))


def came_from_here() -> bool:
    """Whether the browser itself says that this site's own page sent the request."""
    return request.headers.get("Sec-Fetch-Site") == "same-origin" and "csrf_token" in session

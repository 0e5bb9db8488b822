"""The OpenID provider, by Authlib: code flow with PKCE, and nothing believed that was not checked.

Nothing else knows OpenID Connect: what comes out of here are claims, or a ``Refusal`` with a reason.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.base_client import MismatchingStateError, OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, current_app, request, session, url_for
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from requests import RequestException
from werkzeug.wrappers import Response

from portal.services.persons import oidc
from portal.settings import Settings

log = logging.getLogger(__name__)

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures that only the provider can make; neither ``none`` nor what is made with a shared secret."""

PATIENCE = 10
"""Seconds that the provider has to answer."""

LEEWAY = 60
"""Seconds by which its clock may be ahead or behind."""

KEYS_FOR = 10
"""Seconds for which keys that were asked for because of an unknown one are not asked for again."""

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


class Refusal(Exception):
    """Nobody is signed in: ``code`` says why, ``told`` what the provider itself said."""

    def __init__(self, code: str, told: str = "") -> None:
        super().__init__(code)
        self.code, self.told = code, told[:300]


def init(app: Flask) -> None:
    settings: Settings = app.config["SETTINGS"]
    if not settings.oidc_issuer:
        return
    oauth = OAuth(app)
    oauth.register(
        "oidc",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret or None,
        server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": settings.oidc_scopes,
            "code_challenge_method": "S256",
            "default_timeout": PATIENCE,
            **({} if settings.oidc_client_secret else {"token_endpoint_auth_method": "none"}),
        },
    )
    app.extensions["oidc"] = oauth.oidc


def is_on() -> bool:
    """Whether people sign in by a provider here."""
    return "oidc" in current_app.extensions


def begin() -> Response:
    """Send the browser to the provider. Raises ``Refusal("unavailable")``."""
    client = _client()
    for name in [name for name in session if name.startswith("_state_oidc_")]:
        session.pop(name)  # what was begun before and never came back
    redirect: Response = client.authorize_redirect(_here("admin.sign_in.back"))
    return redirect


def finish() -> tuple[oidc.Claims, str, str, str]:
    """(claims, ID token, the provider's session, nonce) of whoever comes back. Raises ``Refusal``."""
    client, settings = _client(), _settings()
    wanted = {
        "iss": {"essential": True, "value": settings.oidc_issuer},
        "aud": {"essential": True, "value": settings.oidc_client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "nonce": {"essential": True},
    }
    if f"_state_oidc_{request.args.get('state', '')}" not in session:
        raise Refusal("state")  # before anything that came with it is looked at or shown
    if request.args.get("iss", settings.oidc_issuer) != settings.oidc_issuer:
        raise Refusal("untrusted", "iss")
    try:
        token = client.authorize_access_token(claims_options=wanted, leeway=LEEWAY)
    except MismatchingStateError:
        raise Refusal("state") from None
    except OAuthError as problem:
        code = "declined" if request.args.get("error") else "not_exchanged"
        raise Refusal(code, problem.description or problem.error or "") from None
    except RequestException:
        raise Refusal("unavailable") from None
    except (JoseError, ValueError, KeyError, TypeError, RuntimeError) as problem:
        raise Refusal("untrusted", type(problem).__name__) from None
    told = token.get("userinfo")
    if not told or not isinstance(told.get("sub"), str) or not told["sub"]:
        raise Refusal("untrusted", "no ID token")
    told = dict(told)
    if oidc.values(told, settings.oidc_roles_claim) is None:
        told |= _asked(client, told)
    found = oidc.claims(told, roles_claim=settings.oidc_roles_claim)
    return found, token["id_token"], str(told.get("sid") or ""), str(told["nonce"])


def _asked(client: Any, told: dict[str, Any]) -> dict[str, Any]:
    """What the ID token does not say is asked of the provider, which answers about the same person or not at all."""
    if not client.server_metadata.get("userinfo_endpoint"):
        return {}
    try:
        more = dict(client.userinfo())
    except (RequestException, OAuthError, ValueError):
        raise Refusal("unavailable") from None
    if more.get("sub") != told["sub"]:
        raise Refusal("untrusted", "sub")
    return {name: value for name, value in more.items() if name not in told}


def leave(id_token: str) -> Response | None:
    """To the provider, so that the session there ends too; None where it has no way for that."""
    try:
        client = _client()
        if not client.server_metadata.get("end_session_endpoint"):
            return None
        left: Response = client.logout_redirect(
            post_logout_redirect_uri=_here("admin.sign_in.show"),
            id_token_hint=id_token,
            client_id=_settings().oidc_client_id,
        )
    except (Refusal, RuntimeError):
        log.warning("oidc_sign_out_unavailable")
        return None
    left.status_code = 303
    return left


def signed_out(token: str) -> tuple[str, str, datetime]:
    """(subject, the provider's session, when) of a logout token. Raises ``Refusal``."""
    client, settings = _client(), _settings()
    try:
        told = _decoded(client, token)
    except RequestException:
        raise Refusal("unavailable") from None
    except (JoseError, ValueError, KeyError, TypeError) as problem:
        raise Refusal("untrusted", type(problem).__name__) from None
    audience = told.get("aud")
    at = told.get("iat")
    good = (
        told.get("iss") == settings.oidc_issuer
        and settings.oidc_client_id in (audience if isinstance(audience, list) else [audience])
        and isinstance(told.get("events"), dict)
        and LOGOUT_EVENT in told["events"]
        and "nonce" not in told
        and isinstance(at, int)
    )
    if not good:
        raise Refusal("untrusted", "logout token")
    when = datetime.fromtimestamp(at, UTC)
    expires = told.get("exp")
    now = datetime.now(UTC)
    if when > now + timedelta(seconds=LEEWAY) or (
        isinstance(expires, int) and expires + LEEWAY < now.timestamp()
    ):
        raise Refusal("untrusted", "exp")
    return str(told.get("sub") or ""), str(told.get("sid") or ""), when


def _decoded(client: Any, token: str) -> dict[str, Any]:
    """The claims of a token that the provider signed; its keys are asked for anew when it has another since."""
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    try:
        keys = KeySet.import_key_set(client.fetch_jwk_set())
        return jwt.decode(token, key=keys, registry=registry).claims
    except InvalidKeyIdError:
        last, at = current_app.extensions.get("oidc_keys_at", -KEYS_FOR), monotonic()
        if at - last < KEYS_FOR:
            raise
        current_app.extensions["oidc_keys_at"] = at
        keys = KeySet.import_key_set(client.fetch_jwk_set(force=True))
        return jwt.decode(token, key=keys, registry=registry).claims


def origin(settings: Settings) -> str:
    """Where the provider is, for the rule about where forms may lead; blank without one."""
    if not settings.oidc_issuer:
        return ""
    parts = urlsplit(settings.oidc_issuer)
    return f"{parts.scheme}://{parts.netloc}"


def _client() -> Any:
    """The client, once the provider has said where its doors are, as itself."""
    client = current_app.extensions["oidc"]
    try:
        told = client.load_server_metadata()
    except (RequestException, ValueError):
        raise Refusal("unavailable") from None
    if told.get("issuer") != _settings().oidc_issuer:
        client.server_metadata.pop("_loaded_at", None)
        raise Refusal("untrusted", "issuer")
    signed = told.get("id_token_signing_alg_values_supported") or ["RS256"]
    told["id_token_signing_alg_values_supported"] = [one for one in signed if one in ALGORITHMS] or ["RS256"]
    return client


def _settings() -> Settings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings


def _here(endpoint: str) -> str:
    return f"{_settings().base_url}{url_for(endpoint)}"

"""An OpenID provider that says whatever a test wants it to: right by default, wrong where it is told to be."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

KEY = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256", "kid": "right"})
FOREIGN = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256", "kid": "right"})
CLIENT_ID, CLIENT_SECRET = "returns-portal", "a client secret for tests alone"
LATER = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256", "kid": "later"})
Twist = Callable[[dict[str, Any]], None]


def unsigned(claims: dict[str, Any]) -> str:
    """A token of the algorithm ``none``."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


class Provider:
    """What it will say, and what it was asked."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {"sub": "person-1", "name": "Demo Agent", "email": "o@people.example"}
        self.claims |= {"groups": ["portal-agents"], "sid": "there-1"}
        self.twist: Twist = lambda claims: None
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode(
            {"alg": "RS256", "kid": "right"}, claims, KEY
        )
        self.keys = [KEY]
        """Those that it tells of now."""
        self.metadata: dict[str, Any] = {}
        self.token: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.once = True
        """Whether a code is good one time alone, and only with the verifier of its challenge."""
        self.begun: dict[str, dict[str, str]] = {}
        self.exchanged: list[dict[str, str]] = []

    def authorize(self, url: str) -> str:
        """What the browser would bring back: a code for what ``url`` asks."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code-{len(self.begun)}"
        self.begun[code] = asked
        return code

    def exchange(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.exchanged.append(form)
        asked = self.begun.get(form.get("code", ""))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or (
            self.once
            and (asked.get("used") or challenge.rstrip(b"=").decode() != asked.get("code_challenge"))
        ):
            return 400, {"error": "invalid_grant", "error_description": "the code is no good"}
        asked["used"] = "yes"
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce"),
        }
        claims |= self.claims
        self.twist(claims)
        told = {
            "access_token": "at-1",
            "token_type": "Bearer",
            "expires_in": 300,
            "id_token": self.sign(claims),
        }
        return 200, {name: value for name, value in (told | self.token).items() if value is not None}

    def logout_token(self, **more: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 120, "jti": "j-1", "sub": "person-1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }  # fmt: skip
        claims = {name: value for name, value in (claims | more).items() if value is not None}
        return self.sign(claims)


@contextmanager
def running() -> Iterator[Provider]:
    """Such a provider on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Nothing of it is worth a line."""

        def do_GET(self) -> None:
            here = provider.issuer
            if self.path == "/.well-known/openid-configuration":
                told = {
                    "issuer": here, "authorization_endpoint": f"{here}/authorize", "token_endpoint": f"{here}/token",
                    "jwks_uri": f"{here}/jwks", "end_session_endpoint": f"{here}/leave",
                    "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
                }  # fmt: skip
                if provider.userinfo is not None:
                    told["userinfo_endpoint"] = f"{here}/userinfo"
                self.answer(200, told | provider.metadata)
            elif self.path == "/jwks":
                self.answer(200, {"keys": [key.as_dict(private=False) for key in provider.keys]})
            elif self.path == "/userinfo" and self.headers.get("Authorization") == "Bearer at-1":
                self.answer(200, provider.userinfo or {})
            else:
                self.answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*provider.exchange(form))

        def answer(self, status: int, told: dict[str, Any]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

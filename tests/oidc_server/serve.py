"""A real OpenID provider (canaille) on loopback, for one test: run by the Python of its own environment.

    python serve.py FILE_DESCRIPTOR CLIENT_ID CLIENT_SECRET PORTAL_URL

It listens on a socket that whoever starts it holds. Everything is kept in memory.
People and groups are those below; their passwords are for tests alone.
"""

import datetime
import io
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from joserfc.jwk import RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

PASSWORD = "a password for tests alone"
PEOPLE = {"demo-agent": "portal-agents", "demo-lead": "portal-leads", "demo-guest": "guests"}
"""user name -> group"""


class Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Only faults are worth a line."""


def one_at_a_time(app: Callable[..., Iterable[bytes]]) -> Callable[..., list[bytes]]:
    """What is kept in memory is touched by one request at a time; connections that say nothing hold up nobody."""
    lock = threading.Lock()

    def answer(environ: dict[str, Any], begin: Any) -> list[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))  # before it is anybody's turn
        with lock:
            said = app(environ, begin)
            try:
                return list(said)
            finally:
                getattr(said, "close", lambda: None)()

    return answer


def main(door: int, client_id: str, client_secret: str, portal: str) -> None:
    with socket.socket(fileno=door) as held:
        port = held.getsockname()[1]
        held.detach()
    key = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256"}, auto_kid=True)
    config = {
        "SECRET_KEY": "only the tests sign with this key",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {"JAVASCRIPT": False, "HTMX": False, "DATABASE": "memory"},
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
    }
    app = create_app(config)
    with app.app_context():
        fill(client_id, client_secret, portal)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", port, one_at_a_time(app), threaded=True, request_handler=Quiet, fd=door)
    print("ready", flush=True)
    server.serve_forever()


def fill(client_id: str, client_secret: str, portal: str) -> None:
    """The people, their groups, and the portal as a client that is trusted."""
    store = Backend.instance
    for name, group in PEOPLE.items():
        person = models.User(
            user_name=name,
            formatted_name=f"Demo {name}",
            family_name=name,
            emails=[f"{name}@people.example"],
            password=PASSWORD,
        )
        store.save(person)
        store.save(models.Group(display_name=group, members=[person]))
    client = models.Client(
        client_id=client_id,
        client_secret=client_secret,
        client_name="Returns portal",
        client_uri="http://127.0.0.1",
        client_id_issued_at=datetime.datetime.now(datetime.UTC),
        redirect_uris=[f"{portal}/admin/sign-in/oidc/back"],
        post_logout_redirect_uris=[f"{portal}/admin/sign-in"],
        grant_types=["authorization_code"],
        response_types=["code"],
        scope=["openid", "profile", "email", "groups"],
        token_endpoint_auth_method="client_secret_basic",
    )
    store.save(client)
    client.audience = [client]
    store.save(client)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])

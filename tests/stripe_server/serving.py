"""The server itself: HTTP/1.1 with a thread per connection, and the trouble that was planned for it."""

import base64
import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.stripe_server import errors, forms
from tests.stripe_server.api import Api
from tests.stripe_server.bank import Bank
from tests.stripe_server.control import Control, Seen, called
from tests.stripe_server.errors import Fault
from tests.stripe_server.events import Events
from tests.stripe_server.objects import API_VERSION
from tests.stripe_server.state import State, Thing
from tests.stripe_server.troubles import Limit, Trouble, Troubles

KEY = "sk_test_for_tests_only_no_real_account"
SECRET = "whsec_for_tests_only_no_real_endpoint"


@dataclass(kw_only=True)
class Reply:
    """What goes back: ``sent`` of the body's bytes, all when None; ``closed``: not even a status."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    closed: bool = False


class StripeServer(Control):
    """A server of this process; its control methods work on it directly."""

    def __init__(
        self, *, port: int = 0, state: Path | None = None, key: str = KEY, secret: str = SECRET
    ) -> None:
        self.key, self.secret = key, secret
        self._kept = State(state)
        self._events = Events(self._kept, secret)
        self._requests: list[Seen] = []
        self._plan, self._limited = Troubles(), Limit()
        super().__init__(Api(Bank(self._kept, self._events)), self._plan, self._limited, self._requests)
        self._ending = threading.Event()
        self._http: _Http | None = None
        self._port = port
        self.up()

    @property
    def url(self) -> str:
        """Where it listens; ``STRIPE_API_BASE``."""
        return f"http://127.0.0.1:{self._port}"

    def environ(self) -> dict[str, str]:
        """The settings of a portal that is paid by this server."""
        return {
            "GATEWAY": "stripe",
            "STRIPE_API_KEY": self.key,
            "STRIPE_API_BASE": self.url,
            "STRIPE_WEBHOOK_SECRET": self.secret,
        }

    def signed(
        self, event: str | Thing, *, secret: str | None = None, at: int | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Headers and raw body of an event's delivery, signed ``at`` (now) with ``secret`` (the right one)."""
        return self._events.signed(event, secret=secret, at=at)

    def up(self) -> None:
        """Listen, on the same port as before."""
        if self._http is None:
            self._http = _Http(("127.0.0.1", self._port), self)
            self._port = self._http.server_address[1]
            threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse every connection, and cut those that are open."""
        if self._http is not None:
            http, self._http = self._http, None
            http.shutdown()
            http.server_close()
            http.cut()

    def close(self) -> None:
        """Stop for good."""
        self._ending.set()
        self._events.stop()
        self.down()
        self._kept.close()

    # ------------------------------------------------------------------------------------- one request

    def reply(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Reply:
        """What that request is answered with, after the trouble that was planned for it."""
        parts = urlsplit(target)
        if parts.path.startswith("/control/"):
            return self._controlled(parts.path.removeprefix("/control/"), body)
        seen = Seen(
            method=method,
            path=parts.path,
            key=headers.get("idempotency-key", ""),
            params={},
            at=time.time(),
            headers=headers,
        )
        self._requests.append(seen)
        try:
            seen.params = forms.parse(parts.query if method == "GET" else body.decode())
            self._admit(method, headers)
            reply = self._troubled(seen)
        except Fault as fault:
            reply = _json(fault.status, fault.body(), fault.headers)
        seen.status = 0 if reply.closed else reply.status
        return reply

    def _controlled(self, name: str, body: bytes) -> Reply:
        try:
            return _json(200, called(self, name, body), {})
        except (ValueError, TypeError, KeyError, Fault) as wrong:
            return _json(400, {"error": str(wrong)}, {})

    def _admit(self, method: str, headers: dict[str, str]) -> None:
        """Who asks, and how often. Raises ``Fault``."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            given = base64.b64decode(given).decode().partition(":")[0]
        if not secrets.compare_digest(given.encode(), self.key.encode()):
            raise Fault(401, f"Invalid API Key provided: {given[:8]}****")
        if not self._limited.passes(method, time.monotonic()):
            raise errors.failure(429, retry_after=1)

    def _troubled(self, seen: Seen) -> Reply:
        trouble = self._plan.take(seen.method, seen.path)
        seen.trouble = trouble.kind if trouble else ""
        failing = self._before(trouble) if trouble else None
        if failing == "closed":
            return Reply(closed=True)
        kept_failure = failing if isinstance(failing, Fault) else None
        (status, thing, headers), seen.replayed = self._api.answer(
            seen.method, seen.path, seen.params, key=seen.key, failing=kept_failure
        )
        reply = _json(status, thing, {**headers, "Stripe-Version": API_VERSION})
        return self._after(trouble, reply, thing) if trouble else reply

    def _before(self, trouble: Trouble) -> Fault | str | None:
        """Trouble that comes before anything is executed. Raises ``Fault``."""
        said = trouble.options
        if trouble.kind == "reset_before":
            return "closed"
        if trouble.kind == "hang_before":
            self._ending.wait(trouble.seconds)
            return "closed"
        if trouble.kind == "unauthorized":
            raise Fault(
                401, "Expired API Key provided: sk_test_****", code=said.get("code", "api_key_expired")
            )
        if trouble.kind == "forbidden":
            raise Fault(403, "The provided key does not have the required permissions for this endpoint.")
        if trouble.kind == "error" and not said.get("after"):
            fault = errors.failure(said.get("status", 500), said.get("retry_after"))
            if "code" in said:
                fault = Fault(
                    said.get("status", 400), said.get("message", said["code"]), code=said["code"],
                    kind=said.get("type", "invalid_request_error"),
                )  # fmt: skip
            fault.headers |= said.get("headers", {})
            if said.get("stored"):
                fault.executed = True
                return fault
            raise fault
        return None

    def _after(self, trouble: Trouble, reply: Reply, thing: Thing) -> Reply:
        """Trouble with the answer to what was executed."""
        kind = trouble.kind
        if kind in ("hang_after", "slow"):
            self._ending.wait(trouble.seconds)
        if kind in ("reset_after", "hang_after"):
            return Reply(closed=True)
        if kind == "error":
            fault = errors.failure(trouble.options.get("status", 502), trouble.options.get("retry_after"))
            return _json(fault.status, fault.body(), fault.headers)
        if kind == "cut_body":
            reply.sent = len(reply.body) // 2
        if kind == "cut_json":
            reply.body = reply.body[: len(reply.body) // 2]
        if kind == "garbage":
            reply.body = b"<html><body>Please wait</body></html>"
        if kind.startswith("wrong_") and reply.status == 200:
            reply.body = json.dumps(_lie(kind, thing)).encode()
        return reply


def _lie(kind: str, thing: Thing) -> Thing:
    if kind == "wrong_amount":
        return {**thing, "amount": thing["amount"] + 1}
    if kind == "wrong_currency":
        return {**thing, "currency": "usd" if thing["currency"] != "usd" else "eur"}
    if kind == "wrong_id":
        return {**thing, "id": f"re_{secrets.token_hex(12)}"}
    return {**thing, "charge": "ch_of_somebody_else", "payment_intent": "pi_of_somebody_else"}


def _json(status: int, value: Any, headers: dict[str, str]) -> Reply:
    return Reply(
        status=status,
        body=json.dumps(value, indent=2).encode(),
        headers={
            "Content-Type": "application/json",
            "Request-Id": f"req_{secrets.token_hex(7)}",
            **headers,
        },
    )


class _Http(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], stripe: StripeServer) -> None:
        self.stripe = stripe
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is no fault of this server; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def cut(self) -> None:
        for connection in list(self._open):
            _hang_up(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    disable_nagle_algorithm = True
    timeout = 120

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert isinstance(self.server, _Http)
        reply = self.server.stripe.reply(self.command, self.path, body, headers)
        if reply.closed:
            self._close()
            return
        lines = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('',))[0]}"]
        shown = {**reply.headers, "Content-Length": str(len(reply.body))}
        lines += [f"{name}: {value}" for name, value in shown.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head + (reply.body if reply.sent is None else reply.body[: reply.sent]))
        if reply.sent is not None:
            self._close()

    def _close(self) -> None:
        self.close_connection = True
        _hang_up(self.connection)

    def log_message(self, format: str, *args: Any) -> None:
        """Every request is kept in ``requests``."""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


@contextmanager
def running(**options: Any) -> Iterator[StripeServer]:
    """A server of this process on a free port, stopped at the end."""
    server = StripeServer(**options)
    try:
        yield server
    finally:
        server.close()

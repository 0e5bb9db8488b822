"""A warehouse of its own behind HTTP, written against CONTRACT.md alone: nothing of the portal is imported.

It checks every request against the contract's schema and its signature, and what it answers as well. What goes
wrong on the line is planned with ``trouble``; what happens to goods are methods.
"""

import base64
import hashlib
import hmac
import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Reply = tuple[int, dict[str, str], bytes]
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "portal/adapters/warehouse/contract.schema.json").read_text(
        "utf-8"
    )
)
SECRET = "whsec_" + base64.b64encode(b"for tests only: this proves nothing").decode()
PREFIX = "/wms/v1"

TROUBLES = ("reset_before", "reset_after", "hang_before", "hang_after", "cut_body", "garbage", "drip", "status",
            "wrong_key", "redirect")  # fmt: skip
"""``*_before``: nothing is executed, ``*_after``: it is. ``status`` answers one, after execution with ``after``."""


class Fault(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


def valid(name: str, value: Any) -> Any:
    """``value``, once it fits the contract. Raises ``jsonschema.ValidationError``."""
    Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]}).validate(value)
    return value


def signature(message_id: str, stamp: str, content: bytes, secret: str = SECRET) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([message_id.encode(), stamp.encode(), content])
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


@dataclass(kw_only=True)
class Line:
    line: str
    sku: str
    location: str
    units: int
    left_out: int = 0
    picked: int = 0
    shipped: int = 0
    codes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.units - self.left_out - self.picked - self.shipped


@dataclass(kw_only=True)
class Trouble:
    kind: str
    path: str
    times: int
    options: dict[str, Any]


class WarehouseServer:
    """Listens on a port of its own; a thread per connection, one lock around its goods."""

    def __init__(self) -> None:
        self.secret = SECRET
        self.orders: dict[tuple[str, str], dict[str, Line]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        """Idempotency key -> {"body", "answer", "ends"}."""
        self.seen: list[tuple[str, str, str]] = []
        """(method, path, idempotency key) of every request that came."""
        self.faults: list[str] = []
        """What requests had that is not of the contract."""
        self._answers: dict[str, dict[str, str]] = {}
        self._troubles: list[Trouble] = []
        self._lock, self._ending = threading.RLock(), threading.Event()
        self._http: _Http | None = None
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}{PREFIX}"

    def environ(self) -> dict[str, str]:
        """The settings of a portal that asks this warehouse."""
        return {"WAREHOUSE": "rest", "WAREHOUSE_URL": self.url, "WAREHOUSE_SECRET": self.secret}

    def up(self) -> None:
        if self._http is None:
            self._http = _Http(("127.0.0.1", self._port), self)
            self._port = self._http.server_address[1]
            threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse every connection."""
        if self._http is not None:
            http, self._http = self._http, None
            http.shutdown()
            http.server_close()

    def close(self) -> None:
        self._ending.set()
        self.down()

    # ------------------------------------------------------------------------------------- what happens there

    def take_in(
        self, merchant: str, order: str, lines: Mapping[str, tuple[str, int]], location: str = "main"
    ) -> None:
        """An order comes in: line -> (sku, units)."""
        self.orders[merchant, order] = {
            line: Line(line=line, sku=sku, units=units, location=location)
            for line, (sku, units) in lines.items()
        }

    def says(self, merchant: str, order: str, line: str, code: str, **more: Any) -> None:
        """It has something against leaving the line out."""
        self.orders[merchant, order][line].codes.append({"code": code, **more})

    def will_answer(self, order: str, state: str, ends: str = "") -> None:
        """How requests about an order are answered; ``ends``: what a pending one comes to by ``settle``."""
        self._answers[order] = {"state": state, "ends": ends}

    def pick(self, merchant: str, order: str, line: str, units: int) -> None:
        self.orders[merchant, order][line].picked += units

    def ship(self, merchant: str, order: str, line: str, units: int) -> None:
        one = self.orders[merchant, order][line]
        one.picked -= min(units, one.picked)
        one.left_out -= max(0, units - one.free)
        one.shipped += units

    def settle(self) -> None:
        """What is pending comes to its end."""
        with self._lock:
            for kept in self.requests.values():
                if kept["answer"]["state"] == "pending":
                    self.decide(kept["answer"]["key"], kept["ends"] or "released")

    def decide(self, key: str, state: str) -> None:
        """A request is answered ``state``, whatever was said before."""
        with self._lock:
            kept = self.requests[key]
            kept["answer"] = valid(
                "leave_out_answer", _answer(key, state, [line["line"] for line in kept["body"]["lines"]])
            )
            self._act(kept["body"], state)

    def trouble(self, kind: str, path: str = "/", *, times: int = 1, **options: Any) -> None:
        if kind not in TROUBLES:
            raise ValueError(kind)
        self._troubles.append(Trouble(kind=kind, path=path, times=times, options=options))

    def event(
        self,
        type: str,
        data: Mapping[str, Any],
        *,
        id: str = "",
        at: datetime | None = None,
        secret: str = "",
    ) -> tuple[dict[str, str], bytes]:
        """Headers and raw body of an event as this warehouse delivers it."""
        moment = at or datetime.now(UTC)
        body = {
            "version": 1,
            "type": type,
            "timestamp": moment.isoformat(timespec="seconds"),
            "data": dict(data),
        }
        return self.signed(json.dumps(valid("event", body)).encode(), id=id, at=moment, secret=secret)

    def signed(
        self, raw: bytes, *, id: str = "", at: datetime | None = None, secret: str = ""
    ) -> tuple[dict[str, str], bytes]:
        message_id, stamp = (
            id or f"evt_{secrets.token_hex(8)}",
            str(int((at or datetime.now(UTC)).timestamp())),
        )
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(message_id, stamp, raw, secret or self.secret),
        }, raw

    # --------------------------------------------------------------------------------------------- answering

    def reply(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What a request is answered with. Raises ``Fault`` for what is understood and refused."""
        if not path.startswith(PREFIX + "/"):
            raise Fault(404, "no_such_path")
        self._need_signature(path, headers, body)
        place = path.removeprefix(PREFIX)
        if (method, place) == ("GET", "/health"):
            return _json("health_answer", {"version": 1, "status": "ok"})
        if (method, place) == ("POST", "/constraints"):
            return self._constraints(self._read("constraints_request", body))
        if (method, place) == ("POST", "/leave-outs"):
            return self._leave_out(self._read("leave_out_request", body), headers.get("idempotency-key", ""))
        if method == "GET" and place.startswith("/leave-outs/"):
            with self._lock:
                kept = self.requests.get(place.removeprefix("/leave-outs/"))
            if kept is None:
                raise Fault(404, "unknown_key")
            return _json("leave_out_answer", kept["answer"])
        raise Fault(404, "no_such_path")

    def _need_signature(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        stamp = headers.get("webhook-timestamp", "0")
        expected = signature(headers.get("webhook-id", ""), stamp, body or path.encode(), self.secret)
        if not hmac.compare_digest(expected, headers.get("webhook-signature", "")):
            raise Fault(401, "not_authorized")

    def _read(self, name: str, body: bytes) -> Any:
        try:
            return valid(name, json.loads(body))
        except Exception as problem:
            self.faults.append(f"{name}: {str(problem)[:200]}")
            raise Fault(400, "senseless") from None

    def _constraints(self, asked: Any) -> Reply:
        lines = self._order(asked)
        found = [{"line": line.line, **code} for line in lines.values() for code in line.codes]
        found += [
            {"line": one.line, "code": "picking", "units": one.picked} for one in lines.values() if one.picked
        ]
        found += [
            {"line": one.line, "code": "shipped", "units": one.shipped}
            for one in lines.values()
            if one.shipped
        ]
        return _json("constraints_answer", {"version": 1, "constraints": found})

    def _order(self, asked: Any) -> dict[str, Line]:
        try:
            return self.orders[asked["merchant"], asked["order"]]
        except KeyError:
            raise Fault(404, "unknown_order") from None

    def _leave_out(self, asked: Any, key: str) -> Reply:
        if not key:
            raise Fault(400, "key_missing")
        with self._lock:
            kept = self.requests.get(key)
            if kept is None:
                kept = self.requests[key] = self._decided(asked, key)
            elif kept["body"] != asked:
                raise Fault(409, "key_reused")
        status, headers, body = _json("leave_out_answer", kept["answer"])
        return (202 if kept["answer"]["state"] == "pending" else status), headers, body

    def _decided(self, asked: Any, key: str) -> dict[str, Any]:
        lines = self._order(asked)
        planned = self._answers.get(asked["order"], {"state": "released", "ends": ""})
        state, code, about = planned["state"], "", [line["line"] for line in asked["lines"]]
        for line in asked["lines"]:
            one = lines.get(line["line"])
            if one is None:
                raise Fault(404, "unknown_order")
            if line["units"] > one.units - one.left_out - one.shipped:
                state, code = "shipped", "shipped"
            elif line["units"] > one.free and state != "shipped":
                state, code = "refused", "picking"
            elif one.codes and state != "shipped":
                state, code = "refused", one.codes[0]["code"]
        self._act(asked, state)
        answer = _answer(key, state, about if state != "released" else [], code)
        return {"body": asked, "answer": answer, "ends": planned["ends"]}

    def _act(self, asked: Any, state: str) -> None:
        lines = self.orders[asked["merchant"], asked["order"]]
        for line in asked["lines"]:
            one = lines[line["line"]]
            if state == "released":
                one.left_out += line["units"]

    def take_trouble(self, path: str) -> Trouble | None:
        with self._lock:
            for trouble in self._troubles:
                if path.removeprefix(PREFIX).startswith(trouble.path):
                    trouble.times -= 1
                    if trouble.times <= 0:
                        self._troubles.remove(trouble)
                    return trouble
        return None

    def wait(self, seconds: float) -> None:
        self._ending.wait(seconds)


def _answer(key: str, state: str, lines: list[str], code: str = "") -> dict[str, Any]:
    return {"version": 1, "key": key, "state": state, "code": code, "message": "", "lines": lines}


def _json(name: str, value: Any) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(valid(name, value)).encode()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], warehouse: WarehouseServer) -> None:
        self.warehouse = warehouse
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no fault of this server; anything else is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        assert isinstance(self.server, _Http)
        there = self.server.warehouse
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        there.seen.append((self.command, self.path.removeprefix(PREFIX), headers.get("idempotency-key", "")))
        trouble = there.take_trouble(self.path)
        kind, options = (trouble.kind, trouble.options) if trouble else ("", {})
        if kind in ("reset_before", "hang_before"):
            there.wait(options.get("seconds", 5) if kind == "hang_before" else 0)
            self._hang_up()
            return
        if kind == "redirect":
            self._send(302, {"Location": f"{there.url}/health"}, b"")
            return
        if kind == "status" and not options.get("after"):
            self._send(
                options.get("status", 500), options.get("headers", {}), options.get("body", b"<h1>away</h1>")
            )
            return
        try:
            status, shown, content = there.reply(self.command, self.path, headers, body)
        except Fault as fault:
            told = {"error": {"code": fault.code, "message": "told by the test's warehouse"}}
            status, shown, content = (
                fault.status,
                {"Content-Type": "application/json"},
                json.dumps(told).encode(),
            )
        self._spoiled(kind, options, status, shown, content)

    def _spoiled(
        self, kind: str, options: dict[str, Any], status: int, shown: dict[str, str], content: bytes
    ) -> None:
        if kind == "hang_after":
            assert isinstance(self.server, _Http)
            self.server.warehouse.wait(options.get("seconds", 5))
        if kind in ("reset_after", "hang_after"):
            self._hang_up()
        elif kind == "status":
            self._send(options.get("status", 502), options.get("headers", {}), b"<h1>away</h1>")
        elif kind == "garbage":
            self._send(200, {"Content-Type": "text/html"}, b"<html><body>Please wait</body></html>")
        elif kind == "wrong_key":
            self._send(status, shown, json.dumps({**json.loads(content), "key": "somebody-elses"}).encode())
        elif kind == "cut_body":
            self._send(status, shown, content, sent=len(content) // 2)
        elif kind == "drip":
            self._send(status, shown, content, pause=options.get("pause", 0.2))
        else:
            self._send(status, shown, content)

    def _send(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        sent: int | None = None,
        pause: float = 0,
    ) -> None:
        lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if pause:
            for place in range(len(body)):
                self.wfile.write(body[place : place + 1])
                self.wfile.flush()
                time.sleep(pause)
        else:
            self.wfile.write(body if sent is None else body[:sent])
        if sent is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def log_message(self, format: str, *args: Any) -> None:
        """Every request is kept in ``seen``."""


@contextmanager
def running() -> Iterator[WarehouseServer]:
    """A warehouse on a free port, closed at the end; requests that are not of the contract fail the test."""
    server = WarehouseServer()
    try:
        yield server
    finally:
        server.close()
    assert server.faults == []

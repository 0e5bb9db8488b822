"""A warehouse behind HTTP, as ``CONTRACT.md`` describes it: signed both ways, asked once under one key.

Nothing is repeated here: durable work repeats, under the same key, and with a look-up before it. Whatever is
not understood is ``Unavailable``, for nobody knows then whether it took effect.
"""

import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from portal import faults
from portal.adapters import signatures
from portal.adapters.payments.breaker import Circuit
from portal.adapters.warehouse import wire
from portal.core.logistics import Constraint, LeaveOut, LeaveOutAnswer, WarehouseEvent, WarehouseOrder
from portal.ports import Declined, Unavailable

CONNECT_SECONDS = 3
PAGE_SECONDS = 1.8
"""So long a page waits for constraints, from the first byte sent to the last one read."""
LARGEST = 1024 * 1024
"""Bytes of an answer; they have a few thousand."""
TRY_AGAIN = (408, 425, 429)

T = TypeVar("T")


class RestWarehouse:
    """``ports.Warehouse`` at an address that speaks the contract."""

    code = "rest"

    def __init__(
        self,
        *,
        url: str,
        secret: str,
        read_seconds: float = 20,
        page_seconds: float = PAGE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``page_seconds`` bounds ``constraints`` as a whole, ``read_seconds`` each wait for all else."""
        self._url, self._secret, self._path = url.rstrip("/"), secret, urlsplit(url).path.rstrip("/")
        self._read_seconds, self._page_seconds = read_seconds, page_seconds
        self._pages, self._orders = Circuit(name=self.code, clock=clock), Circuit(name=self.code, clock=clock)
        self._session = requests.Session()
        self._session.auth = _leave_as_it_is
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=16))

    def constraints(self, order: WarehouseOrder, *, now: datetime) -> tuple[Constraint, ...]:
        body = wire.dumped(wire.order(order))

        def ask() -> Any:
            return _read("constraints_answer", self._send("POST", "/constraints", body, now=now))

        found = self._pages.call(lambda: _within(self._page_seconds, ask))
        try:
            return wire.constraints(found, order, by=self.code)
        except ValueError as problem:
            raise Unavailable(f"the answer is not of the contract: {problem}") from None

    def leave_out(self, request: LeaveOut, *, key: str) -> LeaveOutAnswer:
        body = wire.dumped(wire.leave_out(request))
        return self._orders.call(lambda: self._answer(key, self._send("POST", "/leave-outs", body, key=key)))

    def look_up(self, key: str) -> LeaveOutAnswer | None:
        def ask() -> LeaveOutAnswer | None:
            try:
                return self._answer(key, self._send("GET", f"/leave-outs/{quote(key, safe='')}", b""))
            except Declined as problem:
                if problem.code == "unknown_key":
                    return None
                raise

        return self._orders.call(ask)

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WarehouseEvent:
        event_id = signatures.proved(headers, body, secrets=(self._secret,), now=now)
        return wire.event(event_id, wire.read("event", body))

    def health(self) -> None:
        try:
            _within(self._page_seconds, lambda: _read("health_answer", self._send("GET", "/health", b"")))
        except Declined as problem:
            raise Unavailable(str(problem)) from problem

    # ------------------------------------------------------------------------------------------------ asking

    def _answer(self, key: str, body: bytes) -> LeaveOutAnswer:
        found = _read("leave_out_answer", body)
        if found["key"] != key:
            raise Unavailable("the warehouse answered about another request")
        return wire.answer(found)

    def _send(
        self, method: str, path: str, body: bytes, *, key: str = "", now: datetime | None = None
    ) -> bytes:
        """The body of a good answer. Where there is none to be sent, the path is what is signed."""
        signed = signatures.signed(
            f"msg_{secrets.token_hex(12)}",
            body or f"{self._path}{path}".encode(),
            secret=self._secret,
            at=now or datetime.now(UTC),
        )
        headers = signed | {"Accept": "application/json", "User-Agent": "returns-portal"}
        if body:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        try:
            with self._session.request(
                method,
                self._url + path,
                data=body or None,
                headers=headers,
                timeout=(CONNECT_SECONDS, self._read_seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                if key:
                    faults.point("after_http_sent")
                content = answer.raw.read(LARGEST + 1, decode_content=True)
        except (requests.RequestException, OSError, HTTPError) as problem:
            raise Unavailable(_in_words(problem)) from problem
        return _good(answer.status_code, answer.headers, content)


def _good(status: int, headers: Mapping[str, str], content: bytes) -> bytes:
    """``content`` of a 2xx answer. Raises ``Declined`` for a no that is understood, else ``Unavailable``."""
    if len(content) > LARGEST:
        raise Unavailable("the answer is too large")
    if 200 <= status < 300:
        return content
    if status in TRY_AGAIN or status >= 500:
        raise Unavailable(
            f"the warehouse answered {status}", retry_after=_pause(headers.get("Retry-After", ""))
        )
    if status in (401, 403):
        raise Declined("not_authorized", f"the warehouse answered {status}")
    try:
        told = wire.read("error", content)["error"]
    except ValueError:
        raise Unavailable(f"the warehouse answered {status}, and nothing that is understood") from None
    if not 400 <= status < 500:
        raise Unavailable(f"the warehouse answered {status}")
    raise Declined(told["code"], told.get("message", "")[:300])


def _read(name: str, content: bytes) -> Any:
    try:
        return wire.read(name, content)
    except ValueError as problem:
        raise Unavailable(f"the answer is not of the contract: {problem}") from None


def _pause(told: str) -> int | None:
    """Seconds of a Retry-After header, which is a number or a date."""
    if told.isascii() and told.isdecimal() and len(told) < 8:
        return int(told)
    try:
        return max(0, int((parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()))
    except (ValueError, TypeError):
        return None


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """What ``ask`` answers in that time, however slowly its bytes come. Raises ``Unavailable``."""
    box: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            box.put((ask(), None))
        except BaseException as problem:
            box.put((None, problem))

    threading.Thread(target=work, daemon=True, name="warehouse").start()
    try:
        answer, problem = box.get(timeout=seconds)
    except queue.Empty:
        raise Unavailable(f"no answer within {seconds:g} s") from None
    if problem is not None:
        raise problem
    return answer  # type: ignore[return-value]


def _in_words(problem: BaseException) -> str:
    known: tuple[tuple[type[Exception], str], ...] = (
        (requests.exceptions.SSLError, "the connection is not safe: the certificate was not accepted"),
        (requests.exceptions.ConnectTimeout, f"no connection within {CONNECT_SECONDS} s"),
        (requests.exceptions.Timeout, "no answer in time"),
        (requests.exceptions.ConnectionError, "the connection was refused or lost"),
    )
    words = next((text for kind, text in known if isinstance(problem, kind)), "the answer was cut off")
    return f"warehouse: {words} ({type(problem).__name__})"


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Without this, an entry for the host in a .netrc file would be sent there."""
    return request

"""Events as they happened, their signatures, and how they are delivered: once, twice, late, out of order, never."""

import hashlib
import hmac
import http.client
import json
import random
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.stripe_server.objects import API_VERSION
from tests.stripe_server.state import State, Thing


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How events go out by themselves."""

    url: str
    copies: int = 1
    shuffle: int | None = None
    """A seed: each delivery waits for a random part of ``spread``, so that later events overtake."""
    spread: float = 0.5
    lose: float = 0.0
    """The part that is never delivered."""
    delay: float = 0.0
    retries: int = 3
    """How often an event that was not answered with 2xx is delivered again."""


def signature(secret: str, body: bytes, at: int) -> str:
    """The header that proves who sent ``body``."""
    proof = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={proof}"


class Events:
    """The list of events and its one thread of deliveries."""

    def __init__(self, state: State, secret: str) -> None:
        self.state, self.secret = state, secret
        self._plan: Plan | None = None
        self._random = random.Random()
        self._due: list[tuple[float, int, str, int]] = []
        self._order = count()
        self._wake = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self.delivered: list[tuple[str, int]] = []

    def emit(self, type: str, thing: Thing, *, key: str = "", previous: Thing | None = None) -> Thing:
        """Note that something happened to ``thing``, as it is now."""
        data: dict[str, Any] = {"object": json.loads(json.dumps(thing))}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "object": "event",
            "api_version": API_VERSION,
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": key or None},
            "type": type,
        }
        made = self.state.make("events", "evt", event)
        self._send(made["id"])
        return made

    def signed(
        self, event: str | Thing, *, secret: str | None = None, at: int | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a delivery; ``at`` is the moment of its signature."""
        thing = self.state.things["events"][event] if isinstance(event, str) else event
        body = json.dumps(thing, indent=2).encode()
        sent = int(time.time()) if at is None else at
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(secret or self.secret, body, sent),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        return headers, body

    def deliver(
        self, url: str, ids: Iterable[str], *, copies: int = 1, shuffle: int | None = None
    ) -> list[int]:
        """Deliver those events now, each so often, in a random order if asked; answers the status of each."""
        wanted = [id for id in ids for _ in range(copies)]
        if shuffle is not None:
            random.Random(shuffle).shuffle(wanted)
        return [self._post(url, id) for id in wanted]

    def follow(self, plan: Plan | None) -> None:
        """Deliver by itself from now on, or no longer."""
        with self._wake:
            self._plan = plan
            self._random = random.Random(plan.shuffle if plan else None)
            if plan is not None and self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def waiting(self) -> int:
        """How many deliveries are still to come."""
        with self._wake:
            return len(self._due)

    def stop(self) -> None:
        """Deliver nothing any more."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(10)

    def _send(self, id: str) -> None:
        with self._wake:
            plan = self._plan
            if plan is None or self._random.random() < plan.lose:
                return
            for _ in range(plan.copies):
                wait = plan.delay + (self._random.random() * plan.spread if plan.shuffle is not None else 0.0)
                self._enqueue(id, wait, 0)

    def _enqueue(self, id: str, wait: float, attempt: int) -> None:
        heappush(self._due, (time.monotonic() + wait, next(self._order), id, attempt))
        self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopped and (not self._due or self._due[0][0] > time.monotonic()):
                    self._wake.wait(max(0.0, self._due[0][0] - time.monotonic()) if self._due else None)
                if self._stopped:
                    return
                _, _, id, attempt = heappop(self._due)
                plan = self._plan
            if plan is None:
                continue
            status = self._post(plan.url, id)
            if not 200 <= status < 300 and attempt < plan.retries:
                with self._wake:
                    self._enqueue(id, 0.2 * 2**attempt, attempt + 1)

    def _post(self, url: str, id: str) -> int:
        """Post one delivery; 0 when nobody answers."""
        headers, body = self.signed(id)
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
        try:
            connection.request("POST", parts.path or "/", body=body, headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            status = 0
        finally:
            connection.close()
        self.delivered.append((id, status))
        return status


def of(events: Sequence[Thing], object_id: str) -> list[Thing]:
    """Those about one object."""
    return [event for event in events if event["data"]["object"]["id"] == object_id]

"""Leaves a gateway alone that only fails: after a few failures in a row it is asked twice a minute, not at once.

Refunds and readings are counted apart: lists that still work say nothing about payments. Each process counts
for itself.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TypeVar

from portal.core.money import Minor
from portal.ports import (
    Capture,
    GatewayDispute,
    GatewayEvent,
    GatewayRefund,
    Payments,
    RefundResult,
    Unavailable,
)

FAILURES = 3
"""So many in a row, and the circuit is open."""
PAUSE = 30.0
"""Seconds until one call may try again, where the gateway did not say how long it wants to be left alone."""
SHORT = 5
"""A pause that the gateway asks for is kept by all at the first word of it, unless it is this short or shorter:
that is a gateway which answers, and wants fewer requests. Each of those counts only as a part of a failure."""
PARTS = 10

T = TypeVar("T")


class Circuit:
    """Lets calls through, or fails at once; thread-safe. Closed, open until a moment, then one call as a test."""

    def __init__(self, *, name: str, clock: Callable[[], float]) -> None:
        self._name, self._clock = name, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until: float | None = None
        self._testing = False

    def call(self, ask: Callable[[], T]) -> T:
        """What ``ask`` answers. Raises ``Unavailable`` without asking while the circuit is open."""
        tests = self._admit()
        try:
            answer = ask()
        except Unavailable as problem:
            self._failed(problem.retry_after, tests=tests)
            raise
        except BaseException:
            self._answered(tests=tests)  # a refusal is an answer too
            raise
        self._answered(tests=tests)
        return answer

    def _admit(self) -> bool:
        """Whether this call is the test; raises where it may not be made."""
        with self._lock:
            if self._until is None:
                return False
            left = self._until - self._clock()
            if left > 0 or self._testing:
                wait = max(1, math.ceil(left))
                raise Unavailable(
                    f"{self._name} is left alone for {wait} s, as it only failed", retry_after=wait
                )
            self._testing = True
            return True

    def _failed(self, retry_after: int | None, *, tests: bool) -> None:
        with self._lock:
            asked = retry_after is not None and retry_after > SHORT
            self._failures += PARTS if retry_after is None or asked else 1
            if tests or asked or self._failures >= FAILURES * PARTS:
                pause = PAUSE if retry_after is None else float(retry_after)
                self._until = max(self._until or 0.0, self._clock() + pause)
            self._testing = self._testing and not tests

    def _answered(self, *, tests: bool) -> None:
        with self._lock:
            if tests:
                self._testing, self._until = False, None
            if self._until is None:
                self._failures = 0


class Breaker:
    """``ports.Payments`` around another; what needs no network passes untouched."""

    def __init__(self, inner: Payments, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._paying = Circuit(name=inner.code, clock=clock)
        self._reading = Circuit(name=inner.code, clock=clock)

    @property
    def code(self) -> str:
        return self._inner.code

    def learn(self, reference: str, *, captured: Minor, currency: str, authorized: bool = False) -> None:
        self._inner.learn(reference, captured=captured, currency=currency, authorized=authorized)

    def capture(self, reference: str) -> Capture | None:
        return self._reading.call(lambda: self._inner.capture(reference))

    def refund(self, *, key: str, reference: str, amount: Minor, currency: str) -> RefundResult:
        return self._paying.call(
            lambda: self._inner.refund(key=key, reference=reference, amount=amount, currency=currency)
        )

    def release(
        self, *, key: str, reference: str, amount: Minor, remaining: Minor, currency: str
    ) -> RefundResult:
        return self._paying.call(
            lambda: self._inner.release(
                key=key, reference=reference, amount=amount, remaining=remaining, currency=currency
            )
        )

    def look_up(self, *, key: str, capture: str, reference: str = "") -> RefundResult | None:
        return self._reading.call(lambda: self._inner.look_up(key=key, capture=capture, reference=reference))

    def refunds_since(self, moment: datetime) -> Iterator[GatewayRefund]:
        return iter(self._reading.call(lambda: list(self._inner.refunds_since(moment))))

    def disputes_since(self, moment: datetime) -> Iterator[GatewayDispute]:
        return iter(self._reading.call(lambda: list(self._inner.disputes_since(moment))))

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        return self._inner.read_event(headers, body, now=now)

"""What can go wrong with a request, before it is executed or after."""

import threading
from dataclasses import dataclass, field
from typing import Any

BEFORE = ("reset_before", "hang_before", "unauthorized", "forbidden")
AFTER = (
    "reset_after",
    "hang_after",
    "cut_body",
    "cut_json",
    "garbage",
    "wrong_amount",
    "wrong_currency",
    "wrong_id",
    "wrong_capture",
    "slow",
)
KINDS = (*BEFORE, *AFTER, "error")
"""``reset_*`` closes the connection, ``hang_*`` says nothing for ``seconds`` and closes it; ``*_before``: nothing is
executed, ``*_after``: it is. ``error`` answers ``status`` (500, 502, 503, 429, with ``retry_after``), with
``after=True`` once it was executed, with ``stored=True`` as a failure that is kept under the key. ``cut_body`` promises
more bytes than it sends, ``cut_json`` sends half of it whole, ``garbage`` is a page of a proxy, ``wrong_*`` lie about
what was executed, ``slow`` waits ``seconds`` before the right answer."""


@dataclass(kw_only=True)
class Trouble:
    """One kind of trouble for the requests it is meant for."""

    kind: str
    times: int | None
    method: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)

    def meets(self, method: str, path: str) -> bool:
        return self.method in (method, "*") and (
            path == self.path or path.startswith(self.path.rstrip("/") + "/")
        )

    @property
    def seconds(self) -> float:
        return float(self.options.get("seconds", 5.0))


class Troubles:
    """The plan: the first trouble that is meant for a request happens to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Trouble] = []

    def plan(self, trouble: Trouble) -> None:
        if trouble.kind not in KINDS:
            raise ValueError(f"{trouble.kind} is not one of {', '.join(KINDS)}")
        with self._lock:
            self._planned.append(trouble)

    def clear(self) -> None:
        with self._lock:
            self._planned.clear()

    def take(self, method: str, path: str) -> Trouble | None:
        """The trouble of this request, used up by it."""
        with self._lock:
            for trouble in self._planned:
                if trouble.meets(method, path):
                    if trouble.times is not None:
                        trouble.times -= 1
                        if trouble.times <= 0:
                            self._planned.remove(trouble)
                    return trouble
        return None


class Limit:
    """At most so many requests a second, reading and writing counted apart; the rest is refused with 429."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.per_second: int | None = None
        self._left: dict[str, tuple[float, float]] = {}

    def passes(self, method: str, now: float) -> bool:
        with self._lock:
            if self.per_second is None:
                return True
            left, since = self._left.get(method, (float(self.per_second), now))
            left = min(float(self.per_second), left + (now - since) * self.per_second)
            allowed = left >= 1.0
            self._left[method] = (left - 1.0 if allowed else left, now)
            return allowed

"""The same walk without a network: the app called directly, every SQL statement counted by step."""

from __future__ import annotations

import contextvars
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from bench.flow import Fields
from portal.services import jobs
from portal.services.work import Item, listing

BOOKKEEPING = ("BEGIN", "PRAGMA", "COMMIT", "ROLLBACK")


@dataclass(frozen=True)
class Came:
    """What came back."""

    status: int
    location: str
    text: str


class Statements:
    """How many statements each step sent; many rows in one statement count once."""

    def __init__(self) -> None:
        self.step = ""
        self.by_step: Counter[str] = Counter()
        self.texts: dict[str, list[str]] = defaultdict(list)
        self._thread = threading.get_ident()

    def total(self) -> int:
        return sum(self.by_step.values())

    def _sent(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if self.step and threading.get_ident() == self._thread and not statement.startswith(BOOKKEEPING):
            self.by_step[self.step] += 1
            self.texts[self.step].append(statement)


@contextmanager
def counting() -> Iterator[Statements]:
    """Counts what this thread sends, for as long as a step is named."""
    statements = Statements()
    event.listen(sa.Engine, "before_cursor_execute", statements._sent)
    try:
        yield statements
    finally:
        event.remove(sa.Engine, "before_cursor_execute", statements._sent)


class InsideVisitor:
    """A visitor of the app in this process; ``client`` is a test client of it."""

    def __init__(self, client: Any, statements: Statements) -> None:
        self.client, self.statements = client, statements
        self.step = ""
        self.times: dict[str, list[float]] = defaultdict(list)
        self._token = ""

    def get(self, path: str) -> Came:
        return self._ask(path, method="GET")

    def post(self, path: str, data: Fields) -> Came:
        return self._ask(path, method="POST", data={"csrf_token": self._token, **data})

    def total(self) -> float:
        return sum(sum(times) for times in self.times.values())

    def _ask(self, path: str, **more: Any) -> Came:
        self.statements.step = self.step
        began = time.perf_counter()
        # A context of its own, as each request of a server has: no session is shared with whoever calls.
        answer = contextvars.Context().run(self.client.open, path, **more)
        self.times[self.step].append(time.perf_counter() - began)
        self.statements.step = ""
        text = answer.get_data(as_text=True)
        if token := re.search(r'name="csrf_token"[^>]*?value="([^"]+)"', text):
            self._token = token[1]
        return Came(answer.status_code, answer.location or "", text)


class InsideWorker:
    """Does what is due by the jobs' own functions, without the engine's threads, so that it can be counted."""

    def __init__(self, app: Flask, statements: Statements) -> None:
        self.app, self.statements = app, statements
        self.times: dict[str, list[float]] = defaultdict(list)
        self._done: set[str] = set()
        self._jobs: Mapping[str, Any] = jobs.build(
            app.extensions["gateways"], app.extensions["site"], lambda: datetime.now(UTC)
        )

    def work(self, only: tuple[str, ...] = ()) -> None:
        """Until nothing is due (of the kinds in ``only``, where given), jobs that these made included."""
        while due := [item for item in self._due() if not only or item.kind in only]:
            for item in due:
                self._done.add(item.id)
                with self.app.app_context():
                    self.statements.step = f"job {item.kind}"
                    began = time.perf_counter()
                    self._jobs[item.kind](UUID(item.subject))
                    self.times[item.kind].append(time.perf_counter() - began)
                    self.statements.step = ""

    def _due(self) -> list[Item]:
        with self.app.app_context():
            return [item for item in listing(limit=10_000) if item.id not in self._done]

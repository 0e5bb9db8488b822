"""Races between real processes: each opens the app, waits for all others, and then they start at once."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any

import sqlalchemy as sa

from portal import create_app
from portal.core.access import Conflict
from portal.db.base import db
from tests import databases
from tests.databases import Database

PATIENCE = 120
"""Seconds until a race counts as stuck."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.services.warm"])

Step = Callable[..., Any]
"""What a client does: a function of a module, given ``gateways`` and its own arguments."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a race ended: for every client its answer, or the code of its conflict, or another error's name."""

    answers: list[Any] = field(default_factory=list)
    conflicts: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0


def race(
    database: Database,
    step: Step,
    clients: Sequence[tuple[Any, ...]],
    *,
    ready: Step | None = None,
    processes: int = 4,
) -> Outcome:
    """Let every client do ``step`` with its arguments at the same moment, spread over ``processes``.

    ``ready`` is done by each before: it turns the client's arguments into those of ``step``.
    """
    db.session.rollback()
    barrier = _processes.Barrier(len(clients))
    answers = _processes.Queue()
    shares = [list(clients[start::processes]) for start in range(processes)]
    started = [
        _processes.Process(target=_run, args=(database, ready, step, share, barrier, answers), daemon=True)
        for share in shares
        if share
    ]
    for process in started:
        process.start()
    found = [answers.get(timeout=PATIENCE) for _ in clients]
    for process in started:
        process.join(PATIENCE)
    seconds = max(end for *_, end in found) - min(begin for *_, begin, _ in found)
    outcome = Outcome(seconds=seconds)
    for kind, told, _, _ in found:
        if kind == "answer":
            outcome.answers.append(told)
        elif kind == "conflict":
            outcome.conflicts[told] += 1
        else:
            outcome.errors.append(told)
    return outcome


def _run(
    database: Database,
    ready: Step | None,
    step: Step,
    clients: list[tuple[Any, ...]],
    barrier: Barrier,
    answers: Any,
) -> None:
    """One process: a thread for each of its clients."""
    app = create_app(database.settings())
    gateways = app.extensions["gateways"]

    def client(arguments: tuple[Any, ...]) -> None:
        with app.app_context():
            db.session.execute(db.select(1))
            if ready is not None:
                arguments = ready(gateways, *arguments)
            db.session.rollback()
            barrier.wait(PATIENCE)
            begin = time.monotonic()
            try:
                found = ("answer", step(gateways, *arguments))
            except Conflict as problem:
                found = ("conflict", problem.code)
            except Exception as problem:
                found = ("error", f"{type(problem).__name__}: {problem}"[:2000])
            answers.put((*found, begin, time.monotonic()))

    threads = [threading.Thread(target=client, args=(arguments,)) for arguments in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    databases.close(app)


def process(target: Callable[..., None], *arguments: Any) -> Any:
    """A process of its own that does ``target``, started."""
    db.session.rollback()
    started = _processes.Process(target=target, args=arguments, daemon=True)
    started.start()
    return started


def work(database: Database, environ: dict[str, str], *options: str) -> None:
    """What `flask work` does, in a process of its own; ``FAULT_POINT`` in ``environ`` says where it dies."""
    os.environ.update({"APP_ENV": "test", **environ})
    app = create_app(database.settings(**environ))
    done = app.test_cli_runner().invoke(args=["work", *options])
    databases.close(app)
    sys.exit(done.exit_code)


def once(database: Database, environ: dict[str, str], step: Step, *arguments: Any) -> None:
    """One step of one person, in a process of its own that may die of it."""
    os.environ.update({"APP_ENV": "test", **environ})
    app = create_app(database.settings(**environ))
    with app.app_context():
        step(app.extensions["gateways"], *arguments)
    databases.close(app)


def drop_checks(database: Database, table: str, *names: str) -> None:
    """Take checks off a table, in this test's own database alone: what stands below a guard that is replaced."""
    db.session.rollback()
    with db.engine.begin() as connection:
        if database.kind == "postgresql":
            for name in names:
                connection.execute(sa.text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{name}"))
            return
        made = connection.scalar(
            sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :t"), {"t": table}
        )
        for name in names:
            made = _without_check(made, f"CONSTRAINT ck_{table}_{name} CHECK (")
        connection.execute(sa.text("PRAGMA writable_schema = ON"))
        connection.execute(
            sa.text("UPDATE sqlite_master SET sql = :made WHERE type = 'table' AND name = :t"),
            {"made": made, "t": table},
        )
        connection.execute(sa.text("PRAGMA writable_schema = RESET"))


def _without_check(made: str, opening: str) -> str:
    """The statement that makes a table, with the check that ``opening`` begins always true."""
    start = made.index(opening) + len(opening)
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(made[end], 0)
        end += 1
    return f"{made[:start]}1 = 1{made[end - 1 :]}"

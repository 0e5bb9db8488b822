"""Durable work: enqueued in the transaction that decided it, run by worker processes, once however they die.

One intent is one workflow with one name (``refund-<id>``). A job that meets ``Unavailable`` is enqueued
again with a growing delay, so that no thread waits; any other error stays listed until a person resumes it.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from threading import Event
from typing import IO
from uuid import UUID

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from portal.db.base import db, transaction
from portal.ports import Unavailable

QUEUE = "work"
VERSION = "1"
"""Of the workflows' shape, not of the portal: a new portal finishes what an old one left."""

DELAYS = (5, 15, 60, 120, 300)
"""Seconds until the next try; the last one repeats, so nothing waits longer than that after an outage."""

Job = Callable[[UUID], None]
log = logging.getLogger(__name__)


def _url() -> str:
    return db.engine.url.render_as_string(hide_password=False)


@cache
def _client(url: str) -> DBOSClient:
    client = DBOSClient(system_database_url=url, serializer=DBOSPortableJSONSerializer(), lazy=True)
    _clients.append(client)
    return client


_clients: list[DBOSClient] = []


def disconnect() -> None:
    """Let go of the connections that enqueuing made; the next use makes new ones."""
    _client.cache_clear()
    while _clients:
        _clients.pop().destroy()


def migrate() -> None:
    """Create or update the tables that durable work keeps beside ours."""
    DBOS.migrate(_url())


def enqueue(kind: str, subject: UUID, *, attempt: int = 1, delay: int = 0) -> None:
    """Promise, in the caller's transaction, that ``kind`` is done for ``subject``; the same twice is one."""
    _client(_url()).enqueue_in_transaction(
        db.session(),
        {
            "queue_name": QUEUE,
            "workflow_name": "perform",
            "workflow_id": f"{kind}-{subject}" + (f"-{attempt}" if attempt > 1 else ""),
            "app_version": VERSION,
            "application_name": "portal",
            **({"delay_seconds": delay} if delay else {}),  # type: ignore[typeddict-item]
        },
        kind,
        str(subject),
        attempt,
    )


def delay_after(attempt: int) -> int:
    """Seconds to wait after that many tries."""
    return DELAYS[min(attempt, len(DELAYS)) - 1]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One piece of durable work, for the page that lists what failed or waits."""

    id: str
    kind: str
    subject: str
    attempt: int
    status: str
    """ENQUEUED, DELAYED, PENDING, SUCCESS, ERROR, CANCELLED"""
    error: str
    updated_at: datetime


def listing(
    *, statuses: tuple[str, ...] = ("ERROR", "DELAYED", "ENQUEUED", "PENDING"), limit: int = 100
) -> list[Item]:
    """Work in those states, newest first."""
    found = _client(_url()).list_workflows(status=list(statuses), limit=limit, sort_desc=True)
    items = []
    for workflow in found:
        kind, subject, attempt = (workflow.input["args"] if workflow.input else ("", "", 1))[:3]
        items.append(
            Item(
                id=workflow.workflow_id,
                kind=str(kind),
                subject=str(subject),
                attempt=int(attempt),
                status=workflow.status,
                error=str(workflow.error or ""),
                updated_at=datetime.fromtimestamp((workflow.updated_at or 0) / 1000, UTC),
            )
        )
    return items


def resume(item_id: str) -> None:
    """Run a piece of work again that failed for good."""
    _client(_url()).resume_workflow(item_id, queue_name=QUEUE)


def busy() -> bool:
    """Whether anything is running, or is due now."""
    return bool(_client(_url()).list_workflows(status=["ENQUEUED", "PENDING"], limit=1))


def run(
    jobs: Mapping[str, Job],
    *,
    context: Callable[[], AbstractContextManager[object]],
    data_dir: Path,
    stop: Event,
    tick: Callable[[], None] | None = None,
    drain: bool = False,
    threads: int = 4,
    tick_seconds: float = 5.0,
) -> None:
    """Work until ``stop`` is set, or with ``drain`` until nothing is due. ``context`` opens an app context.

    Any number of processes may run this. Each holds a numbered slot; what a killed one left undone is
    taken up by whoever next holds its slot, and that may be another that is still alive.
    """
    with _slot(data_dir) as slot, context():
        _launch(jobs, context=context, executor=f"worker-{slot}", threads=threads)
        ticked = 0.0
        try:
            while not stop.is_set():
                if tick is not None and time.monotonic() - ticked >= tick_seconds:
                    tick()
                    _adopt(data_dir, slot)
                    ticked = time.monotonic()
                if drain and not busy():
                    return
                stop.wait(0.05 if drain else 0.5)
        finally:
            DBOS.destroy(workflow_completion_timeout_sec=10)


def _launch(
    jobs: Mapping[str, Job],
    *,
    context: Callable[[], AbstractContextManager[object]],
    executor: str,
    threads: int,
) -> None:
    config: DBOSConfig = {
        "name": "portal",
        "system_database_url": _url(),
        "application_version": VERSION,
        "executor_id": executor,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
        "run_migrations": False,
    }
    DBOS.destroy()
    DBOS(config=config)

    @DBOS.workflow(name="perform")
    def perform(kind: str, subject: str, attempt: int) -> str:
        with context():
            try:
                jobs[kind](UUID(subject))
            except Unavailable as problem:
                delay = delay_after(attempt)
                log.warning("%s waits %s s for another try: %s", kind, delay, problem)
                with transaction():
                    enqueue(kind, UUID(subject), attempt=attempt + 1, delay=delay)
                return f"unavailable: {problem}"
            finally:
                db.session.remove()
        return "done"

    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=threads, polling_interval_sec=0.2)


@contextmanager
def _slot(data_dir: Path) -> Iterator[int]:
    """The lowest number no living worker holds; a lock that the system lets go of when the process dies."""
    for number in range(1000):
        handle = _lock(data_dir, number)
        if handle is not None:
            try:
                yield number
            finally:
                handle.close()
            return
    raise RuntimeError("a thousand workers are enough")


def _lock(data_dir: Path, number: int) -> IO[str] | None:
    data_dir.mkdir(parents=True, exist_ok=True)
    handle = (data_dir / f"worker-{number}.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        return None
    os.set_inheritable(handle.fileno(), False)
    return handle


def _adopt(data_dir: Path, own: int) -> None:
    """Take up the work of slots whose process died and was not started again."""
    for path in sorted(data_dir.glob("worker-*.lock")):
        number = int(path.stem.removeprefix("worker-"))
        handle = None if number == own else _lock(data_dir, number)
        if handle is None:
            continue
        try:
            DBOS._recover_pending_workflows([f"worker-{number}"])
        finally:
            handle.close()

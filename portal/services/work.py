"""Durable work: enqueued in the transaction that decided it, run by worker processes, once however they die.

One intent is one workflow with one name (``refund-<id>``). A job that meets ``Unavailable``, or a database
that gives way to another process, is enqueued again with a growing delay, so that no thread waits; any
other error stays listed until a person resumes it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Event
from uuid import UUID

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy.exc import OperationalError

from portal import faults
from portal.core.access import Stale
from portal.db import old_sqlite  # noqa: F401  whatever opens a connection from here on is taught
from portal.db.base import db, transaction
from portal.db.slots import Slots, slots
from portal.ports import Unavailable

QUEUE = "work"
APPLICATION = "portal"
VERSION = "1"
"""Of the workflows' shape, not of the portal: a new portal finishes what an old one left."""

DELAYS = (5, 15, 60, 120, 300)
"""Seconds until the next try; the last one repeats, so nothing waits longer than that after an outage."""

LONGEST = 6 * 3600
"""Seconds that the other side is left alone at most, however long it asks for."""

KEPT_FOR = timedelta(days=14)
"""Work that was done is listed for so long; its promise is forgotten then, what it did never is."""

GRACE_SECONDS = 10
"""A worker that is told to stop gives the work at hand this long; the rest is taken up by the next one."""

Job = Callable[[UUID], None]
log = logging.getLogger(__name__)

# The library would write lines of its own form to standard error; its warnings go where all others go.
_library_log = logging.getLogger("dbos")
_library_log.handlers[:] = [logging.NullHandler()]
_library_log.propagate = True
_library_log.setLevel(logging.WARNING)


def _url() -> str:
    return db.engine.url.render_as_string(hide_password=False)


@cache
def _client(url: str) -> DBOSClient:
    client = DBOSClient(
        system_database_url=url,
        serializer=DBOSPortableJSONSerializer(),
        application_name=APPLICATION,
        retry_connection_errors=False,
        lazy=True,
    )
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
    _register()


def _register(threads: int | None = None) -> None:
    """Make the queue known; ``threads`` is how much of it each worker does at a time, from now on."""
    _client(_url()).register_queue(
        QUEUE,
        worker_concurrency=threads or 4,
        polling_interval_sec=0.1,
        on_conflict="always_update" if threads else "never_update",
        application_name=APPLICATION,
    )


_kept: ContextVar[list[tuple[str, UUID]] | None] = ContextVar("kept", default=None)


@contextmanager
def by_hand() -> Iterator[list[tuple[str, UUID]]]:
    """What is promised meanwhile is left to the caller, as (kind, subject), and no worker hears of it.

    For a past that is told afterwards: its mails and refunds are of the day on which they would have gone.
    """
    kept: list[tuple[str, UUID]] = []
    before = _kept.set(kept)
    try:
        yield kept
    finally:
        _kept.reset(before)


def hand_on(pieces: Iterable[tuple[str, UUID]]) -> None:
    """Promise after all what ``by_hand`` kept, in a transaction of its own."""
    with transaction():
        for kind, subject in pieces:
            enqueue(kind, subject)


def enqueue(kind: str, subject: UUID, *, run: int = 0, attempt: int = 1, delay: int = 0) -> None:
    """Promise, in the caller's transaction, that ``kind`` is done for ``subject``; the same twice is one.

    ``run`` tells a later decision about the same subject from the first: a number the first never had.
    """
    if (kept := _kept.get()) is not None:
        kept.append((kind, subject))
        return
    _client(_url()).enqueue_in_transaction(
        db.session(),
        {
            "queue_name": QUEUE,
            "workflow_name": "perform",
            "workflow_id": _name(kind, subject, run=run, attempt=attempt),
            "app_version": VERSION,
            "application_name": APPLICATION,
            **({"delay_seconds": delay} if delay else {}),  # type: ignore[typeddict-item]
        },
        kind,
        str(subject),
        attempt,
        run,
    )


def _name(kind: str, subject: UUID, *, run: int = 0, attempt: int = 1) -> str:
    named = [kind, str(subject), *([f"run{run}"] if run else []), *([str(attempt)] if attempt > 1 else [])]
    return "-".join(named)


def is_promised(kind: str, subject: UUID) -> bool:
    """Whether that was enqueued lately, done or not: for whoever would promise it every few seconds."""
    named = [_name(kind, subject)]
    return bool(_client(_url()).list_workflows(workflow_ids=named, load_input=False, load_output=False))


def tidy(*, now: datetime, limit: int = 500) -> int:
    """Forget work that was done long ago; answers how many pieces. What failed or waits stays."""
    client, before = _client(_url()), now - KEPT_FOR
    gone = 0
    while old := client.list_workflows(
        status=["SUCCESS"],
        completed_before=before.isoformat(),
        limit=limit,
        load_input=False,
        load_output=False,
    ):
        client.delete_workflows([workflow.workflow_id for workflow in old])
        gone += len(old)
    return gone


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
    """ENQUEUED, DELAYED, PENDING, SUCCESS, ERROR, CANCELLED, MAX_RECOVERY_ATTEMPTS_EXCEEDED"""
    error: str
    updated_at: datetime
    due_at: datetime | None
    """When the next try begins, of work that is DELAYED."""


class SlotLost(RuntimeError):
    """A worker was cut off from its database so long that another took its place; it must start anew."""


FAILED = ("ERROR", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
OPEN = ("DELAYED", "ENQUEUED", "PENDING")


def listing(
    *, statuses: tuple[str, ...] = (*FAILED, *OPEN), limit: int = 100, ids: tuple[str, ...] = ()
) -> list[Item]:
    """Work in those states, newest first; of these ``ids`` alone, where any is given."""
    found = _client(_url()).list_workflows(
        workflow_ids=list(ids) or None, status=list(statuses), limit=limit, sort_desc=True, queue_name=QUEUE
    )
    items = []
    for workflow in found:
        kind, subject, attempt = (workflow.input["args"] if workflow.input else ("", "", 1))[:3]
        items.append(
            Item(
                id=workflow.workflow_id,
                kind=str(kind),
                subject=str(subject),
                attempt=int(attempt),
                status=str(workflow.status),
                error=str(workflow.error or ""),
                updated_at=_moment(workflow.updated_at or 0),
                due_at=_moment(due) if (due := workflow.delay_until_epoch_ms) else None,
            )
        )
    return items


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def resume(item_id: str) -> None:
    """Run a piece of work now: one that failed for good, or one that waits for its next try."""
    client = _client(_url())
    if client.list_workflows(
        workflow_ids=[item_id], status=list(FAILED), load_input=False, load_output=False
    ):
        # The engine takes what ended in an error for complete: it is begun again, under its own name.
        client.rewind_workflow(item_id, queue_name=QUEUE, application_version=VERSION)
    else:
        client.resume_workflow(item_id, queue_name=QUEUE)


def busy() -> bool:
    """Whether anything is running, or is due now."""
    client = _client(_url())
    if client.list_workflows(status=["ENQUEUED", "PENDING"], limit=1, load_input=False, load_output=False):
        return True
    waiting = client.list_workflows(status=["DELAYED"], limit=1000, load_input=False, load_output=False)
    now = time.time() * 1000
    return any((workflow.delay_until_epoch_ms or 0) <= now for workflow in waiting)


def run(
    jobs: Mapping[str, Job],
    *,
    context: Callable[[], AbstractContextManager[object]],
    data_dir: Path,
    stop: Event,
    tick: Callable[[], None] | None = None,
    drain: bool = False,
    threads: int | None = None,
    tick_seconds: float = 5.0,
) -> None:
    """Work until ``stop`` is set, or with ``drain`` until nothing is due. ``context`` opens an app context.

    ``tick`` is what is looked after beside the queue, first of all and then every ``tick_seconds``.

    Any number of processes may run this. Each holds a numbered slot; what a killed one left undone is
    taken up by whoever next holds its slot, or by any that is alive. Raises ``SlotLost``.
    """
    with context(), slots(data_dir) as held:
        own = held.take_any()
        _launch(jobs, context=context, executor=_executor(own), threads=threads, drain=drain, stop=stop)
        _adopt(held)
        looked = 0.0
        try:
            while not stop.is_set():
                if time.monotonic() - looked >= tick_seconds:
                    _look_after(held, own, tick)
                    looked = time.monotonic()
                if drain and not busy():
                    return
                stop.wait(0.05 if drain else 0.5)
        finally:
            DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=0 if drain else GRACE_SECONDS)


def _executor(slot: int) -> str:
    return f"worker-{slot}"


def _look_after(held: Slots, own: int, tick: Callable[[], None] | None) -> None:
    """What a worker does beside its queue. A database that is away is no reason to die."""
    try:
        if not held.still(own):
            raise SlotLost(f"slot {own} is another worker's by now")
        _adopt(held)
        if tick is not None:
            tick()
    except SlotLost:
        raise
    except Exception:
        log.exception("looking after things failed, and is tried again")
    finally:
        db.session.remove()  # an open read would keep what was written since from being cleaned up


def _launch(
    jobs: Mapping[str, Job],
    *,
    context: Callable[[], AbstractContextManager[object]],
    executor: str,
    threads: int | None,
    drain: bool,
    stop: Event,
) -> None:
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_url": _url(),
        "application_version": VERSION,
        "executor_id": executor,
        "serializer": DBOSPortableJSONSerializer(),
        "log_level": "WARNING",
        "run_migrations": False,
        "notification_listener_polling_interval_sec": 0.05 if drain else 1.0,
    }
    _register(threads)
    DBOS.destroy(destroy_registry=True)
    DBOS(config=config)

    @DBOS.workflow(name="perform")
    def perform(kind: str, subject: str, attempt: int, run: int = 0) -> str:
        with context():
            faults.point("after_claim")
            try:
                jobs[kind](UUID(subject))
            except (Unavailable, OperationalError, Stale) as problem:
                delay = max(delay_after(attempt), min(getattr(problem, "retry_after", 0) or 0, LONGEST))
                said = str(problem.orig) if isinstance(problem, OperationalError) else str(problem)
                log.warning("%s waits %s s for another try: %s", kind, delay, said)
                _again(kind, UUID(subject), run=run, attempt=attempt + 1, delay=delay, stop=stop)
                return f"unavailable: {said}"
            finally:
                db.session.remove()
        return "done"

    DBOS.launch()


def _again(kind: str, subject: UUID, *, run: int, attempt: int, delay: int, stop: Event) -> None:
    """Promise another try; while the database is away there is nothing to do but wait for it."""
    while True:
        try:
            db.session.rollback()
            with transaction():
                enqueue(kind, subject, run=run, attempt=attempt, delay=delay)
            return
        except OperationalError:
            if stop.wait(2):
                raise


def _adopt(held: Slots) -> None:
    """Take up the work of slots whose process died and was not started again."""
    running = _client(_url()).list_workflows(
        status=["PENDING"], load_input=False, load_output=False, limit=1000
    )
    for executor in sorted({workflow.executor_id or "" for workflow in running}):
        number = executor.removeprefix("worker-")
        if not number.isdecimal() or held.has(int(number)) or not held.take(int(number)):
            continue
        try:
            DBOS._recover_pending_workflows([executor])
        finally:
            held.free(int(number))

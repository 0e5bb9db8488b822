"""What a person must look at: opened by the portal, once per matter, and closed with a note.

A task that the portal closed (the matter settled itself) opens again when the matter comes back; one that a
person closed only when something about it is different then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.db import history
from portal.db.base import db, insert_ignore, transaction, uuid7
from portal.db.tasks import Task
from portal.services import scope
from portal.services.talking import alerts

KINDS = (
    "refund_failed",
    "refund_waits",
    "pay_by_hand",
    "not_authorized",
    "wrong_answer",
    "outside_refund",
    "chargeback",
    "drift",
    "account_needed",
    "credit_expired",
    "credit_voided",
    "credit_note_failed",
    "warehouse_silent",
    "shipped_after_release",
    "warehouse_contradicts",
    "stock_short",
    "channel_failed",
    "unexpected_goods",
    "safety_recall",
    "exchange_wanted",
    "undisputed_waits",
    "dispute_due",
    "dispute_overdue",
    "dispute_unpayable",
    "settlement_canceled",
)


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """One task as people see it. ``details`` are plain values whose meaning hangs on ``kind``."""

    id: UUID
    merchant_id: UUID
    kind: str
    key: str
    subject_id: UUID | None
    details: Mapping[str, Any]
    state: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str
    note: str


@dataclass(frozen=True, kw_only=True)
class TaskEvent:
    """One row of a task's history."""

    at: datetime
    what: str
    by: str
    details: Mapping[str, Any]


def open(
    kind: str,
    key: str,
    *,
    merchant_id: UUID,
    now: datetime,
    subject_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> bool:
    """See that a task is open, in the caller's transaction; answers whether it was opened by this call.

    The same ``kind`` and ``key`` of a merchant are one task for ever.
    """
    told = dict(details or {})
    task_id = uuid7()
    new = insert_ignore(Task).values(
        id=task_id,
        merchant_id=merchant_id,
        kind=kind,
        key=key[:120],
        subject_id=subject_id,
        details=told,
        opened_at=now,
    )
    if db.session.scalar(new.returning(Task.id)) is not None:
        _tell(SYSTEM, "task.opened", merchant_id, task_id, now, kind=kind)
        number = str(told.get("number") or key)
        alerts.tell(kind, merchant_id=merchant_id, subject_id=subject_id, number=number, now=now)
        return True
    row = _locked(merchant_id=merchant_id, kind=kind, key=key[:120])
    if row.state == "open":
        row.subject_id, row.details = subject_id or row.subject_id, told
        db.session.flush()
        return False
    if row.closed_by_name and row.details == told:
        return False
    row.state, row.details, row.opened_at = "open", told, now
    row.closed_at, row.closed_by_name, row.note = None, "", ""
    _tell(SYSTEM, "task.reopened", merchant_id, row.id, now, kind=kind)
    db.session.flush()
    return True


def done(kind: str, key: str, *, merchant_id: UUID, now: datetime, note: str = "") -> bool:
    """Close a task whose matter has settled itself, in the caller's transaction; False when none was open."""
    wanted = sa.select(Task.id).where(
        Task.merchant_id == merchant_id, Task.kind == kind, Task.key == key[:120], Task.state == "open"
    )
    if db.session.scalar(wanted) is None:
        return False
    row = _locked(merchant_id=merchant_id, kind=kind, key=key[:120])
    if row.state != "open":
        return False
    _close(SYSTEM, row, note=note, now=now)
    row.closed_by_name = ""
    db.session.flush()
    return True


def done_all(matters: Iterable[tuple[str, str]], *, merchant_id: UUID, now: datetime, note: str = "") -> None:
    """``done`` for many (kind, key) at once: one question where nothing is open."""
    wanted = [(kind, key[:120]) for kind, key in matters]
    found = sa.select(Task.kind, Task.key).where(
        Task.merchant_id == merchant_id,
        Task.state == "open",
        sa.or_(*(sa.and_(Task.kind == kind, Task.key == key) for kind, key in wanted)),
    )
    for kind, key in db.session.execute(found).all() if wanted else ():
        done(kind, key, merchant_id=merchant_id, now=now, note=note)


def close(actor: Actor, task_id: UUID, *, note: str, now: datetime) -> None:
    """A person has dealt with it, and says how. Raises ``Conflict``: ``note_missing``, ``task_closed``."""
    with transaction():
        row = db.session.get(Task, task_id, populate_existing=True, with_for_update=True)
        if row is None:
            raise NotFound
        scope.require(actor, "refunds.propose", row.merchant_id)
        if not note.strip():
            raise Conflict("note_missing")
        if row.state != "open":
            raise Conflict("task_closed")
        _close(actor, row, note=note.strip(), now=now)


def _locked(**named: object) -> Task:
    wanted = sa.select(Task).filter_by(**named).with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(wanted).one()


def _close(actor: Actor, row: Task, *, note: str, now: datetime) -> None:
    row.state, row.closed_at, row.closed_by_name, row.note = "done", now, actor.name or actor.kind, note
    _tell(actor, "task.closed", row.merchant_id, row.id, now, kind=row.kind, note=note)


def _tell(
    actor: Actor, what: str, merchant_id: UUID, task_id: UUID, now: datetime, **details: object
) -> None:
    history.record(actor, what, merchant_id=merchant_id, subject_id=task_id, now=now, **details)


def listing(
    actor: Actor,
    *,
    state: str = "open",
    kind: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[TaskFacts, ...]:
    """Tasks of the actor's merchants, those opened last first; ``after`` continues a list."""
    wanted = sa.select(Task).where(Task.merchant_id.in_(_merchants(actor)), Task.state == state)
    if kind is not None:
        wanted = wanted.where(Task.kind == kind)
    if after is not None:
        last = sa.select(Task.opened_at, Task.id).where(Task.id == after).subquery()
        wanted = wanted.join(last, sa.true()).where(
            sa.or_(
                Task.opened_at < last.c.opened_at,
                sa.and_(Task.opened_at == last.c.opened_at, Task.id < last.c.id),
            )
        )
    rows = db.session.scalars(wanted.order_by(Task.opened_at.desc(), Task.id.desc()).limit(limit))
    return tuple(_facts(row) for row in rows)


def count(actor: Actor) -> int:
    """How many tasks are open."""
    wanted = sa.select(sa.func.count()).select_from(Task)
    wanted = wanted.where(Task.merchant_id.in_(_merchants(actor)), Task.state == "open")
    return db.session.scalar(wanted) or 0


def one(actor: Actor, task_id: UUID) -> TaskFacts:
    """One task. Raises ``NotFound``, ``NotAllowed``."""
    row = db.session.get(Task, task_id)
    if row is None:
        raise NotFound
    scope.require(actor, "refunds.read", row.merchant_id)
    return _facts(row)


def happened(actor: Actor, task_id: UUID) -> tuple[TaskEvent, ...]:
    """When a task was opened, closed and opened again, and by whom, oldest first. Raises as ``one`` does."""
    one(actor, task_id)
    return tuple(
        TaskEvent(at=row.at, what=row.what, by=row.actor_name, details=row.details)
        for row in history.of([task_id])
    )


def _merchants(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("refunds.read", one)]


def _facts(row: Task) -> TaskFacts:
    return TaskFacts(
        id=row.id,
        merchant_id=row.merchant_id,
        kind=row.kind,
        key=row.key,
        subject_id=row.subject_id,
        details=row.details,
        state=row.state,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        closed_by=row.closed_by_name,
        note=row.note,
    )

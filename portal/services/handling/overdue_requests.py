"""Requests that wait for a customer: reminded of once, and over when their last day is."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM, Actor
from portal.core.lifecycles import RETURN
from portal.db import history, returns
from portal.db.base import db, transaction
from portal.db.messages import Entry
from portal.db.returns import Return
from portal.services.handling import requests
from portal.services.handling.confirmation import release
from portal.services.talking import notices, threads
from portal.services.talking.threads import Asked

REMIND_BEFORE = timedelta(hours=36)
"""Before the end of the last day: at noon of the day before."""

REMIND_AFTER = timedelta(hours=12)
"""Nobody is reminded of what was asked a moment ago."""


def remind_due(*, now: datetime, limit: int = 100) -> int:
    """Remind of each request once, a day and a half before it is over. Answers how many were due."""
    due = _waiting(
        Entry.reminded_at.is_(None),
        Entry.due_at > now,
        Entry.due_at <= now + REMIND_BEFORE,
        Entry.at <= now - REMIND_AFTER,
        limit=limit,
    )
    for entry_id, return_id in due:
        with transaction():
            row = returns.get(return_id, lock=True)
            request = requests.of_id(return_id, entry_id)
            if row is None or request.outcome or request.reminded_at is not None or request.due_at is None:
                continue
            if _is_over(row):
                threads.settle(row, now=now)
                continue
            request.reminded_at = now
            asked = Asked(
                asks=tuple(request.asks),
                line_ids=tuple(UUID(line_id) for line_id in request.line_ids),
                due_at=request.due_at,
            )
            db.session.flush()
            told = threads.told(request.body, asked, row)
            notices.queue("info_reminder", returns.draft(row), now=now, thread=told)
            _tell(SYSTEM, "return.info_reminded", row, now)
            faults.point("before_intent_commit")
        faults.point("after_intent_commit")
    return len(due)


def expire(*, now: datetime, limit: int = 100) -> int:
    """End requests that nobody answered in time. Answers how many were due.

    A return that waited for the answer is over: its units are free again and the customer is told. One that went
    on meanwhile goes on.
    """
    due = _waiting(Entry.due_at <= now, limit=limit)
    for entry_id, return_id in due:
        with transaction():
            row = returns.get(return_id, lock=True)
            request = requests.of_id(return_id, entry_id)
            if row is None or request.outcome or request.due_at is None or request.due_at > now:
                continue
            if _is_over(row):
                threads.settle(row, now=now)
                continue
            requests.end(request, "expired", now)
            if row.state == "needs_info":
                _give_up(row, request.due_at, now)
            else:
                _tell(SYSTEM, "return.info_expired", row, now)
            faults.point("before_intent_commit")
        faults.point("after_intent_commit")
    return len(due)


def _is_over(row: Return) -> bool:
    """Whether nothing comes of an answer any more."""
    return row.state not in (*requests.ASKABLE, "needs_info")


def _give_up(row: Return, due_at: datetime, now: datetime) -> None:
    release(returns.draft(row))
    row.state, row.closed_at, row.version = RETURN.after(row.state, "expire"), now, row.version + 1
    row.info_due_at = None
    db.session.flush()
    notices.queue("info_expired", returns.draft(row), now=now, thread={"due_at": due_at.isoformat()})
    last = due_at - timedelta(seconds=1)
    _tell(SYSTEM, "return.expired", row, now, until=last.isoformat(), code="no_answer")


def _waiting(*tests: sa.ColumnElement[bool], limit: int) -> list[tuple[UUID, UUID]]:
    """(entry, return) of requests that wait and pass ``tests``, those whose time comes first before the others."""
    wanted = (
        sa.select(Entry.id, Entry.return_id)
        .where(Entry.kind == "request", Entry.outcome == "", *tests)
        .order_by(Entry.due_at, Entry.id)
        .limit(limit)
    )
    return [(row.id, row.return_id) for row in db.session.execute(wanted)]


def _tell(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)

"""What the shop needs to know from a customer before it goes on: asked with a day, reminded once, answered or over."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal import faults
from portal.core.access import Actor, Conflict, NotAllowed, NotFound, Stale
from portal.core.deadlines import last_day
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import RETURN
from portal.db import history, merchants, returns
from portal.db.base import db, transaction
from portal.db.messages import Entry
from portal.db.returns import Return
from portal.services.talking import notices, threads
from portal.services.talking.threads import Asked, Attached

ASKS = ("answer", "photo")
"""What can be asked for: words, or photos of lines."""

ASKABLE = (
    "requested",
    "approved",
    "in_transit",
    "partially_received",
    "received",
    "inspected",
)
"""States in which something can be asked. From ``requested`` the return waits for it; later it goes on meanwhile."""

MOST_DAYS = 60
"""Days that a customer can be given to answer."""


def ask(
    actor: Actor,
    return_id: UUID,
    body: str,
    *,
    asks: Sequence[str],
    line_ids: Sequence[UUID] = (),
    days: int | None = None,
    nonce: str | None = None,
    now: datetime,
    version: int | None = None,
) -> UUID:
    """Ask the customer, by mail and on the status page, until the end of the last of ``days`` (the policy's).

    A return that waits for a decision waits for the answer first. The same ``nonce`` asks once. Answers the entry.
    Raises ``Stale``, ``NotFound``, ``NotAllowed``, ``Conflict``: ``nothing_asked``, ``lines_missing``,
    ``days_out_of_range``, ``already_asked``, ``not_askable``, and those of ``threads.write``.
    """
    with transaction():
        row = threads.gate(actor, return_id, "request")
        if (before := threads.made_by(nonce, row)) is not None:
            return before
        if version is not None and row.version != version:
            raise Stale
        return put(actor, row, body, asks=asks, line_ids=line_ids, days=days, nonce=nonce, now=now)


def put(
    actor: Actor,
    row: Return,
    body: str,
    *,
    asks: Sequence[str],
    line_ids: Sequence[UUID] = (),
    days: int | None = None,
    nonce: str | None = None,
    now: datetime,
) -> UUID:
    """The same in the caller's transaction, with ``row`` locked and whoever asks let in."""
    if not asks or not set(asks) <= set(ASKS):
        raise Conflict("nothing_asked")
    if not body.strip():
        raise Conflict("message_empty")
    if row.state not in ASKABLE or row.kind in CANCELLATIONS:
        raise Conflict("already_asked" if row.state == "needs_info" else "not_askable", state=row.state)
    if is_open(row.id):
        raise Conflict("already_asked")
    lines = _lines(row, line_ids) if "photo" in asks else ()
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    days = terms.info_days if days is None else days
    if not 1 <= days <= MOST_DAYS:
        raise Conflict("days_out_of_range", maximum=MOST_DAYS)
    due_at = _due(now, days, merchant.zone)
    asked = Asked(asks=tuple(dict.fromkeys(asks)), line_ids=lines, due_at=due_at)
    if RETURN.can(row.state, "ask"):
        row.state, row.info_due_at, row.version = RETURN.after(row.state, "ask"), due_at, row.version + 1
        db.session.flush()
    return threads.add(
        actor, row, body, kind="request", nonce=nonce, asked=asked, event="needs_info", now=now
    )


def _lines(row: Return, line_ids: Sequence[UUID]) -> tuple[UUID, ...]:
    """The lines of which photos are wanted, in the order of the return; all of them where none is named."""
    mine = [line.id for line in returns.lines_of(row.id)]
    if not set(line_ids) <= set(mine):
        raise Conflict("lines_missing")
    return tuple(line_id for line_id in mine if line_id in line_ids or not line_ids)


def _due(now: datetime, days: int, zone: str) -> datetime:
    """The end of the last day, where the shop is."""
    place = ZoneInfo(zone)
    return datetime.combine(last_day(now, days, place) + timedelta(days=1), time.min, place)


def answer(
    actor: Actor,
    return_id: UUID,
    request_id: UUID,
    body: str,
    *,
    attached: Sequence[Attached] = (),
    folder: Path | None = None,
    nonce: str | None = None,
    now: datetime,
) -> bool:
    """The customer answers with words, photos or both; the return goes back to where it waits for a decision.

    Answers whether it was in time: what comes later is kept as a message and moves nothing.
    Raises ``NotFound``, ``NotAllowed`` for people, and the conflicts of ``threads.write``.
    """
    if actor.kind != "link":
        raise NotAllowed("messages.send")
    threads.gate(actor, return_id, "customer", lock=False)
    prepared = threads.prepare(attached)
    with transaction():
        row = threads.gate(actor, return_id, "customer")
        request = of_id(row.id, request_id)
        if (before := threads.made_by(nonce, row)) is not None:
            made = db.session.get(Entry, before)
            return made is not None and made.answers_id == request.id
        in_time = not request.outcome and (request.due_at is None or now < request.due_at)
        threads.add(
            actor, row, body, kind="customer", nonce=nonce, prepared=prepared, folder=folder, now=now,
            answers_id=request.id if in_time else None,
            topic="return.info_provided" if in_time else "",
        )  # fmt: skip
        if in_time:
            end(request, "answered", now)
            _go_on(row)
        faults.point("before_intent_commit")
        return in_time


def withdraw(actor: Actor, return_id: UUID, request_id: UUID, *, now: datetime) -> None:
    """Nothing is asked any more; the return goes back to its decision, and the customer is told. Again is no error.

    Raises ``NotFound``, ``NotAllowed``, ``Conflict("already_answered")``.
    """
    with transaction():
        row = threads.gate(actor, return_id, "request")
        request = of_id(row.id, request_id)
        if request.outcome == "withdrawn":
            return
        if request.outcome:
            raise Conflict("already_answered")
        end(request, "withdrawn", now)
        _go_on(row)
        notices.queue("info_withdrawn", returns.draft(row), now=now, thread={"message": request.body})
        _tell(actor, "return.info_withdrawn", row, now)


def _go_on(row: Return) -> None:
    """Back to the decision, where the return waited for the answer."""
    if RETURN.can(row.state, "answer"):
        row.state, row.version = RETURN.after(row.state, "answer"), row.version + 1
    row.info_due_at = None
    db.session.flush()


def end(request: Entry, outcome: str, now: datetime) -> None:
    """Nothing is asked by it any more, in the caller's transaction."""
    request.outcome, request.answered_at = outcome, now
    db.session.flush()


def of_id(return_id: UUID, request_id: UUID) -> Entry:
    """The request as it stands now. Raises ``NotFound``, also for another return's."""
    wanted = sa.select(Entry).where(
        Entry.id == request_id, Entry.return_id == return_id, Entry.kind == "request"
    )
    found = db.session.scalar(wanted.execution_options(populate_existing=True))
    if found is None:
        raise NotFound
    return found


def is_open(return_id: UUID) -> bool:
    """Whether the customer was asked something and has not answered yet."""
    wanted = sa.select(Entry.id).where(
        Entry.return_id == return_id, Entry.kind == "request", Entry.outcome == ""
    )
    return db.session.scalar(wanted.limit(1)) is not None


def _tell(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)

"""Cancellations as people look for them: the list with its search and counts, and what waits for somebody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import CANCELLATION
from portal.core.money import Minor
from portal.db.base import db
from portal.db.cancellations import Cancellation
from portal.db.merchants import Merchant
from portal.db.returns import Return, ReturnLine
from portal.services.lists.overview import FEW, MOST, merchants_of
from portal.services.lists.searching import exactly, matches

LATELY = timedelta(days=3)
"""So long the desk still shows what came to nothing, so that somebody writes or calls."""

TOO_LATE = ("overtaken", "refused")
"""It had shipped first, or the warehouse could not leave it out."""

IS_CANCELLATION = Return.kind.in_(CANCELLATIONS)


@dataclass(frozen=True, kw_only=True)
class CancellationRow:
    """One cancellation in a list. ``amount`` in minor units of ``currency``: what goes back, is let go or not owed."""

    id: UUID
    merchant_id: UUID
    merchant_name: str
    number: str | None
    state: str
    refund_state: str
    channel: str
    name: str
    email: str
    order_id: UUID | None
    order_number: str
    currency: str
    amount: Minor | None
    created_at: datetime
    units: int
    first_line: str
    lines: int
    asked_by: str
    answered_at: datetime | None
    expires_at: datetime | None
    warehouse_state: str
    silent: bool
    """A person was told that the warehouse does not answer, and it still has not."""


@dataclass(frozen=True, kw_only=True)
class CancellationListing:
    """One page of the list. ``next`` continues it; ``exact`` is the one whose whole number was typed."""

    rows: tuple[CancellationRow, ...]
    next: UUID | None
    exact: UUID | None
    counts: dict[str, int]


def listing(
    actor: Actor,
    *,
    state: str | None = None,
    query: str = "",
    merchant_id: UUID | None = None,
    silent: bool = False,
    late: bool = False,
    after: UUID | None = None,
    limit: int = 50,
) -> CancellationListing:
    """Cancellations of the actor's merchants, newest first; ``query`` finds number, order, e-mail, name, SKU.

    ``silent`` ones only: the warehouse does not answer. ``late`` ones only: they came to nothing afterwards.
    """
    ids = merchants_of(actor, merchant_id)
    found = _of(ids)
    if state:
        found = found.where(Return.state == state)
    if silent:
        found = found.where(*_SILENT)
    if late:
        found = found.where(Return.state.in_(TOO_LATE))
    if text := query.strip():
        found = found.where(matches(text, ids))
    if after is not None:
        found = found.where(Return.id < after)
    hits = db.session.scalars(found.order_by(Return.id.desc()).limit(limit + 1)).all()
    return CancellationListing(
        rows=rows(hits[:limit]),
        next=hits[limit - 1] if len(hits) > limit else None,
        exact=exactly(text, ids) if text else None,
        counts=_counts(ids),
    )


_SILENT = (
    Return.state == "confirmed",
    Cancellation.silent_at.is_not(None),
    Cancellation.warehouse_state.in_(("waiting", "pending")),
)


def _of(ids: Sequence[UUID]) -> sa.Select[Any]:
    return (
        sa.select(Return.id)
        .outerjoin(Cancellation, Cancellation.return_id == Return.id)
        .where(Return.merchant_id.in_(ids), IS_CANCELLATION)
    )


def _counts(ids: Sequence[UUID]) -> dict[str, int]:
    """state -> cancellations in it, up to ``MOST``; one query."""
    parts = []
    for state in CANCELLATION.states:
        few = sa.select(Return.id).where(Return.merchant_id.in_(ids), IS_CANCELLATION, Return.state == state)
        counted = sa.select(sa.func.count()).select_from(few.limit(MOST).subquery()).scalar_subquery()
        parts.append(sa.select(sa.literal(state).label("state"), counted.label("units")))
    return {row.state: row.units for row in db.session.execute(sa.union_all(*parts))}


def count(actor: Actor, *, query: str, merchant_id: UUID | None = None) -> int:
    """How many cancellations ``query`` finds, up to ``MOST``: for whoever searched among the returns."""
    ids = merchants_of(actor, merchant_id)
    few = _of(ids).where(matches(query.strip(), ids)).limit(MOST).subquery()
    return db.session.scalar(sa.select(sa.func.count()).select_from(few)) or 0


def rows(ids: Sequence[UUID]) -> tuple[CancellationRow, ...]:
    """These cancellations, newest first; the caller has passed the gate."""
    if not ids:
        return ()
    lines: dict[UUID, list[ReturnLine]] = {}
    wanted = sa.select(ReturnLine).where(ReturnLine.return_id.in_(ids)).order_by(ReturnLine.position)
    for line in db.session.scalars(wanted):
        lines.setdefault(line.return_id, []).append(line)
    found = db.session.execute(
        sa.select(Return, Merchant.name, Cancellation)
        .join(Merchant, Merchant.id == Return.merchant_id)
        .outerjoin(Cancellation, Cancellation.return_id == Return.id)
        .where(Return.id.in_(ids))
        .order_by(Return.id.desc())
    )
    return tuple(_row(row, name, more, lines.get(row.id, [])) for row, name, more in found)


def _row(
    row: Return, merchant_name: str, more: Cancellation | None, lines: Sequence[ReturnLine]
) -> CancellationRow:
    same: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            "id", "merchant_id", "number", "state", "refund_state", "channel", "name", "email", "order_id",
            "order_number", "currency",
        )
    }  # fmt: skip
    waits = more is not None and more.warehouse_state in ("waiting", "pending")
    return CancellationRow(
        **same,
        merchant_name=merchant_name,
        amount=row.estimate_minor,
        created_at=more.requested_at if more else row.created_at,
        units=sum(line.units for line in lines),
        first_line=lines[0].name if lines else "",
        lines=len(lines),
        asked_by=more.asked_by if more else "",
        answered_at=more.answered_at if more else None,
        expires_at=more.expires_at if more else None,
        warehouse_state=more.warehouse_state if more else "none",
        silent=bool(more and more.silent_at and waits and row.state == "confirmed"),
    )


@dataclass(frozen=True, kw_only=True)
class CancellationQueue:
    """What waits of one kind: how many, and the oldest few."""

    count: int
    rows: tuple[CancellationRow, ...]


@dataclass(frozen=True, kw_only=True)
class WaitingCancellations:
    """What of cancellations the desk shows."""

    silent: CancellationQueue
    """Confirmed, and the warehouse does not answer: a person asks there."""
    ended: CancellationQueue
    """Came to nothing within the last days: shipped first, or the warehouse could not."""
    proposed: CancellationQueue
    """The customer has to say yes or no."""


def waiting(actor: Actor, *, now: datetime) -> WaitingCancellations:
    """What of cancellations waits at the actor's merchants."""
    ids = merchants_of(actor, None)
    ended = sa.func.coalesce(Return.closed_at, Return.created_at) > now - LATELY
    return WaitingCancellations(
        silent=_queue(ids, *_SILENT),
        ended=_queue(ids, Return.state.in_(TOO_LATE), ended),
        proposed=_queue(ids, Return.state == "proposed"),
    )


def _queue(ids: Sequence[UUID], *tests: Any) -> CancellationQueue:
    found = _of(ids).where(*tests).order_by(Return.id)
    number = db.session.scalar(sa.select(sa.func.count()).select_from(found.limit(MOST).subquery())) or 0
    oldest = rows(db.session.scalars(found.limit(FEW)).all()) if number else ()
    return CancellationQueue(count=number, rows=tuple(reversed(oldest)))

"""What people look at first: what waits for somebody, and returns as short rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import RETURN
from portal.core.money import Minor
from portal.db import history
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.db.returns import Link, Return, ReturnLine

MOST = 1000
"""Counters stop there: "1000+" is as good as the exact number, and never slow."""

FEW = 5

COMES_BACK = Return.kind.not_in(CANCELLATIONS)
"""Units that never left are no return: they have lists and states of their own (``cancellation_list``)."""


@dataclass(frozen=True, kw_only=True)
class ReturnRow:
    """One return in a list."""

    id: UUID
    merchant_id: UUID
    merchant_name: str
    number: str | None
    state: str
    refund_state: str
    kind: str
    channel: str
    name: str
    email: str
    order_number: str
    currency: str
    estimate: Minor | None
    created_at: datetime
    submitted_at: datetime | None
    ship_by: date | None
    units: int
    first_line: str
    lines: int


def merchants_of(actor: Actor, merchant_id: UUID | None) -> tuple[UUID, ...]:
    """The merchants to look at. Raises ``NotFound`` for one that is not the actor's."""
    if merchant_id is not None and merchant_id not in actor.merchant_ids:
        raise NotFound
    wanted = (merchant_id,) if merchant_id is not None else actor.merchant_ids
    return tuple(one for one in wanted if actor.may("returns.read", one))


def _counts(ids: Sequence[UUID]) -> dict[str, int]:
    """state -> returns in it, up to ``MOST``; one query."""
    parts = [
        sa.select(
            sa.literal(state).label("state"),
            sa.select(sa.func.count())
            .select_from(
                sa.select(Return.id)
                .where(Return.merchant_id.in_(ids), Return.state == state, COMES_BACK)
                .limit(MOST)
                .subquery()
            )
            .scalar_subquery()
            .label("units"),
        )
        for state in RETURN.states
    ]
    return {row.state: row.units for row in db.session.execute(sa.union_all(*parts))}


def rows(ids: Sequence[UUID]) -> tuple[ReturnRow, ...]:
    if not ids:
        return ()
    lines: dict[UUID, list[ReturnLine]] = {}
    wanted = sa.select(ReturnLine).where(ReturnLine.return_id.in_(ids)).order_by(ReturnLine.position)
    for line in db.session.scalars(wanted):
        lines.setdefault(line.return_id, []).append(line)
    found = db.session.execute(
        sa.select(Return, Merchant.name)
        .join(Merchant, Merchant.id == Return.merchant_id)
        .where(Return.id.in_(ids))
        .order_by(Return.id.desc())
    )
    return tuple(_row(row, name, lines.get(row.id, [])) for row, name in found)


def _row(row: Return, merchant_name: str, lines: Sequence[ReturnLine]) -> ReturnRow:
    same = {
        name: getattr(row, name)
        for name in (
            "id", "merchant_id", "number", "state", "refund_state", "kind", "channel", "name", "email",
            "order_number", "currency", "created_at", "submitted_at", "ship_by",
        )
    }  # fmt: skip
    return ReturnRow(
        **same,
        merchant_name=merchant_name,
        estimate=row.estimate_minor,
        units=sum(line.units for line in lines),
        first_line=lines[0].name if lines else "",
        lines=len(lines),
    )


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits of one kind: how many, and the oldest few."""

    count: int
    rows: tuple[ReturnRow, ...]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The desk beside its inbox: drafts whose customer asked for a new link, what came last, how much there is."""

    asked_anew: Queue
    recent: tuple[ReturnRow, ...]
    counts: dict[str, int]


def waiting(actor: Actor) -> Waiting:
    """What waits at the actor's merchants."""
    ids = merchants_of(actor, None)
    mine = sa.and_(Return.merchant_id.in_(ids), COMES_BACK)
    answered = sa.exists().where(
        Link.return_id == history.Happening.subject_id, Link.created_at > history.Happening.at
    )
    asked = sa.select(history.Happening.subject_id).where(
        history.Happening.merchant_id.in_(ids), history.Happening.what == "return.link.requested", ~answered
    )
    recent = db.session.scalars(sa.select(Return.id).where(mine).order_by(Return.id.desc()).limit(8)).all()
    return Waiting(
        asked_anew=_queue(mine, Return.state == "draft", Return.id.in_(asked)),
        recent=tuple(
            row if actor.may("refunds.read", row.merchant_id) else replace(row, estimate=None)
            for row in rows(recent)
        ),
        counts=_counts(ids),
    )


def _queue(*tests: Any) -> Queue:
    ids = sa.select(Return.id).where(*tests).order_by(Return.id)
    counted = sa.select(sa.func.count()).select_from(ids.limit(MOST).subquery())
    count = db.session.scalar(counted) or 0
    oldest = rows(db.session.scalars(ids.limit(FEW)).all()) if count else ()
    return Queue(count=count, rows=tuple(reversed(oldest)))

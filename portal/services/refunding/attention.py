"""Money that waits for people: refunds that failed, that are stuck, and that this person could approve."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.db.base import db
from portal.db.refunds import Payout, Refund
from portal.services.paying import approvals
from portal.services.refunding import refund_facts
from portal.services.refunding.refund_facts import RefundFacts

MOST = 1000
FEW = 5
PATIENCE = timedelta(days=1)
"""After it a transfer that is not at its end is looked at by a person."""

HELD_UP = ("unknown", "requires_action")
UNDER_WAY = ("planned", "submitting", "pending")


@dataclass(frozen=True, kw_only=True)
class MoneyQueue:
    """So many refunds wait for the same; ``rows`` are the oldest few."""

    count: int
    rows: tuple[RefundFacts, ...]


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What of money waits for this person."""

    failed: MoneyQueue
    stuck: MoneyQueue
    to_approve: MoneyQueue


def waiting(actor: Actor, *, now: datetime) -> Attention:
    """The three lists, oldest first, each with its count."""
    ids = refund_facts.merchants_of(actor)
    mine = approvals.waiting_for(actor, now=now)
    return Attention(
        failed=_queue(_failed(ids)),
        stuck=_queue(_stuck(ids, now)),
        to_approve=MoneyQueue(count=len(mine), rows=refund_facts.these(mine[:FEW])),
    )


def listing(
    actor: Actor, which: str, *, after: UUID | None = None, limit: int = 50, now: datetime
) -> tuple[RefundFacts, ...]:
    """One of the lists (``failed``, ``stuck``, ``mine``), oldest first; ``after`` continues it."""
    ids = refund_facts.merchants_of(actor)
    if which == "mine":
        mine = approvals.waiting_for(actor, now=now)
        return refund_facts.these([one for one in mine if after is None or one > after][:limit])
    wanted = _failed(ids) if which == "failed" else _stuck(ids, now)
    if after is not None:
        wanted = wanted.where(Refund.id > after)
    return refund_facts.these(db.session.scalars(wanted.limit(limit)).all())


def _failed(merchant_ids: Sequence[UUID]) -> sa.Select[UUID]:
    return (
        sa.select(Refund.id)
        .where(Refund.merchant_id.in_(merchant_ids), Refund.state == "failed")
        .order_by(Refund.id)
    )


def _stuck(merchant_ids: Sequence[UUID], now: datetime) -> sa.Select[UUID]:
    """Let go and not at their end: a transfer that needs somebody, or one that has been under way for a day."""
    held_up = sa.exists().where(
        Payout.refund_id == Refund.id,
        sa.or_(
            Payout.state == "requires_action",
            sa.and_(
                Payout.state.in_((*HELD_UP, *UNDER_WAY)),
                sa.func.coalesce(Payout.sent_at, Payout.created_at) < now - PATIENCE,
            ),
        ),
    )
    return (
        sa.select(Refund.id)
        .where(Refund.merchant_id.in_(merchant_ids), Refund.state.in_(("approved", "pending")), held_up)
        .order_by(Refund.id)
    )


def _queue(wanted: sa.Select[UUID]) -> MoneyQueue:
    count = db.session.scalar(sa.select(sa.func.count()).select_from(wanted.limit(MOST).subquery())) or 0
    oldest = db.session.scalars(wanted.limit(FEW)).all() if count else []
    return MoneyQueue(count=count, rows=refund_facts.these(oldest))

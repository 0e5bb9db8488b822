"""Looking at transfers that are with a gateway: it tells what became of them, no event is needed for it."""

import logging
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.db import cancellations
from portal.db.base import db, transaction
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.db.tasks import Task
from portal.ports import Gateways, Unavailable
from portal.services import tasks
from portal.services.paying import settling
from portal.services.paying.settling import CHECK_EVERY, FREED, SENDABLE, held, locked, record

log = logging.getLogger(__name__)

WAITS_AFTER = timedelta(days=1)
"""A transfer that is not settled by then is a matter for a person."""


def look_at_due(*, gateways: Gateways, now: datetime, limit: int = 50) -> int:
    """Look at transfers whose time has come, and none of them by two at once; answers how many were due.

    When a gateway does not answer, the rest of its transfers waits a minute.
    """
    with transaction():
        due = sa.select(Payout.id).where(Payout.next_check_at <= now).order_by(Payout.next_check_at)
        taken = db.session.execute(
            sa.update(Payout)
            .where(Payout.id.in_(due.limit(limit)), Payout.next_check_at <= now)
            .values(next_check_at=now + CHECK_EVERY)
            .returning(Payout.id, Payout.refund_id, Payout.provider)
        ).all()
    away: set[str] = set()
    for payout_id, refund_id, provider in sorted(taken):
        if provider in away:
            continue
        try:
            look(payout_id, refund_id, gateways=gateways, now=now)
        except Unavailable:
            away.add(provider)
        except Exception:
            db.session.rollback()
            log.exception("a transfer could not be looked at", extra={"payout": str(payout_id)})
    if away:
        later = {"next_check_at": now + timedelta(minutes=1)}
        ids = [payout_id for payout_id, _, provider in taken if provider in away]
        with transaction():
            unseen = sa.or_(Payout.checked_at.is_(None), Payout.checked_at < now)
            db.session.execute(sa.update(Payout).where(Payout.id.in_(ids), unseen).values(later))
    return len(taken)


def look(payout_id: UUID, refund_id: UUID, *, gateways: Gateways, now: datetime) -> bool:
    """Ask the gateway what became of a transfer, and write it down; False when it knows of none.

    Raises ``Unavailable``. A transfer that it knew once and knows no more is a matter for a person.
    """
    row = db.session.execute(
        sa.select(
            Payout.key,
            Payout.provider,
            Payout.provider_reference,
            Payout.state,
            Payout.destination,
            Payment.reference,
        )
        .join(Payment, Payment.id == Payout.payment_id)
        .where(Payout.id == payout_id)
    ).one_or_none()
    db.session.commit()  # nothing is read while the gateway is waited for
    gateway = gateways.payments.get(row.provider) if row is not None else None
    if row is None or gateway is None or row.state == "planned":
        return False
    capture = str(row.destination.get(settling.ASKED) or row.reference)
    result = gateway.look_up(key=row.key, capture=capture, reference=row.provider_reference)
    faults.point("after_http_response")
    if result is not None:
        record(payout_id, refund_id, result, now=now)
    elif row.state not in SENDABLE:
        with transaction():
            refund, payout = locked(refund_id), held(payout_id)
            if payout is not None and payout.state not in FREED:
                settling.quarantine(refund, payout, "gone", theirs={}, now=now)
    return result is not None


def tell_of_waiting(*, now: datetime, limit: int = 100) -> int:
    """Open a task for every transfer that waits for longer than a day; answers how many were opened.

    What waits for a warehouse is told of as that, and sooner.
    """
    waiting = (
        sa.select(Payout, Refund)
        .join(Refund, Refund.id == Payout.refund_id)
        .where(
            Payout.state.in_((*SENDABLE, "pending", "requires_action")),
            Payout.created_at < now - WAITS_AFTER,
            sa.or_(Refund.return_id.is_(None), Refund.return_id.not_in(cancellations.waiting())),
            ~sa.exists().where(
                Task.merchant_id == Payout.merchant_id,
                Task.kind == "refund_waits",
                Task.key == Payout.key,
            ),
        )
        .order_by(Payout.created_at)
        .limit(limit)
    )
    found = db.session.execute(waiting).all()
    if not found:
        return 0
    ids = [(payout.id, refund.id) for payout, refund in found]
    opened = 0
    for payout_id, refund_id in ids:
        with transaction():
            refund, payout = locked(refund_id), held(payout_id)
            if payout is None or payout.state in ("succeeded", *FREED):
                continue
            details = settling.about(refund, payout) | {
                "state": payout.state,
                "since": payout.created_at.isoformat(),
                "reason": settling.code_of(payout.error),
                "error": payout.error,
            }
            opened += tasks.open(
                "refund_waits",
                payout.key,
                merchant_id=refund.merchant_id,
                subject_id=refund.id,
                details=details,
                now=now,
            )
    return opened

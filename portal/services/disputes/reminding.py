"""Clocks of disputes: a reminder before an answer is due, a supervisor once it is late; offers told of and expired."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM
from portal.core.disputes import REMIND_BEFORE, WAITS_FOR_MERCHANT
from portal.db.base import db, transaction
from portal.db.disputes import Dispute, Offer
from portal.db.returns import Return
from portal.services.disputes import deciding, gate, offering, telling

SHOP_BEFORE = timedelta(hours=12)
"""So long before an answer is due the people of the shop are reminded."""

OVERDUE = "overdue"
"""Why the portal itself hands a dispute up; words know it."""


def look_after(*, now: datetime, limit: int = 100) -> int:
    """Everything whose time has come, each in a transaction of its own. Answers how many there were."""
    found = 0
    for offer_id, dispute_id in _offers(Offer.expires_at <= now, limit=limit):
        found += _one(dispute_id, lambda row, dispute, one=offer_id: _expire(row, dispute, one, now))
    soon = (Offer.expires_at > now, Offer.expires_at <= now + REMIND_BEFORE)
    for offer_id, dispute_id in _offers(*soon, Offer.reminded_at.is_(None), limit=limit):
        found += _one(dispute_id, lambda row, dispute, one=offer_id: _remind_customer(row, dispute, one, now))
    for dispute_id in _waiting(Dispute.due_at <= now, Dispute.state != "escalated", limit=limit):
        found += _one(dispute_id, lambda row, dispute: _overdue(row, dispute, now))
    near = (Dispute.due_at > now, Dispute.due_at <= now + SHOP_BEFORE, Dispute.reminded_at.is_(None))
    for dispute_id in _waiting(*near, limit=limit):
        found += _one(dispute_id, lambda row, dispute: _remind_shop(row, dispute, now))
    return found


def _offers(*tests: sa.ColumnElement[bool], limit: int) -> list[tuple[UUID, UUID]]:
    wanted = sa.select(Offer.id, Offer.dispute_id).where(Offer.state == "open", *tests)
    return [
        (row.id, row.dispute_id) for row in db.session.execute(wanted.order_by(Offer.expires_at).limit(limit))
    ]


def _waiting(*tests: sa.ColumnElement[bool], limit: int) -> list[UUID]:
    wanted = sa.select(Dispute.id).where(Dispute.state.in_(WAITS_FOR_MERCHANT), *tests)
    return list(db.session.scalars(wanted.order_by(Dispute.due_at, Dispute.id).limit(limit)))


def _one(dispute_id: UUID, act) -> int:  # type: ignore[no-untyped-def]
    """``act`` on the held rows; whoever came first has changed them, and then there is nothing to do."""
    with transaction():
        row, dispute = gate.hold(SYSTEM, dispute_id, "disputes.handle")
        done = int(act(row, dispute))
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return done


def _still_open(dispute: Dispute, offer_id: UUID) -> Offer | None:
    one = gate.open_offer(dispute.id)
    return one if one is not None and one.id == offer_id else None


def _expire(row: Return, dispute: Dispute, offer_id: UUID, now: datetime) -> bool:
    one = _still_open(dispute, offer_id)
    if one is None or one.expires_at is None or one.expires_at > now:
        return False
    offering.expire(row, dispute, one, now=now)
    gate.tell(SYSTEM, "dispute.offer_expired", dispute, now, amount=one.amount_minor, currency=row.currency)
    return True


def _remind_customer(row: Return, dispute: Dispute, offer_id: UUID, now: datetime) -> bool:
    one = _still_open(dispute, offer_id)
    if one is None or one.reminded_at is not None:
        return False
    one.reminded_at = now
    telling.mail("dispute_offer", row, dispute, offer=one, message=one.body, what="reminder", now=now)
    gate.tell(SYSTEM, "dispute.reminded", dispute, now, who="customer")
    return True


def _overdue(row: Return, dispute: Dispute, now: datetime) -> bool:
    if dispute.state not in WAITS_FOR_MERCHANT or dispute.state == "escalated" or dispute.due_at > now:
        return False
    deciding.tell_people("dispute_overdue", row, dispute, now)
    deciding.hand_up(SYSTEM, row, dispute, because=OVERDUE, now=now)
    return True


def _remind_shop(row: Return, dispute: Dispute, now: datetime) -> bool:
    if dispute.state not in WAITS_FOR_MERCHANT or dispute.reminded_at is not None:
        return False
    dispute.reminded_at = now
    deciding.tell_people("dispute_due", row, dispute, now)
    gate.tell(SYSTEM, "dispute.reminded", dispute, now, who="shop")
    return True

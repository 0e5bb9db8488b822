"""Proposals that wait: reminded once, given up in time; and how the customer found it in the end."""

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM, Actor, Conflict
from portal.core.links import FINISH
from portal.db import cancellations as stored
from portal.db import merchants
from portal.db.base import db, transaction
from portal.db.cancellations import Cancellation
from portal.db.returns import Return
from portal.services import links
from portal.services.cancellations import ending, reading, telling

SCORED_IN = ("confirmed", "closed", "overtaken", "refused")
"""The customer has answered, and can say how it was."""


def expire(*, now: datetime, limit: int = 100) -> int:
    """Give up proposals that nobody answered in time; their units are free again. Answers how many were due."""
    due = _waiting(Cancellation.expires_at <= now, limit=limit)
    for return_id in due:
        with transaction():
            held = stored.hold(return_id)
            if held is None or held[0].state != "proposed":
                continue
            row, beside = held
            if beside.expires_at is not None and beside.expires_at <= now:
                ending.expire_now(row, beside, now=now)
            faults.point("before_intent_commit")
        faults.point("after_intent_commit")
    return len(due)


def remind_due(*, now: datetime, limit: int = 100) -> int:
    """Remind of each proposal once, as long before its end as its policy says. Answers how many were due.

    One that was never to wait longer than that is not reminded of: its first message has just been sent.
    """
    unreminded = (Cancellation.reminded_at.is_(None), Cancellation.expires_at > now)
    policies = (
        sa.select(Return.merchant_id, Return.policy_id)
        .join(Cancellation, Cancellation.return_id == Return.id)
        .where(Return.state == "proposed", *unreminded)
        .distinct()
    )
    due: list[UUID] = []
    for merchant_id, policy_id in db.session.execute(policies).all():
        _, _, terms = merchants.with_terms(merchant_id, policy_id)
        if 0 < terms.cancellation_reminder_hours < terms.cancellation_hours:
            soon = now + timedelta(hours=terms.cancellation_reminder_hours)
            due += _waiting(
                *unreminded, Return.policy_id == policy_id, Cancellation.expires_at <= soon, limit=limit
            )
    for return_id in due:
        with transaction():
            held = stored.hold(return_id)
            if held is not None and held[0].state == "proposed" and held[1].reminded_at is None:
                _remind(SYSTEM, *held, now=now)
            faults.point("before_intent_commit")
        faults.point("after_intent_commit")
    return len(due)


def remind(actor: Actor, return_id: UUID, *, now: datetime) -> None:
    """Send the customer the proposal once more, now. Raises ``Conflict("not_proposed")`` once it was answered."""
    with transaction():
        reading.allowed(actor, return_id, "cancellations.propose")
        held = stored.hold(return_id)
        if held is None or held[0].state != "proposed":
            raise Conflict("not_proposed", state=held[0].state if held else "")
        _remind(actor, *held, now=now)


def _remind(actor: Actor, row: Return, beside: Cancellation, *, now: datetime) -> None:
    page = reading.read(row, beside, now=now)
    beside.reminded_at = now
    opens = [one for one in links.of_return(row.id) if one.standing(now) == "open"]
    link = min(opens, key=lambda one: one.purpose != FINISH, default=None)  # either leads to the question
    telling.mail(
        "cancellation_reminder",
        beside,
        page.draft,
        page.order,
        before=page.before,
        after=page.after,
        breakdown=page.breakdown,
        hours=page.terms.cancellation_hours,
        links={"link": link.id} if link else None,
        now=now,
    )
    telling.happened(actor, "order_line.cancellation_reminded", row, now, number=row.number)


def _waiting(*tests: sa.ColumnElement[bool], limit: int) -> list[UUID]:
    """Proposals that pass ``tests``, those whose time comes first before the others."""
    wanted = (
        sa.select(Return.id)
        .join(Cancellation, Cancellation.return_id == Return.id)
        .where(Return.state == "proposed", *tests)
        .order_by(Cancellation.expires_at, Cancellation.id)
    )
    return list(db.session.scalars(wanted.limit(limit)))


def score(actor: Actor, return_id: UUID, *, score: int, comment: str = "", now: datetime) -> None:
    """How satisfied the customer was, 1 to 5; the last word counts.

    Raises ``NotAllowed`` for people of the shop, ``Conflict``: ``score_unknown``, ``not_answered_yet``.
    """
    reading.only_customer(actor)
    with transaction():
        reading.allowed(actor, return_id, "returns.create")
        if score not in range(1, 6):
            raise Conflict("score_unknown", score=score)
        held = stored.hold(return_id)
        if held is None or held[0].state not in SCORED_IN:
            raise Conflict("not_answered_yet")
        row, beside = held
        beside.score, beside.scored_at, beside.comment = score, now, comment.strip()[:2000]
        telling.happened(actor, "order_line.cancellation_scored", row, now, score=score)

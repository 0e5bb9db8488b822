"""What partial cancellation is measured by: how fast it is done, how satisfied people are, whether refunds are right.

Each measure is a numerator over a denominator, both told, for one merchant and a period of its own days.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from statistics import median
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core.access import Actor, NotAllowed, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.merchants import MerchantFacts
from portal.db import merchants
from portal.db.base import db
from portal.db.cancellations import Cancellation
from portal.db.disputes import Dispute
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.services import scope
from portal.services.proofs import recounting
from portal.services.proofs.recounting import Recounted

FAST = timedelta(minutes=2)
SATISFIED = 4
"""From this score on, of five, a customer counts as satisfied."""
SATISFACTION_TARGET = Fraction(95, 100)
SHOWN = 50

NEVER_SENT = ("failed", "canceled")
"""Transfers that another one took the place of, or that come to nothing."""


@dataclass(frozen=True, kw_only=True)
class Processing:
    """Seconds from the customer's yes to the last transfer sent, over the cancellations that have one."""

    seconds: float
    count: int
    fast: int
    """Of them within the target."""
    median_seconds: float
    waiting: int
    """Confirmed in the period with a refund that is not sent yet; they are not in the average."""
    slowest: tuple["Timed", ...] = ()

    @property
    def average(self) -> float | None:
        return self.seconds / self.count if self.count else None

    @property
    def met(self) -> bool | None:
        return None if self.average is None else self.average < FAST.total_seconds()


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One cancellation, and how long it took."""

    return_id: UUID
    number: str
    confirmed_at: datetime
    sent_at: datetime | None

    @property
    def seconds(self) -> float:
        return (self.sent_at - self.confirmed_at).total_seconds() if self.sent_at else 0


@dataclass(frozen=True, kw_only=True)
class Satisfaction:
    """Answers of four and five, over all answers; ``asked`` were asked."""

    satisfied: int
    answers: int
    asked: int
    scores: tuple[int, ...]
    """How often each score was given, from 1 to 5."""

    @property
    def rate(self) -> Fraction | None:
        return Fraction(self.satisfied, self.answers) if self.answers else None

    @property
    def met(self) -> bool | None:
        return None if self.rate is None else self.rate > SATISFACTION_TARGET


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Refunds that the ledger holds exactly as they were worked out anew, over all that were decided."""

    accurate: int
    refunds: int
    wrong: tuple[Recounted, ...] = ()

    @property
    def rate(self) -> Fraction | None:
        return Fraction(self.accurate, self.refunds) if self.refunds else None

    @property
    def met(self) -> bool | None:
        return None if self.rate is None else self.accurate == self.refunds


@dataclass(frozen=True, kw_only=True)
class Measures:
    processing: Processing
    satisfaction: Satisfaction
    accuracy: Accuracy


def shops(actor: Actor) -> tuple[MerchantFacts, ...]:
    """The merchants whose figures the actor sees, by name."""
    return tuple(merchants.facts(row) for row in merchants.every() if actor.may("refunds.read", row.id))


def shop(actor: Actor, merchant_id: UUID | None) -> MerchantFacts:
    """That one of ``shops``, or where most was canceled. Raises ``NotFound`` for another's, ``NotAllowed``."""
    mine = shops(actor)
    if not mine:
        raise NotAllowed("refunds.read")
    if merchant_id is not None:
        found = next((one for one in mine if one.id == merchant_id), None)
        if found is None:
            raise NotFound
        return found
    counted = sa.select(Cancellation.merchant_id, sa.func.count()).group_by(Cancellation.merchant_id)
    counts: dict[UUID, int] = {row[0]: row[1] for row in db.session.execute(counted)}
    return max(mine, key=lambda one: counts.get(one.id, 0))


def read(actor: Actor, merchant_id: UUID, *, since: date, until: date) -> Measures:
    """All three, for the days from ``since`` to ``until``, both inclusive. Raises ``NotAllowed``, ``NotFound``."""
    scope.require(actor, "refunds.read", merchant_id)
    period = _moments(merchant_id, since, until)
    return Measures(
        processing=_processing(merchant_id, *period),
        satisfaction=_satisfaction(merchant_id, *period),
        accuracy=_accuracy(merchant_id, *period),
    )


def timed(actor: Actor, merchant_id: UUID, *, since: date, until: date) -> Sequence[Timed]:
    """Every cancellation that the first measure is made of, also what is not sent yet, oldest first."""
    scope.require(actor, "refunds.read", merchant_id)
    return _timed(merchant_id, *_moments(merchant_id, since, until))


def recounted(actor: Actor, merchant_id: UUID, *, since: date, until: date) -> Sequence[Recounted]:
    """Every refund that the third measure is made of, oldest first."""
    scope.require(actor, "refunds.read", merchant_id)
    first, end = _moments(merchant_id, since, until)
    return tuple(recounting.recounted([merchant_id], since=first, until=end))


def _moments(merchant_id: UUID, since: date, until: date) -> tuple[datetime, datetime]:
    """Where the days begin and end, as the merchant's clocks have it."""
    shop = merchants.by_id(merchant_id)
    if shop is None:
        raise NotFound
    zone = ZoneInfo(shop.zone)
    first = datetime.combine(since, time(), zone)
    end = datetime.combine(until + timedelta(days=1), time(), zone)
    return first.astimezone(UTC), end.astimezone(UTC)


def _confirmed(merchant_id: UUID, since: datetime, until: datetime) -> list[sa.ColumnElement[bool]]:
    return [
        Return.merchant_id == merchant_id,
        Return.kind.in_(CANCELLATIONS),
        Return.state.in_(("confirmed", "closed")),
        Cancellation.answered_at >= since,
        Cancellation.answered_at < until,
    ]


def _timed(merchant_id: UUID, since: datetime, until: datetime) -> Sequence[Timed]:
    """Sent is sent when its last transfer is; a refund without any (nothing to pay) when it succeeded.

    What gives nothing back (a service that runs out) has no refund to wait for, and is not among them; nor is
    what a dispute paid on top, later and by its own clock.
    """
    of_dispute = sa.exists().where(Dispute.return_id == Return.id, Dispute.settlement_id == Refund.id)
    begun = sa.func.coalesce(Payout.sent_at, Payout.settled_at)
    wanted = (
        sa.select(
            Return.id,
            Return.number,
            Cancellation.answered_at,
            Refund.amount_minor,
            Refund.succeeded_at,
            sa.func.count(Payout.id).label("transfers"),
            sa.func.count(begun).label("sent"),
            sa.func.max(begun).label("sent_at"),
        )
        .join(Cancellation, Cancellation.return_id == Return.id)
        .join(Refund, sa.and_(Refund.return_id == Return.id, Refund.state != "canceled"))
        .outerjoin(Payout, sa.and_(Payout.refund_id == Refund.id, Payout.state.not_in(NEVER_SENT)))
        .where(*_confirmed(merchant_id, since, until), Refund.amount_minor > 0, ~of_dispute)
        .group_by(
            Return.id, Return.number, Cancellation.answered_at, Refund.amount_minor, Refund.succeeded_at
        )
        .order_by(Cancellation.answered_at, Return.id)
    )
    return [
        Timed(
            return_id=row.id,
            number=row.number or "",
            confirmed_at=row.answered_at,
            sent_at=row.sent_at if row.transfers and row.sent == row.transfers else None,
        )
        for row in db.session.execute(wanted)
    ]


def _processing(merchant_id: UUID, since: datetime, until: datetime) -> Processing:
    found = _timed(merchant_id, since, until)
    sent = [one for one in found if one.sent_at is not None]
    taken = [one.seconds for one in sent]
    slow = sorted((one for one in sent if one.seconds >= FAST.total_seconds()), key=lambda one: -one.seconds)
    return Processing(
        seconds=sum(taken),
        count=len(taken),
        fast=len(taken) - len(slow),
        median_seconds=median(taken) if taken else 0,
        waiting=len(found) - len(sent),
        slowest=tuple(slow[:SHOWN]),
    )


def _satisfaction(merchant_id: UUID, since: datetime, until: datetime) -> Satisfaction:
    asked = (
        sa.select(sa.func.count())
        .select_from(Cancellation)
        .join(Return, Return.id == Cancellation.return_id)
        .where(*_confirmed(merchant_id, since, until))
    )
    given = (
        sa.select(Cancellation.score, sa.func.count())
        .where(
            Cancellation.merchant_id == merchant_id,
            Cancellation.scored_at >= since,
            Cancellation.scored_at < until,
            Cancellation.score.is_not(None),
        )
        .group_by(Cancellation.score)
    )
    counts: dict[int, int] = {int(score or 0): count for score, count in db.session.execute(given)}
    scores = tuple(counts.get(score, 0) for score in range(1, 6))
    return Satisfaction(
        satisfied=sum(scores[SATISFIED - 1 :]),
        answers=sum(scores),
        asked=db.session.scalar(asked) or 0,
        scores=scores,
    )


def _accuracy(merchant_id: UUID, since: datetime, until: datetime) -> Accuracy:
    found = tuple(recounting.recounted([merchant_id], since=since, until=until))
    wrong = tuple(one for one in found if not one.found.is_accurate)
    return Accuracy(accurate=len(found) - len(wrong), refunds=len(found), wrong=wrong[:SHOWN])

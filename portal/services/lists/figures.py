"""The numbers of the desk for one merchant, a period of its own days, and a channel: counted, not estimated.

Every figure looks at returns that were submitted in the period; refunds count when they were sent in it,
answers when they were given in it, disputes when they were opened in it. Cancellations have measures of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core import figures
from portal.core.access import Actor, NotAllowed, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.figures import Figure, Share, Week
from portal.core.inventory import NOTHING_COMES
from portal.core.merchants import MerchantFacts
from portal.db import merchants
from portal.db.base import db
from portal.db.disputes import Dispute
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Link, Return, ReturnLine
from portal.db.stock import StockMovement
from portal.services import scope

PERMISSION = "numbers.read"
NEVER_SUBMITTED = ("draft", "proposed")


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Everything of the page. ``figures`` are in the order of ``core.figures.FIGURES``."""

    figures: tuple[Figure, ...]
    reasons: tuple[Share, ...]
    weeks: tuple[Week, ...]
    disputes: tuple[tuple[str, int], ...]
    """(outcome, empty while open; how many)."""
    units: int
    scores: tuple[int, ...]
    """How often each score was given, from 1 to 5."""

    def figure(self, name: str) -> Figure:
        return next(one for one in self.figures if one.name == name)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    merchant_id: UUID
    since: datetime
    until: datetime
    channel: str

    def returns(self) -> list[sa.ColumnElement[bool]]:
        """Which returns are looked at, by when they were submitted."""
        return [
            Return.submitted_at >= self.since,
            Return.submitted_at < self.until,
            Return.state.not_in(NEVER_SUBMITTED),
            *self.of_shop(),
        ]

    def of_shop(self) -> list[sa.ColumnElement[bool]]:
        found = [Return.merchant_id == self.merchant_id, Return.kind.not_in(CANCELLATIONS)]
        return [*found, Return.channel == self.channel] if self.channel else found


def shops(actor: Actor) -> tuple[MerchantFacts, ...]:
    """The merchants whose numbers the actor sees, by name."""
    return tuple(merchants.facts(row) for row in merchants.every() if actor.may(PERMISSION, row.id))


def shop(actor: Actor, merchant_id: UUID | None) -> MerchantFacts:
    """That one of ``shops``, or the first. Raises ``NotFound`` for another's, ``NotAllowed``."""
    mine = shops(actor)
    if not mine:
        raise NotAllowed(PERMISSION)
    if merchant_id is None:
        return mine[0]
    found = next((one for one in mine if one.id == merchant_id), None)
    if found is None:
        raise NotFound
    return found


def read(actor: Actor, merchant_id: UUID, *, since: date, until: date, channel: str = "") -> Numbers:
    """All numbers of the days from ``since`` to ``until``, both inclusive. Raises ``NotAllowed``, ``NotFound``."""
    scope.require(actor, PERMISSION, merchant_id)
    row = merchants.by_id(merchant_id)
    if row is None:
        raise NotFound
    zone = ZoneInfo(row.zone)
    asked = _Asked(
        merchant_id=merchant_id,
        since=datetime.combine(since, time(), zone).astimezone(UTC),
        until=datetime.combine(until + timedelta(days=1), time(), zone).astimezone(UTC),
        channel=channel,
    )
    found = _returns(asked)
    lines = _lines(asked)
    to_refund, scores = sorted(_to_refund(asked)), _scores(asked)
    contested = _disputes(asked)
    answered = sum(scores)
    counted = {
        "initiation_people": figures.average(
            "initiation_people", _seconds((one.begun_at, one.submitted_at) for one in found)
        ),
        "initiation_customers": figures.average("initiation_customers", _seconds(_opened(asked))),
        "authorization_accuracy": lines.authorization,
        "volume": Figure(name="volume", numerator=len(found), denominator=1),
        "partial_processing": figures.average("partial_processing", _seconds(_partial(asked))),
        "satisfaction": Figure(
            name="satisfaction", numerator=sum(scores[figures.SATISFIED - 1 :]), denominator=answered
        ),
        "inventory_accuracy": _inventory(asked),
        "refund_median": figures.percentile("refund_median", to_refund, 50),
        "refund_p90": figures.percentile("refund_p90", to_refund, 90),
        "disputes": Figure(name="disputes", numerator=sum(contested.values()), denominator=len(found)),
    }
    stand = ((one.submitted_at, figures.outcome(one.state, one.refund_state)) for one in found)
    return Numbers(
        figures=tuple(counted[name] for name in figures.FIGURES),
        reasons=figures.pareto(lines.reasons),
        weeks=figures.weeks(stand, since=since, until=until, zone=zone),
        disputes=tuple(sorted(contested.items())),
        units=sum(lines.reasons.values()),
        scores=scores,
    )


def _seconds(spans: object) -> list[int]:
    pairs: Sequence[tuple[datetime | None, datetime | None]] = list(spans)  # type: ignore[call-overload]
    found = (figures.seconds_between(first, last) for first, last in pairs)
    return [one for one in found if one is not None]


def _returns(asked: _Asked) -> Sequence[sa.Row[datetime | None, datetime | None, str, str]]:
    wanted = sa.select(Return.begun_at, Return.submitted_at, Return.state, Return.refund_state)
    return db.session.execute(wanted.where(*asked.returns())).all()


def _opened(asked: _Asked) -> Sequence[sa.Row[datetime | None, datetime | None]]:
    """From the link that was opened first to the confirmation, of returns that a customer finished by a link."""
    wanted = (
        sa.select(sa.func.min(Link.opened_at), Return.submitted_at)
        .select_from(Return)
        .join(Link, Link.return_id == Return.id)
        .where(*asked.returns(), Link.purpose == "finish", Link.opened_at.is_not(None))
        .group_by(Return.id, Return.submitted_at)
    )
    return db.session.execute(wanted).all()


@dataclass(frozen=True, kw_only=True)
class _Lines:
    reasons: Mapping[str, int]
    authorization: Figure


def _lines(asked: _Asked) -> _Lines:
    """Units by reason; and of the units that were looked at, those that were what was authorized."""
    line = ReturnLine
    looked_at = line.accepted_units + line.rejected_units
    wanted = (
        sa.select(
            line.reason,
            sa.func.sum(line.units),
            sa.func.sum(looked_at),
            sa.func.sum(line.accepted_units),
        )
        .join(Return, Return.id == line.return_id)
        .where(*asked.returns())
        .group_by(line.reason)
    )
    rows = db.session.execute(wanted).all()
    return _Lines(
        reasons={reason or "unknown": int(units) for reason, units, _, _ in rows},
        authorization=Figure(
            name="authorization_accuracy",
            numerator=sum(int(right) for *_, right in rows),
            denominator=sum(int(seen) for _, _, seen, _ in rows),
        ),
    )


def _left_a_part() -> sa.ColumnElement[bool]:
    """Whether a return asks for fewer units than its order has: the rest stays with the customer."""
    bought = (
        sa.select(sa.func.sum(OrderLine.units))
        .where(OrderLine.order_id == Return.order_id, OrderLine.kind == "merchandise")
        .scalar_subquery()
    )
    line = aliased(ReturnLine)
    asked_for = sa.select(sa.func.sum(line.units)).where(line.return_id == Return.id).scalar_subquery()
    return asked_for < bought


def _partial(asked: _Asked) -> Sequence[sa.Row[datetime | None, datetime | None]]:
    """From submission to the end, of returns that are settled and left a part of their order with the customer."""
    wanted = sa.select(Return.submitted_at, Return.closed_at).where(
        *asked.returns(),
        Return.state == "closed",
        Return.closed_reason == "completed",
        _left_a_part(),
    )
    return db.session.execute(wanted).all()


def _to_refund(asked: _Asked) -> list[int]:
    """Seconds from submission to the refund that was sent in the period."""
    wanted = (
        sa.select(Return.submitted_at, Refund.succeeded_at)
        .select_from(Refund)
        .join(Return, Return.id == Refund.return_id)
        .where(
            Refund.merchant_id == asked.merchant_id,
            Refund.succeeded_at >= asked.since,
            Refund.succeeded_at < asked.until,
            Refund.state == "succeeded",
            *asked.of_shop(),
        )
    )
    return _seconds(db.session.execute(wanted).all())


def _scores(asked: _Asked) -> tuple[int, ...]:
    """Answers of the period, one to five, about refunds of a part of an order."""
    wanted = (
        sa.select(Return.score, sa.func.count())
        .where(
            *asked.of_shop(),
            Return.scored_at >= asked.since,
            Return.scored_at < asked.until,
            _left_a_part(),
        )
        .group_by(Return.score)
    )
    counts = {int(score or 0): int(count) for score, count in db.session.execute(wanted)}
    return tuple(counts.get(score, 0) for score in range(1, 6))


def _inventory(asked: _Asked) -> Figure:
    """Lines of partial returns of which units arrived: those whose arrivals in stock are exactly these units."""
    moved = (
        sa.select(sa.func.coalesce(sa.func.sum(StockMovement.delta), 0))
        .where(
            StockMovement.return_line_id == ReturnLine.id,
            StockMovement.why == "return_received",
            StockMovement.delta > 0,
        )
        .correlate(ReturnLine)
        .scalar_subquery()
    )
    right = sa.case((moved == ReturnLine.received_units, 1), else_=0)
    wanted = (
        sa.select(sa.func.coalesce(sa.func.sum(right), 0), sa.func.count())
        .select_from(ReturnLine)
        .join(Return, Return.id == ReturnLine.return_id)
        .where(
            *asked.returns(),
            Return.kind.not_in(NOTHING_COMES),
            ReturnLine.received_units > 0,
            _left_a_part(),
        )
    )
    exact, lines = db.session.execute(wanted).one()
    return Figure(name="inventory_accuracy", numerator=int(exact), denominator=int(lines))


def _disputes(asked: _Asked) -> dict[str, int]:
    """Outcome (empty while it is open) -> disputes that were opened in the period."""
    wanted = (
        sa.select(Dispute.outcome, sa.func.count())
        .join(Return, Return.id == Dispute.return_id)
        .where(
            Dispute.merchant_id == asked.merchant_id,
            Dispute.opened_at >= asked.since,
            Dispute.opened_at < asked.until,
            *asked.of_shop(),
        )
        .group_by(Dispute.outcome)
    )
    return {outcome: int(count) for outcome, count in db.session.execute(wanted)}

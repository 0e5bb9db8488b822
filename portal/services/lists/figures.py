"""The numbers of the desk for one merchant, a period of its own days, and a channel: counted, not estimated.

Every figure looks at returns that were submitted in the period; refunds count when they were sent in it,
answers when they were given in it, disputes when they were opened in it. Cancellations have measures of their own.
The database adds up, each return is read once for each statement, and what comes here is as long as the page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
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
from portal.db.base import db, whole_seconds
from portal.db.disputes import Dispute
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Link, Return, ReturnLine
from portal.db.stock import StockMovement
from portal.services import scope

PERMISSION = "numbers.read"
DAY = timedelta(days=1)
NEVER_SUBMITTED = ("draft", "proposed")
WEEKS = 100
"""So many are asked for in one statement."""


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
        return self.between(self.since, self.until)

    def between(self, since: datetime, until: datetime) -> list[sa.ColumnElement[bool]]:
        """The same, of a part of the period."""
        return [
            Return.submitted_at >= since,
            Return.submitted_at < until,
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
        merchant_id=merchant_id, since=_begins(since, zone), until=_begins(until + DAY, zone), channel=channel
    )
    stand, handed, lines = _Stand(), _handed_over(asked), _lines(asked)
    for monday, told in _by_week(asked, figures.mondays(since, until), zone):
        stand.add(monday, told)
    to_refund, scores = sorted(_to_refund(asked)), _scores(asked)
    contested = _disputes(asked)
    answered, volume = sum(scores), stand.volume
    counted = {
        "initiation_people": Figure(
            name="initiation_people",
            numerator=stand.seconds - handed.seconds,
            denominator=stand.entered - handed.entered,
        ),
        "initiation_customers": handed.customers,
        "authorization_accuracy": lines.authorization,
        "volume": Figure(name="volume", numerator=volume, denominator=1),
        "partial_processing": lines.partial,
        "satisfaction": Figure(
            name="satisfaction", numerator=sum(scores[figures.SATISFIED - 1 :]), denominator=answered
        ),
        "inventory_accuracy": lines.inventory,
        "refund_median": figures.percentile("refund_median", to_refund, 50),
        "refund_p90": figures.percentile("refund_p90", to_refund, 90),
        "disputes": Figure(name="disputes", numerator=sum(contested.values()), denominator=volume),
    }
    return Numbers(
        figures=tuple(counted[name] for name in figures.FIGURES),
        reasons=figures.pareto(lines.reasons),
        weeks=figures.weeks(stand.weeks, since=since, until=until),
        disputes=tuple(sorted(contested.items())),
        units=sum(lines.reasons.values()),
        scores=scores,
    )


def _begins(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


@dataclass(kw_only=True)
class _Stand:
    """How returns stand, by week, and how long people took to enter those that they entered."""

    weeks: list[tuple[date, str, int]] = field(default_factory=list)
    volume: int = 0
    entered: int = 0
    seconds: int = 0

    def add(self, monday: date, row: sa.Row[Any]) -> None:
        self.weeks.append((monday, figures.outcome(row.state, row.refund_state), row.returns))
        self.volume += row.returns
        self.entered += row.entered
        self.seconds += int(row.seconds or 0)


def _by_week(asked: _Asked, mondays: Sequence[date], zone: tzinfo) -> Iterator[tuple[date, sa.Row[Any]]]:
    """(Monday, returns of one state), each week a range of the index that has all of it."""
    entered = Return.begun_at <= Return.submitted_at
    told = (
        Return.state,
        Return.refund_state,
        sa.func.count().label("returns"),
        sa.func.count(sa.case((entered, 1))).label("entered"),
        sa.func.sum(sa.case((entered, whole_seconds(Return.begun_at, Return.submitted_at)))).label("seconds"),
    )
    for start in range(0, len(mondays), WEEKS):
        parts = []
        for n, monday in enumerate(mondays[start : start + WEEKS], start):
            since = max(asked.since, _begins(monday, zone))
            until = min(asked.until, _begins(monday + timedelta(days=7), zone))
            week = sa.select(sa.literal(n).label("n"), *told).where(*asked.between(since, until))
            parts.append(week.group_by(Return.state, Return.refund_state))
        for row in db.session.execute(sa.union_all(*parts)):
            yield mondays[row.n], row


@dataclass(frozen=True, kw_only=True)
class _Handed:
    """Returns that a customer finished by a link, whoever had begun them."""

    customers: Figure
    """From the link that was opened first to the confirmation."""
    entered: int
    seconds: int
    """What people's own entries would take with those that they handed over."""


def _handed_over(asked: _Asked) -> _Handed:
    opened = (
        sa.select(sa.func.min(Link.opened_at))
        .where(Link.return_id == Return.id, Link.purpose == "finish", Link.opened_at.is_not(None))
        .scalar_subquery()
    )
    first = (  # not grouped: SQLite would walk all returns of the shop for that
        sa.select(opened.label("opened_at"), Return.begun_at, Return.submitted_at)
        .where(*asked.returns())
        .cte("first")
        .prefix_with("MATERIALIZED")
    )
    one = first.c
    entered = one.begun_at <= one.submitted_at
    wanted = sa.select(
        sa.func.sum(whole_seconds(one.opened_at, one.submitted_at)),
        sa.func.count(),
        sa.func.sum(sa.case((entered, whole_seconds(one.begun_at, one.submitted_at)))),
        sa.func.count(sa.case((entered, 1))),
    ).where(one.opened_at <= one.submitted_at)
    took, count, seconds, others = db.session.execute(wanted).one()
    return _Handed(
        customers=Figure(name="initiation_customers", numerator=int(took or 0), denominator=count),
        entered=others,
        seconds=int(seconds or 0),
    )


@dataclass(frozen=True, kw_only=True)
class _Lines:
    reasons: Mapping[str, int]
    authorization: Figure
    """Of the units that were looked at, those that were what was authorized."""
    inventory: Figure
    """Lines of partial returns of which units arrived: those whose arrivals in stock are exactly these units."""
    partial: Figure
    """From submission to the end, of returns that are settled and left a part of their order with the customer."""


def _lines(asked: _Asked) -> _Lines:
    """What lines tell, by reason, and what takes the same looking through them: each return is judged once."""
    done = sa.and_(
        Return.state == "closed",
        Return.closed_reason == "completed",
        Return.closed_at >= Return.submitted_at,
    )
    mine = (
        sa.select(
            Return.id,
            Return.kind.not_in(NOTHING_COMES).label("comes"),
            sa.case((done, whole_seconds(Return.submitted_at, Return.closed_at))).label("took"),
            _left_a_part().label("part"),
        )
        .where(*asked.returns())
        .cte("mine")
        .prefix_with("MATERIALIZED")
    )
    line = ReturnLine
    looked_at = line.accepted_units + line.rejected_units
    arrived = sa.and_(mine.c.comes, line.received_units > 0, mine.c.part)
    right = sa.and_(arrived, _moved() == line.received_units)
    by_reason = (
        sa.select(
            sa.literal("reason").label("what"),
            line.reason,
            sa.func.sum(line.units),
            sa.func.sum(looked_at),
            sa.func.sum(line.accepted_units),
            sa.func.count(sa.case((arrived, 1))),
            sa.func.count(sa.case((right, 1))),
        )
        .join(mine, mine.c.id == line.return_id)
        .group_by(line.reason)
    )
    nothing = sa.literal(0)
    settled = sa.select(
        sa.literal("partial"), sa.null(), sa.func.sum(mine.c.took), sa.func.count(), nothing, nothing, nothing
    ).where(mine.c.part, mine.c.took.is_not(None))
    rows: list[Any] = list(db.session.execute(sa.union_all(by_reason, settled)))
    told = [row[1:] for row in rows if row[0] == "reason"]
    seconds, count = next((row[2], row[3]) for row in rows if row[0] == "partial")
    seen, accepted, lines, exact = (sum(int(row[n]) for row in told) for n in range(2, 6))
    return _Lines(
        reasons={row[0] or "unknown": int(row[1]) for row in told},
        authorization=Figure(name="authorization_accuracy", numerator=accepted, denominator=seen),
        inventory=Figure(name="inventory_accuracy", numerator=exact, denominator=lines),
        partial=Figure(name="partial_processing", numerator=int(seconds or 0), denominator=count),
    )


def _moved() -> sa.ScalarSelect[int]:
    """Units that came into stock for a line."""
    return (
        sa.select(sa.func.coalesce(sa.func.sum(StockMovement.delta), 0))
        .where(
            StockMovement.return_line_id == ReturnLine.id,
            StockMovement.why == "return_received",
            StockMovement.delta > 0,
        )
        .correlate(ReturnLine)
        .scalar_subquery()
    )


def _left_a_part() -> sa.ColumnElement[bool]:
    """Whether a return asks for fewer units than its order has: the rest stays with the customer."""
    bought = (
        sa.select(sa.func.sum(OrderLine.units - OrderLine.canceled_units))
        .where(OrderLine.order_id == Return.order_id, OrderLine.kind == "merchandise")
        .scalar_subquery()
    )
    line = aliased(ReturnLine)
    asked_for = sa.select(sa.func.sum(line.units)).where(line.return_id == Return.id).scalar_subquery()
    return asked_for < bought


def _to_refund(asked: _Asked) -> Sequence[int]:
    """Seconds from submission to the refund that was sent in the period."""
    wanted = (
        sa.select(whole_seconds(Return.submitted_at, Refund.succeeded_at))
        .select_from(Refund)
        .join(Return, Return.id == Refund.return_id)
        .where(
            Refund.merchant_id == asked.merchant_id,
            Refund.succeeded_at >= asked.since,
            Refund.succeeded_at < asked.until,
            Refund.succeeded_at >= Return.submitted_at,
            Refund.state == "succeeded",
            *asked.of_shop(),
        )
    )
    return db.session.scalars(wanted).all()


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

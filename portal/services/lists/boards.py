"""What waits for one person, oldest first and with its clock; and the way of money from authorization to credit."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.facts import CANCELLATIONS
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.db import history, merchants
from portal.db.base import db
from portal.db.disputes import Dispute
from portal.db.dock import Unexpected
from portal.db.messages import Entry
from portal.db.people import Person
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.db.tasks import Task
from portal.services.paying import approvals

MOST = 1000
"""Counters stop there."""

SHOWN = 50
WHO = ("me", "all")
"""Without what others look after, or everything."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that waits. ``kind`` says what for, ``subject_id`` is the row that its page shows."""

    kind: str
    subject_id: UUID
    merchant_id: UUID
    number: str
    who: str
    """The customer; of a task, its kind."""
    since: datetime
    due_at: datetime | None
    amount: Minor | None = None
    currency: str = ""
    assignee: str = ""

    def overdue(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at <= now


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """The oldest of what waits, and how many of each kind there are (up to ``MOST``)."""

    items: tuple[Item, ...]
    counts: dict[str, int]
    overdue: int
    """Of those shown."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks, when, and for which of it."""

    actor: Actor
    now: datetime
    who: str

    def ids(self, permission: str) -> tuple[UUID, ...]:
        return tuple(one for one in self.actor.merchant_ids if self.actor.may(permission, one))

    @property
    def not_of_others(self) -> sa.ColumnElement[bool]:
        if self.who == "all":
            return sa.true()
        return sa.or_(Return.assignee_id.is_(None), Return.assignee_id == self.actor.id)


def changes(actor: Actor) -> int:
    """How much has happened at this person's merchants: another number than before says that something has."""
    return history.sequences(actor.merchant_ids)


def inbox(actor: Actor, *, now: datetime, kind: str | None = None, who: str = "me") -> Inbox:
    """What waits for this person, oldest first; of one ``kind`` alone, or of all they may do."""
    asked = Asked(actor=actor, now=now, who=who)
    found: list[Item] = []
    counts: dict[str, int] = {}
    for name, (permission, read) in KINDS.items():
        ids = asked.ids(permission)
        count, items = read(asked, ids, kind in (None, name)) if ids else (0, [])
        if count:
            counts[name] = count
        found.extend(items)
    shown = sorted(found, key=lambda item: (item.since, item.subject_id))[:SHOWN]
    shown = [
        one if actor.may("refunds.read", one.merchant_id) else replace(one, amount=None) for one in shown
    ]
    return Inbox(
        items=_named(_with_clocks(shown)),
        counts=counts,
        overdue=sum(one.overdue(now) for one in _with_clocks(shown)),
    )


Read = Callable[[Asked, Sequence[UUID], bool], tuple[int, list[Item]]]


def _counted(wanted: sa.Select[*tuple[Any, ...]], shown: bool) -> tuple[int, Sequence[Any]]:
    """How many rows ``wanted`` has, up to ``MOST``, and the first of them where they are shown."""
    limited = wanted.with_only_columns(sa.literal(1)).order_by(None).limit(MOST)
    count = db.session.scalar(sa.select(sa.func.count()).select_from(limited.subquery())) or 0
    return count, db.session.execute(wanted.limit(SHOWN)).all() if count and shown else []


def _oldest(tests: Sequence[Any], ids: Sequence[UUID], states: Sequence[str]) -> Sequence[UUID]:
    """The oldest of these returns, up to ``MOST``: one walk along the index per shop and state, however many there are.

    Of several shops at once no index has them in their order, and all returns would be looked through.
    """
    of_state: list[tuple[sa.ColumnElement[bool], ...]] = [(Return.state == state,) for state in states]
    parts = [
        sa.select(
            sa.select(Return.id)
            .where(Return.merchant_id == one, *state, *tests)
            .order_by(Return.id)
            .limit(MOST)
            .subquery()
            .c.id
        )
        for one in ids
        for state in of_state or [()]
    ]
    if not parts:
        return ()
    found = sa.union_all(*parts).subquery().c.id
    return db.session.scalars(sa.select(found).order_by(found).limit(MOST)).all()


def _returns(kind: str, *tests: Any, since: Any, states: Sequence[str] = ()) -> Read:
    """Returns that wait for the same; ``since`` is the column that says from when."""

    def read(asked: Asked, ids: Sequence[UUID], shown: bool) -> tuple[int, list[Item]]:
        mine = (Return.kind.not_in(CANCELLATIONS), asked.not_of_others, *tests)
        found = _oldest(mine, ids, states)
        if not found or not shown:
            return len(found), []
        wanted = sa.select(Return, since.label("since")).where(Return.id.in_(found[:SHOWN]))
        rows = db.session.execute(wanted.order_by(Return.id))
        return len(found), [_item(kind, row, at or row.created_at) for row, at in rows]

    return read


def _item(kind: str, row: Return, since: datetime) -> Item:
    return Item(
        kind=kind,
        subject_id=row.id,
        merchant_id=row.merchant_id,
        number=row.number or "",
        who=row.name or row.email,
        since=since,
        due_at=None,
        amount=row.estimate_minor,
        currency=row.currency,
        assignee=str(row.assignee_id or ""),
    )


def _to_approve(asked: Asked, ids: Sequence[UUID], shown: bool) -> tuple[int, list[Item]]:
    mine = approvals.waiting_for(asked.actor, now=asked.now)
    return len(mine), _refunds("approve_refund", mine[:SHOWN]) if shown and mine else []


def _failed(asked: Asked, ids: Sequence[UUID], shown: bool) -> tuple[int, list[Item]]:
    wanted = (
        sa.select(Refund.id).where(Refund.merchant_id.in_(ids), Refund.state == "failed").order_by(Refund.id)
    )
    count, rows = _counted(wanted, shown)
    return count, _refunds("failed_refund", [row.id for row in rows])


def _refunds(kind: str, refund_ids: Sequence[UUID]) -> list[Item]:
    if not refund_ids:
        return []
    rows = db.session.execute(
        sa.select(Refund, Return.name, Return.email)
        .outerjoin(Return, Return.id == Refund.return_id)
        .where(Refund.id.in_(refund_ids))
    )
    return [
        Item(
            kind=kind,
            subject_id=refund.return_id or refund.id,
            merchant_id=refund.merchant_id,
            number=refund.number,
            who=name or email or "",
            since=refund.created_at,
            due_at=None,
            amount=refund.amount_minor,
            currency=refund.currency,
        )
        for refund, name, email in rows
    ]


def _disputes(kind: str, *states: str) -> Read:
    def read(asked: Asked, ids: Sequence[UUID], shown: bool) -> tuple[int, list[Item]]:
        wanted = (
            sa.select(Dispute, Return)
            .join(Return, Return.id == Dispute.return_id)
            .where(Dispute.merchant_id.in_(ids), Dispute.state.in_(states), asked.not_of_others)
            .order_by(Dispute.due_at)
        )
        count, rows = _counted(wanted, shown)
        return count, [
            replace(
                _item(kind, row, dispute.opened_at),
                subject_id=dispute.id,
                number=dispute.number,
                due_at=dispute.due_at,
                amount=dispute.claimed_minor,
            )
            for dispute, row in rows
        ]

    return read


BESIDE = ("unexpected_goods", "dispute_due", "dispute_overdue", "dispute_unpayable", "refund_failed")
"""Tasks about what the inbox tells of by itself, with its own clock."""


def _tasks(asked: Asked, ids: Sequence[UUID], shown: bool) -> tuple[int, list[Item]]:
    wanted = (
        sa.select(Task)
        .where(Task.merchant_id.in_(ids), Task.state == "open", Task.kind.not_in(BESIDE))
        .order_by(Task.opened_at)
    )
    count, rows = _counted(wanted, shown)
    return count, [
        Item(
            kind="task",
            subject_id=task.id,
            merchant_id=task.merchant_id,
            number=str(task.details.get("number") or ""),
            who=task.kind,
            since=task.opened_at,
            due_at=task.opened_at + timedelta(days=1),
        )
        for (task,) in rows
    ]


def _unexpected(asked: Asked, ids: Sequence[UUID], shown: bool) -> tuple[int, list[Item]]:
    wanted = (
        sa.select(Unexpected)
        .where(Unexpected.merchant_id.in_(ids), Unexpected.state == "open")
        .order_by(Unexpected.id)
    )
    count, rows = _counted(wanted, shown)
    return count, [
        Item(
            kind="unexpected",
            subject_id=one.id,
            merchant_id=one.merchant_id,
            number=one.code or one.sku,
            who=one.name,
            since=one.at,
            due_at=one.at + timedelta(days=3),
        )
        for (one,) in rows
    ]


TOLD = ("open", "awaiting_merchant", "escalated")
"""States in which a dispute waits for the shop: what the customer wrote is told with it, not once more."""

UNREAD = Return.unread > sa.literal_column("0")
"""As its partial index has it: with a parameter in place of the number SQLite would not take that."""

_UNREAD_SINCE = (
    sa.select(sa.func.min(Entry.at))
    .where(Entry.return_id == Return.id, Entry.kind == "customer", Entry.read_at.is_(None))
    .correlate(Return)
    .scalar_subquery()
)
"""When the customer wrote the oldest of what nobody has read yet."""

OPEN_MONEY = ("none", "calculated", "canceled", "partially_refunded")
KINDS: dict[str, tuple[str, Read]] = {
    "decide": (
        "returns.approve",
        _returns("decide", states=("requested",), since=Return.submitted_at),
    ),
    "reply": (
        "messages.send",
        _returns("reply", UNREAD, Return.dispute_state.not_in(TOLD), since=_UNREAD_SINCE),
    ),
    "dispute": ("disputes.handle", _disputes("dispute", *TOLD[:2])),
    "escalated": ("disputes.decide", _disputes("escalated", *TOLD[2:])),
    "inspect": (
        "returns.inspect",
        _returns("inspect", states=("received", "partially_received"), since=Return.received_at),
    ),
    "unexpected": ("returns.receive", _unexpected),
    "refund": (
        "refunds.propose",
        _returns(
            "refund", Return.refund_state.in_(OPEN_MONEY), states=("inspected",), since=Return.received_at
        ),
    ),
    "approve_refund": ("refunds.approve", _to_approve),
    "failed_refund": ("refunds.approve", _failed),
    "task": ("refunds.read", _tasks),
}
"""What can wait for a person: the permission of whoever does it, and where it is read."""

HOURS: dict[str, Callable[[Terms], int]] = {
    "decide": lambda terms: terms.approval_hours,
    "reply": lambda terms: terms.approval_hours,
    "inspect": lambda terms: terms.inspection_hours,
    "refund": lambda terms: terms.inspection_hours + terms.refund_hours,
    "approve_refund": lambda terms: terms.refund_hours,
    "failed_refund": lambda terms: terms.refund_hours,
}
"""Hours from ``since`` to when it is due, by the merchant's terms."""


def _with_clocks(items: Iterable[Item]) -> list[Item]:
    terms: dict[UUID, Terms] = {}
    timed = []
    for item in items:
        if item.due_at is None and item.kind in HOURS:
            if item.merchant_id not in terms:
                terms[item.merchant_id] = merchants.with_terms(item.merchant_id)[2]
            item = replace(
                item, due_at=item.since + timedelta(hours=HOURS[item.kind](terms[item.merchant_id]))
            )
        timed.append(item)
    return timed


def _named(items: Sequence[Item]) -> tuple[Item, ...]:
    """The same with the assignees by name."""
    ids = {UUID(item.assignee) for item in items if item.assignee}
    names: dict[str, str] = {}
    if ids:
        known = db.session.execute(sa.select(Person.id, Person.name).where(Person.id.in_(ids)))
        names = {str(row.id): row.name for row in known}
    return tuple(replace(item, assignee=names.get(item.assignee, "")) for item in items)


# --------------------------------------------------------------------------------- from authorization to credit


@dataclass(frozen=True, kw_only=True)
class Card:
    """One refund, or one return whose refund is still to come, at its stage."""

    return_id: UUID | None
    number: str
    who: str
    amount: Minor | None
    currency: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of the way: how many are there, what they come to per currency, and the oldest few."""

    code: str
    count: int
    sums: tuple[tuple[str, Minor], ...]
    cards: tuple[Card, ...]

    @property
    def is_more(self) -> bool:
        """Whether there are more than were counted: then the sums are of those alone."""
        return self.count >= MOST


FEW = 6
CREDITED_DAYS = 7
EXPECTED = {
    "authorized": ("approved", "in_transit"),
    "arrived": ("partially_received", "received", "inspected"),
}
"""The stages before there is a refund, and the states of their returns."""

STAGES = ("authorized", "arrived", "to_approve", "approved", "sent", "failed", "credited")


def stages(actor: Actor, *, now: datetime) -> tuple[Stage, ...]:
    """The money of returns on its way, stage by stage; ``credited`` are those of the last week, newest first."""
    ids = [one for one in actor.merchant_ids if actor.may("refunds.read", one)]
    coming = (Return.kind.not_in(CANCELLATIONS), Return.refund_state.in_(OPEN_MONEY))
    of = Refund.merchant_id.in_(ids)
    week = now - timedelta(days=CREDITED_DAYS)
    return (
        *(_expected(code, coming, ids, states) for code, states in EXPECTED.items()),
        _paid("to_approve", of, Refund.state == "pending_approval"),
        _paid("approved", of, Refund.state == "approved"),
        _paid("sent", of, Refund.state == "pending"),
        _paid("failed", of, Refund.state == "failed"),
        _paid(
            "credited", of, Refund.state == "succeeded", Refund.succeeded_at >= week, order=Refund.id.desc()
        ),
    )


def _expected(code: str, tests: Sequence[Any], ids: Sequence[UUID], states: Sequence[str]) -> Stage:
    """Returns whose money is not decided yet, with what was estimated."""
    found = _oldest(tests, ids, states)
    these = sa.select(Return.id, Return.currency, Return.estimate_minor.label("amount")).where(
        Return.id.in_(found)
    )
    cards = db.session.scalars(sa.select(Return).where(Return.id.in_(found[:FEW])).order_by(Return.id)).all()
    count, sums = _sums(these)
    return Stage(
        code=code,
        count=count,
        sums=sums,
        cards=tuple(
            Card(
                return_id=row.id,
                number=row.number or "",
                who=row.name or row.email,
                amount=row.estimate_minor,
                currency=row.currency,
                since=row.received_at or row.approved_at or row.created_at,
            )
            for row in cards
        ),
    )


def _paid(code: str, *tests: Any, order: Any = Refund.id) -> Stage:
    these = sa.select(Refund.id, Refund.currency, Refund.amount_minor.label("amount")).where(*tests)
    rows = db.session.execute(
        sa.select(Refund, Return.name, Return.email)
        .outerjoin(Return, Return.id == Refund.return_id)
        .where(*tests)
        .order_by(order)
        .limit(FEW)
    )
    count, sums = _sums(these)
    return Stage(
        code=code,
        count=count,
        sums=sums,
        cards=tuple(
            Card(
                return_id=refund.return_id,
                number=refund.number,
                who=name or email or "",
                amount=refund.amount_minor,
                currency=refund.currency,
                since=refund.succeeded_at or refund.approved_at or refund.created_at,
            )
            for refund, name, email in rows
        ),
    )


def _sums(these: sa.Select[*tuple[Any, ...]]) -> tuple[int, tuple[tuple[str, Minor], ...]]:
    """How many, and their sum per currency, of at most ``MOST``."""
    rows = these.limit(MOST).subquery()
    found = db.session.execute(
        sa.select(rows.c.currency, sa.func.count(), sa.func.coalesce(sa.func.sum(rows.c.amount), 0))
        .group_by(rows.c.currency)
        .order_by(rows.c.currency)
    ).all()
    return sum(count for _, count, _ in found), tuple((currency, int(total)) for currency, _, total in found)


# ------------------------------------------------------------------------------------- what finance waits for


@dataclass(frozen=True, kw_only=True)
class Pending:
    """Transfers of one way and currency that are not at their end: how many, how much, since when."""

    provider: str
    currency: str
    state: str
    count: int
    amount: Minor
    oldest: datetime


def pending(actor: Actor) -> tuple[Pending, ...]:
    """Transfers under way per way, currency and state, the oldest first."""
    ids = [one for one in actor.merchant_ids if actor.may("refunds.read", one)]
    under_way = ("planned", "submitting", "unknown", "pending", "requires_action")
    found = db.session.execute(
        sa.select(
            Payout.provider, Payout.currency, Payout.state, sa.func.count(), sa.func.sum(Payout.amount_minor),
            sa.func.min(Payout.created_at),
        )
        .join(Refund, Refund.id == Payout.refund_id)
        .where(
            Refund.merchant_id.in_(ids), Refund.state.in_(("approved", "pending")), Payout.state.in_(under_way)
        )
        .group_by(Payout.provider, Payout.currency, Payout.state)
    ).all()  # fmt: skip
    rows = [
        Pending(
            provider=provider, currency=currency, state=state, count=count, amount=int(amount), oldest=oldest
        )
        for provider, currency, state, count, amount, oldest in found
    ]
    return tuple(sorted(rows, key=lambda row: (row.oldest, row.provider, row.currency, row.state)))

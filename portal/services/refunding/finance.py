"""What finance looks at: refunds that are not paid yet and why, what failed, and what a period came to."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core.access import Actor, NotFound
from portal.core.merchants import MerchantFacts
from portal.core.money import Minor
from portal.core.refunds.ledger import (
    AUTHORIZED,
    CLEARING,
    DUE,
    FEES,
    OWN_CREDIT,
    PAYABLE,
    TAX,
    UNPAID,
)
from portal.db import merchants
from portal.db.bank import TransferBatch
from portal.db.base import db
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.db.tasks import Task
from portal.services import scope
from portal.services.ledgers import books
from portal.services.ledgers.books import Balance

UNSETTLED = ("planned", "submitting", "unknown", "pending", "requires_action")
LATE = timedelta(days=1)
"""A refund that waits longer is said to wait too long."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One transfer that is not at its end, or a refund that nobody let go yet."""

    refund_id: UUID
    return_id: UUID | None
    number: str
    return_number: str
    state: str
    """The refund's."""
    why: str
    """Code of what it waits for: words.waits."""
    amount: Minor
    currency: str
    provider: str
    since: datetime
    days: int
    late: bool
    error: str
    batch: str
    """Number of the bank batch it is in."""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What one currency came to in a period, and what is open now; in minor units."""

    currency: str
    decided: Minor = 0
    """Approved in the period, less what was given up again."""
    paid: Minor = 0
    tax: Minor = 0
    fees: Minor = 0
    credited: Minor = 0
    """Of ``paid``, what went to store credit and gift cards."""
    released: Minor = 0
    """Never charged: reserved amounts that were let go, and what customers owe no more."""
    payable: Minor = 0
    """Decided and not paid, now."""
    unpaid: Minor = 0
    """Failed and still owed, now."""


def shops(actor: Actor) -> tuple[MerchantFacts, ...]:
    """The merchants whose books the actor sees, by name."""
    ids = [one for one in actor.merchant_ids if actor.may("finance.read", one)]
    return tuple(merchants.facts(row) for row in merchants.every() if row.id in ids)


def shop(actor: Actor, merchant_id: UUID | None) -> MerchantFacts:
    """That merchant, or of those whose books the actor sees the one where most waits.

    Raises ``NotFound``, ``NotAllowed``.
    """
    if merchant_id is not None:
        scope.require(actor, "finance.read", merchant_id)
        row = merchants.by_id(merchant_id)
        if row is None:
            raise NotFound
        return merchants.facts(row)
    mine, counts = shops(actor), waiting(actor)
    if not mine:
        raise NotFound
    return max(mine, key=lambda one: counts.get(one.id, 0))


def waiting(actor: Actor) -> Mapping[UUID, int]:
    """Merchant -> how many refunds are not paid yet or failed, of those whose books the actor sees."""
    ids = [one for one in actor.merchant_ids if actor.may("finance.read", one)]
    wanted = (
        sa.select(Refund.merchant_id, sa.func.count().label("units"))
        .where(
            Refund.merchant_id.in_(ids),
            Refund.state.in_(("pending_approval", "approved", "pending", "failed")),
        )
        .group_by(Refund.merchant_id)
    )
    return {row.merchant_id: row.units for row in db.session.execute(wanted)}


def pending(
    actor: Actor, merchant_id: UUID, *, failed: bool = False, limit: int = 200, now: datetime
) -> tuple[Waiting, ...]:
    """Refunds that are not paid yet, the oldest first; with ``failed`` those that failed and are still owed."""
    scope.require(actor, "finance.read", merchant_id)
    states = ("failed", "canceled") if failed else UNSETTLED
    newer = aliased(Payout)
    replaced = sa.exists().where(
        newer.refund_id == Payout.refund_id,
        newer.payment_id.is_not_distinct_from(Payout.payment_id),
        sa.or_(
            newer.created_at > Payout.created_at,
            sa.and_(newer.created_at == Payout.created_at, newer.id > Payout.id),
        ),
    )
    transfers = (
        sa.select(
            Refund.id, Refund.return_id, Refund.number, Return.number.label("return_number"), Refund.state,
            Payout.state.label("step"), Payout.amount_minor.label("amount"), Refund.currency, Payout.provider,
            Payout.created_at.label("since"), Payout.error, TransferBatch.number.label("batch"),
            TransferBatch.state.label("batch_state"),
        )
        .join(Refund, Refund.id == Payout.refund_id)
        .outerjoin(Return, Return.id == Refund.return_id)
        .outerjoin(TransferBatch, TransferBatch.id == Payout.batch_id)
        .where(Payout.merchant_id == merchant_id, Payout.state.in_(states), Refund.state != "canceled", ~replaced)
        .order_by(Payout.created_at, Payout.id)
        .limit(limit)
    )  # fmt: skip
    found = [_waiting(row, now) for row in db.session.execute(transfers)]
    if not failed:
        found += _undecided(merchant_id, limit, now)
    return tuple(sorted(found, key=lambda one: (one.since, one.number))[:limit])


def _undecided(merchant_id: UUID, limit: int, now: datetime) -> list[Waiting]:
    wanted = (
        sa.select(
            Refund.id, Refund.return_id, Refund.number, Return.number.label("return_number"), Refund.state,
            Refund.state.label("step"), Refund.amount_minor.label("amount"), Refund.currency,
            sa.literal("").label("provider"), Refund.created_at.label("since"), Refund.error,
            sa.literal(None).label("batch"), sa.literal(None).label("batch_state"),
        )
        .outerjoin(Return, Return.id == Refund.return_id)
        .where(Refund.merchant_id == merchant_id, Refund.state == "pending_approval")
        .order_by(Refund.created_at, Refund.id)
        .limit(limit)
    )  # fmt: skip
    return [_waiting(row, now) for row in db.session.execute(wanted)]


def _waiting(row: Any, now: datetime) -> Waiting:
    why = row.step if row.step != "canceled" else "failed"
    if row.provider == "bank_transfer" and why in ("planned", "pending"):
        why = "released" if row.batch_state in ("released", "executed") else "batch"
    return Waiting(
        refund_id=row.id,
        return_id=row.return_id,
        number=row.number,
        return_number=row.return_number or "",
        state=row.state,
        why=why,
        amount=row.amount,
        currency=row.currency,
        provider=row.provider,
        since=row.since,
        days=max(0, (now - row.since).days),
        late=now - row.since >= LATE,
        error=row.error or "",
        batch=row.batch or "",
    )


def totals(
    actor: Actor, merchant_id: UUID, *, since: date | None = None, until: date | None = None
) -> tuple[Totals, ...]:
    """Per currency: what was paid from ``since`` to ``until`` (the merchant's days), and what is open now."""
    sums: dict[str, dict[str, Minor]] = defaultdict(lambda: defaultdict(int))
    for one in books.balance(actor, merchant_id, since=since, until=until):
        _add_moved(sums[one.currency], one)
    for one in books.balance(actor, merchant_id):
        if one.account in (PAYABLE, UNPAID):
            sums[one.currency]["payable" if one.account == PAYABLE else "unpaid"] -= one.amount
    return tuple(Totals(currency=currency, **dict(found)) for currency, found in sorted(sums.items()))


def _add_moved(sums: dict[str, Minor], one: Balance) -> None:
    if one.account in (PAYABLE, UNPAID):
        return
    if one.account.startswith(AUTHORIZED) or one.account == DUE:
        sums["released"] -= one.amount
        return
    if one.account.startswith(CLEARING) or one.account in OWN_CREDIT:
        sums["paid"] -= one.amount
        sums["credited"] -= one.amount if one.account in OWN_CREDIT else 0
        return
    sums["decided"] += one.amount
    sums["tax"] += one.amount if one.account.startswith(TAX) else 0
    sums["fees"] -= one.amount if one.account == FEES else 0


def open_tasks(actor: Actor, merchant_id: UUID) -> Mapping[str, int]:
    """Kind of task -> how many are open at the merchant, most first."""
    scope.require(actor, "finance.read", merchant_id)
    wanted = (
        sa.select(Task.kind, sa.func.count().label("units"))
        .where(Task.merchant_id == merchant_id, Task.state == "open")
        .group_by(Task.kind)
        .order_by(sa.func.count().desc(), Task.kind)
    )
    return {row.kind: row.units for row in db.session.execute(wanted)}


def batches(actor: Actor, merchant_id: UUID) -> Mapping[str, int]:
    """State of a bank batch -> how many there are that are not at their end."""
    scope.require(actor, "finance.read", merchant_id)
    wanted = (
        sa.select(TransferBatch.state, sa.func.count().label("units"))
        .where(TransferBatch.merchant_id == merchant_id, TransferBatch.state.in_(("open", "released")))
        .group_by(TransferBatch.state)
        .order_by(TransferBatch.state)
    )
    return {row.state: row.units for row in db.session.execute(wanted)}

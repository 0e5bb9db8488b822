"""Bank batches as people see them, and what waits for the next one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.bank import account_from, masked
from portal.core.money import Minor
from portal.db import merchants, returns
from portal.db.bank import TransferBatch
from portal.db.base import db
from portal.db.refunds import Payout, Refund
from portal.services import scope
from portal.services.paying.bank_accounts import BANK_TRANSFER


@dataclass(frozen=True, kw_only=True)
class TransferFacts:
    """One transfer of a batch as people see it; the account is all but covered."""

    payout_id: UUID
    refund_number: str
    return_id: UUID | None
    return_number: str
    amount: Minor
    holder: str
    account: str
    reference: str
    """With which it stands on the customer's statement (end to end)."""
    state: str
    error: str


@dataclass(frozen=True, kw_only=True)
class BatchFacts:
    """One batch as people see it; ``rows`` only where it was asked for alone."""

    id: UUID
    merchant_id: UUID
    number: str
    state: str
    currency: str
    amount: Minor
    transfers: int
    digest: str
    """Of the file, once it is released."""
    created_at: datetime
    created_by: str
    created_by_id: UUID | None
    released_at: datetime | None
    released_by: str
    executed_at: datetime | None
    rows: tuple[TransferFacts, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits for the next batch of a shop."""

    merchant_id: UUID
    merchant: str
    currency: str
    transfers: int
    amount: Minor
    asking: tuple[tuple[UUID | None, str], ...]
    """(return, refund number) of transfers whose customer has not yet said where to: not among ``transfers``."""
    account: str
    """The shop's own, covered; empty until it is named."""


def listing(
    actor: Actor, *, state: str | None = None, after: UUID | None = None, limit: int = 50
) -> tuple[BatchFacts, ...]:
    """Batches of the actor's merchants, newest first."""
    ids = [one for one in actor.merchant_ids if actor.may("refunds.approve", one)]
    wanted = sa.select(TransferBatch).where(TransferBatch.merchant_id.in_(ids))
    if state:
        wanted = wanted.where(TransferBatch.state == state)
    if after is not None:
        wanted = wanted.where(TransferBatch.id < after)
    return tuple(
        _facts(row) for row in db.session.scalars(wanted.order_by(TransferBatch.id.desc()).limit(limit))
    )


def one(actor: Actor, batch_id: UUID) -> BatchFacts:
    """One batch with its transfers. Raises ``NotFound``, also for another merchant's, and ``NotAllowed``."""
    batch = db.session.get(TransferBatch, batch_id)
    if batch is None:
        raise NotFound
    scope.require(actor, "refunds.approve", batch.merchant_id)
    wanted = (
        sa.select(Payout, Refund.number, Refund.return_id, returns.Return.number)
        .join(Refund, Refund.id == Payout.refund_id)
        .outerjoin(returns.Return, returns.Return.id == Refund.return_id)
        .where(Payout.batch_id == batch.id)
        .order_by(Payout.refund_id, Payout.id)
    )
    return _facts(batch, tuple(_row(*row) for row in db.session.execute(wanted)))


def waiting(actor: Actor) -> tuple[Waiting, ...]:
    """What waits at each of the actor's merchants, by name."""
    found = []
    for merchant in merchants.every():
        if not (merchant.id in actor.merchant_ids and actor.may("refunds.approve", merchant.id)):
            continue
        rows = db.session.execute(
            sa.select(
                Payout.destination, Payout.amount_minor, Payout.currency, Refund.return_id, Refund.number
            )
            .join(Refund, Refund.id == Payout.refund_id)
            .where(
                Payout.merchant_id == merchant.id,
                Payout.provider == BANK_TRANSFER,
                Payout.provider_reference == "",
                Payout.state == "planned",
                Payout.batch_id.is_(None),
            )
            .order_by(Payout.id)
        ).all()
        ready = [row.amount_minor for row in rows if account_from(row.destination)]
        account = account_from(merchant.bank)
        found.append(
            Waiting(
                merchant_id=merchant.id,
                merchant=merchant.name,
                currency=rows[0].currency if rows else merchant.currency,
                transfers=len(ready),
                amount=sum(ready),
                asking=tuple(
                    (row.return_id, row.number) for row in rows if account_from(row.destination) is None
                ),
                account=masked(account.iban) if account else "",
            )
        )
    return tuple(found)


def _row(
    payout: Payout, refund_number: str, return_id: UUID | None, return_number: str | None
) -> TransferFacts:
    return TransferFacts(
        payout_id=payout.id,
        refund_number=refund_number,
        return_id=return_id,
        return_number=return_number or "",
        amount=payout.amount_minor,
        holder=str(payout.destination.get("holder", "")),
        account=masked(str(payout.destination.get("iban", ""))),
        reference=payout.bank_reference,
        state=payout.state,
        error=payout.error,
    )


def _facts(row: TransferBatch, rows: tuple[TransferFacts, ...] = ()) -> BatchFacts:
    return BatchFacts(
        id=row.id,
        merchant_id=row.merchant_id,
        number=row.number,
        state=row.state,
        currency=row.currency,
        amount=row.amount_minor,
        transfers=row.transfers,
        digest=row.digest if row.file else "",
        created_at=row.created_at,
        created_by=row.created_by_name,
        created_by_id=row.created_by,
        released_at=row.released_at,
        released_by=row.released_by_name,
        executed_at=row.executed_at,
        rows=rows,
    )

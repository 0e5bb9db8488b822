"""The ledger: what a refund decided and moved, posted as transfers that nobody changes afterwards."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.money import Minor
from portal.core.refunds import ledger
from portal.core.refunds.ledger import UNPAID as UNPAID
from portal.db.base import db, uuid7
from portal.db.refunds import Transfer


def post(
    transfers: Iterable[ledger.Transfer],
    *,
    kind: str,
    merchant_id: UUID,
    refund_id: UUID,
    payout_id: UUID | None = None,
    now: datetime,
) -> None:
    """Post one entry in the caller's transaction; transfers between the same accounts are summed."""
    summed: dict[tuple[str, str, str], Minor] = {}
    for transfer in transfers:
        accounts = (transfer.debit, transfer.credit, transfer.currency)
        summed[accounts] = summed.get(accounts, 0) + transfer.amount
    entry = uuid7()
    rows = [
        {
            "id": uuid7(),
            "merchant_id": merchant_id,
            "entry_id": entry,
            "kind": kind,
            "refund_id": refund_id,
            "payout_id": payout_id,
            "reverses_id": None,
            "debit": debit,
            "credit": credit,
            "currency": currency,
            "amount_minor": amount,
            "at": now,
        }
        for (debit, credit, currency), amount in summed.items()
    ]
    if rows:
        db.session.execute(sa.insert(Transfer), rows)


def reverse(
    refund_id: UUID,
    *,
    kind: str,
    now: datetime,
    payout_id: UUID | None = None,
    kinds: Sequence[str] | None = None,
) -> int:
    """Post the exact opposite of everything posted for a refund that is not reversed yet; answers how many.

    ``payout_id`` and ``kinds`` narrow it down. Each row names the one it reverses, and the database refuses
    to reverse one twice. The refund is locked by the caller, whose transaction this is part of.
    """
    undone = sa.select(Transfer.reverses_id).where(
        Transfer.refund_id == refund_id, Transfer.reverses_id.is_not(None)
    )
    wanted = sa.select(Transfer).where(
        Transfer.refund_id == refund_id, Transfer.reverses_id.is_(None), Transfer.id.not_in(undone)
    )
    if payout_id is not None:
        wanted = wanted.where(Transfer.payout_id == payout_id)
    if kinds is not None:
        wanted = wanted.where(Transfer.kind.in_(kinds))
    entry = uuid7()
    rows = [
        {
            "id": uuid7(),
            "merchant_id": row.merchant_id,
            "entry_id": entry,
            "kind": kind,
            "refund_id": row.refund_id,
            "payout_id": row.payout_id,
            "reverses_id": row.id,
            "debit": row.credit,
            "credit": row.debit,
            "currency": row.currency,
            "amount_minor": row.amount_minor,
            "at": now,
        }
        for row in db.session.scalars(wanted.order_by(Transfer.id)).all()
    ]
    if rows:
        db.session.execute(sa.insert(Transfer), rows)
    return len(rows)


def of_refund(refund_id: UUID, kind: str | None = None) -> Sequence[ledger.Transfer]:
    """What was posted for a refund, oldest first."""
    wanted = sa.select(Transfer).where(Transfer.refund_id == refund_id).order_by(Transfer.id)
    if kind is not None:
        wanted = wanted.where(Transfer.kind == kind)
    return [
        ledger.Transfer(debit=row.debit, credit=row.credit, amount=row.amount_minor, currency=row.currency)
        for row in db.session.scalars(wanted)
    ]


def failed(amount: Minor, currency: str) -> ledger.Transfer:
    """A transfer that did not arrive: still owed, and nothing of it is on its way."""
    return ledger.unpaid(amount, currency)

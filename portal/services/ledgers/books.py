"""The ledger: what a refund decided and moved, posted as transfers that nobody changes afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.intake import number_key
from portal.core.money import Minor
from portal.core.refunds import ledger
from portal.core.refunds.ledger import UNPAID as UNPAID
from portal.db import orders as stored_orders
from portal.db.base import db, uuid7
from portal.db.merchants import Merchant
from portal.db.orders import Order, Payment
from portal.db.refunds import Payout, Refund, Transfer
from portal.services import scope


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


# ------------------------------------------------------------------------------------------------ balances


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What was posted to one account in one currency, in minor units."""

    account: str
    currency: str
    debit: Minor
    credit: Minor

    @property
    def amount(self) -> Minor:
        """Debits less credits; over all accounts of a currency they sum to zero."""
        return self.debit - self.credit


def balance(
    actor: Actor,
    merchant_id: UUID,
    *,
    order_id: UUID | None = None,
    payment_id: UUID | None = None,
    since: date | None = None,
    until: date | None = None,
) -> tuple[Balance, ...]:
    """The balance of each account and currency: of the whole ledger, an order, a payment, a period.

    Days are the merchant's, ``until`` inclusive. Raises ``NotFound`` for an order or payment that is not the
    merchant's, ``NotAllowed`` without ``finance.read``.
    """
    scope.require(actor, "finance.read", merchant_id)
    tests: list[sa.ColumnElement[bool]] = [
        Transfer.merchant_id == merchant_id,
        *period(merchant_id, since, until),
    ]
    if order_id is not None:
        _of_merchant(Order, order_id, merchant_id)
        tests.append(Transfer.refund_id.in_(sa.select(Refund.id).where(Refund.order_id == order_id)))
    if payment_id is not None:
        _of_merchant(Payment, payment_id, merchant_id)
        tests.append(Transfer.payout_id.in_(sa.select(Payout.id).where(Payout.payment_id == payment_id)))
    nothing, zero = sa.literal(0), sa.func.sum
    sides = sa.union_all(
        *(
            sa.select(
                side.label("account"),
                Transfer.currency,
                (zero(Transfer.amount_minor) if side is Transfer.debit else nothing).label("debit"),
                (zero(Transfer.amount_minor) if side is Transfer.credit else nothing).label("credit"),
            )
            .where(*tests)
            .group_by(side, Transfer.currency)
            for side in (Transfer.debit, Transfer.credit)
        )
    ).subquery()
    summed = (
        sa.select(sides.c.account, sides.c.currency, zero(sides.c.debit), zero(sides.c.credit))
        .group_by(sides.c.account, sides.c.currency)
        .order_by(sides.c.currency, sides.c.account)
    )
    return tuple(
        Balance(account=account, currency=currency, debit=int(debit), credit=int(credit))
        for account, currency, debit, credit in db.session.execute(summed)
    )


def period(merchant_id: UUID, since: date | None, until: date | None) -> list[sa.ColumnElement[bool]]:
    """The transfers posted from the start of ``since`` to the end of ``until``, days where the merchant is."""
    if since is None and until is None:
        return []
    name = db.session.scalar(sa.select(Merchant.zone).where(Merchant.id == merchant_id))
    zone = ZoneInfo(name or "UTC")
    tests: list[sa.ColumnElement[bool]] = []
    if since is not None:
        tests.append(Transfer.at >= datetime.combine(since, time(), zone).astimezone(UTC))
    if until is not None:
        tests.append(Transfer.at < datetime.combine(until + timedelta(days=1), time(), zone).astimezone(UTC))
    return tests


def _of_merchant(table: type[Order] | type[Payment], row_id: UUID, merchant_id: UUID) -> None:
    if db.session.scalar(sa.select(table.merchant_id).where(table.id == row_id)) != merchant_id:
        raise NotFound


def order_of(actor: Actor, merchant_id: UUID, number: str) -> UUID:
    """The newest order with that number. Raises ``NotFound``."""
    scope.require(actor, "finance.read", merchant_id)
    found = stored_orders.by_number(merchant_id, number_key(number))
    if not found:
        raise NotFound
    return found[0].id


def payment_of(actor: Actor, merchant_id: UUID, reference: str) -> UUID:
    """The payment whose capture has that reference at its provider. Raises ``NotFound``."""
    scope.require(actor, "finance.read", merchant_id)
    wanted = sa.select(Payment.id).where(Payment.merchant_id == merchant_id, Payment.reference == reference)
    found = db.session.scalar(wanted.order_by(Payment.id).limit(1))
    if found is None:
        raise NotFound
    return found

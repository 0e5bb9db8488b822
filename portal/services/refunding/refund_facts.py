"""Refunds as people see them: what was decided, by whom, and how far the money is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.approvals import Approval
from portal.core.money import Minor
from portal.core.refunds import overrides as overriding
from portal.core.refunds.breakdown import Breakdown, from_json
from portal.core.refunds.overrides import Overrides
from portal.db import orders
from portal.db.base import db
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.services import scope
from portal.services.paying import approvals


@dataclass(frozen=True, kw_only=True)
class PayoutFacts:
    """One transfer as people see it."""

    id: UUID
    state: str
    amount: Minor
    currency: str
    provider: str
    tender: str
    label: str
    reference: str
    error: str
    settled_at: datetime | None
    payment_id: UUID | None = None
    mode: str = "captured"
    """``authorized`` or ``due``: never charged, so it is let go or owed no more, and no refund."""
    bank_reference: str = ""
    """With which the customer's bank finds it."""
    sent_at: datetime | None = None
    next_check_at: datetime | None = None
    arrives_on: date | None = None
    destination: Mapping[str, Any] = field(default_factory=dict)
    in_batch: bool = False
    """Collected for the bank and not let go yet: until the batch is released or given up nothing else is done."""
    is_current: bool = True
    """False for one whose place another took."""


@dataclass(frozen=True, kw_only=True)
class RefundFacts:
    """One refund as people see it, with its breakdown, who stands behind it, and its transfers."""

    id: UUID
    merchant_id: UUID
    return_id: UUID | None
    number: str
    state: str
    currency: str
    amount: Minor
    breakdown: Breakdown
    reason: str
    created_at: datetime
    created_by: str
    approved_at: datetime | None
    succeeded_at: datetime | None
    error: str
    payouts: tuple[PayoutFacts, ...]
    approvals: tuple[Approval, ...]
    digest: str
    """What is approved: an approval of anything else does not count."""
    overrides: Overrides = Overrides()
    return_number: str = ""
    customer: str = ""

    @property
    def current(self) -> tuple[PayoutFacts, ...]:
        """The transfers that count: a retry takes the place of what it retries."""
        return tuple(payout for payout in self.payouts if payout.is_current)


def of_return(return_id: UUID) -> tuple[RefundFacts, ...]:
    """The refunds of a return, oldest first; the caller has passed the gate."""
    wanted = sa.select(Refund).where(Refund.return_id == return_id).order_by(Refund.id)
    return facts(db.session.scalars(wanted).all())


def listing(
    actor: Actor,
    *,
    state: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[RefundFacts, ...]:
    """Refunds of the actor's merchants, newest first; ``after`` continues a list."""
    wanted = sa.select(Refund).where(Refund.merchant_id.in_(merchants_of(actor)))
    if state:
        wanted = wanted.where(Refund.state == state)
    if after is not None:
        wanted = wanted.where(Refund.id < after)
    return facts(db.session.scalars(wanted.order_by(Refund.id.desc()).limit(limit)).all())


def merchants_of(actor: Actor) -> list[UUID]:
    """The merchants whose refunds this person sees."""
    return [one for one in actor.merchant_ids if actor.may("refunds.read", one)]


def one(actor: Actor, refund_id: UUID) -> RefundFacts:
    """One refund with its transfers. Raises ``NotFound``, ``NotAllowed``."""
    row = db.session.get(Refund, refund_id)
    if row is None:
        raise NotFound
    scope.require(actor, "refunds.read", row.merchant_id)
    return facts([row])[0]


def these(ids: Sequence[UUID]) -> tuple[RefundFacts, ...]:
    """Those refunds, oldest first; the caller has passed the gate."""
    if not ids:
        return ()
    return facts(db.session.scalars(sa.select(Refund).where(Refund.id.in_(ids)).order_by(Refund.id)).all())


def facts(rows: Sequence[Refund]) -> tuple[RefundFacts, ...]:
    """``rows`` with everything that belongs to them, in as many queries as for one."""
    if not rows:
        return ()
    transfers, given = _transfers([row.id for row in rows]), approvals.of(rows)
    named = sa.select(Return.id, Return.number, Return.name, Return.email).where(
        Return.id.in_([row.return_id for row in rows if row.return_id])
    )
    returns = {found.id: found for found in db.session.execute(named)}
    return tuple(
        RefundFacts(
            id=row.id,
            merchant_id=row.merchant_id,
            return_id=row.return_id,
            return_number=(returns[row.return_id].number or "") if row.return_id in returns else "",
            customer=(returns[row.return_id].name or returns[row.return_id].email)
            if row.return_id in returns
            else "",
            number=row.number,
            state=row.state,
            currency=row.currency,
            amount=row.amount_minor,
            breakdown=from_json(row.breakdown),
            overrides=overriding.from_json(row.overrides or {}),
            reason=row.reason,
            created_at=row.created_at,
            created_by=row.created_by_name,
            approved_at=row.approved_at,
            succeeded_at=row.succeeded_at,
            error=row.error,
            payouts=transfers.get(row.id, ()),
            approvals=given.get(row.id, ()),
            digest=approvals.digest(row),
        )
        for row in rows
    )


def _transfers(refund_ids: Sequence[UUID]) -> dict[UUID, tuple[PayoutFacts, ...]]:
    """Refund -> its transfers, oldest first."""
    found: dict[UUID, list[PayoutFacts]] = {}
    wanted = (
        sa.select(Payout, Payment.tender, Payment.label)
        .outerjoin(Payment, Payment.id == Payout.payment_id)
        .where(Payout.refund_id.in_(refund_ids))
        .order_by(Payout.created_at, Payout.id)
    )
    rows = db.session.execute(wanted).all()
    last = {(payout.refund_id, payout.payment_id): payout.id for payout, _, _ in rows}
    for payout, tender, label in rows:
        found.setdefault(payout.refund_id, []).append(
            PayoutFacts(
                id=payout.id,
                state=payout.state,
                amount=payout.amount_minor,
                currency=payout.currency,
                provider=payout.provider,
                tender=tender or payout.provider,
                label=label or "",
                reference=payout.provider_reference,
                error=payout.error,
                settled_at=payout.settled_at,
                payment_id=payout.payment_id,
                mode=payout.mode,
                bank_reference=payout.bank_reference,
                sent_at=payout.sent_at,
                next_check_at=payout.next_check_at,
                arrives_on=payout.arrives_on,
                destination=payout.destination or {},
                in_batch=payout.state == "planned" and payout.batch_id is not None,
                is_current=last[payout.refund_id, payout.payment_id] == payout.id,
            )
        )
    return {refund_id: tuple(payouts) for refund_id, payouts in found.items()}


def of_order(actor: Actor, order_id: UUID) -> tuple[RefundFacts, ...]:
    """The refunds of an order, oldest first. Raises ``NotFound``, ``NotAllowed``."""
    head = orders.head(order_id)
    if head is None:
        raise NotFound
    scope.require(actor, "refunds.read", head.merchant_id)
    wanted = sa.select(Refund).where(Refund.order_id == order_id).order_by(Refund.id)
    return facts(db.session.scalars(wanted).all())

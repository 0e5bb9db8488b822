"""Refunds owed, the transfers that pay them, and the ledger they are posted to."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import PAYOUT, REFUND
from portal.db.base import Base, Json, UtcTime, amount, db, key, merchant_key, state_of, within_merchant


class Refund(Base):
    """What is owed for one return, with the breakdown that explains it."""

    __tablename__ = "refunds"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        state_of(REFUND),
        sa.CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        sa.Index("ix_refunds_return", "return_id"),
        sa.Index("ix_refunds_order", "order_id"),
        sa.Index("ix_refunds_queue", "merchant_id", "state", "id"),
        sa.Index("ix_refunds_succeeded", "merchant_id", "succeeded_at", "state", "return_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_id: Mapped[UUID | None]
    return_id: Mapped[UUID | None]
    number: Mapped[str] = mapped_column(sa.String(20), unique=True)
    state: Mapped[str] = mapped_column(sa.String(20), default="pending_approval")
    currency: Mapped[str] = mapped_column(sa.String(3))
    amount_minor: Mapped[int] = amount()
    breakdown: Mapped[dict[str, Any]] = mapped_column(Json)
    overrides: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """What a person decided differently from what is worked out (core.overrides); part of what is approved."""
    revised_by: Mapped[list[str]] = mapped_column(Json, default=list)
    """Who changed it while it waited: as little as who made it may they approve it above the threshold."""
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    created_by: Mapped[UUID | None]
    created_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    approved_at: Mapped[datetime | None] = mapped_column(UtcTime)
    approved_by: Mapped[UUID | None]
    succeeded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    error: Mapped[str] = mapped_column(sa.String(500), default="")
    version: Mapped[int] = mapped_column(default=1)


class RefundLine(Base):
    """The part of a refund that belongs to one order line: which units, how much, how much tax."""

    __tablename__ = "refund_lines"
    __table_args__ = (
        within_merchant("refunds", "refund_id"),
        within_merchant("order_lines", "order_line_id"),
        sa.UniqueConstraint("refund_id", "order_line_id"),
        sa.CheckConstraint("amount_minor >= 0 AND withheld_minor >= 0", name="not_negative"),
        sa.Index("ix_refund_lines_order_line", "order_line_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    refund_id: Mapped[UUID]
    order_line_id: Mapped[UUID]
    spans: Mapped[list[list[int]]] = mapped_column(Json, default=list)
    amount_minor: Mapped[int] = amount()
    taxes: Mapped[list[list[Any]]] = mapped_column(Json, default=list)
    """[[label, amount]]"""
    withheld_minor: Mapped[int] = amount()
    adjusted: Mapped[list[list[int]]] = mapped_column(Json, default=list, server_default="[]")
    """[[first, end, amount]]: of ``amount_minor``, what was given for units that are kept."""
    promotion_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    """Withheld (or, below zero, given back) since promotions were judged anew."""


class Approval(Base):
    """One person's yes to one refund exactly as it stands; a change of the refund voids it."""

    __tablename__ = "refund_approvals"
    __table_args__ = (
        within_merchant("refunds", "refund_id"),
        sa.UniqueConstraint("refund_id", "person_id", "digest"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    refund_id: Mapped[UUID]
    person_id: Mapped[UUID]
    person_name: Mapped[str] = mapped_column(sa.String(200), default="")
    role: Mapped[str] = mapped_column(sa.String(20))
    amount_minor: Mapped[int] = amount()
    digest: Mapped[str] = mapped_column(sa.String(64))
    """Of the breakdown that was approved."""
    at: Mapped[datetime] = mapped_column(UtcTime)
    void: Mapped[bool] = mapped_column(default=False)


class Payout(Base):
    """One transfer to one payment. ``key`` is the idempotency key at the provider, for ever the same."""

    __tablename__ = "payouts"
    __table_args__ = (
        within_merchant("refunds", "refund_id"),
        within_merchant("payments", "payment_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        within_merchant("transfer_batches", "batch_id"),
        state_of(PAYOUT),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.CheckConstraint("mode IN ('captured', 'authorized', 'due')", name="mode_known"),
        sa.Index("ix_payouts_refund", "refund_id"),
        sa.Index("ix_payouts_payment", "payment_id"),
        sa.Index("ix_payouts_next_check", "next_check_at"),
        sa.Index("ix_payouts_reference", "provider", "provider_reference"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    refund_id: Mapped[UUID]
    payment_id: Mapped[UUID | None]
    """None: a bonus, which no payment paid for."""
    mode: Mapped[str] = mapped_column(sa.String(12), default="captured", server_default="captured")
    """What it takes from its payment: money that was ``captured``; what is only ``authorized``, which is let go;
    what is still ``due``, of which the customer owes less then."""
    state: Mapped[str] = mapped_column(sa.String(20), default="planned")
    amount_minor: Mapped[int] = amount()
    currency: Mapped[str] = mapped_column(sa.String(3))
    provider: Mapped[str] = mapped_column(sa.String(30))
    provider_reference: Mapped[str] = mapped_column(sa.String(100), default="")
    key: Mapped[str] = mapped_column(sa.String(64), unique=True)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(sa.String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the gateway was first asked: its memory of the key counts from there."""
    lost_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When its answer was last lost: a look-up soon after may not show yet what took effect."""
    checked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    next_check_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the gateway is asked again what became of it; None: nothing more is expected."""
    arrives_on: Mapped[date | None]
    """By when the money is there, as told to the customer."""
    bank_reference: Mapped[str] = mapped_column(sa.String(100), default="", server_default="")
    """With which the customer's bank finds it (a card's ARN, a transfer's end-to-end id)."""
    destination: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """Where it goes when that is not the payment itself: holder, iban, bic."""
    batch_id: Mapped[UUID | None]


class Transfer(Base):
    """One posting with both sides on one row, so that no posting can fail to balance. Append-only."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.CheckConstraint("debit <> credit", name="two_accounts"),
        sa.Index("ix_ledger_transfers_refund", "refund_id"),
        sa.Index("ix_ledger_transfers_merchant", "merchant_id", "id"),
        sa.Index("ix_ledger_transfers_payout", "payout_id"),
        sa.Index("ix_ledger_transfers_at", "merchant_id", "at"),
        sa.Index("ix_ledger_transfers_reverses", "reverses_id", unique=True),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    entry_id: Mapped[UUID]
    """Transfers that were posted together."""
    kind: Mapped[str] = mapped_column(sa.String(30))
    """refund_decided, payout_settled, or the reversal of either."""
    refund_id: Mapped[UUID | None]
    payout_id: Mapped[UUID | None]
    reverses_id: Mapped[UUID | None]
    """The posting whose exact opposite this is; no posting is reversed twice."""
    debit: Mapped[str] = mapped_column(sa.String(60))
    credit: Mapped[str] = mapped_column(sa.String(60))
    amount_minor: Mapped[int] = amount()
    currency: Mapped[str] = mapped_column(sa.String(3))
    at: Mapped[datetime] = mapped_column(UtcTime)


def holding(order_ids: Iterable[UUID]) -> list[tuple[UUID, UUID, dict[str, Any]]]:
    """(refund, order, breakdown) of every refund of these orders that was not given up."""
    wanted = sa.select(Refund.id, Refund.order_id, Refund.breakdown).where(
        Refund.order_id.in_(list(order_ids)), Refund.state != "canceled"
    )
    return [(row.id, row.order_id, row.breakdown) for row in db.session.execute(wanted)]


def latest_payouts(refund_ids: Iterable[UUID]) -> list[Payout]:
    """Per refund and payment the transfer that was made last."""
    wanted = sa.select(Payout).where(Payout.refund_id.in_(list(refund_ids)))
    rows = db.session.scalars(wanted.order_by(Payout.created_at, Payout.id))
    return list({(row.refund_id, row.payment_id): row for row in rows}.values())

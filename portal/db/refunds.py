"""Refunds owed, the transfers that pay them, and the ledger they are posted to."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import PAYOUT, REFUND
from portal.db.base import Base, Json, UtcTime, amount, key, merchant_key, state_of, within_merchant


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
        sa.Index("ix_refunds_queue", "merchant_id", "state", "id"),
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


class Payout(Base):
    """One transfer to one payment. ``key`` is the idempotency key at the provider, for ever the same."""

    __tablename__ = "payouts"
    __table_args__ = (
        within_merchant("refunds", "refund_id"),
        within_merchant("payments", "payment_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        state_of(PAYOUT),
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    refund_id: Mapped[UUID]
    payment_id: Mapped[UUID]
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


class Transfer(Base):
    """One posting with both sides on one row, so that no posting can fail to balance. Append-only."""

    __tablename__ = "ledger_transfers"
    __table_args__ = (
        sa.CheckConstraint("amount_minor > 0", name="amount_positive"),
        sa.CheckConstraint("debit <> credit", name="two_accounts"),
        sa.Index("ix_ledger_transfers_refund", "refund_id"),
        sa.Index("ix_ledger_transfers_merchant", "merchant_id", "id"),
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
    debit: Mapped[str] = mapped_column(sa.String(60))
    credit: Mapped[str] = mapped_column(sa.String(60))
    amount_minor: Mapped[int] = amount()
    currency: Mapped[str] = mapped_column(sa.String(3))
    at: Mapped[datetime] = mapped_column(UtcTime)

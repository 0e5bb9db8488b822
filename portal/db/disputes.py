"""Disputes: what a customer contests about a return, what was offered, and how it ended."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import DISPUTE, OFFER
from portal.db.base import Base, UtcTime, amount, key, merchant_key, state_of, whole, within_merchant


class Dispute(Base):
    """One contest of one return; at most one is open at a time."""

    __tablename__ = "disputes"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("number"),
        sa.UniqueConstraint("nonce"),
        state_of(DISPUTE),
        sa.Index("ix_disputes_queue", "merchant_id", "state", "due_at"),
        sa.Index("ix_disputes_opened", "merchant_id", "opened_at"),
        sa.Index("ix_disputes_return", "return_id"),
        sa.Index(
            "ix_disputes_one_open",
            "return_id",
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        ),
        sa.CheckConstraint("settled_minor >= 0", name="settled_not_negative"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    refund_id: Mapped[UUID | None]
    """The refund that is contested; None where none was made."""
    number: Mapped[str] = mapped_column(sa.String(20))
    state: Mapped[str] = mapped_column(sa.String(24), default="open")
    ground: Mapped[str] = mapped_column(sa.String(20))
    """core.disputes.GROUNDS: amount, deduction, refusal, missing_refund, other."""
    wanted: Mapped[str] = mapped_column(sa.String(20), default="")
    """core.disputes.WISHES."""
    claimed_minor: Mapped[int | None] = mapped_column(sa.BigInteger)
    """What the customer says is owed on top; None where they name no amount."""
    body: Mapped[str] = mapped_column(sa.Text, default="")
    opened_at: Mapped[datetime] = mapped_column(UtcTime)
    opened_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    due_at: Mapped[datetime] = mapped_column(UtcTime)
    """When the merchant has promised to have answered."""
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    escalated_at: Mapped[datetime | None] = mapped_column(UtcTime)
    escalated_because: Mapped[str] = mapped_column(sa.Text, default="")
    outcome: Mapped[str] = mapped_column(sa.String(30), default="")
    """core.disputes.OUTCOMES."""
    outcome_message: Mapped[str] = mapped_column(sa.Text, default="")
    settled_minor: Mapped[int] = amount()
    settlement_id: Mapped[UUID | None]
    """The refund that paid what was agreed."""
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    closed_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    nonce: Mapped[str | None] = mapped_column(sa.String(40))
    version: Mapped[int] = mapped_column(default=1)


class DisputeLine(Base):
    """One contested line of the return."""

    __tablename__ = "dispute_lines"
    __table_args__ = (
        within_merchant("disputes", "dispute_id"),
        within_merchant("return_lines", "return_line_id"),
        sa.UniqueConstraint("dispute_id", "return_line_id"),
        sa.CheckConstraint("units > 0", name="some"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    dispute_id: Mapped[UUID]
    return_line_id: Mapped[UUID]
    units: Mapped[int] = whole()
    ground: Mapped[str] = mapped_column(sa.String(20))
    claimed_minor: Mapped[int | None] = mapped_column(sa.BigInteger)
    body: Mapped[str] = mapped_column(sa.Text, default="")


class Offer(Base):
    """An amount that one side offers to settle a dispute with; an answer ends it, and so does its date."""

    __tablename__ = "dispute_offers"
    __table_args__ = (
        within_merchant("disputes", "dispute_id"),
        state_of(OFFER),
        sa.CheckConstraint("amount_minor > 0", name="some"),
        sa.CheckConstraint("by_side IN ('merchant', 'customer')", name="side_known"),
        sa.Index("ix_dispute_offers_dispute", "dispute_id", "id"),
        sa.Index("ix_dispute_offers_expires", "expires_at"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    dispute_id: Mapped[UUID]
    by_side: Mapped[str] = mapped_column(sa.String(10))
    by_id: Mapped[UUID | None]
    by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    amount_minor: Mapped[int] = amount()
    """On top of what was refunded already."""
    body: Mapped[str] = mapped_column(sa.Text, default="")
    state: Mapped[str] = mapped_column(sa.String(12), default="open")
    at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_by_name: Mapped[str] = mapped_column(sa.String(200), default="")

"""What payment gateways told us: events as they came, and chargebacks."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, UtcTime, amount, key, merchant_key, within_merchant


class GatewayEvent(Base):
    """One verified event, stored once however often it is delivered; only a hint to look and see."""

    __tablename__ = "gateway_events"
    __table_args__ = (
        sa.UniqueConstraint("provider", "event_id"),
        sa.Index("ix_gateway_events_received", "received_at"),
    )

    id: Mapped[UUID] = key()
    provider: Mapped[str] = mapped_column(sa.String(30))
    event_id: Mapped[str] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(20))
    """refund, dispute, other"""
    reference: Mapped[str] = mapped_column(sa.String(100), default="")
    key: Mapped[str] = mapped_column(sa.String(64), default="")
    capture: Mapped[str] = mapped_column(sa.String(100), default="")
    also: Mapped[str] = mapped_column(sa.String(100), default="")
    """Another name of the same capture."""
    amount_minor: Mapped[int] = amount()
    currency: Mapped[str] = mapped_column(sa.String(3), default="")
    state: Mapped[str] = mapped_column(sa.String(20), default="")
    at: Mapped[datetime] = mapped_column(UtcTime)
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    handled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(sa.String(40), default="")


class Chargeback(Base):
    """A payment that the customer's bank disputes: its part is held until it is decided."""

    __tablename__ = "chargebacks"
    __table_args__ = (
        within_merchant("payments", "payment_id"),
        sa.UniqueConstraint("provider", "reference"),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name="state_known"),
        sa.CheckConstraint("held_minor >= 0 AND held_minor <= amount_minor", name="held_disputed"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    payment_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(sa.String(30))
    reference: Mapped[str] = mapped_column(sa.String(100))
    amount_minor: Mapped[int] = amount()
    held_minor: Mapped[int] = amount()
    """As much of it as was not refunded by then."""
    currency: Mapped[str] = mapped_column(sa.String(3))
    state: Mapped[str] = mapped_column(sa.String(10), default="open")
    opened_at: Mapped[datetime] = mapped_column(UtcTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)

"""What the shops' own systems are told: queued with the change, sent by durable work, kept as sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import MAIL
from portal.db.base import Base, Json, UtcTime, key, merchant_key, state_of, within_merchant


class ChannelMessage(Base):
    """One thing that the channel of an order is told; its id is the idempotency key."""

    __tablename__ = "channel_messages"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        within_merchant("returns", "return_id"),
        state_of(MAIL),
        sa.Index("ix_channel_messages_order", "order_id"),
        sa.Index("ix_channel_messages_queue", "merchant_id", "state", "id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_id: Mapped[UUID]
    return_id: Mapped[UUID | None]
    topic: Mapped[str] = mapped_column(sa.String(60))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(sa.String(10), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(sa.String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)

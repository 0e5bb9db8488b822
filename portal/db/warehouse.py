"""What warehouses told us: events as they came."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key


class WarehouseEvent(Base):
    """One verified event, stored once however often it is delivered."""

    __tablename__ = "warehouse_events"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "warehouse", "event_id"),
        sa.Index("ix_warehouse_events_received", "received_at"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    warehouse: Mapped[str] = mapped_column(sa.String(30))
    event_id: Mapped[str] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(20))
    order_ref: Mapped[str] = mapped_column(sa.String(100), default="")
    payload: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    at: Mapped[datetime] = mapped_column(UtcTime)
    received_at: Mapped[datetime] = mapped_column(UtcTime)
    handled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    outcome: Mapped[str] = mapped_column(sa.String(40), default="")

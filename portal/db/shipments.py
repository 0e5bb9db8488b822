"""Parcels on their way back, their documents, and what the carrier said."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import SHIPMENT
from portal.db.base import Base, Json, UtcTime, amount, key, merchant_key, state_of, within_merchant


class Shipment(Base):
    """One parcel of one return."""

    __tablename__ = "shipments"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        state_of(SHIPMENT),
        sa.Index("ix_shipments_tracking", "merchant_id", "tracking_number"),
        sa.Index("ix_shipments_return", "return_id"),
        sa.Index("ix_shipments_asked", "asked_at"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    carrier: Mapped[str] = mapped_column(sa.String(30))
    service: Mapped[str] = mapped_column(sa.String(60), default="")
    method: Mapped[str] = mapped_column(sa.String(20))
    state: Mapped[str] = mapped_column(sa.String(24), default="label_pending")
    tracking_number: Mapped[str] = mapped_column(sa.String(60), default="")
    tracking_url: Mapped[str] = mapped_column(sa.String(300), default="")
    handoff_code: Mapped[str] = mapped_column(sa.String(60), default="")
    cost_minor: Mapped[int] = amount()
    sending: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    error: Mapped[str] = mapped_column(sa.String(500), default="")
    handed_over_at: Mapped[datetime | None] = mapped_column(UtcTime)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    asked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When its carrier was last asked about it: whoever waits longest is asked first."""


class ShipmentEvent(Base):
    """One thing the carrier told; the same one twice is one row."""

    __tablename__ = "shipment_events"
    __table_args__ = (
        within_merchant("shipments", "shipment_id"),
        sa.UniqueConstraint("shipment_id", "digest"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    shipment_id: Mapped[UUID]
    digest: Mapped[str] = mapped_column(sa.String(64))
    at: Mapped[datetime] = mapped_column(UtcTime)
    status: Mapped[str] = mapped_column(sa.String(24))
    location: Mapped[str] = mapped_column(sa.String(200), default="")
    description: Mapped[str] = mapped_column(sa.String(300), default="")


class Document(Base):
    """A label, packing slip or receipt as it was made."""

    __tablename__ = "documents"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("return_id", "kind", "format", "size"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(sa.String(20))
    format: Mapped[str] = mapped_column(sa.String(4))
    size: Mapped[str] = mapped_column(sa.String(10), default="")
    content: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)

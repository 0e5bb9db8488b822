"""What a person must look at: opened by the portal, closed with a note."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key


class Task(Base):
    """One thing to be looked at; ``key`` names it among its kind, so that it is opened once."""

    __tablename__ = "tasks"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "kind", "key"),
        sa.CheckConstraint("state IN ('open', 'done')", name="state_known"),
        sa.Index("ix_tasks_open", "merchant_id", "state", "opened_at"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    kind: Mapped[str] = mapped_column(sa.String(30))
    key: Mapped[str] = mapped_column(sa.String(120))
    subject_id: Mapped[UUID | None]
    """The return, refund or payment it is about."""
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    state: Mapped[str] = mapped_column(sa.String(10), default="open")
    opened_at: Mapped[datetime] = mapped_column(UtcTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    closed_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    note: Mapped[str] = mapped_column(sa.Text, default="")

"""What a cancellation has beside its return: the customer's answer, the warehouse's, and how it went."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key, within_merchant

WAREHOUSE_STATES = ("none", "waiting", "pending", "released", "refused", "shipped")
"""``none``: no goods in a warehouse; ``waiting`` for the first answer; ``pending``: it said that it will say."""


class Cancellation(Base):
    """One row per return of a kind in ``core.facts.CANCELLATIONS``."""

    __tablename__ = "cancellations"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("return_id"),
        sa.UniqueConstraint("warehouse_key"),
        sa.Index("ix_cancellations_expires", "expires_at"),
        sa.Index("ix_cancellations_next_ask", "next_ask_at"),
        sa.CheckConstraint(
            "warehouse_state IN ({})".format(", ".join(f"'{state}'" for state in WAREHOUSE_STATES)),
            name="warehouse_state_known",
        ),
        sa.CheckConstraint("asked_by IN ('customer', 'agent')", name="asked_by_known"),
        sa.CheckConstraint("score IS NULL OR score BETWEEN 1 AND 5", name="score_known"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    asked_by: Mapped[str] = mapped_column(sa.String(10))
    """Who wants it: ``customer`` or ``agent``."""
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the customer said yes or no."""
    warehouse: Mapped[str] = mapped_column(sa.String(30), default="")
    warehouse_state: Mapped[str] = mapped_column(sa.String(12), default="none")
    warehouse_key: Mapped[str | None] = mapped_column(sa.String(64))
    """The idempotency key at the warehouse, for ever the same."""
    asked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the warehouse was first told."""
    next_ask_at: Mapped[datetime | None] = mapped_column(UtcTime)
    silent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When a person was told that it does not answer."""
    answer: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """What the warehouse said: state, code, message, lines; and who recorded it, when a person did."""
    ended: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Why it came to nothing: code, and the lines it was about."""
    totals: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Of the order, before and after, as they were confirmed (core.cancellations.Totals)."""
    score: Mapped[int | None]
    """How satisfied the customer was, 1 to 5."""
    scored_at: Mapped[datetime | None] = mapped_column(UtcTime)
    comment: Mapped[str] = mapped_column(sa.Text, default="")

"""What happened, who did it, when, to what: append-only, written in the transaction of the change."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.access import Actor
from portal.db.base import Base, Json, UtcTime, db, key, merchant_key, uuid7


class Happening(Base):
    """One row of history. ``what`` is an event topic of the vocabulary (``return.approved``)."""

    __tablename__ = "history"
    __table_args__ = (
        sa.Index("ix_history_subject", "subject_id", "id"),
        sa.Index("ix_history_what", "merchant_id", "what", "id"),
        sa.Index("ix_history_chain", "merchant_id", "sequence", unique=True),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    subject_id: Mapped[UUID]
    """The return, refund or order it happened to."""
    at: Mapped[datetime] = mapped_column(UtcTime)
    what: Mapped[str] = mapped_column(sa.String(60))
    actor_kind: Mapped[str] = mapped_column(sa.String(20))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(sa.String(200), default="")
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    changed: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """field -> [before, after]."""
    sequence: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Its place in the merchant's chain, from 1 without gaps."""
    content: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    """SHA-256 of what it says."""
    digest: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    """SHA-256 of the digest before it and ``content``."""


class HistoryHead(Base):
    """The end of a merchant's chain; its ``sequence`` is also how anybody sees that something changed."""

    __tablename__ = "history_heads"
    __table_args__ = (sa.PrimaryKeyConstraint("merchant_id"),)

    merchant_id: Mapped[UUID] = merchant_key()
    sequence: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    digest: Mapped[str] = mapped_column(sa.String(64), default="")


def record(
    actor: Actor, what: str, *, merchant_id: UUID, subject_id: UUID, now: datetime, **details: object
) -> None:
    """Write one happening into the caller's transaction. ``details`` are JSON values."""
    db.session.execute(
        sa.insert(Happening).values(
            id=uuid7(),
            merchant_id=merchant_id,
            subject_id=subject_id,
            at=now,
            what=what,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=actor.name,
            details=details,
        )
    )


def of(subject_ids: list[UUID]) -> list[Happening]:
    """The history of these, oldest first."""
    found = sa.select(Happening).where(Happening.subject_id.in_(subject_ids)).order_by(Happening.id)
    return list(db.session.scalars(found))

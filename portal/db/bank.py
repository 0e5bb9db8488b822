"""Refunds that go out as bank transfers: batches that one person makes and another releases."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import BATCH
from portal.db.base import Base, UtcTime, amount, key, merchant_key, state_of, whole


class TransferBatch(Base):
    """One file for the bank. Its content never changes once it is made; ``digest`` proves it."""

    __tablename__ = "transfer_batches"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("merchant_id", "number"),
        state_of(BATCH),
        sa.CheckConstraint("released_by IS NULL OR released_by <> created_by", name="two_people"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    number: Mapped[str] = mapped_column(sa.String(30))
    state: Mapped[str] = mapped_column(sa.String(20), default="open")
    currency: Mapped[str] = mapped_column(sa.String(3))
    amount_minor: Mapped[int] = amount()
    transfers: Mapped[int] = whole()
    file: Mapped[str] = mapped_column(sa.Text, default="")
    digest: Mapped[str] = mapped_column(sa.String(64), default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    created_by: Mapped[UUID]
    created_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    released_at: Mapped[datetime | None] = mapped_column(UtcTime)
    released_by: Mapped[UUID | None]
    released_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    executed_at: Mapped[datetime | None] = mapped_column(UtcTime)

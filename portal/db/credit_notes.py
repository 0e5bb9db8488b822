"""Credit notes as they were issued: numbered without gaps per merchant, and never changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key, within_merchant


class CreditNoteRow(Base):
    """One document: the credit note of a refund, or the reversal of one that was given up after all."""

    __tablename__ = "credit_notes"
    __table_args__ = (
        within_merchant("refunds", "refund_id"),
        sa.UniqueConstraint("refund_id", "kind"),
        sa.UniqueConstraint("merchant_id", "sequence"),
        sa.UniqueConstraint("merchant_id", "number"),
        sa.CheckConstraint("kind IN ('credit_note', 'reversal')", name="kind_known"),
        sa.CheckConstraint("sequence > 0", name="sequence_positive"),
        sa.Index("ix_credit_notes_issued", "merchant_id", "issued_at"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    refund_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(sa.String(20), default="credit_note")
    sequence: Mapped[int]
    number: Mapped[str] = mapped_column(sa.String(20))
    issued_at: Mapped[datetime] = mapped_column(UtcTime)
    content: Mapped[dict[str, Any]] = mapped_column(Json)
    """``core.credit_notes.CreditNote`` as it was issued: XML and PDF are made of it, always the same."""

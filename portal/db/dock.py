"""What arrived at the dock and was not announced: too many, something else, or a parcel nobody knows."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, UtcTime, key, merchant_key, within_merchant

UNEXPECTED_KINDS = ("surplus", "other_item", "unknown_parcel")
UNEXPECTED_STATES = ("open", "matched", "sent_back", "restocked", "disposed")


class Unexpected(Base):
    """Goods that came without having been announced; isolated until somebody decides about them."""

    __tablename__ = "unexpected_items"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("nonce"),
        sa.CheckConstraint(
            "kind IN ({})".format(", ".join(f"'{one}'" for one in UNEXPECTED_KINDS)), name="kind_known"
        ),
        sa.CheckConstraint(
            "state IN ({})".format(", ".join(f"'{one}'" for one in UNEXPECTED_STATES)), name="state_known"
        ),
        sa.CheckConstraint("units > 0", name="some"),
        sa.Index("ix_unexpected_items_open", "merchant_id", "state", "id"),
        sa.Index("ix_unexpected_items_return", "return_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(sa.String(20))
    state: Mapped[str] = mapped_column(sa.String(12), default="open")
    code: Mapped[str] = mapped_column(sa.String(100), default="")
    """What was scanned: the label or tracking number of a parcel nobody knows."""
    sku: Mapped[str] = mapped_column(sa.String(100), default="")
    name: Mapped[str] = mapped_column(sa.String(300), default="")
    units: Mapped[int]
    grade: Mapped[str] = mapped_column(sa.String(1), default="")
    note: Mapped[str] = mapped_column(sa.Text, default="")
    decision_note: Mapped[str] = mapped_column(sa.Text, default="")
    at: Mapped[datetime] = mapped_column(UtcTime)
    by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UtcTime)
    decided_by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    nonce: Mapped[str | None] = mapped_column(sa.String(40))
    version: Mapped[int] = mapped_column(default=1)

"""Pictures that belong to a message, a dispute, an inspection or a parcel; kept outside the web root."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, UtcTime, key, merchant_key, within_merchant

SUBJECTS = ("message", "dispute", "inspection", "unexpected")


class Picture(Base):
    """One picture, re-encoded without place and time. ``subject_id`` is the row it belongs to."""

    __tablename__ = "pictures"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.CheckConstraint(
            "subject IN ({})".format(", ".join(f"'{one}'" for one in SUBJECTS)), name="subject_known"
        ),
        sa.Index("ix_pictures_subject", "subject_id"),
        sa.Index("ix_pictures_return", "return_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID | None]
    """None for a parcel that nobody knows yet."""
    subject: Mapped[str] = mapped_column(sa.String(12))
    subject_id: Mapped[UUID]
    return_line_id: Mapped[UUID | None]
    by_customer: Mapped[bool] = mapped_column(default=False)
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcTime)

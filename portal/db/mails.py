"""Messages: queued with the change that causes them, sent by durable work, kept as they were sent."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.lifecycles import MAIL
from portal.db.base import Base, Json, UtcTime, key, merchant_key, state_of


class Mail(Base):
    """One message. Links stand in it as markers with their id: the token is put in when it is sent."""

    __tablename__ = "mails"
    __table_args__ = (
        state_of(MAIL),
        sa.Index("ix_mails_return", "return_id"),
        sa.Index("ix_mails_log", "merchant_id", "state", "id"),
        sa.Index("ix_mails_recipient", "merchant_id", "recipient", "id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID | None]
    refund_id: Mapped[UUID | None]
    event: Mapped[str] = mapped_column(sa.String(40))
    """The folder of templates/email."""
    language: Mapped[str] = mapped_column(sa.String(10))
    recipient: Mapped[str] = mapped_column(sa.String(254))
    values: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """What the templates need, as JSON values."""
    subject: Mapped[str] = mapped_column(sa.String(300), default="")
    text: Mapped[str] = mapped_column(sa.Text, default="")
    html: Mapped[str] = mapped_column(sa.Text, default="")
    message_id: Mapped[str] = mapped_column(sa.String(100))
    envelope: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """How it was handed to the mail server: headers by name, and what was attached."""
    state: Mapped[str] = mapped_column(sa.String(10), default="queued")
    error: Mapped[str] = mapped_column(sa.String(500), default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcTime)

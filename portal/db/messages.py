"""What customer and people write to each other about a return, with the words they have ready."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key, within_merchant

MESSAGE_KINDS = ("customer", "agent", "request", "note")


class Entry(Base):
    """One entry of a return's thread. A ``note`` is for people only; a ``request`` waits for an answer."""

    __tablename__ = "thread_entries"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("nonce"),
        sa.CheckConstraint(
            "kind IN ({})".format(", ".join(f"'{kind}'" for kind in MESSAGE_KINDS)), name="kind_known"
        ),
        sa.Index("ix_thread_entries_return", "return_id", "id"),
        sa.Index("ix_thread_entries_due", "outcome", "due_at"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(sa.String(10))
    body: Mapped[str] = mapped_column(sa.Text)
    author_id: Mapped[UUID | None]
    author_name: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[datetime] = mapped_column(UtcTime)
    asks: Mapped[list[str]] = mapped_column(Json, default=list)
    """Of a request: what is asked for, as codes (``photo``, ``answer``)."""
    line_ids: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")
    """Of a request for photos: the lines they shall show."""
    outcome: Mapped[str] = mapped_column(sa.String(12), default="", server_default="")
    """Of a request: empty while it waits, then ``answered``, ``withdrawn``, ``expired`` or ``decided``."""
    due_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answers_id: Mapped[UUID | None]
    """Of a customer's message: the request it answers."""
    read_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the other side first saw it."""
    mail_id: Mapped[UUID | None]
    nonce: Mapped[str | None] = mapped_column(sa.String(40))
    """Of the form that wrote it: the same form twice writes once."""


class CannedAnswer(Base):
    """A text that people have ready, per language."""

    __tablename__ = "canned_answers"
    __table_args__ = (sa.UniqueConstraint("merchant_id", "id"), sa.UniqueConstraint("merchant_id", "name"))

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    name: Mapped[str] = mapped_column(sa.String(80))
    texts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """language -> text, with ``{placeholders}``."""
    uses: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_by_name: Mapped[str] = mapped_column(sa.String(200), default="")


class Playbook(Base):
    """What a merchant's people should tell the customer at one step; without a row the built-in text counts."""

    __tablename__ = "playbooks"
    __table_args__ = (sa.UniqueConstraint("merchant_id", "step"),)

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    step: Mapped[str] = mapped_column(sa.String(40))
    texts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """language -> text."""
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_by_name: Mapped[str] = mapped_column(sa.String(200), default="")

"""How people arrange their work: saved lists, tags, who is looking at what, words to search by."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key, within_merchant


class SavedView(Base):
    """A list as somebody wants it again: the address's filters, sort and columns, under a name."""

    __tablename__ = "saved_views"
    __table_args__ = (
        sa.UniqueConstraint("person_id", "name"),
        sa.Index("ix_saved_views_shared", "merchant_id", "shared"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    """Whose people see it when it is shared; all the owner's merchants are listed by it."""
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    name: Mapped[str] = mapped_column(sa.String(60))
    shared: Mapped[bool] = mapped_column(default=False)
    query: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class ReturnTag(Base):
    """One word that people put on a return."""

    __tablename__ = "return_tags"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("return_id", "tag"),
        sa.Index("ix_return_tags_tag", "merchant_id", "tag", "return_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    tag: Mapped[str] = mapped_column(sa.String(40))
    by_name: Mapped[str] = mapped_column(sa.String(200), default="")
    at: Mapped[datetime] = mapped_column(UtcTime)


class Presence(Base):
    """Who has a return open, as its page said a moment ago."""

    __tablename__ = "presences"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.PrimaryKeyConstraint("return_id", "person_id"),
    )

    return_id: Mapped[UUID]
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    merchant_id: Mapped[UUID] = merchant_key()
    name: Mapped[str] = mapped_column(sa.String(200))
    doing: Mapped[str] = mapped_column(sa.String(20), default="")
    """Empty while looking, else the form that is open: ``decide``, ``inspect``, ``refund``, ``message``."""
    seen_at: Mapped[datetime] = mapped_column(UtcTime)


class SearchWord(Base):
    """One word of the name on a return, lower case: found by how it begins, however many returns there are."""

    __tablename__ = "search_words"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.PrimaryKeyConstraint("merchant_id", "word", "return_id"),
        sa.Index("ix_search_words_return", "return_id"),
    )

    merchant_id: Mapped[UUID] = merchant_key()
    word: Mapped[str] = mapped_column(sa.String(60))
    return_id: Mapped[UUID]

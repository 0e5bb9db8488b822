"""The rules that decide what happens with a return: published versions, and the next one as it is written."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db.base import Base, Json, UtcTime, key, merchant_key


class Workflow(Base):
    """One published version of a merchant's rules; never edited. The highest version counts."""

    __tablename__ = "workflows"
    __table_args__ = (sa.UniqueConstraint("merchant_id", "version"),)

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    version: Mapped[int]
    rules: Mapped[dict[str, Any]] = mapped_column(Json)
    published_at: Mapped[datetime] = mapped_column(UtcTime)
    published_by_name: Mapped[str] = mapped_column(sa.String(200), default="")


class WorkflowDraft(Base):
    """The next version of a merchant's rules while it is written; one at a time."""

    __tablename__ = "workflow_drafts"
    __table_args__ = (sa.UniqueConstraint("merchant_id"),)

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    based_on: Mapped[int]
    rules: Mapped[dict[str, Any]] = mapped_column(Json)
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_by_name: Mapped[str] = mapped_column(sa.String(200), default="")

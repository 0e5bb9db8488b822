"""The rules that decide what happens with a return: published versions, and the next one as it is written."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.workflows import Rules, from_json
from portal.db.base import Base, Json, UtcTime, db, key, merchant_key


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


_read: dict[UUID, Rules] = {}
"""Rules by version: a published one never changes."""


def rules_of(row: Workflow) -> Rules:
    """The rules of a published version."""
    if row.id not in _read:
        if len(_read) >= 1000:
            _read.clear()
        _read[row.id] = from_json(row.rules)
    return _read[row.id]


def in_force(merchant_id: UUID) -> Workflow | None:
    """The newest published version."""
    wanted = sa.select(Workflow).where(Workflow.merchant_id == merchant_id)
    return db.session.scalar(wanted.order_by(Workflow.version.desc()).limit(1))


def versions(merchant_id: UUID) -> list[Workflow]:
    """Every published version, the newest first."""
    wanted = sa.select(Workflow).where(Workflow.merchant_id == merchant_id)
    return list(db.session.scalars(wanted.order_by(Workflow.version.desc())))


def draft_of(merchant_id: UUID, *, lock: bool = False) -> WorkflowDraft | None:
    """The next version as it is written; with ``lock`` nobody else changes it until the transaction ends."""
    wanted = sa.select(WorkflowDraft).where(WorkflowDraft.merchant_id == merchant_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return db.session.scalar(wanted)

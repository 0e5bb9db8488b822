"""Merchants, and the versions of their return policies."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.policy.terms import Terms, from_json
from portal.db.base import Base, Json, UtcTime, db, key, merchant_key


class Merchant(Base):
    """A shop whose returns are run here."""

    __tablename__ = "merchants"

    id: Mapped[UUID] = key()
    slug: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    accent: Mapped[str] = mapped_column(sa.String(20), default="green")
    language: Mapped[str] = mapped_column(sa.String(10), default="en")
    country: Mapped[str] = mapped_column(sa.String(2), default="DE")
    currency: Mapped[str] = mapped_column(sa.String(3), default="EUR")
    zone: Mapped[str] = mapped_column(sa.String(40), default="Europe/Berlin")
    support_email: Mapped[str] = mapped_column(sa.String(254))
    address: Mapped[dict[str, Any]] = mapped_column(Json)
    """Where returns are sent to."""
    policy_id: Mapped[UUID | None] = mapped_column(sa.Uuid)
    """The published version; no foreign key, since policies point back here."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class Policy(Base):
    """One published version of a merchant's terms; never edited."""

    __tablename__ = "policies"
    __table_args__ = (sa.UniqueConstraint("merchant_id", "version"), sa.UniqueConstraint("merchant_id", "id"))

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    version: Mapped[int]
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    published_at: Mapped[datetime] = mapped_column(UtcTime)
    published_by: Mapped[str] = mapped_column(sa.String(200), default="")


def by_slug(slug: str) -> Merchant | None:
    return db.session.scalar(sa.select(Merchant).where(Merchant.slug == slug))


def by_id(merchant_id: UUID) -> Merchant | None:
    return db.session.get(Merchant, merchant_id)


def every() -> list[Merchant]:
    return list(db.session.scalars(sa.select(Merchant).order_by(Merchant.name)))


def terms(merchant_id: UUID, policy_id: UUID | None = None) -> tuple[UUID, Terms]:
    """The terms of that version, or of the published one, and the version's id. Raises ``LookupError``."""
    wanted = sa.select(Policy).join(Merchant, Merchant.id == Policy.merchant_id).where(Policy.merchant_id == merchant_id)
    wanted = wanted.where(Policy.id == (policy_id if policy_id is not None else Merchant.policy_id))
    policy = db.session.scalar(wanted)
    if policy is None:
        raise LookupError(f"merchant {merchant_id} has no such policy")
    return policy.id, from_json(policy.terms | {"version": policy.version})


def last_version(merchant_id: UUID) -> int:
    return db.session.scalar(sa.select(sa.func.max(Policy.version)).where(Policy.merchant_id == merchant_id)) or 0

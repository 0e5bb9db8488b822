"""Merchants, and the versions of their return policies."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.addresses import address_from
from portal.core.merchants import MerchantFacts
from portal.core.policy.terms import Terms, from_json
from portal.db.base import Base, Json, UtcTime, db, key, merchant_key, read_once


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
    accounts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """Ledger account -> the bookkeeping's own number or name; what is not named keeps its own."""
    bank: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """The account that bank transfers are paid from: holder, iban, bic."""
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


class PolicyDraft(Base):
    """The next version of a merchant's terms while it is written; one at a time."""

    __tablename__ = "policy_drafts"
    __table_args__ = (sa.UniqueConstraint("merchant_id"),)

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    based_on: Mapped[int]
    """The published version it was begun from; a newer one must be looked at before this is published."""
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    version: Mapped[int] = mapped_column(default=1)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_by_name: Mapped[str] = mapped_column(sa.String(200), default="")


def by_slug(slug: str) -> Merchant | None:
    return db.session.scalar(sa.select(Merchant).where(Merchant.slug == slug))


def by_id(merchant_id: UUID) -> Merchant | None:
    return db.session.get(Merchant, merchant_id)


def every() -> list[Merchant]:
    return list(db.session.scalars(sa.select(Merchant).order_by(Merchant.name)))


def facts(row: Merchant) -> MerchantFacts:
    return MerchantFacts(
        id=row.id,
        slug=row.slug,
        name=row.name,
        accent=row.accent,
        language=row.language,
        country=row.country,
        currency=row.currency,
        zone=row.zone,
        support_email=row.support_email,
        address=address_from(row.address),
    )


def with_terms(merchant_id: UUID, policy_id: UUID | None = None) -> tuple[MerchantFacts, UUID, Terms]:
    """The merchant, with that version of its terms or the published one, in one query. Raises ``LookupError``."""
    wanted = (
        sa.select(Merchant, Policy)
        .join(Policy, Policy.merchant_id == Merchant.id)
        .where(Merchant.id == merchant_id)
    )
    wanted = wanted.where(Policy.id == (policy_id if policy_id is not None else Merchant.policy_id))

    def read() -> tuple[MerchantFacts, UUID, Terms]:
        found = db.session.execute(wanted).one_or_none()
        if found is None:
            raise LookupError(f"merchant {merchant_id} has no such policy")
        merchant, policy = found
        return facts(merchant), policy.id, terms_of(policy)

    return read_once(("terms", merchant_id, policy_id), read)


_read: dict[UUID, Terms] = {}
"""Terms by policy: a published version never changes, and reading one costs as much as asking for it."""


def terms_of(policy: Policy) -> Terms:
    """The terms of a published version."""
    if policy.id not in _read:
        if len(_read) >= 1000:
            _read.clear()
        _read[policy.id] = from_json(policy.terms | {"version": policy.version})
    return _read[policy.id]


def versions(merchant_id: UUID) -> list[Policy]:
    """Every published version, the newest first."""
    wanted = sa.select(Policy).where(Policy.merchant_id == merchant_id).order_by(Policy.version.desc())
    return list(db.session.scalars(wanted))


def version(merchant_id: UUID, number: int) -> Policy | None:
    """One published version."""
    return db.session.scalar(
        sa.select(Policy).where(Policy.merchant_id == merchant_id, Policy.version == number)
    )


def policy_draft(merchant_id: UUID, *, lock: bool = False) -> PolicyDraft | None:
    """The next version as it is written; with ``lock`` nobody else changes it until the transaction ends."""
    wanted = sa.select(PolicyDraft).where(PolicyDraft.merchant_id == merchant_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return db.session.scalar(wanted)


def last_version(merchant_id: UUID) -> int:
    return (
        db.session.scalar(sa.select(sa.func.max(Policy.version)).where(Policy.merchant_id == merchant_id))
        or 0
    )

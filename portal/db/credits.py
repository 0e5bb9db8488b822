"""Store credit and gift cards: what each is worth, and every movement of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import credits as codes
from portal.core.money import Minor
from portal.db.base import Base, UtcTime, amount, db, key, merchant_key, within_merchant
from portal.db.orders import Payment


class Credit(Base):
    """One code and its balance, which is the sum of its entries; never below zero."""

    __tablename__ = "credits"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("merchant_id", "kind", "reference"),
        sa.CheckConstraint("kind IN ('store_credit', 'gift_card')", name="kind_known"),
        sa.CheckConstraint("balance_minor >= 0", name="balance_not_negative"),
        sa.Index("ix_credits_email", "merchant_id", "email"),
        sa.Index("ix_credits_expires", "expires_on"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    kind: Mapped[str] = mapped_column(sa.String(20))
    reference: Mapped[str] = mapped_column(sa.String(100))
    """Of a card or credit that paid for an order the reference of its capture; else the refund that gave it."""
    nonce: Mapped[str] = mapped_column(sa.String(64), default="")
    """Random; with the server's secret it gives the code again, to mail or show it."""
    digest: Mapped[str] = mapped_column(sa.String(64))
    """Of the code: what a typed one is found by; the code itself is stored nowhere."""
    last: Mapped[str] = mapped_column(sa.String(4), default="")
    """The code's last characters, to tell one from another."""
    currency: Mapped[str] = mapped_column(sa.String(3))
    balance_minor: Mapped[int] = amount()
    expires_on: Mapped[date | None]
    """The last day, inclusive, where the merchant is; None: never."""
    email: Mapped[str] = mapped_column(sa.String(254), default="")
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    order_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    voided_at: Mapped[datetime | None] = mapped_column(UtcTime)


class CreditEntry(Base):
    """One movement of one credit. Append-only."""

    __tablename__ = "credit_entries"
    __table_args__ = (
        within_merchant("credits", "credit_id"),
        sa.UniqueConstraint("payout_id", "why"),
        sa.CheckConstraint("amount_minor <> 0", name="some"),
        sa.Index("ix_credit_entries_credit", "credit_id", "id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    credit_id: Mapped[UUID]
    payout_id: Mapped[UUID | None]
    amount_minor: Mapped[int] = amount()
    """Above zero: given; below: spent, taken back, expired."""
    why: Mapped[str] = mapped_column(sa.String(40))
    note: Mapped[str] = mapped_column(sa.String(300), default="")
    at: Mapped[datetime] = mapped_column(UtcTime)
    by_name: Mapped[str] = mapped_column(sa.String(200), default="")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a message tells of a credit. ``code`` is empty when the secret that it was made with is gone."""

    code: str = field(repr=False)
    hidden: str
    balance: Minor
    currency: str
    expires_on: date | None
    kind: str
    card: str = ""
    """How the card was named when it paid for an order, all but its end covered."""


def cards(rows: Sequence[Credit]) -> dict[UUID, str]:
    """Of codes that stand for a card or credit that paid for an order: how that was named then."""
    references = [row.reference for row in rows]
    wanted = sa.select(Payment.merchant_id, Payment.provider, Payment.reference, Payment.label).where(
        Payment.merchant_id.in_({row.merchant_id for row in rows}),
        Payment.provider.in_({row.kind for row in rows}),
        Payment.reference.in_(references),
    )
    named = {tuple(found[:3]): found.label for found in db.session.execute(wanted)} if rows else {}
    return {row.id: named.get((row.merchant_id, row.kind, row.reference), "") for row in rows}


def told(credit_id: UUID, *, secret: str) -> Told | None:
    """For the one message that goes to its owner; of the code nothing may be kept but ``hidden``."""
    credit = db.session.get(Credit, credit_id, populate_existing=True)
    if credit is None:
        return None
    code = codes.code(secret, credit.nonce)
    return Told(
        code=code if codes.digest(code) == credit.digest else "",
        hidden=codes.hidden(credit.last),
        balance=credit.balance_minor,
        currency=credit.currency,
        expires_on=credit.expires_on,
        kind=credit.kind,
        card=cards([credit])[credit.id],
    )

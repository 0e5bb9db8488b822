"""Store credit and gift cards as people see them, and as whoever typed a code does: never the code itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import credits as codes
from portal.core.access import Actor, NotFound
from portal.core.money import Minor
from portal.db import merchants
from portal.db.base import db
from portal.db.credits import Credit, CreditEntry, cards
from portal.db.refunds import Payout, Refund
from portal.services import scope


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """One movement of a balance; ``balance`` is what was there afterwards."""

    at: datetime
    why: str
    amount: Minor
    balance: Minor
    note: str
    by: str
    payout_id: UUID | None
    refund_id: UUID | None = None
    return_id: UUID | None = None
    number: str = ""
    """Of the refund that it came from."""


@dataclass(frozen=True, kw_only=True)
class CreditFacts:
    """One code as people see it: never the code itself, only its ending."""

    id: UUID
    merchant_id: UUID
    kind: str
    ending: str
    currency: str
    balance: Minor
    expires_on: date | None
    state: str
    """``open``, ``spent``, ``expired`` or ``void``."""
    name: str
    email: str
    created_at: datetime
    card: str = ""
    """How the gift card was named when it paid for an order, all but its end covered."""
    entries: tuple[EntryFacts, ...] = ()


def listing(
    actor: Actor, *, text: str = "", after: UUID | None = None, limit: int = 50, now: datetime
) -> tuple[CreditFacts, ...]:
    """Credits of the actor's merchants, newest first; ``text`` is a name, an e-mail, an ending or a code."""
    ids = [one for one in actor.merchant_ids if actor.may("refunds.read", one)]
    wanted = sa.select(Credit).where(Credit.merchant_id.in_(ids))
    if text.strip():
        asked = text.strip()
        bare = codes.normalize(asked)
        pattern = f"%{asked.lower()}%"
        wanted = wanted.where(
            sa.or_(
                Credit.digest == codes.digest(bare or "-"),
                Credit.last == asked.upper()[-4:] if len(asked) <= 4 else sa.false(),
                sa.func.lower(Credit.name).like(pattern),
                Credit.email.like(pattern),
            )
        )
    if after is not None:
        wanted = wanted.where(Credit.id < after)
    return _all(db.session.scalars(wanted.order_by(Credit.id.desc()).limit(limit)).all(), now)


def one(actor: Actor, credit_id: UUID, *, now: datetime) -> CreditFacts:
    """One credit with its movements. Raises ``NotFound``, also for another merchant's, and ``NotAllowed``."""
    credit = db.session.get(Credit, credit_id, populate_existing=True)
    if credit is None:
        raise NotFound
    scope.require(actor, "refunds.read", credit.merchant_id)
    return _facts(credit, now, card=cards([credit])[credit.id], entries=_entries(credit))


def of_return(return_id: UUID, *, now: datetime) -> tuple[CreditFacts, ...]:
    """The credits that refunds of a return were put onto; the caller has passed the gate."""
    mine = (
        sa.select(CreditEntry.credit_id)
        .join(Payout, Payout.id == CreditEntry.payout_id)
        .join(Refund, Refund.id == Payout.refund_id)
        .where(Refund.return_id == return_id)
    )
    return _all(
        db.session.scalars(sa.select(Credit).where(Credit.id.in_(mine)).order_by(Credit.id)).all(), now
    )


def _all(rows: Sequence[Credit], now: datetime) -> tuple[CreditFacts, ...]:
    named = cards(rows)
    return tuple(_facts(row, now, card=named[row.id]) for row in rows)


def _facts(row: Credit, now: datetime, *, card: str, entries: tuple[EntryFacts, ...] = ()) -> CreditFacts:
    return CreditFacts(
        id=row.id,
        merchant_id=row.merchant_id,
        kind=row.kind,
        ending=row.last,
        currency=row.currency,
        balance=row.balance_minor,
        expires_on=row.expires_on,
        state=state_of(row, now),
        name=row.name,
        email=row.email,
        created_at=row.created_at,
        card=card,
        entries=entries,
    )


def state_of(row: Credit, now: datetime) -> str:
    if row.voided_at is not None:
        return "void"
    if not row.balance_minor:
        return "spent"
    return "expired" if is_over(row, now) else "open"


def is_over(row: Credit, now: datetime) -> bool:
    merchant = merchants.by_id(row.merchant_id)
    if row.expires_on is None or merchant is None:
        return False
    return now.astimezone(ZoneInfo(merchant.zone)).date() > row.expires_on


def _entries(credit: Credit) -> tuple[EntryFacts, ...]:
    wanted = (
        sa.select(CreditEntry, Refund.id, Refund.return_id, Refund.number)
        .outerjoin(Payout, Payout.id == CreditEntry.payout_id)
        .outerjoin(Refund, Refund.id == Payout.refund_id)
        .where(CreditEntry.credit_id == credit.id)
        .order_by(CreditEntry.id)
    )
    balance, found = 0, []
    for entry, refund_id, return_id, number in db.session.execute(wanted):
        balance += entry.amount_minor
        found.append(
            EntryFacts(
                at=entry.at,
                why=entry.why,
                amount=entry.amount_minor,
                balance=balance,
                note=entry.note,
                by=entry.by_name,
                payout_id=entry.payout_id,
                refund_id=refund_id,
                return_id=return_id,
                number=number or "",
            )
        )
    return tuple(found)


def typed(merchant_id: UUID, text: str) -> UUID | None:
    """The credit of that shop whose code was typed; None for everything else, whatever is wrong with it."""
    bare = codes.normalize(text)
    found = sa.select(Credit.id).where(
        Credit.digest == codes.digest(bare or "-"), Credit.merchant_id == merchant_id
    )
    return db.session.scalar(found)


def seen(merchant_id: UUID, credit_id: UUID, *, now: datetime) -> CreditFacts:
    """The balance and movements for whoever typed the code. Raises ``NotFound``."""
    credit = db.session.get(Credit, credit_id)
    if credit is None or credit.merchant_id != merchant_id:
        raise NotFound
    return _facts(credit, now, card=cards([credit])[credit.id], entries=_entries(credit))

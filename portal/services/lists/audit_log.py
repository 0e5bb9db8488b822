"""Who did what, to be looked through: every happening of the merchants whose history somebody may read."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core.access import Actor
from portal.db.base import db
from portal.db.history import Happening
from portal.db.merchants import Merchant
from portal.db.refunds import Refund
from portal.db.returns import Return


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for; blank is everything."""

    who: str = ""
    """A part of a name."""
    what: str = ""
    """A topic, or the beginning of one: ``refund`` finds ``refund.approved``."""
    number: str = ""
    """Of a return or a refund."""
    day: date | None = None
    """Where the merchant is."""
    merchant_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """One row of history."""

    id: UUID
    merchant: str
    at: datetime
    what: str
    actor_kind: str
    actor_name: str
    details: dict[str, Any]
    changed: dict[str, Any]
    currency: str
    """Of its return, else the merchant's."""
    sequence: int
    return_id: UUID | None
    number: str
    """Of the return it happened to; blank for anything else."""


def entries(actor: Actor, wanted: Wanted, *, after: UUID | None = None, limit: int) -> tuple[EntryFacts, ...]:
    """What happened, the newest first, from before ``after``. Nothing of merchants whose history is not theirs."""
    shops = [one for one in actor.merchant_ids if actor.may("audit.read", one)]
    if wanted.merchant_id is not None:
        shops = [one for one in shops if one == wanted.merchant_id]
    if not shops:
        return ()
    found = (
        sa.select(
            Happening,
            Merchant.name,
            Return.id,
            Return.number,
            sa.func.coalesce(Return.currency, Merchant.currency),
        )
        .join(Merchant, Merchant.id == Happening.merchant_id)
        .outerjoin(Return, Return.id == Happening.subject_id)
        .where(Happening.merchant_id.in_(shops), *_tests(wanted, shops))
        .order_by(Happening.id.desc())
        .limit(limit)
    )
    if after is not None:
        found = found.where(Happening.id < after)
    return tuple(
        EntryFacts(
            id=row.id, merchant=shop, at=row.at, what=row.what, actor_kind=row.actor_kind,
            actor_name=row.actor_name, details=row.details, changed=row.changed, sequence=row.sequence or 0,
            return_id=return_id, number=number or "", currency=currency,
        )
        for row, shop, return_id, number, currency in db.session.execute(found)
    )  # fmt: skip


def _tests(wanted: Wanted, shops: list[UUID]) -> list[sa.ColumnElement[bool]]:
    tests: list[sa.ColumnElement[bool]] = []
    if wanted.who:
        tests.append(Happening.actor_name.icontains(wanted.who, autoescape=True))
    if wanted.what:
        tests.append(Happening.what.startswith(wanted.what, autoescape=True))
    if wanted.number:
        number = wanted.number.strip().upper()
        tests.append(
            Happening.subject_id.in_(
                sa.union_all(
                    sa.select(Return.id).where(Return.number == number, Return.merchant_id.in_(shops)),
                    sa.select(sa.func.coalesce(Refund.return_id, Refund.id)).where(
                        Refund.number == number, Refund.merchant_id.in_(shops)
                    ),
                )
            )
        )
    if wanted.day is not None:
        zone = ZoneInfo(
            db.session.scalar(sa.select(Merchant.zone).where(Merchant.id.in_(shops)).order_by(Merchant.name))
            or "UTC"
        )
        begin = datetime.combine(wanted.day, datetime.min.time(), zone)
        end = datetime.combine(wanted.day + timedelta(days=1), datetime.min.time(), zone)
        tests += [Happening.at >= begin, Happening.at < end]
    return tests

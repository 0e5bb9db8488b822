"""Shops, and the published versions of their policies."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.merchants import MerchantFacts
from portal.core.policy.changes import changes
from portal.core.policy.terms import Terms, from_json, to_json
from portal.db import history, merchants
from portal.db.base import db, transaction, uuid7
from portal.db.merchants import Merchant, Policy
from portal.services import scope


def create(
    *,
    slug: str,
    name: str,
    support_email: str,
    address: dict[str, Any],
    terms: Terms,
    accent: str = "green",
    language: str = "en",
    country: str = "DE",
    currency: str = "EUR",
    zone: str = "Europe/Berlin",
    now: datetime,
) -> UUID:
    """A new merchant with the first version of its policy.

    Raises ``ValueError`` when the slug is taken, or there is no such time zone.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{zone!r} is no time zone, such as Europe/Berlin") from None
    with transaction() as session:
        if merchants.by_slug(slug) is not None:
            raise ValueError(f"there is a merchant {slug!r} already")
        row = Merchant(
            id=uuid7(), slug=slug, name=name, accent=accent, language=language, country=country, currency=currency,
            zone=zone, support_email=support_email, address=address, created_at=now,
        )  # fmt: skip
        session.add(row)
        session.flush()
        history.begin_chain(row.id)
        _publish(row, terms, by="", now=now)
        return row.id


def publish(actor: Actor, merchant_id: UUID, terms: Terms, *, now: datetime) -> int:
    """A new version of the policy; returns that are under way keep the one they were judged by."""
    scope.require(actor, "policies.edit", merchant_id)
    with transaction():
        row = db.session.get(Merchant, merchant_id, populate_existing=True, with_for_update=True)
        if row is None:
            raise NotFound
        return put_in_force(actor, row, terms, now=now)


def put_in_force(actor: Actor, row: Merchant, terms: Terms, *, now: datetime) -> int:
    """Publish ``terms`` as the next version of a merchant that is held, in the caller's transaction."""
    before = merchants.terms_of(db.session.get_one(Policy, row.policy_id))
    version = _publish(row, terms, by=actor.name, now=now)
    history.record(
        actor, "policy.published", merchant_id=row.id, subject_id=row.id, now=now, version=version,
        changed={f"policy.{one.path}": (plain(one.before), plain(one.after)) for one in changes(before, terms)},
    )  # fmt: skip
    return version


def _publish(row: Merchant, terms: Terms, *, by: str, now: datetime) -> int:
    version = merchants.last_version(row.id) + 1
    stored = to_json(from_json(plain(to_json(terms)) | {"version": version}))
    policy = Policy(
        id=uuid7(),
        merchant_id=row.id,
        version=version,
        terms=plain(stored),
        published_at=now,
        published_by=by,
    )
    db.session.add(policy)
    db.session.flush()
    row.policy_id = policy.id
    return version


def plain(value: Any) -> Any:
    """Tuples as lists, so that what is stored equals what is read."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def by_slug(slug: str) -> MerchantFacts:
    """The merchant of a public address. Raises ``NotFound``."""
    row = merchants.by_slug(slug)
    if row is None:
        raise NotFound
    return merchants.facts(row)


def by_id(merchant_id: UUID) -> MerchantFacts:
    """Raises ``NotFound``."""
    row = merchants.by_id(merchant_id)
    if row is None:
        raise NotFound
    return merchants.facts(row)


def of_actor(actor: Actor) -> list[MerchantFacts]:
    """The merchants that this actor works for, by name."""
    wanted = sa.select(Merchant).where(Merchant.id.in_(actor.merchant_ids)).order_by(Merchant.name)
    return [merchants.facts(row) for row in db.session.scalars(wanted)]


def every() -> list[MerchantFacts]:
    """All merchants: for the demo's start page and the command line alone."""
    return [merchants.facts(row) for row in merchants.every()]


def terms_of(merchant_id: UUID) -> Terms:
    """The published policy. Raises ``NotFound``."""
    try:
        return merchants.with_terms(merchant_id)[2]
    except LookupError:
        raise NotFound from None

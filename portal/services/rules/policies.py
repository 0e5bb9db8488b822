"""The versions of a merchant's policy: read, compared, the next one written as a draft, and published.

A published version is never edited: returns that are under way keep the one they were judged by.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.core.merchants import MerchantFacts
from portal.core.policy.changes import changes
from portal.core.policy.terms import Terms, from_json, to_json
from portal.db import merchants
from portal.db.base import db, transaction, uuid7
from portal.db.merchants import Merchant, Policy, PolicyDraft
from portal.services import scope
from portal.services.merchants import plain, put_in_force


@dataclass(frozen=True, kw_only=True)
class VersionFacts:
    """One published version, and who published it when."""

    number: int
    terms: Terms
    published_at: datetime
    published_by: str
    in_force: bool


@dataclass(frozen=True, kw_only=True)
class DraftFacts:
    """The next version as it is written. ``revision`` 0: nobody wrote any of it yet."""

    terms: Terms
    based_on: int
    revision: int
    updated_at: datetime | None
    updated_by: str
    published: int
    """The newest published version; another than ``based_on`` came meanwhile."""

    @property
    def is_outdated(self) -> bool:
        """Whether somebody published a version after this was begun."""
        return self.based_on != self.published


@dataclass(frozen=True, kw_only=True)
class Policies:
    """A merchant with all versions, the newest first, and the draft of the next."""

    merchant: MerchantFacts
    versions: tuple[VersionFacts, ...]
    draft: DraftFacts

    @property
    def in_force(self) -> VersionFacts:
        return next(one for one in self.versions if one.in_force)

    def version(self, number: int) -> VersionFacts:
        """The version with that number. Raises ``NotFound``."""
        for one in self.versions:
            if one.number == number:
                return one
        raise NotFound


def of_merchant(actor: Actor, merchant_id: UUID) -> Policies:
    """All that is known of the merchant's policy. Raises ``NotFound``, ``NotAllowed``."""
    scope.require(actor, "policies.edit", merchant_id)
    row = merchants.by_id(merchant_id)
    published = merchants.versions(merchant_id)
    if row is None or not published:
        raise NotFound
    versions = tuple(_version(one, row) for one in published)
    in_force = next(one for one in versions if one.in_force)
    draft = _draft(merchants.policy_draft(merchant_id), in_force, versions[0].number)
    return Policies(merchant=merchants.facts(row), versions=versions, draft=draft)


def _version(row: Policy, merchant: Merchant) -> VersionFacts:
    return VersionFacts(
        number=row.version,
        terms=merchants.terms_of(row),
        published_at=row.published_at,
        published_by=row.published_by,
        in_force=row.id == merchant.policy_id,
    )


def _draft(row: PolicyDraft | None, in_force: VersionFacts, published: int) -> DraftFacts:
    if row is None:
        return DraftFacts(
            terms=in_force.terms,
            based_on=published,
            revision=0,
            updated_at=None,
            updated_by="",
            published=published,
        )
    return DraftFacts(
        terms=from_json(row.terms),
        based_on=row.based_on,
        revision=row.version,
        updated_at=row.updated_at,
        updated_by=row.updated_by_name,
        published=published,
    )


def write(actor: Actor, merchant_id: UUID, terms: Terms, *, revision: int, now: datetime) -> int:
    """Keep the draft as ``terms``; answers its revision. Raises ``Stale`` when it is not at ``revision`` any more."""
    scope.require(actor, "policies.edit", merchant_id)
    with transaction() as session:
        _merchant(merchant_id)
        row = merchants.policy_draft(merchant_id, lock=True)
        if revision != (row.version if row is not None else 0):
            raise Stale
        if row is None:
            row = PolicyDraft(
                id=uuid7(), merchant_id=merchant_id, based_on=merchants.last_version(merchant_id), version=0
            )
            session.add(row)
        row.terms = plain(to_json(terms) | {"version": 0})
        row.version += 1
        row.updated_at, row.updated_by_name = now, actor.name
        return row.version


def discard(actor: Actor, merchant_id: UUID, *, revision: int) -> None:
    """Forget the draft; one that is not there is no error. Raises ``Stale``."""
    scope.require(actor, "policies.edit", merchant_id)
    with transaction() as session:
        _merchant(merchant_id)
        row = merchants.policy_draft(merchant_id, lock=True)
        if row is None:
            return
        if row.version != revision:
            raise Stale
        session.delete(row)


def take_up(actor: Actor, merchant_id: UUID, *, revision: int, now: datetime) -> None:
    """Keep an outdated draft after a look at the version that came meanwhile: it may be published now."""
    scope.require(actor, "policies.edit", merchant_id)
    with transaction():
        _merchant(merchant_id)
        row = merchants.policy_draft(merchant_id, lock=True)
        if row is None or row.version != revision:
            raise Stale
        row.based_on, row.version = merchants.last_version(merchant_id), row.version + 1
        row.updated_at, row.updated_by_name = now, actor.name


def publish_draft(actor: Actor, merchant_id: UUID, *, revision: int, now: datetime) -> int:
    """Make the draft the next version and put it in force; answers its number.

    Raises ``Stale`` when the draft is another by now, ``Conflict``: ``published_meanwhile`` when somebody
    published a version since it was begun, ``draft_unchanged`` when it says what is in force.
    """
    scope.require(actor, "policies.edit", merchant_id)
    with transaction() as session:
        merchant = _merchant(merchant_id)
        row = merchants.policy_draft(merchant_id, lock=True)
        if row is None or row.version != revision:
            raise Stale
        newest = merchants.last_version(merchant_id)
        if row.based_on != newest:
            raise Conflict("published_meanwhile", version=newest)
        terms, published = from_json(row.terms), merchants.version(merchant_id, newest)
        if published is not None and not changes(merchants.terms_of(published), terms):
            raise Conflict("draft_unchanged")
        session.delete(row)
        return put_in_force(actor, merchant, terms, now=now)


def _merchant(merchant_id: UUID) -> Merchant:
    """The merchant's row, held: drafts and versions of one merchant are written one after another."""
    row = db.session.get(Merchant, merchant_id, populate_existing=True, with_for_update=True)
    if row is None:
        raise NotFound
    return row


def as_plain(terms: Terms) -> dict[str, Any]:
    """``terms`` as the JSON that people edit: everything but the number."""
    told: dict[str, Any] = plain(to_json(terms))
    del told["version"]
    return told

"""Who comes from an OpenID provider: known by issuer and subject, with the roles that its claims give, each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict
from portal.db import merchants, people
from portal.db.base import db, transaction, uuid7
from portal.db.people import Person, PersonSession
from portal.services.persons.people import SignedIn, end_all, give_roles, tell

Given = Sequence[tuple[str, str, str]]
"""(value of the claim, merchant, role), the strongest first."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a provider vouches for, after every check of the token."""

    issuer: str
    subject: str
    name: str
    email: str
    values: frozenset[str]
    """Of the claim that names roles or groups."""


def claims(told: Mapping[str, Any], *, roles_claim: str) -> Claims:
    """What counts of a token's claims."""
    email = told.get("email")
    name = told.get("name") or told.get("preferred_username") or email or told["sub"]
    return Claims(
        issuer=str(told["iss"]),
        subject=str(told["sub"]),
        name=str(name)[:200],
        email=str(email).strip().lower()[:254] if email and "@" in str(email) else "",
        values=frozenset(values(told, roles_claim) or ()),
    )


def values(told: Mapping[str, Any], claim: str) -> list[str] | None:
    """The values of a claim, whose name may be a path with dots; None where the token does not have it."""
    found: Any = told.get(claim)
    if claim not in told and "." in claim:
        found = told
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return [found]
    if isinstance(found, list):
        return [one for one in found if isinstance(one, str)]
    return None


def sign_in(told: Claims, given: Given, *, now: datetime) -> SignedIn:
    """The person of that issuer and subject, new where nobody is, with exactly the roles the claims give now.

    Raises ``Conflict``: ``no_role`` (whoever had some has none any more, and every session ends),
    ``deactivated``, ``email_taken``.
    """
    with transaction() as session:
        roles = _roles(told.values, given)
        person = session.scalar(
            sa.select(Person)
            .where(Person.issuer == told.issuer, Person.subject == told.subject)
            .with_for_update()
        )
        by = _by(told.issuer)
        if person is None and roles:
            person = _new(told, now)
        elif person is not None and person.active:
            _refresh(person, told)
        if person is not None and person.active and give_roles(by, person, roles, now=now) and not roles:
            end_all(person, "no_role", now)
        found = person and (person.active, person.id, person.name, person.language, person.session_epoch)
    if found and not found[0]:
        raise Conflict("deactivated")
    if not found or not roles:
        raise Conflict("no_role", name=told.name)
    return SignedIn(id=found[1], name=found[2], language=found[3], epoch=found[4])


def _by(issuer: str) -> Actor:
    return Actor(kind="system", name=urlsplit(issuer).hostname or issuer)


def _roles(held: frozenset[str], given: Given) -> dict[UUID, str]:
    """merchant -> role: the first line of the settings that fits decides."""
    found: dict[str, str] = {}
    for value, merchant, role in given:
        if value in held:
            found.setdefault(merchant, role)
    rows = {slug: merchants.by_slug(slug) for slug in found}
    return {row.id: found[slug] for slug, row in rows.items() if row is not None}


def _new(told: Claims, now: datetime) -> Person:
    """A person of the provider's. An address that somebody here has already proves nothing about who that is."""
    if told.email and people.by_email(told.email) is not None:
        raise Conflict("email_taken", email=told.email)
    person = Person(
        id=uuid7(), email=told.email or _no_address(told), name=told.name, password_hash="", language="en",
        issuer=told.issuer, subject=told.subject, created_at=now, session_epoch=0, active=True,
    )  # fmt: skip
    db.session.add(person)
    db.session.flush()
    return person


def _refresh(person: Person, told: Claims) -> None:
    person.name = told.name
    if told.email and told.email != person.email and people.by_email(told.email) is None:
        person.email = told.email


def _no_address(told: Claims) -> str:
    """Where the provider tells no address: something as unlike one as the column allows."""
    return f"{uuid7().hex}@{urlsplit(told.issuer).hostname or 'nowhere'}.invalid"[:254]


def signed_out(issuer: str, *, subject: str, provider_session: str, told_at: datetime, now: datetime) -> int:
    """A provider says that somebody signed out there: sessions it opened until then end. Answers how many.

    What was told once and is told again later ends nothing that began meanwhile.
    """
    if not subject and not provider_session:
        return 0
    wanted = [
        Person.issuer == issuer,
        PersonSession.way == "oidc",
        PersonSession.ended_at.is_(None),
        PersonSession.created_at <= told_at,
    ]
    if subject:
        wanted.append(Person.subject == subject)
    if provider_session:
        wanted.append(PersonSession.provider_session == provider_session)
    by = _by(issuer)
    with transaction() as session:
        found = sa.select(PersonSession.id, Person).join(Person, Person.id == PersonSession.person_id)
        ended: dict[Person, list[UUID]] = {}
        for session_id, person in session.execute(found.where(*wanted)):
            ended.setdefault(person, []).append(session_id)
        done = 0
        for person, ids in ended.items():
            count = people.end_sessions(PersonSession.id.in_(ids), because="provider", now=now)
            if count:
                tell(by, "person.sessions_ended", person, now, sessions=count)
            done += count
        return done

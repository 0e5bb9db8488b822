"""Those who sign in: made, known by their password, ended at once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from portal.core.access import ROLES, Actor
from portal.db import merchants, people
from portal.db.base import db, transaction, uuid7
from portal.db.people import Membership, Person

SHORTEST_PASSWORD = 10
_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody has this password")
"""Checked where no account is, so that the answer takes as long."""


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Who it is, and what a session has to remember: the epoch ends it when it is raised."""

    id: UUID
    name: str
    language: str
    epoch: int


def sign_in(email: str, password: str) -> SignedIn | None:
    """The person with that e-mail and password; None for every other case, after the same time."""
    person = people.by_email(email)
    try:
        _hasher.verify(person.password_hash if person else _NOBODY, password)
    except VerificationError:
        return None
    if person is None or not person.active:
        return None
    return SignedIn(id=person.id, name=person.name, language=person.language, epoch=person.session_epoch)


def actor(person_id: UUID, epoch: int) -> Actor | None:
    """The person as one who asks; None once inactive, or when the session was ended."""
    return people.actor(person_id, epoch)


def named(email: str) -> Actor | None:
    """The person of that e-mail as one who asks, for the command line, where nobody signs in; None: nobody."""
    person = people.by_email(email.strip().lower())
    return None if person is None else people.actor(person.id, person.session_epoch)


def create_user(
    *, email: str, name: str, password: str, roles: dict[str, str], language: str = "en", now: datetime
) -> UUID:
    """A new person with a role per merchant (slug -> role), or new roles and password for a known e-mail.

    Raises ``ValueError`` for a short password, an unknown merchant or role.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"a password has at least {SHORTEST_PASSWORD} characters")
    email = email.strip().lower()
    if "@" not in email:
        raise ValueError(f"{email!r} is no e-mail address")
    with transaction() as session:
        held = {}
        for slug, role in roles.items():
            merchant = merchants.by_slug(slug)
            if merchant is None:
                raise ValueError(f"there is no merchant {slug!r}")
            if role not in ROLES:
                raise ValueError(f"{role!r} is no role; the roles are {', '.join(ROLES)}")
            held[merchant.id] = role
        person = people.by_email(email)
        if person is None:
            person = Person(id=uuid7(), email=email, created_at=now, session_epoch=0, active=True)
            session.add(person)
        else:
            person.session_epoch += 1
            session.execute(sa.delete(Membership).where(Membership.person_id == person.id))
        person.name, person.language = name.strip(), language
        person.password_hash = _hasher.hash(password)
        session.flush()
        session.add_all(
            Membership(id=uuid7(), person_id=person.id, merchant_id=merchant_id, role=role)
            for merchant_id, role in held.items()
        )
        return person.id


def end_sessions(person_id: UUID) -> None:
    """Sign that person out everywhere, at once."""
    with transaction() as session:
        session.execute(
            sa.update(Person).where(Person.id == person_id).values(session_epoch=Person.session_epoch + 1)
        )


def of_merchant(merchant_id: UUID) -> list[tuple[UUID, str, str]]:
    """(id, name, role) of everyone who works for that merchant."""
    found = db.session.execute(
        sa.select(Person.id, Person.name, Membership.role)
        .join(Membership, Membership.person_id == Person.id)
        .where(Membership.merchant_id == merchant_id, Person.active)
        .order_by(Person.name)
    )
    return [(row.id, row.name, row.role) for row in found]

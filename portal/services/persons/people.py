"""Those who sign in: made, invited, known by their password, given roles, ended at once."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from portal.core.access import ROLES, Actor, Conflict, NotFound
from portal.db import history, merchants, people
from portal.db.base import db, transaction, uuid7
from portal.db.people import Membership, Person, PersonSession

SHORTEST_PASSWORD = 10
INVITED_FOR = timedelta(days=7)
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
        _hasher.verify((person and person.password_hash) or _NOBODY, password)
    except VerificationError:
        return None
    if person is None or not person.active or not person.password_hash:
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
    email = address(email)
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
        ended = None
        if person is None:
            person = Person(id=uuid7(), email=email, created_at=now, session_epoch=0, active=True)
            session.add(person)
        else:
            ended = end_all(person, "password_changed", now)
        person.name, person.language = name.strip(), language
        person.password_hash = _hasher.hash(password)
        session.flush()
        by = Actor(kind="system", name="command line")
        give_roles(by, person, held, now=now)
        if ended is not None:
            tell(by, "person.sessions_ended", person, now, sessions=ended)
        return person.id


def address(email: str) -> str:
    """An e-mail address as it is kept. Raises ``ValueError`` for what is none."""
    email = email.strip().lower()
    if "@" not in email:
        raise ValueError(f"{email!r} is no e-mail address")
    return email


def give_roles(
    by: Actor,
    person: Person,
    roles: Mapping[UUID, str],
    *,
    within: Iterable[UUID] | None = None,
    now: datetime,
) -> bool:
    """Exactly these roles (of ``within`` alone, where given), in the caller's transaction; whether any is new.

    Who loses or gets a role is written into the history of that merchant.
    """
    held = {
        row.merchant_id: row
        for row in db.session.scalars(sa.select(Membership).where(Membership.person_id == person.id))
    }
    concerned = set(held) | set(roles) if within is None else set(within)
    was_changed = False
    for merchant_id in sorted(concerned):
        row, role = held.get(merchant_id), roles.get(merchant_id, "")
        before = row.role if row else ""
        if before == role:
            continue
        if row is None:
            db.session.add(Membership(id=uuid7(), person_id=person.id, merchant_id=merchant_id, role=role))
        elif role:
            row.role = role
        else:
            db.session.delete(row)
        was_changed = True
        history.record(
            by, "person.roles_changed", merchant_id=merchant_id, subject_id=person.id, now=now, name=person.name,
            changed={"role": (before, role)},
        )  # fmt: skip
    db.session.flush()
    return was_changed


def end_all(person: Person, because: str, now: datetime) -> int:
    """End every session of a person who is held, in the caller's transaction; answers how many were open."""
    person.session_epoch += 1
    return people.end_sessions(PersonSession.person_id == person.id, because=because, now=now)


def end_sessions(person_id: UUID) -> None:
    """Sign that person out everywhere, at once, without anybody asking."""
    with transaction() as session:
        person = session.get(Person, person_id, with_for_update=True, populate_existing=True)
        if person is not None:
            end_all(person, "ended", datetime.now(UTC))


# ----------------------------------------------------------------------------------------- choosing a password


def invitation(person_id: UUID, epoch: int, secret: str, *, now: datetime) -> str:
    """The token of an invitation: worked out, kept nowhere, good until a password is chosen or the week is over."""
    until = int((now + INVITED_FOR).timestamp())
    return f"{person_id.hex}.{until}.{_signed(person_id, epoch, until, secret)}"


def _signed(person_id: UUID, epoch: int, until: int, secret: str) -> str:
    told = f"invitation:{person_id.hex}:{epoch}:{until}".encode()
    return hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()


def invited(token: str, *, now: datetime, secret: str) -> SignedIn | None:
    """Whom this invitation is for; None when it is no good, used, or over."""
    person = _invited(token, now=now, secret=secret)
    if person is None:
        return None
    return SignedIn(id=person.id, name=person.name, language=person.language, epoch=person.session_epoch)


def _invited(token: str, *, now: datetime, secret: str) -> Person | None:
    who, _, rest = token.partition(".")
    until, _, sign = rest.partition(".")
    try:
        person_id = UUID(who)
        ends = int(until) if until.isascii() and until.isdigit() and len(until) < 12 else 0
    except ValueError:
        return None
    person = db.session.get(Person, person_id)
    if (
        person is None
        or not person.active
        or person.password_hash
        or person.subject
        or ends < now.timestamp()
    ):
        return None
    good = hmac.compare_digest(sign.encode(), _signed(person_id, person.session_epoch, ends, secret).encode())
    return person if good else None


def accept(token: str, password: str, *, now: datetime, secret: str) -> SignedIn:
    """Whoever was invited chooses a password. Raises ``NotFound``, ``Conflict("short_password")``."""
    if len(password) < SHORTEST_PASSWORD:
        raise Conflict("short_password")
    with transaction() as session:
        person = _invited(token, now=now, secret=secret)
        if person is None:
            raise NotFound
        session.refresh(person, with_for_update=True)
        if person.password_hash:
            raise NotFound
        person.password_hash = _hasher.hash(password)
        end_all(person, "password_changed", now)
        return SignedIn(id=person.id, name=person.name, language=person.language, epoch=person.session_epoch)


def change_password(actor: Actor, old: str, new: str, *, now: datetime) -> None:
    """A new password; every session ends. Raises ``Conflict("short_password" | "wrong_password")``."""
    if len(new) < SHORTEST_PASSWORD:
        raise Conflict("short_password")
    with transaction() as session:
        person = session.get(Person, actor.id, with_for_update=True, populate_existing=True)
        try:
            _hasher.verify((person and person.password_hash) or _NOBODY, old)
        except VerificationError:
            raise Conflict("wrong_password") from None
        if person is None or not person.password_hash:
            raise Conflict("wrong_password")
        person.password_hash = _hasher.hash(new)
        ended = end_all(person, "password_changed", now)
        tell(actor, "person.sessions_ended", person, now, sessions=ended)


def tell(actor: Actor, what: str, person: Person, now: datetime, **details: object) -> None:
    """What happens to a person stands in the history of each merchant that they work for."""
    shops = db.session.scalars(sa.select(Membership.merchant_id).where(Membership.person_id == person.id))
    for merchant_id in shops:
        history.record(actor, what, merchant_id=merchant_id, subject_id=person.id, now=now, **details)


def of_merchant(merchant_id: UUID) -> list[tuple[UUID, str, str]]:
    """(id, name, role) of everyone who works for that merchant."""
    found = db.session.execute(
        sa.select(Person.id, Person.name, Membership.role)
        .join(Membership, Membership.person_id == Person.id)
        .where(Membership.merchant_id == merchant_id, Person.active)
        .order_by(Person.name)
    )
    return [(row.id, row.name, row.role) for row in found]

"""The people of a merchant, by those who may give roles there: invited, given roles, signed out, let go."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import ROLES, Actor, Conflict, NotAllowed, NotFound
from portal.db import people
from portal.db.base import db, transaction, uuid7
from portal.db.merchants import Merchant
from portal.db.people import Membership, Person, PersonSession
from portal.services import scope
from portal.services.persons.people import address, end_all, give_roles, invitation, tell
from portal.services.persons.sessions import IDLE


@dataclass(frozen=True, kw_only=True)
class PersonFacts:
    """Somebody who works for a merchant, as whoever may give roles there sees them."""

    id: UUID
    name: str
    email: str
    active: bool
    way: str
    """``password``, ``oidc``, or ``invited``: nobody has chosen a password yet."""
    roles: Mapping[UUID, str]
    """Of the merchants whose people whoever asks may edit: merchant id -> role."""
    is_elsewhere: bool
    """Works for others too: only roles can be taken away, not the account."""
    sessions: int
    seen_at: datetime | None


def listing(actor: Actor, *, now: datetime) -> tuple[PersonFacts, ...]:
    """Everybody who works for the merchants whose people ``actor`` may edit, by name."""
    ours = _ours(actor)
    member = Membership
    found = db.session.scalars(
        sa.select(Person)
        .where(Person.id.in_(sa.select(member.person_id).where(member.merchant_id.in_(ours))))
        .order_by(Person.name, Person.id)
    ).all()
    return tuple(_facts(list(found), ours, now))


def one(actor: Actor, person_id: UUID, *, now: datetime) -> PersonFacts:
    """One of them. Raises ``NotFound``."""
    return next(iter(_facts([_person(actor, person_id)], _ours(actor), now)))


def invite(
    actor: Actor,
    *,
    email: str,
    name: str,
    language: str,
    roles: Mapping[UUID, str],
    now: datetime,
    secret: str,
) -> tuple[UUID, str]:
    """Somebody new, or somebody known who works for these too from now on: (id, token of the invitation).

    The token is blank for whoever has a way to sign in already. Raises ``Conflict("no_role" | "no_email" |
    "works_here_already" | "invited_elsewhere")``, ``NotFound`` for a merchant whose people are not the actor's.
    """
    roles = {merchant_id: role for merchant_id, role in roles.items() if role}
    for merchant_id in roles:
        scope.require(actor, "people.edit", merchant_id)
    _require_somewhere(actor)
    if not roles or not set(roles.values()) <= set(ROLES):
        raise Conflict("no_role")
    try:
        email = address(email)
    except ValueError:
        raise Conflict("no_email") from None
    with transaction() as session:
        person = people.by_email(email)
        if person is None:
            person = Person(
                id=uuid7(), email=email, name=name.strip() or email, password_hash="", language=language,
                created_at=now, session_epoch=0, active=True,
            )  # fmt: skip
            session.add(person)
            session.flush()
        else:
            session.refresh(person, with_for_update=True)
        held = _works_for(person.id)
        if held & set(roles):
            raise Conflict("works_here_already")
        has_way = bool(person.password_hash or person.subject)
        if not has_way:
            _only_ours(actor, held)
            person.session_epoch += 1  # who was given a link before has none any more
        give_roles(actor, person, roles, within=roles, now=now)
        return person.id, "" if has_way else invitation(person.id, person.session_epoch, secret, now=now)


def invitation_of(actor: Actor, person_id: UUID, *, now: datetime, secret: str) -> str:
    """A new invitation for somebody who has not chosen a password.

    Raises ``Conflict("has_signed_in" | "invited_elsewhere")``.
    """
    person = _person(actor, person_id)
    if person.password_hash or person.subject:
        raise Conflict("has_signed_in")
    _only_ours(actor, _works_for(person_id))
    return invitation(person.id, person.session_epoch, secret, now=now)


def set_roles(actor: Actor, person_id: UUID, roles: Mapping[UUID, str], *, now: datetime) -> bool:
    """Their roles at the merchants named, blank for none; whether anything changed.

    Raises ``Conflict("last_admin" | "no_role")``, ``NotFound``.
    """
    for merchant_id in roles:
        scope.require(actor, "people.edit", merchant_id)
    _require_somewhere(actor)
    if not {role for role in roles.values() if role} <= set(ROLES):
        raise Conflict("no_role")
    with transaction():
        _hold(roles)
        person = _person(actor, person_id, lock=True)
        done = give_roles(
            actor, person, {shop: role for shop, role in roles.items() if role}, within=roles, now=now
        )
        _keep_an_admin(roles)
        if done and not _works_for(person_id):
            end_all(person, "no_role", now)  # nothing is left that could be done, not even signing out
        return done


def sign_out_everywhere(actor: Actor, person_id: UUID, *, now: datetime) -> int:
    """End all sessions of somebody at once; answers how many were open. Raises ``NotFound``."""
    with transaction():
        person = _person(actor, person_id, lock=True)
        ended = end_all(person, "ended", now)
        tell(actor, "person.sessions_ended", person, now, sessions=ended)
        return ended


def set_active(actor: Actor, person_id: UUID, active: bool, *, now: datetime) -> None:
    """Let somebody sign in no more, at once, or again.

    Raises ``Conflict("last_admin" | "works_elsewhere" | "not_yourself")``, ``NotFound``.
    """
    with transaction():
        held = _works_for(person_id)
        _hold(held)
        person = _person(actor, person_id, lock=True)
        if not held <= set(_ours(actor)):
            raise Conflict("works_elsewhere")
        if person.id == actor.id:
            raise Conflict("not_yourself")
        if person.active == active:
            return
        before, person.active = person.active, active
        end_all(person, "deactivated", now)
        db.session.flush()
        _keep_an_admin(held)
        tell(
            actor, "person.roles_changed", person, now, changed={"active": (before, active)}, name=person.name
        )


def _ours(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("people.edit", one)]


def _works_for(person_id: UUID) -> set[UUID]:
    return set(db.session.scalars(sa.select(Membership.merchant_id).where(Membership.person_id == person_id)))


def _only_ours(actor: Actor, held: set[UUID]) -> None:
    """Whoever has a link by which a password is chosen could be that person: at no shop of somebody else."""
    if not held <= set(_ours(actor)):
        raise Conflict("invited_elsewhere")


def _require_somewhere(actor: Actor) -> None:
    """Whoever edits the people of no merchant at all learns nothing of any person. Raises ``NotAllowed``."""
    if not _ours(actor):
        raise NotAllowed("people.edit")


def _person(actor: Actor, person_id: UUID, *, lock: bool = False) -> Person:
    """Somebody who works for one of the actor's merchants; anybody else is not found."""
    _require_somewhere(actor)
    ours = sa.select(Membership.person_id).where(Membership.merchant_id.in_(_ours(actor)))
    wanted = sa.select(Person).where(Person.id == person_id, Person.id.in_(ours))
    person = db.session.scalar(wanted.with_for_update(of=Person) if lock else wanted)
    if person is None:
        raise NotFound
    return person


def _hold(merchant_ids: Iterable[UUID]) -> None:
    """Whoever changes who is admin holds the merchants: two admins cannot take each other's role at once."""
    held = sa.select(Merchant.id).where(Merchant.id.in_(set(merchant_ids))).order_by(Merchant.id)
    db.session.execute(held.with_for_update())


def _keep_an_admin(merchant_ids: Iterable[UUID]) -> None:
    """Raises ``Conflict("last_admin")`` when one of these would be left without anybody to give roles."""
    left = set(
        db.session.scalars(
            sa.select(Membership.merchant_id)
            .join(Person, Person.id == Membership.person_id)
            .where(Membership.merchant_id.in_(set(merchant_ids)), Membership.role == "admin", Person.active)
        )
    )
    if not set(merchant_ids) <= left:
        raise Conflict("last_admin")


def _facts(found: list[Person], ours: list[UUID], now: datetime) -> Iterable[PersonFacts]:
    ids = [person.id for person in found]
    roles: dict[UUID, dict[UUID, str]] = {}
    for row in db.session.scalars(sa.select(Membership).where(Membership.person_id.in_(ids))):
        roles.setdefault(row.person_id, {})[row.merchant_id] = row.role
    kept = PersonSession
    open_now = db.session.execute(
        sa.select(
            kept.person_id,
            sa.func.max(kept.seen_at).label("seen"),
            sa.func.sum(
                sa.case(
                    (sa.and_(kept.ended_at.is_(None), kept.expires_at > now, kept.seen_at > now - IDLE), 1),
                    else_=0,
                )
            ).label("open"),
        )
        .where(kept.person_id.in_(ids))
        .group_by(kept.person_id)
    )
    sessions = {row.person_id: (int(row.open or 0), row.seen) for row in open_now}
    for person in found:
        held, (count, seen) = roles.get(person.id, {}), sessions.get(person.id, (0, None))
        yield PersonFacts(
            id=person.id, name=person.name, email=person.email, active=person.active,
            way="oidc" if person.subject else "password" if person.password_hash else "invited",
            roles={shop: role for shop, role in held.items() if shop in ours},
            is_elsewhere=not set(held) <= set(ours),
            sessions=count if person.active else 0, seen_at=seen,
        )  # fmt: skip

"""Who is signed in, in which browser: kept here, so that it ends here, whatever a cookie says."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotFound
from portal.db import people
from portal.db.base import db, transaction, uuid7
from portal.db.people import Person, PersonSession
from portal.services.persons.people import tell

LASTS = timedelta(hours=12)
"""After which somebody signs in again, whatever they do."""

IDLE = timedelta(minutes=60)
"""After which somebody who does nothing signs in again."""

OFTEN = timedelta(minutes=5)
"""How exactly it is remembered when somebody was last seen."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request of somebody who is signed in."""

    session_id: UUID
    actor: Actor
    way: str
    """``password`` or ``oidc``."""
    is_due: bool
    """Whether it should be written down that they were here."""
    zones: Mapping[str, str]
    """Id of a shop they work for -> its time zone; in the order of the shops' names."""


@dataclass(frozen=True, kw_only=True)
class SessionFacts:
    """One browser in which a person is signed in."""

    id: UUID
    way: str
    browser: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def begin(
    person_id: UUID,
    *,
    way: str,
    browser: str,
    now: datetime,
    id_token: str = "",
    provider_session: str = "",
    nonce: str = "",
) -> str:
    """Sign that person in; the token is for that browser alone, and kept nowhere.

    Raises ``NotFound``, ``Conflict("repeated")`` when a session was opened with that ``nonce`` before.
    """
    token = secrets.token_urlsafe(32)
    with transaction() as session:
        once = digest(nonce) if nonce else None
        if once and session.scalar(sa.select(PersonSession.id).where(PersonSession.nonce == once)):
            raise Conflict("repeated")
        person = session.get(Person, person_id)
        if person is None or not person.active:
            raise NotFound
        kept = PersonSession(
            id=uuid7(), person_id=person.id, digest=digest(token), way=way, epoch=person.session_epoch,
            browser=browser[:200], id_token=id_token, provider_session=provider_session[:200], nonce=once,
            created_at=now, seen_at=now, expires_at=now + LASTS,
        )  # fmt: skip
        session.add(kept)
        tell(_actor(person), "person.signed_in", person, now, way=way)
    return token


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def visit(token: str, *, now: datetime) -> Visit | None:
    """Whose token it is; None once the session has ended, expired, or was left alone too long. One statement."""
    found = people.of_session(digest(token), now)
    if found is None or now - found[0].seen_at > IDLE:
        return None
    kept, actor, zones = found
    is_due = now - kept.seen_at > OFTEN
    return Visit(session_id=kept.id, actor=actor, way=kept.way, is_due=is_due, zones=zones)


def seen(visit: Visit, *, now: datetime) -> None:
    """Somebody did something: the time to be left alone begins anew."""
    with transaction() as session:
        session.execute(
            sa.update(PersonSession).where(PersonSession.id == visit.session_id).values(seen_at=now)
        )


def end(token: str, *, now: datetime) -> tuple[str, str]:
    """Sign out; answers how they had signed in, and what their provider gave. Blank: it had ended already."""
    with transaction() as session:
        kept = session.scalar(
            sa.select(PersonSession)
            .where(PersonSession.digest == digest(token), PersonSession.ended_at.is_(None))
            .with_for_update()
        )
        if kept is None:
            return "", ""
        way, id_token = kept.way, kept.id_token
        kept.ended_at, kept.ended_because, kept.id_token = now, "signed_out", ""
        person = session.get_one(Person, kept.person_id)
        tell(_actor(person), "person.signed_out", person, now)
        return way, id_token


def own(actor: Actor, *, now: datetime) -> tuple[SessionFacts, ...]:
    """The browsers in which whoever asks is signed in, the newest first."""
    kept = PersonSession
    found = db.session.scalars(
        sa.select(kept)
        .join(Person, Person.id == kept.person_id)
        .where(
            kept.person_id == actor.id,
            kept.ended_at.is_(None),
            kept.expires_at > now,
            kept.seen_at > now - IDLE,
            kept.epoch == Person.session_epoch,
        )
        .order_by(kept.id.desc())
    )
    return tuple(
        SessionFacts(
            id=row.id, way=row.way, browser=row.browser, created_at=row.created_at, seen_at=row.seen_at,
            expires_at=row.expires_at,
        )
        for row in found
    )  # fmt: skip


def end_one(actor: Actor, session_id: UUID, *, now: datetime) -> None:
    """End one of one's own sessions. Raises ``NotFound`` for anybody else's, and for one that has ended."""
    with transaction() as session:
        mine = (PersonSession.id == session_id, PersonSession.person_id == actor.id)
        if not people.end_sessions(*mine, because="ended_by_owner", now=now):
            raise NotFound
        tell(actor, "person.sessions_ended", session.get_one(Person, actor.id), now, sessions=1)


def end_others(actor: Actor, session_id: UUID, *, now: datetime) -> int:
    """End all of one's own sessions but this one; answers how many."""
    with transaction() as session:
        others = (PersonSession.person_id == actor.id, PersonSession.id != session_id)
        ended = people.end_sessions(*others, because="ended_by_owner", now=now)
        if ended:
            tell(actor, "person.sessions_ended", session.get_one(Person, actor.id), now, sessions=ended)
        return ended


def _actor(person: Person) -> Actor:
    return Actor(kind="person", id=person.id, name=person.name)

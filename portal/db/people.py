"""The people who work here, and for which merchants in which role."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.access import ROLES, Actor
from portal.db.base import Base, UtcTime, db, key, merchant_key
from portal.db.merchants import Merchant


class Person(Base):
    """Somebody who signs in."""

    __tablename__ = "people"
    __table_args__ = (sa.Index("ix_people_subject", "issuer", "subject", unique=True),)

    id: Mapped[UUID] = key()
    email: Mapped[str] = mapped_column(sa.String(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200))
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    language: Mapped[str] = mapped_column(sa.String(10), default="en")
    active: Mapped[bool] = mapped_column(default=True)
    session_epoch: Mapped[int] = mapped_column(default=0)
    """Raised to end all sessions of this person at once."""
    issuer: Mapped[str | None] = mapped_column(sa.String(200))
    """Of whom a provider vouches for: the provider, and its name for the person; both or neither."""
    subject: Mapped[str | None] = mapped_column(sa.String(200))
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class PersonSession(Base):
    """One browser in which a person is signed in; it ends here, whatever its cookie says."""

    __tablename__ = "person_sessions"
    __table_args__ = (
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("nonce"),
        sa.Index("ix_person_sessions_person", "person_id", "ended_at"),
        sa.CheckConstraint("way IN ('password', 'oidc')", name="way_known"),
    )

    id: Mapped[UUID] = key()
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    digest: Mapped[str] = mapped_column(sa.String(64))
    """Of the random token that the browser holds."""
    way: Mapped[str] = mapped_column(sa.String(10))
    epoch: Mapped[int]
    """The person's ``session_epoch`` when it began."""
    browser: Mapped[str] = mapped_column(sa.String(200), default="")
    id_token: Mapped[str] = mapped_column(sa.Text, default="")
    """What a provider gave, to sign out there too."""
    provider_session: Mapped[str] = mapped_column(sa.String(200), default="")
    """The provider's ``sid``."""
    nonce: Mapped[str | None] = mapped_column(sa.String(64))
    """What a sign-in at a provider was begun with, digested: it opens one session, whoever repeats it."""
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    seen_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_because: Mapped[str] = mapped_column(sa.String(40), default="")


class Membership(Base):
    """One role of one person at one merchant."""

    __tablename__ = "memberships"
    __table_args__ = (
        sa.UniqueConstraint("person_id", "merchant_id"),
        sa.CheckConstraint(
            "role IN ({})".format(", ".join(f"'{role}'" for role in ROLES)), name="role_known"
        ),
    )

    id: Mapped[UUID] = key()
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    merchant_id: Mapped[UUID] = merchant_key()
    role: Mapped[str] = mapped_column(sa.String(20))


def by_email(email: str) -> Person | None:
    return db.session.scalar(sa.select(Person).where(Person.email == email.strip().lower()))


def actor(person_id: UUID, epoch: int) -> Actor | None:
    """The person as one who asks, with all roles; None when inactive or the session was ended."""
    rows = db.session.execute(
        sa.select(Person.name, Membership.merchant_id, Membership.role)
        .outerjoin(Membership, Membership.person_id == Person.id)
        .where(Person.id == person_id, Person.active, Person.session_epoch == epoch)
    ).all()
    if not rows:
        return None
    roles = {row.merchant_id: row.role for row in rows if row.merchant_id is not None}
    return Actor(kind="person", id=person_id, name=rows[0].name, roles=roles)


def of_session(digest: str, now: datetime) -> tuple[PersonSession, Actor, dict[str, str]] | None:
    """The session whose token has that digest, who holds it, and the zone of each of their shops by its id.

    None when it or the person was ended.
    """
    wanted = (
        sa.select(PersonSession, Person.name, Membership.merchant_id, Membership.role, Merchant.zone)
        .join(Person, Person.id == PersonSession.person_id)
        .outerjoin(Membership, Membership.person_id == Person.id)
        .outerjoin(Merchant, Merchant.id == Membership.merchant_id)
        .where(
            PersonSession.digest == digest,
            PersonSession.ended_at.is_(None),
            PersonSession.expires_at > now,
            PersonSession.epoch == Person.session_epoch,
            Person.active,
        )
        .order_by(Merchant.name)
    )
    rows = db.session.execute(wanted).all()
    if not rows:
        return None
    roles = {row.merchant_id: row.role for row in rows if row.merchant_id is not None}
    kept: PersonSession = rows[0][0]
    zones = {str(row.merchant_id): row.zone for row in rows if row.merchant_id is not None}
    return kept, Actor(kind="person", id=kept.person_id, name=rows[0].name, roles=roles), zones


def end_sessions(*tests: sa.ColumnElement[bool], because: str, now: datetime) -> int:
    """End the open sessions that pass ``tests``, in the caller's transaction; answers how many there were."""
    ended = (
        sa.update(PersonSession)
        .where(PersonSession.ended_at.is_(None), *tests)
        .values(ended_at=now, ended_because=because, id_token="")
        .execution_options(synchronize_session=False)
    )
    return int(db.session.execute(ended).rowcount)  # type: ignore[attr-defined]

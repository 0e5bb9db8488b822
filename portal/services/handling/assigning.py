"""Who looks after a return: taken, given to a colleague, or left to everybody, with history."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import PERMISSIONS, Actor, Conflict
from portal.db import history
from portal.db.base import db, transaction
from portal.db.people import Membership, Person
from portal.db.returns import Return
from portal.services import scope


def assign(actor: Actor, return_id: UUID, person_id: UUID | None, *, now: datetime) -> bool:
    """Give the return to somebody who works for its merchant, or to nobody; whether that changed anything.

    Raises ``NotFound``, ``NotAllowed``, ``Conflict`` (``assignee_unknown``).
    """
    with transaction():
        row = scope.return_row(actor, return_id, "returns.assign", lock=True)
        if row.assignee_id == person_id:
            return False
        names = dict(colleagues(row.merchant_id))
        if person_id is not None and person_id not in names:
            raise Conflict("assignee_unknown")
        before = name_of(row.assignee_id)
        row.assignee_id = person_id
        after = names[person_id] if person_id else ""
        history.record(
            actor,
            "return.assigned",
            merchant_id=row.merchant_id,
            subject_id=row.id,
            now=now,
            changed={"assignee": (before, after)},
            **({"name": after} if after else {}),
        )
    return True


def name_of(person_id: UUID | None) -> str:
    """The name of a person; empty for nobody."""
    if person_id is None:
        return ""
    return db.session.scalar(sa.select(Person.name).where(Person.id == person_id)) or ""


def colleagues(merchant_id: UUID) -> list[tuple[UUID, str]]:
    """Who can look after returns of this merchant, by name; the caller has passed the gate."""
    return _people([merchant_id])


def everybody(actor: Actor) -> list[tuple[UUID, str]]:
    """The same at all merchants whose returns the actor sees, each once."""
    return _people([one for one in actor.merchant_ids if actor.may("returns.read", one)])


def _people(merchant_ids: list[UUID]) -> list[tuple[UUID, str]]:
    wanted = (
        sa.select(Person.id, Person.name)
        .join(Membership, Membership.person_id == Person.id)
        .where(
            Membership.merchant_id.in_(merchant_ids),
            Membership.role.in_(sorted(PERMISSIONS["returns.read"])),
            Person.active,
        )
        .distinct()
        .order_by(Person.name, Person.id)
    )
    return [(row.id, row.name) for row in db.session.execute(wanted)]


def merchant_of(actor: Actor, return_id: UUID) -> UUID:
    """The gate of what follows: whose return it is. Raises ``NotFound``, ``NotAllowed``."""
    return scope.return_row(actor, return_id, "returns.read").merchant_id


def assignee_of(return_id: UUID) -> tuple[UUID | None, str]:
    """Who looks after the return, and the name; the caller has passed the gate."""
    found = db.session.execute(
        sa.select(Return.assignee_id, Person.name)
        .outerjoin(Person, Person.id == Return.assignee_id)
        .where(Return.id == return_id)
    ).one()
    return found[0], found[1] or ""

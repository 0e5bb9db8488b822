"""Words that people put on returns: written down with who and when, taken off again, and suggested to the next."""

import re
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict
from portal.db import history
from portal.db.base import db, insert_ignore, transaction, uuid7
from portal.db.views import ReturnTag
from portal.services import scope

LONGEST = 40
MOST = 12
"""Tags of one return."""

SUGGESTED = 30


def tidy(text: str) -> str:
    """A tag as it is kept: lower case, single blanks, at most ``LONGEST`` characters."""
    return re.sub(r"\s+", " ", text.replace(",", " ")).strip().lower()[:LONGEST].strip()


def add(actor: Actor, return_id: UUID, text: str, *, now: datetime) -> str:
    """Put a tag on a return and tell which; one that is there stays as it is.

    Raises ``NotFound``, ``NotAllowed``, ``Conflict`` (``tag_empty``, ``tags_too_many``).
    """
    tag = tidy(text)
    with transaction():
        row = scope.return_row(actor, return_id, "returns.assign", lock=True)
        if not tag:
            raise Conflict("tag_empty")
        there = of([row.id]).get(row.id, ())
        if tag in there:
            return tag
        if len(there) >= MOST:
            raise Conflict("tags_too_many", most=MOST)
        db.session.execute(
            insert_ignore(ReturnTag).values(
                id=uuid7(), merchant_id=row.merchant_id, return_id=row.id, tag=tag, by_name=actor.name, at=now
            )
        )
        history.record(
            actor, "return.tagged", merchant_id=row.merchant_id, subject_id=row.id, now=now, tag=tag,
            changed={"tags": (there, sorted([*there, tag]))},
        )  # fmt: skip
    return tag


def remove(actor: Actor, return_id: UUID, text: str, *, now: datetime) -> bool:
    """Take a tag off; whether it was there. Raises ``NotFound``, ``NotAllowed``."""
    tag = tidy(text)
    with transaction():
        row = scope.return_row(actor, return_id, "returns.assign", lock=True)
        gone = db.session.execute(
            sa.delete(ReturnTag).where(ReturnTag.return_id == row.id, ReturnTag.tag == tag)
        )
        if not gone.rowcount:  # type: ignore[attr-defined]
            return False
        left = of([row.id]).get(row.id, ())
        history.record(
            actor, "return.untagged", merchant_id=row.merchant_id, subject_id=row.id, now=now, tag=tag,
            changed={"tags": (sorted([*left, tag]), left)},
        )  # fmt: skip
    return True


def of(return_ids: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    """return -> its tags in alphabetical order; the caller has passed the gate."""
    found: dict[UUID, tuple[str, ...]] = {}
    wanted = sa.select(ReturnTag.return_id, ReturnTag.tag).where(ReturnTag.return_id.in_(return_ids))
    for return_id, tag in db.session.execute(wanted.order_by(ReturnTag.tag)):
        found[return_id] = (*found.get(return_id, ()), tag)
    return found


def known(actor: Actor) -> tuple[str, ...]:
    """Tags that the returns of the actor's merchants have, in alphabetical order, ``SUGGESTED`` at most.

    The index is asked for the next tag each time, so it does not matter how many returns have the same.
    """
    ids = [one for one in actor.merchant_ids if actor.may("returns.read", one)]
    found: list[str] = []
    last = ""
    after = sa.bindparam("after", type_=sa.String())
    parts = [
        sa.select(sa.func.min(ReturnTag.tag).label("tag")).where(
            ReturnTag.merchant_id == one, ReturnTag.tag > after
        )
        for one in ids
    ]
    if not parts:
        return ()
    steps = sa.union_all(*parts).subquery()
    following = sa.select(sa.func.min(steps.c.tag))
    while len(found) < SUGGESTED:
        step = db.session.scalar(following, {"after": last})
        if step is None:
            break
        found.append(step)
        last = step
    return tuple(found)

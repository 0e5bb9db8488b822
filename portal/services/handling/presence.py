"""Who has a return open, and what they are doing with it: told by their pages every few seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.db.base import db, insert_ignore, transaction
from portal.db.views import Presence
from portal.services import scope

GONE_AFTER = timedelta(seconds=25)
"""Two questions of a page, ten seconds apart, may get lost."""

DOING = ("", "decide", "receive", "inspect", "refund", "close", "reopen", "message", "dispute")
"""Empty is looking at it; the others are forms."""


@dataclass(frozen=True, kw_only=True)
class Present:
    """Somebody else who has the return open."""

    name: str
    doing: str


def here(actor: Actor, return_id: UUID, doing: str, now: datetime) -> None:
    """This person has the return open now. What is none of ``DOING`` is looking at it.

    Raises ``NotFound``, ``NotAllowed``. A version of the return is not touched by it, and no history is written.
    """
    doing = doing if doing in DOING else ""
    with transaction():
        row = scope.return_row(actor, return_id, "returns.read")
        if actor.kind != "person" or actor.id is None:
            return
        mine = sa.and_(Presence.return_id == row.id, Presence.person_id == actor.id)
        seen = sa.update(Presence).where(mine).values(doing=doing, seen_at=now, name=actor.name)
        if db.session.execute(seen).rowcount:  # type: ignore[attr-defined]
            return
        db.session.execute(
            insert_ignore(Presence).values(
                return_id=row.id,
                person_id=actor.id,
                merchant_id=row.merchant_id,
                name=actor.name,
                doing=doing,
                seen_at=now,
            )
        )
        long_gone = sa.delete(Presence).where(
            Presence.return_id == row.id, Presence.seen_at < now - 10 * GONE_AFTER
        )
        db.session.execute(long_gone)


def others(actor: Actor, return_id: UUID, now: datetime) -> tuple[Present, ...]:
    """Who else has it open, by name, heard of within ``GONE_AFTER``. Raises ``NotFound``, ``NotAllowed``."""
    scope.return_row(actor, return_id, "returns.read")
    wanted = (
        sa.select(Presence.name, Presence.doing)
        .where(
            Presence.return_id == return_id,
            Presence.person_id != actor.id,
            Presence.seen_at > now - GONE_AFTER,
        )
        .order_by(Presence.name, Presence.person_id)
    )
    return tuple(Present(name=row.name, doing=row.doing) for row in db.session.execute(wanted))

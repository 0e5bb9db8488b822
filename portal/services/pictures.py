"""Pictures of a message, a dispute, an inspection or a parcel nobody announced: re-encoded, and shown to few.

A customer's own photos of a draft are ``photos``; what comes later, from either side, is here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotAllowed, NotFound
from portal.db.base import db, transaction, uuid7
from portal.db.disputes import Dispute
from portal.db.dock import Unexpected
from portal.db.messages import Entry
from portal.db.pictures import Picture
from portal.db.returns import Inspection, ReturnLine
from portal.services import photos, scope

MOST = 10
"""Pictures that one message, dispute, inspection or parcel takes."""

ADD_NEEDS = {
    "message": "messages.send",
    "dispute": "disputes.handle",
    "inspection": "returns.inspect",
    "unexpected": "returns.receive",
}
"""subject -> what a person needs to add a picture to it."""

READ_NEEDS = {"message": "returns.read", "dispute": "disputes.read", "inspection": "returns.read",
              "unexpected": "returns.read"}  # fmt: skip

FROM_CUSTOMERS = ("message", "dispute")
"""What the holder of a link may add pictures to."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A picture that was read and is to be kept: JPEG, with its sides in pixels."""

    content: bytes
    width: int
    height: int


def prepare(content: bytes) -> Prepared:
    """Read what was sent, before anything is locked. Raises ``photo_too_large``, ``photo_unreadable``."""
    picture, width, height = photos.encoded(content)
    return Prepared(content=picture, width=width, height=height)


def add(
    actor: Actor,
    *,
    merchant_id: UUID,
    return_id: UUID | None,
    subject: str,
    subject_id: UUID,
    content: bytes,
    folder: Path,
    now: datetime,
    line_id: UUID | None = None,
) -> UUID:
    """Keep one picture, in a transaction of its own; the subject has been written before.

    Raises ``NotFound``, ``NotAllowed``, ``Conflict``: ``photo_too_large``, ``photo_unreadable``, ``photos_full``.
    """
    _may_add(actor, merchant_id=merchant_id, return_id=return_id, subject=subject)
    prepared = prepare(content)
    with transaction():
        return keep(
            actor,
            prepared,
            merchant_id=merchant_id,
            return_id=return_id,
            subject=subject,
            subject_id=subject_id,
            folder=folder,
            now=now,
            line_id=line_id,
        )


def keep(
    actor: Actor,
    prepared: Prepared,
    *,
    merchant_id: UUID,
    return_id: UUID | None,
    subject: str,
    subject_id: UUID,
    folder: Path,
    now: datetime,
    line_id: UUID | None = None,
) -> UUID:
    """The same in the caller's transaction, of a picture that was prepared before it began. Raises the same."""
    _may_add(actor, merchant_id=merchant_id, return_id=return_id, subject=subject)
    _is_there(merchant_id=merchant_id, return_id=return_id, subject=subject, subject_id=subject_id)
    if len(of([subject_id]).get(subject_id, [])) >= MOST:
        raise Conflict("photos_full", maximum=MOST)
    picture_id = uuid7()
    db.session.add(
        Picture(
            id=picture_id,
            merchant_id=merchant_id,
            return_id=return_id,
            subject=subject,
            subject_id=subject_id,
            return_line_id=line_id,
            by_customer=actor.kind == "link",
            width=prepared.width,
            height=prepared.height,
            size=len(prepared.content),
            created_at=now,
        )
    )
    db.session.flush()
    path = photos.path_of(folder, picture_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(prepared.content)
    return picture_id


def _may_add(actor: Actor, *, merchant_id: UUID, return_id: UUID | None, subject: str) -> None:
    if subject not in ADD_NEEDS:
        raise NotFound
    if actor.kind == "link":
        if return_id is None or (actor.return_id, actor.merchant_id) != (return_id, merchant_id):
            raise NotFound
        if subject not in FROM_CUSTOMERS:
            raise NotAllowed(ADD_NEEDS[subject])
        return
    scope.require(actor, ADD_NEEDS[subject], merchant_id)


def _is_there(*, merchant_id: UUID, return_id: UUID | None, subject: str, subject_id: UUID) -> None:
    """Nothing is hung on what is not there, or is another return's. Raises ``NotFound``."""
    tables: dict[str, Any] = {"message": Entry, "dispute": Dispute, "unexpected": Unexpected}
    table = tables.get(subject)
    wanted: Any
    if table is not None:
        wanted = sa.select(table.merchant_id, table.return_id).where(table.id == subject_id)
    else:
        wanted = (
            sa.select(Inspection.merchant_id, ReturnLine.return_id)
            .join(ReturnLine, ReturnLine.id == Inspection.return_line_id)
            .where(Inspection.id == subject_id)
        )
    found = db.session.execute(wanted).one_or_none()
    if found is None or found[0] != merchant_id or found[1] != return_id:
        raise NotFound


def of(subject_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """subject -> its pictures, oldest first; the caller has passed the gate."""
    found: dict[UUID, list[UUID]] = {}
    wanted = list(subject_ids)
    if wanted:
        rows = (
            sa.select(Picture.subject_id, Picture.id)
            .where(Picture.subject_id.in_(wanted))
            .order_by(Picture.id)
        )
        for subject_id, picture_id in db.session.execute(rows):
            found.setdefault(subject_id, []).append(picture_id)
    return found


def of_return(return_id: UUID, *, subject: str) -> dict[UUID, list[UUID]]:
    """The same for everything of one kind at a return (``inspection``: by its inspections)."""
    found: dict[UUID, list[UUID]] = {}
    wanted = (
        sa.select(Picture.subject_id, Picture.id)
        .where(Picture.return_id == return_id, Picture.subject == subject)
        .order_by(Picture.id)
    )
    for subject_id, picture_id in db.session.execute(wanted):
        found.setdefault(subject_id, []).append(picture_id)
    return found


def of_lines(return_id: UUID) -> dict[UUID, tuple[UUID, ...]]:
    """Line -> the pictures that its customer sent of it in messages, oldest first; the gate is the caller's."""
    found: dict[UUID, tuple[UUID, ...]] = {}
    wanted = (
        sa.select(Picture.return_line_id, Picture.id)
        .where(
            Picture.return_id == return_id, Picture.subject == "message", Picture.by_customer,
            Picture.return_line_id.is_not(None),
        )
        .order_by(Picture.id)
    )  # fmt: skip
    for line_id, picture_id in db.session.execute(wanted):
        if line_id is not None:
            found[line_id] = (*found.get(line_id, ()), picture_id)
    return found


def read(actor: Actor, picture_id: UUID, *, folder: Path) -> bytes:
    """One picture as JPEG. Raises ``NotFound``, ``NotAllowed``.

    People of the merchant see it; the holder of a link to its return sees what customers sent, what was written
    to them, and what inspections show: no notes among colleagues, no evidence of the other side.
    """
    row = db.session.get(Picture, picture_id)
    if row is None:
        raise NotFound
    if actor.kind == "link":
        if not _shown_to_customer(actor, row):
            raise NotFound
    else:
        scope.require(actor, READ_NEEDS[row.subject], row.merchant_id)
    path = photos.path_of(folder, picture_id)
    if not path.exists():
        raise NotFound
    return path.read_bytes()


def _shown_to_customer(actor: Actor, row: Picture) -> bool:
    if row.return_id is None or (actor.return_id, actor.merchant_id) != (row.return_id, row.merchant_id):
        return False
    if row.by_customer or row.subject == "inspection":
        return True
    if row.subject != "message":
        return False
    kind = db.session.scalar(sa.select(Entry.kind).where(Entry.id == row.subject_id))
    return kind is not None and kind != "note"

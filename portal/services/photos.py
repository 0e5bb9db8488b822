"""Pictures that customers send: re-encoded, without what a camera tells about place and owner."""

from datetime import datetime
from io import BytesIO
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from PIL import Image

from portal.core.access import Actor, Conflict, NotFound
from portal.core.returns import Step
from portal.db import history, merchants, returns
from portal.db.base import db, transaction, uuid7
from portal.db.returns import Photo, Return, ReturnLine
from portal.services import scope

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000
SIDE = 2000
"""The longest side that is kept."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture is turned upright that a camera held otherwise; the rest of its notes is not looked at."""


def add(actor: Actor, return_id: UUID, line_id: UUID, content: bytes, *, folder: Path, now: datetime) -> UUID:
    """Keep one picture of one line. Raises ``Conflict``: ``photo_too_large``, ``photo_unreadable``,
    ``photos_full``, or where the answers are settled.
    """
    scope.return_row(actor, return_id, "returns.create")
    picture, width, height = encoded(content)
    with transaction():
        row = _open(actor, return_id)
        line = db.session.get(ReturnLine, line_id)
        if line is None or line.return_id != row.id:
            raise NotFound
        _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
        if len(returns.photos_of([line_id]).get(line_id, [])) >= terms.max_photos:
            raise Conflict("photos_full", maximum=terms.max_photos)
        photo_id = uuid7()
        db.session.add(
            Photo(
                id=photo_id,
                merchant_id=row.merchant_id,
                return_line_id=line_id,
                width=width,
                height=height,
                size=len(picture),
                created_at=now,
            )
        )
        row.version += 1
        history.record(
            actor, "return.updated", merchant_id=row.merchant_id, subject_id=row.id, now=now, step="photo"
        )
        db.session.flush()
        path = path_of(folder, photo_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
        return photo_id


def remove(actor: Actor, return_id: UUID, photo_id: UUID, *, folder: Path, now: datetime) -> None:
    """Take a picture back. One that is gone already is no error."""
    with transaction():
        row = _open(actor, return_id)
        photo = _photo(row, photo_id)
        if photo is None:
            return
        db.session.delete(photo)
        row.version += 1
        history.record(
            actor, "return.updated", merchant_id=row.merchant_id, subject_id=row.id, now=now, step="photo"
        )
    path_of(folder, photo_id).unlink(missing_ok=True)


def read(actor: Actor, return_id: UUID, photo_id: UUID, *, folder: Path) -> bytes:
    """One picture as JPEG, for the holder of the link or people of the merchant. Raises ``NotFound``."""
    row = scope.return_row(actor, return_id, "returns.read")
    if _photo(row, photo_id) is None:
        raise NotFound
    path = path_of(folder, photo_id)
    if not path.exists():
        raise NotFound
    return path.read_bytes()


def _open(actor: Actor, return_id: UUID) -> Return:
    row = scope.return_row(actor, return_id, "returns.create", lock=True)
    if row.state != "draft":
        raise Conflict("not_a_draft", state=row.state)
    if actor.kind == "link" and Step.SURVEY in row.locked:
        raise Conflict("locked", step=Step.SURVEY)
    return row


def _photo(row: Return, photo_id: UUID) -> Photo | None:
    wanted = sa.select(Photo).join(ReturnLine, ReturnLine.id == Photo.return_line_id)
    return db.session.scalar(wanted.where(Photo.id == photo_id, ReturnLine.return_id == row.id))


def path_of(folder: Path, photo_id: UUID) -> Path:
    """Where a picture of that id lies."""
    return folder / photo_id.hex[-2:] / f"{photo_id}.jpg"


def encoded(content: bytes) -> tuple[bytes, int, int]:
    """The picture anew as JPEG with its sides, turned upright and no larger than needed.

    Nothing of the file itself is kept. Raises ``Conflict``: ``photo_too_large``, ``photo_unreadable``.
    """
    if len(content) > MAX_BYTES:
        raise Conflict("photo_too_large", megabytes=MAX_BYTES // 1024 // 1024)
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Conflict("photo_too_large", megabytes=MAX_BYTES // 1024 // 1024)
            upright = image.convert("RGB")
            if (turn := TURNS.get(image.getexif().get(ORIENTATION, 1))) is not None:
                upright = upright.transpose(turn)
            upright.thumbnail((SIDE, SIDE))
            out = BytesIO()
            upright.save(out, "JPEG", quality=85)
            return out.getvalue(), upright.width, upright.height
    except Conflict:
        raise
    except (
        Exception
    ):  # what a reader stumbles over in a broken file is of any kind: struct.error, EOFError, ...
        raise Conflict("photo_unreadable") from None

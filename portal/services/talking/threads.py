"""A return's thread: what its customer and the people of the shop write to each other, with notes among the latter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotAllowed, NotFound
from portal.db import history, returns
from portal.db.base import db, transaction, uuid7
from portal.db.mails import Mail
from portal.db.messages import CannedAnswer, Entry
from portal.db.returns import Return
from portal.services import pictures, scope
from portal.services.pictures import Prepared
from portal.services.talking import notices

LONGEST = 5000
"""Characters of one message."""

TOPICS = {
    "customer": "return.message.received",
    "agent": "return.message.sent",
    "request": "return.needs_info",
    "note": "return.note.added",
}

NEEDS = {"agent": "messages.send", "request": "messages.send", "note": "returns.read"}
"""What a person needs to write an entry of that kind; the customer's are the customer's alone."""

TO_CUSTOMER = ("agent", "request")

Attached = tuple[bytes, UUID | None]
"""A picture as it was sent, and the line of the return that it shows, where it was asked for one."""


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """One entry as it is shown. ``outcome`` of a request is empty while it waits for its answer."""

    id: UUID
    kind: str
    body: str
    author_name: str
    at: datetime
    asks: tuple[str, ...]
    line_ids: tuple[UUID, ...]
    outcome: str
    due_at: datetime | None
    reminded_at: datetime | None
    answered_at: datetime | None
    answers_id: UUID | None
    read_at: datetime | None
    """When the other side first saw it."""
    mail_id: UUID | None
    mail_state: str
    pictures: tuple[UUID, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it is a request that still waits."""
        return self.kind == "request" and not self.outcome


@dataclass(frozen=True, kw_only=True)
class Thread:
    """All entries that whoever asks may see, oldest first."""

    entries: tuple[EntryFacts, ...]
    unread: int
    """Entries of the other side that nobody on this side has read yet."""
    of_lines: Mapping[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    """Line -> the photos of it that the customer sent as an answer."""

    @property
    def request(self) -> EntryFacts | None:
        """The request that waits for the customer; there is never more than one."""
        return next((one for one in reversed(self.entries) if one.is_open), None)


def of_return(actor: Actor, return_id: UUID) -> Thread:
    """The thread of a return; its customer sees no notes. Raises ``NotFound``, ``NotAllowed``."""
    row = scope.return_row(actor, return_id, "returns.read")
    wanted = (
        sa.select(Entry, Mail.state)
        .outerjoin(Mail, Mail.id == Entry.mail_id)
        .where(Entry.return_id == row.id)
        .order_by(Entry.id)
        .execution_options(populate_existing=True)
    )
    if actor.kind == "link":
        wanted = wanted.where(Entry.kind != "note")
    shown = pictures.of_return(row.id, subject="message")
    entries = tuple(
        _facts(entry, state or "", tuple(shown.get(entry.id, ())))
        for entry, state in db.session.execute(wanted)
    )
    other = TO_CUSTOMER if actor.kind == "link" else ("customer",)
    return Thread(
        entries=entries,
        unread=sum(1 for one in entries if one.kind in other and one.read_at is None),
        of_lines=pictures.of_lines(row.id) if shown else {},
    )


def _facts(entry: Entry, mail_state: str, shown: tuple[UUID, ...]) -> EntryFacts:
    return EntryFacts(
        id=entry.id,
        kind=entry.kind,
        body=entry.body,
        author_name=entry.author_name,
        at=entry.at,
        asks=tuple(entry.asks or ()),
        line_ids=tuple(UUID(line_id) for line_id in entry.line_ids or ()),
        outcome=entry.outcome,
        due_at=entry.due_at,
        reminded_at=entry.reminded_at,
        answered_at=entry.answered_at,
        answers_id=entry.answers_id,
        read_at=entry.read_at,
        mail_id=entry.mail_id,
        mail_state=mail_state,
        pictures=shown,
    )


def write(
    actor: Actor,
    return_id: UUID,
    body: str,
    *,
    kind: str = "",
    nonce: str | None = None,
    attached: Sequence[Attached] = (),
    folder: Path | None = None,
    canned_id: UUID | None = None,
    seen: UUID | None = None,
    now: datetime,
) -> UUID:
    """Write into the thread, and answer the entry; the same ``nonce`` again answers the entry it made.

    ``kind`` is ``agent`` or ``note`` for people (``agent`` where none is told), ``customer`` for the holder of
    a link. A message of the shop goes out by mail too; what the other side wrote before counts as read, up to the
    entry ``seen`` where that is told: what came while somebody typed waits on.
    ``canned_id`` is the ready text that was used, counted once. ``folder`` keeps the pictures.

    Raises ``NotFound``, ``NotAllowed``, ``Conflict``: ``message_empty``, ``message_too_long``, ``still_a_draft``,
    ``photos_full`` and what makes a picture unreadable.
    """
    kind = kind or ("customer" if actor.kind == "link" else "agent")
    if kind not in ("customer", "agent", "note"):
        raise NotAllowed("messages.send")
    gate(actor, return_id, kind, lock=False)
    prepared = prepare(attached)
    with transaction():
        row = gate(actor, return_id, kind)
        if (before := made_by(nonce, row)) is not None:
            return before
        entry_id = add(
            actor, row, body, kind=kind, nonce=nonce, prepared=prepared, folder=folder, seen=seen, now=now
        )
        if canned_id is not None and kind == "agent":
            count_use(canned_id, row.merchant_id)
        return entry_id


def prepare(attached: Sequence[Attached]) -> list[tuple[Prepared, UUID | None]]:
    """The pictures, read before anything is locked. Raises ``Conflict`` where one cannot be read or is one too many."""
    if len(attached) > pictures.MOST:
        raise Conflict("photos_full", maximum=pictures.MOST)
    return [(pictures.prepare(content), line_id) for content, line_id in attached]


def gate(actor: Actor, return_id: UUID, kind: str, *, lock: bool = True) -> Return:
    """The return, for whoever may write an entry of that kind. Raises ``NotFound``, ``NotAllowed``."""
    if actor.kind == "link":
        if kind != "customer":
            raise NotAllowed(NEEDS[kind])
        return scope.return_row(actor, return_id, "returns.create", lock=lock)
    if kind == "customer":
        raise NotAllowed("messages.send")
    return scope.return_row(actor, return_id, NEEDS[kind], lock=lock)


def made_by(nonce: str | None, row: Return) -> UUID | None:
    """The entry that this form wrote before, at the same return. Raises ``NotFound`` for another's."""
    if not nonce:
        return None
    found = db.session.execute(sa.select(Entry.id, Entry.return_id).where(Entry.nonce == nonce)).one_or_none()
    if found is None:
        return None
    if found.return_id != row.id:
        raise NotFound
    return UUID(str(found.id))


def add(
    actor: Actor,
    row: Return,
    body: str,
    *,
    kind: str,
    nonce: str | None = None,
    prepared: Sequence[tuple[Prepared, UUID | None]] = (),
    folder: Path | None = None,
    seen: UUID | None = None,
    now: datetime,
    answers_id: UUID | None = None,
    event: str = "message",
    topic: str = "",
    asked: "Asked | None" = None,
) -> UUID:
    """The same in the caller's transaction, with ``row`` locked and whoever asks let in (``gate``).

    ``event`` is the mail that brings it to the customer. Raises the same conflicts as ``write``.
    """
    text = body.replace("\r\n", "\n").strip()  # a form sends two characters where its field counts one
    if not text and not prepared and asked is None:
        raise Conflict("message_empty")
    if len(text) > LONGEST:
        raise Conflict("message_too_long", maximum=LONGEST)
    if row.state == "draft" and kind != "note":
        raise Conflict("still_a_draft")
    entry_id = uuid7()
    asks, line_ids, due_at = (asked.asks, asked.line_ids, asked.due_at) if asked else ((), (), None)
    db.session.add(
        Entry(
            id=entry_id, merchant_id=row.merchant_id, return_id=row.id, kind=kind, body=text,
            author_id=actor.id, author_name=actor.name, at=now, asks=list(asks),
            line_ids=[str(line_id) for line_id in line_ids], due_at=due_at, answers_id=answers_id,
            nonce=nonce or None,
        )
    )  # fmt: skip
    db.session.flush()
    _keep(actor, row, entry_id, prepared, folder=folder, now=now)
    if kind in TO_CUSTOMER:
        mail_id = notices.queue(event, returns.draft(row), now=now, thread=told(text, asked, row))
        db.session.execute(sa.update(Entry).where(Entry.id == entry_id).values(mail_id=mail_id))
        _read(row, ("customer",), now, upto=seen)
        row.unread = _unread(row)
    elif kind == "customer":
        _read(row, TO_CUSTOMER, now)
        row.unread += 1
    history.record(
        actor,
        topic or TOPICS[kind],
        merchant_id=row.merchant_id,
        subject_id=row.id,
        now=now,
        entry=str(entry_id),
        until=(due_at - timedelta(seconds=1)).isoformat() if due_at else "",
    )
    return entry_id


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a request wants: codes of ``requests.ASKS``, the lines of which photos are wanted, until when."""

    asks: tuple[str, ...]
    line_ids: tuple[UUID, ...]
    due_at: datetime


def told(text: str, asked: Asked | None, row: Return) -> dict[str, object]:
    """What the mail says of an entry, as JSON values."""
    if asked is None:
        return {"message": text}
    names = {line.id: line.name for line in returns.lines_of(row.id)}
    return {
        "message": text,
        "asks": list(asked.asks),
        "lines": [names[line_id] for line_id in asked.line_ids if line_id in names],
        "due_at": asked.due_at.isoformat(),
    }


def _keep(
    actor: Actor,
    row: Return,
    entry_id: UUID,
    prepared: Sequence[tuple[Prepared, UUID | None]],
    *,
    folder: Path | None,
    now: datetime,
) -> None:
    if not prepared:
        return
    if folder is None:
        raise ValueError("pictures need a folder")
    mine = {line.id for line in returns.lines_of(row.id)}
    for picture, line_id in prepared:
        if line_id is not None and line_id not in mine:
            raise NotFound
        pictures.keep(
            actor, picture, merchant_id=row.merchant_id, return_id=row.id, subject="message",
            subject_id=entry_id, folder=folder, now=now, line_id=line_id,
        )  # fmt: skip


def mark_read(actor: Actor, return_id: UUID, *, upto: UUID | None = None, now: datetime) -> None:
    """What the other side wrote, up to the entry that was shown last, was seen. Again is no error.

    No history: nobody decided anything, a browser said it by itself; the entry's own ``read_at`` tells it.
    """
    with transaction():
        row = scope.return_row(actor, return_id, "returns.read", lock=True)
        if actor.kind == "link":
            _read(row, TO_CUSTOMER, now, upto=upto)
            return
        _read(row, ("customer",), now, upto=upto)
        row.unread = _unread(row)


def _unread(row: Return) -> int:
    """How many messages of the customer nobody at the shop has seen."""
    unread = sa.select(sa.func.count()).where(
        Entry.return_id == row.id, Entry.kind == "customer", Entry.read_at.is_(None)
    )
    return db.session.scalar(unread) or 0


def _read(row: Return, kinds: tuple[str, ...], now: datetime, *, upto: UUID | None = None) -> None:
    seen = sa.update(Entry).where(Entry.return_id == row.id, Entry.kind.in_(kinds), Entry.read_at.is_(None))
    if upto is not None:
        seen = seen.where(Entry.id <= upto)
    db.session.execute(seen.values(read_at=now).execution_options(synchronize_session=False))


def count_use(canned_id: UUID, merchant_id: UUID) -> None:
    """Count that a ready text of that merchant was used, in the caller's transaction."""
    used = CannedAnswer
    db.session.execute(
        sa.update(used)
        .where(used.id == canned_id, used.merchant_id == merchant_id)
        .values(uses=used.uses + 1)
    )


def settle(row: Return, *, now: datetime) -> None:
    """The return was decided without an answer, in the caller's transaction: nothing is asked any more."""
    row.info_due_at = None
    db.session.execute(
        sa.update(Entry)
        .where(Entry.return_id == row.id, Entry.kind == "request", Entry.outcome == "")
        .values(outcome="decided", answered_at=now)
        .execution_options(synchronize_session=False)
    )

"""What happened, who did it, when, to what: append-only, chained, written in the transaction of the change."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from portal.core import chain
from portal.core.access import Actor
from portal.db.base import Base, Json, UtcTime, db, insert_ignore, key, merchant_key, uuid7


class Happening(Base):
    """One row of history. ``what`` is an event topic of the vocabulary (``return.approved``)."""

    __tablename__ = "history"
    __table_args__ = (
        sa.Index("ix_history_subject", "subject_id", "id"),
        sa.Index("ix_history_what", "merchant_id", "what", "id"),
        sa.Index("ix_history_chain", "merchant_id", "sequence", unique=True),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    subject_id: Mapped[UUID]
    """The return, refund or order it happened to."""
    at: Mapped[datetime] = mapped_column(UtcTime)
    what: Mapped[str] = mapped_column(sa.String(60))
    actor_kind: Mapped[str] = mapped_column(sa.String(20))
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(sa.String(200), default="")
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    changed: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")
    """field -> [before, after]."""
    sequence: Mapped[int | None] = mapped_column(sa.BigInteger)
    """Its place in the merchant's chain, from 1 without gaps."""
    content: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    """SHA-256 of what it says."""
    digest: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")
    """SHA-256 of the digest before it and ``content``."""


class HistoryHead(Base):
    """The end of a merchant's chain; its ``sequence`` is also how anybody sees that something changed."""

    __tablename__ = "history_heads"
    __table_args__ = (sa.PrimaryKeyConstraint("merchant_id"),)

    merchant_id: Mapped[UUID] = merchant_key()
    sequence: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    digest: Mapped[str] = mapped_column(sa.String(64), default="")


def record(
    actor: Actor,
    what: str,
    *,
    merchant_id: UUID,
    subject_id: UUID,
    now: datetime,
    changed: Any = None,
    **details: object,
) -> None:
    """One happening of the caller's transaction, written with it at its end. ``details`` are JSON values.

    ``changed`` (a mapping) says what people change: field -> (before, after). What is the same on both sides is
    left out.
    """
    session = db.session()
    told = {name: list(pair) for name, pair in (changed or {}).items() if pair[0] != pair[1]}
    row = {
        "id": uuid7(),
        "merchant_id": merchant_id,
        "subject_id": subject_id,
        "at": now,
        "what": what,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "details": chain.plain(details),
        "changed": chain.plain(told),
    }
    _pending(session).append((row, session.get_nested_transaction()))


def change(subject_ids: Sequence[UUID], changed: Mapping[str, tuple[Any, Any]]) -> None:
    """Before and after of what the caller's transaction changes: kept with its last happening of a subject.

    ``subject_ids`` are tried in their order. Where nothing is told to have happened, nothing is kept.
    """
    session = db.session()
    if changed:
        kept = session.info.setdefault("history_changes", [])
        kept.append((tuple(subject_ids), changed, session.get_nested_transaction()))


def of(subject_ids: list[UUID]) -> list[Happening]:
    """The history of these, oldest first; with what the caller's own transaction adds."""
    found = sa.select(Happening).where(Happening.subject_id.in_(subject_ids)).order_by(Happening.id)
    wanted = set(subject_ids)
    added = [Happening(**row) for row, _ in _pending(db.session()) if row["subject_id"] in wanted]
    return [*db.session.scalars(found), *added]


def count(subject_id: UUID) -> int:
    """How many rows this has."""
    wanted = sa.select(sa.func.count()).select_from(Happening).where(Happening.subject_id == subject_id)
    return int(db.session.scalar(wanted) or 0)


def newest_first(subject_id: UUID, whats: tuple[str, ...]) -> Iterator[Happening]:
    """What happened to this of those kinds, the newest first; with what the caller's own transaction adds."""
    for row, _ in reversed(_pending(db.session())):
        if row["subject_id"] == subject_id and row["what"] in whats:
            yield Happening(**row)
    found = sa.select(Happening).where(Happening.subject_id == subject_id, Happening.what.in_(whats))
    yield from db.session.scalars(found.order_by(Happening.id.desc()))


def sequences(merchant_ids: Sequence[UUID]) -> int:
    """A number that grows with everything that happens to these merchants, whoever does it."""
    grown = sa.select(sa.func.coalesce(sa.func.sum(HistoryHead.sequence), 0))
    return int(db.session.scalar(grown.where(HistoryHead.merchant_id.in_(merchant_ids))) or 0)


def begin_chain(merchant_id: UUID) -> None:
    """The head of a new merchant's chain, in the caller's transaction."""
    db.session.execute(insert_ignore(HistoryHead).values(merchant_id=merchant_id, sequence=0, digest=""))


# ------------------------------------------------------------------------------- at the end of a transaction


def _pending(session: Session) -> list[tuple[dict[str, Any], SessionTransaction | None]]:
    """What this transaction will write, each with the savepoint in which it was said."""
    pending: list[tuple[dict[str, Any], SessionTransaction | None]] = session.info.setdefault("history", [])
    return pending


def _write(session: Session) -> None:
    """Number, chain and write what happened, at the end of the transaction.

    The heads are the last locks that any transaction takes, in one order: nobody who holds one waits for
    anything else, and nobody waits for one longer than this takes.
    """
    pending = _pending(session)
    if not pending or session.in_nested_transaction():
        return
    session.flush()
    rows = [row for row, _ in pending]
    _put_changes(session, rows)
    heads = _locked(session, {row["merchant_id"] for row in rows})
    for row in rows:
        sequence, before = heads[row["merchant_id"]]
        row["sequence"], row["content"] = sequence + 1, chain.content(row)
        row["digest"] = chain.digest(before, row["content"])
        heads[row["merchant_id"]] = (row["sequence"], row["digest"])
    session.execute(sa.insert(Happening.__table__), rows)  # a trigger moves the heads
    pending.clear()


def _put_changes(session: Session, rows: list[dict[str, Any]]) -> None:
    """To each last happening what was changed of its subject, from first to last; what is told there, stays."""
    last = {row["subject_id"]: row for row in rows}
    found: dict[UUID, dict[str, list[Any]]] = {}
    for subject_ids, changed, _ in session.info.pop("history_changes", ()):
        subject_id = next((one for one in subject_ids if one in last), None)
        if subject_id is None:
            continue
        sums = found.setdefault(subject_id, {})
        for name, (before, after) in changed.items():
            sums[name] = [sums[name][0] if name in sums else before, after]
    for subject_id, sums in found.items():
        told = {name for row in rows if row["subject_id"] == subject_id for name in row["changed"]}
        new = {name: pair for name, pair in sums.items() if pair[0] != pair[1] and name not in told}
        last[subject_id]["changed"] = chain.plain(new) | last[subject_id]["changed"]


def _locked(session: Session, merchant_ids: set[UUID]) -> dict[UUID, tuple[int, str]]:
    """The heads of these merchants, held until the end; one that was never there is begun."""
    wanted = sa.select(HistoryHead.merchant_id, HistoryHead.sequence, HistoryHead.digest)
    wanted = wanted.where(HistoryHead.merchant_id.in_(merchant_ids)).order_by(HistoryHead.merchant_id)
    found = {row[0]: (row[1], row[2]) for row in session.execute(wanted.with_for_update())}
    missing = merchant_ids - found.keys()
    if missing:
        for merchant_id in sorted(missing):
            begin_chain(merchant_id)
        found = {row[0]: (row[1], row[2]) for row in session.execute(wanted.with_for_update())}
    return found


def _forget(session: Session, ended: SessionTransaction) -> None:
    """What was said in a transaction, or a savepoint, that was taken back did not happen."""
    if ended.nested:
        session.info["history"] = [one for one in _pending(session) if not _within(one[1], ended)]
        changes = session.info.get("history_changes", [])
        session.info["history_changes"] = [one for one in changes if not _within(one[2], ended)]
    else:
        _pending(session).clear()
        session.info.pop("history_changes", None)


def _within(said: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while said is not None:
        if said is ended:
            return True
        said = said.parent
    return False


def _begin_anew(session: Session) -> None:
    """What was changed without anything that happened is of no later transaction."""
    session.info.pop("history_changes", None)


event.listen(db.session, "before_commit", _write)
event.listen(db.session, "after_commit", _begin_anew)
event.listen(db.session, "after_soft_rollback", _forget)

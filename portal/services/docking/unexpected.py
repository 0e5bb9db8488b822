"""Goods that nobody announced: set aside when they are found, and decided about later.

They lie in quarantine from the moment it is known what they are; a person matches them to a return, sends them
back, puts them among the goods for sale or writes them off. Until then a task waits for customer service.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.core.facts import MERCHANDISE
from portal.core.inventory import StockEvent, movements_for
from portal.core.reasons import GRADES
from portal.db import history
from portal.db.base import db, transaction, uuid7
from portal.db.dock import UNEXPECTED_KINDS, Unexpected
from portal.db.merchants import Merchant
from portal.db.orders import OrderLine
from portal.db.returns import Return
from portal.db.stock import StockLevel
from portal.services import pictures, scope, tasks
from portal.services.pictures import Prepared
from portal.services.stockroom import stock

TASK = "unexpected_goods"
DECISIONS = ("sent_back", "restocked", "disposed")
"""What becomes of goods that are no return's; the code of a decision is also the state that follows."""
MOST = 10_000
"""Units of one finding."""


@dataclass(frozen=True, kw_only=True)
class Surprise:
    """What was found: units beyond what was announced, other goods, or a whole parcel nobody knows."""

    kind: str
    units: int = 1
    code: str = ""
    """What was scanned."""
    sku: str = ""
    """Empty while nobody knows what it is; a parcel may be closed."""
    name: str = ""
    grade: str = ""
    note: str = ""
    pictures: tuple[Prepared, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Goods that nobody announced, as people see them."""

    id: UUID
    merchant_id: UUID
    merchant: str
    kind: str
    state: str
    return_id: UUID | None
    number: str
    """Of the return that they came with or belong to; empty while there is none."""
    code: str
    sku: str
    name: str
    units: int
    grade: str
    note: str
    decision_note: str
    at: datetime
    by_name: str
    decided_at: datetime | None
    decided_by_name: str
    version: int
    pictures: tuple[UUID, ...] = ()


def find_article(merchant_id: UUID, sku: str) -> tuple[str, str] | None:
    """(SKU, name) of goods that the merchant has, or had; the case of what was typed does not matter."""
    text = sku.strip()
    if not text:
        return None
    spelled = {text, text.upper(), text.lower()}
    known = db.session.scalar(
        sa.select(StockLevel.sku)
        .where(StockLevel.merchant_id == merchant_id, StockLevel.sku.in_(spelled))
        .limit(1)
    ) or db.session.scalar(
        sa.select(OrderLine.sku)
        .where(
            OrderLine.merchant_id == merchant_id, OrderLine.sku.in_(spelled), OrderLine.kind == MERCHANDISE
        )
        .limit(1)
    )
    if known is None:
        return None
    name = db.session.scalar(
        sa.select(OrderLine.name)
        .where(OrderLine.merchant_id == merchant_id, OrderLine.sku == known, OrderLine.name != "")
        .order_by(OrderLine.id.desc())
        .limit(1)
    )
    return known, name or known


def note(
    actor: Actor,
    merchant_id: UUID,
    surprise: Surprise,
    *,
    return_id: UUID | None = None,
    folder: Path,
    now: datetime,
    nonce: str = "",
) -> UUID:
    """Set goods aside in a transaction of its own; the same ``nonce`` again is the same finding.

    ``return_id`` is a return that they came for although it takes nothing any more. Raises ``Conflict``:
    ``unknown_kind``, ``nothing_counted``, ``too_many_counted``, ``sku_unknown``, ``unknown_grade``.
    """
    try:
        with transaction():
            scope.require(actor, "returns.receive", merchant_id)
            row = scope.return_row(actor, return_id, "returns.receive", lock=True) if return_id else None
            if row is not None and row.merchant_id != merchant_id:
                raise NotFound
            known = _by_nonce(merchant_id, nonce)
            if known is not None:
                return known
            aside = set_aside(actor, merchant_id, surprise, row=row, folder=folder, now=now, key=nonce)
            stock.write(aside.moves, merchant_id=merchant_id, now=now)
            return aside.id
    except IntegrityError:
        twin = _by_nonce(merchant_id, nonce)
        if twin is None:
            raise
        return twin  # the same form arrived twice at once; the other one was faster


def _by_nonce(merchant_id: UUID, nonce: str) -> UUID | None:
    wanted = sa.select(Unexpected.id).where(Unexpected.nonce == nonce, Unexpected.merchant_id == merchant_id)
    return db.session.scalar(wanted) if nonce else None


@dataclass(frozen=True, kw_only=True)
class Aside:
    """A finding that was written, with the movements that its caller writes."""

    id: UUID
    moves: Sequence[stock.Moved]


def set_aside(
    actor: Actor,
    merchant_id: UUID,
    surprise: Surprise,
    *,
    row: Return | None,
    folder: Path,
    now: datetime,
    key: str = "",
    sheet: str = "",
) -> Aside:
    """The same in the caller's transaction, which holds ``row`` and writes the movements with all others.

    ``sheet`` names the sheet that was saved, for the history.
    """
    aside = put_aside(actor, merchant_id, surprise, row=row, now=now, key=key, sheet=sheet)
    for prepared in surprise.pictures:
        pictures.keep(
            actor,
            prepared,
            merchant_id=merchant_id,
            return_id=row.id if row else None,
            subject="unexpected",
            subject_id=aside.id,
            folder=folder,
            now=now,
        )
    return aside


def put_aside(
    actor: Actor,
    merchant_id: UUID,
    surprise: Surprise,
    *,
    row: Return | None,
    now: datetime,
    key: str = "",
    sheet: str = "",
) -> Aside:
    """The same of goods without pictures."""
    if surprise.kind not in UNEXPECTED_KINDS:
        raise Conflict("unknown_kind", kind=surprise.kind)
    _countable(surprise.units)
    if surprise.grade and surprise.grade not in GRADES:
        raise Conflict("unknown_grade", grade=surprise.grade)
    article = _article(merchant_id, surprise.sku)
    made = Unexpected(
        id=uuid7(),
        merchant_id=merchant_id,
        return_id=row.id if row else None,
        kind=surprise.kind,
        state="open",
        code=surprise.code.strip()[:100],
        sku=article[0],
        name=(surprise.name.strip() or article[1])[:300],
        units=surprise.units,
        grade=surprise.grade,
        note=surprise.note.strip(),
        at=now,
        by_name=actor.name,
        nonce=key or None,
        version=1,
    )
    db.session.add(made)
    db.session.flush()
    number = (row.number if row else "") or ""
    told = {"units": made.units, "sku": made.sku, "name": made.name, "code": made.code, "kind": made.kind}
    once = {"nonce": sheet} if sheet else {}
    tell(actor, "return.unexpected.found" if row else "parcel.unknown", made, now, **told, **once)
    tasks.open(
        TASK,
        str(made.id),
        merchant_id=merchant_id,
        subject_id=made.return_id,
        details=told | {"number": number, "item": str(made.id)},
        now=now,
    )
    return Aside(id=made.id, moves=moves_of(made, "found", number))


def _countable(units: int) -> None:
    if units <= 0:
        raise Conflict("nothing_counted")
    if units > MOST:
        raise Conflict("too_many_counted", maximum=MOST)


def _article(merchant_id: UUID, sku: str) -> tuple[str, str]:
    if not sku.strip():
        return "", ""
    found = find_article(merchant_id, sku)
    if found is None:
        raise Conflict("sku_unknown", sku=sku.strip())
    return found


def moves_of(row: Unexpected, kind: str, number: str) -> list[stock.Moved]:
    """Movements of a finding; none while nobody knows what it is."""
    if not row.sku:
        return []
    why = "unexpected_found" if kind == "found" else "unexpected_decided"
    return [
        stock.Moved(why=why, movement=movement, unexpected_id=row.id, number=number or row.code)
        for movement in movements_for(StockEvent(kind=kind, sku=row.sku, units=row.units))
    ]


def identify(
    actor: Actor, finding_id: UUID, *, sku: str, units: int, now: datetime, version: int | None = None
) -> None:
    """Say what is in a parcel that was set aside closed: so many units of ``sku``, in quarantine from now on.

    The same twice is one. Raises ``Conflict``: ``unexpected_decided``, ``already_identified``, ``sku_unknown``,
    ``nothing_counted``, ``too_many_counted``.
    """
    with transaction():
        row = get(actor, finding_id, "returns.receive", lock=True)
        if row.state == "open" and row.sku and (row.sku.upper(), row.units) == (sku.strip().upper(), units):
            return
        still_open(row, version)
        if row.sku:
            raise Conflict("already_identified", sku=row.sku)
        _countable(units)
        row.sku, name = _article(row.merchant_id, sku)
        if not row.sku:
            raise Conflict("sku_unknown", sku=sku)
        row.name, row.units, row.version = row.name or name, units, row.version + 1
        db.session.flush()
        told = {"units": units, "sku": row.sku, "name": row.name, "code": row.code, "kind": row.kind}
        tell(actor, "return.unexpected.found", row, now, **told)
        stock.write(moves_of(row, "found", number_of(row)), merchant_id=row.merchant_id, now=now)


def decide(
    actor: Actor,
    finding_id: UUID,
    *,
    decision: str,
    note: str = "",
    now: datetime,
    version: int | None = None,
) -> None:
    """Goods that are no return's are sent back, sold again or written off. The same decision twice is one.

    Raises ``Conflict``: ``unknown_decision``, ``unexpected_decided``, ``sku_missing`` for goods for sale that nobody
    named, ``reason_missing`` for goods that are written off without one.
    """
    with transaction():
        row = get(actor, finding_id, "returns.inspect", lock=True)
        if decision not in DECISIONS:
            raise Conflict("unknown_decision", decision=decision)
        if row.state == decision:
            return
        still_open(row, version)
        if decision == "restocked" and not row.sku:
            raise Conflict("sku_missing")
        if decision == "disposed" and not note.strip():
            raise Conflict("reason_missing")
        end(actor, row, decision, note=note, now=now)
        stock.write(moves_of(row, decision, number_of(row)), merchant_id=row.merchant_id, now=now)


def end(actor: Actor, row: Unexpected, state: str, *, note: str, now: datetime) -> None:
    """Write down what became of a locked finding, in the caller's transaction; its task is done."""
    row.state, row.decision_note, row.version = state, note.strip(), row.version + 1
    row.decided_at, row.decided_by_name = now, actor.name
    db.session.flush()
    tell(actor, "return.unexpected.decided", row, now, decision=state, note=row.decision_note,
         units=row.units, sku=row.sku, name=row.name, code=row.code)  # fmt: skip
    tasks.done(TASK, str(row.id), merchant_id=row.merchant_id, now=now, note=row.decision_note)


def still_open(row: Unexpected, version: int | None) -> None:
    """The finding is open, and as the person last saw it. Raises ``Stale``, ``unexpected_decided``."""
    if row.state != "open":
        raise Conflict("unexpected_decided", state=row.state)
    if version is not None and row.version != version:
        raise Stale


def get(actor: Actor, finding_id: UUID, permission: str, *, lock: bool = False) -> Unexpected:
    wanted = sa.select(Unexpected).where(Unexpected.id == finding_id)
    if lock:
        wanted = wanted.with_for_update()
    row = db.session.scalar(wanted.execution_options(populate_existing=True))
    if row is None:
        raise NotFound
    scope.require(actor, permission, row.merchant_id)
    return row


def number_of(row: Unexpected) -> str:
    """The number of the return of a finding; empty where there is none."""
    if row.return_id is None:
        return ""
    return db.session.scalar(sa.select(Return.number).where(Return.id == row.return_id)) or ""


def tell(actor: Actor, what: str, row: Unexpected, now: datetime, **details: object) -> None:
    """Into the history of the finding, and into that of its return."""
    subjects = [row.id] if row.return_id is None else [row.id, row.return_id]
    for subject_id in subjects:
        history.record(actor, what, merchant_id=row.merchant_id, subject_id=subject_id, now=now, **details)


# -------------------------------------------------------------------------------------------------- to look at


def listing(
    actor: Actor, *, state: str = "open", after: UUID | None = None, limit: int = 50
) -> tuple[Finding, ...]:
    """Findings of the actor's merchants in ``state``, the oldest first; ``after`` continues a list."""
    wanted = sa.select(Unexpected.id).where(Unexpected.merchant_id.in_(_merchants(actor)))
    wanted = wanted.where(Unexpected.state == state if state == "open" else Unexpected.state != "open")
    if after is not None:
        wanted = wanted.where(Unexpected.id > after)
    return _findings(db.session.scalars(wanted.order_by(Unexpected.id).limit(limit)).all())


def count(actor: Actor) -> int:
    """How many are open."""
    wanted = sa.select(sa.func.count()).select_from(Unexpected)
    wanted = wanted.where(Unexpected.merchant_id.in_(_merchants(actor)), Unexpected.state == "open")
    return db.session.scalar(wanted) or 0


def of_return(return_id: UUID) -> tuple[Finding, ...]:
    """What came with a return and was not announced; the caller has passed the gate."""
    wanted = sa.select(Unexpected.id).where(Unexpected.return_id == return_id).order_by(Unexpected.id)
    return _findings(db.session.scalars(wanted).all())


def one(actor: Actor, finding_id: UUID) -> Finding:
    """One finding. Raises ``NotFound``, ``NotAllowed``."""
    return _findings([get(actor, finding_id, "returns.receive").id])[0]


def _merchants(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("returns.receive", one)]


def _findings(ids: Iterable[UUID]) -> tuple[Finding, ...]:
    wanted = list(ids)
    if not wanted:
        return ()
    shown = pictures.of(wanted)
    rows = db.session.execute(
        sa.select(Unexpected, Return.number, Merchant.name)
        .join(Merchant, Merchant.id == Unexpected.merchant_id)
        .outerjoin(Return, Return.id == Unexpected.return_id)
        .where(Unexpected.id.in_(wanted))
        .order_by(Unexpected.id)
        .execution_options(populate_existing=True)
    )
    same = (
        "id", "merchant_id", "kind", "state", "return_id", "code", "sku", "name", "units", "grade", "note",
        "decision_note", "at", "by_name", "decided_at", "decided_by_name", "version",
    )  # fmt: skip
    return tuple(
        Finding(
            merchant=merchant,
            number=number or "",
            pictures=tuple(shown.get(row.id, ())),
            **{name: getattr(row, name) for name in same},
        )
        for row, number, merchant in rows
    )

"""The dock: what arrives of a return is counted, kept apart, graded, and goes where its inspection says.

One use case does all of it (``take_in``), in one transaction and with all movements of stock at once; to receive
and to inspect alone are parts of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.core.inventory import NOTHING_COMES, StockEvent, movements_for, stock_name
from portal.core.lifecycles import RETURN, SHIPMENT
from portal.core.reasons import CHECKLIST, DISPOSITIONS, GRADES
from portal.core.spans import lowest, merge, without
from portal.db import history, merchants, orders, returns, shipments
from portal.db.base import db, transaction, uuid7
from portal.db.orders import OrderLine
from portal.db.returns import Inspection, Return, ReturnLine
from portal.services import pictures, scope
from portal.services.docking import unexpected
from portal.services.docking.unexpected import Surprise
from portal.services.filing.closing import close_if_settled
from portal.services.pictures import Prepared
from portal.services.stockroom import stock
from portal.services.talking import notices

MISSING = "M"
"""The grade of units that were announced and were not in the parcel."""


@dataclass(frozen=True, kw_only=True)
class InspectionEntry:
    """What was found of some units of one line."""

    line_id: UUID
    units: int
    grade: str
    disposition: str
    accepted: bool = True
    note: str = ""
    missing_accessories: tuple[str, ...] = ()
    """Codes of the policy's accessories that were not in the parcel."""
    used: int | None = None
    """Units of use that the goods show (hours, washes, kilometers), where the policy counts them."""
    checklist: Mapping[str, bool] = field(default_factory=dict)
    """``core.reasons.CHECKLIST`` -> whether it was so; what was not looked at is missing."""
    proposed: str = ""
    """The disposition that the rules proposed; another one needs a note that says why."""
    pictures: tuple[Prepared, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Intake:
    """What one parcel brought of one return, as the dock counted it."""

    counts: Mapping[UUID, int] = field(default_factory=dict)
    """Line -> units that arrived now."""
    damaged: Mapping[UUID, int] = field(default_factory=dict)
    other: Mapping[UUID, int] = field(default_factory=dict)
    missing: Mapping[UUID, int] = field(default_factory=dict)
    """Line -> units that were announced and are declared not to come."""
    entries: tuple[InspectionEntry, ...] = ()
    """What was graded, of units that arrived now or before."""
    surprises: tuple[Surprise, ...] = ()
    """Goods beyond what was announced, and other goods."""
    note: str = ""


def receive(
    actor: Actor,
    return_id: UUID,
    counts: Mapping[UUID, int],
    *,
    damaged: Mapping[UUID, int] = MappingProxyType({}),
    other: Mapping[UUID, int] = MappingProxyType({}),
    note: str = "",
    now: datetime,
    version: int | None = None,
) -> None:
    """So many units of each line arrived, on top of what arrived before; they are kept apart until inspected.

    ``damaged`` and ``other`` say how many of these are broken, or are something else than was announced.
    Raises ``Conflict``: ``nothing_counted``, ``more_than_authorized`` and ``more_found_than_arrived`` with line
    and maximum, ``all_received``.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, "returns.receive", version)
        lines = {line.id: line for line in returns.lines_of(row.id)}
        given = Intake(counts=counts, damaged=damaged, other=other, note=note)
        _write(arrive(actor, row, lines, given, now=now), row, now)


def inspect(
    actor: Actor,
    return_id: UUID,
    entries: Sequence[InspectionEntry],
    *,
    now: datetime,
    version: int | None = None,
    folder: Path | None = None,
) -> None:
    """Grade received units and decide what becomes of them; when all are graded the return is inspected.

    Raises ``Conflict``: ``nothing_counted``, ``more_than_received`` with line and maximum, ``unknown_grade``,
    ``unknown_disposition``, ``unknown_accessory``, ``unknown_check``, ``negative_units``,
    ``disposition_needs_reason``.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, "returns.inspect", version)
        lines = {line.id: line for line in returns.lines_of(row.id)}
        _write(_look_at(actor, row, lines, entries, now=now, folder=folder), row, now)
        close_if_settled(row, now=now)


def take_in(
    actor: Actor,
    return_id: UUID,
    intake: Intake,
    *,
    folder: Path,
    now: datetime,
    version: int | None = None,
    nonce: str = "",
) -> None:
    """Receive what arrived, grade what was graded, declare what is missing, set aside what nobody announced.

    All of it or nothing. The same ``nonce`` again changes nothing. The note is told with what arrived, else with
    what was graded, else with what was set aside. Raises what ``receive`` and ``inspect`` raise, and
    ``more_than_authorized`` for more missing units than are expected.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, "returns.receive", None)
        if nonce and any(one.details.get("nonce") == nonce for one in history.of([row.id])):
            return
        if version is not None and row.version != version:
            raise Stale
        looked_at = (*intake.entries, *_missing(intake.missing))
        if looked_at:
            scope.require(actor, "returns.inspect", row.merchant_id)
        arrived = replace(intake, counts=_together(intake.counts, intake.missing))
        if not any((*arrived.counts.values(), *intake.entries, *intake.surprises)):
            raise Conflict("nothing_counted")
        lines = {line.id: line for line in returns.lines_of(row.id)}
        moves: list[stock.Moved] = []
        note = "" if any(intake.counts.values()) else intake.note.strip()
        if any(arrived.counts.values()):
            moves += arrive(actor, row, lines, arrived, now=now, nonce=nonce)
        if looked_at:
            moves += _look_at(actor, row, lines, looked_at, now=now, folder=folder, note=note, nonce=nonce)
        for surprise in intake.surprises:
            told = replace(surprise, note=surprise.note or ("" if looked_at else note))
            aside = unexpected.set_aside(
                actor, row.merchant_id, told, row=row, folder=folder, now=now, sheet=nonce
            )
            moves += aside.moves
        _write(moves, row, now)
        _tell_missing(actor, row, lines, intake.missing, now)
        close_if_settled(row, now=now)


def _together(counts: Mapping[UUID, int], missing: Mapping[UUID, int]) -> dict[UUID, int]:
    """Units that are missing end as if they had come and were found to be none: nothing of them stays open."""
    return {line: counts.get(line, 0) + missing.get(line, 0) for line in {**counts, **missing}}


def _missing(missing: Mapping[UUID, int]) -> list[InspectionEntry]:
    return [
        InspectionEntry(
            line_id=line,
            units=units,
            grade=MISSING,
            disposition="missing",
            proposed="missing",
            accepted=False,
        )
        for line, units in missing.items()
        if units > 0
    ]


def _tell_missing(
    actor: Actor,
    row: Return,
    lines: Mapping[UUID, ReturnLine],
    missing: Mapping[UUID, int],
    now: datetime,
) -> None:
    """The customer is told what was not in the parcel, so that they can contest it."""
    told = _named(lines, missing)
    if not told:
        return
    notices.queue("missing", returns.draft(row), now=now, missing=told)
    _tell(actor, "return.line.missing", row, now, units=sum(told.values()), counts=told)


def takes(row: Return) -> bool:
    """Whether goods may arrive for the return as it stands now."""
    return row.kind not in NOTHING_COMES and RETURN.can(row.state, "receive")


def _write(moves: Sequence[stock.Moved], row: Return, now: datetime) -> None:
    stock.write(moves, merchant_id=row.merchant_id, now=now)


# --------------------------------------------------------------------------------------------- what arrived


def arrive(
    actor: Actor,
    row: Return,
    lines: Mapping[UUID, ReturnLine],
    intake: Intake,
    *,
    now: datetime,
    nonce: str = "",
) -> list[stock.Moved]:
    """Units of lines arrived, in the caller's transaction: return, parcels and order know, the customer is told.

    Answers the movements of stock, which the caller writes with all others.
    """
    if row.state == "received":
        raise Conflict("all_received")
    if row.kind in NOTHING_COMES:
        raise Conflict("nothing_expected")
    RETURN.after(row.state, "receive")
    arrived = _counted(lines, intake.counts)
    for line, units in arrived:
        line.received_units += units
    _note_found(lines, intake)
    everything = all(line.received_units == line.authorized_units for line in lines.values())
    row.state = RETURN.after(row.state, "receive" if everything else "receive_some")
    row.received_at, row.version = now, row.version + 1
    db.session.flush()
    _mark_back([line for line, _ in arrived])
    _parcel_arrived(row.id)
    really = {line: units - intake.missing.get(line, 0) for line, units in intake.counts.items()}
    if any(really.values()):  # what is declared missing alone is told by another message
        notices.queue("received", returns.draft(row), now=now)
        _tell(actor, f"return.{row.state}", row, now, counts=_named(lines, really), note=intake.note.strip(),
              damaged=_named(lines, intake.damaged), other=_named(lines, intake.other),
              units=sum(really.values()), **_once(nonce))  # fmt: skip
    return _moves(
        row,
        "return_received",
        [
            (line, StockEvent(kind="received", sku=sku_of(line), units=units, expected=units))
            for line, units in arrived
        ],
    )


def _note_found(lines: Mapping[UUID, ReturnLine], intake: Intake) -> None:
    for line_id in {*intake.damaged, *intake.other}:
        broken, wrong = intake.damaged.get(line_id, 0), intake.other.get(line_id, 0)
        units = intake.counts.get(line_id, 0)
        line = lines.get(line_id)
        if line is None:
            raise NotFound
        if broken < 0 or wrong < 0 or broken + wrong > units:
            raise Conflict("more_found_than_arrived", line=str(line_id), name=line.name, maximum=units)
        line.damaged_units += broken
        line.other_units += wrong


def _named(lines: Mapping[UUID, ReturnLine], counts: Mapping[UUID, int]) -> dict[str, int]:
    """Units by the name of their line, as the history tells them; two lines of one name together."""
    told: dict[str, int] = {}
    for line_id, units in counts.items():
        if units:
            told[lines[line_id].name] = told.get(lines[line_id].name, 0) + units
    return told


def _counted(lines: Mapping[UUID, ReturnLine], counts: Mapping[UUID, int]) -> list[tuple[ReturnLine, int]]:
    """The lines of which something arrived, with how many; each judged against what is still expected."""
    if not any(counts.values()):
        raise Conflict("nothing_counted")
    arrived = []
    for line_id, units in counts.items():
        line = lines.get(line_id)
        if line is None:
            raise NotFound
        left = line.authorized_units - line.received_units
        if not 0 <= units <= left:
            raise Conflict("more_than_authorized", line=str(line_id), name=line.name, maximum=left)
        if units:
            arrived.append((line, units))
    return arrived


def _mark_back(lines: Sequence[ReturnLine]) -> None:
    """Note on the order's lines which positions are back: two statements, however many lines."""
    held = {line.order_line_id: line for line in lines if line.order_line_id is not None}
    if not held:
        return
    table = OrderLine.__table__
    known = db.session.execute(
        sa.select(table.c.id, table.c.returned_spans)
        .where(table.c.id.in_(held))
        .order_by(table.c.id)
        .with_for_update()
    )
    rows = []
    for bought in known:
        line, before = held[bought.id], orders.spans(bought.returned_spans)
        back = lowest(orders.spans(line.spans), line.received_units)
        spans = merge((*before, *without(back, before)))
        rows.append({"row": bought.id, "back": [list(span) for span in spans]})
    db.session.connection().execute(
        sa.update(table).where(table.c.id == sa.bindparam("row")).values(returned_spans=sa.bindparam("back")),
        rows,
    )


def sku_of(line: ReturnLine) -> str:
    """What stock knows the line by; a product that was typed in may have nothing but its name."""
    return stock_name(line.sku, line.name)


def _parcel_arrived(return_id: UUID) -> None:
    shipment = shipments.Shipment
    for parcel in db.session.scalars(
        sa.select(shipment).where(shipment.return_id == return_id).with_for_update()
    ):
        if SHIPMENT.can(parcel.state, "deliver"):
            parcel.state = SHIPMENT.after(parcel.state, "deliver")


# ------------------------------------------------------------------------------------------ what was graded


def _look_at(
    actor: Actor,
    row: Return,
    lines: Mapping[UUID, ReturnLine],
    entries: Iterable[InspectionEntry],
    *,
    now: datetime,
    folder: Path | None = None,
    note: str = "",
    nonce: str = "",
) -> list[stock.Moved]:
    """Units are accepted or rejected, and leave quarantine for where their disposition sends them."""
    inspected = RETURN.after(row.state, "inspect")
    accessories = _accessories(row)
    entries = [entry for entry in entries if entry.units]
    if not entries:
        raise Conflict("nothing_counted")
    for entry in entries:
        line = _judge_entry(lines, entry, accessories)
        if entry.accepted:
            line.accepted_units += entry.units
        else:
            line.rejected_units += entry.units
    done = all(line.accepted_units + line.rejected_units == line.received_units for line in lines.values())
    row.state = inspected if done else row.state
    row.version += 1
    db.session.flush()
    _note_inspections(row, entries, actor, now=now, folder=folder)
    _tell(actor, "return.inspected" if done else "return.line.inspected", row, now,
          units=sum(entry.units for entry in entries), **({"note": note} if note else {}), **_once(nonce))  # fmt: skip
    return _moves(
        row,
        "return_inspected",
        [
            (
                lines[entry.line_id],
                StockEvent(
                    kind="inspected",
                    sku=sku_of(lines[entry.line_id]),
                    units=entry.units,
                    disposition=entry.disposition,
                ),
            )
            for entry in entries
        ],
    )


def _accessories(row: Return) -> frozenset[str]:
    """What may be missing: the accessories that the policy of the return has a price for."""
    _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    return frozenset(code for code, _ in terms.accessory_deductions)


def _judge_entry(
    lines: Mapping[UUID, ReturnLine], entry: InspectionEntry, accessories: frozenset[str]
) -> ReturnLine:
    line = lines.get(entry.line_id)
    if line is None:
        raise NotFound
    left = line.received_units - line.accepted_units - line.rejected_units
    if not 0 < entry.units <= left:
        raise Conflict("more_than_received", line=str(line.id), name=line.name, maximum=left)
    if entry.grade not in GRADES:
        raise Conflict("unknown_grade", grade=entry.grade)
    if entry.disposition not in DISPOSITIONS:
        raise Conflict("unknown_disposition", disposition=entry.disposition)
    if entry.proposed and entry.disposition != entry.proposed and not entry.note.strip():
        raise Conflict("disposition_needs_reason", name=line.name)
    if not accessories.issuperset(entry.missing_accessories):
        raise Conflict("unknown_accessory")
    if not set(CHECKLIST).issuperset(entry.checklist):
        raise Conflict("unknown_check")
    if entry.used is not None and entry.used < 0:
        raise Conflict("negative_units", units=entry.used)
    return line


def _note_inspections(
    row: Return, entries: Sequence[InspectionEntry], actor: Actor, *, now: datetime, folder: Path | None
) -> None:
    ids = [uuid7() for _ in entries]
    db.session.execute(
        sa.insert(Inspection),
        [
            {
                "id": inspection_id,
                "merchant_id": row.merchant_id,
                "return_line_id": entry.line_id,
                "units": entry.units,
                "grade": entry.grade,
                "disposition": entry.disposition,
                "proposed": entry.proposed,
                "accepted": entry.accepted,
                "missing_accessories": list(entry.missing_accessories),
                "used": entry.used,
                "checklist": dict(entry.checklist),
                "note": entry.note.strip(),
                "at": now,
                "by_name": actor.name,
            }
            for inspection_id, entry in zip(ids, entries, strict=True)
        ],
    )
    for inspection_id, entry in zip(ids, entries, strict=True):
        for prepared in entry.pictures:
            if folder is None:
                raise ValueError("pictures need a folder to be kept in")
            pictures.keep(
                actor,
                prepared,
                merchant_id=row.merchant_id,
                return_id=row.id,
                subject="inspection",
                subject_id=inspection_id,
                folder=folder,
                now=now,
                line_id=entry.line_id,
            )


def _moves(row: Return, why: str, events: Iterable[tuple[ReturnLine, StockEvent]]) -> list[stock.Moved]:
    return [
        stock.Moved(why=why, movement=movement, return_line_id=line.id, number=row.number or "")
        for line, event in events
        for movement in movements_for(event)
    ]


def _once(nonce: str) -> dict[str, Any]:
    return {"nonce": nonce} if nonce else {}


def _tell(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)

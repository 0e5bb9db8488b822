"""What people do with a return that has been submitted: decide, receive, inspect, close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotFound, Stale
from portal.core.facts import CANCELLATIONS
from portal.core.inventory import StockEvent, movements_for, stock_name
from portal.core.lifecycles import RETURN, SHIPMENT
from portal.core.reasons import DECLINE_REASONS, DISPOSITIONS, GRADES
from portal.core.spans import lowest, merge, without
from portal.db import history, merchants, orders, returns, shipments
from portal.db.base import db, transaction, uuid7
from portal.db.orders import OrderLine
from portal.db.returns import Inspection, Return, ReturnLine
from portal.services import notices, scope, stock
from portal.services.closing import close_if_settled, close_now, has_open_refund
from portal.services.confirmation import approve_parcel, release, take
from portal.services.shipping import ship_by

CLOSED_REASONS = (
    "completed",
    "returnless",
    "all_lines_rejected",
    "lost_in_transit",
    "merged",
    "administrative",
)


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


def _row(actor: Actor, return_id: UUID, permission: str, version: int | None) -> Return:
    """The locked return, as the person last saw it. Raises ``Stale`` when somebody else changed it since."""
    row = scope.return_row(actor, return_id, permission, lock=True)
    if version is not None and row.version != version:
        raise Stale
    if row.kind in CANCELLATIONS:  # its units never left: there is nothing to authorize or to receive
        raise Conflict("is_cancellation")
    return row


def approve(
    actor: Actor, return_id: UUID, *, reason: str = "", now: datetime, version: int | None = None
) -> None:
    """Authorize what was requested; the label follows. Raises ``NotAllowed`` where a supervisor must."""
    with transaction():
        row = _row(actor, return_id, "returns.approve", version)
        if row.state == "approved":
            return
        state = RETURN.after(row.state, "approve")
        findings = (row.verdict or {}).get("findings", [])
        if any(f["weight"] == "review" and f["details"].get("role") == "supervisor" for f in findings):
            scope.require(actor, "returns.override", row.merchant_id)
        merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
        db.session.execute(
            sa.update(ReturnLine)
            .where(ReturnLine.return_id == row.id)
            .values(authorized_units=ReturnLine.units)
        )
        row.state, row.approved_at, row.version = state, now, row.version + 1
        row.ship_by = ship_by(terms, now, merchant.zone)
        db.session.flush()
        approve_parcel(row, now=now)
        _tell(actor, "return.approved", row, now, reason=reason)


def decline(
    actor: Actor,
    return_id: UUID,
    *,
    reason: str,
    message: str = "",
    now: datetime,
    version: int | None = None,
) -> None:
    """Refuse what was requested, with a reason the customer is told; its units are free again."""
    if reason not in DECLINE_REASONS:
        raise Conflict("unknown_reason", reason=reason)
    with transaction():
        row = _row(actor, return_id, "returns.approve", version)
        if row.state == "declined":
            return
        state = RETURN.after(row.state, "decline")
        release(returns.draft(row))
        row.state, row.version, row.closed_at = state, row.version + 1, now
        row.decline_reason, row.decline_message = reason, message.strip()
        db.session.flush()
        notices.queue("declined", returns.draft(row), now=now)
        _tell(actor, "return.declined", row, now, reason=reason)


def undo_decline(actor: Actor, return_id: UUID, *, now: datetime, version: int | None = None) -> None:
    """Take a refusal back; the units are taken again. Raises ``Conflict("units_gone")`` if others have them."""
    with transaction():
        row = _row(actor, return_id, "returns.approve", version)
        state = RETURN.after(row.state, "undo")
        draft = returns.draft(row)
        order = orders.facts(row.order_id, lock=True) if row.order_id else None
        if order is not None:
            spans = take(order, draft, now=now)
            for line in returns.lines_of(row.id):
                line.spans = [list(span) for span in spans.get(line.id, ())]
        row.state, row.version, row.closed_at = state, row.version + 1, None
        row.decline_reason = row.decline_message = ""
        db.session.flush()
        notices.queue("requested", returns.draft(row), now=now)
        _tell(actor, "return.reopened", row, now)


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
        row = _row(actor, return_id, "returns.receive", version)
        if row.state == "received":
            raise Conflict("all_received")
        RETURN.after(row.state, "receive")
        lines = {line.id: line for line in returns.lines_of(row.id)}
        arrived = _counted(lines, counts)
        for line, units in arrived:
            line.received_units += units
        _note_found(lines, counts, damaged=damaged, other=other)
        everything = all(line.received_units == line.authorized_units for line in lines.values())
        row.state = RETURN.after(row.state, "receive" if everything else "receive_some")
        row.received_at, row.version = now, row.version + 1
        db.session.flush()
        _mark_back([line for line, _ in arrived])
        _to_quarantine(row, arrived, now)
        _parcel_arrived(row.id)
        notices.queue("received", returns.draft(row), now=now)
        _tell(actor, f"return.{row.state}", row, now, counts=_named(lines, counts), note=note.strip(),
              damaged=_named(lines, damaged), other=_named(lines, other),
              units=sum(units for _, units in arrived))  # fmt: skip


def _note_found(
    lines: Mapping[UUID, ReturnLine],
    counts: Mapping[UUID, int],
    *,
    damaged: Mapping[UUID, int],
    other: Mapping[UUID, int],
) -> None:
    for line_id in {*damaged, *other}:
        broken, wrong, units = damaged.get(line_id, 0), other.get(line_id, 0), counts.get(line_id, 0)
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


def _to_quarantine(row: Return, arrived: Sequence[tuple[ReturnLine, int]], now: datetime) -> None:
    stock.move(
        [
            (line.id, movement)
            for line, units in arrived
            for movement in movements_for(
                StockEvent(kind="received", sku=_sku(line), units=units, expected=units)
            )
        ],
        merchant_id=row.merchant_id,
        why="return_received",
        number=row.number or "",
        now=now,
    )


def _sku(line: ReturnLine) -> str:
    """What stock knows the line by; a product that was typed in may have nothing but its name."""
    return stock_name(line.sku, line.name)


def _parcel_arrived(return_id: UUID) -> None:
    shipment = shipments.Shipment
    for parcel in db.session.scalars(
        sa.select(shipment).where(shipment.return_id == return_id).with_for_update()
    ):
        if SHIPMENT.can(parcel.state, "deliver"):
            parcel.state = SHIPMENT.after(parcel.state, "deliver")


def inspect(
    actor: Actor,
    return_id: UUID,
    entries: Sequence[InspectionEntry],
    *,
    now: datetime,
    version: int | None = None,
) -> None:
    """Grade received units and decide what becomes of them; when all are graded the return is inspected.

    Raises ``Conflict``: ``nothing_counted``, ``more_than_received`` with line and maximum, ``unknown_grade``,
    ``unknown_disposition``, ``unknown_accessory``, ``negative_units``.
    """
    with transaction():
        row = _row(actor, return_id, "returns.inspect", version)
        inspected = RETURN.after(row.state, "inspect")
        accessories = _accessories(row)
        lines = {line.id: line for line in returns.lines_of(row.id)}
        entries = [entry for entry in entries if entry.units]
        if not entries:
            raise Conflict("nothing_counted")
        for entry in entries:
            line = _judge_entry(lines, entry, accessories)
            if entry.accepted:
                line.accepted_units += entry.units
            else:
                line.rejected_units += entry.units
        done = all(
            line.accepted_units + line.rejected_units == line.received_units for line in lines.values()
        )
        row.state = inspected if done else row.state
        row.version += 1
        db.session.flush()
        _note_inspections(row, entries, actor, now)
        _leave_quarantine(row, [(lines[entry.line_id], entry) for entry in entries], now)
        _tell(actor, "return.inspected" if done else "return.line.inspected", row, now,
              units=sum(entry.units for entry in entries))  # fmt: skip
        close_if_settled(row, now=now)


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
    if not accessories.issuperset(entry.missing_accessories):
        raise Conflict("unknown_accessory")
    if entry.used is not None and entry.used < 0:
        raise Conflict("negative_units", units=entry.used)
    return line


def _note_inspections(row: Return, entries: Sequence[InspectionEntry], actor: Actor, now: datetime) -> None:
    db.session.execute(
        sa.insert(Inspection),
        [
            {
                "id": uuid7(),
                "merchant_id": row.merchant_id,
                "return_line_id": entry.line_id,
                "units": entry.units,
                "grade": entry.grade,
                "disposition": entry.disposition,
                "accepted": entry.accepted,
                "missing_accessories": list(entry.missing_accessories),
                "used": entry.used,
                "note": entry.note.strip(),
                "at": now,
                "by_name": actor.name,
            }
            for entry in entries
        ],
    )


def _leave_quarantine(
    row: Return, found: Sequence[tuple[ReturnLine, InspectionEntry]], now: datetime
) -> None:
    stock.move(
        [
            (line.id, movement)
            for line, entry in found
            for movement in movements_for(
                StockEvent(kind="inspected", sku=_sku(line), units=entry.units, disposition=entry.disposition)
            )
        ],
        merchant_id=row.merchant_id,
        why="return_inspected",
        number=row.number or "",
        now=now,
    )


def close(
    actor: Actor, return_id: UUID, *, reason: str = "completed", now: datetime, version: int | None = None
) -> None:
    """Nothing more will come of this return; units that never arrived can be returned again.

    Raises ``Conflict``: ``unknown_reason``, ``refund_open`` while money of it is still on its way.
    """
    if reason not in CLOSED_REASONS:
        raise Conflict("unknown_reason", reason=reason)
    with transaction():
        row = _row(actor, return_id, "returns.approve", version)
        if row.state == "closed":
            return
        RETURN.after(row.state, "close")
        if has_open_refund(row.id):
            raise Conflict("refund_open")
        close_now(actor, row, reason=reason, now=now)


def reopen(actor: Actor, return_id: UUID, *, reason: str, now: datetime, version: int | None = None) -> None:
    """Take up a closed return again, as inspected. Raises ``Conflict("reason_missing")``."""
    if not reason.strip():
        raise Conflict("reason_missing")
    with transaction():
        row = _row(actor, return_id, "returns.override", version)
        row.state = RETURN.after(row.state, "reopen")
        row.closed_at, row.closed_reason, row.version = None, "", row.version + 1
        _tell(actor, "return.reopened", row, now, reason=reason.strip())


def _tell(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)

"""What a warehouse does with ordered goods: it asks before it picks, and tells when they have left.

Everything here is part of the caller's transaction and holds the order's row first, as whoever cancels does.
Picking is a question: what a customer may still cancel, or has canceled, is not picked. Shipping is a fact:
it ends the open proposals of these units, and undoes a cancellation that the warehouse had not answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import SYSTEM, NotFound, Stale
from portal.core.changed import Gone
from portal.core.facts import MERCHANDISE, NEXT_PERIOD
from portal.core.intake import number_key
from portal.core.inventory import Goods
from portal.core.logistics import SHIPPED, ToldUnits
from portal.db import cancellations as stored
from portal.db import history, returns
from portal.db.base import db, insert_ignore, uuid7
from portal.db.cancellations import GATED
from portal.db.orders import Order, OrderLine
from portal.db.returns import Return
from portal.db.stock import StockMovement
from portal.db.warehouse import WarehouseEvent
from portal.services import tasks
from portal.services.cancellations import ending
from portal.services.stockroom import stock

LINES: Any = OrderLine.__table__


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What a shipment was of, and which cancellations it overtook or contradicts."""

    order_id: UUID
    units: Mapping[UUID, int]
    """Order line -> units that left by it."""
    overtaken: tuple[UUID, ...] = ()
    """Cancellations that came to nothing by it."""
    after_release: tuple[UUID, ...] = ()
    """Those that stand, since the warehouse had said that the goods stay: a person is told."""
    unknown: tuple[str, ...] = ()
    """What was told of lines that the order does not have, or of more units than were bought."""


def may_pick(
    merchant_id: UUID, order_ref: str, lines: Sequence[ToldUnits], *, total: bool = False, now: datetime
) -> dict[UUID, int]:
    """How many units may be picked now, by order line: as many as are asked for and nobody holds or canceled.

    What is granted counts as picked from here on, so that no cancellation comes between answer and shelf.
    ``total``: ``units`` are all that were picked or shipped so far, not those of this question. Raises
    ``NotFound``.
    """
    order_id = _held(merchant_id, order_ref)
    rows = _lines(order_id)
    asked, _ = _matched(rows, lines, done=lambda row: row.shipped_units + row.picked_units, total=total)
    granted = {row.id: min(asked.get(row.id, 0), pickable(row)) for row in rows}
    granted = {line_id: units for line_id, units in granted.items() if units > 0}
    if granted and not pick(granted):
        raise Stale
    _tell(order_id, merchant_id, "order.picked", granted, now)
    return granted


def picked(
    merchant_id: UUID, order_ref: str, lines: Sequence[ToldUnits], *, total: bool = False, now: datetime
) -> dict[UUID, int]:
    """Units were picked without asking; answers what of it may stand, by line. The rest has to go back."""
    return may_pick(merchant_id, order_ref, lines, total=total, now=now)


def pickable(row: Any) -> int:
    """Units of a line that are neither shipped, picked, canceled nor held; goods alone are picked."""
    if row.kind != MERCHANDISE:
        return 0
    free: int = row.units - row.canceled_units - row.held_units - row.shipped_units - row.picked_units
    return max(0, free)


def pick(granted: Mapping[UUID, int]) -> bool:
    """Count units as picked, each line only if it still has them free; False when one has not."""
    table = LINES
    taken = table.c.canceled_units + table.c.held_units + table.c.shipped_units + table.c.picked_units
    done = db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("line"), taken + sa.bindparam("more") <= table.c.units)
        .values(picked_units=table.c.picked_units + sa.bindparam("more")),
        [{"line": line_id, "more": units} for line_id, units in sorted(granted.items())],
    )
    return done.rowcount == len(granted)


def put_back(
    merchant_id: UUID, order_ref: str, lines: Sequence[ToldUnits], *, now: datetime
) -> dict[UUID, int]:
    """Picked units lie on their shelf again; answers how many, by line. Raises ``NotFound``."""
    order_id = _held(merchant_id, order_ref)
    rows = _lines(order_id)
    told, _ = _matched(rows, lines, done=lambda row: row.units - row.picked_units, total=False)
    back = {row.id: min(told.get(row.id, 0), row.picked_units) for row in rows}
    back = {line_id: units for line_id, units in back.items() if units > 0}
    if back:
        db.session.connection().execute(
            sa.update(LINES)
            .where(LINES.c.id == sa.bindparam("line"), LINES.c.picked_units >= sa.bindparam("less"))
            .values(picked_units=LINES.c.picked_units - sa.bindparam("less")),
            [{"line": line_id, "less": units} for line_id, units in sorted(back.items())],
        )
        _tell(order_id, merchant_id, "order.put_back", back, now)
    return back


def shipped(
    merchant_id: UUID,
    order_ref: str,
    lines: Sequence[ToldUnits],
    *,
    number: str = "",
    at: datetime | None = None,
    total: bool = False,
    now: datetime,
) -> Shipped:
    """These units have left, in the parcel ``number``. ``total``: all that left so far, not this parcel's.

    More than were bought, and lines that the order does not have, are told back and change nothing. Raises
    ``NotFound``.
    """
    order_id = _held(merchant_id, order_ref)
    rows = _lines(order_id)
    more, unknown = _matched(rows, lines, done=lambda row: row.shipped_units, total=total)
    before = {row.id: _gone(row) for row in rows}
    if more:
        db.session.connection().execute(
            sa.update(LINES)
            .where(LINES.c.id == sa.bindparam("line"))
            .values(
                shipped_units=LINES.c.shipped_units + sa.bindparam("more"),
                picked_units=sa.bindparam("still"),
                shipped_at=at or now,
            ),
            [
                {"line": row.id, "more": more[row.id], "still": max(0, row.picked_units - more[row.id])}
                for row in rows
                if row.id in more
            ],
        )
        _tell(order_id, merchant_id, "order.shipped", more, now, parcel=number)
    overtaken, released = imported(merchant_id, {order_id: before}, now=now)
    return Shipped(
        order_id=order_id, units=more, overtaken=overtaken, after_release=released, unknown=unknown
    )


def imported(
    merchant_id: UUID, orders: Mapping[UUID, Mapping[UUID, Gone]], *, now: datetime
) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """Orders came in, or were changed: order -> its lines as they were, empty for a new one.

    Cancellations of units that left end (proposals, and what no warehouse had answered), and stock follows.
    Answers which ended, and which stand although their goods left. Call it once, at the end of a transaction.
    """
    overtaken: list[UUID] = []
    stand: dict[UUID, str] = {}
    left: dict[UUID, int] = {}
    for order_id, before in sorted(orders.items()):
        need = _contested(order_id, before) if before else {}
        if need:
            ended, standing, left_of_it = _decide(order_id, need)
            overtaken += ended
            stand |= standing
            left |= left_of_it
    reserved = _reserved(orders) if overtaken else {}
    ending.overtake(overtaken, why=SHIPPED, now=now)
    undone = _reserved(orders) if overtaken else {}
    known = {line_id: gone for before in orders.values() for line_id, gone in before.items()}
    more = {line_id: units - reserved.get(line_id, 0) for line_id, units in undone.items()}
    stock.follow(
        merchant_id,
        orders,
        before=_before(orders, known, more),
        all_the_same=left,
        number=", ".join(stand.values())[:60],
        now=now,
    )
    for return_id, cancellation in stand.items():
        tasks.open(
            "shipped_after_release",
            cancellation,
            merchant_id=merchant_id,
            subject_id=return_id,
            details={"number": cancellation},
            now=now,
        )
        ending.sent_anyway(return_id, now=now)
    return tuple(overtaken), tuple(stand)


# ------------------------------------------------------------------------------------------- finding order and lines


def _held(merchant_id: UUID, ref: str) -> UUID:
    """The order by our id, its channel's id or its number (the newest one), its row held. Raises ``NotFound``."""
    named = [Order.external_id == ref, Order.number_key == number_key(ref)]
    try:
        named.append(Order.id == UUID(ref))
    except ValueError:
        pass
    wanted = (
        sa.select(Order.id, Order.external_id, Order.number)
        .where(Order.merchant_id == merchant_id, sa.or_(*named))
        .order_by(Order.placed_at.desc(), Order.id.desc())
    )
    found = db.session.execute(wanted).all()
    if not found or not ref:
        raise NotFound
    order_id: UUID = min(found, key=lambda row: (row.external_id != ref, row.number != ref)).id
    stored.hold_order(order_id)
    return order_id


def _lines(order_id: UUID) -> list[Any]:
    """The order's goods, locked, in the order of the receipt."""
    wanted = sa.select(LINES).where(LINES.c.order_id == order_id).order_by(LINES.c.id).with_for_update()
    rows = db.session.execute(wanted).all()
    return sorted((row for row in rows if row.kind == MERCHANDISE), key=lambda row: row.number)


def _matched(
    rows: Sequence[Any], lines: Sequence[ToldUnits], *, done: Any, total: bool
) -> tuple[dict[UUID, int], tuple[str, ...]]:
    """Line -> units more, within what was bought; and what fits no line, in words.

    A line is named by our id or its channel's; a SKU stands for all lines that have it, the free units of
    each first.
    """
    found: dict[UUID, int] = {}
    unknown: list[str] = []
    for told in lines:
        named = [row for row in rows if told.line and told.line in (row.external_id, str(row.id))]
        fitting = named or [row for row in rows if told.sku and row.sku == told.sku and not told.line]
        units = told.units - (sum(done(row) for row in fitting) if total else 0)
        for free in (True, False):
            for row in fitting:
                taken = row.canceled_units + row.held_units if free else 0
                room = max(0, row.units - done(row) - taken - found.get(row.id, 0))
                part = min(units, room)
                if part > 0:
                    found[row.id] = found.get(row.id, 0) + part
                    units -= part
        if units > 0:
            unknown.append(f"{units} × {told.line or told.sku}")
    return found, tuple(unknown)


def _gone(row: Any) -> Gone:
    return Gone(
        sku=row.sku,
        location=row.location,
        units=row.units,
        shipped=row.shipped_units,
        picked=row.picked_units,
        canceled=row.canceled_units,
        reserved=row.reserved_units,
    )


# ---------------------------------------------------------------------------------- what shipping takes from others


def _contested(order_id: UUID, before: Mapping[UUID, Gone]) -> dict[UUID, int]:
    """Line -> units that left although they are canceled or held."""
    need = {}
    for row in _lines(order_id):
        was = before.get(row.id)
        if was is None or row.shipped_units <= was.shipped:
            continue
        taken = row.canceled_units + row.held_units - row.units
        over = max(0, row.shipped_units + taken) - max(0, was.shipped + taken)
        if over > 0:
            need[row.id] = over
    return need


def _decide(order_id: UUID, need: Mapping[UUID, int]) -> tuple[list[UUID], dict[UUID, str], dict[UUID, int]]:
    """Which cancellations end by what left, which stand all the same (with number), and units left by those.

    A cancellation ends as a whole. Proposals end first, then what no warehouse has answered, the newest first.
    """
    left = dict(need)
    overtaken: list[UUID] = []
    stand: dict[UUID, str] = {}
    rows = stored.of_order(order_id, states=("proposed", "confirmed", "closed"))
    proposals = [row for row, _ in rows if row.state == "proposed"]
    asked = [row for row, beside in rows if row.state == "confirmed" and beside.warehouse_state in GATED]
    others = [row for row, _ in rows if row not in proposals and row not in asked]
    for row in (*reversed(proposals), *reversed(asked)):
        mine = _units_of(row)
        if any(left.get(line_id, 0) > 0 for line_id in mine):
            overtaken.append(row.id)
            left = {line_id: units - mine.get(line_id, 0) for line_id, units in left.items()}
    left = {line_id: units for line_id, units in left.items() if units > 0}
    if left:
        stand = {row.id: row.number or str(row.id) for row in others if left.keys() & _units_of(row).keys()}
    return overtaken, stand, left


def _units_of(row: Return) -> dict[UUID, int]:
    """Order line -> units that this cancellation took or holds."""
    return {
        line.order_line_id: line.units
        for line in returns.lines_of(row.id)
        if line.order_line_id is not None and line.ending != NEXT_PERIOD
    }


def _reserved(orders: Mapping[UUID, Any]) -> dict[UUID, int]:
    wanted = sa.select(LINES.c.id, LINES.c.reserved_units).where(LINES.c.order_id.in_(list(orders)))
    return {row.id: row.reserved_units for row in db.session.execute(wanted)}


def _before(
    orders: Mapping[UUID, Any], known: Mapping[UUID, Gone], more: Mapping[UUID, int]
) -> dict[UUID, stock.Line]:
    """Lines as stock knew them; ``more`` is what undone cancellations have reserved since, by line."""
    if not known:
        return {}
    wanted = sa.select(Order.id, Order.number).where(Order.id.in_(list(orders)))
    numbers = {row.id: row.number for row in db.session.execute(wanted)}
    names = _named([line_id for line_id, gone in known.items() if not gone.sku and gone.reserved])
    found = {}
    for order_id, before in orders.items():
        for line_id, gone in before.items():
            goods = Goods(
                sku=gone.sku[:100] or names.get(line_id, ""),
                location=gone.location,
                units=gone.units,
                shipped=gone.shipped,
                canceled=gone.canceled,
                reserved=gone.reserved + more.get(line_id, 0),
            )
            found[line_id] = stock.Line(id=line_id, number=numbers.get(order_id, ""), goods=goods)
    return found


def _named(line_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What stock calls goods without a SKU: as when they were reserved."""
    if not line_ids:
        return {}
    moved = StockMovement
    wanted = sa.select(moved.order_line_id, moved.sku).where(moved.order_line_id.in_(line_ids))
    return {row.order_line_id: row.sku for row in db.session.execute(wanted.order_by(moved.id))}


def _tell(
    order_id: UUID, merchant_id: UUID, what: str, units: Mapping[UUID, int], now: datetime, **more: Any
) -> None:
    if units:
        told = {str(line_id): count for line_id, count in units.items()}
        history.record(
            SYSTEM, what, merchant_id=merchant_id, subject_id=order_id, now=now, units=sum(units.values()),
            lines=told, **more,
        )  # fmt: skip


def once(
    merchant_id: UUID,
    source: str,
    event_id: str,
    *,
    kind: str,
    order_ref: str,
    at: datetime,
    now: datetime,
) -> bool:
    """Whether this event is told for the first time; noted, in the caller's transaction, as dealt with."""
    new = insert_ignore(WarehouseEvent).values(
        id=uuid7(),
        merchant_id=merchant_id,
        warehouse=source,
        event_id=event_id,
        kind=kind,
        order_ref=order_ref[:100],
        payload={},
        at=at,
        received_at=now,
        handled_at=now,
        outcome=kind,
    )
    return db.session.scalar(new.returning(WarehouseEvent.id)) is not None

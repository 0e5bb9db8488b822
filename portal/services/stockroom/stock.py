"""Stock: levels that only movements change, each with its reason; what orders reserve, and what returns bring.

Everything here is part of the caller's transaction. Levels are locked last, all at once and in one order, so
a transaction calls one of these functions, once, with all of its lines: then no two ever wait in a ring.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.facts import MERCHANDISE
from portal.core.inventory import (
    OUTSIDE,
    Goods,
    Movement,
    Place,
    StockEvent,
    followed,
    movements_for,
    stock_name,
)
from portal.db.base import db, insert_ignore, uuid7
from portal.db.orders import Order, OrderLine
from portal.db.stock import CONTAINER, StockLevel, StockMovement
from portal.services import tasks

LEVELS: Any = StockLevel.__table__
LINES: Any = OrderLine.__table__


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One movement with what it belongs to: a line of an order or of a return, or goods nobody announced."""

    why: str
    movement: Movement
    order_line_id: UUID | None = None
    return_line_id: UUID | None = None
    unexpected_id: UUID | None = None
    number: str = ""
    by: str = ""
    note: str = ""


def move(
    movements: Sequence[tuple[UUID, Movement]],
    *,
    merchant_id: UUID,
    why: str,
    now: datetime,
    number: str = "",
) -> None:
    """Write movements of a return, each with its return line, and change the levels by as much."""
    write(
        [
            Moved(why=why, movement=movement, return_line_id=line_id, number=number)
            for line_id, movement in movements
        ],
        merchant_id=merchant_id,
        now=now,
    )


def write(moves: Sequence[Moved], *, merchant_id: UUID, now: datetime) -> None:
    """Write movements and change the levels by as much: three statements, however many there are.

    Raises ``Conflict("not_in_stock")`` with sku, location, bucket and maximum where a bucket holds too few.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": uuid7(),
            "merchant_id": merchant_id,
            "sku": one.movement.sku,
            "location": one.movement.location,
            "bucket": bucket,
            "delta": delta,
            "why": one.why,
            "return_line_id": one.return_line_id,
            "unexpected_id": one.unexpected_id,
            "order_line_id": one.order_line_id,
            "number": one.number[:60],
            "by_name": one.by[:200],
            "note": one.note[:300],
            "at": now,
        }
        for one in moves
        for bucket, delta in (
            (one.movement.source, -one.movement.units),
            (one.movement.target, one.movement.units),
        )
        if bucket != OUTSIDE
    ]
    if not rows:
        return
    deltas: dict[Place, int] = {}
    for row in rows:
        place = row["sku"], row["location"], row["bucket"]
        deltas[place] = deltas.get(place, 0) + row["delta"]
    _open(merchant_id, deltas)
    change(merchant_id, deltas)
    db.session.execute(sa.insert(StockMovement), rows)


def _open(merchant_id: UUID, places: Iterable[Place]) -> None:
    """See that there is a level for each place; one that is new holds nothing."""
    new = [
        {
            "id": uuid7(),
            "merchant_id": merchant_id,
            "sku": sku,
            "location": location,
            "bucket": bucket,
            "units": 0,
        }
        for sku, location, bucket in sorted(places)
    ]
    db.session.execute(insert_ignore(StockLevel).values(new))


def change(merchant_id: UUID, deltas: Mapping[Place, int]) -> None:
    """Add the deltas to the levels, always in the same order; none falls below zero, or ``Conflict``."""
    changes = [
        {"of": merchant_id, "in_sku": sku, "in_location": location, "in_bucket": bucket, "more": delta}
        for (sku, location, bucket), delta in sorted(deltas.items())
        if delta
    ]
    if not changes:
        return
    done = db.session.connection().execute(
        sa.update(LEVELS)
        .where(
            LEVELS.c.merchant_id == sa.bindparam("of"),
            LEVELS.c.sku == sa.bindparam("in_sku"),
            LEVELS.c.location == sa.bindparam("in_location"),
            LEVELS.c.bucket == sa.bindparam("in_bucket"),
            LEVELS.c.units + sa.bindparam("more") >= 0,
        )
        .values(units=LEVELS.c.units + sa.bindparam("more")),
        changes,
    )
    if done.rowcount != len(changes):
        raise _too_few(merchant_id, deltas)


def _too_few(merchant_id: UUID, deltas: Mapping[Place, int]) -> Conflict:
    """Which bucket holds too few. What was changed before it was found out is given up with the transaction."""
    there = at(merchant_id, deltas)
    short = [place for place, delta in sorted(deltas.items()) if delta < 0]
    sku, location, bucket = min(short, key=lambda place: there.get(place, 0) + deltas[place])
    return Conflict(
        "not_in_stock",
        sku=sku,
        location=location,
        bucket=bucket,
        maximum=max(0, there.get((sku, location, bucket), 0)),
    )


def at(merchant_id: UUID, places: Iterable[Place], *, lock: bool = False) -> dict[Place, int]:
    """What lies in each of these places; ``lock`` keeps it so until the transaction ends."""
    wanted = list(places)
    if lock:
        _open(merchant_id, wanted)
    found = (
        sa.select(LEVELS.c.sku, LEVELS.c.location, LEVELS.c.bucket, LEVELS.c.units)
        .where(
            LEVELS.c.merchant_id == merchant_id,
            sa.tuple_(LEVELS.c.sku, LEVELS.c.location, LEVELS.c.bucket).in_(wanted),
        )
        .order_by(LEVELS.c.sku, LEVELS.c.location, LEVELS.c.bucket)
    )
    rows = db.session.execute(found.with_for_update() if lock else found)
    return {(row.sku, row.location, row.bucket): row.units for row in rows}


def levels(merchant_id: UUID, skus: Iterable[str]) -> dict[str, dict[str, int]]:
    """sku -> bucket -> units, at all locations together; empty buckets are left out."""
    found: dict[str, dict[str, int]] = {}
    wanted = sa.select(StockLevel).where(
        StockLevel.merchant_id == merchant_id, StockLevel.sku.in_(list(skus)), StockLevel.units != 0
    )
    for level in db.session.scalars(wanted.execution_options(populate_existing=True)):
        buckets = found.setdefault(level.sku, {})
        buckets[level.bucket] = buckets.get(level.bucket, 0) + level.units
    return found


@dataclass(frozen=True, kw_only=True)
class Line:
    """One order line as stock sees it, with the number of its order."""

    id: UUID
    number: str
    goods: Goods


_LINE = (
    sa.select(
        LINES.c.id, LINES.c.kind, LINES.c.sku, LINES.c.name, LINES.c.location, LINES.c.units,
        LINES.c.shipped_units, LINES.c.canceled_units, LINES.c.reserved_units,
        Order.number, Order.state,
    )
    .join(Order, Order.id == LINES.c.order_id)
    .where(LINES.c.kind == MERCHANDISE, ~CONTAINER)
    .order_by(LINES.c.id)
)  # fmt: skip


def lines_of(order_ids: Iterable[UUID]) -> dict[UUID, Line]:
    """The goods of these orders by the ids of their lines, as they stand now."""
    return _lines(_LINE.where(LINES.c.order_id.in_(list(order_ids))))


def _named(merchant_id: UUID, units: Mapping[UUID, int]) -> dict[UUID, Line]:
    """Those of these lines that are goods, locked."""
    wanted = [line_id for line_id, count in units.items() if count > 0]
    return _lines(
        _LINE.where(LINES.c.merchant_id == merchant_id, LINES.c.id.in_(wanted)).with_for_update(of=LINES)
    )


def _lines(wanted: Any) -> dict[UUID, Line]:
    return {
        row.id: Line(
            id=row.id,
            number=row.number,
            goods=Goods(
                sku=stock_name(row.sku, row.name),
                units=row.units,
                shipped=row.shipped_units,
                canceled=row.canceled_units,
                reserved=row.reserved_units,
                location=row.location,
                kind=row.kind,
                confirmed=row.state == "confirmed",
            ),
        )
        for row in db.session.execute(wanted)
    }


def follow(
    merchant_id: UUID,
    order_ids: Iterable[UUID],
    *,
    before: Mapping[UUID, Line],
    all_the_same: Mapping[UUID, int] = MappingProxyType({}),
    number: str = "",
    now: datetime,
) -> None:
    """Let stock follow orders that came in, were told anew, or were sent: it reserves what they still owe.

    ``before`` is what was so of those that were here, read when their lines were locked. ``all_the_same`` are
    units, by line, that left although their cancellation stands (``number``): they are available no longer, and
    where they were not, a person is asked to count.
    """
    after = lines_of(order_ids)
    moves: list[Moved] = []
    changes: dict[UUID, tuple[int, int]] = {}
    for line_id in sorted({*before, *after}):
        was, line = before.get(line_id), after.get(line_id) or before[line_id]
        goods = line.goods if line_id in after else replace(line.goods, units=0)
        start = was.goods if was is not None else replace(goods, reserved=0)
        moves += [
            Moved(why=why, movement=movement, order_line_id=line_id, number=line.number)
            for why, movement in followed(start, goods)
        ]
        if line_id in after and goods.owed != goods.reserved:
            changes[line_id] = goods.reserved, goods.owed - goods.reserved
    sent = {line_id: after[line_id] for line_id in all_the_same if line_id in after}
    short, more = _from_available(
        merchant_id, sent, all_the_same, kind="shipped_after_release", number=number
    )
    _keep(changes)
    write([*moves, *more], merchant_id=merchant_id, now=now)
    tell_short(merchant_id, {sent[line_id].goods: count for line_id, count in short.items()}, number, now)


def reserve(merchant_id: UUID, order_ids: Iterable[UUID], *, now: datetime) -> None:
    """Reserve what these orders, which are new, still have to send."""
    follow(merchant_id, order_ids, before={}, now=now)


def release(merchant_id: UUID, units: Mapping[UUID, int], *, number: str, now: datetime) -> None:
    """Canceled units (by order line) are reserved no longer, but available; lines that are no goods stay out.

    Raises ``Conflict("changed_meanwhile")`` where fewer are reserved.
    """
    lines = _named(merchant_id, units)
    _keep({line.id: (line.goods.reserved, -units[line.id]) for line in lines.values()})
    write(
        [
            Moved(why="canceled", movement=movement, order_line_id=line.id, number=number)
            for line in lines.values()
            for movement in movements_for(_event("canceled", line, units[line.id]))
        ],
        merchant_id=merchant_id,
        now=now,
    )


def undo(merchant_id: UUID, units: Mapping[UUID, int], *, number: str, now: datetime) -> dict[UUID, int]:
    """Canceled units (by order line) are wanted after all: available ones are reserved again.

    What is no longer available is reserved all the same, for its order will be sent, and a person is asked
    to count; answers how many that are, by line.
    """
    lines = _named(merchant_id, units)
    short, moves = _from_available(merchant_id, lines, units, kind="cancellation_undone", number=number)
    _keep({line.id: (line.goods.reserved, units[line.id]) for line in lines.values()})
    write(moves, merchant_id=merchant_id, now=now)
    tell_short(merchant_id, {lines[line_id].goods: count for line_id, count in short.items()}, number, now)
    return short


def _from_available(
    merchant_id: UUID, lines: Mapping[UUID, Line], units: Mapping[UUID, int], *, kind: str, number: str
) -> tuple[dict[UUID, int], list[Moved]]:
    """What is missing of each line, and the movements for all; the levels they concern are locked."""
    places = [
        (line.goods.sku, line.goods.location, bucket)
        for line in lines.values()
        for bucket in ("available", "reserved")
    ]
    left = at(merchant_id, places, lock=True) if places else {}
    short: dict[UUID, int] = {}
    moves: list[Moved] = []
    for line in lines.values():
        place, wanted = (line.goods.sku, line.goods.location, "available"), units[line.id]
        there = min(wanted, left[place])
        left[place] -= there
        if there < wanted:
            short[line.id] = wanted - there
        moves += [
            Moved(why=kind, movement=movement, order_line_id=line.id, number=number or line.number)
            for movement in movements_for(replace(_event(kind, line, wanted), free=there))
        ]
    return short, moves


def tell_short(merchant_id: UUID, short: Mapping[Goods, int], number: str, now: datetime) -> None:
    """Ask a person to count what the stock lacks: one task per cancellation and product."""
    for goods, count in short.items():
        tasks.open(
            "stock_short",
            f"{number} {goods.sku} {goods.location}",
            merchant_id=merchant_id,
            now=now,
            details={"number": number, "sku": goods.sku, "location": goods.location, "units": count},
        )


def _event(kind: str, line: Line, units: int) -> StockEvent:
    return StockEvent(kind=kind, sku=line.goods.sku, units=units, location=line.goods.location)


def _keep(changes: Mapping[UUID, tuple[int, int]]) -> None:
    """Change what lines reserve: id -> (as it was read, more)."""
    rows: list[dict[str, Any]] = [
        {"line": line_id, "was": was, "more": more}
        for line_id, (was, more) in sorted(changes.items())
        if more
    ]
    if rows and (any(row["was"] + row["more"] < 0 for row in rows) or not hold(rows)):
        raise Conflict("changed_meanwhile")


def hold(changes: Sequence[dict[str, Any]]) -> bool:
    """Change the reserved units of many lines at once, each only from what it was; False when one differs."""
    done = db.session.connection().execute(
        sa.update(LINES)
        .where(LINES.c.id == sa.bindparam("line"), LINES.c.reserved_units == sa.bindparam("was"))
        .values(reserved_units=LINES.c.reserved_units + sa.bindparam("more")),
        list(changes),
    )
    return done.rowcount == len(changes)

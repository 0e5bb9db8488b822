"""S1 to S6: what lies in stock is the sum of its movements, and what orders and returns say it must be."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import CANCELLATIONS, MERCHANDISE
from portal.core.inventory import OUTSIDE, WHYS, Goods, after_inspection, coming, stock_name
from portal.db.dock import Unexpected
from portal.db.orders import Order, OrderLine
from portal.db.returns import Inspection, Return, ReturnLine
from portal.db.stock import CONTAINER, StockLevel, StockMovement
from portal.services.proofs import Break, rows

Of = UUID | None
"""One merchant, or all of them."""


def _of(column: Any, merchant_id: Of) -> Any:
    return sa.true() if merchant_id is None else column == merchant_id


def levels(found: list[Break], merchant_id: Of = None) -> int:
    """S1: every level is the sum of its movements, and none is below zero."""
    place = (StockMovement.merchant_id, StockMovement.sku, StockMovement.location, StockMovement.bucket)
    moved = sa.select(*place, sa.func.sum(StockMovement.delta).label("units")).group_by(*place)
    sums = {tuple(row[:4]): int(row.units) for row in rows(moved.where(_of(place[0], merchant_id)))}
    looked_at = 0
    wanted = sa.select(StockLevel).where(_of(StockLevel.merchant_id, merchant_id))
    for (level,) in rows(
        wanted.order_by(
            StockLevel.merchant_id, StockLevel.sku, StockLevel.location, StockLevel.bucket
        ).execution_options(populate_existing=True)
    ):
        looked_at += 1
        where = f"{level.sku} in {level.bucket} at {level.location}"
        says = sums.pop((level.merchant_id, level.sku, level.location, level.bucket), 0)
        if says != level.units:
            found.append(
                Break(invariant="S1", where=where, says=f"{level.units} units, movements say {says}")
            )
        if level.units < 0:
            found.append(Break(invariant="S1", where=where, says=f"{level.units} units cannot be"))
    for (_, sku, location, bucket), says in sorted(sums.items(), key=str):
        if says:
            where = f"{sku} in {bucket} at {location}"
            found.append(Break(invariant="S1", where=where, says=f"no level, movements say {says}"))
    return looked_at


def movements(found: list[Break], merchant_id: Of = None) -> int:
    """S2: every movement says why, moves something, and belongs to what its reason speaks of."""
    looked_at = 0
    wanted = sa.select(
        StockMovement.id,
        StockMovement.sku,
        StockMovement.why,
        StockMovement.delta,
        StockMovement.note,
        StockMovement.order_line_id,
        StockMovement.return_line_id,
        StockMovement.unexpected_id,
    ).where(_of(StockMovement.merchant_id, merchant_id))
    for row in rows(wanted.order_by(StockMovement.id)):
        looked_at += 1
        for says in _wrong_movement(row):
            where = f"movement {row.id} of {row.sku}"
            found.append(Break(invariant="S2", where=where, says=says))
    return looked_at


def _wrong_movement(row: Any) -> Iterator[str]:
    if row.why not in WHYS:
        yield f"{row.why!r} is no reason"
    if row.delta == 0:
        yield "it moves nothing"
    of_return = row.why.startswith("return_") or row.why == "inspected"
    if row.why == "counted":
        if not row.note:
            yield "nobody says why it was counted otherwise"
    elif row.why.startswith("unexpected_"):
        if row.unexpected_id is None:
            yield f"{row.why} of no finding"
    elif (row.return_line_id if of_return else row.order_line_id) is None:
        yield f"{row.why} of no line"


def order_lines(found: list[Break], merchant_id: Of = None) -> int:
    """S3: a line reserves what it owes (bought, not canceled, not shipped), and its movements say the same."""
    line, moved = OrderLine, StockMovement
    place = (moved.order_line_id, moved.sku, moved.location)
    sums: dict[UUID, dict[tuple[str, str], int]] = defaultdict(dict)
    wanted = sa.select(*place, sa.func.sum(moved.delta).label("units")).where(
        moved.bucket == "reserved", moved.order_line_id.is_not(None), _of(moved.merchant_id, merchant_id)
    )
    for row in rows(wanted.group_by(*place)):
        if row.units:
            sums[row.order_line_id][row.sku, row.location] = int(row.units)
    looked_at = 0
    lines = sa.select(
        line.id, line.sku, line.name, line.kind, line.location, line.units, line.shipped_units,
        line.canceled_units, line.reserved_units, Order.number, Order.state, CONTAINER.label("container"),
    ).join(Order, Order.id == line.order_id).where(_of(line.merchant_id, merchant_id))  # fmt: skip
    for row in rows(lines.order_by(line.id)):
        looked_at += 1
        for says in _wrong_line(row, sums.pop(row.id, {})):
            where = f"order {row.number} line {row.id} ({row.sku})"
            found.append(Break(invariant="S3", where=where, says=says))
    for line_id, places in sums.items():
        found.append(
            Break(
                invariant="S3",
                where=f"order line {line_id}",
                says=f"it is not there, and {sum(places.values())} units are reserved for it",
            )
        )
    return looked_at


def _wrong_line(row: Any, reserved: dict[tuple[str, str], int]) -> Iterator[str]:
    goods = Goods(
        sku=stock_name(row.sku, row.name),
        units=row.units,
        shipped=row.shipped_units,
        canceled=row.canceled_units,
        location=row.location,
        kind=row.kind,
        confirmed=row.state == "confirmed" and not row.container,
    )
    if row.reserved_units != goods.owed:
        yield f"{row.reserved_units} units reserved, {goods.owed} are still to be sent"
    for (sku, location), units in sorted(reserved.items()):
        if (sku, location) != (goods.sku, goods.location):
            yield f"movements reserve {units} of {sku} at {location} for it"
    moved = reserved.get((goods.sku, goods.location), 0)
    if moved != row.reserved_units:
        yield f"{row.reserved_units} units reserved, movements say {moved}"


def return_lines(found: list[Break], merchant_id: Of = None) -> int:
    """S4: of each return line, expected is what was authorized and has not come, and what came is somewhere.

    In quarantine is what was not inspected, or was left there by an inspection; the rest went where the
    inspections sent it.
    """
    expected, quarantined, inside = _returned(merchant_id)
    inspected: dict[UUID, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    looks = sa.select(Inspection.return_line_id, Inspection.disposition, Inspection.units)
    for row in rows(looks.where(_of(Inspection.merchant_id, merchant_id))):
        inspected[row.return_line_id][after_inspection(row.disposition)] += row.units
    line = ReturnLine
    lines = (
        sa.select(
            line.id, line.name, line.authorized_units, line.received_units, line.accepted_units,
            line.rejected_units, Return.state, Return.kind, Return.number,
        )
        .join(Return, Return.id == line.return_id)
        .where(_of(line.merchant_id, merchant_id), Return.state != "draft")
    )  # fmt: skip
    looked_at = 0
    for row in rows(lines.order_by(line.id)):
        looked_at += 1
        graded, sent = row.accepted_units + row.rejected_units, inspected.get(row.id, {})
        for what, is_, should in (
            (
                "expected",
                expected.pop(row.id, 0),
                coming(row.kind, row.state, row.authorized_units, row.received_units),
            ),
            (
                "in quarantine",
                quarantined.pop(row.id, 0),
                row.received_units - graded + sent.get("quarantine", 0),
            ),
            ("in the house", inside.pop(row.id, 0), row.received_units - sent.get(OUTSIDE, 0)),
        ):
            if is_ != should:
                where = f"return {row.number} line {row.id} ({row.name})"
                says = f"movements say {is_} {what}, it should be {should}"
                found.append(Break(invariant="S4", where=where, says=says))
    for line_id in sorted({*expected, *quarantined, *inside}, key=str):
        if any(sums.get(line_id) for sums in (expected, quarantined, inside)):
            says = "it is not there, and stock moved for it"
            found.append(Break(invariant="S4", where=f"return line {line_id}", says=says))
    return looked_at


def _returned(merchant_id: Of) -> tuple[dict[UUID, int], dict[UUID, int], dict[UUID, int]]:
    """Return line -> what its movements say is expected, in quarantine, and in the house altogether."""
    expected: dict[UUID, int] = {}
    quarantined: dict[UUID, int] = {}
    inside: dict[UUID, int] = defaultdict(int)
    moved = StockMovement
    wanted = sa.select(moved.return_line_id, moved.bucket, sa.func.sum(moved.delta).label("units")).where(
        moved.return_line_id.is_not(None), _of(moved.merchant_id, merchant_id)
    )
    for row in rows(wanted.group_by(moved.return_line_id, moved.bucket)):
        if row.bucket == "expected":
            expected[row.return_line_id] = int(row.units)
            continue
        inside[row.return_line_id] += int(row.units)
        if row.bucket == "quarantine":
            quarantined[row.return_line_id] = int(row.units)
    return expected, quarantined, inside


def cancellations(found: list[Break], merchant_id: Of = None) -> int:
    """S5: a confirmed cancellation made its goods available once, and one that came to nothing made none."""
    line, moved = ReturnLine, StockMovement
    sums: dict[tuple[str, UUID], int] = defaultdict(int)
    wanted = sa.select(moved.number, moved.order_line_id, sa.func.sum(moved.delta).label("units")).where(
        moved.bucket == "reserved",
        moved.why.in_(("canceled", "cancellation_undone")),
        moved.number != "",
        _of(moved.merchant_id, merchant_id),
    )
    for row in rows(wanted.group_by(moved.number, moved.order_line_id)):
        sums[row.number, row.order_line_id] -= int(row.units)
    lines = (
        sa.select(line.order_line_id, line.units, Return.number, Return.state, OrderLine.kind, OrderLine.sku)
        .join(Return, Return.id == line.return_id)
        .join(OrderLine, OrderLine.id == line.order_line_id)
        .where(
            Return.kind.in_(CANCELLATIONS),
            Return.number.is_not(None),
            OrderLine.kind == MERCHANDISE,
            ~CONTAINER,
            _of(line.merchant_id, merchant_id),
        )
    )
    looked_at = 0
    for row in rows(lines.order_by(line.id)):
        looked_at += 1
        should = row.units if row.state in ("confirmed", "closed") else 0
        is_ = sums.get((row.number, row.order_line_id), 0)
        if is_ != should:
            where = f"cancellation {row.number} ({row.sku})"
            says = f"{is_} units are available again, it should be {should}"
            found.append(Break(invariant="S5", where=where, says=says))
    return looked_at


def findings(found: list[Break], merchant_id: Of = None) -> int:
    """S6: goods that nobody announced lie in quarantine while nobody decided, and then where it was decided."""
    moved = StockMovement
    sums: dict[UUID, dict[str, int]] = defaultdict(dict)
    wanted = sa.select(moved.unexpected_id, moved.bucket, sa.func.sum(moved.delta).label("units")).where(
        moved.unexpected_id.is_not(None), _of(moved.merchant_id, merchant_id)
    )
    for row in rows(wanted.group_by(moved.unexpected_id, moved.bucket)):
        if row.units:
            sums[row.unexpected_id][row.bucket] = int(row.units)
    looked_at = 0
    items = sa.select(Unexpected.id, Unexpected.sku, Unexpected.units, Unexpected.state, Unexpected.code)
    for row in rows(items.where(_of(Unexpected.merchant_id, merchant_id)).order_by(Unexpected.id)):
        looked_at += 1
        bucket = LIES_IN.get(row.state)
        should = {bucket: row.units} if bucket and row.sku else {}
        is_ = sums.pop(row.id, {})
        if is_ != should:
            where = f"finding {row.id} ({row.sku or row.code})"
            found.append(
                Break(invariant="S6", where=where, says=f"movements say {is_}, it should be {should}")
            )
    for finding_id, is_ in sorted(sums.items(), key=str):
        says = f"it is not there, and movements say {is_}"
        found.append(Break(invariant="S6", where=f"finding {finding_id}", says=says))
    return looked_at


LIES_IN = {"open": "quarantine", "restocked": "available", "disposed": "gone"}
"""State of a finding -> the bucket of its units; those that are a return's or were sent back are in none."""

PROOFS = (
    ("levels", levels),
    ("movements", movements),
    ("order lines", order_lines),
    ("return lines", return_lines),
    ("cancellations", cancellations),
    ("findings", findings),
)
"""(what is counted, what proves it): each takes the breaks found so far, and one merchant or all."""

"""A request to leave units out, made from a confirmed cancellation once and kept word for word.

Asked again under its key it must be the same, whatever else became of the order meanwhile.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from uuid import UUID

from portal.core.logistics import LeaveOut, LeftOut, StillToSend, WarehouseLine, WarehouseOrder
from portal.db import returns
from portal.db.returns import Return
from portal.services.stockroom import asking


def request_of(row: Return) -> LeaveOut:
    """What is to be left out, and what is still to be sent, a shipment per location. Raises ``LookupError``."""
    order = asking.known_as(row.order_id) if row.order_id else None
    if order is None:
        raise LookupError(f"the return {row.id} has no order")
    goods = {line.line_id: line for line in order.lines}
    lines = tuple(
        _units(goods[line.order_line_id], line.units)
        for line in returns.draft(row).lines
        if line.order_line_id in goods
    )
    return LeaveOut(
        merchant=order.merchant,
        order=order.order,
        number=order.number,
        cancellation=row.number or "",
        lines=lines,
        shipments=_shipments(order),
    )


def _shipments(order: WarehouseOrder) -> tuple[StillToSend, ...]:
    """The split instructions. What was canceled is not among a line's units any more."""
    places: dict[str, list[LeftOut]] = {}
    for line in order.lines:
        if line.units > line.shipped:
            places.setdefault(line.location, []).append(_units(line, line.units - line.shipped))
    return tuple(
        StillToSend(location=location, lines=tuple(lines)) for location, lines in sorted(places.items())
    )


def _units(line: WarehouseLine, units: int) -> LeftOut:
    return LeftOut(line_id=line.line_id, line=line.line, sku=line.sku, location=line.location, units=units)


def kept(request: LeaveOut) -> dict[str, Any]:
    """The request as JSON values."""
    found = asdict(request)
    for line in (*found["lines"], *(line for one in found["shipments"] for line in one["lines"])):
        line["line_id"] = str(line["line_id"])
    return found


def read(value: Mapping[str, Any]) -> LeaveOut:
    """The request that ``kept`` has written."""
    return LeaveOut(
        **{name: value[name] for name in ("merchant", "order", "number", "cancellation")},
        lines=_lines(value["lines"]),
        shipments=tuple(
            StillToSend(location=one["location"], lines=_lines(one["lines"])) for one in value["shipments"]
        ),
    )


def _lines(rows: list[dict[str, Any]]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(**{**row, "line_id": UUID(row["line_id"])}) for row in rows)

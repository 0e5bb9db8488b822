"""Unit positions of orders: taken by a return that is confirmed, given back by units that will not come."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.facts import OrderFacts
from portal.core.lifecycles import SHIPMENT
from portal.core.returns import Draft
from portal.core.spans import Span, count, free, lowest, merge, without
from portal.db import orders, shipments
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.db.returns import ReturnLine
from portal.services import work


def take(order: OrderFacts, draft: Draft, *, now: datetime) -> dict[UUID, tuple[Span, ...]]:
    """Take the lowest free positions for what each line does not hold yet, guarded by what was read.

    Answers return line id -> all its positions, of the lines that took some.
    Raises ``Conflict("units_gone")`` when a line has changed since.
    """
    taken: dict[UUID, tuple[Span, ...]] = {}
    changes: list[dict[str, Any]] = []
    for line in draft.lines:
        if line.order_line_id is None:
            continue
        bought = order.line(line.order_line_id)
        open_positions = free(merge((*bought.canceled, *bought.claimed, *bought.held)), bought.units)
        more = line.units - count(line.spans)
        if not more:
            continue
        try:
            spans = lowest(open_positions, more)
        except ValueError:
            raise Conflict("units_gone", lines=[str(line.order_line_id)]) from None
        taken[line.id] = merge((*line.spans, *spans))
        changes.append(
            {
                "line": bought.id,
                "more": more,
                "was": sum(end - first for first, end in bought.claimed),
                "spans": [list(span) for span in merge((*bought.claimed, *spans))],
            }
        )
    if changes and not claim(changes):
        raise Conflict("units_gone", lines=[str(change["line"]) for change in changes])
    return taken


def claim(changes: Sequence[dict[str, Any]]) -> bool:
    """Raise the claimed units of many lines at once, each only from what it was; False when one differs."""
    table = OrderLine.__table__
    done = db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("line"), table.c.claimed_units == sa.bindparam("was"))
        .values(
            claimed_units=table.c.claimed_units + sa.bindparam("more"), claimed_spans=sa.bindparam("spans")
        ),
        list(changes),
    )
    return done.rowcount == len(changes)


def release(draft: Draft, *, keep: dict[UUID, int] | None = None) -> None:
    """Give back the positions of units that will not come; ``keep`` says how many of a line stay taken."""
    order = orders.facts(draft.order_id, lock=True) if draft.order_id else None
    if order is None:
        return
    changes, rows = [], []
    for line in draft.lines:
        if line.order_line_id is None or not line.spans:
            continue
        held = lowest(line.spans, (keep or {}).get(line.id, 0)) if (keep or {}).get(line.id) else ()
        freed = without(line.spans, held)
        if not freed:
            continue
        bought = order.line(line.order_line_id)
        changes.append(
            {
                "line": bought.id,
                "more": -sum(end - first for first, end in freed),
                "was": sum(end - first for first, end in bought.claimed),
                "spans": [list(span) for span in without(bought.claimed, freed)],
            }
        )
        rows.append({"row": line.id, "held": [list(span) for span in held]})
    if changes and not claim(changes):
        raise Conflict("changed_meanwhile")
    if rows:
        table = ReturnLine.__table__
        db.session.connection().execute(
            sa.update(table).where(table.c.id == sa.bindparam("row")).values(spans=sa.bindparam("held")), rows
        )


def void_parcels(return_id: UUID) -> bool:
    """Parcels that were not handed over are void; the carrier is told by durable work. Whether one had a label."""
    shipment = shipments.Shipment
    open_ones = db.session.scalars(
        sa.select(shipment)
        .where(
            shipment.return_id == return_id,
            shipment.state.in_([state for state in SHIPMENT.states if SHIPMENT.can(state, "void")]),
        )
        .with_for_update()
    ).all()
    for parcel in open_ones:
        if parcel.tracking_number:
            work.enqueue("void", parcel.id)
        parcel.state = SHIPMENT.after(parcel.state, "void")
    return any(parcel.tracking_number for parcel in open_ones)

"""Units of order lines held, canceled and given back: each by one guarded statement that expects what was read.

The positions are those of the price (``core.spans``). The caller holds the order's lines; the checks of the
table are the last word, whoever else forgets to look.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core.access import Conflict
from portal.core.facts import LineFacts, OrderFacts, ReturnRequest
from portal.core.refunds.breakdown import TooMuch
from portal.core.refunds.engine import positions
from portal.core.spans import Span, count, merge, without
from portal.db.base import db
from portal.db.orders import OrderLine

Held = Mapping[UUID, tuple[Span, ...]]
"""order line -> positions."""


def picked(order: OrderFacts, request: ReturnRequest) -> dict[UUID, tuple[Span, ...]]:
    """The positions that each wish takes: those it holds, or the lowest free ones. Raises ``Conflict``."""
    lines = {line.id: line for line in order.lines}
    found: dict[UUID, tuple[Span, ...]] = {}
    try:
        for wish, spans in positions(lines, request.wanted, kind=request.kind):
            found[wish.line_id] = merge((*found.get(wish.line_id, ()), *spans))
    except (TooMuch, ValueError):
        raise Conflict("units_taken", lines=[str(wish.line_id) for wish in request.wanted]) from None
    return found


def hold(order: OrderFacts, spans: Held) -> None:
    """Hold free positions for a proposal. Raises ``Conflict("units_taken")`` when a line has changed since."""
    _write(order, [(line, line.canceled, merge((*line.held, *more))) for line, more in _lines(order, spans)])


def let_go(order: OrderFacts, spans: Held) -> None:
    """Free what a proposal held."""
    _write(order, [(line, line.canceled, without(line.held, gone)) for line, gone in _lines(order, spans)])


def cancel(order: OrderFacts, spans: Held, *, held: Held) -> None:
    """Take units out for good; ``held`` are those of them that a proposal held until now.

    Raises ``Conflict("units_taken")``.
    """
    _write(
        order,
        [
            (line, merge((*line.canceled, *more)), without(line.held, held.get(line.id, ())))
            for line, more in _lines(order, spans)
        ],
    )


def restore(order: OrderFacts, spans: Held) -> None:
    """Put units back that were taken out: they are ordered again."""
    _write(order, [(line, without(line.canceled, back), line.held) for line, back in _lines(order, spans)])


def _lines(order: OrderFacts, spans: Held) -> Iterable[tuple[LineFacts, tuple[Span, ...]]]:
    return [(line, spans[line.id]) for line in order.lines if spans.get(line.id)]


def _write(
    order: OrderFacts, changes: Sequence[tuple[LineFacts, tuple[Span, ...], tuple[Span, ...]]]
) -> None:
    """Set canceled and held positions, each line only from what was read of it."""
    rows: list[dict[str, Any]] = [
        {
            "line": line.id,
            "was_canceled": count(line.canceled),
            "was_held": count(line.held),
            "was_claimed": count(line.claimed),
            "was_shipped": line.shipped,
            "was_picked": line.picked,
            "canceled": count(canceled),
            "canceled_at": [list(span) for span in canceled],
            "held": count(held),
            "held_at": [list(span) for span in held],
        }
        for line, canceled, held in sorted(changes, key=lambda change: change[0].id)
    ]
    if not rows:
        return
    table = OrderLine.__table__
    same = [
        table.c[name] == sa.bindparam(was)
        for name, was in (
            ("canceled_units", "was_canceled"),
            ("held_units", "was_held"),
            ("claimed_units", "was_claimed"),
            ("shipped_units", "was_shipped"),
            ("picked_units", "was_picked"),
        )
    ]
    try:
        done = db.session.connection().execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("line"), *same)
            .values(
                canceled_units=sa.bindparam("canceled"),
                canceled_spans=sa.bindparam("canceled_at"),
                held_units=sa.bindparam("held"),
                held_spans=sa.bindparam("held_at"),
            ),
            rows,
        )
    except IntegrityError:
        raise Conflict("units_taken", lines=[str(row["line"]) for row in rows]) from None
    if done.rowcount != len(rows):
        raise Conflict("units_taken", lines=[str(row["line"]) for row in rows])


def end_services(ends: Mapping[UUID, Any]) -> None:
    """Note the last day of services. Raises ``Conflict("units_taken")`` for one that ends already."""
    table = OrderLine.__table__
    for line_id, day in sorted(ends.items()):
        done = db.session.connection().execute(
            sa.update(table).where(table.c.id == line_id, table.c.ends_on.is_(None)).values(ends_on=day)
        )
        if done.rowcount != 1:
            raise Conflict("units_taken", lines=[str(line_id)])


def renew_services(line_ids: Iterable[UUID]) -> None:
    """Let services go on whose end was taken back."""
    ids = sorted(line_ids)
    if ids:
        table = OrderLine.__table__
        db.session.connection().execute(sa.update(table).where(table.c.id.in_(ids)).values(ends_on=None))

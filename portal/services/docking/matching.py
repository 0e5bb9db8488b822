"""Goods that nobody announced turn out to belong to a return: from then on they count as received for it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.access import Actor, Conflict, NotFound
from portal.core.inventory import StockEvent, movements_for
from portal.db import returns
from portal.db.base import db, transaction
from portal.db.dock import Unexpected
from portal.db.returns import Return
from portal.services import scope
from portal.services.docking import receiving, unexpected
from portal.services.stockroom import stock


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A line of a return that goods could belong to, with the units it still expects."""

    return_id: UUID
    number: str
    line_id: UUID
    sku: str
    name: str
    left: int


def match(
    actor: Actor,
    finding_id: UUID,
    *,
    return_id: UUID,
    line_id: UUID | None = None,
    note: str = "",
    now: datetime,
    version: int | None = None,
) -> None:
    """The goods belong to that return. With a line they are received for it, as far as it expects any.

    What is more than it expects stays open, as a surplus of its own. Without a line the goods only know their
    return from then on, and are still to be decided about. Received for the same return twice is once. Raises
    ``Conflict``: ``unexpected_decided``, ``other_article``, ``nothing_expected``, ``merchant_differs``.
    """
    with transaction():
        back = scope.as_seen(actor, return_id, "returns.receive", None)
        row = unexpected.get(actor, finding_id, "returns.receive", lock=True)
        if line_id is not None and (row.state, row.return_id) == ("matched", back.id):
            return
        unexpected.still_open(row, version)
        if row.merchant_id != back.merchant_id:
            raise Conflict("merchant_differs")
        row.return_id = back.id
        if line_id is None:
            row.version += 1
            db.session.flush()
            unexpected.tell(actor, "parcel.matched", row, now, number=back.number or "", code=row.code,
                            units=row.units)  # fmt: skip
            return
        _receive(actor, row, back, line_id, note=note, now=now)


def _receive(actor: Actor, row: Unexpected, back: Return, line_id: UUID, *, note: str, now: datetime) -> None:
    lines = {line.id: line for line in returns.lines_of(back.id)}
    line = lines.get(line_id)
    if line is None:
        raise NotFound
    left = line.authorized_units - line.received_units
    if left <= 0 or not receiving.takes(back):
        raise Conflict("nothing_expected", name=line.name)
    if row.sku and row.sku != receiving.sku_of(line):
        raise Conflict("other_article", sku=row.sku, name=line.name)
    units, rest, number = min(row.units, left), max(0, row.units - left), back.number or ""
    moves = _moved("matched", row, row.units, number)
    row.units, row.sku, row.name = units, row.sku or receiving.sku_of(line), row.name or line.name
    if rest:
        moves += _rest(actor, row, rest, number, now)
    unexpected.end(actor, row, "matched", note=note, now=now)
    unexpected.tell(actor, "parcel.matched", row, now, number=number, code=row.code, units=units)
    intake = receiving.Intake(counts={line.id: units}, note=note)
    moves += receiving.arrive(actor, back, lines, intake, now=now)
    stock.write(moves, merchant_id=row.merchant_id, now=now)


def _rest(actor: Actor, row: Unexpected, units: int, number: str, now: datetime) -> list[stock.Moved]:
    """What the return does not expect stays open, as a surplus of its own with a task of its own."""
    surplus = unexpected.Surprise(
        kind="surplus", units=units, code=row.code, sku=row.sku, name=row.name, grade=row.grade, note=row.note
    )
    back = db.session.get(Return, row.return_id)
    return list(unexpected.put_aside(actor, row.merchant_id, surplus, row=back, now=now).moves)


def _moved(kind: str, row: Unexpected, units: int, number: str) -> list[stock.Moved]:
    """Movements out of a finding; none of what nobody had named, for it lay nowhere."""
    if not row.sku:
        return []
    return [
        stock.Moved(why="unexpected_decided", movement=movement, unexpected_id=row.id, number=number)
        for movement in movements_for(StockEvent(kind=kind, sku=row.sku, units=units))
    ]


def fits(actor: Actor, finding_id: UUID, *, return_id: UUID) -> tuple[Fit, ...]:
    """The lines of that return that still expect something the finding could be; those of its SKU alone if known."""
    row = unexpected.get(actor, finding_id, "returns.receive")
    back = scope.return_row(actor, return_id, "returns.receive")
    if back.merchant_id != row.merchant_id:
        raise NotFound
    return tuple(
        Fit(
            return_id=back.id,
            number=back.number or "",
            line_id=line.id,
            sku=line.sku,
            name=line.name,
            left=line.authorized_units - line.received_units,
        )
        for line in (returns.lines_of(back.id) if receiving.takes(back) else ())
        if line.authorized_units > line.received_units and row.sku in ("", receiving.sku_of(line))
    )

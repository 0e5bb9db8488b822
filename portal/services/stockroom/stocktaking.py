"""Stock as people see it: looked for, read with every movement and its why, and counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core.access import Actor, Conflict, NotFound
from portal.core.facts import CANCELLATIONS
from portal.core.inventory import COUNTED, counted
from portal.db import history
from portal.db.base import db, transaction
from portal.db.merchants import Merchant
from portal.db.orders import OrderLine
from portal.db.returns import Return, ReturnLine
from portal.db.stock import StockLevel, StockMovement
from portal.services import scope
from portal.services.stockroom import stock

LONGEST_NOTE = 300
MOST = 10**6
"""Units that somebody may have counted of one thing in one place."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One product at one location: how many units lie in each bucket. ``id`` is that of one of its levels."""

    id: UUID
    merchant_id: UUID
    merchant: str
    sku: str
    location: str
    units: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One movement, and what it belongs to, as far as that has a page."""

    id: UUID
    at: datetime
    location: str
    bucket: str
    delta: int
    why: str
    number: str
    order_id: UUID | None
    return_id: UUID | None
    cancellation_id: UUID | None
    by: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product of one merchant: its name as it was last sold, and where it lies."""

    merchant_id: UUID
    merchant: str
    sku: str
    name: str
    shelves: tuple[Shelf, ...]
    here: Shelf
    """The shelf that was asked for."""


def listing(actor: Actor, *, text: str = "", after: UUID | None = None, limit: int = 50) -> tuple[Shelf, ...]:
    """Shelves of the actor's merchants whose SKU begins with, or whose product is called, ``text``; by SKU.

    ``after`` (the id of a shelf) continues the list.
    """
    level = StockLevel
    wanted = (
        sa.select(level.merchant_id, level.sku, level.location)
        .where(level.merchant_id.in_(_merchants(actor)))
        .group_by(level.merchant_id, level.sku, level.location)
        .order_by(level.sku, level.merchant_id, level.location)
    )
    if text:
        wanted = wanted.where(sa.or_(level.sku.ilike(f"{_plain(text)}%", escape="\\"), _called(text)))
    last = db.session.get(level, after) if after else None
    if last is not None:
        place = sa.tuple_(level.sku, level.merchant_id, level.location)
        wanted = wanted.where(place > sa.tuple_(*_typed(last)))
    places = [tuple(row) for row in db.session.execute(wanted.limit(limit))]
    return _shelves(places)


def _typed(last: StockLevel) -> tuple[Any, ...]:
    """The place of a level as values that the database compares with its columns."""
    return (
        sa.literal(last.sku, sa.String),
        sa.literal(last.merchant_id, sa.Uuid),
        sa.literal(last.location, sa.String),
    )


def _plain(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _called(text: str) -> Any:
    """Whether a product was sold under a name with ``text`` in it."""
    line = OrderLine
    return sa.exists().where(
        line.merchant_id == StockLevel.merchant_id,
        line.sku == StockLevel.sku,
        line.name.ilike(f"%{_plain(text)}%", escape="\\"),
    )


def _shelves(places: Sequence[tuple[Any, ...]]) -> tuple[Shelf, ...]:
    level = StockLevel
    found = db.session.execute(
        sa.select(level, Merchant.name)
        .join(Merchant, Merchant.id == level.merchant_id)
        .where(sa.tuple_(level.merchant_id, level.sku, level.location).in_(places))
        .order_by(level.id)
        .execution_options(populate_existing=True)
    ).all()
    known: dict[tuple[Any, ...], list[Any]] = {}
    for row, merchant in found:
        known.setdefault((row.merchant_id, row.sku, row.location), []).append((row, merchant))
    return tuple(
        Shelf(
            id=rows[0][0].id,
            merchant_id=place[0],
            merchant=rows[0][1],
            sku=place[1],
            location=place[2],
            units={row.bucket: row.units for row, _ in rows},
        )
        for place in places
        if (rows := known.get(place))
    )


def product(actor: Actor, level_id: UUID) -> Product:
    """The product whose level that is, at all of its locations. Raises ``NotFound``, ``NotAllowed``."""
    row = _level(actor, level_id, "stock.read")
    level, line = StockLevel, OrderLine
    wanted = sa.select(level.merchant_id, level.sku, level.location).where(
        level.merchant_id == row.merchant_id, level.sku == row.sku
    )
    places = [tuple(one) for one in db.session.execute(wanted.distinct().order_by(level.location))]
    shelves = _shelves(places)
    name = db.session.scalar(
        sa.select(line.name)
        .where(line.merchant_id == row.merchant_id, line.sku == row.sku, line.name != "")
        .order_by(line.id.desc())
        .limit(1)
    )
    here = next(shelf for shelf in shelves if shelf.location == row.location)
    return Product(
        merchant_id=row.merchant_id,
        merchant=here.merchant,
        sku=row.sku,
        name=name or "",
        shelves=shelves,
        here=here,
    )


def movements(
    actor: Actor, level_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> tuple[Moved, ...]:
    """Every movement of a product, at all locations, the newest first; ``after`` continues the list.

    Raises ``NotFound``, ``NotAllowed``.
    """
    row = _level(actor, level_id, "stock.read")
    moved, about = StockMovement, aliased(Return)
    wanted = (
        sa.select(moved, OrderLine.order_id, ReturnLine.return_id, about.id)
        .outerjoin(OrderLine, OrderLine.id == moved.order_line_id)
        .outerjoin(ReturnLine, ReturnLine.id == moved.return_line_id)
        .outerjoin(
            about,
            sa.and_(
                about.merchant_id == moved.merchant_id,
                about.number == moved.number,
                about.kind.in_(CANCELLATIONS),
            ),
        )
        .where(moved.merchant_id == row.merchant_id, moved.sku == row.sku)
    )
    if after is not None:
        wanted = wanted.where(moved.id < after)
    found = db.session.execute(wanted.order_by(moved.id.desc()).limit(limit))
    return tuple(
        Moved(
            id=one.id,
            at=one.at,
            location=one.location,
            bucket=one.bucket,
            delta=one.delta,
            why=one.why,
            number=one.number,
            order_id=order_id,
            return_id=return_id,
            cancellation_id=cancellation_id,
            by=one.by_name,
            note=one.note,
        )
        for one, order_id, return_id, cancellation_id in found
    )


def count(
    actor: Actor, level_id: UUID, bucket: str, *, found: int, seen: int, reason: str, now: datetime
) -> None:
    """Somebody counted ``found`` units in a bucket at that level's location, where the page showed ``seen``.

    The difference is one movement with the reason. Raises ``Conflict``: ``reason_missing``, ``unknown_bucket``,
    ``negative_units``, ``too_many_counted`` with the maximum, ``stock_changed`` with how many are there now.
    """
    _level(actor, level_id, "stock.edit")
    if not reason.strip():
        raise Conflict("reason_missing")
    if bucket not in COUNTED:
        raise Conflict("unknown_bucket", bucket=bucket)
    if found < 0:
        raise Conflict("negative_units", units=found)
    if found > MOST:
        raise Conflict("too_many_counted", maximum=MOST)
    with transaction():
        row = _level(actor, level_id, "stock.edit")
        place = (row.sku, row.location, bucket)
        there = stock.at(row.merchant_id, [place], lock=True)[place]
        if there != seen:
            raise Conflict("stock_changed", there=there, sku=row.sku)
        movement = counted(row.sku, bucket, there=there, found=found, location=row.location)
        if movement is None:
            return
        note = reason.strip()[:LONGEST_NOTE]
        told = stock.Moved(why="counted", movement=movement, by=actor.name or actor.kind, note=note)
        stock.write([told], merchant_id=row.merchant_id, now=now)
        history.record(
            actor, "stock.counted", merchant_id=row.merchant_id, subject_id=row.id, now=now, sku=row.sku,
            location=row.location, bucket=bucket, there=there, found=found, reason=note,
        )  # fmt: skip


def _level(actor: Actor, level_id: UUID, permission: str) -> StockLevel:
    row = db.session.get(StockLevel, level_id)
    if row is None:
        raise NotFound
    scope.require(actor, permission, row.merchant_id)
    return row


def _merchants(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("stock.read", one)]

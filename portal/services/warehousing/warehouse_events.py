"""Events of a warehouse: stored once; a question is answered at once, all else is handled as durable work.

What it asks it is answered from the portal's own counts, and what is answered counts as picked. What it tells
of goods is a fact. What it tells of an answer is only a reason to look that answer up.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import NotFound
from portal.core.logistics import ToldUnits
from portal.core.logistics import WarehouseEvent as Told
from portal.db import merchants
from portal.db.base import db, insert_ignore, transaction, uuid7
from portal.db.cancellations import Cancellation
from portal.db.orders import OrderLine
from portal.db.warehouse import WarehouseEvent
from portal.ports import Gateways, Unavailable
from portal.services import work
from portal.services.warehousing import fulfilment, warehouse

PATIENCE = timedelta(days=1)
"""So long an event is tried again whose order was not imported yet, or whose answer is not shown yet."""

KEPT_FOR = timedelta(days=90)
"""Longer than any warehouse delivers again."""

VERSION = 1
ASKED = "pick_asked"


@dataclass(frozen=True, kw_only=True)
class Received:
    """Whether an event is news, and what a question is answered with, as JSON values."""

    news: bool
    answer: Mapping[str, Any] | None = None


def receive(
    code: str, headers: Mapping[str, str], body: bytes, *, gateways: Gateways, now: datetime
) -> Received:
    """Store a delivery, and answer it where it asks; the same event again gets the same answer.

    Raises ``NotFound`` for a warehouse that this installation has not, ``Forged``, and ``ValueError`` for what
    makes no sense or names no shop of ours; then nothing is written.
    """
    if gateways.warehouse is None or gateways.warehouse.code != code:
        raise NotFound
    told = gateways.warehouse.read_event(headers, body, now=now)
    if told.kind == "other":
        return Received(news=False)
    shop = merchants.by_slug(told.merchant)
    if shop is None:
        raise ValueError("there is no such merchant")
    with transaction():
        found = _stored(told, shop.id, code, now)
        faults.point("before_result_commit")
    faults.point("in_webhook_after_insert")
    return found


def _stored(told: Told, merchant_id: UUID, code: str, now: datetime) -> Received:
    row = {
        "id": uuid7(),
        "merchant_id": merchant_id,
        "warehouse": code,
        "event_id": told.id[:100],
        "kind": told.kind,
        "order_ref": told.order[:100],
        "payload": {
            "lines": [asdict(line) for line in told.lines],
            "key": told.key,
            "number": told.tracking_number,
        },
        "at": told.at,
        "received_at": now,
        "outcome": "",
    }
    event_id = db.session.scalar(insert_ignore(WarehouseEvent).values(row).returning(WarehouseEvent.id))
    if event_id is None:
        return _known(told, merchant_id, code)
    if told.kind != ASKED:
        work.enqueue("warehouse_event", event_id)
        return Received(news=True)
    answer = _may_pick(told, merchant_id, now)
    stored = _held(event_id)
    if stored is not None:
        stored.payload = stored.payload | {"answer": answer}
        stored.handled_at, stored.outcome = now, "answered" if answer["known"] else "unknown_order"
        db.session.flush()
    return Received(news=True, answer=answer)


def _known(told: Told, merchant_id: UUID, code: str) -> Received:
    before = db.session.scalar(
        sa.select(WarehouseEvent.payload).where(
            WarehouseEvent.merchant_id == merchant_id,
            WarehouseEvent.warehouse == code,
            WarehouseEvent.event_id == told.id[:100],
        )
    )
    return Received(news=False, answer=(before or {}).get("answer"))


def _may_pick(told: Told, merchant_id: UUID, now: datetime) -> dict[str, Any]:
    """How many of the units it asks for may be picked; from now on they count as picked."""
    try:
        granted = fulfilment.may_pick(merchant_id, told.order, told.lines, now=now)
    except NotFound:
        return {"version": VERSION, "order": told.order, "known": False, "lines": []}
    rows = db.session.execute(
        sa.select(OrderLine.id, OrderLine.external_id, OrderLine.sku)
        .where(OrderLine.id.in_(list(granted)))
        .order_by(OrderLine.number)
    )
    lines = [{"line": row.external_id, "sku": row.sku, "units": granted[row.id]} for row in rows]
    return {"version": VERSION, "order": told.order, "known": True, "lines": lines}


# ------------------------------------------------------------------------------------------------------ handling


def handle(event_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Let an event take effect, once. Raises ``Unavailable`` for another try."""
    row = db.session.get(WarehouseEvent, event_id)
    if row is None or row.handled_at is not None:
        return
    kind, key, merchant_id, received = (
        row.kind,
        str(row.payload.get("key", "")),
        row.merchant_id,
        row.received_at,
    )
    if kind == "answered":
        _look(event_id, key, merchant_id, received, gateways=gateways, now=now)
        return
    try:
        with transaction():
            held = _held(event_id)
            if held is not None and held.handled_at is None:
                held.outcome = _applied(held, now)
                held.handled_at = now
                db.session.flush()
                faults.point("before_result_commit")
    except NotFound:
        _patient(event_id, received, "unknown_order", now)


def _held(event_id: UUID) -> WarehouseEvent | None:
    return db.session.get(WarehouseEvent, event_id, populate_existing=True, with_for_update=True)


def _applied(row: WarehouseEvent, now: datetime) -> str:
    """What a warehouse tells of goods: it has happened. Raises ``NotFound`` for an order that is not ours."""
    lines = tuple(ToldUnits(**line) for line in row.payload["lines"])
    if row.kind == "picked":
        fulfilment.picked(row.merchant_id, row.order_ref, lines, now=now)
        return "picked"
    if row.kind == "put_back":
        fulfilment.put_back(row.merchant_id, row.order_ref, lines, now=now)
        return "put_back"
    parcel = str(row.payload.get("number", ""))
    left = fulfilment.shipped(row.merchant_id, row.order_ref, lines, number=parcel, at=row.at, now=now)
    return "after_release" if left.after_release else "overtook" if left.overtaken else "shipped"


def _look(
    event_id: UUID, key: str, merchant_id: UUID, received: datetime, *, gateways: Gateways, now: datetime
) -> None:
    """It says that it has answered: what it has answered is looked up."""
    return_id = db.session.scalar(
        sa.select(Cancellation.return_id).where(
            Cancellation.warehouse_key == key, Cancellation.merchant_id == merchant_id
        )
    )
    db.session.commit()  # nothing is read while the warehouse is waited for
    if return_id is None or gateways.warehouse is None:
        _done(event_id, "unknown_key", now)
        return
    answer = gateways.warehouse.look_up(key)
    faults.point("after_http_response")
    if answer is None:
        _patient(event_id, received, "not_found", now)
        return
    with transaction():
        outcome = warehouse.noted(return_id, answer, now=now)
        held = _held(event_id)
        if held is not None and held.handled_at is None:
            held.handled_at, held.outcome = now, outcome[:40]
        db.session.flush()
        faults.point("before_result_commit")


def _patient(event_id: UUID, received: datetime, outcome: str, now: datetime) -> None:
    """The order comes with the next import, the answer with the next look; or the event is about nothing."""
    if now - received < PATIENCE:
        raise Unavailable(f"an event of a warehouse: {outcome}", retry_after=60)
    _done(event_id, outcome, now)


def _done(event_id: UUID, outcome: str, now: datetime) -> None:
    with transaction():
        db.session.execute(
            sa.update(WarehouseEvent)
            .where(WarehouseEvent.id == event_id, WarehouseEvent.handled_at.is_(None))
            .values(handled_at=now, outcome=outcome)
        )


def tidy(*, now: datetime) -> None:
    """Forget events that were dealt with long ago."""
    with transaction():
        db.session.execute(
            sa.delete(WarehouseEvent).where(
                WarehouseEvent.received_at < now - KEPT_FOR, WarehouseEvent.handled_at.is_not(None)
            )
        )

"""What a warehouse is asked: outside of any transaction, for a page that waits two seconds at most.

It knows nothing of what becomes of the answers: ``services.warehouse`` does.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import MERCHANDISE, OrderFacts
from portal.core.logistics import Constraint, WarehouseLine, WarehouseOrder
from portal.db.base import db
from portal.db.cancellations import Cancellation
from portal.db.merchants import Merchant
from portal.db.orders import Order, OrderLine
from portal.db.stock import CONTAINER
from portal.ports import Declined, Gateways, Unavailable
from portal.services import work

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=2)
"""So long its own work alone asks; then it is looked after as well."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a warehouse says against leaving units out; ``silent``: it could not be asked, facts alone decide."""

    found: tuple[Constraint, ...] = ()
    silent: bool = False


def constraints(order: OrderFacts, *, gateways: Gateways, now: datetime) -> Asked:
    """Ask about an order of which goods were not sent yet. Never inside ``transaction()``; takes two seconds at most.

    Raises ``RuntimeError`` inside a transaction: nobody is waited for while rows are locked.
    """
    unsent = any(line.kind == MERCHANDISE and line.units > line.shipped for line in order.lines)
    if gateways.warehouse is None or not unsent:
        return Asked()
    if db.session.info.get("writing"):
        raise RuntimeError("a warehouse is not asked while rows are locked")
    told = known_as(order.id)
    db.session.commit()  # nothing is read while the warehouse is waited for
    if told is None:
        return Asked()
    try:
        return Asked(found=gateways.warehouse.constraints(told, now=now))
    except (Unavailable, Declined) as problem:
        log.warning("the warehouse was asked and said nothing: %s", problem)
        return Asked(silent=True)
    except Exception:
        log.exception("a warehouse's answer broke its adapter")
        return Asked(silent=True)


def answers(*, gateways: Gateways) -> bool | None:
    """Whether the warehouse can be used now; None where there is none. Waits two seconds at most."""
    if gateways.warehouse is None:
        return None
    db.session.commit()  # nothing is read while the warehouse is waited for
    try:
        gateways.warehouse.health()
    except Unavailable as problem:
        log.warning("the warehouse cannot be used: %s", problem)
        return False
    return True


def known_as(order_id: UUID) -> WarehouseOrder | None:
    """An order as a warehouse is told of it: goods alone, by the ids that the shop's channel gave them."""
    head = db.session.execute(
        sa.select(Order.external_id, Order.number, Merchant.slug)
        .join(Merchant, Merchant.id == Order.merchant_id)
        .where(Order.id == order_id)
    ).one_or_none()
    if head is None:
        return None
    rows = db.session.execute(
        sa.select(
            OrderLine.id,
            OrderLine.external_id,
            OrderLine.sku,
            OrderLine.name,
            OrderLine.location,
            (OrderLine.units - OrderLine.canceled_units).label("units"),
            OrderLine.shipped_units,
        )
        .where(OrderLine.order_id == order_id, OrderLine.kind == MERCHANDISE, ~CONTAINER)
        .order_by(OrderLine.number)
    )
    lines = tuple(
        WarehouseLine(
            line_id=row.id,
            line=row.external_id,
            sku=row.sku,
            name=row.name,
            location=row.location,
            units=max(row.units, row.shipped_units),
            shipped=row.shipped_units,
        )
        for row in rows
    )
    return WarehouseOrder(merchant=head.slug, order=head.external_id, number=head.number, lines=lines)


def expect(row: Cancellation, *, gateways: Gateways, now: datetime) -> None:
    """Promise, in the caller's transaction, that the warehouse is told: one key for ever, money waits for it.

    Only for a cancellation of goods, and where there is a warehouse. Raises ``ValueError`` otherwise.
    """
    if gateways.warehouse is None:
        raise ValueError("there is no warehouse to be told")
    row.warehouse, row.warehouse_state = gateways.warehouse.code, "waiting"
    row.warehouse_key = key_of(row.return_id)
    row.next_ask_at = now + PATIENCE
    db.session.flush()
    work.enqueue("leave_out", row.return_id)


def key_of(return_id: UUID) -> str:
    """Under which the warehouse knows this cancellation's request, whoever asks and however often."""
    return f"leave-out-{return_id}"

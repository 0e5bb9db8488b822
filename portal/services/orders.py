"""Orders and the people who placed them, as agents look for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import OrderFacts
from portal.core.intake import number_key
from portal.core.merchants import MerchantFacts
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.db import merchants, orders
from portal.db.base import db
from portal.db.orders import Order, OrderLine, OutsideRefund
from portal.db.returns import Return
from portal.services import scope
from portal.services.overview import ReturnRow, merchants_of, rows


@dataclass(frozen=True, kw_only=True)
class OrderHit:
    """One order in a list of hits."""

    id: UUID
    merchant_id: UUID
    number: str
    name: str
    email: str
    phone: str
    language: str
    postcode: str
    currency: str
    placed_at: datetime
    paid: Minor
    lines: int


def find_orders(
    actor: Actor, *, query: str, merchant_id: UUID | None = None, limit: int = 20
) -> list[OrderHit]:
    """Orders by number, e-mail, name, phone, postcode, SKU or customer reference, newest first."""
    ids = tuple(one for one in merchants_of(actor, merchant_id) if actor.may("orders.read", one))
    text = query.strip()
    found = sa.select(Order).where(Order.merchant_id.in_(ids))
    if text:
        found = found.where(_order_matches(text, ids))
    rows = db.session.scalars(found.order_by(Order.placed_at.desc(), Order.id.desc()).limit(limit)).all()
    sums = _sums([row.id for row in rows])
    return [_hit(row, *sums.get(row.id, (0, 0))) for row in rows]


def _order_matches(text: str, ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    lower, key = text.lower(), number_key(text)
    by_sku = sa.select(OrderLine.order_id).where(
        OrderLine.merchant_id.in_(ids), OrderLine.sku.in_({text, text.upper(), lower})
    )
    tests = [
        Order.email.startswith(lower, autoescape=True),
        sa.func.lower(Order.name).contains(lower, autoescape=True),
        Order.phone.contains(text, autoescape=True),
        Order.postcode == text.upper().replace(" ", ""),
        Order.customer_ref == text,
        Order.id.in_(by_sku),
    ]
    if key:
        tests.append(Order.number_key.startswith(key, autoescape=True))
    return sa.or_(*tests)


def _sums(ids: Sequence[UUID]) -> dict[UUID, tuple[Minor, int]]:
    rows = db.session.execute(
        sa.select(OrderLine.order_id, sa.func.sum(OrderLine.paid_minor), sa.func.count())
        .where(OrderLine.order_id.in_(ids))
        .group_by(OrderLine.order_id)
    )
    return {order_id: (int(paid or 0), lines) for order_id, paid, lines in rows}


def _hit(row: Order, paid: Minor, lines: int) -> OrderHit:
    names = (
        "id",
        "merchant_id",
        "number",
        "name",
        "email",
        "phone",
        "language",
        "postcode",
        "currency",
        "placed_at",
    )
    return OrderHit(**{name: getattr(row, name) for name in names}, paid=paid, lines=lines)


@dataclass(frozen=True, kw_only=True)
class CustomerHit:
    """Somebody who ordered, as the last order has them."""

    name: str
    email: str
    phone: str
    language: str
    orders: int
    last_order_at: datetime | None


def customers(actor: Actor, *, merchant_id: UUID, query: str, limit: int = 10) -> list[CustomerHit]:
    """People who ordered at that merchant, by name, e-mail, phone or order number; the latest first."""
    scope.require(actor, "orders.read", merchant_id)
    found: dict[str, CustomerHit] = {}
    for hit in find_orders(actor, query=query, merchant_id=merchant_id, limit=limit * 4):
        if not hit.email:
            continue
        known = found.get(hit.email)
        found[hit.email] = CustomerHit(
            name=known.name if known else hit.name,
            email=hit.email,
            phone=known.phone if known else hit.phone,
            language=known.language if known else hit.language,
            orders=(known.orders if known else 0) + 1,
            last_order_at=known.last_order_at if known else hit.placed_at,
        )
    return list(found.values())[:limit]


@dataclass(frozen=True, kw_only=True)
class OutsideFacts:
    """A refund made without us."""

    at: datetime
    amount: Minor
    goods: Minor
    reason: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class OrderPage:
    """An order as people look at it."""

    order: OrderFacts
    merchant: MerchantFacts
    terms: Terms
    name: str
    email: str
    phone: str
    language: str
    state: str
    source: str
    customer_ref: str
    address: dict[str, Any]
    notes: tuple[str, ...]
    outside: tuple[OutsideFacts, ...]
    returns: tuple[ReturnRow, ...]


def order(actor: Actor, order_id: UUID) -> OrderPage:
    """One order with its returns. Raises ``NotFound``, ``NotAllowed``."""
    row = orders.head(order_id)
    if row is None:
        raise NotFound
    scope.require(actor, "orders.read", row.merchant_id)
    merchant, _, terms = merchants.with_terms(row.merchant_id)
    made = db.session.scalars(
        sa.select(OutsideRefund).where(OutsideRefund.order_id == order_id).order_by(OutsideRefund.at)
    )
    ids = db.session.scalars(sa.select(Return.id).where(Return.order_id == order_id)).all()
    return OrderPage(
        order=orders.facts(order_id),
        merchant=merchant,
        terms=terms,
        name=row.name,
        email=row.email,
        phone=row.phone,
        language=row.language,
        state=row.state,
        source=row.source,
        customer_ref=row.customer_ref,
        address=row.address,
        notes=tuple(row.notes),
        outside=tuple(
            OutsideFacts(
                at=one.at,
                amount=one.amount_minor,
                goods=one.goods_minor,
                reason=one.reason,
                reference=one.external_id,
            )
            for one in made
        ),
        returns=rows(ids),
    )

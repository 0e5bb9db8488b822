"""Orders as their channel tells them, again and again, each time with more of them sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from portal.core.access import SYSTEM
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment, Special
from portal.core.money import minor
from portal.services import intake
from tests.services.cancelling import NOW

Line = tuple[int, int] | tuple[int, int, Special]
"""Units, of which so many were sent; and what else is told of the line."""


def told_order(
    number: str, lines: Mapping[str, Line], *, price: str = "4.00", state: str = "confirmed"
) -> IncomingOrder:
    """SKU -> line; the same words, the same digest."""
    placed = NOW - timedelta(days=1)
    goods = []
    for sku, (units, sent, *special) in lines.items():
        goods.append(
            IncomingLine(
                external_id=sku, sku=sku, name=f"Demo {sku.lower()}", units=units, unit_price=Decimal(price),
                shipped=sent, delivered=0, **({"special": special[0]} if special else {}),
            )
        )  # fmt: skip
    total = sum((line.unit_price * line.units for line in goods), Decimal(0))
    return IncomingOrder(
        external_id=number, number=number, currency="EUR", placed_at=placed, lines=tuple(goods), total=total,
        payments=(IncomingPayment(reference=f"{number}-card", tender="card", captured=total, label="Demo card"),),
        email="demo.customer@customer.example", name="Demo Customer", language="en", country="DE",
        postcode="20359", state=state, digest=sha256(f"{number} {state} {price} {lines}".encode()).hexdigest(),
    )  # fmt: skip


def tell(gateways: Any, shop: UUID, *orders: IncomingOrder) -> intake.Counts:
    """Import them, the sandbox gateway told of what was paid."""
    for order in orders:
        for payment in order.payments:
            cents = minor(payment.captured or Decimal(0), "EUR")
            gateways.payments[gateways.gateway].learn(payment.reference, captured=cents, currency="EUR")
    faults: list[Any] = []
    done = intake.import_orders(
        SYSTEM, shop, orders, source="tests", gateway=gateways.gateway, now=NOW, refuse=faults.append
    )
    assert not faults, faults
    return done

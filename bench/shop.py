"""The shop that is measured: a merchant, its people, and orders of as many lines as wanted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from portal.core.access import SYSTEM
from portal.core.addresses import Address
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment, IncomingTax
from portal.core.policy.terms import RestockingFee, Terms, Window
from portal.db.base import db
from portal.db.orders import Order, OrderLine
from portal.services import intake, merchants
from portal.services.persons import people

ACCOUNTS, PASSWORD = tuple(f"agent-{n}@bench.example" for n in range(12)), secrets.token_urlsafe(12)
"""Several, since one account may not sign in more than ten times in ten minutes."""

PRICE, TAX, FEE = Decimal("24.90"), Decimal("3.98"), Decimal("4.90")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One order to return from: its id and those of the things bought, in the order of the receipt."""

    merchant_id: UUID
    id: UUID
    number: str
    lines: tuple[UUID, ...]


def open_shop(app: Flask, *, slug: str = "bench", trigger: str = "on_receipt") -> UUID:
    """A merchant with a policy that has something to judge, and people who may do everything there."""
    now = datetime.now(UTC)
    place = Address(
        name="Bench Dock", street=("Beispielweg 1",), postcode="20359", city="Hamburg", country="DE"
    )
    terms = Terms(
        window_days=30,
        windows=(Window(days=60, reason="defective"), Window(days=14, category="books")),
        approval_value=100_000_00,
        restocking_fee=RestockingFee(percent_bp=500),
        condition_deductions_bp=(("used", 2000), ("C", 3000)),
        refund_trigger=trigger,
    )
    with app.app_context():
        merchant_id = merchants.create(
            slug=slug,
            name="Bench",
            support_email="help@bench.example",
            address=place.record(),
            terms=terms,
            now=now,
        )
        for email in ACCOUNTS:
            people.create_user(
                email=email, name="Bench Agent", password=PASSWORD, roles={slug: "admin"}, now=now
            )
    return merchant_id


def stock_up(
    app: Flask, merchant_id: UUID, sizes: Sequence[int], *, prefix: str, units: int = 3, skus: int = 0
) -> list[Sample]:
    """Import one order per entry of ``sizes``, each of so many lines of ``units`` units; paid by card.

    With ``skus`` all orders share so many products.
    """
    now = datetime.now(UTC)
    stream = [_order(f"{prefix}-{i}", size, units, skus, now) for i, size in enumerate(sizes)]
    with app.app_context():
        counts = intake.import_orders(SYSTEM, merchant_id, stream, source="bench", now=now)
        assert counts.imported == len(sizes), counts
        return list(_samples(merchant_id, prefix))


def _samples(merchant_id: UUID, prefix: str) -> Iterator[Sample]:
    rows = db.session.execute(
        sa.select(Order.id, Order.number, OrderLine.id)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(Order.merchant_id == merchant_id, Order.number.startswith(prefix + "-"))
        .where(OrderLine.kind == "merchandise")
        .order_by(OrderLine.number)
    )
    found: dict[tuple[UUID, str], list[UUID]] = {}
    for order_id, number, line_id in rows:
        found.setdefault((order_id, number), []).append(line_id)
    for (order_id, number), lines in sorted(found.items(), key=lambda item: int(item[0][1].split("-")[-1])):
        yield Sample(merchant_id=merchant_id, id=order_id, number=number, lines=tuple(lines))


def _order(number: str, size: int, units: int, skus: int, now: datetime) -> IncomingOrder:
    placed = now - timedelta(days=5)
    lines = [_line(i, units, (i % skus) if skus else i, placed) for i in range(size)]
    lines.append(
        IncomingLine(external_id="shipping", kind="shipping", units=1, unit_price=FEE, name="Shipping",
                     taxes=(IncomingTax(label="VAT 19 %", amount=Decimal("0.78"), rate=Decimal("0.19")),))
    )  # fmt: skip
    total = PRICE * units * size + FEE
    place = Address(
        name="Bench Customer", street=("Beispielweg 12",), postcode="20359", city="Hamburg", country="DE"
    )
    return IncomingOrder(
        external_id=number, number=number, currency="EUR", placed_at=placed, lines=tuple(lines),
        payments=(IncomingPayment(reference=f"bench-{number}", tender="card", captured=total, label="Card"),),
        total=total, email="customer@bench.example", name="Bench Customer", language="en", country="DE",
        postcode=place.postcode, digest=number, address=place.record(),
    )  # fmt: skip


def _line(number: int, units: int, sku: int, placed: datetime) -> IncomingLine:
    tax = IncomingTax(label="VAT 19 %", amount=TAX * units, rate=Decimal("0.19"))
    return IncomingLine(
        external_id=str(number), sku=f"SKU-{sku:03}", name=f"Sample item {sku}", variant="one size", units=units,
        kind="merchandise", unit_price=PRICE, taxes=(tax,),
        picture="mug", category="home", weight_g=300, shipped=units, delivered=units,
        delivered_at=placed + timedelta(days=2),
    )  # fmt: skip

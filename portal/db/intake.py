"""Writing orders that come in: many at once, and changed ones one by one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import promotions
from portal.core.intake import ORDINARY, IncomingAdjustment, provider_of
from portal.core.keys import name_words, phone_key
from portal.core.money import Minor
from portal.core.paid import PaidLine, PaidOrder, PaidPayment, PaidRefund, PaidTax
from portal.core.policy.terms import Deal
from portal.core.promotions import Promotion
from portal.core.spans import count
from portal.db.base import db, insert_ignore, uuid7, uuid7_number
from portal.db.orders import (
    Adjustment,
    Order,
    OrderLine,
    OrderLineTax,
    OrderPayment,
    OrderWord,
    OutsideRefund,
    Payment,
)

Rows = list[dict[str, Any]]

ORDERS: Any = Order.__table__
WORDS: Any = OrderWord.__table__
LINES: Any = OrderLine.__table__
TAXES: Any = OrderLineTax.__table__
PAYMENTS: Any = Payment.__table__
SHARES: Any = OrderPayment.__table__
OUTSIDE: Any = OutsideRefund.__table__
ADJUSTMENTS: Any = Adjustment.__table__


def known(merchant_id: UUID, source: str, external_ids: Sequence[str]) -> dict[str, tuple[UUID, str]]:
    """Which of these orders are here already: external id -> (id, digest)."""
    found = sa.select(ORDERS.c.external_id, ORDERS.c.id, ORDERS.c.digest).where(
        ORDERS.c.merchant_id == merchant_id, ORDERS.c.source == source, ORDERS.c.external_id.in_(external_ids)
    )
    return {external_id: (order_id, digest) for external_id, order_id, digest in db.session.execute(found)}


def insert(
    merchant_id: UUID,
    source: str,
    orders: Sequence[PaidOrder],
    *,
    gateway: str,
    deals: Sequence[Deal] = (),
    now: datetime,
) -> dict[str, UUID]:
    """New orders with everything that belongs to them, a table at a time; external id -> id."""
    heads: Rows = []
    plain: list[tuple[UUID, PaidOrder]] = []
    lines: Rows = []
    taxes: Rows = []
    refunds: Rows = []
    paying: list[tuple[UUID, str, PaidPayment]] = []
    for order in orders:
        order_id = uuid7()
        heads.append(_head(order_id, merchant_id, source, order, now))
        paying.extend((order_id, order.currency, payment) for payment in order.payments)
        if not (order.refunds or order.discounts) and all(map(_untouched, order.lines)):
            plain.append((order_id, order))
            continue
        ids = {line.external_id: uuid7() for line in order.lines}
        heads[-1]["promotions"] = promotions_of(order, deals, ids)
        lines.extend(
            line_row(ids[line.external_id], merchant_id, order_id, line, ids) for line in order.lines
        )
        for line in order.lines:
            taxes.extend(tax_rows(merchant_id, ids[line.external_id], line.taxes))
        refunds.extend(refund_row(merchant_id, order_id, refund, ids) for refund in order.refunds)
    write(ORDERS, heads)
    write(WORDS, [row for head in heads for row in word_rows(merchant_id, head["id"], head["name"])])
    _write_plain(merchant_id, plain)
    write(LINES, lines)
    write(TAXES, taxes)
    pay(merchant_id, paying, gateway)
    write(OUTSIDE, refunds)
    return {head["external_id"]: head["id"] for head in heads}


def word_rows(merchant_id: UUID, order_id: UUID, name: str) -> Rows:
    """The words by which the name on an order is found."""
    return [{"merchant_id": merchant_id, "word": word, "order_id": order_id} for word in name_words(name)]


def write(table: Any, rows: Rows) -> None:
    """Insert ``rows`` into ``table`` (a table or its class), all with the same keys."""
    if rows:
        db.session.connection().execute(sa.insert(table), rows)


def _write_plain(merchant_id: UUID, orders: Sequence[tuple[UUID, PaidOrder]]) -> None:
    """The lines and taxes of orders of which nothing has been given back: nearly all that comes in.

    The driver is given finished rows: for hundreds of thousands of them the way from values by name to the
    driver takes longer than the database.
    """
    as_kept, new_id = _ids()
    merchant = as_kept(merchant_id)
    lines: list[tuple[object, ...]] = []
    taxes: list[tuple[object, ...]] = []
    for order_id, order in orders:
        belongs = as_kept(order_id)
        for line in order.lines:
            line_id = new_id()
            lines.append(
                (
                    line_id, merchant, belongs, line.external_id, line.number, line.kind, line.sku, line.name,
                    line.variant, line.category, line.picture, line.weight_g, line.units, str(line.unit_price),
                    line.goods, line.discount, line.tax, line.paid, line.shipped, line.delivered,
                )
            )  # fmt: skip
            for tax in line.taxes:
                taxes.append(
                    (
                        new_id(),
                        merchant,
                        line_id,
                        tax.label,
                        tax.rate_ppm,
                        tax.jurisdiction,
                        tax.amount,
                        tax.refunded,
                    )
                )
    _drive(LINES, _PLAIN, lines, _UNTOUCHED)
    _drive(TAXES, _TAX, taxes, {})


def _ids() -> tuple[Callable[[UUID], object], Callable[[], object]]:
    """How the driver keeps an id, and a maker of new ones in that form: SQLite has them as text."""
    if db.session.connection().dialect.name == "sqlite":
        return lambda known: known.hex, lambda: f"{uuid7_number():032x}"
    return lambda known: known, uuid7


_PLAIN = (
    "id", "merchant_id", "order_id", "external_id", "number", "kind", "sku", "name",
    "variant", "category", "picture", "weight_g", "units", "unit_price",
    "goods_minor", "discount_minor", "tax_minor", "paid_minor", "shipped_units", "delivered_units",
)  # fmt: skip
_TAX = (
    "id", "merchant_id", "order_line_id", "label", "rate_ppm", "jurisdiction", "amount_minor", "refunded_minor",
)  # fmt: skip


def _drive(
    table: Any, columns: Sequence[str], rows: list[tuple[object, ...]], fixed: Mapping[str, str]
) -> None:
    """Insert finished rows; ``fixed`` columns have the same SQL literal in all of them."""
    if not rows:
        return
    connection = db.session.connection()
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join((*columns, *fixed))
    values = ", ".join((*(mark for _ in columns), *fixed.values()))
    connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({values})", rows)  # noqa: S608


def _head(order_id: UUID, merchant_id: UUID, source: str, order: PaidOrder, now: datetime) -> dict[str, Any]:
    return {
        "id": order_id,
        "merchant_id": merchant_id,
        "source": source,
        "external_id": order.external_id,
        "version": 1,
        "promotions": [],
        **told(order, now),
    }


def promotions_of(order: PaidOrder, deals: Sequence[Deal], ids: Mapping[str, UUID]) -> list[dict[str, Any]]:
    """The order's discounts whose conditions the merchant has stated, by the ids of its lines."""
    stated = {deal.code.casefold(): deal for deal in deals}
    return [
        promotions.to_json(
            Promotion(
                code=discount.code,
                kind=deal.kind,
                name=deal.name,
                shares=tuple((ids[line], amount) for line, amount in discount.shares if line in ids),
                steps=deal.steps,
                buy=deal.buy,
                get=deal.get,
                percent_bp=deal.percent_bp,
            )
        )
        for discount in order.discounts
        for deal in (stated.get(discount.code.casefold()),)
        if deal is not None
    ]


def told(order: PaidOrder, now: datetime) -> dict[str, Any]:
    """What the channel tells of the order itself."""
    return {
        "number": order.number,
        "number_key": order.number_key,
        "currency": order.currency,
        "placed_at": order.placed_at,
        "state": order.state,
        "prices_include_tax": order.prices_include_tax,
        "customer_ref": order.customer_ref,
        "email": order.email,
        "name": order.name,
        "phone": order.phone,
        "phone_key": phone_key(order.phone),
        "language": order.language,
        "country": order.country,
        "postcode": order.postcode,
        "address": dict(order.address),
        "differs_minor": order.differs,
        "notes": list(order.notes),
        "digest": order.digest,
        "imported_at": now,
    }


def refresh_statistics() -> None:
    """Let PostgreSQL see how large the tables have become.

    It keeps the plans of its own foreign key checks; made while a table was nearly empty, they read all of
    the merchant's orders for every line that comes in.
    """
    connection = db.session.connection()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ANALYZE orders, order_lines, payments")


def _untouched(line: PaidLine) -> bool:
    return not (
        line.claimed
        or line.canceled
        or line.refunded
        or line.parent
        or line.final_sale
        or line.shipped_at
        or line.delivered_at
        or line.special is not ORDINARY
    )


_UNTOUCHED = MappingProxyType(
    {
        "parent_id": "NULL",
        "final_sale": "false",
        "shipped_at": "NULL",
        "delivered_at": "NULL",
        "canceled_units": "0",
        "canceled_spans": "'[]'",
        "claimed_units": "0",
        "claimed_spans": "'[]'",
        "returned_spans": "'[]'",
        "refunded_minor": "0",
    }
)
"""What nearly every line has that comes in; nothing of it has been given back."""


def line_row(
    line_id: UUID, merchant_id: UUID, order_id: UUID, line: PaidLine, ids: Mapping[str, UUID]
) -> dict[str, Any]:
    """What the channel tells of it. What is held of it and reserved for it is written by others."""
    return {
        "id": line_id,
        "merchant_id": merchant_id,
        "order_id": order_id,
        "external_id": line.external_id,
        "number": line.number,
        "kind": line.kind,
        "sku": line.sku,
        "name": line.name,
        "variant": line.variant,
        "category": line.category,
        "picture": line.picture,
        "weight_g": line.weight_g,
        "units": line.units,
        "unit_price": str(line.unit_price),
        "goods_minor": line.goods,
        "discount_minor": line.discount,
        "tax_minor": line.tax,
        "paid_minor": line.paid,
        "shipped_units": line.shipped,
        "delivered_units": line.delivered,
        "final_sale": line.final_sale,
        "parent_id": ids.get(line.parent) if line.parent else None,
        "shipped_at": line.shipped_at,
        "delivered_at": line.delivered_at,
        "canceled_units": count(line.canceled),
        "canceled_spans": [list(span) for span in line.canceled],
        "claimed_units": count(line.claimed),
        "claimed_spans": [list(span) for span in line.claimed],
        "returned_spans": [list(span) for span in line.returned],
        "refunded_minor": line.refunded,
        "picked_units": line.special.picked,
        "location": line.special.location,
        "logistics": list(line.special.logistics),
        "cut_off_at": line.special.cut_off_at,
        "gift": line.special.gift,
        "part_required": line.special.part_required,
        "period_start": line.special.period_start,
        "period_end": line.special.period_end,
        "interval": line.special.interval,
    }


def tax_rows(merchant_id: UUID, line_id: UUID, taxes: Iterable[PaidTax]) -> Rows:
    return [
        {
            "id": uuid7(),
            "merchant_id": merchant_id,
            "order_line_id": line_id,
            "label": tax.label,
            "rate_ppm": tax.rate_ppm,
            "jurisdiction": tax.jurisdiction,
            "amount_minor": tax.amount,
            "refunded_minor": tax.refunded,
            "promotion_minor": tax.withheld,
        }
        for tax in taxes
    ]


def refund_row(
    merchant_id: UUID, order_id: UUID, refund: PaidRefund, ids: Mapping[str, UUID]
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "merchant_id": merchant_id,
        "order_id": order_id,
        "external_id": refund.external_id,
        "at": refund.at,
        "amount_minor": refund.amount,
        "goods_minor": refund.goods,
        "reason": refund.reason,
        "lines": [
            {
                "order_line_id": str(ids[line.line]),
                "units": line.units,
                "spans": [list(span) for span in line.spans],
                "amount": line.amount,
                "taxes": [list(tax) for tax in line.taxes],
            }
            for line in refund.lines
        ],
    }


def pay(merchant_id: UUID, paying: Sequence[tuple[UUID, str, PaidPayment]], gateway: str) -> None:
    """Each order's share of its payments. A payment that other orders share grows by this order's part."""
    if not paying:
        return
    references = sorted({payment.reference for _, _, payment in paying})
    # A gift card that came in when gateways took everything keeps its way back: it is the same money.
    providers = {gateway, *(provider_of(payment.tender, gateway) for _, _, payment in paying)}
    found = sa.select(PAYMENTS.c.reference, PAYMENTS.c.tender, PAYMENTS.c.id).where(
        PAYMENTS.c.merchant_id == merchant_id,
        PAYMENTS.c.provider.in_(sorted(providers)),
        PAYMENTS.c.reference.in_(references),
    )
    ids = {(row.reference, _way(row.tender)): row.id for row in db.session.execute(found)}
    as_kept, new_id = _ids()
    merchant = as_kept(merchant_id)
    grown: Rows = []
    fresh: list[tuple[object, ...]] = []
    shares: list[tuple[object, ...]] = []
    for order_id, currency, payment in paying:
        captured, sent = payment.captured, payment.refunded
        key = payment.reference, _way(payment.tender)
        payment_id = ids.get(key)
        if payment_id is None:
            payment_id = ids[key] = uuid7()
            provider = provider_of(payment.tender, gateway)
            told = (provider, payment.reference, payment.tender, payment.label, currency)
            fresh.append((as_kept(payment_id), merchant, *told, payment.mode, captured, sent))
        else:
            grown.append({"payment": payment_id, "more": captured, "sent": sent})
        shares.append((new_id(), merchant, as_kept(order_id), as_kept(payment_id), captured, sent))
    _drive(PAYMENTS, _PAYMENT, fresh, {})
    if grown:
        change_payments(grown)
    _drive(SHARES, _SHARE, shares, {})


def _way(tender: str) -> str:
    """Payments with one reference are one payment where they go back the same way."""
    return provider_of(tender, "cards")


_PAYMENT = (
    "id", "merchant_id", "provider", "reference", "tender", "label", "currency", "mode", "captured_minor",
    "refunded_minor",
)  # fmt: skip
_SHARE = ("id", "merchant_id", "order_id", "payment_id", "share_minor", "refunded_minor")


def change_payments(changes: Rows) -> None:
    """Each change: ``payment``, ``more`` captured, ``sent`` back."""
    db.session.connection().execute(
        sa.update(PAYMENTS)
        .where(PAYMENTS.c.id == sa.bindparam("payment"))
        .values(
            captured_minor=PAYMENTS.c.captured_minor + sa.bindparam("more"),
            refunded_minor=PAYMENTS.c.refunded_minor + sa.bindparam("sent"),
        ),
        changes,
    )


def insert_adjustments(
    merchant_id: UUID, source: str, adjustments: Sequence[tuple[IncomingAdjustment, Minor]]
) -> int:
    """Rows that are no orders, each once; how many were new."""
    ids = [one.external_id[:100] for one, _ in adjustments]
    found = sa.select(ADJUSTMENTS.c.external_id).where(
        ADJUSTMENTS.c.merchant_id == merchant_id,
        ADJUSTMENTS.c.source == source,
        ADJUSTMENTS.c.external_id.in_(ids),
    )
    here = set(db.session.scalars(found))
    rows = [
        {
            "id": uuid7(),
            "merchant_id": merchant_id,
            "source": source,
            "external_id": one.external_id[:100],
            "kind": one.kind,
            "at": one.at,
            "sku": one.sku[:100],
            "units": one.units,
            "amount_minor": amount,
            "currency": one.currency,
            "text": one.text[:300],
        }
        for one, amount in adjustments
        if one.external_id[:100] not in here
    ]
    if rows:
        db.session.connection().execute(insert_ignore(ADJUSTMENTS), rows)
    return len(rows)

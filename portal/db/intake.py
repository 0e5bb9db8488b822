"""Writing orders that come in: many at once, and changed ones one by one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.intake import IncomingAdjustment
from portal.core.money import Minor
from portal.core.paid import PaidLine, PaidOrder, PaidPayment, PaidRefund, PaidTax, RefundOfLine
from portal.core.spans import count
from portal.db.base import db, insert_ignore, uuid7, uuid7_number
from portal.db.orders import (
    Adjustment,
    Order,
    OrderLine,
    OrderLineTax,
    OrderPayment,
    OutsideRefund,
    Payment,
    spans,
)
from portal.db.refunds import RefundLine
from portal.db.returns import ReturnLine

Rows = list[dict[str, Any]]

ORDERS: Any = Order.__table__
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
    merchant_id: UUID, source: str, orders: Sequence[PaidOrder], *, provider: str, now: datetime
) -> None:
    """New orders with everything that belongs to them, a table at a time."""
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
        if not order.refunds and all(map(_untouched, order.lines)):
            plain.append((order_id, order))
            continue
        ids = {line.external_id: uuid7() for line in order.lines}
        lines.extend(_line(ids[line.external_id], merchant_id, order_id, line, ids) for line in order.lines)
        for line in order.lines:
            taxes.extend(_taxes(merchant_id, ids[line.external_id], line.taxes))
        refunds.extend(_outside(merchant_id, order_id, refund, ids) for refund in order.refunds)
    write(ORDERS, heads)
    _write_plain(merchant_id, plain)
    write(LINES, lines)
    write(TAXES, taxes)
    _pay(merchant_id, paying, provider)
    write(OUTSIDE, refunds)


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
        **_told(order, now),
    }


def _told(order: PaidOrder, now: datetime) -> dict[str, Any]:
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


def _line(
    line_id: UUID, merchant_id: UUID, order_id: UUID, line: PaidLine, ids: Mapping[str, UUID]
) -> dict[str, Any]:
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
    }


def _taxes(merchant_id: UUID, line_id: UUID, taxes: Iterable[PaidTax]) -> Rows:
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
        }
        for tax in taxes
    ]


def _outside(
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


def _pay(merchant_id: UUID, paying: Sequence[tuple[UUID, str, PaidPayment]], provider: str) -> None:
    """Each order's share of its payments. A payment that other orders share grows by this order's part."""
    if not paying:
        return
    references = sorted({payment.reference for _, _, payment in paying})
    found = sa.select(PAYMENTS.c.reference, PAYMENTS.c.id).where(
        PAYMENTS.c.merchant_id == merchant_id,
        PAYMENTS.c.provider == provider,
        PAYMENTS.c.reference.in_(references),
    )
    ids: dict[str, UUID] = {row.reference: row.id for row in db.session.execute(found)}
    as_kept, new_id = _ids()
    merchant = as_kept(merchant_id)
    grown: Rows = []
    fresh: list[tuple[object, ...]] = []
    shares: list[tuple[object, ...]] = []
    for order_id, currency, payment in paying:
        captured, sent = payment.captured, payment.refunded
        payment_id = ids.get(payment.reference)
        if payment_id is None:
            payment_id = ids[payment.reference] = uuid7()
            told = (provider, payment.reference, payment.tender, payment.label, currency)
            fresh.append((as_kept(payment_id), merchant, *told, captured, sent))
        else:
            grown.append({"payment": payment_id, "more": captured, "sent": sent})
        shares.append((new_id(), merchant, as_kept(order_id), as_kept(payment_id), captured, sent))
    _drive(PAYMENTS, _PAYMENT, fresh, {})
    if grown:
        _change_payments(grown)
    _drive(SHARES, _SHARE, shares, {})


_PAYMENT = (
    "id", "merchant_id", "provider", "reference", "tender", "label", "currency", "captured_minor", "refunded_minor",
)  # fmt: skip
_SHARE = ("id", "merchant_id", "order_id", "payment_id", "share_minor", "refunded_minor")


def _change_payments(changes: Rows) -> None:
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


def stored(order_id: UUID) -> PaidOrder:
    """An order as it lies here, its lines and shares of payments locked until the transaction ends."""
    session = db.session
    head = session.execute(sa.select(ORDERS).where(ORDERS.c.id == order_id).with_for_update()).one()
    lines = session.execute(
        sa.select(LINES).where(LINES.c.order_id == order_id).order_by(LINES.c.id).with_for_update()
    ).all()
    names = {line.id: line.external_id for line in lines}
    taxes: dict[UUID, list[PaidTax]] = {}
    for tax in session.execute(sa.select(TAXES).where(TAXES.c.order_line_id.in_(list(names)))):
        taxes.setdefault(tax.order_line_id, []).append(
            PaidTax(
                label=tax.label,
                amount=tax.amount_minor,
                rate_ppm=tax.rate_ppm,
                jurisdiction=tax.jurisdiction,
                refunded=tax.refunded_minor,
            )
        )
    shares = session.execute(
        sa.select(SHARES, PAYMENTS.c.reference, PAYMENTS.c.tender, PAYMENTS.c.label)
        .join(PAYMENTS, PAYMENTS.c.id == SHARES.c.payment_id)
        .where(SHARES.c.order_id == order_id)
        .order_by(SHARES.c.id)
        .with_for_update(of=SHARES)
    )
    refunds = session.execute(sa.select(OUTSIDE).where(OUTSIDE.c.order_id == order_id).order_by(OUTSIDE.c.id))
    return PaidOrder(
        external_id=head.external_id,
        number=head.number,
        number_key=head.number_key,
        currency=head.currency,
        placed_at=head.placed_at,
        state=head.state,
        prices_include_tax=head.prices_include_tax,
        lines=tuple(
            _stored_line(line, taxes.get(line.id, []), names)
            for line in sorted(lines, key=lambda line: line.number)
        ),
        payments=tuple(
            PaidPayment(
                reference=share.reference,
                tender=share.tender,
                captured=share.share_minor,
                label=share.label,
                refunded=share.refunded_minor,
                id=share.payment_id,
            )
            for share in shares
        ),
        refunds=tuple(_stored_refund(refund, names) for refund in refunds),
        notes=tuple(head.notes),
        digest=head.digest,
    )


def _stored_line(row: Any, taxes: list[PaidTax], names: Mapping[UUID, str]) -> PaidLine:
    return PaidLine(
        external_id=row.external_id,
        number=row.number,
        kind=row.kind,
        units=row.units,
        unit_price=Decimal(row.unit_price),
        goods=row.goods_minor,
        discount=row.discount_minor,
        taxes=tuple(taxes),
        tax=row.tax_minor,
        paid=row.paid_minor,
        sku=row.sku,
        name=row.name,
        variant=row.variant,
        category=row.category,
        picture=row.picture,
        weight_g=row.weight_g,
        final_sale=row.final_sale,
        parent=names.get(row.parent_id, ""),
        shipped=row.shipped_units,
        delivered=row.delivered_units,
        shipped_at=row.shipped_at,
        delivered_at=row.delivered_at,
        canceled=spans(row.canceled_spans),
        claimed=spans(row.claimed_spans),
        returned=spans(row.returned_spans),
        refunded=row.refunded_minor,
        id=row.id,
    )


def _stored_refund(row: Any, names: Mapping[UUID, str]) -> PaidRefund:
    return PaidRefund(
        external_id=row.external_id,
        at=row.at,
        amount=row.amount_minor,
        goods=row.goods_minor,
        reason=row.reason,
        lines=tuple(
            RefundOfLine(
                line=names.get(UUID(line["order_line_id"]), ""),
                units=line["units"],
                spans=spans(line["spans"]),
                amount=line["amount"],
                taxes=tuple((label, amount) for label, amount in line["taxes"]),
            )
            for line in row.lines
        ),
    )


def in_returns(order_id: UUID) -> set[str]:
    """External ids of the order's lines that some return or refund speaks of."""
    spoken_of = sa.union(
        sa.select(ReturnLine.order_line_id).where(ReturnLine.order_line_id.is_not(None)),
        sa.select(RefundLine.order_line_id),
    ).subquery()
    found = sa.select(LINES.c.external_id).where(
        LINES.c.order_id == order_id, LINES.c.id.in_(sa.select(spoken_of.c.order_line_id))
    )
    return set(db.session.scalars(found))


def rewrite(
    merchant_id: UUID, order_id: UUID, old: PaidOrder, new: PaidOrder, *, provider: str, now: datetime
) -> None:
    """Make the stored order ``new``, which came of ``old``: lines and payments keep their ids."""
    connection = db.session.connection()
    ids = {line.external_id: line.id or uuid7() for line in new.lines}
    gone = [line.id for line in old.lines if line.external_id not in ids]
    touched = [line.id for line in old.lines]
    connection.execute(sa.delete(TAXES).where(TAXES.c.order_line_id.in_(touched)))
    connection.execute(sa.delete(LINES).where(LINES.c.id.in_(gone)))
    write(
        LINES,
        [_line(ids[line.external_id], merchant_id, order_id, line, ids) for line in new.lines if not line.id],
    )
    for line in new.lines:
        if line.id:
            values = _line(line.id, merchant_id, order_id, line, ids)
            connection.execute(sa.update(LINES).where(LINES.c.id == line.id).values(values))
    write(
        TAXES, [row for line in new.lines for row in _taxes(merchant_id, ids[line.external_id], line.taxes)]
    )
    _rewrite_payments(merchant_id, order_id, old, new, provider)
    connection.execute(sa.delete(OUTSIDE).where(OUTSIDE.c.order_id == order_id))
    write(OUTSIDE, [_outside(merchant_id, order_id, refund, ids) for refund in new.refunds])
    connection.execute(
        sa.update(ORDERS)
        .where(ORDERS.c.id == order_id)
        .values(_told(new, now) | {"version": ORDERS.c.version + 1})
    )


def _rewrite_payments(
    merchant_id: UUID, order_id: UUID, old: PaidOrder, new: PaidOrder, provider: str
) -> None:
    before = {payment.id: payment for payment in old.payments}
    connection = db.session.connection()
    for payment in new.payments:
        if payment.id is None:
            continue
        was = before.pop(payment.id)
        share = sa.and_(SHARES.c.order_id == order_id, SHARES.c.payment_id == payment.id)
        connection.execute(
            sa.update(SHARES)
            .where(share)
            .values(share_minor=payment.captured, refunded_minor=payment.refunded)
        )
        more, sent = payment.captured - was.captured, payment.refunded - was.refunded
        if more or sent:
            _change_payments([{"payment": payment.id, "more": more, "sent": sent}])
    for gone in before.values():
        share = sa.and_(SHARES.c.order_id == order_id, SHARES.c.payment_id == gone.id)
        connection.execute(sa.delete(SHARES).where(share))
        _change_payments([{"payment": gone.id, "more": -gone.captured, "sent": 0}])
    _pay(
        merchant_id,
        [(order_id, new.currency, payment) for payment in new.payments if payment.id is None],
        provider,
    )

"""Orders as they were paid: lines, taxes, tenders, and what was given back elsewhere."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import promotions
from portal.core.facts import LINE_KINDS, LineFacts, OrderFacts, PaymentFacts, TaxFacts
from portal.core.spans import Span
from portal.db.base import Base, Json, UtcTime, amount, db, key, merchant_key, whole, within_merchant


class Order(Base):
    """One order. Amounts live on its lines; shipping and fees are lines of their own kind."""

    __tablename__ = "orders"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("merchant_id", "source", "external_id"),
        sa.Index("ix_orders_phone", "merchant_id", "phone_key"),
        sa.Index("ix_orders_number", "merchant_id", "number_key"),
        sa.Index("ix_orders_email", "merchant_id", "email"),
        sa.Index("ix_orders_customer", "merchant_id", "customer_ref"),
        sa.Index("ix_orders_postcode", "merchant_id", "postcode"),
        sa.Index("ix_orders_placed", "merchant_id", "placed_at", "id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    source: Mapped[str] = mapped_column(sa.String(20))
    external_id: Mapped[str] = mapped_column(sa.String(100))
    number: Mapped[str] = mapped_column(sa.String(60))
    number_key: Mapped[str] = mapped_column(sa.String(60))
    """The number as people type it: lower case, letters and digits alone (core.intake.number_key)."""
    currency: Mapped[str] = mapped_column(sa.String(3))
    placed_at: Mapped[datetime] = mapped_column(UtcTime)
    state: Mapped[str] = mapped_column(sa.String(20), default="confirmed")
    """As the channel has it: pending, confirmed, canceled."""
    prices_include_tax: Mapped[bool] = mapped_column(default=True)
    customer_ref: Mapped[str] = mapped_column(sa.String(100), default="")
    email: Mapped[str] = mapped_column(sa.String(254), default="")
    """Lower case."""
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    phone: Mapped[str] = mapped_column(sa.String(40), default="")
    language: Mapped[str] = mapped_column(sa.String(10), default="")
    country: Mapped[str] = mapped_column(sa.String(2), default="")
    phone_key: Mapped[str] = mapped_column(sa.String(40), default="", server_default="")
    """The phone's digits backwards, so that the end of a number finds it."""
    postcode: Mapped[str] = mapped_column(sa.String(20), default="")
    """Of the delivery address, upper case without blanks."""
    address: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Delivery address as the fields of core.shipping.Address."""
    differs_minor: Mapped[int] = amount()
    """Captured less the sum of the lines, as found at intake."""
    notes: Mapped[list[str]] = mapped_column(Json, default=list)
    """What the intake found odd, for people."""
    promotions: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list, server_default="[]")
    """What lowered the prices and on what condition, as core.facts.Promotion."""
    digest: Mapped[str] = mapped_column(sa.String(64), default="")
    """Of the payload: the same one again changes nothing."""
    imported_at: Mapped[datetime] = mapped_column(UtcTime)
    version: Mapped[int] = mapped_column(default=1)


class OrderWord(Base):
    """A word of the name on an order (core.keys.name_words), so that any part of a name finds it."""

    __tablename__ = "order_words"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        sa.Index("ix_order_words_order", "order_id"),
        sa.PrimaryKeyConstraint("merchant_id", "word", "order_id"),
    )

    merchant_id: Mapped[UUID] = merchant_key()
    word: Mapped[str] = mapped_column(sa.String(60))
    order_id: Mapped[UUID]


class OrderLine(Base):
    """One line: what was bought and paid, how far it has come, what has been claimed and given back.

    The counters and their checks are the last guard: the database refuses a unit or a cent too much.
    """

    __tablename__ = "order_lines"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("order_id", "external_id"),
        sa.Index("ix_order_lines_sku", "merchant_id", "sku"),
        sa.CheckConstraint(
            "kind IN ({})".format(", ".join(f"'{kind}'" for kind in LINE_KINDS)), name="kind_known"
        ),
        sa.CheckConstraint(
            "units >= 0 AND shipped_units >= 0 AND shipped_units <= units", name="shipped_bought"
        ),
        sa.CheckConstraint(
            "delivered_units >= 0 AND delivered_units <= shipped_units", name="delivered_shipped"
        ),
        sa.CheckConstraint(
            "canceled_units >= 0 AND claimed_units >= 0 AND canceled_units + claimed_units <= units",
            name="gone_bought",
        ),
        sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= paid_minor", name="refunded_paid"),
        sa.CheckConstraint("promotion_minor >= 0", name="promotion_not_negative"),
        sa.CheckConstraint(
            "held_units >= 0 AND canceled_units + claimed_units + held_units <= units", name="held_bought"
        ),
        sa.CheckConstraint(
            "picked_units >= 0 AND picked_units + shipped_units <= units", name="picked_bought"
        ),
        sa.CheckConstraint("reserved_units >= 0 AND reserved_units <= units", name="reserved_bought"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_id: Mapped[UUID]
    external_id: Mapped[str] = mapped_column(sa.String(100))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(sa.String(20), default="merchandise")
    sku: Mapped[str] = mapped_column(sa.String(100), default="")
    name: Mapped[str] = mapped_column(sa.String(300), default="")
    variant: Mapped[str] = mapped_column(sa.String(200), default="")
    category: Mapped[str] = mapped_column(sa.String(100), default="")
    picture: Mapped[str] = mapped_column(sa.String(300), default="")
    weight_g: Mapped[int] = whole()
    final_sale: Mapped[bool] = mapped_column(default=False)
    parent_id: Mapped[UUID | None]
    units: Mapped[int]
    unit_price: Mapped[str] = mapped_column(sa.String(30))
    """Exact decimal text in whole units of the currency; may have more decimals than it (0.001 GBP)."""
    goods_minor: Mapped[int] = amount()
    discount_minor: Mapped[int] = amount()
    tax_minor: Mapped[int] = amount()
    paid_minor: Mapped[int] = amount()
    """goods - discount, plus tax where prices exclude it: the cap of everything given back."""
    shipped_units: Mapped[int] = whole()
    delivered_units: Mapped[int] = whole()
    shipped_at: Mapped[datetime | None] = mapped_column(UtcTime)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    canceled_units: Mapped[int] = whole()
    canceled_spans: Mapped[list[list[int]]] = mapped_column(Json, default=list)
    claimed_units: Mapped[int] = whole()
    claimed_spans: Mapped[list[list[int]]] = mapped_column(Json, default=list)
    returned_spans: Mapped[list[list[int]]] = mapped_column(Json, default=list)
    """Those of the claimed positions whose units are back, or were refunded elsewhere."""
    adjusted: Mapped[list[list[int]]] = mapped_column(Json, default=list, server_default="[]")
    """[[first, end, amount]]: given back for units that the customer keeps."""
    promotion_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    """Withheld since a promotion's condition is no longer met; given back when it is, or nothing is kept."""
    refunded_minor: Mapped[int] = amount()
    picked_units: Mapped[int] = mapped_column(default=0, server_default="0")
    """Taken from the shelf and not yet shipped."""
    held_units: Mapped[int] = mapped_column(default=0, server_default="0")
    held_spans: Mapped[list[list[int]]] = mapped_column(Json, default=list, server_default="[]")
    """Positions that wait for a customer's yes to their cancellation: nobody picks or returns them meanwhile."""
    reserved_units: Mapped[int] = mapped_column(default=0, server_default="0")
    """As many as the stock reserves for this line now."""
    location: Mapped[str] = mapped_column(sa.String(60), default="main", server_default="main")
    logistics: Mapped[list[str]] = mapped_column(Json, default=list, server_default="[]")
    """Why it cannot be stopped even before it ships: core.cancellations.LOGISTICS."""
    cut_off_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """From then on the warehouse takes no more changes of this line."""
    gift: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    part_required: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    """A part without which its bundle is nothing."""
    period_start: Mapped[date | None]
    period_end: Mapped[date | None]
    """Of a recurring service: the first and the last day that were paid for."""
    interval: Mapped[str] = mapped_column(sa.String(10), default="", server_default="")
    """How often it is renewed: week, month, quarter, year."""
    ends_on: Mapped[date | None]
    """The last day of a service that was canceled from the next period on."""


class OrderLineTax(Base):
    """One tax label of one line: charged, and given back."""

    __tablename__ = "order_line_taxes"
    __table_args__ = (
        within_merchant("order_lines", "order_line_id"),
        sa.UniqueConstraint("order_line_id", "label"),
        sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= amount_minor", name="refunded_charged"),
        sa.CheckConstraint("promotion_minor >= 0", name="promotion_not_negative"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_line_id: Mapped[UUID]
    label: Mapped[str] = mapped_column(sa.String(100))
    rate_ppm: Mapped[int | None]
    jurisdiction: Mapped[str] = mapped_column(sa.String(60), default="")
    amount_minor: Mapped[int] = amount()
    refunded_minor: Mapped[int] = amount()
    promotion_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    """The tax in what the line's ``promotion_minor`` withholds."""


class Payment(Base):
    """One tender and what it captured; two orders may share it. Open refunds count as refunded."""

    __tablename__ = "payments"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "id"),
        sa.UniqueConstraint("merchant_id", "provider", "reference"),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= captured_minor", name="refunded_captured"
        ),
        sa.CheckConstraint(
            "disputed_minor >= 0 AND refunded_minor + disputed_minor <= captured_minor",
            name="disputed_captured",
        ),
        sa.CheckConstraint("mode IN ('captured', 'authorized', 'due')", name="mode_known"),
        sa.CheckConstraint(
            "released_minor >= 0 AND released_minor <= refunded_minor", name="released_refunded"
        ),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    provider: Mapped[str] = mapped_column(sa.String(30), default="sandbox")
    reference: Mapped[str] = mapped_column(sa.String(100))
    """The provider's id of the capture."""
    tender: Mapped[str] = mapped_column(sa.String(20))
    """card, wallet, bank_transfer, store_credit, gift_card, cash"""
    label: Mapped[str] = mapped_column(sa.String(100), default="")
    currency: Mapped[str] = mapped_column(sa.String(3))
    captured_minor: Mapped[int] = amount()
    """All that this tender covers, also what is only reserved or still owed (``mode``)."""
    refunded_minor: Mapped[int] = amount()
    mode: Mapped[str] = mapped_column(sa.String(12), default="captured", server_default="captured")
    """``captured``; ``authorized``: reserved on a card; ``due``: the customer still owes it (invoice, on delivery)."""
    released_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    """Of ``refunded_minor``: never captured, but let go, or no longer owed."""
    disputed_minor: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")
    """Held by open chargebacks, and taken by lost ones: nobody can refund it."""


class OrderPayment(Base):
    """An order's own share of a payment, and what has been given back of that share."""

    __tablename__ = "order_payments"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        within_merchant("payments", "payment_id"),
        sa.UniqueConstraint("order_id", "payment_id"),
        sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= share_minor", name="refunded_share"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_id: Mapped[UUID]
    payment_id: Mapped[UUID]
    share_minor: Mapped[int] = amount()
    refunded_minor: Mapped[int] = amount()


class OutsideRefund(Base):
    """A refund that the shop or its gateway made without us; it counts against every cap."""

    __tablename__ = "outside_refunds"
    __table_args__ = (
        within_merchant("orders", "order_id"),
        sa.UniqueConstraint("order_id", "external_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    order_id: Mapped[UUID]
    external_id: Mapped[str] = mapped_column(sa.String(100))
    at: Mapped[datetime] = mapped_column(UtcTime)
    amount_minor: Mapped[int] = amount()
    """Money that was sent back."""
    goods_minor: Mapped[int] = amount()
    """What its lines say; may differ from the money, and then the order's notes say so."""
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    lines: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    """[{order_line_id, units, spans, amount, taxes: [[label, amount]]}]"""


class Adjustment(Base):
    """A row of a source that is no order: a stock write-off or a correction of the books."""

    __tablename__ = "adjustments"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "source", "external_id"),
        sa.CheckConstraint("kind IN ('stock', 'finance')", name="kind_known"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    source: Mapped[str] = mapped_column(sa.String(20))
    external_id: Mapped[str] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(10))
    at: Mapped[datetime] = mapped_column(UtcTime)
    sku: Mapped[str] = mapped_column(sa.String(100), default="")
    units: Mapped[int] = whole()
    amount_minor: Mapped[int] = amount()
    currency: Mapped[str] = mapped_column(sa.String(3))
    text: Mapped[str] = mapped_column(sa.String(300), default="")


def head(order_id: UUID) -> Order | None:
    """The order's own row, without lines."""
    return db.session.get(Order, order_id)


def address_of(order_id: UUID) -> dict[str, Any] | None:
    """The delivery address as it was stored."""
    return db.session.scalar(sa.select(Order.address).where(Order.id == order_id))


def by_number(merchant_id: UUID, key: str) -> list[Order]:
    """The merchant's orders with that number (as ``core.intake.number_key`` makes it), newest first."""
    found = sa.select(Order).where(Order.merchant_id == merchant_id, Order.number_key == key)
    return list(db.session.scalars(found.order_by(Order.placed_at.desc(), Order.id.desc())))


def for_customer(merchant_id: UUID, *, number_key: str, email: str, postcode: str) -> Order | None:
    """The newest order with that number whose e-mail or postcode is the one given; both in their key form."""
    for order in by_number(merchant_id, number_key):
        if (email and order.email == email) or (postcode and order.postcode == postcode):
            return order
    return None


def facts(order_id: UUID, *, lock: bool = False) -> OrderFacts:
    """The order as it was paid, with what is taken and given back so far. Raises ``LookupError``.

    ``lock`` holds the lines and shares of payments until the transaction ends, always lines first and in
    the order of their ids, so that nobody can take the same unit or cent meanwhile.
    """
    given, session = {"order": order_id}, db.session()
    lines = session.execute(_LINES_LOCKED if lock else _LINES_OF, given).all()
    shares = session.execute(_SHARES_LOCKED if lock else _HEAD_AND_SHARES, given).all()
    order = session.execute(_HEAD_OF, given).one_or_none() if lock else next(iter(shares), None)
    if order is None:
        raise LookupError(f"no order {order_id}")
    return _order(order, lines, _taxes(_TAXES_OF, given), shares)


def many(order_ids: Iterable[UUID]) -> dict[UUID, OrderFacts]:
    """The facts of several orders by their ids, read together; an id that is no order is left out."""
    given, session = {"orders": list(order_ids)}, db.session()
    taxes = _taxes(_TAXES_OF_MANY, given)
    lines, shares = defaultdict[UUID, list[Any]](list), defaultdict[UUID, list[Any]](list)
    for line in session.execute(_LINES_OF_MANY, given):
        lines[line.order_id].append(line)
    for share in session.execute(_HEADS_AND_SHARES, given):
        shares[share.id].append(share)
    return {order_id: _order(rows[0], lines[order_id], taxes, rows) for order_id, rows in shares.items()}


def _order(
    order: Any, lines: Iterable[Any], taxes: dict[UUID, tuple[TaxFacts, ...]], shares: Iterable[Any]
) -> OrderFacts:
    return OrderFacts(
        id=order.id,
        merchant_id=order.merchant_id,
        number=order.number,
        currency=order.currency,
        placed_at=order.placed_at,
        country=order.country,
        language=order.language,
        email=order.email,
        differs=order.differs_minor,
        lines=tuple(
            _line(line, taxes.get(line.id, ()), order.prices_include_tax)
            for line in sorted(lines, key=lambda line: line.number)
        ),
        payments=tuple(_payment(share) for share in shares if share.payment_id is not None),
        promotions=tuple(promotions.from_json(deal) for deal in order.promotions),
        state=order.state,
    )


def _taxes(statement: Any, given: dict[str, Any]) -> dict[UUID, tuple[TaxFacts, ...]]:
    found: dict[UUID, tuple[TaxFacts, ...]] = {}
    for row in db.session.execute(statement, given):
        tax = TaxFacts(
            label=row.label,
            amount=row.amount_minor,
            rate_ppm=row.rate_ppm,
            jurisdiction=row.jurisdiction,
            refunded=row.refunded_minor,
            promotion_withheld=row.promotion_minor,
        )
        found[row.order_line_id] = (*found.get(row.order_line_id, ()), tax)
    return found


def _line(row: Any, taxes: tuple[TaxFacts, ...], prices_include_tax: bool) -> LineFacts:
    return LineFacts(
        id=row.id,
        number=row.number,
        sku=row.sku,
        name=row.name,
        units=row.units,
        unit_price=Decimal(row.unit_price),
        goods=row.goods_minor,
        discount=row.discount_minor,
        taxes=taxes,
        prices_include_tax=prices_include_tax,
        kind=row.kind,
        variant=row.variant,
        category=row.category,
        picture=row.picture,
        weight_g=row.weight_g,
        final_sale=row.final_sale,
        parent_id=row.parent_id,
        shipped=row.shipped_units,
        delivered=row.delivered_units,
        shipped_at=row.shipped_at,
        delivered_at=row.delivered_at,
        canceled=spans(row.canceled_spans),
        claimed=spans(row.claimed_spans),
        returned=spans(row.returned_spans),
        refunded=row.refunded_minor,
        adjusted=tuple((first, end, amount) for first, end, amount in row.adjusted),
        promotion_withheld=row.promotion_minor,
        picked=row.picked_units,
        held=spans(row.held_spans),
        location=row.location,
        logistics=tuple(row.logistics),
        cut_off=row.cut_off_at,
        gift=row.gift,
        part_required=row.part_required,
        period_start=row.period_start,
        period_end=row.period_end,
        interval=row.interval,
        ends_on=row.ends_on,
    )


def _payment(row: Any) -> PaymentFacts:
    """The order's share; of what is disputed as much as the rest of the payment cannot cover."""
    left = row.share_minor - row.refunded_minor
    there = row.captured_minor - row.payment_refunded_minor - row.disputed_minor
    return PaymentFacts(
        id=row.payment_id,
        tender=row.tender,
        label=row.label,
        captured=row.share_minor,
        refunded=row.refunded_minor,
        disputed=max(0, left - max(0, there)),
        provider=row.provider,
        refundable_here=row.tender != "cash",
        mode=row.mode,
        released=min(row.released_minor, row.refunded_minor),
    )


def spans(stored: list[list[int]]) -> tuple[Span, ...]:
    """Unit positions from their JSON."""
    return tuple((first, end) for first, end in stored)


_ORDER: Any = Order.__table__
_LINES: Any = OrderLine.__table__
_TAXES: Any = OrderLineTax.__table__
_SHARES: Any = OrderPayment.__table__
_PAYMENTS: Any = Payment.__table__
_HEAD = (
    _ORDER.c.id,
    _ORDER.c.merchant_id,
    _ORDER.c.number,
    _ORDER.c.currency,
    _ORDER.c.placed_at,
    _ORDER.c.country,
    _ORDER.c.language,
    _ORDER.c.email,
    _ORDER.c.differs_minor,
    _ORDER.c.prices_include_tax,
    _ORDER.c.promotions,
    _ORDER.c.state,
)
_NOT_FACTS = ("merchant_id", "order_id", "external_id", "paid_minor", "reserved_units")
_LINE = tuple(column for column in _LINES.c if column.name not in _NOT_FACTS)
_TAX = (
    _TAXES.c.order_line_id,
    _TAXES.c.label,
    _TAXES.c.rate_ppm,
    _TAXES.c.jurisdiction,
    _TAXES.c.amount_minor,
    _TAXES.c.refunded_minor,
    _TAXES.c.promotion_minor,
)
_SHARE = (
    _SHARES.c.payment_id,
    _SHARES.c.share_minor,
    _SHARES.c.refunded_minor,
    _PAYMENTS.c.tender,
    _PAYMENTS.c.label,
    _PAYMENTS.c.provider,
    _PAYMENTS.c.captured_minor,
    _PAYMENTS.c.disputed_minor,
    _PAYMENTS.c.mode,
    _PAYMENTS.c.released_minor,
    _PAYMENTS.c.refunded_minor.label("payment_refunded_minor"),
)

# Every page reads its order: these are built once, not at each reading.
_ASKED: Any = sa.bindparam("order", type_=sa.Uuid)
_HEAD_OF = sa.select(*_HEAD).where(_ORDER.c.id == _ASKED)
_HEAD_AND_SHARES = (
    sa.select(*_HEAD, *_SHARE)
    .outerjoin(_SHARES, _SHARES.c.order_id == _ORDER.c.id)
    .outerjoin(_PAYMENTS, _PAYMENTS.c.id == _SHARES.c.payment_id)
    .where(_ORDER.c.id == _ASKED)
    .order_by(_SHARES.c.id)
)
_SHARES_LOCKED = (
    sa.select(*_SHARE)
    .join(_PAYMENTS, _PAYMENTS.c.id == _SHARES.c.payment_id)
    .where(_SHARES.c.order_id == _ASKED)
    .order_by(_SHARES.c.id)
    .with_for_update(of=_SHARES)
)
_LINES_OF = sa.select(*_LINE).where(_LINES.c.order_id == _ASKED).order_by(_LINES.c.id)
_LINES_LOCKED = _LINES_OF.with_for_update(of=_LINES)
_TAXES_OF = (
    sa.select(*_TAX)
    .join(_LINES, _LINES.c.id == _TAXES.c.order_line_id)
    .where(_LINES.c.order_id == _ASKED)
    .order_by(_TAXES.c.id)
)

_ASKED_TOGETHER: Any = sa.bindparam("orders", type_=sa.Uuid, expanding=True)
_HEADS_AND_SHARES = (
    sa.select(*_HEAD, *_SHARE)
    .outerjoin(_SHARES, _SHARES.c.order_id == _ORDER.c.id)
    .outerjoin(_PAYMENTS, _PAYMENTS.c.id == _SHARES.c.payment_id)
    .where(_ORDER.c.id.in_(_ASKED_TOGETHER))
    .order_by(_SHARES.c.id)
)
_LINES_OF_MANY = sa.select(_LINES.c.order_id, *_LINE).where(_LINES.c.order_id.in_(_ASKED_TOGETHER))
_TAXES_OF_MANY = (
    sa.select(*_TAX)
    .join(_LINES, _LINES.c.id == _TAXES.c.order_line_id)
    .where(_LINES.c.order_id.in_(_ASKED_TOGETHER))
    .order_by(_TAXES.c.id)
)

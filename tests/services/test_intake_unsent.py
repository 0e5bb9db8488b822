"""Orders that wait to be sent come in, and come in again while something of them is canceled; on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.adapters import orders as sources
from portal.core.access import SYSTEM
from portal.core.facts import LineFacts, OrderFacts
from portal.core.intake import (
    Fault,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingRefund,
    IncomingRefundLine,
    Special,
)
from portal.db import orders
from portal.db import returns as stored_returns
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.db.orders import Order, OrderLine, Payment
from portal.db.stock import StockLevel, StockMovement
from portal.services import intake
from tests.builders import a_merchant
from tests.services.cancelling import NOW, beside, canceled, confirm, propose, proven
from tests.shared import data

D = Decimal
CUT_OFF = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


@pytest.fixture
def shop(session: Session) -> UUID:
    return a_merchant()


def a_line(external_id: str = "1", units: int = 3, **given: Any) -> IncomingLine:
    told = {"unit_price": D("10.00"), "sku": "MUG"}
    return IncomingLine(external_id=external_id, units=units, **(told | given))


def an_order(*lines: IncomingLine, **given: Any) -> IncomingOrder:
    """Of three mugs, by default; each call is another payload."""
    told = {
        "external_id": "1", "number": "1001", "currency": "EUR", "placed_at": NOW - timedelta(days=1),
        "lines": lines or (a_line(),), "payments": (card(),), "email": "demo.customer@customer.example",
        "name": "Demo Customer", "digest": str(next(DIGESTS)),
    }  # fmt: skip
    return IncomingOrder(**(told | given))


DIGESTS = iter(range(10**6))


def card(captured: str | None = None, mode: str = "captured", **given: Any) -> IncomingPayment:
    told = {"reference": "pay-1", "tender": "card", "mode": mode}
    return IncomingPayment(**(told | given), captured=None if captured is None else D(captured))


def take(shop: UUID, *incoming: IncomingOrder, gateways: Any = None) -> intake.Counts:
    faults: list[Fault] = []
    for order in incoming:
        for payment in order.payments if gateways is not None else ():
            whole = payment.captured or sum(line.unit_price * line.units for line in order.lines)
            gateways.payments[gateways.gateway].learn(
                payment.reference,
                captured=int(whole * 100),
                currency="EUR",
                authorized=payment.mode == "authorized",
            )
    name = "sandbox" if gateways is None else gateways.gateway
    counts = intake.import_orders(
        SYSTEM, shop, incoming, source="csv", now=NOW, gateway=name, refuse=faults.append
    )
    assert not faults, faults
    return counts


def facts(session: Session) -> OrderFacts:
    session.rollback()
    session.expire_all()
    return orders.facts(session.scalars(sa.select(Order.id)).one())


def line_of(session: Session, sku: str = "MUG") -> LineFacts:
    return next(line for line in facts(session).lines if line.sku == sku)


def levels(session: Session) -> dict[tuple[str, str, str], int]:
    session.rollback()
    rows = session.scalars(sa.select(StockLevel).where(StockLevel.units > 0)).all()
    return {(row.sku, row.location, row.bucket): row.units for row in rows}


# ------------------------------------------------------------------------------------------------- what is read


def test_what_a_channel_tells_of_unsent_goods_is_what_decisions_are_made_from(
    shop: UUID, session: Session
) -> None:
    goods = Special(
        picked=1,
        location="north",
        logistics=("custom_made",),
        cut_off_at=CUT_OFF,
        gift=True,
        part_required=True,
    )
    runs = Special(period_start=date(2026, 3, 1), period_end=date(2026, 3, 31), interval="month")
    take(
        shop,
        an_order(
            a_line(special=goods),
            a_line("2", 1, sku="TV", kind="service", special=runs),
            a_line("3", 1, sku="CUP"),
            state="confirmed",
            payments=(card("30.00", "authorized"), card(None, "", reference="inv", tender="invoice")),
        ),
    )
    order = facts(session)
    mug, tv, cup = order.lines
    assert (mug.picked, mug.location, mug.logistics, mug.cut_off, mug.gift, mug.part_required) == (
        1, "north", ("custom_made",), CUT_OFF, True, True,
    )  # fmt: skip
    assert (tv.period_start, tv.period_end, tv.interval, tv.recurs, tv.ends_on) == (
        date(2026, 3, 1), date(2026, 3, 31), "month", True, None,
    )  # fmt: skip
    assert (cup.picked, cup.held, cup.location, cup.logistics, cup.gift) == (0, (), "main", (), False)
    assert {payment.label or payment.tender: payment.mode for payment in order.payments} == {
        "card": "authorized",
        "invoice": "due",
    }
    assert order.state == "confirmed"
    assert orders.facts(order.id, lock=True) == order == orders.many([order.id])[order.id]


def test_reading_an_order_takes_no_more_statements_than_before(shop: UUID, session: Session) -> None:
    take(shop, an_order())
    order_id = session.scalars(sa.select(Order.id)).one()
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        orders.facts(order_id)
        one = [statement for statement in said if statement.startswith("SELECT")]
        said.clear()
        orders.many([order_id])
        many = [statement for statement in said if statement.startswith("SELECT")]
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert (len(one), len(many)) == (3, 3)


def test_a_bundle_of_one_price_lies_here_as_priced_parts(shop: UUID, session: Session) -> None:
    lines = (
        a_line("set", 1, sku="SET", unit_price=D("50.00")),
        a_line("a", 1, sku="A", parent="set", unit_price=D(0), special=Special(list_price=D("40.00"))),
        a_line("b", 1, sku="B", parent="set", unit_price=D(0), special=Special(list_price=D("20.00"))),
    )
    take(shop, an_order(*lines))
    order = facts(session)
    assert {line.sku: line.paid for line in order.lines} == {"SET": 0, "A": 3333, "B": 1667}
    assert {line.parent_id for line in order.lines} == {None, order.lines[0].id}
    assert (order.paid, order.captured, order.differs) == (5000, 5000, 0)
    assert levels(session) == {("A", "main", "reserved"): 1, ("B", "main", "reserved"): 1}


# --------------------------------------------------------------------------------------------------- and stock


def test_goods_that_wait_to_be_sent_are_reserved_where_they_lie(shop: UUID, session: Session) -> None:
    north = Special(location="north")
    take(
        shop,
        an_order(
            a_line(shipped=1),
            a_line("2", 2, sku="CUP", special=north),
            a_line("3", 1, sku="TV", kind="service"),
        ),
        an_order(a_line(sku="PEN"), external_id="2", number="1002", state="pending"),
        an_order(a_line(sku="INK", shipped=3), external_id="3", number="1003"),
    )
    assert levels(session) == {("MUG", "main", "reserved"): 2, ("CUP", "north", "reserved"): 2}
    assert proven() == []


def test_an_order_of_sent_goods_moves_no_stock(shop: UUID, session: Session) -> None:
    take(shop, an_order(a_line(shipped=3)))
    assert session.scalar(sa.select(sa.func.count()).select_from(StockMovement)) == 0


def test_stock_follows_an_order_that_comes_again(shop: UUID, session: Session) -> None:
    take(shop, an_order(state="pending"))
    assert levels(session) == {}
    take(shop, an_order())
    assert levels(session) == {("MUG", "main", "reserved"): 3}
    take(shop, an_order(a_line(shipped=1)))
    assert levels(session) == {("MUG", "main", "reserved"): 2}
    take(shop, an_order(a_line(units=2, shipped=1), a_line("2", 1, sku="CUP")))
    reserved = {place: units for place, units in levels(session).items() if place[2] == "reserved"}
    assert reserved == {("MUG", "main", "reserved"): 1, ("CUP", "main", "reserved"): 1}
    take(shop, an_order(a_line(units=2, shipped=2)))
    assert {place for place in levels(session) if place[2] == "reserved"} == set()
    assert session.scalars(sa.select(OrderLine.sku)).all() == ["MUG"]
    assert proven() == []


def test_an_order_that_the_shop_cancels_reserves_nothing(shop: UUID, session: Session) -> None:
    take(shop, an_order())
    take(shop, an_order(state="canceled"))
    assert levels(session) == {("MUG", "main", "available"): 3}
    assert line_of(session).canceled == ((0, 3),)
    assert proven() == []


# ----------------------------------------------------------------------- told again while something is canceled


def test_what_a_proposal_holds_stays_held_when_the_shop_tells_the_order_again(
    shop: UUID, session: Session, gateways: Any
) -> None:
    take(shop, an_order(), gateways=gateways)
    made = propose(gateways, shop, facts(session), {"MUG": 2})
    take(shop, an_order(a_line(units=1), phone="030 123"))
    line = line_of(session)
    assert (line.units, line.held, line.cancelable_units) == (2, ((0, 2),), 0)
    assert stored_returns.get(made).state == "proposed"
    assert confirm(gateways, shop, made) in ("confirmed", "closed")
    assert line_of(session).canceled == ((0, 2),)
    assert proven() == []


def test_a_proposal_ends_when_the_shop_has_sent_its_units(
    shop: UUID, session: Session, gateways: Any
) -> None:
    take(shop, an_order(), gateways=gateways)
    made = propose(gateways, shop, facts(session), {"MUG": 2})
    take(shop, an_order(a_line(shipped=1)))
    assert (stored_returns.get(made).state, line_of(session).held) == ("proposed", ((0, 2),))
    take(shop, an_order(a_line(shipped=2)))
    session.rollback()
    session.expire_all()
    assert stored_returns.get(made).state == "overtaken"
    assert beside(made).ended["code"] == "shipped"
    line = line_of(session)
    assert (line.held, line.shipped, line.returnable_units, line.cancelable_units) == ((), 2, 2, 1)
    assert proven() == []


def test_a_proposal_ends_when_the_shop_cancels_the_order(shop: UUID, session: Session, gateways: Any) -> None:
    take(shop, an_order(), gateways=gateways)
    made = propose(gateways, shop, facts(session), {"MUG": 2})
    take(shop, an_order(state="canceled"))
    session.expire_all()
    assert stored_returns.get(made).state == "overtaken"
    assert beside(made).ended["code"] == "order_canceled"
    line = line_of(session)
    assert (line.held, line.canceled) == ((), ((0, 3),))
    assert levels(session) == {("MUG", "main", "available"): 3}
    assert proven() == []


def test_units_canceled_here_are_canceled_once_when_the_shop_takes_them_off(
    shop: UUID, session: Session, gateways: Any
) -> None:
    take(shop, an_order(), gateways=gateways)
    canceled(gateways, shop, facts(session), {"MUG": 1})
    take(shop, an_order(a_line(units=2)))
    order = facts(session)
    [line], [payment] = order.lines, order.payments
    assert (line.units, line.canceled, line.paid, line.refunded) == (3, ((0, 1),), 3000, 1000)
    assert (payment.captured, payment.refunded) == (3000, 1000)
    assert levels(session) == {("MUG", "main", "reserved"): 2, ("MUG", "main", "available"): 1}
    canceled(gateways, shop, order, {"MUG": 2})
    assert (facts(session).refunded, facts(session).state) == (3000, "canceled")
    take(shop, an_order(a_line(units=2)))
    assert facts(session).state == "canceled"
    assert proven() == []


def test_a_shop_that_writes_our_cancellation_down_as_its_own_cancels_nothing_more(
    shop: UUID, session: Session, gateways: Any
) -> None:
    take(shop, an_order(), gateways=gateways)
    canceled(gateways, shop, facts(session), {"MUG": 1})
    part = IncomingRefundLine(line="1", units=1, amount=D("10.00"), canceled=True)
    echo = IncomingRefund(external_id="r1", at=NOW, amount=D(0), lines=(part,))
    for _ in range(2):
        take(shop, an_order(refunds=(echo,)))
        line = line_of(session)
        assert (line.canceled, line.refunded, line.cancelable_units) == (((0, 1),), 1000, 2)
        assert levels(session) == {("MUG", "main", "reserved"): 2, ("MUG", "main", "available"): 1}
    assert proven() == []


def test_a_part_of_a_bundle_that_was_canceled_here_is_not_priced_again(
    shop: UUID, session: Session, gateways: Any
) -> None:
    def lines(*parts: str) -> tuple[IncomingLine, ...]:
        alone = {"A": "40.00", "B": "20.00"}
        return (
            a_line("set", 1, sku="SET", unit_price=D("50.00")),
            *(
                a_line(
                    part,
                    1,
                    sku=part,
                    parent="set",
                    unit_price=D(0),
                    special=Special(list_price=D(alone[part])),
                )
                for part in parts
            ),
        )

    take(shop, an_order(*lines("A", "B")), gateways=gateways)
    canceled(gateways, shop, facts(session), {"B": 1})
    take(shop, an_order(*lines("A")))
    order = facts(session)
    assert {line.sku: (line.paid, line.refunded) for line in order.lines} == {
        "SET": (0, 0), "A": (3333, 0), "B": (1667, 1667),
    }  # fmt: skip
    assert (order.paid, order.differs) == (5000, 0)
    assert proven() == []


# ------------------------------------------------------------------------------ authorized, and captured by the shop


def payment_row(session: Session) -> Payment:
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Payment)).one()


def test_seventy_captured_of_a_hundred_after_thirty_were_let_go_is_exact(
    shop: UUID, session: Session, gateways: Any, drain: Any
) -> None:
    def lines() -> tuple[IncomingLine, ...]:
        return a_line(units=1, unit_price=D("70.00")), a_line("2", 1, sku="CUP", unit_price=D("30.00"))

    take(shop, an_order(*lines(), payments=(card("100.00", "authorized"),)), gateways=gateways)
    canceled(gateways, shop, facts(session), {"CUP": 1})
    drain()
    row = payment_row(session)
    assert (row.mode, row.captured_minor, row.refunded_minor, row.released_minor) == (
        "authorized", 10000, 3000, 3000,
    )  # fmt: skip
    capture = card("70.00", reference="capture-1", authorization="pay-1")
    take(shop, an_order(*lines(), payments=(capture,)))
    row = payment_row(session)
    assert (row.reference, row.mode) == ("capture-1", "captured")
    assert (row.captured_minor, row.refunded_minor, row.released_minor) == (10000, 3000, 3000)
    order = facts(session)
    assert (order.payments[0].left, order.paid, order.differs) == (7000, 10000, 0)
    take(shop, an_order(*lines(), payments=(capture,), phone="030 123"))
    assert payment_row(session).captured_minor == 10000
    assert proven() == []


def test_an_order_whose_authorization_was_let_go_altogether_stays_so_when_it_is_voided(
    shop: UUID, session: Session, gateways: Any, drain: Any
) -> None:
    take(shop, an_order(payments=(card("30.00", "authorized"),)), gateways=gateways)
    canceled(gateways, shop, facts(session), {"MUG": 3})
    drain()
    take(shop, an_order(payments=(), state="canceled"))
    row = payment_row(session)
    assert (row.captured_minor, row.refunded_minor, row.released_minor) == (3000, 3000, 3000)
    order = facts(session)
    assert (order.payments[0].left, order.state, order.differs) == (0, "canceled", 0)
    assert proven() == []


def test_what_is_owed_and_then_paid_is_one_payment(
    shop: UUID, session: Session, gateways: Any, drain: Any
) -> None:
    invoice = card("30.00", "", tender="invoice")
    take(shop, an_order(payments=(invoice,)))
    canceled(gateways, shop, facts(session), {"MUG": 1})
    drain()
    row = payment_row(session)
    assert (row.mode, row.captured_minor - row.refunded_minor, row.released_minor) == ("due", 2000, 1000)
    take(shop, an_order(payments=(replace(invoice, captured=D("20.00"), mode="captured"),)))
    row = payment_row(session)
    assert (row.mode, row.captured_minor, row.refunded_minor) == ("captured", 3000, 1000)
    assert proven() == []


# --------------------------------------------------------------------------------------------------- real payloads


def test_the_command_takes_orders_in_our_own_words(
    shop: UUID, session: Session, app: Flask, tmp_path: Path
) -> None:
    line = {"id": "a", "units": 2, "unit_price": "10.00", "sku": "MUG", "location": "north"}
    order = {"id": "7", "currency": "EUR", "placed_at": "2026-03-01T10:00:00Z", "lines": [line]}
    file = tmp_path / "orders.json"
    file.write_text(json.dumps([order, {**order, "id": "8", "lines": [{**line, "colour": "red"}]}]))
    slug = session.get_one(Merchant, shop).slug
    session.rollback()
    given = ("import-orders", "--merchant", slug, "--source", "json", str(file))
    done = app.test_cli_runner().invoke(args=given)
    assert done.exit_code == 1
    assert "1 orders imported" in done.output
    assert "orders.json:2: line a: colour is not known" in done.output
    assert levels(session) == {("MUG", "north", "reserved"): 2}


@pytest.mark.parametrize("source", ["shopify", "woocommerce"])
def test_real_orders_reserve_what_they_still_have_to_send(source: str, shop: UUID, session: Session) -> None:
    names = [str(path) for path in sorted(data(source).glob("*.json"))]
    found = sources.build(source, names)
    intake.import_orders(SYSTEM, shop, found.read(), source=source, now=NOW)
    waiting = session.execute(
        sa.select(sa.func.sum(OrderLine.units - OrderLine.shipped_units - OrderLine.canceled_units)).where(
            OrderLine.kind == "merchandise",
            OrderLine.order_id.in_(sa.select(Order.id).where(Order.state == "confirmed")),
        )
    ).scalar_one()
    assert waiting == sum(units for place, units in levels(session).items() if place[2] == "reserved") > 0
    assert proven() == []


def test_a_refund_that_the_shop_made_of_a_bundle_counts_on_its_parts(shop: UUID, session: Session) -> None:
    lines = (
        a_line("set", 1, sku="SET", unit_price=D("50.00")),
        a_line("a", 1, sku="A", parent="set", unit_price=D(0), special=Special(list_price=D("40.00"))),
        a_line("b", 1, sku="B", parent="set", unit_price=D(0), special=Special(list_price=D("20.00"))),
    )
    whole = IncomingRefundLine(line="set", units=1, amount=D("50.00"), canceled=True)
    refund = IncomingRefund(external_id="r1", at=NOW, amount=D("50.00"), lines=(whole,))
    take(shop, an_order(*lines, refunds=(refund,)))
    assert {line.sku: (line.refunded, line.canceled) for line in facts(session).lines} == {
        "SET": (0, ((0, 1),)), "A": (3333, ((0, 1),)), "B": (1667, ((0, 1),)),
    }  # fmt: skip
    assert proven() == []

"""Orders come in: once, again, changed, refused; on both databases."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from portal.adapters import orders as sources
from portal.core.access import SYSTEM, Actor, NotAllowed
from portal.core.intake import (
    Fault,
    Incoming,
    IncomingDiscount,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingTax,
)
from portal.core.paid import PaidOrder, paid
from portal.core.policy.terms import Deal, Terms
from portal.core.promotions import PromotionStep, from_json
from portal.db import orders
from portal.db.base import db, transaction
from portal.db.orders import Order, OrderLine, OrderPayment, OutsideRefund, Payment
from portal.services import intake, merchants
from tests.shared import data

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
D = Decimal


@pytest.fixture
def shop(session: Session) -> UUID:
    return a_shop("shop")


def a_shop(slug: str) -> UUID:
    return merchants.create(
        slug=slug,
        name="Demo Shop",
        support_email="shop@example.com",
        address={"country": "DE"},
        terms=Terms(),
        now=NOW,
    )


def an_order(external_id: str = "1", units: int = 2, price: str = "10.00", **given: Any) -> IncomingOrder:
    line = IncomingLine(
        external_id="a",
        units=units,
        unit_price=D(price),
        sku="MUG",
        shipped=units,
        taxes=(IncomingTax(label="VAT", amount=D("1.00")),),
    )
    told = {
        "external_id": external_id,
        "number": f"#{external_id}",
        "currency": "EUR",
        "placed_at": NOW,
        "lines": (line,),
        "payments": (IncomingPayment(reference=f"pay-{external_id}", tender="card", captured=None),),
        "email": "Demo@Example.com",
        "postcode": "101 15",
        "digest": f"{units} {price}",
    }
    return IncomingOrder(**(told | given))


def take(shop: UUID, *incoming: Incoming, source: str = "csv") -> tuple[intake.Counts, list[Fault]]:
    faults: list[Fault] = []
    counts = intake.import_orders(SYSTEM, shop, incoming, source=source, now=NOW, refuse=faults.append)
    return counts, faults


def take_files(
    shop: UUID, source: str, *names: str, refunds: tuple[str, ...] = ()
) -> tuple[intake.Counts, list[Fault]]:
    faults: list[Fault] = []
    found = sources.build(
        source, [str(data(name)) for name in names], refunds=[str(data(name)) for name in refunds]
    )
    counts = intake.import_orders(SYSTEM, shop, found.read(), source=source, now=NOW, refuse=faults.append)
    return counts, faults


def everything(session: Session) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables of orders, without when it was imported."""
    session.expire_all()
    tables = ("orders", "order_lines", "order_line_taxes", "payments", "order_payments", "outside_refunds")
    found = {}
    for name in (*tables, "adjustments", "history"):
        table = Order.metadata.tables[name]
        columns = [column for column in table.c if column.name != "imported_at"]
        rows = session.execute(sa.select(*columns).order_by(table.c.id))
        found[name] = [tuple(str(value) for value in row) for row in rows]
    session.rollback()
    return found


def the_facts(session: Session, number: str) -> Any:
    session.expire_all()
    return orders.facts(session.scalars(sa.select(Order.id).where(Order.number == number)).one())


def test_an_order_becomes_the_facts_that_decisions_are_made_from(shop: UUID, session: Session) -> None:
    counts, faults = take(shop, an_order())
    assert (counts.imported, counts.lines, faults) == (1, 1, [])
    facts = the_facts(session, "#1")
    line = facts.lines[0]
    assert (facts.paid, facts.captured, facts.differs, facts.email) == (2000, 2000, 0, "demo@example.com")
    assert (line.units, line.shipped, line.unit_price, line.tax, line.returnable_units) == (
        2,
        2,
        D("10.00"),
        100,
        2,
    )
    assert (facts.payments[0].tender, facts.payments[0].captured) == ("card", 2000)


def test_locked_facts_are_the_same_facts(shop: UUID, session: Session) -> None:
    take(shop, an_order())
    order_id = session.scalars(sa.select(Order.id)).one()
    assert orders.facts(order_id, lock=True) == orders.facts(order_id)
    with pytest.raises(LookupError):
        orders.facts(shop)


def test_an_order_is_found_by_its_number_and_by_what_its_customer_knows(shop: UUID) -> None:
    take(shop, an_order("AB-7"))
    assert [order.number for order in orders.by_number(shop, "ab7")] == ["#AB-7"]
    assert orders.for_customer(shop, number_key="ab7", email="demo@example.com", postcode="") is not None
    assert orders.for_customer(shop, number_key="ab7", email="", postcode="10115") is not None
    assert orders.for_customer(shop, number_key="ab7", email="other@example.com", postcode="99999") is None
    assert orders.for_customer(shop, number_key="ab7", email="", postcode="") is None
    assert (
        orders.for_customer(a_shop("other"), number_key="ab7", email="demo@example.com", postcode="") is None
    )


def test_the_same_order_again_changes_nothing(shop: UUID, session: Session) -> None:
    take(shop, an_order(), an_order("2"))
    before = everything(session)
    counts, _ = take(shop, an_order(), an_order("2"))
    assert (counts.imported, counts.changed, counts.unchanged) == (0, 0, 2)
    assert everything(session) == before


def test_a_changed_order_updates_its_lines_in_place(shop: UUID, session: Session) -> None:
    take(shop, an_order())
    line_id = the_facts(session, "#1").lines[0].id
    counts, _ = take(shop, an_order(units=3))
    facts = the_facts(session, "#1")
    assert counts.changed == 1
    assert (facts.lines[0].id, facts.lines[0].units, facts.paid, facts.captured) == (line_id, 3, 3000, 3000)


def test_an_order_twice_in_one_file_is_its_last_state(shop: UUID, session: Session) -> None:
    counts, faults = take(shop, an_order(), an_order(units=5))
    assert (counts.imported, counts.changed, faults) == (1, 1, [])
    assert the_facts(session, "#1").lines[0].units == 5


def test_a_bad_order_is_listed_and_the_rest_goes_in(shop: UUID, session: Session) -> None:
    bad = replace(an_order("2"), file="orders.json", row=2, currency="?")
    counts, faults = take(
        shop, an_order(), bad, Fault(file="orders.json", row=3, reason="no order"), an_order("4")
    )
    assert (counts.imported, counts.refused) == (2, 2)
    assert [(fault.row, fault.reason) for fault in faults] == [
        (2, "order #2: the currency '?' is no ISO 4217 code"),
        (3, "no order"),
    ]


def test_what_only_the_database_refuses_is_listed_and_the_rest_goes_in(shop: UUID, session: Session) -> None:
    no_text = replace(an_order("2"), name="\ud800")
    counts, faults = take(shop, an_order(), no_text, an_order("3"))
    assert (counts.imported, counts.refused, counts.lines) == (2, 1, 2)
    assert "order #2: the database refuses it" in faults[0].reason
    assert the_facts(session, "#3").paid == 2000


def test_two_orders_on_one_payment_share_it(shop: UUID, session: Session) -> None:
    shared = (IncomingPayment(reference="both", tender="card", captured=None),)
    take(shop, an_order("1", payments=shared), an_order("2", payments=shared))
    take(shop, an_order("3", payments=shared))
    payment = session.scalars(sa.select(Payment)).one()
    assert payment.captured_minor == 6000
    assert sorted(session.scalars(sa.select(OrderPayment.share_minor))) == [2000, 2000, 2000]


def test_another_merchants_order_of_the_same_id_is_another_order(shop: UUID, session: Session) -> None:
    take(shop, an_order())
    counts, _ = take(a_shop("other"), an_order(units=7))
    assert counts.imported == 1
    assert sorted(session.scalars(sa.select(OrderLine.units))) == [2, 7]


def test_only_who_may_import_does(shop: UUID) -> None:
    csr = Actor(kind="person", roles={shop: "csr"})
    with pytest.raises(NotAllowed):
        intake.import_orders(csr, shop, [an_order()], source="csv", now=NOW)
    admin = Actor(kind="person", roles={shop: "admin"})
    assert intake.import_orders(admin, shop, [an_order()], source="csv", now=NOW).imported == 1


def test_what_was_refunded_elsewhere_stays_when_the_order_comes_again(shop: UUID, session: Session) -> None:
    take_files(
        shop,
        "woocommerce",
        "woocommerce/orders-load-all.json",
        refunds=("woocommerce/order-560-all-refunds.json",),
    )
    before = the_facts(session, "560")
    assert (before.captured, before.refunded) == (119850, 22500)
    counts, _ = take_files(shop, "woocommerce", "woocommerce/orders-load-all.json")
    after = the_facts(session, "560")
    assert counts.changed == 1, "the documents of the refunds are no longer there"
    assert after.refunded == 22500
    assert [line.refunded for line in after.lines] == [line.refunded for line in before.lines]
    assert [line.claimed for line in after.lines] == [line.claimed for line in before.lines]


def test_refunds_that_tell_their_lines_later_are_counted_once(shop: UUID, session: Session) -> None:
    take_files(shop, "woocommerce", "woocommerce/orders-load-all.json")
    assert (
        the_facts(session, "560").refunded,
        sum(line.refunded for line in the_facts(session, "560").lines),
    ) == (22500, 0)
    take_files(
        shop,
        "woocommerce",
        "woocommerce/orders-load-all.json",
        refunds=("woocommerce/order-560-all-refunds.json",),
    )
    facts = the_facts(session, "560")
    assert (facts.refunded, sum(line.refunded for line in facts.lines)) == (22500, 22500)
    assert session.scalar(sa.select(sa.func.count()).select_from(OutsideRefund)) == 4


def test_the_database_holds_the_refund_that_shopify_made(shop: UUID, session: Session) -> None:
    take_files(shop, "shopify", "shopify/order_450789469_partially_refunded.json")
    facts = the_facts(session, "#1001")
    assert (facts.paid, facts.captured, facts.refunded) == (59894, 59894, 20900)
    refund = session.scalars(sa.select(OutsideRefund)).one()
    assert (refund.amount_minor, refund.goods_minor, len(refund.lines)) == (20900, 39929, 2)
    assert {line.number: line.claimed for line in facts.items if line.claimed} == {1: ((0, 1),), 3: ((0, 1),)}


@pytest.mark.parametrize(
    ("source", "folder", "imported", "refused"),
    [("shopify", "shopify", 8, 24), ("woocommerce", "woocommerce", 10, 47)],
)
def test_all_payloads_at_once_lose_nothing(
    source: str, folder: str, imported: int, refused: int, shop: UUID, session: Session
) -> None:
    names = [f"{folder}/{path.name}" for path in sorted(data(folder).glob("*.json"))]
    counts, faults = take_files(shop, source, *names)
    assert (counts.imported, counts.refused, len(faults)) == (imported, refused, refused)
    assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == imported


# ------------------------------------------------------------------------------------------------ the command


@pytest.fixture
def flask(app: Flask, session: Session) -> Callable[..., Any]:
    a_shop("shop")
    return lambda *args: app.test_cli_runner().invoke(args=[str(arg) for arg in args])


def test_the_command_tells_counts_and_ends_with_1_when_something_was_refused(
    flask: Callable[..., Any],
) -> None:
    given = (
        "import-orders",
        "--merchant",
        "shop",
        "--source",
        "woocommerce",
        data("woocommerce/orders-load-all.json"),
    )
    done = flask(*given)
    assert done.exit_code == 1
    assert "3 orders imported" in done.output
    assert "orders-load-all.json:1: order 963: line 891: 1.5 units is not a whole number" in done.output
    told = json.loads(flask(*given, "--json").output)
    assert (told["imported"], told["unchanged"], told["refused"]) == (0, 3, 1)
    assert told["faults"][0]["row"] == 1


def test_the_command_ends_with_0_when_all_went_in(flask: Callable[..., Any]) -> None:
    done = flask(
        "import-orders", "--merchant", "shop", "--source", "shopify", data("shopify/order_create_simple.json")
    )
    assert done.exit_code == 0, done.output


def test_the_command_names_what_is_wrong_with_how_it_was_called(
    flask: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "bad.toml").write_text("[columns]\norder = 'No'\n")
    for args, words in (
        (("--merchant", "none", "--source", "shopify"), "there is no merchant 'none'"),
        (("--merchant", "shop", "--source", "csv"), "needs a mapping file"),
        (
            ("--merchant", "shop", "--source", "csv", "--mapping", tmp_path / "bad.toml"),
            "must name the columns",
        ),
        (("--merchant", "shop", "--source", "shopify", "--refunds", "x"), "with woocommerce alone"),
    ):
        done = flask("import-orders", *args, data("shopify/order_create_simple.json"))
        assert done.exit_code != 0
        assert words in done.output


SPEND = Deal(
    code="spend50", kind="spend", name="Spend 50", steps=(PromotionStep(reach=5000, percent_bp=1000),)
)


def test_a_discount_whose_condition_the_shop_has_stated_is_a_promotion_of_the_order(session: Session) -> None:
    shop = merchants.create(
        slug="deals",
        name="Demo Shop",
        support_email="shop@example.com",
        address={"country": "DE"},
        terms=Terms(deals=(SPEND,)),
        now=NOW,
    )
    discounts = (IncomingDiscount(code="SPEND50"), IncomingDiscount(code="UNKNOWN", shares={"a": D("0.10")}))
    take(shop, an_order(price="30.00", discount=D("6.00"), discounts=discounts))
    stored = session.scalars(sa.select(Order)).one()
    line = session.scalars(sa.select(OrderLine)).one()
    [promotion] = map(from_json, stored.promotions)
    assert (promotion.code, promotion.kind, promotion.steps) == ("SPEND50", "spend", SPEND.steps)
    assert promotion.shares == ((line.id, 600),)
    take(shop, an_order(price="30.00", discount=D("3.00"), discounts=discounts[:1], digest="again"))
    session.expire_all()
    [promotion] = map(from_json, session.scalars(sa.select(Order)).one().promotions)
    assert promotion.shares == ((line.id, 300),)


def test_shares_of_discounts_never_exceed_what_the_line_was_discounted(shop: UUID, session: Session) -> None:
    record = paid(
        an_order(
            price="30.00",
            discount=D("6.00"),
            discounts=(
                IncomingDiscount(code="A", shares={"a": D("4.00"), "gone": D("1.00")}),
                IncomingDiscount(code="B", shares={"a": D("5.00")}),
                IncomingDiscount(code="C", shares={"a": D("1.00")}),
            ),
        )
    )
    assert isinstance(record, PaidOrder)
    assert [(one.code, one.shares) for one in record.discounts] == [
        ("A", (("a", 400),)),
        ("B", (("a", 200),)),
    ]


# -------------------------------------------------------------------------------------- by which way money goes back


def ways(shop: UUID) -> dict[str, tuple[str, int]]:
    """reference -> (provider, captured)"""
    rows = db.session.execute(
        sa.select(Payment.reference, Payment.provider, Payment.captured_minor).where(
            Payment.merchant_id == shop
        )
    )
    return {reference: (provider, captured) for reference, provider, captured in rows}


def paid_by(**amounts: str) -> tuple[IncomingPayment, ...]:
    return tuple(
        IncomingPayment(reference=f"ref-{tender}", tender=tender, captured=D(amount), label=tender)
        for tender, amount in amounts.items()
    )


def test_each_tender_of_an_order_goes_back_by_its_own_way(shop: UUID) -> None:
    paid = paid_by(card="4", gift_card="5", store_credit="3", bank_transfer="6", cash="2")
    faults: list[Fault] = []
    intake.import_orders(
        SYSTEM, shop, [an_order(payments=paid)], source="csv", now=NOW, gateway="stripe", refuse=faults.append
    )
    assert not faults
    assert ways(shop) == {
        "ref-card": ("stripe", 400),
        "ref-gift_card": ("gift_card", 500),
        "ref-store_credit": ("store_credit", 300),
        "ref-bank_transfer": ("bank_transfer", 600),
        "ref-cash": ("manual", 200),
    }


def test_a_gift_card_that_pays_for_two_orders_is_one_payment(shop: UUID) -> None:
    take(
        shop, an_order("1", payments=paid_by(gift_card="20")), an_order("2", payments=paid_by(gift_card="20"))
    )
    take(shop, an_order("3", payments=paid_by(gift_card="20")))
    assert ways(shop) == {"ref-gift_card": ("gift_card", 6000)}


def test_a_payment_keeps_its_way_when_its_order_comes_again_or_another_gateway_is_used(shop: UUID) -> None:
    card = paid_by(card="20")
    take(shop, an_order("1", payments=card))
    with transaction() as session:  # as it came in before each tender had a way of its own
        session.execute(sa.update(Payment).values(provider="sandbox", tender="gift_card"))
    changed = an_order("1", payments=paid_by(card="20"), digest="another")
    intake.import_orders(SYSTEM, shop, [changed], source="csv", now=NOW, gateway="stripe")
    assert ways(shop) == {"ref-card": ("sandbox", 2000)}

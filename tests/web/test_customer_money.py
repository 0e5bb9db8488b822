"""The same explanation at every station: estimate, approval, after the inspection, and as the receipt."""

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core import promotions
from portal.core.access import Actor
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.promotions import Promotion, PromotionStep
from portal.db.base import db, uuid7
from portal.db.mails import Mail
from portal.db.orders import Order
from portal.services.docking import receiving
from portal.services.refunding import refunds
from portal.web.words import words as spoken
from tests.builders import line_ids
from tests.html import words
from tests.web.shops import Prepared, Shop, add_order, line, now, open_shop, order_id, prepare, walk_in

TERMS = Terms(
    return_postage="merchant",
    restocking_fee=RestockingFee(percent_bp=1000),
    condition_deductions_bp=(("C", 3000),),
    promotions="re_evaluate",
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app, terms=TERMS)
    add_order(made)
    return made


def at_check(client: Any, shop: Shop, number: str = "N-1", units: dict[str, int] | None = None) -> Prepared:
    prepared = prepare(shop, number, units=units or {"SHT": 1}, why=("too_small", "unopened"))
    page = walk_in(client, prepared)
    rates = [
        one.get("value")
        for one in page.page.form(button="Continue").iter("input")
        if one.get("name") == "rate"
    ]
    rate = next(rate for rate in rates if "print_at_home" in rate)
    client.submit(page, {"rate": rate}, button="Continue")
    return prepared


def told(page: Any) -> list[tuple[str, str]]:
    """(what, amount) of every row of the refund's card, the total last."""
    card = next(one for one in page.page.tree.iter() if "receipt" in (one.get("class") or "").split())
    first = next(one for one in card.iter("dl"))
    return [(words(row.find("dt")), words(row.find("dd"))) for row in first.findall("div")]


def mail_of(app: Flask, event: str) -> Mail:
    with app.app_context():
        found = db.session.scalars(sa.select(Mail).where(Mail.event == event)).one()
        db.session.expunge(found)
        return found


def finance(shop: Shop) -> Actor:
    return Actor(kind="person", id=uuid7(), name="Demo Finance", roles={shop.id: "finance"})


def inspected(shop: Shop, prepared: Prepared, grade: str = "A") -> None:
    with shop.app.app_context():
        ids = line_ids(prepared.id)
        receiving.receive(shop.agent, prepared.id, dict.fromkeys(ids.values(), 1), now=now())
        entries = [
            receiving.InspectionEntry(line_id=one, units=1, grade=grade, disposition="restock")
            for one in ids.values()
        ]
        receiving.inspect(shop.agent, prepared.id, entries, now=now())


def refunded(shop: Shop, prepared: Prepared) -> None:
    with shop.app.app_context():
        refunds.propose(finance(shop), prepared.id, now=now())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_estimate_approval_and_receipt_are_told_by_the_same_rows(
    client: Any, shop: Shop, app: Flask, drain: Any
) -> None:
    prepared = at_check(client, shop)
    check = told(client.get(prepared.home + "/check"))
    assert check[:-1] == [("1 × Linen shirt", "€50.00"), ("Restocking fee: Linen shirt", "−€5.00")]
    client.submit(client.get(prepared.home + "/check"), button="Confirm return")
    drain()
    assert told(client.get(prepared.home + "/status"))[:-1] == check[:-1]
    inspected(shop, prepared)
    refunded(shop, prepared)
    drain()
    receipt = client.get(prepared.home + "/status")
    assert told(receipt)[:-1] == check[:-1]
    assert told(receipt)[-1] == ("Refund", "€45.00")
    for event in ("approved", "refunded"):
        text = mail_of(app, event).text
        assert all(f"{what}: {amount}" in text for what, amount in check[:-1]), event


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_after_the_inspection_page_and_mail_say_what_changed_and_why(
    client: Any, shop: Shop, app: Flask, drain: Any
) -> None:
    prepared = at_check(client, shop)
    client.submit(client.get(prepared.home + "/check"), button="Confirm return")
    inspected(shop, prepared, "C")
    refunded(shop, prepared)
    drain()
    page = client.get(prepared.home + "/status").page
    assert "The estimate was €45.00; after inspection it is €30.00." in page.text
    assert "What changed, and why" in page.text
    why = "€0.00 before, −€15.00 now. Found in the inspection: C: needs refurbishing. 30% of €50.00."
    assert why in page.text
    assert why in mail_of(app, "inspected_changed").text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_day_by_which_the_money_is_there_and_the_banks_reference(
    client: Any, shop: Shop, app: Flask, drain: Any
) -> None:
    prepared = at_check(client, shop)
    client.submit(client.get(prepared.home + "/check"), button="Confirm return")
    inspected(shop, prepared)
    refunded(shop, prepared)
    waiting = client.get(prepared.home + "/status").page
    assert "€45.00 to Visa ·· 4242" in waiting.text and "Being processed." in waiting.text
    drain()
    with app.app_context():
        sent = refunds.of_return(prepared.id)[0].payouts[0]
        day = spoken().day(sent.arrives_on, weekday=True)
    page = client.get(prepared.home + "/status").page
    assert f"It is there by {day}." in page.text
    assert sent.bank_reference and sent.bank_reference in page.text
    copied = [one.get("data-copy") for one in page.tree.iter("button") if one.get("data-copy")]
    assert sent.bank_reference in copied
    text = mail_of(app, "refunded").text
    assert f"It is there by {day}." in text
    assert f"Reference for your bank: {sent.bank_reference}" in text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_refund_that_failed_or_waits_is_told_without_alarm(
    client: Any, shop: Shop, app: Flask, drain: Any
) -> None:
    lines = (line("SHT", "Linen shirt", "50.00"),)
    add_order(shop, "N-2-fails", lines)
    prepared = at_check(client, shop, "N-2-fails")
    client.submit(client.get(prepared.home + "/check"), button="Confirm return")
    inspected(shop, prepared)
    refunded(shop, prepared)
    drain()
    with app.app_context():
        assert refunds.of_return(prepared.id)[0].state == "failed"
    page = client.get(prepared.home + "/status").page
    assert "Delayed" in page.text and "you do not have to do anything" in page.text
    assert "Refund failed" not in page.text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_becomes_of_a_deal_is_told_before_it_is_confirmed(client: Any, shop: Shop, app: Flask) -> None:
    lines = (
        line("SHT", "Linen shirt", "50.00", discount=Decimal("5.00")),
        line("MUG", "Stoneware mug", "40.00", discount=Decimal("4.00")),
    )
    add_order(shop, "N-3", lines)
    found = order_id(shop, "N-3")
    with app.app_context():
        order = db.session.get(Order, found)
        known = {
            one.sku: one.id
            for one in db.session.execute(
                sa.text("SELECT sku, id FROM order_lines WHERE order_id = :o"), {"o": found.hex}
            )
        }
        ids = {sku: one if not isinstance(one, str) else uuid(one) for sku, one in known.items()}
        deal = Promotion(
            code="TENOFF",
            kind="spend",
            name="Ten percent from 80",
            shares=((ids["SHT"], 500), (ids["MUG"], 400)),
            steps=(PromotionStep(reach=8000, percent_bp=1000),),
        )
        order.promotions = [promotions.to_json(deal)]
        db.session.commit()
    prepared = at_check(client, shop, "N-3", {"SHT": 1})
    page = client.get(prepared.home + "/check").page
    assert "Discount that no longer applies" in page.text
    assert "−€4.00" in page.text, "the mug that stays is no longer ten percent cheaper"


def uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)

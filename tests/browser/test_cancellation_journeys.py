"""Customers' journeys through cancellations in a real browser, with and without JavaScript, up to the money."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.core.logistics import ToldUnits
from portal.db.base import transaction
from portal.services import cancellations
from portal.services.warehousing import fulfilment
from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.buyers import bought, propose, service, start, state_of
from tests.web.shops import Prepared, Shop, add_order, line, now, open_shop

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def shop(live_server: Server) -> Shop:
    made = open_shop(live_server.app)
    add_order(made, lines=bought(sent=1))
    return made


def press(page: Any, name: str) -> None:
    """The one button of that name that is there to be seen."""
    page.locator("button:visible", has_text=name).last.click()


def heading(page: Any, name: str) -> None:
    page.get_by_role("heading", name=name, level=1).wait_for()


def to_items(page: Any, shop: Shop, number: str = "N-1") -> Prepared:
    """The buyer opens the link of the mail and presses Continue."""
    started = start(shop.app.test_client(), shop, number)
    page.goto(started.path)
    press(page, "Continue")
    return started


def settled(page: Any, live_server: Server, javascript: bool, text: str) -> None:
    """The durable work is done; the open page follows by itself, or on Look again."""
    live_server.drain()
    if not javascript:
        page.get_by_role("link", name="Look again", exact=True).click()
    page.get_by_text(text).first.wait_for(timeout=15_000)


def test_a_customer_cancels_one_of_three_lines(
    page: Any, shop: Shop, live_server: Server, javascript: bool
) -> None:
    to_items(page, shop)
    page.get_by_role("button", name="One more: Wool throw (cancel)").click()
    page.get_by_text("You cancel 1 of 5 items.").wait_for()
    assert "€69.00" in page.locator("#estimate").inner_text()
    press(page, "Continue")
    heading(page, "Check what you cancel")
    text = page.locator("main").inner_text()
    assert "You get €69.00 back" in text
    assert "3 × Stoneware mug" in text
    press(page, "Cancel these items")
    heading(page, "Confirmed: it is taken out of your order")
    settled(page, live_server, javascript, "Refund sent")
    assert "€80.00" in page.locator("main").inner_text()


def test_an_agent_proposes_and_the_customer_confirms_on_another_device(
    page: Any, shop: Shop, live_server: Server, visit: Callable[..., Any]
) -> None:
    proposed = propose(shop, {"THR": 1}, message="As we said on the phone.")
    page.goto(proposed.path)
    heading(page, "Shall we take this out of your order?")
    assert state_of(shop, proposed.id) == "proposed"
    phone = visit(base_url=live_server.url, viewport=DESK)
    phone.goto(proposed.path)
    phone.get_by_text("As we said on the phone.").wait_for()
    press(phone, "Cancel these items")
    heading(phone, "Confirmed: it is taken out of your order")
    press(page, "Keep my order as it is")
    heading(page, "Confirmed: it is taken out of your order")
    live_server.drain()
    assert state_of(shop, proposed.id) == "closed"


def test_a_customer_declines_and_the_units_are_free_again(page: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page.goto(proposed.path)
    press(page, "Keep my order as it is")
    heading(page, "You keep your order as it is")
    started = to_items(page, shop)
    field = page.locator(f"#cancel-{started.lines['THR']}")
    assert field.get_attribute("max") == "1"
    assert page.get_by_text("You kept it").is_visible()


def test_an_expired_proposal_leaves_the_order_as_it_is(page: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page.goto(proposed.path)
    heading(page, "Shall we take this out of your order?")
    later = now() + timedelta(hours=49)
    shop.app.config["CLOCK"] = lambda: later
    press(page, "Cancel these items")
    heading(page, "The time to answer is over")
    assert page.get_by_role("link", name="Ask us again").is_visible()
    with shop.app.app_context():
        cancellations.expire(now=later)
    assert state_of(shop, proposed.id) == "expired"


def test_the_warehouse_ships_first(page: Any, shop: Shop) -> None:
    proposed = propose(shop, {"THR": 1})
    page.goto(proposed.path)
    with shop.app.app_context(), transaction():
        fulfilment.shipped(shop.id, "N-1", [ToldUnits(sku="THR", units=1)], now=now())
    press(page, "Cancel these items")
    heading(page, "We could not take it out any more")
    page.get_by_text("It had left our warehouse").first.wait_for()
    page.get_by_role("link", name="Start a return").click()
    page.get_by_label("Order number").wait_for()
    assert state_of(shop, proposed.id) == "overtaken"


def test_a_partly_shipped_order_has_one_line_canceled_and_one_sent_back(
    page: Any, shop: Shop, live_server: Server
) -> None:
    add_order(
        shop,
        "N-2",
        (
            line("HAT", "Felt hat", "20.00"),
            line("LMP", "Table lamp", "80.00", sent=0),
            line("SOA", "Soap", "5.00"),
        ),
    )
    to_items(page, shop, "N-2")
    page.get_by_role("button", name="One more: Table lamp (cancel)").click()
    page.get_by_text("You cancel 1 of 3 items.").wait_for()
    page.get_by_role("button", name="One more: Felt hat", exact=True).click()
    page.get_by_text("You cancel 1 and send back 1 of 3 items.").wait_for()
    press(page, "Continue")
    page.get_by_label("Reason", exact=True).select_option("changed_mind")
    page.get_by_label("Condition", exact=True).select_option("unopened")
    press(page, "Continue")
    page.get_by_role("radio", name="My own carrier").check()
    press(page, "Continue")
    heading(page, "Check what you cancel and send back")
    text = page.locator("main").inner_text()
    for part in (
        "Canceled before it is sent",
        "€80.00",
        "Sent back",
        "€20.00",
        "The rest of your order stays",
    ):
        assert part in text
    press(page, "Confirm both")
    heading(page, "Your return is approved")
    live_server.drain()
    page.reload()
    page.get_by_role("region", name="Your order as it stands").get_by_role("link").first.click()
    heading(page, "Taken out of your order")
    assert "Refund sent" in page.locator("main").inner_text()


def test_one_line_is_canceled_in_part_and_sent_back_in_part(page: Any, shop: Shop) -> None:
    started = to_items(page, shop)
    mug = started.lines["MUG"]
    page.get_by_role("button", name="One more: Stoneware mug (cancel)").click()
    page.get_by_text("You cancel 1 of 5 items.").wait_for()
    page.get_by_role("button", name="One more: Stoneware mug (cancel)").click()
    page.get_by_text("You cancel 2 of 5 items.").wait_for()
    page.get_by_role("button", name="One more: Stoneware mug (send back)").click()
    page.get_by_text("You cancel 2 and send back 1 of 5 items.").wait_for()
    assert page.get_by_role("button", name="One more: Stoneware mug (cancel)").is_disabled()
    assert page.get_by_role("button", name="One more: Stoneware mug (send back)").is_disabled()
    page.reload()
    assert page.locator(f"#cancel-{mug}").input_value() == "2"
    assert page.locator(f"#units-{mug}").input_value() == "1"


def test_one_service_of_a_subscription_ends_and_the_others_go_on(
    page: Any, shop: Shop, live_server: Server, javascript: bool
) -> None:
    add_order(shop, "N-3", (service(), service("VIP", "Priority support", "9.00")))
    to_items(page, shop, "N-3")
    page.get_by_role("radio", name="End it now").first.check()
    if javascript:
        page.get_by_text("You cancel 1 of 2 items.").wait_for()
    press(page, "Continue")
    heading(page, "Check what you cancel")
    text = page.locator("main").inner_text()
    assert "You get €20.00 back" in text
    assert "Used already: Care plan" in text
    assert "1 × Priority support" in text
    press(page, "Cancel these items")
    settled(page, live_server, javascript, "Refund sent")


def test_an_authorization_that_was_not_captured_is_lowered_and_never_refunded(
    page: Any, shop: Shop, live_server: Server, javascript: bool
) -> None:
    add_order(shop, "N-4", bought(), mode="authorized")
    to_items(page, shop, "N-4")
    page.get_by_role("button", name="One more: Wool throw (cancel)").click()
    page.get_by_text("You cancel 1 of 5 items.").wait_for()
    press(page, "Continue")
    heading(page, "Check what you cancel")
    text = page.locator("main").inner_text()
    assert "€69.00 is not charged" in text
    assert "It was only reserved there." in text
    assert "You get" not in text
    press(page, "Cancel these items")
    heading(page, "Confirmed: it is taken out of your order")
    settled(page, live_server, javascript, "What you pay is lowered")


def test_one_press_in_the_mail_says_how_it_was(
    page: Any, shop: Shop, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    proposed = propose(shop, {"THR": 1})
    page.goto(proposed.path)
    press(page, "Cancel these items")
    heading(page, "Confirmed: it is taken out of your order")
    live_server.drain()
    from tests.web.shops import status_link

    other = visit(base_url=live_server.url)
    other.goto(status_link(shop, proposed) + "?score=5")
    heading(other, "How did this go for you?")
    other.wait_for_timeout(500)
    with shop.app.app_context():  # a scanner that runs scripts opens the page, and moves nothing
        assert cancellations.page(shop.agent, proposed.id, now=now()).facts.score is None
    if javascript:
        other.mouse.move(40, 60)
    else:
        press(other, "Send my answer")
    other.get_by_text("Thank you.").wait_for()
    with shop.app.app_context():
        deadline = time.monotonic() + 5
        while cancellations.page(shop.agent, proposed.id, now=now()).facts.score != 5:
            assert time.monotonic() < deadline


def test_a_proposal_is_told_on_the_pages_of_a_return(page: Any, shop: Shop) -> None:
    started = to_items(page, shop)
    proposed = propose(shop, {"THR": 1})
    page.goto(started.home + "/items")
    page.get_by_text("Your answer is needed.").wait_for()
    page.get_by_role("link", name="Look at it and answer").click()
    heading(page, "Shall we take this out of your order?")
    press(page, "Keep my order as it is")
    heading(page, "You keep your order as it is")
    assert state_of(shop, proposed.id) == "declined"


@pytest.mark.parametrize("javascript", [True])
def test_every_page_of_a_cancellation_can_be_used_by_everybody(
    page: Any, shop: Shop, live_server: Server
) -> None:
    add_order(shop, "N-5", (*bought(sent=1), service(), line("GFT", "Candle", "15.00", sent=0)))
    started = start(shop.app.test_client(), shop, "N-5")
    proposed = propose(shop, {"GFT": 1}, "N-5")
    page.goto(started.path)
    assert accessibility_faults(page) == []
    press(page, "Continue")
    page.locator(f"#cancel-{started.lines['MUG']}").fill("7")
    press(page, "Continue")
    page.get_by_role("heading", name="There is a problem").first.wait_for()
    assert accessibility_faults(page) == []
    page.goto(started.home + "/items")
    page.get_by_role("button", name="One more: Wool throw (cancel)").click()
    page.get_by_text("You cancel 1 of").wait_for()
    page.get_by_role("button", name="One more: Stoneware mug (send back)").click()
    page.get_by_text("and send back 1 of").wait_for()
    assert accessibility_faults(page) == []
    page.get_by_role("button", name="One less: Stoneware mug (send back)").click()
    page.get_by_text("You cancel 1 of").wait_for()
    press(page, "Continue")
    heading(page, "Check what you cancel")
    assert accessibility_faults(page) == []
    page.goto(proposed.home + "/cancellation")
    assert accessibility_faults(page) == []
    press(page, "Cancel these items")
    heading(page, "Confirmed: it is taken out of your order")
    live_server.drain()
    page.goto(proposed.home + "/status")
    page.get_by_text("Refund sent").wait_for()
    assert accessibility_faults(page) == []
    page.goto(proposed.home + "/score")
    assert accessibility_faults(page) == []

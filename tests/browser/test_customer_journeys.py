"""Customers' journeys in a real browser, with and without JavaScript, up to a confirmed return."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.serving import Server
from tests.web.shops import Prepared, Shop, add_order, draft_of, newest_link, open_shop, picture, prepare

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

QUESTIONS = re.compile(r"/r/[0-9a-f-]+/(items|reasons|address|sending|check)$")


@pytest.fixture
def shop(live_server: Server) -> Shop:
    made = open_shop(live_server.app)
    add_order(made)
    return made


class Pages:
    """Notes which question pages a visitor came through."""

    def __init__(self, page: Any) -> None:
        self.seen: list[str] = []
        page.on("framenavigated", lambda frame: self._note(frame.url))

    def _note(self, url: str) -> None:
        found = QUESTIONS.search(url.split("?")[0].split("#")[0])
        if found and (not self.seen or self.seen[-1] != found.group(1)):
            self.seen.append(found.group(1))


def press(page: Any, name: str) -> None:
    """The one button of that name that is there to be seen."""
    page.locator("button:visible", has_text=name).last.click()


def choose_way(page: Any, name: str) -> None:
    page.get_by_role("radio", name=name).check()


def test_a_return_that_support_prepared_takes_three_pages_or_fewer(page: Any, shop: Shop) -> None:
    prepared = prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))
    began = time.monotonic()
    page.goto(prepared.path)
    pages = Pages(page)
    press(page, "Continue")
    choose_way(page, "QR code, no printer")
    press(page, "Continue")
    press(page, "Confirm return")
    page.get_by_role("heading", name="Your return is approved").wait_for()
    assert pages.seen == ["sending", "check"]
    assert time.monotonic() - began < 30


def test_with_items_alone_prepared_it_is_three_pages(page: Any, shop: Shop) -> None:
    prepared = prepare(shop, units={"MUG": 2}, locked=("lines",))
    page.goto(prepared.path)
    pages = Pages(page)
    press(page, "Continue")
    page.get_by_label("Reason", exact=True).select_option("changed_mind")
    page.get_by_label("Condition", exact=True).select_option("unopened")
    press(page, "Continue")
    choose_way(page, "My own carrier")
    press(page, "Continue")
    press(page, "Confirm return")
    page.get_by_role("heading", name="Your return is approved").wait_for()
    assert pages.seen == ["reasons", "sending", "check"]
    assert draft_of(shop, prepared).state == "approved"


def test_with_nothing_prepared_the_customer_does_it_all(page: Any, shop: Shop, javascript: bool) -> None:
    prepared = prepare(shop)
    page.goto(prepared.path)
    press(page, "Continue")
    page.get_by_role("button", name="One more: Stoneware mug").click()
    page.get_by_text("You return 1 of 5 items.").wait_for()
    page.get_by_role("button", name="One more: Linen shirt").click()
    page.get_by_text("You return 2 of 5 items.").wait_for()
    assert "€60.00" in page.locator("#estimate").inner_text()
    press(page, "Continue")
    for number in range(2):
        page.get_by_label("Reason", exact=True).nth(number).select_option("defective")
        page.get_by_label("Condition", exact=True).nth(number).select_option("defective")
    if javascript:
        page.get_by_text("This reason needs a photo").nth(1).wait_for()
    for number in range(2):
        file = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": picture()}
        page.locator("input[type=file]").nth(number).set_input_files([file])
        if javascript:
            page.locator(".photos img").nth(number).wait_for()
    press(page, "Continue")
    page.get_by_role("radio", name="Pick-up at home").check()
    page.get_by_label("When shall the driver come?").select_option(index=1)
    press(page, "Continue")
    text = page.locator("main").inner_text()
    assert "Does not work" in text
    assert "1 photo" in text
    press(page, "Confirm return")
    page.get_by_role("heading", name="Your return is approved").wait_for()
    assert [line.units for line in draft_of(shop, prepared).lines] == [1, 1]


@pytest.mark.parametrize("javascript", [True])
def test_a_photo_chosen_while_an_answer_is_still_on_its_way_is_kept(page: Any, shop: Shop) -> None:
    prepared = prepare(shop, units={"MUG": 1})
    page.goto(prepared.path)
    page.goto(prepared.home + "/reasons")
    waiting: list[Any] = []
    page.route(re.compile(r"/reasons/[0-9a-f-]{36}$"), lambda route: waiting.append(route))
    page.get_by_label("Reason", exact=True).select_option("defective")
    page.get_by_label("Condition", exact=True).select_option("defective")
    field = page.locator("input[type=file]")
    field.evaluate("field => { field.dataset.same = 'yes' }")
    while not waiting:
        page.wait_for_timeout(20)
    waiting.pop().continue_()
    page.get_by_text("This reason needs a photo").wait_for()
    assert field.get_attribute("data-same") == "yes", "the answer replaced what the person has open"
    field.set_input_files([{"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": picture()}])
    while not waiting:
        page.wait_for_timeout(20)
    waiting.pop().continue_()
    page.locator(".photos img").wait_for()
    (line,) = draft_of(shop, prepared).lines
    assert (line.reason, line.condition, len(line.photos)) == ("defective", "defective", 1)


@pytest.mark.parametrize("javascript", [True])
def test_a_photo_that_is_no_longer_asked_for_is_no_longer_missed(page: Any, shop: Shop) -> None:
    prepared = prepare(shop, units={"MUG": 1}, why=("defective", "defective"))
    page.goto(prepared.path)
    page.goto(prepared.home + "/reasons")
    press(page, "Continue")
    missed = page.locator(".field-photos .error")
    missed.wait_for()
    page.get_by_label("Reason", exact=True).select_option("too_small")
    missed.wait_for(state="detached")


def test_the_label_comes_onto_the_page_as_soon_as_it_is_made(
    page: Any, shop: Shop, live_server: Server, javascript: bool
) -> None:
    prepared = prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))
    page.goto(prepared.path)
    press(page, "Continue")
    page.get_by_role("radio", name="Print a label").first.check()
    press(page, "Continue")
    press(page, "Confirm return")
    page.get_by_text("We are making your label").wait_for()
    live_server.drain()
    if not javascript:
        page.get_by_role("link", name="Look again").click()
    link = page.get_by_role("link", name="Label, A4 (PDF)")
    link.wait_for(timeout=15_000)
    paper = page.request.get(str(link.get_attribute("href")))
    assert paper.body().startswith(b"%PDF-")


def test_a_customer_starts_without_a_link(page: Any, shop: Shop) -> None:
    page.goto(f"/start/{shop.slug}")
    page.get_by_label("Order number").fill("N-1")
    page.get_by_label("E-mail address or postcode").first.fill("20359")
    press(page, "Send me the link")
    page.get_by_role("heading", name="Look into your mailbox").wait_for()
    page.goto(newest_link(shop))
    page.get_by_role("heading", name="Your order, Demo Customer").wait_for()
    press(page, "Continue")
    page.get_by_role("heading", name="What would you like to cancel or send back?").wait_for()


def test_an_expired_link_explains_itself_and_asks_for_another(
    page: Any, shop: Shop, live_server: Server
) -> None:
    prepared = prepare(shop)
    live_server.app.config["CLOCK"] = lambda: datetime.now(UTC) + timedelta(days=40)
    page.goto(prepared.path)
    page.get_by_role("heading", name="This link has expired").wait_for()
    press(page, "Ask for a new link")
    page.get_by_role("heading", name="We have told our support").wait_for()


def test_of_two_customers_who_want_the_last_unit_one_is_told(
    visit: Any, shop: Shop, live_server: Server
) -> None:
    both = [prepare(shop, units={"SHT": 1}, why=("too_small", "unopened")) for _ in range(2)]
    tabs = []
    for prepared in both:
        tab = visit(base_url=live_server.url)
        tab.goto(prepared.path)
        press(tab, "Continue")
        choose_way(tab, "My own carrier")
        press(tab, "Continue")
        tab.get_by_role("heading", name="Check your return").wait_for()
        tabs.append(tab)
    for tab in tabs:
        press(tab, "Confirm return")
    tabs[0].get_by_role("heading", name="Your return is approved").wait_for()
    tabs[1].get_by_text("Someone else was faster").first.wait_for()


def test_back_and_forth_and_reload_lose_nothing(page: Any, shop: Shop) -> None:
    prepared = prepare(shop)
    page.goto(prepared.path)
    press(page, "Continue")
    page.get_by_role("button", name="One more: Linen shirt").click()
    page.get_by_text("You return 1 of 5 items.").wait_for()
    page.reload()
    assert page.locator(f"#units-{prepared.lines['SHT']}").input_value() == "1"
    press(page, "Continue")
    page.get_by_label("Reason", exact=True).select_option("too_large")
    page.get_by_label("Condition", exact=True).select_option("unopened")
    press(page, "Continue")
    page.get_by_role("heading", name="How do you send it?").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Why do you send it back?").wait_for()
    page.reload()
    assert page.get_by_label("Reason", exact=True).input_value() == "too_large"
    page.goto(prepared.home + "/items")
    press(page, "Continue")
    page.get_by_role("heading", name="How do you send it?").wait_for()


def test_a_double_press_confirms_once(page: Any, shop: Shop) -> None:
    prepared = prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))
    page.goto(prepared.path)
    press(page, "Continue")
    choose_way(page, "My own carrier")
    press(page, "Continue")
    page.locator("button:visible", has_text="Confirm return").last.dblclick()
    page.get_by_role("heading", name="Your return is approved").wait_for()
    assert draft_of(shop, prepared).state == "approved"


def test_a_return_without_an_order_is_typed_in(page: Any, shop: Shop) -> None:
    prepared = prepare(shop, None)
    page.goto(prepared.path)
    press(page, "Continue")
    page.get_by_label("Product", exact=True).fill("Blue kettle")
    press(page, "Add another product")
    page.get_by_label("Product", exact=True).nth(1).fill("Red pan")
    press(page, "Continue")
    page.get_by_role("heading", name="Why do you send it back?").wait_for()
    assert [line.name for line in draft_of(shop, prepared).lines] == ["Blue kettle", "Red pan"]
    assert "to be assessed" in page.locator("#estimate").inner_text().lower()


@pytest.mark.parametrize("javascript", [True], indirect=True)
def test_nothing_personal_is_left_in_the_browsers_storage(page: Any, shop: Shop) -> None:
    prepared: Prepared = prepare(shop)
    page.goto(prepared.path)
    press(page, "Continue")
    page.get_by_role("button", name="One more: Linen shirt").click()
    page.get_by_text("You return 1 of 5 items.").wait_for()
    page.wait_for_load_state("networkidle")
    stored = page.evaluate("({...localStorage, ...sessionStorage})")
    stored.pop(
        "htmx-current-path-for-history", None
    )  # the address without a token: whose return it is, it does not say
    assert stored == {}
    assert page.evaluate("htmx.config.allowEval") is False
    assert page.evaluate("htmx.config.historyCacheSize") == 0

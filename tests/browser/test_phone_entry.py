"""A return entered while the customer is on the telephone: by keys alone, by dragging, resumed, handed over."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import expect

from portal.words import Words
from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def desk(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    """A tab in which an agent has signed in, on the page for a new return."""
    with live_server.app.app_context():
        from portal.services import people

        people.create_user(
            email="ana@people.example", name="Demo Ana", password=PASSWORD, roles={"own": "csr"}, now=now()
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/returns/new")
    page.get_by_label("E-mail").fill("ana@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="New return")).to_be_visible()
    return page


class Keys:
    """Presses keys and counts them; nothing else touches the page."""

    def __init__(self, page: Any) -> None:
        self.page, self.pressed = page, 0

    def __call__(self, *keys: str) -> None:
        for key in keys:
            self.pressed += 1
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.pressed += len(text)
        self.page.keyboard.type(text)


def focused(page: Any, field: str) -> None:
    """Wait until the focus is where the next answer goes."""
    page.wait_for_function(
        "field => document.activeElement && document.activeElement.id === field", arg=field
    )


def settled(page: Any) -> None:
    """Wait until everything that was said is saved and shown."""
    page.wait_for_function("() => !document.querySelector('[aria-busy], .htmx-request')")


def draft_id(page: Any) -> UUID:
    page.wait_for_url("**/prepare*")
    return UUID(page.url.split("/")[5])


@pytest.mark.parametrize("javascript", [True])
def test_a_whole_entry_by_keyboard_alone_loads_no_page(
    world: World, desk: Any, live_server: Server, capsys: Any
) -> None:
    order = world.order()
    ids = {line.sku: line.id for line in order.items}
    loads: list[str] = []
    asked: list[str] = []
    desk.on("request", lambda one: (loads if one.is_navigation_request() else asked).append(one.url))
    press, began = Keys(desk), time.monotonic()
    press("1")
    focused(desk, "q")
    press.type(order.number)
    press("Enter")
    focused(desk, f"add-{ids['SHIRT']}")
    return_id = draft_id(desk)
    press("a")
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    press("Control+Enter")
    line_id = world.lines(return_id)["SHIRT"].id
    focused(desk, f"reason-{line_id}")
    press.type(Words("en").reason("too_small"))
    press("Tab")
    focused(desk, f"condition-{line_id}")
    press.type("un")
    press("Control+Enter")
    desk.wait_for_function("() => ['authorize', 'rate-1'].includes(document.activeElement.id)")
    if desk.evaluate("document.activeElement.id") == "rate-1":
        press("Space", "Control+Enter")
        focused(desk, "authorize")
    press("Enter")
    expect(desk.get_by_role("heading", name="Authorized")).to_be_visible()
    took = time.monotonic() - began
    number = world.dossier(return_id).page.draft.number
    expect(desk.get_by_text(number).first).to_be_visible()
    expect(desk.get_by_text("Romeo").first).to_be_visible()
    live_server.drain()
    expect(desk.get_by_text("Receipt with label by e-mail")).to_be_visible()
    assert loads == []
    assert press.pressed <= 60
    assert desk.url.endswith(f"/admin/returns/{return_id}/entered")
    with capsys.disabled():
        print(f"\na phone entry: {press.pressed} keys, {len(asked)} requests, {took:.1f} s")


@pytest.mark.parametrize("javascript", [True])
def test_items_are_dragged_in_and_out_again(world: World, desk: Any) -> None:
    order = world.order()
    return_id = begin(desk, order)
    mug = {line.sku: line.id for line in order.items}["MUG"]
    desk.locator(f".entry-item[data-line='{mug}'] .item-name").drag_to(desk.locator("#survey"))
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    assert world.lines(return_id)["MUG"].units == 1
    desk.locator("#survey [data-row] legend").drag_to(desk.locator("#lines-title"))
    expect(desk.get_by_text("Nothing chosen yet")).to_be_visible()
    assert world.lines(return_id) == {}


def begin(page: Any, order: Any) -> UUID:
    page.locator("label[for=channel-0]").click()
    page.get_by_label("What does the customer say?").fill(order.number)
    page.get_by_label("What does the customer say?").press("Enter")
    expect(page.get_by_role("heading", name="This return")).to_be_visible()
    return UUID(page.url.split("/")[5])


@pytest.mark.parametrize("javascript", [True])
def test_what_is_typed_while_an_answer_is_on_its_way_stays(world: World, desk: Any) -> None:
    order = world.order()
    return_id = begin(desk, order)
    desk.locator(".entry-item").filter(has_text="Demo shirt").get_by_role("button", name="Add").click()
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    line_id = world.lines(return_id)["SHIRT"].id
    desk.route("**/prepare/survey", lambda route: (time.sleep(0.6), route.continue_()))
    desk.locator(f"#reason-{line_id}").select_option("too_small")
    desk.locator(f"#note-{line_id}").focus()
    desk.wait_for_timeout(250)
    desk.keyboard.type("the sleeves are too short")
    settled(desk)
    desk.wait_for_timeout(1500)
    expect(desk.locator(f"#note-{line_id}")).to_have_value("the sleeves are too short")
    desk.locator("#contact-name").focus()
    settled(desk)
    desk.wait_for_timeout(1200)
    line = world.lines(return_id)["SHIRT"]
    assert (line.reason, line.note) == ("too_small", "the sleeves are too short")


def test_a_draft_is_resumed_where_it_was_left(world: World, desk: Any, javascript: bool) -> None:
    order = world.order()
    return_id = begin(desk, order)
    desk.locator(".entry-item").filter(has_text="Demo shirt").get_by_role("button", name="Add").click()
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    desk.goto("/admin/")
    desk.goto("/admin/returns/new")
    desk.get_by_role("region", name="Your open drafts").get_by_role("link").first.click()
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    focused(desk, f"reason-{world.lines(return_id)['SHIRT'].id}") if javascript else None


def test_the_rest_is_handed_over_and_the_customer_opens_it(
    world: World, desk: Any, visit: Callable[..., Any], live_server: Server, javascript: bool
) -> None:
    return_id = begin(desk, world.order())
    desk.locator("#hand-over").click()
    desk.get_by_role("button", name="Send link").click()
    expect(desk.get_by_role("heading", name="The rest is with Demo Customer")).to_be_visible()
    expect(desk.locator(".code-tile svg")).to_be_visible()
    url = desk.get_by_label("Address to give to the customer").input_value()
    customer = visit(base_url=live_server.url)
    customer.goto(url)
    expect(customer.get_by_role("button", name="Continue")).to_be_visible()
    assert [mail.event for mail in world.dossier(return_id).mails] == ["link"]


@pytest.mark.parametrize("javascript", [True])
def test_the_entry_has_no_accessibility_faults(world: World, desk: Any, live_server: Server) -> None:
    order = world.order()
    desk.get_by_label("What does the customer say?").fill("demo customer")
    expect(desk.get_by_text("1 order found")).to_be_visible()
    assert accessibility_faults(desk) == []
    begin(desk, order)
    desk.locator(".entry-item").filter(has_text="Demo shirt").get_by_role("button", name="Add").click()
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    desk.locator("#hand-over").click()
    assert accessibility_faults(desk) == []
    desk.get_by_role("button", name="Send link").click()
    expect(desk.get_by_role("heading", name="The rest is with Demo Customer")).to_be_visible()
    assert accessibility_faults(desk) == []

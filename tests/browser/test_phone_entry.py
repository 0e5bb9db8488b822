"""A return entered while the customer is on the telephone: by keys alone, by dragging, resumed, handed over."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from playwright.sync_api import expect

from portal.services.filing import returns
from portal.services.persons import people
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
        people.create_user(
            email="ana@people.example", name="Demo Ana", password=PASSWORD, roles={"own": "csr"}, now=now()
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/returns/new")
    page.get_by_label("E-mail").fill("ana@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="New return")).to_be_visible()
    page.wait_for_load_state()  # a key that is pressed before the scripts are there does nothing
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


def onward(page: Any, press: Keys, *fields: str) -> None:
    """Press the key that leads to the next open question, and wait until the focus is there."""
    press("Control+Enter")
    page.wait_for_function(
        "fields => document.activeElement && fields.includes(document.activeElement.id)", arg=list(fields)
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
    desk.on("request", lambda one: loads.append(one.url) if one.is_navigation_request() else None)
    desk.evaluate("() => { window.sameDocument = true }")
    press, began = Keys(desk), time.monotonic()
    press("1")
    focused(desk, "q")
    press.type(order.number)
    press("Enter")
    focused(desk, f"add-{ids['SHIRT']}")
    return_id = draft_id(desk)
    press("a")
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    settled(desk)
    line_id = world.lines(return_id)["SHIRT"].id
    onward(desk, press, f"reason-{line_id}")
    press.type(Words("en").reason("too_small"))
    press("Tab")
    focused(desk, f"condition-{line_id}")
    press.type("un")
    onward(desk, press, "rate-1", "authorize")
    if desk.evaluate("document.activeElement.id") == "rate-1":
        press("Space")
        onward(desk, press, "authorize")
    press("Enter")
    expect(desk.get_by_role("heading", name="Authorized")).to_be_visible()
    took = time.monotonic() - began
    assert took < 60
    number = world.dossier(return_id).page.draft.number
    expect(desk.get_by_text(number).first).to_be_visible()
    expect(desk.get_by_text("Romeo").first).to_be_visible()
    live_server.drain()
    expect(desk.get_by_text("Receipt with label by e-mail")).to_be_visible()
    assert loads == []
    assert desk.evaluate("() => window.sameDocument") is True
    assert press.pressed <= 60
    assert desk.url.endswith(f"/admin/returns/{return_id}/entered")
    with capsys.disabled():
        print(f"\na phone entry: {press.pressed} keys, {took:.1f} s")


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


def is_answer(one: Any) -> bool:
    """Whether this shows what was saved; the page also asks by itself what others have changed."""
    return "/prepare" in one.url and "seen=" not in one.url and one.request.method == "GET"


class Held:
    """Answers to one address wait until they are let go, so that something can happen before they come."""

    def __init__(self, page: Any, address: str | re.Pattern[str]) -> None:
        self.page, self.address = page, address
        self.routes: list[Any] = []
        self.holds = True
        page.route(address, self.keep)

    def keep(self, route: Any) -> None:
        if self.holds:
            self.routes.append(route)
        else:
            route.continue_()

    def wait(self) -> None:
        """Until one request waits here."""
        deadline = time.monotonic() + 30
        while not self.routes:
            assert time.monotonic() < deadline, f"nothing was sent to {self.address}"
            self.page.wait_for_timeout(20)

    def let_go(self) -> None:
        self.holds = False
        for route in self.routes:
            route.continue_()


@pytest.mark.parametrize("javascript", [True])
def test_a_product_and_an_address_are_typed_in_by_keys_where_no_order_is_known(
    world: World, desk: Any
) -> None:
    """Each field is saved when it is left: nothing that was typed goes away, and the focus stays where one types."""
    desk.locator("label[for=channel-0]").click()
    desk.get_by_role("button", name="Go on without an order").click()
    return_id = draft_id(desk)
    desk.get_by_role("button", name="Go on without an order").click()
    settled(desk)
    desk.locator("#name-0").fill("Demo lamp")
    with desk.expect_response(is_answer):
        desk.keyboard.press("Tab")
    settled(desk)
    focused(desk, "sku-0")
    desk.keyboard.type("LAMP")
    with desk.expect_response(is_answer):
        desk.keyboard.press("Tab")
    settled(desk)
    expect(desk.locator("#name-0")).to_have_value("Demo lamp")
    (line,) = world.dossier(return_id).page.draft.lines
    assert (line.name, line.sku, line.units) == ("Demo lamp", "LAMP", 1)
    desk.locator("#address #name").fill("Demo Person")
    with desk.expect_response("**/prepare/address"):
        desk.locator("#street").focus()
    desk.keyboard.type("Beispielweg 12")
    with desk.expect_response("**/prepare/address"):
        desk.locator("#postcode").focus()
    settled(desk)
    focused(desk, "postcode")
    desk.keyboard.type("20359")
    with desk.expect_response("**/prepare/address"):
        desk.locator("#city").focus()
    desk.keyboard.type("Hamburg")
    with desk.expect_response(is_answer):
        desk.keyboard.press("Tab")
    expect(desk.locator("#address summary")).to_contain_text("Beispielweg 12")
    assert world.dossier(return_id).page.draft.address.city == "Hamburg"


@pytest.mark.parametrize("javascript", [True])
def test_what_is_typed_while_orders_are_looked_for_is_looked_for_too(world: World, desk: Any) -> None:
    wanted = world.order(name="Demo Zoe")
    world.order(name="Demo Zacharias")
    held = Held(desk, re.compile(r"/returns/new\?q=Demo(\+|%20)Z$"))
    desk.get_by_label("What does the customer say?").fill("Demo Z")
    held.wait()
    desk.get_by_label("What does the customer say?").fill("Demo Zoe")
    expect(desk.get_by_text("1 order found")).to_be_visible()
    expect(desk.locator("#hit-1")).to_contain_text(wanted.number)


@pytest.mark.parametrize("javascript", [True])
def test_what_is_typed_while_an_answer_is_on_its_way_stays(world: World, desk: Any) -> None:
    return_id, line_id = with_a_shirt(world, desk)
    held = Held(desk, "**/prepare/survey")
    desk.locator(f"#reason-{line_id}").select_option("too_small")
    held.wait()
    desk.locator(f"#note-{line_id}").focus()
    desk.keyboard.type("the sleeves are too short")
    held.let_go()
    expect(desk.get_by_text("allowed", exact=True)).to_be_visible()
    expect(desk.locator(f"#note-{line_id}")).to_have_value("the sleeves are too short")
    with desk.expect_response(is_answer):
        desk.locator("#contact-name").focus()
    line = world.lines(return_id)["SHIRT"]
    assert (line.reason, line.note) == ("too_small", "the sleeves are too short")


@pytest.mark.parametrize("javascript", [True])
def test_a_way_that_is_chosen_while_an_answer_is_on_its_way_is_taken(world: World, desk: Any) -> None:
    """The answer to a condition brings the ways too, as they stood before the click."""
    return_id, line_id = with_a_shirt(world, desk)
    desk.locator(f"#reason-{line_id}").select_option("too_small")
    settled(desk)
    held = Held(desk, "**/prepare/survey")
    desk.locator(f"#condition-{line_id}").select_option("unopened")
    held.wait()
    desk.get_by_label("Print a label").first.check()
    held.let_go()
    expect(desk.locator("#panel").get_by_text("Print a label")).to_be_visible()
    expect(desk.get_by_label("Print a label").first).to_be_checked()
    assert world.dossier(return_id).page.draft.sending.method == "print_at_home"


@pytest.mark.parametrize("javascript", [True])
def test_units_that_are_taken_back_while_they_are_sent_do_not_stay(world: World, desk: Any) -> None:
    return_id, _ = with_a_shirt(world, desk)
    mug = desk.locator(".entry-item").filter(has_text="Demo mug")
    held = Held(desk, "**/prepare/lines")
    mug.get_by_role("button", name="One more").click()
    held.wait()
    mug.get_by_role("button", name="One less").click()
    expect(mug.get_by_role("spinbutton")).to_have_value("0")
    with desk.expect_response(is_answer):
        held.let_go()
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    settled(desk)
    expect(mug.get_by_role("spinbutton")).to_have_value("0")
    assert set(world.lines(return_id)) == {"SHIRT"}


@pytest.mark.parametrize("javascript", [True])
def test_what_the_page_asks_by_itself_does_not_disturb_its_end(
    world: World, desk: Any, live_server: Server
) -> None:
    """Somebody else changes the draft while it is being handed over."""
    return_id, _ = with_a_shirt(world, desk)
    asked: list[str] = []
    desk.on("request", lambda one: asked.append(one.url) if "/prepare?seen=" in one.url else None)
    with desk.expect_request(lambda one: "/prepare?seen=" in one.url):
        change(world, live_server, return_id, "first")
    expect(desk.locator("#contact-phone")).to_have_value("first")
    desk.locator("#hand-over").click()
    held = Held(desk, "**/link")
    desk.get_by_role("button", name="Send link").click()
    held.wait()
    before = len(asked)
    with desk.expect_response(lambda one: "/admin/live" in one.url and one.status == 200):
        change(world, live_server, return_id, "second")
    desk.wait_for_timeout(300)
    assert len(asked) == before
    held.let_go()
    expect(desk.get_by_text("The link goes out by e-mail to")).to_be_visible()
    desk.wait_for_timeout(300)
    expect(desk.get_by_text("The link goes out by e-mail to")).to_be_visible()


def change(world: World, live_server: Server, return_id: UUID, phone: str) -> None:
    """Somebody else writes down a telephone number."""
    with live_server.app.app_context():
        returns.set_customer(
            world.actor("supervisor"),
            return_id,
            name="Demo Customer",
            email="demo.customer@shop.example",
            phone=phone,
            language="en",
            kind="return",
            now=now(),
        )


def with_a_shirt(world: World, desk: Any, **more: Any) -> tuple[UUID, UUID]:
    """A draft with one unit in it, added by its button; the return's id and its line's."""
    return_id = begin(desk, world.order(**more))
    desk.locator(".entry-item").filter(has_text="Demo shirt").get_by_role("button", name="Add").first.click()
    expect(desk.get_by_role("region", name="This return").get_by_text("1 × Demo shirt")).to_be_visible()
    return return_id, world.lines(return_id)["SHIRT"].id


@pytest.mark.parametrize("javascript", [True])
def test_a_photo_that_is_chosen_while_an_answer_is_on_its_way_arrives(
    world: World, desk: Any, tmp_path: Path
) -> None:
    """The field for photos is never replaced while it is used, and what is chosen meanwhile is sent after."""
    return_id, line_id = with_a_shirt(world, desk)
    desk.locator(f"#reason-{line_id}").select_option("defective")
    field = desk.locator(f"#photos-{line_id}")
    expect(field).to_be_visible()
    picture = tmp_path / "shirt.png"
    Image.new("RGB", (40, 30), "navy").save(picture)
    held = Held(desk, "**/prepare/survey")
    with desk.expect_file_chooser() as chooser:
        field.click()
    desk.locator(f"#condition-{line_id}").select_option("damaged")
    held.wait()
    chooser.value.set_files(str(picture))
    held.let_go()
    expect(desk.get_by_alt_text("Photo 1 of Demo shirt")).to_be_visible()
    expect(desk.locator(f"#condition-{line_id}")).to_have_value("damaged")
    assert field.evaluate("one => one.files.length") == 0
    line = world.lines(return_id)["SHIRT"]
    assert (line.reason, line.condition, len(line.photos)) == ("defective", "damaged", 1)


@pytest.mark.parametrize("javascript", [True])
def test_a_file_dialog_that_stands_open_outlives_the_answers(world: World, desk: Any, tmp_path: Path) -> None:
    return_id, line_id = with_a_shirt(world, desk)
    desk.locator(f"#reason-{line_id}").select_option("defective")
    field = desk.locator(f"#photos-{line_id}")
    expect(field).to_be_visible()
    picture = tmp_path / "shirt.png"
    Image.new("RGB", (40, 30), "navy").save(picture)
    with desk.expect_file_chooser() as chooser:
        field.click()
    with desk.expect_response(is_answer):
        desk.locator(f"#condition-{line_id}").select_option("damaged")
    settled(desk)
    chooser.value.set_files(str(picture))
    expect(desk.get_by_alt_text("Photo 1 of Demo shirt")).to_be_visible()
    assert len(world.lines(return_id)["SHIRT"].photos) == 1


@pytest.mark.parametrize("javascript", [True])
def test_what_is_written_for_the_link_stays_while_items_change(world: World, desk: Any) -> None:
    return_id, _line_id = with_a_shirt(world, desk)
    desk.locator("#hand-over").click()
    desk.locator("#link-fold textarea").fill("As we said.")
    desk.locator(".entry-item").filter(has_text="Demo mug").get_by_role("button", name="Add").first.click()
    expect(desk.get_by_text("2 of 5 items · partial")).to_be_visible()
    expect(desk.locator("#link-fold textarea")).to_have_value("As we said.")
    desk.get_by_role("button", name="Send link").click()
    expect(desk.get_by_role("heading", name="The rest is with Demo Customer")).to_be_visible()
    assert world.dossier(return_id).page.draft.note == "As we said."


def test_what_the_policy_refuses_goes_to_a_supervisor_with_a_reason(
    world: World, desk: Any, javascript: bool
) -> None:
    return_id = begin(desk, world.order(days_ago=900))
    shirt = desk.locator(".entry-item").filter(has_text="Demo shirt")
    shirt.get_by_role("button", name="Add all the same").click()
    expect(desk.get_by_text("The policy refuses this.")).to_be_visible()
    line_id = world.lines(return_id)["SHIRT"].id
    desk.get_by_label("What should the supervisor know?").fill("It was a present.")
    desk.locator(f"#reason-{line_id}").select_option("too_small")
    if not javascript:
        desk.get_by_role("button", name="Save answers").click()
    desk.locator(f"#condition-{line_id}").select_option("unopened")
    if not javascript:
        desk.get_by_role("button", name="Save answers").click()
    desk.locator("#rate-1").check()
    if not javascript:
        desk.get_by_role("button", name="Save way of sending").click()
        desk.get_by_label("What should the supervisor know?").fill("It was a present.")
    expect(desk.get_by_text("To authorize it yourself, answer")).to_have_count(0)
    expect(desk.get_by_label("What should the supervisor know?")).to_have_value("It was a present.")
    desk.get_by_role("button", name="Enter and ask a supervisor").click()
    expect(desk.get_by_role("heading", name="Entered, and waiting for a decision")).to_be_visible()
    assert world.state(return_id) == "requested"


@pytest.mark.parametrize("javascript", [True])
def test_two_people_at_one_draft_see_each_other(
    world: World, desk: Any, visit: Callable[..., Any], live_server: Server
) -> None:
    return_id, _line_id = with_a_shirt(world, desk)
    with live_server.app.app_context():
        people.create_user(
            email="ben@people.example", name="Demo Ben", password=PASSWORD, roles={"own": "csr"}, now=now()
        )
    other = visit(base_url=live_server.url, viewport=DESK)
    other.goto(f"/admin/returns/{return_id}/prepare")
    other.get_by_label("E-mail").fill("ben@people.example")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_label("Password").press("Enter")
    expect(other.get_by_text("Demo Ana is looking at this.")).to_be_visible()
    expect(desk.get_by_text("Demo Ben is looking at this.")).to_be_visible(timeout=30_000)


def test_a_draft_is_resumed_where_it_was_left(world: World, desk: Any, javascript: bool) -> None:
    _return_id, line_id = with_a_shirt(world, desk)
    desk.goto("/admin/")
    desk.goto("/admin/returns/new")
    desk.get_by_role("region", name="Your open drafts").get_by_role("link").first.click()
    expect(desk.get_by_text("1 of 5 items · partial")).to_be_visible()
    focused(desk, f"reason-{line_id}")


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


@pytest.mark.parametrize("javascript", [False])
def test_a_whole_entry_works_without_javascript(
    world: World, desk: Any, live_server: Server, tmp_path: Path
) -> None:
    return_id, line_id = with_a_shirt(world, desk)
    desk.locator(f"#reason-{line_id}").select_option("defective")
    desk.locator(f"#condition-{line_id}").select_option("damaged")
    desk.get_by_role("button", name="Save answers").click()
    picture = tmp_path / "shirt.png"
    Image.new("RGB", (40, 30), "navy").save(picture)
    desk.locator(f"#photos-{line_id}").set_input_files(str(picture))
    desk.get_by_role("button", name="Add photos").click()
    expect(desk.get_by_alt_text("Photo 1 of Demo shirt")).to_be_visible()
    desk.get_by_label("Name", exact=True).first.fill("Demo Person")
    desk.get_by_role("button", name="Save contact").click()
    desk.locator("#rate-1").check()
    desk.get_by_role("button", name="Save way of sending").click()
    desk.get_by_role("button", name="Authorize return").click()
    expect(desk.get_by_role("heading", name="Authorized")).to_be_visible()
    draft = world.dossier(return_id).page.draft
    assert (draft.state, draft.name, draft.channel) == ("approved", "Demo Person", "phone")
    assert len(draft.lines[0].photos) == 1
    live_server.drain()
    desk.reload()
    expect(desk.get_by_text("Receipt with label by e-mail")).to_be_visible()


@pytest.mark.parametrize("javascript", [True])
def test_an_entry_that_needs_a_supervisor_has_no_accessibility_faults(world: World, desk: Any) -> None:
    with_a_shirt(world, desk, days_ago=900)
    expect(desk.get_by_text("The policy refuses this.")).to_be_visible()
    settled(desk)
    assert accessibility_faults(desk) == []


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

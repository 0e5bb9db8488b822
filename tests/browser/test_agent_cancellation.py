"""An agent takes items out of an order before it ships, in a real browser: by mouse, by keyboard, without scripts."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests.browsing import DESK, PHONE, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now
from tests.web.canceling import Desk

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
WITH_SCRIPT = pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
WITHOUT = pytest.mark.parametrize("javascript", [False], indirect=True, ids=["nojs"])


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world=world)


@pytest.fixture
def agent(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    """A tab in which a supervisor has signed in by the form."""
    with live_server.app.app_context():
        from portal.services.persons import people

        people.create_user(
            email="boss@people.example",
            name="Demo Boss",
            password=PASSWORD,
            roles={"own": "supervisor"},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("boss@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


def made_by(page: Any) -> UUID:
    expect(page.get_by_text("Proposed. The customer gets an e-mail")).to_be_visible()
    return UUID(page.url.rsplit("/", 1)[-1])


@WITHOUT
def test_without_javascript_it_is_chosen_sent_and_followed(desk: Desk, agent: Any) -> None:
    order = desk.order()
    agent.goto(f"/admin/orders/{order.id}")
    agent.get_by_role("link", name="Cancel items").click()
    agent.get_by_role("button", name="Add Demo mug").click()
    agent.get_by_role("button", name="One more: Demo mug").click()
    agent.get_by_label("Units of Demo mug, up to 3").fill("3")
    agent.get_by_text("E-mail", exact=True).click()
    agent.get_by_role("button", name="Update the estimate").last.click()
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€30.00")
    expect(agent.locator("#script")).to_contain_text("Hello Demo Customer, you asked us")
    agent.get_by_role("button", name="Send to the customer").click()
    made = made_by(agent)
    assert [(line.sku, line.units) for line in desk.found(made).page.lines] == [("MUG", 3)]
    desk.confirm(made)
    agent.get_by_role("link", name="Look again").click()
    expect(agent.get_by_text("Confirmed by the customer")).to_be_visible()


@WITH_SCRIPT
def test_fully_by_keyboard(desk: Desk, agent: Any) -> None:
    """Found, chosen, typed, the channel and the words set, sent: the mouse is never touched."""
    order = desk.order()
    ids = desk.ids(order)
    agent.goto(f"/admin/orders/{order.id}")
    press = agent.keyboard.press
    press("c")
    expect(agent.get_by_role("heading", name=f"Cancel items of order {order.number}")).to_be_visible()
    press("j")
    expect(agent.locator(f"#add-{ids['SHIRT']}")).to_be_focused()
    press("a")
    expect(agent.locator(f"#cancel-{ids['SHIRT']}")).to_have_value("1")
    expect(agent.locator(f"#add-{ids['SHIRT']}")).to_be_focused()
    press("j")
    press("a")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_have_value("1")
    press("w")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_have_value("3")
    press("r")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_have_value("2")
    press("q")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_be_focused()
    agent.keyboard.type("3")
    press("Tab")
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€84.90")  # nothing is left: shipping too
    agent.locator(f"#add-{ids['SHIRT']}").focus()
    press("x")
    expect(agent.locator(f"#cancel-{ids['SHIRT']}")).to_have_count(0)
    expect(agent.locator(f"#add-{ids['SHIRT']}")).to_be_focused()
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€30.00")
    press("3")
    expect(agent.locator("#script")).to_contain_text("I have found your order")
    press("m")
    agent.keyboard.type("As we agreed.")
    press("Tab")
    press("Tab")
    expect(agent.get_by_role("button", name="Send to the customer")).to_be_focused()
    press("Enter")
    made = made_by(agent)
    found = desk.found(made).page
    assert [(line.sku, line.units) for line in found.lines] == [("MUG", 3)]
    assert (found.draft.channel, found.draft.note) == ("chat", "As we agreed.")


@WITH_SCRIPT
def test_the_keys_are_told_on_the_page_and_in_the_sheet(desk: Desk, agent: Any) -> None:
    agent.goto(f"/admin/orders/{desk.order().id}/cancellation")
    expect(agent.get_by_role("heading", name="By keyboard")).to_be_visible()
    agent.keyboard.press("?")
    sheet = agent.get_by_role("dialog", name="Keys")
    expect(sheet).to_contain_text("One unit of this row leaves the order")
    agent.keyboard.press("Escape")
    agent.keyboard.press("s")
    expect(agent.get_by_role("button", name="Send to the customer")).to_be_focused()
    expect(agent.get_by_text("Nothing chosen yet.")).to_be_visible()


@WITH_SCRIPT
def test_items_are_dragged_out_of_the_order_and_back(desk: Desk, agent: Any) -> None:
    order = desk.order()
    ids = desk.ids(order)
    agent.goto(f"/admin/orders/{order.id}/cancellation")
    agent.drag_and_drop(f"#row-{ids['MUG']}", "#leaves .drop")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_have_value("1")
    agent.drag_and_drop(f"#row-{ids['MUG']}", "#leaves .drop")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_have_value("2")
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€20.00")
    agent.drag_and_drop(f"#leaves [data-drag='cancel-{ids['MUG']}'] .item-name", "#bought .card-head")
    expect(agent.get_by_text("Nothing chosen yet.")).to_be_visible()


@WITH_SCRIPT
def test_no_press_is_lost_however_fast_they_come(desk: Desk, agent: Any) -> None:
    order = desk.order()
    ids = desk.ids(order)
    agent.goto(f"/admin/orders/{order.id}/cancellation")
    agent.keyboard.press("j")
    for key in "ajaaajkraa":
        agent.keyboard.press(key)
        agent.wait_for_timeout(40)
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€84.90")
    expect(agent.locator(f"#cancel-{ids['SHIRT']}")).to_have_value("1")
    expect(agent.locator(f"#cancel-{ids['MUG']}")).to_have_value("3")


@WITH_SCRIPT
def test_what_is_typed_around_it_stays_while_the_estimate_changes(desk: Desk, agent: Any) -> None:
    order = desk.order()
    ids = desk.ids(order)
    agent.goto(f"/admin/orders/{order.id}/cancellation")
    agent.get_by_label("Message to the customer").fill("Half a sentence")
    agent.locator(f"#add-{ids['MUG']}").click()
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€10.00")
    expect(agent.get_by_label("Message to the customer")).to_have_value("Half a sentence")
    agent.get_by_label("Units of Demo mug, up to 3").fill("7")
    agent.keyboard.press("Tab")
    expect(agent.locator(f"#against-{ids['MUG']}")).to_be_visible()
    expect(agent.get_by_text("It cannot be sent like this.")).to_be_visible()


@WITH_SCRIPT
def test_the_page_follows_the_customers_answer_within_seconds(
    desk: Desk, agent: Any, visit: Callable[..., Any], live_server: Server
) -> None:
    """The customer confirms on a phone; the agent's page, left open, tells it, and then that the money is sent."""
    order = desk.order()
    agent.goto(f"/admin/orders/{order.id}/cancellation")
    agent.locator(f"#add-{desk.ids(order)['MUG']}").click()
    expect(agent.locator("#sums .breakdown-total dd")).to_have_text("€10.00")
    agent.get_by_role("button", name="Send to the customer").click()
    made = made_by(agent)
    expect(agent.locator("#live")).to_contain_text("Waiting for the customer")
    remind = agent.get_by_role("button", name="Remind the customer")
    remind.focus()
    phone = visit(base_url=live_server.url, viewport=PHONE)
    phone.goto(desk.url(made))
    if phone.get_by_role("button", name="Continue").count():
        phone.get_by_role("button", name="Continue").click()
    expect(agent.locator("#live")).to_contain_text("opened", timeout=5_000)
    expect(remind).to_be_focused()  # a page brought up to date leaves the reader where they were
    phone.get_by_role("button", name="Cancel these items").click()
    expect(agent.locator("#live .timeline")).to_contain_text("Confirmed by the customer", timeout=5_000)
    expect(remind).to_have_count(0)
    live_server.drain()
    expect(agent.locator("#live .timeline")).to_contain_text("Refunded", timeout=5_000)
    expect(agent.locator("#live")).not_to_have_attribute("hx-trigger", "every 2s")
    assert desk.state(made) == "closed"


@WITH_SCRIPT
def test_no_page_of_it_has_a_barrier(desk: Desk, agent: Any, live_server: Server) -> None:
    """Every kind of page, light and dark, on a phone and on a desk."""
    order = desk.mixed()
    ids = desk.ids(order)
    waits, gone = desk.propose({"VASE": 1, "LAMP": 1}, order), desk.propose()
    desk.confirm(gone)
    live_server.drain()
    faults = []
    agent.goto(f"/admin/orders/{order.id}/cancellation")
    for sku in ("PLAN", "BOOK"):
        agent.locator(f"#add-{ids[sku]}").click()
        expect(agent.locator(f"#none-{ids[sku]}")).to_be_visible()
    faults += [f"chosen: {fault}" for fault in accessibility_faults(agent)]
    for path in (
        "/admin/",
        "/admin/cancellations",
        "/admin/cancellations?q=nothing-like-it",
        f"/admin/cancellations/{waits}",
        f"/admin/cancellations/{gone}",
        f"/admin/cancellations/{waits}/withdrawal",
        f"/admin/orders/{order.id}",
        f"/admin/orders/{order.id}/cancellation",
    ):
        assert agent.goto(path).status == 200, path
        faults += [f"{path}: {fault}" for fault in accessibility_faults(agent)]
    assert not faults, "\n".join(faults)

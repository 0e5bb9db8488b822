"""An agent at the desk, in a real browser, with JavaScript and without: what people do all day."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests import builders
from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def desk(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
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


def begin(page: Any, order: Any) -> UUID:
    """Find the customer by e-mail, take the order over, and go on."""
    page.get_by_role("navigation", name="Desk").get_by_role("link", name="New return").click()
    page.locator("label[for=channel-0]").click()
    page.get_by_label("What does the customer say?").fill(order.number)
    page.get_by_label("What does the customer say?").press("Enter")
    expect(page.get_by_role("heading", name="New return for Demo Customer")).to_be_visible()
    return UUID(page.url.split("/")[5])


def take_shirt(page: Any, javascript: bool) -> None:
    page.get_by_role("button", name="One more: Demo shirt").click()
    expect(page.get_by_text("1 of 5 items · partial")).to_be_visible()
    if javascript:
        expect(page.locator("#panel .breakdown-total dd")).to_have_text("€50.00")


def answer(page: Any) -> None:
    page.get_by_label("Reason", exact=True).select_option("arrived_late")
    if page.evaluate("'script' in document.documentElement.dataset"):
        expect(page.locator("#survey")).not_to_have_attribute("aria-busy", "true")
    page.get_by_label("Condition", exact=True).select_option("unopened")
    if not page.evaluate("'script' in document.documentElement.dataset"):
        page.get_by_role("button", name="Save answers").click()
    asked = page.locator("#panel").get_by_role("listitem").filter(has_text="Reason and condition")
    expect(asked).to_contain_text("Done")


def test_an_agent_creates_a_whole_return_and_authorizes_it(
    world: World, desk: Any, javascript: bool, live_server: Server
) -> None:
    return_id = begin(desk, world.order())
    take_shirt(desk, javascript)
    answer(desk)
    desk.get_by_label("Print a label").first.check()
    if javascript:
        expect(desk.locator("#panel").get_by_text("Print a label")).to_be_visible()
    else:
        desk.get_by_role("button", name="Save way of sending").click()
    desk.get_by_role("button", name="Authorize return").click()
    expect(desk.get_by_role("heading", name="Authorized")).to_be_visible()
    live_server.drain()
    found = world.dossier(return_id)
    assert found.page.draft.state == "approved"
    assert {"label", "receipt"} <= {paper["kind"] for paper in found.documents}
    assert [mail.state for mail in found.mails if mail.event == "approved"] == ["sent"]
    desk.get_by_role("link", name="Open this return").click()
    expect(desk.get_by_role("heading", name=found.page.draft.number)).to_be_visible()
    expect(desk.get_by_text(found.parcels[0].tracking_number).first).to_be_visible()


def test_an_agent_prepares_a_link_and_the_customer_finds_the_items(
    world: World, desk: Any, javascript: bool, visit: Callable[..., Any], live_server: Server
) -> None:
    return_id = begin(desk, world.order())
    take_shirt(desk, javascript)
    desk.locator("#hand-over").click()
    desk.get_by_label("Note for the customer").fill("Sorry about that.")
    desk.get_by_role("button", name="Send link").click()
    expect(desk.get_by_text("The link goes out by e-mail to")).to_be_visible()
    url = desk.get_by_label("Address to give to the customer").input_value()
    expect(desk.locator(".code-tile svg")).to_be_visible()
    copy = desk.get_by_role("button", name="Copy link")
    if javascript:
        copy.click()
        expect(desk.locator("#said")).to_have_text("Copied")
    else:
        expect(copy).to_be_hidden()
    customer = visit(base_url=live_server.url)
    customer.goto(url)
    expect(customer.get_by_text("Sorry about that.")).to_be_visible()
    assert "/l/" not in customer.url
    assert world.state(return_id) == "draft"
    desk.get_by_role("link", name="Extend or revoke").click()
    desk.get_by_role("button", name="Revoke link").click()
    expect(desk.get_by_text("The link is revoked.")).to_be_visible()


def test_a_return_is_declined_and_that_is_undone(world: World, desk: Any) -> None:
    return_id = world.requested()
    desk.goto("/admin/")
    desk.get_by_role("link", name=world.dossier(return_id).page.draft.number).first.click()
    desk.get_by_role("link", name="Decline return").click()
    desk.get_by_label("Reason").select_option("excessive_wear")
    desk.get_by_label("Message to the customer").fill("It was worn for long.")
    desk.get_by_role("button", name="Decline return").click()
    expect(desk.get_by_text("It was worn for long.").first).to_be_visible()
    desk.get_by_role("button", name="Undo decline").click()
    expect(desk.get_by_role("button", name="Approve return")).to_be_visible()
    assert world.state(return_id) == "requested"


def test_fewer_units_arrive_are_inspected_and_refunded(
    world: World, desk: Any, live_server: Server, javascript: bool
) -> None:
    return_id = world.confirmed({"MUG": 3})
    desk.goto(f"/admin/returns/{return_id}")
    desk.get_by_role("link", name="Receive goods").click()
    for counted in ("1", "2"):
        desk.get_by_role("button", name="+1 Demo mug").click()
        expect(desk.locator(".dock-number strong")).to_have_text(counted)
    desk.locator("#dock-save").click()
    expect(desk.locator("#flash")).to_contain_text("is saved")
    desk.get_by_role("link", name="Show return").click()
    expect(desk.locator("main").get_by_text("Partly received").first).to_be_visible()
    desk.get_by_role("link", name="Inspect goods").click()
    desk.get_by_role("button", name="All 2 Demo mug").click()
    expect(desk.locator(".dock-number strong")).to_have_text("2")
    desk.locator("label", has=desk.locator("#h-0-grade-A")).click()
    if not javascript:
        desk.get_by_role("button", name="Update").click()
    expect(desk.locator("#h-0-disposition")).to_be_visible()
    desk.locator("#dock-save").click()
    expect(desk.locator("#flash")).to_contain_text("is saved")
    desk.get_by_role("link", name="Show return").click()
    desk.get_by_role("link", name="Refund", exact=True).click()
    expect(desk.get_by_role("heading", name="What is refunded, and why")).to_be_visible()
    desk.get_by_role("button", name=re.compile("^Refund €")).click()
    live_server.drain()
    found = world.dossier(return_id)
    assert [(refund.state, refund.breakdown.lines[0].spans) for refund in found.refunds] == [
        ("succeeded", ((0, 2),))
    ]
    desk.reload()
    expect(desk.get_by_text(found.refunds[0].number).first).to_be_visible()


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_no_page_of_the_desk_has_a_barrier(world: World, desk: Any, live_server: Server) -> None:
    """Every kind of page, light and dark, on a phone and on a desk."""
    order = world.order()
    draft = world.draft(order)
    with live_server.app.app_context():
        from portal.services import links
        from portal.services.filing import returns
        from portal.services.refunding import refunds

        boss, site = world.actor(), live_server.app.extensions["site"]
        returns.choose_lines(boss, draft, builders.chosen(order, {"SHIRT": 1, "MUG": 2}), now=now())
        returns.set_address(boss, draft, builders.HOME, now=now())
        link = links.send_link(boss, draft, site=site, now=now())
    typed = world.draft()
    requested, confirmed, received, inspected = (
        world.requested(),
        world.confirmed(),
        world.received(),
        world.inspected({"MUG": 2}),
    )
    with live_server.app.app_context():
        failing = builders.an_order(
            world.gateways, world.own, (builders.an_item("SHIRT", 1, "50.00"),),
            paid=(builders.a_payment(ending="-fails"),), now=now(),
        )  # fmt: skip
        failed = builders.came_back(world.gateways, world.own, failing, now=now(), site=site)
        refund = refunds.propose(world.actor(), failed, now=now())
    live_server.drain()
    mail = next(one for one in world.dossier(confirmed).mails if one.event == "approved")
    pages = ["/admin/", "/admin/returns", "/admin/returns?q=nothing-like-it", "/admin/returns/new"]
    pages += [
        "/admin/returns/new?q=demo",
        "/admin/orders",
        f"/admin/orders/{order.id}",
        "/admin/refunds",
    ]
    pages += [f"/admin/returns/{draft}/prepare"]
    pages += [f"/admin/returns/{typed}/prepare", f"/admin/returns/{draft}/link", f"/admin/returns/{draft}"]
    pages += [f"/admin/returns/{draft}/links/{link.id}", f"/admin/returns/{draft}/links/{link.id}/paper"]
    pages += [
        f"/admin/returns/{requested}",
        f"/admin/returns/{requested}/decline",
        f"/admin/returns/{confirmed}",
    ]
    pages += [f"/admin/dock/returns/{confirmed}", f"/admin/dock/returns/{received}?mode=grade"]
    pages += [f"/admin/returns/{inspected}{page}" for page in ("", "/refund", "/closure")]
    pages += [
        f"/admin/returns/{failed}",
        f"/admin/refunds/{refund}/cancellation",
        f"/admin/messages/{mail.id}",
    ]
    pages += ["/admin/durable-work"]
    faults = []
    for path in pages:
        assert desk.goto(path).status == 200, path
        faults += [f"{path}: {fault}" for fault in accessibility_faults(desk)]
    desk.goto(f"/admin/returns/{requested}/decline")
    desk.locator("form.card").evaluate("form => form.submit()")
    expect(desk.locator(".error-summary")).to_be_focused()
    faults += [f"declined without words: {fault}" for fault in accessibility_faults(desk)]
    desk.context.clear_cookies()
    desk.goto("/admin/sign-in")
    faults += [f"signing in: {fault}" for fault in accessibility_faults(desk)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_the_keyboard_finds_and_opens_a_return(world: World, desk: Any) -> None:
    return_id = world.confirmed()
    number = world.dossier(return_id).page.draft.number
    desk.goto("/admin/orders")
    desk.keyboard.press("/")
    expect(desk.get_by_label("Search returns and orders")).to_be_focused()
    desk.keyboard.type(number)
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name=number)).to_be_visible()
    desk.goto("/admin/")
    desk.keyboard.press("j")
    expect(desk.get_by_role("link", name=number).first).to_be_focused()
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("heading", name=number)).to_be_visible()
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog", name="Keys")).to_be_visible()


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_the_list_answers_while_somebody_types(world: World, desk: Any) -> None:
    return_id = world.confirmed()
    world.draft(name="Somebody Else", email="else@customer.example")
    desk.goto("/admin/returns")
    desk.get_by_label("Search returns and orders").press_sequentially("somebody", delay=20)
    expect(desk.locator("#rows tbody tr")).to_have_count(1)
    expect(desk.get_by_label("Search returns and orders")).to_be_focused()
    desk.wait_for_url("**?q=somebody")
    assert world.state(return_id) == "approved"

"""Stock in a real browser: on a phone and on a desk, light and dark, with and without JavaScript."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.services.persons import people
from tests.browsing import DESK, accessibility_faults
from tests.services.cancelling import canceled, goods, unshipped
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    """Two products, one with a cancellation; and a person of the dock."""
    world = a_world(live_server.app)
    with live_server.app.app_context():
        people.create_user(
            email="dock@people.example", name="Demo Dock", password=PASSWORD, roles={"own": "supervisor"}, now=now()
        )  # fmt: skip
        lines = (goods("MUG-BLUE-330", 4, "9.33"), goods("HAT-WOOL", 2, "20.00", shipped=1))
        canceled(world.gateways, world.own, unshipped(world.gateways, world.own, *lines), {"MUG-BLUE-330": 2})
    return world


def signed_in(page: Any) -> Any:
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("dock@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


@pytest.mark.parametrize("javascript", [True])
def test_stock_can_be_read_by_everybody(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    page = signed_in(visit(base_url=live_server.url, viewport=DESK))
    page.goto("/admin/stock")
    product = page.get_by_role("link", name="MUG-BLUE-330").get_attribute("href")
    page.goto("/admin/channels")
    message = page.get_by_role("link", name="Taken out of the order").get_attribute("href")
    faults = []
    for path in (
        "/admin/stock",
        "/admin/stock?q=nothing",
        product,
        f"{product}/available/count",
        "/admin/channels",
        message,
        "/admin/channels?state=failed",
    ):
        page.goto(path)
        faults += [f"{path}: {fault}" for fault in accessibility_faults(page)]
    assert faults == []


def test_somebody_looks_for_a_product_and_counts_it(world: World, live_server: Server, page: Any) -> None:
    signed_in(page).goto("/admin/stock")
    page.get_by_label("SKU or product").fill("mug")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="HAT-WOOL")).to_have_count(0)
    page.get_by_role("link", name="MUG-BLUE-330").click()
    page.get_by_role("link", name="Correct Available").click()
    page.get_by_label("Units counted").fill("1")
    page.get_by_label("Reason").fill("One was broken on the shelf")
    page.get_by_role("button", name="Correct the stock").click()
    expect(page.get_by_role("heading", name="MUG-BLUE-330")).to_be_visible()
    expect(page.get_by_text("One was broken on the shelf")).to_be_visible()

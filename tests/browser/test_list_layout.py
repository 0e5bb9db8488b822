"""The list of returns as it lies on a desk's screen."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import DESK, accessibility_faults
from tests.web.admin_world import PASSWORD, World, a_world

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True]),
]

LONG = "somebody.with.a.rather.long.name.of.two.parts@mail.department.customer.example"


@pytest.mark.parametrize("shops", [1, 2])
def test_long_addresses_push_no_column_over_the_edge(live_server: Any, page: Page, shops: int) -> None:
    world: World = a_world(live_server.app)
    world.draft(name="Demo Customer-Of-A-Shop", email=LONG)
    world.requested()
    world.signed_in("supervisor", merchants=(world.own, world.other)[:shops])
    page.set_viewport_size(DESK)
    page.goto("/admin/sign-in")
    page.get_by_label("E-mail").fill(f"supervisor-{shops}@people.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Inbox")).to_be_visible()
    page.goto("/admin/returns")
    expect(page.get_by_role("columnheader", name="Shop")).to_have_count(shops - 1)
    frame = page.locator("#rows .table-frame")
    wide, room = frame.evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert wide <= room
    shown = page.get_by_text(LONG, exact=True)
    expect(shown).to_have_attribute("title", LONG)
    assert accessibility_faults(page) == []


def test_customers_are_searched_as_one_types_and_opened_by_keys(live_server: Any, page: Page) -> None:
    world: World = a_world(live_server.app)
    world.draft(name="Demo Customer-Of-A-Shop", email=LONG)
    world.order(email="zoe@customer.example", name="Zoë Demo")
    world.order(email="and." + LONG, name="")
    world.signed_in("supervisor")
    page.set_viewport_size(DESK)
    page.goto("/admin/sign-in")
    page.get_by_label("E-mail").fill("supervisor-0@people.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Customers").click()
    expect(page.get_by_role("heading", level=1, name="Customers")).to_be_visible()
    frame = page.locator("#rows .table-frame")
    wide, room = frame.evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert wide <= room
    assert accessibility_faults(page) == []
    page.get_by_label("Name, e-mail or phone").fill("zoe")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.get_by_label("Name, e-mail or phone").blur()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="Zoë Demo")).to_be_visible()

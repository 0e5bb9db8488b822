"""The list of returns from the keyboard alone, with the sheet that says which keys there are."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import accessibility_faults
from tests.web.admin_world import a_world

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True]),
]


def test_a_list_is_walked_searched_and_left_by_keys(live_server: Any, page: Page) -> None:
    world = a_world(live_server.app)
    first, second = world.requested(), world.requested()
    world.signed_in("supervisor")
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("supervisor-0@people.example")
    page.get_by_label("Password", exact=True).fill("a password for tests")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Inbox")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1, name="Returns")).to_be_visible()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("Go to the returns")
    assert accessibility_faults(page) == []
    page.keyboard.press("?")
    expect(sheet).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{first}")
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1, name="Returns")).to_be_visible()
    page.keyboard.press("/")
    number = world.dossier(second).page.draft.number or ""
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{second}")

"""The list of returns while it is filtered and searched: the file, the saved list and each form mean what is seen."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browsing import DESK
from tests.web.admin_world import PASSWORD, a_world

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True]),
]


def test_what_is_filtered_is_what_is_searched_saved_and_taken_away(live_server: Any, page: Page) -> None:
    world = a_world(live_server.app)
    world.requested()
    world.received()
    world.draft(name="Somebody Else")
    world.signed_in("supervisor")
    page.set_viewport_size(DESK)
    page.goto("/admin/sign-in")
    page.get_by_label("E-mail").fill("supervisor-0@people.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Inbox")).to_be_visible()
    page.goto("/admin/returns")
    rows, file = page.locator("tr[data-row]"), page.get_by_role("link", name="This list as CSV")
    expect(rows).to_have_count(3)

    def state(code: str) -> Locator:
        return page.locator(f'#filter-form input[name="state"][value="{code}"]')

    page.get_by_text("Filter, sort, columns").click()
    page.locator("#filter-form summary", has_text="State").click()
    state("requested").check()
    state("draft").check()
    expect(rows).to_have_count(2)
    expect(file).to_have_attribute("href", "/admin/returns.csv?state=draft&state=requested")
    page.get_by_label("Search returns and orders").press_sequentially("somebody")
    expect(rows).to_have_count(1)
    expect(file).to_have_attribute("href", "/admin/returns.csv?q=somebody&state=draft&state=requested")
    state("requested").uncheck()
    expect(file).to_have_attribute("href", "/admin/returns.csv?q=somebody&state=draft")
    expect(rows).to_have_count(1)
    page.get_by_text("Save this list").click()
    page.get_by_label("Name of the list").fill("Drafts of somebody")
    page.get_by_role("button", name="Save list").click()
    expect(page).to_have_url(re.compile(r"/admin/returns\?q=somebody&state=draft$"))
    page.get_by_role("link", name="Search: somebody").click()
    expect(page.get_by_label("Search returns and orders")).to_have_value("")
    expect(file).to_have_attribute("href", "/admin/returns.csv?state=draft")

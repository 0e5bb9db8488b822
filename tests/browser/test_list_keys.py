"""The list of returns from the keyboard alone, with the sheet that says which keys there are."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.services.handling import assigning, tags
from portal.services.persons import people
from tests.browsing import accessibility_faults
from tests.web.admin_world import World, a_world, now

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True]),
]


def signed_in(page: Page, world: World) -> None:
    world.signed_in("supervisor")
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("supervisor-0@people.example")
    page.get_by_label("Password", exact=True).fill("a password for tests")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1, name="Inbox")).to_be_visible()


def the_list(page: Page) -> None:
    page.wait_for_load_state()  # a key that is pressed before the scripts are there does nothing
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1, name="Returns")).to_be_visible()
    page.wait_for_load_state()


def number_of(world: World, return_id: Any) -> str:
    return world.dossier(return_id).page.draft.number or ""


def test_a_list_is_walked_searched_and_left_by_keys(live_server: Any, page: Page) -> None:
    world = a_world(live_server.app)
    first, second = world.requested(), world.requested()
    signed_in(page, world)
    the_list(page)
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("Go to the returns")
    assert accessibility_faults(page) == []
    page.keyboard.press("?")
    expect(sheet).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name=number_of(world, first), exact=True)).to_be_focused()
    page.keyboard.press("k")
    expect(page.get_by_role("link", name=number_of(world, second), exact=True)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{first}")
    the_list(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{second}")
    the_list(page)
    page.keyboard.press("/")
    page.keyboard.type(number_of(world, second))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{second}")


def test_rows_are_approved_declined_and_written_to_by_keys(live_server: Any, page: Page) -> None:
    world = a_world(live_server.app)
    oldest, middle, newest = world.requested(), world.requested(), world.requested()
    signed_in(page, world)
    the_list(page)
    page.keyboard.press("j")
    page.keyboard.press("a")  # the row alone
    expect(page.get_by_role("status").filter(has_text="1 done, 0 not done")).to_be_visible()
    assert [world.dossier(one).page.draft.state for one in (oldest, middle, newest)] == [
        "requested", "requested", "approved",
    ]  # fmt: skip
    page.wait_for_load_state()
    page.keyboard.press("u")
    expect(page.get_by_role("heading", level=1, name="Take decisions back")).to_be_visible()
    the_list(page)
    for key in ("j", "x", "j", "x", "j"):
        page.keyboard.press(key)
    expect(page.get_by_role("checkbox", name=f"Choose {number_of(world, middle)}")).to_be_checked()
    page.keyboard.press("a")  # those that were chosen, and not the row that is only looked at
    expect(page.get_by_role("status").filter(has_text="2 done, 0 not done")).to_be_visible()
    assert world.dossier(oldest).page.draft.state == "requested"
    the_list(page)
    for key in ("j", "j", "j", "d"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1, name="1 return chosen")).to_be_visible()
    page.get_by_label("Reason").select_option(index=1)
    page.get_by_role("button", name="Decline all").click()
    expect(page.get_by_role("status").filter(has_text="1 done, 0 not done")).to_be_visible()
    assert world.dossier(oldest).page.draft.state == "declined"
    the_list(page)
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{newest}#message")
    expect(page.get_by_label("Message to the customer")).to_be_focused()


def shown_keys(page: Page) -> dict[str, str]:
    """What the sheet lists: keys -> what they do."""
    page.wait_for_load_state()
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    expect(sheet).to_be_visible()
    rows = sheet.locator("dl > div:visible").all()
    found = {" ".join(one.locator("kbd").all_inner_texts()): one.locator("dd").inner_text() for one in rows}
    page.keyboard.press("?")
    expect(sheet).to_be_hidden()
    return found


def test_the_sheet_lists_what_works_on_the_page_and_nothing_else(live_server: Any, page: Page) -> None:
    world = a_world(live_server.app)
    signed_in(page, world)
    the_list(page)
    empty = shown_keys(page)
    assert not {"j", "k", "x", "o", "Enter", "a", "d", "e"} & set(empty)
    assert {"/", "?", "n", "g r"} <= set(empty)
    requested = world.requested()
    page.reload()
    rows = shown_keys(page)
    assert {"j", "k", "x", "o", "Enter", "a", "d", "e"} <= set(rows)
    assert set(empty) < set(rows)
    page.goto(f"/admin/returns/{requested}")
    one = shown_keys(page)
    assert (one["a"], one["d"], one["e"]) == ("Approve return", "Decline return", "Message to the customer")
    assert not {"x", "o"} & set(one)
    for keys in set(rows) | set(one):
        if keys.startswith("g ") or keys == "n":  # each leads somewhere
            page.goto("/admin/returns")
            for key in keys.split():
                page.keyboard.press(key)
            expect(page).not_to_have_url(
                re.compile(r"/admin/returns$") if keys != "g r" else re.compile("^$")
            )


def test_tags_and_assignee_show_themselves_anew(live_server: Any, page: Page) -> None:
    world = a_world(live_server.app)
    return_id = world.requested()
    signed_in(page, world)
    world.signed_in("csr")
    page.goto(f"/admin/returns/{return_id}")
    page.get_by_label("Another tag").fill("gift")
    page.get_by_role("button", name="Add tag").click()
    mine = page.get_by_role("button", name=re.compile("^gift"))
    expect(mine).to_be_visible()
    expect(page).to_have_url(f"{live_server.url}/admin/returns/{return_id}")  # a part of the page alone
    with live_server.app.app_context():
        colleague = people.named("csr-0@people.example")
        assert colleague is not None
        tags.add(colleague, return_id, "wardrobing", now=now())
        assigning.assign(colleague, return_id, colleague.id, now=now())
        name = assigning.name_of(colleague.id)
    expect(page.get_by_role("button", name=re.compile("wardrobing"))).to_be_visible()
    expect(page.locator("#assignee p").first).to_have_text(name)
    mine.click()
    expect(mine).to_be_hidden()
    page.get_by_role("button", name="Undo: put “gift” on again").click()
    expect(mine).to_be_visible()

"""Two people on one return: each sees the other, and who comes second is shown both versions."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import expect

from tests.browser.test_live import signed_in
from tests.browsing import accessibility_faults
from tests.serving import Server
from tests.web.admin_world import World, a_world

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"]),
]


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


def test_two_people_see_each_other_and_the_second_write_is_refused(
    world: World, live_server: Server, visit: Callable[..., Any]
) -> None:
    asked = world.requested({"MUG": 3})
    agent = signed_in(live_server, visit, "agent", "csr")
    boss = signed_in(live_server, visit, "boss", "supervisor")
    agent.goto(f"/admin/returns/{asked}/decision")
    expect(agent.locator("#presence")).to_be_empty()
    agent.get_by_label("Approved").fill("1")
    agent.get_by_label("Why refused").select_option("other")
    boss.goto(f"/admin/returns/{asked}")
    expect(boss.locator("#presence")).to_contain_text("Demo agent is deciding this.", timeout=15_000)
    expect(agent.locator("#presence")).to_contain_text("Demo boss is looking at this.", timeout=15_000)
    assert agent.get_by_label("Approved").input_value() == "1"

    boss.get_by_role("button", name="Approve return").click()
    expect(boss.locator("#flash")).to_contain_text("Approved.")
    agent.get_by_role("button", name="Save the decision").last.click()
    expect(agent.get_by_role("heading", name="Somebody changed this meanwhile")).to_be_visible()
    row = agent.get_by_role("row").filter(has_text="Demo mug")
    expect(row).to_contain_text("1 approved")
    expect(row).to_contain_text("3 approved")
    expect(agent.get_by_text("By Demo boss")).to_be_visible()
    assert accessibility_faults(agent) == []
    assert world.lines(asked)["MUG"].authorized == 3
    agent.get_by_role("button", name="Send mine all the same").click()
    expect(agent.locator("#flash")).to_contain_text("1 unit approved. 2 units refused.")
    assert world.lines(asked)["MUG"].authorized == 1


def test_two_at_the_dock_see_each_other_and_the_second_count_is_sent_again(
    world: World, live_server: Server, visit: Callable[..., Any]
) -> None:
    back = world.confirmed({"MUG": 3})
    one = signed_in(live_server, visit, "dock", "warehouse")
    two = signed_in(live_server, visit, "boss", "supervisor")
    one.goto(f"/admin/dock/returns/{back}")
    one.get_by_role("button", name="+1 Demo mug").click()
    expect(one.locator(".dock-number strong")).to_have_text("1")
    two.goto(f"/admin/dock/returns/{back}")
    expect(two.locator("#presence")).to_contain_text("Demo dock is receiving this.", timeout=15_000)
    expect(one.locator("#presence")).to_contain_text("Demo boss is receiving this.", timeout=15_000)
    two.get_by_role("button", name="+1 Demo mug").click()
    expect(two.locator(".dock-number strong")).to_have_text("1")
    expect(two.locator("#presence")).to_contain_text("Demo dock is receiving this.")  # a scan keeps it
    two.locator("#dock-save").click()
    expect(two.locator("#flash")).to_contain_text("is saved")

    one.locator("#dock-save").click()
    row = one.get_by_role("row").filter(has_text="Demo mug")
    expect(row).to_contain_text("1 × not graded")
    expect(row).to_contain_text("1 of 3 arrived")
    expect(one.get_by_text("By Demo boss")).to_be_visible()
    assert accessibility_faults(one) == []
    assert world.lines(back)["MUG"].received == 1
    one.get_by_role("button", name="Send mine all the same").click()
    expect(one.locator("#flash")).to_contain_text("is saved")
    assert world.lines(back)["MUG"].received == 2


def test_two_people_enter_one_draft_and_neither_loses_what_they_type(
    world: World, live_server: Server, visit: Callable[..., Any]
) -> None:
    one = signed_in(live_server, visit, "agent", "csr")
    two = signed_in(live_server, visit, "boss", "supervisor")
    one.goto("/admin/returns/new")
    one.locator("label[for=channel-0]").click()
    one.get_by_label("What does the customer say?").fill(world.order().number)
    one.get_by_label("What does the customer say?").press("Enter")
    one.get_by_role("button", name="Add Demo shirt").click()
    expect(one.locator("#survey").get_by_text("Demo shirt").first).to_be_visible()
    draft = UUID(one.url.split("/")[5])
    two.goto(f"/admin/returns/{draft}/prepare")
    expect(one.locator("#presence")).to_contain_text("Demo boss is looking at this.", timeout=15_000)

    note = one.locator("#survey textarea").first
    note.focus()
    one.keyboard.type("the sleeves ")
    two.get_by_role("button", name="Add Demo mug").click()
    expect(two.locator("#survey").get_by_text("Demo mug").first).to_be_visible()
    expect(one.locator("#lines .item-chosen").filter(has_text="Demo mug")).to_be_visible()
    expect(note).to_be_focused()
    one.keyboard.type("are too short")
    expect(note).to_have_value("the sleeves are too short")
    one.locator("#contact-name").focus()
    expect(one.locator("#survey").get_by_text("Demo mug").first).to_be_visible()
    expect(one.locator("#survey textarea").first).to_have_value("the sleeves are too short")
    expect(two.locator("#survey textarea").first).to_have_value("the sleeves are too short")

    mine, theirs = (page.locator("#survey textarea").last for page in (one, two))
    mine.focus()
    one.keyboard.type("mine")
    theirs.focus()
    two.keyboard.type("theirs")
    two.keyboard.press("Tab")
    wait_for_note(world, draft, "MUG", "theirs")
    one.keyboard.press("Tab")
    expect(one.get_by_role("heading", name="Somebody changed this meanwhile")).to_be_visible()
    row = one.get_by_role("row").filter(has_text="Demo mug: Note")
    expect(row).to_contain_text("mine")
    expect(row).to_contain_text("theirs")
    expect(one.get_by_text("By Demo boss")).to_be_visible()
    assert accessibility_faults(one) == []
    one.get_by_role("button", name="Send mine all the same").click()
    expect(one.locator("#survey textarea").last).to_have_value("mine")
    expect(theirs).to_have_value("mine")


def wait_for_note(world: World, draft: UUID, sku: str, note: str) -> None:
    for _ in range(100):
        if world.lines(draft)[sku].note == note:
            return
        time.sleep(0.05)
    raise AssertionError(f"{note} was not saved")

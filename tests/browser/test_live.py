"""What changes elsewhere shows by itself within two seconds, and never under the hands of whoever types."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browsing import DESK, PHONE, accessibility_faults
from tests.builders import a_customer
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"]),
]


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def boss(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    return signed_in(live_server, visit, "boss", "supervisor")


def signed_in(
    live_server: Server, visit: Callable[..., Any], name: str, role: str, *, size: Any = DESK
) -> Any:
    with live_server.app.app_context():
        from portal.services.persons import people

        people.create_user(
            email=f"{name}@people.example",
            name=f"Demo {name}",
            password=PASSWORD,
            roles={"own": role},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=size)
    page.goto("/admin/")
    page.get_by_label("E-mail").fill(f"{name}@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


def test_the_inbox_updates_while_another_works(
    world: World, boss: Any, live_server: Server, visit: Callable[..., Any]
) -> None:
    """The journey: one looks at the inbox, another decides; nobody reloads."""
    waiting = world.requested()
    number = world.dossier(waiting).page.draft.number or ""
    expect(boss.locator("#inbox")).to_contain_text(number, timeout=30_000)
    agent = signed_in(live_server, visit, "agent", "csr")
    expect(agent.locator("#inbox")).to_contain_text(number)
    boss.evaluate("window.neverReloaded = true")
    agent.evaluate("window.neverReloaded = true")
    with live_server.app.app_context():
        from portal.services.handling import deciding

        deciding.decline(world.actor("supervisor"), waiting, reason="other", message="No", now=now())
    for page in (boss, agent):
        expect(page.locator("#inbox")).not_to_contain_text(number, timeout=30_000)
        assert page.evaluate("window.neverReloaded") is True


def test_the_question_is_asked_within_two_seconds_of_the_last_answer(world: World, boss: Any) -> None:
    boss.clock.install()
    boss.goto("/admin/")
    for _ in range(3):
        with boss.expect_response(lambda answer: "/admin/live" in answer.url) as asked:
            boss.clock.run_for(2_000)
        asked.value.finished()


def test_the_list_and_the_expected_parcels_follow_what_happens_elsewhere(
    world: World, boss: Any, live_server: Server, visit: Callable[..., Any]
) -> None:
    dock = signed_in(live_server, visit, "dock", "warehouse")
    boss.goto("/admin/returns?state=requested")
    dock.goto("/admin/dock/expected")
    asked = world.requested()
    number = world.dossier(asked).page.draft.number or ""
    expect(boss.locator("#rows")).to_contain_text(number)
    expect(dock.locator("#expected")).not_to_contain_text(number)
    with live_server.app.app_context():
        from portal.services.handling import deciding

        deciding.approve(world.actor("supervisor"), asked, now=now())
    expect(dock.locator("#expected")).to_contain_text(number)
    expect(boss.locator("#rows")).not_to_contain_text(number)


def test_what_is_being_typed_is_not_disturbed(world: World, boss: Any) -> None:
    boss.evaluate(
        """() => { const field = document.createElement("input"); field.id = "typed";
        field.setAttribute("aria-label", "Typed"); document.getElementById("inbox").append(field); field.focus() }"""
    )
    boss.keyboard.type("half a sent")
    waiting = world.requested()
    number = world.dossier(waiting).page.draft.number or ""
    expect(boss.locator("#inbox .live-wait")).to_be_visible(timeout=30_000)
    assert boss.locator("#typed").input_value() == "half a sent"
    assert number not in boss.locator("#inbox").inner_text()
    boss.keyboard.type("ence")
    assert boss.locator("#typed").input_value() == "half a sentence"
    boss.get_by_role("button", name="Show it").first.click()
    expect(boss.locator("#inbox")).to_contain_text(number)


def test_the_row_that_has_the_focus_keeps_it(world: World, boss: Any) -> None:
    first = world.requested()
    link = boss.locator(f"#waits-decide-{first}")
    expect(link).to_be_visible(timeout=30_000)
    link.focus()
    second = world.requested()
    expect(boss.locator(f"#waits-decide-{second}")).to_be_visible(timeout=30_000)
    assert boss.evaluate("document.activeElement.id") == f"waits-decide-{first}"


def test_the_board_of_refunds_moves_by_itself(world: World, boss: Any, live_server: Server) -> None:
    made = world.inspected()
    boss.goto("/admin/boards/refunds")
    card = boss.locator("li[aria-labelledby=stage-arrived] .board-card")
    expect(card).to_have_count(1)
    with live_server.app.app_context():
        from portal.services.refunding import refunds

        refunds.propose(world.actor("supervisor"), made, now=now())
    live_server.drain()
    stage = boss.locator("li[aria-labelledby=stage-credited]")
    expect(stage.locator(".board-card")).to_have_count(1, timeout=30_000)
    expect(card).to_have_count(0)
    assert accessibility_faults(boss) == []


def test_the_page_of_a_return_follows_and_leaves_what_is_typed(
    world: World, boss: Any, live_server: Server
) -> None:
    asked = world.requested()
    boss.goto(f"/admin/returns/{asked}")
    boss.evaluate("window.neverReloaded = true")
    boss.locator("#message").fill("half a sentence")
    with live_server.app.app_context():
        from portal.services.handling import deciding

        deciding.decline(world.actor("supervisor"), asked, reason="other", message="No", now=now())
    expect(boss.locator("#top")).to_contain_text("Declined")
    expect(boss.locator("#top").get_by_role("button", name="Approve")).to_have_count(0)
    expect(boss.locator("#past")).to_contain_text("Return declined")
    expect(boss.locator("#message")).to_have_value("half a sentence")
    assert boss.evaluate("window.neverReloaded") is True
    assert accessibility_faults(boss) == []


def test_the_inbox_can_be_used_by_everybody(world: World, boss: Any) -> None:
    world.requested()
    boss.reload()
    assert accessibility_faults(boss) == []
    boss.set_viewport_size(PHONE)
    expect(boss.locator("#inbox")).to_be_visible()


class HeldBack:
    """What the parts of the inbox ask for by themselves waits here until it is let go."""

    def __init__(self, page: Any) -> None:
        self.page, self.waiting, self.is_over = page, [], False
        page.route("**/admin/", self.hold)

    def hold(self, route: Any) -> None:
        if not self.is_over and route.request.headers.get("hx-request") == "true":
            self.waiting.append(route)
        else:
            route.continue_()

    def until_asked(self) -> None:
        """Until the inbox and what waits beside it have asked."""
        for _n in range(300):
            if len(self.waiting) == 2:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"asked {len(self.waiting)} times, not twice")

    def let_go(self) -> None:
        """The answers come, and so does whatever is asked for afterwards."""
        self.is_over = True
        for route in self.waiting:
            route.continue_()


def test_what_is_typed_between_question_and_answer_stays(world: World, boss: Any) -> None:
    boss.evaluate(
        """() => { const field = document.createElement("input"); field.id = "typed";
        field.setAttribute("aria-label", "Typed"); document.getElementById("inbox").append(field) }"""
    )
    held = HeldBack(boss)
    number = world.dossier(world.requested()).page.draft.number or ""
    held.until_asked()
    boss.locator("#typed").focus()
    boss.keyboard.type("half a sentence")
    held.let_go()
    expect(boss.locator("#inbox .live-wait")).to_be_visible(timeout=30_000)
    assert boss.locator("#typed").input_value() == "half a sentence"
    assert number not in boss.locator("#inbox").inner_text()
    boss.get_by_role("button", name="Show it").first.click()
    expect(boss.locator("#inbox")).to_contain_text(number)
    assert boss.evaluate("document.activeElement.id") == "inbox"


def test_whoever_went_elsewhere_meanwhile_is_not_called_back(world: World, boss: Any) -> None:
    first = world.requested()
    link = boss.locator(f"#waits-decide-{first}")
    expect(link).to_be_visible(timeout=30_000)
    link.focus()
    held = HeldBack(boss)
    second = world.requested()
    held.until_asked()
    boss.locator("#desk-search").focus()
    held.let_go()
    expect(boss.locator(f"#waits-decide-{second}")).to_be_visible(timeout=30_000)
    assert boss.evaluate("document.activeElement.id") == "desk-search"


def test_a_button_that_has_the_focus_keeps_it_too(world: World, boss: Any, live_server: Server) -> None:
    asked = world.requested()
    with live_server.app.app_context():
        from portal.services.handling import requests

        requests.ask(world.actor("supervisor"), asked, "Which size?", asks=("answer",), now=now())
    boss.goto(f"/admin/returns/{asked}")
    boss.get_by_role("button", name="Withdraw the question").focus()
    with live_server.app.app_context():
        from portal.services.talking import threads

        threads.write(a_customer(asked, world.own), asked, "One moment, please", now=now())
    expect(boss.locator("#entries")).to_contain_text("One moment, please", timeout=30_000)
    assert boss.evaluate("document.activeElement.textContent.trim()") == "Withdraw the question"

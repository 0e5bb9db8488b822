"""The session ends while pages are open: a board shows who signs in next nothing, and no typed word is lost."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.serving import Server
from tests.web.admin_world import World, a_world
from tests.web.test_signed_out import sign_out_elsewhere

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"]),
]

NOTED = """() => {
  const real = window.fetch
  window.fetch = async (...asked) => {
    const answer = await real(...asked)
    if (answer.type === "opaqueredirect") document.documentElement.dataset.sentAway = ""
    return answer
  }
}"""
"""Marks the page once its live question was answered with the way to the sign-in page."""


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


def signed_in(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    """A tab that has the cookie of a client in which somebody signed in."""
    client: Any = world.signed_in("csr")
    cookie = client.get_cookie("session")
    page = visit(base_url=live_server.url)
    page.context.add_cookies([{"name": "session", "value": cookie.value, "url": live_server.url}])
    return page


def test_a_board_that_is_left_open_gives_way_to_the_sign_in_page(
    world: World, live_server: Server, visit: Callable[..., Any]
) -> None:
    page = signed_in(world, live_server, visit)
    page.goto("/admin/returns")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    sign_out_elsewhere(world, "csr-0@people.example")
    expect(page).to_have_url(f"{live_server.url}/admin/sign-in?next=/admin/returns")


def test_who_writes_when_the_session_ends_keeps_the_words_and_is_told(
    world: World, live_server: Server, visit: Callable[..., Any]
) -> None:
    return_id = world.confirmed()
    page = signed_in(world, live_server, visit)
    page.goto(f"/admin/returns/{return_id}")
    page.locator("#compose textarea").fill("half a line")
    page.evaluate(NOTED)
    sign_out_elsewhere(world, "csr-0@people.example")
    page.locator("html[data-sent-away]").wait_for(state="attached")
    page.locator("#compose button.button-primary").click()
    expect(page.locator("#flash")).to_contain_text("You were signed out")
    expect(page.locator("#compose textarea")).to_have_value("half a line")
    assert page.url.endswith(f"/admin/returns/{return_id}")

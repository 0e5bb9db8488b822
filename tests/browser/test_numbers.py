"""The page of numbers in a real browser: figures with definitions, charts with tables, lists behind them, live."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.services.persons import people
from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def agent(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    """A tab in which an agent has opened the numbers of this year."""
    with live_server.app.app_context():
        people.create_user(
            email="agent@people.example",
            name="Demo Agent",
            password=PASSWORD,
            roles={"own": "csr"},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/numbers")
    page.get_by_label("E-mail").fill("agent@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Numbers")
    return page


def value(page: Any, figure: str) -> Any:
    return page.locator(f"section:has(#{figure}) .figure-value")


def test_a_number_leads_to_exactly_its_returns_and_its_file_says_the_same(world: World, agent: Any) -> None:
    small = world.confirmed({"SHIRT": 1}, reason="too_small")
    world.confirmed({"MUG": 2}, reason="ordered_by_mistake")
    agent.reload()
    expect(value(agent, "volume")).to_have_text("2")
    expect(agent.locator("#reasons-name")).to_have_text("Units by reason")
    agent.get_by_role("link", name="Too small").click()
    rows = agent.locator("#rows tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(world.dossier(small).page.draft.number or "")
    agent.go_back()
    with agent.expect_download() as downloading:
        agent.get_by_role("link", name=re.compile(r"^As CSV\s*: reasons$")).click()
    told = downloading.value.path().read_text(encoding="utf-8-sig")
    found = list(csv.DictReader(io.StringIO(told)))
    assert [(one["reason"], one["units"]) for one in found] == [
        ("ordered_by_mistake", "2"),
        ("too_small", "1"),
    ]


@pytest.mark.parametrize("javascript", [True])
def test_a_return_made_elsewhere_is_counted_without_a_reload(world: World, agent: Any) -> None:
    expect(value(agent, "volume")).to_have_text("0")
    agent.evaluate("window.stays = true")
    world.confirmed({"SHIRT": 1})
    expect(value(agent, "volume")).to_have_text("1")
    assert agent.evaluate("window.stays"), "the page was not loaded again"


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("some", [True, False], ids=["with returns", "empty"])
def test_it_is_for_everybody(world: World, agent: Any, some: bool) -> None:
    if some:
        for reason in ("too_small", "ordered_by_mistake"):
            world.confirmed({"MUG": 1}, reason=reason)
        world.inspected({"SHIRT": 1})
    agent.goto("/admin/numbers")
    assert accessibility_faults(agent) == []

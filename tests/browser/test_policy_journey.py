"""A merchant changes its policy in a real browser, with JavaScript and without, on a phone and at a desk."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.fixture
def owner(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    """A tab in which the shop's own admin has signed in."""
    with live_server.app.app_context():
        from portal.services.persons import people

        people.create_user(
            email="owner@people.example",
            name="Demo Owner",
            password=PASSWORD,
            roles={"own": "admin"},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/policies")
    page.get_by_label("E-mail").fill("owner@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Policy of")
    return page


def test_a_merchant_writes_checks_and_publishes_the_next_version(
    world: World, owner: Any, javascript: bool
) -> None:
    world.confirmed({"SHIRT": 1})
    owner.get_by_role("link", name="Write the next version").click()
    owner.get_by_label("Restocking fee, part of the price").fill("10")
    effect = owner.locator("#effect")
    if javascript:  # what it would do stands beside it before anything is saved
        owner.get_by_label("Restocking fee, part of the price").blur()
        expect(effect.get_by_text("1 of the last 1 return would differ.")).to_be_visible()
        expect(effect.get_by_text("€41.10")).to_be_visible()
    owner.get_by_role("button", name="Save, and see what would differ").click()
    expect(owner.get_by_role("heading", name="Terms that change")).to_be_visible()
    expect(owner.locator("#found").get_by_text("Restocking fee: Demo shirt: −€5.00")).to_be_visible()
    owner.get_by_role("button", name="Publish version 2").click()
    expect(owner.get_by_text("Version 2 is in force.")).to_be_visible()
    owner.get_by_role("link", name="Version 2").click()
    expect(owner.get_by_role("cell", name="10%").first).to_be_visible()


def test_a_fault_in_the_json_is_told_where_it_was_typed(owner: Any) -> None:
    owner.get_by_role("link", name="Write the next version").click()
    owner.get_by_role("link", name="All terms as JSON").click()
    box = owner.get_by_label("All terms as JSON")
    box.fill('{"window_days": "thirty"}')
    owner.get_by_role("button", name="Save the draft").click()
    expect(owner.get_by_text("policy.window_days: a whole number is needed").first).to_be_visible()
    assert box.input_value() == '{"window_days": "thirty"}'


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("page", ["", "/draft", "/draft/terms", "/check", "/versions/1"])
def test_its_pages_are_for_everybody(world: World, owner: Any, page: str) -> None:
    world.confirmed({"SHIRT": 1})
    owner.goto(f"/admin/policies/{world.own}{page}")
    assert accessibility_faults(owner) == []

"""Signing in by a real OpenID provider: with the role it gives, out at both ends, and in nowhere without one."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import expect

from tests import oidc_server, serving
from tests.browsing import accessibility_faults
from tests.databases import Database
from tests.web.admin_world import a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PATIENCE = 90_000
"""Milliseconds for one page of the provider: it makes them one at a time, on a machine that may be busy."""
ROLES = "portal-leads=own:supervisor; portal-agents=own:csr; portal-agents=other:warehouse"


@dataclass
class House:
    """The portal and the provider it believes."""

    portal: str
    provider: str


@pytest.fixture
def house(database: Database, make_app: Callable[..., Flask]) -> Iterator[House]:
    with oidc_server.door() as door:
        yield from _house(door, database, make_app)


def _house(door: socket.socket, database: Database, make_app: Callable[..., Flask]) -> Iterator[House]:
    ours = {
        "OIDC_ISSUER": oidc_server.issuer(door),
        "OIDC_CLIENT_ID": oidc_server.CLIENT_ID,
        "OIDC_CLIENT_SECRET": oidc_server.CLIENT_SECRET,
        "OIDC_SCOPES": "openid profile email groups",
        "OIDC_ROLES": ROLES,
        "LOCAL_PASSWORDS": "no",
    }
    with serving.serving(database, make_app, **ours) as server:
        a_world(server.app)
        with oidc_server.running(server.url, door=door) as provider:
            yield House(portal=server.url, provider=provider)


def sign_in(page: Any, house: House, user: str) -> None:
    """Through the pages of the provider: how they look is its own affair, so their styles are not fetched.

    Enter sends what stands in a field wherever the button is by then; a click can miss one that still moves.
    """
    page.context.route(f"{house.provider}/static/**", lambda route: route.abort())
    page.goto("/admin/returns")
    page.get_by_role("link", name="Sign in with your organization").click()
    for name, value in (("login", user), ("password", oidc_server.PASSWORD)):
        field = page.locator(f"input[name={name}]")
        field.wait_for(timeout=PATIENCE)
        page.wait_for_load_state(timeout=PATIENCE)
        field.fill(value)
        field.press("Enter")


def test_the_provider_signs_in_with_the_role_it_gives_and_signing_out_ends_both(
    house: House, visit: Callable[..., Any]
) -> None:
    page = visit(base_url=house.portal, elsewhere=house.provider)
    page.goto("/admin/sign-in")
    expect(page.get_by_label("Password")).to_have_count(0)
    sign_in(page, house, "demo-lead")
    expect(page).to_have_url(f"{house.portal}/admin/returns")
    expect(page.locator(".nav-who").first).to_contain_text("Supervisor")
    assert page.goto("/admin/policies").status == 403
    page.goto("/admin/returns")
    menu = page.locator("summary", has_text="Menu")
    if menu.is_visible():
        menu.click()
    page.locator(".nav-who button:visible").first.click()
    page.wait_for_url(f"{house.portal}/admin/sign-in**")
    page.goto("/admin/returns")
    expect(page).to_have_url(f"{house.portal}/admin/sign-in?next=/admin/returns")
    page.get_by_role("link", name="Sign in with your organization").click()
    expect(page.locator("input[name=login], input[name=password]").first).to_be_visible()


def test_whoever_has_no_role_here_gets_no_access_and_is_told_so(
    house: House, visit: Callable[..., Any]
) -> None:
    page = visit(base_url=house.portal, elsewhere=house.provider)
    sign_in(page, house, "demo-guest")
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    expect(page.get_by_text("you have no role here")).to_be_visible()
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("javascript", [True])
def test_the_pages_of_signing_in_are_accessible(house: House, visit: Callable[..., Any]) -> None:
    page = visit(base_url=house.portal, elsewhere=house.provider)
    page.goto("/admin/sign-in")
    assert accessibility_faults(page) == []
    sign_in(page, house, "demo-guest")
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    assert accessibility_faults(page) == []

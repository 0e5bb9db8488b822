"""The books in a real browser: on a phone and on a desk, light and dark, with and without JavaScript."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.services.paying import payouts
from portal.services.persons import people
from portal.services.refunding import refunds
from tests import builders
from tests.browsing import DESK, PHONE, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    """One refund that was paid, one that failed, one that waits; and a finance person."""
    world = a_world(live_server.app)
    with live_server.app.app_context():
        people.create_user(
            email="fin@people.example",
            name="Demo Finance",
            password=PASSWORD,
            roles={"own": "finance"},
            now=now(),
        )
        site = live_server.app.extensions["site"]
        for ending, send in (("", True), ("-fails", True), ("", False)):
            order = builders.an_order(
                world.gateways,
                world.own,
                [builders.an_item("SHIRT", 1, "50.00", tax="7.98")],
                paid=(builders.a_payment(ending=ending),),
                now=now(),
            )
            back = builders.came_back(world.gateways, world.own, order, now=now(), site=site)
            made = refunds.propose(builders.a_person(world.own, "finance"), back, now=now())
            if send:
                payouts.send(made, gateways=world.gateways, now=now())
    return world


def signed_in(page: Any) -> Any:
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("fin@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


PATHS = (
    "/admin/finance",
    "/admin/finance/journal",
    "/admin/finance/balances",
    "/admin/finance/credit-notes",
    "/admin/finance/accounts",
    "/admin/finance/journal?from=2020-01-01&to=2020-01-31",
)


@pytest.mark.parametrize("javascript", [True])
def test_the_books_can_be_read_by_everybody(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    page = signed_in(visit(base_url=live_server.url, viewport=DESK))
    faults = []
    for path in PATHS:
        page.goto(path)
        faults += [f"{path}: {fault}" for fault in accessibility_faults(page)]
    assert faults == []


def test_a_finance_person_finds_what_waits_takes_the_journal_and_sets_an_account(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    page = signed_in(visit(base_url=live_server.url, viewport=PHONE))
    page.goto("/admin/finance")
    expect(page.get_by_role("heading", name="Failed and still owed")).to_be_visible()
    expect(page.get_by_text("Is sent in a moment")).to_be_visible()
    page.get_by_role("navigation", name="Books").get_by_role("link", name="Accounts").click()
    page.get_by_label("Your account for Goods taken back").fill("8120")
    page.get_by_role("button", name="Save the accounts").click()
    expect(page.get_by_text("The accounts are saved.")).to_be_visible()
    page.get_by_role("navigation", name="Books").get_by_role("link", name="Journal").click()
    expect(page.get_by_text("8120").first).to_be_visible()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Journal as CSV").click()
    assert taken.value.suggested_filename.startswith("journal-own-")

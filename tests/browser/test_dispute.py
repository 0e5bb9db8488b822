"""A dispute in the browser: contested, offered, countered, accepted, paid to the cent; with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import expect

from portal.core.links import STATUS, url
from portal.core.policy.terms import RestockingFee, Terms
from portal.db.base import db
from portal.db.returns import Link
from portal.services import disputes, links
from portal.services.disputes import Claim, LineClaim
from portal.services.persons import people
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests import builders
from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    terms = Terms(return_postage="merchant", restocking_fee=RestockingFee(percent_bp=2000))
    return a_world(live_server.app, terms)


@pytest.fixture
def refunded(world: World, live_server: Server) -> UUID:
    """A shirt of 50.00 that came back; a fifth was kept, the rest is on its way."""
    return_id = world.inspected()
    with world.app.app_context():
        refunds.propose(world.actor(), return_id, now=now())
    live_server.drain()
    return return_id


@pytest.fixture
def desk(world: World, live_server: Server, visit: Callable[..., Any]) -> Any:
    with live_server.app.app_context():
        people.create_user(
            email="boss@people.example",
            name="Demo boss",
            password=PASSWORD,
            roles={"own": "supervisor"},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("boss@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


def link_to(world: World, return_id: UUID) -> str:
    """The address of the status link, as the mail has it."""
    with world.app.app_context():
        link = next(one for one in links.of_return(return_id) if one.purpose == STATUS)
        return url(world.app.extensions["site"], db.session.get_one(Link, link.id).nonce)


def follow(page: Any, world: World, return_id: UUID) -> None:
    path = link_to(world, return_id)
    page.goto(path[path.index("/l/") :])
    for name in ("Continue", "Open"):
        button = page.get_by_role("button", name=name)
        if button.count() and "/status" not in page.url:
            button.first.click()
    page.goto(f"/r/{return_id}/status")


def test_a_counter_offer_is_accepted_and_the_money_is_shown_to_the_cent(
    page: Any, desk: Any, world: World, refunded: UUID, live_server: Server
) -> None:
    follow(page, world, refunded)
    page.get_by_role("link", name="Contest this").click()
    page.get_by_label("What is wrong with it?").select_option("deduction")
    page.get_by_label("What is missing").fill("10.00")
    page.get_by_label("The missing part of the money").check()
    page.get_by_label("What happened?").fill("I never wore it.")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Check what you send us")).to_be_visible()
    page.get_by_role("button", name="Send it").last.click()
    expect(page.get_by_role("heading", name="What you contest", exact=True)).to_be_visible()

    desk.goto("/admin/disputes")
    desk.locator("#rows th a").first.click()
    expect(desk.get_by_text("I never wore it.").first).to_be_visible()
    desk.get_by_label("On top of what was refunded").fill("5")
    desk.get_by_label("What the customer reads").fill("Half of it, for the opened box.")
    desk.get_by_role("button", name="Offer it").click()
    expect(desk.get_by_text("Take the offer back")).to_be_visible()

    page.reload()
    expect(page.get_by_text("We offer you €5.00 on top")).to_be_visible()
    page.get_by_text("Ask for another amount").click()
    page.get_by_label("Amount in EUR").fill("7.34")
    page.get_by_role("button", name="Ask for this amount").click()
    expect(page.get_by_text("You asked for €7.34.")).to_be_visible()

    desk.reload()
    desk.get_by_role("button", name="Accept and pay €7.34").click()
    expect(desk.get_by_text("Paid on top: €7.34")).to_be_visible()
    live_server.drain()

    page.reload()
    expect(page.get_by_text("We accept: €7.34 on top")).to_be_visible()
    page.goto(f"/r/{refunded}/status")
    expect(page.get_by_text("€7.34 to").first).to_be_visible()
    with world.app.app_context():
        (found,) = disputes.of_return(world.actor(), refunded)
        assert (found.outcome, found.settled, found.settlement_state) == (
            "counter_accepted",
            734,
            "succeeded",
        )
        paid = world.app.extensions["gateways"].payments["sandbox"].refunds()
        assert sorted(one[-2] for one in paid) == [734, 4000]
        assert audit.verify().problems == []


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_every_page_of_a_dispute_can_be_used_by_everybody(
    page: Any, desk: Any, world: World, refunded: UUID, live_server: Server
) -> None:
    follow(page, world, refunded)
    page.goto(f"/r/{refunded}/dispute")
    assert accessibility_faults(page) == []
    with world.app.app_context():
        line = LineClaim(line_id=builders.line_ids(refunded)["SHIRT"], ground="deduction", claimed=1000)
        claim = Claim(lines=(line,), wanted="difference", body="I never wore it.")
        customer = builders.a_customer(refunded, world.own)
        made = disputes.open_dispute(customer, refunded, claim, nonce="axe", now=now())
        disputes.offer(world.actor(), made, 500, body="Half of it.", now=now())
    for address in (f"/r/{refunded}/dispute/{made}", f"/r/{refunded}/status"):
        page.goto(address)
        assert accessibility_faults(page) == []
    for address in ("/admin/disputes", f"/admin/disputes/{made}"):
        desk.goto(address)
        assert accessibility_faults(desk) == []

"""Bank batches by two people, a customer's account and a code's balance, in a real browser; on phone and desktop."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from portal.core import credits as codes
from portal.core.links import url
from portal.core.policy.terms import Terms
from portal.core.refunds.overrides import Overrides
from portal.db.base import db
from portal.db.credits import Credit
from portal.db.returns import Link
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
    return a_world(live_server.app, Terms(return_postage="merchant"))


def a_refund(world: World, *, tender: str, way: str = "refund") -> UUID:
    with world.app.app_context():
        items = (builders.an_item("SHIRT", 1, "50.00"),)
        paid = (builders.a_payment(tender),)
        order = builders.an_order(world.gateways, world.own, items, paid=paid, now=now())
        return_id = builders.came_back(
            world.gateways, world.own, order, now=now(), site=world.app.extensions["site"]
        )
        asked = Overrides(way=way, reason="As the customer wishes")
        finance = builders.a_person(world.own, "finance")
        refund_id = refunds.propose(finance, return_id, overrides=asked, now=now())
        payouts.send(refund_id, gateways=world.gateways, now=now())
    return return_id


def status_path(world: World, return_id: UUID) -> str:
    site = world.app.extensions["site"]
    with world.app.app_context():
        wanted = sa.select(Link.nonce).where(Link.return_id == return_id, Link.purpose == "status")
        return url(site, db.session.scalars(wanted).one()).removeprefix(site.base_url)


def signed_in(world: World, visit: Callable[..., Any], base: str, role: str) -> Any:
    with world.app.app_context():
        email = f"{role}@people.example"
        people.create_user(
            email=email, name=f"Demo {role}", password=PASSWORD, roles={"own": role}, now=now()
        )
    page = visit(base_url=base, viewport=DESK)
    page.goto("/admin/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    return page


def test_a_customer_gives_an_account_and_two_people_send_the_money(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    return_id = a_refund(world, tender="bank_transfer")
    customer = visit(base_url=live_server.url, viewport=PHONE)
    customer.goto(status_path(world, return_id))
    customer.get_by_role("link", name="Enter my bank account").click()
    customer.get_by_label("IBAN").fill("NL91 ABNA 0417 1643 01")
    customer.get_by_role("button", name="Send it to this account").click()
    expect(customer.get_by_role("alert")).to_contain_text("This IBAN cannot be right")
    if javascript:
        assert accessibility_faults(customer) == []
    customer.get_by_label("IBAN").fill("nl91abna0417164300")
    customer.get_by_role("button", name="Send it to this account").click()
    expect(customer.get_by_text("NL•• •••• 4300").first).to_be_visible()

    admin = signed_in(world, visit, live_server.url, "admin")
    admin.get_by_role("navigation", name="Desk").get_by_role("link", name="Bank transfers").click()
    admin.get_by_role("link", name="Change Demo shop own").click()
    admin.get_by_label("Account holder").fill("Demo Shop")
    admin.get_by_label("IBAN").fill("DE89 3704 0044 0532 0130 00")
    admin.get_by_role("button", name="Save account").click()
    admin.get_by_role("button", name="Collect a batch").click()
    expect(admin.get_by_text("somebody else has to release it").first).to_be_visible()
    if javascript:
        assert accessibility_faults(admin) == []

    finance = signed_in(world, visit, live_server.url, "finance")
    finance.goto(admin.url)
    finance.get_by_role("button", name="Release €50.00").click()
    with finance.expect_download() as waiting:
        finance.get_by_role("link", name="File for the bank").click()
    assert waiting.value.suggested_filename.startswith("BT-")
    finance.get_by_role("button", name="The bank has paid it").click()
    expect(finance.get_by_text("Executed").first).to_be_visible()
    finance.goto("/admin/bank")
    expect(finance.get_by_role("heading", name="Bank transfers")).to_be_visible()
    if javascript:
        assert accessibility_faults(finance) == []
    assert world.dossier(return_id).refunds[0].state == "succeeded"
    customer.goto(f"/r/{return_id}/status")
    expect(customer.get_by_text("To your bank account NL•• •••• 4300")).to_be_visible()


def test_a_code_is_typed_by_its_holder_and_sold_against_at_the_desk(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    a_refund(world, tender="card", way="store_credit")
    with world.app.app_context():
        code = codes.code(world.gateways.secret, db.session.scalars(sa.select(Credit.nonce)).one())
    agent = signed_in(world, visit, live_server.url, "supervisor")
    agent.get_by_role("navigation", name="Desk").get_by_role("link", name="Store credit").click()
    if javascript:
        assert accessibility_faults(agent) == []
    agent.get_by_label("Code, ending, name or e-mail").fill(code)
    agent.get_by_role("button", name="Find").click()
    agent.get_by_label("Amount spent").fill("12.50")
    agent.get_by_label("What for").fill("Order D-77")
    agent.get_by_role("button", name="Take it off the code").click()
    expect(agent.get_by_text("€37.50").first).to_be_visible()
    if javascript:
        assert accessibility_faults(agent) == []

    holder = visit(base_url=live_server.url, viewport=PHONE)
    holder.goto("/credit/own")
    holder.get_by_label("Code").fill("7K3M-9QX1")
    holder.get_by_role("button", name="See the balance").click()
    expect(holder.get_by_role("alert")).to_contain_text("We do not know this code")
    if javascript:
        assert accessibility_faults(holder) == []
    holder.get_by_label("Code").fill(code.lower())
    holder.get_by_role("button", name="See the balance").click()
    expect(holder.get_by_text("€37.50").first).to_be_visible()
    assert code.lower() not in holder.url.lower()
    if javascript:
        assert accessibility_faults(holder) == []
    holder.get_by_role("button", name="Done, look at another code").click()
    expect(holder.get_by_role("heading", name="How much is left?")).to_be_visible()

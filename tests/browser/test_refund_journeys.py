"""Two people and one refund in a real browser, with JavaScript and without: worked out, asked for, approved."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.core.policy.terms import RestockingFee, Terms
from portal.services.refunding import refunds
from tests import builders
from tests.browsing import DESK, PHONE, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    terms = Terms(
        return_postage="merchant",
        goodwill_cap=1000,
        restocking_fee=RestockingFee(percent_bp=1000),
        accessory_deductions=(("charger", 400),),
        two_people_above=10000,
    )
    return a_world(live_server.app, terms)


@pytest.fixture
def signed_in(world: World, live_server: Server, visit: Callable[..., Any]) -> Callable[..., Any]:
    """Opens a tab in which somebody with that role has signed in by the form."""

    def sign_in(role: str, viewport: Any = DESK) -> Any:
        with live_server.app.app_context():
            from portal.services.persons import people

            people.create_user(
                email=f"{role}@people.example",
                name=f"Demo {role}",
                password=PASSWORD,
                roles={"own": role},
                now=now(),
            )
        page = visit(base_url=live_server.url, viewport=viewport)
        page.goto("/admin/")
        page.get_by_label("E-mail").fill(f"{role}@people.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
        return page

    return sign_in


def came_back(world: World) -> Any:
    with world.app.app_context():
        order = builders.an_order(
            world.gateways, world.own, (builders.an_item("COAT", 2, "150.00"),), now=now()
        )
        site = world.app.extensions["site"]
        return_id = builders.a_return(world.gateways, world.own, order, {"COAT": 1}, now=now(), site=site)
        builders.receive(world.own, return_id, now=now())
        builders.inspect(world.own, return_id, now=now())
        return return_id


def settle(page: Any, javascript: bool) -> None:
    """Without JavaScript the button works it out; with it, leaving the field does."""
    if javascript:
        page.keyboard.press("Tab")
    else:
        page.get_by_role("button", name="Recalculate").click()


def test_one_asks_and_another_approves_what_both_saw(
    world: World, signed_in: Callable[..., Any], javascript: bool, live_server: Server
) -> None:
    return_id = came_back(world)
    boss = signed_in("supervisor")
    boss.goto(f"/admin/returns/{return_id}")
    boss.get_by_role("link", name="Refund", exact=True).click()
    expect(boss.get_by_role("button", name="Propose a refund of €135.00")).to_be_visible()
    boss.get_by_label("Agreed amount for Demo coat").fill("150.01")
    settle(boss, javascript)
    expect(boss.get_by_text("At most €150.00 can be refunded.").first).to_be_visible()
    boss.get_by_label("Agreed amount for Demo coat").fill("140.00")
    settle(boss, javascript)
    expect(boss.get_by_role("button", name="Propose a refund of €140.00")).to_be_visible()
    expect(boss.get_by_text("Decided otherwise")).to_be_visible()
    boss.get_by_label("Why you decide otherwise").fill("A loyal customer.")
    if javascript:
        with boss.expect_response(lambda answer: "recalculation" in answer.url):
            boss.keyboard.press("Tab")
    boss.get_by_role("button", name="Propose a refund of €140.00").click()
    expect(boss.get_by_text("The refund waits for approval.")).to_be_visible()
    expect(boss.get_by_role("button", name=re.compile("Approve refund"))).to_have_count(0)

    finance = signed_in("finance")
    expect(finance.get_by_text("Refunds for you to approve · 1")).to_be_visible()
    finance.get_by_role("button", name=re.compile("Approve refund")).click()
    expect(finance.get_by_text("Approved. The refund is sent in a moment.")).to_be_visible()
    live_server.drain()
    refund = world.dossier(return_id).refunds[0]
    assert (refund.state, refund.amount) == ("succeeded", 14000)
    boss.reload()
    expect(boss.get_by_text("Approved by Demo finance")).to_be_visible()


def test_goods_that_stay_are_refunded_in_part_and_the_customer_follows_it(
    world: World, signed_in: Callable[..., Any], javascript: bool, live_server: Server, visit: Any
) -> None:
    order = world.order(email="keeps@customer.example")
    boss = signed_in("supervisor", viewport=PHONE)
    boss.goto(f"/admin/orders/{order.id}")
    boss.get_by_role("link", name="Refund without return").click()
    group = boss.get_by_role("group", name="Demo shirt")
    group.get_by_label("Units").fill("1")
    group.get_by_label("Amount for all of them").fill("12.50")
    settle(boss, javascript)
    expect(boss.get_by_role("button", name="Refund €12.50")).to_be_visible()
    boss.get_by_label("Reason", exact=True).select_option("arrived_damaged")
    boss.get_by_label("Why, for colleagues").fill("A scratch")
    boss.get_by_label("Message to the customer").fill("We are sorry.")
    boss.get_by_role("button", name="Refund €12.50").click()
    expect(boss.get_by_text("The refund is made.")).to_be_visible()
    live_server.drain()
    with live_server.app.app_context():
        from portal.services.talking import notices

        mail = next(one for one in notices.outbox() if one.event == "refund_granted")
        text = notices.as_sent(mail.id, site=live_server.app.extensions["site"]).text
    link = re.search(r"https?://\S+/l/\S+", text)
    assert link and "We are sorry." in text
    customer = visit(base_url=live_server.url, viewport=PHONE)
    customer.goto("/l/" + link.group().split("/l/")[1])
    expect(customer.get_by_role("heading", name="Money back, and you keep your items")).to_be_visible()
    expect(customer.get_by_text("We are sorry.")).to_be_visible()
    expect(customer.get_by_text("It is there by")).to_be_visible()


@pytest.mark.parametrize("javascript", [True])
def test_the_pages_of_money_are_for_everybody(
    world: World, signed_in: Callable[..., Any], javascript: bool, live_server: Server
) -> None:
    return_id, order = came_back(world), world.order()
    boss = signed_in("supervisor")
    for address in (f"/admin/returns/{return_id}/refund", f"/admin/orders/{order.id}/refund", "/admin/tasks"):
        boss.goto(address)
        assert accessibility_faults(boss) == [], address
    with live_server.app.app_context():
        paid = (builders.a_payment(ending="-fails"),)
        failing = builders.an_order(world.gateways, world.own, paid=paid, now=now())
        site = world.app.extensions["site"]
        lost = builders.a_return(world.gateways, world.own, failing, now=now(), site=site)
        builders.receive(world.own, lost, now=now())
        builders.inspect(world.own, lost, now=now())
        refunds.propose(world.actor("finance"), lost, now=now())
        refunds.propose(world.actor("csr"), return_id, now=now())
    live_server.drain()
    failed = world.dossier(lost).refunds[0]
    waits = world.dossier(return_id).refunds[0]
    transfer = f"/admin/refunds/{failed.id}/payouts/{failed.payouts[0].id}"
    for address in (
        "/admin/",
        "/admin/refunds?list=failed",
        "/admin/tasks",
        f"/admin/returns/{return_id}",
        f"/admin/refunds/{waits.id}/revision",
        f"{transfer}/redirection",
        f"{transfer}/settlement",
    ):
        boss.goto(address)
        assert accessibility_faults(boss) == [], address
    other = came_back(world)
    boss.goto(f"/admin/returns/{other}/refund")
    boss.get_by_label("Agreed amount for Demo coat").fill("999")
    boss.keyboard.press("Tab")
    expect(boss.get_by_text("At most €150.00 can be refunded.").first).to_be_visible()
    assert accessibility_faults(boss) == []

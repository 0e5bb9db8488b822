"""A shop's rules in a real browser: written, ordered, tried on past returns, published; then a customer meets one."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.core.access import Actor
from portal.core.policy.terms import Terms
from portal.core.workflows import DispositionRule, Rule, Rules, decision_from
from portal.services.persons import people
from portal.services.rules import workflows
from tests.browsing import DESK, accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD
from tests.web.shops import Prepared, Shop, add_order, draft_of, now, open_shop, prepare

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def shop(live_server: Server) -> Shop:
    """A shop whose policy wants a person to look at whatever comes back because of a change of mind."""
    made = open_shop(live_server.app, terms=Terms(approval_reasons=("changed_mind",)))
    for number in ("N-1", "N-2", "N-3"):
        add_order(made, number)
    return made


@pytest.fixture
def owner(shop: Shop, live_server: Server, visit: Callable[..., Any]) -> Any:
    """A tab in which the shop's admin has opened its rules."""
    with shop.app.app_context():
        people.create_user(
            email="owner@people.example",
            name="Demo Owner",
            password=PASSWORD,
            roles={shop.slug: "admin"},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/workflows")
    page.get_by_label("E-mail").fill("owner@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Rules of Nordhaus Demo")
    return page


def kept(shop: Shop) -> list[str]:
    with shop.app.app_context():
        actor = Actor(kind="person", id=shop.agent.id, name="Demo Owner", roles={shop.id: "admin"})
        return [one.name for one in workflows.of_merchant(actor, shop.id).draft.rules.rules]


def given(shop: Shop, *names: str, **more: Any) -> None:
    """A draft with rules of these names, in this order."""
    rules = tuple(
        Rule(id=f"r{n}", name=name, outcome="supervisor", **more) for n, name in enumerate(names, start=1)
    )
    proposals = (
        DispositionRule(id="d1", name="Mugs are given away", disposition="donate", categories=("mugs",)),
    )
    with shop.app.app_context():
        actor = Actor(kind="person", id=shop.agent.id, name="Demo Owner", roles={shop.id: "admin"})
        workflows.write(
            actor,
            shop.id,
            lambda _old: Rules(rules=rules, dispositions=proposals),
            revision=workflows.of_merchant(actor, shop.id).draft.revision,
            now=now(),
        )


def shown(page: Any, *names: str) -> None:
    """The rules stand in this order."""
    titles = page.locator("section:has(#rules-title) [data-place] h3 a")
    expect(titles).to_have_text(list(names))


def write(page: Any, name: str, outcome: str, *, reason: str = "Changed my mind") -> None:
    page.get_by_role("link", name="Add a rule").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("A new rule")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("checkbox", name=reason, exact=True).check()
    page.get_by_role("radio", name=outcome).check()
    page.get_by_role("button", name="Save in the draft").click()
    expect(page.get_by_text("The rule is saved in the draft.")).to_be_visible()


def the_button(page: Any, name: str) -> Any:
    """``Up: Three``: what it does, and to which rule; browsers differ in the space between the two."""
    does, which = name.split(": ")
    return page.get_by_role("button", name=re.compile(rf"^{does}\s*: {which}$"))


def press(page: Any, name: str) -> None:
    """The button of that name that is there to be seen, reached and pressed by the keyboard."""
    the_button(page, name).focus()
    page.keyboard.press("Enter")


def confirmed(page: Any, prepared: Prepared) -> None:
    """The customer follows the link, says how they send it, and confirms."""
    page.goto(prepared.path)
    page.get_by_role("button", name="Continue").last.click()
    page.get_by_role("radio", name="My own carrier").check()
    page.locator("button:visible", has_text="Continue").last.click()
    page.locator("button:visible", has_text="Confirm return").last.click()
    page.locator("#status-title").wait_for()


def test_rules_are_written_ordered_tried_published_and_then_decide_a_customers_return(
    owner: Any, shop: Shop, live_server: Server, visit: Callable[..., Any]
) -> None:
    before = prepare(shop, "N-1", units={"MUG": 1}, why=("changed_mind", "unopened"))
    customer = visit(base_url=live_server.url)
    confirmed(customer, before)
    expect(customer.locator("#status-title")).to_have_text("We have your return and look at it")

    write(owner, "A person decides", "Ask a supervisor")
    write(owner, "Mugs at once", "Approve at once")
    shown(owner, "A person decides", "Mugs at once")
    press(owner, "Up: Mugs at once")
    shown(owner, "Mugs at once", "A person decides")

    owner.get_by_role("link", name="Try on past returns").click()
    expect(owner.get_by_text("1 return was looked at.")).to_be_visible()
    row = owner.locator("tr", has_text="Mugs at once").filter(has_text="As the policy says")
    expect(row).to_contain_text("Approve at once")
    owner.get_by_role("button", name="Publish version 1").click()
    expect(owner.get_by_text("Version 1 is in force.")).to_be_visible()

    after = prepare(shop, "N-2", units={"MUG": 1}, why=("changed_mind", "unopened"))
    confirmed(customer, after)
    expect(customer.locator("#status-title")).to_have_text("Your return is approved")
    owner.goto(f"/admin/returns/{after.id}")
    decided = owner.locator("#decision")
    expect(decided).to_contain_text("Mugs at once")
    expect(decided).to_contain_text("Changed my mind")
    assert draft_of(shop, before).state == "requested", "what was confirmed before stays as it was decided"


def test_a_rule_goes_up_and_down_by_the_keyboard_and_the_reader_stays_with_it(
    owner: Any, shop: Shop, javascript: bool
) -> None:
    given(shop, "One", "Two", "Three")
    owner.reload()
    shown(owner, "One", "Two", "Three")
    press(owner, "Up: Three")
    shown(owner, "One", "Three", "Two")
    if javascript:  # the same button, pressed again, goes on
        expect(the_button(owner, "Up: Three")).to_be_focused()
        owner.keyboard.press("Enter")
    else:
        press(owner, "Up: Three")
    shown(owner, "Three", "One", "Two")
    if javascript:  # it cannot go further: the rule itself has the focus, not the beginning of the page
        expect(owner.get_by_role("link", name="Three", exact=True)).to_be_focused()
    expect(the_button(owner, "Up: Three")).to_be_disabled()
    press(owner, "To the top: Two")
    shown(owner, "Two", "Three", "One")
    press(owner, "Switch off: Two")
    expect(the_button(owner, "Switch on: Two")).to_be_visible()
    press(owner, "Delete: Three")
    shown(owner, "Two", "One")
    assert kept(shop) == ["Two", "One"]


@pytest.mark.parametrize("javascript", [True])
def test_what_an_answer_brings_can_be_pressed_the_moment_it_is_there(owner: Any, shop: Shop) -> None:
    given(shop, "One", "Two", "Three")
    owner.reload()
    owner.evaluate("""() => {
      window.samePage = true
      new MutationObserver((_changes, watch) => {
        watch.disconnect()
        document.getElementById("up-r3").click()
      }).observe(document.querySelector("main"), { childList: true, subtree: true })
    }""")
    press(owner, "Up: Three")
    shown(owner, "Three", "One", "Two")
    assert owner.evaluate("window.samePage"), "a press that htmx does not hear loads the whole page"


@pytest.mark.parametrize("javascript", [True])
def test_a_rule_is_dragged_to_its_place_and_never_into_the_other_list(owner: Any, shop: Shop) -> None:
    given(shop, "One", "Two", "Three")
    owner.reload()
    owner.locator("#rule-r3").drag_to(owner.locator("#rule-r1"))
    shown(owner, "Three", "One", "Two")
    assert kept(shop) == ["Three", "One", "Two"]
    owner.locator("#rule-r3").drag_to(owner.locator("#rule-r2"))
    shown(owner, "One", "Two", "Three")
    owner.locator("#rule-r3").drag_to(owner.locator("#rule-d1"))
    expect(owner.locator("#rule-r3")).not_to_have_class("card is-dragged")
    shown(owner, "One", "Two", "Three")
    assert kept(shop) == ["One", "Two", "Three"]


def test_a_rule_that_somebody_else_moved_meanwhile_is_not_moved_again(owner: Any, shop: Shop) -> None:
    given(shop, "One", "Two")
    owner.reload()
    given(shop, "Two", "One")
    press(owner, "Up: Two")
    expect(owner.get_by_text("Rules in their order")).to_be_visible()
    expect(owner.get_by_text("Two, One").first).to_be_visible()
    assert kept(shop) == ["Two", "One"]


def test_an_exchange_that_is_offered_first_is_chosen_by_the_customer(
    shop: Shop, live_server: Server, visit: Callable[..., Any]
) -> None:
    rule = Rule(id="x", name="Another size", outcome="exchange_first", reasons=("too_small",))
    with shop.app.app_context():
        actor = Actor(kind="person", id=shop.agent.id, name="Demo Owner", roles={shop.id: "admin"})
        workflows.install(actor, shop.id, Rules(rules=(rule,)), now=now())
    prepared = prepare(shop, "N-1", units={"SHT": 1}, why=("too_small", "unopened"))
    page = visit(base_url=live_server.url)
    page.goto(prepared.path)
    page.get_by_role("button", name="Continue").last.click()
    page.get_by_role("radio", name="My own carrier").check()
    page.locator("button:visible", has_text="Continue").last.click()
    page.get_by_role("radio", name="I want an exchange").check()
    page.locator("button:visible", has_text="Confirm return").last.click()
    page.locator("#status-title").wait_for()
    draft = draft_of(shop, prepared)
    assert (draft.kind, draft.handling) == ("exchange", "exchange_first")


def test_a_recall_tells_the_customer_to_stop_using_it_before_and_after_confirming(
    shop: Shop, live_server: Server, visit: Callable[..., Any]
) -> None:
    rule = Rule(id="x", name="Cracked mugs", outcome="recall", skus=("MUG",))
    with shop.app.app_context():
        actor = Actor(kind="person", id=shop.agent.id, name="Demo Owner", roles={shop.id: "admin"})
        workflows.install(actor, shop.id, Rules(rules=(rule,)), now=now())
    prepared = prepare(shop, "N-1", units={"MUG": 1}, why=("changed_mind", "unopened"))
    page = visit(base_url=live_server.url)
    page.goto(prepared.path)
    page.get_by_role("button", name="Continue").last.click()
    page.get_by_role("radio", name="My own carrier").check()
    page.locator("button:visible", has_text="Continue").last.click()
    expect(page.get_by_text("Please stop using this product.")).to_be_visible()
    page.locator("button:visible", has_text="Confirm return").last.click()
    expect(page.locator("#status-title")).to_have_text("Your return is approved")
    expect(page.get_by_text("Please stop using this product.")).to_be_visible()
    live_server.drain()
    mail = _mail(shop, prepared)
    assert "Please stop using this product." in mail and "costs you nothing" in mail
    with shop.app.app_context():
        assert decision_from(_row(prepared).decision).rule == "Cracked mugs"


def _row(prepared: Prepared) -> Any:
    from portal.db import returns

    return returns.get(prepared.id)


def _mail(shop: Shop, prepared: Prepared) -> str:
    import sqlalchemy as sa

    from portal.db.base import db
    from portal.db.mails import Mail

    with shop.app.app_context():
        wanted = sa.select(Mail.text).where(Mail.return_id == prepared.id, Mail.event == "approved")
        return " ".join((db.session.scalars(wanted).one() or "").split())


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize(
    "path", ["", "/rules/new", "/rules/r1", "/dispositions/new", "/trial", "/versions/1"]
)
def test_their_pages_are_for_everybody(owner: Any, shop: Shop, path: str) -> None:
    given(shop, "One", "Two", reasons=("too_small",), value_to=5000)
    with shop.app.app_context():
        actor = Actor(kind="person", id=shop.agent.id, name="Demo Owner", roles={shop.id: "admin"})
        revision = workflows.of_merchant(actor, shop.id).draft.revision
        workflows.publish(actor, shop.id, revision=revision, now=now())
    given(shop, "Two", "One", "Three")
    owner.goto(f"/admin/workflows/{shop.id}{path}")
    assert accessibility_faults(owner) == []

"""One line is approved and another refused, by keyboard and mouse; the customer sees which and why."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from portal.core.links import STATUS, url
from portal.db.base import db
from portal.db.returns import Link
from portal.web.page import site
from tests.browser.test_live import signed_in
from tests.browsing import accessibility_faults
from tests.serving import Server
from tests.web.admin_world import World, a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(live_server: Server) -> World:
    return a_world(live_server.app)


@pytest.mark.parametrize("javascript", [True, False], indirect=True, ids=["js", "plain"])
def test_one_line_is_approved_and_another_refused(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    asked = world.requested({"SHIRT": 1, "MUG": 3})
    agent = signed_in(live_server, visit, "agent", "csr")
    agent.goto(f"/admin/returns/{asked}")
    agent.get_by_role("link", name="Decide line by line").click()
    shirt = agent.locator("fieldset[data-row]").filter(has_text="Demo shirt")
    shirt.get_by_label("Approved").fill("0")
    shirt.get_by_label("Why refused").select_option("excessive_wear")
    shirt.get_by_label("Message about the refused units").fill("The collar is worn.")
    if javascript:
        expect(agent.locator("#estimate")).to_contain_text("3 approved, 1 refused")
        assert accessibility_faults(agent) == []
    agent.get_by_role("button", name="Save the decision").last.click()
    expect(agent.locator("#flash")).to_contain_text("3 units approved. 1 unit refused.")
    expect(agent.get_by_role("button", name="Undo approval")).to_be_visible()
    assert world.state(asked) == "approved"
    with live_server.app.test_request_context():
        wanted = sa.select(Link).where(Link.return_id == asked, Link.purpose == STATUS)
        address = url(site(), db.session.scalars(wanted).one().nonce)
    customer = visit(base_url=live_server.url)
    customer.goto(address[address.index("/l/") :])
    if customer.get_by_role("button", name="Open").count():
        customer.get_by_role("button", name="Open").first.click()
    expect(customer.get_by_text("1 of 1 refused: Worn or used too much")).to_be_visible()
    expect(customer.get_by_text("The collar is worn.")).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False], indirect=True, ids=["js", "plain"])
def test_a_decision_is_taken_back_from_the_sentence_that_tells_it(
    world: World, live_server: Server, visit: Callable[..., Any], javascript: bool
) -> None:
    asked = world.requested({"MUG": 3})
    agent = signed_in(live_server, visit, "agent", "csr")
    agent.goto(f"/admin/returns/{asked}")
    agent.get_by_role("button", name="Approve return").click()
    expect(agent.locator("#flash")).to_contain_text("Approved.")
    undo = agent.locator("#flash").get_by_role("button", name="Undo")
    expect(undo).to_be_in_viewport()
    if javascript:
        assert accessibility_faults(agent) == []
    undo.click()
    expect(agent.locator("#flash")).to_contain_text("under review again")
    assert world.state(asked) == "requested"


@pytest.mark.parametrize("javascript", [True], indirect=True, ids=["js"])
def test_many_returns_are_decided_at_once_without_a_barrier(
    world: World, live_server: Server, visit: Callable[..., Any]
) -> None:
    """The pages of the bulk actions: asking, what is wrong with what was asked, and a result for each."""
    fine, late = world.requested({"MUG": 1}), world.confirmed({"SHIRT": 1})
    agent = signed_in(live_server, visit, "agent", "csr")
    agent.goto("/admin/returns")
    for one in (fine, late):
        agent.locator(f"input[name=ids][value='{one}']").check()
    agent.get_by_role("button", name="Decline, assign, tag…").click()
    expect(agent.get_by_role("heading", level=1)).to_have_text("2 returns chosen")
    assert accessibility_faults(agent) == []
    agent.get_by_role("button", name="Decline all").click()
    expect(agent.locator(".error-summary")).to_contain_text("Choose a reason")
    assert accessibility_faults(agent) == []
    agent.get_by_label("Reason", exact=True).select_option("excessive_wear")
    agent.get_by_role("button", name="Decline all").click()
    expect(agent.get_by_text("1 done, 1 not done")).to_be_visible()
    assert accessibility_faults(agent) == []
    assert (world.state(fine), world.state(late)) == ("declined", "approved")
    agent.get_by_role("button", name="Undo 1 decision").click()
    expect(agent.get_by_text("1 done, 0 not done")).to_be_visible()
    assert world.state(fine) == "requested"

"""History, roles, people and sessions in a real browser: read on a phone and on a desk, by anybody."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.services.filing import returns
from portal.services.handling import deciding, tags
from portal.services.persons import people
from tests.browsing import accessibility_faults
from tests.serving import Server
from tests.web.admin_world import PASSWORD, a_world, now

pytestmark = [
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
    pytest.mark.parametrize("javascript", [True]),
]


def test_the_pages_of_who_did_what_are_accessible_and_tell_before_and_after(
    live_server: Server, visit: Callable[..., Any]
) -> None:
    world = a_world(live_server.app)
    with live_server.app.app_context():
        person = people.create_user(
            email="boss@people.example", name="Demo Boss", password=PASSWORD, roles={"own": "admin"}, now=now()
        )  # fmt: skip
        draft = world.draft()
        agent = world.actor("csr")
        told = {"language": "en", "kind": "return"}
        for phone in ("+49 30 1234567", "+49 30 7654321"):
            returns.set_customer(
                agent, draft, name="Demo Customer", email="demo@customer.example", phone=phone, now=now(), **told
            )  # fmt: skip
        tags.add(agent, draft, "vip", now=now())
        asked = world.requested()
        deciding.decline(world.actor("supervisor"), asked, reason="excessive_wear", message="Worn", now=now())
    page = visit(base_url=live_server.url)
    page.goto("/admin/")
    page.get_by_label("E-mail").fill("boss@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    page.goto("/admin/audit")
    told = page.get_by_role("listitem").filter(has_text="+49 30 1234567").filter(has_text="+49 30 7654321")
    expect(told.first).to_contain_text("Phone:")
    for path in (
        "/admin/audit",
        "/admin/audit/proof",
        "/admin/roles",
        "/admin/people",
        f"/admin/people/{person}",
        "/admin/sessions",
        f"/admin/returns/{asked}",
    ):
        page.goto(path)
        assert accessibility_faults(page) == [], path
    expect(page.get_by_text("Reason for declining:").first).to_be_attached()

"""A customer and an agent write to each other, with scripts and without; a question is asked and answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from portal.services.handling import requests
from portal.services.talking import canned, notices, threads
from tests.browsing import DESK, PHONE, accessibility_faults
from tests.web.admin_world import World, a_world, now
from tests.web.shops import picture

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PASSWORD = "a password for tests"


def agent(visit: Any, live_server: Any, world: World, role: str = "csr") -> Any:
    from portal.services.persons import people

    with world.app.app_context():
        people.create_user(
            email=f"{role}@people.example",
            name=f"Demo {role}",
            password=PASSWORD,
            roles={"own": role},
            now=now(),
        )
    page = visit(base_url=live_server.url, viewport=DESK)
    page.goto("/admin/")
    page.get_by_label("E-mail").fill(f"{role}@people.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    return page


def customer(visit: Any, live_server: Any, world: World, return_id: Any, viewport: Any = PHONE) -> Any:
    """The customer with the link of the newest mail that has one."""
    live_server.drain()
    with world.app.app_context():
        mail = [mail for mail in notices.of_return(return_id) if "/l/" in mail.text][-1]
        shown = notices.as_sent(mail.id, site=world.app.extensions["site"])
    token = shown.text.split("/l/")[1].split()[0]
    page = visit(base_url=live_server.url, viewport=viewport)
    page.goto(f"/l/{token}")
    if "/status" not in page.url and page.get_by_role("button", name="Continue").count():
        page.get_by_role("button", name="Continue").click()
    return page


def test_a_question_is_asked_answered_with_a_photo_and_answered_again(
    visit: Any, live_server: Any, tmp_path: Path, javascript: bool
) -> None:
    world = a_world(live_server.app)
    back = world.requested()
    with world.app.app_context():
        canned.save(
            world.actor("admin"), merchant_id=world.own, name="Thanks",
            texts={"en": "Thank you {name}, {number} goes on."}, now=now(),
        )  # fmt: skip
    desk = agent(visit, live_server, world)
    desk.goto(f"/admin/returns/{back}")
    desk.get_by_text("Ask for something, with a last day").click()
    desk.get_by_label("What do you need to know?").fill("Which size is it?")
    desk.get_by_label("Photos", exact=True).last.check()
    desk.get_by_role("button", name="Ask the customer").click()
    expect(desk.get_by_text("Waits for an answer until").first).to_be_visible()
    assert world.state(back) == "needs_info"

    phone = customer(visit, live_server, world, back)
    expect(phone.get_by_role("heading", name="We need something from you")).to_be_visible()
    if javascript:
        assert accessibility_faults(phone) == []
    photo = tmp_path / "label.jpg"
    photo.write_bytes(picture())
    phone.get_by_label("What would you like to tell us?").fill("It is a medium.")
    phone.get_by_label("Photos of").first.set_input_files(str(photo))
    phone.get_by_role("button", name="Send the answer").click()
    expect(phone.get_by_text("Thank you. We have your answer")).to_be_visible()
    expect(phone.get_by_role("heading", name="We have your return and look at it")).to_be_visible()
    assert world.state(back) == "requested"

    if javascript:  # it shows by itself, while the page is open
        expect(desk.locator("#entries")).to_contain_text("It is a medium.", timeout=10_000)
    else:
        desk.reload()
        expect(desk.locator("#entries")).to_contain_text("It is a medium.")
    expect(desk.locator("#entries img")).to_have_count(1)
    desk.get_by_label("Ready text").select_option(label="Thanks")
    desk.get_by_role("button", name="Insert").click()
    expect(desk.locator("#message")).to_have_value(_thanks(world, back))
    desk.get_by_role("button", name="Send the message").last.click()
    expect(desk.locator("#entries")).to_contain_text("goes on.")
    if javascript:
        assert accessibility_faults(desk) == []
    phone.reload()
    expect(phone.locator("#thread")).to_contain_text("goes on.")


def _thanks(world: World, return_id: Any) -> str:
    draft = world.dossier(return_id).page.draft
    return f"Thank you {draft.name}, {draft.number} goes on."


@pytest.mark.parametrize("javascript", [True])
def test_what_is_seen_counts_as_read_on_either_side(visit: Any, live_server: Any) -> None:
    world = a_world(live_server.app)
    back = world.confirmed()
    with world.app.app_context():
        threads.write(world.actor("csr"), back, "Please use the box.", now=now())
    phone = customer(visit, live_server, world, back)
    with phone.expect_response(lambda answer: answer.url.endswith("/messages/read")):
        phone.locator("#thread").scroll_into_view_if_needed()
    phone.get_by_label("Your message").fill("I will.")
    phone.get_by_role("button", name="Send the message").click()
    expect(phone.locator("#thread")).to_contain_text("I will.")
    desk = agent(visit, live_server, world)
    with desk.expect_response(lambda answer: answer.url.endswith("/messages/read")):
        desk.goto(f"/admin/returns/{back}")
        desk.locator("#entries form").first.wait_for(state="attached")
        desk.locator("#compose").scroll_into_view_if_needed()
    with world.app.app_context():
        found = threads.of_return(world.actor(), back)
    assert found.unread == 0
    assert all(one.read_at for one in found.entries)


@pytest.mark.parametrize("javascript", [True])
def test_what_is_being_written_or_chosen_stays_while_something_else_is_sent(
    visit: Any, live_server: Any, tmp_path: Path
) -> None:
    world = a_world(live_server.app)
    back = world.requested()
    with world.app.app_context():
        requests.ask(
            world.actor("csr"),
            back,
            "Which size is it?",
            asks=["answer", "photo"],
            line_ids=[],
            days=5,
            now=now(),
        )
    photo = tmp_path / "label.jpg"
    photo.write_bytes(picture())
    phone = customer(visit, live_server, world, back)
    phone.get_by_label("What would you like to tell us?").fill("It is a medium.")
    phone.locator("#answer-form input[type=file]").set_input_files(str(photo))
    phone.get_by_text("Write something else").click()
    phone.get_by_label("Your message").fill("By the way: the box is wet.")
    phone.get_by_role("button", name="Send the message").click()
    expect(phone.locator("#thread ol")).to_contain_text("the box is wet.")
    expect(phone.get_by_label("Your message")).to_have_value("")
    expect(phone.get_by_label("What would you like to tell us?")).to_have_value("It is a medium.")
    assert chosen(phone, "#answer-form input[type=file]") == ["label.jpg"]
    phone.get_by_role("button", name="Send the answer").click()
    expect(phone.locator("#thread ol")).to_contain_text("It is a medium.")
    expect(phone.locator("#thread ol img")).to_have_count(1)

    desk = agent(visit, live_server, world)
    desk.goto(f"/admin/returns/{back}")
    desk.get_by_label("Message to the customer").fill("Thank you for the photo.")
    desk.get_by_text("Add photos").click()
    desk.locator("#photos").set_input_files(str(photo))
    desk.get_by_text("Note among colleagues").click()
    desk.get_by_label("Note", exact=True).fill("Box was wet.")
    desk.get_by_role("button", name="Keep the note").click()
    expect(desk.locator("#entries")).to_contain_text("Box was wet.")
    expect(desk.get_by_label("Message to the customer")).to_have_value("Thank you for the photo.")
    assert chosen(desk, "#photos") == ["label.jpg"]
    desk.get_by_role("button", name="Send the message").last.click()
    expect(desk.locator("#entries")).to_contain_text("Thank you for the photo.")
    expect(desk.locator("#entries img")).to_have_count(2)
    expect(desk.get_by_label("Message to the customer")).to_have_value("")
    assert chosen(desk, "#photos") == []


def chosen(page: Any, selector: str) -> list[str]:
    """The names of the files that stand in a field."""
    names: list[str] = page.locator(selector).evaluate("field => [...field.files].map(one => one.name)")
    return names


@pytest.mark.parametrize("javascript", [True])
def test_the_thread_can_be_used_by_everybody_on_its_own_page(visit: Any, live_server: Any) -> None:
    world = a_world(live_server.app)
    back = world.requested()
    with world.app.app_context():
        threads.write(world.actor("csr"), back, "Please use the box.", now=now())
        requests.ask(
            world.actor("csr"),
            back,
            "Which size is it?",
            asks=["answer", "photo"],
            line_ids=[],
            days=5,
            now=now(),
        )
    phone = customer(visit, live_server, world, back)
    for path in (f"/r/{back}/messages", f"/r/{back}/status"):
        phone.goto(path)
        assert accessibility_faults(phone) == [], path
    desk = agent(visit, live_server, world)
    desk.goto(f"/admin/returns/{back}/messages")
    for summary in desk.locator("#thread details > summary").all():
        summary.click()
    assert accessibility_faults(desk) == []


@pytest.mark.parametrize("javascript", [True])
def test_texts_playbooks_and_the_log_are_for_everybody(visit: Any, live_server: Any) -> None:
    world = a_world(live_server.app)
    world.confirmed()
    live_server.drain()
    desk = agent(visit, live_server, world, "supervisor")
    for path in (
        "/admin/answers",
        "/admin/answers/new",
        "/admin/playbooks",
        "/admin/playbooks/refund",
        "/admin/mails",
    ):
        desk.goto(path)
        assert accessibility_faults(desk) == [], path
    desk.get_by_role("row").nth(1).get_by_role("link").first.click()
    expect(desk.get_by_role("heading", name="As it was handed over")).to_be_visible()
    assert accessibility_faults(desk) == []

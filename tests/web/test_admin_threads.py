"""The thread at the desk: page, fragment, what is invalid, who may not, and another shop's."""

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import transaction
from portal.db.returns import Return
from portal.services.handling import deciding, requests
from portal.services.lists import boards
from portal.services.talking import canned, notices, threads
from tests import builders
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def talk(world: World, return_id: UUID) -> list[tuple[str, str]]:
    with world.app.app_context():
        found = threads.of_return(world.actor(), return_id)
        return [(one.kind, one.body) for one in found.entries]


def from_customer(world: World, return_id: UUID, text: str) -> UUID:
    with world.app.app_context():
        return threads.write(builders.a_customer(return_id, world.own), return_id, text, now=now())


def test_a_message_goes_out_and_stands_on_the_page(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(
        page, {"message": "Please take the box."}, button="Send the message", follow_redirects=True
    )
    assert answer.request.path == f"/admin/returns/{back}"
    assert "Please take the box." in answer.page.text
    assert talk(world, back) == [("agent", "Please take the box.")]
    with world.app.app_context():
        assert "message" in {mail.event for mail in notices.of_return(back)}


def test_the_same_form_sent_twice_writes_once(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    for _n in range(2):
        client.submit(page, {"message": "Hello"}, button="Send the message")
    assert talk(world, back) == [("agent", "Hello")]


def test_htmx_gets_the_thread_alone(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(
        page, {"message": "Hello"}, button="Send the message", htmx="thread", follow_redirects=True
    )
    assert "<html" not in answer.get_data(as_text=True)
    assert answer.page.has_id("thread")
    assert "Hello" in answer.page.text
    entries = client.get(f"/admin/returns/{back}/messages", htmx="entries")
    assert entries.page.has_id("entries") and not entries.page.has_id("thread")


def test_an_empty_message_is_refused_and_nothing_is_lost(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(page, {"message": "  "}, button="Send the message")
    assert answer.status_code == 422
    assert "Write something first." in answer.page.text
    assert talk(world, back) == []


def test_a_note_is_kept_and_never_told_to_the_customer(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("warehouse")
    page = client.get(f"/admin/returns/{back}")
    assert "Send the message" not in page.page.text
    answer = client.submit(page, {"note": "Box was wet"}, button="Keep the note", follow_redirects=True)
    assert "Box was wet" in answer.page.text
    assert talk(world, back) == [("note", "Box was wet")]
    assert "Box was wet" not in opened(world, back).get(f"/r/{back}/status").page.text


def test_whoever_may_not_write_cannot(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("warehouse")
    client.get(f"/admin/returns/{back}")
    assert client.post(f"/admin/returns/{back}/messages", data={"message": "Hello"}).status_code == 403
    assert client.post(f"/admin/returns/{back}/questions", data={"question": "What?"}).status_code == 403
    assert talk(world, back) == []


def test_another_shops_thread_is_not_found(world: World) -> None:
    foreign, client = world.confirmed(merchant_id=world.other, units={"SHIRT": 1}), world.signed_in("admin")
    client.get("/admin/")
    assert client.get(f"/admin/returns/{foreign}/messages").status_code == 404
    for path in ("messages", "notes", "questions", "messages/read"):
        answer = client.post(
            f"/admin/returns/{foreign}/{path}", data={"message": "x", "note": "x", "days": "3"}
        )
        assert answer.status_code == 404, path


def test_a_question_makes_the_return_wait_and_can_be_withdrawn(world: World) -> None:
    back, client = world.requested(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(
        page, {"question": "Which size?", "days": "5"}, button="Ask the customer", follow_redirects=True
    )
    assert world.state(back) == "needs_info"
    assert "Waits for an answer until" in answer.page.text
    assert "Waiting for the customer" in answer.page.text
    assert "Ask the customer" not in answer.page.text
    client.submit(answer, button="Withdraw the question")
    assert world.state(back) == "requested"


def test_what_is_decided_while_it_is_asked_ends_the_question(world: World) -> None:
    back, client = world.requested(), world.signed_in("supervisor")
    with world.app.app_context():
        requests.ask(world.actor(), back, "Which size?", asks=("answer",), now=now())
    page = client.get(f"/admin/returns/{back}")
    assert client.submit(page, button="Approve return").status_code == 303
    assert world.state(back) == "approved"
    with world.app.app_context():
        assert threads.of_return(world.actor(), back).request is None


@pytest.mark.parametrize(("days", "told"), [("0", "between 1 and 60"), ("x", "between 1 and 60")])
def test_a_question_needs_a_day_that_makes_sense(world: World, days: str, told: str) -> None:
    back, client = world.requested(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(page, {"question": "Which size?", "days": days}, button="Ask the customer")
    assert answer.status_code == 422
    assert told in answer.page.text and "Which size?" in answer.get_data(as_text=True)
    assert world.state(back) == "requested"


def test_what_the_customer_wrote_is_new_until_it_was_read(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    from_customer(world, back, "Where is it?")
    page = client.get(f"/admin/returns/{back}")
    client.submit(page, button="Mark as read")
    with world.app.app_context():
        assert threads.of_return(world.actor(), back).unread == 0
    assert "Mark as read" not in client.get(f"/admin/returns/{back}").page.text


def ready(world: World, texts: dict[str, str], merchant_id: UUID | None = None) -> UUID:
    owner = merchant_id or world.own
    with world.app.app_context():
        actor = world.actor("admin", owner)
        return canned.save(actor, merchant_id=owner, name="Late", texts=texts, now=now())


def test_a_ready_text_is_put_in_with_what_it_is_about(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    answer_id = ready(world, {"en": "Dear {name}, {number} of {order} is late. {agent}, {merchant}"})
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(page, {"canned": str(answer_id)}, button="Insert")
    number = world.dossier(back).page.draft.number
    assert f"Dear Demo Customer, {number} of D-" in answer.get_data(as_text=True)
    assert talk(world, back) == []
    sent = client.submit(answer, button="Send the message", follow_redirects=True)
    assert "is late. Demo csr, Demo shop own" in sent.page.text
    with world.app.app_context():
        assert canned.read(world.actor(), answer_id).uses == 1


def test_a_ready_text_without_the_customers_language_says_so(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    answer_id = ready(world, {"de": "Guten Tag"})
    page = client.get(f"/admin/returns/{back}")
    assert "Late (not in English)" in page.page.text
    answer = client.submit(page, {"canned": str(answer_id), "message": "Hi."}, button="Insert", htmx="thread")
    assert "This text is not there in English" in answer.page.text
    assert "Hi.\n\nGuten Tag" in answer.get_data(as_text=True)


def test_another_shops_ready_text_is_not_found(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    answer_id = ready(world, {"en": "Secret"}, world.other)
    client.get(f"/admin/returns/{back}")
    data: dict[str, Any] = {"canned": str(answer_id), "insert": "1", "message": ""}
    assert client.post(f"/admin/returns/{back}/messages", data=data).status_code == 404


def test_a_question_about_what_changed_meanwhile_is_shown_beside_it_and_can_be_asked_all_the_same(
    world: World,
) -> None:
    back, client = world.requested(), world.signed_in("csr")
    page = client.get(f"/admin/returns/{back}")
    with world.app.app_context():
        deciding.approve(world.actor(), back, now=now())
    refused = client.submit(page, {"question": "Which size?"}, button="Ask the customer")
    assert refused.status_code == 409
    assert "Which size?" in refused.page.text
    assert talk(world, back) == []
    again = client.submit(refused, button="Send mine all the same")
    assert again.status_code == 303
    assert talk(world, back) == [("request", "Which size?")]


@pytest.mark.parametrize("earlier", [True, False])
def test_what_came_while_the_reply_was_typed_is_still_new_after_it(world: World, earlier: bool) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    if earlier:
        from_customer(world, back, "Where is it?")
    page = client.get(f"/admin/returns/{back}")
    from_customer(world, back, "And it is broken.")
    answer = client.submit(page, {"message": "On its way."}, button="Send the message", follow_redirects=True)
    with world.app.app_context():
        unread = [one.body for one in threads.of_return(world.actor(), back).entries if one.read_at is None]
        assert unread == ["And it is broken.", "On its way."]
        (waits,) = boards.inbox(world.actor("csr"), now=now()).items
        assert (waits.kind, waits.subject_id) == ("reply", back)
    client.submit(answer, {"message": "Oh no."}, button="Send the message")
    with world.app.app_context():
        assert threads.of_return(world.actor(), back).unread == 0
        assert boards.inbox(world.actor("csr"), now=now()).items == ()


def test_a_customer_of_a_country_reads_the_ready_text_of_their_language(world: World) -> None:
    """As a shop's system calls it: de-DE."""
    back, client = world.confirmed(), world.signed_in("csr")
    with world.app.app_context(), transaction() as session:
        session.execute(sa.update(Return).where(Return.id == back).values(language="de-DE"))
    answer_id = ready(world, {"de": "Guten Tag", "en": "Hello"})
    page = client.get(f"/admin/returns/{back}")
    assert "Language of the customer: Deutsch." in page.page.text and "(not in" not in page.page.text
    answer = client.submit(page, {"canned": str(answer_id)}, button="Insert")
    assert "Guten Tag" in answer.get_data(as_text=True)
    assert "This text is not there in" not in answer.page.text

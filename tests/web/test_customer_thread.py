"""The thread on the customer's pages: written, read and answered with nothing but the link."""

from datetime import timedelta
from io import BytesIO
from uuid import UUID

import pytest
from flask import Flask

from portal.services.handling import requests
from portal.services.talking import notices, threads
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened
from tests.web.shops import picture

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def talk(world: World, return_id: UUID) -> list[tuple[str, str, int]]:
    with world.app.app_context():
        found = threads.of_return(world.actor(), return_id)
        return [(one.kind, one.body, len(one.pictures)) for one in found.entries]


def ask(world: World, return_id: UUID, **more: object) -> UUID:
    given = {"asks": ("answer", "photo"), "now": now()} | more
    with world.app.app_context():
        return requests.ask(world.actor("csr"), return_id, "Which size is it?", **given)


def test_a_message_with_a_photo_is_kept_and_shown(world: World) -> None:
    back = world.confirmed()
    client = opened(world, back)
    page = client.get(f"/r/{back}/status")
    answer = client.submit(
        page, {"message": "It is torn.", "photos": (BytesIO(picture()), "torn.jpg")},
        button="Send the message", follow_redirects=True,
    )  # fmt: skip
    assert answer.request.path == f"/r/{back}/status"
    assert "It is torn." in answer.page.text
    assert talk(world, back) == [("customer", "It is torn.", 1)]
    shown = [src for src in answer.get_data(as_text=True).split('"') if "/pictures/" in src]
    assert client.get(shown[0]).mimetype == "image/jpeg"


def test_htmx_gets_the_thread_and_how_it_stands(world: World) -> None:
    back = world.confirmed()
    client = opened(world, back)
    page = client.get(f"/r/{back}/status")
    answer = client.submit(
        page, {"message": "Hello"}, button="Send the message", htmx="thread", follow_redirects=True
    )
    html = answer.get_data(as_text=True)
    assert "<html" not in html
    assert answer.page.has_id("thread") and answer.page.has_id("progress")
    assert "Hello" in html


@pytest.mark.parametrize(
    ("data", "told"),
    [({"message": " "}, "Write something first."), ({"message": "x", "photos": (BytesIO(b"no"), "x.jpg")}, "photo")],
)  # fmt: skip
def test_what_cannot_be_kept_is_told_at_its_field(world: World, data: dict[str, object], told: str) -> None:
    back = world.confirmed()
    client = opened(world, back)
    answer = client.submit(client.get(f"/r/{back}/status"), data, button="Send the message")
    assert answer.status_code == 422
    assert told in answer.page.text
    assert answer.page.title.startswith("Error:")
    assert talk(world, back) == []


def test_a_question_is_answered_with_words_and_photos_and_the_return_goes_on(world: World) -> None:
    back = world.requested({"SHIRT": 1, "MUG": 2})
    ask(world, back)
    client = opened(world, back)
    page = client.get(f"/r/{back}/status")
    assert page.page.h1 == "We need something from you"
    assert "Please answer by" in page.page.text
    line = world.lines(back)["MUG"].id
    answer = client.submit(
        page, {"answer": "Medium.", f"photos-{line}": (BytesIO(picture()), "mug.jpg")},
        button="Send the answer", follow_redirects=True,
    )  # fmt: skip
    assert answer.page.h1 == "We have your return and look at it"
    assert world.state(back) == "requested"
    assert talk(world, back)[-1] == ("customer", "Medium.", 1)
    desk = world.signed_in("csr").get(f"/admin/returns/{back}").get_data(as_text=True)
    mug = desk[desk.index('id="lines"') :].partition("Sent as an answer:")[2]
    assert 'alt="Photo 1 of' in mug.partition("</ul>")[0] and "Demo mug" in mug.partition("</ul>")[0]
    assert desk.count("Sent as an answer:") == 1


def test_what_stands_in_one_form_stays_while_another_is_sent(world: World) -> None:
    back = world.requested({"SHIRT": 1})
    ask(world, back)
    client = opened(world, back)
    page = client.get(f"/r/{back}/status")
    assert "hx-preserve" not in page.get_data(as_text=True)
    taken = client.submit(
        page, {"message": "By the way."}, button="Send the message", htmx="thread",
        headers={"HX-Trigger": "write-form"}, follow_redirects=True,
    )  # fmt: skip
    kept = [tag for tag in taken.get_data(as_text=True).split("<") if "hx-preserve" in tag]
    assert len(kept) == 1 and kept[0].startswith('form class="card stack stack-small" id="answer-form"')
    again = client.get(f"/r/{back}/status")
    refused = client.submit(
        again,
        {"message": " "},
        button="Send the message",
        htmx="thread",
        headers={"HX-Trigger": "write-form"},
    )
    kept = [tag for tag in refused.get_data(as_text=True).split("<") if "hx-preserve" in tag]
    assert [tag.partition('id="')[2].partition('"')[0] for tag in kept if "answer" not in tag][
        -1
    ] == "photos-chosen"


def test_an_answer_without_anything_is_refused(world: World) -> None:
    back = world.requested()
    ask(world, back)
    client = opened(world, back)
    answer = client.submit(client.get(f"/r/{back}/status"), {"answer": ""}, button="Send the answer")
    assert answer.status_code == 422
    assert world.state(back) == "needs_info"


def test_an_answer_to_what_was_withdrawn_is_kept_as_a_message(world: World) -> None:
    back = world.requested()
    question = ask(world, back)
    client = opened(world, back)
    page = client.get(f"/r/{back}/status")
    with world.app.app_context():
        requests.withdraw(world.actor(), back, question, now=now())
    answer = client.submit(page, {"answer": "Medium."}, button="Send the answer", follow_redirects=True)
    assert "We have your message and answer by e-mail." in answer.page.text
    assert "The time to answer was over." not in answer.page.text
    assert talk(world, back)[-1] == ("customer", "Medium.", 0)


def test_reading_is_told_to_the_shop(world: World) -> None:
    back = world.confirmed()
    with world.app.app_context():
        threads.write(world.actor("csr"), back, "Please use the box.", now=now())
    client = opened(world, back)
    client.submit(client.get(f"/r/{back}/status"), button="I have read it")
    with world.app.app_context():
        assert threads.of_return(world.actor(), back).entries[0].read_at is not None


def test_without_a_link_there_is_no_thread(world: World) -> None:
    back, other = world.confirmed(), world.confirmed()
    client = opened(world, other)
    client.get(f"/r/{other}/status")
    assert client.get(f"/r/{back}/messages").status_code == 404
    for path in ("messages", "messages/read", f"messages/{back}/answer"):
        assert client.post(f"/r/{back}/{path}", data={"message": "Hello"}).status_code == 404
    assert talk(world, back) == []


CANARY = "canary-7f3a"


def test_a_note_leaves_the_house_on_no_page_and_in_no_mail(world: World, drain: object) -> None:
    """Every address that leads on from the status page is visited, and every mail is read."""
    back = world.confirmed()
    with world.app.app_context():
        actor = world.actor("supervisor")
        threads.write(actor, back, f"{CANARY} do not trust", kind="note", now=now())
        threads.write(actor, back, "Your parcel is here.", now=now())
    drain()  # type: ignore[operator]
    client, seen, todo = opened(world, back), set(), [f"/r/{back}/status"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        assert CANARY.encode() not in answer.get_data(), path
        if answer.mimetype == "text/html" and answer.status_code == 200:
            links = (link.split("#")[0] for link in answer.page.links().values())
            todo += [link for link in links if link.startswith((f"/r/{back}", "/s/"))]
    assert f"/r/{back}/status" in seen and len(seen) > 3
    client.get(f"/r/{back}/messages")
    with world.app.app_context():
        mails = notices.of_return(back)
        assert "message" in {mail.event for mail in mails}
        assert not [mail for mail in mails if CANARY in mail.text + mail.html + mail.subject]


def test_an_answer_after_the_last_day_is_told_so_and_kept_as_a_message(world: World) -> None:
    back = world.requested()
    ask(world, back, days=1)
    client = opened(world, back)
    page = client.get(f"/r/{back}/status")
    world.app.config["CLOCK"] = lambda: now() + timedelta(days=3)
    answer = client.submit(page, {"answer": "Medium."}, button="Send the answer", follow_redirects=True)
    assert "The time to answer was over." in answer.page.text
    assert talk(world, back)[-1] == ("customer", "Medium.", 0)

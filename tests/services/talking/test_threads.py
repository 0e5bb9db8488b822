"""Threads: every message is kept once, goes out as mail, and is read by the other side alone."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.db import history, returns
from portal.services import pictures
from portal.services.talking import notices, threads
from tests.builders import (
    NOW,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    line_ids,
)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def back(session, gateways, shop):
    order = an_order(gateways, shop, (an_item("MUG", 2),))
    return a_return(gateways, shop, order, {"MUG": 1})


def a_picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, "PNG")
    return out.getvalue()


def bodies(actor, return_id):
    return [(one.kind, one.body) for one in threads.of_return(actor, return_id).entries]


def unread(return_id):
    return returns.get(return_id, lock=False).unread


def test_both_sides_read_what_was_written_in_its_order(session, shop, back):
    agent, customer = a_person(shop, "csr"), a_customer(back, shop)
    threads.write(customer, back, "When is my money here?", now=NOW)
    threads.write(agent, back, "  As soon as the parcel is here.  ", now=NOW)
    written = [("customer", "When is my money here?"), ("agent", "As soon as the parcel is here.")]
    assert bodies(agent, back) == bodies(customer, back) == written


def test_a_note_is_seen_by_people_alone(session, shop, back):
    agent, customer = a_person(shop, "warehouse"), a_customer(back, shop)
    threads.write(agent, back, "Third return this month", kind="note", now=NOW)
    assert bodies(agent, back) == [("note", "Third return this month")]
    assert bodies(customer, back) == []
    assert not [mail for mail in notices.of_return(back) if mail.event == "message"]
    with pytest.raises(NotAllowed):
        threads.write(customer, back, "I too", kind="note", now=NOW)


def test_the_same_form_twice_writes_once(session, shop, back):
    agent, customer = a_person(shop), a_customer(back, shop)
    first = threads.write(agent, back, "Hello", nonce="form-1", now=NOW)
    assert threads.write(agent, back, "Hello", nonce="form-1", now=NOW) == first
    asked = threads.write(customer, back, "Hello?", nonce="form-2", now=NOW)
    assert threads.write(customer, back, "Hello?", nonce="form-2", now=NOW) == asked
    assert len(bodies(agent, back)) == 2
    assert unread(back) == 1
    assert len([mail for mail in notices.of_return(back) if mail.event == "message"]) == 1


def test_a_form_of_one_return_writes_nothing_at_another(session, gateways, shop, back):
    other = a_return(gateways, shop, an_order(gateways, shop, (an_item("HAT", 1),)), {"HAT": 1})
    threads.write(a_person(shop), back, "Hello", nonce="form-1", now=NOW)
    with pytest.raises(NotFound):
        threads.write(a_person(shop), other, "Hello", nonce="form-1", now=NOW)


def test_unread_counts_what_the_customer_wrote_until_somebody_read_or_answered(session, shop, back):
    agent, customer = a_person(shop), a_customer(back, shop)
    threads.write(customer, back, "One", now=NOW)
    seen = threads.of_return(agent, back).entries[-1].id
    threads.write(customer, back, "Two", now=NOW)
    assert unread(back) == 2 == threads.of_return(agent, back).unread
    threads.mark_read(agent, back, upto=seen, now=NOW)
    assert unread(back) == 1 == threads.of_return(agent, back).unread
    threads.write(agent, back, "Answer", now=NOW)
    assert unread(back) == 0 == threads.of_return(agent, back).unread
    assert threads.of_return(customer, back).unread == 1
    threads.mark_read(customer, back, now=NOW)
    assert threads.of_return(customer, back).unread == 0
    assert threads.of_return(agent, back).entries[-1].read_at == NOW


def test_a_note_leaves_the_customers_message_unread(session, shop, back):
    threads.write(a_customer(back, shop), back, "One", now=NOW)
    threads.write(a_person(shop), back, "I call them", kind="note", now=NOW)
    assert unread(back) == 1


def test_a_message_makes_no_form_of_a_colleague_stale(session, shop, back):
    before = returns.get(back).version
    threads.write(a_customer(back, shop), back, "One", now=NOW)
    assert returns.get(back).version == before


def test_pictures_come_with_the_words_and_belong_to_their_line(session, shop, back, tmp_path: Path):
    customer, line = a_customer(back, shop), line_ids(back)["MUG"]
    threads.write(customer, back, "", attached=[(a_picture(), line)], folder=tmp_path, now=NOW)
    (entry,) = threads.of_return(a_person(shop), back).entries
    assert len(entry.pictures) == 1
    assert pictures.read(customer, entry.pictures[0], folder=tmp_path).startswith(b"\xff\xd8")


@pytest.mark.parametrize("attached", [[b"no picture"], [b""] * 11])
def test_what_is_no_picture_writes_nothing(session, shop, back, tmp_path: Path, attached):
    with pytest.raises(Conflict):
        threads.write(
            a_customer(back, shop), back, "Look", attached=[(one, None) for one in attached], folder=tmp_path,
            now=NOW,
        )  # fmt: skip
    assert bodies(a_person(shop), back) == []


@pytest.mark.parametrize(("body", "code"), [("  ", "message_empty"), ("x" * 5001, "message_too_long")])
def test_an_empty_or_endless_message_is_refused(session, shop, back, body, code):
    with pytest.raises(Conflict) as refused:
        threads.write(a_person(shop), back, body, now=NOW)
    assert refused.value.code == code


def test_strangers_and_roles_without_the_right_write_nothing(session, gateways, shop, back):
    other = a_merchant()
    with pytest.raises(NotFound):
        threads.write(a_person(other), back, "Hello", now=NOW)
    with pytest.raises(NotFound):
        threads.of_return(a_person(other), back)
    with pytest.raises(NotAllowed):
        threads.write(a_person(shop, "warehouse"), back, "Hello", now=NOW)
    with pytest.raises(NotAllowed):
        threads.write(a_person(shop), back, "I am the customer", kind="customer", now=NOW)
    elsewhere = a_return(gateways, other, an_order(gateways, other), {"MUG": 1})
    with pytest.raises(NotFound):
        threads.write(a_customer(elsewhere, other), back, "Hello", now=NOW)
    assert bodies(a_person(shop), back) == []


def test_nobody_is_written_to_about_a_draft(session, gateways, shop):
    draft = a_draft(a_person(shop), shop, an_order(gateways, shop))
    with pytest.raises(Conflict) as refused:
        threads.write(a_person(shop), draft, "Hello", now=NOW)
    assert refused.value.code == "still_a_draft"


def test_the_history_says_that_something_was_written_and_not_what(session, shop, back):
    threads.write(a_person(shop), back, "secret-canary", kind="note", now=NOW)
    session.commit()
    told = [one for one in history.of([back]) if one.what == "return.note.added"]
    assert len(told) == 1
    assert "secret-canary" not in str(told[0].details)


def test_a_line_end_counts_once_as_in_the_field_and_is_kept_as_one(session, shop, back):
    typed = "\r\n".join(["x" * 98] * 50) + "x" * 51
    assert len(typed.replace("\r\n", "\n")) == threads.LONGEST < len(typed)
    threads.write(a_person(shop), back, typed, now=NOW)
    assert bodies(a_person(shop), back) == [("agent", typed.replace("\r\n", "\n"))]

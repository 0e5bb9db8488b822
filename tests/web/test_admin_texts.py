"""Ready texts, playbooks and the log of e-mails: page, fragment, invalid, not allowed, another shop's."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import transaction, uuid7
from portal.db.mails import Mail
from portal.db.merchants import Merchant
from portal.db.messages import Entry
from portal.services.lists import mail_log
from portal.services.talking import canned, notices, playbooks, threads
from portal.words import Words
from tests.mail import Mailbox
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def a_text(world: World, merchant_id: UUID | None = None, name: str = "Late parcel") -> UUID:
    owner = merchant_id or world.own
    with world.app.app_context():
        return canned.save(
            world.actor("admin", owner), merchant_id=owner, name=name, texts={"en": "Dear {name}"}, now=now()
        )


# ------------------------------------------------------------------------------------------------ ready texts


def test_a_text_is_written_listed_changed_and_deleted(world: World) -> None:
    client = world.signed_in("supervisor")
    assert "No ready texts yet" in client.get("/admin/answers").page.text
    page = client.get("/admin/answers/new")
    assert "{agent} your own name" in page.page.text
    listed = client.submit(
        page, {"name": "Late", "text-en": "Dear {name}", "text-de": "Guten Tag"}, button="Save the text",
        follow_redirects=True,
    )  # fmt: skip
    assert "Late" in listed.page.text and "Deutsch" in listed.page.text
    edit = client.get(listed.page.link("Late"))
    client.submit(edit, {"name": "Later"}, button="Save the text")
    listed = client.get("/admin/answers")
    assert "Later" in listed.page.text
    gone = client.submit(
        client.get(listed.page.link("Later")), button="Delete the text", follow_redirects=True
    )
    assert "No ready texts yet" in gone.page.text


def test_the_search_answers_with_the_rows(world: World) -> None:
    a_text(world)
    a_text(world, name="Thanks")
    rows = world.signed_in("supervisor").get("/admin/answers?q=late", htmx="rows")
    assert "<html" not in rows.get_data(as_text=True)
    assert "Late parcel" in rows.page.text and "Thanks" not in rows.page.text


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"name": "", "text-en": "x"}, "Give it a name."),
        ({"name": "x", "text-en": ""}, "Write the text in one language"),
        ({"name": "x", "text-fr": "{nmae}"}, "There is no placeholder {nmae}."),
    ],
)
def test_a_text_that_cannot_be_kept_is_shown_again(world: World, typed: dict[str, str], told: str) -> None:
    client = world.signed_in("supervisor")
    answer = client.submit(client.get("/admin/answers/new"), typed, button="Save the text")
    assert answer.status_code == 422
    assert told in answer.page.text


def test_a_text_changed_meanwhile_shows_both(world: World) -> None:
    answer_id, client = a_text(world), world.signed_in("supervisor")
    page = client.get(f"/admin/answers/{answer_id}")
    with world.app.app_context():
        canned.save(
            world.actor(), merchant_id=world.own, answer_id=answer_id, name="Late parcel",
            texts={"en": "Theirs"}, now=now(),
        )  # fmt: skip
    answer = client.submit(page, {"text-en": "Mine"}, button="Save the text")
    assert answer.status_code == 409
    assert "Mine" in answer.page.text and "Theirs" in answer.page.text
    with world.app.app_context():
        assert canned.read(world.actor(), answer_id).texts == {"en": "Theirs"}


def test_agents_edit_neither_texts_nor_playbooks(world: World) -> None:
    answer_id, client = a_text(world), world.signed_in("csr")
    for path in (
        "/admin/answers",
        "/admin/answers/new",
        f"/admin/answers/{answer_id}",
        "/admin/playbooks",
        "/admin/playbooks/refund",
    ):
        assert client.get(path).status_code == 403, path


def test_another_shops_text_is_not_found(world: World) -> None:
    foreign, client = a_text(world, world.other), world.signed_in("admin")
    assert "Late parcel" not in client.get("/admin/answers").page.text
    assert client.get(f"/admin/answers/{foreign}").status_code == 404
    assert client.post(f"/admin/answers/{foreign}/removal").status_code == 404
    assert client.get(f"/admin/playbooks?merchant={world.other}").status_code == 404


# -------------------------------------------------------------------------------------------------- playbooks


def test_a_playbook_in_own_words_stands_beside_the_form_until_it_is_taken_back(world: World) -> None:
    back, client = world.confirmed(), world.signed_in("supervisor")
    assert "Cards take 3 to 5 working days" in client.get(f"/admin/returns/{back}").page.text
    page = client.get("/admin/playbooks/when_money_comes")
    client.submit(page, {"text-en": "Within two days."}, button="Save the playbook")
    text = client.get(f"/admin/returns/{back}").page.text
    assert "Within two days." in text and "Cards take" not in text
    assert "Own text: English" in client.get("/admin/playbooks").page.text
    page = client.get("/admin/playbooks/when_money_comes")
    client.submit(page, button="Take the built-in text again")
    assert "Cards take" in client.get(f"/admin/returns/{back}").page.text


def test_every_form_has_what_to_tell_the_customer_beside_it_in_the_shops_own_words(world: World) -> None:
    with world.app.app_context():
        for step in playbooks.STEPS:
            playbooks.save(world.actor("admin"), world.own, step, {"en": f"Own {step} words."}, now=now())
    order = world.order().id
    confirmed, inspected = world.confirmed(), world.inspected()
    shown_at = {
        "/admin/returns/new": "entry",
        f"/admin/returns/{world.draft()}/prepare": "entry",
        f"/admin/returns/{world.requested()}/decision": "decide",
        f"/admin/dock/returns/{confirmed}": "receive",
        f"/admin/dock/returns/{world.received()}?mode=grade": "inspect",
        f"/admin/returns/{inspected}/refund": "refund",
        f"/admin/orders/{order}/cancellation": "cancel",
        f"/admin/returns/{confirmed}/messages": "message",
    }
    client = world.signed_in("supervisor")
    for address, step in shown_at.items():
        answer = client.get(address)
        assert answer.status_code == 200, address
        assert f"Own {step} words." in answer.page.text, address
        if step != "message":
            for at_any in ("split_shipment", "partial_refund", "when_money_comes"):
                assert f"Own {at_any} words." in answer.page.text, (address, at_any)


def test_another_shops_words_stand_on_no_page_of_mine(world: World) -> None:
    with world.app.app_context():
        boss = world.actor("admin", world.other)
        playbooks.save(boss, world.other, "when_money_comes", {"en": "Foreign"}, now=now())
    client = world.signed_in("csr")
    assert "Foreign" not in client.get(f"/admin/returns/{world.confirmed()}").page.text


def test_whoever_works_for_two_shops_reads_each_ones_words(world: World) -> None:
    with world.app.app_context():
        for shop, text in ((world.own, "Own way"), (world.other, "Other way")):
            playbooks.save(world.actor("admin", shop), shop, "when_money_comes", {"en": text}, now=now())
    client = world.signed_in("csr", merchants=(world.own, world.other))
    own = client.get(f"/admin/returns/{world.confirmed()}").page.text
    other = client.get(f"/admin/returns/{world.confirmed(merchant_id=world.other)}").page.text
    assert "Own way" in own and "Other way" not in own
    assert "Other way" in other and "Own way" not in other


def test_a_playbook_changed_meanwhile_is_refused_and_an_unknown_one_not_found(world: World) -> None:
    client = world.signed_in("supervisor")
    page = client.get("/admin/playbooks/refund")
    with world.app.app_context():
        playbooks.save(world.actor(), world.own, "refund", {"en": "Theirs"}, now=now())
    answer = client.submit(page, {"text-en": "Mine"}, button="Save the playbook")
    assert answer.status_code == 409 and "Theirs" in answer.page.text
    assert client.get("/admin/playbooks/dancing").status_code == 404


# ----------------------------------------------------------------------------------------------------- e-mails


@pytest.fixture
def by_smtp(make_app, smtp: Mailbox) -> World:  # type: ignore[no-untyped-def]
    return a_world(make_app(**smtp.environ()))


def drained(world: World) -> None:
    from tests import serving

    serving.drain(world.app)


def test_a_mail_is_seen_as_it_was_sent(by_smtp: World, smtp: Mailbox) -> None:
    back = by_smtp.confirmed()
    drained(by_smtp)
    (sent,) = smtp.wait_for(1)
    client = by_smtp.signed_in("csr")
    log = client.get("/admin/mails")
    with by_smtp.app.app_context():
        (mail,) = notices.of_return(back)
    page = client.get(f"/admin/messages/{mail.id}")
    assert str(mail.id) in log.get_data(as_text=True)
    for header in ("From", "To", "Reply-To", "Message-ID", "References", "Subject"):
        told = page.get_data(as_text=True)
        assert f"<dt>{header}</dt>" in told, header
    assert str(sent["Message-ID"]) in page.page.text
    assert str(sent["From"]) in page.page.text
    papers = [one.get_filename() for one in sent.walk() if one.get_filename()]
    assert papers and all(name in page.page.text for name in papers)
    paper = client.get(f"/admin/messages/{mail.id}/attachments/{papers[0]}")
    attached = next(one for one in sent.walk() if one.get_filename() == papers[0])
    assert paper.get_data() == attached.get_content()
    assert client.get(f"/admin/messages/{mail.id}/attachments/other.pdf").status_code == 404


def test_what_was_sent_stays_as_it_was_sent_whatever_changes_afterwards(
    by_smtp: World, smtp: Mailbox
) -> None:
    """Words, shop and template may be others by now; the log shows what the customer got."""
    back = by_smtp.confirmed()
    with by_smtp.app.app_context():
        threads.write(by_smtp.actor("csr"), back, "Take the blue box.", now=now())
    drained(by_smtp)
    (sent,) = (
        one for one in smtp.wait_for(2) if "Take the blue box." in one.get_body(("plain",)).get_content()
    )  # type: ignore[union-attr]
    with by_smtp.app.app_context():
        mail = next(one for one in notices.of_return(back) if one.event == "message")
        with transaction() as session:
            session.execute(sa.update(Merchant).values(name="Renamed", support_email="new@example.com"))
            session.execute(sa.update(Mail).values(values={"thread": {"message": "Something else."}}))
            session.execute(sa.update(Entry).values(body="Rewritten."))
    client = by_smtp.signed_in("csr")
    page = client.get(f"/admin/messages/{mail.id}").get_data(as_text=True)
    html = client.get(f"/admin/messages/{mail.id}/looks", check=False).get_data(as_text=True)
    for shown in (page, html):
        assert "Take the blue box." in shown
        assert "Renamed" not in shown.partition("<main")[2] and "Something else." not in shown
    as_sent = sent.get_body(("html",)).get_content()  # type: ignore[union-attr]
    token = re.search(r"/l/([\w-]+)", as_sent)
    assert token is not None and token.group(1) not in html
    without = [re.sub(r"/l/[\w-]+", "/l/", one).split() for one in (html, as_sent)]
    assert without[0] == without[1]


def test_a_mail_that_was_refused_says_why_and_is_sent_again(by_smtp: World, smtp: Mailbox) -> None:
    smtp.refuse.append("550 nobody here")
    back = by_smtp.confirmed()
    drained(by_smtp)
    client = by_smtp.signed_in("csr")
    failed = client.get("/admin/mails?state=failed")
    assert "does not take" in failed.page.text or "refused" in failed.page.text or "550" in failed.page.text
    with by_smtp.app.app_context():
        (mail,) = notices.of_return(back)
    page = client.get(f"/admin/messages/{mail.id}")
    assert "Not sent" in page.page.text
    client.submit(page, button="Send again")
    drained(by_smtp)
    assert len(smtp.wait_for(1)) == 1
    standing = client.get(f"/admin/messages/{mail.id}", htmx="standing")
    assert standing.page.has_id("standing")


def test_mails_of_one_thread_are_one_conversation(by_smtp: World, smtp: Mailbox) -> None:
    back = by_smtp.confirmed()
    for text in ("First words", "Second words"):
        with by_smtp.app.app_context():
            threads.write(by_smtp.actor("csr"), back, text, now=now())
        drained(by_smtp)
    sent = {
        word: next(m for m in smtp.wait_for(3) if word in m.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        for word in ("First words", "Second words")
    }
    first, second = sent["First words"], sent["Second words"]
    root = f"<{back}@returns>"
    assert str(first["References"]) == root
    assert str(second["References"]).split() == [root, str(first["Message-ID"])]
    assert str(second["In-Reply-To"]) == str(first["Message-ID"])
    assert first["Subject"] == second["Subject"]
    assert first["Message-ID"] != second["Message-ID"]
    assert "/l/" in second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "Second words" in second.get_body(("html",)).get_content()  # type: ignore[union-attr]


def test_the_log_is_searched_and_paged(world: World, drain: object) -> None:
    backs = [world.confirmed() for _n in range(3)]
    drain()  # type: ignore[operator]
    client = world.signed_in("csr")
    number = world.dossier(backs[0]).page.draft.number
    found = client.get("/admin/mails", query_string={"q": number}, htmx="rows")
    assert found.get_data(as_text=True).count("data-row") == 1
    assert client.get("/admin/mails?q=demo.customer@", htmx="rows").page.text.count("Sent") >= 3
    assert "No e-mail is like that" in client.get("/admin/mails?q=nobody@example.com").page.text
    with world.app.app_context():
        first = mail_log.listing(world.actor("csr"), limit=2)
        rest = mail_log.listing(world.actor("csr"), limit=2, after=first.next)
    ids = [row.mail.id for row in (*first.rows, *rest.rows)]
    assert len(first.rows) == 2 and rest.next is None
    assert ids == sorted(set(ids), reverse=True) and len(ids) == 3


def test_another_shops_mail_is_neither_listed_nor_found(world: World, drain: object) -> None:
    foreign = world.confirmed(merchant_id=world.other)
    drain()  # type: ignore[operator]
    with world.app.app_context():
        (mail,) = notices.of_return(foreign)
    client = world.signed_in("admin")
    assert str(mail.id) not in client.get("/admin/mails").get_data(as_text=True)
    assert client.get(f"/admin/messages/{mail.id}").status_code == 404
    assert client.get(f"/admin/messages/{mail.id}/attachments/x.pdf").status_code == 404
    assert client.get(f"/admin/mails?merchant={world.other}").status_code == 404


def test_send_again_pressed_twice_sends_once_more(world: World, drain: object) -> None:
    back = world.confirmed()
    drain()  # type: ignore[operator]
    with world.app.app_context():
        (mail,) = notices.of_return(back)
    client = world.signed_in("csr")
    page = client.get(f"/admin/messages/{mail.id}")
    for _n in range(2):
        client.submit(page, button="Send again")
        drain()  # type: ignore[operator]
    with world.app.app_context():
        assert [one.state for one in notices.of_return(back)] == ["sent", "sent"]
    client.submit(client.get(f"/admin/messages/{mail.id}"), button="Send again")
    with world.app.app_context():
        assert len(notices.of_return(back)) == 3, "a page opened anew means it"


def test_a_search_without_a_letter_finds_no_returns_without_an_order(world: World) -> None:
    back, client = world.draft(), world.signed_in("csr")
    with world.app.app_context(), transaction() as session:
        session.execute(
            sa.insert(Mail).values(
                id=uuid7(), merchant_id=world.own, return_id=back, event="link", language="en",
                recipient="somebody@example.com", values={}, message_id="<x@returns>", created_at=now(),
            )
        )  # fmt: skip
    assert "somebody@example.com" in client.get("/admin/mails?q=somebody@").page.text
    assert "No e-mail is like that" in client.get("/admin/mails", query_string={"q": "---"}).page.text


@pytest.mark.parametrize("version", ["²", "9" * 5000])
def test_a_version_that_is_no_number_is_as_if_none_was_told(world: World, version: str) -> None:
    answer_id, client = a_text(world), world.signed_in("admin")
    page = client.get(f"/admin/answers/{answer_id}")
    assert client.submit(page, {"version": version}, button="Save the text").status_code == 303
    page = client.get("/admin/playbooks/refund")
    answer = client.submit(page, {"version": version, "text-en": "Mine"}, button="Save the playbook")
    assert answer.status_code == 303
    back = world.confirmed()
    page = client.get(f"/admin/returns/{back}")
    answer = client.submit(page, {"version": version, "question": "Which?"}, button="Ask the customer")
    assert answer.status_code == 303


def a_mail(world: World, at: datetime) -> UUID:
    mail_id = uuid7()
    with world.app.app_context(), transaction() as session:
        session.execute(
            sa.insert(Mail).values(
                id=mail_id, merchant_id=world.own, event="finance_alert", language="en", values={}, sent_at=at,
                recipient="somebody@example.com", message_id="<x@returns>", created_at=at, state="sent",
            )
        )  # fmt: skip
    return mail_id


def test_a_mail_tells_the_time_where_its_shop_is(world: World) -> None:
    mail_id = a_mail(world, at := datetime(2026, 6, 15, 5, 0, tzinfo=UTC))
    with world.app.app_context(), transaction() as session:
        there = sa.update(Merchant).where(Merchant.id == world.own)
        session.execute(there.values(zone="Pacific/Honolulu"))
    client = world.signed_in("csr", merchants=(world.own, world.other))
    shown = client.get(f"/admin/messages/{mail_id}").page.text
    assert Words("en", "Pacific/Honolulu").moment(at) in shown


def test_a_page_that_waits_for_a_mail_shows_all_of_it_once_it_is_sent(world: World, drain: object) -> None:
    back, client = world.confirmed(), world.signed_in("csr")
    with world.app.app_context():
        threads.write(world.actor("csr"), back, "Take the blue box.", now=now())
        mail = next(one for one in notices.of_return(back) if one.event == "message")
    page = client.get(f"/admin/messages/{mail.id}")
    assert "It is written when it is sent." in page.page.text
    assert "HX-Refresh" not in client.get(f"/admin/messages/{mail.id}", htmx="standing").headers
    drain()  # type: ignore[operator]
    assert client.get(f"/admin/messages/{mail.id}", htmx="standing").headers["HX-Refresh"] == "true"
    assert "HX-Refresh" not in client.get(f"/admin/messages/{mail.id}").headers


def test_the_last_page_of_the_log_counts_one_as_one(world: World) -> None:
    first = a_mail(world, now())
    after = a_mail(world, now())
    shown = world.signed_in("csr").get(f"/admin/mails?after={after}").page.text
    assert first < after and "1 e-mail on this page" in shown

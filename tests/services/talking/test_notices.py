"""Messages: every one that is promised is sent once, kept without its token, and told in the right language."""

from concurrent.futures import ThreadPoolExecutor
from email.utils import parseaddr
from io import BytesIO
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.ports import Unavailable
from portal.services import links
from portal.services.handling import confirmation, deciding
from portal.services.refunding import refunds
from portal.services.talking import notices, threads
from portal.words import Words
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_order,
    fill,
    inspect,
    receive,
    terms,
)

PDF = "application/pdf"


@pytest.fixture
def app(make_app, smtp):
    """The app that hands its mail to a real server."""
    return make_app(**smtp.environ())


@pytest.fixture
def shop(session):
    return a_merchant(terms=terms(condition_deductions_bp=(("C", 3000),)))


def test_every_message_of_a_return_reaches_its_reader(app, session, shop, gateways, smtp, drain):
    agent, site = a_person(shop), app.extensions["site"]
    order = an_order(gateways, shop, email="somebody@customer.example")
    draft = a_draft(agent, shop, order)
    link = links.send_link(agent, draft, site=site, now=NOW)
    links.revoke(agent, link.id, now=NOW)
    links.ask_for_new(link.id, now=NOW)
    links.reissue(agent, link.id, site=site, now=NOW)
    fill(agent, draft, gateways, order=order)
    confirmation.confirm(a_customer(draft, shop), draft, site=site, now=NOW)
    session.commit()
    drain()
    receive(shop, draft)
    inspect(shop, draft, [("MUG", 1, "C", True)])
    refunds.propose(a_person(shop, "finance"), draft, now=NOW)
    session.commit()
    drain()
    session.expire_all()
    kept = notices.of_return(draft)
    assert {mail.event for mail in kept} == {
        "link", "new_link_requested", "link_reissued", "approved", "received", "inspected_changed", "refunded",
    }  # fmt: skip
    assert {mail.state for mail in kept} == {"sent"}
    messages = {str(message["Message-ID"]): message for message in smtp.wait_for(len(kept))}
    assert len(messages) == len(kept)
    for message in messages.values():
        assert parseaddr(message["To"])[1] in {
            "demo.customer@customer.example",
            parseaddr(message["Reply-To"])[1],
        }
    with_papers = [m for m in messages.values() if any(p.get_content_type() == PDF for p in m.walk())]
    (approved,) = with_papers
    papers = [p for p in approved.walk() if p.get_content_type() == PDF]
    assert len(papers) == 2 and all(p.get_content().startswith(b"%PDF") for p in papers)
    for mail in kept:
        shown = notices.as_sent(mail.id, site=site)
        if mail.event in ("link", "link_reissued"):
            token = shown.text.split("/l/")[1].split()[0]
            assert token not in mail.text and token not in mail.html


def test_after_an_outage_the_same_message_is_sent_under_the_same_id(
    app, session, shop, gateways, smtp, drain
):
    agent = a_person(shop)
    draft = a_draft(agent, shop, an_order(gateways, shop))
    links.send_link(agent, draft, site=app.extensions["site"], now=NOW)
    session.commit()
    (mail,) = notices.of_return(draft)
    smtp.refuse += ["451 later", "451 later"]
    for _ in range(2):
        with pytest.raises(Unavailable):
            notices.deliver(mail.id, gateways=gateways, site=app.extensions["site"], now=NOW)
    (mail,) = notices.of_return(draft)
    assert mail.state == "queued" and "451" in mail.error and smtp.messages == []
    for _ in range(2):
        notices.deliver(mail.id, gateways=gateways, site=app.extensions["site"], now=NOW)
    session.expire_all()
    (mail,) = notices.of_return(draft)
    assert mail.state == "sent"
    (message,) = smtp.wait_for(1)
    assert str(mail.id) in message["Message-ID"]


def test_a_message_that_is_refused_for_good_is_marked_and_can_be_sent_again(
    app, session, shop, gateways, smtp, drain
):
    agent = a_person(shop, "csr")
    draft = a_draft(agent, shop, an_order(gateways, shop))
    links.send_link(agent, draft, site=app.extensions["site"], now=NOW)
    (mail,) = notices.of_return(draft)
    with pytest.raises(Conflict, match="mail_queued"):
        notices.resend(agent, mail.id, now=NOW)
    session.commit()
    smtp.refuse.append("550 no such mailbox")
    drain()
    session.expire_all()
    (mail,) = notices.of_return(draft)
    assert mail.state == "failed" and "550" in mail.error
    with pytest.raises(NotFound):
        notices.resend(a_person(a_merchant(), "csr"), mail.id, now=NOW)
    with pytest.raises(NotAllowed):
        notices.resend(a_person(shop, "finance"), mail.id, now=NOW)
    notices.resend(agent, mail.id, now=NOW)
    session.commit()
    drain()
    session.expire_all()
    assert [one.state for one in notices.of_return(draft)] == ["failed", "sent"]
    assert len(smtp.wait_for(1)) == 1


@pytest.mark.parametrize(("language", "words"), [("de", "Guten Tag"), ("fr", "Bonjour")])
def test_the_customer_reads_their_own_language(app, session, shop, gateways, smtp, drain, language, words):
    agent = a_person(shop)
    draft = a_draft(agent, shop, an_order(gateways, shop), language=language)
    links.send_link(agent, draft, site=app.extensions["site"], now=NOW)
    session.commit()
    drain()
    session.expire_all()
    (mail,) = notices.of_return(draft)
    assert words in mail.text and f'lang="{language}"' in mail.html


def test_a_code_to_show_at_the_counter_is_in_the_message(app, session, shop, gateways, smtp, drain):
    order = an_order(gateways, shop)
    return_id = a_return(gateways, shop, order, method="qr_dropoff", site=app.extensions["site"])
    session.commit()
    drain()
    (message,) = smtp.wait_for(1)
    pictures = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert len(pictures) == 1 and "cid:" in message.get_body(("html",)).get_content()
    assert return_id


def test_a_preview_queues_nothing_and_shows_no_token(app, session, shop, gateways):
    agent = a_person(shop)
    draft = a_draft(agent, shop, an_order(gateways, shop))
    shown = notices.preview(agent, draft, event="link", gateways=gateways, site=SITE, now=NOW)
    assert "/l/_link_" in shown.text and notices.of_return(draft) == []


def test_a_declined_return_is_told_why(app, session, gateways, smtp, drain):
    shop = a_merchant(terms=terms(approval_conditions=("used",)))
    agent, site = a_person(shop), app.extensions["site"]
    order = an_order(gateways, shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, condition="used")
    confirmation.confirm(a_customer(draft, shop), draft, site=site, now=NOW)
    deciding.decline(agent, draft, reason="other", message="It was worn", now=NOW)
    session.commit()
    drain()
    assert any("It was worn" in message.get_body(("plain",)).get_content() for message in smtp.wait_for(2))
    (first, _) = notices.of_return(draft)
    with pytest.raises(NotFound):
        notices.read(a_person(a_merchant()), first.id)


def test_a_message_of_photos_alone_says_so(app, session, shop, gateways, drain, tmp_path):
    agent, order = a_person(shop), an_order(gateways, shop)
    back = a_return(gateways, shop, order)
    picture = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(picture, "PNG")
    threads.write(agent, back, "", attached=[(picture.getvalue(), None)], folder=tmp_path, now=NOW)
    threads.write(agent, back, "And words.", now=NOW)
    session.commit()
    drain()
    session.expire_all()
    photos, words = (mail for mail in notices.of_return(back) if mail.event == "message")
    for told, of_photos in ((photos, True), (words, False)):
        for shown in (told.text, told.html):
            assert ("Photos, without words." in shown) == of_photos


def test_one_press_of_send_again_sends_once_on_either_database(app, session, shop, gateways, drain):
    agent = a_person(shop, "csr")
    back = a_return(gateways, shop, an_order(gateways, shop))
    session.commit()
    drain()
    session.expire_all()
    (mail,) = notices.of_return(back)
    session.commit()

    def press(nonce):
        with app.app_context():
            notices.resend(agent, mail.id, nonce=nonce, now=NOW)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(press, "one page") for _n in range(4)]:
            done.result()
    session.rollback()
    assert len(notices.of_return(back)) == 2
    press("another page")
    session.rollback()
    assert len(notices.of_return(back)) == 3


def test_the_last_day_of_a_link_is_one_of_the_shops_calendar(app, session, gateways, drain):
    """It ends at five in the morning in UTC: in Honolulu that is the day before."""
    shop = a_merchant(zone="Pacific/Honolulu")
    agent, early = a_person(shop), NOW.replace(hour=5)
    draft = a_draft(agent, shop, an_order(gateways, shop), now=early)
    link = links.send_link(agent, draft, site=app.extensions["site"], now=early)
    session.commit()
    drain()
    session.expire_all()
    (mail,) = notices.of_return(draft)
    words = Words("en", "Pacific/Honolulu")
    there = link.expires_at.astimezone(ZoneInfo("Pacific/Honolulu")).date()
    assert there != link.expires_at.date()
    assert words.day(there, weekday=True) in mail.text
    assert words.day(link.expires_at.date(), weekday=True) not in mail.text

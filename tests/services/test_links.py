"""Links: random, stored as a digest alone, ended and renewed; and starting without one tells nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core import links as core
from portal.core.access import Conflict, NotFound
from portal.db import returns as stored
from portal.db.mails import Mail
from portal.services import links, merchants
from portal.services.handling import dossiers
from portal.services.talking import notices
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_order,
    terms,
)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def agent(shop):
    return a_person(shop, "csr")


@pytest.fixture
def draft(shop, agent, gateways):
    return a_draft(agent, shop, an_order(gateways, shop))


def token_of(agent, link):
    return links.shown_url(agent, link.id, site=SITE).rsplit("/", 1)[1]


def test_the_token_stands_nowhere_in_the_database(app, session, agent, draft, drain):
    from portal.db.base import db

    site = app.extensions["site"]
    link = links.send_link(agent, draft, site=site, now=NOW)
    token = links.shown_url(agent, link.id, site=site).rsplit("/", 1)[1]
    session.commit()
    drain()
    assert len(token) >= 32, "192 bits"
    looked_at = 0
    for table in sa.inspect(db.engine).get_table_names():
        for row in session.execute(sa.text(f'SELECT * FROM "{table}"')).all():
            looked_at += 1
            assert token not in repr(row), table
    assert looked_at > 10
    (mail,) = notices.of_return(draft)
    assert mail.state == "sent" and "/l/_link_" in mail.text
    assert token in notices.as_sent(mail.id, site=site).text


def test_the_address_shown_opens_the_link_until_the_secret_changes(agent, draft):
    link = links.send_link(agent, draft, site=SITE, now=NOW)
    assert links.open_token(token_of(agent, link)).id == link.id
    assert links.open_token("x" * 32) is None
    assert links.shown_url(agent, link.id, site=core.Site(base_url="https://x", secret="another")) is None


def test_looking_at_a_link_changes_nothing_and_continuing_is_noted_once(shop, agent, draft):
    link = links.send_link(agent, draft, site=SITE, now=NOW)
    token = token_of(agent, link)
    for _ in range(3):
        assert links.open_token(token).opened_at is None
    actor, _ = links.holder(link.id, now=NOW)
    links.mark_opened(actor, link.id, now=NOW)
    links.mark_opened(actor, link.id, now=NOW + timedelta(days=1))
    assert links.open_token(token).opened_at == NOW
    happened = [one.what for one in dossiers.dossier(agent, draft, now=NOW).history]
    assert happened.count("return.link.opened") == 1


def test_a_link_expires_and_can_be_extended_and_revoked_for_good(agent, draft):
    link = links.send_link(agent, draft, days=2, site=SITE, now=NOW)
    assert link.standing(NOW + timedelta(days=2, seconds=-1)) == "open"
    assert link.standing(NOW + timedelta(days=2)) == "expired"
    link = links.extend(agent, link.id, days=5, now=NOW)
    assert link.standing(NOW + timedelta(days=4)) == "open"
    links.revoke(agent, link.id, now=NOW)
    links.revoke(agent, link.id, now=NOW)
    assert links.open_token(token_of(agent, link)).standing(NOW) == "revoked"
    with pytest.raises(Conflict, match="link_closed"):
        links.extend(agent, link.id, days=5, now=NOW)


def test_a_link_issued_anew_ends_the_one_before(agent, draft):
    old = links.send_link(agent, draft, site=SITE, now=NOW)
    new = links.reissue(agent, old.id, site=SITE, now=NOW)
    assert links.open_token(token_of(agent, old)).standing(NOW) == "revoked"
    assert links.open_token(token_of(agent, new)).standing(NOW) == "open"
    assert [mail.event for mail in notices.of_return(draft)] == ["link", "link_reissued"]


def test_asking_for_a_new_link_is_told_once_a_day_and_only_where_the_link_is_dead(agent, draft):
    link = links.send_link(agent, draft, days=1, site=SITE, now=NOW)
    links.ask_for_new(link.id, now=NOW)
    for hours in (25, 26, 47):
        links.ask_for_new(link.id, now=NOW + timedelta(hours=hours))
    asked = [mail for mail in notices.of_return(draft) if mail.event == "new_link_requested"]
    assert len(asked) == 1 and asked[0].recipient == ""
    links.ask_for_new(link.id, now=NOW + timedelta(hours=50))
    assert len(notices.of_return(draft)) == 3


def test_another_shop_manages_no_link_and_neither_does_its_holder(shop, agent, draft):
    from portal.core.access import NotAllowed

    link = links.send_link(agent, draft, site=SITE, now=NOW)
    stranger, customer = a_person(a_merchant(), "admin"), a_customer(draft, shop)
    for actor, refusal in ((stranger, NotFound), (customer, NotAllowed)):
        for call in (
            lambda actor=actor: links.revoke(actor, link.id, now=NOW),
            lambda actor=actor: links.extend(actor, link.id, days=9, now=NOW),
            lambda actor=actor: links.reissue(actor, link.id, site=SITE, now=NOW),
            lambda actor=actor: links.shown_url(actor, link.id, site=SITE),
        ):
            with pytest.raises(refusal):
                call()


def test_a_policy_without_a_portal_and_a_customer_without_address_get_no_link(session, gateways):
    closed = a_merchant(terms=terms(portal=False))
    agent = a_person(closed, "csr")
    with pytest.raises(Conflict, match="links_off"):
        links.send_link(agent, a_draft(agent, closed), site=SITE, now=NOW)
    shop = a_merchant()
    agent = a_person(shop, "csr")
    with pytest.raises(Conflict, match="customer_missing"):
        links.send_link(agent, a_draft(agent, shop, email=""), site=SITE, now=NOW)


def start(shop, order_number, proof):
    return links.start_by_customer(
        merchant_id=shop, order_number=order_number, proof=proof, language="en", site=SITE, now=NOW
    )


def mails(session):
    return [(mail.event, mail.recipient) for mail in session.scalars(sa.select(Mail).order_by(Mail.id))]


def test_starting_alone_is_silent_and_mails_only_the_address_on_file(shop, session, gateways):
    order = an_order(gateways, shop, number="#D-77-A", email="on.file@customer.example")
    other = a_merchant()
    for at, number, proof in (
        (shop, order.number, "somebody@else.example"),
        (shop, order.number, "10115"),
        (shop, order.number, ""),
        (shop, "D-99", "on.file@customer.example"),
        (other, order.number, "on.file@customer.example"),
    ):
        assert start(at, number, proof) is None
    assert mails(session) == []
    assert start(shop, "d77a", " On.File@Customer.example") is None
    assert start(shop, "D 77 A", "203-59") is None
    assert mails(session) == [("start_link", "on.file@customer.example")] * 2
    drafts = session.scalars(sa.select(stored.Return)).all()
    assert [row.channel for row in drafts] == ["self_service"], "the second time goes on with the first draft"


def test_where_customers_may_not_start_nothing_is_sent(session, gateways):
    shop = a_merchant(terms=terms(self_service=False))
    order = an_order(gateways, shop)
    assert start(shop, order.number, "20359") is None
    assert mails(session) == []


def test_a_return_number_brings_the_status_page(shop, session, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    number = stored.get(return_id).number
    start(shop, number.lower().replace("-", " "), "wrong@customer.example")
    start(shop, number, "20359")
    events = [event for event, _ in mails(session)]
    assert events.count("status_link") == 1
    assert sorted(one.purpose for one in links.of_return(return_id)) == ["status", "status"]


def test_a_new_policy_does_not_change_what_a_sent_link_allows(shop, agent, draft):
    merchants.publish(a_person(shop, "admin"), shop, replace(merchants.terms_of(shop), portal=False), now=NOW)
    assert links.send_link(agent, draft, site=SITE, now=NOW).standing(NOW) == "open"

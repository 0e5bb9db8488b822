"""Finance is told once of each case, in its own language, and without anything of the customer but a number."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db.base import transaction
from portal.db.mails import Mail
from portal.db.refunds import Refund
from portal.services import tasks
from portal.services.gateways import looking
from portal.services.paying import payouts
from portal.services.persons import people
from portal.services.refunding import refunds
from portal.services.talking import alerts
from portal.words.books import TASKS
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, came_back


@pytest.fixture
def shop(session):
    shop = a_merchant(slug="alerts")
    for name, role, language in (("fin", "finance", "de"), ("bea", "finance", "en"), ("csr", "csr", "en")):
        people.create_user(
            email=f"{name}@alerts.example", name=f"Demo {name}", password="a long demo password",
            roles={"alerts": role}, language=language, now=NOW,
        )  # fmt: skip
    return shop


def tell(shop, kind="refund_failed"):
    with transaction():
        return alerts.tell(kind, merchant_id=shop, number="RF-DEMO-1", now=NOW)


def mails(session):
    return session.scalars(sa.select(Mail).where(Mail.event == alerts.EVENT).order_by(Mail.recipient)).all()


def test_each_finance_person_gets_one_mail_in_their_language(shop, session, drain):
    assert tell(shop) == 2
    drain()
    first, second = mails(session)
    assert (first.recipient, second.recipient) == ("bea@alerts.example", "fin@alerts.example")
    assert [mail.state for mail in (first, second)] == ["sent", "sent"]
    assert first.subject == "RF-DEMO-1: A refund could not be paid" and second.language == "de"
    assert "RF-DEMO-1" in first.text and "/admin/finance" in first.text and "/admin/finance" in first.html


def test_nothing_of_the_customer_stands_in_it(shop, session, drain):
    tell(shop)
    drain()
    for mail in mails(session):
        assert set(mail.values) == {"kind", "number", "subject"}
        assert "customer" not in (mail.text + mail.html + mail.subject).lower()


def test_without_a_finance_person_the_shop_itself_is_told(session, drain):
    shop = a_merchant(slug="alone")
    assert tell(shop, "refund_waits") == 1
    drain()
    assert [mail.recipient for mail in mails(session)] == ["help@alone.example"]


def test_what_can_wait_for_the_page_sends_no_mail(shop, session):
    assert tell(shop, "account_needed") == 0
    assert mails(session) == []


def fails_after_telling(shop):
    with transaction():
        alerts.tell("refund_failed", merchant_id=shop, number="RF-DEMO-2", now=NOW)
        raise RuntimeError("the change fails")


def test_a_mail_goes_with_the_change_that_causes_it_or_not_at_all(shop, session):
    with pytest.raises(RuntimeError):
        fails_after_telling(shop)
    assert mails(session) == []


def test_a_refund_that_fails_is_told_once_however_often_it_is_looked_at(shop, session, gateways, drain):
    order = an_order(gateways, shop, [an_item("MUG", 1, "9.99")], paid=[a_payment("card", ending="-fails")])
    refund_id = refunds.propose(a_person(shop, "supervisor"), came_back(gateways, shop, order), now=NOW)
    for _ in range(3):
        payouts.send(refund_id, gateways=gateways, now=NOW)
    session.commit()
    drain()
    session.rollback()
    number = session.scalar(sa.select(Refund.number))
    assert [(mail.recipient, mail.state) for mail in mails(session)] == [
        ("bea@alerts.example", "sent"),
        ("fin@alerts.example", "sent"),
    ]
    assert all(number in mail.text for mail in mails(session))


def test_a_refund_that_waits_for_days_is_told_once(shop, session, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 1, "9.99")], paid=[a_payment("card", ending="-pending")])
    refund_id = refunds.propose(a_person(shop, "supervisor"), came_back(gateways, shop, order), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    for days in (2, 3, 4):
        looking.tell_of_waiting(now=NOW + timedelta(days=days))
    session.rollback()
    assert [mail.values["kind"] for mail in mails(session)] == ["refund_waits", "refund_waits"]


def test_everything_that_finance_is_told_of_is_a_known_task_with_a_name():
    assert set(alerts.ALERTED) <= set(tasks.KINDS) == set(TASKS)

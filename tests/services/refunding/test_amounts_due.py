"""What a customer still owes (an invoice, cash on delivery, instalments) is owed no more, in our own books alone."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.db.base import transaction
from portal.db.refunds import Refund, Transfer
from portal.services import tasks
from portal.services.gateways import looking, reconcile
from portal.services.ledgers import accounting, books
from portal.services.paying import authorizations, byhand, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.talking import notices
from portal.words import Words
from tests.builders import NOW, a_merchant, a_payment, a_person, as_it_is
from tests.services.reserved import an_unpaid_order, become, given_back, payments_of, transfers_of

TENDERS = ("invoice", "cash_on_delivery", "instalments")


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def owed(gateways, shop, tender="invoice", *, number="O-1", units=2):
    return an_unpaid_order(gateways, shop, number=number, tenders={"due": a_payment(tender)}, units=units)


def send(refund_id, gateways, after=timedelta(0)):
    payouts.send(refund_id, gateways=gateways, now=NOW + after)


def posted(session, refund_id, kind="payout_settled"):
    wanted = sa.select(Transfer).where(Transfer.refund_id == refund_id, Transfer.kind == kind)
    return [
        (row.debit, row.credit, row.amount_minor) for row in session.scalars(wanted.order_by(Transfer.id))
    ]


@pytest.mark.parametrize("tender", TENDERS)
def test_the_customer_owes_less_and_no_gateway_is_asked(shop, finance, gateways, sandbox, session, tender):
    order = owed(gateways, shop, tender)
    refund_id = given_back(gateways, shop, order)
    gateways.payments.clear()
    send(refund_id, gateways)
    (payout,) = transfers_of(refund_id)
    assert (payout.mode, payout.provider, payout.state, payout.amount_minor) == (
        "due",
        "due",
        "succeeded",
        1000,
    )
    assert (payout.sent_at, payout.next_check_at, payout.arrives_on) == (None, None, None)
    payment = payments_of(order)["due"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (2000, 1000, 1000)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert posted(session, refund_id) == [("refunds_payable", "due", 1000)]
    assert audit.verify().problems == []


def test_it_is_settled_once_however_often_it_is_sent(shop, gateways, session):
    refund_id = given_back(gateways, shop, owed(gateways, shop))
    for minutes in range(3):
        send(refund_id, gateways, timedelta(minutes=minutes))
        looking.look_at_due(gateways=gateways, now=NOW + timedelta(hours=minutes))
    assert len(posted(session, refund_id)) == len(transfers_of(refund_id)) == 1
    assert audit.verify().problems == []


def test_the_last_unit_leaves_nothing_owed(shop, gateways):
    order = owed(gateways, shop)
    for _ in range(2):
        send(given_back(gateways, shop, as_it_is(order)), gateways)
    payment = payments_of(order)["due"]
    assert payment.released_minor == payment.refunded_minor == payment.captured_minor == 2000
    assert audit.verify().problems == []


def test_what_the_customer_paid_before_it_was_sent_is_paid_back(shop, finance, gateways, sandbox, session):
    """An invoice is paid by a person's transfer: what goes back is paid by a person as well."""
    order = owed(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    with transaction():
        authorizations.captured(payments_of(order)["due"].id, None)
    send(refund_id, gateways)
    (payout,) = transfers_of(refund_id)
    assert (payout.mode, payout.provider, payout.state) == ("captured", "manual", "requires_action")
    assert [task.kind for task in tasks.listing(finance)] == ["pay_by_hand"]
    byhand.settle_by_hand(finance, payout.id, proof="BANK-1", method="bank_transfer", now=NOW)
    payment = payments_of(order)["captured"]
    assert (payment.refunded_minor, payment.released_minor) == (1000, 0)
    assert posted(session, refund_id) == [("refunds_payable", "clearing:manual", 1000)]
    assert audit.verify().problems == []


def test_what_was_owed_less_stays_so_when_the_rest_is_paid(shop, gateways, sandbox):
    order = owed(gateways, shop, units=3)
    send(given_back(gateways, shop, order), gateways)
    with transaction():
        authorizations.captured(payments_of(order)["due"].id, 2000)
    payment = payments_of(order)["captured"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (3000, 1000, 1000)
    assert as_it_is(order).payments[0].left == 2000
    assert audit.verify().problems == []


def test_a_mistake_of_mode_is_put_right_before_anything_is_sent(shop, gateways, sandbox):
    order = owed(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    become(order, "O-1-invoice", "captured")
    become(order, "O-1-invoice", "due")
    send(refund_id, gateways)
    assert transfers_of(refund_id)[0].mode == "due" and sandbox.refunds() == []


def test_nobody_pays_by_hand_what_nobody_paid(shop, finance, gateways):
    refund_id = given_back(gateways, shop, owed(gateways, shop))
    (payout,) = transfers_of(refund_id)
    with pytest.raises(Conflict) as refused:
        byhand.settle_by_hand(finance, payout.id, proof="Paid.", now=NOW)
    assert refused.value.code == "not_by_hand"
    for way in ("manual", "bank_transfer", "store_credit"):
        with pytest.raises(Conflict) as refused:
            byhand.redirect(finance, payout.id, provider=way, reason="As asked.", now=NOW)
        assert refused.value.code == "not_redirectable"


def test_the_journal_has_an_account_for_it_that_a_shop_can_name(shop, finance, gateways):
    send(given_back(gateways, shop, owed(gateways, shop)), gateways)
    told = {"accounts": {"due": "1400", "refunds_payable": "1700"}}
    accounting.set_accounts(finance, shop, told, now=NOW)
    today = NOW.date()
    lines = accounting.journal(finance, shop, since=today, until=today).decode().splitlines()
    assert any(",1400,,10.00,EUR" in line for line in lines), lines
    assert {one.account: one.amount for one in books.balance(finance, shop)}["due"] == -1000


def test_accounts_of_what_was_never_charged_have_names(app):
    said = Words("en", zone="UTC")
    assert "not charged" in said.account("authorized:sandbox").lower()
    assert said.account("due") not in ("due", "")


def test_the_mail_says_that_less_is_owed(shop, gateways, session):
    order = owed(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    before = notices._refund(session.get(Refund, refund_id))
    send(refund_id, gateways)
    after = notices._refund(session.get(Refund, refund_id))
    assert [one["mode"] for one in (*before["shares"], *after["shares"])] == ["due", "due"]


def test_the_gateways_list_is_not_asked_for_what_is_in_our_books_alone(shop, gateways):
    send(given_back(gateways, shop, owed(gateways, shop)), gateways)
    report = reconcile.run(gateways=gateways, now=NOW + timedelta(days=1))
    assert report.agrees and report.checked["sandbox"]["transfers"] == 0

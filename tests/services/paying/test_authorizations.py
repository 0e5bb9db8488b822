"""What a shop has only reserved on a card is let go, never refunded; once it was captured, it is refunded, once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.db.base import transaction, uuid7
from portal.db.cancellations import Cancellation
from portal.db.refunds import Payout, Refund, Transfer
from portal.ports import Declined, Unavailable
from portal.services import tasks
from portal.services.gateways import looking, reconcile
from portal.services.ledgers import books
from portal.services.paying import authorizations, byhand, payouts
from portal.services.proofs import audit
from portal.services.refunding import finance as finances
from portal.services.refunding import refunds
from portal.services.talking import notices
from tests.builders import NOW, a_merchant, a_payment, a_person, as_it_is
from tests.services import reserved
from tests.services.reserved import an_unpaid_order, given_back, payments_of, transfers_of


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def reserve(gateways, shop, *, number="A-1", ending="", units=2):
    """An order of mugs at 10.00, reserved on a card."""
    card = a_payment("card", ending=ending)
    return an_unpaid_order(gateways, shop, number=number, tenders={"authorized": card}, units=units)


def send(refund_id, gateways, after=timedelta(0)):
    payouts.send(refund_id, gateways=gateways, now=NOW + after)


def look(gateways, after=timedelta(hours=1)):
    return looking.look_at_due(gateways=gateways, now=NOW + after)


def posted(session, refund_id):
    """(kind, debit, credit, amount) of every posting, in order."""
    wanted = sa.select(Transfer).where(Transfer.refund_id == refund_id).order_by(Transfer.id)
    return [(row.kind, row.debit, row.credit, row.amount_minor) for row in session.scalars(wanted)]


def test_a_reserved_amount_is_let_go_in_part_and_nothing_is_refunded(
    shop, finance, gateways, sandbox, session
):
    order = reserve(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    assert sandbox.refunds() == sandbox.releases() == []
    send(refund_id, gateways)
    send(refund_id, gateways, timedelta(minutes=1))
    (payout,) = transfers_of(refund_id)
    assert (payout.mode, payout.state, payout.amount_minor, payout.arrives_on) == (
        "authorized", "succeeded", 1000, None,
    )  # fmt: skip
    there = sandbox.capture("A-1-card")
    assert (there.captured, there.refunded, there.authorized, there.released) == (0, 0, 1000, 1000)
    assert sandbox.refunds() == [] and len(sandbox.releases()) == 1
    payment = payments_of(order)["authorized"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (2000, 1000, 1000)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert posted(session, refund_id)[-1] == (
        "payout_settled", "refunds_payable", "authorized:sandbox", 1000,
    )  # fmt: skip
    assert audit.verify().problems == []


def test_what_is_let_go_last_leaves_nothing_reserved(shop, gateways, sandbox):
    order = reserve(gateways, shop)
    for _ in range(2):
        send(given_back(gateways, shop, as_it_is(order)), gateways)
    there = sandbox.capture("A-1-card")
    assert (there.authorized, there.released) == (0, 2000)
    with pytest.raises(Declined):
        sandbox.take("A-1-card")
    assert payments_of(order)["authorized"].released_minor == 2000
    assert audit.verify().problems == []


def test_the_shop_captures_what_is_left_and_a_later_refund_is_one(shop, gateways, sandbox, session):
    order = reserve(gateways, shop, units=3)
    send(given_back(gateways, shop, order), gateways)
    sandbox.take("A-1-card")
    with transaction():
        authorizations.captured(payments_of(order)["authorized"].id, 2000)
    later = given_back(gateways, shop, as_it_is(order))
    send(later, gateways)
    there = sandbox.capture("A-1-card")
    assert (there.captured, there.refunded, there.released) == (2000, 1000, 1000)
    payment = payments_of(order)["captured"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (3000, 2000, 1000)
    assert posted(session, later)[-1][2] == "clearing:sandbox"
    assert audit.verify().problems == []


def test_what_was_captured_in_the_meantime_is_refunded_under_the_same_key_once(
    shop, finance, gateways, sandbox, session
):
    order = reserve(gateways, shop, ending="-auth-captured")
    refund_id = given_back(gateways, shop, order)
    for minutes in (0, 1, 70):
        send(refund_id, gateways, timedelta(minutes=minutes))
        look(gateways, timedelta(minutes=minutes + 15))
    (payout,) = transfers_of(refund_id)
    assert (payout.mode, payout.state) == ("captured", "succeeded")
    assert [(key, amount) for key, _, amount, _ in sandbox.refunds()] == [(payout.key, 1000)]
    assert sandbox.releases() == []
    payment = payments_of(order)["captured"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (2000, 1000, 0)
    assert posted(session, refund_id)[-1][2] == "clearing:sandbox"
    assert (
        audit.verify().problems == []
        and reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3)).agrees
    )


def test_a_shop_that_captured_less_is_never_asked_for_more_than_it_took(shop, finance, gateways, sandbox):
    order = reserve(gateways, shop)
    sandbox.take("A-1-card", 1500)
    send(given_back(gateways, shop, order), gateways)
    payment = payments_of(order)["captured"]
    assert (payment.captured_minor, payment.refunded_minor) == (1500, 1000)
    assert as_it_is(order).payments[0].left == 500
    assert audit.verify().problems == []


def test_what_the_shop_captures_though_it_was_let_go_fails_and_is_refunded_when_a_person_tries_again(
    shop, finance, gateways, sandbox, session
):
    order = reserve(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    send(refund_id, gateways)
    sandbox.take("A-1-card", 2000)
    look(gateways)
    refund = refunds.one(finance, refund_id)
    assert refund.state == "failed" and refund.error.startswith("captured_anyway")
    assert [task.details["reason"] for task in tasks.listing(finance)] == ["captured_anyway"]
    payment = payments_of(order)["authorized"]
    assert (payment.refunded_minor, payment.released_minor) == (0, 0)
    assert audit.verify().problems == []
    refunds.retry(finance, refund_id, now=NOW + timedelta(hours=2))
    send(refund_id, gateways, timedelta(hours=2))
    payment = payments_of(order)["captured"]
    assert (payment.captured_minor, payment.refunded_minor, payment.released_minor) == (2000, 1000, 0)
    assert [amount for _, _, amount, _ in sandbox.refunds()] == [1000]
    assert posted(session, refund_id)[-1][2] == "clearing:sandbox"
    assert audit.verify().problems == []


def test_what_expired_by_itself_is_let_go_already(shop, finance, gateways, sandbox):
    refund_id = given_back(gateways, shop, reserve(gateways, shop, ending="-auth-expired"))
    send(refund_id, gateways)
    look(gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert sandbox.refunds() == [] and audit.verify().problems == []


def test_captured_here_and_only_reserved_there_is_a_matter_for_a_person(shop, finance, gateways, sandbox):
    order = reserve(gateways, shop)
    reserved.become(order, "A-1-card", "captured")
    refund_id = given_back(gateways, shop, order)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "failed"
    assert [(task.kind, task.details["reason"]) for task in tasks.listing(finance)] == [
        ("refund_failed", "not_captured")
    ]
    assert sandbox.refunds() == sandbox.releases() == []
    sandbox.take("A-1-card")
    refunds.retry(finance, refund_id, now=NOW)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded" and audit.verify().problems == []


def test_an_answer_that_was_lost_is_looked_up_and_nothing_is_let_go_twice(shop, finance, gateways, sandbox):
    order = reserve(gateways, shop, ending="-unavailable")
    refund_id = given_back(gateways, shop, order)
    with pytest.raises(Unavailable):
        send(refund_id, gateways)
    (payout,) = transfers_of(refund_id)
    assert payout.state == "unknown"
    assert payments_of(order)["authorized"].refunded_minor == 1000, "its quota is held"
    send(refund_id, gateways, timedelta(minutes=1))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert len(sandbox.releases()) == 1 and audit.verify().problems == []


def test_a_release_that_is_pending_is_settled_by_looking(shop, finance, gateways, sandbox):
    order = reserve(gateways, shop, ending="-pending")
    refund_id = given_back(gateways, shop, order)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "pending"
    assert payments_of(order)["authorized"].released_minor == 0
    sandbox.settle()
    look(gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert payments_of(order)["authorized"].released_minor == 1000
    assert audit.verify().problems == []


def test_a_release_that_is_refused_frees_its_quota_and_is_told(shop, finance, gateways, sandbox):
    order = reserve(gateways, shop, ending="-declines")
    refund_id = given_back(gateways, shop, order)
    send(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "failed"
    assert (payments_of(order)["authorized"].refunded_minor, sandbox.releases()) == (0, [])
    assert [task.kind for task in tasks.listing(finance)] == ["refund_failed"]
    assert audit.verify().problems == []


def test_one_refund_goes_to_each_tender_in_its_own_way(shop, finance, gateways, sandbox, session):
    tenders = {
        "captured": a_payment("wallet", "5.00"),
        "authorized": a_payment("card", "5.00"),
        "due": a_payment("invoice", "10.00"),
    }
    order = an_unpaid_order(gateways, shop, number="A-9", tenders=tenders)
    refund_id = given_back(gateways, shop, order, 2)
    send(refund_id, gateways)
    assert {row.mode: (row.state, row.amount_minor, row.provider) for row in transfers_of(refund_id)} == {
        "captured": ("succeeded", 500, "sandbox"),
        "authorized": ("succeeded", 500, "sandbox"),
        "due": ("succeeded", 1000, "due"),
    }
    assert {mode: row.released_minor for mode, row in payments_of(order).items()} == {
        "captured": 0, "authorized": 500, "due": 1000,
    }  # fmt: skip
    assert len(sandbox.refunds()) == len(sandbox.releases()) == 1
    accounts = {one.account: one.amount for one in books.balance(finance, shop)}
    assert (accounts["clearing:sandbox"], accounts["authorized:sandbox"], accounts["due"]) == (
        -500, -500, -1000,
    )  # fmt: skip
    (total,) = finances.totals(finance, shop)
    assert (total.decided, total.paid, total.released, total.payable) == (2000, 500, 1500, 0)
    assert audit.verify().problems == []
    report = reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3))
    assert report.agrees and (
        report.checked["sandbox"]["refunds"],
        report.checked["sandbox"]["released"],
    ) == (1, 1)


def test_released_and_refunded_together_never_exceed_what_the_tender_covers(shop, gateways, sandbox):
    order = reserve(gateways, shop)
    for _ in range(2):
        given_back(gateways, shop, as_it_is(order))
    with pytest.raises(sa.exc.IntegrityError), transaction() as session:
        session.execute(sa.text("UPDATE payments SET released_minor = refunded_minor + 1"))
    with pytest.raises(sa.exc.IntegrityError), transaction() as session:
        session.execute(sa.text("UPDATE payments SET refunded_minor = captured_minor + 1"))


def test_a_counter_that_lies_about_what_was_let_go_is_found(shop, gateways):
    order = reserve(gateways, shop)
    send(given_back(gateways, shop, order), gateways)
    with transaction() as session:
        session.execute(sa.text("UPDATE payments SET released_minor = 0"))
    assert any("never charged" in problem for problem in audit.verify().problems)


def test_a_release_that_was_posted_as_paid_out_is_found(shop, gateways):
    order = reserve(gateways, shop)
    send(given_back(gateways, shop, order), gateways)
    with transaction() as session:
        session.execute(sa.text("UPDATE payouts SET mode = 'captured'"))
        session.execute(sa.text("UPDATE payments SET released_minor = 0"))
    assert any("authorized:sandbox" in problem for problem in audit.verify().problems)


def test_nobody_sends_it_as_credit_or_by_another_way_while_nobody_paid_it(shop, finance, gateways):
    refund_id = given_back(gateways, shop, reserve(gateways, shop))
    (payout,) = transfers_of(refund_id)
    for way in ("store_credit", "bank_transfer"):
        with pytest.raises(Conflict) as refused:
            byhand.redirect(finance, payout.id, provider=way, reason="As asked.", now=NOW)
        assert refused.value.code == "not_redirectable"


def test_the_customer_reads_that_it_is_not_charged(shop, gateways, session):
    order = reserve(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    send(refund_id, gateways)
    refund = session.get(Refund, refund_id)
    (mail,) = [one for one in notices.of_return(refund.return_id) if one.event == "refunded"]
    shares = notices._refund(refund)["shares"]
    assert [share["mode"] for share in shares] == ["authorized"] and mail.event == "refunded"


# --------------------------------------------------------------------------------------- before the warehouse


def a_waiting_cancellation(session, refund_id, state):
    """The refund's return as a cancellation whose goods may still leave."""
    refund = session.get(Refund, refund_id)
    with transaction() as writing:
        writing.execute(
            sa.insert(Cancellation).values(
                id=uuid7(),
                merchant_id=refund.merchant_id,
                return_id=refund.return_id,
                asked_by="customer",
                requested_at=NOW,
                warehouse="sandbox",
                warehouse_state=state,
            )  # fmt: skip
        )


@pytest.mark.parametrize("state", ["waiting", "pending"])
@pytest.mark.parametrize("mode", ["authorized", "captured", "due"])
def test_nothing_goes_before_the_warehouse_has_answered(
    shop, finance, gateways, sandbox, session, state, mode
):
    tender = a_payment({"due": "invoice"}.get(mode, "card"))
    order = an_unpaid_order(gateways, shop, number="A-7", tenders={mode: tender})
    refund_id = given_back(gateways, shop, order)
    a_waiting_cancellation(session, refund_id, state)
    for days in range(3):
        later = timedelta(days=days)
        send(refund_id, gateways, later)
        look(gateways, later)
        looking.tell_of_waiting(now=NOW + later)
        reconcile.run(gateways=gateways, now=NOW + later)
    (payout,) = transfers_of(refund_id)
    assert (payout.state, payout.sent_at, payout.next_check_at) == ("planned", None, None)
    assert sandbox.refunds() == sandbox.releases() == []
    with pytest.raises(Conflict) as refused:
        byhand.settle_by_hand(finance, payout.id, proof="Paid it.", now=NOW)
    assert refused.value.code == "awaits_warehouse"
    with transaction() as writing:
        writing.execute(sa.update(Cancellation).values(warehouse_state="released"))
    send(refund_id, gateways, timedelta(days=3))
    assert transfers_of(refund_id)[0].state == "succeeded" and audit.verify().problems == []


def test_a_refund_that_is_given_up_before_it_was_sent_lets_nothing_go(shop, finance, gateways, sandbox):
    order = reserve(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    refunds.cancel(a_person(shop), refund_id, reason="It was shipped.", now=NOW)
    send(refund_id, gateways)
    payment = payments_of(order)["authorized"]
    assert (payment.refunded_minor, payment.released_minor, sandbox.releases()) == (0, 0, [])
    assert all(one.amount == 0 for one in books.balance(finance, shop))
    assert audit.verify().problems == []


def test_a_payout_knows_what_it_takes_from_the_moment_it_is_planned(shop, gateways, session):
    order = reserve(gateways, shop)
    refund_id = given_back(gateways, shop, order)
    assert session.scalar(sa.select(Payout.mode).where(Payout.refund_id == refund_id)) == "authorized"


@pytest.mark.parametrize("ending", ["", "-unavailable"])
def test_a_capture_that_goes_by_another_name_does_not_hide_what_was_let_go(
    shop, finance, gateways, sandbox, session, ending
):
    """Some shops' systems name the capture otherwise than the authorization: what was let go is looked up where
    it was, and an answer that was lost is not asked for of the capture.
    """
    order = reserve(gateways, shop, ending=ending)
    refund_id = given_back(gateways, shop, order)
    try:
        send(refund_id, gateways)
    except Unavailable:
        assert ending
    sandbox.take(f"A-1-card{ending}")
    sandbox.learn("A-1-capture", captured=1000, currency="EUR")
    with transaction() as writing:
        writing.execute(sa.text("UPDATE payments SET reference = 'A-1-capture', mode = 'captured'"))
    send(refund_id, gateways, timedelta(minutes=20))
    look(gateways, timedelta(hours=1))
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert sandbox.refunds() == [] and len(sandbox.releases()) == 1
    assert [task.kind for task in tasks.listing(finance)] == []
    assert audit.verify().problems == []

"""The three measures: what each counts, and what it leaves out."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
import sqlalchemy as sa

from portal.core.access import NotAllowed, NotFound
from portal.db.base import transaction, uuid7
from portal.db.disputes import Dispute
from portal.db.refunds import Payout, Refund
from portal.services import cancellations
from portal.services.lists import measures
from portal.services.paying import payouts
from tests.builders import a_customer, a_merchant, a_payment, a_person
from tests.services.cancelling import NOW, canceled, goods, propose, service, unshipped

TODAY = NOW.date()
DAYS = {"since": TODAY - timedelta(days=2), "until": TODAY + timedelta(days=2)}


@pytest.fixture
def shop(session):
    return a_merchant()


def read(shop, **period):
    return measures.read(a_person(shop, "csr"), shop, **(DAYS | period))


def sent(session, gateways, made, *, after):
    """Send the refund of a cancellation so long after the yes."""
    refund_id = cancellations.page(made[0], made[1], now=NOW).refunds[0].id
    payouts.send(refund_id, gateways=gateways, now=NOW + after)
    session.commit()


def test_processing_time_is_from_the_yes_to_the_last_transfer_that_is_sent(shop, gateways, session):
    agent = a_person(shop, "csr")
    for seconds in (30, 50):
        order = unshipped(gateways, shop, goods("MUG", 2, "10.00"))
        sent(
            session,
            gateways,
            (agent, canceled(gateways, shop, order, {"MUG": 1})),
            after=timedelta(seconds=seconds),
        )
    slow = unshipped(gateways, shop, goods("MUG", 1, "10.00"))
    slow_one = canceled(gateways, shop, slow, {"MUG": 1})
    sent(session, gateways, (agent, slow_one), after=timedelta(seconds=400))
    canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})  # its refund is not sent yet
    found = read(shop).processing
    assert (found.count, found.seconds, found.average, found.median_seconds) == (3, 480, 160, 50)
    assert (found.fast, found.waiting, found.met) == (2, 1, False)
    assert [one.return_id for one in found.slowest] == [slow_one]


def test_what_a_dispute_paid_later_on_top_is_no_processing_time(shop, gateways, session):
    made = canceled(gateways, shop, unshipped(gateways, shop, goods("MUG", 2, "10.00")), {"MUG": 1})
    sent(session, gateways, (a_person(shop, "csr"), made), after=timedelta(seconds=30))
    with transaction():
        first = session.scalars(sa.select(Refund)).one()
        same = {column.key: getattr(first, column.key) for column in Refund.__table__.columns}
        later = Refund(**same | {"id": uuid7(), "number": "RF-LATER", "amount_minor": 100})
        session.add(later)
        session.flush()
        session.add(
            Dispute(
                id=uuid7(), merchant_id=shop, return_id=made, number="DS-1", state="resolved_customer",
                ground="amount", opened_at=NOW, due_at=NOW, closed_at=NOW, outcome="settled",
                settlement_id=later.id, settled_minor=100,
            )
        )  # fmt: skip
    found = read(shop).processing
    assert (found.count, found.seconds, found.waiting) == (1, 30, 0)


def test_two_payments_are_sent_when_the_later_one_is(shop, gateways, session):
    agent = a_person(shop, "csr")
    order = unshipped(
        gateways, shop, goods("MUG", 1, "30.00"), paid=[a_payment("gift_card", "10.00"), a_payment("card")]
    )
    made = canceled(gateways, shop, order, {"MUG": 1})
    sent(session, gateways, (agent, made), after=timedelta(seconds=20))
    later = session.scalars(sa.select(Payout).order_by(Payout.id)).all()
    assert len(later) == 2
    later[1].sent_at = NOW + timedelta(seconds=90)
    session.commit()
    assert read(shop).processing.average == 90
    later[1].sent_at = later[1].settled_at = None
    session.commit()
    assert (read(shop).processing.count, read(shop).processing.waiting) == (0, 1)


def test_a_service_that_runs_out_has_no_refund_to_wait_for(shop, gateways):
    order = unshipped(
        gateways, shop, service("MAG", "12.00", days_had=10), service("CLS", "30.00", days_had=10)
    )
    canceled(gateways, shop, order, {"MAG": (1, "next_period")})
    assert (read(shop).processing.count, read(shop).processing.waiting) == (0, 0)
    assert read(shop).satisfaction.asked == 1


def test_a_proposal_that_is_not_confirmed_is_measured_nowhere(shop, gateways):
    propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    found = read(shop)
    assert (found.processing.count, found.processing.waiting, found.satisfaction.asked) == (0, 0, 0)
    assert (found.processing.met, found.satisfaction.met, found.accuracy.met) == (None, None, None)


def test_satisfaction_is_fours_and_fives_over_all_answers(shop, gateways):
    for score in (5, 5, 4, 2, None):
        made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
        if score:
            cancellations.score(a_customer(made, shop), made, score=score, now=NOW)
    found = read(shop).satisfaction
    assert (found.satisfied, found.answers, found.asked) == (3, 4, 5)
    assert (found.rate, found.met, found.scores) == (Fraction(3, 4), False, (0, 1, 0, 1, 2))


def test_the_last_answer_of_a_customer_counts_once(shop, gateways):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    for score in (1, 5):
        cancellations.score(a_customer(made, shop), made, score=score, now=NOW)
    found = read(shop).satisfaction
    assert (found.satisfied, found.answers, found.met) == (1, 1, True)


def test_every_decided_refund_is_recounted_and_a_wrong_one_is_named(shop, gateways, session):
    for _ in range(2):
        canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 2})
    found = read(shop).accuracy
    assert (found.accurate, found.refunds, found.rate, found.met) == (2, 2, 1, True)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("ALTER TABLE ledger_transfers DISABLE TRIGGER USER"))
    else:
        session.execute(sa.text("DROP TRIGGER ledger_transfers_no_update"))
    session.execute(
        sa.text(
            "UPDATE ledger_transfers SET amount_minor = amount_minor + 1 "
            "WHERE id = (SELECT max(CAST(id AS TEXT)) FROM ledger_transfers)"
            if session.get_bind().dialect.name == "sqlite"
            else "UPDATE ledger_transfers SET amount_minor = amount_minor + 1 "
            "WHERE id = (SELECT id FROM ledger_transfers ORDER BY id DESC LIMIT 1)"
        )
    )
    found = read(shop).accuracy
    session.rollback()
    assert (found.accurate, found.refunds, found.met) == (1, 2, False)
    (wrong,) = found.wrong
    assert wrong.found.posted == wrong.found.expected + 1


def test_a_period_is_of_the_shops_own_days(shop, gateways):
    canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    before = read(shop, since=TODAY - timedelta(days=9), until=TODAY - timedelta(days=2))
    assert (before.processing.waiting, before.satisfaction.asked, before.accuracy.refunds) == (0, 0, 0)


def test_nobody_sees_the_figures_of_another_shop(shop, session):
    stranger = a_person(a_merchant(), "supervisor")
    with pytest.raises(NotFound):
        measures.read(stranger, shop, **DAYS)
    with pytest.raises(NotFound):
        measures.shop(stranger, shop)
    with pytest.raises(NotAllowed):
        measures.shop(a_person(shop, "warehouse"), None)

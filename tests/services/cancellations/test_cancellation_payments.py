"""What a cancellation does to the money of its order, by how that was paid: never a cent more than it covers."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from portal.core.policy.terms import Terms
from portal.db.base import transaction
from portal.db.mails import Mail
from portal.db.orders import Payment
from portal.db.refunds import Payout
from portal.services.gateways import reconcile
from portal.services.ledgers import credit_notes
from portal.services.paying import authorizations, payouts
from portal.services.refunding import refunds
from portal.services.warehousing import fulfilment
from portal.services.warehousing.fulfilment import ToldUnits
from tests.builders import a_merchant, a_payment, a_person, as_it_is, came_back, shipping_cost
from tests.services.cancelling import NOW, canceled, goods, page, proven, unshipped


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def shop(session):
    return a_merchant(terms=Terms(return_postage="merchant"))


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def an_order_of_three(gateways, shop, *paid, number="P-1"):
    return unshipped(gateways, shop, goods("MUG", 3, "9.33"), shipping_cost("4.90"), number=number, paid=paid)


def transfers(session):
    """(mode, state, amount) of every transfer, oldest first."""
    session.rollback()
    session.expire_all()
    rows = session.scalars(sa.select(Payout).order_by(Payout.created_at, Payout.id))
    return [(row.mode, row.state, row.amount_minor) for row in rows]


def payment(session):
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Payment)).one()


def test_an_authorization_is_reduced_and_nothing_is_refunded(shop, gateways, sandbox, session, drain):
    order = an_order_of_three(gateways, shop, a_payment(mode="authorized"))
    made = canceled(gateways, shop, order, {"MUG": 1})
    assert sandbox.releases() == [], "the warehouse has not answered"
    drain()
    done = page(shop, made)
    assert (done.state, done.refunds[0].state, done.refunds[0].amount) == ("closed", "succeeded", 933)
    assert transfers(session) == [("authorized", "succeeded", 933)]
    there = sandbox.capture("P-1-card")
    assert (there.authorized, there.captured, sandbox.refunds()) == (3289 - 933, 0, [])
    assert (payment(session).refunded_minor, payment(session).released_minor) == (933, 933)
    assert credit_notes.of_refunds([done.refunds[0].id]) == {}, "nothing was billed yet"
    assert proven() == []


def test_with_nothing_left_of_the_order_the_authorization_is_void(shop, gateways, sandbox, session, drain):
    order = an_order_of_three(gateways, shop, a_payment(mode="authorized"))
    for units in (1, 2):
        canceled(gateways, shop, order, {"MUG": units})
        drain()
    there = sandbox.capture("P-1-card")
    assert (there.authorized, there.released) == (0, 3289)
    assert payment(session).released_minor == 3289 and sandbox.refunds() == []
    assert proven() == []


@pytest.mark.parametrize("tender", ["invoice", "cash_on_delivery", "instalments"])
def test_what_is_due_becomes_less_without_any_gateway(shop, gateways, sandbox, session, drain, tender):
    order = an_order_of_three(gateways, shop, a_payment(tender, mode="due"))
    made = canceled(gateways, shop, order, {"MUG": 2})
    drain()
    assert page(shop, made).state == "closed"
    assert transfers(session) == [("due", "succeeded", 1866)]
    assert payment(session).released_minor == 1866
    assert sandbox.refunds() == sandbox.releases() == [] and proven() == []


def test_the_reservation_is_let_go_before_what_was_paid_is_given_back(
    shop, gateways, sandbox, session, drain
):
    order = an_order_of_three(
        gateways, shop, a_payment("wallet", "20.00"), a_payment("card", "12.89", mode="authorized")
    )
    made = canceled(gateways, shop, order, {"MUG": 2})
    drain()
    assert sorted(transfers(session)) == [("authorized", "succeeded", 1289), ("captured", "succeeded", 577)]
    assert [amount for _, _, amount, _ in sandbox.refunds()] == [577]
    (note,) = credit_notes.of_refunds([page(shop, made).refunds[0].id]).values()
    assert [one.payable for one in note] == [1866] and proven() == []


def test_canceled_captured_sent_and_returned_sum_to_what_the_card_covered(
    shop, gateways, sandbox, session, drain
):
    """One order: a unit leaves it, the shop captures the rest and sends it, and all of that comes back."""
    order = an_order_of_three(gateways, shop, a_payment(mode="authorized"))
    canceled(gateways, shop, order, {"MUG": 1})
    drain()
    sandbox.take("P-1-card")
    with transaction():
        authorizations.captured(payment(session).id, 3289 - 933)
        fulfilment.shipped(shop, order.number, [ToldUnits(sku="MUG", units=2)], now=NOW)
    for units in (1, 1):
        return_id = came_back(gateways, shop, as_it_is(order), {"MUG": units}, now=NOW)
        refund_id = refunds.propose(a_person(shop, "finance"), return_id, now=NOW)
        payouts.send(refund_id, gateways=gateways, now=NOW)
    drain()
    assert sorted(transfers(session)) == [
        ("authorized", "succeeded", 933), ("captured", "succeeded", 933), ("captured", "succeeded", 1423),
    ]  # fmt: skip
    there = sandbox.capture("P-1-card")
    assert (there.captured, there.refunded, there.released) == (2356, 2356, 933)
    now = payment(session)
    assert (now.captured_minor, now.refunded_minor, now.released_minor) == (3289, 3289, 933)
    assert as_it_is(order).payments[0].left == 0, "shipping went back with the last of it"
    assert reconcile.run(gateways=gateways, now=NOW).agrees and proven() == []


def test_the_shop_captures_before_the_warehouse_answers(shop, gateways, sandbox, session, drain):
    """The transfer was planned as a release: it is sent as what it must be by then."""
    order = an_order_of_three(gateways, shop, a_payment(mode="authorized"))
    canceled(gateways, shop, order, {"MUG": 1})
    assert transfers(session) == [("authorized", "planned", 933)]
    sandbox.take("P-1-card")
    drain()
    assert transfers(session) == [("captured", "succeeded", 933)]
    assert [amount for _, _, amount, _ in sandbox.refunds()] == [933] and sandbox.releases() == []
    assert payment(session).mode == "captured" and proven() == []


def test_an_undone_cancellation_leaves_the_reservation_as_it_was(shop, gateways, sandbox, session, drain):
    order = an_order_of_three(gateways, shop, a_payment(mode="authorized"), number="P-2-refuses")
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert page(shop, made).state == "refused"
    assert transfers(session) == [("authorized", "canceled", 933)] and sandbox.releases() == []
    assert (payment(session).refunded_minor, payment(session).released_minor) == (0, 0)
    assert sandbox.capture("P-2-refuses-card").authorized == 3289 and proven() == []


def test_the_message_about_the_money_calls_nothing_a_refund_that_was_none(shop, gateways, session, drain):
    order = an_order_of_three(gateways, shop, a_payment(mode="authorized"))
    canceled(gateways, shop, order, {"MUG": 1})
    drain()
    session.rollback()
    kept = session.scalars(
        sa.select(Mail).where(Mail.event.in_(("refunded", "cancellation_confirmed")))
    ).all()
    assert {mail.event for mail in kept} == {"refunded", "cancellation_confirmed"}
    for mail in kept:
        assert mail.state == "sent" and "sent your refund" not in mail.text.lower(), mail.event
        assert "not charged" in mail.text, mail.event

"""Refunds made on a gateway's own pages that a person names as what paid one of ours: they count once."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.services import tasks
from portal.services.gateways import reconcile
from portal.services.paying import byhand, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, as_it_is, came_back


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def a_failed_refund(gateways, shop, finance):
    """(order, refund, its transfer) of 20.00 of 50.00 that the card did not take."""
    items = [an_item("MUG", 2), an_item("POT", 1, "30.00")]
    order = an_order(gateways, shop, items, paid=[a_payment("card", ending="-fails")])
    refund_id = refunds.propose(finance, came_back(gateways, shop, order, {"MUG": 2}), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    (payout,) = refunds.one(finance, refund_id).payouts
    assert (payout.state, payout.amount) == ("failed", 2000)
    return order, refund_id, payout


@pytest.mark.parametrize("known_before", [True, False])
def test_what_was_paid_over_there_and_named_as_proof_counts_once(
    shop, finance, gateways, sandbox, session, known_before
):
    """Whether the gateway's list is read before the person says so, or afterwards."""
    order, refund_id, payout = a_failed_refund(gateways, shop, finance)
    reference = sandbox.refund_outside(f"{order.number}-card-fails", 2000)
    if known_before:
        reconcile.run(gateways=gateways, now=NOW + timedelta(hours=2))
        assert as_it_is(order).payments[0].left == 3000
        assert len(tasks.listing(finance, kind="outside_refund")) == 1
    byhand.settle_by_hand(finance, payout.id, proof=f"Refund {reference}.", now=NOW)
    for hours in (3, 4):
        assert reconcile.run(gateways=gateways, now=NOW + timedelta(hours=hours)).agrees
    assert as_it_is(order).payments[0].left == 3000
    assert session.scalar(sa.text("SELECT count(*) FROM outside_refunds")) == 0
    assert refunds.one(finance, refund_id).state == "succeeded"
    assert tasks.listing(finance) == () and audit.verify().problems == []


def test_another_amount_than_ours_is_another_refund(shop, finance, gateways, sandbox, session):
    order, _, payout = a_failed_refund(gateways, shop, finance)
    reference = sandbox.refund_outside(f"{order.number}-card-fails", 1999)
    byhand.settle_by_hand(finance, payout.id, proof=reference, now=NOW)
    reconcile.run(gateways=gateways, now=NOW + timedelta(hours=2))
    assert as_it_is(order).payments[0].left == 1001
    assert len(tasks.listing(finance, kind="outside_refund")) == 1
    assert audit.verify().problems == []


def test_a_transfer_paid_by_hand_that_the_gateway_pays_all_the_same_is_told(
    shop, finance, gateways, sandbox, session
):
    """It had waited there for its customer, who acts after a person has paid: both sides stand in a task."""
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", ending="-asks")])
    refund_id = refunds.propose(finance, came_back(gateways, shop, order), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    (waits,) = refunds.one(finance, refund_id).payouts
    assert waits.state == "requires_action"
    byhand.settle_by_hand(finance, waits.id, proof="Cash, receipt 12", method="cash", now=NOW)
    assert as_it_is(order).payments[0].left == 0
    sandbox.end(waits.reference, "succeeded")
    (drift,) = reconcile.run(gateways=gateways, now=NOW + timedelta(hours=3)).drifts
    assert (drift.what, drift.ours["state"], drift.theirs["state"]) == ("state", "canceled", "succeeded")
    (task,) = tasks.listing(finance, kind="drift")
    assert task.subject_id == refund_id and as_it_is(order).payments[0].left == 0
    assert audit.verify().problems == []

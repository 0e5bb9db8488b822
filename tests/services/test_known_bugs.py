"""Refund bugs that others shipped, each shown to be impossible here. Races of processes are in test_races."""

from contextlib import suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.lifecycles import LIFECYCLES
from portal.core.policy.verdict import Refused
from portal.db import returns as stored
from portal.db.refunds import Payout
from portal.ports import RefundResult, Unavailable
from portal.services import links
from portal.services.filing import returns
from portal.services.gateways import looking
from portal.services.handling import confirmation, desk
from portal.services.paying import payouts, settling
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.talking import notices
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_payment,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    came_back,
    chosen,
    fill,
    inspect,
    receive,
)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


def propose(actor, return_id):
    return refunds.propose(actor, return_id, now=NOW)


def sent(refund_id, gateways):
    payouts.send(refund_id, gateways=gateways, now=NOW)


def test_medusa_16681_an_error_of_the_provider_keeps_the_key(shop, finance, gateways, session):
    paid = [a_payment(ending="-unavailable")]
    refund_id = propose(finance, came_back(gateways, shop, an_order(gateways, shop, paid=paid)))
    key = session.scalar(sa.select(Payout.key).where(Payout.refund_id == refund_id))
    with pytest.raises(Unavailable):
        sent(refund_id, gateways)
    sent(refund_id, gateways)
    assert [one[0] for one in gateways.payments["sandbox"].refunds()] == [key]


def test_saleor_19645_claims_that_fit_alone_are_judged_together(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    mug = order.items[0].id
    a_return(gateways, shop, order, {"MUG": 2})
    with pytest.raises(Refused):
        returns.choose_lines(agent, draft, [returns.LineChoice(order_line_id=mug, units=2)], now=NOW)


def test_woocommerce_stripe_838_a_result_that_is_told_twice_counts_once(shop, finance, gateways, session):
    """An event that overtakes the answer, or repeats it, finds the transfer settled."""
    order = an_order(gateways, shop)
    return_id = came_back(gateways, shop, order)
    refund_id = propose(finance, return_id)
    payout = session.scalar(sa.select(Payout).where(Payout.refund_id == refund_id))
    result = RefundResult(state="succeeded", reference="r-1", amount=1000, currency="EUR")
    for _ in range(3):
        settling.record(payout.id, refund_id, result, now=NOW)
    sent(refund_id, gateways)
    assert as_it_is(order).payments[0].refunded == 1000
    assert [mail.event for mail in notices.of_return(return_id)].count("refunded") == 1
    assert gateways.payments["sandbox"].refunds() == [] and audit.verify().problems == []


def test_openfoodnetwork_6330_a_second_click_makes_no_second_refund(shop, finance, gateways):
    return_id = came_back(gateways, shop, an_order(gateways, shop))
    propose(finance, return_id)
    with pytest.raises(Conflict, match="nothing_to_refund"):
        propose(finance, return_id)


def test_solidus_3989_sending_twice_pays_once(shop, finance, gateways):
    refund_id = propose(finance, came_back(gateways, shop, an_order(gateways, shop)))
    for _ in range(2):
        sent(refund_id, gateways)
    assert len(gateways.payments["sandbox"].refunds()) == 1


def test_solidus_512_the_discount_of_the_order_is_not_paid_out(shop, finance, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2, "10.00", discount="5.00")])
    assert refunds.quote(finance, came_back(gateways, shop, order), now=NOW).amount == 1500


def test_coopcycle_4608_a_refund_of_two_payments_sends_one_transfer_to_each(shop, finance, gateways):
    """However often the loop over the transfers begins again, and wherever it broke off."""
    paid = [a_payment("card", "5.00", ending="-unavailable"), a_payment("wallet")]
    order = an_order(gateways, shop, [an_item("MUG", 2)], paid=paid)
    refund_id = propose(finance, came_back(gateways, shop, order))
    for _ in range(4):
        with suppress(Unavailable):
            sent(refund_id, gateways)
    executed = gateways.payments["sandbox"].refunds()
    assert sorted(amount for _, _, amount, _ in executed) == [500, 1500]
    assert len({key for key, *_ in executed}) == 2
    assert refunds.one(finance, refund_id).state == "succeeded" and audit.verify().problems == []


def test_pretix_343_a_refund_belongs_to_its_payment(shop, finance, gateways):
    order = an_order(
        gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", "5.00"), a_payment("wallet")]
    )
    sent(propose(finance, came_back(gateways, shop, order, {"MUG": 1})), gateways)
    assert {payment.tender: payment.refunded for payment in as_it_is(order).payments} == {
        "card": 500,
        "wallet": 500,
    }


def test_compressor_1477_units_are_summed_and_no_line_is_simply_returned(shop, gateways):
    """One return of a line does not block the rest of it, and two do not give more than was bought."""
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    a_return(gateways, shop, order, {"MUG": 1})
    a_return(gateways, shop, order, {"MUG": 2})
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    with pytest.raises(Refused):
        returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)


def test_smartstore_1196_a_second_return_of_the_same_line_is_possible_for_what_is_left(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 5)])
    for units in (1, 3):
        a_return(gateways, shop, order, {"MUG": units})
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    with pytest.raises(Refused) as refused:
        returns.choose_lines(agent, draft, chosen(order, {"MUG": 2}), now=NOW)
    assert [finding.details["maximum"] for finding in refused.value.verdict.findings] == [1]
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    assert [line.units for line in returns.page(agent, draft, now=NOW).draft.lines] == [1]


def test_nopcommerce_1571_a_unit_is_not_asked_back_for_any_number_of_times(shop, gateways):
    """Nothing of an order that is on its way back whole can be chosen again, whoever tries."""
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    begun = a_draft(a_person(shop), shop, order)
    fill(a_person(shop), begun, gateways, order=order)
    a_return(gateways, shop, order)
    for draft in (begun, a_draft(a_person(shop), shop, order)):
        with pytest.raises(Refused) as refused:
            returns.choose_lines(a_person(shop), draft, chosen(order, {"MUG": 1}), now=NOW)
        assert [finding.code for finding in refused.value.verdict.findings] == ["already_returned"]
    with pytest.raises(Conflict, match="units_gone"):
        confirmation.confirm(a_person(shop), begun, site=SITE, now=NOW)


def test_solidus_1093_no_state_is_a_dead_end(shop, finance, gateways):
    """From every state of every machine an end can be reached; and what was refused whole is closed."""
    for lifecycle in LIFECYCLES:
        ends = {state for state in lifecycle.states if lifecycle.final(state)} | {"closed"}
        for state in lifecycle.states:
            assert ends & _reachable(lifecycle, state), f"{lifecycle.name}: {state} leads nowhere"
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    receive(shop, return_id)
    inspect(shop, return_id, [("MUG", 1, "D", False)])
    with pytest.raises(Conflict, match="nothing_to_refund"):
        propose(finance, return_id)
    assert stored.get(return_id).state in ("inspected", "closed")
    if stored.get(return_id).state != "closed":
        desk.close(a_person(shop), return_id, reason="all_lines_rejected", now=NOW)
    assert stored.get(return_id).state == "closed"


def _reachable(lifecycle, state):
    found, waiting = set(), [state]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += lifecycle.steps.get(one, {}).values()
    return found


def test_medusa_13433_a_summary_counts_every_return_of_a_payment_once(shop, finance, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3, "30.00"), an_item("CUP", 1, "10.00")])
    told = []
    for units in ({"MUG": 1}, {"MUG": 1, "CUP": 1}, {"MUG": 1}):
        sent(propose(finance, came_back(gateways, shop, order, units)), gateways)
        now = as_it_is(order)
        told.append((now.refunded, now.payments[0].left))
    assert told == [(3000, 7000), (7000, 3000), (10_000, 0)]


def test_spree_14678_what_was_received_is_refunded_not_what_was_announced(shop, finance, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]))
    receive(shop, return_id, {"MUG": 2})
    inspect(shop, return_id)
    assert refunds.quote(finance, return_id, now=NOW).amount == 2000


def test_medusa_14936_the_same_line_chosen_twice_is_one_line(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3)])
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    for units in (1, 2):
        returns.choose_lines(agent, draft, chosen(order, {"MUG": units}), now=NOW)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}) + chosen(order, {"MUG": 2}), now=NOW)
    assert [line.units for line in returns.page(agent, draft, now=NOW).draft.lines] == [2]


def test_medusa_13091_a_cent_can_be_refunded(shop, finance, gateways):
    order = an_order(gateways, shop, [an_item("PIN", 1, "0.01")])
    refund_id = propose(finance, came_back(gateways, shop, order))
    sent(refund_id, gateways)
    assert refunds.one(finance, refund_id).state == "succeeded"


def test_woocommerce_64668_partial_refunds_never_drift_from_what_was_paid(shop, finance, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 3, "9.33", discount="0.01", tax="4.47")])
    amounts = [
        refunds.one(finance, propose(finance, came_back(gateways, shop, order, {"MUG": 1}))).amount
        for _ in range(3)
    ]
    line = as_it_is(order).items[0]
    assert sum(amounts) == 2798 == line.refunded and line.taxes[0].refunded == 447


def test_hi_events_1067_a_pending_refund_ends_without_any_event(shop, finance, gateways):
    order = an_order(gateways, shop, paid=[a_payment(ending="-pending")])
    refund_id = propose(finance, came_back(gateways, shop, order))
    sent(refund_id, gateways)
    gateways.payments["sandbox"].settle()
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(minutes=5))
    assert refunds.one(finance, refund_id).state == "succeeded"


def test_cartwheel_46_whether_it_may_come_back_is_asked_again_at_confirm(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    first, second = (a_draft(agent, shop, order) for _ in range(2))
    for draft in (first, second):
        fill(agent, draft, gateways, order=order)
    confirmation.confirm(agent, first, site=SITE, now=NOW)
    with pytest.raises(Conflict, match="units_gone"):
        confirmation.confirm(agent, second, site=SITE, now=NOW)


def test_emdash_3298_a_scanner_that_opens_a_link_uses_nothing_up(shop, gateways):
    agent = a_person(shop)
    draft = a_draft(agent, shop, an_order(gateways, shop))
    link = links.send_link(agent, draft, site=SITE, now=NOW)
    token = links.shown_url(agent, link.id, site=SITE).rsplit("/", 1)[1]
    before = stored.get(draft).version
    assert {links.open_token(token) for _ in range(20)} == {links.open_token(token)}
    assert links.open_token(token).standing(NOW) == "open" and stored.get(draft).version == before
    assert returns.page(a_customer(draft, shop), draft, now=NOW).left

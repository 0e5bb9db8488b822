"""A cancellation from the wish to its end: nothing before the customer's yes, all of it with the yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.intake import Special
from portal.core.policy.verdict import Refused
from portal.db import history
from portal.db.cancellations import Cancellation
from portal.db.channels import ChannelMessage
from portal.db.mails import Mail
from portal.db.orders import Order, Payment
from portal.db.refunds import Payout, Refund
from portal.db.stock import StockLevel
from portal.services import cancellations, tasks
from portal.services.cancellations import Wish
from portal.services.paying import bank_accounts, byhand
from portal.services.refunding import refunds
from tests.builders import (
    a_customer,
    a_merchant,
    a_payment,
    a_person,
    as_it_is,
    shipping_cost,
    terms,
)
from tests.services.cancelling import (
    NOW,
    beside,
    canceled,
    confirm,
    goods,
    line,
    page,
    propose,
    proven,
    service,
    told,
    unshipped,
    wish,
)


@pytest.fixture
def shop(session):
    return a_merchant()


def stock(session, sku="MUG"):
    rows = session.scalars(sa.select(StockLevel).where(StockLevel.sku == sku, StockLevel.units > 0))
    return {row.bucket: row.units for row in rows}


def happened(session, subject):
    session.rollback()
    return [one.what for one in history.of([subject])]


def test_proposed_confirmed_refunded_and_closed(shop, gateways, session, drain):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33", discount="0.01"), shipping_cost())
    made = propose(gateways, shop, order, {"MUG": 2})
    shown = page(shop, made)
    assert (shown.state, shown.verdict.findings, line(order).held) == ("proposed", (), ((0, 2),))
    assert confirm(gateways, shop, made, seen=shown.seen) == "confirmed"
    drain()
    done = page(shop, made)
    assert (done.state, line(order).canceled, line(order).held) == ("closed", ((0, 2),), ())
    assert [(one.state, one.amount) for one in done.refunds] == [("succeeded", 1865)]
    assert (done.before.total, done.after.total, done.after.units) == (2798 + 490, 933 + 490, 1)
    assert stock(session) == {"reserved": 1, "available": 2}
    assert told(made) == ["cancellation_proposed", "cancellation_confirmed", "refunded"]
    assert proven() == []


def test_before_the_yes_nothing_is_refunded_released_or_told(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    drain()
    session.rollback()
    assert session.scalars(sa.select(Refund)).all() == [] and session.scalars(sa.select(Payout)).all() == []
    assert session.scalars(sa.select(ChannelMessage)).all() == []
    assert stock(session) == {"reserved": 3} and as_it_is(order).refunded == 0
    assert beside(made).warehouse_state == "none" and told(made) == ["cancellation_proposed"]
    assert proven() == []


def test_all_of_it_happens_with_the_yes(shop, gateways, session):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    confirm(gateways, shop, made)
    session.rollback()
    refund = session.scalars(sa.select(Refund)).one()
    assert refund.number.startswith("RF-") and refund.amount_minor == 933
    assert happened(session, order.id) == ["order_line.cancellation_requested", "order_line.canceled"]
    told_of_order = history.of([order.id])[-1].details
    assert (told_of_order["before"]["total"], told_of_order["after"]["total"]) == (2799, 1866)
    assert (
        told_of_order["lines"][0]["units"] == 1 and told_of_order["number"] == page(shop, made).draft.number
    )
    channel = session.scalars(sa.select(ChannelMessage)).one()
    assert (channel.topic, channel.payload["refund"]["number"]) == ("order_line.canceled", refund.number)
    assert session.scalars(sa.select(Mail).where(Mail.event == "finance_cancellation")).one()


def test_the_yes_twice_is_one_and_answers_the_state(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    assert [confirm(gateways, shop, made) for _ in range(3)] == ["confirmed"] * 3
    drain()
    assert confirm(gateways, shop, made) == "closed"
    assert len(page(shop, made).refunds) == 1 and line(order).canceled == ((0, 1),)


def test_nobody_of_the_shop_says_yes_for_the_customer(shop, gateways):
    made = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    for role in ("csr", "supervisor", "admin"):
        with pytest.raises(NotAllowed):
            cancellations.confirm(
                a_person(shop, role), made, seen=None, gateways=gateways, site=None, now=NOW
            )
        with pytest.raises(NotAllowed):
            cancellations.decline(a_person(shop, role), made, now=NOW)
    assert page(shop, made).state == "proposed"


def test_strangers_find_nothing_and_the_warehouse_proposes_nothing(shop, gateways):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    other = a_merchant()
    with pytest.raises(NotFound):
        propose(gateways, shop, order, {"MUG": 1}, by=a_person(other))
    with pytest.raises(NotAllowed):
        propose(gateways, shop, order, {"MUG": 1}, by=a_person(shop, "warehouse"))
    with pytest.raises(NotFound):
        cancellations.page(a_person(other), made, now=NOW)
    with pytest.raises(NotFound):
        confirm(gateways, other, made)
    another = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    with pytest.raises(NotFound):
        cancellations.page(a_customer(another, shop), made, now=NOW)


def test_an_order_of_which_nothing_stays_is_canceled_with_its_shipping(shop, gateways, session, drain):
    order = unshipped(gateways, shop, goods("MUG", 2), shipping_cost("4.90"))
    first = canceled(gateways, shop, order, {"MUG": 1})
    assert session.get(Order, order.id).state == "confirmed" and page(shop, first).breakdown.amount == 1000
    last = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert page(shop, last).breakdown.amount == 1490 and as_it_is(order).state == "canceled"
    assert as_it_is(order).refunded == 2490 and proven() == []


def test_a_free_gift_is_canceled_with_a_refund_of_nothing_that_has_a_number(shop, gateways, session, drain):
    order = unshipped(gateways, shop, goods("MUG", 1), goods("GIFT", 1, "0.00", special=Special(gift=True)))
    made = canceled(gateways, shop, order, {"GIFT": 1})
    done = page(shop, made)
    assert done.state == "closed"
    assert [(one.state, one.amount, bool(one.number)) for one in done.refunds] == [("succeeded", 0, True)]
    drain()
    assert told(made) == ["cancellation_proposed", "cancellation_confirmed"] and proven() == []


def test_a_service_ends_with_its_period_and_gives_nothing_back(shop, gateways, session, drain):
    order = unshipped(
        gateways, shop, service("PLAN", "30.00", days_had=10), service("TV", "15.00", days_had=10)
    )
    made = propose(gateways, shop, order, {"PLAN": (1, "next_period")})
    assert line(order, "PLAN").held == ((0, 1),)
    assert confirm(gateways, shop, made) == "closed", "there is nothing to wait for"
    plan, other = line(order, "PLAN"), line(order, "TV")
    assert plan.ends_on == plan.period_end and (plan.held, plan.canceled) == ((), ())
    assert other.ends_on is None, "the other services go on"
    assert page(shop, made).refunds == () and page(shop, made).lines[0].ends_on == plan.period_end
    with pytest.raises(Refused) as refused:
        propose(gateways, shop, as_it_is(order), {"PLAN": (1, "next_period")})
    assert [finding.code for finding in refused.value.verdict.findings] == ["service_ending"]
    drain()
    assert as_it_is(order).refunded == 0 and proven() == []


def test_a_service_that_ends_at_once_gives_its_unused_days_back(shop, gateways, session, drain):
    order = unshipped(
        gateways, shop, service("PLAN", "30.00", days_had=10), service("TV", "15.00", days_had=10)
    )
    made = canceled(gateways, shop, order, {"PLAN": (1, "at_once")})
    drain()
    done = page(shop, made)
    assert [one.amount for one in done.refunds] == [2000] and done.state == "closed"
    assert done.lines[0].scope_used == (10, 30) and done.lines[0].ends_on == line(order, "PLAN").ends_on
    assert line(order, "PLAN").canceled == ((0, 1),) and line(order, "TV").canceled == ()
    assert as_it_is(order).state == "confirmed" and proven() == []


def test_what_is_only_reserved_on_a_card_is_let_go_and_not_refunded(shop, gateways, session, drain):
    order = unshipped(gateways, shop, paid=[a_payment(mode="authorized")])
    made = canceled(gateways, shop, order, {"MUG": 2})
    drain()
    payment = session.get(Payment, as_it_is(order).payments[0].id)
    session.refresh(payment)
    assert (payment.mode, payment.refunded_minor, payment.released_minor) == ("authorized", 1866, 1866)
    sent = session.scalars(sa.select(Payout)).one()
    assert (sent.state, sent.mode) == ("succeeded", "authorized")
    assert page(shop, made).state == "closed" and proven() == []


@pytest.mark.parametrize("tender", ["invoice", "cash_on_delivery", "instalments"])
def test_what_is_not_paid_yet_is_owed_less(shop, gateways, session, drain, tender):
    order = unshipped(gateways, shop, paid=[a_payment(tender, mode="due")])
    made = canceled(gateways, shop, order, {"MUG": 2})
    drain()
    done = page(shop, made)
    assert (done.state, done.before.due, done.after.due) == ("closed", 2799, 933)
    assert as_it_is(order).payments[0].left == 933 and not tasks.listing(a_person(shop))
    assert proven() == []


def test_a_gift_card_and_a_card_get_back_what_each_paid(shop, gateways, session, drain):
    order = unshipped(
        gateways, shop, goods("MUG", 3, "10.00"), paid=[a_payment("gift_card", "12.00"), a_payment()]
    )
    first = canceled(gateways, shop, order, {"MUG": 2})
    last = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert [page(shop, made).state for made in (first, last)] == ["closed", "closed"]
    assert [payment.left for payment in as_it_is(order).payments] == [0, 0] and proven() == []


def test_a_refund_that_fails_goes_another_way_and_closes_the_cancellation(shop, gateways, session, drain):
    order = unshipped(gateways, shop, paid=[a_payment(ending="-fails")])
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    failed = page(shop, made)
    assert (failed.state, failed.refunds[0].state) == ("confirmed", "failed")
    payout = session.scalars(sa.select(Payout)).one()
    boss = a_person(shop, "finance")
    byhand.redirect(boss, payout.id, provider="store_credit", reason="The card has expired.", now=NOW)
    drain()
    assert (page(shop, made).state, page(shop, made).refunds[0].state) == ("closed", "succeeded")
    assert "store_credit" in told(made) and proven() == []


def test_what_was_paid_by_transfer_goes_back_to_the_account_that_the_customer_names(
    shop, gateways, session, drain
):
    order = unshipped(gateways, shop, paid=[a_payment("bank_transfer")])
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert page(shop, made).state == "confirmed" and bank_accounts.is_wanted(made)
    account = {"holder": "Demo Customer", "iban": "DE89370400440532013000"}
    bank_accounts.give(a_customer(made, shop), made, **account, gateways=gateways, now=NOW)
    payout = session.scalars(sa.select(Payout)).one()
    byhand.settle_by_hand(
        a_person(shop, "finance"), payout.id, method="bank_transfer", proof="Statement 7", now=NOW
    )
    assert page(shop, made).state == "closed" and proven() == []


def test_a_refund_given_up_can_be_decided_anew(shop, gateways, session, drain):
    order = unshipped(gateways, shop, paid=[a_payment(ending="-fails")])
    made, boss = canceled(gateways, shop, order, {"MUG": 1}), a_person(shop, "supervisor")
    drain()
    refunds.cancel(boss, page(shop, made).refunds[0].id, reason="Another way", now=NOW)
    assert line(order).canceled == ((0, 1),) and line(order).refunded == 0
    again = refunds.quote(boss, made, now=NOW)
    assert again.amount == 933
    refunds.propose(boss, made, now=NOW)
    assert line(order).refunded == 933 and proven() == []


def test_the_units_of_a_proposal_can_neither_be_returned_nor_proposed_again(shop, gateways):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33", shipped=1))
    propose(gateways, shop, order, {"MUG": 2})
    assert line(order).returnable_units == 1 and line(order).cancelable_units == 0
    with pytest.raises(Refused) as refused:
        propose(gateways, shop, as_it_is(order), {"MUG": 1})
    assert {finding.code for finding in refused.value.verdict.findings} >= {"held_by_proposal"}
    assert proven() == []


def test_all_objections_come_at_once(shop, gateways):
    order = unshipped(
        gateways, shop,
        goods("SENT", 1, shipped=1),
        goods("CUSTOM", 1, special=Special(logistics=("custom_made",))),
        goods("CLOSED", 1, special=Special(cut_off_at=NOW - timedelta(hours=1))),
        goods("PICKED", 2, special=Special(picked=2)),
        shipping_cost(),
    )  # fmt: skip
    everything = {"SENT": 1, "CUSTOM": 1, "CLOSED": 1, "PICKED": 1}
    estimate = cancellations.estimate(
        a_person(shop, "csr"), order.id, wish(order, everything), gateways=gateways, now=NOW
    )
    found = {finding.code for finding in estimate.verdict.findings}
    assert found >= {"already_shipped", "custom_made", "past_cut_off", "being_picked"}
    with pytest.raises(Refused) as refused:
        propose(gateways, shop, order, everything)
    assert {finding.code for finding in refused.value.verdict.findings} == found
    assert as_it_is(order).lines == order.lines, "nothing was held"


def test_the_sheet_tells_what_may_go_what_went_and_what_it_comes_to(shop, gateways, drain):
    order = unshipped(gateways, shop, goods("MUG", 3), goods("SENT", 1, shipped=1))
    made = canceled(gateways, shop, order, {"MUG": 1})
    sheet = cancellations.sheet(a_person(shop, "csr"), order.id, gateways=gateways, now=NOW)
    offers = {sheet.order.line(offer.line_id).sku: offer.units for offer in sheet.offers}
    assert offers == {"MUG": 2, "SENT": 0}
    assert [(row.id, row.kind, row.units, row.amount, row.mine) for row in sheet.past] == [
        (made, "partial_cancellation", 1, 1000, True)
    ]
    assert (sheet.totals.total, sheet.totals.refunded, sheet.totals.canceled) == (3000, 1000, 1000)
    assert not sheet.warehouse_silent


def test_an_estimate_of_nothing_is_empty_and_keeps_nothing(shop, gateways, session):
    order = unshipped(gateways, shop)
    nothing = cancellations.estimate(
        a_person(shop, "csr"), order.id, Wish(choices=()), gateways=gateways, now=NOW
    )
    assert nothing.breakdown.amount == 0 and nothing.after.total == nothing.before.total
    assert [finding.code for finding in nothing.verdict.findings] == ["nothing_chosen"]
    assert session.scalars(sa.select(Cancellation)).all() == []


def test_the_shops_policy_decides_about_customers_not_about_agents(session, gateways):
    shop = a_merchant(terms=replace(terms(), cancellations=False))
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 1})
    assert confirm(gateways, shop, made) == "confirmed", "what an agent proposed the customer may confirm"


def test_a_customer_says_how_it_was_after_answering(shop, gateways):
    made = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    customer = a_customer(made, shop)
    with pytest.raises(Conflict, match="not_answered_yet"):
        cancellations.score(customer, made, score=5, now=NOW)
    confirm(gateways, shop, made)
    for wrong in (0, 6):
        with pytest.raises(Conflict, match="score_unknown"):
            cancellations.score(customer, made, score=wrong, now=NOW)
    with pytest.raises(NotAllowed):
        cancellations.score(a_person(shop), made, score=5, now=NOW)
    cancellations.score(customer, made, score=2, now=NOW)
    cancellations.score(customer, made, score=5, comment=" Quick. ", now=NOW)
    assert (beside(made).score, beside(made).comment) == (5, "Quick.")

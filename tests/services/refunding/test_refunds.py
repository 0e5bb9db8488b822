"""Money goes back: what is shown is what is proposed, posted, sent and told, and never more than was captured."""

from datetime import timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.intake import IncomingRefund, IncomingRefundLine
from portal.core.policy.terms import Depreciation, RestockingFee
from portal.core.refunds import ledger
from portal.core.refunds.overrides import Overrides
from portal.db import returns as stored
from portal.db.mails import Mail
from portal.db.refunds import Refund
from portal.services.filing import returns
from portal.services.handling import dossiers
from portal.services.ledgers import books
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.services.talking import notices
from tests.builders import (
    NOW,
    SITE,
    a_draft,
    a_merchant,
    a_payment,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    came_back,
    fill,
    inspect,
    receive,
    shipping_cost,
    terms,
)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def settled(session, gateways, app):
    """Does at once what a worker would: sends what was approved, then the messages about it."""

    def settle():
        session.commit()
        for refund_id in session.scalars(sa.select(Refund.id).where(Refund.state == "approved")).all():
            payouts.send(refund_id, gateways=gateways, now=NOW)
        for mail_id in session.scalars(sa.select(Mail.id).where(Mail.state == "queued")).all():
            notices.deliver(mail_id, gateways=gateways, site=app.extensions["site"], now=NOW)
        session.commit()

    return settle


def propose(actor, return_id, **more):
    return refunds.propose(actor, return_id, now=NOW, **more)


def given_back(order):
    return {payment.tender: payment.refunded for payment in as_it_is(order).payments}


def test_shown_proposed_posted_sent_and_mailed_are_one_amount(shop, finance, gateways, drain, session):
    order = an_order(gateways, shop, [an_item("MUG", 3, "9.99", tax="4.79")])
    return_id = came_back(gateways, shop, order, {"MUG": 2})
    shown = refunds.quote(finance, return_id, now=NOW)
    refund_id = propose(finance, return_id, expected=shown.amount)
    session.commit()
    drain()
    refund = refunds.one(finance, refund_id)
    assert shown.amount == 1998 == refund.amount
    assert refund.breakdown == shown and refund.state == "succeeded" and refund.succeeded_at
    assert [payout.amount for payout in refund.payouts] == [1998]
    assert [(amount, state) for _, _, amount, state in gateways.payments["sandbox"].refunds()] == [
        (1998, "succeeded")
    ]
    posted = books.of_refund(refund_id)
    assert ledger.balance(posted)["clearing:sandbox", "EUR"] == -1998
    assert ledger.payable(posted, "EUR") == 0
    mail = next(m for m in notices.of_return(return_id) if m.event == "refunded")
    assert mail.state == "sent" and "19.98" in mail.text and refund.number in mail.text
    assert as_it_is(order).items[0].refunded == 1998 and given_back(order) == {"card": 1998}
    assert audit.verify().problems == []


def test_an_amount_that_is_no_longer_what_was_shown_is_not_refunded(shop, finance, gateways):
    return_id = came_back(gateways, shop, an_order(gateways, shop))
    with pytest.raises(Conflict) as conflict:
        propose(finance, return_id, expected=999)
    assert conflict.value.code == "amount_changed" and conflict.value.details["amount"] == 1000
    assert refunds.of_return(return_id) == ()


def test_a_second_click_refunds_nothing(shop, finance, gateways):
    return_id = came_back(gateways, shop, an_order(gateways, shop))
    propose(finance, return_id)
    with pytest.raises(Conflict, match="nothing_to_refund"):
        propose(finance, return_id)


def test_a_second_click_gives_the_same_goodwill_no_second_time(session, gateways):
    shop = a_merchant(terms=terms(goodwill_cap=5000))
    boss = a_person(shop)
    return_id = came_back(gateways, shop, an_order(gateways, shop, [an_item("MUG", 5)]), {"MUG": 1})
    propose(boss, return_id)
    late = Overrides(goodwill=1000, reason="Late")
    shown = refunds.proposal(boss, return_id, overrides=late, now=NOW).shown
    propose(boss, return_id, overrides=late, shown=shown)
    with pytest.raises(Conflict, match="amount_changed"):
        propose(boss, return_id, overrides=late, shown=shown)
    assert [refund.amount for refund in refunds.of_return(return_id)] == [1000, 1000], (
        "what is owed, and once more"
    )
    again = refunds.proposal(boss, return_id, overrides=late, now=NOW).shown
    assert propose(boss, return_id, overrides=late, shown=again), "who looks again may decide so again"


def test_before_anything_came_back_nothing_is_owed(shop, finance, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    with pytest.raises(Conflict, match="nothing_to_refund"):
        refunds.quote(finance, return_id, now=NOW)
    receive(shop, return_id)
    with pytest.raises(Conflict, match="nothing_to_refund"):
        refunds.quote(finance, return_id, now=NOW)


def test_where_the_policy_pays_on_receipt_the_inspection_is_not_awaited(session, gateways):
    shop = a_merchant(terms=terms(refund_trigger="on_receipt"))
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]))
    receive(shop, return_id)
    finance = a_person(shop, "finance")
    assert refunds.quote(finance, return_id, now=NOW).amount == 2000
    propose(finance, return_id)
    session.commit()
    payouts.send(refunds.of_return(return_id)[0].id, gateways=gateways, now=NOW)
    assert stored.get(return_id).state == "received"
    inspect(shop, return_id)
    assert stored.get(return_id).state == "closed", "the money went first, the inspection was the last thing"


def test_two_partial_refunds_of_one_return_give_exactly_what_was_paid(
    shop, finance, gateways, settled, session
):
    order = an_order(gateways, shop, [an_item("MUG", 3, "9.33", discount="0.01"), shipping_cost()])
    return_id = a_return(gateways, shop, order)
    amounts = []
    for units in (1, 2):
        receive(shop, return_id, {"MUG": units})
        inspect(shop, return_id)
        propose(finance, return_id)
        settled()
        amounts.append(refunds.of_return(return_id)[-1].amount)
    assert sum(amounts) == 2798 + 490
    assert as_it_is(order).items[0].refundable == 0, "the last unit clears the line"
    assert stored.get(return_id).state == "closed" and stored.get(return_id).refund_state == "refunded"
    assert audit.verify().problems == []


def test_a_return_closes_by_itself_when_all_is_inspected_and_paid_and_not_before(
    shop, finance, gateways, settled, session
):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]))
    receive(shop, return_id, {"MUG": 1})
    inspect(shop, return_id)
    propose(finance, return_id)
    settled()
    row = stored.get(return_id)
    assert (row.state, row.refund_state) == ("inspected", "partially_refunded"), "one may still come"
    receive(shop, return_id, {"MUG": 1})
    inspect(shop, return_id)
    propose(finance, return_id)
    settled()
    session.expire_all()
    row = stored.get(return_id)
    assert (row.state, row.closed_reason, row.refund_state) == ("closed", "completed", "refunded")
    happened = [one.what for one in dossiers.dossier(finance, return_id, now=NOW).history]
    assert happened[-2:] == ["refund.succeeded", "return.closed"]


def test_only_accepted_units_are_refunded_each_at_its_grade(session, gateways):
    shop = a_merchant(terms=terms(condition_deductions_bp=(("C", 3000),)))
    finance = a_person(shop, "finance")
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 4)]))
    receive(shop, return_id, {"MUG": 4})
    inspect(shop, return_id, [("MUG", 1, "A", True), ("MUG", 1, "C", True), ("MUG", 1, "D", False)])
    assert stored.get(return_id).state == "received"
    assert refunds.quote(finance, return_id, now=NOW).amount == 1000 + 700
    propose(finance, return_id)
    inspect(shop, return_id, [("MUG", 1, "C", True)])
    assert refunds.quote(finance, return_id, now=NOW).amount == 700


@pytest.mark.parametrize(
    ("order_of", "shares"),
    [
        (("gift_card", "card"), {"gift_card": 2500, "card": 500}),
        (("card", "gift_card"), {"card": 2000, "gift_card": 1000}),
        (("proportion",), {"gift_card": 1667, "card": 1333}),
    ],
)
def test_tenders_are_given_back_in_the_policys_order_and_none_more_than_it_captured(
    session, gateways, settled, order_of, shares
):
    shop = a_merchant(terms=terms(tender_order=order_of))
    finance = a_person(shop, "finance")
    paid = [a_payment("gift_card", "25.00"), a_payment("card")]
    order = an_order(gateways, shop, [an_item("MUG", 3, "15.00")], paid=paid)
    return_id = came_back(gateways, shop, order, {"MUG": 2})
    propose(finance, return_id)
    settled()
    assert given_back(order) == shares
    propose(finance, came_back(gateways, shop, order, {"MUG": 1}))
    assert given_back(order) == {"gift_card": 2500, "card": 2000}
    assert audit.verify().problems == []


def test_a_refund_made_elsewhere_counts(shop, finance, gateways):
    lines = (IncomingRefundLine(line="1", units=1, amount=Decimal("10.00")),)
    outside = IncomingRefund(external_id="shop-1", at=NOW, amount=Decimal("10.00"), lines=lines)
    order = an_order(gateways, shop, [an_item("MUG", 2)], refunds=[outside])
    assert order.items[0].returnable_units == 1 and order.payments[0].left == 1000
    propose(finance, came_back(gateways, shop, order, {"MUG": 1}))
    assert as_it_is(order).payments[0].left == 0
    assert audit.verify().problems == []


def test_goodwill_needs_a_reason_a_role_and_stays_within_its_cap_over_all_refunds(session, gateways):
    shop = a_merchant(terms=terms(goodwill_cap=500))
    finance, agent = a_person(shop, "finance"), a_person(shop, "csr")
    order = an_order(gateways, shop, [an_item("MUG", 2), an_item("LAMP", 1, "80.00")])
    return_id = came_back(gateways, shop, order, {"MUG": 1})
    for actor, given, code in (
        (finance, {"goodwill": 100, "reason": " "}, "reason_missing"),
        (agent, {"goodwill": 100, "reason": "Late"}, "not_granted"),
        (finance, {"goodwill": 501, "reason": "Late"}, "too_much"),
        (finance, {"goodwill": -1, "reason": "Late"}, "negative_amount"),
    ):
        with pytest.raises(Conflict, match=code):
            refunds.quote(actor, return_id, now=NOW, **given)
    refund = refunds.one(finance, propose(finance, return_id, goodwill=300, reason="Late"))
    assert refund.amount == 1300 and refund.breakdown.added == 300 and refund.breakdown.owed == 1000
    with pytest.raises(Conflict) as conflict:
        propose(finance, return_id, goodwill=201, reason="Late again")
    assert conflict.value.details["maximum"] == 200
    assert as_it_is(order).items[0].refunded == 1000, "goods refunded and money moved are two ledgers"
    assert audit.verify().problems == []


def test_goodwill_for_a_return_that_nobody_submitted_is_refused(session, gateways):
    shop = a_merchant(terms=terms(goodwill_cap=500))
    finance = a_person(shop, "finance")
    draft = a_draft(a_person(shop), shop, an_order(gateways, shop))
    with pytest.raises(Conflict, match="nothing_to_refund"):
        propose(finance, draft, goodwill=100, reason="Late")


def test_a_csr_proposes_and_finance_approves(shop, finance, gateways, settled, session):
    agent = a_person(shop, "csr")
    return_id = came_back(gateways, shop, an_order(gateways, shop))
    refund_id = propose(agent, return_id)
    assert refunds.one(agent, refund_id).state == "pending_approval"
    assert stored.get(return_id).refund_state == "pending_approval"
    with pytest.raises(NotAllowed):
        refunds.approve(agent, refund_id, now=NOW)
    settled()
    assert gateways.payments["sandbox"].refunds() == []
    refunds.approve(finance, refund_id, now=NOW)
    refunds.approve(finance, refund_id, now=NOW)
    settled()
    session.expire_all()
    assert refunds.one(agent, refund_id).state == "succeeded"
    assert len(gateways.payments["sandbox"].refunds()) == 1


def test_another_shops_refund_is_not_found_and_a_warehouse_sees_no_money(shop, finance, gateways):
    return_id = came_back(gateways, shop, an_order(gateways, shop))
    refund_id = propose(finance, return_id)
    stranger = a_person(a_merchant(), "finance")
    for call in (
        lambda: refunds.quote(stranger, return_id, now=NOW),
        lambda: propose(stranger, return_id),
        lambda: refunds.one(stranger, refund_id),
        lambda: refunds.approve(stranger, refund_id, now=NOW),
        lambda: refunds.cancel(stranger, refund_id, now=NOW),
        lambda: refunds.retry(stranger, refund_id, now=NOW),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(NotAllowed):
        refunds.quote(a_person(shop, "warehouse"), return_id, now=NOW)
    assert refunds.listing(stranger) == () and len(refunds.listing(finance)) == 1


def test_a_refund_canceled_before_it_is_paid_frees_everything(shop, finance, gateways, session, settled):
    order = an_order(gateways, shop, [an_item("MUG", 2, "9.99", tax="3.19")])
    return_id = came_back(gateways, shop, order)
    refund_id = propose(finance, return_id)
    refunds.cancel(finance, refund_id, reason="Wrong grade", now=NOW)
    line = as_it_is(order).items[0]
    assert (line.refunded, line.taxes[0].refunded, given_back(order)) == (0, 0, {"card": 0})
    assert refunds.one(finance, refund_id).payouts[0].state == "canceled"
    assert audit.verify().problems == []
    again = propose(finance, return_id)
    settled()
    assert refunds.one(finance, again).state == "succeeded"
    assert len(gateways.payments["sandbox"].refunds()) == 1, "the canceled one was never sent"
    assert audit.verify().problems == []


def test_two_orders_on_one_payment_share_its_cap_by_their_own_shares(shop, finance, gateways):
    paid = {"reference": "one-card", "captured": "30.00"}
    first = an_order(gateways, shop, [an_item("MUG", 2)], paid=[a_payment("card", **paid)])
    second = an_order(gateways, shop, [an_item("HAT", 1)], paid=[a_payment("card", **paid)])
    assert (first.payments[0].captured, second.payments[0].captured) == (2000, 1000)
    propose(finance, came_back(gateways, shop, second))
    propose(finance, came_back(gateways, shop, first))
    assert as_it_is(first).payments[0].left == 0 == as_it_is(second).payments[0].left
    assert audit.verify().problems == []


@pytest.mark.parametrize(
    ("currency", "price", "expected"), [("JPY", "1001", 2002), ("KWD", "1.005", 2010), ("EUR", "0.01", 2)]
)
def test_a_whole_return_in_a_currency_of_any_exponent(session, gateways, settled, currency, price, expected):
    shop = a_merchant(currency=currency, terms=terms())
    finance = a_person(shop, "finance")
    order = an_order(gateways, shop, [an_item("MUG", 3, price)], currency=currency)
    draft = a_draft(a_person(shop), shop, order)
    fill(a_person(shop), draft, gateways, order=order, units={"MUG": 2}, method="own_carrier")
    from portal.services.handling import confirmation

    confirmation.confirm(a_person(shop), draft, site=SITE, now=NOW)
    receive(shop, draft)
    inspect(shop, draft)
    propose(finance, draft)
    settled()
    (refund,) = refunds.of_return(draft)
    assert (refund.amount, refund.currency, refund.state) == (expected, currency, "succeeded")
    assert audit.verify().problems == []


def test_a_free_item_is_refunded_with_nothing_and_its_return_comes_to_an_end(shop, finance, gateways):
    order = an_order(gateways, shop, [an_item("FREE", 1, "0.00"), an_item("MUG", 1)])
    return_id = came_back(gateways, shop, order, {"FREE": 1})
    refund = refunds.one(finance, propose(finance, return_id))
    assert (refund.amount, refund.state, refund.payouts) == (0, "succeeded", ())
    assert stored.get(return_id).state == "closed"
    assert "refunded" not in [mail.event for mail in notices.of_return(return_id)]


def test_a_fee_of_the_whole_return_is_taken_once(session, gateways):
    shop = a_merchant(terms=terms(restocking_fee=RestockingFee(fixed=300)))
    finance = a_person(shop, "finance")
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]))
    for expected in (700, 1000):
        receive(shop, return_id, {"MUG": 1})
        inspect(shop, return_id)
        assert refunds.one(finance, propose(finance, return_id)).amount == expected


def test_an_estimate_that_the_inspection_changed_is_explained_to_the_customer(session, gateways, settled):
    shop = a_merchant(terms=terms(condition_deductions_bp=(("C", 3000),)))
    finance = a_person(shop, "finance")
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    receive(shop, return_id)
    inspect(shop, return_id, [("MUG", 1, "C", True)])
    propose(finance, return_id)
    settled()
    mail = session.scalar(sa.select(Mail).where(Mail.event == "inspected_changed"))
    assert mail.state == "sent" and mail.values["before"]["shares"][0]["amount"] == 1000
    assert "10.00" in mail.text and "7.00" in mail.text


def test_an_estimate_that_held_needs_no_explanation(shop, finance, gateways):
    return_id = came_back(gateways, shop, an_order(gateways, shop))
    propose(finance, return_id)
    assert "inspected_changed" not in [mail.event for mail in notices.of_return(return_id)]


def test_without_an_order_the_refund_is_to_be_assessed(shop, finance, gateways):
    draft = a_draft(a_person(shop), shop, order_number="typed")
    returns.choose_lines(a_person(shop), draft, [returns.LineChoice(name="Demo radio", units=1)], now=NOW)
    with pytest.raises(Conflict, match="to_be_assessed"):
        refunds.quote(finance, draft, now=NOW)


def test_lists_are_continued_where_they_ended(shop, finance, gateways):
    for _ in range(3):
        propose(finance, came_back(gateways, shop, an_order(gateways, shop)))
    first = refunds.listing(finance, limit=2)
    rest = refunds.listing(finance, after=first[-1].id, limit=2)
    assert len({one.number for one in (*first, *rest)}) == 3
    assert refunds.listing(finance, state="failed") == ()


def test_the_days_of_the_estimate_are_those_it_was_asked_on(session, gateways):
    """What the customer agreed to does not lose value while the parcel travels."""
    shop = a_merchant(terms=terms(depreciation=(Depreciation(over=100),)))
    finance = a_person(shop, "finance")
    order = an_order(gateways, shop, days_ago=12)
    return_id = a_return(gateways, shop, order, condition="used")
    estimate = stored.get(return_id).estimate_minor
    receive(shop, return_id, now=NOW + timedelta(days=9))
    inspect(shop, return_id, [("MUG", 1, "C", True)], now=NOW + timedelta(days=9))
    assert refunds.quote(finance, return_id, now=NOW + timedelta(days=9)).amount == estimate == 900

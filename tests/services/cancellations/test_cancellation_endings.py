"""What the warehouse says, and when: money waits for it, and what it sent after all is undone in one piece."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.logistics import ToldUnits
from portal.core.promotions import Promotion, PromotionStep, to_json
from portal.db import history
from portal.db.base import transaction
from portal.db.channels import ChannelMessage
from portal.db.orders import Order
from portal.db.refunds import Payout, Refund, Transfer
from portal.db.stock import StockLevel
from portal.services import tasks
from portal.services.cancellations import ending
from portal.services.gateways import looking
from portal.services.paying import byhand, payouts
from portal.services.refunding import refunds
from portal.services.warehousing import fulfilment, warehouse
from tests.builders import a_merchant, a_payment, a_person, a_return, as_it_is, receive, shipping_cost, terms
from tests.services.cancelling import (
    NOW,
    beside,
    canceled,
    choose,
    confirm,
    goods,
    line,
    own_draft,
    page,
    propose,
    proven,
    service,
    told,
    unshipped,
)


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def shop(session):
    return a_merchant()


def stock(session, sku="MUG"):
    rows = session.scalars(sa.select(StockLevel).where(StockLevel.sku == sku, StockLevel.units > 0))
    return {row.bucket: row.units for row in rows}


def shipped(shop, order, sku="MUG", units=1, *, now=NOW):
    """The warehouse tells that so many units more have left."""
    with transaction():
        return fulfilment.shipped(shop, order.number, [ToldUnits(sku=sku, units=units)], now=now)


def money(session):
    """(refund states, transfer states), and what the ledger says is payable."""
    session.rollback()
    session.expire_all()
    owed = [one.state for one in session.scalars(sa.select(Refund).order_by(Refund.id))]
    sent = [one.state for one in session.scalars(sa.select(Payout).order_by(Payout.created_at))]
    return owed, sent


def messages(session, topic):
    session.rollback()
    return [one for one in session.scalars(sa.select(ChannelMessage)) if one.topic == topic]


# ------------------------------------------------------------------------------------------------ the gate


def test_money_waits_for_the_warehouse_whoever_tries(shop, gateways, session):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"))
    made = canceled(gateways, shop, order, {"MUG": 2})
    assert beside(made).warehouse_state == "waiting" and line(order).canceled == ((0, 2),)
    assert money(session) == (["approved"], ["planned"])
    refund = page(shop, made).refunds[0]
    payouts.send(refund.id, gateways=gateways, now=NOW)
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(hours=1))
    payout = session.scalars(sa.select(Payout)).one()
    with pytest.raises(Conflict, match="awaits_warehouse"):
        byhand.settle_by_hand(a_person(shop, "finance"), payout.id, proof="Paid in cash", now=NOW)
    assert money(session) == (["approved"], ["planned"]) and proven() == []


def test_released_the_refund_is_sent_and_all_is_closed(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = canceled(gateways, shop, order, {"MUG": 2})
    drain()
    assert (beside(made).warehouse_state, page(shop, made).state) == ("released", "closed")
    assert money(session) == (["succeeded"], ["succeeded"]) and proven() == []
    assert told(made) == ["cancellation_proposed", "cancellation_confirmed", "refunded"]


def test_the_customers_own_waits_just_the_same(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = choose(gateways, shop, own_draft(shop, order), order, {"MUG": 1})
    assert confirm(gateways, shop, made) == "confirmed" and money(session) == (["approved"], ["planned"])
    drain()
    assert page(shop, made).state == "closed" and proven() == []


def test_for_services_no_warehouse_is_asked(shop, gateways, session, drain):
    order = unshipped(gateways, shop, service("PLAN", "30.00", days_had=10), goods("MUG", 1))
    made = canceled(gateways, shop, order, {"PLAN": (1, "at_once")})
    assert beside(made).warehouse_state == "none"
    drain()
    assert page(shop, made).state == "closed" and money(session) == (["succeeded"], ["succeeded"])


def test_a_gift_that_costs_nothing_waits_too_and_then_has_its_refund_of_nothing(
    shop, gateways, session, drain
):
    order = unshipped(gateways, shop, goods("MUG", 1), goods("GIFT", 1, "0.00"))
    made = canceled(gateways, shop, order, {"GIFT": 1})
    assert money(session) == (["approved"], []) and page(shop, made).state == "confirmed"
    drain()
    assert money(session) == (["succeeded"], []) and page(shop, made).state == "closed" and proven() == []


def test_an_answer_that_comes_late_opens_the_gate_once(shop, gateways, session, drain):
    order = unshipped(gateways, shop, number="D-0001-late")
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert beside(made).warehouse_state == "pending" and money(session) == (["approved"], ["planned"])
    for _ in range(2):
        with transaction():
            beside(made)
            ending.released(made, now=NOW)
    drain()
    assert page(shop, made).state == "closed" and money(session) == (["succeeded"], ["succeeded"])


def test_nothing_is_told_of_as_waiting_while_the_warehouse_is_asked(shop, gateways, session):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    looking.tell_of_waiting(now=NOW + timedelta(days=3))
    assert [task.kind for task in tasks.listing(a_person(shop)) if task.kind == "refund_waits"] == []
    assert page(shop, made).state == "confirmed"


# ------------------------------------------------------------------------------------------------ undone


def test_the_warehouse_cannot_and_everything_is_as_before(shop, gateways, session, drain):
    order = unshipped(gateways, shop, goods("MUG", 2), shipping_cost(), number="D-0002-refuses")
    made = canceled(gateways, shop, order, {"MUG": 2})
    assert as_it_is(order).state == "canceled" and as_it_is(order).refunded == 2490
    assert stock(session) == {"available": 2}
    drain()
    done = page(shop, made)
    assert (done.state, done.facts.warehouse_state) == ("refused", "refused")
    back = as_it_is(order)
    assert (back.state, back.refunded, back.items[0].canceled, back.items[0].cancelable_units) == (
        "confirmed", 0, (), 2
    )  # fmt: skip
    assert all(tax.refunded == 0 for one in back.lines for tax in one.taxes)
    assert stock(session) == {"reserved": 2}
    assert money(session) == (["canceled"], ["canceled"])
    assert told(made)[-1] == "cancellation_overtaken" and done.facts.ended["lines"] == ["Demo mug"]
    assert len(messages(session, "order_line.cancellation_refused")) == 1
    assert proven() == []


def test_each_posting_of_it_is_reversed_and_none_is_deleted(shop, gateways, session, drain):
    order = unshipped(gateways, shop, number="D-0003-refuses")
    canceled(gateways, shop, order, {"MUG": 1})
    before = session.scalars(sa.select(Transfer)).all()
    drain()
    session.rollback()
    postings = session.scalars(sa.select(Transfer)).all()
    assert len(postings) == 2 * len(before) and {one.kind for one in postings} == {
        "refund_decided", "refund_canceled"
    }  # fmt: skip


def test_what_shipped_first_ends_a_proposal_and_says_so(shop, gateways, session):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    assert shipped(shop, order, units=1).overtaken == (), "one of three may leave without touching it"
    assert page(shop, made).state == "proposed"
    assert shipped(shop, order, units=1).overtaken == (made,)
    done = page(shop, made)
    assert (done.state, done.facts.ended["code"], line(order).held) == ("overtaken", "shipped", ())
    assert told(made)[-1] == "cancellation_overtaken"
    assert confirm(gateways, shop, made) == "overtaken", "a yes that comes later changes nothing"
    assert money(session) == ([], []) and proven() == []


def test_what_shipped_before_the_warehouse_answered_undoes_a_confirmed_one(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = canceled(gateways, shop, order, {"MUG": 2})
    assert shipped(shop, order, units=3).overtaken == (made,)
    done = page(shop, made)
    assert (done.state, done.facts.warehouse_state) == ("overtaken", "shipped")
    assert money(session) == (["canceled"], ["canceled"])
    assert (line(order).canceled, line(order).shipped, line(order).refunded) == ((), 3, 0)
    assert stock(session) == {}
    drain()
    assert money(session) == (["canceled"], ["canceled"]), "whatever the warehouse says afterwards"
    assert told(made)[-1] == "cancellation_overtaken" and proven() == []


def test_what_shipped_after_the_release_is_a_matter_for_a_person(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = canceled(gateways, shop, order, {"MUG": 2})
    drain()
    assert shipped(shop, order, units=3).after_release == (made,)
    assert page(shop, made).state == "closed" and money(session) == (["succeeded"], ["succeeded"])
    assert [task.kind for task in tasks.listing(a_person(shop))] == ["shipped_after_release"]
    assert told(made)[-1] == "cancellation_sent_anyway"
    shipped(shop, order, units=0)
    assert told(made).count("cancellation_sent_anyway") == 1
    assert proven() == []


def test_the_warehouse_had_shipped_it_already(shop, gateways, session, drain):
    order = unshipped(gateways, shop, number="D-0004-shipped")
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert page(shop, made).state == "overtaken" and as_it_is(order).refunded == 0 and proven() == []


def test_an_undone_one_can_be_asked_for_again(shop, gateways, session, drain):
    order = unshipped(gateways, shop, number="D-0005-refuses")
    canceled(gateways, shop, order, {"MUG": 1})
    drain()
    again = propose(gateways, shop, as_it_is(order), {"MUG": 3})
    assert line(order).held == ((0, 3),) and page(shop, again).breakdown.amount == 2799 and proven() == []


def test_services_of_an_undone_one_go_on(shop, gateways, session, drain):
    order = unshipped(
        gateways, shop, service("PLAN", "30.00", days_had=10), service("TV", "12.00", days_had=5),
        goods("BOX", 1, "20.00"), number="D-0006-refuses",
    )  # fmt: skip
    made = canceled(gateways, shop, order, {"PLAN": (1, "at_once"), "TV": (1, "next_period"), "BOX": 1})
    assert line(order, "PLAN").ends_on and line(order, "TV").ends_on
    drain()
    assert page(shop, made).state == "refused"
    assert line(order, "PLAN").ends_on is None and line(order, "TV").ends_on is None
    assert as_it_is(order).refunded == 0 and proven() == []


def test_what_is_owed_is_owed_again_and_what_was_reserved_on_a_card_stays(shop, gateways, session, drain):
    owed = unshipped(gateways, shop, number="D-0007-refuses", paid=[a_payment("invoice", mode="due")])
    held = unshipped(gateways, shop, number="D-0008-refuses", paid=[a_payment(mode="authorized")])
    for order in (owed, held):
        canceled(gateways, shop, order, {"MUG": 1})
    drain()
    for order in (owed, held):
        payment = as_it_is(order).payments[0]
        assert (payment.left, payment.released, payment.refunded) == (2799, 0, 0)
    assert proven() == []


def test_news_of_one_that_has_ended_changes_nothing(shop, gateways, session, drain):
    order = unshipped(gateways, shop, number="D-0009-refuses")
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    rows = len(history.of([made]))
    with transaction():
        ending.refuse(made, code="picking", now=NOW)
        ending.overtake([made], why="shipped", now=NOW)
        ending.released(made, now=NOW)
    assert page(shop, made).state == "refused" and len(history.of([made])) == rows and proven() == []


def test_the_order_canceled_elsewhere_ends_what_waits_and_leaves_what_is_confirmed(shop, gateways, session):
    order = unshipped(gateways, shop)
    done = canceled(gateways, shop, order, {"MUG": 1})
    made = propose(gateways, shop, order, {"MUG": 1})
    with transaction():
        ending.order_canceled(shop, order.id, now=NOW)
    assert (page(shop, made).state, page(shop, made).facts.ended["code"]) == ("overtaken", "order_canceled")
    assert page(shop, done).state == "confirmed" and line(order).held == ()


def test_a_person_records_what_a_silent_warehouse_said_on_the_phone(shop, gateways, session, drain):
    order = unshipped(gateways, shop, number="D-0010-outage")
    made = canceled(gateways, shop, order, {"MUG": 1})
    note = "Spoke to the night shift."
    warehouse.record_answer(a_person(shop, "warehouse"), made, state="released", note=note, now=NOW)
    refund = page(shop, made).refunds[0]
    payouts.send(refund.id, gateways=gateways, now=NOW)
    assert page(shop, made).state == "closed" and proven() == []


def test_without_a_warehouse_facts_alone_decide(make_app, database):
    app = make_app()
    with app.app_context():
        gateways = app.extensions["gateways"]
        shop = a_merchant()
        order = unshipped(gateways, shop)
        made = canceled(gateways, shop, order, {"MUG": 1})
        assert beside(made).warehouse_state == "none"


# ------------------------------------------------------------------------------- what later refunds built upon it


def test_an_undone_one_that_a_later_refund_built_upon_is_still_undone(session, gateways, drain):
    shop = a_merchant(terms=terms(refund_trigger="on_receipt"))
    order = unshipped(gateways, shop, goods("MUG", 2, shipped=1), goods("LAMP", 1, "50.00"), shipping_cost())
    made = canceled(gateways, shop, order, {"LAMP": 1})
    back = a_return(gateways, shop, as_it_is(order), {"MUG": 1}, now=NOW)

    receive(shop, back, now=NOW)
    refunds.propose(a_person(shop, "finance"), back, now=NOW)
    with transaction():
        ending.refuse(made, code="picking", now=NOW)
    assert page(shop, made).state == "refused" and line(order, "LAMP").refunded == 0
    assert as_it_is(order).refunded == 1000 and proven() == []


def test_a_deal_that_no_longer_holds_costs_the_customer_nothing_and_comes_back_with_the_rest(
    session, gateways, drain
):
    """Ten percent off from 50.00 on: the returned mug keeps 3.00 back, the canceled lamp gives it; undone, not."""
    shop = a_merchant(terms=terms(promotions="re_evaluate", refund_trigger="on_receipt"))
    order = unshipped(
        gateways, shop,
        goods("MUG", 1, "30.00", discount="3.00", shipped=1), goods("LAMP", 1, "30.00", discount="3.00"),
        number="D-0011-refuses",
    )  # fmt: skip
    deal = Promotion(
        code="TEN", kind="spend", name="Ten off", shares=tuple((one.id, 300) for one in order.items),
        steps=(PromotionStep(reach=5000, percent_bp=1000),),
    )  # fmt: skip
    session.execute(sa.update(Order).where(Order.id == order.id).values(promotions=[to_json(deal)]))
    session.commit()
    back = a_return(gateways, shop, as_it_is(order), {"MUG": 1}, now=NOW)
    receive(shop, back, now=NOW)
    refunds.propose(a_person(shop, "finance"), back, now=NOW)
    assert (line(order).refunded, line(order).promotion_withheld) == (2400, 300)
    made = canceled(gateways, shop, order, {"LAMP": 1})
    assert page(shop, made).breakdown.amount == 3000 and line(order).promotion_withheld == 0
    drain()
    assert page(shop, made).state == "refused"
    assert (as_it_is(order).refunded, line(order).promotion_withheld) == (2400, 300) and proven() == []


def test_one_whose_refund_was_given_up_is_not_closed_as_if_it_was_paid(shop, gateways, session):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    boss = a_person(shop, "supervisor")
    refunds.cancel(boss, page(shop, made).refunds[0].id, reason="By cheque", now=NOW)
    with transaction():
        ending.released(made, now=NOW)
    assert page(shop, made).state == "confirmed"
    again = refunds.propose(boss, made, now=NOW)
    payouts.send(again, gateways=gateways, now=NOW)
    assert page(shop, made).state == "closed" and proven() == []

"""What a cancellation gave back is contested too: a deduction, or money that never came; within every cap."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotFound
from portal.core.facts import OrderFacts
from portal.core.logistics import ToldUnits
from portal.core.promotions import Promotion, PromotionStep, to_json
from portal.db.base import db, transaction
from portal.db.orders import Order
from portal.db.tasks import Task
from portal.services import disputes
from portal.services.disputes import Claim, LineClaim
from portal.services.refunding import refunds
from portal.services.talking import notices
from portal.services.warehousing import fulfilment
from tests.builders import (
    a_customer,
    a_merchant,
    a_payment,
    a_person,
    a_return,
    as_it_is,
    inspect,
    line_ids,
    receive,
    terms,
)
from tests.services.cancelling import NOW, canceled, goods, line, page, proven, unshipped

PAID = {
    "card": [a_payment()],
    "two": [a_payment("gift_card", "7.77"), a_payment()],
    "authorized": [a_payment(mode="authorized")],
    "due": [a_payment("invoice", mode="due")],
}


@pytest.fixture
def app(make_app):
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def shop(session):
    return a_merchant(terms=terms(promotions="re_evaluate", refund_trigger="on_inspection"))


def a_deal(
    gateways: Any, shop: UUID, mugs: int = 2, lamps: int = 1, paid: str = "card", number: str = ""
) -> OrderFacts:
    """Mugs that were sent and lamps that were not, each of 30.00, with ten percent off from 50.00 on."""
    order = unshipped(
        gateways, shop,
        goods("MUG", mugs, "30.00", discount=f"{3 * mugs}.00", shipped=mugs),
        goods("LAMP", lamps, "30.00", discount=f"{3 * lamps}.00"),
        number=number, paid=PAID[paid],
    )  # fmt: skip
    deal = Promotion(
        code="TEN", kind="spend", name="Ten off",
        shares=tuple((one.id, 300 * one.units) for one in order.items),
        steps=(PromotionStep(reach=5000, percent_bp=1000),),
    )  # fmt: skip
    db.session.execute(sa.update(Order).where(Order.id == order.id).values(promotions=[to_json(deal)]))
    db.session.commit()
    return as_it_is(order)


def contested(shop: UUID, made: UUID, ground: str, claimed: int | None = None) -> UUID:
    """Its lamps, contested by the customer."""
    lamp = LineClaim(line_id=line_ids(made)["LAMP"], ground=ground, claimed=claimed)
    claim = Claim(lines=(lamp,), wanted="difference", body="You kept too much.")
    return disputes.open_dispute(a_customer(made, shop), made, claim, nonce=f"{made}", now=NOW)


def the_most(shop: UUID, dispute: UUID) -> int:
    db.session.rollback()
    return disputes.workspace(a_person(shop), dispute, now=NOW).most


def test_of_what_was_given_back_in_full_nothing_more_can_be_claimed_or_offered(shop, gateways, drain):
    order = a_deal(gateways, shop, mugs=1)
    made = canceled(gateways, shop, order, {"LAMP": 1})
    drain()
    assert page(shop, made).state == "closed" and line(order, "LAMP").refunded == 2700
    with pytest.raises(Conflict, match="too_much") as refused:
        contested(shop, made, "amount", 1)
    assert refused.value.details["maximum"] == 0
    dispute = contested(shop, made, "amount")
    for way in (disputes.offer, disputes.settle):
        with pytest.raises(Conflict, match="too_much"):
            way(a_person(shop), dispute, 1, **({"message": "x"} if way is disputes.settle else {}), now=NOW)
    disputes.reject(a_person(shop), dispute, outcome="explained", message="All of it is back.", now=NOW)
    assert [one.state for one in page(shop, made).refunds] == ["succeeded"] and proven() == []


def test_where_people_decide_what_is_owed_is_settled_within_its_price(gateways, session, drain):
    shop = a_merchant(terms=terms(refund_trigger="manual"))
    order = a_deal(gateways, shop, mugs=2)
    made = canceled(gateways, shop, order, {"LAMP": 1})
    refunds.cancel(a_person(shop), page(shop, made).refunds[0].id, reason="By cheque", now=NOW)
    with pytest.raises(Conflict, match="too_much") as refused:
        contested(shop, made, "missing_refund", 2701)
    assert refused.value.details["maximum"] == 2700
    dispute = contested(shop, made, "missing_refund", 2700)
    assert [one.state for one in page(shop, made).refunds] == ["canceled"]
    offer = disputes.offer(a_person(shop), dispute, 2500, now=NOW)
    settlement = disputes.accept(a_customer(made, shop), dispute, offer, now=NOW)
    refunds.approve(a_person(shop, "finance"), settlement, now=NOW)
    with pytest.raises(Conflict, match="nothing_to_refund"):
        refunds.propose(a_person(shop, "finance"), made, now=NOW)
    drain()
    assert [one.state for one in page(shop, made).refunds] == ["canceled", "succeeded"]
    assert line(order, "LAMP").refunded == 2500 and page(shop, made).state == "closed"
    assert proven() == []


def test_what_a_person_gave_up_waits_for_a_person_when_it_is_contested(shop, gateways, drain):
    order = a_deal(gateways, shop, mugs=2)
    made = canceled(gateways, shop, order, {"LAMP": 1})
    refunds.cancel(a_person(shop), page(shop, made).refunds[0].id, reason="By cheque", now=NOW)
    assert line(order, "LAMP").refunded == 0
    contested(shop, made, "missing_refund")
    drain()
    assert [one.state for one in page(shop, made).refunds] == ["canceled", "pending_approval"]
    refunds.approve(a_person(shop, "finance"), page(shop, made).refunds[1].id, now=NOW)
    drain()
    assert [one.state for one in page(shop, made).refunds] == ["canceled", "succeeded"]
    assert line(order, "LAMP").refunded == 2700 and page(shop, made).state == "closed"
    assert proven() == []


def test_what_was_settled_before_the_warehouse_refused_is_given_up_with_the_rest_and_told(
    gateways, session, drain
):
    shop = a_merchant(terms=terms(refund_trigger="manual"))
    order = a_deal(gateways, shop, mugs=1, number="D-0042-refuses")
    made = canceled(gateways, shop, order, {"LAMP": 1})
    refunds.cancel(a_person(shop), page(shop, made).refunds[0].id, reason="By cheque", now=NOW)
    dispute = contested(shop, made, "missing_refund")
    disputes.settle(a_person(shop), dispute, 300, message="All of it.", now=NOW)
    drain()
    assert page(shop, made).state == "refused" and line(order, "LAMP").refunded == 0
    told = session.scalars(sa.select(Task).where(Task.kind == "settlement_canceled")).all()
    assert [task.subject_id for task in told] == [dispute]
    assert proven() == []


def test_one_that_the_warehouse_refuses_while_it_is_contested_is_settled_as_goods_that_stay(
    shop, gateways, drain
):
    order = a_deal(gateways, shop, mugs=1, number="D-0044-refuses")
    made = canceled(gateways, shop, order, {"LAMP": 1})
    dispute = contested(shop, made, "missing_refund")
    assert the_most(shop, dispute) == 0, "all of it is on its way back"
    drain()
    assert page(shop, made).state == "refused" and line(order, "LAMP").refunded == 0
    assert the_most(shop, dispute) == 2700, "it is sent after all, and was paid for"
    disputes.settle(a_person(shop), dispute, 700, message="For the trouble.", now=NOW)
    with transaction():
        fulfilment.shipped(shop, order.number, [ToldUnits(sku="LAMP", units=1)], now=NOW)
    drain()
    assert line(order, "LAMP").refunded == 700
    back = a_return(gateways, shop, as_it_is(order), {"LAMP": 1}, now=NOW)
    receive(shop, back, now=NOW)
    inspect(shop, back, now=NOW)
    refunds.propose(a_person(shop, "finance"), back, now=NOW)
    drain()
    assert 700 < line(order, "LAMP").refunded <= 2700
    assert proven() == []


def test_its_customer_is_told_by_mail_at_each_step(shop, gateways, session, drain):
    made = canceled(gateways, shop, a_deal(gateways, shop, mugs=2), {"LAMP": 1})
    dispute = contested(shop, made, "missing_refund")
    disputes.reject(a_person(shop), dispute, outcome="explained", message="It is on its way.", now=NOW)
    drain()
    mails = {mail.event: mail.state for mail in notices.of_return(made)}
    assert (mails["dispute_opened"], mails["dispute_answered"]) == ("sent", "sent")


def test_nobody_else_contests_it_and_what_came_to_nothing_is_not_contested(shop, gateways, drain):
    order = a_deal(gateways, shop, mugs=1, number="D-0043-refuses")
    made = canceled(gateways, shop, order, {"LAMP": 1})
    drain()
    assert page(shop, made).state == "refused"
    with pytest.raises(Conflict, match="not_contestable"):
        contested(shop, made, "other")
    other = a_merchant()
    with pytest.raises(NotFound):
        disputes.sheet(a_person(other), made, now=NOW)


@pytest.mark.parametrize("how", list(PAID))
@pytest.mark.parametrize("seed", range(3))
def test_canceled_settled_and_returned_in_any_amounts_stay_within_what_was_paid(
    session, gateways, drain, seed, how
):
    chance = random.Random(f"{seed} {how}")
    trigger = chance.choice(("manual", "manual", "on_inspection"))
    shop = a_merchant(terms=terms(promotions="re_evaluate", refund_trigger=trigger))
    mugs, lamps = chance.randint(1, 2), chance.randint(1, 3)
    order = a_deal(gateways, shop, mugs=mugs, lamps=lamps, paid=how)
    made = canceled(gateways, shop, order, {"LAMP": chance.randint(1, lamps)})
    if chance.random() < 0.8:
        refunds.cancel(a_person(shop), page(shop, made).refunds[0].id, reason="Otherwise", now=NOW)
    if chance.random() < 0.5:
        drain()
    dispute = contested(shop, made, "other")
    most = the_most(shop, dispute)
    with pytest.raises(Conflict, match="too_much"):
        disputes.settle(a_person(shop), dispute, most + 1, message="Too much.", now=NOW)
    if most:
        amount = chance.choice((1, most, chance.randint(1, most)))
        disputes.settle(a_person(shop), dispute, amount, message="Agreed.", now=NOW)
    drain()
    back = a_return(gateways, shop, as_it_is(order), {"MUG": mugs}, now=NOW)
    receive(shop, back, now=NOW)
    inspect(shop, back, now=NOW)
    if not page_refunds(shop, back):
        refunds.propose(a_person(shop, "finance"), back, now=NOW)
    drain()
    after = as_it_is(order)
    assert all(0 <= one.refunded <= one.paid for one in after.lines)
    assert sum(one.refunded for one in after.payments) == after.refunded <= after.paid
    assert proven() == []


def page_refunds(shop: UUID, made: UUID) -> tuple[Any, ...]:
    db.session.rollback()
    return refunds.of_return(made)

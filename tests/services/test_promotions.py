"""Deals judged anew over several returns of one order: the database counts what is kept back and gives it back."""

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.promotions import Promotion, PromotionStep, to_json
from portal.db.orders import Order, OrderLineTax, Payment
from portal.db.refunds import RefundLine
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_person, an_item, an_order, as_it_is, came_back, terms


@pytest.fixture
def shop(session):
    return a_merchant(terms=terms(promotions="re_evaluate"))


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def order(session, gateways, shop):
    """Two lamps of 30.00; spend 50 and get 10 % off."""
    items = [an_item(sku, 1, "30.00", discount="3.00", tax="4.31") for sku in ("LAMP", "SHADE")]
    found = an_order(gateways, shop, items)
    deal = Promotion(
        code="TEN",
        kind="spend",
        name="Ten off",
        shares=tuple((line.id, 300) for line in found.items),
        steps=(PromotionStep(reach=5000, percent_bp=1000),),
    )
    session.execute(sa.update(Order).where(Order.id == found.id).values(promotions=[to_json(deal)]))
    session.commit()
    assert as_it_is(found).promotions == (deal,)
    return as_it_is(found)


def given_back(gateways, shop, finance, order, sku):
    return_id = came_back(gateways, shop, order, {sku: 1})
    return refunds.propose(finance, return_id, now=NOW)


def test_what_is_kept_back_is_counted_on_line_and_label_and_comes_back(
    shop, finance, gateways, order, session
):
    first = given_back(gateways, shop, finance, order, "LAMP")
    assert refunds.one(finance, first).amount == 2400
    lamp = as_it_is(order).items[0]
    assert (lamp.refunded, lamp.promotion_withheld) == (2400, 300)
    assert [(tax.refunded, tax.promotion_withheld) for tax in lamp.taxes] == [(383, 48)]
    assert session.scalars(sa.select(RefundLine.promotion_minor)).all() == [300]
    last = given_back(gateways, shop, finance, order, "SHADE")
    assert refunds.one(finance, last).amount == 3000
    whole = as_it_is(order)
    assert [(line.refundable, line.promotion_withheld) for line in whole.lines] == [(0, 0), (0, 0)]
    assert session.scalars(sa.select(OrderLineTax.promotion_minor)).all() == [0, 0]
    assert [payment.left for payment in whole.payments] == [0]
    assert audit.verify().problems == []


def test_a_canceled_refund_frees_what_it_kept_back(shop, finance, gateways, order):
    csr = a_person(shop, "csr")
    first = refunds.propose(csr, came_back(gateways, shop, order, {"LAMP": 1}), now=NOW)
    refunds.cancel(finance, first, reason="again", now=NOW)
    lamp = as_it_is(order).items[0]
    assert (lamp.refunded, lamp.promotion_withheld, lamp.taxes[0].promotion_withheld) == (0, 0, 0)


def test_a_refund_that_a_later_one_built_upon_is_not_canceled_before_it(shop, finance, gateways, order):
    csr = a_person(shop, "csr")
    first = refunds.propose(csr, came_back(gateways, shop, order, {"LAMP": 1}), now=NOW)
    second = refunds.propose(csr, came_back(gateways, shop, order, {"SHADE": 1}), now=NOW)
    with pytest.raises(Conflict) as caught:
        refunds.cancel(finance, first, reason="again", now=NOW)
    assert caught.value.code == "later_refund"
    refunds.cancel(finance, second, reason="again", now=NOW)
    refunds.cancel(finance, first, reason="again", now=NOW)
    assert [line.refunded for line in as_it_is(order).lines] == [0, 0]


def test_disputed_money_is_not_there_to_be_refunded(shop, finance, gateways, order, session):
    session.execute(sa.update(Payment).values(disputed_minor=5000))
    session.commit()
    assert [(payment.disputed, payment.left) for payment in as_it_is(order).payments] == [(5000, 400)]
    refund = refunds.one(finance, given_back(gateways, shop, finance, order, "LAMP"))
    assert (refund.amount, refund.breakdown.clamped) == (400, 2000)


def test_of_a_shared_payment_only_what_the_other_order_cannot_cover_is_missing(gateways, shop, session):
    from tests.builders import a_payment

    card = {"reference": "shared", "captured": "30.00"}
    one = an_order(gateways, shop, [an_item("CUP", 1, "10.00")], paid=[a_payment(**card)])
    two = an_order(gateways, shop, [an_item("POT", 1, "20.00")], paid=[a_payment(**card)])
    session.execute(sa.update(Payment).where(Payment.reference == "shared").values(captured_minor=3000))
    session.commit()
    for disputed, left in ((1500, (1000, 1500)), (2500, (500, 500)), (3000, (0, 0))):
        session.execute(
            sa.update(Payment).where(Payment.reference == "shared").values(disputed_minor=disputed)
        )
        session.commit()
        assert tuple(as_it_is(order).payments[0].left for order in (one, two)) == left

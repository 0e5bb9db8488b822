"""A refund that several tell of (we, the gateway, the shop) counts once."""

from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from portal.adapters.orders import shopify
from portal.core.access import SYSTEM
from portal.core.intake import IncomingRefund, IncomingRefundLine
from portal.db.orders import Order, OutsideRefund
from portal.db.refunds import Payout
from portal.services import intake
from portal.services.paying import outside_refunds, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests import builders
from tests.builders import NOW, a_merchant, a_person, an_item, an_order, as_it_is, came_back

D = Decimal


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


def an_order_of_the_shop(gateways, shop, monkeypatch):
    """An order, and a way to let the shop tell of it again with refunds."""
    told = []
    real = intake.import_orders

    def listening(actor, merchant, stream, **more):
        told.extend(stream := list(stream))
        return real(actor, merchant, stream, **more)

    monkeypatch.setattr(builders.intake, "import_orders", listening)
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    monkeypatch.undo()

    def again(*refunds):
        faults = []
        changed = replace(told[0], refunds=refunds, digest=str(hash(refunds)))
        counts = real(SYSTEM, shop, [changed], source="tests", now=NOW, refuse=faults.append)
        assert (counts.changed, faults) == (1, [])
        return as_it_is(order)

    return order, again


def refunded(gateways, shop, finance, order, session):
    refund_id = refunds.propose(finance, came_back(gateways, shop, order, {"MUG": 1}), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    session.rollback()
    session.expire_all()
    payout = session.scalars(sa.select(Payout).where(Payout.refund_id == refund_id)).one()
    return refunds.one(finance, refund_id), payout


def told_by_the_shop(amount="10.00", *, lines=True, **more):
    line = IncomingRefundLine(line="1", units=1, amount=D(amount))
    return IncomingRefund(
        external_id="shop-1", at=NOW, amount=D(amount), lines=(line,) if lines else (), **more
    )


@pytest.mark.parametrize("by", ["reference", "key", "number"])
def test_our_own_refund_that_the_shop_tells_of_counts_once(shop, finance, gateways, session, monkeypatch, by):
    order, again = an_order_of_the_shop(gateways, shop, monkeypatch)
    refund, payout = refunded(gateways, shop, finance, order, session)
    named = {
        "reference": {"references": (payout.provider_reference,)},
        "key": {"references": (payout.key,)},
        "number": {"reason": f"portal {refund.number}"},
    }[by]
    for _ in range(2):
        after = again(told_by_the_shop(**named))
        assert after.payments[0].refunded == 1000 and after.items[0].refunded == 1000
        again()
    notes = session.scalar(sa.select(Order.notes).where(Order.id == order.id))
    assert "Refund shop-1: made by this portal; it counts once." in notes
    assert session.scalars(sa.select(OutsideRefund)).all() == [] and audit.verify().problems == []


def test_what_the_shop_sent_beyond_ours_counts_too(shop, finance, gateways, session, monkeypatch):
    order, again = an_order_of_the_shop(gateways, shop, monkeypatch)
    _, payout = refunded(gateways, shop, finance, order, session)
    after = again(told_by_the_shop("13.00", references=(payout.provider_reference,)))
    assert after.payments[0].refunded == 1300 and audit.verify().problems == []


def test_somebody_elses_refund_still_counts(shop, finance, gateways, session, monkeypatch):
    order, again = an_order_of_the_shop(gateways, shop, monkeypatch)
    refunded(gateways, shop, finance, order, session)
    after = again(told_by_the_shop("4.00", lines=False, references=("re_somebody",), reason="goodwill"))
    assert after.payments[0].refunded == 1400


def test_a_refund_found_at_the_gateway_and_told_by_the_shop_counts_once_with_its_lines(
    shop, finance, gateways, session, monkeypatch
):
    order, again = an_order_of_the_shop(gateways, shop, monkeypatch)
    sandbox = gateways.payments["sandbox"]
    reference = sandbox.refund_outside(f"{order.number}-card", 1000)
    (listed,) = sandbox.refunds_since(NOW.replace(year=2000))
    assert outside_refunds.found("sandbox", listed, now=NOW) == "counted"
    after = again(told_by_the_shop(references=(reference,)))
    assert after.payments[0].refunded == 1000, "the money counted before"
    assert after.items[0].refunded == 1000, "the units are news"
    assert outside_refunds.found("sandbox", listed, now=NOW) == "counted"
    assert as_it_is(order).payments[0].refunded == 1000 and audit.verify().problems == []


def test_a_shop_tells_the_gateways_id_of_a_refund():
    told = {
        "id": 7,
        "transactions": [
            {"kind": "refund", "status": "success", "authorization": "re_1", "receipt": {"id": "re_1"}},
            {"kind": "refund", "status": "success", "authorization": None, "receipt": {"id": "re_2"}},
            {"kind": "sale", "status": "success", "authorization": "ch_1"},
        ],
    }
    assert tuple(shopify._references(told)) == ("re_1", "re_2")

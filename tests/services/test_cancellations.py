"""A cancellation from the wish to its end: nothing before the customer's yes, all of it with the yes."""

from __future__ import annotations

import pytest

from portal.services import audit, cancellations
from portal.services.cancellations import Choice, Wish
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_merchant,
    a_person,
    an_item,
    an_order,
    as_it_is,
    shipping_cost,
)


@pytest.fixture
def shop(session):
    return a_merchant()


def unshipped(gateways, shop, *items, **more):
    return an_order(gateways, shop, items or [an_item("MUG", 3, "9.33", shipped=0)], **more)


def wish(order, units, **more):
    ids = {line.sku: line.id for line in order.items}
    return Wish(choices=tuple(Choice(line_id=ids[sku], units=n) for sku, n in units.items()), **more)


def propose(gateways, actor, order, units, **more):
    given = {"shown": None, "nonce": None, "gateways": gateways, "site": SITE, "now": NOW} | more
    return cancellations.propose(actor, order.id, wish(order, units), **given)


def confirm(gateways, shop, made, **more):
    given = {"seen": None, "gateways": gateways, "site": SITE, "now": NOW} | more
    return cancellations.confirm(a_customer(made, shop), made, **given)


def test_proposed_confirmed_refunded_and_closed(shop, gateways, session, drain):
    csr = a_person(shop, "csr")
    order = unshipped(gateways, shop, an_item("MUG", 3, "9.33", shipped=0), shipping_cost())
    made = propose(gateways, csr, order, {"MUG": 2})
    held = as_it_is(order).items[0]
    assert (held.held, held.canceled, held.cancelable_units) == (((0, 2),), (), 1)
    page = cancellations.page(csr, made, now=NOW)
    assert page.state == "proposed" and page.verdict.findings == ()
    assert confirm(gateways, shop, made, seen=page.seen) == "confirmed"
    session.commit()
    drain()
    session.rollback()
    session.expire_all()
    page = cancellations.page(csr, made, now=NOW)
    line = as_it_is(order).items[0]
    assert (page.state, line.canceled, line.held, line.refunded) == ("closed", ((0, 2),), (), 1866)
    assert [(one.state, one.amount) for one in page.refunds] == [("succeeded", 1866)]
    assert audit.verify().problems == []

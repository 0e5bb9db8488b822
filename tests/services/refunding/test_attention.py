"""What of money waits for people: failed, stuck, and for this person to approve; each oldest first."""

from datetime import timedelta

import pytest

from portal.services.paying import payouts
from portal.services.refunding import attention, refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_order, came_back, terms


@pytest.fixture
def shop(session):
    return a_merchant(terms=terms(two_people_above=500))


def made(gateways, shop, *, ending="", tender="card", by=None, approve=True):
    """A refund of 10.00 that was let go, sent as far as its gateway lets it."""
    order = an_order(gateways, shop, paid=(a_payment(tender, ending=ending),))
    asked = by or a_person(shop, "csr")
    refund_id = refunds.propose(asked, came_back(gateways, shop, order), now=NOW)
    if approve:
        refunds.approve(a_person(shop, "finance"), refund_id, now=NOW)
        payouts.send(refund_id, gateways=gateways, now=NOW)
    return refund_id


def ids(queue):
    return [row.id for row in queue.rows]


def test_each_refund_stands_in_the_list_of_what_it_waits_for(shop, gateways):
    boss = a_person(shop)
    failed = made(gateways, shop, ending="-fails")
    by_hand = made(gateways, shop, tender="cash")
    done = made(gateways, shop)
    waits = made(gateways, shop, approve=False)
    found = attention.waiting(boss, now=NOW)
    assert (ids(found.failed), ids(found.to_approve)) == ([failed], [waits])
    assert ids(found.stuck) == [by_hand], "a person has to pay it"
    everywhere = [*ids(found.failed), *ids(found.stuck), *ids(found.to_approve)]
    assert done not in everywhere
    assert [row.id for row in attention.listing(boss, "failed", now=NOW)] == [failed]


def test_what_has_been_under_way_for_a_day_is_stuck(shop, gateways):
    pending = made(gateways, shop, ending="-pending")
    boss = a_person(shop)
    assert ids(attention.waiting(boss, now=NOW).stuck) == []
    assert ids(attention.waiting(boss, now=NOW + timedelta(days=1, minutes=1)).stuck) == [pending]


def test_one_does_not_wait_for_oneself_nor_for_another_shop(shop, gateways):
    asked, stranger = a_person(shop, "finance"), a_person(a_merchant(), "finance")
    mine = made(gateways, shop, by=asked, approve=False)
    assert ids(attention.waiting(asked, now=NOW).to_approve) == []
    assert ids(attention.waiting(stranger, now=NOW).to_approve) == []
    assert ids(attention.waiting(a_person(shop), now=NOW).to_approve) == [mine]
    assert attention.waiting(a_person(shop, "warehouse"), now=NOW).failed.count == 0


def test_a_list_is_continued_where_it_ended_oldest_first(shop, gateways):
    made_ids = [made(gateways, shop, ending="-fails") for _ in range(3)]
    boss = a_person(shop)
    first = attention.listing(boss, "failed", limit=2, now=NOW)
    rest = attention.listing(boss, "failed", after=first[-1].id, limit=2, now=NOW)
    assert [row.id for row in (*first, *rest)] == sorted(made_ids)

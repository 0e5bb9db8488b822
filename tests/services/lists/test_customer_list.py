"""Customers as a list: each address once, at its newest order, page by page, and found by whatever they say."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from portal.core.access import NotFound
from portal.db.base import db
from portal.db.orders import Order
from portal.services.handling import desk
from portal.services.lists import customer_list, customers
from portal.services.lists.customer_list import Place
from portal.services.refunding import allowances
from tests.builders import (
    NOW,
    SITE,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    inspect,
    receive,
)


@pytest.fixture
def shop(session):
    return a_merchant()


def ordered(gateways, shop, email, days_ago, **more):
    return an_order(gateways, shop, email=email, days_ago=days_ago, **more)


def emails(page):
    return [row.email for row in page.rows]


def every_page(actor, limit, query=""):
    """The addresses of all pages, and how many rows each page has."""
    found, sizes, after = [], [], None
    while True:
        page = customer_list.listing(actor, query=query, after=after, limit=limit)
        found += emails(page)
        sizes.append(len(page.rows))
        if page.next is None:
            return found, sizes
        after = customer_list.place_from(str(page.next))


def test_each_customer_stands_once_at_the_newest_order(shop, gateways):
    for email, days in (
        ("a@shop.example", 1),
        ("b@shop.example", 2),
        ("a@shop.example", 3),
        ("c@shop.example", 4),
    ):
        ordered(gateways, shop, email, days)
    page = customer_list.listing(a_person(shop))
    assert emails(page) == ["a@shop.example", "b@shop.example", "c@shop.example"]
    assert [row.orders for row in page.rows] == [2, 1, 1]
    assert page.next is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_have_everybody_once_in_order_whatever_their_size(shop, gateways, limit, monkeypatch):
    monkeypatch.setattr(customer_list, "BATCH", 2)
    agent, placed = a_person(shop), {}
    for n in range(12):
        email = f"buyer{n * 5 % 7}@shop.example"
        ordered(gateways, shop, email, n)
        placed.setdefault(email, n)
    a_draft(agent, shop, email="only.a.return@shop.example", name="Demo Customer")
    found, sizes = every_page(agent, limit)
    assert found[0] == "only.a.return@shop.example", "begun just now"
    assert found[1:] == sorted(placed, key=placed.get)
    assert all(size == limit for size in sizes[:-1])


def test_a_customer_who_orders_all_the_time_hides_nobody(shop, gateways, monkeypatch):
    monkeypatch.setattr(customer_list, "BATCH", 3)
    monkeypatch.setattr(customer_list, "WALKED", 5)
    for n in range(12):
        ordered(gateways, shop, "often@shop.example", n)
    for n in (12, 13):
        ordered(gateways, shop, f"seldom{n}@shop.example", n)
    found, sizes = every_page(a_person(shop), 50)
    assert found == ["often@shop.example", "seldom12@shop.example", "seldom13@shop.example"]
    assert len(sizes) > 1, "a page looks at so many orders and no more"


def test_the_numbers_are_those_of_the_customers_own_page(shop, gateways):
    agent = a_person(shop)
    order = an_order(gateways, shop, (an_item("MUG", 4, "10.00"),))
    a_return(gateways, shop, order, {"MUG": 1})
    a_draft(agent, shop, order)
    ordered(gateways, shop, "demo.customer@customer.example", 40)
    (row,) = customer_list.listing(agent).rows
    own = customers.of(agent, row.subject_id)
    assert (row.orders, row.returns, row.bought, row.returned, row.rate_bp) == (
        own.orders, own.returns, own.bought, own.returned, own.rate_bp,
    )  # fmt: skip
    assert (row.orders, row.returns, row.returned) == (2, 1, 1)


def test_who_works_for_two_shops_sees_a_customer_of_both_once(shop, gateways):
    other = a_merchant(slug="elsewhere")
    ordered(gateways, shop, "both@shop.example", 5)
    ordered(gateways, other, "both@shop.example", 1)
    ordered(gateways, other, "theirs@shop.example", 2)
    found = customer_list.listing(a_person([shop, other]))
    assert [(row.email, row.orders) for row in found.rows] == [
        ("both@shop.example", 2),
        ("theirs@shop.example", 1),
    ]
    assert [(row.email, row.orders) for row in customer_list.listing(a_person(shop)).rows] == [
        ("both@shop.example", 1)
    ]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("zoe@shop", True), ("ZOE@shop.example", True), ("zoe", True), ("Zoë Müller", True), ("mull", True),
        ("+49 170 5550123", True), ("0170 5550123", True), ("zoe miller", False), ("nobody@shop.example", False),
        ("%", False), ("_", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("has", ["order", "return"])
def test_a_customer_is_found_by_name_address_and_phone(shop, gateways, typed, found, has):
    agent, who = (
        a_person(shop),
        {"email": "zoe@shop.example", "name": "Zoë Müller", "phone": "+49 170 5550123"},
    )
    ordered(gateways, shop, "somebody@shop.example", 1, name="Demo Customer")
    if has == "order":
        ordered(gateways, shop, who.pop("email"), 2, **who)
    else:
        a_draft(agent, shop, **who)
    assert emails(customer_list.listing(agent, query=typed)) == (["zoe@shop.example"] if found else [])


def test_what_is_found_has_pages_too(shop, gateways):
    for n in range(5):
        ordered(gateways, shop, f"buyer{n}@shop.example", n, name="Demo Customer")
    found, sizes = every_page(a_person(shop), 2, "demo")
    assert found == [f"buyer{n}@shop.example" for n in range(5)]
    assert sizes == [2, 2, 1]


def test_found_by_an_old_return_a_customer_stands_at_the_newest_order(shop, gateways):
    agent = a_person(shop)
    a_draft(agent, shop, email="demo@shop.example", name="Old Name")
    ordered(gateways, shop, "demo@shop.example", 3, name="New Name")
    (row,) = customer_list.listing(agent, query="Old Name").rows
    assert (row.name, row.ordered, row.at) == ("New Name", True, NOW - timedelta(days=3))


def test_whoever_has_no_address_is_nobody_in_particular(shop, gateways):
    ordered(gateways, shop, "demo@shop.example", 1)
    db.session.execute(sa.update(Order).values(email=""))
    db.session.commit()
    assert customer_list.listing(a_person(shop)).rows == ()


def test_another_shops_customers_are_not_seen(shop, gateways):
    ordered(gateways, shop, "demo@shop.example", 1, name="Demo Customer")
    stranger = a_person(a_merchant(slug="elsewhere"), "admin")
    assert customer_list.listing(stranger).rows == ()
    for typed in ("demo@shop.example", "Demo Customer"):
        assert customer_list.listing(stranger, query=typed).rows == ()


@pytest.mark.parametrize(
    "text", ["", "x", "2026-01-01~", f"2026-01-01T00:00:00~{UUID(int=5)}", f"~{UUID(int=5)}"]
)
def test_what_is_no_place_in_the_list_is_not_found(text):
    with pytest.raises(NotFound):
        customer_list.place_from(text)


def test_a_place_is_read_back_from_an_address():
    place = Place(at=NOW, id=uuid4())
    assert customer_list.place_from(str(place)) == place


def test_only_what_came_back_or_may_still_counts_as_returned(shop, gateways):
    agent = a_person(shop)
    order = an_order(gateways, shop, (an_item("MUG", 4, "10.00"),))
    lost = a_return(gateways, shop, order, {"MUG": 3})
    receive(shop, lost, {"MUG": 1})
    inspect(shop, lost)
    desk.close(agent, lost, now=NOW)
    found = customers.of(agent, lost)
    assert (found.bought, found.returned, found.rate_bp) == (4, 1, 2500), "two never came, and are free again"
    again = a_return(gateways, shop, as_it_is(order), {"MUG": 2})
    assert customers.of(agent, again).returned == 3
    kept = allowances.Allowance(line_id=order.items[0].id, units=1, amount=200)
    allowances.create(
        agent,
        order.id,
        allowances.Wish(lines=(kept,), reason="arrived_damaged", note="A scratch"),
        site=SITE,
        now=NOW,
    )
    (row,) = customer_list.listing(agent).rows
    assert (row.returns, row.returned) == (3, 3), "what stays with the customer did not come back"
    assert customers.of(agent, again).returned == 3

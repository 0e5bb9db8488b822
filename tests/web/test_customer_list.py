"""The page of customers: reached from the navigation, searched, turned, each one opened; no whole table is read."""

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask

from bench import lists, plans
from bench.crowd import Crowd, crowd
from portal.services.lists import customer_list
from tests.web.admin_world import World, a_world


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@sqlite
def test_customers_stand_in_the_navigation_and_lead_to_their_own_pages(world: World, client: Any) -> None:
    world.order(email="demo@customer.example", name="Somebody Else")
    page = client.get(client.get("/admin/").page.link("Customers")).page
    assert page.h1 == "Customers"
    own = client.get(page.link("Somebody Else")).page
    assert own.h1 == "Somebody Else"
    assert own.links()["demo@customer.example"] == "mailto:demo@customer.example"


@sqlite
def test_each_row_has_orders_returns_and_the_return_rate(world: World, client: Any) -> None:
    return_id = world.received({"MUG": 1})
    order = world.dossier(return_id).page.order
    assert order is not None
    rows = client.get("/admin/customers").page
    cells = [" ".join("".join(one.itertext()).split()) for one in rows.tree.iter("td")]
    assert cells[-3:] == ["1", "1", "25%"], "one mug of a shirt and three mugs"


@sqlite
def test_a_search_stands_in_the_address_and_finds_or_says_so(world: World, client: Any) -> None:
    world.order(email="demo@customer.example", name="Somebody Else")
    world.order()
    page = client.get("/admin/customers?q=somebody+else").page
    assert "Somebody Else" in page.links() and "Demo Customer" not in page.links()
    part = client.get("/admin/customers?q=nobody+here", htmx="rows").page
    assert "No customer found" in part.text
    assert part.link("Show all customers") == "/admin/customers"


@sqlite
def test_without_customers_the_page_says_what_will_be_there(world: World, client: Any) -> None:
    assert "No customers yet" in client.get("/admin/customers").page.text


@sqlite
def test_pages_are_turned_by_addresses(world: World, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(customer_list.listing, "__kwdefaults__", {"query": "", "after": None, "limit": 2})
    for n in range(3):
        world.order(email=f"buyer{n}@customer.example", name=f"Buyer Number{n}", days_ago=n + 1)
    first = client.get("/admin/customers").page
    assert [name for name in first.links() if name.startswith("Buyer")] == ["Buyer Number0", "Buyer Number1"]
    second = client.get(first.link("Next")).page
    assert [name for name in second.links() if name.startswith("Buyer")] == ["Buyer Number2"]
    assert second.link("Previous") == "/admin/customers"
    assert client.get("/admin/customers?after=nowhere").status_code == 404


def test_no_page_of_customers_reads_a_whole_table(app: Flask, world: World) -> None:
    client = world.signed_in("admin", merchants=(world.own, world.other))
    everybody: Crowd = crowd(app, (world.own, world.other), "admin-2@people.example")
    everybody.grow(0, 1500, quickly=False)
    one = lists.Place(app=app, crowd=everybody, size=1500).known
    first = client.get("/admin/customers").page
    wanted = {
        "first": "/admin/customers",
        "second": first.link("Next"),
        "third": client.get(first.link("Next")).page.link("Next"),
        "name": f"/admin/customers?q={quote(one.name)}",
        "e-mail": f"/admin/customers?q={quote(one.email)}",
        "phone": f"/admin/customers?q={quote(one.phone)}",
        "everybody's": "/admin/customers?q=demo",
        "nobody": "/admin/customers?q=nobody+has+this",
    }
    assert lists.scans_of(app, client.get, wanted, forced=True) == []
    for name in ("name", "e-mail", "phone"):
        assert one.email in client.get(wanted[name]).page.text
    with plans.watching() as sent:
        client.get("/admin/customers")
    assert len(sent) <= 20, "however many customers are on the page"

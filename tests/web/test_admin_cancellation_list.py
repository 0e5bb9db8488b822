"""The list of cancellations: counts, filters in the address, search, pages, and the file of it."""

import csv
import io
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from portal.services.lists import cancellation_list
from tests.web.admin_world import World, a_world
from tests.web.canceling import Desk


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world=world)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def number(desk: Desk, made: UUID) -> str:
    return desk.found(made).page.draft.number or ""


def shown(page: Any) -> list[str]:
    """The numbers on the page, in their order."""
    return [text for text in page.links() if text.startswith("CA-")]


def test_without_any_the_page_says_where_they_come_from(client: Any) -> None:
    page = client.get("/admin/cancellations").page
    assert "No cancellations yet" in page.text
    assert page.link("Find the order") == "/admin/orders"


def test_the_navigation_leads_to_it(client: Any) -> None:
    assert client.get("/admin/").page.link("Cancellations") == "/admin/cancellations"


def test_each_state_has_its_count_and_its_address(desk: Desk, client: Any) -> None:
    waits, also, gone = desk.propose(), desk.propose(), desk.propose()
    desk.confirm(gone)
    page = client.get("/admin/cancellations").page
    assert shown(page) == [number(desk, one) for one in (gone, also, waits)]
    url = page.link("Waiting for the customer")
    assert "Waiting for the customer 2" in page.text
    assert "Confirmed 1" in page.text
    page = client.get(url).page
    assert shown(page) == [number(desk, also), number(desk, waits)]
    assert client.get("/admin/cancellations?state=declined").page.link("Show all cancellations")


@pytest.mark.parametrize("what", ["order number", "e-mail", "name", "sku"])
def test_one_is_found_by(desk: Desk, client: Any, what: str) -> None:
    made = desk.propose({"MUG": 1}, desk.order(email="else@customer.example"))
    desk.propose({"SHIRT": 1}, desk.order(email="third@customer.example"))
    draft = desk.found(made).page.draft
    query = {
        "order number": draft.order_number.lower(),
        "e-mail": "else@",
        "name": "demo cust",
        "sku": "mug",
    }[what]
    found = shown(client.get("/admin/cancellations", query_string={"q": query}).page)
    assert draft.number in found
    assert len(found) == (2 if what == "name" else 1)


def test_a_number_typed_exactly_leads_straight_to_its_page(desk: Desk, client: Any) -> None:
    made = desk.propose()
    typed = number(desk, made).lower().replace("-", " ")
    for path in ("/admin/cancellations", "/admin/returns"):
        answer = client.get(path, query_string={"q": typed}, follow_redirects=True)
        assert answer.page.h1 == number(desk, made)


def test_a_search_among_the_returns_tells_of_cancellations(desk: Desk, client: Any) -> None:
    made = desk.propose()
    page = client.get("/admin/returns", query_string={"q": "demo"}).page
    url = page.link("1 cancellation fits as well")
    assert shown(client.get(url).page) == [number(desk, made)]


def test_a_search_without_a_hit_says_what_can_be_searched_for(client: Any) -> None:
    page = client.get("/admin/cancellations?q=nothing+like+it").page
    assert "Nothing found" in page.text
    assert page.link("Show all cancellations") == "/admin/cancellations"


def test_the_rows_alone_come_for_htmx(desk: Desk, client: Any) -> None:
    made = desk.propose()
    answer = client.get("/admin/cancellations?q=demo", htmx="rows")
    assert not answer.page.whole
    assert shown(answer.page) == [number(desk, made)]
    assert len(answer.data) < 8192


def test_filters_stay_in_the_address(desk: Desk, client: Any) -> None:
    desk.propose()
    page = client.get("/admin/cancellations?q=demo&state=proposed").page
    assert "q=demo" in page.link("All")
    assert "state=proposed" in page.link("This list as CSV")
    values, _names = page.fields(page.form(action="/admin/cancellations"))
    assert (values["q"], values["state"]) == ("demo", "proposed")


def test_a_long_list_has_pages(app: Flask, desk: Desk) -> None:
    made = [desk.propose({"MUG": 1}) for _ in range(3)]
    with app.app_context():
        first = cancellation_list.listing(desk.world.actor("csr"), limit=2)
        second = cancellation_list.listing(desk.world.actor("csr"), limit=2, after=first.next)
    assert [row.id for row in (*first.rows, *second.rows)] == made[::-1]
    assert second.next is None


def test_the_list_is_a_file_as_it_is_filtered(desk: Desk, client: Any) -> None:
    made = desk.propose({"MUG": 2})
    gone = desk.propose({"SHIRT": 1})
    desk.confirm(gone)
    answer = client.get("/admin/cancellations.csv?state=proposed")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert [(row["cancellation"], row["units"], row["amount"], row["currency"]) for row in rows] == [
        (number(desk, made), "2", "20.00", "EUR")
    ]
    money = desk.world.signed_in("warehouse").get("/admin/cancellations.csv?state=proposed")
    assert "20.00" not in money.get_data(as_text=True)


def test_other_shops_cancellations_are_nowhere(desk: Desk, client: Any) -> None:
    made = desk.propose(order=desk.order(merchant_id=desk.world.other))
    with desk.world.app.app_context():
        from portal.db import returns

        theirs = returns.get(made).number
    page = client.get("/admin/cancellations").page
    assert shown(page) == []
    assert client.get("/admin/cancellations", query_string={"q": theirs}).status_code == 200
    assert client.get("/admin/cancellations", query_string={"merchant": desk.world.other}).status_code == 404
    assert client.get("/admin/cancellations", query_string={"merchant": uuid4()}).status_code == 404
    assert theirs not in client.get("/admin/cancellations.csv").get_data(as_text=True)
    assert "No cancellation" not in client.get("/admin/").page.text

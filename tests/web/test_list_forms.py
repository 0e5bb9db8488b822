"""The list of returns and the forms around it: what is sent along is what is seen; who sees no money sees none."""

import csv
import io
from typing import Any

import pytest
from flask import Flask

from portal.core.numbers import check_character, is_valid
from portal.db.base import transaction, uuid7
from portal.db.views import SavedView
from portal.services.handling import tags
from portal.services.persons import people
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def sent(page: Any, form: str) -> list[tuple[str, str]]:
    """The hidden fields on the page that belong to the form of that id."""
    return [
        (node.get("name"), node.get("value"))
        for node in page.tree.iter("input")
        if node.get("form") == form and node.get("type") == "hidden"
    ]


def test_the_rows_bring_what_the_forms_around_them_send_and_the_file(world: World, client: Any) -> None:
    """With JavaScript the rows alone are changed: whatever else the page says of the list would be of another."""
    world.requested()
    rows = client.get("/admin/returns?state=requested&q=demo", htmx="rows").page
    assert sent(rows, "filter-form") == [("q", "demo")]
    assert sent(rows, "search-form") == [("state", "requested")]
    assert sent(rows, "view-form") == [("q", "demo"), ("state", "requested")]
    assert rows.link("This list as CSV") == "/admin/returns.csv?q=demo&state=requested"


def test_without_javascript_the_forms_send_the_same(world: World, client: Any) -> None:
    world.requested()
    page = client.get("/admin/returns?state=requested&q=demo")
    found = client.submit(page, {"channel": "self_service"}, action="/admin/returns", button="Show")
    assert (found.request.args["q"], found.request.args.getlist("state")) == ("demo", ["requested"])
    found = client.submit(page, {"q": "nobody"}, action="/admin/returns", button="Search")
    assert (found.request.args["q"], found.request.args["state"]) == ("nobody", "requested")


def test_a_chip_that_takes_the_search_away_empties_its_field(world: World, client: Any) -> None:
    world.requested()
    answer = client.get("/admin/returns?state=requested", htmx="rows", headers={"HX-Trigger": "chip-1"})
    field = answer.page.by_id("desk-search")
    assert field.get("value") == ""


def test_the_rows_of_cancellations_bring_their_file_and_their_tabs(world: World, client: Any) -> None:
    from tests.web.canceling import Desk

    Desk(world=world).propose()
    rows = client.get("/admin/cancellations?q=demo", htmx="rows").page
    assert rows.link("This list as CSV") == "/admin/cancellations.csv?q=demo"
    assert "q=demo" in rows.link("All")


def test_who_sees_no_money_sees_none_in_lists(world: World) -> None:
    from tests.web.canceling import Desk

    world.received()
    Desk(world=world).propose()
    clerk = world.signed_in("warehouse")
    for path in ("/admin/returns", "/admin/cancellations", "/admin/"):
        page = clerk.get(path).page
        assert "€" not in page.text, path
    rows = list(csv.DictReader(io.StringIO(clerk.get("/admin/returns.csv").get_data(as_text=True))))
    assert [row["refund"] for row in rows] == [""]
    assert "€" in world.signed_in("csr").get("/admin/returns").page.text


def test_the_number_of_a_refund_leads_who_may_not_see_it_to_its_return_in_the_list(world: World) -> None:
    from portal.services.refunding import refunds

    return_id = world.inspected()
    with world.app.app_context():
        refunds.propose(world.actor("csr"), return_id, now=now())
    found = world.dossier(return_id)
    number = found.refunds[0].number
    page = world.signed_in("warehouse").get("/admin/returns", query_string={"q": number})
    assert page.status_code == 200
    assert found.page.draft.number in page.page.links()
    assert (
        "/admin/refunds/" in world.signed_in("csr").get("/admin/returns", query_string={"q": number}).location
    )


def test_an_order_number_that_looks_like_one_of_ours_leads_to_its_order(world: World, client: Any) -> None:
    typed = next(
        text
        for text in (f"{digits}{check_character(str(digits))}" for digits in range(1000000, 1001000))
        if text.isdigit()
    )
    assert is_valid(typed)
    order = world.order(number=typed)
    assert client.get("/admin/returns", query_string={"q": typed}).location == f"/admin/orders/{order.id}"


def test_the_filter_form_keeps_a_filter_that_it_does_not_suggest(
    app: Flask, world: World, client: Any
) -> None:
    return_id = world.requested()
    with app.app_context():
        for n in range(12):
            tags.add(world.actor(), return_id, f"a {n:02}", now=now())
        others = [world.requested() for _ in range(2)]
        for one in others:
            for n in range(12):
                tags.add(world.actor(), one, f"b {one.hex[-4:]} {n:02}", now=now())
        tags.add(world.actor(), world.requested(), "zoo", now=now())
        myself = people.named("supervisor-0@people.example")
        assert myself is not None
    gone = "01890000-0000-7000-8000-000000000001"
    for assignee in (str(myself.id), gone):
        page = client.get(f"/admin/returns?tag=zoo&assignee={assignee}").page
        values, _names = page.fields(page.form("/admin/returns", button="Show"))
        assert (values["tag"], values["assignee"]) == ("zoo", assignee)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/returns?from=9999-12-31&to=9999-12-31",
        "/admin/returns?submitted_from=0001-01-01&submitted_to=9999-12-31",
        "/admin/returns.csv?to=9999-12-31",
        "/admin/numbers?from=0001-01-01&to=9999-12-31",
        "/admin/numbers/weeks.csv?to=9999-12-31",
        "/admin/measures?from=0001-01-01",
        "/admin/finance?to=9999-12-31",
        "/admin/audit?day=9999-12-31",
        "/admin/audit?day=0001-01-01",
    ],
)
def test_a_day_that_no_calendar_goes_on_from_is_no_day(world: World, path: str) -> None:
    assert world.signed_in("admin").get(path).status_code == 200


@pytest.mark.parametrize(
    "place",
    [
        "0~9223372036854775808~01890000-0000-7000-8000-000000000001",
        "0~0001-01-01T00:00:00+01:00~01890000-0000-7000-8000-000000000001",
        "0~9999-12-31T23:59:59-01:00~01890000-0000-7000-8000-000000000001",
    ],
)
@pytest.mark.parametrize("sort", ["newest", "value", "due"])
def test_a_place_that_no_row_can_have_is_not_found(client: Any, place: str, sort: str) -> None:
    assert client.get("/admin/returns", query_string={"sort": sort, "after": place}).status_code == 404
    after = place.removeprefix("0~")
    assert client.get("/admin/customers", query_string={"after": after}).status_code == 404


def test_a_list_kept_with_such_a_day_keeps_nobody_out(app: Flask, world: World, client: Any) -> None:
    with app.app_context(), transaction() as session:
        owner = people.named("supervisor-0@people.example")
        assert owner is not None
        session.add(
            SavedView(
                id=uuid7(), merchant_id=world.own, person_id=owner.id, name="Far away", shared=True,
                query={"to": ["9999-12-31"]}, created_at=now(),
            )
        )  # fmt: skip
    assert "Far away 0" in client.get("/admin/returns").page.links()

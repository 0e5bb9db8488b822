"""The list of returns with its search, and the page of one."""

import re
from typing import Any

import pytest
from flask import Flask

from portal.services.handling import deciding
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def test_an_empty_desk_says_so_and_shows_the_way_on(client: Any) -> None:
    page = client.get("/admin/").page
    assert "Nothing waits" in page.text
    assert page.link("New return") == "/admin/returns/new"
    assert "No returns yet" in client.get("/admin/returns").page.text


def test_the_desk_shows_what_waits_with_its_count(world: World, client: Any) -> None:
    waiting = world.requested()
    world.received()
    page = client.get("/admin/").page
    assert "To approve 1" in page.text
    assert "To inspect 1" in page.text
    assert page.link(world.dossier(waiting).page.draft.number or "") == f"/admin/returns/{waiting}"


def test_the_desks_queue_can_be_fetched_alone(world: World, client: Any) -> None:
    world.requested()
    answer = client.get("/admin/", htmx="waiting")
    assert answer.page.by_id("waiting") is not None
    assert not answer.page.whole
    assert len(answer.data) < 8192


@pytest.mark.parametrize("what", ["order number", "e-mail", "name", "sku", "tracking number"])
def test_a_return_is_found_by(world: World, client: Any, drain: Any, what: str) -> None:
    return_id = world.confirmed()
    drain()
    world.draft(name="Somebody Else", email="else@customer.example")
    found = world.dossier(return_id)
    draft = found.page.draft
    query = {
        "order number": draft.order_number.lower(),
        "e-mail": draft.email[:12],
        "name": "demo cust",
        "sku": "shirt",
        "tracking number": found.parcels[0].tracking_number,
    }[what]
    page = client.get("/admin/returns", query_string={"q": query}, htmx="rows").page  # typed, not yet entered
    rows = [text for text in page.links() if text.startswith("RMA-") or text == "Draft"]
    assert rows == [draft.number]


def test_a_number_typed_exactly_leads_straight_to_its_return(world: World, client: Any) -> None:
    return_id = world.confirmed()
    number = world.dossier(return_id).page.draft.number or ""
    for typed in (number, number.lower().replace("-", " "), number.removeprefix("RMA-")):
        assert (
            client.get("/admin/returns", query_string={"q": typed}).location == f"/admin/returns/{return_id}"
        )


def test_a_search_without_a_hit_says_what_can_be_searched_for(client: Any) -> None:
    page = client.get("/admin/returns?q=nothing+like+it").page
    assert "Nothing found" in page.text
    assert page.link("Show all returns") == "/admin/returns"


def test_the_rows_alone_come_for_htmx(world: World, client: Any) -> None:
    world.confirmed()
    answer = client.get("/admin/returns?q=demo", htmx="rows")
    assert not answer.page.whole
    assert "RMA-" in answer.page.by_id("rows").find(".//tbody//th/a").text
    assert len(answer.data) < 8192


def test_a_filter_stands_in_the_address(world: World, client: Any) -> None:
    world.confirmed()
    world.draft()
    page = client.get("/admin/returns?state=approved").page
    assert [text for text in page.links() if text == "Draft"] == []
    assert page.link("Remove this filter") == "/admin/returns"
    assert client.get("/admin/returns?state=nonsense").status_code == 200
    assert client.get("/admin/returns?after=nonsense").status_code == 404


def test_a_long_list_goes_on_where_the_page_ended(world: World, client: Any, app: Flask) -> None:
    for n in range(52):
        world.draft(name=f"Customer number {n}")
    first = client.get("/admin/returns").page
    second = client.get(first.link("Next")).page
    names = [f"Customer number {n}" for n in range(52)]
    assert [name for name in names if name in second.text] == names[:2]
    assert "Customer number 51" in client.get(second.link("Previous")).page.text


def test_the_page_of_a_return_shows_everything(world: World, client: Any, drain: Any) -> None:
    return_id = world.inspected({"SHIRT": 1, "MUG": 2})
    drain()
    found = world.dossier(return_id)
    page = client.get(f"/admin/returns/{return_id}").page
    draft = found.page.draft
    told = [draft.number, draft.name, draft.email, draft.order_number, "3 of 5 items", "partial"]
    told += ["Too small", "Unopened"]
    told += [
        "Estimated refund",
        "To be refunded now",
        found.parcels[0].tracking_number,
        "Return approved",
        "Version 1",
    ]
    told += [line.code for line in draft.lines] + [
        "A: can be sold as new",
        "Goods received",
        "Return started",
    ]
    assert [word for word in told if word not in page.text] == []
    assert page.h1 == draft.number


def test_only_the_next_step_is_offered_as_such(world: World, client: Any) -> None:
    steps = (
        (world.requested, "Approve return"),
        (world.received, "Inspect goods"),
        (world.inspected, "Refund"),
    )
    for made, expected in steps:
        page = client.get(f"/admin/returns/{made()}").page
        primary = [node for node in page.by_id("actions").iter() if "button-primary" in node.get("class", "")]
        assert ["".join(node.itertext()).strip() for node in primary] == [expected]


def test_whoever_sees_no_money_sees_none(world: World) -> None:
    return_id = world.inspected()
    text = world.signed_in("warehouse").get(f"/admin/returns/{return_id}").page.text
    assert "Inspected" in text
    assert "€" not in text
    assert "Estimated refund" not in text


def test_papers_can_be_fetched_and_strange_ones_are_not_there(world: World, client: Any, drain: Any) -> None:
    return_id = world.confirmed()
    drain()
    label = client.get(f"/admin/returns/{return_id}/papers/label.pdf")
    assert (label.mimetype, label.data[:5]) == ("application/pdf", b"%PDF-")
    code = client.get(f"/admin/returns/{return_id}/papers/label.zpl")
    assert code.headers["Content-Disposition"].startswith("attachment")
    assert client.get(f"/admin/returns/{return_id}/papers/secrets.pdf").status_code == 404
    assert client.get(f"/admin/returns/{return_id}/papers/label.exe").status_code == 404


def test_a_message_is_shown_as_it_was_sent_with_its_looks_shut_in(
    world: World, client: Any, drain: Any
) -> None:
    return_id = world.confirmed()
    drain()
    mail = next(one for one in world.dossier(return_id).mails if one.event == "approved")
    answer = client.get(f"/admin/messages/{mail.id}")
    assert mail.subject in answer.page.h1
    assert "frame-src 'self'" in answer.headers["Content-Security-Policy"]
    looks = client.get(f"/admin/messages/{mail.id}/looks", check=False)
    policy = looks.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    with world.app.app_context():
        url = world.app.extensions["site"].base_url
    for body in (answer.get_data(as_text=True), looks.get_data(as_text=True)):
        assert f"{url}/l/" in body
        assert not re.findall(re.escape(url) + r"/l/[\w-]{12,}", body)


def test_a_message_can_be_sent_again(world: World, client: Any, drain: Any) -> None:
    return_id = world.confirmed()
    drain()
    mail = next(one for one in world.dossier(return_id).mails if one.event == "approved")
    answer = client.submit(client.get(f"/admin/messages/{mail.id}"), button="Send again")
    assert answer.location == f"/admin/returns/{return_id}#messages"
    assert [one.event for one in world.dossier(return_id).mails].count("approved") == 2


def test_an_order_is_shown_as_it_was_paid_with_its_returns(world: World, client: Any) -> None:
    return_id = world.confirmed()
    draft = world.dossier(return_id).page.draft
    page = client.get(f"/admin/orders/{draft.order_id}").page
    assert [word for word in ("€50.00", "Demo card", "€105.00", draft.number) if word not in page.text] == []
    assert page.link("New return for this order").endswith("with_order=1")


def test_orders_are_found_and_the_rows_come_alone(world: World, client: Any) -> None:
    order = world.order(email="somebody@customer.example")
    world.order(email="another@customer.example")
    assert order.number in client.get("/admin/orders?q=somebody@customer.example").page.text
    rows = client.get("/admin/orders?q=another", htmx="rows").page
    assert not rows.whole
    assert order.number not in rows.text
    assert "No orders found" in client.get("/admin/orders?q=nonsense-nobody").page.text


def test_the_parts_of_a_return_come_anew_once_something_happened_to_it(world: World, client: Any) -> None:
    asked = world.requested()
    top = client.get(f"/admin/returns/{asked}").page.by_id("top")
    assert client.get(top.get("hx-get"), htmx="top").status_code == 204
    with world.app.app_context():
        deciding.decline(world.actor("supervisor"), asked, reason="other", message="", now=now())
    for part in ("top", "goods", "record", "past"):
        answer = client.get(top.get("hx-get"), htmx=part)
        assert answer.status_code == 200 and not answer.page.whole
        assert answer.page.by_id(part) is not None
    assert "Declined" in client.get(top.get("hx-get"), htmx="top").page.text

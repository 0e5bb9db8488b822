"""An agent prepares a return: one draft, every change saved, two ways to end it as the policy has them."""

import gzip
import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.core.policy.terms import Terms
from tests import builders
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def begun(client: Any, **more: str) -> UUID:
    """A draft, begun on the page for it."""
    page = client.get("/admin/returns/new")
    answer = client.submit(page, {"channel": "phone"} | more, button="Go on without an order")
    assert answer.status_code == 303, answer.page.text
    return UUID(answer.location.split("/")[3])


def choose(client: Any, return_id: UUID, order: Any, units: dict[str, int], **more: Any) -> Any:
    page = client.get(f"/admin/returns/{return_id}/prepare")
    ids = {line.sku: line.id for line in order.items}
    wanted = {f"units-{ids[sku]}": str(count) for sku, count in units.items()}
    return client.submit(page, wanted, action="/prepare/lines", button="Save items", **more)


# --------------------------------------------------------------------------------------------- the beginning


@pytest.mark.parametrize(
    ("terms", "link", "authorize"),
    [
        (Terms(), True, True),
        (Terms(portal=False), False, True),
        (Terms(active=False), False, False),
    ],
)
def test_the_ways_to_end_follow_the_policy(app: Flask, terms: Terms, link: bool, authorize: bool) -> None:
    world = a_world(app)
    client = world.signed_in("csr")
    return_id = world.draft()
    with app.app_context():
        from portal.services import merchants

        merchants.publish(world.actor("admin"), world.own, terms, now=now())
        if terms.active:
            return_id = builders.a_draft(world.actor(), world.own, now=now())
    page = client.get("/admin/returns/new").page
    assert ("Returns are switched off for this shop." in page.text) == (not terms.active)
    if terms.active:
        work = client.get(f"/admin/returns/{return_id}/prepare").page
        assert work.has_id("hand-over") == link
        assert work.has_id("authorize") == authorize
        assert client.get(f"/admin/returns/{return_id}/link").status_code == (200 if link else 409)


# ------------------------------------------------------------------------------------------- order and items


def test_the_order_is_found_by_its_number_and_picked(world: World, client: Any) -> None:
    order = world.order()
    return_id = begun(client)
    found = client.get(f"/admin/returns/{return_id}/prepare", query_string={"q": order.number}, htmx="orders")
    assert order.number in found.page.text
    page = client.get(f"/admin/returns/{return_id}/prepare", query_string={"q": order.number})
    answer = client.submit(page, button=f"Use order {order.number}")
    assert answer.location == f"/admin/returns/{return_id}/prepare?at=next"
    assert world.dossier(return_id).page.order.id == order.id  # type: ignore[union-attr]


def test_an_order_that_is_found_later_brings_its_customer_and_nobody_else_is_overwritten(
    world: World, client: Any
) -> None:
    order = world.order(email="zoe@customer.example", name="Demo Zoe", language="fr")
    for typed in ({}, {"contact-name": "Demo Recipient"}):
        return_id = begun(client)
        if typed:
            page = client.get(f"/admin/returns/{return_id}/prepare")
            client.submit(page, typed, button="Save contact")
        page = client.get(f"/admin/returns/{return_id}/prepare", query_string={"q": order.number})
        client.submit(page, button=f"Use order {order.number}")
        draft = world.dossier(return_id).page.draft
        assert draft.address is not None
        assert draft.address.postcode == "20359"
        wanted = ("Demo Recipient", "", "en") if typed else ("Demo Zoe", "zoe@customer.example", "fr")
        assert (draft.name, draft.email, draft.language) == wanted


def test_an_empty_number_takes_no_order_away(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    choose(client, return_id, order, {"MUG": 2})
    page = client.get(f"/admin/returns/{return_id}/prepare")
    told = client.submit(page, button="Use this number", htmx="entry")
    assert told.status_code == 422
    assert "Type something that the customer can say" in told.page.text
    draft = world.dossier(return_id).page.draft
    assert (draft.order_id, draft.units) == (order.id, 2)
    client.submit(page, button="Go on without an order")
    assert world.dossier(return_id).page.draft.order_id is None


def test_a_number_typed_by_hand_finds_the_order_too(world: World, client: Any) -> None:
    order = world.order()
    return_id = begun(client)
    page = client.get(f"/admin/returns/{return_id}/prepare")
    client.submit(page, {"order_number": order.number.lower()}, button="Use this number")
    assert world.dossier(return_id).page.draft.order_id == order.id


def test_without_an_order_products_are_typed_in_and_the_refund_is_assessed_later(
    world: World, client: Any
) -> None:
    return_id = begun(client)
    client.submit(
        client.get(f"/admin/returns/{return_id}/prepare"),
        {"order_number": "X-77"},
        button="Use this number",
    )
    page = client.get(f"/admin/returns/{return_id}/prepare")
    assert "To be assessed" in page.page.text
    client.submit(
        page, {"name": "Blue mug", "sku": "MB", "units": "2"}, action="/prepare/lines", button="Save items"
    )
    page = client.get(f"/admin/returns/{return_id}/prepare")
    draft = world.dossier(return_id).page.draft
    assert [(line.name, line.sku, line.units) for line in draft.lines] == [("Blue mug", "MB", 2)]
    assert draft.order_number == "X-77"
    client.submit(page, button="Remove Blue mug")
    assert world.dossier(return_id).page.draft.lines == ()


def test_a_product_without_units_is_asked_for_them(world: World, client: Any) -> None:
    return_id = begun(client)
    client.submit(client.get(f"/admin/returns/{return_id}/prepare"), button="Go on without an order")
    page = client.get(f"/admin/returns/{return_id}/prepare")
    typed = {"name": "Blue mug", "sku": "MB", "units": ""}
    answer = client.submit(page, typed, action="/prepare/lines", button="Save items", htmx="lines")
    assert answer.status_code == 422
    assert "Enter how many, 1 or more." in answer.page.text
    for name, value in typed.items():
        assert answer.page.by_id(f"{name}-0").get("value") == value


def test_a_product_is_saved_as_soon_as_it_has_a_name(world: World, client: Any) -> None:
    return_id = begun(client)
    client.submit(client.get(f"/admin/returns/{return_id}/prepare"), button="Go on without an order")
    page = client.get(f"/admin/returns/{return_id}/prepare")
    assert (
        client.submit(page, {"name": "Blue mug"}, action="/prepare/lines", button="Save items").status_code
        == 303
    )
    (line,) = world.dossier(return_id).page.draft.lines
    assert (line.name, line.units) == ("Blue mug", 1)


def test_choosing_items_saves_them_and_the_estimate_follows(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    assert choose(client, return_id, order, {"MUG": 2}).status_code == 303
    page = client.get(f"/admin/returns/{return_id}/prepare").page
    assert "2 of 5 items · partial" in page.text
    assert "€20.00" in page.text


def test_htmx_gets_the_items_with_survey_and_panel_beside_them(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    answer = choose(client, return_id, order, {"MUG": 1}, htmx="lines")
    swapped = client.get(answer.location, htmx="lines")
    body = swapped.get_data(as_text=True)
    assert not swapped.page.whole
    assert re.search(r'id="survey" hx-swap-oob="true"', body)
    assert re.search(r'id="panel" hx-swap-oob="true"', body)
    assert len(gzip.compress(swapped.data)) < 8_000


def test_the_steppers_work_without_javascript(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    for button, expected in (("One more: Demo mug", 1), ("One more: Demo mug", 2), ("One less: Demo mug", 1)):
        client.submit(client.get(f"/admin/returns/{return_id}/prepare"), button=button)
        assert world.lines(return_id)["MUG"].units == expected


def test_more_than_can_come_back_is_refused_with_the_reason_and_nothing_is_saved(
    world: World, client: Any
) -> None:
    order = world.order()
    return_id = world.draft(order)
    answer = choose(client, return_id, order, {"MUG": 4})
    assert answer.status_code == 422
    assert "This was not saved" in answer.page.text
    assert "Demo mug" in answer.page.text
    assert world.dossier(return_id).page.draft.lines == ()


def test_what_cannot_come_back_says_why_and_has_no_stepper(world: World, client: Any) -> None:
    return_id = world.draft(world.order())
    page = client.get(f"/admin/returns/{return_id}/prepare").page
    assert "This is not an item that can be sent back." in page.text
    assert "Units of Demo gift" not in str(page.links())
    names = [node.get("name") for node in page.by_id("lines").iter("input") if node.get("type") == "number"]
    assert len(names) == 2


# ------------------------------------------------------------------------------- survey, address, way, the end


def test_answers_are_saved_and_may_be_left_open(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    choose(client, return_id, order, {"SHIRT": 1})
    line_id = world.lines(return_id)["SHIRT"].id
    page = client.get(f"/admin/returns/{return_id}/prepare")
    client.submit(page, {f"reason-{line_id}": "too_small"}, action="/prepare/survey", button="Save answers")
    line = world.lines(return_id)["SHIRT"]
    assert (line.reason, line.condition) == ("too_small", None)
    text = client.get(f"/admin/returns/{return_id}/prepare").page.text
    assert "To authorize it yourself, answer: Reason and condition, Address and Way of sending." in text
    assert "Left for the customer: Reason and condition, Address and Way of sending." in text


def test_a_way_of_sending_needs_the_address_and_a_choice(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    choose(client, return_id, order, {"SHIRT": 1})
    assert "The address is needed first." in client.get(f"/admin/returns/{return_id}/prepare").page.text
    line_id = world.lines(return_id)["SHIRT"].id
    given = {f"reason-{line_id}": "no_longer_needed", f"condition-{line_id}": "unopened"}
    page = client.get(f"/admin/returns/{return_id}/prepare")
    client.submit(page, given, action="/prepare/survey", button="Save answers")
    page = client.get(f"/admin/returns/{return_id}/prepare")
    client.submit(page, action="/prepare/address", button="Save address")
    page = client.get(f"/admin/returns/{return_id}/prepare")
    values, _ = page.page.fields(page.page.form("/sending"))
    assert "rate" not in values
    assert client.submit(page, action="/sending", button="Save way").status_code == 422
    rate = next(node.get("value") for node in page.page.tree.iter("input") if node.get("name") == "rate")
    assert client.submit(page, {"rate": rate}, action="/sending", button="Save way").status_code == 303
    assert world.dossier(return_id).page.draft.sending.rate_id == rate  # type: ignore[union-attr]


def test_an_agent_creates_a_whole_return_and_authorizes_it(world: World, client: Any, drain: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    with world.app.app_context():
        builders.fill(
            world.actor("csr"), return_id, world.gateways, order=order, units={"SHIRT": 1}, now=now()
        )
    answer = client.submit(client.get(f"/admin/returns/{return_id}/prepare"), button="Authorize return")
    assert answer.location == f"/admin/returns/{return_id}/entered"
    drain()
    found = world.dossier(return_id)
    assert found.page.draft.state == "approved"
    assert "approved" in [mail.event for mail in found.mails if mail.state == "sent"]
    page = client.get(f"/admin/returns/{return_id}").page
    assert f"Read this number to the customer: {found.page.draft.number}" in page.text


def test_authorizing_with_questions_left_says_which(world: World, client: Any) -> None:
    return_id = world.draft(world.order())
    answer = client.submit(client.get(f"/admin/returns/{return_id}/prepare"), button="Authorize return")
    assert answer.status_code == 303
    assert "Still to be answered:" in client.get(answer.location).page.text
    assert world.state(return_id) == "draft"


def test_when_somebody_took_the_last_unit_meanwhile_the_agent_is_told(world: World, client: Any) -> None:
    order = world.order()
    return_id = world.draft(order)
    with world.app.app_context():
        builders.fill(
            world.actor("csr"), return_id, world.gateways, order=order, units={"SHIRT": 1}, now=now()
        )
        page = client.get(f"/admin/returns/{return_id}/prepare")
        builders.a_return(
            world.gateways, world.own, order, {"SHIRT": 1}, now=now(), site=world.app.extensions["site"]
        )
    answer = client.submit(page, button="Authorize return")
    assert answer.status_code == 409
    assert world.state(return_id) == "draft"


def test_a_draft_that_is_confirmed_is_no_workspace_any_more(world: World, client: Any) -> None:
    return_id = world.confirmed()
    assert client.get(f"/admin/returns/{return_id}/prepare").location == f"/admin/returns/{return_id}"
    client.get("/admin/")
    assert client.post(f"/admin/returns/{return_id}/prepare/address", data={}).status_code == 409


def test_a_draft_can_be_discarded(world: World, client: Any) -> None:
    return_id = world.draft()
    client.submit(client.get(f"/admin/returns/{return_id}/prepare"), button="Discard this draft")
    assert world.state(return_id) == "canceled"

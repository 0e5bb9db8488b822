"""The list of returns as a page: chips, tabs, jumps, saved lists, CSV; tags, assignee and the customer's page."""

import csv
import io
from typing import Any

import pytest
from flask import Flask

from portal.services.handling import assigning, tags
from portal.services.lists import views
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def numbers(page: Any) -> list[str]:
    return [text for text in page.links() if text.startswith("RMA-") or text == "Draft"]


def test_filters_stand_in_the_address_and_each_can_be_taken_away(world: World, client: Any) -> None:
    requested = world.requested()
    world.received()
    page = client.get("/admin/returns?state=requested&state=received&channel=self_service").page
    assert numbers(page) == [world.dossier(requested).page.draft.number]
    chips = [href for text, href in page.links().items() if "Remove this filter" in text]
    assert chips == [
        "/admin/returns?state=received&channel=self_service",
        "/admin/returns?state=requested&channel=self_service",
        "/admin/returns?state=requested&state=received",
    ]


def test_a_chip_brings_the_form_along_and_typing_does_not(world: World, client: Any) -> None:
    world.requested()
    address = "/admin/returns?state=requested"
    chip = client.get(address, htmx="rows", headers={"HX-Trigger": "chip-1"})
    assert chip.page.has_id("filters")
    assert not client.get(address, htmx="rows", headers={"HX-Trigger": "search-form"}).page.has_id("filters")


def test_tabs_count_what_they_hold(world: World, client: Any) -> None:
    world.requested()
    world.received()
    links = client.get("/admin/returns").page.links()
    assert links["To review 1"] == "/admin/returns?state=requested"
    assert "To inspect 1" in links
    assert "All 2" in links


def heads(page: Any) -> list[str]:
    return [" ".join(one.itertext()).strip() for one in page.tree.iter("th") if one.get("scope") == "col"]


def test_the_shop_of_each_row_is_told_where_several_are_looked_at(world: World, client: Any) -> None:
    world.requested()
    both = world.signed_in("supervisor", merchants=(world.own, world.other))
    assert "Shop" in heads(both.get("/admin/returns").page)
    assert "Shop" not in heads(both.get(f"/admin/returns?merchant={world.own}").page)
    alone = client.get("/admin/returns").page
    assert "Shop" not in heads(alone)
    assert alone.link("This list as CSV") == "/admin/returns.csv", "which has it all the same"
    assert "shop" in client.get("/admin/returns.csv").get_data(as_text=True).splitlines()[0]


@pytest.mark.parametrize("typed", ["order", "e-mail", "name", "tracking"])
def test_what_is_typed_exactly_leads_straight_there(
    world: World, client: Any, drain: Any, typed: str
) -> None:
    return_id = world.confirmed()
    drain()
    found = world.dossier(return_id)
    draft = found.page.draft
    text, to = {
        "order": (draft.order_number, f"/admin/orders/{found.page.order.id if found.page.order else ''}"),
        "e-mail": (draft.email.upper(), f"/admin/customers/{return_id}"),
        "name": (draft.name, f"/admin/customers/{return_id}"),
        "tracking": (found.parcels[0].tracking_number, f"/admin/returns/{return_id}"),
    }[typed]
    assert client.get("/admin/returns", query_string={"q": text}).location == to


def test_an_authorization_code_leads_to_its_return(world: World, client: Any) -> None:
    return_id = world.confirmed()
    code = next(iter(world.lines(return_id).values())).code
    assert client.get("/admin/returns", query_string={"q": code}).location == f"/admin/returns/{return_id}"


def test_nobody_is_led_to_another_merchants(world: World, client: Any) -> None:
    strange = world.confirmed(merchant_id=world.other)
    draft = world.dossier(strange, world.other).page.draft
    for text in (draft.number, draft.email, draft.order_number):
        assert client.get("/admin/returns", query_string={"q": text}).status_code == 200


def test_the_file_is_the_list_and_no_cell_of_it_is_a_formula(world: World, client: Any) -> None:
    world.received()
    world.draft(name="=cmd|calc")
    world.requested()
    page = client.get("/admin/returns?sort=oldest")
    file = client.get(page.page.link("This list as CSV"))
    rows = list(csv.DictReader(io.StringIO(file.get_data(as_text=True))))
    assert [row["number"] or "Draft" for row in rows] == numbers(page.page)
    assert rows[1]["customer"] == "'=cmd|calc"
    assert rows[0]["refund"] == "46.10"  # less the postage
    assert rows[0]["currency"] == "EUR"


def test_a_list_is_saved_shown_as_a_tab_renamed_and_deleted(world: World, client: Any) -> None:
    world.requested()
    page = client.get("/admin/returns?state=requested&sort=due")
    saved = client.submit(page, {"name": "Mine to decide"}, button="Save list", follow_redirects=True)
    assert saved.page.links()["Mine to decide 1"] == "/admin/returns?state=requested&sort=due"
    renamed = client.submit(saved, {"name": "To decide"}, button="Rename list", follow_redirects=True)
    assert "To decide 1" in renamed.page.links()
    gone = client.submit(renamed, {}, button="Delete list", follow_redirects=True)
    assert "To decide 1" not in gone.page.links()


def test_a_private_list_is_nobody_elses_and_a_shared_one_is_looked_at_only(
    app: Flask, world: World, client: Any
) -> None:
    page = client.get("/admin/returns?state=requested")
    client.submit(page, {"name": "Private"}, button="Save list")
    client.submit(page, {"name": "Shared", "shared": "1"}, button="Save list")
    other, stranger = world.signed_in("csr"), world.signed_in("admin", merchants=(world.other,))
    tabs = other.get("/admin/returns").page.links()
    assert "Shared 0" in tabs
    assert "Private 0" not in tabs
    with app.app_context():
        from portal.db.base import db
        from portal.db.views import SavedView

        ids = {row.name: row.id for row in db.session.query(SavedView)}
    assert other.get(f"/admin/views/{ids['Private']}").status_code == 404
    assert other.get(f"/admin/views/{ids['Shared']}").status_code == 303
    assert other.post(f"/admin/views/{ids['Shared']}/delete").status_code == 404
    assert stranger.get(f"/admin/views/{ids['Shared']}").status_code == 404


def test_only_who_may_share_shares(app: Flask, world: World) -> None:
    from portal.core.access import NotAllowed

    with app.app_context(), pytest.raises(NotAllowed):
        views.save(world.actor("csr"), name="Ours", merchant_id=world.own, shared=True, query={}, now=now())


def test_a_tag_is_put_on_found_by_taken_off_and_put_on_again(world: World, client: Any) -> None:
    return_id = world.requested()
    page = client.get(f"/admin/returns/{return_id}")
    tagged = client.submit(page, {"tag": "  VIP   customer "}, button="Add tag", follow_redirects=True)
    assert len(numbers(client.get("/admin/returns?tag=vip+customer").page)) == 1
    off = client.submit(tagged, {}, button="vip customer", follow_redirects=True)
    assert numbers(client.get("/admin/returns?tag=vip+customer").page) == []
    client.submit(off, {}, button="Undo: put “vip customer” on again")
    assert len(numbers(client.get("/admin/returns?tag=vip+customer").page)) == 1
    assert "Tag put on: vip customer" in client.get(f"/admin/returns/{return_id}").page.text


def test_a_return_is_taken_and_found_among_mine(world: World, client: Any) -> None:
    return_id = world.requested()
    world.requested()
    page = client.get(f"/admin/returns/{return_id}")
    taken = client.submit(page, {}, button="I look after it", follow_redirects=True)
    assert "Demo supervisor looks after it" in taken.page.text
    assert numbers(client.get("/admin/returns?assignee=me").page) == [
        world.dossier(return_id).page.draft.number
    ]
    assert len(numbers(client.get("/admin/returns?assignee=nobody").page)) == 1


def test_who_does_not_work_there_is_given_nothing(app: Flask, world: World) -> None:
    from portal.core.access import Conflict, NotAllowed, NotFound

    return_id = world.requested()
    with app.app_context():
        stranger = world.actor("csr", world.other)
        with pytest.raises(Conflict, match="assignee_unknown"):
            assigning.assign(world.actor("csr"), return_id, stranger.id, now=now())
        with pytest.raises(NotFound):
            tags.add(stranger, return_id, "vip", now=now())
        with pytest.raises(NotAllowed):
            tags.add(world.actor("warehouse"), return_id, "vip", now=now())


def test_a_customers_page_counts_what_was_bought_and_what_came_back(world: World, client: Any) -> None:
    return_id = world.received({"SHIRT": 1, "MUG": 1})
    page = client.get(f"/admin/customers/{return_id}").page
    facts = " ".join("".join(page.by_id("facts").itertext()).split())
    assert "Units bought4" in facts.replace(" ", "").replace("Unitsbought", "Units bought"), facts
    assert "2 · 50%" in facts, facts
    assert len(numbers(page)) == 1
    stranger = world.signed_in("admin", merchants=(world.other,))
    assert stranger.get(f"/admin/customers/{return_id}").status_code == 404


def test_who_sees_no_money_sees_a_customer_without_it(world: World) -> None:
    return_id = world.received()
    page = world.signed_in("warehouse").get(f"/admin/customers/{return_id}").page
    assert "€" not in page.text

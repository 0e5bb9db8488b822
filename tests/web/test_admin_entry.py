"""The entry of a return on one screen: found by what the customer says, saved at each change, ended on the page."""

import io
import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from PIL import Image

from portal.core.policy.terms import Terms
from portal.core.workflows import Rule, Rules
from portal.services.handling import deciding
from portal.services.rules import workflows
from portal.web.admin import entry as entry_pages
from portal.web.admin import orders as order_pages
from portal.web.admin import workspace as workspace_pages
from tests.builders import an_item
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def begun(client: Any, order: Any, *, channel: str = "phone", **more: Any) -> UUID:
    """A draft for the order, found by its number."""
    page = client.get("/admin/returns/new")
    answer = client.submit(page, {"channel": channel, "q": order.number} | more, button="Find")
    assert answer.status_code == 303, answer.page.text
    return UUID(answer.location.split("/")[3])


def screen(client: Any, return_id: UUID, at: str = "") -> Any:
    return client.get(f"/admin/returns/{return_id}/prepare", query_string={"at": at} if at else {})


def take(client: Any, return_id: UUID, order: Any, units: dict[str, int], **more: Any) -> Any:
    ids = {line.sku: line.id for line in order.items}
    wanted = {f"units-{ids[sku]}": str(count) for sku, count in units.items()}
    page = screen(client, return_id)
    return client.submit(page, wanted, action="/prepare/lines", button="Save items", **more)


def answer(client: Any, world: World, return_id: UUID, sku: str = "SHIRT", reason: str = "too_small") -> Any:
    line_id = world.lines(return_id)[sku].id
    given = {f"reason-{line_id}": reason, f"condition-{line_id}": "unopened"}
    return client.submit(screen(client, return_id), given, action="/prepare/survey", button="Save answers")


# ----------------------------------------------------------------------------------------------- finding


def test_an_order_found_without_doubt_becomes_a_draft_with_all_that_it_tells(
    world: World, client: Any
) -> None:
    order = world.order(language="fr")
    return_id = begun(client, order)
    draft = world.dossier(return_id).page.draft
    assert (draft.order_id, draft.channel, draft.kind, draft.language) == (order.id, "phone", "return", "fr")
    assert draft.email == order.email
    assert draft.address is not None
    assert draft.address.postcode == "20359"


def test_how_the_customer_asked_is_mandatory_and_not_chosen_beforehand(world: World, client: Any) -> None:
    order = world.order()
    page = client.get("/admin/returns/new")
    values, names = page.page.fields(page.page.form(button="Go on without an order"))
    assert "channel" in names
    assert "channel" not in values
    answered = client.submit(page, {"q": order.number}, button="Find")
    assert answered.status_code == 422
    assert "Choose how the customer asked" in answered.page.text
    assert f'value="{order.number}"' in answered.get_data(as_text=True)


def test_what_fits_several_orders_is_shown_and_nothing_is_begun(world: World, client: Any) -> None:
    first, second = world.order(), world.order()
    page = client.get("/admin/returns/new")
    answered = client.submit(page, {"channel": "chat", "q": first.email}, button="Find")
    assert answered.status_code == 200
    assert "2 orders found" in answered.page.text
    assert 'id="hit-1" autofocus' in answered.get_data(as_text=True)
    taken = client.submit(answered, {"channel": "chat"}, button=f"{second.number}")
    assert world.dossier(UUID(taken.location.split("/")[3])).page.draft.order_id == second.id


def test_hits_come_alone_while_it_is_typed(world: World, client: Any) -> None:
    order = world.order()
    found = client.get("/admin/returns/new", query_string={"q": order.email}, htmx="hits")
    assert not found.page.whole
    assert order.number in found.page.text


def test_more_orders_than_are_shown_are_not_taken_for_all(
    world: World, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "Only 1 of the orders that fit are shown. Type more to find the others."
    for shown in (entry_pages, order_pages, workspace_pages):
        monkeypatch.setattr(shown, "SHOWN", 1)
    order = world.order()
    there = f"/admin/returns/{world.draft(order)}/prepare"
    pages = (("/admin/returns/new", "hits"), ("/admin/orders", "rows"), (there, "orders"))
    for address, part in pages:
        assert told not in client.get(address, query_string={"q": order.email}, htmx=part).page.text
    world.order()
    for address, part in pages:
        assert told in client.get(address, query_string={"q": order.email}, htmx=part).page.text


def test_nothing_that_fits_says_what_else_to_try(client: Any) -> None:
    found = client.get("/admin/returns/new", query_string={"q": "nobody here"}, htmx="hits")
    assert "Nothing fits “nobody here”" in found.page.text


def test_an_empty_question_is_told_at_its_field(client: Any) -> None:
    page = client.get("/admin/returns/new")
    told = client.submit(page, {"channel": "phone"}, button="Find")
    assert told.status_code == 422
    assert "Type something that the customer can say" in told.page.text


def test_a_strangers_order_is_not_found(world: World, client: Any) -> None:
    order = world.order(world.other)
    assert client.get("/admin/returns/new", query_string={"order": order.id}).status_code == 404
    page = client.get("/admin/returns/new")
    told = client.submit(page, {"channel": "phone", "q": order.number}, button="Find")
    assert "Nothing fits" in told.page.text
    posted = client.post(
        "/admin/returns/new", data={"channel": "phone", "kind": "return", "order_id": order.id}
    )
    assert posted.status_code == 404


def test_who_may_not_create_returns_has_no_such_page(world: World) -> None:
    client = world.signed_in("finance")
    assert client.get("/admin/returns/new").status_code == 403


def test_with_several_shops_the_order_tells_the_shop(world: World) -> None:
    client = world.signed_in("csr", merchants=(world.own, world.other))
    order = world.order(world.other)
    return_id = begun(client, order)
    assert world.dossier(return_id, world.other).page.draft.merchant_id == world.other


def test_with_several_shops_and_no_order_the_shop_is_asked(world: World) -> None:
    client = world.signed_in("csr", merchants=(world.own, world.other))
    page = client.get("/admin/returns/new")
    told = client.submit(page, {"channel": "phone"}, button="Go on without an order")
    assert told.status_code == 422
    assert "Choose the shop" in told.page.text
    made = client.submit(told, {"merchant": str(world.other)}, button="Go on without an order")
    assert made.status_code == 303


def test_the_same_form_sent_twice_makes_one_draft(world: World, client: Any) -> None:
    order = world.order()
    page = client.get("/admin/returns/new")
    given = {"channel": "phone", "q": order.number}
    assert (
        client.submit(page, given, button="Find").location
        == client.submit(page, given, button="Find").location
    )


def test_the_moment_the_page_was_opened_is_kept(world: World, client: Any) -> None:
    from portal.db.base import db
    from portal.db.returns import Return

    order = world.order()
    page = client.get("/admin/returns/new")
    values, _ = page.page.fields(page.page.form(button="Find"))
    made = client.submit(page, {"channel": "phone", "q": order.number}, button="Find")
    with world.app.app_context():
        row = db.session.get(Return, UUID(made.location.split("/")[3]))
        assert row is not None
        assert row.begun_at is not None
        assert int(row.begun_at.timestamp()) == int(values["begun"])


def test_own_open_drafts_wait_on_the_page_and_those_of_others_do_not(world: World, client: Any) -> None:
    return_id = begun(client, world.order())
    assert f"/admin/returns/{return_id}/prepare" in str(client.get("/admin/returns/new").page.links())
    other = world.signed_in("supervisor")
    assert str(return_id) not in other.get("/admin/returns/new").get_data(as_text=True)


# ------------------------------------------------------------------------------------------------- the screen


def test_everything_stands_on_one_page(world: World, client: Any) -> None:
    return_id = begun(client, world.order())
    page = screen(client, return_id).page
    for part in ("heading", "lines", "survey", "contact", "parcel", "panel", "script"):
        assert page.has_id(part)
    assert "Saved" in page.text
    assert "What would you like to send back?" in page.text


def test_a_change_of_items_brings_everything_that_follows_from_it(world: World, client: Any) -> None:
    order = world.order()
    return_id = begun(client, order)
    changed = take(client, return_id, order, {"MUG": 1}, htmx="lines")
    swapped = client.get(changed.location, htmx="lines")
    body = swapped.get_data(as_text=True)
    assert not swapped.page.whole
    for part in ("heading", "survey", "ways", "panel", "script"):
        assert re.search(rf'id="{part}" hx-swap-oob="true"', body)


def test_the_way_that_costs_the_customer_nothing_is_chosen_and_follows_the_items(app: Flask) -> None:
    world = a_world(app, Terms(return_postage="merchant"))
    client = world.signed_in("csr")
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    sending = world.dossier(return_id).page.draft.sending
    assert sending is not None
    assert sending.pays == "merchant"
    known = [f"house.parcel.{method}" for method in ("print_at_home", "qr_dropoff")]
    other = next(rate for rate in known if rate != sending.rate_id)
    client.submit(
        screen(client, return_id), {"rate": other}, action="/prepare/sending", button="Save way of sending"
    )
    take(client, return_id, order, {"MUG": 1})
    again = world.dossier(return_id).page.draft.sending
    assert again is not None
    assert again.rate_id == other


def rate_of(answered: Any, name: str) -> str:
    """The rate of the first way of that name."""
    for label in answered.page.by_id("ways").iter("label"):
        if name in "".join(label.itertext()):
            return str(next(label.iter("input")).get("value"))
    raise AssertionError(f"there is no way called {name}")


def test_what_is_deducted_is_never_chosen_for_the_customer(app: Flask) -> None:
    world = a_world(app, Terms(return_postage="customer_remorse"))
    client = world.signed_in("csr")
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    answer(client, world, return_id, reason="arrived_late")
    sending = world.dossier(return_id).page.draft.sending
    assert sending is not None
    assert (sending.pays, sending.amount > 0) == ("merchant", True)
    answer(client, world, return_id, reason="changed_mind")
    assert world.dossier(return_id).page.draft.sending is None
    assert "Way of sending" in screen(client, return_id).page.by_id("left-text").text
    rate = rate_of(screen(client, return_id), "Print a label")
    client.submit(
        screen(client, return_id), {"rate": rate}, action="/prepare/sending", button="Save way of sending"
    )
    chosen = world.dossier(return_id).page.draft.sending
    assert chosen is not None
    assert chosen.pays == "deduct"
    answer(client, world, return_id, reason="too_small")
    kept = world.dossier(return_id).page.draft.sending
    assert kept is not None
    assert (kept.rate_id, kept.pays) == (rate, "deduct")


def test_a_pick_up_is_chosen_with_its_time(app: Flask) -> None:
    world = a_world(app, Terms(return_postage="merchant"))
    client = world.signed_in("csr")
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    assert world.dossier(return_id).page.draft.sending is not None
    pickup = rate_of(screen(client, return_id), "Pick-up at home")
    there = f"/admin/returns/{return_id}/prepare/sending"
    asked = client.post(there, data={"rate": pickup}, htmx="ways")
    assert asked.status_code == 200
    assert "There is a problem" not in asked.page.text
    assert re.search(rf'value="{re.escape(pickup)}" checked', asked.get_data(as_text=True))
    assert world.dossier(return_id).page.draft.sending is None
    told = client.submit(
        screen(client, return_id), {"rate": pickup}, action="/prepare/sending", button="Save way of sending"
    )
    assert told.status_code == 422
    assert "Choose when the driver shall come." in told.page.text
    slot = next(
        option.get("value")
        for field in told.page.by_id("ways").iter("select")
        if field.get("name") == f"slot-{pickup}"
        for option in field.iter("option")
        if option.get("value")
    )
    given = {"rate": pickup, f"slot-{pickup}": slot}
    saved = client.submit(told, given, action="/prepare/sending", button="Save way of sending")
    assert saved.status_code == 303
    found = world.dossier(return_id).page.draft.sending
    assert found is not None
    assert found.slot_id == slot


def test_the_next_open_question_is_known_at_every_moment(world: World, client: Any) -> None:
    order = world.order()
    return_id = begun(client, order)
    shirt = {line.sku: line.id for line in order.items}["SHIRT"]
    assert f'id="add-{shirt}"' in screen(client, return_id, "next").get_data(as_text=True)
    assert focused(screen(client, return_id, "next")) == f"add-{shirt}"
    take(client, return_id, order, {"SHIRT": 1})
    line_id = world.lines(return_id)["SHIRT"].id
    assert focused(screen(client, return_id, "next")) == f"reason-{line_id}"
    answer(client, world, return_id)
    assert focused(screen(client, return_id, "next")) in ("authorize", "rate-1")


def focused(answered: Any) -> str:
    (field,) = re.findall(r'<[^>]*\bid="([^"]+)"[^>]*\sautofocus', answered.get_data(as_text=True))
    return str(field)


def test_the_language_of_a_customer_stays_when_something_else_of_the_contact_is_saved(
    world: World, client: Any
) -> None:
    """Channels tell de-DE; what the page offers is de."""
    return_id = begun(client, world.order(language="de-DE"))
    client.submit(screen(client, return_id), {"contact-phone": "0401234"}, button="Save contact")
    draft = world.dossier(return_id).page.draft
    assert (draft.phone, draft.language) == ("0401234", "de")


def test_contact_is_kept_as_far_as_it_is_known_and_a_wrong_address_is_told_at_its_field(
    world: World, client: Any
) -> None:
    made = client.submit(
        client.get("/admin/returns/new"), {"channel": "in_person"}, button="Go on without an order"
    )
    return_id = UUID(made.location.split("/")[3])
    client.submit(screen(client, return_id), {"contact-name": "Demo Person"}, button="Save contact")
    assert world.dossier(return_id).page.draft.name == "Demo Person"
    told = client.submit(screen(client, return_id), {"contact-email": "nobody"}, button="Save contact")
    assert told.status_code == 422
    assert "such as name@example.com" in told.page.text
    assert 'value="nobody"' in told.get_data(as_text=True)


def test_a_wrong_postcode_is_told_at_its_field_and_the_old_address_counts_no_more(
    world: World, client: Any
) -> None:
    return_id = begun(client, world.order())
    told = client.submit(
        screen(client, return_id), {"postcode": "123"}, action="/prepare/address", button="Save address"
    )
    assert told.status_code == 422
    assert "postcode" in told.page.text
    assert "address" not in world.dossier(return_id).page.draft.answered
    client.submit(screen(client, return_id), action="/prepare/address", button="Save address")
    assert "address" in world.dossier(return_id).page.draft.answered


def test_an_address_that_is_being_typed_is_not_called_wrong_before_it_is_saved(
    world: World, client: Any
) -> None:
    return_id = begun(client, world.order())
    page = screen(client, return_id)
    values, _names = page.page.fields(page.page.form("/prepare/address"))
    there = {name: value for name, value in values.items() if name != "save"}
    left = client.post(
        f"/admin/returns/{return_id}/prepare/address", data=there | {"city": ""}, htmx="address"
    )
    assert left.status_code == 200
    assert "There is a problem" not in left.page.text
    assert left.page.by_id("street").text.strip() == "Beispielweg 12"
    assert "address" not in world.dossier(return_id).page.draft.answered
    told = client.post(
        f"/admin/returns/{return_id}/prepare/address", data=there | {"city": "", "save": "1"}, htmx="address"
    )
    assert told.status_code == 422
    assert "There is a problem" in told.page.text


def test_an_address_that_is_open_can_be_saved_as_it_stands(world: World, client: Any) -> None:
    """With scripts too, where nothing that changes would send it."""
    return_id = begun(client, world.order())
    saved = screen(client, return_id).page.by_id("address")
    assert [one.get("class") for one in saved.iter("div") if one.get("class") == "no-script"] == ["no-script"]
    page = client.submit(
        screen(client, return_id), {"country": "AT"}, action="/prepare/address", button="Use country"
    )
    opened = page.page.by_id("address")
    assert [one for one in opened.iter("div") if one.get("class") == "no-script"] == []
    assert "Save address" in "".join(opened.itertext())


def test_another_country_asks_other_fields_and_judges_nothing(world: World, client: Any) -> None:
    return_id = begun(client, world.order())
    page = client.submit(
        screen(client, return_id), {"country": "US"}, action="/prepare/address", button="Use country"
    )
    assert page.status_code == 200
    assert page.page.has_id("region")


def test_other_orders_and_earlier_returns_of_the_customer_stand_beside_it(world: World, client: Any) -> None:
    earlier = world.confirmed()
    number = world.dossier(earlier).page.draft.number
    order = world.order()
    other = world.order()
    page = screen(client, begun(client, order)).page
    assert other.number in page.text
    assert number is not None
    assert number in page.text


# --------------------------------------------------------------------------------------------------- the end


def finished(client: Any, world: World) -> tuple[UUID, Any]:
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    answer(client, world, return_id)
    page = screen(client, return_id)
    if world.dossier(return_id).page.draft.sending is None:
        rate = next(node.get("value") for node in page.page.tree.iter("input") if node.get("name") == "rate")
        client.submit(page, {"rate": rate}, action="/prepare/sending", button="Save way of sending")
    return return_id, client.submit(screen(client, return_id), button="Authorize return")


def test_the_number_stands_on_the_page_at_once_to_read_aloud(world: World, client: Any, drain: Any) -> None:
    return_id, ended = finished(client, world)
    assert ended.location == f"/admin/returns/{return_id}/entered"
    page = client.get(ended.location).page
    number = world.dossier(return_id).page.draft.number
    assert number is not None
    assert f"Read this number to the customer: {number}" in page.text
    assert "Romeo" in page.text
    assert "goes out as soon as the label is made" in page.text
    drain()
    page = client.get(ended.location).page
    assert "Receipt with label by e-mail" in page.text
    assert page.link("Next new return") == "/admin/returns/new"


@pytest.mark.parametrize("channel", ["phone", "email", "chat", "in_person"])
def test_the_channel_is_kept_and_what_is_written_has_the_number_as_it_is(
    world: World, client: Any, channel: str
) -> None:
    order = world.order()
    return_id = begun(client, order, channel=channel)
    take(client, return_id, order, {"SHIRT": 1})
    answer(client, world, return_id, reason="defective")
    page = screen(client, return_id)
    photo = (io.BytesIO(a_picture()), "shirt.png")
    client.submit(page, {"photos": photo}, button="Add photos")
    if world.dossier(return_id).page.draft.sending is None:
        page = screen(client, return_id)
        rate = next(node.get("value") for node in page.page.tree.iter("input") if node.get("name") == "rate")
        client.submit(page, {"rate": rate}, action="/prepare/sending", button="Save way of sending")
    ended = client.submit(screen(client, return_id), button="Authorize return")
    draft = world.dossier(return_id).page.draft
    assert (draft.channel, len(draft.lines[0].photos)) == (channel, 1)
    said = client.get(ended.location).page.text
    assert (f"Your return number is {draft.number}." in said) is (channel in ("email", "chat"))


def a_picture() -> bytes:
    kept = io.BytesIO()
    Image.new("RGB", (40, 30), "navy").save(kept, "PNG")
    return kept.getvalue()


def test_the_state_of_the_receipt_comes_alone(world: World, client: Any) -> None:
    _, ended = finished(client, world)
    part = client.get(ended.location, htmx="sent")
    assert not part.page.whole
    assert 'hx-trigger="load delay:1500ms"' in part.get_data(as_text=True)
    assert "HX-Push-Url" not in part.headers
    assert client.get(ended.location, htmx="entry").headers["HX-Push-Url"] == ended.location


def test_a_return_that_was_refused_or_is_on_its_way_is_no_entry_that_has_just_ended(
    world: World, client: Any
) -> None:
    declined, received = world.requested(), world.received()
    with world.app.app_context():
        deciding.decline(world.actor("supervisor"), declined, reason="other", message="No.", now=now())
    for one in (declined, received):
        assert client.get(f"/admin/returns/{one}/entered").location == f"/admin/returns/{one}"


def test_the_rest_is_handed_over_as_a_link_on_the_same_page(world: World, client: Any) -> None:
    return_id = begun(client, world.order())
    made = client.submit(screen(client, return_id), {"note": "As we said."}, button="Send link")
    assert made.location == f"/admin/returns/{return_id}/entered"
    page = client.get(made.location)
    assert "The rest is with Demo Customer" in page.page.text
    assert "/l/" in page.get_data(as_text=True)
    assert "<svg" in page.get_data(as_text=True)
    assert [mail.event for mail in world.dossier(return_id).mails] == ["link"]


def test_an_unfinished_draft_has_no_end_to_show(world: World, client: Any) -> None:
    return_id = begun(client, world.order())
    there = client.get(f"/admin/returns/{return_id}/entered")
    assert there.location == f"/admin/returns/{return_id}/prepare"


def test_a_strangers_entry_is_not_found(world: World, client: Any) -> None:
    return_id = world.draft(merchant_id=world.other)
    for page in ("prepare", "entered"):
        assert client.get(f"/admin/returns/{return_id}/{page}").status_code == 404
    for part in ("lines", "survey", "customer", "address", "sending", "order", "confirmation"):
        client.get("/admin/")
        assert client.post(f"/admin/returns/{return_id}/prepare/{part}", data={}).status_code == 404


# ------------------------------------------------------------------------------- what stands against it


def refused(world: World, client: Any) -> UUID:
    """A draft of an item on final sale that nothing is wrong with, answered in full."""
    order = world.order(items=(an_item("SHIRT", 1, "50.00", final_sale=True), an_item("MUG", 3, "10.00")))
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    answer(client, world, return_id)
    page = screen(client, return_id)
    rate = next(node.get("value") for node in page.page.tree.iter("input") if node.get("name") == "rate")
    client.submit(page, {"rate": rate}, action="/prepare/sending", button="Save way of sending")
    return return_id


def test_what_the_policy_refuses_is_offered_as_that_and_never_the_next_question(
    world: World, client: Any
) -> None:
    order = world.order(days_ago=900)
    return_id = begun(client, order)
    page = screen(client, return_id, "next")
    assert "Add all the same" in page.page.text
    assert "autofocus" not in page.get_data(as_text=True)
    added = take(client, return_id, order, {"MUG": 2})
    assert added.status_code == 303
    assert world.lines(return_id)["MUG"].units == 2
    assert "The policy refuses this." in screen(client, return_id).page.text
    more = take(client, return_id, order, {"MUG": 4})
    assert more.status_code == 422


def test_an_agent_sees_that_a_supervisor_is_needed_and_asks_one(world: World, client: Any) -> None:
    return_id = refused(world, client)
    page = screen(client, return_id)
    assert "The policy refuses this." in page.page.text
    assert "a supervisor decides" in page.page.text
    assert "I have to ask a colleague about this first." in page.page.text
    told = client.submit(page, button="Enter and ask a supervisor")
    assert told.status_code == 422
    assert "Say why it is taken back although the policy refuses it." in told.page.text
    assert world.state(return_id) == "draft"
    asked = client.submit(told, {"despite": "It was a present."}, button="Enter and ask a supervisor")
    assert asked.location == f"/admin/returns/{return_id}/entered"
    assert world.state(return_id) == "requested"
    page = client.get(asked.location).page
    assert "Entered, and waiting for a decision" in page.text
    assert world.dossier(return_id).page.draft.number in page.text
    seen = world.signed_in("supervisor").get(f"/admin/returns/{return_id}")
    assert "It was a present." in seen.page.text


def test_a_supervisor_authorizes_it_with_a_reason_that_stands_in_the_history(world: World) -> None:
    client = world.signed_in("supervisor")
    return_id = refused(world, client)
    page = screen(client, return_id)
    assert "You may set it aside." in page.page.text
    client.submit(page, {"despite": "A loyal customer."}, button="Authorize all the same")
    assert world.state(return_id) == "approved"
    seen = client.get(f"/admin/returns/{return_id}")
    assert "The policy was set aside: A loyal customer." in seen.page.text


def publish(world: World, rule: Rule) -> None:
    """From now on this rule decides."""
    with world.app.app_context():
        boss = world.actor("admin")
        revision = workflows.of_merchant(boss, world.own).draft.revision
        workflows.write(boss, world.own, lambda _: Rules(rules=(rule,)), revision=revision, now=now())
        revision = workflows.of_merchant(boss, world.own).draft.revision
        workflows.publish(boss, world.own, revision=revision, now=now())


def test_nobody_is_promised_a_label_for_goods_that_stay(world: World, client: Any) -> None:
    publish(world, Rule(id="keep", name="Keep it", outcome="refund_without_return", reasons=("too_small",)))
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    assert "Does the parcel come from" in screen(client, return_id).page.text
    answer(client, world, return_id)
    said = "We give you €50.00 back. You keep your items and send nothing."
    page = screen(client, return_id)
    assert said in page.page.text
    assert "Does the parcel come from" not in page.page.text
    shown = client.get(client.submit(page, button="Authorize return").location).page.by_id("entry")
    ended = " ".join("".join(shown.itertext()).split())
    assert said in ended
    assert "nothing is sent." in ended
    for wrong in ("abel", "warehouse", "As soon as we have it"):
        assert wrong not in ended


def test_a_photo_that_a_rule_asks_for_can_be_added_whatever_the_reason(world: World, client: Any) -> None:
    publish(world, Rule(id="look", name="Let me see", outcome="ask_photos", reasons=("too_small",)))
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    answer(client, world, return_id)
    line_id = world.lines(return_id)["SHIRT"].id
    page = screen(client, return_id, "next")
    assert focused(page) == f"photos-{line_id}"
    client.submit(page, {"photos": (io.BytesIO(a_picture()), "shirt.png")}, button="Add photos")
    assert len(world.lines(return_id)["SHIRT"].photos) == 1
    assert focused(screen(client, return_id, "next")) in ("authorize", "rate-1")


def test_a_rule_that_wants_an_exchange_first_is_named_and_the_wish_is_kept(world: World, client: Any) -> None:
    publish(world, Rule(id="size", name="Another size", outcome="exchange_first", reasons=("too_small",)))
    order = world.order()
    return_id = begun(client, order)
    take(client, return_id, order, {"SHIRT": 1})
    assert "Another size" not in screen(client, return_id).page.text
    answer(client, world, return_id)
    page = screen(client, return_id)
    assert "Another size" in page.page.text
    assert "Would you rather have an exchange, or your money back?" in page.page.text
    if world.dossier(return_id).page.draft.sending is None:
        rate = next(node.get("value") for node in page.page.tree.iter("input") if node.get("name") == "rate")
        client.submit(page, {"rate": rate}, action="/prepare/sending", button="Save way of sending")
    client.submit(screen(client, return_id), {"wish": "exchange"}, button="Authorize return")
    found = world.dossier(return_id).page
    assert found.draft.kind == "exchange"
    assert found.decision is not None
    assert (found.decision.rule, found.decision.wish) == ("Another size", "exchange")


def test_history_and_return_rate_of_the_customer_stand_beside_it_and_follow_the_address(
    world: World, client: Any
) -> None:
    world.confirmed()
    order = world.order()
    page = screen(client, begun(client, order)).page
    facts = " ".join("".join(page.by_id("facts").itertext()).split())
    assert "Units bought8" in facts
    assert "Units returned1 · 12.5%" in facts
    made = client.submit(
        client.get("/admin/returns/new"), {"channel": "chat"}, button="Go on without an order"
    )
    unknown = UUID(made.location.split("/")[3])
    assert "No other order and no earlier return is known." in screen(client, unknown).page.text
    given = {"contact-name": "Demo Customer", "contact-email": order.email}
    changed = client.submit(screen(client, unknown), given, button="Save contact", htmx="contact")
    swapped = client.get(changed.location, htmx="contact").get_data(as_text=True)
    assert 'id="past" hx-swap-oob="true"' in swapped
    assert order.number in swapped


def test_an_order_of_the_customers_past_is_used_with_one_press(world: World, client: Any) -> None:
    order = world.order()
    made = client.submit(
        client.get("/admin/returns/new"), {"channel": "chat"}, button="Go on without an order"
    )
    return_id = UUID(made.location.split("/")[3])
    given = {"contact-name": "Demo Customer", "contact-email": order.email}
    client.submit(screen(client, return_id), given, button="Save contact")
    client.submit(screen(client, return_id), button=f"Use order {order.number}")
    assert world.dossier(return_id).page.draft.order_id == order.id


@pytest.mark.parametrize("forged", ["²", "٣", "9" * 30, "9" * 5000, "-1", "1.0"])
def test_a_number_that_no_page_of_ours_writes_is_none(world: World, client: Any, forged: str) -> None:
    order = world.order()
    return_id = begun(client, order, begun=forged)
    there = client.get(f"/admin/returns/{return_id}/prepare", query_string={"seen": forged}, htmx="heading")
    assert there.status_code == 200
    shirt = {line.sku: line.id for line in order.items}["SHIRT"]
    given = {f"units-{shirt}": "1", f"was-{shirt}": "3", "seen": forged}
    assert client.post(f"/admin/returns/{return_id}/prepare/lines", data=given).status_code == 303
    client.get("/admin/")
    late = client.post(f"/admin/returns/{world.requested()}/authorization", data={"version": forged})
    assert late.status_code == 303

"""Two people in one draft: what one changed stays when the other saves, and what both changed is refused with both."""

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.web.admin_world import World, a_world
from tests.web.test_admin_entry import begun, screen, take

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

BOTH = "Somebody changed this meanwhile"


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def first(world: World) -> Any:
    return world.signed_in("csr")


@pytest.fixture
def second(world: World) -> Any:
    return world.signed_in("supervisor")


@pytest.fixture
def order(world: World) -> Any:
    return world.order()


@pytest.fixture
def draft(first: Any, order: Any) -> UUID:
    """A draft with a shirt, of which nothing is answered yet."""
    return_id = begun(first, order)
    take(first, return_id, order, {"SHIRT": 1})
    return return_id


def survey(client: Any, page: Any, **answers: str) -> Any:
    return client.submit(page, answers, action="/prepare/survey", button="Save answers")


def test_reasons_that_two_give_of_different_things_are_both_kept(
    world: World, draft: UUID, order: Any, first: Any, second: Any
) -> None:
    line_id = world.lines(draft)["SHIRT"].id
    page_of_first, page_of_second = screen(first, draft), screen(second, draft)
    survey(first, page_of_first, **{f"reason-{line_id}": "too_small", f"note-{line_id}": "tight"})
    saved = survey(second, page_of_second, **{f"condition-{line_id}": "unopened"})
    assert saved.status_code == 303
    line = world.lines(draft)["SHIRT"]
    assert (line.reason, line.condition, line.note) == ("too_small", "unopened", "tight")


def test_the_answers_of_an_item_that_came_meanwhile_are_not_emptied(
    world: World, draft: UUID, order: Any, first: Any, second: Any
) -> None:
    line_id = world.lines(draft)["SHIRT"].id
    page_of_first = screen(first, draft)
    take(second, draft, order, {"MUG": 1})
    mug = world.lines(draft)["MUG"].id
    survey(second, screen(second, draft), **{f"note-{mug}": "chipped", f"reason-{mug}": "defective"})
    survey(first, page_of_first, **{f"note-{line_id}": "tight"})
    lines = world.lines(draft)
    assert (lines["MUG"].note, lines["SHIRT"].note) == ("chipped", "tight")


def test_what_both_wrote_is_refused_with_both_and_one_press_sends_mine(
    world: World, draft: UUID, first: Any, second: Any
) -> None:
    line_id = world.lines(draft)["SHIRT"].id
    page_of_second = screen(second, draft)
    survey(first, screen(first, draft), **{f"note-{line_id}": "first\nwords"})
    refused = survey(
        second, page_of_second, **{f"note-{line_id}": "second words", f"reason-{line_id}": "defective"}
    )
    assert refused.status_code == 409
    assert BOTH in refused.page.text
    for told in ("first words", "second words", "Note"):
        assert told in refused.page.text
    line = world.lines(draft)["SHIRT"]
    assert (line.note.split(), line.reason) == (["first", "words"], None)
    assert second.submit(refused, button="Send mine all the same").status_code == 303
    line = world.lines(draft)["SHIRT"]
    assert (line.note, line.reason) == ("second words", "defective")


def test_sent_again_it_still_keeps_what_only_the_other_changed(
    world: World, draft: UUID, first: Any, second: Any
) -> None:
    line_id = world.lines(draft)["SHIRT"].id
    page_of_second = screen(second, draft)
    survey(first, screen(first, draft), **{f"note-{line_id}": "first", f"condition-{line_id}": "used"})
    refused = survey(second, page_of_second, **{f"note-{line_id}": "second"})
    second.submit(refused, button="Send mine all the same")
    line = world.lines(draft)["SHIRT"]
    assert (line.note, line.condition) == ("second", "used")


def test_units_that_both_changed_are_refused_and_others_are_not(
    world: World, draft: UUID, order: Any, first: Any, second: Any
) -> None:
    ids = {line.sku: line.id for line in order.items}
    page_of_second = screen(second, draft)
    take(first, draft, order, {"MUG": 2})
    refused = second.submit(
        page_of_second, {f"units-{ids['MUG']}": "1"}, action="/prepare/lines", button="Save items"
    )
    assert refused.status_code == 409
    assert "Units of Demo mug" in refused.page.text
    assert world.lines(draft)["MUG"].units == 2
    second.submit(
        page_of_second, {f"units-{ids['SHIRT']}": "0"}, action="/prepare/lines", button="Save items"
    )
    assert {sku: line.units for sku, line in world.lines(draft).items()} == {"MUG": 2}


def test_products_that_were_typed_in_are_treated_alike(world: World, first: Any, second: Any) -> None:
    begun = first.submit(
        first.get("/admin/returns/new"), {"channel": "phone"}, button="Go on without an order"
    )
    draft = UUID(begun.location.split("/")[3])

    def typed(client: Any, page: Any, *rows: tuple[str, str]) -> Any:
        given = {"name": [name for name, _ in rows], "units": [units for _, units in rows]}
        return client.submit(page, given, action="/prepare/lines", button="Save items")

    typed(first, screen(first, draft), ("Demo lamp", "1"))
    page_of_second = screen(second, draft)
    typed(first, screen(first, draft), ("Demo lamp", "2"), ("", ""))
    typed(second, page_of_second, ("Demo lamp", "1"), ("Demo bowl", "1"))
    (lamp, bowl) = world.dossier(draft).page.draft.lines
    assert (lamp.name, lamp.units, bowl.name, bowl.units) == ("Demo lamp", 2, "Demo bowl", 1)
    refused = typed(second, page_of_second, ("Demo lamp", "3"), ("", ""))
    assert refused.status_code == 409
    assert "3 × Demo lamp" in refused.page.text
    assert "2 × Demo lamp" in refused.page.text


def test_contact_keeps_what_each_changed_and_refuses_what_both_did(
    world: World, draft: UUID, first: Any, second: Any
) -> None:
    def contact(client: Any, page: Any, **given: str) -> Any:
        fields = {f"contact-{name}": value for name, value in given.items()}
        return client.submit(page, fields, action="/prepare/customer", button="Save contact")

    page_of_second = screen(second, draft)
    contact(first, screen(first, draft), phone="0401234", language="fr")
    assert contact(second, page_of_second, name="Demo Other").status_code == 303
    found = world.dossier(draft).page.draft
    assert (found.phone, found.name, found.language) == ("0401234", "Demo Other", "fr")
    refused = contact(second, page_of_second, phone="0409999", language="en")
    assert refused.status_code == 409
    assert "0401234" in refused.page.text and "0409999" in refused.page.text
    assert world.dossier(draft).page.draft.phone == "0401234"


def test_an_address_is_never_half_of_one_and_half_of_another(
    world: World, draft: UUID, first: Any, second: Any
) -> None:
    def address(client: Any, page: Any, **given: str) -> Any:
        return client.submit(page, given, action="/prepare/address", button="Save address")

    page_of_second = screen(second, draft)
    address(first, screen(first, draft), street="Neuweg 1")
    address(second, page_of_second)
    assert world.dossier(draft).page.draft.address.street == ("Neuweg 1",)
    refused = address(second, page_of_second, postcode="20355")
    assert refused.status_code == 409
    found = world.dossier(draft).page.draft.address
    assert (found.street, found.postcode) == (("Neuweg 1",), "20359")
    second.submit(refused, button="Send mine all the same")
    found = world.dossier(draft).page.draft.address
    assert (found.street, found.postcode) == (("Beispielweg 12",), "20355")


def test_a_way_that_both_chose_is_refused(world: World, draft: UUID, first: Any, second: Any) -> None:
    def way(client: Any, page: Any, rate: str) -> Any:
        return client.submit(page, {"rate": rate}, action="/prepare/sending", button="Save way of sending")

    page_of_second = screen(second, draft)
    way(first, screen(first, draft), "house.parcel.print_at_home")
    refused = way(second, page_of_second, "own.own.own_carrier")
    assert refused.status_code == 409
    assert "Print a label" in refused.page.text
    assert world.dossier(draft).page.draft.sending.method == "print_at_home"


def test_an_own_earlier_answer_is_nobody_elses(world: World, draft: UUID, first: Any) -> None:
    """The answer to what was sent first never came: the page still shows what was there before."""
    line_id = world.lines(draft)["SHIRT"].id
    page = screen(first, draft)
    survey(first, page, **{f"note-{line_id}": "first"})
    assert survey(first, page, **{f"note-{line_id}": "second"}).status_code == 303
    assert world.lines(draft)["SHIRT"].note == "second"


def test_the_page_is_shown_what_another_changed_and_nothing_of_its_own(
    world: World, draft: UUID, order: Any, first: Any, second: Any
) -> None:
    def asked() -> Any:
        return first.get(f"/admin/returns/{draft}/prepare", query_string={"seen": seen}, htmx="heading")

    seen = re.search(r'"seen": "(\d+)"', screen(first, draft).get_data(as_text=True))[1]
    assert asked().status_code == 204
    take(second, draft, order, {"MUG": 2})
    answered = asked()
    assert answered.status_code == 200
    for part in ("heading", "lines", "survey", "contact", "ways", "panel"):
        assert f'id="{part}"' in answered.get_data(as_text=True)
    assert "2 of 3 come back" in answered.page.text


def test_a_page_that_has_ended_the_draft_itself_is_not_led_away_and_another_is(
    world: World, draft: UUID, first: Any, second: Any
) -> None:
    def asked(client: Any, seen: str) -> Any:
        return client.get(f"/admin/returns/{draft}/prepare", query_string={"seen": seen}, htmx="heading")

    survey(first, screen(first, draft), **{f"reason-{world.lines(draft)['SHIRT'].id}": "arrived_late"})
    survey(first, screen(first, draft), **{f"condition-{world.lines(draft)['SHIRT'].id}": "unopened"})
    page = screen(first, draft)
    seen = re.search(r'"seen": "(\d+)"', page.get_data(as_text=True))[1]
    first.submit(page, action="/prepare/confirmation", button="Authorize return")
    assert world.state(draft) == "approved"
    assert asked(first, seen).status_code == 204
    assert asked(second, seen).status_code == 303


def test_what_another_changed_meanwhile_is_looked_at_before_it_is_authorized(
    world: World, draft: UUID, order: Any, first: Any, second: Any
) -> None:
    line_id = world.lines(draft)["SHIRT"].id
    survey(
        first,
        screen(first, draft),
        **{f"reason-{line_id}": "arrived_late", f"condition-{line_id}": "unopened"},
    )
    page_of_first = screen(first, draft)
    take(second, draft, order, {"MUG": 3})
    survey(
        second,
        screen(second, draft),
        **{f"reason-{world.lines(draft)['MUG'].id}": "arrived_late"},
        **{f"condition-{world.lines(draft)['MUG'].id}": "unopened"},
    )
    refused = first.submit(page_of_first, button="Authorize return")
    assert refused.status_code == 422
    assert "Someone else has changed this meanwhile. Please look at it again." in refused.page.text
    assert "3 × Demo mug" in refused.page.text
    assert world.state(draft) == "draft"
    assert first.submit(refused, button="Authorize return").status_code == 303
    assert world.state(draft) == "approved"

"""The items page: what may come back and why not, every change saved, never more than is there."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from portal.core.policy.terms import Terms
from tests.web.shops import (
    Prepared,
    Shop,
    add_order,
    draft_of,
    line,
    nothing_changes,
    open_shop,
    prepare,
    walk_in,
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made)
    return made


@pytest.fixture
def prepared(shop: Shop) -> Prepared:
    return prepare(shop)


def units(shop: Shop, prepared: Prepared) -> dict[str, int]:
    return {one.sku: one.units for one in draft_of(shop, prepared).lines}


def test_the_page_shows_what_was_paid_and_until_when_it_may_come_back(
    client: Any, prepared: Prepared
) -> None:
    page = walk_in(client, prepared)
    text = page.page.text
    assert page.request.path == prepared.home + "/items"
    assert "you paid €50.00" in text
    assert "you paid €10.00 each" in text
    assert "Returnable until" in text


def test_what_was_not_sent_stands_apart_and_cannot_be_chosen(client: Any, prepared: Prepared) -> None:
    page = walk_in(client, prepared).page
    assert "Not sent yet" in page.text
    assert not page.has_id(f"units-{prepared.lines['THR']}")


def test_a_part_of_the_order_and_the_whole_order_are_told_apart(client: Any, shop: Shop) -> None:
    add_order(shop, "N-2", (line("ONE", "Felt hat", "20.00"), line("TWO", "Soap", "5.00")))
    prepared = prepare(shop, "N-2")
    page = walk_in(client, prepared)
    some = client.submit(
        page, {f"units-{prepared.lines['ONE']}": "1"}, button="Update", follow_redirects=True
    )
    assert "You return 1 of 2 items." in some.page.text
    assert "The rest of your order stays as it is." in some.page.text
    whole = client.submit(
        some, {f"units-{prepared.lines['TWO']}": "1"}, button="Update", follow_redirects=True
    )
    assert "You return the whole order." in whole.page.text


def test_plus_and_minus_work_without_javascript(client: Any, shop: Shop, prepared: Prepared) -> None:
    page = walk_in(client, prepared)
    for _ in range(2):
        page = client.submit(page, button="One more: Stoneware mug", follow_redirects=True)
    assert units(shop, prepared) == {"MUG": 2}
    client.submit(page, button="One less: Stoneware mug")
    assert units(shop, prepared) == {"MUG": 1}


def test_a_stepper_saves_at_once_and_answers_with_the_estimate(
    client: Any, shop: Shop, prepared: Prepared
) -> None:
    walk_in(client, prepared)
    mug = prepared.lines["MUG"]
    answer = client.post(
        prepared.home + "/items/saved", data={f"units-{mug}": "2", f"was-{mug}": "0"}, htmx="estimate"
    )
    assert answer.status_code == 200
    assert units(shop, prepared) == {"MUG": 2}
    text = answer.get_data(as_text=True)
    assert "€20.00" in text
    assert text.count("hx-swap-oob") == 2
    assert "You return 2 of 5 items." in text
    assert len(answer.get_data()) < 8_000


def test_zero_takes_an_item_out_again(client: Any, shop: Shop, prepared: Prepared) -> None:
    walk_in(client, prepared)
    mug = prepared.lines["MUG"]
    for wanted, was in (("2", "0"), ("0", "2")):
        client.post(
            prepared.home + "/items/saved", data={f"units-{mug}": wanted, f"was-{mug}": was}, htmx="estimate"
        )
    assert units(shop, prepared) == {}


@pytest.mark.parametrize("typed", ["4", "99", "1000000"])
def test_more_than_is_there_is_refused_and_the_maximum_is_named(
    client: Any, shop: Shop, app: Flask, prepared: Prepared, typed: str
) -> None:
    page = walk_in(client, prepared)
    field = f"units-{prepared.lines['MUG']}"
    with nothing_changes(app):
        answer = client.submit(page, {field: typed}, button="Continue")
    assert answer.status_code == 422
    assert "Stoneware mug: At most 3 units can be returned." in answer.page.text
    assert answer.page.title.startswith("Error:")
    assert answer.page.by_id(field).get("value") == typed


@pytest.mark.parametrize("typed", ["-1", "1.5", "two", "1e3", "٣"])
def test_what_is_no_number_of_units_is_refused(
    client: Any, app: Flask, prepared: Prepared, typed: str
) -> None:
    page = walk_in(client, prepared)
    with nothing_changes(app):
        answer = client.submit(page, {f"units-{prepared.lines['MUG']}": typed}, button="Continue")
    assert answer.status_code == 422


def test_a_wrong_number_in_a_stepper_is_told_where_it_is(client: Any, app: Flask, prepared: Prepared) -> None:
    walk_in(client, prepared)
    with nothing_changes(app):
        data = {f"units-{prepared.lines['MUG']}": "9"}
        answer = client.post(prepared.home + "/items/saved", data=data, htmx="estimate")
    assert answer.status_code == 422
    assert "At most 3 units can be returned." in answer.get_data(as_text=True)
    assert answer.headers["HX-Push-Url"] == "false"


def test_nothing_chosen_does_not_go_on(client: Any, prepared: Prepared) -> None:
    answer = client.submit(walk_in(client, prepared), button="Continue")
    assert answer.status_code == 422
    assert "Choose at least one item." in answer.page.text


def test_two_tabs_of_one_return_do_not_undo_each_other(client: Any, shop: Shop, prepared: Prepared) -> None:
    first = walk_in(client, prepared)
    second = client.get(prepared.home + "/items")
    client.submit(first, {f"units-{prepared.lines['MUG']}": "2"}, button="Update")
    client.submit(second, {f"units-{prepared.lines['SHT']}": "1"}, button="Update")
    assert units(shop, prepared) == {"MUG": 2, "SHT": 1}


def test_the_same_press_twice_changes_nothing_more(client: Any, shop: Shop, prepared: Prepared) -> None:
    page = walk_in(client, prepared)
    for _ in range(2):
        client.submit(page, {f"units-{prepared.lines['MUG']}": "2"}, button="Continue")
    assert units(shop, prepared) == {"MUG": 2}


def test_an_item_of_another_order_is_not_found(
    client: Any, shop: Shop, app: Flask, prepared: Prepared
) -> None:
    add_order(shop, "N-2")
    other = prepare(shop, "N-2")
    walk_in(client, prepared)
    with nothing_changes(app):
        data = {f"units-{other.lines['SHT']}": "1"}
        assert client.post(prepared.home + "/items", data=data).status_code == 404


def test_what_support_fixed_is_not_asked_and_cannot_be_changed(client: Any, shop: Shop) -> None:
    fixed = prepare(shop, units={"SHT": 1}, locked=("lines",))
    page = walk_in(client, fixed)
    assert page.request.path == fixed.home + "/reasons"
    assert client.get(fixed.home + "/items").status_code == 303
    client.post(fixed.home + "/items", data={f"units-{fixed.lines['MUG']}": "1"})
    assert units(shop, fixed) == {"SHT": 1}


def test_an_item_past_its_window_says_why(client: Any, app: Flask) -> None:
    shop = open_shop(app, "late", Terms(window_days=2))
    add_order(shop)
    prepared = prepare(shop)
    page = walk_in(client, prepared).page
    assert "Not returnable: why?" in page.text
    assert "The last day to return this was" in page.text
    assert not page.has_id(f"units-{prepared.lines['SHT']}")


def test_a_final_sale_may_come_back_only_if_something_is_wrong(client: Any, shop: Shop) -> None:
    add_order(shop, "N-2", (line("VAS", "Glass vase", "12.00", final_sale=True),))
    prepared = prepare(shop, "N-2")
    page = walk_in(client, prepared)
    assert "Only if something is wrong" in page.page.text
    client.submit(page, {f"units-{prepared.lines['VAS']}": "1"}, button="Continue")
    assert units(shop, prepared) == {"VAS": 1}


# ------------------------------------------------------------------------------------------- without an order


def test_products_can_be_typed_in_and_the_refund_is_to_be_assessed_never_zero(
    client: Any, shop: Shop
) -> None:
    prepared = prepare(shop, None)
    page = walk_in(client, prepared)
    added = client.submit(
        page, {"name": "Blue kettle", "sku": "KTL", "units": "2"}, button="Add", follow_redirects=True
    )
    assert units(shop, prepared) == {"KTL": 2}
    assert "to be assessed" in added.page.text.lower()
    assert "€0.00" not in added.page.text
    assert added.page.has_id("name-1")


def test_a_product_that_was_typed_in_can_be_removed(client: Any, shop: Shop) -> None:
    prepared = prepare(shop, None)
    page = walk_in(client, prepared)
    page = client.submit(page, {"name": "Blue kettle", "units": "1"}, button="Add", follow_redirects=True)
    client.submit(page, button="Remove Blue kettle")
    assert units(shop, prepared) == {}


def test_a_product_without_a_number_of_units_is_refused_and_what_was_typed_stays(
    client: Any, shop: Shop
) -> None:
    page = walk_in(client, prepare(shop, None))
    answer = client.submit(page, {"name": "Blue kettle", "units": "0"}, button="Continue")
    assert answer.status_code == 422
    assert answer.page.by_id("name-0").get("value") == "Blue kettle"

"""The page of numbers: definitions, charts with their tables, CSV of the same, nobody else's data."""

import csv
import io

import pytest
from flask import Flask

from portal.core.figures import FIGURES
from tests.web.admin_world import World, a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def table(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))


def test_every_figure_stands_with_its_definition_and_a_table_beside_each_chart(world: World) -> None:
    world.confirmed({"MUG": 2}, reason="too_small")
    client = world.signed_in("csr")
    assert "/admin/numbers" in client.get("/admin/").page.links().values()
    answer = client.get("/admin/numbers")
    assert answer.status_code == 200
    for name in FIGURES:
        assert answer.page.has_id(name)
    assert answer.text.count('<svg class="chart"') == 2 and "Too small" in answer.page.text
    assert "Authorization accuracy" in answer.page.text and "Units inspected: 0" in answer.page.text


def test_an_empty_shop_has_a_page_too(world: World) -> None:
    answer = world.signed_in("finance").get("/admin/numbers")
    assert answer.status_code == 200 and "No return in this period" in answer.page.text


def test_the_file_says_what_the_page_says(world: World) -> None:
    world.confirmed({"MUG": 2}, reason="too_small")
    world.confirmed({"SHIRT": 1}, reason="ordered_by_mistake")
    client = world.signed_in("csr")
    page = client.get("/admin/numbers").page.text
    reasons = table(client.get("/admin/numbers/reasons.csv", check=False))
    assert [(row["reason"], row["units"], row["together_percent"]) for row in reasons] == [
        ("too_small", "2", "66.66"),
        ("ordered_by_mistake", "1", "100.00"),
    ]
    assert "66" in page
    found = {row["figure"]: row for row in table(client.get("/admin/numbers/figures.csv", check=False))}
    assert list(found) == list(FIGURES) and found["volume"]["value"] == "2"
    assert "Returns: 2" in page
    weeks = table(client.get("/admin/numbers/weeks.csv", check=False))
    assert sum(int(row["open"]) for row in weeks) == 2
    for name in ("scores", "disputes"):
        assert client.get(f"/admin/numbers/{name}.csv", check=False).status_code == 200
    assert client.get("/admin/numbers/other.csv").status_code == 404


def test_a_channel_narrows_it_and_stays_in_the_addresses(world: World) -> None:
    world.confirmed({"MUG": 1})
    client = world.signed_in("csr")
    assert "No return in this period" in client.get("/admin/numbers?channel=email").page.text
    here = client.get("/admin/numbers?channel=phone")
    assert "No return in this period" not in here.page.text
    assert any("channel=phone" in url for url in here.page.links().values() if ".csv" in url)


def test_the_part_that_shows_itself_anew_is_answered_alone(world: World) -> None:
    client = world.signed_in("csr")
    client.get("/admin/numbers")
    answer = client.get("/admin/numbers", htmx="numbers")
    assert 'id="numbers"' in answer.text and "<html" not in answer.text


def test_another_merchants_numbers_are_not_found_and_never_counted(world: World) -> None:
    world.confirmed({"MUG": 1}, merchant_id=world.other)
    client = world.signed_in("csr")
    assert "No return in this period" in client.get("/admin/numbers").page.text
    assert client.get(f"/admin/numbers?merchant={world.other}").status_code == 404
    assert client.get(f"/admin/numbers/figures.csv?merchant={world.other}").status_code == 404
    assert world.signed_in("warehouse").get("/admin/numbers").status_code == 403

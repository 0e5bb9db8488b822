"""The page of the measures: definition, numerator and denominator of each, and every row as a file."""

import csv
import io

import pytest
from flask import Flask

from portal.services import cancellations
from portal.web.admin.measures import duration
from tests.checking import CheckingClient
from tests.services.cancelling import a_customer, canceled, goods, unshipped
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> CheckingClient:
    return world.signed_in("csr")


def one_canceled(world: World) -> None:
    with world.app.app_context():
        order = unshipped(world.gateways, world.own, goods("MUG", 2, "10.00"))
        made = canceled(world.gateways, world.own, order, {"MUG": 1}, now=now())
        cancellations.score(a_customer(made, world.own), made, score=5, now=now())


def test_before_anything_happened_nothing_is_met_and_nothing_missed(client: CheckingClient) -> None:
    page = client.get("/admin/measures").page
    assert page.text.count("No data yet") == 3 and "Target" not in page.text.replace("target", "")


def test_each_measure_tells_definition_numerator_and_denominator(
    world: World, client: CheckingClient, drain
) -> None:
    one_canceled(world)
    drain()
    page = client.get("/admin/measures").page
    for told in (
        "From the moment the customer confirms",
        "1 cancellation with a refund that was sent",
        "1 answer “Happy” or “Very happy”",
        "1 refund that is exact to the cent",
        "1 refund that was approved",
        "100%",
    ):
        assert told in page.text, told
    assert page.text.count("Target met") == 3


def test_every_row_is_there_as_a_file(world: World, client: CheckingClient, drain) -> None:
    one_canceled(world)
    drain()
    for name, columns in (("processing", "seconds"), ("accuracy", "worked_out_anew")):
        answer = client.get(f"/admin/measures/{name}.csv")
        (row,) = csv.DictReader(io.StringIO(answer.get_data(as_text=True)))
        assert row[columns] and answer.headers["Cache-Control"] == "no-store"
    assert (row["in_the_ledger"], row["worked_out_anew"], row["differs_in"]) == ("10.00", "10.00", "")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 seconds"), (59.4, "59 seconds"), (59.7, "1 minute"), (61, "1 minute 1 second"), (3600, "1 hour"),
        (47 * 3600 + 60, "47 hours 1 minute"), (71 * 3600, "2 days 23 hours"), (72 * 3600, "3 days"),
        (30 * 86400 + 7200, "30 days"),
    ],
)  # fmt: skip
def test_a_time_is_told_in_the_two_units_that_matter(app: Flask, seconds: float, told: str) -> None:
    with app.test_request_context():
        assert duration(seconds) == told


def test_another_shops_figures_are_not_found(world: World, client: CheckingClient) -> None:
    assert client.get(f"/admin/measures?merchant={world.other}").status_code == 404


def test_who_has_nothing_to_do_with_refunds_does_not_see_them(world: World) -> None:
    assert world.signed_in("warehouse").get("/admin/measures").status_code == 403

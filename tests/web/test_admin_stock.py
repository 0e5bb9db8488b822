"""Stock on its pages: found, read with every why, counted with a reason; and what shops' systems were told."""

from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import db, transaction
from portal.db.channels import ChannelMessage
from portal.db.stock import StockLevel
from portal.ports import Declined
from portal.services.proofs import verifying
from portal.services.stockroom import stock
from tests.services.cancelling import canceled, goods, unshipped
from tests.web.admin_world import World, a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


def sold(world: World, *lines: Any, merchant: UUID | None = None, **more: Any) -> Any:
    """An order that was not sent yet."""
    with world.app.app_context():
        lines = lines or (goods("MUG/1", 3, "9.33"), goods("HAT_2", 1, "20.00"))
        return unshipped(world.gateways, merchant or world.own, *lines, **more)


def cancel(world: World, order: Any, units: dict[str, int]) -> UUID:
    with world.app.app_context():
        return canceled(world.gateways, world.own, order, units)


def level(world: World, sku: str = "MUG/1", bucket: str = "available") -> UUID:
    with world.app.app_context():
        wanted = sa.select(StockLevel.id).where(StockLevel.sku == sku, StockLevel.bucket == bucket)
        found: UUID = db.session.scalars(wanted).one()
        return found


def levels(world: World, sku: str = "MUG/1") -> dict[str, int]:
    with world.app.app_context():
        assert verifying.run().problems == []
        return stock.levels(world.own, [sku]).get(sku, {})


def test_without_stock_the_page_says_so(world: World) -> None:
    assert "No stock yet" in world.signed_in("warehouse").get("/admin/stock").page.text


def test_each_product_is_listed_with_what_lies_where(world: World) -> None:
    cancel(world, sold(world), {"MUG/1": 1})
    page = world.signed_in("warehouse").get("/admin/stock").page
    rows = [" ".join(row.split()) for row in page.text.splitlines() if row.strip()]
    assert "MUG/1" in page.links() and "HAT_2" in page.links(), rows
    shown = world.signed_in("supervisor").get("/admin/stock/levels.csv")
    table = list(csv.DictReader(io.StringIO(shown.text)))
    assert [(row["sku"], row["available"], row["reserved"]) for row in table] == [
        ("HAT_2", "0", "1"),
        ("MUG/1", "1", "2"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [("mug", {"MUG/1"}), ("Demo hat", {"HAT_2"}), ("HAT_2", {"HAT_2"}), ("HATX2", set()), ("%", set())],
)
def test_a_product_is_found_by_the_beginning_of_its_sku_or_its_name(
    world: World, text: str, found: set[str]
) -> None:
    sold(world)
    page = world.signed_in("warehouse").get("/admin/stock", query_string={"q": text}).page
    assert set(page.links()) & {"MUG/1", "HAT_2"} == found
    assert ("No such product" in page.text) == (not found)


def test_a_long_list_has_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.web.admin.stock.PER_PAGE", 2)
    sold(world, *(goods(f"S-{n}", 1) for n in range(5)))
    client, seen = world.signed_in("warehouse"), []
    address: str | None = "/admin/stock"
    while address:
        links = client.get(address).page.links()
        seen.append([name for name in links if name.startswith("S-")])
        address = links.get("Next")
    assert seen == [["S-0", "S-1"], ["S-2", "S-3"], ["S-4"]]


def test_a_product_shows_every_movement_with_its_why_and_its_page(world: World) -> None:
    order = sold(world)
    made = cancel(world, order, {"MUG/1": 1})
    client = world.signed_in("warehouse")
    page = client.get(f"/admin/stock/{level(world)}").page
    assert page.h1 == "MUG/1"
    assert "Canceled before it was sent" in page.text and "Ordered" in page.text
    assert {f"/admin/orders/{order.id}", f"/admin/cancellations/{made}"} <= set(page.links().values())
    table = csv.DictReader(io.StringIO(client.get(f"/admin/stock/{level(world)}/movements.csv").text))
    assert [(row["why"], row["bucket"], row["units"]) for row in table][-1] == ("ordered", "reserved", "3")


def test_somebody_counts_and_says_why(world: World) -> None:
    cancel(world, sold(world), {"MUG/1": 2})
    client = world.signed_in("warehouse")
    form = client.get(f"/admin/stock/{level(world)}/available/count")
    answer = client.submit(
        form, {"found": "1", "reason": "One was broken on the shelf"}, button="Correct the stock"
    )
    assert levels(world) == {"reserved": 1, "available": 1}
    page = client.get(answer.location).page
    assert page.h1 == "MUG/1"
    assert "One was broken on the shelf" in page.text and "Demo warehouse" in page.text
    form = client.get(f"/admin/stock/{level(world)}/damaged/count")
    client.submit(form, {"found": "1", "reason": "The broken one"}, button="Correct the stock")
    assert levels(world) == {"reserved": 1, "available": 1, "damaged": 1}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"found": "", "reason": "Why"}, "Enter how many are there"),
        ({"found": "-1", "reason": "Why"}, "Enter a number from 0 on"),
        ({"found": "1000001", "reason": "Why"}, "Enter a number from 0 on"),
        ({"found": "1", "reason": "  "}, "Write down why"),
    ],
)
def test_a_count_without_number_or_reason_changes_nothing(
    world: World, given: dict[str, str], said: str
) -> None:
    cancel(world, sold(world), {"MUG/1": 2})
    client = world.signed_in("warehouse")
    form = client.get(f"/admin/stock/{level(world)}/available/count")
    answer = client.submit(form, given, button="Correct the stock")
    assert answer.status_code == 422 and said in answer.page.text
    assert levels(world) == {"reserved": 1, "available": 2}


def test_what_moved_while_somebody_counted_is_not_counted_away(world: World) -> None:
    order = sold(world)
    cancel(world, order, {"MUG/1": 1})
    client = world.signed_in("warehouse")
    form = client.get(f"/admin/stock/{level(world)}/available/count")
    cancel(world, order, {"MUG/1": 1})
    answer = client.submit(form, {"found": "0", "reason": "None there"}, button="Correct the stock")
    assert answer.status_code == 422 and "there are 2 now" in answer.page.text
    assert levels(world) == {"reserved": 1, "available": 2}
    client.submit(answer, {"found": "1", "reason": "Counted again"}, button="Correct the stock")
    assert levels(world) == {"reserved": 1, "available": 1}


def test_a_count_of_nothing_that_was_shown_is_counted_again(world: World) -> None:
    cancel(world, sold(world), {"MUG/1": 2})
    client = world.signed_in("warehouse")
    form = client.get(f"/admin/stock/{level(world)}/available/count")
    answer = client.submit(form, {"seen": "²", "found": "1", "reason": "Counted"}, button="Correct the stock")
    assert answer.status_code == 422 and levels(world) == {"reserved": 1, "available": 2}


def test_what_orders_reserve_is_counted_by_nobody(world: World) -> None:
    sold(world)
    client = world.signed_in("admin")
    for bucket in ("reserved", "expected", "gone", "outside"):
        assert client.get(f"/admin/stock/{level(world, bucket='reserved')}/{bucket}/count").status_code == 404


def test_who_may_not_sees_nothing_and_a_strangers_stock_is_not_found(world: World) -> None:
    sold(world, merchant=world.other)
    theirs = level(world, bucket="reserved")
    client = world.signed_in("warehouse")
    assert "No stock yet" in client.get("/admin/stock").page.text
    assert client.get(f"/admin/stock/{theirs}").status_code == 404
    assert client.get(f"/admin/stock/{theirs}/available/count").status_code == 404
    sold(world, number="OWN-1")
    with world.app.app_context():
        mine = db.session.scalars(
            sa.select(StockLevel.id).where(StockLevel.merchant_id == world.own, StockLevel.sku == "MUG/1")
        ).one()
    csr = world.signed_in("csr")
    assert "Correct" not in csr.get(f"/admin/stock/{mine}").page.links()
    assert csr.get(f"/admin/stock/{mine}/available/count").status_code == 403
    assert world.signed_in("finance").get("/admin/stock").status_code == 403


# ------------------------------------------------------------------------------------------ shops' own systems


def test_what_a_shop_is_told_stands_on_its_page_until_it_is_sent(world: World, drain: Any) -> None:
    client = world.signed_in("supervisor")
    assert "No messages" in client.get("/admin/channels").page.text
    order = sold(world)
    made = cancel(world, order, {"MUG/1": 1})
    page = client.get("/admin/channels").page
    assert "Waiting to be sent" in page.text
    assert f"/admin/orders/{order.id}" in page.links().values()
    drain()
    page = client.get("/admin/channels?state=sent")
    shown = client.get(page.page.links()["Taken out of the order"]).page
    assert f"/admin/cancellations/{made}" in shown.links().values()
    assert '"sequence": 1' in shown.text


def test_what_a_shop_did_not_take_is_sent_again_by_a_person(world: World, drain: Any) -> None:
    channel = world.gateways.channel
    working = type(channel).notify

    def refuses(*_anything: object, **_more: object) -> None:
        raise Declined("not_taken", "HTTP 400: what is this?")

    cancel(world, sold(world), {"MUG/1": 1})
    client = world.signed_in("supervisor")
    type(channel).notify = refuses
    try:
        drain()
    finally:
        type(channel).notify = working
    page = client.get("/admin/channels?state=failed")
    assert "HTTP 400: what is this?" in page.page.text
    assert "did not take a message" in client.get("/admin/tasks").page.text
    answer = client.submit(page, button="Send again")
    assert answer.location == "/admin/channels"
    drain()
    with world.app.app_context():
        assert [row.state for row in db.session.scalars(sa.select(ChannelMessage))] == ["sent"]
    assert "did not take a message" not in client.get("/admin/tasks").page.text


def test_only_what_failed_is_sent_again_and_nothing_of_a_strangers(world: World) -> None:
    cancel(world, sold(world), {"MUG/1": 1})
    with world.app.app_context():
        one = db.session.scalars(sa.select(ChannelMessage)).one().id
    client = world.signed_in("supervisor")
    client.get("/admin/channels")
    assert client.post(f"/admin/channels/{one}/resumption").status_code == 303
    assert "did not fail" in client.get("/admin/channels").page.text
    with world.app.app_context(), transaction():
        db.session.execute(sa.update(ChannelMessage).values(state="failed"))
    stranger = world.signed_in("supervisor", merchants=(world.other,))
    stranger.get("/admin/channels")
    assert stranger.get(f"/admin/channels/{one}").status_code == 404
    assert stranger.post(f"/admin/channels/{one}/resumption").status_code == 404

"""Lists to take away: each file is exactly the list that its page shows, of one's own shops alone."""

import csv
import io
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.core.policy.terms import RestockingFee, Terms
from portal.services import disputes
from portal.services.disputes import Claim, LineClaim
from portal.services.refunding import refunds
from portal.web.admin import list_file
from tests import builders
from tests.web.admin_world import World, a_world, now
from tests.web.canceling import Desk

TERMS = Terms(return_postage="merchant", restocking_fee=RestockingFee(percent_bp=2000))


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app, TERMS)


def rows(client: Any, url: str) -> list[dict[str, str]]:
    """What stands in the file that the page of ``url`` offers."""
    page = client.get(url).page
    answer = client.get(page.link("This list as CSV"))
    assert answer.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))


def refunded(world: World) -> UUID:
    """A return with a proposed refund of its shirt, made by somebody who may not approve it."""
    return_id = world.inspected()
    with world.app.app_context():
        refunds.propose(world.actor("csr"), return_id, now=now())
    return return_id


def contested(world: World, return_id: UUID, name: str) -> UUID:
    with world.app.app_context():
        line = LineClaim(line_id=builders.line_ids(return_id)["SHIRT"], ground="deduction", claimed=1000)
        customer = builders.a_customer(return_id, world.own)
        claim = Claim(lines=(line,), wanted="difference", body="Never worn.")
        return disputes.open_dispute(customer, return_id, claim, nonce=name, now=now())


def test_refunds_of_a_state(world: World) -> None:
    return_id = refunded(world)
    client = world.signed_in("finance")
    (found,) = world.dossier(return_id).refunds
    (row,) = rows(client, "/admin/refunds")
    assert (row["refund"], row["state"], row["currency"]) == (found.number, found.state, "EUR")
    assert row["amount"] == f"{found.amount / 100:.2f}"
    assert row["return"] == found.return_number
    assert rows(client, f"/admin/refunds?state={found.state}") == [row]
    assert client.get("/admin/refunds.csv?state=canceled").get_data(as_text=True).count("\r\n") == 1
    assert (
        world.signed_in("finance", merchants=(world.other,)).get("/admin/refunds.csv").data.count(b"\r\n")
        == 1
    )


def test_disputes_as_they_are_filtered(world: World) -> None:
    return_id = refunded(world)
    dispute = contested(world, return_id, "one")
    client = world.signed_in("csr")
    with world.app.app_context():
        found = disputes.one(world.actor(), dispute)
    (row,) = rows(client, "/admin/disputes")
    assert (row["dispute"], row["state"], row["contested"], row["offered"]) == (
        found.number,
        "open",
        "10.00",
        "",
    )
    assert rows(client, "/admin/disputes?ground=deduction") == [row]
    assert client.get("/admin/disputes.csv?ground=refusal").data.count(b"\r\n") == 1
    assert world.signed_in("warehouse").get("/admin/disputes.csv").status_code == 403
    assert (
        world.signed_in("csr", merchants=(world.other,)).get("/admin/disputes.csv").data.count(b"\r\n") == 1
    )


def test_customers_as_they_are_searched(world: World) -> None:
    world.order(email="=one@shop.example", name="Demo One")
    world.order(email="two@shop.example", name="Demo Two")
    client = world.signed_in("csr")
    found = rows(client, "/admin/customers")
    assert {row["customer"]: row["orders"] for row in found} == {"Demo One": "1", "Demo Two": "1"}
    assert {row["email"] for row in found} == {"'=one@shop.example", "two@shop.example"}
    assert [row["email"] for row in rows(client, "/admin/customers?q=two@shop.example")] == [
        "two@shop.example"
    ]
    assert (
        world.signed_in("csr", merchants=(world.other,)).get("/admin/customers.csv").data.count(b"\r\n") == 1
    )


def test_a_file_ends_where_its_list_ends_however_long_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_file, "AT_ONCE", 2)
    for n in range(3):
        contested(world, refunded(world), f"number {n}")
        Desk(world=world).propose()
        world.order(email=f"{n}@shop.example", name=f"Demo {n}")
    client = world.signed_in("admin")
    for path, count in (
        ("/admin/refunds", 3), ("/admin/refunds?list=mine", 3), ("/admin/disputes", 3),
        ("/admin/disputes?state=all", 3), ("/admin/cancellations", 3),
    ):  # fmt: skip
        found = rows(client, path)
        assert len({row[next(iter(row))] for row in found}) == len(found) == count, path
    everybody = [row["email"] for row in rows(client, "/admin/customers")]
    assert len(everybody) == len(set(everybody)) >= 4
    happened = list(csv.DictReader(io.StringIO(client.get("/admin/audit.csv").get_data(as_text=True))))
    assert len({row["number"] for row in happened}) == len(happened) > 30
    stock = list(csv.DictReader(io.StringIO(client.get("/admin/stock/levels.csv").get_data(as_text=True))))
    assert [row["sku"] for row in stock] == sorted({row["sku"] for row in stock})


def test_what_is_not_ones_own_is_not_found_before_the_file_begins(world: World) -> None:
    client = world.signed_in("csr")
    for name in ("cancellations", "returns"):
        assert client.get(f"/admin/{name}.csv?merchant={world.other}").status_code == 404

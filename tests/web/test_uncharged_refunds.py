"""Refunds of what was never charged, at the desk and for the customer: nobody reads that money was sent back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.policy.terms import Terms
from portal.db.base import db
from portal.db.orders import Payment
from portal.services.refunding import finance
from tests import builders
from tests.services.reserved import an_unpaid_order
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app, Terms(return_postage="merchant"))


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def came_back(world: World, mode: str, tender: str) -> UUID:
    with world.app.app_context():
        order = an_unpaid_order(
            world.gateways,
            world.own,
            number="W-1",
            tenders={mode: builders.a_payment(tender)},
            price="50.00",
            now=now(),
        )
        return builders.came_back(
            world.gateways, world.own, order, {"MUG": 1}, now=now(), site=world.app.extensions["site"]
        )


CASES = pytest.mark.parametrize(
    ("mode", "tender", "told"),
    [("authorized", "card", "Demo card: not charged"), ("due", "invoice", "Demo invoice: you owe less")],
)


@CASES
def test_the_desk_sees_before_and_after_that_nothing_is_sent_back(
    world: World, client: Any, drain: Any, mode: str, tender: str, told: str
) -> None:
    return_id = came_back(world, mode, tender)
    panel = client.get(f"/admin/returns/{return_id}/refund")
    assert told in panel.page.text
    client.submit(panel, {}, button="Refund €50.00")
    drain()
    page = client.get(f"/admin/returns/{return_id}").page
    assert told in page.text and "Not charged" in page.text
    assert {"authorized": "Let go, never charged", "due": "Taken off the bill"}[mode] in page.text
    assert "statement within" not in page.text


@CASES
def test_the_books_show_it_apart_from_what_was_paid(
    world: World, client: Any, drain: Any, mode: str, tender: str, told: str
) -> None:
    return_id = came_back(world, mode, tender)
    client.submit(client.get(f"/admin/returns/{return_id}/refund"), {}, button="Refund €50.00")
    drain()
    desk = world.signed_in("finance")
    page = desk.get(f"/admin/finance?merchant={world.own}").page
    assert "Not charged" in page.text
    balances = desk.get(f"/admin/finance/balances?merchant={world.own}").page.text
    named = {"authorized": "Reserved and not charged: Sandbox gateway", "due": "Ordered, not paid yet"}[mode]
    assert named in balances and "Paid out by" not in balances
    accounts = desk.get(f"/admin/finance/accounts?merchant={world.own}").page.text
    assert named in accounts and "Reserved and let go, every other provider" in accounts
    with world.app.app_context():
        (total,) = finance.totals(builders.a_person(world.own, "finance"), world.own)
        assert (total.paid, total.released) == (0, 5000)
        assert db.session.scalars(sa.select(Payment.released_minor)).one() == 5000

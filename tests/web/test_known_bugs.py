"""Bugs that others shipped, as a browser or a mail scanner would meet them; each is shown not to happen here."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from portal.core.policy.terms import Terms
from tests import builders
from tests.web.admin_world import a_world, now
from tests.web.shops import Prepared, Shop, add_order, draft_of, nothing_changes, open_shop, prepare

SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 SafeLinks",
    "BarracudaCentral/1.0",
    "facebookexternalhit/1.1",
    "Slackbot-LinkExpanding 1.0",
)


@pytest.fixture
def shop(app: Flask) -> Shop:
    made = open_shop(app)
    add_order(made)
    return made


@pytest.fixture
def prepared(shop: Shop) -> Prepared:
    return prepare(shop, units={"SHT": 1}, why=("too_small", "unopened"))


def scan(app: Flask, path: str) -> list[Any]:
    """What mail filters do with every address in a mail: fetch it, by HEAD and by GET, and follow it."""
    answers = []
    for number, name in enumerate(SCANNERS):
        scanner = app.test_client()
        for method in ("HEAD", "GET"):
            answers.append(
                scanner.open(
                    path,
                    method=method,
                    headers={"User-Agent": name},
                    environ_overrides={"REMOTE_ADDR": f"198.51.100.{number + 1}"},
                    follow_redirects=True,
                    check=False,
                )
            )
    return answers


def confirm(client: Any, shop: Shop, prepared: Prepared) -> None:
    """The customer, who comes after the scanners, goes all the way."""
    page = client.get(prepared.path, follow_redirects=True)
    assert page.status_code == 200
    page = client.submit(page, button="Continue", follow_redirects=True)
    assert page.status_code == 200
    assert page.request.path.startswith(prepared.home)


def test_supabase_auth_1214_a_scanner_of_mails_does_not_use_the_link_up(
    app: Flask, client: Any, shop: Shop, prepared: Prepared
) -> None:
    with nothing_changes(app):
        assert {answer.status_code for answer in scan(app, prepared.path)} == {200}
    confirm(client, shop, prepared)


def test_outline_9227_a_prefetch_before_the_click_leaves_the_link_as_it_was(
    app: Flask, client: Any, shop: Shop, prepared: Prepared
) -> None:
    """Also after it was opened: a second device, the same device again, and a scanner between them."""
    confirm(client, shop, prepared)
    with nothing_changes(app):
        scan(app, prepared.path)
        second = app.test_client()
        assert second.get(prepared.path, follow_redirects=True).status_code == 200
    confirm(client, shop, prepared)


def test_ghost_12347_what_a_scanner_is_given_confirms_nothing(
    app: Flask, client: Any, shop: Shop, prepared: Prepared
) -> None:
    """It may hold whatever cookie it got by fetching: pressing every address it finds changes nothing."""
    scanner = app.test_client()
    page = scanner.get(prepared.path, follow_redirects=True)
    found = set(re.findall(r'(?:href|action|formaction)="(/[^"]*)"', page.get_data(as_text=True)))
    assert found
    with nothing_changes(app):
        for path in found:
            scanner.get(path, check=False)
            scanner.post(path, csrf=False, check=False)
        assert scanner.post(prepared.home + "/confirmation", csrf=False, check=False).status_code == 403
    assert draft_of(shop, prepared).state == "draft"
    confirm(client, shop, prepared)


@pytest.mark.parametrize("again", ["the button twice", "back and once more"])
def test_coopcycle_4341_a_double_click_makes_one_refund(app: Flask, drain: Any, again: str) -> None:
    world = a_world(app, Terms(return_postage="merchant"))
    with app.app_context():
        order = builders.an_order(
            world.gateways, world.own, (builders.an_item("SHIRT", 2, "50.00"),), now=now()
        )
        return_id = builders.came_back(
            world.gateways, world.own, order, {"SHIRT": 1}, now=now(), site=app.extensions["site"]
        )
    client = world.signed_in("supervisor")
    page = client.get(f"/admin/returns/{return_id}/refund")
    assert client.submit(page, button="Refund €50.00").status_code == 303
    if again == "back and once more":
        drain()
    assert client.submit(page, button="Refund €50.00").status_code == 409
    drain()
    assert [refund.amount for refund in world.dossier(return_id).refunds] == [5000]
    assert [amount for _, _, amount, _ in world.gateways.payments["sandbox"].refunds()] == [5000]

"""Store credit on pages: a balance by its code for whoever holds it, and everything about it at the desk."""

import re
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core import credits as codes
from portal.core.policy.terms import Terms
from portal.core.refunds.overrides import Overrides
from portal.db.base import db
from portal.db.credits import Credit
from portal.services.ledgers import credits
from portal.services.paying import payouts
from portal.services.refunding import refunds
from tests import builders
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

WRONG = "We do not know this code. Check it against our e-mail, sign by sign."


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app, Terms(return_postage="merchant"))


@pytest.fixture
def code(world: World) -> str:
    """Of a credit of 50 euro at the own shop."""
    return a_code(world)


def a_code(world: World, merchant_id: UUID | None = None) -> str:
    shop = merchant_id or world.own
    with world.app.app_context():
        order = builders.an_order(world.gateways, shop, (builders.an_item("SHIRT", 1, "50.00"),), now=now())
        return_id = builders.came_back(
            world.gateways, shop, order, now=now(), site=world.app.extensions["site"]
        )
        finance = builders.a_person(shop, "finance")
        way = Overrides(way="store_credit", reason="As the customer wishes")
        refund_id = refunds.propose(finance, return_id, overrides=way, now=now())
        payouts.send(refund_id, gateways=world.gateways, now=now())
        nonce = db.session.scalar(sa.select(Credit.nonce).order_by(Credit.id.desc()))
        return codes.code(world.gateways.secret, nonce)


def credit_id(world: World) -> UUID:
    with world.app.app_context():
        return credits.listing(world.actor("admin"), now=now())[0].id


# ------------------------------------------------------------------------------------------------ for customers


def test_a_code_shows_its_balance_and_leaves_no_trace_in_the_address(client: Any, code: str) -> None:
    typed = code.lower().replace("-", " ")
    answer = client.submit(client.get("/credit/own"), {"code": typed}, button="See the balance")
    assert (answer.status_code, answer.location) == (303, "/credit/own/balance")
    shown = client.get("/credit/own/balance")
    for told in ("€50.00", f"•••• {code[-4:]}", "Can be spent", "Valid until", "Refund"):
        assert told in shown.page.text, told
    assert code not in shown.text and code.replace("-", "") not in shown.text
    assert shown.headers["Cache-Control"] == "no-store"


def test_whatever_is_wrong_with_a_code_the_answer_is_the_same(client: Any, world: World, code: str) -> None:
    bare = code.replace("-", "")
    mistyped = ("0" if bare[0] != "0" else "2") + bare[1:]
    unknown = codes.code("another secret", "a nonce")
    strangers = a_code(world, world.other)
    told = []
    for typed in (mistyped, unknown, strangers, "hello", "7K3M"):
        answer = client.submit(client.get("/credit/own"), {"code": typed}, button="See the balance")
        assert answer.status_code == 422
        told.append(answer.page.text)
    assert all(WRONG in text for text in told)
    assert len(set(told)) == 1
    assert client.get("/credit/own/balance").status_code == 303


def test_without_a_code_there_is_only_the_form_and_empty_is_told_at_its_field(client: Any, code: str) -> None:
    assert client.get("/credit/own/balance").location == "/credit/own"
    answer = client.submit(client.get("/credit/own"), {"code": ""}, button="See the balance")
    assert answer.status_code == 422 and "Enter the code" in answer.page.text


def test_a_balance_is_not_shown_under_another_shop(client: Any, code: str) -> None:
    client.submit(client.get("/credit/own"), {"code": code}, button="See the balance")
    assert client.get("/credit/other/balance").location == "/credit/other"
    assert client.get("/credit/nobody").status_code == 404


def test_a_shared_machine_forgets_the_code(client: Any, code: str) -> None:
    client.submit(client.get("/credit/own"), {"code": code}, button="See the balance")
    shown = client.get("/credit/own/balance")
    assert client.submit(shown, button="Done, look at another code").location == "/credit/own"
    assert client.get("/credit/own/balance").status_code == 303
    assert client.get("/credit/own/close").location == "/credit/own"


def test_guessing_is_stopped(client: Any, world: World) -> None:
    page = client.get("/credit/own")
    answers = [
        client.submit(page, {"code": f"guess {n}"}, button="See the balance", check=False).status_code
        for n in range(11)
    ]
    assert answers[:10] == [422] * 10 and answers[10] == 429


def test_only_this_sites_form_looks(client: Any, code: str) -> None:
    client.get("/credit/own")
    assert client.post("/credit/own", data={"code": code}, csrf=False).status_code == 403


# ------------------------------------------------------------------------------------------------- at the desk


def test_the_list_finds_a_code_by_its_ending_and_says_when_there_is_none(world: World, code: str) -> None:
    client = world.signed_in("csr")
    assert f"•••• {code[-4:]}" in client.get("/admin/credits").page.text
    assert f"•••• {code[-4:]}" in client.get(f"/admin/credits?q={code[-4:]}").page.text
    assert "No such code" in client.get("/admin/credits?q=nobody").page.text


def test_a_whole_code_is_looked_for_and_stands_in_no_address(world: World, code: str) -> None:
    client = world.signed_in("csr")
    listed = client.get("/admin/credits")
    [its_page] = re.findall(rf'href="(/admin/credits/[0-9a-f-]+)">•••• {code[-4:]}', listed.text)
    for typed, goes_to in (
        (code, its_page),
        (code.lower().replace("-", " "), its_page),
        (code[-4:], f"/admin/credits?q={code[-4:]}"),
        ("nobody", "/admin/credits?q=nobody"),
    ):
        answer = client.submit(client.get("/admin/credits"), {"q": typed}, button="Find")
        assert (answer.status_code, answer.headers["Location"]) == (303, goes_to)


def test_a_shop_without_codes_says_where_they_come_from(world: World) -> None:
    assert "No codes yet" in world.signed_in("csr").get("/admin/credits").page.text


def test_the_desk_sells_against_a_code(world: World, code: str) -> None:
    client, path = world.signed_in("csr"), f"/admin/credits/{credit_id(world)}"
    page = client.get(path)
    assert code not in page.text
    sold = client.submit(page, {"amount": "12,50", "reason": "Order D-77"}, button="Take it off the code")
    assert sold.location == path
    shown = client.get(path).page.text
    for told in ("€37.50", "Order D-77", "Demo csr", "Taken off the code: €12.50."):
        assert told in shown, told


def test_pressing_twice_sells_once(world: World, code: str) -> None:
    client, path = world.signed_in("csr"), f"/admin/credits/{credit_id(world)}"
    page = client.get(path)
    for status in (303, 422):
        answer = client.submit(
            page, {"amount": "12.50", "reason": "Order D-77"}, button="Take it off the code", check=False
        )
        assert answer.status_code == status
    assert "€37.50" in client.get(path).page.text


@pytest.mark.parametrize(
    ("amount", "reason", "told"),
    [
        ("50.01", "Order D-77", "Only €50.00 is left on this code."),
        ("0", "Order D-77", "Enter an amount above zero"),
        ("-1", "Order D-77", "Enter an amount above zero"),
        ("many", "Order D-77", "Enter an amount, such as"),
        ("1.005", "Order D-77", "Enter an amount, such as"),
        ("", "Order D-77", "Enter the amount"),
        ("1", "", "Write down what was sold"),
    ],
)
def test_what_cannot_be_sold_is_told_at_its_field(
    world: World, code: str, amount: str, reason: str, told: str
) -> None:
    client, path = world.signed_in("csr"), f"/admin/credits/{credit_id(world)}"
    answer = client.submit(
        client.get(path), {"amount": amount, "reason": reason}, button="Take it off the code"
    )
    assert answer.status_code == 422 and told in answer.page.text
    assert "€50.00" in client.get(path).page.text


def test_a_code_is_made_void_with_a_reason(world: World, code: str) -> None:
    client, path = world.signed_in("supervisor"), f"/admin/credits/{credit_id(world)}"
    page = client.get(path + "/void")
    assert client.submit(page, {"reason": ""}, button="Make it void").status_code == 422
    assert client.submit(page, {"reason": "Stolen"}, button="Make it void").location == path
    shown = client.get(path).page.text
    assert "Void" in shown and "Stolen" in shown and "Sell against this code" not in shown


def test_a_refund_is_taken_back_off_its_code(world: World, code: str) -> None:
    client, path = world.signed_in("finance"), f"/admin/credits/{credit_id(world)}"
    page = client.get(path)
    (back,) = [url for words, url in page.page.links().items() if words.startswith("Take back")]
    answer = client.submit(client.get(back), {"reason": "Wants money"}, button="Take it back")
    assert answer.status_code == 303 and answer.location.endswith("#refund")
    shown = client.get(path).page
    assert "Refund taken back" in shown.text and not any(
        words.startswith("Take back") for words in shown.links()
    )


def test_what_was_spent_is_not_taken_back_and_the_page_says_so(world: World, code: str) -> None:
    client, path = world.signed_in("finance"), f"/admin/credits/{credit_id(world)}"
    with world.app.app_context():
        credits.spend(world.actor("admin"), credit_id(world), amount=1, reason="x", expected=5000, now=now())
    (back,) = [url for words, url in client.get(path).page.links().items() if words.startswith("Take back")]
    answer = client.submit(client.get(back), {"reason": "Wants money"}, button="Take it back")
    assert answer.status_code == 422 and "Of this credit only €49.99 is left" in answer.page.text


def test_an_agent_may_sell_and_not_void(world: World, code: str) -> None:
    client, path = world.signed_in("csr"), f"/admin/credits/{credit_id(world)}"
    shown = client.get(path).page
    assert "Sell against this code" in shown.text and "Make this code void" not in shown.text
    assert client.get(path + "/void").status_code == 403


def test_another_shops_code_is_not_found(world: World) -> None:
    a_code(world, world.other)
    with world.app.app_context():
        stranger = credits.listing(world.actor("admin", world.other), now=now())[0]
    client = world.signed_in("admin")
    client.get("/admin/credits")
    path = f"/admin/credits/{stranger.id}"
    assert client.get(path).status_code == 404
    assert client.get(path + "/void").status_code == 404
    assert client.post(path, data={"amount": "1", "reason": "x"}).status_code == 404
    assert f"•••• {stranger.ending}" not in client.get("/admin/credits").page.text


def test_the_status_page_names_the_credit_by_its_ending_and_leads_to_the_balance(world: World) -> None:
    code = a_code(world)
    with world.app.app_context():
        return_id = credits.one(world.actor("admin"), credit_id(world), now=now()).entries[0].return_id
    client = opened(world, return_id)
    shown = client.get(f"/r/{return_id}/status").page
    assert f"Store credit ending in {code[-4:]}: €50.00" in shown.text and code not in shown.text
    assert shown.links()["See the balance"] == "/credit/own"

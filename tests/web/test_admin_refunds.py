"""Refunds at the desk: shown before they are made, approved by whoever may, refused when too much, tried again."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from portal.core.policy.terms import Terms
from tests import builders
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app, Terms(return_postage="merchant", goodwill_cap=1000))


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def came_back(world: World, *, paid: builders.Tender | None = None) -> UUID:
    with world.app.app_context():
        items = (builders.an_item("SHIRT", 2, "50.00"),)
        order = builders.an_order(
            world.gateways, world.own, items, paid=(paid or builders.a_payment(),), now=now()
        )
        return builders.came_back(
            world.gateways, world.own, order, {"SHIRT": 1}, now=now(), site=world.app.extensions["site"]
        )


def refund(
    client: Any, return_id: UUID, data: dict[str, str] | None = None, button: str = "Refund €50.00"
) -> Any:
    return client.submit(client.get(f"/admin/returns/{return_id}/refund"), data or {}, button=button)


def test_the_refund_is_shown_before_it_is_made_with_where_it_goes(world: World, client: Any) -> None:
    page = client.get(f"/admin/returns/{came_back(world)}/refund").page
    for told in (
        "What is refunded, and why",
        "1 × Demo shirt",
        "€50.00",
        "Demo card",
        "version 1 of the policy",
    ):
        assert told in page.text


def test_whoever_may_approve_makes_it_at_once_and_it_is_sent(world: World, client: Any, drain: Any) -> None:
    return_id = came_back(world)
    assert refund(client, return_id).location == f"/admin/returns/{return_id}#refund"
    drain()
    found = world.dossier(return_id)
    assert (found.refunds[0].state, found.refunds[0].amount) == ("succeeded", 5000)
    page = client.get(f"/admin/returns/{return_id}").page
    assert found.refunds[0].number in page.text
    assert found.refunds[0].payouts[0].reference in page.text


def test_whoever_may_not_approve_proposes_and_somebody_else_approves(
    world: World, client: Any, drain: Any
) -> None:
    return_id = came_back(world)
    agent = world.signed_in("csr")
    refund(agent, return_id, button="Propose a refund of €50.00")
    assert world.dossier(return_id).refunds[0].state == "pending_approval"
    page = agent.get(f"/admin/returns/{return_id}")
    assert "Approve refund" not in page.page.text
    finance = world.signed_in("finance")
    number = world.dossier(return_id).refunds[0].number
    assert number in finance.get("/admin/refunds?state=pending_approval").page.text
    finance.submit(finance.get(f"/admin/returns/{return_id}"), button=f"Approve refund {number}")
    drain()
    assert world.dossier(return_id).refunds[0].state == "succeeded"


def test_the_same_refund_sent_twice_is_made_once(world: World, client: Any) -> None:
    return_id = came_back(world)
    page = client.get(f"/admin/returns/{return_id}/refund")
    client.submit(page, button="Refund €50.00")
    assert client.submit(page, button="Refund €50.00").status_code == 409
    assert len(world.dossier(return_id).refunds) == 1


def test_goodwill_needs_a_reason_and_the_new_sum_is_confirmed_first(world: World, client: Any) -> None:
    return_id = came_back(world)
    answer = refund(client, return_id, {"goodwill": "5.00"})
    assert answer.status_code == 422
    assert "Write down why you grant goodwill" in answer.page.text
    answer = refund(client, return_id, {"goodwill": "5,00", "reason": "It took long."})
    assert answer.status_code == 422
    assert "The sum is another one now." in answer.page.text
    assert world.dossier(return_id).refunds == ()
    client.submit(answer, button="Refund €55.00")
    made = world.dossier(return_id).refunds[0]
    assert (made.amount, made.breakdown.added, made.reason) == (5500, 500, "It took long.")


@pytest.mark.parametrize("typed", ["a lot", "5.001", "1,000", "1.000", "1e3", "-5", "5.00.00"])
def test_an_amount_that_is_none_is_refused(world: World, client: Any, typed: str) -> None:
    return_id = came_back(world)
    answer = refund(client, return_id, {"goodwill": typed, "reason": "Why not"})
    assert answer.status_code == 422
    assert "Enter an amount" in answer.page.text
    assert world.dossier(return_id).refunds == ()


def test_too_much_goodwill_is_refused_with_the_maximum(world: World, client: Any) -> None:
    return_id = came_back(world)
    answer = refund(client, return_id, {"goodwill": "10.01", "reason": "Generous"})
    assert answer.status_code == 422
    assert "€10.00" in answer.page.text
    assert world.dossier(return_id).refunds == ()


def test_without_anything_back_there_is_nothing_to_refund(world: World, client: Any) -> None:
    answer = client.get(f"/admin/returns/{world.confirmed()}/refund")
    assert answer.status_code == 409
    assert "nothing to refund" in answer.page.text.lower()


def test_a_failed_refund_stands_on_the_desk_until_it_is_given_up(
    world: World, client: Any, drain: Any
) -> None:
    return_id = came_back(world, paid=builders.a_payment(ending="-fails"))
    refund(client, return_id)
    drain()
    found = world.dossier(return_id).refunds[0]
    assert found.state == "failed"
    assert "Failed refunds · 1" in client.get("/admin/").page.text
    assert found.number in client.get("/admin/refunds?state=failed").page.text
    client.submit(client.get(f"/admin/returns/{return_id}"), button=f"Send again {found.number}")
    drain()
    assert world.dossier(return_id).refunds[0].state == "failed"
    page = client.get(f"/admin/refunds/{found.id}/cancellation")
    assert client.submit(page).status_code == 422
    client.submit(page, {"reason": "The card is closed."})
    assert world.dossier(return_id).refunds[0].state == "canceled"
    assert "To be refunded now" in client.get(f"/admin/returns/{return_id}").page.text


def test_what_a_person_has_to_pay_is_recorded_with_a_proof(world: World, client: Any, drain: Any) -> None:
    return_id = came_back(world, paid=builders.a_payment("cash"))
    refund(client, return_id)
    drain()
    assert world.dossier(return_id).refunds[0].payouts[0].state == "requires_action"
    page = client.get(client.get(f"/admin/returns/{return_id}").page.link("Record payment by hand"))
    assert client.submit(page).status_code == 422
    assert client.submit(page, {"proof": "Receipt 77"}).status_code == 422, "how is asked as well"
    client.submit(page, {"proof": "Receipt 77", "method": "cash"})
    assert world.dossier(return_id).refunds[0].state == "succeeded"


def test_the_day_of_a_payment_by_hand_is_the_shops_and_none_that_is_still_to_come(
    world: World, client: Any, drain: Any
) -> None:
    return_id = came_back(world, paid=builders.a_payment("cash"))
    refund(client, return_id)
    drain()
    night = now().replace(hour=23, minute=30)  # of the next day already where the shop is
    world.app.config["CLOCK"] = lambda: night
    client = world.signed_in("finance")
    page = client.get(client.get(f"/admin/returns/{return_id}").page.link("Record payment by hand"))
    today = night.astimezone(builders.ZONE).date()
    assert today > night.date() and page.page.by_id("on").get("value") == today.isoformat()
    typed = {"proof": "Receipt 77", "method": "cash"}
    answer = client.submit(page, {**typed, "on": (today + timedelta(days=1)).isoformat()})
    assert answer.status_code == 422 and "Enter a day that is not in the future" in answer.page.text
    assert client.submit(page, {**typed, "on": "soon"}).status_code == 422
    client.submit(page, typed)
    assert world.dossier(return_id).refunds[0].state == "succeeded"


def test_the_list_of_refunds_can_be_fetched_alone(world: World, client: Any) -> None:
    assert "No refunds here" in client.get("/admin/refunds").page.text
    refund(client, came_back(world))
    rows = client.get("/admin/refunds", htmx="rows").page
    assert not rows.whole
    assert "€50.00" in rows.text

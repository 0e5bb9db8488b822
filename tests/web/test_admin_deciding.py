"""The page on which a return is decided: per line and unit, with reasons, undone, and told to the customer."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from portal.core.policy.terms import Terms
from tests.web.admin_world import World, a_world, now
from tests.web.opening import opened

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def row_of(page: Any, world: World, return_id: Any, sku: str) -> str:
    """The beginning of the names of a line's fields."""
    wanted = str(world.lines(return_id)[sku].id)
    values, _ = page.page.fields(page.page.form("/decision"))
    return next(name for name, value in values.items() if value == wanted).removesuffix("line_id")


def refusing(page: Any, world: World, return_id: Any, **more: str) -> dict[str, str]:
    """The shirt refused, two of three mugs approved."""
    shirt, mug = (row_of(page, world, return_id, sku) for sku in ("SHIRT", "MUG"))
    return {
        f"{shirt}approved": "0",
        f"{shirt}reason": "excessive_wear",
        f"{shirt}message": "It was worn.",
        f"{mug}approved": "2",
        f"{mug}declined": "1",
        f"{mug}reason": "other",
        **more,
    }


def send(client: Any, page: Any, typed: dict[str, str], button: str = "Save the decision") -> Any:
    return client.submit(page, typed, button=button)


def test_units_of_one_line_are_approved_and_of_another_refused(world: World, client: Any) -> None:
    asked = world.requested({"SHIRT": 1, "MUG": 3})
    page = client.get(f"/admin/returns/{asked}/decision")
    answer = send(client, page, refusing(page, world, asked, message="See below."))
    assert (answer.status_code, answer.location) == (303, f"/admin/returns/{asked}")
    lines = world.lines(asked)
    assert (lines["SHIRT"].authorized, lines["SHIRT"].declined) == (0, 1)
    assert (lines["MUG"].authorized, lines["MUG"].declined) == (2, 1)
    shown = client.get(f"/admin/returns/{asked}").page
    assert "2 units approved. 2 units refused. The customer is told by e-mail." in shown.text
    assert "It was worn." in shown.text
    assert "Worn or used too much" in shown.text


def test_the_decision_is_taken_back_on_the_page_of_the_return(world: World, client: Any) -> None:
    world.app.config["GRACE"] = 10
    asked = world.requested({"SHIRT": 1, "MUG": 3})
    page = client.get(f"/admin/returns/{asked}/decision")
    send(client, page, refusing(page, world, asked))
    shown = client.get(f"/admin/returns/{asked}")
    assert "in 10 seconds; undone before, nobody is told" in shown.page.text
    client.submit(shown, button="Undo approval")
    assert world.state(asked) == "requested"
    after = client.get(f"/admin/returns/{asked}").page
    assert "The customer was told nothing." in after.text
    assert not {"approved", "declined", "reconsidered"} & {mail.event for mail in world.dossier(asked).mails}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"approved": "1", "declined": "1"}, "approved and refused units have to be 3 together"),
        ({"approved": "2"}, "Choose why units of"),
        ({"approved": "-1"}, "Enter a number of units from 0"),
        ({"approved": "2,5"}, "Enter a number of units from 0"),
        ({"approved": ""}, "Enter how many units of"),
        ({"approved": "9"}, "have to be 3 together"),
    ],
)
def test_what_is_wrong_stands_at_its_field(world: World, client: Any, typed: Any, told: str) -> None:
    asked = world.requested({"MUG": 3})
    page = client.get(f"/admin/returns/{asked}/decision")
    row = row_of(page, world, asked, "MUG")
    answer = send(client, page, {f"{row}{name}": value for name, value in typed.items()})
    assert answer.status_code == 422
    assert told in answer.page.text
    assert "error" in answer.text
    assert world.state(asked) == "requested"


def test_the_sum_follows_what_is_typed_and_nothing_is_written(world: World, client: Any) -> None:
    asked = world.requested({"SHIRT": 1, "MUG": 3})
    page = client.get(f"/admin/returns/{asked}/decision")
    before = page.page.by_id("estimate")
    row = row_of(page, world, asked, "SHIRT")
    values, _ = page.page.fields(page.page.form("/decision"))
    answer = client.post(
        f"/admin/returns/{asked}/decision/estimate", data={**values, f"{row}approved": "0"}, htmx="estimate"
    )
    assert answer.status_code == 200
    assert "3 approved, 1 refused" in answer.page.text
    assert before is not None
    assert world.state(asked) == "requested"


def test_everything_is_filled_in_without_javascript(world: World, client: Any) -> None:
    asked = world.requested({"SHIRT": 1, "MUG": 3})
    page = client.get(f"/admin/returns/{asked}/decision")
    values, _ = page.page.fields(page.page.form("/decision"))
    filled = client.post(f"/admin/returns/{asked}/decision/estimate", data={**values, "fill": "decline"})
    assert "Everything is refused: nothing is refunded." in filled.page.text
    again, _ = filled.page.fields(filled.page.form("/decision"))
    assert {value for name, value in again.items() if name.endswith("approved")} == {"0"}


def test_the_reason_of_the_customer_is_put_right(world: World, client: Any) -> None:
    asked = world.requested({"MUG": 1})
    page = client.get(f"/admin/returns/{asked}/decision")
    row = row_of(page, world, asked, "MUG")
    send(client, page, {f"{row}changed_reason": "defective"})
    assert world.lines(asked)["MUG"].reason == "defective"


def test_the_condition_is_put_right_and_what_it_takes_off_is_seen_before_and_after(app: Flask) -> None:
    terms = Terms(
        approval_reasons=("changed_mind",),
        return_postage="merchant",
        condition_deductions_bp=(("used", 3000),),
    )
    world = a_world(app, terms)
    client, asked = world.signed_in("csr"), world.requested({"SHIRT": 1})
    page = client.get(f"/admin/returns/{asked}/decision")
    row = row_of(page, world, asked, "SHIRT")
    assert "€50.00" in "".join(page.page.by_id("estimate").itertext())
    values, _ = page.page.fields(page.page.form("/decision"))
    shown = client.post(
        f"/admin/returns/{asked}/decision/estimate",
        data={**values, f"{row}changed_condition": "used"},
        htmx="estimate",
    )
    assert "€35.00" in shown.page.text
    assert world.lines(asked)["SHIRT"].condition == "unopened"
    refused = send(client, page, {f"{row}changed_condition": "no such condition"})
    assert refused.status_code == 422
    send(client, page, {f"{row}changed_condition": "used"})
    assert world.lines(asked)["SHIRT"].condition == "used"
    after = client.get(f"/admin/returns/{asked}").page.text
    assert "€35.00" in after


def test_an_objection_is_set_aside_by_a_supervisor_with_a_reason(app: Flask) -> None:
    world = a_world(app, Terms(approval_value=500))
    asked = world.confirmed({"MUG": 1}, actor=world.actor("csr"))
    assert world.state(asked) == "requested"
    agent = world.signed_in("csr")
    page = agent.get(f"/admin/returns/{asked}/decision")
    assert "Only a supervisor may approve this." in page.page.text
    assert send(agent, page, {}).status_code == 403
    boss = world.signed_in("supervisor")
    page = boss.get(f"/admin/returns/{asked}/decision")
    refused = send(boss, page, {})
    assert refused.status_code == 422
    assert "Say why you set the objections aside" in refused.page.text
    fine = send(boss, page, {"objections-0-because": "A good customer"})
    assert fine.status_code == 303
    assert world.state(asked) == "approved"
    set_aside = (world.dossier(asked).verdict or {})["overruled"]
    assert [one["details"]["overruled_because"] for one in set_aside] == ["A good customer"]


def test_a_strangers_return_is_not_found_and_the_warehouse_may_not_decide(world: World, client: Any) -> None:
    other = world.confirmed(merchant_id=world.other)
    assert client.get(f"/admin/returns/{other}/decision").status_code == 404
    assert client.get(f"/admin/returns/{uuid4()}/decision").status_code == 404
    asked = world.requested()
    assert world.signed_in("warehouse").get(f"/admin/returns/{asked}/decision").status_code == 403


def test_the_customer_reads_what_was_refused_and_why(world: World, client: Any) -> None:
    asked = world.requested({"SHIRT": 1, "MUG": 3})
    page = client.get(f"/admin/returns/{asked}/decision")
    send(client, page, refusing(page, world, asked))
    shown = opened(world, asked).get(f"/r/{asked}/status").page.text
    assert "1 of 3 refused" in shown
    assert "Worn or used too much" in shown
    assert "It was worn." in shown


def test_what_only_a_supervisor_may_approve_is_said_where_the_button_was_pressed(app: Flask) -> None:
    world = a_world(app, Terms(approval_value=500))
    asked = world.confirmed({"MUG": 1}, actor=world.actor("csr"))
    agent = world.signed_in("csr")
    answer = agent.submit(agent.get(f"/admin/returns/{asked}"), button="Approve return")
    assert (answer.status_code, answer.location) == (303, f"/admin/returns/{asked}")
    assert "Only a supervisor may approve this." in agent.get(answer.location).page.text
    assert world.state(asked) == "requested"
    agent.get("/admin/")
    stranger = world.signed_in("warehouse")
    stranger.get("/admin/")
    assert stranger.post(f"/admin/returns/{asked}/authorization").status_code == 403


def test_another_reason_can_raise_an_objection_and_there_is_a_place_to_set_it_aside(app: Flask) -> None:
    """Final sale comes back by the shop's fault alone; put right, the reason says that it is none."""
    terms = Terms(approval_reasons=("defective",), photo_reasons=(), final_sale_categories=("home",))
    world = a_world(app, terms)
    asked = world.confirmed({"MUG": 1}, actor=world.actor("csr"), reason="defective")
    with world.app.app_context():
        from portal.services.handling import deciding

        deciding.undo(world.actor(), asked, now=now())
    boss = world.signed_in("supervisor")
    page = boss.get(f"/admin/returns/{asked}/decision")
    assert "objections-0-because" not in page.text
    row = row_of(page, world, asked, "MUG")
    refused = send(boss, page, {f"{row}changed_reason": "changed_mind"})
    assert refused.status_code == 422 and "Say why you set the objections aside" in refused.page.text
    fine = send(boss, refused, {"objections-0-because": "She was told otherwise"})
    assert fine.status_code == 303
    kept = (world.dossier(asked).verdict or {})["overruled"]
    assert [(one["code"], one["details"]["overruled_because"]) for one in kept] == [
        ("final_sale", "She was told otherwise")
    ]

"""Decide, receive, inspect, close, cancel: what each step does, refuses, and asks again."""

from typing import Any

import pytest
from flask import Flask

from tests.web.admin_world import World, a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


# ------------------------------------------------------------------------------------------------ deciding


def test_approving_authorizes_the_units_and_comes_back_to_the_return(world: World, client: Any) -> None:
    return_id = world.requested({"MUG": 2})
    answer = client.submit(client.get(f"/admin/returns/{return_id}"), button="Approve return")
    assert (answer.status_code, answer.location) == (303, f"/admin/returns/{return_id}")
    assert world.state(return_id) == "approved"
    assert world.lines(return_id)["MUG"].authorized == 2
    shown = client.get(f"/admin/returns/{return_id}").page
    assert "Read this number to the customer" in shown.text


def test_why_somebody_has_to_decide_stands_on_the_page(world: World, client: Any) -> None:
    page = client.get(f"/admin/returns/{world.requested()}").page
    assert "Why somebody has to decide" in page.text
    assert "are looked at by a person first." in page.text


def test_declining_needs_a_reason_and_words_for_the_customer(world: World, client: Any) -> None:
    return_id = world.requested()
    page = client.get(f"/admin/returns/{return_id}/decline")
    answer = client.submit(page)
    assert answer.status_code == 422
    assert answer.page.title.startswith("Error:")
    assert "Choose a reason" in answer.page.text
    assert "Write what the customer shall read" in answer.page.text
    assert world.state(return_id) == "requested"


def test_declining_and_undoing_it(world: World, client: Any) -> None:
    return_id = world.requested()
    page = client.get(f"/admin/returns/{return_id}/decline")
    answer = client.submit(page, {"reason": "excessive_wear", "message": "It was worn for long."})
    assert answer.status_code == 303
    shown = client.get(f"/admin/returns/{return_id}")
    assert world.state(return_id) == "declined"
    assert "It was worn for long." in shown.page.text
    assert "Worn or used too much" in shown.page.text
    client.submit(shown, button="Undo decline")
    assert world.state(return_id) == "requested"


def test_a_decline_cannot_be_undone_when_somebody_else_has_the_units(world: World, client: Any) -> None:
    from tests import builders
    from tests.web.admin_world import now

    return_id = world.requested()
    client.submit(
        client.get(f"/admin/returns/{return_id}/decline"), {"reason": "other", "message": "Please ask again."}
    )
    with world.app.app_context():
        draft = world.dossier(return_id).page.draft
        order = builders.order_called(world.own, draft.order_number)
        builders.a_return(
            world.gateways, world.own, order, {"SHIRT": 1}, now=now(), site=world.app.extensions["site"]
        )
    answer = client.submit(client.get(f"/admin/returns/{return_id}"), button="Undo decline")
    assert answer.status_code == 409
    assert "faster" in answer.page.text
    assert world.state(return_id) == "declined"


def test_what_somebody_else_changed_meanwhile_is_refused(world: World, client: Any) -> None:
    return_id = world.requested()
    seen = client.get(f"/admin/returns/{return_id}")
    decline = client.get(f"/admin/returns/{return_id}/decline")
    client.submit(seen, button="Approve return")
    answer = client.submit(decline, {"reason": "other", "message": "No."})
    assert answer.status_code == 409
    assert "Somebody changed this meanwhile" in answer.page.text
    assert world.state(return_id) == "approved"


def test_a_step_that_is_not_possible_any_more_says_what_it_is_now(world: World, client: Any) -> None:
    return_id = world.inspected()
    client.get("/admin/")
    answer = client.post(f"/admin/returns/{return_id}/cancellation")
    assert answer.status_code == 409
    assert "Inspected" in answer.page.text


# ----------------------------------------------------------------------------------------------- receiving


def test_nothing_is_counted_beforehand(world: World, client: Any) -> None:
    page = client.get(f"/admin/returns/{world.confirmed({'SHIRT': 1, 'MUG': 2})}/receipt").page
    values, names = page.fields(page.form("/receipt"))
    assert values["lines-0-units"] == values["lines-1-units"] == ""
    assert {"lines-0-damaged", "note", "version"} <= names


def test_fewer_units_than_announced_leave_the_rest_open(world: World, client: Any) -> None:
    return_id = world.confirmed({"MUG": 3})
    page = client.get(f"/admin/returns/{return_id}/receipt")
    typed = {"lines-0-units": "2", "lines-0-damaged": "1", "lines-0-other": "1", "note": "A spoon was in it."}
    answer = client.submit(page, typed)
    assert answer.status_code == 303
    assert world.state(return_id) == "partially_received"
    assert world.lines(return_id)["MUG"].received == 2
    shown = client.get(f"/admin/returns/{return_id}").page.text
    assert "2 × Demo mug" in shown
    assert "Damaged: 1 × Demo mug" in shown
    assert "A spoon was in it." in shown
    assert "Something else: 1 × Demo mug" in shown
    mug = world.lines(return_id)["MUG"]
    assert (mug.damaged, mug.other) == (1, 1)
    assert "1 unit expected" in client.get(f"/admin/returns/{return_id}/receipt").page.text


def test_all_of_it_arrived_with_one_press(world: World, client: Any) -> None:
    return_id = world.confirmed({"SHIRT": 1, "MUG": 3})
    client.submit(client.get(f"/admin/returns/{return_id}/receipt"), button="All of it arrived")
    assert world.state(return_id) == "received"
    assert {sku: line.received for sku, line in world.lines(return_id).items()} == {"SHIRT": 1, "MUG": 3}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"lines-0-units": "4"}, "3"),
        ({"lines-0-units": "-1"}, "Enter how many units arrived, from 0"),
        ({"lines-0-units": "some"}, ""),
        ({}, ""),
        ({"lines-0-units": "1", "lines-0-damaged": "2"}, "More are damaged than arrived"),
        ({"lines-0-units": "2", "lines-0-damaged": "1", "lines-0-other": "2"}, "something else than arrived"),
    ],
)
def test_a_count_that_cannot_be_is_refused(
    world: World, client: Any, typed: dict[str, str], told: str
) -> None:
    return_id = world.confirmed({"MUG": 3})
    answer = client.submit(
        client.get(f"/admin/returns/{return_id}/receipt"), typed, button="Receive what I counted"
    )
    assert answer.status_code == 422
    assert answer.page.title.startswith("Error:")
    assert told in answer.page.text
    assert world.state(return_id) == "approved"


def test_the_same_count_sent_twice_counts_once(world: World, client: Any) -> None:
    return_id = world.confirmed({"MUG": 3})
    page = client.get(f"/admin/returns/{return_id}/receipt")
    assert client.submit(page, {"lines-0-units": "1"}).status_code == 303
    assert client.submit(page, {"lines-0-units": "1"}).status_code == 409
    assert world.lines(return_id)["MUG"].received == 1


# ---------------------------------------------------------------------------------------------- inspecting


def test_what_the_dock_saw_fills_in_the_inspection(world: World, client: Any) -> None:
    return_id = world.confirmed({"MUG": 3})
    typed = {"lines-0-units": "3", "lines-0-damaged": "1", "lines-0-other": "1"}
    client.submit(client.get(f"/admin/returns/{return_id}/receipt"), typed)
    page = client.get(f"/admin/returns/{return_id}/inspection")
    values, _ = page.page.fields(page.page.form("/inspection"))
    assert [values[f"lines-{n}-grade"] for n in range(3)] == ["D", "W", ""]
    assert [values[f"lines-{n}-units"] for n in range(3)] == ["1", "1", "1"]
    assert (values["lines-1-disposition"], values["lines-1-accepted"]) == ("quarantine", "no")
    client.submit(page, {"lines-0-accepted": "yes", "lines-2-grade": "A", "lines-2-accepted": "yes"})
    mug = world.lines(return_id)["MUG"]
    assert (world.state(return_id), mug.accepted, mug.rejected) == ("inspected", 2, 1)


def test_units_are_graded_and_the_grade_proposes_what_becomes_of_them(world: World, client: Any) -> None:
    return_id = world.received({"MUG": 3})
    page = client.get(f"/admin/returns/{return_id}/inspection")
    client.submit(page, {"lines-0-units": "2", "lines-0-grade": "B", "lines-0-accepted": "yes"})
    assert world.state(return_id) == "received"
    page = client.get(f"/admin/returns/{return_id}/inspection")
    client.submit(
        page,
        {
            "lines-0-grade": "D",
            "lines-0-accepted": "no",
            "lines-0-disposition": "ship_back_to_customer",
            "lines-0-note": "Broken",
        },
    )
    found = world.dossier(return_id)
    assert found.page.draft.state == "inspected"
    assert [(one.units, one.grade, one.disposition, one.accepted) for one in found.inspections] == [
        (2, "B", "restock_open_box", True),
        (1, "D", "ship_back_to_customer", False),
    ]


def test_nothing_is_accepted_beforehand_and_a_grade_needs_the_decision(world: World, client: Any) -> None:
    return_id = world.received()
    page = client.get(f"/admin/returns/{return_id}/inspection")
    values, _ = page.page.fields(page.page.form("/inspection"))
    assert "lines-0-accepted" not in values
    answer = client.submit(page, {"lines-0-grade": "A"})
    assert answer.status_code == 422
    assert "Choose whether these units are accepted" in answer.page.text


def test_more_than_arrived_cannot_be_inspected(world: World, client: Any) -> None:
    return_id = world.received({"MUG": 2})
    page = client.get(f"/admin/returns/{return_id}/inspection")
    answer = client.submit(page, {"lines-0-units": "3", "lines-0-grade": "A", "lines-0-accepted": "yes"})
    assert answer.status_code == 422
    assert world.lines(return_id)["MUG"].accepted == 0


# --------------------------------------------------------------------------------------- the end of a return


def test_closing_needs_a_reason_and_reopening_too(world: World, client: Any) -> None:
    return_id = world.inspected()
    page = client.get(f"/admin/returns/{return_id}/closure")
    assert client.submit(page).status_code == 422
    assert client.submit(page, {"reason": "administrative"}).status_code == 303
    assert world.state(return_id) == "closed"
    page = client.get(f"/admin/returns/{return_id}/reopening")
    assert client.submit(page).status_code == 422
    client.submit(page, {"reason": "A second parcel came."})
    assert world.state(return_id) == "inspected"


def test_canceling_frees_the_units_for_another_return(world: World, client: Any) -> None:
    return_id = world.confirmed({"SHIRT": 1})
    draft = world.dossier(return_id).page.draft
    answer = client.submit(client.get(f"/admin/returns/{return_id}"), button="Cancel return")
    assert answer.status_code == 303
    assert world.state(return_id) == "canceled"
    with world.app.app_context():
        from tests import builders

        assert builders.order_called(world.own, draft.order_number).lines[0].returnable_units == 1

"""Decide, close, cancel: what each step does, refuses, and asks again; goods are taken in at the dock."""

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


@pytest.mark.parametrize(
    ("stage", "words", "mode"), [("confirmed", "Receive goods", None), ("received", "Inspect goods", "grade")]
)
def test_the_page_of_a_return_leads_to_the_dock(
    world: World, client: Any, stage: str, words: str, mode: str | None
) -> None:
    return_id = getattr(world, stage)({"MUG": 2})
    page = client.get(f"/admin/returns/{return_id}").page
    wanted = f"/admin/dock/returns/{return_id}" + (f"?mode={mode}" if mode else "")
    assert page.link(words) == wanted
    sheet = client.get(wanted)
    assert sheet.status_code == 200
    assert sheet.page.link(world.dossier(return_id).page.draft.number) == f"/admin/returns/{return_id}"
    assert client.get(f"/admin/returns/{return_id}/receipt").status_code == 404


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


def test_what_cannot_be_on_its_way_is_not_said_to_be(world: World, client: Any) -> None:
    asked, approved = world.requested(), world.confirmed()
    client.get("/admin/")
    refused = client.post(f"/admin/returns/{asked}/shipment", data={})
    assert refused.status_code == 409
    assert "it is now “Under review”" in refused.page.text
    for _ in range(2):
        assert client.post(f"/admin/returns/{approved}/shipment", data={}).status_code == 303
    assert "Marked as on its way." in client.get(f"/admin/returns/{approved}").page.text
    assert world.state(approved) == "in_transit"

"""The same step for many returns: a result for each, and all that were done can be undone."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask

from tests.web.admin_world import World, a_world

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("csr")


def run(client: Any, action: str, ids: list[UUID], **more: str) -> Any:
    client.get("/admin/")
    return client.post(f"/admin/returns/bulk/{action}", data={"ids": [str(one) for one in ids], **more})


def test_every_row_has_its_own_result(world: World, client: Any) -> None:
    waiting, done, other = world.requested(), world.received(), world.confirmed(merchant_id=world.other)
    nobody = uuid4()
    answer = run(client, "approve", [waiting, done, other, nobody])
    assert answer.status_code == 200
    text = answer.page.text
    assert "1 done, 3 not done" in text
    assert text.count("Not found") == 2
    assert "it is now “Received”" in text
    assert world.state(waiting) == "approved"
    assert world.dossier(other, world.other).page.draft.number not in text


def test_all_that_were_declined_are_taken_back_at_once(world: World, client: Any) -> None:
    asked = [world.requested(), world.requested()]
    answer = run(client, "decline", asked, reason="excessive_wear", message="Worn.")
    assert [world.state(one) for one in asked] == ["declined", "declined"]
    answer = client.submit(answer, button="Undo 2 decisions")
    assert "2 done, 0 not done" in answer.page.text
    assert [world.state(one) for one in asked] == ["requested", "requested"]


def test_declining_needs_a_reason_and_nothing_is_done_without(world: World, client: Any) -> None:
    asked = world.requested()
    answer = run(client, "decline", [asked])
    assert answer.status_code == 422
    assert "Choose a reason" in answer.page.text
    assert world.state(asked) == "requested"


def test_returns_are_tagged_and_assigned(world: World, client: Any) -> None:
    from portal.services import assigning, tags

    asked = world.requested()
    assert "1 done" in run(client, "tag", [asked, asked], tag="Check twice").page.text
    with world.app.app_context():
        assert tags.of([asked]) == {asked: ("check twice",)}
        someone = assigning.colleagues(world.own)[0][0]
    assert "1 done" in run(client, "assign", [asked], person=str(someone)).page.text


def test_more_than_can_be_done_at_once_is_refused_as_a_whole(world: World, client: Any) -> None:
    asked = world.requested()
    answer = run(client, "approve", [asked, *(uuid4() for _ in range(200))])
    assert answer.status_code == 422
    assert "at most 200" in answer.page.text
    assert world.state(asked) == "requested"


def test_the_warehouse_decides_nothing(world: World) -> None:
    asked = world.requested()
    answer = run(world.signed_in("warehouse"), "approve", [asked])
    assert "You may not do this" in answer.page.text
    assert world.state(asked) == "requested"


def test_nothing_chosen_and_an_unknown_action(world: World, client: Any) -> None:
    assert run(client, "approve", []).status_code == 422
    assert run(client, "forget", [world.requested()]).status_code == 404


def test_the_chosen_returns_of_a_list_are_asked_about(world: World, client: Any) -> None:
    asked = world.requested()
    client.get("/admin/")
    page = client.post("/admin/returns/bulk", data={"ids": str(asked)})
    assert "1 return chosen" in page.page.h1
    answer = client.submit(page, button="Approve all")
    assert "1 done, 0 not done" in answer.page.text

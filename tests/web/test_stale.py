"""A write that comes too late is refused with both versions, and nothing that was typed is lost."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests import builders
from tests.web.admin_world import World, a_world, now

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture
def client(world: World) -> Any:
    return world.signed_in("supervisor")


def by_another(world: World, act: Callable[..., Any], return_id: UUID, **more: Any) -> None:
    """Somebody else does something to the return."""
    with world.app.app_context():
        act(world.actor("supervisor"), return_id, now=now(), **more)


def refused(answer: Any, *told: str) -> None:
    assert answer.status_code == 409
    assert "Somebody changed this meanwhile" in answer.page.h1
    assert "What you sent" in answer.page.text
    for words in told:
        assert words in answer.page.text


def test_a_decision_on_what_was_decided_shows_both_and_is_sent_again(world: World, client: Any) -> None:
    from portal.services import deciding

    asked = world.requested({"MUG": 2})
    page = client.get(f"/admin/returns/{asked}/decision")
    by_another(world, deciding.decline, asked, reason="excessive_wear")
    typed = {"lines-0-approved": "1", "lines-0-reason": "other", "message": "One of them."}
    answer = client.submit(page, typed, button="Save the decision")
    refused(answer, "1 approved", "2 refused: Worn or used too much", "Declined", "Return declined")
    assert world.state(asked) == "declined"
    again = client.submit(answer, button="Send mine all the same")
    assert again.status_code == 303
    assert world.lines(asked)["MUG"].authorized == 1


def test_an_approval_and_a_refusal_of_what_was_decided(world: World, client: Any) -> None:
    from portal.services import deciding

    asked = world.requested()
    seen, decline = client.get(f"/admin/returns/{asked}"), client.get(f"/admin/returns/{asked}/decline")
    by_another(world, deciding.decline, asked, reason="excessive_wear")
    refused(client.submit(seen, button="Approve return"), "Approve return", "Declined")
    late = client.submit(decline, {"reason": "other", "message": "No."})
    refused(late, "Worn or used too much")
    assert world.state(asked) == "declined"


def test_an_undo_of_what_another_took_back(world: World, client: Any) -> None:
    from portal.services import deciding

    asked = world.requested()
    by_another(world, deciding.decline, asked, reason="other")
    seen = client.get(f"/admin/returns/{asked}")
    by_another(world, deciding.undo, asked)
    refused(client.submit(seen, button="Undo decline"))
    assert world.state(asked) == "requested"


def test_a_count_of_what_another_counted(world: World, client: Any) -> None:
    from portal.services import receiving

    asked = world.confirmed({"MUG": 3})
    page = client.get(f"/admin/returns/{asked}/receipt")
    mug = world.lines(asked)["MUG"].id
    by_another(world, receiving.receive, asked, counts={mug: 2})
    refused(client.submit(page, {"lines-0-units": "3"}), "3 more arrived", "2 of 3 arrived")
    assert world.lines(asked)["MUG"].received == 2


def test_an_inspection_of_what_another_inspected(world: World, client: Any) -> None:
    asked = world.received({"MUG": 2})
    page = client.get(f"/admin/returns/{asked}/inspection")
    with world.app.app_context():
        builders.inspect(world.own, asked, now=now())
    typed = {"lines-0-grade": "D", "lines-0-units": "2", "lines-0-accepted": "no"}
    refused(client.submit(page, typed), "2 × ")
    assert world.lines(asked)["MUG"].rejected == 0


def test_closing_and_reopening_what_another_closed_and_reopened(world: World, client: Any) -> None:
    from portal.services import desk

    asked = world.inspected()
    page = client.get(f"/admin/returns/{asked}/closure")
    by_another(world, desk.close, asked)
    refused(client.submit(page, {"reason": "completed"}), "Close return", "Completed")
    page = client.get(f"/admin/returns/{asked}/reopening")
    by_another(world, desk.reopen, asked, reason="Something came")
    refused(client.submit(page, {"reason": "It goes on"}), "Reopen return", "Inspected")


def test_a_policy_draft_that_another_wrote(world: World) -> None:
    from dataclasses import replace

    from portal.services import policies

    client = world.signed_in("admin")
    page = client.get(f"/admin/policies/{world.own}/draft")
    with world.app.app_context():
        boss = world.actor("admin")
        terms = policies.of_merchant(boss, world.own).draft.terms
        policies.write(boss, world.own, replace(terms, window_days=77), revision=0, now=now())
    answer = client.submit(page, {"window_days": "33"}, button="Save the draft")
    refused(answer, "77", "33")
    again = client.submit(answer, button="Send mine all the same")
    assert again.status_code == 303

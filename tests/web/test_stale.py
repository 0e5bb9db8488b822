"""A write that comes too late is refused with both versions, and nothing that was typed is lost."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests import builders
from tests.web import dock_steps
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
    from portal.services.handling import deciding

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
    from portal.services.handling import deciding

    asked = world.requested()
    seen, decline = client.get(f"/admin/returns/{asked}"), client.get(f"/admin/returns/{asked}/decline")
    by_another(world, deciding.decline, asked, reason="excessive_wear")
    refused(client.submit(seen, button="Approve return"), "Approve return", "Declined")
    late = client.submit(decline, {"reason": "other", "message": "No."})
    refused(late, "Worn or used too much")
    assert world.state(asked) == "declined"


def test_an_undo_of_what_another_took_back(world: World, client: Any) -> None:
    from portal.services.handling import deciding

    asked = world.requested()
    by_another(world, deciding.decline, asked, reason="other")
    seen = client.get(f"/admin/returns/{asked}")
    by_another(world, deciding.undo, asked)
    refused(client.submit(seen, button="Undo decline"))
    assert world.state(asked) == "requested"


def test_a_count_of_what_another_counted(world: World, client: Any) -> None:
    from portal.services.docking import receiving

    asked = world.confirmed({"MUG": 3})
    sheet = dock_steps.scanned(client, dock_steps.opened(client, asked), "MUG", "2", "A")
    mug = world.lines(asked)["MUG"].id
    by_another(world, receiving.receive, asked, counts={mug: 1})
    late = dock_steps.saved(client, sheet, note="A torn box")
    assert late.status_code == 409
    for words in ("What you sent", "What is there now", "2 × A", "1 of 3 arrived", "Partly received"):
        assert words in late.page.text
    assert late.page.by_id("dock-note").get("value") == "A torn box"
    assert world.lines(asked)["MUG"].received == 1
    again = client.submit(late, button="Send mine all the same")
    assert again.status_code == 303
    mug_line = world.lines(asked)["MUG"]
    assert (mug_line.received, mug_line.accepted) == (3, 2)


def test_an_inspection_of_what_another_inspected(world: World, client: Any) -> None:
    asked = world.received({"MUG": 2})
    sheet = dock_steps.scanned(client, dock_steps.opened(client, asked, "grade"), "MUG", "2", "D")
    with world.app.app_context():
        builders.inspect(world.own, asked, now=now())
    late = dock_steps.saved(client, sheet)
    assert late.status_code == 409 and "What you sent" in late.page.text
    assert "2 × D" in late.page.text and "2 × A" in late.page.text
    assert world.lines(asked)["MUG"].rejected == 0


def test_closing_and_reopening_what_another_closed_and_reopened(world: World, client: Any) -> None:
    from portal.services.handling import desk

    asked = world.inspected()
    page = client.get(f"/admin/returns/{asked}/closure")
    by_another(world, desk.close, asked)
    refused(client.submit(page, {"reason": "completed"}), "Close return", "Completed")
    page = client.get(f"/admin/returns/{asked}/reopening")
    by_another(world, desk.reopen, asked, reason="Something came")
    refused(client.submit(page, {"reason": "It goes on"}), "Reopen return", "Inspected")


def test_a_policy_draft_that_another_wrote(world: World) -> None:
    from dataclasses import replace

    from portal.services.rules import policies

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


def test_a_policy_that_another_changed_is_not_published_unseen(world: World) -> None:
    from dataclasses import replace

    from portal.services.rules import policies

    client, boss = world.signed_in("admin"), None

    def write(days: int) -> None:
        nonlocal boss
        with world.app.app_context():
            boss = boss or world.actor("admin")
            draft = policies.of_merchant(boss, world.own).draft
            terms = replace(draft.terms, window_days=days)
            policies.write(boss, world.own, terms, revision=draft.revision, now=now())

    write(44)
    page, overview = (client.get(f"/admin/policies/{world.own}{path}") for path in ("/check", ""))
    write(77)
    answer = client.submit(page, button="Publish version")
    refused(answer, "44", "77", "Look at it first.")
    assert "Send mine all the same" not in answer.page.text
    refused(client.submit(overview, button="Discard the draft"), "44", "77")
    with world.app.app_context():
        assert policies.of_merchant(boss, world.own).draft.published == 1


def test_a_refund_after_another_was_made_meanwhile(world: World, client: Any) -> None:
    from portal.services.refunding import refunds

    asked = world.inspected({"MUG": 2})
    seen = client.get(f"/admin/returns/{asked}/refund")
    with world.app.app_context():
        refunds.propose(world.actor("finance"), asked, now=now())
    late = client.submit(seen, button="Refund €16.10")
    refused(late, "€16.10", "Nothing more", world.dossier(asked).refunds[0].number)
    assert "Send mine all the same" not in late.page.text
    assert len(world.dossier(asked).refunds) == 1


def test_a_refund_of_what_more_was_graded_meanwhile_is_sent_again(world: World, client: Any) -> None:
    asked = world.received({"MUG": 3})
    dock = world.signed_in("warehouse")
    assert dock_steps.graded(dock, asked, "MUG", "A").status_code == 303
    seen = client.get(f"/admin/returns/{asked}/refund")
    assert dock_steps.graded(dock, asked, "MUG", "A").status_code == 303
    late = client.submit(seen, button="Refund €6.10")
    refused(late, "€6.10", "€16.10")
    assert world.dossier(asked).refunds == ()
    assert client.submit(late, button="Send mine all the same").status_code == 303
    assert [one.amount for one in world.dossier(asked).refunds] == [1610]


def test_an_approval_of_a_refund_that_was_changed_or_given_up(world: World) -> None:
    from portal.core.refunds.overrides import Overrides
    from portal.services.refunding import refunds

    asked = world.inspected({"MUG": 2})
    line = world.lines(asked)["MUG"].order_line_id
    with world.app.app_context():
        agent = world.actor("csr")
        less, least = (Overrides(amounts=((line, n),), reason="Worn") for n in (1900, 1500))
        refund_id = refunds.propose(agent, asked, overrides=less, now=now())
    finance = world.signed_in("finance")
    seen = finance.get(f"/admin/returns/{asked}")
    with world.app.app_context():
        refunds.revise(agent, refund_id, overrides=least, now=now())
    late = finance.submit(seen, button="Approve refund")
    refused(late, "€15.10", "€11.10")
    with world.app.app_context():
        refunds.cancel(agent, refund_id, reason="A mistake", now=now())
    gone = finance.submit(late, button="Send mine all the same")
    refused(gone, "That is not possible any more")
    assert "Send mine all the same" not in gone.page.text
    assert world.dossier(asked).refunds[0].state == "canceled"


def test_goods_that_nobody_announced_are_decided_once(world: World, client: Any) -> None:
    from pathlib import Path

    from portal.services.docking import unexpected

    world.order()
    with world.app.app_context():
        boss, what = world.actor(), unexpected.Surprise(kind="unknown_parcel", sku="MUG")
        found = unexpected.note(boss, world.own, what, folder=Path(), now=now())
    page = client.get(f"/admin/dock/unexpected/{found}")
    with world.app.app_context():
        unexpected.decide(boss, found, decision="sent_back", now=now())
    answer = client.submit(page, button="Back to stock")
    refused(answer, "Back to stock", "Sent back")
    with world.app.app_context():
        assert unexpected.one(boss, found).state == "sent_back"

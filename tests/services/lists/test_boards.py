"""The inbox: what waits for whom, oldest first, with its clock; and the money from authorization to credit."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import db, transaction
from portal.db.returns import Return
from portal.services.lists import boards
from portal.services.refunding import refunds
from tests.web.admin_world import World, a_world, now


@pytest.fixture
def world(app: Flask) -> World:
    return a_world(app)


@pytest.fixture(autouse=True)
def around(app: Flask) -> Any:
    with app.app_context():
        yield


def kinds(found: boards.Inbox) -> list[str]:
    return [item.kind for item in found.items]


def test_what_waits_is_told_oldest_first_whatever_it_is(world: World) -> None:
    arrived = world.received()
    asked = world.requested()
    found = boards.inbox(world.actor("supervisor"), now=now())
    assert [(item.kind, item.subject_id) for item in found.items] == [
        ("decide", asked),
        ("inspect", arrived),
    ] or [(item.kind, item.subject_id) for item in found.items] == [("inspect", arrived), ("decide", asked)]
    assert [item.since for item in found.items] == sorted(item.since for item in found.items)
    assert found.counts == {"decide": 1, "inspect": 1}
    assert found.total == 2


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("csr", {"decide"}),
        ("warehouse", {"inspect"}),
        ("finance", set()),
        ("supervisor", {"decide", "inspect"}),
    ],
)
def test_nobody_is_told_of_work_they_may_not_do(world: World, role: str, expected: set[str]) -> None:
    world.received()
    world.requested()
    assert set(boards.inbox(world.actor(role), now=now()).counts) == expected


def test_another_shops_work_waits_for_others(world: World) -> None:
    world.requested()
    assert boards.inbox(world.actor("supervisor", world.other), now=now()).items == ()


def test_the_clock_runs_from_the_policy_and_ends(world: World) -> None:
    world.requested()
    actor, at = world.actor("supervisor"), now()
    (item,) = boards.inbox(actor, now=at).items
    assert item.due_at == item.since + timedelta(hours=24)
    assert not item.overdue(item.since + timedelta(hours=23))
    assert boards.inbox(actor, now=item.since + timedelta(hours=24)).overdue == 1


def test_what_others_look_after_is_left_out_until_it_is_asked_for(world: World) -> None:
    mine, theirs, nobodys = world.requested(), world.requested(), world.requested()
    actor, other = world.actor("supervisor"), world.actor("csr")
    look_after(mine, actor.id)
    look_after(theirs, other.id)
    assert {item.subject_id for item in boards.inbox(actor, now=now()).items} == {mine, nobodys}
    everything = boards.inbox(actor, now=now(), who="all")
    assert {item.subject_id for item in everything.items} == {mine, theirs, nobodys}


def look_after(return_id: UUID, person_id: UUID | None) -> None:
    with transaction():
        db.session.execute(sa.update(Return).where(Return.id == return_id).values(assignee_id=person_id))


def test_one_kind_alone_keeps_the_counts_of_all(world: World) -> None:
    world.requested()
    world.received()
    found = boards.inbox(world.actor("supervisor"), now=now(), kind="inspect")
    assert kinds(found) == ["inspect"]
    assert found.counts == {"decide": 1, "inspect": 1}


def test_a_refund_is_seen_at_every_stage_of_its_way(world: World, drain: Any) -> None:
    coming, here = world.confirmed(), world.inspected()
    actor = world.actor("supervisor")
    at = {stage.code: stage for stage in boards.stages(actor, now=now())}
    assert (at["authorized"].count, at["arrived"].count) == (1, 1)
    assert [card.return_id for card in at["authorized"].cards] == [coming]
    estimate = world.dossier(here).page.breakdown.amount
    assert at["arrived"].sums == (("EUR", estimate),)
    assert 0 < estimate < 5_000, "the postage is the customer's"
    refunds.propose(actor, here, now=now())
    moved = {stage.code: stage for stage in boards.stages(actor, now=now())}
    under_way = [code for code in ("to_approve", "approved", "sent") if moved[code].count]
    assert (moved["arrived"].count, len(under_way)) == (0, 1)
    db.session.rollback()
    drain()
    done = {stage.code: stage for stage in boards.stages(actor, now=now())}
    assert done["credited"].sums == (("EUR", estimate),)
    later = {stage.code: stage for stage in boards.stages(actor, now=now() + timedelta(days=8))}
    assert later["credited"].count == 0


def test_the_stages_of_another_shop_are_empty(world: World) -> None:
    world.inspected()
    assert {stage.count for stage in boards.stages(world.actor("finance", world.other), now=now())} == {0}


def test_whatever_happens_changes_the_number_that_pages_ask_for(world: World) -> None:
    actor, stranger = world.actor("csr"), world.actor("csr", world.other)
    before, strange = boards.changes(actor), boards.changes(stranger)
    assert boards.changes(actor) == before
    world.requested()
    db.session.rollback()  # the next look is another request's
    assert boards.changes(actor) > before
    assert boards.changes(stranger) == strange


def test_a_person_of_two_shops_sees_the_work_of_both(world: World) -> None:
    world.requested()
    both = replace(world.actor("csr"), roles={world.own: "csr", world.other: "warehouse"})
    assert boards.inbox(both, now=now()).counts == {"decide": 1}


@pytest.mark.parametrize(
    ("state", "told"), [("open", "dispute"), ("awaiting_merchant", "dispute"), ("escalated", "escalated")]
)
def test_what_a_customer_contests_is_told_once(world: World, state: str, told: str) -> None:
    """The words of a dispute are a message too."""
    contested = world.received()
    with transaction() as session:
        row = session.get_one(Return, contested)
        row.unread, row.dispute_state = 1, state
    counts = boards.inbox(world.actor("supervisor"), now=now()).counts
    assert "reply" not in counts, f"it is told as {told}"
    with transaction() as session:
        session.get_one(Return, contested).dispute_state = "none"
    assert boards.inbox(world.actor("supervisor"), now=now()).counts["reply"] == 1


def test_a_sum_of_some_says_that_it_is_not_of_all(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _n in range(2):
        world.inspected()
    monkeypatch.setattr(boards, "MOST", 2)
    page = world.signed_in("supervisor").get("/admin/boards/refunds").page
    assert "2+" in page.text and "At least €" in page.text
    monkeypatch.setattr(boards, "MOST", 3)
    assert "At least" not in world.signed_in("finance").get("/admin/boards/refunds").page.text


def test_the_list_of_a_stage_has_what_the_stage_counts(world: World) -> None:
    here, coming = world.inspected(), world.confirmed()
    client = world.signed_in("supervisor")
    links = client.get("/admin/boards/refunds").page.links()
    at = {
        name: url for text, url in links.items() for name in ("Authorized", "Goods are here") if name in text
    }
    for name, back, other in (("Goods are here", here, coming), ("Authorized", coming, here)):
        found = client.get(at[name]).page.links().values()
        assert f"/admin/returns/{back}" in found and f"/admin/returns/{other}" not in found

"""Power cuts: whoever dies wherever, after a restart the money went once, is written down once, and was told once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from portal import create_app
from portal.core.access import Conflict
from portal.db.base import db
from portal.db.gateway import GatewayEvent
from portal.db.merchants import Merchant
from portal.db.refunds import Refund
from portal.db.slots import slots
from portal.services.gateways import gateway_events
from portal.services.refunding import refunds
from tests import databases
from tests.databases import KINDS, Database
from tests.mail import Mailbox
from tests.services import crashing, racing
from tests.services import racing_shop as shop
from tests.services.crashing import KILLED, SEEDS, Lot, assert_once, lot, returns_of, run_worker, settle_all

BY_WORKER = (
    "after_claim",
    "before_http",
    "after_http_sent",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
    "after_smtp_250",
)


@pytest.fixture(scope="module", params=KINDS)
def stocked(request: pytest.FixtureRequest) -> Iterator[tuple[Database, list[Lot]]]:
    """A database in which the goods of every seed are back; each test has a copy of it."""
    lots = [lot(seed) for seed in SEEDS]
    with request.getfixturevalue(f"{request.param}_template").fresh() as database:
        app = create_app(database.settings())
        crashing.fill(app, lots)
        databases.close(app)
        yield database, lots


@pytest.fixture
def lots(stocked: tuple[Database, list[Lot]]) -> list[Lot]:
    return stocked[1]


@pytest.fixture
def database(request: pytest.FixtureRequest, stocked: tuple[Database, list[Lot]]) -> Iterator[Database]:
    source = stocked[0]
    with request.getfixturevalue(f"{source.kind}_template").fresh(source) as copy:
        yield copy


@pytest.fixture
def world(make_app: Callable[..., Any], smtp: Mailbox) -> Iterator[Any]:
    """The app of the shop's people; it sends by the same mail server as the workers."""
    app = make_app(**smtp.environ())
    with app.app_context():
        yield app
        db.session.rollback()


def agent() -> Any:
    merchant = db.session.scalars(sa.select(Merchant.id)).one()
    db.session.rollback()
    return crashing.person_of(merchant)


def executed(app: Any) -> list[tuple[str, int, str]]:
    """The gateway's own list."""
    sandbox = app.extensions["gateways"].payments["sandbox"]
    return [(key, amount, state) for key, _, amount, state in sandbox.refunds()]


@pytest.mark.parametrize("point", BY_WORKER)
def test_a_worker_that_dies_anywhere_leaves_nothing_lost_and_nothing_doubled(
    database: Database, world: Any, smtp: Mailbox, lots: list[Lot], point: str
) -> None:
    """Each seed's refunds meet a worker that dies; who takes them up dies as well, or lives, as the seed has it."""
    kills = 0
    for one in lots:
        for return_id in returns_of(one.number):
            refunds.propose(agent(), return_id, now=shop.NOW)
        db.session.rollback()
        options, told = ("--threads", str(one.threads)), f"{point}, {one}"
        dies = {**smtp.environ(), "FAULT_POINT": f"{point}:{one.passage}"}
        ended = run_worker(database, *options, **dies)
        assert ended == KILLED or any(one.endings), f"{told}: it was to pass there, and did not"
        kills += ended == KILLED
        if one.again and point != "after_smtp_250":  # where each death may cost one more copy of a mail
            assert run_worker(database, *options, **{**dies, "FAULT_POINT": f"{point}:1"}) in (KILLED, 0)
        else:
            assert run_worker(database, *options, **smtp.environ()) == 0, told
    assert kills >= min(2, len(lots) // 2)
    settle_all(world)
    copies = 2 if point == "after_smtp_250" else 1
    assert_once(executed(world), smtp, lots, copies=copies, told=f"{point}, seeds {SEEDS}")


@pytest.mark.parametrize(
    ("point", "decided"), [("before_intent_commit", False), ("after_intent_commit", True)]
)
def test_a_decision_is_made_with_its_work_or_not_at_all(
    database: Database, world: Any, smtp: Mailbox, lots: list[Lot], point: str, decided: bool
) -> None:
    for one in lots:
        for return_id in returns_of(one.number):
            person, told = agent(), f"{point}, {one}"
            died = racing.process(
                racing.once, database, {"FAULT_POINT": point}, crashing.propose, person, return_id
            )
            died.join(120)
            assert died.exitcode == KILLED, told
            if decided:
                with pytest.raises(Conflict, match="nothing_to_refund"):
                    refunds.propose(person, return_id, now=shop.NOW)
            else:
                refunds.propose(person, return_id, now=shop.NOW)
    assert run_worker(database, **smtp.environ()) == 0
    settle_all(world)
    assert_once(executed(world), smtp, lots, copies=1, told=f"{point}, seeds {SEEDS}")


def receive(gateways: Any, headers: dict[str, str], body: bytes) -> bool:
    return gateway_events.receive("sandbox", headers, body, gateways=gateways, now=datetime.now(UTC))


def test_a_webhook_whose_process_dies_is_delivered_again_and_counts_once(
    database: Database, world: Any, smtp: Mailbox, lots: list[Lot]
) -> None:
    """in_webhook_after_insert: the event is stored with its work, and the gateway, which got no answer, repeats."""
    for one in lots:
        for return_id in returns_of(one.number):
            refunds.propose(agent(), return_id, now=shop.NOW)
    db.session.rollback()
    assert run_worker(database, **smtp.environ()) == 0
    gateways = world.extensions["gateways"]
    sandbox = gateways.payments["sandbox"]
    sandbox.settle()
    made = [one.reference for one in sandbox.refunds_since(datetime.fromtimestamp(0, UTC))]
    for reference in made[:: max(1, len(made) // 4)]:
        told = sandbox.announce(reference, now=datetime.now(UTC))
        dies = {"FAULT_POINT": "in_webhook_after_insert"}
        died = racing.process(racing.once, database, dies, receive, *told)
        died.join(120)
        assert died.exitcode == KILLED, reference
        assert receive(gateways, *told) is False, "it was stored, and its work promised with it"
    assert run_worker(database, **smtp.environ()) == 0
    settle_all(world)
    events = db.session.execute(sa.select(GatewayEvent.event_id, GatewayEvent.outcome)).all()
    assert {outcome for _, outcome in events} == {"applied"}
    assert len({event_id for event_id, _ in events}) == len(events)
    assert_once(executed(world), smtp, lots, copies=1, told=f"in_webhook_after_insert, seeds {SEEDS}")


def test_what_a_dead_worker_left_is_taken_up_by_one_that_lives(
    database: Database, world: Any, smtp: Mailbox, lots: list[Lot]
) -> None:
    """Without a restart: the dead worker's lock went with it, and whoever is alive takes its work."""
    one = next(one for one in lots if not any(one.endings))
    wanted = returns_of(one.number)
    for return_id in wanted:
        refunds.propose(agent(), return_id, now=shop.NOW)
    db.session.rollback()
    with slots(database.folder) as held:
        assert held.take(0)
        assert run_worker(database, **smtp.environ(), FAULT_POINT="after_http_response") == KILLED
        assert held.take(1), "the dead worker had the second slot, and its lock died with it"
        living = racing.process(racing.work, database, smtp.environ())
        until = time.monotonic() + 20
        while held.take(2) and time.monotonic() < until:
            held.free(2)
            time.sleep(0.2)
        held.free(1)
        while time.monotonic() < until and _succeeded() < len(wanted):
            time.sleep(0.2)
        living.terminate()
        living.join(120)
    assert living.exitcode == 0
    settle_all(world, rounds=1)
    assert_once(executed(world), smtp, [one], copies=1, told=str(one))


def _succeeded() -> int:
    db.session.rollback()
    return db.session.scalar(sa.select(sa.func.count()).where(Refund.state == "succeeded")) or 0


def test_outside_of_tests_no_place_kills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from portal import faults

    monkeypatch.setenv("FAULT_POINT", "after_claim")
    monkeypatch.setenv("APP_ENV", "production")
    faults.point("after_claim")

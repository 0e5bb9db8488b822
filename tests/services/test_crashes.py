"""Power cuts: whoever dies wherever, after a restart the money went once, is written down once, and was told once."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.access import Actor, Conflict
from portal.db.base import db
from portal.db.refunds import Payout, Refund
from portal.db.slots import slots
from portal.services import audit, refunds
from tests.databases import Database
from tests.mail import Mailbox
from tests.services import racing
from tests.services import racing_shop as shop

BY_WORKER = (
    "after_claim",
    "before_http",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
    "after_smtp_250",
)
KILLED = -signal.SIGKILL


@pytest.fixture
def person(session: Session) -> Actor:
    return shop.agent(shop.open_shop())


def back(person: Actor, gateways: Any, ending: str = "") -> UUID:
    """A return whose goods are back, of an order that two cards paid."""
    (merchant,) = person.roles
    order = shop.take_order(merchant, "C-1", {"JAR": (3, "21.00")}, gateways, endings=(ending, ""))
    made = shop.draft(person, merchant, order, {"JAR": 3}, gateways)
    shop.came_back(person, made)
    return made


def propose(_gateways: Any, person: Actor, return_id: UUID) -> UUID:
    return refunds.propose(person, return_id, now=shop.NOW)


def work(database: Database, *options: str, **environ: str) -> int:
    """A worker from its start to its end; answers how it ended."""
    worker = racing.process(racing.work, database, environ, "--threads", "1", *options)
    worker.join(40)
    assert worker.exitcode is not None, "the worker hangs"
    return int(worker.exitcode)


def assert_refunded_once(gateways: Any, mailbox: Mailbox, *, copies: int = 1) -> None:
    """In the gateway's own books, in ours, and in the customer's mailbox."""
    db.session.rollback()
    executed = gateways.payments["sandbox"].refunds()
    assert sorted((amount, state) for _, _, amount, state in executed) == [(3150, "succeeded")] * 2
    rows = db.session.execute(sa.select(Payout.key, Payout.state, Payout.amount_minor)).all()
    assert sorted(rows) == sorted((key, "succeeded", amount) for key, _, amount, _ in executed)
    assert db.session.execute(sa.select(Refund.state, Refund.amount_minor)).all() == [("succeeded", 6300)]
    arrived = Counter(message["Message-ID"] for message in mailbox.messages)
    told = dict(db.session.execute(sa.text("SELECT event, message_id FROM mails")).all())
    assert set(arrived) == set(told.values())
    assert set(told) == {"approved", "received", "refunded"}
    assert sorted(arrived.values(), reverse=True) <= [copies, 1, 1]
    assert audit.verify().problems == []


@pytest.mark.parametrize("point", BY_WORKER)
def test_a_worker_that_dies_anywhere_leaves_nothing_lost_and_nothing_doubled(
    database: Database, person: Actor, gateways: Any, smtp: Mailbox, point: str
) -> None:
    refunds.propose(person, back(person, gateways), now=shop.NOW)
    passage = 2 if database.kind == "postgresql" else 1
    assert work(database, "--drain", **smtp.environ(), FAULT_POINT=f"{point}:{passage}") == KILLED
    assert work(database, "--drain", **smtp.environ()) == 0
    assert_refunded_once(gateways, smtp, copies=2 if point == "after_smtp_250" else 1)


@pytest.mark.parametrize(
    ("point", "decided"), [("before_intent_commit", False), ("after_intent_commit", True)]
)
def test_a_decision_is_made_with_its_work_or_not_at_all(
    database: Database, person: Actor, gateways: Any, smtp: Mailbox, point: str, decided: bool
) -> None:
    made = back(person, gateways)
    died = racing.process(racing.once, database, {"FAULT_POINT": point}, propose, person, made)
    died.join(40)
    assert died.exitcode == KILLED
    if decided:
        with pytest.raises(Conflict, match="nothing_to_refund"):
            refunds.propose(person, made, now=shop.NOW)
    else:
        refunds.propose(person, made, now=shop.NOW)
    assert work(database, "--drain", **smtp.environ()) == 0
    assert_refunded_once(gateways, smtp)


def test_what_a_dead_worker_left_is_taken_up_by_one_that_lives(
    database: Database, person: Actor, gateways: Any, smtp: Mailbox
) -> None:
    refunds.propose(person, back(person, gateways), now=shop.NOW)
    with slots(database.folder) as held:
        assert held.take(0)
        assert work(database, "--drain", **smtp.environ(), FAULT_POINT="after_http_response") == KILLED
        assert held.take(1), "the dead worker had the second slot, and its lock died with it"
        living = racing.process(racing.work, database, smtp.environ())
        until = time.monotonic() + 20
        while held.take(2) and time.monotonic() < until:
            held.free(2)
            time.sleep(0.2)
        held.free(1)
        while time.monotonic() < until and not _succeeded():
            time.sleep(0.2)
        living.terminate()
        living.join(20)
    assert living.exitcode == 0
    assert work(database, "--drain", **smtp.environ()) == 0
    assert_refunded_once(gateways, smtp)


def _succeeded() -> bool:
    db.session.rollback()
    return db.session.scalar(sa.select(Refund.state)) == "succeeded"


def test_outside_of_tests_no_place_kills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from portal import faults

    monkeypatch.setenv("FAULT_POINT", "after_claim")
    monkeypatch.setenv("APP_ENV", "production")
    faults.point("after_claim")

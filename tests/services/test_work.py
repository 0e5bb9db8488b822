"""Durable work: promised with what decided it, done once, tried again, taken up, and listed when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal.db import returns as stored
from portal.db.base import db, transaction, uuid7
from portal.db.mails import Mail
from portal.db.slots import slots
from portal.ports import Unavailable
from portal.services import work
from portal.services.filing import returns
from portal.services.refunding import refunds
from portal.services.talking import notices
from tests.databases import Database
from tests.mail import Mailbox, free_port, receiving
from tests.services import racing
from tests.services import racing_shop as shop

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., None]


@pytest.fixture
def run(app: Flask, database: Database) -> Run:
    """Do what is due, by the jobs given by their names."""

    def drain(**jobs: work.Job) -> None:
        db.session.rollback()
        work.run(jobs, context=app.app_context, data_dir=database.folder, stop=threading.Event(), drain=True)

    return drain


def promise(kind: str, subject: UUID, **more: int) -> None:
    with transaction():
        work.enqueue(kind, subject, **more)


def promise_and_fail(kind: str, subject: UUID) -> None:
    with transaction():
        work.enqueue(kind, subject)
        raise ZeroDivisionError


def statuses() -> list[tuple[str, str, int]]:
    found = work.listing(statuses=(*work.FAILED, *work.OPEN, "SUCCESS"))
    return sorted((item.kind, item.status, item.attempt) for item in found)


def make_due() -> None:
    for item in work.listing(statuses=("DELAYED",)):
        work.resume(item.id)


# ------------------------------------------------------------------------------------------------------ promises


def test_work_is_promised_with_the_decision_or_not_at_all(session: Session, run: Run) -> None:
    done: list[UUID] = []
    kept, lost = uuid7(), uuid7()
    promise("note", kept)
    with pytest.raises(ZeroDivisionError):
        promise_and_fail("note", lost)
    run(note=done.append)
    assert done == [kept]


def test_the_same_intent_twice_is_one_and_a_later_decision_is_another(session: Session, run: Run) -> None:
    done: list[UUID] = []
    subject = uuid7()
    promise("note", subject)
    promise("note", subject)
    run(note=done.append)
    promise("note", subject)
    run(note=done.append)
    assert done == [subject]
    promise("note", subject, run=2)
    run(note=done.append)
    assert done == [subject, subject]


def test_what_is_unavailable_waits_longer_each_time_and_holds_up_nothing_else(
    session: Session, run: Run
) -> None:
    tried: list[UUID] = []
    other: list[UUID] = []

    def away(subject: UUID) -> None:
        tried.append(subject)
        if len(tried) < 4:
            raise Unavailable("not now")

    promise("away", uuid7())
    waits = []
    for _ in range(3):
        promise("note", uuid7())
        run(away=away, note=other.append)
        (waiting,) = work.listing(statuses=("DELAYED",))
        assert waiting.due_at is not None
        waits.append((waiting.due_at - waiting.updated_at).total_seconds())
        make_due()
    run(away=away, note=other.append)
    assert (len(tried), len(other)) == (4, 3)
    assert waits == [pytest.approx(seconds, abs=2) for seconds in (5, 15, 60)]
    assert [work.delay_after(attempt) for attempt in (4, 5, 6, 600)] == [120, 300, 300, 300]
    assert [s for s in statuses() if s[0] == "away"] == [("away", "SUCCESS", n) for n in (1, 2, 3, 4)]


def test_a_database_that_gives_way_is_no_failure(session: Session, run: Run) -> None:
    tried: list[UUID] = []

    def locked(subject: UUID) -> None:
        tried.append(subject)
        if len(tried) == 1:
            raise OperationalError("UPDATE", {}, Exception("deadlock detected"))

    promise("locked", uuid7())
    run(locked=locked)
    make_due()
    run(locked=locked)
    assert len(tried) == 2
    assert not work.listing()


def test_what_fails_for_good_stays_listed_until_a_person_resumes_it(session: Session, run: Run) -> None:
    cured: list[UUID] = []

    def broken(_subject: UUID) -> None:
        raise KeyError("a fault of ours")

    subject = uuid7()
    promise("broken", subject)
    run(broken=broken)
    run(broken=cured.append)
    (item,) = work.listing(statuses=work.FAILED)
    assert (item.kind, item.subject, item.status) == ("broken", str(subject), "ERROR")
    assert "a fault of ours" in item.error
    assert cured == []
    work.resume(item.id)
    run(broken=cured.append)
    promise("broken", subject)
    run(broken=cured.append)
    assert cured == [subject]
    assert not work.listing()


def test_draining_does_what_is_due_and_leaves_what_is_not(session: Session, run: Run) -> None:
    done: list[UUID] = []
    now, later = uuid7(), uuid7()
    promise("note", later, delay=3600)
    promise("note", now)
    began = time.monotonic()
    run(note=done.append)
    assert done == [now]
    assert time.monotonic() - began < 10
    assert statuses() == [("note", "DELAYED", 1), ("note", "SUCCESS", 1)]


# ------------------------------------------------------------------------------------------------------- workers


def test_a_slot_is_held_by_one_and_free_when_it_lets_go(database: Database, session: Session) -> None:
    with slots(database.folder) as first, slots(database.folder) as second:
        assert (first.take_any(), second.take_any()) == (0, 1)
        assert not second.take(0)
        first.free(0)
        assert second.take(0)
        assert second.still(0) and not first.take(0)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_worker_that_was_cut_off_knows_whether_its_slot_is_still_its_own(
    session: Session, database: Database
) -> None:
    cut = sa.text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with slots(database.folder) as first, slots(database.folder) as second:
        first.take(0)
        session.execute(cut)
        session.commit()
        assert first.still(0)
        session.execute(cut)
        session.commit()
        until = time.monotonic() + 10
        while not second.take(0) and time.monotonic() < until:
            time.sleep(0.05)
        assert not first.still(0)


def test_a_worker_starts_quietly_and_stops_when_told(database: Database) -> None:
    env = {"PATH": os.environ.get("PATH", ""), "FLASK_APP": "wsgi", **database.environ(LOG_LEVEL="info")}
    command = [sys.executable, "-m", "flask"]
    upgraded = subprocess.run(
        [*command, "upgrade"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )
    assert (upgraded.stdout, upgraded.stderr) == ("The database is up to date.\n", "")
    worker = subprocess.Popen(
        [*command, "work"], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    lock = database.folder / "worker-0.lock"
    until = time.monotonic() + 30
    while database.kind == "sqlite" and not lock.exists() and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1 if database.kind == "sqlite" else 6)
    worker.send_signal(signal.SIGTERM)
    said, _ = worker.communicate(timeout=120)
    assert (worker.returncode, said) == (0, "")


def test_many_write_while_workers_deliver_and_nobody_is_told_that_the_database_is_busy(
    database: Database, session: Session, gateways: Any, smtp: Mailbox
) -> None:
    merchant = shop.open_shop()
    order = shop.take_order(merchant, "W-1", {"BAG": (9, "12.00")}, gateways)
    person = shop.agent(merchant)
    drafts = [shop.draft(person, merchant, order, {"BAG": 1}, gateways) for _ in range(4)]
    for n in range(4):
        with transaction():
            for _ in range(50):
                row = stored.get(drafts[n])
                assert row is not None
                notices.queue("received", stored.draft(row), now=shop.NOW)
    workers = [racing.process(racing.work, database, smtp.environ(), "--drain") for _ in range(2)]
    outcome = racing.race(database, write_notes, [(person, one) for one in drafts], processes=2)
    assert (outcome.errors, outcome.conflicts, outcome.answers) == ([], {}, [25] * 4)
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    arrived = [message["Message-ID"] for message in smtp.messages]
    assert len(arrived) == len(set(arrived)) == 200
    db.session.rollback()
    assert set(db.session.scalars(sa.select(Mail.state))) == {"sent"}
    assert not work.listing()


def write_notes(_gateways: Any, person: Any, draft: UUID) -> int:
    for n in range(25):
        returns.set_note(person, draft, note=f"Note {n}", locked=(), now=shop.NOW)
    return 25


# --------------------------------------------------------------------------------------------- outages outside


def test_mail_waits_for_its_server_and_is_delivered_once_under_the_same_id(
    database: Database, session: Session, gateways: Any
) -> None:
    merchant = shop.open_shop()
    order = shop.take_order(merchant, "W-2", {"BAG": (1, "12.00")}, gateways)
    person = shop.agent(merchant)
    row = stored.get(shop.draft(person, merchant, order, {"BAG": 1}, gateways))
    assert row is not None
    with transaction():
        mail = notices.queue("requested", stored.draft(row), now=shop.NOW)
    nobody = {"MAILER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(free_port())}
    for attempt in (2, 3):
        worker = racing.process(racing.work, database, nobody, "--drain")
        worker.join(120)
        (waiting,) = work.listing()
        assert (worker.exitcode, waiting.kind, waiting.status, waiting.attempt) == (
            0,
            "mail",
            "DELAYED",
            attempt,
        )
        db.session.rollback()
        assert db.session.scalar(sa.select(Mail.state)) == "queued"
        make_due()
    with receiving() as mailbox:
        worker = racing.process(racing.work, database, mailbox.environ(), "--drain")
        worker.join(120)
        assert [message["Message-ID"] for message in mailbox.messages] == [f"<{mail}@returns>"]
    assert not work.listing()


def looked_at_again() -> None:
    """As if the time of the next look had come."""
    with transaction() as session:
        session.execute(sa.text("UPDATE payouts SET next_check_at = sent_at"))


def test_work_that_was_done_long_ago_is_forgotten_and_what_waits_is_not(session: Session, run: Run) -> None:
    def away(_subject: UUID) -> None:
        raise Unavailable("not now")

    promise("note", uuid7())
    promise("away", uuid7())
    run(note=lambda _subject: None, away=away)
    db.session.rollback()
    now = datetime.now(UTC)
    assert work.tidy(now=now + work.KEPT_FOR - timedelta(minutes=1)) == 0
    assert work.tidy(now=now + work.KEPT_FOR + timedelta(minutes=1)) == 2
    assert statuses() == [("away", "DELAYED", 2)]


def test_the_other_side_is_left_alone_as_long_as_it_asks(session: Session, run: Run) -> None:
    def busy(_subject: UUID) -> None:
        raise Unavailable("slow down", retry_after=900)

    promise("busy", uuid7())
    run(busy=busy)
    (waiting,) = work.listing(statuses=("DELAYED",))
    assert waiting.due_at is not None
    assert (waiting.due_at - waiting.updated_at).total_seconds() == pytest.approx(900, abs=2)


def test_a_refund_that_stays_pending_is_asked_about_until_it_ends(
    session: Session, gateways: Any, drain: Callable[[], None]
) -> None:
    merchant = shop.open_shop()
    order = shop.take_order(merchant, "W-3", {"BAG": (1, "12.00")}, gateways, endings=("-pending",))
    person = shop.agent(merchant)
    refund = shop.refunded(person, shop.draft(person, merchant, order, {"BAG": 1}, gateways))
    for _ in range(2):
        db.session.rollback()
        drain()
        assert not work.listing(), "nothing spins while it is pending"
        looked_at_again()
    assert refunds.one(person, refund).state == "pending"
    gateways.payments["sandbox"].settle()
    db.session.rollback()
    drain()
    assert not work.listing()
    db.session.rollback()
    assert refunds.one(person, refund).state == "succeeded"
    assert len(gateways.payments["sandbox"].refunds()) == 1


def test_what_is_done_by_hand_is_promised_to_nobody_until_it_is_handed_on(app, session, run):
    one, other = uuid7(), uuid7()
    with work.by_hand() as kept, transaction():
        work.enqueue("mail", one)
        work.enqueue("label", other)
    assert kept == [("mail", one), ("label", other)]
    assert work.listing() == []
    work.hand_on(kept[1:])
    done: list[UUID] = []
    run(mail=done.append, label=done.append)
    assert done == [other]

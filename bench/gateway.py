"""W6: a gateway that is slow, limited and unreliable, and workers that are killed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from bench import flow, shop
from bench.ground import KINDS, ROOT, Ground, Processes, ground, web
from bench.tables import Result, p50, p95
from bench.visitor import HttpVisitor
from portal.db.base import db
from portal.db.refunds import Payout, Refund
from portal.services import work
from portal.services.paying import payouts
from portal.services.proofs import audit
from tests.mail import free_port
from tests.services import racing_shop
from tests.stripe_server import Remote
from tests.stripe_server.serving import KEY, SECRET

LATENCY, PER_SECOND, LOST_IN = 0.3, 25, 100
WORKERS, THREADS, KILLS = 2, 8, 2
PAGES = ("/admin/refunds", "/admin/")
"""The queues that people look at while money is sent."""


def w6(refunds_sent: int = 300) -> Result:
    rows = [_measured(kind, refunds_sent) for kind in KINDS]
    return Result(
        name="W6",
        title=(
            f"{refunds_sent} refunds to a gateway over HTTP: {LATENCY * 1000:.0f} ms, {PER_SECOND} a second, "
            f"1 in {LOST_IN} times out, {KILLS} times a worker is killed"
        ),
        columns=(
            "database", "executed", "doubled", "lost", "settled here", "problems", "workers killed",
            "drained a second", "at best", "wait for a lock ms", "p95", "queue page idle ms", "meanwhile ms", "times",
        ),
        rows=rows,
        notes=[
            f"{WORKERS} workers of {THREADS} threads; gateway, database, web and workers share this machine's cores.",
            "Drained at best: in the busiest ten seconds, when no worker was just starting.",
            "Wait for a lock: of somebody else who writes to the refund that is being sent (PostgreSQL), or to "
            "anything at all (SQLite, which has one writer). Held over a call it would be 150 ms, and 300 ms at p95.",
        ],
    )  # fmt: skip


def _measured(kind: str, count: int) -> tuple[object, ...]:
    with ground(kind) as bare, _stripe() as (stripe, environ):
        on = replace(bare, more={**environ, "STRIPE_TIMEOUT": "2", "RATELIMIT_STORAGE_URI": "memory://"})
        app = on.app()
        _owed(app, stripe, count)
        stripe.latency(LATENCY)
        stripe.limit(PER_SECOND)
        with web(on, processes=1, threads=4):
            staff = HttpVisitor(on.url, address="198.51.100.9")
            flow.sign_in(staff)
            idle = _pages(staff, lambda n: n < 15)
            with _trouble(stripe), _killed_workers(on, stripe, count) as killed, _second_writer(app) as waits:
                began = time.monotonic()
                busy = _pages(
                    staff, lambda _n: len(stripe.refunds()) < count and time.monotonic() - began < 300
                )
                drained = _drained(stripe)
            stripe.mend()
            _settle(app)
        return (kind, *_found(app, stripe, count), killed[0], *drained, p50(waits.seconds),
                p95(waits.seconds), p50(idle), p50(busy), median(busy) / median(idle))  # fmt: skip


@contextmanager
def _stripe() -> Iterator[tuple[Any, dict[str, str]]]:
    """The tests' Stripe-shaped server as a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "tests.stripe_server", "--port", str(port)]
    env = {"PATH": os.environ.get("PATH", ""), "STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET}
    server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        server.stdout.readline()
        url = f"http://127.0.0.1:{port}"
        yield Remote(url), {
            "GATEWAY": "stripe", "STRIPE_API_KEY": KEY, "STRIPE_API_BASE": url, "STRIPE_WEBHOOK_SECRET": SECRET,
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait(20)


def _owed(app: Flask, stripe: Any, count: int) -> None:
    """So many refunds that are decided; their labels and mails are no part of this, and are taken away."""
    gateways = app.extensions["gateways"]
    merchant = shop.open_shop(app)
    with app.app_context():
        person = racing_shop.agent(merchant, "admin")
        for number in range(-(-count // 10)):
            order = racing_shop.take_order(
                merchant,
                f"W6-{number}",
                {"JAR": (10, "7.77")},
                gateways,
                pay=lambda cents: stripe.payment(cents, "EUR"),
            )
            for _ in range(min(10, count - 10 * number)):
                racing_shop.refunded(person, racing_shop.draft(person, merchant, order, {"JAR": 1}, gateways))
        db.session.rollback()
        table = "workflow_status" if db.engine.dialect.name == "sqlite" else "dbos.workflow_status"
        with db.engine.begin() as connection:
            connection.execute(
                sa.text(f"UPDATE {table} SET status = 'SUCCESS' WHERE workflow_uuid NOT LIKE 'refund-%'")
            )


@contextmanager
def _trouble(stripe: Any) -> Iterator[None]:
    """One request in a hundred executes, and its answer never comes."""
    over = threading.Event()

    def spoil() -> None:
        planned = 0
        while not over.wait(0.2):
            with suppress(OSError, ValueError):
                if len(stripe.requests()) >= planned * LOST_IN + LOST_IN // 2:
                    stripe.fault("hang_after", seconds=4.0)
                    planned += 1

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def _killed_workers(on: Ground, stripe: Any, count: int) -> Iterator[list[int]]:
    """Workers, of which one is killed and started anew each time another part is done; counts how many were."""
    command, over, killed = ["flask", "work", "--threads", str(THREADS)], threading.Event(), [0]
    running = [Processes(command, on) for _ in range(WORKERS)]

    def kill() -> None:
        while not over.wait(0.2) and killed[0] < KILLS:
            if len(stripe.refunds()) >= (killed[0] + 1) * count // (KILLS + 1):
                place = killed[0] % WORKERS
                running[place].kill()
                running[place] = Processes(command, on)
                killed[0] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
        for one in running:
            one.stop()


@dataclass
class Waits:
    """How long somebody else waited for a lock, each time."""

    seconds: list[float] = field(default_factory=lambda: [0.0])


@contextmanager
def _second_writer(app: Flask) -> Iterator[Waits]:
    """Somebody who wants to write where the workers do, again and again, while the gateway is waited for."""
    over, waits = threading.Event(), Waits()
    with app.app_context():
        engine, sqlite = db.engine, db.engine.dialect.name == "sqlite"
    sending = sa.select(Payout.refund_id).where(Payout.state == "submitting").limit(1)

    def write() -> None:
        while not over.wait(0.02):
            with engine.connect() as plain:
                refund_id: UUID | None = plain.scalar(sending)
            if refund_id is None:
                continue
            with engine.connect() as connection:
                options = {"writes": True} if sqlite else {"isolation_level": "READ COMMITTED"}
                writer = connection.execution_options(**options)
                began = time.perf_counter()
                writer.execute(sa.select(Refund.id).where(Refund.id == refund_id).with_for_update())
                waits.seconds.append(time.perf_counter() - began)
                writer.rollback()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()


def _pages(staff: HttpVisitor, go_on: Callable[[int], bool]) -> list[float]:
    """Seconds of each look at the queues, one after the other with a breath between."""
    taken: list[float] = []
    while go_on(len(taken)):
        for path in PAGES:
            began = time.perf_counter()
            came = staff.get(path)
            taken.append(time.perf_counter() - began)
            assert came.status == 200, came.status
        time.sleep(0.1)
    return taken


def _drained(stripe: Any) -> tuple[float, float]:
    """Refunds executed a second: from the first to the last, and in the busiest ten seconds."""
    moments = sorted(seen.at for seen in stripe.requests() if seen.status == 200)
    best = max(sum(begin <= one < begin + 10 for one in moments) for begin in moments)
    span = max(moments) - min(moments) + LATENCY
    return len(moments) / span, best / min(10, span)


def _settle(app: Flask) -> None:
    """What was lost on the way is looked up, as it would be some seconds or minutes later."""
    gateways = app.extensions["gateways"]
    with app.app_context():
        for refund_id in db.session.scalars(sa.select(Refund.id).where(Refund.state != "succeeded")).all():
            with suppress(Exception):
                payouts.send(refund_id, gateways=gateways, now=racing_shop.NOW)
        db.session.rollback()
        work.disconnect()


def _found(app: Flask, stripe: Any, count: int) -> tuple[int, int, int, int, int]:
    keys = Counter(one["metadata"]["payout"] for one in stripe.refunds())
    with app.app_context():
        settled = db.session.scalar(sa.select(sa.func.count()).where(Payout.state == "succeeded")) or 0
        problems = len(audit.verify().problems)
    doubled = sum(times - 1 for times in keys.values())
    return sum(keys.values()), doubled, count - len(keys), settled, problems

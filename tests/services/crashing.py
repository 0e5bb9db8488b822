"""Power cuts, drawn by seed: shops whose goods are back, workers that are killed, and what must hold afterwards."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.db.base import db
from portal.db.orders import Order
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.services import jobs, work
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests import serving
from tests.databases import Database
from tests.mail import Mailbox
from tests.services import racing
from tests.services import racing_shop as shop

SEEDS = tuple(int(seed) for seed in os.environ.get("CRASH_SEEDS", "1 5 6 7 11").split())
"""Each draws amounts, tenders, the number of partial refunds, how the gateway answers, and what is killed when.

``CRASH_SEEDS="17"`` replays one that failed; ``CRASH_SEEDS="$(seq -s" " 1 20)"`` is the long form.
"""

MOVING = ("planned", "submitting", "unknown", "pending")
KILLED = -signal.SIGKILL
ENDINGS = (("",), ("", ""), ("-unavailable",), ("-pending", ""), ("-unavailable", "-pending"), ("-fails", ""))
"""How the sandbox answers for each card of an order."""


@dataclass(frozen=True, kw_only=True)
class Lot:
    """What one seed draws: an order, which goes back in parts, and by which cards it was paid."""

    seed: int
    number: str
    price: str
    parts: tuple[int, ...]
    endings: tuple[str, ...]
    threads: int
    passage: int
    """At which passage of the fault point the process dies."""
    again: bool
    """Whether whoever takes the work up dies as well."""

    @property
    def units(self) -> int:
        return sum(self.parts)


def lot(seed: int, *, endings: tuple[tuple[str, ...], ...] = ENDINGS) -> Lot:
    chance = random.Random(seed)
    parts = tuple(chance.randint(1, 3) for _ in range(chance.randint(1, 3)))
    return Lot(
        seed=seed,
        number=f"SEED-{seed}",
        price=str(Decimal(chance.randint(50, 25_000)) / 100),
        parts=parts,
        endings=chance.choice(endings),
        threads=chance.choice((1, 1, 2, 4)),
        passage=chance.randint(1, len(parts)),
        again=chance.random() < 0.5,
    )


def person_of(merchant_id: UUID) -> Actor:
    return shop.agent(merchant_id)


def fill(app: Any, lots: list[Lot], pay: Callable[[int], str] | None = None) -> None:
    """Orders of all lots, every part of them returned and received; labels and first mails are done.

    ``pay`` makes a capture of so much at the gateway and answers its name; the sandbox takes any.
    """
    gateways = app.extensions["gateways"]
    with app.app_context():
        merchant = shop.open_shop(terms=replace(shop.TERMS, goodwill_cap=0))
        person = person_of(merchant)
        for one in lots:
            order = shop.take_order(
                merchant, one.number, {"JAR": (one.units, one.price)}, gateways, endings=one.endings, pay=pay
            )
            for part in one.parts:
                shop.came_back(person, shop.draft(person, merchant, order, {"JAR": part}, gateways))
        db.session.rollback()
    serving.drain(app)


def returns_of(number: str) -> list[UUID]:
    """The returns of an order, oldest first."""
    db.session.rollback()
    wanted = sa.select(Return.id).join(Order, Order.id == Return.order_id).where(Order.number == number)
    return list(db.session.scalars(wanted.order_by(Return.id)))


def propose(_gateways: Any, person: Actor, return_id: UUID) -> UUID:
    return refunds.propose(person, return_id, now=datetime.now(UTC))


def run_worker(database: Database, *options: str, **environ: str) -> int:
    """A worker from its start to its end; answers how it ended."""
    worker = racing.process(racing.work, database, environ, "--drain", *options)
    worker.join(120)
    assert worker.exitcode is not None, "the worker hangs"
    return int(worker.exitcode)


def settle_all(app: Any, rounds: int = 8, pass_time: Callable[[], Any] = lambda: None) -> None:
    """Time passes: what waits for another try is due, what is pending at the gateway comes to its end."""
    gateways = app.extensions["gateways"]
    for number in range(1, rounds + 1):
        sandbox = gateways.payments.get("sandbox")
        sandbox.settle() if sandbox is not None else pass_time()
        with app.app_context():
            waiting = work.listing(statuses=("DELAYED",))
            for item in waiting:
                work.resume(item.id)
            jobs.tick(gateways, now=datetime.now(UTC) + timedelta(hours=2 * number))
            left = db.session.scalar(sa.select(sa.func.count()).where(Payout.state.in_(MOVING)))
            db.session.rollback()
            if not waiting and not left and not work.busy():
                return
        serving.drain(app)


def assert_once(
    executed: list[tuple[str, int, str]], mailbox: Mailbox, lots: list[Lot], *, copies: int, told: str
) -> None:
    """``executed`` is (key, amount, state) of the gateway's own list: the same stands in ours, each told once."""
    db.session.rollback()
    rows = db.session.execute(sa.select(Payout.key, Payout.amount_minor, Payout.state)).all()
    assert sorted(tuple(row) for row in rows) == sorted(executed), told
    owed = {one.number: int(Decimal(one.price) * 100) * one.units for one in lots}
    by_order = dict(
        tuple(row)
        for row in db.session.execute(
            sa.select(Order.number, sa.func.sum(Refund.amount_minor))
            .join(Refund, Refund.order_id == Order.id)
            .group_by(Order.number)
        )
    )
    assert by_order == owed, told
    _assert_told_once(mailbox, copies, told)
    assert audit.verify().problems == [], told


def _assert_told_once(mailbox: Mailbox, copies: int, told: str) -> None:
    """One mail for each refund that succeeded; where the process died after 250, two with one Message-ID."""
    succeeded = set(db.session.scalars(sa.select(Refund.id).where(Refund.state == "succeeded")))
    wanted = sa.text("SELECT message_id, refund_id, state FROM mails WHERE event = 'refunded'").columns(
        refund_id=sa.Uuid
    )
    kept = db.session.execute(wanted).all()
    assert sorted(row.refund_id for row in kept) == sorted(succeeded), told
    assert {row.state for row in kept} <= {"sent"}, told
    arrived = Counter(str(message["Message-ID"]) for message in mailbox.messages)
    wanted_ids = {row.message_id for row in kept}
    assert wanted_ids <= set(arrived), told
    assert max((arrived[one] for one in wanted_ids), default=0) <= copies, told

"""A day without any event: two hundred transfers move at the gateway, and each is known here soon; a cent is found."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.adapters.payments.sandbox import SandboxPayments
from portal.db.base import db
from portal.db.refunds import Payout
from portal.ports import RefundResult, Unavailable
from portal.services import tasks
from portal.services.filing import progress
from portal.services.gateways import looking, reconcile
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import a_customer, a_merchant, a_payment, a_person, an_item, an_order, came_back
from tests.services.money_world import BEGAN, Clock

SEED = 20
TRANSFERS, ORDERS = {"sqlite": 200, "postgresql": 40}, 10
SOON = timedelta(minutes=15)


class Counted:
    """The gateway; each look at a transfer is written down with its moment."""

    def __init__(self, behind: SandboxPayments, clock: Clock) -> None:
        self.behind, self.clock = behind, clock
        self.code = behind.code
        self.looks: dict[str, list[datetime]] = defaultdict(list)

    def look_up(self, *, key: str, capture: str, reference: str = "") -> RefundResult | None:
        self.looks[key].append(self.clock.now)
        return self.behind.look_up(key=key, capture=capture, reference=reference)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counted(app: Any, database: Any, clock: Clock) -> Counted:
    return Counted(SandboxPayments(database.folder / "slow-gateway.sqlite", clock=clock.timestamp), clock)


@pytest.fixture
def gateways(app: Any, counted: Counted) -> Any:
    return replace(app.extensions["gateways"], payments={"sandbox": counted})


def many_transfers(gateways: Any, shop: UUID, finance: Any, count: int) -> None:
    """Orders that many cards paid, all sent back: each card's part is a transfer of its own, and pending."""
    each = count // ORDERS
    for number in range(ORDERS):
        cards = [
            a_payment("card", "7.01", reference=f"card-{number}-{place}-pending") for place in range(each)
        ]
        price = f"{701 * each // 100}.{701 * each % 100:02}"
        order = an_order(gateways, shop, [an_item("MUG", 1, price)], paid=cards, now=BEGAN)
        refund_id = refunds.propose(finance, came_back(gateways, shop, order, now=BEGAN), now=BEGAN)
        payouts.send(refund_id, gateways=gateways, now=BEGAN)


def moves(references: list[str], chance: random.Random) -> Iterator[tuple[timedelta, str, str]]:
    """(when, which, to what) at the gateway: some wait for their customer first, one in ten fails."""
    for reference in references:
        at = timedelta(minutes=chance.randint(1, 60))
        if chance.random() < 0.2:
            yield at, reference, "requires_action"
            at += timedelta(minutes=chance.randint(1, 20))
        yield at, reference, "failed" if chance.random() < 0.1 else "succeeded"


def test_without_any_event_two_hundred_transfers_are_known_a_quarter_of_an_hour_later(
    database: Any, session: Any, gateways: Any, counted: Counted, clock: Clock
) -> None:
    """Workers look every minute, at each transfer every five; nobody delivers anything, for 24 hours."""
    shop = a_merchant(now=BEGAN)
    many_transfers(gateways, shop, a_person(shop, "finance"), TRANSFERS[database.kind])
    made = {one.reference: one for one in counted.behind.refunds_since(BEGAN - timedelta(days=1))}
    assert len(made) == TRANSFERS[database.kind]
    plan = sorted(moves(sorted(made), random.Random(SEED)))
    since: dict[str, tuple[timedelta, str]] = {}
    for minute in (*range(100), 24 * 60):
        clock.now = BEGAN + timedelta(minutes=minute)
        while plan and plan[0][0] <= timedelta(minutes=minute):
            at, reference, state = plan.pop(0)
            counted.behind.end(reference, state, error="the card is closed" if state == "failed" else "")
            since[reference] = (at, state)
        looking.look_at_due(gateways=gateways, now=clock.now, limit=len(made))
        if minute % 10 == 0:
            _assert_known(since, timedelta(minutes=minute))
    assert plan == [] and len(since) == len(made)
    for key, looks in counted.looks.items():
        between = [later - earlier for earlier, later in zip(looks, looks[1:], strict=False)]
        assert min(between, default=SOON) >= timedelta(minutes=5), f"{key} was asked for too often"
    assert audit.verify().problems == []


def _assert_known(since: dict[str, tuple[timedelta, str]], now: timedelta) -> None:
    """What moved a quarter of an hour ago or longer is known as it is."""
    here = dict(
        tuple(row) for row in db.session.execute(sa.select(Payout.provider_reference, Payout.state)).all()
    )
    db.session.rollback()
    wrong = {
        reference: (here[reference], state)
        for reference, (at, state) in since.items()
        if now - at >= SOON and here[reference] != state
    }
    assert wrong == {}, f"seed {SEED}, after {now}: (here, there) {wrong}"


def test_a_cent_of_drift_is_found_among_many_and_told_with_both_sides(
    session: Any, gateways: Any, counted: Counted, clock: Clock
) -> None:
    shop = a_merchant(now=BEGAN)
    finance = a_person(shop, "finance")
    order = an_order(gateways, shop, [an_item("MUG", 8)], paid=[a_payment(reference="much")], now=BEGAN)
    for _ in range(8):
        refund_id = refunds.propose(
            finance, came_back(gateways, shop, order, {"MUG": 1}, now=BEGAN), now=BEGAN
        )
        payouts.send(refund_id, gateways=gateways, now=BEGAN)
    clock.now = BEGAN + timedelta(hours=2)
    assert reconcile.run(gateways=gateways, now=clock.now).agrees
    one = random.Random(SEED).choice(list(counted.behind.refunds_since(BEGAN)))
    counted.behind.end(one.reference, "succeeded", amount=one.amount - 1)
    report = reconcile.run(gateways=gateways, now=clock.now)
    (drift,) = report.drifts
    assert (drift.what, drift.ours["amount"], drift.theirs["amount"]) == ("amount", 1000, 999)
    assert not report.agrees
    (task,) = tasks.listing(finance, kind="drift")
    assert (task.details["ours"]["amount"], task.details["theirs"]["amount"]) == (1000, 999)
    counted.behind.end(one.reference, "succeeded", amount=one.amount)
    assert reconcile.run(gateways=gateways, now=clock.now).agrees
    assert tasks.listing(finance, kind="drift") == ()


@pytest.mark.parametrize(("ending", "known"), [("-unavailable", "unknown"), ("-pending", "pending")])
def test_while_nobody_knows_the_customer_reads_that_it_is_on_its_way(
    session: Any, gateways: Any, counted: Counted, clock: Clock, ending: str, known: str
) -> None:
    """Also when the answer was lost, and even we do not know."""
    shop = a_merchant(now=BEGAN)
    finance = a_person(shop, "finance")
    order = an_order(gateways, shop, paid=[a_payment(ending=ending)], now=BEGAN)
    return_id = came_back(gateways, shop, order, now=BEGAN)
    refund_id = refunds.propose(finance, return_id, now=BEGAN)
    with suppress(Unavailable):
        payouts.send(refund_id, gateways=gateways, now=BEGAN)
    assert session.scalars(sa.select(Payout.state)).all() == [known]
    told = progress.progress(a_customer(return_id, shop), return_id, now=BEGAN)
    assert {news.state for news in told.refunds} == {"pending"}

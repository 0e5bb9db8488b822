"""Many at once: one wins, the others are told, and the database itself refuses what nobody may have."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.access import Actor
from portal.core.facts import OrderFacts
from portal.core.policy.verdict import Verdict
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.db.returns import Return, ReturnLine
from portal.services import jobs
from portal.services.docking import receiving
from portal.services.filing import holding, returns
from portal.services.handling import confirmation
from portal.services.proofs import audit, verifying
from portal.services.refunding import refunds
from portal.services.stockroom import stock
from tests.databases import Database
from tests.services import racing_shop as shop
from tests.services.racing import drop_checks, race

# ------------------------------------------------------------------------------------------ what one client does


def confirm(_gateways: Any, actor: Actor, return_id: UUID) -> str:
    return shop.confirm(actor, return_id)


def confirm_without_guard(_gateways: Any, actor: Actor, return_id: UUID, order: OrderFacts) -> str:
    """The guard replaced from here: what was read before is believed, and nothing is compared."""
    holding.claim = _claim_unguarded
    confirmation.read = lambda row, now, lock=False: replace(
        returns.read(row, now=now), order=order, verdict=JUDGED
    )
    return shop.confirm(actor, return_id)


JUDGED = Verdict(findings=(), policy_version=1)
"""What the policy said before the race."""


def _claim_unguarded(changes: Sequence[dict[str, Any]]) -> bool:
    for change in changes:
        more = OrderLine.claimed_units + change["more"]
        where = OrderLine.id == change["line"]
        db.session.execute(
            sa.update(OrderLine).where(where).values(claimed_units=more, claimed_spans=change["spans"])
        )
    return True


def receive(_gateways: Any, actor: Actor, return_id: UUID, counts: dict[UUID, int]) -> None:
    receiving.receive(actor, return_id, counts, now=shop.NOW)


def flow(_gateways: Any, actor: Actor, return_ids: list[UUID], seed: int) -> int:
    """Everything that happens to some returns of shared orders, their lines in an order of its own."""
    chance = random.Random(seed)
    for return_id in return_ids:
        shop.confirm(actor, return_id)
        lines = list(returns.page(actor, return_id, now=shop.NOW).draft.lines)
        chance.shuffle(lines)
        receiving.receive(actor, return_id, {line.id: line.units for line in lines}, now=shop.NOW)
        if chance.random() < 0.8:
            refund_id = refunds.propose(actor, return_id, now=shop.NOW)
            if chance.random() < 0.3:
                refunds.cancel(actor, refund_id, now=shop.NOW)
    return len(return_ids)


def look_after(gateways: Any) -> None:
    jobs.tick(gateways, now=shop.NOW + timedelta(days=40))


# -------------------------------------------------------------------------------------------------- the last unit


@pytest.fixture
def merchant(session: Session) -> UUID:
    return shop.open_shop()


def drafts_for_one_unit(merchant: UUID, gateways: Any, clients: int) -> tuple[UUID, list[tuple[Actor, UUID]]]:
    """Agents and customers in turn, each with a draft of the same last unit."""
    order = shop.take_order(merchant, "R-1", {"LAST": (1, "19.90")}, gateways)
    person = shop.agent(merchant, "csr")
    ready = [shop.draft(person, merchant, order, {"LAST": 1}, gateways) for _ in range(clients)]
    racers = [(shop.holder(merchant, one) if n % 2 else person, one) for n, one in enumerate(ready)]
    return order, racers


def claimed(order: UUID) -> int:
    db.session.rollback()
    return (
        db.session.scalar(sa.select(sa.func.sum(OrderLine.claimed_units)).where(OrderLine.order_id == order))
        or 0
    )


def test_open_mercato_1249_the_last_unit_is_won_once_and_the_others_are_told(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    """64 clients, agents and customers, over four processes."""
    order, racers = drafts_for_one_unit(merchant, gateways, 64)
    outcome = race(database, confirm, racers)
    assert outcome.errors == []
    assert outcome.answers == ["approved"]
    assert outcome.conflicts == {"units_gone": 63}
    assert claimed(order) == 1


def test_erpnext_34019_returns_that_fit_alone_do_not_return_more_together(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    """Ten units, eight returns of three each: three of them fit."""
    order = shop.take_order(merchant, "R-9", {"NUT": (10, "1.10")}, gateways)
    person = shop.agent(merchant)
    ready = [shop.draft(person, merchant, order, {"NUT": 3}, gateways) for _ in range(8)]
    outcome = race(database, confirm, [(person, one) for one in ready])
    assert outcome.errors == []
    assert (outcome.answers, outcome.conflicts) == (["approved"] * 3, {"units_gone": 5})
    assert claimed(order) == 9


def test_without_the_guard_the_same_race_is_lost(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    """The control: were there nothing to win, the race above would prove nothing."""
    order, racers = drafts_for_one_unit(merchant, gateways, 8)
    seen = returns.page(*racers[0], now=shop.NOW).order
    drop_checks(database, "order_lines", "gone_bought", "held_bought")
    outcome = race(database, confirm_without_guard, [(*racer, seen) for racer in racers])
    assert outcome.errors == []
    assert len(outcome.answers) > 1
    assert claimed(order) > 1


def test_the_same_confirmation_eight_times_is_one_return(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    order = shop.take_order(merchant, "R-2", {"TWO": (2, "10.00")}, gateways)
    person = shop.agent(merchant)
    one = shop.draft(person, merchant, order, {"TWO": 1}, gateways)
    outcome = race(database, confirm, [(person, one)] * 8)
    assert (outcome.errors, outcome.conflicts, outcome.answers) == ([], {}, ["approved"] * 8)
    assert claimed(order) == 1
    assert len(db.session.scalars(sa.select(Return.number).where(Return.order_id == order)).all()) == 1


# ------------------------------------------------------------------------------------------------------- the dock


def test_the_same_parcel_is_counted_once_by_two_receivers(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    order = shop.take_order(merchant, "R-5", {"CUP": (4, "5.00"), "SAW": (4, "25.00")}, gateways)
    person = shop.agent(merchant)
    back = shop.draft(person, merchant, order, {"CUP": 2, "SAW": 1}, gateways)
    shop.confirm(person, back)
    counts = {line.id: line.units for line in returns.page(person, back, now=shop.NOW).draft.lines}
    outcome = race(database, receive, [(person, back, counts)] * 4)
    assert outcome.errors == []
    assert len(outcome.answers) == 1
    assert set(outcome.conflicts) <= {"more_than_authorized", "all_received"}
    db.session.rollback()
    assert sorted(db.session.scalars(sa.select(ReturnLine.received_units))) == [1, 2]
    assert stock.levels(merchant, ["CUP", "SAW"]) == {"CUP": {"quarantine": 2}, "SAW": {"quarantine": 1}}
    assert verifying.run().problems == []


def test_shared_goods_in_any_order_stop_nobody(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    """Twelve people work on returns of two orders with the same five products, each in an order of their own."""
    skus = [f"SKU-{n}" for n in range(5)]
    person = shop.agent(merchant)
    orders = [
        shop.take_order(
            merchant,
            f"R-6{n}",
            dict.fromkeys(skus[:: -1 if n else 1], (24, "7.77")),
            gateways,
            endings=("", ""),
        )
        for n in range(2)
    ]
    chance = random.Random(7)
    racers = []
    for seed in range(12):
        mine = []
        for order in orders:
            chosen = chance.sample(skus, 4)
            mine.append(shop.draft(person, merchant, order, dict.fromkeys(chosen, 1), gateways))
        chance.shuffle(mine)
        racers.append((person, mine, seed))
    outcome = race(database, flow, racers)
    assert (outcome.errors, outcome.conflicts, outcome.answers) == ([], {}, [2] * 12)
    assert sum(claimed(order) for order in orders) == 12 * 2 * 4
    assert verifying.run().problems == []
    assert audit.verify().problems == []


def test_any_number_of_workers_may_look_after_the_same_things(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    """Returns that were never sent are given up once, and their units are free once."""
    order = shop.take_order(merchant, "R-7", {"HAT": (6, "30.00")}, gateways)
    person = shop.agent(merchant)
    for _ in range(3):
        shop.confirm(person, shop.draft(person, merchant, order, {"HAT": 2}, gateways))
    assert claimed(order) == 6
    outcome = race(database, look_after, [()] * 4)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    assert claimed(order) == 0
    assert set(db.session.scalars(sa.select(Return.state))) == {"expired"}
    told = sa.text("SELECT count(*) FROM history WHERE what = 'return.expired'")
    assert db.session.scalar(told) == 3

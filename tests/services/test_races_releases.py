"""Many let go of one reservation at once, while the shop captures it: no cent goes twice, and none is forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.db.base import db, transaction
from portal.db.orders import Payment
from portal.db.refunds import Payout
from portal.ports import Unavailable
from portal.services.paying import authorizations, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.databases import Database
from tests.services import racing_shop as shop
from tests.services.racing import race

CLIENTS = 6


def act(gateways: Any, what: str, subject: UUID) -> str:
    """Send a refund, capture at the gateway, or read in the import that the shop has captured."""
    if what == "send":
        try:
            payouts.send(subject, gateways=gateways, now=shop.NOW)
        except Unavailable:
            return "later"
    elif what == "take":
        gateways.payments["sandbox"].take("race-RESERVED-1")
    else:
        with transaction():
            authorizations.captured(subject, None)
    return what


@pytest.fixture
def merchant(session: Session) -> UUID:
    return shop.open_shop(terms=replace(shop.TERMS, goodwill_cap=100_00))


def decided(merchant: UUID, gateways: Any) -> tuple[UUID, list[UUID]]:
    """An order of CLIENTS jars reserved on one card, each of which is to be given back; its payment, the refunds."""
    gateways.payments["sandbox"].learn(
        "race-RESERVED-1", captured=CLIENTS * 1000, currency="EUR", authorized=True
    )
    person = shop.agent(merchant)
    order = shop.take_order(merchant, "RESERVED", {"JAR": (CLIENTS, "10.00")}, gateways)
    with transaction() as session:
        session.execute(sa.update(Payment).values(mode="authorized"))
    made = []
    for _ in range(CLIENTS):
        return_id = shop.draft(person, merchant, order, {"JAR": 1}, gateways)
        shop.came_back(person, return_id)
        made.append(refunds.propose(person, return_id, now=shop.NOW))
    db.session.rollback()
    return db.session.scalars(sa.select(Payment.id)).one(), made


def test_parts_that_are_let_go_at_once_leave_nothing_reserved(
    database: Database, merchant: UUID, gateways: Any
) -> None:
    _, made = decided(merchant, gateways)
    outcome = race(database, act, [("send", refund) for refund in (*made, *made)])
    assert outcome.errors == []
    for refund in made:
        act(gateways, "send", refund)
    there = gateways.payments["sandbox"].capture("race-RESERVED-1")
    assert (there.authorized, there.released, there.refunded) == (0, CLIENTS * 1000, 0)
    db.session.rollback()
    assert db.session.scalars(sa.select(Payment.released_minor)).one() == CLIENTS * 1000
    assert audit.verify().problems == []


def test_a_capture_in_the_middle_makes_refunds_of_what_was_not_let_go_yet(
    database: Database, merchant: UUID, gateways: Any
) -> None:
    payment, made = decided(merchant, gateways)
    clients = [("send", refund) for refund in (*made[:-1], *made[:-1])]
    outcome = race(database, act, [*clients, ("take", payment), ("told", payment)])
    assert outcome.errors == []
    for refund in made:
        act(gateways, "send", refund)
    sandbox = gateways.payments["sandbox"]
    keys = [key for key, *_ in (*sandbox.releases(), *sandbox.refunds())]
    assert len(keys) == len(set(keys))
    there = sandbox.capture("race-RESERVED-1")
    assert there.captured + there.released == CLIENTS * 1000
    db.session.rollback()
    rows = db.session.execute(sa.select(Payout.key, Payout.mode, Payout.state)).all()
    assert {row.key for row in rows if row.state == "succeeded"} == set(keys)
    assert {row.key for row in rows if row.state == "succeeded" and row.mode == "authorized"} == {
        key for key, *_ in sandbox.releases()
    }
    assert audit.verify().problems == []

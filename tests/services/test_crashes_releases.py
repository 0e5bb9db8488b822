"""Power cuts while reserved amounts are let go: once, or refunded once where the shop was quicker, never both."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from portal import create_app
from portal.db.base import db, transaction
from portal.db.orders import Payment
from portal.db.refunds import Payout
from portal.services.gateways import reconcile
from portal.services.refunding import refunds
from tests import databases
from tests.databases import KINDS, Database
from tests.mail import Mailbox
from tests.services import crashing
from tests.services import racing_shop as shop
from tests.services.crashing import KILLED, SEEDS, Lot, assert_once, lot, returns_of, run_worker, settle_all
from tests.services.test_crashes import agent

POINTS = (
    "before_http",
    "after_http_sent",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
)
ENDINGS = (
    ("",),
    ("-auth-captured",),
    ("-unavailable",),
    ("-pending", "-auth-captured"),
    ("-auth-expired", ""),
)
"""How the gateway answers for what each card of an order has reserved."""


@pytest.fixture(scope="module", params=KINDS)
def stocked(request: pytest.FixtureRequest) -> Iterator[tuple[Database, list[Lot]]]:
    """Goods of every seed are back, and nobody was charged for them."""
    lots = [lot(seed, endings=(ENDINGS[place % len(ENDINGS)],)) for place, seed in enumerate(SEEDS)]
    with request.getfixturevalue(f"{request.param}_template").fresh() as database:
        app = create_app(database.settings())
        crashing.fill(app, lots)
        with app.app_context(), transaction() as session:
            session.execute(sa.update(Payment).values(mode="authorized"))
        with closing(sqlite3.connect(database.folder / "sandbox-gateway.sqlite")) as there, there:
            there.execute("UPDATE captures SET state = 'authorized', reserved = captured")
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
    app = make_app(**smtp.environ())
    with app.app_context():
        yield app
        db.session.rollback()


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_lets_nothing_go_twice_and_refunds_nothing_that_was_let_go(
    database: Database, world: Any, smtp: Mailbox, lots: list[Lot], point: str
) -> None:
    for one in lots:
        for return_id in returns_of(one.number):
            refunds.propose(agent(), return_id, now=shop.NOW)
        db.session.rollback()
        options, told = ("--threads", str(one.threads)), f"{point}, {one}"
        dies = {**smtp.environ(), "FAULT_POINT": f"{point}:{one.passage}"}
        ended = run_worker(database, *options, **dies)
        assert ended == KILLED or any(one.endings), f"{told}: it was to pass there, and did not"
        if one.again:
            assert run_worker(database, *options, **{**dies, "FAULT_POINT": f"{point}:1"}) in (KILLED, 0)
        assert run_worker(database, *options, **smtp.environ()) == 0, told
    settle_all(world)
    gateways = world.extensions["gateways"]
    sandbox = gateways.payments["sandbox"]
    let_go = [(key, amount, state) for key, _, amount, state in sandbox.releases()]
    given_back = [(key, amount, state) for key, _, amount, state in sandbox.refunds()]
    assert not {key for key, *_ in let_go} & {key for key, *_ in given_back}
    assert_once([*let_go, *given_back], smtp, lots, copies=1, told=f"{point}, seeds {SEEDS}")
    modes = dict(tuple(row) for row in db.session.execute(sa.select(Payout.key, Payout.mode)))
    assert modes == {
        **dict.fromkeys((key for key, *_ in let_go), "authorized"),
        **dict.fromkeys((key for key, *_ in given_back), "captured"),
    }
    assert reconcile.run(gateways=gateways, now=shop.NOW).agrees

"""Power cuts around real HTTP: workers that die before, while and after they ask a Stripe-shaped server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal import create_app
from portal.db.base import db
from portal.services.refunding import refunds
from tests import databases
from tests.databases import KINDS, Database
from tests.mail import Mailbox
from tests.services import crashing
from tests.services import racing_shop as shop
from tests.services.crashing import KILLED, SEEDS, Lot, assert_once, lot, returns_of, run_worker, settle_all
from tests.services.test_crashes import agent
from tests.stripe_server import StripeServer, running

HTTP_POINTS = ("before_http", "after_http_sent", "after_http_response", "before_result_commit")
CARDS = (("",), ("", ""))


@pytest.fixture(scope="module")
def stripe() -> Iterator[StripeServer]:
    """One for all: each copy of a database asks under keys of its own."""
    with running() as server:
        yield server


@pytest.fixture(scope="module", params=KINDS)
def stocked(request: pytest.FixtureRequest, stripe: StripeServer) -> Iterator[tuple[Database, list[Lot]]]:
    lots = [lot(seed, endings=CARDS) for seed in SEEDS[: len(SEEDS) // 2 + 1]]
    with request.getfixturevalue(f"{request.param}_template").fresh() as database:
        app = create_app(database.settings(**stripe.environ()))
        crashing.fill(app, lots, pay=lambda cents: stripe.payment(cents * len(HTTP_POINTS), "EUR"))
        databases.close(app)
        yield database, lots


@pytest.fixture
def database(request: pytest.FixtureRequest, stocked: tuple[Database, list[Lot]]) -> Iterator[Database]:
    source = stocked[0]
    with request.getfixturevalue(f"{source.kind}_template").fresh(source) as copy:
        yield copy


@pytest.fixture
def world(make_app: Callable[..., Any], smtp: Mailbox, stripe: StripeServer) -> Iterator[Any]:
    app = make_app(**smtp.environ(), **stripe.environ())
    with app.app_context():
        yield app
        db.session.rollback()


@pytest.mark.parametrize("point", HTTP_POINTS)
def test_a_worker_that_dies_around_a_request_leaves_one_refund_at_stripe(
    database: Database, world: Any, smtp: Mailbox, stripe: StripeServer, stocked: Any, point: str
) -> None:
    """And whoever takes it up meets a pending refund, a slow answer or one that is cut, in turn."""
    lots: list[Lot] = stocked[1]
    before = {one["id"] for one in stripe.refunds()}
    environ = {**smtp.environ(), **stripe.environ(), "STRIPE_TIMEOUT": "2"}
    for place, one in enumerate(lots, HTTP_POINTS.index(point)):
        for return_id in returns_of(one.number):
            refunds.propose(agent(), return_id, now=shop.NOW)
        db.session.rollback()
        trouble = TROUBLES[place % len(TROUBLES)]
        options, told = ("--threads", str(one.threads)), f"{point}, {trouble}, {one}"
        dies = {**environ, "FAULT_POINT": f"{point}:{one.passage}"}
        assert run_worker(database, *options, **dies) == KILLED, told
        if trouble == "pending":
            stripe.next_refunds("pending")
        elif trouble:
            stripe.fault(trouble, seconds=0.2)
        assert run_worker(database, *options, **environ) == 0, told
        stripe.mend()
    settle_all(world, pass_time=stripe.settle)
    made = [one for one in stripe.refunds() if one["id"] not in before]
    executed = [(one["metadata"]["payout"], one["amount"], one["status"]) for one in made]
    assert_once(executed, smtp, lots, copies=1, told=f"{point}, seeds {SEEDS}")


TROUBLES = ("", "pending", "slow", "reset_after", "cut_json")

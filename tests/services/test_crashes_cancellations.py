"""Power cuts at every step of agent and customer: before the commit nothing happened, after it all of it, once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.facts import OrderFacts
from portal.db import history
from portal.db.base import db
from portal.db.channels import ChannelMessage
from portal.db.mails import Mail
from portal.db.orders import OrderLine
from portal.db.refunds import Refund, Transfer
from portal.db.returns import Return
from portal.db.stock import StockMovement
from portal.services import cancellations
from tests.builders import a_customer, a_merchant, fill, shipping_cost
from tests.services import racing
from tests.services.cancelling import (
    NOW,
    SITE,
    choose,
    confirm,
    goods,
    line,
    own_draft,
    page,
    propose,
    proven,
    told,
    unshipped,
)
from tests.services.crashing import KILLED, run_worker

BEFORE, AFTER = "before_intent_commit", "after_intent_commit"
BY_WORKER = (
    "after_claim",
    "before_http",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
)
SANDBOX = {"WAREHOUSE": "sandbox"}


def step_propose(gateways: Any, shop: UUID, order: OrderFacts) -> None:
    propose(gateways, shop, order, {"MUG": 2}, nonce="the-same-form")


def step_confirm(gateways: Any, shop: UUID, made: UUID) -> None:
    confirm(gateways, shop, made)


def step_confirm_both(gateways: Any, shop: UUID, draft: UUID) -> None:
    cancellations.confirm_both(a_customer(draft, shop), draft, gateways=gateways, site=SITE, now=NOW)


def dies(database: Any, step: Any, *arguments: Any, point: str) -> None:
    db.session.rollback()
    person = racing.process(racing.once, database, {**SANDBOX, "FAULT_POINT": f"{point}:1"}, step, *arguments)
    person.join(120)
    assert person.exitcode == KILLED
    db.session.rollback()
    db.session.expire_all()


def count_of(table: Any, *where: Any) -> int:
    db.session.rollback()
    return int(db.session.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0)


@pytest.fixture
def world(make_app: Any) -> Any:
    app = make_app(**SANDBOX)
    with app.app_context():
        yield app, app.extensions["gateways"], a_merchant()
        db.session.rollback()


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_an_agent_whose_form_is_cut_off_proposes_once(database: Any, world: Any, point: str) -> None:
    _app, gateways, shop = world
    order = unshipped(gateways, shop)
    dies(database, step_propose, shop, order, point=point)
    expected = 1 if point == AFTER else 0
    cancellations_now = count_of(Return, Return.kind == "partial_cancellation")
    assert (cancellations_now, line(order).held) == (expected, ((0, 2),) if expected else ())
    assert count_of(Mail) == expected
    made = propose(gateways, shop, order, {"MUG": 2}, nonce="the-same-form")
    assert count_of(Return, Return.kind == "partial_cancellation") == 1 == count_of(Mail)
    assert line(order).held == ((0, 2),) and page(shop, made).state == "proposed" and proven() == []


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_yes_that_is_cut_off_is_whole_or_nothing(database: Any, world: Any, point: str) -> None:
    _app, gateways, shop = world
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"), shipping_cost())
    made = propose(gateways, shop, order, {"MUG": 2})
    dies(database, step_confirm, shop, made, point=point)
    if point == BEFORE:
        assert page(shop, made).state == "proposed" and line(order).held == ((0, 2),)
        for table in (Refund, Transfer, ChannelMessage):
            assert count_of(table) == 0
        assert count_of(StockMovement, StockMovement.why == "canceled") == 0
        assert told(made) == ["cancellation_proposed"]
    else:
        assert page(shop, made).state == "confirmed" and line(order).canceled == ((0, 2),)
    assert proven() == []
    confirm(gateways, shop, made)
    assert run_worker(database, **SANDBOX) == 0
    assert_done_once(world, order, made, 1866)


@pytest.mark.parametrize(
    ("point", "passage"),
    [*((point, 1) for point in BY_WORKER), ("before_http", 2), ("after_result_commit", 2)],
)
def test_a_worker_that_dies_anywhere_after_the_yes_does_everything_once(
    database: Any, world: Any, point: str, passage: int
) -> None:
    _app, gateways, shop = world
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"), shipping_cost())
    made = propose(gateways, shop, order, {"MUG": 2})
    confirm(gateways, shop, made)
    killing = {**SANDBOX, "FAULT_POINT": f"{point}:{passage}"}
    assert run_worker(database, "--threads", "1", **killing) == KILLED
    assert run_worker(database, "--threads", "1", **killing) in (KILLED, 0)
    assert run_worker(database, **SANDBOX) == 0
    assert_done_once(world, order, made, 1866)


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_selection_of_both_is_confirmed_whole_or_not_at_all(database: Any, world: Any, point: str) -> None:
    _app, gateways, shop = world
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"), goods("TEA", 2, "5.00", shipped=2))
    draft = own_draft(shop, order)
    made = choose(gateways, shop, draft, order, {"MUG": 1})
    fill(a_customer(draft, shop), draft, gateways, order=order, units={"TEA": 1}, now=NOW)
    dies(database, step_confirm_both, shop, draft, point=point)
    states = {
        one: db.session.scalar(sa.select(Return.state).where(Return.id == one)) for one in (draft, made)
    }
    if point == BEFORE:
        assert set(states.values()) == {"draft"} and line(order).canceled == () == line(order, "TEA").claimed
    else:
        assert states[made] == "confirmed" and states[draft] in ("approved", "requested")
    step_confirm_both(gateways, shop, draft)
    assert line(order).canceled == ((0, 1),) and line(order, "TEA").claimed == ((0, 1),)
    assert count_of(Refund) == 1 and proven() == []


def assert_done_once(world: Any, order: OrderFacts, made: UUID, amount: int) -> None:
    app, gateways, shop = world
    db.session.rollback()
    db.session.expire_all()
    done = page(shop, made)
    assert done.state == "closed"
    assert [(one.state, one.amount) for one in done.refunds] == [("succeeded", amount)]
    assert [(one[-2], one[-1]) for one in gateways.payments["sandbox"].refunds()] == [(amount, "succeeded")]
    assert len(gateways.warehouse.requests()) == 1
    assert sorted(told(made)) == ["cancellation_confirmed", "cancellation_proposed", "refunded"]
    assert count_of(ChannelMessage, ChannelMessage.topic == "order_line.canceled") == 1
    assert count_of(StockMovement, StockMovement.why == "canceled", StockMovement.bucket == "available") == 1
    what = [one.what for one in history.of([made])]
    for once in ("order_line.cancellation_confirmed", "refund.created", "refund.succeeded"):
        assert what.count(once) == 1, once
    held = db.session.scalars(sa.select(OrderLine.held_units).where(OrderLine.order_id == order.id)).all()
    assert set(held) == {0} and proven() == []

"""Power cuts between us and the warehouse: told once, answered once, paid once, whoever dies wherever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.db import history
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.db.orders import OrderLine
from portal.db.warehouse import WarehouseEvent
from portal.services.stockroom import asking
from portal.services.warehousing import warehouse_events
from tests.builders import a_merchant
from tests.services import racing
from tests.services.cancelling import beside, canceled, goods, page, proven, told, unshipped
from tests.services.crashing import KILLED, run_worker
from tests.warehouse_server import WarehouseServer, running

POINTS = (
    "after_claim",
    "before_http",
    "after_http_sent",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
)


class Sandbox:
    """The sandbox; every process opens its file."""

    environ = {"WAREHOUSE": "sandbox"}

    def __init__(self, app: Any) -> None:
        self.gateway = app.extensions["gateways"].warehouse

    def take_in(self, order: Any, late: bool) -> None:
        """It learns by itself, and is late by the SKU."""

    def settle(self) -> None:
        self.gateway.settle()

    def left_out(self, order: Any) -> int:
        known = asking.known_as(order.id)
        return sum(one.left_out for one in self.gateway.order(known.merchant, known.order).values())

    def asked(self) -> int:
        return len(self.gateway.requests())


class Rest:
    """A warehouse of its own, over HTTP."""

    def __init__(self, there: WarehouseServer) -> None:
        self.there, self.environ = there, there.environ()

    def take_in(self, order: Any, late: bool) -> None:
        known = asking.known_as(order.id)
        self.there.take_in(
            known.merchant, known.order, {one.line: (one.sku, one.units) for one in known.lines}
        )
        if late:
            self.there.will_answer(known.order, "pending")

    def settle(self) -> None:
        self.there.settle()

    def left_out(self, order: Any) -> int:
        known = asking.known_as(order.id)
        return sum(one.left_out for one in self.there.orders[known.merchant, known.order].values())

    def asked(self) -> int:
        return len(self.there.requests)


@pytest.fixture(params=["sandbox", "rest"])
def place(request: pytest.FixtureRequest, make_app: Any) -> Iterator[Any]:
    """(app, warehouse), with an app context open."""
    with _place(request.param, make_app) as (app, there), app.app_context():
        yield app, there
        db.session.rollback()


@contextmanager
def _place(kind: str, make_app: Any) -> Iterator[tuple[Any, Any]]:
    if kind == "sandbox":
        app = make_app(**Sandbox.environ)
        yield app, Sandbox(app)
        return
    with running() as server:
        yield make_app(**server.environ()), Rest(server)


def a_cancellation(app: Any, there: Any, *, late: bool = False) -> tuple[Any, UUID]:
    gateways = app.extensions["gateways"]
    shop, sku = a_merchant(), "MUG-LATE" if late else "MUG"
    order = unshipped(gateways, shop, goods(sku, 3))
    there.take_in(order, late)
    made = canceled(gateways, shop, order, {sku: 1})
    db.session.rollback()
    return order, made


def assert_once(app: Any, there: Any, order: Any, made: UUID) -> None:
    db.session.rollback()
    db.session.expire_all()
    assert (there.asked(), there.left_out(order)) == (1, 1)
    row = beside(made)
    assert row.warehouse_state == "released" and row.next_ask_at is None
    what = [one.what for one in history.of([made])]
    assert what.count("warehouse.asked") == 1
    final = [one for one in history.of([made]) if one.what == "warehouse.answered"]
    assert [one.details["answer"] for one in final if one.details["answer"] != "pending"] == ["released"]
    sandbox = app.extensions["gateways"].payments["sandbox"]
    assert [(amount, state) for *_, amount, state in sandbox.refunds()] == [(1000, "succeeded")]
    assert told(made).count("refunded") == 1 and told(made).count("cancellation_confirmed") == 1
    assert page(order.merchant_id, made).state == "closed" and proven() == []


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_anywhere_tells_the_warehouse_once(database: Any, place: Any, point: str) -> None:
    """Twice killed at the same place, then left alone."""
    app, there = place
    order, made = a_cancellation(app, there)
    dies = {**there.environ, "FAULT_POINT": f"{point}:1"}
    assert run_worker(database, "--threads", "1", **dies) == KILLED
    assert run_worker(database, "--threads", "1", **dies) in (KILLED, 0)
    assert run_worker(database, **there.environ) == 0
    assert_once(app, there, order, made)


@pytest.mark.parametrize("point", ["in_webhook_after_insert", "before_result_commit"])
def test_an_answer_whose_receiver_dies_is_told_again_and_counts_once(
    database: Any, place: Any, point: str
) -> None:
    app, there = place
    order, made = a_cancellation(app, there, late=True)
    assert run_worker(database, **there.environ) == 0
    there.settle()
    event = _answered(app, there, order, made)
    died = racing.process(racing.once, database, {**there.environ, "FAULT_POINT": point}, receive, *event)
    died.join(120)
    assert died.exitcode == KILLED
    news = receive(app.extensions["gateways"], *event)
    assert news is (point == "before_result_commit"), "it is stored with its work, or not at all"
    dies = {**there.environ, "FAULT_POINT": "before_result_commit:1"}
    assert run_worker(database, "--threads", "1", **dies) == KILLED
    assert run_worker(database, **there.environ) == 0
    assert_once(app, there, order, made)
    assert db.session.scalars(sa.select(WarehouseEvent.outcome)).all() == ["released"]


def _answered(app: Any, there: Any, order: Any, made: UUID) -> tuple[dict[str, str], bytes]:
    if isinstance(there, Sandbox):
        return there.gateway.announce(there.gateway.untold()[0].number)
    slug = db.session.scalars(sa.select(Merchant.slug).where(Merchant.id == order.merchant_id)).one()
    data = {"merchant": slug, "order": order.number, "key": f"leave-out-{made}", "state": "released"}
    return there.there.event("leave_out.answered", data)


def receive(gateways: Any, headers: dict[str, str], body: bytes) -> bool:
    code = gateways.warehouse.code
    return warehouse_events.receive(code, headers, body, gateways=gateways, now=datetime.now(UTC)).news


def test_a_question_whose_answer_dies_with_us_is_granted_once(database: Any, place: Any) -> None:
    """The warehouse asks again, under the same id, and hears what it was granted the first time."""
    app, there = place
    gateways = app.extensions["gateways"]
    shop = a_merchant()
    order = unshipped(gateways, shop, goods("MUG", 3))
    slug = db.session.scalars(sa.select(Merchant.slug).where(Merchant.id == shop)).one()
    data = {"merchant": slug, "order": order.number, "lines": [{"sku": "MUG", "units": 2}]}
    if isinstance(there, Sandbox):
        there.gateway.learn(asking.known_as(order.id))
        with pytest.raises(ConnectionError):
            there.gateway.pick(slug, order.number, {"MUG": 2}, post=_cut)
        asked = there.gateway.announce(there.gateway.untold()[0].number)
    else:
        asked = there.there.event("pick.asked", data)
    for point, granted in (("before_result_commit", 0), ("in_webhook_after_insert", 2)):
        dies = {**there.environ, "FAULT_POINT": point}
        died = racing.process(racing.once, database, dies, receive, *asked)
        died.join(120)
        assert died.exitcode == KILLED
        db.session.rollback()
        assert db.session.scalars(sa.select(OrderLine.picked_units)).all() == [granted]
    again = warehouse_events.receive(
        gateways.warehouse.code, *asked, gateways=gateways, now=datetime.now(UTC)
    )
    assert again.answer is not None and [one["units"] for one in again.answer["lines"]] == [2]
    db.session.rollback()
    assert db.session.scalars(sa.select(OrderLine.picked_units)).all() == [2] and proven() == []


def _cut(headers: Any, body: bytes) -> Any:
    raise ConnectionError

"""How many SQL statements each step of a return's way sends: few, and no more for more lines."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from flask import Flask

from bench import flow, shop
from bench.inside import InsideVisitor, InsideWorker, Statements, counting
from portal.db.base import db
from portal.db.refunds import Refund

MOST = {
    "start GET": 18, "start POST": 13, "link POST": 22, "link": 21,
    "landing": 31, "items GET": 11, "items POST": 32, "reasons GET": 11, "reasons POST": 25,
    "address GET": 11, "address POST": 19, "sending GET": 11, "sending POST": 22, "check": 11,
    "confirm": 35, "status": 20,
    "return": 41, "receive GET": 14, "receive POST": 29, "inspect GET": 14, "inspect POST": 24,
    "refund GET": 25, "refund POST": 60,
    "job label": 17, "job mail": 28, "job refund": 62,
}  # fmt: skip
"""Statements of each step, redirects that it follows included; two more than counted, so that a fix may add one."""

MOST_OF_ALL = 590
"""Of the whole way: the agent's link, every page of the customer, the desk, and all durable work."""


def _walk(
    app: Flask, statements: Statements, worker: InsideWorker, order: shop.Sample, *, lines: int
) -> Counter[str]:
    """Statements by step of one return of so many ``lines``."""
    staff = InsideVisitor(app.test_client(), statements)
    customer = InsideVisitor(app.test_client(), statements)
    flow.sign_in(staff)
    statements.by_step.clear()
    return_id, link = flow.send_link(staff, order)
    flow.by_customer(customer, link, order, lines=lines)
    worker.work()
    flow.at_the_desk(staff, return_id)
    worker.work()
    return Counter(statements.by_step)


def test_twenty_lines_send_no_more_statements_than_two(app: Flask) -> None:
    merchant = shop.open_shop(app, trigger="on_inspection")
    small, large = shop.stock_up(app, merchant, [5, 20], prefix="counted")
    with counting() as statements:
        worker = InsideWorker(app, statements)
        two = _walk(app, statements, worker, small, lines=2)
        twenty = _walk(app, statements, worker, large, lines=20)
    with app.app_context():
        assert db.session.scalars(sa.select(Refund.state)).all() == ["succeeded", "succeeded"]
    assert {step: count for step, count in twenty.items() if count > two[step]} == {}
    assert {step: count for step, count in two.items() if count > MOST.get(step, 0)} == {}
    assert set(MOST) == set(two)
    assert two.total() <= MOST_OF_ALL, two

"""W4: everybody wants the same thing at once. Counts of winners, not times."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
from flask import Flask

from bench import flow, shop
from bench.ground import KINDS, Ground, ground, web
from bench.inside import InsideWorker, counting
from bench.shop import Sample
from bench.speed import together
from bench.tables import Result
from bench.visitor import HttpVisitor
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services.proofs import audit

CLIENTS, SKUS = 8, 20


def w4(flows: int = 400) -> Result:
    """Over HTTP to two web processes on PostgreSQL and one with threads on SQLite."""
    rows: list[tuple[object, ...]] = []
    for kind in KINDS:
        with ground(kind) as on, web(on, processes=2 if kind == "postgresql" else 1, threads=8):
            app = on.app()
            merchant = shop.open_shop(app)
            orders = shop.stock_up(app, merchant, [1, 1, 1], prefix="race")
            rows.append((kind, "8 clients want the last 3 units of a line", *_last_units(on, app, orders[0])))
            rows.append((kind, "8 identical confirmations of one return", *_identical(on, app, orders[1])))
            rows.append((kind, "8 refunds of one return", *_refunds(on, app, orders[2])))
            rows.append(
                (
                    kind,
                    f"{flows} flows over {SKUS} shared products, shuffled",
                    *_shared(on, app, merchant, flows),
                )
            )
            rows.append((kind, "all of it looked at by verify-ledger", *_audited(app)))
    return Result(
        name="W4",
        title="races: one winner, nothing over-refunded, nothing stuck",
        columns=("database", "race", "tried", "won", "told no", "server errors", "found in the database"),
        rows=rows,
    )


def at_once(actions: list[Callable[[], int]]) -> list[int]:
    """The status of each action, all begun at the same moment."""
    start, statuses = threading.Barrier(len(actions)), [0] * len(actions)

    def act(number: int) -> None:
        start.wait()
        statuses[number] = actions[number]()

    threads = [threading.Thread(target=act, args=(number,)) for number in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def _split(statuses: list[int]) -> tuple[int, int, int]:
    """Led on, told no, broken."""
    won = sum(status in (302, 303) for status in statuses)
    broken = sum(status >= 500 for status in statuses)
    return won, len(statuses) - won - broken, broken


def _at_the_check(
    on: Ground, staff: HttpVisitor, order: Sample, number: int, *, units: int
) -> tuple[HttpVisitor, str]:
    """A customer who has answered everything and looks at the check page."""
    _return_id, link = flow.send_link(staff, order)
    visitor = HttpVisitor(on.url, address=f"203.0.113.{number + 1}")
    return visitor, flow.to_the_check(visitor, link, order, lines=1, units=units)


def _staff(on: Ground) -> HttpVisitor:
    staff = HttpVisitor(on.url, address="198.51.100.9")
    flow.sign_in(staff)
    return staff


def _last_units(on: Ground, app: Flask, order: Sample) -> tuple[object, ...]:
    staff = _staff(on)
    waiting = [_at_the_check(on, staff, order, number, units=3) for number in range(CLIENTS)]
    statuses = at_once([lambda v=v, b=b: v.post(f"{b}/confirmation", {}).status for v, b in waiting])  # type: ignore[misc]
    with app.app_context():
        line = db.session.get(OrderLine, order.lines[0])
        assert line is not None
        return CLIENTS, *_split(statuses), f"{line.claimed_units} of {line.units} units taken"


def _identical(on: Ground, app: Flask, order: Sample) -> tuple[object, ...]:
    staff = _staff(on)
    _return_id, link = flow.send_link(staff, order)
    first = HttpVisitor(on.url)
    base = flow.to_the_check(first, link, order, lines=1)
    others = [HttpVisitor(on.url, address=f"203.0.113.{number + 2}") for number in range(CLIENTS - 1)]
    for visitor in others:
        visitor.get(link)
        visitor.get(f"{base}/check")
    statuses = at_once([lambda v=v: v.post(f"{base}/confirmation", {}).status for v in (first, *others)])  # type: ignore[misc]
    with app.app_context():
        line = db.session.get(OrderLine, order.lines[0])
        assert line is not None
        return CLIENTS, *_split(statuses), f"{line.claimed_units} unit taken"


def _refunds(on: Ground, app: Flask, order: Sample) -> tuple[object, ...]:
    staff = _staff(on)
    return_id, link = flow.send_link(staff, order)
    customer = HttpVisitor(on.url, address="203.0.113.99")
    flow.confirm(customer, flow.to_the_check(customer, link, order, lines=1))
    flow.receive(staff, return_id)
    people = [_staff(on) for _ in range(CLIENTS)]
    forms = [(one, flow.hidden(one.get(f"/admin/returns/{return_id}/refund").text)) for one in people]
    path = f"/admin/returns/{return_id}/refund"
    statuses = at_once(
        [lambda v=v, f=f: v.post(path, {**f, "goodwill": "", "reason": ""}).status for v, f in forms]  # type: ignore[misc]
    )
    with app.app_context():
        made = db.session.scalar(sa.select(sa.func.count()).where(Refund.return_id == return_id))
        return CLIENTS, *_split(statuses), f"{made} refund"


def _shared(on: Ground, app: Flask, merchant: UUID, flows: int) -> tuple[object, ...]:
    orders = shop.stock_up(app, merchant, [SKUS] * flows, prefix="shared", skus=SKUS)
    shuffled = random.Random(20)
    mixed = [
        Sample(
            merchant_id=o.merchant_id,
            id=o.id,
            number=o.number,
            lines=tuple(shuffled.sample(o.lines, len(o.lines))),
        )
        for o in orders
    ]

    def walk(staff: flow.Visitor, _customer: flow.Visitor, order: Sample) -> None:
        flow.posts_alone(staff, order, lines=5)

    done, errors, _seconds = together(on, walk, [mixed[number::CLIENTS] for number in range(CLIENTS)])
    broken = sum("Lost: 5" in error for error in errors)
    with app.app_context():
        stuck = db.session.scalar(
            sa.select(sa.func.count()).where(
                Return.state != "received", Return.order_id.in_([o.id for o in orders])
            )
        )
    told = f"{stuck} returns not received" + (f"; {errors[0][:120]}" if errors else "")
    return flows, done, len(errors) - broken, broken, told


def _audited(app: Flask) -> tuple[object, ...]:
    """Refunds sent by the jobs, then everything worked out again from single rows."""
    with counting() as statements:
        InsideWorker(app, statements).work(only=("refund",))
    with app.app_context():
        open_ones = db.session.scalar(sa.select(sa.func.count()).where(Refund.state != "succeeded"))
        found = audit.verify()
    checked = found.checked["refunds"]
    return (
        checked,
        checked - len(found.problems),
        0,
        0,
        f"{len(found.problems)} problems, {open_ones} refunds not paid",
    )

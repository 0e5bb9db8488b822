"""Many processes at once: a shop tells its order again while its customer says yes; no unit and no cent twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.access import SYSTEM, Stale
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment
from portal.core.policy.verdict import Refused
from portal.db.base import db
from portal.db.orders import Order, OrderLine
from portal.db.returns import Return
from portal.db.stock import StockLevel
from portal.db.tasks import Task
from portal.ports import Gateways
from portal.services import intake
from tests.builders import a_merchant, order_called
from tests.databases import Database
from tests.services import racing
from tests.services.cancelling import NOW, confirm, propose, proven

PLACED = NOW - timedelta(days=1)


def an_order(
    number: str, shipped: int, digest: str, *, placed: datetime = PLACED, **given: Any
) -> IncomingOrder:
    line = IncomingLine(external_id="1", units=3, unit_price=Decimal("9.33"), sku="MUG", shipped=shipped)
    payment = IncomingPayment(reference=f"pay-{number}", tender="card", captured=Decimal("27.99"))
    return IncomingOrder(
        external_id=number, number=number, currency="EUR", placed_at=placed, lines=(line,), payments=(payment,),
        email="demo.customer@customer.example", name="Demo Customer", digest=digest, **given,
    )  # fmt: skip


def take(gateways: Gateways, shop: UUID, *orders: IncomingOrder) -> str:
    faults: list[Any] = []
    intake.import_orders(
        SYSTEM, shop, orders, source="tests", now=NOW, gateway=gateways.gateway, refuse=faults.append
    )
    assert not faults, faults
    return "told"


def tell_or_confirm(gateways: Gateways, what: str, shop: UUID, subject: Any) -> str:
    """As workers and the web do: whoever gives way to another asks again."""
    while True:
        try:
            return confirm(gateways, shop, subject) if what == "confirm" else take(gateways, shop, *subject)
        except Refused as refused:
            return "refused: " + ", ".join(sorted({one.code for one in refused.verdict.findings}))
        except Stale:
            db.session.rollback()


@pytest.mark.parametrize("state", ["confirmed", "canceled"])
def test_a_shop_that_tells_the_order_again_and_a_customers_yes_leave_each_unit_in_one_place(
    state: str, database: Database, session: Any, gateways: Gateways
) -> None:
    shop = a_merchant()
    take(gateways, shop, an_order("1", 0, "first"))
    gateways.payments[gateways.gateway].learn("pay-1", captured=2799, currency="EUR")
    made = propose(gateways, shop, order_called(shop, "1"), {"MUG": 2})
    shipped = 2 if state == "confirmed" else 0
    told = [("tell", shop, (an_order("1", shipped, f"again {n}", state=state),)) for n in range(5)]
    outcome = racing.race(database, tell_or_confirm, [*told, ("confirm", shop, made)])
    assert outcome.errors == []
    session.expire_all()
    line = session.scalars(sa.select(OrderLine)).one()
    row = session.get_one(Return, made)
    assert line.held_units == 0
    assert line.shipped_units == shipped
    reserved = sum(session.scalars(sa.select(StockLevel.units).where(StockLevel.bucket == "reserved")))
    assert reserved == line.reserved_units
    if state == "canceled":
        assert (line.canceled_units, reserved) == (3, 0)
        assert line.refunded_minor == (1866 if row.state in ("confirmed", "closed") else 0)
    elif row.state == "overtaken":
        assert (line.canceled_units, line.refunded_minor, reserved) == (0, 0, 1)
    else:  # the yes came first, and no warehouse had to answer: a person is told that the goods left all the same
        assert (row.state, line.canceled_units) in (("confirmed", 2), ("closed", 2))
        assert "shipped_after_release" in session.scalars(sa.select(Task.kind)).all()
    assert proven() == []


def test_the_same_new_order_told_by_many_is_reserved_once(
    database: Database, session: Any, gateways: Gateways
) -> None:
    shop = a_merchant()
    orders = tuple(an_order(str(number), 0, "first") for number in range(1, 6))
    clients = [("tell", shop, orders if n % 2 else orders[::-1]) for n in range(6)]
    outcome = racing.race(database, tell_or_confirm, clients)
    assert outcome.errors == []
    session.expire_all()
    assert session.scalar(sa.select(sa.func.count()).select_from(Order)) == 5
    assert session.scalars(sa.select(StockLevel.units).where(StockLevel.bucket == "reserved")).all() == [15]
    assert proven() == []

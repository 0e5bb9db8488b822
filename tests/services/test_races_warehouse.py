"""Many processes at once: told once, answered once, and no unit both picked and canceled, or lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.core.access import Stale
from portal.core.logistics import ToldUnits
from portal.core.policy.verdict import Refused
from portal.db import history
from portal.db.base import db, transaction
from portal.db.cancellations import Cancellation
from portal.db.orders import OrderLine
from portal.db.returns import Return
from portal.ports import Gateways
from portal.services import tasks
from portal.services.filing.returns import start_draft
from portal.services.warehousing import fulfilment, warehouse
from tests.builders import a_merchant, a_person
from tests.databases import Database
from tests.services import racing
from tests.services.cancelling import (
    NOW,
    beside,
    canceled,
    choose,
    confirm,
    goods,
    own_draft,
    page,
    proven,
    unshipped,
)


@pytest.fixture
def app(make_app: Any) -> Any:
    return make_app(WAREHOUSE="sandbox")


@pytest.fixture
def books(database: Database) -> Path:
    return database.settings().data_dir / "sandbox-warehouse.sqlite"


def at(gateways: Gateways, books: Path) -> Gateways:
    return replace(gateways, warehouse=SandboxWarehouse(books))


def again(act: Any) -> Any:
    """PostgreSQL may give way to another; whoever was asked asks again, as workers and the web do."""
    while True:
        try:
            return act()
        except Stale:
            db.session.rollback()


def tell(gateways: Gateways, books: Path, made: UUID) -> str:
    again(lambda: warehouse.leave_out(made, gateways=at(gateways, books), now=NOW))
    return "told"


def test_workers_at_once_tell_the_warehouse_once(
    database: Database, session: Any, gateways: Any, books: Path
) -> None:
    shop = a_merchant()
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    outcome = racing.race(database, tell, [(books, made)] * 8)
    assert outcome.errors == [] and outcome.answers == ["told"] * 8
    assert len(gateways.warehouse.requests()) == 1 and beside(made).warehouse_state == "released"
    whats = [one.what for one in history.of([made])]
    assert (whats.count("warehouse.asked"), whats.count("warehouse.answered")) == (1, 1) and proven() == []


def pick_or_cancel(gateways: Gateways, books: Path, what: str, shop: UUID, subject: Any) -> str:
    if what == "cancel":
        return confirm(at(gateways, books), shop, subject, now=NOW)

    def pick() -> int:
        with transaction():
            return sum(fulfilment.may_pick(shop, subject, (ToldUnits(sku="MUG", units=2),), now=NOW).values())

    return f"picked {again(pick)}"


def test_units_are_picked_or_canceled_and_never_both(
    database: Database, session: Any, gateways: Any, books: Path
) -> None:
    """Two cancellations and five waves want the four units of one line."""
    shop = a_merchant()
    order = unshipped(gateways, shop, goods("MUG", 4))
    own = own_draft(shop, order)
    agents = start_draft(
        a_person(shop, "csr"),
        merchant_id=shop,
        kind="return",
        channel="phone",
        name="Demo Customer",
        email=order.email,
        language="en",
        order_id=order.id,
        now=NOW,
    )
    wanted = [choose(gateways, shop, draft, order, {"MUG": 1}) for draft in (own, agents)]
    assert None not in wanted and len(set(wanted)) == 2
    clients = [(books, "cancel", shop, made) for made in wanted]
    clients += [(books, "pick", shop, order.number)] * 5
    outcome = racing.race(database, pick_or_cancel, clients)
    assert [error for error in outcome.errors if not error.startswith(Refused.__name__)] == []
    session.rollback()
    row = session.execute(
        sa.select(OrderLine.picked_units, OrderLine.canceled_units).where(OrderLine.order_id == order.id)
    ).one()
    picked = sum(int(one.split()[1]) for one in outcome.answers if one.startswith("picked"))
    confirmed = sum(one == "confirmed" for one in outcome.answers)
    assert (row.picked_units, row.canceled_units) == (picked, confirmed)
    assert row.picked_units + row.canceled_units <= 4 and picked >= 2 and proven() == []


def ship_or_tell(gateways: Gateways, books: Path, what: str, shop: UUID, number: str, made: UUID) -> str:
    if what == "tell":
        return tell(gateways, books, made)

    def ship() -> int:
        with transaction():
            return len(fulfilment.shipped(shop, number, (ToldUnits(sku="MUG", units=3),), now=NOW).units)

    return f"shipped {again(ship)}"


def test_shipped_while_the_warehouse_says_that_they_stay_has_one_ending(
    database: Database, session: Any, gateways: Any, books: Path
) -> None:
    """Either it ends as overtaken and nothing is paid, or it stands, and a person is told; never half of each."""
    shop = a_merchant()
    for _ in range(4):
        order = unshipped(gateways, shop)
        made = canceled(gateways, shop, order, {"MUG": 1})
        clients = [(books, what, shop, order.number, made) for what in ("tell", "ship", "tell")]
        outcome = racing.race(database, ship_or_tell, clients, processes=3)
        assert outcome.errors == [] and outcome.conflicts == {}
        session.rollback()
        state, said = session.execute(
            sa.select(Return.state, Cancellation.warehouse_state)
            .join(Cancellation, Cancellation.return_id == Return.id)
            .where(Return.id == made)
        ).one()
        about = [one.kind for one in tasks.listing(a_person(shop, "csr")) if one.subject_id == made]
        expected = {
            ("overtaken", "shipped"): [[], ["warehouse_contradicts"]],
            ("confirmed", "released"): [["shipped_after_release"]],
        }
        assert about in expected[state, said]
        assert page(shop, made).state == state and proven() == []

"""Many want the same goods at once, to cancel, pick, ship, import and return them: no unit is lost or doubled."""

from __future__ import annotations

import random
import time
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.access import Actor, Conflict, Stale
from portal.core.inventory import Place
from portal.core.logistics import ToldUnits
from portal.core.policy.verdict import Refused
from portal.db.base import db, transaction
from portal.db.orders import OrderLine
from portal.db.stock import StockLevel, StockMovement
from portal.services import cancellations
from portal.services.cancellations import Choice, Wish
from portal.services.docking import receiving
from portal.services.filing import returns
from portal.services.proofs import audit, verifying
from portal.services.stockroom import stock, stocktaking
from portal.services.warehousing import fulfilment
from tests.builders import a_merchant, a_person, order_called
from tests.databases import Database
from tests.services import racing_shop
from tests.services.cancelling import NOW, SITE, choices, confirm, propose
from tests.services.racing import drop_checks, race
from tests.services.stock_world import tell, told_order

# ------------------------------------------------------------------------------------------ what one client does


def again(do: Any, *arguments: Any, **more: Any) -> Any:
    """As durable work does: what PostgreSQL gave up for another transaction is done once more, a little later."""
    for tried in range(60):
        try:
            return do(*arguments, **more)
        except Stale:
            db.session.rollback()
            time.sleep(random.uniform(0, 0.02 * (tried + 1)))
    raise AssertionError("another transaction came first sixty times")


def ask(gateways: Any, actor: Actor, order_id: UUID, wanted: tuple[Choice, ...]) -> str:
    """An agent proposes: the units are held, or somebody was faster."""
    try:
        again(
            cancellations.propose, actor, order_id, Wish(choices=wanted), shown=None, nonce=None,
            gateways=gateways, site=SITE, now=NOW,
        )  # fmt: skip
    except Refused:
        return "refused"
    except Conflict as problem:
        if problem.code != "units_gone":
            raise
        return "refused"
    return "held"


def say_yes(gateways: Any, shop: UUID, made: UUID) -> str:
    return str(again(confirm, gateways, shop, made))


def pick(_gateways: Any, shop: UUID, number: str, sku: str, units: int) -> int:
    return int(again(_pick, shop, number, sku, units))


def _pick(shop: UUID, number: str, sku: str, units: int) -> int:
    with transaction():
        told = [ToldUnits(sku=sku, units=units)]
        return sum(fulfilment.may_pick(shop, number, told, now=NOW).values())


def ship(_gateways: Any, shop: UUID, number: str, sku: str, units: int, event: str = "") -> int:
    return int(again(_ship, shop, number, sku, units, event))


def _ship(shop: UUID, number: str, sku: str, units: int, event: str) -> int:
    with transaction():
        if event and not fulfilment.once(
            shop, "tests", event, kind="shipped", order_ref=number, at=NOW, now=NOW
        ):
            return 0
        told = [ToldUnits(sku=sku, units=units)]
        return sum(fulfilment.shipped(shop, number, told, now=NOW).units.values())


def take_in(gateways: Any, shop: UUID, orders: list[Any]) -> int:
    return tell(gateways, shop, *orders).changed


def bring_back(_gateways: Any, actor: Actor, made: UUID) -> str:
    """A return of what was sent: confirmed, received and back on the shelf."""
    again(racing_shop.came_back, actor, made)
    entries = [
        receiving.InspectionEntry(line_id=line.id, units=line.units, grade="A", disposition="restock")
        for line in returns.page(actor, made, now=racing_shop.NOW).draft.lines
    ]
    again(receiving.inspect, actor, made, entries, now=racing_shop.NOW)
    return "back"


def count(_gateways: Any, actor: Actor, level_id: UUID, found: int, seen: int) -> str:
    stocktaking.count(actor, level_id, "available", found=found, seen=seen, reason="Counted", now=NOW)
    return "counted"


def do(gateways: Any, step: str, arguments: tuple[Any, ...]) -> Any:
    """One of the above: a race of different steps."""
    return {"ask": ask, "yes": say_yes, "pick": pick, "ship": ship, "import": take_in, "back": bring_back}[
        step
    ](gateways, *arguments)


# ------------------------------------------------------------------------------------------------- the guards gone


def pick_without_guard(_gateways: Any, shop: UUID, number: str, sku: str, seen: SimpleNamespace) -> int:
    """The guard replaced from here: what was read before the race is believed."""
    fulfilment._lines = lambda _order_id: [seen]
    fulfilment.pick = _pick_unguarded
    return _pick(shop, number, sku, 1)


def _pick_unguarded(granted: dict[UUID, int]) -> bool:
    for line_id, units in granted.items():
        more = OrderLine.picked_units + units
        db.session.execute(sa.update(OrderLine).where(OrderLine.id == line_id).values(picked_units=more))
    return True


def yes_without_guard(gateways: Any, shop: UUID, made: UUID, seen: dict[Place, int]) -> str:
    """Levels are written as they were read before the race, not changed by what moved."""

    def written(merchant_id: UUID, deltas: dict[Place, int]) -> None:
        level = StockLevel
        for (sku, location, bucket), delta in sorted(deltas.items()):
            here = (level.merchant_id == merchant_id, level.sku == sku, level.location == location)
            new = seen.get((sku, location, bucket), 0) + delta
            db.session.execute(sa.update(level).where(*here, level.bucket == bucket).values(units=new))

    stock.change = written
    return str(again(confirm, gateways, shop, made))


# ------------------------------------------------------------------------------------------------------- one order


@pytest.fixture
def shop(session: Session) -> UUID:
    return a_merchant(now=NOW)


def an_order_of(gateways: Any, shop: UUID, number: str, **units: int) -> Any:
    tell(gateways, shop, told_order(number, {sku: (n, 0) for sku, n in units.items()}))
    return order_called(shop, number)


def line(order: Any, sku: str = "MUG") -> Any:
    db.session.rollback()
    wanted = sa.select(OrderLine).where(OrderLine.order_id == order.id, OrderLine.sku == sku)
    return db.session.scalars(wanted.execution_options(populate_existing=True)).one()


def proven() -> None:
    db.session.rollback()
    assert verifying.run().problems == []
    assert audit.verify().problems == []


def test_units_are_held_once_whoever_asks(database: Database, shop: UUID, gateways: Any) -> None:
    order = an_order_of(gateways, shop, "K-1", MUG=5)
    wanted = choices(order, {"MUG": 1})
    outcome = race(database, ask, [(a_person(shop, "csr"), order.id, wanted) for _ in range(16)])
    assert (outcome.errors, outcome.conflicts) == ([], {})
    assert sorted(outcome.answers) == ["held"] * 5 + ["refused"] * 11
    assert line(order).held_units == 5
    proven()


def test_the_last_unit_is_picked_or_held_and_never_both(
    database: Database, shop: UUID, gateways: Any
) -> None:
    order = an_order_of(gateways, shop, "K-2", MUG=1)
    wanted = choices(order, {"MUG": 1})
    racers: list[tuple[Any, ...]] = [
        ("ask", (a_person(shop, "csr"), order.id, wanted)) if n % 2 else ("pick", (shop, "K-2", "MUG", 1))
        for n in range(24)
    ]
    outcome = race(database, do, racers)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    assert [answer for answer in outcome.answers if answer in ("held", 1)] in (["held"], [1])
    found = line(order)
    assert found.held_units + found.picked_units == 1
    proven()


def test_without_the_guard_the_last_unit_is_picked_by_many(
    database: Database, shop: UUID, gateways: Any
) -> None:
    """The control: the race is real, and the checks of the table would have stopped it."""
    order = an_order_of(gateways, shop, "K-3", MUG=1)
    found = line(order)
    seen = SimpleNamespace(**{name: getattr(found, name) for name in found.__table__.c.keys()})  # noqa: SIM118
    racers = [(shop, "K-3", "MUG", seen)] * 8
    outcome = race(database, pick_without_guard, racers)
    assert all("IntegrityError" in error for error in outcome.errors)
    assert (len(outcome.answers), len(outcome.errors)) == (1, 7)
    drop_checks(database, "order_lines", "picked_bought")
    outcome = race(database, pick_without_guard, racers[:4])
    assert (outcome.errors, outcome.answers) == ([], [1] * 4)
    assert line(order).picked_units > 1


def test_a_proposal_is_confirmed_or_overtaken_and_its_unit_is_canceled_or_sent(
    database: Database, shop: UUID, gateways: Any
) -> None:
    """Eight orders of the same product: for each a customer says yes while its last unit leaves."""
    made = []
    for n in range(8):
        order = an_order_of(gateways, shop, f"K-4{n}", MUG=1)
        made.append((order, propose(gateways, shop, order, {"MUG": 1})))
    racers: list[tuple[Any, ...]] = [("yes", (shop, one)) for _, one in made]
    racers += [("ship", (shop, order.number, "MUG", 1)) for order, _ in made]
    outcome = race(database, do, racers)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    states = [answer for answer in outcome.answers if isinstance(answer, str)]
    assert set(states) <= {"confirmed", "closed", "overtaken"}
    assert sum(line(order).shipped_units for order, _ in made) == 8
    proven()
    assert stock.levels(shop, ["MUG"]) == {}


def test_the_same_parcel_told_by_many_counts_once(database: Database, shop: UUID, gateways: Any) -> None:
    order = an_order_of(gateways, shop, "K-5", MUG=9)
    outcome = race(database, ship, [(shop, "K-5", "MUG", 2, "parcel-1")] * 12)
    assert (outcome.errors, outcome.conflicts, sorted(outcome.answers)) == ([], {}, [0] * 11 + [2])
    assert (line(order).shipped_units, line(order).reserved_units) == (2, 7)
    proven()


def test_parcels_of_many_never_send_more_than_was_bought(
    database: Database, shop: UUID, gateways: Any
) -> None:
    order = an_order_of(gateways, shop, "K-6", MUG=7)
    outcome = race(database, ship, [(shop, "K-6", "MUG", 2)] * 8)
    assert (outcome.errors, outcome.conflicts, sum(outcome.answers)) == ([], {}, 7)
    assert (line(order).shipped_units, line(order).reserved_units) == (7, 0)
    proven()


# ------------------------------------------------------------------------------------------------- one product


def test_cancellations_of_one_product_add_up(database: Database, shop: UUID, gateways: Any) -> None:
    made = [
        propose(gateways, shop, an_order_of(gateways, shop, f"K-7{n}", MUG=2), {"MUG": 1}) for n in range(10)
    ]
    outcome = race(database, say_yes, [(shop, one) for one in made])
    assert (outcome.errors, outcome.conflicts) == ([], {})
    assert stock.levels(shop, ["MUG"]) == {"MUG": {"available": 10, "reserved": 10}}
    proven()


def test_without_the_guard_units_of_one_product_are_lost_and_verify_stock_says_so(
    database: Database, shop: UUID, gateways: Any
) -> None:
    """The control: who writes a level as it was read loses what others moved meanwhile."""
    made = [
        propose(gateways, shop, an_order_of(gateways, shop, f"K-8{n}", MUG=2), {"MUG": 1}) for n in range(8)
    ]
    db.session.rollback()
    seen = stock.at(shop, [("MUG", "main", "available"), ("MUG", "main", "reserved")])
    outcome = race(database, yes_without_guard, [(shop, one, seen) for one in made])
    assert (outcome.errors, outcome.conflicts) == ([], {})
    db.session.rollback()
    assert stock.levels(shop, ["MUG"])["MUG"]["available"] < 8
    assert [problem[:2] for problem in verifying.run().problems] == ["S1", "S1"]


def test_of_those_who_count_at_once_one_is_believed(database: Database, shop: UUID, gateways: Any) -> None:
    order = an_order_of(gateways, shop, "K-9", MUG=4)
    confirm(gateways, shop, propose(gateways, shop, order, {"MUG": 4}))
    db.session.rollback()
    level = db.session.scalars(sa.select(StockLevel.id).where(StockLevel.bucket == "available")).one()
    racers = [(a_person(shop, "warehouse"), level, found, 4) for found in (1, 2, 3, 5, 6, 7)]
    outcome = race(database, count, racers)
    assert (outcome.errors, outcome.answers, outcome.conflicts) == ([], ["counted"], {"stock_changed": 5})
    proven()


@pytest.mark.parametrize("seed", [1, 2])
def test_everything_at_once_on_the_same_orders_and_products_adds_up(
    database: Database, shop: UUID, gateways: Any, seed: int
) -> None:
    """Customers, agents, pickers, parcels, imports and returns: a unit is always in one place, and only there."""
    chance = random.Random(seed)
    skus = ("MUG", "HAT", "TEA")
    orders = [an_order_of(gateways, shop, f"A-{n}", **dict.fromkeys(skus, 12)) for n in range(3)]
    person = a_person(shop)
    racers: list[tuple[Any, ...]] = []
    for order in orders:
        for sku in skus:
            made = [propose(gateways, shop, order, {sku: 1}) for _ in range(2)]
            racers += [("yes", (shop, one)) for one in made]
        for _ in range(4):
            sku = chance.choice(skus)
            racers += [
                ("ask", (person, order.id, choices(order, {sku: 2}))),
                ("pick", (shop, order.number, sku, 3)),
                ("ship", (shop, order.number, sku, chance.randint(2, 6))),
            ]
    again_told = [told_order(order.number, dict.fromkeys(skus, (12, 4))) for order in orders]
    chance.shuffle(again_told)
    racers += [("import", (shop, again_told)), ("import", (shop, list(reversed(again_told))))]
    old = racing_shop.take_order(shop, "OLD", dict.fromkeys(skus, (6, "4.00")), gateways)
    for sku in skus:
        draft = racing_shop.draft(person, shop, old, {sku: 2}, gateways)
        racers.append(("back", (person, draft)))
    chance.shuffle(racers)
    outcome = race(database, do, racers, processes=6)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    proven()
    for order in orders:
        for sku in skus:
            found = line(order, sku)
            assert found.shipped_units >= 4
            assert found.reserved_units == max(0, 12 - found.shipped_units - found.canceled_units)
    moved = dict(
        db.session.execute(
            sa.select(StockMovement.bucket, sa.func.sum(StockMovement.delta)).group_by(StockMovement.bucket)
        ).all()
    )
    reserved = db.session.scalar(sa.select(sa.func.sum(OrderLine.reserved_units)))
    assert int(moved["reserved"]) == reserved


# -------------------------------------------------------------------------------------- the database's last word


TOO_MUCH = (
    "UPDATE stock_levels SET units = -1",
    "UPDATE stock_levels SET bucket = 'elsewhere'",
    "UPDATE stock_movements SET delta = delta + 1",
    "UPDATE stock_movements SET why = 'lost'",
    "DELETE FROM stock_movements",
    "UPDATE order_lines SET reserved_units = units + 1",
    "UPDATE order_lines SET reserved_units = -1",
    "UPDATE order_lines SET picked_units = units - shipped_units + 1",
    "UPDATE order_lines SET picked_units = -1",
    "UPDATE order_lines SET held_units = units - canceled_units + 1",
    "UPDATE order_lines SET held_units = -1",
)


def test_the_database_itself_refuses_units_that_are_not_there(
    session: Session, shop: UUID, gateways: Any
) -> None:
    order = an_order_of(gateways, shop, "K-10", MUG=3)
    confirm(gateways, shop, propose(gateways, shop, order, {"MUG": 1}))
    db.session.rollback()
    for statement in TOO_MUCH:
        with pytest.raises(DBAPIError), db.engine.begin() as connection:
            connection.execute(sa.text(statement))
    proven()

"""The world of money with orders that were not sent yet: what is taken out of them, and what a warehouse does."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.core.facts import CANCELLATIONS, OrderFacts
from portal.core.intake import Special
from portal.core.logistics import ToldUnits
from portal.core.spans import count
from portal.core.totals import totals
from portal.db import orders as stored_orders
from portal.db.base import db, transaction
from portal.db.cancellations import GATED, Cancellation
from portal.db.orders import Order, OrderLine, Payment
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return
from portal.db.tasks import Task
from portal.db.warehouse import WarehouseEvent
from portal.services import cancellations, links
from portal.services.paying import authorizations, byhand, settling
from portal.services.stockroom import asking
from portal.services.warehousing import fulfilment, warehouse, warehouse_events
from tests.builders import SITE, a_customer, a_payment, a_period, an_item, an_order, fill, shipping_cost
from tests.services.money_world import MoneyWorld

EMAIL = "demo.customer@customer.example"
GOODS = ("JAR", "MUG", "LID", "POT")
ENDED = ("declined", "canceled", "expired", "overtaken", "refused")
NEVER_YES = ("draft", "proposed", "declined", "expired", "canceled")


@dataclass(kw_only=True)
class UnsentWorld(MoneyWorld):
    """``numbers`` are of the orders that were not all sent; ``floor`` is the warehouse, where there is one."""

    numbers: dict[UUID, str] = field(default_factory=dict)
    skus: dict[UUID, list[str]] = field(default_factory=dict)

    @property
    def floor(self) -> SandboxWarehouse | None:
        there: Any = self.gateways.warehouse
        return there

    def without_warehouse(self) -> None:
        """Nobody can be told: the money goes at once, and what left is told by the shop alone."""
        self.gateways = replace(self.gateways, warehouse=None)

    def there_is(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = dict(super().there_is())
        rows = db.session.execute(
            sa.select(Return.id, Return.state, Cancellation.next_ask_at)
            .join(Cancellation, Cancellation.return_id == Return.id)
            .order_by(Return.id)
        ).all()
        told = sa.select(WarehouseEvent.id).where(WarehouseEvent.handled_at.is_(None))
        due = sa.select(Payment.id).where(Payment.mode == "due").order_by(Payment.id)
        found |= {
            "not sent": list(self.numbers),
            "proposed": [row.id for row in rows if row.state == "proposed"],
            "to tell": [row.id for row in rows if row.next_ask_at is not None],
            "warehouse events": list(db.session.scalars(told.order_by(WarehouseEvent.id))),
            "bills": list(db.session.scalars(due)),
        }
        db.session.rollback()
        return found

    # ------------------------------------------------------------------------------------------- what is ordered

    def order_unsent(
        self, units: int, sent: int, cents: int, ways: Sequence[tuple[str, str]], how: str, small: bool
    ) -> None:
        """Jars, of which ``sent`` were, two mugs, a bundle and a service; paid evenly in ``ways`` (mode, ending).

        A ``small`` order is of jars alone, so that it is soon empty.

        ``how`` is the ending of the order's number, by which the sandbox warehouse behaves.
        """
        number = f"UNSENT-{len(self.orders)}{how}"
        items = (
            an_item("JAR", units, f"{cents // 100}.{cents % 100:02}", tax="0.02", shipped=sent),
            an_item("MUG", 2, "9.33", shipped=0, discount="0.01"),
            an_item("BOX", 1, "0.00", shipped=0),
            an_item("POT", 1, "20.00", shipped=0, parent="3", special=Special(part_required=True)),
            an_item("LID", 1, "3.99", shipped=0, parent="3"),
            an_item("PLAN", 1, "29.90", kind="service", shipped=0, special=a_period(self.now)),
            shipping_cost("4.90"),
        )
        items = (items[0], items[-1]) if small else items
        total = cents * units + 490 + (0 if small else 1865 + 2000 + 399 + 2990)
        parts = [total // len(ways)] * (len(ways) - 1)
        parts.append(total - sum(parts))
        paid = []
        for place, ((mode, ending), part) in enumerate(zip(ways, parts, strict=True), 1):
            reference = f"{number}-{place}{ending}"
            amount = f"{part // 100}.{part % 100:02}"
            tender = "invoice" if mode == "due" else "card"
            paid.append(a_payment(tender, amount, reference=reference, mode=mode))
            if mode != "due":
                self.captures.append(reference)
        made = an_order(self.gateways, self.merchant, items, number=number, paid=paid, now=self.now)
        self.orders.append(made.id)
        self.numbers[made.id] = number
        self.skus[made.id] = [item.sku for item in items]

    def facts(self, order_id: UUID) -> OrderFacts:
        db.session.rollback()
        return stored_orders.facts(order_id)

    def _choices(self, order_id: UUID, wanted: Mapping[str, int], ending: str) -> list[cancellations.Choice]:
        """What of ``wanted`` can still be had; all of it, and so an objection, where nothing can."""
        lines = {line.sku: line for line in self.facts(order_id).items}
        wanted = {sku: units for sku, units in wanted.items() if sku in lines} or {
            "JAR": max(wanted.values())
        }
        there = {sku: min(units, lines[sku].cancelable_units) for sku, units in wanted.items()}
        return [
            cancellations.Choice(line_id=lines[sku].id, units=units, ending=ending if sku == "PLAN" else "")
            for sku, units in (there if any(there.values()) else wanted).items()
        ]

    # ------------------------------------------------------------------------- what customers and agents do

    def ask(self, order_id: UUID, wanted: Mapping[str, int], ending: str) -> None:
        """An agent proposes."""
        with self.refusing():
            wish = cancellations.Wish(choices=tuple(self._choices(order_id, wanted, ending)))
            cancellations.propose(
                self.agent, order_id, wish, shown=None, nonce=None, gateways=self.gateways, site=SITE, now=self.now
            )  # fmt: skip

    def say(self, return_id: UUID, answer: str) -> None:
        """The customer's yes or no, or the agent's second thought."""
        customer = a_customer(return_id, self.merchant)
        with self.refusing():
            if answer == "yes":
                cancellations.confirm(
                    customer, return_id, seen=None, gateways=self.gateways, site=SITE, now=self.now
                )
            elif answer == "no":
                cancellations.decline(customer, return_id, now=self.now)
            else:
                cancellations.withdraw(self.agent, return_id, reason="It was a mistake.", now=self.now)

    def choose(self, order_id: UUID, out: Mapping[str, int], ending: str, back: int) -> None:
        """The customer takes units out in the portal, and sends ``back`` so many jars in the same selection."""
        with self.refusing():
            links.start_by_customer(
                merchant_id=self.merchant, order_number=self.numbers[order_id], proof=EMAIL, language="en",
                site=SITE, now=self.now,
            )  # fmt: skip
            draft = db.session.scalars(
                sa.select(Return.id).where(
                    Return.order_id == order_id, Return.state == "draft",
                    Return.kind == "return", Return.channel == "self_service",
                )
            ).one()  # fmt: skip
            customer, choices = a_customer(draft, self.merchant), self._choices(order_id, out, ending)
            made = cancellations.choose(customer, draft, choices, gateways=self.gateways, now=self.now)
            order = self.facts(order_id)
            back = min(back, next(line.returnable_units for line in order.items if line.sku == "JAR"))
            if back:
                fill(customer, draft, self.gateways, order=order, units={"JAR": back}, now=self.now)
                cancellations.confirm_both(customer, draft, gateways=self.gateways, site=SITE, now=self.now)
            elif made is not None:
                self.say(made, "yes")

    def nobody_answers(self) -> None:
        """Proposals that have waited long enough are given up; of others their customers are reminded."""
        cancellations.remind_due(now=self.now)
        cancellations.expire(now=self.now)
        db.session.rollback()

    def bill_is_paid(self, payment_id: UUID) -> None:
        """The shop tells that the customer has paid what was due."""
        with transaction():
            authorizations.captured(payment_id, None)

    # ------------------------------------------------------------------------------ what becomes of the goods

    def _post(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        found = warehouse_events.receive("sandbox", headers, body, gateways=self.gateways, now=self.now)
        return found.answer or {}

    def _known(self, order_id: UUID) -> str:
        """The order's number, and the warehouse knows it."""
        told = asking.known_as(order_id)
        db.session.rollback()
        assert told is not None
        if self.floor is not None:
            self.floor.learn(told)
        return self.numbers[order_id]

    def pick(self, order_id: UUID, sku: str, units: int, back: bool) -> None:
        """The warehouse asks what it may pick; or lays on the shelf again what it has picked."""
        number, sku = self._known(order_id), sku if sku in self.skus[order_id] else "JAR"
        if self.floor is None:
            with transaction():
                act = fulfilment.put_back if back else fulfilment.may_pick
                act(self.merchant, number, [ToldUnits(sku=sku, units=units)], now=self.now)
        elif not back:
            self.floor.pick("world", number, {sku: units}, post=self._post)
        else:
            units = min(units, self._there(number, sku).picked)
            if units:
                self.floor.put_back("world", number, {sku: units})

    def ship(self, order_id: UUID, sku: str, units: int, by_warehouse: bool) -> None:
        """Units leave, whatever was agreed: the warehouse will tell of it, or the shop's channel tells of it now."""
        number, sku = self._known(order_id), sku if sku in self.skus[order_id] else "JAR"
        if self.floor is not None and by_warehouse:
            line = self._there(number, sku)
            units = min(units, line.units - line.shipped)
            if units:
                self.floor.ship("world", number, {sku: units})
            return
        with transaction():
            fulfilment.shipped(self.merchant, number, [ToldUnits(sku=sku, units=units)], now=self.now)

    def _there(self, number: str, sku: str) -> Any:
        assert self.floor is not None
        return next(line for line in self.floor.order("world", number).values() if line.sku == sku)

    def tell_warehouse(self, return_id: UUID) -> None:
        with self.refusing():
            warehouse.leave_out(return_id, gateways=self.gateways, now=self.now)
        warehouse.tell_of_silent(now=self.now)

    def warehouse_says(self, what: str) -> None:
        """It is away or back, decides what it has left open, or tells what has happened there."""
        if self.floor is None:
            return
        if what in ("away", "back"):
            self.floor.away(what == "away")
        elif what == "settles":
            self.floor.settle()
        else:
            self.floor.deliver(self._post)

    def handle_warehouse(self, event_id: UUID) -> None:
        with self.refusing():
            warehouse_events.handle(event_id, gateways=self.gateways, now=self.now)

    def answer_for_it(self, return_id: UUID, state: str) -> None:
        """A person records what the warehouse said on the phone."""
        with self.refusing():
            warehouse.record_answer(self.supervisor, return_id, state=state, note="By phone.", now=self.now)

    # ------------------------------------------------------------------------------------- what must always hold

    def problems(self) -> list[str]:
        found = super().problems()
        found += self._units()
        found += self._gate()
        found += self._stays()
        db.session.rollback()
        return found

    def _units(self) -> Iterator[str]:
        """Nothing is taken twice; what left although it is canceled is told to a person."""
        told = sa.select(Task.subject_id).where(Task.kind == "shipped_after_release")
        contradicted = set(db.session.scalars(sa.select(Return.order_id).where(Return.id.in_(told))))
        for line in db.session.scalars(sa.select(OrderLine).order_by(OrderLine.id)):
            where = f"line {line.sku} of {self.numbers.get(line.order_id, 'an order')}"
            if line.canceled_units + line.held_units + line.claimed_units > line.units:
                yield f"{where}: more canceled, held and returned than {line.units}"
            if line.shipped_units + line.picked_units > line.units:
                yield f"{where}: {line.shipped_units} sent and {line.picked_units} picked of {line.units}"
            gone = line.shipped_units + line.canceled_units + line.held_units
            if gone > line.units and line.order_id not in contradicted:
                yield f"{where}: {gone} sent, canceled or held of {line.units}, and nobody was told"

    def _gate(self) -> Iterator[str]:
        """No money before a yes, none while the goods may still leave, and none for what comes to nothing."""
        there = {one.key for one in self.theirs()}
        rows = db.session.execute(
            sa.select(Return.number, Return.state, Cancellation.warehouse_state, Refund, Payout)
            .join(Cancellation, Cancellation.return_id == Return.id)
            .join(Refund, Refund.return_id == Return.id)
            .outerjoin(Payout, Payout.refund_id == Refund.id)
        )
        for number, state, answer, refund, payout in rows:
            gone = payout is not None and (payout.state not in ("planned", "canceled") or payout.key in there)
            if refund.amount_minor < 0:
                yield f"{number}: the customer is charged"
            if state in NEVER_YES:
                yield f"{number}: {state}, and it has a refund"
            if state in ENDED and (gone or refund.state != "canceled"):
                yield f"{number}: {state}, and its refund is {refund.state}"
            if answer in GATED and gone:
                yield f"{number}: {payout.state} while the warehouse may still send the goods"

    def _stays(self) -> Iterator[str]:
        """What stays and what went back is what was paid; an order of which nothing is left is canceled."""
        for order_id, number in self.numbers.items():
            order = stored_orders.facts(order_id)
            sums = totals(order)
            if sums.total + sums.refunded != sums.paid or min(sums.goods, sums.shipping, sums.other) < 0:
                yield f"{number}: {sums}"
            left = sum(line.units - count(line.canceled) for line in order.items)
            state = db.session.scalar(sa.select(Order.state).where(Order.id == order_id))
            if state != ("confirmed" if left else "canceled"):
                yield f"{number}: {state}, and {left} units are left of it"

    # --------------------------------------------------------------------------------------------------- at rest

    def come_to_rest(self, chance: random.Random) -> None:
        """Customers who have not answered never will, the warehouse says what it owes, and people pay by hand."""
        self.warehouse_says("back")
        self.later(hours=50)
        for _ in range(3):
            self.nobody_answers()
            for what in ("settles", "tells"):
                self.warehouse_says(what)
            there = self.there_is()
            for return_id in there["to tell"]:
                self.tell_warehouse(return_id)
            for event_id in there["warehouse events"]:
                self.handle_warehouse(event_id)
            self.later(minutes=5)
        super().come_to_rest(chance)
        manual = sa.select(Payout.id).where(
            Payout.provider == settling.MANUAL, Payout.state == "requires_action"
        )
        for payout_id in db.session.scalars(manual.order_by(Payout.id)).all():
            byhand.settle_by_hand(self.finance, payout_id, proof="paid in cash", now=self.now)

    def unsettled(self) -> list[str]:
        """At rest every yes is carried out or undone; only a refund that failed, or was given up, keeps one open."""
        found = super().unsettled()
        rows = db.session.execute(
            sa.select(Return.id, Return.number, Return.state, Cancellation.warehouse_state)
            .join(Cancellation, Cancellation.return_id == Return.id)
            .where(Return.kind.in_(CANCELLATIONS), Return.state.not_in(("draft", "closed", *ENDED)))
        ).all()
        for row in rows:
            owed = set(db.session.scalars(sa.select(Refund.state).where(Refund.return_id == row.id)))
            if row.state == "proposed" or row.warehouse_state in GATED or not owed & {"failed", "canceled"}:
                found.append(f"{row.number}: {row.state}, {row.warehouse_state}, its refunds {sorted(owed)}")
        held = sa.select(sa.func.coalesce(sa.func.sum(OrderLine.held_units), 0))
        if db.session.scalar(held):
            found.append("units are held that nobody is asked about")
        return found

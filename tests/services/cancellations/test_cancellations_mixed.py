"""Cancellations and returns of one order, in any sequence: together they give back what was paid, to the cent."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.core.lifecycles import IllegalStep
from portal.core.logistics import ToldUnits
from portal.core.policy.terms import ShippingTier
from portal.core.policy.verdict import Refused
from portal.db import returns as stored_returns
from portal.db.base import db, transaction
from portal.db.refunds import Payout, Refund
from portal.services import cancellations
from portal.services.cancellations import ending
from portal.services.handling import confirmation
from portal.services.paying import payouts
from portal.services.refunding import refunds
from portal.services.warehousing import fulfilment
from tests.builders import (
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_payment,
    a_person,
    as_it_is,
    fill,
    inspect,
    receive,
    shipping_cost,
    terms,
)
from tests.services.cancelling import NOW, confirm, goods, page, propose, proven, service, unshipped

REFUSALS = (Conflict, Refused, IllegalStep)


class Sequence:
    """One order, and everything that may befall it, drawn by chance from a seed."""

    def __init__(self, gateways: Any, shop: UUID, seed: int, *, paid: Any, warehouse: bool) -> None:
        self.gateways, self.shop, self.chance, self.now = gateways, shop, random.Random(seed), NOW
        price = f"{self.chance.randint(1, 9999) / 100:.2f}"
        units = self.chance.randint(3, 6)
        self.order = unshipped(
            gateways, shop,
            goods("MUG", units, price, tax=f"{self.chance.randint(0, 40) / 100:.2f}", discount="0.01"),
            goods("LAMP", self.chance.randint(2, 4), "9.33"),
            service("PLAN", "29.90", days_had=self.chance.randint(1, 30)),
            shipping_cost("4.90"), paid=paid,
        )  # fmt: skip
        self.warehouse = warehouse
        self.agent, self.boss = a_person(shop, "csr"), a_person(shop, "finance")
        self.proposals: list[UUID] = []
        self.waiting: list[UUID] = []
        self.back: list[UUID] = []

    def units(self, what: Callable[[Any], int]) -> tuple[str, int] | None:
        found = [(one.sku, what(one)) for one in as_it_is(self.order).items if what(one) > 0]
        if not found:
            return None
        sku, most = self.chance.choice(found)
        return sku, self.chance.randint(1, most)

    def propose(self) -> None:
        picked = self.units(lambda one: one.cancelable_units)
        if picked:
            sku, count = picked
            ends = self.chance.choice(["at_once", "at_once", "next_period"]) if sku == "PLAN" else ""
            wanted = {sku: (count, ends)}
            self.proposals.append(
                propose(self.gateways, self.shop, as_it_is(self.order), wanted, by=self.agent)
            )

    def answer(self) -> None:
        if self.proposals:
            made = self.proposals.pop(self.chance.randrange(len(self.proposals)))
            if self.chance.random() < 0.75:
                confirm(self.gateways, self.shop, made)
                self.waiting.append(made)
            else:
                cancellations.decline(a_customer(made, self.shop), made, now=self.now)

    def expire(self) -> None:
        if self.proposals and self.chance.random() < 0.3:
            cancellations.expire(now=self.now + timedelta(days=3))
            self.proposals.clear()

    def hear(self) -> None:
        """The warehouse answers."""
        if self.waiting:
            made = self.waiting.pop(self.chance.randrange(len(self.waiting)))
            with transaction():
                if self.chance.random() < 0.6:
                    ending.released(made, now=self.now)
                else:
                    ending.refuse(made, code="picking", now=self.now)

    def ship(self) -> None:
        picked = self.units(lambda one: one.units - one.shipped if one.sku != "PLAN" else 0)
        if picked:
            told = [ToldUnits(sku=picked[0], units=1)]
            with transaction():
                fulfilment.shipped(self.shop, self.order.number, told, now=self.now)

    def send_back(self) -> None:
        picked = self.units(lambda one: one.returnable_units if one.sku != "PLAN" else 0)
        if picked:
            boss = a_person(self.shop)
            made = a_draft(boss, self.shop, self.order, now=self.now)
            fill(boss, made, self.gateways, order=self.order, units=dict([picked]), now=self.now)
            confirmation.confirm(boss, made, site=SITE, now=self.now)
            self.back.append(made)

    def receive(self) -> None:
        if self.back:
            made = self.back.pop()
            receive(self.shop, made, now=self.now)
            inspect(self.shop, made, now=self.now)
            refunds.propose(self.boss, made, now=self.now)

    def pay(self) -> None:
        for refund_id in db.session.scalars(sa.select(Refund.id)).all():
            payouts.send(refund_id, gateways=self.gateways, now=self.now)

    def run(self, steps: int) -> None:
        acts = (
            self.propose, self.propose, self.answer, self.answer, self.hear, self.ship, self.send_back,
            self.receive, self.pay, self.expire,
        )  # fmt: skip
        for _ in range(steps):
            act = self.chance.choice(acts)
            try:
                act()
            except REFUSALS:
                db.session.rollback()
            assert proven() == [], f"after {act.__name__}"

    def finish(self) -> None:
        """Nothing is left to be answered, sent or returned: everything went back."""
        while self.proposals:
            confirm(self.gateways, self.shop, self.proposals.pop())
        for made in [row.id for row in stored_returns.of_orders([self.order.id]) if row.state == "confirmed"]:
            with transaction():
                ending.released(made, now=self.now)
        for one in as_it_is(self.order).items:
            if one.cancelable_units:
                ending_of = "at_once" if one.sku == "PLAN" else ""
                rest = {one.sku: (one.cancelable_units, ending_of)}
                made = propose(self.gateways, self.shop, as_it_is(self.order), rest, by=self.agent)
                confirm(self.gateways, self.shop, made)
                with transaction():
                    ending.released(made, now=self.now)
        rest = {one.sku: one.returnable_units for one in as_it_is(self.order).items if one.sku != "PLAN"}
        for sku, units in rest.items():
            if units:
                boss = a_person(self.shop)
                made = a_draft(boss, self.shop, self.order, now=self.now)
                fill(boss, made, self.gateways, order=self.order, units={sku: units}, now=self.now)
                confirmation.confirm(boss, made, site=SITE, now=self.now)
                self.back.append(made)
        while self.back:
            self.receive()
        self.pay()


@pytest.fixture(params=[False, True], ids=["facts", "warehouse"])
def app(make_app, request):
    return make_app(**({"WAREHOUSE": "sandbox"} if request.param else {}))


PAID = {
    "card": [a_payment()],
    "two": [a_payment("gift_card", "7.77"), a_payment()],
    "authorized": [a_payment(mode="authorized")],
    "due": [a_payment("invoice", mode="due")],
}


@pytest.mark.parametrize("how", list(PAID))
@pytest.mark.parametrize("seed", [1, 2])
def test_any_sequence_gives_back_what_was_paid(session, gateways, app, seed, how):
    shop = a_merchant(terms=terms(refund_trigger="on_inspection"))
    mixed = Sequence(
        gateways, shop, seed * 100 + len(how), paid=PAID[how], warehouse=gateways.warehouse is not None
    )
    mixed.run(24)
    mixed.finish()
    order = as_it_is(mixed.order)
    assert proven() == []
    for one in order.lines:
        if one.sku in ("MUG", "LAMP"):
            assert one.refunded == one.paid, f"{one.sku} of which all is gone"
        assert one.refunded <= one.paid
    paid = sum(payment.refunded for payment in order.payments)
    assert paid == order.refunded == sum(one.refunded for one in order.lines)
    open_ones = session.scalars(
        sa.select(Payout.amount_minor).where(Payout.state.not_in(("succeeded", "canceled", "failed")))
    ).all()
    assert open_ones == [], "nothing is on its way any more"


def test_a_partly_shipped_order_with_one_line_canceled_and_one_returned(session, gateways, app, drain):
    shop = a_merchant(terms=terms(refund_trigger="on_inspection"))
    order = unshipped(
        gateways, shop, goods("MUG", 3, "9.33", shipped=2), goods("LAMP", 1, "50.00"), shipping_cost()
    )
    made = propose(gateways, shop, order, {"MUG": 1, "LAMP": 1})
    boss = a_person(shop)
    back = a_draft(boss, shop, order, now=NOW)
    fill(boss, back, gateways, order=order, units={"MUG": 2}, now=NOW)
    confirmation.confirm(boss, back, site=SITE, now=NOW)
    confirm(gateways, shop, made)
    drain()
    receive(shop, back, now=NOW)
    inspect(shop, back, now=NOW)
    refunds.propose(a_person(shop, "finance"), back, now=NOW)
    drain()
    assert page(shop, made).state == "closed" and as_it_is(order).refunded == order.paid
    assert proven() == []


def test_shipping_is_quoted_anew_for_what_stays_and_never_charged(session, gateways, app, drain):
    tiers = (ShippingTier(from_goods=0, price=490), ShippingTier(from_goods=5000, price=0))
    shop = a_merchant(terms=terms(cancel_shipping="re_evaluate", shipping_tiers=tiers))
    free = unshipped(
        gateways, shop, goods("MUG", 1, "10.00"), goods("LAMP", 1, "50.00"), shipping_cost("0.00")
    )
    made = propose(gateways, shop, free, {"LAMP": 1})
    assert page(shop, made).breakdown.amount == 5000, (
        "what stays would have cost delivery: nobody is charged it"
    )
    confirm(gateways, shop, made)
    drain()
    assert page(shop, made).state == "closed" and proven() == []

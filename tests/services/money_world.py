"""A shop, its people, a gateway and a clock that a test moves: everything that can happen to money, step by step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import sqlalchemy as sa

from portal import faults
from portal.adapters.payments.sandbox import SandboxPayments
from portal.core.access import Conflict, NotAllowed
from portal.core.lifecycles import IllegalStep
from portal.core.policy.terms import RestockingFee
from portal.core.policy.verdict import Refused
from portal.db.base import db, transaction
from portal.db.gateway import GatewayEvent
from portal.db.orders import OrderLine, Payment
from portal.db.refunds import Payout, Refund
from portal.db.returns import Return, ReturnLine
from portal.ports import Declined, Gateways, Unavailable
from portal.services import merchants
from portal.services.docking import receiving
from portal.services.gateways import gateway_events, looking, reconcile
from portal.services.handling import confirmation
from portal.services.paying import authorizations, payouts, settling
from portal.services.proofs import audit, recounting
from portal.services.refunding import refunds
from tests.services import racing_shop as shop

REFUSALS = (Conflict, Refused, IllegalStep, NotAllowed)
"""What a person may be told; anything else that is raised is a fault."""

ENDED = ("failed", "canceled")
MOVES = {
    "pending": ("succeeded", "failed", "canceled", "requires_action"),
    "requires_action": ("pending", "succeeded", "failed", "canceled"),
    "succeeded": ("failed",),
}
"""How a refund may go on at the gateway, as Stripe documents it; what failed or was canceled stays so."""

TERMS = replace(
    shop.TERMS, goodwill_cap=1000, restocking_fee=RestockingFee(percent_bp=1000), window_days=3000
)
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)


class PowerCut(BaseException):
    """The process is gone: nothing after this line happens."""


@dataclass(kw_only=True)
class Clock:
    """What time it is, for the shop and for the gateway."""

    now: datetime = BEGAN

    def timestamp(self) -> float:
        return self.now.timestamp()


@dataclass(kw_only=True)
class MoneyWorld:
    """One merchant in an app context that is open. ``sandbox`` stands outside, with books of its own."""

    gateways: Gateways
    sandbox: SandboxPayments
    clock: Clock
    merchant: UUID = field(init=False)
    orders: list[UUID] = field(default_factory=list)
    captures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.merchant = merchants.create(
            slug="world", name="World Shop", support_email="help@world.example", address=shop.PLACE.record(),
            terms=TERMS, now=self.now,
        )  # fmt: skip
        self.supervisor = shop.agent(self.merchant)
        self.agent = shop.agent(self.merchant, "csr")
        self.finance = shop.agent(self.merchant, "finance")

    @property
    def now(self) -> datetime:
        return self.clock.now

    # --------------------------------------------------------------------------------------------- what is there

    def there_is(self) -> dict[str, list[UUID]]:
        """What somebody could do something with now, by what it is."""
        db.session.rollback()
        back = ("partially_received", "received", "inspected", "closed")
        returns = db.session.execute(sa.select(Return.id, Return.state).order_by(Return.id)).all()
        owed = db.session.execute(sa.select(Refund.id, Refund.state).order_by(Refund.id)).all()
        promised = db.session.scalars(
            sa.select(Payout.refund_id)
            .where(Payout.state.in_(settling.SENDABLE))
            .distinct()
            .order_by(Payout.refund_id)
        ).all()
        events = db.session.scalars(
            sa.select(GatewayEvent.id).where(GatewayEvent.handled_at.is_(None)).order_by(GatewayEvent.id)
        ).all()
        open_orders = db.session.scalars(
            sa.select(OrderLine.order_id)
            .where(
                OrderLine.sku == "JAR",
                OrderLine.claimed_units + OrderLine.canceled_units + OrderLine.held_units < OrderLine.units,
                OrderLine.claimed_units < OrderLine.shipped_units,
            )
            .order_by(OrderLine.order_id)
        ).all()
        over_there = [uuid5(NAMESPACE_OID, one.reference) for one in self.theirs()]
        db.session.rollback()
        return {
            "to return": list(open_orders),
            "on their way": [
                r.id for r in returns if r.state in ("approved", "in_transit", "inspected", *back[:1])
            ],
            "back": [r.id for r in returns if r.state in back],
            "refunds": [r.id for r in owed if r.state != "canceled"],
            "pending_approval": [r.id for r in owed if r.state == "pending_approval"],
            "to send": list(promised),
            "failed": [r.id for r in owed if r.state == "failed"],
            "events": list(events),
            "over there": over_there,
        }

    def theirs(self) -> list[Any]:
        """The gateway's own list."""
        return list(self.sandbox.refunds_since(datetime.fromtimestamp(0, UTC)))

    def ours(self) -> list[Payout]:
        """Our transfers that the gateway makes: not what was never paid, nor what a person pays."""
        return list(db.session.scalars(sa.select(Payout).where(Payout.provider == "sandbox")))

    # ------------------------------------------------------------------------------------------- what people do

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """A person, or a worker, is told no or later; whatever else goes wrong is a fault of the portal."""
        try:
            yield
        except (*REFUSALS, Unavailable):
            pass
        finally:
            db.session.rollback()

    def order(self, units: int, cents: int, endings: tuple[str, ...], reserved: bool = False) -> None:
        number = f"ORDER-{len(self.orders)}"
        price = f"{cents // 100}.{cents % 100:02}"
        made = shop.take_order(
            self.merchant,
            number,
            {"JAR": (units, price)},
            self.gateways,
            endings=endings,
            reserved=reserved,
            now=self.now,
        )
        self.orders.append(made)
        self.captures += [
            f"race-{number}-{place}{ending}" for place, ending in enumerate(endings, 1) if cents * units > 1
        ]

    def send_back(self, order: UUID, units: int) -> None:
        """As many of them as there are left to send."""
        line = db.session.scalars(
            sa.select(OrderLine).where(OrderLine.order_id == order, OrderLine.sku == "JAR")
        ).one()
        free = (
            min(line.units - line.canceled_units - line.held_units, line.shipped_units) - line.claimed_units
        )
        with self.refusing():
            units = min(units, max(free, 1))
            made = shop.draft(
                self.supervisor, self.merchant, order, {"JAR": units}, self.gateways, now=self.now
            )
            confirmation.confirm(self.supervisor, made, site=shop.SITE, now=self.now)

    def came_back(self, order: UUID, units: int, received: int) -> None:
        """A return of ``units`` whose parcel holds ``received`` of them."""
        known = set(self.there_is()["on their way"])
        self.send_back(order, units)
        for made in set(self.there_is()["on their way"]) - known if received else ():
            self.receive(made, min(units, received))

    def _line_of(self, return_id: UUID) -> UUID:
        return db.session.scalars(sa.select(ReturnLine.id).where(ReturnLine.return_id == return_id)).one()

    def receive(self, return_id: UUID, units: int) -> None:
        with self.refusing():
            receiving.receive(self.supervisor, return_id, {self._line_of(return_id): units}, now=self.now)

    def inspect(self, return_id: UUID, units: int, grade: str, accepted: bool) -> None:
        entry = receiving.InspectionEntry(
            line_id=self._line_of(return_id),
            units=units,
            grade=grade,
            disposition="restock",
            accepted=accepted,
        )
        with self.refusing():
            receiving.inspect(self.supervisor, return_id, [entry], now=self.now)

    def withdraw(self, return_id: UUID) -> None:
        with self.refusing():
            confirmation.cancel(self.supervisor, return_id, now=self.now)

    def propose(self, return_id: UUID, goodwill: int, by_agent: bool) -> None:
        actor = self.agent if by_agent else self.supervisor
        with self.refusing():
            refunds.propose(actor, return_id, goodwill=goodwill, reason="So it was agreed.", now=self.now)

    def approve(self, refund_id: UUID) -> None:
        with self.refusing():
            refunds.approve(self.finance, refund_id, now=self.now)

    def cancel(self, refund_id: UUID) -> None:
        with self.refusing():
            refunds.cancel(self.supervisor, refund_id, reason="Not wanted.", now=self.now)

    def retry(self, refund_id: UUID) -> None:
        with self.refusing():
            refunds.retry(self.supervisor, refund_id, now=self.now)

    # ------------------------------------------------------------------------------------------ what workers do

    def send(self, refund_id: UUID) -> None:
        with self.refusing():
            payouts.send(refund_id, gateways=self.gateways, now=self.now)

    def poll(self) -> None:
        with self.refusing():
            looking.look_at_due(gateways=self.gateways, now=self.now)

    def handle(self, event_id: UUID) -> None:
        with self.refusing():
            gateway_events.handle(event_id, gateways=self.gateways, now=self.now)

    def reconcile(self) -> Any:
        try:
            return reconcile.run(gateways=self.gateways, now=self.now)
        finally:
            db.session.rollback()

    @contextmanager
    def power_cut_at(self, point: str, passage: int) -> Iterator[None]:
        """Whoever passes ``point`` for the ``passage``-th time is gone, as if it had never come back."""
        real, passed = faults.point, [0]

        def point_of(name: str) -> None:
            if name == point:
                passed[0] += 1
                if passed[0] == passage:
                    raise PowerCut(name)

        faults.point = point_of
        try:
            yield
        except PowerCut:
            pass
        finally:
            faults.point = real
            db.session.remove()

    # ---------------------------------------------------------------------------------- what happens over there

    def move(self, nth: int, choice: int) -> None:
        """One refund comes to another state at the gateway, as it may."""
        movable = [one for one in self.theirs() if one.state in MOVES]
        if movable:
            one = movable[nth % len(movable)]
            states = MOVES[one.state]
            self.sandbox.end(one.reference, states[choice % len(states)], error="so it came")

    def announce(self, nth: int, number: int, copies: int) -> None:
        """An event about some refund or dispute is delivered, ``copies`` times."""
        known = [one.reference for one in self.theirs()]
        known += [one.reference for one in self.sandbox.disputes_since(datetime.fromtimestamp(0, UTC))]
        if not known:
            return
        headers, body = self.sandbox.announce(known[nth % len(known)], now=self.now, number=number)
        for _ in range(copies):
            gateway_events.receive("sandbox", headers, body, gateways=self.gateways, now=self.now)
        db.session.rollback()

    def refund_outside(self, capture: str, cents: int) -> None:
        try:
            self.sandbox.refund_outside(capture, cents)
        except Declined:
            pass

    def take(self, capture: str, all_of_it: bool, told: bool) -> None:
        """The shop captures what is left of a reservation, or all that it ever was; its import may tell of it."""
        known = self.sandbox.capture(capture)
        if known is None or not known.authorized:
            return
        amount = known.authorized + known.released if all_of_it else known.authorized
        self.sandbox.take(capture, amount)
        if told:
            with transaction():
                held = sa.select(Payment.id).where(Payment.reference == capture)
                authorizations.captured(db.session.scalars(held).one(), amount)

    def dispute(self, capture: str, cents: int) -> None:
        known = self.sandbox.capture(capture)
        if known is not None and known.refunded + known.disputed + cents <= known.captured:
            self.sandbox.dispute(capture, cents)

    def decide(self, nth: int, state: str) -> None:
        opened = [
            one for one in self.sandbox.disputes_since(datetime.fromtimestamp(0, UTC)) if one.state == "open"
        ]
        if opened:
            self.sandbox.decide(opened[nth % len(opened)].reference, state)

    def later(self, **span: float) -> None:
        self.clock.now += timedelta(**span)

    # ------------------------------------------------------------------------------------- what must always hold

    def problems(self) -> list[str]:
        """Everything that is wrong now: the books, every cap, and our transfers beside the gateway's list."""
        db.session.rollback()
        found = list(audit.verify().problems)
        found += self._caps()
        found += self._pairs()
        found += self._told()
        found += self._recounted()
        db.session.rollback()
        return found

    def _recounted(self) -> Iterator[str]:
        """What every refund must be, worked out by other arithmetic than the engine's."""
        ever = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        for one in recounting.recounted([self.merchant], since=ever[0], until=ever[1]):
            if not one.found.is_accurate:
                yield f"{one.number}: {one.found.posted} decided, {one.found.expected} recounted: {one.found.faults}"

    def _caps(self) -> Iterator[str]:
        """I1 to I3, from single rows."""
        held = dict(
            tuple(row)
            for row in db.session.execute(
                sa.select(Payout.payment_id, sa.func.sum(Payout.amount_minor))
                .where(Payout.state.not_in(ENDED))
                .group_by(Payout.payment_id)
            )
        )
        for payment in db.session.scalars(sa.select(Payment)):
            gone = held.get(payment.id, 0)
            if gone + payment.disputed_minor > payment.captured_minor:
                gone_too = f"{payment.disputed_minor} disputed"
                yield f"{payment.reference}: {gone} out and {gone_too} of {payment.captured_minor}"
            if gone > payment.refunded_minor:
                yield f"{payment.reference}: {gone} out, the counter says {payment.refunded_minor}"
            there = self.sandbox.capture(payment.reference)
            if there is not None and there.refunded + there.disputed > there.captured:
                yield f"{payment.reference}: the gateway gave back more than it took"
        for line in db.session.scalars(sa.select(OrderLine)):
            if line.claimed_units + line.canceled_units > line.units or line.refunded_minor > line.paid_minor:
                yield f"line {line.sku}: {line.claimed_units} units and {line.refunded_minor} of {line.paid_minor}"

    def _pairs(self) -> Iterator[str]:
        """I5: each refund of ours at the gateway is one transfer here, of its amount, and no failure is made up."""
        there = {one.key: one for one in self.theirs() if one.key}
        if len(there) != sum(bool(one.key) for one in self.theirs()):
            yield "the gateway has two refunds under one key"
        here = {row.key: row for row in self.ours()}
        yield from (f"the gateway made {key}, nobody here asked for it" for key in there.keys() - here.keys())
        for key, row in here.items():
            other = there.get(key)
            if other is not None and (other.amount, other.currency) != (row.amount_minor, row.currency):
                yield f"{key}: {other.amount} there, {row.amount_minor} here"
            if row.state == "succeeded" and (other is None or other.state not in ("succeeded", "failed")):
                yield f"{key}: succeeded here, {other.state if other else 'nowhere'} there"
            if row.state in ENDED and other is not None and other.state not in ENDED:
                yield f"{key}: {row.state} here, {other.state} there"

    def _told(self) -> Iterator[str]:
        """I7: as many messages to the customer, and happenings, as successes; a success without either is wrong."""
        mails = dict(
            tuple(row)
            for row in db.session.execute(
                sa.text(
                    "SELECT refund_id, count(*) FROM mails WHERE event = 'refunded' GROUP BY refund_id"
                ).columns(refund_id=sa.Uuid, count=sa.Integer)
            )
        )
        for row in db.session.scalars(sa.select(Refund)):
            times = mails.get(row.id, 0)
            if row.state == "succeeded" and row.amount_minor and times < 1:
                yield f"{row.number}: paid, and nobody was told"
            if times and row.succeeded_at is None:
                yield f"{row.number}: told of, and never paid"

    def come_to_rest(self, chance: random.Random) -> None:
        """Workers do what is left, the gateway ends what it began, and everybody hears of it."""
        for _ in range(4):
            for one in self.theirs():
                if one.state in ("pending", "requires_action"):
                    self.sandbox.end(one.reference, chance.choice(("succeeded", "failed")), error="at last")
            self.later(hours=2)
            there = self.there_is()
            for refund_id in there["to send"]:
                self.send(refund_id)
            for event_id in there["events"]:
                self.handle(event_id)
            self.poll()
            self.reconcile()

    def unsettled(self) -> list[str]:
        """At rest: what here is not what it is there."""
        there = {one.key: one.state for one in self.theirs() if one.key}
        return [
            f"{row.key}: {row.state} here, {there.get(row.key)} there"
            for row in self.ours()
            if row.state != there.get(row.key) and not (row.state in ENDED and row.key not in there)
        ]

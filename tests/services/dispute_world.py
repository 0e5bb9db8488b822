"""A shop with people, and returns that were refunded with a fee, refused, or not refunded yet: to be contested."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.policy.terms import RestockingFee, Terms
from portal.db.base import db
from portal.db.disputes import Dispute
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import disputes
from portal.services.disputes import Claim, LineClaim
from portal.services.docking import receiving
from portal.services.persons import people
from portal.services.refunding import refunds
from tests import builders
from tests.builders import an_item

TERMS = Terms(
    return_postage="merchant", restocking_fee=RestockingFee(percent_bp=2000), dispute_hours=48, offer_days=7
)
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


@dataclass(kw_only=True)
class Place:
    """One merchant; ``now`` is the time that everybody has."""

    app: Any
    merchant: UUID
    now: datetime = NOW

    @property
    def gateways(self) -> Any:
        return self.app.extensions["gateways"]

    def person(self, role: str = "supervisor") -> Actor:
        """Somebody with that role who can be found again by id."""
        email = f"{role}@people.example"
        known = people.named(email)
        if known is None:
            people.create_user(
                email=email, name=f"Demo {role}", password="a password for tests", roles={"disputed": role},
                now=self.now,
            )  # fmt: skip
            known = people.named(email)
        assert known is not None
        return known

    def customer(self, return_id: UUID) -> Actor:
        return builders.a_customer(return_id, self.merchant)

    def arrived(
        self,
        units: int = 1,
        price: str = "100.00",
        *,
        accepted: bool = True,
        reason: str = "too_small",
        **more: Any,
    ) -> UUID:
        """A return of a lamp that was inspected and not refunded yet."""
        items = (an_item("LAMP", units, price, tax=more.pop("tax", "0")),)
        order = builders.an_order(self.gateways, self.merchant, items, now=self.now, **more)
        made = builders.a_return(
            self.gateways, self.merchant, order, {"LAMP": units}, reason=reason, now=self.now,
            site=self.app.extensions["site"],
        )  # fmt: skip
        builders.receive(self.merchant, made, now=self.now)
        self.inspected(made, units, accepted=accepted)
        return made

    def inspected(self, return_id: UUID, units: int, *, accepted: bool) -> None:
        entry = receiving.InspectionEntry(
            line_id=builders.line_ids(return_id)["LAMP"], units=units, grade="A" if accepted else "D",
            disposition="restock" if accepted else "ship_back_to_customer", accepted=accepted, note="Looked at it.",
        )  # fmt: skip
        receiving.inspect(builders.a_person(self.merchant), return_id, [entry], now=self.now)

    def refunded(self, units: int = 1, price: str = "100.00", **more: Any) -> UUID:
        """The same, refunded less the restocking fee of a fifth."""
        made = self.arrived(units, price, **more)
        refunds.propose(self.person(), made, now=self.now)
        return made

    def claim(self, return_id: UUID, ground: str = "deduction", **more: Any) -> Claim:
        lines = tuple(
            LineClaim(line_id=one.line.id, ground=ground, claimed=more.get("line_claimed"))
            for one in disputes.sheet(self.customer(return_id), return_id, now=self.now).choices
        )
        return Claim(
            lines=lines, wanted=more.get("wanted", "difference"), body="The lamp was never used.",
            claimed=more.get("claimed"),
        )  # fmt: skip

    def contested(self, return_id: UUID | None = None, ground: str = "deduction", **more: Any) -> UUID:
        return_id = return_id or self.refunded()
        return disputes.open_dispute(
            self.customer(return_id), return_id, self.claim(return_id, ground, **more),
            nonce=return_id.hex, now=self.now,
        )  # fmt: skip

    def one(self, dispute_id: UUID) -> disputes.DisputeFacts:
        db.session.rollback()
        return disputes.one(self.person(), dispute_id)

    def row(self, return_id: UUID) -> Return:
        db.session.rollback()
        return db.session.get_one(Return, return_id, populate_existing=True)

    def dispute(self, dispute_id: UUID) -> Dispute:
        db.session.rollback()
        return db.session.get_one(Dispute, dispute_id, populate_existing=True)

    def refunds(self, return_id: UUID) -> list[Refund]:
        db.session.rollback()
        return list(
            db.session.scalars(sa.select(Refund).where(Refund.return_id == return_id).order_by(Refund.id))
        )

    def line(self) -> OrderLine:
        db.session.rollback()
        return db.session.scalars(sa.select(OrderLine).where(OrderLine.sku == "LAMP")).one()

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


def a_place(app: Any, **terms: Any) -> Place:
    made = builders.a_merchant(slug="disputed", terms=replace(TERMS, **terms), now=NOW)
    return Place(app=app, merchant=made)

"""Two shops with people in every role, and whoever signs in; for tests of the admin area."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from flask import Flask

from portal.core.access import SYSTEM, Actor
from portal.core.facts import OrderFacts
from portal.core.policy.terms import Terms
from portal.services.handling import confirmation, dossiers
from portal.services.persons import people, sessions
from tests import builders
from tests.builders import an_item
from tests.checking import CheckingClient

PASSWORD = "a password for tests"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class World:
    """One app with two shops: ``own`` is where people work, ``other`` is a stranger's."""

    app: Flask
    own: UUID
    other: UUID

    @property
    def gateways(self) -> Any:
        return self.app.extensions["gateways"]

    def signed_in(
        self, role: str = "supervisor", *, merchants: tuple[UUID, ...] | None = None
    ) -> CheckingClient:
        """A browser in which somebody with that role at the own shop has signed in."""
        client = self.app.test_client()
        assert isinstance(client, CheckingClient)
        with self.app.app_context():
            slugs = {one.id: one.slug for one in _every()}
            email = f"{role}-{len(merchants or ())}@people.example"
            person_id = people.create_user(
                email=email,
                name=f"Demo {role}",
                password=PASSWORD,
                roles={slugs[one]: role for one in merchants or (self.own,)},
                now=now(),
            )
            begun = self.app.config.get("CLOCK", now)()
            token = sessions.begin(person_id, way="password", browser="a test", now=begun)
        with client.session_transaction() as session:
            session["person"] = token
        return client

    def actor(self, role: str = "supervisor", merchant_id: UUID | None = None) -> Actor:
        return builders.a_person(merchant_id or self.own, role)

    def order(self, merchant_id: UUID | None = None, **more: Any) -> OrderFacts:
        """An order of a shirt, three mugs and a gift card."""
        gift = an_item("GIFT", 1, "25.00", kind="gift_card")
        usual = (an_item("SHIRT", 1, "50.00"), an_item("MUG", 3, "10.00"), gift)
        items = more.pop("items", usual)
        with self.app.app_context():
            return builders.an_order(self.gateways, merchant_id or self.own, items, now=now(), **more)

    def draft(self, order: OrderFacts | None = None, merchant_id: UUID | None = None, **more: Any) -> UUID:
        with self.app.app_context():
            owner = merchant_id or self.own
            return builders.a_draft(builders.a_person(owner), owner, order, now=now(), **more)

    def confirmed(
        self, units: dict[str, int] | None = None, *, merchant_id: UUID | None = None, **more: Any
    ) -> UUID:
        """A return that is approved, of a new order."""
        owner = merchant_id or self.own
        order = self.order(owner)
        with self.app.app_context():
            return builders.a_return(
                self.gateways,
                owner,
                order,
                units or {"SHIRT": 1},
                now=now(),
                site=self.app.extensions["site"],
                **more,
            )

    def requested(self, units: dict[str, int] | None = None) -> UUID:
        """A return that waits for a decision: its customer began it, for a reason that the policy wants looked at."""
        order = self.order()
        with self.app.app_context():
            return_id = builders.a_draft(SYSTEM, self.own, order, channel="self_service", now=now())
            builders.fill(
                SYSTEM,
                return_id,
                self.gateways,
                order=order,
                units=units or {"SHIRT": 1},
                reason="changed_mind",
                now=now(),
            )
            customer = builders.a_customer(return_id, self.own)
            confirmation.confirm(customer, return_id, site=self.app.extensions["site"], now=now())
        return return_id

    def received(self, units: dict[str, int] | None = None) -> UUID:
        return_id = self.confirmed(units)
        with self.app.app_context():
            builders.receive(self.own, return_id, now=now())
        return return_id

    def inspected(self, units: dict[str, int] | None = None) -> UUID:
        return_id = self.received(units)
        with self.app.app_context():
            builders.inspect(self.own, return_id, now=now())
        return return_id

    def dossier(self, return_id: UUID, merchant_id: UUID | None = None) -> dossiers.Dossier:
        with self.app.app_context():
            return dossiers.dossier(self.actor("admin", merchant_id), return_id, now=now())

    def state(self, return_id: UUID) -> str:
        return self.dossier(return_id).page.draft.state

    def lines(self, return_id: UUID) -> dict[str, Any]:
        """sku -> line of the return"""
        return {line.sku: line for line in self.dossier(return_id).page.draft.lines}


def _every() -> list[Any]:
    from portal.services import merchants

    return merchants.every()


def a_world(app: Flask, terms: Terms | None = None) -> World:
    with app.app_context():
        own = builders.a_merchant(
            slug="own", terms=terms or Terms(approval_reasons=("changed_mind",)), now=now()
        )
        other = builders.a_merchant(slug="other", now=now())
    return World(app=app, own=own, other=other)

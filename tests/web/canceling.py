"""Orders that have not shipped, and their cancellations, for tests of the agent's pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from portal.core.facts import OrderFacts
from portal.core.intake import Special
from portal.core.links import FINISH
from portal.services import cancellations, links
from portal.services.cancellations import Choice, Wish, cancellation_dossiers
from portal.services.cancellations.cancellation_dossiers import CancellationDossier
from tests import builders
from tests.builders import a_payment, a_period, an_item, shipping_cost
from tests.web.admin_world import World, now


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A world with helpers for what has not shipped yet."""

    world: World

    @property
    def gateways(self) -> Any:
        return self.world.gateways

    def order(self, **more: Any) -> OrderFacts:
        """A shirt and three mugs that wait in the warehouse, a gift card, and shipping."""
        usual = (
            an_item("SHIRT", 1, "50.00", shipped=0),
            an_item("MUG", 3, "10.00", shipped=0),
            shipping_cost(),
        )
        return self.world.order(**{"items": usual, **more})

    def mixed(self) -> OrderFacts:
        """A bundle, a subscription, a gift, goods that are sent, and what can no longer be stopped."""
        return self.world.order(
            items=(
                an_item("SET", 1, "60.00", shipped=0),
                an_item(
                    "TABLE", 1, "0", shipped=0, parent="1", special=Special(list_price=50, part_required=True)
                ),
                an_item("LAMP", 1, "0", shipped=0, parent="1", special=Special(list_price=25)),
                an_item("PLAN", 1, "30.00", shipped=0, kind="service", special=a_period(now())),
                an_item("VASE", 2, "15.00", shipped=0, special=Special(gift=True)),
                an_item("BOOK", 2, "12.00", shipped=1),
                an_item("SOFA", 1, "400.00", shipped=0, special=Special(logistics=("drop_ship",))),
                an_item(
                    "BOWL", 1, "20.00", shipped=0, special=Special(cut_off_at=now() + timedelta(hours=3))
                ),
                shipping_cost(),
            ),
            paid=(a_payment("gift_card", "40.00"), a_payment("card", mode="authorized")),
        )

    def ids(self, order: OrderFacts) -> dict[str, UUID]:
        """sku -> order line"""
        return {line.sku: line.id for line in order.lines}

    def propose(
        self, units: dict[str, int] | None = None, order: OrderFacts | None = None, **more: Any
    ) -> UUID:
        """What an agent proposed; the units of a new order unless one is given."""
        order = order or self.order()
        ids = self.ids(order)
        choices = tuple(Choice(line_id=ids[sku], units=n) for sku, n in (units or {"MUG": 2}).items())
        with self.world.app.app_context():
            return cancellations.propose(
                self.world.actor("csr", order.merchant_id),
                order.id,
                Wish(choices=choices, **more),
                shown=None,
                nonce=None,
                gateways=self.gateways,
                site=self.world.app.extensions["site"],
                now=now(),
            )

    def confirm(self, return_id: UUID) -> str:
        """The customer says yes."""
        with self.world.app.app_context():
            return cancellations.confirm(
                builders.a_customer(return_id, self.world.own),
                return_id,
                seen=None,
                gateways=self.gateways,
                site=self.world.app.extensions["site"],
                now=now(),
            )

    def found(self, return_id: UUID) -> CancellationDossier:
        with self.world.app.app_context():
            return cancellation_dossiers.dossier(self.world.actor("admin"), return_id, now=now())

    def state(self, return_id: UUID) -> str:
        return self.found(return_id).page.state

    def url(self, return_id: UUID) -> str:
        """The link that the customer has in the mail."""
        with self.world.app.app_context():
            found = next(one for one in links.of_return(return_id) if one.purpose == FINISH)
            url = links.shown_url(self.world.actor("admin"), found.id, site=self.world.app.extensions["site"])
        assert url
        return url

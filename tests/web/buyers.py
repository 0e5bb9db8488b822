"""Buyers and their orders, for tests of what customers see of a cancellation: made by the services real ones use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from portal.core.intake import IncomingLine
from portal.services import cancellations, links
from portal.services.cancellations import Choice, Wish
from tests.builders import a_period
from tests.web.shops import EMAIL, Prepared, Shop, line, newest_link, now, order_id


def bought(*, sent: int = 0) -> tuple[IncomingLine, ...]:
    """Three things, of which ``sent`` of the three mugs were sent; and shipping."""
    return (
        line("SHT", "Linen shirt", "50.00", sent=0),
        line("MUG", "Stoneware mug", "10.00", units=3, sent=sent),
        line("THR", "Wool throw", "69.00", sent=0),
    )


def service(
    sku: str = "PLN", name: str = "Care plan", price: str = "30.00", *, days: int = 30
) -> IncomingLine:
    """A service paid for from ten days ago for ``days`` days, renewed every month."""
    return IncomingLine(
        external_id=sku,
        sku=sku,
        name=name,
        units=1,
        unit_price=Decimal(price),
        kind="service",
        special=a_period(now(), days=days),
    )


def start(client: Any, shop: Shop, number: str = "N-1") -> Prepared:
    """The buyer starts at the start page and opens the link of the mail; answers the draft that is open then."""
    with shop.app.app_context():
        links.start_by_customer(
            merchant_id=shop.id, order_number=number, proof=EMAIL, language="en", site=shop.site, now=now()
        )
        order = cancellations.sheet(
            shop.agent, order_id(shop, number), gateways=shop.app.extensions["gateways"], now=now()
        ).order
    path = newest_link(shop)
    opened = client.get(path, follow_redirects=True)
    return Prepared(
        id=UUID(opened.request.path.split("/")[2]),
        link_id=UUID(int=0),
        path=path,
        lines={one.sku: one.id for one in order.items},
    )


def propose(
    shop: Shop, units: dict[str, int], number: str = "N-1", *, message: str = "As agreed.", ending: str = ""
) -> Prepared:
    """The agent proposes to take units out; the path is that of the link in the mail."""
    gateways = shop.app.extensions["gateways"]
    with shop.app.app_context():
        order = order_id(shop, number)
        lines = {
            one.sku: one.id
            for one in cancellations.sheet(shop.agent, order, gateways=gateways, now=now()).order.items
        }
        wish = Wish(
            choices=tuple(Choice(line_id=lines[sku], units=n, ending=ending) for sku, n in units.items()),
            reason="ordered_by_mistake",
            message=message,
        )
        shown = cancellations.estimate(shop.agent, order, wish, gateways=gateways, now=now()).shown
        made = cancellations.propose(
            shop.agent, order, wish, shown=shown, nonce=None, gateways=gateways, site=shop.site, now=now()
        )
    return Prepared(id=made, link_id=UUID(int=0), path=newest_link(shop), lines=lines)


def state_of(shop: Shop, return_id: UUID) -> str:
    with shop.app.app_context():
        return cancellations.page(shop.agent, return_id, now=now()).draft.state

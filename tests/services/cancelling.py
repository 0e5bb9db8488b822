"""Orders that were not sent yet, and cancellations of them, made through the ways that real ones take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import OrderFacts
from portal.core.links import FINISH
from portal.db import cancellations as stored
from portal.db import returns as stored_returns
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.services import cancellations, links
from portal.services.cancellations import CancellationPage, Choice, Wish
from portal.services.proofs import audit, recounting
from portal.services.talking import notices
from tests.builders import SITE, Item, a_customer, a_period, a_person, an_item, an_order, as_it_is

NOW = datetime.now(UTC).replace(microsecond=0)
"""Workers that these tests start go by the clock: what waits for somebody must not have expired by it."""

EVER = timedelta(days=3650)


def unshipped(gateways: Any, shop: UUID, *items: Item, **more: Any) -> OrderFacts:
    """A confirmed order; by default of three mugs that were not sent."""
    return an_order(gateways, shop, items or (goods("MUG", 3, "9.33"),), now=NOW, **more)


def goods(sku: str, units: int = 1, price: str = "10.00", *, shipped: int = 0, **more: Any) -> Item:
    """A line of which ``shipped`` units were sent."""
    return an_item(sku, units, price, shipped=shipped, **more)


def service(sku: str, price: str, *, days_had: int, days: int = 30, interval: str = "month") -> Item:
    """A service paid for by the period, of which so many days were had, today counted."""
    special = a_period(NOW, had=days_had, days=days, interval=interval)
    return an_item(sku, 1, price, kind="service", shipped=0, special=special)


def choices(order: OrderFacts, units: dict[str, int | tuple[int, str]]) -> tuple[Choice, ...]:
    """sku -> units, or (units, ending)."""
    ids = {line.sku: line.id for line in order.items}
    pairs = ((sku, one if isinstance(one, tuple) else (one, "")) for sku, one in units.items())
    return tuple(Choice(line_id=ids[sku], units=n, ending=ending) for sku, (n, ending) in pairs)


def wish(order: OrderFacts, units: Any, **more: Any) -> Wish:
    return Wish(choices=choices(order, units), **more)


def propose(gateways: Any, shop: UUID, order: OrderFacts, units: Any, *, by: Any = None, **more: Any) -> UUID:
    """An agent asks the customer; answers the cancellation's id."""
    given = {"shown": None, "nonce": None, "gateways": gateways, "site": SITE, "now": NOW} | more
    wanted = given.pop("wish", None) or wish(order, units)
    return cancellations.propose(by or a_person(shop, "csr"), order.id, wanted, **given)


def confirm(gateways: Any, shop: UUID, made: UUID, **more: Any) -> str:
    """The customer says yes; answers the state."""
    given = {"seen": None, "gateways": gateways, "site": SITE, "now": NOW} | more
    return cancellations.confirm(a_customer(made, shop), made, **given)


def canceled(gateways: Any, shop: UUID, order: OrderFacts, units: Any, *, now: datetime = NOW) -> UUID:
    """Proposed and confirmed."""
    made = propose(gateways, shop, as_it_is(order), units, now=now)
    assert confirm(gateways, shop, made, now=now) in ("confirmed", "closed")
    return made


def own_draft(shop: UUID, order: OrderFacts) -> UUID:
    """The draft that the buyer starts on the portal's first page."""
    links.start_by_customer(
        merchant_id=shop, order_number=order.number, proof=order.email, language="en", site=SITE, now=NOW
    )
    rows = [row for row in stored_returns.of_orders([order.id]) if row.state == "draft"]
    return next(row.id for row in rows if row.kind == "return")


def choose(gateways: Any, shop: UUID, draft: UUID, order: OrderFacts, units: Any) -> UUID | None:
    return cancellations.choose(
        a_customer(draft, shop), draft, choices(order, units), gateways=gateways, now=NOW
    )


def page(shop: UUID, made: UUID, *, now: datetime = NOW) -> CancellationPage:
    """As somebody of the shop sees it, read anew."""
    db.session.rollback()
    db.session.expire_all()
    return cancellations.page(a_person(shop, "csr"), made, now=now)


def beside(made: UUID) -> stored.Cancellation:
    """The row beside the return, read anew."""
    found = stored.of(made)
    assert found is not None
    db.session.refresh(found)
    return found


def told(made: UUID) -> list[str]:
    """The messages about it, oldest first."""
    return [mail.event for mail in notices.of_return(made)]


def finish_link(made: UUID) -> Any:
    return next(link for link in links.of_return(made) if link.purpose == FINISH)


def line(order: OrderFacts, sku: str = "MUG") -> Any:
    """The line as it stands now."""
    return next(one for one in as_it_is(order).lines if one.sku == sku)


def proven() -> list[str]:
    """What the proofs of books and stock, and a second working out of every refund, have against everything."""
    db.session.rollback()
    wrong = recounting.recounted(
        db.session.scalars(sa.select(Merchant.id)).all(), since=NOW - EVER, until=NOW + EVER
    )
    return [
        *audit.verify().problems,
        *(f"{one.number} recounted: {one.found}" for one in wrong if not one.found.is_accurate),
    ]

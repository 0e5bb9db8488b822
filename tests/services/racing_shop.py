"""A shop for races and crashes: orders with many units, and drafts that lack nothing but the confirmation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal.core.access import SYSTEM, Actor
from portal.core.addresses import Address
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment
from portal.core.links import Site
from portal.core.money import minor
from portal.core.policy.terms import Terms
from portal.db.base import uuid7
from portal.services import intake, merchants
from portal.services.docking import receiving
from portal.services.filing import returns, shipping
from portal.services.handling import confirmation
from portal.services.lists import orders
from portal.services.refunding import refunds

NOW = datetime.now(UTC).replace(microsecond=0)
SITE = Site(base_url="http://localhost", secret="only the tests sign with this key, nobody else")
PLACE = Address(
    name="Race Customer", street=("Beispielweg 12",), postcode="20359", city="Hamburg", country="DE"
)
TERMS = Terms(refund_trigger="on_receipt", return_postage="merchant")


def open_shop(slug: str = "race", terms: Terms = TERMS) -> UUID:
    return merchants.create(
        slug=slug, name="Race Shop", support_email="help@race.example", address=PLACE.record(), terms=terms, now=NOW
    )  # fmt: skip


def agent(merchant_id: UUID, role: str = "supervisor") -> Actor:
    return Actor(kind="person", id=uuid7(), name="Race Agent", roles={merchant_id: role})


def holder(merchant_id: UUID, return_id: UUID) -> Actor:
    return Actor(kind="link", name="Race Customer", merchant_id=merchant_id, return_id=return_id)


def take_order(
    merchant_id: UUID,
    number: str,
    lines: Mapping[str, tuple[int, str]],
    gateways: Any,
    *,
    endings: Sequence[str] = ("",),
    tender: str = "card",
    pay: Callable[[int], str] | None = None,
    reserved: bool = False,
    now: datetime = NOW,
) -> UUID:
    """An order of ``lines`` (SKU: units and price), paid evenly by one ``tender`` for each of ``endings``.

    ``pay`` makes a capture of so many cents at a gateway and answers its name; the sandbox takes any name. With
    ``reserved`` nothing is captured yet.
    """
    placed = now - timedelta(days=3)
    goods = tuple(
        IncomingLine(external_id=sku, sku=sku, name=sku, units=units, unit_price=Decimal(price), shipped=units,
                     delivered=units, delivered_at=placed + timedelta(days=1), weight_g=100)
        for sku, (units, price) in lines.items()
    )  # fmt: skip
    total = sum((line.unit_price * line.units for line in goods), Decimal(0))
    payments = []
    left = total
    for place, ending in enumerate(endings, 1):
        part = left if place == len(endings) else (total / len(endings)).quantize(Decimal("0.01"))
        left -= part
        cents = minor(part, "EUR")
        reference = f"race-{number}-{place}{ending}" if pay is None else pay(cents)
        mode = "authorized" if reserved else ""
        payments.append(
            IncomingPayment(reference=reference, tender=tender, captured=part, label="Race", mode=mode)
        )
        gateways.payments[gateways.gateway].learn(
            reference, captured=cents, currency="EUR", authorized=reserved
        )
    order = IncomingOrder(
        external_id=number, number=number, currency="EUR", placed_at=placed, lines=goods, payments=tuple(payments),
        total=total, email="race@customer.example", name="Race Customer", language="en", country="DE",
        postcode="20359", digest=number, customer_ref="race", address=PLACE.record(),
    )  # fmt: skip
    intake.import_orders(SYSTEM, merchant_id, [order], source="demo", gateway=gateways.gateway, now=now)
    return orders.find_orders(agent(merchant_id), query=number, merchant_id=merchant_id)[0].id


def draft(
    actor: Actor,
    merchant_id: UUID,
    order_id: UUID,
    units: Mapping[str, int],
    gateways: Any,
    *,
    now: datetime = NOW,
) -> UUID:
    """A draft of those units (by SKU) that lacks nothing but its confirmation."""
    made = returns.start_draft(
        actor, merchant_id=merchant_id, kind="return", channel="phone", name="Race Customer",
        email="race@customer.example", language="en", order_id=order_id, now=now,
    )  # fmt: skip
    order = returns.page(actor, made, now=now).order
    assert order is not None
    by_sku = {line.sku: line.id for line in order.items}
    choices = [returns.LineChoice(order_line_id=by_sku[sku], units=count) for sku, count in units.items()]
    returns.choose_lines(actor, made, choices, now=now)
    lines = returns.page(actor, made, now=now).draft.lines
    answers = [
        returns.SurveyAnswer(line_id=line.id, reason="too_small", condition="unopened") for line in lines
    ]
    returns.answer(actor, made, answers, now=now)
    returns.set_address(actor, made, PLACE, now=now)
    ways = shipping.ways(actor, made, gateways=gateways, now=now)
    way = next(way for way in ways if way.rate.method == "print_at_home")
    shipping.choose_sending(actor, made, rate_id=way.rate.id, gateways=gateways, now=now)
    return made


def confirm(actor: Actor, return_id: UUID) -> str:
    return confirmation.confirm(actor, return_id, site=SITE, now=NOW)


def came_back(actor: Actor, return_id: UUID) -> None:
    """Confirmed, and every unit received."""
    confirm(actor, return_id)
    lines = returns.page(actor, return_id, now=NOW).draft.lines
    receiving.receive(actor, return_id, {line.id: line.units for line in lines}, now=NOW)


def refunded(actor: Actor, return_id: UUID) -> UUID:
    """Confirmed, received, and its refund approved: what is left is durable work."""
    came_back(actor, return_id)
    return refunds.propose(actor, return_id, now=NOW)

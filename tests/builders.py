"""What tests start from: shops, people, orders and returns, all made through the ways that real ones take.

Names are plainly made up. Amounts of orders are texts in whole units of the currency, as a channel tells them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.core.access import SYSTEM, Actor
from portal.core.addresses import Address
from portal.core.facts import OrderFacts
from portal.core.intake import (
    ORDINARY,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingRefund,
    IncomingTax,
    Special,
)
from portal.core.links import Site
from portal.core.money import minor
from portal.core.policy.terms import Terms
from portal.db import orders as stored_orders
from portal.db.base import uuid7
from portal.services import intake, merchants
from portal.services.docking import receiving
from portal.services.filing import returns, shipping
from portal.services.handling import confirmation

NOW = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
SITE = Site(base_url="https://returns.example", secret="a secret for tests alone")
HOME = Address(
    name="Demo Customer", street=("Beispielweg 12",), postcode="20359", city="Hamburg", country="DE"
)
ZONE = ZoneInfo("Europe/Berlin")
"""Whose calendar the shops of the tests have."""
DOCK = Address(name="Demo Returns", street=("Demo Dock 1",), postcode="20457", city="Hamburg", country="DE")
_numbers = count(1)


def terms(**given: Any) -> Terms:
    """A policy where the shop pays the way back, so that amounts are those of the goods."""
    return Terms(**{"return_postage": "merchant", **given})


def a_merchant(
    *, slug: str = "", terms: Terms | None = None, currency: str = "EUR", now: datetime = NOW, **more: Any
) -> UUID:
    """A shop in Germany, by default with the plain policy of ``terms``."""
    slug = slug or f"demo-{next(_numbers)}"
    given = terms or Terms(return_postage="merchant")
    return merchants.create(
        slug=slug, name=f"Demo shop {slug}", support_email=f"help@{slug}.example", address=DOCK.record(),
        terms=given, currency=currency, now=now, **more,
    )  # fmt: skip


def a_person(merchant_id: UUID | Sequence[UUID], role: str = "supervisor") -> Actor:
    """Somebody who works for the shop in that role."""
    ids = [merchant_id] if isinstance(merchant_id, UUID) else merchant_id
    return Actor(kind="person", id=uuid7(), name=f"Demo {role}", roles=dict.fromkeys(ids, role))


def a_customer(return_id: UUID, merchant_id: UUID) -> Actor:
    """The holder of a link to that return."""
    return Actor(kind="link", id=uuid7(), name="Demo Customer", return_id=return_id, merchant_id=merchant_id)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line; ``price`` of a unit, tax included."""

    sku: str = "MUG"
    units: int = 1
    price: str = "10.00"
    tax: str = "0"
    """Of the whole line."""
    discount: str = "0"
    kind: str = "merchandise"
    category: str = "home"
    final_sale: bool = False
    shipped: int | None = None
    """None: all of them."""
    weight_g: int = 400
    parent: str = ""
    """Of a part: the position of its bundle in the order, counted from 1."""
    special: Special = ORDINARY


def a_period(now: datetime, *, had: int = 10, days: int = 30, interval: str = "month") -> Special:
    """A service paid for so many days, of which ``had`` were had, today counted: days of the shop's calendar."""
    first = now.astimezone(ZONE).date() - timedelta(days=had - 1)
    return Special(period_start=first, period_end=first + timedelta(days=days - 1), interval=interval)


def an_item(sku: str = "MUG", units: int = 1, price: str = "10.00", **more: Any) -> Item:
    return Item(sku=sku, units=units, price=price, **more)


def shipping_cost(price: str = "4.90") -> Item:
    return Item(sku="shipping", units=1, price=price, kind="shipping", shipped=0)


@dataclass(frozen=True, kw_only=True)
class Tender:
    """How an order was paid; ``amount`` None is what the other tenders leave."""

    tender: str = "card"
    amount: str | None = None
    reference: str = ""
    ending: str = ""
    """How the sandbox gateway ends refunds of it: ``-pending``, ``-fails``, ``-fails-late``, ``-unavailable``."""
    captured: str | None = None
    """What the gateway captured, where other orders share it; else this order's amount."""
    mode: str = ""
    """``authorized`` or ``due``; else captured, or as its tender usually is."""


def a_payment(tender: str = "card", amount: str | None = None, **more: Any) -> Tender:
    return Tender(tender=tender, amount=amount, **more)


def an_order(
    gateways: Any,
    merchant_id: UUID,
    items: Iterable[Item] = (Item(),),
    *,
    number: str = "",
    currency: str = "EUR",
    paid: Iterable[Tender] = (Tender(),),
    days_ago: int = 5,
    email: str = "demo.customer@customer.example",
    name: str = "Demo Customer",
    language: str = "en",
    refunds: Sequence[IncomingRefund] = (),
    now: datetime = NOW,
    **more: Any,
) -> OrderFacts:
    """An order that the shop's channel told, imported, and known to the gateway where that is a sandbox."""
    number = number or f"D-{next(_numbers):04}"
    placed = now - timedelta(days=days_ago)
    lines = tuple(_line(position, item, placed) for position, item in enumerate(items, 1))
    total = sum((line.unit_price * line.units - line.discount for line in lines), Decimal(0))
    incoming = IncomingOrder(
        external_id=number, number=number, currency=currency, placed_at=placed, lines=lines, total=total,
        payments=tuple(_payments(gateways, paid, number, currency, total)), refunds=tuple(refunds),
        email=email, name=name, language=language, country="DE", postcode="20359",
        address=HOME.record(), digest=f"{number}-{len(refunds)}", **more,
    )  # fmt: skip
    faults: list[object] = []
    intake.import_orders(
        SYSTEM,
        merchant_id,
        [incoming],
        source="tests",
        now=now,
        gateway=gateways.gateway,
        refuse=faults.append,
    )
    assert not faults, faults
    return order_called(merchant_id, number)


def _line(position: int, item: Item, placed: datetime) -> IncomingLine:
    sent = item.units if item.shipped is None else item.shipped
    taxes = (IncomingTax(label="VAT", amount=Decimal(item.tax)),) if Decimal(item.tax) else ()
    return IncomingLine(
        external_id=str(position), sku=item.sku, name=f"Demo {item.sku.lower()}", units=item.units, kind=item.kind,
        unit_price=Decimal(item.price), discount=Decimal(item.discount), taxes=taxes, category=item.category,
        weight_g=item.weight_g, final_sale=item.final_sale, shipped=sent, delivered=sent, parent=item.parent,
        special=item.special,
        shipped_at=placed if sent else None, delivered_at=placed + timedelta(days=2) if sent else None,
    )  # fmt: skip


def _payments(
    gateways: Any, paid: Iterable[Tender], number: str, currency: str, total: Decimal
) -> Iterable[IncomingPayment]:
    left = total
    for tender in paid:
        amount = left if tender.amount is None else Decimal(tender.amount)
        left -= amount
        reference = tender.reference or f"{number}-{tender.tender}{tender.ending}"
        captured = Decimal(tender.captured) if tender.captured else amount
        if captured:
            gateways.payments[gateways.gateway].learn(
                reference,
                captured=minor(captured, currency),
                currency=currency,
                authorized=tender.mode == "authorized",
            )
        yield IncomingPayment(
            reference=reference, tender=tender.tender, captured=amount, label=f"Demo {tender.tender}",
            mode=tender.mode,
        )  # fmt: skip


def order_called(merchant_id: UUID, number: str) -> OrderFacts:
    """The order as it stands now."""
    from portal.core.intake import number_key

    found = stored_orders.by_number(merchant_id, number_key(number))
    return stored_orders.facts(found[0].id)


def as_it_is(order: OrderFacts) -> OrderFacts:
    """The order as it stands now."""
    return stored_orders.facts(order.id)


def a_draft(
    actor: Actor,
    merchant_id: UUID,
    order: OrderFacts | None = None,
    *,
    channel: str = "phone",
    now: datetime = NOW,
    **more: Any,
) -> UUID:
    """A return that somebody has begun."""
    given = {"kind": "return", "name": "Demo Customer", "email": "demo.customer@customer.example",
             "language": "en"} | more  # fmt: skip
    return returns.start_draft(
        actor,
        merchant_id=merchant_id,
        channel=channel,
        order_id=order.id if order else None,
        now=now,
        **given,
    )


def chosen(order: OrderFacts, units: dict[str, int]) -> list[returns.LineChoice]:
    """sku -> units as choices of the order's lines."""
    return [
        returns.LineChoice(order_line_id=line.id, units=units[line.sku])
        for line in order.items
        if line.sku in units
    ]


def fill(
    actor: Actor,
    return_id: UUID,
    gateways: Any,
    *,
    order: OrderFacts,
    units: dict[str, int] | None = None,
    reason: str | dict[str, str] = "too_small",
    condition: str = "unopened",
    method: str = "print_at_home",
    now: datetime = NOW,
) -> None:
    """Answer every step of a draft."""
    wanted = units if units is not None else {line.sku: line.units for line in order.items}
    returns.choose_lines(actor, return_id, chosen(order, wanted), now=now)
    survey(actor, return_id, reason=reason, condition=condition, now=now)
    send_it(actor, return_id, gateways, method=method, now=now)


def survey(
    actor: Actor, return_id: UUID, *, reason: str | dict[str, str] = "too_small", condition: str = "unopened",
    note: str = "", now: datetime = NOW,
) -> None:  # fmt: skip
    lines = returns.page(actor, return_id, now=now).draft.lines
    returns.answer(
        actor,
        return_id,
        [
            returns.SurveyAnswer(
                line_id=line.id,
                reason=reason if isinstance(reason, str) else reason[line.sku],
                condition=condition,
                note=note,
            )
            for line in lines
        ],
        now=now,
    )


def send_it(
    actor: Actor, return_id: UUID, gateways: Any, *, method: str = "print_at_home", now: datetime = NOW
) -> None:
    """Address and a way to send it, the cheapest of ``method``."""
    returns.set_address(actor, return_id, HOME, now=now)
    ways = shipping.ways(actor, return_id, gateways=gateways, now=now)
    way = next(way for way in ways if way.rate.method == method)
    shipping.choose_sending(
        actor, return_id, rate_id=way.rate.id, slot_id=way.slots[0].id if way.slots else "", gateways=gateways,
        now=now,
    )  # fmt: skip


def a_return(
    gateways: Any,
    merchant_id: UUID,
    order: OrderFacts,
    units: dict[str, int] | None = None,
    *,
    actor: Actor | None = None,
    by: Actor | None = None,
    now: datetime = NOW,
    site: Site = SITE,
    **answers: Any,
) -> UUID:
    """A confirmed return: begun by ``actor`` (a supervisor), confirmed by ``by`` (the same)."""
    actor = actor or a_person(merchant_id)
    return_id = a_draft(actor, merchant_id, order, now=now)
    fill(actor, return_id, gateways, order=order, units=units, now=now, **answers)
    confirmation.confirm(by or actor, return_id, site=site, now=now)
    return return_id


def line_ids(return_id: UUID) -> dict[str, UUID]:
    """sku -> id of the return's line."""
    from portal.db import returns as stored

    return {line.sku: line.id for line in stored.lines_of(return_id)}


def receive(
    merchant_id: UUID, return_id: UUID, units: dict[str, int] | None = None, *, now: datetime = NOW
) -> None:
    """The dock counts ``units`` (sku -> so many), or everything."""
    from portal.db import returns as stored

    ids = line_ids(return_id)
    counts = {ids[sku]: one for sku, one in units.items()} if units is not None else {
        line.id: line.authorized_units for line in stored.lines_of(return_id)
    }  # fmt: skip
    receiving.receive(a_person(merchant_id, "warehouse"), return_id, counts, now=now)


def inspect(
    merchant_id: UUID,
    return_id: UUID,
    found: Iterable[tuple[str, int, str, bool]] | None = None,
    *,
    disposition: str = "restock",
    now: datetime = NOW,
) -> None:
    """The dock finds (sku, units, grade, accepted), or everything as new."""
    from portal.db import returns as stored

    ids = line_ids(return_id)
    if found is None:
        found = [
            (line.sku, line.received_units - line.accepted_units - line.rejected_units, "A", True)
            for line in stored.lines_of(return_id)
        ]
    receiving.inspect(
        a_person(merchant_id, "warehouse"),
        return_id,
        [
            receiving.InspectionEntry(
                line_id=ids[sku], units=units, grade=grade, disposition=disposition, accepted=accepted
            )
            for sku, units, grade, accepted in found
        ],
        now=now,
    )


def came_back(
    gateways: Any, merchant_id: UUID, order: OrderFacts, units: dict[str, int] | None = None, **more: Any
) -> UUID:
    """A return that has arrived and is inspected, everything as new."""
    return_id = a_return(gateways, merchant_id, order, units, **more)
    receive(merchant_id, return_id)
    inspect(merchant_id, return_id)
    return return_id

"""The demo's two shops: plainly made up, filled through the same services that real ones use."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from portal.core.access import SYSTEM, Actor
from portal.core.addresses import Address
from portal.core.intake import IncomingLine, IncomingOrder, IncomingPayment, IncomingTax, provider_of
from portal.core.links import FINISH, Site
from portal.core.money import exponent, minor
from portal.core.policy.terms import RestockingFee, Terms, Window
from portal.ports import Gateways
from portal.services import (
    confirmation,
    desk,
    intake,
    links,
    merchants,
    orders,
    overview,
    people,
    returns,
    shipping,
)

Pay = Callable[[str, int, str], str]
"""(name, minor units, currency) -> the reference of a capture that was made."""

PASSWORD = "demo-password"  # noqa: S105  a demo that anybody may enter
PEOPLE = (
    ("agent@demo.example", "Demo Agent", "csr"),
    ("supervisor@demo.example", "Demo Supervisor", "supervisor"),
    ("finance@demo.example", "Demo Finance", "finance"),
    ("warehouse@demo.example", "Demo Warehouse", "warehouse"),
    ("admin@demo.example", "Demo Admin", "admin"),
)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a demo order; price and tax in whole units of the currency, tax included."""

    sku: str
    name: str
    price: str
    units: int = 1
    variant: str = ""
    picture: str = "unknown"
    category: str = "home"
    kind: str = "merchandise"
    final_sale: bool = False
    shipped: bool = True
    grams: int = 400


SHIRT = Item(
    sku="SHT-M-SND", name="Linen shirt", variant="sand, M", price="49.90", picture="shirt", category="fashion"
)
CANDLE = Item(
    sku="CND-3", name="Candle house", variant="set of 3", price="24.00", picture="candle-house", grams=900
)
LAMP = Item(sku="LMP-204", name="Table lamp", variant="brass", price="89.00", picture="lamp", grams=2100)
GIFT = Item(sku="GFT-25", name="Gift card", price="25.00", picture="gift-card", kind="gift_card", grams=0)
THROW = Item(sku="THR-GRY", name="Wool throw", variant="grey", price="69.00", picture="throw", shipped=False)
MUG = Item(
    sku="MUG-BLU", name="Stoneware mug", variant="blue", price="14.50", units=3, picture="mug", grams=350
)
BOOK = Item(sku="BOK-071", name="Book of knots", price="19.99", picture="book", category="books", grams=600)
SHOES = Item(
    sku="SHO-42", name="Canvas shoes", variant="42", price="64.00", picture="shoes", category="fashion"
)
BAG = Item(
    sku="BAG-OLV", name="Shoulder bag", variant="olive", price="119.00", picture="bag", category="fashion"
)
VASE = Item(
    sku="VAS-SALE", name="Glass vase", variant="last piece", price="12.00", picture="vase", final_sale=True
)
HAT = Item(sku="HAT-RED", name="Felt hat", variant="red", price="38.00", picture="hat", category="fashion")
SOAP = Item(
    sku="SOP-LAV", name="Lavender soap", price="4.95", units=6, picture="soap", category="care", grams=120
)


@dataclass(frozen=True, kw_only=True)
class DemoOrder:
    """An order: so many days ago, by whom, what, and how it was paid (tender, label, amount or the rest)."""

    number: str
    days: int
    name: str
    language: str
    country: str
    items: Sequence[Item]
    discount_percent: int = 0
    shipping: str = "4.90"
    paid_with: Sequence[tuple[str, str, str | None]] = (("card", "Visa ·· 4242", None),)
    ending: str = ""

    @property
    def email(self) -> str:
        return f"{self.name.lower().replace(' ', '.')}@customer.example"


CARD = ("card", "Visa ·· 4242", None)
NORDHAUS = (
    DemoOrder(number="N-20418", days=9, name="Demo Customer", language="en", country="DE",
              items=(SHIRT, CANDLE, LAMP, GIFT, THROW), discount_percent=10),
    DemoOrder(number="N-20419", days=12, name="Test Kundin", language="de", country="DE", items=(MUG, BOOK, VASE)),
    DemoOrder(number="N-20420", days=6, name="Cliente Exemple", language="fr", country="FR", items=(SHOES, BAG, HAT),
              paid_with=(("gift_card", "Gift card ·· 9001", "50.00"), CARD)),
    DemoOrder(number="N-20421", days=64, name="Late Example", language="en", country="DE", items=(LAMP, SOAP)),
    DemoOrder(number="N-20422", days=8, name="Failing Example", language="en", country="DE", items=(BAG,),
              ending="-fails"),
    DemoOrder(number="N-20423", days=5, name="Pending Example", language="de", country="AT", items=(SHIRT, HAT),
              ending="-pending"),
)  # fmt: skip
ATELIER = (
    DemoOrder(number="A-1001", days=4, name="Sample Shopper", language="en", country="GB", items=(SHOES, SOAP),
              shipping="3.95"),
    DemoOrder(number="A-1002", days=15, name="Sample Reader", language="en", country="GB", items=(BOOK, MUG),
              shipping="3.95"),
    DemoOrder(number="A-1003", days=3, name="Sample Visitor", language="fr", country="FR", items=(HAT, BAG),
              shipping="9.50"),
)  # fmt: skip

PLACES = {
    "DE": Address(street=("Beispielweg 12",), postcode="20359", city="Hamburg", country="DE"),
    "AT": Address(street=("Musterstraße 3",), postcode="1010", city="Wien", country="AT"),
    "FR": Address(street=("1 rue de l'Exemple",), postcode="75011", city="Paris", country="FR"),
    "GB": Address(street=("7 Sample Street",), postcode="N1 9GU", city="London", country="GB"),
}
TAXES = {"DE": ("VAT 19 %", 19), "AT": ("VAT 20 %", 20), "FR": ("VAT 20 %", 20), "GB": ("VAT 20 %", 20)}


def seed(gateways: Gateways, *, site: Site, now: datetime, pay: Pay | None = None) -> bool:
    """Fill a database that has no merchant; answers whether it did. ``pay`` makes the captures at the gateway."""
    if merchants.every():
        return False
    first = merchants.create(
        slug="nordhaus", name="Nordhaus Demo", support_email="help@nordhaus.example", accent="green",
        address=_warehouse("Nordhaus Demo Returns", "DE"), language="de", country="DE", currency="EUR",
        terms=Terms(
            window_days=30,
            windows=(Window(days=60, reason="defective"), Window(days=14, category="books")),
            approval_value=20_000,
            restocking_fee=RestockingFee(),
            condition_deductions_bp=(("used", 2000), ("C", 3000), ("D", 5000)),
            goodwill_cap=2_500,
        ),
        now=now,
    )  # fmt: skip
    second = merchants.create(
        slug="atelier", name="Atelier Demo", support_email="help@atelier.example", accent="plum",
        address=_warehouse("Atelier Demo Returns", "GB"), language="en", country="GB", currency="GBP",
        zone="Europe/London", now=now,
        terms=Terms(window_days=14, approval_reasons=("changed_mind",), return_postage="merchant"),
    )  # fmt: skip
    for email, name, role in PEOPLE:
        people.create_user(
            email=email, name=name, password=PASSWORD, roles={"nordhaus": role, "atelier": role}, now=now
        )
    for merchant_id, placed, currency in ((first, NORDHAUS, "EUR"), (second, ATELIER, "GBP")):
        stream = [_incoming(order, currency, now, pay) for order in placed]
        intake.import_orders(
            SYSTEM, merchant_id, stream, source="demo", now=now, gateway=gateways.gateway
        )
    _returns(first, second, gateways, site, now)
    return True


def _warehouse(name: str, country: str) -> dict[str, object]:
    place = PLACES[country]
    return Address(
        name=name, street=("Demo Dock 1",), postcode=place.postcode, city=place.city, country=country
    ).record()


def _incoming(order: DemoOrder, currency: str, now: datetime, pay: Pay | None) -> IncomingOrder:
    placed = now - timedelta(days=order.days, hours=3)
    label, rate = TAXES[order.country]
    lines = [_line(i, item, order, label, rate, placed) for i, item in enumerate(order.items, 1)]
    if order.shipping:
        fee = Decimal(order.shipping)
        lines.append(
            IncomingLine(external_id="shipping", kind="shipping", units=1, unit_price=fee, name="Shipping",
                         taxes=(IncomingTax(label=label, amount=_tax(fee, rate), rate=Decimal(rate) / 100),))
        )  # fmt: skip
    total = sum((line.unit_price * line.units - line.discount for line in lines), Decimal(0))
    payments, rest = [], total
    for tender, name, amount in order.paid_with:
        part = rest if amount is None else Decimal(amount)
        rest -= part
        reference = f"demo-{order.number}-{tender}{order.ending}"
        if pay is not None and provider_of(tender, "stripe") == "stripe":
            reference = pay(reference, minor(part, currency), currency)
        payments.append(IncomingPayment(reference=reference, tender=tender, captured=part, label=name))
    place = PLACES[order.country]
    return IncomingOrder(
        external_id=order.number, number=order.number, currency=currency, placed_at=placed, lines=tuple(lines),
        payments=tuple(payments), total=total, email=order.email, name=order.name, language=order.language,
        country=order.country, postcode=place.postcode, digest=order.number, customer_ref=order.email,
        address=place.record() | {"name": order.name},
    )  # fmt: skip


def _line(number: int, item: Item, order: DemoOrder, label: str, rate: int, placed: datetime) -> IncomingLine:
    price = Decimal(item.price)
    goods = price * item.units
    discount = _cents(goods * order.discount_percent / 100) if item.kind == "merchandise" else Decimal(0)
    taxes = ()
    if item.kind == "merchandise":
        taxes = (IncomingTax(label=label, amount=_tax(goods - discount, rate), rate=Decimal(rate) / 100),)
    sent = item.units if item.shipped else 0
    return IncomingLine(
        external_id=str(number), sku=item.sku, name=item.name, variant=item.variant, units=item.units, kind=item.kind,
        unit_price=price, discount=discount, taxes=taxes, picture=item.picture, category=item.category,
        weight_g=item.grams, final_sale=item.final_sale, shipped=sent, delivered=sent,
        delivered_at=placed + timedelta(days=2) if sent else None,
    )  # fmt: skip


def _tax(gross: Decimal, rate: int) -> Decimal:
    return _cents(gross * rate / (100 + rate))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-exponent("EUR")), ROUND_HALF_UP)


def _returns(first: UUID, second: UUID, gateways: Gateways, site: Site, now: datetime) -> None:
    """A link that waits for its customer, and a few returns at different points of their way."""
    agent = _agent((first, second))
    draft = _draft(agent, first, "N-20418", {"SHT-M-SND": 1, "CND-3": 1}, ("too_small", "opened_unused"), now)
    returns.set_note(
        agent, draft, note="We have put both items in for you. Please choose how you would like to send them.",
        locked=["lines"], now=now,
    )  # fmt: skip
    links.send_link(agent, draft, site=site, now=now)
    waiting = _draft(agent, second, "A-1002", {"BOK-071": 1}, ("changed_mind", "unopened"), now)
    _finish(agent, waiting, gateways, site, now, as_customer=True)
    back = _draft(agent, first, "N-20420", {"SHO-42": 1}, ("does_not_fit", "opened_unused"), now)
    _finish(agent, back, gateways, site, now)
    page = returns.page(agent, back, now=now)
    desk.receive(agent, back, {line.id: line.units for line in page.draft.lines}, now=now)
    sent = _draft(agent, first, "N-20419", {"MUG-BLU": 2}, ("color_not_as_expected", "unopened"), now)
    _finish(agent, sent, gateways, site, now)


def _agent(merchant_ids: Sequence[UUID]) -> Actor:
    """The demo's supervisor, who prepares what the demo starts with."""
    found = people.sign_in(PEOPLE[1][0], PASSWORD)
    if found is None:
        raise RuntimeError("the demo's people are not there")
    return Actor(kind="person", id=found.id, name=found.name, roles=dict.fromkeys(merchant_ids, "supervisor"))


def _draft(
    agent: Actor, merchant_id: UUID, number: str, units: dict[str, int], why: tuple[str, str], now: datetime
) -> UUID:
    order = orders.find_orders(agent, query=number, merchant_id=merchant_id)[0]
    draft = returns.start_draft(
        agent, merchant_id=merchant_id, kind="return", channel="phone", name=order.name, email=order.email,
        language=order.language, order_id=order.id, now=now,
    )  # fmt: skip
    bought = returns.page(agent, draft, now=now).order
    chosen = [
        returns.LineChoice(order_line_id=line.id, units=units[line.sku])
        for line in (bought.items if bought else ())
        if line.sku in units
    ]
    returns.choose_lines(agent, draft, chosen, now=now)
    reason, condition = why
    lines = returns.page(agent, draft, now=now).draft.lines
    returns.answer(
        agent,
        draft,
        [returns.SurveyAnswer(line_id=line.id, reason=reason, condition=condition) for line in lines],
        now=now,
    )
    return draft


def _finish(
    agent: Actor, draft: UUID, gateways: Gateways, site: Site, now: datetime, *, as_customer: bool = False
) -> None:
    page = returns.page(agent, draft, now=now)
    returns.set_address(agent, draft, returns.proposed_address(page), now=now)
    ways = shipping.ways(agent, draft, gateways=gateways, now=now)
    way = next(way for way in ways if way.rate.method == "print_at_home")
    shipping.choose_sending(agent, draft, rate_id=way.rate.id, gateways=gateways, now=now)
    actor = agent
    if as_customer:
        actor = Actor(kind="link", name=page.draft.name, return_id=draft, merchant_id=page.draft.merchant_id)
    confirmation.confirm(actor, draft, site=site, now=now)


def addresses(*, site: Site, base_url: str, now: datetime) -> Iterator[tuple[str, str]]:
    """What to open first. The customer's link is made anew when the one before is finished or expired."""
    shops = merchants.every()
    agent = _agent([shop.id for shop in shops])
    yield (
        "A customer's pre-authorized link",
        _customer_link(agent, site, now) or "all are finished; make one in the admin area",
    )
    for shop in shops:
        yield f"Start a return by yourself ({shop.name})", f"{base_url}/start/{shop.slug}"
    yield "   try order N-20418 with postcode 20359", ""
    yield "Admin area", f"{base_url}/admin/"
    yield (
        "   sign in as",
        f"{PEOPLE[0][0]} (or supervisor@, finance@, warehouse@, admin@), password {PASSWORD}",
    )
    yield "Outgoing mail", f"{base_url}/outbox"


def _customer_link(agent: Actor, site: Site, now: datetime) -> str | None:
    for row in overview.listing(agent, state="draft").rows:
        for link in links.of_return(row.id):
            if link.purpose == FINISH and link.standing(now) == "open":
                return links.shown_url(agent, link.id, site=site)
    return None

"""What the demo's shops sell and have sold: plainly made up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from portal.core.addresses import Address
from portal.core.intake import (
    AUTHORIZED,
    ORDINARY,
    IncomingDiscount,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingTax,
    Special,
    provider_of,
)
from portal.core.money import exponent, minor

Pay = Callable[[str, int, str], str]
"""(name, minor units, currency) -> the reference of a capture that was made."""


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
    part_of: int = 0
    """The number of the line in its order that it is a part of."""
    special: Special = ORDINARY
    months: bool = False
    """A service of which the month that runs now is paid."""


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
CHAIR = Item(
    sku="CHR-OAK-CUSTOM-MADE",
    name="Oak chair",
    variant="made to measure",
    price="240.00",
    picture="chair",
    shipped=False,
    grams=6500,
    special=Special(logistics=("custom_made",)),
)
SET = Item(sku="SET-DESK", name="Writing desk set", price="150.00", picture="box", shipped=False, grams=0)
SET_PARTS = (
    Item(
        sku="LMP-SET",
        name="Desk lamp",
        price="0.00",
        picture="lamp",
        shipped=False,
        part_of=1,
        special=Special(list_price=Decimal("110.00"), part_required=True),
    ),
    Item(
        sku="CLK-SET",
        name="Desk clock",
        price="0.00",
        picture="clock",
        shipped=False,
        part_of=1,
        special=Special(list_price=Decimal("45.00")),
    ),
    Item(
        sku="SRV-SET",
        name="Assembly at home",
        price="0.00",
        kind="service",
        shipped=False,
        part_of=1,
        grams=0,
        special=Special(list_price=Decimal("35.00")),
    ),
)
MAGAZINE = Item(
    sku="SUB-MAG",
    name="Craft magazine",
    variant="monthly",
    price="12.00",
    picture="book",
    kind="service",
    shipped=False,
    months=True,
    grams=0,
)
CLASSES = Item(
    sku="SUB-CLS",
    name="Online classes",
    variant="monthly",
    price="30.00",
    kind="service",
    shipped=False,
    months=True,
    grams=0,
)
GIFT_WRAPPED = Item(
    sku="SOP-ROS",
    name="Rose soap",
    variant="a gift",
    price="0.00",
    picture="soap",
    category="care",
    shipped=False,
    grams=120,
    special=Special(gift=True),
)


def unsent(item: Item, units: int = 1) -> Item:
    """The same, still in the warehouse."""
    return replace(item, shipped=False, units=units)


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
    paid_with: Sequence[tuple[str, str, str | None] | tuple[str, str, str | None, str]] = (
        ("card", "Visa ·· 4242", None),
    )
    """Tender, label, amount (None: the rest), and how it counts where that is not by its tender."""
    code: str = ""
    """Of the discount, where it has one."""
    ending: str = ""
    """How the gateway's refunds of it end: -fails, -fails-late, -pending, -disputed."""

    @property
    def email(self) -> str:
        return f"{self.name.lower().replace(' ', '.')}@customer.example"


CARD = ("card", "Visa ·· 4242", None)
RESERVED = ("card", "Visa ·· 4242", None, AUTHORIZED)
ON_DELIVERY = ("cash_on_delivery", "Cash on delivery", None)
TRANSFER = ("bank_transfer", "Bank transfer", None)
NORDHAUS = (
    DemoOrder(number="N-20418", days=9, name="Demo Customer", language="en", country="DE",
              items=(SHIRT, CANDLE, LAMP, GIFT, THROW), discount_percent=10),
    DemoOrder(number="N-20419", days=12, name="Test Kundin", language="de", country="DE", items=(MUG, BOOK, VASE)),
    DemoOrder(number="N-20420", days=6, name="Cliente Exemple", language="fr", country="FR", items=(SHOES, BAG, HAT),
              paid_with=(("gift_card", "Gift card ·· 9001", "50.00"), CARD)),
    DemoOrder(number="N-20421", days=64, name="Late Example", language="en", country="DE", items=(LAMP, SOAP)),
    DemoOrder(number="N-20422", days=8, name="Failing Example", language="en", country="DE", items=(SHOES,),
              ending="-fails"),
    DemoOrder(number="N-20423", days=5, name="Pending Example", language="de", country="AT", items=(SHIRT, HAT),
              ending="-pending"),
    DemoOrder(number="N-20424", days=7, name="Spend Example", language="en", country="DE", items=(MUG, SOAP),
              discount_percent=10, code="SPEND50"),
    DemoOrder(number="N-20425", days=11, name="Transfer Example", language="en", country="DE", items=(LAMP, BOOK),
              paid_with=(TRANSFER,)),
    DemoOrder(number="N-20426", days=10, name="Account Example", language="de", country="AT", items=(SHOES,),
              paid_with=(TRANSFER,)),
    DemoOrder(number="N-20427", days=8, name="Credit Example", language="en", country="DE", items=(BAG, CANDLE)),
    DemoOrder(number="N-20428", days=6, name="Supervised Example", language="fr", country="FR", items=(LAMP, BAG)),
    DemoOrder(number="N-20429", days=5, name="Keeping Example", language="en", country="DE", items=(CANDLE, HAT)),
    DemoOrder(number="N-20430", days=9, name="Disputing Example", language="en", country="DE", items=(SHOES, HAT),
              ending="-disputed"),
    DemoOrder(number="N-20431", days=2, name="Partly Example", language="en", country="DE",
              items=(LAMP, unsent(MUG, 3), unsent(BOOK), unsent(HAT), GIFT_WRAPPED)),
    DemoOrder(number="N-20432", days=0, name="Reserved Example", language="de", country="DE",
              items=(unsent(SHIRT), unsent(CANDLE, 2)), paid_with=(RESERVED,)),
    DemoOrder(number="N-20433", days=0, name="Bundle Example", language="en", country="DE", items=(SET, *SET_PARTS)),
    DemoOrder(number="N-20434", days=10, name="Monthly Example", language="en", country="DE",
              items=(MAGAZINE, CLASSES), shipping=""),
    DemoOrder(number="N-20435", days=0, name="Doorstep Example", language="fr", country="FR",
              items=(unsent(HAT), unsent(SOAP, 6)), paid_with=(ON_DELIVERY,)),
    DemoOrder(number="N-20436", days=1, name="Measured Example", language="en", country="DE",
              items=(CHAIR, unsent(THROW))),
    DemoOrder(number="N-20437", days=1, name="Asked Example", language="en", country="DE",
              items=(unsent(BAG), unsent(SOAP, 2), unsent(CANDLE))),
    DemoOrder(number="N-20438-SHIPPED", days=1, name="Overtaken Example", language="en", country="DE",
              items=(unsent(SHOES), unsent(BOOK))),
    DemoOrder(number="N-20439", days=1, name="Done Example", language="en", country="DE",
              items=(unsent(THROW), unsent(VASE), unsent(MUG, 2))),
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


def warehouse(name: str, country: str) -> dict[str, object]:
    """Where a shop's returns are sent to."""
    place = PLACES[country]
    return Address(
        name=name, street=("Demo Dock 1",), postcode=place.postcode, city=place.city, country=country
    ).record()


def incoming(order: DemoOrder, currency: str, now: datetime, pay: Pay | None) -> IncomingOrder:
    """The order as a channel would tell it; ``pay`` makes its captures at a gateway."""
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
    for tender, name, amount, *mode in order.paid_with:
        part = rest if amount is None else Decimal(amount)
        rest -= part
        kept = "-authorized" if AUTHORIZED in mode else ""
        reference = f"demo-{order.number}-{tender}{kept}{order.ending}"
        if pay is not None and provider_of(tender, "stripe") == "stripe":
            reference = pay(reference, minor(part, currency), currency)
        payments.append(
            IncomingPayment(
                reference=reference, tender=tender, captured=part, label=name, mode=mode[0] if mode else ""
            )
        )
    place = PLACES[order.country]
    return IncomingOrder(
        external_id=order.number, number=order.number, currency=currency, placed_at=placed, lines=tuple(lines),
        discounts=(IncomingDiscount(code=order.code),) if order.code else (),
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
    special = item.special
    if item.months:
        begun = placed.date()
        special = Special(period_start=begun, period_end=begun + timedelta(days=29), interval="month")
    return IncomingLine(
        external_id=str(number), sku=item.sku, name=item.name, variant=item.variant, units=item.units, kind=item.kind,
        unit_price=price, discount=discount, taxes=taxes, picture=item.picture, category=item.category,
        weight_g=item.grams, final_sale=item.final_sale, shipped=sent, delivered=sent,
        delivered_at=placed + timedelta(days=min(2, order.days)) if sent else None, special=special,
        parent=str(item.part_of) if item.part_of else "",
    )  # fmt: skip


def _tax(gross: Decimal, rate: int) -> Decimal:
    return _cents(gross * rate / (100 + rate))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-exponent("EUR")), ROUND_HALF_UP)

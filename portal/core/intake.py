"""What a shop says about an order, in one shape for every channel.

Amounts are exact, in whole units of the currency. ``core.paid`` turns it into the record of what was paid,
or says why it cannot.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

STATES = ("pending", "confirmed", "canceled")
DUE_TENDERS = ("invoice", "cash_on_delivery", "instalments")
"""What the customer pays later: until the channel tells that it was paid, only the amount due can change."""
TENDERS = ("card", "wallet", "bank_transfer", "store_credit", "gift_card", "cash", *DUE_TENDERS)
CAPTURED, AUTHORIZED, DUE = "captured", "authorized", "due"
MODES = (CAPTURED, AUTHORIZED, DUE)
"""Money that was taken, that is reserved on a card, that the customer still owes."""


def mode_of(tender: str) -> str:
    """How a payment counts where nobody says."""
    return DUE if tender in DUE_TENDERS else CAPTURED


INTERVALS = ("week", "month", "quarter", "year")
MAIN = "main"
"""The place that goods leave from where nobody says which."""
NOTHING = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that could not be taken: where it stands, and why."""

    file: str
    row: int
    """The line of a CSV file, or the position (from 1) in a list of JSON orders; 0 for the whole file."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class IncomingTax:
    """Tax of one label that was charged on one line."""

    label: str
    amount: Decimal
    rate: Decimal | None = None
    """As a fraction: 0.19 is nineteen percent."""
    jurisdiction: str = ""


@dataclass(frozen=True, kw_only=True)
class Special:
    """What few lines have: how a warehouse handles them, what they are a part of, for how long they run.

    One value beside the line, since most lines have none of it and there are many lines.
    """

    picked: int = 0
    """Units taken from the shelf that are not sent yet."""
    location: str = MAIN
    logistics: tuple[str, ...] = ()
    """Why no change can stop it any more: codes of ``core.logistics.LOGISTICS``."""
    cut_off_at: datetime | None = None
    """The last moment at which the warehouse takes changes."""
    gift: bool = False
    part_required: bool = False
    """Without this part its bundle is nothing."""
    list_price: Decimal | None = None
    """Of a part of a bundle: what one unit costs where it is sold alone."""
    period_start: date | None = None
    period_end: date | None = None
    """Of a recurring service: the first and the last day that were paid for."""
    interval: str = ""
    """How often it is renewed, one of ``INTERVALS``."""


ORDINARY = Special()


@dataclass(frozen=True, kw_only=True)
class IncomingLine:
    """One line as the channel tells it. ``goods`` is its list total where one is told; else units x price."""

    external_id: str
    units: Decimal | int
    unit_price: Decimal
    kind: str = "merchandise"
    sku: str = ""
    name: str = ""
    variant: str = ""
    category: str = ""
    picture: str = ""
    weight_g: int = 0
    final_sale: bool = False
    parent: str = ""
    """The external id of the bundle this line belongs to."""
    goods: Decimal | None = None
    discount: Decimal = NOTHING
    """As the channel allocated it."""
    taxes: tuple[IncomingTax, ...] = ()
    shipped: int = 0
    delivered: int = 0
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    """When the last of its units was sent and arrived, where the channel tells."""
    special: Special = ORDINARY


@dataclass(frozen=True, kw_only=True)
class IncomingPayment:
    """One tender and what it covers of this order. ``reference`` is the provider's id of the capture."""

    reference: str
    tender: str
    captured: Decimal | None
    """None where the channel tells of no payments: then it is what the lines sum to. Of an authorization the
    amount that was authorized, of what is due all that was to be paid."""
    label: str = ""
    mode: str = ""
    """One of ``MODES``; not told: due where the tender is one that is paid later, else captured."""
    authorization: str = ""
    """Of a capture: the reference under which its authorization was told before."""


CARDS = ("card", "wallet")
"""Tenders that the installation's gateway captured."""
OWN_WAYS = ("gift_card", "store_credit", "bank_transfer")
"""Tenders that go back in a way of their own, of the same name."""
BY_HAND = "manual"


def provider_of(tender: str, gateway: str) -> str:
    """By what a payment goes back: cards by ``gateway``, a gift card onto the same, a transfer to an account.

    What takes nothing back by itself (cash, an invoice) is paid by a person: ``manual``.
    """
    if tender in CARDS:
        return gateway
    return tender if tender in OWN_WAYS else BY_HAND


SPENDABLE = ("gift_card", "store_credit")
"""Tenders whose number alone is money."""
_CODE = re.compile(r"(?:\d{2,5}[ -]){2,}\d{1,5}|(?=[A-Za-z0-9-]*\d)[A-Za-z0-9][A-Za-z0-9-]{6,}[A-Za-z0-9]")


def label_of(tender: str, label: str) -> str:
    """How a payment is named to people: of a code that is money nothing but its last four characters."""
    if tender not in SPENDABLE:
        return label
    return _CODE.sub(lambda found: "…" + re.sub(r"[ -]", "", found.group())[-4:], label)


@dataclass(frozen=True, kw_only=True)
class IncomingRefundLine:
    """What a refund made elsewhere says of one line; ``amount`` is what was given back with its ``tax``.

    ``canceled`` units never left: they are gone from the order and are no return.
    """

    line: str
    units: int
    amount: Decimal
    tax: Decimal = NOTHING
    canceled: bool = False


@dataclass(frozen=True, kw_only=True)
class IncomingRefund:
    """A refund that the shop or its gateway made: the money, and what its lines say."""

    external_id: str
    at: datetime
    amount: Decimal
    reason: str = ""
    lines: tuple[IncomingRefundLine, ...] = ()
    references: tuple[str, ...] = ()
    """The gateway's own ids of it, where the channel tells: what we made or know already is known by them."""


@dataclass(frozen=True, kw_only=True)
class IncomingDiscount:
    """A code or a deal that lowered prices, by the name that the channel gives it.

    ``shares`` is what each line's discount holds of it, by external id; None: all discounts of the order.
    """

    code: str
    shares: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, kw_only=True)
class IncomingOrder:
    """An order as its channel tells it, before anything is checked."""

    external_id: str
    number: str
    currency: str
    placed_at: datetime
    lines: tuple[IncomingLine, ...]
    payments: tuple[IncomingPayment, ...] = ()
    refunds: tuple[IncomingRefund, ...] = ()
    discount: Decimal = NOTHING
    """Of the whole order, where the channel has not allocated it to lines."""
    discounts: tuple[IncomingDiscount, ...] = ()
    """Whose doing the discounts are, where the channel tells."""
    total: Decimal | None = None
    """What the channel says the order costs."""
    state: str = "confirmed"
    prices_include_tax: bool = True
    customer_ref: str = ""
    email: str = ""
    name: str = ""
    phone: str = ""
    language: str = ""
    country: str = ""
    postcode: str = ""
    address: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    digest: str = ""
    """Of the payload: the same one again is the same order."""
    file: str = ""
    row: int = 0


@dataclass(frozen=True, kw_only=True)
class IncomingAdjustment:
    """A row that is no order: a stock write-off (``stock``) or a correction of the books (``finance``)."""

    external_id: str
    kind: str
    at: datetime
    currency: str
    sku: str = ""
    units: int = 0
    amount: Decimal = NOTHING
    text: str = ""
    file: str = ""
    row: int = 0


@dataclass(frozen=True, kw_only=True)
class IncomingCancellation:
    """A row that takes units of some earlier order back, without saying which. Kept for the replay."""

    number: str
    at: datetime
    currency: str
    sku: str
    units: int
    """Positive: how many are taken back."""
    unit_price: Decimal
    kind: str = "merchandise"
    customer_ref: str = ""
    file: str = ""
    row: int = 0


Incoming = IncomingOrder | IncomingAdjustment | IncomingCancellation | Fault


def number_key(text: str) -> str:
    """An order number as people type it: lower case, letters and digits alone. ``"#1001-A"`` is ``1001a``."""
    return "".join(character for character in text.casefold() if character.isalnum())


def postcode_key(text: str) -> str:
    """A postcode as it is compared: upper case, no blanks, no hyphens."""
    return "".join(character for character in text.upper() if character.isalnum())

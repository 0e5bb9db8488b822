"""How goods come back: parcels, rates, shipments, and the numbers printed on them."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import Final

from portal.core.addresses import Address
from portal.core.money import Minor


class Method(StrEnum):
    """How a parcel gets to the carrier."""

    PRINT_AT_HOME = "print_at_home"
    QR_DROPOFF = "qr_dropoff"
    PICKUP = "pickup"
    DROPOFF_POINT = "dropoff_point"
    OWN_CARRIER = "own_carrier"


class Pays(StrEnum):
    """Who bears the postage: the merchant, the customer at once, or the customer by deduction from the
    refund.
    """

    MERCHANT = "merchant"
    CUSTOMER = "customer"
    DEDUCT = "deduct"


class TrackingStatus(StrEnum):
    """What a carrier can say about a parcel; every value is a state of ``lifecycles.SHIPMENT``."""

    PRE_TRANSIT = "pre_transit"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    AVAILABLE_FOR_PICKUP = "available_for_pickup"
    DELIVERED = "delivered"
    EXCEPTION = "exception"
    LOST = "lost"
    RETURN_TO_SENDER = "return_to_sender"


class DocumentKind(StrEnum):
    LABEL = "label"
    QR = "qr"
    PACKING_SLIP = "packing_slip"
    RECEIPT = "receipt"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One box: grams and millimetres."""

    weight_g: int
    length_mm: int = 0
    width_mm: int = 0
    height_mm: int = 0


@dataclass(frozen=True, kw_only=True)
class PackedItem:
    """One line of what is in the parcel, as the packing slip lists it."""

    title: str
    sku: str = ""
    units: int
    authorization_code: str = ""


@dataclass(frozen=True, kw_only=True)
class PickupSlot:
    """A time the carrier comes, in the local time of ``timezone`` (an IANA name)."""

    id: str
    on: date
    opens: time
    closes: time
    timezone: str


@dataclass(frozen=True, kw_only=True)
class ShipmentRequest:
    """Everything a carrier needs for one parcel of a return; several parcels are several requests.

    ``sender`` is the customer, always. ``language`` is BCP 47 and is what the documents are written in.
    ``own_number`` is the number the
    customer got from a carrier of their own. ``method`` narrows a quote to one way of sending.
    """

    rma: str
    reference: str = ""
    sender: Address
    recipient: Address
    parcel: Parcel
    items: tuple[PackedItem, ...] = ()
    currency: str
    now: datetime
    ship_by: date | None = None
    language: str = "en"
    method: Method | None = None
    pays: Pays = Pays.MERCHANT
    service_point_id: str = ""
    pickup_slot_id: str = ""
    own_number: str = ""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One way to send and its price. ``id`` is the same whenever the same thing is quoted, so it can be
    chosen by it.
    """

    id: str
    carrier: str
    service: str
    method: Method
    amount: Minor
    currency: str
    pays: Pays
    transit_days: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file to print or show. ``format`` is pdf, png, zpl, svg or xml; ``size`` 4x6, a4, letter or empty."""

    kind: DocumentKind
    format: str
    size: str = ""
    content: bytes = field(repr=False)

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    @property
    def filename(self) -> str:
        """A name to save it under, without any personal data."""
        return "-".join(filter(None, (self.kind.replace("_", "-"), self.size))) + f".{self.format}"


MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "xml": "application/xml",
    "zpl": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """What a carrier made of a request. ``external_id`` is the carrier's handle for voiding and pickups.

    ``handoff_code`` is what is said or shown at the counter of a paperless drop-off; ``shipped_with`` the
    carrier a customer's own number looks like (see ``guess_carrier``). Empty texts mean there is none.
    """

    carrier: str
    service: str
    method: Method
    external_id: str
    tracking_number: str = ""
    tracking_url: str = ""
    handoff_code: str = ""
    shipped_with: str = ""
    cost: Minor = 0
    currency: str
    documents: tuple[Document, ...] = ()

    def document(self, kind: DocumentKind, format: str, size: str = "") -> Document | None:
        """The document of that kind and format, of any size when none is named."""
        wanted = (d for d in self.documents if d.kind == kind and d.format == format)
        return next((d for d in wanted if size in ("", d.size)), None)


@dataclass(frozen=True, kw_only=True)
class OpeningHours:
    """One span of one day; ``weekday`` is 0 for Monday."""

    weekday: int
    opens: time
    closes: time


@dataclass(frozen=True, kw_only=True)
class ServicePoint:
    """A place that takes parcels. ``distance_m`` is in metres as the crow flies, from the middle of the
    postcode area.
    """

    id: str
    carrier: str
    name: str
    address: Address
    distance_m: int
    hours: tuple[OpeningHours, ...] = ()
    takes_labelless: bool = True


@dataclass(frozen=True, kw_only=True)
class Pickup:
    """An agreed pickup; ``confirmation_number`` is what the driver knows it by."""

    confirmation_number: str
    slot: PickupSlot
    tracking_number: str


@dataclass(frozen=True, kw_only=True)
class TrackingQuery:
    """A number to ask about; ``handed_over_at`` is when the customer gave the parcel away, as far as is
    known.
    """

    tracking_number: str
    handed_over_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TrackingUpdate:
    """One thing a carrier said. ``description`` is a code of ``words`` for built-in carriers, else the
    carrier's text.

    ``simulated`` updates come from no real parcel and are shown with that said.
    """

    tracking_number: str
    status: TrackingStatus
    at: datetime
    location: str = ""
    description: str = ""
    simulated: bool = False

    @property
    def digest(self) -> str:
        """The same for the same news told twice."""
        told = "\n".join(
            (self.tracking_number, self.status, self.at.isoformat(), self.location, self.description)
        )
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class CarrierCapabilities:
    """What a carrier can do, so that nothing else is offered. ``charged`` is on_creation, on_acceptance or
    none.
    """

    methods: frozenset[Method]
    label_formats: frozenset[str] = frozenset()
    tracking: bool = False
    void: bool = False
    international: bool = False
    charged: str = "none"


# ------------------------------------------------------------------------------------------------ numbers


def s10_check_digit(serial: str) -> int:
    """The check digit of the eight digits of a UPU S10 number."""
    remainder = 11 - sum(w * int(d) for w, d in zip((8, 6, 4, 2, 3, 5, 9, 7), serial, strict=True)) % 11
    return {10: 0, 11: 5}.get(remainder, remainder)


def s10_number(indicator: str, serial: int, country: str) -> str:
    """A UPU S10 number: two letters, eight digits of ``serial``, a check digit, a country code."""
    digits = f"{serial:08d}"
    if len(digits) != 8 or not re.fullmatch(r"[A-Z]{4}", indicator + country):
        raise ValueError(f"{indicator!r}, {serial} and {country!r} are not the parts of an S10 number")
    return f"{indicator}{digits}{s10_check_digit(digits)}{country}"


def gs1_check_digit(payload: str) -> int:
    """The GS1 modulo 10 digit that completes ``payload`` (SSCC, USPS, GTIN): weights 3, 1 from the right."""
    return -sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(payload))) % 10


def ups_check_digit(payload: str) -> int:
    """The last digit of a UPS 1Z number, from the fifteen characters between ``1Z`` and it."""
    values = [int(c) if c.isdigit() else (ord(c) - 63) % 10 for c in payload]
    return -sum(v * 2 if i % 2 else v for i, v in enumerate(values)) % 10


def tidy_tracking_number(text: str) -> str:
    """What was typed or scanned, in upper case without blanks and dashes."""
    return re.sub(r"[\s\-]+", "", text).upper()


_SCHEMES: Final = (
    ("s10", re.compile(r"[A-Z]{2}\d{9}[A-Z]{2}", re.ASCII)),
    ("ups", re.compile(r"1Z[0-9A-Z]{15}\d", re.ASCII)),
    ("usps", re.compile(r"(420\d{5}(\d{4})?)?9[1-5]\d{20}", re.ASCII)),
    ("sscc", re.compile(r"(00)?\d{18}", re.ASCII)),
)


def number_scheme(number: str) -> str | None:
    """Which scheme's shape ``number`` has: ``s10``, ``ups``, ``usps``, ``sscc``, or ``None`` for one that
    is not known.
    """
    tidy = tidy_tracking_number(number)
    return next((scheme for scheme, shape in _SCHEMES if shape.fullmatch(tidy)), None)


def has_right_check_digit(number: str) -> bool | None:
    """Whether the check digit of ``number`` is right, or ``None`` when its scheme is not known and nothing
    can be said.
    """
    tidy = tidy_tracking_number(number)
    match number_scheme(tidy):
        case "s10":
            return s10_check_digit(tidy[2:10]) == int(tidy[10])
        case "ups":
            return ups_check_digit(tidy[2:-1]) == int(tidy[-1])
        case "usps":
            return gs1_check_digit(tidy[-22:-1]) == int(tidy[-1])
        case "sscc":
            return gs1_check_digit(tidy[-18:-1]) == int(tidy[-1])
    return None


LONGEST_NUMBER: Final = 40


def may_be_tracking_number(typed: str) -> bool:
    """Whether some carrier may have given this number: of its shape, with no wrong check digit."""
    number = tidy_tracking_number(typed)
    shaped = number.isascii() and number.isalnum() and 5 <= len(number) <= LONGEST_NUMBER
    return shaped and has_right_check_digit(number) is not False


_POSTS: Final = {
    "GB": "Royal Mail", "FR": "La Poste", "DE": "Deutsche Post", "US": "USPS", "CA": "Canada Post",
    "HK": "Hongkong Post", "NL": "PostNL", "AT": "Österreichische Post", "CH": "Die Schweizerische Post",
    "BE": "bpost", "ES": "Correos", "IT": "Poste Italiane", "PL": "Poczta Polska", "SE": "PostNord",
    "AU": "Australia Post", "JP": "Japan Post",
}  # fmt: skip


def guess_carrier(number: str) -> str:
    """The carrier a valid ``number`` was given by, by name, or an empty text where that cannot be told."""
    if not has_right_check_digit(number):
        return ""
    tidy = tidy_tracking_number(number)
    match number_scheme(tidy):
        case "s10":
            return _POSTS.get(tidy[-2:], "")
        case "ups":
            return "UPS"
        case "usps":
            return "USPS"
    return ""

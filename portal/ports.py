"""What the portal needs from the outside, as Protocols in the words of the core.

May import: core. Errors are two: ``Unavailable`` (try again) and ``Declined`` (do not).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from portal.core.addresses import Address, AddressFinding, AddressRules
from portal.core.bank import BankAccount, TransferOrder
from portal.core.credit_notes import CreditNote
from portal.core.documents import PackingSlip, Receipt, ReceiptRow
from portal.core.intake import Incoming
from portal.core.logistics import (
    Constraint,
    LeaveOut,
    LeaveOutAnswer,
    WarehouseEvent,
    WarehouseOrder,
)
from portal.core.merchants import MerchantFacts
from portal.core.money import Minor
from portal.core.policy.verdict import Finding
from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import Sending
from portal.core.shipping import (
    CarrierCapabilities,
    Document,
    Method,
    Parcel,
    Pickup,
    PickupSlot,
    Rate,
    ServicePoint,
    Shipment,
    ShipmentRequest,
    TrackingQuery,
    TrackingUpdate,
)


class Unavailable(Exception):
    """The other side could not be reached, was too slow, or was at fault: the same call may succeed later.

    Whether it took effect is not known, so it is repeated with the same idempotency key. ``retry_after`` is
    how many seconds the other side asked to be left alone, where it said so.
    """

    def __init__(self, message: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Declined(Exception):
    """The other side understood and said no: repeating the same call will not help.

    ``code`` is a short stable word (``not_served``, ``too_heavy`` ...) that pages have a sentence for;
    ``message`` is the other side's own text, for staff and logs, without personal data.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code, self.message = code, message


class Forged(Exception):
    """An event whose signature is missing, wrong or too old: nothing of it is believed or written."""


class Carrier(Protocol):
    """Takes parcels from customers to the warehouse.

    Amounts are minor units of ``ShipmentRequest.currency``; weights grams, lengths millimetres; times aware.
    ``sender`` is the customer and ``recipient`` the warehouse; an adapter whose carrier wants it otherwise
    swaps.
    Every method may raise ``Unavailable`` and, where it says so, ``Declined``.
    """

    @property
    def code(self) -> str:
        """The stable name that rates, shipments and settings know it by."""

    @property
    def name(self) -> str:
        """The name people know it by; a proper name, not translated."""

    @property
    def capabilities(self) -> CarrierCapabilities: ...

    def quote(self, request: ShipmentRequest) -> tuple[Rate, ...]:
        """What it offers for this request, cheapest first, never empty; ``Rate.id`` is stable from quote to
        quote.

        Buys nothing. Raises ``Declined``: ``not_served``, ``too_heavy``, ``currency_not_served``,
        ``method_not_offered``.
        """

    def create_return(self, request: ShipmentRequest, rate: Rate, *, idempotency_key: str) -> Shipment:
        """Buy ``rate`` and make its documents.

        The same key gives the same shipment, however often it is asked and by whichever process, and is
        charged once.
        Raises ``Declined``: those of ``quote``, ``rate_gone``, ``service_point_unknown``,
        ``tracking_number_wrong``.
        """

    def void(self, shipment: Shipment) -> None:
        """Take a label back that was not used; voiding it again is no error.

        Raises ``Declined``: ``already_used``, or ``not_voidable`` where ``capabilities.void`` is false.
        """

    def track(self, queries: Sequence[TrackingQuery], *, now: datetime) -> tuple[TrackingUpdate, ...]:
        """Everything known until ``now`` about these numbers, oldest first; of a number it does not know,
        nothing.
        """

    def service_points(
        self, near: Address, *, method: Method | None = None, limit: int = 10
    ) -> tuple[ServicePoint, ...]:
        """Places to bring a parcel, nearest first; empty where there are none."""

    def pickup_slots(
        self, address: Address, parcels: Sequence[Parcel], *, now: datetime
    ) -> tuple[PickupSlot, ...]:
        """When it could come to fetch, soonest first; empty where it does not come."""

    def schedule_pickup(
        self, slot: PickupSlot, shipment: Shipment, *, note: str = "", now: datetime, idempotency_key: str
    ) -> Pickup:
        """Agree a pickup; the same key gives the same one. Raises ``Declined``: ``slot_gone``,
        ``not_offered``.
        """

    def cancel_pickup(self, pickup: Pickup) -> None:
        """Call a pickup off; doing it again is no error. Raises ``Declined``: ``too_late``,
        ``not_offered``.
        """

    def health(self) -> None:
        """Nothing when it can be used now; raises ``Unavailable`` with the reason when not. Buys nothing."""


class Readable(Protocol):
    """How far a source has been read, in bytes; ``total`` is 0 where nobody knows."""

    total: int

    @property
    def done(self) -> int: ...


class OrderSource(Protocol):
    """Orders of a shop, one after the other, however many: nothing is held that was given out."""

    name: str
    """What orders are known by, with their external id: ``shopify``, ``woocommerce``, ``csv``."""

    @property
    def files(self) -> Readable: ...

    def read(self) -> Iterator[Incoming]:
        """Every order, adjustment and cancellation, and for what cannot be read a ``Fault``. Never raises."""


class Documents(Protocol):
    """Draws papers and codes. Never fails for content: long texts are wrapped or shrunk. Same input, same
    bytes.
    """

    def receipt(self, receipt: Receipt, /, *, language: str, size: str = "a4") -> Document:
        """The customer's receipt as PDF, ``size`` a4 or letter, in ``language`` (BCP 47)."""

    def packing_slip(self, slip: PackingSlip, /, *, language: str, size: str = "a4") -> Document:
        """The sheet for the parcel as PDF, with the return number as QR code."""

    def credit_note(self, note: CreditNote, /, *, format: str = "pdf", size: str = "a4") -> Document:
        """A credit note in its own language, as PDF or (``format`` xml) as UBL 2.1; both say the same."""

    def labels(self, pictures: Sequence[bytes], /, *, language: str) -> Document:
        """Labels, each a PNG as its carrier made it, as one PDF: a 4 by 6 inch page for each, in this order."""

    def qr_svg(self, text: str, *, title: str = "") -> str:
        """``text`` as an inline ``<svg>`` without any style or script; ``title`` is its accessible name."""

    def qr_png(self, text: str) -> bytes:
        """``text`` as a PNG for e-mail."""


class Addresses(Protocol):
    """What the countries of the world ask of an address. Local data: no method fails or waits."""

    def countries(self, language: str) -> tuple[tuple[str, str], ...]:
        """Every country as (ISO 3166-1 alpha-2, name in ``language``), sorted by name."""

    def rules(self, country: str) -> AddressRules:
        """What ``country`` asks, and how its forms are ordered; general rules where little is known."""

    def check(self, address: Address) -> tuple[AddressFinding, ...]:
        """Everything wrong with ``address``, in the order of the form; empty when nothing is."""

    def printed(self, address: Address, *, language: str, sent_from: str = "") -> tuple[str, ...]:
        """The lines of an envelope; the country is named when it is not ``sent_from``."""


@dataclass(frozen=True, kw_only=True)
class RefundResult:
    """What a gateway says of one refund.

    ``state`` is pending, requires_action, succeeded, failed or canceled; ``reference`` the gateway's id of it.
    """

    state: str
    reference: str
    amount: Minor
    currency: str
    error: str = ""
    bank_reference: str = ""
    """With which the customer's bank finds it, where the gateway tells (a card's ARN)."""


@dataclass(frozen=True, kw_only=True)
class Capture:
    """What a gateway knows of one capture, in minor units; of an authorization that may become one, as well."""

    reference: str
    currency: str
    captured: Minor
    """0 for what is only reserved, or was let go."""
    refunded: Minor
    """Of what was captured; what was let go before that is not among it."""
    disputed: Minor = 0
    """Held or taken by chargebacks."""
    authorized: Minor = 0
    """Reserved and still to be captured; what was let go is no part of it. 0 once it was captured."""
    released: Minor = 0
    """What we let go of the authorization."""


@dataclass(frozen=True, kw_only=True)
class GatewayRefund:
    """One refund in a gateway's own list, whoever made it; ``key`` is ours, empty where it is not ours."""

    reference: str
    key: str
    capture: str
    amount: Minor
    currency: str
    state: str
    at: datetime
    error: str = ""
    bank_reference: str = ""
    also: str = ""
    """Another name of the same capture, where it has two (Stripe: the charge of a payment intent)."""
    released: bool = False
    """No refund, though it stands in the list: it let go what was reserved and never captured."""


@dataclass(frozen=True, kw_only=True)
class GatewayDispute:
    """One chargeback in a gateway's own list; ``state`` is open, won (by the merchant) or lost."""

    reference: str
    capture: str
    amount: Minor
    currency: str
    state: str
    at: datetime
    also: str = ""
    """Another name of the same capture."""


@dataclass(frozen=True, kw_only=True)
class GatewayEvent:
    """What a verified event is about. Only a hint: what is true is looked up.

    ``kind`` is refund, dispute or other; ``reference`` the gateway's id of the refund or dispute.
    """

    id: str
    kind: str
    at: datetime
    reference: str = ""
    key: str = ""
    capture: str = ""
    amount: Minor = 0
    currency: str = ""
    state: str = ""
    also: str = ""
    """Another name of the same capture."""


class Payments(Protocol):
    """Gives money back to where it came from, or lets it go. Amounts are minor units of the capture's currency.

    A refund is asked for under a key that names the intent for ever: the same key never pays twice, whoever
    asks and however often; a release likewise. ``Unavailable`` means that nobody knows whether it took effect.
    """

    @property
    def code(self) -> str: ...

    def learn(self, reference: str, *, captured: Minor, currency: str, authorized: bool = False) -> None:
        """Be told of a capture that the shop made, or that it has only authorized so much.

        A real gateway knows its own, and does nothing.
        """

    def capture(self, reference: str) -> Capture | None:
        """What is known of a capture; None when there is no such. Raises ``Unavailable``."""

    def refund(self, *, key: str, reference: str, amount: Minor, currency: str) -> RefundResult:
        """Give ``amount`` of the capture back. Raises ``Unavailable``, or ``Declined``: ``too_much``,
        ``unknown_capture``, ``key_reused`` (the same key with another amount or capture), ``not_captured``
        (it is only reserved, or was let go: there is nothing to give back), ``not_authorized`` (the account's
        own key is refused: nothing was tried, and a person must see to it).
        """

    def release(
        self, *, key: str, reference: str, amount: Minor, remaining: Minor, currency: str
    ) -> RefundResult:
        """Let ``amount`` of an authorization go, so that it is never captured; ``remaining`` is what stays of it.

        With nothing remaining the authorization is void. Under the rules of ``refund``: the same key lets go
        once, a refund that was made under it is answered as it is, and what has expired is let go already.
        Raises ``Unavailable``, or ``Declined``: ``already_captured`` (nothing was let go: it can be refunded,
        under the same key), ``too_much``, ``unknown_capture``, ``key_reused``, ``not_authorized``.
        """

    def look_up(self, *, key: str, capture: str, reference: str = "") -> RefundResult | None:
        """What became of our refund or release ``key`` of ``capture``; None when it never arrived.

        A release is failed (``captured_anyway``) when what it had let go was captured all the same.
        ``reference`` is the gateway's id of it, where known: then nothing needs to be searched. Raises
        ``Unavailable``.
        """

    def refunds_since(self, moment: datetime) -> Iterator[GatewayRefund]:
        """The gateway's own list, oldest first, refunds made without us included. Raises ``Unavailable``.

        What let an authorization go may be among them, and is marked as that.
        """

    def disputes_since(self, moment: datetime) -> Iterator[GatewayDispute]:
        """The gateway's own list of chargebacks, oldest first. Raises ``Unavailable``."""

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        """The event in a delivery, once its signature is proved over the raw ``body``.

        ``headers`` are looked up without regard to case. Raises ``Forged``, or ``ValueError`` where it is
        signed and makes no sense.
        """


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a message. With ``cid`` it is shown inside the HTML as ``cid:<cid>``."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    cid: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One e-mail to one person. ``message_id`` and ``references`` (blank separated) have angle brackets."""

    to: str
    from_name: str = ""
    """Shown as sender; the address is the one the portal sends from."""
    reply_to: str = ""
    subject: str
    text: str = field(repr=False)
    html: str = field(default="", repr=False)
    message_id: str
    references: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A message in words, before it is addressed."""

    subject: str
    text: str
    html: str


class Mailer(Protocol):
    """Writes e-mails in the reader's language and hands them to a mail server."""

    @property
    def sender(self) -> str:
        """The address that it sends from; empty where nothing leaves the process."""

    def render(
        self,
        event: str,
        *,
        language: str,
        zone: str,
        merchant: MerchantFacts,
        values: Mapping[str, Any],
        links: Mapping[str, str],
    ) -> Rendered:
        """The message of ``event`` (a folder of templates/email) from plain JSON ``values``.

        ``links`` are whole addresses, so the same message can be rendered with markers, to be kept, and with
        tokens, to be sent. Raises ``ValueError`` for an unknown event, or naming what it needs and lacks.
        """

    def send(self, message: Message) -> None:
        """Hand ``message`` over. The same ``message_id`` sent twice may arrive twice, and is shown once.

        Raises ``Unavailable`` (no connection, a 4xx answer), or ``Declined``: ``recipient_refused``,
        ``message_refused``.
        """


class Words(Protocol):
    """What is said in one language. Unknown codes are said as they are; ``portal.words`` has all of it."""

    language: str

    def gettext(self, message: str, /, **values: object) -> str: ...

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str: ...

    def money(self, amount: Minor, currency: str, *, signed: bool = False) -> str:
        """``amount`` minor units, written so that it never breaks over lines."""

    def day(self, on: date | datetime, *, weekday: bool = False) -> str: ...

    def moment(self, at: datetime) -> str:
        """Day and time in the merchant's zone."""

    def join(self, parts: Iterable[str]) -> str:
        """``a, b and c``."""

    def reason(self, code: str | None) -> str: ...

    def condition(self, code: str | None) -> str: ...

    def decline_reason(self, code: str | None) -> str: ...

    def kind(self, code: str | None) -> str: ...

    def tender(self, code: str) -> str: ...

    def posting(self, kind: str) -> str:
        """Why an entry of the ledger was posted."""

    def arrival(self, tender: str) -> str:
        """When money given back to that tender arrives; empty where nothing can be promised."""

    def finding(self, finding: Finding, currency: str = "") -> str: ...

    def receipt_rows(self, breakdown: Breakdown, *, estimate: bool = False) -> tuple[ReceiptRow, ...]:
        """A refund row by row, the total last, for papers and messages."""

    def changed_rows(self, before: Breakdown, after: Breakdown) -> tuple[ReceiptRow, ...]:
        """Which rule changed a refund and by how much, for messages."""

    def next_steps(
        self, sending: Sending | None, ship_by: date | None, breakdown: Breakdown | None = None
    ) -> tuple[tuple[str, str], ...]:
        """What the customer does and what happens then: (what, when) in order; ``when`` may be empty."""

    def method(self, code: str) -> "MethodName":
        """A way of sending: its name and one sentence of help."""


class MethodName(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def help(self) -> str: ...


class BankFiles(Protocol):
    """Checks bank accounts, and writes the files with which a bank is told to pay. No method waits."""

    currency: str
    """The one currency that its transfers are in."""

    def account(self, *, holder: str, iban: str, bic: str = "") -> BankAccount:
        """The account as a file can name it, blanks and case put right. Raises ``Declined``:
        ``holder_missing``, ``iban_wrong``, ``iban_not_sepa``, ``bic_wrong``.
        """

    def written(self, order: TransferOrder, /) -> str:
        """The file. Same order, same text; amounts exact. Raises ``Declined``: ``currency_not_sepa``,
        ``nothing_to_transfer``, and what ``account`` raises.
        """


class Warehouse(Protocol):
    """Keeps the goods of shops, and sends them. Every method may raise ``Unavailable``."""

    @property
    def code(self) -> str:
        """The stable name that events and settings know it by."""

    def constraints(self, order: WarehouseOrder, *, now: datetime) -> tuple[Constraint, ...]:
        """Why units of these lines cannot be left out, as things stand; changes nothing.

        Answers within two seconds or raises ``Unavailable``: a page waits for it.
        """

    def leave_out(self, request: LeaveOut, *, key: str) -> LeaveOutAnswer:
        """Ask it not to send these units. The same key asks once, whoever asks and however often.

        All or nothing. Raises ``Declined``: ``unknown_order``, ``key_reused`` (the same key, another request),
        ``not_authorized``.
        """

    def look_up(self, key: str) -> LeaveOutAnswer | None:
        """What became of the request ``key``; None when it never arrived."""

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WarehouseEvent:
        """The event in a delivery, once its signature is proved over the raw ``body``.

        Raises ``Forged``, or ``ValueError`` where it is signed and makes no sense.
        """

    def health(self) -> None:
        """Nothing when it can be used now; raises ``Unavailable`` with the reason when not."""


@dataclass(frozen=True, kw_only=True)
class ChannelNotice:
    """One thing that the shop's own system is told of an order. ``payload`` is plain JSON."""

    topic: str
    merchant: str
    order: str
    at: datetime
    payload: Mapping[str, Any]


class Channel(Protocol):
    """Tells a shop's own system what was changed about its orders."""

    @property
    def code(self) -> str: ...

    def notify(self, notice: ChannelNotice, *, key: str) -> None:
        """Tell it. The same key is the same thing told again. Raises ``Unavailable``, ``Declined``."""


@dataclass(frozen=True, kw_only=True)
class Gateways:
    """Everything outside, as one value that is built at the start and passed as a parameter."""

    payments: Mapping[str, Payments]
    """By the code that payments name as their provider; own ledgers, banks and persons are not among them."""
    gateway: str
    """Which of ``payments`` the cards of this installation are paid by."""
    bank: BankFiles
    secret: str = field(repr=False)
    """The installation's own: codes of credits are worked out with it, and stored nowhere."""
    carriers: Mapping[str, Carrier]
    warehouse: Warehouse | None = None
    """None where goods are not kept by anybody who could be asked: facts of the order decide alone."""
    channel: Channel | None = None
    mailer: Mailer
    documents: Documents
    addresses: Addresses
    words: Callable[[str, str], Words]
    """(language, zone) -> words; for documents and messages that are written outside a request."""

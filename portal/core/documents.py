"""What the printed papers say, before anyone draws them. Amounts and sentences arrive already in words."""

from dataclasses import dataclass
from datetime import date

from portal.core.addresses import Address
from portal.core.shipping import PackedItem


@dataclass(frozen=True, kw_only=True)
class PackingSlip:
    """The sheet that lies in the parcel: which return it is and what should be inside."""

    rma: str
    merchant: str
    order_number: str = ""
    customer: str = ""
    recipient: Address
    items: tuple[PackedItem, ...] = ()
    ship_by: date | None = None


@dataclass(frozen=True, kw_only=True)
class ReceiptRow:
    """One line of the refund breakdown, in the customer's words: ``amount`` is formatted, with its sign and
    currency.
    """

    label: str
    amount: str
    note: str = ""
    total: bool = False


@dataclass(frozen=True, kw_only=True)
class ReceiptStep:
    """One thing to do or to expect; ``when`` is a worded date, or empty."""

    text: str
    when: str = ""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the customer keeps: number, items with their authorization codes, the refund's rows and what
    comes next.
    """

    rma: str
    merchant: str
    order_number: str = ""
    issued_on: date
    customer: Address | None = None
    recipient: Address | None = None
    items: tuple[PackedItem, ...]
    rows: tuple[ReceiptRow, ...] = ()
    rows_note: str = ""
    steps: tuple[ReceiptStep, ...] = ()
    sending: str = ""
    tracking_number: str = ""
    status_url: str = ""
    contact: str = ""

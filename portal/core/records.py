"""The record of what was paid for an order, in minor units, and what has become of it elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal.core.intake import CAPTURED, ORDINARY, Special
from portal.core.money import Minor
from portal.core.spans import Span


@dataclass(frozen=True, kw_only=True)
class PaidTax:
    """One label of one line: charged, and given back elsewhere."""

    label: str
    amount: Minor
    rate_ppm: int | None = None
    jurisdiction: str = ""
    refunded: Minor = 0
    withheld: Minor = 0
    """In what is withheld of the line since a deal's condition is no longer met."""


@dataclass(frozen=True, kw_only=True)
class PaidLine:
    """One line as it was paid, and what has become of its units elsewhere."""

    external_id: str
    number: int
    kind: str
    units: int
    unit_price: Decimal
    goods: Minor
    discount: Minor
    taxes: tuple[PaidTax, ...]
    tax: Minor
    paid: Minor
    sku: str = ""
    name: str = ""
    variant: str = ""
    category: str = ""
    picture: str = ""
    weight_g: int = 0
    final_sale: bool = False
    parent: str = ""
    shipped: int = 0
    delivered: int = 0
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    canceled: tuple[Span, ...] = ()
    claimed: tuple[Span, ...] = ()
    returned: tuple[Span, ...] = ()
    """Those of ``claimed`` whose units are back, or were refunded elsewhere."""
    held: tuple[Span, ...] = ()
    """In proposals to cancel them that nobody has answered yet."""
    reserved: int = 0
    """As many as the stock reserves for it."""
    refunded: Minor = 0
    special: Special = ORDINARY
    id: UUID | None = None

    @property
    def taken(self) -> tuple[Span, ...]:
        """Positions that something is in already: nothing else takes them."""
        return (*self.canceled, *self.claimed, *self.held)


@dataclass(frozen=True, kw_only=True)
class PaidPayment:
    """One tender: this order's share of it, whatever the ``mode``, and what of that went back elsewhere."""

    reference: str
    tender: str
    captured: Minor
    label: str = ""
    refunded: Minor = 0
    mode: str = CAPTURED
    released: Minor = 0
    """Of ``refunded``: never taken, since it was let go or is no longer due."""
    authorization: str = ""
    """The reference that it had as an authorization."""
    id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class RefundOfLine:
    """What a refund made elsewhere took of one line, after the caps."""

    line: str
    units: int
    spans: tuple[Span, ...]
    amount: Minor
    taxes: tuple[tuple[str, Minor], ...] = ()


@dataclass(frozen=True, kw_only=True)
class PaidRefund:
    """A refund made elsewhere, as it counts here. ``goods`` is what its lines say, before any cap."""

    external_id: str
    at: datetime
    amount: Minor
    goods: Minor
    reason: str = ""
    lines: tuple[RefundOfLine, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PaidDiscount:
    """A code or a deal, and what each line's discount holds of it: (external id, amount)."""

    code: str
    shares: tuple[tuple[str, Minor], ...]


@dataclass(frozen=True, kw_only=True)
class PaidOrder:
    """The record of what was paid. ``differs`` is captured less the sum of the lines; nothing is fitted."""

    external_id: str
    number: str
    number_key: str
    currency: str
    placed_at: datetime
    state: str
    prices_include_tax: bool
    lines: tuple[PaidLine, ...]
    payments: tuple[PaidPayment, ...] = ()
    refunds: tuple[PaidRefund, ...] = ()
    customer_ref: str = ""
    email: str = ""
    name: str = ""
    phone: str = ""
    language: str = ""
    country: str = ""
    postcode: str = ""
    address: Mapping[str, Any] = field(default_factory=dict)
    discounts: tuple[PaidDiscount, ...] = ()
    differs: Minor = 0
    notes: tuple[str, ...] = ()
    digest: str = ""

    @property
    def paid(self) -> Minor:
        return sum(line.paid for line in self.lines)

    @property
    def captured(self) -> Minor:
        return sum(payment.captured for payment in self.payments)

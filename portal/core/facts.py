"""Frozen snapshots that decisions are made from: what was ordered, paid, sent and given back so far."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from portal.core.money import Minor
from portal.core.promotions import Promotion as Promotion
from portal.core.promotions import PromotionStep as PromotionStep
from portal.core.spans import Span, count

MERCHANDISE, SERVICE = "merchandise", "service"
LINE_KINDS = ("merchandise", "gift_card", "service", "fee", "discount", "sample", "shipping", "duty")
"""Only merchandise can come back; shipping and duty are charges with a cap of their own (money.md 6, 10)."""

CHARGES = ("shipping", "duty", "fee")

CANCELLATIONS = ("partial_cancellation", "cancellation")
"""Kinds of a request for units that were never sent: nothing is kept back, nobody is charged."""

AT_ONCE, NEXT_PERIOD = "at_once", "next_period"
ENDINGS = (NEXT_PERIOD, AT_ONCE)
"""When a service that goes on period after period ends."""

KEEP = "partial_refund_keep"
"""The kind of a request for which nothing comes back: a part of the price goes back, the goods stay."""

RETURNLESS = "returnless_refund"
"""The kind of a return that a rule of the shop refunds in full while the goods stay: its units are taken for good."""

STAYS = (KEEP, RETURNLESS)
"""Kinds for which nothing is sent: the goods are the customer's."""

Adjusted = tuple[int, int, Minor]
"""Unit positions ``first`` up to ``end``, and what was given back for all of them while they were kept."""


@dataclass(frozen=True, kw_only=True)
class TaxFacts:
    """One tax label of one line: what was charged, and what has been given back of it."""

    label: str
    amount: Minor
    rate_ppm: int | None = None
    jurisdiction: str = ""
    refunded: Minor = 0
    promotion_withheld: Minor = 0
    """Its part of the line's ``promotion_withheld``."""


@dataclass(frozen=True, kw_only=True)
class LineFacts:
    """One line of an order as it was paid, with the unit positions that are already taken.

    ``goods`` is the line's list price (units x unit price, rounded once), before ``discount``; both
    include tax where the order's prices do. ``paid`` is what the customer paid for all units, tax included.
    """

    id: UUID
    number: int
    sku: str
    name: str
    units: int
    unit_price: Decimal
    goods: Minor
    discount: Minor = 0
    taxes: tuple[TaxFacts, ...] = ()
    prices_include_tax: bool = True
    kind: str = MERCHANDISE
    variant: str = ""
    category: str = ""
    picture: str = ""
    weight_g: int = 0
    final_sale: bool = False
    parent_id: UUID | None = None
    shipped: int = 0
    delivered: int = 0
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    """When the last of its units was sent and arrived, as far as is known; the return window starts there."""
    canceled: tuple[Span, ...] = ()
    claimed: tuple[Span, ...] = ()
    """Positions in open or finished returns, and in refunds made elsewhere."""
    returned: tuple[Span, ...] = ()
    """Those of ``claimed`` whose units are back, or were refunded elsewhere; not what is only announced."""
    refunded: Minor = 0
    """Given back for this line so far, tax included, open refunds counted (they hold their quota)."""
    adjusted: tuple[Adjusted, ...] = ()
    """Price adjustments of units that were kept, part of ``refunded``: a later return gives the rest."""
    promotion_withheld: Minor = 0
    """Kept back of its refunds because a promotion no longer held; comes back when everything does."""
    picked: int = 0
    """Taken from the shelf for this order and not shipped yet."""
    held: tuple[Span, ...] = ()
    """Positions that open proposals of a cancellation hold: neither canceled nor in anybody's return."""
    location: str = "main"
    logistics: tuple[str, ...] = ()
    """What ties its units to somebody else's work (``core.logistics.LOGISTICS``): nothing of it is left out."""
    cut_off: datetime | None = None
    """The last moment at which units of it can still be left out."""
    gift: bool = False
    """For somebody else than the buyer, who pays and is paid back all the same."""
    part_required: bool = False
    """Its bundle is nothing without it."""
    period_start: date | None = None
    """Of a service that is paid for by the period: the first day paid for."""
    period_end: date | None = None
    """The last day paid for, inclusive."""
    interval: str = ""
    """``week``, ``month``, ``quarter`` or ``year`` where a service goes on period after period."""
    ends_on: date | None = None
    """The service ends that day and is not renewed."""

    @property
    def tax(self) -> Minor:
        return sum(tax.amount for tax in self.taxes)

    @property
    def paid(self) -> Minor:
        gross = self.goods - self.discount
        return gross if self.prices_include_tax else gross + self.tax

    @property
    def refundable(self) -> Minor:
        return max(0, self.paid - self.refunded)

    @property
    def returnable_units(self) -> int:
        """Units that were shipped and are in nobody's return: a canceled unit never was."""
        gone = count(self.canceled) + count(self.held)
        return max(0, min(self.shipped, self.units - gone) - count(self.claimed))

    @property
    def unshipped_units(self) -> int:
        """Units that were not sent and that nobody holds; picked ones are among them."""
        return max(0, self.units - count(self.canceled) - count(self.held) - self.shipped)

    @property
    def recurs(self) -> bool:
        """Whether it is a service paid for by the period: it is never sent, and it may end between periods."""
        return self.kind == SERVICE and bool(self.interval or self.period_end)

    @property
    def cancelable_units(self) -> int:
        """Units that are neither sent nor picked, canceled, held or in a return; 0 of a service that ends."""
        if self.ends_on is not None:
            return 0
        free = self.units - count(self.canceled) - count(self.held)
        sent = 0 if self.recurs else self.shipped + self.picked
        return max(0, min(free - sent, free - count(self.claimed)))


@dataclass(frozen=True, kw_only=True)
class PaymentFacts:
    """One tender of the order: ``captured`` is this order's share of it (money.md 13)."""

    id: UUID
    tender: str
    label: str
    captured: Minor
    refunded: Minor = 0
    """Sent back or held by open refunds, wherever the refund was made."""
    disputed: Minor = 0
    """In an open or lost chargeback: not there to be refunded."""
    provider: str = "sandbox"
    refundable_here: bool = True
    mode: str = "captured"
    """``captured``; ``authorized``: reserved by the provider and not taken yet; ``due``: the customer still owes it."""
    released: Minor = 0
    """Of ``refunded``: never was money, an authorization let go or an amount no longer owed."""

    @property
    def is_paid(self) -> bool:
        """Whether it is money that we have; else less of it is taken or asked for, and nothing goes back."""
        return self.mode == "captured"

    @property
    def left(self) -> Minor:
        return max(0, self.captured - self.refunded - self.disputed)


@dataclass(frozen=True, kw_only=True)
class OrderFacts:
    """An order as it was paid. ``lines`` are in the order of the receipt, charges among them."""

    id: UUID
    merchant_id: UUID
    number: str
    currency: str
    placed_at: datetime
    country: str = ""
    language: str = ""
    email: str = ""
    lines: tuple[LineFacts, ...] = ()
    payments: tuple[PaymentFacts, ...] = ()
    differs: Minor = 0
    """Captured less the sum of the parts, as the intake found it; nothing is silently adjusted."""
    promotions: tuple[Promotion, ...] = ()
    state: str = "confirmed"
    """``pending``, ``confirmed`` or ``canceled``, as the channel and our own cancellations have it."""

    @property
    def paid(self) -> Minor:
        return sum(line.paid for line in self.lines)

    @property
    def captured(self) -> Minor:
        return sum(payment.captured for payment in self.payments)

    @property
    def refunded(self) -> Minor:
        return sum(payment.refunded for payment in self.payments)

    @property
    def disputed(self) -> Minor:
        return sum(payment.disputed for payment in self.payments)

    def line(self, line_id: UUID) -> LineFacts:
        """The line with that id. Raises ``KeyError``."""
        for line in self.lines:
            if line.id == line_id:
                return line
        raise KeyError(line_id)

    @property
    def items(self) -> tuple[LineFacts, ...]:
        """The lines that are no charges: what the customer sees as things bought."""
        return tuple(line for line in self.lines if line.kind not in CHARGES)

    @property
    def charges(self) -> tuple[LineFacts, ...]:
        return tuple(line for line in self.lines if line.kind in CHARGES)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody asks to send back: so many units of one line, and why.

    ``spans`` are the positions this request holds already (a confirmed return); empty means that the
    lowest free ones are taken. With fewer ``units`` than ``spans`` hold (received, not announced) the
    lowest of them count.
    """

    line_id: UUID
    units: int
    reason: str | None = None
    condition: str | None = None
    note: str = ""
    photos: int = 0
    grade: str | None = None
    """What the inspection found; it takes the place of the declared ``condition``."""
    missing_accessories: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    used: int | None = None
    """Units of use (hours, washes, kilometers ...), where depreciation goes by use."""
    scope_used: tuple[int, int] | None = None
    """Of a service: so much done, of so much; what was not done goes back."""
    allowance: Minor | None = None
    """A price adjustment for units that stay with the customer, all of them together: nothing comes back."""
    named: Minor | None = None
    """A person's amount for this line in place of the computed one."""
    ending: str = ""
    """Of a service that is canceled: ``at_once``, what is unused goes back; ``next_period``: nothing does."""


@dataclass(frozen=True, kw_only=True)
class ReturnRequest:
    """Everything the policy and the refund engine need to know of one return."""

    wanted: tuple[Wanted, ...]
    requested_at: datetime
    kind: str = "return"
    resolution: str = "refund"
    postage: Minor = 0
    """What the chosen way of sending costs the customer, to be deducted; 0 when the merchant pays."""
    extra: tuple["Addition", ...] = field(default=())
    fees_taken: tuple[str, ...] = ()
    """Codes of per-return fees that an earlier refund of the same return took: nobody pays them twice."""
    waived: tuple[str, ...] = ()
    """Rules that a person leaves out (``core.refunds.overrides.WAIVABLE``)."""
    tenders: tuple[tuple[UUID, Minor], ...] = ()
    """A person's choice: payment -> its part; together the whole refund. Empty leaves it to the policy."""
    exchange: tuple["ExchangeItem", ...] = ()
    """What the customer gets instead; only the difference is refunded."""


@dataclass(frozen=True, kw_only=True)
class ExchangeItem:
    """One thing given in exchange; ``amount`` is its price for all ``units``, tax included."""

    name: str
    amount: Minor
    units: int = 1
    sku: str = ""


@dataclass(frozen=True, kw_only=True)
class Addition:
    """Goodwill or a bonus that a person grants, kept apart from what is owed (money.md 8)."""

    code: str
    amount: Minor
    reason: str
    granted_by: str = ""
    """The role that grants it; it must be one that approves refunds."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """A promise with a date, for pages that tell what happens next."""

    code: str
    on: date

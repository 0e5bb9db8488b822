"""What is shown of a dispute: plain values, for its customer's pages and for the people who answer it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core import disputes as core
from portal.core.money import Minor
from portal.core.refunds.breakdown import Row
from portal.core.returns import DraftLine
from portal.services.filing.returns import Page
from portal.services.refunding.refund_facts import RefundFacts
from portal.services.talking.threads import Thread


@dataclass(frozen=True, kw_only=True)
class OfferFacts:
    """One offer; ``amount`` is on top of what was refunded before."""

    id: UUID
    by_side: str
    by_name: str
    amount: Minor
    body: str
    state: str
    at: datetime
    expires_at: datetime | None
    answered_at: datetime | None
    answered_by: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the inspection found of some units, with its pictures."""

    units: int
    grade: str
    disposition: str
    accepted: bool
    missing_accessories: tuple[str, ...]
    note: str
    at: datetime
    by_name: str
    pictures: tuple[UUID, ...]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One line of the return with what can be contested of it, and what was decided by which rule."""

    line: DraftLine
    grounds: tuple[str, ...]
    most: Minor
    """The most that can still be paid for it."""
    declined: int
    decline_reason: str
    decline_message: str
    found: tuple[Found, ...]
    rows: tuple[Row, ...]
    """What refunds of the return took off it or added to it, row by row."""


@dataclass(frozen=True, kw_only=True)
class LineFacts:
    """One contested line as it was claimed."""

    line_id: UUID
    name: str
    units: int
    ground: str
    claimed: Minor | None
    body: str


@dataclass(frozen=True, kw_only=True)
class DisputeFacts:
    """One dispute; who sees it passed the gate."""

    id: UUID
    merchant_id: UUID
    return_id: UUID
    number: str
    state: str
    ground: str
    wanted: str
    claimed: Minor | None
    body: str
    currency: str
    opened_at: datetime
    opened_by: str
    due_at: datetime
    escalated_at: datetime | None
    escalated_because: str
    outcome: str
    outcome_message: str
    settled: Minor
    settlement_id: UUID | None
    settlement_number: str
    settlement_state: str
    closed_at: datetime | None
    closed_by: str
    version: int
    lines: tuple[LineFacts, ...]
    offers: tuple[OfferFacts, ...]
    pictures: tuple[UUID, ...]

    @property
    def is_open(self) -> bool:
        return self.state in core.OPEN

    @property
    def waiting(self) -> OfferFacts | None:
        """The offer that waits for an answer."""
        return next((one for one in reversed(self.offers) if one.state == "open"), None)


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What the customer's pages are made of."""

    page: Page
    choices: tuple[Choice, ...]
    most: Minor
    disputes: tuple[DisputeFacts, ...]
    """Newest first."""
    may_open: bool
    hours: int
    """Within so many hours the shop promises to answer."""

    @property
    def open(self) -> DisputeFacts | None:
        return next((one for one in self.disputes if one.is_open), None)


@dataclass(frozen=True, kw_only=True)
class HeldBack:
    """A chargeback at a payment of the order: what it holds is not there to be offered."""

    reference: str
    provider: str
    amount: Minor
    held: Minor
    state: str
    opened_at: datetime


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One posting of a refund of the return."""

    refund_number: str
    kind: str
    debit: str
    credit: str
    amount: Minor
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A dispute with everything that people need side by side."""

    dispute: DisputeFacts
    page: Page
    choices: tuple[Choice, ...]
    """The contested lines."""
    most: Minor
    """The most that can be offered now."""
    earlier: tuple[DisputeFacts, ...]
    refunds: tuple[RefundFacts, ...]
    postings: tuple[Posting, ...]
    chargebacks: tuple[HeldBack, ...]
    thread: Thread

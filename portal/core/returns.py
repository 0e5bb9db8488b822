"""The draft of a return: the one list of steps that agent and customer share, and what is left of it."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from portal.core.addresses import Address
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.core.reasons import REASONS
from portal.core.shipping import Method
from portal.core.spans import Span
from portal.core.workflows import NO_RETURN


class Step(StrEnum):
    """One question of a return, in the order it is asked."""

    TYPE = "type"
    CUSTOMER = "customer"
    ORDER = "order"
    LINES = "lines"
    SURVEY = "survey"
    ADDRESS = "address"
    SENDING = "sending"
    CONFIRM = "confirm"


STEPS = tuple(Step)
BY_CUSTOMER = (Step.LINES, Step.SURVEY, Step.ADDRESS, Step.SENDING, Step.CONFIRM)
"""What a customer can be asked; type, customer and order are settled before."""

MANDATORY_FOR_LINK = (Step.TYPE, Step.CUSTOMER)
"""What an agent cannot leave to the customer."""


@dataclass(frozen=True, kw_only=True)
class DraftLine:
    """Units of one order line, or of a product that was typed in, that somebody wants to send back."""

    id: UUID
    order_line_id: UUID | None
    sku: str
    name: str
    variant: str = ""
    picture: str = ""
    weight_g: int = 0
    units: int
    reason: str | None = None
    condition: str | None = None
    note: str = ""
    by_agent: bool = False
    photos: tuple[UUID, ...] = ()
    spans: tuple[Span, ...] = ()
    code: str | None = None
    authorized: int = 0
    declined: int = 0
    """Asked for and refused: free again for another return."""
    decline_reason: str = ""
    decline_message: str = ""
    received: int = 0
    damaged: int = 0
    other: int = 0
    accepted: int = 0
    rejected: int = 0
    refunded: int = 0
    allowance: Minor | None = None
    """What is given back for these units while the customer keeps them."""
    photo_asked: bool = False
    """A rule of the shop asks for a photo of it, whatever the reason does."""
    ending: str = ""
    """When a recurring service ends that is canceled: ``at_once`` or ``next_period``."""
    ends_on: date | None = None
    """Its last day."""
    scope_used: tuple[int, int] | None = None
    """[days used, days of the period], once it is settled."""

    @property
    def open_units(self) -> int:
        """What is asked for and was not refused."""
        return self.units - self.declined


@dataclass(frozen=True, kw_only=True)
class Sending:
    """The chosen way back. ``amount`` is the price in minor units, borne by ``pays``."""

    carrier: str
    service: str
    method: Method
    rate_id: str
    amount: Minor
    pays: str
    point_id: str = ""
    point_name: str = ""
    slot_id: str = ""
    slot_label: str = ""
    tracking_number: str = ""
    transit_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A return as it stands, from the first answer on. ``locked`` steps the customer may not change."""

    id: UUID
    merchant_id: UUID
    order_id: UUID | None
    policy_id: UUID
    number: str | None
    state: str
    kind: str
    channel: str
    language: str
    currency: str
    name: str
    email: str
    phone: str = ""
    order_number: str = ""
    answered: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()
    note: str = ""
    lines: tuple[DraftLine, ...] = ()
    address: Address | None = None
    sending: Sending | None = None
    postage: Minor = 0
    handling: str = ""
    """What a rule of the shop says of the rest of its way (``core.workflows.HANDLINGS``)."""
    created_at: datetime
    submitted_at: datetime | None = None
    """When the customer, or an agent for them, confirmed it."""
    version: int = 1

    @property
    def units(self) -> int:
        return sum(line.units for line in self.lines)

    @property
    def declined(self) -> tuple[DraftLine, ...]:
        """The lines of which units were refused."""
        return tuple(line for line in self.lines if line.declined)


def needs_photo(line: DraftLine, terms: Terms) -> bool:
    """Whether the reason, or a rule of the shop, asks for a photo and none has been sent."""
    if line.reason is None or line.photos:
        return False
    if line.photo_asked:
        return True
    if terms.photo_reasons is not None:
        return line.reason in terms.photo_reasons
    reason = REASONS.get(line.reason)
    return reason is not None and reason.photo == "required"


def surveyed(line: DraftLine, terms: Terms) -> bool:
    """Whether reason, condition, and what the reason asks for, are there."""
    if line.reason is None or line.condition is None or needs_photo(line, terms):
        return False
    reason = REASONS.get(line.reason)
    return not (reason is not None and reason.note_required and not line.note.strip())


def is_done(step: Step, draft: Draft, terms: Terms) -> bool:
    """Whether that step needs nothing more. A skipped order counts as answered."""
    match step:
        case Step.TYPE:
            return bool(draft.kind)
        case Step.CUSTOMER:
            return bool(draft.email and draft.name)
        case Step.ORDER:
            return draft.order_id is not None or Step.ORDER in draft.answered
        case Step.LINES:
            return bool(draft.lines)
        case Step.SURVEY:
            return bool(draft.lines) and all(surveyed(line, terms) for line in draft.lines)
        case Step.ADDRESS | Step.SENDING if draft.handling == NO_RETURN:
            return True  # nothing is sent
        case Step.ADDRESS:
            return draft.address is not None and Step.ADDRESS in draft.answered
        case Step.SENDING:
            return draft.sending is not None
        case Step.CONFIRM:
            return draft.state != "draft"


def steps_left(draft: Draft, terms: Terms, *, steps: tuple[Step, ...] = STEPS) -> tuple[Step, ...]:
    """What still has to be answered, in order. Empty once the return is confirmed."""
    if draft.state != "draft":
        return ()
    return tuple(step for step in steps if not is_done(step, draft, terms))


def next_step(draft: Draft, terms: Terms, *, steps: tuple[Step, ...] = BY_CUSTOMER) -> Step:
    """The page to go to: the first thing left; the last step when nothing is."""
    left = steps_left(draft, terms, steps=steps)
    return left[0] if left else steps[-1]


def may_change(step: Step, draft: Draft) -> bool:
    """Whether the customer may (still) answer that step."""
    return draft.state == "draft" and step not in draft.locked


def invalidated_by(step: Step) -> tuple[Step, ...]:
    """Answers that a change of ``step`` makes stale: other goods or another address need other rates."""
    return (Step.SENDING,) if step in (Step.LINES, Step.ADDRESS) else ()

"""What the rules look at, and what they answer: the case, and the objections to it."""

from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from uuid import UUID

from portal.core.facts import OrderFacts, ReturnRequest
from portal.core.policy.terms import Terms

REFUSED, REVIEW = "refused", "review"

CODES = (
    "window_expired",
    "final_sale",
    "not_eligible_category",
    "not_merchandise",
    "not_shipped_yet",
    "already_returned",
    "too_many_units",
    "units_not_positive",
    "nothing_chosen",
    "unknown_line",
    "unknown_reason",
    "unknown_condition",
    "picture_requested",
    "too_many_photos",
    "more_information",
    "approval_by_reason",
    "approval_by_condition",
    "approval_by_value",
    "approval_by_rule",
    "approval_always",
    "no_record_of_sale",
    "policy_inactive",
    "cancellations_off",
    "order_not_confirmed",
    "order_canceled",
    "payment_disputed",
    "not_cancelable",
    "already_shipped",
    "being_picked",
    "already_canceled",
    "held_by_proposal",
    "past_cut_off",
    "drop_ship",
    "custom_made",
    "pre_picked",
    "third_party",
    "bundle_whole_only",
    "bundle_part_required",
    "bundle_nothing_left",
    "service_over",
    "service_ending",
    "service_whole_only",
    "ending_unknown",
)
"""Every code a finding can have; each has a sentence in the words."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One objection of one rule. ``weight`` is ``refused`` or ``review`` (a person decides).

    ``code`` is the vocabulary's; ``rule`` names the term it comes from; ``details`` holds what the
    sentence needs (``last_day``, ``maximum`` ...). ``line_id`` is None for the whole return.
    """

    code: str
    weight: str
    rule: str
    line_id: UUID | None = None
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that the rules look at. ``at`` is when the return was asked for, ``zone`` the merchant's."""

    order: OrderFacts | None
    request: ReturnRequest
    terms: Terms
    at: datetime
    zone: tzinfo

    @property
    def day(self) -> date:
        return self.at.astimezone(self.zone).date()

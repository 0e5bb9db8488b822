"""Who must stand behind a refund before money moves: limits per role, and two people above a threshold."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from portal.core.access import Actor
from portal.core.money import Minor, minor
from portal.core.policy.terms import Terms
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import overrides as overriding
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.overrides import Overrides

WINDOW = timedelta(hours=24)
"""Refunds of one payment, or of one customer, within it are judged by their sum."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a merchant's policy, or else the installation, says about approving. Amounts in minor units."""

    alone: Mapping[str, Minor] = field(default_factory=dict)
    """Role -> the highest sum it approves alone; a role that is not named has no limit of its own."""
    two_above: Minor | None = None
    """Above this sum whoever asked for the refund, or changed it, cannot approve it."""

    def covers(self, role: str, total: Minor) -> bool:
        """Whether one person in that role is enough."""
        return total <= self.alone.get(role, total)

    def needs_two(self, total: Minor) -> bool:
        return self.two_above is not None and total > self.two_above


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One person's word for one breakdown of a refund."""

    person_id: UUID
    person: str
    role: str
    amount: Minor
    at: datetime
    void: bool = False
    """Given for what the refund was before it changed."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far a refund is approved. ``total`` is the sum it is judged by: with it, what went within a day."""

    total: Minor
    limits: Limits
    requesters: frozenset[UUID]
    """Who asked for it as it stands: made it, or changed it."""
    given: tuple[Approval, ...] = ()

    @property
    def counting(self) -> tuple[Approval, ...]:
        """The approvals that count: not those for something else, nor one's own above the threshold."""
        return tuple(
            one
            for one in self.given
            if not one.void and not (self.needs_two and one.person_id in self.requesters)
        )

    @property
    def needs_two(self) -> bool:
        return self.limits.needs_two(self.total)

    @property
    def is_complete(self) -> bool:
        """One whose limit is high enough, or two different people."""
        counting = self.counting
        return (
            any(self.limits.covers(one.role, self.total) for one in counting)
            or len({one.person_id for one in counting}) >= 2
        )

    @property
    def people_missing(self) -> int:
        """At most so many more people are needed: one whose limit is high enough does for two."""
        return 0 if self.is_complete else 2 - len({one.person_id for one in self.counting})

    def bars(self, person_id: UUID | None) -> str:
        """Why that person's word would not count: ``four_eyes``, ``approved_already``, or nothing."""
        if self.needs_two and person_id in self.requesters:
            return "four_eyes"
        if any(one.person_id == person_id for one in self.counting):
            return "approved_already"
        return ""


def limits_of(terms: Terms, *, default: Decimal | None, currency: str) -> Limits:
    """The limits of ``terms``; ``default`` is the installation's threshold in whole units of any currency."""
    two_above = terms.two_people_above
    if two_above is None and default is not None:
        two_above = minor(default, currency, round_to_unit=True)
    return Limits(alone=dict(terms.refund_limits), two_above=two_above)


def may_approve(actor: Actor, merchant_id: UUID, limits: Limits, total: Minor) -> bool:
    """Whoever approves refunds; and a role that the policy gives a limit, within it."""
    if actor.may("refunds.approve", merchant_id):
        return True
    role = actor.roles.get(merchant_id, "")
    return actor.may("refunds.propose", merchant_id) and role in limits.alone and total <= limits.alone[role]


def largest(amount: Minor, of_customer: Minor, of_payments: Iterable[tuple[Minor, Minor]]) -> Minor:
    """The sum a refund is judged by: the customer's of the day with it, or that of one payment if larger.

    ``of_payments`` are (this refund's part, what else went back to that payment within the day).
    """
    return max([amount + of_customer, *(part + before for part, before in of_payments)])


def digest(due: Breakdown, overrides: Overrides, *, revision: int = 0) -> str:
    """What an approval is given for: the refund exactly as it stands, at its ``revision``."""
    record = {
        "due": breakdowns.to_json(due),
        "overrides": overriding.to_json(overrides),
        "revision": revision,
    }
    return _digest(record)


def shown(due: Breakdown, overrides: Overrides, *, after: Iterable[UUID] = ()) -> str:
    """What somebody was shown: every amount and where it goes, whatever reason is typed beside it.

    ``after`` are the refunds that were there already: the same goodwill once more is another decision.
    """
    record = breakdowns.to_json(due)
    for row in record["rows"]:
        (row["basis"] or {}).pop("reason", None)
    return _digest({"due": record, "way": overrides.way, "after": [str(one) for one in after]})


def _digest(record: object) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

"""When what waits is due: per state of a return, from which moment on, and how many hours the merchant has given it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core.listing import OPEN_MONEY
from portal.core.policy.terms import Terms
from portal.db import merchants
from portal.db.returns import Return

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What a return in ``state`` waits for, ``after`` the moment in its field ``since`` (a day means its end)."""

    state: str
    since: str
    after: timedelta = timedelta()
    refunds: tuple[str, ...] = ()
    """Refund states in which it waits; all when empty."""
    zone: tzinfo = UTC
    """Where the shop's days end."""

    @property
    def column(self) -> Any:
        return getattr(Return, self.since)

    @property
    def by_day(self) -> bool:
        return self.since == "ship_by"

    @property
    def tests(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Which returns it ticks for, apart from merchant and state."""
        if self.refunds:
            return (self.column.is_not(None), Return.refund_state.in_(self.refunds))
        return (self.column.is_not(None),)

    def due(self, since: datetime | date) -> datetime:
        """When it is due that waits since then."""
        if isinstance(since, datetime):
            return since + self.after
        return datetime.combine(since + DAY, time(), self.zone).astimezone(UTC)

    def over(self, now: datetime) -> sa.ColumnElement[bool]:
        """Whether it was due at ``now`` at the latest."""
        if self.by_day:
            return sa.and_(*self.tests, self.column <= now.astimezone(self.zone).date() - DAY)
        return sa.and_(*self.tests, self.column <= now - self.after)


_TABLE: tuple[tuple[str, str, Callable[[Terms], int], tuple[str, ...]], ...] = (
    ("requested", "submitted_at", lambda terms: terms.approval_hours, ()),
    ("needs_info", "info_due_at", lambda terms: 0, ()),
    ("approved", "ship_by", lambda terms: 0, ()),
    ("partially_received", "received_at", lambda terms: terms.inspection_hours, ()),
    ("received", "received_at", lambda terms: terms.inspection_hours, ()),
    ("inspected", "received_at", lambda terms: terms.inspection_hours + terms.refund_hours, OPEN_MONEY),
)
STATES = tuple(state for state, *_ in _TABLE)
"""States in which something waits for a moment."""


def clocks(merchant_ids: Iterable[UUID]) -> dict[UUID, dict[str, Clock]]:
    """merchant -> state -> its clock, by the terms that are in force there now."""
    found = {}
    for one in merchant_ids:
        shop, _policy_id, terms = merchants.with_terms(one)
        found[one] = clocks_of(terms, ZoneInfo(shop.zone))
    return found


def clocks_of(terms: Terms, zone: tzinfo) -> dict[str, Clock]:
    """state -> its clock by these terms, of a shop whose days are those of ``zone``."""
    return {
        state: Clock(
            state=state, since=since, after=timedelta(hours=hours(terms)), refunds=refunds, zone=zone
        )
        for state, since, hours, refunds in _TABLE
    }


def due_of(row: Any, ticking: dict[str, Clock]) -> datetime | None:
    """When what this return waits for is due; None when nothing is. ``row`` has the fields of ``Return``."""
    clock = ticking.get(row.state)
    since = getattr(row, clock.since) if clock else None
    if clock is None or since is None or (clock.refunds and row.refund_state not in clock.refunds):
        return None
    return clock.due(since)

"""Dates that are promised or prescribed: until when to send, until when the money is due."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from portal.core.facts import Day
from portal.core.policy.terms import Terms


@dataclass(frozen=True, kw_only=True)
class Clock:
    """So many calendar days from an event, the last one inclusive, and the law it comes from."""

    days: int
    starts: str
    source: str


EU_REFUND = Clock(days=14, starts="told_of_withdrawal", source="Directive 2011/83/EU art. 13(1)")


def last_day(start: datetime, days: int, zone: tzinfo) -> date:
    """The last day, inclusive, of ``days`` after the day ``start`` falls on in ``zone``."""
    return start.astimezone(zone).date() + timedelta(days=days)


def ship_by(approved_at: datetime, terms: Terms, zone: tzinfo) -> date:
    """The last day to hand the parcel over; after it the return expires."""
    return last_day(approved_at, terms.ship_by_days, zone)


def refund_due(requested_at: datetime, received_at: datetime | None, zone: tzinfo) -> date:
    """When the money is due: 14 days after the return was declared, but the goods may be waited for.

    Directive 2011/83/EU art. 13(1) and (3): a merchant may withhold until the goods are back.
    """
    due = last_day(requested_at, EU_REFUND.days, zone)
    return due if received_at is None else max(due, received_at.astimezone(zone).date())


def next_days(
    terms: Terms,
    zone: tzinfo,
    *,
    requested_at: datetime,
    approved_at: datetime | None,
    received_at: datetime | None,
) -> tuple[Day, ...]:
    """The dates a status page tells, in the order they come."""
    days = []
    if approved_at is not None and received_at is None:
        days.append(Day(code="ship_by", on=ship_by(approved_at, terms, zone)))
    days.append(Day(code="refund_due", on=refund_due(requested_at, received_at, zone)))
    return tuple(sorted(days, key=lambda day: day.on))

"""When the house carrier comes: working days of the country, two times a day, until an hour of the day
before.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from portal.core.addresses import Address
from portal.core.shipping import PickupSlot

TIMEZONES: Final = {
    "DE": "Europe/Berlin",
    "AT": "Europe/Vienna",
    "FR": "Europe/Paris",
    "GB": "Europe/London",
    "IE": "Europe/Dublin",
    "NL": "Europe/Amsterdam",
    "BE": "Europe/Brussels",
    "PL": "Europe/Warsaw",
    "US": "America/New_York",
}
"""Where it comes at all, and whose clock counts there."""
CUT_OFF: Final = time(15)
DAYS_OFFERED: Final = 5
_SPANS: Final = ((time(8), time(12)), (time(12), time(17)))


def slots(address: Address, *, now: datetime) -> tuple[PickupSlot, ...]:
    """The next working days' slots, soonest first; after the cut-off hour, tomorrow is no longer offered."""
    timezone = TIMEZONES.get(address.country)
    if not timezone:
        return ()
    day = _first_day(now, timezone)
    found: list[date] = []
    while len(found) < DAYS_OFFERED:
        if _is_working_day(day, address.country):
            found.append(day)
        day += timedelta(days=1)
    return tuple(slot for on in found for slot in _of_day(on, timezone))


def is_open(slot: PickupSlot, *, now: datetime) -> bool:
    """Whether ``slot`` could still be agreed at ``now``."""
    return slot.on >= _first_day(now, slot.timezone)


def _first_day(now: datetime, timezone: str) -> date:
    local = now.astimezone(ZoneInfo(timezone))
    return local.date() + timedelta(days=1 if local.time() < CUT_OFF else 2)


def _of_day(on: date, timezone: str) -> list[PickupSlot]:
    return [
        PickupSlot(id=f"{on.isoformat()}T{opens:%H}", on=on, opens=opens, closes=closes, timezone=timezone)
        for opens, closes in _SPANS
    ]


def _is_working_day(day: date, country: str) -> bool:
    return day.weekday() < 5 and day not in _holidays(country, day.year)


@lru_cache(maxsize=64)
def _holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))

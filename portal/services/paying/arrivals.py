"""When money is there, by the working days of a merchant's country."""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from portal.core import arrivals
from portal.core.merchants import MerchantFacts


def arrives_on(tender: str, provider: str, at: datetime, merchant: MerchantFacts) -> date | None:
    """The day by which a transfer made at ``at`` is there; None where nobody can say.

    A country whose holidays are not known has its weekends only.
    """
    sent_on = at.astimezone(ZoneInfo(merchant.zone)).date()
    return arrivals.arrives_on(
        tender, provider, sent_on, is_free=lambda day: is_bank_holiday(day, merchant.country)
    )


def is_bank_holiday(day: date, country: str) -> bool:
    """Whether banks of ``country`` do nothing that day."""
    return day.weekday() >= 5 or day in _holidays(country, day.year)


@lru_cache(maxsize=64)
def _holidays(country: str, year: int) -> frozenset[date]:
    if country not in holidays.list_supported_countries():
        return frozenset()
    return frozenset(holidays.country_holidays(country, years=year))

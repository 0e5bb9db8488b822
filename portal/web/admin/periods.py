"""A period of days as it is asked for in an address, and the shop whose days they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from flask import request

from portal.core.listing import day_from
from portal.core.merchants import MerchantFacts
from portal.web.page import now
from portal.web.words import gettext as _


@dataclass(frozen=True, kw_only=True)
class Period:
    """From ``since`` to ``until``, both inclusive; ``fault`` is what was wrong with what was typed."""

    since: date
    until: date
    fault: str = ""

    @property
    def query(self) -> dict[str, str]:
        """As it stands in an address."""
        return {"from": self.since.isoformat(), "to": self.until.isoformat()}


def asked(shop: MerchantFacts) -> Period:
    """The period of this request: the month so far where none, or none that can be read, is named."""
    today = now().astimezone(ZoneInfo(shop.zone)).date()
    month = Period(since=today.replace(day=1), until=today)
    try:
        since, until = _day("from", month.since), _day("to", month.until)
    except ValueError:
        return Period(since=month.since, until=month.until, fault=_("Enter days as 2026-06-15."))
    if until < since:
        return Period(since=month.since, until=month.until, fault=_("The period ends before it begins."))
    return Period(since=since, until=until)


def shortcuts(shop: MerchantFacts) -> tuple[tuple[str, Period], ...]:
    """Periods people ask for most, by name."""
    today = now().astimezone(ZoneInfo(shop.zone)).date()
    first = today.replace(day=1)
    before = first - timedelta(days=1)
    return (
        (_("Today"), Period(since=today, until=today)),
        (_("This month"), Period(since=first, until=today)),
        (_("Last month"), Period(since=before.replace(day=1), until=before)),
        (_("This year"), Period(since=today.replace(month=1, day=1), until=today)),
    )


def _day(name: str, default: date) -> date:
    text = request.args.get(name, "").strip()
    return day_from(text) if text else default

"""By which day money that was sent is there: working days by tender, after the day it was settled."""

from collections.abc import Callable
from datetime import date, timedelta

WORKING_DAYS = {"card": 5, "wallet": 3, "bank_transfer": 2, "store_credit": 0, "gift_card": 0}
"""Tender -> working days until the bank, or whoever holds the account, must have booked it.

Card networks give issuers up to five, a transfer within SEPA one (Directive 2007/64/EC art. 69) and one to
enter it; own credits are there at once. Cash and what a person hands over has no such day.
"""

OWN = ("store_credit", "gift_card")
"""Providers that are ledgers of ours: whatever the money was paid with, it is there at once."""


def arrives_on(tender: str, provider: str, sent_on: date, *, is_free: Callable[[date], bool]) -> date | None:
    """The day by which a transfer sent on ``sent_on`` is there; None where nobody can say.

    ``is_free`` tells the days on which banks do nothing. A transfer that goes another way than it came
    (``provider``) takes as long as that way.
    """
    way = provider if provider in (*OWN, "bank_transfer") else tender
    if way not in WORKING_DAYS or provider == "manual":
        return None
    day, left = sent_on, WORKING_DAYS[way]
    while left:
        day += timedelta(days=1)
        left -= not is_free(day)
    return day

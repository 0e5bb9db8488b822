"""Until when a line may come back: the window that fits it, and its last day where the merchant is."""

from datetime import date, timedelta, tzinfo

from portal.core.facts import CHARGES, LineFacts, OrderFacts
from portal.core.policy.terms import Terms, Window


def matching_window(category: str, reason: str | None, terms: Terms) -> Window | None:
    """The most specific window: category and reason, then reason, then category; None: the general one.

    Of two that are equally specific the longer one counts.
    """
    fitting = [
        window
        for window in terms.windows
        if window.category in (None, category)
        and window.reason in (None, reason)
        and (window.category or window.reason)
    ]
    return max(
        fitting,
        key=lambda window: (2 * (window.reason is not None) + (window.category is not None), window.days),
        default=None,
    )


def window_days(category: str, reason: str | None, terms: Terms) -> int:
    """How many days after delivery such goods may come back for that reason."""
    found = matching_window(category, reason, terms)
    return found.days if found else terms.window_days


def returnable_until(
    line: LineFacts, terms: Terms, order: OrderFacts, *, reason: str | None = None, zone: tzinfo
) -> date | None:
    """The last day, inclusive, in ``zone``; None where there is nothing to return yet.

    The clock starts with delivery; where that is not known, with shipping, else with the order.
    """
    if line.kind in CHARGES or not line.shipped:
        return None
    start = line.delivered_at or line.shipped_at or order.placed_at
    return start.astimezone(zone).date() + timedelta(days=window_days(line.category, reason, terms))

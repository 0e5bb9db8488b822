"""Services that are paid for by the period: when they may end, and how much of the period was had by then."""

from dataclasses import dataclass
from datetime import date

from portal.core.facts import AT_ONCE, NEXT_PERIOD, LineFacts


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one service ends: its last day, and of the period (days had, days paid for) where some goes back."""

    ends_on: date | None = None
    scope_used: tuple[int, int] | None = None


def endings(line: LineFacts, *, on: date) -> tuple[str, ...]:
    """The ways that service may end on that day; ``""`` alone where nothing is paid for by the period.

    What is paid once for a time, such as a warranty, ends by itself and can only be ended at once. Without
    the days of its period nobody can say what is unused, nor when the next one begins: then there is none.
    """
    if not line.recurs:
        return ("",)
    if line.ends_on is not None or line.period_end is None or line.period_end < on:
        return ()
    renewed = (NEXT_PERIOD,) if line.interval else ()
    return (*renewed, AT_ONCE) if line.period_start is not None else renewed


def ended(line: LineFacts, ending: str, *, on: date) -> Ending:
    """What ``ending`` asked for ``on`` that day comes to. The day of it counts as had.

    Before its first day a service was not had at all: it has no last day, and all of it goes back.
    """
    if ending == NEXT_PERIOD:
        return Ending(ends_on=line.period_end)
    if ending != AT_ONCE or line.period_start is None or line.period_end is None:
        return Ending()
    days = max(1, (line.period_end - line.period_start).days + 1)
    had = min(days, max(0, (on - line.period_start).days + 1))
    last = min(on, line.period_end) if had else None
    return Ending(ends_on=last, scope_used=(had, days))

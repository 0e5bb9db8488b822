"""What the desk is measured by: each figure a numerator over a denominator, each chart a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

SATISFIED = 4
"""From this score on, of five, a customer counts as satisfied."""

RATE, SECONDS, RANK, COUNT = "rate", "seconds", "rank", "count"
FIGURES: dict[str, str] = {
    "initiation_people": SECONDS,
    "initiation_customers": SECONDS,
    "authorization_accuracy": RATE,
    "volume": COUNT,
    "partial_processing": SECONDS,
    "satisfaction": RATE,
    "inventory_accuracy": RATE,
    "refund_median": RANK,
    "refund_p90": RANK,
    "disputes": RATE,
}
"""Figure -> what its value is, in the order of the page."""

OUTCOMES = ("open", "refunded", "closed", "declined", "withdrawn")
"""How a return stands for the chart of weeks, from the bottom of a bar to its top."""

WITHDRAWN = ("canceled", "expired")
"""States of a return that its customer, or time, ended."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number. Of ``seconds`` the numerator is their sum, of a ``rate`` what was right, of a ``count`` what was
    counted, of a ``rank`` the seconds of the one that stands there, among so many as the denominator says."""

    name: str
    numerator: int
    denominator: int

    @property
    def kind(self) -> str:
        return FIGURES[self.name]

    @property
    def value(self) -> Fraction | None:
        """Seconds, or a part of one, or a count; None where there is nothing to tell."""
        if self.kind == COUNT:
            return Fraction(self.numerator)
        if self.kind == RANK:
            return Fraction(self.numerator) if self.denominator else None
        return Fraction(self.numerator, self.denominator) if self.denominator else None


@dataclass(frozen=True, kw_only=True)
class Share:
    """One row of a Pareto table: how many, and how much of all with those before it, in basis points."""

    code: str
    count: int
    part_bp: int
    together_bp: int


@dataclass(frozen=True, kw_only=True)
class Week:
    """Returns that were submitted from one Monday on, by how they stand; the first may begin later."""

    first: date
    counts: tuple[int, ...]
    """By ``OUTCOMES``."""

    @property
    def total(self) -> int:
        return sum(self.counts)


def percentile(name: str, seconds: Sequence[int], part: int) -> Figure:
    """The nearest rank: the smallest of ``seconds`` that at least ``part`` percent of them do not exceed."""
    if not seconds:
        return Figure(name=name, numerator=0, denominator=0)
    rank = -(-len(seconds) * part // 100)
    return Figure(name=name, numerator=sorted(seconds)[max(rank, 1) - 1], denominator=len(seconds))


def pareto(counts: Mapping[str, int]) -> tuple[Share, ...]:
    """The counts from the largest down, equal ones by their code, with the part that they make together."""
    total = sum(counts.values())
    together, rows = 0, []
    for code, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        together += count
        rows.append(
            Share(
                code=code,
                count=count,
                part_bp=count * 10_000 // total if total else 0,
                together_bp=together * 10_000 // total if total else 0,
            )
        )
    return tuple(rows)


def outcome(state: str, refund_state: str) -> str:
    """How a return stands."""
    if state == "declined":
        return "declined"
    if state in WITHDRAWN:
        return "withdrawn"
    if refund_state == "refunded":
        return "refunded"
    return "closed" if state == "closed" else "open"


def mondays(since: date, until: date) -> tuple[date, ...]:
    """The Mondays of the weeks that a period touches; the first may lie before it."""
    first = since - timedelta(days=since.weekday())
    return tuple(first + timedelta(days=day) for day in range(0, (until - first).days + 1, 7))


def weeks(found: Iterable[tuple[date, str, int]], *, since: date, until: date) -> tuple[Week, ...]:
    """(Monday, outcome, how many) as the weeks of a period, those without any among them."""
    counts = {monday: dict.fromkeys(OUTCOMES, 0) for monday in mondays(since, until)}
    for monday, how, count in found:
        counts[monday][how] += count
    return tuple(Week(first=max(monday, since), counts=tuple(one.values())) for monday, one in counts.items())

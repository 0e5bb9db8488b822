"""What other terms would have said to past returns: judged and quoted twice, so that only the terms differ."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from uuid import UUID

from portal.core.cancellations import by_terms
from portal.core.facts import CANCELLATIONS, OrderFacts, ReturnRequest, Wanted
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import REFUSED, Finding, judge
from portal.core.refunds.after import after
from portal.core.refunds.breakdown import Breakdown, Negative, Row, TooMuch, explain_change
from portal.core.refunds.engine import quote

OUTCOMES = ("allowed", "review", "refused")


@dataclass(frozen=True, kw_only=True)
class Past:
    """One return of the past. ``due`` are the units that count for its refund, as they were found."""

    id: UUID
    number: str
    state: str
    currency: str
    asked: ReturnRequest
    due: tuple[Wanted, ...]
    at: datetime
    terms: Terms
    """The version it was judged by."""
    overruled: frozenset[tuple[str, UUID | None]] = frozenset()
    """Objections (code, line) that a person set aside."""
    took: bool = True
    """It took its units; one that was declined leaves them to others."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one version of the terms says. ``amount`` is None where there is no order to quote from."""

    outcome: str
    findings: tuple[Finding, ...]
    amount: Minor | None
    breakdown: Breakdown | None = None


@dataclass(frozen=True, kw_only=True)
class Rejudged:
    """One return under the terms of its time and under the others. ``rows`` say which rule changes what."""

    past: Past
    before: Side
    after: Side
    rows: tuple[Row, ...] = ()

    @property
    def difference(self) -> Minor:
        return (self.after.amount or 0) - (self.before.amount or 0)

    @property
    def differs(self) -> bool:
        """In its outcome, its objections, its amount, or what that is made of."""
        return bool(self.rows) or _codes(self.before) != _codes(self.after) or self.difference != 0


def rejudge(
    order: OrderFacts | None, pasts: Iterable[Past], terms: Terms, *, zone: tzinfo
) -> Iterator[Rejudged]:
    """Each return under its own terms and under ``terms``, in the order given: that of time.

    ``order`` is as it was before the first of them. Where a version refuses a return, its units and its
    money stay for those that come later.
    """
    then = now = order
    for past in pasts:
        before, then = _side(then, past, past.terms, zone)
        other, now = _side(now, past, terms, zone)
        yield Rejudged(past=past, before=before, after=other, rows=_rows(before, other, past.currency))


def _side(order: OrderFacts | None, past: Past, terms: Terms, zone: tzinfo) -> tuple[Side, OrderFacts | None]:
    """What ``terms`` say, and the order after that."""
    if past.asked.kind in CANCELLATIONS:
        verdict = by_terms(order, past.asked, terms)
    else:
        verdict = judge(order, past.asked, terms, now=past.at, zone=zone)
    kept = tuple(one for one in verdict.findings if (one.code, one.line_id) not in past.overruled)
    outcome = replace(verdict, findings=kept).outcome
    if order is None:
        return Side(outcome=outcome, findings=kept, amount=None), None
    if outcome == REFUSED:
        return Side(outcome=outcome, findings=kept, amount=0), order
    try:
        breakdown = quote(order, replace(past.asked, wanted=past.due), terms, now=past.at)
    except (TooMuch, Negative):
        # Units that another return has meanwhile, or an amount agreed that these terms leave no room for.
        return Side(outcome=outcome, findings=kept, amount=0), order
    side = Side(outcome=outcome, findings=kept, amount=breakdown.amount, breakdown=breakdown)
    return side, after(order, breakdown, kind=past.asked.kind) if past.took else order


def _rows(before: Side, other: Side, currency: str) -> tuple[Row, ...]:
    nothing = Breakdown(currency=currency, rows=(), lines=(), shares=(), policy_version=0)
    return explain_change(before.breakdown or nothing, other.breakdown or nothing)


def _codes(side: Side) -> set[tuple[str, UUID | None]]:
    return {(one.code, one.line_id) for one in side.findings}


@dataclass(kw_only=True)
class Sums:
    """Refunds of one currency under both terms, and which rule makes how much of the difference."""

    before: Minor = 0
    after: Minor = 0
    more: Minor = 0
    """What returns get more, added up apart from what others get ``less``."""
    less: Minor = 0
    rules: dict[str, Minor] = field(default_factory=dict)

    @property
    def difference(self) -> Minor:
        return self.after - self.before


@dataclass(kw_only=True)
class Totals:
    """What many returns add up to."""

    looked_at: int = 0
    differing: int = 0
    without_order: int = 0
    outcomes: dict[str, list[int]] = field(default_factory=lambda: {one: [0, 0] for one in OUTCOMES})
    """outcome -> how many before, how many after"""
    moves: dict[tuple[str, str], int] = field(default_factory=dict)
    """(outcome before, outcome after) -> how many changed from one to the other"""
    sums: dict[str, Sums] = field(default_factory=dict)
    """Per currency."""

    def add(self, one: Rejudged) -> None:
        """Count one return in."""
        was, now = one.before.outcome, one.after.outcome
        self.looked_at += 1
        self.differing += one.differs
        self.without_order += one.before.amount is None
        self.outcomes[was][0] += 1
        self.outcomes[now][1] += 1
        if was != now:
            self.moves[was, now] = self.moves.get((was, now), 0) + 1
        sums = self.sums.setdefault(one.past.currency, Sums())
        sums.before += one.before.amount or 0
        sums.after += one.after.amount or 0
        sums.more += max(0, one.difference)
        sums.less += max(0, -one.difference)
        for rule, amount in _by_rule(one):
            sums.rules[rule] = sums.rules.get(rule, 0) + amount


def _by_rule(one: Rejudged) -> Iterator[tuple[str, Minor]]:
    """The difference by the rule that makes it: of a return that one side refuses, by why it is refused."""
    for side in (one.before, one.after):
        if side.outcome == REFUSED and one.before.outcome != one.after.outcome:
            yield next(finding.rule for finding in side.findings if finding.weight == REFUSED), one.difference
            return
    yield from ((row.rule, row.amount) for row in one.rows)

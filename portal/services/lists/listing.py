"""One page of a list of returns, however many there are: by keyset, both ways, sorted and filtered.

A list walks along an index that has its order already and stops when the page is full. That is quick where its
filters fit often. A filter that fits seldom (``FEW`` at most, which one statement asks) is read whole by its own
index instead and sorted. So neither a rare nor a common filter reads more than some thousand rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import NotFound
from portal.db.base import UtcTime, db
from portal.db.returns import Return
from portal.services.lists.clocks import DAY, Clock, clocks
from portal.services.lists.list_filters import Asked, Tests, aside, narrow


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """A place in a list: between two rows, as the last row before it (or, with ``back``, the first one after)."""

    rank: int
    value: str
    id: UUID
    back: bool = False

    def __str__(self) -> str:
        return f"{self.rank}~{self.value}~{self.id}"


def cursor_from(text: str, *, back: bool) -> Cursor | None:
    """A cursor out of an address; None for what is none."""
    rank, _, rest = text.partition("~")
    value, _, last = rest.rpartition("~")
    try:
        place = Cursor(rank=int(rank), value=value, id=UUID(last), back=back)
        _read_value(value)
    except (ValueError, OverflowError):
        return None
    return place


def _read_value(text: str) -> Any:
    """Raises ``ValueError`` for what is none, ``OverflowError`` for what no row can have."""
    if not text.lstrip("-").isdecimal():
        at = datetime.fromisoformat(text)
        if at.year not in range(1900, 9000):
            raise OverflowError(text)
        return at
    if abs(number := int(text)) >= 2**63:
        raise OverflowError(text)
    return number


@dataclass(frozen=True, kw_only=True)
class Found:
    """The ids of one page in their order, and the cursors of its neighbors where there are any."""

    ids: tuple[UUID, ...]
    previous: Cursor | None
    next: Cursor | None


def find(wanted: Asked, *, cursor: Cursor | None = None, limit: int = 50) -> Found:
    """One page: after ``cursor``, or the one that ends before it."""
    back = cursor is not None and cursor.back
    branches = tuple(_branches(wanted)) if wanted.ids else ()
    places: list[Cursor] = []
    for rank in sorted({branch.rank for branch in branches}, reverse=back):
        if len(places) <= limit:  # else nothing of the next rank is on this page
            places += _places([branch for branch in branches if branch.rank == rank], cursor, limit + 1)
    more, places = len(places) > limit, places[:limit]
    if back:
        places.reverse()
    return Found(
        ids=tuple(place.id for place in places),
        previous=replace(places[0], back=True) if places and (more if back else cursor is not None) else None,
        next=places[-1] if places and (back or more) else None,
    )


def _places(branches: "Sequence[_Branch]", cursor: Cursor | None, limit: int) -> list[Cursor]:
    """The places of branches of one rank in their order, each branch up to ``limit``; one statement."""
    parts = [
        part for n, branch in enumerate(branches) if (part := branch.select(n, cursor, limit)) is not None
    ]
    if not parts:
        return []
    found = [(branches[row.n].value(row), row.id) for row in db.session.execute(sa.union_all(*parts))]
    rank, descending = branches[0].rank, branches[0].descending
    back = cursor is not None and cursor.back
    return [
        Cursor(rank=rank, value=_text(value), id=one)
        for value, one in sorted(found, reverse=descending != back)
    ]


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


# --------------------------------------------------------------------------------------------------- branches


@dataclass(frozen=True, kw_only=True)
class _Branch:
    """One walk: returns that pass ``tests``, along ``by``. Ranks follow each other, values are sorted within one."""

    rank: int
    by: str
    """created_at, estimate_minor or the field of a clock; ``id`` where no other order is."""
    descending: bool
    tests: Tests
    clock: Clock | None = None

    def select(self, n: int, cursor: Cursor | None, limit: int) -> sa.Select[Any] | None:
        """At most ``limit`` rows of it after the cursor; None where the cursor is past it."""
        tests = self.tests
        if cursor is not None:
            if (cursor.rank > self.rank) if not cursor.back else (cursor.rank < self.rank):
                return None
            if cursor.rank == self.rank:
                tests = (*tests, self._past(cursor))
        down = self.descending != (cursor is not None and cursor.back)
        column = getattr(Return, self.by)
        order = [column.desc(), Return.id.desc()] if down else [column, Return.id]
        at, on, minor = (
            column if self._kind == kind else sa.cast(sa.null(), type_)
            for kind, type_ in (("at", UtcTime()), ("on", sa.Date()), ("minor", sa.BigInteger()))
        )
        few = sa.select(
            sa.literal(n).label("n"),
            at.label("at"),
            on.label("on_day"),
            minor.label("minor"),
            Return.id.label("id"),
        ).where(*tests)
        rows = few.order_by(*(order if self.by != "id" else order[1:])).limit(limit).subquery()
        return sa.select(rows)

    @property
    def _kind(self) -> str:
        return {"estimate_minor": "minor", "ship_by": "on", "id": "id"}.get(self.by, "at")

    def value(self, row: Any) -> Any:
        """By what a row of it is sorted among those of its rank."""
        if self._kind == "minor":
            return int(row.minor)
        if self._kind == "id":
            return 0
        since = row.on_day if self._kind == "on" else row.at
        return self.clock.due(since) if self.clock else since

    def _past(self, cursor: Cursor) -> sa.ColumnElement[bool]:
        """What lies on the other side of the cursor."""
        down = self.descending != cursor.back
        last = sa.literal(cursor.id, sa.Uuid())
        if self._kind == "id":
            return Return.id < last if down else Return.id > last
        column, value = getattr(Return, self.by), _read_value(cursor.value)
        if isinstance(value, datetime) == (self._kind == "minor") or (
            isinstance(value, datetime) and value.tzinfo is None
        ):
            raise NotFound  # a place in a list of another order
        if self._kind == "on":
            return self._past_day(column, value, cursor.id, down)
        if self.clock:
            value -= self.clock.after
        reached = sa.tuple_(sa.literal(value, UtcTime() if self._kind == "at" else sa.BigInteger()), last)
        here = sa.tuple_(column, Return.id)
        return sa.and_(here < reached if down else here > reached)

    def _past_day(self, column: Any, value: datetime, last: UUID, down: bool) -> sa.ColumnElement[bool]:
        """Days are due at their end, so they stand between the moments of other clocks."""
        clock = cast(Clock, self.clock)
        on = value.astimezone(clock.zone).date() - DAY
        if clock.due(on) == value:
            same = sa.and_(column == on, Return.id < last if down else Return.id > last)
            return sa.or_(column < on if down else column > on, same)
        return sa.and_(column <= on if down else column > on)


def _branches(wanted: Asked) -> Iterator[_Branch]:
    """The walks of a list, whose pages are merged from the beginnings of all of them."""
    filters = wanted.filters
    tests, rare, led = narrow(wanted)
    if filters.sort == "due":
        yield from _by_clock(wanted, tests, rare)
        return
    for start in [(rare,)] if rare is not None else _starts(wanted, led if filters.sort != "value" else ()):
        if filters.sort == "value":
            known = Return.estimate_minor
            yield _Branch(
                rank=0, by="estimate_minor", descending=True, tests=(*start, known.is_not(None), *tests)
            )
            yield _Branch(rank=1, by="id", descending=True, tests=(*start, known.is_(None), *tests))
        else:
            down = filters.sort != "oldest"
            yield _Branch(rank=0, by="created_at", descending=down, tests=(*start, *tests))


def _starts(wanted: Asked, led: Sequence[tuple[Any, str]]) -> Iterator[Tests]:
    """Where walks begin: at each merchant, or at each merchant's returns of each value of a filter."""
    for one in wanted.ids:
        mine = Return.merchant_id == one
        yield from ((mine, column == value) for column, value in led) if led else ((mine,),)


def _by_clock(wanted: Asked, tests: Tests, rare: sa.ColumnElement[bool] | None) -> Iterator[_Branch]:
    """What is due soonest first, each clock a walk of its own; then what waits for nothing, the newest first."""
    states = wanted.filters.states
    for merchant_id, ticking in clocks(wanted.ids).items():
        mine: Tests = (Return.merchant_id == merchant_id,)
        if rare is not None:
            mine = (rare, aside(Return.merchant_id) == merchant_id)
        told = [clock for clock in ticking.values() if not states or clock.state in states]
        for clock in told:
            here = (*mine, (Return.state if rare is None else aside(Return.state)) == clock.state)
            yield _Branch(
                rank=0, by=clock.since, descending=False, tests=(*here, *clock.tests, *tests), clock=clock
            )
            for still in _still(clock):
                yield _Branch(rank=1, by="created_at", descending=True, tests=(*here, still, *tests))
        for state in states:
            if state not in ticking:
                yield _Branch(
                    rank=1, by="created_at", descending=True, tests=(*mine, Return.state == state, *tests)
                )
        if not states:
            others = aside(Return.state).not_in(list(ticking))
            yield _Branch(rank=1, by="created_at", descending=True, tests=(*mine, others, *tests))


def _still(clock: Clock) -> Iterator[sa.ColumnElement[bool]]:
    """Which returns in its state a clock does not tick for; each is of one of these alone."""
    never = clock.column.is_(None)
    if not clock.refunds:
        yield never
        return
    yield Return.refund_state.not_in(clock.refunds)
    yield sa.and_(
        never, Return.refund_state.in_(clock.refunds)
    )  # taken up again, though nothing of it ever came

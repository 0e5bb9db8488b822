"""The filters of a list as conditions: what each row must pass, and which of them fits so seldom that it leads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from math import prod
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.facts import CANCELLATIONS
from portal.core.listing import EXPIRING_DAYS, ME, NOBODY, OPEN_DISPUTES, Filters
from portal.db.base import db, dialect
from portal.db.returns import Return, ReturnLine
from portal.db.views import ReturnTag
from portal.services.lists.clocks import DAY, clocks
from portal.services.lists.overview import merchants_of
from portal.services.lists.searching import hits

FEW = 2000
"""Fits a filter so often at most, its returns are read whole and sorted; else the sorted ones are looked through."""

PAGE, LOOKED_AT = 50, 1000
"""How often filters fit together is seen by the first so many; what would look through less for a page is taken."""

READ_WHOLE = {False: 20_000, True: 60_000}
"""Whether others narrow it -> a filter that fits so often is not read whole, whatever else would be looked through."""

WALKED = 5000
"""Of one shop, so many returns of a filter are read at most; counters and lists need no more."""

Tests = tuple[sa.ColumnElement[bool], ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A list with everything that decides it: who asks, when, in which zone days begin."""

    actor: Actor
    filters: Filters
    ids: tuple[UUID, ...]
    now: datetime
    zone: tzinfo


def asked(actor: Actor, filters: Filters, *, now: datetime, zone: tzinfo) -> Asked:
    """Raises ``NotFound`` for another merchant."""
    return Asked(
        actor=actor, filters=filters, ids=merchants_of(actor, filters.merchant_id), now=now, zone=zone
    )


def aside(column: Any) -> Any:
    """The column, but no reason to read its index: SQLite knows no statistics and would take any that fits."""
    return sa.func.coalesce(column, column) if dialect() == "sqlite" else column


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One filter: ``test`` of a return that is looked at anyway, and ``ids``, those that pass, by its own index."""

    name: str
    test: sa.ColumnElement[bool]
    ids: sa.Select[Any]
    led: tuple[tuple[Any, str], ...] = ()
    """Its column and values, where an index has them sorted by time."""
    of_id: Callable[[Any], sa.ColumnElement[bool]] | None = None
    """The same test of a return's id alone, where it need not be read for that."""


def narrow(
    wanted: Asked,
) -> tuple[Tests, sa.ColumnElement[bool] | None, tuple[tuple[Any, str], ...]]:
    """What every row must pass, the rarest filter as the ids it has (None: all are common), and what to walk along."""
    chosen = list(filters_of(wanted))
    tests = (aside(Return.kind).not_in(CANCELLATIONS), *(one.test for one in chosen))
    query = wanted.filters.query.strip()
    if query:
        return tests, Return.id.in_(hits(query, wanted.ids)), ()
    if all(one.name == "states" for one in chosen) and wanted.filters.sort in ("newest", "oldest"):
        return tests, None, chosen[0].led if chosen else ()
    counts = [_counted(one.ids, FEW) for one in chosen]
    found = db.session.execute(sa.select(*counts)).one() if counts else ()
    for count, one in sorted(zip(found, chosen, strict=True), key=lambda pair: pair[0]):
        if count < FEW:
            return tests, Return.id.in_(sa.select(one.ids.subquery().c[0])), ()
    led = next((one.led for one in chosen if one.led), ())
    return tests, _leading(wanted, chosen, tests, led if wanted.filters.sort != "value" else ()), led


def _leading(
    wanted: Asked, chosen: Sequence[Filter], tests: Tests, led: Sequence[tuple[Any, str]]
) -> sa.ColumnElement[bool] | None:
    """The ids that the seldomest filters have, where they are fewer than what a walk looks through for one page."""
    walked = wanted.filters.sort != "value"
    if not chosen or (len(chosen) == 1 and walked and (chosen[0].led or chosen[0].name == "days")):
        return None
    seen, fits, *each = _looked_at(wanted, chosen, tests, led, walked)
    if not seen or fits * LOOKED_AT >= PAGE * seen // 5:
        return None
    together = prod(one / seen for one in each)  # as if they had nothing to do with each other
    share = fits / seen if fits > 4 else min(together, 5 / seen)
    most = READ_WHOLE[len(chosen) > 1]
    if share:
        most = min(most, int(len(wanted.ids) * PAGE / share))
    seldomest = [one for _, one in sorted(zip(each, chosen, strict=True), key=lambda pair: pair[0])][:2]
    counts = db.session.execute(sa.select(*(_counted(one.ids, most) for one in seldomest))).one()
    count, first = min(zip(counts, seldomest, strict=True), key=lambda pair: pair[0])
    if count >= most:
        return None
    these = first.ids.subquery().c[0]
    others = [one.of_id(these) for one in chosen if one is not first and one.of_id]
    return Return.id.in_(sa.select(these).where(*others))


def _looked_at(
    wanted: Asked, chosen: Sequence[Filter], tests: Tests, led: Sequence[tuple[Any, str]], walked: bool
) -> Sequence[int]:
    """Of the first returns of each walk: how many there are, pass all tests, pass each of ``chosen``."""
    column: Any = Return.created_at if walked else Return.estimate_minor
    order = (column, Return.id) if wanted.filters.sort == "oldest" else (column.desc(), Return.id.desc())
    days = [one.test for one in chosen if one.name == "days" and walked]
    along: list[Tests] = [(at == value,) for at, value in led] or [()]
    starts = [(Return.merchant_id == one, *more) for one in wanted.ids for more in along]
    most = max(LOOKED_AT // len(starts), PAGE)
    told = (sa.and_(*tests), *(one.test for one in chosen))
    passed = [sa.case((test, 1), else_=0).label(f"passed_{n}") for n, test in enumerate(told)]
    few = (sa.select(*passed).where(*start, *days).order_by(*order).limit(most) for start in starts)
    every = sa.union_all(*(sa.select(one.subquery()) for one in few)).subquery()
    return [
        int(one or 0)
        for one in db.session.execute(sa.select(sa.func.count(), *map(sa.func.sum, every.c))).one()
    ]


def _counted(ids: sa.Select[Any], most: int) -> Any:
    return sa.select(sa.func.count()).select_from(ids.limit(most).subquery()).scalar_subquery()


def filters_of(wanted: Asked) -> Iterator[Filter]:
    """Every filter that is set, but the search."""
    filters, mine = wanted.filters, Return.merchant_id.in_(wanted.ids)

    def of(*tests: sa.ColumnElement[bool]) -> sa.Select[Any]:
        return sa.select(Return.id).where(mine, *tests)

    for name, column in (
        ("states", Return.state),
        ("refunds", Return.refund_state),
        ("channels", Return.channel),
        ("kinds", Return.kind),
    ):
        if values := getattr(filters, name):
            led = tuple((column, value) for value in values)
            yield Filter(name=name, test=aside(column).in_(values), ids=of(column.in_(values)), led=led)
    if filters.disputed:
        yield Filter(
            name="disputed",
            test=aside(Return.dispute_state).in_(OPEN_DISPUTES),
            ids=of(Return.dispute_state.in_(OPEN_DISPUTES)),
        )
    if filters.unread:
        yield Filter(name="unread", test=Return.unread > 0, ids=_unread(wanted.ids))
    yield from _by_person(wanted)
    yield from _elsewhere(filters, wanted.ids)
    yield from _in_time(wanted, of)


def _unread(ids: Sequence[UUID]) -> sa.Select[Any]:
    """By their partial index, which SQLite takes only for one shop at a time and a number that is no parameter."""
    some = Return.unread > sa.literal_column("0")
    parts = [
        sa.select(Return.id).where(Return.merchant_id == one, some).order_by(Return.id).limit(WALKED)
        for one in ids
    ]
    if not parts:
        return sa.select(Return.id).where(sa.false())
    every = sa.union_all(*(sa.select(part.subquery().c.id) for part in parts)).subquery()
    return sa.select(every.c.id)


def _by_person(wanted: Asked) -> Iterator[Filter]:
    assignee = wanted.filters.assignee
    if not assignee:
        return
    column = Return.assignee_id
    if assignee == NOBODY:
        every = sa.select(Return.id).where(Return.merchant_id.in_(wanted.ids), aside(column).is_(None))
        yield Filter(name="assignee", test=aside(column).is_(None), ids=every)
        return
    person = wanted.actor.id if assignee == ME else UUID(assignee)
    theirs = sa.select(Return.id).where(column == person, aside(Return.merchant_id).in_(wanted.ids))
    test = sa.and_(aside(column) == person, aside(Return.merchant_id).in_(wanted.ids))
    yield Filter(name="assignee", test=test, ids=theirs)


def _elsewhere(filters: Filters, ids: Sequence[UUID]) -> Iterator[Filter]:
    """What stands in tables of its own."""
    if filters.tag:

        def tagged(one: Any) -> sa.ColumnElement[bool]:
            return sa.exists().where(ReturnTag.return_id == one, ReturnTag.tag == filters.tag)

        those = sa.select(ReturnTag.return_id).where(
            ReturnTag.merchant_id.in_(ids), ReturnTag.tag == filters.tag
        )
        yield Filter(name="tag", test=tagged(Return.id), ids=those, of_id=tagged)
    if filters.reasons:
        why = (ReturnLine.merchant_id.in_(ids), ReturnLine.reason.in_(filters.reasons))

        def given(one: Any) -> sa.ColumnElement[bool]:
            return sa.exists().where(ReturnLine.return_id == one, *why)

        those = sa.select(ReturnLine.return_id).where(*why)
        yield Filter(name="reasons", test=given(Return.id), ids=those, of_id=given)


def _between(
    column: Any, since: date | None, until: date | None, zone: tzinfo
) -> Iterator[sa.ColumnElement[bool]]:
    """From the beginning of the first day to the end of the last, as far as they are set."""
    if since:
        yield column >= datetime.combine(since, time(), zone)
    if until:
        yield column < datetime.combine(until + DAY, time(), zone)


def _in_time(wanted: Asked, of: Callable[..., sa.Select[Any]]) -> Iterator[Filter]:
    """Days of its beginning, and what should have happened by now, or will have to soon."""
    filters, now = wanted.filters, wanted.now
    if begun := list(_between(Return.created_at, filters.since, filters.until, wanted.zone)):
        yield Filter(name="days", test=sa.and_(*begun), ids=of(*begun))
    column, days = Return.submitted_at, (filters.submitted_since, filters.submitted_until)
    if submitted := list(_between(column, *days, wanted.zone)):
        test = sa.and_(*_between(aside(column), *days, wanted.zone))
        yield Filter(name="submitted", test=test, ids=of(*submitted))
    if filters.expiring:
        soon = now.astimezone(wanted.zone).date() + timedelta(days=EXPIRING_DAYS)
        test = sa.and_(aside(Return.state) == "approved", Return.ship_by <= soon)
        yield Filter(name="expiring", test=test, ids=of(Return.state == "approved", Return.ship_by <= soon))
    if filters.overdue:
        told = [(one, clock) for one, each in clocks(wanted.ids).items() for clock in each.values()]
        late = [
            sa.and_(aside(Return.merchant_id) == one, aside(Return.state) == clock.state, clock.over(now))
            for one, clock in told
        ]
        parts = [
            sa.select(Return.id).where(
                Return.merchant_id == one, Return.state == clock.state, clock.over(now)
            )
            for one, clock in told
        ]
        every = sa.union_all(*parts).subquery()
        yield Filter(name="overdue", test=sa.or_(*late), ids=sa.select(every.c.id))

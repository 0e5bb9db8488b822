"""How many returns each of several lists has: in one statement, and never by counting them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import CANCELLATION
from portal.core.listing import KINDS
from portal.db.base import db
from portal.db.returns import Return
from portal.services.lists.list_filters import Asked, Filter, aside, filters_of
from portal.services.lists.searching import hits

MOST = 1000
"""Counters stop there: "1000+" is as good as the exact number, and never slow."""

SCANNED = 5000
"""Counters of several filters look through so many returns at most."""


@dataclass(frozen=True, kw_only=True)
class Count:
    """How many a list has; with ``more`` at least so many."""

    count: int
    more: bool = False


def counts(lists: Sequence[Asked]) -> list[Count]:
    """How many each of these lists has, in one statement; none looks at more than some thousand returns."""
    if not lists:
        return []
    parts = [sa.select(sa.literal(n).label("n"), *_tally(one)) for n, one in enumerate(lists)]
    found = {row.n: row for row in db.session.execute(sa.union_all(*parts))}
    told = []
    for n, one in enumerate(lists):
        row = found[n]
        fits, seen = int(row.fits or 0), int(row.seen or 0)
        told.append(Count(count=min(fits, MOST), more=fits >= MOST or seen >= _looked_through(one)))
    return told


def _looked_through(wanted: Asked) -> int:
    return MOST if len(list(filters_of(wanted))) <= 1 and not wanted.filters.query else SCANNED


def _tally(wanted: Asked) -> tuple[Any, Any]:
    """(those that fit, those looked at) of the first so many that its first filter has."""
    chosen = sorted(filters_of(wanted), key=lambda one: _PRECISE.index(one.name))
    query = wanted.filters.query.strip()
    if query:
        ids = hits(query, wanted.ids)
    elif chosen:
        ids = chosen[0].ids
    else:
        ids = sa.select(Return.id).where(Return.merchant_id.in_(wanted.ids), Return.kind.in_(KINDS))
    most = _looked_through(wanted)
    few = sa.select(ids.subquery().c[0].label("id")).limit(most).subquery()
    simple = not query and (not chosen or (len(chosen) == 1 and _only_returns(chosen[0], wanted)))
    if simple:
        number = sa.select(sa.func.count()).select_from(few).scalar_subquery()
        return number.label("fits"), number.label("seen")
    tests = sa.and_(
        aside(Return.kind).not_in(CANCELLATIONS), *(one.test for one in chosen[0 if query else 1 :])
    )
    both = sa.select(few.c.id, sa.case((tests, 1), else_=0).label("fits")).join(Return, Return.id == few.c.id)
    rows = both.subquery()
    return (
        sa.select(sa.func.sum(rows.c.fits)).scalar_subquery().label("fits"),
        sa.select(sa.func.count()).select_from(few).scalar_subquery().label("seen"),
    )


def _only_returns(one: Filter, wanted: Asked) -> bool:
    """Whether no cancellation passes it, so that nothing else has to be looked at."""
    if one.name == "states":
        return not set(wanted.filters.states) & set(CANCELLATION.states)
    return one.name in ("expiring", "overdue", "kinds")


_PRECISE = (
    "tag", "unread", "disputed", "overdue", "expiring", "assignee", "states", "refunds", "reasons", "kinds",
    "channels", "submitted", "days",
)  # fmt: skip
"""The filters, from those that usually fit seldom to those that fit often."""

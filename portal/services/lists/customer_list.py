"""Customers as a list: a row for each e-mail address, whoever ordered last first; by keyset, however many there are.

There is no table of customers. The list walks along the orders, the newest first, by the index that has them so, and
takes the first of each address; between them stand those who have returns and no order, as of their last return.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import CANCELLATIONS
from portal.db.base import UtcTime, db
from portal.db.orders import Order, OrderLine
from portal.db.returns import Return, ReturnLine
from portal.services.lists import orders, searching
from portal.services.lists.customers import CAME_TO_NOTHING, GONE_BACK, LOOKED_AT, rate_bp
from portal.services.lists.list_filters import aside
from portal.services.lists.overview import merchants_of

PAGE = 50
BATCH = 200
WALKED = 2000
"""Orders, and returns, that one page looks at: where few customers order all the time, its rows are fewer."""

Row = tuple[datetime, UUID, str]
"""When, which order or return, whose."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in the list: after that order or return."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).isoformat()}~{self.id}"


def place_from(text: str) -> Place:
    """A place out of an address. Raises ``NotFound`` for what is none."""
    moment, _, last = text.partition("~")
    try:
        place = Place(at=datetime.fromisoformat(moment), id=UUID(last))
    except ValueError:
        raise NotFound from None
    if place.at.tzinfo is None or place.at.year not in range(1900, 9000):
        raise NotFound
    return place


@dataclass(frozen=True, kw_only=True)
class CustomerRow:
    """One customer at the merchants of whoever looks; the numbers are those of the customer's own page."""

    subject_id: UUID
    """The newest order, or return, by which the customer's page is reached."""
    name: str
    email: str
    phone: str
    at: datetime
    ordered: bool
    """Whether ``at`` is of an order; else of a return."""
    orders: int
    returns: int
    bought: int
    returned: int
    """Units."""

    @property
    def rate_bp(self) -> int:
        """Units returned of units bought, in basis points."""
        return rate_bp(self.returned, self.bought)


@dataclass(frozen=True, kw_only=True)
class CustomerPage:
    """One page; ``next`` continues it."""

    rows: tuple[CustomerRow, ...]
    next: Place | None


def listing(actor: Actor, *, query: str = "", after: Place | None = None, limit: int = PAGE) -> CustomerPage:
    """The customers whose name, e-mail address or phone number ``query`` may be; without it, all."""
    ids = merchants_of(actor, None)
    if not ids:
        return CustomerPage(rows=(), next=None)
    ordered, returned, reached = (
        _searched(query.strip(), ids, after) if query.strip() else _walked(ids, after, limit)
    )
    both = [*((row, True) for row in ordered), *((row, False) for row in returned)]
    both = sorted(both, reverse=True)
    shown = [(row, is_order) for row, is_order in both if reached is None or row[:2] >= _key(reached)]
    if len(shown) > limit:
        shown = shown[:limit]
        reached = Place(at=shown[-1][0][0], id=shown[-1][0][1])
    return CustomerPage(rows=_rows(shown, ids), next=reached)


def _key(place: Place) -> tuple[datetime, UUID]:
    return place.at, place.id


# ------------------------------------------------------------------------------------------------------ walks


def _walked(
    ids: Sequence[UUID], after: Place | None, limit: int
) -> tuple[list[Row], list[Row], Place | None]:
    """Orders and returns that stand for their customers after ``after``, and how far both were looked through."""

    def shown_before(emails: Collection[str]) -> set[str]:
        return _emails(Order, Order.placed_at, ids, emails, after) if after else set()

    def not_of_a_return(emails: Collection[str]) -> set[str]:
        found = _emails(Order, Order.placed_at, ids, emails, None)
        return found | (_emails(Return, Return.created_at, ids, emails, after) if after else set())

    ordered, one = _walk(Order, Order.placed_at, ids, after, None, limit, shown_before)
    returned, other = _walk(Return, Return.created_at, ids, after, one, limit, not_of_a_return)
    reached = [place for place in (one, other) if place is not None]
    return ordered, returned, max(reached, key=_key, default=None)


def _walk(
    table: Any,
    at: Any,
    ids: Sequence[UUID],
    after: Place | None,
    until: Place | None,
    limit: int,
    elsewhere: Callable[[Collection[str]], set[str]],
) -> tuple[list[Row], Place | None]:
    """The first row of each address, and where the walk broke off: None where there is no more before ``until``."""
    found: list[Row] = []
    seen, count = {""}, 0
    for batch in _batches(table, at, ids, after, until):
        news = {email for _, _, email in batch} - seen
        away = elsewhere(news) if news else set()
        seen |= away
        for row in batch:
            count += 1
            if row[2] not in seen:
                seen.add(row[2])
                found.append(row)
            if len(found) > limit or count >= WALKED:
                return found, Place(at=row[0], id=row[1])
    return found, None


def _batches(
    table: Any, at: Any, ids: Sequence[UUID], after: Place | None, until: Place | None
) -> Iterator[list[Row]]:
    """Newest first, each merchant's along its own index, so many at a time."""
    while True:
        parts = []
        for one in ids:
            tests = [table.merchant_id == one]
            if after:
                tests.append(sa.tuple_(at, table.id) < _literal(after))
            if until:
                tests.append(sa.tuple_(at, table.id) >= _literal(until))
            newest = sa.select(at.label("at"), table.id.label("id"), table.email.label("email")).where(*tests)
            parts.append(sa.select(newest.order_by(at.desc(), table.id.desc()).limit(BATCH).subquery()))
        rows = [(row.at, row.id, row.email) for row in db.session.execute(sa.union_all(*parts))]
        batch = sorted(rows, reverse=True)[:BATCH]
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        after = Place(at=batch[-1][0], id=batch[-1][1])


def _literal(place: Place) -> Any:
    return sa.tuple_(sa.literal(place.at, UtcTime()), sa.literal(place.id, sa.Uuid()))


def _emails(
    table: Any, at: Any, ids: Sequence[UUID], emails: Collection[str], since: Place | None
) -> set[str]:
    """Which of these addresses have a row, not before ``since``; by the index of addresses."""
    wanted = sa.select(table.email).where(table.merchant_id.in_(ids), table.email.in_(sorted(emails)))
    if since:
        wanted = wanted.where(sa.tuple_(aside(at), table.id) >= _literal(since))
    return set(db.session.scalars(wanted.distinct()))


# ----------------------------------------------------------------------------------------------------- search


def _searched(
    text: str, ids: Sequence[UUID], after: Place | None
) -> tuple[list[Row], list[Row], Place | None]:
    """The same of what ``text`` finds, each kind of thing by its own index."""
    ordered = _firsts(Order, Order.placed_at, Order.id.in_(orders.of_customer(text, ids)))
    returned = _firsts(Return, Return.created_at, Return.id.in_(searching.of_customer(text, ids)))
    has_order = _emails(Order, Order.placed_at, ids, returned, None) if returned else set()
    # Found by a return alone, the customer stands where the newest order is.
    newest = _newest(ids, has_order - ordered.keys())
    found = [*ordered.values(), *newest]
    alone = [row for email, row in returned.items() if email not in has_order]

    def left(rows: list[Row]) -> list[Row]:
        return [row for row in rows if after is None or row[:2] < _key(after)]

    return left(found), left(alone), None


def _firsts(table: Any, at: Any, test: sa.ColumnElement[bool]) -> dict[str, Row]:
    """address -> its newest row among those."""
    wanted = sa.select(at, table.id, table.email).where(test).order_by(at, table.id)
    return {email: (moment, one, email) for moment, one, email in db.session.execute(wanted) if email}


def _newest(ids: Sequence[UUID], emails: Collection[str]) -> list[Row]:
    if not emails:
        return []
    test = sa.and_(Order.merchant_id.in_(ids), Order.email.in_(sorted(emails)))
    return list(_firsts(Order, Order.placed_at, test).values())


# ------------------------------------------------------------------------------------------------------- rows


def _rows(shown: Sequence[tuple[Row, bool]], ids: Sequence[UUID]) -> tuple[CustomerRow, ...]:
    """A fixed number of statements for a page, however many customers it has."""
    if not shown:
        return ()
    emails = [row[2] for row, _ in shown]
    subjects = [row[1] for row, _ in shown]
    told = {
        row.id: row
        for table in (Order, Return)
        for row in db.session.execute(
            sa.select(table.id, table.name, table.phone).where(table.id.in_(subjects))
        )
    }
    bought, returned = _bought(emails, ids), _returned(emails, ids)
    return tuple(
        CustomerRow(
            subject_id=one,
            name=told[one].name,
            email=email,
            phone=told[one].phone,
            at=at,
            ordered=is_order,
            orders=bought.get(n, (0, 0))[0],
            bought=bought.get(n, (0, 0))[1],
            returns=returned.get(n, (0, 0))[0],
            returned=returned.get(n, (0, 0))[1],
        )
        for n, ((at, one, email), is_order) in enumerate(shown)
    )


def _newest_of_each(table: Any, emails: Sequence[str], ids: Sequence[UUID]) -> Any:
    """(n, id): the newest so many rows of each address, ``n`` being its place among ``emails``."""
    parts = []
    for n, email in enumerate(emails):
        mine = sa.select(table.id).where(table.merchant_id.in_(ids), table.email == email)
        few = mine.order_by(table.id.desc()).limit(LOOKED_AT).subquery()
        parts.append(sa.select(sa.literal(n).label("n"), few.c.id.label("id")))
    return sa.union_all(*parts).subquery()


def _bought(emails: Sequence[str], ids: Sequence[UUID]) -> dict[int, tuple[int, int]]:
    """n -> (orders, units of merchandise)."""
    mine = _newest_of_each(Order, emails, ids)
    units = sa.case((OrderLine.kind == "merchandise", OrderLine.units - OrderLine.canceled_units), else_=0)
    wanted = sa.select(
        mine.c.n, sa.func.count(sa.distinct(mine.c.id)), sa.func.coalesce(sa.func.sum(units), 0)
    ).outerjoin(OrderLine, OrderLine.order_id == mine.c.id)
    return {n: (count, int(units)) for n, count, units in db.session.execute(wanted.group_by(mine.c.n))}


def _returned(emails: Sequence[str], ids: Sequence[UUID]) -> dict[int, tuple[int, int]]:
    """n -> (returns that came to something, their units that came back or may still)."""
    mine = _newest_of_each(Return, emails, ids)
    units = sa.func.coalesce(sa.func.sum(GONE_BACK), 0)
    wanted = (
        sa.select(mine.c.n, sa.func.count(sa.distinct(mine.c.id)), units)
        .join(Return, Return.id == mine.c.id)
        .outerjoin(ReturnLine, ReturnLine.return_id == mine.c.id)
        .where(aside(Return.kind).not_in(CANCELLATIONS), aside(Return.state).not_in(CAME_TO_NOTHING))
    )
    return {n: (count, int(units)) for n, count, units in db.session.execute(wanted.group_by(mine.c.n))}

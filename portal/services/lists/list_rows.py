"""The rows of a list of returns: everything a column can show, in as many statements for a thousand as for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.listing import OPEN_DISPUTES
from portal.core.money import Minor
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.db.people import Person
from portal.db.returns import Return, ReturnLine
from portal.db.views import ReturnTag
from portal.services.lists.clocks import clocks, due_of
from portal.services.lists.list_filters import Asked
from portal.services.lists.listing import Cursor, find


@dataclass(frozen=True, kw_only=True)
class ListRow:
    """One return in a list. ``estimate`` in minor units of ``currency``; ``due_at``: of what it waits for."""

    id: UUID
    merchant_id: UUID
    merchant_name: str
    number: str | None
    state: str
    refund_state: str
    dispute_state: str
    kind: str
    channel: str
    name: str
    email: str
    order_id: UUID | None
    order_number: str
    currency: str
    estimate: Minor | None
    created_at: datetime
    submitted_at: datetime | None
    received_at: datetime | None
    closed_at: datetime | None
    ship_by: date | None
    unread: int
    assignee_id: UUID | None
    assignee: str
    due_at: datetime | None
    tags: tuple[str, ...]
    units: int
    first_line: str
    lines: int
    reasons: tuple[str, ...]

    @property
    def due_on(self) -> datetime | date | None:
        """What to tell of ``due_at``: where it is the end of a day, that day."""
        if self.due_at and self.state == "needs_info":
            return self.due_at - timedelta(seconds=1)
        return self.ship_by if self.due_at and self.state == "approved" else self.due_at

    @property
    def disputed(self) -> bool:
        return self.dispute_state in OPEN_DISPUTES


_SAME = (
    "id", "merchant_id", "number", "state", "refund_state", "dispute_state", "kind", "channel", "name", "email",
    "order_id", "order_number", "currency", "created_at", "submitted_at", "received_at", "closed_at", "ship_by",
    "unread", "assignee_id",
)  # fmt: skip


def rows(ids: Sequence[UUID]) -> tuple[ListRow, ...]:
    """These returns in this order; the caller has passed the gate."""
    if not ids:
        return ()
    lines: dict[UUID, list[Any]] = {}
    of_line = (ReturnLine.return_id, ReturnLine.name, ReturnLine.units, ReturnLine.reason)
    wanted = sa.select(*of_line).where(ReturnLine.return_id.in_(ids)).order_by(ReturnLine.position)
    for line in db.session.execute(wanted):
        lines.setdefault(line.return_id, []).append(line)
    tags: dict[UUID, list[str]] = {}
    said = sa.select(ReturnTag.return_id, ReturnTag.tag).where(ReturnTag.return_id.in_(ids))
    for return_id, tag in db.session.execute(said.order_by(ReturnTag.tag)):
        tags.setdefault(return_id, []).append(tag)
    columns = [getattr(Return, name) for name in (*_SAME, "info_due_at", "estimate_minor")]
    found = db.session.execute(
        sa.select(*columns, Merchant.name.label("merchant_name"), Person.name.label("person"))
        .join(Merchant, Merchant.id == Return.merchant_id)
        .outerjoin(Person, Person.id == Return.assignee_id)
        .where(Return.id.in_(ids))
    )
    read = {row.id: row for row in found}
    ticking = clocks({row.merchant_id for row in read.values()})
    return tuple(
        _row(
            read[one],
            lines.get(one, []),
            tuple(tags.get(one, ())),
            due_of(read[one], ticking[read[one].merchant_id]),
        )
        for one in ids
        if one in read
    )


def _row(row: Any, lines: Sequence[Any], tags: tuple[str, ...], due: datetime | None) -> ListRow:
    return ListRow(
        **{name: getattr(row, name) for name in _SAME},
        merchant_name=row.merchant_name,
        assignee=row.person or "",
        estimate=row.estimate_minor,
        due_at=due,
        tags=tags,
        units=sum(line.units for line in lines),
        first_line=lines[0].name if lines else "",
        lines=len(lines),
        reasons=tuple(dict.fromkeys(line.reason for line in lines if line.reason)),
    )


BATCH = 500
"""Rows of an export that are held at once."""


def batch(
    wanted: Asked, cursor: Cursor | None = None, *, size: int | None = None
) -> tuple[tuple[ListRow, ...], Cursor | None]:
    """The next rows of the whole list in its order, and where to go on; None at the end."""
    found = find(wanted, cursor=cursor, limit=size or BATCH)
    return rows(found.ids), found.next

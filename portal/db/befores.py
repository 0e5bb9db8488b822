"""Before and after of what people edit: kept with what happened, without anybody having to think of it.

Whatever a transaction changes in a field of ``WATCHED`` stands in the last happening of its subject.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from portal.db import history
from portal.db.base import Base, db
from portal.db.disputes import Dispute
from portal.db.refunds import Refund
from portal.db.returns import Link, Return, ReturnLine

WATCHED: dict[type[Base], tuple[str, ...]] = {
    Return: (
        "state", "name", "email", "phone", "order_number", "address", "sending", "postage_minor", "note",
        "decline_reason", "ship_by", "estimate_minor",
    ),
    ReturnLine: (
        "units", "reason", "condition", "note", "received_units", "damaged_units", "other_units",
        "accepted_units", "rejected_units", "allowance_minor",
    ),
    Refund: ("state", "amount_minor"),
    Dispute: ("state", "outcome", "settled_minor"),
    Link: ("state", "expires_at"),
}  # fmt: skip
"""table -> its fields that people change, or see change."""

PREFIX = {Refund: "refund_", Dispute: "dispute_", Link: "link_"}
"""What tells the same field of another table apart."""

SENDING = ("carrier", "service", "method", "point_name", "slot_label", "tracking_number")
"""Of a way of sending: what is seen of it."""


def _collect(session: Session, *_: object) -> None:
    """What is about to be written, field by field."""
    for row in session.dirty:
        if type(row) in WATCHED:
            history.change(_subjects(row), dict(_changes(row)))
    for row in session.new:
        if isinstance(row, ReturnLine):
            history.change(_subjects(row), {f"units: {row.name}": (0, row.units)})
    for row in session.deleted:
        if isinstance(row, ReturnLine):
            history.change(_subjects(row), {f"units: {row.name}": (row.units, 0)})


def _changes(row: Any) -> Iterator[tuple[str, tuple[Any, Any]]]:
    attributes = sa.inspect(row).attrs
    for field in WATCHED[type(row)]:
        told = attributes[field].history
        if not told.added or not told.deleted:
            continue
        before, after = told.deleted[0], told.added[0]
        if field in ("address", "sending"):
            yield from _parts(field, before or {}, after or {})
        elif isinstance(row, ReturnLine):
            yield f"{field}: {row.name}", (_plain(before), _plain(after))
        else:
            yield PREFIX.get(type(row), "") + field, (_plain(before), _plain(after))


def _parts(
    field: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """What differs of an address or a way of sending."""
    for name in SENDING if field == "sending" else sorted({*before, *after}):
        was, is_now = before.get(name) or "", after.get(name) or ""
        if was != is_now:
            yield f"{field}.{name}", (_plain(was), _plain(is_now))


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int) else str(value)


def _subjects(row: Any) -> tuple[UUID, ...]:
    """Whose history it belongs to, the likeliest first."""
    if isinstance(row, Refund):
        return tuple(one for one in (row.return_id, row.id) if one is not None)
    return (row.id,) if isinstance(row, Return) else (row.return_id,)


event.listen(db.session, "before_flush", _collect)

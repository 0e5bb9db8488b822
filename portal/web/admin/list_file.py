"""A list as a CSV file that is written while it is sent: no more of it is held than a few hundred rows."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from flask import Response
from flask.globals import request_ctx

from portal.core.accounting import harmless
from portal.core.money import major
from portal.services.lists.list_rows import ListRow
from portal.web.admin.files import plain

FIRST = ("number", "begun_at")
"""What every list shows, whatever its columns."""

CELLS: Mapping[str, tuple[str, ...]] = {
    "state": (
        "state", "refund_state", "dispute_state", "unread", "submitted_at", "received_at", "closed_at",
    ),
    "customer": ("customer", "email"),
    "items": ("items", "units", "lines", "order"),
    "refund": ("refund", "currency"),
    "shop": ("shop",),
    "assignee": ("assignee",),
    "tags": ("tags",),
    "due": ("due_at",),
    "channel": ("channel",),
    "reason": ("reasons",),
    "order": ("order",),
    "kind": ("kind",),
}  # fmt: skip
"""A column of the list -> what the file has for it. Codes, not words: they mean the same in every language."""


def names(columns: Sequence[str]) -> tuple[str, ...]:
    """What stands above the file of a list with these columns, in their order, each once."""
    return tuple(dict.fromkeys((*FIRST, *(name for column in columns for name in CELLS[column]), "id")))


def head(columns: Sequence[str]) -> str:
    """The first line."""
    return _written([names(columns)])


def lines(rows: Sequence[ListRow], columns: Sequence[str], sees_money: Collection[UUID]) -> str:
    """Some rows of the file; what a spreadsheet would run as a formula is made harmless.

    Amounts are told of the shops ``sees_money`` alone.
    """
    wanted = names(columns)
    told = (_cells(row) | ({} if row.merchant_id in sees_money else {"refund": ""}) for row in rows)
    return _written([[harmless(cells[name]) for name in wanted] for cells in told])


def _written(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _cells(row: ListRow) -> dict[str, str]:
    return {
        "number": row.number or "",
        "state": row.state,
        "refund_state": row.refund_state,
        "dispute_state": row.dispute_state,
        "kind": row.kind,
        "channel": row.channel,
        "shop": row.merchant_name,
        "customer": row.name,
        "email": row.email,
        "order": row.order_number,
        "items": row.first_line,
        "units": str(row.units),
        "lines": str(row.lines),
        "reasons": " ".join(row.reasons),
        "refund": "" if row.estimate is None else str(major(row.estimate, row.currency)),
        "currency": row.currency,
        "due_at": _at(row.due_at),
        "assignee": row.assignee,
        "tags": ", ".join(row.tags),
        "unread": str(row.unread),
        "begun_at": _at(row.created_at),
        "submitted_at": _at(row.submitted_at),
        "received_at": _at(row.received_at),
        "closed_at": _at(row.closed_at),
        "id": str(row.id),
    }


def _at(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


Row = Sequence[str]

AT_ONCE = 200
"""Rows of a table that are read and held at once."""


T = TypeVar("T")


def streamed(
    head: Row, told: Callable[[T], Row], read: Callable[[Any], tuple[Sequence[T], Any]], name: str
) -> Response:
    """A table as a file that is read while it is sent: all of it, however long it is.

    ``read`` answers ``AT_ONCE`` rows after a place, and the next place; None is the beginning, and the end.
    """
    asked = request_ctx.copy()
    rows, place = read(None)  # what is wrong with the question is told before anything is sent
    first = _plain([head, *map(told, rows)])

    def pieces() -> Iterator[str]:
        yield first
        after = place
        while after is not None:
            with asked.copy():  # the request's own context is over by the time that this is sent
                rows, after = read(after)
                piece = _plain(map(told, rows))
            yield piece

    return answer(pieces(), name)


def _plain(rows: Iterable[Row]) -> str:
    return _written([[plain(cell) for cell in row] for row in rows])


def by_id(rows: Sequence[Any]) -> tuple[Sequence[Any], UUID | None]:
    """Rows of which ``AT_ONCE`` were asked for, with the last one's id where there may be more."""
    return rows, rows[-1].id if len(rows) >= AT_ONCE else None


def answer(pieces: Iterator[str], name: str) -> Response:
    """The pieces as a file to keep, kept by no cache."""
    response = Response((piece.encode() for piece in pieces), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response

"""A list as a CSV file that is written while it is sent: no more of it is held than a few hundred rows."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from flask import Response

from portal.core.accounting import harmless
from portal.core.money import major
from portal.services.list_rows import ListRow

HEAD = (
    "number", "state", "refund_state", "dispute_state", "kind", "channel", "shop", "customer", "email", "order",
    "items", "units", "lines", "reasons", "refund", "currency", "due_at", "assignee", "tags", "unread", "begun_at",
    "submitted_at", "received_at", "closed_at", "id",
)  # fmt: skip
"""Codes, not words: the file means the same in every language."""


def head() -> str:
    """The first line."""
    return _written([HEAD])


def lines(rows: Sequence[ListRow]) -> str:
    """Some rows of the file; what a spreadsheet would run as a formula is made harmless."""
    return _written([[harmless(cell) for cell in _cells(row)] for row in rows])


def _written(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _cells(row: ListRow) -> tuple[str, ...]:
    return (
        row.number or "",
        row.state,
        row.refund_state,
        row.dispute_state,
        row.kind,
        row.channel,
        row.merchant_name,
        row.name,
        row.email,
        row.order_number,
        row.first_line,
        str(row.units),
        str(row.lines),
        " ".join(row.reasons),
        "" if row.estimate is None else str(major(row.estimate, row.currency)),
        row.currency,
        _at(row.due_at),
        row.assignee,
        ", ".join(row.tags),
        str(row.unread),
        _at(row.created_at),
        _at(row.submitted_at),
        _at(row.received_at),
        _at(row.closed_at),
        str(row.id),
    )


def _at(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def answer(pieces: Iterator[str], name: str) -> Response:
    """The pieces as a file to keep, kept by no cache."""
    response = Response((piece.encode() for piece in pieces), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response

"""Files to take away: tables as CSV, and what was made elsewhere."""

import csv
import io
from collections.abc import Sequence

from flask import Response as Answer

from portal.core.accounting import harmless


def as_csv(head: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> Answer:
    """A table as a file; no cell of it is a formula (a number below zero is none)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([[plain(cell) for cell in row] for row in rows])
    return as_file(out.getvalue().encode(), "text/csv; charset=utf-8", name)


def plain(cell: str) -> str:
    """The cell as no formula; a number below zero is none."""
    return cell if cell.removeprefix("-").replace(".", "", 1).isdecimal() else harmless(cell)


def as_file(content: bytes, media_type: str, name: str, *, inline: bool = False) -> Answer:
    """A file to keep, or with ``inline`` to look at; kept by no cache."""
    response = Answer(content, content_type=media_type)
    response.headers["Content-Disposition"] = f'{"inline" if inline else "attachment"}; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response

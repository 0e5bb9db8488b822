"""How history is chained: what a row says becomes one digest, and each digest holds the one before it.

Two levels, so that what a row says can be erased one day and the chain still holds: the content's digest stays.
The form below is that of rows already written, on every database; it never changes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

FIELDS = (
    "id", "merchant_id", "subject_id", "at", "what",
    "actor_kind", "actor_id", "actor_name", "details", "changed",
)  # fmt: skip
"""All that a row of history says; its place is what the chain itself says."""


def content(row: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of all that ``row`` says, in one form whatever database it was read from."""
    told = json.dumps([_plain(row[name]) for name in FIELDS], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def digest(previous: str, content: str) -> str:
    """SHA-256, in hex, of the digest before (blank for the first) and what this row says."""
    return hashlib.sha256((previous + content).encode()).hexdigest()


def plain(value: object) -> Any:
    """``value`` as JSON gives it back: what is kept is what was digested. Raises ``TypeError`` for anything else."""
    return json.loads(json.dumps(value))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if value is None or isinstance(value, dict | list | int | str):
        return value
    return str(value)


@dataclass(frozen=True, kw_only=True)
class Head:
    """The end of a chain: how many rows it has, and the digest of the last one."""

    sequence: int = 0
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The first place at which a chain does not hold: ``code`` says how, ``sequence`` where."""

    code: str
    """``edited``, ``removed``, ``inserted``, ``reordered``, ``broken`` (edited or removed, nobody can tell),
    ``rewritten``, ``cut_off`` (the last rows are gone), ``added`` (rows after the head)."""
    sequence: int


def check(rows: Iterable[Any], head: Head, known: Head | None = None) -> Fault | None:
    """The first fault of a chain whose ``rows`` come by sequence; None: it holds from the first row to the head.

    ``known`` is a head that somebody noted earlier: also a chain that was written anew, head and all, is found.
    """
    earlier, before, at = "", "", 0
    rest = iter(rows)
    for row in rest:
        at += 1
        if row["sequence"] is None or row["sequence"] < at:
            return Fault(code="inserted", sequence=at)
        if row["sequence"] > at:
            return Fault(code="removed", sequence=at)
        if content(row) != row["content"]:
            return Fault(code="edited", sequence=at)
        if digest(before, row["content"]) != row["digest"]:
            if at > 1 and digest(earlier, row["content"]) == row["digest"]:
                return Fault(code="inserted", sequence=at - 1)  # it follows the one before that one
            return Fault(code=_out_of_place(row, before, list(islice(rest, AHEAD))), sequence=at)
        earlier, before = before, row["digest"]
        if known is not None and known.sequence == at and known.digest != before:
            return Fault(code="rewritten", sequence=at)
    return _at_the_end(at, before, head, known)


AHEAD = 1000
"""Rows that are looked through to say how a row got where it does not belong."""


def _out_of_place(row: Mapping[str, Any], before: str, ahead: list[Mapping[str, Any]]) -> str:
    """How it came that this row does not follow ``before``: others belong here, or nobody can tell."""
    if not any(digest(before, other["content"]) == other["digest"] for other in ahead):
        return "broken"
    moved = any(digest(other["digest"], row["content"]) == row["digest"] for other in ahead)
    return "reordered" if moved else "inserted"


def _at_the_end(at: int, last: str, head: Head, known: Head | None) -> Fault | None:
    if at != head.sequence:
        return Fault(code="cut_off" if at < head.sequence else "added", sequence=min(at, head.sequence) + 1)
    if last != head.digest:
        return Fault(code="rewritten", sequence=at)
    if known is not None and known.sequence > at:
        return Fault(code="cut_off", sequence=at + 1)
    return None

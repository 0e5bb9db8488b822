"""What one version of the terms says and another does not, term by term."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portal.core.policy.terms import Terms, to_json


@dataclass(frozen=True, kw_only=True)
class Change:
    """One term that differs: ``path`` as in the JSON (``restocking_fee.percent_bp``), both values as JSON."""

    path: str
    before: Any
    after: Any


def changes(before: Terms, after: Terms) -> tuple[Change, ...]:
    """Every term in which the two differ, in the order of the terms; their numbers are no term."""
    return tuple(_changes("", to_json(before), to_json(after)))


def _changes(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key, was in before.items():
        now, place = after[key], f"{path}{key}"
        if isinstance(was, Mapping):
            yield from _changes(f"{place}.", was, now)
        elif was != now and place != "version":
            yield Change(path=place, before=was, after=now)

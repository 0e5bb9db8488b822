"""The part of Stripe's search language that asks for equal values: ``metadata['order']:'1001' AND status:'x'``."""

import re
from collections.abc import Callable
from typing import Any

from tests.stripe_server.errors import Fault

_CLAUSE = re.compile(
    r"""\s*(?:metadata\[(?P<q>['"])(?P<key>[^'"]+)(?P=q)\]|(?P<field>[a-z_]+))\s*"""
    r"""(?P<how>:|=|>|<)\s*(?:(?P<v>['"])(?P<text>[^'"]*)(?P=v)|(?P<number>[0-9]+))\s*"""
)


def parsed(query: str) -> list[Callable[[dict[str, Any]], bool]]:
    """What every object found must fulfil. Raises ``Fault``."""
    wanted = []
    for part in re.split(r"\s+AND\s+", query.strip()) if query.strip() else [""]:
        matched = _CLAUSE.fullmatch(part)
        if matched is None:
            raise Fault(400, f"We were unable to parse your search query: {query}", param="query")
        wanted.append(_clause(matched))
    return wanted


def _clause(matched: re.Match[str]) -> Callable[[dict[str, Any]], bool]:
    key, field, how = matched["key"], matched["field"], matched["how"]
    value: Any = matched["text"] if matched["number"] is None else int(matched["number"])

    def fits(thing: dict[str, Any]) -> bool:
        found = thing["metadata"].get(key) if key else thing.get(field)
        if how == ">":
            return found is not None and found > value
        if how == "<":
            return found is not None and found < value
        return bool(found == value)

    return fits

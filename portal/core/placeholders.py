"""What may stand in a ready text for things that differ from return to return: ``{name}``, ``{number}``."""

import re
from collections.abc import Mapping

NAMES = ("name", "number", "order", "agent", "merchant")
"""The customer, the return's number, the order's number, whoever writes, the shop."""

_PLACE = re.compile(r"\{([^{}]*)\}")


class BadPlaceholder(ValueError):
    """``name`` is no placeholder; empty where a bracket stands alone."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.name = name


def check(text: str) -> None:
    """Raises ``BadPlaceholder`` for one that does not exist, or a bracket without its other half."""
    for name in _PLACE.findall(text):
        if name not in NAMES:
            raise BadPlaceholder(name)
    rest = _PLACE.sub("", text)
    if "{" in rest or "}" in rest:
        raise BadPlaceholder


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with every placeholder put in; what is put in is never looked through again."""
    return _PLACE.sub(lambda found: values.get(found.group(1), found.group(0)), text)

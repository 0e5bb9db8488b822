"""How the sandbox warehouse behaves, told by the ending of an order's number or of a SKU, in any case."""

from collections.abc import Iterable

from portal.core.logistics import CANNOT, PENDING, RELEASED, SHIPPED

CODES = {
    "-drop-ship": "drop_ship",
    "-custom-made": "custom_made",
    "-pre-picked": "pre_picked",
    "-third-party": "third_party",
    "-cut-off": "cut_off",
}
"""Ending -> what it says of a line."""

ENDINGS = {
    "-late-refuses": (PENDING, CANNOT),
    "-late-shipped": (PENDING, SHIPPED),
    "-late": (PENDING, RELEASED),
    "-refuses": (CANNOT, ""),
    "-shipped": (SHIPPED, ""),
    "-contradicts": (RELEASED, SHIPPED),
}
"""Ending -> what is answered, and to what it comes later."""

LOST, OUTAGE = "-lost", "-outage"


def ending(names: Iterable[str], endings: Iterable[str]) -> str:
    """The first of ``endings`` that one of ``names`` has."""
    lowered = [name.lower() for name in names]
    return next((one for one in endings if any(name.endswith(one) for name in lowered)), "")


def code_of(sku: str) -> str:
    """The constraint that a SKU's ending stands for."""
    return CODES.get(ending((sku,), CODES), "")

"""What a label is made of, in dots of a 203 dpi printer. PDF, PNG and ZPL are drawn from the same marks."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import segno
from barcode.codex import Code128

DPI: Final = 203
DOTS_PER_MM: Final = 8
QUIET: Final = 10
"""Blank modules beside a Code 128 symbol."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """One line; ``y`` is its top, ``size`` its height."""

    x: int
    y: int
    size: int
    text: str
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A filled rectangle."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Bars:
    """A Code 128 symbol; the quiet zones are outside of ``x``."""

    x: int
    y: int
    module: int
    height: int
    data: str


@dataclass(frozen=True, kw_only=True)
class Qr:
    """A QR symbol; its four quiet modules are outside of ``x`` and ``y``."""

    x: int
    y: int
    module: int
    data: str


Mark = Text | Rule | Bars | Qr


@lru_cache(maxsize=256)
def code128(data: str) -> str:
    """The modules of a Code 128 symbol, ``1`` for a bar, without quiet zones."""
    return str(Code128(data).build()[0])


@lru_cache(maxsize=256)
def qr_rows(data: str) -> tuple[bytes, ...]:
    """The rows of a QR symbol of error level M, 1 for dark, without quiet zone."""
    return tuple(bytes(row) for row in segno.make_qr(data, error="m", boost_error=False).matrix)


def widest_module(data: str, *, within: int) -> int:
    """The widest module, 4 to 2 dots, at which ``data`` and its quiet zones are inside ``within`` dots."""
    modules = len(code128(data)) + 2 * QUIET
    return next((m for m in (4, 3) if m * modules <= within), 2)


def runs(modules: str | bytes) -> list[tuple[int, int]]:
    """Where dark modules start and how many follow each other."""
    found: list[tuple[int, int]] = []
    for at, module in enumerate(modules):
        if module in ("1", 1):
            if found and sum(found[-1]) == at:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((at, 1))
    return found

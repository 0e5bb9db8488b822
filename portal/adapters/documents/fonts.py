"""The embedded typeface, and how wide its text is."""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import ImageFont

FOLDER: Final = Path(__file__).parent / "fonts"
REGULAR: Final = FOLDER / "DejaVuSans.ttf"
BOLD: Final = FOLDER / "DejaVuSans-Bold.ttf"

_MEASURED_AT: Final = 1000


@lru_cache(maxsize=32)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface at ``size`` pixels, for drawing and measuring."""
    return ImageFont.truetype(BOLD if bold else REGULAR, size, layout_engine=ImageFont.Layout.BASIC)


def printable(text: str) -> str:
    """``text`` composed and without control characters, which no printer shows."""
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in composed).split())


def width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide ``text`` is, in the unit of ``size``, a little more for renderers that do not kern."""
    return font(_MEASURED_AT, bold=bold).getlength(text) * size / _MEASURED_AT * 1.02


LEADING: Final = 1.25
"""Distance of lines, in sizes."""


def fitted(
    texts: Iterable[str], *, within: float, height: float, size: int, bold: bool = False
) -> tuple[int, tuple[str, ...]]:
    """``texts`` broken into lines, and the largest size up to ``size`` at which all of it is inside the box.

    Wraps first and shrinks as far as it must: nothing is ever cut. A word is broken only where shrinking to
    a third did not help.
    """
    wanted = [text for text in map(printable, texts) if text]
    for smaller in range(size, 3, -1):
        lines = [line for text in wanted for line in _broken(text, within, smaller, bold)]
        whole = smaller < size * 0.35 or sum(map(len, map(str.split, lines))) == sum(
            len(t.split()) for t in wanted
        )
        if whole and len(lines) * smaller * LEADING <= height:
            break
    return smaller, tuple(lines)


def wrapped(text: str, *, within: float, size: float, bold: bool = False) -> tuple[str, ...]:
    """``text`` broken at blanks, and inside a word only where one word alone is too wide."""
    return tuple(_broken(printable(text), within, size, bold))


def _broken(text: str, within: float, size: float, bold: bool) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if width(longer, size, bold=bold) <= within:
            line = longer
            continue
        if line:
            yield line
        line = word
        while width(line, size, bold=bold) > within and len(line) > 1:
            cut = next(
                n for n in range(len(line) - 1, 0, -1) if n == 1 or width(line[:n], size, bold=bold) <= within
            )
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line

"""QR codes for screens and e-mails."""

import html

from PIL import Image

from portal.adapters.documents.marks import qr_rows, runs
from portal.adapters.documents.png import saved

_QUIET = 4


def svg(text: str, *, title: str = "") -> str:
    """``text`` as an ``<svg>`` element that a strict content policy takes: attributes only, no style, no
    script.
    """
    rows = qr_rows(text)
    side = len(rows) + 2 * _QUIET
    path = "".join(
        f"M{at + _QUIET} {line + _QUIET}h{wide}v1h-{wide}z"
        for line, row in enumerate(rows)
        for at, wide in runs(row)
    )
    named = f' role="img" aria-label="{html.escape(title)}"' if title else ' aria-hidden="true"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side * 6}"'
        f' height="{side * 6}" shape-rendering="crispEdges"{named}>'
        f'<rect width="{side}" height="{side}" fill="#fff"/><path fill="#000" d="{path}"/></svg>'
    )


def png(text: str, *, module: int = 8) -> bytes:
    """``text`` as a PNG with its quiet zone, ``module`` pixels a module."""
    rows = qr_rows(text)
    side = len(rows) + 2 * _QUIET
    image = Image.new("L", (side, side), 255)
    for line, row in enumerate(rows):
        for at, dark in enumerate(row):
            if dark:
                image.putpixel((at + _QUIET, line + _QUIET), 0)
    return saved(image.resize((side * module, side * module), Image.Resampling.NEAREST))

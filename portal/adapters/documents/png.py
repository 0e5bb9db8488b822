"""Marks as a PNG of 203 dpi, one pixel a dot."""

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw

from portal.adapters.documents.fonts import font
from portal.adapters.documents.marks import DPI, Bars, Mark, Qr, Rule, Text, code128, qr_rows, runs


def drawn(marks: Sequence[Mark], *, width: int, height: int) -> bytes:
    """A white picture of ``width`` x ``height`` pixels with every mark on it."""
    image = Image.new("L", (width, height), 255)
    canvas = ImageDraw.Draw(image)
    for mark in marks:
        match mark:
            case Text(x=x, y=y, size=size, text=text, bold=bold):
                canvas.text(
                    (x, y + round(0.93 * size)), text, fill=0, font=font(size, bold=bold), anchor="ls"
                )
            case Rule(x=x, y=y, width=wide, height=high):
                _fill(canvas, x, y, wide, high)
            case Bars(x=x, y=y, module=module, height=high, data=data):
                for at, wide in runs(code128(data)):
                    _fill(canvas, x + at * module, y, wide * module, high)
            case Qr(x=x, y=y, module=module, data=data):
                for line, row in enumerate(qr_rows(data)):
                    for at, wide in runs(row):
                        _fill(canvas, x + at * module, y + line * module, wide * module, module)
    return saved(image)


def saved(image: Image.Image) -> bytes:
    """The picture as PNG, its resolution told so that it prints in its real size."""
    file = BytesIO()
    image.save(file, "PNG", dpi=(DPI, DPI), compress_level=6)
    return file.getvalue()


def _fill(canvas: ImageDraw.ImageDraw, x: int, y: int, width: int, height: int) -> None:
    canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=0)

"""Marks in the language of label printers (ZPL II). Bars and QR codes are drawn by the printer itself."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from portal.adapters.documents.fonts import font, width
from portal.adapters.documents.marks import Bars, Mark, Qr, Rule, Text


def drawn(marks: Sequence[Mark], *, width: int, height: int) -> bytes:
    """One label of ``width`` x ``height`` dots, in UTF-8."""
    fields = "\n".join(map(_field, marks))
    return f"^XA\n^CI28\n^PW{width}\n^LL{height}\n^LH0,0\n{fields}\n^PQ1\n^XZ\n".encode()


def _field(mark: Mark) -> str:
    at = f"^FO{mark.x},{mark.y}"
    match mark:
        case Text(text=text) if not text.isascii():
            return f"{at}{_picture(mark)}^FS"
        case Text(size=size, text=text):
            return f"{at}^A0N,{size},{round(size * 0.9)}^FH_^FD{_escaped(text)}^FS"
        case Rule(width=wide, height=high):
            return f"{at}^GB{wide},{high},{min(wide, high)}^FS"
        case Bars(module=module, height=high, data=data):
            return f"{at}^BY{module}^BCN,{high},N,N,N,A^FH_^FD{_escaped(data)}^FS"
        case Qr(module=module, data=data):
            return f"{at}^BQN,2,{module}^FH_^FDMA,{_escaped(data)}^FS"


def _escaped(text: str) -> str:
    return "".join(f"_{ord(c):02X}" if c in "^~_\\" else c for c in text)


def _picture(mark: Text) -> str:
    """The text as dots: the fonts inside printers differ in what they have beyond ASCII, the embedded one
    does not.
    """
    image = Image.new("1", (int(width(mark.text, mark.size, bold=mark.bold)) + 8, round(mark.size * 1.25)), 0)
    drawing = ImageDraw.Draw(image)
    baseline = (0, round(0.93 * mark.size))
    drawing.text(baseline, mark.text, fill=1, font=font(mark.size, bold=mark.bold), anchor="ls")
    rows = image.tobytes()
    per_row = (image.width + 7) // 8
    return f"^GFA,{len(rows)},{len(rows)},{per_row},{rows.hex().upper()}"

"""Marks and running text on PDF pages. The same input gives the same bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Final

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from portal.adapters.documents.fonts import BOLD, REGULAR, printable
from portal.adapters.documents.marks import DPI, Bars, Mark, Qr, Rule, Text, code128, qr_rows, runs

POINT: Final = 72 / DPI
"""Points of one dot."""
SIZES: Final = {"4x6": (288.0, 432.0), "a4": (595.28, 841.89), "letter": (612.0, 792.0)}
"""Width and height of each sheet, in points."""

_MADE = datetime(2000, 1, 1, tzinfo=UTC)


def sheet(size: str, *, title: str, language: str, margin: float = 0) -> FPDF:
    """A document with one empty page, both weights of the typeface and nothing in it that changes with the
    clock.
    """
    pdf = FPDF(unit="pt", format=SIZES[size])
    pdf.set_creation_date(_MADE)
    pdf.set_title(printable(title))
    pdf.set_lang(language)
    pdf.add_font("Sans", "", REGULAR)
    pdf.add_font("Sans", "B", BOLD)
    pdf.set_margins(margin, margin, margin)
    pdf.set_auto_page_break(margin > 0, margin)
    pdf.add_page()
    pdf.set_font("Sans", size=10)
    return pdf


def finished(pdf: FPDF) -> bytes:
    return bytes(pdf.output())


def draw(pdf: FPDF, marks: Sequence[Mark], *, x: float = 0, y: float = 0, scale: float = POINT) -> None:
    """Every mark, the label's top left corner being at ``x``, ``y`` points and one dot being ``scale``
    points.
    """
    pdf.set_fill_color(0)
    pdf.set_text_color(0)
    for mark in marks:
        left, top = x + mark.x * scale, y + mark.y * scale
        match mark:
            case Text(size=size, text=text, bold=bold):
                pdf.set_font("Sans", "B" if bold else "", size * scale)
                pdf.text(left, top + 0.93 * size * scale, text)
            case Rule(width=width, height=height):
                pdf.rect(left, top, width * scale, height * scale, style="F")
            case Bars(module=module, height=height, data=data):
                for at, wide in runs(code128(data)):
                    pdf.rect(
                        left + at * module * scale, top, wide * module * scale, height * scale, style="F"
                    )
            case Qr(module=module, data=data):
                qr(pdf, data, x=left, y=top, module=module * scale)


def picture(pdf: FPDF, content: bytes) -> None:
    """A picture over the whole page, in its own proportions."""
    pdf.image(BytesIO(content), x=0, y=0, w=pdf.w, h=pdf.h, keep_aspect_ratio=True)


def qr(pdf: FPDF, data: str, *, x: float, y: float, module: float) -> float:
    """A QR symbol; its width and height in points come back. The caller leaves four modules blank around
    it.
    """
    rows = qr_rows(data)
    pdf.set_fill_color(0)
    for line, row in enumerate(rows):
        for at, wide in runs(row):
            # The hair of extra height keeps viewers from showing seams between rows.
            pdf.rect(x + at * module, y + line * module, wide * module, module * 1.02, style="F")
    return len(rows) * module


def paragraph(
    pdf: FPDF,
    text: str,
    *,
    size: float = 10,
    bold: bool = False,
    gray: int = 0,
    after: float = 0,
    width: float = 0,
) -> None:
    """``text`` from the left margin on, wrapped, over as many pages as it needs."""
    pdf.set_font("Sans", "B" if bold else "", size)
    pdf.set_text_color(gray)
    pdf.multi_cell(width, size * 1.35, printable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_text_color(0)
    pdf.ln(after)


def table(
    pdf: FPDF,
    rows: Sequence[Sequence[str]],
    *,
    widths: Sequence[int],
    aligns: Sequence[str],
    size: float = 9.5,
) -> None:
    """Rows under a bold first one, which is repeated on each page; a row is never split across pages."""
    pdf.set_font("Sans", size=size)
    pdf.set_draw_color(190)
    with pdf.table(
        col_widths=tuple(widths),
        text_align=tuple(aligns),
        borders_layout="HORIZONTAL_LINES",
        line_height=size * 1.4,
        padding=(2.5, 3),
        first_row_as_headings=True,
    ) as made:
        for row in rows:
            made.row([printable(cell) for cell in row])
    pdf.set_draw_color(0)


def cut_line(pdf: FPDF, y: float, *, margin: float) -> None:
    """A dashed line across the sheet."""
    pdf.set_draw_color(110)
    pdf.set_dash_pattern(dash=4, gap=4)
    pdf.line(margin, y, pdf.w - margin, y)
    pdf.set_dash_pattern()
    pdf.set_draw_color(0)

"""The shipping label: what it says, where it says it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_decimal

from portal.adapters.documents import pdf, png, zpl
from portal.adapters.documents.fonts import LEADING, fitted
from portal.adapters.documents.marks import QUIET, Bars, Mark, Qr, Rule, Text, code128, qr_rows, widest_module
from portal.core.shipping import Document, DocumentKind

Gettext = Callable[[str], str]
"""From an English text to that of the reader's language."""

WIDTH: Final = 812
HEIGHT: Final = 1218
_MARGIN: Final = 32
_INSIDE: Final = WIDTH - 2 * _MARGIN


@dataclass(frozen=True, kw_only=True)
class Label:
    """What one label says. ``sender`` and ``recipient`` are printed lines; ``qr`` is what its QR code
    holds.
    """

    carrier: str
    service: str
    number: str
    rma: str
    reference: str = ""
    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    weight_g: int
    ship_by: date | None = None
    qr: str
    notice: str = ""
    language: str = "en"


def documents(label: Label, _: Gettext) -> tuple[Document, ...]:
    """The 4x6 inch label as PDF, PNG (203 dpi) and ZPL."""
    drawn = marks(label, _)
    page = pdf.sheet("4x6", title=f"{_('Return label')} {label.rma}", language=label.language)
    pdf.draw(page, drawn)
    made = {
        "pdf": pdf.finished(page),
        "png": png.drawn(drawn, width=WIDTH, height=HEIGHT),
        "zpl": zpl.drawn(drawn, width=WIDTH, height=HEIGHT),
    }
    return tuple(Document(kind=DocumentKind.LABEL, format=f, size="4x6", content=c) for f, c in made.items())


def joined(pictures: Sequence[bytes], *, language: str, _: Gettext) -> Document:
    """Labels that were made before, each on a page of its own, as large as it may be there."""
    made = pdf.sheet("4x6", title=_("Return labels"), language=language)
    for number, picture in enumerate(pictures):
        if number:
            made.add_page()
        pdf.picture(made, picture)
    return Document(kind=DocumentKind.LABEL, format="pdf", size="4x6", content=pdf.finished(made))


def marks(label: Label, _: Gettext) -> tuple[Mark, ...]:
    """The label in dots of 203 dpi, 812 by 1218, top to bottom."""
    return (
        *_box((label.carrier,), x=_MARGIN, y=30, width=480, height=56, size=40, bold=True),
        *_box((label.service,), x=_MARGIN, y=90, width=480, height=40, size=26),
        *_box((_("RETURN"),), x=530, y=34, width=250, height=84, size=58, bold=True),
        _rule(136),
        *_caption(_("From"), y=150),
        *_box(label.sender, x=_MARGIN, y=178, width=_INSIDE, height=150, size=26),
        _rule(338),
        *_caption(_("To"), y=352),
        *_box(label.recipient, x=_MARGIN, y=384, width=_INSIDE, height=232, size=40, bold=True),
        _rule(626),
        *_facts(label, _),
        _rule(722),
        *_bars(label.number),
        _rule(998),
        *_foot(label, _),
    )


def weight(grams: int, language: str) -> str:
    """Kilograms as the language writes them."""
    return f"{format_decimal(Decimal(grams) / 1000, format='#,##0.0##', locale=_locale(language))} kg"


def worded_date(on: date, language: str) -> str:
    """A day as the language writes it; plain English as 4 Dec 2026, read one way everywhere."""
    return format_date(on, format="medium", locale="en_GB" if language == "en" else _locale(language))


def grouped(number: str) -> str:
    """A long number in groups of four, as people read it aloud; an S10 number in the groups of its
    standard.
    """
    if len(number) == 13 and number[:2].isalpha() and number[-2:].isalpha():
        return f"{number[:2]} {number[2:6]} {number[6:10]} {number[10]} {number[11:]}"
    return " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def _locale(language: str) -> str:
    return language.replace("-", "_")


def _facts(label: Label, _: Gettext) -> list[Mark]:
    facts = [(_("Weight"), weight(label.weight_g, label.language))]
    if label.ship_by:
        facts.append((_("Ship by"), worded_date(label.ship_by, label.language)))
    if label.reference:
        facts.append((_("Reference"), label.reference))
    found: list[Mark] = []
    for column, (caption, value) in enumerate(facts):
        x = _MARGIN + column * 255
        found += _caption(caption, x=x, y=638)
        found += _box((value,), x=x, y=666, width=240, height=50, size=30, bold=True)
    return found


def _bars(number: str) -> list[Mark]:
    module = widest_module(number, within=WIDTH - 2 * QUIET)
    wide = module * len(code128(number))
    text = grouped(number)
    size, lines = fitted((text,), within=_INSIDE - (WIDTH - wide) // 2, height=50, size=38, bold=True)
    return [
        Bars(x=(WIDTH - wide) // 2, y=742, module=module, height=190, data=number),
        *(Text(x=(WIDTH - wide) // 2, y=944, size=size, text=line, bold=True) for line in lines),
    ]


def _foot(label: Label, _: Gettext) -> list[Mark]:
    modules = len(qr_rows(label.qr))
    module = max(2, 176 // modules)
    left = _MARGIN + 4 * module + modules * module + 4 * module
    beside = WIDTH - _MARGIN - left
    return [
        Qr(x=_MARGIN + 2 * module, y=1008 + (200 - modules * module) // 2, module=module, data=label.qr),
        *_caption(_("Return number"), x=left, y=1014),
        *_box((label.rma,), x=left, y=1042, width=beside, height=62, size=48, bold=True),
        *_box((label.notice,), x=left, y=1112, width=beside, height=94, size=22),
    ]


def _caption(text: str, *, y: int, x: int = _MARGIN) -> list[Mark]:
    return _box((text,), x=x, y=y, width=250 if x > _MARGIN else _INSIDE, height=28, size=20)


def _box(
    texts: tuple[str, ...], *, x: int, y: int, width: int, height: int, size: int, bold: bool = False
) -> list[Mark]:
    size, lines = fitted(texts, within=width, height=height, size=size, bold=bold)
    return [
        Text(x=x, y=y + round(n * size * LEADING), size=size, text=t, bold=bold) for n, t in enumerate(lines)
    ]


def _rule(y: int) -> Rule:
    return Rule(x=_MARGIN, y=y, width=_INSIDE, height=3)

"""A return to send and a decoder to read what was printed, for the tests of carriers and documents."""

from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import pypdfium2
import zxingcpp
from PIL import Image

from portal.core.addresses import Address
from portal.core.shipping import PackedItem, Parcel, ShipmentRequest

NOW = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)
"""A Tuesday morning."""

CUSTOMER = Address(
    name="Demo Customer", street=("Demostraße 1",), postcode="10115", city="Berlin", country="DE"
)
WAREHOUSE = Address(
    name="Returns",
    company="Demo Shop",
    street=("Lagerweg 5",),
    postcode="20095",
    city="Hamburg",
    country="DE",
)


def a_request(**changes: Any) -> ShipmentRequest:
    """A parcel of 1.25 kg within Germany, with ``changes``."""
    request = ShipmentRequest(
        rma="RMA-7K3M-9QX1",
        reference="#1001",
        sender=CUSTOMER,
        recipient=WAREHOUSE,
        parcel=Parcel(weight_g=1250),
        items=(PackedItem(title="Demo shirt", sku="TS-M", units=2, authorization_code="AC-0000-0000"),),
        currency="EUR",
        now=NOW,
        ship_by=date(2026, 12, 4),
    )
    return replace(request, **changes)


def codes_of(content: bytes, format: str) -> set[tuple[str, str]]:
    """(kind, text) of every symbol on every page, as a scanner of 203 dpi sees them."""
    pictures = [Image.open(BytesIO(content))] if format == "png" else _pages(content)
    read = [symbol for picture in pictures for symbol in zxingcpp.read_barcodes(picture.convert("L"))]
    return {(symbol.format.name, symbol.text) for symbol in read}


def bars_of(content: bytes) -> list[str]:
    """What the bars on each page of a PDF say, in the order of the pages."""
    return [
        symbol.text
        for picture in _pages(content)
        for symbol in zxingcpp.read_barcodes(picture.convert("L"))
        if symbol.format.name == "Code128"
    ]


def text_of(pdf: bytes) -> str:
    """The text of every page, as a reader would copy it, its blanks put right."""
    document = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_bounded() for page in document]
    document.close()
    return " ".join(" ".join(texts).split())


def _pages(pdf: bytes) -> list[Image.Image]:
    document = pypdfium2.PdfDocument(pdf)
    pictures = [page.render(scale=203 / 72).to_pil() for page in document]
    document.close()
    return pictures

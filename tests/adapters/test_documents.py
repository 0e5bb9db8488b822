"""Packing slip, receipt and QR codes: what they say and that they can be read."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from io import BytesIO

import pypdfium2
import pytest
import zxingcpp
from PIL import Image

from portal.adapters.documents.papers import Papers
from portal.core.documents import PackingSlip, Receipt, ReceiptRow, ReceiptStep
from portal.core.shipping import PackedItem
from tests.adapters.parcels import CUSTOMER, WAREHOUSE, codes_of, text_of

PAPERS = Papers()
ITEMS = (
    PackedItem(title="Demo shirt, blue", sku="TS-M-BLU", units=2, authorization_code="AC-0000-0000"),
    PackedItem(title="Κούπα επίδειξης", sku="MUG", units=1, authorization_code="AC-ZZZZ-ZZZZ"),
)
RECEIPT = Receipt(
    rma="RMA-7K3M-9QX1",
    merchant="Demo Shop",
    order_number="#1001",
    issued_on=date(2026, 11, 20),
    customer=CUSTOMER,
    recipient=WAREHOUSE,
    items=ITEMS,
    rows=(
        ReceiptRow(label="Demo shirt, blue × 2", amount="€39.80"),
        ReceiptRow(label="Return postage", amount="−€3.90", note="You keep part of the order"),
        ReceiptRow(label="Refund", amount="€35.90", total=True),
    ),
    rows_note="An estimate until the goods were inspected.",
    steps=(ReceiptStep(text="Send the parcel", when="by 4 December 2026"), ReceiptStep(text="We inspect it")),
    sending="House courier",
    tracking_number="RB123456785GB",
    status_url="https://shop.example.com/s/abc",
    contact="help@shop.example.com",
)
SLIP = PackingSlip(
    rma="RMA-7K3M-9QX1",
    merchant="Demo Shop",
    order_number="#1001",
    customer="Demo Customer",
    recipient=WAREHOUSE,
    items=ITEMS,
    ship_by=date(2026, 12, 4),
)


def test_the_receipt_says_everything_the_customer_has_to_keep():
    said = text_of(PAPERS.receipt(RECEIPT, language="en").content)
    for part in (
        "RMA-7K3M-9QX1", "#1001", "20 Nov 2026", "Demo shirt, blue", "Κούπα επίδειξης",
        "AC-0000-0000", "AC-ZZZZ-ZZZZ",
        "€39.80", "−€3.90", "You keep part of the order", "€35.90", "An estimate until", "1. Send the parcel",
        "by 4 December 2026", "RB 1234 5678 5 GB", "Demostraße 1", "20095 Hamburg", "https://shop.example.com/s/abc",
    ):  # fmt: skip
        assert part in said, part


def test_the_receipt_s_code_is_the_return_number():
    assert codes_of(PAPERS.receipt(RECEIPT, language="en").content, "pdf") == {("QRCode", "RMA-7K3M-9QX1")}


def test_a_receipt_without_refund_rows_or_addresses_leaves_their_headings_out():
    bare = replace(
        RECEIPT, rows=(), rows_note="", steps=(), customer=None, recipient=None, sending="", contact=""
    )
    said = text_of(PAPERS.receipt(bare, language="en").content)
    assert "What you get back" not in said
    assert "What happens next" not in said
    assert "From:" not in said


def test_a_receipt_of_many_items_runs_over_pages_and_loses_none():
    many = tuple(
        replace(ITEMS[0], title=f"Demo thing number {n} " + "long " * 12, sku=f"S-{n}") for n in range(80)
    )
    content = PAPERS.receipt(replace(RECEIPT, items=many), language="en").content
    assert len(pypdfium2.PdfDocument(content)) > 2
    said = text_of(content)
    assert all(f"Demo thing number {n} long" in said for n in range(80))
    assert "€35.90" in said


def test_a_packing_slip_of_many_items_runs_over_pages_and_keeps_its_code():
    many = tuple(replace(ITEMS[0], title=f"Demo thing {n}.") for n in range(120))
    content = PAPERS.packing_slip(replace(SLIP, items=many), language="en").content
    assert len(pypdfium2.PdfDocument(content)) > 1
    assert all(f"Demo thing {n}." in text_of(content) for n in range(120))
    assert codes_of(content, "pdf") == {("QRCode", "RMA-7K3M-9QX1")}


def test_the_packing_slip_says_what_should_be_inside():
    said = text_of(PAPERS.packing_slip(SLIP, language="en").content)
    for part in (
        "RMA-7K3M-9QX1",
        "#1001",
        "Demo Customer",
        "Lagerweg 5",
        "TS-M-BLU",
        "AC-0000-0000",
        "4 Dec 2026",
    ):
        assert part in said, part


def test_papers_are_written_in_the_language_asked_for():
    words = {
        "de": {
            "Return receipt": "Rücksendebeleg",
            "Packing slip": "Packzettel",
            "What you get back": "Erstattung",
        }
    }
    papers = Papers(translate=lambda language: lambda text: words.get(language, {}).get(text, text))
    receipt = papers.receipt(RECEIPT, language="de").content
    assert {"Rücksendebeleg", "Erstattung", "20.11.2026"} <= set(text_of(receipt).split())
    assert "Packzettel" in text_of(papers.packing_slip(SLIP, language="de").content)
    assert "Return receipt" in text_of(papers.receipt(RECEIPT, language="en").content)


@pytest.mark.parametrize("language", ["en", "de", "fr", "en-GB", "pt-BR"])
def test_every_language_tag_makes_a_document(language):
    assert PAPERS.receipt(RECEIPT, language=language).content.startswith(b"%PDF-")


@pytest.mark.parametrize(("size", "points"), [("a4", (595, 842)), ("letter", (612, 792))])
def test_papers_have_the_size_asked_for(size, points):
    for document in (
        PAPERS.receipt(RECEIPT, language="en", size=size),
        PAPERS.packing_slip(SLIP, language="en", size=size),
    ):
        assert document.size == size
        assert tuple(round(n) for n in pypdfium2.PdfDocument(document.content)[0].get_size()) == points


def test_the_same_paper_is_the_same_bytes():
    assert PAPERS.receipt(RECEIPT, language="de") == PAPERS.receipt(RECEIPT, language="de")
    assert PAPERS.packing_slip(SLIP, language="de") == PAPERS.packing_slip(SLIP, language="de")


@pytest.mark.parametrize("text", ["RB123456785GB", "https://shop.example.com/l/" + "x" * 60, "Zażółć Αθήνα"])
def test_a_qr_picture_reads_back(text):
    assert codes_of(PAPERS.qr_png(text), "png") == {("QRCode", text)}


@pytest.mark.parametrize("text", ["RB123456785GB", "https://shop.example.com/l/" + "x" * 60])
def test_the_modules_of_the_svg_read_back(text):
    picture = drawn(ET.fromstring(PAPERS.qr_svg(text)))  # noqa: S314
    assert [s.text for s in zxingcpp.read_barcodes(picture)] == [text]


def test_the_svg_needs_nothing_a_strict_content_policy_forbids():
    svg = PAPERS.qr_svg("x", title='Your "code" <1>')
    root = ET.fromstring(svg)  # noqa: S314
    for element in root.iter():
        assert element.tag.rpartition("}")[2] in ("svg", "rect", "path")
        assert not {"style", "class"} & set(element.attrib)
        assert not any(name.startswith("on") or "href" in name for name in element.attrib)
    assert (root.get("role"), root.get("aria-label")) == ("img", 'Your "code" <1>')


def test_an_unnamed_svg_is_hidden_from_screen_readers():
    assert 'aria-hidden="true"' in PAPERS.qr_svg("x")


def drawn(svg):
    """The picture of our own simple paths: ``M<x> <y>h<wide>v1h-<wide>z`` on a square view box."""
    side = int(svg.get("viewBox").split()[2])
    image = Image.new("L", (side, side), 255)
    for run in next(e for e in svg if e.tag.endswith("path")).get("d").strip("M").split("M"):
        place, _, rest = run.partition("h")
        x, y = map(int, place.split())
        for n in range(int(rest.partition("v")[0])):
            image.putpixel((x + n, y), 0)
    file = BytesIO()
    image.resize((side * 5, side * 5), Image.Resampling.NEAREST).save(file, "PNG")
    return Image.open(file)

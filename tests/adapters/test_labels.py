"""Labels are read back as a scanner reads them, in every format."""

import re
from dataclasses import replace
from datetime import date
from io import BytesIO

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from portal.adapters.carriers.house import packing_slip_of
from portal.adapters.documents import label as labels
from portal.adapters.documents import slip
from portal.adapters.documents.fonts import LEADING, fitted, printable, width
from portal.adapters.documents.label import HEIGHT, WIDTH, Label
from portal.adapters.documents.marks import QUIET, Bars, Qr, Text, code128
from portal.core.shipping import s10_number
from tests.adapters.parcels import a_request, codes_of, text_of

NUMBERS = [
    "RB123456785GB",
    "1Z999AA10123456784",
    "9400111202555842332669",
    "420221539101026837331000039521",
    "106141411234567897",
    s10_number("RA", 0, "XA"),
]


def same(text):
    return text


def a_label(**changes):
    label = Label(
        carrier="House courier",
        service="Parcel",
        number="RB123456785GB",
        rma="RMA-7K3M-9QX1",
        reference="#1001",
        sender=("Demo Customer", "Demostraße 1", "10115 Berlin"),
        recipient=("Demo Shop Returns", "Lagerweg 5", "20095 Hamburg"),
        weight_g=1250,
        ship_by=date(2026, 12, 4),
        qr="https://shop.example.com/t/RB123456785GB",
        notice="Not valid as postage.",
    )
    return replace(label, **changes)


def made(label, translate=same):
    return {d.format: d.content for d in labels.documents(label, translate)}


@pytest.mark.parametrize("number", NUMBERS)
def test_pdf_and_png_read_back_as_the_number_and_the_address_of_tracking(number):
    label = a_label(number=number, qr=f"https://shop.example.com/t/{number}")
    content = made(label)
    for format in ("pdf", "png"):
        assert codes_of(content[format], format) == {("Code128", number), ("QRCode", label.qr)}


@pytest.mark.parametrize("number", NUMBERS)
def test_zpl_gives_the_printer_the_same_data(number):
    zpl = made(a_label(number=number, qr="RMA-7K3M-9QX1"))["zpl"].decode()
    assert re.search(rf"\^BY\d\^BCN,190,N,N,N,A\^FH_\^FD{number}\^FS", zpl)
    assert re.search(r"\^BQN,2,\d\^FH_\^FDMA,RMA-7K3M-9QX1\^FS", zpl)
    assert zpl.startswith("^XA")
    assert zpl.rstrip().endswith("^XZ")
    assert f"^PW{WIDTH}" in zpl
    assert f"^LL{HEIGHT}" in zpl


def test_commands_of_the_printer_language_in_a_name_stay_text():
    zpl = made(a_label(sender=("Demo ^XZ~JR_\\ Customer",)))["zpl"].decode()
    assert "^FDDemo _5EXZ_7EJR_5F_5C Customer^FS" in zpl
    assert zpl.count("^XZ") == 1


def test_zpl_sends_names_beyond_ascii_as_pictures_of_them():
    zpl = made(a_label(recipient=("Αθήνα Москва",)))["zpl"].decode()
    assert zpl.isascii()
    total, per_row, dots = re.search(r"\^GFA,(\d+),\d+,(\d+),([0-9A-F]+)\^FS", zpl).groups()
    assert len(dots) == 2 * int(total)
    assert int(total) % int(per_row) == 0
    assert set(dots) != {"0"}


def test_the_picture_is_four_by_six_inches_at_203_dpi():
    picture = Image.open(BytesIO(made(a_label())["png"]))
    assert picture.size == (812, 1218)
    assert [round(d) for d in picture.info["dpi"]] == [203, 203]


def test_bars_are_wide_and_high_enough_and_have_their_quiet_zones():
    for number in NUMBERS:
        drawn = labels.marks(a_label(number=number), same)
        (bars,) = [m for m in drawn if isinstance(m, Bars)]
        wide = bars.module * len(code128(number))
        assert bars.x >= QUIET * bars.module
        assert bars.x + wide + QUIET * bars.module <= WIDTH
        assert bars.height >= 100  # 12.5 mm
        if len(number) == 13:
            assert bars.module >= 3  # 0.375 mm; S10 asks for 0.33
        (qr,) = [m for m in drawn if isinstance(m, Qr)]
        assert qr.x >= 4 * qr.module


def test_the_same_label_is_the_same_bytes():
    assert made(a_label()) == made(a_label())


def test_what_the_label_says_is_in_the_pdf_in_the_reader_s_language():
    german = {
        "From": "Von",
        "To": "An",
        "Weight": "Gewicht",
        "Ship by": "Versenden bis",
        "RETURN": "RÜCKSENDUNG",
    }
    said = text_of(made(a_label(language="de"), lambda text: german.get(text, text))["pdf"])
    for part in (
        "Von",
        "An",
        "Gewicht",
        "1,25 kg",
        "04.12.2026",
        "RÜCKSENDUNG",
        "RMA-7K3M-9QX1",
        "Demostraße 1",
    ):
        assert part in said


@pytest.mark.parametrize(
    "name",
    ["Zażółć Gęślą-Jaźń", "Αθήνα Παπαδόπουλος", "Москва Щукин", "Müller-Lüdenscheidt", "Ðorđe Þórsson"],
)
def test_names_of_many_scripts_print(name):
    assert name in text_of(made(a_label(sender=(name, "Demo 1")))["pdf"])


LONG = (
    "Demo Gesellschaft für außergewöhnlich lange Firmennamen und Rücksendungen mbH & Co. "
    "Kommanditgesellschaft auf Aktien"
)


def test_a_long_name_is_wrapped_or_shrunk_and_never_cut():
    said = text_of(made(a_label(recipient=(LONG, "x" * 80, *(f"Line {n}" for n in range(8)))))["pdf"])
    assert LONG in said
    assert "x" * 80 in said.replace(" ", "")
    assert "Line 7" in said


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=80), max_size=7))
def test_no_address_leaves_its_box_or_loses_a_letter(texts):
    size, lines = fitted(texts, within=748, height=232, size=40, bold=True)
    assert len(lines) * size * LEADING <= 232
    assert all(width(line, size, bold=True) <= 748 for line in lines)
    before = "".join("".join(t.split()) for t in map(printable, texts))
    assert "".join("".join(line.split()) for line in lines) == before


def test_no_text_of_a_label_reaches_over_its_edge():
    drawn = labels.marks(
        a_label(recipient=(LONG,), sender=(LONG,), notice=LONG * 3, service=LONG, reference="R" * 40), same
    )
    for mark in drawn:
        if isinstance(mark, Text):
            assert mark.x + width(mark.text, mark.size, bold=mark.bold) <= WIDTH
            assert mark.y + mark.size <= HEIGHT


@pytest.mark.parametrize("size", ["a4", "letter"])
def test_the_sheet_has_the_label_above_and_the_slip_s_code_below(size):
    sheet = slip.label_and_slip(
        a_label(), packing_slip_of(a_request()), ("Demo Shop", "20095 Hamburg"), size=size, _=same
    )
    assert codes_of(sheet.content, "pdf") == {
        ("Code128", "RB123456785GB"),
        ("QRCode", "https://shop.example.com/t/RB123456785GB"),
        ("QRCode", "RMA-7K3M-9QX1"),
    }
    assert "Cut here" in text_of(sheet.content)


def test_the_label_on_the_sheet_is_as_large_as_the_one_alone():
    sheet = slip.label_and_slip(a_label(), packing_slip_of(a_request()), (), size="a4", _=same)
    page = pypdfium2.PdfDocument(sheet.content)[0]
    picture = page.render(scale=203 / 72).to_pil().convert("L")
    corners = [s.position for s in zxingcpp.read_barcodes(picture) if s.format.name == "Code128"][0]
    ends = [corners.top_left, corners.bottom_right, corners.top_right, corners.bottom_left]
    along = max(p.y for p in ends) - min(p.y for p in ends)
    assert along == pytest.approx(4 * len(code128("RB123456785GB")), abs=4)

"""Credit notes as UBL and as PDF: the rules an accounting system checks, and that both say the same.

The XML was held once against the UBL 2.1 schemas and the rules of EN 16931; what those rules ask of this kind of
document is stated here in our own words.
"""

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import pypdfium2
import pytest

from portal.adapters.documents import build as build_documents
from portal.core.credit_notes import CreditNote, build, number_of, reversal
from portal.words import LANGUAGES
from tests.core.made import a_line, an_order, quoted, want
from tests.core.test_credit_notes import a_note, an_exchange, heading, vat

NAMES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "cn": "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2",
    "inv": "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2",
}
DOCUMENTS = build_documents()


def a_reversal() -> CreditNote:
    return reversal(a_note(), number=number_of(2), issued_on=date(2026, 4, 1))


def exchanged() -> CreditNote:
    return build(*an_exchange(), heading())


def in_yen() -> CreditNote:
    order = an_order(a_line(1, units=3, goods=1000, taxes=vat(91, "JCT", 100_000)), currency="JPY")
    return build(quoted(order, want(1, 2)), order, heading())


NOTES = {"a note": a_note, "a reversal": a_reversal, "an exchange": exchanged, "yen": in_yen}


def xml(note: CreditNote) -> ET.Element:
    return ET.fromstring(DOCUMENTS.credit_note(note, format="xml").content)  # noqa: S314  our own


def texts(root: ET.Element, path: str) -> list[str]:
    return [found.text or "" for found in root.findall(path, NAMES)]


def one(root: ET.Element, path: str) -> str:
    (found,) = texts(root, path)
    return found


def sums(root: ET.Element, path: str) -> Decimal:
    return sum((Decimal(text) for text in texts(root, path)), Decimal(0))


@pytest.mark.parametrize("made", NOTES.values(), ids=NOTES)
def test_sums_of_the_document_hold(made: Any) -> None:
    note, root = made(), xml(made())
    lines = sums(root, "cac:CreditNoteLine/cbc:LineExtensionAmount")
    lines += sums(root, "cac:InvoiceLine/cbc:LineExtensionAmount")
    total = {name: sums(root, f"cac:LegalMonetaryTotal/cbc:{name}") for name in (
        "LineExtensionAmount", "AllowanceTotalAmount", "ChargeTotalAmount", "TaxExclusiveAmount",
        "TaxInclusiveAmount", "PrepaidAmount", "PayableAmount",
    )}  # fmt: skip
    signed = {"false": Decimal(0), "true": Decimal(0)}
    for change in root.findall("cac:AllowanceCharge", NAMES):
        signed[one(change, "cbc:ChargeIndicator")] += Decimal(one(change, "cbc:Amount"))
    assert total["LineExtensionAmount"] == lines
    assert total["AllowanceTotalAmount"] == signed["false"]
    assert total["ChargeTotalAmount"] == signed["true"]
    net = lines - signed["false"] + signed["true"]
    tax = Decimal(one(root, "cac:TaxTotal/cbc:TaxAmount"))
    assert total["TaxExclusiveAmount"] == net
    assert total["TaxInclusiveAmount"] == net + tax
    assert total["PayableAmount"] == net + tax - total["PrepaidAmount"]
    assert tax == sums(root, "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxAmount")
    assert net == sums(root, "cac:TaxTotal/cac:TaxSubtotal/cbc:TaxableAmount")
    assert total["PayableAmount"] == Decimal(note.payable).scaleb(0 if note.currency == "JPY" else -2)


@pytest.mark.parametrize("made", NOTES.values(), ids=NOTES)
def test_a_tax_subtotal_is_the_sum_of_what_is_in_its_category_and_rate(made: Any) -> None:
    root = xml(made())
    held: dict[tuple[str, str], Decimal] = {}

    def add(category: ET.Element | None, amount: Decimal) -> None:
        assert category is not None
        key = (one(category, "cbc:ID"), one(category, "cbc:Percent"))
        held[key] = held.get(key, Decimal(0)) + amount

    for line in [*root.findall("cac:CreditNoteLine", NAMES), *root.findall("cac:InvoiceLine", NAMES)]:
        category = line.find("cac:Item/cac:ClassifiedTaxCategory", NAMES)
        add(category, Decimal(one(line, "cbc:LineExtensionAmount")))
    for change in root.findall("cac:AllowanceCharge", NAMES):
        sign = 1 if one(change, "cbc:ChargeIndicator") == "true" else -1
        add(change.find("cac:TaxCategory", NAMES), sign * Decimal(one(change, "cbc:Amount")))
    told = {
        (one(part, "cac:TaxCategory/cbc:ID"), one(part, "cac:TaxCategory/cbc:Percent")): Decimal(
            one(part, "cbc:TaxableAmount")
        )
        for part in root.findall("cac:TaxTotal/cac:TaxSubtotal", NAMES)
    }
    assert told == held


@pytest.mark.parametrize("made", NOTES.values(), ids=NOTES)
def test_line_amounts_follow_from_price_and_quantity_and_none_is_negative(made: Any) -> None:
    root = xml(made())
    for line in [*root.findall("cac:CreditNoteLine", NAMES), *root.findall("cac:InvoiceLine", NAMES)]:
        units = Decimal(one(line, "cbc:CreditedQuantity") if line.tag.endswith("CreditNoteLine") else
                        one(line, "cbc:InvoicedQuantity"))  # fmt: skip
        price = Decimal(one(line, "cac:Price/cbc:PriceAmount"))
        base = Decimal(one(line, "cac:Price/cbc:BaseQuantity"))
        assert Decimal(one(line, "cbc:LineExtensionAmount")) == units * price / base
        assert units > 0 <= price
    amounts = [found for found in root.iter() if found.get("currencyID")]
    taxable = f"{{{NAMES['cbc']}}}TaxableAmount"
    assert all(Decimal(found.text or "") >= 0 for found in amounts if found.tag != taxable)
    currency = one(root, "cbc:DocumentCurrencyCode")
    assert {found.get("currencyID") for found in amounts} == {currency}
    decimals = r"-?\d+" if currency == "JPY" else r"-?\d+\.\d\d"
    assert all(re.fullmatch(decimals, found.text or "") for found in amounts)


def test_a_credit_note_is_type_381_and_names_the_bill_the_order_line_and_the_return() -> None:
    root = xml(a_note())
    assert root.tag == f"{{{NAMES['cn']}}}CreditNote"
    assert one(root, "cbc:CreditNoteTypeCode") == "381"
    assert one(root, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID") == "1001"
    lines = root.findall("cac:CreditNoteLine", NAMES)
    assert texts(root, "cac:CreditNoteLine/cac:OrderLineReference/cbc:LineID") == ["1", "2", "3", "90"]
    for line in lines:
        assert one(line, "cac:DocumentReference/cbc:DocumentTypeCode") == "130"
        assert one(line, "cac:DocumentReference/cbc:ID").startswith("RMA-DEMO-0001/")
        assert line.find("cac:BillingReference", NAMES) is None


def test_what_bears_no_tax_says_why_in_its_subtotal() -> None:
    root = xml(a_note())
    exempt = [
        part.find("cac:TaxCategory", NAMES) for part in root.findall("cac:TaxTotal/cac:TaxSubtotal", NAMES)
    ]
    told = {one(part, "cbc:ID"): texts(part, "cbc:TaxExemptionReason") for part in exempt if part is not None}
    assert told["E"] and told["S"] == []


def test_a_note_that_is_taken_back_is_an_invoice_that_names_it_and_asks_for_nothing() -> None:
    root = xml(a_reversal())
    assert root.tag == f"{{{NAMES['inv']}}}Invoice"
    assert one(root, "cbc:InvoiceTypeCode") == "384"
    assert one(root, "cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID") == "CN-000001"
    assert Decimal(one(root, "cac:LegalMonetaryTotal/cbc:PayableAmount")) == 0


def test_sales_taxes_of_one_line_stand_side_by_side_by_name() -> None:
    taxes = (*vat(600, "State", 60_000), *vat(225, "County", 22_500))
    order = an_order(a_line(1, goods=10_000, taxes=taxes, prices_include_tax=False))
    note = build(quoted(order, want(1)), order, heading())
    there = replace(note.seller, address=replace(note.seller.address, country="US"))
    root = xml(replace(note, seller=there))
    assert texts(root, "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:Name") == ["State", "County"]
    assert texts(root, "cac:TaxTotal/cac:TaxSubtotal/cac:TaxCategory/cbc:Percent") == ["6", "2.25"]
    assert set(texts(root, ".//cac:TaxScheme/cbc:ID")) == {"STT"}


def test_no_character_of_a_name_breaks_the_document() -> None:
    order = an_order(replace(a_line(1), name="Mug <&> \x00\x0b\ud800 \U0001f375 ]]>"))
    note = build(quoted(order, want(1)), order, heading())
    assert one(xml(note), "cac:CreditNoteLine/cac:Item/cbc:Name") == "Mug <&> \U0001f375 ]]>"
    assert DOCUMENTS.credit_note(note).content.startswith(b"%PDF")


@pytest.mark.parametrize("made", NOTES.values(), ids=NOTES)
@pytest.mark.parametrize("format", ["xml", "pdf"])
def test_the_same_note_gives_the_same_bytes(made: Any, format: str) -> None:
    first, second = (DOCUMENTS.credit_note(made(), format=format).content for _ in range(2))
    assert first == second


def printed(note: CreditNote) -> str:
    document = pypdfium2.PdfDocument(DOCUMENTS.credit_note(note).content)
    text = "\n".join(page.get_textpage().get_text_range() for page in document)
    return " ".join(text.replace("\N{NO-BREAK SPACE}", " ").split())


def test_the_paper_says_what_the_file_says() -> None:
    note, text = a_note(), printed(a_note())
    root = xml(note)
    for told in (
        "CN-000001",
        "RMA-DEMO-0001",
        "RF-DEMO-0001",
        "1001",
        note.seller.tax_number,
        "Demo Customer",
    ):
        assert told in text
    for amount in texts(root, ".//cac:TaxSubtotal/cbc:TaxAmount") + texts(
        root, "cac:LegalMonetaryTotal/cbc:PayableAmount"
    ):
        assert amount in text
    for name in texts(root, "cac:CreditNoteLine/cac:Item/cbc:Name"):
        assert name in text
    assert "Restocking fee: Thing 1" in text and "Goodwill" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_paper_is_written_in_each_language(language: str) -> None:
    text = printed(replace(a_note(), language=language))
    assert "CN-000001" in text and "%(" not in text
    back = printed(replace(a_reversal(), language=language))
    assert "CN-000002" in back and "CN-000001" in back and "%(" not in back


def test_a_long_note_goes_over_several_pages_and_loses_nothing() -> None:
    lines = [a_line(number, goods=1000 + number, taxes=vat(160)) for number in range(1, 80)]
    order = an_order(*lines)
    note = build(quoted(order, *(want(number) for number in range(1, 80))), order, heading())
    assert len(pypdfium2.PdfDocument(DOCUMENTS.credit_note(note).content)) > 1
    text = printed(note)
    assert all(f"SKU-{number} " in text for number in range(1, 80))

"""Credit notes as UBL 2.1: a CreditNote (type 381), or for one that is taken back an Invoice (type 384).

The rules it keeps are those of EN 16931: sums of lines, allowances, charges and taxes; a reference to the
invoice that is credited at the document, to the order's line and to the return at each line. Amounts are
never negative. The same note gives the same bytes.
"""

from decimal import Decimal
from xml.etree import ElementTree as ET

from portal.core.credit_notes import (
    OTHER,
    REVERSAL,
    UNTAXED,
    Change,
    CreditNote,
    NoteLine,
    NoteTax,
    Party,
)
from portal.core.money import Minor, major
from portal.words import Words
from portal.words.catalogue import N_
from portal.words.refunds import LABELS

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
ROOT = "urn:oasis:names:specification:ubl:schema:xsd:{}-2"
CUSTOMIZATION = "urn:cen.eu:en16931:2017"
RETURN_NUMBER = "130"
"""UN/ECE 1001: invoicing data sheet, under which EN 16931 has the object a line belongs to (BT-128)."""

SCHEMES = {
    "US": "STT",
    **dict.fromkeys(("AU", "CA", "IN", "NZ", "SG"), "GST"),
}
"""UN/ECE 5153, by the seller's country; everywhere else it is VAT."""

TAKES_BACK = N_("This takes back credit note %(number)s, whose refund could not be paid.")
NO_TAX = N_("No tax was charged on this")
OTHER_DEDUCTION = N_("Other deduction")


def credit_note(note: CreditNote, *, words: Words) -> bytes:
    """The note as an XML document in UTF-8."""
    return _Writer(note, words).written()


class _Writer:
    """Writes one note; every method adds what it names to ``into``."""

    def __init__(self, note: CreditNote, words: Words) -> None:
        self.note, self._ = note, words.gettext
        self.is_reversal = note.kind == REVERSAL
        self.root_name = "Invoice" if self.is_reversal else "CreditNote"
        self.scheme = SCHEMES.get(note.seller.address.country, "VAT")

    def written(self) -> bytes:
        note = self.note
        namespace = ROOT.format(self.root_name)
        root = ET.Element(f"{{{namespace}}}{self.root_name}")
        self.text(root, "CustomizationID", CUSTOMIZATION)
        self.text(root, "ID", note.number)
        self.text(root, "IssueDate", note.issued_on.isoformat())
        if self.is_reversal:
            self.text(root, "InvoiceTypeCode", "384")
            self.text(root, "Note", self._(TAKES_BACK, number=note.reverses))
        else:
            self.text(root, "CreditNoteTypeCode", "381")
        self.text(root, "DocumentCurrencyCode", note.currency)
        self.text(self.group(root, "OrderReference"), "ID", note.order_number)
        billed = self.group(self.group(root, "BillingReference"), "InvoiceDocumentReference")
        self.text(billed, "ID", note.reverses or note.order_number)
        if not self.is_reversal:
            self.text(billed, "IssueDate", note.ordered_on.isoformat())
        self.party(self.group(root, "AccountingSupplierParty"), note.seller)
        self.party(self.group(root, "AccountingCustomerParty"), note.buyer)
        for change in note.deductions:
            self.change(root, change, charge=False)
        for change in note.additions:
            self.change(root, change, charge=True)
        self.taxes(root)
        self.totals(root)
        for line in note.lines:
            self.line(root, line)
        ET.register_namespace("cac", CAC)
        ET.register_namespace("cbc", CBC)
        ET.indent(root)
        body = ET.tostring(root, encoding="unicode", default_namespace=None)
        # The root's own namespace is the default one, as readers of UBL expect; ElementTree numbers it.
        body = body.replace(f'xmlns:ns0="{namespace}"', f'xmlns="{namespace}"')
        body = body.replace("<ns0:", "<").replace("</ns0:", "</")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode()

    def text(self, into: ET.Element, name: str, value: str, **attributes: str) -> None:
        ET.SubElement(into, f"{{{CBC}}}{name}", attributes).text = _clean(value)

    def group(self, into: ET.Element, name: str) -> ET.Element:
        return ET.SubElement(into, f"{{{CAC}}}{name}")

    def amount(self, into: ET.Element, name: str, value: Minor) -> None:
        currency = self.note.currency
        self.text(into, name, f"{major(value, currency):f}", currencyID=currency)

    def party(self, into: ET.Element, told: Party) -> None:
        party = self.group(into, "Party")
        address = told.address
        postal = self.group(party, "PostalAddress")
        fields = (("StreetName", 0), ("AdditionalStreetName", 1))
        for name, place in fields:
            if len(address.street) > place:
                self.text(postal, name, address.street[place])
        for name, value in (("CityName", address.city), ("PostalZone", address.postcode)):
            if value:
                self.text(postal, name, value)
        if address.region:
            self.text(postal, "CountrySubentity", address.region)
        for rest in address.street[2:3]:
            self.text(self.group(postal, "AddressLine"), "Line", rest)
        self.text(self.group(postal, "Country"), "IdentificationCode", address.country)
        if told.tax_number:
            tax = self.group(party, "PartyTaxScheme")
            self.text(tax, "CompanyID", told.tax_number)
            self.text(self.group(tax, "TaxScheme"), "ID", self.scheme)
        self.text(self.group(party, "PartyLegalEntity"), "RegistrationName", told.name)
        if told.email:
            self.text(self.group(party, "Contact"), "ElectronicMail", told.email)

    def change(self, into: ET.Element, change: Change, *, charge: bool) -> None:
        """A deduction (an allowance: it lowers the credit), or what is given on top (a charge)."""
        group = self.group(into, "AllowanceCharge")
        self.text(group, "ChargeIndicator", "true" if charge else "false")
        reason = self._(OTHER_DEDUCTION if change.code == OTHER else LABELS[change.code])
        self.text(group, "AllowanceChargeReason", f"{reason}: {change.name}" if change.name else reason)
        self.amount(group, "Amount", change.amount)
        self.category(group, "TaxCategory", NoteTax(label=UNTAXED, rate_ppm=0, taxable=0, amount=0))

    def category(self, into: ET.Element, name: str, tax: NoteTax, *, exempt: bool = False) -> None:
        group = self.group(into, name)
        self.text(group, "ID", tax.category)
        if tax.label != UNTAXED and (self.scheme != "VAT" or tax.rate_ppm is None):
            self.text(group, "Name", tax.label)  # a rate of VAT says it all; several sales taxes need names
        if tax.rate_ppm is not None:
            self.text(group, "Percent", percent(tax.rate_ppm))
        if exempt and tax.label == UNTAXED:
            self.text(group, "TaxExemptionReason", self._(NO_TAX))
        self.text(self.group(group, "TaxScheme"), "ID", self.scheme)

    def taxes(self, into: ET.Element) -> None:
        total = self.group(into, "TaxTotal")
        self.amount(total, "TaxAmount", self.note.tax)
        for tax in self.note.taxes:
            subtotal = self.group(total, "TaxSubtotal")
            self.amount(subtotal, "TaxableAmount", tax.taxable)
            self.amount(subtotal, "TaxAmount", tax.amount)
            self.category(subtotal, "TaxCategory", tax, exempt=True)

    def totals(self, into: ET.Element) -> None:
        note = self.note
        total = self.group(into, "LegalMonetaryTotal")
        self.amount(total, "LineExtensionAmount", note.lines_net)
        self.amount(total, "TaxExclusiveAmount", note.net)
        self.amount(total, "TaxInclusiveAmount", note.total)
        if note.deductions:
            self.amount(total, "AllowanceTotalAmount", note.deducted)
        if note.additions:
            self.amount(total, "ChargeTotalAmount", note.added)
        if note.total != note.payable:
            self.amount(total, "PrepaidAmount", note.total - note.payable)
        self.amount(total, "PayableAmount", note.payable)

    def line(self, into: ET.Element, line: NoteLine) -> None:
        group = self.group(into, f"{self.root_name}Line")
        self.text(group, "ID", str(line.number))
        quantity = "InvoicedQuantity" if self.is_reversal else "CreditedQuantity"
        self.text(group, quantity, str(line.units), unitCode="C62")
        self.amount(group, "LineExtensionAmount", line.net)
        self.text(self.group(group, "OrderLineReference"), "LineID", str(line.order_line))
        if self.note.return_number:
            reference = self.group(group, "DocumentReference")
            self.text(reference, "ID", f"{self.note.return_number}/{line.number}")
            self.text(reference, "DocumentTypeCode", RETURN_NUMBER)
        item = self.group(group, "Item")
        self.text(item, "Name", line.name)
        if line.sku:
            self.text(self.group(item, "SellersItemIdentification"), "ID", line.sku)
        bare = NoteTax(label=UNTAXED, rate_ppm=0, taxable=line.net, amount=0)
        for tax in line.taxes or (bare,):
            self.category(item, "ClassifiedTaxCategory", tax)
        price = self.group(group, "Price")
        self.amount(price, "PriceAmount", line.net)
        self.text(price, "BaseQuantity", str(line.units), unitCode="C62")


def percent(rate_ppm: int) -> str:
    """Parts per million as a percentage, without needless zeros: 190000 is 19."""
    return f"{Decimal(rate_ppm).scaleb(-4).normalize():f}"


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    kept = "".join(
        c if c in "\t\n" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else " "
        for c in text
    )
    return " ".join(kept.split())

"""ISO 20022 credit transfers (pain.001.001.09) for the SEPA area, and the check of its account numbers."""

import re
from datetime import UTC
from typing import Final
from xml.etree import ElementTree

from sepaxml import SepaTransfer
from sepaxml.validation import try_valid_xml
from stdnum import bic as bics
from stdnum import iban as ibans
from stdnum.exceptions import ValidationError
from text_unidecode import unidecode

from portal.core.bank import BankAccount, BankTransfer, TransferOrder
from portal.ports import Declined

SCHEMA: Final = "pain.001.001.09"
NAMESPACE: Final = f"urn:iso:std:iso:20022:tech:xsd:{SCHEMA}"

_SEPA: Final = (
    "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT "
    "RO RS SE SI SK SM VA"
)
SEPA: Final = frozenset(_SEPA.split())
"""Countries whose account numbers begin a SEPA credit transfer (list of the European Payments Council)."""

LETTERS: Final = {
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "&": "+", "_": "-",
}  # fmt: skip
"""What these languages write for a letter that the interbank character set does not have."""

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")


class Pain001:
    """Files that a bank takes: checked against the schema before anybody sees them."""

    currency = "EUR"

    def account(self, *, holder: str, iban: str, bic: str = "") -> BankAccount:
        """The account as a file can name it. Raises ``Declined``."""
        if not cleaned(holder, 70):
            raise Declined("holder_missing")
        try:
            number = ibans.validate(iban)
        except ValidationError:
            raise Declined("iban_wrong") from None
        if number[:2] not in SEPA:
            raise Declined("iban_not_sepa", number[:2])
        return BankAccount(holder=" ".join(holder.split()), iban=number, bic=_bic(bic))

    def written(self, order: TransferOrder, /) -> str:
        """The file of ``order``, valid by the schema. Raises ``Declined``."""
        if order.currency != self.currency:
            raise Declined("currency_not_sepa", order.currency)
        if not order.transfers:
            raise Declined("nothing_to_transfer")
        payer = self.account(holder=order.payer.holder, iban=order.payer.iban, bic=order.payer.bic)
        made = SepaTransfer(
            {
                "name": cleaned(payer.holder, 70),
                "IBAN": payer.iban,
                **({"BIC": payer.bic} if payer.bic else {}),
                "batch": True,
                "currency": order.currency,
            },
            schema=SCHEMA,
            clean=False,
        )
        for transfer in order.transfers:
            made.add_payment(self._payment(transfer, order))
        return _finished(made.export(validate=False), order)

    def _payment(self, transfer: BankTransfer, order: TransferOrder) -> dict[str, object]:
        to = self.account(holder=transfer.to.holder, iban=transfer.to.iban, bic=transfer.to.bic)
        return {
            "name": cleaned(to.holder, 70),
            "IBAN": to.iban,
            **({"BIC": to.bic} if to.bic else {}),
            "amount": transfer.amount,
            "execution_date": order.execute_on,
            "description": cleaned(transfer.text, 140) or cleaned(transfer.end_to_end_id, 140),
            "endtoend_id": cleaned(transfer.end_to_end_id, 35),
        }


def cleaned(text: str, longest: int) -> str:
    """``text`` in the characters that every bank of the area takes: no letter is lost that has a Latin form."""
    latin = unidecode("".join(LETTERS.get(letter, letter) for letter in text))
    plain = " ".join(_FOREIGN.sub(" ", latin).split())
    return re.sub(r"/{2,}", "/", plain).strip("/ ")[:longest].rstrip()


def _bic(text: str) -> str:
    if not text.strip():
        return ""
    try:
        return str(bics.validate(text))
    except ValidationError:
        raise Declined("bic_wrong") from None


def _finished(made: bytes, order: TransferOrder) -> str:
    """The library names messages by chance and by its clock: here the order does, so the same gives the same."""
    ElementTree.register_namespace("", NAMESPACE)
    document = ElementTree.fromstring(made)  # noqa: S314 - made by us a moment ago
    names = {
        "MsgId": order.message_id,
        "PmtInfId": order.message_id,
        "CreDtTm": order.made_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    for tag, text in names.items():
        for node in document.iter(f"{{{NAMESPACE}}}{tag}"):
            node.text = text
    for agent in document.iter(f"{{{NAMESPACE}}}FinInstnId"):
        if not len(agent):  # an account number alone is enough; the bank's own code may be missing
            other = ElementTree.SubElement(agent, f"{{{NAMESPACE}}}Othr")
            ElementTree.SubElement(other, f"{{{NAMESPACE}}}Id").text = "NOTPROVIDED"
    ElementTree.indent(document)
    text = ElementTree.tostring(document, encoding="unicode")
    file = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'
    try_valid_xml(file.encode(), SCHEMA)
    return file

"""The ``Documents`` port, drawn on this machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from portal.adapters.addresses import LocalAddresses
from portal.adapters.documents import qr, ubl
from portal.adapters.documents.credit_note import credit_note
from portal.adapters.documents.label import Gettext, joined
from portal.adapters.documents.receipt import receipt
from portal.adapters.documents.slip import packing_slip
from portal.core.credit_notes import CreditNote
from portal.core.documents import PackingSlip, Receipt
from portal.core.shipping import Document, DocumentKind
from portal.words import Words

Translate = Callable[[str], Gettext]
"""From a language to its gettext."""

LETTER_COUNTRIES = frozenset({"US", "CA", "MX", "CL", "CO", "PH", "VE", "GT", "CR", "PA", "DO", "PR"})


def english(language: str) -> Gettext:
    """No translation: every text as it is written in the source."""
    return lambda text: text


def in_words(language: str) -> Gettext:
    """The portal's own words for ``language``, so that papers say what pages say."""
    return Words(language, "UTC").gettext


def sheet_size(country: str) -> str:
    """The sheet that printers in ``country`` hold: letter or a4."""
    return "letter" if country in LETTER_COUNTRIES else "a4"


@dataclass(frozen=True, kw_only=True)
class Papers:
    """Implements ``ports.Documents``. ``translate`` gives the gettext of a language."""

    translate: Translate = english
    addresses: LocalAddresses = LocalAddresses()

    def receipt(self, receipt_: Receipt, /, *, language: str, size: str = "a4") -> Document:
        lines = self.addresses.printed
        return receipt(
            receipt_,
            sender=lines(receipt_.customer, language=language) if receipt_.customer else (),
            recipient=lines(receipt_.recipient, language=language) if receipt_.recipient else (),
            size=size,
            language=language,
            _=self.translate(language),
        )

    def packing_slip(self, slip: PackingSlip, /, *, language: str, size: str = "a4") -> Document:
        lines = self.addresses.printed(slip.recipient, language=language)
        return packing_slip(slip, lines, size=size, language=language, _=self.translate(language))

    def credit_note(self, note: CreditNote, /, *, format: str = "pdf", size: str = "a4") -> Document:
        words = Words(note.language, "UTC")
        if format == "xml":
            content = ubl.credit_note(note, words=words)
            return Document(kind=DocumentKind.CREDIT_NOTE, format="xml", content=content)
        seller, buyer = (
            self.addresses.printed(party.address, language=words.language)
            for party in (note.seller, note.buyer)
        )
        return credit_note(note, seller=seller, buyer=buyer, size=size, words=words)

    def labels(self, pictures: Sequence[bytes], /, *, language: str) -> Document:
        return joined(pictures, language=language, _=self.translate(language))

    def qr_svg(self, text: str, *, title: str = "") -> str:
        return qr.svg(text, title=title)

    def qr_png(self, text: str) -> bytes:
        return qr.png(text)

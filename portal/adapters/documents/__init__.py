"""Labels, packing slips, receipts and QR codes: PDF, PNG, ZPL and SVG, drawn without any service.

May import: core, ports, fpdf2, segno, python-barcode, pillow, babel.
"""

from portal.adapters.documents.papers import Papers, Translate, in_words
from portal.ports import Documents


def build(*, translate: Translate = in_words) -> Documents:
    """The papers, in the words of ``translate``: from a language to its gettext."""
    return Papers(translate=translate)

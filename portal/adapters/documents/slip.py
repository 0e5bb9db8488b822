"""The packing slip, alone and under the label on one sheet to cut."""

from fpdf import FPDF

from portal.adapters.documents import pdf
from portal.adapters.documents.fonts import fitted
from portal.adapters.documents.label import HEIGHT, WIDTH, Gettext, Label, marks, worded_date
from portal.adapters.documents.marks import qr_rows
from portal.core.documents import PackingSlip
from portal.core.shipping import Document, DocumentKind

MARGIN = 40
_QR = 92.0


def packing_slip(
    slip: PackingSlip, recipient: tuple[str, ...], *, size: str, language: str, _: Gettext
) -> Document:
    """The sheet that lies in the parcel; ``recipient`` are the printed lines of the warehouse."""
    page = pdf.sheet(size, title=f"{_('Packing slip')} {slip.rma}", language=language, margin=MARGIN)
    _slip(page, slip, recipient, language=language, _=_)
    return Document(kind=DocumentKind.PACKING_SLIP, format="pdf", size=size, content=pdf.finished(page))


def label_and_slip(
    label: Label, slip: PackingSlip, recipient: tuple[str, ...], *, size: str, _: Gettext
) -> Document:
    """One sheet: the label in its real size, lying, above a line to cut; the packing slip below it."""
    page = pdf.sheet(size, title=f"{_('Return label')} {label.rma}", language=label.language, margin=MARGIN)
    left, top = (page.w - HEIGHT * pdf.POINT) / 2, 24.0
    # Turned a quarter to the left about the label's top left corner, its left edge lies along the bottom.
    bottom = top + WIDTH * pdf.POINT
    with page.rotation(90, left, bottom):
        pdf.draw(page, marks(label, _), x=left, y=bottom)
    line = bottom + 22
    pdf.cut_line(page, line, margin=MARGIN / 2)
    page.set_xy(MARGIN, line + 4)
    pdf.paragraph(page, _("Cut here. The label goes on the parcel, this part inside."), size=7.5, gray=90)
    page.set_y(line + 24)
    _slip(page, slip, recipient, language=label.language, _=_)
    return Document(kind=DocumentKind.LABEL, format="pdf", size=size, content=pdf.finished(page))


def address_and_slip(
    slip: PackingSlip, recipient: tuple[str, ...], *, size: str, language: str, _: Gettext
) -> Document:
    """For a carrier of the customer's own: the address to put on the parcel, a line to cut, the packing
    slip.
    """
    page = pdf.sheet(size, title=f"{_('Packing slip')} {slip.rma}", language=language, margin=MARGIN)
    pdf.paragraph(page, _("Send the parcel to"), size=11, gray=70, after=6)
    text_size, lines = fitted(recipient, within=page.epw, height=210, size=26, bold=True)
    for line in lines:
        pdf.paragraph(page, line, size=text_size, bold=True)
    page.ln(8)
    pdf.paragraph(page, f"{_('Return number')}: {slip.rma}", size=14)
    cut = max(page.get_y() + 30, 330.0)
    pdf.cut_line(page, cut, margin=MARGIN / 2)
    page.set_xy(MARGIN, cut + 4)
    pdf.paragraph(page, _("Cut here. The address goes on the parcel, this part inside."), size=7.5, gray=90)
    page.set_y(cut + 24)
    _slip(page, slip, recipient, language=language, _=_)
    return Document(kind=DocumentKind.PACKING_SLIP, format="pdf", size=size, content=pdf.finished(page))


def _slip(page: FPDF, slip: PackingSlip, recipient: tuple[str, ...], *, language: str, _: Gettext) -> None:
    top = page.get_y()
    # The symbol and its four blank modules on each side fill the square beside the text.
    module = _QR / (len(qr_rows(slip.rma)) + 8)
    pdf.qr(page, slip.rma, x=page.w - MARGIN - _QR + 4 * module, y=top + 4 * module, module=module)
    text = page.epw - _QR - 16
    pdf.paragraph(page, _("Packing slip"), size=15, bold=True, width=text, after=2)
    pdf.paragraph(page, slip.rma, size=20, bold=True, width=text, after=4)
    rows = [
        (_("Order"), slip.order_number),
        (_("Customer"), slip.customer),
        (_("Returned to"), ", ".join(recipient)),
        (_("Ship by"), worded_date(slip.ship_by, language) if slip.ship_by else ""),
    ]
    for caption, value in rows:
        if value:
            pdf.paragraph(page, f"{caption}: {value}", size=9.5, width=text)
    page.set_y(max(page.get_y(), top + _QR) + 8)
    if slip.items:
        head = (_("Units"), _("Item"), _("SKU"), _("Authorization"))
        body = [(str(i.units), i.title, i.sku, i.authorization_code) for i in slip.items]
        pdf.table(page, [head, *body], widths=(9, 50, 20, 25), aligns=("RIGHT", "LEFT", "LEFT", "LEFT"))
    page.ln(6)
    pdf.paragraph(
        page, _("Please put this sheet into the parcel. Without it we find your return more slowly."), size=9
    )

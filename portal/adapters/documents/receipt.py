"""The receipt a customer keeps: what is returned, what it will give back, what comes next."""

from fpdf import FPDF

from portal.adapters.documents import pdf
from portal.adapters.documents.fonts import printable
from portal.adapters.documents.label import Gettext, grouped, worded_date
from portal.adapters.documents.marks import qr_rows
from portal.core.documents import Receipt
from portal.core.shipping import Document, DocumentKind

MARGIN = 48
_QR = 84.0


def receipt(
    told: Receipt,
    *,
    sender: tuple[str, ...],
    recipient: tuple[str, ...],
    size: str,
    language: str,
    _: Gettext,
) -> Document:
    """The receipt as PDF on as many pages as it needs; the addresses arrive as printed lines."""
    page = pdf.sheet(size, title=f"{_('Return receipt')} {told.rma}", language=language, margin=MARGIN)
    _head(page, told, language=language, _=_)
    _items(page, told, _)
    _refund(page, told, _)
    _steps(page, told, _)
    _sending(page, told, sender, recipient, _)
    return Document(kind=DocumentKind.RECEIPT, format="pdf", size=size, content=pdf.finished(page))


def _head(page: FPDF, told: Receipt, *, language: str, _: Gettext) -> None:
    top = page.get_y()
    module = _QR / (len(qr_rows(told.rma)) + 8)
    pdf.qr(page, told.rma, x=page.w - MARGIN - _QR + 4 * module, y=top + 4 * module, module=module)
    text = page.epw - _QR - 16
    pdf.paragraph(page, told.merchant, size=11, gray=70, width=text, after=2)
    pdf.paragraph(page, _("Return receipt"), size=20, bold=True, width=text, after=4)
    pdf.paragraph(page, f"{_('Return number')}: {told.rma}", size=13, bold=True, width=text, after=2)
    if told.order_number:
        pdf.paragraph(page, f"{_('Order')}: {told.order_number}", width=text)
    pdf.paragraph(page, f"{_('Date')}: {worded_date(told.issued_on, language)}", width=text)
    page.set_y(max(page.get_y(), top + _QR) + 10)


def _items(page: FPDF, told: Receipt, _: Gettext) -> None:
    pdf.paragraph(page, _("What you are returning"), size=13, bold=True, after=4)
    head = (_("Units"), _("Item"), _("SKU"), _("Authorization"))
    body = [(str(i.units), i.title, i.sku, i.authorization_code) for i in told.items]
    pdf.table(page, [head, *body], widths=(9, 50, 20, 25), aligns=("RIGHT", "LEFT", "LEFT", "LEFT"))
    page.ln(4)
    pdf.paragraph(page, _("Each authorization is valid for exactly these units."), size=9, gray=70, after=12)


def _refund(page: FPDF, told: Receipt, _: Gettext) -> None:
    if not told.rows and not told.rows_note:
        return
    _keep_together(page, 40 + 18 * min(len(told.rows), 12))
    pdf.paragraph(page, _("What you get back"), size=13, bold=True, after=4)
    if told.rows:
        page.set_font("Sans", size=9.5)
        page.set_draw_color(190)
        with page.table(
            col_widths=(70, 30),
            text_align=("LEFT", "RIGHT"),
            borders_layout="HORIZONTAL_LINES",
            line_height=13.3,
            padding=(2.5, 3),
            first_row_as_headings=False,
        ) as made:
            for row in told.rows:
                page.set_font("Sans", "B" if row.total else "", 9.5)
                label = f"{row.label}\n{row.note}" if row.note else row.label
                made.row(["\n".join(map(printable, label.split("\n"))), printable(row.amount)])
        page.set_draw_color(0)
        page.ln(4)
    if told.rows_note:
        pdf.paragraph(page, told.rows_note, size=9, gray=70)
    page.ln(12)


def _steps(page: FPDF, told: Receipt, _: Gettext) -> None:
    if not told.steps:
        return
    _keep_together(page, 40 + 30 * len(told.steps))
    pdf.paragraph(page, _("What happens next"), size=13, bold=True, after=4)
    for number, step in enumerate(told.steps, 1):
        pdf.paragraph(page, f"{number}. {step.text}", after=0 if step.when else 3)
        if step.when:
            pdf.paragraph(page, step.when, size=9, gray=70, after=3)
    page.ln(9)


def _sending(
    page: FPDF, told: Receipt, sender: tuple[str, ...], recipient: tuple[str, ...], _: Gettext
) -> None:
    rows = [
        (_("Sent with"), told.sending),
        (_("Tracking number"), grouped(told.tracking_number)),
        (_("From"), ", ".join(sender)),
        (_("To"), ", ".join(recipient)),
        (_("Follow your return"), told.status_url),
        (_("Questions"), told.contact),
    ]
    for caption, value in rows:
        if value:
            pdf.paragraph(page, f"{caption}: {value}", size=9.5, after=2)


def _keep_together(page: FPDF, height: float) -> None:
    """Start a new page when ``height`` points are not left on this one."""
    if page.get_y() + height > page.h - MARGIN:
        page.add_page()

"""The credit note on paper: the twin of the XML, made of the same object."""

from fpdf import FPDF

from portal.adapters.documents import pdf
from portal.adapters.documents.fonts import printable
from portal.adapters.documents.label import worded_date
from portal.adapters.documents.ubl import NO_TAX, OTHER_DEDUCTION, TAKES_BACK, percent
from portal.core.credit_notes import OTHER, REVERSAL, UNTAXED, Change, CreditNote, NoteTax
from portal.core.shipping import Document, DocumentKind
from portal.words import Words
from portal.words.refunds import LABELS

MARGIN = 48


def credit_note(
    note: CreditNote,
    *,
    seller: tuple[str, ...],
    buyer: tuple[str, ...],
    size: str,
    words: Words,
) -> Document:
    """The note as PDF on as many pages as it needs; the addresses arrive as printed lines."""
    _ = words.gettext
    title = _("Reversal of a credit note") if note.kind == REVERSAL else _("Credit note")
    page = pdf.sheet(size, title=f"{title} {note.number}", language=words.language, margin=MARGIN)
    _head(page, note, title, words)
    _parties(page, note, seller, buyer, words)
    _lines(page, note, words)
    _sums(page, note, words)
    _foot(page, note, words)
    return Document(kind=DocumentKind.CREDIT_NOTE, format="pdf", size=size, content=pdf.finished(page))


def _head(page: FPDF, note: CreditNote, title: str, words: Words) -> None:
    _, language = words.gettext, words.language
    pdf.paragraph(page, note.seller.name, size=11, gray=70, after=2)
    pdf.paragraph(page, title, size=20, bold=True, after=4)
    pdf.paragraph(page, f"{_('Number')}: {note.number}", size=13, bold=True, after=2)
    pdf.paragraph(page, f"{_('Date')}: {worded_date(note.issued_on, language)}")
    if note.reverses:
        pdf.paragraph(page, f"{_('Takes back')}: {note.reverses}")
    ordered = worded_date(note.ordered_on, language)
    pdf.paragraph(page, f"{_('Order')}: {note.order_number} ({ordered})")
    if note.return_number:
        pdf.paragraph(page, f"{_('Return number')}: {note.return_number}")
    pdf.paragraph(page, f"{_('Refund')}: {note.refund_number}", after=12)


def _parties(
    page: FPDF, note: CreditNote, seller: tuple[str, ...], buyer: tuple[str, ...], words: Words
) -> None:
    _ = words.gettext
    rows = [
        (_("From"), ", ".join(dict.fromkeys((note.seller.name, *seller)))),
        (_("Tax number"), note.seller.tax_number),
        (_("To"), ", ".join(dict.fromkeys((note.buyer.name, *buyer)))),
        (_("Tax number"), note.buyer.tax_number),
    ]
    for caption, value in rows:
        if value:
            pdf.paragraph(page, f"{caption}: {value}", after=2)
    page.ln(10)


def _lines(page: FPDF, note: CreditNote, words: Words) -> None:
    _ = words.gettext
    if not note.lines:
        return
    head = (_("Units"), _("Item"), _("SKU"), _("Without tax"), _("Tax"))
    body = [
        (
            str(line.units),
            line.name,
            line.sku,
            words.money(line.net, note.currency),
            words.money(line.tax, note.currency),
        )
        for line in note.lines
    ]
    aligns = ("RIGHT", "LEFT", "LEFT", "RIGHT", "RIGHT")
    pdf.table(page, [head, *body], widths=(9, 45, 18, 18, 14), aligns=aligns)
    page.ln(10)


def _sums(page: FPDF, note: CreditNote, words: Words) -> None:
    """Everything between the lines and the amount, each sum under the one before it."""
    _ = words.gettext

    def row(label: str, amount: int, *, bold: bool = False) -> tuple[str, str, bool]:
        return label, words.money(amount, note.currency), bold

    rows = [row(_("Items without tax"), note.lines_net)]
    rows += [row(_change(change, words), -change.amount) for change in note.deductions]
    rows += [row(_change(change, words), change.amount) for change in note.additions]
    rows.append(row(_("Sum without tax"), note.net))
    rows += [row(_tax(tax, note, words), tax.amount) for tax in note.taxes]
    rows.append(row(_("Sum with tax"), note.total, bold=note.kind == REVERSAL))
    if note.set_off and note.kind != REVERSAL:
        rows.append(row(_("Goes into the exchange"), -note.set_off))
    if note.kind != REVERSAL:
        rows.append(row(_("Refund"), note.payable, bold=True))
    page.set_draw_color(190)
    page.set_font("Sans", size=9.5)
    with page.table(
        col_widths=(70, 30),
        text_align=("LEFT", "RIGHT"),
        borders_layout="HORIZONTAL_LINES",
        line_height=13.3,
        padding=(2.5, 3),
        first_row_as_headings=False,
    ) as made:
        for label, amount, bold in rows:
            page.set_font("Sans", "B" if bold else "", 9.5)
            made.row([printable(label), printable(amount)])
    page.set_draw_color(0)
    page.ln(10)


def _change(change: Change, words: Words) -> str:
    reason = words.gettext(OTHER_DEDUCTION if change.code == OTHER else LABELS[change.code])
    return f"{reason}: {change.name}" if change.name else reason


def _tax(tax: NoteTax, note: CreditNote, words: Words) -> str:
    """The label with its rate, and what it was charged on."""
    taxable = words.money(tax.taxable, note.currency)
    if tax.label == UNTAXED:
        return f"{words.gettext(NO_TAX)} ({taxable})"
    if tax.rate_ppm is None:
        return f"{tax.label} ({taxable})"
    exact = words.percent(tax.rate_ppm // 100) if tax.rate_ppm % 100 == 0 else f"{percent(tax.rate_ppm)} %"
    return f"{tax.label}, {exact} ({taxable})"


def _foot(page: FPDF, note: CreditNote, words: Words) -> None:
    _ = words.gettext
    if note.kind == REVERSAL:
        pdf.paragraph(page, _(TAKES_BACK, number=note.reverses), size=9, gray=70)
        return
    for paid in note.paid:
        to = paid.label or words.tender(paid.tender)
        said = {"authorized": _("Not charged"), "due": _("No longer owed")}.get(paid.mode, _("Paid to"))
        pdf.paragraph(page, f"{said}: {to}, {words.money(paid.amount, note.currency)}", after=2)
    if note.seller.email:
        pdf.paragraph(page, f"{_('Questions')}: {note.seller.email}", size=9, gray=70)

"""Facts from files in the shape that the intake works on, so that both count alike."""

from portal.core.facts import LineFacts, OrderFacts, TaxFacts
from portal.core.paid import PaidLine, PaidOrder, PaidPayment, PaidTax
from portal.quotes.forms import Names


def paid_order(order: OrderFacts, names: Names) -> PaidOrder:
    """The order as the intake counts refunds made elsewhere in it."""
    return PaidOrder(
        external_id=order.number,
        number=order.number,
        number_key="",
        currency=order.currency,
        placed_at=order.placed_at,
        state="confirmed",
        prices_include_tax=True,
        lines=tuple(paid_line(line, names) for line in order.lines),
        payments=tuple(
            PaidPayment(
                reference=str(payment.id),
                tender=payment.tender,
                captured=payment.captured,
                refunded=payment.refunded,
            )
            for payment in order.payments
        ),
    )


def paid_line(line: LineFacts, names: Names) -> PaidLine:
    """The line as the intake writes it; its external id is the text that the file uses."""
    return PaidLine(
        external_id=names.text(line.id) or "",
        number=line.number,
        kind=line.kind,
        parent=names.text(line.parent_id) or "",
        units=line.units,
        unit_price=line.unit_price,
        goods=line.goods,
        discount=line.discount,
        taxes=tuple(_tax(tax) for tax in line.taxes),
        tax=line.tax,
        paid=line.paid,
        shipped=line.shipped,
        canceled=line.canceled,
        claimed=line.claimed,
        held=line.held,
        returned=line.returned,
        refunded=line.refunded,
    )


def _tax(tax: TaxFacts) -> PaidTax:
    return PaidTax(
        label=tax.label,
        amount=tax.amount,
        rate_ppm=tax.rate_ppm,
        jurisdiction=tax.jurisdiction,
        refunded=tax.refunded,
    )

"""An order once a refund of it is made: what a sequence of refunds is worked out from, one after another."""

from dataclasses import replace

from portal.core.facts import CANCELLATIONS, LineFacts, OrderFacts, PaymentFacts
from portal.core.refunds.adjustments import joined
from portal.core.refunds.breakdown import Breakdown, LineRefund
from portal.core.spans import merge, without


def after(order: OrderFacts, breakdown: Breakdown, *, kind: str = "return") -> OrderFacts:
    """The order after that refund: units claimed and back (or canceled, by the ``kind``), amounts given back."""
    refunds = {line.line_id: line for line in breakdown.lines}
    lines = tuple(_line(line, refunds[line.id], kind) if line.id in refunds else line for line in order.lines)
    payments = tuple(_payment(payment, breakdown) for payment in order.payments)
    return replace(order, lines=lines, payments=payments)


def _payment(payment: PaymentFacts, breakdown: Breakdown) -> PaymentFacts:
    back = sum(share.amount for share in breakdown.shares if share.origin_id == payment.id)
    released = 0 if payment.is_paid else back
    return replace(payment, refunded=payment.refunded + back, released=payment.released + released)


def _line(line: LineFacts, refund: LineRefund, kind: str) -> LineFacts:
    given, kept = dict(refund.taxes), dict(refund.promotion_taxes)
    line = replace(
        line,
        refunded=line.refunded + refund.amount,
        promotion_withheld=line.promotion_withheld + refund.promotion,
        adjusted=joined(line.adjusted, refund.adjusted) if refund.adjusted else line.adjusted,
        taxes=tuple(
            replace(
                tax,
                refunded=tax.refunded + given.get(tax.label, 0),
                promotion_withheld=tax.promotion_withheld + kept.get(tax.label, 0),
            )
            for tax in line.taxes
        ),
    )
    if kind in CANCELLATIONS:
        return replace(line, canceled=merge((*line.canceled, *refund.spans)))
    return replace(
        line,
        claimed=merge((*without(line.claimed, refund.spans), *refund.spans)),
        returned=merge((*without(line.returned, refund.spans), *refund.spans)),
    )

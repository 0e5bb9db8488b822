"""Who is told of a cancellation, in the transaction that changes it: history, customer, channel, finance."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.core.access import Actor
from portal.core.cancellations import Totals
from portal.core.facts import OrderFacts
from portal.core.refunds.breakdown import Breakdown, from_json
from portal.core.returns import Draft
from portal.db import history
from portal.db.cancellations import Cancellation
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import cancellation_facts
from portal.services.talking import alerts, notices


def happened(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    """A row in the history of the cancellation."""
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)


def happened_to_order(
    actor: Actor, what: str, row: Return, lines: Sequence[Mapping[str, Any]], now: datetime, **details: object
) -> None:
    """The same as it is told of the order: which units of which lines, and what the order came to by it."""
    if row.order_id is not None:
        history.record(
            actor,
            what,
            merchant_id=row.merchant_id,
            subject_id=row.order_id,
            now=now,
            number=row.number,
            cancellation=str(row.id),
            lines=list(lines),
            **details,
        )


def lines_of(draft: Draft) -> list[dict[str, Any]]:
    """The lines of a cancellation as history keeps them."""
    return [
        {
            "order_line_id": str(line.order_line_id),
            "sku": line.sku,
            "name": line.name,
            "units": line.units,
            "ending": line.ending,
        }
        for line in draft.lines
    ]


def mail(
    event: str,
    beside: Cancellation,
    draft: Draft,
    order: OrderFacts,
    *,
    before: Totals,
    after: Totals,
    breakdown: Breakdown | None,
    hours: int = 0,
    links: Mapping[str, UUID] | None = None,
    refund_id: UUID | None = None,
    now: datetime,
) -> None:
    """Promise a message to whoever placed the order; without an address there is nobody to tell."""
    if draft.email:
        told = cancellation_facts.told(
            beside, draft, order, before=before, after=after, breakdown=breakdown, hours=hours
        )
        notices.queue(event, draft, now=now, links=links, refund_id=refund_id, cancellation=told)


def totals_json(before: Totals, after: Totals) -> dict[str, Any]:
    """What the order came to, as it is kept with the cancellation and with its history."""
    return {"before": asdict(before), "after": asdict(after)}


def finance(row: Return, order: OrderFacts, refund: Refund | None, *, now: datetime) -> None:
    """Tell those who look after the money that an order comes to less, and how it moves; of nobody's name."""
    told = None
    if refund is not None:
        modes = {payment.id: payment.mode for payment in order.payments}
        due = from_json(refund.breakdown)
        told = {
            "number": refund.number,
            "amount": refund.amount_minor,
            "currency": refund.currency,
            "shares": [
                {
                    "tender": share.tender,
                    "label": share.label,
                    "amount": share.amount,
                    "mode": modes.get(share.payment_id, "captured") if share.payment_id else "captured",
                }
                for share in due.shares
            ],
        }
    alerts.tell_of_cancellation(
        merchant_id=row.merchant_id,
        return_id=row.id,
        number=row.number or "",
        order_number=row.order_number,
        refund=told,
        now=now,
    )

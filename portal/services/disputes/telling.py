"""The mails of a dispute, in the language of its return."""

from datetime import datetime
from uuid import UUID

from portal.db import returns
from portal.db.disputes import Dispute, Offer
from portal.db.returns import Return
from portal.services.talking import notices


def mail(
    event: str,
    row: Return,
    dispute: Dispute,
    *,
    now: datetime,
    what: str = "",
    offer: Offer | None = None,
    refund_id: UUID | None = None,
    message: str = "",
) -> UUID:
    """Promise a mail to the customer. ``what`` says which of its kind (``core`` of the templates of ``event``)."""
    return notices.queue(
        event,
        returns.draft(row),
        now=now,
        refund_id=refund_id,
        dispute={
            "number": dispute.number,
            "what": what,
            "amount": offer.amount_minor if offer else dispute.settled_minor,
            "currency": row.currency,
            "until": offer.expires_at.isoformat() if offer and offer.expires_at else "",
            "due": dispute.due_at.isoformat(),
            "claimed": dispute.claimed_minor,
            "outcome": dispute.outcome,
            "message": message.strip(),
        },
    )

"""What was promised in a dispute and is not paid after all: people are told, until it is made once more."""

from datetime import datetime

import sqlalchemy as sa

from portal.db.base import db
from portal.db.disputes import Dispute
from portal.db.refunds import Refund
from portal.services import tasks

KIND = "settlement_canceled"


def given_up(refund: Refund, *, now: datetime) -> None:
    """Open a task where a canceled refund paid what was agreed, in the caller's transaction, which holds its return."""
    dispute = db.session.scalar(sa.select(Dispute).where(Dispute.settlement_id == refund.id))
    if dispute is not None:
        tasks.open(
            KIND,
            dispute.number,
            merchant_id=dispute.merchant_id,
            subject_id=dispute.id,
            details={
                "number": dispute.number,
                "refund": refund.number,
                "amount": dispute.settled_minor,
                "currency": refund.currency,
            },
            now=now,
        )


def kept(dispute: Dispute, *, now: datetime) -> None:
    """It is made once more: nobody has to look at it any longer."""
    tasks.done(KIND, dispute.number, merchant_id=dispute.merchant_id, now=now)

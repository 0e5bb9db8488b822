"""A chargeback at a payment of a contested return is noted in its dispute, for the people who answer it."""

from datetime import datetime

import sqlalchemy as sa

from portal.core.access import SYSTEM
from portal.core.disputes import OPEN
from portal.db import history
from portal.db.base import db, uuid7
from portal.db.disputes import Dispute
from portal.db.gateway import Chargeback
from portal.db.messages import Entry
from portal.db.orders import OrderPayment
from portal.db.returns import Return


def note(row: Chargeback, *, now: datetime) -> None:
    """Note it in every open dispute about an order that the payment paid, in the caller's transaction.

    No row of a dispute is locked or changed: what it holds is read anew whenever an offer is made or accepted.
    """
    wanted = (
        sa.select(Dispute.id, Dispute.number, Dispute.return_id)
        .join(Return, Return.id == Dispute.return_id)
        .join(OrderPayment, OrderPayment.order_id == Return.order_id)
        .where(OrderPayment.payment_id == row.payment_id, Dispute.state.in_(OPEN))
    )
    for dispute in db.session.execute(wanted).all():
        details = {"amount": row.amount_minor, "currency": row.currency, "state": row.state}
        history.record(
            SYSTEM, "dispute.chargeback", merchant_id=row.merchant_id, subject_id=dispute.return_id, now=now,
            number=dispute.number, reference=row.reference, **details,
        )  # fmt: skip
        db.session.add(
            Entry(
                id=uuid7(),
                merchant_id=row.merchant_id,
                return_id=dispute.return_id,
                kind="note",
                body=f"{row.provider} {row.reference}: chargeback, {row.state}",
                author_name="",
                at=now,
                asks=[],
                line_ids=[],
            )
        )
    db.session.flush()

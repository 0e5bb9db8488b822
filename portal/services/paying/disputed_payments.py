"""A chargeback at a payment of a contested return is noted in its dispute, for the people who answer it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

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


def hold(payment_id: UUID) -> tuple[UUID, ...]:
    """The returns in open disputes about an order that the payment paid, held before the payment as everybody does.

    A note refers to its return, which whoever pays a refund holds: without this the two would wait in a ring.
    """
    found = db.session.scalars(
        sa.select(Return.id)
        .join(Dispute, Dispute.return_id == Return.id)
        .join(OrderPayment, OrderPayment.order_id == Return.order_id)
        .where(OrderPayment.payment_id == payment_id, Dispute.state.in_(OPEN))
        .order_by(Return.id)
        .with_for_update(of=Return, read=True, key_share=True)
    )
    return tuple(found)


def note(row: Chargeback, contested: Sequence[UUID], *, now: datetime) -> None:
    """Note it in the open disputes of the returns that ``hold`` answered, in the same transaction.

    No row of a dispute is changed: what it holds is read anew whenever an offer is made or accepted.
    """
    wanted = sa.select(Dispute.id, Dispute.number, Dispute.return_id).where(
        Dispute.return_id.in_(contested), Dispute.state.in_(OPEN)
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

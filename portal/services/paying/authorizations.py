"""What a shop does with what was reserved for it: once it captures, what is given back is a refund.

Rows are locked in one order: shares of payments, then the payment.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from portal.core.money import Minor
from portal.db.base import db
from portal.db.orders import OrderPayment, Payment


def captured(payment_id: UUID, amount: Minor | None) -> None:
    """A payment that was authorized, or due, was captured or paid: ``amount`` of it, where that is known.

    In the caller's transaction. What was let go before stays let go. Where less was captured than was left of
    it, the payment covers no more than that, as far as nothing of the rest has been given back already; one
    that pays several orders keeps their shares, and its own cap is the last word. More than was left is no
    more than it covers: a transfer that had let it go is told so when it is looked at. The same again
    changes nothing.
    """
    shares = _shares(payment_id)
    payment = db.session.get_one(Payment, payment_id, populate_existing=True, with_for_update=True)
    if payment.mode == "captured":
        return
    payment.mode = "captured"
    if not amount:
        return
    covers = max(amount + payment.released_minor, payment.refunded_minor + payment.disputed_minor)
    less = payment.captured_minor - covers
    if less <= 0:
        return
    payment.captured_minor = covers
    if len(shares) == 1:
        shares[0].share_minor = max(shares[0].refunded_minor, shares[0].share_minor - less)
    db.session.flush()


def _shares(payment_id: UUID) -> Sequence[OrderPayment]:
    wanted = sa.select(OrderPayment).where(OrderPayment.payment_id == payment_id).order_by(OrderPayment.id)
    return db.session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).all()

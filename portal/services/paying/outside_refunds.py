"""Refunds that somebody made on a gateway's own pages: found, counted against every cap, told to a person.

Rows are locked in one order: shares of payments, then the payment.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.money import Minor
from portal.db.base import db, transaction, uuid7
from portal.db.orders import OrderPayment, OutsideRefund, Payment
from portal.ports import GatewayRefund
from portal.services import tasks
from portal.services.paying import chargebacks

GONE = ("failed", "canceled")
"""Refunds that brought nothing, and count nothing."""


def found(provider: str, told: GatewayRefund, *, now: datetime) -> str:
    """Count a refund of one of our payments that none of our transfers made; the same again changes nothing.

    As much counts as fits: what others have taken by then is told as not counted, and counted when there is
    room for it. Where several orders share the payment, the one with most left of its share takes it first.
    Answers ``foreign`` for a capture that is none of ours, ``released`` for what let an authorization go and
    is no refund, ``counted``, ``uncounted`` or ``nothing``.
    """
    if told.released:
        return "released"
    payment_id = chargebacks.payment_of(provider, told.capture, told.also)
    if payment_id is None:
        return "foreign"
    with transaction():
        shares = _shares(payment_id)
        payment = db.session.get_one(Payment, payment_id, populate_existing=True, with_for_update=True)
        rows = _rows(shares, told.reference)
        void = told.state in GONE or told.currency != payment.currency or _paid_ours(payment_id, told)
        wanted = 0 if void else told.amount
        counted = _count(payment, shares, rows, told, wanted)
        _tell(payment, told, wanted, counted, now)
    if not wanted:
        return "nothing"
    return "counted" if counted == wanted else "uncounted"


def paid_by(payment_id: UUID, proof: str, amount: Minor, *, now: datetime) -> None:
    """A person says that one of our transfers was paid by what ``proof`` names: then it counts as that one only.

    In the caller's transaction, which holds the transfer and is about to take its quota.
    """
    shares = _shares(payment_id)
    payment = db.session.get_one(Payment, payment_id, populate_existing=True, with_for_update=True)
    for reference in chargebacks.names_in(proof):
        rows = _rows(shares, reference)
        of_gateway = [row for row in rows.values() if not row.lines]
        if sum(row.amount_minor for row in of_gateway) != amount:
            continue
        for share in shares:
            if (row := rows.get(share.order_id)) in of_gateway and row is not None:
                _move(payment, share, row, -row.amount_minor)
                db.session.delete(row)
        db.session.flush()
        tasks.done("outside_refund", reference, merchant_id=payment.merchant_id, now=now, note="by_hand")
        return


def _paid_ours(payment_id: UUID, told: GatewayRefund) -> bool:
    """Whether a person has named it as what paid one of our transfers."""
    return chargebacks.settled_by_hand(payment_id, told.reference) == told.amount


def _shares(payment_id: UUID) -> Sequence[OrderPayment]:
    wanted = sa.select(OrderPayment).where(OrderPayment.payment_id == payment_id).order_by(OrderPayment.id)
    return db.session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).all()


def _rows(shares: Sequence[OrderPayment], reference: str) -> dict[UUID, OutsideRefund]:
    wanted = sa.select(OutsideRefund).where(
        OutsideRefund.order_id.in_([share.order_id for share in shares]),
        OutsideRefund.external_id == reference,
    )
    return {row.order_id: row for row in db.session.scalars(wanted)}


def _count(
    payment: Payment,
    shares: Sequence[OrderPayment],
    rows: dict[UUID, OutsideRefund],
    told: GatewayRefund,
    wanted: Minor,
) -> Minor:
    """Bring what counts of it to ``wanted``, or as near as it fits; answers how much that is."""
    counted = sum(row.amount_minor for row in rows.values())
    for share in sorted(shares, key=lambda share: (share.share_minor - share.refunded_minor, share.id)):
        row = rows.get(share.order_id)
        if counted > wanted and row is not None:
            less = min(counted - wanted, row.amount_minor)
            counted -= _move(payment, share, row, -less)
    for share in sorted(shares, key=lambda share: (share.refunded_minor - share.share_minor, share.id)):
        more = min(wanted - counted, share.share_minor - share.refunded_minor, _left(payment))
        if more > 0:
            row = rows.get(share.order_id) or _row(payment, share, told)
            rows[share.order_id] = row
            counted -= _move(payment, share, row, more)
    for row in rows.values():
        if not row.amount_minor:
            db.session.delete(row)
    db.session.flush()
    return counted


def _left(payment: Payment) -> Minor:
    return payment.captured_minor - payment.refunded_minor - payment.disputed_minor


def _row(payment: Payment, share: OrderPayment, told: GatewayRefund) -> OutsideRefund:
    row = OutsideRefund(
        id=uuid7(),
        merchant_id=payment.merchant_id,
        order_id=share.order_id,
        external_id=told.reference,
        at=told.at,
        amount_minor=0,
        goods_minor=0,
        reason="",
        lines=[],
    )
    db.session.add(row)
    return row


def _move(payment: Payment, share: OrderPayment, row: OutsideRefund, more: Minor) -> Minor:
    """Count ``more`` (or less, below zero) everywhere; answers by how much the sum is less then."""
    row.amount_minor += more
    share.refunded_minor += more
    payment.refunded_minor += more
    return -more


def _tell(payment: Payment, told: GatewayRefund, wanted: Minor, counted: Minor, now: datetime) -> None:
    if not wanted:
        tasks.done(
            "outside_refund", told.reference, merchant_id=payment.merchant_id, now=now, note=told.state
        )
        return
    tasks.open(
        "outside_refund",
        told.reference,
        merchant_id=payment.merchant_id,
        subject_id=payment.id,
        details={
            "number": told.reference,
            "provider": payment.provider,
            "capture": payment.reference,
            "label": payment.label,
            "orders": list(chargebacks.orders_of(payment.id)),
            "amount": told.amount,
            "counted": counted,
            "rest": wanted - counted,
            "currency": told.currency,
            "at": told.at.isoformat(),
        },
        now=now,
    )


def known(provider: str, told: GatewayRefund) -> Minor | None:
    """How much of a refund on the gateway's own list counts here; None where nothing of it does."""
    payment_id = chargebacks.payment_of(provider, told.capture, told.also)
    if payment_id is None:
        return None
    return db.session.scalar(
        sa.select(sa.func.sum(OutsideRefund.amount_minor))
        .join(OrderPayment, OrderPayment.order_id == OutsideRefund.order_id)
        .where(OrderPayment.payment_id == payment_id, OutsideRefund.external_id == told.reference)
    )

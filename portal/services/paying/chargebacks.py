"""Payments that the customer's bank disputes: their part is held, so that it cannot be refunded as well.

Rows are locked in one order: contested returns, the payment, then its chargebacks.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.money import Minor
from portal.db.base import db, transaction, uuid7
from portal.db.gateway import Chargeback
from portal.db.orders import Order, OrderPayment, Payment
from portal.db.refunds import Payout
from portal.ports import GatewayDispute
from portal.services import tasks
from portal.services.paying import disputed_payments

COUNTING = ("open", "lost")
"""What is disputed is held, what is lost is gone; what is won can be refunded again."""


def apply(provider: str, told: GatewayDispute, *, now: datetime) -> str:
    """Bring one chargeback to what the gateway's list says of it; the same again changes nothing.

    As much is held as nobody has been refunded yet; a task tells of the rest. Answers ``foreign`` for a
    capture that is none of ours, ``wrong_currency``, or the state that the chargeback has now.
    """
    payment_id = payment_of(provider, told.capture, told.also)
    if payment_id is None:
        return "foreign"
    with transaction():
        contested = disputed_payments.hold(payment_id)
        payment = db.session.get_one(Payment, payment_id, populate_existing=True, with_for_update=True)
        if payment.currency != told.currency:
            return "wrong_currency"
        row = _known(provider, told.reference)
        if row is None:
            row = Chargeback(
                id=uuid7(),
                merchant_id=payment.merchant_id,
                payment_id=payment.id,
                provider=provider,
                reference=told.reference,
                amount_minor=told.amount,
                held_minor=0,
                currency=told.currency,
                state=told.state,
                opened_at=told.at,
            )
            db.session.add(row)
        news = row.state != told.state or row in db.session.new
        _release(payment, row)
        row.state, row.amount_minor = told.state, told.amount
        row.closed_at = (row.closed_at or now) if told.state != "open" else None
        db.session.flush()
        hold_rest(payment.id, now=now)
        _tell(payment, row, now)
        if news:
            disputed_payments.note(row, contested, now=now)
    return told.state


def payment_of(provider: str, *names: str) -> UUID | None:
    """The one payment that a gateway knows by one of ``names``; None where it is not ours, or not one alone."""
    known = [name for name in names if name]
    wanted = sa.select(Payment.id).where(Payment.provider == provider, Payment.reference.in_(known)).limit(2)
    found = db.session.scalars(wanted).all() if known else []
    return found[0] if len(found) == 1 else None


def _known(provider: str, reference: str) -> Chargeback | None:
    wanted = sa.select(Chargeback).where(Chargeback.provider == provider, Chargeback.reference == reference)
    return db.session.scalar(wanted.with_for_update().execution_options(populate_existing=True))


def _release(payment: Payment, row: Chargeback) -> None:
    payment.disputed_minor -= row.held_minor
    row.held_minor = 0
    db.session.flush()


def hold_rest(payment_id: UUID, *, now: datetime) -> None:
    """Hold what of a payment's chargebacks could not be held before, as far as it fits now.

    In the caller's transaction, which may just have freed quota of the payment. The check of the table is
    the last word: refunded and disputed together never exceed what was captured.
    """
    wanted = sa.select(Chargeback).where(
        Chargeback.payment_id == payment_id, Chargeback.state.in_(COUNTING),
        Chargeback.held_minor < Chargeback.amount_minor,
    )  # fmt: skip
    if db.session.scalar(wanted.with_only_columns(Chargeback.id).limit(1)) is None:
        return
    payment = db.session.get_one(Payment, payment_id, populate_existing=True, with_for_update=True)
    for row in db.session.scalars(wanted.order_by(Chargeback.id).with_for_update()).all():
        more = min(_left(payment), _rest(row))
        if more <= 0:
            continue
        payment.disputed_minor += more
        row.held_minor += more
        db.session.flush()
        _tell(payment, row, now)


def paid_by(payment_id: UUID, proof: str, amount: Minor, *, now: datetime) -> None:
    """A person says that one of our transfers was paid by a lost chargeback that ``proof`` names: the customer
    has the money from the bank, and it counts as that transfer from now on.

    In the caller's transaction, which holds the transfer and is about to take its quota.
    """
    wanted = sa.select(Chargeback).where(
        Chargeback.payment_id == payment_id, Chargeback.state == "lost",
        Chargeback.reference.in_(names_in(proof)), Chargeback.held_minor >= amount,
    )  # fmt: skip
    if db.session.scalar(wanted.with_only_columns(Chargeback.id).limit(1)) is None:
        return
    payment = db.session.get_one(Payment, payment_id, populate_existing=True, with_for_update=True)
    for row in db.session.scalars(wanted.order_by(Chargeback.id).limit(1).with_for_update()).all():
        payment.disputed_minor -= amount
        row.held_minor -= amount
        db.session.flush()


def settled_by_hand(payment_id: UUID, reference: str) -> Minor:
    """What of one chargeback, or of one refund made over there, a person has named as what paid transfers."""
    proofs = sa.select(Payout.provider_reference, Payout.amount_minor).where(
        Payout.payment_id == payment_id, Payout.provider == "manual", Payout.state == "succeeded"
    )
    return sum(amount for proof, amount in db.session.execute(proofs) if reference in names_in(proof))


def names_in(proof: str) -> list[str]:
    """What a receipt or reference that was typed may name, word by word."""
    return re.findall(r"[\w-]+", proof)


def _left(payment: Payment) -> Minor:
    return payment.captured_minor - payment.refunded_minor - payment.disputed_minor


def _rest(row: Chargeback) -> Minor:
    """What is neither held nor counted as the transfer that it has paid."""
    return row.amount_minor - row.held_minor - settled_by_hand(row.payment_id, row.reference)


def _tell(payment: Payment, row: Chargeback, now: datetime) -> None:
    """A chargeback is a matter for a person until it is won; what could not be held stands in its task."""
    if row.state == "won":
        tasks.done("chargeback", row.reference, merchant_id=row.merchant_id, now=now, note="won")
        return
    tasks.open(
        "chargeback",
        row.reference,
        merchant_id=row.merchant_id,
        subject_id=payment.id,
        details={
            "number": row.reference,
            "provider": row.provider,
            "capture": payment.reference,
            "label": payment.label,
            "orders": list(orders_of(payment.id)),
            "amount": row.amount_minor,
            "held": row.held_minor,
            "rest": _rest(row),
            "currency": row.currency,
            "state": row.state,
        },
        now=now,
    )


def orders_of(payment_id: UUID) -> Sequence[str]:
    """The numbers of the orders that a payment paid."""
    wanted = (
        sa.select(Order.number)
        .join(OrderPayment, OrderPayment.order_id == Order.id)
        .where(OrderPayment.payment_id == payment_id)
    )
    return db.session.scalars(wanted.order_by(Order.placed_at, Order.id)).all()

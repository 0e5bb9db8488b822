"""Orders that nobody was charged for yet: reserved on a card, or still owed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import OrderFacts
from portal.db.base import db, transaction
from portal.db.orders import OrderPayment, Payment
from portal.db.refunds import Payout
from portal.services.refunding import refunds
from tests.builders import (
    NOW,
    Tender,
    a_person,
    an_item,
    an_order,
    as_it_is,
    came_back,
)


def an_unpaid_order(
    gateways: Any,
    merchant_id: UUID,
    *,
    number: str,
    tenders: dict[str, Tender],
    units: int = 2,
    price: str = "10.00",
    now: datetime = NOW,
) -> OrderFacts:
    """``tenders`` by mode (``authorized``, ``due``, ``captured``), one of each; the gateway knows what is reserved.

    The references are those of ``tests.builders``: number, tender, ending.
    """
    total = units * _cents(price)
    said = sum(_cents(one.amount) for one in tenders.values() if one.amount)
    for mode, one in tenders.items():
        if mode == "authorized":
            gateways.payments[gateways.gateway].learn(
                f"{number}-{one.tender}{one.ending}",
                captured=_cents(one.amount) if one.amount else total - said,
                currency="EUR",
                authorized=True,
            )
    order = an_order(
        gateways, merchant_id, [an_item("MUG", units, price)], number=number, paid=tenders.values(), now=now
    )
    for mode, one in tenders.items():
        become(order, f"{number}-{one.tender}{one.ending}", mode)
    return as_it_is(order)


def _cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def become(order: OrderFacts, reference: str, mode: str) -> None:
    """What the import says of a payment now."""
    with transaction() as session:
        mine = sa.select(OrderPayment.payment_id).where(OrderPayment.order_id == order.id)
        done = session.execute(
            sa.update(Payment).where(Payment.reference == reference, Payment.id.in_(mine)).values(mode=mode)
        )
        assert done.rowcount == 1, reference


def given_back(gateways: Any, merchant_id: UUID, order: OrderFacts, units: int = 1) -> UUID:
    """A refund of so many units, decided and not sent yet."""
    return_id = came_back(gateways, merchant_id, order, {"MUG": units})
    return refunds.propose(a_person(merchant_id, "finance"), return_id, now=NOW)


def payments_of(order: OrderFacts) -> dict[str, Payment]:
    """mode -> the payment as it is now."""
    db.session.rollback()
    db.session.expire_all()
    wanted = (
        sa.select(Payment)
        .join(OrderPayment, OrderPayment.payment_id == Payment.id)
        .where(OrderPayment.order_id == order.id)
    )
    return {row.mode: row for row in db.session.scalars(wanted)}


def transfers_of(refund_id: UUID) -> list[Payout]:
    """Every transfer of a refund, oldest first."""
    db.session.rollback()
    db.session.expire_all()
    wanted = sa.select(Payout).where(Payout.refund_id == refund_id)
    return list(db.session.scalars(wanted.order_by(Payout.created_at, Payout.id)))

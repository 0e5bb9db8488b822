"""One customer across the merchants of whoever looks: orders, returns, what was bought and what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import CANCELLATIONS, KEEP
from portal.core.money import Minor
from portal.db.base import db
from portal.db.disputes import Dispute
from portal.db.orders import Order, OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Return, ReturnLine
from portal.services.lists.list_filters import aside
from portal.services.lists.list_rows import ListRow, rows

SHOWN = 20
"""Returns and orders that a customer's page shows of each; the newest."""

LOOKED_AT = 500
"""Of one customer, the newest so many orders and returns are added up."""

CAME_TO_NOTHING = ("draft", "canceled", "declined", "expired")

GONE_BACK = sa.case(
    (Return.kind == KEEP, 0),
    (Return.state.in_(("requested", "needs_info")), ReturnLine.units - ReturnLine.declined_units),
    else_=ReturnLine.authorized_units,
)
"""Units of a line that came back or may still: of a closed return those that arrived, of a price adjustment none."""


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Bought and given back in one currency, in minor units, and how often: refunds that succeeded."""

    currency: str
    bought: Minor
    refunded: Minor
    refunds: int

    @property
    def rate_bp(self) -> int:
        """What was given back of what was bought, in basis points."""
        return rate_bp(self.refunded, self.bought)


@dataclass(frozen=True, kw_only=True)
class OrderRow:
    """One order of the customer."""

    id: UUID
    number: str
    merchant_id: UUID
    placed_at: datetime
    currency: str
    paid: Minor


@dataclass(frozen=True, kw_only=True)
class Customer:
    """What is known of one e-mail address at the merchants of whoever asked."""

    subject_id: UUID
    """The return or order by which the page is reached."""
    name: str
    email: str
    phone: str
    language: str
    orders: int
    returns: int
    """Without drafts and those that came to nothing."""
    bought: int
    returned: int
    """Units, of merchandise that was bought, and of those that came back or may still (``GONE_BACK``)."""
    disputes: int
    open_disputes: int
    worth: tuple[Worth, ...]
    """Per currency; empty for whoever may not see amounts."""
    recent_returns: tuple[ListRow, ...]
    recent_orders: tuple[OrderRow, ...]

    @property
    def rate_bp(self) -> int:
        """Units returned of units bought, in basis points."""
        return rate_bp(self.returned, self.bought)


def rate_bp(part: int, whole: int) -> int:
    """The part of the whole in basis points; none of nothing."""
    return (part * 10_000 + whole // 2) // whole if whole > 0 else 0


def of(actor: Actor, subject_id: UUID) -> Customer:
    """The customer of a return or an order. Raises ``NotFound``, also for another merchant's."""
    for table in (Return, Order):
        row: Any = db.session.get(table, subject_id)
        if row is not None and row.merchant_id in _seen(actor):
            return _customer(actor, row)
    raise NotFound


def _seen(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("returns.read", one)]


def _customer(actor: Actor, row: Any) -> Customer:
    email = row.email
    orders, returns = _ids(Order, actor, row), _ids(Return, actor, row)
    bought = _bought(orders)
    came = sa.select(
        sa.func.count(sa.distinct(Return.id)),
        sa.func.coalesce(sa.func.sum(GONE_BACK), 0),
    ).outerjoin(ReturnLine, ReturnLine.return_id == Return.id)
    real = (Return.id.in_(returns), Return.kind.not_in(CANCELLATIONS), Return.state.not_in(CAME_TO_NOTHING))
    count, units = db.session.execute(came.where(*real)).one()
    disputed = db.session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((Dispute.closed_at.is_(None), 1), else_=0)), 0),
        ).where(Dispute.return_id.in_(returns))
    ).one()
    newest = sa.select(Return.id).where(Return.id.in_(returns), Return.kind.not_in(CANCELLATIONS))
    return Customer(
        subject_id=row.id,
        name=row.name,
        email=email,
        phone=row.phone,
        language=row.language,
        orders=len(orders),
        returns=int(count),
        bought=sum(units for units, _ in bought.values()),
        returned=int(units),
        disputes=int(disputed[0]),
        open_disputes=int(disputed[1]),
        worth=_worth(actor, bought, returns),
        recent_returns=rows(
            db.session.scalars(newest.order_by(Return.created_at.desc(), Return.id.desc()).limit(SHOWN)).all()
        ),
        recent_orders=_orders(orders[:SHOWN])
        if any(actor.may("orders.read", one) for one in _seen(actor))
        else (),
    )


def _ids(table: Any, actor: Actor, row: Any) -> list[UUID]:
    """The newest of the same address; without one, what was asked about alone."""
    if not row.email:
        return [row.id] if isinstance(row, table) else []
    wanted = sa.select(table.id).where(table.merchant_id.in_(_seen(actor)), table.email == row.email)
    return list(db.session.scalars(wanted.order_by(table.id.desc()).limit(LOOKED_AT)))


def _bought(orders: Sequence[UUID]) -> dict[str, tuple[int, Minor]]:
    """currency -> (units of merchandise, paid for everything)."""
    if not orders:
        return {}
    units = sa.case((OrderLine.kind == "merchandise", OrderLine.units - OrderLine.canceled_units), else_=0)
    wanted = (
        sa.select(Order.currency, sa.func.sum(units), sa.func.sum(OrderLine.paid_minor))
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(Order.id.in_(orders))
        .group_by(Order.currency)
        .order_by(Order.currency)
    )
    return {currency: (int(count), int(paid)) for currency, count, paid in db.session.execute(wanted)}


def _worth(actor: Actor, bought: dict[str, tuple[int, Minor]], returns: Sequence[UUID]) -> tuple[Worth, ...]:
    seen = [one for one in actor.merchant_ids if actor.may("refunds.read", one)]
    if not seen:
        return ()
    wanted = (
        sa.select(Refund.currency, sa.func.count(), sa.func.sum(Refund.amount_minor))
        .where(
            Refund.return_id.in_(returns),
            aside(Refund.merchant_id).in_(seen),
            aside(Refund.state) == "succeeded",
        )
        .group_by(Refund.currency)
    )
    paid = {currency: (count, int(total)) for currency, count, total in db.session.execute(wanted)}
    return tuple(
        Worth(
            currency=currency,
            bought=bought.get(currency, (0, 0))[1],
            refunded=paid.get(currency, (0, 0))[1],
            refunds=paid.get(currency, (0, 0))[0],
        )
        for currency in sorted({*bought, *paid})
    )


def _orders(ids: Sequence[UUID]) -> tuple[OrderRow, ...]:
    wanted = (
        sa.select(Order, sa.func.coalesce(sa.func.sum(OrderLine.paid_minor), 0))
        .outerjoin(OrderLine, OrderLine.order_id == Order.id)
        .where(Order.id.in_(ids))
        .group_by(Order.id)
        .order_by(Order.placed_at.desc(), Order.id.desc())
    )
    return tuple(
        OrderRow(
            id=row.id,
            number=row.number,
            merchant_id=row.merchant_id,
            placed_at=row.placed_at,
            currency=row.currency,
            paid=int(paid),
        )
        for row, paid in db.session.execute(wanted)
    )

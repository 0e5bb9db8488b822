"""What a cancellation has beside its return: the customer's answer, the warehouse's, and how it went."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import returns
from portal.db.base import Base, Json, UtcTime, db, key, merchant_key, within_merchant
from portal.db.orders import Order
from portal.db.returns import Return

WAREHOUSE_STATES = ("none", "waiting", "pending", "released", "refused", "shipped")
"""``none``: no goods in a warehouse; ``waiting`` for the first answer; ``pending``: it said that it will say."""


class Cancellation(Base):
    """One row per return of a kind in ``core.facts.CANCELLATIONS``."""

    __tablename__ = "cancellations"
    __table_args__ = (
        within_merchant("returns", "return_id"),
        sa.UniqueConstraint("return_id"),
        sa.UniqueConstraint("warehouse_key"),
        sa.Index("ix_cancellations_expires", "expires_at"),
        sa.Index("ix_cancellations_next_ask", "next_ask_at"),
        sa.CheckConstraint(
            "warehouse_state IN ({})".format(", ".join(f"'{state}'" for state in WAREHOUSE_STATES)),
            name="warehouse_state_known",
        ),
        sa.CheckConstraint("asked_by IN ('customer', 'agent')", name="asked_by_known"),
        sa.CheckConstraint("score IS NULL OR score BETWEEN 1 AND 5", name="score_known"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    return_id: Mapped[UUID]
    asked_by: Mapped[str] = mapped_column(sa.String(10))
    """Who wants it: ``customer`` or ``agent``."""
    requested_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the customer said yes or no."""
    warehouse: Mapped[str] = mapped_column(sa.String(30), default="")
    warehouse_state: Mapped[str] = mapped_column(sa.String(12), default="none")
    warehouse_key: Mapped[str | None] = mapped_column(sa.String(64))
    """The idempotency key at the warehouse, for ever the same."""
    asked_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When the warehouse was first told."""
    next_ask_at: Mapped[datetime | None] = mapped_column(UtcTime)
    silent_at: Mapped[datetime | None] = mapped_column(UtcTime)
    """When a person was told that it does not answer."""
    answer: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """What the warehouse said: state, code, message, lines; and who recorded it, when a person did."""
    ended: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Why it came to nothing: code, and the lines it was about."""
    totals: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    """Of the order, before and after, as they were confirmed (core.cancellations.Totals)."""
    score: Mapped[int | None]
    """How satisfied the customer was, 1 to 5."""
    scored_at: Mapped[datetime | None] = mapped_column(UtcTime)
    comment: Mapped[str] = mapped_column(sa.Text, default="")


GATED = ("waiting", "pending")
"""What a warehouse has not settled yet: no money moves for goods that may still leave."""

OPEN = ("proposed", "confirmed")
"""Cancellations that hold units, or had them canceled, and may still come to nothing."""


def of(return_id: UUID, *, lock: bool = False) -> Cancellation | None:
    """The row beside a return; with ``lock`` as it stands now, held until the transaction ends."""
    wanted = sa.select(Cancellation).where(Cancellation.return_id == return_id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return db.session.scalar(wanted)


def hold_order(order_id: UUID) -> None:
    """Hold the order's own row until the transaction ends: the first lock of whoever changes its cancellations.

    Confirming goes from a cancellation to the order's lines, shipping from the lines to cancellations: with
    this before either, neither waits for the other in a ring. References to the order do not wait for it.
    """
    db.session.execute(sa.select(Order.id).where(Order.id == order_id).with_for_update(key_share=True))


def hold(return_id: UUID) -> tuple[Return, Cancellation] | None:
    """Order, return and cancellation, locked in this order and as they stand now; None when there is none."""
    order_id = db.session.scalar(sa.select(Return.order_id).where(Return.id == return_id))
    if order_id is None:
        return None
    hold_order(order_id)
    row, beside = returns.get(return_id, lock=True), of(return_id, lock=True)
    return None if row is None or beside is None else (row, beside)


def waits(return_id: UUID | None) -> bool:
    """Whether a warehouse has still to say that the goods stay: until then nothing is paid for them."""
    if return_id is None:
        return False
    wanted = sa.select(Cancellation.id).where(
        Cancellation.return_id == return_id, Cancellation.warehouse_state.in_(GATED)
    )
    return db.session.scalar(wanted.limit(1)) is not None


def waiting() -> sa.Select[Any]:
    """The returns for which no money may move yet, as a query to be excluded."""
    return sa.select(Cancellation.return_id).where(Cancellation.warehouse_state.in_(GATED))


def of_order(order_id: UUID, *, states: Sequence[str] = OPEN) -> list[tuple[Return, Cancellation]]:
    """The cancellations of an order in those states, oldest first."""
    wanted = (
        sa.select(Return, Cancellation)
        .join(Cancellation, Cancellation.return_id == Return.id)
        .where(Return.order_id == order_id, Return.state.in_(states))
        .order_by(Return.id)
    )
    return [(row, beside) for row, beside in db.session.execute(wanted)]


def beside(return_id: UUID, *, lock: bool = False) -> Return | None:
    """The draft of a cancellation that was chosen in one selection with that return; it may have no lines yet.

    With ``lock`` it stays a draft until the transaction ends, which holds the order.
    """
    wanted = sa.select(Return).where(Return.together_with == return_id, Return.state == "draft")
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return db.session.scalar(wanted.order_by(Return.id.desc()).limit(1))


def order_becomes(order_id: UUID | None, state: str, *, was: str) -> None:
    """Change the state of an order that ``was`` another; the channel's own word in between is left as it is."""
    db.session.execute(sa.update(Order).where(Order.id == order_id, Order.state == was).values(state=state))

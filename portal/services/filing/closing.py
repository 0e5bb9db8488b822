"""The end of a return: what never came is free again, and what is settled closes by itself."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import SYSTEM, Actor
from portal.core.facts import CANCELLATIONS, RETURNLESS, STAYS
from portal.core.lifecycles import CANCELLATION, RETURN
from portal.core.returns import Draft
from portal.db import cancellations, history, returns
from portal.db.base import db
from portal.db.refunds import Refund
from portal.db.returns import Return, ReturnLine
from portal.services.filing import expecting
from portal.services.filing.holding import release, void_parcels
from portal.services.talking import threads

OPEN_REFUNDS = ("pending_approval", "approved", "pending", "failed")


def close_now(actor: Actor, row: Return, *, reason: str, now: datetime) -> None:
    """Close a locked return in the caller's transaction; units that did not arrive can be returned again."""
    if row.kind in CANCELLATIONS:
        _settle_cancellation(actor, row, reason=reason, now=now)
        return
    expecting.withdraw(row, now=now)
    row.state = RETURN.after(row.state, "settle" if row.kind in STAYS else "close")
    draft = returns.draft(row)
    if row.kind == RETURNLESS:  # its units are settled although none of them came
        _end(actor, row, reason=reason, now=now)
        return
    release(draft, keep={line.id: line.received for line in draft.lines})
    db.session.execute(
        sa.update(ReturnLine)
        .where(ReturnLine.return_id == row.id)
        .values(authorized_units=ReturnLine.received_units)
        .execution_options(synchronize_session=False)
    )
    void_parcels(row.id)
    _end(actor, row, reason=reason, now=now)


def _end(actor: Actor, row: Return, *, reason: str, now: datetime) -> None:
    row.closed_at, row.closed_reason, row.version = now, reason, row.version + 1
    threads.settle(row, now=now)
    history.record(
        actor, "return.closed", merchant_id=row.merchant_id, subject_id=row.id, now=now, reason=reason
    )


def _settle_cancellation(actor: Actor, row: Return, *, reason: str, now: datetime) -> None:
    """The units are gone for good, and what they cost is back: nothing was announced that could be freed."""
    row.state = CANCELLATION.after(row.state, "settle")
    row.closed_at, row.closed_reason, row.version = now, reason, row.version + 1
    history.record(
        actor,
        "order_line.cancellation_closed",
        merchant_id=row.merchant_id,
        subject_id=row.id,
        now=now,
        number=row.number,
    )


def has_open_refund(return_id: UUID) -> bool:
    """Whether money of this return is still to be decided, sent, or tried again."""
    found = sa.select(Refund.id).where(Refund.return_id == return_id, Refund.state.in_(OPEN_REFUNDS))
    return db.session.scalar(found.limit(1)) is not None


def is_paid(draft: Draft) -> bool:
    """Whether everything that was authorized came back, was inspected, and what was accepted is refunded.

    Where nothing comes back there is nothing but the one refund.
    """
    if draft.kind in (*STAYS, *CANCELLATIONS):
        return True
    return any(line.refunded for line in draft.lines) and all(
        line.received == line.authorized
        and line.accepted + line.rejected == line.received
        and line.refunded >= line.accepted
        for line in draft.lines
    )


def close_if_settled(row: Return, *, now: datetime) -> bool:
    """Close a locked return of which nothing is left to do; answers whether it was.

    That is one that is inspected, one for goods that stay, and a cancellation once the warehouse has said that
    it sends nothing of it; not one whose refund somebody gave up, which is still owed.
    """
    if (
        row.state != _before_the_end(row)
        or not is_paid(returns.draft(row))
        or has_open_refund(row.id)
        or cancellations.waits(row.id)
        or (row.kind in CANCELLATIONS and row.refund_state == "canceled")
    ):
        return False
    close_now(SYSTEM, row, reason="completed", now=now)
    return True


def _before_the_end(row: Return) -> str:
    """The state in which a return waits for its money alone."""
    if row.kind in CANCELLATIONS:
        return "confirmed"
    return "approved" if row.kind in STAYS else "inspected"

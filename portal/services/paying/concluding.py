"""A refund follows its transfers: what all of them together mean for it, its return and its customer."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import SYSTEM, Actor
from portal.core.lifecycles import REFUND
from portal.core.returns import Draft
from portal.db import history, returns
from portal.db.base import db
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services.filing import closing
from portal.services.ledgers import credit_notes
from portal.services.talking import notices


def follow(refund: Refund, states: set[str], *, error: str, now: datetime) -> None:
    """The refund after its transfers came to ``states``, in the caller's transaction, which holds it locked.

    Failed as soon as one is (or was canceled where it lay), succeeded when all are.
    """
    if refund.state == "approved":
        refund.state = REFUND.after(refund.state, "send")
    if states & {"failed", "canceled"}:
        if REFUND.can(refund.state, "fail"):
            refund.state, refund.error = REFUND.after(refund.state, "fail"), error[:500]
            _show(refund, "failed")
            tell(decider(refund), "refund.failed", refund, now, error=refund.error)
    elif states <= {"succeeded"}:
        if REFUND.can(refund.state, "succeed"):
            refund.state, refund.succeeded_at = REFUND.after(refund.state, "succeed"), now
            amount = {"amount": refund.amount_minor, "currency": refund.currency}
            credit_notes.issue(refund, now=now)
            tell(decider(refund), "refund.succeeded", refund, now, **amount)
            _money_is_back(refund, now)
    else:
        _show(refund, "requires_action" if "requires_action" in states else "pending")
    refund.version += 1


def decider(refund: Refund) -> Actor:
    """Who let the refund go: what becomes of it is that person's doing, whoever brings the news of it."""
    subject = refund.return_id or refund.id
    for row in history.newest_first(subject, ("refund.approved", "refund.created")):
        if row.details.get("number") == refund.number:
            return Actor(kind=row.actor_kind, id=row.actor_id, name=row.actor_name)
    return SYSTEM


def _money_is_back(refund: Refund, now: datetime) -> None:
    """Tell the customer, and close the return when this was the last thing to do."""
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None:
        return
    draft = returns.draft(row)
    if refund.amount_minor:
        notices.queue("refunded", draft, now=now, refund_id=refund.id)
    db.session.flush()
    row.refund_state = _sent(row, draft)
    closing.close_if_settled(row, now=now)


def _sent(row: Return, draft: Draft) -> str:
    """What lists say of a return of which something was paid."""
    all_paid = closing.is_paid(draft) and not closing.has_open_refund(row.id)
    return "refunded" if all_paid or row.state == "closed" else "partially_refunded"


def show_without(refund: Refund) -> None:
    """How the return's money stands, for lists, once this refund of it is given up: as the newest of the others."""
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None:
        return
    others = sa.select(Refund.state).where(
        Refund.return_id == row.id, Refund.id != refund.id, Refund.state != "canceled"
    )
    newest = db.session.scalar(others.order_by(Refund.id.desc()).limit(1))
    if newest is None:
        row.refund_state = "canceled"
    elif newest == "succeeded":
        row.refund_state = _sent(row, returns.draft(row))
    else:
        row.refund_state = newest if newest in ("pending_approval", "failed") else "pending"


def _show(refund: Refund, state: str) -> None:
    """How the return's money stands, for lists."""
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is not None:
        row.refund_state = state


def tell(actor: Actor, what: str, refund: Refund, now: datetime, **details: object) -> None:
    """A happening of the refund stands in the history of its return."""
    subject: UUID = refund.return_id or refund.id
    history.record(
        actor,
        what,
        merchant_id=refund.merchant_id,
        subject_id=subject,
        now=now,
        number=refund.number,
        **details,
    )

"""A refund follows its transfers: what all of them together mean for it, its return and its customer."""

from datetime import datetime
from uuid import UUID

from portal.core.access import SYSTEM, Actor
from portal.core.lifecycles import REFUND
from portal.db import history, returns
from portal.db.base import db
from portal.db.refunds import Refund
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
    all_paid = closing.is_paid(draft) and not closing.has_open_refund(row.id)
    _show(refund, "refunded" if all_paid or row.state == "closed" else "partially_refunded")
    closing.close_if_settled(row, now=now)


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

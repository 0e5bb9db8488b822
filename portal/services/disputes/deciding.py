"""How a dispute is handed up, and how it ends: paid, upheld, explained, or taken back by the customer."""

from datetime import datetime
from uuid import UUID

from portal import faults
from portal.core import disputes as core
from portal.core.access import SYSTEM, Actor, Conflict
from portal.core.money import Minor
from portal.db.base import db, transaction
from portal.db.disputes import Dispute
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import tasks
from portal.services.disputes import gate, settling, telling
from portal.services.paying import promised

TASKS = ("dispute_due", "dispute_overdue", "dispute_unpayable")

UNPAYABLE = "unpayable"
"""Why the portal itself hands a dispute up: what was accepted cannot be paid any more. Words know it."""


def escalate(
    actor: Actor, dispute_id: UUID, *, because: str, version: int | None = None, now: datetime
) -> None:
    """Hand it up to a supervisor, with why; an offer of the shop that waits is taken back with it.

    Raises ``Stale``, ``IllegalStep``, ``Conflict("reason_missing")``.
    """
    gate.people_only(actor)
    gate.allowed(actor, dispute_id, "disputes.handle")
    if not because.strip():
        raise Conflict("reason_missing")
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle", version=version)
        hand_up(actor, row, dispute, because=because.strip(), now=now)


def hand_up(actor: Actor, row: Return, dispute: Dispute, *, because: str, now: datetime) -> None:
    """``escalate`` of held rows, in the caller's transaction."""
    if dispute.state == "awaiting_customer":
        gate.clock_of_shop(row, dispute, now)
    gate.move(row, dispute, "escalate")
    waiting = gate.open_offer(dispute.id, "merchant")
    if waiting is not None:
        gate.end_open(dispute, actor, now)
        telling.mail("dispute_answered", row, dispute, offer=waiting, what="offer_withdrawn", now=now)
    dispute.escalated_at, dispute.escalated_because = now, because
    gate.tell(actor, "dispute.escalated", dispute, now, reason_given=because)
    gate.changed(dispute)


def unpayable(dispute_id: UUID, offer_id: UUID, *, now: datetime) -> None:
    """The customer said yes to an offer that cannot be paid any more: a supervisor's, with a task. Once."""
    with transaction():
        row, dispute = gate.hold(SYSTEM, dispute_id, "disputes.handle")
        waiting = gate.open_offer(dispute.id, "merchant")
        if waiting is None or waiting.id != offer_id:
            return
        tell_people("dispute_unpayable", row, dispute, now)
        hand_up(SYSTEM, row, dispute, because=UNPAYABLE, now=now)


def tell_people(kind: str, row: Return, dispute: Dispute, now: datetime) -> None:
    """Open a task about a held dispute, in the caller's transaction."""
    tasks.open(
        kind,
        dispute.number,
        merchant_id=dispute.merchant_id,
        subject_id=dispute.id,
        details={
            "number": dispute.number,
            "return_number": row.number or "",
            "due": dispute.due_at.isoformat(),
        },
        now=now,
    )


def settle(
    actor: Actor, dispute_id: UUID, amount: Minor, *, message: str, version: int | None = None, now: datetime
) -> UUID:
    """Pay an amount without asking the customer first, with a word to them. Answers the refund.

    Raises ``Stale``, ``NotAllowed``, ``Conflict``: ``words_missing``, ``too_much``, and what refunds raise.
    """
    gate.people_only(actor)
    gate.allowed(actor, dispute_id, "disputes.decide")
    _words(message)
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.decide", version=version)
        gate.still_open(dispute)
        gate.end_open(dispute, actor, now)
        refund = settling.pay(actor, row, dispute, amount, reason=message, now=now)
        end(actor, row, dispute, "settle", outcome="settled", refund=refund, message=message, now=now)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return refund.id


def pay_again(actor: Actor, dispute_id: UUID, *, now: datetime) -> UUID:
    """Make the refund of what was agreed once more, where the first was canceled. Answers the refund; again the same.

    Raises ``NotAllowed``, ``Conflict``: ``settled_already``, ``too_much``, and what refunds raise.
    """
    gate.people_only(actor)
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.decide")
        if dispute.settlement_id is None:
            raise Conflict("settled_already")
        before = db.session.get_one(Refund, dispute.settlement_id, populate_existing=True)
        if before.state != "canceled":
            raise Conflict("settled_already")
        dispute.settlement_id = None
        refund = settling.pay(
            actor,
            row,
            dispute,
            dispute.settled_minor,
            reason=dispute.outcome_message or dispute.number,
            now=now,
        )
        gate.tell(
            actor, "dispute.paid_again", dispute, now, amount=dispute.settled_minor, currency=row.currency,
            refund=refund.number,
        )  # fmt: skip
        promised.kept(dispute, now=now)
        gate.changed(dispute)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return refund.id


def reject(
    actor: Actor,
    dispute_id: UUID,
    *,
    outcome: str = "upheld",
    message: str,
    version: int | None = None,
    now: datetime,
) -> None:
    """End it without money, with the reason that the customer reads. Again is no error.

    Raises ``Stale``, ``NotAllowed`` where it was handed up, ``Conflict``: ``words_missing``, ``unknown_outcome``.
    """
    gate.people_only(actor)
    gate.allowed(actor, dispute_id, "disputes.handle")
    _words(message)
    if outcome not in core.NOTHING_PAID:
        raise Conflict("unknown_outcome")
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle", version=version)
        if dispute.state == "resolved_merchant":
            return
        gate.still_open(dispute)
        gate.may_decide(actor, dispute)
        gate.end_open(dispute, actor, now)
        end(actor, row, dispute, "reject", outcome=outcome, message=message, now=now)


def take_back(actor: Actor, dispute_id: UUID, *, now: datetime) -> None:
    """The customer contests nothing any more. Again is no error. Raises ``Conflict("dispute_over")``."""
    gate.customer_only(actor)
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle")
        if dispute.state == "withdrawn":
            return
        gate.still_open(dispute)
        gate.end_open(dispute, actor, now)
        end(actor, row, dispute, "withdraw", outcome="withdrawn", now=now)


def end(
    actor: Actor,
    row: Return,
    dispute: Dispute,
    step: str,
    *,
    outcome: str,
    refund: Refund | None = None,
    message: str = "",
    now: datetime,
) -> None:
    """It is over, in the caller's transaction, which holds its rows: return, history, mail and tasks follow."""
    gate.move(row, dispute, step)
    dispute.outcome, dispute.outcome_message = outcome, message.strip()
    dispute.closed_at, dispute.closed_by_name = now, row.name if actor.kind == "link" else actor.name
    for kind in TASKS:
        tasks.done(kind, dispute.number, merchant_id=dispute.merchant_id, now=now)
    if actor.kind != "link":
        gate.say(actor, row, message, kind="agent", now=now)
    if step == "withdraw":
        gate.tell(actor, "dispute.withdrawn", dispute, now)
    else:
        paid = {"amount": dispute.settled_minor, "refund": refund.number} if refund is not None else {}
        gate.tell(actor, "dispute.resolved", dispute, now, outcome=outcome, currency=row.currency, **paid)
    telling.mail(
        "dispute_answered", row, dispute, what=outcome, message=message,
        refund_id=refund.id if refund else None, now=now,
    )  # fmt: skip
    gate.changed(dispute)


def answered(dispute: Dispute, *, now: datetime) -> None:
    """The shop has answered: nobody has to be reminded of it."""
    for kind in TASKS:
        tasks.done(kind, dispute.number, merchant_id=dispute.merchant_id, now=now)
    dispute.reminded_at = None


def _words(message: str) -> None:
    if not message.strip():
        raise Conflict("words_missing")
    if len(message) > core.LONGEST_WORDS:
        raise Conflict("words_too_long", maximum=core.LONGEST_WORDS)

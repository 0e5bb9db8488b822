"""Who may do what with a dispute, with its rows held in one order: return, dispute, offers, then the money."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotAllowed, NotFound, Stale
from portal.core.disputes import OPEN, due
from portal.core.lifecycles import DISPUTE, OFFER
from portal.db import history, merchants, returns
from portal.db.base import db, uuid7
from portal.db.disputes import Dispute, Offer
from portal.db.messages import Entry
from portal.db.returns import Return
from portal.services import scope

Held = tuple[Return, Dispute]


def find(dispute_id: UUID) -> Dispute:
    """The dispute as it is. Raises ``NotFound``."""
    row = db.session.get(Dispute, dispute_id)
    if row is None:
        raise NotFound
    return row


def allowed(actor: Actor, dispute_id: UUID, permission: str) -> Dispute:
    """The dispute, for its customer or for people with ``permission``. Raises ``NotFound``, ``NotAllowed``."""
    dispute = find(dispute_id)
    if actor.kind == "link":
        scope.return_row(actor, dispute.return_id, "returns.read")
    else:
        scope.require(actor, permission, dispute.merchant_id)
    return dispute


def hold(actor: Actor, dispute_id: UUID, permission: str, *, version: int | None = None) -> Held:
    """The same, held with its return until the transaction ends; ``Stale`` where it is another version by now."""
    dispute = allowed(actor, dispute_id, permission)
    row = returns.get(dispute.return_id, lock=True)
    if row is None:
        raise NotFound
    dispute = db.session.get_one(Dispute, dispute_id, populate_existing=True, with_for_update=True)
    if version is not None and dispute.version != version:
        raise Stale
    return row, dispute


def people_only(actor: Actor) -> None:
    if actor.kind == "link":
        raise NotAllowed("disputes.handle")


def customer_only(actor: Actor) -> None:
    """Answers of the customer are the customer's: nobody at the shop gives them."""
    if actor.kind != "link":
        raise NotAllowed("returns.create")


def may_decide(actor: Actor, dispute: Dispute) -> None:
    """Once it was handed up it is a supervisor's. Raises ``NotAllowed``."""
    if dispute.state == "escalated":
        scope.require(actor, "disputes.decide", dispute.merchant_id)


def still_open(dispute: Dispute) -> None:
    if dispute.state not in OPEN:
        raise Conflict("dispute_over", state=dispute.state)


def move(row: Return, dispute: Dispute, step: str) -> None:
    """Take a step, and show it on the return. Raises ``IllegalStep``."""
    dispute.state = DISPUTE.after(dispute.state, step)
    row.dispute_state = dispute.state


def changed(dispute: Dispute) -> None:
    """Whoever looked at it before looks at something else."""
    dispute.version += 1
    db.session.flush()


def clock_of_shop(row: Return, dispute: Dispute, now: datetime) -> None:
    """It is the shop's turn: its time to answer begins anew."""
    _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    dispute.due_at, dispute.reminded_at = due(now, terms.dispute_hours), None


def offers_of(dispute_id: UUID, *, lock: bool = False) -> list[Offer]:
    """Its offers, oldest first."""
    wanted = sa.select(Offer).where(Offer.dispute_id == dispute_id).order_by(Offer.id)
    if lock:
        wanted = wanted.with_for_update().execution_options(populate_existing=True)
    return list(db.session.scalars(wanted))


def open_offer(dispute_id: UUID, side: str | None = None) -> Offer | None:
    """The offer that waits for an answer, held; there is never more than one."""
    return next(
        (
            one
            for one in offers_of(dispute_id, lock=True)
            if one.state == "open" and side in (None, one.by_side)
        ),
        None,
    )


def end_offer(one: Offer, step: str, actor: Actor | None, now: datetime, *, name: str = "") -> None:
    """An offer that is held waits no more. Raises ``IllegalStep``."""
    one.state = OFFER.after(one.state, step)
    one.answered_at, one.answered_by_name = now, name or (actor.name if actor else "")


def end_open(dispute: Dispute, actor: Actor, now: datetime) -> None:
    """The dispute goes on otherwise, or is over: what still waited for an answer waits no more."""
    one = open_offer(dispute.id)
    if one is not None:
        end_offer(one, "withdraw", actor, now)


def tell(actor: Actor, what: str, dispute: Dispute, now: datetime, **details: object) -> None:
    """A happening of the dispute stands in the history of its return. A person who acts has read what there was."""
    if actor.kind == "person":
        unread = sa.update(Entry).where(
            Entry.return_id == dispute.return_id, Entry.kind == "customer", Entry.read_at.is_(None)
        )
        db.session.execute(unread.values(read_at=now).execution_options(synchronize_session=False))
        db.session.get_one(Return, dispute.return_id).unread = 0
    history.record(
        actor,
        what,
        merchant_id=dispute.merchant_id,
        subject_id=dispute.return_id,
        now=now,
        number=dispute.number,
        dispute=str(dispute.id),
        **details,
    )


def say(actor: Actor, row: Return, body: str, *, kind: str, now: datetime) -> None:
    """The words of one side stand in the return's thread too; the mail that brings them is the caller's."""
    if not body.strip():
        return
    db.session.add(
        Entry(
            id=uuid7(),
            merchant_id=row.merchant_id,
            return_id=row.id,
            kind=kind,
            body=body.strip(),
            author_id=actor.id,
            author_name=actor.name,
            at=now,
            asks=[],
            line_ids=[],
        )
    )
    if kind == "customer":
        row.unread += 1
    db.session.flush()

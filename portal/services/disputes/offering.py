"""Offers to and fro: each waits for one answer, and ends by it, by its date, or by whoever made it."""

from datetime import datetime, timedelta
from uuid import UUID

from portal import faults
from portal.core import disputes as core
from portal.core.access import Actor, Conflict
from portal.core.lifecycles import OFFER
from portal.core.money import Minor
from portal.db import history, merchants, people
from portal.db.base import db, transaction, uuid7
from portal.db.disputes import Dispute, Offer
from portal.db.people import Person
from portal.db.returns import Return
from portal.services.disputes import deciding, gate, settling, telling
from portal.services.filing.returns import read


def offer(
    actor: Actor,
    dispute_id: UUID,
    amount: Minor,
    *,
    body: str = "",
    version: int | None = None,
    now: datetime,
) -> UUID:
    """Offer the customer an amount on top; it stands for as long as the policy says. Answers the offer.

    An earlier offer of the shop gives way to it, one of the customer is answered by it. Raises ``Stale``,
    ``IllegalStep``, ``NotAllowed``, ``Conflict``: ``too_much`` with the maximum, ``amount_missing``,
    ``words_too_long``, ``to_be_assessed``.
    """
    gate.people_only(actor)
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle", version=version)
        gate.may_decide(actor, dispute)
        _judge(row, dispute, amount, body, now=now)
        before = gate.open_offer(dispute.id)
        if before is not None:
            gate.end_offer(before, "withdraw" if before.by_side == "merchant" else "counter", actor, now)
        gate.move(row, dispute, "offer")
        _, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
        made = _new(actor, dispute, "merchant", amount, body, until=_until(now, terms.offer_days), now=now)
        gate.say(actor, row, body, kind="agent", now=now)
        history.change(
            [row.id], {"offer_minor": (before.amount_minor if before is not None else None, amount)}
        )
        gate.tell(actor, "dispute.offered", dispute, now, amount=amount, currency=row.currency)
        telling.mail("dispute_offer", row, dispute, offer=made, message=body, what="new", now=now)
        deciding.answered(dispute, now=now)
        gate.changed(dispute)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return made.id


def withdraw_offer(actor: Actor, dispute_id: UUID, offer_id: UUID, *, now: datetime) -> None:
    """Take an offer of the shop back while nobody has answered it. Again is no error.

    Raises ``Conflict("offer_answered")`` where the customer was faster.
    """
    gate.people_only(actor)
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle")
        one = _its(dispute, offer_id, "merchant")
        if one.state == "withdrawn":
            return
        _still(one)
        gate.may_decide(actor, dispute)
        gate.end_offer(one, "withdraw", actor, now)
        gate.move(row, dispute, "lapse")
        gate.clock_of_shop(row, dispute, now)
        gate.tell(
            actor, "dispute.offer_withdrawn", dispute, now, amount=one.amount_minor, currency=row.currency
        )
        telling.mail("dispute_answered", row, dispute, offer=one, what="offer_withdrawn", now=now)
        gate.changed(dispute)


def accept(actor: Actor, dispute_id: UUID, offer_id: UUID, *, now: datetime) -> UUID:
    """Say yes to the other side's offer; the settlement is made with it. Answers the refund; again the same.

    The customer says yes to the shop's offer, a person to the customer's. Whoever of the shop offered, or said
    yes, stands behind the refund, within their limits. Raises ``Conflict``: ``offer_answered``, ``offer_expired``,
    ``too_much`` where it can not be paid any more, and what refunds raise. What a customer accepted and cannot get
    (a chargeback has it meanwhile) is a supervisor's at once, with a task.
    """
    try:
        return _accept(actor, dispute_id, offer_id, now=now)
    except Conflict as conflict:
        if conflict.code == "too_much" and actor.kind == "link":
            deciding.unpayable(dispute_id, offer_id, now=now)
        raise


def _accept(actor: Actor, dispute_id: UUID, offer_id: UUID, *, now: datetime) -> UUID:
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle")
        one = _its(dispute, offer_id, "merchant" if actor.kind == "link" else "customer")
        if one.state == "accepted" and dispute.settlement_id is not None:
            return dispute.settlement_id
        _still(one, now)
        if actor.kind != "link":
            gate.may_decide(actor, dispute)
        gate.end_offer(one, "accept", actor, now, name=row.name if actor.kind == "link" else "")
        behind = _behind(one, row) if actor.kind == "link" else actor
        refund = settling.pay(
            behind, row, dispute, one.amount_minor, reason=one.body or dispute.number, now=now
        )
        outcome = "offer_accepted" if actor.kind == "link" else "counter_accepted"
        deciding.end(actor, row, dispute, "settle", outcome=outcome, refund=refund, now=now)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return refund.id


def decline(actor: Actor, dispute_id: UUID, offer_id: UUID, *, body: str = "", now: datetime) -> None:
    """Say no to the other side's offer; the dispute goes on. Again is no error. Raises ``Conflict`` as ``accept``."""
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle")
        by_customer = actor.kind == "link"
        one = _its(dispute, offer_id, "merchant" if by_customer else "customer")
        if one.state == "declined":
            return
        _still(one, now)
        if not by_customer:
            gate.may_decide(actor, dispute)
        gate.end_offer(one, "decline", actor, now, name=row.name if by_customer else "")
        gate.say(actor, row, body, kind="customer" if by_customer else "agent", now=now)
        gate.tell(
            actor, "dispute.offer_declined", dispute, now, amount=one.amount_minor, currency=row.currency
        )
        if by_customer:
            gate.move(row, dispute, "reply")
            gate.clock_of_shop(row, dispute, now)
        else:
            telling.mail("dispute_answered", row, dispute, offer=one, what="declined", message=body, now=now)
        gate.changed(dispute)


def counter(
    actor: Actor, dispute_id: UUID, offer_id: UUID, amount: Minor, *, body: str = "", now: datetime
) -> UUID:
    """The customer asks for another amount than was offered. Answers their offer.

    Raises ``Conflict``: ``offer_answered``, ``offer_expired``, ``too_much`` with the maximum, ``amount_missing``.
    """
    gate.customer_only(actor)
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle")
        one = _its(dispute, offer_id, "merchant")
        _still(one, now)
        _judge(row, dispute, amount, body, now=now)
        gate.end_offer(one, "counter", actor, now, name=row.name)
        gate.move(row, dispute, "counter")
        made = _new(actor, dispute, "customer", amount, body, until=None, now=now, name=row.name)
        gate.clock_of_shop(row, dispute, now)
        gate.say(actor, row, body, kind="customer", now=now)
        history.change([row.id], {"offer_minor": (one.amount_minor, amount)})
        gate.tell(actor, "dispute.countered", dispute, now, amount=amount, currency=row.currency)
        gate.changed(dispute)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return made.id


def expire(row: Return, dispute: Dispute, one: Offer, *, now: datetime) -> None:
    """Nobody answered in time; the rows are held by the caller, whose transaction this is."""
    gate.end_offer(one, "expire", None, now)
    gate.move(row, dispute, "lapse")
    gate.clock_of_shop(row, dispute, now)
    telling.mail("dispute_answered", row, dispute, offer=one, what="offer_expired", now=now)
    gate.changed(dispute)


def _judge(row: Return, dispute: Dispute, amount: Minor, body: str, *, now: datetime) -> None:
    """What cannot be paid is not offered. Raises ``Conflict``."""
    if len(body) > core.LONGEST_WORDS:
        raise Conflict("words_too_long", maximum=core.LONGEST_WORDS)
    page = read(row, now=now, lock=True)
    if page.order is None:
        raise Conflict("to_be_assessed")
    if amount <= 0:
        raise Conflict("amount_missing")
    most = settling.most(page, dispute)
    if amount > most:
        raise Conflict("too_much", maximum=most, currency=row.currency)


def _its(dispute: Dispute, offer_id: UUID, side: str) -> Offer:
    """The offer of that side, held. Raises ``Conflict("offer_answered")`` for one that is none of them."""
    for one in gate.offers_of(dispute.id, lock=True):
        if one.id == offer_id and one.by_side == side:
            return one
    raise Conflict("offer_answered")


def _still(one: Offer, now: datetime | None = None) -> None:
    if one.state == "expired":
        raise Conflict("offer_expired")
    if one.state != "open":
        raise Conflict("offer_answered", state=one.state)
    if now is not None and one.expires_at is not None and one.expires_at <= now:
        raise Conflict("offer_expired")


def _new(
    actor: Actor,
    dispute: Dispute,
    side: str,
    amount: Minor,
    body: str,
    *,
    until: datetime | None,
    now: datetime,
    name: str = "",
) -> Offer:
    made = Offer(
        id=uuid7(),
        merchant_id=dispute.merchant_id,
        dispute_id=dispute.id,
        by_side=side,
        by_id=actor.id,
        by_name=name or actor.name,
        amount_minor=amount,
        body=body.strip(),
        state=OFFER.start,
        at=now,
        expires_at=until,
    )
    db.session.add(made)
    db.session.flush()
    return made


def _until(now: datetime, days: int) -> datetime:
    return now + timedelta(days=days)


def _behind(one: Offer, row: Return) -> Actor:
    """Whoever of the shop made the offer, with the role they hold today: what they may not give, others must."""
    person = db.session.get(Person, one.by_id) if one.by_id else None
    found = people.actor(person.id, person.session_epoch) if person is not None else None
    return found or Actor(kind="person", id=one.by_id, name=one.by_name)

"""What people do about a transfer themselves: pay it outside and say how, or send it another way."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from portal.core.access import Actor, Conflict, NotFound
from portal.core.lifecycles import PAYOUT, REFUND
from portal.core.refunds.ledger import DUE, OWN_CREDIT
from portal.db.base import db, transaction
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.ports import RefundResult
from portal.services import scope, tasks, work
from portal.services.paying import approvals, chargebacks, outside_refunds, settling
from portal.services.paying.concluding import tell
from portal.services.paying.settling import (
    BANK,
    CAPTURED,
    FREED,
    MANUAL,
    UNASKED,
    held,
    latest,
    locked,
    of_refund,
)


def settle_by_hand(
    actor: Actor,
    payout_id: UUID,
    *,
    proof: str,
    method: str = "outside",
    on: date | None = None,
    now: datetime,
) -> None:
    """A person paid a transfer outside and says how: ``method`` cash, check, bank_transfer or outside.

    Where a gateway had it, that transfer is given up and the one by hand stands in its place. A ``proof`` that
    names a refund made on the gateway's own pages, or a lost chargeback, counts once with it. Raises
    ``Conflict``: ``proof_missing``, ``awaits_warehouse``, ``not_by_hand``, ``too_much``.
    """
    with transaction():
        refund, payout = _mine(actor, payout_id)
        if not proof.strip():
            raise Conflict("proof_missing")
        if settling.awaits_warehouse(refund):
            raise Conflict("awaits_warehouse")
        ready = payout.state in ("requires_action", *FREED) or _is_unasked(payout)
        if not ready or payout.state == "succeeded" or not _is_open(refund, payout):
            raise Conflict("not_by_hand", state=payout.state)
        told = {"method": method, "proof": proof.strip(), "on": (on or now.date()).isoformat()}
        if payout.payment_id is not None:
            outside_refunds.paid_by(payout.payment_id, proof, payout.amount_minor, now=now)
            chargebacks.paid_by(payout.payment_id, proof, payout.amount_minor, now=now)
        if payout.provider != MANUAL or payout.state in FREED:
            payout = _instead(refund, payout, provider=MANUAL, destination={}, now=now)
        payout.destination = {**payout.destination, "by_hand": told}
        done = RefundResult(
            state="succeeded",
            reference=proof.strip()[:100],
            amount=payout.amount_minor,
            currency=payout.currency,
        )
        tell(
            actor, "refund.settled", refund, now, **told, amount=payout.amount_minor, currency=refund.currency
        )
        settling.apply(refund, payout, done, now=now)


def redirect(
    actor: Actor,
    payout_id: UUID,
    *,
    provider: str,
    destination: Mapping[str, object] | None = None,
    reason: str,
    now: datetime,
) -> UUID:
    """Give a transfer up and plan another one of the same payment by another way; answers the new one's id.

    A bank transfer may go by another one, to another account; without a ``destination`` the customer is asked.
    Raises ``Conflict``: ``reason_missing``, ``not_redirectable``, ``still_at_gateway`` (it must be canceled
    there first, or both would pay), ``too_much``.
    """
    with transaction():
        refund, payout = _mine(actor, payout_id)
        if not reason.strip():
            raise Conflict("reason_missing")
        if payout.state == "requires_action" and payout.provider not in UNASKED:
            raise Conflict("still_at_gateway")
        ways = {MANUAL, BANK, *OWN_CREDIT, _own_provider(payout)} - {payout.provider} | {BANK}
        if payout.mode != CAPTURED:  # nobody has paid it: it can be let go where it is, or by a person there
            ways = {MANUAL, _own_provider(payout)} - {payout.provider, DUE} if payout.mode != DUE else set()
        in_batch = payout.state == "planned" and payout.batch_id is not None
        ready = payout.state in ("planned", "requires_action", *FREED) and not in_batch
        if provider not in ways or not ready or not _is_open(refund, payout):
            raise Conflict("not_redirectable", state=payout.state)
        run = len(of_refund(refund.id))
        before = payout.provider
        new = _instead(refund, payout, provider=provider, destination=dict(destination or {}), now=now)
        told = {"provider": provider, "before": before, "reason": reason.strip()}
        tell(actor, "refund.redirected", refund, now, **told)
        settling.conclude(refund, now=now)
        work.enqueue("refund", refund.id, run=run)
        return new.id


def reclaim(actor: Actor, payout_id: UUID, *, reason: str, now: datetime) -> None:
    """Take one refund off its code again, so that it can be paid in another way: its transfer has failed.

    Raises ``Conflict``: ``reason_missing``, ``credit_spent`` with what is left, ``four_eyes``; ``NotFound``.
    """
    with transaction():
        refund, payout = _mine(actor, payout_id)
        if payout.provider not in OWN_CREDIT:
            raise NotFound
        if not reason.strip():
            raise Conflict("reason_missing")
        result = RefundResult(
            state="failed",
            reference=payout.provider_reference,
            amount=payout.amount_minor,
            currency=payout.currency,
            error=reason.strip()[:500],
        )
        settling.apply(refund, payout, result, now=now)


def _mine(actor: Actor, payout_id: UUID) -> tuple[Refund, Payout]:
    """Refund and transfer, locked, for whoever may approve refunds there; where two people are needed, not
    for whoever asked for it. Raises ``NotFound``, ``NotAllowed``, ``Conflict("four_eyes")``.
    """
    found = db.session.get(Payout, payout_id)
    if found is None:
        raise NotFound
    scope.require(actor, "refunds.approve", found.merchant_id)
    refund = locked(found.refund_id)
    payout = held(payout_id)
    if payout is None:
        raise NotFound
    approvals.second_person(actor, refund)
    return refund, payout


def _is_unasked(payout: Payout) -> bool:
    """No gateway and no bank has it, and none is about to get it."""
    return payout.provider in (MANUAL, BANK) and payout.state == "planned" and payout.batch_id is None


def _is_open(refund: Refund, payout: Payout) -> bool:
    """The refund still owes it, and no other transfer has taken its place."""
    newest = {one.id for one in latest(of_refund(refund.id))}
    return refund.state in ("approved", "pending", "failed", "succeeded") and payout.id in newest


def _own_provider(payout: Payout) -> str:
    payment = db.session.get(Payment, payout.payment_id) if payout.payment_id else None
    return payment.provider if payment is not None else payout.provider


def _instead(
    refund: Refund, payout: Payout, *, provider: str, destination: Mapping[str, object], now: datetime
) -> Payout:
    """Another transfer in the place of this one, which is given up where it had not ended by itself."""
    if payout.state in FREED:
        new_id = settling.take_again(refund, payout, provider=provider, destination=destination, now=now)
    else:
        payout.state, payout.next_check_at = PAYOUT.after(payout.state, "cancel"), None
        for kind in ("wrong_answer", "refund_waits", "pay_by_hand", "account_needed"):
            tasks.done(kind, payout.key, merchant_id=payout.merchant_id, now=now)
        new_id = settling.replace_by(refund, payout, provider=provider, destination=destination, now=now)
    if refund.state == "failed":
        refund.state, refund.error = REFUND.after(refund.state, "retry"), ""
    db.session.flush()
    return db.session.get_one(Payout, new_id, with_for_update=True)

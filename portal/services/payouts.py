"""Money on its way: each transfer is sent under its own key, and what a gateway says of it is written down once.

Rows are always locked in one order: return, refund, payout, then shares of payments before payments.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.core.lifecycles import PAYOUT, REFUND
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import Share
from portal.db import history, returns
from portal.db.base import db, transaction, uuid7
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.ports import Declined, Gateways, Payments, RefundResult, Unavailable
from portal.services import books, closing, notices, quota, scope

MANUAL = "manual"
"""Paid by a person outside: cash, or a tender that takes nothing back."""

UNSETTLED = ("planned", "submitting", "unknown", "pending")
STEPS = {"succeeded": "succeed", "failed": "fail", "pending": "accept", "requires_action": "ask"}
"""What a gateway says -> the step of the transfer."""


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What a gateway is asked for. ``again``: it was asked before, and its answer may be lost."""

    payout_id: UUID
    refund_id: UUID
    provider: str
    key: str
    reference: str
    captured: int
    """What was paid by it; a sandbox is told of it this way."""
    amount: int
    currency: str
    again: bool


def plan(refund: Refund, shares: Iterable[Share], providers: Mapping[UUID, str], now: datetime) -> int:
    """Write down the transfers of ``shares``, in the caller's transaction; answers how many there are."""
    rows = [_planned(refund, share, providers, now) for share in shares if share.amount and share.origin_id]
    if rows:
        db.session.execute(sa.insert(Payout), rows)
    return len(rows)


def _planned(refund: Refund, share: Share, providers: Mapping[UUID, str], now: datetime) -> dict[str, object]:
    payout_id, origin = uuid7(), share.origin_id
    return {
        "id": payout_id,
        "merchant_id": refund.merchant_id,
        "refund_id": refund.id,
        "payment_id": origin,
        "state": PAYOUT.start,
        "amount_minor": share.amount,
        "currency": refund.currency,
        "provider": providers.get(origin, MANUAL) if origin and share.payment_id else MANUAL,
        "key": str(payout_id),
        "created_at": now,
    }


def locked(refund_id: UUID) -> Refund:
    """The refund, held with its return until the transaction ends. Raises ``NotFound``."""
    return_id = db.session.scalar(sa.select(Refund.return_id).where(Refund.id == refund_id))
    if return_id is not None:
        returns.get(return_id, lock=True)
    refund = db.session.get(Refund, refund_id, populate_existing=True, with_for_update=True)
    if refund is None:
        raise NotFound
    return refund


def of_refund(refund_id: UUID) -> Sequence[Payout]:
    """Every transfer of a refund, oldest first."""
    wanted = sa.select(Payout).where(Payout.refund_id == refund_id).order_by(Payout.created_at, Payout.id)
    return db.session.scalars(wanted.execution_options(populate_existing=True)).all()


def latest(transfers: Iterable[Payout]) -> list[Payout]:
    """Of each payment the last transfer: a retry takes the place of the one that failed."""
    return list({payout.payment_id: payout for payout in transfers}.values())


def send(refund_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Send every transfer of a refund that is not settled. Raises ``Unavailable`` for another try.

    No transaction is open while a gateway is asked; the key of a transfer is the same at every try, and one
    whose answer was lost is looked up before it is sent again.
    """
    lost: Unavailable | None = None
    unsettled = sa.select(Payout.id).where(Payout.refund_id == refund_id, Payout.state.in_(UNSETTLED))
    for payout_id in db.session.scalars(unsettled.order_by(Payout.id)).all():
        try:
            _send(payout_id, refund_id, gateways=gateways, now=now)
        except Unavailable as problem:
            lost = problem
    if lost is not None:
        raise lost


def _send(payout_id: UUID, refund_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    order = _begin(payout_id, refund_id)
    if order is None:
        return
    gateway = gateways.payments.get(order.provider)
    if gateway is None:
        result = _answer(order, "requires_action")
    else:
        faults.point("before_http")
        try:
            result = _ask(gateway, order)
        except Unavailable as problem:
            _lose(order, str(problem))
            raise
        except Declined as problem:
            result = _answer(order, "failed", str(problem))
        faults.point("after_http_response")
    record(payout_id, refund_id, result, now=now)
    if result.state == "pending":
        raise Unavailable("the gateway is still at it")


def _begin(payout_id: UUID, refund_id: UUID) -> _Order | None:
    """Note that the gateway is about to be asked; None when the transfer is settled or given up by now."""
    with transaction():
        refund = locked(refund_id)
        payout = db.session.get(Payout, payout_id, populate_existing=True, with_for_update=True)
        if payout is None or payout.state not in UNSETTLED:
            return None
        again = payout.state != "planned"
        if PAYOUT.can(payout.state, "submit"):
            payout.state = PAYOUT.after(payout.state, "submit")
        payout.attempts += 1
        if refund.state == "approved":
            refund.state = REFUND.after(refund.state, "send")
        reference, captured = db.session.execute(
            sa.select(Payment.reference, Payment.captured_minor).where(Payment.id == payout.payment_id)
        ).one()
        return _Order(
            payout_id=payout.id,
            refund_id=refund.id,
            provider=payout.provider,
            key=payout.key,
            reference=reference,
            captured=captured,
            amount=payout.amount_minor,
            currency=payout.currency,
            again=again,
        )


def _ask(gateway: Payments, order: _Order) -> RefundResult:
    gateway.learn(order.reference, captured=order.captured, currency=order.currency)
    known = gateway.look_up(key=order.key, capture=order.reference) if order.again else None
    return known or gateway.refund(
        key=order.key, reference=order.reference, amount=order.amount, currency=order.currency
    )


def _answer(order: _Order, state: str, error: str = "") -> RefundResult:
    return RefundResult(state=state, reference="", amount=order.amount, currency=order.currency, error=error)


def _lose(order: _Order, error: str) -> None:
    """Nobody knows whether it took effect: that is no failure, and nothing is free again."""
    with transaction():
        locked(order.refund_id)
        payout = db.session.get(Payout, order.payout_id, populate_existing=True, with_for_update=True)
        if payout is not None and PAYOUT.can(payout.state, "lose"):
            payout.state, payout.error = PAYOUT.after(payout.state, "lose"), error[:500]


def record(payout_id: UUID, refund_id: UUID, result: RefundResult, *, now: datetime) -> None:
    """Write down what was said of one transfer, once, with everything that follows from it."""
    with transaction():
        refund = locked(refund_id)
        payout = db.session.get(Payout, payout_id, populate_existing=True, with_for_update=True)
        if payout is None:
            return
        if result.state == "succeeded" and not _is_same_amount(result, payout):
            result = replace(result, state="requires_action", error="the gateway confirms another amount")
        step = STEPS[result.state]
        if not PAYOUT.can(payout.state, step):
            return
        payout.state, payout.error = PAYOUT.after(payout.state, step), result.error[:500]
        payout.provider_reference = result.reference or payout.provider_reference
        if payout.state == "succeeded":
            payout.settled_at = now
            _post(refund, payout, [_moved(payout)], "payout_settled", now)
        if payout.state == "failed":
            _undo(refund, payout, now)
        db.session.flush()
        conclude(refund, now=now)
        faults.point("before_result_commit")
    faults.point("after_result_commit")


def _is_same_amount(result: RefundResult, payout: Payout) -> bool:
    return (result.amount, result.currency) == (payout.amount_minor, payout.currency)


def share_of(payout: Payout) -> Share:
    """The quota that one transfer holds."""
    return Share(payment_id=payout.payment_id, amount=payout.amount_minor, origin_id=payout.payment_id)


def _moved(payout: Payout) -> ledger.Transfer:
    return ledger.paid_out(share_of(payout), payout.provider, currency=payout.currency)


def _undo(refund: Refund, payout: Payout, now: datetime) -> None:
    """A transfer that failed, at once or after it had succeeded: its quota is free, the money still owed."""
    if refund.order_id is not None:
        quota.free_share(share_of(payout), refund.order_id)
    moved = ledger.reversed([_moved(payout)]) if payout.settled_at is not None else ()
    unpaid = books.failed(payout.amount_minor, payout.currency)
    _post(refund, payout, [*moved, unpaid], "payout_failed", now)


def take_again(refund: Refund, payout: Payout, *, now: datetime) -> None:
    """Hold the quota of a failed transfer for another one. Raises ``Conflict("too_much")``."""
    if refund.order_id is not None:
        quota.take_share(share_of(payout), refund.order_id)
    unpaid = books.failed(payout.amount_minor, payout.currency)
    _post(refund, payout, ledger.reversed([unpaid]), "payout_retried", now)
    plan(refund, [share_of(payout)], {payout.payment_id: payout.provider}, now)


def _post(
    refund: Refund, payout: Payout, transfers: Sequence[ledger.Transfer], kind: str, now: datetime
) -> None:
    books.post(
        transfers,
        kind=kind,
        merchant_id=refund.merchant_id,
        refund_id=refund.id,
        payout_id=payout.id,
        now=now,
    )


def conclude(refund: Refund, *, now: datetime) -> None:
    """The refund follows its transfers: failed as soon as one is, succeeded when all are; the caller commits."""
    if refund.state == "approved":
        refund.state = REFUND.after(refund.state, "send")
    transfers = latest(of_refund(refund.id))
    states = {payout.state for payout in transfers}
    if "failed" in states and REFUND.can(refund.state, "fail"):
        refund.state = REFUND.after(refund.state, "fail")
        refund.error = "; ".join(p.error for p in transfers if p.state == "failed")[:500]
        _show(refund, "failed")
        tell(SYSTEM, "refund.failed", refund, now, error=refund.error)
    elif states <= {"succeeded"} and REFUND.can(refund.state, "succeed"):
        refund.state, refund.succeeded_at = REFUND.after(refund.state, "succeed"), now
        tell(SYSTEM, "refund.succeeded", refund, now, amount=refund.amount_minor, currency=refund.currency)
        _money_is_back(refund, now)
    elif "requires_action" in states:
        _show(refund, "requires_action")
    refund.version += 1


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
    history.record(
        actor,
        what,
        merchant_id=refund.merchant_id,
        subject_id=refund.return_id or refund.id,
        now=now,
        number=refund.number,
        **details,
    )


def settle_by_hand(actor: Actor, payout_id: UUID, *, proof: str, now: datetime) -> None:
    """A person paid a transfer outside (cash, a tender that takes nothing back) and says how.

    Raises ``Conflict``: ``proof_missing``, ``not_by_hand``.
    """
    payout = db.session.get(Payout, payout_id, populate_existing=True)
    if payout is None:
        raise NotFound
    scope.require(actor, "refunds.approve", payout.merchant_id)
    if not proof.strip():
        raise Conflict("proof_missing")
    if payout.state != "requires_action":
        raise Conflict("not_by_hand", state=payout.state)
    result = RefundResult(
        state="succeeded", reference=proof.strip()[:100], amount=payout.amount_minor, currency=payout.currency
    )
    record(payout.id, payout.refund_id, result, now=now)

"""Money on its way: each transfer is sent under its own key, and looked up before it is ever sent again.

An answer that was lost is no failure: the transfer keeps its key and its quota until the gateway tells what
became of it. A gateway remembers a key for a day; after that only a look-up that can be relied on comes
before another sending. Nobody waits for an event: what is not settled is asked for until it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM
from portal.core.lifecycles import PAYOUT, REFUND
from portal.core.refunds.breakdown import Share
from portal.core.refunds.ledger import DUE, OWN_CREDIT
from portal.db.base import db, transaction
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.ports import Declined, Gateways, Payments, RefundResult, Unavailable
from portal.services import tasks
from portal.services.ledgers import credits
from portal.services.paying import authorizations, settling
from portal.services.paying.concluding import tell
from portal.services.paying.settling import (
    AUTHORIZED,
    BANK,
    CAPTURED,
    LOST_AFTER,
    MANUAL,
    SENDABLE,
    apply,
    held,
    locked,
    record,
)

KEY_TTL = timedelta(hours=23)
"""So long after the first sending the same key surely pays nothing twice; gateways forget it after a day."""

LAG = timedelta(hours=1)
"""A look-up so long after an answer was lost shows what took effect: lists and searches have caught up."""

ACCOUNT_PAUSE = timedelta(minutes=30)
"""Between two tries of an account that is not let in: a person must see to it."""

DOUBTFUL = ("too_much", "already_refunded", "key_reused")
"""Refusals that a sending of our own may be the cause of, whose answer was lost."""


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What a gateway is asked for. ``again``: it was asked before, and its answer may be lost."""

    payout_id: UUID
    refund_id: UUID
    provider: str
    key: str
    reference: str
    captured: int
    """What the payment covers; a sandbox is told of it this way."""
    mode: str
    remaining: int
    """What stays reserved once it is let go, where the payment is only authorized."""
    amount: int
    currency: str
    known: str
    """The gateway's own id of it, where it told one."""
    again: bool
    certain: bool
    """A look-up that finds nothing now is to be believed."""
    may_send: bool


def plan(refund: Refund, shares: Iterable[Share], providers: Mapping[UUID, str], now: datetime) -> int:
    """Write down the transfers of ``shares``, in the caller's transaction; answers how many there are."""
    rows = [
        settling.row_of(
            refund,
            payment_id=share.origin_id,
            amount=share.amount,
            provider=_provider(share, providers),
            destination={},
            now=now,
        )
        for share in shares
        if share.amount and (share.origin_id or share.tender in OWN_CREDIT)
    ]
    if rows:
        db.session.execute(sa.insert(Payout), rows)
    return len(rows)


def _provider(share: Share, providers: Mapping[UUID, str]) -> str:
    """Who pays it: whoever took the payment, own credit where it goes there instead, else a person."""
    if share.payment_id is not None:
        return providers.get(share.origin_id or share.payment_id, MANUAL)
    return share.tender if share.tender in OWN_CREDIT else MANUAL


# ---------------------------------------------------------------------------------------------------- sending


def send(refund_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Send every transfer of a refund that is not with its gateway yet. Raises ``Unavailable`` for another try.

    No transaction is open while a gateway is asked; the key of a transfer is the same at every try, and one
    whose answer was lost is looked up before it is sent again.
    """
    lost: Unavailable | None = None
    unsettled = sa.select(Payout.id).where(Payout.refund_id == refund_id, Payout.state.in_(SENDABLE))
    for payout_id in db.session.scalars(unsettled.order_by(Payout.id)).all():
        try:
            _send(payout_id, refund_id, gateways=gateways, now=now)
        except Unavailable as problem:
            if lost is None or (problem.retry_after or 0) >= (lost.retry_after or 0):
                lost = problem
    if lost is not None:
        raise lost


def _send(payout_id: UUID, refund_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    order = _begin(payout_id, refund_id, gateways=gateways, now=now)
    if order is None:
        return
    gateway = gateways.payments[order.provider]
    if order.again and (known := _find(gateway, order, now)) is not None:
        record(payout_id, refund_id, known, now=now)
        return
    if not order.may_send:
        _keep_waiting(order, "the look-up is not to be relied on yet", now=now)
        raise Unavailable("what became of it cannot be told yet", retry_after=int(LAG.total_seconds()))
    gateway.learn(
        order.reference,
        captured=order.captured,
        currency=order.currency,
        authorized=order.mode == AUTHORIZED,
    )
    faults.point("before_http")
    try:
        result = _asked(gateway, order, now)
    except Unavailable as problem:
        _keep_waiting(order, str(problem), lost_at=now, now=now)
        raise
    except Declined as problem:
        faults.point("after_http_response")
        _refused(order, problem, now=now)
        return
    faults.point("after_http_response")
    if result is not None:
        record(payout_id, refund_id, result, now=now)


def _asked(gateway: Payments, order: _Order, now: datetime) -> RefundResult | None:
    """What the gateway answers: what is only reserved is let go, what was captured is given back.

    Where the shop has captured meanwhile what was to be let go, that is written down first, and the same
    transfer goes on as a refund under its key. None where another has settled it by then.
    """
    if order.mode == AUTHORIZED:
        try:
            return gateway.release(
                key=order.key,
                reference=order.reference,
                amount=order.amount,
                remaining=order.remaining,
                currency=order.currency,
            )
        except Declined as problem:
            if problem.code != "already_captured":
                raise
        faults.point("after_http_response")
        captured = _captured_meanwhile(gateway, order, now)
        if captured is None:
            return None
        order = captured
        faults.point("before_http")
    return gateway.refund(
        key=order.key, reference=order.reference, amount=order.amount, currency=order.currency
    )


def _captured_meanwhile(gateway: Payments, order: _Order, now: datetime) -> _Order | None:
    there = gateway.capture(order.reference)
    with transaction():
        refund, payout = locked(order.refund_id), held(order.payout_id)
        if payout is None or payout.state not in SENDABLE or payout.payment_id is None:
            return None
        authorizations.captured(payout.payment_id, there.captured if there else None)
        payout.mode = CAPTURED
        tell(SYSTEM, "refund.captured_meanwhile", refund, now, amount=order.amount, currency=order.currency)
        faults.point("before_result_commit")
    return replace(order, mode=CAPTURED)


def _begin(payout_id: UUID, refund_id: UUID, *, gateways: Gateways, now: datetime) -> _Order | None:
    """Note that the gateway is about to be asked; None when there is nothing to ask a gateway for.

    What is ours to pay (own credit) is paid here, and what the customer owes no more is written down here; what
    a person or a bank must do is left to them. Nothing goes for goods that the warehouse may still send.
    """
    with transaction():
        refund, payout = locked(refund_id), held(payout_id)
        if payout is None or payout.state not in SENDABLE or settling.awaits_warehouse(refund):
            return None
        settling.renew(payout)
        if refund.state == "approved":
            refund.state = REFUND.after(refund.state, "send")
        if payout.provider == BANK:
            return None
        if payout.mode == DUE:
            apply(refund, payout, _result(payout, "succeeded"), now=now)
            faults.point("before_result_commit")
            return None
        if payout.provider in OWN_CREDIT:
            result = credits.pay(payout, secret=gateways.secret, now=now)
            apply(refund, payout, result, now=now)
            if result.state == "requires_action":
                _ask_a_person(refund, payout, now)
            faults.point("before_result_commit")
            return None
        if payout.provider not in gateways.payments:
            apply(refund, payout, _result(payout, "requires_action"), now=now)
            _ask_a_person(refund, payout, now)
            return None
        return _order(refund, payout, now)


def _ask_a_person(refund: Refund, payout: Payout, now: datetime) -> None:
    """What no gateway can send back is a matter for a person, never a silent change of the way."""
    tasks.open(
        "pay_by_hand",
        payout.key,
        merchant_id=refund.merchant_id,
        subject_id=refund.id,
        details=settling.about(refund, payout),
        now=now,
    )


def _order(refund: Refund, payout: Payout, now: datetime) -> _Order:
    again = payout.state != "planned"
    if payout.state == "submitting":
        payout.lost_at = now  # whoever was sending it died, or is still at it
    certain = payout.lost_at is None or now - payout.lost_at >= LAG
    fresh = payout.sent_at is None or now - payout.sent_at < KEY_TTL
    if PAYOUT.can(payout.state, "submit"):
        payout.state = PAYOUT.after(payout.state, "submit")
    if payout.sent_at is None or (certain and not fresh):
        payout.sent_at = now
    payout.attempts += 1
    payout.next_check_at = now + LOST_AFTER
    payment = db.session.get_one(Payment, payout.payment_id)
    if payout.mode == AUTHORIZED and not again:
        payout.destination = {**payout.destination, settling.ASKED: payment.reference}
    return _Order(
        payout_id=payout.id,
        refund_id=refund.id,
        provider=payout.provider,
        key=payout.key,
        reference=str(payout.destination.get(settling.ASKED) or payment.reference),
        captured=payment.captured_minor,
        mode=payout.mode,
        remaining=max(0, payment.captured_minor - payment.released_minor - payout.amount_minor),
        amount=payout.amount_minor,
        currency=payout.currency,
        known=payout.provider_reference,
        again=again,
        certain=certain,
        may_send=fresh or certain,
    )


def _result(payout: Payout, state: str, error: str = "", reference: str = "") -> RefundResult:
    return RefundResult(
        state=state, reference=reference, amount=payout.amount_minor, currency=payout.currency, error=error
    )


def _find(gateway: Payments, order: _Order, now: datetime) -> RefundResult | None:
    try:
        return gateway.look_up(key=order.key, capture=order.reference, reference=order.known)
    except Unavailable as problem:
        _keep_waiting(order, str(problem), now=now)
        raise


def _keep_waiting(order: _Order, error: str, *, lost_at: datetime | None = None, now: datetime) -> None:
    """Nobody knows whether it took effect: that is no failure, and nothing is free again."""
    with transaction():
        locked(order.refund_id)
        payout = held(order.payout_id)
        if payout is None or not PAYOUT.can(payout.state, "lose"):
            return
        payout.state, payout.error = PAYOUT.after(payout.state, "lose"), error[:500]
        payout.lost_at = lost_at or payout.lost_at
        payout.next_check_at = now + LOST_AFTER


def _refused(order: _Order, problem: Declined, *, now: datetime) -> None:
    """The gateway said no. Raises ``Unavailable`` where that does not settle it."""
    if problem.code == "not_authorized":
        _hold(order, str(problem), now=now)
        pause = int(ACCOUNT_PAUSE.total_seconds())
        raise Unavailable("the gateway does not let this account in", retry_after=pause)
    if problem.code in DOUBTFUL and order.again and not order.certain:
        _keep_waiting(order, str(problem), now=now)
        raise Unavailable("it may have been our own doing", retry_after=int(LAG.total_seconds()))
    with transaction():
        refund, payout = locked(order.refund_id), held(order.payout_id)
        if payout is None:
            return
        if problem.code == "wrong_answer":
            settling.quarantine(refund, payout, "reference", theirs={"message": problem.message}, now=now)
        else:
            apply(refund, payout, _result(payout, "failed", str(problem)), now=now)
        faults.point("before_result_commit")
    faults.point("after_result_commit")


def _hold(order: _Order, error: str, *, now: datetime) -> None:
    """Our own account was refused: nothing was tried, the customer's refund has not failed, it waits."""
    with transaction():
        refund, payout = locked(order.refund_id), held(order.payout_id)
        step = "lose" if order.again else "hold"
        if payout is None or not PAYOUT.can(payout.state, step):
            return
        payout.state, payout.error = PAYOUT.after(payout.state, step), error[:500]
        payout.sent_at = payout.sent_at if order.again else None
        payout.next_check_at = settling.next_check(payout, now)
        tasks.open(
            "not_authorized",
            order.provider,
            merchant_id=refund.merchant_id,
            subject_id=refund.id,
            details=settling.about(refund, payout) | {"reason": "not_authorized"},
            now=now,
        )

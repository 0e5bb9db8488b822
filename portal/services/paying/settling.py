"""What became of a transfer: each answer is written down once, with everything that follows from it.

Rows are always locked in one order: return, refund, payout, then shares of payments before payments.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import NotFound
from portal.core.lifecycles import PAYOUT
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import Share
from portal.core.refunds.ledger import DUE, OWN_CREDIT
from portal.db import cancellations, merchants, returns
from portal.db.base import db, transaction, uuid7
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund
from portal.ports import RefundResult
from portal.services import tasks
from portal.services.ledgers import books, credits, quota
from portal.services.paying import chargebacks, concluding
from portal.services.paying.arrivals import arrives_on

MANUAL = "manual"
"""Paid by a person outside: cash, or a tender that takes nothing back."""

BANK = "bank_transfer"
"""Goes out with a batch for the bank."""

UNASKED = (MANUAL, BANK, DUE, *OWN_CREDIT)
"""Providers that no gateway stands behind, so that nobody can be asked."""

ASKED = "asked"
"""In a transfer's ``destination``: the authorization that was let go; once the shop captures it, the payment may be
known by the capture's name.
"""

CAPTURED, AUTHORIZED = "captured", "authorized"
"""What a transfer takes from its payment: money that was paid, or what is only reserved (or ``DUE``)."""

FREED = ("failed", "canceled")
"""Transfers that hold no quota: what they were to bring is owed until another one brings it."""

SENDABLE = ("planned", "submitting", "unknown")
"""Transfers that no gateway is known to have."""

STEPS = {
    "succeeded": "succeed",
    "failed": "fail",
    "canceled": "cancel",
    "pending": "accept",
    "requires_action": "ask",
}
"""What a gateway says -> the step of the transfer."""

CHECK_EVERY = timedelta(minutes=5)
"""Between two looks at a transfer that is not settled."""

LOST_AFTER = timedelta(minutes=10)
"""A transfer that was being sent is looked at when it was not heard of for so long."""

SUCCESS_EVERY = timedelta(minutes=10)
"""Between two looks at a success of the last day: most of what is sent back is sent back soon."""

WATCHED_FOR = timedelta(days=30)
"""So long a success may still be taken back: a bank that does not find the account sends it back late."""


def locked(refund_id: UUID) -> Refund:
    """The refund, held with its return until the transaction ends. Raises ``NotFound``."""
    return_id = db.session.scalar(sa.select(Refund.return_id).where(Refund.id == refund_id))
    if return_id is not None:
        returns.get(return_id, lock=True)
    refund = db.session.get(Refund, refund_id, populate_existing=True, with_for_update=True)
    if refund is None:
        raise NotFound
    return refund


def awaits_warehouse(refund: Refund) -> bool:
    """Whether it is of a cancellation whose goods may still leave: until the warehouse has answered, nothing goes."""
    return cancellations.waits(refund.return_id)


def held(payout_id: UUID) -> Payout | None:
    """The transfer, locked and as it stands now; its refund was locked before."""
    return db.session.get(Payout, payout_id, populate_existing=True, with_for_update=True)


def of_refund(refund_id: UUID) -> Sequence[Payout]:
    """Every transfer of a refund, oldest first."""
    wanted = sa.select(Payout).where(Payout.refund_id == refund_id).order_by(Payout.created_at, Payout.id)
    return db.session.scalars(wanted.execution_options(populate_existing=True)).all()


def latest(transfers: Iterable[Payout]) -> list[Payout]:
    """Of each payment the last transfer: a retry takes the place of the one that failed."""
    return list({payout.payment_id: payout for payout in transfers}.values())


def record(payout_id: UUID, refund_id: UUID, result: RefundResult, *, now: datetime) -> None:
    """Write down what was said of one transfer, once, with everything that follows from it."""
    with transaction():
        refund = locked(refund_id)
        payout = held(payout_id)
        if payout is None:
            return
        apply(refund, payout, result, now=now)
        faults.point("before_result_commit")
    faults.point("after_result_commit")


def apply(refund: Refund, payout: Payout, result: RefundResult, *, now: datetime) -> bool:
    """``record`` in the caller's transaction, which holds refund and payout; answers whether its state changed.

    What names another amount, currency or id than ours is no answer to us: the transfer is set aside, and
    a person looks into it. An answer that is older than what is known by now changes nothing.
    """
    wrong = _wrong(payout, result)
    changed = not wrong and PAYOUT.can(payout.state, STEPS[result.state])
    arrives_on = _arrival(payout, now) if changed and result.state in ("pending", "succeeded") else None
    payout.checked_at = now
    if wrong:
        return quarantine(refund, payout, wrong, theirs=_told(result), now=now)
    payout.bank_reference = result.bank_reference or payout.bank_reference
    was = payout.state
    if changed:
        payout.state, payout.error = PAYOUT.after(was, STEPS[result.state]), result.error[:500]
        payout.provider_reference = result.reference[:100] or payout.provider_reference
        payout.arrives_on = arrives_on or payout.arrives_on
        payout.settled_at = now if payout.state == "succeeded" else payout.settled_at
    payout.next_check_at = next_check(payout, now)
    tasks.done_all(_dealt_with(payout), merchant_id=payout.merchant_id, now=now)
    if changed:
        _follow(refund, payout, was, now)
        db.session.flush()
        conclude(refund, now=now)
    return changed


def conclude(refund: Refund, *, now: datetime) -> None:
    """The refund follows its transfers; the caller commits."""
    transfers = latest(of_refund(refund.id))
    errors = "; ".join(payout.error for payout in transfers if payout.state in FREED and payout.error)
    concluding.follow(refund, {payout.state for payout in transfers}, error=errors, now=now)


def _follow(refund: Refund, payout: Payout, was: str, now: datetime) -> None:
    """What a new state of a transfer brings with it, in quota, books and tasks."""
    if payout.state == "succeeded":
        moved = ledger.paid_out(share_of(payout), payout.provider, currency=payout.currency, mode=payout.mode)
        _post(refund, payout, [moved], "payout_settled", now)
        if payout.mode != CAPTURED:
            quota.let_go(share_of(payout))
    if payout.state in FREED:
        _undo(refund, payout, now, let_go=was == "succeeded" and payout.mode != CAPTURED)
        details = about(refund, payout) | {"reason": code_of(payout.error), "error": payout.error, "was": was}
        tasks.open(
            "refund_failed",
            payout.key,
            merchant_id=refund.merchant_id,
            subject_id=refund.id,
            details=details,
            now=now,
        )


def _dealt_with(payout: Payout) -> list[tuple[str, str]]:
    """The matters, by kind and key, that an answer about this transfer settles."""
    settled = [("wrong_answer", payout.key)]
    if payout.state in ("succeeded", *FREED):
        settled += [("refund_waits", payout.key), ("pay_by_hand", payout.key)]
    if payout.state in ("pending", "succeeded") and payout.provider not in UNASKED:
        settled.append(("not_authorized", payout.provider))
    return settled


def _arrival(payout: Payout, now: datetime) -> date | None:
    if payout.mode != CAPTURED:
        return None  # what was never paid arrives nowhere
    shop = merchants.by_id(payout.merchant_id)
    payment = db.session.get(Payment, payout.payment_id) if payout.payment_id else None
    tender = payment.tender if payment is not None else payout.provider
    return arrives_on(tender, payout.provider, now, merchants.facts(shop)) if shop is not None else None


def code_of(error: str) -> str:
    """The short stable word of a refusal that begins with one."""
    word = error.partition(":")[0].strip()
    return word if word.isidentifier() else ""


def about(refund: Refund, payout: Payout) -> dict[str, object]:
    """What every task about a transfer tells."""
    return {
        "number": refund.number,
        "return_id": str(refund.return_id) if refund.return_id else "",
        "payout_id": str(payout.id),
        "amount": payout.amount_minor,
        "currency": payout.currency,
        "provider": payout.provider,
    }


def _wrong(payout: Payout, result: RefundResult) -> str:
    """Which part of an answer is not about this transfer; empty when all of it is."""
    if result.amount != payout.amount_minor:
        return "amount"
    if result.currency != payout.currency:
        return "currency"
    known, told = payout.provider_reference, result.reference
    if not told or told == known or payout.provider in UNASKED:
        return ""
    another = sa.select(Payout.id).where(
        Payout.provider == payout.provider, Payout.provider_reference == told, Payout.id != payout.id
    )
    return "reference" if known or db.session.scalar(another.limit(1)) is not None else ""


def _told(result: RefundResult) -> dict[str, object]:
    return {
        "amount": result.amount,
        "currency": result.currency,
        "reference": result.reference,
        "state": result.state,
    }


def quarantine(
    refund: Refund, payout: Payout, reason: str, *, theirs: Mapping[str, object], now: datetime
) -> bool:
    """Set a transfer aside whose answer is not about it; it keeps its quota, and a person looks into it."""
    ours = {
        "amount": payout.amount_minor,
        "currency": payout.currency,
        "reference": payout.provider_reference,
        "state": payout.state,
    }
    tasks.open(
        "wrong_answer",
        payout.key,
        merchant_id=payout.merchant_id,
        subject_id=refund.id,
        details=about(refund, payout) | {"reason": reason, "ours": ours, "theirs": dict(theirs)},
        now=now,
    )
    changed = payout.state not in ("succeeded", *FREED) and PAYOUT.can(payout.state, "ask")
    if changed:
        payout.state, payout.error = PAYOUT.after(payout.state, "ask"), f"wrong_answer: {reason}"
    payout.next_check_at = next_check(payout, now)
    db.session.flush()
    if changed:
        conclude(refund, now=now)
    return changed


def next_check(payout: Payout, now: datetime) -> datetime | None:
    """When the gateway is asked again; None when there is nobody to ask, or nothing more to come.

    A success is looked at closely for a day, then whenever it has become an eighth older: what is taken back
    soon is seen soon, and what is old costs little.
    """
    if payout.provider in UNASKED or payout.state in ("planned", *FREED):
        return None
    if payout.state in ("submitting", "unknown"):
        return now + LOST_AFTER
    if payout.state != "succeeded" or payout.settled_at is None:
        return now + CHECK_EVERY
    age = now - payout.settled_at
    distance = SUCCESS_EVERY if age < timedelta(days=1) else min(age / 8, timedelta(days=1))
    return now + distance if age + distance <= WATCHED_FOR else None


def share_of(payout: Payout) -> Share:
    """The quota that one transfer holds."""
    return Share(payment_id=payout.payment_id, amount=payout.amount_minor, origin_id=payout.payment_id)


def _undo(refund: Refund, payout: Payout, now: datetime, *, let_go: bool) -> None:
    """A transfer that failed, at once or after it had succeeded: its quota is free, the money still owed."""
    if payout.settled_at is not None and payout.provider in OWN_CREDIT:
        credits.take_back(payout, now=now)
    if refund.order_id is not None and payout.payment_id is not None:
        quota.free_share(share_of(payout), refund.order_id, let_go=let_go)
        chargebacks.hold_rest(payout.payment_id, now=now)
    books.reverse(refund.id, kind="payout_failed", payout_id=payout.id, kinds=("payout_settled",), now=now)
    unpaid = books.failed(payout.amount_minor, payout.currency)
    _post(refund, payout, [unpaid], "payout_failed", now)


def take_again(
    refund: Refund,
    payout: Payout,
    *,
    provider: str | None = None,
    destination: Mapping[str, object] | None = None,
    now: datetime,
) -> UUID:
    """Plan another transfer for one that gave its quota back, and hold it again; answers the new one's id.

    Raises ``Conflict("too_much")`` where others have taken the quota meanwhile.
    """
    if refund.order_id is not None and payout.payment_id is not None:
        quota.take_share(share_of(payout), refund.order_id)
    books.reverse(refund.id, kind="payout_retried", payout_id=payout.id, kinds=("payout_failed",), now=now)
    tasks.done("refund_failed", payout.key, merchant_id=refund.merchant_id, now=now)
    tasks.done("wrong_answer", payout.key, merchant_id=refund.merchant_id, now=now)
    return replace_by(refund, payout, provider=provider, destination=destination, now=now)


def replace_by(
    refund: Refund,
    payout: Payout,
    *,
    provider: str | None = None,
    destination: Mapping[str, object] | None = None,
    now: datetime,
) -> UUID:
    """A new transfer in the place of one that will not be made, which holds its quota from here on."""
    row = row_of(
        refund,
        payment_id=payout.payment_id,
        amount=payout.amount_minor,
        provider=provider or payout.provider,
        destination={
            name: value
            for name, value in (payout.destination if destination is None else destination).items()
            if name != ASKED
        },
        now=now,
    )
    db.session.execute(sa.insert(Payout), [row])
    new_id = row["id"]
    assert isinstance(new_id, UUID)  # noqa: S101  for the type
    return new_id


def row_of(
    refund: Refund,
    *,
    payment_id: UUID | None,
    amount: int,
    provider: str,
    destination: Mapping[str, object],
    now: datetime,
) -> dict[str, object]:
    """A planned transfer as it is inserted; its id is its key at the provider, for ever.

    What was never captured goes no other way than back to where it is reserved, or owed.
    """
    payout_id = uuid7()
    mode, provider = _way(payment_id, provider)
    return {
        "id": payout_id,
        "merchant_id": refund.merchant_id,
        "refund_id": refund.id,
        "payment_id": payment_id,
        "mode": mode,
        "state": PAYOUT.start,
        "amount_minor": amount,
        "currency": refund.currency,
        "provider": provider,
        "key": str(payout_id),
        "destination": dict(destination),
        "created_at": now,
    }


def renew(payout: Payout) -> None:
    """A planned transfer, held by the caller, as its payment is by now: it may have been captured since.

    The payment is held until the transaction ends.
    """
    if payout.payment_id is None or payout.state != PAYOUT.start:
        return
    db.session.get_one(Payment, payout.payment_id, populate_existing=True, with_for_update=True)
    payout.mode, payout.provider = _way(payout.payment_id, payout.provider)


def _way(payment_id: UUID | None, provider: str) -> tuple[str, str]:
    """What a transfer takes from that payment, and who makes it where ``provider`` was to."""
    payment = db.session.get(Payment, payment_id) if payment_id is not None else None
    if payment is None:
        return CAPTURED, provider
    if payment.mode == DUE:
        return DUE, DUE
    elsewhere = provider == DUE or (payment.mode == AUTHORIZED and provider in (BANK, *OWN_CREDIT))
    return payment.mode, payment.provider if elsewhere else provider


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

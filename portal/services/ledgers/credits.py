"""Our own ledgers: store credit and gift cards. Money goes onto a code once per transfer, and off it as spent.

Everything that moves a balance is one row that is never changed; the balance is their sum, never below zero.
"""

import secrets
from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import credits as codes
from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.core.money import Minor
from portal.db import history, merchants, returns
from portal.db.base import db, insert_ignore, transaction, uuid7
from portal.db.credits import Credit, CreditEntry
from portal.db.mails import Mail
from portal.db.orders import Order, Payment
from portal.db.refunds import Payout, Refund
from portal.db.tasks import Task
from portal.ports import RefundResult
from portal.services import scope, tasks
from portal.services.ledgers.credit_facts import CreditFacts as CreditFacts
from portal.services.ledgers.credit_facts import is_over, state_of
from portal.services.ledgers.credit_facts import listing as listing
from portal.services.ledgers.credit_facts import of_return as of_return
from portal.services.ledgers.credit_facts import one as one
from portal.services.ledgers.credit_facts import seen as seen
from portal.services.ledgers.credit_facts import typed as typed
from portal.services.talking import notices

STORE_CREDIT, GIFT_CARD = "store_credit", "gift_card"
OWN = (STORE_CREDIT, GIFT_CARD)
"""Providers that are ledgers of our own: paid inside our database, in the transaction of the result."""

REFUNDED, TAKEN_BACK, SPENT, VOIDED = "refund", "taken_back", "spent", "voided"
"""Why a balance moved."""


# ------------------------------------------------------------------------------------------ money onto a code


def pay(payout: Payout, *, secret: str, now: datetime) -> RefundResult:
    """Put one transfer onto its code, in the caller's transaction, which holds refund and transfer locked.

    Money that a gift card or a credit had paid goes back onto the same one; other money, and a bonus, onto
    the one credit of its refund. The same transfer again changes nothing. Where it cannot go (the code is
    void, or is of another currency) a person must decide.
    """
    refund = db.session.get_one(Refund, payout.refund_id)
    credit = _held(refund, payout, secret=secret, now=now)
    again = sa.select(CreditEntry.id).where(CreditEntry.payout_id == payout.id, CreditEntry.why == REFUNDED)
    if db.session.scalar(again) is not None:
        return _answer(payout, credit, "succeeded")
    if credit.voided_at is not None or credit.currency != payout.currency:
        error = "credit_void" if credit.voided_at is not None else "currency_differs"
        return _answer(payout, credit, "requires_action", error)
    _move(credit, payout.amount_minor, REFUNDED, SYSTEM, now, payout_id=payout.id)
    credit.expires_on = codes.later(credit.expires_on, _last_day(refund, now))
    db.session.flush()
    _tell_customer(credit, refund, payout, now)
    return _answer(payout, credit, "succeeded")


def _answer(payout: Payout, credit: Credit, state: str, error: str = "") -> RefundResult:
    return RefundResult(
        state=state,
        reference=str(credit.id),
        amount=payout.amount_minor,
        currency=payout.currency,
        error=error,
    )


def _held(refund: Refund, payout: Payout, *, secret: str, now: datetime) -> Credit:
    """The code that this transfer goes onto, locked; made when it is the first."""
    payment = db.session.get(Payment, payout.payment_id) if payout.payment_id else None
    returned = payment is not None and payment.provider == payout.provider
    kind = payout.provider if returned else STORE_CREDIT
    reference = payment.reference if payment is not None and returned else str(refund.id)
    mine = sa.select(Credit).where(
        Credit.merchant_id == refund.merchant_id, Credit.kind == kind, Credit.reference == reference
    )
    found = db.session.scalar(mine.with_for_update().execution_options(populate_existing=True))
    if found is not None:
        return found
    row = returns.get(refund.return_id) if refund.return_id else None
    order = db.session.get(Order, refund.order_id) if refund.order_id else None
    nonce = secrets.token_urlsafe(24)
    code = codes.code(secret, nonce)
    new = insert_ignore(Credit).values(
        id=uuid7(),
        merchant_id=refund.merchant_id,
        kind=kind,
        reference=reference,
        nonce=nonce,
        digest=codes.digest(code),
        last=codes.last(code),
        currency=payout.currency,
        balance_minor=0,
        expires_on=_last_day(refund, now),
        email=(row.email if row else order.email if order else ""),
        name=(row.name if row else order.name if order else ""),
        order_id=refund.order_id,
        created_at=now,
    )
    db.session.execute(new)  # another transfer may have made it a moment ago: then that one counts
    return db.session.scalars(mine.with_for_update().execution_options(populate_existing=True)).one()


def _last_day(refund: Refund, now: datetime) -> date | None:
    """Until when money that is given now may be spent: by the law of the customer's place, never shorter."""
    row = returns.get(refund.return_id) if refund.return_id else None
    order = db.session.get(Order, refund.order_id) if refund.order_id else None
    merchant, _, terms = merchants.with_terms(refund.merchant_id, row.policy_id if row else None)
    home = (row.address if row else None) or (order.address if order else None) or {}
    return codes.expires_on(
        (order.country if order else "") or str(home.get("country") or ""),
        str(home.get("region") or ""),
        issued_on=now.astimezone(ZoneInfo(merchant.zone)).date(),
        wish_months=terms.store_credit_months,
    )


def _move(
    credit: Credit,
    amount: Minor,
    why: str,
    actor: Actor,
    now: datetime,
    *,
    payout_id: UUID | None = None,
    note: str = "",
) -> None:
    """One movement; the caller holds the credit locked, and has looked that the balance suffices."""
    credit.balance_minor += amount
    db.session.add(
        CreditEntry(
            id=uuid7(),
            merchant_id=credit.merchant_id,
            credit_id=credit.id,
            payout_id=payout_id,
            amount_minor=amount,
            why=why,
            note=note.strip()[:300],
            at=now,
            by_name=actor.name,
        )
    )
    db.session.flush()


def _tell_customer(credit: Credit, refund: Refund, payout: Payout, now: datetime) -> None:
    history.record(
        SYSTEM,
        "store_credit.issued",
        merchant_id=credit.merchant_id,
        subject_id=refund.return_id or refund.id,
        now=now,
        amount=payout.amount_minor,
        currency=payout.currency,
        ending=credit.last,
    )
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None or not row.email:
        return
    waiting = sa.select(Mail.values).where(
        Mail.return_id == row.id, Mail.event == "store_credit", Mail.state == "queued"
    )
    if any(values.get("credit") == str(credit.id) for values in db.session.scalars(waiting)):
        return  # the one that waits will tell the whole balance
    notices.queue("store_credit", returns.draft(row), now=now, refund_id=refund.id, credit=str(credit.id))


def take_back(payout: Payout, *, now: datetime) -> None:
    """The transfer is undone: what it put onto its code comes off again, in the caller's transaction.

    Raises ``Conflict("credit_spent")`` with what is left when it was spent meanwhile. Again changes nothing.
    """
    entries = db.session.scalars(sa.select(CreditEntry).where(CreditEntry.payout_id == payout.id)).all()
    amount = sum(entry.amount_minor for entry in entries)
    if not amount:
        return
    credit = _locked(entries[0].credit_id)
    if credit.balance_minor < amount:
        raise Conflict("credit_spent", maximum=credit.balance_minor, currency=credit.currency)
    _move(credit, -amount, TAKEN_BACK, SYSTEM, now, payout_id=payout.id)


# ------------------------------------------------------------------------------------------------- by people


def spend(
    actor: Actor, credit_id: UUID, *, amount: Minor, reason: str, expected: Minor, now: datetime
) -> None:
    """Somebody sold goods against a code. ``expected`` is the balance that was shown.

    Raises ``Conflict``: ``reason_missing``, ``nothing_spent``, ``more_than_left`` with the maximum,
    ``credit_void``, ``credit_expired``, ``balance_changed``.
    """
    with transaction():
        credit = _managed(actor, credit_id, "refunds.propose", reason)
        if credit.voided_at is not None:
            raise Conflict("credit_void")
        if is_over(credit, now):
            raise Conflict("credit_expired")
        if credit.balance_minor != expected:
            raise Conflict("balance_changed", amount=credit.balance_minor, currency=credit.currency)
        if amount <= 0:
            raise Conflict("nothing_spent")
        if amount > credit.balance_minor:
            raise Conflict("more_than_left", maximum=credit.balance_minor, currency=credit.currency)
        _move(credit, -amount, SPENT, actor, now, note=reason)
        _record(actor, "store_credit.spent", credit, now, amount=amount, reason=reason.strip())


def void(actor: Actor, credit_id: UUID, *, reason: str, now: datetime) -> None:
    """The code is worth nothing any more; finance is asked to look at what was left. Again is no error.

    Raises ``Conflict("reason_missing")``.
    """
    with transaction():
        credit = _managed(actor, credit_id, "refunds.approve", reason)
        if credit.voided_at is not None:
            return
        left = credit.balance_minor
        if left:
            _move(credit, -left, VOIDED, actor, now, note=reason)
        credit.voided_at = now
        _record(actor, "store_credit.voided", credit, now, amount=left, reason=reason.strip())
        if left:
            _ask_finance("credit_voided", credit, left, now)


def _managed(actor: Actor, credit_id: UUID, permission: str, reason: str) -> Credit:
    credit = _locked(credit_id)
    scope.require(actor, permission, credit.merchant_id)
    if not reason.strip():
        raise Conflict("reason_missing")
    return credit


def _locked(credit_id: UUID) -> Credit:
    credit = db.session.get(Credit, credit_id, populate_existing=True, with_for_update=True)
    if credit is None:
        raise NotFound
    return credit


def _record(actor: Actor, what: str, credit: Credit, now: datetime, **details: object) -> None:
    told = {"currency": credit.currency, "ending": credit.last} | details
    history.record(actor, what, merchant_id=credit.merchant_id, subject_id=credit.id, now=now, **told)


# ----------------------------------------------------------------------------------------------- looked after


def look_after(*, now: datetime, limit: int = 100) -> int:
    """Ask finance to look at credits that have expired with money on them; nothing is taken off them."""
    asked = (
        sa.select(Task.id)
        .where(Task.merchant_id == Credit.merchant_id, Task.kind == "credit_expired")
        .where(Task.subject_id == Credit.id)
    )
    due = sa.select(Credit.id).where(
        Credit.expires_on < now.date(), Credit.balance_minor > 0, Credit.voided_at.is_(None), ~asked.exists()
    )
    done = 0
    for credit_id in db.session.scalars(due.order_by(Credit.expires_on).limit(limit)).all():
        with transaction():
            credit = _locked(credit_id)
            if state_of(credit, now) == "expired":
                _ask_finance("credit_expired", credit, credit.balance_minor, now)
                done += 1
    return done


def _ask_finance(kind: str, credit: Credit, left: Minor, now: datetime) -> None:
    tasks.open(
        kind,
        str(credit.id),
        merchant_id=credit.merchant_id,
        subject_id=credit.id,
        now=now,
        details={"amount": left, "currency": credit.currency, "ending": credit.last},
    )


def problems() -> Iterator[str]:
    """What is wrong with the codes: a balance that is not its movements, a transfer that is not on a code."""
    sums = (
        sa.select(CreditEntry.credit_id, sa.func.sum(CreditEntry.amount_minor).label("total"))
        .group_by(CreditEntry.credit_id)
        .subquery()
    )
    wrong = (
        sa.select(Credit.id, Credit.balance_minor, sa.func.coalesce(sums.c.total, 0))
        .outerjoin(sums, sums.c.credit_id == Credit.id)
        .where(Credit.balance_minor != sa.func.coalesce(sums.c.total, 0))
    )
    for credit_id, balance, total in db.session.execute(wrong):
        yield f"credit {credit_id}: the balance is {balance}, its movements sum to {total}"
    given = (
        sa.select(CreditEntry.payout_id, sa.func.sum(CreditEntry.amount_minor).label("total"))
        .where(CreditEntry.payout_id.is_not(None))
        .group_by(CreditEntry.payout_id)
        .subquery()
    )
    expected = sa.case((Payout.state == "succeeded", Payout.amount_minor), else_=0)
    astray = (
        sa.select(Payout.id, expected, sa.func.coalesce(given.c.total, 0))
        .outerjoin(given, given.c.payout_id == Payout.id)
        .where(sa.or_(Payout.provider.in_(OWN), given.c.payout_id.is_not(None)))
        .where(expected != sa.func.coalesce(given.c.total, 0))
    )
    for payout_id, due, total in db.session.execute(astray):
        yield f"transfer {payout_id}: {due} should be on its code, {total} is"

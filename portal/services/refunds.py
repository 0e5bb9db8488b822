"""Refunds: shown before they are made, held against every cap, approved, and what is known of them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core import numbers
from portal.core.access import Actor, Conflict, NotFound
from portal.core.lifecycles import PAYOUT, REFUND
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import Draft
from portal.core.spans import count
from portal.db import returns
from portal.db.base import db, transaction, uuid7
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund, RefundLine
from portal.db.returns import Return, ReturnLine
from portal.services import books, notices, owed, payouts, quota, scope, work
from portal.services.payouts import MANUAL as MANUAL
from portal.services.payouts import send as send
from portal.services.payouts import settle_by_hand as settle_by_hand
from portal.services.payouts import tell
from portal.services.returns import Page, read


@dataclass(frozen=True, kw_only=True)
class PayoutFacts:
    """One transfer as people see it."""

    id: UUID
    state: str
    amount: Minor
    currency: str
    provider: str
    tender: str
    label: str
    reference: str
    error: str
    settled_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RefundFacts:
    """One refund as people see it, with its breakdown and its transfers."""

    id: UUID
    merchant_id: UUID
    return_id: UUID | None
    number: str
    state: str
    currency: str
    amount: Minor
    breakdown: Breakdown
    reason: str
    created_at: datetime
    created_by: str
    approved_at: datetime | None
    succeeded_at: datetime | None
    error: str
    payouts: tuple[PayoutFacts, ...]
    return_number: str = ""


def quote(
    actor: Actor, return_id: UUID, *, goodwill: Minor = 0, reason: str = "", now: datetime
) -> Breakdown:
    """What would be refunded now: units that came back and count, less those refunded, at their grade.

    Raises ``Conflict``: ``nothing_to_refund``, ``to_be_assessed`` (no order), ``too_much`` with the maximum,
    ``reason_missing``, ``not_granted``, ``negative_amount``.
    """
    page = read(scope.return_row(actor, return_id, "refunds.read"), now=now)
    return owed.work_out(actor, page, goodwill=goodwill, reason=reason, now=now)


def propose(
    actor: Actor,
    return_id: UUID,
    *,
    goodwill: Minor = 0,
    reason: str = "",
    expected: Minor | None = None,
    now: datetime,
) -> UUID:
    """Decide on a refund as ``quote`` shows it, and hold its quota. Whoever may approve refunds approves it too.

    ``expected`` is the amount that was shown: another one now is ``Conflict("amount_changed")``, and nothing
    is done. Raises what ``quote`` raises.
    """
    with transaction():
        row = scope.return_row(actor, return_id, "refunds.propose", lock=True)
        page = read(row, now=now, lock=True)
        due = owed.work_out(actor, page, goodwill=goodwill, reason=reason, now=now)
        if expected is not None and due.amount != expected:
            raise Conflict("amount_changed", amount=due.amount, currency=due.currency)
        refund = _new(actor, row, due, reason=reason, now=now)
        if row.order_id is not None:
            quota.take(due, row.order_id)
        db.session.add(refund)
        db.session.flush()
        _write_lines(refund, due, page.draft)
        row.refund_state = REFUND.start
        tell(actor, "refund.created", refund, now, amount=due.amount, currency=due.currency)
        if actor.may("refunds.approve", row.merchant_id):
            _approve(actor, refund, due, page, now)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return refund.id


def _new(actor: Actor, row: Return, due: Breakdown, *, reason: str, now: datetime) -> Refund:
    return Refund(
        id=uuid7(),
        merchant_id=row.merchant_id,
        order_id=row.order_id,
        return_id=row.id,
        number=numbers.refund_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
        state=REFUND.start,
        currency=due.currency,
        amount_minor=due.amount,
        breakdown=breakdowns.to_json(due),
        reason=reason.strip(),
        created_at=now,
        created_by=actor.id,
        created_by_name=actor.name,
        error="",
        version=1,
    )


def _write_lines(refund: Refund, due: Breakdown, draft: Draft) -> None:
    if due.lines:
        db.session.execute(
            sa.insert(RefundLine),
            [
                {
                    "id": uuid7(),
                    "merchant_id": refund.merchant_id,
                    "refund_id": refund.id,
                    "order_line_id": line.line_id,
                    "spans": [list(span) for span in line.spans],
                    "amount_minor": line.amount,
                    "taxes": [list(tax) for tax in line.taxes],
                    "withheld_minor": line.withheld,
                }
                for line in due.lines
            ],
        )
    _count_units(draft, due, 1)


def _count_units(draft: Draft, due: Breakdown, sign: int) -> None:
    """Count the units of a refund on the lines of its return, or off again."""
    units = {line.line_id: count(line.spans) for line in due.lines}
    rows = [
        {"row": line.id, "more": sign * units[line.order_line_id]}
        for line in draft.lines
        if line.order_line_id is not None and units.get(line.order_line_id)
    ]
    if rows:
        table = ReturnLine.__table__
        db.session.connection().execute(
            sa.update(table)
            .where(table.c.id == sa.bindparam("row"))
            .values(refunded_units=table.c.refunded_units + sa.bindparam("more")),
            rows,
        )


def approve(actor: Actor, refund_id: UUID, *, now: datetime) -> None:
    """Let a proposed refund go. Approving it again is no error. Raises ``IllegalStep``, ``NotAllowed``."""
    with transaction():
        refund = _refund(actor, refund_id, "refunds.approve")
        if refund.state in ("approved", "pending", "succeeded"):
            return
        page = _page_of(refund, now)
        _approve(actor, refund, breakdowns.from_json(refund.breakdown), page, now)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")


def _approve(actor: Actor, refund: Refund, due: Breakdown, page: Page, now: datetime) -> None:
    """Post what is owed, plan the transfers, and promise the work that sends them."""
    if page.order is None:
        raise Conflict("to_be_assessed")
    refund.state = REFUND.after(refund.state, "approve")
    refund.approved_at, refund.approved_by, refund.version = now, actor.id, refund.version + 1
    books.post(
        ledger.decided(due, page.order),
        kind="refund_decided",
        merchant_id=refund.merchant_id,
        refund_id=refund.id,
        now=now,
    )
    tell(actor, "refund.approved", refund, now, amount=due.amount, currency=due.currency)
    _tell_what_changed(refund, due, page, now)
    providers = {payment.id: payment.provider for payment in page.order.payments}
    if payouts.plan(refund, due.shares, providers, now):
        _set_refund_state(refund, "pending")
        work.enqueue("refund", refund.id)
    else:
        payouts.conclude(refund, now=now)


def _tell_what_changed(refund: Refund, due: Breakdown, page: Page, now: datetime) -> None:
    """Explain to the customer why the first refund of all that came back is not what was estimated."""
    row = returns.get(page.draft.id)
    if row is None or row.breakdown is None or row.state not in ("received", "inspected"):
        return
    others = sa.select(Refund.id).where(
        Refund.return_id == row.id, Refund.id != refund.id, Refund.state != "canceled"
    )
    before = breakdowns.from_json(row.breakdown)
    if before.amount != due.owed and db.session.scalar(others.limit(1)) is None:
        notices.queue("inspected_changed", page.draft, now=now, refund_id=refund.id, before=row.breakdown)


def retry(actor: Actor, refund_id: UUID, *, now: datetime) -> None:
    """Send the failed transfers once more, as new ones. Raises ``Conflict("too_much")``, ``IllegalStep``."""
    with transaction():
        refund = _refund(actor, refund_id, "refunds.approve")
        refund.state = REFUND.after(refund.state, "retry")
        transfers = payouts.of_refund(refund.id)
        for payout in payouts.latest(transfers):
            if payout.state == "failed":
                payouts.take_again(refund, payout, now=now)
        refund.error, refund.version = "", refund.version + 1
        _set_refund_state(refund, "pending")
        tell(actor, "refund.updated", refund, now, step="retry")
        work.enqueue("refund", refund.id, run=len(transfers))


def cancel(actor: Actor, refund_id: UUID, *, reason: str = "", now: datetime) -> None:
    """Give a refund up before anything of it was paid; its quota and its units are free again.

    Raises ``Conflict("partly_paid")``, ``IllegalStep``.
    """
    with transaction():
        refund = _refund(actor, refund_id, "refunds.propose")
        state = REFUND.after(refund.state, "cancel")
        transfers = payouts.of_refund(refund.id)
        if any(payout.state not in ("planned", "failed") for payout in transfers):
            raise Conflict("partly_paid")
        due = breakdowns.from_json(refund.breakdown)
        freed = {payout.payment_id for payout in payouts.latest(transfers) if payout.state == "failed"}
        page = _page_of(refund, now)
        if refund.order_id is not None:
            held = tuple(share for share in due.shares if share.origin_id not in freed)
            quota.give_back(replace(due, shares=held), refund.order_id)
        books.reverse(refund.id, kind="refund_canceled", now=now)
        for payout in transfers:
            if payout.state == "planned":
                payout.state = PAYOUT.after(payout.state, "cancel")
        refund.state, refund.version = state, refund.version + 1
        _count_units(page.draft, due, -1)
        _set_refund_state(refund, "canceled")
        tell(actor, "refund.canceled", refund, now, reason=reason)


def _refund(actor: Actor, refund_id: UUID, permission: str) -> Refund:
    refund = payouts.locked(refund_id)
    scope.require(actor, permission, refund.merchant_id)
    return refund


def _page_of(refund: Refund, now: datetime) -> Page:
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None:
        raise NotFound
    return read(row, now=now, lock=True)


def _set_refund_state(refund: Refund, state: str) -> None:
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is not None:
        row.refund_state = state


def of_return(return_id: UUID) -> tuple[RefundFacts, ...]:
    """The refunds of a return, oldest first; the caller has passed the gate."""
    wanted = sa.select(Refund).where(Refund.return_id == return_id).order_by(Refund.id)
    return _facts(db.session.scalars(wanted).all())


def listing(
    actor: Actor, *, state: str | None = None, after: UUID | None = None, limit: int = 50
) -> tuple[RefundFacts, ...]:
    """Refunds of the actor's merchants, newest first; ``after`` continues a list."""
    ids = [one for one in actor.merchant_ids if actor.may("refunds.read", one)]
    wanted = sa.select(Refund).where(Refund.merchant_id.in_(ids))
    if state:
        wanted = wanted.where(Refund.state == state)
    if after is not None:
        wanted = wanted.where(Refund.id < after)
    return _facts(db.session.scalars(wanted.order_by(Refund.id.desc()).limit(limit)).all())


def one(actor: Actor, refund_id: UUID) -> RefundFacts:
    """One refund with its transfers. Raises ``NotFound``, ``NotAllowed``."""
    row = db.session.get(Refund, refund_id)
    if row is None:
        raise NotFound
    scope.require(actor, "refunds.read", row.merchant_id)
    return _facts([row])[0]


def _facts(rows: Sequence[Refund]) -> tuple[RefundFacts, ...]:
    payouts: dict[UUID, list[PayoutFacts]] = {}
    transfers = (
        sa.select(Payout, Payment.tender, Payment.label)
        .join(Payment, Payment.id == Payout.payment_id)
        .where(Payout.refund_id.in_([row.id for row in rows]))
        .order_by(Payout.id)
    )
    for payout, tender, label in db.session.execute(transfers) if rows else ():
        payouts.setdefault(payout.refund_id, []).append(
            PayoutFacts(
                id=payout.id,
                state=payout.state,
                amount=payout.amount_minor,
                currency=payout.currency,
                provider=payout.provider,
                tender=tender,
                label=label,
                reference=payout.provider_reference,
                error=payout.error,
                settled_at=payout.settled_at,
            )
        )
    named = sa.select(returns.Return.id, returns.Return.number).where(
        returns.Return.id.in_([row.return_id for row in rows if row.return_id])
    )
    numbers_of = {one.id: one.number for one in db.session.execute(named)} if rows else {}
    return tuple(
        RefundFacts(
            id=row.id,
            merchant_id=row.merchant_id,
            return_id=row.return_id,
            return_number=(numbers_of.get(row.return_id) or "") if row.return_id else "",
            number=row.number,
            state=row.state,
            currency=row.currency,
            amount=row.amount_minor,
            breakdown=breakdowns.from_json(row.breakdown),
            reason=row.reason,
            created_at=row.created_at,
            created_by=row.created_by_name,
            approved_at=row.approved_at,
            succeeded_at=row.succeeded_at,
            error=row.error,
            payouts=tuple(payouts.get(row.id, ())),
        )
        for row in rows
    )

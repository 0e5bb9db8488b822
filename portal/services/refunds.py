"""Refunds: shown before they are made, held against every cap, sent by durable work, their result recorded."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core import numbers
from portal.core.access import SYSTEM, Actor, Conflict, NotFound
from portal.core.facts import Addition, Wanted
from portal.core.lifecycles import PAYOUT, REFUND
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import Breakdown, NotGranted, Share, TooMuch
from portal.core.refunds.engine import quote as work_out
from portal.core.returns import Draft, DraftLine
from portal.core.spans import lowest, without
from portal.db import history, returns
from portal.db.base import db, transaction, uuid7
from portal.db.orders import Payment
from portal.db.refunds import Payout, Refund, RefundLine
from portal.db.returns import Inspection, ReturnLine
from portal.ports import Declined, Gateways, RefundResult, Unavailable
from portal.services import books, notices, quota, scope, work
from portal.services.returns import Page, as_request, read

PER_RETURN_FEES = ("restocking_fee", "return_shipping_fee")
SETTLED = {"succeeded": "succeed", "failed": "fail", "pending": "accept", "requires_action": "ask"}


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
    ``reason_missing``.
    """
    page = read(scope.return_row(actor, return_id, "refunds.read"), now=now)
    return _quote(page, _additions(actor, page, goodwill, reason), now)


def _additions(actor: Actor, page: Page, goodwill: Minor, reason: str) -> tuple[Addition, ...]:
    if not goodwill:
        return ()
    role = actor.roles.get(page.draft.merchant_id, "")
    return (Addition(code="goodwill", amount=goodwill, reason=reason.strip(), granted_by=role),)


def _quote(page: Page, extra: tuple[Addition, ...], now: datetime) -> Breakdown:
    if page.order is None:
        raise Conflict("to_be_assessed")
    wanted = _due(page)
    if not wanted and not extra:
        raise Conflict("nothing_to_refund")
    request = replace(
        as_request(page.draft, now=now), wanted=wanted, extra=extra, fees_taken=_fees_taken(page.draft.id)
    )
    try:
        return work_out(page.order, request, page.terms, now=now)
    except TooMuch as problem:
        raise Conflict("too_much", maximum=problem.maximum) from None
    except NotGranted as problem:
        raise Conflict("reason_missing" if problem.missing == "reason" else "not_granted") from None


def _due(page: Page) -> tuple[Wanted, ...]:
    """Units that count (received, or accepted where the policy waits for the inspection), by grade."""
    found: list[Wanted] = []
    grades = _grades(page.draft)
    for line in page.draft.lines:
        if line.order_line_id is None:
            continue
        rest = without(line.spans, _refunded_spans(page.draft.id, line))
        for grade, units in _countable(line, grades.get(line.id, []), page.terms.refund_trigger):
            if units <= 0:
                continue
            spans = lowest(rest, units)
            rest = without(rest, spans)
            found.append(
                Wanted(
                    line_id=line.order_line_id,
                    units=units,
                    reason=line.reason,
                    condition=line.condition,
                    note=line.note,
                    photos=len(line.photos),
                    grade=grade,
                    spans=spans,
                )
            )
    return tuple(found)


def _countable(line: DraftLine, graded: list[tuple[str, int]], trigger: str) -> list[tuple[str | None, int]]:
    """(grade, units) still to be refunded of a line: what was refunded before counts off from the first."""
    parts: list[tuple[str | None, int]] = [(grade, units) for grade, units in graded]
    if trigger == "on_receipt":
        judged = line.accepted + line.rejected
        parts.append((None, line.received - judged))
    gone = line.refunded
    left: list[tuple[str | None, int]] = []
    for grade, units in parts:
        skipped = min(gone, units)
        gone -= skipped
        left.append((grade, units - skipped))
    return left


def _grades(draft: Draft) -> dict[UUID, list[tuple[str, int]]]:
    """line id -> accepted units by grade, in the order they were inspected."""
    found: dict[UUID, list[tuple[str, int]]] = {}
    ids = [line.id for line in draft.lines if line.accepted]
    if ids:
        rows = db.session.execute(
            sa.select(Inspection.return_line_id, Inspection.grade, Inspection.units)
            .where(Inspection.return_line_id.in_(ids), Inspection.accepted)
            .order_by(Inspection.id)
        )
        for line_id, grade, units in rows:
            found.setdefault(line_id, []).append((grade, units))
    return found


def _active(return_id: UUID) -> sa.Select[tuple[Refund]]:
    return sa.select(Refund).where(Refund.return_id == return_id, Refund.state != "canceled")


def _refunded_spans(return_id: UUID, line: DraftLine) -> list[tuple[int, int]]:
    if not line.refunded:
        return []
    rows = db.session.scalars(
        sa.select(RefundLine.spans)
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(
            Refund.return_id == return_id,
            Refund.state != "canceled",
            RefundLine.order_line_id == line.order_line_id,
        )
    )
    return [(first, end) for spans in rows for first, end in spans]


def _fees_taken(return_id: UUID) -> tuple[str, ...]:
    taken = set()
    for refund in db.session.scalars(_active(return_id)):
        for row in refund.breakdown["rows"]:
            if row["code"] in PER_RETURN_FEES:
                taken.add(row["code"])
    return tuple(sorted(taken))


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
        if page.order is None:
            raise Conflict("to_be_assessed")
        owed = _quote(page, _additions(actor, page, goodwill, reason), now)
        if expected is not None and owed.amount != expected:
            raise Conflict("amount_changed", amount=owed.amount, currency=owed.currency)
        quota.take(owed, page.order.id)
        approved = actor.kind == "system" or actor.may("refunds.approve", row.merchant_id)
        refund = Refund(
            id=uuid7(),
            merchant_id=row.merchant_id,
            order_id=page.order.id,
            return_id=row.id,
            number=numbers.refund_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
            state=REFUND.start,
            currency=owed.currency,
            amount_minor=owed.amount,
            breakdown=breakdowns.to_json(owed),
            reason=reason.strip(),
            created_at=now,
            created_by=actor.id,
            created_by_name=actor.name,
        )
        db.session.add(refund)
        db.session.flush()
        _write_lines(refund, owed, page)
        row.refund_state = "pending_approval"
        _tell(actor, "refund.created", refund, now, amount=owed.amount, currency=owed.currency)
        if approved:
            _approve(actor, refund, owed, page, now)
        return refund.id


def _write_lines(refund: Refund, owed: Breakdown, page: Page) -> None:
    if owed.lines:
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
                for line in owed.lines
            ],
        )
    units = {line.line_id: sum(end - first for first, end in line.spans) for line in owed.lines}
    _add_refunded_units(page.draft, units, 1)


def _add_refunded_units(draft: Draft, units: dict[UUID, int], sign: int) -> None:
    rows = [
        {"row": line.id, "more": sign * units[line.order_line_id]}
        for line in draft.lines
        if line.order_line_id in units and units[line.order_line_id]
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


def _approve(actor: Actor, refund: Refund, owed: Breakdown, page: Page, now: datetime) -> None:
    """Post what is owed, plan the transfers, and promise the work that sends them."""
    refund.state = REFUND.after(refund.state, "approve")
    refund.approved_at, refund.approved_by = now, actor.id
    refund.version += 1
    if page.order is not None:
        books.post(
            ledger.decided(owed, page.order), kind="refund_decided", merchant_id=refund.merchant_id,
            refund_id=refund.id, now=now,
        )  # fmt: skip
    providers = {payment.id: payment.provider for payment in page.order.payments} if page.order else {}
    rows = [
        _payout(refund, share, providers, now) for share in owed.shares if share.amount and share.origin_id
    ]
    if rows:
        db.session.execute(sa.insert(Payout), rows)
    _set_refund_state(refund, "pending")
    _tell(actor, "refund.approved", refund, now, amount=owed.amount, currency=owed.currency)
    work.enqueue("refund", refund.id)


def _payout(refund: Refund, share: Share, providers: dict[UUID, str], now: datetime) -> dict[str, object]:
    payout_id = uuid7()
    origin = share.origin_id
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


MANUAL = "manual"
"""Paid by a person outside: cash, or a tender that takes nothing back."""


def send(refund_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Send every transfer of a refund that is not settled. Raises ``Unavailable`` for another try.

    No transaction is open while a gateway is asked; the key of a transfer is the same at every try, and one
    whose answer was lost is looked up before it is sent again.
    """
    lost: Unavailable | None = None
    for payout_id in _unsettled(refund_id):
        try:
            _send(payout_id, gateways=gateways, now=now)
        except Unavailable as problem:
            lost = problem
    if lost is not None:
        raise lost


def _unsettled(refund_id: UUID) -> Sequence[UUID]:
    return db.session.scalars(
        sa.select(Payout.id)
        .where(
            Payout.refund_id == refund_id, Payout.state.in_(("planned", "submitting", "unknown", "pending"))
        )
        .order_by(Payout.id)
    ).all()


def _send(payout_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    payout = db.session.get(Payout, payout_id, populate_existing=True)
    if payout is None:
        return
    if payout.provider == MANUAL:
        _record(payout_id, RefundResult(state="requires_action", reference="", amount=payout.amount_minor,
                                        currency=payout.currency), now)  # fmt: skip
        return
    gateway, sent_before = gateways.payments[payout.provider], payout.state != "planned"
    payment = db.session.get(Payment, payout.payment_id)
    if payment is None:
        raise NotFound
    reference = payment.reference
    gateway.learn(reference, captured=payment.captured_minor, currency=payment.currency)
    with transaction():
        db.session.execute(
            sa.update(Payout)
            .where(Payout.id == payout_id)
            .values(
                attempts=Payout.attempts + 1, state="pending" if payout.state == "pending" else "submitting"
            )
        )
        db.session.execute(
            sa.update(Refund)
            .where(Refund.id == payout.refund_id, Refund.state == "approved")
            .values(state="pending")
        )
    try:
        result = gateway.look_up(key=payout.key) if sent_before else None
        if result is None:
            result = gateway.refund(
                key=payout.key, reference=reference, amount=payout.amount_minor, currency=payout.currency
            )
    except Unavailable as problem:
        with transaction():
            db.session.execute(
                sa.update(Payout)
                .where(Payout.id == payout_id, Payout.state == "submitting")
                .values(state="unknown", error=str(problem)[:500])
            )
        raise
    except Declined as problem:
        result = RefundResult(
            state="failed",
            reference="",
            amount=payout.amount_minor,
            currency=payout.currency,
            error=str(problem),
        )
    _record(payout_id, result, now)
    if result.state == "pending":
        raise Unavailable("the gateway is still at it")


def _record(payout_id: UUID, result: RefundResult, now: datetime) -> None:
    """Write down what a gateway said of one transfer, once, with everything that follows from it."""
    with transaction():
        payout = db.session.get(Payout, payout_id, populate_existing=True, with_for_update=True)
        if payout is None or payout.state == result.state:
            return
        refund = db.session.get(Refund, payout.refund_id, populate_existing=True, with_for_update=True)
        if refund is None:
            raise NotFound
        if result.state == "succeeded" and (result.amount, result.currency) != (
            payout.amount_minor,
            payout.currency,
        ):
            result = replace(result, state="requires_action", error="the gateway confirms another amount")
        state = result.state
        if state in ("succeeded", "failed") and payout.state in ("succeeded", "failed") and state != "failed":
            return
        payout.state, payout.error = state, result.error[:500]
        payout.provider_reference = result.reference or payout.provider_reference
        if state == "succeeded":
            payout.settled_at = now
            share = Share(payment_id=payout.payment_id, amount=payout.amount_minor)
            moved = ledger.paid_out(share, payout.provider, currency=payout.currency)
            _post(refund, payout, [moved], "payout_settled", now)
        if state == "failed":
            share = Share(
                payment_id=payout.payment_id, amount=payout.amount_minor, origin_id=payout.payment_id
            )
            if refund.order_id is not None:
                quota.free_share(share, refund.order_id)
            moved_back = [books.failed(payout.amount_minor, payout.currency)]
            if payout.settled_at is not None:
                moved_back = [
                    *ledger.reversed([ledger.paid_out(share, payout.provider, currency=payout.currency)]),
                    *moved_back,
                ]
            _post(refund, payout, moved_back, "payout_failed", now)
        db.session.flush()
        _conclude(refund, now)


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


def _conclude(refund: Refund, now: datetime) -> None:
    """The refund follows its transfers: failed as soon as one is, succeeded when all are."""
    payouts = db.session.scalars(sa.select(Payout).where(Payout.refund_id == refund.id)).all()
    latest = {payout.payment_id: payout for payout in payouts}
    states = {payout.state for payout in latest.values()}
    if refund.state == "approved":
        refund.state = REFUND.after(refund.state, "send")
    if "failed" in states and REFUND.can(refund.state, "fail"):
        refund.state = REFUND.after(refund.state, "fail")
        refund.error = "; ".join(p.error for p in latest.values() if p.state == "failed")[:500]
        _set_refund_state(refund, "failed")
        _tell(SYSTEM, "refund.failed", refund, now, error=refund.error)
    elif states <= {"succeeded"} and REFUND.can(refund.state, "succeed"):
        refund.state = REFUND.after(refund.state, "succeed")
        refund.succeeded_at = now
        _set_refund_state(refund, "refunded")
        _tell(SYSTEM, "refund.succeeded", refund, now, amount=refund.amount_minor, currency=refund.currency)
        row = returns.get(refund.return_id) if refund.return_id else None
        if row is not None:
            notices.queue("refunded", returns.draft(row), now=now, refund_id=refund.id)
    elif "requires_action" in states:
        _set_refund_state(refund, "requires_action")
    refund.version += 1


def retry(actor: Actor, refund_id: UUID, *, now: datetime) -> None:
    """Send the failed transfers of a refund once more, as new ones. Raises ``Conflict("too_much")``, ``IllegalStep``."""
    with transaction():
        refund = _refund(actor, refund_id, "refunds.approve")
        refund.state = REFUND.after(refund.state, "retry")
        payouts = db.session.scalars(
            sa.select(Payout).where(Payout.refund_id == refund.id).order_by(Payout.id)
        ).all()
        again = [p for p in {payout.payment_id: payout for payout in payouts}.values() if p.state == "failed"]
        for payout in again:
            share = Share(
                payment_id=payout.payment_id, amount=payout.amount_minor, origin_id=payout.payment_id
            )
            if refund.order_id is not None:
                quota.take_share(share, refund.order_id)
            undone = ledger.reversed([books.failed(payout.amount_minor, payout.currency)])
            _post(refund, payout, undone, "payout_retried", now)
            providers = {payout.payment_id: payout.provider}
            db.session.execute(sa.insert(Payout), [_payout(refund, share, providers, now)])
        refund.error, refund.version = "", refund.version + 1
        _set_refund_state(refund, "pending")
        _tell(actor, "refund.updated", refund, now, step="retry")
        work.enqueue("refund", refund.id, attempt=len(payouts) + 1)


def cancel(actor: Actor, refund_id: UUID, *, reason: str = "", now: datetime) -> None:
    """Give a refund up before anything of it was paid; its quota and its units are free again.

    Raises ``Conflict("partly_paid")``, ``IllegalStep``.
    """
    with transaction():
        refund = _refund(actor, refund_id, "refunds.propose")
        state = REFUND.after(refund.state, "cancel")
        payouts = db.session.scalars(sa.select(Payout).where(Payout.refund_id == refund.id)).all()
        if any(payout.state not in ("planned", "failed") for payout in payouts):
            raise Conflict("partly_paid")
        owed = breakdowns.from_json(refund.breakdown)
        freed = {p.payment_id for p in payouts if p.state == "failed"}
        if refund.order_id is not None:
            held = tuple(share for share in owed.shares if share.origin_id not in freed)
            quota.give_back(replace(owed, shares=held), refund.order_id)
        posted = books.of_refund(refund.id)
        books.post(
            ledger.reversed(posted),
            kind="refund_canceled",
            merchant_id=refund.merchant_id,
            refund_id=refund.id,
            now=now,
        )
        for payout in payouts:
            if payout.state == "planned":
                payout.state = PAYOUT.after(payout.state, "cancel")
        refund.state, refund.version = state, refund.version + 1
        page = _page_of(refund, now)
        units = {line.line_id: sum(end - first for first, end in line.spans) for line in owed.lines}
        _add_refunded_units(page.draft, units, -1)
        _set_refund_state(refund, "canceled")
        _tell(actor, "refund.canceled", refund, now, reason=reason)


def settle_by_hand(actor: Actor, payout_id: UUID, *, proof: str, now: datetime) -> None:
    """A person paid a transfer outside (cash, a tender that takes nothing back) and says how.

    Raises ``Conflict``: ``proof_missing``, ``not_by_hand``.
    """
    payout = db.session.get(Payout, payout_id)
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
    _record(payout_id, result, now)


def _refund(actor: Actor, refund_id: UUID, permission: str) -> Refund:
    refund = db.session.get(Refund, refund_id, populate_existing=True, with_for_update=True)
    if refund is None:
        raise NotFound
    scope.require(actor, permission, refund.merchant_id)
    return refund


def _page_of(refund: Refund, now: datetime) -> Page:
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None:
        raise NotFound
    return read(row, now=now, lock=True)


def _set_refund_state(refund: Refund, state: str) -> None:
    if refund.return_id is not None:
        db.session.execute(
            sa.update(returns.Return).where(returns.Return.id == refund.return_id).values(refund_state=state)
        )


def _tell(actor: Actor, what: str, refund: Refund, now: datetime, **details: object) -> None:
    subject = refund.return_id or refund.id
    history.record(
        actor,
        what,
        merchant_id=refund.merchant_id,
        subject_id=subject,
        now=now,
        number=refund.number,
        **details,
    )


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

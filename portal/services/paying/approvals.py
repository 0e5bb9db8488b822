"""Who stands behind a refund: every approval a row, judged by what else went back within a day."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from portal.core import approvals
from portal.core.access import Actor, Conflict, NotAllowed
from portal.core.approvals import Approval, Limits, Standing
from portal.core.lifecycles import REFUND
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import overrides as overriding
from portal.core.refunds.breakdown import Breakdown, Share
from portal.db import history, refunds
from portal.db.base import db, uuid7
from portal.db.merchants import Merchant
from portal.db.orders import Order
from portal.db.refunds import Payout, Refund
from portal.services import merchants

FREED = ("failed", "canceled")
"""Transfers that hold nothing any more."""

_installation: dict[str, Decimal | None] = {"two_above": None}


def configure(threshold: Decimal | None) -> None:
    """The installation's threshold (APPROVAL_THRESHOLD), for policies that name none; said once at the start."""
    _installation["two_above"] = threshold


def limits(merchant_id: UUID, currency: str) -> Limits:
    """What is in force now: an internal rule, so the newest version of the policy, whatever a return was judged by."""
    terms = merchants.terms_of(merchant_id)
    return approvals.limits_of(terms, default=_installation["two_above"], currency=currency)


def able(actor: Actor, refund: Refund, *, now: datetime) -> Standing | None:
    """How far a locked refund is approved, where ``actor`` could approve it now; None where not.

    From here on no other approval of the merchant is judged until the transaction ends.
    """
    if actor.kind == "system":
        return None
    _one_at_a_time(refund.merchant_id)
    found = standing(refund, now=now)
    if not approvals.may_approve(actor, refund.merchant_id, found.limits, found.total):
        return None
    return None if found.bars(actor.id) else found


def give(actor: Actor, refund: Refund, before: Standing, *, now: datetime) -> Standing:
    """Write down that ``actor`` approves a locked refund, which stood as ``before`` by ``able``."""
    if actor.id is None:
        raise NotAllowed("refunds.approve")
    role = actor.roles.get(refund.merchant_id, "")
    mine = Approval(person_id=actor.id, person=actor.name, role=role, amount=refund.amount_minor, at=now)
    db.session.execute(
        sa.insert(refunds.Approval).values(
            id=uuid7(),
            merchant_id=refund.merchant_id,
            refund_id=refund.id,
            person_id=mine.person_id,
            person_name=mine.person,
            role=role,
            amount_minor=mine.amount,
            digest=digest(refund),
            at=now,
        )
    )
    after = replace(before, given=(*before.given, mine))
    history.record(
        actor,
        "refund.approval_given",
        merchant_id=refund.merchant_id,
        subject_id=refund.return_id or refund.id,
        now=now,
        number=refund.number,
        amount=refund.amount_minor,
        currency=refund.currency,
        role=role,
        missing=after.people_missing,
    )
    return after


def refuse(actor: Actor, refund: Refund, *, now: datetime) -> None:
    """Say why somebody who is not ``able`` cannot approve: ``NotAllowed``, ``Conflict("four_eyes")``.

    Whoever has approved it already is not refused: nothing changes.
    """
    found = standing(refund, now=now)
    if not approvals.may_approve(actor, refund.merchant_id, found.limits, found.total):
        raise NotAllowed("refunds.approve")
    if found.bars(actor.id) == "four_eyes":
        raise Conflict("four_eyes", amount=found.limits.two_above, currency=refund.currency)


def second_person(actor: Actor, refund: Refund) -> None:
    """Above the threshold whoever asked for a refund does not say either where its money goes, or that it went.

    Above it was also what only the sum of its day lifted there: then others approved it, and not who asked.
    Raises ``Conflict("four_eyes")``.
    """
    if actor.id not in requesters(refund):
        return
    found = limits(refund.merchant_id, refund.currency)
    given = [one.person_id for one in of([refund]).get(refund.id, ()) if not one.void]
    if found.needs_two(refund.amount_minor) or (given and actor.id not in given):
        raise Conflict("four_eyes", amount=found.two_above, currency=refund.currency)


def requesters(refund: Refund) -> frozenset[UUID]:
    """Who asked for a refund as it stands: made it, or changed it while it waited."""
    known = (str(refund.created_by or ""), *(refund.revised_by or ()))
    return frozenset(UUID(one) for one in known if one)


def _one_at_a_time(merchant_id: UUID) -> None:
    """Approvals of one merchant wait for each other, so that two sums of a day never miss one another.

    The last lock that is taken, and one that no reference to the merchant waits for.
    """
    db.session.execute(
        sa.select(Merchant.id).where(Merchant.id == merchant_id).with_for_update(key_share=True)
    )


def void(refund: Refund) -> None:
    """What was approved is no longer what it was."""
    db.session.execute(
        sa.update(refunds.Approval).where(refunds.Approval.refund_id == refund.id).values(void=True)
    )


def digest(refund: Refund) -> str:
    """What is approved: the refund as it stands."""
    return approvals.digest(
        breakdowns.from_json(refund.breakdown),
        overriding.from_json(refund.overrides or {}),
        revision=len(refund.revised_by or ()),
    )


def standing(refund: Refund, *, now: datetime) -> Standing:
    """How far a refund is approved, and what it still needs."""
    return standings([refund], now=now)[refund.id]


def standings(rows: Sequence[Refund], *, now: datetime) -> dict[UUID, Standing]:
    """The same for many refunds, with as many queries as for one."""
    given = of(rows)
    totals = _totals(rows, now)
    known: dict[tuple[UUID, str], Limits] = {}
    found = {}
    for row in rows:
        scope = (row.merchant_id, row.currency)
        if scope not in known:
            known[scope] = limits(*scope)
        found[row.id] = Standing(
            total=totals[row.id],
            limits=known[scope],
            requesters=requesters(row),
            given=given.get(row.id, ()),
        )
    return found


def standings_of(refund_ids: Sequence[UUID], *, now: datetime) -> dict[UUID, Standing]:
    """Refund -> how far it is approved; the caller has passed the gate."""
    if not refund_ids:
        return {}
    return standings(db.session.scalars(sa.select(Refund).where(Refund.id.in_(refund_ids))).all(), now=now)


def of(rows: Sequence[Refund]) -> dict[UUID, tuple[Approval, ...]]:
    """Refund -> its approvals, oldest first; those for something else than it is now are void."""
    current = {row.id: digest(row) for row in rows}
    found: dict[UUID, list[Approval]] = {}
    stored = refunds.Approval
    wanted = sa.select(stored).where(stored.refund_id.in_(current)).order_by(stored.at, stored.id)
    for one in db.session.scalars(wanted.execution_options(populate_existing=True)) if current else ():
        found.setdefault(one.refund_id, []).append(
            Approval(
                person_id=one.person_id,
                person=one.person_name,
                role=one.role,
                amount=one.amount_minor,
                at=one.at,
                void=one.void or one.digest != current[one.refund_id],
            )
        )
    return {refund_id: tuple(rows) for refund_id, rows in found.items()}


def sum_of_day(order_id: UUID | None, due: Breakdown, *, now: datetime) -> Minor:
    """The sum that a refund of ``due`` would be judged by if it was approved now."""
    ids = [order_id] if order_id else []
    customers = _of_customers(ids, now)
    payments = _of_payments([share.origin_id for share in due.shares if share.origin_id], now)
    return _sum(order_id, due, customers, payments)


def _totals(rows: Sequence[Refund], now: datetime) -> dict[UUID, Minor]:
    """Refund -> the sum it is judged by; one that was let go is judged no more and has its own amount."""
    waiting = {row.id: breakdowns.from_json(row.breakdown) for row in rows if row.state == REFUND.start}
    customers = _of_customers([row.order_id for row in rows if row.id in waiting and row.order_id], now)
    origins = {share.origin_id for due in waiting.values() for share in due.shares if share.origin_id}
    payments = _of_payments(sorted(origins), now)
    return {
        row.id: _sum(row.order_id, waiting[row.id], customers, payments)
        if row.id in waiting
        else row.amount_minor
        for row in rows
    }


def _sum(
    order_id: UUID | None,
    due: Breakdown,
    customers: dict[tuple[UUID, str], Minor],
    payments: dict[UUID, Minor],
) -> Minor:
    of_customer = customers.get((order_id, due.currency), 0) if order_id else 0
    return approvals.largest(due.amount, of_customer, _parts(due.shares, payments))


def _parts(shares: Iterable[Share], payments: dict[UUID, Minor]) -> list[tuple[Minor, Minor]]:
    mine: dict[UUID, Minor] = {}
    for share in shares:
        if share.origin_id is not None:
            mine[share.origin_id] = mine.get(share.origin_id, 0) + share.amount
    return [(part, payments.get(payment_id, 0)) for payment_id, part in mine.items()]


def _of_customers(order_ids: Sequence[UUID], now: datetime) -> dict[tuple[UUID, str], Minor]:
    """(order, currency) -> what was approved within a day for whoever placed it, all their orders counted."""
    if not order_ids:
        return {}
    mine, theirs = aliased(Order), aliased(Order)
    same = sa.or_(
        theirs.id == mine.id,
        sa.and_(theirs.merchant_id == mine.merchant_id, theirs.email == mine.email, mine.email != ""),
    )
    wanted = (
        sa.select(mine.id, Refund.currency, sa.func.sum(Refund.amount_minor))
        .select_from(mine)
        .join(theirs, same)
        .join(Refund, Refund.order_id == theirs.id)
        .where(
            mine.id.in_(order_ids),
            Refund.state != "canceled",
            Refund.approved_at > now - approvals.WINDOW,
        )
        .group_by(mine.id, Refund.currency)
    )
    return {(order_id, currency): int(total) for order_id, currency, total in db.session.execute(wanted)}


def _of_payments(payment_ids: Sequence[UUID], now: datetime) -> dict[UUID, Minor]:
    """Payment -> what was approved to go back to it within a day, whichever order it is for."""
    if not payment_ids:
        return {}
    wanted = (
        sa.select(Payout.payment_id, sa.func.sum(Payout.amount_minor))
        .join(Refund, Refund.id == Payout.refund_id)
        .where(
            Payout.payment_id.in_(payment_ids),
            Payout.state.not_in(FREED),
            Refund.approved_at > now - approvals.WINDOW,
        )
        .group_by(Payout.payment_id)
    )
    return {
        payment_id: int(total) for payment_id, total in db.session.execute(wanted) if payment_id is not None
    }


def waiting_for(actor: Actor, *, now: datetime, most: int = 200) -> tuple[UUID, ...]:
    """Refunds, oldest first, that wait for an approval this person could give."""
    ids = [one for one in actor.merchant_ids if actor.may("refunds.propose", one)]
    wanted = (
        sa.select(Refund)
        .where(Refund.merchant_id.in_(ids), Refund.state == "pending_approval")
        .order_by(Refund.id)
        .limit(most)
    )
    rows = db.session.scalars(wanted).all()
    found = standings(rows, now=now)
    return tuple(
        row.id
        for row in rows
        if approvals.may_approve(actor, row.merchant_id, found[row.id].limits, found[row.id].total)
        and not found[row.id].bars(actor.id)
    )

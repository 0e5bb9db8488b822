"""Refunds: shown before they are made, held against every cap, changed while they wait, approved, given up."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core import approvals as approving
from portal.core.access import Actor, Conflict, NotFound
from portal.core.approvals import Standing
from portal.core.facts import RETURNLESS, STAYS
from portal.core.lifecycles import PAYOUT, REFUND, RETURN
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import overrides as overriding
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.overrides import Overrides
from portal.core.refunds.settlements import is_settlement
from portal.db import returns
from portal.db.base import db, transaction
from portal.db.refunds import Refund, RefundLine
from portal.services import scope, tasks, work
from portal.services.filing import closing, holding
from portal.services.filing.returns import Page, read
from portal.services.ledgers import books, credit_notes, quota
from portal.services.paying import approvals, concluding, promised, settling
from portal.services.paying.approvals import FREED
from portal.services.paying.concluding import tell
from portal.services.refunding import decisions, owed
from portal.services.refunding.decisions import show
from portal.services.refunding.owed import AS_WORKED_OUT
from portal.services.refunding.refund_facts import PayoutFacts as PayoutFacts
from portal.services.refunding.refund_facts import RefundFacts as RefundFacts
from portal.services.refunding.refund_facts import listing as listing
from portal.services.refunding.refund_facts import of_return as of_return
from portal.services.refunding.refund_facts import one as one


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A refund as it would be made now, beside what is worked out without anybody's decision."""

    due: Breakdown
    plain: Breakdown | None
    """None where nothing is owed and all of it is goodwill."""
    standing: Standing
    """How far it would be approved by asking for it."""
    shown: str
    """What was shown: sent back with the decision, so that nothing else is made."""


def quote(
    actor: Actor,
    return_id: UUID,
    *,
    goodwill: Minor = 0,
    reason: str = "",
    overrides: Overrides = AS_WORKED_OUT,
    now: datetime,
) -> Breakdown:
    """What would be refunded now: units that came back and count, less those refunded, at their grade.

    Raises ``Conflict``: ``nothing_to_refund``, ``to_be_assessed`` (no order), ``too_much`` with the maximum (and
    ``line`` or ``payment`` where it is about one), ``reason_missing``, ``not_granted``, ``negative_amount``.
    """
    page = read(scope.return_row(actor, return_id, "refunds.read"), now=now)
    return owed.work_out(actor, page, overrides=_asked(overrides, goodwill, reason), now=now)


def proposal(actor: Actor, return_id: UUID, *, overrides: Overrides, now: datetime) -> Proposal:
    """What is shown before a refund is made. Raises what ``quote`` raises."""
    page = read(scope.return_row(actor, return_id, "refunds.propose"), now=now)
    return _proposal(actor, page, overrides, instead_of=None, now=now)


def revision(actor: Actor, refund_id: UUID, *, overrides: Overrides, now: datetime) -> Proposal:
    """The same for a refund that waits for approval: as it would be when changed so. Nothing is kept."""

    def worked_out() -> Proposal:
        refund = _refund(actor, refund_id, "refunds.propose")
        _take_back(refund, now)
        return _proposal(actor, _page_of(refund, now), overrides, instead_of=refund, now=now)

    return decisions.rehearsed(worked_out)


def _proposal(
    actor: Actor, page: Page, overrides: Overrides, *, instead_of: Refund | None, now: datetime
) -> Proposal:
    but = instead_of.id if instead_of else None
    due = owed.work_out(actor, page, overrides=overrides, instead_of=but, now=now)
    return proposed(
        actor,
        page,
        due,
        plain=_plain(actor, page, overrides, instead_of=but, now=now) if overrides.is_any else due,
        overrides=overrides,
        requesters=approvals.requesters(instead_of) if instead_of else frozenset(),
        after=_earlier(page, overrides, but),
        now=now,
    )


def proposed(
    actor: Actor,
    page: Page,
    due: Breakdown,
    *,
    plain: Breakdown | None,
    overrides: Overrides,
    requesters: frozenset[UUID] = frozenset(),
    after: Sequence[UUID] = (),
    now: datetime,
) -> Proposal:
    """``due`` with how far it would be approved if ``actor`` asked for it."""
    merchant_id = page.draft.merchant_id
    standing = Standing(
        total=approvals.sum_of_day(page.draft.order_id, due, now=now),
        limits=approvals.limits(merchant_id, due.currency),
        requesters=requesters | ({actor.id} if actor.id else set()),
    )
    if actor.id and approving.may_approve(actor, merchant_id, standing.limits, standing.total):
        mine = approving.Approval(
            person_id=actor.id,
            person=actor.name,
            role=actor.roles.get(merchant_id, ""),
            amount=due.amount,
            at=now,
        )
        standing = replace(standing, given=(mine,))
    return Proposal(
        due=due, plain=plain, standing=standing, shown=approving.shown(due, overrides, after=after)
    )


def _earlier(page: Page, overrides: Overrides, but: UUID | None) -> Sequence[UUID]:
    """The refunds of the return that count, but for one that is changed: only goodwill could be given again."""
    if not overrides.goodwill:
        return ()
    wanted = sa.select(Refund.id).where(Refund.return_id == page.draft.id, Refund.state != "canceled")
    return db.session.scalars((wanted.where(Refund.id != but) if but else wanted).order_by(Refund.id)).all()


def _plain(
    actor: Actor, page: Page, overrides: Overrides, *, instead_of: UUID | None = None, now: datetime
) -> Breakdown | None:
    """What is worked out when nobody decides anything; None where nothing is owed but what a person gives."""
    try:
        return owed.work_out(actor, page, instead_of=instead_of, now=now)
    except Conflict as conflict:
        if conflict.code != "nothing_to_refund" or not overrides.is_any:
            raise
        return None


def propose(
    actor: Actor,
    return_id: UUID,
    *,
    goodwill: Minor = 0,
    reason: str = "",
    overrides: Overrides = AS_WORKED_OUT,
    expected: Minor | None = None,
    shown: str | None = None,
    now: datetime,
) -> UUID:
    """Decide on a refund as ``quote`` shows it, and hold its quota. Whoever may approve it approves it too.

    ``expected`` is the amount that was shown, ``shown`` all of it (``Proposal.shown``): anything else now is
    ``Conflict("amount_changed")``, and nothing is done. Whoever decides otherwise than worked out says why.
    Raises what ``quote`` raises.
    """
    overrides = _asked(overrides, goodwill, reason)
    with transaction():
        row = scope.return_row(actor, return_id, "refunds.propose", lock=True)
        page = read(row, now=now, lock=True)
        due = _decided(actor, page, overrides, expected=expected, shown=shown, now=now)
        plain = _plain(actor, page, overrides, now=now) if overrides.is_any else due
        refund = decisions.make(actor, row, page, due, overrides=overrides, plain=plain, now=now)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")
    return refund.id


def _asked(overrides: Overrides, goodwill: Minor, reason: str) -> Overrides:
    return replace(overrides, goodwill=goodwill or overrides.goodwill, reason=reason or overrides.reason)


def _decided(
    actor: Actor,
    page: Page,
    overrides: Overrides,
    *,
    expected: Minor | None = None,
    shown: str | None,
    instead_of: UUID | None = None,
    now: datetime,
) -> Breakdown:
    if overrides.is_any and not overrides.reason.strip():
        raise Conflict("reason_missing")
    due = owed.work_out(actor, page, overrides=overrides, instead_of=instead_of, now=now)
    earlier = _earlier(page, overrides, instead_of)
    changed = shown is not None and shown != approving.shown(due, overrides, after=earlier)
    if changed or (expected is not None and due.amount != expected):
        raise Conflict("amount_changed", amount=due.amount, currency=due.currency)
    return due


def revise(
    actor: Actor,
    refund_id: UUID,
    *,
    overrides: Overrides,
    shown: str | None = None,
    now: datetime,
) -> None:
    """Change a refund that waits for approval; whoever approved it approved something else, and that is void.

    Raises ``IllegalStep`` once it was let go, ``Conflict("nothing_changed")``, and what ``propose`` raises.
    """
    with transaction():
        refund = _refund(actor, refund_id, "refunds.propose")
        _take_back(refund, now)
        page = _page_of(refund, now)
        due = _decided(actor, page, overrides, shown=shown, instead_of=refund.id, now=now)
        before = breakdowns.from_json(refund.breakdown)
        same_reason = overrides.reason.strip() == refund.reason
        if due == before and overrides == overriding.from_json(refund.overrides or {}) and same_reason:
            raise Conflict("nothing_changed")
        approvals.void(refund)
        decisions.hold(due, refund.order_id)
        refund.breakdown, refund.amount_minor = breakdowns.to_json(due), due.amount
        refund.overrides = overriding.to_json(overrides) if overrides.is_any else {}
        refund.revised_by = [*(refund.revised_by or ()), str(actor.id or "")]
        refund.reason, refund.version = overrides.reason.strip(), refund.version + 1
        db.session.flush()
        decisions.write_lines(refund, due, page.draft)
        tell(
            actor,
            "refund.revised",
            refund,
            now,
            before=before.amount,
            amount=due.amount,
            currency=due.currency,
            reason_given=refund.reason,
        )
        decisions.tell_overrides(actor, refund, overrides, before, due, page, now)
        decisions.approve_if_able(actor, refund, due, page, now)


def _take_back(refund: Refund, now: datetime) -> None:
    """Free all that a waiting refund holds, so that it can be worked out again. Raises ``IllegalStep``."""
    REFUND.after(refund.state, "revise")
    due = breakdowns.from_json(refund.breakdown)
    if is_settlement(due):
        raise Conflict("is_settlement")
    if refund.order_id is not None:
        quota.give_back(due, refund.order_id)
    decisions.count_units(_page_of(refund, now).draft, due, -1)
    db.session.execute(sa.delete(RefundLine).where(RefundLine.refund_id == refund.id))
    db.session.flush()


def approve(actor: Actor, refund_id: UUID, *, seen: str | None = None, now: datetime) -> None:
    """Stand behind a refund as it is; once enough people do, it goes. Approving it again is no error.

    ``seen`` is the digest of what was looked at: ``Conflict("refund_revised")`` where it is another by now.
    Raises ``IllegalStep``, ``NotAllowed``, ``Conflict("four_eyes")`` for whoever asked for it, above the
    threshold for two people.
    """
    with transaction():
        refund = _refund(actor, refund_id, "refunds.propose")
        if refund.state in ("approved", "pending", "succeeded"):
            return
        REFUND.after(refund.state, "approve")
        if seen is not None and seen != approvals.digest(refund):
            raise Conflict("refund_revised")
        due, page = breakdowns.from_json(refund.breakdown), _page_of(refund, now)
        if not decisions.approve_if_able(actor, refund, due, page, now):
            approvals.refuse(actor, refund, now=now)
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")


def retry(actor: Actor, refund_id: UUID, *, now: datetime) -> None:
    """Send the failed transfers once more, as new ones. Raises ``Conflict("too_much")``, ``IllegalStep``."""
    with transaction():
        refund = _refund(actor, refund_id, "refunds.approve")
        refund.state = REFUND.after(refund.state, "retry")
        transfers = settling.of_refund(refund.id)
        for payout in settling.latest(transfers):
            if payout.state in FREED:
                settling.take_again(refund, payout, now=now)
        refund.error, refund.version = "", refund.version + 1
        show(refund, "pending")
        tell(actor, "refund.updated", refund, now, step="retry")
        work.enqueue("refund", refund.id, run=len(transfers))


def cancel(actor: Actor, refund_id: UUID, *, reason: str = "", now: datetime) -> None:
    """Give a refund up before anything of it was paid; its quota and its units are free again.

    A return that was only made for it is withdrawn with it; one of which nothing else waits is closed. Raises
    ``Conflict("partly_paid")``, ``IllegalStep``.
    """
    with transaction():
        refund = _refund(actor, refund_id, "refunds.propose")
        give_up(actor, refund, reason=reason, now=now)
        _end_without(refund, now)


def give_up(actor: Actor, refund: Refund, *, reason: str, now: datetime) -> None:
    """``cancel`` of a locked refund, in the caller's transaction: what it holds is free, what it posted reversed."""
    state = REFUND.after(refund.state, "cancel")
    transfers = settling.of_refund(refund.id)
    if any(payout.state not in ("planned", *FREED) for payout in transfers):
        raise Conflict("partly_paid")
    due = breakdowns.from_json(refund.breakdown)
    freed = {payout.payment_id for payout in settling.latest(transfers) if payout.state in FREED}
    page = _page_of(refund, now)
    if refund.order_id is not None:
        held = tuple(share for share in due.shares if share.origin_id not in freed)
        quota.give_back(replace(due, shares=held), refund.order_id)
    books.reverse(refund.id, kind="refund_canceled", now=now)
    credit_notes.take_back(refund, now=now)
    for payout in transfers:
        if payout.state == "planned":
            payout.state = PAYOUT.after(payout.state, "cancel")
    refund.state, refund.version = state, refund.version + 1
    decisions.count_units(page.draft, due, -1)
    concluding.show_without(refund)
    tell(actor, "refund.canceled", refund, now, reason=reason)
    tasks.done("undisputed_waits", refund.number, merchant_id=refund.merchant_id, now=now)
    promised.given_up(refund, now=now)


def _end_without(refund: Refund, now: datetime) -> None:
    """A refund without a return has nothing left to wait for once all is given up; what is paid otherwise closes."""
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None:
        return
    others = sa.select(Refund.id).where(Refund.return_id == row.id, Refund.state != "canceled")
    if db.session.scalar(others.limit(1)) is not None:
        closing.close_if_settled(row, now=now)
    elif row.kind in STAYS and RETURN.can(row.state, "cancel"):
        if row.kind == RETURNLESS:
            holding.release(returns.draft(row))
        row.state, row.closed_at, row.version = RETURN.after(row.state, "cancel"), now, row.version + 1


def _refund(actor: Actor, refund_id: UUID, permission: str) -> Refund:
    refund = settling.locked(refund_id)
    scope.require(actor, permission, refund.merchant_id)
    return refund


def _page_of(refund: Refund, now: datetime) -> Page:
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is None:
        raise NotFound
    return read(row, now=now, lock=True)

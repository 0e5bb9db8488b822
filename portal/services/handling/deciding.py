"""Approve, refuse, or some of each: a person's decision on a return, per line and unit, and taking it back.

A decision is soft for ``grace`` seconds: label and message wait so long, and what is taken back meanwhile
tells nobody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, NotFound
from portal.core.facts import STAYS
from portal.core.lifecycles import RETURN, SHIPMENT
from portal.core.policy.overrides import Override
from portal.core.reasons import CONDITIONS, DECLINE_REASONS, REASONS
from portal.core.refunds import breakdown
from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import DraftLine
from portal.core.spans import count, lowest
from portal.db import history, orders, returns, shipments
from portal.db.base import db, transaction
from portal.db.refunds import Refund
from portal.db.returns import Return, ReturnLine
from portal.services import scope
from portal.services.filing import expecting, objecting
from portal.services.filing.holding import release, take, void_parcels
from portal.services.filing.returns import Page, as_request, estimate, judge_postage, read
from portal.services.filing.shipping import ship_by
from portal.services.handling.confirmation import approve_parcel
from portal.services.talking import notices, threads

DECIDED = ("approved", "declined")
GRACE = 10
"""Seconds that the desk's decisions wait before the customer hears of them; ``GRACE`` of the app's configuration
says otherwise."""

TOLD_BY = ("approved", "declined")
"""The messages that bring a decision to the customer."""


@dataclass(frozen=True, kw_only=True)
class LineDecision:
    """What is decided of one line: together as many units as were asked for.

    ``reason`` (of ``DECLINE_REASONS``) and ``message`` are told to the customer for the refused ones;
    ``changed_reason`` and ``changed_condition`` correct what the customer chose.
    """

    line_id: UUID
    approved: int
    declined: int = 0
    reason: str = ""
    message: str = ""
    changed_reason: str | None = None
    changed_condition: str | None = None


Chosen = Sequence[tuple[ReturnLine, LineDecision]]


def decide(
    actor: Actor,
    return_id: UUID,
    choices: Sequence[LineDecision],
    *,
    overrides: Sequence[Override] = (),
    message: str = "",
    now: datetime,
    version: int | None = None,
    grace: int = 0,
) -> str:
    """Approve and refuse units of every line, and answer the new state: all refused is declined.

    Refused units are free at once. With a ``version``, a decision that was made already is replaced. Raises
    ``Stale``; ``Conflict``: ``units_undecided`` (with line and how many), ``unknown_reason``,
    ``unknown_condition``, ``override_needed`` (with the findings), and those of ``undo``; ``Refused`` for an
    objection that states a fact; ``NotAllowed`` where a supervisor must.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, objecting.BY_APPROVING, version)
        if row.state in DECIDED and version is not None:
            _take_back(row, now=now)
        return _decide(actor, row, choices, overrides, message=message, now=now, grace=grace)


def approve(
    actor: Actor,
    return_id: UUID,
    *,
    reason: str = "",
    now: datetime,
    version: int | None = None,
    grace: int = 0,
) -> None:
    """Authorize all that was requested; the label follows. Again is no error.

    ``reason`` says why objections are set aside that only a supervisor may. Raises as ``decide`` does.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, objecting.BY_APPROVING, version)
        if row.state == "approved":
            return
        RETURN.after(row.state, "approve")
        choices = [LineDecision(line_id=one.id, approved=one.units) for one in returns.lines_of(row.id)]
        overrides = objecting.with_reason(row, read(row, now=now, lock=True), reason, now=now)
        _decide(actor, row, choices, overrides, message="", now=now, grace=grace)


def decline(
    actor: Actor,
    return_id: UUID,
    *,
    reason: str,
    message: str = "",
    now: datetime,
    version: int | None = None,
    grace: int = 0,
) -> None:
    """Refuse all that was requested, with a reason the customer is told; its units are free. Again is no error."""
    with transaction():
        row = scope.as_seen(actor, return_id, objecting.BY_APPROVING, version)
        if reason not in DECLINE_REASONS:
            raise Conflict("unknown_reason", reason=reason)
        if row.state == "declined":
            return
        choices = [
            LineDecision(line_id=one.id, approved=0, declined=one.units, reason=reason)
            for one in returns.lines_of(row.id)
        ]
        _decide(actor, row, choices, (), message=message, now=now, grace=grace)


def undo(actor: Actor, return_id: UUID, *, now: datetime, version: int | None = None) -> bool:
    """Take a decision back; what was refused is taken again. Answers whether the customer is told of it.

    That is, when the decision had reached them. Raises ``Stale``; ``Conflict``: ``units_gone`` when another
    return has refused units by now, ``parcel_left``, ``refund_exists``.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, objecting.BY_APPROVING, version)
        was = row.state
        told = _take_back(row, now=now)
        row.version += 1
        db.session.flush()
        if told:
            notices.queue("reconsidered", returns.draft(row), now=now, was=was)
        what = "return.approval_undone" if was == "approved" else "return.reopened"
        history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, told=told)
        return told


def version_of(actor: Actor, return_id: UUID) -> int:
    """The version of the return as it is now, to be named by whoever takes the decision back."""
    return scope.return_row(actor, return_id, objecting.BY_APPROVING).version


def preview(page: Page, choices: Sequence[LineDecision], *, now: datetime) -> Breakdown:
    """What would be refunded if this were decided of a return that was read; nothing is written.

    The postage is as it was chosen; a line that is not among ``choices`` counts as it stands.
    """
    request = as_request(replace(page.draft, lines=as_decided(page, choices)), now=now)
    return estimate(page.order, request, page.terms, currency=page.draft.currency, now=now)


def as_decided(page: Page, choices: Sequence[LineDecision]) -> tuple[DraftLine, ...]:
    """The lines of a return that was read, as they would be; one that is not among ``choices`` as it stands."""
    chosen = {one.line_id: one for one in choices}
    return tuple(
        _as_decided(line, chosen[line.id]) if line.id in chosen else line for line in page.draft.lines
    )


def _as_decided(line: DraftLine, one: LineDecision) -> DraftLine:
    kept = min(max(one.approved, 0), line.units)
    return replace(
        line,
        declined=line.units - kept,
        spans=lowest(line.spans, kept) if 0 < kept <= count(line.spans) else (),
        reason=one.changed_reason or line.reason,
        condition=one.changed_condition or line.condition,
    )


def may_be_undone(page: Page, parcels: Iterable[str]) -> bool:
    """Whether a decision can still be taken back, of parcels in these states: nothing was handed over."""
    if page.draft.kind in STAYS or not RETURN.can(page.draft.state, "undo"):
        return False
    return page.draft.state == "declined" or all(_still_here(state) for state in parcels)


def _still_here(parcel_state: str) -> bool:
    return parcel_state == "canceled" or SHIPMENT.can(parcel_state, "void")


# ------------------------------------------------------------------------------------------- deciding


def _decide(
    actor: Actor,
    row: Return,
    choices: Sequence[LineDecision],
    overrides: Sequence[Override],
    *,
    message: str,
    now: datetime,
    grace: int,
) -> str:
    chosen = _judged(row.id, choices)
    state = RETURN.after(row.state, "approve" if any(one.approved for one in choices) else "decline")
    changed = _correct(row, chosen, now)
    release(returns.draft(row), keep={one.line_id: one.approved for one in choices})
    _put(row, chosen)
    if state == "approved":
        _approve(actor, row, overrides, now=now)
    row.state, row.version = state, row.version + 1
    threads.settle(row, now=now)
    refused = [one.reason for one in choices if one.declined]
    row.decline_reason = refused[0] if refused and state == "declined" else ""
    row.decline_message = message.strip()
    row.closed_at = now if state == "declined" else None
    db.session.flush()
    if state == "approved":
        approve_parcel(row, now=now, delay=grace)
    else:
        notices.queue("declined", returns.draft(row), now=now, delay=grace)
    _record(actor, row, chosen, changed, now)
    return state


def _judged(return_id: UUID, choices: Sequence[LineDecision]) -> Chosen:
    """Every line with what is decided of it: of all its units, and of nothing else."""
    lines = returns.lines_of(return_id)
    found = {one.line_id: one for one in choices}
    if len(found) != len(choices) or found.keys() - {line.id for line in lines}:
        raise NotFound
    for line in lines:
        one = found.get(line.id)
        if one is None or min(one.approved, one.declined) < 0 or one.approved + one.declined != line.units:
            raise Conflict("units_undecided", line=str(line.id), name=line.name, units=line.units)
        if one.declined and one.reason not in DECLINE_REASONS:
            raise Conflict("unknown_reason", reason=one.reason, line=str(line.id))
        if one.changed_reason is not None and one.changed_reason not in REASONS:
            raise Conflict("unknown_reason", reason=one.changed_reason, line=str(line.id))
        if one.changed_condition is not None and one.changed_condition not in CONDITIONS:
            raise Conflict("unknown_condition", condition=one.changed_condition, line=str(line.id))
    return [(line, found[line.id]) for line in lines]


def _correct(row: Return, chosen: Chosen, now: datetime) -> dict[str, tuple[str | None, str | None]]:
    """Put reasons and conditions right; answers before and after, by field and name of the line."""
    changed: dict[str, tuple[str | None, str | None]] = {}
    for line, one in chosen:
        if one.changed_reason is not None and one.changed_reason != line.reason:
            changed[f"reason: {line.name}"] = (line.reason, one.changed_reason)
            line.reason = one.changed_reason
        if one.changed_condition is not None and one.changed_condition != line.condition:
            changed[f"condition: {line.name}"] = (line.condition, one.changed_condition)
            line.condition = one.changed_condition
    if changed:
        db.session.flush()
        judge_postage(row, now)
    return changed


def _put(row: Return, chosen: Chosen) -> None:
    """Write what was decided of each line, in one statement."""
    table = ReturnLine.__table__
    db.session.flush()
    db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(
            authorized_units=sa.bindparam("allowed"),
            declined_units=sa.bindparam("refused"),
            decline_reason=sa.bindparam("why"),
            decline_message=sa.bindparam("said"),
        ),
        [
            {
                "row": line.id,
                "allowed": one.approved,
                "refused": one.declined,
                "why": one.reason if one.declined else "",
                "said": one.message.strip() if one.declined else "",
            }
            for line, one in chosen
        ],
    )


def _approve(actor: Actor, row: Return, overrides: Sequence[Override], *, now: datetime) -> None:
    """What follows from units that may come back: objections set aside, the estimate, the last day to send."""
    page = read(row, now=now, lock=True)
    objecting.set_aside(actor, row, page, overrides, now=now)
    row.approved_at, row.ship_by = now, ship_by(page.terms, now, page.merchant.zone)
    _estimate(row, page)


def _estimate(row: Return, page: Page) -> None:
    """What would be refunded of what may still come, worked out anew; of a typed-in product nobody knows."""
    if page.breakdown.assessed:
        row.breakdown, row.estimate_minor = breakdown.to_json(page.breakdown), page.breakdown.amount


# ---------------------------------------------------------------------------------------- taking back


def _take_back(row: Return, *, now: datetime) -> bool:
    """The return as it was before the decision, all its units taken; whether that had reached the customer."""
    was, state = row.state, RETURN.after(row.state, "undo")
    since = (row.closed_at if was == "declined" else row.approved_at) or now
    _nothing_left(row)
    draft = returns.draft(row)
    order = orders.facts(row.order_id, lock=True) if row.order_id else None
    spans = take(order, draft, now=now) if order is not None else {}
    expecting.withdraw(row, now=now)
    had_label = void_parcels(row.id)
    for line in returns.lines_of(row.id):
        line.spans = [list(span) for span in spans.get(line.id, line.spans)]
        line.authorized_units = line.declined_units = 0
        line.decline_reason = line.decline_message = ""
    paper = shipments.Document
    db.session.execute(
        sa.delete(paper).where(paper.return_id == row.id)
    )  # they name what is not agreed any more
    row.state, row.approved_at, row.closed_at, row.ship_by = state, None, None, None
    row.decline_reason = row.decline_message = ""
    objecting.put_back(row)
    db.session.flush()
    _estimate(row, read(row, now=now, lock=True))
    told = notices.withdraw(row.id, TOLD_BY, since=since)
    return told or had_label


def _nothing_left(row: Return) -> None:
    """Raises ``Conflict`` where the goods, or money, are on their way."""
    shipment = shipments.Shipment
    states = db.session.scalars(
        sa.select(shipment.state).where(shipment.return_id == row.id).with_for_update()
    ).all()
    if not all(_still_here(state) for state in states):
        raise Conflict("parcel_left")
    paid = sa.select(Refund.id).where(Refund.return_id == row.id, Refund.state != "canceled").limit(1)
    if row.kind in STAYS or db.session.scalar(paid) is not None:
        raise Conflict("refund_exists")


# ------------------------------------------------------------------------------------------ the history


def _record(
    actor: Actor,
    row: Return,
    chosen: Chosen,
    changed: dict[str, tuple[str | None, str | None]],
    now: datetime,
) -> None:
    """One happening for the return, and one for each line of which units were refused."""
    for line, one in chosen:
        if one.declined and row.state == "approved":
            history.record(
                actor,
                "return.line.declined",
                merchant_id=row.merchant_id,
                subject_id=row.id,
                now=now,
                line=line.name,
                units=one.declined,
                reason=one.reason,
                message=one.message.strip(),
            )
    details: dict[str, object] = {"message": row.decline_message}
    if row.state == "declined":
        details["reason"] = row.decline_reason
    else:
        details["counts"] = {line.name: one.approved for line, one in chosen if one.approved}
        details["set_aside"] = (row.verdict or {}).get("overruled", [])
    history.record(
        actor,
        f"return.{row.state}",
        merchant_id=row.merchant_id,
        subject_id=row.id,
        now=now,
        changed=changed,
        **details,
    )

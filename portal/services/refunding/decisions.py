"""A refund is decided: written down with its quota and its history, approved by whoever may, and let go.

Helpers of the use cases that decide (``refunds``, ``allowances``, ``cancellations``), always in their
transaction. Rows are locked in one order: return, refund, the order's lines, payments; last whoever approves for
the merchant.
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from portal.core import numbers
from portal.core.access import Actor, Conflict
from portal.core.facts import CANCELLATIONS, STAYS
from portal.core.lifecycles import REFUND
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import ledger
from portal.core.refunds import overrides as overriding
from portal.core.refunds.breakdown import Breakdown, Share, explain_change
from portal.core.refunds.overrides import Overrides
from portal.core.refunds.settlements import is_settlement
from portal.core.returns import Draft
from portal.core.spans import count
from portal.db import cancellations, returns
from portal.db.base import db, transaction, uuid7
from portal.db.refunds import Refund, RefundLine
from portal.db.returns import Return, ReturnLine
from portal.services import tasks, work
from portal.services.filing.returns import Page
from portal.services.ledgers import books, quota
from portal.services.paying import approvals, payouts, settling
from portal.services.paying.concluding import tell
from portal.services.talking import notices

T = TypeVar("T")


def make(
    actor: Actor,
    row: Return,
    page: Page,
    due: Breakdown,
    *,
    overrides: Overrides,
    plain: Breakdown | None,
    now: datetime,
) -> Refund:
    """A new refund of a locked return; ``plain`` is what was worked out before a person decided otherwise."""
    refund = Refund(
        id=uuid7(),
        merchant_id=row.merchant_id,
        order_id=row.order_id,
        return_id=row.id,
        number=numbers.refund_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
        state=REFUND.start,
        currency=due.currency,
        amount_minor=due.amount,
        breakdown=breakdowns.to_json(due),
        overrides=overriding.to_json(overrides) if overrides.is_any else {},
        revised_by=[],
        reason=overrides.reason.strip(),
        created_at=now,
        created_by=actor.id,
        created_by_name=actor.name,
        error="",
        version=1,
    )
    hold(due, row.order_id)
    db.session.add(refund)
    db.session.flush()
    write_lines(refund, due, page.draft)
    row.refund_state = REFUND.start
    tell(actor, "refund.created", refund, now, amount=due.amount, currency=due.currency)
    tell_overrides(actor, refund, overrides, plain, due, page, now)
    approve_if_able(actor, refund, due, page, now)
    return refund


def hold(due: Breakdown, order_id: UUID | None) -> None:
    """Take the refund's quota. Raises ``Conflict("too_much")``."""
    if order_id is not None:
        quota.take(due, order_id)


def write_lines(refund: Refund, due: Breakdown, draft: Draft) -> None:
    """What of the refund belongs to which line of the order; its units count as refunded on the return."""
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
                    "withheld_minor": max(0, line.withheld),
                    "adjusted": [list(part) for part in line.adjusted],
                    "promotion_minor": line.promotion,
                }
                for line in due.lines
            ],
        )
    count_units(draft, due, 1)


def count_units(draft: Draft, due: Breakdown, sign: int) -> None:
    """Count the units of a refund on the lines of its return, or off again; not those that never come back."""
    if draft.kind in (*STAYS, *CANCELLATIONS):
        return
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


def tell_overrides(
    actor: Actor,
    refund: Refund,
    overrides: Overrides,
    plain: Breakdown | None,
    due: Breakdown,
    page: Page,
    now: datetime,
) -> None:
    """Every bit that a person decided differently stands in the history, with before, after and the reason."""
    if not overrides.is_any:
        return
    before = plain or Breakdown(
        currency=due.currency, rows=(), lines=(), shares=(), policy_version=due.policy_version
    )
    tell(
        actor,
        "refund.overridden",
        refund,
        now,
        reason_given=overrides.reason.strip(),
        currency=due.currency,
        changes=[
            {"code": row.code, "label": row.label, "rule": row.rule, "basis": row.basis}
            for row in explain_change(before, due)
        ],
        tenders=_moved(before.shares, due.shares) if overrides.tenders else [],
        way=overrides.way if overrides.way != "refund" else "",
        waived=list(overrides.waived),
        missing=[
            {"label": line.name, "codes": list(codes)}
            for line_id, codes in overrides.missing
            for line in page.draft.lines
            if line.order_line_id == line_id
        ],
    )


def _moved(before: tuple[Share, ...], after: tuple[Share, ...]) -> list[dict[str, Any]]:
    """Tender by tender what it would have got, and what it gets."""
    was, now = ({(one.label, one.tender): one.amount for one in shares} for shares in (before, after))
    return [
        {"label": label, "tender": tender, "before": was.get(key, 0), "after": now.get(key, 0)}
        for key in dict.fromkeys((*was, *now))
        for label, tender in (key,)
        if was.get(key, 0) != now.get(key, 0)
    ]


def approve_if_able(actor: Actor, refund: Refund, due: Breakdown, page: Page, now: datetime) -> bool:
    """One more approval where this person's word counts; answers whether it did.

    When it is enough, what is owed is posted, the transfers are planned, and their sending is promised. The
    system decides by policy and needs nobody.
    """
    before = approvals.able(actor, refund, now=now)
    if before is None and actor.kind != "system":
        return False
    if before is None or approvals.give(actor, refund, before, now=now).is_complete:
        _let_go(actor, refund, due, page, now)
    return True


def _let_go(actor: Actor, refund: Refund, due: Breakdown, page: Page, now: datetime) -> None:
    if page.order is None:
        raise Conflict("to_be_assessed")
    refund.state = REFUND.after(refund.state, "approve")
    refund.approved_at, refund.approved_by, refund.version = now, actor.id, refund.version + 1
    tasks.done("undisputed_waits", refund.number, merchant_id=refund.merchant_id, now=now)
    books.post(
        ledger.decided(due, page.order),
        kind="refund_decided",
        merchant_id=refund.merchant_id,
        refund_id=refund.id,
        now=now,
    )
    tell(actor, "refund.approved", refund, now, amount=due.amount, currency=due.currency)
    _tell_customer(refund, due, page, now)
    payouts.plan(refund, due.shares, _providers(refund, page), now)
    if cancellations.waits(refund.return_id):
        show(refund, "pending")
    else:
        set_going(refund, now=now)


def set_going(refund: Refund, *, now: datetime) -> None:
    """Promise the sending of a refund that was let go; one that moves no money has succeeded at once.

    For goods that a warehouse is still to leave out this comes with its answer, never before.
    """
    if settling.of_refund(refund.id):
        show(refund, "pending")
        work.enqueue("refund", refund.id)
    else:
        settling.conclude(refund, now=now)


def _providers(refund: Refund, page: Page) -> Mapping[UUID, str]:
    """Who pays each payment back: whoever took it, unless a person chose another way for the money."""
    way = overriding.from_json(refund.overrides or {}).way
    chosen = way if way in ("bank_transfer", "manual") else ""
    return {payment.id: chosen or payment.provider for payment in page.order.payments} if page.order else {}


def _tell_customer(refund: Refund, due: Breakdown, page: Page, now: datetime) -> None:
    """Explain the first refund of all that came back where it is not what was estimated; announce what is kept."""
    row = returns.get(page.draft.id)
    if row is None or is_settlement(due):  # what was agreed is told by the mails of its dispute
        return
    if row.kind in STAYS:
        notices.queue("refund_granted", page.draft, now=now, refund_id=refund.id)
        return
    if row.breakdown is None or row.state not in ("received", "inspected"):
        return
    others = sa.select(Refund.id).where(
        Refund.return_id == row.id, Refund.id != refund.id, Refund.state != "canceled"
    )
    before = breakdowns.from_json(row.breakdown)
    if before.amount != due.owed and db.session.scalar(others.limit(1)) is None:
        notices.queue("inspected_changed", page.draft, now=now, refund_id=refund.id, before=row.breakdown)


def show(refund: Refund, state: str) -> None:
    """How the return's money stands, for lists."""
    row = returns.get(refund.return_id) if refund.return_id else None
    if row is not None:
        row.refund_state = state


class _Rehearsed(Exception):
    """Raised to leave a transaction without a trace."""


def rehearsed(act: Callable[[], T]) -> T:
    """What ``act`` answers, with everything it wrote undone."""
    found: list[T] = []
    try:
        with transaction():
            found.append(act())
            raise _Rehearsed
    except _Rehearsed:
        return found[0]

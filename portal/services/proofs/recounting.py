"""Every refund worked out a second time, from the order as it was paid, against what the ledger holds of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import CHARGES, KEEP
from portal.core.money import Minor
from portal.core.recount import PaidLine, Posted, Recount, RefundedLine, recount, worth
from portal.core.refunds.ledger import FEES, PAYABLE, RECEIVABLE, TAX
from portal.core.spans import Span
from portal.db.base import db
from portal.db.orders import OrderLine, OrderLineTax
from portal.db.refunds import Refund, RefundLine, Transfer
from portal.db.returns import Return, ReturnLine
from portal.services.proofs import DECIDED

TOGETHER = 500
"""Refunds that are read at once."""

NEXT_PERIOD = "next_period"


@dataclass(frozen=True, kw_only=True)
class Recounted:
    """One refund, and what was found."""

    refund_id: UUID
    return_id: UUID | None
    number: str
    currency: str
    at: datetime
    found: Recount


def recounted(merchant_ids: Sequence[UUID], *, since: datetime, until: datetime) -> Iterable[Recounted]:
    """The refunds that were approved from ``since`` to ``until`` (exclusive) and not given up, oldest first."""
    wanted = (
        sa.select(
            Refund.id, Refund.return_id, Refund.number, Refund.currency, Refund.approved_at, Refund.state,
            Refund.breakdown["clamped"].label("clamped"), Return.kind,
        )
        .outerjoin(Return, Return.id == Refund.return_id)
        .where(
            Refund.merchant_id.in_(merchant_ids),
            Refund.state.in_(DECIDED),
            Refund.approved_at >= since,
            Refund.approved_at < until,
        )
        .order_by(Refund.approved_at, Refund.id)
    )  # fmt: skip
    rows = db.session.execute(wanted).all()
    for start in range(0, len(rows), TOGETHER):
        yield from _together(rows[start : start + TOGETHER])


def _together(refunds: Sequence[Any]) -> Iterable[Recounted]:
    ids = [row.id for row in refunds]
    posted = _posted(ids)
    lines = db.session.execute(
        sa.select(
            RefundLine.refund_id, RefundLine.order_line_id, RefundLine.spans, RefundLine.amount_minor,
            RefundLine.promotion_minor,
        )
        .where(RefundLine.refund_id.in_(ids))
        .order_by(RefundLine.id)
    ).all()  # fmt: skip
    of_refund: dict[UUID, list[Any]] = defaultdict(list)
    for line in lines:
        of_refund[line.refund_id].append(line)
    touched = {line.order_line_id for line in lines}
    paid, adjusted = _paid(touched), _adjusted(touched)
    endings = _endings([row.return_id for row in refunds if row.return_id])
    for row in refunds:
        parts = [_part(row, line, paid[line.order_line_id], adjusted, endings) for line in of_refund[row.id]]
        found = recount(
            parts,
            posted.get(row.id, Posted()),
            clamped=int(row.clamped or 0),
            is_paid=row.state == "succeeded",
        )
        yield Recounted(
            refund_id=row.id,
            return_id=row.return_id,
            number=row.number,
            currency=row.currency,
            at=row.approved_at,
            found=found,
        )


def _part(
    refund: Any,
    line: Any,
    paid: PaidLine,
    adjusted: dict[UUID, list[tuple[UUID, datetime, list[list[int]]]]],
    endings: dict[tuple[UUID, UUID], tuple[str, Any]],
) -> RefundedLine:
    spans = _spans(line.spans)
    stays = refund.kind == KEEP or not spans  # for no unit in particular: agreed in a dispute
    ending, used = endings.get((refund.return_id, line.order_line_id), ("", None))
    before = (
        _given(spans, parts)
        for refund_id, at, parts in adjusted.get(line.order_line_id, ())
        if refund_id != refund.id and at <= refund.approved_at
    )
    return RefundedLine(
        line=paid,
        spans=spans,
        amount=line.amount_minor,
        stays=stays,
        given=0 if stays else sum(before),
        promotion=line.promotion_minor,
        used=tuple(used) if used else None,
        runs_out=ending == NEXT_PERIOD,
    )


def _spans(stored: Any) -> tuple[Span, ...]:
    return tuple((first, end) for first, end in stored or ())


def _given(spans: tuple[Span, ...], parts: Iterable[list[int]]) -> Minor:
    """What was given before for those of the positions that were kept then."""
    total = 0
    for first, end, amount in parts:
        same = [(max(first, one), min(end, two)) for one, two in spans if one < end and two > first]
        total += worth(amount, [(one - first, two - first) for one, two in same], end - first)
    return total


def _paid(line_ids: Iterable[UUID]) -> dict[UUID, PaidLine]:
    """The lines from their rows: price less discount, plus tax where it stands beside the price."""
    ids = list(line_ids)
    taxes: dict[UUID, list[tuple[str, Minor]]] = defaultdict(list)
    labels = sa.select(OrderLineTax.order_line_id, OrderLineTax.label, OrderLineTax.amount_minor).where(
        OrderLineTax.order_line_id.in_(ids)
    )
    for row in db.session.execute(labels.order_by(OrderLineTax.id)):
        taxes[row.order_line_id].append((row.label, row.amount_minor))
    wanted = sa.select(OrderLine.id, OrderLine.paid_minor, OrderLine.units, OrderLine.kind)
    return {
        row.id: PaidLine(
            paid=row.paid_minor, units=row.units, taxes=tuple(taxes[row.id]), is_charge=row.kind in CHARGES
        )
        for row in db.session.execute(wanted.where(OrderLine.id.in_(ids)))
    }


def _adjusted(line_ids: Iterable[UUID]) -> dict[UUID, list[tuple[UUID, datetime, list[list[int]]]]]:
    """Order line -> (refund, when, what it gave for which units that stayed)."""
    found: dict[UUID, list[tuple[UUID, datetime, list[list[int]]]]] = defaultdict(list)
    wanted = (
        sa.select(RefundLine.order_line_id, RefundLine.refund_id, RefundLine.adjusted, Refund.approved_at)
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(
            RefundLine.order_line_id.in_(list(line_ids)), Refund.state.in_(DECIDED),
            Refund.approved_at.is_not(None),
        )
    )  # fmt: skip
    for row in db.session.execute(wanted):
        if row.adjusted:
            found[row.order_line_id].append((row.refund_id, row.approved_at, row.adjusted))
    return found


def _endings(return_ids: Sequence[UUID]) -> dict[tuple[UUID, UUID], tuple[str, Any]]:
    """(return, order line) -> how a service ends, and how much of it was had."""
    wanted = sa.select(
        ReturnLine.return_id, ReturnLine.order_line_id, ReturnLine.ending, ReturnLine.scope_used
    ).where(ReturnLine.return_id.in_(list(return_ids)), ReturnLine.ending != "")
    return {
        (row.return_id, row.order_line_id): (row.ending, row.scope_used) for row in db.session.execute(wanted)
    }


def _posted(refund_ids: Sequence[UUID]) -> dict[UUID, Posted]:
    """Refund -> what the ledger holds of it, account by account; what was reversed has canceled itself out."""
    decided: dict[UUID, dict[str, Minor]] = defaultdict(lambda: defaultdict(int))
    settled: dict[UUID, Minor] = defaultdict(int)
    wanted = sa.select(
        Transfer.refund_id, Transfer.payout_id, Transfer.debit, Transfer.credit, Transfer.amount_minor
    ).where(Transfer.refund_id.in_(refund_ids))
    for row in db.session.execute(wanted):
        if row.payout_id is None:
            decided[row.refund_id][row.debit] += row.amount_minor
            decided[row.refund_id][row.credit] -= row.amount_minor
        elif row.debit == PAYABLE:
            settled[row.refund_id] += row.amount_minor
        elif row.credit == PAYABLE:
            settled[row.refund_id] -= row.amount_minor
    return {refund_id: _sorted(decided[refund_id], settled[refund_id]) for refund_id in {*decided, *settled}}


def _sorted(accounts: dict[str, Minor], paid: Minor) -> Posted:
    return Posted(
        goods=accounts.get("goods", 0),
        taxes={name.removeprefix(TAX): amount for name, amount in accounts.items() if name.startswith(TAX)},
        charges=sum(accounts.get(kind, 0) for kind in CHARGES),
        fees=-accounts.get(FEES, 0),
        added=accounts.get("goodwill", 0) + accounts.get("bonus", 0),
        set_off=-accounts.get(RECEIVABLE, 0),
        payable=-accounts.get(PAYABLE, 0),
        paid=paid,
    )

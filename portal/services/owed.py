"""What one return is owed now: units that came back and count, at their grade, less what was refunded before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict
from portal.core.facts import Addition, Wanted
from portal.core.money import Minor
from portal.core.refunds.breakdown import Breakdown, Negative, NotGranted, TooMuch
from portal.core.refunds.engine import quote
from portal.core.returns import Draft, DraftLine
from portal.core.spans import Span, lowest, without
from portal.db.base import db
from portal.db.refunds import Refund, RefundLine
from portal.db.returns import Inspection
from portal.services.returns import Page, as_request, as_wanted

PER_RETURN_FEES = ("restocking_fee", "return_shipping_fee")


@dataclass(frozen=True, kw_only=True)
class _Before:
    """What earlier refunds of the same return, canceled ones left out, gave and took."""

    spans: dict[UUID, list[Span]]
    """order line id -> positions that were refunded"""
    fees: tuple[str, ...]
    goodwill: Minor


def work_out(actor: Actor, page: Page, *, goodwill: Minor = 0, reason: str = "", now: datetime) -> Breakdown:
    """The refund of ``page`` as it stands, with goodwill on top.

    Raises ``Conflict``: ``nothing_to_refund``, ``to_be_assessed`` (no order), ``too_much`` with the maximum,
    ``reason_missing``, ``not_granted``, ``negative_amount``.
    """
    if page.order is None:
        raise Conflict("to_be_assessed")
    before = _before(page.draft.id)
    wanted = _due(page, before)
    if not wanted and (not goodwill or page.draft.number is None):
        raise Conflict("nothing_to_refund")
    role = actor.roles.get(page.draft.merchant_id, "")
    added = Addition(code="goodwill", amount=goodwill, reason=reason.strip(), granted_by=role)
    request = replace(
        as_request(page.draft, now=now),
        wanted=wanted,
        extra=(added,) if goodwill else (),
        fees_taken=before.fees,
    )
    terms = replace(page.terms, goodwill_cap=max(0, page.terms.goodwill_cap - before.goodwill))
    try:
        return quote(page.order, request, terms, now=now)
    except TooMuch as problem:
        raise Conflict("too_much", maximum=problem.maximum, currency=page.order.currency) from None
    except Negative:
        raise Conflict("negative_amount") from None
    except NotGranted as problem:
        raise Conflict("reason_missing" if problem.missing == "reason" else "not_granted") from None


def _before(return_id: UUID) -> _Before:
    refunds = db.session.execute(
        sa.select(Refund.id, Refund.breakdown).where(
            Refund.return_id == return_id, Refund.state != "canceled"
        )
    ).all()
    spans: dict[UUID, list[Span]] = {}
    if refunds:
        lines = sa.select(RefundLine.order_line_id, RefundLine.spans)
        for line_id, held in db.session.execute(
            lines.where(RefundLine.refund_id.in_([refund.id for refund in refunds]))
        ):
            spans.setdefault(line_id, []).extend((first, end) for first, end in held)
    rows: list[dict[str, Any]] = [row for refund in refunds for row in refund.breakdown["rows"]]
    return _Before(
        spans=spans,
        fees=tuple(sorted({row["code"] for row in rows if row["code"] in PER_RETURN_FEES})),
        goodwill=sum(row["amount"] for row in rows if row["code"] == "goodwill"),
    )


def _due(page: Page, before: _Before) -> tuple[Wanted, ...]:
    """Units that count (received, or accepted where the policy waits for the inspection), by grade."""
    found: list[Wanted] = []
    grades = _grades(page.draft)
    for line in page.draft.lines:
        if line.order_line_id is None:
            continue
        rest = without(line.spans, before.spans.get(line.order_line_id, ()))
        for grade, units in _countable(line, grades.get(line.id, ()), page.terms.refund_trigger):
            spans = lowest(rest, units)
            rest = without(rest, spans)
            found.append(replace(as_wanted(line), units=units, grade=grade, spans=spans))
    return tuple(found)


def _countable(
    line: DraftLine, graded: Iterable[tuple[str, int]], trigger: str
) -> list[tuple[str | None, int]]:
    """(grade, units) still to be refunded of a line: what was refunded before counts off from the first."""
    parts: list[tuple[str | None, int]] = [*graded]
    if trigger == "on_receipt":
        parts.append((None, line.received - line.accepted - line.rejected))
    gone = line.refunded
    left: list[tuple[str | None, int]] = []
    for grade, units in parts:
        skipped = min(gone, units)
        gone -= skipped
        if units > skipped:
            left.append((grade, units - skipped))
    return left


def _grades(draft: Draft) -> dict[UUID, Sequence[tuple[str, int]]]:
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
    return {**found}

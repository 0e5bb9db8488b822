"""What one return is owed now: units that came back and count, at their grade, less what was refunded before."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict
from portal.core.facts import CANCELLATIONS, NEXT_PERIOD, RETURNLESS, STAYS, Addition, OrderFacts, Wanted
from portal.core.money import Minor, allocate
from portal.core.refunds.breakdown import Breakdown, Negative, NotGranted, NotTheSum, TooMuch
from portal.core.refunds.engine import quote
from portal.core.refunds.overrides import WAIVABLE, WAYS, Overrides
from portal.core.refunds.values import paid_for
from portal.core.returns import Draft, DraftLine
from portal.core.spans import Span, lowest, without
from portal.core.workflows import INSPECT_FIRST
from portal.db.base import db
from portal.db.refunds import Refund, RefundLine
from portal.db.returns import Inspection
from portal.services.cancellation_facts import DECIDED, as_without
from portal.services.filing.returns import Page, as_request, as_wanted

PER_RETURN_FEES = ("restocking_fee", "return_shipping_fee")
AS_WORKED_OUT = Overrides()


@dataclass(frozen=True, kw_only=True)
class _Before:
    """What earlier refunds of the same return, canceled ones left out, gave and took."""

    spans: dict[UUID, list[Span]]
    """order line id -> positions that were refunded"""
    fees: tuple[str, ...]
    goodwill: Minor
    refunds: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the inspection found of some units of one line, all alike."""

    grade: str | None
    units: int
    missing_accessories: tuple[str, ...] = ()
    used: int | None = None
    """How many units of use it had, where that is counted."""


def work_out(
    actor: Actor,
    page: Page,
    *,
    overrides: Overrides = AS_WORKED_OUT,
    instead_of: UUID | None = None,
    now: datetime,
) -> Breakdown:
    """The refund of ``page`` as it stands, with what a person decides differently.

    ``instead_of`` is a waiting refund that it would take the place of. Raises ``Conflict``:
    ``nothing_to_refund``, ``to_be_assessed`` (no order), ``too_much`` with the maximum (and ``line`` or
    ``payment`` where it is about one), ``reason_missing``, ``not_granted``, ``negative_amount``,
    ``tenders_differ`` with what they must sum to, ``unknown_override``.
    """
    if page.order is None:
        raise Conflict("to_be_assessed")
    if page.draft.kind in CANCELLATIONS and page.draft.state not in DECIDED:
        raise Conflict(
            "nothing_to_refund"
        )  # without the customer's yes, or undone: every unit is still wanted
    order = as_without(page.order, page.draft) if page.draft.kind in CANCELLATIONS else page.order
    before = _before(page.draft.id, but=instead_of)
    wanted = _due(page, before)
    if not wanted and (not overrides.goodwill or page.draft.number is None):
        raise Conflict("nothing_to_refund")
    _check(overrides, wanted, order)
    role = actor.roles.get(page.draft.merchant_id, "")
    reason = overrides.reason.strip()
    added = Addition(code="goodwill", amount=overrides.goodwill, reason=reason, granted_by=role)
    asked = as_request(page.draft, now=now)
    stays_of = page.decision.asked_as if page.decision and page.draft.kind == RETURNLESS else ""
    request = replace(
        asked,
        kind=stays_of or asked.kind,
        wanted=_agreed(wanted, overrides, order),
        extra=(added,) if overrides.goodwill else (),
        fees_taken=before.fees,
        waived=(*asked.waived, *overrides.waived),
        tenders=overrides.tenders,
        resolution="store_credit" if overrides.way == "store_credit" else asked.resolution,
    )
    terms = replace(page.terms, goodwill_cap=max(0, page.terms.goodwill_cap - before.goodwill))
    try:
        return quote(order, request, terms, now=now)
    except TooMuch as problem:
        raise _too_much(problem, order) from None
    except Negative:
        raise Conflict("negative_amount") from None
    except NotTheSum as problem:
        raise Conflict("tenders_differ", amount=problem.due, currency=order.currency) from None
    except NotGranted as problem:
        raise Conflict("reason_missing" if problem.missing == "reason" else "not_granted") from None


def _too_much(problem: TooMuch, order: OrderFacts) -> Conflict:
    about = {"line": str(problem.line_id)} if problem.line_id else {}
    about |= {"payment": str(problem.payment_id)} if problem.payment_id else {}
    return Conflict("too_much", maximum=problem.maximum, currency=order.currency, what=problem.what, **about)


def _check(overrides: Overrides, wanted: Sequence[Wanted], order: OrderFacts) -> None:
    """What somebody names must be there to be decided, and be no less than nothing."""
    lines, payments = {one.line_id for one in wanted}, {one.id for one in order.payments}
    if (
        overrides.way not in WAYS
        or set(overrides.waived) - set(WAIVABLE)
        or {line_id for line_id, _ in (*overrides.amounts, *overrides.missing)} - lines
        or {payment_id for payment_id, _ in overrides.tenders} - payments
    ):
        raise Conflict("unknown_override")
    amounts = [amount for _, amount in (*overrides.amounts, *overrides.tenders)]
    if overrides.goodwill < 0 or min(amounts, default=0) < 0:
        raise Conflict("negative_amount")
    left = {payment.id: payment.left for payment in order.payments}
    for payment_id, amount in overrides.tenders:
        if amount > left[payment_id]:
            raise Conflict(
                "too_much", maximum=left[payment_id], currency=order.currency, payment=str(payment_id)
            )


def _agreed(wanted: Sequence[Wanted], overrides: Overrides, order: OrderFacts) -> tuple[Wanted, ...]:
    """The same units with what was agreed for their line; an amount is spread over its parts by their worth."""
    missing, named = dict(overrides.missing), dict(overrides.amounts)
    found: list[Wanted] = []
    for one in wanted:
        if one.line_id in missing:  # named once for the line, so kept back once
            one = replace(one, missing_accessories=missing[one.line_id])
            missing[one.line_id] = ()
        found.append(one)
    for line_id, amount in named.items():
        places = [place for place, one in enumerate(found) if one.line_id == line_id]
        if found[places[0]].allowance is not None:  # it stays: the engine knows what is left of its price
            found[places[0]] = replace(found[places[0]], named=amount)
            continue
        worth = [paid_for(order.line(line_id), found[place].spans)[0] for place in places]
        if amount > sum(worth):
            raise Conflict("too_much", maximum=sum(worth), currency=order.currency, line=str(line_id))
        for place, part in zip(places, allocate(amount, worth), strict=True):
            found[place] = replace(found[place], named=part)
    return tuple(found)


def _before(return_id: UUID, *, but: UUID | None) -> _Before:
    wanted = sa.select(Refund.id, Refund.breakdown).where(
        Refund.return_id == return_id, Refund.state != "canceled"
    )
    refunds = db.session.execute(wanted if but is None else wanted.where(Refund.id != but)).all()
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
        refunds=len(refunds),
    )


def _due(page: Page, before: _Before) -> tuple[Wanted, ...]:
    """Units that count (received, or accepted where the policy waits for the inspection), as they were found.

    Of a refund without a return, and of a cancellation once it is confirmed, the units it is for, once.
    """
    if page.draft.kind in (*STAYS, *CANCELLATIONS):
        if before.refunds:
            return ()
        return tuple(as_wanted(line) for line in page.draft.lines if line.ending != NEXT_PERIOD)
    found: list[Wanted] = []
    inspected = _inspected(page.draft)
    trigger = "on_inspection" if page.draft.handling == INSPECT_FIRST else page.terms.refund_trigger
    for line in page.draft.lines:
        if line.order_line_id is None:
            continue
        rest = without(line.spans, before.spans.get(line.order_line_id, ()))
        for one in _countable(line, inspected.get(line.id, ()), trigger):
            spans = lowest(rest, one.units)
            rest = without(rest, spans)
            found.append(
                replace(
                    as_wanted(line),
                    units=one.units,
                    grade=one.grade,
                    missing_accessories=one.missing_accessories,
                    used=one.used,
                    spans=spans,
                )
            )
    return tuple(found)


def _countable(line: DraftLine, inspected: Iterable[Found], trigger: str) -> list[Found]:
    """What is still to be refunded of a line: what was refunded before counts off from the first."""
    parts = [*inspected]
    if trigger == "on_receipt":
        parts.append(Found(grade=None, units=line.received - line.accepted - line.rejected))
    gone = line.refunded
    left: list[Found] = []
    for one in parts:
        skipped = min(gone, one.units)
        gone -= skipped
        if one.units > skipped:
            left.append(replace(one, units=one.units - skipped))
    return left


def _inspected(draft: Draft) -> dict[UUID, Sequence[Found]]:
    """line id -> accepted units as they were found, in the order they were inspected."""
    found: dict[UUID, list[Found]] = {}
    ids = [line.id for line in draft.lines if line.accepted]
    if ids:
        rows = db.session.scalars(
            sa.select(Inspection)
            .where(Inspection.return_line_id.in_(ids), Inspection.accepted)
            .order_by(Inspection.id)
        )
        for row in rows:
            one = Found(
                grade=row.grade,
                units=row.units,
                missing_accessories=tuple(row.missing_accessories or ()),
                used=row.used,
            )
            found.setdefault(row.return_line_id, []).append(one)
    return {**found}

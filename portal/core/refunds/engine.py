"""The one place where a refund is worked out: estimate, agent's page, document and posting all call it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from portal.core.facts import (
    CANCELLATIONS,
    CHARGES,
    NEXT_PERIOD,
    LineFacts,
    OrderFacts,
    ReturnRequest,
    Wanted,
)
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.core.refunds import (
    additions,
    adjustments,
    charges,
    exchanges,
    fees,
    goods,
    promotions,
    sources,
    wear,
)
from portal.core.refunds.breakdown import Breakdown, Negative, NotGranted, TooMuch
from portal.core.refunds.drafts import RefundDraft, per_line
from portal.core.refunds.overrides import WAIVABLE
from portal.core.refunds.values import Part
from portal.core.spans import Span, count, free, lowest, merge, overlap, without

Picked = list[tuple[Wanted, tuple[Span, ...]]]


def quote(order: OrderFacts, request: ReturnRequest, terms: Terms, *, now: datetime) -> Breakdown:
    """What is given back for ``request``, explained; the units and amounts already given back are counted.

    Raises ``Negative`` for a quantity or amount below zero, ``TooMuch`` for more units than the line has
    left and for an amount a person names above what may be given, ``NotGranted`` for an addition without
    reason or role and for a rule that nobody may waive, ``NotTheSum`` for chosen tenders that do not sum,
    ``KeyError`` for a line or payment that the order does not have.
    """
    _check(request)
    lines = {line.id: line for line in order.lines}
    draft = RefundDraft(room=sources.left(order))
    returned: list[tuple[Part, Wanted]] = []
    back: dict[UUID, tuple[Span, ...]] = {}
    for wanted, spans in positions(lines, request.wanted, kind=request.kind):
        line, allowance = lines[wanted.line_id], goods.allowance_of(wanted, request.kind)
        if allowance is not None:
            goods.stay(draft, line, spans, allowance)
            continue
        if wanted.ending == NEXT_PERIOD:
            goods.runs_out(draft, line, spans)
            continue
        back[line.id] = (*back.get(line.id, ()), *spans)
        returned.append((goods.come_back(draft, line, spans), wanted))
    charges.refund(draft, order, request, terms, back)
    full = [replace(part, taxes=dict(part.taxes)) for part, _ in returned]
    promotions.refund(draft, order, request, terms, back)
    if request.kind in CANCELLATIONS:
        _used_up(draft, returned)
    else:
        _fees_of_lines(draft, returned, request, terms, at=min(request.requested_at, now))
    for (part, wanted), before in zip(returned, full, strict=True):
        if wanted.named is not None:
            goods.name(draft, part, before, wanted.named)
    if request.kind not in CANCELLATIONS:
        _fees_of_return(draft, returned, request, terms, at=min(request.requested_at, now))
    draft.cap()
    taken, due = exchanges.set_off(request.exchange, draft.amount)
    owed = draft.amount + sum(row.amount for row in taken)
    credited = sources.credited(owed, order, request, terms)
    added = additions.granted(credited, request, terms, room=draft.room - draft.amount)
    return Breakdown(
        currency=order.currency,
        rows=(*draft.rows, *taken, *added),
        lines=per_line(draft.parts),
        shares=sources.shares(owed, added, order, request, terms),
        policy_version=terms.version,
        clamped=draft.clamped,
        due=due,
    )


def quote_unassessed(currency: str, *, policy_version: int = 0) -> Breakdown:
    """The refund of a return without an order: unknown, for a person to assess, and never zero."""
    return Breakdown(
        currency=currency, rows=(), lines=(), shares=(), policy_version=policy_version, assessed=False
    )


def positions(lines: dict[UUID, LineFacts], wanted: Iterable[Wanted], *, kind: str = "return") -> Picked:
    """Which unit positions each wish takes; two wishes for one line are judged together.

    Wishes for no unit are left out. Raises ``Negative``, ``TooMuch`` (with how many there are), ``KeyError``.
    """
    wishes = [wish for wish in wanted if wish.units]
    held: dict[UUID, tuple[Span, ...]] = {}
    for wish in wishes:
        if wish.units < 0:
            raise Negative(f"{wish.units} units", line_id=wish.line_id)
        if wish.spans:
            held[wish.line_id] = (*held.get(wish.line_id, ()), *wish.spans)
    found = []
    for wish in wishes:
        line = lines[wish.line_id]
        if line.kind in CHARGES:
            raise TooMuch("units", 0, line_id=line.id)
        mine = held.get(line.id, ())
        if overlap(mine, line.canceled):
            raise TooMuch("units", count(without(mine, line.canceled)), line_id=line.id)
        spans = _positions(line, wish, mine, stays=goods.allowance_of(wish, kind) is not None)
        if not wish.spans:
            held[line.id] = merge((*mine, *spans))
        found.append((wish, spans))
    return found


def _positions(line: LineFacts, wish: Wanted, mine: tuple[Span, ...], *, stays: bool) -> tuple[Span, ...]:
    """The lowest positions that the wish holds, or that are free; for what stays, not adjusted ones first."""
    taken = (*line.canceled, *without(line.claimed, mine), *without(line.held, mine), *mine)
    room = wish.spans or free(taken, line.units)
    if wish.units > count(room):
        raise TooMuch("units", count(room), line_id=line.id)
    if stays and not wish.spans:
        return adjustments.kept(line, wish.units, taken)
    return lowest(room, wish.units)


def check_named(amount: Minor, maximum: Minor, *, line_id: UUID | None = None) -> Minor:
    """``amount``, which a person named. Raises ``TooMuch`` with the maximum, ``Negative`` below zero."""
    if amount < 0:
        raise Negative(f"{amount} is negative", line_id=line_id)
    if amount > maximum:
        raise TooMuch("amount", maximum, line_id=line_id)
    return amount


def check_claims(order: OrderFacts, claims: Iterable[tuple[UUID, Minor]]) -> Minor:
    """The sum of what is claimed per line, judged together per line and for the order (money.md 12).

    Raises ``TooMuch`` with what is left of the line or of the order, ``Negative``, ``KeyError``.
    """
    lines = {line.id: line for line in order.lines}
    per_line: dict[UUID, Minor] = {}
    for line_id, amount in claims:
        check_named(amount, amount, line_id=line_id)
        per_line[line_id] = per_line.get(line_id, 0) + amount
        check_named(per_line[line_id], lines[line_id].refundable, line_id=line_id)
    return check_named(sum(per_line.values()), sources.left(order))


def _check(request: ReturnRequest) -> None:
    """Numbers that cannot be, and rules that nobody may waive."""
    if set(request.waived) - set(WAIVABLE):
        raise NotGranted("rule")
    if request.postage < 0:
        raise Negative(f"{request.postage} is negative")
    for wish in request.wanted:
        if min(wish.used or 0, *(wish.scope_used or (0,))) < 0:
            raise Negative("use is negative", line_id=wish.line_id)


def _fees_of_lines(
    draft: RefundDraft,
    returned: Sequence[tuple[Part, Wanted]],
    request: ReturnRequest,
    terms: Terms,
    *,
    at: datetime,
) -> None:
    for part, wanted in returned:
        if not part.amount:
            continue
        line, value, days = part.line, part.goods, fees.days_since(part.line, at)
        worn = wear.deduction(line, wanted, terms, goods=value, days=days, waived=request.waived)
        kept = fees.of_line(line, wanted, terms, goods=value, whole=part.amount, days=days)
        for fee in (worn, *kept):
            if fee is not None and fee.rule not in request.waived:
                draft.keep(fee, [part], line)


def _used_up(draft: RefundDraft, returned: Sequence[tuple[Part, Wanted]]) -> None:
    """A cancellation keeps nothing back but the price of what a service has done already."""
    for part, wanted in returned:
        if wanted.scope_used and part.amount:
            draft.keep(fees.scope(wanted.scope_used, part.amount, days=part.line.recurs), [part], part.line)


def _fees_of_return(
    draft: RefundDraft,
    returned: Sequence[tuple[Part, Wanted]],
    request: ReturnRequest,
    terms: Terms,
    *,
    at: datetime,
) -> None:
    """Off the goods alone: taken off a charge they would look like shipping that is still owed."""
    fee = terms.restocking_fee
    charged = [(part, wanted) for part, wanted in returned if not fees.waived(fee, wanted)]
    fixed = 0
    if not fee.per_unit:
        dues = (fees.restocking(fee, wanted, fees.days_since(part.line, at)) for part, wanted in charged)
        fixed = max((due.fixed for due in dues), default=0)
    for one in fees.of_return(request, terms, fixed=fixed):
        if one.rule not in request.waived:
            bearing = charged if one.code == "restocking_fee" else returned
            draft.keep(one, [part for part, _ in bearing])

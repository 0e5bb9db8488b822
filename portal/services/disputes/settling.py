"""What was agreed is paid: one refund of exactly that amount for the contested lines, through every cap there is."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict
from portal.core.facts import KEEP, LineFacts, OrderFacts
from portal.core.money import Minor
from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds import settlements
from portal.core.refunds.adjustments import kept
from portal.core.refunds.breakdown import Breakdown, LineRefund, Negative, TooMuch
from portal.core.refunds.overrides import Overrides
from portal.core.refunds.settlements import Contested
from portal.core.returns import DraftLine
from portal.core.spans import Span, count, free, merge, without
from portal.db import returns
from portal.db.base import db, read_once
from portal.db.disputes import Dispute, DisputeLine
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services.filing.returns import Page, as_request, read
from portal.services.refunding import decisions

LET_GO = ("declined", "expired", "canceled", "overtaken", "refused")
"""Returns that hold no units any more: what they were about is with the customer."""


def pay(actor: Actor, row: Return, dispute: Dispute, amount: Minor, *, reason: str, now: datetime) -> Refund:
    """Make the settlement of a held dispute, once, in the caller's transaction.

    ``actor`` stands behind it: limits and four eyes hold for them as for every refund. Raises ``Conflict``:
    ``too_much`` with the maximum, ``negative_amount``, ``to_be_assessed``, ``settled_already``.
    """
    if dispute.settlement_id is not None:
        raise Conflict("settled_already")
    page = read(row, now=now, lock=True)
    if page.order is None:
        raise Conflict("to_be_assessed")
    try:
        due = settlements.settle(
            page.order, contested(page, dispute), amount, as_request(page.draft, now=now), page.terms
        )
    except TooMuch as problem:
        raise Conflict("too_much", maximum=problem.maximum, currency=page.order.currency) from None
    except Negative:
        raise Conflict("amount_missing") from None
    refund = decisions.make(
        actor, row, page, due, overrides=Overrides(reason=reason.strip()), plain=due, now=now
    )
    dispute.settlement_id, dispute.settled_minor = refund.id, amount
    return refund


def most(page: Page, dispute: Dispute | None, line_ids: Sequence[UUID] | None = None) -> Minor:
    """The most that can be paid now; 0 without an order. ``line_ids``: of a dispute that is not there yet."""
    if page.order is None:
        return 0
    return settlements.maximum(page.order, contested(page, dispute, line_ids))


def contested(page: Page, dispute: Dispute | None, line_ids: Sequence[UUID] | None = None) -> list[Contested]:
    """The contested lines with what refunds of the return did with their units."""
    order = page.order
    if order is None:
        return []
    wanted = set(line_ids or ())
    if dispute is not None:
        found = sa.select(DisputeLine.return_line_id).where(DisputeLine.dispute_id == dispute.id)
        wanted = set(db.session.scalars(found))
    before = _refunded(page.draft.id)
    refused = _refused(page)
    return [
        of_line(order, line, before.get(line.order_line_id, ()), refused=refused[line.id], held=_holds(page))
        for line in page.draft.lines
        if line.order_line_id is not None and (not wanted or line.id in wanted)
    ]


def _holds(page: Page) -> bool:
    return page.draft.state not in LET_GO


def _refused(page: Page) -> dict[UUID, int]:
    """Return line -> units that stay with the customer, though the return was asked for them."""
    if page.draft.kind == KEEP or not _holds(page):
        return {line.id: line.units for line in page.draft.lines}
    return {row.id: row.declined_units for row in returns.lines_of(page.draft.id)}


def of_line(
    order: OrderFacts, line: DraftLine, before: Sequence[LineRefund], *, refused: int, held: bool
) -> Contested:
    """One contested line: refunded positions with what was kept of them, and those nothing was refunded for."""
    assert line.order_line_id is not None  # noqa: S101  for the type
    bought = order.line(line.order_line_id)
    back = _union(span for part in before for span in part.spans)
    mine = without(line.spans, back) if held else ()
    adjusted = _union((first, end) for part in before for first, end, _ in part.adjusted)
    stays = without(adjusted, (*back, *mine))
    taxes: dict[str, Minor] = {}
    promotion: dict[str, Minor] = {}
    for part in before:
        for label, tax in part.taxes if part.spans else ():
            taxes[label] = taxes.get(label, 0) + tax
        for label, tax in part.promotion_taxes:
            promotion[label] = promotion.get(label, 0) + tax
            if not part.spans:
                taxes[label] = taxes.get(label, 0) - tax
    return Contested(
        line=bought,
        refunded=back,
        open=_union((*mine, *stays, *_with_customer(bought, refused - count(stays), (*back, *mine, *stays)))),
        given=sum(part.amount - sum(amount for *_, amount in part.adjusted) for part in before),
        taxes=tuple(taxes.items()),
        withheld=max(0, sum(part.withheld for part in before)),
        promotion=max(0, sum(part.promotion for part in before)),
        promotion_taxes=tuple(promotion.items()),
    )


def _with_customer(bought: LineFacts, units: int, mine: tuple[Span, ...]) -> tuple[Span, ...]:
    """As many positions that nobody has taken: refused units stay with the customer."""
    if units <= 0:
        return ()
    taken = _union((*bought.canceled, *bought.claimed, *bought.held, *mine))
    return kept(bought, min(units, count(free(taken, bought.units))), taken)


def _union(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Every position once, also where two of ``spans`` share some."""
    found: tuple[Span, ...] = ()
    for span in spans:
        found = merge((*found, *without((span,), found)))
    return found


def _refunded(return_id: UUID) -> dict[UUID | None, list[LineRefund]]:
    """Order line -> what each refund of the return that counts did with it, as it was decided."""
    found: dict[UUID | None, list[LineRefund]] = {}
    for refund in refunds_that_count(return_id):
        for line in refund.lines:
            found.setdefault(line.line_id, []).append(line)
    return found


def refunds_that_count(return_id: UUID) -> tuple[Breakdown, ...]:
    """What was decided in each refund of the return but those that were canceled, oldest first."""
    wanted = sa.select(Refund.breakdown).where(Refund.return_id == return_id, Refund.state != "canceled")
    return read_once(
        ("breakdowns", return_id),
        lambda: tuple(map(breakdowns.from_json, db.session.scalars(wanted.order_by(Refund.id)))),
    )

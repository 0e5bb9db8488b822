"""I2 and I3: units and amounts of order lines are those of their returns and refunds, and within what was bought."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import CANCELLATIONS, KEEP, NEXT_PERIOD
from portal.core.spans import Span, count, merge, without
from portal.db.orders import OrderLine, OrderLineTax, OutsideRefund
from portal.db.refunds import Refund, RefundLine
from portal.db.returns import Return, ReturnLine
from portal.services.proofs import HOLDING, Break, counted, rows, sums

ENDED = ("canceled", "declined", "expired")
"""Returns that claim nothing any more."""

Spans = tuple[Span, ...]


def units(found: list[Break]) -> int:
    """A unit is in one return or cancellation at most, and never more are gone than were bought."""
    claims, held, gone = _claims(), _taken(("proposed",)), _taken(("confirmed", "closed"))
    wanted = sa.select(
        OrderLine.id,
        OrderLine.sku,
        OrderLine.units,
        OrderLine.claimed_units,
        OrderLine.canceled_units,
        OrderLine.held_units,
        OrderLine.claimed_spans,
        OrderLine.canceled_spans,
        OrderLine.held_spans,
        OrderLine.returned_spans,
    ).where(
        sa.or_(
            OrderLine.claimed_units > 0,
            OrderLine.canceled_units > 0,
            OrderLine.held_units > 0,
            OrderLine.refunded_minor > 0,
            OrderLine.id.in_(
                sa.select(ReturnLine.order_line_id).where(ReturnLine.order_line_id.is_not(None))
            ),
        )
    )
    for line in rows(wanted.order_by(OrderLine.id)):
        wrong = (
            *_wrong_units(line, claims.get(line.id, [])),
            *_wrong_cancellations(line, held.get(line.id, []), gone.get(line.id, [])),
        )
        for says in wrong:
            found.append(Break(invariant="I2", where=f"order line {line.id} ({line.sku})", says=says))
    return counted(OrderLine)


def _wrong_units(line: Any, held: list[Span]) -> Iterable[str]:
    claimed, canceled, kept = (
        _spans(stored) for stored in (line.claimed_spans, line.canceled_spans, line.held_spans)
    )
    if count(claimed) != line.claimed_units:
        yield f"{line.claimed_units} units claimed, {count(claimed)} positions"
    if count(canceled) != line.canceled_units:
        yield f"{line.canceled_units} units canceled, {count(canceled)} positions"
    if count(kept) != line.held_units:
        yield f"{line.held_units} units held, {count(kept)} positions"
    taken = line.claimed_units + line.canceled_units + line.held_units
    if taken > line.units:
        yield f"{taken} units gone or held of {line.units}"
    if any(first < 0 or end > line.units for first, end in (*claimed, *canceled, *kept)):
        yield f"positions outside of its {line.units} units"
    try:
        all_of_them = merge((*claimed, *canceled, *kept))
    except ValueError:
        all_of_them = ()
    if count(all_of_them) != count(claimed) + count(canceled) + count(kept):
        yield "a position is claimed, canceled or held, and that twice"
    try:
        returns = merge(held)
    except ValueError:
        yield "two returns hold the same position"
        returns = merge(dict.fromkeys((at, at + 1) for first, end in held for at in range(first, end)))
    if count(without(returns, claimed)):
        yield "returns hold positions that the line does not know as claimed"
    if count(without(_spans(line.returned_spans), claimed)):
        yield "units are back that nobody claimed"


def _wrong_cancellations(line: Any, held: list[Span], gone: list[Span]) -> Iterable[str]:
    """What is held is held by one open proposal each; what was confirmed is canceled, each position once."""
    for spans, stored, verb in ((held, line.held_spans, "hold"), (gone, line.canceled_spans, "took out")):
        known = _spans(stored)
        try:
            mine = merge(spans)
        except ValueError:
            yield f"two cancellations {verb} the same position"
            continue
        if count(without(mine, known)):
            yield f"cancellations {verb} positions that the line does not know of"
        if verb == "hold" and count(without(known, mine)):
            yield "positions are held that no open proposal waits for"


def _taken(states: Sequence[str]) -> dict[UUID, list[Span]]:
    """Order line -> the positions of its cancellations in these states, but of services that run out."""
    found: dict[UUID, list[Span]] = defaultdict(list)
    wanted = (
        sa.select(ReturnLine.order_line_id, ReturnLine.spans, ReturnLine.ending, Return.state)
        .join(Return, Return.id == ReturnLine.return_id)
        .where(Return.kind.in_(CANCELLATIONS), Return.state.in_(states))
    )
    for line_id, spans, ending, state in rows(wanted.order_by(ReturnLine.id)):
        if state == "proposed" or ending != NEXT_PERIOD:
            found[line_id] += _spans(spans)
    return found


def _claims() -> dict[UUID, list[Span]]:
    found: dict[UUID, list[Span]] = defaultdict(list)
    wanted = (
        sa.select(ReturnLine.order_line_id, ReturnLine.spans)
        .join(Return, Return.id == ReturnLine.return_id)
        .where(
            ReturnLine.order_line_id.is_not(None),
            Return.state.not_in((*ENDED, "draft")),
            Return.kind.not_in((KEEP, *CANCELLATIONS)),
        )
    )
    for line_id, spans in rows(wanted.order_by(ReturnLine.id)):
        found[line_id] += _spans(spans)
    return found


def _spans(stored: Any) -> Spans:
    return tuple((first, end) for first, end in stored or ())


def back(found: list[Break]) -> int:
    """Nobody is refunded for units that did not come back, but for those a person let the customer keep."""
    wanted = (
        sa.select(ReturnLine.id, ReturnLine.refunded_units, ReturnLine.received_units, Return.number)
        .join(Return, Return.id == ReturnLine.return_id)
        .where(
            ReturnLine.refunded_units > ReturnLine.received_units,
            Return.kind.not_in((KEEP, "returnless_refund", *CANCELLATIONS)),
        )
        .order_by(ReturnLine.id)
    )
    for row in rows(wanted):
        said = f"{row.refunded_units} refunded of {row.received_units} received"
        found.append(Break(invariant="I2", where=f"return {row.number} line {row.id}", says=said))
    return counted(Return)


def amounts(found: list[Break]) -> int:
    """A line gave back what its refunds say, made here or elsewhere, and never more than was paid for it."""
    via = (Refund, Refund.id == RefundLine.refund_id)
    holding = Refund.state.in_(HOLDING)
    refunded = sums(RefundLine.order_line_id, RefundLine.amount_minor, holding, via=via)
    withheld = sums(RefundLine.order_line_id, RefundLine.promotion_minor, holding, via=via)
    elsewhere = _elsewhere()
    wanted = sa.select(
        OrderLine.id,
        OrderLine.sku,
        OrderLine.paid_minor,
        OrderLine.refunded_minor,
        OrderLine.promotion_minor,
    ).where(
        sa.or_(
            OrderLine.refunded_minor != 0,
            OrderLine.promotion_minor != 0,
            OrderLine.id.in_(sa.select(RefundLine.order_line_id)),
        )
    )
    for line in rows(wanted.order_by(OrderLine.id)):
        where = f"order line {line.id} ({line.sku})"
        total = refunded.get(line.id, 0) + elsewhere.get(str(line.id), 0)
        kept = withheld.get(line.id, 0)
        for wrong, says in (
            (total != line.refunded_minor, f"{line.refunded_minor} refunded, its refunds sum to {total}"),
            (
                line.refunded_minor > line.paid_minor,
                f"{line.refunded_minor} refunded of {line.paid_minor} paid",
            ),
            (
                kept != line.promotion_minor,
                f"{line.promotion_minor} withheld for promotions, its refunds say {kept}",
            ),
        ):
            if wrong:
                found.append(Break(invariant="I3", where=where, says=says))
    found += _whole_lines()
    return counted(RefundLine)


def _elsewhere() -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for (lines,) in rows(sa.select(OutsideRefund.lines).order_by(OutsideRefund.id)):
        for share in lines:
            found[str(share["order_line_id"])] += int(share.get("amount", 0))
    return found


def _whole_lines() -> Iterable[Break]:
    """A line whose every unit was refunded, with nothing kept back and nothing named, gave back what was paid."""
    paid: dict[UUID, list[Any]] = defaultdict(list)
    wanted = (
        sa.select(
            RefundLine.order_line_id,
            RefundLine.spans,
            RefundLine.amount_minor,
            RefundLine.withheld_minor,
            RefundLine.promotion_minor,
            RefundLine.adjusted,
            Refund.overrides,
            Refund.breakdown["clamped"].label("clamped"),
        )
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(Refund.state.in_(HOLDING))
    )
    for row in rows(wanted.order_by(RefundLine.id)):
        paid[row.order_line_id].append(row)
    lines = sa.select(OrderLine.id, OrderLine.sku, OrderLine.units, OrderLine.paid_minor).where(
        OrderLine.kind == "merchandise", OrderLine.units > 0, OrderLine.refunded_minor > 0
    )
    for line in rows(lines.order_by(OrderLine.id)):
        parts = paid.get(line.id, [])
        plain = all(
            not (
                part.withheld_minor or part.promotion_minor or part.adjusted or part.overrides or part.clamped
            )
            for part in parts
        )
        if not parts or not plain or sum(count(_spans(part.spans)) for part in parts) != line.units:
            continue
        total = sum(part.amount_minor for part in parts)
        if total != line.paid_minor:
            said = f"all of it came back and {total} of {line.paid_minor} was refunded"
            yield Break(invariant="I3", where=f"order line {line.id} ({line.sku})", says=said)


def taxes(found: list[Break]) -> int:
    """A label gave back what its refunds say, made here or elsewhere, and no more than it took."""
    told: dict[tuple[str, str], int] = defaultdict(int)
    wanted = (
        sa.select(RefundLine.order_line_id, RefundLine.taxes)
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(Refund.state.in_(HOLDING))
    )
    for line_id, entries in rows(wanted):
        for label, amount in entries:
            told[str(line_id), label] += amount
    for (outside,) in rows(sa.select(OutsideRefund.lines)):
        for line in outside:
            for label, amount in line.get("taxes", ()):
                told[str(line["order_line_id"]), label] += amount
    labels = sa.select(
        OrderLineTax.order_line_id, OrderLineTax.label, OrderLineTax.amount_minor, OrderLineTax.refunded_minor
    )
    for tax in rows(labels.order_by(OrderLineTax.order_line_id, OrderLineTax.label)):
        said = told.pop((str(tax.order_line_id), tax.label), 0)
        where = f"tax {tax.label} of line {tax.order_line_id}"
        if tax.refunded_minor > tax.amount_minor:
            says = f"{tax.refunded_minor} refunded of {tax.amount_minor}"
            found.append(Break(invariant="I3", where=where, says=says))
        if tax.refunded_minor != said:
            says = f"{tax.refunded_minor} refunded, its refunds say {said}"
            found.append(Break(invariant="I3", where=where, says=says))
    for (line_id, label), amount in sorted(told.items()):
        if amount:
            says = f"{amount} refunded of a tax that was never charged"
            found.append(Break(invariant="I3", where=f"tax {label} of line {line_id}", says=says))
    return counted(OrderLineTax)

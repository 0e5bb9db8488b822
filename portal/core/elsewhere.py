"""Refunds made elsewhere (the shop, the gateway's own pages): what they leave of lines, taxes and tenders."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from portal.core.intake import NOTHING, IncomingRefund, IncomingRefundLine
from portal.core.money import Minor, allocate, major, minor
from portal.core.records import PaidLine, PaidOrder, PaidPayment, PaidRefund, RefundOfLine
from portal.core.spans import count, free, lowest, merge, without


def with_refunds(order: PaidOrder, refunds: Iterable[IncomingRefund]) -> PaidOrder:
    """``order`` after these refunds: units taken (lowest positions first), amounts counted for every cap.

    A refund it already knows counts once; one that named no lines before may name them now. Where the
    figures exceed what was paid they are capped and a note says so. Of a canceled order what was neither
    shipped nor refunded is canceled then.
    """
    known = {refund.external_id: refund for refund in order.refunds}
    for refund in refunds:
        before = known.get(refund.external_id)
        if before is not None and (before.lines or not refund.lines):
            continue
        order, counted = _count(order, refund, known.values(), money=before is None)
        known[refund.external_id] = counted
    lines = order.lines if order.state != "canceled" else tuple(_cancel_rest(line) for line in order.lines)
    return replace(order, lines=lines, refunds=tuple(known.values()), notes=tuple(dict.fromkeys(order.notes)))


def _cancel_rest(line: PaidLine) -> PaidLine:
    gaps = free(line.taken, line.units)
    rest = min(count(gaps), max(0, line.units - line.shipped - count(line.canceled)))
    return replace(line, canceled=merge((*line.canceled, *lowest(gaps, rest)))) if rest else line


def _count(
    order: PaidOrder, refund: IncomingRefund, known: Collection[PaidRefund], *, money: bool
) -> tuple[PaidOrder, PaidRefund]:
    name, currency = f"Refund {refund.external_id}", order.currency
    notes: list[str] = []
    lines = {line.external_id: line for line in order.lines}
    counted: dict[str, RefundOfLine] = {}
    goods = 0
    for told in _on_parts(refund.lines, order):
        part, again = _news(told, refund, lines.get(told.line), known)
        if again is not None:
            counted[told.line] = _joined(counted.get(told.line), again)
            notes.append(f"{name}: {again.units} units of line {told.line} were canceled here; counted once.")
        if again is not None and not part.units:
            continue
        amount = _minor(part.amount, currency, name, notes)
        goods += amount
        if part.line not in lines:
            notes.append(f"{name}: it names line {part.line}, which the order does not have.")
            continue
        line, taken = _take(lines[part.line], part, amount, currency, name, notes)
        lines[part.line] = line
        counted[part.line] = _joined(counted.get(part.line), taken)
    amount = _minor(refund.amount, currency, name, notes)
    payments = _send_back(order.payments, amount, currency, name, notes) if money else order.payments
    if not refund.lines:
        notes.append(f"{name}: {_text(amount, currency)} without naming lines; it counts for the payments.")
    elif goods != amount:
        notes.append(
            f"{name}: its lines say {_text(goods, currency)}, "
            f"the money sent back is {_text(amount, currency)}."
        )
    after = replace(order, lines=tuple(lines.values()), payments=payments, notes=(*order.notes, *notes))
    made = PaidRefund(
        external_id=refund.external_id,
        at=refund.at,
        amount=amount,
        goods=goods,
        reason=refund.reason[:300],
        lines=tuple(counted.values()),
    )
    return after, made


def _news(
    part: IncomingRefundLine, refund: IncomingRefund, line: PaidLine | None, known: Collection[PaidRefund]
) -> tuple[IncomingRefundLine, RefundOfLine | None]:
    """What of ``part`` is news, and the rest: a shop that is told of our cancellation writes it down as its own.

    It does so without money. Units that were canceled here, and that no refund of the shop has told yet, are
    those it speaks of.
    """
    if line is None or not part.canceled or refund.amount or part.units <= 0:
        return part, None
    told = [one for other in known for one in other.lines if one.line == part.line]
    theirs = sum(count(one.spans) - count(without(one.spans, line.canceled)) for one in told)
    repeated = sum(one.units - count(one.spans) for one in told)
    again = min(part.units, max(0, count(line.canceled) - theirs - repeated))
    if not again:
        return part, None
    left = part.units - again
    rest = replace(part, units=left, amount=part.amount * left / part.units, tax=part.tax * left / part.units)
    return rest, RefundOfLine(line=part.line, units=again, spans=(), amount=0)


def _on_parts(told: Iterable[IncomingRefundLine], order: PaidOrder) -> Iterator[IncomingRefundLine]:
    """What is told of a bundle whose price lies on its parts is given back on those, by what is left of them."""
    lines = {line.external_id: line for line in order.lines}
    for one in told:
        bundle = lines.get(one.line)
        parts = [line for line in order.lines if line.parent == one.line and line.paid]
        if bundle is None or bundle.paid or not parts or one.amount <= 0:
            yield one
            continue
        amounts = _shared(one.amount, [max(0, part.paid - part.refunded) for part in parts], order.currency)
        taxes = _shared(one.tax, [sum(t.amount - t.refunded for t in p.taxes) for p in parts], order.currency)
        yield replace(one, amount=NOTHING, tax=NOTHING)
        for part, amount, tax in zip(parts, amounts, taxes, strict=True):
            units = one.units * part.units // bundle.units if bundle.units else 0
            yield replace(one, line=part.external_id, units=units, amount=amount, tax=tax)


def _shared(amount: Decimal, weights: Sequence[int], currency: str) -> list[Decimal]:
    whole = minor(amount, currency, round_to_unit=True)
    return [major(part, currency) for part in allocate(whole, weights)]


def _minor(amount: object, currency: str, name: str, notes: list[str]) -> Minor:
    """Never below zero: a channel that refunds a negative amount is told apart, not netted."""
    whole = minor(amount, currency, round_to_unit=True)  # type: ignore[arg-type]
    if whole < 0:
        notes.append(f"{name}: a negative amount, {amount} {currency}, is not counted.")
        return 0
    return whole


def _take(
    line: PaidLine, part: IncomingRefundLine, amount: Minor, currency: str, name: str, notes: list[str]
) -> tuple[PaidLine, RefundOfLine]:
    gaps = free(line.taken, line.units)
    units = min(max(part.units, 0), count(gaps))
    if units != part.units:
        notes.append(
            f"{name}: {part.units} units of line {line.external_id}, but only {count(gaps)} are left; capped."
        )
    spans = lowest(gaps, units)
    counts = min(amount, line.paid - line.refunded)
    if counts != amount:
        notes.append(
            f"{name}: {_text(amount, currency)} for line {line.external_id} is "
            f"{_text(amount - counts, currency)} more than is left of what was paid; capped."
        )
    taxes = _tax_shares(line, min(_minor(part.tax, currency, name, notes), counts))
    after = replace(
        line,
        canceled=merge((*line.canceled, *spans)) if part.canceled else line.canceled,
        claimed=line.claimed if part.canceled else merge((*line.claimed, *spans)),
        returned=line.returned if part.canceled else merge((*line.returned, *spans)),
        refunded=line.refunded + counts,
        taxes=tuple(replace(tax, refunded=tax.refunded + taxes.get(tax.label, 0)) for tax in line.taxes),
    )
    return after, RefundOfLine(
        line=line.external_id, units=units, spans=spans, amount=counts, taxes=tuple(taxes.items())
    )


def _tax_shares(line: PaidLine, tax: Minor) -> dict[str, Minor]:
    """``tax`` over the labels of the line, in proportion to what is left of each and never more."""
    left = [one.amount - one.refunded for one in line.taxes]
    tax = min(tax, sum(left))
    if tax <= 0:
        return {}
    return {one.label: part for one, part in zip(line.taxes, allocate(tax, left), strict=True) if part}


def _joined(first: RefundOfLine | None, second: RefundOfLine) -> RefundOfLine:
    """A refund may name a line twice; it is one part of it."""
    if first is None:
        return second
    taxes = dict(first.taxes)
    for label, amount in second.taxes:
        taxes[label] = taxes.get(label, 0) + amount
    return RefundOfLine(
        line=first.line,
        units=first.units + second.units,
        spans=merge((*first.spans, *second.spans)),
        amount=first.amount + second.amount,
        taxes=tuple(taxes.items()),
    )


def _send_back(
    payments: tuple[PaidPayment, ...], amount: Minor, currency: str, name: str, notes: list[str]
) -> tuple[PaidPayment, ...]:
    """``amount`` off the tenders in their order: the channel does not say off which one it was."""
    after: list[PaidPayment] = []
    for payment in payments:
        part = min(amount, payment.captured - payment.refunded)
        after.append(replace(payment, refunded=payment.refunded + part))
        amount -= part
    if amount:
        notes.append(f"{name}: {_text(amount, currency)} more than was captured was sent back; capped.")
    return tuple(after)


def _text(amount: Minor, currency: str) -> str:
    return f"{major(amount, currency)} {currency}"

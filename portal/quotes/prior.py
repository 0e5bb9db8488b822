"""Refunds that were made before, here or elsewhere, applied to the facts of an order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from portal.core.elsewhere import with_refunds
from portal.core.facts import NEXT_PERIOD, LineFacts, OrderFacts
from portal.core.intake import IncomingRefund, IncomingRefundLine
from portal.core.money import major
from portal.core.paid import PaidOrder
from portal.core.refunds.after import after
from portal.core.refunds.breakdown import Breakdown
from portal.core.spans import count, without
from portal.quotes import schema
from portal.quotes.faults import BadInput, Fault, below
from portal.quotes.forms import Names, made
from portal.quotes.paid import paid_order


def applied(
    order: OrderFacts, value: Any, names: Names, path: str = "prior"
) -> tuple[OrderFacts, tuple[str, ...]]:
    """``order`` after the refunds of one file, one after another, and what was odd about those made elsewhere.

    Raises ``BadInput`` with every fault.
    """
    found, notes = list(schema.faults("prior", value, path)), list[str]()
    if found:
        raise BadInput(found)
    listed = isinstance(value, list)
    for i, entry in enumerate(value if listed else [value]):
        place = below(path, i) if listed else path
        found += list(_unknown(order, entry, place, names))
        kind, told, place = _breakdown(entry, place)
        if found or (told is None and "refused" in entry):
            continue
        if told is None:
            order, odd = elsewhere(order, entry, names)
            notes += odd
            continue
        breakdown: Breakdown = made(Breakdown, told, names)
        found += list(_too_much(order, breakdown, place))
        order = order if found else _ending(after(order, breakdown, kind=kind), entry, names)
    if found:
        raise BadInput(found)
    return order, tuple(notes)


def _breakdown(entry: Mapping[str, Any], path: str) -> tuple[str, Mapping[str, Any] | None, str]:
    """The kind of an entry and the breakdown in it, None where nothing came of it or it was made elsewhere."""
    if "rows" in entry:
        return "return", entry, path
    told = None if entry.get("refused", True) else entry.get("breakdown")
    return entry.get("kind", "return"), told, below(path, "breakdown")


def _ending(order: OrderFacts, entry: Mapping[str, Any], names: Names) -> OrderFacts:
    """``order`` with the last days of the services that were ended with their period."""
    last = {
        names.id(one["line_id"]): date.fromisoformat(one["ends_on"])
        for one in entry.get("endings", ())
        if one["ends_on"] and one["ending"] == NEXT_PERIOD
    }
    lines = (replace(line, ends_on=last.get(line.id, line.ends_on)) for line in order.lines)
    return replace(order, lines=tuple(lines)) if last else order


def _unknown(order: OrderFacts, entry: Mapping[str, Any], path: str, names: Names) -> Iterator[Fault]:
    """What an entry names and the order does not have, and another currency."""
    _, told, place = _breakdown(entry, path)
    source = entry if told is None else told
    if told is not None and told["currency"] != order.currency:
        message = f"{told['currency']} is not the currency of the order, {order.currency}"
        yield Fault(path=below(place, "currency"), message=message)
    lines, payments = {line.id for line in order.lines}, {payment.id for payment in order.payments}
    for i, line in enumerate(source.get("lines", ())):
        if names.id(line["line_id"]) not in lines:
            yield Fault(
                path=below(place if told is not None else path, "lines", i, "line_id"),
                message=f"the order has no line {line['line_id']!r}",
            )
    for i, share in enumerate(source.get("shares", ())):
        if share.get("origin_id") is not None and names.id(share["origin_id"]) not in payments:
            path_of_share = below(place, "shares", i, "origin_id")
            yield Fault(path=path_of_share, message=f"the order has no payment {share['origin_id']!r}")


def _too_much(order: OrderFacts, breakdown: Breakdown, path: str) -> Iterator[Fault]:
    """Units that are taken already, and more money than is left: such a refund cannot have been made."""
    for i, refund in enumerate(breakdown.lines):
        line, place = order.line(refund.line_id), below(path, "lines", i)
        room = without(((0, line.units),), (*line.canceled, *line.claimed, *line.held))
        if count(without(refund.spans, room)):
            yield Fault(path=below(place, "spans"), message="names units that are taken already")
        if refund.amount > line.refundable:
            message = f"{refund.amount} is more than is left of the line, {line.refundable}"
            yield Fault(path=below(place, "amount"), message=message)
    for payment in order.payments:
        back = sum(share.amount for share in breakdown.shares if share.origin_id == payment.id)
        if back > payment.left:
            message = f"{back} is more than is left of a payment, {payment.left}"
            yield Fault(path=below(path, "shares"), message=message)


def elsewhere(
    order: OrderFacts, entry: Mapping[str, Any], names: Names
) -> tuple[OrderFacts, tuple[str, ...]]:
    """``order`` after a refund that was made without us, counted as the intake counts one, with its notes."""
    refund = IncomingRefund(
        external_id=entry.get("elsewhere", "elsewhere"),
        at=datetime.fromisoformat(entry["at"]) if "at" in entry else order.placed_at,
        amount=major(entry["amount"], order.currency),
        reason=entry.get("reason", ""),
        lines=tuple(
            IncomingRefundLine(
                line=line["line_id"],
                units=line["units"],
                amount=major(line["amount"], order.currency),
                tax=major(line.get("tax", 0), order.currency),
                canceled=line.get("canceled", False),
            )
            for line in entry.get("lines", ())
        ),
    )
    paid = with_refunds(paid_order(order, names), [refund])
    return _facts(order, paid), paid.notes


def _facts(order: OrderFacts, paid: PaidOrder) -> OrderFacts:
    lines: Sequence[LineFacts] = [
        replace(
            line,
            canceled=one.canceled,
            claimed=one.claimed,
            returned=one.returned,
            refunded=one.refunded,
            taxes=tuple(
                replace(tax, refunded=after.refunded)
                for tax, after in zip(line.taxes, one.taxes, strict=True)
            ),
        )
        for line, one in zip(order.lines, paid.lines, strict=True)
    ]
    payments = tuple(
        replace(payment, refunded=one.refunded)
        for payment, one in zip(order.payments, paid.payments, strict=True)
    )
    return replace(order, lines=tuple(lines), payments=payments)

"""An order file: read, completed by what it leaves out, and checked for what no schema can say."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal.core.bundle_prices import priced_out
from portal.core.facts import CHARGES, MERCHANDISE, LineFacts, OrderFacts, PaymentFacts, TaxFacts
from portal.core.intake import Special, mode_of
from portal.core.money import allocate, line_total
from portal.core.spans import Span, count, free, lowest, merge, without
from portal.quotes import schema
from portal.quotes.faults import BadInput, Fault, below
from portal.quotes.forms import Names, made
from portal.quotes.paid import paid_line

MERCHANT = UUID(int=0)
"""A file's order belongs to no merchant."""


def read(value: Any, names: Names, *, sent: bool = True) -> OrderFacts:
    """The order that the file states; ``sent`` is whether goods count as sent where it says nothing of that.

    Raises ``BadInput`` with every fault.
    """
    found = list(schema.faults("order", value)) or list(_twice(value))
    if found:
        raise BadInput(found)
    lines = [_line(value, i, names, found, sent) for i in range(len(value["lines"]))]
    if not found:
        lines = _unbundled(value, lines, names)
        lines = _spread(value.get("discount", 0), lines, found)
    if not found:
        order = _order(value, lines, names, found)
        found += _parts(order, value) if not found else ()
    if found:
        raise BadInput(found)
    return order


def _twice(value: Mapping[str, Any]) -> Iterator[Fault]:
    """Ids and labels that must be told apart and are not."""
    for key, name in (("lines", "id"), ("payments", "id")):
        yield from _repeated(value.get(key, ()), name, below("order", key))
    for i, line in enumerate(value["lines"]):
        yield from _repeated(line.get("taxes", ()), "label", below("order", "lines", i, "taxes"))


def _repeated(entries: Sequence[Mapping[str, Any]], key: str, path: str) -> Iterator[Fault]:
    seen: Counter[str] = Counter()
    for i, entry in enumerate(entries):
        seen[entry[key]] += 1
        if seen[entry[key]] == 2:
            yield Fault(path=below(path, i, key), message=f"{entry[key]!r} stands twice")


def _order(
    value: Mapping[str, Any], lines: Sequence[LineFacts], names: Names, faults: list[Fault]
) -> OrderFacts:
    head = {key: item for key, item in value.items() if key not in ("lines", "payments", "id")}
    number = value.get("number", value.get("id", ""))
    payments = _payments(value, lines, names)
    order: OrderFacts = _made(
        OrderFacts,
        head,
        names,
        "order",
        faults,
        id=names.id(value.get("id") or number or "order"),
        merchant_id=MERCHANT,
        number=number,
        lines=tuple(lines),
        payments=payments,
        differs=sum(one.captured for one in payments) - sum(line.paid for line in lines),
    )
    return order


def _made(
    shape: type, value: Mapping[str, Any], names: Names, path: str, faults: list[Fault], **given: Any
) -> Any:
    """As ``forms.made``; a text that is no moment after all becomes a fault."""
    try:
        return made(shape, value, names, **given)
    except ValueError as problem:
        faults.append(Fault(path=path, message=f"has a moment that is none ({problem})"))
        return None


def _line(order: Mapping[str, Any], i: int, names: Names, faults: list[Fault], sent: bool) -> Any:
    value, path = order["lines"][i], below("order", "lines", i)
    kind, units = value.get("kind", MERCHANDISE), value["units"]
    canceled = _positions(value.get("canceled", 0), ((0, units),), below(path, "canceled"), faults)
    held = _positions(value.get("held", 0), free(canceled, units), below(path, "held"), faults)
    room = free((*canceled, *held), units)
    claimed = _positions(value.get("claimed", 0), room, below(path, "claimed"), faults)
    returned = _positions(value.get("returned", count(claimed)), claimed, below(path, "returned"), faults)
    there = units - count(canceled) - count(held) if sent and kind == MERCHANDISE else 0
    shipped = value.get("shipped", there)
    given = {
        "goods": line_total(Decimal(value["unit_price"]), units, order["currency"]),
        "prices_include_tax": order.get("prices_include_tax", True),
        "number": i + 1,
        "sku": "",
        "name": value.get("sku") or value["id"],
        "shipped": shipped,
        "delivered": shipped,
    }
    told = {**given, **value}
    taken = {"canceled": canceled, "held": held, "claimed": claimed, "returned": returned}
    return _made(LineFacts, told, names, path, faults, **taken)


def _positions(
    told: int | Sequence[Sequence[int]], room: tuple[Span, ...], path: str, faults: list[Fault]
) -> tuple[Span, ...]:
    """Positions as told, or so many of the lowest in ``room``; all must lie in it, each once."""
    try:
        if isinstance(told, int):
            return lowest(room, told)
        spans = merge((first, end) for first, end in told)
        if any(first >= end for first, end in told) or without(spans, room):
            raise ValueError("positions that are not there, or are taken")
    except ValueError:
        units = told if isinstance(told, int) else [list(span) for span in told]
        faults.append(
            Fault(path=path, message=f"{units} does not fit; free are {[list(one) for one in room]}")
        )
        return ()
    return spans


def _unbundled(order: Mapping[str, Any], lines: list[LineFacts], names: Names) -> list[LineFacts]:
    """The price of a bundle on its parts where the file tells what those cost alone, as at intake."""
    if not any(line.get("list_price") for line in order["lines"]):
        return lines
    paid = []
    for told, line in zip(order["lines"], lines, strict=True):
        price = Decimal(told["list_price"]) if told.get("list_price") else None
        parent = names.text(line.parent_id) or ""
        paid.append(replace(paid_line(line, names), parent=parent, special=Special(list_price=price)))
    done = priced_out(paid, order["currency"], tax_inside=order.get("prices_include_tax", True))
    return [
        replace(
            line,
            unit_price=one.unit_price,
            goods=one.goods,
            discount=one.discount,
            taxes=tuple(
                TaxFacts(label=t.label, amount=t.amount, rate_ppm=t.rate_ppm, jurisdiction=t.jurisdiction)
                for t in one.taxes
            ),
        )
        if (one.goods, one.tax) != (line.goods, line.tax)
        else line
        for line, one in zip(lines, done.lines, strict=True)
    ]


def _spread(discount: int, lines: list[LineFacts], faults: list[Fault]) -> list[LineFacts]:
    """The order's discount over its goods, in proportion to value, by largest remainder (money.md 2)."""
    room = [line.goods - line.discount if line.kind not in CHARGES else 0 for line in lines]
    if discount > sum(max(0, one) for one in room):
        faults.append(Fault(path="order.discount", message=f"is more than the goods, {sum(room)}"))
        return lines
    if not discount:
        return lines
    parts = allocate(discount, [max(0, one) for one in room])
    return [replace(line, discount=line.discount + part) for line, part in zip(lines, parts, strict=True)]


def _payments(value: Mapping[str, Any], lines: Sequence[LineFacts], names: Names) -> tuple[PaymentFacts, ...]:
    """The tenders; without any told, one card payment of what the lines sum to."""
    if "payments" not in value:
        paid = sum(line.paid for line in lines)
        return (PaymentFacts(id=names.id("card"), tender="card", label="card", captured=max(0, paid)),)
    return tuple(
        made(PaymentFacts, {"label": one["tender"], "mode": mode_of(one["tender"]), **one}, names)
        for one in value["payments"]
    )


def _parts(order: OrderFacts, value: Mapping[str, Any]) -> Iterator[Fault]:
    """Amounts and counts that cannot be: more discount than price, more tax, more given back than paid."""
    lines = {line.id: line for line in order.lines}
    for i, line in enumerate(order.lines):
        path = below("order", "lines", i)
        if line.discount > line.goods:
            yield Fault(
                path=below(path, "discount"), message=f"{line.discount} is more than the goods, {line.goods}"
            )
        elif line.prices_include_tax and line.tax > line.paid:
            yield Fault(path=below(path, "taxes"), message=f"{line.tax} is more than the price, {line.paid}")
        for j, tax in enumerate(line.taxes):
            if tax.refunded > tax.amount:
                message = f"{tax.refunded} is more than was charged, {tax.amount}"
                yield Fault(path=below(path, "taxes", j, "refunded"), message=message)
        if line.refunded > max(0, line.paid):
            yield Fault(
                path=below(path, "refunded"), message=f"{line.refunded} is more than was paid, {line.paid}"
            )
        if line.shipped > line.units - count(line.canceled):
            message = (
                f"{line.shipped} is more than the {line.units - count(line.canceled)} that were not canceled"
            )
            yield Fault(path=below(path, "shipped"), message=message)
        yield from _of_cancellations(line, path)
        if line.delivered > line.shipped:
            yield Fault(
                path=below(path, "delivered"),
                message=f"{line.delivered} is more than the {line.shipped} shipped",
            )
        if line.parent_id is not None and (line.parent_id not in lines or line.parent_id == line.id):
            name = value["lines"][i]["parent_id"]
            yield Fault(path=below(path, "parent_id"), message=f"the order has no other line {name!r}")
    for i, payment in enumerate(order.payments):
        gone = payment.refunded + payment.disputed
        if gone > payment.captured:
            message = f"{gone} with what is disputed is more than it captured, {payment.captured}"
            yield Fault(path=below("order", "payments", i, "refunded"), message=message)
        if payment.released > payment.refunded:
            message = f"{payment.released} is more than went back altogether, {payment.refunded}"
            yield Fault(path=below("order", "payments", i, "released"), message=message)
    yield from _deals(order, value)


def _of_cancellations(line: LineFacts, path: str) -> Iterator[Fault]:
    """What is said of units that are still here, and of the days of a service."""
    here = line.units - count(line.canceled) - line.shipped
    if line.picked > max(0, here):
        message = f"{line.picked} is more than the {max(0, here)} that were neither sent nor canceled"
        yield Fault(path=below(path, "picked"), message=message)
    if (line.period_start is None) != (line.period_end is None):
        missing = "period_start" if line.period_start is None else "period_end"
        yield Fault(path=below(path, missing), message="a period has a first and a last day")
    elif line.period_start and line.period_end and line.period_end < line.period_start:
        yield Fault(path=below(path, "period_end"), message="is before the first day")


def _deals(order: OrderFacts, value: Mapping[str, Any]) -> Iterator[Fault]:
    """Lines that a promotion names and the order does not have, and more of a deal than a line's discount."""
    lines = {line.id: line for line in order.lines}
    for i, deal in enumerate(order.promotions):
        told, path = value["promotions"][i], below("order", "promotions", i)
        for key, named in (("shares", deal.shares), ("parts", deal.parts)):
            for (line_id, amount), text in zip(named, dict(told.get(key, ())), strict=True):
                if line_id not in lines:
                    yield Fault(path=below(path, key, text), message="the order has no such line")
                elif key == "shares" and amount > lines[line_id].discount:
                    message = f"{amount} is more than the line's discount, {lines[line_id].discount}"
                    yield Fault(path=below(path, key, text), message=message)
        for j, line_id in enumerate(deal.counts):
            if line_id not in lines:
                path_of_line = below(path, "counts", j)
                yield Fault(path=path_of_line, message=f"the order has no line {told['counts'][j]!r}")

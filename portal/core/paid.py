"""What was paid: an order of any channel in minor units, checked against what was captured."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from portal.core.bundle_prices import priced_out
from portal.core.facts import CHARGES, LINE_KINDS
from portal.core.intake import (
    INTERVALS,
    MAIN,
    MODES,
    ORDINARY,
    STATES,
    TENDERS,
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingTax,
    Special,
    label_of,
    mode_of,
    number_key,
    postcode_key,
)
from portal.core.logistics import LOGISTICS
from portal.core.money import Minor, allocate, exponent, major
from portal.core.records import PaidDiscount as PaidDiscount
from portal.core.records import PaidLine as PaidLine
from portal.core.records import PaidOrder as PaidOrder
from portal.core.records import PaidPayment as PaidPayment
from portal.core.records import PaidRefund as PaidRefund
from portal.core.records import PaidTax as PaidTax
from portal.core.records import RefundOfLine as RefundOfLine

ONE = Decimal(1)
MOST_UNITS = 2**31 - 1
MOST_MINOR = 10**15
"""Of one order: ten trillion in most currencies. What is beyond is a fault of the file."""


class _Reading:
    """The reasons against one order and the notes about it, gathered while it is read."""

    def __init__(self, currency: str) -> None:
        self.currency = currency
        self.reasons: list[str] = []
        self.notes: list[str] = []
        self.bundles: dict[str, tuple[tuple[str, Minor], ...]] = {}
        """Of each bundle that was priced out: its parts, and what they have of its discount."""
        self._scale = Decimal(1).scaleb(exponent(currency))

    def rounded(self, amount: Decimal) -> Minor:
        """``amount`` in minor units, half up: for what is rounded once, on the line."""
        return int((amount * self._scale).quantize(ONE, ROUND_HALF_UP))

    def exact(self, amount: Decimal, what: str) -> Minor:
        """``amount`` in minor units; a fraction of a cent in a total is rounded and noted."""
        scaled = amount * self._scale
        whole = scaled.quantize(Decimal(1), ROUND_HALF_UP)
        if whole != scaled:
            self.notes.append(f"{what}: {amount} has more decimals than {self.currency}; rounded")
        return int(whole)

    def text(self, amount: Minor) -> str:
        return f"{major(amount, self.currency)} {self.currency}"


def paid(order: IncomingOrder) -> PaidOrder | tuple[str, ...]:
    """The record of what was paid for ``order``, without its refunds (``with_refunds`` adds them).

    Otherwise every reason why it cannot be taken, for people.
    """
    currency = order.currency.upper()
    if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        return (f"the currency {order.currency!r} is no ISO 4217 code",)
    reading = _Reading(currency)
    _check_head(order, reading)
    lines: list[PaidLine] = []
    seen: set[str] = set()
    for number, line in enumerate(order.lines, 1):
        if line.external_id in seen:
            reading.reasons.append(f"line {line.external_id} stands twice in the order")
        seen.add(line.external_id)
        read = _line(line, number, order.prices_include_tax, reading)
        if read is not None:
            lines.append(read)
    if not reading.reasons and any(line.parent for line in lines):
        lines = _unbundled(lines, order.prices_include_tax, reading)
    if not reading.reasons and order.discount:
        lines = _spread(reading.exact(order.discount, "discount"), lines, order.prices_include_tax, reading)
    payments = [_payment(payment, sum(line.paid for line in lines), reading) for payment in order.payments]
    if max(sum(line.goods + line.tax for line in lines), sum(one.captured for one in payments)) > MOST_MINOR:
        reading.reasons.append("its amounts are too large")
    if reading.reasons:
        return tuple(dict.fromkeys(reading.reasons))
    return _record(order, currency, lines, payments, reading)


def _check_head(order: IncomingOrder, reading: _Reading) -> None:
    if not order.external_id:
        reading.reasons.append("it has no id")
    if len(order.external_id) > 100 or len(order.number) > 60:
        reading.reasons.append("its id or number is too long")
    if not order.lines:
        reading.reasons.append("it has no lines")
    if order.placed_at.tzinfo is None:
        reading.reasons.append("its date has no time zone")
    if order.state not in STATES:
        reading.reasons.append(f"its state {order.state!r} is unknown")


def _line(line: IncomingLine, number: int, tax_inside: bool, reading: _Reading) -> PaidLine | None:
    units = int(line.units)
    before = len(reading.reasons)
    if units != line.units:
        reading.reasons.append(f"line {line.external_id}: {line.units} units is not a whole number")
    elif not 0 <= units <= MOST_UNITS:
        reading.reasons.append(f"line {line.external_id}: {units} units cannot be")
    if line.unit_price < 0 or (line.goods is not None and line.goods < 0):
        reading.reasons.append(f"line {line.external_id}: its price is negative")
    if line.kind not in LINE_KINDS:
        reading.reasons.append(f"line {line.external_id}: its kind {line.kind!r} is unknown")
    if len(reading.reasons) > before:
        return None
    goods = reading.rounded(line.unit_price * units if line.goods is None else line.goods)
    discount = reading.exact(line.discount, f"line {line.external_id}") if line.discount else 0
    if not 0 <= discount <= goods:
        reading.reasons.append(
            f"line {line.external_id}: a discount of {line.discount} on {reading.text(goods)} cannot be"
        )
        return None
    taxes = _taxes(line.taxes, line.external_id, reading) if line.taxes else ()
    tax = sum(one.amount for one in taxes) if taxes else 0
    value = goods - discount
    if tax_inside and tax > value:
        reading.reasons.append(f"line {line.external_id}: more tax than price")
    if not 0 <= line.delivered <= line.shipped <= units:
        reading.notes.append(
            f"Line {line.external_id}: {line.shipped} of {units} shipped, {line.delivered} delivered; capped."
        )
    shipped = min(max(line.shipped, 0), units)
    return PaidLine(
        external_id=line.external_id,
        number=number,
        kind=line.kind,
        units=units,
        unit_price=line.unit_price,
        goods=goods,
        discount=discount,
        taxes=taxes,
        tax=tax,
        paid=value if tax_inside else value + tax,
        sku=line.sku[:100],
        name=line.name[:300],
        variant=line.variant[:200],
        category=line.category[:100],
        picture=line.picture[:300],
        weight_g=line.weight_g,
        final_sale=line.final_sale,
        parent=line.parent,
        shipped=shipped,
        delivered=min(max(line.delivered, 0), shipped),
        shipped_at=line.shipped_at,
        delivered_at=line.delivered_at,
        special=ORDINARY if line.special is ORDINARY else _special(line, units - shipped, reading),
    )


def _special(line: IncomingLine, unsent: int, reading: _Reading) -> Special:
    """What is told beside the line, checked; no more units are picked than were not sent."""
    told, name = line.special, f"line {line.external_id}"
    if unknown := [code for code in told.logistics if code not in LOGISTICS]:
        reading.reasons.append(f"{name}: unknown logistics, {', '.join(unknown)}")
    if told.interval and told.interval not in INTERVALS:
        reading.reasons.append(f"{name}: an interval of {told.interval!r} is unknown")
    if told.cut_off_at is not None and told.cut_off_at.tzinfo is None:
        reading.reasons.append(f"{name}: its cut-off has no time zone")
    if (told.period_start is None) != (told.period_end is None):
        reading.reasons.append(f"{name}: a period has a first and a last day")
    elif told.period_start and told.period_end and told.period_end < told.period_start:
        reading.reasons.append(f"{name}: its period ends before it starts")
    if told.list_price is not None and told.list_price < 0:
        reading.reasons.append(f"{name}: its list price is negative")
    picked = min(max(told.picked, 0), unsent)
    if picked != told.picked:
        reading.notes.append(
            f"Line {line.external_id}: {told.picked} of {unsent} unsent units picked; capped."
        )
    return replace(
        told,
        picked=picked,
        location=told.location.strip()[:60] or MAIN,
        logistics=tuple(dict.fromkeys(told.logistics)),
    )


def _taxes(taxes: tuple[IncomingTax, ...], line_id: str, reading: _Reading) -> tuple[PaidTax, ...]:
    """Per label: the same label twice on a line is one tax."""
    found: dict[str, PaidTax] = {}
    for tax in taxes:
        amount = reading.exact(tax.amount, f"line {line_id}, {tax.label}")
        if amount < 0:
            reading.reasons.append(f"line {line_id}: a negative tax, {tax.label}")
        label = tax.label[:100] or "tax"
        if label in found:
            found[label] = replace(found[label], amount=found[label].amount + amount)
            continue
        rate = None if tax.rate is None else int((tax.rate * 1_000_000).quantize(Decimal(1), ROUND_HALF_UP))
        found[label] = PaidTax(label=label, amount=amount, rate_ppm=rate, jurisdiction=tax.jurisdiction[:60])
    return tuple(found.values())


def _payment(payment: IncomingPayment, due: Minor, reading: _Reading) -> PaidPayment:
    captured = due
    if payment.captured is not None:
        captured = reading.exact(payment.captured, f"payment {payment.reference}")
    if captured < 0:
        reading.reasons.append(f"payment {payment.reference}: captured less than nothing")
    if payment.tender not in TENDERS:
        reading.reasons.append(f"payment {payment.reference}: the tender {payment.tender!r} is unknown")
    mode = payment.mode or mode_of(payment.tender)
    if mode not in MODES:
        reading.reasons.append(f"payment {payment.reference}: the mode {mode!r} is unknown")
    return PaidPayment(
        reference=payment.reference[:100],
        tender=payment.tender,
        captured=captured,
        label=label_of(payment.tender, payment.label)[:100],
        mode=mode,
        authorization=payment.authorization[:100],
    )


def _unbundled(lines: list[PaidLine], tax_inside: bool, reading: _Reading) -> list[PaidLine]:
    done = priced_out(lines, reading.currency, tax_inside=tax_inside)
    reading.notes.extend(done.notes)
    reading.bundles.update(done.discounts)
    return list(done.lines)


def _spread(discount: Minor, lines: list[PaidLine], tax_inside: bool, reading: _Reading) -> list[PaidLine]:
    """The order's discount over its goods, in proportion to value, by largest remainder (money.md 2)."""
    bearing = [i for i, line in enumerate(lines) if line.kind not in CHARGES and line.goods > line.discount]
    most = sum(lines[i].goods - lines[i].discount for i in bearing)
    if not 0 <= discount <= most:
        reading.reasons.append(
            f"a discount of {reading.text(discount)} on goods of {reading.text(most)} cannot be"
        )
        return lines
    parts = allocate(discount, [lines[i].goods - lines[i].discount for i in bearing]) if bearing else []
    spread = list(lines)
    for i, part in zip(bearing, parts, strict=True):
        line = lines[i]
        spread[i] = replace(line, discount=line.discount + part, paid=line.paid - part)
        if tax_inside and spread[i].tax > spread[i].paid:
            reading.reasons.append(f"line {line.external_id}: more tax than price after the discount")
    return spread


def _discounts(order: IncomingOrder, lines: list[PaidLine], reading: _Reading) -> Iterator[PaidDiscount]:
    """What is told of each code, kept within the discounts of the lines."""
    left = {line.external_id: line.discount for line in lines}
    for told in order.discounts:
        asked: Mapping[str, Minor] = (
            left
            if told.shares is None
            else {line: reading.rounded(amount) for line, amount in told.shares.items()}
        )
        asked = _of_parts(asked, reading)
        shares = [(line, min(amount, left.get(line, 0))) for line, amount in asked.items()]
        left.update((line, left[line] - amount) for line, amount in shares if amount > 0)
        kept = tuple((line, amount) for line, amount in shares if amount > 0)
        if kept:
            yield PaidDiscount(code=told.code[:100], shares=kept)


def _of_parts(asked: Mapping[str, Minor], reading: _Reading) -> Mapping[str, Minor]:
    """What is told of a bundle that was priced out is told of its parts."""
    for bundle, parts in reading.bundles.items():
        if asked.get(bundle) and any(discount for _, discount in parts):
            shares = allocate(asked[bundle], [discount for _, discount in parts])
            more = {part: share for (part, _), share in zip(parts, shares, strict=True)}
            asked = {**asked, bundle: 0} | {part: asked.get(part, 0) + share for part, share in more.items()}
    return asked


def _record(
    order: IncomingOrder, currency: str, lines: list[PaidLine], payments: list[PaidPayment], reading: _Reading
) -> PaidOrder:
    captured = [payment for payment in payments if payment.captured]
    differs = sum(payment.captured for payment in captured) - sum(line.paid for line in lines)
    notes = [*order.notes, *reading.notes]
    if differs:
        notes.append(
            f"Captured {reading.text(sum(p.captured for p in captured))}, "
            f"but the lines sum to {reading.text(sum(line.paid for line in lines))}."
        )
    total = None if order.total is None else reading.exact(order.total, "total")
    tendered = sum(payment.captured for payment in captured if payment.tender != "gift_card")
    if total is not None and captured and total not in (tendered, tendered + _gift_cards(captured)):
        notes.append(f"The shop's total is {reading.text(total)}.")
    return PaidOrder(
        external_id=order.external_id,
        number=order.number,
        number_key=number_key(order.number),
        currency=currency,
        placed_at=order.placed_at,
        state=order.state,
        prices_include_tax=order.prices_include_tax,
        lines=tuple(lines),
        payments=tuple(captured),
        customer_ref=order.customer_ref[:100],
        email=order.email.strip().lower()[:254],
        name=order.name.strip()[:200],
        phone=order.phone.strip()[:40],
        language=order.language[:10],
        country=order.country.upper()[:2],
        postcode=postcode_key(order.postcode)[:20],
        address=order.address,
        discounts=tuple(_discounts(order, lines, reading)),
        differs=differs,
        notes=tuple(notes),
        digest=order.digest,
    )


def _gift_cards(payments: Iterable[PaidPayment]) -> Minor:
    return sum(payment.captured for payment in payments if payment.tender == "gift_card")

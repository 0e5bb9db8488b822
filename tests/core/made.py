"""Facts for the core's tests, made from what matters to the test; ids are small numbers."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal.core.facts import LineFacts, OrderFacts, PaymentFacts, ReturnRequest, TaxFacts, Wanted
from portal.core.money import major
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Breakdown, from_json, to_json
from portal.core.refunds.engine import quote
from portal.core.spans import count

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
DELIVERED = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


def a_line(number: int = 1, **given: Any) -> LineFacts:
    """A line of merchandise, shipped and delivered whole: 10.00 a unit unless said otherwise."""
    given.setdefault("units", 1)
    given.setdefault("goods", 1000 * given["units"])
    given.setdefault("unit_price", major(given["goods"], "EUR") / given["units"])
    given.setdefault("shipped", given["units"])
    given.setdefault("delivered", given["shipped"])
    given.setdefault("delivered_at", DELIVERED if given["shipped"] else None)
    taxes = given.pop("tax", {})
    if taxes:
        given["taxes"] = tuple(TaxFacts(label=label, amount=amount) for label, amount in taxes.items())
    return LineFacts(id=UUID(int=number), number=number, sku=f"SKU-{number}", name=f"Thing {number}", **given)


def shipping(goods: int, number: int = 90, **given: Any) -> LineFacts:
    """A shipping charge."""
    return a_line(number, kind="shipping", goods=goods, unit_price=Decimal(goods), shipped=0, **given)


def a_payment(captured: int, number: int = 70, tender: str = "card", **given: Any) -> PaymentFacts:
    return PaymentFacts(id=UUID(int=number), tender=tender, label=tender, captured=captured, **given)


def an_order(*lines: LineFacts, payments: tuple[PaymentFacts, ...] | None = None, **given: Any) -> OrderFacts:
    """An order of these lines, paid by one card unless said otherwise."""
    if payments is None:
        payments = (
            a_payment(sum(line.paid for line in lines), refunded=sum(line.refunded for line in lines)),
        )
    return OrderFacts(
        id=UUID(int=1000),
        merchant_id=UUID(int=2000),
        number="1001",
        currency=given.pop("currency", "EUR"),
        placed_at=datetime(2026, 3, 5, 12, 0, tzinfo=UTC),
        lines=lines,
        payments=payments,
        **given,
    )


def want(number: int = 1, units: int = 1, **given: Any) -> Wanted:
    given.setdefault("reason", "changed_mind")
    return Wanted(line_id=UUID(int=number), units=units, **given)


def a_request(*wanted: Wanted, **given: Any) -> ReturnRequest:
    return ReturnRequest(wanted=wanted, requested_at=given.pop("requested_at", NOW), **given)


def quoted(order: OrderFacts, *wanted: Wanted, terms: Terms | None = None, **given: Any) -> Breakdown:
    """The refund, after checking what must hold of every refund."""
    breakdown = quote(order, a_request(*wanted, **given), terms or Terms(), now=NOW)
    check(breakdown, order)
    return breakdown


def check(breakdown: Breakdown, order: OrderFacts) -> None:
    """Sums, signs and caps that hold of every refund."""
    assert breakdown.amount >= 0
    assert sum(share.amount for share in breakdown.shares) == breakdown.amount
    assert sum(line.amount for line in breakdown.lines) == breakdown.owed
    assert breakdown.owed + breakdown.added == breakdown.amount
    assert from_json(to_json(breakdown)) == breakdown
    for line in breakdown.lines:
        bought = order.line(line.line_id)
        assert 0 <= line.amount <= bought.refundable
        assert 0 <= line.tax <= line.amount
        assert line.withheld >= 0
        for label, tax in line.taxes:
            charged = sum(entry.amount - entry.refunded for entry in bought.taxes if entry.label == label)
            assert 0 < tax <= charged
    for payment in order.payments:
        back = sum(share.amount for share in breakdown.shares if share.origin_id == payment.id)
        assert 0 <= back <= payment.left
    assert breakdown.owed <= max(0, order.captured - order.refunded)
    if not any(line.withheld for line in breakdown.lines):
        on_top = sum(row.amount for row in breakdown.rows if row.code in ("item_tax", "shipping_tax"))
        assert on_top + sum(row.tax for row in breakdown.rows) == breakdown.tax
    assert breakdown.clamped == -sum(
        row.amount for row in breakdown.rows if row.code == "previously_refunded"
    )


def after(order: OrderFacts, breakdown: Breakdown) -> OrderFacts:
    """The order once that refund is made: units taken, amounts and taxes given back."""
    done = {line.line_id: line for line in breakdown.lines}
    lines = []
    for line in order.lines:
        refund = done.get(line.id)
        if refund is None:
            lines.append(line)
            continue
        given = dict(refund.taxes)
        lines.append(
            replace(
                line,
                claimed=(*line.claimed, *refund.spans),
                returned=(*line.returned, *refund.spans),
                refunded=line.refunded + refund.amount,
                taxes=tuple(
                    replace(entry, refunded=entry.refunded + given.get(entry.label, 0))
                    for entry in line.taxes
                ),
            )
        )
    payments = tuple(
        replace(
            payment,
            refunded=payment.refunded
            + sum(share.amount for share in breakdown.shares if share.origin_id == payment.id),
        )
        for payment in order.payments
    )
    return replace(order, lines=tuple(lines), payments=payments)


def amounts(breakdown: Breakdown) -> dict[str, int]:
    """Code -> sum of its rows."""
    found: dict[str, int] = {}
    for row in breakdown.rows:
        found[row.code] = found.get(row.code, 0) + row.amount
    return found


def units_of(breakdown: Breakdown) -> int:
    return sum(count(line.spans) for line in breakdown.lines)

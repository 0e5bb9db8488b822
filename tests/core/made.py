"""Facts for the core's tests, made from what matters to the test; ids are small numbers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from portal.core.facts import LineFacts, OrderFacts, PaymentFacts, ReturnRequest, TaxFacts, Wanted
from portal.core.money import major
from portal.core.policy.terms import Terms
from portal.core.refunds.adjustments import per_unit
from portal.core.refunds.after import after as after
from portal.core.refunds.breakdown import CODES, RULES, Breakdown, LineRefund, from_json, to_json
from portal.core.refunds.engine import quote
from portal.core.refunds.values import paid_for
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
    assert breakdown.owed + breakdown.added - breakdown.exchanged == breakdown.amount
    assert from_json(to_json(breakdown)) == breakdown
    assert {row.code for row in breakdown.rows} <= set(CODES)
    assert {row.rule for row in breakdown.rows} <= set(RULES)
    for line in breakdown.lines:
        check_line(line, order.line(line.line_id))
    for payment in order.payments:
        back = sum(share.amount for share in breakdown.shares if share.origin_id == payment.id)
        assert 0 <= back <= payment.left
    assert breakdown.owed <= max(0, order.captured - order.refunded - order.disputed)
    if not any(line.withheld for line in breakdown.lines):
        on_top = sum(row.amount for row in breakdown.rows if row.code in ("item_tax", "shipping_tax"))
        assert on_top + sum(row.tax for row in breakdown.rows) == breakdown.tax
    capped = [row for row in breakdown.rows if row.code == "previously_refunded" and row.rule != "adjusted"]
    assert breakdown.clamped == -sum(row.amount for row in capped)


def check_line(line: LineRefund, bought: LineFacts) -> None:
    """Never above what the line, its units and its tax labels have left; nothing negative."""
    assert 0 <= line.amount <= bought.refundable
    assert 0 <= line.tax <= line.amount
    assert line.withheld >= 0
    assert bought.promotion_withheld + line.promotion >= 0
    for label, tax in line.taxes:
        charged = sum(entry.amount - entry.refunded for entry in bought.taxes if entry.label == label)
        assert 0 < tax <= charged
    held = per_unit(bought.adjusted)
    for unit, amount in per_unit(line.adjusted).items():
        price, _ = paid_for(bought, ((unit, unit + 1),))
        assert 0 < amount <= price - held.get(unit, 0)


def amounts(breakdown: Breakdown) -> dict[str, int]:
    """Code -> sum of its rows."""
    found: dict[str, int] = {}
    for row in breakdown.rows:
        found[row.code] = found.get(row.code, 0) + row.amount
    return found


def units_of(breakdown: Breakdown) -> int:
    return sum(count(line.spans) for line in breakdown.lines)

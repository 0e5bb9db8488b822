"""W9: an order of 1,000 lines quoted, beside the plain integer divisions that no engine can do without."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from bench.tables import Result
from portal.core.facts import LineFacts, OrderFacts, PaymentFacts, Promotion, ReturnRequest, TaxFacts, Wanted
from portal.core.policy.terms import Depreciation, FeeTier, RestockingFee, Terms
from portal.core.promotions import PromotionStep
from portal.core.refunds.breakdown import from_json, to_json
from portal.core.refunds.engine import quote

LINES, UNITS, BACK = 1000, 3, 2
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
PLAIN = Terms(refund_shipping="proportion")
EVERYTHING = Terms(
    refund_shipping="proportion",
    refund_duties="proportion",
    promotions="re_evaluate",
    restocking_fee=RestockingFee(tiers=(FeeTier(up_to_days=7), FeeTier(percent_bp=1000))),
    condition_deductions_bp=(("used", 2000),),
    accessory_deductions=(("cable", 100),),
    depreciation=(Depreciation(over=730), Depreciation(by="use", steps=((10, 500), (50, 2000)))),
    return_postage="customer",
)


def w9(*, repeats: int = 7) -> Result:
    """Milliseconds per line of the engine, and how many times as long as the divisions alone."""
    order = an_order()
    ground = _median(lambda: divisions(order), repeats)
    cases: tuple[tuple[str, Callable[[], object]], ...] = (
        ("2 of 3 units of every line", lambda: quote(order, a_request(), PLAIN, now=NOW)),
        (
            "the same with every rule",
            lambda: quote(with_a_deal(order), a_request(condition="used", used=20), EVERYTHING, now=NOW),
        ),
        (
            "1 unit of one line",
            lambda: quote(order, replace(a_request(), wanted=a_request().wanted[:1]), PLAIN, now=NOW),
        ),
        ("its breakdown as JSON and back", _stored(order)),
    )
    rows: list[tuple[object, ...]] = [("a loop of integer divisions", ground * 1000, ground, 1.0)]
    for name, work in cases:
        seconds = _median(work, repeats)
        rows.append((name, seconds * 1000, seconds * 1000 / LINES, seconds / ground))
    rows[0] = (rows[0][0], ground * 1000, ground * 1000 / LINES, 1.0)
    return Result(
        name="W9",
        title=f"an order of {LINES:,} lines of {UNITS} units quoted",
        columns=("what", "ms", "ms per line", "times the divisions"),
        rows=[(name, f"{ms:.2f}", f"{each:.4f}", f"{times:.1f}") for name, ms, each, times in rows],
    )


def divisions(order: OrderFacts) -> int:
    """What was paid for the units and the tax in it, as running totals and nothing else: 8 divisions a line."""
    total = 0
    for line in order.lines:
        for amount in (line.goods, line.discount, line.goods - line.discount, line.taxes[0].amount):
            total += (2 * amount * BACK + UNITS) // (2 * UNITS) - (2 * amount * 0 + UNITS) // (2 * UNITS)
    return total


def an_order() -> OrderFacts:
    """1,000 lines with a discount and a tax each, shipping and a duty, paid by card and gift card."""
    bought = [a_line(n) for n in range(1, LINES + 1)]
    charges = [
        replace(a_line(LINES + n), kind=kind, units=1, shipped=0)
        for n, kind in ((1, "shipping"), (2, "duty"))
    ]
    paid = sum(line.paid for line in (*bought, *charges))
    payments = tuple(
        PaymentFacts(id=UUID(int=n), tender=tender, label=tender, captured=part)
        for n, (tender, part) in enumerate((("card", paid - 5000), ("gift_card", 5000)), 1)
    )
    return OrderFacts(
        id=UUID(int=1),
        merchant_id=UUID(int=2),
        number="1001",
        currency="EUR",
        placed_at=NOW,
        lines=(*bought, *charges),
        payments=payments,
    )


def a_line(number: int) -> LineFacts:
    return LineFacts(
        id=UUID(int=number),
        number=number,
        sku=f"SKU-{number}",
        name=f"Sample item {number}",
        units=UNITS,
        unit_price=Decimal("9.33"),
        goods=2799,
        discount=100,
        taxes=(TaxFacts(label="VAT", amount=431),),
        shipped=UNITS,
        delivered=UNITS,
        delivered_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def with_a_deal(order: OrderFacts) -> OrderFacts:
    deal = Promotion(
        code="spring",
        kind="spend",
        shares=tuple((line.id, 100) for line in order.items),
        steps=(PromotionStep(reach=1_500_000, percent_bp=357),),
    )
    return replace(order, promotions=(deal,))


def a_request(**given: object) -> ReturnRequest:
    wanted = tuple(
        Wanted(line_id=UUID(int=n), units=BACK, reason="changed_mind", **given)  # type: ignore[arg-type]
        for n in range(1, LINES + 1)
    )
    return ReturnRequest(wanted=wanted, requested_at=NOW, postage=490)


def _stored(order: OrderFacts) -> Callable[[], object]:
    breakdown = quote(order, a_request(), PLAIN, now=NOW)
    return lambda: from_json(to_json(breakdown))


def _median(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)

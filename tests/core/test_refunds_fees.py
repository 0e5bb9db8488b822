from datetime import timedelta

import pytest

from portal.core.policy.terms import Depreciation, RestockingFee, Terms
from portal.core.refunds.engine import quote
from tests.core.made import DELIVERED, a_line, a_request, amounts, an_order, quoted, want


@pytest.mark.parametrize(
    ("reason", "condition", "grade", "deducted"),
    [
        ("changed_mind", "unopened", None, 0),
        ("changed_mind", "used", None, 200),
        ("changed_mind", "used", "C", 400),
        ("changed_mind", "used", "A", 0),
        ("defective", "damaged", None, 0),
        ("arrived_damaged", "damaged", "D", 0),
        (None, "damaged", None, 500),
    ],
)
def test_the_inspected_grade_replaces_what_was_declared_and_fault_deducts_nothing(
    reason: str | None, condition: str, grade: str | None, deducted: int
) -> None:
    terms = Terms(condition_deductions_bp=(("used", 2000), ("damaged", 5000), ("C", 4000), ("D", 9000)))
    breakdown = quoted(an_order(a_line()), want(reason=reason, condition=condition, grade=grade), terms=terms)
    assert breakdown.amount == 1000 - deducted


@pytest.mark.parametrize(
    ("fee", "reason", "charged"),
    [
        (RestockingFee(percent_bp=1500), "changed_mind", 300),
        (RestockingFee(fixed=250), "changed_mind", 250),
        (RestockingFee(fixed=250, per_unit=True), "changed_mind", 500),
        (RestockingFee(percent_bp=1500), "defective", 0),
        (RestockingFee(fixed=250), "arrived_damaged", 0),
        (RestockingFee(percent_bp=1500, waived_reasons=("too_small",)), "too_small", 0),
        (RestockingFee(percent_bp=1500, waived_faults=()), "defective", 300),
    ],
)
def test_restocking_by_percent_or_fixed_waived_by_reason_and_fault(
    fee: RestockingFee, reason: str, charged: int
) -> None:
    breakdown = quoted(
        an_order(a_line(units=2)), want(units=2, reason=reason), terms=Terms(restocking_fee=fee)
    )
    assert amounts(breakdown).get("restocking_fee", 0) == -charged


def test_a_fixed_fee_per_return_is_taken_once_and_only_from_lines_it_is_due_for() -> None:
    order = an_order(a_line(1), a_line(2), a_line(3))
    terms = Terms(restocking_fee=RestockingFee(fixed=301))
    breakdown = quoted(order, want(1), want(2, reason="defective"), want(3), terms=terms)
    assert [line.withheld for line in breakdown.lines] == [151, 0, 150]


def test_a_percentage_is_of_the_price_as_it_was_shown() -> None:
    terms = Terms(restocking_fee=RestockingFee(percent_bp=1000))
    line = a_line(goods=10_000, tax={"Sales tax": 800}, prices_include_tax=False)
    assert quoted(an_order(line), want(), terms=terms).amount == 10_800 - 1000
    line = a_line(goods=10_800, tax={"VAT": 800})
    assert quoted(an_order(line), want(), terms=terms).amount == 10_800 - 1080


def test_the_tax_of_a_refund_stays_whole_until_fees_leave_nothing_else() -> None:
    line = a_line(goods=1200, tax={"VAT": 200})
    some = Terms(restocking_fee=RestockingFee(fixed=500))
    most = Terms(restocking_fee=RestockingFee(fixed=1100))
    assert quoted(an_order(line), want(), terms=some).lines[0].taxes == (("VAT", 200),)
    assert quoted(an_order(line), want(), terms=most).lines[0].taxes == (("VAT", 100),)


@pytest.mark.parametrize(
    ("paid_by", "reasons", "deducted"),
    [
        ("merchant", ["changed_mind"], 0),
        ("customer", ["defective"], 400),
        ("customer_remorse", ["changed_mind"], 400),
        ("customer_remorse", ["too_small", "changed_mind"], 400),
        ("customer_remorse", ["changed_mind", "defective"], 0),
    ],
)
def test_who_pays_the_way_home(paid_by: str, reasons: list[str], deducted: int) -> None:
    order = an_order(*(a_line(n) for n, _ in enumerate(reasons, 1)))
    wishes = [want(n, reason=reason) for n, reason in enumerate(reasons, 1)]
    breakdown = quoted(order, *wishes, terms=Terms(return_postage=paid_by), postage=400)
    assert amounts(breakdown).get("return_shipping_fee", 0) == -deducted


@pytest.mark.parametrize(("age", "deducted"), [(10, 0), (30, 0), (130, 500), (230, 1000), (900, 1000)])
def test_a_used_unit_loses_its_value_evenly_after_the_free_days(age: int, deducted: int) -> None:
    terms = Terms(depreciation=(Depreciation(over=200, free=30),))
    asked = DELIVERED + timedelta(days=age)
    request = a_request(want(condition="used"), requested_at=asked)
    order = an_order(a_line())
    assert quote(order, request, terms, now=asked).amount == 1000 - deducted
    assert quote(order, request, terms, now=asked + timedelta(days=50)).amount == 1000 - deducted
    unused = a_request(want(condition="unopened"), requested_at=asked)
    assert quote(order, unused, terms, now=asked).amount == 1000


def test_condition_and_use_do_not_take_the_same_value_twice() -> None:
    terms = Terms(condition_deductions_bp=(("used", 6000),), depreciation=(Depreciation(over=20),))
    breakdown = quoted(an_order(a_line()), want(condition="used"), terms=terms)
    assert [(row.rule, row.amount) for row in breakdown.rows[1:]] == [("condition_deductions", -600)]


def test_missing_accessories_are_deducted_unless_they_are_what_was_missing() -> None:
    terms = Terms(accessory_deductions=(("cable", 150), ("manual", 50)))
    order = an_order(a_line())
    assert quoted(order, want(missing_accessories=("cable", "manual")), terms=terms).amount == 800
    faulty = want(reason="missing_parts", missing_accessories=("cable",))
    assert quoted(order, faulty, terms=terms).amount == 1000

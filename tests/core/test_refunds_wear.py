"""Rule 7: what goods lost by age and use, evenly or by a table, and services by what was done of them."""

from datetime import timedelta

import pytest

from portal.core.policy.terms import Depreciation, FeeTier, RestockingFee, Terms
from portal.core.refunds.breakdown import Negative
from portal.core.refunds.engine import quote
from tests.core.made import DELIVERED, a_line, a_request, amounts, an_order, quoted, want

BY_USE = Depreciation(by="use", over=1000, free=100)
TABLE = Depreciation(steps=((30, 1000), (90, 2500), (365, 6000)))


@pytest.mark.parametrize(
    ("used", "lost"), [(None, 0), (0, 0), (100, 0), (350, 2500), (1100, 10_000), (9999, 10_000)]
)
def test_rule_7_goods_lose_their_value_evenly_by_use(used: int | None, lost: int) -> None:
    order = an_order(a_line(goods=10_000))
    assert quoted(order, want(used=used), terms=Terms(depreciation=(BY_USE,))).amount == 10_000 - lost


@pytest.mark.parametrize(
    ("days", "lost"), [(29, 0), (30, 1000), (89, 1000), (90, 2500), (364, 2500), (365, 6000), (2000, 6000)]
)
def test_rule_7_goods_lose_their_value_by_a_table_of_age(days: int, lost: int) -> None:
    asked = DELIVERED + timedelta(days=days)
    request = a_request(want(condition="used"), requested_at=asked)
    terms = Terms(depreciation=(TABLE,))
    assert quote(an_order(a_line(goods=10_000)), request, terms, now=asked).amount == 10_000 - lost


def test_rule_7_a_table_of_use() -> None:
    terms = Terms(depreciation=(Depreciation(by="use", steps=((10, 500), (50, 2000))),))
    order = an_order(a_line(goods=10_000))
    assert [quoted(order, want(used=n), terms=terms).amount for n in (9, 10, 50)] == [10_000, 9500, 8000]


def test_rule_7_the_record_of_the_category_comes_before_the_general_one() -> None:
    terms = Terms(depreciation=(Depreciation(over=10), Depreciation(over=100, category="Bikes")))
    bike, lamp = a_line(1, category="Bikes"), a_line(2, category="Lamps")
    breakdown = quoted(
        an_order(bike, lamp), want(1, condition="used"), want(2, condition="used"), terms=terms
    )
    assert [line.withheld for line in breakdown.lines] == [100, 1000]


def test_rule_7_never_more_than_the_most_a_record_allows() -> None:
    terms = Terms(depreciation=(Depreciation(over=10, most_bp=3000),))
    breakdown = quoted(an_order(a_line()), want(condition="used"), terms=terms)
    assert breakdown.amount == 700
    assert breakdown.rows[-1].basis == {"days": 10, "of_days": 10, "of": 1000, "most_bp": 3000}


def test_rule_7_unworn_goods_age_only_where_the_terms_say_so() -> None:
    order = an_order(a_line())
    worn, any_ = Depreciation(over=20), Depreciation(over=20, only_worn=False)
    assert quoted(order, want(condition="unopened"), terms=Terms(depreciation=(worn,))).amount == 1000
    assert quoted(order, want(condition="unopened"), terms=Terms(depreciation=(any_,))).amount == 500


def test_rule_7_of_age_and_use_the_dearer_counts_and_fault_takes_nothing() -> None:
    terms = Terms(depreciation=(Depreciation(over=20), Depreciation(by="use", over=10)))
    order = an_order(a_line())
    assert quoted(order, want(condition="used", used=8), terms=terms).amount == 200
    assert quoted(order, want(condition="used", used=2), terms=terms).amount == 500
    assert quoted(order, want(condition="used", used=8, reason="defective"), terms=terms).amount == 1000


def test_rule_7_a_waived_rule_leaves_room_for_the_next_dearest() -> None:
    terms = Terms(depreciation=(Depreciation(over=20),), condition_deductions_bp=(("used", 1000),))
    order = an_order(a_line())
    assert quoted(order, want(condition="used"), terms=terms).amount == 500
    assert quoted(order, want(condition="used"), terms=terms, waived=("depreciation",)).amount == 900


TIERS = RestockingFee(
    tiers=(
        FeeTier(conditions=("unopened",)),
        FeeTier(up_to_days=14, percent_bp=1000),
        FeeTier(up_to_days=30, percent_bp=2000, fixed=50),
    )
)


@pytest.mark.parametrize(
    ("days", "condition", "fee"),
    [(3, "unopened", 0), (14, "used", 100), (15, "used", 250), (30, None, 250), (31, "used", 0)],
)
def test_rule_7_restocking_by_tiers_of_days_and_condition(days: int, condition: str | None, fee: int) -> None:
    asked = DELIVERED + timedelta(days=days)
    request = a_request(want(condition=condition), requested_at=asked)
    breakdown = quote(an_order(a_line()), request, Terms(restocking_fee=TIERS), now=asked)
    assert amounts(breakdown).get("restocking_fee", 0) == -fee


def test_rule_7_tiers_take_the_place_of_the_amounts_beside_them() -> None:
    fee = RestockingFee(percent_bp=5000, fixed=300, tiers=(FeeTier(percent_bp=1000, conditions=("C",)),))
    assert quoted(an_order(a_line()), want(), terms=Terms(restocking_fee=fee)).amount == 1000
    breakdown = quoted(an_order(a_line()), want(grade="C"), terms=Terms(restocking_fee=fee))
    assert breakdown.rows[-1].basis == {"percent_bp": 1000, "of": 1000, "grade": "C"}


def test_rule_7_of_fixed_tiers_per_return_the_dearest_is_taken_once() -> None:
    fee = RestockingFee(tiers=(FeeTier(fixed=100, conditions=("A",)), FeeTier(fixed=300)))
    order = an_order(a_line(1), a_line(2), a_line(3))
    breakdown = quoted(order, want(1, grade="A"), want(2), want(3), terms=Terms(restocking_fee=fee))
    assert amounts(breakdown)["restocking_fee"] == -300


def test_rule_7_fixed_tiers_per_unit() -> None:
    fee = RestockingFee(per_unit=True, tiers=(FeeTier(fixed=100),))
    assert quoted(an_order(a_line(units=3)), want(units=3), terms=Terms(restocking_fee=fee)).amount == 2700


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ("restocking_fee", {"condition_deduction", "missing_accessory_deduction", "return_shipping_fee"}),
        ("return_postage", {"condition_deduction", "missing_accessory_deduction", "restocking_fee"}),
        ("condition_deductions", {"missing_accessory_deduction", "restocking_fee", "return_shipping_fee"}),
        ("accessory_deductions", {"condition_deduction", "restocking_fee", "return_shipping_fee"}),
    ],
)
def test_rule_7_a_person_waives_a_rule_and_no_other(rule: str, left: set[str]) -> None:
    terms = Terms(
        restocking_fee=RestockingFee(percent_bp=1000, fixed=20),
        condition_deductions_bp=(("used", 2000),),
        accessory_deductions=(("cable", 150),),
        return_postage="customer",
    )
    wish = want(condition="used", missing_accessories=("cable",))
    breakdown = quoted(an_order(a_line(goods=10_000)), wish, terms=terms, postage=400, waived=(rule,))
    assert {row.code for row in breakdown.rows if row.amount < 0} == left


def test_rule_7_a_service_gives_back_what_was_not_done_of_it() -> None:
    lessons = a_line(goods=12_000, kind="service", tax={"VAT": 2000})
    breakdown = quoted(an_order(lessons), want(scope_used=(3, 10)), kind="withdrawal")
    assert (breakdown.amount, breakdown.tax) == (8400, 1400)
    assert (breakdown.rows[-1].code, breakdown.rows[-1].rule) == ("condition_deduction", "scope_used")
    assert breakdown.lines[0].withheld == 0
    assert quoted(an_order(lessons), want(scope_used=(0, 10))).amount == 12_000
    assert quoted(an_order(lessons), want(scope_used=(12, 10))).amount == 0
    assert quoted(an_order(lessons), want(scope_used=(0, 0))).amount == 0


def test_rule_7_a_cancellation_takes_no_fee_and_no_deduction() -> None:
    terms = Terms(
        restocking_fee=RestockingFee(percent_bp=1000, fixed=20),
        condition_deductions_bp=(("used", 2000),),
        return_postage="customer",
        depreciation=(Depreciation(over=1),),
    )
    for kind in ("partial_cancellation", "cancellation"):
        breakdown = quoted(an_order(a_line()), want(condition="used"), terms=terms, kind=kind, postage=400)
        assert (breakdown.amount, len(breakdown.rows)) == (1000, 1)


@pytest.mark.parametrize("wish", [want(used=-1), want(scope_used=(-1, 3)), want(scope_used=(1, -3))])
def test_rule_12_negative_use_is_refused(wish) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Negative):
        quoted(an_order(a_line()), wish)

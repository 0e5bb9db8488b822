"""T12: two and four of six are six, to the last unit of the currency, however tax and discount do not divide."""

from __future__ import annotations

from itertools import permutations

import pytest

from portal.core.refunds.breakdown import TooMuch
from portal.core.refunds.engine import check_claims
from tests.core.made import a_line, a_payment, after, an_order, quoted, shipping, want

CASES = {
    # currency, goods of six units, discount of the order on them, tax per label, tax inside the prices
    "JPY inside": ("JPY", 1000, 0, {"消費税 10 %": 91}, True),
    "JPY on top": ("JPY", 1000, 7, {"消費税 8 %": 79, "Local": 1}, False),
    "KWD inside": ("KWD", 12_345, 100, {"VAT": 2057}, True),
    "KWD on top": ("KWD", 12_345, 0, {"VAT": 617}, False),
    "USD inside": ("USD", 2798, 1, {"State": 233}, True),
    "USD on top": ("USD", 2798, 279, {"State": 157, "County": 31, "City": 1}, False),
    "12.345 % of 9.99": ("USD", 999, 0, {"Odd": 123}, False),
    "one cent for six": ("USD", 1, 0, {"State": 0}, True),
}
SPLITS = sorted({parts for whole in ((2, 4), (1, 2, 3), (1, 5), (6,)) for parts in permutations(whole)})


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("parts", SPLITS, ids=lambda parts: "+".join(map(str, parts)))
def test_any_parts_of_six_units_give_back_exactly_what_was_paid(case: str, parts: tuple[int, ...]) -> None:
    currency, goods, discount, tax, inside = CASES[case]
    line = a_line(units=6, goods=goods, discount=discount, tax=tax, prices_include_tax=inside)
    paid = goods - discount + (0 if inside else sum(tax.values()))
    order = an_order(line, shipping(50), payments=(a_payment(paid + 50),), currency=currency)
    given = []
    for units in parts:
        breakdown = quoted(order, want(units=units))
        assert breakdown.amount == sum(row.amount for row in breakdown.rows)
        given.append(sum(line.amount for line in breakdown.lines))
        order = after(order, breakdown)
    assert all(amount >= 0 for amount in given)
    assert sum(given) == paid + 50, (
        "with the shipping of what is back whole; neither a unit more nor one less, and the last part is not refused"
    )
    first = order.lines[0]
    assert first.refundable == 0
    assert {entry.label: entry.refunded for entry in first.taxes} == {label: tax[label] for label in tax}
    with pytest.raises(TooMuch) as refused:
        check_claims(order, [(first.id, 1)])
    assert refused.value.maximum == 0

"""Bundles sold as one price: goods, discount and tax go to the parts, and nothing is lost on the way."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.intake import IncomingDiscount, IncomingLine, IncomingTax, Special
from portal.core.paid import PaidLine, PaidOrder, paid
from tests.core.test_intake import D, a_line, an_order, taken


def a_part(external_id: str, list_price: str | None, *, parent: str = "set", **given: Any) -> IncomingLine:
    alone = None if list_price is None else D(list_price)
    told = {"parent": parent, "unit_price": D("0"), "special": Special(list_price=alone)}
    return a_line(external_id, **(told | given))


def by_name(order: PaidOrder) -> dict[str, PaidLine]:
    return {line.external_id: line for line in order.lines}


def test_the_price_goes_to_the_parts_by_what_they_cost_alone() -> None:
    bundle = a_line("set", unit_price=D("50.00"), discount=D("4.99"))
    order = taken(an_order(bundle, a_part("a", "40.00"), a_part("b", "15.00"), a_part("c", "5.00")))
    lines = by_name(order)
    assert [(line.goods, line.discount, line.paid) for line in order.lines] == [
        (0, 0, 0),
        (3333, 333, 3000),
        (1250, 125, 1125),
        (417, 41, 376),
    ]
    assert (order.paid, order.captured, order.differs) == (4501, 4501, 0)
    assert [lines[name].unit_price for name in ("set", "a", "b")] == [D(0), D("33.33"), D("12.5")]
    assert "Bundle set: its price of 50.00 EUR is shared by its parts, by their list prices." in order.notes


def test_ties_go_to_the_first_part() -> None:
    bundle = a_line("set", unit_price=D("10.00"))
    lines = taken(an_order(bundle, *(a_part(name, "7.00") for name in "abc"))).lines
    assert [line.goods for line in lines] == [0, 334, 333, 333]


def test_units_of_a_part_count() -> None:
    """Two bundles of one pan and three spoons."""
    bundle = a_line("set", units=2, unit_price=D("50.00"))
    pan, spoons = a_part("pan", "40.00", units=2), a_part("spoon", "5.00", units=6)
    order = taken(an_order(bundle, pan, spoons))
    assert [line.goods for line in order.lines] == [0, 7273, 2727]
    assert by_name(order)["spoon"].unit_price == D("4.545")


def test_parts_with_a_price_keep_it_and_have_nothing_of_the_bundles() -> None:
    bundle = a_line("set", unit_price=D("50.00"))
    priced = a_part("a", "99.00", unit_price=D("30.00"))
    assert [line.goods for line in taken(an_order(bundle, priced, a_part("b", "15.00"))).lines] == [
        0,
        3000,
        5000,
    ]
    only = taken(an_order(bundle, priced))
    assert [line.goods for line in only.lines] == [5000, 3000]
    assert only.notes == ()


@pytest.mark.parametrize("alone", [None, "0.00"], ids=["untold", "nothing"])
def test_without_list_prices_the_bundle_keeps_its_price_and_says_so(alone: str | None) -> None:
    order = taken(an_order(a_line("set", unit_price=D("50.00")), a_part("a", alone), a_part("b", alone)))
    assert [line.goods for line in order.lines] == [5000, 0, 0]
    assert order.notes == (
        "Bundle set: its parts have no list prices; its price of 50.00 EUR stays on its line.",
    )


def test_one_part_without_a_list_price_leaves_all_as_it_is() -> None:
    order = taken(an_order(a_line("set"), a_part("a", "5.00"), a_part("b", None)))
    assert [line.goods for line in order.lines] == [1000, 0, 0]


def test_a_bundle_in_a_bundle_hands_on_what_it_was_given() -> None:
    lines = (
        a_part("lens", "6.00", parent="kit"),
        a_part("cap", "2.00", parent="kit"),
        a_part("kit", "30.00"),
        a_part("bag", "10.00"),
        a_line("set", unit_price=D("20.00")),
    )
    order = taken(an_order(*lines))
    assert {line.external_id: line.goods for line in order.lines} == {
        "lens": 1125, "cap": 375, "kit": 0, "bag": 500, "set": 0,
    }  # fmt: skip


def test_lines_that_are_parts_of_each_other_stay_as_they_are() -> None:
    one, other = a_part("a", "1.00", parent="b", unit_price=D("3.00")), a_part("b", "1.00", parent="a")
    assert [line.goods for line in taken(an_order(one, other)).lines] == [300, 0]


def test_a_parent_that_the_order_does_not_have_is_no_bundle() -> None:
    assert [
        line.goods for line in taken(an_order(a_part("a", "5.00", parent="gone"), a_line("b"))).lines
    ] == [
        0,
        1000,
    ]


def test_an_order_discount_is_spread_over_the_parts_that_bear_the_price_now() -> None:
    bundle = a_line("set", unit_price=D("60.00"))
    order = an_order(bundle, a_part("a", "40.00"), a_part("b", "20.00"), a_line("mug"), discount=D("7.00"))
    assert [line.discount for line in taken(order).lines] == [0, 400, 200, 100]


def test_whose_discount_it_was_goes_along_to_the_parts() -> None:
    bundle = a_line("set", unit_price=D("60.00"), discount=D("6.01"))
    order = an_order(
        bundle,
        a_part("a", "40.00"),
        a_part("b", "20.00"),
        discounts=(IncomingDiscount(code="SET", shares={"set": D("6.01")}),),
    )
    record = taken(order)
    [discount] = record.discounts
    assert dict(discount.shares) == {"a": 401, "b": 200}
    assert {line.external_id: line.discount for line in record.lines} == {"set": 0, "a": 401, "b": 200}


amounts = st.integers(0, 10**7)


@given(
    price=st.integers(1, 10**7),
    off=st.integers(0, 100),
    taxed=st.lists(st.integers(0, 50), max_size=3),
    alone=st.lists(amounts, min_size=1, max_size=6),
    inside=st.booleans(),
)
def test_however_it_is_shared_nothing_is_lost_and_no_part_costs_less_than_nothing(
    price: int, off: int, taxed: list[int], alone: list[int], inside: bool
) -> None:
    def text(minor: int) -> Decimal:
        return Decimal(minor).scaleb(-2)

    discount = price * off // 100
    taxes = tuple(
        IncomingTax(label=f"T{n}", amount=text((price - discount) * part // 200))
        for n, part in enumerate(taxed)
    )
    bundle = a_line("set", unit_price=text(price), discount=text(discount), taxes=taxes)
    parts = [a_part(f"p{n}", str(text(one))) for n, one in enumerate(alone)]
    order = an_order(bundle, *parts, prices_include_tax=inside)
    record = paid(order)
    assert isinstance(record, PaidOrder)
    lines = record.lines
    whole = taken(an_order(bundle, prices_include_tax=inside)).lines[0]
    assert sum(line.goods for line in lines) == price
    assert sum(line.discount for line in lines) == discount
    assert record.paid == whole.paid
    for label in {tax.label for tax in whole.taxes}:
        there = sum(tax.amount for line in lines for tax in line.taxes if tax.label == label)
        assert there == sum(tax.amount for tax in whole.taxes if tax.label == label)
    for line in lines:
        assert 0 <= line.discount <= line.goods
        assert line.tax == sum(tax.amount for tax in line.taxes)
        assert line.paid >= (line.tax if inside else 0)

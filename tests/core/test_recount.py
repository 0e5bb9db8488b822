"""Refunds worked out a second time: right ones are found right, and every kind of wrong one is found."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from portal.core.recount import PaidLine, Posted, RefundedLine, owed, recount, up_to, worth
from portal.core.spans import worth as engine_worth

LINE = PaidLine(paid=2798, units=3, taxes=(("VAT 19%", 447),))


def one_unit(**other: object) -> RefundedLine:
    return RefundedLine(line=LINE, spans=((0, 1),), amount=933, **other)  # type: ignore[arg-type]


RIGHT = Posted(goods=933 - 149, taxes={"VAT 19%": 149}, payable=933, paid=933)


def test_a_refund_of_one_unit_of_three_is_right_to_the_cent() -> None:
    found = recount([one_unit()], RIGHT, is_paid=True)
    assert found.expected == found.posted == 933 and found.is_accurate


def test_a_cent_too_much_is_found() -> None:
    wrong = replace(RIGHT, goods=RIGHT.goods + 1, payable=934, paid=934)
    found = recount([one_unit()], wrong, is_paid=True)
    assert (found.expected, found.posted) == (933, 934)
    assert set(found.faults) == {"units", "decided"}


def test_the_right_sum_with_the_wrong_tax_is_found() -> None:
    wrong = replace(RIGHT, goods=RIGHT.goods + 1, taxes={"VAT 19%": 148})
    assert recount([one_unit()], wrong).faults == ("tax",)


def test_what_was_decided_and_not_paid_out_is_found_once_it_must_be() -> None:
    unpaid = replace(RIGHT, paid=900)
    assert recount([one_unit()], unpaid).is_accurate
    assert recount([one_unit()], unpaid, is_paid=True).faults == ("paid",)


def test_more_than_was_paid_for_a_line_is_found() -> None:
    part = RefundedLine(line=replace(LINE, taxes=()), spans=((0, 3),), amount=2799, stays=True)
    assert "more_than_paid" in recount([part], Posted(goods=2799, payable=2799)).faults


def test_a_fee_is_taken_as_it_was_decided_and_must_balance() -> None:
    kept = replace(RIGHT, fees=100, payable=833)
    assert recount([one_unit()], kept).is_accurate
    assert recount([one_unit()], replace(kept, payable=832)).faults == ("decided",)


def test_days_of_a_service_that_were_had_are_not_given_back() -> None:
    service = PaidLine(paid=3000, units=1)
    part = RefundedLine(line=service, spans=((0, 1),), amount=2000, used=(10, 30))
    assert owed(part) == 2000
    assert recount([part], Posted(goods=2000, payable=2000)).is_accurate


def test_a_service_that_runs_out_gives_nothing_back() -> None:
    part = RefundedLine(line=PaidLine(paid=3000, units=1), spans=((0, 1),), amount=0, runs_out=True)
    assert recount([part], Posted()).is_accurate
    assert not recount([part], Posted(goods=3000, payable=3000)).is_accurate


def test_what_was_given_while_it_was_kept_is_not_given_again() -> None:
    assert owed(one_unit(given=200)) == 733


def test_a_line_without_units_divides_nothing_by_zero() -> None:
    assert up_to(0, 0, 0) == 0
    assert recount([RefundedLine(line=PaidLine(paid=0, units=0), spans=(), amount=0)], Posted()).is_accurate


@given(st.integers(0, 10**9), st.integers(1, 500), st.data())
def test_both_ways_of_working_it_out_agree(paid: int, units: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, units), min_size=2)))[:2] if units else [0, 0]
    span = (cuts[0], cuts[1])
    assert worth(paid, [span], units) == engine_worth(paid, [span], units)


@given(st.integers(0, 10**7), st.integers(1, 60))
def test_all_units_one_by_one_are_worth_what_was_paid(paid: int, units: int) -> None:
    assert sum(worth(paid, [(at, at + 1)], units) for at in range(units)) == paid

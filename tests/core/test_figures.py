"""Figures worked out by hand: means, ranks, the Pareto table, weeks of a period, how a return stands."""

from datetime import date
from fractions import Fraction

import pytest

from portal.core.figures import (
    FIGURES,
    OUTCOMES,
    Figure,
    mondays,
    outcome,
    pareto,
    percentile,
    weeks,
)


def test_a_mean_is_the_sum_over_how_many_and_nothing_is_no_zero() -> None:
    name = "initiation_people"
    assert Figure(name=name, numerator=75, denominator=3).value == Fraction(25)
    assert Figure(name=name, numerator=3, denominator=2).value == Fraction(3, 2), "exact, not rounded"
    assert Figure(name=name, numerator=0, denominator=0).value is None


@pytest.mark.parametrize(
    ("seconds", "median", "p90"),
    [
        ([7], 7, 7),
        ([4, 1], 1, 4),
        ([30, 10, 20], 20, 30),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 5, 9),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 6, 10),
        ([5] * 9 + [900], 5, 5),
        ([5] * 8 + [900, 901], 5, 900),
    ],
)
def test_a_rank_is_the_smallest_that_so_many_do_not_exceed(seconds: list[int], median: int, p90: int) -> None:
    for name, part, value in (("refund_median", 50, median), ("refund_p90", 90, p90)):
        figure = percentile(name, seconds, part)
        assert (figure.value, figure.denominator) == (value, len(seconds))
        assert sum(one <= value for one in seconds) * 100 >= part * len(seconds)


def test_a_rank_among_none_has_no_value() -> None:
    assert percentile("refund_median", [], 50).value is None


def test_a_rate_needs_something_to_be_a_part_of_and_a_count_does_not() -> None:
    assert Figure(name="satisfaction", numerator=3, denominator=4).value == Fraction(3, 4)
    assert Figure(name="satisfaction", numerator=0, denominator=0).value is None
    assert Figure(name="volume", numerator=0, denominator=1).value == 0
    assert all(Figure(name=name, numerator=0, denominator=1).value == 0 for name in FIGURES)


def test_the_pareto_table_goes_down_and_ends_at_all_of_it() -> None:
    rows = pareto({"too_small": 2, "defective": 5, "changed_mind": 2, "damaged": 1})
    assert [(one.code, one.count, one.part_bp, one.together_bp) for one in rows] == [
        ("defective", 5, 5000, 5000),
        ("changed_mind", 2, 2000, 7000),
        ("too_small", 2, 2000, 9000),
        ("damaged", 1, 1000, 10_000),
    ]
    assert pareto({}) == () and pareto({"defective": 0})[0].together_bp == 0


@pytest.mark.parametrize(
    ("state", "refund_state", "stands"),
    [
        ("requested", "none", "open"),
        ("inspected", "pending", "open"),
        ("inspected", "partially_refunded", "open"),
        ("inspected", "refunded", "refunded"),
        ("closed", "refunded", "refunded"),
        ("closed", "none", "closed"),
        ("closed", "canceled", "closed"),
        ("declined", "none", "declined"),
        ("canceled", "none", "withdrawn"),
        ("expired", "none", "withdrawn"),
    ],
)
def test_how_a_return_stands(state: str, refund_state: str, stands: str) -> None:
    assert outcome(state, refund_state) == stands


def test_weeks_begin_on_mondays_and_are_cut_to_the_period_and_empty_ones_stay() -> None:
    wednesday, sunday, monday = date(2026, 6, 3), date(2026, 6, 21), date(2026, 6, 1)
    found = [
        (monday, "open", 2),
        (monday, "refunded", 1),
        (date(2026, 6, 15), "open", 1),
        (monday, "open", 3),  # of another state that stands alike
    ]
    rows = weeks(found, since=wednesday, until=sunday)
    assert [(one.first, one.counts) for one in rows] == [
        (wednesday, (5, 1, 0, 0, 0)),
        (date(2026, 6, 8), (0, 0, 0, 0, 0)),
        (date(2026, 6, 15), (1, 0, 0, 0, 0)),
    ]
    assert [one.total for one in rows] == [6, 0, 1] and len(OUTCOMES) == 5


def test_a_period_touches_the_weeks_of_both_its_ends() -> None:
    assert mondays(date(2026, 6, 7), date(2026, 6, 8)) == (date(2026, 6, 1), date(2026, 6, 8))
    assert mondays(date(2026, 6, 8), date(2026, 6, 14)) == (date(2026, 6, 8),)
    assert mondays(date(2026, 6, 8), date(2026, 6, 8)) == (date(2026, 6, 8),)

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.money import allocate, exponent, line_total, major, minor, portion, rounded, share


@pytest.mark.parametrize(
    ("currency", "decimals", "text", "amount"),
    [("JPY", 0, "1500", 1500), ("EUR", 2, "15.01", 1501), ("KWD", 3, "1.234", 1234), ("CLF", 4, "0.0001", 1)],
)
def test_every_currency_has_its_own_decimals(currency: str, decimals: int, text: str, amount: int) -> None:
    assert exponent(currency) == decimals
    assert minor(text, currency) == amount
    assert major(amount, currency) == Decimal(text)


def test_yen_are_not_multiplied_by_100() -> None:
    assert minor("1000", "JPY") == 1000


@pytest.mark.parametrize(
    "wrong", ["", "abc", "NaN", "Infinity", "1,50", "0.001", "1e400", "12345678901234567"]
)
def test_what_is_no_amount_of_the_currency_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        minor(wrong, "EUR")


def test_a_float_is_not_an_amount() -> None:
    with pytest.raises(TypeError):
        minor(0.1, "EUR")  # type: ignore[arg-type]


def test_halves_are_rounded_up_and_away_from_zero_only_when_asked() -> None:
    assert minor("0.005", "EUR", round_to_unit=True) == 1
    assert minor("-0.005", "EUR", round_to_unit=True) == -1
    assert [rounded(n, 2) for n in (1, 3, 5)] == [1, 2, 3]
    assert portion(933, 1500) == 140


def test_a_price_below_the_cent_is_rounded_once_on_the_line() -> None:
    assert line_total(Decimal("0.001"), 1000, "GBP") == 100
    assert line_total(Decimal("0.0049"), 1, "GBP") == 0
    assert line_total(Decimal("33.333333333333333333333333333333"), 3, "EUR") == 10000


def test_three_units_of_a_line_of_27_98_are_never_three_times_9_33() -> None:
    assert [share(2798, n, n + 1, 3) for n in range(3)] == [933, 932, 933]


@given(st.integers(0, 10**9), st.integers(1, 50), st.data())
def test_shares_of_any_cut_add_up_to_the_amount(amount: int, units: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, units))) | {0, units})
    parts = [share(amount, a, b, units) for a, b in zip(cuts, cuts[1:], strict=False)]
    assert sum(parts) == amount
    assert min(parts) >= 0


@pytest.mark.parametrize("span", [(-1, 1, 3), (2, 1, 3), (0, 4, 3), (0, 0, 0)])
def test_a_share_of_units_that_are_not_there_is_refused(span: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError):
        share(100, *span)


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_allocated_parts_add_up_and_are_at_most_a_unit_off(amount: int, weights: list[int]) -> None:
    parts = allocate(amount, weights)
    total = sum(weights)
    assert sum(parts) == amount
    if total:
        assert all(
            abs(part * total - amount * weight) < total for part, weight in zip(parts, weights, strict=True)
        )


def test_remainders_go_to_the_largest_and_ties_to_the_first() -> None:
    assert allocate(100, [1, 1, 1]) == [34, 33, 33]
    assert allocate(10, [0, 0, 0]) == [4, 3, 3]
    assert allocate(-100, [1, 1, 1]) == [-34, -33, -33]


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_weights_must_be_there_and_not_negative(weights: list[int]) -> None:
    with pytest.raises(ValueError):
        allocate(100, weights)

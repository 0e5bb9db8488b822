import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.spans import count, free, lowest, merge, overlap, without, worth

SPANS = st.sets(st.integers(0, 19)).map(lambda taken: tuple((n, n + 1) for n in sorted(taken)))


def test_touching_spans_are_joined_and_empty_ones_dropped() -> None:
    assert merge([(2, 3), (0, 2), (5, 5), (6, 7)]) == ((0, 3), (6, 7))


def test_a_unit_taken_twice_is_refused() -> None:
    with pytest.raises(ValueError):
        merge([(0, 2), (1, 3)])


def test_more_units_than_are_free_are_refused() -> None:
    with pytest.raises(ValueError):
        lowest([(0, 2)], 3)


def test_the_lowest_free_units_are_taken_first() -> None:
    assert lowest(free([(1, 2)], 4), 2) == ((0, 1), (2, 3))
    assert lowest(free([(1, 2)], 4), 0) == ()


@given(SPANS)
def test_free_and_taken_are_all_units_once(taken: tuple[tuple[int, int], ...]) -> None:
    gaps = free(taken, 20)
    assert count(gaps) + count(taken) == 20
    assert merge((*gaps, *taken)) == ((0, 20),)
    assert not overlap(gaps, taken)


@given(SPANS, SPANS)
def test_without_leaves_what_the_other_does_not_hold(
    held: tuple[tuple[int, int], ...], gone: tuple[tuple[int, int], ...]
) -> None:
    units = {n for first, end in held for n in range(first, end)}
    lost = {n for first, end in gone for n in range(first, end)}
    assert {n for first, end in without(held, gone) for n in range(first, end)} == units - lost
    assert overlap(held, gone) == bool(units & lost)


@given(st.integers(0, 10**7), SPANS)
def test_taken_and_free_units_are_worth_the_whole_line(
    amount: int, taken: tuple[tuple[int, int], ...]
) -> None:
    assert worth(amount, taken, 20) + worth(amount, free(taken, 20), 20) == amount

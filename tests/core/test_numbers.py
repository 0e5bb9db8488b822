"""Return, refund and authorization numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.numbers import (
    ALPHABET,
    authorization_code,
    cancellation_number,
    check_character,
    is_valid,
    normalize,
    refund_number,
    rma_number,
)

some_bytes = st.binary(min_size=5, max_size=16)


def test_a_number_is_a_function_of_its_random_bytes():
    assert rma_number(bytes(5)) == "RMA-0000-0000"
    assert rma_number(bytes([255] * 5)).startswith("RMA-ZZZZ-ZZZ")
    assert refund_number(bytes(5)) == "RF-0000-0000"
    assert authorization_code(bytes(5)) == "AC-0000-0000"


def test_too_little_randomness_is_refused():
    with pytest.raises(ValueError, match="5 random bytes"):
        rma_number(b"1234")


def test_the_check_character_of_a_worked_example():
    # X Q 9 M 3 K 7 are 29 23 9 20 3 19 7; every other one doubled: 27+23+18+20+6+19+14 = 127 = 4 * 32 - 1
    assert check_character("7K3M9QX") == "1"
    assert is_valid("RMA-7K3M-9QX1")
    assert not is_valid("RMA-7K3M-9QX2")


@given(some_bytes)
def test_every_number_made_is_valid_and_is_its_own_normal_form(randomness):
    for make in (rma_number, cancellation_number, refund_number, authorization_code):
        number = make(randomness)
        assert is_valid(number)
        assert normalize(number) == number


@given(some_bytes)
def test_35_bits_of_the_random_bytes_are_in_the_number(randomness):
    body = rma_number(randomness).removeprefix("RMA-").replace("-", "")[:-1]
    bits = 0
    for character in body:
        bits = bits * 32 + ALPHABET.index(character)
    assert bits == int.from_bytes(randomness[:5]) >> 5


@given(some_bytes, st.integers(0, 7), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_is_noticed(randomness, at, other):
    number = rma_number(randomness)
    body = list(number.removeprefix("RMA-").replace("-", ""))
    right = body[at]
    body[at] = other
    assert is_valid("RMA-" + "".join(body)) == (right == other)


@given(some_bytes, st.integers(0, 6))
def test_two_neighbors_swapped_are_noticed_unless_they_are_0_and_z(randomness, at):
    body = list(rma_number(randomness).removeprefix("RMA-").replace("-", ""))
    pair = {body[at], body[at + 1]}
    body[at], body[at + 1] = body[at + 1], body[at]
    assert is_valid("RMA-" + "".join(body)) == (len(pair) == 1 or pair == {"0", "Z"})


@pytest.mark.parametrize(
    "typed",
    [
        "RMA-7K3M-9QX1",
        "rma-7k3m-9qx1",
        "  rma 7k3m 9qx1 ",
        "RMA7K3M9QX1",
        "7K3M9QX1",
        "7k3m-9qxl",
        "RMA-7K3M-9QXI",
        "rma–7k3m—9qx1",
        "RMA.7K3M/9QX1",
    ],
)
def test_what_people_type_is_the_number_they_mean(typed):
    assert normalize(typed) == "RMA-7K3M-9QX1"
    assert is_valid(typed)


def test_the_letter_o_is_read_as_zero():
    assert normalize("rma-oooo-oooo") == "RMA-0000-0000"


def test_a_bare_number_takes_the_prefix_that_is_asked_for():
    assert normalize("7K3M9QX1", prefix="RF") == "RF-7K3M-9QX1"


def test_a_number_of_another_kind_is_not_valid_as_this_kind():
    assert is_valid("RF-7K3M-9QX1")
    assert not is_valid("RF-7K3M-9QX1", prefix="RMA")


@pytest.mark.parametrize(
    "typed", ["", "   ", "RMA-", "RMA-7K3M-9QX", "RMA-7K3M-9QX11", "RMA-UUUU-UUUU", "é" * 8]
)
def test_what_is_no_number_is_not_valid(typed):
    assert not is_valid(typed)


@given(st.text(max_size=30))
def test_no_text_makes_it_fail(text):
    is_valid(text)
    assert normalize(normalize(text)) == normalize(text)

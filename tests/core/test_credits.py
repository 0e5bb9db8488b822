"""Codes that can be typed and not guessed, and the last day of a credit by the law of the place."""

import secrets
from datetime import date

import pytest

from portal.core import credits as codes
from portal.core.numbers import ALPHABET

SECRET = "a secret for tests alone"


def a_code() -> str:
    return codes.code(SECRET, secrets.token_urlsafe(24))


def test_the_same_nonce_and_secret_give_the_same_code_and_another_of_either_does_not():
    assert codes.code(SECRET, "one") == codes.code(SECRET, "one")
    assert codes.code(SECRET, "one") != codes.code(SECRET, "two")
    assert codes.code(SECRET, "one") != codes.code(SECRET + "!", "one")


def test_a_code_is_four_groups_of_four_that_nobody_misreads():
    code = a_code()
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    assert set(code) <= set(ALPHABET) | {"-"}
    assert not set(code) & set("ILOU")


@pytest.mark.parametrize("typed", ["{}", " {} ", "{0}\n", "\t{}"])
def test_a_code_is_understood_however_it_is_typed(typed):
    code = a_code()
    bare = code.replace("-", "")
    for shape in (code, bare, code.lower(), code.replace("-", " "), code.replace("-", " – ")):
        assert codes.normalize(typed.format(shape)) == bare


def test_letters_that_look_like_digits_count_as_these():
    code = next(one for one in iter(a_code, "") if "0" in one and "1" in one)
    for zero, one in (("O", "I"), ("o", "l"), ("O", "L"), ("o", "i")):
        assert codes.normalize(code.replace("0", zero).replace("1", one)) == code.replace("-", "")


def test_any_single_mistyped_character_is_noticed():
    bare = a_code().replace("-", "")
    for place, right in enumerate(bare):
        for wrong in ALPHABET:
            if wrong != right:
                assert codes.normalize(bare[:place] + wrong + bare[place + 1 :]) is None


@pytest.mark.parametrize("typed", ["", "-", "RMA-7K3M-9QX1", "0000-0000-0000-000", "0000-0000-0000-000U"])
def test_what_cannot_be_a_code_is_none(typed):
    assert codes.normalize(typed) is None


def test_what_is_kept_of_a_code_is_the_same_with_and_without_its_groups_and_does_not_hold_it():
    code = a_code()
    kept = codes.digest(code)
    assert kept == codes.digest(code.replace("-", ""))
    assert code.replace("-", "") not in kept.upper()
    assert codes.hidden(codes.last(code)).endswith(code[-4:])
    assert codes.hidden(codes.last(code)).count("•") == 12


@pytest.mark.parametrize(
    ("country", "region", "issued", "wish", "last_day"),
    [
        ("DE", "", date(2026, 6, 15), None, date(2029, 12, 31)),  # three years from the end of the year
        ("DE", "", date(2026, 1, 1), None, date(2029, 12, 31)),
        ("AT", "", date(2026, 6, 15), None, date(2056, 6, 15)),
        ("CH", "", date(2026, 6, 15), None, date(2036, 6, 15)),
        ("IE", "", date(2026, 6, 15), None, date(2031, 6, 15)),
        ("AU", "", date(2028, 2, 29), None, date(2031, 2, 28)),
        ("NZ", "", date(2026, 6, 15), None, date(2029, 6, 15)),
        ("US", "IL", date(2026, 6, 15), None, date(2031, 6, 15)),
        ("US", "CA", date(2026, 6, 15), None, None),
        ("US", "TX", date(2026, 6, 15), None, None),  # the federal five years are no leave to end it then
        ("CA", "ON", date(2026, 6, 15), None, None),
        ("GB", "", date(2026, 6, 15), None, None),
        ("", "", date(2026, 6, 15), None, None),
    ],
)
def test_the_law_of_the_place_says_the_last_day_and_where_none_is_known_there_is_none(
    country, region, issued, wish, last_day
):
    assert codes.expires_on(country, region, issued_on=issued, wish_months=wish) == last_day


@pytest.mark.parametrize("place", sorted(codes.PLACES))
@pytest.mark.parametrize("wish", [0, 1, 12, 24, 36, 60, 120, 600])
def test_a_merchants_wish_lengthens_and_never_shortens(place, wish):
    country, _, region = place.partition("-")
    issued = date(2026, 6, 15)
    by_law = codes.expires_on(country, region, issued_on=issued)
    with_wish = codes.expires_on(country, region, issued_on=issued, wish_months=wish)
    if by_law is None or wish == 0:
        assert with_wish is None
    else:
        assert with_wish >= by_law
        assert with_wish == max(by_law, codes.after_months(issued, wish))


def test_where_no_law_is_known_a_wish_makes_nothing_expire():
    assert codes.expires_on("BR", "", issued_on=date(2026, 6, 15), wish_months=12) is None


@pytest.mark.parametrize("rule", codes.PLACES.values(), ids=codes.PLACES)
def test_every_place_names_its_law_and_how_it_was_found(rule):
    assert rule.source
    assert rule.verified in ("official", "secondary")
    assert rule.months is None or rule.months >= 36


def test_a_credit_that_is_topped_up_lives_as_long_as_the_longer_of_both():
    early, late = date(2029, 12, 31), date(2030, 12, 31)
    assert codes.later(early, late) == codes.later(late, early) == late
    assert codes.later(None, early) is None and codes.later(early, None) is None


def test_a_month_later_than_the_last_of_january_is_the_last_of_february():
    assert codes.after_months(date(2026, 1, 31), 1) == date(2026, 2, 28)
    assert codes.after_months(date(2027, 11, 30), 3) == date(2028, 2, 29)

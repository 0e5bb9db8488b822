"""Addresses as values: stored, checked by given rules, printed."""

import json

from hypothesis import given
from hypothesis import strategies as st

from portal.core.addresses import Address, AddressField, AddressRules, address_from, check, printed, tidied

RULES = AddressRules(
    country="XA",
    fields=(
        AddressField(name="name", label="name", required=True, autocomplete="name"),
        AddressField(name="street", label="street", required=True, autocomplete="street-address"),
        AddressField(name="city", label="city", required=True, autocomplete="address-level2"),
        AddressField(
            name="region",
            label="region",
            required=False,
            autocomplete="address-level1",
            choices=(("NO", "North"),),
        ),
        AddressField(
            name="postcode", label="postcode", required=True, autocomplete="postal-code", example="AB 12"
        ),
    ),
    postcode_pattern=r"^[A-Z]{2} \d{2}$",
    upper=frozenset({"postcode", "region"}),
    layout=("{name}", "{company}", "{street}", "{city}, {region} {postcode}"),
)
GOOD = Address(
    name="Demo", street=("1 Demo Street",), city="Demoton", region="NO", postcode="AB 12", country="XA"
)

words = st.text(max_size=20).map(str.strip)


@given(words, words, st.lists(words.filter(lambda s: s and len(s.splitlines()) == 1), max_size=3))
def test_an_address_comes_back_from_json_as_it_went(name, city, street):
    address = Address(name=name, city=city, street=tuple(street), country="DE")
    assert address_from(json.loads(json.dumps(address.record()))) == address


def test_a_street_from_a_text_area_becomes_lines():
    assert address_from({"street": "Demo Street 1\r\n\r\n Flat 2 ", "country": "GB"}).street == (
        "Demo Street 1",
        "Flat 2",
    )


def test_a_good_address_has_no_findings():
    assert check(GOOD, RULES) == ()


def test_everything_missing_is_told_at_once_in_the_order_of_the_form():
    found = check(Address(country="XA"), RULES)
    assert [(f.field, f.code) for f in found] == [
        (n, "missing") for n in ("name", "street", "city", "postcode")
    ]
    assert found[-1].help == "AB 12"


def test_case_and_blanks_are_put_right_before_judging():
    typed = Address(
        name=" Demo ",
        street=(" 1  Demo Street ", ""),
        city="Demoton",
        region="north",
        postcode="ab  12",
        country="xa",
    )
    assert tidied(typed, RULES) == GOOD
    assert check(typed, RULES) == ()


def test_a_wrong_postcode_region_or_overlong_line_is_told():
    typed = Address(name="x" * 81, street=("1",), city="C", region="West", postcode="AB 123", country="XA")
    assert [(f.field, f.code) for f in check(typed, RULES)] == [
        ("name", "too_long"),
        ("region", "unknown_region"),
        ("postcode", "malformed_postcode"),
    ]


def test_printed_lines_follow_the_layout_and_leave_no_stray_commas():
    assert printed(GOOD, RULES) == ("Demo", "1 Demo Street", "Demoton, NO AB 12")
    assert printed(Address(city="Demoton", country="XA"), RULES) == ("Demoton",)
    assert printed(GOOD, RULES, country_name="XALAND")[-1] == "XALAND"


def test_a_postcode_the_layout_has_no_place_for_is_printed_all_the_same():
    rules = AddressRules(country="XB", fields=(), layout=("{name}", "{street}, {region}"))
    assert printed(GOOD, rules) == ("Demo", "1 Demo Street, NO", "AB 12", "Demoton")

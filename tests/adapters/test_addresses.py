"""What the countries ask, from the data that comes with the project's libraries."""

from dataclasses import replace

import pytest

from portal.adapters.addresses import LocalAddresses
from portal.core.addresses import Address

LOCAL = LocalAddresses()
GOOD = {
    "DE": Address(name="Demo", street=("Demostraße 1",), postcode="10115", city="Berlin", country="DE"),
    "GB": Address(name="Demo", street=("1 Demo Road",), postcode="ec1a 1bb", city="London", country="gb"),
    "US": Address(
        name="Demo", street=("1 Demo St",), postcode="10001", city="New York", region="new york", country="US"
    ),
    "FR": Address(name="Demo", street=("1 rue de Démo",), postcode="75004", city="Paris", country="FR"),
    "IE": Address(name="Demo", street=("1 Demo Street",), city="Dublin", country="IE"),
    "HK": Address(name="Demo", street=("1 Demo Road",), region="Kowloon", country="HK"),
}


@pytest.mark.parametrize("country", GOOD)
def test_a_good_address_of_each_country_has_no_findings(country):
    assert LOCAL.check(GOOD[country]) == ()


@pytest.mark.parametrize(
    ("country", "postcode"),
    [("DE", "1011"), ("GB", "ABC 123"), ("US", "1000"), ("FR", "7500A"), ("GB", "xM2 5BQx")],
)
def test_a_malformed_postcode_is_told_with_an_example(country, postcode):
    (finding,) = LOCAL.check(replace(GOOD[country], postcode=postcode))
    assert (finding.field, finding.code) == ("postcode", "malformed_postcode")
    assert LOCAL.check(replace(GOOD[country], postcode=finding.help)) == ()


def test_a_state_that_does_not_exist_is_told():
    address = Address(name="Demo", street=("1",), postcode="10001", city="X", region="Bavaria", country="US")
    assert [(f.field, f.code) for f in LOCAL.check(address)] == [("region", "unknown_region")]


@pytest.mark.parametrize("country", ["", "XX", "EU", "Germany"])
def test_what_is_no_country_is_told_and_nothing_else(country):
    assert [(f.field, f.code) for f in LOCAL.check(Address(country=country))] == [
        ("country", "unknown_country")
    ]


def test_forms_call_fields_what_the_country_calls_them_in_its_order():
    def form(country):
        return [(f.name, f.label) for f in LOCAL.rules(country).fields]

    assert form("US")[3:6] == [
        ("city", "city_city"),
        ("region", "region_state"),
        ("postcode", "postcode_zip"),
    ]
    assert form("DE")[3:5] == [("postcode", "postcode_postal"), ("city", "city_city")]
    assert form("GB")[3:5] == [("city", "city_post_town"), ("postcode", "postcode_postal")]
    assert ("postcode", "postcode_eircode") in form("IE")
    assert LOCAL.rules("HK").field("postcode") is None


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_every_country_of_the_list_has_rules_that_a_form_can_be_made_of(language):
    countries = LOCAL.countries(language)
    assert len(countries) > 200
    for code, name in countries:
        rules = LOCAL.rules(code)
        assert rules.country == code
        assert name
        assert [f.name for f in rules.fields][0] == "name"
        assert {"street"} <= {f.name for f in rules.fields if f.required}
        assert len({f.name for f in rules.fields}) == len(rules.fields)
        assert all(f.autocomplete for f in rules.fields)


def test_countries_are_named_and_sorted_in_the_language():
    german = LOCAL.countries("de")
    assert dict(german)["FR"] == "Frankreich"
    names = [name for _, name in german]
    assert (
        names.index("Ägypten") < names.index("Albanien") < names.index("Österreich") < names.index("Zypern")
    )


def test_an_envelope_is_written_the_way_of_its_country():
    assert LOCAL.printed(GOOD["US"], language="en") == ("Demo", "1 Demo St", "New York, new york 10001")
    assert LOCAL.printed(GOOD["DE"], language="en") == ("Demo", "Demostraße 1", "10115 Berlin")


def test_the_country_is_named_only_when_the_border_is_crossed():
    assert LOCAL.printed(GOOD["FR"], language="de", sent_from="DE")[-1] == "FRANKREICH"
    assert LOCAL.printed(GOOD["FR"], language="de", sent_from="FR")[-1] == "75004 Paris"

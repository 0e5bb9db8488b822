"""Numbers printed on parcels, and the small values around them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.lifecycles import SHIPMENT
from portal.core.shipping import (
    Document,
    DocumentKind,
    Method,
    Shipment,
    TrackingStatus,
    TrackingUpdate,
    guess_carrier,
    has_right_check_digit,
    may_be_tracking_number,
    number_scheme,
    s10_check_digit,
    s10_number,
)

VECTORS = [
    ("RB123456785GB", "s10", "Royal Mail"),
    ("RR473124829GB", "s10", "Royal Mail"),
    ("EE471108151FR", "s10", "La Poste"),
    ("EB000717595HK", "s10", "Hongkong Post"),
    ("1Z5R89390357567127", "ups", "UPS"),
    ("1Z999AA10123456784", "ups", "UPS"),
    ("9400111202555842332669", "usps", "USPS"),
    ("420221539101026837331000039521", "usps", "USPS"),
    ("106141411234567897", "sscc", ""),
]


@pytest.mark.parametrize(("number", "scheme", "carrier"), VECTORS)
def test_published_numbers_have_a_right_check_digit(number, scheme, carrier):
    assert number_scheme(number) == scheme
    assert has_right_check_digit(number) is True
    assert guess_carrier(number) == carrier


@pytest.mark.parametrize(("number", "scheme", "carrier"), VECTORS)
def test_one_wrong_digit_is_noticed(number, scheme, carrier):
    at = 10 if scheme == "s10" else len(number) - 1
    wrong = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
    assert has_right_check_digit(wrong) is False
    assert guess_carrier(wrong) == ""


def test_a_number_typed_in_groups_is_the_same_number():
    assert has_right_check_digit(" rr 4731 2482 9 gb ") is True
    assert guess_carrier("1z 999 aa1 01 2345 6784") == "UPS"


@pytest.mark.parametrize("number", ["", "12345", "JJD000390007827338", "hello", "RR47312482９GB"])
def test_nothing_is_claimed_about_a_number_of_no_known_scheme(number):
    assert has_right_check_digit(number) is None
    assert guess_carrier(number) == ""


@pytest.mark.parametrize("typed", ["rr 4731 2482 9 gb", "JJD000390007827338", "12345"])
def test_what_a_carrier_may_have_given_is_accepted(typed):
    assert may_be_tracking_number(typed)


@pytest.mark.parametrize("typed", ["", "1234", "RR473124828GB", "ab<script>", "12345六", "9" * 41])
def test_what_no_carrier_gave_is_not(typed):
    assert not may_be_tracking_number(typed)


def test_an_s10_number_of_an_unassigned_country_belongs_to_no_post():
    assert has_right_check_digit(s10_number("RA", 12345678, "XA")) is True
    assert guess_carrier(s10_number("RA", 12345678, "XA")) == ""


@given(st.integers(0, 99_999_999))
def test_every_serial_gives_an_s10_number_that_checks(serial):
    assert has_right_check_digit(s10_number("RX", serial, "QM")) is True


def test_the_two_special_remainders_of_s10():
    assert s10_check_digit("47312482") == 9
    # 11 - 0 = 11 -> 5, and 11 - 1 = 10 -> 0 (seven times eight is 56, one above 55)
    assert s10_check_digit("00000000") == 5
    assert s10_check_digit("70000000") == 0


@pytest.mark.parametrize(
    ("indicator", "serial", "country"), [("R", 1, "XA"), ("RA", 10**8, "XA"), ("ra", 1, "XA")]
)
def test_parts_that_make_no_s10_number_are_refused(indicator, serial, country):
    with pytest.raises(ValueError, match="not the parts"):
        s10_number(indicator, serial, country)


def test_everything_a_carrier_can_say_is_a_state_of_a_shipment():
    assert {status.value for status in TrackingStatus} <= set(SHIPMENT.states)


def test_the_same_news_told_twice_has_one_digest():
    at = datetime(2026, 11, 20, 9, tzinfo=UTC)
    news = {"tracking_number": "N", "status": TrackingStatus.IN_TRANSIT, "at": at}
    assert TrackingUpdate(**news).digest == TrackingUpdate(**news).digest
    assert TrackingUpdate(**news).digest != TrackingUpdate(**news, location="Demo hub").digest


def test_a_document_is_found_by_kind_format_and_size():
    small = Document(kind=DocumentKind.LABEL, format="pdf", size="4x6", content=b"1")
    sheet = Document(kind=DocumentKind.LABEL, format="pdf", size="a4", content=b"2")
    shipment = Shipment(
        carrier="house",
        service="parcel",
        method=Method.PICKUP,
        external_id="1",
        currency="EUR",
        documents=(small, sheet),
    )
    assert shipment.document(DocumentKind.LABEL, "pdf", "a4") is sheet
    assert shipment.document(DocumentKind.LABEL, "pdf") is small
    assert shipment.document(DocumentKind.QR, "png") is None


def test_a_document_names_its_file_and_type_without_personal_data():
    slip = Document(kind=DocumentKind.PACKING_SLIP, format="pdf", size="a4", content=b"")
    assert (slip.filename, slip.media_type) == ("packing-slip-a4.pdf", "application/pdf")

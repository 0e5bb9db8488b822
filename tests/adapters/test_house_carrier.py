"""What the house carrier and the carrier of one's own do beyond the contract."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from portal.adapters import carriers
from portal.adapters.carriers.house import USER_ASSIGNED
from portal.adapters.carriers.sheets import Sheets, billable_grams, metres, opening_hours
from portal.core.addresses import Address
from portal.core.shipping import (
    DocumentKind,
    Method,
    Parcel,
    TrackingQuery,
    has_right_check_digit,
    number_scheme,
)
from portal.ports import Declined
from tests.adapters.parcels import CUSTOMER, NOW, WAREHOUSE, a_request, codes_of, text_of

HOUSE = carriers.build()["house"]
OWN = carriers.build()["own"]


def cheapest(**changes):
    return HOUSE.quote(a_request(**changes))[0]


def abroad(country, postcode=""):
    return replace(CUSTOMER, country=country, postcode=postcode)


@pytest.mark.parametrize(
    ("sender", "zone"),
    [
        (abroad("DE", "10115"), "domestic"),
        (abroad("DE", "27498"), "remote"),
        (abroad("FR", "75004"), "europe"),
        (abroad("GB", "EC1A 1BB"), "europe"),
        (abroad("JP", "100-0001"), "world"),
    ],
)
def test_the_zone_is_of_country_and_postcode(sender, zone):
    assert Sheets.demonstration().zone(sender, WAREHOUSE) == zone


def test_bands_of_weight_include_both_ends():
    amounts = [
        cheapest(parcel=Parcel(weight_g=g)).amount for g in (1, 2000, 2001, 5000, 5001, 10000, 10001, 31500)
    ]
    assert amounts == [390, 390, 490, 490, 690, 690, 1190, 1190]


def test_a_light_and_large_parcel_is_charged_by_its_size():
    # 500 x 400 x 300 mm are 60 000 cubic centimetres: 12 kg at 5000 a kilogram
    parcel = Parcel(weight_g=900, length_mm=500, width_mm=400, height_mm=300)
    assert billable_grams(parcel) == 12_000
    assert cheapest(parcel=parcel).amount == 1190


def test_too_heavy_a_parcel_is_declined():
    with pytest.raises(Declined, match="too_heavy"):
        cheapest(parcel=Parcel(weight_g=31_501))


def test_a_currency_without_prices_is_declined_by_name():
    with pytest.raises(Declined, match="currency_not_served: KWD"):
        cheapest(currency="KWD")


def test_yen_have_no_minor_unit():
    assert cheapest(currency="JPY").amount == 640


def test_without_points_near_nothing_paperless_is_offered():
    rates = HOUSE.quote(a_request(sender=abroad("DE", "99084")))
    assert {r.method for r in rates} == {Method.PRINT_AT_HOME, Method.PICKUP}


def test_numbers_are_valid_s10_numbers_of_no_real_post_and_do_not_repeat():
    rate = cheapest()
    numbers = [
        HOUSE.create_return(a_request(), rate, idempotency_key=f"k{n}").tracking_number for n in range(12)
    ]
    assert len(set(numbers)) == 12
    assert all(number_scheme(n) == "s10" and has_right_check_digit(n) for n in numbers)
    assert all(n[0] == "R" and n[-2:] in USER_ASSIGNED for n in numbers)
    assert "XK" not in USER_ASSIGNED


def test_the_code_shown_at_the_counter_is_the_tracking_number():
    shipment = HOUSE.create_return(a_request(), cheapest(method=Method.QR_DROPOFF), idempotency_key="k")
    picture = shipment.document(DocumentKind.QR, "png")
    assert codes_of(picture.content, "png") == {("QRCode", shipment.tracking_number)}
    assert shipment.document(DocumentKind.QR, "svg").content.startswith(b"<svg")
    assert len(shipment.handoff_code) == 7


def test_only_a_parcel_without_a_label_has_a_code_for_the_counter():
    for method in (Method.PRINT_AT_HOME, Method.DROPOFF_POINT, Method.PICKUP):
        made = HOUSE.create_return(a_request(), cheapest(method=method), idempotency_key="k")
        assert made.handoff_code == ""


def test_without_a_tracking_page_the_label_s_qr_code_is_the_return_number():
    label = HOUSE.create_return(a_request(), cheapest(), idempotency_key="k").document(
        DocumentKind.LABEL, "pdf"
    )
    assert ("QRCode", "RMA-7K3M-9QX1") in codes_of(label.content, "pdf")


def test_an_unknown_service_point_is_declined():
    request = a_request(service_point_id="DE999")
    with pytest.raises(Declined, match="service_point_unknown"):
        HOUSE.create_return(request, cheapest(method=Method.DROPOFF_POINT), idempotency_key="k")


def test_nearest_points_are_in_the_same_city_and_plainly_demo():
    points = HOUSE.service_points(CUSTOMER)
    assert {p.address.city for p in points} == {"Berlin"}
    assert all(p.name.startswith("Demo drop-off") for p in points)
    assert 0 < points[0].distance_m < 5_000
    assert HOUSE.service_points(abroad("JP", "100-0001")) == ()


def test_british_postcode_areas_are_whole_letters():
    sheets = Sheets.demonstration()
    assert sheets.position(abroad("GB", "E1 6AN")) == (51.54, -0.04)
    assert sheets.position(abroad("GB", "EC1A 1BB")) == (51.517, -0.093)
    assert sheets.position(abroad("GB", "EX1 1AA")) is None


def test_distance_on_the_globe():
    berlin, hamburg = (52.52, 13.405), (53.551, 9.993)
    assert metres(berlin, hamburg) == pytest.approx(255_000, abs=2_000)
    assert metres(berlin, berlin) == 0


def test_opening_hours_are_read_day_by_day():
    hours = opening_hours("mo-we 08:00-20:00; su 10:00-16:00")
    assert [(h.weekday, h.opens, h.closes) for h in hours] == [
        (0, time(8), time(20)),
        (1, time(8), time(20)),
        (2, time(8), time(20)),
        (6, time(10), time(16)),
    ]
    with pytest.raises(ValueError):
        opening_hours("mon 8-20")


def pickup_days(country, now):
    return sorted({slot.on for slot in HOUSE.pickup_slots(abroad(country), [], now=now)})


def test_pickups_skip_weekends_and_the_holidays_of_the_country():
    before = datetime(2026, 12, 23, 9, tzinfo=UTC)
    assert pickup_days("DE", before)[:3] == [date(2026, 12, 24), date(2026, 12, 28), date(2026, 12, 29)]
    assert date(2026, 11, 26) not in pickup_days("US", datetime(2026, 11, 24, 15, tzinfo=UTC))
    assert date(2026, 11, 26) in pickup_days("DE", datetime(2026, 11, 24, 15, tzinfo=UTC))


def test_the_cut_off_is_at_three_by_the_clock_of_the_place():
    assert pickup_days("DE", datetime(2026, 11, 17, 13, 59, tzinfo=UTC))[0] == date(2026, 11, 18)
    assert pickup_days("DE", datetime(2026, 11, 17, 14, 0, tzinfo=UTC))[0] == date(2026, 11, 19)
    assert pickup_days("US", datetime(2026, 11, 17, 14, 0, tzinfo=UTC))[0] == date(2026, 11, 18)


def test_it_does_not_come_where_it_has_no_drivers():
    assert HOUSE.pickup_slots(abroad("JP"), [], now=NOW) == ()


def test_simulated_tracking_goes_all_the_way_and_says_that_it_is_simulated():
    house = carriers.build(simulated_step=timedelta(hours=6))["house"]
    query = TrackingQuery(tracking_number="RA123456785XA", handed_over_at=NOW)
    early = house.track([query], now=NOW + timedelta(hours=7))
    whole = house.track([query], now=NOW + timedelta(days=2))
    assert [u.status for u in whole] == [
        "pre_transit",
        "in_transit",
        "in_transit",
        "out_for_delivery",
        "delivered",
    ]
    assert early == whole[:2]
    assert all(u.simulated for u in whole)


def test_without_simulation_nothing_is_invented():
    query = TrackingQuery(tracking_number="RA123456785XA", handed_over_at=NOW)
    assert HOUSE.track([query], now=NOW + timedelta(days=30)) == ()
    assert not HOUSE.capabilities.tracking


def test_a_merchants_own_files_replace_the_demonstration(tmp_path):
    (tmp_path / "rate_sheet.csv").write_text(
        "zone,service,min_g,max_g,price_minor,currency,transit_days\nall,parcel,1,999999,250,EUR,3\n"
    )
    (tmp_path / "zones.csv").write_text("zone,from_countries,from_prefixes,to_countries\nall,DE,,DE\n")
    (tmp_path / "dropoff_points.csv").write_text(
        "id,name,street,postcode,city,region,country,lat,lon,hours\n"
    )
    (tmp_path / "postcode_areas.csv").write_text("country,prefix,lat,lon\n")
    house = carriers.build(data=tmp_path)["house"]
    (rate,) = house.quote(a_request())
    assert (rate.amount, rate.transit_days) == (250, 3)
    with pytest.raises(Declined, match="not_served"):
        house.quote(a_request(sender=abroad("FR", "75004")))


# ------------------------------------------------------------------------------------------- own carrier


def sent_alone(number):
    request = a_request(own_number=number)
    return OWN.create_return(request, OWN.quote(request)[0], idempotency_key="k")


@pytest.mark.parametrize(
    ("typed", "number", "carrier"),
    [
        ("", "", ""),
        ("rr 4731 2482 9 gb", "RR473124829GB", "Royal Mail"),
        ("1Z999AA10123456784", "1Z999AA10123456784", "UPS"),
        ("JJD000390007827338", "JJD000390007827338", ""),
    ],
)
def test_the_customers_number_is_tidied_and_its_carrier_recognized(typed, number, carrier):
    shipment = sent_alone(typed)
    assert (shipment.tracking_number, shipment.shipped_with, shipment.cost) == (number, carrier, 0)


@pytest.mark.parametrize("typed", ["RR473124828GB", "1Z999AA10123456785", "no", "ab<script>", "9" * 41])
def test_a_number_that_cannot_be_is_declined(typed):
    with pytest.raises(Declined, match="tracking_number_wrong"):
        sent_alone(typed)


def test_the_sheet_bears_the_warehouse_address_and_the_return_number():
    (sheet,) = sent_alone("").documents
    said = text_of(sheet.content)
    for part in ("Demo Shop", "Lagerweg 5", "20095 Hamburg", "RMA-7K3M-9QX1"):
        assert part in said
    assert codes_of(sheet.content, "pdf") == {("QRCode", "RMA-7K3M-9QX1")}


def test_paper_is_letter_where_printers_hold_letter():
    sender = Address(
        name="Demo", street=("1 Demo St",), postcode="10001", city="New York", region="NY", country="US"
    )
    request = a_request(sender=sender, currency="USD")
    shipment = HOUSE.create_return(request, HOUSE.quote(request)[0], idempotency_key="k")
    assert {d.size for d in shipment.documents} == {"4x6", "letter", ""}

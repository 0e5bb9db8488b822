"""One contract for every carrier. A new adapter joins by adding itself to ``CARRIERS``."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.adapters import carriers
from portal.core.shipping import DocumentKind, Method, Pays, Rate, Shipment, TrackingQuery
from portal.ports import Carrier, Declined
from tests.adapters.parcels import CUSTOMER, NOW, a_request, codes_of

CARRIERS: dict[str, Callable[[], Carrier]] = {
    "house": lambda: carriers.build(tracking_url="https://shop.example.com/t/{number}")["house"],
    "house, simulating": lambda: carriers.build(simulated_step=timedelta(minutes=1))["house"],
    "own": lambda: carriers.build()["own"],
}


@pytest.fixture(params=CARRIERS.values(), ids=CARRIERS.keys())
def carrier(request: pytest.FixtureRequest) -> Carrier:
    return request.param()


def bought(carrier: Carrier, *, key: str = "key-1", rate: Rate | None = None) -> Shipment:
    request = a_request()
    return carrier.create_return(request, rate or carrier.quote(request)[0], idempotency_key=key)


def test_it_has_a_code_a_name_and_a_way_of_sending(carrier):
    assert carrier.code.isidentifier()
    assert carrier.code == carrier.code.lower()
    assert carrier.name
    assert carrier.capabilities.methods <= set(Method)
    assert carrier.capabilities.methods
    assert carrier.capabilities.charged in ("on_creation", "on_acceptance", "none")


def test_it_says_that_it_is_well(carrier):
    assert carrier.health() is None


def test_rates_are_of_this_carrier_in_minor_units_of_the_asked_currency_cheapest_first(carrier):
    rates = carrier.quote(a_request())
    assert rates
    assert {rate.carrier for rate in rates} == {carrier.code}
    assert {rate.currency for rate in rates} == {"EUR"}
    assert all(type(rate.amount) is int and rate.amount >= 0 for rate in rates)
    assert [rate.amount for rate in rates] == sorted(rate.amount for rate in rates)
    assert {rate.method for rate in rates} <= carrier.capabilities.methods


def test_a_rate_can_be_found_again_by_its_id(carrier):
    rates = carrier.quote(a_request())
    assert len({rate.id for rate in rates}) == len(rates)
    assert carrier.quote(replace(a_request(), now=NOW + timedelta(hours=3))) == rates


def test_every_method_it_claims_is_offered_when_asked_for_alone_and_no_other(carrier):
    for method in Method:
        request = a_request(method=method)
        if method in carrier.capabilities.methods:
            assert {rate.method for rate in carrier.quote(request)} == {method}
        else:
            with pytest.raises(Declined, match="method_not_offered"):
                carrier.quote(request)


def test_every_rate_it_quotes_can_be_bought(carrier):
    for rate in carrier.quote(a_request()):
        shipment = bought(carrier, key=rate.id, rate=rate)
        assert (shipment.carrier, shipment.method, shipment.service) == (
            carrier.code,
            rate.method,
            rate.service,
        )
        assert (shipment.cost, shipment.currency) == (rate.amount, rate.currency)
        assert shipment.external_id
        assert shipment.documents


def test_the_same_key_gives_the_same_shipment_byte_for_byte_even_from_another_process(carrier, request):
    again = request.node.callspec.params["carrier"]()
    assert bought(carrier) == bought(carrier) == bought(again)


def test_another_key_gives_another_shipment(carrier):
    one, other = bought(carrier, key="key-1"), bought(carrier, key="key-2")
    assert one.external_id != other.external_id
    if one.tracking_number:
        assert one.tracking_number != other.tracking_number


def test_a_rate_that_is_not_its_own_is_declined(carrier):
    strange = replace(carrier.quote(a_request())[0], id="elsewhere.1")
    with pytest.raises(Declined, match="rate_gone"):
        bought(carrier, rate=strange)


def test_label_formats_are_the_ones_it_claims_and_each_reads_back_as_the_tracking_number(carrier):
    shipment = bought(carrier)
    labels = [d for d in shipment.documents if d.kind == DocumentKind.LABEL]
    assert {d.format for d in labels} == carrier.capabilities.label_formats
    for label in labels:
        if label.format in ("pdf", "png"):
            assert ("Code128", shipment.tracking_number) in codes_of(label.content, label.format)


def test_no_two_documents_are_of_one_kind_format_and_size(carrier):
    keys = [(d.kind, d.format, d.size) for d in bought(carrier).documents]
    assert len(set(keys)) == len(keys)


def test_voiding_twice_is_no_error_where_it_can_be_voided(carrier):
    shipment = bought(carrier)
    if carrier.capabilities.void:
        assert carrier.void(shipment) is None
        assert carrier.void(shipment) is None
    else:
        with pytest.raises(Declined, match="not_voidable"):
            carrier.void(shipment)


def test_news_is_of_the_numbers_asked_for_not_from_the_future_and_oldest_first(carrier):
    query = TrackingQuery(tracking_number="RA123456785XA", handed_over_at=NOW)
    for passed in (timedelta(0), timedelta(minutes=2, seconds=30), timedelta(days=9)):
        news = carrier.track([query], now=NOW + passed)
        assert {update.tracking_number for update in news} <= {query.tracking_number}
        assert all(NOW <= update.at <= NOW + passed for update in news)
        assert [update.at for update in news] == sorted(update.at for update in news)
        assert len({update.digest for update in news}) == len(news)


def test_of_an_unknown_number_nothing_is_known(carrier):
    assert carrier.track([TrackingQuery(tracking_number="RA123456785XA")], now=NOW) == ()
    assert carrier.track([], now=NOW) == ()


def test_service_points_come_nearest_first_and_no_more_than_asked(carrier):
    points = carrier.service_points(CUSTOMER)
    assert [p.distance_m for p in points] == sorted(p.distance_m for p in points)
    assert len(carrier.service_points(CUSTOMER, limit=1)) == min(1, len(points))
    assert {p.carrier for p in points} <= {carrier.code}
    if Method.DROPOFF_POINT in carrier.capabilities.methods:
        assert points


def test_pickup_slots_lie_ahead_soonest_first(carrier):
    slots = carrier.pickup_slots(CUSTOMER, [a_request().parcel], now=NOW)
    assert bool(slots) == (Method.PICKUP in carrier.capabilities.methods)
    assert [(s.on, s.opens) for s in slots] == sorted((s.on, s.opens) for s in slots)
    assert all(s.on > NOW.astimezone(ZoneInfo(s.timezone)).date() and s.opens < s.closes for s in slots)
    assert len({s.id for s in slots}) == len(slots)


def test_a_pickup_is_agreed_once_per_key_and_can_be_called_off_twice(carrier):
    shipment = bought(carrier)
    for slot in carrier.pickup_slots(CUSTOMER, [a_request().parcel], now=NOW)[:1]:
        agreed = [
            carrier.schedule_pickup(slot, shipment, now=NOW, idempotency_key=k) for k in ("a", "a", "b")
        ]
        assert agreed[0] == agreed[1]
        assert agreed[0].confirmation_number != agreed[2].confirmation_number
        carrier.cancel_pickup(agreed[0])
        carrier.cancel_pickup(agreed[0])
        with pytest.raises(Declined, match="slot_gone"):
            carrier.schedule_pickup(slot, shipment, now=NOW + timedelta(days=30), idempotency_key="c")


def test_who_pays_is_told_by_the_rate(carrier):
    asked = {rate.pays for rate in carrier.quote(a_request(pays=Pays.DEDUCT))}
    assert asked == (
        {Pays.CUSTOMER} if carrier.capabilities.methods == {Method.OWN_CARRIER} else {Pays.DEDUCT}
    )

"""The way back: chosen by what is offered now, papers that can be read, labels that fail or are not needed."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.db import returns as stored
from portal.services import jobs
from portal.services.filing import progress, returns, shipping
from portal.services.handling import confirmation, dossiers
from tests.builders import (
    HOME,
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    chosen,
    fill,
)


@pytest.fixture
def shop(session):
    return a_merchant()


def make_label(return_id, gateways):
    parcel = dossiers.parcels(return_id)[0]
    shipping.make_label(parcel.id, gateways=gateways, now=NOW)
    return dossiers.parcels(return_id)[0]


def test_label_slip_and_receipt_are_made_once_and_read_by_whoever_may(shop, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    parcel = make_label(return_id, gateways)
    assert parcel.state == "label_created" and parcel.tracking_number
    assert make_label(return_id, gateways).tracking_number == parcel.tracking_number
    customer = a_customer(return_id, shop)
    papers = shipping.documents(customer, return_id)
    kinds = {(paper["kind"], paper["format"]) for paper in papers}
    assert {("label", "pdf"), ("label", "png"), ("label", "zpl"), ("receipt", "pdf")} <= kinds
    beginnings = {"pdf": b"%PDF", "png": b"\x89PNG", "zpl": b"^XA", "svg": b"<svg"}
    for paper in papers:
        made = shipping.document(customer, return_id, **paper)
        assert made.content.startswith(beginnings[paper["format"]])
    with pytest.raises(NotFound):
        shipping.documents(a_person(a_merchant()), return_id)
    with pytest.raises(NotFound):
        shipping.document(customer, return_id, kind="label", format="gif")
    assert [mail.event for mail in dossiers.dossier(a_person(shop), return_id, now=NOW).mails] == ["approved"]
    assert progress.progress(customer, return_id, now=NOW).parcel.tracking_number == parcel.tracking_number


def test_what_is_not_offered_is_not_chosen(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    with pytest.raises(Conflict, match="no_address"):
        shipping.ways(agent, draft, gateways=gateways, now=NOW)
    returns.set_address(agent, draft, HOME, now=NOW)
    ways = shipping.ways(agent, draft, gateways=gateways, now=NOW)
    qr = next(way for way in ways if way.points)
    own = next(way for way in ways if way.rate.method == "own_carrier")
    for given, code in (
        ({"rate_id": "no such"}, "rate_gone"),
        ({"rate_id": qr.rate.id, "point_id": "no such"}, "point_unknown"),
        ({"rate_id": own.rate.id, "tracking_number": "?"}, "tracking_number_wrong"),
    ):
        with pytest.raises(Conflict, match=code):
            shipping.choose_sending(agent, draft, **given, gateways=gateways, now=NOW)


def test_a_way_that_is_chosen_leaves_every_other_on_offer(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    returns.choose_lines(agent, draft, chosen(order, {"MUG": 1}), now=NOW)
    returns.set_address(agent, draft, HOME, now=NOW)
    offered = shipping.ways(agent, draft, gateways=gateways, now=NOW)
    qr = next(way for way in offered if way.points)
    point = qr.points[0].id
    shipping.choose_sending(agent, draft, rate_id=qr.rate.id, point_id=point, gateways=gateways, now=NOW)
    assert shipping.ways(agent, draft, gateways=gateways, now=NOW) == offered
    printed = next(way for way in offered if way.rate.method == "print_at_home")
    shipping.choose_sending(agent, draft, rate_id=printed.rate.id, gateways=gateways, now=NOW)
    assert returns.page(agent, draft, now=NOW).draft.sending.method == "print_at_home"


def test_items_that_change_while_carriers_are_asked_make_the_choice_stale(shop, gateways):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, units={"MUG": 1})
    rate = returns.page(agent, draft, now=NOW).draft.sending.rate_id

    class Meanwhile(dict):
        def values(self):
            returns.choose_lines(agent, draft, chosen(order, {"MUG": 2}), now=NOW)
            return super().values()

    from dataclasses import replace

    slow = replace(gateways, carriers=Meanwhile(gateways.carriers))
    with pytest.raises(Stale):
        shipping.choose_sending(agent, draft, rate_id=rate, gateways=slow, now=NOW)


def test_a_label_that_could_not_be_made_is_told_and_asked_for_again(shop, gateways, session):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    from portal.db.shipments import Shipment

    parcel = session.get(Shipment, dossiers.parcels(return_id)[0].id)
    sending = parcel.sending
    parcel.sending = sending | {"rate_id": "withdrawn"}
    session.commit()
    assert make_label(return_id, gateways).state == "exception"
    parcel.sending = sending
    session.commit()
    with pytest.raises(NotAllowed):
        shipping.label_again(a_customer(return_id, shop), return_id, now=NOW)
    shipping.label_again(a_person(shop), return_id, now=NOW)
    assert make_label(return_id, gateways).state == "label_created"
    with pytest.raises(Conflict, match="no_label_failed"):
        shipping.label_again(a_person(shop), return_id, now=NOW)


def test_a_canceled_return_gets_no_label_and_one_that_has_a_label_voids_it(shop, gateways):
    agent = a_person(shop)
    early, late = (a_return(gateways, shop, an_order(gateways, shop)) for _ in range(2))
    confirmation.cancel(agent, early, now=NOW)
    assert make_label(early, gateways).state == "canceled" and shipping.documents(agent, early) == ()
    parcel = make_label(late, gateways)
    confirmation.cancel(agent, late, now=NOW)
    jobs.void(parcel.id, gateways=gateways)
    assert dossiers.parcels(late)[0].state == "canceled" and dossiers.parcels(late)[0].error == ""


def test_handing_over_is_said_once_by_the_customer(shop, gateways):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    make_label(return_id, gateways)
    customer = a_customer(return_id, shop)
    for _ in range(2):
        shipping.hand_over(customer, return_id, now=NOW)
    assert stored.get(return_id).state == "in_transit"
    assert dossiers.parcels(return_id)[0].handed_over_at == NOW
    with pytest.raises(NotAllowed):
        shipping.hand_over(a_person(shop, "finance"), return_id, now=NOW)


def test_a_pick_up_needs_one_of_its_times(shop, gateways):
    order = an_order(gateways, shop)
    agent = a_person(shop)
    draft = a_draft(agent, shop, order)
    fill(agent, draft, gateways, order=order, method="pickup")
    assert returns.page(agent, draft, now=NOW).draft.sending.slot_label
    way = next(w for w in shipping.ways(agent, draft, gateways=gateways, now=NOW) if w.slots)
    with pytest.raises(Conflict, match="slot_gone"):
        shipping.choose_sending(agent, draft, rate_id=way.rate.id, gateways=gateways, now=NOW)
    confirmation.confirm(agent, draft, site=SITE, now=NOW)
    assert make_label(draft, gateways).state == "label_created"


def test_of_many_parcels_none_is_left_out_of_being_tracked(shop, gateways, session):
    """However many there are: whoever waits longest is asked about first."""
    asked = []
    for _ in range(5):
        make_label(a_return(gateways, shop, an_order(gateways, shop)), gateways)
    carrier = gateways.carriers[dossiers.parcels(_returns(session)[0])[0].carrier]

    class Listening:
        capabilities = replace(carrier.capabilities, tracking=True)

        def track(self, queries, *, now):
            asked.extend(query.tracking_number for query in queries)
            return ()

    listening = {code: Listening() for code in gateways.carriers}
    for minutes in range(3):
        moment = NOW + timedelta(minutes=minutes)
        shipping.track(gateways=replace(gateways, carriers=listening), now=moment, limit=2)
    assert len(asked) == 6 and len(set(asked)) == 5 and asked[5] == asked[0]


def _returns(session):
    return session.scalars(sa.select(stored.Return.id)).all()

"""Many returns at once: what each came to, the labels of all in one file, and the last mail of each again."""

from datetime import timedelta
from uuid import uuid4

import pypdfium2
import pytest
import sqlalchemy as sa

from portal.core.access import Conflict
from portal.db.base import db
from portal.db.returns import Return
from portal.db.shipments import Shipment
from portal.services.handling import bulk, confirmation, deciding
from portal.services.talking import notices
from tests.adapters.parcels import bars_of
from tests.builders import NOW, SITE, a_draft, a_merchant, a_person, a_return, an_order, receive

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def one(shop, gateways, drain):
    """Makes a return that is approved and has its label."""

    def made(merchant=shop):
        found = a_return(gateways, merchant, an_order(gateways, merchant), site=SITE)
        db.session.commit()
        drain()
        return found

    return made


def codes(results):
    return [result.code for result in results]


def test_labels_come_as_one_file_in_the_order_asked_for(one, shop, gateways):
    agent = a_person(shop, "csr")
    first, second, draft = one(), one(), a_draft(agent, shop, an_order(gateways, shop))
    asked = [second, draft, first, second]
    assert codes(bulk.run(agent, "labels", asked, now=LATER)) == ["", "no_label", ""]
    made = bulk.labels(agent, asked, gateways=gateways, language="en")
    assert len(pypdfium2.PdfDocument(made.content)) == 2
    parcels = dict(db.session.execute(sa.select(Shipment.return_id, Shipment.tracking_number)).all())
    assert bars_of(made.content) == [parcels[second], parcels[first]]


def test_nobody_prints_the_label_of_another_shop(one, shop, gateways):
    theirs, stranger = one(), a_person(a_merchant(slug="elsewhere"), "admin")
    assert codes(bulk.run(stranger, "labels", [theirs], now=LATER)) == ["not_found"]
    with pytest.raises(Conflict, match="no_label"):
        bulk.labels(stranger, [theirs], gateways=gateways, language="en")


def test_a_parcel_that_was_called_off_has_no_label_any_more(one, shop):
    agent, gone = a_person(shop), one()
    assert codes(bulk.run(agent, "labels", [gone], now=LATER)) == [""]
    confirmation.cancel(agent, gone, now=LATER)
    assert codes(bulk.run(agent, "labels", [gone], now=LATER)) == ["no_label"]


def test_what_was_told_last_is_told_again_and_written_down(one, shop, drain, gateways):
    agent, approved, arrived = a_person(shop, "csr"), one(), one()
    receive(shop, arrived)
    db.session.commit()
    drain()
    unknown = uuid4()
    results = bulk.run(agent, "resend", [approved, arrived, unknown, approved], now=LATER)
    assert codes(results) == ["", "", "not_found"]
    assert [mail.event for mail in notices.of_return(approved)] == ["approved", "approved"]
    assert [mail.event for mail in notices.of_return(arrived)] == ["approved", "received", "received"]
    assert codes(bulk.run(agent, "resend", [approved], now=LATER)) == ["mail_queued"]


def test_without_an_address_nothing_is_sent_and_the_row_says_so(one, shop):
    approved = one()
    db.session.get(Return, approved).email = ""
    db.session.commit()
    assert codes(bulk.run(a_person(shop), "resend", [approved], now=LATER)) == ["nowhere_to_send"]
    assert len(notices.of_return(approved)) == 1


@pytest.mark.parametrize("role", ["finance", "warehouse"])
def test_who_may_not_write_to_customers_resends_nothing(one, shop, role):
    approved = one()
    assert codes(bulk.run(a_person(shop, role), "resend", [approved], now=LATER)) == ["not_allowed"]
    assert codes(bulk.run(a_person(shop, role), "labels", [approved], now=LATER)) == [""]
    assert len(notices.of_return(approved)) == 1


def test_more_than_can_be_printed_at_once_is_refused_as_a_whole(one, shop, gateways):
    asked = [one(), *(uuid4() for _ in range(bulk.MOST))]
    with pytest.raises(Conflict, match="too_many_returns"):
        bulk.labels(a_person(shop), asked, gateways=gateways, language="en")


def test_what_a_colleague_decided_since_is_not_taken_back_with_the_others(shop, gateways):
    agent, boss = a_person(shop, "csr"), a_person(shop)
    made = [a_return(gateways, shop, an_order(gateways, shop)) for _ in range(2)]
    bulk.run(agent, "undo", made, now=NOW)
    done = bulk.run(agent, "approve", made, now=LATER)
    assert codes(done) == ["", ""]
    deciding.undo(boss, made[1], now=LATER)
    deciding.decline(boss, made[1], reason="excessive_wear", now=LATER)
    seen = {one.return_id: one.version for one in done}
    assert codes(bulk.run(agent, "undo", made, versions=seen, now=LATER)) == ["", "stale"]
    states = {one: db.session.get(Return, one, populate_existing=True).state for one in made}
    assert states == {made[0]: "requested", made[1]: "declined"}

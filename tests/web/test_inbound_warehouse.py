"""Deliveries of a warehouse over HTTP: proved, stored once, a question answered; or refused with nothing written."""

import io
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db.merchants import Merchant
from portal.db.orders import OrderLine
from portal.db.warehouse import WarehouseEvent
from portal.services import work
from portal.services.stockroom import asking
from tests.builders import a_merchant
from tests.services.cancelling import NOW, beside, canceled, goods, unshipped
from tests.warehouse_server import running, valid

HERE = "/inbound/warehouse/rest"


@pytest.fixture
def server():
    with running() as there:
        yield there


@pytest.fixture
def app(make_app, server):
    made = make_app(**server.environ())
    made.config["CLOCK"] = lambda: NOW
    return made


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def order(session, gateways, shop):
    return unshipped(gateways, shop, goods("MUG", 3))


@pytest.fixture
def slug(session, shop):
    session.rollback()
    return session.scalars(sa.select(Merchant.slug).where(Merchant.id == shop)).one()


@pytest.fixture
def told(server, slug, order):
    """(headers, body) of one mug that was shipped."""
    data = {"merchant": slug, "order": order.number, "lines": [{"line": "1", "units": 1}]}
    return server.event("shipped", data, id="evt-1", at=NOW)


def post(client, told, address=HERE, *, type="application/json"):
    headers, body = told
    return client.post(address, data=body, headers=headers, content_type=type, csrf=False)


def stored(session):
    session.rollback()
    session.expire_all()
    return session.execute(sa.select(WarehouseEvent.event_id, WarehouseEvent.outcome)).all()


def test_an_event_is_stored_once_and_its_work_is_promised_with_it(client, session, told):
    answers = [post(client, told) for _ in range(3)]
    assert [(one.status_code, one.get_json()) for one in answers] == [
        (200, {"version": 1, "stored": True})
    ] * 3
    assert stored(session) == [("evt-1", "")]
    assert [item.kind for item in work.listing() if item.kind == "warehouse_event"] == ["warehouse_event"]


def test_what_was_shipped_is_known_when_the_work_is_done(client, session, told, order, drain):
    post(client, told)
    drain()
    assert stored(session) == [("evt-1", "shipped")]
    wanted = sa.select(OrderLine.shipped_units).where(OrderLine.order_id == order.id)
    assert session.scalars(wanted).all() == [1]


def test_a_question_is_answered_with_what_may_be_picked(client, session, server, slug, order, gateways, shop):
    known = asking.known_as(order.id)
    server.take_in(slug, known.order, {"1": ("MUG", 3)})
    canceled(gateways, shop, order, {"MUG": 1})
    data = {"merchant": slug, "order": known.order, "lines": [{"sku": "MUG", "units": 3}]}
    asked = server.event("pick.asked", data, id="evt-pick", at=NOW)
    for _ in range(2):
        answer = post(client, asked)
        assert answer.status_code == 200
        assert valid("event_answer", answer.get_json())["lines"] == [{"line": "1", "sku": "MUG", "units": 2}]
    session.rollback()
    wanted = sa.select(OrderLine.picked_units).where(OrderLine.order_id == order.id)
    assert session.scalars(wanted).all() == [2]


def test_a_late_answer_over_http_lets_the_refund_go(
    client, session, server, slug, order, gateways, shop, drain
):
    known = asking.known_as(order.id)
    server.take_in(slug, known.order, {"1": ("MUG", 3)})
    server.will_answer(known.order, "pending")
    made = canceled(gateways, shop, order, {"MUG": 1})
    drain()
    assert beside(made).warehouse_state == "pending"
    server.settle()
    key = f"leave-out-{made}"
    data = {"merchant": slug, "order": known.order, "key": key, "state": "released"}
    assert post(client, server.event("leave_out.answered", data, at=NOW)).status_code == 200
    drain()
    session.rollback()
    assert beside(made).warehouse_state == "released"
    assert [(amount, state) for *_, amount, state in gateways.payments["sandbox"].refunds()] == [
        (1000, "succeeded")
    ]


def test_an_event_needs_no_form_no_session_and_counts_for_no_limit(client, session, server, slug):
    data = {"merchant": slug, "order": "nobody's", "lines": [{"sku": "MUG", "units": 1}]}
    for number in range(120):
        assert post(client, server.event("shipped", data, id=f"evt-{number}", at=NOW)).status_code == 200
    assert len(stored(session)) == 120
    assert client.get(HERE, check=False).status_code == 405


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers, body: ({}, body),
        lambda headers, body: (headers | {"webhook-signature": "v1,00"}, body),
        lambda headers, body: (headers | {"webhook-id": "evt-2"}, body),
        lambda headers, body: (headers, json.dumps(json.loads(body), indent=2).encode()),
        lambda headers, body: (headers, body + b" "),
        lambda headers, body: (headers, b""),
    ],
    ids=["unsigned", "garbled", "other_id", "written_anew", "longer", "empty"],
)
def test_what_is_not_proved_is_refused_and_nothing_is_written(client, session, told, spoil):
    answer = post(client, spoil(*told))
    assert answer.status_code == 401 and valid("error", answer.get_json())["error"]["code"] == "forged"
    assert stored(session) == [] and [one for one in work.listing() if one.kind == "warehouse_event"] == []


def test_somebody_elses_secret_proves_nothing(client, session, server, slug):
    data = {"merchant": slug, "order": "x", "lines": [{"sku": "MUG", "units": 1}]}
    forged = server.event("shipped", data, at=NOW, secret="whsec_" + "QUJD" * 12)
    assert post(client, forged).status_code == 401 and stored(session) == []


def test_a_delivery_that_is_played_again_later_is_refused(app, client, session, told):
    for moment, status in ((NOW + timedelta(seconds=301), 401), (NOW + timedelta(seconds=299), 200)):
        app.config["CLOCK"] = lambda moment=moment: moment
        assert post(client, told).status_code == status
    assert len(stored(session)) == 1


def test_what_is_signed_and_makes_no_sense_is_refused_with_its_place(client, session, server, slug):
    wrong = {"version": 1, "type": "shipped", "timestamp": NOW.isoformat(),
             "data": {"merchant": slug, "order": "x", "lines": [{"sku": "MUG", "units": 0}]}}  # fmt: skip
    answer = post(client, server.signed(json.dumps(wrong).encode(), at=NOW))
    assert answer.status_code == 400
    assert "lines[0].units" in answer.get_json()["error"]["message"]
    stranger = wrong | {"data": {"merchant": "nobody", "order": "x", "lines": [{"sku": "MUG", "units": 1}]}}
    assert post(client, server.signed(json.dumps(stranger).encode(), at=NOW)).status_code == 400
    assert stored(session) == []


def test_what_this_version_does_not_know_is_taken_and_passed_over(client, session, server):
    other = {"version": 1, "type": "weather.changed", "timestamp": NOW.isoformat(), "data": {}}
    assert post(client, server.signed(json.dumps(other).encode(), at=NOW)).status_code == 200
    assert stored(session) == []


def test_the_wrong_type_and_too_much_are_refused(client, session, told):
    headers, _ = told
    assert post(client, told, type="text/plain").status_code == 415
    big = io.BytesIO(b" " * 2 * 1024 * 1024)
    answer = client.post(HERE, input_stream=big, content_length=2 * 1024 * 1024, headers=headers,
                         content_type="application/json", csrf=False)  # fmt: skip
    assert answer.status_code == 413 and stored(session) == []


def test_a_warehouse_that_is_not_there_is_not_found(client, session, told):
    for code in ("sandbox", "nowhere"):
        assert post(client, told, f"/inbound/warehouse/{code}").status_code == 404
    assert stored(session) == []


def test_what_a_browser_sends_from_another_site_is_refused(client, session, told):
    headers, body = told
    assert post(client, (headers | {"Sec-Fetch-Site": "cross-site"}, body)).status_code == 403
    assert stored(session) == []

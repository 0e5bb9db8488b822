"""Deliveries of payment gateways: stored once and answered at once, or refused with nothing written."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from portal.db.gateway import GatewayEvent
from portal.services import work

NOW = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
HERE = "/inbound/payments/sandbox"


@pytest.fixture
def client(app):
    app.config["CLOCK"] = lambda: NOW
    return app.test_client()


@pytest.fixture
def sandbox(gateways):
    found = gateways.payments["sandbox"]
    found.learn("cap-1", captured=10_000, currency="EUR")
    return found


@pytest.fixture
def told(sandbox):
    """(headers, body) of an event about a refund that somebody made over there."""
    return sandbox.announce(sandbox.refund_outside("cap-1", 500), now=NOW)


def post(client, told, address=HERE, *, type="application/json"):
    headers, body = told
    return client.post(address, data=body, headers=headers, content_type=type, csrf=False)


def stored(session):
    session.rollback()
    return session.execute(sa.select(GatewayEvent.event_id, GatewayEvent.state)).all()


def test_an_event_is_stored_once_and_its_work_is_promised_with_it(client, session, told):
    answers = [post(client, told).status_code for _ in range(3)]
    assert answers == [200, 200, 200]
    assert len(stored(session)) == 1
    assert [item.kind for item in work.listing()] == ["gateway_event"]


def test_an_event_needs_no_form_no_session_and_counts_for_no_limit(client, session, sandbox):
    refund = sandbox.refund_outside("cap-1", 500)
    for number in range(150):
        assert post(client, sandbox.announce(refund, now=NOW, number=number)).status_code == 200
    assert len(stored(session)) == 150
    assert client.get(HERE).status_code == 405


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers, body: ({}, body),
        lambda headers, body: ({"Sandbox-Signature": "0,00"}, body),
        lambda headers, body: (headers, json.dumps(json.loads(body), indent=2).encode()),
        lambda headers, body: (headers, body + b" "),
        lambda headers, body: (headers, b""),
    ],
    ids=["unsigned", "garbled", "written_anew", "longer", "empty"],
)
def test_what_is_not_proved_is_refused_and_nothing_is_written(client, session, told, spoil):
    answer = post(client, spoil(*told))
    assert answer.status_code == 400 and stored(session) == [] and work.listing() == []


def test_an_old_signature_is_refused(app, client, session, told):
    for moment, status in ((NOW + timedelta(seconds=301), 400), (NOW + timedelta(seconds=299), 200)):
        app.config["CLOCK"] = lambda moment=moment: moment
        assert post(client, told).status_code == status
    assert len(stored(session)) == 1


def test_a_signed_body_that_makes_no_sense_is_refused(client, session, sandbox):
    for body in (b"[]", b"{}", b"not json", b'{"id": "x"}'):
        stamp = str(int(NOW.timestamp()))
        signed = {"Sandbox-Signature": f"{stamp},{sandbox._sign(stamp, body)}"}
        assert post(client, (signed, body)).status_code == 400
    assert stored(session) == []


def test_the_wrong_type_is_refused(client, session, told):
    for wrong in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert post(client, told, type=wrong).status_code == 415
    assert stored(session) == []


def test_a_body_of_two_megabytes_is_refused_unread(client, session, told):
    headers, _ = told
    big = io.BytesIO(b" " * 2 * 1024 * 1024)
    answer = client.post(HERE, input_stream=big, content_length=2 * 1024 * 1024, headers=headers,
                         content_type="application/json", csrf=False)  # fmt: skip
    assert answer.status_code == 413 and stored(session) == []


def test_a_gateway_that_is_not_there_is_not_found(client, session, told):
    assert post(client, told, "/inbound/payments/nowhere").status_code == 404
    assert stored(session) == []


def test_what_a_browser_sends_from_another_site_is_refused(client, session, told):
    headers, body = told
    assert post(client, (headers | {"Sec-Fetch-Site": "cross-site"}, body)).status_code == 403
    assert stored(session) == []

"""Stripe's deliveries at the portal's own address: believed when proved, refused with nothing written (T08)."""

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from portal.db.gateway import GatewayEvent
from portal.services import work
from tests.stripe_server import running
from tests.stripe_server.events import signature

NOW = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
THEN = int(NOW.timestamp())
HERE = "/inbound/payments/stripe"
OLD = "whsec_the_one_before"


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def app(make_app, server):
    made = make_app(**server.environ())
    made.config["CLOCK"] = lambda: NOW
    return made


@pytest.fixture
def event(server):
    refund = server.refund_outside(server.payment(10_000), 500)
    return server.events("refund.created", about=refund)[0]


def post(client, headers, body, type="application/json; charset=utf-8"):
    sent = {name: value for name, value in headers.items() if name != "Content-Type"}
    return client.post(HERE, data=body, headers=sent, content_type=type, csrf=False).status_code


def stored(session):
    session.rollback()
    return list(session.scalars(sa.select(GatewayEvent.event_id)))


def header(value):
    return {"Stripe-Signature": value}


SPOILT = {
    "none": lambda body, secret: ({}, body),
    "garbled": lambda body, secret: (header("t=1,v1=x"), body),
    "foreign": lambda body, secret: (header(signature("whsec_foreign", body, THEN)), body),
    "old": lambda body, secret: (header(signature(secret, body, THEN - 301)), body),
    "of the future": lambda body, secret: (header(signature(secret, body, THEN + 301)), body),
    "re-serialised": lambda body, secret: (
        header(signature(secret, body, THEN)), json.dumps(json.loads(body)).encode(),
    ),
    "of live mode": lambda body, secret: signed_anew(body, secret, livemode=True),
    "two megabytes": lambda body, secret: signed_anew(body, secret, padding="x" * 2_000_000),
    "no event": lambda body, secret: signed_anew(body, secret, object="list"),
    "without data": lambda body, secret: signed_anew(body, secret, data=None),
    "the secret before": lambda body, secret: (header(signature(OLD, body, THEN)), body),
}  # fmt: skip


def signed_anew(body, secret, **changed):
    changed_body = json.dumps({**json.loads(body), **changed}).encode()
    return header(signature(secret, changed_body, THEN)), changed_body


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_t08_what_is_not_proved_is_refused_and_nothing_is_written(client, session, server, event, spoil):
    _, body = server.signed(event, at=THEN)
    headers, sent = spoil(body, server.secret)
    assert 400 <= post(client, headers, sent) < 500
    assert stored(session) == [] and work.listing() == []


def test_t08_the_wrong_type_is_refused(client, session, server, event):
    headers, body = server.signed(event, at=THEN)
    assert post(client, headers, body, type="text/plain") == 415
    assert stored(session) == []


def test_t08_an_event_of_ours_is_stored_once_however_often_it_comes(client, session, server, event):
    headers, body = server.signed(event, at=THEN)
    assert [post(client, headers, body) for _ in range(5)] == [200] * 5
    assert stored(session) == [event["id"]]
    assert [item.kind for item in work.listing()] == ["gateway_event"]


def test_t08_while_a_secret_is_exchanged_both_are_believed(make_app, session, server, event):
    app = make_app(**server.environ(), STRIPE_WEBHOOK_SECRET_OLD=OLD)
    app.config["CLOCK"] = lambda: NOW
    client = app.test_client()
    for secret in (OLD, server.secret, "whsec_neither"):
        headers, body = server.signed(event, at=THEN, secret=secret)
        assert post(client, headers, body) == (400 if secret == "whsec_neither" else 200)
    assert stored(session) == [event["id"]]

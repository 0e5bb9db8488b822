"""Who may tell of an event, and what an event tells."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe as sdk

from portal.adapters.payments.stripe import StripePayments
from portal.adapters.payments.stripe_webhooks import LARGEST
from portal.ports import Forged
from tests.stripe_server import StripeServer, running
from tests.stripe_server.events import signature

NOW = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
THEN = int(NOW.timestamp())
OLD = "whsec_the_one_before"


@pytest.fixture(scope="module")
def server() -> Iterator[StripeServer]:
    with running() as started:
        yield started


@pytest.fixture
def event(server: StripeServer) -> dict[str, Any]:
    capture = server.payment(10_000)
    made = server.refund_outside(capture, 2_500)
    found: dict[str, Any] = server.events("refund.created", about=made)[0]
    return found


def gateway(server: StripeServer, *secrets: str, key: str = "") -> StripePayments:
    return StripePayments(
        api_key=key or server.key, api_base=server.url, webhook_secrets=secrets or (server.secret,)
    )


def test_what_the_official_library_signs_is_believed(server: StripeServer, event: dict[str, Any]) -> None:
    body = json.dumps(event)
    header = sdk.WebhookSignature.generate_signature_header(body, server.secret, timestamp=THEN)
    told = gateway(server).read_event({"Stripe-Signature": header}, body.encode(), now=NOW)
    assert told.id == event["id"] and told.kind == "refund"


def test_the_servers_own_signature_is_one_the_official_library_believes(
    server: StripeServer, event: dict[str, Any]
) -> None:
    headers, body = server.signed(event)
    assert sdk.WebhookSignature.verify_header(body, headers["Stripe-Signature"], server.secret, 300)


FORGED: list[tuple[str, Callable[[bytes, str], str]]] = [
    ("no header", lambda body, secret: ""),
    ("no moment", lambda body, secret: signature(secret, body, THEN).partition(",")[2]),
    ("no signature", lambda body, secret: f"t={THEN}"),
    ("garbled", lambda body, secret: "t=now,v1=yes"),
    ("two moments", lambda body, secret: f"t={THEN}," + signature(secret, body, THEN)),
    ("another scheme", lambda body, secret: signature(secret, body, THEN).replace("v1=", "v0=")),
    ("not ASCII", lambda body, secret: f"t={THEN},v1=é"),
    ("digits that are none", lambda body, secret: f"t=²,v1={signature(secret, body, THEN)[-64:]}"),
    ("a moment beyond all", lambda body, secret: signature(secret, body, 10**40)),
    ("foreign", lambda body, secret: signature("whsec_of_somebody_else", body, THEN)),
    ("the empty secret", lambda body, secret: signature("", body, THEN)),
    ("another body", lambda body, secret: signature(secret, body + b"\n", THEN)),
    (
        "another moment",
        lambda body, secret: signature(secret, body, THEN).replace(f"t={THEN}", f"t={THEN + 1}"),
    ),
    ("301 s old", lambda body, secret: signature(secret, body, THEN - 301)),
    ("301 s ahead", lambda body, secret: signature(secret, body, THEN + 301)),
    ("a long header", lambda body, secret: "x=1," * 5_000 + signature(secret, body, THEN)),
]


@pytest.mark.parametrize("header", [make for _, make in FORGED], ids=[name for name, _ in FORGED])
def test_a_delivery_that_proves_nothing_is_forged(
    server: StripeServer, event: dict[str, Any], header: Callable[[bytes, str], str]
) -> None:
    body = json.dumps(event).encode()
    with pytest.raises(Forged):
        gateway(server).read_event({"Stripe-Signature": header(body, server.secret)}, body, now=NOW)


def test_a_re_serialised_body_is_forged(server: StripeServer, event: dict[str, Any]) -> None:
    headers, body = server.signed(event, at=THEN)
    with pytest.raises(Forged):
        gateway(server).read_event(headers, json.dumps(json.loads(body)).encode(), now=NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_are_tolerated_either_way(
    server: StripeServer, event: dict[str, Any], seconds: int
) -> None:
    headers, body = server.signed(event, at=THEN)
    assert gateway(server).read_event(headers, body, now=NOW + timedelta(seconds=seconds)).id == event["id"]


def test_the_secret_before_is_believed_while_it_is_configured(
    server: StripeServer, event: dict[str, Any]
) -> None:
    headers, body = server.signed(event, at=THEN, secret=OLD)
    with pytest.raises(Forged):
        gateway(server).read_event(headers, body, now=NOW)
    both = gateway(server, server.secret, OLD)
    assert both.read_event(headers, body, now=NOW).id == event["id"]
    assert both.read_event(*server.signed(event, at=THEN), now=NOW).id == event["id"]


def test_while_stripe_signs_with_both_secrets_either_is_enough(
    server: StripeServer, event: dict[str, Any]
) -> None:
    headers, body = server.signed(event, at=THEN, secret=OLD)
    _, new = signature(server.secret, body, THEN).split(",")
    both = {"stripe-signature": f"{headers['Stripe-Signature']},{new}"}
    for secret in (OLD, server.secret):
        assert gateway(server, secret).read_event(both, body, now=NOW).id == event["id"]


@pytest.mark.parametrize("secrets", [("",), ("", "")])
def test_without_a_secret_nobody_is_believed(
    server: StripeServer, event: dict[str, Any], secrets: tuple[str, ...]
) -> None:
    headers, body = server.signed(event, at=THEN, secret="nothing is signed by nothing")
    there = StripePayments(api_key=server.key, api_base=server.url, webhook_secrets=secrets)
    with pytest.raises(Forged):
        there.read_event(headers, body, now=NOW)
    with pytest.raises(Forged):
        there.read_event({"Stripe-Signature": signature("", body, THEN)}, body, now=NOW)


@pytest.mark.parametrize(
    ("key", "live", "believed"),
    [
        ("sk_test_x", False, True),
        ("sk_test_x", True, False),
        ("rk_live_x", True, True),
        ("sk_live_x", False, False),
    ],
)
def test_an_event_must_be_of_the_keys_own_mode(
    server: StripeServer, event: dict[str, Any], key: str, live: bool, believed: bool
) -> None:
    headers, body = server.signed({**event, "livemode": live}, at=THEN)
    there = gateway(server, server.secret, key=key)
    if believed:
        assert there.read_event(headers, body, now=NOW).id == event["id"]
    else:
        with pytest.raises(Forged):
            there.read_event(headers, body, now=NOW)


def test_a_delivery_of_two_megabytes_is_not_even_read(server: StripeServer, event: dict[str, Any]) -> None:
    for size, believed in ((LARGEST // 2, True), (LARGEST, False), (2_000_000, False)):
        headers, body = server.signed({**event, "padding": "x" * size}, at=THEN)
        if believed:
            assert gateway(server).read_event(headers, body, now=NOW).id == event["id"]
        else:
            with pytest.raises(Forged):
                gateway(server).read_event(headers, body, now=NOW)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"\xff\xfe", b'{"object": "v2.core.event"}', b'{"object": "event", "livemode": false}',
     b'{"object": "event", "livemode": false, "id": "evt_1", "created": "soon", "type": "x", "data": {"object": {}}}',
     b'{"object": "event", "livemode": false, "id": "evt_1", "created": 1, "type": "refund.updated", "data": []}',
     b'{"object": "event", "livemode": false, "id": "evt_1", "created": 1, "type": "refund.failed",'
     b' "data": {"object": {"id": "re_1", "currency": "eur", "amount": "all"}}}'],
)  # fmt: skip
def test_what_is_signed_and_makes_no_sense_is_malformed(server: StripeServer, body: bytes) -> None:
    header = {"Stripe-Signature": signature(server.secret, body, THEN)}
    with pytest.raises(ValueError):
        gateway(server).read_event(header, body, now=NOW)


def test_every_event_of_a_refund_is_about_that_refund(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000, card="pending_refund")
    made = there.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    server.settle(made.reference)
    server.fail(made.reference)
    told = [
        (event["type"], there.read_event(*server.signed(event, at=THEN), now=NOW))
        for event in server.events(about=made.reference)
    ]
    assert [(kind, one.state) for kind, one in told] == [
        ("refund.created", "pending"),
        ("refund.updated", "succeeded"),
        ("charge.refund.updated", "succeeded"),
        ("refund.updated", "failed"),
        ("charge.refund.updated", "failed"),
        ("refund.failed", "failed"),
    ]
    for _, one in told:
        assert (one.kind, one.reference, one.key) == ("refund", made.reference, "k1")
        assert (one.capture, one.also) == (capture, server.charge_of(capture))
        assert (one.amount, one.currency) == (2_500, "EUR")
    assert len({one.id for _, one in told}) == 6


def test_a_charge_that_was_refunded_tells_of_the_capture_alone(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.refund_outside(capture, 100)
    (event,) = server.events("charge.refunded", about=server.charge_of(capture))
    told = there.read_event(*server.signed(event, at=THEN), now=NOW)
    assert (told.kind, told.reference, told.key, told.capture) == ("refund", "", "", capture)


def test_a_dispute_tells_its_state_and_an_inquiry_nothing(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    dispute = server.dispute(capture, 4_000)
    server.lose(dispute)
    told = [
        there.read_event(*server.signed(event, at=THEN), now=NOW) for event in server.events(about=dispute)
    ]
    assert {(one.kind, one.reference, one.capture, one.amount) for one in told} == {
        ("dispute", dispute, capture, 4_000)
    }
    assert [one.state for one in told] == ["open", "open", "lost"]
    inquiry = server.dispute(server.payment(500), status="warning_needs_response")
    (event,) = server.events(about=inquiry)
    assert there.read_event(*server.signed(event, at=THEN), now=NOW).kind == "other"


def test_any_other_event_is_known_and_left_alone(server: StripeServer) -> None:
    capture = server.payment(10_000)
    (event,) = server.events("payment_intent.succeeded", about=capture)
    assert gateway(server).read_event(*server.signed(event, at=THEN), now=NOW).kind == "other"

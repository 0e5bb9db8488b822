"""Signatures in the Standard Webhooks form: the published example fits, and nothing else does."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from portal.adapters import signatures
from portal.ports import Forged

SECRET, OTHER = signatures.new_secret(), signatures.new_secret()
NOW = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)
BODY = b'{"a": 1}'


def test_the_published_example_is_signed_to_the_letter() -> None:
    """The example of the libraries that speak this form: so any of them may prove what we send."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signatures.signed("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', secret=secret, at=at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_signed_is_proved_by_any_secret_in_use() -> None:
    headers = signatures.signed("evt-1", BODY, secret=SECRET, at=NOW)
    assert signatures.proved(headers, BODY, secrets=(OTHER, SECRET), now=NOW) == "evt-1"
    both = headers | {"webhook-signature": f"v1,AAAA v2,xyz {headers['webhook-signature']}"}
    assert signatures.proved(both, BODY, secrets=(SECRET,), now=NOW) == "evt-1"


@pytest.mark.parametrize(
    "spoil",
    [
        {"webhook-id": ""}, {"webhook-id": "evt 1"}, {"webhook-id": "e" * 101}, {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "-1"}, {"webhook-timestamp": "9" * 13}, {"webhook-signature": ""},
        {"webhook-signature": "v1,"}, {"webhook-signature": "v2,AAAA"},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_forged(spoil: dict[str, str]) -> None:
    headers = signatures.signed("evt-1", BODY, secret=SECRET, at=NOW) | spoil
    with pytest.raises(Forged):
        signatures.proved(headers, BODY, secrets=(SECRET,), now=NOW)


def test_the_age_of_a_signature_is_judged_both_ways() -> None:
    headers = signatures.signed("evt-1", BODY, secret=SECRET, at=NOW)
    for seconds in (-300, 300):
        assert signatures.proved(headers, BODY, secrets=(SECRET,), now=NOW + timedelta(seconds=seconds))
    for seconds in (-301, 301):
        with pytest.raises(Forged):
            signatures.proved(headers, BODY, secrets=(SECRET,), now=NOW + timedelta(seconds=seconds))


def test_too_much_is_not_even_compared() -> None:
    body = b" " * (signatures.LARGEST + 1)
    headers = signatures.signed("evt-1", body, secret=SECRET, at=NOW)
    with pytest.raises(Forged, match="large"):
        signatures.proved(headers, body, secrets=(SECRET,), now=NOW)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!!", "whsec_QUJD", base64.b64encode(b"x" * 32).decode()]
)
def test_a_weak_secret_is_none(secret: str) -> None:
    with pytest.raises(ValueError):
        signatures.key_of(secret)

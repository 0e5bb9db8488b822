"""Signatures in the Standard Webhooks form: who sent these bytes, and when.

``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` go with a body; signed is
``<id>.<timestamp>.<body>`` with HMAC-SHA256 under the bytes of a ``whsec_`` secret.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets as chance
from collections.abc import Mapping, Sequence
from datetime import datetime

from portal.ports import Forged

TOLERANCE_SECONDS = 300
"""What was signed longer ago, or as long in the future, is not believed."""

LARGEST = 256 * 1024
"""Bytes of a signed body; those of orders have a few thousand."""

PREFIX = "whsec_"
LEAST_BYTES = 24
_ID = re.compile(r"[\x21-\x7e]{1,100}")


def new_secret() -> str:
    """A secret of 32 random bytes."""
    return PREFIX + base64.b64encode(chance.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a ``whsec_`` secret. Raises ``ValueError``."""
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as problem:
        raise ValueError("the secret is not base64") from problem
    if not secret.startswith(PREFIX) or len(found) < LEAST_BYTES:
        raise ValueError(f"the secret should be {PREFIX} and base64 of {LEAST_BYTES} or more bytes")
    return found


def signed(message_id: str, body: bytes, *, secret: str, at: datetime) -> dict[str, str]:
    """The three headers that go with ``body``."""
    stamp = str(int(at.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + _signature(message_id, stamp, body, secret),
    }


def proved(headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime) -> str:
    """The id of a message that one of ``secrets`` has signed lately. Raises ``Forged``.

    ``headers`` are looked up without regard to case; every pair is compared, in constant time.
    """
    if len(body) > LARGEST:
        raise Forged("the message is too large")
    told = {name.lower(): value for name, value in headers.items()}
    message_id, stamp = told.get("webhook-id", ""), told.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id):
        raise Forged("there is no readable id")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        raise Forged("there is no readable timestamp")
    given = [part[3:] for part in told.get("webhook-signature", "")[:4096].split() if part.startswith("v1,")]
    fits = False
    for secret in secrets:
        expected = _signature(message_id, stamp, body, secret).encode()
        for signature in given:
            fits |= hmac.compare_digest(expected, signature.encode())
    if not fits:
        raise Forged("no signature fits")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise Forged("the signature is too old, or of the future")
    return message_id


def _signature(message_id: str, stamp: str, body: bytes, secret: str) -> str:
    content = f"{message_id}.{stamp}.".encode() + body
    return base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()

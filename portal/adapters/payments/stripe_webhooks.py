"""Deliveries of events: proved over the bytes that came, then read as a hint."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from portal.adapters.payments.stripe_units import from_stripe
from portal.ports import Forged, GatewayEvent

KEY = "payout"
"""The name in a refund's metadata under which our key stands."""

TOLERANCE_SECONDS = 300
LARGEST = 256 * 1024
"""Bytes of a delivery; those about refunds and disputes have a few thousand."""

_REFUNDS = ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
_DISPUTES = {
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "won",
    "lost": "lost",
    "prevented": "lost",  # settled with the customer's bank before it became a chargeback: the money is gone
}


def proved(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
) -> Mapping[str, Any]:
    """The event in ``body``, which one of ``secrets`` has signed at most five minutes before or after ``now``.

    Raises ``Forged``; ``ValueError`` for what is signed and no event.
    """
    if len(body) > LARGEST:
        raise Forged("the delivery is too large")
    given = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
    moment, signatures = _taken_apart(given)
    if not _is_signed(body, moment, signatures, secrets):
        raise Forged("no signature fits")
    if abs(now.timestamp() - int(moment)) > TOLERANCE_SECONDS:
        raise Forged("the signature is too old, or of the future")
    event = json.loads(body)
    if not isinstance(event, dict) or event.get("object") != "event":
        raise ValueError("the delivery is no event")
    return event


def _taken_apart(header: str) -> tuple[str, list[bytes]]:
    """``t`` and every ``v1`` of the header. Raises ``Forged``."""
    parts = [part.strip().partition("=") for part in header[:4096].split(",")]
    moments = [value for name, _, value in parts if name == "t"]
    signatures = [value.encode() for name, _, value in parts if name == "v1"]
    if len(moments) != 1 or not moments[0].isascii() or not moments[0].isdecimal() or len(moments[0]) > 12:
        raise Forged("there is no readable signature")
    return moments[0], signatures


def _is_signed(body: bytes, moment: str, signatures: Sequence[bytes], secrets: Sequence[str]) -> bool:
    """Every pair is compared, in constant time, so that an answer's time tells nothing."""
    message = moment.encode() + b"." + body
    fits = False
    for secret in secrets:
        expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()
        for signature in signatures:
            fits |= hmac.compare_digest(expected, signature)
    return fits


def read(event: Mapping[str, Any]) -> GatewayEvent:
    """What a proved event is about. Raises ``ValueError`` where it makes no sense."""
    try:
        thing = event["data"]["object"]
        kind, moment = str(event["type"]), datetime.fromtimestamp(int(event["created"]), UTC)
        found = GatewayEvent(id=str(event["id"]), kind="other", at=moment)
        if kind in _REFUNDS:
            return _of_refund(found, thing)
        if kind == "charge.refunded":
            return _of_capture(found, thing)
        if kind.startswith("charge.dispute.") and dispute_state(thing):
            return _of_dispute(found, thing)
        return found
    except (KeyError, TypeError, AttributeError, OverflowError) as wrong:
        raise ValueError(f"an event without {wrong}") from None


def _of_refund(event: GatewayEvent, thing: Mapping[str, Any]) -> GatewayEvent:
    currency = str(thing["currency"]).upper()
    return GatewayEvent(
        id=event.id,
        kind="refund",
        at=event.at,
        reference=str(thing["id"]),
        key=str((thing.get("metadata") or {}).get(KEY, "")),
        capture=str(thing.get("payment_intent") or thing.get("charge") or ""),
        amount=from_stripe(int(thing["amount"]), currency),
        currency=currency,
        state=str(thing.get("status") or ""),
        also=other_name(thing),
    )


def _of_capture(event: GatewayEvent, charge: Mapping[str, Any]) -> GatewayEvent:
    """``charge.refunded`` names no refund: only that something was refunded of that capture."""
    capture = str(charge.get("payment_intent") or charge["id"])
    return GatewayEvent(
        id=event.id,
        kind="refund",
        at=event.at,
        capture=capture,
        currency=str(charge["currency"]).upper(),
        also=str(charge["id"]) if capture != charge["id"] else "",
    )


def _of_dispute(event: GatewayEvent, thing: Mapping[str, Any]) -> GatewayEvent:
    currency = str(thing["currency"]).upper()
    return GatewayEvent(
        id=event.id,
        kind="dispute",
        at=event.at,
        reference=str(thing["id"]),
        capture=str(thing.get("payment_intent") or thing["charge"]),
        amount=from_stripe(int(thing["amount"]), currency),
        currency=currency,
        state=dispute_state(thing),
        also=other_name(thing),
    )


def other_name(thing: Mapping[str, Any]) -> str:
    """The charge of a refund or dispute whose capture is known by its payment intent."""
    return str(thing.get("charge") or "") if thing.get("payment_intent") else ""


def dispute_state(dispute: Mapping[str, Any]) -> str:
    """open, won or lost; empty for an inquiry (``warning_``), which has taken no money."""
    return _DISPUTES.get(str(dispute["status"]), "")

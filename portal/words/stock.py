"""Stock in words: where units lie, and why they moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

BUCKETS = {
    "available": N_("Available"),
    "reserved": N_("Reserved"),
    "expected": N_("On the way back"),
    "quarantine": N_("To be inspected"),
    "damaged": N_("Damaged"),
    "gone": N_("Given away"),
}
WHYS = {
    "ordered": N_("Ordered"),
    "shipped": N_("Shipped"),
    "canceled": N_("Canceled before it was sent"),
    "cancellation_undone": N_("Cancellation undone"),
    "order_changed": N_("The shop changed the order"),
    "shipped_after_release": N_("Sent although it was to stay"),
    "return_announced": N_("Return announced"),
    "return_withdrawn": N_("Return given up"),
    "return_received": N_("Return received"),
    "return_inspected": N_("Return inspected"),
    "unexpected_found": N_("Came unannounced"),
    "unexpected_decided": N_("Unannounced goods decided"),
    "counted": N_("Counted"),
    "inspected": N_("Return of the past"),
}


def bucket(words: Words, code: str) -> str:
    """Where units lie."""
    return words.gettext(BUCKETS[code]) if code in BUCKETS else code


def why(words: Words, code: str) -> str:
    """Why units moved."""
    return words.gettext(WHYS[code]) if code in WHYS else code

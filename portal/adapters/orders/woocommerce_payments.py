"""How a WooCommerce order was paid, or will be: captured, reserved on a card, or owed by the customer."""

from collections.abc import Iterator

from portal.adapters.orders.records import PAID_LATER, Record, amount, several, tender, text
from portal.core.intake import AUTHORIZED, CAPTURED, DUE, IncomingPayment

CANCELED = ("cancelled", "failed")


def payments(record: Record) -> Iterator[IncomingPayment]:
    """A gift card is a tender; the rest was captured when it was paid, is reserved on a card, or is owed."""
    for card in several(record, "gift_cards"):
        yield IncomingPayment(
            reference=f"woocommerce:{text(record, 'id')}:gift-card:{text(card, 'id')}",
            tender="gift_card",
            captured=amount(card, "amount"),
            label=f"…{text(card, 'code')[-4:]}",
        )
    method = text(record, "payment_method")
    if mode := _mode(record, tender(method)):
        yield IncomingPayment(
            reference=text(record, "transaction_id") or f"woocommerce:{text(record, 'id')}",
            tender=tender(method),
            captured=amount(record, "total"),
            label=text(record, "payment_method_title") or method,
            mode=mode,
            authorization=f"woocommerce:{text(record, 'id')}",
        )


NOT_CAPTURED = {"_intention_status": ("requires_capture",), "_stripe_charge_captured": ("no",)}
"""Where payment plug-ins keep that a card was charged for nothing yet."""


def _mode(record: Record, way: str) -> str:
    """Nothing where nobody has paid, and nobody has agreed that it is paid later."""
    told = {text(meta, "key"): text(meta, "value") for meta in several(record, "meta_data")}
    reserved = any(told.get(key) in values for key, values in NOT_CAPTURED.items())
    if record["status"] not in CANCELED and reserved:
        return AUTHORIZED
    if record.get("date_paid_gmt") or record.get("date_paid"):
        return CAPTURED
    return DUE if way in PAID_LATER and record["status"] not in CANCELED else ""

"""The objects as Stripe shapes them, and what follows from one for another."""

import secrets
from hashlib import sha256
from typing import Any

from tests.stripe_server.errors import unknown
from tests.stripe_server.state import State, Thing

API_VERSION = "2026-10-28.endive"
GONE = ("failed", "canceled")
CARDS = {
    "visa": "succeeded",
    "pending_refund": "pending",
    "refund_fail": "succeeded",
    "action": "requires_action",
    "dispute": "succeeded",
}
"""How a refund to that card begins; one to ``refund_fail`` fails afterwards, a payment by ``dispute`` is disputed."""
METHODS = {
    "pm_card_visa": "visa",
    "pm_card_pendingRefund": "pending_refund",
    "pm_card_refundFail": "refund_fail",
    "pm_card_createDispute": "dispute",
}
"""Stripe's test payment methods that say how a refund goes."""


def new_payment(
    state: State,
    *,
    amount: int,
    currency: str,
    card: str = "visa",
    id: str = "",
    bare: bool = False,
    metadata: dict[str, str] | None = None,
    manual: bool = False,
) -> Thing:
    """A captured payment: a payment intent with its charge, or with ``bare`` a charge alone. Answers the former.

    With ``manual`` it is only authorized.
    """
    if card not in CARDS:
        raise ValueError(f"{card} is not one of {', '.join(CARDS)}")
    with state.lock:
        intent_id = "" if bare else id or f"pi_{secrets.token_hex(12)}"
        charge = state.make(
            "charges",
            "ch",
            _charge(amount, currency, card, intent_id, metadata or {}) | (HELD if manual else {}),
            id=id if bare else "",
        )
        if bare:
            return charge
        intent = _intent(amount, currency, charge["id"], metadata or {})
        if manual:
            intent |= {
                "amount_capturable": amount,
                "amount_received": 0,
                "capture_method": "manual",
                "status": "requires_capture",
            }
        return state.make("payment_intents", "pi", intent, id=intent_id)


HELD = {"amount_captured": 0, "captured": False, "balance_transaction": None}
"""A charge that is only authorized."""


def _charge(amount: int, currency: str, card: str, intent_id: str, metadata: dict[str, str]) -> Thing:
    return {
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "balance_transaction": f"txn_{secrets.token_hex(12)}",
        "captured": True,
        "currency": currency,
        "customer": None,
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": metadata,
        "paid": True,
        "payment_intent": intent_id or None,
        "payment_method": f"pm_card_{card}",
        "payment_method_details": {"card": {"brand": "visa", "last4": "4242"}, "type": "card"},
        "refunded": False,
        "status": "succeeded",
    }


def _intent(amount: int, currency: str, charge_id: str, metadata: dict[str, str]) -> Thing:
    return {
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": amount,
        "capture_method": "automatic",
        "currency": currency,
        "customer": None,
        "latest_charge": charge_id,
        "livemode": False,
        "metadata": metadata,
        "payment_method_types": ["card"],
        "status": "succeeded",
    }


def new_refund(
    state: State,
    charge: Thing,
    *,
    amount: int,
    status: str,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    failure_reason: str | None = None,
) -> Thing:
    """A refund of that charge, and the charge told of it."""
    made = state.make(
        "refunds",
        "re",
        {
            "object": "refund",
            "amount": amount,
            "balance_transaction": f"txn_{secrets.token_hex(12)}",
            "charge": charge["id"],
            "currency": charge["currency"],
            "customer": None,
            "customer_account": None,
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": metadata or {},
            "payment_intent": charge["payment_intent"],
            "payment_method": charge["payment_method"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": status,
            "transfer_reversal": None,
        },
    )
    return become(state, made["id"], status, failure_reason=failure_reason)


def become(state: State, refund_id: str, status: str, *, failure_reason: str | None = None) -> Thing:
    """The refund in its new state, with what Stripe tells of it then."""
    with state.lock:
        refund = dict(one(state, "refunds", refund_id))
        refund["status"] = status
        for name in ("failure_reason", "failure_balance_transaction", "pending_reason", "next_action"):
            refund.pop(name, None)
        if status == "pending":
            refund["pending_reason"] = "processing"
        if status == "requires_action":
            refund["next_action"] = {"type": "display_details"}
        if status == "failed":
            refund["failure_reason"] = failure_reason or "unknown"
            refund["failure_balance_transaction"] = f"txn_{secrets.token_hex(12)}"
        card: dict[str, Any] = {"type": "pending" if status == "pending" else "refund"}
        if status == "succeeded":
            card |= {
                "reference": f"7490{int(sha256(refund_id.encode()).hexdigest(), 16) % 10**19:019d}",
                "reference_status": "available",
                "reference_type": "acquirer_reference_number",
            }
        refund["destination_details"] = {"card": card, "type": "card"}
        state.save("refunds", refund)
        _count(state, refund["charge"])
        return refund


def _count(state: State, charge_id: str) -> None:
    charge = dict(state.things["charges"][charge_id])
    charge["amount_refunded"] = refunded(state, charge_id)
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    state.save("charges", charge)


def refunded(state: State, charge_id: str) -> int:
    """What was refunded of a charge, or is on its way."""
    return sum(
        refund["amount"]
        for refund in state.things["refunds"].values()
        if refund["charge"] == charge_id and refund["status"] not in GONE
    )


def disputed(state: State, charge_id: str) -> int:
    """What chargebacks hold or have taken of a charge."""
    return sum(
        dispute["amount"]
        for dispute in state.things["disputes"].values()
        if dispute["charge"] == charge_id and dispute["status"] not in ("won", "warning_closed")
    )


def new_dispute(state: State, charge: Thing, *, amount: int, status: str, reason: str) -> Thing:
    """A chargeback, or with a ``warning_`` state an inquiry that has taken nothing yet."""
    with state.lock:
        made = state.make(
            "disputes",
            "du",
            {
                "object": "dispute",
                "amount": amount,
                "balance_transactions": [],
                "charge": charge["id"],
                "currency": charge["currency"],
                "evidence_details": {"has_evidence": False, "submission_count": 0},
                "is_charge_refundable": status.startswith("warning_"),
                "livemode": False,
                "metadata": {},
                "payment_intent": charge["payment_intent"],
                "reason": reason,
                "status": status,
            },
        )
        if not status.startswith("warning_"):
            made = move(state, made, -amount)
        state.save("charges", {**state.things["charges"][charge["id"]], "disputed": True})
        return made


def move(state: State, dispute: Thing, amount: int) -> Thing:
    """The dispute with one more movement of money."""
    moved = {"id": f"txn_{secrets.token_hex(12)}", "object": "balance_transaction", "amount": amount}
    return state.save(
        "disputes", {**dispute, "balance_transactions": [*dispute["balance_transactions"], moved]}
    )


def charge_of(state: State, reference: str) -> Thing:
    """The charge that a payment intent or charge id means. Raises ``Fault``."""
    if reference.startswith("pi_"):
        intent = one(state, "payment_intents", reference)
        return state.things["charges"][intent["latest_charge"]]
    return one(state, "charges", reference)


def one(state: State, kind: str, id: str, *, param: str = "id", executed: bool = False) -> Thing:
    """The object with that id. Raises ``Fault``."""
    found = state.things[kind].get(id)
    if found is None:
        raise unknown(kind.removesuffix("s"), id, param=param, executed=executed)
    return found

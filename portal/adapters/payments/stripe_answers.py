"""What Stripe answers, as the port says it: errors as its two, refunds and disputes as its own values."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import stripe as sdk

from portal.adapters.payments import stripe_webhooks
from portal.adapters.payments.stripe_units import from_stripe
from portal.adapters.payments.stripe_webhooks import KEY
from portal.ports import Declined, GatewayDispute, GatewayRefund, RefundResult, Unavailable

STATES = ("pending", "requires_action", "succeeded", "failed", "canceled")

CODES = {
    "charge_already_refunded": "already_refunded",
    "charge_disputed": "disputed",
    "refund_disputed_payment": "disputed",
    "amount_too_large": "too_much",
    "amount_too_small": "amount_not_allowed",
    "invalid_charge_amount": "amount_not_allowed",
    "invalid_charge_amount_no_decimal_compatible": "amount_not_allowed",
    "parameter_invalid_integer": "amount_not_allowed",
    "resource_missing": "unknown_capture",
    "charge_not_refundable": "not_refundable",
    "charge_expired_for_capture": "not_refundable",
    "payment_intent_unexpected_state": "not_refundable",
    "balance_insufficient": "balance_too_low",
    "insufficient_funds": "balance_too_low",
}
"""Stripe's codes of a refusal that is final, and ours; any other is ``refused``."""

REASONS = {
    "lost_or_stolen_card": "the card was lost or stolen",
    "expired_or_canceled_card": "the card has expired or was canceled",
    "charge_for_pending_refund_disputed": "the customer disputed the payment meanwhile",
    "insufficient_funds": "the Stripe balance is too low",
    "declined": "the customer's bank declined it",
    "merchant_request": "it was called off at Stripe",
    "unknown": "the customer's bank did not say why",
}


@contextmanager
def understood() -> Iterator[None]:
    """Stripe's errors as the port's two; an answer that cannot be read is one that was lost."""
    try:
        yield
    except sdk.RateLimitError as problem:
        raise Unavailable(_said(problem), retry_after=_retry_after(problem)) from problem
    except (sdk.AuthenticationError, sdk.PermissionError) as problem:
        raise Declined("not_authorized", _said(problem)) from problem
    except sdk.IdempotencyError as problem:
        raise Declined("key_reused", _said(problem)) from problem
    except (sdk.CardError, sdk.InvalidRequestError) as problem:
        raise Declined(_code(problem), _said(problem)) from problem
    except sdk.StripeError as problem:
        raise Unavailable(_said(problem), retry_after=_retry_after(problem)) from problem
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise Unavailable(f"Stripe's answer cannot be read ({type(problem).__name__})") from problem


@contextmanager
def as_ambiguous() -> Iterator[None]:
    """Reading that is refused tells nothing of what is there."""
    try:
        yield
    except Declined as problem:
        raise Unavailable(str(problem)) from problem


def need_absence(problem: Declined) -> None:
    """A reading was refused as there is no such thing; for any other cause (a revoked key) nobody knows."""
    if problem.code != "unknown_capture":
        raise Unavailable(str(problem)) from problem


def _said(problem: sdk.StripeError) -> str:
    """Stripe's sentence, and the number under which Stripe's own log has the request."""
    status = f"{problem.http_status}: " if problem.http_status else ""
    text = str(problem.user_message or "no reason given").partition("\n")[0]
    if isinstance(problem, sdk.APIError) and "Invalid response body" in text:
        text = "an answer that cannot be read"
    return f"{status}{text[:300]}" + (f" ({problem.request_id})" if problem.request_id else "")


def _retry_after(problem: sdk.StripeError) -> int | None:
    """Seconds, at most an hour; a date there is not understood, and not needed."""
    given = {name.lower(): value for name, value in dict(problem.headers or {}).items()}.get(
        "retry-after", ""
    )
    return min(int(given), 3600) if re.fullmatch(r"[0-9]{1,9}", given) else None


def _code(problem: sdk.CardError | sdk.InvalidRequestError) -> str:
    # That too much was asked for comes without a code.
    if problem.param == "amount" and "greater than" in str(problem.user_message):
        return "too_much"
    return CODES.get(problem.code or "", "refused")


def plain(answer: Any) -> dict[str, Any]:
    plain: dict[str, Any] = answer.to_dict()
    return plain


def kind_of(reference: str) -> str:
    return "payment_intent" if reference.startswith("pi_") else "charge"


def currency_of(thing: Mapping[str, Any]) -> str:
    return str(thing["currency"]).upper()


def key_of(refund: Mapping[str, Any]) -> str:
    return str((refund.get("metadata") or {}).get(KEY, ""))


def echo(refund: Mapping[str, Any], *, key: str, reference: str) -> RefundResult:
    """The refund as answered. Raises ``Declined("wrong_answer")`` where it is not the one that was asked for."""
    if key_of(refund) != key or refund[kind_of(reference)] != reference:
        raise Declined("wrong_answer", f"the answer is about another refund: {refund['id']}")
    return result(refund)


def result(refund: Mapping[str, Any]) -> RefundResult:
    currency = currency_of(refund)
    return RefundResult(
        state=_state(refund),
        reference=str(refund["id"]),
        amount=from_stripe(int(refund["amount"]), currency),
        currency=currency,
        error=_error(refund),
        bank_reference=_bank_reference(refund),
    )


def _state(refund: Mapping[str, Any]) -> str:
    """A state that this version does not know is one that is not final."""
    return refund["status"] if refund["status"] in STATES else "pending"


def _error(refund: Mapping[str, Any]) -> str:
    if refund["status"] == "failed":
        reason = str(refund.get("failure_reason") or "unknown")
        return REASONS.get(reason, reason)
    if refund["status"] == "pending" and refund.get("pending_reason") == "insufficient_funds":
        return REASONS["insufficient_funds"]
    if refund["status"] == "requires_action":
        return "the customer has to tell Stripe where the money shall go"
    return ""


def _bank_reference(refund: Mapping[str, Any]) -> str:
    """What the customer's bank finds it by: a card's ARN, the reference of a transfer."""
    details = refund.get("destination_details") or {}
    way = details.get(details.get("type") or "") or {}
    return str(way.get("reference") or "")


def listed(refund: Mapping[str, Any], *, released: bool = False) -> GatewayRefund:
    told = result(refund)
    return GatewayRefund(
        reference=told.reference,
        key=key_of(refund),
        capture=str(refund.get("payment_intent") or refund.get("charge") or ""),
        amount=told.amount,
        currency=told.currency,
        state=told.state,
        at=datetime.fromtimestamp(refund["created"], UTC),
        error=told.error,
        bank_reference=told.bank_reference,
        also=stripe_webhooks.other_name(refund),
        released=released,
    )


def dispute(dispute: Mapping[str, Any]) -> GatewayDispute:
    currency = currency_of(dispute)
    return GatewayDispute(
        reference=str(dispute["id"]),
        capture=str(dispute.get("payment_intent") or dispute["charge"]),
        amount=from_stripe(int(dispute["amount"]), currency),
        currency=currency,
        state=stripe_webhooks.dispute_state(dispute),
        at=datetime.fromtimestamp(dispute["created"], UTC),
        also=stripe_webhooks.other_name(dispute),
    )

"""Refunds through Stripe, by its own library: asked once under the payout's key, and looked up under it.

Nothing is repeated here: durable work repeats, with the same key, and a look-up before it.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import stripe as sdk

from portal.adapters.payments import stripe_webhooks
from portal.adapters.payments.stripe_http import Transport
from portal.adapters.payments.stripe_units import from_stripe, to_stripe
from portal.core.money import Minor
from portal.ports import (
    Capture,
    Declined,
    Forged,
    GatewayDispute,
    GatewayEvent,
    GatewayRefund,
    RefundResult,
    Unavailable,
)

API_VERSION = "2026-10-28.endive"
"""What this file was written for; Stripe goes on answering in it when it has newer ones."""

KEY = "payout"
"""The name in a refund's metadata under which our key stands."""

PAGE = 100
KNOWN_CAPTURES = 10_000
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

MAYBE_OURS = ("already_refunded", "too_much", "disputed", "key_reused")
"""Refusals that may only mean that our own earlier try, whose answer was lost, took effect."""

REASONS = {
    "lost_or_stolen_card": "the card was lost or stolen",
    "expired_or_canceled_card": "the card has expired or was canceled",
    "charge_for_pending_refund_disputed": "the customer disputed the payment meanwhile",
    "insufficient_funds": "the Stripe balance is too low",
    "declined": "the customer's bank declined it",
    "merchant_request": "it was called off at Stripe",
    "unknown": "the customer's bank did not say why",
}

logging.getLogger("stripe").setLevel(logging.WARNING)  # its own lines name every address it asks


class StripePayments:
    """``ports.Payments`` for one Stripe account. Captures are payment intents (``pi_``) or charges."""

    code = "stripe"

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str = "",
        webhook_secrets: Sequence[str] = (),
        read_seconds: int = 30,
    ) -> None:
        """``webhook_secrets``: the one in use, and while it is exchanged the one before."""
        self._live = "_live_" in api_key
        self._secrets = tuple(secret for secret in webhook_secrets if secret)
        self._currencies: dict[str, str] = {}
        self._stripe = sdk.StripeClient(
            api_key,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=0,
            http_client=Transport(read_seconds=read_seconds),
        )

    def learn(self, reference: str, *, captured: Minor, currency: str) -> None:
        """Stripe knows its captures."""

    def capture(self, reference: str) -> Capture | None:
        try:
            with _understood():
                found, charge = self._found(reference)
                held = self._held(reference) if charge.get("disputed") else 0
        except Declined as problem:
            _need_absence(problem)
            return None
        currency = _currency(found)
        captured = (
            found["amount_received"] if found["object"] == "payment_intent" else found["amount_captured"]
        )
        return Capture(
            reference=reference,
            currency=currency,
            captured=from_stripe(captured, currency),
            refunded=from_stripe(charge.get("amount_refunded", 0), currency),
            disputed=from_stripe(held, currency),
        )

    def refund(self, *, key: str, reference: str, amount: Minor, currency: str) -> RefundResult:
        asked: Any = {
            _kind(reference): reference,
            "amount": to_stripe(amount, currency),
            "metadata": {KEY: key},
        }
        self._need_currency(reference, currency)
        try:
            with _understood():
                made = self._stripe.v1.refunds.create(asked, {"idempotency_key": key})
                return _echo(_plain(made), key=key, reference=reference)
        except Declined as problem:
            earlier = self._earlier(problem, key=key, reference=reference)
            if earlier is None or (earlier.amount, earlier.currency) != (amount, currency):
                raise
            return earlier

    def look_up(self, *, key: str, capture: str, reference: str = "") -> RefundResult | None:
        try:
            with _understood():
                found = self._by_reference(reference, key) if reference else None
                found = found or self._by_key(key, capture)
                return _result(found) if found else None
        except Declined as problem:
            _need_absence(problem)
            return None

    def refunds_since(self, moment: datetime) -> Iterator[GatewayRefund]:
        with _as_ambiguous(), _understood():
            page = self._stripe.v1.refunds.list({"created": {"gte": int(moment.timestamp())}, "limit": PAGE})
            newest_first = [_plain(one) for one in page.auto_paging_iter()]
            return iter([_listed(one) for one in reversed(newest_first)])

    def disputes_since(self, moment: datetime) -> Iterator[GatewayDispute]:
        """By the day the dispute was opened; inquiries, which take no money, are not among them."""
        with _as_ambiguous(), _understood():
            page = self._stripe.v1.disputes.list({"created": {"gte": int(moment.timestamp())}, "limit": PAGE})
            newest_first = [_plain(one) for one in page.auto_paging_iter()]
            known = [one for one in reversed(newest_first) if stripe_webhooks.dispute_state(one)]
            return iter([_dispute(one) for one in known])

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        event = stripe_webhooks.proved(headers, body, secrets=self._secrets, now=now)
        if event.get("livemode") is not self._live:
            raise Forged("an event of test mode for a live key, or the other way round")
        return stripe_webhooks.read(event)

    def make_test_payment(self, asked: Any, *, key: str) -> str:
        """A captured payment as ``asked``, in test mode; answers its id. Raises ``Declined`` for a live key."""
        if self._live:
            raise Declined("not_authorized", "a live key makes no test payments")
        with _understood():
            return str(self._stripe.v1.payment_intents.create(asked, {"idempotency_key": key}).id)

    # --------------------------------------------------------------------------------------------- asking

    def _found(self, reference: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """A payment intent with its charge, or a charge as both."""
        if _kind(reference) == "payment_intent":
            intent = _plain(
                self._stripe.v1.payment_intents.retrieve(reference, {"expand": ["latest_charge"]})
            )
            return intent, intent.get("latest_charge") or {}
        charge = _plain(self._stripe.v1.charges.retrieve(reference))
        return charge, charge

    def _held(self, reference: str) -> int:
        """What chargebacks hold or have taken of a capture, in Stripe's units."""
        asked: Any = {_kind(reference): reference, "limit": PAGE}
        page = self._stripe.v1.disputes.list(asked)
        disputes = (_plain(one) for one in page.auto_paging_iter())
        return sum(
            one["amount"] for one in disputes if stripe_webhooks.dispute_state(one) in ("open", "lost")
        )

    def _need_currency(self, reference: str, currency: str) -> None:
        """A refund is always made in the currency of its capture, whatever the caller thought it was."""
        if reference not in self._currencies:
            with _understood():
                found, _ = self._found(reference)
                if len(self._currencies) >= KNOWN_CAPTURES:
                    self._currencies.clear()
                self._currencies[reference] = _currency(found)
        known = self._currencies[reference]
        if known != currency:
            raise Declined("wrong_currency", f"the capture is in {known}")

    def _earlier(self, problem: Declined, *, key: str, reference: str) -> RefundResult | None:
        """The refund that an earlier try made, where a refusal may only mean that it was made."""
        if problem.code not in MAYBE_OURS:
            return None
        return self.look_up(key=key, capture=reference)

    def _by_reference(self, reference: str, key: str) -> Mapping[str, Any] | None:
        try:
            with _understood():
                found = _plain(self._stripe.v1.refunds.retrieve(reference))
        except Declined as problem:
            _need_absence(problem)
            return None
        return found if _key(found) in ("", key) else None

    def _by_key(self, key: str, capture: str) -> Mapping[str, Any] | None:
        """Ours in the capture's list: there the metadata is complete, and Stripe has no search for refunds."""
        asked: Any = {_kind(capture): capture, "limit": PAGE}
        page = self._stripe.v1.refunds.list(asked)
        return next((one for one in map(_plain, page.auto_paging_iter()) if _key(one) == key), None)


# ------------------------------------------------------------------------------------- what Stripe answers


@contextmanager
def _understood() -> Iterator[None]:
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
def _as_ambiguous() -> Iterator[None]:
    """Reading that is refused tells nothing of what is there."""
    try:
        yield
    except Declined as problem:
        raise Unavailable(str(problem)) from problem


def _need_absence(problem: Declined) -> None:
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


def _plain(answer: Any) -> dict[str, Any]:
    plain: dict[str, Any] = answer.to_dict()
    return plain


def _kind(reference: str) -> str:
    return "payment_intent" if reference.startswith("pi_") else "charge"


def _currency(thing: Mapping[str, Any]) -> str:
    return str(thing["currency"]).upper()


def _key(refund: Mapping[str, Any]) -> str:
    return str((refund.get("metadata") or {}).get(KEY, ""))


def _echo(refund: Mapping[str, Any], *, key: str, reference: str) -> RefundResult:
    """The refund as answered. Raises ``Declined("wrong_answer")`` where it is not the one that was asked for."""
    if _key(refund) != key or refund[_kind(reference)] != reference:
        raise Declined("wrong_answer", f"the answer is about another refund: {refund['id']}")
    return _result(refund)


def _result(refund: Mapping[str, Any]) -> RefundResult:
    currency = _currency(refund)
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


def _listed(refund: Mapping[str, Any]) -> GatewayRefund:
    result = _result(refund)
    return GatewayRefund(
        reference=result.reference,
        key=_key(refund),
        capture=str(refund.get("payment_intent") or refund.get("charge") or ""),
        amount=result.amount,
        currency=result.currency,
        state=result.state,
        at=datetime.fromtimestamp(refund["created"], UTC),
        error=result.error,
        bank_reference=result.bank_reference,
        also=stripe_webhooks.other_name(refund),
    )


def _dispute(dispute: Mapping[str, Any]) -> GatewayDispute:
    currency = _currency(dispute)
    return GatewayDispute(
        reference=str(dispute["id"]),
        capture=str(dispute.get("payment_intent") or dispute["charge"]),
        amount=from_stripe(int(dispute["amount"]), currency),
        currency=currency,
        state=stripe_webhooks.dispute_state(dispute),
        at=datetime.fromtimestamp(dispute["created"], UTC),
        also=stripe_webhooks.other_name(dispute),
    )

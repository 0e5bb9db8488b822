"""Refunds through Stripe, by its own library: asked once under the payout's key, and looked up under it.

Nothing is repeated here: durable work repeats, with the same key, and a look-up before it.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import stripe as sdk

from portal.adapters.payments import stripe_answers as answers
from portal.adapters.payments import stripe_releases as releases
from portal.adapters.payments import stripe_webhooks
from portal.adapters.payments.stripe_http import Transport
from portal.adapters.payments.stripe_units import from_stripe, to_stripe
from portal.adapters.payments.stripe_webhooks import KEY
from portal.core.money import Minor
from portal.ports import (
    Capture,
    Declined,
    Forged,
    GatewayDispute,
    GatewayEvent,
    GatewayRefund,
    RefundResult,
)

API_VERSION = "2026-10-28.endive"
"""What this file was written for; Stripe goes on answering in it when it has newer ones."""

PAGE = 100
KNOWN_CAPTURES = 10_000
MAYBE_OURS = ("already_refunded", "too_much", "disputed", "key_reused")
"""Refusals that may only mean that our own earlier try, whose answer was lost, took effect."""

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
        self._releases = releases.Releases(self._stripe)

    def learn(self, reference: str, *, captured: Minor, currency: str, authorized: bool = False) -> None:
        """Stripe knows its captures."""

    def capture(self, reference: str) -> Capture | None:
        try:
            with answers.understood():
                found, charge = self._found(reference)
                held = self._held(reference) if charge.get("disputed") else 0
                refunded = self._refunded(charge)
        except Declined as problem:
            answers.need_absence(problem)
            return None
        currency = answers.currency_of(found)
        return Capture(
            reference=reference,
            currency=currency,
            captured=from_stripe(releases.captured_of(found), currency),
            refunded=from_stripe(refunded, currency),
            disputed=from_stripe(held, currency),
            authorized=from_stripe(releases.left_of(found), currency) if releases.is_held(found) else 0,
            released=from_stripe(
                sum(
                    amount
                    for key, amount in releases.let_go(found).items()
                    if not releases.taken_anyway(found, key)
                ),
                currency,
            ),
        )

    def refund(self, *, key: str, reference: str, amount: Minor, currency: str) -> RefundResult:
        asked: Any = {
            answers.kind_of(reference): reference,
            "amount": to_stripe(amount, currency),
            "metadata": {KEY: key},
        }
        self._need_captured(reference, currency)
        try:
            with answers.understood():
                made = self._stripe.v1.refunds.create(asked, {"idempotency_key": key})
                return answers.echo(answers.plain(made), key=key, reference=reference)
        except Declined as problem:
            earlier = self._earlier(problem, key=key, reference=reference)
            if earlier is None or (earlier.amount, earlier.currency) != (amount, currency):
                raise
            return earlier

    def release(
        self, *, key: str, reference: str, amount: Minor, remaining: Minor, currency: str
    ) -> RefundResult:
        with answers.understood():
            thing, _ = self._found(reference)
            known = answers.currency_of(thing)
            if known != currency:
                raise Declined("wrong_currency", f"the authorization is in {known}")
            return self._releases.release(
                thing, key=key, reference=reference, amount=amount, remaining=remaining, currency=currency
            )

    def look_up(self, *, key: str, capture: str, reference: str = "") -> RefundResult | None:
        try:
            with answers.understood():
                if releases.is_release(reference):
                    return self._release_of(key, capture, reference)
                found = self._by_reference(reference, key) if reference else None
                found = found or self._by_key(key, capture)
                if found is None and not reference:
                    return self._release_of(key, capture, reference)
                return answers.result(found) if found else None
        except Declined as problem:
            answers.need_absence(problem)
            return None

    def refunds_since(self, moment: datetime) -> Iterator[GatewayRefund]:
        with answers.as_ambiguous(), answers.understood():
            page = self._stripe.v1.refunds.list({"created": {"gte": int(moment.timestamp())}, "limit": PAGE})
            newest_first = [answers.plain(one) for one in page.auto_paging_iter()]
            released = self._released_among(newest_first)
            return iter(
                [answers.listed(one, released=one["id"] in released) for one in reversed(newest_first)]
            )

    def disputes_since(self, moment: datetime) -> Iterator[GatewayDispute]:
        """By the day the dispute was opened; inquiries, which take no money, are not among them."""
        with answers.as_ambiguous(), answers.understood():
            page = self._stripe.v1.disputes.list({"created": {"gte": int(moment.timestamp())}, "limit": PAGE})
            newest_first = [answers.plain(one) for one in page.auto_paging_iter()]
            known = [one for one in reversed(newest_first) if stripe_webhooks.dispute_state(one)]
            return iter([answers.dispute(one) for one in known])

    def read_event(self, headers: Mapping[str, str], body: bytes, *, now: datetime) -> GatewayEvent:
        event = stripe_webhooks.proved(headers, body, secrets=self._secrets, now=now)
        if event.get("livemode") is not self._live:
            raise Forged("an event of test mode for a live key, or the other way round")
        return stripe_webhooks.read(event)

    def make_test_payment(self, asked: Any, *, key: str) -> str:
        """A captured payment as ``asked``, in test mode; answers its id. Raises ``Declined`` for a live key."""
        if self._live:
            raise Declined("not_authorized", "a live key makes no test payments")
        with answers.understood():
            return str(self._stripe.v1.payment_intents.create(asked, {"idempotency_key": key}).id)

    # --------------------------------------------------------------------------------------------- asking

    def _found(self, reference: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """A payment intent with its charge, or a charge as both."""
        if answers.kind_of(reference) == "payment_intent":
            intent = answers.plain(
                self._stripe.v1.payment_intents.retrieve(reference, {"expand": ["latest_charge"]})
            )
            return intent, intent.get("latest_charge") or {}
        charge = answers.plain(self._stripe.v1.charges.retrieve(reference))
        return charge, charge

    def _held(self, reference: str) -> int:
        """What chargebacks hold or have taken of a capture, in Stripe's units."""
        asked: Any = {answers.kind_of(reference): reference, "limit": PAGE}
        page = self._stripe.v1.disputes.list(asked)
        disputes = (answers.plain(one) for one in page.auto_paging_iter())
        return sum(
            one["amount"] for one in disputes if stripe_webhooks.dispute_state(one) in ("open", "lost")
        )

    def _release_of(self, key: str, capture: str, known: str) -> RefundResult | None:
        thing, _ = self._found(capture)
        return releases.result(thing, key=key, reference=capture, known=known)

    def _released_among(self, refunds: Sequence[Mapping[str, Any]]) -> set[str]:
        """Those that are none: for what is let go of an authorization Stripe makes a refund object as well."""
        others = {str(one["charge"]) for one in refunds if one.get("charge") and not answers.key_of(one)}
        found = set()
        for charge_id in sorted(others):
            charge = answers.plain(self._stripe.v1.charges.retrieve(charge_id))
            found.add(self._freed_by(charge))
        return found - {""}

    def _refunded(self, charge: Mapping[str, Any]) -> int:
        """What was given back of what was captured, in Stripe's units."""
        total = int(charge.get("amount_refunded", 0))
        if not charge or not total or charge["amount_captured"] == charge["amount"]:
            return total
        return total - (charge["amount"] - charge["amount_captured"] if self._freed_by(charge) else 0)

    def _freed_by(self, charge: Mapping[str, Any]) -> str:
        """The id of the refund object by which Stripe freed what was not captured of a charge; "" without one.

        It is made with the capture, or with the cancellation: nothing can have been refunded before.
        """
        free = charge["amount"] - charge["amount_captured"]
        if not free:
            return ""
        asked: Any = {"charge": charge["id"], "limit": PAGE}
        newest_first = map(answers.plain, self._stripe.v1.refunds.list(asked).auto_paging_iter())
        first = next((one for one in reversed(list(newest_first)) if not answers.key_of(one)), None)
        return str(first["id"]) if first is not None and first["amount"] == free else ""

    def _need_captured(self, reference: str, currency: str) -> None:
        """A refund is always made in the currency of its capture, whatever the caller thought it was; what is
        only reserved must not be refunded, as Stripe would let all of a charge go.
        """
        if reference not in self._currencies:
            with answers.understood():
                found, _ = self._found(reference)
                if releases.is_held(found) or releases.is_void(found):
                    raise Declined("not_captured", "it is only reserved, or was let go")
                if len(self._currencies) >= KNOWN_CAPTURES:
                    self._currencies.clear()
                self._currencies[reference] = answers.currency_of(found)
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
            with answers.understood():
                found = answers.plain(self._stripe.v1.refunds.retrieve(reference))
        except Declined as problem:
            answers.need_absence(problem)
            return None
        return found if answers.key_of(found) in ("", key) else None

    def _by_key(self, key: str, capture: str) -> Mapping[str, Any] | None:
        """Ours in the capture's list: there the metadata is complete, and Stripe has no search for refunds."""
        asked: Any = {answers.kind_of(capture): capture, "limit": PAGE}
        page = self._stripe.v1.refunds.list(asked)
        return next(
            (one for one in map(answers.plain, page.auto_paging_iter()) if answers.key_of(one) == key), None
        )

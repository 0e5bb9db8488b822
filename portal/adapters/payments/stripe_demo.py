"""Payments for the demo's orders, made at Stripe in test mode: with a test key, or at the server of the tests."""

from typing import Any

from portal.adapters.payments.stripe import StripePayments
from portal.adapters.payments.stripe_units import to_stripe
from portal.core.money import Minor

METHODS = {
    "-pending": "pm_card_pendingRefund",
    "-fails": "pm_card_refundFail",
    "-fails-late": "pm_card_refundFail",
    "-returned": "pm_card_refundFail",
    "-disputed": "pm_card_createDispute",
}
"""What the sandbox is told by a reference's ending, Stripe is told by the card."""


class DemoPayments:
    """Makes captured payments, under keys, so that a demo that is filled again makes none twice."""

    def __init__(self, gateway: StripePayments) -> None:
        self._gateway = gateway

    def __call__(self, name: str, amount: Minor, currency: str) -> str:
        """The id of a payment of ``amount`` minor units; ``name`` is its key and says how it ends.

        It is captured, unless the name says that it is only authorized.
        """
        method = next((card for end, card in METHODS.items() if name.endswith(end)), "pm_card_visa")
        asked: Any = {
            "amount": to_stripe(amount, currency),
            "currency": currency.lower(),
            "payment_method": method,
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "metadata": {"demo": name},
            **({"capture_method": "manual"} if name.endswith("-authorized") else {}),
        }
        return self._gateway.make_test_payment(asked, key=name)

"""Payment gateways: one file each, all behind ``ports.Payments``."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from portal.adapters.payments.sandbox import SandboxPayments
from portal.ports import Payments
from portal.settings import Settings

if TYPE_CHECKING:
    from portal.adapters.payments.stripe import StripePayments

log = logging.getLogger(__name__)


def build(settings: Settings, *, settles_after: timedelta | None = None) -> dict[str, Payments]:
    """The gateway of this installation by its code; ``settles_after`` is for the sandbox."""
    made = _stripe(settings) if settings.gateway == "stripe" else _sandbox(settings, settles_after)
    return {made.code: made}


def _sandbox(settings: Settings, settles_after: timedelta | None) -> Payments:
    return SandboxPayments(settings.data_dir / "sandbox-gateway.sqlite", settles_after=settles_after)


def demo_payments(settings: Settings) -> Callable[[str, int, str], str] | None:
    """Makes the captures of the demo's orders: (name, minor units, currency) -> reference.

    None for the sandbox, which learns of a capture when it is first asked for.
    """
    if settings.gateway != "stripe":
        return None
    from portal.adapters.payments.stripe_demo import DemoPayments

    return DemoPayments(_account(settings))


def _account(settings: Settings) -> "StripePayments":
    # Imported where it is used: the library is large, and a portal with the sandbox never needs it.
    from portal.adapters.payments.stripe import StripePayments

    return StripePayments(
        api_key=settings.stripe_api_key,
        api_base=settings.stripe_api_base,
        webhook_secrets=(settings.stripe_webhook_secret, settings.stripe_webhook_secret_old),
        read_seconds=settings.stripe_timeout,
    )


def _stripe(settings: Settings) -> Payments:
    from portal.adapters.payments.breaker import Breaker

    if settings.is_production and "_test_" in settings.stripe_api_key:
        log.warning("STRIPE_API_KEY is a key of test mode: refunds move no real money")
    return Breaker(_account(settings))

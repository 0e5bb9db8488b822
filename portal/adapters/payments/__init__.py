"""Payment gateways: one file each, all behind ``ports.Payments``."""

import logging
from datetime import timedelta

from portal.adapters.payments.sandbox import SandboxPayments
from portal.ports import Payments
from portal.settings import Settings

log = logging.getLogger(__name__)


def build(settings: Settings, *, settles_after: timedelta | None = None) -> dict[str, Payments]:
    """The gateway of this installation by its code; ``settles_after`` is for the sandbox."""
    made = _stripe(settings) if settings.gateway == "stripe" else _sandbox(settings, settles_after)
    return {made.code: made}


def _sandbox(settings: Settings, settles_after: timedelta | None) -> Payments:
    return SandboxPayments(settings.data_dir / "sandbox-gateway.sqlite", settles_after=settles_after)


def _stripe(settings: Settings) -> Payments:
    # Imported where it is used: the library is large, and most processes of a sandbox never need it.
    from portal.adapters.payments.breaker import Breaker
    from portal.adapters.payments.stripe import StripePayments

    if settings.is_production and "_test_" in settings.stripe_api_key:
        log.warning("STRIPE_API_KEY is a key of test mode: refunds move no real money")
    return Breaker(
        StripePayments(
            api_key=settings.stripe_api_key,
            api_base=settings.stripe_api_base,
            webhook_secrets=(settings.stripe_webhook_secret, settings.stripe_webhook_secret_old),
            read_seconds=settings.stripe_timeout,
        )
    )

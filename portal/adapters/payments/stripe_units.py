"""Stripe counts some currencies otherwise than ISO 4217 does; the portal counts as ISO 4217."""

from portal.core.money import Minor, exponent
from portal.ports import Declined

# https://docs.stripe.com/currencies. All others have two, the króna and Uganda's shilling too, though these are
# always 00: ISO 4217 gives them none.
_WITHOUT_DECIMALS = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF")
)
_THREE_DECIMALS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))


def _digits(currency: str) -> int:
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _THREE_DECIMALS else 2


def to_stripe(amount: Minor, currency: str) -> int:
    """``amount`` minor units in Stripe's own. Raises ``Declined("amount_not_allowed")`` where it cannot move that."""
    more = _digits(currency) - exponent(currency)
    given, rest = (amount * 10**more, 0) if more >= 0 else divmod(amount, 10**-more)
    if amount <= 0 or rest:
        raise Declined("amount_not_allowed", f"{amount} {currency} minor units cannot be refunded")
    if currency in _THREE_DECIMALS and given % 10:
        raise Declined("amount_not_allowed", f"the last digit of an amount in {currency} must be 0")
    return given


def from_stripe(amount: int, currency: str) -> Minor:
    """Stripe's ``amount`` in minor units; parts of a unit, which only old payments can have, count as one more."""
    more = exponent(currency) - _digits(currency)
    return amount * 10**more if more >= 0 else -(-amount // 10**-more)

"""Stripe's own rules of amounts, which are not those of ISO 4217."""

from tests.stripe_server.errors import Fault

NO_DECIMALS = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMALS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
WHOLE_IN_HUNDREDTHS = frozenset(("isk", "ugx"))
"""Without decimals in the world, with two here, which are always 00."""


def check(amount: int, currency: str) -> None:
    """Refuse what could not be moved in that currency."""
    if currency in THREE_DECIMALS and amount % 10:
        raise Fault(
            400,
            f"Invalid amount. The last digit of an amount in {currency} must be 0.",
            code="invalid_charge_amount",
            param="amount",
        )
    if currency in WHOLE_IN_HUNDREDTHS and amount % 100:
        raise Fault(
            400,
            f"Invalid amount. Currency {currency.upper()} has become effectively zero-decimal and amounts must be "
            "evenly divisible by 100.",
            code="invalid_charge_amount_no_decimal_compatible",
            param="amount",
        )


def shown(amount: int, currency: str) -> str:
    """``$70.00`` as Stripe would put it into a message."""
    if currency in NO_DECIMALS:
        return f"{amount} {currency.upper()}"
    digits = 3 if currency in THREE_DECIMALS else 2
    return f"{amount // 10**digits}.{amount % 10**digits:0{digits}d} {currency.upper()}"

"""Amounts: integer minor units of an ISO 4217 currency, shared out without losing a cent."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

Minor = int
"""An amount in minor units (cents, yen, fils); the currency stands on the order."""

_EXPONENTS = {
    "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
    "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
    "BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
    "CLF": 4, "UYW": 4,
}  # fmt: skip

_DIGITS = 18
_WIDE = Context(prec=60)
"""Wide enough that a price with many decimals is rounded where it says so and nowhere else."""


def exponent(currency: str) -> int:
    """How many decimals ``currency`` has (ISO 4217): JPY 0, EUR 2, KWD 3."""
    return _EXPONENTS.get(currency, 2)


def minor(amount: Decimal | str | int, currency: str, *, round_to_unit: bool = False) -> Minor:
    """``amount`` in whole units of ``currency`` as minor units.

    Raises ``ValueError`` when it is no number, is beyond what a ledger holds (18 digits), or has more
    decimals than the currency and ``round_to_unit`` (half up, away from zero) is not asked for;
    ``TypeError`` for a float, which has lost the cents already.
    """
    if isinstance(amount, float):
        raise TypeError("a float is not an amount")
    try:
        exact = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount of {currency}") from None
    if not exact.is_finite() or exact.adjusted() + exponent(currency) >= _DIGITS:
        raise ValueError(f"{amount!r} is not an amount of {currency}")
    scaled = _WIDE.scaleb(exact, exponent(currency))
    whole = scaled.quantize(Decimal(1), ROUND_HALF_UP, context=_WIDE)
    if whole != scaled and not round_to_unit:
        raise ValueError(f"{amount} has more decimals than {currency} allows ({exponent(currency)})")
    return int(whole)


def line_total(unit_price: Decimal, units: int, currency: str) -> Minor:
    """``units`` at ``unit_price`` (whole units of ``currency``, any decimals), rounded once, half up."""
    return minor(_WIDE.multiply(unit_price, Decimal(units)), currency, round_to_unit=True)


def major(amount: Minor, currency: str) -> Decimal:
    """``amount`` in whole units of ``currency``, exact, for formatting and for files."""
    return Decimal(amount).scaleb(-exponent(currency))


def rounded(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` to the nearest integer, halves up. ``denominator`` is positive."""
    return (2 * numerator + denominator) // (2 * denominator)


def portion(amount: Minor, basis_points: int) -> Minor:
    """``basis_points`` (100 = 1 %) of ``amount``, halves up."""
    return rounded(amount * basis_points, 10_000)


def share(amount: Minor, before: int, after: int, of: int) -> Minor:
    """The part of ``amount`` that belongs to units ``before``..``after`` out of ``of``, in minor units.

    Telescopes: over any sequence of partial returns the shares sum to ``amount``, so no rounding
    tolerance is ever needed (money.md 5). Raises ``ValueError`` on a bad span.
    """
    if not 0 <= before <= after <= of or of <= 0:
        raise ValueError(f"units {before}..{after} of {of} is not a span")
    return rounded(amount * after, of) - rounded(amount * before, of)


def allocate(amount: Minor, weights: Sequence[int]) -> list[Minor]:
    """``amount`` spread in proportion to ``weights`` by largest remainder, ties to the first.

    The parts sum to ``amount`` exactly. With all weights zero the parts are equal, the first ones a
    unit larger. Raises ``ValueError`` without weights, or with a negative one.
    """
    if not weights or min(weights) < 0:
        raise ValueError("weights must be given and not negative")
    if len(weights) == 1:
        return [amount]
    total = sum(weights)
    if total == 0:
        return allocate(amount, [1] * len(weights))
    sign = -1 if amount < 0 else 1
    amount = abs(amount)
    parts = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    for i in by_remainder[: amount - sum(parts)]:
        parts[i] += 1
    return [sign * part for part in parts]

"""Codes of store credits, and how long a credit must live by the law of the place where its customer is.

A code is worked out from a random nonce and the server's secret, and kept as a digest alone: a copy of the
database spends nothing, and a mail with the code can still be sent again.
"""

import hashlib
import hmac
import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from portal.core.numbers import ALPHABET, check_character

LENGTH: Final = 16
"""Fifteen characters of chance (75 bits) and a check character."""

_FOLDED: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})
_BETWEEN: Final = re.compile(r"[\s\-_./\u2010-\u2015\u2212]+")


def code(secret: str, nonce: str) -> str:
    """The code of a credit in groups of four, ``7K3M-9QX1-40WF-ZT2H``; the same two give the same one."""
    taken = hmac.new(secret.encode(), b"credit:" + nonce.encode(), hashlib.sha256).digest()
    bits = int.from_bytes(taken[:10]) >> 5
    payload = "".join(ALPHABET[bits >> shift & 31] for shift in range(70, -1, -5))
    return grouped(payload + check_character(payload))


def grouped(bare: str) -> str:
    """``bare`` as it is printed, in groups of four."""
    return "-".join(bare[at : at + 4] for at in range(0, len(bare), 4))


def normalize(typed: str) -> str | None:
    """The sixteen characters that were meant, or None when no code is: blanks, dashes, case, O, I and L are
    put right, and the check character must fit.
    """
    bare = _BETWEEN.sub("", typed.upper()).translate(_FOLDED)
    if len(bare) != LENGTH or any(character not in ALPHABET for character in bare):
        return None
    return bare if check_character(bare[:-1]) == bare[-1] else None


def digest(bare: str) -> str:
    """What is kept of a code, grouped or not, and what it is found by."""
    return hashlib.sha256(b"credit:" + bare.replace("-", "").encode()).hexdigest()


def last(bare: str) -> str:
    """The four characters that tell one code from another on a page that others may see."""
    return bare.replace("-", "")[-4:]


def hidden(ending: str) -> str:
    """A code with all but its ending covered: ``••••-••••-••••-1234``."""
    return f"••••-••••-••••-{ending}"


@dataclass(frozen=True, kw_only=True)
class Validity:
    """For how long money on a code must at least stay good somewhere. ``months`` None: it may not expire.

    ``verified`` says how the rule was found: ``official`` in the law itself or by its authority, ``secondary``
    by lawyers or the press. What was not found at all is not in the table, and never expires. These laws speak
    of gift cards that were sold; credit given for goods that came back is treated no worse.
    """

    months: int | None
    source: str
    verified: str
    to_year_end: bool = False
    """The time runs from the end of the year."""


def _never(source: str, verified: str = "secondary") -> Validity:
    return Validity(months=None, source=source, verified=verified)


PLACES: Final[Mapping[str, Validity]] = {
    "AT": Validity(months=360, source="ABGB §§ 1478, 1479; OGH 7 Ob 22/12d", verified="secondary"),
    "AU": Validity(
        months=36, source="Competition and Consumer Act 2010, Schedule 2, section 99B", verified="official"
    ),
    "CA": _never(
        "Provincial consumer law, such as O. Reg. 17/05 (Ontario) and CQLR c. P-40.1 s. 187.3 (Quebec)"
    ),
    "CH": Validity(months=120, source="Code of Obligations art. 127", verified="secondary"),
    "DE": Validity(months=36, source="BGB §§ 195, 199 (1)", verified="secondary", to_year_end=True),
    "IE": Validity(months=60, source="Consumer Protection (Gift Vouchers) Act 2019", verified="secondary"),
    "NZ": Validity(
        months=36, source="Fair Trading (Gift Card Expiry) Amendment Act 2024", verified="official"
    ),
    "US-CA": _never("California Civil Code § 1749.5"),
    "US-CT": _never("Connecticut General Statutes § 42-460"),
    "US-FL": _never("Florida Statutes § 501.95"),
    "US-IL": Validity(months=60, source="815 ILCS 505/2SS; 12 CFR 1005.20 (e)", verified="secondary"),
    "US-KS": Validity(months=60, source="K.S.A. 50-6,108; 12 CFR 1005.20 (e)", verified="secondary"),
}
"""Place (ISO 3166 country, or country and subdivision) -> the least that holds there.

In the United States 12 CFR 1005.20 (e) asks for five years everywhere, and many states for more: only states
whose own rule was found are named, in all others nothing expires.
"""


def validity(country: str, region: str = "") -> Validity | None:
    """The rule of the place where a customer is; None where none is known, and then nothing expires."""
    country, region = country.strip().upper(), region.strip().upper()
    return PLACES.get(f"{country}-{region}") or PLACES.get(country)


def expires_on(country: str, region: str, *, issued_on: date, wish_months: int | None = None) -> date | None:
    """The last day of a credit, inclusive; None: it never expires.

    ``wish_months`` is the merchant's own term, 0 for never: it may lengthen what the law of the place says,
    and never shorten it. Where no law is known nothing expires, whatever is wished.
    """
    rule = validity(country, region)
    if rule is None or rule.months is None or wish_months == 0:
        return None
    by_law = after_months(date(issued_on.year, 12, 31) if rule.to_year_end else issued_on, rule.months)
    return max(by_law, after_months(issued_on, wish_months)) if wish_months else by_law


def later(one: date | None, other: date | None) -> date | None:
    """The later of two last days, where None never comes."""
    return None if one is None or other is None else max(one, other)


def after_months(day: date, months: int) -> date:
    """The same day so many months on, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))

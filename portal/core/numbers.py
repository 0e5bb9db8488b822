"""Numbers people read aloud: returns, cancellations, refunds, per-item authorizations; each with a check character.

A number is a prefix and eight characters of Crockford's base 32 (no I, L, O, U): seven random ones and one
Luhn-mod-32 check character, so any single mistyped character is noticed. It is not a secret.
"""

import re
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RETURN_PREFIX: Final = "RMA"
CANCELLATION_PREFIX: Final = "CA"
REFUND_PREFIX: Final = "RF"
AUTHORIZATION_PREFIX: Final = "AC"
BATCH_PREFIX: Final = "BT"
DISPUTE_PREFIX: Final = "DS"
PREFIXES: Final = (RETURN_PREFIX, CANCELLATION_PREFIX, REFUND_PREFIX, AUTHORIZATION_PREFIX, DISPUTE_PREFIX)
BYTES_NEEDED: Final = 5
"""Random bytes a number is made of: seven characters of five bits are 35 bits."""

_BODY: Final = 8
_FOLDED: Final = str.maketrans({"O": "0", "I": "1", "L": "1"})


def rma_number(randomness: bytes) -> str:
    """A return number, ``RMA-7K3M-9QX1``, from at least ``BYTES_NEEDED`` random bytes."""
    return _number(RETURN_PREFIX, randomness)


def cancellation_number(randomness: bytes) -> str:
    """The number of a cancellation, ``CA-7K3M-9QX1``, from at least ``BYTES_NEEDED`` random bytes."""
    return _number(CANCELLATION_PREFIX, randomness)


def refund_number(randomness: bytes) -> str:
    """A refund number, ``RF-7K3M-9QX1``, from at least ``BYTES_NEEDED`` random bytes."""
    return _number(REFUND_PREFIX, randomness)


def authorization_code(randomness: bytes) -> str:
    """A code for one line of one return, ``AC-7K3M-9QX1``, from at least ``BYTES_NEEDED`` random bytes."""
    return _number(AUTHORIZATION_PREFIX, randomness)


def batch_number(randomness: bytes) -> str:
    """The number of a file for the bank, ``BT-7K3M-9QX1``, from at least ``BYTES_NEEDED`` random bytes."""
    return _number(BATCH_PREFIX, randomness)


def dispute_number(randomness: bytes) -> str:
    """The number of a dispute, ``DS-7K3M-9QX1``, from at least ``BYTES_NEEDED`` random bytes."""
    return _number(DISPUTE_PREFIX, randomness)


def check_character(payload: str) -> str:
    """The Luhn-mod-32 character that completes ``payload``. Raises ``ValueError`` on a foreign character."""
    total, factor = 0, 2
    for character in reversed(payload):
        addend = factor * ALPHABET.index(character)
        total += addend // 32 + addend % 32
        factor = 3 - factor
    return ALPHABET[-total % 32]


def normalize(text: str, *, prefix: str = RETURN_PREFIX) -> str:
    """What was typed, as the number that was meant: case, blanks, dashes and O, I, L put right.

    A number typed without prefix gets ``prefix``. What cannot be a number comes back trimmed and in upper
    case,
    so that ``is_valid`` refuses it and a message can still show it.
    """
    bare = re.sub(r"[\s\-_./\u2010-\u2015\u2212]+", "", text.upper())
    for known in PREFIXES:
        body = bare.removeprefix(known)
        if body != bare and len(body) == _BODY:
            return _shaped(known, body.translate(_FOLDED))
    if len(bare) == _BODY:
        return _shaped(prefix, bare.translate(_FOLDED))
    return text.strip().upper()


def is_valid(text: str, *, prefix: str | None = None) -> bool:
    """Whether ``text``, as typed, is a number whose check character is right, and of ``prefix`` where one
    is given.
    """
    found, _, body = normalize(text, prefix=prefix or RETURN_PREFIX).partition("-")
    body = body.replace("-", "")
    if found not in ((prefix,) if prefix else PREFIXES) or len(body) != _BODY:
        return False
    return all(c in ALPHABET for c in body) and check_character(body[:-1]) == body[-1]


def _number(prefix: str, randomness: bytes) -> str:
    if len(randomness) < BYTES_NEEDED:
        raise ValueError(f"a number needs {BYTES_NEEDED} random bytes, {len(randomness)} were given")
    bits = int.from_bytes(randomness[:BYTES_NEEDED]) >> (8 * BYTES_NEEDED - 35)
    payload = "".join(ALPHABET[bits >> shift & 31] for shift in range(30, -1, -5))
    return _shaped(prefix, payload + check_character(payload))


def _shaped(prefix: str, body: str) -> str:
    return f"{prefix}-{body[:4]}-{body[4:]}"

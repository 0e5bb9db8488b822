"""What names and phone numbers are found by: words, and digits from the end."""

import re
import unicodedata
from typing import Final

LONGEST: Final = 60
"""Characters of a word that are kept."""

MOST_WORDS: Final = 12
"""Words of one name that are kept."""

ENDING: Final = 8
"""So many last digits make a phone number: what stands before is written in more than one way."""

FEWEST_DIGITS: Final = 4
"""Fewer are no phone number, but part of something else."""

_FOLDED: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)


def name_words(text: str) -> tuple[str, ...]:
    """The words of a name as they are searched for: lower case, without accents, each once.

    ``"Müller-Łukasz, Zoë"`` gives ``muller``, ``lukasz``, ``zoe``.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_FOLDED))
    bare = "".join(character for character in plain if not unicodedata.combining(character))
    found = re.findall(r"[^\W_]+", bare)
    return tuple(dict.fromkeys(word[:LONGEST] for word in found))[:MOST_WORDS]


def phone_key(text: str) -> str:
    """The digits of a phone number backwards, so that the end of a number is the beginning of its key."""
    return "".join(character for character in text if character in "0123456789")[::-1][:40]


def phone_ending(text: str) -> str:
    """What was typed as the beginning of a ``phone_key``; empty where it is no phone number.

    The zero before a national number and a country's prefix are left out: they are written or not.
    """
    if re.search(r"[^\d\s()+./-]", text):
        return ""
    digits = phone_key(text).rstrip("0")
    return digits[:ENDING] if len(digits) >= FEWEST_DIGITS else ""


def after_prefix(prefix: str) -> str:
    """The first text, by code points, that no longer begins with ``prefix``: the end of the range to look in."""
    following = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if 0xD800 <= following <= 0xDFFF else min(following, 0x10FFFF))

"""What was never charged, said rightly: reserved amounts that are let go, and bills that become smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

WHERE = {
    "authorized": N_("%(to)s: not charged"),
    "due": N_("%(to)s: you owe less"),
}
UNTIL = {
    "authorized": N_("It was only reserved. Your bank may show the reservation for a few more days."),
    "due": N_("Nothing was paid yet, so nothing has to come back."),
}
MODES = {
    "captured": N_("Refunded"),
    "authorized": N_("Let go, never charged"),
    "due": N_("Taken off the bill"),
}
"""What a transfer is, said to people of the shop."""


def where(words: Words, mode: str, to: str) -> str:
    """Where a part of a refund goes; of what was never paid, that it is not charged there."""
    return words.gettext(WHERE[mode], to=to) if mode in WHERE else to


def until(words: Words, mode: str) -> str:
    """What the customer still sees of an amount that was never charged; empty for what was paid."""
    return words.gettext(UNTIL[mode]) if mode in UNTIL else ""


def mode(words: Words, code: str) -> str:
    """What kind of transfer it is, for people of the shop."""
    return words.gettext(MODES[code]) if code in MODES else code

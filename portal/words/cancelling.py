"""A cancellation in words: how its money moves, how a service ends, why it came to nothing, how it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from portal.core.money import Minor
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

BACK, RELEASED, LESS = "captured", "authorized", "due"
"""What becomes of an amount, by the mode of its payment: sent back, never charged, no longer owed."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A part of the amount: how it moves (``captured``, ``authorized``, ``due``) and the sentence about it."""

    mode: str
    amount: Minor
    text: str
    when: str = ""


MOVES = {
    BACK: N_("%(amount)s goes back to you: %(where)s."),
    RELEASED: N_("%(amount)s is not charged: %(where)s. It was only reserved there."),
    LESS: N_("You owe %(amount)s less: %(where)s."),
}
HEADLINES = {
    BACK: N_("You get %(amount)s back"),
    RELEASED: N_("%(amount)s is not charged"),
    LESS: N_("You owe %(amount)s less"),
}
LABELS = {
    BACK: N_("You get back"),
    RELEASED: N_("Not charged"),
    LESS: N_("You owe less"),
}
ENDINGS = {
    "": N_("Keep it"),
    "next_period": N_("End it with the period that is paid for"),
    "at_once": N_("End it now"),
}
REASONS = {
    "unwanted_part": N_("I do not need this part"),
    "service_not_needed": N_("I do not need the service"),
    "gift_changed": N_("The present has changed"),
    "arrives_too_late": N_("It would arrive too late"),
}
"""Beside those of returns (names.REASONS)."""

SCORES = {
    1: N_("Very unhappy"),
    2: N_("Unhappy"),
    3: N_("So-so"),
    4: N_("Happy"),
    5: N_("Very happy"),
}
ENDED = {
    "shipped": N_("It had left our warehouse before it could be taken out."),
    "picking": N_("It was being packed already and could not be stopped."),
    "cut_off": N_("The warehouse had closed this order before we could reach it."),
    "drop_ship": N_("It comes straight from the manufacturer, who had sent it already."),
    "pre_picked": N_("It had been packed in advance."),
    "custom_made": N_("It is made for you, and the work had begun."),
    "third_party": N_("Another company sends it for us and could not stop it."),
    "order_canceled": N_("The whole order was canceled meanwhile."),
    "order_changed": N_("The order was changed meanwhile."),
    "refused": N_("The warehouse could not take it out any more."),
}
SAME = {
    "already_shipped": "shipped",
    "being_picked": "picking",
    "picked": "picking",
    "past_cut_off": "cut_off",
}
"""Codes of the policy and of the warehouse that mean one thing to a customer."""


def moves(words: Words, shares: Iterable[Mapping[str, Any]], currency: str) -> tuple[Move, ...]:
    """What happens to each part: shares have ``tender``, ``label``, ``amount`` and ``mode`` of their payment."""
    found = []
    for share in shares:
        told = str(share.get("mode") or BACK)
        mode = told if told in MOVES else BACK
        provider, tender = share.get("provider", ""), share.get("tender", "")
        where = words.goes_to(tender, share.get("label", ""), provider)
        amount = words.money(share["amount"], currency)
        text = words.gettext(MOVES[mode], amount=amount, where=where)
        on = share.get("arrives_on") or None
        day = date.fromisoformat(on[:10]) if isinstance(on, str) else on
        when = words.there_by(day, tender, provider) if mode == BACK else ""
        found.append(Move(mode=mode, amount=share["amount"], text=text, when=when))
    return tuple(found)


def by_mode(found: Iterable[Move]) -> dict[str, Minor]:
    """How much goes back, is not charged and is owed less, in that order; modes without any amount are left out."""
    sums = dict.fromkeys(MOVES, 0)
    for move in found:
        sums[move.mode] += move.amount
    return {mode: amount for mode, amount in sums.items() if amount}


def headline(words: Words, amounts: Mapping[str, Minor], currency: str) -> str:
    """All of it in one phrase without a full stop: ``You get €20.00 back · €5.00 is not charged``."""
    said = [
        words.gettext(HEADLINES[mode], amount=words.money(amount, currency))
        for mode, amount in amounts.items()
        if amount
    ]
    return " · ".join(said) if said else words.gettext("No money moves")


def label(words: Words, amounts: Mapping[str, Minor]) -> str:
    """What the total of a breakdown is called: as the money moves, or what all ways have in common."""
    modes = [mode for mode, amount in amounts.items() if amount]
    return words.gettext(LABELS[modes[0]]) if len(modes) == 1 else words.gettext("Taken off your order")


def ending(words: Words, code: str, ends_on: date | None) -> str:
    """How a service ends, as one sentence; empty for goods."""
    if code == "next_period" and ends_on is not None:
        return words.gettext("Runs until %(day)s and is not renewed.", day=words.day(ends_on))
    if code == "next_period":
        return words.gettext("Runs to the end of the period that is paid for and is not renewed.")
    if code == "at_once":
        return words.gettext("Ends now; you get the unused part back.")
    return ""


def ended(words: Words, code: str) -> str:
    """Why a cancellation came to nothing, said to its customer."""
    return (
        words.gettext(ENDED[SAME.get(code, code)])
        if SAME.get(code, code) in ENDED
        else words.gettext("It could not be taken out of your order any more.")
    )


def score(words: Words, value: int) -> str:
    return words.gettext(SCORES[value])

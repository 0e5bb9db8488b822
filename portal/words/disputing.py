"""Disputes in words: grounds, wishes, how one ended, and what the mails of it say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words

GROUNDS = {
    "amount": N_("The amount is wrong"),
    "deduction": N_("Something was kept back that should not be"),
    "refusal": N_("It was not accepted, and should be"),
    "missing_refund": N_("I sent it and got no money back"),
    "other": N_("Something else"),
}
WISHES = {
    "difference": N_("The missing part of the money"),
    "full_refund": N_("All of the money for these items"),
    "explanation": N_("An explanation"),
    "goods_back": N_("My items back"),
    "other": N_("Something else"),
}
OUTCOMES = {
    "offer_accepted": N_("The offer was accepted"),
    "counter_accepted": N_("What the customer asked for was accepted"),
    "settled": N_("Decided in the customer's favor"),
    "upheld": N_("The decision stands"),
    "goods_back": N_("The items go back to the customer"),
    "explained": N_("Explained"),
    "withdrawn": N_("Taken back by the customer"),
}
BECAUSE = {
    "overdue": N_("Nobody answered in time."),
    "unpayable": N_(
        "The customer accepted an offer that can no longer be paid: something else took the money meanwhile, "
        "a chargeback or another refund. See what can still be given."
    ),
}

HEADINGS = {
    "offer_withdrawn": N_("We have taken our offer back"),
    "offer_expired": N_("Our offer has run out"),
    "declined": N_("We cannot pay what you asked for"),
    "offer_accepted": N_("Agreed: %(amount)s on top"),
    "counter_accepted": N_("We accept: %(amount)s on top"),
    "settled": N_("You get %(amount)s on top"),
    "upheld": N_("Our decision stands"),
    "goods_back": N_("You get your items back"),
    "explained": N_("Our answer to you"),
    "withdrawn": N_("You contest it no longer"),
}
SENTENCES = {
    "offer_withdrawn": N_(
        "Our offer of %(amount)s no longer stands. We go on looking at it and write to you."
    ),
    "offer_expired": N_(
        "Our offer of %(amount)s was open until its last day and has run out. The matter is not closed: write to "
        "us, or wait for our next answer."
    ),
    "declined": N_("You asked for %(amount)s. We cannot agree to that; the matter stays open."),
    "offer_accepted": N_(
        "You accepted %(amount)s. We send it as a refund of its own, and tell you when it is sent."
    ),
    "counter_accepted": N_("You asked for %(amount)s, and you get it. We tell you when it is sent."),
    "settled": N_("We looked at it again and give you %(amount)s back. We tell you when it is sent."),
    "upheld": N_("We looked at it again and stay with what we decided."),
    "goods_back": N_("We do not refund these items and send them back to you."),
    "explained": N_("We looked at it again. Here is how it came about."),
    "withdrawn": N_("Nothing more happens in this matter, as you wished."),
}


def ground(words: Words, code: str) -> str:
    return words.gettext(GROUNDS[code]) if code in GROUNDS else code


def wish(words: Words, code: str) -> str:
    return words.gettext(WISHES[code]) if code in WISHES else code


def outcome(words: Words, code: str) -> str:
    return words.gettext(OUTCOMES[code]) if code in OUTCOMES else code


def because(words: Words, text: str) -> str:
    """Why it was handed up: what a person wrote, or what the portal itself saw."""
    return words.gettext(BECAUSE[text]) if text in BECAUSE else text


def mailed(words: Words, told: Mapping[str, Any]) -> dict[str, Any]:
    """What the mails say, from the plain values of the queue."""
    currency, what = told["currency"], told["what"]
    amount = words.money(told["amount"], currency)
    until = words.moment(datetime.fromisoformat(told["until"])) if told["until"] else ""
    claimed = words.money(told["claimed"], currency) if told["claimed"] is not None else ""
    return {
        "number": told["number"],
        "what": what,
        "amount": amount,
        "until": until,
        "due": words.moment(datetime.fromisoformat(told["due"])),
        "claimed": claimed,
        "heading": words.gettext(HEADINGS[what], amount=amount) if what in HEADINGS else "",
        "sentence": words.gettext(SENTENCES[what], amount=amount) if what in SENTENCES else "",
        "message": told["message"],
        "is_over": bool(told["outcome"]),
    }

"""What an agent says while a cancellation is being proposed: sentences with its items, amounts and deadline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from portal.core.money import Minor
from portal.words.catalogue import N_

if TYPE_CHECKING:
    from portal.words import Words


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """So many units of a thing that leave the order, or stay; a service says when it ends."""

    units: int
    name: str
    ending: str = ""
    ends_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of the money at one payment: ``mode`` is captured, authorized or due."""

    mode: str
    amount: Minor
    where: str


@dataclass(frozen=True, kw_only=True)
class Call:
    """Everything a call is about. Amounts in minor units of ``currency``."""

    channel: str
    shop: str
    name: str
    email: str
    order: str
    currency: str
    leaves: tuple[Leaving, ...]
    stays: tuple[Leaving, ...]
    total_before: Minor
    total_after: Minor
    shipping_before: Minor
    shipping_after: Minor
    shares: tuple[Share, ...]
    until: datetime
    ships: bool
    """Whether any of it are goods that could leave before the customer answers."""


_BEGIN = {
    "phone": N_(
        "I have your order %(order)s in front of me. You would like to take this out: %(items)s. Is that right?"
    ),
    "in_person": N_(
        "Here is your order %(order)s. You would like to take this out: %(items)s. Is that right?"
    ),
    "chat": N_("I have found your order %(order)s. You would like to take this out: %(items)s."),
    "email": N_("Hello %(name)s, you asked us to take this out of your order %(order)s: %(items)s."),
}
_CONFIRM = {
    "phone": N_(
        "I am sending an e-mail to %(email)s now. Please open it and press “Cancel these items” by %(until)s."
    ),
    "in_person": N_(
        "I am sending an e-mail to %(email)s now. You can open it on your phone right here and press"
        " “Cancel these items”, or do so at home by %(until)s."
    ),
    "chat": N_(
        "You will find an e-mail at %(email)s in a moment. Please press “Cancel these items” in it by %(until)s."
    ),
    "email": N_(
        "A second e-mail comes to %(email)s with a button for your answer. Please press “Cancel these items”"
        " in it by %(until)s."
    ),
}
_END = {
    "phone": N_("Did the e-mail arrive? I can stay on the line while you confirm. Is there anything else?"),
    "in_person": N_("Shall we look together whether the e-mail has arrived? Is there anything else?"),
    "chat": N_("I stay here until you have confirmed. Is there anything else?"),
    "email": N_("Simply answer this e-mail if anything is unclear. Kind regards, %(shop)s"),
}
_MONEY = {
    "captured": N_("%(amount)s goes back to you: %(where)s."),
    "authorized": N_("%(amount)s is not charged at all: it was only reserved (%(where)s)."),
    "due": N_("You owe %(amount)s less: %(where)s."),
}
MODES = {
    "captured": N_("paid"),
    "authorized": N_("reserved, not charged yet"),
    "due": N_("still to be paid by the customer"),
}
"""What a payment of an order is, by its mode."""
LOGISTICS = {
    "drop_ship": N_("Sent by its maker"),
    "custom_made": N_("Made to order"),
    "pre_picked": N_("Packed in advance"),
    "third_party": N_("Sent by another company"),
}
"""What ties units of a line to somebody else's work, as a fact of the line."""
INTERVALS = {
    "week": N_("every week"),
    "month": N_("every month"),
    "quarter": N_("every quarter"),
    "year": N_("every year"),
}
"""How often a service is renewed."""
WRITTEN = ("chat", "email")
"""Where the sentences are sent and not spoken."""


def script(words: Words, call: Call) -> tuple[str, ...]:
    """The sentences in their order, in the language of ``words``; unknown channels speak as a call does."""
    channel = call.channel if call.channel in _BEGIN else "phone"
    facts = {
        "order": call.order,
        "items": items(words, call.leaves),
        "name": call.name,
        "email": call.email,
        "until": f"{words.day(call.until, weekday=True)}, {words.time(call.until)}",
        "shop": call.shop,
    }
    told = [words.gettext(_BEGIN[channel], **facts), *_rest(words, call), *_sums(words, call)]
    told.append(words.gettext(_CONFIRM[channel], **facts))
    told.append(
        words.gettext(
            "Until you confirm, nothing is canceled and nothing is paid back. We hold the items meanwhile."
        )
    )
    told.append(_then(words, call))
    if call.ships:
        told.append(
            words.gettext(
                "Should the parcel leave before that, we tell you by e-mail; you can send the items back then."
            )
        )
    told.append(words.gettext("If you do nothing, your order stays as it is."))
    told.append(words.gettext(_END[channel], **facts))
    return tuple(told)


def _then(words: Words, call: Call) -> str:
    """What follows from the customer's yes; money that was never taken does not come back."""
    paid_back = any(share.mode == "captured" and share.amount for share in call.shares)
    if call.ships and paid_back:
        return words.gettext(
            "As soon as you have confirmed, our warehouse is told and the money is on its way."
        )
    if paid_back:
        return words.gettext("As soon as you have confirmed, the money is on its way.")
    if call.ships:
        return words.gettext(
            "As soon as you have confirmed, our warehouse is told and your order is changed."
        )
    return words.gettext("As soon as you have confirmed, your order is changed.")


def items(words: Words, lines: Iterable[Leaving]) -> str:
    """Several things as one phrase: ``1 × Shirt and 2 × Mug``."""
    return words.join(f"{line.units} × {line.name}" for line in lines)


def _rest(words: Words, call: Call) -> list[str]:
    """What stays, and when each service ends."""
    told = []
    for line in call.leaves:
        if line.ending == "next_period" and line.ends_on:
            on = words.day(line.ends_on)
            told.append(
                words.gettext("%(name)s runs until %(day)s and is not renewed.", name=line.name, day=on)
            )
        elif line.ending == "at_once":
            told.append(words.gettext("%(name)s ends at once; what is unused is paid back.", name=line.name))
    if call.stays:
        stays = items(words, call.stays)
        told.append(words.gettext("Everything else stays as you ordered it: %(items)s.", items=stays))
    else:
        told.append(words.gettext("Then nothing is left of the order, and all of it is canceled."))
    return told


def _sums(words: Words, call: Call) -> list[str]:
    """The new total, shipping, and what becomes of the money."""
    before, after = (words.money(one, call.currency) for one in (call.total_before, call.total_after))
    told = []
    if call.total_before != call.total_after:
        told.append(
            words.gettext(
                "Your order then comes to %(after)s in place of %(before)s.", before=before, after=after
            )
        )
    if call.shipping_before and call.stays:
        shipping = words.money(call.shipping_after, call.currency)
        told.append(
            words.gettext("Shipping stays at %(amount)s.", amount=shipping)
            if call.shipping_before == call.shipping_after
            else words.gettext("Shipping becomes %(amount)s.", amount=shipping)
        )
    for share in call.shares:
        amount = words.money(share.amount, call.currency)
        told.append(
            words.gettext(_MONEY.get(share.mode, _MONEY["captured"]), amount=amount, where=share.where)
        )
    if not any(share.amount for share in call.shares):
        told.append(words.gettext("No money moves."))
    return told


def mode(words: Words, code: str) -> str:
    """What a payment of that mode is: paid, reserved or still owed."""
    return words.gettext(MODES.get(code, MODES["captured"]))


def logistics(words: Words, code: str) -> str:
    """What ties a line to somebody else's work; a code without words is shown as it is."""
    return words.gettext(LOGISTICS[code]) if code in LOGISTICS else code


def interval(words: Words, code: str) -> str:
    """How often a service is renewed; empty where it is not."""
    return words.gettext(INTERVALS[code]) if code in INTERVALS else code

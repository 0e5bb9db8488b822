"""What an agent says while a return is entered, and when it is done: sentences with its items, amounts and days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from portal.core.money import Minor
from portal.words.catalogue import N_
from portal.words.spelling import aloud

if TYPE_CHECKING:
    from portal.words import Words


@dataclass(frozen=True, kw_only=True)
class Entering:
    """Where the entry of a return stands. Amounts in minor units; None where it is not known yet."""

    channel: str
    shop: str
    name: str
    email: str
    order: str
    currency: str
    items: tuple[tuple[int, str], ...]
    """(units, name) of what goes back."""
    asks_reason: bool
    asks_photo: bool
    address: str
    method: str
    """The name of the chosen way; empty where it is still open."""
    deducted: Minor
    """Of the chosen way, taken off the refund."""
    refund: Minor | None
    left: tuple[str, ...]
    """What is still open, in words."""
    ends: bool
    """Whether the agent may authorize it."""
    waits: bool = False
    """Whether somebody else has to decide it first, so that nothing is promised."""
    offers_exchange: bool = False
    """Whether a rule of the shop wants an exchange offered before money is given back."""
    keeps: bool = False
    """Whether the goods stay with the customer: a rule of the shop gives the money back without a return."""


_BEGIN = {
    "phone": N_("I have your order %(order)s in front of me. What would you like to send back?"),
    "in_person": N_("Here is your order %(order)s. What would you like to send back?"),
    "chat": N_("I have found your order %(order)s. What would you like to send back?"),
    "email": N_(
        "Hello %(name)s, we have found your order %(order)s. Which items would you like to send back?"
    ),
}
_ITEMS = {
    "phone": N_("You would like to send this back: %(items)s. Is that right?"),
    "in_person": N_("You would like to send this back: %(items)s. Is that right?"),
    "chat": N_("You would like to send this back: %(items)s. Is that right?"),
    "email": N_("Hello %(name)s, you would like to send this back: %(items)s."),
}


def entering(words: Words, call: Entering) -> tuple[str, ...]:
    """The sentences up to the question whether to go ahead, in the language of ``words``."""
    say = words.gettext
    channel = call.channel if call.channel in _BEGIN else "phone"
    if not call.items:
        if call.order:
            return (say(_BEGIN[channel], order=call.order, name=call.name),)
        return (say(N_("What would you like to send back, and do you have an order number?")),)
    told = [say(_ITEMS[channel], items=_items(words, call.items), name=call.name)]
    if call.asks_reason:
        told.append(say(N_("What is the reason, and in what condition is it?")))
    if call.offers_exchange:
        told.append(say(N_("Would you rather have an exchange, or your money back? Both are fine.")))
    if call.asks_photo:
        told.append(say(N_("We need a photo of it. You can send it to us now, or add it with a link.")))
    told += _sent(words, call) if not call.keeps else () if call.waits else (_kept(words, call),)
    if call.waits:
        told.append(say(N_("I have to ask a colleague about this first. You get the answer by e-mail.")))
        return tuple(told)
    told.append(
        say(N_("Shall I go ahead? You get the number right away."))
        if not call.left and call.ends
        else say(N_("I can also send you a link, and you finish the rest yourself."))
    )
    return tuple(told)


def _sent(words: Words, call: Entering) -> tuple[str, ...]:
    """From where and how it is sent, and what is given back then."""
    say = words.gettext
    where = (
        say(N_("Does the parcel come from %(address)s?"), address=call.address)
        if call.address
        else say(N_("From which address do you send it?"))
    )
    if call.refund is None or call.waits:
        return (where, _way(words, call))
    amount = words.money(call.refund, call.currency)
    back = say(N_("As soon as we have it and have looked at it, you get %(amount)s back."), amount=amount)
    return (where, _way(words, call), back)


def _kept(words: Words, call: Entering | Entered) -> str:
    """What is given back for goods that stay."""
    if call.refund is None:
        return words.gettext(N_("You keep the items."))
    amount = words.money(call.refund, call.currency)
    return words.gettext(
        N_("We give you %(amount)s back. You keep your items and send nothing."), amount=amount
    )


def _items(words: Words, items: tuple[tuple[int, str], ...]) -> str:
    return words.join(f"{units} × {name}" for units, name in items)


def _way(words: Words, call: Entering) -> str:
    if not call.method:
        return words.gettext(N_("How would you like to send it?"))
    if not call.deducted:
        return words.gettext(N_("Sending it costs you nothing: %(method)s."), method=call.method)
    amount = words.money(call.deducted, call.currency)
    return words.gettext(
        N_("Sending it costs %(amount)s, which is taken off the refund: %(method)s."),
        amount=amount,
        method=call.method,
    )


@dataclass(frozen=True, kw_only=True)
class Entered:
    """What came of it: a number, or a link that goes to the customer."""

    number: str
    is_written: bool = False
    """Whether the sentences are sent, and not said: then the number stands there as it is."""
    email: str
    approved: bool
    ship_by: date | None
    method: str
    refund: Minor | None
    currency: str
    link_until: date | None = None
    mailed: bool = True
    left: tuple[str, ...] = ()
    keeps: bool = False
    """Whether the goods stay with the customer, so that nothing is sent."""


def entered(words: Words, call: Entered) -> tuple[str, ...]:
    """The sentences with which a call ends, in the language of ``words``."""
    say = words.gettext
    told: list[str] = []
    if call.number:
        number = call.number if call.is_written else aloud(call.number)
        told.append(say(N_("Your return number is %(number)s."), number=number))
    if call.link_until:
        if call.mailed:
            told.append(
                say(N_("I have sent a link to %(email)s. With it you finish the rest."), email=call.email)
            )
        told.append(say(N_("The link works until %(day)s."), day=words.day(call.link_until, weekday=True)))
        if call.left:
            told.append(say(N_("These questions are left for you: %(steps)s."), steps=words.join(call.left)))
    elif call.approved and call.keeps:
        told.append(_kept(words, call))
    elif call.approved:
        told.append(say(N_("Label and receipt are on their way to %(email)s."), email=call.email))
        if call.ship_by:
            day = words.day(call.ship_by, weekday=True)
            told.append(say(N_("Please send it by %(day)s: %(method)s."), day=day, method=call.method))
    else:
        told.append(
            say(N_("A colleague looks at it. You get the answer by e-mail at %(email)s."), email=call.email)
        )
    if call.refund is not None and (call.approved or call.link_until) and not call.keeps:
        amount = words.money(call.refund, call.currency)
        told.append(
            say(N_("As soon as we have it and have looked at it, you get %(amount)s back."), amount=amount)
        )
    told.append(say(N_("Is there anything else I can do for you?")))
    return tuple(told)

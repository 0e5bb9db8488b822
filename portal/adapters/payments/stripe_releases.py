"""Letting go what Stripe only holds on a card.

Stripe cannot lower an authorization. What it offers is this: nothing is taken when the whole of it is canceled,
and whoever captures may capture less, once, upon which Stripe frees the rest. So what is let go is written onto
the payment intent (or charge) itself, each part under our key, together with ``amount_to_capture``: what the
shop's capture is to name. When nothing remains, the intent is canceled. The customer's bank shows the whole
amount as reserved until then; nobody is charged for what was let go, as long as the shop captures no more than
``amount_to_capture``. If it does, the release is told as failed when it is looked at.

An object holds fifty such entries at most; Stripe refuses the next one, and a person is told.
"""

from collections.abc import Mapping
from typing import Any

import stripe as sdk

from portal.adapters.payments import stripe_answers as answers
from portal.adapters.payments.stripe_units import from_stripe, to_stripe
from portal.core.money import Minor
from portal.ports import Declined, RefundResult

LEFT = "amount_to_capture"
"""In the metadata of an intent or charge, in Stripe's units; 0: it is to be canceled."""
OURS = "r_"
"""Before our key, in the same metadata: how much was let go under it."""
TRIES = 5

Thing = Mapping[str, Any]


class Releases:
    """Releases of one Stripe account; ``found`` gives a payment intent or charge as it is, with its charge."""

    def __init__(self, stripe: sdk.StripeClient) -> None:
        self._stripe = stripe

    def release(
        self, thing: Thing, *, key: str, reference: str, amount: Minor, remaining: Minor, currency: str
    ) -> RefundResult:
        """Let ``amount`` go under ``key``; ``thing`` is what ``reference`` is now. Raises as the port says."""
        asked, noted = to_stripe(amount, currency), let_go(thing)
        if key in noted and noted[key] != asked:
            raise Declined("key_reused", "that key was used for another release")
        if key not in noted:
            if is_void(thing):
                return told(thing, key=key, reference=reference, amount=asked)
            if not is_held(thing):
                raise Declined("already_captured", "it was captured already")
            if asked > left_of(thing):
                raise Declined("too_much", f"at most {left_of(thing)} can be let go")
            thing = self._note(thing, reference, {OURS + key: str(asked)})
            if taken_anyway(thing, key):  # the shop was quicker by a moment: then nothing was let go
                self._write(reference, {OURS + key: ""})
                raise Declined("already_captured", "it was captured meanwhile")
        if is_held(thing) and not min(left_of(thing), remaining):
            thing = self._void(thing, reference, key)
        return told(thing, key=key, reference=reference, amount=asked)

    def _note(self, thing: Thing, reference: str, more: Mapping[str, str]) -> Thing:
        """Write ``more`` down with what is left to capture; others may write at the same time, so it is
        written again until what is left is what all of them leave.
        """
        guess = left_of(thing) - sum(int(amount) for amount in more.values())
        thing = self._write(reference, {**more, LEFT: str(max(0, guess))})
        for _ in range(TRIES):
            should = str(left_of(thing))
            if not is_held(thing) or thing["metadata"].get(LEFT) == should:
                break
            thing = self._write(reference, {LEFT: should})
        return thing

    def _write(self, reference: str, metadata: Mapping[str, str]) -> Thing:
        asked: Any = {"metadata": dict(metadata)}
        if answers.kind_of(reference) == "payment_intent":
            return answers.plain(self._stripe.v1.payment_intents.update(reference, asked))
        return answers.plain(self._stripe.v1.charges.update(reference, asked))

    def _void(self, thing: Thing, reference: str, key: str) -> Thing:
        """Cancel all of it; a charge without an intent has no other way than Stripe's refund of it, which
        takes nothing from anybody.
        """
        once: Any = {"idempotency_key": f"{key}-void"}
        if answers.kind_of(reference) == "payment_intent":
            return answers.plain(self._stripe.v1.payment_intents.cancel(reference, {}, once))
        self._stripe.v1.refunds.create({"charge": reference, "metadata": {"released": "yes"}}, once)
        return answers.plain(self._stripe.v1.charges.retrieve(reference))


def result(thing: Thing, *, key: str, reference: str, known: str) -> RefundResult | None:
    """What became of our release ``key``; None where it is not done. ``known`` is the id it was told under: of
    what had expired before it was let go that is all there is.
    """
    noted, amount = let_go(thing), known.rpartition(":")[2]
    if (
        key not in noted
        and is_void(thing)
        and amount.isdecimal()
        and known == id_of(reference, key, int(amount))
    ):
        return told(thing, key=key, reference=reference, amount=int(amount))
    if key not in noted:
        return None
    if is_held(thing) and not left_of(thing):
        return None  # it was to be canceled, and was not
    return told(thing, key=key, reference=reference, amount=noted[key])


def told(thing: Thing, *, key: str, reference: str, amount: int) -> RefundResult:
    """A release as it is: done, unless the shop captured what was let go."""
    currency = answers.currency_of(thing)
    failed = taken_anyway(thing, key)
    return RefundResult(
        state="failed" if failed else "succeeded",
        reference=id_of(reference, key, amount),
        amount=from_stripe(amount, currency),
        currency=currency,
        error="captured_anyway: the shop has captured it" if failed else "",
    )


def id_of(reference: str, key: str, amount: int) -> str:
    """Stripe has no object for it: it is known by where it is written, and what."""
    return f"{reference}/{OURS}{key}:{amount}"


def is_release(known: str) -> bool:
    return f"/{OURS}" in known


def let_go(thing: Thing) -> dict[str, int]:
    """Our key -> how much was let go under it, in Stripe's units."""
    metadata = thing.get("metadata") or {}
    return {
        name.removeprefix(OURS): int(value)
        for name, value in metadata.items()
        if name.startswith(OURS) and str(value).isdecimal()
    }


def is_held(thing: Thing) -> bool:
    """Reserved, and neither captured nor canceled."""
    if thing["object"] == "payment_intent":
        return bool(thing["status"] == "requires_capture")
    return thing["status"] == "succeeded" and not thing["captured"] and not thing["refunded"]


def is_void(thing: Thing) -> bool:
    """Reserved once, and canceled or expired."""
    if thing["object"] == "payment_intent":
        return bool(thing["status"] == "canceled")
    return not thing["captured"] and bool(thing["refunded"] or thing["status"] == "failed")


def captured_of(thing: Thing) -> int:
    return int(thing["amount_received"] if thing["object"] == "payment_intent" else thing["amount_captured"])


def left_of(thing: Thing) -> int:
    """What may still be captured: all that was authorized less what was let go, or 0 where it is to be canceled."""
    left = int(thing["amount"]) - sum(let_go(thing).values())
    return max(0, left)


def taken_anyway(thing: Thing, key: str) -> bool:
    """Whether the shop captured what was let go under ``key``: what was let go last was taken first."""
    too_much = captured_of(thing) - left_of(thing)
    for other, amount in sorted(let_go(thing).items(), reverse=True):
        if too_much <= 0:
            return False
        if other == key:
            return True
        too_much -= amount
    return False

"""To which payments a refund goes back: in the policy's order, never more to one than it captured."""

from collections.abc import Sequence
from dataclasses import replace

from portal.core.facts import OrderFacts, PaymentFacts
from portal.core.money import Minor, allocate
from portal.core.refunds.breakdown import Negative, Share, TooMuch


def left(order: OrderFacts) -> Minor:
    """How much of the order's captured money is still there, refunds made elsewhere counted."""
    return max(0, min(order.captured - order.refunded, sum(payment.left for payment in order.payments)))


def spread(amount: Minor, payments: Sequence[PaymentFacts], tender_order: Sequence[str]) -> tuple[Share, ...]:
    """``amount`` over ``payments``: tender after tender, or in proportion to what each has left.

    What cannot go back (an expired card) becomes a share without a payment: a task, never a silent
    change of method. Raises ``TooMuch`` when the payments have less left, ``Negative`` below zero.
    """
    room = sum(payment.left for payment in payments)
    if amount < 0:
        raise Negative(f"{amount} is negative")
    if amount > room:
        raise TooMuch("payments", room)
    if not amount:
        return ()
    if tuple(tender_order) == ("proportion",):
        parts = allocate(amount, [payment.left for payment in payments])
        planned = list(zip(payments, parts, strict=True))
    else:
        planned = _one_after_the_other(amount, payments, tender_order)
    return tuple(
        Share(
            payment_id=payment.id if payment.refundable_here else None,
            amount=part,
            tender=payment.tender,
            label=payment.label,
            origin_id=payment.id,
        )
        for payment, part in planned
        if part
    )


def as_store_credit(shares: Sequence[Share]) -> tuple[Share, ...]:
    """The same shares given as store credit: the payments' quota is used, and nothing is sent to them."""
    return tuple(replace(share, payment_id=None, tender="store_credit", label="") for share in shares)


def _one_after_the_other(
    amount: Minor, payments: Sequence[PaymentFacts], tender_order: Sequence[str]
) -> list[tuple[PaymentFacts, Minor]]:
    rank = {tender: place for place, tender in enumerate(tender_order)}
    planned = []
    for payment in sorted(payments, key=lambda payment: rank.get(payment.tender, len(rank))):
        part = min(amount, payment.left)
        planned.append((payment, part))
        amount -= part
    return planned

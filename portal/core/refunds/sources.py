"""To which payments a refund goes back: in the policy's order, never more to one than it captured."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from portal.core.facts import OrderFacts, PaymentFacts, ReturnRequest
from portal.core.money import Minor, allocate
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Negative, NotTheSum, Row, Share, TooMuch

_MODES = ("due", "authorized", "captured")


def left(order: OrderFacts) -> Minor:
    """How much of the order's captured money is there: not refunded, here or elsewhere, and not disputed."""
    room = order.captured - order.refunded - order.disputed
    return max(0, min(room, sum(payment.left for payment in order.payments)))


def shares(
    owed: Minor, added: Iterable[Row], order: OrderFacts, request: ReturnRequest, terms: Terms
) -> tuple[Share, ...]:
    """Owed and goodwill to the payments or as store credit in their place; a bonus is store credit.

    Where a person chose the tenders theirs are taken: raises ``NotTheSum``, ``TooMuch`` (``tender``),
    ``Negative``, ``KeyError``.
    """
    sums = {"goodwill": 0, "bonus_credit": 0}
    for row in added:
        sums[row.code] += row.amount
    amount = owed + sums["goodwill"]
    if request.tenders:
        found = chosen(amount, order.payments, request.tenders)
    else:
        found = spread(amount, order.payments, terms.tender_order)
    if request.resolution == "store_credit":
        found = as_store_credit(found, order.payments)
    if sums["bonus_credit"]:
        found = (*found, Share(payment_id=None, amount=sums["bonus_credit"], tender="store_credit"))
    return found


def chosen(
    amount: Minor, payments: Sequence[PaymentFacts], tenders: Iterable[tuple[UUID, Minor]]
) -> tuple[Share, ...]:
    """``amount`` as a person spread it, judged together: never more to one than it has left (money.md 12, 15).

    Raises ``Negative``, ``TooMuch`` with the payment and its maximum, ``NotTheSum``, ``KeyError``.
    """
    parts = {payment.id: 0 for payment in payments}
    for payment_id, part in tenders:
        if part < 0:
            raise Negative(f"{part} is negative")
        parts[payment_id] += part
    for payment in payments:
        if parts[payment.id] > payment.left:
            raise TooMuch("tender", payment.left, payment_id=payment.id)
    if sum(parts.values()) != amount:
        raise NotTheSum(amount)
    return _shares((payment, parts[payment.id]) for payment in payments)


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
    return _shares(planned)


def _shares(planned: Iterable[tuple[PaymentFacts, Minor]]) -> tuple[Share, ...]:
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


def as_store_credit(shares: Sequence[Share], payments: Iterable[PaymentFacts] = ()) -> tuple[Share, ...]:
    """The same shares given as store credit: the payments' quota is used, and nothing is sent to them.

    What was never paid is not given as credit: it is let go, or no longer owed, where it stands.
    """
    unpaid = {payment.id for payment in payments if not payment.is_paid}
    return tuple(
        share
        if share.origin_id in unpaid
        else replace(share, payment_id=None, tender="store_credit", label="")
        for share in shares
    )


def credited(owed: Minor, order: OrderFacts, request: ReturnRequest, terms: Terms) -> Minor:
    """How much of ``owed`` becomes store credit, where that is what the customer takes."""
    if request.resolution != "store_credit":
        return 0
    paid = {payment.id for payment in order.payments if payment.is_paid}
    if request.tenders:
        return min(owed, sum(part for payment_id, part in request.tenders if payment_id in paid))
    return sum(
        share.amount for share in spread(owed, order.payments, terms.tender_order) if share.origin_id in paid
    )


def _one_after_the_other(
    amount: Minor, payments: Sequence[PaymentFacts], tender_order: Sequence[str]
) -> list[tuple[PaymentFacts, Minor]]:
    """What was not paid yet is let go before money moves; then tender after tender."""
    rank = {tender: place for place, tender in enumerate(tender_order)}
    planned = []
    for payment in sorted(
        payments, key=lambda payment: (_MODES.index(payment.mode), rank.get(payment.tender, len(rank)))
    ):
        part = min(amount, payment.left)
        planned.append((payment, part))
        amount -= part
    return planned

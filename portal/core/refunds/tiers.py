"""Shipping worked out anew for what stays of an order when a part of it is canceled: it can only become less."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from portal.core.facts import MERCHANDISE, LineFacts, OrderFacts
from portal.core.money import allocate, rounded
from portal.core.policy.terms import Terms
from portal.core.refunds.values import Left, Part
from portal.core.spans import Span, without, worth

RULE = "cancel_shipping"


def refund(
    charges: Sequence[LineFacts],
    order: OrderFacts,
    terms: Terms,
    back: Mapping[UUID, tuple[Span, ...]],
    left: Left,
) -> Iterator[tuple[Part, str, dict[str, Any]]]:
    """What goes back of ``charges``, the deliveries that have something left, when ``back`` is canceled.

    What stays is what is not canceled: units that came back had been sent. What was charged is lowered to
    the price of the tier that the goods which stay reach, tax in proportion; where that is more, or no tier
    is reached, nothing changes.
    """
    deliveries = [line for line in order.charges if line.kind == "shipping"]
    written = sum(line.goods - line.discount for line in deliveries)
    paid = sum(line.paid for line in deliveries)
    goods = _goods(order, back)
    reached = [tier for tier in terms.shipping_tiers if tier.from_goods <= goods]
    price = max(reached, key=lambda tier: tier.from_goods).price if reached else written
    if price >= written:
        return
    now = rounded(paid * price, written)
    rooms = [left.amount(line) for line in charges]
    amount = min(sum(rooms), paid - now - sum(line.refunded for line in deliveries))
    if amount <= 0:
        return
    basis = {"price": now, "of": paid, "goods": goods}
    for line, part in zip(charges, allocate(amount, rooms), strict=True):
        yield left.part(line, part), RULE, basis


def _goods(order: OrderFacts, back: Mapping[UUID, tuple[Span, ...]]) -> int:
    """What the merchandise that stays costs, as its prices are written, discounts taken off."""
    return sum(
        worth(
            line.goods - line.discount,
            without(((0, line.units),), (*line.canceled, *back.get(line.id, ()))),
            line.units,
        )
        for line in order.lines
        if line.kind == MERCHANDISE and line.units
    )

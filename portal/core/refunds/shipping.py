"""The outbound shipping that goes back with a return: by rule, never because a line happened to be last."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from portal.core.facts import MERCHANDISE, LineFacts, OrderFacts, ReturnRequest
from portal.core.money import Minor, allocate, rounded
from portal.core.policy.terms import Terms
from portal.core.refunds.fees import NOT_THE_CUSTOMER, fault_of
from portal.core.refunds.values import Left, Part, Taxes, labels, tax_within
from portal.core.spans import Span, count, merge, without

Positions = dict[object, tuple[Span, ...]]
"""Line id -> the unit positions that come back with this request."""


def due(
    order: OrderFacts, request: ReturnRequest, terms: Terms, *, back: Positions, left: Left
) -> tuple[tuple[Part, dict[str, Any]], ...]:
    """Per shipping charge what goes back of it, before caps, and what it was worked out from."""
    charges = [line for line in order.lines if line.kind == "shipping" and left.amount(line) > 0]
    if not charges or not any(back.values()):
        return ()
    if terms.refund_shipping == "full_return" and whole_order_is_back(order, back):
        return tuple((_all_that_is_left(charge, left), {"how": "full_return"}) for charge in charges)
    at_fault = all(fault_of(wanted) in NOT_THE_CUSTOMER for wanted in request.wanted if wanted.units)
    if terms.refund_shipping == "proportion" or (terms.refund_shipping == "fault" and at_fault):
        items = [line for line in order.lines if line.kind == MERCHANDISE]
        return tuple(_in_proportion(charge, items, back, terms.refund_shipping) for charge in charges)
    return ()


def whole_order_is_back(order: OrderFacts, back: Positions) -> bool:
    """Whether, with ``back``, every unit of merchandise that was not canceled has come back.

    Units that are only announced in another return are not back.
    """
    items = [line for line in order.lines if line.kind == MERCHANDISE]
    return bool(items) and all(
        not without(((0, line.units),), (*line.canceled, *line.returned, *back.get(line.id, ())))
        for line in items
    )


def _all_that_is_left(charge: LineFacts, left: Left) -> Part:
    amount, taxes = left.amount(charge), dict(left.taxes(charge))
    tax = sum(taxes.values())
    if tax > amount:
        taxes = tax_within(taxes, tax, 0, amount)
    return Part(line=charge, spans=(), amount=amount, taxes=taxes)


def _in_proportion(
    charge: LineFacts, items: Sequence[LineFacts], back: Positions, how: str
) -> tuple[Part, dict[str, Any]]:
    """The charge spread over all units by what they cost; each unit has its part, whoever returns first."""
    paid, charged = max(0, charge.paid), labels(charge)
    parts = allocate(paid, [max(0, line.paid) for line in items]) if items else []
    amount, taxes = 0, dict.fromkeys(charged, 0)
    for line, part, end in zip(items, parts, accumulate(parts), strict=True):
        for first, last in back.get(line.id, ()):
            below = end - part + rounded(part * first, line.units)
            above = end - part + rounded(part * last, line.units)
            amount += above - below
            _add(taxes, tax_within(charged, paid, below, above))
    units = sum(count(merge(spans)) for spans in back.values())
    return Part(line=charge, spans=(), amount=amount, taxes=taxes), {"how": how, "of": paid, "units": units}


def _add(to: Taxes, more: dict[str, Minor]) -> None:
    for label, tax in more.items():
        to[label] += tax

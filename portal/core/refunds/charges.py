"""Shipping, duties and fees that go back with a return: each by its rule, never because a line came last."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

from portal.core.facts import CANCELLATIONS, MERCHANDISE, LineFacts, OrderFacts, ReturnRequest
from portal.core.money import Minor, allocate, rounded
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Row
from portal.core.refunds.drafts import RefundDraft, tax_rows
from portal.core.refunds.fees import at_fault
from portal.core.refunds.values import Left, Part, Taxes, add_to, labels, tax_within
from portal.core.spans import Span, count, merge, without

Positions = Mapping[UUID, tuple[Span, ...]]
"""Line id -> the unit positions that come back with this request."""

RULES = {"shipping": "refund_shipping", "duty": "refund_duties", "fee": "refund_fees"}
"""Kind of charge -> the term that says when it goes back."""

CODES = {"shipping": "shipping_refund", "duty": "duty_refund", "fee": "fee_refund"}


def refund(
    draft: RefundDraft, order: OrderFacts, request: ReturnRequest, terms: Terms, back: Positions
) -> None:
    """Add what goes back of each charge, with its row; the tax of shipping beside prices has rows of its own."""
    for part, basis in _due(order, request, terms, back, draft.left):
        if not part.amount:
            continue
        charge = part.line
        beside = part.tax if charge.kind == "shipping" and not charge.prices_include_tax else 0
        draft.rows.append(
            Row(
                code=CODES[charge.kind],
                amount=part.amount - beside,
                rule=RULES[charge.kind],
                tax=part.tax - beside,
                label=charge.name,
                line_id=charge.id,
                basis=basis,
            )
        )
        if beside:
            draft.rows += tax_rows("shipping_tax", part.taxes, charge)
        draft.add(part)


def _due(
    order: OrderFacts, request: ReturnRequest, terms: Terms, back: Positions, left: Left
) -> list[tuple[Part, dict[str, Any]]]:
    """Per charge what goes back of it, before caps, and what it was worked out from.

    Who exchanges still gets a delivery, so its charges stay unless all of it is at fault. An order that is
    canceled as a whole was never delivered: whatever the rules say, nothing of it is kept.
    """
    charges = [line for line in order.charges if left.amount(line) > 0]
    wanted = [wish for wish in request.wanted if wish.allowance is None]
    if not charges or not any(back.values()):
        return []
    fault = at_fault(wanted)
    if request.exchange and not fault:
        return []
    items = [line for line in order.lines if line.kind == MERCHANDISE]
    whole = _whole_order_is_back(items, back)
    withdrawn = request.kind == "withdrawal" or all(w.reason == "statutory_withdrawal" for w in wanted)
    found = []
    for charge in charges:
        rule = getattr(terms, RULES[charge.kind])
        if whole and request.kind in CANCELLATIONS and _was_canceled(items, back):
            found.append((_first(charge, left, left.amount(charge)), {"how": "canceled"}))
        elif whole and rule == "full_return":
            found.append((_first(charge, left, left.amount(charge)), {"how": "full_return"}))
        elif whole and rule == "law" and (withdrawn or fault):
            found.append(_by_law(order, charge, terms, left))
        elif rule == "proportion" or (rule == "fault" and fault):
            found.append(_in_proportion(charge, items, back, rule))
    return found


def _whole_order_is_back(items: Sequence[LineFacts], back: Positions) -> bool:
    """Whether, with ``back``, every unit of merchandise that was not canceled has come back.

    Units that are only announced in another return are not back.
    """
    return bool(items) and all(
        not without(((0, line.units),), (*line.canceled, *line.returned, *back.get(line.id, ())))
        for line in items
    )


def _was_canceled(items: Sequence[LineFacts], back: Positions) -> bool:
    """Whether, with ``back``, every unit was canceled and none came back."""
    return all(not without(((0, line.units),), (*line.canceled, *back.get(line.id, ()))) for line in items)


def _first(charge: LineFacts, left: Left, amount: Minor) -> Part:
    """``amount`` of what is left of the charge, with its part of the tax that is left."""
    room, taxes = left.amount(charge), dict(left.taxes(charge))
    tax = sum(taxes.values())
    if tax > room:
        taxes = tax_within(taxes, tax, 0, room)
    if amount < room:
        taxes = tax_within(taxes, room, 0, amount)
    return Part(line=charge, spans=(), amount=amount, taxes=taxes)


def _by_law(order: OrderFacts, charge: LineFacts, terms: Terms, left: Left) -> tuple[Part, dict[str, Any]]:
    """All of it; of delivery no more than the least expensive ordinary one would have cost."""
    amount = left.amount(charge)
    if charge.kind != "shipping" or terms.ordinary_delivery is None:
        return _first(charge, left, amount), {"how": "law"}
    deliveries = [line for line in order.charges if line.kind == "shipping"]
    room = terms.ordinary_delivery - sum(line.refunded for line in deliveries)
    ahead = sum(left.amount(line) for line in deliveries[: deliveries.index(charge)])
    amount = min(amount, max(0, room - ahead))
    return _first(charge, left, amount), {"how": "law", "maximum": terms.ordinary_delivery}


def _in_proportion(
    charge: LineFacts, items: Sequence[LineFacts], back: Positions, how: str
) -> tuple[Part, dict[str, Any]]:
    """The charge spread over all units by what they cost; each unit has its part, whoever returns first."""
    paid, charged = max(0, charge.paid), labels(charge)
    parts = allocate(paid, [max(0, line.paid) for line in items]) if items else []
    amount, taxes = 0, Taxes(dict.fromkeys(charged, 0))
    for line, part, end in zip(items, parts, accumulate(parts), strict=True):
        for first, last in back.get(line.id, ()):
            below = end - part + rounded(part * first, line.units)
            above = end - part + rounded(part * last, line.units)
            amount += above - below
            add_to(taxes, tax_within(charged, paid, below, above))
    units = sum(count(merge(spans)) for spans in back.values())
    return Part(line=charge, spans=(), amount=amount, taxes=taxes), {"how": how, "of": paid, "units": units}

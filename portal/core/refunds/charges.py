"""Shipping, duties and fees that go back with a return: each by its rule, never because a line came last."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

from portal.core.facts import CANCELLATIONS, MERCHANDISE, LineFacts, OrderFacts, ReturnRequest
from portal.core.money import allocate, rounded
from portal.core.policy.terms import Terms
from portal.core.refunds import tiers
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
    # All of them first: each is worked out from what is left before any of them is taken.
    for part, rule, basis in list(_due(order, request, terms, back, draft.left)):
        if not part.amount:
            continue
        charge = part.line
        beside = part.tax if charge.kind == "shipping" and not charge.prices_include_tax else 0
        draft.rows.append(
            Row(
                code=CODES[charge.kind],
                amount=part.amount - beside,
                rule=rule,
                tax=part.tax - beside,
                label=charge.name,
                line_id=charge.id,
                basis=basis,
            )
        )
        if beside:
            draft.rows += tax_rows("shipping_tax", part.taxes, charge)
        draft.add(part)


Due = tuple[Part, str, dict[str, Any]]
"""What goes back of one charge, by which rule, and what it was worked out from."""


def _due(
    order: OrderFacts, request: ReturnRequest, terms: Terms, back: Positions, left: Left
) -> Iterator[Due]:
    """Per charge what goes back of it, before caps.

    Who exchanges still gets a delivery, so its charges stay unless all of it is at fault. An order that is
    canceled as a whole was never delivered: whatever the rules say, nothing of it is kept.
    """
    charges = [line for line in order.charges if left.amount(line) > 0]
    wanted = [wish for wish in request.wanted if wish.allowance is None]
    if not charges or not any(back.values()):
        return
    fault = at_fault(wanted)
    if request.exchange and not fault:
        return
    items = [line for line in order.lines if line.kind == MERCHANDISE]
    whole = _whole_order_is_back(items, back)
    withdrawn = request.kind == "withdrawal" or all(w.reason == "statutory_withdrawal" for w in wanted)
    canceling = request.kind in CANCELLATIONS
    anew = canceling and not whole and terms.cancel_shipping == "re_evaluate"
    if anew:
        yield from tiers.refund([one for one in charges if one.kind == "shipping"], order, terms, back, left)
    for charge in charges:
        name = RULES[charge.kind]
        rule = getattr(terms, name)
        if canceling and _nothing_stays(charge, order, request, back):
            yield left.part(charge, left.amount(charge)), name, {"how": "canceled"}
        elif anew and charge.kind == "shipping":
            continue
        elif whole and rule == "full_return":
            yield left.part(charge, left.amount(charge)), name, {"how": "full_return"}
        elif whole and rule == "law" and (withdrawn or fault):
            part, basis = _by_law(order, charge, terms, left)
            yield part, name, basis
        elif rule == "proportion" or (rule == "fault" and fault):
            part, basis = _in_proportion(charge, items, back, rule)
            yield part, name, basis


def _whole_order_is_back(items: Sequence[LineFacts], back: Positions) -> bool:
    """Whether, with ``back``, every unit of merchandise that was not canceled has come back.

    Units that are only announced in another return are not back.
    """
    return bool(items) and all(
        not without(((0, line.units),), (*line.canceled, *line.returned, *back.get(line.id, ())))
        for line in items
    )


def _nothing_stays(charge: LineFacts, order: OrderFacts, request: ReturnRequest, back: Positions) -> bool:
    """Whether, with ``back``, all that ``charge`` was for is canceled, and none of it was had.

    Delivery and duties are for the merchandise, where there is any; fees are for all that was bought.
    """
    items = [line for line in order.items if line.units and line.kind != "discount"]
    goods = [line for line in items if line.kind == MERCHANDISE]
    of = goods if goods and charge.kind != "fee" else items
    had = {wish.line_id for wish in request.wanted if wish.scope_used and wish.scope_used[0] > 0}
    return bool(of) and all(
        line.id not in had
        and line.ends_on is None
        and not without(((0, line.units),), (*line.canceled, *back.get(line.id, ())))
        for line in of
    )


def _by_law(order: OrderFacts, charge: LineFacts, terms: Terms, left: Left) -> tuple[Part, dict[str, Any]]:
    """All of it; of delivery no more than the least expensive ordinary one would have cost."""
    amount = left.amount(charge)
    if charge.kind != "shipping" or terms.ordinary_delivery is None:
        return left.part(charge, amount), {"how": "law"}
    deliveries = [line for line in order.charges if line.kind == "shipping"]
    room = terms.ordinary_delivery - sum(line.refunded for line in deliveries)
    ahead = sum(left.amount(line) for line in deliveries[: deliveries.index(charge)])
    amount = min(amount, max(0, room - ahead))
    return left.part(charge, amount), {"how": "law", "maximum": terms.ordinary_delivery}


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

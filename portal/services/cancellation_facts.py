"""What a cancellation has beside its return, as a value; and what its messages tell of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from portal.core.facts import OrderFacts
from portal.core.money import Minor
from portal.core.refunds.breakdown import Breakdown
from portal.core.returns import Draft
from portal.core.spans import without
from portal.core.totals import Totals, names_only, stays
from portal.db.cancellations import Cancellation

DECIDED = ("confirmed", "closed")
"""The customer's yes stands: its units have left the order."""

LEAVING = ("draft", "proposed", *DECIDED)
"""Its units leave, or would; of what came to nothing everything stays."""


@dataclass(frozen=True, kw_only=True)
class CancellationFacts:
    """The row beside the return, as it was read."""

    id: UUID
    merchant_id: UUID
    return_id: UUID
    asked_by: str
    requested_at: datetime
    expires_at: datetime | None
    reminded_at: datetime | None
    answered_at: datetime | None
    warehouse: str
    warehouse_state: str
    warehouse_key: str | None
    asked_at: datetime | None
    next_ask_at: datetime | None
    silent_at: datetime | None
    answer: Mapping[str, Any]
    ended: Mapping[str, Any]
    totals: Mapping[str, Any]
    score: int | None
    scored_at: datetime | None
    comment: str


def facts(row: Cancellation) -> CancellationFacts:
    return CancellationFacts(**{name: getattr(row, name) for name in CancellationFacts.__dataclass_fields__})


def as_without(order: OrderFacts, draft: Draft) -> OrderFacts:
    """The order as if this cancellation did not hold its units, or had not taken them out."""
    mine = {line.order_line_id: line for line in draft.lines if line.order_line_id and line.spans}
    if not mine or draft.state not in ("proposed", *DECIDED):
        return order
    lines = []
    for line in order.lines:
        if line.id in mine and draft.state == "proposed":
            line = replace(line, held=without(line.held, mine[line.id].spans))
        elif line.id in mine:
            line = replace(line, canceled=without(line.canceled, mine[line.id].spans))
        if line.id in mine and draft.state in DECIDED and mine[line.id].ending:
            line = replace(line, ends_on=None)
        lines.append(line)
    return replace(order, lines=tuple(lines))


def told(
    beside: Cancellation,
    draft: Draft,
    order: OrderFacts,
    *,
    before: Totals,
    after: Totals,
    breakdown: Breakdown | None,
    hours: int = 0,
) -> dict[str, Any]:
    """What the templates of messages may tell of a cancellation, as plain values.

    ``order`` is the order without it. ``back``, ``released`` and ``due_less`` are how its amount moves: sent
    back, never taken, no longer owed.
    """
    left = draft.lines if draft.state in LEAVING else ()
    gone = {line.order_line_id: line.units for line in left if line.order_line_id is not None}
    names = names_only(order)
    return {
        "asked_by": beside.asked_by,
        "message": draft.note,
        "expires_at": beside.expires_at.isoformat() if beside.expires_at else "",
        "hours": hours,
        "before": asdict(before),
        "after": asdict(after),
        "lines": [
            {
                "name": line.name,
                "variant": line.variant,
                "units": line.units,
                "ending": line.ending,
                "ends_on": line.ends_on.isoformat() if line.ends_on else "",
            }
            for line in draft.lines
            if line.order_line_id not in names
        ],
        "stays": [
            {"name": line.name or line.sku, "variant": line.variant, "units": units}
            for line, units in stays(order, gone)
        ],
        "ended": dict(beside.ended),
        "warehouse": beside.warehouse_state != "none",
        **_by_mode(order, breakdown),
    }


MODES = {"captured": "back", "authorized": "released", "due": "due_less"}
"""How an amount moves, by the mode of the payment that it goes to."""


def _by_mode(order: OrderFacts, breakdown: Breakdown | None) -> dict[str, Minor]:
    modes = {payment.id: payment.mode for payment in order.payments}
    found = dict.fromkeys(MODES.values(), 0)
    for share in breakdown.shares if breakdown is not None else ():
        origin = modes.get(share.payment_id or UUID(int=0), "captured")
        found[MODES[origin]] += share.amount
    return found

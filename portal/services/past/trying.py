"""Rules tried on past returns: what was decided for each, and what would be; nothing is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from portal.core.access import Actor
from portal.core.facts import CANCELLATIONS, KEEP, OrderFacts
from portal.core.returns import Draft
from portal.core.workflows import POLICY, Decision, Rules, decide, decision_from
from portal.db import orders, returns
from portal.db.returns import Return
from portal.services import scope
from portal.services.filing.returns import as_request
from portal.services.rules import workflows
from portal.services.rules.workflows import NEVER_ASKED, Past

HOW_MANY = 200
"""Past returns that rules are tried on, the newest."""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One past return: what decided it then, and what would now. An amount is in the return's currency."""

    return_id: UUID
    number: str
    name: str
    state: str
    at: datetime
    currency: str
    was: Decision
    now: Decision

    @property
    def differs(self) -> bool:
        """Another outcome, or by another rule."""
        return (self.was.outcome, self.was.rule_id) != (self.now.outcome, self.now.rule_id)


def attempt(
    actor: Actor, merchant_id: UUID, rules: Rules, *, limit: int = HOW_MANY, version: int = 0
) -> tuple[Tried, ...]:
    """The newest returns of the merchant under ``rules``, with what was known of order and customer then.

    Raises ``NotFound``, ``NotAllowed``.
    """
    scope.require(actor, "workflows.edit", merchant_id)
    found = returns.past(merchant_id, but=NEVER_ASKED, since=None, before=None, limit=limit)
    rows = [row for row in found if row.kind not in (KEEP, *CANCELLATIONS)]
    drafts = {draft.id: draft for draft in returns.drafts(rows)}
    facts = orders.many({row.order_id for row in rows if row.order_id is not None})
    known = workflows.past_of({(merchant_id, row.email) for row in rows if row.email}) if rows else {}
    tried = []
    for row in rows:
        at, draft = row.submitted_at or row.created_at, drafts[row.id]
        order = facts[row.order_id] if row.order_id is not None else None
        before = known.get((merchant_id, row.email), Past()).until(at, but=row.id)
        request = as_request(draft, now=at, as_asked=True)
        asked = workflows.facts_of(draft, _as_then(order, draft), request, before)
        tried.append(_tried(row, at, decide(rules, asked, version=version)))
    return tuple(tried)


def _as_then(order: OrderFacts | None, draft: Draft) -> OrderFacts | None:
    """The order with all units of what was refused: others may have them by now, and they were worth as much."""
    refused = {line.order_line_id for line in draft.declined}
    if order is None or not refused:
        return order
    lines = tuple(
        replace(line, canceled=(), claimed=(), held=(), returned=()) if line.id in refused else line
        for line in order.lines
    )
    return replace(order, lines=lines)


def _tried(row: Return, at: datetime, decision: Decision) -> Tried:
    was = decision_from(row.decision) if row.decision else Decision(version=0, outcome=POLICY)
    return Tried(
        return_id=row.id,
        number=row.number or "",
        name=row.name,
        state=row.state,
        at=at,
        currency=row.currency,
        was=was,
        now=decision,
    )


def counts(tried: Sequence[Tried]) -> dict[str, tuple[int, int]]:
    """outcome -> how many were decided so, how many would be; outcomes that nothing has are left out."""
    found: dict[str, list[int]] = {}
    for one in tried:
        found.setdefault(one.was.outcome, [0, 0])[0] += 1
        found.setdefault(one.now.outcome, [0, 0])[1] += 1
    return {outcome: (was, now) for outcome, (was, now) in found.items()}

"""What follows from the rule that decided a return, once it is confirmed: always in the caller's transaction."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from portal.core.access import SYSTEM, Actor
from portal.core.facts import RETURNLESS
from portal.core.refunds.breakdown import Breakdown
from portal.core.workflows import (
    EXCHANGE_FIRST,
    NO_RETURN,
    RECALL,
    WISHES,
    Decision,
    decision_json,
)
from portal.db.returns import Return
from portal.services import tasks
from portal.services.filing.returns import Page, read
from portal.services.paying import approvals
from portal.services.refunding import decisions, owed
from portal.services.refunding.owed import AS_WORKED_OUT


def chosen(decision: Decision | None, wish: str) -> Decision | None:
    """The decision with what the customer chose, where it offers a choice; an unknown word is none."""
    if decision is None or decision.outcome != EXCHANGE_FIRST or wish not in WISHES:
        return decision
    return replace(decision, wish=wish)


def columns(row: Return, decision: Decision | None) -> dict[str, Any]:
    """What a confirmed return keeps of the decision, and how it steers its kind and its way home."""
    if decision is None:
        return {}
    if decision.handling == NO_RETURN:
        decision = replace(decision, asked_as=row.kind)
    values: dict[str, Any] = {"decision": decision_json(decision), "handling": decision.handling}
    if decision.handling in (NO_RETURN, RECALL):
        values["postage_minor"] = 0
    if decision.handling == NO_RETURN:
        values |= {"kind": RETURNLESS, "sending": None, "ship_by": None}
    if decision.handling == RECALL and row.sending:
        values["sending"] = {**row.sending, "pays": "merchant"}
    if decision.wish == "exchange" and row.kind == "return":
        values["kind"] = "exchange"
    return values


def told(decision: Decision | None) -> dict[str, Any]:
    """What the history says of it; nothing where no rule decided."""
    if decision is None or not decision.by_rule:
        return {}
    found = {"rule": decision.rule, "outcome": decision.outcome, "workflow": decision.version}
    return found | ({"wish": decision.wish} if decision.wish else {})


def follow(row: Return, decision: Decision | None, *, now: datetime) -> None:
    """The task that a recall, or a customer who wants an exchange, is for the shop."""
    if decision is None:
        return
    kind = "safety_recall" if decision.handling == RECALL else ""
    if decision.wish == "exchange":
        kind = "exchange_wanted"
    if kind:
        tasks.open(
            kind,
            str(row.id),
            merchant_id=row.merchant_id,
            subject_id=row.id,
            details={"number": row.number, "return_id": str(row.id), "rule": decision.rule},
            now=now,
        )


def refund(actor: Actor, row: Return, *, now: datetime) -> None:
    """The refund of a return that nothing is sent for. Limits and four eyes hold: where they ask for people,
    it waits for them.
    """
    page = read(row, now=now, lock=True)
    due = owed.work_out(actor, page, now=now)
    decisions.make(_by(actor, page, due, now), row, page, due, overrides=AS_WORKED_OUT, plain=due, now=now)


def _by(actor: Actor, page: Page, due: Breakdown, now: datetime) -> Actor:
    """Who decides it: a person within their limits, else the shop by its rule, below what two must see."""
    if actor.kind == "person":
        return actor
    limits = approvals.limits(page.draft.merchant_id, due.currency)
    total = approvals.sum_of_day(page.draft.order_id, due, now=now)
    return actor if limits.needs_two(total) else SYSTEM

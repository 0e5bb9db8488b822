"""A cancellation as it stands, read at once: what leaves, what stays, what it gives back, what is against it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import cancellations as core
from portal.core.access import Actor, Conflict, NotAllowed, NotFound
from portal.core.cancellations import CancelOffer, Totals
from portal.core.facts import CANCELLATIONS, NEXT_PERIOD, OrderFacts, ReturnRequest, Wanted
from portal.core.logistics import Constraint
from portal.core.merchants import MerchantFacts
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import Verdict
from portal.core.refunds.breakdown import Breakdown, TooMuch, from_json, to_json
from portal.core.refunds.engine import quote
from portal.core.returns import Draft, DraftLine
from portal.db import cancellations as stored
from portal.db import merchants, orders, returns
from portal.db.base import db, read_once
from portal.db.cancellations import Cancellation
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.ports import Gateways
from portal.services import scope
from portal.services.cancellation_facts import CancellationFacts, as_without
from portal.services.cancellation_facts import facts as facts_of
from portal.services.cancellations.wishes import KIND, Choice, Wish, request_of
from portal.services.refunding import refund_facts
from portal.services.refunding.refund_facts import RefundFacts
from portal.services.stockroom import asking

AT_THE_END = ("inspected", "closed")
"""All of it has come, or never will: the refunds are what it gives back."""

UNANSWERED = ("draft", "proposed")
"""Nothing is decided yet: what is shown is worked out anew each time."""


@dataclass(frozen=True, kw_only=True)
class PastRow:
    """A return or cancellation of an order, as a line of its page. ``amount`` is what it gives back, if known."""

    id: UUID
    number: str | None
    kind: str
    state: str
    units: int
    amount: Minor | None
    at: datetime
    mine: bool = False
    """Whether it is for the address that the order was placed with."""
    expires_at: datetime | None = None
    """Until when a proposal waits for the customer."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """An order with what could be taken out of it, for the agent's page."""

    order: OrderFacts
    merchant: MerchantFacts
    terms: Terms
    offers: tuple[CancelOffer, ...]
    totals: Totals
    past: tuple[PastRow, ...]
    constraints: tuple[Constraint, ...] = ()
    warehouse_silent: bool = False
    """The warehouse did not answer: the offers go by what the order says alone."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A wish as it would be proposed now. Nothing is kept of it."""

    breakdown: Breakdown
    verdict: Verdict
    before: Totals
    after: Totals
    shown: str
    """What was shown: sent back with the decision, so that nothing else is made."""
    hours: int
    """How long the customer has to answer."""
    warehouse_silent: bool = False


@dataclass(frozen=True, kw_only=True)
class CancellationPage:
    """One cancellation, and the order it is about as it is without it."""

    draft: Draft
    order: OrderFacts
    merchant: MerchantFacts
    terms: Terms
    request: ReturnRequest
    """The same as policy and engine judge it."""
    breakdown: Breakdown
    """What it gives back: worked out now while nobody has answered, then as it was answered."""
    verdict: Verdict
    """What stands against it now; nothing any more once it was answered."""
    before: Totals
    after: Totals
    facts: CancellationFacts
    refunds: tuple[RefundFacts, ...]
    seen: str
    """What is shown: sent back with the answer, so that nothing else is confirmed."""
    together_with: UUID | None
    hold_until: datetime | None
    """Until when its units wait for the customer."""
    now: datetime

    @property
    def lines(self) -> tuple[DraftLine, ...]:
        return self.draft.lines

    @property
    def state(self) -> str:
        return self.draft.state


def page(actor: Actor, return_id: UUID, *, now: datetime) -> CancellationPage:
    """The cancellation as it stands. Raises ``NotFound``, ``NotAllowed``."""
    return read(*allowed(actor, return_id, "returns.read"), now=now, with_refunds=True)


def allowed(actor: Actor, return_id: UUID, permission: str) -> tuple[Return, Cancellation]:
    """The rows, for whoever may. Raises ``NotFound`` also for a return that is no cancellation."""
    row = scope.return_row(actor, return_id, permission)
    beside = stored.of(return_id)
    if row.kind not in CANCELLATIONS or beside is None:
        raise NotFound
    return row, beside


def only_customer(actor: Actor) -> None:
    """Nobody of the shop says yes or no, or how it was, for a customer. Raises ``NotAllowed``."""
    if actor.kind == "person":
        raise NotAllowed("cancellations.answer")


def read(
    row: Return,
    beside: Cancellation,
    *,
    now: datetime,
    lock: bool = False,
    constraints: Sequence[Constraint] = (),
    with_refunds: bool = False,
) -> CancellationPage:
    """The page of loaded rows; with ``lock`` the order's lines are held until the transaction ends."""
    if row.order_id is None:
        raise NotFound
    draft = returns.draft(row)
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    order = as_without(orders.facts(row.order_id, lock=lock), draft)
    zone = ZoneInfo(merchant.zone)
    request = core.prepared(order, as_request(draft, now=now), zone=zone)
    if row.state in UNANSWERED:
        by_customer = beside.asked_by == "customer"
        breakdown = quoted(order, request, terms, now=now)
        verdict = core.judge(order, request, terms, constraints, now=now, zone=zone, by_customer=by_customer)
        before, after = core.totals(order), core.after(order, request, breakdown)
    else:
        breakdown = from_json(row.breakdown) if row.breakdown else quoted(order, request, terms, now=now)
        verdict = Verdict(findings=(), policy_version=terms.version)
        before, after = _told(beside, "before", order), _told(beside, "after", order)
    return CancellationPage(
        draft=draft,
        order=order,
        merchant=merchant,
        terms=terms,
        request=request,
        breakdown=breakdown,
        verdict=verdict,
        before=before,
        after=after,
        facts=facts_of(beside),
        refunds=refund_facts.of_return(row.id) if with_refunds else (),
        seen=shown_of(request, breakdown, after),
        together_with=row.together_with,
        hold_until=beside.expires_at if row.state == "proposed" else None,
        now=now,
    )


def _told(beside: Cancellation, which: str, order: OrderFacts) -> Totals:
    """The totals as they were confirmed; of what never got so far, as they are."""
    return Totals(**beside.totals[which]) if beside.totals.get(which) else core.totals(order)


def as_request(draft: Draft, *, now: datetime) -> ReturnRequest:
    """The cancellation as policy and engine judge it; it holds its positions where it has any."""
    return ReturnRequest(
        wanted=tuple(
            Wanted(
                line_id=line.order_line_id or line.id,
                units=line.units,
                reason=line.reason,
                spans=line.spans,
                ending=line.ending,
                scope_used=line.scope_used,
            )
            for line in draft.lines
        ),
        requested_at=now,
        kind=draft.kind,
    )


def quoted(order: OrderFacts, request: ReturnRequest, terms: Terms, *, now: datetime) -> Breakdown:
    """What would be given back now; of an order that has changed meanwhile, for what is still there."""
    try:
        return quote(order, request, terms, now=now)
    except TooMuch:
        left = {line.id: line.cancelable_units for line in order.lines}
        fitting = tuple(
            replace(one, units=min(one.units, left.get(one.line_id, 0)), spans=()) for one in request.wanted
        )
        return quote(order, replace(request, wanted=fitting), terms, now=now)


def shown_of(request: ReturnRequest, breakdown: Breakdown, after: Totals) -> str:
    """What somebody was shown: every unit that leaves, every amount and where it goes, and what stays."""
    record: dict[str, Any] = {
        "lines": sorted([str(one.line_id), one.units, one.ending] for one in request.wanted),
        "due": to_json(breakdown),
        "after": asdict(after),
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


# ------------------------------------------------------------------------------------------- before it is made


def sheet(actor: Actor, order_id: UUID, *, gateways: Gateways, now: datetime) -> Sheet:
    """What could be taken out of an order now, as far as the warehouse says. Raises ``NotFound``, ``NotAllowed``."""
    order = order_for(actor, order_id, "cancellations.propose")
    merchant, _, terms = merchants.with_terms(order.merchant_id)
    past = past_of(order_id, email=order.email)
    asked = asking.constraints(order, gateways=gateways, now=now)
    zone = ZoneInfo(merchant.zone)
    return Sheet(
        order=order,
        merchant=merchant,
        terms=terms,
        offers=core.offers(order, terms, asked.found, now=now, zone=zone, by_customer=False),
        totals=core.totals(order),
        past=past,
        constraints=asked.found,
        warehouse_silent=asked.silent,
    )


def estimate(actor: Actor, order_id: UUID, wish: Wish, *, gateways: Gateways, now: datetime) -> Estimate:
    """What ``wish`` would come to, with everything against it at once. Raises ``Conflict("negative_units")``."""
    order = order_for(actor, order_id, "cancellations.propose")
    asked = asking.constraints(order, gateways=gateways, now=now)
    return replace(
        estimated(order, wish.choices, wish.reason, constraints=asked.found, now=now)[1],
        warehouse_silent=asked.silent,
    )


def estimated(
    order: OrderFacts,
    choices: Sequence[Choice],
    reason: str,
    *,
    constraints: Sequence[Constraint] = (),
    policy_id: UUID | None = None,
    by_customer: bool = False,
    now: datetime,
) -> tuple[ReturnRequest, Estimate]:
    """The choices judged and worked out on ``order`` as it was read, by the policy in force or the one named."""
    merchant, _, terms = merchants.with_terms(order.merchant_id, policy_id)
    zone = ZoneInfo(merchant.zone)
    request = request_of(choices, order, reason=reason, now=now, zone=zone)
    verdict = core.judge(order, request, terms, constraints, now=now, zone=zone, by_customer=by_customer)
    breakdown = quoted(order, request, terms, now=now)
    after = core.after(order, request, breakdown)
    return request, Estimate(
        breakdown=breakdown,
        verdict=verdict,
        before=core.totals(order),
        after=after,
        shown=shown_of(request, breakdown, after),
        hours=terms.cancellation_hours,
    )


def order_for(actor: Actor, order_id: UUID, permission: str) -> OrderFacts:
    """The order, for a person who may. Raises ``NotFound``, ``NotAllowed``."""
    head = orders.head(order_id)
    if head is None:
        raise NotFound
    scope.require(actor, permission, head.merchant_id)
    return orders.facts(order_id)


def past_of(order_id: UUID, *, email: str, but: Sequence[UUID] = ()) -> tuple[PastRow, ...]:
    """Every return and cancellation of an order but drafts, newest first; the caller has passed the gate.

    What was inspected tells what was decided, everything before it what was estimated.
    """
    rows = read_once(("past", order_id, email), lambda: _past_of(order_id, email))
    return tuple(one for one in rows if one.id not in but)


def _past_of(order_id: UUID, email: str) -> tuple[PastRow, ...]:
    units = (
        sa.select(sa.func.sum(returns.ReturnLine.units))
        .where(returns.ReturnLine.return_id == Return.id)
        .scalar_subquery()
    )
    paid = (
        sa.select(sa.func.sum(Refund.amount_minor))
        .where(Refund.return_id == Return.id, Refund.state != "canceled")
        .scalar_subquery()
    )
    wanted = (
        sa.select(Return, Cancellation.expires_at, units, paid)
        .outerjoin(Cancellation, Cancellation.return_id == Return.id)
        .where(Return.order_id == order_id, Return.state != "draft")
        .order_by(Return.id.desc())
    )
    return tuple(
        PastRow(
            id=row.id,
            number=row.number,
            kind=row.kind,
            state=row.state,
            units=int(pieces or 0),
            amount=row.estimate_minor if decided is None or row.state not in AT_THE_END else int(decided),
            at=row.submitted_at or row.created_at,
            mine=bool(email) and row.email == email,
            expires_at=expires_at if row.state == "proposed" else None,
        )
        for row, expires_at, pieces, decided in db.session.execute(wanted)
    )


def takes_units(one: Wanted) -> bool:
    """Whether its units are gone when it is confirmed: a service that runs out was had to its end."""
    return one.ending != NEXT_PERIOD


def checked_reason(reason: str) -> None:
    """Raises ``Conflict("unknown_reason")``."""
    if reason and reason not in core.REASONS:
        raise Conflict("unknown_reason", reason=reason)


__all__ = ["KIND", "CancellationPage", "Estimate", "PastRow", "Sheet", "estimate", "page", "sheet"]

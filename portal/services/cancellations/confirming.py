"""The customer's yes: units leave the order, the refund is decided, the warehouse will be told; all or nothing."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal import faults
from portal.core import subscriptions
from portal.core.access import SYSTEM, Actor, Conflict
from portal.core.facts import MERCHANDISE, NEXT_PERIOD, OrderFacts
from portal.core.lifecycles import CANCELLATION
from portal.core.links import STATUS, Site
from portal.core.logistics import Constraint
from portal.core.policy.verdict import Refused, to_json
from portal.core.refunds import breakdown as breakdowns
from portal.core.spans import Span, count, merge
from portal.db import cancellations as stored
from portal.db import returns
from portal.db.base import db, transaction
from portal.db.cancellations import Cancellation
from portal.db.refunds import Refund
from portal.db.returns import Return, ReturnLine
from portal.ports import Gateways
from portal.services import channels, links
from portal.services.cancellations import ending, holding, reading, telling
from portal.services.cancellations.reading import UNANSWERED, CancellationPage
from portal.services.cancellations.wishes import new_number
from portal.services.filing import closing
from portal.services.filing.returns import Page
from portal.services.refunding import decisions
from portal.services.refunding.owed import AS_WORKED_OUT
from portal.services.stockroom import asking, stock

PAST = "import"
"""The channel of cancellations that were made before there was a portal: nobody has to be told of them now."""

TRIES = 3
"""Numbers are random: one that is taken is drawn again."""


def confirm(
    actor: Actor, return_id: UUID, *, seen: str | None, gateways: Gateways, site: Site, now: datetime
) -> str:
    """Say yes for the customer; answers the state it has by now, also when it was answered before.

    Raises ``Refused`` with all that stands against it by now, ``NotAllowed`` for whoever is not the customer,
    ``Conflict``: ``amount_changed`` where it is not what was ``seen``, ``nothing_chosen``, ``units_taken``.
    """
    told = told_of(actor, return_id, gateways=gateways, now=now)
    for attempt in range(TRIES):
        try:
            with transaction():
                state = confirmed(
                    actor, return_id, seen=seen, told=told, gateways=gateways, site=site, now=now
                )
                faults.point("before_intent_commit")
            break
        except IntegrityError as problem:
            if "number" not in str(problem.orig) or attempt == TRIES - 1:
                raise
    faults.point("after_intent_commit")
    return state


def told_of(actor: Actor, return_id: UUID, *, gateways: Gateways, now: datetime) -> tuple[Constraint, ...]:
    """What the warehouse says of the order before anything is locked. Raises ``NotFound``, ``NotAllowed``."""
    row, beside = reading.allowed(actor, return_id, "returns.read")
    reading.only_customer(actor)
    if row.state not in UNANSWERED:
        return ()
    order = reading.read(row, beside, now=now).order
    return asking.constraints(order, gateways=gateways, now=now).found


def confirmed(
    actor: Actor,
    return_id: UUID,
    *,
    seen: str | None,
    told: tuple[Constraint, ...],
    gateways: Gateways,
    site: Site,
    now: datetime,
) -> str:
    """``confirm`` in the caller's transaction."""
    reading.allowed(actor, return_id, "returns.create")
    held = stored.hold(return_id)
    if held is None or held[0].state not in UNANSWERED:
        return held[0].state if held else ""
    row, beside = held
    if beside.expires_at is not None and beside.expires_at <= now:
        ending.expire_now(row, beside, now=now)
        return row.state
    page = reading.read(row, beside, now=now, lock=True, constraints=told)
    _objections(page, seen)
    spans = holding.picked(page.order, page.request)
    _take(row, page, spans)
    _write(row, beside, page, spans, now=now)
    _cancel_order(row, beside, page.order, page, spans)
    stock.release(row.merchant_id, _goods(page), number=row.number or "", now=now)
    if gateways.warehouse is not None and _goods(page):
        asking.expect(beside, gateways=gateways, now=now)
    links.finish(row.id, now=now)
    status = _status_link(actor, row, site=site, now=now)
    _tell_history(actor, row, page, now=now)
    refund = _refund(row, page, now=now)
    closing.close_if_settled(row, now=now)
    if row.channel != PAST:
        _tell_outside(row, beside, page, refund, status=status, now=now)
    return row.state


def _tell_outside(
    row: Return,
    beside: Cancellation,
    page: CancellationPage,
    refund: Refund | None,
    *,
    status: UUID,
    now: datetime,
) -> None:
    """The customer, those who look after the money, and last the shop's own system."""
    telling.mail(
        "cancellation_confirmed",
        beside,
        returns.draft(row),
        page.order,
        before=page.before,
        after=page.after,
        breakdown=page.breakdown,
        links={"status": status},
        refund_id=refund.id if refund else None,
        now=now,
    )
    telling.finance(row, page.order, refund, now=now)
    channels.tell("order_line.canceled", row.id, now=now)


def _status_link(actor: Actor, row: Return, *, site: Site, now: datetime) -> UUID:
    """A proposal has had one from the start; a customer's own cancellation gets it now."""
    for link in links.of_return(row.id):
        if link.purpose == STATUS and link.standing(now) == "open":
            return link.id
    return links.create(actor, row, STATUS, site=site, days=links.STATUS_DAYS, now=now).id


def _objections(page: CancellationPage, seen: str | None) -> None:
    if not page.lines:
        raise Conflict("nothing_chosen")
    if page.verdict.outcome == "refused":
        raise Refused(page.verdict)
    if seen is not None and seen != page.seen:
        raise Conflict("amount_changed", amount=page.breakdown.amount, currency=page.breakdown.currency)


def _take(row: Return, page: CancellationPage, spans: Mapping[UUID, tuple[Span, ...]]) -> None:
    """Take the units out; a service that runs out keeps them, and has its last day instead.

    ``page.order`` is the order without this cancellation, so what a proposal holds is put back into it first.
    """
    held = spans if row.state == "proposed" else {}
    order = replace(
        page.order,
        lines=tuple(
            replace(line, held=merge((*line.held, *held.get(line.id, ())))) for line in page.order.lines
        ),
    )
    runs_out = {line.order_line_id for line in page.lines if line.ending == NEXT_PERIOD}
    gone = {line_id: taken for line_id, taken in spans.items() if line_id not in runs_out}
    holding.cancel(order, gone, held=held)
    if held:
        holding.let_go(order, {line_id: taken for line_id, taken in held.items() if line_id in runs_out})
    holding.end_services(_ended_whole(page))


def _ends_of(page: CancellationPage) -> dict[UUID, date]:
    """Order line -> the last day of the service, or of those of its units, that end by this."""
    day = page.now.astimezone(ZoneInfo(page.merchant.zone)).date()
    found = {}
    for line in page.lines:
        if line.order_line_id is not None and line.ending:
            last = subscriptions.ended(page.order.line(line.order_line_id), line.ending, on=day).ends_on
            if last is not None:
                found[line.order_line_id] = last
    return found


def _ended_whole(page: CancellationPage) -> dict[UUID, date]:
    """Of ``_ends_of`` the services of which nothing goes on: the last unit, or all that run out together."""
    ends, found = _ends_of(page), {}
    for line in page.lines:
        if line.order_line_id in ends:
            bought = page.order.line(line.order_line_id)
            if line.ending == NEXT_PERIOD or line.units >= bought.units - count(bought.canceled):
                found[line.order_line_id] = ends[line.order_line_id]
    return found


def _write(
    row: Return,
    beside: Cancellation,
    page: CancellationPage,
    spans: Mapping[UUID, tuple[Span, ...]],
    *,
    now: datetime,
) -> None:
    row.state = CANCELLATION.after(row.state, "confirm")
    row.number = row.number or new_number()
    row.submitted_at = row.submitted_at or now
    row.approved_at = now
    row.verdict = to_json(page.verdict)
    row.breakdown, row.estimate_minor = breakdowns.to_json(page.breakdown), page.breakdown.amount
    row.refund_state, row.version = "calculated", row.version + 1
    beside.answered_at, beside.totals = now, telling.totals_json(page.before, page.after)
    db.session.flush()
    ends = _ends_of(page)
    used = {one.line_id: list(one.scope_used) for one in page.request.wanted if one.scope_used}
    table = ReturnLine.__table__
    rows: list[dict[str, Any]] = [
        {
            "row": line.id,
            "taken": [list(span) for span in spans.get(line.order_line_id, ())]
            if line.ending != NEXT_PERIOD
            else [],
            "last": ends.get(line.order_line_id),
            "had": used.get(line.order_line_id),
        }
        for line in page.lines
        if line.order_line_id is not None
    ]
    db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("row"))
        .values(spans=sa.bindparam("taken"), ends_on=sa.bindparam("last"), scope_used=sa.bindparam("had")),
        rows,
    )


def _cancel_order(
    row: Return,
    beside: Cancellation,
    order: OrderFacts,
    page: CancellationPage,
    spans: Mapping[UUID, tuple[Span, ...]],
) -> None:
    """An order of which nothing is left is canceled as a whole."""
    runs_out = {line.order_line_id for line in page.lines if line.ending == NEXT_PERIOD}
    left = sum(
        line.units - count(line.canceled) - (count(spans.get(line.id, ())) if line.id not in runs_out else 0)
        for line in order.items
        if line.kind != "discount"
    )
    if left <= 0:
        stored.order_becomes(row.order_id, "canceled", was="confirmed")
        beside.totals = {**beside.totals, "order_canceled": True}


def _goods(page: CancellationPage) -> dict[UUID, int]:
    """Order line -> units of goods that a warehouse must leave out."""
    return {
        line.order_line_id: line.units
        for line in page.lines
        if line.order_line_id is not None and page.order.line(line.order_line_id).kind == MERCHANDISE
    }


def _refund(row: Return, page: CancellationPage, *, now: datetime) -> Refund | None:
    """What goes back, decided by the policy; a service that runs out gives nothing back, and has no refund."""
    if all(line.ending == NEXT_PERIOD for line in page.lines):
        row.refund_state = "none"
        return None
    due = page.breakdown
    seen = Page(
        draft=returns.draft(row),
        order=page.order,
        terms=page.terms,
        merchant=page.merchant,
        breakdown=due,
        verdict=page.verdict,
        left=(),
        now=now,
    )
    return decisions.make(SYSTEM, row, seen, due, overrides=AS_WORKED_OUT, plain=due, now=now)


def _tell_history(actor: Actor, row: Return, page: CancellationPage, *, now: datetime) -> None:
    lines = telling.lines_of(returns.draft(row))
    totals = telling.totals_json(page.before, page.after)
    telling.happened(
        actor,
        "order_line.cancellation_confirmed",
        row,
        now,
        number=row.number,
        lines=lines,
        units=page.draft.units,
        amount=page.breakdown.amount,
        currency=row.currency,
        **totals,
    )
    telling.happened_to_order(
        actor, "order_line.canceled", row, lines, now, units=page.draft.units, currency=row.currency, **totals
    )

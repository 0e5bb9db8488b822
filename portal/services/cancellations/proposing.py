"""An agent asks for a cancellation: the units are held, the customer is asked, and nothing else happens yet."""

import math
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError

from portal import faults
from portal.core.access import Actor, Conflict, NotFound
from portal.core.facts import OrderFacts
from portal.core.lifecycles import CANCELLATION
from portal.core.links import FINISH, STATUS, Site
from portal.core.logistics import Constraint
from portal.core.policy.verdict import Refused, to_json
from portal.core.refunds import breakdown as breakdowns
from portal.db import cancellations as stored
from portal.db import merchants, orders, returns
from portal.db.base import db, transaction, uuid7
from portal.db.cancellations import Cancellation
from portal.db.returns import Return
from portal.ports import Gateways
from portal.services import links, scope
from portal.services.cancellations import holding, reading, telling
from portal.services.cancellations.reading import Estimate
from portal.services.cancellations.wishes import Wish, new_lines, new_number, new_return
from portal.services.stockroom import asking

AFTERWARDS = 30
"""Days after a proposal's end for which its link still tells what became of it."""

TRIES = 3
"""Numbers are random: one that is taken is drawn again."""


def propose(
    actor: Actor,
    order_id: UUID,
    wish: Wish,
    *,
    shown: str | None,
    nonce: str | None,
    gateways: Gateways,
    site: Site,
    now: datetime,
) -> UUID:
    """Ask the customer for their yes to ``wish``, and hold its units until then; answers the cancellation's id.

    The same ``nonce`` again answers the same one. Raises ``Refused`` with all that stands against it,
    ``Conflict``: ``amount_changed`` where it is not what was ``shown``, ``unknown_reason``, ``units_taken``.
    """
    order = reading.order_for(actor, order_id, "cancellations.propose")
    reading.checked_reason(wish.reason)
    told = asking.constraints(order, gateways=gateways, now=now).found
    for attempt in range(TRIES):
        try:
            with transaction():
                made = _made(actor, order_id, wish, shown=shown, nonce=nonce, told=told, site=site, now=now)
                faults.point("before_intent_commit")
            break
        except IntegrityError as problem:
            if nonce and (twin := returns.by_nonce(nonce)) is not None:
                return twin.id  # the same form arrived twice at once; the other one was faster
            if "number" not in str(problem.orig) or attempt == TRIES - 1:
                raise
    faults.point("after_intent_commit")
    return made


def _made(
    actor: Actor,
    order_id: UUID,
    wish: Wish,
    *,
    shown: str | None,
    nonce: str | None,
    told: tuple[Constraint, ...],
    site: Site,
    now: datetime,
) -> UUID:
    stored.hold_order(order_id)
    if nonce and (made := returns.by_nonce(nonce)) is not None:
        scope.require(actor, "cancellations.propose", made.merchant_id)
        return made.id
    head, order = orders.head(order_id), orders.facts(order_id, lock=True)
    if head is None:
        raise NotFound
    request, estimate = reading.estimated(order, wish.choices, wish.reason, constraints=told, now=now)
    if estimate.verdict.outcome == "refused":
        raise Refused(estimate.verdict)
    if shown is not None and shown != estimate.shown:
        due = estimate.breakdown
        raise Conflict("amount_changed", amount=due.amount, currency=due.currency)
    spans = holding.picked(order, request)
    holding.hold(order, spans)
    merchant, policy_id, _ = merchants.with_terms(order.merchant_id)
    row = new_return(
        head,
        policy_id=policy_id,
        state=CANCELLATION.after(CANCELLATION.start, "propose"),
        channel=wish.channel,
        language=merchant.language,
        note=wish.message,
        nonce=nonce,
        number=new_number(),
        created_by=actor.id,
        now=now,
    )
    row.submitted_at, row.verdict = now, to_json(estimate.verdict)
    row.breakdown, row.estimate_minor = breakdowns.to_json(estimate.breakdown), estimate.breakdown.amount
    row.refund_state = "calculated"
    beside = _beside(row, estimate, now=now)
    day = now.astimezone(ZoneInfo(merchant.zone)).date()
    db.session.add(row)
    db.session.flush()
    db.session.add_all((beside, *new_lines(row, order, request.wanted, spans=spans, by_agent=True, day=day)))
    db.session.flush()
    _tell(actor, row, beside, order, estimate, wish, site=site, now=now)
    return row.id


def _beside(row: Return, estimate: Estimate, *, now: datetime) -> Cancellation:
    return Cancellation(
        id=uuid7(),
        merchant_id=row.merchant_id,
        return_id=row.id,
        asked_by="agent",
        requested_at=now,
        expires_at=now + timedelta(hours=estimate.hours),
        totals=telling.totals_json(estimate.before, estimate.after),
        answer={},
        ended={},
        comment="",
        warehouse="",
        warehouse_state="none",
    )


def _tell(
    actor: Actor,
    row: Return,
    beside: Cancellation,
    order: OrderFacts,
    estimate: Estimate,
    wish: Wish,
    *,
    site: Site,
    now: datetime,
) -> None:
    days = math.ceil(estimate.hours / 24) + AFTERWARDS
    link = links.create(actor, row, FINISH, site=site, days=days, now=now)
    links.create(actor, row, STATUS, site=site, days=links.STATUS_DAYS, now=now)
    draft = returns.draft(row)
    lines = telling.lines_of(draft)
    telling.happened(
        actor,
        "order_line.cancellation_requested",
        row,
        now,
        number=row.number,
        lines=lines,
        units=draft.units,
        amount=estimate.breakdown.amount,
        currency=row.currency,
        reason_given=wish.reason,
        note=wish.note.strip(),
        channel=wish.channel,
        expires_at=beside.expires_at.isoformat() if beside.expires_at else "",
    )
    telling.happened_to_order(
        actor, "order_line.cancellation_requested", row, lines, now, units=draft.units, currency=row.currency
    )
    telling.mail(
        "cancellation_proposed",
        beside,
        draft,
        order,
        before=estimate.before,
        after=estimate.after,
        breakdown=estimate.breakdown,
        hours=estimate.hours,
        links={"link": link.id},
        now=now,
    )

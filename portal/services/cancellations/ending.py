"""A cancellation that comes to nothing: declined, withdrawn, too late; and what the warehouse's answer brings.

Helpers of those who bring the news (warehouse, fulfilment, import) work in their transaction. Whoever comes when
it has ended already changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal import faults
from portal.core.access import SYSTEM, Actor, Conflict
from portal.core.facts import MERCHANDISE, NEXT_PERIOD, OrderFacts
from portal.core.lifecycles import CANCELLATION
from portal.core.refunds.breakdown import from_json
from portal.core.returns import Draft
from portal.core.spans import Span, count
from portal.core.totals import Totals, totals
from portal.db import cancellations as stored
from portal.db import orders, returns
from portal.db.base import db, transaction
from portal.db.cancellations import GATED, Cancellation
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import channels, links
from portal.services.cancellations import holding, reading, telling
from portal.services.filing import closing
from portal.services.refunding import decisions, refunds
from portal.services.stockroom import stock


def decline(actor: Actor, return_id: UUID, *, reason: str = "", now: datetime) -> None:
    """The customer keeps the order as it is: a proposal is declined, a draft of their own given up."""
    reading.only_customer(actor)
    with transaction():
        reading.allowed(actor, return_id, "returns.create")
        held = stored.hold(return_id)
        if held is None or held[0].state in ("declined", "canceled"):
            return
        row, beside = held
        step = "cancel" if row.state == "draft" else "decline"
        state = CANCELLATION.after(row.state, step)
        beside.answered_at = now
        _finish(actor, row, beside, state, code="declined", now=now, message=reason.strip()[:1000])
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")


def withdraw(actor: Actor, return_id: UUID, *, reason: str, now: datetime) -> None:
    """An agent takes a proposal back. Raises ``IllegalStep`` once it was answered, ``Conflict("reason_missing")``."""
    with transaction():
        reading.allowed(actor, return_id, "cancellations.propose")
        if not reason.strip():
            raise Conflict("reason_missing")
        held = stored.hold(return_id)
        if held is None or held[0].state == "canceled":
            return
        row, beside = held
        state = CANCELLATION.after(row.state, "cancel")
        _finish(actor, row, beside, state, code="withdrawn", now=now, message=reason.strip()[:1000])
        faults.point("before_intent_commit")
    faults.point("after_intent_commit")


def expire_now(row: Return, beside: Cancellation, *, now: datetime) -> None:
    """Nobody answered in time; the rows are held by the caller, whose transaction this is."""
    _finish(SYSTEM, row, beside, CANCELLATION.after(row.state, "expire"), code="expired", now=now)


def overtake(return_ids: Iterable[UUID], *, why: str, now: datetime) -> None:
    """Units of these were faster: they have left. A proposal ends, what was confirmed is undone and told so.

    In the caller's transaction. ``why`` is a code of ``core.logistics.CONSTRAINTS``.
    """
    for return_id in sorted(return_ids):
        held = stored.hold(return_id)
        if held is not None and CANCELLATION.can(held[0].state, "overtake"):
            _come_to_nothing(*held, step="overtake", code=why, now=now)


def refuse(return_id: UUID, *, code: str, message: str = "", now: datetime) -> None:
    """The warehouse cannot leave the units out: everything is as before. In the caller's transaction."""
    held = stored.hold(return_id)
    if held is not None and CANCELLATION.can(held[0].state, "refuse"):
        _come_to_nothing(*held, step="refuse", code=code or "refused", message=message, now=now)


def order_canceled(merchant_id: UUID, order_id: UUID, *, now: datetime) -> None:
    """The shop canceled the whole order elsewhere: what waits for an answer has nothing to ask any more.

    In the caller's transaction; what is confirmed stays.
    """
    stored.hold_order(order_id)
    for row, _ in stored.of_order(order_id, states=("proposed",)):
        held = stored.hold(row.id)
        if row.merchant_id == merchant_id and held is not None and held[0].state == "proposed":
            _come_to_nothing(*held, step="overtake", code="order_canceled", now=now)


def released(return_id: UUID, *, now: datetime) -> None:
    """The goods stay: the refund may go. In the caller's transaction, which has noted the answer."""
    held = stored.hold(return_id)
    if held is None or held[0].state != "confirmed":
        return
    row, beside = held
    if beside.warehouse_state in GATED:
        beside.warehouse_state, beside.next_ask_at = "released", None
        db.session.flush()
    for refund in _refunds_of(row.id, ("approved",)):
        decisions.set_going(refund, now=now)
    closing.close_if_settled(row, now=now)


def sent_anyway(return_id: UUID, *, now: datetime) -> None:
    """Goods left although the warehouse had said that they stay: the refund stands, and the customer is told, once.

    In the caller's transaction, which has asked a person to look at it.
    """
    held = stored.hold(return_id)
    if held is None or held[1].ended or held[0].state not in ("confirmed", "closed"):
        return
    row, beside = held
    page = reading.read(row, beside, now=now)
    beside.ended = {"code": "shipped_after_release", "lines": [line.name for line in page.lines]}
    telling.happened(SYSTEM, "order_line.cancellation_contradicted", row, now, number=row.number)
    telling.mail(
        "cancellation_sent_anyway",
        beside,
        page.draft,
        page.order,
        before=page.before,
        after=page.after,
        breakdown=page.breakdown,
        now=now,
    )


def _refunds_of(return_id: UUID, states: tuple[str, ...]) -> list[Refund]:
    wanted = sa.select(Refund).where(Refund.return_id == return_id, Refund.state.in_(states))
    held = wanted.order_by(Refund.id).with_for_update().execution_options(populate_existing=True)
    return list(db.session.scalars(held))


# ------------------------------------------------------------------------------------------------ coming to nothing


def _come_to_nothing(
    row: Return, beside: Cancellation, *, step: str, code: str, message: str = "", now: datetime
) -> None:
    state = CANCELLATION.after(row.state, step)
    if beside.warehouse_state != "none":
        beside.warehouse_state = "shipped" if step == "overtake" else "refused"
        beside.next_ask_at = None
    _finish(SYSTEM, row, beside, state, code=code, message=message, now=now)


def _finish(
    actor: Actor,
    row: Return,
    beside: Cancellation,
    state: str,
    *,
    code: str,
    message: str = "",
    now: datetime,
) -> None:
    """End a locked cancellation for good: its units are in the order as before, and whoever must know is told."""
    draft, was = returns.draft(row), row.state
    order_id = row.order_id
    assert order_id is not None  # noqa: S101  for the type
    order = orders.facts(order_id, lock=True)
    before = totals(order)
    mine: dict[UUID, tuple[Span, ...]] = {
        line.order_line_id: line.spans for line in draft.lines if line.order_line_id and line.spans
    }
    if was == "proposed":
        holding.let_go(order, mine)
    elif was == "confirmed":
        _undo(actor, row, beside, order, mine, code=code, now=now)
    row.state, row.closed_at, row.version = state, now, row.version + 1
    row.closed_reason = code[:40]
    beside.ended = {
        "code": code,
        "lines": [line.name for line in draft.lines],
        **({"message": message} if message else {}),
    }
    if was != "confirmed":
        row.refund_state = "none"
    links.finish(row.id, now=now)
    db.session.flush()
    _tell(actor, row, beside, before, was, code=code, message=message, now=now)
    if was == "confirmed":
        channels.tell(TOLD[state][0], row.id, now=now)


def _undo(
    actor: Actor,
    row: Return,
    beside: Cancellation,
    order: OrderFacts,
    mine: dict[UUID, tuple[Span, ...]],
    *,
    code: str,
    now: datetime,
) -> None:
    """Everything that the customer's yes did, taken back: units, services, refund with its postings, the order."""
    for refund in _refunds_of(row.id, ("pending_approval", "approved", "failed")):
        refunds.give_up(actor, refund, reason=code, now=now)
    holding.restore(order, mine)
    draft = returns.draft(row)
    holding.renew_services(_ended_by(draft, order))
    goods = {
        line.id: count(mine[line.id]) for line in order.lines if line.id in mine and line.kind == MERCHANDISE
    }
    stock.undo(row.merchant_id, goods, number=row.number or "", now=now)
    if row.order_id is not None and _emptied(row.order_id):
        stored.order_becomes(row.order_id, "confirmed", was="canceled")


def _emptied(order_id: UUID) -> bool:
    """Whether the order is canceled because its cancellations left nothing of it: each of them, not only the last."""
    standing = stored.of_order(order_id, states=("confirmed", "closed"))
    return any(beside.totals.get("order_canceled") for _, beside in standing)


def _ended_by(draft: Draft, order: OrderFacts) -> list[UUID]:
    """The services that go on again: not one that another cancellation lets run out."""
    found = []
    for line in draft.lines:
        if line.order_line_id is None or not line.ending:
            continue
        bought = order.line(line.order_line_id)
        if (
            line.ending == NEXT_PERIOD
            or bought.ends_on == line.ends_on
            or bought.ends_on != bought.period_end
        ):
            found.append(line.order_line_id)
    return found


TOLD = {
    "declined": ("order_line.cancellation_declined", ""),
    "canceled": ("order_line.cancellation_withdrawn", ""),
    "expired": ("order_line.cancellation_expired", "cancellation_expired"),
    "overtaken": ("order_line.cancellation_overtaken", "cancellation_overtaken"),
    "refused": ("order_line.cancellation_refused", "cancellation_overtaken"),
}
"""How it ended -> the topic, and the message to the customer, who knows of the others."""


def _tell(
    actor: Actor,
    row: Return,
    beside: Cancellation,
    before: Totals,
    was: str,
    *,
    code: str,
    message: str,
    now: datetime,
) -> None:
    topic, event = TOLD[row.state]
    draft = returns.draft(row)
    lines, order = telling.lines_of(draft), orders.facts(draft.order_id) if draft.order_id else None
    if order is None:
        return
    after = totals(order)
    told = telling.totals_json(before, after)
    if was == "draft":
        return
    telling.happened(
        actor, topic, row, now, number=row.number, lines=lines, code=code, message=message, was=was,
        currency=row.currency, **told,
    )  # fmt: skip
    telling.happened_to_order(
        actor, topic, row, lines, now, code=code, was=was, currency=row.currency, **told
    )
    if event:
        telling.mail(
            event,
            beside,
            draft,
            order,
            before=before,
            after=after,
            breakdown=from_json(row.breakdown) if row.breakdown else None,
            now=now,
        )

"""What the shops' own systems are told: queued with the change, sent by durable work, in the order of each order."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import MERCHANDISE
from portal.core.lifecycles import MAIL
from portal.core.refunds.breakdown import from_json
from portal.core.totals import totals
from portal.db import history, orders, returns
from portal.db.base import db, transaction, uuid7
from portal.db.cancellations import Cancellation
from portal.db.channels import ChannelMessage
from portal.db.merchants import Merchant
from portal.db.orders import Order, OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Return, ReturnLine
from portal.ports import ChannelNotice, Declined, Gateways, Unavailable
from portal.services import scope, tasks, work

STANDING = ("confirmed", "closed")
"""States of a cancellation that holds: its units are out of the order."""


def queue(
    topic: str,
    *,
    merchant_id: UUID,
    order_id: UUID,
    return_id: UUID | None = None,
    payload: Mapping[str, Any],
    now: datetime,
) -> UUID:
    """Promise, in the caller's transaction, that the order's channel is told; ``payload`` is plain JSON.

    The caller holds the order's row: messages of one order are numbered and told one after the other.
    """
    message_id = uuid7()
    told = sa.select(sa.func.count()).where(ChannelMessage.order_id == order_id)
    sequence = (db.session.scalar(told) or 0) + 1
    db.session.execute(
        sa.insert(ChannelMessage).values(
            id=message_id,
            merchant_id=merchant_id,
            order_id=order_id,
            return_id=return_id,
            topic=topic,
            payload={"sequence": sequence, **payload},
            created_at=now,
        )
    )
    work.enqueue("channel", message_id)
    return message_id


def tell(topic: str, return_id: UUID, *, now: datetime) -> UUID | None:
    """Promise, in the caller's transaction, to tell of a cancellation as it stands by now, refund and all.

    None where it belongs to no order. Call it last, when everything else of the change is written.
    """
    db.session.flush()
    row = returns.get(return_id)
    if row is None or row.order_id is None:
        return None
    return queue(
        topic,
        merchant_id=row.merchant_id,
        order_id=row.order_id,
        return_id=row.id,
        payload=payload_of(row),
        now=now,
    )


def payload_of(row: Return) -> dict[str, Any]:
    """A cancellation and what its order is by now, in the form of ``adapters/channels/schema.json``."""
    order = db.session.get(Order, row.order_id, populate_existing=True)
    beside = db.session.scalar(sa.select(Cancellation).where(Cancellation.return_id == row.id))
    if order is None or beside is None:
        raise NotFound
    bought = db.session.scalars(
        sa.select(OrderLine)
        .where(OrderLine.order_id == order.id)
        .order_by(OrderLine.number)
        .execution_options(populate_existing=True)
    ).all()
    return {
        "order": {
            "number": order.number,
            "source": order.source,
            "state": order.state,
            "currency": order.currency,
        },
        "cancellation": {
            "id": str(row.id),
            "number": row.number or "",
            "state": row.state,
            "reason": _reason(row.id),
            "asked_by": beside.asked_by,
            "why": str(beside.ended.get("code", "")),
        },
        "lines": _lines(row, bought),
        "totals": _totals(row, beside),
        "refund": _refund(row.id),
        "shipments": _shipments(bought),
    }


def _reason(return_id: UUID) -> str:
    wanted = sa.select(ReturnLine.reason).where(
        ReturnLine.return_id == return_id, ReturnLine.reason.is_not(None)
    )
    return db.session.scalar(wanted.order_by(ReturnLine.position).limit(1)) or ""


def _lines(row: Return, bought: Sequence[OrderLine]) -> list[dict[str, Any]]:
    known = {line.id: line for line in bought}
    amounts = {line.line_id: line.amount for line in from_json(row.breakdown).lines} if row.breakdown else {}
    return [
        {
            "line": known[line.order_line_id].external_id,
            "sku": line.sku,
            "name": line.name,
            "kind": known[line.order_line_id].kind,
            "units": line.units,
            "amount": amounts.get(line.order_line_id, 0),
            "left": known[line.order_line_id].units - known[line.order_line_id].canceled_units,
            "location": known[line.order_line_id].location,
            "ending": line.ending,
            "ends_on": line.ends_on.isoformat() if line.ends_on else None,
        }
        for line in returns.lines_of(row.id)
        if line.order_line_id in known
    ]


def _totals(row: Return, beside: Cancellation) -> dict[str, Any]:
    """The order before and after: as it was confirmed, or, where that came to nothing, as it is again."""
    if row.state in STANDING or row.order_id is None:
        return {side: beside.totals.get(side, {}) for side in ("before", "after")}
    return {"before": beside.totals.get("after", {}), "after": asdict(totals(orders.facts(row.order_id)))}


def _refund(return_id: UUID) -> dict[str, Any] | None:
    """The refund that stands; None where nothing goes back, or does no more."""
    wanted = sa.select(Refund).where(Refund.return_id == return_id, Refund.state != "canceled")
    refund = db.session.scalar(wanted.order_by(Refund.id.desc()).limit(1))
    if refund is None:
        return None
    shares = refund.breakdown.get("shares", [])
    return {
        "number": refund.number,
        "amount": refund.amount_minor,
        "state": refund.state,
        "ways": [
            {"tender": share["tender"], "amount": share["amount"]} for share in shares if share["amount"]
        ],
    }


def _shipments(bought: Sequence[OrderLine]) -> list[dict[str, Any]]:
    """What is still to be sent, split by where it lies. What a proposal holds waits, and is not among it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in bought:
        units = line.units - line.canceled_units - line.held_units - line.shipped_units
        if line.kind == MERCHANDISE and units > 0:
            told = {"line": line.external_id, "sku": line.sku, "units": units}
            found.setdefault(line.location, []).append(told)
    return [{"location": location, "lines": lines} for location, lines in sorted(found.items())]


def deliver(message_id: UUID, *, gateways: Gateways, now: datetime) -> None:
    """Tell one thing, under its own id as key. Raises ``Unavailable`` for another try, and until its turn comes."""
    row = db.session.get(ChannelMessage, message_id, populate_existing=True)
    if row is None or row.state == "sent" or gateways.channel is None:
        return
    if _earlier(row):
        raise Unavailable("an earlier message about the same order comes first")
    notice = _notice(row)
    db.session.commit()  # nothing is read while the channel is waited for
    try:
        gateways.channel.notify(notice, key=str(message_id))
    except Declined as problem:
        _record(message_id, "fail", now, error=str(problem))
    except Unavailable as problem:
        _record(message_id, "", now, error=str(problem))
        raise
    else:
        _record(message_id, "send", now)


def _earlier(row: ChannelMessage) -> bool:
    """Whether an older message of the same order is still on its way; one that failed for good holds up nothing."""
    older = sa.select(ChannelMessage.id).where(
        ChannelMessage.order_id == row.order_id, ChannelMessage.state == "queued", ChannelMessage.id < row.id
    )
    return db.session.scalar(older.limit(1)) is not None


def _notice(row: ChannelMessage) -> ChannelNotice:
    order, shop = db.session.get(Order, row.order_id), db.session.get(Merchant, row.merchant_id)
    if order is None or shop is None:
        raise NotFound
    return ChannelNotice(
        topic=row.topic, merchant=shop.slug, order=order.external_id, at=row.created_at, payload=row.payload
    )


def _record(message_id: UUID, step: str, now: datetime, *, error: str = "") -> None:
    """Write down what became of one try; a message that was sent stays sent, whatever a late try says."""
    with transaction() as session:
        row = session.get(ChannelMessage, message_id, populate_existing=True, with_for_update=True)
        if row is None or row.state == "sent":
            return
        row.attempts, row.error = row.attempts + 1, error[:500]
        if step and MAIL.can(row.state, step):
            row.state = MAIL.after(row.state, step)
            row.sent_at = now if step == "send" else None
        session.flush()
        if row.state == "failed":
            details = {"error": error[:300], "number": _number(row.order_id)}
            tasks.open(
                "channel_failed", str(row.id), merchant_id=row.merchant_id, subject_id=row.return_id,
                details=details, now=now,
            )  # fmt: skip
        elif row.state == "sent":
            tasks.done("channel_failed", str(row.id), merchant_id=row.merchant_id, now=now)


def _number(order_id: UUID) -> str:
    return db.session.scalar(sa.select(Order.number).where(Order.id == order_id)) or ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One message as people see it."""

    id: UUID
    topic: str
    order_id: UUID
    order_number: str
    return_id: UUID | None
    number: str
    """Of the cancellation it is about."""
    state: str
    attempts: int
    error: str
    created_at: datetime
    sent_at: datetime | None


def listing(
    actor: Actor,
    *,
    state: str | None = None,
    order_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> tuple[Told, ...]:
    """What was told, and what waits or failed, of the actor's merchants; the newest first, ``after`` continues."""
    row = ChannelMessage
    wanted = (
        sa.select(row, Order.number, Return.number)
        .join(Order, Order.id == row.order_id)
        .outerjoin(Return, Return.id == row.return_id)
        .where(row.merchant_id.in_(_merchants(actor)))
    )
    for test in (
        row.state == state if state else None,
        row.order_id == order_id if order_id else None,
        row.id < after if after else None,
    ):
        if test is not None:
            wanted = wanted.where(test)
    found = db.session.execute(wanted.order_by(row.id.desc()).limit(limit))
    return tuple(_told(message, order, number or "") for message, order, number in found)


def counts(actor: Actor) -> dict[str, int]:
    """How many messages of the actor's merchants are in each state."""
    row = ChannelMessage
    wanted = sa.select(row.state, sa.func.count()).where(row.merchant_id.in_(_merchants(actor)))
    return {state: units for state, units in db.session.execute(wanted.group_by(row.state))}  # noqa: C416


def one(actor: Actor, message_id: UUID) -> tuple[Told, dict[str, Any]]:
    """One message, and what it says. Raises ``NotFound``, ``NotAllowed``."""
    row = db.session.get(ChannelMessage, message_id)
    if row is None:
        raise NotFound
    scope.require(actor, "work.manage", row.merchant_id)
    about = db.session.get(Return, row.return_id) if row.return_id else None
    return _told(row, _number(row.order_id), about.number or "" if about else ""), dict(row.payload)


def resend(actor: Actor, message_id: UUID, *, now: datetime) -> None:
    """Tell what failed for good once more, under the same id and in the same words. Raises ``IllegalStep``."""
    with transaction() as session:
        row = session.get(ChannelMessage, message_id, populate_existing=True, with_for_update=True)
        if row is None:
            raise NotFound
        scope.require(actor, "work.manage", row.merchant_id)
        row.state = MAIL.after(row.state, "retry")
        session.flush()
        history.record(
            actor, "channel.resent", merchant_id=row.merchant_id, subject_id=row.return_id or row.order_id,
            now=now, topic=row.topic,
        )  # fmt: skip
        work.enqueue("channel", row.id, run=row.attempts)


def _merchants(actor: Actor) -> list[UUID]:
    return [one for one in actor.merchant_ids if actor.may("work.manage", one)]


def _told(row: ChannelMessage, order_number: str, number: str) -> Told:
    return Told(
        id=row.id,
        topic=row.topic,
        order_id=row.order_id,
        order_number=order_number,
        return_id=row.return_id,
        number=number,
        state=row.state,
        attempts=row.attempts,
        error=row.error,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )

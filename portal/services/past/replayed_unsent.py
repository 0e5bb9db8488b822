"""A cancellation of the past, so soon after the purchase that nothing had left: replayed as what it was.

The units go back into the order as not sent, and leave it by the same way as any customer's own cancellation:
judged, canceled, released in stock, refunded, posted, told. Only the warehouse of today is not asked about it,
and the money moved when it happened.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.facts import Wanted
from portal.core.intake import IncomingCancellation
from portal.core.lifecycles import CANCELLATION
from portal.core.links import Site
from portal.core.replaying import Take
from portal.core.spans import Span, count, merge
from portal.db import history, orders
from portal.db.base import db, uuid7
from portal.db.cancellations import Cancellation
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.ports import Gateways, RefundResult
from portal.services.cancellations import confirming
from portal.services.cancellations.wishes import new_lines, new_return
from portal.services.past.replayed import Run, nonce, worth_of
from portal.services.paying import settling
from portal.services.stockroom import stock

CHANNEL = "import"


def cancel(
    run: Run,
    first: IncomingCancellation,
    part: int,
    order_id: UUID,
    takes: Sequence[tuple[int, Take, str]],
    *,
    gateways: Gateways,
    site: Site,
) -> None:
    """Cancel what ``takes`` take of one order, in the caller's transaction, at the time it happened."""
    spans: dict[UUID, tuple[Span, ...]] = {}
    for _, take, _ in takes:
        spans[take.bought.line_id] = merge((*spans.get(take.bought.line_id, ()), *take.spans))
    _unsend(run.merchant_id, order_id, {line: count(held) for line, held in spans.items()}, now=first.at)
    row = _draft(run, first, part, order_id, spans)
    order = orders.facts(order_id)
    history.record(
        run.actor, "order_line.cancellation_requested", merchant_id=run.merchant_id, subject_id=row.id, now=first.at,
        replayed=[[position, take.units, worth_of(order, take), window] for position, take, window in takes],
        cancellation=first.number,
    )  # fmt: skip
    confirming.confirmed(
        run.actor,
        row.id,
        seen=None,
        told=(),
        gateways=replace(gateways, warehouse=None),
        site=site,
        now=first.at,
    )
    _paid(row.id, first)


def _paid(return_id: UUID, first: IncomingCancellation) -> None:
    """The money of the past moved when it happened, whichever way it would take today."""
    for refund_id in db.session.scalars(sa.select(Refund.id).where(Refund.return_id == return_id)).all():
        refund = settling.locked(refund_id)
        for payout in settling.of_refund(refund_id):
            paid = RefundResult(
                state="succeeded",
                reference=first.number,
                amount=payout.amount_minor,
                currency=payout.currency,
            )
            settling.apply(refund, payout, paid, now=first.at)


def _unsend(merchant_id: UUID, order_id: UUID, units: dict[UUID, int], *, now: datetime) -> None:
    """The import took the order for sent whole: of these units it was not so yet."""
    before = stock.lines_of([order_id])
    table: Any = OrderLine.__table__
    left = table.c.shipped_units - sa.bindparam("more")
    delivered = sa.case((table.c.delivered_units > left, left), else_=table.c.delivered_units)
    db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("line"))
        .values(shipped_units=left, delivered_units=delivered),
        [{"line": line, "more": gone} for line, gone in sorted(units.items())],
    )
    db.session.expire_all()
    stock.follow(merchant_id, [order_id], before=before, now=now)


def _draft(
    run: Run, first: IncomingCancellation, part: int, order_id: UUID, spans: dict[UUID, tuple[Span, ...]]
) -> Return:
    head, order = orders.head(order_id), orders.facts(order_id, lock=True)
    if head is None:
        raise LookupError(f"no order {order_id}")
    row = new_return(
        head,
        policy_id=run.policy_id,
        state=CANCELLATION.start,
        channel=CHANNEL,
        language=run.language,
        nonce=nonce(run, first, part),
        now=first.at,
    )
    beside = Cancellation(
        id=uuid7(),
        merchant_id=row.merchant_id,
        return_id=row.id,
        asked_by="customer",
        requested_at=first.at,
        warehouse_state="none",
    )
    wanted = [Wanted(line_id=line, units=count(held)) for line, held in spans.items()]
    db.session.add(row)
    db.session.flush()
    db.session.add_all(
        (beside, *new_lines(row, order, wanted, spans=spans, by_agent=False, day=first.at.date()))
    )
    db.session.flush()
    return row

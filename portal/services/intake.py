"""Orders come in: checked, then written in batches; the same one again changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError

from portal.core.access import Actor, Stale
from portal.core.changed import Gone, changed, gone
from portal.core.elsewhere import with_refunds
from portal.core.facts import MERCHANDISE
from portal.core.intake import Fault, Incoming, IncomingAdjustment, IncomingCancellation, IncomingOrder
from portal.core.money import Minor, minor
from portal.core.paid import PaidOrder, paid
from portal.core.policy.terms import Deal
from portal.db import history, merchants, reimport
from portal.db import intake as db_intake
from portal.db.base import transaction
from portal.services import scope
from portal.services.cancellations import ending
from portal.services.gateways import reported
from portal.services.warehousing import fulfilment

TRIES = 20
"""Of one batch, where others were faster each time: nobody is there to press the button again."""

BATCH = 400
"""Orders per transaction: enough to write many rows at once, few enough to let others write between."""


@dataclass(kw_only=True)
class Counts:
    """What became of everything that was read."""

    imported: int = 0
    changed: int = 0
    unchanged: int = 0
    lines: int = 0
    """Of the orders that were imported or changed."""
    adjustments: int = 0
    adjustments_unchanged: int = 0
    cancellations: int = 0
    """Rows that take units back; they are not imported, a replay can make returns of them."""
    refused: int = 0

    @property
    def read(self) -> int:
        return self.imported + self.changed + self.unchanged


@dataclass(frozen=True, kw_only=True)
class _Target:
    merchant_id: UUID
    source: str
    gateway: str
    deals: Sequence[Deal]
    now: datetime
    counts: Counts
    refuse: Callable[[Fault], None]


def import_orders(
    actor: Actor,
    merchant_id: UUID,
    stream: Iterable[Incoming],
    *,
    source: str,
    now: datetime,
    gateway: str = "sandbox",
    refuse: Callable[[Fault], None] = lambda fault: None,
    progress: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """Take what ``stream`` gives into the merchant's orders, in transactions of a few hundred.

    ``refuse`` is told of everything that could not be taken; the rest goes in. ``gateway`` is the payments
    adapter that cards go back through; other tenders have ways of their own. Raises ``NotFound``, ``NotAllowed``.
    """
    scope.require(actor, "orders.import", merchant_id)
    counts = Counts()

    def refused(fault: Fault) -> None:
        counts.refused += 1
        refuse(fault)

    target = _Target(
        merchant_id=merchant_id,
        source=source,
        gateway=gateway,
        deals=merchants.with_terms(merchant_id)[2].deals,
        now=now,
        counts=counts,
        refuse=refused,
    )
    for number, batch in enumerate(_batches(stream), 1):
        _take(target, batch)
        if number & (number - 1) == 0 and counts.imported:  # 1, 2, 4, 8 ... batches
            with transaction():
                db_intake.refresh_statistics()
        progress(counts)
    if counts.imported or counts.changed or counts.adjustments:
        with transaction():
            told = {"source": source, "imported": counts.imported, "updated": counts.changed}
            history.record(
                actor, "orders.imported", merchant_id=merchant_id, subject_id=merchant_id, now=now, **told
            )
    return counts


def _batches(stream: Iterable[Incoming]) -> Iterator[list[Incoming]]:
    source = iter(stream)
    while batch := list(islice(source, BATCH)):
        yield batch


def _take(target: _Target, batch: Sequence[Incoming]) -> None:
    """Read everything first, so that the transaction holds nothing but writing."""
    orders: list[tuple[IncomingOrder, PaidOrder]] = []
    adjustments: list[tuple[IncomingAdjustment, Minor]] = []
    for incoming in batch:
        if isinstance(incoming, IncomingOrder):
            record = paid(incoming)
            if isinstance(record, PaidOrder):
                orders.append((incoming, record))
            else:
                target.refuse(_fault(incoming, "; ".join(record)))
        elif isinstance(incoming, IncomingAdjustment):
            amount = _amount(incoming, target)
            if amount is not None:
                adjustments.append((incoming, amount))
        elif isinstance(incoming, IncomingCancellation):
            target.counts.cancellations += 1
        else:
            target.refuse(incoming)
    _write_orders(target, orders)
    if adjustments:
        with transaction():
            new = db_intake.insert_adjustments(target.merchant_id, target.source, adjustments)
        target.counts.adjustments += new
        target.counts.adjustments_unchanged += len(adjustments) - new


def _amount(adjustment: IncomingAdjustment, target: _Target) -> Minor | None:
    try:
        return minor(adjustment.amount, adjustment.currency, round_to_unit=True)
    except ValueError as error:
        target.refuse(Fault(file=adjustment.file, row=adjustment.row, reason=str(error)))
        return None


def _fault(order: IncomingOrder, reason: str) -> Fault:
    return Fault(
        file=order.file, row=order.row, reason=f"order {order.number or order.external_id}: {reason}"
    )


def _write_orders(target: _Target, orders: Sequence[tuple[IncomingOrder, PaidOrder]]) -> None:
    """The whole batch at once; where the database refuses it, order by order, to find the one it refuses."""
    if not orders:
        return
    try:
        done = _written(target, orders)
    except (IntegrityError, DataError, UnicodeEncodeError) as error:
        if len(orders) == 1:
            said = getattr(error, "orig", error)
            target.refuse(_fault(orders[0][0], f"the database refuses it: {said}"))
            return
        for order in orders:
            _write_orders(target, [order])
        return
    target.counts.imported += done.imported
    target.counts.changed += done.changed
    target.counts.unchanged += done.unchanged
    target.counts.lines += done.lines


def _written(target: _Target, orders: Sequence[tuple[IncomingOrder, PaidOrder]]) -> Counts:
    """One transaction, again where PostgreSQL gave way to somebody who works on the same order or stock."""
    for _ in range(TRIES - 1):
        with suppress(Stale), transaction():
            return _write(target, orders)
    with transaction():
        return _write(target, orders)


def _write(target: _Target, orders: Sequence[tuple[IncomingOrder, PaidOrder]]) -> Counts:
    done = Counts()
    ids = [record.external_id for _, record in orders]
    here = db_intake.known(target.merchant_id, target.source, ids)
    fresh: dict[str, PaidOrder] = {}
    again: list[tuple[IncomingOrder, PaidOrder]] = []
    for incoming, record in orders:
        if record.external_id in here or record.external_id in fresh:
            again.append((incoming, record))
        else:
            fresh[record.external_id] = with_refunds(record, incoming.refunds)
    order_ids = db_intake.insert(
        target.merchant_id,
        target.source,
        list(fresh.values()),
        gateway=target.gateway,
        deals=target.deals,
        now=target.now,
    )
    moved: dict[UUID, dict[UUID, Gone]] = {
        order_ids[name]: {} for name, order in fresh.items() if _waits(order)
    }
    done.imported = len(fresh)
    done.lines = sum(len(order.lines) for order in fresh.values())
    for incoming, record in again:
        order_id, digest = (
            here.get(record.external_id)
            or db_intake.known(target.merchant_id, target.source, [record.external_id])[record.external_id]
        )
        if digest == record.digest:
            done.unchanged += 1
            continue
        moved[order_id] = _update(target, order_id, incoming, record)
        done.changed += 1
        done.lines += len(record.lines)
    if moved:
        fulfilment.imported(target.merchant_id, moved, now=target.now)
    return done


def _waits(order: PaidOrder) -> bool:
    """Whether goods of it are still to be sent, so that the stock has to know."""
    return order.state == "confirmed" and any(
        line.shipped < line.units and line.kind == MERCHANDISE for line in order.lines
    )


def _update(target: _Target, order_id: UUID, incoming: IncomingOrder, record: PaidOrder) -> dict[UUID, Gone]:
    """Write what the channel tells now; answers what of each line was where before."""
    if record.state == "canceled":
        ending.order_canceled(target.merchant_id, order_id, now=target.now)
    old = reimport.stored(order_id)
    told, notes = reported.not_ours(order_id, incoming.refunds, record.currency)
    again = changed(old, record, held=reimport.in_returns(order_id))
    after = with_refunds(replace(again, notes=(*again.notes, *notes)), told)
    reimport.rewrite(
        target.merchant_id,
        order_id,
        old,
        after,
        gateway=target.gateway,
        deals=target.deals,
        now=target.now,
    )
    return gone(old)

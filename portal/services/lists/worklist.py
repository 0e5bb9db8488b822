"""Durable work as people see it: only that of their own merchants, with the return it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.db.base import db
from portal.db.cancellations import Cancellation
from portal.db.channels import ChannelMessage
from portal.db.disputes import Dispute
from portal.db.mails import Mail
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.db.shipments import Shipment
from portal.db.warehouse import WarehouseEvent
from portal.services import scope, work

SUBJECTS: dict[str, tuple[Any, Any, Any]] = {
    "mail": (Mail.id, Mail.merchant_id, Mail.return_id),
    "label": (Shipment.id, Shipment.merchant_id, Shipment.return_id),
    "void": (Shipment.id, Shipment.merchant_id, Shipment.return_id),
    "refund": (Refund.id, Refund.merchant_id, Refund.return_id),
    "leave_out": (Cancellation.return_id, Cancellation.merchant_id, Cancellation.return_id),
    "undisputed": (Dispute.id, Dispute.merchant_id, Dispute.return_id),
    "channel": (ChannelMessage.id, ChannelMessage.merchant_id, ChannelMessage.return_id),
}
"""What each kind of work is about: its id, its merchant and its return."""


MOST = 2000
"""Pieces of all shops, failed or waiting, that are looked through for those of one."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One piece of work, and the return it belongs to."""

    id: str
    kind: str
    attempt: int
    status: str
    error: str
    updated_at: datetime
    due_at: datetime | None
    return_id: UUID | None
    return_number: str

    @property
    def failed(self) -> bool:
        """Whether it failed for good, and only a person can have it run again."""
        return self.status in work.FAILED


def listing(actor: Actor, *, limit: int = 200) -> tuple[Entry, ...]:
    """What failed at the merchants whose work this person looks after, then what waits, each newest first.

    However much waits, as in an outage, nothing that failed is left out for it.
    """
    failed = _mine(actor, work.listing(statuses=work.FAILED, limit=MOST))
    waiting = _mine(actor, work.listing(statuses=work.OPEN, limit=MOST))
    return (*failed, *waiting[:limit])


def resume(actor: Actor, item_id: str) -> None:
    """Run a piece of work now that failed for good, or waits for its next try.

    Raises ``NotFound``, also for another merchant's, and ``NotAllowed``.
    """
    for item in work.listing(statuses=(*work.FAILED, "DELAYED"), ids=(item_id,)):
        merchant_id, _, _ = _about([item]).get((item.kind, item.subject), (None, None, None))
        if merchant_id is not None:
            scope.require(actor, "work.manage", merchant_id)
            work.resume(item.id)
            return
    raise NotFound


def _mine(actor: Actor, items: Sequence[work.Item]) -> list[Entry]:
    about = _about(items)
    found = []
    for item in items:
        merchant_id, return_id, number = about.get((item.kind, item.subject), (None, None, None))
        if merchant_id is None or not actor.may("work.manage", merchant_id):
            continue
        entry = Entry(
            id=item.id,
            kind=item.kind,
            attempt=item.attempt,
            status=item.status,
            error=item.error,
            updated_at=item.updated_at,
            due_at=item.due_at,
            return_id=return_id,
            return_number=number or "",
        )
        found.append(entry)
    return found


def _about(items: Sequence[work.Item]) -> dict[tuple[str, str], tuple[UUID, UUID | None, str | None]]:
    """(kind, subject) -> merchant, return and its number; one query per kind."""
    found: dict[tuple[str, str], tuple[UUID, UUID | None, str | None]] = {}
    for kind, (key, merchant, of_return) in SUBJECTS.items():
        ids = [UUID(item.subject) for item in items if item.kind == kind]
        if not ids:
            continue
        rows = db.session.execute(
            sa.select(key, merchant, of_return, Return.number)
            .outerjoin(Return, Return.id == of_return)
            .where(key.in_(ids))
        )
        for subject, merchant_id, return_id, number in rows:
            found[kind, str(subject)] = (merchant_id, return_id, number)
    ids = [UUID(item.subject) for item in items if item.kind == "warehouse_event"]
    if ids:
        events = sa.select(WarehouseEvent.id, WarehouseEvent.merchant_id).where(WarehouseEvent.id.in_(ids))
        for subject, merchant_id in db.session.execute(events):
            found["warehouse_event", str(subject)] = (merchant_id, None, None)
    return found

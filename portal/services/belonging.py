"""To which shop something belongs: what the door of a page has to know of whoever works for several."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotAllowed
from portal.db.bank import TransferBatch
from portal.db.base import Base, db
from portal.db.channels import ChannelMessage
from portal.db.credits import Credit
from portal.db.disputes import Dispute
from portal.db.dock import Unexpected
from portal.db.mails import Mail
from portal.db.messages import CannedAnswer
from portal.db.orders import Order
from portal.db.refunds import Payout, Refund
from portal.db.returns import Link, Return
from portal.db.stock import StockLevel
from portal.db.tasks import Task

KINDS: dict[str, type[Base]] = {
    "return_id": Return,
    "order_id": Order,
    "refund_id": Refund,
    "payout_id": Payout,
    "credit_id": Credit,
    "dispute_id": Dispute,
    "batch_id": TransferBatch,
    "level_id": StockLevel,
    "finding_id": Unexpected,
    "answer_id": CannedAnswer,
    "link_id": Link,
    "mail_id": Mail,
    "message_id": ChannelMessage,
    "task_id": Task,
    "subject_id": Return,
}
"""A name in an address -> what it is the id of."""


def require(actor: Actor, permission: str, named: Mapping[str, Any]) -> None:
    """``actor`` has that permission at the shop of what an address names. Raises ``NotAllowed``.

    What is not there, or is none of the actor's, is left to the use case, for which it does not exist. Asks the
    database only for somebody who has the permission at one of their shops and not at another.
    """
    if all(actor.may(permission, merchant_id) for merchant_id in actor.merchant_ids):
        return
    for name, value in named.items():
        merchant_id = _merchant_of(name, value)
        if merchant_id in actor.merchant_ids and not actor.may(permission, merchant_id):
            raise NotAllowed(permission)


def _merchant_of(name: str, value: Any) -> UUID | None:
    if name == "merchant_id":
        return value if isinstance(value, UUID) else None
    if name not in KINDS or not isinstance(value, UUID):
        return None
    table = KINDS[name].__table__
    found: UUID | None = db.session.scalar(sa.select(table.c.merchant_id).where(table.c.id == value))
    return found

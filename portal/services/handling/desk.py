"""The end of a return by hand: closed, and taken up again."""

from datetime import datetime
from uuid import UUID

from portal.core.access import Actor, Conflict
from portal.core.lifecycles import RETURN
from portal.db import history
from portal.db.base import transaction
from portal.db.returns import Return
from portal.services import scope
from portal.services.filing.closing import close_now, has_open_refund

CLOSED_REASONS = (
    "completed",
    "returnless",
    "all_lines_rejected",
    "lost_in_transit",
    "merged",
    "administrative",
)


def close(
    actor: Actor, return_id: UUID, *, reason: str = "completed", now: datetime, version: int | None = None
) -> None:
    """Nothing more will come of this return; units that never arrived can be returned again.

    Raises ``Conflict``: ``unknown_reason``, ``refund_open`` while money of it is still on its way.
    """
    with transaction():
        row = scope.as_seen(actor, return_id, "returns.approve", version)
        if reason not in CLOSED_REASONS:
            raise Conflict("unknown_reason", reason=reason)
        if row.state == "closed":
            return
        RETURN.after(row.state, "close")
        if has_open_refund(row.id):
            raise Conflict("refund_open")
        close_now(actor, row, reason=reason, now=now)


def reopen(actor: Actor, return_id: UUID, *, reason: str, now: datetime, version: int | None = None) -> None:
    """Take up a closed return again, as inspected. Raises ``Conflict("reason_missing")``."""
    with transaction():
        row = scope.as_seen(actor, return_id, "returns.override", version)
        if not reason.strip():
            raise Conflict("reason_missing")
        row.state = RETURN.after(row.state, "reopen")
        row.closed_at, row.closed_reason, row.version = None, "", row.version + 1
        _tell(actor, "return.reopened", row, now, reason=reason.strip())


def _tell(actor: Actor, what: str, row: Return, now: datetime, **details: object) -> None:
    history.record(actor, what, merchant_id=row.merchant_id, subject_id=row.id, now=now, **details)

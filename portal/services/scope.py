"""The gate: nothing is loaded for anyone who may not see it, and a stranger's id is not found."""

from uuid import UUID

from portal.core.access import Actor, Conflict, NotAllowed, NotFound, Stale
from portal.core.facts import CANCELLATIONS
from portal.db import returns
from portal.db.returns import Return


def require(actor: Actor, permission: str, merchant_id: UUID) -> None:
    """Raises ``NotFound`` for a merchant that is not the actor's, ``NotAllowed`` without the permission."""
    if actor.kind != "system" and merchant_id not in actor.merchant_ids:
        raise NotFound
    if not actor.may(permission, merchant_id):
        raise NotAllowed(permission)


HOLDER_MAY = frozenset({"returns.read", "returns.create"})
"""What the holder of a link may do with the one return it opens; all else is for people."""


def return_row(actor: Actor, return_id: UUID, permission: str, *, lock: bool = False) -> Return:
    """The return, for its link holder or for a person with ``permission`` at its merchant.

    Raises ``NotFound``, also for another merchant's return, and ``NotAllowed``.
    """
    if actor.kind == "link" and actor.return_id != return_id:
        raise NotFound
    row = returns.get(return_id, lock=lock)
    if row is None:
        raise NotFound
    if actor.kind == "link":
        if actor.merchant_id != row.merchant_id:
            raise NotFound
        if permission not in HOLDER_MAY:
            raise NotAllowed(permission)
        return row
    require(actor, permission, row.merchant_id)
    return row


def as_seen(actor: Actor, return_id: UUID, permission: str, version: int | None) -> Return:
    """The locked return, as the person last saw it. Raises ``Stale`` when somebody else changed it since.

    A cancellation is none: its units never left, so there is nothing to authorize or to receive.
    """
    row = return_row(actor, return_id, permission, lock=True)
    if version is not None and row.version != version:
        raise Stale
    if row.kind in CANCELLATIONS:
        raise Conflict("is_cancellation")
    return row

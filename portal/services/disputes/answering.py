"""Words to and fro in a dispute: they stand in the return's thread, and say whose turn it is."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from portal.core import disputes as core
from portal.core.access import Actor, Conflict
from portal.core.lifecycles import DISPUTE
from portal.db.base import transaction
from portal.services.disputes import deciding, gate
from portal.services.talking import threads


def reply(
    actor: Actor,
    dispute_id: UUID,
    body: str,
    *,
    nonce: str | None = None,
    attached: Sequence[bytes] = (),
    folder: Path | None = None,
    version: int | None = None,
    now: datetime,
) -> UUID:
    """Write to the other side, or show them something; answers the entry of the thread, the same ``nonce`` again the
    same one.

    What the shop writes asks the customer (it is their turn), what the customer writes asks the shop: its time to
    answer begins when it becomes its turn, and not anew with each further word. An offer that waits goes on waiting.
    Raises ``Stale``, ``NotAllowed`` where it was handed up, ``Conflict``: ``words_missing``, ``words_too_long``,
    ``dispute_over``, ``photos_full`` and what makes a picture unreadable.
    """
    gate.allowed(actor, dispute_id, "disputes.handle")
    if len(attached) > core.MOST_PICTURES:
        raise Conflict("photos_full", maximum=core.MOST_PICTURES)
    if not body.strip() and not attached:
        raise Conflict("words_missing")
    if len(body) > core.LONGEST_WORDS:
        raise Conflict("words_too_long", maximum=core.LONGEST_WORDS)
    prepared = threads.prepare([(content, None) for content in attached])
    with transaction():
        row, dispute = gate.hold(actor, dispute_id, "disputes.handle", version=version)
        before = threads.made_by(nonce, row)
        if before is not None:
            return before
        gate.still_open(dispute)
        by_customer = actor.kind == "link"
        if not by_customer:
            gate.may_decide(actor, dispute)
        kind = "customer" if by_customer else "agent"
        entry = threads.add(
            actor, row, body, kind=kind, nonce=nonce, prepared=prepared, folder=folder, now=now
        )
        waiting = gate.open_offer(dispute.id, "merchant")
        step = "reply" if by_customer else "ask"
        if waiting is None and DISPUTE.can(dispute.state, step):
            if by_customer and dispute.state == "awaiting_customer":
                gate.clock_of_shop(row, dispute, now)
            gate.move(row, dispute, step)
        if not by_customer:
            deciding.answered(dispute, now=now)
        gate.tell(actor, "dispute.replied", dispute, now)
        gate.changed(dispute)
        return entry

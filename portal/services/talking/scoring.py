"""How a refund went for the customer: asked after it was sent, answered with one press, changed as they like."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.access import Actor, Conflict, NotAllowed
from portal.core.facts import CANCELLATIONS
from portal.db import history, returns
from portal.db.base import transaction
from portal.services import scope

REFUNDED = ("refunded", "partially_refunded")
LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the customer said, and whether they are asked at all."""

    score: int | None
    comment: str
    is_asked: bool


def answer(actor: Actor, return_id: UUID) -> Answer:
    """Raises ``NotFound``, ``NotAllowed``."""
    row = scope.return_row(actor, return_id, "returns.read")
    return Answer(score=row.score, comment=row.score_comment or "", is_asked=_is_asked(row))


def _is_asked(row: returns.Return) -> bool:
    return row.kind not in CANCELLATIONS and row.refund_state in REFUNDED


def score(actor: Actor, return_id: UUID, *, score: int, comment: str = "", now: datetime) -> None:
    """How satisfied the customer is with the refund, 1 to 5; the last word counts.

    Raises ``NotAllowed`` for people of the shop, ``Conflict``: ``score_unknown``, ``not_answered_yet``.
    """
    if actor.kind != "link":
        raise NotAllowed("returns.create")
    with transaction():
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        if score not in range(1, 6):
            raise Conflict("score_unknown", score=score)
        if not _is_asked(row):
            raise Conflict("not_answered_yet")
        row.score, row.scored_at, row.score_comment = score, now, comment.strip()[:LONGEST]
        history.record(
            actor, "return.scored", merchant_id=row.merchant_id, subject_id=row.id, now=now, score=score
        )

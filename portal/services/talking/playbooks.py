"""What a merchant's people should tell the customer at each step; without words of its own the built-in ones count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Conflict, Stale
from portal.db import history
from portal.db.base import db, transaction, uuid7
from portal.db.messages import Playbook
from portal.services import scope
from portal.services.talking.threads import LONGEST

STEPS = (
    "entry",
    "decide",
    "cancel",
    "receive",
    "inspect",
    "refund",
    "dispute",
    "message",
    "split_shipment",
    "partial_refund",
    "when_money_comes",
)
"""Each has a built-in text in portal/words/playbooks.py."""


@dataclass(frozen=True, kw_only=True)
class PlaybookFacts:
    """What a merchant says at one step, by language; ``version`` 0 is the built-in text."""

    step: str
    texts: dict[str, str] = field(default_factory=dict)
    version: int = 0
    updated_at: datetime | None = None
    updated_by_name: str = ""


def of_merchants(merchant_ids: tuple[UUID, ...]) -> dict[UUID, dict[str, dict[str, str]]]:
    """merchant -> step -> language -> text, for whoever works there; steps without own words are left out."""
    found: dict[UUID, dict[str, dict[str, str]]] = {}
    wanted = sa.select(Playbook.merchant_id, Playbook.step, Playbook.texts).where(
        Playbook.merchant_id.in_(merchant_ids)
    )
    for row in db.session.execute(wanted):
        found.setdefault(row.merchant_id, {})[row.step] = dict(row.texts)
    return found


def listing(actor: Actor, merchant_id: UUID) -> tuple[PlaybookFacts, ...]:
    """Every step in its order, with what this merchant says. Raises ``NotFound``, ``NotAllowed``."""
    scope.require(actor, "answers.edit", merchant_id)
    own = {
        row.step: row
        for row in db.session.scalars(
            sa.select(Playbook)
            .where(Playbook.merchant_id == merchant_id)
            .execution_options(populate_existing=True)
        )
    }
    return tuple(_facts(step, own.get(step)) for step in STEPS)


def _facts(step: str, row: Playbook | None) -> PlaybookFacts:
    if row is None or not row.texts:
        return PlaybookFacts(step=step, version=row.version if row else 0)
    return PlaybookFacts(
        step=step,
        texts=dict(row.texts),
        version=row.version,
        updated_at=row.updated_at,
        updated_by_name=row.updated_by_name,
    )


def save(
    actor: Actor,
    merchant_id: UUID,
    step: str,
    texts: Mapping[str, str],
    *,
    version: int | None = None,
    now: datetime,
) -> None:
    """Say this from now on; no text at all is the built-in one again.

    Raises ``NotFound``, ``NotAllowed``, ``Stale``, ``Conflict``: ``unknown_step``, ``message_too_long``.
    """
    scope.require(actor, "answers.edit", merchant_id)
    if step not in STEPS:
        raise Conflict("unknown_step")
    kept = {language: text.strip() for language, text in texts.items() if text.strip()}
    for language, text in kept.items():
        if len(text) > LONGEST:
            raise Conflict("message_too_long", maximum=LONGEST, language=language)
    with transaction():
        row = db.session.scalar(
            sa.select(Playbook)
            .where(Playbook.merchant_id == merchant_id, Playbook.step == step)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if version is not None and (row.version if row else 0) != version:
            raise Stale
        if row is None:
            row = Playbook(id=uuid7(), merchant_id=merchant_id, step=step, texts={}, version=0)
            db.session.add(row)
        changed = {
            f"text_{one}": [row.texts.get(one, ""), kept.get(one, "")]
            for one in sorted({**row.texts, **kept})
            if row.texts.get(one, "") != kept.get(one, "")
        }
        row.texts, row.version, row.updated_at, row.updated_by_name = kept, row.version + 1, now, actor.name
        db.session.flush()
        history.record(
            actor,
            "playbook.saved",
            merchant_id=merchant_id,
            subject_id=row.id,
            now=now,
            changed=changed,
            playbook=step,
        )

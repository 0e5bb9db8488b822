"""The history looked at from outside: each merchant's chain worked out again from its rows, to its head."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import chain
from portal.core.access import Actor
from portal.db.base import db
from portal.db.history import Happening, HistoryHead
from portal.db.merchants import Merchant

SAYS = {
    "edited": "what it says is not what was written",
    "removed": "it is not there",
    "inserted": "it was put in between",
    "reordered": "it stands in another place than it was written in",
    "broken": "it does not follow the one before: either was changed or taken out",
    "rewritten": "the chain was written anew from here or before",
    "cut_off": "the chain ends before it, and its head does not",
    "added": "it stands after the head of the chain",
}
"""A fault -> how it is told on the command line."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A merchant's history: how long it is, its last digest, and the first fault in it."""

    merchant_id: UUID
    slug: str
    sequence: int
    digest: str
    fault: chain.Fault | None

    @property
    def problem(self) -> str:
        """The fault as a sentence; blank where there is none."""
        if self.fault is None:
            return ""
        return f"merchant {self.slug}, row {self.fault.sequence}: {self.fault.code}: {SAYS[self.fault.code]}"

    @property
    def head(self) -> str:
        """What somebody may note, and give again another time, to see that nothing before it was rewritten."""
        return f"{self.slug}:{self.sequence}:{self.digest}"


def verify(*, known: Mapping[str, chain.Head] | None = None, only: list[UUID] | None = None) -> list[Chain]:
    """Every merchant's chain (of ``only`` these), by short name; ``known`` heads by short name are held against it."""
    wanted = sa.select(Merchant.id, Merchant.slug, HistoryHead.sequence, HistoryHead.digest).outerjoin(
        HistoryHead, HistoryHead.merchant_id == Merchant.id
    )
    if only is not None:
        wanted = wanted.where(Merchant.id.in_(only))
    found = []
    for row in db.session.execute(wanted.order_by(Merchant.slug)).all():
        head = chain.Head(sequence=row.sequence or 0, digest=row.digest or "")
        with db.session.execute(_rows(row.id)) as rows:
            fault = chain.check(rows.mappings(), head, (known or {}).get(row.slug))
        found.append(
            Chain(merchant_id=row.id, slug=row.slug, sequence=head.sequence, digest=head.digest, fault=fault)
        )
    return found


def of_actor(actor: Actor) -> list[Chain]:
    """The chains of the merchants whose history ``actor`` may read."""
    return verify(only=[one for one in actor.merchant_ids if actor.may("audit.read", one)])


def _rows(merchant_id: UUID) -> sa.Select[Any]:
    columns = [getattr(Happening, name) for name in (*chain.FIELDS, "sequence", "content", "digest")]
    wanted = sa.select(*columns).where(Happening.merchant_id == merchant_id)
    # Rows without a number come first, where they are found to be none of the chain's.
    wanted = wanted.order_by(sa.func.coalesce(Happening.sequence, 0), Happening.id)
    return wanted.execution_options(yield_per=2000)

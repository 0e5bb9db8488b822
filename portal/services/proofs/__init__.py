"""Proofs of the books: every invariant worked out again from single rows, a few queries for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from portal.db.base import db

HOLDING = ("pending_approval", "approved", "pending", "succeeded", "failed")
"""Refunds whose lines still count; the transfers of a failed one give back their part of the payment."""

DECIDED = ("approved", "pending", "succeeded", "failed")
"""Refunds that were let go and not given up: their amount is posted."""


@dataclass(frozen=True, kw_only=True)
class Break:
    """One thing that must hold and does not: which invariant, of what, and how."""

    invariant: str
    """I1 to I8 of the design; L of the documents that follow from the ledger."""
    where: str
    says: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.where}: {self.says}"


def rows(statement: Any) -> Iterator[Any]:
    """The rows of a select, a few thousand at a time."""
    return iter(db.session.execute(statement.execution_options(yield_per=5000)))


def sums(key: Any, amount: Any, *tests: Any, via: Sequence[Any] = ()) -> dict[Any, int]:
    """key -> the sum of ``amount`` over the rows that pass ``tests``; one query."""
    wanted = sa.select(key, sa.func.sum(amount)).where(*tests).group_by(key)
    if via:
        wanted = wanted.join(*via)
    return {one: int(total or 0) for one, total in db.session.execute(wanted)}


def counted(table: Any) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0

"""The books looked at from outside: every invariant worked out again from single rows, in a few queries each."""

from collections.abc import Callable
from dataclasses import dataclass

from portal.services.proofs import Break, ledger, lines, payments, records, stock

PROOFS: tuple[tuple[str, Callable[[list[Break]], int]], ...] = (
    ("payments", payments.captured),
    ("shares", payments.shares),
    ("order lines", lines.units),
    ("returns", lines.back),
    ("refunded lines", lines.amounts),
    ("tax labels", lines.taxes),
    ("transfers", ledger.entries),
    ("refunds", ledger.refunds),
    ("payables", ledger.payables),
    ("payouts", ledger.moved),
    ("gateway transfers", payments.transfers),
    ("batches", records.batches),
    ("codes", records.codes),
    ("happenings", records.history),
    ("chained happenings", records.chains),
    ("approvals", records.approvals),
    ("credit notes", records.credit_notes),
)
"""(what is counted, what proves it), in the order of the invariants: the first break told is the first of these."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How many of each kind were looked at, and what does not hold, the first one first."""

    checked: dict[str, int]
    breaks: tuple[Break, ...] = ()

    @property
    def problems(self) -> list[str]:
        return [str(one) for one in self.breaks]


def verify() -> Result:
    """Look at everything. Without breaks it is a proof, as far as the rows go; the same rows, the same answer."""
    found: list[Break] = []
    checked = {name: prove(found) for name, prove in PROOFS}
    for _, prove in stock.PROOFS:
        prove(found)
    return Result(checked=checked, breaks=tuple(found))

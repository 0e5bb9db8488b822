"""A refund as the macro of templates/parts/breakdown.html wants it."""

from dataclasses import dataclass

from portal.core.money import Minor
from portal.core.refunds.breakdown import Breakdown
from portal.web.words import words


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the explanation; ``amount`` in minor units."""

    label: str
    amount: Minor
    basis: str = ""
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A whole refund; ``total`` is None while somebody has to assess it."""

    rows: tuple[Row, ...]
    total: Minor | None
    currency: str


def explained(breakdown: Breakdown, *, estimate: bool = False) -> Explained:
    """``breakdown`` in the words of the reader."""
    rows = tuple(
        Row(label=row.label, amount=row.amount, basis=row.basis, rule=row.rule)
        for row in words().breakdown(breakdown, estimate=estimate)
        if not row.is_total
    )
    total = breakdown.amount if breakdown.assessed else None
    return Explained(rows=rows, total=total, currency=breakdown.currency)

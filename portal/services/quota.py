"""What has been given back, counted where the database can refuse more: line, tax label, tender, order's share.

Every counter is changed by a guarded statement; the checks of the tables are the last word. Amounts are
taken when a refund is proposed and given back when it fails or is canceled (money.md 11 and 13). Rows are
touched in one order by everybody (lines, taxes, shares, payments, each by its id), so that none wait in a ring.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core.access import Conflict
from portal.core.refunds.breakdown import Breakdown, LineRefund, Share
from portal.db.base import db
from portal.db.orders import OrderLine, OrderLineTax, OrderPayment, Payment


def take(breakdown: Breakdown, order_id: UUID) -> None:
    """Take a refund's quota everywhere at once. Raises ``Conflict("too_much")``; the caller rolls back."""
    try:
        _lines(breakdown.lines, 1)
        _payments(breakdown.shares, order_id, 1)
    except IntegrityError:
        raise Conflict("too_much", maximum=0) from None


def give_back(breakdown: Breakdown, order_id: UUID) -> None:
    """Free all that ``take`` took."""
    _lines(breakdown.lines, -1)
    _payments(breakdown.shares, order_id, -1)


def take_share(share: Share, order_id: UUID) -> None:
    """Take the quota of one transfer again, for another try."""
    try:
        _payments([share], order_id, 1)
    except IntegrityError:
        raise Conflict("too_much", maximum=0) from None


def free_share(share: Share, order_id: UUID) -> None:
    """Free the quota of one transfer that failed."""
    _payments([share], order_id, -1)


def _lines(lines: Iterable[LineRefund], sign: int) -> None:
    amounts = [{"row": line.line_id, "more": sign * line.amount} for line in lines if line.amount]
    taxes = [
        {"row": line.line_id, "tax": label, "more": sign * amount}
        for line in lines
        for label, amount in line.taxes
        if amount
    ]
    table, labels = OrderLine.__table__, OrderLineTax.__table__
    _add(sa.update(table).where(table.c.id == sa.bindparam("row")), table, amounts)
    _add(
        sa.update(labels).where(
            labels.c.order_line_id == sa.bindparam("row"), labels.c.label == sa.bindparam("tax")
        ),
        labels,
        taxes,
    )


def _payments(shares: Iterable[Share], order_id: UUID, sign: int) -> None:
    amounts = [{"row": s.origin_id, "more": sign * s.amount} for s in shares if s.origin_id and s.amount]
    payment, part = Payment.__table__, OrderPayment.__table__
    _add(
        sa.update(part).where(part.c.payment_id == sa.bindparam("row"), part.c.order_id == order_id),
        part,
        amounts,
    )
    _add(sa.update(payment).where(payment.c.id == sa.bindparam("row")), payment, amounts)


def _add(statement: Any, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Add ``more`` to ``refunded_minor`` of every row named; each must be there."""
    if not rows:
        return
    done = db.session.connection().execute(
        statement.values(refunded_minor=table.c.refunded_minor + sa.bindparam("more")),
        sorted(rows, key=lambda row: (row["row"], row.get("tax", ""))),
    )
    if done.rowcount != len(rows):
        raise Conflict("changed_meanwhile")

"""What has been given back, counted where the database can refuse more: line, tax label, tender, order's share.

Every counter is changed by a guarded statement; the checks of the tables are the last word. Amounts are
taken when a refund is proposed and given back when it fails or is canceled (money.md 11 and 13). Rows are
touched in one order by everybody (lines, taxes, shares, payments, each by its id), so that none wait in a ring.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from portal.core.access import Conflict
from portal.core.refunds.adjustments import joined
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
    """Free all that ``take`` took. Raises ``Conflict("later_refund")`` where a later one built upon it."""
    try:
        _lines(breakdown.lines, -1)
        _payments(breakdown.shares, order_id, -1)
    except IntegrityError:
        raise Conflict("later_refund") from None


def take_share(share: Share, order_id: UUID) -> None:
    """Take the quota of one transfer again, for another try."""
    try:
        _payments([share], order_id, 1)
    except IntegrityError:
        raise Conflict("too_much", maximum=0) from None


def free_share(share: Share, order_id: UUID, *, let_go: bool = False) -> None:
    """Free the quota of one transfer that failed; with ``let_go`` what it had let go of its payment as well."""
    _payments([share], order_id, -1, let_go=let_go)


def let_go(share: Share) -> None:
    """Count a transfer, which holds its quota, as what was never captured: let go, or owed no more."""
    table = Payment.__table__
    db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == share.origin_id)
        .values(released_minor=table.c.released_minor + share.amount)
    )


def _lines(lines: Iterable[LineRefund], sign: int) -> None:
    """What lines and tax labels gave back and keep back for promotions, and units adjusted while kept."""
    held = tuple(lines)
    table, labels = OrderLine.__table__, OrderLineTax.__table__
    amounts = [
        {"row": line.line_id, "more": sign * line.amount, "kept": sign * line.promotion}
        for line in held
        if line.amount or line.promotion
    ]
    _add(sa.update(table).where(table.c.id == sa.bindparam("row")), table, amounts)
    _adjust(held, sign)
    _add(
        sa.update(labels).where(
            labels.c.order_line_id == sa.bindparam("row"), labels.c.label == sa.bindparam("tax")
        ),
        labels,
        list(_taxes(held, sign)),
    )


def _taxes(lines: Iterable[LineRefund], sign: int) -> Iterator[dict[str, Any]]:
    for line in lines:
        given, kept = dict(line.taxes), dict(line.promotion_taxes)
        for label in dict.fromkeys((*given, *kept)):
            more, withheld = sign * given.get(label, 0), sign * kept.get(label, 0)
            if more or withheld:
                yield {"row": line.line_id, "tax": label, "more": more, "kept": withheld}


def _adjust(lines: Iterable[LineRefund], sign: int) -> None:
    """Units that stay, and what of their price went back: read and written under the line's lock."""
    table = OrderLine.__table__
    more = {line.line_id: line.adjusted for line in lines if line.adjusted}
    if not more:
        return
    found = db.session.execute(
        sa.select(table.c.id, table.c.adjusted)
        .where(table.c.id.in_(list(more)))
        .order_by(table.c.id)
        .with_for_update()
    ).all()
    rows = [
        {"row": row.id, "held": [list(part) for part in joined(row.adjusted, more[row.id], sign)]}
        for row in found
    ]
    db.session.connection().execute(
        sa.update(table).where(table.c.id == sa.bindparam("row")).values(adjusted=sa.bindparam("held")), rows
    )


def _payments(shares: Iterable[Share], order_id: UUID, sign: int, *, let_go: bool = False) -> None:
    amounts: list[dict[str, Any]] = [
        {"row": s.origin_id, "more": sign * s.amount} for s in shares if s.origin_id and s.amount
    ]
    payment, part = Payment.__table__, OrderPayment.__table__
    _add(
        sa.update(part).where(part.c.payment_id == sa.bindparam("row"), part.c.order_id == order_id),
        part,
        amounts,
    )
    if let_go:
        amounts = [{**row, "let_go": row["more"]} for row in amounts]
    _add(sa.update(payment).where(payment.c.id == sa.bindparam("row")), payment, amounts)


def _add(statement: Any, table: Any, rows: Sequence[dict[str, Any]]) -> None:
    """Add ``more`` to ``refunded_minor`` of every row named, ``kept`` to what promotions keep; each must be there."""
    if not rows:
        return
    values = {"refunded_minor": table.c.refunded_minor + sa.bindparam("more")}
    if "kept" in rows[0]:
        values["promotion_minor"] = table.c.promotion_minor + sa.bindparam("kept")
    if "let_go" in rows[0]:
        values["released_minor"] = table.c.released_minor + sa.bindparam("let_go")
    done = db.session.connection().execute(
        statement.values(values),
        sorted(rows, key=lambda row: (row["row"], row.get("tax", ""))),
    )
    if done.rowcount != len(rows):
        raise Conflict("changed_meanwhile")

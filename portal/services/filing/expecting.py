"""Goods that customers announce: expected from the moment a return is approved until they come or are given up.

Part of the caller's transaction, which holds the return.
"""

from datetime import datetime

from portal.core.inventory import StockEvent, coming, movements_for, stock_name
from portal.db import returns
from portal.db.base import db
from portal.db.returns import Return
from portal.services.stockroom import stock


def announce(row: Return, *, now: datetime) -> None:
    """What was authorized of an approved return is expected."""
    _move(row, "announced", "return_announced", now=now)


def withdraw(row: Return, *, now: datetime) -> None:
    """What has not come of a return that ends is expected no longer; call it while its state is the old one."""
    _move(row, "withdrawn", "return_withdrawn", now=now)


def _move(row: Return, kind: str, why: str, *, now: datetime) -> None:
    db.session.flush()
    moves = [
        (line.id, movement)
        for line in returns.lines_of(row.id)
        for movement in movements_for(
            StockEvent(
                kind=kind,
                sku=stock_name(line.sku, line.name),
                units=coming(row.kind, row.state, line.authorized_units, line.received_units),
            )
        )
    ]
    stock.move(moves, merchant_id=row.merchant_id, why=why, number=row.number or "", now=now)

"""Stock of returned goods: levels that only movements change, each movement with its reason."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.inventory import OUTSIDE, Movement
from portal.db.base import db, dialect, uuid7
from portal.db.stock import StockLevel, StockMovement

MAIN = "main"


def move(movements: Sequence[tuple[UUID, Movement]], *, merchant_id: UUID, why: str, now: datetime) -> None:
    """Write movements, each with the return line it belongs to, and change the levels by as much.

    In the caller's transaction; two statements, however many movements.
    """
    rows = [
        {
            "id": uuid7(),
            "merchant_id": merchant_id,
            "sku": movement.sku,
            "location": MAIN,
            "bucket": bucket,
            "delta": delta,
            "why": why,
            "return_line_id": line_id,
            "at": now,
        }
        for line_id, movement in movements
        for bucket, delta in ((movement.source, -movement.units), (movement.target, movement.units))
        if bucket != OUTSIDE
    ]
    if rows:
        db.session.execute(sa.insert(StockMovement), rows)
        _change(merchant_id, rows)


def _change(merchant_id: UUID, rows: Sequence[dict[str, Any]]) -> None:
    """Add the deltas to the levels, always in the same order, so that two transactions never wait in a ring."""
    if dialect() == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
    deltas: dict[tuple[str, str], int] = {}
    for row in rows:
        place = row["sku"], row["bucket"]
        deltas[place] = deltas.get(place, 0) + row["delta"]
    level = insert(StockLevel).values(
        [
            {
                "id": uuid7(),
                "merchant_id": merchant_id,
                "sku": sku,
                "location": MAIN,
                "bucket": bucket,
                "units": delta,
            }
            for (sku, bucket), delta in sorted(deltas.items())
        ]
    )
    db.session.execute(
        level.on_conflict_do_update(
            index_elements=["merchant_id", "sku", "location", "bucket"],
            set_={"units": StockLevel.units + level.excluded.units},
        )
    )


def levels(merchant_id: UUID, skus: Iterable[str]) -> dict[str, dict[str, int]]:
    """sku -> bucket -> units."""
    found: dict[str, dict[str, int]] = {}
    wanted = sa.select(StockLevel).where(
        StockLevel.merchant_id == merchant_id, StockLevel.sku.in_(list(skus))
    )
    for level in db.session.scalars(wanted):
        found.setdefault(level.sku, {})[level.bucket] = level.units
    return found


def verify() -> list[str]:
    """Every level that is not the sum of its movements; nothing is well."""
    sums = (
        sa.select(
            StockMovement.merchant_id,
            StockMovement.sku,
            StockMovement.location,
            StockMovement.bucket,
            sa.func.sum(StockMovement.delta).label("units"),
        )
        .group_by(StockMovement.merchant_id, StockMovement.sku, StockMovement.location, StockMovement.bucket)
        .subquery()
    )
    same = sa.and_(
        sums.c.merchant_id == StockLevel.merchant_id,
        sums.c.sku == StockLevel.sku,
        sums.c.location == StockLevel.location,
        sums.c.bucket == StockLevel.bucket,
    )
    rows = db.session.execute(
        sa.select(StockLevel.sku, StockLevel.bucket, StockLevel.units, sums.c.units.label("moved"))
        .outerjoin(sums, same)
        .where(sa.func.coalesce(sums.c.units, 0) != StockLevel.units)
    )
    return [f"{row.sku} in {row.bucket}: {row.units} units, movements say {row.moved or 0}" for row in rows]

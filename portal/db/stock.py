"""Stock per SKU, location and bucket, changed only by movements that say why."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased, mapped_column

from portal.core.inventory import BUCKETS
from portal.db.base import Base, UtcTime, key, merchant_key, whole
from portal.db.orders import OrderLine


class StockLevel(Base):
    """How many units lie in a bucket; the sum of its movements."""

    __tablename__ = "stock_levels"
    __table_args__ = (
        sa.UniqueConstraint("merchant_id", "sku", "location", "bucket"),
        sa.CheckConstraint(
            "bucket IN ({})".format(", ".join(f"'{b}'" for b in BUCKETS)), name="bucket_known"
        ),
        sa.CheckConstraint("units >= 0", name="not_negative"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    sku: Mapped[str] = mapped_column(sa.String(100))
    location: Mapped[str] = mapped_column(sa.String(60), default="main")
    bucket: Mapped[str] = mapped_column(sa.String(12))
    units: Mapped[int] = whole()


class StockMovement(Base):
    """One change of one bucket. Append-only."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        sa.Index("ix_stock_movements_sku", "merchant_id", "sku"),
        sa.Index("ix_stock_movements_order_line", "order_line_id"),
        sa.Index("ix_stock_movements_return_line", "return_line_id"),
        sa.Index("ix_stock_movements_unexpected", "unexpected_id"),
    )

    id: Mapped[UUID] = key()
    merchant_id: Mapped[UUID] = merchant_key()
    sku: Mapped[str] = mapped_column(sa.String(100))
    location: Mapped[str] = mapped_column(sa.String(60), default="main")
    bucket: Mapped[str] = mapped_column(sa.String(12))
    delta: Mapped[int]
    why: Mapped[str] = mapped_column(sa.String(40))
    return_line_id: Mapped[UUID | None]
    order_line_id: Mapped[UUID | None]
    unexpected_id: Mapped[UUID | None]
    """Of goods that nobody announced."""
    number: Mapped[str] = mapped_column(sa.String(60), default="", server_default="")
    """Of the return, cancellation or order that it belongs to, as people know it."""
    by_name: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")
    note: Mapped[str] = mapped_column(sa.String(300), default="", server_default="")
    """Who counted, and what they say of it."""
    at: Mapped[datetime] = mapped_column(UtcTime)


_LINE, _PART = OrderLine.__table__, aliased(OrderLine.__table__, name="part")

CONTAINER = sa.and_(
    _LINE.c.goods_minor == 0,
    sa.exists().where(_PART.c.order_id == _LINE.c.order_id, _PART.c.parent_id == _LINE.c.id),
)
"""Whether an order line is a bundle whose price stands on its parts: they are goods, it is none itself."""

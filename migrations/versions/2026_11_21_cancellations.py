"""Partial cancellation: proposals and holds, authorizations, logistics and services, warehouse, stock, channels."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20261121_cancellations"
down_revision = "20261121_money"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
STATES = (
    "draft", "requested", "approved", "canceled", "expired", "declined", "in_transit", "partially_received",
    "received", "closed", "inspected", "proposed", "confirmed", "overtaken", "refused",
)  # fmt: skip


def upgrade() -> None:
    order_lines()
    payments()
    returns()
    stock()
    cancellations()
    messages()
    fill_stock()


def checked(table: str, column: str, kind: str, name: str, check: str) -> None:
    """A column with its check, which may speak of others: SQLite adds both without making the table anew."""
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN {column} {kind} NOT NULL "
        f"CONSTRAINT ck_{table}_{name} CHECK ({check})"
    )


def order_lines() -> None:
    checked(
        "order_lines", "held_units", "INTEGER DEFAULT 0", "held_bought",
        "held_units >= 0 AND canceled_units + claimed_units + held_units <= units",
    )  # fmt: skip
    checked(
        "order_lines", "picked_units", "INTEGER DEFAULT 0", "picked_bought",
        "picked_units >= 0 AND picked_units + shipped_units <= units",
    )  # fmt: skip
    checked(
        "order_lines", "reserved_units", "INTEGER DEFAULT 0", "reserved_bought",
        "reserved_units >= 0 AND reserved_units <= units",
    )  # fmt: skip
    for column in (
        sa.Column("held_spans", JSON, nullable=False, server_default="[]"),
        sa.Column("location", sa.String(60), nullable=False, server_default="main"),
        sa.Column("logistics", JSON, nullable=False, server_default="[]"),
        sa.Column("cut_off_at", TIME, nullable=True),
        sa.Column("gift", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("part_required", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("period_end", sa.Date(), nullable=True),
        sa.Column("interval", sa.String(10), nullable=False, server_default=""),
        sa.Column("ends_on", sa.Date(), nullable=True),
    ):
        op.add_column("order_lines", column)


def payments() -> None:
    checked(
        "payments", "mode", "VARCHAR(12) DEFAULT 'captured'", "mode_known",
        "mode IN ('captured', 'authorized', 'due')",
    )  # fmt: skip
    checked(
        "payments", "released_minor", "BIGINT DEFAULT 0", "released_refunded",
        "released_minor >= 0 AND released_minor <= refunded_minor",
    )  # fmt: skip
    checked(
        "payouts", "mode", "VARCHAR(12) DEFAULT 'captured'", "mode_known",
        "mode IN ('captured', 'authorized', 'due')",
    )  # fmt: skip


def returns() -> None:
    states = ", ".join(f"'{state}'" for state in STATES)
    with op.batch_alter_table("returns") as table:
        table.drop_constraint(op.f("ck_returns_state_known"), type_="check")
        table.create_check_constraint(op.f("ck_returns_state_known"), f"state IN ({states})")
        table.add_column(sa.Column("together_with", sa.Uuid(), nullable=True))
    op.create_index("ix_returns_together", "returns", ["together_with"])
    op.add_column("return_lines", sa.Column("ending", sa.String(12), nullable=False, server_default=""))
    op.add_column("return_lines", sa.Column("ends_on", sa.Date(), nullable=True))
    op.add_column("return_lines", sa.Column("scope_used", JSON, nullable=True))


def stock() -> None:
    with op.batch_alter_table("stock_levels") as table:
        table.create_check_constraint(op.f("ck_stock_levels_not_negative"), "units >= 0")
    op.add_column("stock_movements", sa.Column("order_line_id", sa.Uuid(), nullable=True))
    op.add_column("stock_movements", sa.Column("number", sa.String(60), nullable=False, server_default=""))
    op.add_column("stock_movements", sa.Column("by_name", sa.String(200), nullable=False, server_default=""))
    op.add_column("stock_movements", sa.Column("note", sa.String(300), nullable=False, server_default=""))
    op.create_index("ix_stock_movements_order_line", "stock_movements", ["order_line_id"])
    op.create_index("ix_stock_movements_return_line", "stock_movements", ["return_line_id"])


def of_merchant(table: str) -> tuple[sa.Column, sa.ForeignKeyConstraint, sa.PrimaryKeyConstraint]:  # type: ignore[type-arg]
    return (
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=f"fk_{table}_merchant_id"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )


def within(table: str, parent: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["merchant_id", column],
        [f"{parent}.merchant_id", f"{parent}.id"],
        name=f"fk_{table}_merchant_id_{column}",
    )


def cancellations() -> None:
    op.create_table(
        "cancellations",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("cancellations"),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("asked_by", sa.String(10), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("reminded_at", TIME, nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("warehouse", sa.String(30), nullable=False),
        sa.Column("warehouse_state", sa.String(12), nullable=False),
        sa.Column("warehouse_key", sa.String(64), nullable=True),
        sa.Column("asked_at", TIME, nullable=True),
        sa.Column("next_ask_at", TIME, nullable=True),
        sa.Column("silent_at", TIME, nullable=True),
        sa.Column("answer", JSON, nullable=False),
        sa.Column("ended", JSON, nullable=False),
        sa.Column("totals", JSON, nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("scored_at", TIME, nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        within("cancellations", "returns", "return_id"),
        sa.UniqueConstraint("return_id", name="uq_cancellations_return_id"),
        sa.UniqueConstraint("warehouse_key", name="uq_cancellations_warehouse_key"),
        sa.CheckConstraint(
            "warehouse_state IN ('none', 'waiting', 'pending', 'released', 'refused', 'shipped')",
            name="ck_cancellations_warehouse_state_known",
        ),
        sa.CheckConstraint("asked_by IN ('customer', 'agent')", name="ck_cancellations_asked_by_known"),
        sa.CheckConstraint("score IS NULL OR score BETWEEN 1 AND 5", name="ck_cancellations_score_known"),
    )
    op.create_index("ix_cancellations_expires", "cancellations", ["expires_at"])
    op.create_index("ix_cancellations_next_ask", "cancellations", ["next_ask_at"])


def messages() -> None:
    op.create_table(
        "warehouse_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("warehouse_events"),
        sa.Column("warehouse", sa.String(30), nullable=False),
        sa.Column("event_id", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("order_ref", sa.String(100), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("handled_at", TIME, nullable=True),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.UniqueConstraint(
            "merchant_id", "warehouse", "event_id", name="uq_warehouse_events_merchant_id_warehouse_event_id"
        ),
    )
    op.create_index("ix_warehouse_events_received", "warehouse_events", ["received_at"])
    op.create_table(
        "channel_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("channel_messages"),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("topic", sa.String(60), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(500), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        within("channel_messages", "orders", "order_id"),
        within("channel_messages", "returns", "return_id"),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed')", name="ck_channel_messages_state_known"),
    )
    op.create_index("ix_channel_messages_order", "channel_messages", ["order_id"])
    op.create_index("ix_channel_messages_queue", "channel_messages", ["merchant_id", "state", "id"])


def fill_stock() -> None:
    """Stock begins to know what orders have still to send, and what customers have announced."""
    connection, now = op.get_bind(), datetime.now(UTC)
    lines = sa.table(
        "order_lines", sa.column("id", sa.Uuid), sa.column("merchant_id", sa.Uuid), sa.column("order_id", sa.Uuid),
        sa.column("parent_id", sa.Uuid), *map(sa.column, ("kind", "sku", "name", "units", "goods_minor")),
        *map(sa.column, ("shipped_units", "canceled_units", "reserved_units")),
    )  # fmt: skip
    orders = sa.table("orders", sa.column("id", sa.Uuid), sa.column("state"), sa.column("number"))
    part = lines.alias("part")
    left = lines.c.units - lines.c.shipped_units - lines.c.canceled_units
    is_container = sa.and_(
        lines.c.goods_minor == 0,
        sa.exists().where(part.c.order_id == lines.c.order_id, part.c.parent_id == lines.c.id),
    )
    owed = connection.execute(
        sa.select(
            lines.c.id, lines.c.merchant_id, lines.c.sku, lines.c.name, orders.c.number, left.label("units")
        )
        .join(orders, orders.c.id == lines.c.order_id)
        .where(orders.c.state == "confirmed", lines.c.kind == "merchandise", left > 0, ~is_container)
    ).all()
    moved(connection, owed, bucket="reserved", why="ordered", line="order_line_id", now=now)
    if owed:
        connection.execute(
            sa.update(lines)
            .where(lines.c.id == sa.bindparam("line"))
            .values(reserved_units=sa.bindparam("owed")),
            [{"line": row.id, "owed": row.units} for row in owed],
        )
    back = sa.table(
        "return_lines", sa.column("id", sa.Uuid), sa.column("merchant_id", sa.Uuid), sa.column("return_id", sa.Uuid),
        *map(sa.column, ("sku", "name", "authorized_units", "received_units")),
    )  # fmt: skip
    returns = sa.table("returns", sa.column("id", sa.Uuid), *map(sa.column, ("state", "kind", "number")))
    coming = back.c.authorized_units - back.c.received_units
    expected = connection.execute(
        sa.select(
            back.c.id, back.c.merchant_id, back.c.sku, back.c.name, returns.c.number, coming.label("units")
        )
        .join(returns, returns.c.id == back.c.return_id)
        .where(
            returns.c.state.in_(("approved", "in_transit", "partially_received", "received", "inspected")),
            returns.c.kind.not_in(("partial_refund_keep", "returnless_refund")),
            coming > 0,
        )
    ).all()
    moved(connection, expected, bucket="expected", why="return_announced", line="return_line_id", now=now)


def moved(connection, rows, *, bucket: str, why: str, line: str, now: datetime) -> None:  # type: ignore[no-untyped-def]
    """Units into a bucket at the one place that there was so far, each line by a movement of its own."""
    if not rows:
        return
    movements = sa.table(
        "stock_movements",
        *(sa.column(name, sa.Uuid) for name in ("id", "merchant_id", "order_line_id", "return_line_id")),
        *map(sa.column, ("sku", "location", "bucket", "delta", "why", "number", "by_name", "note")),
        sa.column("at", TIME),
    )
    levels = sa.table(
        "stock_levels",
        *(sa.column(name, sa.Uuid) for name in ("id", "merchant_id")),
        *map(sa.column, ("sku", "location", "bucket", "units")),
    )
    sums: dict[tuple[UUID, str], int] = {}
    new = []
    for row in rows:
        sku = (row.sku or row.name)[:100]
        sums[row.merchant_id, sku] = sums.get((row.merchant_id, sku), 0) + row.units
        new.append(
            {
                "id": an_id(), "merchant_id": row.merchant_id, "sku": sku, "location": "main", "bucket": bucket,
                "delta": row.units, "why": why, "number": row.number or "", "by_name": "", "note": "", "at": now,
                "order_line_id": None, "return_line_id": None, line: row.id,
            }
        )  # fmt: skip
    connection.execute(sa.insert(movements), new)
    connection.execute(
        sa.insert(levels),
        [
            {
                "id": an_id(),
                "merchant_id": merchant,
                "sku": sku,
                "location": "main",
                "bucket": bucket,
                "units": units,
            }
            for (merchant, sku), units in sums.items()
        ],
    )


def an_id() -> UUID:
    """As all ids here: sorts by when it was made."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = (rest << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0x2 << 62 | secrets.randbits(62))


def downgrade() -> None:
    raise RuntimeError(
        "cancellations that customers confirmed are not forgotten: go back by restoring the backup made before"
    )

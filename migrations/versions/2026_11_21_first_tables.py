"""The first tables, and the triggers that make history, ledger, stock movements and policies append-only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20261121_first"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
APPEND_ONLY = ("history", "ledger_transfers", "stock_movements", "policies")


def append_only(table: str) -> None:
    """Refuse changes and deletions in the database itself, whoever asks."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def upgrade() -> None:
    op.create_table(
        "merchants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("accent", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("zone", sa.String(length=40), nullable=False),
        sa.Column("support_email", sa.String(length=254), nullable=False),
        sa.Column("address", JSON, nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merchants")),
        sa.UniqueConstraint("slug", name=op.f("uq_merchants_slug")),
    )
    op.create_table(
        "people",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email", name=op.f("uq_people_email")),
    )
    op.create_table(
        "adjustments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("text", sa.String(length=300), nullable=False),
        sa.CheckConstraint("kind IN ('stock', 'finance')", name=op.f("ck_adjustments_kind_known")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_adjustments_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustments")),
        sa.UniqueConstraint(
            "merchant_id", "source", "external_id", name=op.f("uq_adjustments_merchant_id_source_external_id")
        ),
    )
    op.create_table(
        "history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=60), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_history_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index("ix_history_subject", ["subject_id", "id"], unique=False)

    op.create_table(
        "ledger_transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("payout_id", sa.Uuid(), nullable=True),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("debit", sa.String(length=60), nullable=False),
        sa.Column("credit", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_transfers_amount_positive")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_transfers_two_accounts")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_ledger_transfers_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfers")),
    )
    with op.batch_alter_table("ledger_transfers", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_transfers_merchant", ["merchant_id", "id"], unique=False)
        batch_op.create_index("ix_ledger_transfers_refund", ["refund_id"], unique=False)

    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("values", JSON, nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("message_id", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('queued', 'failed', 'sent')", name=op.f("ck_mails_state_known")),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_mails_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
    )
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.create_index("ix_mails_return", ["return_id"], unique=False)

    op.create_table(
        "memberships",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.CheckConstraint(
            "role IN ('csr', 'supervisor', 'finance', 'warehouse', 'admin')",
            name=op.f("ck_memberships_role_known"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_memberships_merchant_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_memberships_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint("person_id", "merchant_id", name=op.f("uq_memberships_person_id_merchant_id")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("number", sa.String(length=60), nullable=False),
        sa.Column("number_key", sa.String(length=60), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("customer_ref", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("postcode", sa.String(length=20), nullable=False),
        sa.Column("address", JSON, nullable=False),
        sa.Column("differs_minor", sa.BigInteger(), nullable=False),
        sa.Column("notes", JSON, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_orders_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_orders_merchant_id_id")),
        sa.UniqueConstraint(
            "merchant_id", "source", "external_id", name=op.f("uq_orders_merchant_id_source_external_id")
        ),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_customer", ["merchant_id", "customer_ref"], unique=False)
        batch_op.create_index("ix_orders_email", ["merchant_id", "email"], unique=False)
        batch_op.create_index("ix_orders_number", ["merchant_id", "number_key"], unique=False)
        batch_op.create_index("ix_orders_placed", ["merchant_id", "placed_at", "id"], unique=False)

    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(length=30), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("tender", sa.String(length=20), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= captured_minor",
            name=op.f("ck_payments_refunded_captured"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payments_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_payments_merchant_id_id")),
        sa.UniqueConstraint(
            "merchant_id", "provider", "reference", name=op.f("uq_payments_merchant_id_provider_reference")
        ),
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("terms", JSON, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_policies_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_policies_merchant_id_id")),
        sa.UniqueConstraint("merchant_id", "version", name=op.f("uq_policies_merchant_id_version")),
    )
    op.create_table(
        "stock_levels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=60), nullable=False),
        sa.Column("bucket", sa.String(length=12), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "bucket IN ('available', 'reserved', 'expected', 'quarantine', 'damaged', 'gone')",
            name=op.f("ck_stock_levels_bucket_known"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_stock_levels_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_levels")),
        sa.UniqueConstraint(
            "merchant_id",
            "sku",
            "location",
            "bucket",
            name=op.f("uq_stock_levels_merchant_id_sku_location_bucket"),
        ),
    )
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("location", sa.String(length=60), nullable=False),
        sa.Column("bucket", sa.String(length=12), nullable=False),
        sa.Column("delta", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column("return_line_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_stock_movements_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
    )
    with op.batch_alter_table("stock_movements", schema=None) as batch_op:
        batch_op.create_index("ix_stock_movements_sku", ["merchant_id", "sku"], unique=False)

    op.create_table(
        "order_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("variant", sa.String(length=200), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("picture", sa.String(length=300), nullable=False),
        sa.Column("weight_g", sa.Integer(), nullable=False),
        sa.Column("final_sale", sa.Boolean(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.String(length=30), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipped_units", sa.Integer(), nullable=False),
        sa.Column("delivered_units", sa.Integer(), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canceled_units", sa.Integer(), nullable=False),
        sa.Column("canceled_spans", JSON, nullable=False),
        sa.Column("claimed_units", sa.Integer(), nullable=False),
        sa.Column("claimed_spans", JSON, nullable=False),
        sa.Column("returned_spans", JSON, nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('merchandise', 'gift_card', 'service', 'fee', 'discount', 'sample', 'shipping', 'duty')",
            name=op.f("ck_order_lines_kind_known"),
        ),
        sa.CheckConstraint(
            "canceled_units >= 0 AND claimed_units >= 0 AND canceled_units + claimed_units <= units",
            name=op.f("ck_order_lines_gone_bought"),
        ),
        sa.CheckConstraint(
            "delivered_units >= 0 AND delivered_units <= shipped_units",
            name=op.f("ck_order_lines_delivered_shipped"),
        ),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= paid_minor", name=op.f("ck_order_lines_refunded_paid")
        ),
        sa.CheckConstraint(
            "units >= 0 AND shipped_units >= 0 AND shipped_units <= units",
            name=op.f("ck_order_lines_shipped_bought"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name=op.f("fk_order_lines_merchant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_order_lines_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_lines")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_order_lines_merchant_id_id")),
        sa.UniqueConstraint("order_id", "external_id", name=op.f("uq_order_lines_order_id_external_id")),
    )
    with op.batch_alter_table("order_lines", schema=None) as batch_op:
        batch_op.create_index("ix_order_lines_sku", ["merchant_id", "sku"], unique=False)

    op.create_table(
        "order_payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("share_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= share_minor",
            name=op.f("ck_order_payments_refunded_share"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name=op.f("fk_order_payments_merchant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name=op.f("fk_order_payments_merchant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_order_payments_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_payments")),
        sa.UniqueConstraint("order_id", "payment_id", name=op.f("uq_order_payments_order_id_payment_id")),
    )
    op.create_table(
        "outside_refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("goods_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("lines", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name=op.f("fk_outside_refunds_merchant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_outside_refunds_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outside_refunds")),
        sa.UniqueConstraint("order_id", "external_id", name=op.f("uq_outside_refunds_order_id_external_id")),
    )
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("order_number", sa.String(length=60), nullable=False),
        sa.Column("order_number_key", sa.String(length=60), nullable=False),
        sa.Column("answered", JSON, nullable=False),
        sa.Column("locked", JSON, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("address", JSON, nullable=True),
        sa.Column("sending", JSON, nullable=True),
        sa.Column("postage_minor", sa.BigInteger(), nullable=False),
        sa.Column("verdict", JSON, nullable=True),
        sa.Column("breakdown", JSON, nullable=True),
        sa.Column("estimate_minor", sa.BigInteger(), nullable=True),
        sa.Column("decline_reason", sa.String(length=40), nullable=False),
        sa.Column("decline_message", sa.Text(), nullable=False),
        sa.Column("closed_reason", sa.String(length=40), nullable=False),
        sa.Column("refund_state", sa.String(length=20), nullable=False),
        sa.Column("ship_by", sa.Date(), nullable=True),
        sa.Column("nonce", sa.String(length=40), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'requested', 'approved', 'in_transit', 'partially_received', 'received', 'inspected', 'declined', 'canceled', 'expired', 'closed')",
            name=op.f("ck_returns_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name=op.f("fk_returns_merchant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "policy_id"],
            ["policies.merchant_id", "policies.id"],
            name=op.f("fk_returns_merchant_id_policy_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_returns_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_returns_merchant_id_id")),
        sa.UniqueConstraint("nonce", name=op.f("uq_returns_nonce")),
        sa.UniqueConstraint("number", name=op.f("uq_returns_number")),
    )
    with op.batch_alter_table("returns", schema=None) as batch_op:
        batch_op.create_index("ix_returns_email", ["merchant_id", "email"], unique=False)
        batch_op.create_index("ix_returns_name", ["merchant_id", "name_key"], unique=False)
        batch_op.create_index("ix_returns_order", ["order_id"], unique=False)
        batch_op.create_index("ix_returns_order_number", ["merchant_id", "order_number_key"], unique=False)
        batch_op.create_index("ix_returns_queue", ["merchant_id", "state", "id"], unique=False)

    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("format", sa.String(length=4), nullable=False),
        sa.Column("size", sa.String(length=10), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name=op.f("fk_documents_merchant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_documents_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint(
            "return_id", "kind", "format", "size", name=op.f("uq_documents_return_id_kind_format_size")
        ),
    )
    op.create_table(
        "links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("purpose IN ('finish', 'status')", name=op.f("ck_links_purpose_known")),
        sa.CheckConstraint("state IN ('open', 'finished', 'revoked')", name=op.f("ck_links_state_known")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name=op.f("fk_links_merchant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_links_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_links_digest")),
    )
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.create_index("ix_links_return", ["return_id"], unique=False)

    op.create_table(
        "order_line_taxes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("rate_ppm", sa.Integer(), nullable=True),
        sa.Column("jurisdiction", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "refunded_minor >= 0 AND refunded_minor <= amount_minor",
            name=op.f("ck_order_line_taxes_refunded_charged"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_line_id"],
            ["order_lines.merchant_id", "order_lines.id"],
            name=op.f("fk_order_line_taxes_merchant_id_order_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_order_line_taxes_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line_taxes")),
        sa.UniqueConstraint("order_line_id", "label", name=op.f("uq_order_line_taxes_order_line_id_label")),
    )
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("breakdown", JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_by_name", sa.String(length=200), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('pending_approval', 'approved', 'pending', 'succeeded', 'failed', 'canceled')",
            name=op.f("ck_refunds_state_known"),
        ),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_refunds_amount_not_negative")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name=op.f("fk_refunds_merchant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name=op.f("fk_refunds_merchant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_refunds_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_refunds_merchant_id_id")),
        sa.UniqueConstraint("number", name=op.f("uq_refunds_number")),
    )
    with op.batch_alter_table("refunds", schema=None) as batch_op:
        batch_op.create_index("ix_refunds_queue", ["merchant_id", "state", "id"], unique=False)
        batch_op.create_index("ix_refunds_return", ["return_id"], unique=False)

    op.create_table(
        "return_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("variant", sa.String(length=200), nullable=False),
        sa.Column("picture", sa.String(length=300), nullable=False),
        sa.Column("weight_g", sa.Integer(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("condition", sa.String(length=20), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by_agent", sa.Boolean(), nullable=False),
        sa.Column("spans", JSON, nullable=False),
        sa.Column("code", sa.String(length=20), nullable=True),
        sa.Column("authorized_units", sa.Integer(), nullable=False),
        sa.Column("received_units", sa.Integer(), nullable=False),
        sa.Column("damaged_units", sa.Integer(), nullable=False),
        sa.Column("other_units", sa.Integer(), nullable=False),
        sa.Column("accepted_units", sa.Integer(), nullable=False),
        sa.Column("rejected_units", sa.Integer(), nullable=False),
        sa.Column("refunded_units", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "accepted_units >= 0 AND rejected_units >= 0 AND accepted_units + rejected_units <= received_units",
            name=op.f("ck_return_lines_inspected_received"),
        ),
        sa.CheckConstraint(
            "authorized_units >= 0 AND authorized_units <= units",
            name=op.f("ck_return_lines_authorized_asked"),
        ),
        sa.CheckConstraint(
            "damaged_units >= 0 AND other_units >= 0 AND damaged_units + other_units <= received_units",
            name=op.f("ck_return_lines_found_received"),
        ),
        sa.CheckConstraint(
            "received_units >= 0 AND received_units <= authorized_units",
            name=op.f("ck_return_lines_received_authorized"),
        ),
        sa.CheckConstraint(
            "refunded_units >= 0 AND refunded_units <= received_units",
            name=op.f("ck_return_lines_refunded_received"),
        ),
        sa.CheckConstraint("units > 0", name=op.f("ck_return_lines_some")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_line_id"],
            ["order_lines.merchant_id", "order_lines.id"],
            name=op.f("fk_return_lines_merchant_id_order_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name=op.f("fk_return_lines_merchant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_return_lines_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_return_lines")),
        sa.UniqueConstraint("code", name=op.f("uq_return_lines_code")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_return_lines_merchant_id_id")),
        sa.UniqueConstraint(
            "return_id", "order_line_id", name=op.f("uq_return_lines_return_id_order_line_id")
        ),
    )
    with op.batch_alter_table("return_lines", schema=None) as batch_op:
        batch_op.create_index("ix_return_lines_sku", ["merchant_id", "sku"], unique=False)

    op.create_table(
        "shipments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.String(length=30), nullable=False),
        sa.Column("service", sa.String(length=60), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("tracking_number", sa.String(length=60), nullable=False),
        sa.Column("tracking_url", sa.String(length=300), nullable=False),
        sa.Column("handoff_code", sa.String(length=60), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("sending", JSON, nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('label_pending', 'label_created', 'pre_transit', 'in_transit', 'out_for_delivery', 'available_for_pickup', 'exception', 'delivered', 'lost', 'return_to_sender', 'canceled')",
            name=op.f("ck_shipments_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name=op.f("fk_shipments_merchant_id_return_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_shipments_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipments")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_shipments_merchant_id_id")),
    )
    with op.batch_alter_table("shipments", schema=None) as batch_op:
        batch_op.create_index("ix_shipments_return", ["return_id"], unique=False)
        batch_op.create_index("ix_shipments_tracking", ["merchant_id", "tracking_number"], unique=False)

    op.create_table(
        "inspections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_line_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("grade", sa.String(length=1), nullable=False),
        sa.Column("disposition", sa.String(length=40), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.CheckConstraint("units > 0", name=op.f("ck_inspections_some")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_line_id"],
            ["return_lines.merchant_id", "return_lines.id"],
            name=op.f("fk_inspections_merchant_id_return_line_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_inspections_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspections")),
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("provider", sa.String(length=30), nullable=False),
        sa.Column("provider_reference", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('planned', 'submitting', 'unknown', 'pending', 'requires_action', 'succeeded', 'failed', 'canceled')",
            name=op.f("ck_payouts_state_known"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payouts_amount_positive")),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name=op.f("fk_payouts_merchant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "refund_id"],
            ["refunds.merchant_id", "refunds.id"],
            name=op.f("fk_payouts_merchant_id_refund_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_payouts_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("key", name=op.f("uq_payouts_key")),
        sa.UniqueConstraint("merchant_id", "id", name=op.f("uq_payouts_merchant_id_id")),
    )
    op.create_table(
        "photos",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_line_id", sa.Uuid(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_line_id"],
            ["return_lines.merchant_id", "return_lines.id"],
            name=op.f("fk_photos_merchant_id_return_line_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_photos_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    op.create_table(
        "refund_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("order_line_id", sa.Uuid(), nullable=False),
        sa.Column("spans", JSON, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("taxes", JSON, nullable=False),
        sa.Column("withheld_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount_minor >= 0 AND withheld_minor >= 0", name=op.f("ck_refund_lines_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_line_id"],
            ["order_lines.merchant_id", "order_lines.id"],
            name=op.f("fk_refund_lines_merchant_id_order_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "refund_id"],
            ["refunds.merchant_id", "refunds.id"],
            name=op.f("fk_refund_lines_merchant_id_refund_id"),
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name=op.f("fk_refund_lines_merchant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_lines")),
        sa.UniqueConstraint(
            "refund_id", "order_line_id", name=op.f("uq_refund_lines_refund_id_order_line_id")
        ),
    )
    with op.batch_alter_table("refund_lines", schema=None) as batch_op:
        batch_op.create_index("ix_refund_lines_order_line", ["order_line_id"], unique=False)

    op.create_table(
        "shipment_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("shipment_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("location", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "shipment_id"],
            ["shipments.merchant_id", "shipments.id"],
            name=op.f("fk_shipment_events_merchant_id_shipment_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_shipment_events_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment_events")),
        sa.UniqueConstraint("shipment_id", "digest", name=op.f("uq_shipment_events_shipment_id_digest")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in APPEND_ONLY:
        append_only(table)


def downgrade() -> None:
    op.drop_table("shipment_events")
    with op.batch_alter_table("refund_lines", schema=None) as batch_op:
        batch_op.drop_index("ix_refund_lines_order_line")

    op.drop_table("refund_lines")
    op.drop_table("photos")
    op.drop_table("payouts")
    op.drop_table("inspections")
    with op.batch_alter_table("shipments", schema=None) as batch_op:
        batch_op.drop_index("ix_shipments_tracking")
        batch_op.drop_index("ix_shipments_return")

    op.drop_table("shipments")
    with op.batch_alter_table("return_lines", schema=None) as batch_op:
        batch_op.drop_index("ix_return_lines_sku")

    op.drop_table("return_lines")
    with op.batch_alter_table("refunds", schema=None) as batch_op:
        batch_op.drop_index("ix_refunds_return")
        batch_op.drop_index("ix_refunds_queue")

    op.drop_table("refunds")
    op.drop_table("order_line_taxes")
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.drop_index("ix_links_return")

    op.drop_table("links")
    op.drop_table("documents")
    with op.batch_alter_table("returns", schema=None) as batch_op:
        batch_op.drop_index("ix_returns_queue")
        batch_op.drop_index("ix_returns_order_number")
        batch_op.drop_index("ix_returns_order")
        batch_op.drop_index("ix_returns_name")
        batch_op.drop_index("ix_returns_email")

    op.drop_table("returns")
    op.drop_table("outside_refunds")
    op.drop_table("order_payments")
    with op.batch_alter_table("order_lines", schema=None) as batch_op:
        batch_op.drop_index("ix_order_lines_sku")

    op.drop_table("order_lines")
    with op.batch_alter_table("stock_movements", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_movements_sku")

    op.drop_table("stock_movements")
    op.drop_table("stock_levels")
    op.drop_table("policies")
    op.drop_table("payments")
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.drop_index("ix_orders_placed")
        batch_op.drop_index("ix_orders_number")
        batch_op.drop_index("ix_orders_email")
        batch_op.drop_index("ix_orders_customer")

    op.drop_table("orders")
    op.drop_table("memberships")
    with op.batch_alter_table("mails", schema=None) as batch_op:
        batch_op.drop_index("ix_mails_return")

    op.drop_table("mails")
    with op.batch_alter_table("ledger_transfers", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_transfers_refund")
        batch_op.drop_index("ix_ledger_transfers_merchant")

    op.drop_table("ledger_transfers")
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.drop_index("ix_history_subject")

    op.drop_table("history")
    op.drop_table("adjustments")
    op.drop_table("people")
    op.drop_table("merchants")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change()")

"""Money: price adjustments, promotions, chargebacks, approvals, credits, bank batches, gateway events, tasks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20261121_money"
down_revision = "20261121_first"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
APPEND_ONLY = ("credit_entries", "credit_notes")


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


def json_column(name: str, default: str) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, JSON, nullable=False, server_default=default)


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


def upgrade() -> None:
    op.add_column("merchants", json_column("accounts", "{}"))
    op.add_column("merchants", json_column("bank", "{}"))
    op.add_column("orders", json_column("promotions", "[]"))
    op.add_column("order_lines", json_column("adjusted", "[]"))
    op.execute(
        "ALTER TABLE order_lines ADD COLUMN promotion_minor BIGINT DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_order_lines_promotion_not_negative CHECK (promotion_minor >= 0)"
    )
    op.execute(
        "ALTER TABLE order_line_taxes ADD COLUMN promotion_minor BIGINT DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_order_line_taxes_promotion_not_negative CHECK (promotion_minor >= 0)"
    )
    op.execute(
        "ALTER TABLE payments ADD COLUMN disputed_minor BIGINT DEFAULT 0 NOT NULL "
        "CONSTRAINT ck_payments_disputed_captured "
        "CHECK (disputed_minor >= 0 AND refunded_minor + disputed_minor <= captured_minor)"
    )
    op.add_column("shipments", sa.Column("asked_at", TIME, nullable=True))
    op.create_index("ix_shipments_asked", "shipments", ["asked_at"])
    op.add_column("inspections", json_column("missing_accessories", "[]"))
    op.add_column("inspections", sa.Column("used", sa.Integer(), nullable=True))
    op.add_column("return_lines", sa.Column("allowance_minor", sa.BigInteger(), nullable=True))
    op.add_column("refunds", json_column("overrides", "{}"))
    op.add_column("refunds", json_column("revised_by", "[]"))
    op.add_column("refund_lines", json_column("adjusted", "[]"))
    op.add_column(
        "refund_lines", sa.Column("promotion_minor", sa.BigInteger(), nullable=False, server_default="0")
    )
    people()
    bank()
    payouts()
    credits()
    gateway()
    books()
    policies()
    for table in APPEND_ONLY:
        append_only(table)


def people() -> None:
    op.create_table(
        "refund_approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("refund_approvals"),
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("person_name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("void", sa.Boolean(), nullable=False),
        within("refund_approvals", "refunds", "refund_id"),
        sa.UniqueConstraint(
            "refund_id", "person_id", "digest", name="uq_refund_approvals_refund_id_person_id_digest"
        ),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("tasks"),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_by_name", sa.String(200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.UniqueConstraint("merchant_id", "kind", "key", name="uq_tasks_merchant_id_kind_key"),
        sa.CheckConstraint("state IN ('open', 'done')", name="ck_tasks_state_known"),
    )
    op.create_index("ix_tasks_open", "tasks", ["merchant_id", "state", "opened_at"])


def bank() -> None:
    op.create_table(
        "transfer_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("transfer_batches"),
        sa.Column("number", sa.String(30), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("transfers", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_by_name", sa.String(200), nullable=False),
        sa.Column("released_at", TIME, nullable=True),
        sa.Column("released_by", sa.Uuid(), nullable=True),
        sa.Column("released_by_name", sa.String(200), nullable=False),
        sa.Column("executed_at", TIME, nullable=True),
        sa.UniqueConstraint("merchant_id", "id", name="uq_transfer_batches_merchant_id_id"),
        sa.UniqueConstraint("merchant_id", "number", name="uq_transfer_batches_merchant_id_number"),
        sa.CheckConstraint(
            "state IN ('open', 'released', 'executed', 'canceled')", name="ck_transfer_batches_state_known"
        ),
        sa.CheckConstraint(
            "released_by IS NULL OR released_by <> created_by", name="ck_transfer_batches_two_people"
        ),
    )


def payouts() -> None:
    with op.batch_alter_table("payouts") as table:
        for name in ("sent_at", "lost_at", "checked_at", "next_check_at"):
            table.add_column(sa.Column(name, TIME, nullable=True))
        table.add_column(sa.Column("arrives_on", sa.Date(), nullable=True))
        table.add_column(sa.Column("bank_reference", sa.String(100), nullable=False, server_default=""))
        table.add_column(json_column("destination", "{}"))
        table.add_column(sa.Column("batch_id", sa.Uuid(), nullable=True))
        table.alter_column("payment_id", existing_type=sa.Uuid(), nullable=True)
        table.create_foreign_key(
            "fk_payouts_merchant_id_batch_id",
            "transfer_batches",
            ["merchant_id", "batch_id"],
            ["merchant_id", "id"],
        )
    op.execute(
        "UPDATE payouts SET next_check_at = created_at WHERE state IN ('submitting', 'unknown', 'pending') "
        "AND provider <> 'manual'"
    )
    op.create_index("ix_payouts_refund", "payouts", ["refund_id"])
    op.create_index("ix_payouts_next_check", "payouts", ["next_check_at"])
    op.create_index("ix_payouts_reference", "payouts", ["provider", "provider_reference"])


def credits() -> None:
    op.create_table(
        "credits",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("credits"),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("last", sa.String(4), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("voided_at", TIME, nullable=True),
        within("credits", "orders", "order_id"),
        sa.UniqueConstraint("merchant_id", "id", name="uq_credits_merchant_id_id"),
        sa.UniqueConstraint("digest", name="uq_credits_digest"),
        sa.UniqueConstraint("merchant_id", "kind", "reference", name="uq_credits_merchant_id_kind_reference"),
        sa.CheckConstraint("kind IN ('store_credit', 'gift_card')", name="ck_credits_kind_known"),
        sa.CheckConstraint("balance_minor >= 0", name="ck_credits_balance_not_negative"),
    )
    op.create_index("ix_credits_email", "credits", ["merchant_id", "email"])
    op.create_index("ix_credits_expires", "credits", ["expires_on"])
    op.create_table(
        "credit_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("credit_entries"),
        sa.Column("credit_id", sa.Uuid(), nullable=False),
        sa.Column("payout_id", sa.Uuid(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(40), nullable=False),
        sa.Column("note", sa.String(300), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by_name", sa.String(200), nullable=False),
        within("credit_entries", "credits", "credit_id"),
        sa.UniqueConstraint("payout_id", "why", name="uq_credit_entries_payout_id_why"),
        sa.CheckConstraint("amount_minor <> 0", name="ck_credit_entries_some"),
    )
    op.create_index("ix_credit_entries_credit", "credit_entries", ["credit_id", "id"])


def gateway() -> None:
    op.create_table(
        "gateway_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(30), nullable=False),
        sa.Column("event_id", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("capture", sa.String(100), nullable=False),
        sa.Column("also", sa.String(100), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("handled_at", TIME, nullable=True),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gateway_events"),
        sa.UniqueConstraint("provider", "event_id", name="uq_gateway_events_provider_event_id"),
    )
    op.create_index("ix_gateway_events_received", "gateway_events", ["received_at"])
    op.create_table(
        "chargebacks",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("chargebacks"),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(30), nullable=False),
        sa.Column("reference", sa.String(100), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        within("chargebacks", "payments", "payment_id"),
        sa.UniqueConstraint("provider", "reference", name="uq_chargebacks_provider_reference"),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name="ck_chargebacks_state_known"),
        sa.CheckConstraint(
            "held_minor >= 0 AND held_minor <= amount_minor", name="ck_chargebacks_held_disputed"
        ),
    )


def books() -> None:
    op.create_index("ix_refunds_order", "refunds", ["order_id"])
    op.create_index("ix_payouts_payment", "payouts", ["payment_id"])
    op.create_index("ix_ledger_transfers_payout", "ledger_transfers", ["payout_id"])
    op.create_index("ix_ledger_transfers_at", "ledger_transfers", ["merchant_id", "at"])
    op.create_index("ix_ledger_transfers_reverses", "ledger_transfers", ["reverses_id"], unique=True)
    op.create_table(
        "credit_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("credit_notes"),
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(20), nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("content", JSON, nullable=False),
        within("credit_notes", "refunds", "refund_id"),
        sa.UniqueConstraint("refund_id", "kind", name="uq_credit_notes_refund_id_kind"),
        sa.UniqueConstraint("merchant_id", "sequence", name="uq_credit_notes_merchant_id_sequence"),
        sa.UniqueConstraint("merchant_id", "number", name="uq_credit_notes_merchant_id_number"),
        sa.CheckConstraint("kind IN ('credit_note', 'reversal')", name="ck_credit_notes_kind_known"),
        sa.CheckConstraint("sequence > 0", name="ck_credit_notes_sequence_positive"),
    )
    op.create_index("ix_credit_notes_issued", "credit_notes", ["merchant_id", "issued_at"])


def policies() -> None:
    op.create_table(
        "policy_drafts",
        sa.Column("id", sa.Uuid(), nullable=False),
        *of_merchant("policy_drafts"),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("terms", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by_name", sa.String(200), nullable=False),
        sa.UniqueConstraint("merchant_id", name="uq_policy_drafts_merchant_id"),
    )


def downgrade() -> None:
    raise RuntimeError(
        "money that was recorded is not forgotten: go back by restoring the backup made before"
    )

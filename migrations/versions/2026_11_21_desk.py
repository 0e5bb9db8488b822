"""The desk: threads, disputes, the dock, workflows, views, sessions, and a history that is chained."""

from datetime import UTC
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "20261121_desk"
down_revision = "20261121_cancellations"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)
STATES = (
    "draft", "requested", "approved", "canceled", "expired", "declined", "needs_info", "in_transit",
    "partially_received", "received", "closed", "inspected", "proposed", "confirmed", "overtaken", "refused",
)  # fmt: skip


def upgrade() -> None:
    returns()
    messages()
    views()
    workflows()
    disputes()
    dock()
    people()
    found_orders()
    chain()
    backfill_chain()
    guard_chain()
    lists()
    backfill_search()


def checked(table: str, column: str, kind: str, name: str, check: str) -> None:
    """A column with its check, which may speak of others: SQLite adds both without making the table anew."""
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind} CONSTRAINT ck_{table}_{name} CHECK ({check})")


def returns() -> None:
    states = ", ".join(f"'{state}'" for state in STATES)
    with op.batch_alter_table("returns") as table:
        table.drop_constraint(op.f("ck_returns_state_known"), type_="check")
        table.create_check_constraint(op.f("ck_returns_state_known"), f"state IN ({states})")
    checked("returns", "score", "INTEGER", "score_known", "score IS NULL OR score BETWEEN 1 AND 5")
    checked(
        "return_lines", "declined_units", "INTEGER DEFAULT 0 NOT NULL", "declined_asked",
        "declined_units >= 0 AND authorized_units + declined_units <= units",
    )  # fmt: skip
    op.add_column("inspections", sa.Column("checklist", JSON, server_default="{}", nullable=False))
    op.add_column("inspections", sa.Column("proposed", sa.String(40), server_default="", nullable=False))
    op.add_column("orders", sa.Column("phone_key", sa.String(40), server_default="", nullable=False))
    op.add_column(
        "return_lines", sa.Column("decline_reason", sa.String(40), server_default="", nullable=False)
    )
    op.add_column("return_lines", sa.Column("decline_message", sa.Text(), server_default="", nullable=False))
    op.add_column("returns", sa.Column("phone_key", sa.String(40), server_default="", nullable=False))
    op.add_column("returns", sa.Column("assignee_id", sa.Uuid(), nullable=True))
    op.add_column("returns", sa.Column("decision", JSON, nullable=True))
    op.add_column("returns", sa.Column("handling", sa.String(24), server_default="", nullable=False))
    op.add_column("returns", sa.Column("dispute_state", sa.String(24), server_default="none", nullable=False))
    op.add_column("returns", sa.Column("info_due_at", TIME, nullable=True))
    op.add_column("returns", sa.Column("unread", sa.Integer(), server_default="0", nullable=False))
    op.add_column("returns", sa.Column("scored_at", TIME, nullable=True))
    op.add_column("returns", sa.Column("score_comment", sa.Text(), server_default="", nullable=False))
    op.add_column("returns", sa.Column("begun_at", TIME, nullable=True))
    op.create_index("ix_orders_phone", "orders", ["merchant_id", "phone_key"], unique=False)
    op.create_index("ix_returns_assignee", "returns", ["assignee_id", "state", "id"], unique=False)
    op.create_index("ix_returns_disputed", "returns", ["merchant_id", "dispute_state", "id"], unique=False)
    op.create_index("ix_returns_info_due", "returns", ["info_due_at"], unique=False)
    op.create_index("ix_returns_phone", "returns", ["merchant_id", "phone_key"], unique=False)
    op.create_index("ix_returns_received", "returns", ["merchant_id", "received_at"], unique=False)
    op.create_index(
        "ix_returns_submitted", "returns",
        ["merchant_id", "submitted_at", "kind", "channel", "state", "refund_state", "begun_at", "id"], unique=False,
        sqlite_where=sa.text("submitted_at IS NOT NULL"), postgresql_where=sa.text("submitted_at IS NOT NULL"),
    )  # fmt: skip
    op.create_index("ix_returns_scored", "returns", ["merchant_id", "scored_at"], unique=False)
    op.create_index(
        "ix_returns_unread", "returns", ["merchant_id", "id"], sqlite_where=sa.text("unread > 0"),
        postgresql_where=sa.text("unread > 0"),
    )  # fmt: skip
    op.create_index("ix_refunds_succeeded", "refunds", ["merchant_id", "succeeded_at", "state", "return_id"])


def messages() -> None:
    op.create_table(
        "canned_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("texts", JSON, nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by_name", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_canned_answers_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_canned_answers"),
        sa.UniqueConstraint("merchant_id", "id", name="uq_canned_answers_merchant_id_id"),
        sa.UniqueConstraint("merchant_id", "name", name="uq_canned_answers_merchant_id_name"),
    )
    op.create_table(
        "playbooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.String(40), nullable=False),
        sa.Column("texts", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by_name", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_playbooks_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_playbooks"),
        sa.UniqueConstraint("merchant_id", "step", name="uq_playbooks_merchant_id_step"),
    )
    op.create_table(
        "pictures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("subject", sa.String(12), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("return_line_id", sa.Uuid(), nullable=True),
        sa.Column("by_customer", sa.Boolean(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "subject IN ('message', 'dispute', 'inspection', 'unexpected')", name="ck_pictures_subject_known"
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_pictures_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_pictures_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pictures"),
    )
    op.create_index("ix_pictures_return", "pictures", ["return_id"], unique=False)
    op.create_index("ix_pictures_subject", "pictures", ["subject_id"], unique=False)
    op.create_table(
        "thread_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("author_name", sa.String(200), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("asks", JSON, nullable=False),
        sa.Column("line_ids", JSON, server_default="[]", nullable=False),
        sa.Column("outcome", sa.String(12), server_default="", nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("reminded_at", TIME, nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("answers_id", sa.Uuid(), nullable=True),
        sa.Column("read_at", TIME, nullable=True),
        sa.Column("mail_id", sa.Uuid(), nullable=True),
        sa.Column("nonce", sa.String(40), nullable=True),
        sa.CheckConstraint(
            "kind IN ('customer', 'agent', 'request', 'note')", name="ck_thread_entries_kind_known"
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_thread_entries_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_thread_entries_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_thread_entries"),
        sa.UniqueConstraint("merchant_id", "id", name="uq_thread_entries_merchant_id_id"),
        sa.UniqueConstraint("nonce", name="uq_thread_entries_nonce"),
    )
    op.create_index("ix_thread_entries_due", "thread_entries", ["outcome", "due_at"], unique=False)
    op.create_index("ix_thread_entries_return", "thread_entries", ["return_id", "id"], unique=False)
    op.add_column("mails", sa.Column("envelope", JSON, server_default="{}", nullable=False))
    op.create_index("ix_mails_log", "mails", ["merchant_id", "state", "id"], unique=False)
    op.create_index("ix_mails_recipient", "mails", ["merchant_id", "recipient", "id"], unique=False)


def views() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("query", JSON, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_saved_views_merchant_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_saved_views_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_views"),
        sa.UniqueConstraint("person_id", "name", name="uq_saved_views_person_id_name"),
    )
    op.create_index("ix_saved_views_shared", "saved_views", ["merchant_id", "shared"], unique=False)
    op.create_table(
        "presences",
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("doing", sa.String(20), nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_presences_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_presences_merchant_id"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_presences_person_id"),
        sa.PrimaryKeyConstraint("return_id", "person_id", name="pk_presences"),
    )
    op.create_table(
        "return_tags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("by_name", sa.String(200), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_return_tags_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_return_tags_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_return_tags"),
        sa.UniqueConstraint("return_id", "tag", name="uq_return_tags_return_id_tag"),
    )
    op.create_index("ix_return_tags_tag", "return_tags", ["merchant_id", "tag", "return_id"], unique=False)
    op.create_table(
        "search_words",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.String(60), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_search_words_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_search_words_merchant_id"),
        sa.PrimaryKeyConstraint("merchant_id", "word", "return_id", name="pk_search_words"),
    )
    op.create_index("ix_search_words_return", "search_words", ["return_id"], unique=False)


def workflows() -> None:
    op.create_table(
        "workflow_drafts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("rules", JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by_name", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_workflow_drafts_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_workflow_drafts"),
        sa.UniqueConstraint("merchant_id", name="uq_workflow_drafts_merchant_id"),
    )
    op.create_table(
        "workflows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("rules", JSON, nullable=False),
        sa.Column("published_at", TIME, nullable=False),
        sa.Column("published_by_name", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_workflows_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_workflows"),
        sa.UniqueConstraint("merchant_id", "version", name="uq_workflows_merchant_id_version"),
    )


def disputes() -> None:
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.String(20), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("ground", sa.String(20), nullable=False),
        sa.Column("wanted", sa.String(20), nullable=False),
        sa.Column("claimed_minor", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("opened_by_name", sa.String(200), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("reminded_at", TIME, nullable=True),
        sa.Column("escalated_at", TIME, nullable=True),
        sa.Column("escalated_because", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(30), nullable=False),
        sa.Column("outcome_message", sa.Text(), nullable=False),
        sa.Column("settled_minor", sa.BigInteger(), nullable=False),
        sa.Column("settlement_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_by_name", sa.String(200), nullable=False),
        sa.Column("nonce", sa.String(40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'awaiting_customer', 'awaiting_merchant', 'escalated', 'resolved_customer', 'resolved_merchant', 'withdrawn')",
            name="ck_disputes_state_known",
        ),
        sa.CheckConstraint("settled_minor >= 0", name="ck_disputes_settled_not_negative"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_disputes_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_disputes_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_disputes"),
        sa.UniqueConstraint("merchant_id", "id", name="uq_disputes_merchant_id_id"),
        sa.UniqueConstraint("nonce", name="uq_disputes_nonce"),
        sa.UniqueConstraint("number", name="uq_disputes_number"),
    )
    op.create_index(
        "ix_disputes_one_open",
        "disputes",
        ["return_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_disputes_queue", "disputes", ["merchant_id", "state", "due_at"], unique=False)
    op.create_index("ix_disputes_opened", "disputes", ["merchant_id", "opened_at"], unique=False)
    op.create_index("ix_disputes_return", "disputes", ["return_id"], unique=False)
    op.create_table(
        "dispute_lines",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("return_line_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("ground", sa.String(20), nullable=False),
        sa.Column("claimed_minor", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.CheckConstraint("units > 0", name="ck_dispute_lines_some"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "dispute_id"],
            ["disputes.merchant_id", "disputes.id"],
            name="fk_dispute_lines_merchant_id_dispute_id",
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_line_id"],
            ["return_lines.merchant_id", "return_lines.id"],
            name="fk_dispute_lines_merchant_id_return_line_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_dispute_lines_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dispute_lines"),
        sa.UniqueConstraint(
            "dispute_id", "return_line_id", name="uq_dispute_lines_dispute_id_return_line_id"
        ),
    )
    op.create_table(
        "dispute_offers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("by_side", sa.String(10), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("by_name", sa.String(200), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("reminded_at", TIME, nullable=True),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("answered_by_name", sa.String(200), nullable=False),
        sa.CheckConstraint("by_side IN ('merchant', 'customer')", name="ck_dispute_offers_side_known"),
        sa.CheckConstraint(
            "state IN ('open', 'accepted', 'declined', 'countered', 'expired', 'withdrawn')",
            name="ck_dispute_offers_state_known",
        ),
        sa.CheckConstraint("amount_minor > 0", name="ck_dispute_offers_some"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "dispute_id"],
            ["disputes.merchant_id", "disputes.id"],
            name="fk_dispute_offers_merchant_id_dispute_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_dispute_offers_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_dispute_offers"),
    )
    op.create_index("ix_dispute_offers_dispute", "dispute_offers", ["dispute_id", "id"], unique=False)
    op.create_index("ix_dispute_offers_expires", "dispute_offers", ["expires_at"], unique=False)


def dock() -> None:
    op.create_table(
        "unexpected_items",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("code", sa.String(100), nullable=False),
        sa.Column("sku", sa.String(100), nullable=False),
        sa.Column("name", sa.String(300), nullable=False),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("grade", sa.String(1), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("decision_note", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("by_name", sa.String(200), nullable=False),
        sa.Column("decided_at", TIME, nullable=True),
        sa.Column("decided_by_name", sa.String(200), nullable=False),
        sa.Column("nonce", sa.String(40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('surplus', 'other_item', 'unknown_parcel')", name="ck_unexpected_items_kind_known"
        ),
        sa.CheckConstraint(
            "state IN ('open', 'matched', 'sent_back', 'restocked', 'disposed')",
            name="ck_unexpected_items_state_known",
        ),
        sa.CheckConstraint("units > 0", name="ck_unexpected_items_some"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "return_id"],
            ["returns.merchant_id", "returns.id"],
            name="fk_unexpected_items_merchant_id_return_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_unexpected_items_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_unexpected_items"),
        sa.UniqueConstraint("merchant_id", "id", name="uq_unexpected_items_merchant_id_id"),
        sa.UniqueConstraint("nonce", name="uq_unexpected_items_nonce"),
    )
    op.create_index(
        "ix_unexpected_items_open", "unexpected_items", ["merchant_id", "state", "id"], unique=False
    )
    op.create_index("ix_unexpected_items_return", "unexpected_items", ["return_id"], unique=False)
    op.add_column("stock_movements", sa.Column("unexpected_id", sa.Uuid(), nullable=True))
    op.create_index("ix_stock_movements_unexpected", "stock_movements", ["unexpected_id"], unique=False)


def people() -> None:
    op.create_table(
        "person_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("way", sa.String(10), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("browser", sa.String(200), nullable=False),
        sa.Column("id_token", sa.Text(), nullable=False),
        sa.Column("provider_session", sa.String(200), nullable=False),
        sa.Column("nonce", sa.String(64), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ended_because", sa.String(40), nullable=False),
        sa.CheckConstraint("way IN ('password', 'oidc')", name="ck_person_sessions_way_known"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_person_sessions_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_person_sessions"),
        sa.UniqueConstraint("digest", name="uq_person_sessions_digest"),
        sa.UniqueConstraint("nonce", name="uq_person_sessions_nonce"),
    )
    op.create_index("ix_person_sessions_person", "person_sessions", ["person_id", "ended_at"], unique=False)
    op.add_column("people", sa.Column("issuer", sa.String(200), nullable=True))
    op.add_column("people", sa.Column("subject", sa.String(200), nullable=True))
    op.create_index("ix_people_subject", "people", ["issuer", "subject"], unique=True)


def chain() -> None:
    op.create_table(
        "history_heads",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_history_heads_merchant_id"),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_history_heads"),
    )
    op.add_column("history", sa.Column("changed", JSON, server_default="{}", nullable=False))
    op.add_column("history", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.add_column("history", sa.Column("content", sa.String(64), server_default="", nullable=False))
    op.add_column("history", sa.Column("digest", sa.String(64), server_default="", nullable=False))
    op.create_index("ix_history_what", "history", ["merchant_id", "what", "id"], unique=False)
    op.create_index("ix_history_chain", "history", ["merchant_id", "sequence"], unique=True)


def backfill_chain() -> None:
    """Number and chain what happened so far, in the order in which it was written; each merchant has a head."""
    from portal.core import chain

    bind = op.get_bind()
    refuse(("history",), drop=True)
    history = sa.Table("history", sa.MetaData(), *columns_of_history())
    heads = sa.table("history_heads", *(sa.column(name) for name in ("merchant_id", "sequence", "digest")))
    for (merchant_id,) in bind.execute(sa.text("SELECT id FROM merchants ORDER BY id")).all():
        merchant = merchant_id if isinstance(merchant_id, UUID) else UUID(merchant_id)
        at, last, begun = 0, "", UUID(int=0)
        while True:
            wanted = sa.select(history).where(history.c.merchant_id == merchant, history.c.id > begun)
            found = bind.execute(wanted.order_by(history.c.id).limit(BATCH)).mappings().all()
            if not found:
                break
            begun = found[-1]["id"]
            told = []
            for row in found:
                says = chain.content({**row, "at": row["at"].replace(tzinfo=row["at"].tzinfo or UTC)})
                at, last = at + 1, chain.digest(last, says)
                told.append({"key": row["id"], "place": at, "says": says, "after": last})
            change = sa.update(history).where(history.c.id == sa.bindparam("key"))
            bind.execute(
                change.values(
                    sequence=sa.bindparam("place"),
                    content=sa.bindparam("says"),
                    digest=sa.bindparam("after"),
                ),
                told,
            )
        bind.execute(sa.insert(heads).values(merchant_id=merchant_id, sequence=at, digest=last))
    refuse(("history",), drop=False)


BATCH = 5000
"""Rows of history that are numbered at a time."""


def columns_of_history() -> tuple[sa.Column, ...]:  # type: ignore[type-arg]
    return (
        sa.Column("id", sa.Uuid()),
        sa.Column("merchant_id", sa.Uuid()),
        sa.Column("subject_id", sa.Uuid()),
        sa.Column("at", TIME),
        sa.Column("what", sa.String(60)),
        sa.Column("actor_kind", sa.String(20)),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("actor_name", sa.String(200)),
        sa.Column("details", JSON),
        sa.Column("changed", JSON),
        sa.Column("sequence", sa.BigInteger()),
        sa.Column("content", sa.String(64)),
        sa.Column("digest", sa.String(64)),
    )


def refuse(tables: tuple[str, ...], *, drop: bool) -> None:
    """Take away, or put back, what refuses every change and deletion of a row in these tables."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in tables:
        for verb in ("UPDATE", "DELETE") if sqlite else ():
            name = f"{table}_no_{verb.lower()}"
            op.execute(
                f"DROP TRIGGER {name}"
                if drop
                else f"CREATE TRIGGER {name} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        if not sqlite:
            op.execute(
                f"DROP TRIGGER {table}_append_only ON {table}"
                if drop
                else f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                f"FOR EACH ROW EXECUTE FUNCTION refuse_change()"
            )


def guard_chain() -> None:
    """A new row is the next of its merchant's chain, or refused, and moves the head; a head never goes back."""
    moved = "UPDATE history_heads SET sequence = NEW.sequence, digest = NEW.digest"
    moved += " WHERE merchant_id = NEW.merchant_id AND sequence = NEW.sequence - 1"
    said = "the history has another end by now"
    if op.get_bind().dialect.name == "sqlite":
        there = "SELECT 1 FROM history_heads WHERE merchant_id = NEW.merchant_id"
        op.execute(
            f"CREATE TRIGGER history_next AFTER INSERT ON history BEGIN {moved}; "
            f"SELECT RAISE(ABORT, '{said}') WHERE NOT EXISTS "
            f"({there} AND sequence = NEW.sequence AND digest = NEW.digest); END"
        )
        back = "BEGIN SELECT RAISE(ABORT, 'the history only grows'); END"
        op.execute(
            "CREATE TRIGGER history_heads_grow BEFORE UPDATE ON history_heads "
            f"WHEN NEW.sequence <> OLD.sequence + 1 OR NEW.merchant_id <> OLD.merchant_id {back}"
        )
        op.execute(f"CREATE TRIGGER history_heads_stay BEFORE DELETE ON history_heads {back}")
        return
    op.execute(
        "CREATE FUNCTION move_history_head() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {moved}; IF NOT FOUND THEN RAISE EXCEPTION '{said}'; END IF; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER history_next AFTER INSERT ON history "
        "FOR EACH ROW EXECUTE FUNCTION move_history_head()"
    )
    op.execute(
        "CREATE FUNCTION history_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF TG_OP = 'UPDATE' AND NEW.sequence = OLD.sequence + 1 AND NEW.merchant_id = OLD.merchant_id "
        "THEN RETURN NEW; END IF; RAISE EXCEPTION 'the history only grows'; END $$"
    )
    op.execute(
        "CREATE TRIGGER history_heads_grow BEFORE UPDATE OR DELETE ON history_heads "
        "FOR EACH ROW EXECUTE FUNCTION history_only_grows()"
    )
    op.execute(
        "CREATE TRIGGER history_heads_no_truncate BEFORE TRUNCATE ON history_heads "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def lists() -> None:
    """What lists are sorted and searched by; texts that are searched by their beginning sort by code points."""
    for name, table, columns in (
        ("ix_returns_newest", "returns", ("merchant_id", "created_at", "id")),
        ("ix_returns_state", "returns", ("merchant_id", "state", "created_at", "id")),
        ("ix_returns_channel", "returns", ("merchant_id", "channel", "created_at", "id")),
        ("ix_returns_kind", "returns", ("merchant_id", "kind", "created_at", "id")),
        ("ix_returns_refund", "returns", ("merchant_id", "refund_state", "created_at", "id")),
        ("ix_returns_value", "returns", ("merchant_id", "estimate_minor", "id")),
        ("ix_returns_ship_by", "returns", ("merchant_id", "state", "ship_by", "id")),
        ("ix_returns_due_submitted", "returns", ("merchant_id", "state", "submitted_at", "id")),
        ("ix_returns_due_received", "returns", ("merchant_id", "state", "received_at", "id")),
        ("ix_returns_due_info", "returns", ("merchant_id", "state", "info_due_at", "id")),
        ("ix_return_lines_reason", "return_lines", ("merchant_id", "reason", "return_id")),
    ):
        op.create_index(name, table, list(columns), unique=False)
    if op.get_bind().dialect.name == "sqlite":
        return  # it sorts so anyway
    for table, column, size in (
        ("returns", "email", 254),
        ("returns", "name_key", 200),
        ("returns", "phone_key", 40),
        ("returns", "order_number_key", 60),
        ("search_words", "word", 60),
        ("orders", "email", 254),
        ("orders", "phone_key", 40),
        ("orders", "number_key", 60),
    ):
        op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR({size}) COLLATE "C"')


def backfill_search() -> None:
    """The words of every name, and every phone number by its end."""
    from portal.core.keys import name_words, phone_key

    bind, id_type = op.get_bind(), sa.Uuid()
    returns = sa.table(
        "returns",
        sa.column("id", id_type),
        sa.column("merchant_id", id_type),
        *(sa.column(name, sa.String()) for name in ("name", "phone", "phone_key")),
    )
    words = sa.table(
        "search_words",
        sa.column("merchant_id", id_type),
        sa.column("word", sa.String()),
        sa.column("return_id", id_type),
    )
    begun = UUID(int=0)
    while True:
        wanted = sa.select(returns).where(returns.c.id > begun).order_by(returns.c.id).limit(BATCH)
        found = bind.execute(wanted).all()
        if not found:
            break
        begun = found[-1].id
        told = [
            {"merchant_id": row.merchant_id, "word": word, "return_id": row.id}
            for row in found
            for word in name_words(row.name)
        ]
        if told:
            bind.execute(sa.insert(words), told)
        called = [{"key": row.id, "digits": phone_key(row.phone)} for row in found if row.phone]
        if called:
            change = sa.update(returns).where(returns.c.id == sa.bindparam("key"))
            bind.execute(change.values(phone_key=sa.bindparam("digits")), called)


def found_orders() -> None:
    """Orders are found by what a customer can say: the end of a phone number, any word of a name, a postcode."""
    op.create_table(
        "order_words",
        sa.Column("merchant_id", sa.Uuid(), nullable=False),
        sa.Column("word", sa.String(60), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id", "order_id"],
            ["orders.merchant_id", "orders.id"],
            name="fk_order_words_merchant_id_order_id",
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="fk_order_words_merchant_id"),
        sa.PrimaryKeyConstraint("merchant_id", "word", "order_id", name="pk_order_words"),
    )
    op.create_index("ix_order_words_order", "order_words", ["order_id"], unique=False)
    op.create_index("ix_orders_postcode", "orders", ["merchant_id", "postcode"], unique=False)
    op.create_index("ix_returns_drafts", "returns", ["created_by", "state", "id"], unique=False)
    if op.get_bind().dialect.name == "postgresql":  # ranges of prefixes need the order of the bytes
        op.execute('ALTER TABLE order_words ALTER COLUMN word TYPE VARCHAR(60) COLLATE "C"')
    backfill_orders()


def backfill_orders() -> None:
    """Keys and words of the orders that are here, a few thousand at a time."""
    from portal.core.keys import name_words, phone_key

    connection = op.get_bind()
    orders = sa.table(
        "orders",
        *(sa.column(name, sa.Uuid()) for name in ("id", "merchant_id")),
        *(sa.column(name, sa.String()) for name in ("name", "phone", "phone_key")),
    )
    words = sa.table(
        "order_words",
        *(sa.column(name, sa.Uuid()) for name in ("merchant_id", "order_id")),
        sa.column("word", sa.String()),
    )
    last = UUID(int=0)
    while True:
        wanted = (
            sa.select(orders.c.id, orders.c.merchant_id, orders.c.name, orders.c.phone)
            .where(orders.c.id > last)
            .order_by(orders.c.id)
            .limit(5000)
        )
        rows = connection.execute(wanted).all()
        if not rows:
            return
        last = rows[-1].id
        keys = [{"row": row.id, "key": phone_key(row.phone)} for row in rows if row.phone]
        found = [
            {"merchant_id": row.merchant_id, "order_id": row.id, "word": word}
            for row in rows
            for word in name_words(row.name)
        ]
        if keys:
            changed = sa.update(orders).where(orders.c.id == sa.bindparam("row"))
            connection.execute(changed.values(phone_key=sa.bindparam("key")), keys)
        if found:
            connection.execute(sa.insert(words), found)


def downgrade() -> None:
    raise RuntimeError("what was written down is not forgotten: go back by restoring the backup made before")

"""A database of an earlier version, with rows in it, comes to this one and keeps what it holds."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import db
from portal.services.proofs import verifying

MERCHANT, ORDER, PAYMENT, REFUND, PAYOUT = (f"{number:032x}" for number in range(1, 6))
AT = "2026-11-21 12:00:00.000000"
ROWS = (
    f"INSERT INTO merchants VALUES ('{MERCHANT}', 'shop', 'Shop', 'green', 'en', 'DE', 'EUR', 'Europe/Berlin',"
    f" 'shop@example.com', '{{}}', NULL, '{AT}')",
    "INSERT INTO orders (id, merchant_id, source, external_id, number, number_key, currency, placed_at, state,"
    " prices_include_tax, customer_ref, email, name, phone, language, country, postcode, address, differs_minor,"
    f" notes, digest, imported_at, version) VALUES ('{ORDER}', '{MERCHANT}', 'csv', '1', '1',"
    f" '1', 'EUR', '{AT}', 'confirmed', true, '', '', '', '', '', '', '', '{{}}', 0, '[]', '', '{AT}', 1)",
    "INSERT INTO payments (id, merchant_id, provider, reference, tender, label, currency, captured_minor,"
    f" refunded_minor) VALUES ('{PAYMENT}', '{MERCHANT}', 'sandbox', 'c-1', 'card', '', 'EUR', 1000, 400)",
    "INSERT INTO refunds (id, merchant_id, order_id, number, state, currency, amount_minor, breakdown, reason,"
    f" created_at, created_by_name, error, version) VALUES ('{REFUND}', '{MERCHANT}', '{ORDER}', 'R-1', 'pending',"
    f" 'EUR', 400, '{{}}', '', '{AT}', '', '', 1)",
    "INSERT INTO payouts (id, merchant_id, refund_id, payment_id, state, amount_minor, currency, provider,"
    f" provider_reference, key, attempts, error, created_at) VALUES ('{PAYOUT}', '{MERCHANT}', '{REFUND}', '{PAYMENT}',"
    f" 'pending', 400, 'EUR', 'sandbox', 're-1', 'k', 1, '', '{AT}')",
)  # fmt: skip


@pytest.fixture
def first_version(app: Flask) -> Flask:
    """The same database, emptied and brought to the first version only, with one refund on its way."""
    import flask_migrate

    with app.app_context():
        with db.engine.connect() as connection:
            everything = sa.MetaData()
            everything.reflect(connection)
        with db.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql("CREATE SCHEMA public")
            else:
                connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
                for table in reversed(list(everything.tables)):
                    connection.exec_driver_sql(f'DROP TABLE "{table}"')
        flask_migrate.upgrade(revision="20261121_first")
        with db.engine.begin() as connection:
            for row in ROWS:
                connection.exec_driver_sql(row)
    return app


def test_an_upgrade_keeps_every_row_and_every_guard(first_version: Flask) -> None:
    done = first_version.test_cli_runner().invoke(args=["upgrade"])
    assert done.exit_code == 0, done.output
    with first_version.app_context():
        with db.engine.connect() as connection:
            kept = connection.exec_driver_sql("SELECT state, amount_minor, bank_reference FROM payouts").one()
            assert tuple(kept) == ("pending", 400, "")
            assert connection.exec_driver_sql("SELECT disputed_minor FROM payments").scalar_one() == 0
        for forbidden in (
            "UPDATE payouts SET state = 'lost in the post'",
            "UPDATE payouts SET amount_minor = 0",
            "UPDATE payments SET refunded_minor = 1001",
            "UPDATE payments SET disputed_minor = 601",
            "DELETE FROM refunds",
        ):
            with pytest.raises(sa.exc.IntegrityError), db.engine.begin() as connection:
                connection.exec_driver_sql(forbidden)


def insert(connection: sa.Connection, table: str, **values: Any) -> None:
    """A row of a table as it is at that version; what is not told is blank."""
    known = sa.Table(table, sa.MetaData(), autoload_with=connection)
    sqlite = connection.dialect.name == "sqlite"
    row: dict[str, Any] = {}
    for column in known.columns:
        blank: Any = None
        if column.name in values:
            blank = values[column.name]
        elif column.nullable:
            continue
        elif isinstance(column.type, sa.JSON):
            blank = []
        elif isinstance(column.type, sa.Boolean):
            blank = False
        elif isinstance(column.type, sa.Integer):
            blank = 0
        elif isinstance(column.type, sa.DateTime):
            blank = datetime(2026, 11, 21, 12, tzinfo=UTC)
        elif isinstance(column.type, sa.String):
            blank = ""
        if isinstance(blank, UUID) and sqlite:
            blank = blank.hex
        row[column.name] = blank
    connection.execute(sa.insert(known).values(row))


def test_stock_begins_to_know_what_is_still_to_be_sent_and_what_is_coming_back(first_version: Flask) -> None:
    from portal.services.stockroom import stock

    shop, order, policy = UUID(MERCHANT), UUID(ORDER), UUID(int=20)
    with first_version.app_context(), db.engine.begin() as connection:
        insert(connection, "policies", id=policy, merchant_id=shop, version=1, terms={})
        for place, (sku, kind, units, sent, canceled, parent) in enumerate(
            (
                ("MUG", "merchandise", 5, 1, 1, None),
                ("MUG", "merchandise", 2, 0, 0, None),
                ("TEA", "merchandise", 2, 2, 0, None),
                ("PLAN", "service", 1, 0, 0, None),
                ("SET", "merchandise", 1, 0, 0, None),
                ("CUP", "merchandise", 1, 0, 0, UUID(int=105)),
            ),
            1,
        ):
            insert(
                connection, "order_lines", id=UUID(int=100 + place), merchant_id=shop, order_id=order, sku=sku,
                kind=kind, units=units, shipped_units=sent, canceled_units=canceled, external_id=str(place),
                number=place, unit_price="1", goods_minor=0 if sku == "SET" else 100, parent_id=parent,
            )  # fmt: skip
        for place, (state, authorized, received) in enumerate(
            (("approved", 2, 0), ("partially_received", 3, 1), ("requested", 0, 0), ("expired", 2, 0)), 1
        ):
            returned = UUID(int=200 + place)
            insert(
                connection, "returns", id=returned, merchant_id=shop, policy_id=policy, state=state,
                kind="return", number=f"R-{place}", currency="EUR", version=1,
            )  # fmt: skip
            insert(
                connection, "return_lines", id=UUID(int=300 + place), merchant_id=shop, return_id=returned,
                units=3, name="Hat", authorized_units=authorized, received_units=received,
            )  # fmt: skip
        for table, bucket in (("stock_movements", "delta"), ("stock_levels", "units")):
            insert(
                connection, table, id=UUID(int=400), merchant_id=shop, sku="Hat", location="main",
                bucket="quarantine", **{bucket: 1}, why="return_received", return_line_id=UUID(int=302),
            )  # fmt: skip
    done = first_version.test_cli_runner().invoke(args=["upgrade"])
    assert done.exit_code == 0, done.output
    with first_version.app_context():
        assert verifying.run().problems == []
        assert stock.levels(shop, ["MUG", "TEA", "PLAN", "SET", "CUP", "Hat"]) == {
            "MUG": {"reserved": 5},
            "CUP": {"reserved": 1},
            "Hat": {"expected": 4, "quarantine": 1},
        }


def test_what_happened_before_there_was_a_chain_is_chained_as_it_was_written(first_version: Flask) -> None:
    """Two shops whose rows lie among each other, and one to which nothing happened."""
    from portal.core.access import SYSTEM
    from portal.db import history
    from portal.services.proofs import verifying_history

    shops = {"shop": UUID(MERCHANT), "second": UUID(int=31), "silent": UUID(int=32)}
    with first_version.app_context(), db.engine.begin() as connection:
        for slug in ("second", "silent"):
            insert(connection, "merchants", id=shops[slug], slug=slug, name=slug)
        for number in range(1, 8):
            insert(
                connection, "history", id=UUID(int=5000 + number), what="return.updated", actor_kind="person",
                merchant_id=shops["second" if number % 3 == 0 else "shop"], subject_id=UUID(int=900 + number),
                at=datetime(2026, 11, 21, 12, number, 0, 123456, tzinfo=UTC), actor_name="Zoë Demo",
                actor_id=UUID(int=7) if number % 2 else None, details={"step": "lines", "n": number, "é": ["ü", None]},
            )  # fmt: skip
    done = first_version.test_cli_runner().invoke(args=["upgrade"])
    assert done.exit_code == 0, done.output
    with first_version.app_context():
        rows = db.session.scalars(sa.select(history.Happening).order_by(history.Happening.id)).all()
        assert [(row.merchant_id, row.sequence) for row in rows] == [
            (shops["shop"], 1), (shops["shop"], 2), (shops["second"], 1), (shops["shop"], 3), (shops["shop"], 4),
            (shops["second"], 2), (shops["shop"], 5),
        ]  # fmt: skip
        found = {one.slug: (one.sequence, one.problem) for one in verifying_history.verify()}
        assert found == {"shop": (5, ""), "second": (2, ""), "silent": (0, "")}
        db.session.rollback()
        for shop in shops.values():
            history.record(SYSTEM, "policy.published", merchant_id=shop, subject_id=shop, now=rows[0].at)
        db.session.commit()
        found = {one.slug: (one.sequence, one.problem) for one in verifying_history.verify()}
        assert found == {"shop": (6, ""), "second": (3, ""), "silent": (1, "")}
        db.session.rollback()
        for forbidden in ("UPDATE history SET what = 'x'", "DELETE FROM history"):
            with pytest.raises(sa.exc.DBAPIError), db.engine.begin() as connection:
                connection.exec_driver_sql(forbidden)

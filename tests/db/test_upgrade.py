"""A database of an earlier version, with rows in it, comes to this one and keeps what it holds."""

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.db.base import db

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

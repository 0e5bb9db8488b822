"""The books: what is seeded wrong is found; what must not change cannot; what is too much the database refuses."""

import json

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from portal.services import audit, payouts, refunds
from tests.builders import NOW, a_merchant, a_person, an_item, an_order, came_back


@pytest.fixture
def books(session, gateways):
    """One refund that was paid, one that waits, and everything in order."""
    shop = a_merchant()
    paid, waits = (an_order(gateways, shop, [an_item("MUG", 2, "9.99", tax="3.19")]) for _ in range(2))
    finance = a_person(shop, "finance")
    refund_id = refunds.propose(finance, came_back(gateways, shop, paid, {"MUG": 1}), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    refunds.propose(a_person(shop, "csr"), came_back(gateways, shop, waits), now=NOW)
    session.commit()
    assert audit.verify().problems == []
    return session


BREAKS = {
    "a refund's amount": ("UPDATE refunds SET amount_minor = amount_minor + 1 WHERE state = 'succeeded'", "breakdown"),
    "a refund's line": ("UPDATE refund_lines SET amount_minor = amount_minor - 1", "lines sum to"),
    "a transfer's amount": ("UPDATE payouts SET amount_minor = amount_minor - 1", "transfers sum to"),
    "a transfer's state": ("UPDATE payouts SET state = 'pending', settled_at = NULL", "refunds_payable"),
    "a line's refunded": ("UPDATE order_lines SET refunded_minor = 0", "refunds sum to"),
    "a line's claimed": ("UPDATE order_lines SET claimed_units = 0", "positions"),
    "a line's positions": ("UPDATE order_lines SET claimed_spans = '[]', claimed_units = 0", "does not know"),
    "a payment's refunded": ("UPDATE payments SET refunded_minor = refunded_minor - 1", "its orders say"),
    "a payment's and its share's": (
        "UPDATE payments SET refunded_minor = refunded_minor - 1;"
        "UPDATE order_payments SET refunded_minor = refunded_minor - 1",
        "its refunds hold",
    ),
    "a tax label's refunded": ("UPDATE order_line_taxes SET refunded_minor = 0", "its refunds say"),
    "a refund that vanished": (
        "DELETE FROM refund_lines; DELETE FROM payouts; DELETE FROM refunds",
        "its refunds sum to 0",
    ),
    "a level of stock": ("UPDATE stock_levels SET units = units + 1", "movements say"),
}  # fmt: skip


def test_every_seeded_break_is_found(books):
    for seeded, (statements, expected) in BREAKS.items():
        for statement in statements.split(";"):
            books.execute(sa.text(statement))
        assert any(expected in problem for problem in audit.verify().problems), seeded
        books.rollback()
        assert audit.verify().problems == [], seeded


APPEND_ONLY = ("history", "ledger_transfers", "stock_movements", "policies")


def test_what_happened_is_never_changed_or_deleted(books):
    for table in APPEND_ONLY:
        assert books.scalar(sa.text(f"SELECT count(*) FROM {table}")) > 0
        change = f"UPDATE {table} SET merchant_id = merchant_id"
        for statement in (change, f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="append-only"):
                books.execute(sa.text(statement))
            books.rollback()


TOO_MUCH = (
    "UPDATE order_lines SET refunded_minor = paid_minor + 1",
    "UPDATE order_lines SET refunded_minor = -1",
    "UPDATE order_lines SET claimed_units = units + 1",
    "UPDATE order_lines SET canceled_units = units, claimed_units = 1",
    "UPDATE order_lines SET shipped_units = units + 1",
    "UPDATE order_line_taxes SET refunded_minor = amount_minor + 1",
    "UPDATE payments SET refunded_minor = captured_minor + 1",
    "UPDATE order_payments SET refunded_minor = share_minor + 1",
    "UPDATE return_lines SET received_units = authorized_units + 1",
    "UPDATE return_lines SET accepted_units = received_units, rejected_units = 1",
    "UPDATE return_lines SET refunded_units = received_units + 1",
    "UPDATE payouts SET amount_minor = 0",
    "UPDATE refunds SET amount_minor = -1",
    "UPDATE refunds SET state = 'paid twice'",
    "UPDATE returns SET state = 'gone'",
)


def test_the_database_itself_refuses_a_unit_or_a_cent_too_much(books):
    for statement in TOO_MUCH:
        with pytest.raises(IntegrityError):
            books.execute(sa.text(statement))
        books.rollback()


def test_the_command_proves_the_books_and_fails_where_they_are_wrong(books, app):
    runner = app.test_cli_runner()
    well = runner.invoke(args=["verify-ledger", "--json"])
    assert well.exit_code == 0, well.output
    assert json.loads(well.output)["problems"] == [] and json.loads(well.output)["checked"]["refunds"] == 2
    books.execute(sa.text("UPDATE order_lines SET refunded_minor = 0"))
    books.commit()
    broken = runner.invoke(args=["verify-ledger"])
    assert broken.exit_code != 0
    assert "refunds sum to" in broken.output

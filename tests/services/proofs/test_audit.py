"""The books: what is seeded wrong is found; what must not change cannot; what is too much the database refuses."""

import json

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from portal.db.bank import TransferBatch
from portal.db.base import uuid7
from portal.db.gateway import GatewayEvent
from portal.db.orders import OrderPayment, Payment
from portal.db.refunds import Payout, Refund
from portal.ports import GatewayDispute
from portal.services.paying import chargebacks, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, came_back


@pytest.fixture
def books(session, gateways):
    """Refunds that were paid (one as own credit, one disputed), failed, given up and wait; everything in order."""
    shop = a_merchant(slug="proved")
    endings = ("", "", "-fails", "")
    paid, waits, failed, given_up = (
        an_order(
            gateways, shop, [an_item("MUG", 2, "9.99", tax="3.19")], paid=[a_payment("card", ending=ending)]
        )
        for ending in endings
    )
    carded = an_order(
        gateways, shop, [an_item("TEA", 1, "5.00")], paid=[a_payment("gift_card", reference="gc-1")]
    )
    finance = a_person(shop, "finance")

    def refund(order, units=None, *, send=True):
        made = refunds.propose(finance, came_back(gateways, shop, order, units), now=NOW)
        if send:
            payouts.send(made, gateways=gateways, now=NOW)
        return made

    refund(paid, {"MUG": 1})
    refund(failed)
    refund(carded)
    refunds.cancel(finance, refund(given_up, send=False), reason="a mistake", now=NOW)
    refunds.propose(a_person(shop, "csr"), came_back(gateways, shop, waits), now=NOW)
    dispute(session, paid, 500)
    session.commit()
    assert audit.verify().problems == []
    return session


def dispute(session, order, amount):
    payment = session.scalar(
        sa.select(Payment)
        .join(OrderPayment, OrderPayment.payment_id == Payment.id)
        .where(OrderPayment.order_id == order.id)
    )
    told = GatewayDispute(
        reference="dp-1", capture=payment.reference, amount=amount, currency="EUR", state="open", at=NOW
    )
    assert chargebacks.apply(payment.provider, told, now=NOW) == "open"


BREAKS = {
    "a payment's refunded": (
        "UPDATE payments SET refunded_minor = refunded_minor - 1 WHERE refunded_minor > 0",
        "I1",
        "its orders say",
    ),
    "a payment's and its share's": (
        "UPDATE payments SET refunded_minor = refunded_minor - 1 WHERE refunded_minor > 0;"
        "UPDATE order_payments SET refunded_minor = refunded_minor - 1 WHERE refunded_minor > 0",
        "I1",
        "its refunds hold",
    ),
    "what is disputed": ("UPDATE payments SET disputed_minor = 0", "I1", "its chargebacks hold 500"),
    "a chargeback's held part": ("UPDATE chargebacks SET held_minor = 0", "I1", "its chargebacks hold 0"),
    "a line's claimed": ("UPDATE order_lines SET claimed_units = 0", "I2", "positions"),
    "a line's positions": (
        "UPDATE order_lines SET claimed_spans = '[]', claimed_units = 0",
        "I2",
        "does not know",
    ),
    "a line's canceled": (
        "UPDATE order_lines SET canceled_units = canceled_units + 1 WHERE claimed_units < units",
        "I2",
        "units canceled, 0 positions",
    ),
    "positions beyond the line": (
        "UPDATE order_lines SET claimed_spans = '[[7, 8]]', claimed_units = 1 WHERE claimed_units = 1",
        "I2",
        "outside of its",
    ),
    "a unit in two returns": (
        "UPDATE return_lines SET spans = '[[0, 1], [0, 1]]' WHERE spans <> '[]'",
        "I2",
        "the same position",
    ),
    "units that are back": (
        "UPDATE order_lines SET returned_spans = '[[0, 1]]', claimed_spans = '[]', claimed_units = 0",
        "I2",
        "nobody claimed",
    ),
    "a line's refunded": ("UPDATE order_lines SET refunded_minor = 0", "I3", "refunds sum to"),
    "a tax label's refunded": ("UPDATE order_line_taxes SET refunded_minor = 0", "I3", "its refunds say"),
    "what promotions withhold": (
        "UPDATE order_lines SET promotion_minor = 5 WHERE refunded_minor > 0",
        "I3",
        "withheld for promotions",
    ),
    "a whole line at another price": (
        "UPDATE order_lines SET paid_minor = paid_minor + 1 WHERE sku = 'TEA'",
        "I3",
        "all of it came back and 500 of 501",
    ),
    "a refund's amount": (
        "UPDATE refunds SET amount_minor = amount_minor + 1 WHERE state = 'succeeded'",
        "I4",
        "breakdown",
    ),
    "a refund's currency": (
        "UPDATE refunds SET currency = 'USD' WHERE state = 'succeeded'",
        "I4",
        "EUR for refund",
    ),
    "a refund's line": ("UPDATE refund_lines SET amount_minor = amount_minor - 1", "I4", "lines sum to"),
    "a transfer's amount": ("UPDATE payouts SET amount_minor = amount_minor - 1", "I4", "transfers sum to"),
    "a transfer's state": (
        "UPDATE payouts SET state = 'pending', settled_at = NULL WHERE state = 'succeeded'",
        "I4",
        "refunds_payable",
    ),
    "a failure that is none": (
        "UPDATE payouts SET state = 'succeeded', settled_at = created_at WHERE state = 'failed'",
        "I4",
        "should be 1998",
    ),
    "a success without its proof": (
        "UPDATE payouts SET provider_reference = '' WHERE provider = 'sandbox'",
        "I5",
        "names no refund",
    ),
    "a key of another": ("UPDATE payouts SET key = 'x' || key", "I5", "is not its own"),
    "two for one refund of the gateway": (
        "UPDATE payouts SET provider_reference = 'same' WHERE provider = 'sandbox'",
        "I5",
        "transfers claim this one refund",
    ),
    "a transfer nobody looks at": (
        "UPDATE payouts SET state = 'unknown', next_check_at = NULL WHERE provider = 'sandbox'",
        "I5",
        "nobody will look",
    ),
    "a code's balance": (
        "UPDATE credits SET balance_minor = balance_minor + 1",
        "I5",
        "its movements sum to",
    ),
    "a success that is not in history": (
        "UPDATE refunds SET state = 'succeeded' WHERE state = 'failed'",
        "I7",
        "does not say refund.succeeded",
    ),
    "a message that was not promised": ("DELETE FROM mails WHERE event = 'refunded'", "I7", "no message"),
    "a failure nobody was asked about": ("DELETE FROM tasks", "I7", "nobody was asked"),
    "an approval of something else": ("UPDATE refund_approvals SET digest = 'other'", "I7", "something else"),
    "a note over another amount": (
        "UPDATE refunds SET amount_minor = amount_minor + 1 WHERE state = 'succeeded'",
        "L1",
        "it is over",
    ),
    "a note of a refund given up": (
        "UPDATE refunds SET state = 'canceled' WHERE state = 'succeeded'",
        "L1",
        "it was not taken back",
    ),
    "a refund that vanished": (
        "DELETE FROM refund_lines; DELETE FROM payouts; DELETE FROM refund_approvals;"
        "UPDATE order_lines SET promotion_minor = promotion_minor",
        "I3",
        "its refunds sum to 0",
    ),
    "a level of stock": ("UPDATE stock_levels SET units = units + 1", "S1", "movements say"),
}


def broken(session, statements, guarded=()):
    """What is found after ``statements``, with the guards of ``guarded`` tables off; all of it is undone."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    for table in guarded:
        if postgresql:
            session.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        else:
            for verb in ("update", "delete"):
                session.execute(sa.text(f"DROP TRIGGER {table}_no_{verb}"))
    for statement in statements.split(";"):
        session.execute(sa.text(statement))
    found = audit.verify()
    session.rollback()
    return found


def test_every_seeded_break_is_found_under_its_invariant(books):
    for seeded, (statements, invariant, expected) in BREAKS.items():
        found = [str(one) for one in broken(books, statements).breaks if one.invariant == invariant]
        assert any(expected in one for one in found), (seeded, found)
        assert audit.verify().problems == [], seeded


TAMPERED = {
    "an amount": (
        "UPDATE ledger_transfers SET amount_minor = amount_minor + 1 WHERE kind = 'payout_settled'",
        "ledger_transfers",
        "was posted as moved",
    ),
    "what was decided": (
        "UPDATE ledger_transfers SET debit = 'shipping' WHERE debit = 'goods'",
        "ledger_transfers",
        "the breakdown says",
    ),
    "a posting that vanished": (
        "DELETE FROM ledger_transfers WHERE kind = 'payout_settled'",
        "ledger_transfers",
        "was posted as moved",
    ),
    "a currency": ("UPDATE ledger_transfers SET currency = 'USD'", "ledger_transfers", "in EUR"),
    "an entry": (
        "UPDATE ledger_transfers SET kind = 'other' WHERE debit = 'goods'",
        "ledger_transfers",
        "do not belong together",
    ),
    "a reversal": (
        "UPDATE ledger_transfers SET amount_minor = amount_minor + 1 WHERE reverses_id IS NOT NULL",
        "ledger_transfers",
        "not the opposite",
    ),
    "what was reversed": (
        "DELETE FROM ledger_transfers WHERE id IN (SELECT reverses_id FROM ledger_transfers)",
        "ledger_transfers",
        "is not there",
    ),
    "history": (
        "DELETE FROM history WHERE what = 'refund.approved'",
        "history",
        "does not say refund.approved",
    ),
    "a credit's movement": ("DELETE FROM credit_entries", "credit_entries", "its movements sum to 0"),
    "a note's number": (
        "UPDATE credit_notes SET sequence = 9 WHERE sequence = 2",
        "credit_notes",
        "the last is number",
    ),
    "the guard itself": ("SELECT 1", "policies", "nothing refuses to change or delete its rows"),
}


def test_what_is_changed_behind_the_guards_is_found(books):
    for seeded, (statements, table, expected) in TAMPERED.items():
        found = broken(books, statements, [table]).problems
        assert f"I4 table {table}: nothing refuses to change or delete its rows" in found, seeded
        assert any(expected in one for one in found), (seeded, found)
        assert audit.verify().problems == [], seeded


def test_a_batch_that_is_not_its_transfers_is_found(books):
    books.execute(
        sa.insert(TransferBatch).values(
            id=uuid7(), merchant_id=books.scalar(sa.select(Refund.merchant_id).limit(1)),
            number="BT-1", created_by=uuid7(),
            currency="EUR", amount_minor=100, transfers=1, file="demo", digest="not of it", created_at=NOW,
        )
    )  # fmt: skip
    found = audit.verify().problems
    books.rollback()
    assert any("1 transfers over 100, 0 over 0 belong to it" in one for one in found), found
    assert any("not the one that was released" in one for one in found), found


def test_an_event_that_tells_another_amount_and_that_nobody_looked_at_is_found(books):
    payout = books.scalar(sa.select(Payout).where(Payout.provider == "sandbox", Payout.state == "succeeded"))
    books.execute(
        sa.insert(GatewayEvent).values(
            id=uuid7(), provider="sandbox", event_id="ev-1", kind="refund", key=payout.key, currency="EUR",
            amount_minor=payout.amount_minor + 1, state="succeeded", at=NOW, received_at=NOW, handled_at=NOW,
        )
    )  # fmt: skip
    found = audit.verify().problems
    books.rollback()
    assert any("told by the gateway" in one for one in found), found


def test_a_cent_over_what_was_captured_is_found_where_no_constraint_is_left(books):
    if books.get_bind().dialect.name == "postgresql":
        guards = books.scalars(
            sa.text(
                "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 'payments'::regclass"
            )
        ).all()
        for guard in guards:
            books.execute(sa.text(f"ALTER TABLE payments DROP CONSTRAINT {guard}"))
    else:
        books.execute(sa.text("PRAGMA ignore_check_constraints = ON"))
    try:
        found = broken(books, "UPDATE payments SET refunded_minor = captured_minor WHERE disputed_minor > 0")
    finally:
        if books.get_bind().dialect.name == "sqlite":
            books.execute(sa.text("PRAGMA ignore_check_constraints = OFF"))
    assert any("refunded and 500 disputed of 1998" in one for one in found.problems), found.problems


APPEND_ONLY = ("history", "ledger_transfers", "stock_movements", "policies", "credit_entries", "credit_notes")


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
    assert json.loads(well.output)["problems"] == [] and json.loads(well.output)["checked"]["refunds"] == 5
    books.execute(sa.text("UPDATE order_lines SET refunded_minor = 0"))
    books.commit()
    broken = runner.invoke(args=["verify-ledger"])
    assert broken.exit_code == 1
    assert "refunds sum to" in broken.output
    told = json.loads(runner.invoke(args=["verify-ledger", "--json"]).output)
    assert {one["invariant"] for one in told["breaks"]} == {"I3"}
    assert broken.output.splitlines()[0] == told["problems"][0]


def test_the_first_break_is_told_first_and_a_second_run_says_the_same(books, app):
    books.execute(sa.text("UPDATE payments SET disputed_minor = 0"))
    books.execute(sa.text("UPDATE order_lines SET refunded_minor = 0"))
    books.execute(sa.text("UPDATE stock_levels SET units = units + 1"))
    books.commit()
    runner = app.test_cli_runner()
    for how in ((), ("--json",)):
        first, second = (runner.invoke(args=["verify-ledger", *how]) for _ in range(2))
        assert first.output == second.output and first.exit_code == 1
    lines = runner.invoke(args=["verify-ledger"]).output.splitlines()
    assert [line.split()[0] for line in lines if line[0] in "ILS" and line[1].isdigit()] == sorted(
        line.split()[0] for line in lines if line[0] in "ILS" and line[1].isdigit()
    )
    assert lines[0].startswith("I1 payment")


def test_the_number_of_queries_does_not_grow_with_the_books(books, gateways):
    def queries():
        counted = []
        listener = lambda *_: counted.append(1)  # noqa: E731
        sa.event.listen(books.get_bind(), "before_cursor_execute", listener)
        try:
            assert audit.verify().problems == []
        finally:
            sa.event.remove(books.get_bind(), "before_cursor_execute", listener)
        return len(counted)

    before = queries()
    shop = a_merchant()
    for _ in range(5):
        made = refunds.propose(
            a_person(shop, "finance"), came_back(gateways, shop, an_order(gateways, shop)), now=NOW
        )
        payouts.send(made, gateways=gateways, now=NOW)
    assert queries() <= before + 2

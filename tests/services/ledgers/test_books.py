"""Balances of an order, a payment and a period; reversals that name what they reverse; nothing is ever rewritten."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from portal.core.access import NotAllowed, NotFound
from portal.core.refunds import ledger
from portal.db.base import transaction
from portal.db.orders import OrderPayment
from portal.db.refunds import Transfer
from portal.services.ledgers import books
from portal.services.paying import payouts, settling
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, came_back


@pytest.fixture
def shop(session):
    return a_merchant(slug="books")


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def refunded(shop, finance, gateways, session):
    """Makes a refund of an order over 19.98 with 3.19 tax, and pays it; answers (order, refund id)."""

    def make(*, now=NOW, send=True, **order):
        made = an_order(gateways, shop, [an_item("MUG", 2, "9.99", tax="3.19")], **order)
        refund_id = refunds.propose(finance, came_back(gateways, shop, made), now=now)
        if send:
            payouts.send(refund_id, gateways=gateways, now=now)
        session.rollback()
        return made, refund_id

    return make


COLUMNS = tuple(column.name for column in Transfer.__table__.c)


def told(balances):
    return {(one.account, one.currency): one.amount for one in balances}


PAID = {
    ("goods", "EUR"): 1679,
    ("tax:MUG tax", "EUR"): 319,
    ("refunds_payable", "EUR"): 0,
    ("clearing:sandbox", "EUR"): -1998,
}


def named(balances):
    """With the one tax label of the builders' orders under the name used here."""
    return {
        ("tax:MUG tax" if a.startswith("tax:") else a, c): amount for (a, c), amount in told(balances).items()
    }


def test_an_order_has_its_own_balance(shop, finance, refunded):
    made, _ = refunded()
    refunded()
    assert named(books.balance(finance, shop, order_id=made.id)) == PAID
    whole = named(books.balance(finance, shop))
    assert whole == {key: 2 * amount for key, amount in PAID.items()}


def test_what_is_decided_and_not_paid_is_payable(shop, finance, refunded):
    made, _ = refunded(send=False)
    found = told(books.balance(finance, shop, order_id=made.id))
    assert found["refunds_payable", "EUR"] == -1998 and ("clearing:sandbox", "EUR") not in found


def test_a_payment_has_the_balance_of_what_moved_to_it(shop, finance, refunded, session):
    made, _ = refunded(paid=[a_payment("gift_card", "5.00"), a_payment("card")])
    moved = {}
    for payment_id in session.scalars(
        sa.select(OrderPayment.payment_id).where(OrderPayment.order_id == made.id)
    ):
        found = told(books.balance(finance, shop, payment_id=payment_id))
        moved[payment_id] = -sum(
            amount for (account, _), amount in found.items() if account != "refunds_payable"
        )
    assert sum(moved.values()) in (0, 1498, 1998) and len(moved) == 2


def test_a_period_is_days_of_the_shop_with_both_ends(shop, finance, refunded):
    refunded(now=NOW.replace(hour=21, minute=59))  # 23:59 in Hamburg
    refunded(now=NOW.replace(hour=22, minute=0))  # the next day there
    days = [date(2026, 6, 14) + timedelta(days=n) for n in range(4)]
    amounts = [
        told(books.balance(finance, shop, since=day, until=day)).get(("goods", "EUR"), 0) for day in days
    ]
    assert amounts == [0, 1679, 1679, 0]
    assert told(books.balance(finance, shop, since=days[1], until=days[2]))["goods", "EUR"] == 2 * 1679
    assert told(books.balance(finance, shop, since=days[2]))["goods", "EUR"] == 1679
    assert told(books.balance(finance, shop, until=days[1]))["goods", "EUR"] == 1679


def test_every_balance_sums_to_zero_per_currency(shop, finance, gateways, refunded):
    refunded()
    yen = an_order(gateways, shop, [an_item("TEA", 1, "1200")], currency="JPY")
    refunds.propose(finance, came_back(gateways, shop, yen), now=NOW)
    sums = {}
    for one in books.balance(finance, shop):
        sums[one.currency] = sums.get(one.currency, 0) + one.amount
    assert sums == {"EUR": 0, "JPY": 0}


def test_nobody_sees_the_balances_of_another_shop_or_without_the_permission(shop, refunded):
    made, _ = refunded()
    strange = a_merchant()
    with pytest.raises(NotFound):
        books.balance(a_person(strange, "admin"), shop)
    with pytest.raises(NotFound):
        books.balance(a_person(strange, "admin"), strange, order_id=made.id)
    for role in ("csr", "warehouse"):
        with pytest.raises(NotAllowed):
            books.balance(a_person(shop, role), shop)


def rows(session, refund_id):
    session.rollback()
    return session.scalars(
        sa.select(Transfer).where(Transfer.refund_id == refund_id).order_by(Transfer.id)
    ).all()


def test_a_refund_given_up_is_reversed_posting_by_posting(shop, finance, refunded, session):
    made, refund_id = refunded(send=False)
    refunds.cancel(finance, refund_id, reason="a mistake", now=NOW)
    posted = rows(session, refund_id)
    first = [row for row in posted if row.kind == "refund_decided"]
    back = [row for row in posted if row.kind == "refund_canceled"]
    assert {(row.credit, row.debit, row.amount_minor, row.id) for row in first} == {
        (row.debit, row.credit, row.amount_minor, row.reverses_id) for row in back
    }
    assert set(told(books.balance(finance, shop, order_id=made.id)).values()) == {0}
    assert audit.verify().problems == []


def test_nothing_is_reversed_twice(shop, refunded, session):
    _, refund_id = refunded(send=False)
    with transaction():
        assert books.reverse(refund_id, kind="refund_canceled", now=NOW) == 2
        assert books.reverse(refund_id, kind="refund_canceled", now=NOW) == 0
    reversal = next(row for row in rows(session, refund_id) if row.reverses_id)
    again = {name: getattr(reversal, name) for name in COLUMNS} | {"id": refund_id}
    with pytest.raises(IntegrityError):
        session.execute(sa.insert(Transfer).values(**again))
    session.rollback()


def test_a_reversal_can_be_of_one_transfer_and_one_kind(shop, refunded, session):
    _, refund_id = refunded()
    payout = settling.of_refund(refund_id)[0]
    with transaction():
        done = books.reverse(
            refund_id, kind="payout_failed", payout_id=payout.id, kinds=("payout_settled",), now=NOW
        )
    assert done == 1
    assert ledger.payable(books.of_refund(refund_id), "EUR") == 1998


CHANGES = (
    "UPDATE ledger_transfers SET amount_minor = amount_minor + 1",
    "UPDATE ledger_transfers SET debit = 'goods', credit = 'fees'",
    "UPDATE ledger_transfers SET reverses_id = NULL",
    "DELETE FROM ledger_transfers",
)


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_refuses_to_change_or_delete_a_posting(refunded, session, change):
    refunded()
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(sa.text(change))
    session.rollback()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("table", ["ledger_transfers", "credit_notes", "credit_entries", "history"])
def test_a_table_of_the_books_cannot_be_emptied(refunded, session, table):
    refunded()
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(sa.text(f"TRUNCATE {table}"))
    session.rollback()


@pytest.mark.parametrize(
    "broken", [{"amount_minor": 0}, {"amount_minor": -1}, {"credit": "goods", "debit": "goods"}]
)
def test_the_database_refuses_a_posting_that_cannot_balance(refunded, session, broken):
    _, refund_id = refunded()
    row = rows(session, refund_id)[0]
    values = {name: getattr(row, name) for name in COLUMNS} | {"id": refund_id} | broken
    with pytest.raises(IntegrityError):
        session.execute(sa.insert(Transfer).values(**values))
    session.rollback()

"""Many want the same money at once: one gets it, the others are told, and the database refuses what is too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from portal.core.access import Actor
from portal.core.facts import OrderFacts
from portal.db.base import db, uuid7
from portal.db.credits import Credit, CreditEntry
from portal.db.orders import OrderPayment, Payment
from portal.db.refunds import Payout, Refund, Transfer
from portal.services.filing import returns
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.databases import Database
from tests.services import racing_shop as shop
from tests.services.racing import drop_checks, race

# ------------------------------------------------------------------------------------------ what one client does


def propose(_gateways: Any, actor: Actor, return_id: UUID, expected: int | None) -> UUID:
    return refunds.propose(actor, return_id, expected=expected, now=shop.NOW)


def give(_gateways: Any, actor: Actor, return_id: UUID, amount: int) -> UUID:
    return refunds.propose(actor, return_id, goodwill=amount, reason="So much was agreed.", now=shop.NOW)


def give_without_guard(_gateways: Any, actor: Actor, return_id: UUID, amount: int, order: OrderFacts) -> UUID:
    """The guard replaced from here: what was left of the payment is believed as it was read before the race."""
    refunds.read = lambda row, now, lock=False: replace(returns.read(row, now=now), order=order)
    return refunds.propose(actor, return_id, goodwill=amount, reason="So much was agreed.", now=shop.NOW)


def send(gateways: Any, refund_id: UUID) -> None:
    payouts.send(refund_id, gateways=gateways, now=shop.NOW)


def approve(_gateways: Any, actor: Actor, refund_id: UUID) -> str:
    refunds.approve(actor, refund_id, now=shop.NOW)
    return "approved"


# ------------------------------------------------------------------------------------------------- one payment


@pytest.fixture
def merchant(session: Session) -> UUID:
    return shop.open_shop(terms=replace(shop.TERMS, goodwill_cap=100_00))


def hundred(merchant: UUID, gateways: Any, clients: int) -> list[tuple[Actor, UUID]]:
    """One card captured 100.00; so many returns of the order, each of which may be given all that is left."""
    order = shop.take_order(merchant, "M-100", {"PIN": (40, "2.50")}, gateways)
    person = shop.agent(merchant)
    ready = [shop.draft(person, merchant, order, {"PIN": 1}, gateways) for _ in range(clients)]
    for one in ready:
        shop.confirm(person, one)
    return [(person, one) for one in ready]


def taken() -> tuple[int, int]:
    """What the payment's counter says, and what its transfers sum to."""
    db.session.rollback()
    counted = db.session.scalar(sa.select(Payment.refunded_minor)) or 0
    return counted, db.session.scalar(sa.select(sa.func.sum(Payout.amount_minor))) or 0


@pytest.mark.parametrize(
    ("clients", "amount", "fit"),
    [(2, 6000, 1), (32, 6000, 1), (12, 1001, 9)],
    ids=["2x60", "32x60", "12x10.01"],
)
def test_hyperswitch_13182_of_a_hundred_no_more_than_a_hundred_goes_back(
    database: Database, merchant: UUID, gateways: Any, clients: int, amount: int, fit: int
) -> None:
    racers = hundred(merchant, gateways, clients)
    outcome = race(database, give, [(*racer, amount) for racer in racers])
    assert outcome.errors == []
    assert (len(outcome.answers), outcome.conflicts) == (fit, {"too_much": clients - fit})
    assert taken() == (fit * amount, fit * amount)
    assert audit.verify().problems == []


def test_without_the_guard_more_than_a_hundred_goes_back(
    database: Database, merchant: UUID, gateways: Any
) -> None:
    """The control: the race is real, the checks of the tables would have stopped it, and the audit sees it."""
    racers = hundred(merchant, gateways, 8)
    seen = returns.page(*racers[0], now=shop.NOW).order
    assert seen is not None
    outcome = race(database, give_without_guard, [(*racer, 6000, seen) for racer in racers])
    assert (outcome.errors, len(outcome.answers), outcome.conflicts) == ([], 1, {"too_much": 7})
    drop_checks(database, "payments", "refunded_captured", "disputed_captured")
    drop_checks(database, "order_payments", "refunded_share")
    outcome = race(database, give_without_guard, [(*racer, 6000, seen) for racer in racers[:4]])
    assert outcome.errors == []
    assert len(outcome.answers) > 1
    assert taken()[0] > 10_000
    assert audit.verify().problems != []


def test_one_return_is_refunded_once_whoever_asks(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    order = shop.take_order(merchant, "R-3", {"MUG": (3, "14.50")}, gateways)
    person = shop.agent(merchant)
    back = shop.draft(person, merchant, order, {"MUG": 2}, gateways)
    shop.came_back(person, back)
    outcome = race(database, propose, [(person, back, 2900 if n % 2 else None) for n in range(8)])
    assert outcome.errors == []
    assert len(outcome.answers) == 1
    assert set(outcome.conflicts) <= {"nothing_to_refund", "amount_changed", "too_much"}
    assert sum(outcome.conflicts.values()) == 7
    db.session.rollback()
    assert db.session.scalars(sa.select(Refund.amount_minor)).all() == [2900]
    assert audit.verify().problems == []


def test_saleor_19812_a_refund_that_many_release_at_once_is_released_once(
    database: Database, merchant: UUID, gateways: Any
) -> None:
    order = shop.take_order(merchant, "R-10", {"MUG": (2, "14.50")}, gateways, endings=("", ""))
    agent = shop.agent(merchant, "csr")
    back = shop.draft(agent, merchant, order, {"MUG": 2}, gateways)
    shop.came_back(agent, back)
    proposed = refunds.propose(agent, back, now=shop.NOW)
    outcome = race(database, approve, [(shop.agent(merchant, "finance"), proposed)] * 12)
    assert (outcome.errors, outcome.conflicts, outcome.answers) == ([], {}, ["approved"] * 12)
    db.session.rollback()
    assert sorted(db.session.scalars(sa.select(Payout.amount_minor))) == [1450, 1450]
    decided = sa.select(sa.func.count(sa.distinct(Transfer.entry_id))).where(
        Transfer.kind == "refund_decided"
    )
    assert db.session.scalar(decided) == 1
    assert audit.verify().problems == []


def test_eventyay_1405_a_gift_card_is_filled_once_by_workers_that_send_at_once(
    database: Database, merchant: UUID, gateways: Any
) -> None:
    """Our own ledger, without any gateway that would know the key: the transaction is the only guard."""
    order = shop.take_order(merchant, "R-11", {"MUG": (2, "14.50")}, gateways, tender="gift_card")
    person = shop.agent(merchant)
    refund = shop.refunded(person, shop.draft(person, merchant, order, {"MUG": 2}, gateways))
    outcome = race(database, send, [(refund,)] * 8)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    db.session.rollback()
    assert db.session.scalars(sa.select(CreditEntry.amount_minor)).all() == [2900]
    assert db.session.scalars(sa.select(Credit.balance_minor)).all() == [2900]
    assert db.session.scalars(sa.select(Payout.state)).all() == ["succeeded"]
    assert audit.verify().problems == []


def test_returns_of_one_order_are_never_refunded_more_than_was_paid(
    database: Database, session: Session, merchant: UUID, gateways: Any
) -> None:
    order = shop.take_order(merchant, "R-4", {"POT": (8, "9.99")}, gateways, endings=("", ""))
    person = shop.agent(merchant)
    back = [shop.draft(person, merchant, order, {"POT": 1}, gateways) for _ in range(8)]
    for one in back:
        shop.came_back(person, one)
    outcome = race(database, propose, [(person, one, None) for one in back])
    assert (outcome.errors, outcome.conflicts) == ([], {})
    db.session.rollback()
    assert db.session.scalar(sa.select(sa.func.sum(Refund.amount_minor))) == 7992
    for kept in (
        Payment.captured_minor - Payment.refunded_minor,
        OrderPayment.share_minor - OrderPayment.refunded_minor,
    ):
        assert set(db.session.scalars(sa.select(kept))) == {0}
    assert audit.verify().problems == []


# -------------------------------------------------------------------------------------- the database's last word


TOO_MUCH = (
    "UPDATE order_lines SET claimed_units = units + 1",
    "UPDATE order_lines SET claimed_units = -1",
    "UPDATE order_lines SET refunded_minor = paid_minor + 1",
    "UPDATE order_lines SET canceled_units = 1, claimed_units = units",
    "UPDATE payments SET refunded_minor = captured_minor + 1",
    "UPDATE payments SET refunded_minor = -1",
    "UPDATE payments SET disputed_minor = captured_minor - refunded_minor + 1",
    "UPDATE payments SET disputed_minor = captured_minor, refunded_minor = 1",
    "UPDATE payments SET disputed_minor = -1",
    "UPDATE payments SET captured_minor = refunded_minor - 1",
    "UPDATE order_payments SET refunded_minor = share_minor + 1",
    "UPDATE return_lines SET refunded_units = received_units + 1",
    "UPDATE return_lines SET received_units = authorized_units + 1",
    "UPDATE return_lines SET authorized_units = units + 1",
    "UPDATE payouts SET amount_minor = 0",
    "UPDATE credits SET balance_minor = balance_minor + issued_minor + 1",
    "UPDATE credits SET balance_minor = -1",
    "UPDATE credit_entries SET amount_minor = amount_minor + 1",
    "DELETE FROM credit_entries",
    "UPDATE refunds SET amount_minor = -1",
    "UPDATE refunds SET state = 'paid'",
    "UPDATE ledger_transfers SET amount_minor = amount_minor + 1",
    "DELETE FROM ledger_transfers",
)


def test_the_database_itself_refuses_too_much(session: Session, merchant: UUID, gateways: Any) -> None:
    order = shop.take_order(merchant, "R-8", {"PEN": (2, "3.00")}, gateways, tender="gift_card")
    person = shop.agent(merchant)
    send(gateways, shop.refunded(person, shop.draft(person, merchant, order, {"PEN": 1}, gateways)))
    db.session.rollback()
    for statement in TOO_MUCH:
        with pytest.raises(DBAPIError), db.engine.begin() as connection:
            connection.execute(sa.text(statement))
    assert audit.verify().problems == []


SMUGGLED = """
INSERT INTO payouts (id, merchant_id, refund_id, payment_id, state, amount_minor, currency, provider,
    provider_reference, key, attempts, error, created_at, destination, bank_reference)
SELECT :id, merchant_id, refund_id, payment_id, 'planned', amount_minor, currency, provider,
    '', 'smuggled', 0, '', created_at, destination, bank_reference FROM payouts
"""


def test_a_transfer_that_no_refund_decided_is_found_by_verify_ledger(
    session: Session, merchant: UUID, gateways: Any
) -> None:
    """What no single row can refuse is found by whoever adds the rows up."""
    order = shop.take_order(merchant, "R-12", {"PEN": (2, "3.00")}, gateways)
    person = shop.agent(merchant)
    shop.refunded(person, shop.draft(person, merchant, order, {"PEN": 1}, gateways))
    assert audit.verify().problems == []
    db.session.rollback()
    with db.engine.begin() as connection:
        made = sa.text(SMUGGLED).bindparams(sa.bindparam("id", uuid7(), type_=sa.Uuid))
        connection.execute(made)
    assert audit.verify().problems != []

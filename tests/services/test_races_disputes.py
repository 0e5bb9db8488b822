"""Accepted and taken back at the same moment, or accepted by many at once: one wins, and is paid once."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from portal.core.access import Actor
from portal.db.base import db
from portal.db.orders import Payment
from portal.db.returns import Return
from portal.services import disputes
from portal.services.paying import chargebacks
from portal.services.proofs import audit
from tests.databases import Database
from tests.services.dispute_world import NOW, a_place
from tests.services.racing import race


def answer(_gateways: Any, what: str, actor: Actor, dispute: UUID, offer: UUID) -> str:
    if what == "accept":
        disputes.accept(actor, dispute, offer, now=NOW)
    elif what == "run out":
        disputes.look_after(now=NOW + timedelta(days=7))
    elif what == "counter":
        disputes.counter(actor, dispute, offer, 1800, now=NOW)
    elif what == "escalate":
        disputes.escalate(actor, dispute, because="Not mine.", now=NOW)
    else:
        disputes.withdraw_offer(actor, dispute, offer, now=NOW)
    return what


def disputed(gateways: Any, amount: int) -> Any:
    """What the gateway tells of a chargeback at the one payment there is."""
    sandbox = gateways.payments["sandbox"]
    sandbox.dispute(db.session.scalars(sa.select(Payment)).one().reference, amount)
    (told,) = sandbox.disputes_since(NOW - timedelta(days=400))
    return told


def bank_or_customer(
    _gateways: Any, told: Any, actor: Actor | None, dispute: UUID | None, offer: UUID | None
) -> str:
    if actor is None or dispute is None or offer is None:
        return chargebacks.apply("sandbox", told, now=NOW)
    disputes.accept(actor, dispute, offer, now=NOW)
    return "accepted"


def test_accepted_and_taken_back_at_once_has_one_winner(app: Flask, database: Database) -> None:
    with app.app_context():
        place = a_place(app)
        dispute = place.contested()
        return_id = place.one(dispute).return_id
        offer = disputes.offer(place.person(), dispute, 1500, now=NOW)
        customer, person = place.customer(return_id), place.person()
        clients = [("accept", customer, dispute, offer), ("withdraw", person, dispute, offer)] * 2
        ended = race(database, answer, clients)
        found = place.one(dispute)
        assert ended.errors == []
        if found.settled:
            assert set(ended.answers) == {"accept"} and len(place.refunds(return_id)) == 2
        else:
            assert set(ended.answers) == {"withdraw"} and len(place.refunds(return_id)) == 1
        assert ended.conflicts == {"offer_answered": 2}
        assert not audit.verify().problems


def test_an_offer_accepted_by_many_at_once_is_paid_once(app: Flask, database: Database) -> None:
    with app.app_context():
        place = a_place(app)
        dispute = place.contested()
        return_id = place.one(dispute).return_id
        offer = disputes.offer(place.person(), dispute, 1500, now=NOW)
        ended = race(database, answer, [("accept", place.customer(return_id), dispute, offer)] * 4)
        assert ended.errors == [] and ended.answers == ["accept"] * 4
        assert [refund.amount_minor for refund in place.refunds(return_id)] == [8000, 1500]
        assert not audit.verify().problems


def test_accepted_as_it_runs_out_is_paid_or_over_and_never_both(app: Flask, database: Database) -> None:
    with app.app_context():
        place = a_place(app)
        dispute = place.contested()
        return_id = place.one(dispute).return_id
        offer = disputes.offer(place.person(), dispute, 1500, now=NOW)
        customer, person = place.customer(return_id), place.person()
        clients = [("accept", customer, dispute, offer), ("run out", person, dispute, offer)] * 2
        ended = race(database, answer, clients)
        found = place.one(dispute)
        assert ended.errors == []
        if found.settled:
            assert (found.state, len(place.refunds(return_id))) == ("resolved_customer", 2)
        else:
            assert (found.state, len(place.refunds(return_id))) == ("awaiting_merchant", 1)
            assert ended.conflicts == {"offer_expired": 2}
        assert not audit.verify().problems


def test_another_amount_is_asked_for_as_it_is_handed_up(app: Flask, database: Database) -> None:
    with app.app_context():
        place = a_place(app)
        dispute = place.contested()
        return_id = place.one(dispute).return_id
        offer = disputes.offer(place.person(), dispute, 1000, now=NOW)
        customer = place.customer(return_id)
        clients = [("counter", customer, dispute, offer)] * 3 + [("escalate", place.person(), dispute, offer)]
        ended = race(database, answer, clients)
        found = place.one(dispute)
        assert ended.errors == [] and found.state == "escalated"
        states = [one.state for one in found.offers]
        assert states in (["countered", "open"], ["withdrawn"])
        assert ended.conflicts == {"offer_answered": 4 - len(states)}
        if found.waiting is not None:
            disputes.accept(place.person(), dispute, found.waiting.id, now=NOW)
            assert [refund.amount_minor for refund in place.refunds(return_id)] == [8000, 1800]
        assert not audit.verify().problems


def test_accepted_as_the_bank_takes_it_is_paid_or_handed_up(app: Flask, database: Database) -> None:
    with app.app_context():
        place = a_place(app)
        dispute = place.contested()
        return_id = place.one(dispute).return_id
        offer = disputes.offer(place.person(), dispute, 1500, now=NOW)
        told = disputed(place.gateways, 1000)
        yes = (told, place.customer(return_id), dispute, offer)
        ended = race(database, bank_or_customer, [yes, (told, None, None, None)])
        found = place.one(dispute)
        assert ended.errors == [] and "open" in ended.answers
        payment = db.session.scalars(sa.select(Payment).execution_options(populate_existing=True)).one()
        if found.settled:
            assert (payment.refunded_minor, payment.disputed_minor) == (9500, 500)
        else:
            assert (payment.refunded_minor, payment.disputed_minor) == (8000, 1000)
            assert (found.state, ended.conflicts) == ("escalated", {"too_much": 1})
        assert not audit.verify().problems


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_chargeback_that_waits_for_a_contested_return_does_not_hold_its_payment(app: Flask) -> None:
    """Whoever pays a refund holds the return and then wants the payment: the other way round is a ring."""
    with app.app_context():
        place = a_place(app)
        return_id = place.one(place.contested()).return_id
        told, answers = disputed(place.gateways, 1000), []
        db.session.rollback()

        def news() -> None:
            with app.app_context():
                answers.append(chargebacks.apply("sandbox", told, now=NOW))

        bank = threading.Thread(target=news)
        with db.engine.connect() as other, other.begin():
            other.execute(sa.select(Return.id).where(Return.id == return_id).with_for_update())
            bank.start()
            until = time.monotonic() + 20
            waits = sa.text(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            while not other.scalar(waits) and time.monotonic() < until:
                time.sleep(0.02)
            assert other.scalar(waits) == 1 and answers == []
            free = sa.select(Payment.id).with_for_update(nowait=True)
            assert len(other.scalars(free).all()) == 1
        bank.join(30)
        assert answers == ["open"]

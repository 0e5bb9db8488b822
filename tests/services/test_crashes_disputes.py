"""Power cuts while a dispute is settled: before the commit nothing happened, after it all of it, paid once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.db.base import db
from portal.db.refunds import Payout
from portal.services import disputes
from tests import builders
from tests.services import racing
from tests.services.crashing import KILLED, run_worker
from tests.services.dispute_world import NOW, Place, a_place
from tests.services.disputes.test_disputes import mails, offered, sound

BEFORE, AFTER = "before_intent_commit", "after_intent_commit"
BY_WORKER = (
    "before_http",
    "after_http_sent",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
)


@pytest.fixture
def place(app: Any) -> Iterator[Place]:
    with app.app_context():
        yield a_place(app)
        db.session.rollback()


def step_open(_gateways: Any, merchant: UUID, made: UUID, line: UUID) -> None:
    claim = disputes.Claim(
        lines=(disputes.LineClaim(line_id=line, ground="missing_refund"),),
        wanted="full_refund",
        body="Where is it?",
    )
    disputes.open_dispute(builders.a_customer(made, merchant), made, claim, nonce="the-same-form", now=NOW)


def step_accept(_gateways: Any, merchant: UUID, made: UUID, dispute: UUID, offer: UUID) -> None:
    disputes.accept(builders.a_customer(made, merchant), dispute, offer, now=NOW)


def dies(database: Any, step: Callable[..., None], *arguments: Any, point: str) -> None:
    db.session.rollback()
    person = racing.process(racing.once, database, {"FAULT_POINT": f"{point}:1"}, step, *arguments)
    person.join(120)
    assert person.exitcode == KILLED
    db.session.rollback()
    db.session.expire_all()


def paid(place: Place) -> list[int]:
    """What the gateway itself has given back, in the order in which it was asked."""
    assert {one[-1] for one in place.gateways.payments["sandbox"].refunds()} <= {"succeeded"}
    return sorted(one[-2] for one in place.gateways.payments["sandbox"].refunds())


def assert_settled_once(place: Place, made: UUID, dispute: UUID) -> None:
    found = place.one(dispute)
    assert (found.state, found.outcome, found.settled) == ("resolved_customer", "offer_accepted", 1234)
    assert [(one.state, one.amount_minor) for one in place.refunds(made)] == [
        ("succeeded", 8000),
        ("succeeded", 1234),
    ]
    assert place.line().refunded_minor == 9234 and paid(place) == [1234, 8000]
    assert [one.values["dispute"]["what"] for one in mails("dispute_answered")] == ["offer_accepted"]
    assert {one.state for one in mails("dispute_answered")} == {"sent"}
    assert {row.state for row in db.session.scalars(sa.select(Payout))} == {"succeeded"}
    sound(place)


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_yes_that_is_cut_off_settles_whole_or_not_at_all_and_once(
    database: Any, place: Place, point: str
) -> None:
    dispute = place.contested()
    made = place.one(dispute).return_id
    offer = offered(place, dispute, 1234)
    dies(database, step_accept, place.merchant, made, dispute, offer, point=point)
    found = place.one(dispute)
    if point == BEFORE:
        assert found.state == "awaiting_customer" and found.settlement_id is None
        assert found.offers[0].state == "open" and len(place.refunds(made)) == 1
        assert mails("dispute_answered") == []
    else:
        assert found.state == "resolved_customer" and len(place.refunds(made)) == 2
    sound(place)
    step_accept(None, place.merchant, made, dispute, offer)
    assert run_worker(database) == 0
    assert_settled_once(place, made, dispute)


@pytest.mark.parametrize("point", BY_WORKER)
def test_a_worker_that_dies_while_it_pays_a_settlement_pays_it_once(
    database: Any, place: Place, point: str
) -> None:
    dispute = place.contested()
    made = place.one(dispute).return_id
    assert run_worker(database) == 0
    step_accept(None, place.merchant, made, dispute, offered(place, dispute, 1234))
    db.session.rollback()
    assert run_worker(database, "--threads", "1", FAULT_POINT=f"{point}:1") == KILLED
    assert run_worker(database) == 0
    assert_settled_once(place, made, dispute)


@pytest.mark.parametrize("point", [BEFORE, AFTER])
def test_a_dispute_that_is_cut_off_is_opened_once_and_what_nobody_contests_is_paid_once(
    database: Any, place: Place, point: str
) -> None:
    made = place.arrived()
    line = builders.line_ids(made)["LAMP"]
    dies(database, step_open, place.merchant, made, line, point=point)
    assert len(disputes.of_return(place.person(), made)) == (0 if point == BEFORE else 1)
    assert place.refunds(made) == []
    step_open(None, place.merchant, made, line)
    assert run_worker(database) == 0
    (found,) = disputes.of_return(place.person(), made)
    assert found.state == "open" and len(mails("dispute_opened")) == 1
    assert [(one.state, one.amount_minor) for one in place.refunds(made)] == [("succeeded", 8000)]
    assert paid(place) == [8000]
    sound(place)

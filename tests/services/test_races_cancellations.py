"""One cancellation, many who answer it at once: the customer twice, the agent, time, the parcel; one of them counts."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from portal.core.access import Conflict, Stale
from portal.core.lifecycles import IllegalStep
from portal.core.logistics import ToldUnits
from portal.core.policy.verdict import Refused
from portal.db.base import db, transaction
from portal.db.refunds import Refund
from portal.db.returns import Return
from portal.services import cancellations
from portal.services.handling import confirmation
from portal.services.warehousing import fulfilment
from tests.builders import a_customer, a_draft, a_merchant, a_person, as_it_is, fill
from tests.databases import Database
from tests.services.cancelling import NOW, SITE, confirm, goods, line, page, propose, proven, unshipped
from tests.services.racing import race

TOO_LATE = "too late"
REFUSALS = (Conflict, Refused, IllegalStep)


def again(do: Any, *arguments: Any, **more: Any) -> Any:
    """What PostgreSQL gave up for another transaction is done once more, as a second press of the button."""
    for _ in range(30):
        try:
            return do(*arguments, **more)
        except Stale:
            db.session.rollback()
    raise AssertionError("another transaction came first thirty times")


def yes(gateways: Any, shop: UUID, made: UUID, at: Any = NOW) -> str:
    return str(again(confirm, gateways, shop, made, now=at))


def no(_gateways: Any, shop: UUID, made: UUID) -> None:
    again(cancellations.decline, a_customer(made, shop), made, reason="", now=NOW)


def withdraw(_gateways: Any, shop: UUID, made: UUID) -> None:
    again(cancellations.withdraw, a_person(shop, "csr"), made, reason="a mistake", now=NOW)


def expire(_gateways: Any, _shop: UUID, _made: UUID) -> None:
    again(cancellations.expire, now=NOW + timedelta(days=30))


def ship(_gateways: Any, shop: UUID, number: str) -> None:
    again(_ship, shop, number)


def _ship(shop: UUID, number: str) -> None:
    with transaction():
        fulfilment.shipped(shop, number, [ToldUnits(sku="MUG", units=3)], total=True, now=NOW)


def submit(gateways: Any, shop: UUID, order: Any) -> str:
    """The same form of an agent, pressed twice."""
    return str(again(propose, gateways, shop, order, {"MUG": 1}, nonce="one-form"))


def send_back(_gateways: Any, shop: UUID, draft: UUID) -> str:
    return str(again(confirmation.confirm, a_customer(draft, shop), draft, site=SITE, now=NOW))


def do(gateways: Any, step: str, *arguments: Any) -> str:
    """One of the above, or that somebody was faster."""
    steps = {"yes": yes, "no": no, "withdraw": withdraw, "expire": expire, "ship": ship, "back": send_back}
    try:
        return f"{step} {steps[step](gateways, *arguments) or ''}".strip()
    except REFUSALS:
        return TOO_LATE


@pytest.fixture
def shop(session: Session) -> UUID:
    return a_merchant()


def settled(shop: UUID, made: UUID, order: Any) -> str:
    """The state it came to, with everything that belongs to that state and to no other."""
    db.session.rollback()
    db.session.expire_all()
    state = page(shop, made).state
    refunds = db.session.scalars(sa.select(Refund.state).where(Refund.return_id == made)).all()
    found = line(order)
    assert found.held == ()
    if state == "confirmed":
        assert len(refunds) == 1 and found.canceled == ((0, 2),)
    else:
        assert set(refunds) <= {"canceled"} and found.canceled == ()
    assert proven() == []
    return str(state)


def test_a_yes_pressed_by_many_is_one_yes(database: Database, shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    outcome = race(database, yes, [(shop, made)] * 16)
    assert (outcome.errors, outcome.conflicts) == ([], {}) and set(outcome.answers) == {"confirmed"}
    assert settled(shop, made, order) == "confirmed"


@pytest.mark.parametrize("other", ["no", "withdraw", "expire"])
def test_yes_or_no_one_answer_counts(database: Database, shop: UUID, gateways: Any, other: str) -> None:
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    outcome = race(database, do, [(("yes" if n % 2 else other), shop, made) for n in range(16)])
    assert (outcome.errors, outcome.conflicts) == ([], {})
    expected = {"no": "declined", "withdraw": "canceled", "expire": "expired"}[other]
    assert settled(shop, made, order) in ("confirmed", expected)


def test_shipped_or_canceled_and_never_both(database: Database, shop: UUID, gateways: Any) -> None:
    """Without a warehouse that is asked, what was confirmed first stands, and the parcel is a task."""
    order = unshipped(gateways, shop, number="RACED")
    made = propose(gateways, shop, order, {"MUG": 2})
    outcome = race(
        database, do, [("ship", shop, "RACED") if n % 4 == 0 else ("yes", shop, made) for n in range(12)]
    )
    assert (outcome.errors, outcome.conflicts) == ([], {})
    db.session.rollback()
    db.session.expire_all()
    state, found = page(shop, made).state, line(order)
    refunds = db.session.scalars(sa.select(Refund.state).where(Refund.return_id == made)).all()
    if state == "overtaken":
        assert found.canceled == () and found.shipped == 3 and set(refunds) <= {"canceled"}
    else:
        assert state == "confirmed" and found.canceled == ((0, 2),) and len(refunds) == 1
    assert found.held == () and proven() == []


def test_one_form_pressed_by_many_makes_one_proposal(database: Database, shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop)
    outcome = race(database, submit, [(shop, order)] * 12)
    assert (outcome.errors, outcome.conflicts) == ([], {}) and len(set(outcome.answers)) == 1
    made = db.session.scalars(sa.select(Return.id).where(Return.kind == "partial_cancellation")).all()
    assert len(made) == 1 and line(order).held == ((0, 1),) and proven() == []


def test_cancellations_and_returns_of_one_line_share_its_units(
    database: Database, shop: UUID, gateways: Any
) -> None:
    """Six mugs, three sent: whoever comes first, at most three go back and at most three are canceled."""
    order = unshipped(gateways, shop, goods("MUG", 6, "9.35", shipped=3))
    agent = a_person(shop, "supervisor")
    proposals = [propose(gateways, shop, order, {"MUG": 1}) for _ in range(3)]
    drafts = []
    for _ in range(5):
        draft = a_draft(agent, shop, as_it_is(order), now=NOW)
        fill(agent, draft, gateways, order=order, units={"MUG": 1}, now=NOW)
        drafts.append(draft)
    racers = [("yes", shop, made) for made in proposals * 2] + [("back", shop, draft) for draft in drafts]
    outcome = race(database, do, racers)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    counted = Counter(outcome.answers)
    assert counted["yes confirmed"] == 6 and counted["back approved"] + counted["back requested"] == 3
    assert counted[TOO_LATE] == 2
    found = line(order)
    assert (len(found.canceled), sum(end - first for first, end in found.claimed)) == (1, 3)
    assert sum(end - first for first, end in found.canceled) == 3 and proven() == []

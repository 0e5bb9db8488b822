"""An undo against the work that follows from a decision: the customer is told of both, or of neither."""

from __future__ import annotations

import random
import time
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, Stale
from portal.core.links import Site
from portal.core.policy.terms import Terms
from portal.db import returns as stored
from portal.db.base import db
from portal.db.mails import Mail
from portal.db.shipments import Document, Shipment
from portal.services.filing import shipping
from portal.services.handling import deciding
from portal.services.proofs import audit, verifying
from portal.services.talking import notices
from tests.builders import NOW, SITE, a_merchant, a_person, a_return, an_item, an_order
from tests.databases import Database
from tests.services.racing import race

PAIRS = 4


def again(do: Any, *arguments: Any, **more: Any) -> Any:
    """What another transaction got before is done once more, a little later."""
    for tried in range(60):
        try:
            return do(*arguments, **more)
        except Stale:
            db.session.rollback()
            time.sleep(random.uniform(0, 0.02 * (tried + 1)))
    raise AssertionError("another transaction came first sixty times")


def step(gateways: Any, what: str, actor: Actor, subject: UUID) -> tuple[str, str, object]:
    """One of the two that meet: a person who takes it back, or the worker."""
    told: object = None
    if what == "undo":
        told = again(deciding.undo, actor, subject, now=NOW)
    elif what == "label":
        again(shipping.make_label, subject, gateways=gateways, now=NOW)
    else:
        site: Site = SITE
        again(notices.deliver, subject, gateways=gateways, site=site, now=NOW)
    return what, str(subject), told


def given(gateways: Any, *, decline: bool) -> tuple[UUID, Actor, list[UUID]]:
    """Returns of orders of their own, each decided a moment ago."""
    shop = a_merchant(terms=Terms(auto_approve=False, return_postage="merchant"))
    agent = a_person(shop, "supervisor")
    made = []
    for _ in range(PAIRS):
        order = an_order(gateways, shop, [an_item("MUG", 2)])
        back = a_return(gateways, shop, order, {"MUG": 2}, actor=agent)
        row = stored.get(back)
        assert row is not None
        if row.state != "requested":
            deciding.undo(agent, back, now=NOW)
        if decline:
            deciding.decline(agent, back, reason="other", message="No.", now=NOW)
        else:
            deciding.approve(agent, back, now=NOW)
        made.append(back)
    return shop, agent, made


def mails(return_id: UUID) -> dict[str, str]:
    wanted = sa.select(Mail.event, Mail.state).where(Mail.return_id == return_id)
    return {row.event: row.state for row in db.session.execute(wanted)}


def sound() -> None:
    assert audit.verify().breaks == ()
    assert verifying.run().problems == []


def test_an_undo_and_the_label_that_is_being_made(session: Any, gateways: Any, database: Database) -> None:
    _shop, agent, made = given(gateways, decline=False)
    parcels = {
        one: db.session.scalars(
            sa.select(Shipment.id).where(Shipment.return_id == one, Shipment.state != "canceled")
        ).one()
        for one in made
    }
    clients = [("undo", agent, one) for one in made] + [("label", agent, parcels[one]) for one in made]
    outcome = race(database, step, clients, processes=2)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    told = {subject: answer for what, subject, answer in outcome.answers if what == "undo"}
    assert set(told) == {str(one) for one in made}
    db.session.rollback()
    for one in made:
        row, sent = stored.get(one), mails(one)
        assert row is not None and row.state == "requested"
        live = sa.select(Shipment.id).where(Shipment.return_id == one, Shipment.state != "canceled")
        assert db.session.scalars(live).all() == []
        assert db.session.scalars(sa.select(Document.id).where(Document.return_id == one)).all() == []
        assert "approved" not in sent
        assert ("reconsidered" in sent) is told[str(one)]
    sound()


def test_an_undo_and_the_message_that_is_being_sent(session: Any, gateways: Any, database: Database) -> None:
    _shop, agent, made = given(gateways, decline=True)
    letters = {
        one: db.session.scalars(
            sa.select(Mail.id).where(Mail.return_id == one, Mail.event == "declined", Mail.state == "queued")
        ).one()
        for one in made
    }
    clients = [("undo", agent, one) for one in made] + [("mail", agent, letters[one]) for one in made]
    outcome = race(database, step, clients, processes=2)
    assert (outcome.errors, outcome.conflicts) == ([], {})
    told = {subject: answer for what, subject, answer in outcome.answers if what == "undo"}
    assert set(told) == {str(one) for one in made}
    db.session.rollback()
    for one in made:
        row, sent = stored.get(one), mails(one)
        assert row is not None and row.state == "requested"
        assert ("declined" in sent) is ("reconsidered" in sent) is told[str(one)]
        assert sent.get("declined", "sent") == "sent"
    sound()

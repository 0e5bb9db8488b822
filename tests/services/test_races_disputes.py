"""Accepted and taken back at the same moment, or accepted by many at once: one wins, and is paid once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Flask

from portal.core.access import Actor
from portal.services import disputes
from portal.services.proofs import audit
from tests.databases import Database
from tests.services.dispute_world import NOW, a_place
from tests.services.racing import race


def answer(_gateways: Any, what: str, actor: Actor, dispute: UUID, offer: UUID) -> str:
    if what == "accept":
        disputes.accept(actor, dispute, offer, now=NOW)
    else:
        disputes.withdraw_offer(actor, dispute, offer, now=NOW)
    return what


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

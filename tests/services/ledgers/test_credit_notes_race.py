"""Many refunds succeed at the same moment: each has a note of its own, and no number is twice or missing."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.db.credit_notes import CreditNoteRow
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_person, an_item, an_order, came_back
from tests.databases import Database
from tests.services.racing import race

CLIENTS = 12


def pay(gateways: Any, refund_id: UUID) -> None:
    payouts.send(refund_id, gateways=gateways, now=NOW)


def test_notes_of_one_moment_are_numbered_without_a_gap(
    database: Database, session: Any, gateways: Any
) -> None:
    shop = a_merchant()
    finance = a_person(shop, "finance")
    made = [
        refunds.propose(
            finance,
            came_back(gateways, shop, an_order(gateways, shop, [an_item("MUG", 1, "9.99", tax="1.60")])),
            now=NOW,
        )
        for _ in range(CLIENTS)
    ]
    session.commit()
    outcome = race(database, pay, [(refund_id,) for refund_id in made])
    assert outcome.errors == []
    session.rollback()
    found = session.scalars(sa.select(CreditNoteRow.sequence).order_by(CreditNoteRow.sequence)).all()
    assert list(found) == list(range(1, CLIENTS + 1))
    assert audit.verify().problems == []

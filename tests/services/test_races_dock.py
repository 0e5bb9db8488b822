"""Two at the dock, one parcel: what was counted is counted once, whoever saves first."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from portal.core.access import Actor
from portal.db import returns as stored
from portal.db.base import db
from portal.services.docking import receiving, unexpected
from portal.services.docking.receiving import InspectionEntry, Intake
from portal.services.docking.unexpected import Surprise
from portal.services.proofs import verifying
from tests.builders import NOW, a_merchant, a_person, a_return, an_item, an_order, line_ids
from tests.databases import Database
from tests.services.racing import race


def take_in(_gateways: Any, actor: Actor, return_id: UUID, line: UUID, seen: int | None, nonce: str) -> str:
    """Two mugs arrive, one is graded, and there is a third that nobody announced."""
    entry = InspectionEntry(line_id=line, units=1, grade="A", disposition="restock")
    surplus = Surprise(kind="surplus", sku="MUG", units=1)
    with tempfile.TemporaryDirectory() as folder:
        receiving.take_in(
            actor,
            return_id,
            Intake(counts={line: 2}, entries=(entry,), surprises=(surplus,)),
            folder=Path(folder),
            now=NOW,
            version=seen,
            nonce=nonce,
        )
    return "saved"


def given(gateways: Any) -> tuple[UUID, UUID, UUID, int]:
    shop = a_merchant()
    back = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]))
    row = stored.get(back)
    assert row is not None
    return shop, back, line_ids(back)["MUG"], row.version


def received(return_id: UUID) -> int:
    db.session.rollback()
    return stored.lines_of(return_id)[0].received_units


def test_of_two_workers_who_saw_the_same_one_saves_and_the_other_is_told(
    session: Any, gateways: Any, database: Database
) -> None:
    shop, back, line, seen = given(gateways)
    workers = [(a_person(shop, "warehouse"), back, line, seen, f"sheet-{one}") for one in range(2)]
    outcome = race(database, take_in, workers, processes=2)
    assert outcome.answers == ["saved"]
    assert len(outcome.errors) + sum(outcome.conflicts.values()) == 1
    assert received(back) == 2 and verifying.run().problems == []


def test_one_sheet_sent_twice_at_the_same_moment_is_saved_once(
    session: Any, gateways: Any, database: Database
) -> None:
    shop, back, line, seen = given(gateways)
    worker = a_person(shop, "warehouse")
    outcome = race(database, take_in, [(worker, back, line, seen, "one-sheet")] * 2, processes=2)
    assert outcome.answers == ["saved", "saved"] and not outcome.errors
    assert received(back) == 2 and verifying.run().problems == []


def set_aside(_gateways: Any, actor: Actor, shop: UUID) -> str:
    """A parcel that nobody announced, from one form."""
    with tempfile.TemporaryDirectory() as folder:
        parcel = Surprise(kind="unknown_parcel", code="DEMO-1", sku="MUG", units=2)
        return str(unexpected.note(actor, shop, parcel, folder=Path(folder), now=NOW, nonce="one-form"))


def test_one_parcel_set_aside_twice_at_the_same_moment_is_one(
    session: Any, gateways: Any, database: Database
) -> None:
    shop, *_ = given(gateways)
    worker = a_person(shop, "warehouse")
    outcome = race(database, set_aside, [(worker, shop)] * 4, processes=4)
    assert len(outcome.answers) == 4 and len(set(outcome.answers)) == 1
    db.session.rollback()
    assert unexpected.count(worker) == 1 and verifying.run().problems == []

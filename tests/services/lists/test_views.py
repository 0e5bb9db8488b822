"""Saved lists under a race: the same name at once is one list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from portal.core.access import Actor
from portal.db import merchants
from portal.services.lists import views
from portal.services.persons import people
from tests.builders import NOW, a_merchant
from tests.databases import Database
from tests.services.racing import race


def keep(_gateways: Any, actor: Actor, shop: UUID) -> UUID:
    """What one client does."""
    return views.save(
        actor, name="To decide", merchant_id=shop, shared=False, query={"state": ["requested"]}, now=NOW
    )


def test_a_list_that_is_saved_many_times_at_once_is_one_list(session: Any, database: Database) -> None:
    shop = a_merchant()
    row = merchants.by_id(shop)
    assert row is not None
    people.create_user(
        email="demo@people.example",
        name="Demo",
        password="a password for tests",
        roles={row.slug: "csr"},
        now=NOW,
    )
    actor = people.named("demo@people.example")
    assert actor is not None
    outcome = race(database, keep, [(actor, shop)] * 6, processes=3)
    assert outcome.errors == []
    assert len(set(outcome.answers)) == 1 and len(outcome.answers) == 6
    assert [one.name for one in views.of(actor)] == ["To decide"]

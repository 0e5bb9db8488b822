"""Versions and drafts of a policy: never edited, never written over, published once."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.core.policy.terms import Depreciation, FeeTier, RestockingFee, Terms
from portal.db import history
from portal.db.base import transaction
from portal.db.merchants import Policy, PolicyDraft
from portal.services import merchants
from portal.services.rules import policies
from tests.builders import NOW, a_merchant, a_person

RICH = Terms(
    window_days=14,
    restocking_fee=RestockingFee(tiers=(FeeTier(percent_bp=1000, up_to_days=7, conditions=("used",)),)),
    depreciation=(Depreciation(by="use", steps=((100, 1000), (200, 5000))),),
    refund_limits=(("supervisor", 20_000),),
)


def test_a_draft_is_kept_whole_until_it_is_published(session: Any) -> None:
    shop = a_merchant()
    admin = a_person(shop, "admin")
    assert policies.write(admin, shop, RICH, revision=0, now=NOW) == 1
    found = policies.of_merchant(admin, shop)
    assert found.draft.terms == RICH and found.draft.updated_by == "Demo admin"
    assert policies.publish_draft(admin, shop, revision=1, now=NOW) == 2
    after = policies.of_merchant(admin, shop)
    assert after.in_force.terms == replace(RICH, version=2) and after.draft.revision == 0
    assert merchants.terms_of(shop) == replace(RICH, version=2)
    assert [row.what for row in history.of([shop])] == ["policy.published"]


def test_a_published_version_is_edited_by_nobody(session: Any) -> None:
    a_merchant()
    with pytest.raises(DatabaseError), transaction() as writing:
        writing.execute(sa.update(Policy).values(published_by="somebody else"))


def test_the_revision_that_was_seen_is_the_one_that_is_written_over(session: Any) -> None:
    shop = a_merchant()
    admin = a_person(shop, "admin")
    policies.write(admin, shop, Terms(window_days=10), revision=0, now=NOW)
    for step in (
        lambda: policies.write(admin, shop, RICH, revision=0, now=NOW),
        lambda: policies.publish_draft(admin, shop, revision=0, now=NOW),
        lambda: policies.discard(admin, shop, revision=0),
        lambda: policies.take_up(admin, shop, revision=0, now=NOW),
    ):
        with pytest.raises(Stale):
            step()
    assert policies.of_merchant(admin, shop).draft.terms.window_days == 10


def test_a_version_that_came_meanwhile_must_be_looked_at_first(session: Any) -> None:
    shop = a_merchant()
    admin = a_person(shop, "admin")
    policies.write(admin, shop, RICH, revision=0, now=NOW)
    merchants.publish(admin, shop, Terms(window_days=60), now=NOW)
    with pytest.raises(Conflict) as refused:
        policies.publish_draft(admin, shop, revision=1, now=NOW)
    assert (refused.value.code, refused.value.details) == ("published_meanwhile", {"version": 2})
    assert policies.of_merchant(admin, shop).draft.is_outdated
    policies.take_up(admin, shop, revision=1, now=NOW)
    assert not policies.of_merchant(admin, shop).draft.is_outdated
    assert policies.publish_draft(admin, shop, revision=2, now=NOW) == 3


def test_what_says_nothing_new_is_no_version(session: Any) -> None:
    shop = a_merchant()
    admin = a_person(shop, "admin")
    policies.write(admin, shop, merchants.terms_of(shop), revision=0, now=NOW)
    with pytest.raises(Conflict) as refused:
        policies.publish_draft(admin, shop, revision=1, now=NOW)
    assert refused.value.code == "draft_unchanged"


def test_there_is_one_draft_per_merchant(session: Any) -> None:
    shop, other = a_merchant(), a_merchant()
    for one in (shop, other):
        policies.write(a_person(one, "admin"), one, RICH, revision=0, now=NOW)
    assert session.scalar(sa.select(sa.func.count()).select_from(PolicyDraft)) == 2
    policies.discard(a_person(shop, "admin"), shop, revision=1)
    policies.discard(a_person(shop, "admin"), shop, revision=1)  # gone already
    assert policies.of_merchant(a_person(other, "admin"), other).draft.revision == 1


def test_an_older_version_reads_with_the_terms_of_its_day(session: Any) -> None:
    shop = a_merchant(terms=Terms(window_days=14))
    admin = a_person(shop, "admin")
    merchants.publish(admin, shop, RICH, now=NOW)
    found = policies.of_merchant(admin, shop)
    assert [one.number for one in found.versions] == [2, 1]
    assert found.version(1).terms.window_days == 14 and not found.version(1).in_force
    with pytest.raises(NotFound):
        found.version(3)


@pytest.mark.parametrize("role", ["csr", "supervisor", "finance", "warehouse"])
def test_a_role_that_edits_no_policies_gets_none(session: Any, role: str) -> None:
    shop = a_merchant()
    with pytest.raises(NotAllowed):
        policies.of_merchant(a_person(shop, role), shop)
    with pytest.raises(NotAllowed):
        policies.write(a_person(shop, role), shop, RICH, revision=0, now=NOW)


def test_another_merchants_policy_is_not_there(session: Any) -> None:
    shop, other = a_merchant(), a_merchant()
    stranger = a_person(other, "admin")
    for step in (
        lambda: policies.of_merchant(stranger, shop),
        lambda: policies.write(stranger, shop, RICH, revision=0, now=NOW),
        lambda: policies.publish_draft(stranger, shop, revision=0, now=NOW),
        lambda: policies.discard(stranger, shop, revision=0),
    ):
        with pytest.raises(NotFound):
            step()

"""Who must stand behind a refund: one whose limit is high enough, or two people; never oneself above the threshold."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from portal.core import approvals
from portal.core.access import Actor
from portal.core.approvals import Approval, Limits, Standing, limits_of, may_approve
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Breakdown, Row
from portal.core.refunds.overrides import Overrides, from_json, to_json

SHOP = UUID(int=1)
ANA, BEN, CLEO = UUID(int=11), UUID(int=12), UUID(int=13)
AT = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)


def yes(person: UUID, role: str = "supervisor", **more: bool) -> Approval:
    return Approval(person_id=person, person="Demo", role=role, amount=100, at=AT, **more)


def standing(total: int, *given: Approval, by: UUID = ANA, two: int | None = None, **alone: int) -> Standing:
    return Standing(
        total=total, limits=Limits(alone=alone, two_above=two), requesters=frozenset({by}), given=given
    )


def test_without_limits_one_is_enough_also_whoever_asked() -> None:
    assert not standing(10**9).is_complete
    assert standing(10**9, yes(ANA)).is_complete


def test_above_the_limit_of_a_role_two_different_people_are_needed() -> None:
    assert standing(500, yes(ANA), supervisor=500).is_complete
    alone = standing(501, yes(ANA), supervisor=500)
    assert not alone.is_complete and alone.people_missing == 1
    assert standing(501, yes(ANA), yes(BEN), supervisor=500).is_complete
    assert not standing(501, yes(ANA), yes(ANA), supervisor=500).is_complete, "twice the same is one"


def test_one_with_a_higher_limit_does_for_two() -> None:
    assert standing(501, yes(BEN, "finance"), supervisor=500).is_complete
    assert not standing(501, yes(BEN, "finance"), supervisor=500, finance=400).is_complete


def test_above_the_threshold_whoever_asked_does_not_count_in_any_role() -> None:
    for role in ("supervisor", "finance", "admin"):
        own = standing(1001, yes(ANA, role), two=1000)
        assert not own.is_complete and own.bars(ANA) == "four_eyes"
    assert standing(1001, yes(ANA), yes(BEN), two=1000).is_complete
    assert standing(1000, yes(ANA), two=1000).is_complete, "up to the threshold one person may do both"
    low = standing(1001, yes(BEN), two=1000, supervisor=500)
    assert not low.is_complete and low.people_missing == 1
    assert standing(1001, yes(BEN), yes(CLEO), two=1000, supervisor=500).is_complete


def test_what_was_approved_before_a_change_does_not_count() -> None:
    assert not standing(100, yes(BEN, void=True)).is_complete
    assert standing(100, yes(BEN, void=True)).bars(BEN) == "", "and may be given again"
    assert standing(900, yes(BEN), supervisor=500).bars(BEN) == "approved_already"


@pytest.mark.parametrize(
    ("own", "default", "currency", "threshold"),
    [
        (700, Decimal(5), "EUR", 700),
        (None, Decimal("99.5"), "EUR", 9950),
        (None, Decimal(500), "JPY", 500),
        (None, Decimal(2), "KWD", 2000),
        (None, None, "EUR", None),
        (0, Decimal(5), "EUR", 0),
    ],
)
def test_the_policys_threshold_goes_before_the_installations(
    own: int | None, default: Decimal | None, currency: str, threshold: int | None
) -> None:
    found = limits_of(Terms(two_people_above=own), default=default, currency=currency)
    assert found.two_above == threshold


def test_a_role_with_a_limit_approves_within_it_though_it_approves_nothing_else() -> None:
    agent = Actor(kind="person", id=ANA, roles={SHOP: "csr"})
    limits = Limits(alone={"csr": 5000})
    assert may_approve(agent, SHOP, limits, 5000) and not may_approve(agent, SHOP, limits, 5001)
    assert not may_approve(agent, SHOP, Limits(), 1)
    warehouse = Actor(kind="person", id=ANA, roles={SHOP: "warehouse"})
    assert not may_approve(warehouse, SHOP, Limits(alone={"warehouse": 5000}), 1)


def test_the_sum_is_that_of_the_customer_or_of_one_payment_whichever_is_larger() -> None:
    assert approvals.largest(100, 0, []) == 100
    assert approvals.largest(100, 250, [(60, 10), (40, 500)]) == 540
    assert approvals.largest(100, 600, [(60, 10), (40, 500)]) == 700


def test_what_is_approved_is_every_row_and_every_revision_and_what_was_shown_no_reason() -> None:
    def due(reason: str, amount: int = 100) -> Breakdown:
        row = Row(code="goodwill", amount=amount, rule="goodwill", basis={"reason": reason})
        return Breakdown(currency="EUR", rows=(row,), lines=(), shares=(), policy_version=1)

    plain = Overrides()
    assert approvals.digest(due("a"), plain) != approvals.digest(due("b"), plain)
    assert approvals.digest(due("a"), plain) != approvals.digest(due("a"), plain, revision=1)
    assert approvals.shown(due("a"), plain) == approvals.shown(due("b"), plain)
    assert approvals.shown(due("a"), plain) != approvals.shown(due("a", 101), plain)
    assert approvals.shown(due("a"), plain) != approvals.shown(due("a"), Overrides(way="manual"))


def test_what_a_person_decided_is_kept_whole() -> None:
    decided = Overrides(
        goodwill=5, amounts=((ANA, 7),), missing=((BEN, ("lid",)),), waived=("restocking_fee",), way="manual",
        tenders=((CLEO, 3),), reason="Because",
    )  # fmt: skip
    assert from_json(to_json(decided)) == decided and decided.is_any
    assert from_json({}) == Overrides() and not Overrides(reason="only words").is_any

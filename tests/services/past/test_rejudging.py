"""What a changed policy would have done: past returns under both terms, read and never written."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from portal.core.access import NotAllowed, NotFound
from portal.core.facts import KEEP
from portal.core.policy.overrides import Override, overrule
from portal.core.policy.terms import RestockingFee, ShippingTier, Terms, Window
from portal.core.policy.verdict import Verdict, to_json
from portal.core.rejudging import Rejudged
from portal.db import returns as stored
from portal.db.base import db, transaction
from portal.services import merchants
from portal.services.filing import returns
from portal.services.handling import confirmation
from portal.services.past import rejudging
from portal.services.refunding import refunds
from tests import builders
from tests.builders import (
    NOW,
    SITE,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    shipping_cost,
    terms,
)
from tests.services import cancelling

FEE = Terms(return_postage="merchant", restocking_fee=RestockingFee(percent_bp=1_000))


def check(merchant_id: UUID, terms: Terms, **more: Any) -> list[Rejudged]:
    return list(rejudging.check(a_person(merchant_id, "admin"), merchant_id, terms, **more))


def refunded(gateways: Any, merchant_id: UUID, order: Any, units: dict[str, int], **more: Any) -> UUID:
    """A return that came back and whose refund is decided."""
    return_id = builders.came_back(gateways, merchant_id, order, units, **more)
    refunds.propose(a_person(merchant_id), return_id, now=NOW)
    return return_id


def test_the_same_terms_change_nothing(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    refunded(gateways, shop, an_order(gateways, shop, [an_item(units=3)]), {"MUG": 2})
    (one,) = check(shop, merchants.terms_of(shop))
    assert not one.differs and one.before.amount == one.after.amount == 2000 and not one.rows


def test_a_fee_that_is_new_is_told_by_its_rule(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    return_id = refunded(gateways, shop, an_order(gateways, shop, [an_item(units=3)]), {"MUG": 2})
    (one,) = check(shop, FEE)
    assert one.past.id == return_id
    assert (one.before.amount, one.after.amount, one.difference) == (2000, 1800, -200)
    assert [(row.rule, row.amount) for row in one.rows] == [("restocking_fee", -200)]


def test_a_window_that_is_shorter_refuses_and_says_so(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    a_return(gateways, shop, an_order(gateways, shop, [an_item()]), {"MUG": 1})
    (one,) = check(shop, Terms(return_postage="merchant", window_days=1))
    assert (one.before.outcome, one.after.outcome) == ("allowed", "refused")
    assert [finding.code for finding in one.after.findings] == ["window_expired"]
    assert (one.before.amount, one.after.amount) == (1000, 0)


def test_returns_of_one_order_follow_one_another_under_both_terms(session: Any, gateways: Any) -> None:
    """The return that completes the order gives the shipping back, once, and not the one before it."""
    shop = a_merchant(terms=builders.terms(refund_shipping="never"))
    order = an_order(gateways, shop, [an_item(units=2), shipping_cost("4.90")])
    first = refunded(gateways, shop, order, {"MUG": 1})
    second = refunded(gateways, shop, order, {"MUG": 1}, now=NOW + timedelta(minutes=1))
    found = {one.past.id: one for one in check(shop, builders.terms(refund_shipping="full_return"))}
    assert found[first].difference == 0
    assert found[second].difference == 490
    assert [row.rule for row in found[second].rows] == ["refund_shipping"]


def test_what_the_inspection_found_is_what_counts(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    order = an_order(gateways, shop, [an_item(units=3)])
    return_id = a_return(gateways, shop, order, {"MUG": 3})
    builders.receive(shop, return_id)
    builders.inspect(shop, return_id, [("MUG", 1, "A", True), ("MUG", 1, "C", True), ("MUG", 1, "D", False)])
    (one,) = check(shop, builders.terms(condition_deductions_bp=(("C", 5_000),)))
    assert (one.before.amount, one.after.amount) == (2000, 1500)


def test_units_that_are_announced_count_until_they_are_here(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    a_return(gateways, shop, an_order(gateways, shop, [an_item(units=3)]), {"MUG": 3})
    (one,) = check(shop, FEE)
    assert (one.before.amount, one.after.amount) == (3000, 2700)


def test_of_what_never_arrived_nothing_is_refunded(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item(units=3)]), {"MUG": 3})
    with transaction():
        row = stored.get(return_id)
        assert row is not None
        row.state, row.closed_reason = "closed", "lost_in_transit"
    (one,) = check(shop, FEE)
    assert (one.before.amount, one.after.amount, one.differs) == (0, 0, False)


def test_goods_that_stay_with_the_customer_are_quoted_as_agreed(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    order = an_order(gateways, shop, [an_item(units=3)])
    return_id = a_return(gateways, shop, order, {"MUG": 2})
    with transaction():
        row = stored.get(return_id)
        assert row is not None
        row.kind, row.state = KEEP, "closed"
        stored.lines_of(return_id)[0].allowance_minor = 500
    (one,) = check(shop, replace(FEE, window_days=0))
    assert (one.before.outcome, one.after.outcome, one.after.amount) == ("allowed", "allowed", 500)


def test_the_way_back_is_taken_off_where_the_customer_would_pay_it(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    a_return(gateways, shop, an_order(gateways, shop, [an_item(price="50.00")]), {"MUG": 1})
    (one,) = check(shop, Terms(return_postage="customer"))
    assert [row.rule for row in one.rows] == ["return_postage"] and one.difference < 0


def test_a_return_keeps_the_version_it_was_judged_by_as_its_before(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    a_return(gateways, shop, an_order(gateways, shop, [an_item()]), {"MUG": 1})
    merchants.publish(a_person(shop, "admin"), shop, FEE, now=NOW)
    a_return(gateways, shop, an_order(gateways, shop, [an_item()]), {"MUG": 1})
    newest, oldest = check(shop, merchants.terms_of(shop))
    assert (oldest.past.terms.version, oldest.before.amount, oldest.after.amount) == (1, 1000, 900)
    assert (newest.past.terms.version, newest.differs) == (2, False)


def test_a_return_without_an_order_is_judged_and_not_quoted(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    person = a_person(shop)
    return_id = builders.a_draft(person, shop)
    returns.choose_lines(person, return_id, [returns.LineChoice(sku="X", name="Thing", units=1)], now=NOW)
    builders.survey(person, return_id)
    builders.send_it(person, return_id, gateways)
    confirmation.confirm(person, return_id, site=SITE, now=NOW)
    (one,) = check(shop, builders.terms(auto_approve=False))
    assert one.before.amount is None and one.after.amount is None
    assert "approval_always" in {finding.code for finding in one.after.findings}


def test_an_objection_that_a_person_set_aside_stays_set_aside(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    order = an_order(gateways, shop, [an_item()])
    return_id = a_return(gateways, shop, order, {"MUG": 1})
    late = builders.terms(window_days=1, restocking_fee=FEE.restocking_fee)
    (refused,) = check(shop, late)
    overrides = [Override(code="window_expired", reason="was in hospital", line_id=order.lines[0].id)]
    verdict = Verdict(findings=refused.after.findings, policy_version=1)
    with transaction():
        row = stored.get(return_id)
        assert row is not None
        row.verdict = to_json(overrule(verdict, overrides, role="supervisor"))
    (one,) = check(shop, late)
    assert (refused.after.outcome, one.after.outcome) == ("refused", "allowed")
    assert one.difference == -100


def test_drafts_and_withdrawn_returns_are_left_out(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    order = an_order(gateways, shop, [an_item(units=3)])
    builders.a_draft(a_person(shop), shop, order)
    gone = a_return(gateways, shop, order, {"MUG": 1})
    confirmation.cancel(a_person(shop), gone, now=NOW)
    assert check(shop, FEE) == []


def test_since_and_limit_choose_the_newest(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    ids = []
    for days in (3, 2, 1):
        order = an_order(gateways, shop, [an_item()], now=NOW - timedelta(days=days))
        ids.append(a_return(gateways, shop, order, {"MUG": 1}, now=NOW - timedelta(days=days)))
    since = (NOW - timedelta(days=2)).date()
    assert [one.past.id for one in check(shop, FEE, since=since)] == [ids[2], ids[1]]
    assert [one.past.id for one in check(shop, FEE, limit=1)] == [ids[2]]
    assert check(shop, FEE, since=date(2027, 1, 1)) == []


def test_more_than_one_reading_are_joined_without_a_gap(
    session: Any, gateways: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = a_merchant()
    order = an_order(gateways, shop, [an_item(units=5)])
    ids = [a_return(gateways, shop, order, {"MUG": 1}) for _ in range(5)]
    monkeypatch.setattr(rejudging, "CHUNK", 2)
    assert [one.past.id for one in check(shop, FEE)] == ids[::-1]
    assert [one.past.id for one in check(shop, FEE, limit=3)] == ids[:1:-1]


def test_only_who_edits_policies_of_that_merchant_may_ask(session: Any, gateways: Any) -> None:
    shop, other = a_merchant(), a_merchant()
    with pytest.raises(NotAllowed):
        list(rejudging.check(a_person(shop, "supervisor"), shop, FEE))
    with pytest.raises(NotFound):
        list(rejudging.check(a_person(other, "admin"), shop, FEE))


def test_nothing_is_written_and_statements_do_not_grow_with_the_returns(session: Any, gateways: Any) -> None:
    shop = a_merchant()

    def statements() -> list[str]:
        said: list[str] = []

        def listen(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            said.append(statement)

        event.listen(Engine, "before_cursor_execute", listen)
        try:
            check(shop, FEE)
        finally:
            event.remove(Engine, "before_cursor_execute", listen)
        return said

    refunded(gateways, shop, an_order(gateways, shop, [an_item(units=3)]), {"MUG": 2})
    one = statements()
    for _ in range(6):
        refunded(gateways, shop, an_order(gateways, shop, [an_item(units=3)]), {"MUG": 2})
    many = statements()
    assert len(one) == len(many) <= 14
    assert not [said for said in many if not said.lstrip().upper().startswith(("SELECT", "BEGIN"))]
    assert not db.session.new and not db.session.dirty


def test_totals_say_what_all_of_it_comes_to(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    a_return(gateways, shop, an_order(gateways, shop, [an_item(price="20.00")]), {"MUG": 1})
    a_return(gateways, shop, an_order(gateways, shop, [an_item(category="shoes")]), {"MUG": 1})
    terms = replace(FEE, windows=(Window(days=0, category="shoes"),))
    totals = rejudging.totals(check(shop, terms))
    assert (totals.looked_at, totals.differing) == (2, 2)
    assert totals.outcomes == {"allowed": [2, 1], "review": [0, 0], "refused": [0, 1]}
    assert totals.moves == {("allowed", "refused"): 1}
    sums = totals.sums["EUR"]
    assert (sums.before, sums.after, sums.more, sums.less) == (3000, 1800, 0, 1200)
    assert sums.rules == {"restocking_fee": -200, "windows": -1000}


def test_a_cancellation_is_tried_as_if_nothing_had_been_sent_since(session: Any, gateways: Any) -> None:
    shop = a_merchant()
    order = cancelling.unshipped(gateways, shop, cancelling.goods("MUG", 3, "10.00"), shipping_cost("7.90"))
    made = cancelling.canceled(gateways, shop, order, {"MUG": 2})
    waiting = cancelling.propose(gateways, shop, as_it_is(order), {"MUG": 1})
    (one,) = check(shop, merchants.terms_of(shop))
    assert one.past.id == made != waiting
    assert (one.before.outcome, one.before.amount, one.differs) == ("allowed", 2000, False)
    tiers = (ShippingTier(from_goods=0, price=390),)
    anew = terms(cancel_shipping="re_evaluate", shipping_tiers=tiers)
    (other,) = check(shop, anew)
    assert (other.difference, [row.rule for row in other.rows]) == (400, ["cancel_shipping"])

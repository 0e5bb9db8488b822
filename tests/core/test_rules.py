import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.core.access import NotAllowed
from portal.core.facts import OrderFacts, Wanted
from portal.core.policy.cases import CODES
from portal.core.policy.overrides import (
    OVERRULED_BY,
    NotOverrulable,
    Override,
    may_overrule,
    overrule,
)
from portal.core.policy.rules import needs_photo
from portal.core.policy.terms import Terms, Window
from portal.core.policy.verdict import Verdict, judge, offers, to_json
from portal.core.policy.windows import returnable_until, window_days
from portal.core.reasons import REASONS
from tests.core.made import DELIVERED, NOW, a_line, a_request, an_order, shipping, want


def judged(
    order: OrderFacts | None, *wanted: Wanted, terms: Terms | None = None, at: datetime = NOW, **given: object
) -> Verdict:
    request = a_request(*wanted, requested_at=at, **given)
    return judge(order, request, terms or Terms(), now=at)


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings]


def test_an_ordinary_return_is_allowed_and_carries_the_version_of_the_terms() -> None:
    verdict = judged(an_order(a_line()), want(), terms=Terms(version=4))
    assert verdict.outcome == "allowed"
    assert verdict.policy_version == 4


# ---------------------------------------------------------------------------------------------- window


@pytest.mark.parametrize(("day", "allowed"), [(9, True), (29, True), (30, True), (31, False), (400, False)])
def test_the_last_day_of_the_window_is_inclusive(day: int, allowed: bool) -> None:
    at = DELIVERED + timedelta(days=day)
    assert judged(an_order(a_line()), want(), at=at).allowed == allowed


def test_the_last_day_ends_at_midnight_where_the_merchant_is() -> None:
    order = an_order(a_line(delivered_at=datetime(2026, 3, 10, 23, 30, tzinfo=UTC)))
    request = a_request(want(), requested_at=datetime(2026, 4, 10, 21, 0, tzinfo=UTC))
    for zone, allowed in (("UTC", False), ("Europe/Berlin", True), ("America/New_York", False)):
        verdict = judge(order, request, Terms(), now=request.requested_at, zone=ZoneInfo(zone))
        assert verdict.allowed == allowed, zone


def test_an_objection_to_the_window_names_the_last_day() -> None:
    verdict = judged(an_order(a_line()), want(), at=DELIVERED + timedelta(days=31))
    (finding,) = verdict.findings
    assert (finding.code, finding.weight, finding.rule) == ("window_expired", "refused", "window_days")
    assert finding.details["last_day"] == date(2026, 4, 9)


WINDOWS = (
    Window(days=10, category="Shoes"),
    Window(days=90, reason="defective"),
    Window(days=60, category="Shoes", reason="defective"),
    Window(days=5, category="Shoes", reason="too_small"),
    Window(days=7, category="Shoes", reason="too_small"),
)


@pytest.mark.parametrize(
    ("category", "reason", "days"),
    [
        ("Hats", "changed_mind", 30),
        ("Hats", None, 30),
        ("Shoes", "changed_mind", 10),
        ("Shoes", None, 10),
        ("Hats", "defective", 90),
        ("Shoes", "defective", 60),
        ("Shoes", "too_small", 7),
        ("", "changed_mind", 30),
    ],
)
def test_the_most_specific_window_counts_and_of_two_equal_ones_the_longer(
    category: str, reason: str | None, days: int
) -> None:
    assert window_days(category, reason, Terms(windows=WINDOWS)) == days


def test_the_clock_starts_with_delivery_else_shipping_else_the_order() -> None:
    sent = datetime(2026, 3, 7, 12, tzinfo=UTC)
    line = a_line(shipped_at=sent)
    order = an_order(line)
    days = [
        returnable_until(given, Terms(), order, zone=UTC)
        for given in (
            line,
            replace(line, delivered_at=None),
            replace(line, delivered_at=None, shipped_at=None),
            replace(line, shipped=0),
        )
    ]
    assert days == [date(2026, 4, 9), date(2026, 4, 6), date(2026, 4, 4), None]


def test_a_warranty_claim_after_the_window_is_for_a_person_to_decide() -> None:
    verdict = judged(an_order(a_line()), want(), at=DELIVERED + timedelta(days=200), kind="warranty")
    assert verdict.outcome == "review"


# ------------------------------------------------------------------------------------------ what it is


@pytest.mark.parametrize(("reason", "allowed"), [("changed_mind", False), ("defective", True)])
def test_final_sale_is_waived_by_the_merchants_or_carriers_fault(reason: str, allowed: bool) -> None:
    wish = want(reason=reason, photos=1)
    assert judged(an_order(a_line(final_sale=True)), wish).allowed == allowed
    by_category = Terms(final_sale_categories=("Sale",))
    assert judged(an_order(a_line(category="Sale")), wish, terms=by_category).allowed == allowed


def test_an_excluded_category_is_refused_whatever_the_reason() -> None:
    order = an_order(a_line(category="Underwear"))
    verdict = judged(order, want(reason="too_small"), terms=Terms(excluded_categories=("Underwear",)))
    assert codes(verdict) == ["not_eligible_category"]


@pytest.mark.parametrize("kind", ["gift_card", "service", "fee", "discount", "sample", "shipping", "duty"])
def test_only_merchandise_comes_back(kind: str) -> None:
    verdict = judged(an_order(a_line(kind=kind)), want())
    assert codes(verdict) == ["not_merchandise"]
    assert verdict.outcome == "refused"


# -------------------------------------------------------------------------------------------- how many


@pytest.mark.parametrize(
    ("units", "found"),
    [(0, ["nothing_chosen", "units_not_positive"]), (-2, ["nothing_chosen", "units_not_positive"]), (2, [])],
)
def test_units_are_above_zero(units: int, found: list[str]) -> None:
    assert codes(judged(an_order(a_line(units=3)), want(units=units))) == found


def test_nothing_chosen_is_told() -> None:
    assert codes(judged(an_order(a_line()))) == ["nothing_chosen"]


@pytest.mark.parametrize(
    ("facts", "maximum"),
    [
        ({"units": 5}, 5),
        ({"units": 5, "shipped": 3}, 3),
        ({"units": 5, "claimed": ((0, 2),)}, 3),
        ({"units": 5, "canceled": ((0, 2),), "shipped": 3}, 3),
        ({"units": 5, "canceled": ((0, 2),), "shipped": 5}, 3),
        ({"units": 5, "canceled": ((0, 1),), "claimed": ((1, 3),), "shipped": 4}, 2),
    ],
)
def test_never_more_than_shipped_less_returned_and_canceled(facts: dict[str, object], maximum: int) -> None:
    order = an_order(a_line(**facts))
    assert judged(order, want(units=maximum)).allowed
    (finding,) = judged(order, want(units=maximum + 1)).findings
    assert (finding.code, finding.details["maximum"]) == ("too_many_units", maximum)


def test_two_wishes_for_one_line_are_counted_together() -> None:
    order = an_order(a_line(units=3))
    assert judged(order, want(units=2), want(units=1, reason="too_small")).allowed
    assert codes(judged(order, want(units=2), want(units=2, reason="too_small"))) == ["too_many_units"]


def test_units_a_confirmed_return_holds_are_its_own() -> None:
    order = an_order(a_line(units=2, claimed=((0, 2),)))
    assert judged(order, want(units=2, spans=((0, 2),))).allowed
    assert codes(judged(order, want(units=1))) == ["already_returned"]
    (finding,) = judged(order, want(units=3, spans=((0, 2),))).findings
    assert (finding.code, finding.details["maximum"]) == ("too_many_units", 2)


def test_a_line_that_was_not_shipped_offers_to_cancel() -> None:
    verdict = judged(an_order(a_line(units=2, shipped=0)), want())
    (finding,) = verdict.findings
    assert (finding.code, finding.details) == ("not_shipped_yet", {"unshipped": 2, "offer": "cancel"})


def test_a_line_of_another_order_is_unknown() -> None:
    assert codes(judged(an_order(a_line()), want(), want(7))) == ["unknown_line"]
    limited = judged(an_order(a_line()), want(7, units=1), terms=Terms(approval_value=0))
    assert codes(limited) == ["unknown_line"]


def test_a_line_that_was_canceled_whole_has_nothing_to_send_back() -> None:
    (finding,) = judged(an_order(a_line(units=2, canceled=((0, 2),))), want()).findings
    assert (finding.code, finding.details) == ("too_many_units", {"maximum": 0, "canceled": 2})


# ---------------------------------------------------------------------------------------- what was said


@pytest.mark.parametrize("reason", [code for code, reason in REASONS.items() if reason.photo == "required"])
def test_reasons_that_need_a_photo_ask_for_one(reason: str) -> None:
    order = an_order(a_line())
    assert codes(judged(order, want(reason=reason))) == ["picture_requested"]
    assert judged(order, want(reason=reason, photos=1)).allowed
    assert judged(order, want(reason=reason), terms=Terms(photo_reasons=())).allowed


def test_the_merchant_decides_which_reasons_need_a_photo_and_how_many_there_may_be() -> None:
    terms = Terms(photo_reasons=("too_small",), max_photos=2)
    assert needs_photo("too_small", terms)
    assert not needs_photo("defective", terms)
    order = an_order(a_line())
    assert codes(judged(order, want(reason="too_small"), terms=terms)) == ["picture_requested"]
    assert codes(judged(order, want(reason="too_small", photos=3), terms=terms)) == ["too_many_photos"]
    assert judged(order, want(reason="too_small", photos=2), terms=terms).allowed


def test_the_reason_other_needs_a_note() -> None:
    order = an_order(a_line())
    assert codes(judged(order, want(reason="other", note="  "))) == ["more_information"]
    assert judged(order, want(reason="other", note="It hums")).allowed


def test_words_outside_the_vocabulary_are_refused() -> None:
    verdict = judged(an_order(a_line()), want(reason="bored", condition="chewed"))
    assert codes(verdict) == ["unknown_reason", "unknown_condition"]


# ------------------------------------------------------------------------------------- who has to decide


def test_approval_by_reason_condition_and_value_goes_to_whoever_may() -> None:
    terms = Terms(approval_reasons=("bracketing",), approval_conditions=("used",), approval_value=1999)
    order = an_order(a_line(units=2))
    wish = want(units=2, reason="bracketing", condition="used")
    verdict = judged(order, wish, terms=terms)
    assert verdict.outcome == "review"
    assert [(f.code, f.details["role"]) for f in verdict.findings] == [
        ("approval_by_value", "supervisor"),
        ("approval_by_reason", "csr"),
        ("approval_by_condition", "csr"),
    ]
    assert judged(order, want(units=1), terms=terms).allowed
    assert judged(order, want(units=2), terms=replace(terms, approval_value=2000)).allowed


def test_the_value_of_two_wishes_counts_together() -> None:
    order = an_order(a_line(units=2, goods=2001))
    wishes = (want(), want(reason="too_small"))
    assert codes(judged(order, *wishes, terms=Terms(approval_value=2000))) == ["approval_by_value"]
    assert judged(order, *wishes, terms=Terms(approval_value=2001)).allowed
    held = [want(spans=((0, 1),)), want(spans=((1, 2),))]
    assert "approval_by_value" in codes(judged(order, *held, terms=Terms(approval_value=2000)))


def test_a_shop_may_look_at_every_return_first() -> None:
    assert judged(an_order(a_line()), want(), terms=Terms(auto_approve=False)).outcome == "review"


def test_a_shop_without_returns_refuses() -> None:
    assert codes(judged(an_order(a_line()), want(), terms=Terms(active=False))) == ["policy_inactive"]


def test_without_an_order_the_shape_is_judged_and_a_person_decides() -> None:
    assert judged(None, want()).outcome == "review"
    assert codes(judged(None, want(units=0, reason="defective"))) == [
        "nothing_chosen", "no_record_of_sale", "units_not_positive", "picture_requested",
    ]  # fmt: skip


def test_all_objections_come_at_once_each_with_its_rule_and_line() -> None:
    order = an_order(
        a_line(1, final_sale=True, category="Sale"),
        a_line(2, units=2, claimed=((0, 1),)),
        a_line(3, shipped=0),
        shipping(500),
    )
    terms = Terms(excluded_categories=("Sale",), window_days=1, approval_value=100)
    verdict = judged(order, want(1), want(2, 2, reason="other"), want(3), want(90), terms=terms)
    assert {(finding.code, finding.line_id and finding.line_id.int) for finding in verdict.findings} == {
        ("approval_by_value", None),
        ("not_eligible_category", 1),
        ("final_sale", 1),
        ("window_expired", 1),
        ("more_information", 2),
        ("window_expired", 2),
        ("too_many_units", 2),
        ("not_shipped_yet", 3),
        ("not_merchandise", 90),
    }
    assert all(finding.rule and finding.code in CODES for finding in verdict.findings)
    assert verdict.outcome == "refused"
    assert [finding.code for finding in verdict.of(order.lines[2].id)] == ["not_shipped_yet"]


def test_a_verdict_can_be_stored_as_json() -> None:
    verdict = judged(an_order(a_line()), want(), at=DELIVERED + timedelta(days=99))
    stored = json.loads(json.dumps(to_json(verdict)))
    assert stored["outcome"] == "refused"
    assert stored["findings"][0]["line_id"] == str(verdict.findings[0].line_id)
    assert stored["findings"][0]["details"]["last_day"] == "2026-04-09"


# ---------------------------------------------------------------------------------------- the items page


def test_the_items_page_is_told_what_each_line_offers_and_why_not() -> None:
    order = an_order(
        a_line(1, units=3, claimed=((0, 1),)),
        a_line(2, units=2, shipped=0),
        a_line(3, final_sale=True),
        a_line(4, kind="gift_card"),
        a_line(5, claimed=((0, 1),)),
        a_line(6, delivered_at=DELIVERED - timedelta(days=100)),
        shipping(500),
    )
    terms = Terms(windows=(Window(days=365, reason="defective"),))
    seen = {offer.line_id.int: offer for offer in offers(order, terms, now=NOW)}
    assert {n: [finding.code for finding in offer.findings] for n, offer in seen.items()} == {
        1: [],
        2: ["not_shipped_yet"],
        3: ["final_sale"],
        4: ["not_merchandise"],
        5: ["already_returned"],
        6: ["window_expired"],
    }
    assert {n: (offer.units, offer.unshipped, offer.choosable) for n, offer in seen.items()} == {
        1: (2, 0, True),
        2: (0, 2, False),
        3: (1, 0, True),
        4: (1, 0, False),
        5: (0, 0, False),
        6: (1, 0, True),
    }
    assert (seen[1].until, seen[1].until_at_best) == (date(2026, 4, 9), date(2027, 3, 10))
    assert (seen[2].until, seen[2].until_at_best) == (None, None)


# ---------------------------------------------------------------------------------- what may be overruled


def test_a_supervisor_may_overrule_the_window_with_a_reason_and_it_is_kept() -> None:
    verdict = judged(an_order(a_line()), want(), at=DELIVERED + timedelta(days=40))
    line_id = verdict.findings[0].line_id
    wish = Override(code="window_expired", line_id=line_id, reason="Was in hospital")
    after = overrule(verdict, [wish], role="supervisor")
    assert after.allowed
    assert after.overruled[0].details["overruled_because"] == "Was in hospital"
    with pytest.raises(NotAllowed):
        overrule(verdict, [wish], role="csr")
    with pytest.raises(NotOverrulable):
        overrule(verdict, [replace(wish, reason=" ")], role="supervisor")
    assert overrule(verdict, [replace(wish, line_id=None)], role="supervisor") == verdict


@pytest.mark.parametrize("code", [code for code in CODES if code not in OVERRULED_BY])
def test_facts_are_overruled_by_nobody(code: str) -> None:
    with pytest.raises(NotOverrulable):
        overrule(judged(None, want()), [Override(code=code, reason="please")], role="admin")


def test_only_findings_that_exist_can_be_overruled_and_the_desk_knows_who_may() -> None:
    assert set(OVERRULED_BY) <= set(CODES)
    (finding,) = judged(None, want()).findings
    assert may_overrule(finding, "csr")
    assert not may_overrule(finding, "warehouse")


@pytest.mark.parametrize("kind", ["partial_refund_keep", "partial_cancellation", "cancellation"])
def test_where_nothing_is_sent_back_no_rule_of_returns_is_asked(kind: str) -> None:
    """Out of the window, sold for good, of an excluded category, without a photo: all of that is no matter."""
    line = a_line(
        units=2, shipped=1, category="Socks", final_sale=True, delivered_at=NOW - timedelta(days=900)
    )
    terms = Terms(excluded_categories=("Socks",), approval_conditions=("damaged",))
    wish = want(reason="defective", condition="damaged")
    assert judge(an_order(line), a_request(wish, kind=kind), terms, now=NOW).findings == ()
    assert not judge(an_order(line), a_request(wish), terms, now=NOW).allowed


@pytest.mark.parametrize(
    ("kind", "maximum"), [("partial_refund_keep", 3), ("partial_cancellation", 2), ("return", 1)]
)
def test_how_many_units_there_are_depends_on_what_is_asked(kind: str, maximum: int) -> None:
    """Five bought: one canceled, one returned, one with the customer, two not sent yet."""
    line = a_line(units=5, shipped=2, canceled=((0, 1),), claimed=((1, 2),))
    order = an_order(line)
    assert judge(order, a_request(want(units=maximum), kind=kind), Terms(), now=NOW).allowed
    verdict = judge(order, a_request(want(units=maximum + 1), kind=kind), Terms(), now=NOW)
    assert [(f.code, f.details["maximum"]) for f in verdict.findings] == [("too_many_units", maximum)]


@pytest.mark.parametrize("kind", ["partial_refund_keep", "cancellation"])
def test_a_charge_is_never_asked_for_as_units(kind: str) -> None:
    verdict = judge(an_order(a_line(), shipping(500)), a_request(want(90), kind=kind), Terms(), now=NOW)
    assert [finding.code for finding in verdict.findings] == ["not_merchandise"]


def test_rule_10_a_service_goes_back_only_as_far_as_it_was_not_done() -> None:
    order = an_order(a_line(units=2, kind="service"))
    assert not judge(order, a_request(want()), Terms(), now=NOW).allowed
    assert judge(order, a_request(want(scope_used=(1, 4))), Terms(), now=NOW).allowed
    verdict = judge(order, a_request(want(units=3, scope_used=(1, 4))), Terms(), now=NOW)
    assert [(f.code, f.details["maximum"]) for f in verdict.findings] == [("too_many_units", 2)]


def test_a_lower_price_needs_a_supervisor_by_what_is_given_and_not_by_what_was_paid() -> None:
    order = an_order(a_line(goods=90_000))
    terms = Terms(approval_value=10_000)
    given = a_request(want(allowance=10_000), kind="partial_refund_keep")
    assert judge(order, given, terms, now=NOW).allowed
    more = a_request(want(allowance=10_001), kind="partial_refund_keep")
    assert [f.code for f in judge(order, more, terms, now=NOW).findings] == ["approval_by_value"]

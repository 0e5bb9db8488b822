"""Every objection to a cancellation, alone and together, by line and by unit; and what it gives back."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from portal.core import cancellations
from portal.core.cancellations import Constraint, judge, offers, prepared, totals
from portal.core.facts import LineFacts, OrderFacts, ReturnRequest, Wanted
from portal.core.logistics import CONSTRAINTS
from portal.core.policy.cases import CODES, Finding
from portal.core.policy.terms import ShippingTier, Terms
from portal.core.refunds.engine import positions
from portal.core.rejudging import Past, Rejudged, rejudge
from tests.core.made import (
    NOW,
    a_line,
    a_payment,
    a_request,
    after,
    amounts,
    an_order,
    quoted,
    shipping,
    want,
)

CANCEL = "partial_cancellation"
DAY = NOW.date()


def unsent(number: int = 1, **given: Any) -> LineFacts:
    """A line of which nothing was sent yet."""
    given.setdefault("shipped", 0)
    return a_line(number, **given)


def service(number: int = 5, **given: Any) -> LineFacts:
    """A monthly service, paid for from the 1st to the 30th: day 20 is today."""
    given.setdefault("goods", 3000)
    given.setdefault("interval", "month")
    given.setdefault("period_start", date(2026, 3, 1))
    given.setdefault("period_end", date(2026, 3, 30))
    return unsent(number, kind="service", **given)


def objections(
    order: OrderFacts,
    *wanted: Wanted,
    told: tuple[Constraint, ...] = (),
    terms: Terms | None = None,
    now: datetime = NOW,
    by_customer: bool = True,
) -> list[Finding]:
    """All that stands against it. Every code must be one that has a sentence."""
    request = a_request(*wanted, kind=CANCEL, requested_at=now)
    verdict = judge(order, request, terms or Terms(), told, now=now, by_customer=by_customer)
    assert {finding.code for finding in verdict.findings} <= set(CODES)
    assert verdict.outcome == ("refused" if verdict.findings else "allowed")
    return list(verdict.findings)


def codes(*given: Any, **named: Any) -> list[str]:
    return [finding.code for finding in objections(*given, **named)]


def tell(code: str, number: int = 1, **given: Any) -> Constraint:
    return Constraint(line_id=UUID(int=number), code=code, by="depot", **given)


# ------------------------------------------------------------------------------------------ one by one

LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)

ONE = [
    ({"state": "pending"}, {}, ["order_not_confirmed"]),
    ({"state": "canceled"}, {}, ["order_canceled"]),
    ({}, {"shipped": 1}, ["already_shipped"]),
    ({}, {"picked": 1}, ["being_picked"]),
    ({}, {"canceled": ((0, 1),)}, ["already_canceled"]),
    ({}, {"held": ((0, 1),)}, ["held_by_proposal"]),
    ({}, {"shipped": 1, "claimed": ((0, 1),)}, ["already_returned"]),
    ({}, {"claimed": ((0, 1),)}, ["already_returned"]),
    ({}, {"logistics": ("drop_ship",)}, ["drop_ship"]),
    ({}, {"logistics": ("custom_made",)}, ["custom_made"]),
    ({}, {"logistics": ("pre_picked",)}, ["pre_picked"]),
    ({}, {"logistics": ("third_party",)}, ["third_party"]),
    ({}, {"cut_off": EARLIER}, ["past_cut_off"]),
    ({}, {"cut_off": NOW}, []),
    ({}, {"cut_off": LATER}, []),
    ({}, {"kind": "discount"}, ["not_cancelable"]),
    ({}, {"kind": "shipping"}, ["not_cancelable"]),
    ({}, {"kind": "fee"}, ["not_cancelable"]),
    ({}, {"kind": "sample"}, []),
    ({}, {"kind": "gift_card"}, []),
    ({}, {"final_sale": True}, []),
    ({}, {"gift": True}, []),
    ({}, {}, []),
]


@pytest.mark.parametrize(("of_order", "of_line", "found"), ONE)
def test_each_objection_stands_alone(
    of_order: dict[str, Any], of_line: dict[str, Any], found: list[str]
) -> None:
    order = an_order(unsent(**of_line), unsent(2), **of_order)
    assert codes(order, want()) == found
    if not of_order:
        assert codes(order, want(2)) == []


TOLD = [
    (tell("drop_ship"), ["drop_ship"]),
    (tell("pre_picked"), ["pre_picked"]),
    (tell("custom_made"), ["custom_made"]),
    (tell("third_party"), ["third_party"]),
    (tell("cut_off"), ["past_cut_off"]),
    (tell("cut_off", until=EARLIER), ["past_cut_off"]),
    (tell("cut_off", until=NOW), []),
    (tell("cut_off", until=LATER), []),
    (tell("picking"), ["being_picked"]),
    (tell("shipped"), ["already_shipped"]),
    (tell("drop_ship", 2), []),
]


@pytest.mark.parametrize(("told", "found"), TOLD)
def test_what_a_warehouse_says_of_a_line_counts_as_if_the_line_said_it(
    told: Constraint, found: list[str]
) -> None:
    assert codes(an_order(unsent(), unsent(2)), want(), told=(told,)) == found


def test_everything_that_a_warehouse_can_say_is_in_the_table() -> None:
    assert {told.code for told, _ in TOLD} == set(CONSTRAINTS)


@pytest.mark.parametrize(
    ("terms", "by_customer", "found"),
    [
        (Terms(cancellations=False), True, ["cancellations_off"]),
        (Terms(cancellations=False), False, []),
        (Terms(self_service=False), True, ["cancellations_off"]),
        (Terms(self_service=False), False, []),
        (Terms(active=False), True, ["policy_inactive"]),
        (Terms(active=False), False, ["policy_inactive"]),
    ],
)
def test_a_shop_may_keep_cancellations_to_its_agents(
    terms: Terms, by_customer: bool, found: list[str]
) -> None:
    order = an_order(unsent())
    assert codes(order, want(), terms=terms, by_customer=by_customer) == found
    (offer,) = offers(order, terms, now=NOW, by_customer=by_customer)
    assert [finding.code for finding in offer.findings] == found
    assert offer.choosable == (not found)


def test_nothing_chosen_a_wrong_number_and_an_unknown_line_are_told() -> None:
    order = an_order(unsent())
    assert codes(order) == ["nothing_chosen"]
    assert codes(order, want(units=0)) == ["nothing_chosen", "units_not_positive"]
    assert codes(order, want(units=-1)) == ["nothing_chosen", "units_not_positive"]
    assert codes(order, want(7)) == ["unknown_line"]


def test_money_that_the_bank_took_back_is_not_refunded_as_well() -> None:
    line = unsent(units=3)
    whole = an_order(line, payments=(a_payment(3000, disputed=3000),))
    assert codes(whole, want()) == ["payment_disputed"]
    part = an_order(line, payments=(a_payment(3000, disputed=1000),))
    assert codes(part, want(units=2)) == []
    (found,) = objections(part, want(units=3))
    assert (found.code, found.details) == ("payment_disputed", {"maximum": 2000, "disputed": 1000})
    free = an_order(unsent(2, goods=0), line, payments=(a_payment(3000, disputed=3000),))
    assert codes(free, want(2)) == []


# ------------------------------------------------------------------------------------------------ by unit


def test_a_partly_shipped_line_gives_up_what_is_neither_shipped_nor_picked() -> None:
    line = unsent(units=6, shipped=2, picked=1, canceled=((0, 1),), held=((5, 6),))
    assert line.cancelable_units == 1
    order = an_order(line)
    (offer,) = offers(order, Terms(), now=NOW)
    assert offer.units == 1
    assert {finding.code: finding.details["units"] for finding in offer.findings} == {
        "already_canceled": 1,
        "already_shipped": 2,
        "being_picked": 1,
        "held_by_proposal": 1,
    }
    assert codes(order, want(units=1)) == []
    found = objections(order, want(units=2))
    assert [finding.code for finding in found] == [
        "already_canceled",
        "already_shipped",
        "being_picked",
        "held_by_proposal",
        "too_many_units",
    ]
    assert found[-1].details == {"maximum": 1, "cancelable": 1, "wanted": 2}


def test_two_wishes_for_one_line_are_judged_together() -> None:
    order = an_order(unsent(units=3))
    assert codes(order, want(units=2), want(units=1)) == []
    (found,) = objections(order, want(units=2), want(units=2))
    assert (found.code, found.details) == ("too_many_units", {"maximum": 3, "cancelable": 3, "wanted": 4})


def test_a_warehouse_that_knows_of_more_is_believed_and_the_same_units_count_once() -> None:
    line = unsent(units=5, shipped=1, picked=2)
    order = an_order(line)

    def left(*told: Constraint) -> int:
        (offer,) = offers(order, Terms(), told, now=NOW)
        return offer.units

    assert left() == 2
    assert left(tell("shipped", units=3)) == 2  # the two that were picked are those that left
    assert left(tell("shipped", units=1)) == 2
    assert left(tell("picking", units=3)) == 1
    assert left(tell("shipped", units=3), tell("picking", units=2)) == 0
    assert left(tell("pre_picked", units=1)) == 1
    assert left(tell("pre_picked", units=1), tell("drop_ship", units=1)) == 0
    assert left(tell("pre_picked", units=1), tell("pre_picked", units=2)) == 0
    assert left(tell("pre_picked", units=9)) == 0


def test_every_objection_to_every_line_is_told_at_once() -> None:
    order = an_order(
        unsent(1, units=3, shipped=1, picked=1, logistics=("drop_ship", "custom_made"), cut_off=EARLIER),
        unsent(2, canceled=((0, 1),)),
        unsent(3),
        state="pending",
    )
    found = objections(
        order,
        want(1, units=2),
        want(2),
        want(3),
        want(9),
        told=(tell("third_party", 3), tell("drop_ship", 3)),
        terms=Terms(cancellations=False),
    )
    assert {(finding.line_id.int if finding.line_id else 0, finding.code) for finding in found} == {
        (0, "cancellations_off"),
        (0, "order_not_confirmed"),
        (9, "unknown_line"),
        (1, "already_shipped"),
        (1, "being_picked"),
        (1, "drop_ship"),
        (1, "custom_made"),
        (1, "past_cut_off"),
        (2, "already_canceled"),
        (3, "third_party"),
        (3, "drop_ship"),
    }


def test_who_says_so_and_since_when_is_told() -> None:
    order = an_order(unsent(cut_off=EARLIER, logistics=("drop_ship",)))
    details = {finding.code: finding.details for finding in objections(order, want())}
    assert details == {
        "drop_ship": {"units": 1, "by": "line"},
        "past_cut_off": {"units": 1, "by": "line", "until": EARLIER},
    }
    (found,) = objections(an_order(unsent()), want(), told=(tell("cut_off", until=EARLIER),))
    assert found.details == {"units": 1, "by": "depot", "until": EARLIER}


def test_a_cut_off_ahead_is_told_with_the_offer() -> None:
    order = an_order(unsent(cut_off=LATER + timedelta(hours=1)))
    (offer,) = offers(order, Terms(), (tell("cut_off", until=LATER),), now=NOW)
    assert (offer.units, offer.until, offer.findings) == (1, LATER, ())


def test_a_request_does_not_stand_in_its_own_way() -> None:
    order = an_order(unsent(units=3, held=((0, 2),)))
    assert codes(order, want(units=2)) == ["held_by_proposal", "too_many_units"]
    assert codes(order, want(units=2, spans=((0, 2),))) == []
    assert codes(order, want(units=3, spans=((0, 2),))) == []
    assert codes(order, want(units=1)) == []


def test_held_units_are_taken_for_everybody_but_their_holder() -> None:
    line = unsent(units=3, shipped=1, held=((0, 2),))
    (free,) = positions({line.id: line}, (want(),), kind=CANCEL)
    assert free[1] == ((2, 3),)
    (own,) = positions({line.id: line}, (want(units=2, spans=((0, 2),)),), kind=CANCEL)
    assert own[1] == ((0, 2),)
    assert (line.returnable_units, line.unshipped_units, line.cancelable_units) == (1, 0, 0)


# ------------------------------------------------------------------------------------------------ bundles


def bundle(**header: Any) -> tuple[LineFacts, ...]:
    """A camera set: its name without a price, and three parts with the price of each."""
    parts = ((2, 50_000, {"part_required": True}), (3, 4_000, {}), (4, 2_500, {}))
    return (
        unsent(1, goods=header.pop("goods", 0), **header),
        *(unsent(number, goods=goods, parent_id=UUID(int=1), **more) for number, goods, more in parts),
    )


def test_an_accessory_leaves_a_bundle_that_is_kept_with_its_own_price() -> None:
    order = an_order(*bundle())
    assert codes(order, want(3)) == []
    refund = quoted(order, want(3), kind=CANCEL)
    assert refund.amount == 4_000
    kept = after(order, refund, kind=CANCEL)
    assert (totals(order).units, totals(kept).units) == (3, 2)
    assert codes(kept, want(4)) == []
    assert codes(kept, want(1), want(2), want(4)) == []


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ((3,), {}),
        ((2,), {2: "bundle_part_required"}),
        ((2, 3), {2: "bundle_part_required"}),
        ((1,), {1: "bundle_part_required"}),
        ((2, 3, 4), dict.fromkeys((2, 3, 4), "bundle_nothing_left") | {2: "bundle_part_required"}),
        ((1, 2, 3), {1: "bundle_part_required", 2: "bundle_part_required"}),
        ((1, 2, 3, 4), {}),
    ],
)
def test_what_a_bundle_cannot_be_without_goes_with_the_whole_of_it(
    wishes: tuple[int, ...], found: dict[int, str]
) -> None:
    told = objections(an_order(*bundle()), *(want(number) for number in wishes))
    assert {finding.line_id.int: finding.code for finding in told if finding.line_id} == found
    assert all(finding.details == {"bundle": "Thing 1"} for finding in told)


def test_a_part_that_was_taken_out_before_is_not_asked_for_again() -> None:
    header, camera, case, card = bundle()
    order = an_order(header, camera, replace(case, canceled=((0, 1),)), card)
    assert codes(order, want(1), want(2), want(4)) == []
    assert codes(order, want(2), want(4)) == ["bundle_part_required", "bundle_nothing_left"]


@pytest.mark.parametrize(
    ("wishes", "found"),
    [((3,), [3]), ((2, 3, 4), [2, 3, 4]), ((1, 2, 3, 4), []), ((1,), [1])],
)
def test_a_shop_may_sell_bundles_as_a_whole(wishes: tuple[int, ...], found: list[int]) -> None:
    told = objections(an_order(*bundle()), *(want(number) for number in wishes), terms=Terms(bundles="whole"))
    assert [finding.line_id.int for finding in told if finding.line_id] == found
    assert {finding.code for finding in told} <= {"bundle_whole_only"}


def test_one_of_two_bundles_goes_with_all_that_belongs_to_it() -> None:
    two = an_order(
        unsent(1, units=2, goods=0),
        unsent(2, units=2, parent_id=UUID(int=1), part_required=True),
        unsent(3, units=4, parent_id=UUID(int=1)),
    )
    for terms in (Terms(), Terms(bundles="whole")):
        assert codes(two, want(1), want(2), want(3, units=2), terms=terms) == []
    assert codes(two, want(1), want(2), want(3), terms=Terms(bundles="whole")) == ["bundle_whole_only"] * 2
    assert codes(two, want(1), want(2), want(3)) == ["bundle_part_required"] * 2
    assert codes(two, want(3, units=4)) == []


@pytest.mark.parametrize(
    ("wishes", "grown"),
    [
        ({3: 1}, {3: 1}),
        ({2: 1, 3: 1, 4: 1}, {2: 1, 3: 1, 4: 1, 1: 1}),
        ({1: 1}, {1: 1, 2: 1, 3: 1, 4: 1}),
        ({1: 1, 3: 1}, {1: 1, 3: 1}),
        ({1: 1, 2: 1, 3: 1, 4: 1}, {1: 1, 2: 1, 3: 1, 4: 1}),
    ],
)
def test_the_name_of_a_bundle_goes_along_with_its_last_part_and_its_parts_with_the_name(
    wishes: dict[int, int], grown: dict[int, int]
) -> None:
    order = an_order(*bundle())
    request = a_request(*(want(number, units) for number, units in wishes.items()), kind=CANCEL)
    found = cancellations.completed(order, request)
    assert {wish.line_id.int: wish.units for wish in found.wanted} == grown
    assert cancellations.completed(order, found) == found
    codes_left = codes(order, *found.wanted)
    assert "bundle_nothing_left" not in codes_left
    assert bool(codes_left) == (wishes == {1: 1, 3: 1})


def test_of_two_bundles_one_name_goes_with_one_set_and_none_with_half_of_it() -> None:
    two = an_order(
        unsent(1, units=2, goods=0),
        unsent(2, units=2, parent_id=UUID(int=1)),
        unsent(3, units=4, parent_id=UUID(int=1)),
    )

    def grown(*wanted: Wanted) -> dict[int, int]:
        found = cancellations.completed(two, a_request(*wanted, kind=CANCEL))
        assert codes(two, *found.wanted) == []
        return {wish.line_id.int: wish.units for wish in found.wanted}

    assert grown(want(1)) == {1: 1, 2: 1, 3: 2}
    assert grown(want(2), want(3, units=2)) == {2: 1, 3: 2, 1: 1}
    assert grown(want(2), want(3)) == {2: 1, 3: 1}
    assert grown(want(1, units=2)) == {1: 2, 2: 2, 3: 4}


def test_a_price_that_stands_on_the_bundle_does_not_go_back_while_its_parts_are_kept() -> None:
    order = an_order(unsent(1, goods=9_000), unsent(2, goods=0, parent_id=UUID(int=1)))
    assert codes(order, want(1)) == ["bundle_part_required"]
    assert codes(order, want(1), want(2)) == []


def test_an_accessory_beside_an_item_with_its_own_price_binds_nobody() -> None:
    order = an_order(unsent(1), unsent(2, parent_id=UUID(int=1)))
    assert codes(order, want(1)) == []
    assert codes(order, want(2)) == []


# ----------------------------------------------------------------------------------------------- services


def a_quote(order: OrderFacts, *wanted: Wanted, at: datetime = NOW, **given: Any) -> Any:
    """The refund as the services ask for it: with the days had until ``at``."""
    request = prepared(order, a_request(*wanted, kind=CANCEL, requested_at=at), zone=UTC)
    return quoted(order, *request.wanted, kind=CANCEL, **given)


def test_a_service_ended_at_once_gives_back_the_days_that_were_not_had() -> None:
    order = an_order(service(tax={"VAT": 479}))
    refund = a_quote(order, want(5, ending="at_once"))
    assert refund.amount == 1_000  # 10 of 30 days are unused; the 20th is had
    assert refund.lines[0].tax == 479 - 319
    row = refund.rows[-1]
    assert (row.rule, row.amount, row.basis) == (
        "scope_used",
        -2_000,
        {"done": 20, "of_scope": 30, "of": 3_000, "in": "days"},
    )
    done = after(order, refund, kind=CANCEL)
    assert totals(done).total == 2_000
    assert codes(done, want(5, ending="at_once")) == ["already_canceled"]


@pytest.mark.parametrize(
    ("day", "back"),
    [
        (date(2026, 2, 27), 3_000),
        (date(2026, 3, 1), 2_900),
        (date(2026, 3, 29), 100),
        (date(2026, 3, 30), 0),
    ],
)
def test_days_are_counted_from_the_first_to_the_last_inclusive(day: date, back: int) -> None:
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    order = an_order(service())
    assert a_quote(order, want(5, ending="at_once"), at=at).amount == back


def test_the_day_is_the_one_where_the_shop_is() -> None:
    late = datetime(2026, 3, 20, 23, 30, tzinfo=UTC)
    request = a_request(want(5, ending="at_once"), kind=CANCEL, requested_at=late)
    order = an_order(service())
    assert prepared(order, request, zone=UTC).wanted[0].scope_used == (20, 30)
    assert prepared(order, request, zone=ZoneInfo("Europe/Berlin")).wanted[0].scope_used == (21, 30)


def test_what_was_settled_with_the_proposal_is_not_counted_again() -> None:
    wish = want(5, ending="at_once", scope_used=(3, 30))
    assert a_quote(an_order(service()), wish).amount == 2_700


def test_a_service_that_ends_with_its_period_gives_nothing_back_and_takes_no_unit() -> None:
    order = an_order(service(), unsent(1), shipping(500))
    refund = a_quote(order, want(5, ending="next_period"))
    assert (refund.amount, refund.lines) == (0, ())
    assert [(row.rule, row.amount) for row in refund.rows] == [("runs_out", 0)]
    assert refund.rows[0].basis == {"units": 1, "of_units": 1, "ends_on": "2026-03-30"}
    assert after(order, refund, kind=CANCEL) == order


def test_the_other_services_of_the_plan_are_what_they_were() -> None:
    plan = an_order(service(5, goods=3_000), service(6, goods=1_999), service(7, goods=500))
    refund = a_quote(plan, want(6, ending="at_once"))
    assert refund.amount == 666
    done = after(plan, refund, kind=CANCEL)
    assert [done.line(UUID(int=n)) for n in (5, 7)] == [plan.line(UUID(int=n)) for n in (5, 7)]
    left = {offer.line_id.int: offer.units for offer in offers(done, Terms(), now=NOW)}
    assert left == {5: 1, 6: 0, 7: 1}


@pytest.mark.parametrize(
    ("given", "endings", "found"),
    [
        ({}, ("next_period", "at_once"), None),
        ({"shipped": 1}, ("next_period", "at_once"), None),
        ({"interval": ""}, ("at_once",), None),
        ({"period_start": None}, ("next_period",), None),
        ({"ends_on": date(2026, 3, 30)}, (), "service_ending"),
        ({"period_end": date(2026, 3, 19), "period_start": date(2026, 2, 20)}, (), "service_over"),
        ({"period_end": DAY}, ("next_period", "at_once"), None),
        ({"period_start": None, "period_end": None}, (), "ending_unknown"),
    ],
)
def test_how_a_service_may_end(given: dict[str, Any], endings: tuple[str, ...], found: str | None) -> None:
    order = an_order(service(**given))
    (offer,) = offers(order, Terms(), now=NOW)
    assert offer.endings == endings
    for ending in endings:
        assert codes(order, want(5, ending=ending)) == []
    if found:
        assert codes(order, want(5, ending="at_once")) == [found]


def test_how_a_service_ends_has_to_be_said_and_goods_just_go() -> None:
    order = an_order(service(), unsent(1), unsent(2, kind="service"))
    assert codes(order, want(5)) == ["ending_unknown"]
    assert codes(order, want(1, ending="at_once")) == ["ending_unknown"]
    assert codes(order, want(2)) == []


def test_a_service_that_was_done_once_is_not_canceled() -> None:
    assert codes(an_order(unsent(1, kind="service", shipped=1)), want()) == ["already_shipped"]


def test_seats_of_a_service_go_one_by_one_at_once_and_together_with_the_period() -> None:
    order = an_order(service(units=3, goods=9_000))
    assert codes(order, want(5, ending="at_once")) == []
    refund = a_quote(order, want(5, ending="at_once"))
    assert refund.amount == 1_000
    (found,) = objections(order, want(5, ending="next_period"))
    assert (found.code, found.details) == ("service_whole_only", {"maximum": 3, "wanted": 1})
    two = after(order, refund, kind=CANCEL)
    assert codes(two, want(5, units=2, ending="next_period")) == []


# -------------------------------------------------------------------------------------------------- gifts


def test_a_free_gift_gives_back_nothing_and_divides_nothing_by_zero() -> None:
    order = an_order(unsent(1, units=3, goods=0), unsent(2), shipping(490, discount=490))
    refund = quoted(order, want(1, units=2), kind=CANCEL)
    assert refund.amount == 0
    assert refund.shares == ()
    rest = after(order, refund, kind=CANCEL)
    assert quoted(rest, want(1), want(2), kind=CANCEL).amount == 1_000


def test_a_gift_for_somebody_else_is_paid_back_to_whoever_paid() -> None:
    order = an_order(unsent(1, gift=True), unsent(2))
    refund = quoted(order, want(1), kind=CANCEL)
    assert [(share.payment_id, share.amount) for share in refund.shares] == [(UUID(int=70), 1_000)]


# --------------------------------------------------------------------------------- shipping and charges

TIERS = Terms(
    cancel_shipping="re_evaluate",
    shipping_tiers=(ShippingTier(from_goods=0, price=390), ShippingTier(from_goods=5_000, price=790)),
)


def test_shipping_is_kept_where_the_terms_say_nothing() -> None:
    order = an_order(unsent(units=6), shipping(790))
    assert quoted(order, want(units=5), kind=CANCEL).amount == 5_000
    assert quoted(order, want(units=6), kind=CANCEL).amount == 6_790


def test_shipping_is_worked_out_anew_for_what_stays_with_its_tax() -> None:
    order = an_order(unsent(units=6), shipping(790, tax={"VAT": 126}))
    assert amounts(quoted(order, want(units=1), kind=CANCEL, terms=TIERS)) == {"item_subtotal": 1_000}
    refund = quoted(order, want(units=2), kind=CANCEL, terms=TIERS)
    assert amounts(refund) == {"item_subtotal": 2_000, "shipping_refund": 400}
    (row,) = [row for row in refund.rows if row.code == "shipping_refund"]
    assert (row.rule, row.tax) == ("cancel_shipping", 64)
    assert row.basis == {"price": 390, "of": 790, "goods": 4_000}
    rest = after(order, refund, kind=CANCEL)
    assert amounts(quoted(rest, want(units=1), kind=CANCEL, terms=TIERS)) == {"item_subtotal": 1_000}
    last = quoted(rest, want(units=4), kind=CANCEL, terms=TIERS)
    assert amounts(last) == {"item_subtotal": 4_000, "shipping_refund": 390}
    assert last.lines[1].tax == 126 - 64


def test_shipping_never_becomes_more() -> None:
    """From 40.00 on it was free: what is canceled takes the order below, and nobody is charged."""
    terms = replace(TIERS, shipping_tiers=(ShippingTier(from_goods=0, price=490),))
    free = an_order(unsent(units=5), shipping(490, discount=490))
    assert quoted(free, want(units=4), kind=CANCEL, terms=terms).amount == 4_000
    cheap = an_order(unsent(units=5), shipping(200))
    assert quoted(cheap, want(units=4), kind=CANCEL, terms=terms).amount == 4_000


def test_below_the_lowest_tier_shipping_stays_as_it_was() -> None:
    terms = replace(TIERS, shipping_tiers=(ShippingTier(from_goods=3_000, price=100),))
    order = an_order(unsent(units=5), shipping(790))
    assert amounts(quoted(order, want(units=4), kind=CANCEL, terms=terms)) == {"item_subtotal": 4_000}


def test_tiers_are_prices_as_they_are_written_tax_on_top_comes_along() -> None:
    line = unsent(units=6, tax={"T": 480}, prices_include_tax=False)
    fee = shipping(790, tax={"T": 63}, prices_include_tax=False)
    order = an_order(line, fee)
    assert amounts(quoted(order, want(units=1), kind=CANCEL, terms=TIERS)).get("shipping_refund") is None
    refund = quoted(order, want(units=2), kind=CANCEL, terms=TIERS)
    shipped = {key: amount for key, amount in amounts(refund).items() if key.startswith("shipping")}
    assert shipped == {"shipping_refund": 400, "shipping_tax": 32}


def test_shipping_given_back_before_is_not_given_back_again() -> None:
    order = an_order(unsent(units=6), shipping(790, refunded=300))
    refund = quoted(order, want(units=2), kind=CANCEL, terms=TIERS)
    assert amounts(refund)["shipping_refund"] == 100
    more = an_order(unsent(units=6), shipping(790, refunded=500))
    assert "shipping_refund" not in amounts(quoted(more, want(units=2), kind=CANCEL, terms=TIERS))


def test_two_deliveries_are_lowered_together() -> None:
    order = an_order(unsent(units=6), shipping(600), shipping(400, 95))
    refund = quoted(order, want(units=2), kind=CANCEL, terms=TIERS)
    assert [line.amount for line in refund.lines[1:]] == [366, 244]


def test_what_was_sent_and_came_back_counts_as_bought() -> None:
    line = a_line(1, units=6, shipped=3, claimed=((0, 3),), returned=((0, 3),), refunded=3_000)
    refund = quoted(an_order(line, shipping(790)), want(units=1), kind=CANCEL, terms=TIERS)
    assert "shipping_refund" not in amounts(refund)


def test_an_order_of_services_alone_gets_its_charges_back_when_all_of_it_is_canceled_unused() -> None:
    setup = replace(shipping(2_500, 92), kind="fee", name="Setup")
    order = an_order(service(5), service(6), setup)
    unused = datetime(2026, 2, 20, tzinfo=UTC)
    wishes = (want(5, ending="at_once"), want(6, ending="at_once"))
    assert a_quote(order, *wishes, at=unused).amount == 8_500
    assert a_quote(order, *wishes).amount == 2_000
    assert a_quote(order, wishes[0], at=unused).amount == 3_000


def test_a_fee_stays_while_a_service_stays() -> None:
    fee = replace(shipping(2_500, 92), kind="fee")
    order = an_order(unsent(1), service(5), fee, shipping(500))
    refund = quoted(order, want(1), kind=CANCEL)
    assert amounts(refund) == {"item_subtotal": 1_000, "shipping_refund": 500}


# ---------------------------------------------------------------------------------------------- payments


def test_what_was_not_taken_yet_is_let_go_before_money_moves() -> None:
    payments = (
        a_payment(1_000, 70, tender="gift_card"),
        a_payment(2_000, 71, tender="card", mode="authorized"),
        a_payment(3_000, 72, tender="invoice", mode="due"),
    )
    order = an_order(unsent(units=6), payments=payments)
    refund = quoted(order, want(units=4), kind=CANCEL, terms=Terms(tender_order=("gift_card", "card")))
    assert [(share.tender, share.amount) for share in refund.shares] == [("invoice", 3_000), ("card", 1_000)]
    done = after(order, refund, kind=CANCEL)
    assert [(one.refunded, one.released) for one in done.payments] == [(0, 0), (1_000, 1_000), (3_000, 3_000)]
    found = totals(done)
    assert (found.released, found.due, found.refunded, found.total) == (4_000, 0, 4_000, 2_000)


def test_what_was_never_paid_is_not_given_as_store_credit() -> None:
    payments = (
        a_payment(2_000, 70, tender="cash_on_delivery", mode="due"),
        a_payment(1_000, 71, tender="card"),
    )
    order = an_order(unsent(units=3), payments=payments)
    terms = Terms(store_credit_bonus_bp=1_000, store_credit_bonus_cap=10_000)
    refund = quoted(order, want(units=3), kind=CANCEL, resolution="store_credit", terms=terms)
    assert [(share.tender, share.payment_id is None, share.amount) for share in refund.shares] == [
        ("cash_on_delivery", False, 2_000),
        ("store_credit", True, 1_000),
        ("store_credit", True, 100),
    ]
    some = (UUID(int=70), 500), (UUID(int=71), 500)
    chosen = quoted(order, want(), kind=CANCEL, resolution="store_credit", terms=terms, tenders=some)
    assert amounts(chosen) == {"item_subtotal": 1_000, "bonus_credit": 50}


# ------------------------------------------------------------------------------------------------ totals


def test_totals_before_and_after_are_exact() -> None:
    order = an_order(
        unsent(1, units=3, goods=2_798, tax={"VAT": 447}),
        unsent(2, goods=1_250),
        shipping(490),
        replace(shipping(99, 91), kind="duty"),
    )
    before = totals(order)
    assert (before.goods, before.shipping, before.other, before.total) == (4_048, 490, 99, 4_637)
    assert (before.paid, before.refunded, before.canceled, before.units) == (4_637, 0, 0, 4)
    request: ReturnRequest = a_request(want(1, units=2), want(2), kind=CANCEL)
    refund = quoted(order, *request.wanted, kind=CANCEL)
    now = cancellations.after(order, request, refund)
    assert (now.goods, now.shipping, now.other, now.total) == (933, 490, 99, 1_522)
    assert (now.paid, now.refunded, now.canceled, now.units) == (4_637, 3_115, 3_115, 1)
    done = after(order, refund, kind=CANCEL)
    assert now == totals(done)
    rest = quoted(done, want(1), kind=CANCEL)
    nothing = totals(after(done, rest, kind=CANCEL))
    assert (nothing.total, nothing.goods, nothing.shipping, nothing.other) == (0, 0, 0, 0)
    assert (nothing.refunded, nothing.units) == (4_637, 0)


def test_one_line_canceled_and_one_returned_add_up() -> None:
    order = an_order(a_line(1, units=2), unsent(2), shipping(490))
    refund = quoted(order, want(2), kind=CANCEL)
    order = after(order, refund, kind=CANCEL)
    back = quoted(order, want(1))
    order = after(order, back)
    found = totals(order)
    assert (found.total, found.canceled, found.refunded, found.units) == (1_490, 1_000, 2_000, 1)


def test_the_reasons_are_words_of_the_vocabulary_or_our_own_and_nobody_has_to_give_one() -> None:
    assert cancellations.REASONS[-1] == "other"
    assert codes(an_order(unsent()), replace(want(), reason=None)) == []


# ---------------------------------------------------------------------------------- other terms for the past


def test_a_cancellation_of_the_past_is_judged_by_the_terms_and_not_by_what_was_sent_since() -> None:
    order = replace(an_order(*bundle(), shipping(790)), state="canceled")
    order = replace(order, lines=tuple(replace(line, shipped=line.units) for line in order.lines))
    request = a_request(want(3), kind=CANCEL)
    past = Past(
        id=UUID(int=1),
        number="R1",
        state="closed",
        currency="EUR",
        asked=request,
        due=request.wanted,
        at=NOW,
        terms=Terms(),
    )

    def under(terms: Terms) -> Rejudged:
        (found,) = rejudge(order, [past], terms, zone=UTC)
        assert (found.before.outcome, found.before.amount) == ("allowed", 4_000)
        return found

    assert not under(Terms()).differs
    whole = under(Terms(bundles="whole"))
    assert [finding.code for finding in whole.after.findings] == ["bundle_whole_only"]
    assert (whole.after.outcome, whole.after.amount) == ("refused", 0)
    assert under(Terms(active=False)).after.outcome == "refused"
    cheaper = under(replace(TIERS, shipping_tiers=(ShippingTier(from_goods=0, price=390),)))
    assert (cheaper.difference, [row.rule for row in cheaper.rows]) == (400, ["cancel_shipping"])

"""Rule 9: deals that depended on what goes back, kept or judged anew for what stays."""

from uuid import UUID

import pytest

from portal.core.facts import OrderFacts, Promotion, PromotionStep
from portal.core.policy.terms import Terms
from portal.core.promotions import from_json, to_json
from portal.core.refunds.breakdown import Breakdown
from tests.core.made import a_line, after, amounts, an_order, quoted, shipping, want

ANEW = Terms(promotions="re_evaluate")
SPEND_50_GET_10 = (PromotionStep(reach=5000, percent_bp=1000),)


def deal(kind: str, **shares: int) -> dict[str, object]:
    """The start of a promotion: its kind, and per line (``_1=300``) what its discount holds of it."""
    return {
        "code": "deal",
        "kind": kind,
        "name": "A deal",
        "shares": tuple((UUID(int=int(name[1:])), amount) for name, amount in shares.items()),
    }


def an_order_with(promotion: Promotion, *prices: tuple[int, int, int]) -> OrderFacts:
    """Lines of (units, goods, discount)."""
    lines = [
        a_line(n, units=units, goods=goods, discount=discount)
        for n, (units, goods, discount) in enumerate(prices, 1)
    ]
    return an_order(*lines, promotions=(promotion,))


def two_of_30() -> OrderFacts:
    return an_order_with(
        Promotion(**deal("spend", _1=300, _2=300), steps=SPEND_50_GET_10), (1, 3000, 300), (1, 3000, 300)
    )


def lost(breakdown: Breakdown) -> int:
    return -sum(row.amount for row in breakdown.rows if row.rule == "promotions")


def test_rule_9_the_policy_keeps_deals_unless_it_says_otherwise() -> None:
    breakdown = quoted(two_of_30(), want(1))
    assert (breakdown.amount, lost(breakdown)) == (2700, 0)


def test_rule_9_judged_anew_what_stays_loses_its_discount_and_the_row_says_so() -> None:
    breakdown = quoted(two_of_30(), want(1), terms=ANEW)
    assert breakdown.amount == 2700 - 300
    (row,) = [row for row in breakdown.rows if row.rule == "promotions"]
    assert (row.code, row.amount, row.basis) == ("order_discount_share", -300, {"lost": [["A deal", 300]]})
    assert [(line.promotion, line.withheld) for line in breakdown.lines] == [(300, 0)]


def test_rule_9_what_was_withheld_comes_back_when_everything_does() -> None:
    order = two_of_30()
    first = quoted(order, want(1), terms=ANEW)
    last = quoted(after(order, first), want(2), terms=ANEW)
    assert (first.amount, last.amount) == (2400, 3000)
    assert {line.line_id.int: (line.amount, line.promotion) for line in last.lines} == {
        2: (2700, 0),
        1: (300, -300),
    }
    assert all(line.refundable == 0 for line in after(after(order, first), last).lines)


def test_rule_9_what_is_still_reached_loses_nothing() -> None:
    steps = (PromotionStep(reach=2000, percent_bp=1000),)
    order = an_order_with(
        Promotion(**deal("spend", _1=300, _2=300), steps=steps), (1, 3000, 300), (1, 3000, 300)
    )
    assert quoted(order, want(1), terms=ANEW).amount == 2700


def test_rule_9_percentage_steps_fall_to_the_step_that_is_still_reached() -> None:
    steps = (PromotionStep(reach=5000, percent_bp=500), PromotionStep(reach=10_000, percent_bp=1000))
    order = an_order_with(
        Promotion(**deal("spend", _1=600, _2=600), steps=steps), (1, 6000, 600), (1, 6000, 600)
    )
    assert quoted(order, want(1), terms=ANEW).amount == 5400 - 300


def test_rule_9_an_amount_off_falls_away_with_its_threshold() -> None:
    steps = (PromotionStep(reach=5000, amount=1000),)
    order = an_order_with(
        Promotion(**deal("spend", _1=500, _2=500), steps=steps), (1, 3000, 500), (1, 3000, 500)
    )
    assert quoted(order, want(1), terms=ANEW).amount == 2500 - 500


def test_rule_9_steps_by_quantity() -> None:
    steps = (PromotionStep(reach=3, percent_bp=1000),)
    order = an_order_with(Promotion(**deal("quantity", _1=300), steps=steps), (3, 3000, 300))
    assert quoted(order, want(1), terms=ANEW).amount == 900 - 200


@pytest.mark.parametrize(("returned", "refund"), [(1, 2000), (2, 1000), (3, 0)])
def test_rule_9_three_for_two_with_the_cheapest_free(returned: int, refund: int) -> None:
    """Paid 30 + 20 + 0; whatever comes back, the two that stay are paid in full."""
    free = Promotion(**deal("buy_get", _3=1000), buy=2, get=1)
    order = an_order_with(free, (1, 3000, 0), (1, 2000, 0), (1, 1000, 1000))
    assert quoted(order, want(returned), terms=ANEW).amount == refund


def test_rule_9_three_for_two_of_one_line_that_the_shop_spread_evenly() -> None:
    order = an_order_with(Promotion(**deal("buy_get", _1=1000), buy=2, get=1), (3, 3000, 1000))
    first = quoted(order, want(1), terms=ANEW)
    assert first.amount == 0
    assert quoted(after(order, first), want(1, 2), terms=ANEW).amount == 2000


def test_rule_9_buy_one_get_one_at_half_price() -> None:
    half = Promotion(**deal("buy_get", _2=500), buy=1, get=1, percent_bp=5000)
    order = an_order_with(half, (1, 1000, 0), (1, 1000, 500))
    assert quoted(order, want(1), terms=ANEW).amount == 1000 - 500
    assert quoted(order, want(2), terms=ANEW).amount == 500


def test_rule_9_free_shipping_is_charged_when_what_stays_is_below_its_threshold() -> None:
    free = Promotion(**deal("free_shipping", _90=500), steps=(PromotionStep(reach=4000, percent_bp=10_000),))
    order = an_order(
        a_line(1, goods=3000), a_line(2, goods=2000), shipping(500, discount=500), promotions=(free,)
    )
    first = quoted(order, want(1), terms=ANEW)
    assert first.amount == 3000 - 500
    assert quoted(after(order, first), want(2), terms=ANEW).amount == 2000 + 500


def test_rule_9_a_bundle_with_a_part_returned_leaves_the_rest_at_the_price_of_parts() -> None:
    """Camera 600 and lens 400 for 900 together."""
    bundle = Promotion(**deal("bundle", _1=6000, _2=4000), parts=((UUID(int=1), 1), (UUID(int=2), 1)))
    order = an_order_with(bundle, (1, 60_000, 6000), (1, 40_000, 4000))
    assert quoted(order, want(1)).amount == 54_000
    assert quoted(order, want(1), terms=ANEW).amount == 50_000
    assert quoted(order, want(1), want(2), terms=ANEW).amount == 90_000


def test_rule_9_of_two_bundles_one_stays_whole() -> None:
    bundle = Promotion(**deal("bundle", _1=1200, _2=800), parts=((UUID(int=1), 1), (UUID(int=2), 1)))
    order = an_order_with(bundle, (2, 12_000, 1200), (2, 8000, 800))
    assert quoted(order, want(1), terms=ANEW).amount == 5400 - 400


def test_rule_9_the_refund_is_never_negative_and_the_next_one_takes_what_was_missing() -> None:
    steps = (PromotionStep(reach=10_000, percent_bp=2000),)
    order = an_order_with(
        Promotion(**deal("spend", _1=200, _2=1000, _3=800), steps=steps),
        (1, 1000, 200),
        (1, 5000, 1000),
        (1, 4000, 800),
    )
    first = quoted(order, want(1), terms=ANEW)
    assert first.amount == 0
    (row,) = [row for row in first.rows if row.rule == "promotions"]
    assert row.basis == {"lost": [["A deal", 1800]], "asked": 1800, "limited_to": 800}
    second = quoted(after(order, first), want(2), terms=ANEW)
    assert second.amount == 4000 - 800 + 800


def test_rule_9_where_nothing_is_refunded_the_row_says_what_is_outstanding() -> None:
    steps = (PromotionStep(reach=2, percent_bp=1000),)
    order = an_order_with(Promotion(**deal("quantity", _1=100), steps=steps), (1, 1000, 100), (1, 0, 0))
    breakdown = quoted(order, want(2), terms=ANEW)
    assert (breakdown.amount, breakdown.rows[-1].amount) == (0, 0)
    assert breakdown.rows[-1].basis == {"lost": [["A deal", 100]], "asked": 100, "limited_to": 0}


def test_rule_9_a_canceled_line_never_charges_the_customer_more() -> None:
    order = two_of_30()
    canceled = quoted(order, want(1), terms=ANEW, kind="partial_cancellation")
    assert canceled.amount == 2700
    order = after(order, canceled, kind="partial_cancellation")
    assert quoted(order, want(2), terms=ANEW).amount == 2700


def test_rule_9_a_cancellation_gives_back_what_a_return_before_it_withheld() -> None:
    order = two_of_30()
    order = after(order, quoted(order, want(1), terms=ANEW))
    assert quoted(order, want(2), terms=ANEW, kind="partial_cancellation").amount == 3000


def test_rule_9_the_tax_in_the_lost_discount_stays_with_it_and_comes_back_with_it() -> None:
    promotion = Promotion(**deal("spend", _1=300, _2=300), steps=SPEND_50_GET_10)
    lines = [a_line(n, goods=3000, discount=300, tax={"VAT": 431}) for n in (1, 2)]
    order = an_order(*lines, promotions=(promotion,))
    first = quoted(order, want(1), terms=ANEW)
    assert first.lines[0].taxes == (("VAT", 383),)
    assert first.lines[0].promotion_taxes == (("VAT", 48),)
    last = quoted(after(order, first), want(2), terms=ANEW)
    assert first.tax + last.tax == 862


def test_rule_9_two_deals_are_judged_each_by_itself() -> None:
    ten = Promotion(**deal("spend", _1=300, _2=300), steps=SPEND_50_GET_10)
    free = Promotion(**deal("free_shipping", _90=490), steps=(PromotionStep(reach=5000, percent_bp=10_000),))
    lines = [a_line(n, goods=3000, discount=300) for n in (1, 2)]
    order = an_order(*lines, shipping(490, discount=490), promotions=(ten, free))
    breakdown = quoted(order, want(1), terms=ANEW)
    assert breakdown.amount == 2700 - 300 - 490
    (row,) = [row for row in breakdown.rows if row.rule == "promotions"]
    assert row.basis == {"lost": [["A deal", 300], ["A deal", 490]]}


def test_rule_9_a_deal_that_never_held_by_its_own_numbers_takes_nothing_away() -> None:
    steps = (PromotionStep(reach=99_999, percent_bp=1000),)
    order = an_order_with(
        Promotion(**deal("spend", _1=300, _2=300), steps=steps), (1, 3000, 300), (1, 3000, 300)
    )
    assert quoted(order, want(1), terms=ANEW).amount == 2700


def test_rule_9_fees_come_after_the_deal_was_judged() -> None:
    terms = Terms(promotions="re_evaluate", condition_deductions_bp=(("used", 5000),))
    breakdown = quoted(two_of_30(), want(1, condition="used"), terms=terms)
    assert amounts(breakdown)["condition_deduction"] == -1200
    assert breakdown.amount == 1200


def test_a_deal_survives_storage() -> None:
    for promotion in two_of_30().promotions:
        assert from_json(to_json(promotion)) == promotion


def test_rule_9_a_policy_that_keeps_deals_gives_back_once_nothing_is_kept_and_not_before() -> None:
    lines = ((1, 3000, 300), (1, 3000, 300), (1, 3000, 300))
    steps = (PromotionStep(reach=9000, percent_bp=1000),)
    order = an_order_with(Promotion(**deal("spend", _1=300, _2=300, _3=300), steps=steps), *lines)
    order = after(order, quoted(order, want(1), terms=ANEW))
    assert order.lines[0].promotion_withheld == 600
    second = quoted(order, want(2))
    assert second.amount == 2700
    assert quoted(after(order, second), want(3)).amount == 2700 + 600


def test_rule_9_what_a_person_names_holds_what_the_deal_took_or_takes_it_up() -> None:
    low, high = (
        quoted(two_of_30(), want(1, named=2000), terms=ANEW),
        quoted(two_of_30(), want(1, named=2600), terms=ANEW),
    )
    assert [(line.amount, line.promotion, line.withheld) for line in low.lines] == [(2000, 300, 400)]
    assert [(line.amount, line.promotion, line.withheld) for line in high.lines] == [(2600, 100, 0)]
    last = quoted(after(two_of_30(), high), want(2), terms=ANEW)
    assert last.amount == 2700 + 100

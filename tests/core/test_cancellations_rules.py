"""The numbered money rules, as far as they speak of what is canceled before it is sent."""

from dataclasses import replace
from uuid import UUID

import pytest

from portal.core.cancellations import judge, totals
from portal.core.facts import Addition, LineFacts, OrderFacts, Promotion, PromotionStep
from portal.core.money import allocate
from portal.core.policy.terms import Depreciation, RestockingFee, ShippingTier, Terms
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import NotGranted, TooMuch, explain_change, from_json, to_json
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
PAID_CARD, PAID_GIFT = UUID(int=70), UUID(int=71)


def unsent(number: int = 1, **given: object) -> LineFacts:
    return a_line(number, **{"shipped": 0, **given})


def canceled(order: OrderFacts, *wanted: object, **given: object) -> OrderFacts:
    return after(order, quoted(order, *wanted, kind=CANCEL, **given), kind=CANCEL)  # type: ignore[arg-type]


def test_rule_1_a_gift_card_is_a_tender_and_gets_its_part_back() -> None:
    payments = (a_payment(600, 70), a_payment(400, 71, tender="gift_card"))
    order = an_order(unsent(units=2, goods=1_000), payments=payments)
    refund = quoted(order, want(), kind=CANCEL, terms=Terms(tender_order=("gift_card", "card")))
    assert [(share.payment_id, share.amount) for share in refund.shares] == [
        (PAID_GIFT, 400),
        (PAID_CARD, 100),
    ]


def test_rule_2_a_price_for_a_bundle_is_its_parts_and_the_parts_are_the_price() -> None:
    price, discount = 9_999, 1_000
    alone = (7_000, 2_500, 1_499)
    goods = allocate(price, alone)
    off = allocate(discount, goods)
    parts = [unsent(n, goods=goods[n - 2], discount=off[n - 2], parent_id=UUID(int=1)) for n in (2, 3, 4)]
    order = an_order(unsent(1, goods=0), *parts)
    back = [quoted(order, want(n), kind=CANCEL).amount for n in (3, 4)]
    assert back == [parts[1].paid, parts[2].paid]
    rest = canceled(canceled(order, want(3)), want(4))
    assert quoted(rest, want(1), want(2), kind=CANCEL).amount == price - discount - sum(back)


def test_rule_3_what_was_captured_less_than_the_parts_caps_and_says_so() -> None:
    order = an_order(unsent(units=2), payments=(a_payment(1_500),), differs=-500)
    first = quoted(order, want(), kind=CANCEL)
    last = quoted(after(order, first, kind=CANCEL), want(), kind=CANCEL)
    assert (first.amount, last.amount, last.clamped) == (1_000, 500, 500)
    assert [row.rule for row in last.rows if row.code == "previously_refunded"] == ["order_cap"]


@pytest.mark.parametrize("inside", [True, False])
def test_rule_4_price_after_discount_and_its_stored_tax_go_back(inside: bool) -> None:
    line = unsent(units=3, goods=3_000, discount=300, tax={"VAT": 431}, prices_include_tax=inside)
    refund = quoted(an_order(line), want(), kind=CANCEL)
    assert (refund.amount, refund.tax) == (900 if inside else 1_044, 144)


def test_rule_5_three_units_of_27_98_canceled_and_returned_in_any_order() -> None:
    line = a_line(units=3, goods=2_798, tax={"VAT": 447}, shipped=1)
    found = {
        kinds: []
        for kinds in ((CANCEL, CANCEL, "return"), (CANCEL, "return", CANCEL), ("return", CANCEL, CANCEL))
    }
    for kinds, given in found.items():
        order = an_order(line)
        for kind in kinds:
            refund = quoted(order, want(), kind=kind)
            given.append(refund.amount)
            order = after(order, refund, kind=kind)
        assert order.lines[0].refundable == 0
        assert order.lines[0].taxes[0].refunded == 447
    assert set(map(tuple, found.values())) == {(933, 932, 933)}


def test_rule_5_a_proposal_that_was_let_go_leaves_every_price_as_it_was() -> None:
    order = an_order(unsent(units=3, goods=2_798))
    held = an_order(unsent(units=3, goods=2_798, held=((0, 1),)))
    assert quoted(held, want(), kind=CANCEL).amount == 932
    assert quoted(order, want(), kind=CANCEL).amount == 933
    rest = canceled(held, want())
    free = replace(rest, lines=tuple(replace(line, held=()) for line in rest.lines))
    assert quoted(free, want(units=2), kind=CANCEL).amount == 933 + 933


def test_rule_6_shipping_has_its_own_rule_and_cap_and_never_goes_because_a_line_was_last() -> None:
    order = an_order(a_line(1), unsent(2), shipping(490, tax={"VAT": 78}))
    refund = quoted(order, want(2), kind=CANCEL)
    assert amounts(refund) == {"item_subtotal": 1_000}  # the other line was sent, so shipping was had
    whole = an_order(unsent(1), unsent(2), shipping(490, tax={"VAT": 78}))
    last = quoted(canceled(whole, want(1)), want(2), kind=CANCEL)
    assert amounts(last) == {"item_subtotal": 1_000, "shipping_refund": 490}
    assert dict(last.lines[1].taxes) == {"VAT": 78}


def test_rule_6_the_law_and_never_yield_to_an_order_that_was_never_delivered() -> None:
    for rule in ("never", "law", "fault", "full_return", "proportion"):
        order = an_order(unsent(1, units=2), shipping(490))
        terms = Terms(refund_shipping=rule, ordinary_delivery=100)
        assert quoted(order, want(units=2), kind=CANCEL, terms=terms).amount == 2_490


def test_rule_7_nothing_is_kept_back_of_what_was_never_sent() -> None:
    terms = Terms(
        restocking_fee=RestockingFee(percent_bp=1_000, fixed=500),
        condition_deductions_bp=(("used", 9_000),),
        accessory_deductions=(("cable", 300),),
        depreciation=(Depreciation(by="use", over=10),),
        return_postage="customer",
    )
    wish = want(condition="used", missing_accessories=("cable",), used=9)
    refund = quoted(an_order(unsent()), wish, kind=CANCEL, terms=terms, postage=490)
    assert amounts(refund) == {"item_subtotal": 1_000}


def test_rule_7_the_part_of_a_service_that_was_had_stays_with_its_tax_and_leaks_nowhere() -> None:
    line = unsent(kind="service", units=2, goods=6_000, tax={"VAT": 958}, interval="month")
    order = an_order(line, unsent(2))
    refund = quoted(order, want(scope_used=(10, 30), ending="at_once"), kind=CANCEL)
    assert (refund.amount, refund.tax) == (2_000, 319)
    rest = after(order, refund, kind=CANCEL)
    other = quoted(rest, want(scope_used=(30, 30), ending="at_once"), kind=CANCEL)
    assert other.amount == 0
    assert quoted(after(rest, other, kind=CANCEL), want(2), kind=CANCEL).amount == 1_000


def test_rule_8_goodwill_for_the_trouble_is_capped_has_a_role_and_stands_apart() -> None:
    order = an_order(unsent(units=2))
    terms = Terms(goodwill_cap=300)

    def extra(role: str) -> tuple[Addition, ...]:
        return (Addition(code="goodwill", amount=300, reason="out of stock", granted_by=role),)

    refund = quoted(order, want(), kind=CANCEL, terms=terms, extra=extra("supervisor"))
    assert (refund.owed, refund.added, refund.amount) == (1_000, 300, 1_300)
    assert totals(after(order, refund, kind=CANCEL)).total == 1_000
    with pytest.raises(NotGranted):
        quoted(order, want(), kind=CANCEL, terms=terms, extra=extra("csr"))


def test_rule_9_a_canceled_line_never_charges_more_whatever_deal_it_breaks() -> None:
    """Spend 50, get 10 % off: 60 were bought, 30 are canceled, and what stays keeps its discount."""
    deal = Promotion(
        code="SPEND50",
        kind="spend",
        steps=(PromotionStep(reach=5_000, percent_bp=1_000),),
        shares=((UUID(int=1), 300), (UUID(int=2), 300)),
    )
    order = an_order(
        unsent(1, goods=3_000, discount=300), unsent(2, goods=3_000, discount=300), promotions=(deal,)
    )
    for promotions in ("keep", "re_evaluate"):
        refund = quoted(order, want(1), kind=CANCEL, terms=Terms(promotions=promotions))
        assert refund.amount == 2_700
        assert totals(after(order, refund, kind=CANCEL)).total == 2_700


def test_rule_9_free_shipping_from_40_on_is_not_charged_after_all() -> None:
    deal = Promotion(
        code="FREE40",
        kind="free_shipping",
        steps=(PromotionStep(reach=4_000, percent_bp=10_000),),
        shares=((UUID(int=90), 490),),
    )
    order = an_order(unsent(1, units=5), shipping(490, discount=490), promotions=(deal,))
    terms = Terms(
        promotions="re_evaluate",
        cancel_shipping="re_evaluate",
        shipping_tiers=(ShippingTier(from_goods=0, price=490), ShippingTier(from_goods=4_000, price=0)),
    )
    refund = quoted(order, want(units=4), kind=CANCEL, terms=terms)
    assert (refund.amount, refund.due) == (4_000, 0)


def test_rule_10_charges_are_no_units_and_what_was_free_gives_nothing_back() -> None:
    order = an_order(unsent(1, goods=0), unsent(2, goods=500, discount=500), unsent(3), shipping(490))
    assert quoted(order, want(1), kind=CANCEL, terms=Terms(refund_shipping="proportion")).amount == 0
    with pytest.raises(TooMuch):
        quoted(order, want(90), kind=CANCEL)
    (found,) = judge(order, a_request(want(90), kind=CANCEL), Terms(), now=NOW).findings
    assert found.code == "not_cancelable"


def test_rule_11_what_was_refunded_elsewhere_counts_against_every_cap() -> None:
    line = unsent(units=2, refunded=1_500, tax={"VAT": 320})
    line = replace(line, taxes=(replace(line.taxes[0], refunded=240),))
    refund = quoted(an_order(line), want(), kind=CANCEL)
    assert (refund.amount, refund.tax, refund.clamped) == (500, 43, 500)


def test_rule_11_a_chargeback_is_not_refunded_as_well() -> None:
    order = an_order(unsent(units=3), payments=(a_payment(3_000, disputed=2_500),))
    request = a_request(want(), kind=CANCEL)
    assert [one.code for one in judge(order, request, Terms(), now=NOW).findings] == ["payment_disputed"]
    assert quoted(order, want(), kind=CANCEL).amount == 500


def test_rule_12_two_wishes_that_fit_alone_and_not_together_are_judged_together() -> None:
    order = an_order(unsent(units=3, held=((0, 1),)))
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(units=2), want(units=1), kind=CANCEL)
    assert caught.value.maximum == 0
    found = judge(order, a_request(want(units=2), want(units=1), kind=CANCEL), Terms(), now=NOW).findings
    assert [one.details["maximum"] for one in found if one.code == "too_many_units"] == [2]


def test_rule_13_the_quota_that_an_open_refund_holds_is_not_there() -> None:
    order = an_order(unsent(1), unsent(2, refunded=1_000))
    assert quoted(order, want(1), want(2), kind=CANCEL).amount == 1_000


def test_rule_14_of_three_with_one_canceled_two_can_come_back_and_no_more_be_canceled_than_stay() -> None:
    order = canceled(an_order(unsent(units=3)), want())
    line = order.lines[0]
    assert (line.cancelable_units, line.returnable_units) == (2, 0)
    sent = replace(line, shipped=2)
    assert (sent.cancelable_units, sent.returnable_units) == (0, 2)
    assert quoted(replace(order, lines=(sent,)), want(units=2)).amount == 2_000


def test_rule_15_each_tender_gets_no_more_than_it_bore_and_what_was_not_taken_is_let_go_first() -> None:
    payments = (
        a_payment(1_500, 70),
        a_payment(1_500, 71, tender="gift_card", mode="authorized"),
    )
    order = an_order(unsent(units=3), payments=payments)
    first = quoted(order, want(), kind=CANCEL)
    assert [(share.payment_id, share.amount) for share in first.shares] == [(PAID_GIFT, 1_000)]
    order = after(order, first, kind=CANCEL)
    second = quoted(order, want(), kind=CANCEL)
    assert [(share.payment_id, share.amount) for share in second.shares] == [
        (PAID_GIFT, 500),
        (PAID_CARD, 500),
    ]
    evenly = quoted(order, want(), kind=CANCEL, terms=Terms(tender_order=("proportion",)))
    assert [(share.payment_id, share.amount) for share in evenly.shares] == [
        (PAID_CARD, 750),
        (PAID_GIFT, 250),
    ]


def test_rule_16_the_rows_sum_are_stored_whole_and_say_which_rule_changed_the_estimate() -> None:
    line = unsent(kind="service", goods=3_000, interval="month")
    order = an_order(line)
    shown = quoted(order, want(scope_used=(10, 30), ending="at_once"), kind=CANCEL, terms=Terms(version=4))
    later = quoted(order, want(scope_used=(12, 30), ending="at_once"), kind=CANCEL, terms=Terms(version=4))
    assert from_json(to_json(shown)) == shown
    assert shown.policy_version == 4
    changed = explain_change(shown, later)
    assert [(row.rule, row.amount) for row in changed] == [("scope_used", -200)]


def test_rule_17_each_cancellation_is_posted_in_balance() -> None:
    order = an_order(unsent(units=3, goods=2_798, tax={"VAT": 447}), shipping(490, tax={"VAT": 78}))
    for units in (1, 2):
        refund = quoted(order, want(units=units), kind=CANCEL)
        transfers = ledger.decided(refund, order)
        assert sum(ledger.balance(transfers).values()) == 0
        assert ledger.payable(transfers, order.currency) == refund.amount
        order = after(order, refund, kind=CANCEL)
    assert totals(order).total == 0

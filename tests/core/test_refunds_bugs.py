"""Public refund bugs of other systems that a pure core can have; each is shown not to happen here."""

import pytest

from portal.core.policy.terms import RestockingFee, Terms
from portal.core.policy.verdict import judge
from portal.core.refunds.breakdown import TooMuch
from portal.core.refunds.engine import check_claims
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
    units_of,
    want,
)


def test_woocommerce_64668_partial_refunds_do_not_drift_above_or_below_what_was_paid() -> None:
    order = an_order(a_line(units=3, goods=2798))
    for _ in range(3):
        order = after(order, quoted(order, want()))
    assert order.lines[0].refunded == 2798
    assert order.refunded == order.captured


def test_woocommerce_66884_net_and_tax_are_not_rounded_apart() -> None:
    line = a_line(units=1, goods=826, tax={"VAT": 173}, prices_include_tax=False)
    breakdown = quoted(an_order(line), want())
    assert breakdown.amount == 999
    assert amounts(breakdown) == {"item_subtotal": 826, "item_tax": 173}


def test_woocommerce_10456_no_leftover_blocks_fully_refunded() -> None:
    order = an_order(a_line(units=7, goods=10_000, tax={"VAT": 1597}), currency="KWD")
    for _ in range(7):
        order = after(order, quoted(order, want()))
    assert order.lines[0].refundable == 0
    assert order.lines[0].taxes[0].refunded == 1597


def test_woocommerce_64938_a_line_is_not_over_refunded_within_the_orders_total() -> None:
    order = an_order(a_line(1, goods=1000, refunded=900), a_line(2, goods=50_000))
    assert quoted(order, want(1)).amount == 100


def test_solidus_512_the_order_discount_is_not_given_back_as_money() -> None:
    order = an_order(a_line(1, units=2, goods=2000, discount=200), a_line(2, goods=3000, discount=300))
    assert quoted(order, want(1)).amount == 900
    assert quoted(order, want(1, 2), want(2)).amount == 4500


def test_compressor_1477_units_are_counted_and_a_line_is_not_returned_as_a_whole() -> None:
    order = an_order(a_line(units=5, claimed=((0, 2),)))
    assert judge(order, a_request(want(units=3)), Terms(), now=NOW).allowed
    verdict = judge(order, a_request(want(units=4)), Terms(), now=NOW)
    assert [(f.code, f.details["maximum"]) for f in verdict.findings] == [("too_many_units", 3)]
    assert quoted(order, want(units=3)).amount == 3000


def test_spree_14678_three_announced_and_two_received_refund_two() -> None:
    order = an_order(a_line(units=3, claimed=((0, 3),)), shipping(500))
    breakdown = quoted(order, want(units=2, spans=((0, 3),)))
    assert (units_of(breakdown), breakdown.amount) == (2, 2000)


def test_medusa_13091_the_last_cent_can_be_refunded() -> None:
    order = an_order(a_line(goods=1, refunded=0))
    assert quoted(order, want()).amount == 1
    assert check_claims(order, [(order.lines[0].id, 1)]) == 1


def test_medusa_13433_a_summary_is_the_sum_of_its_rows_after_a_partial_refund() -> None:
    order = an_order(a_line(units=2, goods=3333, discount=10, tax={"VAT": 531}))
    first = quoted(order, want())
    second = quoted(after(order, first), want())
    assert first.amount + second.amount == 3323


def test_hyperswitch_13182_sixty_and_sixty_of_a_hundred_are_refused_together() -> None:
    order = an_order(a_line(1, goods=6000), a_line(2, goods=4000), payments=(a_payment(10_000),))
    one, two = order.lines
    with pytest.raises(TooMuch):
        check_claims(order, [(one.id, 6000), (two.id, 6000)])
    assert check_claims(order, [(one.id, 6000), (two.id, 4000)]) == 10_000


def test_saleor_19645_grants_are_validated_by_their_sum() -> None:
    order = an_order(a_line(units=10, goods=10_000), payments=(a_payment(10_000, refunded=5000),))
    first = order.lines[0].id
    with pytest.raises(TooMuch) as caught:
        check_claims(order, [(first, 3000), (first, 3000)])
    assert caught.value.maximum == 5000


def test_a_second_partial_refund_is_not_blocked_by_the_first() -> None:
    order = an_order(a_line(units=2), shipping(500))
    order = after(order, quoted(order, want()))
    assert quoted(order, want()).amount == 1500


def test_the_whole_voucher_does_not_go_back_with_one_item() -> None:
    payments = (a_payment(1000, 70), a_payment(4000, 71, tender="gift_card"))
    order = an_order(a_line(1, goods=1000), a_line(2, goods=4000), payments=payments)
    breakdown = quoted(order, want(1), terms=Terms(tender_order=("gift_card", "card")))
    assert [(share.tender, share.amount) for share in breakdown.shares] == [("gift_card", 1000)]


def test_a_discount_is_not_taxed_twice() -> None:
    line = a_line(goods=10_000, discount=1000, tax={"VAT": 1710}, prices_include_tax=False)
    breakdown = quoted(an_order(line), want())
    assert amounts(breakdown) == {"item_subtotal": 10_000, "order_discount_share": -1000, "item_tax": 1710}


def test_a_quantity_that_a_cancellation_took_is_not_read_as_returnable() -> None:
    line = a_line(units=2, shipped=0, canceled=((0, 2),))
    assert line.returnable_units == 0
    verdict = judge(an_order(line), a_request(want()), Terms(), now=NOW)
    assert not verdict.allowed


def test_restocking_is_not_charged_twice_for_one_return() -> None:
    terms = Terms(restocking_fee=RestockingFee(fixed=300), return_postage="customer")
    order = an_order(a_line(units=4))
    first = quoted(order, want(units=2), terms=terms, postage=200)
    second = quoted(
        after(order, first),
        want(units=2),
        terms=terms,
        postage=200,
        fees_taken=("restocking_fee", "return_shipping_fee"),
    )
    assert (first.amount, second.amount) == (1500, 2000)


def test_cartwheel_46_the_window_is_judged_anew_each_time() -> None:
    order = an_order(a_line())
    assert judge(order, a_request(want()), Terms(), now=NOW).allowed
    late = NOW.replace(year=2027)
    assert not judge(order, a_request(want(), requested_at=late), Terms(), now=late).allowed

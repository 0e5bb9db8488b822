"""One test, or a few, for each numbered rule of money; the number is in the name."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from portal.core.facts import Addition
from portal.core.money import allocate, line_total
from portal.core.policy.terms import Depreciation, FeeTier, RestockingFee, Terms
from portal.core.refunds.breakdown import Negative, NotGranted, TooMuch, explain_change, from_json, to_json
from portal.core.refunds.engine import check_claims, check_named, quote, quote_unassessed
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
)  # fmt: skip


def test_rule_1_a_gift_card_pays_and_does_not_discount() -> None:
    order = an_order(a_line(units=2), payments=(a_payment(1500, 70), a_payment(500, 71, tender="gift_card")))
    breakdown = quoted(order, want(units=2))
    assert amounts(breakdown) == {"item_subtotal": 2000}
    assert [(share.tender, share.amount) for share in breakdown.shares] == [
        ("card", 1500),
        ("gift_card", 500),
    ]


def test_rule_1_what_was_paid_is_kept_per_line_tax_shipping_and_tender() -> None:
    order = an_order(
        a_line(units=3, goods=3000, discount=202, tax={"VAT": 447}), shipping(500, tax={"VAT": 80})
    )
    assert (order.paid, order.captured) == (3298, 3298)
    assert [line.kind for line in order.charges] == ["shipping"]


def test_rule_2_an_order_discount_is_spread_by_value_ties_to_the_first() -> None:
    parts = allocate(1001, [1999, 1999, 500])
    assert parts == [445, 445, 111]
    assert allocate(1000, [500, 500, 500]) == [334, 333, 333]
    lines = [
        a_line(n, goods=goods, discount=part)
        for n, (goods, part) in enumerate(zip([1999, 1999, 500], parts, strict=True), 1)
    ]
    assert quoted(an_order(*lines), want(1), want(2), want(3)).amount == 4498 - 1001


def test_rule_2_what_the_channel_allocated_stays_on_its_line() -> None:
    order = an_order(a_line(1, discount=1000), a_line(2, discount=0))
    assert quoted(order, want(1)).amount == 0
    assert quoted(order, want(2)).amount == 1000


def test_rule_3_what_differs_from_what_was_captured_is_told_and_caps_the_refund() -> None:
    order = an_order(a_line(units=2), payments=(a_payment(1900),), differs=-100)
    breakdown = quoted(order, want(units=2))
    assert (breakdown.amount, breakdown.clamped) == (1900, 100)
    assert [row.rule for row in breakdown.rows] == ["paid", "order_cap"]


@pytest.mark.parametrize("with_tax", [True, False])
def test_rule_4_the_price_after_discount_and_its_stored_tax_go_back(with_tax: bool) -> None:
    line = a_line(units=2, goods=2000, discount=300, tax={"VAT": 271}, prices_include_tax=with_tax)
    breakdown = quoted(an_order(line), want(units=2))
    assert breakdown.amount == (1700 if with_tax else 1971)
    assert breakdown.lines[0].taxes == (("VAT", 271),)
    assert amounts(breakdown).get("item_tax", 0) == (0 if with_tax else 271)
    assert [row.basis for row in breakdown.rows if row.code == "item_tax"] == [{"charged": 271}] * (
        not with_tax
    )


def test_rule_4_tax_is_what_was_charged_and_never_recomputed_from_a_rate() -> None:
    line = a_line(goods=1000, tax={"VAT": 7}, prices_include_tax=False)
    line = replace(line, taxes=tuple(replace(tax, rate_ppm=200_000) for tax in line.taxes))
    assert quoted(an_order(line), want()).tax == 7


def test_rule_4_tax_is_capped_per_label() -> None:
    line = a_line(units=2, goods=2000, tax={"State": 100, "City": 50}, prices_include_tax=False)
    line = replace(
        line,
        taxes=tuple(replace(tax, refunded=80 if tax.label == "State" else 0) for tax in line.taxes),
        refunded=80,
    )
    breakdown = quoted(an_order(line), want(units=2))
    assert dict(breakdown.lines[0].taxes) == {"State": 20, "City": 50}
    assert (breakdown.amount, breakdown.clamped) == (2070, 80)


def test_rule_5_each_unit_has_its_price_for_ever() -> None:
    line = a_line(units=3, goods=2798)
    alone = [quoted(an_order(line), want(spans=((n, n + 1),))).amount for n in range(3)]
    assert alone == [933, 932, 933]


def test_rule_5_the_last_unit_clears_the_line_whatever_was_canceled_before() -> None:
    line = a_line(units=3, goods=2798, canceled=((1, 2),), shipped=2, refunded=932)
    order = an_order(line)
    first = quoted(order, want())
    last = quoted(after(order, first), want())
    assert (first.amount, last.amount) == (933, 933)
    assert after(after(order, first), last).lines[0].refundable == 0


def test_rule_5_gross_is_rounded_once_and_net_is_gross_less_tax() -> None:
    line = a_line(units=3, goods=832, tax={"VAT": 167}, prices_include_tax=False)
    order = an_order(line)
    assert line.paid == 999
    for n in range(3):
        breakdown = quoted(order, want(spans=((n, n + 1),)))
        assert breakdown.amount == 333
        assert amounts(breakdown)["item_subtotal"] + breakdown.tax == 333


def test_rule_5_units_below_the_cent_still_add_up_with_their_tax() -> None:
    goods = line_total(Decimal("0.001"), 1000, "GBP")
    line = a_line(units=1000, goods=goods, tax={"VAT": 10, "Levy": 7}, prices_include_tax=True)
    order = an_order(line, currency="GBP")
    for start in range(0, 1000, 100):
        order = after(order, quoted(order, want(units=100, spans=((start, start + 100),))))
    assert order.lines[0].refunded == 100
    assert [tax.refunded for tax in order.lines[0].taxes] == [10, 7]
    pieces = [quoted(an_order(line), want(spans=((n, n + 1),))) for n in range(0, 1000, 7)]
    assert {piece.amount for piece in pieces} == {0, 1}


def test_rule_5_a_unit_that_is_all_tax_divides_nothing_by_zero() -> None:
    line = a_line(units=5, goods=2, tax={"Duty": 2, "VAT": 0})
    taxes = [quoted(an_order(line), want(spans=((n, n + 1),))).tax for n in range(5)]
    assert sum(taxes) == 2


def test_rule_6_shipping_goes_back_when_the_whole_order_does_and_never_with_the_last_line() -> None:
    order = an_order(a_line(1), a_line(2), shipping(500, tax={"VAT": 80}))
    assert "shipping_refund" not in amounts(quoted(order, want(2)))
    whole = quoted(order, want(1), want(2))
    assert amounts(whole)["shipping_refund"] == 500
    assert whole.tax == 80
    never = quoted(order, want(1), want(2), terms=Terms(refund_shipping="never"))
    assert never.amount == 2000


def test_rule_6_units_that_are_only_announced_elsewhere_are_not_back() -> None:
    order = an_order(a_line(1, claimed=((0, 1),)), a_line(2), shipping(500))
    assert quoted(order, want(2)).amount == 1000
    back = an_order(a_line(1, claimed=((0, 1),), returned=((0, 1),), refunded=1000), a_line(2), shipping(500))
    assert quoted(back, want(2)).amount == 1500


def test_rule_6_a_canceled_unit_does_not_keep_the_order_from_being_back() -> None:
    order = an_order(a_line(units=2, shipped=1, canceled=((0, 1),), refunded=1000), shipping(500))
    assert quoted(order, want()).amount == 1500


def test_rule_6_shipping_in_proportion_is_the_same_whoever_returns_first_and_adds_up() -> None:
    order = an_order(
        a_line(1, units=3, goods=2999), a_line(2, goods=1), a_line(3, goods=0),
        shipping(499, tax={"VAT": 80}, prices_include_tax=False),
    )  # fmt: skip
    terms = Terms(refund_shipping="proportion")
    for wishes in ([(1, 1), (2, 1), (1, 2), (3, 1)], [(3, 1), (1, 3), (2, 1)]):
        now, shipped = order, 0
        for number, units in wishes:
            breakdown = quoted(now, want(number, units), terms=terms)
            shipped += amounts(breakdown).get("shipping_refund", 0) + amounts(breakdown).get(
                "shipping_tax", 0
            )
            now = after(now, breakdown)
        assert shipped == 579
        assert now.lines[-1].taxes[0].refunded == 80


def test_rule_6_by_fault_shipping_goes_back_with_the_faulty_part_only() -> None:
    order = an_order(a_line(1), a_line(2), shipping(500))
    terms = Terms(refund_shipping="fault")
    assert quoted(order, want(1, reason="defective"), terms=terms).amount == 1250
    assert quoted(order, want(1), terms=terms).amount == 1000
    assert quoted(order, want(1, reason="defective"), want(2), terms=terms).amount == 2000


def test_rule_6_shipping_that_was_fully_discounted_gives_nothing_back() -> None:
    order = an_order(a_line(), shipping(500, discount=500))
    assert amounts(quoted(order, want())) == {"item_subtotal": 1000}


def test_rule_6_what_was_given_back_of_shipping_before_is_not_given_twice() -> None:
    order = an_order(a_line(), shipping(500, refunded=200, tax={"VAT": 80}))
    breakdown = quoted(order, want())
    assert amounts(breakdown)["shipping_refund"] == 300


def test_rule_7_fees_come_after_each_with_its_rule() -> None:
    terms = Terms(
        restocking_fee=RestockingFee(percent_bp=1000),
        condition_deductions_bp=(("used", 2000),),
        accessory_deductions=(("cable", 150),),
        return_postage="customer",
    )
    breakdown = quoted(
        an_order(a_line(goods=10_000)),
        want(condition="used", missing_accessories=("cable", "box")),
        terms=terms,
        postage=400,
    )
    assert [(row.code, row.amount, row.rule) for row in breakdown.rows] == [
        ("item_subtotal", 10_000, "paid"),
        ("condition_deduction", -2000, "condition_deductions"),
        ("missing_accessory_deduction", -150, "accessory_deductions"),
        ("restocking_fee", -1000, "restocking_fee"),
        ("return_shipping_fee", -400, "return_postage"),
    ]
    assert breakdown.lines[0].withheld == 10_000 - breakdown.amount


def test_rule_7_a_refund_is_never_below_zero_and_the_row_says_what_was_asked() -> None:
    terms = Terms(restocking_fee=RestockingFee(fixed=5000, per_unit=True), return_postage="customer")
    breakdown = quoted(an_order(a_line()), want(), terms=terms, postage=400)
    assert breakdown.amount == 0
    assert breakdown.rows[-1].amount == -1000
    assert breakdown.rows[-1].basis == {"fixed": 5000, "units": 1, "asked": 5000, "limited_to": 1000}


def test_rule_7_what_was_withheld_never_leaks_into_a_later_units_refund() -> None:
    order = an_order(a_line(units=2), shipping(500))
    fee = Terms(restocking_fee=RestockingFee(percent_bp=5000), return_postage="customer")
    first = quoted(order, want(), terms=fee, postage=300)
    assert first.amount == 200
    second = quoted(after(order, first), want(reason="defective"), terms=fee)
    assert amounts(second) == {"item_subtotal": 1000, "shipping_refund": 500}
    third = quote(after(after(order, first), second), a_request(), fee, now=NOW)
    assert third.amount == 0


def test_rule_7_postage_is_never_taken_from_shipping_that_a_later_return_would_pay_out() -> None:
    order = an_order(
        a_line(1, goods=100), a_line(2, goods=0, claimed=((0, 1),), returned=((0, 1),)), shipping(500)
    )
    first = quoted(order, want(1), terms=Terms(return_postage="customer"), postage=400)
    assert first.amount == 500
    assert after(order, first).lines[-1].refundable == 0


def test_rule_8_goodwill_is_capped_needs_a_reason_and_a_role_and_stands_apart() -> None:
    order = an_order(a_line(units=2))
    terms = Terms(goodwill_cap=300)

    def gift(amount: int, reason: str = "late parcel", role: str = "supervisor") -> Addition:
        return Addition(code="goodwill", amount=amount, reason=reason, granted_by=role)

    breakdown = quoted(order, want(), terms=terms, extra=(gift(300),))
    assert (breakdown.owed, breakdown.added, breakdown.amount) == (1000, 300, 1300)
    assert breakdown.lines[0].amount == 1000
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(), terms=terms, extra=(gift(200), gift(101)))
    assert caught.value.maximum == 100
    for wrong in (gift(100, reason=" "), gift(100, role="csr"), gift(100, role="")):
        with pytest.raises(NotGranted):
            quoted(order, want(), terms=terms, extra=(wrong,))
    with pytest.raises(Negative):
        quoted(order, want(), terms=terms, extra=(gift(-1),))


def test_rule_8_goodwill_stays_within_what_the_payments_captured() -> None:
    extra = (Addition(code="goodwill", amount=1, reason="late", granted_by="finance"),)
    with pytest.raises(TooMuch) as caught:
        quoted(an_order(a_line()), want(), terms=Terms(goodwill_cap=500), extra=extra)
    assert caught.value.maximum == 0


def test_rule_8_taking_store_credit_earns_a_capped_bonus_and_uses_the_payments_quota() -> None:
    order = an_order(a_line(goods=10_000))
    terms = Terms(store_credit_bonus_bp=1000, store_credit_bonus_cap=700)
    breakdown = quoted(order, want(), terms=terms, resolution="store_credit")
    assert amounts(breakdown) == {"item_subtotal": 10_000, "bonus_credit": 700}
    assert {share.tender for share in breakdown.shares} == {"store_credit"}
    assert [(share.payment_id, share.origin_id, share.amount) for share in breakdown.shares] == [
        (None, UUID(int=70), 10_000),
        (None, None, 700),
    ]


def test_rule_10_free_items_refund_zero_and_divide_nothing_by_zero() -> None:
    order = an_order(a_line(1, goods=0), a_line(2, units=3, goods=3000, discount=3000), shipping(500))
    terms = Terms(refund_shipping="proportion", restocking_fee=RestockingFee(percent_bp=1000))
    assert quoted(order, want(1), want(2, 2), terms=terms, postage=100).lines[0].amount == 0


def test_rule_11_nothing_exceeds_what_line_and_payment_have_left_counting_refunds_elsewhere() -> None:
    line = a_line(units=3, goods=3000, refunded=2500)
    breakdown = quoted(an_order(line), want(units=1))
    assert (breakdown.amount, breakdown.clamped) == (500, 500)
    assert breakdown.rows[-1].rule == "line_cap"
    charged_back = an_order(a_line(1), a_line(2), payments=(a_payment(2000, refunded=1700),))
    breakdown = quoted(charged_back, want(1), want(2))
    assert (breakdown.amount, breakdown.clamped) == (300, 1700)
    assert breakdown.rows[-1].basis == {"maximum": 300, "computed": 2000}


def test_rule_11_a_payment_that_gave_back_more_than_it_took_lowers_what_the_order_has_left() -> None:
    payments = (a_payment(1000, 70, refunded=1300), a_payment(1000, 71, tender="gift_card"))
    assert quoted(an_order(a_line(1), a_line(2), payments=payments), want(1), want(2)).amount == 700


def test_rule_11_two_wishes_for_one_line_share_its_cap_and_its_tax() -> None:
    line = a_line(units=4, goods=4000, tax={"VAT": 640}, refunded=2500)
    line = replace(line, taxes=(replace(line.taxes[0], refunded=400),))
    breakdown = quoted(an_order(line), want(units=2), want(units=1, reason="too_small"))
    assert (breakdown.amount, breakdown.tax) == (1500, 188)
    assert [(row.rule, row.amount) for row in breakdown.rows if row.amount < 0] == [
        ("tax_cap", -80),
        ("line_cap", -420),
        ("tax_cap", -108),
        ("line_cap", -892),
    ]


def test_rule_11_a_capped_line_gives_back_its_tax_in_proportion() -> None:
    breakdown = quoted(an_order(a_line(goods=1200, tax={"VAT": 200}, refunded=600)), want())
    assert (breakdown.amount, breakdown.tax) == (600, 100)
    assert [(row.amount, row.tax) for row in breakdown.rows] == [(1200, 200), (-600, -100)]


def test_rule_12_an_amount_a_person_names_is_refused_with_the_maximum() -> None:
    assert check_named(500, 500) == 500
    with pytest.raises(TooMuch) as caught:
        check_named(501, 500)
    assert caught.value.maximum == 500
    with pytest.raises(Negative):
        check_named(-1, 500)


def test_rule_12_an_amount_the_system_computes_is_clamped_and_says_so() -> None:
    breakdown = quoted(an_order(a_line(refunded=1)), want())
    assert breakdown.amount == 999
    assert (breakdown.rows[-1].code, breakdown.rows[-1].amount) == ("previously_refunded", -1)


def test_rule_12_two_claims_that_fit_alone_and_not_together_are_judged_together() -> None:
    order = an_order(a_line(1), a_line(2), payments=(a_payment(1500),))
    for line in order.lines:
        check_claims(order, [(line.id, 1000)])
    with pytest.raises(TooMuch) as caught:
        check_claims(order, [(line.id, 1000) for line in order.lines])
    assert caught.value.maximum == 1500
    with pytest.raises(TooMuch):
        check_claims(order, [(order.lines[0].id, 600), (order.lines[0].id, 600)])
    with pytest.raises(Negative):
        check_claims(order, [(order.lines[0].id, 600), (order.lines[0].id, -600)])


def test_rule_12_two_wishes_for_one_line_are_judged_together() -> None:
    order = an_order(a_line(units=3))
    breakdown = quoted(order, want(units=2, reason="too_small"), want(units=1, reason="defective"))
    assert [line.spans for line in breakdown.lines] == [((0, 3),)]
    with pytest.raises(TooMuch):
        quoted(order, want(units=2), want(units=2))


def test_rule_12_a_negative_quantity_is_refused() -> None:
    with pytest.raises(Negative):
        quoted(an_order(a_line(units=3)), want(units=-1), want(units=2))


def test_rule_13_what_open_refunds_hold_is_not_there_and_what_failed_ones_free_is() -> None:
    held = an_order(a_line(units=2), payments=(a_payment(2000, refunded=1500),))
    assert quoted(held, want(units=2)).amount == 500
    freed = an_order(a_line(units=2), payments=(a_payment(2000, refunded=0),))
    assert quoted(freed, want(units=2)).amount == 2000


def test_rule_13_an_orders_share_of_a_payment_is_its_cap() -> None:
    order = an_order(a_line(units=2), payments=(a_payment(800),))
    assert quoted(order, want(units=2)).amount == 800


def test_rule_14_units_received_count_not_units_announced() -> None:
    order = an_order(a_line(units=3, claimed=((0, 3),)))
    breakdown = quoted(order, want(units=2, spans=((0, 3),)))
    assert (units_of(breakdown), breakdown.amount) == (2, 2000)
    assert quoted(order, want(units=0, spans=((0, 3),))).rows == ()


def test_rule_14_of_three_with_one_canceled_two_can_come_back() -> None:
    line = a_line(units=3, shipped=2, canceled=((0, 1),), refunded=1000)
    assert line.returnable_units == 2
    assert quoted(an_order(line), want(units=2)).amount == 2000
    with pytest.raises(TooMuch) as caught:
        quoted(an_order(line), want(units=3))
    assert caught.value.maximum == 2


@pytest.mark.parametrize(
    ("tenders", "expected"),
    [
        (("gift_card", "card"), {"gift_card": 300, "card": 200}),
        (("card", "gift_card"), {"card": 500}),
        (("proportion",), {"card": 350, "gift_card": 150}),
    ],
)
def test_rule_15_the_original_tenders_in_the_policys_order(
    tenders: tuple[str, ...], expected: dict[str, int]
) -> None:
    payments = (a_payment(700, 70), a_payment(300, 71, tender="gift_card"))
    order = an_order(a_line(units=2, goods=1000), payments=payments)
    breakdown = quoted(order, want(), terms=Terms(tender_order=tenders))
    assert {share.tender: share.amount for share in breakdown.shares} == expected


def test_rule_15_what_cannot_go_back_is_a_task_and_not_another_method() -> None:
    payments = (a_payment(700, 70, refundable_here=False), a_payment(300, 71, tender="gift_card"))
    breakdown = quoted(an_order(a_line(), payments=payments), want())
    assert [(share.payment_id, share.tender, share.amount) for share in breakdown.shares] == [
        (None, "card", 700),
        (UUID(int=71), "gift_card", 300),
    ]


def test_rule_16_the_rows_sum_carry_the_policy_version_and_survive_storage() -> None:
    line = a_line(units=3, goods=2798, discount=301, tax={"VAT": 400}, prices_include_tax=False)
    breakdown = quoted(an_order(line, shipping(500)), want(units=2), terms=Terms(version=7))
    assert breakdown.policy_version == 7
    assert sum(row.amount for row in breakdown.rows) == breakdown.amount
    assert from_json(to_json(breakdown)) == breakdown


def test_rule_16_a_change_at_inspection_says_which_rule_changed_it_and_by_how_much() -> None:
    order = an_order(a_line(units=3, goods=30_000))
    terms = Terms(condition_deductions_bp=(("used", 1000), ("C", 4000)))
    estimate = quoted(order, want(units=3, condition="used"), terms=terms)
    final = quoted(order, want(units=2, condition="used", grade="C"), terms=terms)
    changes = explain_change(estimate, final)
    assert [(row.code, row.rule, row.amount) for row in changes] == [
        ("item_subtotal", "paid", -10_000),
        ("condition_deduction", "condition_deductions", -5000),
    ]
    assert sum(row.amount for row in changes) == final.amount - estimate.amount
    assert changes[1].basis is not None
    assert changes[1].basis["grade"] == "C"
    assert (changes[1].basis["before"], changes[1].basis["after"]) == (-3000, -8000)
    assert explain_change(final, final) == ()


def test_rule_16_two_wishes_for_one_line_change_as_one() -> None:
    order = an_order(a_line(units=4, tax={"VAT": 640}))
    before = quoted(order, want(units=2), want(units=1, reason="too_small"))
    changed = explain_change(before, quoted(order, want(units=1), want(units=1, reason="too_small")))
    assert [(row.amount, row.basis and row.basis["before"]) for row in changed] == [(-1000, 3000)]
    assert changed[0].tax == -160


def test_without_an_order_the_refund_is_to_be_assessed_and_not_zero() -> None:
    breakdown = quote_unassessed("EUR", policy_version=3)
    assert not breakdown.assessed
    assert from_json(to_json(breakdown)) == breakdown
    assert quoted(an_order(a_line(goods=0)), want()).assessed


def test_an_unknown_line_is_an_error_and_a_charge_is_never_sent_back() -> None:
    order = an_order(a_line(), shipping(500))
    with pytest.raises(KeyError):
        quoted(order, want(55))
    with pytest.raises(TooMuch):
        quoted(order, want(90))


def test_units_that_were_canceled_meanwhile_are_not_refunded() -> None:
    order = an_order(a_line(units=3, canceled=((1, 2),)))
    with pytest.raises(TooMuch):
        quoted(order, want(units=2, spans=((0, 2),)))


def test_rule_16_every_kind_of_row_is_told_when_it_changes() -> None:
    order = an_order(a_line(units=2, goods=20_000), shipping(500))
    terms = Terms(
        refund_shipping="proportion",
        restocking_fee=RestockingFee(tiers=(FeeTier(percent_bp=1000), FeeTier(percent_bp=0))),
        depreciation=(Depreciation(by="use", over=100),),
        accessory_deductions=(("cable", 300),),
    )
    estimate = quoted(order, want(units=2), terms=terms)
    found = quoted(order, want(units=2, used=10, missing_accessories=("cable",)), terms=terms)
    agreed = quoted(order, want(units=2, used=10, missing_accessories=("cable",), named=19_000), terms=terms)
    assert [(row.rule, row.amount) for row in explain_change(estimate, found)] == [
        ("depreciation", -2000),
        ("accessory_deductions", -300),
    ]
    assert [(row.rule, row.amount) for row in explain_change(found, agreed)] == [("named", 3300)]
    for before, after_it in ((estimate, found), (found, agreed), (agreed, estimate)):
        changed = explain_change(before, after_it)
        assert sum(row.amount for row in changed) == after_it.amount - before.amount

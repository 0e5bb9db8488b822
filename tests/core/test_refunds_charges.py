"""Rule 6 for every charge: shipping, duties and fees by a rule each, with a cap and a tax of their own."""

from dataclasses import replace

import pytest

from portal.core.facts import ExchangeItem, LineFacts
from portal.core.policy.terms import Terms
from tests.core.made import a_line, after, amounts, an_order, quoted, shipping, want


def duty(goods: int, **given: object) -> LineFacts:
    return replace(shipping(goods, 91, **given), kind="duty")


def fee(goods: int, **given: object) -> LineFacts:
    return replace(shipping(goods, 92, **given), kind="fee")


@pytest.mark.parametrize(
    ("rule", "one", "both"),
    [("never", 0, 0), ("full_return", 0, 600), ("proportion", 300, 600), ("fault", 0, 0), ("law", 0, 0)],
)
def test_rule_6_duties_and_fees_go_back_by_a_rule_of_their_own(rule: str, one: int, both: int) -> None:
    order = an_order(a_line(1), a_line(2), duty(600), fee(600))
    for terms, code in ((Terms(refund_duties=rule), "duty_refund"), (Terms(refund_fees=rule), "fee_refund")):
        assert amounts(quoted(order, want(1), terms=terms)).get(code, 0) == one
        whole = amounts(quoted(order, want(1), want(2), terms=terms))
        assert whole.get(code, 0) == both
        assert len(whole) == (2 if both else 1)


def test_rule_6_what_is_not_said_of_duties_and_fees_keeps_them() -> None:
    order = an_order(a_line(1), duty(600), fee(200))
    assert quoted(order, want(1)).amount == 1000


def test_rule_6_each_charge_has_its_own_cap_and_tax() -> None:
    order = an_order(
        a_line(1), shipping(500, tax={"VAT": 80}), duty(300, refunded=100), fee(200, tax={"Levy": 20})
    )
    terms = Terms(refund_duties="full_return", refund_fees="full_return")
    breakdown = quoted(order, want(1), terms=terms)
    assert {line.line_id.int: (line.amount, line.taxes) for line in breakdown.lines} == {
        1: (1000, ()),
        90: (500, (("VAT", 80),)),
        91: (200, ()),
        92: (200, (("Levy", 20),)),
    }


def test_rule_6_the_tax_of_a_duty_beside_its_price_is_in_its_row() -> None:
    order = an_order(a_line(1), duty(300, tax={"VAT": 57}, prices_include_tax=False))
    breakdown = quoted(order, want(1), terms=Terms(refund_duties="full_return"))
    (row,) = [row for row in breakdown.rows if row.code == "duty_refund"]
    assert (row.amount, row.tax, row.rule) == (357, 57, "refund_duties")


BY_LAW = Terms(refund_shipping="law", ordinary_delivery=490)


def test_rule_6_by_law_a_withdrawal_from_the_whole_order_gives_the_ordinary_delivery_back() -> None:
    order = an_order(a_line(1), a_line(2), shipping(1290, tax={"VAT": 206}))
    whole = (want(1), want(2))
    breakdown = quoted(order, *whole, terms=BY_LAW, kind="withdrawal")
    assert amounts(breakdown)["shipping_refund"] == 490
    assert breakdown.tax == 78
    for wishes, given in (((want(1),), {"kind": "withdrawal"}), (whole, {"kind": "return"})):
        assert "shipping_refund" not in amounts(quoted(order, *wishes, terms=BY_LAW, **given))


def test_rule_6_by_law_nobody_gives_back_more_than_was_charged_or_has_been_given_back() -> None:
    order = an_order(a_line(1), shipping(390))
    assert amounts(quoted(order, want(1), terms=BY_LAW, kind="withdrawal"))["shipping_refund"] == 390
    order = an_order(a_line(1), shipping(1290, refunded=200))
    assert amounts(quoted(order, want(1), terms=BY_LAW, kind="withdrawal"))["shipping_refund"] == 290


def test_rule_6_by_law_two_deliveries_share_the_ordinary_price() -> None:
    order = an_order(a_line(1), shipping(300), shipping(400, 95))
    breakdown = quoted(order, want(1), terms=BY_LAW, kind="withdrawal")
    assert [line.amount for line in breakdown.lines[1:]] == [300, 190]


@pytest.mark.parametrize("reason", ["statutory_withdrawal", "defective"])
def test_rule_6_by_law_the_reason_can_say_it_as_well(reason: str) -> None:
    order = an_order(a_line(1), shipping(1290))
    assert amounts(quoted(order, want(1, reason=reason), terms=BY_LAW))["shipping_refund"] == 490


def test_rule_6_an_order_canceled_as_a_whole_gets_every_charge_back() -> None:
    order = an_order(a_line(1, shipped=0), a_line(2, shipped=0), shipping(500), duty(300))
    terms = Terms(refund_shipping="never")
    first = quoted(order, want(1), terms=terms, kind="partial_cancellation")
    assert first.amount == 1000
    last = quoted(
        after(order, first, kind="partial_cancellation"), want(2), terms=terms, kind="partial_cancellation"
    )
    assert last.amount == 1800


def test_rule_6_who_exchanges_keeps_the_delivery_unless_it_is_not_their_fault() -> None:
    order = an_order(a_line(1), shipping(500))
    hat = (ExchangeItem(name="Hat", amount=1000),)
    assert quoted(order, want(1), exchange=hat).amount == 0
    assert quoted(order, want(1, reason="defective"), exchange=hat).amount == 500


def test_rule_6_by_law_without_an_ordinary_price_all_that_was_charged_goes_back_duties_too() -> None:
    order = an_order(a_line(1), shipping(1290), duty(300))
    terms = Terms(refund_shipping="law", refund_duties="law")
    assert quoted(order, want(1), terms=terms, kind="withdrawal").amount == 1000 + 1290 + 300


def test_rule_6_a_charge_of_which_only_tax_seems_left_gives_back_no_more_tax_than_amount() -> None:
    order = an_order(a_line(1), shipping(500, refunded=480, tax={"VAT": 80}))
    breakdown = quoted(order, want(1))
    assert breakdown.lines[1].amount == 20
    assert breakdown.lines[1].tax <= 20

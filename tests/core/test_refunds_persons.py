"""What persons decide: price adjustments, named amounts, tenders, waived rules; and exchanges."""

from uuid import UUID

import pytest

from portal.core.facts import ExchangeItem
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds import ledger
from portal.core.refunds.adjustments import joined, per_unit
from portal.core.refunds.breakdown import Negative, NotGranted, NotTheSum, TooMuch
from tests.core.made import a_line, a_payment, after, amounts, an_order, quoted, shipping, want

KEEP = "partial_refund_keep"

# ---------------------------------------------------------------- a lower price, and the goods stay (rule 11)


def test_rule_11_a_lower_price_for_what_is_kept_leaves_the_rest_for_a_later_return() -> None:
    order = an_order(a_line(units=3, goods=2798, tax={"VAT": 447}), shipping(500))
    lowered = quoted(order, want(units=2, allowance=1000), kind=KEEP)
    assert [(row.code, row.rule, row.amount) for row in lowered.rows] == [("adjustment", "allowance", 1000)]
    assert (lowered.lines[0].spans, sum(per_unit(lowered.lines[0].adjusted).values())) == ((), 1000)
    order = after(order, lowered, kind=KEEP)
    assert order.lines[0].returnable_units == 3
    back = quoted(order, want(units=3))
    assert back.amount == 2798 - 1000 + 500
    (row,) = [row for row in back.rows if row.rule == "adjusted"]
    assert (row.code, row.amount, back.clamped) == ("previously_refunded", -1000, 0)
    assert lowered.tax + back.tax == 447


def test_rule_11_never_more_than_was_paid_for_a_unit_also_in_pieces() -> None:
    order = an_order(a_line(units=2, goods=1001))
    order = after(order, quoted(order, want(units=2, allowance=1001), kind=KEEP), kind=KEEP)
    for unit in range(2):
        assert quoted(order, want(spans=((unit, unit + 1),))).amount == 0
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(allowance=1), kind=KEEP)
    assert (caught.value.what, caught.value.maximum, caught.value.line_id) == ("allowance", 0, UUID(int=1))


def test_rule_12_a_lower_price_is_refused_above_what_was_paid_and_below_zero() -> None:
    order = an_order(a_line(units=2))
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(allowance=1001), kind=KEEP)
    assert caught.value.maximum == 1000
    with pytest.raises(Negative):
        quoted(order, want(allowance=-1), kind=KEEP)


def test_the_units_of_a_lower_price_are_those_without_one_first() -> None:
    order = an_order(a_line(units=3, canceled=((0, 1),)))
    order = after(order, quoted(order, want(allowance=100), kind=KEEP), kind=KEEP)
    order = after(order, quoted(order, want(allowance=200), kind=KEEP), kind=KEEP)
    assert per_unit(order.lines[0].adjusted) == {1: 100, 2: 200}
    order = after(order, quoted(order, want(units=2, allowance=300), kind=KEEP), kind=KEEP)
    assert sum(per_unit(order.lines[0].adjusted).values()) == 600


def test_a_lower_price_takes_no_fee_no_postage_and_no_shipping() -> None:
    terms = Terms(restocking_fee=RestockingFee(percent_bp=1000, fixed=50), return_postage="customer")
    order = an_order(a_line(), shipping(500))
    assert quoted(order, want(allowance=400), kind=KEEP, terms=terms, postage=300).amount == 400


def test_what_a_canceled_refund_had_adjusted_is_taken_off_again() -> None:
    held = joined(((0, 3, 300),), ((1, 2, 50),))
    assert held == ((0, 1, 100), (1, 2, 150), (2, 3, 100))
    assert joined(held, ((1, 2, 50),), -1) == ((0, 3, 300),)
    assert joined(held, held, -1) == ()


# -------------------------------------------------------------------------- an amount of their own (rule 12)


def test_rule_12_a_person_names_the_amount_of_a_line_and_the_row_says_so() -> None:
    terms = Terms(restocking_fee=RestockingFee(percent_bp=1000))
    breakdown = quoted(an_order(a_line(tax={"VAT": 160})), want(named=950), terms=terms)
    assert [(row.code, row.amount) for row in breakdown.rows] == [
        ("item_subtotal", 1000),
        ("restocking_fee", -100),
        ("adjustment", 50),
    ]
    assert (breakdown.lines[0].amount, breakdown.lines[0].withheld, breakdown.tax) == (950, 50, 160)


def test_rule_12_the_tax_of_a_named_amount_is_told_once_also_where_a_fee_had_eaten_it() -> None:
    """A fee that leaves nothing takes the tax as well; the person gives both back."""
    terms = Terms(accessory_deductions=(("cable", 5000),))
    line = a_line(goods=1000, tax={"VAT": 190}, prices_include_tax=False)
    breakdown = quoted(an_order(line), want(missing_accessories=("cable",), named=1190), terms=terms)
    assert (breakdown.amount, breakdown.tax, breakdown.rows[-1].tax) == (1190, 190, 0)
    part = quoted(an_order(line), want(missing_accessories=("cable",), named=100), terms=terms)
    assert (part.amount, part.tax) == (100, 100)


def test_rule_12_above_what_was_paid_for_those_units_it_is_refused_with_the_maximum() -> None:
    order = an_order(a_line(1, units=2), a_line(2))
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(1, named=1001), want(2))
    assert (caught.value.what, caught.value.maximum, caught.value.line_id) == ("amount", 1000, UUID(int=1))
    with pytest.raises(Negative):
        quoted(order, want(1, named=-1))


def test_rule_12_two_named_amounts_that_fit_alone_and_not_together_are_refused() -> None:
    order = an_order(a_line(1), a_line(2), payments=(a_payment(1500),))
    assert quoted(order, want(1, named=1000), want(2)).amount == 1500
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(1, named=1000), want(2, named=501))
    assert (caught.value.maximum, caught.value.line_id) == (500, UUID(int=2))


def test_rule_12_what_is_named_is_never_lowered_by_a_cap_of_the_order() -> None:
    order = an_order(a_line(1), a_line(2), payments=(a_payment(1500),))
    breakdown = quoted(order, want(1), want(2, named=900))
    assert {line.line_id.int: line.amount for line in breakdown.lines} == {1: 600, 2: 900}


def test_rule_7_what_a_person_named_away_never_leaks_into_a_later_refund() -> None:
    order = an_order(a_line(units=2))
    first = quoted(order, want(named=300))
    assert quoted(after(order, first), want()).amount == 1000


def test_a_rule_that_nobody_may_waive_is_refused() -> None:
    with pytest.raises(NotGranted) as caught:
        quoted(an_order(a_line()), want(), waived=("line_cap",))
    assert caught.value.missing == "rule"


# ------------------------------------------------------------------------------------------ tenders (rule 15)

TWO = (a_payment(700, 70), a_payment(300, 71, tender="gift_card"))


def test_rule_15_a_person_chooses_the_tenders() -> None:
    order = an_order(a_line(units=2, goods=1000), payments=TWO)
    breakdown = quoted(order, want(), tenders=((UUID(int=71), 300), (UUID(int=70), 200)))
    assert {share.tender: share.amount for share in breakdown.shares} == {"gift_card": 300, "card": 200}


@pytest.mark.parametrize("parts", [(400, 99), (400, 101), (0, 0)])
def test_rule_15_chosen_tenders_sum_to_the_refund(parts: tuple[int, int]) -> None:
    order = an_order(a_line(units=2, goods=1000), payments=TWO)
    chosen = tuple(zip((UUID(int=70), UUID(int=71)), parts, strict=True))
    with pytest.raises(NotTheSum) as caught:
        quoted(order, want(), tenders=chosen)
    assert caught.value.due == 500


def test_rule_15_never_more_to_a_tender_than_it_captured_judged_together() -> None:
    order = an_order(a_line(units=2, goods=1000), payments=TWO)
    with pytest.raises(TooMuch) as caught:
        quoted(order, want(), tenders=((UUID(int=71), 200), (UUID(int=71), 300)))
    assert (caught.value.what, caught.value.maximum) == ("tender", 300)
    assert caught.value.payment_id == UUID(int=71)
    with pytest.raises(Negative):
        quoted(order, want(), tenders=((UUID(int=70), 600), (UUID(int=71), -100)))
    with pytest.raises(KeyError):
        quoted(order, want(), tenders=((UUID(int=5), 500),))


def test_rule_11_disputed_money_is_not_there() -> None:
    payments = (a_payment(700, 70, disputed=600), a_payment(300, 71, tender="gift_card"))
    order = an_order(a_line(units=2, goods=1000), payments=payments)
    breakdown = quoted(order, want(units=2))
    assert (breakdown.amount, breakdown.clamped) == (400, 600)
    assert {share.tender: share.amount for share in breakdown.shares} == {"card": 100, "gift_card": 300}


# ---------------------------------------------------------------------------------------------- exchanges


@pytest.mark.parametrize(
    ("price", "refund", "due"), [(1000, 500, 0), (1500, 0, 0), (1900, 0, 400), (0, 1500, 0)]
)
def test_an_exchange_refunds_the_difference_or_says_what_is_due(price: int, refund: int, due: int) -> None:
    order = an_order(a_line(goods=1500, tax={"VAT": 240}))
    breakdown = quoted(order, want(), kind="exchange", exchange=(ExchangeItem(name="Hat", amount=price),))
    assert (breakdown.amount, breakdown.due) == (refund, due)
    assert sum(share.amount for share in breakdown.shares) == refund
    assert (breakdown.lines[0].amount, breakdown.tax) == (1500, 240)
    assert amounts(breakdown).get("exchange_value", 0) == -min(price, 1500)
    assert ledger.payable(ledger.decided(breakdown, order), "EUR") == refund


def test_an_exchange_is_set_off_after_fees_and_before_what_is_added() -> None:
    terms = Terms(
        restocking_fee=RestockingFee(percent_bp=1000), store_credit_bonus_bp=1000, store_credit_bonus_cap=999
    )
    hat = (ExchangeItem(name="Hat", amount=500),)
    breakdown = quoted(
        an_order(a_line(goods=2000)), want(), terms=terms, exchange=hat, resolution="store_credit"
    )
    assert amounts(breakdown) == {
        "item_subtotal": 2000,
        "restocking_fee": -200,
        "exchange_value": -500,
        "bonus_credit": 130,
    }


def test_what_went_into_an_exchange_is_never_refunded_again() -> None:
    order = an_order(a_line(units=2))
    order = after(order, quoted(order, want(), exchange=(ExchangeItem(name="Hat", amount=1000),)))
    assert quoted(order, want()).amount == 1000
    assert order.lines[0].refundable == 1000


def test_rule_12_a_negative_price_of_an_exchange_is_refused() -> None:
    with pytest.raises(Negative):
        quoted(an_order(a_line()), want(), exchange=(ExchangeItem(name="Hat", amount=-1),))

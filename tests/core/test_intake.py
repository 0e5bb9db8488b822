"""What was paid: normalised, spread, summed, checked; and what refunds and changes leave of it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.changed import changed
from portal.core.elsewhere import with_refunds
from portal.core.intake import (
    IncomingLine,
    IncomingOrder,
    IncomingPayment,
    IncomingRefund,
    IncomingRefundLine,
    IncomingTax,
    label_of,
    number_key,
    postcode_key,
    provider_of,
)
from portal.core.paid import PaidOrder, paid
from portal.core.spans import count

PLACED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
D = Decimal


def a_line(external_id: str = "1", **given: Any) -> IncomingLine:
    return IncomingLine(external_id=external_id, **({"units": 1, "unit_price": D("10.00")} | given))


def an_order(*lines: IncomingLine, **given: Any) -> IncomingOrder:
    told = {
        "external_id": "o1",
        "number": "#1001",
        "currency": "EUR",
        "placed_at": PLACED,
        "payments": (IncomingPayment(reference="p1", tender="card", captured=None),),
    }
    return IncomingOrder(lines=lines or (a_line(),), **(told | given))


def taken(order: IncomingOrder) -> PaidOrder:
    record = paid(order)
    assert isinstance(record, PaidOrder), record
    return record


def a_refund(amount: str, *lines: IncomingRefundLine, external_id: str = "r1") -> IncomingRefund:
    return IncomingRefund(external_id=external_id, at=PLACED, amount=D(amount), lines=lines)


def part(line: str = "1", units: int = 1, amount: str = "10.00", **given: Any) -> IncomingRefundLine:
    return IncomingRefundLine(line=line, units=units, amount=D(amount), **given)


# ------------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize(
    ("typed", "key"), [("#1001-A", "1001a"), (" 10 01 ", "1001"), ("ÄB/7", "äb7"), ("C536379", "c536379")]
)
def test_an_order_number_is_compared_by_its_letters_and_digits(typed: str, key: str) -> None:
    assert number_key(typed) == key


def test_a_postcode_is_compared_without_blanks() -> None:
    assert postcode_key("sw1a 1aa") == "SW1A1AA"


def test_a_price_below_a_cent_is_kept_and_rounded_once_on_the_line() -> None:
    line = taken(an_order(a_line(units=1500, unit_price=D("0.001")), currency="GBP")).lines[0]
    assert (line.unit_price, line.goods, line.paid) == (D("0.001"), 150, 150)


def test_half_a_cent_rounds_up_on_the_line_total() -> None:
    assert taken(an_order(a_line(units=3, unit_price=D("0.335")))).lines[0].goods == 101


@pytest.mark.parametrize(("currency", "minor"), [("JPY", 1200), ("EUR", 120000), ("KWD", 1200000)])
def test_every_currency_has_its_own_decimals(currency: str, minor: int) -> None:
    assert taken(an_order(a_line(unit_price=D(1200)), currency=currency)).paid == minor


def test_the_discount_of_the_order_is_spread_by_value_without_losing_a_cent() -> None:
    lines = (
        a_line("1", unit_price=D("199.00")),
        a_line("2", unit_price=D("199.00")),
        a_line("3", unit_price=D("199.00")),
    )
    order = taken(an_order(*lines, discount=D("10.00")))
    assert [line.discount for line in order.lines] == [334, 333, 333]
    assert order.paid == 58700


def test_a_discount_that_the_channel_allocated_stays_as_it_is() -> None:
    lines = (a_line("1", discount=D("0.01")), a_line("2", discount=D("3.00")))
    assert [line.discount for line in taken(an_order(*lines)).lines] == [1, 300]


def test_shipping_bears_no_part_of_the_discount_on_goods() -> None:
    shipping = a_line("2", kind="shipping", unit_price=D("5.00"))
    assert [line.discount for line in taken(an_order(a_line(), shipping, discount=D("2.00"))).lines] == [
        200,
        0,
    ]


def test_the_same_tax_label_twice_on_a_line_is_one_tax() -> None:
    taxes = (IncomingTax(label="State", amount=D("1.00")), IncomingTax(label="State", amount=D("0.50")))
    line = taken(an_order(a_line(taxes=taxes), prices_include_tax=False)).lines[0]
    assert [(tax.label, tax.amount) for tax in line.taxes] == [("State", 150)]
    assert line.paid == 1150


def test_tax_within_the_price_adds_nothing_to_what_was_paid() -> None:
    taxes = (IncomingTax(label="VAT", amount=D("1.60"), rate=D("0.19")),)
    line = taken(an_order(a_line(taxes=taxes), prices_include_tax=True)).lines[0]
    assert (line.paid, line.tax, line.taxes[0].rate_ppm) == (1000, 160, 190000)


def test_a_gift_card_is_a_tender_and_lowers_no_price() -> None:
    payments = (
        IncomingPayment(reference="g", tender="gift_card", captured=D("4.00")),
        IncomingPayment(reference="c", tender="card", captured=D("6.00")),
    )
    order = taken(an_order(payments=payments, total=D("6.00")))
    assert (order.paid, order.captured, order.differs, order.notes) == (1000, 1000, 0, ())


def test_what_was_captured_is_compared_and_never_made_to_fit() -> None:
    order = taken(an_order(payments=(IncomingPayment(reference="p", tender="card", captured=D("9.99")),)))
    assert (order.paid, order.captured, order.differs) == (1000, 999, -1)
    assert order.notes == ("Captured 9.99 EUR, but the lines sum to 10.00 EUR.",)


def test_a_free_line_costs_nothing_and_breaks_nothing() -> None:
    order = taken(an_order(a_line(unit_price=D(0)), discount=D(0)))
    assert (order.paid, order.payments) == (0, ())


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (an_order(a_line(units=D("1.5"))), "line 1: 1.5 units is not a whole number"),
        (an_order(a_line(units=-2)), "line 1: -2 units cannot be"),
        (an_order(a_line(unit_price=D("-1"))), "line 1: its price is negative"),
        (an_order(a_line(), a_line()), "line 1 stands twice in the order"),
        (an_order(currency="EURO"), "the currency 'EURO' is no ISO 4217 code"),
        (an_order(external_id=""), "it has no id"),
        (an_order(a_line(discount=D("10.01"))), "line 1: a discount of 10.01 on 10.00 EUR cannot be"),
        (an_order(discount=D("10.01")), "a discount of 10.01 EUR on goods of 10.00 EUR cannot be"),
        (an_order(a_line(kind="mystery")), "line 1: its kind 'mystery' is unknown"),
        (an_order(state="lost"), "its state 'lost' is unknown"),
        (replace(an_order(), lines=()), "it has no lines"),
        (an_order(a_line(units=10**9, unit_price=D(10**6))), "its amounts are too large"),
        (an_order(placed_at=datetime(2026, 3, 1)), "its date has no time zone"),  # noqa: DTZ001
        (
            an_order(payments=(IncomingPayment(reference="p", tender="shells", captured=D(1)),)),
            "payment p: the tender 'shells' is unknown",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_with_the_reason(order: IncomingOrder, reason: str) -> None:
    assert paid(order) == (reason,)


def test_every_reason_is_told_at_once() -> None:
    order = an_order(a_line("1", units=D("0.5")), a_line("2", unit_price=D(-3)), external_id="")
    assert len(paid(order)) == 3  # type: ignore[arg-type]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 99999)), min_size=1, max_size=12),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_the_parts_always_sum_to_what_was_paid(rows: list[tuple[int, int]], off: int, inside: bool) -> None:
    lines = tuple(
        a_line(str(number), units=units, unit_price=D(cents).scaleb(-2))
        for number, (units, cents) in enumerate(rows)
    )
    goods = sum(units * cents for units, cents in rows)
    off = min(off, goods)
    order = taken(an_order(*lines, discount=D(off).scaleb(-2), prices_include_tax=inside))
    assert sum(line.goods for line in order.lines) == goods
    assert order.paid == goods - off == order.captured
    assert all(0 <= line.discount <= line.goods for line in order.lines)


# ------------------------------------------------------------------------------------------ refunds elsewhere


def test_a_refund_made_elsewhere_takes_the_lowest_units_and_counts_everywhere() -> None:
    taxes = (IncomingTax(label="State", amount=D("3.00")),)
    order = taken(an_order(a_line(units=3, taxes=taxes), prices_include_tax=False))
    after = with_refunds(order, [a_refund("22.00", part(units=2, amount="22.00", tax=D("2.00")))])
    line = after.lines[0]
    assert (line.claimed, line.returned, line.refunded) == (((0, 2),), ((0, 2),), 2200)
    assert (line.taxes[0].refunded, after.payments[0].refunded) == (200, 2200)
    assert after.notes == ()


def test_the_same_refund_counts_once() -> None:
    order = taken(an_order(a_line(units=2)))
    refund = a_refund("10.00", part())
    twice = with_refunds(with_refunds(order, [refund]), [refund])
    assert (twice.lines[0].refunded, twice.payments[0].refunded, len(twice.refunds)) == (1000, 1000, 1)


def test_units_that_never_left_are_canceled_and_no_return() -> None:
    after = with_refunds(taken(an_order(a_line(units=2))), [a_refund("10.00", part(canceled=True))])
    assert (after.lines[0].canceled, after.lines[0].claimed) == (((0, 1),), ())


def test_goods_and_money_that_differ_are_flagged() -> None:
    after = with_refunds(taken(an_order()), [a_refund("4.00", part())])
    assert (after.refunds[0].goods, after.refunds[0].amount) == (1000, 400)
    assert after.notes == ("Refund r1: its lines say 10.00 EUR, the money sent back is 4.00 EUR.",)


def test_more_than_was_paid_is_capped_and_told() -> None:
    after = with_refunds(taken(an_order()), [a_refund("12.00", part(units=2, amount="12.00"))])
    line = after.lines[0]
    assert (line.refunded, count(line.claimed), after.payments[0].refunded) == (1000, 1, 1000)
    assert after.notes == (
        "Refund r1: 2 units of line 1, but only 1 are left; capped.",
        "Refund r1: 12.00 EUR for line 1 is 2.00 EUR more than is left of what was paid; capped.",
        "Refund r1: 2.00 EUR more than was captured was sent back; capped.",
    )


def test_a_negative_refund_is_not_netted() -> None:
    after = with_refunds(taken(an_order()), [a_refund("-4.00", part(amount="-4.00"))])
    assert (after.lines[0].refunded, after.payments[0].refunded) == (0, 0)
    assert any("negative" in note for note in after.notes)


def test_a_refund_without_lines_counts_for_the_payments_until_its_lines_are_told() -> None:
    order = with_refunds(taken(an_order()), [a_refund("10.00")])
    assert (order.payments[0].refunded, order.lines[0].refunded) == (1000, 0)
    told = with_refunds(order, [a_refund("10.00", part())])
    assert (told.payments[0].refunded, told.lines[0].refunded) == (1000, 1000)


def test_of_a_canceled_order_whatever_was_not_shipped_is_canceled() -> None:
    order = with_refunds(taken(an_order(a_line(units=3, shipped=1), state="canceled")), [])
    assert count(order.lines[0].canceled) == 2


# ------------------------------------------------------------------------------------------- a changed order


def refunded_order() -> PaidOrder:
    return with_refunds(taken(an_order(a_line(units=3))), [a_refund("20.00", part(units=2, amount="20.00"))])


def test_what_was_refunded_stays_when_the_order_changes() -> None:
    new = taken(an_order(a_line(units=3), a_line("2"), digest="new"))
    after = with_refunds(changed(refunded_order(), new), [a_refund("20.00", part(units=2, amount="20.00"))])
    assert (after.lines[0].refunded, after.lines[0].claimed) == (2000, ((0, 2),))
    assert (after.payments[0].refunded, after.payments[0].captured) == (2000, 4000)
    assert (len(after.lines), after.digest) == (2, "new")


def test_a_line_never_falls_below_what_is_in_returns() -> None:
    after = changed(refunded_order(), taken(an_order(a_line(units=1))))
    line = after.lines[0]
    assert (line.units, line.paid, line.refunded) == (2, 3000, 2000)
    assert sum("kept" in note for note in after.notes) == 2


def test_a_line_that_is_gone_stays_when_something_was_given_back_of_it() -> None:
    after = changed(refunded_order(), taken(an_order(a_line("2"))))
    assert [line.external_id for line in after.lines] == ["2", "1"]
    assert [line.number for line in after.lines] == [1, 2]


def test_a_line_that_is_gone_and_untouched_goes() -> None:
    old = taken(an_order(a_line("1"), a_line("2")))
    assert [line.external_id for line in changed(old, taken(an_order(a_line("2")))).lines] == ["2"]
    kept = changed(old, taken(an_order(a_line("2"))), held={"1"})
    assert [line.external_id for line in kept.lines] == ["2", "1"]


def test_a_payment_never_falls_below_what_went_back_to_it() -> None:
    new = taken(an_order(payments=(IncomingPayment(reference="p1", tender="card", captured=D("5.00")),)))
    payment = changed(refunded_order(), new).payments[0]
    assert (payment.captured, payment.refunded) == (2000, 2000)


# ------------------------------------------------------------------------------------------ by which way money goes


@pytest.mark.parametrize(
    ("tender", "way"),
    [
        ("card", "stripe"),
        ("wallet", "stripe"),
        ("gift_card", "gift_card"),
        ("store_credit", "store_credit"),
        ("bank_transfer", "bank_transfer"),
        ("cash", "manual"),
        ("invoice", "manual"),
    ],
)
def test_a_tender_goes_back_by_its_own_way(tender: str, way: str) -> None:
    assert provider_of(tender, "stripe") == way


@pytest.mark.parametrize(
    ("tender", "label", "shown"),
    [
        ("gift_card", "Gift card 7K3M-9QX1-40WF-ZT2H", "Gift card …ZT2H"),
        ("gift_card", "7k3m9qx140wfzt2h", "…zt2h"),
        ("gift_card", "6006 4912 3456 7890", "…7890"),
        ("gift_card", "Gift card ·· 9001", "Gift card ·· 9001"),
        ("gift_card", "gift_card", "gift_card"),
        ("store_credit", "Credit 1234567890", "Credit …7890"),
        ("store_credit", "", ""),
        ("card", "Visa 4242", "Visa 4242"),
    ],
)
def test_of_a_code_that_is_money_only_its_end_is_kept(tender: str, label: str, shown: str) -> None:
    assert label_of(tender, label) == shown

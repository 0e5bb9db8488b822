"""The same rules in yen, euros and dinars, with prices below the cent, and with several taxes in and beside them."""

from decimal import Decimal

import pytest

from portal.core.facts import OrderFacts
from portal.core.money import line_total, major, minor
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds import ledger
from tests.core.made import a_line, after, amounts, an_order, quoted, shipping, want


@pytest.mark.parametrize(
    ("currency", "price", "each"),
    [
        ("JPY", "1000", [333, 334, 333]),
        ("EUR", "10.00", [333, 334, 333]),
        ("KWD", "1.000", [333, 334, 333]),
        ("KWD", "10.001", [3334, 3333, 3334]),
    ],
)
def test_rule_5_three_units_of_one_price_in_every_currency(
    currency: str, price: str, each: list[int]
) -> None:
    order = an_order(a_line(units=3, goods=minor(Decimal(price), currency)), currency=currency)
    found = []
    for _ in range(3):
        breakdown = quoted(order, want())
        found.append(breakdown.amount)
        order = after(order, breakdown)
    assert found == each
    assert major(sum(found), currency) == Decimal(price)


def test_yen_are_never_multiplied_by_a_hundred() -> None:
    order = an_order(a_line(goods=minor("1980", "JPY"), tax={"Tax": 180}), currency="JPY")
    breakdown = quoted(order, want(), terms=Terms(restocking_fee=RestockingFee(percent_bp=1000)))
    assert (breakdown.amount, breakdown.tax) == (1980 - 198, 180)


@pytest.mark.parametrize(
    ("price", "units", "total"), [("0.001", 1500, 150), ("0.0049", 3, 1), ("0.333", 7, 233)]
)
def test_rule_5_a_price_below_the_cent_is_rounded_once_on_the_line(
    price: str, units: int, total: int
) -> None:
    goods = line_total(Decimal(price), units, "GBP")
    assert goods == total
    order = an_order(a_line(units=units, goods=goods, unit_price=Decimal(price)), currency="GBP")
    for n in (1, units - 2, 1):
        order = after(order, quoted(order, want(units=n)))
    assert (order.lines[0].refunded, order.lines[0].refundable) == (total, 0)


def two_taxes(prices_include_tax: bool) -> OrderFacts:
    """Goods with two labels; shipping taxed by one of them, inside its price."""
    goods = a_line(
        units=3,
        goods=2999,
        discount=200,
        tax={"State": 175, "City": 42},
        prices_include_tax=prices_include_tax,
    )
    return an_order(goods, shipping(500, tax={"State": 31}, prices_include_tax=prices_include_tax))


@pytest.mark.parametrize("inside", [True, False])
def test_rule_4_several_labels_inside_and_beside_the_price_clear_each_by_itself(inside: bool) -> None:
    order, total = two_taxes(inside), 0
    for _ in range(3):
        breakdown = quoted(order, want(), terms=Terms(refund_shipping="proportion"))
        rows = amounts(breakdown)
        assert ("item_tax" in rows, "shipping_tax" in rows) == (not inside, not inside)
        total += breakdown.amount
        order = after(order, breakdown)
    assert total == 2799 + 500 + (0 if inside else 175 + 42 + 31)
    assert [[tax.refunded for tax in line.taxes] for line in order.lines] == [[175, 42], [31]]


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD"])
def test_rule_17_every_posting_balances_in_its_currency_and_a_correction_reverses_it(currency: str) -> None:
    order = an_order(a_line(goods=1000, tax={"VAT": 160}), shipping(500), currency=currency)
    terms = Terms(restocking_fee=RestockingFee(percent_bp=500))
    decided = ledger.decided(quoted(order, want(), terms=terms), order)
    assert {transfer.currency for transfer in decided} == {currency}
    assert sum(ledger.balance(decided).values()) == 0
    assert ledger.payable(decided, currency) == 1450
    undone = ledger.balance((*decided, *ledger.reversed(decided)))
    assert not any(undone.values())

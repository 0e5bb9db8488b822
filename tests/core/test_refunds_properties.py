"""What must hold of every refund, whatever was bought and however it comes back."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from portal.core.facts import LineFacts, OrderFacts, TaxFacts
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds import ledger
from portal.core.refunds.engine import quote
from tests.core.made import (
    NOW,
    a_line,
    a_payment,
    a_request,
    after,
    an_order,
    check,
    quoted,
    shipping,
    want,
)

amount = st.one_of(st.integers(0, 30), st.integers(0, 10**6))


@st.composite
def lines(draw: st.DrawFn, number: int = 1) -> LineFacts:
    units = draw(st.integers(1, 8))
    goods = draw(amount)
    discount = draw(st.integers(0, goods))
    on_top = draw(st.booleans())
    room = goods - discount
    labels = draw(st.lists(st.integers(0, max(0, room)), max_size=3))
    taxes = []
    for n, tax in enumerate(labels):
        tax = min(tax, room) if not on_top else tax
        room -= tax if not on_top else 0
        taxes.append(TaxFacts(label=f"T{n}", amount=tax))
    return a_line(
        number, units=units, goods=goods, discount=discount, taxes=tuple(taxes), prices_include_tax=not on_top
    )


@st.composite
def orders(draw: st.DrawFn) -> OrderFacts:
    bought = [draw(lines(n)) for n in range(1, draw(st.integers(1, 4)) + 1)]
    if draw(st.booleans()):
        fee = draw(amount)
        bought.append(
            shipping(fee, tax={"T0": draw(st.integers(0, fee))}, prices_include_tax=draw(st.booleans()))
        )
    paid = sum(line.paid for line in bought)
    cut = draw(st.integers(0, paid))
    payments = (a_payment(cut, 70), a_payment(paid - cut, 71, tender="gift_card"))
    return an_order(*bought, payments=payments, currency=draw(st.sampled_from(["EUR", "JPY", "KWD"])))


@st.composite
def partitions(draw: st.DrawFn, order: OrderFacts) -> list[list[tuple[int, int]]]:
    """Returns, each a list of (line number, units), that together send everything back."""
    units = draw(st.permutations([line.number for line in order.items for _ in range(line.units)]))
    returns: list[list[tuple[int, int]]] = []
    while units:
        size = draw(st.integers(1, len(units)))
        taken, units = units[:size], units[size:]
        returns.append([(number, taken.count(number)) for number in dict.fromkeys(taken)])
    return returns


@settings(max_examples=80, deadline=None)
@given(st.data(), orders(), st.sampled_from(["full_return", "proportion", "never"]))
def test_any_sequence_of_partials_gives_back_exactly_what_was_paid(
    data: st.DataObject, order: OrderFacts, rule: str
) -> None:
    terms = Terms(refund_shipping=rule)
    total = 0
    for wishes in data.draw(partitions(order)):
        breakdown = quoted(order, *(want(number, units) for number, units in wishes), terms=terms)
        assert breakdown.clamped == 0
        total += breakdown.amount
        order = after(order, breakdown)
    kept = sum(line.paid for line in order.charges) if rule == "never" else 0
    assert total == order.paid - kept
    for line in order.lines if rule != "never" else order.items:
        assert line.refundable == 0
        assert [tax.refunded for tax in line.taxes] == [tax.amount for tax in line.taxes]


@settings(max_examples=80, deadline=None)
@given(st.data(), orders())
def test_whatever_the_terms_and_the_past_no_cap_is_exceeded_and_the_ledger_balances(
    data: st.DataObject, order: OrderFacts
) -> None:
    terms = data.draw(
        st.builds(
            Terms,
            refund_shipping=st.sampled_from(["full_return", "proportion", "fault", "never"]),
            restocking_fee=st.builds(
                RestockingFee, percent_bp=st.integers(0, 10_000), fixed=amount, per_unit=st.booleans()
            ),
            condition_deductions_bp=st.just((("used", 3333),)),
            return_postage=st.sampled_from(["merchant", "customer", "customer_remorse"]),
            tender_order=st.sampled_from([("card", "gift_card"), ("gift_card",), ("proportion",)]),
            store_credit_bonus_bp=st.integers(0, 2000),
            store_credit_bonus_cap=amount,
        )
    )
    order = replace(
        order,
        lines=tuple(replace(line, refunded=data.draw(st.integers(0, line.paid))) for line in order.lines),
        payments=tuple(
            replace(payment, refunded=data.draw(st.integers(0, payment.captured + 5)))
            for payment in order.payments
        ),
    )
    for wishes in data.draw(partitions(order)):
        reason = data.draw(st.sampled_from(["defective", "other"]))
        breakdown = quoted(
            order,
            *(want(number, units, condition="used", reason=reason) for number, units in wishes),
            terms=terms,
            postage=data.draw(amount),
            resolution=data.draw(st.sampled_from(["refund", "store_credit"])),
        )
        transfers = ledger.decided(breakdown, order)
        assert ledger.payable(transfers, order.currency) == breakdown.amount
        assert sum(ledger.balance(transfers).values()) == 0
        order = after(order, breakdown)


@settings(max_examples=40, deadline=None)
@given(st.data(), orders())
def test_with_fees_withheld_the_later_units_are_worth_what_they_were_before(
    data: st.DataObject, order: OrderFacts
) -> None:
    fee = Terms(restocking_fee=RestockingFee(percent_bp=5000), refund_shipping="never")
    free = Terms(refund_shipping="never")
    plain = order
    for number, wishes in enumerate(data.draw(partitions(order))):
        wanted = [want(line, units) for line, units in wishes]
        without = quoted(plain, *wanted, terms=free)
        now = quoted(order, *wanted, terms=free if number else fee)
        if number:
            assert now.amount == without.amount
        plain, order = after(plain, without), after(order, now)


def test_an_order_of_1000_lines_breaks_no_cap() -> None:
    bought = [a_line(n, units=3, goods=2798, discount=100, tax={"VAT": 400}) for n in range(1, 1001)]
    fee = shipping(500, number=5000, tax={"VAT": 80})
    order = an_order(*bought, fee)
    wishes = [want(n, units=2) for n in range(1, 1001)]
    terms = Terms(refund_shipping="proportion", restocking_fee=RestockingFee(percent_bp=1000))
    check(quote(order, a_request(*wishes), terms, now=NOW), order)

"""What must hold of every refund, whatever was bought and however it comes back."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.core.facts import ExchangeItem, OrderFacts, Wanted
from portal.core.policy.terms import Depreciation, FeeTier, RestockingFee, Terms
from portal.core.refunds import ledger
from portal.core.refunds.breakdown import TooMuch
from portal.core.refunds.engine import quote
from portal.core.refunds.overrides import WAIVABLE
from tests.core.made import NOW, a_line, a_request, after, an_order, check, quoted, shipping, want
from tests.core.orders import amount, orders, partitions


@settings(max_examples=80, deadline=None)
@given(st.data(), orders(), st.sampled_from(["full_return", "proportion", "never"]))
def test_any_sequence_of_partials_gives_back_exactly_what_was_paid(
    data: st.DataObject, order: OrderFacts, rule: str
) -> None:
    terms = Terms(refund_shipping=rule, refund_duties=rule, refund_fees=rule)
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


bp = st.integers(0, 10_000)
CHARGE_RULES = st.sampled_from(["full_return", "proportion", "fault", "law", "never"])
ANY_TERMS = st.builds(
    Terms,
    refund_shipping=CHARGE_RULES,
    refund_duties=CHARGE_RULES,
    refund_fees=CHARGE_RULES,
    ordinary_delivery=st.none() | amount,
    restocking_fee=st.builds(
        RestockingFee,
        percent_bp=bp,
        fixed=amount,
        per_unit=st.booleans(),
        tiers=st.lists(
            st.builds(
                FeeTier,
                percent_bp=bp,
                fixed=amount,
                up_to_days=st.none() | st.integers(0, 20),
                conditions=st.sampled_from([(), ("used",), ("A",)]),
            ),
            max_size=2,
        ).map(tuple),
    ),
    condition_deductions_bp=st.just((("used", 3333),)),
    accessory_deductions=st.just((("cable", 150),)),
    depreciation=st.lists(
        st.one_of(
            st.builds(Depreciation, by=st.just("age"), over=st.integers(1, 30), most_bp=bp),
            st.builds(Depreciation, by=st.just("use"), steps=st.just(((1, 1000), (5, 9000)))),
        ),
        max_size=2,
    ).map(tuple),
    promotions=st.sampled_from(["keep", "re_evaluate"]),
    return_postage=st.sampled_from(["merchant", "customer", "customer_remorse"]),
    tender_order=st.sampled_from([("card", "gift_card"), ("gift_card",), ("proportion",)]),
    store_credit_bonus_bp=st.integers(0, 2000),
    store_credit_bonus_cap=amount,
)


@st.composite
def pasts(draw: st.DrawFn, order: OrderFacts) -> OrderFacts:
    """``order`` after refunds and disputes that nobody here made."""
    return replace(
        order,
        lines=tuple(replace(line, refunded=draw(st.integers(0, line.paid))) for line in order.lines),
        payments=tuple(
            replace(
                payment,
                refunded=draw(st.integers(0, payment.captured + 5)),
                disputed=draw(st.integers(0, payment.captured)),
            )
            for payment in order.payments
        ),
    )


@st.composite
def wishes_for(draw: st.DrawFn, number: int, units: int) -> Wanted:
    return want(
        number,
        units,
        condition=draw(st.sampled_from([None, "used", "unopened"])),
        grade=draw(st.sampled_from([None, "A", "D"])),
        reason=draw(st.sampled_from(["defective", "other", "statutory_withdrawal"])),
        missing_accessories=draw(st.sampled_from([(), ("cable",)])),
        used=draw(st.none() | st.integers(0, 9)),
        scope_used=draw(st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9))),
    )


@settings(max_examples=80, deadline=None)
@given(st.data(), orders(deals=True), ANY_TERMS)
def test_whatever_the_terms_and_the_past_no_cap_is_exceeded_and_the_ledger_balances(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    order = data.draw(pasts(order) | st.just(order))
    for wishes in data.draw(partitions(order)):
        kind = data.draw(st.sampled_from(["return", "withdrawal", "exchange", "partial_cancellation"]))
        price = data.draw(amount) if kind == "exchange" else 0
        breakdown = quoted(
            order,
            *(data.draw(wishes_for(number, units)) for number, units in wishes),
            terms=terms,
            kind=kind,
            postage=data.draw(amount),
            resolution=data.draw(st.sampled_from(["refund", "store_credit"])),
            waived=data.draw(st.sampled_from([(), WAIVABLE, WAIVABLE[:2]])),
            exchange=(ExchangeItem(name="Hat", amount=price),) if price else (),
        )
        assert breakdown.exchanged + breakdown.due == price
        transfers = ledger.decided(breakdown, order)
        assert ledger.payable(transfers, order.currency) == breakdown.amount
        assert sum(ledger.balance(transfers).values()) == 0
        order = after(order, breakdown, kind=kind)


@settings(max_examples=100, deadline=None)
@given(st.data(), orders(), ANY_TERMS)
def test_what_a_person_names_is_paid_to_the_cent_or_refused_with_the_maximum(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    order = data.draw(pasts(order) | st.just(order))
    terms = replace(terms, refund_shipping="never", refund_duties="never", refund_fees="never")
    line = data.draw(st.sampled_from(order.items))
    wish = data.draw(wishes_for(line.number, data.draw(st.integers(1, line.units))))
    named = data.draw(amount)
    maximum = most(order, wish, terms)
    if named <= maximum:
        breakdown = quoted(order, replace(wish, named=named), terms=terms)
        by_return = sum(row.amount for row in breakdown.rows if row.line_id is None)
        assert breakdown.amount == named + by_return
    else:
        with pytest.raises(TooMuch) as caught:
            quoted(order, replace(wish, named=named), terms=terms)
        assert (caught.value.what, caught.value.maximum) == ("amount", maximum)
        assert caught.value.line_id == line.id


def most(order: OrderFacts, wish: Wanted, terms: Terms) -> int:
    """What the units may give back at most: what was paid for them, as far as line and payments have it left."""
    plain = quoted(
        order, replace(wish, scope_used=None), terms=Terms(refund_shipping="never"), waived=WAIVABLE
    )
    return plain.amount


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

"""Any partition and order of partial returns and cancellations gives back the same as all at once."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from portal.core.facts import OrderFacts, Wanted
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Breakdown
from tests.core.made import after, amounts, quoted, want
from tests.core.orders import fates, orders, partitions

RULES = st.sampled_from(["full_return", "proportion"])
TERMS = st.builds(
    Terms,
    refund_shipping=RULES,
    refund_duties=RULES,
    refund_fees=RULES,
    promotions=st.sampled_from(["keep", "re_evaluate"]),
    tender_order=st.sampled_from([("card", "gift_card"), ("gift_card",), ("proportion",)]),
)
KINDS = st.sampled_from(["return", "partial_cancellation"])


def all_given_back(order: OrderFacts) -> None:
    for line in order.lines:
        assert line.refundable == 0
        assert line.promotion_withheld == 0
        assert [tax.refunded for tax in line.taxes] == [tax.amount for tax in line.taxes]
        assert not any(tax.promotion_withheld for tax in line.taxes)
    for payment in order.payments:
        assert payment.left == 0


@settings(max_examples=150, deadline=None)
@given(st.data(), orders(deals=True), TERMS)
def test_whatever_comes_back_and_is_canceled_in_whatever_order_all_of_it_is_what_was_paid(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    paid, total = order.paid, 0
    for wishes in data.draw(partitions(order)):
        kind = data.draw(KINDS)
        wanted = [want(number, units) for number, units in wishes]
        breakdown = quoted(order, *wanted, terms=terms, kind=kind)
        assert breakdown.clamped == 0
        total += breakdown.amount
        order = after(order, breakdown, kind=kind)
    assert total == paid
    all_given_back(order)


@settings(max_examples=150, deadline=None)
@given(st.data(), orders(deals=True))
def test_a_part_of_an_order_gives_back_the_same_piece_by_piece_as_all_at_once(
    data: st.DataObject, order: OrderFacts
) -> None:
    rules = data.draw(st.sampled_from(["never", "full_return", "proportion"]))
    terms = Terms(promotions="re_evaluate", refund_shipping=rules, refund_duties=rules)
    fate = data.draw(fates(order))
    gone = [unit for unit, what in fate.items() if what != "stays"]
    units = data.draw(st.permutations(gone))
    pieces = [(fate[unit], [unit]) for unit in units]
    whole = [
        (kind, [unit for unit in gone if fate[unit] == kind]) for kind in ("partial_cancellation", "return")
    ]
    bit_by_bit, limited = total_of(order, pieces, terms)
    at_once, also_limited = total_of(order, [move for move in whole if move[1]], terms)
    if not (limited or also_limited):
        assert bit_by_bit == at_once


def total_of(
    order: OrderFacts, moves: list[tuple[str, list[tuple[int, int]]]], terms: Terms
) -> tuple[int, bool]:
    """What these requests give back together, and whether a promotion's part did not fit into one of them."""
    total, limited = 0, False
    for kind, units in moves:
        wanted = [want(number, spans=((unit, unit + 1),)) for number, unit in units]
        breakdown = quoted(order, *wanted, terms=terms, kind=kind)
        total += breakdown.amount
        limited = limited or withheld_too_little(breakdown)
        order = after(order, breakdown, kind=kind)
    return total, limited


def withheld_too_little(breakdown: Breakdown) -> bool:
    return any(row.rule == "promotions" and "limited_to" in (row.basis or {}) for row in breakdown.rows)


@settings(max_examples=100, deadline=None)
@given(st.data(), orders(deals=True))
def test_a_cancellation_never_withholds_or_deducts(data: st.DataObject, order: OrderFacts) -> None:
    terms = data.draw(st.builds(Terms, promotions=st.just("re_evaluate"), refund_shipping=RULES))
    for wishes in data.draw(partitions(order)):
        kind = data.draw(KINDS)
        wanted = [want(number, units, condition="damaged") for number, units in wishes]
        breakdown = quoted(order, *wanted, terms=terms, kind=kind, postage=500)
        if kind == "partial_cancellation":
            goods = sum(paid for line, paid in paid_for(order, breakdown).items())
            assert breakdown.amount >= goods
        order = after(order, breakdown, kind=kind)


def paid_for(order: OrderFacts, breakdown: Breakdown) -> dict[str, int]:
    """Per line what its rows say was paid for the units, discounts and tax in it."""
    of_goods = ("item_subtotal", "order_discount_share", "item_tax")
    found: dict[str, int] = {}
    for row in breakdown.rows:
        if row.code in of_goods and row.rule != "promotions":
            found[str(row.line_id)] = found.get(str(row.line_id), 0) + row.amount
    return found


@settings(max_examples=150, deadline=None)
@given(st.data(), orders(deals=True), TERMS)
def test_units_whose_price_was_lowered_give_back_the_rest_and_never_more(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    paid, total = order.paid, 0
    for wishes in data.draw(partitions(order)):
        for _ in range(data.draw(st.integers(0, 2))):
            lowered = quoted(order, data.draw(lowerings(order)), terms=terms, kind="partial_refund_keep")
            assert set(amounts(lowered)) <= {"adjustment"}
            total += lowered.amount
            order = after(order, lowered, kind="partial_refund_keep")
        breakdown = quoted(order, *(want(number, units) for number, units in wishes), terms=terms)
        assert breakdown.clamped == 0
        total += breakdown.amount
        order = after(order, breakdown)
    assert total == paid
    all_given_back(order)


@st.composite
def lowerings(draw: st.DrawFn, order: OrderFacts) -> Wanted:
    """A price adjustment that may be: of units that are there, of at most what they have left."""
    free = [(line, line.units - sum(end - first for first, end in line.claimed)) for line in order.items]
    line, units = draw(st.sampled_from([one for one in free if one[1]]))
    units = draw(st.integers(1, units))
    wish = want(line.number, units, allowance=0)
    maximum = most_for(order, wish)
    return replace(wish, allowance=draw(st.integers(0, maximum)))


def most_for(order: OrderFacts, wish: Wanted) -> int:
    from portal.core.refunds.breakdown import TooMuch

    try:
        quoted(order, replace(wish, allowance=10**18), kind="partial_refund_keep")
    except TooMuch as problem:
        return problem.maximum
    raise AssertionError("a price adjustment of any size was taken")

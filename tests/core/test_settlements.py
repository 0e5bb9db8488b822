"""What was agreed in a dispute: exactly that amount, out of what was kept back and then the price, never above it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core import disputes
from portal.core.disputes import LineStanding
from portal.core.facts import CANCELLATIONS, KEEP, ReturnRequest
from portal.core.lifecycles import CANCELLATION
from portal.core.policy.terms import Terms
from portal.core.refunds import ledger, settlements
from portal.core.refunds.breakdown import Negative, TooMuch
from portal.core.refunds.settlements import Contested
from tests.core.made import NOW, a_line, a_payment, an_order

REQUEST = ReturnRequest(wanted=(), requested_at=NOW)


def test_a_fee_that_is_given_back_is_undone_in_the_books() -> None:
    line = a_line(goods=1000, units=1, refunded=800, tax={"VAT": 160})
    order = an_order(line)
    one = Contested(line=line, refunded=((0, 1),), given=800, taxes=(("VAT", 160),), withheld=200)
    due = settlements.settle(order, [one], 150, REQUEST, Terms())
    assert due.amount == 150 and due.lines[0].withheld == -150 and due.lines[0].tax == 0
    (posted,) = ledger.decided(due, order)
    assert (posted.debit, posted.credit, posted.amount) == ("fees", "refunds_payable", 150)


def test_refused_units_are_adjusted_with_the_tax_in_it() -> None:
    line = a_line(goods=1000, units=2, tax={"VAT": 160})
    due = settlements.settle(an_order(line), [Contested(line=line, open=((0, 2),))], 500, REQUEST, Terms())
    assert sum(part[2] for part in due.lines[0].adjusted) == 500 and due.lines[0].tax == 80


def test_what_the_bank_took_back_is_not_there() -> None:
    line = a_line(goods=1000)
    order = an_order(line, payments=(a_payment(1000, disputed=700),))
    with pytest.raises(TooMuch) as refused:
        settlements.settle(order, [Contested(line=line, open=((0, 1),))], 301, REQUEST, Terms())
    assert refused.value.maximum == 300


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_is_no_settlement(amount: int) -> None:
    line = a_line()
    with pytest.raises(Negative):
        settlements.settle(an_order(line), [Contested(line=line, open=((0, 1),))], amount, REQUEST, Terms())


@given(st.data())
def test_settlements_together_never_come_above_what_was_paid(data: st.DataObject) -> None:
    units = data.draw(st.integers(1, 5))
    goods = data.draw(st.integers(1, 100_000))
    back = data.draw(st.integers(0, units))
    line = a_line(goods=goods, units=units)
    first = sum(goods * n // units - goods * (n - 1) // units for n in range(1, back + 1))
    fee = data.draw(st.integers(0, first))
    one = Contested(
        line=a_line(goods=goods, units=units, refunded=first - fee),
        refunded=((0, back),) if back else (),
        open=((back, units),) if back < units else (),
        given=first - fee,
        withheld=fee,
    )
    order = an_order(one.line)
    most = settlements.maximum(order, [one])
    assert most <= line.paid - (first - fee)
    if most:
        amount = data.draw(st.integers(1, most))
        due = settlements.settle(order, [one], amount, REQUEST, Terms())
        assert due.amount == amount == sum(share.amount for share in due.shares)
        assert first - fee + amount <= line.paid
        assert sum(part.amount for part in ledger.decided(due, order)) >= amount
    with pytest.raises(TooMuch):
        settlements.settle(order, [one], most + 1, REQUEST, Terms())


def test_what_can_be_contested_hangs_on_what_became_of_it() -> None:
    line = LineStanding(units=2, rejected=1, refunded=1, withheld=50)
    assert disputes.grounds("closed", "return", line) == ("refusal", "deduction", "amount", "other")
    assert disputes.grounds("received", "return", LineStanding(units=1)) == ("missing_refund", "other")
    assert disputes.grounds("closed", KEEP, LineStanding(units=1)) == ("amount", "other")
    assert not disputes.may_contest("requested", "return", [LineStanding(units=1)])
    assert not disputes.may_contest("approved", "return", [LineStanding(units=1)])
    assert disputes.may_contest("approved", "return", [LineStanding(units=2, declined=1)])
    for kind in CANCELLATIONS:
        assert [state for state in CANCELLATION.states if disputes.may_contest(state, kind, [line])] == [
            "confirmed",
            "closed",
        ]
        assert disputes.grounds("confirmed", kind, LineStanding(units=1)) == (
            "amount",
            "missing_refund",
            "other",
        )
    assert disputes.main_ground(("other", "refusal")) == "refusal"

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.facts import Addition, OrderFacts
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds.breakdown import Breakdown, Share
from portal.core.refunds.ledger import (
    ACCOUNTS,
    OWN_CREDIT,
    PAYABLE,
    RECEIVABLE,
    UNPAID,
    Transfer,
    balance,
    decided,
    paid_out,
    payable,
    reversed,
    unpaid,
)
from tests.core.made import a_line, an_order, quoted, shipping, want
from tests.core.test_credit_notes import an_exchange


def a_refund() -> tuple[Breakdown, OrderFacts]:
    order = an_order(
        a_line(1, units=2, goods=20_000, tax={"VAT": 3800}, prices_include_tax=False),
        a_line(2, goods=5000),
        shipping(500, tax={"VAT": 80}),
    )
    terms = Terms(restocking_fee=RestockingFee(percent_bp=1000), goodwill_cap=900)
    gift = Addition(code="goodwill", amount=900, reason="late", granted_by="finance")
    return quoted(order, want(1, 2), want(2), terms=terms, extra=(gift,)), order


def test_what_is_decided_is_posted_by_account_and_nets_to_the_refund() -> None:
    breakdown, order = a_refund()
    transfers = decided(breakdown, order)
    assert balance(transfers) == {
        ("goods", "EUR"): 25_000,
        ("tax:VAT", "EUR"): 3880,
        ("shipping", "EUR"): 420,
        ("fees", "EUR"): -2500,
        ("goodwill", "EUR"): 900,
        (PAYABLE, "EUR"): -breakdown.amount,
    }
    assert payable(transfers, "EUR") == breakdown.amount


def test_what_is_paid_out_leaves_nothing_payable_once_all_shares_are_sent() -> None:
    breakdown, order = a_refund()
    transfers = decided(breakdown, order)
    for share in breakdown.shares:
        transfers = (*transfers, paid_out(share, "sandbox", currency="EUR"))
    assert payable(transfers, "EUR") == 0
    assert balance(transfers)["clearing:sandbox", "EUR"] == -breakdown.amount


def test_own_credit_is_owed_still_and_no_clearing() -> None:
    for provider in OWN_CREDIT:
        moved = paid_out(Share(payment_id=None, amount=700), provider, currency="EUR")
        assert (moved.debit, moved.credit) == (PAYABLE, provider)


def test_a_transfer_that_did_not_arrive_is_owed_on_an_account_of_its_own() -> None:
    assert balance([unpaid(700, "EUR")]) == {(PAYABLE, "EUR"): 700, (UNPAID, "EUR"): -700}


def test_what_is_given_in_exchange_is_set_off_and_not_paid() -> None:
    transfers = decided(*an_exchange())
    assert payable(transfers, "EUR") == 0
    assert balance(transfers)[RECEIVABLE, "EUR"] == -1190
    assert balance(transfers)["goods", "EUR"] == 1000


@given(
    st.lists(
        st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.integers(1, 10**12)), max_size=30
    )
)
def test_whatever_is_posted_and_reversed_leaves_nothing(drawn) -> None:  # type: ignore[no-untyped-def]
    transfers = [
        Transfer(debit=debit, credit=credit, amount=amount, currency="EUR")
        for debit, credit, amount in drawn
        if debit != credit
    ]
    assert sum(balance(transfers).values()) == 0
    assert set(balance((*transfers, *reversed(transfers))).values()) <= {0}


def test_a_correction_is_a_reversing_entry_that_leaves_no_balance() -> None:
    transfers = decided(*a_refund())
    assert set(balance((*transfers, *reversed(transfers))).values()) == {0}
    assert len(reversed(transfers)) == len(transfers)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_transfer_moves_something_and_never_backwards(amount: int) -> None:
    with pytest.raises(ValueError):
        Transfer(debit="goods", credit=PAYABLE, amount=amount, currency="EUR")
    with pytest.raises(ValueError):
        paid_out(Share(payment_id=None, amount=amount), "sandbox", currency="EUR")


def test_a_transfer_has_two_sides() -> None:
    with pytest.raises(ValueError):
        Transfer(debit=PAYABLE, credit=PAYABLE, amount=1, currency="EUR")


def test_every_posting_balances_per_currency() -> None:
    transfers = (
        Transfer(debit="goods", credit=PAYABLE, amount=100, currency="EUR"),
        Transfer(debit="goods", credit=PAYABLE, amount=70, currency="JPY"),
    )
    for currency, amount in (("EUR", 100), ("JPY", 70)):
        assert payable(transfers, currency) == amount
        assert sum(held for (_, at), held in balance(transfers).items() if at == currency) == 0

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.facts import PaymentFacts
from portal.core.refunds.breakdown import Negative, TooMuch
from portal.core.refunds.sources import as_store_credit, left, spread
from tests.core.made import a_line, a_payment, an_order

TENDERS = ("card", "gift_card", "wallet")

payments = st.lists(
    st.builds(
        lambda tender, captured, refunded, here: (tender, captured, refunded, here),
        st.sampled_from(TENDERS),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
).map(
    lambda rows: tuple(
        a_payment(captured, 70 + n, tender, refunded=refunded, refundable_here=here)
        for n, (tender, captured, refunded, here) in enumerate(rows)
    )
)


@given(
    payments,
    st.data(),
    st.sampled_from([("card", "gift_card"), ("gift_card", "wallet", "card"), ("proportion",), ()]),
)
def test_shares_sum_to_the_refund_and_no_payment_gives_more_than_it_has_left(
    given_payments: tuple[PaymentFacts, ...], data: st.DataObject, order: tuple[str, ...]
) -> None:
    room = sum(payment.left for payment in given_payments)
    amount = data.draw(st.integers(0, room))
    shares = spread(amount, given_payments, order)
    assert sum(share.amount for share in shares) == amount
    by_id = {payment.id: payment for payment in given_payments}
    for share in shares:
        assert share.origin_id is not None
        payment = by_id[share.origin_id]
        assert 0 < share.amount <= payment.left
        assert share.payment_id == (payment.id if payment.refundable_here else None)
        assert share.tender == payment.tender


def test_tenders_that_the_policy_does_not_name_come_last_in_their_own_order() -> None:
    given_payments = (a_payment(100, 70, "check"), a_payment(100, 71, "card"), a_payment(100, 72, "cash"))
    shares = spread(250, given_payments, ("card",))
    assert [(share.tender, share.amount) for share in shares] == [("card", 100), ("check", 100), ("cash", 50)]


def test_more_than_the_payments_have_left_is_refused_with_the_maximum() -> None:
    with pytest.raises(TooMuch) as caught:
        spread(101, (a_payment(150, refunded=50),), ())
    assert caught.value.maximum == 100
    with pytest.raises(Negative):
        spread(-1, (a_payment(150),), ())


def test_without_payments_nothing_is_left_to_give_back() -> None:
    assert left(an_order(a_line(), payments=())) == 0
    assert spread(0, (), ("proportion",)) == ()


def test_store_credit_uses_the_quota_of_the_payments_it_stands_for() -> None:
    shares = as_store_credit(spread(500, (a_payment(500),), ()))
    assert [(share.payment_id, share.origin_id, share.tender) for share in shares] == [
        (None, UUID(int=70), "store_credit")
    ]

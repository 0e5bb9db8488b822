"""What is not sent yet comes in: picking, logistics, periods, payments that nobody has taken; and comes again."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.core.changed import changed, gone
from portal.core.elsewhere import with_refunds
from portal.core.intake import (
    ORDINARY,
    IncomingLine,
    IncomingPayment,
    Special,
    mode_of,
    provider_of,
)
from portal.core.paid import PaidOrder, paid
from portal.core.records import PaidPayment
from portal.core.spans import count
from tests.core.test_bundle_prices import a_part
from tests.core.test_intake import D, a_line, a_refund, an_order, part, taken

AN_ID = UUID(int=1)
NEW_YEAR, LATER = date(2026, 1, 1), date(2026, 1, 31)


def special(**given: Any) -> IncomingLine:
    return a_line(units=3, special=Special(**given))


def a_payment(captured: str | None = "30.00", **given: Any) -> IncomingPayment:
    told = {"reference": "p1", "tender": "card", "captured": None if captured is None else D(captured)}
    return IncomingPayment(**(told | given))


# ----------------------------------------------------------------------------------------------- what is told


def test_a_line_that_says_nothing_special_carries_nothing() -> None:
    assert taken(an_order()).lines[0].special is ORDINARY


def test_what_is_told_of_a_line_is_kept() -> None:
    cut_off = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
    told = Special(
        picked=1, location=" north ", logistics=("drop_ship", "custom_made", "drop_ship"), cut_off_at=cut_off,
        gift=True, part_required=True, period_start=NEW_YEAR, period_end=LATER, interval="month",
    )  # fmt: skip
    line = taken(an_order(a_line(units=3, special=told))).lines[0]
    assert line.special == replace(told, location="north", logistics=("drop_ship", "custom_made"))


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"logistics": ("drop_ship", "by_drone")}, "line 1: unknown logistics, by_drone"),
        ({"interval": "fortnight"}, "line 1: an interval of 'fortnight' is unknown"),
        ({"cut_off_at": datetime(2026, 3, 2)}, "line 1: its cut-off has no time zone"),  # noqa: DTZ001
        ({"period_start": NEW_YEAR}, "line 1: a period has a first and a last day"),
        ({"period_start": LATER, "period_end": NEW_YEAR}, "line 1: its period ends before it starts"),
        ({"list_price": D("-1")}, "line 1: its list price is negative"),
    ],
    ids=["logistics", "interval", "cut-off", "half a period", "backwards", "list price"],
)
def test_what_cannot_be_is_refused_by_its_name(told: dict[str, Any], reason: str) -> None:
    assert paid(an_order(special(**told))) == (reason,)


def test_no_more_is_picked_than_was_not_sent() -> None:
    order = taken(an_order(a_line(units=3, shipped=2, special=Special(picked=2))))
    assert (order.lines[0].shipped, order.lines[0].special.picked) == (2, 1)
    assert order.notes == ("Line 1: 2 of 1 unsent units picked; capped.",)


@pytest.mark.parametrize(
    ("tender", "mode", "provider"),
    [
        ("card", "captured", "stripe"),
        ("bank_transfer", "captured", "bank_transfer"),
        ("invoice", "due", "manual"),
        ("cash_on_delivery", "due", "manual"),
        ("instalments", "due", "manual"),
    ],
)
def test_what_is_paid_later_is_owed_till_somebody_says_otherwise(
    tender: str, mode: str, provider: str
) -> None:
    assert (mode_of(tender), provider_of(tender, "stripe")) == (mode, provider)
    order = taken(an_order(payments=(a_payment("10.00", tender=tender),)))
    assert [(one.mode, one.captured) for one in order.payments] == [(mode, 1000)]
    told = taken(an_order(payments=(a_payment("10.00", tender=tender, mode="captured"),)))
    assert told.payments[0].mode == "captured"


def test_an_unknown_mode_is_refused() -> None:
    order = an_order(payments=(a_payment(mode="someday"),))
    assert paid(order) == ("payment p1: the mode 'someday' is unknown",)


# --------------------------------------------------------------------------------------------- and comes again


def stored(order: PaidOrder, **first: Any) -> PaidOrder:
    """As it lies in the database, with what has happened to its first line."""
    lines = (replace(order.lines[0], **first), *order.lines[1:])
    return replace(order, lines=lines)


def payment_of(order: PaidOrder, **given: Any) -> PaidOrder:
    return replace(order, payments=(replace(order.payments[0], **given),))


def three(**given: Any) -> PaidOrder:
    return taken(an_order(a_line(units=3), **given))


def test_what_is_held_picked_and_reserved_stays_when_the_order_comes_again() -> None:
    old = stored(three(), canceled=((0, 1),), held=((1, 2),), reserved=2, special=Special(picked=1))
    line = changed(old, three(name="Ana")).lines[0]
    assert (line.canceled, line.held, line.reserved, line.special.picked) == (((0, 1),), ((1, 2),), 2, 1)


def test_a_line_never_has_fewer_units_than_are_held() -> None:
    old = stored(three(), held=((1, 2),))
    new = changed(old, taken(an_order(a_line(units=1))))
    assert (new.lines[0].units, new.lines[0].held) == (2, ((1, 2),))
    assert any("says 1 units, but 2 are in returns; kept" in note for note in new.notes)


def test_a_line_that_a_proposal_holds_stays_though_the_shop_has_dropped_it() -> None:
    old = stored(taken(an_order(a_line(), a_line("2"))), held=((0, 1),))
    assert [line.external_id for line in changed(old, taken(an_order(a_line("2")))).lines] == ["2", "1"]


def test_what_left_the_warehouse_stays_sent_and_is_no_longer_picked() -> None:
    old = stored(three(), shipped=1, special=Special(picked=2))
    told = changed(old, three()).lines[0]
    assert (told.shipped, told.special.picked) == (1, 2)
    more = changed(old, taken(an_order(a_line(units=3, shipped=2)))).lines[0]
    assert (more.shipped, more.special.picked) == (2, 1)
    sent = changed(old, taken(an_order(a_line(units=3, shipped=3)))).lines[0]
    assert (sent.shipped, sent.special.picked) == (3, 0)


def test_a_shop_that_takes_our_canceled_units_off_its_own_order_cancels_them_once() -> None:
    old = payment_of(stored(three(), canceled=((0, 1),), refunded=1000), refunded=1000)
    new = changed(old, taken(an_order(a_line(units=2), payments=(a_payment("20.00", mode="captured"),))))
    line = new.lines[0]
    assert (line.units, line.canceled, line.paid, line.refunded) == (3, ((0, 1),), 3000, 1000)
    assert any("without the 1 canceled before; they are canceled once" in note for note in new.notes)


def test_a_shop_that_tells_what_is_left_of_a_payment_does_not_lower_it_twice() -> None:
    old = payment_of(three(), refunded=1000, id=AN_ID)
    assert [one.captured for one in again(old, a_payment("20.00", mode="captured"))] == [3000]
    assert [one.captured for one in again(old, a_payment("25.00", mode="captured"))] == [2500]


def test_an_order_that_was_canceled_here_as_a_whole_is_not_opened_again() -> None:
    old = replace(stored(three(), canceled=((0, 3),), refunded=3000), state="canceled")
    assert changed(old, three(name="Ana")).state == "canceled"
    assert changed(replace(three(), state="canceled"), three(name="Ana")).state == "confirmed"


def test_a_bundle_keeps_its_first_prices_where_a_part_of_it_was_canceled() -> None:
    lines = (a_line("set", unit_price=D("30.00")), a_part("a", "10.00"), a_part("b", "20.00"))
    old = taken(an_order(*lines))
    gone_part = replace(old.lines[1], canceled=((0, 1),), refunded=1000)
    old = replace(old, lines=(old.lines[0], gone_part, old.lines[2]))
    dropped = changed(old, taken(an_order(lines[0], lines[2])))
    assert {line.external_id: line.paid for line in dropped.lines} == {"set": 0, "b": 2000, "a": 1000}
    cheaper = changed(old, taken(an_order(a_line("set", unit_price=D("15.00")), *lines[1:])))
    assert {line.external_id: line.paid for line in cheaper.lines} == {"set": 0, "a": 1000, "b": 2000}


def test_what_was_where_before_is_told_to_whoever_keeps_the_stock() -> None:
    line = replace(
        three().lines[0], id=AN_ID, sku="MUG", shipped=1, canceled=((0, 1),), reserved=1,
        special=Special(picked=1, location="north"),
    )  # fmt: skip
    [told] = gone(replace(three(), lines=(line,))).values()
    assert (told.sku, told.location, told.units, told.shipped, told.picked, told.canceled, told.reserved) == (
        "MUG", "north", 3, 1, 1, 1, 1,
    )  # fmt: skip


def test_a_shop_that_cancels_the_order_leaves_what_a_proposal_holds() -> None:
    old = replace(stored(three(), held=((0, 1),)), state="canceled")
    line = with_refunds(old, ()).lines[0]
    assert (line.held, line.canceled) == (((0, 1),), ((1, 3),))


def test_a_refund_of_the_shop_takes_no_unit_that_a_proposal_holds() -> None:
    old = stored(three(), held=((0, 2),))
    line = with_refunds(old, [a_refund("20.00", part(units=2, amount="20.00", canceled=True))]).lines[0]
    assert (line.held, line.canceled, line.refunded) == (((0, 2),), ((2, 3),), 2000)


def test_a_shop_that_writes_our_cancellation_down_as_its_own_cancels_nothing_more() -> None:
    old = payment_of(stored(three(), canceled=((0, 1),), refunded=1000), refunded=1000)
    echo = a_refund("0.00", part(units=1, amount="10.00", canceled=True))
    once = with_refunds(old, [echo])
    for order in (once, with_refunds(once, [echo])):
        assert (order.lines[0].canceled, order.lines[0].refunded) == (((0, 1),), 1000)
        assert order.payments[0].refunded == 1000
    assert once.notes == ("Refund r1: 1 units of line 1 were canceled here; counted once.",)


def test_what_it_cancels_beyond_ours_is_news() -> None:
    old = stored(three(), canceled=((0, 1),), refunded=1000)
    more = with_refunds(old, [a_refund("0.00", part(units=2, amount="20.00", canceled=True))])
    assert (more.lines[0].canceled, more.lines[0].refunded) == (((0, 2),), 2000)
    next_one = a_refund("0.00", part(units=1, amount="10.00", canceled=True), external_id="r2")
    assert with_refunds(more, [next_one]).lines[0].canceled == ((0, 3),)


def test_units_that_the_shop_canceled_with_money_are_its_own() -> None:
    old = stored(three(), canceled=((0, 1),), refunded=1000)
    line = with_refunds(old, [a_refund("10.00", part(canceled=True))]).lines[0]
    assert (line.canceled, line.refunded) == (((0, 2),), 2000)


def test_a_refund_of_a_bundle_is_one_of_its_parts() -> None:
    lines = (
        a_line("set", units=2, unit_price=D("30.00")),
        a_part("a", "10.00", units=2),
        a_part("b", "20.00", units=4),
    )
    order = taken(an_order(*lines))
    told = with_refunds(order, [a_refund("30.00", part("set", 1, "30.00", canceled=True))])
    found = {line.external_id: (line.refunded, count(line.canceled)) for line in told.lines}
    assert found == {"set": (0, 1), "a": (600, 1), "b": (2400, 2)}
    assert (sum(line.refunded for line in told.lines), told.refunds[0].goods) == (3000, 3000)
    assert told.notes == order.notes


# ------------------------------------------------------------------------------------ authorized, and captured later


def authorized(released: int, **given: Any) -> PaidOrder:
    """30.00 on a card, of which so much was let go."""
    order = three(payments=(a_payment(mode="authorized"),))
    refunded = {"refunded": released, "released": released, "id": AN_ID}
    return payment_of(order, **(refunded | given))


def again(old: PaidOrder, *payments: IncomingPayment) -> tuple[PaidPayment, ...]:
    return changed(old, three(payments=payments)).payments


@pytest.mark.parametrize("told", ["20.00", "30.00"], ids=["what was left", "all of the order"])
@pytest.mark.parametrize("mode", ["captured", "authorized"])
def test_what_was_let_go_stays_let_go_whatever_the_shop_tells_then(told: str, mode: str) -> None:
    [payment] = again(authorized(1000), a_payment(told, mode=mode))
    assert (payment.captured, payment.refunded, payment.released, payment.mode) == (3000, 1000, 1000, mode)
    assert payment.captured - payment.refunded == 2000


def test_seventy_captured_of_a_hundred_after_thirty_were_let_go_is_exact() -> None:
    order = taken(
        an_order(a_line(unit_price=D("100.00")), payments=(a_payment("100.00", mode="authorized"),))
    )
    old = payment_of(order, refunded=3000, released=3000, id=AN_ID)
    new = changed(old, replace_payments(order, a_payment("70.00", mode="captured")))
    [payment] = new.payments
    assert (payment.captured, payment.refunded, payment.released) == (10000, 3000, 3000)
    assert (payment.mode, payment.captured - payment.refunded, new.differs) == ("captured", 7000, 0)


def replace_payments(order: PaidOrder, *payments: IncomingPayment) -> PaidOrder:
    told = an_order(a_line(unit_price=D("100.00")), payments=payments)
    assert order.external_id == told.external_id
    return taken(told)


def test_less_than_was_left_is_all_that_can_go_back() -> None:
    [payment] = again(authorized(1000), a_payment("15.00", mode="captured"))
    assert (payment.captured, payment.captured - payment.refunded) == (2500, 1500)


def test_a_capture_of_what_had_been_let_go_is_told() -> None:
    order = changed(authorized(1000), three(payments=(a_payment("30.00", mode="captured"),)))
    assert "Payment p1: 30.00 captured, although 10.00 of it had been let go." in order.notes


def test_an_authorization_of_which_all_was_let_go_covers_what_was_let_go() -> None:
    [payment] = again(authorized(3000))
    assert (payment.captured, payment.refunded, payment.released) == (3000, 3000, 3000)


def test_an_authorization_that_the_shop_voided_covers_no_more_than_was_let_go() -> None:
    [payment] = again(authorized(1000))
    assert (payment.captured, payment.refunded, payment.captured - payment.refunded) == (1000, 1000, 0)
    assert again(authorized(0)) == ()


def test_a_capture_bears_its_own_reference_and_is_the_same_payment() -> None:
    capture = a_payment("20.00", reference="capture-1", mode="captured", authorization="p1")
    [payment] = again(authorized(1000), capture)
    assert (payment.id, payment.reference, payment.captured, payment.mode) == (
        AN_ID,
        "capture-1",
        3000,
        "captured",
    )


def test_a_second_capture_of_one_authorization_is_a_payment_of_its_own() -> None:
    captures = [
        a_payment("12.00", reference="capture-1", mode="captured", authorization="p1"),
        a_payment("8.00", reference="capture-2", mode="captured", authorization="p1"),
    ]
    first, second = again(authorized(1000), *captures)
    assert (first.captured, first.refunded, second.captured, second.refunded) == (2200, 1000, 800, 0)


def test_what_was_paid_is_not_owed_again_once_something_went_back() -> None:
    old = authorized(0, mode="captured", refunded=500)
    [payment] = again(old, a_payment("30.00", mode="due"))
    assert payment.mode == "captured"
    [corrected] = again(authorized(0, mode="captured"), a_payment("30.00", mode="due"))
    assert corrected.mode == "due"


def test_an_invoice_that_is_paid_later_is_the_same_payment() -> None:
    invoice = a_payment("30.00", tender="invoice")
    old = payment_of(three(payments=(invoice,)), refunded=1000, released=1000, id=AN_ID)
    assert old.payments[0].mode == "due"
    paid_now = changed(old, three(payments=(replace(invoice, captured=D("20.00"), mode="captured"),)))
    [payment] = paid_now.payments
    assert (payment.mode, payment.captured, payment.refunded, payment.released) == (
        "captured", 3000, 1000, 1000,
    )  # fmt: skip


@given(
    covered=st.integers(1, 10**6),
    released=st.integers(0, 100),
    told=st.integers(0, 10**6),
    mode=st.sampled_from(["captured", "authorized", "due"]),
)
def test_whatever_the_shop_tells_no_payment_covers_less_than_went_back(
    covered: int, released: int, told: int, mode: str
) -> None:
    let_go = covered * released // 100
    order = payment_of(
        three(payments=(a_payment(mode="authorized"),)),
        captured=covered, refunded=let_go, released=let_go, id=AN_ID,
    )  # fmt: skip
    amount = D(told).scaleb(-2)
    payments = again(order, a_payment(str(amount), mode=mode)) if told else ()
    for payment in payments:
        assert payment.captured >= payment.refunded == payment.released == let_go
        assert payment.captured <= max(covered, told)
        if told <= covered - let_go:
            assert payment.captured - payment.refunded == told

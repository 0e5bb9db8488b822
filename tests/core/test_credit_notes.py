"""A credit note says what the refund's breakdown says, adds up, and is the same after it was stored."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.core.addresses import Address
from portal.core.credit_notes import (
    REVERSAL,
    UNTAXED,
    CreditNote,
    Heading,
    Party,
    build,
    from_json,
    number_of,
    reversal,
    to_json,
)
from portal.core.facts import Addition, ExchangeItem, OrderFacts, TaxFacts
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds.breakdown import Breakdown, Row
from tests.core.made import a_line, after, an_order, quoted, shipping, want
from tests.core.orders import amount, orders, partitions
from tests.core.test_refunds_properties import ANY_TERMS, wishes_for

SELLER = Party(
    name="Demo shop GmbH",
    address=Address(street=("Demo Dock 1",), postcode="20457", city="Hamburg", country="DE"),
    tax_number="DE123456789",
    email="help@shop.example",
)
BUYER = Party(
    name="Demo Customer",
    address=Address(street=("Beispielweg 12",), postcode="20359", city="Hamburg", country="DE"),
)


def heading(sequence: int = 1) -> Heading:
    return Heading(
        number=number_of(sequence),
        issued_on=date(2026, 3, 20),
        ordered_on=date(2026, 3, 5),
        language="en",
        refund_number="RF-DEMO-0001",
        return_number="RMA-DEMO-0001",
        seller=SELLER,
        buyer=BUYER,
    )


def vat(amount: int, label: str = "VAT 19", rate: int | None = 190_000) -> tuple[TaxFacts, ...]:
    return (TaxFacts(label=label, amount=amount, rate_ppm=rate),)


def a_refund() -> tuple[Breakdown, OrderFacts]:
    """Goods at two rates and without tax, shipping, a restocking fee and goodwill."""
    order = an_order(
        a_line(1, units=3, goods=3570, taxes=vat(570)),
        a_line(2, units=1, goods=1070, taxes=vat(70, "VAT 7", 70_000)),
        a_line(3, units=2, goods=500),
        shipping(595, taxes=vat(95)),
    )
    terms = Terms(
        restocking_fee=RestockingFee(percent_bp=1000), goodwill_cap=300, refund_shipping="full_return"
    )
    gift = Addition(code="goodwill", amount=300, reason="late", granted_by="finance")
    wanted = (want(1, 3), want(2), want(3, 2))
    partial = quoted(order, *wanted, terms=terms)
    assert partial.rows
    room = replace(order, payments=(replace(order.payments[0], captured=order.paid + 300),))
    return quoted(room, *wanted, terms=terms, extra=(gift,)), room


def a_note() -> CreditNote:
    return build(*a_refund(), heading())


def test_it_pays_what_the_refund_is() -> None:
    breakdown, order = a_refund()
    note = build(breakdown, order, heading())
    assert note.payable == breakdown.amount == note.total
    assert note.tax == breakdown.tax
    assert sum(one.amount for one in note.paid) == note.payable


def test_what_is_kept_back_lowers_the_credit_and_what_is_given_raises_it() -> None:
    note = a_note()
    assert {change.code for change in note.deductions} == {"restocking_fee"}
    assert all(change.name for change in note.deductions)
    assert [(change.code, change.amount) for change in note.additions] == [("goodwill", 300)]
    assert note.net == note.lines_net - note.deducted + 300


def test_tax_stands_per_label_and_rate_with_what_it_was_charged_on() -> None:
    note = a_note()
    told = {(tax.label, tax.rate_ppm): (tax.taxable, tax.amount) for tax in note.taxes}
    assert told["VAT 19", 190_000] == (3000 + 500, 570 + 95)
    assert told["VAT 7", 70_000] == (1000, 70)
    assert told[UNTAXED, 0] == (500 - note.deducted + 300, 0)
    assert note.taxes[-1].label == UNTAXED


def test_no_amount_of_a_line_a_deduction_or_a_tax_is_negative() -> None:
    note = a_note()
    amounts = [line.net for line in note.lines] + [line.tax for line in note.lines]
    amounts += [change.amount for change in (*note.deductions, *note.additions)]
    assert min(amounts) >= 0
    assert min(tax.amount for tax in note.taxes) >= 0


def test_a_note_that_would_not_add_up_is_never_made() -> None:
    breakdown, order = a_refund()
    wrong = replace(breakdown, rows=(*breakdown.rows, Row(code="item_subtotal", amount=1, rule="paid")))
    with pytest.raises(ValueError, match="the refund"):
        build(wrong, order, heading())


def an_exchange() -> tuple[Breakdown, OrderFacts]:
    """Goods for goods of the same value: nothing is paid."""
    order = an_order(a_line(1, goods=1190, taxes=vat(190)))
    told = quoted(order, want(1))
    set_off = Row(code="exchange_value", amount=-1190, rule="paid")
    return replace(told, rows=(*told.rows, set_off), shares=()), order


def test_what_goes_into_an_exchange_is_credited_and_not_paid() -> None:
    note = build(*an_exchange(), heading())
    assert (note.total, note.tax, note.set_off, note.payable) == (1190, 190, 1190, 0)


def test_a_stored_note_is_read_back_as_it_was() -> None:
    note = a_note()
    assert from_json(to_json(note)) == note


def test_a_reversal_takes_everything_back_under_a_number_of_its_own() -> None:
    note = a_note()
    back = reversal(note, number=number_of(2), issued_on=date(2026, 4, 1))
    assert (
        back.kind == REVERSAL and back.reverses == note.number == "CN-000001" and back.number == "CN-000002"
    )
    assert back.total == note.total and back.payable == 0
    assert from_json(to_json(back)) == back


@given(
    units=st.integers(1, 7),
    goods=st.integers(0, 99_999),
    rate=st.sampled_from([0, 70_000, 88_750, 190_000]),
    on_top=st.booleans(),
    fee=st.sampled_from([0, 333, 1500, 10_000]),
    data=st.data(),
)
def test_every_refund_has_a_note_that_adds_up(units, goods, rate, on_top, fee, data) -> None:  # type: ignore[no-untyped-def]
    tax = goods * rate // (1_000_000 if on_top else 1_000_000 + rate)
    line = a_line(1, units=units, goods=goods, taxes=vat(tax, "T", rate), prices_include_tax=not on_top)
    order = an_order(line)
    back = data.draw(st.integers(1, units))
    breakdown = quoted(order, want(1, back), terms=Terms(restocking_fee=RestockingFee(percent_bp=fee)))
    note = build(breakdown, order, heading())
    assert note.payable == breakdown.amount
    assert note.total == note.lines_net - note.deducted + note.added + sum(tax.amount for tax in note.taxes)
    assert sum(line.tax for line in note.lines) == note.tax


@settings(max_examples=60, deadline=None)
@given(st.data(), orders(deals=True), ANY_TERMS)
def test_whatever_was_bought_and_however_it_comes_back_the_note_pays_the_refund(
    data: st.DataObject, order: OrderFacts, terms: Terms
) -> None:
    for wishes in data.draw(partitions(order)):
        kind = data.draw(st.sampled_from(["return", "withdrawal", "exchange"]))
        price = data.draw(amount) if kind == "exchange" else 0
        breakdown = quoted(
            order,
            *(data.draw(wishes_for(number, units)) for number, units in wishes),
            terms=terms,
            kind=kind,
            postage=data.draw(amount),
            resolution=data.draw(st.sampled_from(["refund", "store_credit"])),
            exchange=(ExchangeItem(name="Hat", amount=price),) if price else (),
        )
        note = build(breakdown, order, heading())
        assert (note.payable, note.set_off) == (breakdown.amount, breakdown.exchanged)
        assert note.tax == breakdown.tax == sum(line.tax for line in note.lines)
        assert note.deducted == sum(part.withheld for part in breakdown.lines)
        if all(len(line.taxes) < 2 for line in note.lines):
            assert note.net == sum(tax.taxable for tax in note.taxes)
        assert all(line.net >= 0 for line in note.lines)
        assert from_json(to_json(note)) == note
        order = after(order, breakdown, kind=kind)

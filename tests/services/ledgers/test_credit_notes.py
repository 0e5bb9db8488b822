"""Credit notes are issued with the refund, numbered without gaps, never changed, and seen by those who may."""

from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from portal.core.access import NotAllowed, NotFound
from portal.db.base import transaction
from portal.db.credit_notes import CreditNoteRow
from portal.db.refunds import Refund
from portal.services import tasks
from portal.services.gateways import looking
from portal.services.ledgers import credit_notes
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.adapters.parcels import text_of
from tests.builders import (
    NOW,
    a_customer,
    a_merchant,
    a_payment,
    a_person,
    an_item,
    an_order,
    came_back,
)
from tests.services.reserved import an_unpaid_order, given_back


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def refund_of(shop, gateways, session):
    """Makes a refund of a new order and pays it; answers its id and its return's."""

    def make(merchant: UUID = shop, *, now: datetime = NOW, send: bool = True, **order) -> tuple[UUID, UUID]:
        items = order.pop("items", [an_item("MUG", 2, "9.99", tax="3.19")])
        return_id = came_back(gateways, merchant, an_order(gateways, merchant, items, **order))
        refund_id = refunds.propose(a_person(merchant, "finance"), return_id, now=now)
        if send:
            payouts.send(refund_id, gateways=gateways, now=now)
        session.expire_all()
        return refund_id, return_id

    return make


def notes(session, merchant):
    wanted = sa.select(CreditNoteRow).where(CreditNoteRow.merchant_id == merchant)
    session.expire_all()
    return session.scalars(wanted.order_by(CreditNoteRow.sequence)).all()


def test_a_refund_that_succeeds_has_a_note_over_its_amount(shop, refund_of, session):
    refund_id, _ = refund_of()
    (row,) = notes(session, shop)
    facts = credit_notes.of_refunds([refund_id])[refund_id]
    assert [(one.number, one.payable, one.currency) for one in facts] == [("CN-000001", 1998, "EUR")]
    assert row.refund_id == refund_id and row.issued_at == NOW


def test_before_it_is_paid_there_is_none(shop, refund_of, session):
    refund_of(send=False)
    assert notes(session, shop) == []


def test_numbers_run_without_a_gap_for_each_merchant_by_itself(shop, refund_of, session):
    other = a_merchant()
    for merchant in (shop, other, shop, shop):
        refund_of(merchant)
    assert [row.number for row in notes(session, shop)] == ["CN-000001", "CN-000002", "CN-000003"]
    assert [row.number for row in notes(session, other)] == ["CN-000001"]


def issued_in_vain(refund_id, session):
    with transaction():
        credit_notes.issue(session.get(Refund, refund_id), now=NOW)
        raise RuntimeError("something else fails")


def test_a_number_that_was_not_used_is_given_to_the_next(shop, refund_of, session):
    first, _ = refund_of(send=False)
    with pytest.raises(RuntimeError):
        issued_in_vain(first, session)
    refund_of()
    assert [row.number for row in notes(session, shop)] == ["CN-000001"]


def test_issuing_again_gives_the_same_number(shop, refund_of, session):
    refund_id, _ = refund_of()
    with transaction():
        again = credit_notes.issue(session.get(Refund, refund_id), now=NOW + timedelta(days=1))
    assert again == "CN-000001" and len(notes(session, shop)) == 1


def test_a_late_failure_keeps_the_note_and_giving_up_takes_it_back(shop, refund_of, session):
    refund_id, _ = refund_of()
    refund = session.get(Refund, refund_id)
    with transaction():
        refund.state = "failed"
    assert [row.kind for row in notes(session, shop)] == ["credit_note"]
    with transaction():
        credit_notes.take_back(session.get(Refund, refund_id), now=NOW + timedelta(days=2))
        credit_notes.take_back(session.get(Refund, refund_id), now=NOW + timedelta(days=3))
    first, second = notes(session, shop)
    assert (first.number, second.number, second.kind) == ("CN-000001", "CN-000002", "reversal")
    assert second.content["reverses"] == "CN-000001" and second.content["issued_on"] == "2026-06-17"


def test_what_never_had_a_note_is_not_taken_back(shop, refund_of, session):
    refund_id, _ = refund_of(send=False)
    with transaction():
        assert credit_notes.take_back(session.get(Refund, refund_id), now=NOW) is None
    assert notes(session, shop) == []


def test_it_names_shop_and_customer_as_they_were_and_the_rate_that_was_charged(shop, refund_of, session):
    refund_of()
    (row,) = notes(session, shop)
    assert row.content["seller"]["address"]["city"] == "Hamburg"
    assert row.content["buyer"]["name"]
    assert sum(tax["amount"] for tax in row.content["taxes"]) == 319


@pytest.mark.parametrize("change", ["UPDATE credit_notes SET number = 'CN-9'", "DELETE FROM credit_notes"])
def test_the_database_refuses_to_change_or_delete_a_note(shop, refund_of, session, change):
    refund_of()
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(sa.text(change))
    session.rollback()


def test_people_and_the_customer_get_paper_and_file(shop, refund_of, gateways):
    _, return_id = refund_of()
    csr = a_person(shop, "csr")
    paper = credit_notes.document(csr, "CN-000001", merchant_id=shop, gateways=gateways)
    assert paper.content.startswith(b"%PDF")
    file = credit_notes.document(csr, "CN-000001", merchant_id=shop, format="xml", gateways=gateways)
    assert b"CreditNoteTypeCode>381<" in file.content and file.media_type == "application/xml"
    customer = a_customer(return_id, shop)
    own = credit_notes.document(customer, "CN-000001", return_id=return_id, gateways=gateways)
    assert own.content == paper.content


def test_nobody_else_does(shop, refund_of, gateways):
    _, return_id = refund_of()
    _, other_return = refund_of()
    strange = a_merchant()
    for actor, where, error in (
        (a_person(strange, "finance"), {"merchant_id": shop}, NotFound),
        (a_person(shop, "warehouse"), {"merchant_id": shop}, NotAllowed),
        (a_customer(other_return, shop), {"return_id": return_id}, NotFound),
        (a_customer(other_return, shop), {"return_id": other_return}, NotFound),
        (a_person(strange, "admin"), {"merchant_id": strange}, NotFound),
    ):
        with pytest.raises(error):
            credit_notes.document(actor, "CN-000001", gateways=gateways, **where)


def test_a_period_is_counted_in_days_of_the_shop(shop, refund_of):
    late = NOW.replace(hour=22, minute=30)  # in Hamburg it is the 16th already
    refund_of(now=late)
    finance = a_person(shop, "finance")
    on = {
        day: [one.number for one in credit_notes.listing(finance, shop, since=day, until=day)]
        for day in (date(2026, 6, 15), date(2026, 6, 16))
    }
    assert on == {date(2026, 6, 15): [], date(2026, 6, 16): ["CN-000001"]}


def test_a_list_goes_on_where_it_ended(shop, refund_of):
    for _ in range(3):
        refund_of()
    finance = a_person(shop, "finance")
    first = credit_notes.listing(finance, shop, limit=2)
    rest = credit_notes.listing(finance, shop, limit=2, after=first[-1].id)
    assert [one.number for one in (*first, *rest)] == ["CN-000003", "CN-000002", "CN-000001"]


def test_a_refund_in_yen_has_a_note_in_yen(session, gateways, refund_of):
    tokyo = a_merchant(currency="JPY")
    refund_id, _ = refund_of(
        tokyo, items=[an_item("TEA", 1, "1200")], currency="JPY", paid=[a_payment("card", "1200")]
    )
    (one,) = credit_notes.of_refunds([refund_id])[refund_id]
    assert (one.payable, one.currency) == (1200, "JPY")


def test_a_refund_that_came_back_late_and_is_given_up_has_its_note_taken_back(shop, gateways, session):
    order = an_order(
        gateways, shop, [an_item("MUG", 1, "9.99")], paid=[a_payment("card", ending="-returned")]
    )
    finance = a_person(shop, "finance")
    refund_id = refunds.propose(finance, came_back(gateways, shop, order), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    later = NOW + timedelta(days=3)
    gateways.payments["sandbox"].settle()
    looking.look_at_due(gateways=gateways, now=later)
    session.rollback()
    assert session.get(Refund, refund_id).state == "failed"
    assert [row.kind for row in notes(session, shop)] == ["credit_note"]
    refunds.cancel(finance, refund_id, reason="paid in the shop", now=later)
    assert [(row.kind, row.number) for row in notes(session, shop)] == [
        ("credit_note", "CN-000001"),
        ("reversal", "CN-000002"),
    ]
    assert audit.verify().problems == []


def test_a_note_that_cannot_be_made_holds_nothing_up_and_is_a_task(shop, refund_of, gateways, session):
    refund_id, _ = refund_of(send=False)
    stored = session.get(Refund, refund_id)
    with transaction():
        rows = [{**row, "amount": row["amount"] + 1} for row in stored.breakdown["rows"]]
        session.execute(
            sa.update(Refund)
            .where(Refund.id == refund_id)
            .values(breakdown={**stored.breakdown, "rows": rows})
        )
    session.expire_all()
    payouts.send(refund_id, gateways=gateways, now=NOW)
    session.rollback()
    assert session.get(Refund, refund_id).state == "succeeded" and notes(session, shop) == []
    (task,) = tasks.listing(a_person(shop, "finance"), kind="credit_note_failed")
    assert (
        task.details["number"] == session.get(Refund, refund_id).number and "pays" in task.details["problem"]
    )


# ------------------------------------------------------------------------------- what was never charged


@pytest.mark.parametrize(
    ("mode", "tender", "is_billed"),
    [
        ("authorized", "card", False),
        ("due", "cash_on_delivery", False),
        ("due", "invoice", True),
        ("due", "instalments", True),
        ("captured", "card", True),
    ],
)
def test_only_what_was_billed_is_credited(shop, gateways, session, mode, tender, is_billed):
    order = an_unpaid_order(gateways, shop, number="N-1", tenders={mode: a_payment(tender)})
    refund_id = given_back(gateways, shop, order)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    assert [row.refund_id for row in notes(session, shop)] == [refund_id] * is_billed
    assert audit.verify().problems == []


def test_a_note_over_both_says_what_was_never_charged(shop, gateways, session):
    tenders = {"captured": a_payment("wallet", "12.00"), "authorized": a_payment("card", "8.00")}
    order = an_unpaid_order(gateways, shop, number="N-2", tenders=tenders)
    refund_id = given_back(gateways, shop, order, 2)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    (row,) = notes(session, shop)
    assert {one["mode"]: one["amount"] for one in row.content["paid"]} == {
        "captured": 1200,
        "authorized": 800,
    }
    finance = a_person(shop, "finance")
    words = text_of(credit_notes.document(finance, row.number, merchant_id=shop, gateways=gateways).content)
    assert "Not charged: Demo card" in words and "Paid to: Demo wallet" in words

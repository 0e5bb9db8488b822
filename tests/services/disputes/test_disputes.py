"""Disputes: opened once, what nobody contests paid at once, offers to and fro, settled to the cent, ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound, Stale
from portal.db.base import db
from portal.db.mails import Mail
from portal.db.orders import Payment
from portal.db.tasks import Task
from portal.services import disputes
from portal.services import tasks as closing
from portal.services.disputes import Claim, LineClaim
from portal.services.lists import boards
from portal.services.paying import chargebacks
from portal.services.proofs import audit, recounting
from portal.services.refunding import refunds
from portal.services.talking import threads
from tests import builders
from tests.services.dispute_world import NOW, Place, a_place
from tests.web.shops import picture


@pytest.fixture
def place(app: Any) -> Iterator[Place]:
    with app.app_context():
        yield a_place(app)


def mails(event: str) -> list[Mail]:
    db.session.rollback()
    return list(db.session.scalars(sa.select(Mail).where(Mail.event == event).order_by(Mail.id)))


def tasks(kind: str) -> list[Task]:
    db.session.rollback()
    return list(db.session.scalars(sa.select(Task).where(Task.kind == kind, Task.state == "open")))


def sound(place: Place) -> None:
    """The books balance, every cap holds, and every refund is what other arithmetic makes of it."""
    db.session.rollback()
    assert not audit.verify().problems
    for one in recounting.recounted(
        [place.merchant], since=NOW.replace(year=2000), until=NOW.replace(year=2100)
    ):
        assert one.found.is_accurate, one.found.faults


def offered(place: Place, dispute_id: UUID, amount: int = 1500, role: str = "supervisor") -> UUID:
    return disputes.offer(place.person(role), dispute_id, amount, body="For the scratch.", now=place.now)


# ------------------------------------------------------------------------------------------------ opening


def test_a_deduction_is_contested_with_a_promise_of_when_it_is_answered(place: Place) -> None:
    made = place.contested(claimed=2000)
    found = place.one(made)
    assert found.number.startswith("DS-") and found.state == "open" and found.ground == "deduction"
    assert found.claimed == 2000 and (found.due_at - found.opened_at).total_seconds() == 48 * 3600
    assert place.row(found.return_id).dispute_state == "open"
    assert [mail.values["dispute"]["number"] for mail in mails("dispute_opened")] == [found.number]
    thread = threads.of_return(place.person(), found.return_id)
    assert [entry.body for entry in thread.entries] == ["The lamp was never used."]


def test_whoever_answers_a_dispute_has_read_its_words(place: Place) -> None:
    made = place.contested(claimed=2000)
    return_id = place.one(made).return_id
    assert place.row(return_id).unread == 1
    offered(place, made)
    assert place.row(return_id).unread == 0
    assert [entry.read_at for entry in threads.of_return(place.person(), return_id).entries][0] == place.now


def test_the_same_form_twice_is_one_dispute(place: Place) -> None:
    made = place.refunded()
    assert place.contested(made) == place.contested(made)


def test_a_return_has_one_open_dispute_at_a_time(place: Place) -> None:
    made = place.refunded()
    place.contested(made)
    with pytest.raises(Conflict, match="dispute_open"):
        disputes.open_dispute(place.customer(made), made, place.claim(made), nonce="another", now=place.now)


def test_nobody_claims_more_than_was_paid_and_is_not_back(place: Place) -> None:
    made = place.refunded()
    with pytest.raises(Conflict, match="too_much") as refused:
        place.contested(made, claimed=2001)
    assert refused.value.details["maximum"] == 2000


def test_a_ground_that_is_none_of_the_line_is_refused(place: Place) -> None:
    with pytest.raises(Conflict, match="unknown_ground"):
        place.contested(place.refunded(), "missing_refund")


def test_people_open_no_dispute_and_strangers_find_none(place: Place) -> None:
    made = place.refunded()
    with pytest.raises(NotAllowed):
        disputes.open_dispute(place.person(), made, place.claim(made), nonce="n", now=place.now)
    dispute = place.contested(made)
    other = builders.a_merchant(slug="stranger", now=NOW)
    with pytest.raises(NotFound):
        disputes.workspace(builders.a_person(other), dispute, now=place.now)
    with pytest.raises(NotFound):
        disputes.one(builders.a_customer(place.arrived(), place.merchant), dispute)


# -------------------------------------------------------------------------- what nobody contests is paid


def test_what_was_worked_out_and_not_made_is_paid_when_it_is_contested(place: Place) -> None:
    made = place.arrived()
    assert place.refunds(made) == []
    place.contested(made, "missing_refund")
    (refund,) = place.refunds(made)
    assert (refund.state, refund.amount_minor) == ("approved", 8000)
    sound(place)


def test_above_a_limit_it_is_made_and_a_person_is_asked_at_once(app: Any) -> None:
    with app.app_context():
        place = a_place(app, two_people_above=5000)
        made = place.arrived()
        place.contested(made, "missing_refund")
        (refund,) = place.refunds(made)
        assert (refund.state, refund.amount_minor) == ("pending_approval", 8000)
        assert [task.key for task in tasks("undisputed_waits")] == [refund.number]
        refunds.approve(place.person("finance"), refund.id, now=place.now)
        assert place.refunds(made)[0].state == "approved"
        assert tasks("undisputed_waits") == [], "nobody has to be asked any more"


def test_what_a_person_gave_up_is_asked_for_when_it_is_contested_and_not_sent_by_itself(
    place: Place, drain: Any
) -> None:
    made = place.refunded()
    boss = place.person()
    refunds.cancel(boss, place.refunds(made)[0].id, reason="Paid in the shop, in cash.", now=place.now)
    place.contested(made, "missing_refund")
    drain()
    given_up, asked = place.refunds(made)
    assert (given_up.state, asked.state, asked.amount_minor) == ("canceled", "pending_approval", 8000)
    assert [task.key for task in tasks("undisputed_waits")] == [asked.number]
    assert place.gateways.payments["sandbox"].refunds() == []
    refunds.cancel(boss, asked.id, reason="They have it: receipt 7.", now=place.now)
    assert tasks("undisputed_waits") == []
    sound(place)


def test_a_refund_that_waits_is_asked_for_at_once_when_it_is_contested(app: Any) -> None:
    with app.app_context():
        place = a_place(app, two_people_above=5000)
        made = place.refunded()
        (refund,) = place.refunds(made)
        assert refund.state == "pending_approval" and tasks("undisputed_waits") == []
        place.contested(made)
        assert [task.key for task in tasks("undisputed_waits")] == [refund.number]


def test_a_policy_that_leaves_it_to_people_pays_nothing_by_itself(app: Any) -> None:
    with app.app_context():
        place = a_place(app, refund_trigger="manual")
        made = place.arrived()
        place.contested(made, "missing_refund")
        assert place.refunds(made) == []


def test_what_is_paid_at_once_is_paid_once(place: Place) -> None:
    made = place.arrived()
    dispute = place.contested(made, "missing_refund")
    disputes.pay_undisputed(dispute, now=place.now)
    assert len(place.refunds(made)) == 1


# --------------------------------------------------------------------------------------------- settlement


def test_an_accepted_offer_is_refunded_to_the_cent_under_its_own_number(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute, 1234)
    found = place.one(dispute)
    assert found.state == "awaiting_customer" and found.waiting is not None
    refund_id = disputes.accept(place.customer(found.return_id), dispute, offer, now=place.now)
    first, settlement = place.refunds(found.return_id)
    assert (settlement.id, settlement.amount_minor, settlement.state) == (refund_id, 1234, "approved")
    assert settlement.number != first.number
    assert [row["rule"] for row in settlement.breakdown["rows"]] == ["dispute"]
    found = place.one(dispute)
    assert (found.state, found.outcome, found.settled) == ("resolved_customer", "offer_accepted", 1234)
    assert found.settlement_id == refund_id
    assert place.row(found.return_id).dispute_state == "resolved_customer"
    assert place.line().refunded_minor == 8000 + 1234
    assert mails("inspected_changed") == []
    sound(place)


def test_an_offer_accepted_twice_is_paid_once(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute)
    customer = place.customer(place.one(dispute).return_id)
    assert disputes.accept(customer, dispute, offer, now=place.now) == disputes.accept(
        customer, dispute, offer, now=place.now
    )
    assert len(place.refunds(place.one(dispute).return_id)) == 2


def test_a_counter_offer_is_accepted_by_a_person_and_paid(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute, 1000)
    customer = place.customer(place.one(dispute).return_id)
    mine = disputes.counter(customer, dispute, offer, 1800, body="Make it 18.", now=place.now)
    found = place.one(dispute)
    assert found.state == "awaiting_merchant" and [one.state for one in found.offers] == ["countered", "open"]
    disputes.accept(place.person(), dispute, mine, now=place.now)
    found = place.one(dispute)
    assert (found.state, found.outcome, found.settled) == ("resolved_customer", "counter_accepted", 1800)
    sound(place)


def test_offer_and_counter_offer_stay_below_what_can_be_paid(place: Place) -> None:
    dispute = place.contested()
    with pytest.raises(Conflict, match="too_much") as refused:
        offered(place, dispute, 2001)
    assert refused.value.details["maximum"] == 2000
    offer = offered(place, dispute, 2000)
    with pytest.raises(Conflict, match="too_much"):
        disputes.counter(place.customer(place.one(dispute).return_id), dispute, offer, 2001, now=place.now)


def test_units_that_were_refused_are_settled_and_come_off_a_later_refund(place: Place) -> None:
    made = place.arrived(units=2, price="50.00", accepted=False)
    dispute = place.contested(made, "refusal")
    disputes.settle(place.person(), dispute, 3000, message="We meet you halfway.", now=place.now)
    line = place.line()
    assert line.refunded_minor == 3000 and sum(part[2] for part in line.adjusted) == 3000
    sound(place)


def test_a_settlement_waits_for_a_second_person_where_the_one_who_offered_may_not_pay(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute, 1500, role="csr")
    disputes.accept(place.customer(place.one(dispute).return_id), dispute, offer, now=place.now)
    settlement = place.refunds(place.one(dispute).return_id)[-1]
    assert settlement.state == "pending_approval"
    with pytest.raises(Conflict, match="is_settlement"):
        refunds.revise(
            place.person(), settlement.id, overrides=refunds.Overrides(goodwill=1, reason="x"), now=place.now
        )
    refunds.approve(place.person("finance"), settlement.id, now=place.now)
    assert place.refunds(place.one(dispute).return_id)[-1].state == "approved"


def test_a_closed_return_can_be_contested_and_settled(place: Place, drain: Any) -> None:
    made = place.refunded()
    drain()
    assert place.row(made).state == "closed"
    dispute = place.contested(made)
    disputes.settle(place.person(), dispute, 500, message="For your trouble.", now=place.now)
    drain()
    assert [refund.state for refund in place.refunds(made)] == ["succeeded", "succeeded"]
    assert place.row(made).state == "closed"
    sound(place)


def test_what_a_chargeback_holds_is_neither_offered_nor_paid(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute, 1500)
    held_by_the_bank(place, 1000)
    with pytest.raises(Conflict, match="too_much") as refused:
        disputes.accept(place.customer(place.one(dispute).return_id), dispute, offer, now=place.now)
    assert refused.value.details["maximum"] == 1000
    shown = disputes.workspace(place.person(), dispute, now=place.now)
    assert [one.held for one in shown.chargebacks] == [1000] and shown.most == 1000
    noted = [entry for entry in shown.thread.entries if entry.kind == "note"]
    assert len(noted) == 1
    sound(place)


def held_by_the_bank(place: Place, amount: int) -> None:
    payment = db.session.scalars(sa.select(Payment)).one()
    sandbox = place.gateways.payments["sandbox"]
    sandbox.dispute(payment.reference, amount)
    (told,) = sandbox.disputes_since(NOW.replace(year=2000))
    assert chargebacks.apply("sandbox", told, now=place.now) == "open"


def test_an_accepted_offer_that_a_chargeback_took_goes_to_a_supervisor_with_a_task(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute, 1500, role="csr")
    held_by_the_bank(place, 1000)
    place.later(days=5)
    customer = place.customer(place.one(dispute).return_id)
    for _ in range(2):
        with pytest.raises(Conflict, match="too_much|offer_answered"):
            disputes.accept(customer, dispute, offer, now=place.now)
    found = place.one(dispute)
    assert (found.state, found.escalated_because) == ("escalated", "unpayable")
    assert found.waiting is None and found.offers[0].state == "withdrawn"
    assert (found.due_at - place.now).total_seconds() == 48 * 3600
    assert [task.key for task in tasks("dispute_unpayable")] == [found.number]
    assert mails("dispute_answered")[-1].values["dispute"]["what"] == "offer_withdrawn"
    assert len(place.refunds(found.return_id)) == 1
    disputes.offer(place.person(), dispute, 1000, now=place.now)
    assert tasks("dispute_unpayable") == []
    sound(place)


def test_a_settlement_that_was_canceled_is_paid_again_once(place: Place, drain: Any) -> None:
    dispute = place.contested()
    offer = offered(place, dispute, 1500, role="csr")
    disputes.accept(place.customer(place.one(dispute).return_id), dispute, offer, now=place.now)
    first = place.one(dispute).settlement_id
    assert first is not None
    with pytest.raises(Conflict, match="settled_already"):
        disputes.pay_again(place.person(), dispute, now=place.now)
    refunds.cancel(place.person(), first, reason="The wrong account.", now=place.now)
    assert place.one(dispute).settlement_state == "canceled"
    told = [(task.key, task.subject_id, task.details["amount"]) for task in tasks("settlement_canceled")]
    assert told == [(place.one(dispute).number, dispute, 1500)]
    with pytest.raises(NotAllowed):
        disputes.pay_again(place.person("csr"), dispute, now=place.now)
    again = disputes.pay_again(place.person(), dispute, now=place.now)
    with pytest.raises(Conflict, match="settled_already"):
        disputes.pay_again(place.person(), dispute, now=place.now)
    assert tasks("settlement_canceled") == []
    drain()
    found = place.one(dispute)
    assert (found.settlement_id, found.settled, found.settlement_state) == (again, 1500, "succeeded")
    assert [one.state for one in place.refunds(found.return_id)] == ["succeeded", "canceled", "succeeded"]
    assert place.line().refunded_minor == 8000 + 1500
    sound(place)


def test_a_settlement_that_is_canceled_again_is_told_again_though_a_person_had_closed_it(
    place: Place,
) -> None:
    dispute = place.contested()
    disputes.settle(place.person(), dispute, 700, message="For your trouble.", now=place.now)
    finance = place.person("finance")
    for canceled in (1, 2):
        settlement = place.one(dispute).settlement_id
        assert settlement is not None
        refunds.cancel(finance, settlement, reason="The wrong account.", now=place.now)
        (task,) = tasks("settlement_canceled")
        waiting = boards.inbox(finance, now=place.now).items
        assert [item.number for item in waiting if item.who == "settlement_canceled"] == [task.key]
        closing.close(finance, task.id, note=f"Looked at it {canceled} times.", now=place.now)
        disputes.pay_again(place.person(), dispute, now=place.now)
    assert tasks("settlement_canceled") == []
    sound(place)


def test_a_refund_that_was_not_agreed_upon_is_canceled_without_a_task(place: Place) -> None:
    made = place.refunded()
    place.contested(made)
    refunds.cancel(place.person(), place.refunds(made)[0].id, reason="Wrong.", now=place.now)
    assert tasks("settlement_canceled") == []


def test_evidence_comes_with_later_words_of_either_side(place: Place, tmp_path: Any) -> None:
    dispute = place.contested()
    made = place.one(dispute).return_id
    disputes.reply(
        place.person(), dispute, "This is how it came.", attached=[picture()], folder=tmp_path, now=place.now
    )
    disputes.reply(
        place.customer(made), dispute, "", attached=[picture(size=(50, 50))], folder=tmp_path, now=place.now
    )
    for asks in (place.person(), place.customer(made)):
        entries = threads.of_return(asks, made).entries
        assert [(one.kind, len(one.pictures)) for one in entries] == [
            ("customer", 0),
            ("agent", 1),
            ("customer", 1),
        ]
    assert place.one(dispute).state == "awaiting_merchant"
    with pytest.raises(Conflict, match="words_missing"):
        disputes.reply(place.customer(made), dispute, "  ", now=place.now)
    with pytest.raises(Conflict, match="photos_full"):
        disputes.reply(place.customer(made), dispute, "x", attached=[picture()] * 6, now=place.now)


# --------------------------------------------------------------------------------- answers and endings


def test_a_declined_offer_leaves_it_open_and_the_clock_begins_anew(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute)
    place.later(days=2)
    customer = place.customer(place.one(dispute).return_id)
    disputes.decline(customer, dispute, offer, body="That is too little.", now=place.now)
    found = place.one(dispute)
    assert found.state == "awaiting_merchant" and found.offers[0].state == "declined"
    assert (found.due_at - place.now).total_seconds() == 48 * 3600


def test_a_withdrawn_offer_can_no_longer_be_accepted(place: Place) -> None:
    dispute = place.contested()
    offer = offered(place, dispute)
    disputes.withdraw_offer(place.person(), dispute, offer, now=place.now)
    with pytest.raises(Conflict, match="offer_answered"):
        disputes.accept(place.customer(place.one(dispute).return_id), dispute, offer, now=place.now)
    assert place.one(dispute).state == "awaiting_merchant"


def test_a_new_offer_takes_the_place_of_the_one_before(place: Place) -> None:
    dispute = place.contested()
    offered(place, dispute, 500)
    offered(place, dispute, 900)
    assert [(one.amount, one.state) for one in place.one(dispute).offers] == [
        (500, "withdrawn"),
        (900, "open"),
    ]


def test_a_stale_offer_is_refused(place: Place) -> None:
    dispute = place.contested()
    version = place.one(dispute).version
    offered(place, dispute)
    with pytest.raises(Stale):
        disputes.offer(place.person(), dispute, 100, version=version, now=place.now)


def test_once_it_is_handed_up_a_supervisor_decides(place: Place) -> None:
    dispute = place.contested()
    agent = place.person("csr")
    disputes.escalate(agent, dispute, because="Above what I may give.", now=place.now)
    assert place.one(dispute).state == "escalated"
    with pytest.raises(NotAllowed):
        disputes.offer(agent, dispute, 100, now=place.now)
    with pytest.raises(NotAllowed):
        disputes.reject(agent, dispute, message="No.", now=place.now)
    disputes.reject(place.person(), dispute, message="The lamp was used.", now=place.now)
    found = place.one(dispute)
    assert (found.state, found.outcome, found.outcome_message) == (
        "resolved_merchant",
        "upheld",
        "The lamp was used.",
    )
    assert mails("dispute_answered")[-1].values["dispute"]["what"] == "upheld"


def test_once_it_is_handed_up_an_agent_does_not_take_it_back_by_writing(place: Place) -> None:
    dispute = place.contested()
    agent = place.person("csr")
    disputes.escalate(agent, dispute, because="Above what I may give.", now=place.now)
    with pytest.raises(NotAllowed):
        disputes.reply(agent, dispute, "Which box was it in?", now=place.now)
    assert place.one(dispute).state == "escalated"
    disputes.reply(place.person(), dispute, "Which box was it in?", now=place.now)
    assert place.one(dispute).state == "awaiting_customer"


def test_the_customer_takes_it_back(place: Place) -> None:
    dispute = place.contested()
    offered(place, dispute)
    customer = place.customer(place.one(dispute).return_id)
    disputes.take_back(customer, dispute, now=place.now)
    disputes.take_back(customer, dispute, now=place.now)
    found = place.one(dispute)
    assert found.state == "withdrawn" and found.offers[0].state == "withdrawn" and found.closed_at is not None
    assert place.row(found.return_id).dispute_state == "withdrawn"


def test_messages_go_to_and_fro_in_the_thread(place: Place) -> None:
    dispute = place.contested()
    disputes.reply(place.person(), dispute, "Which box was it in?", now=place.now)
    assert place.one(dispute).state == "awaiting_customer"
    disputes.reply(place.customer(place.one(dispute).return_id), dispute, "The blue one.", now=place.now)
    found = place.one(dispute)
    assert found.state == "awaiting_merchant"
    thread = threads.of_return(place.person(), found.return_id)
    assert [entry.kind for entry in thread.entries] == ["customer", "agent", "customer"]


def test_where_nothing_was_agreed_nothing_is_paid_again(place: Place) -> None:
    dispute = place.contested()
    with pytest.raises(Conflict, match="settled_already"):
        disputes.pay_again(place.person(), dispute, now=place.now)


# ------------------------------------------------------------------------------------------------ clocks


def test_further_words_of_the_customer_do_not_put_off_the_answer_they_were_promised(place: Place) -> None:
    dispute = place.contested()
    customer = place.customer(place.one(dispute).return_id)
    disputes.reply(place.person(), dispute, "Which box was it in?", now=place.now)
    place.later(hours=5)
    disputes.reply(customer, dispute, "The blue one.", now=place.now)
    due = place.one(dispute).due_at
    assert (due - place.now).total_seconds() == 48 * 3600
    place.later(hours=20)
    disputes.reply(customer, dispute, "And it was closed.", now=place.now)
    assert place.one(dispute).due_at == due
    disputes.escalate(place.person(), dispute, because="Not mine.", now=place.now)
    disputes.reply(customer, dispute, "Is anybody there?", now=place.now)
    assert place.one(dispute).due_at == due
    place.later(hours=28)
    assert disputes.listing(place.person(), late=True, now=place.now).rows != ()


def test_while_the_customer_is_asked_nobody_is_late(place: Place) -> None:
    dispute = place.contested()
    disputes.reply(place.person(), dispute, "Which box was it in?", now=place.now)
    place.later(hours=60)
    (row,) = disputes.listing(place.person(), now=place.now).rows
    assert (row.state, row.until) == ("awaiting_customer", None)
    disputes.reply(place.customer(row.return_id), dispute, "The blue one.", now=place.now)
    (row,) = disputes.listing(place.person(), now=place.now).rows
    assert row.until == place.one(dispute).due_at > place.now
    offered(place, dispute)
    (row,) = disputes.listing(place.person(), now=place.now).rows
    assert row.until == place.one(dispute).offers[0].expires_at


def test_an_offer_is_reminded_of_once_and_then_expires(place: Place) -> None:
    dispute = place.contested()
    offered(place, dispute)
    place.later(days=6, hours=1)
    for _ in range(2):
        disputes.look_after(now=place.now)
    assert [mail.values["dispute"]["what"] for mail in mails("dispute_offer")] == ["new", "reminder"]
    place.later(days=1)
    for _ in range(2):
        disputes.look_after(now=place.now)
    found = place.one(dispute)
    assert (found.state, found.offers[0].state) == ("awaiting_merchant", "expired")
    assert [mail.values["dispute"]["what"] for mail in mails("dispute_answered")] == ["offer_expired"]
    with pytest.raises(Conflict, match="offer_expired"):
        disputes.accept(place.customer(found.return_id), dispute, found.offers[0].id, now=place.now)


def test_an_answer_that_is_due_is_a_task_and_one_that_is_late_a_supervisors(place: Place) -> None:
    dispute = place.contested()
    place.later(hours=37)
    disputes.look_after(now=place.now)
    assert [task.key for task in tasks("dispute_due")] == [place.one(dispute).number]
    place.later(hours=12)
    for _ in range(2):
        disputes.look_after(now=place.now)
    assert place.one(dispute).state == "escalated"
    assert len(tasks("dispute_overdue")) == 1
    disputes.reject(place.person(), dispute, message="It stands.", now=place.now)
    assert tasks("dispute_due") == [] and tasks("dispute_overdue") == []


# -------------------------------------------------------------------------------------------------- list


def test_the_list_has_counts_search_and_the_one_due_first_on_top(place: Place) -> None:
    first = place.contested()
    place.later(hours=1)
    second = place.contested(place.refunded())
    listed = disputes.listing(place.person(), now=place.now)
    assert [row.id for row in listed.rows] == [first, second] and listed.counts == {"open": 2}
    number = place.one(second).number
    found = disputes.listing(place.person(), query=number.lower(), now=place.now)
    assert found.exact == second and [row.id for row in found.rows] == [second]
    place.later(hours=48)
    assert [row.id for row in disputes.listing(place.person(), late=True, now=place.now).rows] == [
        first,
        second,
    ]
    assert (
        disputes.listing(builders.a_person(builders.a_merchant(slug="x", now=NOW)), now=place.now).rows == ()
    )


def test_a_claim_above_what_was_kept_of_its_line_names_the_line(place: Place) -> None:
    made = place.refunded(units=2, price="50.00")
    (line,) = disputes.sheet(place.customer(made), made, now=place.now).choices
    assert line.most == 2000
    claim = Claim(
        lines=(LineClaim(line_id=line.line.id, ground="deduction", claimed=2500),),
        wanted="difference",
        body="No.",
    )
    with pytest.raises(Conflict, match="too_much") as refused:
        disputes.open_dispute(place.customer(made), made, claim, nonce="n", now=place.now)
    assert refused.value.details["line"] == str(line.line.id)

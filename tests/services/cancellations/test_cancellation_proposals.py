"""An agent proposes, the customer answers: what was seen is what happens, once, and only while it waits."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.lifecycles import IllegalStep
from portal.core.policy.verdict import Refused
from portal.db import history
from portal.db.base import db
from portal.db.orders import OrderLine
from portal.db.returns import Return
from portal.services import cancellations, jobs, links
from portal.services.filing import returns
from portal.services.handling import confirmation
from portal.services.refunding import refunds
from tests.builders import (
    SITE,
    a_customer,
    a_merchant,
    a_person,
    a_return,
    as_it_is,
    came_back,
    chosen,
    fill,
    terms,
)
from tests.services.cancelling import (
    NOW,
    beside,
    canceled,
    choose,
    confirm,
    finish_link,
    goods,
    line,
    own_draft,
    page,
    propose,
    proven,
    told,
    unshipped,
    wish,
)

HOURS = timedelta(hours=1)


@pytest.fixture
def shop(session):
    return a_merchant()


# ------------------------------------------------------------------------------------------------ proposing


def test_what_was_not_shown_is_not_proposed(shop, gateways, session):
    csr, order = a_person(shop, "csr"), unshipped(gateways, shop)
    shown = cancellations.estimate(csr, order.id, wish(order, {"MUG": 2}), gateways=gateways, now=NOW).shown
    for other in (shown[:-1] + "x", ""):
        with pytest.raises(Conflict) as conflict:
            propose(gateways, shop, order, {"MUG": 2}, shown=other)
        assert (conflict.value.code, conflict.value.details["amount"]) == ("amount_changed", 1866)
    with pytest.raises(Conflict, match="amount_changed"):
        propose(gateways, shop, order, {"MUG": 1}, shown=shown)
    assert propose(gateways, shop, order, {"MUG": 2}, shown=shown)


def test_the_same_form_many_times_at_once_is_one_proposal(app, shop, gateways, session):
    csr, order = a_person(shop, "csr"), unshipped(gateways, shop)
    session.commit()
    together, answers = threading.Barrier(4), []

    def press() -> None:
        with app.app_context():
            together.wait()
            try:
                answers.append(propose(gateways, shop, order, {"MUG": 1}, by=csr, nonce="one form"))
            except Exception as problem:
                answers.append(problem)

    people = [threading.Thread(target=press) for _ in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    session.rollback()
    assert len(set(answers)) == 1 and len(answers) == 4, answers
    assert line(order).held == ((0, 1),) and proven() == []


@pytest.mark.parametrize(
    ("given", "code"),
    [({"units": -1}, "negative_units"), ({"reason": "because"}, "unknown_reason")],
)
def test_what_makes_no_sense_is_refused(shop, gateways, given, code):
    order = unshipped(gateways, shop)
    wanted = wish(order, {"MUG": given.get("units", 1)}, reason=given.get("reason", ""))
    with pytest.raises(Conflict) as conflict:
        propose(gateways, shop, order, {}, wish=wanted)
    assert conflict.value.code == code and line(order).held == ()


def test_the_history_says_who_asked_why_and_until_when(shop, gateways):
    order = unshipped(gateways, shop)
    wanted = wish(order, {"MUG": 1}, reason="ordered_by_mistake", note="Called twice.", message="As agreed.")
    made = propose(gateways, shop, order, {}, wish=wanted)
    asked = next(one for one in history.of([made]) if one.what == "order_line.cancellation_requested")
    assert (asked.actor_name, asked.details["note"], asked.details["reason_given"]) == (
        "Demo csr", "Called twice.", "ordered_by_mistake"
    )  # fmt: skip
    assert asked.details["expires_at"] == (NOW + 48 * HOURS).isoformat()
    assert page(shop, made).draft.note == "As agreed." and page(shop, made).hold_until == NOW + 48 * HOURS


def test_its_link_outlives_it_and_can_be_copied(shop, gateways):
    made = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    link = finish_link(made)
    assert link.expires_at >= NOW + timedelta(days=32)
    assert links.shown_url(a_person(shop, "csr"), link.id, site=SITE).startswith(SITE.base_url)


# ------------------------------------------------------------------------------------------------ answering


def test_what_the_customer_did_not_see_is_not_confirmed(shop, gateways, session):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    with pytest.raises(Conflict) as conflict:
        confirm(gateways, shop, made, seen="something else")
    assert (conflict.value.code, conflict.value.details) == (
        "amount_changed", {"amount": 1866, "currency": "EUR"}
    )  # fmt: skip
    assert page(shop, made).state == "proposed" and line(order).canceled == ()


def test_an_amount_that_changed_meanwhile_is_shown_again(shop, gateways):
    order = unshipped(gateways, shop)
    first, second = (propose(gateways, shop, order, {"MUG": 1}) for _ in range(2))
    seen = page(shop, second).seen
    confirm(gateways, shop, first)
    with pytest.raises(Conflict, match="amount_changed"):
        confirm(gateways, shop, second, seen=seen)
    assert confirm(gateways, shop, second, seen=page(shop, second).seen) == "confirmed"
    assert as_it_is(order).refunded == 1866


def test_the_customer_keeps_the_order_and_all_is_as_before(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    customer = a_customer(made, shop)
    cancellations.decline(customer, made, reason="I want them after all.", now=NOW)
    cancellations.decline(customer, made, reason="Again", now=NOW)
    assert confirm(gateways, shop, made) == "declined", "an answer is an answer"
    assert (line(order).held, line(order).cancelable_units) == ((), 3)
    assert page(shop, made).facts.ended["message"] == "I want them after all."
    drain()
    assert told(made) == ["cancellation_proposed"] and finish_link(made).state == "finished"
    assert proven() == []


def test_an_agent_takes_it_back_with_a_reason_until_it_is_answered(shop, gateways):
    order, csr = unshipped(gateways, shop), a_person(shop, "csr")
    made = propose(gateways, shop, order, {"MUG": 2})
    with pytest.raises(Conflict, match="reason_missing"):
        cancellations.withdraw(csr, made, reason=" ", now=NOW)
    with pytest.raises(NotAllowed):
        cancellations.withdraw(a_person(shop, "finance"), made, reason="No", now=NOW)
    cancellations.withdraw(csr, made, reason="The wrong order.", now=NOW)
    cancellations.withdraw(csr, made, reason="Twice.", now=NOW)
    assert page(shop, made).state == "canceled" and line(order).held == ()
    assert confirm(gateways, shop, made) == "canceled"
    other = canceled(gateways, shop, order, {"MUG": 1})
    with pytest.raises(IllegalStep):
        cancellations.withdraw(csr, other, reason="Too late", now=NOW)


@pytest.mark.parametrize("proof", ["demo.customer@customer.example", "20359"])
def test_its_number_and_a_proof_bring_the_link_to_follow_it(shop, gateways, proof):
    made = canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    number = page(shop, made).draft.number
    assert number.startswith("CA-")
    given = {"merchant_id": shop, "language": "en", "site": SITE, "now": NOW}
    links.start_by_customer(
        order_number=number.lower().replace("-", " "), proof="somebody@else.example", **given
    )
    assert "status_link" not in told(made)
    links.start_by_customer(order_number=number.lower().replace("-", " "), proof=proof, **given)
    assert told(made)[-1] == "status_link"


# ------------------------------------------------------------------------------------------------ waiting


def test_nobody_answers_it_expires_and_says_so(shop, gateways, session):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    assert cancellations.expire(now=NOW + 48 * HOURS - timedelta(seconds=1)) == 0
    assert cancellations.expire(now=NOW + 48 * HOURS) == 1
    assert cancellations.expire(now=NOW + 49 * HOURS) == 0
    assert (page(shop, made).state, line(order).held) == ("expired", ())
    assert told(made)[-1] == "cancellation_expired" and proven() == []


def test_a_yes_that_comes_too_late_changes_nothing(shop, gateways):
    order = unshipped(gateways, shop)
    made = propose(gateways, shop, order, {"MUG": 2})
    assert confirm(gateways, shop, made, now=NOW + 48 * HOURS) == "expired"
    assert (line(order).held, line(order).canceled) == ((), ()) and proven() == []


def test_it_is_reminded_of_once(shop, gateways):
    made = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    assert cancellations.remind_due(now=NOW + 23 * HOURS) == 0
    assert cancellations.remind_due(now=NOW + 24 * HOURS) == 1
    assert cancellations.remind_due(now=NOW + 30 * HOURS) == 0
    assert told(made) == ["cancellation_proposed", "cancellation_reminder"]
    assert beside(made).reminded_at == NOW + 24 * HOURS


@pytest.mark.parametrize(("hours", "before"), [(48, 0), (24, 24), (12, 24)])
def test_one_that_waits_too_short_for_it_is_not_reminded_of(session, gateways, hours, before):
    shop = a_merchant(terms=terms(cancellation_hours=hours, cancellation_reminder_hours=before))
    made = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    for later in range(hours):
        assert cancellations.remind_due(now=NOW + later * HOURS) == 0
    assert told(made) == ["cancellation_proposed"]


def test_an_agent_reminds_as_often_as_they_like_while_it_waits(shop, gateways):
    made, csr = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1}), a_person(shop, "csr")
    cancellations.remind(csr, made, now=NOW)
    cancellations.remind(csr, made, now=NOW)
    assert told(made) == ["cancellation_proposed", "cancellation_reminder", "cancellation_reminder"]
    assert cancellations.remind_due(now=NOW + 30 * HOURS) == 0, "the one reminder was sent"
    confirm(gateways, shop, made)
    with pytest.raises(Conflict, match="not_proposed"):
        cancellations.remind(csr, made, now=NOW)


def test_a_worker_looks_after_all_of_it(shop, gateways):
    late = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1}, now=NOW - 48 * HOURS)
    soon = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1}, now=NOW - 30 * HOURS)
    jobs.tick(gateways, now=NOW)
    assert page(shop, late).state == "expired" and told(soon)[-1] == "cancellation_reminder"


# ------------------------------------------------------------------------------------------------ a unit once


def test_no_two_take_the_same_unit(shop, gateways):
    order = unshipped(gateways, shop)
    first = propose(gateways, shop, order, {"MUG": 2})
    with pytest.raises(Refused):
        propose(gateways, shop, order, {"MUG": 2})
    second = propose(gateways, shop, order, {"MUG": 1})
    confirm(gateways, shop, second)
    confirm(gateways, shop, first)
    assert line(order).canceled == ((0, 3),) and as_it_is(order).refunded == 2799
    assert proven() == []


def test_the_database_itself_refuses_a_unit_too_much(shop, gateways, session):
    order = unshipped(gateways, shop)
    propose(gateways, shop, order, {"MUG": 2})
    session.commit()
    for column in ("canceled_units", "claimed_units", "held_units"):
        more = {column: getattr(OrderLine, column) + 2}
        with pytest.raises(sa.exc.IntegrityError):
            session.execute(sa.update(OrderLine).where(OrderLine.order_id == order.id).values(more))
        session.rollback()


def test_a_return_and_a_proposal_of_one_line_are_about_different_units(shop, gateways, session, drain):
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33", shipped=1))
    made = propose(gateways, shop, order, {"MUG": 2})
    back = came_back(gateways, shop, as_it_is(order), {"MUG": 1})
    confirm(gateways, shop, made)

    refunds.propose(a_person(shop, "finance"), back, now=NOW)
    drain()
    assert as_it_is(order).refunded == 2799 and line(order).refundable == 0
    assert proven() == []


# ------------------------------------------------------------------------------------------------ the customer's own


def test_the_buyer_chooses_sees_and_confirms(shop, gateways, session, drain):
    order = unshipped(gateways, shop)
    draft = own_draft(shop, order)
    made = choose(gateways, shop, draft, order, {"MUG": 2})
    own = page(shop, made)
    assert (own.state, own.together_with, own.facts.asked_by) == ("draft", draft, "customer")
    assert line(order).held == (), "nothing is held before the yes"
    assert confirm(gateways, shop, made, seen=own.seen) == "confirmed"
    drain()
    assert page(shop, made).state == "closed" and told(made)[0] == "cancellation_confirmed"
    assert page(shop, made).draft.number and proven() == []


def test_the_choice_is_changed_and_dropped_with_nothing_left_behind(shop, gateways):
    order = unshipped(gateways, shop)
    draft = own_draft(shop, order)
    made = choose(gateways, shop, draft, order, {"MUG": 2})
    assert choose(gateways, shop, draft, order, {"MUG": 1}) == made
    assert [one.units for one in page(shop, made).lines] == [1]
    assert choose(gateways, shop, draft, order, {"MUG": 0}) is None
    customer = a_customer(draft, shop)
    assert cancellations.around(customer, draft, gateways=gateways, now=NOW).companion is None
    with pytest.raises(Conflict, match="nothing_chosen"):
        confirm(gateways, shop, made)
    assert choose(gateways, shop, draft, order, {"MUG": 3}) == made


def test_nobody_but_the_buyer_takes_anything_out(shop, gateways):
    order = unshipped(gateways, shop, goods("MUG", 2, shipped=1))
    boss = a_person(shop)
    gift = returns.start_draft(
        boss, merchant_id=shop, kind="return", channel="preauthorized_link", name="Gift Receiver",
        email="receiver@customer.example", language="en", order_id=order.id, now=NOW,
    )  # fmt: skip
    with pytest.raises(Conflict, match="not_the_buyer"):
        choose(gateways, shop, gift, order, {"MUG": 1})
    around = cancellations.around(a_customer(gift, shop), gift, gateways=gateways, now=NOW)
    assert (around.buyer, around.order, around.past, around.offers) == (False, None, (), ())


def test_where_the_shop_offers_no_cancellations_the_buyer_is_told(session, gateways):
    shop = a_merchant(terms=terms(cancellations=False))
    order = unshipped(gateways, shop)
    draft = own_draft(shop, order)
    with pytest.raises(Refused) as refused:
        choose(gateways, shop, draft, order, {"MUG": 1})
    assert [one.code for one in refused.value.verdict.findings] == ["cancellations_off"]
    assert cancellations.around(a_customer(draft, shop), draft, gateways=gateways, now=NOW).offers == ()


def test_around_a_return_stand_the_orders_other_outcomes(shop, gateways, drain):
    order = unshipped(gateways, shop, goods("MUG", 4, shipped=1))
    gone = canceled(gateways, shop, order, {"MUG": 1})
    asked = propose(gateways, shop, order, {"MUG": 1})
    draft = own_draft(shop, order)
    customer = a_customer(draft, shop)
    around = cancellations.around(customer, draft, gateways=gateways, now=NOW)
    assert [row.id for row in around.past] == [asked, gone] and all(row.mine for row in around.past)
    assert [(row.id, row.expires_at) for row in around.proposals] == [(asked, NOW + 48 * HOURS)]
    assert around.offers[0].units == 1 and around.totals.total == 3000
    assert [row.id for row in cancellations.proposals(customer, draft, now=NOW)] == [asked]
    assert cancellations.proposals(customer, draft, now=NOW + 48 * HOURS) == ()


def test_a_draft_that_is_declined_is_given_up(shop, gateways):
    order = unshipped(gateways, shop)
    draft = own_draft(shop, order)
    made = choose(gateways, shop, draft, order, {"MUG": 2})
    cancellations.decline(a_customer(made, shop), made, now=NOW)
    assert page(shop, made).state == "canceled" and told(made) == []
    again = choose(gateways, shop, draft, order, {"MUG": 1})
    assert again is not None and again != made


def test_the_pages_of_a_return_do_nothing_to_a_cancellation(shop, gateways):

    order = unshipped(gateways, shop)
    made = choose(gateways, shop, own_draft(shop, order), order, {"MUG": 2})
    customer = a_customer(made, shop)
    for act in (
        lambda: returns.choose_lines(customer, made, chosen(order, {"MUG": 1}), now=NOW),
        lambda: confirmation.confirm(customer, made, site=SITE, now=NOW),
        lambda: confirmation.cancel(customer, made, now=NOW),
    ):
        with pytest.raises(NotFound):
            act()
    assert page(shop, made).state == "draft"


# ------------------------------------------------------------------------------------------------ both at once


def both(gateways, shop):
    """A partly shipped order: one mug to be returned, two to be canceled, in one selection."""
    order = unshipped(
        gateways, shop, goods("MUG", 3, "9.33", shipped=1), goods("LAMP", 1, "50.00", shipped=1)
    )
    draft = own_draft(shop, order)
    made = choose(gateways, shop, draft, order, {"MUG": 2})
    fill(a_customer(draft, shop), draft, gateways, order=order, units={"MUG": 1}, now=NOW)
    return order, draft, made


def test_a_return_and_a_cancellation_are_confirmed_together(shop, gateways, session, drain):
    order, draft, made = both(gateways, shop)
    customer = a_customer(draft, shop)
    seen = cancellations.together(customer, draft, now=NOW)
    assert (seen.page.breakdown.amount, seen.cancellation.breakdown.amount) == (933, 1866)
    done = cancellations.confirm_both(
        customer, draft, seen=seen.cancellation.seen, gateways=gateways, site=SITE, now=NOW
    )
    assert (done.return_state, done.cancellation_id, done.cancellation_state) == (
        "approved",
        made,
        "confirmed",
    )
    drain()
    assert page(shop, made).state == "closed" and db.session.get(Return, draft).state == "approved"
    assert (line(order).canceled, line(order).claimed) == (((0, 2),), ((2, 3),)) and proven() == []


def test_neither_is_confirmed_where_one_cannot_be(shop, gateways, session):
    order, draft, made = both(gateways, shop)
    customer = a_customer(draft, shop)
    with pytest.raises(Conflict, match="amount_changed"):
        cancellations.confirm_both(customer, draft, seen="else", gateways=gateways, site=SITE, now=NOW)
    a_return(gateways, shop, as_it_is(order), {"MUG": 1}, now=NOW)
    with pytest.raises(Conflict, match="units_gone"):
        cancellations.confirm_both(customer, draft, gateways=gateways, site=SITE, now=NOW)
    session.rollback()
    assert page(shop, made).state == "draft" and line(order).canceled == ()
    assert db.session.get(Return, draft).state == "draft" and proven() == []


def test_both_confirmed_twice_is_once(shop, gateways, session):
    order, draft, made = both(gateways, shop)
    answers = [
        cancellations.confirm_both(a_customer(draft, shop), draft, gateways=gateways, site=SITE, now=NOW)
        for _ in range(2)
    ]
    assert [one.return_state for one in answers] == ["approved", "approved"]
    assert page(shop, made).state == "confirmed" and line(order).canceled == ((0, 2),)


def test_what_an_order_does_not_have_is_not_found(shop, gateways):

    order, other = unshipped(gateways, shop), unshipped(gateways, shop)
    wanted = wish(other, {"MUG": 1})
    with pytest.raises(NotFound):
        propose(gateways, shop, order, {}, wish=wanted)

"""Questions to a customer: the return waits, is reminded of once, goes on with the answer, and ends without one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from portal.core.access import SYSTEM, Conflict, NotAllowed, NotFound, Stale
from portal.core.policy.terms import Terms
from portal.core.spans import count
from portal.db import history, returns
from portal.db.base import db, transaction
from portal.services import jobs
from portal.services.filing import closing
from portal.services.handling import confirmation, overdue_requests, requests
from portal.services.talking import notices, threads
from tests.builders import (
    NOW,
    SITE,
    a_customer,
    a_draft,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    fill,
)

DAY = timedelta(days=1)


@pytest.fixture
def shop(session):
    return a_merchant(terms=Terms(approval_reasons=("changed_mind",), return_postage="merchant"))


@pytest.fixture
def order(session, gateways, shop):
    return an_order(gateways, shop, (an_item("MUG", 2),))


@pytest.fixture
def back(session, gateways, shop, order):
    """A return that waits for a decision."""
    return_id = a_draft(SYSTEM, shop, order, channel="self_service")
    fill(SYSTEM, return_id, gateways, order=order, units={"MUG": 2}, reason="changed_mind")
    confirmation.confirm(a_customer(return_id, shop), return_id, site=SITE, now=NOW)
    return return_id


def asked(shop, back, **more):
    given = {"asks": ("answer",), "days": 3, "now": NOW} | more
    return requests.ask(a_person(shop, "csr"), back, "Which size is it?", **given)


def row(return_id):
    db.session.expire_all()
    return returns.get(return_id)


def mails(return_id, event):
    db.session.expire_all()
    return [mail for mail in notices.of_return(return_id) if mail.event == event]


def outcome(shop, back):
    return [one.outcome for one in threads.of_return(a_person(shop), back).entries if one.kind == "request"]


def happened(return_id):
    db.session.rollback()
    return [one.what for one in history.of([return_id])]


def test_a_return_that_waits_for_a_decision_waits_for_the_answer_first(session, shop, back):
    assert row(back).state == "requested"
    asked(shop, back)
    assert row(back).state == "needs_info"
    assert row(back).info_due_at == requests._due(NOW, 3, "Europe/Berlin")
    assert len(mails(back, "needs_info")) == 1
    assert "return.needs_info" in happened(back)


def test_the_last_day_counts_to_its_end_where_the_shop_is(session, shop, back):
    asked(shop, back, days=1)
    assert row(back).info_due_at.isoformat() == "2026-06-16T22:00:00+00:00"


def test_with_the_answer_the_return_goes_back_to_its_decision(session, shop, back):
    question = asked(shop, back)
    assert requests.answer(a_customer(back, shop), back, question, "It is M.", now=NOW + DAY)
    assert row(back).state == "requested"
    assert row(back).info_due_at is None
    assert row(back).unread == 1
    assert outcome(shop, back) == ["answered"]
    assert "return.info_provided" in happened(back)


def test_the_same_answer_twice_is_one(session, shop, back):
    question, customer = asked(shop, back), a_customer(back, shop)
    assert requests.answer(customer, back, question, "It is M.", nonce="form", now=NOW)
    assert requests.answer(customer, back, question, "It is M.", nonce="form", now=NOW)
    assert len(threads.of_return(customer, back).entries) == 2


def test_the_same_question_twice_is_one(session, shop, back):
    assert asked(shop, back, nonce="form") == asked(shop, back, nonce="form")
    assert len(mails(back, "needs_info")) == 1


def test_a_second_question_waits_for_the_first(session, shop, back):
    asked(shop, back)
    with pytest.raises(Conflict) as refused:
        asked(shop, back)
    assert refused.value.code == "already_asked"


def test_a_message_is_no_answer(session, shop, back):
    asked(shop, back)
    threads.write(a_customer(back, shop), back, "Which one do you mean?", now=NOW)
    assert row(back).state == "needs_info"


def test_reminded_once_before_the_last_day(session, shop, back):
    asked(shop, back, days=3)  # until the end of 18 June
    assert overdue_requests.remind_due(now=NOW + DAY) == 0
    assert overdue_requests.remind_due(now=NOW + 2.5 * DAY) == 1
    assert overdue_requests.remind_due(now=NOW + 2.6 * DAY) == 0
    assert len(mails(back, "info_reminder")) == 1
    assert row(back).state == "needs_info"


def test_nobody_is_reminded_of_what_was_answered(session, shop, back):
    question = asked(shop, back)
    requests.answer(a_customer(back, shop), back, question, "It is M.", now=NOW)
    assert overdue_requests.remind_due(now=NOW + 2.5 * DAY) == 0


def test_without_an_answer_it_is_over_and_its_units_are_free(session, shop, back, order):
    asked(shop, back, days=3)
    assert sum(count(line.claimed) for line in as_it_is(order).items) == 2
    assert overdue_requests.expire(now=NOW + 3 * DAY) == 0
    assert overdue_requests.expire(now=NOW + 4 * DAY) == 1
    assert overdue_requests.expire(now=NOW + 4 * DAY) == 0
    assert row(back).state == "expired"
    assert row(back).closed_at == NOW + 4 * DAY
    assert sum(count(line.claimed) for line in as_it_is(order).items) == 0
    assert len(mails(back, "info_expired")) == 1
    assert outcome(shop, back) == ["expired"]


def test_an_answer_that_comes_too_late_is_kept_and_moves_nothing(session, shop, back):
    question = asked(shop, back, days=1)
    late = NOW + 5 * DAY
    assert not requests.answer(a_customer(back, shop), back, question, "It is M.", now=late)
    assert row(back).state == "needs_info"
    overdue_requests.expire(now=late)
    assert row(back).state == "expired"
    assert [one.body for one in threads.of_return(a_person(shop), back).entries][-1] == "It is M."


def test_answer_and_end_at_once_come_to_one_of_both(app, session, shop, back):
    question = asked(shop, back, days=1)
    due_at = row(back).info_due_at
    session.commit()

    def answer():
        with app.app_context():
            return requests.answer(
                a_customer(back, shop), back, question, "M", now=due_at - timedelta(seconds=1)
            )

    def end():
        with app.app_context():
            return overdue_requests.expire(now=due_at)

    with ThreadPoolExecutor(2) as pool:
        in_time, _ = pool.submit(answer), pool.submit(end)
        told = in_time.result()
    session.rollback()
    assert row(back).state == ("requested" if told else "expired")
    assert outcome(shop, back) == ["answered" if told else "expired"]


def test_a_question_can_be_withdrawn_and_the_customer_is_told(session, shop, back):
    question, agent = asked(shop, back), a_person(shop)
    requests.withdraw(agent, back, question, now=NOW)
    requests.withdraw(agent, back, question, now=NOW)
    assert row(back).state == "requested"
    assert len(mails(back, "info_withdrawn")) == 1
    assert outcome(shop, back) == ["withdrawn"]
    assert not requests.answer(a_customer(back, shop), back, question, "It is M.", now=NOW)


def test_what_was_answered_cannot_be_withdrawn(session, shop, back):
    question = asked(shop, back)
    requests.answer(a_customer(back, shop), back, question, "It is M.", now=NOW)
    with pytest.raises(Conflict) as refused:
        requests.withdraw(a_person(shop), back, question, now=NOW)
    assert refused.value.code == "already_answered"


def test_an_approved_return_goes_on_while_it_is_asked(session, gateways, shop):
    back = a_return(gateways, shop, an_order(gateways, shop, (an_item("HAT", 1),)))
    question = asked(shop, back)
    assert row(back).state == "approved"
    assert row(back).info_due_at is None
    assert overdue_requests.expire(now=NOW + 9 * DAY) == 1
    assert row(back).state == "approved"
    assert outcome(shop, back) == ["expired"]
    assert not mails(back, "info_expired")
    assert "return.info_expired" in happened(back)
    assert not requests.answer(a_customer(back, shop), back, question, "M", now=NOW + 9 * DAY)


def test_a_canceled_return_asks_nothing_any_more(session, shop, back):
    asked(shop, back)
    confirmation.cancel(a_customer(back, shop), back, now=NOW)
    assert row(back).state == "canceled"
    assert outcome(shop, back) == ["decided"]
    assert overdue_requests.expire(now=NOW + 9 * DAY) == 0


def test_what_is_asked_must_make_sense(session, gateways, shop, back):
    for more, code in (
        ({"asks": ()}, "nothing_asked"),
        ({"asks": ("money",)}, "nothing_asked"),
        ({"days": 0}, "days_out_of_range"),
        ({"days": 61}, "days_out_of_range"),
        ({"asks": ("photo",), "line_ids": (a_person(shop).id,)}, "lines_missing"),
    ):
        with pytest.raises(Conflict) as refused:
            asked(shop, back, **more)
        assert refused.value.code == code
    assert row(back).state == "requested"


def test_only_people_of_the_shop_ask_and_only_its_customer_answers(session, gateways, shop, back):
    question, other = asked(shop, back), a_merchant()
    with pytest.raises(NotFound):
        requests.withdraw(a_person(other), back, question, now=NOW)
    with pytest.raises(NotAllowed):
        requests.withdraw(a_person(shop, "warehouse"), back, question, now=NOW)
    with pytest.raises(NotAllowed):
        requests.withdraw(a_customer(back, shop), back, question, now=NOW)
    with pytest.raises(NotAllowed):
        requests.answer(a_person(shop), back, question, "M", now=NOW)
    elsewhere = a_return(gateways, other, an_order(gateways, other))
    with pytest.raises(NotFound):
        requests.answer(a_customer(elsewhere, other), elsewhere, question, "M", now=NOW)


def test_a_question_asked_of_an_older_page_is_refused(session, shop, back):
    with pytest.raises(Stale):
        asked(shop, back, version=row(back).version - 1)
    assert row(back).state == "requested"


def test_nobody_is_reminded_of_a_question_about_a_return_that_was_never_sent(session, gateways, shop):
    back = a_return(gateways, shop, an_order(gateways, shop, (an_item("HAT", 1),)))
    question = asked(shop, back, days=30)
    jobs.expire(now=NOW + 22 * DAY)
    assert row(back).state == "expired"
    assert outcome(shop, back) == ["decided"]
    assert overdue_requests.remind_due(now=NOW + 29.5 * DAY) == 0
    assert not mails(back, "info_reminder")
    assert not requests.answer(a_customer(back, shop), back, question, "It is M.", now=NOW + 23 * DAY)


def test_a_return_that_is_closed_asks_nothing_any_more(session, gateways, shop):
    back = a_return(gateways, shop, an_order(gateways, shop, (an_item("HAT", 1),)))
    asked(shop, back)
    with transaction():
        found = returns.get(back, lock=True)
        found.state = "in_transit"
        closing.close_now(SYSTEM, found, reason="lost_in_transit", now=NOW)
    assert outcome(shop, back) == ["decided"]


def test_a_question_that_was_left_open_at_the_end_of_its_return_is_no_reminder(session, gateways, shop):
    """As an earlier version left it: closed, and still asking."""
    back = a_return(gateways, shop, an_order(gateways, shop, (an_item("HAT", 1),)))
    asked(shop, back, days=3)
    with transaction():
        returns.get(back, lock=True).state = "closed"
    assert overdue_requests.remind_due(now=NOW + 2.5 * DAY) == 1
    assert not mails(back, "info_reminder")
    assert outcome(shop, back) == ["decided"]

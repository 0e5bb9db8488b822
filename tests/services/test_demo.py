"""The demo: a desk with every kind of work, told through the services, the same at every first start."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core.lifecycles import RETURN
from portal.db import merchants as stored
from portal.db.base import db
from portal.db.disputes import Dispute, Offer
from portal.db.dock import Unexpected
from portal.db.history import Happening
from portal.db.mails import Mail
from portal.db.messages import CannedAnswer, Entry, Playbook
from portal.db.pictures import Picture
from portal.db.refunds import Refund
from portal.db.returns import Photo, Return, ReturnLine
from portal.db.tasks import Task
from portal.db.views import ReturnTag, SavedView
from portal.db.workflows import Workflow
from portal.demo import past
from portal.services import merchants
from portal.services.lists import boards
from portal.services.lists.clocks import clocks_of, due_of
from portal.services.persons import people
from portal.services.proofs import audit, verifying, verifying_history
from portal.words import LANGUAGES


def start(app, session, *more: str) -> None:
    session.rollback()
    done = app.test_cli_runner().invoke(args=["demo", "--base-url", "http://127.0.0.1:8000", *more])
    assert done.exit_code == 0, done.output
    assert done.exception is None, done.output
    assert "Admin area" in done.output and "supervisor@" in done.output
    session.rollback()


def rows_of_everything() -> dict[str, int]:
    counted = {
        table.name: db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
        for table in db.metadata.sorted_tables
    }
    db.session.rollback()
    return counted


def found(column, *tests) -> Counter:
    counted = Counter(db.session.scalars(sa.select(column).where(*tests)))
    db.session.rollback()
    return counted


def test_the_demo_opens_on_a_whole_desk_and_a_second_start_changes_nothing(app, session):
    start(app, session, "--weeks", "1")
    every_return_state_is_there_with_its_clock()
    people_and_customers_have_written()
    disputes_stand_at_every_point()
    the_dock_has_work()
    rules_have_decided()
    money_is_on_its_way()
    everybody_has_something_to_do()
    nothing_is_in_the_future()
    every_book_is_right()
    before = rows_of_everything()
    start(app, session)
    assert rows_of_everything() == before


def every_return_state_is_there_with_its_clock() -> None:
    states = found(Return.state, Return.kind.in_(("return", "exchange")))
    missing = set(RETURN.states) - set(states) - {"partially_received", "expired", "canceled"}
    assert not missing
    now = datetime.now(UTC)
    shop = next(one for one in merchants.every() if one.slug == "nordhaus")
    ticking = clocks_of(stored.with_terms(shop.id)[2], ZoneInfo(shop.zone))
    waiting = db.session.scalars(
        sa.select(Return).where(Return.merchant_id == shop.id, Return.state == "requested")
    ).all()
    left = [due - now for row in waiting if (due := due_of(row, ticking)) is not None]
    db.session.rollback()
    assert any(one < timedelta() for one in left), "nothing is overdue"
    assert any(timedelta() < one < timedelta(hours=6) for one in left), "nothing is due soon"
    assert any(one > timedelta(hours=12) for one in left), "nothing is fresh"
    partly = sa.select(ReturnLine.return_id).where(ReturnLine.declined_units > 0)
    assert found(Return.state, Return.id.in_(partly), Return.state != "declined")
    assert found(Return.assignee_id, Return.assignee_id.is_not(None))
    assert set(found(ReturnTag.tag)) >= {"call back", "damaged"}
    assert found(SavedView.shared) == {True: 3}
    halves = found(
        Return.channel, Return.state == "draft", Return.channel == "phone", Return.begun_at.is_not(None)
    )
    assert halves["phone"] == 1


def people_and_customers_have_written() -> None:
    assert set(found(Entry.kind)) == {"customer", "agent", "note", "request"}
    assert found(Entry.outcome, Entry.kind == "request") == {"": 1, "answered": 1}
    assert set(found(Picture.subject)) >= {"message", "inspection", "dispute", "unexpected"}
    assert found(Photo.return_line_id)
    texts = db.session.scalars(sa.select(CannedAnswer.texts)).all()
    assert sum(set(one) == set(LANGUAGES) for one in texts) >= 3
    assert found(Playbook.step) == {"split_shipment": 1}
    db.session.rollback()


def disputes_stand_at_every_point() -> None:
    states = found(Dispute.state)
    assert set(states) >= {"open", "awaiting_customer", "awaiting_merchant", "escalated"}
    assert set(found(Dispute.outcome)) >= {"", "offer_accepted", "counter_accepted", "upheld", "withdrawn"}
    assert set(found(Offer.state)) >= {"open", "accepted", "countered"}


def the_dock_has_work() -> None:
    assert set(found(Unexpected.kind, Unexpected.state == "open")) == {"unknown_parcel", "other_item"}
    damaged = sa.select(ReturnLine).where(ReturnLine.damaged_units > 0)
    line = db.session.scalars(damaged).one()
    db.session.rollback()
    assert (line.authorized_units, line.received_units, line.accepted_units, line.rejected_units) == (
        4,
        4,
        2,
        2,
    )
    assert found(Return.state, Return.state == "in_transit")["in_transit"] >= 3


def rules_have_decided() -> None:
    assert sorted(found(Workflow.version)) == [1, 2]
    assert set(found(Return.handling)) >= {"recall", "refund_without_return"}
    kept = found(Return.refund_state, Return.handling == "refund_without_return")
    assert set(kept) <= {"pending", "refunded"}, "what is kept is refunded at once"
    assert found(Task.kind, Task.state == "open")["safety_recall"] == 1


def money_is_on_its_way() -> None:
    states = found(Refund.state)
    assert set(states) >= {"pending_approval", "approved", "succeeded"}
    assert found(Return.score, Return.score.is_not(None))


def everybody_has_something_to_do() -> None:
    now = datetime.now(UTC)
    for name, kinds in (
        ("agent", {"decide", "reply", "dispute"}),
        ("supervisor", {"decide", "escalated", "inspect"}),
        ("finance", {"approve_refund", "task"}),
        ("warehouse", {"inspect", "unexpected"}),
        ("admin", {"decide"}),
    ):
        person = people.named(f"{name}@demo.example")
        inbox = boards.inbox(person, now=now, who="all")
        db.session.rollback()
        assert set(inbox.counts) >= kinds, name


def nothing_is_in_the_future() -> None:
    now = datetime.now(UTC)
    for column in (
        Happening.at,
        Return.submitted_at,
        Refund.succeeded_at,
        Mail.created_at,
        Dispute.opened_at,
    ):
        newest = db.session.scalar(sa.select(sa.func.max(column)))
        assert newest is not None and newest <= now, column
    db.session.rollback()


def every_book_is_right() -> None:
    assert audit.verify().problems == []
    db.session.rollback()
    assert verifying.run().problems == []
    db.session.rollback()
    assert [one.problem for one in verifying_history.verify() if one.problem] == []
    db.session.rollback()


def test_the_weeks_before_are_always_the_same_and_none_is_empty():
    def told() -> list[past.Plan]:
        return past.drawn("N-1", 7, (("en", "DE"),), doubted="not_as_described", seed=5)

    plans = told()
    assert plans == told()
    assert {(plan.days - 1) // 7 for plan in plans} == set(range(past.WEEKS))
    assert len({plan.order.number for plan in plans}) == len(plans) > 40
    assert len({plan.why[0] for plan in plans}) >= 8
    assert {plan.channel for plan in plans} == {code for code, _ in past.CHANNELS}
    assert all(plan.order.days - plan.days >= 6 for plan in plans)
    assert all(set(plan.units) <= {item.sku for item in plan.order.items} for plan in plans)

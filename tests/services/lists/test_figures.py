"""The numbers of the desk, computed by hand from known returns, on both databases."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
import sqlalchemy as sa

from bench import plans
from portal.core.access import NotAllowed, NotFound
from portal.core.figures import FIGURES
from portal.db import returns as stored
from portal.db.base import transaction, uuid7
from portal.db.disputes import Dispute
from portal.db.orders import OrderLine
from portal.db.refunds import Refund
from portal.db.returns import Link, Return, ReturnLine
from portal.services.lists import figures
from portal.services.refunding import refunds
from tests.builders import NOW, a_draft, a_merchant, a_person, a_return, an_item, an_order, inspect, receive

TODAY = NOW.date()
DAYS = {"since": TODAY - timedelta(days=10), "until": TODAY}


@pytest.fixture
def shop(session):
    return a_merchant()


def read(shop, **more):
    return figures.read(a_person(shop, "csr"), shop, **(DAYS | more))


def put(session, return_id, **values):
    with transaction():
        session.execute(sa.update(Return).where(Return.id == return_id).values(**values))


def test_an_empty_period_has_every_figure_and_no_value_but_nothing(shop):
    found = read(shop)
    assert [one.name for one in found.figures] == list(FIGURES)
    assert {one.name: one.value for one in found.figures if one.value is not None} == {"volume": 0}
    assert found.reasons == () and sum(week.total for week in found.weeks) == 0


def test_initiation_is_the_mean_of_what_people_entered_and_had_begun(shop, gateways, session):
    for minutes in (1, 2, 6):
        put(
            session,
            a_return(gateways, shop, an_order(gateways, shop)),
            begun_at=NOW - timedelta(minutes=minutes),
        )
    a_return(gateways, shop, an_order(gateways, shop))  # nobody opened the entry for it
    figure = read(shop).figure("initiation_people")
    assert (figure.numerator, figure.denominator, figure.value) == (540, 3, Fraction(180))


def test_reasons_are_a_pareto_of_units(shop, gateways):
    for reason, units in (("too_small", 3), ("defective", 1), ("too_small", 2)):
        order = an_order(gateways, shop, [an_item("MUG", units)])
        if reason == "defective":
            reason = "changed_mind"
        a_return(gateways, shop, order, reason=reason)
    found = read(shop)
    assert [(one.code, one.count, one.together_bp) for one in found.reasons] == [
        ("too_small", 5, 8333),
        ("changed_mind", 1, 10_000),
    ]
    assert found.units == 6 and found.figure("volume").numerator == 3


def test_accuracy_counts_the_units_that_were_what_was_authorized(shop, gateways):
    good = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]))
    bad = a_return(gateways, shop, an_order(gateways, shop, [an_item("HAT", 1)]))
    for return_id in (good, bad):
        receive(shop, return_id)
    inspect(shop, good)
    inspect(shop, bad, [("HAT", 1, "D", False)], disposition="recycle")
    figure = read(shop).figure("authorization_accuracy")
    assert (figure.numerator, figure.denominator) == (3, 4)


def test_inventory_is_accurate_where_the_movements_are_the_units_that_came(shop, gateways, session):
    first = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 3)]), {"MUG": 2})
    second = a_return(gateways, shop, an_order(gateways, shop, [an_item("HAT", 3)]), {"HAT": 2})
    whole = a_return(gateways, shop, an_order(gateways, shop, [an_item("CAP", 1)]))
    receive(shop, whole)  # nothing of that order stays with the customer: no partial adjustment
    receive(shop, first)
    receive(shop, second, {"HAT": 1})
    line = stored.lines_of(second)[0].id
    with transaction():  # as if a unit had come that the stock never heard of
        session.execute(sa.update(ReturnLine).where(ReturnLine.id == line).values(received_units=2))
    figure = read(shop).figure("inventory_accuracy")
    assert (figure.numerator, figure.denominator) == (1, 2)


def test_time_to_refund_partial_processing_and_weeks(shop, gateways, session, drain):
    boss = a_person(shop)
    took = (1, 2, 3, 4, 5, 6, 7, 8, 9, 20)
    for hours in took:
        return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]), {"MUG": 1})
        receive(shop, return_id)
        inspect(shop, return_id)
        refund_id = refunds.propose(boss, return_id, now=NOW)
        session.commit()
        drain()
        session.rollback()
        session.expire_all()
        with transaction():
            at = NOW - timedelta(hours=hours)
            session.execute(sa.update(Refund).where(Refund.id == refund_id).values(succeeded_at=NOW))
            session.execute(
                sa.update(Return).where(Return.id == return_id).values(submitted_at=at, closed_at=NOW)
            )
    found = read(shop)
    hours = {name: found.figure(name).value / 3600 for name in ("refund_median", "refund_p90")}
    assert hours == {"refund_median": 5, "refund_p90": 9}
    assert {found.figure(name).denominator for name in hours} == {10}, "over so many refunds"
    assert found.figure("partial_processing").value == Fraction(sum(took) * 3600, 10)
    refunded = sum(week.counts[1] for week in found.weeks)
    assert (refunded, sum(week.total for week in found.weeks)) == (10, 10)


def test_a_whole_order_is_no_partial_return(shop, gateways, session, drain):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 1)]))
    receive(shop, return_id)
    inspect(shop, return_id)
    refunds.propose(a_person(shop), return_id, now=NOW)
    session.commit()
    drain()
    assert read(shop).figure("partial_processing").denominator == 0


def test_satisfaction_counts_answers_of_the_period_about_parts_of_orders(shop, gateways, session):
    def one_of(units):
        return a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", units)]), {"MUG": 1})

    for score, days in ((5, 1), (4, 2), (2, 3), (5, 400)):
        put(session, one_of(3), score=score, scored_at=NOW - timedelta(days=days))
    put(session, one_of(1), score=1, scored_at=NOW - timedelta(days=1))  # the whole order went back
    found = read(shop)
    assert found.figure("satisfaction").value == Fraction(2, 3) and found.scores == (0, 1, 0, 1, 1)


def test_the_channel_narrows_everything_and_another_merchant_is_in_nothing(shop, gateways, session):
    mine = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]), {"MUG": 1})
    put(session, mine, channel="email", begun_at=NOW, score=5, scored_at=NOW - timedelta(hours=1))
    other = a_merchant()
    put(session, a_return(gateways, other, an_order(gateways, other)), score=1, scored_at=NOW, begun_at=NOW)
    assert read(shop, channel="email").figure("volume").numerator == 1
    assert read(shop, channel="phone").figure("volume").numerator == 0
    assert read(shop).scores == (0, 0, 0, 0, 1)
    with pytest.raises(NotFound):
        figures.read(a_person(other, "csr"), shop, **DAYS)
    with pytest.raises(NotAllowed):
        figures.read(a_person(shop, "warehouse"), shop, **DAYS)


def test_days_are_the_merchants_own_and_both_ends_are_in(shop, gateways, session):
    return_id = a_return(gateways, shop, an_order(gateways, shop))
    late = NOW.replace(hour=21, minute=59)  # 23:59 in Berlin, in summer
    put(session, return_id, submitted_at=late)
    assert read(shop).figure("volume").numerator == 1
    put(session, return_id, submitted_at=late + timedelta(minutes=1))
    assert read(shop).figure("volume").numerator == 0


def a_link(session, shop, return_id, *, opened, purpose="finish"):
    with transaction():
        link_id = uuid7()
        session.add(
            Link(
                id=link_id,
                merchant_id=shop,
                return_id=return_id,
                purpose=purpose,
                digest=link_id.hex,
                state="revoked",
                nonce=link_id.hex,
                expires_at=NOW + timedelta(days=1),
                created_at=NOW - timedelta(days=2),
                opened_at=opened,
            )
        )


def test_customers_initiation_begins_with_the_first_link_they_opened(shop, gateways, session):
    twice, once, unopened, later = (
        a_return(gateways, shop, an_order(gateways, shop), actor=a_person(shop)) for _ in range(4)
    )
    a_link(session, shop, twice, opened=NOW - timedelta(minutes=9))
    a_link(session, shop, twice, opened=NOW - timedelta(minutes=2))  # sent again, and opened again
    a_link(session, shop, once, opened=NOW - timedelta(minutes=3))
    a_link(session, shop, unopened, opened=None)  # an agent finished it
    a_link(session, shop, later, opened=NOW - timedelta(hours=1), purpose="status")  # only looked at it
    figure = read(shop).figure("initiation_customers")
    assert (figure.numerator, figure.denominator, figure.value) == (12 * 60, 2, Fraction(360))


def a_dispute(session, shop, return_id, *, opened=NOW, outcome="", number="1"):
    with transaction():
        session.add(
            Dispute(
                id=uuid7(),
                merchant_id=shop,
                return_id=return_id,
                number=f"DS-{number}",
                state="open" if not outcome else "resolved_customer",
                ground="amount",
                opened_at=opened,
                due_at=opened,
                outcome=outcome,
                closed_at=NOW if outcome else None,
            )
        )


def test_disputes_are_those_opened_in_the_period_over_its_returns(shop, gateways, session):
    made = [a_return(gateways, shop, an_order(gateways, shop)) for _ in range(4)]
    a_dispute(session, shop, made[0], number="1")
    a_dispute(session, shop, made[1], number="2", outcome="settled")
    a_dispute(session, shop, made[2], number="3", outcome="settled", opened=NOW - timedelta(days=400))
    put(session, made[3], channel="email")
    found = read(shop)
    assert found.figure("disputes").value == Fraction(2, 4)
    assert found.disputes == (("", 1), ("settled", 1))
    assert read(shop, channel="email").figure("disputes").value == 0


def test_outcomes_of_a_week_are_by_how_each_return_stands(shop, gateways, session):
    stands = (
        ("closed", "refunded"),
        ("closed", "none"),
        ("declined", "none"),
        ("canceled", "none"),
        ("expired", "none"),
        ("requested", "none"),
    )
    for state, refund_state in stands:
        put(
            session,
            a_return(gateways, shop, an_order(gateways, shop)),
            state=state,
            refund_state=refund_state,
            closed_reason="completed" if state == "closed" else "",
        )
    put(session, a_draft(a_person(shop), shop), begun_at=NOW)  # never submitted
    weeks = read(shop).weeks
    assert [sum(week.counts[n] for week in weeks) for n in range(5)] == [1, 1, 1, 1, 2]
    assert read(shop).figure("volume").numerator == 6


def test_an_entry_that_its_customer_finished_by_a_link_is_timed_as_theirs(shop, gateways, session):
    own, handed = (a_return(gateways, shop, an_order(gateways, shop), actor=a_person(shop)) for _ in range(2))
    put(session, own, begun_at=NOW - timedelta(minutes=4))
    put(session, handed, begun_at=NOW - timedelta(hours=30))
    a_link(session, shop, handed, opened=NOW - timedelta(minutes=2))
    found = read(shop)
    people, customers = (found.figure(f"initiation_{who}") for who in ("people", "customers"))
    assert (people.numerator, people.denominator) == (240, 1)
    assert (customers.numerator, customers.denominator) == (120, 1)


def test_what_was_canceled_of_an_order_is_not_left_with_the_customer(shop, gateways, session):
    return_id = a_return(gateways, shop, an_order(gateways, shop, [an_item("MUG", 2)]), {"MUG": 1})
    put(session, return_id, score=5, scored_at=NOW)
    assert read(shop).scores == (0, 0, 0, 0, 1)
    order_id = session.scalars(sa.select(Return.order_id).where(Return.id == return_id)).one()
    with transaction():
        session.execute(sa.update(OrderLine).where(OrderLine.order_id == order_id).values(canceled_units=1))
    assert read(shop).scores == (0, 0, 0, 0, 0)


def test_a_week_ends_at_the_shops_midnight_also_where_the_clocks_change(shop, gateways, session):
    sunday = datetime(
        2026, 3, 29, tzinfo=UTC
    )  # 23 hours long in Berlin: it begins at 23:00 and ends at 22:00
    moments = (
        sunday.replace(day=28, hour=22, minute=59, second=59),
        sunday.replace(day=28, hour=23),
        sunday.replace(hour=21, minute=59, second=59, microsecond=999_999),
        sunday.replace(hour=22),
    )
    for at in moments:
        put(session, a_return(gateways, shop, an_order(gateways, shop)), submitted_at=at)
    found = read(shop, since=sunday.date(), until=sunday.date() + timedelta(days=1))
    assert [(week.first.day, week.total) for week in found.weeks] == [(29, 2), (30, 1)]


def test_a_year_takes_as_many_statements_as_a_day(shop, gateways, session):
    a_return(gateways, shop, an_order(gateways, shop))

    def statements(days):
        with plans.watching() as sent:
            found = read(shop, since=TODAY - timedelta(days=days))
        assert found.figure("volume").numerator == 1
        return len(sent)

    read(shop)
    assert statements(0) == statements(365) <= 10

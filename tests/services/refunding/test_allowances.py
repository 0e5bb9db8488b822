"""A refund without a return: a part of the price goes back, the goods stay, and a later return gives the rest."""

import threading

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed, NotFound
from portal.core.refunds.overrides import Overrides
from portal.db import returns as stored
from portal.db.mails import Mail
from portal.db.returns import Link
from portal.services.proofs import audit
from portal.services.refunding import allowances, refunds
from portal.services.refunding.allowances import Allowance, Wish
from portal.services.talking import notices
from tests.builders import (
    NOW,
    SITE,
    a_merchant,
    a_person,
    a_return,
    an_item,
    an_order,
    as_it_is,
    came_back,
    terms,
)


@pytest.fixture
def shop(session):
    return a_merchant()


def wish(order, units=1, *, amount=None, percent=None, **more):
    line = Allowance(line_id=order.items[0].id, units=units, amount=amount, percent_bp=percent)
    return Wish(**{"lines": (line,), "reason": "arrived_damaged", "note": "A scratch", **more})


def create(actor, order, wanted, **more):
    return allowances.create(actor, order.id, wanted, site=SITE, now=NOW, **more)


def test_the_customer_keeps_the_goods_gets_a_part_and_follows_it_by_a_link(shop, gateways, session, drain):
    boss = a_person(shop)
    order = an_order(gateways, shop, [an_item("LAMP", 2, "50.00", tax="15.97")])
    shown = allowances.proposal(boss, order.id, wish(order, amount=1000), now=NOW)
    return_id = create(boss, order, wish(order, amount=1000, message="Sorry about it."), shown=shown.shown)
    session.commit()
    row = stored.get(return_id)
    assert (row.kind, row.state, row.estimate_minor) == ("partial_refund_keep", "approved", 1000)
    assert session.scalar(sa.select(Link.purpose).where(Link.return_id == return_id)) == "status"
    drain()
    session.rollback()
    session.expire_all()
    row = stored.get(return_id)
    assert (row.state, row.refund_state, row.closed_reason) == ("closed", "refunded", "completed")
    told = {mail.event: mail for mail in notices.of_return(return_id)}
    assert set(told) >= {"refund_granted", "refunded"}
    assert "Sorry about it." in told["refund_granted"].text and "10.00" in told["refund_granted"].text
    line = as_it_is(order).items[0]
    assert line.refunded == 1000 and line.returnable_units == 2, "nothing came back, all may still"
    assert audit.verify().problems == []


def test_a_later_return_of_the_unit_gives_the_rest(shop, gateways, session, drain):
    boss = a_person(shop)
    order = an_order(gateways, shop, [an_item("LAMP", 1, "50.00")])
    create(boss, order, wish(order, percent=2000))
    session.commit()
    drain()
    return_id = came_back(gateways, shop, as_it_is(order))
    refund = refunds.one(boss, refunds.propose(boss, return_id, now=NOW))
    assert refund.amount == 4000
    session.commit()
    drain()
    assert as_it_is(order).items[0].refundable == 0
    assert audit.verify().problems == []


def test_an_amount_or_a_percentage_of_what_the_units_cost(shop, gateways):
    boss = a_person(shop)
    order = an_order(gateways, shop, [an_item("LAMP", 3, "9.33", discount="0.01")])
    quoted = [
        allowances.proposal(boss, order.id, wish(order, units, percent=5000), now=NOW).due.amount
        for units in (1, 2, 3)
    ]
    assert quoted == [467, 933, 1399], "half of 9.33, 18.65 and 27.98"
    assert stored.lines_of(order.id) == [] and as_it_is(order).refunded == 0, "nothing is kept"


@pytest.mark.parametrize(
    ("given", "code", "maximum"),
    [
        ({"amount": 5001}, "too_much", 5000),
        ({"units": 3, "amount": 1}, "more_than_kept", 2),
        ({"amount": -1}, "negative_amount", None),
        ({"units": -1, "amount": 1}, "negative_units", None),
        ({"amount": 0}, "amount_missing", None),
        ({"units": 0, "amount": 1}, "nothing_chosen", None),
        ({"amount": 1, "note": " "}, "reason_missing", None),
        ({"amount": 1, "reason": "because"}, "unknown_reason", None),
    ],
)
def test_what_cannot_be_given_is_refused_with_the_maximum(shop, gateways, given, code, maximum):
    order = an_order(gateways, shop, [an_item("LAMP", 2, "50.00")])
    with pytest.raises(Conflict) as conflict:
        create(a_person(shop), order, wish(order, **given))
    assert conflict.value.code == code and conflict.value.details.get("maximum") == maximum


def test_units_in_a_return_are_not_kept(shop, gateways):
    order = an_order(gateways, shop, [an_item("LAMP", 2, "50.00")])
    a_return(gateways, shop, order, {"LAMP": 1})
    with pytest.raises(Conflict) as conflict:
        create(a_person(shop), as_it_is(order), wish(order, 2, amount=100))
    assert (conflict.value.code, conflict.value.details["maximum"]) == ("more_than_kept", 1)


def test_limits_and_four_eyes_are_the_same_as_of_every_refund(session, gateways):
    shop = a_merchant(terms=terms(two_people_above=2000))
    boss, order = a_person(shop), an_order(gateways, shop, [an_item("LAMP", 1, "50.00")])
    return_id = create(boss, order, wish(order, amount=2001))
    refund = refunds.of_return(return_id)[0]
    assert refund.state == "pending_approval"
    with pytest.raises(Conflict, match="four_eyes"):
        refunds.approve(boss, refund.id, now=NOW)
    refunds.approve(a_person(shop), refund.id, now=NOW)
    assert refunds.of_return(return_id)[0].state == "approved"
    assert "refund_granted" in [mail.event for mail in session.scalars(sa.select(Mail))]


def test_given_up_it_is_withdrawn_and_everything_can_be_given_again(shop, gateways, session):
    agent, order = a_person(shop, "csr"), an_order(gateways, shop, [an_item("LAMP", 1, "50.00")])
    return_id = create(agent, order, wish(order, amount=5000))
    refunds.cancel(agent, refunds.of_return(return_id)[0].id, reason="Wrong order", now=NOW)
    session.commit()
    assert stored.get(return_id).state == "canceled" and as_it_is(order).refunded == 0
    create(agent, order, wish(order, amount=5000))


def test_the_same_form_twice_makes_one(shop, gateways):
    boss, order = a_person(shop), an_order(gateways, shop)
    ids = {create(boss, order, wish(order, amount=100), nonce="once") for _ in range(2)}
    assert len(ids) == 1


def test_strangers_and_the_warehouse_give_nothing(shop, gateways, session):
    order = an_order(gateways, shop)
    with pytest.raises(NotFound):
        create(a_person(a_merchant()), order, wish(order, amount=100))
    with pytest.raises(NotAllowed):
        create(a_person(shop, "warehouse"), order, wish(order, amount=100))


def test_the_same_form_many_times_at_once_is_one_refund(app, shop, gateways, session):
    boss = a_person(shop)
    order = an_order(gateways, shop, [an_item("LAMP", 2, "50.00")])
    session.commit()
    together, answers = threading.Barrier(4), []

    def press() -> None:
        with app.app_context():
            together.wait()
            try:
                answers.append(create(boss, order, wish(order, amount=1000), nonce="one form"))
            except Exception as problem:
                answers.append(problem)

    people = [threading.Thread(target=press) for _ in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    session.rollback()
    assert len(set(answers)) == 1 and len(answers) == 4, answers
    assert [refund.amount for refund in refunds.of_return(answers[0])] == [1000]
    assert as_it_is(order).items[0].refunded == 1000


def test_what_waits_for_approval_can_be_changed_within_what_is_left_of_the_price(session, gateways):
    shop = a_merchant(terms=terms(two_people_above=500))
    boss, order = a_person(shop), an_order(gateways, shop, [an_item("LAMP", 1, "50.00")])
    create(boss, order, wish(order, amount=2000, note="Scratch"))
    refund = refunds.listing(boss)[0]
    line = order.items[0].id
    with pytest.raises(Conflict) as conflict:
        refunds.revise(boss, refund.id, overrides=Overrides(amounts=((line, 5001),), reason="More"), now=NOW)
    assert (conflict.value.code, conflict.value.details["maximum"]) == ("too_much", 5000)
    refunds.revise(boss, refund.id, overrides=Overrides(amounts=((line, 3000),), reason="More"), now=NOW)
    refunds.approve(a_person(shop), refund.id, now=NOW)
    session.commit()
    assert refunds.listing(boss)[0].amount == 3000 and as_it_is(order).items[0].refunded == 3000
    assert audit.verify().problems == []

"""Two people for much money: limits by role, sums of a day, four eyes, and approvals that a change makes void."""

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.core.access import Conflict, NotAllowed
from portal.core.lifecycles import IllegalStep
from portal.core.refunds.overrides import Overrides
from portal.db.base import db
from portal.db.history import Happening
from portal.db.orders import OrderLine
from portal.db.refunds import Approval, Payout, Refund
from portal.services.paying import approvals, bank_accounts, byhand, payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from portal.settings import BadSettings, Settings
from tests.builders import (
    NOW,
    a_customer,
    a_merchant,
    a_payment,
    a_person,
    an_item,
    an_order,
    came_back,
    terms,
)


@pytest.fixture
def shop(session):
    return a_merchant(
        terms=terms(refund_limits=(("supervisor", 5000),), two_people_above=20000, goodwill_cap=1000)
    )


def back(gateways, shop, price="10.00", *, units=1, **more):
    order = an_order(gateways, shop, [an_item("MUG", units, price)], **more)
    return came_back(gateways, shop, order)


def made(actor, return_id, **more):
    return refunds.one(actor, refunds.propose(actor, return_id, now=NOW, **more))


def names(refund):
    return [(one.person, one.role, one.void) for one in refund.approvals]


def test_within_the_limit_one_person_asks_and_approves(shop, gateways):
    boss = a_person(shop)
    refund = made(boss, back(gateways, shop, "50.00"))
    assert refund.state in ("approved", "pending")
    assert names(refund) == [("Demo supervisor", "supervisor", False)]


def test_above_the_limit_a_second_person_is_needed_and_the_page_says_so(shop, gateways):
    boss, other = a_person(shop), a_person(shop)
    refund = made(boss, back(gateways, shop, "50.01"))
    assert refund.state == "pending_approval"
    standing = approvals.standings_of([refund.id], now=NOW)[refund.id]
    assert standing.people_missing == 1 and standing.total == 5001
    refunds.approve(boss, refund.id, now=NOW)
    assert refunds.one(boss, refund.id).state == "pending_approval", "twice the same person is one"
    refunds.approve(other, refund.id, now=NOW)
    found = refunds.one(boss, refund.id)
    assert found.state == "approved" and len(found.approvals) == 2


def test_one_without_a_limit_of_its_own_is_enough(shop, gateways):
    refund = made(a_person(shop), back(gateways, shop, "150.00"))
    refunds.approve(a_person(shop, "finance"), refund.id, now=NOW)
    assert refunds.one(a_person(shop), refund.id).state == "approved"


@pytest.mark.parametrize("role", ["supervisor", "finance", "admin"])
def test_above_the_threshold_nobody_approves_what_they_asked_for_in_any_role(shop, gateways, role):
    """G16: not by another role, and not in another session: it is the person that counts."""
    asked = a_person(shop, "admin")
    refund = made(asked, back(gateways, shop, "200.01"))
    assert refund.state == "pending_approval" and refund.approvals == ()
    same_in_another_role = type(asked)(kind="person", id=asked.id, name=asked.name, roles={shop: role})
    with pytest.raises(Conflict) as conflict:
        refunds.approve(same_in_another_role, refund.id, now=NOW)
    assert (conflict.value.code, conflict.value.details["amount"]) == ("four_eyes", 20000)
    refunds.approve(a_person(shop, "finance"), refund.id, now=NOW)
    assert refunds.one(asked, refund.id).state == "approved"


def test_refunds_of_a_day_count_together_for_a_customer(shop, gateways):
    boss = a_person(shop)
    first = made(boss, back(gateways, shop, "30.00", email="one@customer.example"))
    assert first.state == "approved"
    second = made(boss, back(gateways, shop, "30.00", email="one@customer.example"))
    assert second.state == "pending_approval", "60.00 within a day is above 50.00"
    other = made(boss, back(gateways, shop, "30.00", email="two@customer.example"))
    assert other.state == "approved"
    refunds.cancel(boss, second.id, now=NOW)
    later = NOW + timedelta(hours=24, seconds=1)
    again = refunds.propose(boss, second.return_id, now=later)
    assert refunds.one(boss, again).state == "approved", "a day later it stands alone"


def test_refunds_of_a_day_count_together_for_a_payment_of_two_customers(shop, gateways):
    boss = a_person(shop)
    shared = {"reference": "shared-card", "captured": "60.00"}
    for email in ("one@customer.example", "two@customer.example"):
        paid = (a_payment("card", "30.00", **shared),)
        last = made(boss, back(gateways, shop, "30.00", email=email, paid=paid))
    assert last.state == "pending_approval"


def test_an_agent_within_the_limit_of_the_role_needs_nobody(session, gateways):
    shop = a_merchant(terms=terms(refund_limits=(("csr", 2000),)))
    agent = a_person(shop, "csr")
    assert made(agent, back(gateways, shop, "20.00", email="a@customer.example")).state == "approved"
    above = made(agent, back(gateways, shop, "20.01", email="b@customer.example"))
    assert above.state == "pending_approval"
    with pytest.raises(NotAllowed):
        refunds.approve(agent, above.id, now=NOW)


def test_a_change_makes_every_approval_void_and_whoever_changed_it_cannot_approve(shop, gateways, session):
    asked, first, second = a_person(shop, "csr"), a_person(shop), a_person(shop)
    refund = made(asked, back(gateways, shop, "210.00"))
    refunds.approve(first, refund.id, now=NOW)
    line = refund.breakdown.lines[0].line_id
    refunds.revise(first, refund.id, overrides=Overrides(amounts=((line, 20500),), reason="Scratch"), now=NOW)
    found = refunds.one(asked, refund.id)
    assert (found.state, found.amount) == ("pending_approval", 20500)
    assert names(found) == [("Demo supervisor", "supervisor", True)], "kept for the history, void"
    with pytest.raises(Conflict, match="four_eyes"):
        refunds.approve(first, refund.id, now=NOW)
    refunds.approve(second, refund.id, now=NOW)
    assert refunds.one(asked, refund.id).state == "pending_approval", (
        "500.00 is not enough for one supervisor"
    )
    refunds.approve(a_person(shop, "finance"), refund.id, now=NOW)
    assert refunds.one(asked, refund.id).state == "approved"
    session.commit()
    assert session.scalar(sa.select(OrderLine.refunded_minor)) == 20500
    assert audit.verify().problems == []


def test_an_approval_of_what_was_seen_before_a_change_is_refused(shop, gateways):
    asked, boss = a_person(shop, "csr"), a_person(shop, "finance")
    refund = made(asked, back(gateways, shop, "40.00"))
    line = refund.breakdown.lines[0].line_id
    refunds.revise(asked, refund.id, overrides=Overrides(amounts=((line, 3900),), reason="Worn"), now=NOW)
    with pytest.raises(Conflict, match="refund_revised"):
        refunds.approve(boss, refund.id, seen=refund.digest, now=NOW)
    refunds.approve(boss, refund.id, seen=refunds.one(boss, refund.id).digest, now=NOW)
    with pytest.raises(IllegalStep):
        refunds.revise(asked, refund.id, overrides=Overrides(reason="Late"), now=NOW)


def test_a_change_to_the_same_and_back_again_needs_new_approvals(shop, gateways):
    asked, boss = a_person(shop, "csr"), a_person(shop)
    refund = made(asked, back(gateways, shop, "60.00"))
    refunds.approve(boss, refund.id, now=NOW)
    line = refund.breakdown.lines[0].line_id
    with pytest.raises(Conflict, match="nothing_changed"):
        refunds.revise(asked, refund.id, overrides=Overrides(), now=NOW)
    refunds.revise(asked, refund.id, overrides=Overrides(amounts=((line, 5900),), reason="Worn"), now=NOW)
    refunds.revise(asked, refund.id, overrides=Overrides(), now=NOW)
    found = refunds.one(asked, refund.id)
    assert found.amount == 6000 and [one.void for one in found.approvals] == [True]
    refunds.approve(boss, refund.id, now=NOW)
    assert [one.void for one in refunds.one(asked, refund.id).approvals] == [True, False]


def test_every_override_stands_in_the_history_with_before_after_and_reason(shop, gateways, session):
    boss = a_person(shop, "finance")
    paid = (a_payment("gift_card", "15.00"), a_payment("card"))
    order = an_order(gateways, shop, [an_item("MUG", 2, "20.00")], paid=paid)
    return_id = came_back(gateways, shop, order)
    gift, card = (next(p.id for p in order.payments if p.tender == one) for one in ("gift_card", "card"))
    decided = Overrides(
        amounts=((order.items[0].id, 3000),),
        goodwill=100,
        tenders=((gift, 900), (card, 2200)),
        reason="Stain",
    )
    with pytest.raises(Conflict, match="reason_missing"):
        refunds.propose(boss, return_id, overrides=Overrides(tenders=decided.tenders), now=NOW)
    refund = made(boss, return_id, overrides=decided)
    assert refund.amount == 3100 and refund.overrides == decided
    session.commit()
    told = session.scalar(sa.select(Happening.details).where(Happening.what == "refund.overridden"))
    assert told["reason_given"] == "Stain"
    changed = {row["code"]: (row["basis"]["before"], row["basis"]["after"]) for row in told["changes"]}
    assert changed["goodwill"] == (0, 100)
    assert sum(after - before for before, after in changed.values()) == 3100 - 4000
    assert {(row["tender"], row["after"]) for row in told["tenders"]} == {("gift_card", 900), ("card", 2200)}
    assert {(p.tender, p.amount) for p in refund.payouts} == {("gift_card", 900), ("card", 2200)}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (lambda line, card: Overrides(amounts=((line, 4001),), reason="x"), "too_much"),
        (lambda line, card: Overrides(amounts=((line, -1),), reason="x"), "negative_amount"),
        (lambda line, card: Overrides(goodwill=1001, reason="x"), "too_much"),
        (lambda line, card: Overrides(tenders=((card, 4001),), reason="x"), "too_much"),
        (lambda line, card: Overrides(tenders=((card, 3999),), reason="x"), "tenders_differ"),
        (lambda line, card: Overrides(amounts=((card, 1),), reason="x"), "unknown_override"),
        (lambda line, card: Overrides(waived=("paid",), reason="x"), "unknown_override"),
        (lambda line, card: Overrides(way="barter", reason="x"), "unknown_override"),
    ],
)
def test_what_a_person_names_is_refused_where_it_cannot_be(shop, gateways, given, code):
    order = an_order(gateways, shop, [an_item("MUG", 2, "20.00")])
    return_id = came_back(gateways, shop, order)
    overrides = given(order.items[0].id, order.payments[0].id)
    with pytest.raises(Conflict) as conflict:
        refunds.quote(a_person(shop), return_id, overrides=overrides, now=NOW)
    assert conflict.value.code == code
    if code == "too_much" and overrides.amounts:
        assert conflict.value.details["maximum"] == 4000
        assert conflict.value.details["line"] == str(order.items[0].id)
    if code == "too_much" and overrides.tenders:
        assert conflict.value.details["payment"] == str(order.payments[0].id)


def test_what_was_shown_is_what_is_made(shop, gateways):
    boss = a_person(shop)
    order = an_order(gateways, shop, [an_item("MUG", 1, "20.00"), an_item("CUP", 1, "9.00")])
    return_id = came_back(gateways, shop, order, {"MUG": 1})
    shown = refunds.proposal(boss, return_id, overrides=Overrides(goodwill=100, reason="…"), now=NOW)
    assert shown.due.amount == 2100 and shown.plain.amount == 2000 and shown.standing.is_complete
    with pytest.raises(Conflict, match="amount_changed"):
        made(boss, return_id, overrides=Overrides(goodwill=200, reason="Late"), shown=shown.shown)
    refund = made(boss, return_id, overrides=Overrides(goodwill=100, reason="Late"), shown=shown.shown)
    assert refund.amount == 2100


def test_a_proposal_says_who_would_have_to_approve(shop, gateways):
    return_id = back(gateways, shop, "200.01")
    for role, missing in (("csr", 2), ("finance", 2)):
        found = refunds.proposal(a_person(shop, role), return_id, overrides=Overrides(), now=NOW)
        assert found.standing.people_missing == missing and found.standing.needs_two
    small = refunds.proposal(
        a_person(shop),
        back(gateways, shop, "50.01", email="x@customer.example"),
        overrides=Overrides(),
        now=NOW,
    )
    assert small.standing.people_missing == 1 and not small.standing.needs_two


def test_a_change_is_shown_without_being_made(shop, gateways, session):
    asked = a_person(shop, "csr")
    refund = made(asked, back(gateways, shop, "40.00"))
    line = refund.breakdown.lines[0].line_id
    shown = refunds.revision(
        asked, refund.id, overrides=Overrides(amounts=((line, 3000),), reason="x"), now=NOW
    )
    assert shown.due.amount == 3000
    assert refunds.one(asked, refund.id).amount == 4000
    assert session.scalar(sa.select(OrderLine.refunded_minor)) == 4000


def test_store_credit_and_hand_are_ways_that_a_person_chooses(shop, gateways):
    finance = a_person(shop, "finance")
    for way in ("bank_transfer", "manual"):
        refund = made(
            finance, back(gateways, shop, email=f"{way}@customer.example"),
            overrides=Overrides(way=way, reason="Card closed"),
        )  # fmt: skip
        assert [payout.provider for payout in refund.payouts] == [way]


def test_who_waits_for_whom_is_known(shop, gateways):
    asked, boss, agent = a_person(shop, "finance"), a_person(shop), a_person(shop, "csr")
    refund = made(asked, back(gateways, shop, "200.01"))
    assert approvals.waiting_for(asked, now=NOW) == ()
    assert approvals.waiting_for(boss, now=NOW) == (refund.id,)
    assert approvals.waiting_for(agent, now=NOW) == ()
    refunds.approve(boss, refund.id, now=NOW)
    assert approvals.waiting_for(boss, now=NOW) == (), "has said so already"


def at_once(app, *acts):
    """Every act in a thread and a session of its own, begun together; answers what each raised, or None."""
    start, ends = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place, act):
        with app.app_context():
            start.wait()
            try:
                act()
            except Exception as problem:
                ends[place] = problem
            finally:
                db.session.remove()

    threads = [threading.Thread(target=run, args=(place, act)) for place, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return ends


def test_two_who_approve_at_once_send_it_once(app, shop, gateways, session):
    refund = made(a_person(shop, "csr"), back(gateways, shop, "40.00"))
    session.commit()
    people = [a_person(shop, "finance") for _ in range(4)]
    ends = at_once(app, *(lambda who=who: refunds.approve(who, refund.id, now=NOW) for who in people))
    assert ends == [None] * 4
    session.rollback()
    assert session.scalar(sa.select(sa.func.count()).select_from(Payout)) == 1
    assert session.scalar(sa.select(sa.func.count()).select_from(Approval)) == 1


def test_a_change_during_an_approval_never_sends_what_nobody_approved(app, shop, gateways, session):
    asked, boss = a_person(shop, "csr"), a_person(shop, "finance")
    refund = made(asked, back(gateways, shop, "40.00"))
    line = refund.breakdown.lines[0].line_id
    session.commit()
    less = Overrides(amounts=((line, 3000),), reason="Worn")
    ends = at_once(
        app,
        lambda: refunds.approve(boss, refund.id, seen=refund.digest, now=NOW),
        lambda: refunds.revise(asked, refund.id, overrides=less, now=NOW),
    )
    session.rollback()
    found = refunds.one(boss, refund.id)
    won = [end is None for end in ends]
    assert won in ([True, False], [False, True])
    assert (found.state, found.amount) == (("approved", 4000) if won[0] else ("pending_approval", 3000))
    assert audit.verify().problems == []


def test_two_small_refunds_at_once_do_not_slip_past_the_sum_of_a_day(app, shop, gateways, session):
    boss = a_person(shop)
    ids = [
        made(a_person(shop, "csr"), back(gateways, shop, "30.00", email="one@customer.example")).id
        for _ in range(2)
    ]
    session.commit()
    at_once(app, *(lambda one=one: refunds.approve(boss, one, now=NOW) for one in ids))
    session.rollback()
    states = session.scalars(sa.select(Refund.state).order_by(Refund.state)).all()
    assert states == ["approved", "pending_approval"], "60.00 within a day need a second person"


def test_above_the_threshold_whoever_asked_neither_redirects_it_nor_says_that_it_was_paid(shop, gateways):
    asked, other = a_person(shop, "finance"), a_person(shop, "finance")
    paid = (a_payment(ending="-fails"),)
    refund = made(asked, back(gateways, shop, "200.01", paid=paid))
    refunds.approve(other, refund.id, now=NOW)
    payouts.send(refund.id, gateways=gateways, now=NOW)
    failed = refunds.one(asked, refund.id).payouts[0]
    assert failed.state == "failed"
    with pytest.raises(Conflict, match="four_eyes"):
        byhand.redirect(asked, failed.id, provider="manual", reason="Closed", now=NOW)
    with pytest.raises(Conflict, match="four_eyes"):
        byhand.settle_by_hand(asked, failed.id, proof="Receipt", now=NOW)
    byhand.settle_by_hand(other, failed.id, proof="Receipt", now=NOW)
    assert refunds.one(asked, refund.id).state == "succeeded"


def test_above_the_threshold_whoever_asked_takes_nothing_off_a_code_again(shop, gateways):
    asked, other = a_person(shop, "finance"), a_person(shop, "finance")
    refund = made(asked, back(gateways, shop, "200.01", paid=(a_payment("store_credit", reference="SC-1"),)))
    refunds.approve(other, refund.id, now=NOW)
    payouts.send(refund.id, gateways=gateways, now=NOW)
    paid = refunds.one(asked, refund.id).payouts[0]
    assert paid.state == "succeeded"
    with pytest.raises(Conflict, match="four_eyes"):
        byhand.reclaim(asked, paid.id, reason="In cash instead", now=NOW)
    byhand.reclaim(other, paid.id, reason="In cash instead", now=NOW)
    assert refunds.one(asked, refund.id).state == "failed"


def test_above_the_threshold_whoever_asked_does_not_say_to_which_account_it_goes(shop, gateways):
    asked, other = a_person(shop, "finance"), a_person(shop, "finance")
    return_id = back(gateways, shop, "200.01", paid=(a_payment("bank_transfer"),))
    refund = made(asked, return_id)
    refunds.approve(other, refund.id, now=NOW)
    payouts.send(refund.id, gateways=gateways, now=NOW)
    account = {"holder": "Demo Customer", "iban": "NL91 ABNA 0417 1643 00", "gateways": gateways, "now": NOW}
    with pytest.raises(Conflict, match="four_eyes"):
        bank_accounts.give(asked, return_id, **account)
    assert bank_accounts.given(return_id) == ""
    bank_accounts.give(a_customer(return_id, shop), return_id, **account)
    assert bank_accounts.given(return_id)


def test_what_the_sum_of_a_day_lifts_above_the_threshold_is_not_redirected_by_whoever_asked(shop, gateways):
    asked, other = a_person(shop, "finance"), a_person(shop, "finance")
    first = made(asked, back(gateways, shop, "150.00", paid=(a_payment(ending="-fails"),)))
    second = made(asked, back(gateways, shop, "150.00", paid=(a_payment(ending="-fails"),)))
    assert (first.state, second.state) == ("approved", "pending_approval")
    refunds.approve(other, second.id, now=NOW)
    for refund in (first, second):
        payouts.send(refund.id, gateways=gateways, now=NOW)
    mine, theirs = (refunds.one(asked, refund.id).payouts[0].id for refund in (first, second))
    with pytest.raises(Conflict, match="four_eyes"):
        byhand.redirect(asked, theirs, provider="manual", reason="Closed", now=NOW)
    byhand.redirect(asked, mine, provider="manual", reason="Closed", now=NOW)
    byhand.redirect(other, theirs, provider="manual", reason="Closed", now=NOW)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_installations_threshold_counts_where_the_policy_names_none(make_app):
    app = make_app(APPROVAL_THRESHOLD="99.50")
    with app.app_context():
        gateways = app.extensions["gateways"]
        plain, own = a_merchant(), a_merchant(terms=terms(two_people_above=100_000))
        states = {
            (shop, price): made(
                a_person(shop), back(gateways, shop, price, email=f"{price}@customer.example")
            ).state
            for shop in (plain, own)
            for price in ("99.50", "99.51")
        }
    assert states[plain, "99.50"] == states[own, "99.51"] == "approved"
    assert states[plain, "99.51"] == "pending_approval"


@pytest.mark.parametrize("given", ["-1", "much", "NaN", "1e999999999"])
def test_a_threshold_that_is_no_amount_stops_the_start(given):
    with pytest.raises(BadSettings, match="APPROVAL_THRESHOLD"):
        Settings.from_env({"APPROVAL_THRESHOLD": given})

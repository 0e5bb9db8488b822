"""The gateway's list beside ours: one to one, to the cent; what differs is told with both sides."""

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from portal.db.base import transaction
from portal.db.refunds import Payout
from portal.ports import Unavailable
from portal.services import jobs, tasks, work
from portal.services.gateways import reconcile
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, as_it_is, came_back

LATER = NOW + timedelta(hours=2)
EVER = NOW - timedelta(days=10)


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@pytest.fixture
def sandbox(gateways):
    return gateways.payments["sandbox"]


def refunded(gateways, shop, session, ending="", price="20.00"):
    order = an_order(gateways, shop, [an_item("MUG", 1, price)], paid=[a_payment("card", ending=ending)])
    refund_id = refunds.propose(a_person(shop, "finance"), came_back(gateways, shop, order), now=NOW)
    payouts.send(refund_id, gateways=gateways, now=NOW)
    session.rollback()
    session.expire_all()
    return order, refund_id, session.scalar(sa.select(Payout).where(Payout.refund_id == refund_id))


def run(gateways, now=LATER):
    return reconcile.run(gateways=gateways, now=now, since=EVER)


def test_what_agrees_is_counted_and_nothing_is_said(shop, finance, gateways, session):
    for ending in ("", "-pending", "-fails", "-asks"):
        refunded(gateways, shop, session, ending)
    report = run(gateways)
    assert report.agrees and report.checked["sandbox"] == {
        "refunds": 4,
        "released": 0,
        "transfers": 4,
        "outside": 0,
        "foreign": 0,
        "disputes": 0,
    }
    assert [task.kind for task in tasks.listing(finance)] == ["refund_failed"]


def test_a_cent_of_drift_is_a_task_with_both_sides_until_it_agrees_again(
    shop, finance, gateways, sandbox, session
):
    _, refund_id, payout = refunded(gateways, shop, session)
    reference = payout.provider_reference
    sandbox.end(reference, "succeeded", amount=2001)
    for _ in range(2):
        report = run(gateways)
        (drift,) = report.drifts
        assert (drift.what, drift.ours["amount"], drift.theirs["amount"]) == ("amount", 2000, 2001)
        (task,) = tasks.listing(finance, kind="drift")
        assert task.subject_id == refund_id and task.details["ours"]["ledger"] == 2000
        assert task.details["theirs"]["reference"] == reference
    assert refunds.one(finance, refund_id).state == "succeeded", "nothing is repaired in silence"
    sandbox.end(reference, "succeeded", amount=2000)
    assert run(gateways).agrees and tasks.listing(finance, kind="drift") == ()
    (closed,) = tasks.listing(finance, kind="drift", state="done")
    assert closed.note == "agrees"


def test_a_state_that_moved_on_is_taken_over_on_the_way(shop, finance, gateways, sandbox, session):
    _, pending, _ = refunded(gateways, shop, session, "-pending")
    order, late, payout = refunded(gateways, shop, session)
    sandbox.settle()
    sandbox.end(payout.provider_reference, "failed", error="account closed")
    report = run(gateways)
    assert report.agrees, report.drifts
    assert [refunds.one(finance, one).state for one in (pending, late)] == ["succeeded", "failed"]
    assert as_it_is(order).payments[0].left == 2000 and audit.verify().problems == []


def test_a_lost_answer_is_found_in_the_list(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, paid=[a_payment("card", ending="-unavailable")])
    refund_id = refunds.propose(finance, came_back(gateways, shop, order), now=NOW)
    with pytest.raises(Unavailable):
        payouts.send(refund_id, gateways=gateways, now=NOW)
    assert run(gateways).agrees
    assert refunds.one(finance, refund_id).state == "succeeded"


def test_a_refund_that_the_gateway_has_lost_is_a_task(shop, finance, gateways, sandbox, session):
    _, _, payout = refunded(gateways, shop, session)
    with sandbox._transaction() as theirs:
        theirs.execute("DELETE FROM made")
    assert reconcile.run(gateways=gateways, now=NOW + timedelta(minutes=5), since=EVER).agrees, (
        "the list lags"
    )
    (drift,) = run(gateways).drifts
    assert (drift.what, drift.theirs, drift.ours["state"]) == ("missing_there", {}, "succeeded")
    assert "drift" in {task.kind for task in tasks.listing(finance)} and payout.state == "succeeded"


def test_a_ledger_that_says_otherwise_is_told(shop, finance, gateways, session):
    from portal.core.refunds.ledger import Transfer
    from portal.services.ledgers import books

    _, refund_id, payout = refunded(gateways, shop, session)
    with transaction():
        wrong = Transfer(debit="refunds_payable", credit="clearing:sandbox", amount=1, currency="EUR")
        books.post(
            [wrong],
            kind="payout_settled",
            merchant_id=shop,
            refund_id=refund_id,
            payout_id=payout.id,
            now=NOW,
        )
    (drift,) = run(gateways).drifts
    assert (drift.what, drift.ours["ledger"], drift.theirs["amount"]) == ("ledger", 2001, 2000)


def test_two_refunds_under_one_key_are_told(shop, finance, gateways, sandbox, session):
    """What a gateway does that forgot the key too soon."""
    order, _, payout = refunded(gateways, shop, session)
    real, doubled = sandbox, []
    for told in real.refunds_since(EVER):
        doubled += [told, type(told)(**{**vars(told), "reference": "sandbox-00000099"})]

    class Forgetful:
        def __getattr__(self, name):
            return getattr(real, name)

        def refunds_since(self, moment):
            return iter(doubled)

    gateways.payments["sandbox"] = Forgetful()
    (drift,) = run(gateways).drifts
    assert (drift.what, drift.reference) == ("twice", "sandbox-00000099")


def test_refunds_made_over_there_are_found_without_any_event(shop, finance, gateways, sandbox, session):
    order = an_order(gateways, shop, [an_item("MUG", 2)])
    sandbox.learn("somebody-elses", captured=900, currency="EUR")
    sandbox.refund_outside("somebody-elses", 100)
    sandbox.refund_outside(f"{order.number}-card", 700)
    dispute = sandbox.dispute(f"{order.number}-card", 300)
    report = run(gateways)
    assert report.agrees
    assert (report.checked["sandbox"]["outside"], report.checked["sandbox"]["foreign"]) == (1, 1)
    assert as_it_is(order).payments[0].left == 1000
    assert {task.kind for task in tasks.listing(finance)} == {"outside_refund", "chargeback"}
    run(gateways)
    assert as_it_is(order).payments[0].left == 1000, dispute


def test_what_does_not_fit_into_the_caps_is_a_difference(shop, finance, gateways, sandbox, session):
    order, _, _ = refunded(gateways, shop, session, "-pending")
    sandbox.learn(f"{order.number}-card-pending", captured=2000, currency="EUR")
    with sandbox._transaction() as theirs:
        theirs.execute("UPDATE captures SET captured = 9000")
    sandbox.refund_outside(f"{order.number}-card-pending", 100)
    (drift,) = run(gateways).drifts
    assert (drift.what, drift.ours["amount"], drift.theirs["amount"]) == ("outside", 0, 100)


def test_a_gateway_that_does_not_answer_proves_nothing(shop, gateways, session):
    real = gateways.payments["sandbox"]

    class Away:
        def __getattr__(self, name):
            return getattr(real, name)

        def refunds_since(self, moment):
            raise Unavailable("no route")

    gateways.payments["sandbox"] = Away()
    report = run(gateways)
    assert not report.agrees and report.away == ["sandbox"]
    with pytest.raises(Unavailable):
        reconcile.daily(gateways=gateways, now=NOW)


def test_the_command_shows_both_sides_and_ends_with_one(app, shop, gateways, sandbox, session):
    _, _, payout = refunded(gateways, shop, session)
    session.commit()
    app.config["CLOCK"] = lambda: LATER
    runner = app.test_cli_runner()
    done = runner.invoke(args=["reconcile", "--once"])
    assert done.exit_code == 0 and "Everything agrees." in done.output
    sandbox.end(payout.provider_reference, "succeeded", amount=1999)
    done = runner.invoke(args=["reconcile", "--once", "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 1 and not told["agrees"]
    (drift,) = told["drifts"]
    assert (drift["ours"]["amount"], drift["theirs"]["amount"]) == (2000, 1999)
    done = runner.invoke(args=["reconcile", "--once"])
    assert done.exit_code == 1 and "1999" in done.stderr and "2000" in done.stderr


def test_every_day_is_reconciled_once_by_whichever_worker_comes_first(shop, gateways, session, drain):
    refunded(gateways, shop, session)
    session.commit()
    for _ in range(3):
        jobs.promise_of_the_day(now=NOW)
    promised = sorted(item.kind for item in work.listing() if item.kind in ("tidy", "reconcile"))
    assert promised == ["reconcile", "tidy"]
    session.rollback()
    drain()
    jobs.promise_of_the_day(now=NOW)
    assert not [item for item in work.listing() if item.kind in ("tidy", "reconcile")]
    jobs.promise_of_the_day(now=NOW + timedelta(days=1))
    assert len([item for item in work.listing() if item.kind in ("tidy", "reconcile")]) == 2

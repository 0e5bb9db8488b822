"""Refunds through Stripe over real HTTP, from the decision to the books: T05 to T07, T09 and T10 of reliability.md."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from portal.db.base import db
from portal.db.gateway import GatewayEvent
from portal.db.history import Happening
from portal.db.mails import Mail
from portal.db.refunds import Payout, Refund, Transfer
from portal.ports import Unavailable
from portal.services import tasks, work
from portal.services.gateways import gateway_events, looking, reconcile
from portal.services.paying import payouts
from portal.services.proofs import audit
from portal.services.refunding import refunds
from tests.builders import NOW, a_merchant, a_payment, a_person, an_item, an_order, as_it_is, came_back
from tests.stripe_server import running

CONFLUENCES = int(os.environ.get("CONFLUENCES", "12"))
"""Histories per database in which events come in any order and number; 1000 is the long form."""
HERE = "/inbound/payments/stripe"


@pytest.fixture
def server():
    with running() as started:
        started.advance(NOW.timestamp() - time.time())  # its calendar is that of the tests
        yield started


@pytest.fixture
def app(make_app, server):
    made = make_app(**server.environ(), STRIPE_TIMEOUT="2")
    made.config["CLOCK"] = lambda: NOW
    return made


@pytest.fixture
def gateways(app):
    """Without the breaker, which would make every test of three failures wait for half a minute."""
    built = app.extensions["gateways"]
    bare = replace(built, payments={"stripe": built.payments["stripe"]._inner})
    app.extensions["gateways"] = bare
    return bare


@pytest.fixture
def shop(session):
    return a_merchant()


@pytest.fixture
def finance(shop):
    return a_person(shop, "finance")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One refund of 20.00, decided and not sent yet, of a capture of 50.00."""

    order: Any
    capture: str
    refund_id: UUID


@pytest.fixture
def case(gateways, server, shop, finance, session):
    return a_case(gateways, server, shop, finance)


def a_case(gateways, server, shop, finance, *, card="visa", units=2):
    capture = server.payment(5_000, "EUR", card=card)
    items = [an_item("MUG", 2, "10.00"), an_item("BOWL", 1, "30.00")]
    order = an_order(gateways, shop, items, paid=[a_payment("card", reference=capture)])
    return_id = came_back(gateways, shop, order, {"MUG": units} if units else None)
    return Case(order=order, capture=capture, refund_id=refunds.propose(finance, return_id, now=NOW))


def send(gateways, refund_id, now: datetime = NOW) -> bool:
    """One try as a worker makes it; False where another one will be made."""
    try:
        payouts.send(refund_id, gateways=gateways, now=now)
    except Unavailable:
        return False
    return True


def the_payout(session, refund_id) -> Payout:
    session.rollback()
    session.expire_all()
    return session.scalars(sa.select(Payout).where(Payout.refund_id == refund_id)).one()


def the_state(session, refund_id) -> str:
    session.rollback()
    session.expire_all()
    return session.get_one(Refund, refund_id).state


def left(order) -> int:
    """What the order's payment may still give back."""
    return as_it_is(order).payments[0].left


def mails(session) -> list[str]:
    session.rollback()
    return list(session.scalars(sa.select(Mail.event).where(Mail.event == "refunded")))


def settled_once(session, server, case: Case) -> None:
    """One refund executed, one recorded, one mail, and everything adds up."""
    assert [(one["amount"], one["status"]) for one in server.refunds(case.capture)] == [(2_000, "succeeded")]
    payout = the_payout(session, case.refund_id)
    assert (payout.state, the_state(session, case.refund_id)) == ("succeeded", "succeeded")
    assert payout.provider_reference == server.refunds(case.capture)[0]["id"]
    assert left(case.order) == 3_000
    assert mails(session) == ["refunded"]
    assert {seen.key for seen in server.requests()} == {payout.key}, "the same key at every try"
    assert audit.verify().problems == []


# ------------------------------------------------------------------------------- T05 an answer that is ambiguous

AMBIGUOUS = [
    ("reset_before", {}),
    ("reset_after", {}),
    ("hang_before", {"seconds": 2.5}),
    ("hang_after", {"seconds": 2.5}),
    ("cut_body", {}),
    ("cut_json", {}),
    ("garbage", {}),
    ("error", {"status": 500}),
    ("error", {"status": 502, "after": True}),
    ("error", {"status": 503, "retry_after": 9}),
]


@pytest.mark.parametrize(
    ("trouble", "options"),
    AMBIGUOUS,
    ids=[f"{kind}{options.get('status', '')}" for kind, options in AMBIGUOUS],
)
def test_t05_an_ambiguous_answer_never_fails_never_frees_and_never_pays_twice(
    case, gateways, server, session, trouble, options
):
    server.fault(trouble, **options)
    assert send(gateways, case.refund_id) is False
    assert the_payout(session, case.refund_id).state == "unknown"
    assert the_state(session, case.refund_id) == "pending" and left(case.order) == 3_000
    assert mails(session) == []
    assert send(gateways, case.refund_id, NOW + timedelta(seconds=5)) is True
    settled_once(session, server, case)


def test_t05_a_gateway_that_cannot_be_reached_is_asked_until_it_can(case, gateways, server, session):
    server.down()
    for seconds in (0, 5, 20, 80):
        assert send(gateways, case.refund_id, NOW + timedelta(seconds=seconds)) is False
        assert the_payout(session, case.refund_id).state == "unknown"
    server.up()
    assert send(gateways, case.refund_id, NOW + timedelta(seconds=200)) is True
    settled_once(session, server, case)


def test_t05_a_lost_answer_is_found_by_look_up_and_nothing_is_sent_again(case, gateways, server, session):
    server.fault("reset_after")
    send(gateways, case.refund_id)
    send(gateways, case.refund_id, NOW + timedelta(seconds=5))
    assert len(server.requests()) == 1
    settled_once(session, server, case)


def test_t05_a_lost_answer_that_no_list_shows_yet_is_sent_again_under_the_same_key(
    case, gateways, server, session
):
    server.lag(listing=600)
    server.fault("reset_after")
    send(gateways, case.refund_id)
    assert send(gateways, case.refund_id, NOW + timedelta(seconds=5)) is True
    assert [seen.replayed for seen in server.requests()] == [False, True]
    settled_once(session, server, case)


def test_t05_after_the_key_is_forgotten_a_look_up_comes_before_any_sending(case, gateways, server, session):
    server.fault("hang_after", seconds=2.5)
    send(gateways, case.refund_id)
    server.fault("error", times=None, method="*", path="/v1", status=503)
    for hours in (1, 8, 20, 23):
        assert send(gateways, case.refund_id, NOW + timedelta(hours=hours)) is False
    server.mend()
    server.advance(26 * 3600)
    assert send(gateways, case.refund_id, NOW + timedelta(hours=26)) is True
    settled_once(session, server, case)


def test_t05_a_failure_kept_under_the_key_is_waited_out(case, gateways, server, session):
    server.fault("error", status=500, stored=True)
    for hours in (0, 1, 12):
        assert send(gateways, case.refund_id, NOW + timedelta(hours=hours)) is False
        assert the_payout(session, case.refund_id).state == "unknown"
    assert server.refunds() == []
    server.advance(25 * 3600)
    assert send(gateways, case.refund_id, NOW + timedelta(hours=25)) is True
    settled_once(session, server, case)


@pytest.mark.parametrize("trouble", ["wrong_amount", "wrong_currency", "wrong_capture"])
def test_t05_a_wrong_echo_is_put_aside_for_a_person_and_is_no_failure(
    case, gateways, server, session, finance, trouble
):
    server.fault(trouble)
    send(gateways, case.refund_id)
    payout = the_payout(session, case.refund_id)
    assert payout.state == "requires_action" and the_state(session, case.refund_id) == "pending"
    (task,) = tasks.listing(finance, kind="wrong_answer")
    assert task.subject_id == case.refund_id
    assert left(case.order) == 3_000 and mails(session) == [], "nothing is free, nothing is promised"
    assert len(server.refunds()) == 1


def test_t05_a_wrong_id_does_not_lose_what_was_paid(case, gateways, server, session):
    server.fault("wrong_id")
    send(gateways, case.refund_id)
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(days=2))
    payout = the_payout(session, case.refund_id)
    assert payout.state == "succeeded" and len(server.refunds()) == 1
    assert audit.verify().problems == []


# ---------------------------------------------------------------------- T06 events in any order, number and loss


def canonical(session, case: Case) -> tuple[Any, ...]:
    """Everything that is written down of a refund, without ids and moments."""
    payout = the_payout(session, case.refund_id)
    postings = session.execute(
        sa.select(Transfer.debit, Transfer.credit, Transfer.amount_minor, Transfer.kind)
        .where(Transfer.refund_id == case.refund_id)
        .order_by(Transfer.debit, Transfer.credit, Transfer.amount_minor, Transfer.kind)
    ).all()
    return (
        payout.state,
        payout.error,
        payout.bank_reference != "",
        the_state(session, case.refund_id),
        left(case.order),
        Counter(tuple(row) for row in postings),
    )


@pytest.mark.parametrize("ending", ["succeeded", "failed"])
def test_t06_events_in_any_order_number_and_loss_end_in_the_same_books(
    gateways, server, session, shop, finance, client, ending
):
    ends = []
    for seed in range(CONFLUENCES):
        chance = random.Random(seed)
        case = a_case(gateways, server, shop, finance, card="pending_refund")
        sent = len(mails(session))
        steps = [lambda: send(gateways, case.refund_id)]  # noqa: B023  called within this turn
        send_first = chance.random() < 0.5
        if send_first:
            steps.pop()()
        else:
            inner = gateways.payments["stripe"]
            key = the_payout(session, case.refund_id).key
            inner.refund(key=key, reference=case.capture, amount=2_000, currency="EUR")
        (refund,) = server.refunds(case.capture)
        server.settle(refund["id"])
        if ending == "failed":
            server.fail(refund["id"])
        told = [*server.events(about=refund["id"]), *server.events(about=refund["charge"])]
        told = [event for event in told if chance.random() < 0.8]
        deliveries = [event for event in told for _ in range(chance.randint(1, 5))]
        chance.shuffle(deliveries)
        for event in deliveries:
            steps.append(lambda event=event: deliver(client, server, event))
        steps += [lambda: handle_some(session, gateways, chance)] * 3  # noqa: B023
        chance.shuffle(steps)
        for step in steps:
            step()
        handle_all(session, gateways)
        looking.look_at_due(gateways=gateways, now=NOW + timedelta(minutes=15))
        ends.append((*canonical(session, case), len(mails(session)) - sent))
    payouts_ended = {end[0] for end in ends}
    assert payouts_ended == {ending}, payouts_ended
    assert len({str(end[:4]) for end in ends}) == 1
    if ending == "succeeded":
        assert all(end == ends[0] for end in ends) and ends[0][-1] == 1, "one mail each"
    else:
        # Whether the success before the failure was ever seen depends on when it was looked at; what is owed does not.
        assert len({end[4] for end in ends}) == 1
        assert {balance(end[5]) for end in ends} == {balance(ends[0][5])}
    assert audit.verify().problems == []


def balance(postings: Counter[tuple[Any, ...]]) -> frozenset[tuple[str, int]]:
    """What stands on each account after all."""
    sums: Counter[str] = Counter()
    for (debit, credit, amount, _), times in postings.items():
        sums[debit] += amount * times
        sums[credit] -= amount * times
    return frozenset((account, amount) for account, amount in sums.items() if amount)


def deliver(client, server, event) -> float:
    """Post an event as Stripe does; answers how many seconds it took."""
    headers, body = server.signed(event, at=int(NOW.timestamp()))
    began = time.monotonic()
    kind = headers.pop("Content-Type")
    answer = client.post(HERE, data=body, headers=headers, content_type=kind, csrf=False)
    assert answer.status_code == 200
    return time.monotonic() - began


def unhandled(session) -> list[UUID]:
    session.rollback()
    wanted = sa.select(GatewayEvent.id).where(GatewayEvent.handled_at.is_(None), GatewayEvent.kind != "other")
    return list(session.scalars(wanted))


def handle_some(session, gateways, chance) -> None:
    waiting = unhandled(session)
    for event_id in chance.sample(waiting, chance.randint(0, len(waiting))):
        handle(event_id, gateways)


def handle_all(session, gateways) -> None:
    for event_id in unhandled(session):
        handle(event_id, gateways)


def handle(event_id: UUID, gateways) -> None:
    try:
        gateway_events.handle(event_id, gateways=gateways, now=NOW)
    except Unavailable:
        pass


def test_t06_each_event_is_stored_once_and_answered_within_a_second(case, gateways, server, session, client):
    send(gateways, case.refund_id)
    told = server.events(about=server.refunds()[0]["id"])
    seconds = sorted(deliver(client, server, event) for event in told * 5)
    assert seconds[len(seconds) // 2] < 1, "stored and answered; looked into later"
    session.rollback()
    stored = session.scalars(sa.select(GatewayEvent.event_id)).all()
    assert sorted(stored) == sorted(event["id"] for event in told)


# -------------------------------------------------------------------- T07 an event that overtakes the API's answer


@pytest.mark.parametrize("units", [2, 0], ids=["partial", "full"])
def test_t07_an_event_that_overtakes_the_answer_makes_nothing_twice(
    app, gateways, server, session, shop, finance, client, units
):
    case = a_case(gateways, server, shop, finance, units=units)
    amount = 2_000 if units else 5_000
    server.fault("slow", seconds=0.5)
    failed: list[BaseException] = []

    def slow_worker() -> None:
        try:
            with app.app_context():
                payouts.send(case.refund_id, gateways=gateways, now=NOW)
                db.session.remove()
        except BaseException as problem:
            failed.append(problem)

    session.rollback()
    worker = threading.Thread(target=slow_worker)
    worker.start()
    while not server.events("refund.created"):
        time.sleep(0.01)
    for event in server.events():
        if event["type"] != "payment_intent.succeeded":
            deliver(client, server, event)
    handle_all(session, gateways)
    overtaken = the_payout(session, case.refund_id).state
    session.rollback()
    worker.join(120)
    assert failed == [] and overtaken == "succeeded"
    assert the_payout(session, case.refund_id).state == "succeeded"
    assert [one["amount"] for one in server.refunds(case.capture)] == [amount]
    assert mails(session) == ["refunded"] and left(case.order) == 5_000 - amount
    assert tasks.listing(finance, kind="outside_refund") == ()
    assert audit.verify().problems == []
    by = session.scalars(sa.select(Happening.actor_id).where(Happening.what == "refund.succeeded")).all()
    assert by == [finance.id], "who decided it, once, and not the machine that heard of it"


# --------------------------------------------------------------------------- T09 what is final, and what is enough


def a_refusal(server, case: Case, why: str) -> None:
    if why == "already_refunded":
        server.refund_outside(case.capture)
    elif why == "too_much":
        server.refund_outside(case.capture, 3_001)
    elif why == "disputed":
        server.dispute(case.capture, 5_000)
    else:
        server.fault(
            "error", times=None, status=400, code="charge_not_refundable", message="It is too long ago."
        )


@pytest.mark.parametrize("why", ["already_refunded", "too_much", "disputed", "not_refundable"])
def test_t09_what_stripe_refuses_for_good_is_asked_once_and_told_to_a_person(
    case, gateways, server, session, finance, why
):
    a_refusal(server, case, why)
    for minutes in (0, 1):
        assert send(gateways, case.refund_id, NOW + timedelta(minutes=minutes)) is True
    assert len(server.requests()) == 1
    assert the_payout(session, case.refund_id).state == "failed"
    assert the_state(session, case.refund_id) == "failed"
    (task,) = tasks.listing(finance, kind="refund_failed")
    assert task.subject_id == case.refund_id and task.details["reason"] == why
    assert left(case.order) == 5_000, "a refusal is definite: its quota is free"
    assert audit.verify().problems == []


def test_t09_a_revoked_key_loses_nothing_doubles_nothing_and_is_told(
    case, gateways, server, session, finance
):
    server.fault("unauthorized", times=None, method="*", path="/v1")
    for minutes in (0, 31):
        assert send(gateways, case.refund_id, NOW + timedelta(minutes=minutes)) is False
    assert the_state(session, case.refund_id) == "pending" and left(case.order) == 3_000
    assert len(tasks.listing(finance, kind="not_authorized")) == 1
    server.mend()
    assert send(gateways, case.refund_id, NOW + timedelta(minutes=62)) is True
    settled_once(session, server, case)


def test_t09_a_key_revoked_while_an_answer_is_lost_proves_nothing(case, gateways, server, session):
    server.fault("reset_after")
    send(gateways, case.refund_id)
    server.fault("unauthorized", times=None, method="*", path="/v1")
    for hours in (1, 2):
        assert send(gateways, case.refund_id, NOW + timedelta(hours=hours)) is False
        assert the_payout(session, case.refund_id).state == "unknown" and left(case.order) == 3_000
    server.mend()
    assert send(gateways, case.refund_id, NOW + timedelta(hours=3)) is True
    settled_once(session, server, case)


def test_t09_a_pause_that_was_asked_for_is_kept_by_durable_work(case, gateways, server, session, drain):
    server.fault("error", status=429, retry_after=30)
    began = datetime.now(tz=NOW.tzinfo)
    drain()
    (waiting,) = [item for item in work.listing() if item.kind == "refund"]
    assert waiting.due_at is not None and waiting.due_at - began >= timedelta(seconds=29)
    assert len(server.requests()) == 1
    work.resume(waiting.id)
    drain()
    settled_once(session, server, case)


def test_t09_while_everything_fails_few_requests_get_through_and_no_quota_is_freed(
    app, server, session, shop, finance, drain
):
    built = app.extensions["gateways"]  # with the breaker, as in the world
    cases = [a_case(built, server, shop, finance) for _ in range(12)]
    session.rollback()
    server.forget_requests()
    server.fault("error", times=None, method="*", path="/v1", status=500)
    drain()
    assert 1 <= len(server.requests("*", "")) <= 10
    for case in cases:
        assert the_state(session, case.refund_id) == "pending" and left(case.order) == 3_000
    assert Counter(item.kind for item in work.listing(statuses=("DELAYED",)))["refund"] == 12
    assert audit.verify().problems == []


# ----------------------------------------------------------------------------------------- T10 no events at all


def test_t10_without_any_event_every_state_is_known_a_quarter_of_an_hour_later(
    gateways, server, session, shop, finance
):
    cases = [a_case(gateways, server, shop, finance, card="pending_refund") for _ in range(8)]
    for case in cases:
        assert send(gateways, case.refund_id) is True
        assert the_payout(session, case.refund_id).state == "pending"
    made = [server.refunds(case.capture)[0]["id"] for case in cases]
    expected = ["succeeded"] * 3 + ["failed"] * 2 + ["requires_action", "canceled", "pending"]
    for refund_id, state in zip(made, expected, strict=True):
        if state == "canceled":
            server.ask(refund_id)
        {"succeeded": server.settle, "failed": server.fail, "requires_action": server.ask, "canceled": server.cancel,
         "pending": lambda _: None}[state](refund_id)  # fmt: skip
    server.forget_requests()
    for minutes in range(0, 16, 1):
        looking.look_at_due(gateways=gateways, now=NOW + timedelta(minutes=minutes))
    assert [the_payout(session, case.refund_id).state for case in cases] == expected
    asked = Counter(seen.path for seen in server.requests("GET", "/v1/refunds"))
    assert max(asked.values()) <= 4, "at most once in five minutes each"
    assert server.requests() == [], "looking pays nothing"
    assert audit.verify().problems == []


def test_t10_a_success_that_the_bank_sends_back_later_is_seen_without_an_event(
    case, gateways, server, session, finance
):
    send(gateways, case.refund_id)
    server.fail(server.refunds()[0]["id"], "lost_or_stolen_card")
    looking.look_at_due(gateways=gateways, now=NOW + timedelta(days=2))
    payout = the_payout(session, case.refund_id)
    assert (payout.state, payout.error) == ("failed", "the card was lost or stolen")
    assert the_state(session, case.refund_id) == "failed" and left(case.order) == 5_000
    assert len(tasks.listing(finance, kind="refund_failed")) == 1
    assert audit.verify().problems == []


def test_t10_a_cent_of_drift_and_what_others_did_is_found_by_reconciliation(
    gateways, server, session, shop, finance
):
    right, wrong = (a_case(gateways, server, shop, finance) for _ in range(2))
    for case in (right, wrong):
        send(gateways, case.refund_id)
    later, since = NOW + timedelta(hours=2), NOW - timedelta(days=1)
    assert reconcile.run(gateways=gateways, now=later, since=since).agrees
    server.misstate(server.refunds(wrong.capture)[0]["id"], 2_001)
    (drift,) = reconcile.run(gateways=gateways, now=later, since=since).drifts
    assert (drift.what, drift.ours["amount"], drift.theirs["amount"]) == ("amount", 2_000, 2_001)
    (task,) = tasks.listing(finance, kind="drift")
    assert task.subject_id == wrong.refund_id
    server.misstate(server.refunds(wrong.capture)[0]["id"], 2_000)
    server.refund_outside(right.capture, 500)
    server.dispute(wrong.capture, 1_000)
    reconcile.run(gateways=gateways, now=later, since=since)
    assert (left(right.order), left(wrong.order)) == (2_500, 2_000)
    kinds = {task.kind for task in tasks.listing(finance)}
    assert kinds == {"outside_refund", "chargeback"}
    assert audit.verify().problems == []


def test_the_banks_reference_of_a_card_refund_is_kept_for_the_customer(case, gateways, server, session):
    send(gateways, case.refund_id)
    arn = server.refunds()[0]["destination_details"]["card"]["reference"]
    assert the_payout(session, case.refund_id).bank_reference == arn

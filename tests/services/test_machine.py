"""Anything that can happen to money, in any order: after each step every invariant holds, and at rest all agrees.

The run of all tests does a few examples, the same each time. ``MACHINE_EXAMPLES=5000`` explores, and
``--hypothesis-seed=N`` with it replays; what failed is printed as a program, and as a blob to reproduce it.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from portal.adapters.payments.sandbox import SandboxPayments
from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.db import base, intake
from portal.db.base import db
from portal.services import work
from portal.services.ledgers import quota
from portal.services.paying import payouts, settling
from portal.services.stockroom import stock
from tests.databases import Database
from tests.services.canceling_rules import CancelingRules
from tests.services.money_world import Clock
from tests.services.unsent_world import UnsentWorld

EXPLORING = "MACHINE_EXAMPLES" in os.environ
EXAMPLES = {"sqlite": 12, "postgresql": 3}
STEPS = int(os.environ.get("MACHINE_STEPS", "30"))

RESERVED = (*("",) * 3, "-unavailable", "-pending", "-fails", "-declines", "-auth-captured", "-auth-expired")
"""How what is only reserved is let go."""
ENDINGS = ("", "", "", "-unavailable", "-pending", "-fails", "-fails-late", "-asks", "-returned", "-declines")
WHERE_SENDING_DIES = (
    "before_http",
    "after_http_sent",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
)
WHERE_LOOKING_DIES = ("after_http_response", "before_result_commit", "after_result_commit")
cents = st.integers(1, 6000)
nth = st.integers(0, 5)
cards = st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=2)


def one_of(found: list[Any], number: int) -> Any:
    return found[number % len(found)]


class Money(CancelingRules, RuleBasedStateMachine):
    """Each example has a shop, a gateway and a clock of its own, on a database as empty as at the beginning."""

    ground: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.world: UnsentWorld = self.ground()
        self.there = self.world.there_is()

    @initialize(
        units=st.integers(2, 6),
        price=cents,
        cards=cards,
        parts=st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2)), min_size=1, max_size=3),
    )
    def a_shop_in_business(
        self, units: int, price: int, cards: list[str], parts: list[tuple[int, int]]
    ) -> None:
        """An order of which some is back already, and decided upon."""
        self.world.order(units, max(price, 2), tuple(cards))
        for announced, received in parts:
            self.world.came_back(self.world.orders[-1], announced, received)
        for return_id in self.world.there_is()["back"]:
            self.world.propose(return_id, 0, False)
        self.there = self.world.there_is()

    # what customers, agents and the dock do

    @precondition(lambda self: len(self.world.orders) < 4)
    @rule(units=st.integers(1, 4), price=cents, cards=cards)
    def order(self, units: int, price: int, cards: list[str]) -> None:
        self.world.order(units, max(price, 2), tuple(cards))
        self.world.came_back(self.world.orders[-1], units, units)

    @precondition(lambda self: len(self.world.orders) < 4)
    @rule(
        units=st.integers(1, 4),
        price=cents,
        cards=st.lists(st.sampled_from(RESERVED), min_size=1, max_size=2),
    )
    def order_that_is_only_reserved(self, units: int, price: int, cards: list[str]) -> None:
        self.world.order(units, max(price, 2), tuple(cards), reserved=True)
        self.world.came_back(self.world.orders[-1], units, units)

    @rule(number=nth, all_of_it=st.booleans(), told=st.booleans())
    def shop_captures(self, number: int, all_of_it: bool, told: bool) -> None:
        self.world.take(one_of(self.world.captures, number), all_of_it, told)

    @precondition(lambda self: self.there["to return"])
    @rule(number=nth, units=st.integers(1, 4), received=st.integers(0, 4))
    def comes_back(self, number: int, units: int, received: int) -> None:
        """Not at all yet, or at once; often fewer than were announced."""
        self.world.came_back(self.some("to return", number), units, received)

    @precondition(lambda self: self.there["on their way"])
    @rule(number=nth, units=st.integers(0, 4))
    def receive_some_or_withdraw(self, number: int, units: int) -> None:
        return_id = self.some("on their way", number)
        self.world.receive(return_id, units) if units else self.world.withdraw(return_id)

    @precondition(lambda self: self.there["back"])
    @rule(number=nth, units=st.integers(1, 4), grade=st.sampled_from("ABCD"), accepted=st.booleans())
    def inspect(self, number: int, units: int, grade: str, accepted: bool) -> None:
        self.world.inspect(self.some("back", number), units, grade, accepted)

    @precondition(lambda self: self.there["back"])
    @rule(number=nth, goodwill=st.sampled_from((0, 0, 1, 499)), by_agent=st.booleans())
    def propose(self, number: int, goodwill: int, by_agent: bool) -> None:
        self.world.propose(self.some("back", number), goodwill, by_agent)

    @precondition(lambda self: self.there["pending_approval"])
    @rule(number=nth)
    def approve(self, number: int) -> None:
        self.world.approve(self.some("pending_approval", number))

    @precondition(lambda self: self.there["refunds"])
    @rule(number=nth)
    def cancel(self, number: int) -> None:
        self.world.cancel(self.some("refunds", number))

    @precondition(lambda self: self.there["failed"])
    @rule(number=nth)
    def retry(self, number: int) -> None:
        self.world.retry(self.some("failed", number))

    # what workers do, and what becomes of them

    @precondition(lambda self: self.there["to send"])
    @rule(number=nth)
    def worker_sends(self, number: int) -> None:
        self.world.send(self.some("to send", number))

    @precondition(lambda self: self.there["to send"])
    @rule(place=st.sampled_from(WHERE_SENDING_DIES), passage=st.integers(1, 2), number=nth)
    def worker_dies_while_it_sends(self, place: str, passage: int, number: int) -> None:
        with self.world.power_cut_at(place, passage):
            self.world.send(self.some("to send", number))

    @precondition(lambda self: self.there["refunds"])
    @rule(place=st.sampled_from(("", "", *WHERE_LOOKING_DIES)))
    def worker_polls(self, place: str) -> None:
        """And dies of it, where a place is named."""
        with self.world.power_cut_at(place, 1):
            self.world.poll()

    @precondition(lambda self: self.there["events"])
    @rule(place=st.sampled_from(("", "", *WHERE_LOOKING_DIES)), number=nth)
    def worker_handles_an_event(self, place: str, number: int) -> None:
        """And dies of it, where a place is named."""
        with self.world.power_cut_at(place, 1):
            self.world.handle(self.some("events", number))

    @precondition(lambda self: self.there["back"])
    @rule(place=st.sampled_from(("before_intent_commit", "after_intent_commit")), number=nth)
    def web_dies_while_it_decides(self, place: str, number: int) -> None:
        with self.world.power_cut_at(place, 1):
            self.world.propose(self.some("back", number), 0, False)

    # what happens over there

    @precondition(lambda self: self.there["over there"])
    @rule(number=nth, choice=nth)
    def gateway_goes_on(self, number: int, choice: int) -> None:
        self.world.move(number, choice)

    @precondition(lambda self: self.there["over there"])
    @rule(number=nth, event=st.integers(1, 3), copies=st.integers(0, 3))
    def webhook(self, number: int, event: int, copies: int) -> None:
        """Delivered so many times; or once, and the process dies before it has answered."""
        with self.world.power_cut_at("in_webhook_after_insert" if not copies else "", 1):
            self.world.announce(number, event, max(copies, 1))

    @rule(number=nth, amount=cents, what=st.sampled_from(("refund", "dispute", "won", "lost")))
    def somebody_else_acts_there(self, number: int, amount: int, what: str) -> None:
        """The gateway's own pages, and the customer's bank."""
        if what == "refund":
            self.world.refund_outside(one_of(self.world.captures, number), amount)
        elif what == "dispute":
            self.world.dispute(one_of(self.world.captures, number), amount)
        else:
            self.world.decide(number, what)

    @rule(hours=st.sampled_from((0.1, 0.5, 2, 25, 24 * 8)), reconciled=st.booleans())
    def time_passes(self, hours: float, reconciled: bool) -> None:
        self.world.later(hours=hours)
        if reconciled:
            self.world.reconcile()

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.world.problems() == []
        self.there = self.world.there_is()

    def teardown(self) -> None:
        self.world.come_to_rest(random.Random(len(self.world.orders)))
        assert self.world.problems() == []
        assert self.world.unsettled() == []
        db.session.remove()


# ------------------------------------------------------------------------------------------------ where it happens


@contextmanager
def beginnings(app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives a function that brings database, gateway, clock and ids back to the beginning."""
    books, shelves = (database.folder / f"machine-{name}.sqlite" for name in ("gateway", "warehouse"))
    empty = database.folder / "beginning.sqlite"
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
        if database.kind == "sqlite":
            shutil.copyfile(database.folder / "portal.sqlite", empty)

        def begin() -> UnsentWorld:
            db.session.remove()
            if database.kind == "sqlite":
                work.disconnect()
                db.engine.dispose()
                _put_back(empty, database.folder / "portal.sqlite")
            else:
                _empty_tables()
            _put_back(None, books)
            _put_back(None, shelves)
            numbers = itertools.count(1)
            for module in (base, intake):  # so that the same program makes the same ids
                monkeypatch.setattr(
                    module, "uuid7_number", lambda: next(numbers) << 80 | 0x7 << 76 | 0x2 << 62
                )
            clock = Clock()
            sandbox = SandboxPayments(books, clock=clock.timestamp)
            floor = SandboxWarehouse(shelves, clock=clock.timestamp)
            gateways = replace(app.extensions["gateways"], payments={"sandbox": sandbox}, warehouse=floor)
            return UnsentWorld(gateways=gateways, sandbox=sandbox, clock=clock)

        yield begin


def _put_back(source: Any, file: Any) -> None:
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    if source is not None:
        shutil.copyfile(source, file)


def _empty_tables() -> None:
    """Also those that nobody may empty: this is the tests' own server, and their role may turn triggers off."""
    with db.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        names = ", ".join(f'"{table.name}"' for table in db.metadata.sorted_tables)
        connection.execute(sa.text(f"TRUNCATE {names}, dbos.workflow_status CASCADE"))


def explore(app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    chosen = {
        "max_examples": EXAMPLES[database.kind],
        "stateful_step_count": STEPS,
        "derandomize": not EXPLORING,
        "database": None,
        "deadline": None,
        "print_blob": True,
        "suppress_health_check": list(HealthCheck),
    }
    with beginnings(app, database, monkeypatch) as begin:
        machine = type("MoneyMachine", (Money,), {"ground": staticmethod(begin)})
        run_state_machine_as_test(machine, settings=settings(**{**chosen, **more}))


def test_whatever_happens_to_money_every_invariant_holds_after_each_step(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = int(os.environ.get("MACHINE_EXAMPLES", EXAMPLES[database.kind]))
    explore(app, database, monkeypatch, max_examples=examples)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("guard", ["free_share", "no look-up", "post", "gate", "stock"])
def test_without_a_guard_the_same_machine_finds_what_is_wrong(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch, guard: str
) -> None:
    """The control: a quota that is not given back, a sending without a look at the last, a posting left out,
    money that does not wait for the warehouse, units that are canceled and stay reserved.
    """
    if guard == "free_share":
        monkeypatch.setattr(quota, "free_share", lambda *given, **more: None)
    elif guard == "post":
        monkeypatch.setattr(settling, "_post", lambda *given: None)
    elif guard == "gate":
        monkeypatch.setattr(settling, "awaits_warehouse", lambda refund: False)
    elif guard == "stock":
        monkeypatch.setattr(stock, "release", lambda *given, **more: None)
    else:
        monkeypatch.setattr(payouts, "_find", lambda gateway, order, now: None)
        monkeypatch.setattr(SandboxPayments, "refund", paying_anew(SandboxPayments.refund))
    with pytest.raises((AssertionError, ExceptionGroup)):
        explore(app, database, monkeypatch, max_examples=60, phases=[Phase.generate], derandomize=True)


def paying_anew(real: Any) -> Any:
    """A gateway that has forgotten every key: whoever sends again without a look pays again."""

    def refund(self: SandboxPayments, *, key: str, reference: str, **order: Any) -> Any:
        known = self.look_up(key=key, capture=reference) is not None
        return real(self, key=f"{key}/again" if known else key, reference=reference, **order)

    return refund

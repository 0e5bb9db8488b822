"""What happens to orders before they are sent, as rules that the machine of money mixes with its own."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.services.unsent_world import GOODS, UnsentWorld

BEHAVIOR = ("",) * 4 + (
    "-late",
    "-late-refuses",
    "-late-shipped",
    "-refuses",
    "-shipped",
    "-contradicts",
    "-lost",
)
"""Endings of order numbers: how the warehouse answers."""
WAYS = (
    *(("", ending) for ending in ("", "", "-unavailable", "-pending", "-fails", "-fails-late", "-declines")),
    *(("authorized", ending) for ending in ("", "", "-unavailable", "-auth-captured", "-auth-expired")),
    *(("due", ""),) * 2,
)
"""(mode, ending of the reference at the gateway)."""
WHERE_TELLING_DIES = (
    "before_http",
    "after_http_sent",
    "after_http_response",
    "before_result_commit",
    "after_result_commit",
)
WHERE_DECIDING_DIES = ("before_intent_commit", "after_intent_commit")

nth = st.integers(0, 5)
few = st.integers(1, 3)
ways = st.lists(st.sampled_from(WAYS), min_size=1, max_size=2)
skus = st.sampled_from(("JAR", "JAR", "MUG", "MUG", "BOX", "LID", "PLAN"))
wanted = st.dictionaries(skus, few, min_size=1, max_size=3)
goods = st.sampled_from(GOODS)
ending = st.sampled_from(("at_once", "at_once", "next_period"))
deciding = st.sampled_from(("", "", "", *WHERE_DECIDING_DIES))


class CancelingRules:
    """Mixed into a machine that has a ``world`` and what is ``there``."""

    world: UnsentWorld
    there: dict[str, list[Any]]

    def some(self, kind: str, number: int) -> Any:
        found = self.there[kind]
        return found[number % len(found)]

    @initialize(
        units=st.integers(1, 4), sent=st.integers(0, 2), price=st.integers(2, 6000), ways=ways,
        how=st.sampled_from(BEHAVIOR), warehouse=st.sampled_from((True, True, False)), wanted=wanted, ending=ending,
        answer=st.sampled_from(("yes", "yes", "")), small=st.booleans(),
    )  # fmt: skip
    def an_order_on_its_shelf(
        self, units: int, sent: int, price: int, ways: Any, how: str, warehouse: bool, wanted: Any, ending: str,
        answer: str, small: bool,
    ) -> None:  # fmt: skip
        """Of which some was sent, and the customer is asked about some, and has mostly said yes."""
        if not warehouse:
            self.world.without_warehouse()
        self.world.order_unsent(units, min(sent, units), price, ways, how, small)
        self.world.ask(next(iter(self.world.numbers)), wanted, ending)
        self.there = self.world.there_is()
        for return_id in self.there["proposed"] if answer else ():
            self.world.say(return_id, answer)
        self.there = self.world.there_is()

    @precondition(lambda self: len(self.world.numbers) < 2)
    @rule(
        units=few,
        sent=st.integers(0, 2),
        price=st.integers(2, 6000),
        ways=ways,
        how=st.sampled_from(BEHAVIOR),
        small=st.booleans(),
    )
    def order_not_sent(self, units: int, sent: int, price: int, ways: Any, how: str, small: bool) -> None:
        self.world.order_unsent(units, min(sent, units), price, ways, how, small)

    @precondition(lambda self: self.there["not sent"])
    @rule(number=nth, wanted=wanted, ending=ending, place=deciding)
    def agent_asks(self, number: int, wanted: Any, ending: str, place: str) -> None:
        with self.world.power_cut_at(place, 1):
            self.world.ask(self.some("not sent", number), wanted, ending)

    @precondition(lambda self: self.there["proposed"])
    @rule(number=nth, answer=st.sampled_from(("yes", "yes", "yes", "no", "withdrawn")), place=deciding)
    def it_is_answered(self, number: int, answer: str, place: str) -> None:
        with self.world.power_cut_at(place, 1):
            self.world.say(self.some("proposed", number), answer)

    @precondition(lambda self: self.there["proposed"])
    @rule(hours=st.sampled_from((0, 25, 49)))
    def nobody_answers(self, hours: int) -> None:
        self.world.later(hours=hours)
        self.world.nobody_answers()

    @precondition(lambda self: self.there["not sent"])
    @rule(number=nth, out=wanted, ending=ending, back=st.integers(0, 2), place=deciding)
    def customer_chooses(self, number: int, out: Any, ending: str, back: int, place: str) -> None:
        """What was not sent, and jars that were, in one selection."""
        with self.world.power_cut_at(place, 1):
            self.world.choose(self.some("not sent", number), out, ending, back)

    @precondition(lambda self: self.there["bills"])
    @rule(number=nth)
    def bill_is_paid(self, number: int) -> None:
        self.world.bill_is_paid(self.some("bills", number))

    @precondition(lambda self: self.there["not sent"])
    @rule(number=nth, sku=goods, units=few, back=st.sampled_from((False, False, True)))
    def goods_are_picked(self, number: int, sku: str, units: int, back: bool) -> None:
        self.world.pick(self.some("not sent", number), sku, units, back)

    @precondition(lambda self: self.there["not sent"])
    @rule(number=nth, sku=goods, units=few, by_warehouse=st.booleans())
    def goods_leave(self, number: int, sku: str, units: int, by_warehouse: bool) -> None:
        self.world.ship(self.some("not sent", number), sku, units, by_warehouse)

    @precondition(lambda self: self.there["to tell"])
    @rule(number=nth, place=st.sampled_from(("", "", "", *WHERE_TELLING_DIES)))
    def worker_tells_the_warehouse(self, number: int, place: str) -> None:
        """And dies of it, where a place is named."""
        with self.world.power_cut_at(place, 1):
            self.world.tell_warehouse(self.some("to tell", number))

    @rule(
        what=st.lists(st.sampled_from(("tells", "tells", "settles", "back", "away")), min_size=1, max_size=2),
        place=st.sampled_from(("", "", "before_result_commit", "in_webhook_after_insert")),
    )
    def warehouse_says(self, what: list[str], place: str) -> None:
        with self.world.power_cut_at(place, 1):
            for one in what:
                self.world.warehouse_says(one)

    @precondition(lambda self: self.there["warehouse events"])
    @rule(number=nth, place=st.sampled_from(("", "", "after_http_response", "before_result_commit")))
    def worker_handles_an_event_of_the_warehouse(self, number: int, place: str) -> None:
        with self.world.power_cut_at(place, 1):
            self.world.handle_warehouse(self.some("warehouse events", number))

    @precondition(lambda self: self.there["to tell"])
    @rule(number=nth, state=st.sampled_from(("released", "released", "refused", "shipped")))
    def person_answers_for_the_warehouse(self, number: int, state: str) -> None:
        self.world.answer_for_it(self.some("to tell", number), state)

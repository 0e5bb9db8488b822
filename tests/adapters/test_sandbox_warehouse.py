"""The sandbox warehouse by itself: waves that ask, events that are told once, promises that are broken."""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.ports import Unavailable
from tests.adapters.test_warehouse_contract import NOW, an_order, leave_out
from tests.warehouse_server import valid


@pytest.fixture
def there(tmp_path: Path) -> SandboxWarehouse:
    return SandboxWarehouse(tmp_path / "warehouse.sqlite", clock=lambda: NOW.timestamp())


class Portal:
    """Takes events, and says that ``most`` units of a line may be picked."""

    def __init__(self, most: int = 99) -> None:
        self.most, self.told = most, []  # type: int, list[tuple[str, dict[str, Any]]]

    def __call__(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        event = valid("event", json.loads(body))
        self.told.append((headers["webhook-id"], event))
        lines = [
            {"line": one["line"], "sku": one["sku"], "units": min(one["units"], self.most)}
            for one in (event["data"]["lines"] if event["type"] == "pick.asked" else ())
        ]
        return valid("event_answer", {"version": 1, "order": "any", "known": True, "lines": lines})


def test_a_wave_takes_what_the_portal_grants_and_no_more(there: SandboxWarehouse) -> None:
    order, portal = an_order(), Portal(most=2)
    there.learn(order)
    assert there.open_wave("demo", "D-1", post=portal) == {"l1": 2, "l2": 1}
    assert {one.code for one in there.constraints(order, now=NOW)} == {"picking"}
    assert there.order("demo", "D-1")["l1"].wave == 2
    assert there.close_wave() == 3
    kept = there.order("demo", "D-1")["l1"]
    assert (kept.picked, kept.wave, kept.free) == (2, 0, 1)
    assert there.ship("demo", "D-1") == {"l1": 2, "l2": 1}
    assert [event["type"] for _, event in portal.told] == ["pick.asked"]
    assert there.deliver(portal) == 1 and there.deliver(portal) == 0
    assert [event["type"] for _, event in portal.told] == ["pick.asked", "shipped"]
    assert len({name for name, _ in portal.told}) == 2


def test_a_question_whose_answer_was_lost_is_asked_again_under_its_id(there: SandboxWarehouse) -> None:
    there.learn(an_order())
    portal, cut = Portal(), Portal()

    def lost(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        cut(headers, body)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        there.pick("demo", "D-1", {"MUG": 2}, post=lost)
    assert there.order("demo", "D-1")["l1"].wave == 0
    there.deliver(portal)
    assert there.order("demo", "D-1")["l1"].wave == 2
    assert [name for name, _ in portal.told] == [name for name, _ in cut.told]


def test_it_says_yes_and_sends_it_all_the_same(there: SandboxWarehouse) -> None:
    order = an_order("D-1-contradicts")
    assert there.leave_out(leave_out(order), key="k1").state == "released"
    there.settle()
    found = there.look_up("k1")
    assert found is not None and found.state == "shipped"
    kept = there.order("demo", order.order)["l1"]
    assert (kept.shipped, kept.left_out) == (1, 0)
    assert [event.type for event in there.untold()] == ["shipped"]


def test_a_cut_off_that_has_passed_is_refused(tmp_path: Path) -> None:
    moment = [NOW.timestamp()]
    there, order = SandboxWarehouse(tmp_path / "w.sqlite", clock=lambda: moment[0]), an_order()
    there.learn(order)
    there.cut_off("demo", "D-1", NOW + timedelta(hours=1))
    assert there.leave_out(leave_out(order), key="k1").state == "released"
    moment[0] += 3600
    later = NOW + timedelta(hours=1)
    assert [one.until for one in there.constraints(order, now=later)] == [None, None]
    assert there.leave_out(leave_out(order), key="k2").code == "cut_off"


def test_what_is_late_settles_by_itself_after_a_while(tmp_path: Path) -> None:
    moment = [NOW.timestamp()]
    there = SandboxWarehouse(
        tmp_path / "w.sqlite", settles_after=timedelta(seconds=20), clock=lambda: moment[0]
    )
    there.leave_out(leave_out(an_order(mug="MUG-LATE")), key="k1")
    states = []
    for seconds in (19, 2):
        moment[0] += seconds
        found = there.look_up("k1")
        states.append(found.state if found else "")
    assert states == ["pending", "released"]
    assert [event.type for event in there.untold()] == ["leave_out.answered"]


def test_a_person_there_answers_otherwise_than_before(there: SandboxWarehouse) -> None:
    there.leave_out(leave_out(an_order(), 2), key="k1")
    there.answer("k1", "refused", code="picking")
    kept = there.order("demo", "D-1")["l1"]
    assert (kept.left_out, kept.free) == (0, 3)
    there.answer("k1", "released")
    assert there.order("demo", "D-1")["l1"].left_out == 2
    assert [event.data["state"] for event in there.untold()] == ["refused", "released"]


def test_what_is_picked_while_the_answer_is_pending_is_not_released(there: SandboxWarehouse) -> None:
    order = an_order("D-1-late")
    there.leave_out(leave_out(order, 2), key="k1")
    there.pick("demo", order.order, {"l1": 2}, post=Portal())
    there.settle()
    found = there.look_up("k1")
    assert found is not None and (found.state, found.code) == ("refused", "picking")


def test_goods_are_never_taken_twice(there: SandboxWarehouse) -> None:
    there.learn(an_order())
    there.ship("demo", "D-1", {"l1": 3})
    with pytest.raises(ValueError, match="there are no"):
        there.ship("demo", "D-1", {"l1": 1})
    with pytest.raises(LookupError):
        there.ship("demo", "D-1", {"l9": 1})
    with pytest.raises(LookupError):
        there.ship("other", "D-1")


def test_an_order_that_is_out_of_reach_says_nothing(there: SandboxWarehouse) -> None:
    order = an_order("D-1-outage")
    with pytest.raises(Unavailable):
        there.constraints(order, now=NOW)
    with pytest.raises(Unavailable):
        there.leave_out(leave_out(order), key="k1")
    there.health()


def test_any_number_of_processes_share_its_books(tmp_path: Path) -> None:
    """Sixteen at once, each with a connection of its own; only three mugs are there."""
    order, path = an_order(), tmp_path / "w.sqlite"
    SandboxWarehouse(path).learn(order)
    states: list[str] = []

    def ask(number: int) -> None:
        states.append(SandboxWarehouse(path).leave_out(leave_out(order), key=f"k{number}").state)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states.count("released") == 3 and len(states) == 16
    assert SandboxWarehouse(path).order("demo", "D-1")["l1"].free == 0


def test_what_it_tells_fits_the_contract(there: SandboxWarehouse) -> None:
    there.learn(an_order())
    portal = Portal()
    there.pick("demo", "D-1", {"l1": 2}, post=portal)
    there.put_back("demo", "D-1", {"l1": 1})
    there.ship("demo", "D-1")
    there.leave_out(leave_out(an_order()), key="k1")
    there.answer("k1", "released")
    there.deliver(portal)
    assert [event["type"] for _, event in portal.told] == [
        "pick.asked",
        "put_back",
        "shipped",
        "leave_out.answered",
    ]
    assert there.orders() == [("demo", "ext-D-1", "D-1")]
    assert datetime.fromisoformat(portal.told[0][1]["timestamp"]) == NOW.astimezone(UTC)

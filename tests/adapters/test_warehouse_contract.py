"""What every warehouse promises, shown on both: the sandbox, and the REST adapter at a server of its own."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import ValidationError

from portal.adapters.warehouse import wire
from portal.adapters.warehouse.rest import RestWarehouse
from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.core.logistics import (
    ANSWERS,
    CONSTRAINTS,
    LeaveOut,
    LeaveOutAnswer,
    LeftOut,
    StillToSend,
    WarehouseEvent,
    WarehouseLine,
    WarehouseOrder,
)
from portal.ports import Declined, Forged, Unavailable
from tests.warehouse_server import WarehouseServer, running, valid

NOW = datetime.now(UTC).replace(microsecond=0)
MUG, LID = UUID(int=1), UUID(int=2)


def an_order(number: str = "D-1", *, mug: str = "MUG", lid: str = "LID") -> WarehouseOrder:
    """Three mugs here and a lid elsewhere."""
    lines = (
        WarehouseLine(line_id=MUG, line="l1", sku=mug, name="Demo mug", location="main", units=3),
        WarehouseLine(line_id=LID, line="l2", sku=lid, name="Demo lid", location="north", units=1),
    )
    return WarehouseOrder(merchant="demo", order=f"ext-{number}", number=number, lines=lines)


def leave_out(order: WarehouseOrder, units: int = 1, line: int = 0) -> LeaveOut:
    """``units`` of a line shall stay; the rest of the order is split by location."""
    said = order.lines[line]

    def of(one: WarehouseLine, number: int) -> LeftOut:
        return LeftOut(line_id=one.line_id, line=one.line, sku=one.sku, location=one.location, units=number)

    left = {one.line: one.units - (units if one is said else 0) for one in order.lines}
    return LeaveOut(
        merchant=order.merchant,
        order=order.order,
        number=order.number,
        cancellation="CXL-1",
        lines=(of(said, units),),
        shipments=tuple(
            StillToSend(location=one.location, lines=(of(one, left[one.line]),))
            for one in order.lines
            if left[one.line]
        ),
    )


class Sandbox:
    """The sandbox; how it answers is in the order's number."""

    def __init__(self, tmp_path: Path) -> None:
        self.gateway = SandboxWarehouse(tmp_path / "warehouse.sqlite", clock=lambda: NOW.timestamp())

    def order(self, ending: str = "", **more: str) -> WarehouseOrder:
        made = an_order(f"D-1{ending}", **more)
        self.gateway.learn(made)
        return made

    def pick(self, order: WarehouseOrder, units: int) -> None:
        self.gateway.pick("demo", order.order, {"l1": units}, post=lambda headers, body: GRANTED(units))

    def ship(self, order: WarehouseOrder, units: int) -> None:
        self.gateway.ship("demo", order.order, {"l1": units})

    def mark(self, order: WarehouseOrder, code: str, until: datetime | None = None) -> None:
        if code == "cut_off" and until is not None:
            self.gateway.cut_off("demo", order.order, until)
        else:
            self.gateway.mark("demo", order.order, "l1", code)

    def settle(self) -> None:
        self.gateway.settle()

    def away(self, yes: bool) -> None:
        self.gateway.away(yes)

    def left_out(self, order: WarehouseOrder) -> int:
        return self.gateway.order("demo", order.order)["l1"].left_out

    def asked(self) -> int:
        return len(self.gateway.requests())

    def event(self, order: WarehouseOrder) -> tuple[dict[str, str], bytes]:
        """That a mug was shipped."""
        self.gateway.ship("demo", order.order, {"l1": 1})
        return self.gateway.announce(self.gateway.untold()[-1].number, now=NOW)

    def signed(self, body: bytes) -> dict[str, str]:
        return self.gateway.signed("evt-1", body, at=NOW)


class Rest:
    """The REST adapter, at the tests' own warehouse."""

    def __init__(self, there: WarehouseServer) -> None:
        self.there = there
        self.gateway = RestWarehouse(url=there.url, secret=there.secret, read_seconds=2, page_seconds=1)

    def order(self, ending: str = "", **more: str) -> WarehouseOrder:
        made = an_order(f"D-1{ending}", **more)
        self.there.take_in("demo", made.order, {one.line: (one.sku, one.units) for one in made.lines})
        states = {
            "-late": ("pending", "released"), "-late-refuses": ("pending", "refused"),
            "-late-shipped": ("pending", "shipped"), "-refuses": ("refused", ""), "-shipped": ("shipped", ""),
        }  # fmt: skip
        if ending == "-lost":
            self.there.trouble("reset_after", "/leave-outs")
        elif ending in states:
            self.there.will_answer(made.order, *states[ending])
        return made

    def pick(self, order: WarehouseOrder, units: int) -> None:
        self.there.pick("demo", order.order, "l1", units)

    def ship(self, order: WarehouseOrder, units: int) -> None:
        self.there.ship("demo", order.order, "l1", units)

    def mark(self, order: WarehouseOrder, code: str, until: datetime | None = None) -> None:
        more = {"until": until.isoformat()} if until is not None and until > NOW else {}
        self.there.says("demo", order.order, "l1", code, **more)

    def settle(self) -> None:
        self.there.settle()

    def away(self, yes: bool) -> None:
        self.there.down() if yes else self.there.up()

    def left_out(self, order: WarehouseOrder) -> int:
        return self.there.orders["demo", order.order]["l1"].left_out

    def asked(self) -> int:
        return len(self.there.requests)

    def event(self, order: WarehouseOrder) -> tuple[dict[str, str], bytes]:
        data = {"merchant": "demo", "order": order.order, "lines": [{"line": "l1", "sku": "MUG", "units": 1}],
                "tracking_number": "TEST1"}  # fmt: skip
        return self.there.event("shipped", data, at=NOW)

    def signed(self, body: bytes) -> dict[str, str]:
        return self.there.signed(body, id="evt-1", at=NOW)[0]


Place = Sandbox | Rest


def GRANTED(units: int) -> dict[str, Any]:
    return {
        "version": 1,
        "order": "any",
        "known": True,
        "lines": [{"line": "l1", "sku": "MUG", "units": units}],
    }


@pytest.fixture(params=["sandbox", "rest"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sandbox":
        yield Sandbox(tmp_path)
        return
    with running() as server:
        yield Rest(server)


def against(place: Place, order: WarehouseOrder) -> set[tuple[int, str, int | None]]:
    return {(one.line_id.int, one.code, one.units) for one in place.gateway.constraints(order, now=NOW)}


def test_an_order_that_nobody_touched_has_no_constraints(place: Place) -> None:
    assert against(place, place.order()) == set()
    place.gateway.health()


def test_what_is_picked_and_sent_is_told_by_unit(place: Place) -> None:
    order = place.order()
    place.pick(order, 2)
    assert against(place, order) == {(1, "picking", 2)}
    place.ship(order, 1)
    assert against(place, order) == {(1, "picking", 1), (1, "shipped", 1)}
    assert {one.by for one in place.gateway.constraints(order, now=NOW)} == {place.gateway.code}


@pytest.mark.parametrize("code", ["drop_ship", "custom_made", "pre_picked", "third_party"])
def test_whatever_ties_a_line_is_told_and_refused(place: Place, code: str) -> None:
    order = place.order()
    place.mark(order, code)
    assert against(place, order) == {(1, code, None)}
    answer = place.gateway.leave_out(leave_out(order), key="k1")
    assert (answer.state, answer.code, answer.lines) == ("refused", code, ("l1",))
    assert place.left_out(order) == 0


def test_a_cut_off_that_is_still_to_come_is_told_with_its_moment(place: Place) -> None:
    order, last = place.order(), NOW + timedelta(hours=2)
    place.mark(order, "cut_off", last)
    found = place.gateway.constraints(order, now=NOW)
    assert {one.until for one in found} == {last}


def test_units_are_left_out_once_under_a_key(place: Place) -> None:
    order = place.order()
    for _ in range(3):
        assert place.gateway.leave_out(leave_out(order, 2), key="k1") == LeaveOutAnswer(state="released")
    assert place.left_out(order) == 2 and place.asked() == 1
    found = place.gateway.look_up("k1")
    assert found is not None and found.state == "released"


def test_a_key_is_for_one_request_for_ever(place: Place) -> None:
    order = place.order()
    place.gateway.leave_out(leave_out(order, 1), key="k1")
    with pytest.raises(Declined) as no:
        place.gateway.leave_out(leave_out(order, 2), key="k1")
    assert no.value.code == "key_reused" and place.left_out(order) == 1


def test_what_never_arrived_is_not_known(place: Place) -> None:
    assert place.gateway.look_up("leave-out-nobody-asked") is None


def test_a_lost_answer_took_effect_and_is_found(place: Place) -> None:
    order = place.order("-lost")
    with pytest.raises(Unavailable):
        place.gateway.leave_out(leave_out(order), key="k1")
    found = place.gateway.look_up("k1")
    assert found is not None and found.state == "released"
    assert place.gateway.leave_out(leave_out(order), key="k1").state == "released"
    assert place.left_out(order) == 1 and place.asked() == 1


@pytest.mark.parametrize(("ending", "state"), [("-refuses", "refused"), ("-shipped", "shipped")])
def test_a_no_is_an_answer_and_stays_it(place: Place, ending: str, state: str) -> None:
    order = place.order(ending)
    assert place.gateway.leave_out(leave_out(order), key="k1").state == state
    found = place.gateway.look_up("k1")
    assert found is not None and found.state == state and place.left_out(order) == 0


@pytest.mark.parametrize(
    ("ending", "state", "left_out"),
    [("-late", "released", 1), ("-late-refuses", "refused", 0), ("-late-shipped", "shipped", 0)],
)
def test_a_late_answer_is_pending_first(place: Place, ending: str, state: str, left_out: int) -> None:
    order = place.order(ending)
    asked = _left_out(order)
    assert place.gateway.leave_out(asked, key="k1").state == "pending" and place.left_out(order) == 0
    place.settle()
    found = place.gateway.look_up("k1")
    assert found is not None and found.state == state and place.left_out(order) == left_out
    assert place.gateway.leave_out(asked, key="k1").state == state, "asked again it says the same"


_left_out = leave_out


def test_goods_that_left_are_shipped_and_those_in_a_box_are_picked(place: Place) -> None:
    order = place.order()
    place.pick(order, 2)
    assert place.gateway.leave_out(leave_out(order, 2), key="k1").code == "picking"
    place.ship(order, 2)
    assert place.gateway.leave_out(leave_out(order, 2), key="k2").state == "shipped"
    assert place.gateway.leave_out(leave_out(order, 1), key="k3").state == "released"
    assert place.gateway.leave_out(leave_out(order, 1), key="k4").state != "released", "there is none left"


def test_who_is_away_is_unavailable_and_then_back(place: Place) -> None:
    order = place.order()
    place.away(True)
    calls: list[Callable[[], object]] = [
        lambda: place.gateway.constraints(order, now=NOW),
        lambda: place.gateway.leave_out(leave_out(order), key="k1"),
        lambda: place.gateway.look_up("k1"),
        place.gateway.health,
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()
    place.away(False)
    assert place.gateway.look_up("k1") is None
    assert place.gateway.leave_out(leave_out(order), key="k1").state == "released"


def test_an_event_is_read_once_its_signature_is_proved(place: Place) -> None:
    order = place.order()
    headers, body = place.event(order)
    for given in (headers, {name.title(): value for name, value in headers.items()}):
        event = place.gateway.read_event(given, body, now=NOW)
        assert isinstance(event, WarehouseEvent)
        assert (event.kind, event.merchant, event.order) == ("shipped", "demo", order.order)
        assert [(one.line, one.sku, one.units) for one in event.lines] == [("l1", "MUG", 1)]
        assert event.tracking_number and event.id == headers["webhook-id"]


@pytest.mark.parametrize(
    "spoil", ["no_headers", "other_id", "other_time", "other_body", "other_secret", "old", "future"]
)
def test_what_is_not_proved_is_forged(place: Place, spoil: str) -> None:
    headers, body = place.event(place.order())
    now = NOW
    if spoil == "no_headers":
        headers = {}
    elif spoil == "other_id":
        headers = headers | {"webhook-id": "evt-other"}
    elif spoil == "other_time":
        headers = headers | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}
    elif spoil == "other_body":
        body = body.replace(b'"units":1', b'"units":2').replace(b'"units": 1', b'"units": 2')
    elif spoil == "other_secret":
        headers = headers | {"webhook-signature": "v1,bm8="}
    else:
        now = NOW + timedelta(seconds=301 if spoil == "old" else -301)
    with pytest.raises(Forged):
        place.gateway.read_event(headers, body, now=now)


@pytest.mark.parametrize(
    "body",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"version":2,"type":"shipped","timestamp":"2026-06-15T10:00:00Z","data":{}}',
        b'{"version":1,"type":"shipped","timestamp":"2026-06-15T10:00:00Z","data":{"merchant":"demo","order":"x","lines":[]}}',
        b'{"version":1,"type":"shipped","timestamp":"2026-06-15T10:00:00Z","data":{"merchant":"demo","order":"x","lines":[{"line":"l1","units":-1}]}}',
        b'{"version":1,"type":"shipped","timestamp":"yesterday","data":{"merchant":"demo","order":"x","lines":[{"line":"l1","units":1}]}}',
        b'{"version":1,"type":"leave_out.answered","timestamp":"2026-06-15T10:00:00Z","data":{"merchant":"demo","order":"x","key":"k","state":"maybe"}}',
    ],
)
def test_what_is_signed_and_makes_no_sense_is_no_event(place: Place, body: bytes) -> None:
    with pytest.raises(ValueError):
        place.gateway.read_event(place.signed(body), body, now=NOW)


def test_an_event_of_a_kind_that_is_not_known_is_other(place: Place) -> None:
    body = b'{"version":1,"type":"weather.changed","timestamp":"2026-06-15T10:00:00Z","data":{}}'
    assert place.gateway.read_event(place.signed(body), body, now=NOW).kind == "other"


PAGE = Path(wire.SCHEMA).with_name("CONTRACT.md")


def test_the_page_for_implementers_has_every_form_and_its_examples_are_right() -> None:
    text = PAGE.read_text(encoding="utf-8")
    examples = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]
    forms = ["constraints_request", "constraints_answer", "leave_out_request", "leave_out_answer", "event",
             "event_answer"]  # fmt: skip
    assert len(examples) == len(forms)
    for name, example in zip(forms, examples, strict=True):
        valid(name, example)
        assert f"`{name}`" in text or name in ("event",), name
    for word in (*wire.TYPES.values(), *CONSTRAINTS, *ANSWERS, "health_answer", "`error`"):
        assert word in text, word


def test_the_forms_refuse_what_is_not_of_the_contract() -> None:
    """Both sides check with them: a form that takes anything would prove nothing."""
    right = wire.leave_out(leave_out(an_order()))
    valid("leave_out_request", right)
    for name in right:
        with pytest.raises(ValidationError):
            valid("leave_out_request", {key: value for key, value in right.items() if key != name})
    with pytest.raises(ValidationError):
        valid("leave_out_request", right | {"lines": []})
    with pytest.raises(ValidationError):
        valid("leave_out_answer", {"version": 1, "key": "k", "state": "perhaps"})
    with pytest.raises(ValidationError):
        valid("constraints_answer", {"version": 1, "constraints": [{"line": "1", "code": "bad weather"}]})

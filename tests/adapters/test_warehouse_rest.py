"""The REST adapter on a bad line: whatever is not understood is ambiguous, a page never waits for long."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from portal.adapters.warehouse.rest import RestWarehouse
from portal.ports import Declined, Unavailable
from tests.adapters.test_warehouse_contract import an_order, leave_out
from tests.warehouse_server import SECRET, WarehouseServer, running

NOW = datetime.now(UTC)
ORDER = an_order()


@pytest.fixture
def there() -> Iterator[WarehouseServer]:
    with running() as server:
        server.take_in("demo", ORDER.order, {one.line: (one.sku, one.units) for one in ORDER.lines})
        yield server


@pytest.fixture
def gateway(there: WarehouseServer) -> RestWarehouse:
    return RestWarehouse(url=there.url, secret=there.secret, read_seconds=1, page_seconds=0.5)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("reset_before", {}), ("reset_after", {}), ("hang_before", {"seconds": 2}), ("hang_after", {"seconds": 2}),
        ("cut_body", {}), ("garbage", {}), ("wrong_key", {}), ("redirect", {}), ("status", {"status": 500}),
        ("status", {"status": 502, "after": True}), ("status", {"status": 404}), ("status", {"status": 400}),
        ("status", {"status": 429}), ("status", {"status": 418, "body": b'{"error": 1}'}),
    ],
)  # fmt: skip
def test_whatever_is_not_understood_is_ambiguous_and_asked_again_takes_effect_once(
    there: WarehouseServer, gateway: RestWarehouse, kind: str, options: dict[str, object]
) -> None:
    there.trouble(kind, "/leave-outs", **options)
    with pytest.raises(Unavailable):
        gateway.leave_out(leave_out(ORDER), key="k1")
    assert gateway.leave_out(leave_out(ORDER), key="k1").state == "released"
    assert there.orders["demo", ORDER.order]["l1"].left_out == 1
    assert {key for method, _, key in there.seen if method == "POST"} == {"k1"}


def test_a_pause_that_is_asked_for_is_told(there: WarehouseServer, gateway: RestWarehouse) -> None:
    for told, seconds in (("3", {3}), ("Wed, 21 Oct 2015 07:28:00 GMT", {0}), ("soon", {None})):
        there.trouble("status", "/leave-outs", status=503, headers={"Retry-After": told})
        with pytest.raises(Unavailable) as away:
            gateway.leave_out(leave_out(ORDER), key="k1")
        assert away.value.retry_after in seconds


def test_a_no_that_is_understood_is_no_outage(there: WarehouseServer, gateway: RestWarehouse) -> None:
    with pytest.raises(Declined) as no:
        gateway.leave_out(leave_out(an_order("D-2")), key="k1")
    assert no.value.code == "unknown_order"
    stranger = RestWarehouse(url=there.url, secret="whsec_" + "QUJD" * 12)
    with pytest.raises(Declined) as no:
        stranger.look_up("k1")
    assert no.value.code == "not_authorized"
    with pytest.raises(Unavailable):
        stranger.health()


def test_a_missing_path_is_not_taken_for_a_request_that_never_arrived(there: WarehouseServer) -> None:
    lost = RestWarehouse(url=there.url + "/elsewhere", secret=there.secret)
    with pytest.raises(Declined) as no:
        lost.look_up("k1")
    assert no.value.code == "no_such_path"


@pytest.mark.parametrize(("kind", "options"), [("hang_before", {"seconds": 5}), ("drip", {"pause": 0.2})])
def test_a_page_waits_no_longer_than_promised(
    there: WarehouseServer, gateway: RestWarehouse, kind: str, options: dict[str, float]
) -> None:
    """Also where every byte comes in time, and all of them do not."""
    there.says("demo", ORDER.order, "l1", "drop_ship")
    there.trouble(kind, "/constraints", **options)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        gateway.constraints(ORDER, now=NOW)
    assert time.monotonic() - began < 1.5
    assert [one.code for one in gateway.constraints(ORDER, now=NOW)] == ["drop_ship"]


def test_pages_leave_a_warehouse_alone_that_only_fails(there: WarehouseServer) -> None:
    moment = [0.0]
    gateway = RestWarehouse(url=there.url, secret=SECRET, page_seconds=0.5, clock=lambda: moment[0])
    there.trouble("status", "/constraints", times=4, status=500)
    for _ in range(10):
        with pytest.raises(Unavailable):
            gateway.constraints(ORDER, now=NOW)
    assert len(there.seen) == 3, "after three failures in a row it is not asked"
    assert gateway.leave_out(leave_out(ORDER), key="k1").state == "released", "what must be told is told"
    moment[0] = 31.0
    with pytest.raises(Unavailable):
        gateway.constraints(ORDER, now=NOW)
    moment[0] = 62.0
    assert gateway.constraints(ORDER, now=NOW) == ()


def test_what_it_says_of_other_lines_is_left_aside(there: WarehouseServer, gateway: RestWarehouse) -> None:
    there.take_in("demo", ORDER.order, {"l1": ("MUG", 3), "l2": ("LID", 1), "l9": ("ELSE", 1)})
    there.says("demo", ORDER.order, "l9", "drop_ship")
    assert gateway.constraints(ORDER, now=NOW) == ()


def test_a_day_that_is_none_is_not_understood(there: WarehouseServer, gateway: RestWarehouse) -> None:
    there.says("demo", ORDER.order, "l1", "cut_off", until="2026-13-45T10:00:00Z")
    with pytest.raises(Unavailable):
        gateway.constraints(ORDER, now=NOW)


def test_the_split_instructions_go_along_by_location(there: WarehouseServer, gateway: RestWarehouse) -> None:
    gateway.leave_out(leave_out(ORDER, 2), key="k1")
    told = there.requests["k1"]["body"]
    assert [(one["line"], one["units"]) for one in told["lines"]] == [("l1", 2)]
    assert [
        (one["location"], [(line["line"], line["units"]) for line in one["lines"]])
        for one in told["shipments"]
    ] == [("main", [("l1", 1)]), ("north", [("l2", 1)])]

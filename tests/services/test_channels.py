"""Shops' own systems are told of cancellations: signed, in order, in the same words at every try."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from jsonschema import Draft202012Validator, FormatChecker

from portal.adapters.channels import webhook
from portal.adapters.channels.notices import body, schema
from portal.adapters.channels.sandbox import SandboxChannel
from portal.adapters.channels.webhook import WebhookChannel
from portal.adapters.signatures import new_secret, proved
from portal.adapters.warehouse.sandbox import SandboxWarehouse
from portal.core.lifecycles import IllegalStep
from portal.db import returns as stored_returns
from portal.db.base import db, transaction
from portal.db.channels import ChannelMessage
from portal.db.tasks import Task
from portal.ports import ChannelNotice, Declined, Unavailable
from portal.services import channels
from portal.services.cancellations import ending
from portal.settings import BadSettings, Settings
from tests.builders import a_merchant, a_person
from tests.services.cancelling import NOW, canceled, confirm, goods, propose, service, unshipped

SECRET = new_secret()
NOTICE = ChannelNotice(
    topic="order_line.canceled", merchant="demo", order="1001", at=NOW, payload={"b": 1, "a": "ä"}
)


@dataclass
class Shop:
    """A shop's own system: it keeps what it is sent, and answers as it is told."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    slow: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def system() -> Iterator[Shop]:
    known = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            known.received.append((headers, self.rfile.read(length)))
            known.paths.append(self.path)
            if known.slow.is_set():
                threading.Event().wait(1.5)
            status, more = known.answers.pop(0) if known.answers else (204, {})
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_told: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}/orders"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield known
    server.shutdown()
    server.server_close()


def tell(system: Shop, **more: Any) -> None:
    WebhookChannel(url=system.url, secret=SECRET, **more).notify(NOTICE, key="key-1")


# ------------------------------------------------------------------------------------------------------ the post


def test_a_notice_is_signed_as_standard_webhooks_says(system: Shop) -> None:
    at = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    tell(system, clock=lambda: at)
    headers, told = system.received[0]
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("key-1", str(int(at.timestamp())))
    assert proved(headers, told, secrets=[SECRET], now=at) == "key-1"
    assert told == body(NOTICE, key="key-1")
    assert json.loads(told)["data"] == {"a": "ä", "b": 1}
    assert headers["content-type"] == "application/json; charset=utf-8"


def test_the_body_is_the_same_at_every_try_and_the_timestamp_is_not(system: Shop) -> None:
    system.answers += [(503, {}), (204, {})]
    with pytest.raises(Unavailable):
        tell(system, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    tell(system, clock=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    (first, one), (second, two) = system.received
    assert one == two
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 409, 425, 429])
def test_what_may_work_later_is_tried_later(system: Shop, status: int) -> None:
    system.answers.append((status, {"Retry-After": "77"}))
    with pytest.raises(Unavailable) as problem:
        tell(system)
    assert problem.value.retry_after == 77


def test_a_date_to_come_back_at_is_understood_and_nonsense_is_none(system: Shop) -> None:
    at = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    for told, waits in (
        ("Sat, 21 Nov 2026 10:02:00 GMT", 120),
        ("soon", None),
        ("Sat, 21 Nov 2020 10:00:00 GMT", 0),
    ):
        system.answers.append((429, {"Retry-After": told}))
        with pytest.raises(Unavailable) as problem:
            tell(system, clock=lambda: at)
        assert problem.value.retry_after == waits


@pytest.mark.parametrize(
    ("status", "code"), [(400, "not_taken"), (401, "not_taken"), (404, "not_taken"), (410, "not_wanted")]
)
def test_a_no_is_a_no(system: Shop, status: int, code: str) -> None:
    system.answers.append((status, {}))
    with pytest.raises(Declined) as problem:
        tell(system)
    assert problem.value.code == code


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_followed_anywhere(system: Shop, status: int) -> None:
    """Least of all to an address inside, such as the metadata of a cloud."""
    elsewhere = system.url.replace("/orders", "/secret")
    system.answers.append((status, {"Location": elsewhere}))
    with pytest.raises(Declined) as problem:
        tell(system)
    assert problem.value.code == "redirected"
    assert system.paths == ["/orders"]


def test_who_does_not_answer_is_asked_again(system: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "READ_SECONDS", 0.2)
    system.slow.set()
    with pytest.raises(Unavailable, match="no answer"):
        tell(system)
    with pytest.raises(Unavailable, match="refused or lost"):
        WebhookChannel(url="http://127.0.0.1:9/", secret=SECRET).notify(NOTICE, key="key-1")


def test_a_proxy_of_the_environment_sees_nothing(system: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    tell(system)
    assert len(system.received) == 1


def test_the_sandbox_keeps_what_would_be_sent_once(tmp_path: Any) -> None:
    sandbox = SandboxChannel(folder=tmp_path / "kept")
    assert sandbox.received() == ()
    for _ in range(2):
        sandbox.notify(NOTICE, key="key-1")
    assert sandbox.received() == (("key-1", body(NOTICE, key="key-1")),)
    with pytest.raises(Declined):
        sandbox.notify(replace(NOTICE, order="1002"), key="key-1")


# --------------------------------------------------------------------------------------------------- what is told


@pytest.fixture
def shop(session: Any) -> UUID:
    return a_merchant(now=NOW)


def messages() -> list[ChannelMessage]:
    db.session.rollback()
    found = sa.select(ChannelMessage).order_by(ChannelMessage.id).execution_options(populate_existing=True)
    return list(db.session.scalars(found))


def at_a_warehouse(gateways: Any, shop: UUID, order: Any, units: dict[str, int], tmp_path: Any) -> UUID:
    made = propose(gateways, shop, order, units)
    kept = replace(gateways, warehouse=SandboxWarehouse(tmp_path / f"{made}.sqlite"))
    assert confirm(kept, shop, made) == "confirmed"
    return made


def valid(row: ChannelMessage) -> dict[str, Any]:
    """The message as it is sent, checked against the schema that receivers are given."""
    told = json.loads(body(channels._notice(row), key=str(row.id)))
    faults = list(Draft202012Validator(schema(), format_checker=FormatChecker()).iter_errors(told))
    assert faults == []
    data: dict[str, Any] = told["data"]
    return data


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_a_cancellation_is_told_with_lines_totals_refund_and_what_is_still_sent(
    shop: UUID, gateways: Any
) -> None:
    order = unshipped(gateways, shop, goods("MUG", 3, "9.33"), goods("HAT", 2, "20.00", shipped=1))
    made = canceled(gateways, shop, order, {"MUG": 2})
    (row,) = messages()
    assert (row.topic, row.return_id, row.order_id) == ("order_line.canceled", made, order.id)
    told = valid(row)
    assert told["sequence"] == 1
    (line,) = told["lines"]
    assert (line["line"], line["sku"], line["units"], line["left"], line["amount"]) == (
        "1",
        "MUG",
        2,
        1,
        1866,
    )
    assert (told["totals"]["before"]["total"], told["totals"]["after"]["total"]) == (6799, 6799 - 1866)
    refund = stored_returns.get(made)
    assert refund is not None and told["cancellation"]["number"] == refund.number
    assert (told["refund"]["amount"], told["refund"]["ways"]) == (1866, [{"tender": "card", "amount": 1866}])
    assert told["refund"]["number"].startswith("RF")
    (shipment,) = told["shipments"]
    assert shipment["location"] == "main"
    assert [(one["line"], one["sku"], one["units"]) for one in shipment["lines"]] == [
        ("1", "MUG", 1),
        ("2", "HAT", 1),
    ]


def test_the_last_unit_tells_that_the_order_is_canceled(shop: UUID, gateways: Any) -> None:
    canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 3})
    told = valid(messages()[0])
    assert (told["order"]["state"], told["shipments"], told["totals"]["after"]["total"]) == (
        "canceled",
        [],
        0,
    )


def test_a_service_that_runs_out_is_told_with_its_last_day_and_no_refund(shop: UUID, gateways: Any) -> None:
    order = unshipped(gateways, shop, goods("MUG", 1), service("PLAN", "30.00", days_had=10))
    canceled(gateways, shop, order, {"PLAN": (1, "next_period")})
    told = valid(messages()[0])
    (line,) = told["lines"]
    assert (line["ending"], line["amount"], told["refund"]) == ("next_period", 0, None)
    assert line["ends_on"] > NOW.date().isoformat()


@pytest.mark.parametrize("ends", ["overtaken", "refused"])
def test_what_came_to_nothing_is_told_too(shop: UUID, gateways: Any, tmp_path: Any, ends: str) -> None:
    order = unshipped(gateways, shop)
    made = at_a_warehouse(gateways, shop, order, {"MUG": 1}, tmp_path)
    with transaction():
        if ends == "refused":
            ending.refuse(made, code="picking", now=NOW)
        else:
            ending.overtake([made], why="shipped", now=NOW)
    first, second = messages()
    assert second.topic == f"order_line.cancellation_{ends}"
    told = valid(second)
    assert (told["sequence"], told["cancellation"]["state"], told["refund"]) == (2, ends, None)
    assert told["cancellation"]["why"]
    assert told["totals"]["after"] == valid(first)["totals"]["before"]
    assert told["totals"]["before"] == valid(first)["totals"]["after"]
    assert told["lines"][0]["left"] == 3


def test_nobody_is_told_of_a_proposal_that_ends(shop: UUID, gateways: Any) -> None:
    made = propose(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    with transaction():
        ending.overtake([made], why="shipped", now=NOW)
    assert messages() == []


# ------------------------------------------------------------------------------------------------------ delivery


def deliver(gateways: Any, row: ChannelMessage) -> None:
    db.session.rollback()
    channels.deliver(row.id, gateways=gateways, now=NOW)


def two(gateways: Any, shop: UUID) -> tuple[Any, list[ChannelMessage]]:
    """An order about which two messages wait."""
    order = unshipped(gateways, shop)
    canceled(gateways, shop, order, {"MUG": 1})
    canceled(gateways, shop, order, {"MUG": 1})
    return order, messages()


def test_messages_about_one_order_are_told_one_after_the_other(
    shop: UUID, gateways: Any, system: Shop
) -> None:
    speaking = replace(gateways, channel=WebhookChannel(url=system.url, secret=SECRET))
    _, (first, second) = two(gateways, shop)
    canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    other = messages()[2]
    with pytest.raises(Unavailable):
        deliver(speaking, second)
    deliver(speaking, other)
    system.answers.append((500, {}))
    with pytest.raises(Unavailable):
        deliver(speaking, first)
    with pytest.raises(Unavailable):
        deliver(speaking, second)
    deliver(speaking, first)
    deliver(speaking, second)
    deliver(speaking, second)
    ids = [headers["webhook-id"] for headers, _ in system.received]
    assert ids == [str(row.id) for row in (other, first, first, second)]
    assert system.received[1][1] == system.received[2][1]
    states = [(row.state, row.attempts, row.error) for row in messages()]
    assert states == [("sent", 2, ""), ("sent", 1, ""), ("sent", 1, "")]


def test_what_was_not_taken_holds_up_nothing_is_a_task_and_is_sent_again_in_the_same_words(
    shop: UUID, gateways: Any, system: Shop
) -> None:
    speaking = replace(gateways, channel=WebhookChannel(url=system.url, secret=SECRET))
    _, (first, second) = two(gateways, shop)
    system.answers.append((422, {}))
    deliver(speaking, first)
    deliver(speaking, second)
    assert [row.state for row in messages()] == ["failed", "sent"]
    task = sa.select(Task).where(Task.kind == "channel_failed").execution_options(populate_existing=True)
    assert db.session.scalars(task).one().state == "open"
    db.session.rollback()
    person = a_person(shop, "supervisor")
    channels.resend(person, first.id, now=NOW)
    deliver(speaking, first)
    assert [row.state for row in messages()] == ["sent", "sent"]
    assert db.session.scalars(task).one().state == "done"
    assert system.received[0][1] == system.received[2][1]
    db.session.rollback()
    with pytest.raises(IllegalStep):
        channels.resend(person, first.id, now=NOW)


def test_a_worker_tells_the_sandbox_by_itself(shop: UUID, gateways: Any, drain: Any) -> None:
    canceled(gateways, shop, unshipped(gateways, shop), {"MUG": 1})
    drain()
    (row,) = messages()
    assert (row.state, row.attempts) == ("sent", 1)
    ((key, told),) = gateways.channel.received()
    assert (key, json.loads(told)["data"]) == (str(row.id), row.payload)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"CHANNEL": "webhook"}, ["CHANNEL_URL", "CHANNEL_SECRET"]),
        (
            {"CHANNEL": "webhook", "CHANNEL_URL": "http://shop.example", "CHANNEL_SECRET": "short"},
            ["CHANNEL_SECRET"],
        ),
        ({"CHANNEL": "pigeon"}, ["CHANNEL"]),
    ],
)
def test_a_channel_that_cannot_be_told_stops_the_start(given: dict[str, str], named: list[str]) -> None:
    with pytest.raises(BadSettings) as stop:
        Settings.from_env({"APP_ENV": "test", **given})
    assert [fault.split()[0] for fault in stop.value.faults] == named


def test_production_tells_nobody_in_the_open() -> None:
    given = {"CHANNEL": "webhook", "CHANNEL_URL": "http://shop.example", "CHANNEL_SECRET": SECRET}
    with pytest.raises(BadSettings, match="CHANNEL_URL should start with https"):
        Settings.from_env({"APP_ENV": "production", **given})


def test_a_message_that_is_not_there_is_nobodys(gateways: Any, shop: UUID) -> None:
    channels.deliver(uuid4(), gateways=gateways, now=NOW)
    assert messages() == []

"""The server's troubles, deliveries, memory and speed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.mail import free_port
from tests.stripe_server import KINDS, Remote, StripeServer, running
from tests.stripe_server.events import signature

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with running() as started:
        yield started


def refund(server: StripeServer, capture: str, amount: int = 1, *, key: str = "") -> requests.Response:
    headers = {"Authorization": f"Bearer {server.key}", **({"Idempotency-Key": key} if key else {})}
    form = {"payment_intent": capture, "amount": str(amount)}
    return requests.post(f"{server.url}/v1/refunds", data=form, headers=headers, timeout=10)


# --------------------------------------------------------------------------------------------------- troubles


@pytest.mark.parametrize(
    ("kind", "executed"),
    [("reset_before", 0), ("reset_after", 1), ("hang_before", 0), ("hang_after", 1), ("cut_body", 1)],
)
def test_a_connection_that_ends_early_was_executed_or_not(
    server: StripeServer, kind: str, executed: int
) -> None:
    capture = server.payment(10_000)
    server.fault(kind, seconds=0.05)
    with pytest.raises(requests.RequestException):
        refund(server, capture)
    assert len(server.refunds()) == executed
    assert refund(server, capture).status_code == 200, "only once"


@pytest.mark.parametrize("kind", ["cut_json", "garbage"])
def test_an_answer_that_is_no_json(server: StripeServer, kind: str) -> None:
    server.fault(kind)
    answer = refund(server, server.payment(10_000))
    assert answer.status_code == 200 and len(server.refunds()) == 1
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize("kind", ["wrong_amount", "wrong_currency", "wrong_id", "wrong_capture"])
def test_an_answer_that_lies_about_what_was_executed(server: StripeServer, kind: str) -> None:
    server.fault(kind)
    said, (truth,) = refund(server, server.payment(10_000)).json(), server.refunds()
    different = {name for name in truth if said[name] != truth[name]}
    assert (
        different
        == {
            "wrong_amount": {"amount"},
            "wrong_currency": {"currency"},
            "wrong_id": {"id"},
            "wrong_capture": {"charge", "payment_intent"},
        }[kind]
    )


def test_a_slow_answer_comes(server: StripeServer) -> None:
    server.fault("slow", seconds=0.2)
    began = time.monotonic()
    assert refund(server, server.payment(10_000)).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_trouble_that_sticks_lasts_until_it_is_mended(server: StripeServer) -> None:
    capture = server.payment(10_000)
    server.fault("error", times=None, status=500)
    assert {refund(server, capture).status_code for _ in range(5)} == {500}
    server.mend()
    assert refund(server, capture).status_code == 200


def test_trouble_happens_only_to_the_requests_it_is_meant_for(server: StripeServer) -> None:
    capture = server.payment(10_000)
    server.fault("error", method="GET", path="/v1/charges")
    assert refund(server, capture).status_code == 200
    auth = (server.key, "")
    assert requests.get(f"{server.url}/v1/refunds", auth=auth, timeout=5).status_code == 200
    assert requests.get(f"{server.url}/v1/charges/ch_1", auth=auth, timeout=5).status_code == 500
    with pytest.raises(ValueError, match="is not one of"):
        server.fault("earthquake")
    assert "reset_after" in KINDS


def test_too_many_requests_are_told_to_wait(server: StripeServer) -> None:
    capture = server.payment(10_000)
    server.limit(1)
    answers = [refund(server, capture) for _ in range(8)]
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] >= 1 and statuses[429] >= 1 and len(statuses) == 2
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Retry-After"] == "1"
    assert len(server.refunds()) == statuses[200]
    server.limit(None)
    assert refund(server, capture).status_code == 200


def test_a_server_that_is_down_refuses_and_comes_back_where_it_was(server: StripeServer) -> None:
    capture, session = server.payment(10_000), requests.Session()
    session.get(f"{server.url}/v1/refunds", auth=(server.key, ""), timeout=5)
    url = server.url
    server.down()
    with pytest.raises(requests.ConnectionError):
        session.get(f"{url}/v1/refunds", auth=(server.key, ""), timeout=5)
    server.up()
    assert server.url == url and refund(server, capture).status_code == 200
    session.close()


def test_while_the_first_is_at_work_the_same_key_is_told_to_wait(server: StripeServer) -> None:
    capture = server.payment(10_000)
    server.latency(1.5)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: refund(server, capture, key="k"), range(8)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 7}
    waiting = next(answer for answer in answers if answer.status_code == 409)
    assert waiting.json()["error"]["code"] == "idempotency_key_in_use"
    server.latency(0)
    assert refund(server, capture, key="k").headers["Idempotent-Replayed"] == "true"


def test_two_hundred_connections_at_once_are_served_and_never_pay_too_much(server: StripeServer) -> None:
    capture = server.payment(100)
    server.latency(0.3)
    gate = threading.Barrier(200)

    def together(number: int) -> int:
        gate.wait(30)
        return refund(server, capture, key=f"k{number}").status_code

    began = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        answers = Counter(pool.map(together, range(200)))
    assert answers == {200: 100, 400: 100}
    assert sum(one["amount"] for one in server.refunds()) == 100
    assert time.monotonic() - began < 30, "side by side, not one after the other"


# --------------------------------------------------------------------------------------------------- webhooks


class Listener:
    """A shop's endpoint: keeps what arrived, and answers what it is told to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, bytes]] = []
        self.answers: list[int] = []


@contextmanager
def listening() -> Iterator[tuple[Listener, str]]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            listener.got.append((json.loads(body)["id"], self.headers["Stripe-Signature"], body))
            self.send_response(listener.answers.pop(0) if listener.answers else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield listener, f"http://127.0.0.1:{http.server_address[1]}/hooks"
    finally:
        http.shutdown()
        http.server_close()


def until(done: object, seconds: float = 10) -> None:
    limit = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.01)


def test_events_are_delivered_signed_as_often_and_in_the_order_that_is_wanted(server: StripeServer) -> None:
    server.refund_outside(server.payment(10_000), 1)
    ids = [event["id"] for event in server.events()]
    with listening() as (listener, url):
        assert server.deliver(url) == [200, 200, 200]
        assert [id for id, _, _ in listener.got] == ids
        for _, header, body in listener.got:
            moment = int(header.partition(",")[0].removeprefix("t="))
            assert header == signature(server.secret, body, moment)
        listener.got.clear()
        server.deliver(url, copies=4, shuffle=7)
        orders = [id for id, _, _ in listener.got]
        assert Counter(orders) == dict.fromkeys(ids, 4) and orders != sorted(orders, key=ids.index)
        listener.got.clear()
        server.deliver(url, ids[1])
        assert [id for id, _, _ in listener.got] == [ids[1]]
    assert server.deliver(url, ids[0]) == [0], "nobody is there"


def test_events_go_out_by_themselves_and_again_until_they_are_taken(server: StripeServer) -> None:
    with listening() as (listener, url):
        listener.answers = [500, 503]
        server.send_to(url, retries=3)
        capture = server.payment(10_000)
        (event,) = server.events(about=capture)
        until(lambda: [status for _, status in server.deliveries()] == [500, 503, 200])
        assert [id for id, _, _ in listener.got] == [event["id"]] * 3
        server.send_to("")
        server.refund_outside(capture, 1)
        time.sleep(0.1)
        assert server.waiting() == 0 and len(listener.got) == 3


def test_a_plan_may_copy_reorder_and_lose_events(server: StripeServer) -> None:
    with listening() as (listener, url):
        server.send_to(url, copies=3, shuffle=11, spread=0.3, lose=0.3)
        capture = server.payment(10_000)
        for _ in range(15):
            server.refund_outside(capture, 1)
        until(lambda: server.waiting() == 0 and listener.got)
        time.sleep(0.1)
        arrived = [id for id, _, _ in listener.got]
        made = [event["id"] for event in server.events()]
        assert 0 < len(set(arrived)) < len(made), "some are lost"
        assert set(Counter(arrived).values()) == {3}
        assert arrived != sorted(arrived, key=made.index), "some are overtaken"


# ----------------------------------------------------------------------------------------- memory and process


def test_what_it_remembers_outlives_it(tmp_path: Path) -> None:
    file = tmp_path / "state"
    with running(state=file) as server:
        capture = server.payment(10_000)
        first = refund(server, capture, 2_500, key="k").json()
        refund(server, capture, 99_999, key="too much")
        server.advance(100)
        before = (server.refunds(), server.events(), server.disputes())
    with file.open("ab") as half:
        half.write(b'["refunds", "re_half writ')
    with running(state=file) as server:
        assert (server.refunds(), server.events(), server.disputes()) == before
        assert refund(server, capture, 2_500, key="k").json() == first
        assert refund(server, capture, 99_999, key="too much").headers["Idempotent-Replayed"] == "true"
        assert refund(server, capture, 7_501).status_code == 400, "what was refunded counts on"
        later = refund(server, capture, 7_500).json()
        assert later["created"] >= first["created"] + 99, "its clock goes on"
    with running(state=file) as server:
        assert [one["amount"] for one in server.refunds()] == [2_500, 7_500]


def test_over_http_it_is_controlled_as_in_the_process(server: StripeServer) -> None:
    remote = Remote(server.url)
    capture = remote.payment(10_000, "EUR", card="pending_refund")
    refund(server, capture, 2_500, key="k")
    assert remote.refunds() == server.refunds() and remote.settle() == 1
    (seen,) = remote.requests()
    assert (seen.key, seen.status, seen.params["amount"]) == ("k", 200, "2500")
    with pytest.raises(ValueError, match="No such refund"):
        remote.fail("re_none")
    hidden = requests.post(f"{server.url}/control/_write", data="{}", timeout=5)
    assert hidden.status_code == 400
    with pytest.raises(AttributeError):
        remote.nonsense()


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    command = [sys.executable, "-m", "tests.stripe_server", "--port", str(port), *arguments]
    env = {"PATH": os.environ.get("PATH", ""), "STRIPE_API_KEY": "sk_test_of_this_test"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            assert "Stripe-shaped server" in started.stdout.readline()
            yield started, f"http://127.0.0.1:{port}"
        finally:
            started.kill()


def test_as_a_process_of_its_own_it_survives_being_killed(tmp_path: Path) -> None:
    file = str(tmp_path / "state")
    with process("--state", file) as (started, url):
        capture = Remote(url).payment(10_000, "EUR")
        answer = requests.post(
            f"{url}/v1/refunds",
            data={"payment_intent": capture, "amount": "2500"},
            headers={"Authorization": "Bearer sk_test_of_this_test", "Idempotency-Key": "k"},
            timeout=5,
        )
        started.kill()
    with process("--state", file, "--settle-after", "0.2") as (started, url):
        remote = Remote(url)
        assert [one["id"] for one in remote.refunds()] == [answer.json()["id"]]
        remote.next_refunds("pending")
        pending = remote.refund_outside(capture, 100)
        until(lambda: {one["id"]: one["status"] for one in remote.refunds()}[pending] == "succeeded")
        started.send_signal(signal.SIGTERM)
        assert started.wait(10) == 0

"""A gateway that only fails is left alone, and found again when it answers."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from portal.adapters.payments.breaker import Breaker, Circuit
from portal.adapters.payments.stripe import StripePayments
from portal.ports import Declined, Unavailable
from tests.stripe_server import StripeServer, running

EVER = datetime.fromtimestamp(0, UTC)


class Clock:
    """Time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with running() as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(server: StripeServer, clock: Clock) -> Breaker:
    inner = StripePayments(
        api_key=server.key, api_base=server.url, webhook_secrets=(server.secret,), read_seconds=5
    )
    return Breaker(inner, clock=clock)


def pay(gateway: Breaker, capture: str, key: str = "k1") -> str:
    return gateway.refund(key=key, reference=capture, amount=100, currency="EUR").state


def test_while_everything_answers_500_at_most_ten_calls_a_minute_get_through(
    server: StripeServer, clock: Clock, gateway: Breaker
) -> None:
    capture = server.payment(10_000)
    server.fault("error", times=None, method="*", path="/v1", status=500)
    asked_by_minute = []
    for _ in range(5):
        server.forget_requests()
        for _ in range(120):
            with pytest.raises(Unavailable):
                pay(gateway, capture)
            with pytest.raises(Unavailable):
                gateway.look_up(key="k1", capture=capture)
            clock.now += 0.5
        asked_by_minute.append(len(server.requests("*", "")))
    assert max(asked_by_minute) <= 10 and min(asked_by_minute) >= 2, "it is asked now and then"


def test_the_first_answer_after_the_pause_closes_it_again(
    server: StripeServer, clock: Clock, gateway: Breaker
) -> None:
    capture = server.payment(10_000)
    server.fault("error", times=3, status=500)
    for _ in range(3):
        with pytest.raises(Unavailable):
            pay(gateway, capture)
    with pytest.raises(Unavailable) as left_alone:
        pay(gateway, capture)
    assert left_alone.value.retry_after == 30 and len(server.requests()) == 3
    clock.now += 30
    assert pay(gateway, capture) == "succeeded"
    assert pay(gateway, capture, "k2") == "succeeded"


def test_failures_between_answers_open_nothing(server: StripeServer, gateway: Breaker) -> None:
    capture = server.payment(10_000)
    for number in range(4):
        server.fault("error", times=2, status=500)
        for _ in range(2):
            with pytest.raises(Unavailable):
                pay(gateway, capture, f"k{number}")
        assert pay(gateway, capture, f"k{number}") == "succeeded"


def test_a_refusal_is_an_answer(server: StripeServer, gateway: Breaker) -> None:
    capture = server.payment(10_000)
    for _ in range(5):
        with pytest.raises(Declined):
            gateway.refund(key="k", reference=capture, amount=10_001, currency="EUR")
    assert pay(gateway, capture) == "succeeded"


def test_a_pause_that_was_asked_for_is_kept_from_its_first_word(
    server: StripeServer, clock: Clock, gateway: Breaker
) -> None:
    capture = server.payment(10_000)
    server.fault("error", status=429, retry_after=90)
    with pytest.raises(Unavailable) as told:
        pay(gateway, capture)
    assert told.value.retry_after == 90
    clock.now += 89
    with pytest.raises(Unavailable) as still:
        pay(gateway, capture)
    assert still.value.retry_after == 1 and len(server.requests()) == 1
    clock.now += 1
    assert pay(gateway, capture) == "succeeded"


def test_one_short_word_to_slow_down_stops_nobody_else(server: StripeServer, gateway: Breaker) -> None:
    capture = server.payment(10_000)
    server.fault("error", status=429, retry_after=1)
    with pytest.raises(Unavailable):
        pay(gateway, capture)
    assert pay(gateway, capture) == "succeeded"


def test_words_to_slow_down_and_nothing_else_stop_everybody_in_the_end(
    server: StripeServer, gateway: Breaker
) -> None:
    capture = server.payment(10_000)
    server.fault("error", times=None, status=503, retry_after=1)
    for _ in range(100):
        with pytest.raises(Unavailable) as told:
            pay(gateway, capture)
        assert told.value.retry_after == 1
    assert len(server.requests()) == 30


def test_reading_goes_on_while_paying_fails_and_says_nothing_about_it(
    server: StripeServer, gateway: Breaker
) -> None:
    capture = server.payment(10_000)
    server.fault("error", times=None, status=500)
    for _ in range(6):
        with pytest.raises(Unavailable):
            pay(gateway, capture)
        assert gateway.look_up(key="k1", capture=capture) is None
        assert gateway.capture(capture) is not None
        assert list(gateway.refunds_since(EVER)) == list(gateway.disputes_since(EVER)) == []
    assert len(server.requests()) == 3


def test_after_the_pause_one_call_tests_and_the_others_wait(clock: Clock) -> None:
    circuit, asked, go_on = Circuit(name="x", clock=clock), [], threading.Event()

    def fails() -> None:
        raise Unavailable("down")

    def slow() -> str:
        asked.append(1)
        go_on.wait(10)
        return "up"

    for _ in range(3):
        with pytest.raises(Unavailable):
            circuit.call(fails)
    clock.now += 30
    test = threading.Thread(target=circuit.call, args=(slow,))
    test.start()
    while not asked:
        time.sleep(0.001)
    for _ in range(20):
        with pytest.raises(Unavailable):
            circuit.call(slow)
    go_on.set()
    test.join(10)
    assert asked == [1]
    assert circuit.call(lambda: "open to all") == "open to all"


def test_a_test_that_fails_or_breaks_down_does_not_lock_the_door_for_ever(clock: Clock) -> None:
    circuit = Circuit(name="x", clock=clock)

    def fails() -> None:
        raise Unavailable("down")

    def breaks() -> None:
        raise KeyError("a bug")

    for _ in range(3):
        with pytest.raises(Unavailable):
            circuit.call(fails)
    clock.now += 30
    with pytest.raises(Unavailable, match="down"):
        circuit.call(fails)
    clock.now += 29
    with pytest.raises(Unavailable, match="left alone"):
        circuit.call(fails)
    clock.now += 1
    with pytest.raises(KeyError):
        circuit.call(breaks)
    assert circuit.call(lambda: 1) == 1


def test_many_threads_may_use_it_at_once(server: StripeServer, clock: Clock, gateway: Breaker) -> None:
    capture = server.payment(1_000_000)
    server.fault("error", times=None, method="*", path="/v1", status=500)
    said: list[str] = []

    def work(number: int) -> None:
        for _ in range(20):
            try:
                said.append(pay(gateway, capture, f"k{number}"))
            except Unavailable:
                said.append("unavailable")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert said == ["unavailable"] * 320
    assert len(server.requests("*", "")) <= 16 + 3, "who was already asking when it opened, and no one after"


def test_events_need_no_network_and_pass(server: StripeServer, gateway: Breaker) -> None:
    refund = server.refund_outside(server.payment(1_000))
    server.down()
    for _ in range(4):
        with pytest.raises(Unavailable):
            list(gateway.refunds_since(EVER))
    event = server.events(about=refund)[0]
    headers, body = server.signed(event)
    assert gateway.code == "stripe"
    assert gateway.read_event(headers, body, now=datetime.now(UTC)).reference == refund


def test_what_is_let_go_counts_as_paying_and_is_left_alone_with_it(
    server: StripeServer, clock: Clock, gateway: Breaker
) -> None:
    held, paid = server.authorization(10_000), server.payment(10_000)
    server.fault("error", times=3, path="/v1/payment_intents", status=500)

    def let_go() -> str:
        return gateway.release(key="r1", reference=held, amount=100, remaining=9_900, currency="EUR").state

    for _ in range(3):
        with pytest.raises(Unavailable):
            let_go()
    for left_alone in (let_go, lambda: pay(gateway, paid)):
        with pytest.raises(Unavailable) as refused:
            left_alone()
        assert refused.value.retry_after == 30
    clock.now += 30
    assert let_go() == "succeeded" and pay(gateway, paid) == "succeeded"

"""One contract for every gateway: the sandbox, and Stripe over real HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portal.adapters.payments.breaker import Breaker
from portal.adapters.payments.sandbox import SandboxPayments
from portal.adapters.payments.stripe import StripePayments
from portal.ports import Declined, Forged, Payments, RefundResult, Unavailable
from tests.stripe_server import StripeServer, running
from tests.stripe_server.errors import Fault

EVER = datetime.fromtimestamp(0, UTC)


class Sandbox:
    """The sandbox, and what people do at it."""

    def __init__(self, folder: Path) -> None:
        self.there = SandboxPayments(folder / "gateway.sqlite")
        self.gateway: Payments = self.there
        self._captures = 0

    def capture(self, amount: int, currency: str = "EUR") -> str:
        self._captures += 1
        self.there.learn(f"cap-{self._captures}", captured=amount, currency=currency)
        return f"cap-{self._captures}"

    def reserve(self, amount: int, currency: str = "EUR", *, ending: str = "") -> str:
        self._captures += 1
        reference = f"auth-{self._captures}{ending}"
        self.there.learn(reference, captured=amount, currency=currency, authorized=True)
        return reference

    def lose_an_answer(self) -> None:
        """The endings of references say it here."""

    def take(self, reference: str, amount: int | None = None) -> None:
        self.there.take(reference, amount)

    def expire(self, reference: str) -> None:
        self.there.expire(reference)

    def end(self, reference: str, state: str) -> None:
        self.there.end(reference, state, error="the card is closed" if state == "failed" else "")

    def refund_outside(self, capture: str, amount: int) -> str:
        return self.there.refund_outside(capture, amount)

    def dispute(self, capture: str, amount: int) -> str:
        return self.there.dispute(capture, amount)

    def decide(self, dispute: str, state: str) -> None:
        self.there.decide(dispute, state)

    def announce(self, reference: str, now: datetime) -> tuple[dict[str, str], bytes]:
        return self.there.announce(reference, now=now)

    def executed(self) -> int:
        return len(self.there.refunds())


class Stripe:
    """The Stripe-shaped server, asked as the portal asks Stripe."""

    def __init__(self, server: StripeServer) -> None:
        self.there = server
        self.gateway: Payments = Breaker(
            StripePayments(
                api_key=server.key, api_base=server.url, webhook_secrets=(server.secret,), read_seconds=5
            )
        )

    def capture(self, amount: int, currency: str = "EUR") -> str:
        return self.there.payment(amount, currency)

    def reserve(self, amount: int, currency: str = "EUR", *, ending: str = "") -> str:
        return self.there.authorization(amount, currency)

    def lose_an_answer(self) -> None:
        self.there.fault("reset_after", path=self.place)

    place = "/v1/payment_intents"

    def take(self, reference: str, amount: int | None = None) -> None:
        """A shop that names what it may capture, as the object says."""
        left = int(self.there.metadata(reference).get("amount_to_capture", 0)) or None
        self.there.take(reference, amount or left)

    def expire(self, reference: str) -> None:
        self.there.void(reference)

    def end(self, reference: str, state: str) -> None:
        {
            "succeeded": self.there.settle,
            "failed": self.there.fail,
            "requires_action": self.there.ask,
            "canceled": self.there.cancel,
        }[state](reference)

    def refund_outside(self, capture: str, amount: int) -> str:
        return self.there.refund_outside(capture, amount)

    def dispute(self, capture: str, amount: int) -> str:
        return self.there.dispute(capture, amount)

    def decide(self, dispute: str, state: str) -> None:
        {"won": self.there.win, "lost": self.there.lose}[state](dispute)

    def announce(self, reference: str, now: datetime) -> tuple[dict[str, str], bytes]:
        return self.there.signed(self.there.events(about=reference)[-1], at=int(now.timestamp()))

    def executed(self) -> int:
        return len(self.there.refunds())


class StripeCharges(Stripe):
    """The same, for a shop that keeps charges and no payment intents."""

    def capture(self, amount: int, currency: str = "EUR") -> str:
        return self.there.payment(amount, currency, kind="charge")

    place = "/v1/charges"

    def reserve(self, amount: int, currency: str = "EUR", *, ending: str = "") -> str:
        return self.there.authorization(amount, currency, kind="charge")

    def expire(self, reference: str) -> None:
        self.there.refund_outside(reference)


Place = Sandbox | Stripe


@pytest.fixture(params=["sandbox", "stripe", "stripe-charges"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sandbox":
        yield Sandbox(tmp_path)
        return
    with running() as server:
        yield Stripe(server) if request.param == "stripe" else StripeCharges(server)


def refunded(place: Place, capture: str) -> int:
    found = place.gateway.capture(capture)
    assert found is not None
    return found.refunded


def looked_up(place: Place, key: str, capture: str, reference: str = "") -> RefundResult:
    found = place.gateway.look_up(key=key, capture=capture, reference=reference)
    assert found is not None
    return found


def test_a_capture_is_known_with_what_was_refunded_of_it(place: Place) -> None:
    capture = place.capture(10_000)
    place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    found = place.gateway.capture(capture)
    assert found is not None
    assert (found.reference, found.captured, found.refunded) == (capture, 10_000, 2_500)
    assert (found.currency, found.disputed) == ("EUR", 0)
    assert place.gateway.capture("nowhere") is None


def test_to_learn_of_a_capture_again_changes_nothing(place: Place) -> None:
    capture = place.capture(10_000)
    place.gateway.learn(capture, captured=99_999, currency="EUR")
    found = place.gateway.capture(capture)
    assert found is not None and found.captured == 10_000


def test_the_same_key_never_pays_twice(place: Place) -> None:
    capture = place.capture(10_000)
    tries = [
        place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR") for _ in range(3)
    ]
    assert tries[0] == tries[1] == tries[2]
    assert (tries[0].state, tries[0].amount, tries[0].currency) == ("succeeded", 2_500, "EUR")
    assert refunded(place, capture) == 2_500 and place.executed() == 1


def test_two_keys_are_two_refunds_of_the_same_amount(place: Place) -> None:
    capture = place.capture(10_000)
    first, second = (
        place.gateway.refund(key=key, reference=capture, amount=2_500, currency="EUR") for key in ("k1", "k2")
    )
    assert first.reference != second.reference and refunded(place, capture) == 5_000


def test_a_key_with_another_amount_or_capture_is_declined(place: Place) -> None:
    one, other = place.capture(10_000), place.capture(10_000)
    place.gateway.refund(key="k1", reference=one, amount=2_500, currency="EUR")
    for capture, amount in ((one, 2_501), (other, 2_500)):
        with pytest.raises(Declined) as refused:
            place.gateway.refund(key="k1", reference=capture, amount=amount, currency="EUR")
        assert refused.value.code == "key_reused"
    assert place.executed() == 1


def test_partial_refunds_together_never_exceed_the_capture(place: Place) -> None:
    capture = place.capture(10_000)
    place.gateway.refund(key="k1", reference=capture, amount=6_000, currency="EUR")
    with pytest.raises(Declined) as refused:
        place.gateway.refund(key="k2", reference=capture, amount=4_001, currency="EUR")
    assert refused.value.code == "too_much"
    last = place.gateway.refund(key="k3", reference=capture, amount=4_000, currency="EUR")
    assert last.state == "succeeded"
    with pytest.raises(Declined) as refused:
        place.gateway.refund(key="k4", reference=capture, amount=1, currency="EUR")
    assert refused.value.code in ("too_much", "already_refunded")
    assert refunded(place, capture) == 10_000


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_are_declined(place: Place, amount: int) -> None:
    capture = place.capture(10_000)
    with pytest.raises(Declined):
        place.gateway.refund(key="k1", reference=capture, amount=amount, currency="EUR")
    assert place.executed() == 0


def test_an_unknown_capture_or_currency_is_declined_before_any_money_moves(place: Place) -> None:
    capture = place.capture(10_000)
    for reference, currency, code in (
        ("nowhere", "EUR", "unknown_capture"),
        (capture, "USD", "wrong_currency"),
    ):
        with pytest.raises(Declined) as refused:
            place.gateway.refund(key=code, reference=reference, amount=100, currency=currency)
        assert refused.value.code == code
    assert place.executed() == 0


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", 1_234), ("KWD", 12_340), ("ISK", 500), ("HUF", 12_345)]
)
def test_amounts_are_minor_units_whatever_the_currency(place: Place, currency: str, amount: int) -> None:
    units = amount * 100 if currency == "ISK" and isinstance(place, Stripe) else amount
    capture = place.capture(units * 2, currency)
    made = place.gateway.refund(key="k1", reference=capture, amount=amount, currency=currency)
    assert (made.amount, made.currency, made.state) == (amount, currency, "succeeded")
    assert refunded(place, capture) == amount


def test_a_refund_that_never_arrived_is_not_found(place: Place) -> None:
    capture = place.capture(10_000)
    assert place.gateway.look_up(key="k1", capture=capture) is None
    assert place.gateway.look_up(key="k1", capture="nowhere") is None


def test_a_refund_is_found_by_its_key_and_by_its_reference(place: Place) -> None:
    capture = place.capture(10_000)
    made = place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    place.gateway.refund(key="k2", reference=capture, amount=2_500, currency="EUR")
    assert looked_up(place, "k1", capture) == made
    assert looked_up(place, "k1", capture, made.reference) == made
    assert looked_up(place, "k2", capture) != made


def test_a_success_tells_with_what_the_bank_finds_it(place: Place) -> None:
    capture = place.capture(10_000)
    assert place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR").bank_reference


def test_a_success_that_fails_later_is_seen_and_frees_its_part(place: Place) -> None:
    capture = place.capture(10_000)
    made = place.gateway.refund(key="k1", reference=capture, amount=10_000, currency="EUR")
    place.end(made.reference, "failed")
    found = looked_up(place, "k1", capture, made.reference)
    assert (found.state, found.reference) == ("failed", made.reference) and found.error
    assert refunded(place, capture) == 0
    again = place.gateway.refund(key="k2", reference=capture, amount=10_000, currency="EUR")
    assert again.state == "succeeded"


def test_its_own_list_has_our_refunds_and_those_made_without_us_oldest_first(place: Place) -> None:
    capture = place.capture(10_000)
    ours = place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    theirs = place.refund_outside(capture, 1_000)
    listed = list(place.gateway.refunds_since(EVER))
    assert [(one.reference, one.key, one.capture, one.amount, one.state) for one in listed] == [
        (ours.reference, "k1", capture, 2_500, "succeeded"),
        (theirs, "", capture, 1_000, "succeeded"),
    ]
    assert all(one.currency == "EUR" and one.at.tzinfo is not None for one in listed)
    assert list(place.gateway.refunds_since(datetime.now(UTC) + timedelta(hours=1))) == []


def test_disputes_are_listed_and_hold_their_part_until_they_are_won(place: Place) -> None:
    capture = place.capture(10_000)
    dispute = place.dispute(capture, 4_000)
    (listed,) = place.gateway.disputes_since(EVER)
    assert (listed.reference, listed.capture, listed.amount, listed.state) == (
        dispute,
        capture,
        4_000,
        "open",
    )
    found = place.gateway.capture(capture)
    assert found is not None and found.disputed == 4_000
    with pytest.raises(Declined):
        place.gateway.refund(key="k1", reference=capture, amount=6_001, currency="EUR")
    place.decide(dispute, "won")
    (listed,) = place.gateway.disputes_since(EVER)
    assert listed.state == "won"
    assert (
        place.gateway.refund(key="k2", reference=capture, amount=6_001, currency="EUR").state == "succeeded"
    )


def test_a_lost_dispute_stays_taken(place: Place) -> None:
    capture = place.capture(10_000)
    place.decide(place.dispute(capture, 10_000), "lost")
    (listed,) = place.gateway.disputes_since(EVER)
    found = place.gateway.capture(capture)
    assert listed.state == "lost" and found is not None and found.disputed == 10_000


def test_a_signed_event_says_what_it_is_about(place: Place) -> None:
    now = datetime.now(UTC)
    capture = place.capture(10_000)
    made = place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    headers, body = place.announce(made.reference, now)
    shouted = {name.upper(): value for name, value in headers.items()}
    for given in (headers, shouted):
        event = place.gateway.read_event(given, body, now=now + timedelta(seconds=299))
        assert (event.kind, event.reference, event.key) == ("refund", made.reference, "k1")
        assert (event.capture, event.amount, event.currency) == (capture, 2_500, "EUR")
        assert event.id and event.at.tzinfo is not None
    dispute = place.dispute(capture, 100)
    event = place.gateway.read_event(*place.announce(dispute, now), now=now)
    assert (event.kind, event.reference, event.capture, event.amount, event.state) == (
        "dispute", dispute, capture, 100, "open",
    )  # fmt: skip


def test_an_event_that_is_forged_in_any_way_is_not_believed(place: Place) -> None:
    now = datetime.now(UTC)
    capture = place.capture(10_000)
    made = place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    headers, body = place.announce(made.reference, now)
    garbled = dict.fromkeys(headers, "1,é")
    for given, said, moment in (
        ({}, body, now),
        (garbled, body, now),
        (headers, body.replace(b"2500", b"9500"), now),
        (headers, body + b" ", now),
        (headers, body, now + timedelta(seconds=302)),
        (headers, body, now - timedelta(seconds=302)),
    ):
        with pytest.raises(Forged):
            place.gateway.read_event(given, said, now=moment)


def test_what_is_signed_and_makes_no_sense_is_not_taken_for_an_event(tmp_path: Path) -> None:
    with running() as server:
        stripe = Stripe(server)
        for thing in ({"object": "v2.core.event"}, {"object": "event", "livemode": False}, ["event"]):
            headers, body = server.signed(thing)  # type: ignore[arg-type]
            with pytest.raises(ValueError):
                stripe.gateway.read_event(headers, body, now=datetime.now(UTC))


def test_an_answer_that_was_lost_is_unavailable_and_is_found_under_its_key(place: Place) -> None:
    if isinstance(place, Sandbox):
        capture = "cap-unavailable"
        place.there.learn(capture, captured=10_000, currency="EUR")
    else:
        capture = place.capture(10_000)
        place.there.fault("reset_after")
    with pytest.raises(Unavailable):
        place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    assert looked_up(place, "k1", capture).state == "succeeded"
    again = place.gateway.refund(key="k1", reference=capture, amount=2_500, currency="EUR")
    assert again.state == "succeeded" and place.executed() == 1


# -------------------------------------------------------------------------------- what is only reserved


def let_go(place: Place, reference: str, amount: int, remaining: int, key: str = "k1") -> RefundResult:
    return place.gateway.release(
        key=key, reference=reference, amount=amount, remaining=remaining, currency="EUR"
    )


def reserved(place: Place, reference: str) -> tuple[int, int, int, int]:
    """(captured, refunded, still reserved, let go)"""
    found = place.gateway.capture(reference)
    assert found is not None
    return found.captured, found.refunded, found.authorized, found.released


def refunds_of(place: Place) -> list[tuple[str, int]]:
    """(key, amount) of the gateway's own list, without what is no refund."""
    return [(one.key, one.amount) for one in place.gateway.refunds_since(EVER) if not one.released]


def test_an_authorization_is_known_as_what_it_is(place: Place) -> None:
    assert reserved(place, place.reserve(10_000)) == (0, 0, 10_000, 0)


def test_a_part_is_let_go_and_the_rest_can_be_captured(place: Place) -> None:
    reference = place.reserve(10_000)
    done = let_go(place, reference, 2_500, 7_500)
    assert (done.state, done.amount, done.currency) == ("succeeded", 2_500, "EUR") and done.reference
    assert reserved(place, reference) == (0, 0, 7_500, 2_500)
    place.take(reference)
    assert reserved(place, reference) == (7_500, 0, 0, 2_500)
    assert looked_up(place, "k1", reference, done.reference).state == "succeeded"
    assert refunds_of(place) == []


def test_the_same_key_lets_go_once(place: Place) -> None:
    reference = place.reserve(10_000)
    tries = [let_go(place, reference, 2_500, 7_500) for _ in range(3)]
    assert tries[0] == tries[1] == tries[2] == looked_up(place, "k1", reference)
    assert reserved(place, reference) == (0, 0, 7_500, 2_500)


def test_parts_that_are_let_go_together_never_exceed_what_is_reserved(place: Place) -> None:
    reference = place.reserve(10_000)
    let_go(place, reference, 6_000, 4_000)
    with pytest.raises(Declined) as refused:
        let_go(place, reference, 4_001, 0, "k2")
    assert refused.value.code == "too_much"
    for amount in (0, -1):
        with pytest.raises(Declined):
            let_go(place, reference, amount, 4_000, "k3")
    assert reserved(place, reference) == (0, 0, 4_000, 6_000)


def test_with_nothing_remaining_it_is_void_and_nothing_can_be_captured(place: Place) -> None:
    reference = place.reserve(10_000)
    let_go(place, reference, 6_000, 4_000)
    last = let_go(place, reference, 4_000, 0, "k2")
    assert last.state == "succeeded" and reserved(place, reference) == (0, 0, 0, 10_000)
    assert let_go(place, reference, 4_000, 0, "k2") == last == looked_up(place, "k2", reference)
    with pytest.raises((Declined, Fault)):
        place.take(reference, 1)
    assert refunds_of(place) == []


def test_parts_let_go_in_any_order_leave_what_all_of_them_leave(place: Place) -> None:
    """Two refunds of one payment are sent at the same time, and each knows only its own."""
    reference = place.reserve(10_000)
    let_go(place, reference, 3_000, 7_000)
    let_go(place, reference, 7_000, 3_000, "k2")
    assert reserved(place, reference) == (0, 0, 0, 10_000)


def test_a_key_is_of_one_release(place: Place) -> None:
    reference = place.reserve(10_000)
    let_go(place, reference, 2_500, 7_500)
    with pytest.raises(Declined) as refused:
        let_go(place, reference, 2_501, 7_499)
    assert refused.value.code == "key_reused"


def test_what_was_captured_is_not_let_go_and_is_refunded_under_the_same_key(place: Place) -> None:
    reference = place.reserve(10_000)
    place.take(reference, 10_000)
    with pytest.raises(Declined) as refused:
        let_go(place, reference, 2_500, 7_500)
    assert refused.value.code == "already_captured"
    assert place.gateway.look_up(key="k1", capture=reference) is None
    done = place.gateway.refund(key="k1", reference=reference, amount=2_500, currency="EUR")
    again = place.gateway.refund(key="k1", reference=reference, amount=2_500, currency="EUR")
    assert done == again == looked_up(place, "k1", reference)
    assert reserved(place, reference) == (10_000, 2_500, 0, 0)
    assert refunds_of(place) == [("k1", 2_500)]


def test_a_payment_that_was_captured_from_the_start_is_no_authorization(place: Place) -> None:
    with pytest.raises(Declined) as refused:
        let_go(place, place.capture(10_000), 2_500, 7_500)
    assert refused.value.code == "already_captured"


def test_what_is_only_reserved_is_never_refunded(place: Place) -> None:
    reference = place.reserve(10_000)
    for amount in (2_500, 10_000):
        with pytest.raises(Declined) as refused:
            place.gateway.refund(key=f"k{amount}", reference=reference, amount=amount, currency="EUR")
        assert refused.value.code == "not_captured"
    assert reserved(place, reference) == (0, 0, 10_000, 0) and place.executed() == 0


def test_what_expired_is_let_go_already(place: Place) -> None:
    reference = place.reserve(10_000)
    place.expire(reference)
    done = let_go(place, reference, 2_500, 7_500)
    assert done.state == "succeeded"
    assert looked_up(place, "k1", reference, done.reference).state == "succeeded"
    with pytest.raises(Declined) as refused:
        place.gateway.refund(key="k2", reference=reference, amount=2_500, currency="EUR")
    assert refused.value.code == "not_captured"
    assert refunds_of(place) == []


def test_a_shop_that_captures_what_was_let_go_is_found_out(place: Place) -> None:
    reference = place.reserve(10_000)
    first = let_go(place, reference, 2_000, 8_000, "k1")
    last = let_go(place, reference, 3_000, 5_000, "k2")
    place.take(reference, 7_000)
    assert looked_up(place, "k1", reference, first.reference).state == "succeeded"
    found = looked_up(place, "k2", reference, last.reference)
    assert (found.state, found.amount) == ("failed", 3_000)
    assert found.error.startswith("captured_anyway")
    assert (
        place.gateway.refund(key="k3", reference=reference, amount=3_000, currency="EUR").state == "succeeded"
    )


def test_the_rest_that_a_capture_frees_is_no_refund_and_takes_nothing_from_later_ones(place: Place) -> None:
    reference = place.reserve(10_000)
    place.take(reference, 6_000)
    outside = place.refund_outside(reference, 4_000)
    ours = place.gateway.refund(key="k1", reference=reference, amount=2_000, currency="EUR")
    assert reserved(place, reference)[:2] == (6_000, 6_000)
    with pytest.raises(Declined):
        place.gateway.refund(key="k2", reference=reference, amount=1, currency="EUR")
    listed = [one.reference for one in place.gateway.refunds_since(EVER) if not one.released]
    assert listed == [outside, ours.reference]


def test_an_answer_about_a_release_that_was_lost_is_found_under_its_key(place: Place) -> None:
    reference = place.reserve(10_000, ending="-unavailable")
    place.lose_an_answer()
    with pytest.raises(Unavailable):
        let_go(place, reference, 2_500, 7_500)
    assert looked_up(place, "k1", reference).state == "succeeded"
    assert let_go(place, reference, 2_500, 7_500).state == "succeeded"
    assert reserved(place, reference) == (0, 0, 7_500, 2_500)


def test_a_release_that_never_arrived_is_not_found(place: Place) -> None:
    assert place.gateway.look_up(key="k1", capture=place.reserve(10_000)) is None


def test_an_unknown_authorization_or_currency_is_declined(place: Place) -> None:
    reference = place.reserve(10_000)
    for name, currency, code in (("nowhere", "EUR", "unknown_capture"), (reference, "USD", "wrong_currency")):
        with pytest.raises(Declined) as refused:
            place.gateway.release(key=code, reference=name, amount=100, remaining=1, currency=currency)
        assert refused.value.code == code
    assert reserved(place, reference) == (0, 0, 10_000, 0)


@pytest.mark.parametrize(("currency", "amount"), [("JPY", 1_234), ("KWD", 12_340), ("ISK", 500)])
def test_what_is_let_go_is_counted_in_minor_units(place: Place, currency: str, amount: int) -> None:
    units = amount * 100 if currency == "ISK" and isinstance(place, Stripe) else amount
    reference = place.reserve(units * 2, currency)
    done = place.gateway.release(
        key="k1", reference=reference, amount=amount, remaining=amount, currency=currency
    )
    assert (done.amount, done.currency) == (amount, currency)
    assert reserved(place, reference) == (0, 0, amount, amount)

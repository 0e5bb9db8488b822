"""Stripe when things go wrong: what is ambiguous, what is final, what is believed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stripe as sdk

from portal.adapters.payments.stripe import API_VERSION, StripePayments
from portal.ports import Declined, RefundResult, Unavailable
from tests.stripe_server import StripeServer, running

ROOT = Path(__file__).resolve().parents[2]
EVER = datetime.fromtimestamp(0, UTC)


@pytest.fixture
def server() -> Iterator[StripeServer]:
    with running() as started:
        yield started


def gateway(
    server: StripeServer, *, read_seconds: int = 2, api_base: str = "", key: str = ""
) -> StripePayments:
    return StripePayments(
        api_key=key or server.key,
        api_base=api_base or server.url,
        webhook_secrets=(server.secret,),
        read_seconds=read_seconds,
    )


def refund(there: StripePayments, capture: str, *, key: str = "k1", amount: int = 2_500) -> RefundResult:
    return there.refund(key=key, reference=capture, amount=amount, currency="EUR")


def found(there: StripePayments, capture: str, *, key: str = "k1", reference: str = "") -> RefundResult:
    result = there.look_up(key=key, capture=capture, reference=reference)
    assert result is not None
    return result


LOST = [
    ("reset_before", {}, 0),
    ("reset_after", {}, 1),
    ("hang_before", {"seconds": 2.5}, 0),
    ("hang_after", {"seconds": 2.5}, 1),
    ("cut_body", {}, 1),
    ("cut_json", {}, 1),
    ("garbage", {}, 1),
    ("error", {"status": 500}, 0),
    ("error", {"status": 500, "stored": True}, 0),
    ("error", {"status": 502, "after": True}, 1),
    ("error", {"status": 503, "retry_after": 7}, 0),
    ("error", {"status": 429, "retry_after": 30}, 0),
    ("error", {"status": 409, "code": "idempotency_key_in_use", "type": "idempotency_error"}, 0),
    ("error", {"status": 424, "code": "dependency_failed", "type": "api_error"}, 0),
    ("error", {"status": 400, "code": "rate_limit"}, 0),
]


@pytest.mark.parametrize(
    ("trouble", "options", "executed"),
    LOST,
    ids=[f"{trouble}-{options.get('status', '')}{'-after' * bool(options.get('after'))}"
         f"{'-stored' * bool(options.get('stored'))}" for trouble, options, _ in LOST],
)  # fmt: skip
def test_whatever_loses_an_answer_is_unavailable_and_never_a_refusal(
    server: StripeServer, trouble: str, options: dict[str, Any], executed: int
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault(trouble, **options)
    with pytest.raises(Unavailable) as lost:
        refund(there, capture)
    assert lost.value.retry_after == options.get("retry_after")
    assert str(lost.value), "what happened is said"
    assert len(server.refunds()) == executed
    assert bool(there.look_up(key="k1", capture=capture)) == bool(executed)
    if not options.get("stored"):
        assert refund(there, capture).state == "succeeded"
        assert len(server.refunds()) == 1
    assert {seen.key for seen in server.requests()} == {"k1"}, "the same key at every try"


def test_a_server_that_is_not_there_is_unavailable(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.down()
    for ask in (
        lambda: refund(there, capture),
        lambda: there.look_up(key="k1", capture=capture),
        lambda: there.capture(capture),
        lambda: list(there.refunds_since(EVER)),
        lambda: list(there.disputes_since(EVER)),
    ):
        with pytest.raises(Unavailable):
            ask()
    server.up()
    assert refund(there, capture).state == "succeeded"


def test_a_connection_that_is_not_safe_is_unavailable_and_nothing_is_sent(server: StripeServer) -> None:
    there = gateway(server, api_base=server.url.replace("http://", "https://"))
    with pytest.raises(Unavailable, match="Stripe"):
        refund(there, server.payment(10_000))
    assert server.requests("*", "") == []


def test_a_redirection_is_followed_by_nobody(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("error", status=307, code="moved", headers={"Location": f"{server.url}/v1/refunds"})
    with pytest.raises(Unavailable):
        refund(there, capture)
    assert len(server.requests()) == 1


def test_a_failure_that_stripe_keeps_under_the_key_ends_when_the_key_is_forgotten(
    server: StripeServer,
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("error", status=500, stored=True)
    for _ in range(3):
        with pytest.raises(Unavailable):
            refund(there, capture)
        assert there.look_up(key="k1", capture=capture) is None
    assert [seen.replayed for seen in server.requests()] == [False, True, True]
    server.advance(24 * 60 * 60)
    assert refund(there, capture).state == "succeeded"


def test_nothing_is_repeated_by_the_library_itself(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("error", times=None, status=503)
    with pytest.raises(Unavailable):
        refund(there, capture)
    assert len(server.requests()) == 1


FINAL = [
    ({"status": 400, "code": "charge_disputed"}, "disputed"),
    ({"status": 400, "code": "charge_not_refundable", "message": "too long ago"}, "not_refundable"),
    ({"status": 400, "code": "balance_insufficient"}, "balance_too_low"),
    ({"status": 402, "code": "card_declined", "type": "card_error"}, "refused"),
    ({"status": 400, "code": "something_new"}, "refused"),
    ({"status": 400, "code": "parameter_unknown"}, "refused"),
]


@pytest.mark.parametrize(("options", "code"), FINAL, ids=[str(options["code"]) for options, _ in FINAL])
def test_a_refusal_is_final_and_has_a_word_of_ours_and_a_sentence_of_theirs(
    server: StripeServer, options: dict[str, Any], code: str
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("error", **options)
    with pytest.raises(Declined) as refused:
        refund(there, capture)
    assert refused.value.code == code and options.get("message", options["code"]) in refused.value.message
    assert len(server.requests()) == 1 and server.refunds() == []


@pytest.mark.parametrize("trouble", ["unauthorized", "forbidden"])
def test_a_revoked_key_moves_nothing_and_a_look_up_with_it_proves_nothing(
    server: StripeServer, trouble: str
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("reset_after")
    with pytest.raises(Unavailable):
        refund(there, capture)
    server.fault(trouble, times=None, method="*", path="/v1")
    with pytest.raises(Declined) as refused:
        refund(there, capture, key="k2")
    assert refused.value.code == "not_authorized"
    for ask in (
        lambda: there.look_up(key="k1", capture=capture),
        lambda: there.look_up(key="k1", capture=capture, reference="re_1"),
        lambda: there.capture(capture),
        lambda: list(there.refunds_since(EVER)),
        lambda: list(there.disputes_since(EVER)),
    ):
        with pytest.raises(Unavailable):
            ask()
    server.mend()
    assert found(there, capture).state == "succeeded" and len(server.refunds()) == 1


def test_no_error_shows_the_key(server: StripeServer) -> None:
    there = gateway(server, key="sk_test_of_another_account_altogether")
    with pytest.raises(Declined) as refused:
        refund(there, server.payment(10_000))
    assert "another_account" not in str(refused.value) and "another_account" not in repr(there)


@pytest.mark.parametrize("trouble", ["wrong_amount", "wrong_currency"])
def test_a_wrong_echo_is_reported_as_it_was_said(server: StripeServer, trouble: str) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault(trouble)
    said = refund(there, capture)
    expected = (2_501, "EUR") if trouble == "wrong_amount" else (2_500, "USD")
    assert (said.amount, said.currency) == expected
    assert (found(there, capture).amount, found(there, capture).currency) == (2_500, "EUR"), "the truth"


def test_an_answer_about_another_capture_is_told_apart(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("wrong_capture")
    with pytest.raises(Declined) as wrong:
        refund(there, capture)
    assert wrong.value.code == "wrong_answer"


def test_a_wrong_id_does_not_lose_the_refund(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("wrong_id")
    said = refund(there, capture)
    truth = found(there, capture, reference=said.reference)
    assert truth.reference == server.refunds()[0]["id"] != said.reference


def test_a_reference_of_another_refund_is_not_taken_for_ours(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    other = refund(there, capture, key="k2")
    assert there.look_up(key="k1", capture=capture, reference=other.reference) is None
    ours = refund(there, capture)
    assert found(there, capture, reference=other.reference) == ours


def test_ours_is_known_by_its_reference_when_somebody_cleared_its_metadata(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    made = refund(there, capture)
    client = sdk.StripeClient(server.key, base_addresses={"api": server.url})
    client.v1.refunds.update(made.reference, {"metadata": {"payout": ""}})
    assert there.look_up(key="k1", capture=capture) is None
    assert found(there, capture, reference=made.reference) == made


def test_a_list_that_lags_hides_a_refund_from_the_key_and_not_from_its_reference(
    server: StripeServer,
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.lag(listing=60)
    made = refund(there, capture)
    assert there.look_up(key="k1", capture=capture) is None
    assert found(there, capture, reference=made.reference) == made
    server.advance(60)
    assert found(there, capture) == made


def test_a_refusal_that_only_means_that_it_was_done_is_answered_with_what_was_done(
    server: StripeServer,
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.fault("reset_after")
    with pytest.raises(Unavailable):
        refund(there, capture, amount=10_000)
    server.advance(25 * 60 * 60)  # the key is forgotten: Stripe now says "already refunded"
    done = refund(there, capture, amount=10_000)
    assert (done.state, done.amount) == ("succeeded", 10_000)
    assert len(server.refunds()) == 1


def test_a_refund_of_the_dashboard_leaves_nothing_and_is_not_taken_for_ours(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.refund_outside(capture)
    with pytest.raises(Declined) as refused:
        refund(there, capture)
    assert refused.value.code == "already_refunded"
    server.refund_outside(server.payment(5_000), 1_000)
    assert there.look_up(key="k1", capture=capture) is None


def test_the_first_of_more_than_a_page_of_refunds_is_found(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(1_000_000)
    first = refund(there, capture, amount=1)
    for _ in range(230):
        server.refund_outside(capture, 1)
    assert found(there, capture) == first
    listed = list(there.refunds_since(EVER))
    assert len(listed) == 231 and listed[0].reference == first.reference
    assert sorted({one.reference for one in listed}) == sorted(one["id"] for one in server.refunds())


def test_the_list_begins_where_it_is_told_to(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    refund(there, capture)
    server.advance(1_000)
    later = server.refund_outside(capture, 100)
    moment = datetime.now(UTC) + timedelta(seconds=900)
    assert [one.reference for one in there.refunds_since(moment)] == [later]


STATES = [
    ("pending", "", ""),
    ("requires_action", "the customer has to tell Stripe where the money shall go", ""),
    ("failed", "the customer's bank did not say why", ""),
]


@pytest.mark.parametrize(("state", "error", "bank_reference"), STATES)
def test_every_state_in_which_a_refund_may_begin(
    server: StripeServer, state: str, error: str, bank_reference: str
) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.next_refunds(state)
    made = refund(there, capture)
    assert (made.state, made.error, made.bank_reference) == (state, error, bank_reference)


def test_a_refund_goes_through_its_states_and_each_is_seen(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000, card="action")
    made = refund(there, capture)
    server.cancel(made.reference)
    assert found(there, capture).state == "canceled"
    second = refund(there, server.payment(10_000, card="pending_refund"), key="k2")
    assert second.state == "pending"
    server.settle()
    other = server.refunds()[1]["payment_intent"]
    assert found(there, other, key="k2").state == "succeeded"
    server.fail(second.reference, "lost_or_stolen_card")
    assert (found(there, other, key="k2").state, found(there, other, key="k2").error) == (
        "failed",
        "the card was lost or stolen",
    )


def test_a_state_that_is_new_to_us_is_not_final(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.next_refunds("under_consideration")
    assert refund(there, capture).state == "pending"


@pytest.mark.parametrize("kind", ["card", "eu_bank_transfer", "paypal", "a_way_of_tomorrow"])
def test_the_banks_reference_is_told_whatever_way_the_money_went(server: StripeServer, kind: str) -> None:
    there, capture = gateway(server), server.payment(10_000)
    made = refund(there, capture)
    server.bank_reference(made.reference, "74900012345", kind=kind)
    assert found(there, capture).bank_reference == "74900012345"
    assert next(iter(there.refunds_since(EVER))).bank_reference == "74900012345"


@pytest.mark.parametrize(
    ("currency", "amount", "theirs"),
    [("JPY", 500, 500), ("ISK", 5, 500), ("UGX", 5, 500), ("KWD", 5_120, 5_120), ("MGA", 500, 5),
     ("HUF", 1_045, 1_045), ("TWD", 80_045, 80_045), ("EUR", 1, 1)],
)  # fmt: skip
def test_stripes_own_units_are_used_towards_stripe_only(
    server: StripeServer, currency: str, amount: int, theirs: int
) -> None:
    there, capture = gateway(server), server.payment(theirs * 2, currency)
    made = there.refund(key="k1", reference=capture, amount=amount, currency=currency)
    assert server.refunds()[0]["amount"] == theirs
    assert (made.amount, made.currency) == (amount, currency)
    known = there.capture(capture)
    assert known is not None and (known.captured, known.refunded) == (amount * 2, amount)


@pytest.mark.parametrize(("currency", "amount"), [("KWD", 5_124), ("MGA", 550)])
def test_an_amount_that_stripe_cannot_move_is_declined_here(
    server: StripeServer, currency: str, amount: int
) -> None:
    there, capture = gateway(server), server.payment(10_000, currency)
    with pytest.raises(Declined) as refused:
        there.refund(key="k1", reference=capture, amount=amount, currency=currency)
    assert refused.value.code == "amount_not_allowed"
    assert server.requests() == []


def test_an_inquiry_takes_no_money_until_it_becomes_a_chargeback(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    inquiry = server.dispute(capture, status="warning_needs_response")
    known = there.capture(capture)
    assert list(there.disputes_since(EVER)) == []
    assert known is not None and known.disputed == 0
    server.escalate(inquiry)
    (dispute,) = there.disputes_since(EVER)
    known = there.capture(capture)
    assert (dispute.reference, dispute.state, dispute.also) == (inquiry, "open", server.charge_of(capture))
    assert known is not None and known.disputed == 10_000


def test_the_second_name_of_a_capture_is_told(server: StripeServer) -> None:
    there, capture = gateway(server), server.payment(10_000)
    server.refund_outside(capture, 100)
    (listed,) = there.refunds_since(EVER)
    assert (listed.capture, listed.also) == (capture, server.charge_of(capture))
    bare = server.payment(10_000, kind="charge")
    server.refund_outside(bare, 100)
    assert [(one.capture, one.also) for one in there.refunds_since(EVER)][1] == (bare, "")


def test_what_is_sent_is_the_key_the_version_and_nothing_about_this_machine(server: StripeServer) -> None:
    capture = server.payment(10_000)
    refund(gateway(server), capture)
    (seen,) = server.requests()
    assert seen.headers["stripe-version"] == API_VERSION == sdk.api_version
    assert seen.headers["idempotency-key"] == "k1"
    assert not [name for name in seen.headers if name.startswith("x-stripe")]
    assert "AIAgent" not in seen.headers["user-agent"]
    assert seen.params == {"payment_intent": capture, "amount": "2500", "metadata": {"payout": "k1"}}


def test_an_entry_in_netrc_does_not_take_the_place_of_the_key(
    server: StripeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert refund(gateway(server), server.payment(10_000)).state == "succeeded"


DYING = """
import sys
from portal.adapters.payments.stripe import StripePayments
key, base, capture = sys.argv[1:]
there = StripePayments(api_key=key, api_base=base, read_seconds=10)
print(there.refund(key="k1", reference=capture, amount=2500, currency="EUR").state, flush=True)
"""


def test_a_process_that_dies_after_sending_has_sent_and_the_next_one_finds_it(server: StripeServer) -> None:
    capture = server.payment(10_000)
    command = [sys.executable, "-c", DYING, server.key, server.url, capture]
    env = {"PATH": os.environ.get("PATH", ""), "APP_ENV": "test", "FAULT_POINT": "after_http_sent"}
    server.latency(0.2)
    died = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stdout == ""
    server.latency(0)
    alive = subprocess.run(
        command, cwd=ROOT, env={**env, "FAULT_POINT": ""}, capture_output=True, text=True, timeout=60
    )
    assert alive.stdout.strip() == "succeeded", alive.stderr
    assert len(server.refunds()) == 1

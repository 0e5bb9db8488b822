"""What only the sandbox has: endings told by the reference, its own pages. The rest is the contract of all."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portal.adapters.payments.sandbox import SandboxPayments
from portal.ports import Declined, Forged, Unavailable


def _sandbox(folder: Path) -> SandboxPayments:
    return SandboxPayments(folder / "gateway.sqlite")


class TestSandboxEndings:
    """How a refund ends is told by the capture's reference."""

    def _ask(self, tmp_path: Path, ending: str) -> tuple[SandboxPayments, str]:
        sandbox = _sandbox(tmp_path)
        sandbox.learn(f"cap{ending}", captured=1_000, currency="EUR")
        try:
            return sandbox, sandbox.refund(
                key="k", reference=f"cap{ending}", amount=400, currency="EUR"
            ).state
        except Unavailable:
            return sandbox, "lost"

    @pytest.mark.parametrize(
        ("ending", "first", "settled"),
        [
            ("", "succeeded", "succeeded"),
            ("-pending", "pending", "succeeded"),
            ("-fails", "failed", "failed"),
            ("-fails-late", "pending", "failed"),
            ("-unavailable", "lost", "succeeded"),
            ("-asks", "requires_action", "succeeded"),
            ("-returned", "succeeded", "failed"),
        ],
    )
    def test_each_ending(self, tmp_path: Path, ending: str, first: str, settled: str) -> None:
        sandbox, state = self._ask(tmp_path, ending)
        assert state == first
        sandbox.settle()
        found = sandbox.look_up(key="k", capture=f"cap{ending}")
        assert found is not None
        assert found.state == settled

    def test_a_failed_refund_frees_its_part_of_the_capture(self, tmp_path: Path) -> None:
        sandbox, _ = self._ask(tmp_path, "-fails")
        found = sandbox.capture("cap-fails")
        assert found is not None
        assert found.refunded == 0

    def test_what_is_pending_settles_by_itself_in_time(self, tmp_path: Path) -> None:
        time = [1_000.0]
        sandbox = SandboxPayments(
            tmp_path / "g.sqlite", settles_after=timedelta(seconds=20), clock=lambda: time[0]
        )
        sandbox.learn("cap-pending", captured=1_000, currency="EUR")
        sandbox.refund(key="k", reference="cap-pending", amount=400, currency="EUR")
        time[0] += 19
        waiting = sandbox.look_up(key="k", capture="cap-pending")
        time[0] += 2
        settled = sandbox.look_up(key="k", capture="cap-pending")
        assert waiting is not None
        assert settled is not None
        assert (waiting.state, settled.state) == ("pending", "succeeded")

    def test_another_process_sees_the_same_gateway(self, tmp_path: Path) -> None:
        sandbox, _ = self._ask(tmp_path, "")
        assert _sandbox(tmp_path).refunds() == sandbox.refunds() == [("k", "cap", 400, "succeeded")]

    def test_a_refused_card_is_refused_at_every_try_and_nothing_is_made(self, tmp_path: Path) -> None:
        sandbox = _sandbox(tmp_path)
        sandbox.learn("cap-declines", captured=1_000, currency="EUR")
        for _ in range(2):
            with pytest.raises(Declined) as refused:
                sandbox.refund(key="k", reference="cap-declines", amount=400, currency="EUR")
            assert refused.value.code == "refused"
        assert sandbox.refunds() == []

    def test_books_of_the_first_version_are_taken_over(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "gateway.sqlite") as old:
            old.executescript(
                "CREATE TABLE captures (reference TEXT PRIMARY KEY, currency TEXT, captured INTEGER);"
                "CREATE TABLE refunds (key TEXT PRIMARY KEY, id TEXT, capture TEXT, amount INTEGER, state TEXT,"
                " error TEXT, at REAL);"
                "INSERT INTO captures VALUES ('cap', 'EUR', 1000);"
                "INSERT INTO refunds VALUES ('k', 'sandbox-00000001', 'cap', 400, 'succeeded', '', 1.0);"
            )
        sandbox = _sandbox(tmp_path)
        found = sandbox.look_up(key="k", capture="cap", reference="sandbox-00000001")
        assert found is not None and (found.amount, found.state) == (400, "succeeded")
        _go_on(sandbox)

    def test_books_of_the_second_version_are_taken_over(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "gateway.sqlite") as old:
            old.executescript(
                "CREATE TABLE captures (reference TEXT PRIMARY KEY, currency TEXT NOT NULL,"
                " captured INTEGER NOT NULL);"
                "CREATE TABLE made (number INTEGER PRIMARY KEY, key TEXT NOT NULL, capture TEXT NOT NULL,"
                " amount INTEGER NOT NULL, state TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', at REAL NOT NULL);"
                "CREATE TABLE secret (value TEXT NOT NULL);"
                "INSERT INTO captures VALUES ('cap', 'EUR', 1000);"
                "INSERT INTO made VALUES (1, 'k', 'cap', 400, 'succeeded', '', 1.0);"
                "INSERT INTO secret VALUES ('kept');"
                "PRAGMA user_version = 2;"
            )
        sandbox = _sandbox(tmp_path)
        _go_on(sandbox)
        with sqlite3.connect(tmp_path / "gateway.sqlite") as now:
            assert now.execute("SELECT value FROM secret").fetchall() == [("kept",)]


def _go_on(sandbox: SandboxPayments) -> None:
    """What was captured is still captured, and what is reserved from now on can be let go."""
    before = sandbox.capture("cap")
    assert before is not None and (before.captured, before.refunded, before.authorized) == (1_000, 400, 0)
    sandbox.learn("auth", captured=500, currency="EUR", authorized=True)
    assert (
        sandbox.release(key="r", reference="auth", amount=500, remaining=0, currency="EUR").state
        == "succeeded"
    )
    assert [one.released for one in sandbox.refunds_since(EVER)] == [False, True]


EVER = datetime.fromtimestamp(0, UTC)
NOW = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)


@pytest.fixture
def sandbox(tmp_path: Path) -> SandboxPayments:
    made = _sandbox(tmp_path)
    made.learn("cap-1", captured=10_000, currency="EUR")
    return made


def test_its_own_list_has_our_refunds_and_those_made_on_its_pages(sandbox: SandboxPayments) -> None:
    sandbox.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    sandbox.refund_outside("cap-1", 1_000)
    listed = [(one.key, one.capture, one.amount, one.state) for one in sandbox.refunds_since(EVER)]
    assert listed == [("k1", "cap-1", 2_500, "succeeded"), ("", "cap-1", 1_000, "succeeded")]
    assert list(sandbox.refunds_since(datetime.now(UTC) + timedelta(hours=1))) == []
    found = sandbox.capture("cap-1")
    assert found is not None and found.refunded == 3_500


def test_a_refund_is_found_by_its_reference_and_only_as_what_it_is(sandbox: SandboxPayments) -> None:
    made = sandbox.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    assert made.bank_reference
    assert sandbox.look_up(key="k1", capture="cap-1", reference=made.reference) == made
    assert sandbox.look_up(key="k1", capture="cap-1", reference="sandbox-00000099") is None
    assert sandbox.look_up(key="k1", capture="cap-2") is None


def test_a_disputed_part_cannot_be_refunded_until_it_is_won(sandbox: SandboxPayments) -> None:
    dispute = sandbox.dispute("cap-1", 4_000)
    with pytest.raises(Declined):
        sandbox.refund(key="k1", reference="cap-1", amount=6_001, currency="EUR")
    sandbox.decide(dispute, "won")
    assert sandbox.refund(key="k1", reference="cap-1", amount=6_001, currency="EUR").state == "succeeded"
    (listed,) = sandbox.disputes_since(EVER)
    assert (listed.reference, listed.amount, listed.state) == (dispute, 4_000, "won")


def test_a_success_may_be_taken_back_and_frees_its_part(sandbox: SandboxPayments) -> None:
    made = sandbox.refund(key="k1", reference="cap-1", amount=10_000, currency="EUR")
    sandbox.end(made.reference, "failed", error="account closed")
    found = sandbox.look_up(key="k1", capture="cap-1")
    assert found is not None and (found.state, found.error) == ("failed", "account closed")
    assert sandbox.refund(key="k2", reference="cap-1", amount=10_000, currency="EUR").state == "succeeded"


def test_an_event_is_believed_when_it_is_signed_and_young(sandbox: SandboxPayments) -> None:
    made = sandbox.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    headers, body = sandbox.announce(made.reference, now=NOW)
    shouting = {name.upper(): value for name, value in headers.items()}
    for given in (headers, shouting):
        event = sandbox.read_event(given, body, now=NOW + timedelta(seconds=299))
        assert (event.kind, event.reference, event.key) == ("refund", made.reference, "k1")
        assert (event.capture, event.amount, event.state) == ("cap-1", 2_500, "succeeded")
    dispute = sandbox.dispute("cap-1", 100)
    event = sandbox.read_event(*sandbox.announce(dispute, now=NOW), now=NOW)
    assert (event.kind, event.reference, event.state) == ("dispute", dispute, "open")


def test_an_event_that_is_forged_in_any_way_is_not_believed(sandbox: SandboxPayments, tmp_path: Path) -> None:
    made = sandbox.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    headers, body = sandbox.announce(made.reference, now=NOW)
    other = SandboxPayments(tmp_path / "other.sqlite")
    other.learn("cap-1", captured=10_000, currency="EUR")
    foreign, _ = other.announce(
        other.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR").reference, now=NOW
    )
    rewritten = json.dumps(json.loads(body), indent=1).encode()
    for given, said, now in (
        ({}, body, NOW),
        ({"Sandbox-Signature": "garbled"}, body, NOW),
        ({"Sandbox-Signature": "1,é"}, body, NOW),
        (foreign, body, NOW),
        (headers, rewritten, NOW),
        (headers, body, NOW + timedelta(seconds=301)),
        (headers, body, NOW - timedelta(seconds=301)),
    ):
        with pytest.raises(Forged):
            sandbox.read_event(given, said, now=now)


def test_a_capture_may_be_disputed_from_the_start(sandbox):
    for _ in range(2):
        sandbox.learn("c-disputed", captured=1001, currency="EUR")
    [dispute] = sandbox.disputes_since(datetime(2000, 1, 1, tzinfo=UTC))
    assert (dispute.capture, dispute.amount, dispute.state) == ("c-disputed", 500, "open")

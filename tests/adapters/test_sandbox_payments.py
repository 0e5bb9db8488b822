"""One contract for every gateway; the sandbox is the first that keeps it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from portal.adapters.payments.sandbox import SandboxPayments
from portal.ports import Declined, Payments, Unavailable


def _sandbox(folder: Path) -> SandboxPayments:
    return SandboxPayments(folder / "gateway.sqlite")


GATEWAYS: tuple[Callable[[Path], Payments], ...] = (_sandbox,)


@pytest.fixture(params=GATEWAYS, ids=["sandbox"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Payments:
    made: Payments = request.param(tmp_path)
    made.learn("cap-1", captured=10_000, currency="EUR")
    return made


def test_a_capture_is_known_with_what_was_refunded_of_it(gateway: Payments) -> None:
    gateway.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    found = gateway.capture("cap-1")
    assert found is not None
    assert (found.captured, found.refunded, found.currency) == (10_000, 2_500, "EUR")
    assert gateway.capture("nowhere") is None


def test_the_same_key_never_pays_twice(gateway: Payments) -> None:
    first = gateway.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    again = gateway.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    assert first == again
    found = gateway.capture("cap-1")
    assert found is not None
    assert found.refunded == 2_500


def test_a_key_with_another_amount_or_capture_is_declined(gateway: Payments) -> None:
    gateway.learn("cap-2", captured=10_000, currency="EUR")
    gateway.refund(key="k1", reference="cap-1", amount=2_500, currency="EUR")
    for reference, amount in (("cap-1", 2_501), ("cap-2", 2_500)):
        with pytest.raises(Declined) as refused:
            gateway.refund(key="k1", reference=reference, amount=amount, currency="EUR")
        assert refused.value.code == "key_reused"


def test_partial_refunds_together_never_exceed_the_capture(gateway: Payments) -> None:
    gateway.refund(key="k1", reference="cap-1", amount=6_000, currency="EUR")
    with pytest.raises(Declined) as refused:
        gateway.refund(key="k2", reference="cap-1", amount=4_001, currency="EUR")
    assert refused.value.code == "too_much"
    assert gateway.refund(key="k3", reference="cap-1", amount=4_000, currency="EUR").state == "succeeded"


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_and_less_are_declined(gateway: Payments, amount: int) -> None:
    with pytest.raises(Declined):
        gateway.refund(key="k1", reference="cap-1", amount=amount, currency="EUR")


@pytest.mark.parametrize(
    ("reference", "currency", "code"),
    [("nowhere", "EUR", "unknown_capture"), ("cap-1", "USD", "wrong_currency")],
)
def test_an_unknown_capture_or_currency_is_declined(
    gateway: Payments, reference: str, currency: str, code: str
) -> None:
    with pytest.raises(Declined) as refused:
        gateway.refund(key="k1", reference=reference, amount=1, currency=currency)
    assert refused.value.code == code


def test_a_refund_that_never_arrived_is_not_found(gateway: Payments) -> None:
    assert gateway.look_up(key="k1") is None


class TestSandboxEndings:
    """How a refund ends is told by the capture's reference."""

    def _ask(self, tmp_path: Path, ending: str) -> tuple[SandboxPayments, str]:
        sandbox = _sandbox(tmp_path)
        sandbox.learn(f"cap{ending}", captured=1_000, currency="EUR")
        try:
            return sandbox, sandbox.refund(key="k", reference=f"cap{ending}", amount=400, currency="EUR").state
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
        ],
    )
    def test_each_ending(self, tmp_path: Path, ending: str, first: str, settled: str) -> None:
        sandbox, state = self._ask(tmp_path, ending)
        assert state == first
        sandbox.settle()
        found = sandbox.look_up(key="k")
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
        waiting = sandbox.look_up(key="k")
        time[0] += 2
        settled = sandbox.look_up(key="k")
        assert waiting is not None
        assert settled is not None
        assert (waiting.state, settled.state) == ("pending", "succeeded")

    def test_another_process_sees_the_same_gateway(self, tmp_path: Path) -> None:
        sandbox, _ = self._ask(tmp_path, "")
        assert _sandbox(tmp_path).refunds() == sandbox.refunds() == [("k", "cap", 400, "succeeded")]

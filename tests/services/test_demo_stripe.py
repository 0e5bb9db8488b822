"""The demo paid through Stripe: its captures are made by the API, its refunds come back by the API and by events."""

import pytest
import sqlalchemy as sa

from portal.db.orders import Payment
from portal.db.refunds import Payout
from portal.services.proofs import audit
from tests.stripe_server import running


@pytest.fixture
def server():
    with running() as started:
        yield started


@pytest.fixture
def app(make_app, server):
    return make_app(**server.environ())


def test_the_demo_is_filled_and_paid_through_stripe(app, server, session, drain):
    for _ in range(2):
        session.rollback()
        done = app.test_cli_runner().invoke(
            args=["demo", "--base-url", "http://127.0.0.1:8000", "--weeks", "0"]
        )
        assert done.exit_code == 0, done.output
    gateway = app.extensions["gateways"].payments["stripe"]
    session.rollback()
    paid = session.execute(
        sa.select(Payment.reference, Payment.captured_minor, Payment.currency, Payment.mode).where(
            Payment.provider == "stripe"
        )
    ).all()
    assert len(paid) >= 9 and all(one.reference.startswith("pi_") for one in paid)
    assert {one.mode for one in paid} == {"captured", "authorized"}
    for reference, covers, currency, mode in paid:
        known = gateway.capture(reference)
        amounts = (known.captured, known.authorized)
        assert amounts == ((covers, 0) if mode == "captured" else (0, covers)) and known.currency == currency
    session.rollback()
    drain()
    session.rollback()
    sent = session.scalars(
        sa.select(Payout).where(Payout.provider == "stripe", Payout.sent_at.is_not(None))
    ).all()
    executed = server.refunds()
    released = [payout for payout in sent if payout.mode == "authorized"]
    assert [payout.state for payout in released] == ["succeeded"]
    sent = [payout for payout in sent if payout.mode == "captured"]
    assert sorted(payout.key for payout in sent) == sorted(one["metadata"]["payout"] for one in executed)
    assert executed and {payout.state for payout in sent} <= {"succeeded", "pending"}
    assert audit.verify().problems == []


def test_a_live_key_makes_no_payments_for_a_demo(server):
    from portal.adapters.payments.stripe import StripePayments
    from portal.adapters.payments.stripe_demo import DemoPayments
    from portal.ports import Declined

    live = StripePayments(api_key="sk_live_x", api_base=server.url)
    with pytest.raises(Declined):
        DemoPayments(live)("demo-1", 100, "EUR")
    assert server.requests("*", "") == []

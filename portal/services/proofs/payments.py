"""I1 and I5: nothing beyond what a payment captured, and every transfer known on both sides as far as we know."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.db.gateway import Chargeback, GatewayEvent
from portal.db.orders import Order, OrderPayment, OutsideRefund, Payment
from portal.db.refunds import Payout, Refund
from portal.db.tasks import Task
from portal.services.paying.settling import FREED, UNASKED
from portal.services.proofs import HOLDING, Break, counted, rows, sums


def captured(found: list[Break]) -> int:
    """Refunded and disputed together never exceed what was captured; the counters are the sums of their rows.

    What was let go of an authorization, or taken off a bill, counts as refunded, and is known by itself.
    """
    shares = sums(OrderPayment.payment_id, OrderPayment.refunded_minor)
    let_go = sums(
        Payout.payment_id, Payout.amount_minor, Payout.state == "succeeded", Payout.mode != "captured"
    )
    disputed = sums(Chargeback.payment_id, Chargeback.held_minor, Chargeback.state.in_(("open", "lost")))
    for row in rows(_touched()):
        where = f"payment {row.reference}"
        gone = row.refunded_minor + row.disputed_minor
        if gone > row.captured_minor:
            said = f"{row.refunded_minor} refunded and {row.disputed_minor} disputed of {row.captured_minor}"
            found.append(Break(invariant="I1", where=where, says=said))
        if shares.get(row.id, 0) != row.refunded_minor:
            said = f"{row.refunded_minor} refunded, its orders say {shares.get(row.id, 0)}"
            found.append(Break(invariant="I1", where=where, says=said))
        if let_go.get(row.id, 0) != row.released_minor:
            said = f"{row.released_minor} never charged, its transfers let go {let_go.get(row.id, 0)}"
            found.append(Break(invariant="I1", where=where, says=said))
        if disputed.get(row.id, 0) != row.disputed_minor:
            said = f"{row.disputed_minor} disputed, its chargebacks hold {disputed.get(row.id, 0)}"
            found.append(Break(invariant="I1", where=where, says=said))
    return counted(Payment)


def _touched() -> Any:
    held = sa.select(Chargeback.payment_id)
    given = sa.select(OrderPayment.payment_id).where(OrderPayment.refunded_minor > 0)
    return (
        sa.select(
            Payment.id,
            Payment.reference,
            Payment.captured_minor,
            Payment.refunded_minor,
            Payment.disputed_minor,
            Payment.released_minor,
        )
        .where(
            sa.or_(
                Payment.refunded_minor > 0,
                Payment.disputed_minor > 0,
                Payment.id.in_(held),
                Payment.id.in_(given),
            )
        )
        .order_by(Payment.id)
    )


def shares(found: list[Break]) -> int:
    """An order's share of a payment is held by its refunds, and by what was made elsewhere."""
    held = _held()
    elsewhere = set(rows(sa.select(OutsideRefund.order_id).distinct()))
    elsewhere_of = {row.order_id for row in elsewhere}
    wanted = sa.select(
        OrderPayment.order_id,
        OrderPayment.payment_id,
        OrderPayment.refunded_minor,
        OrderPayment.share_minor,
        Order.number,
    ).join(Order, Order.id == OrderPayment.order_id)
    for row in rows(wanted.order_by(OrderPayment.id)):
        ours = held.pop((row.order_id, row.payment_id), 0)
        outside = row.order_id in elsewhere_of
        where = f"share of order {row.number}"
        if ours > row.refunded_minor or (ours < row.refunded_minor and not outside):
            said = f"{row.refunded_minor} refunded, its refunds hold {ours}"
            found.append(Break(invariant="I1", where=where, says=said))
        if row.refunded_minor > row.share_minor:
            said = f"{row.refunded_minor} refunded of a share of {row.share_minor}"
            found.append(Break(invariant="I1", where=where, says=said))
    for (order_id, _payment_id), amount in held.items():
        if amount:
            said = f"its refunds hold {amount} of a payment that is none of its own"
            found.append(Break(invariant="I1", where=f"order {order_id}", says=said))
    return counted(OrderPayment)


def _held() -> dict[tuple[UUID, UUID], int]:
    """(order, payment) -> what refunds hold of it: their shares, less the transfers that gave theirs back."""
    held: dict[tuple[UUID, UUID], int] = defaultdict(int)
    orders: dict[UUID, UUID] = {}
    holding = sa.select(Refund.id, Refund.order_id, Refund.breakdown["shares"].label("shares")).where(
        Refund.state.in_(HOLDING), Refund.order_id.is_not(None)
    )
    for row in rows(holding.order_by(Refund.id)):
        orders[row.id] = row.order_id
        for share in row.shares or ():
            if share["origin_id"]:
                held[row.order_id, UUID(share["origin_id"])] += share["amount"]
    for row in latest():
        if row.state in FREED and row.refund_id in orders and row.payment_id is not None:
            held[orders[row.refund_id], row.payment_id] -= row.amount_minor
    return held


def latest() -> list[Any]:
    """Of each refund and payment the last transfer: a retry takes the place of the one that failed."""
    wanted = sa.select(
        Payout.id,
        Payout.refund_id,
        Payout.payment_id,
        Payout.state,
        Payout.amount_minor,
    ).order_by(Payout.created_at, Payout.id)
    found: dict[tuple[Any, Any], Any] = {}
    for row in rows(wanted):
        found[row.refund_id, row.payment_id] = row
    return list(found.values())


def transfers(found: list[Break]) -> int:
    """What was paid has its proof, no two transfers claim the same refund of a gateway, none is forgotten."""
    found += _unproven()
    twice = (
        sa.select(Payout.provider, Payout.provider_reference, sa.func.count().label("units"))
        .where(Payout.provider_reference != "", Payout.provider.not_in(UNASKED))
        .group_by(Payout.provider, Payout.provider_reference)
        .having(sa.func.count() > 1)
        .order_by(Payout.provider, Payout.provider_reference)
    )
    for row in rows(twice):
        said = f"{row.units} transfers claim this one refund"
        where = f"{row.provider} {row.provider_reference}"
        found.append(Break(invariant="I5", where=where, says=said))
    found += _told_otherwise()
    return counted(Payout)


def _unproven() -> Iterator[Break]:
    wanted = sa.select(
        Payout.id,
        Payout.key,
        Payout.state,
        Payout.provider,
        Payout.provider_reference,
        Payout.settled_at,
        Payout.next_check_at,
        Payout.currency,
        Refund.number,
        Refund.currency.label("refund_currency"),
    ).join(Refund, Refund.id == Payout.refund_id)
    for row in rows(wanted.order_by(Payout.created_at, Payout.id)):
        where = f"transfer {row.key} of {row.number}"
        at_gateway = row.provider not in UNASKED
        for wrong, says in (
            (row.key != str(row.id), "its key at the provider is not its own"),
            (row.currency != row.refund_currency, f"{row.currency} for a refund in {row.refund_currency}"),
            (row.state == "succeeded" and row.settled_at is None, "it succeeded and nobody knows when"),
            (
                row.state == "succeeded" and at_gateway and not row.provider_reference,
                "it succeeded and names no refund of the gateway",
            ),
            (
                row.state in ("submitting", "unknown", "pending")
                and at_gateway
                and row.next_check_at is None,
                f"it is {row.state} and nobody will look at it again",
            ),
        ):
            if wrong:
                yield Break(invariant="I5", where=where, says=says)


def _told_otherwise() -> Iterator[Break]:
    """Events about our transfers that name another amount and that nobody was asked to look at."""
    asked = sa.select(Task.key).where(Task.kind.in_(("wrong_answer", "drift")))
    wanted = (
        sa.select(
            Payout.key,
            Payout.amount_minor,
            Payout.currency,
            GatewayEvent.amount_minor.label("told"),
            GatewayEvent.currency.label("told_currency"),
        )
        .join(Payout, sa.and_(Payout.key == GatewayEvent.key, Payout.provider == GatewayEvent.provider))
        .where(
            GatewayEvent.kind == "refund",
            GatewayEvent.handled_at.is_not(None),
            GatewayEvent.amount_minor > 0,
            sa.or_(
                GatewayEvent.amount_minor != Payout.amount_minor, GatewayEvent.currency != Payout.currency
            ),
            Payout.key.not_in(asked),
        )
        .order_by(GatewayEvent.id)
    )
    for row in rows(wanted):
        said = f"{row.amount_minor} {row.currency} here, {row.told} {row.told_currency} told by the gateway"
        yield Break(invariant="I5", where=f"transfer {row.key}", says=said)

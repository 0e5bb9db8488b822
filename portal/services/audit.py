"""The books looked at from outside: every balance and every cap worked out again from single rows."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from portal.core.refunds import breakdown as breakdowns
from portal.core.refunds.ledger import PAYABLE
from portal.core.spans import count, merge
from portal.db.base import db
from portal.db.orders import OrderLine, OrderLineTax, OrderPayment, OutsideRefund, Payment
from portal.db.refunds import Payout, Refund, RefundLine, Transfer
from portal.db.returns import Return, ReturnLine
from portal.services import stock
from portal.services.books import UNPAID
from portal.services.settling import FREED

HOLDING = ("pending_approval", "approved", "pending", "succeeded", "failed")
"""Refunds whose lines still count; the transfers of a failed one give back their part of the payment."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How many of each kind were looked at, and what is wrong, in sentences."""

    checked: dict[str, int]
    problems: list[str] = field(default_factory=list)


def verify() -> Result:
    """Look at everything. An empty list of problems is a proof, as far as the rows go."""
    problems: list[str] = []
    checked: dict[str, int] = {}
    for name, check in (
        ("refunds", _refunds),
        ("transfers", _payables),
        ("order lines", _lines),
        ("tax labels", _taxes),
        ("payments", _payments),
        ("shares", _shares),
        ("returns", _returns),
    ):
        checked[name] = check(problems)
    problems += stock.verify()
    return Result(checked=checked, problems=problems)


def _refunds(problems: list[str]) -> int:
    """A breakdown sums to its refund, to its lines and to its transfers."""
    looked_at = 0
    lines = _grouped(RefundLine.refund_id, RefundLine.amount_minor)
    latest = (
        sa.select(Payout.refund_id, Payout.payment_id, sa.func.max(Payout.id).label("id"))
        if db.engine.dialect.name == "sqlite"
        else sa.select(
            Payout.refund_id, Payout.payment_id, sa.func.max(sa.cast(Payout.id, sa.String)).label("id")
        )
    ).group_by(Payout.refund_id, Payout.payment_id)
    newest = {str(row.id).replace("-", "") for row in db.session.execute(latest)}
    sent: dict[Any, int] = {}
    for payout in db.session.scalars(sa.select(Payout)):
        if payout.id.hex in newest:
            sent[payout.refund_id] = sent.get(payout.refund_id, 0) + payout.amount_minor
    for refund in db.session.scalars(sa.select(Refund).order_by(Refund.id)):
        looked_at += 1
        told = breakdowns.from_json(refund.breakdown)
        if told.amount != refund.amount_minor:
            problems.append(f"{refund.number}: {refund.amount_minor}, its breakdown says {told.amount}")
        if lines.get(refund.id, 0) != told.owed:
            problems.append(f"{refund.number}: lines sum to {lines.get(refund.id, 0)}, {told.owed} is owed")
        if refund.state not in ("pending_approval", "canceled"):
            planned = sum(share.amount for share in told.shares if share.origin_id)
            if sent.get(refund.id, 0) != planned:
                problems.append(f"{refund.number}: transfers sum to {sent.get(refund.id, 0)}, not {planned}")
    return looked_at


def _grouped(key: Any, amount: Any) -> dict[Any, int]:
    rows = db.session.execute(sa.select(key, sa.func.sum(amount)).group_by(key))
    return {one: int(total or 0) for one, total in rows}


def _payables(problems: list[str]) -> int:
    """What is payable for a refund is what was decided and is neither paid nor given up."""
    balances: dict[tuple[Any, str], int] = {}
    looked_at = 0
    for transfer in db.session.scalars(sa.select(Transfer)):
        looked_at += 1
        for account, sign in ((transfer.debit, 1), (transfer.credit, -1)):
            place = (transfer.refund_id, account)
            balances[place] = balances.get(place, 0) + sign * transfer.amount_minor
    for refund in db.session.scalars(sa.select(Refund)):
        payouts = db.session.scalars(
            sa.select(Payout).where(Payout.refund_id == refund.id).order_by(Payout.id)
        ).all()
        latest = {payout.payment_id: payout for payout in payouts}.values()
        paid = sum(p.amount_minor for p in latest if p.state == "succeeded")
        failed = sum(p.amount_minor for p in latest if p.state in FREED)
        decided = refund.amount_minor if refund.state not in ("pending_approval", "canceled") else 0
        failed = failed if refund.state != "canceled" else 0
        for account, expected in ((PAYABLE, decided - paid - failed), (UNPAID, failed)):
            found = -balances.get((refund.id, account), 0)
            if found != expected:
                problems.append(f"{refund.number}: {account} is {found}, should be {expected}")
    return looked_at


def _lines(problems: list[str]) -> int:
    """Counters of a line are the sums of its refunds and claims, and below what was bought and paid."""
    refunded = _of_holding(RefundLine.order_line_id, RefundLine.amount_minor)
    claimed = _claims()
    elsewhere: dict[str, int] = {}
    for outside in db.session.scalars(sa.select(OutsideRefund)):
        for share in outside.lines:
            place = str(share["order_line_id"])
            elsewhere[place] = elsewhere.get(place, 0) + int(share.get("amount", 0))
    looked_at = 0
    touched = sa.or_(OrderLine.refunded_minor > 0, OrderLine.claimed_units > 0, OrderLine.canceled_units > 0)
    for line in db.session.scalars(sa.select(OrderLine).where(touched)):
        looked_at += 1
        where = f"order line {line.id} ({line.sku})"
        total = refunded.pop(line.id, 0) + elsewhere.get(str(line.id), 0)
        if total != line.refunded_minor:
            problems.append(f"{where}: {line.refunded_minor} refunded, its refunds sum to {total}")
        if line.refunded_minor > line.paid_minor:
            problems.append(f"{where}: {line.refunded_minor} refunded of {line.paid_minor} paid")
        spans = [(first, end) for first, end in line.claimed_spans]
        if count(spans) != line.claimed_units:
            problems.append(f"{where}: {line.claimed_units} units claimed, {count(spans)} positions")
        if line.claimed_units + line.canceled_units > line.units:
            problems.append(f"{where}: {line.claimed_units + line.canceled_units} units gone of {line.units}")
        if not _within(claimed.get(line.id, []), spans):
            problems.append(f"{where}: returns hold positions that the line does not know as claimed")
    problems += [
        f"order line {line_id}: {amount} refunded, the line says nothing"
        for line_id, amount in refunded.items()
    ]
    return looked_at


def _within(held: list[tuple[int, int]], known: list[tuple[int, int]]) -> bool:
    try:
        return set(_positions(merge(held))) <= set(_positions(known))
    except ValueError:
        return False


def _positions(spans: Any) -> list[tuple[int, int]]:
    """Spans cut at every border of the known ones would be exact; single positions are, for what people return."""
    return [(position, position + 1) for first, end in spans for position in range(first, end)]


def _claims() -> dict[Any, list[tuple[int, int]]]:
    rows = db.session.execute(
        sa.select(ReturnLine.order_line_id, ReturnLine.spans)
        .join(Return, Return.id == ReturnLine.return_id)
        .where(
            ReturnLine.order_line_id.is_not(None), Return.state.not_in(("canceled", "declined", "expired"))
        )
    )
    found: dict[Any, list[tuple[int, int]]] = {}
    for line_id, spans in rows:
        found.setdefault(line_id, []).extend((first, end) for first, end in spans)
    return found


def _of_holding(key: Any, amount: Any) -> dict[Any, int]:
    rows = db.session.execute(
        sa.select(key, sa.func.sum(amount))
        .join(Refund, Refund.id == RefundLine.refund_id)
        .where(Refund.state.in_(HOLDING))
        .group_by(key)
    )
    return {one: int(total or 0) for one, total in rows}


def _taxes(problems: list[str]) -> int:
    """A label gave back what its refunds say, made here or elsewhere, and no more than it took."""
    told: dict[tuple[str, str], int] = {}
    lines: list[tuple[str, Any]] = [
        (str(line_id), taxes)
        for line_id, taxes in db.session.execute(
            sa.select(RefundLine.order_line_id, RefundLine.taxes)
            .join(Refund, Refund.id == RefundLine.refund_id)
            .where(Refund.state.in_(HOLDING))
        )
    ]
    for outside in db.session.scalars(sa.select(OutsideRefund.lines)):
        lines += [(str(line["order_line_id"]), line.get("taxes", ())) for line in outside]
    for line_id, taxes in lines:
        for label, amount in taxes:
            told[line_id, label] = told.get((line_id, label), 0) + amount
    for tax in db.session.scalars(sa.select(OrderLineTax)):
        where, said = (
            f"tax {tax.label} of line {tax.order_line_id}",
            told.get((str(tax.order_line_id), tax.label), 0),
        )
        if tax.refunded_minor > tax.amount_minor:
            problems.append(f"{where}: {tax.refunded_minor} refunded of {tax.amount_minor}")
        if tax.refunded_minor != said:
            problems.append(f"{where}: {tax.refunded_minor} refunded, its refunds say {said}")
    return db.session.scalar(sa.select(sa.func.count()).select_from(OrderLineTax)) or 0


def _payments(problems: list[str]) -> int:
    """A payment gave back what its transfers say, with what was made elsewhere, and never more than it took."""
    shares = _grouped(OrderPayment.payment_id, OrderPayment.refunded_minor)
    looked_at = 0
    for payment in db.session.scalars(sa.select(Payment).where(Payment.refunded_minor > 0)):
        looked_at += 1
        if payment.refunded_minor > payment.captured_minor:
            problems.append(
                f"payment {payment.reference}: {payment.refunded_minor} of {payment.captured_minor}"
            )
        told = shares.get(payment.id, 0)
        if told != payment.refunded_minor:
            problems.append(
                f"payment {payment.reference}: {payment.refunded_minor} refunded, its orders say {told}"
            )
    return looked_at


def _shares(problems: list[str]) -> int:
    """An order's share of a payment is held by its refunds, and by what was made elsewhere."""
    held = _held()
    elsewhere = set(db.session.scalars(sa.select(OutsideRefund.order_id).distinct()))
    looked_at = 0
    for share in db.session.scalars(sa.select(OrderPayment)):
        looked_at += 1
        ours = held.get((share.order_id, share.payment_id), 0)
        if ours > share.refunded_minor or (ours < share.refunded_minor and share.order_id not in elsewhere):
            problems.append(
                f"share of order {share.order_id}: {share.refunded_minor} refunded, its refunds hold {ours}"
            )
    return looked_at


def _held() -> dict[tuple[Any, Any], int]:
    """(order, payment) -> what refunds hold of it: their shares, less the transfers that failed last."""
    held: dict[tuple[Any, Any], int] = {}
    orders: dict[Any, Any] = {}
    for refund in db.session.scalars(sa.select(Refund).where(Refund.state.in_(HOLDING))):
        orders[refund.id] = refund.order_id
        for share in breakdowns.from_json(refund.breakdown).shares:
            place = (refund.order_id, share.origin_id)
            held[place] = held.get(place, 0) + share.amount
    latest: dict[tuple[Any, Any], Payout] = {}
    for payout in db.session.scalars(sa.select(Payout).order_by(Payout.created_at, Payout.id)):
        latest[payout.refund_id, payout.payment_id] = payout
    for payout in latest.values():
        if payout.state in FREED and payout.refund_id in orders:
            held[orders[payout.refund_id], payout.payment_id] -= payout.amount_minor
    return held


def _returns(problems: list[str]) -> int:
    """Nobody is refunded for units that did not come back."""
    over = db.session.execute(
        sa.select(ReturnLine.id, ReturnLine.refunded_units, ReturnLine.received_units).where(
            ReturnLine.refunded_units > ReturnLine.received_units
        )
    )
    problems += [
        f"return line {row.id}: {row.refunded_units} refunded of {row.received_units} received"
        for row in over
    ]
    return db.session.scalar(sa.select(sa.func.count()).select_from(Return)) or 0

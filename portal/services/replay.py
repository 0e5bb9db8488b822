"""Cancellations of the past, replayed as returns: judged, claimed, refunded and posted as any other return.

Goods and money moved when they happened: the returns are closed, their transfers settled by hand.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count as count_from
from itertools import groupby
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import numbers
from portal.core.access import Actor, NotAllowed
from portal.core.facts import OrderFacts, ReturnRequest, Wanted
from portal.core.intake import Incoming, IncomingCancellation, number_key
from portal.core.inventory import OUTSIDE, Movement
from portal.core.money import Minor, minor
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.refunds import breakdown, ledger
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.engine import quote
from portal.core.replaying import Bought, Take, after, verdict, within
from portal.core.spans import Span, count, merge, worth
from portal.db import history, merchants, orders
from portal.db import intake as db_intake
from portal.db.base import db, transaction, uuid7
from portal.db.refunds import Payout, Refund, RefundLine
from portal.db.returns import Return, ReturnLine
from portal.services import books, quota, stock
from portal.services.confirmation import claim

WINDOW = timedelta(days=30)
BY_HAND = "manual"
PARTS = 8
"""Orders of one cancellation that are looked up at once; most are about one."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one row. ``claimed`` and ``refunded`` are minor units of its currency."""

    row: IncomingCancellation
    verdict: str
    claimed: Minor
    refunded: Minor = 0
    orders: tuple[tuple[str, int, Minor], ...] = ()
    """Which orders it gave units of back: (number, units, amount)."""
    window: str = ""
    """Whether they were bought in the 30 days before: inside, outside or partly."""
    again: bool = False
    """It had been replayed before; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class _Run:
    actor: Actor
    merchant_id: UUID
    policy_id: UUID
    terms: Terms
    language: str


def replay(
    actor: Actor,
    merchant_id: UUID,
    stream: Iterable[Incoming],
    *,
    report: Callable[[Outcome], None],
) -> None:
    """Make returns of the cancellations in ``stream`` (its orders must be imported), in the order of time.

    Each row is told to ``report`` once. What was replayed before is recognized and changes nothing.
    Raises ``NotAllowed``, and ``LookupError`` for a merchant without policy.
    """
    if not actor.may("orders.import", merchant_id):
        raise NotAllowed("orders.import")
    merchant, policy_id, terms = merchants.with_terms(merchant_id)
    run = _Run(
        actor=actor,
        merchant_id=merchant_id,
        policy_id=policy_id,
        terms=_exact(terms),
        language=merchant.language,
    )
    rows = [row for row in stream if isinstance(row, IncomingCancellation)]
    rows.sort(key=lambda row: (row.at, row.number, row.row))
    for _, invoice in groupby(rows, key=lambda row: (row.at, row.number)):
        for outcome in _replay(run, list(invoice)):
            report(outcome)


def _exact(terms: Terms) -> Terms:
    """The past took no fees and gave no postage back: what was paid for the goods, and nothing else."""
    return replace(
        terms,
        refund_shipping="never",
        restocking_fee=RestockingFee(),
        condition_deductions_bp=(),
        accessory_deductions=(),
        depreciation_days=0,
        return_postage="merchant",
    )


def _replay(run: _Run, rows: Sequence[IncomingCancellation]) -> list[Outcome]:
    """One cancellation, which may be about several orders, in one transaction."""
    with transaction():
        done = _done(run, rows)
        bought = _bought(run, rows)
        judged: list[tuple[IncomingCancellation, str, tuple[Take, ...]]] = []
        for position, row in enumerate(rows):
            if position in done:
                judged.append((row, "ACCEPT", ()))
                continue
            outcome, takes = verdict(row, bought)
            bought = after(bought, takes)
            judged.append((row, outcome, takes))
        facts = _write(run, rows, judged)
    return [
        done[position] if position in done else _outcome(row, what, takes, facts)
        for position, (row, what, takes) in enumerate(judged)
    ]


def _outcome(
    row: IncomingCancellation, what: str, takes: tuple[Take, ...], facts: dict[UUID, OrderFacts]
) -> Outcome:
    parts = [(facts[take.bought.order_id], take) for take in takes]
    given = tuple((order.number, take.units, _worth(order, take)) for order, take in parts)
    return Outcome(
        row=row,
        verdict=what,
        claimed=_claimed(row),
        refunded=sum(amount for _, _, amount in given),
        orders=given,
        window=within(takes, row.at, WINDOW) if takes else "",
    )


def _claimed(row: IncomingCancellation) -> Minor:
    return minor(row.units * row.unit_price, row.currency, round_to_unit=True)


def _worth(order: OrderFacts, take: Take) -> Minor:
    line = order.line(take.bought.line_id)
    return worth(line.paid, take.spans, line.units)


def _nonce(run: _Run, row: IncomingCancellation, part: int) -> str:
    """The same for the same cancellation of the same merchant: what a second replay is recognized by."""
    text = f"{run.merchant_id}|{row.number}|{row.at.isoformat()}|{part}"
    return f"replay:{hashlib.sha256(text.encode()).hexdigest()[:33]}"


def _done(run: _Run, rows: Sequence[IncomingCancellation]) -> dict[int, Outcome]:
    """The rows of this cancellation that were accepted in an earlier replay, by their position."""
    numbers_of: dict[UUID, str] = {}
    for start in count_from(0, PARTS):
        nonces = [_nonce(run, rows[0], part) for part in range(start, start + PARTS)]
        found = db.session.execute(
            sa.select(Return.id, Return.order_number).where(
                Return.merchant_id == run.merchant_id, Return.nonce.in_(nonces)
            )
        ).all()
        numbers_of |= {row.id: row.order_number for row in found}
        if len(found) < PARTS:
            break
    if not numbers_of:
        return {}
    parts: dict[int, list[tuple[str, int, Minor, str]]] = {}
    for happening in history.of(list(numbers_of)):
        for position, units, amount, window in happening.details.get("replayed", ()):
            parts.setdefault(position, []).append((numbers_of[happening.subject_id], units, amount, window))
    return {
        position: Outcome(
            row=rows[position],
            verdict="ACCEPT",
            claimed=_claimed(rows[position]),
            refunded=sum(amount for _, _, amount, _ in given),
            orders=tuple((number, units, amount) for number, units, amount, _ in given),
            window=given[0][3],
            again=True,
        )
        for position, given in parts.items()
    }


def _bought(run: _Run, rows: Sequence[IncomingCancellation]) -> list[Bought]:
    """What these customers bought of these SKUs for money; the lines are locked."""
    customers = sorted({row.customer_ref for row in rows if row.customer_ref})
    skus = sorted({row.sku for row in rows})
    if not customers:
        return []
    line, order = orders.OrderLine.__table__, orders.Order.__table__
    found = db.session.execute(
        sa.select(
            line.c.id, line.c.order_id, line.c.sku, line.c.unit_price, line.c.units, line.c.number,
            line.c.claimed_spans, line.c.canceled_spans, order.c.placed_at,
        )
        .join(order, order.c.id == line.c.order_id)
        .where(
            order.c.merchant_id == run.merchant_id,
            order.c.customer_ref.in_(customers),
            line.c.sku.in_(skus),
            line.c.goods_minor > 0,
        )
        .order_by(line.c.id)
        .with_for_update(of=line)
    )  # fmt: skip
    return [
        Bought(
            line_id=row.id,
            order_id=row.order_id,
            sku=row.sku,
            unit_price=Decimal(row.unit_price),
            units=row.units,
            placed_at=row.placed_at,
            number=row.number,
            taken=merge((*orders.spans(row.claimed_spans), *orders.spans(row.canceled_spans))),
        )
        for row in found
    ]


def _write(
    run: _Run,
    rows: Sequence[IncomingCancellation],
    judged: Sequence[tuple[IncomingCancellation, str, tuple[Take, ...]]],
) -> dict[UUID, OrderFacts]:
    """A return and a refund for every order that the accepted rows are about."""
    by_order: dict[UUID, list[tuple[int, Take, str]]] = {}
    for position, (row, _, takes) in enumerate(judged):
        window = within(takes, row.at, WINDOW) if takes else ""
        for take in takes:
            by_order.setdefault(take.bought.order_id, []).append((position, take, window))
    facts: dict[UUID, OrderFacts] = {}
    for part, (order_id, takes_of_order) in enumerate(by_order.items()):
        facts[order_id] = orders.facts(order_id, lock=True)
        _give_back(run, rows[0], part, facts[order_id], takes_of_order)
    return facts


def _give_back(
    run: _Run,
    first: IncomingCancellation,
    part: int,
    order: OrderFacts,
    takes: Sequence[tuple[int, Take, str]],
) -> None:
    spans: dict[UUID, tuple[Span, ...]] = {}
    for _, take, _ in takes:
        spans[take.bought.line_id] = merge((*spans.get(take.bought.line_id, ()), *take.spans))
    request = ReturnRequest(
        wanted=tuple(Wanted(line_id=line, units=count(held), spans=held) for line, held in spans.items()),
        requested_at=first.at,
    )
    owed = quote(order, request, run.terms, now=first.at)
    if not claim(_claims(order, spans)):
        raise RuntimeError(f"the units of order {order.number} changed while they were locked")
    _return_units(order, spans)
    quota.take(owed, order.id)
    return_id = _add_return(run, first, part, order, owed)
    _add_lines(run, return_id, order, spans, first.at)
    _add_refund(run, return_id, first, order, owed)
    replayed = [[position, take.units, _worth(order, take), window] for position, take, window in takes]
    history.record(
        run.actor, "return.closed", merchant_id=run.merchant_id, subject_id=return_id, now=first.at,
        replayed=replayed, cancellation=first.number,
    )  # fmt: skip


def _return_units(order: OrderFacts, spans: dict[UUID, tuple[Span, ...]]) -> None:
    """The claimed units are back."""
    table: Any = orders.OrderLine.__table__
    db.session.connection().execute(
        sa.update(table)
        .where(table.c.id == sa.bindparam("line"))
        .values(returned_spans=sa.bindparam("back")),
        [
            {"line": line_id, "back": [list(span) for span in merge((*order.line(line_id).returned, *held))]}
            for line_id, held in spans.items()
        ],
    )


def _claims(order: OrderFacts, spans: dict[UUID, tuple[Span, ...]]) -> list[dict[str, object]]:
    return [
        {
            "line": line_id,
            "more": count(held),
            "was": count(order.line(line_id).claimed),
            "spans": [list(span) for span in merge((*order.line(line_id).claimed, *held))],
        }
        for line_id, held in spans.items()
    ]


def _add_return(
    run: _Run, first: IncomingCancellation, part: int, order: OrderFacts, owed: Breakdown
) -> UUID:
    return_id = uuid7()
    at = first.at
    db_intake.write(
        Return,
        [
            {
                "id": return_id,
                "merchant_id": run.merchant_id,
                "order_id": order.id,
                "policy_id": run.policy_id,
                "number": numbers.rma_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
                "state": "closed",
                "kind": "return",
                "channel": "import",
                "language": order.language or run.language,
                "currency": order.currency,
                "email": order.email,
                "order_number": order.number,
                "order_number_key": number_key(order.number),
                "breakdown": breakdown.to_json(owed),
                "estimate_minor": owed.amount,
                "refund_state": "refunded",
                "nonce": _nonce(run, first, part),
                "created_at": at,
                "submitted_at": at,
                "approved_at": at,
                "received_at": at,
                "closed_at": at,
            }
        ],
    )
    return return_id


def _add_lines(
    run: _Run, return_id: UUID, order: OrderFacts, spans: dict[UUID, tuple[Span, ...]], at: datetime
) -> None:
    rows: list[dict[str, Any]] = []
    for position, (line_id, held) in enumerate(spans.items(), 1):
        line, units = order.line(line_id), count(held)
        rows.append(
            {
                "id": uuid7(),
                "merchant_id": run.merchant_id,
                "return_id": return_id,
                "order_line_id": line_id,
                "position": position,
                "sku": line.sku,
                "name": line.name or line.sku,
                "units": units,
                "reason": "unknown",
                "spans": [list(span) for span in held],
                "authorized_units": units,
                "received_units": units,
                "accepted_units": units,
                "refunded_units": units,
            }
        )
    db_intake.write(ReturnLine, rows)
    for row in rows:
        stock.move(
            [Movement(sku=row["sku"], units=row["units"], source=OUTSIDE, target="available")],
            merchant_id=run.merchant_id, why="inspected", return_line_id=row["id"], now=at,
        )  # fmt: skip


def _add_refund(
    run: _Run, return_id: UUID, first: IncomingCancellation, order: OrderFacts, owed: Breakdown
) -> None:
    refund_id, at = uuid7(), first.at
    db_intake.write(
        Refund,
        [
            {
                "id": refund_id,
                "merchant_id": run.merchant_id,
                "order_id": order.id,
                "return_id": return_id,
                "number": numbers.refund_number(secrets.token_bytes(numbers.BYTES_NEEDED)),
                "state": "succeeded",
                "currency": owed.currency,
                "amount_minor": owed.amount,
                "breakdown": breakdown.to_json(owed),
                "reason": first.number,
                "created_at": at,
                "created_by_name": run.actor.name,
                "approved_at": at,
                "succeeded_at": at,
            }
        ],
    )
    db_intake.write(
        RefundLine,
        [
            {
                "id": uuid7(),
                "merchant_id": run.merchant_id,
                "refund_id": refund_id,
                "order_line_id": line.line_id,
                "spans": [list(span) for span in line.spans],
                "amount_minor": line.amount,
                "taxes": [list(tax) for tax in line.taxes],
                "withheld_minor": line.withheld,
            }
            for line in owed.lines
        ],
    )
    books.post(
        ledger.decided(owed, order),
        kind="refund_decided",
        merchant_id=run.merchant_id,
        refund_id=refund_id,
        now=at,
    )
    _settle(run, refund_id, owed, at)


def _settle(run: _Run, refund_id: UUID, owed: Breakdown, at: datetime) -> None:
    for share in owed.shares:
        if not share.amount or share.origin_id is None:
            continue
        payout_id = uuid7()
        db_intake.write(
            Payout,
            [
                {
                    "id": payout_id,
                    "merchant_id": run.merchant_id,
                    "refund_id": refund_id,
                    "payment_id": share.origin_id,
                    "state": "succeeded",
                    "amount_minor": share.amount,
                    "currency": owed.currency,
                    "provider": BY_HAND,
                    "key": str(payout_id),
                    "created_at": at,
                    "settled_at": at,
                }
            ],
        )
        books.post(
            [ledger.paid_out(share, BY_HAND, currency=owed.currency)],
            kind="payout_settled",
            merchant_id=run.merchant_id,
            refund_id=refund_id,
            payout_id=payout_id,
            now=at,
        )


def postage(merchant_id: UUID, outcomes: Iterable[Outcome]) -> Iterator[tuple[Outcome, str]]:
    """Which of these claims for carriage fit what their customer paid for it before: a cap of its own.

    In the order of time: ``within`` (whole, and it uses the cap up), ``over``, or ``no_customer``.
    """
    given: dict[tuple[str, str], Minor] = {}
    for outcome in sorted(outcomes, key=lambda one: (one.row.at, one.row.number, one.row.row)):
        row = outcome.row
        if not row.customer_ref:
            yield outcome, "no_customer"
            continue
        key = row.customer_ref, row.sku
        if given.get(key, 0) + outcome.claimed > _carriage_paid(merchant_id, row):
            yield outcome, "over"
            continue
        given[key] = given.get(key, 0) + outcome.claimed
        yield outcome, "within"


def _carriage_paid(merchant_id: UUID, row: IncomingCancellation) -> Minor:
    line: Any = orders.OrderLine.__table__
    order: Any = orders.Order.__table__
    paid = (
        sa.select(sa.func.sum(line.c.paid_minor))
        .join(order, order.c.id == line.c.order_id)
        .where(
            order.c.merchant_id == merchant_id,
            order.c.customer_ref == row.customer_ref,
            order.c.placed_at <= row.at,
            line.c.sku == row.sku,
            line.c.kind == "shipping",
        )
    )
    return int(db.session.scalar(paid) or 0)

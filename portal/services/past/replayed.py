"""A cancellation of the past written down: a closed return, its units back, its refund settled by hand."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core import numbers
from portal.core.access import Actor
from portal.core.facts import OrderFacts, ReturnRequest, Wanted
from portal.core.intake import IncomingCancellation, number_key
from portal.core.inventory import OUTSIDE, Movement
from portal.core.money import Minor
from portal.core.policy.terms import Terms
from portal.core.refunds import breakdown, ledger
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.engine import quote
from portal.core.replaying import Take
from portal.core.spans import Span, count, merge, worth
from portal.db import history, orders
from portal.db import intake as db_intake
from portal.db.base import db, uuid7
from portal.db.refunds import Payout, Refund, RefundLine
from portal.db.returns import Return, ReturnLine
from portal.services.filing.holding import claim
from portal.services.ledgers import books, quota
from portal.services.stockroom import stock

BY_HAND = "manual"


@dataclass(frozen=True, kw_only=True)
class Run:
    """For whom, and by which terms."""

    actor: Actor
    merchant_id: UUID
    policy_id: UUID
    terms: Terms
    language: str


def nonce(run: Run, row: IncomingCancellation, part: int) -> str:
    """The same for the same cancellation of the same merchant: what a second replay is recognized by."""
    text = f"{run.merchant_id}|{row.number}|{row.at.isoformat()}|{part}"
    return f"replay:{hashlib.sha256(text.encode()).hexdigest()[:33]}"


def worth_of(order: OrderFacts, take: Take) -> Minor:
    line = order.line(take.bought.line_id)
    return worth(line.paid, take.spans, line.units)


def give_back(
    run: Run,
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
    replayed = [[position, take.units, worth_of(order, take), window] for position, take, window in takes]
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


def _add_return(run: Run, first: IncomingCancellation, part: int, order: OrderFacts, owed: Breakdown) -> UUID:
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
                "nonce": nonce(run, first, part),
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
    run: Run, return_id: UUID, order: OrderFacts, spans: dict[UUID, tuple[Span, ...]], at: datetime
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
    moved = [
        (row["id"], Movement(sku=row["sku"], units=row["units"], source=OUTSIDE, target="available"))
        for row in rows
    ]
    stock.move(moved, merchant_id=run.merchant_id, why="inspected", now=at)


def _add_refund(
    run: Run, return_id: UUID, first: IncomingCancellation, order: OrderFacts, owed: Breakdown
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


def _settle(run: Run, refund_id: UUID, owed: Breakdown, at: datetime) -> None:
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

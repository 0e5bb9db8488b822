"""Cancellations of the past, replayed as returns: judged, claimed, refunded and posted as any other return.

Goods and money moved when they happened: the returns are closed, their transfers settled by hand.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count as count_from
from itertools import groupby
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.facts import OrderFacts
from portal.core.intake import Incoming, IncomingCancellation
from portal.core.links import Site
from portal.core.money import Minor, minor
from portal.core.policy.terms import RestockingFee, Terms
from portal.core.replaying import Bought, Take, after, verdict, within
from portal.core.spans import merge
from portal.db import history, merchants, orders
from portal.db.base import db, transaction
from portal.db.returns import Return
from portal.ports import Gateways
from portal.services import scope
from portal.services.past import replayed_unsent
from portal.services.past.replayed import Run, give_back, nonce, worth_of

WINDOW = timedelta(days=30)
PARTS = 8
"""Orders of one cancellation that are looked up at once; most are about one."""


@dataclass(frozen=True, kw_only=True)
class Unsent:
    """How long after the purchase nothing had left yet, and what cancellations are made with."""

    within: timedelta
    gateways: Gateways
    site: Site


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


def replay(
    actor: Actor,
    merchant_id: UUID,
    stream: Iterable[Incoming],
    *,
    report: Callable[[Outcome], None],
    unsent: Unsent | None = None,
) -> None:
    """Make returns of the cancellations in ``stream`` (its orders must be imported), in the order of time.

    With ``unsent`` those that came so soon that nothing had left are made cancellations. Each row is told
    to ``report`` once. What was replayed before is recognized and changes nothing.
    Raises ``NotFound``, ``NotAllowed``, and ``LookupError`` for a merchant without policy.
    """
    scope.require(actor, "orders.import", merchant_id)
    merchant, policy_id, terms = merchants.with_terms(merchant_id)
    run = Run(
        actor=actor,
        merchant_id=merchant_id,
        policy_id=policy_id,
        terms=_exact(terms),
        language=merchant.language,
    )
    rows = [row for row in stream if isinstance(row, IncomingCancellation)]
    rows.sort(key=lambda row: (row.at, row.number, row.row))
    for _, invoice in groupby(rows, key=lambda row: (row.at, row.number)):
        for outcome in _replay(run, list(invoice), unsent):
            report(outcome)


def _exact(terms: Terms) -> Terms:
    """The past took no fees and gave no postage back: what was paid for the goods, and nothing else."""
    return replace(
        terms,
        refund_shipping="never",
        refund_duties="never",
        refund_fees="never",
        promotions="keep",
        restocking_fee=RestockingFee(),
        condition_deductions_bp=(),
        accessory_deductions=(),
        depreciation=(),
        return_postage="merchant",
    )


def _replay(run: Run, rows: Sequence[IncomingCancellation], unsent: Unsent | None) -> list[Outcome]:
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
        facts = _write(run, rows, judged, unsent)
    return [
        done[position] if position in done else _outcome(row, what, takes, facts)
        for position, (row, what, takes) in enumerate(judged)
    ]


def _outcome(
    row: IncomingCancellation, what: str, takes: tuple[Take, ...], facts: dict[UUID, OrderFacts]
) -> Outcome:
    parts = [(facts[take.bought.order_id], take) for take in takes]
    given = tuple((order.number, take.units, worth_of(order, take)) for order, take in parts)
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


def _done(run: Run, rows: Sequence[IncomingCancellation]) -> dict[int, Outcome]:
    """The rows of this cancellation that were accepted in an earlier replay, by their position."""
    numbers_of: dict[UUID, str] = {}
    for start in count_from(0, PARTS):
        nonces = [nonce(run, rows[0], part) for part in range(start, start + PARTS)]
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


def _bought(run: Run, rows: Sequence[IncomingCancellation]) -> list[Bought]:
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
    run: Run,
    rows: Sequence[IncomingCancellation],
    judged: Sequence[tuple[IncomingCancellation, str, tuple[Take, ...]]],
    unsent: Unsent | None,
) -> dict[UUID, OrderFacts]:
    """A return (or, of what had not left, a cancellation) with its refund for every order that is concerned."""
    by_order: dict[tuple[UUID, bool], list[tuple[int, Take, str]]] = {}
    for position, (row, _, takes) in enumerate(judged):
        window = within(takes, row.at, WINDOW) if takes else ""
        soon = bool(takes) and unsent is not None and within(takes, row.at, unsent.within) == "inside"
        for take in takes:
            by_order.setdefault((take.bought.order_id, soon), []).append((position, take, window))
    facts: dict[UUID, OrderFacts] = {}
    for part, ((order_id, soon), takes_of_order) in enumerate(by_order.items()):
        facts[order_id] = orders.facts(order_id, lock=True)
        if soon and unsent is not None:
            replayed_unsent.cancel(
                run, rows[0], part, order_id, takes_of_order, gateways=unsent.gateways, site=unsent.site
            )
        else:
            give_back(run, rows[0], part, facts[order_id], takes_of_order)
    return facts


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

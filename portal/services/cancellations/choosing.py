"""The customer's own choice, on the page of their order: units that were not sent, beside those they return."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from portal.core import cancellations as core
from portal.core.access import Actor, Conflict, NotFound
from portal.core.cancellations import CancelOffer, Totals
from portal.core.facts import CANCELLATIONS, OrderFacts
from portal.core.lifecycles import CANCELLATION
from portal.core.policy.verdict import Refused
from portal.core.refunds import breakdown as breakdowns
from portal.db import cancellations as stored
from portal.db import merchants, orders
from portal.db.base import db, transaction, uuid7
from portal.db.cancellations import Cancellation
from portal.db.orders import Order
from portal.db.returns import Return, ReturnLine
from portal.ports import Gateways
from portal.services import scope
from portal.services.cancellations import reading, telling
from portal.services.cancellations.reading import CancellationPage, PastRow
from portal.services.cancellations.wishes import Choice, new_lines, new_return
from portal.services.filing import returns as returning
from portal.services.stockroom import asking


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a return's order still offers its buyer; for anybody else ``buyer`` is false and all is empty."""

    buyer: bool = False
    order: OrderFacts | None = None
    offers: tuple[CancelOffer, ...] = ()
    """Only beside a draft that the buyer started, and where the shop lets customers cancel."""
    companion: CancellationPage | None = None
    """What was chosen to be taken out in one selection with this return."""
    past: tuple[PastRow, ...] = ()
    proposals: tuple[PastRow, ...] = ()
    """Of ``past``, what waits for the buyer's answer."""
    totals: Totals | None = None


def around(actor: Actor, return_id: UUID, *, gateways: Gateways, now: datetime) -> Around:
    """The order about a return, for its buyer. Raises ``NotFound``, ``NotAllowed``."""
    row = scope.return_row(actor, return_id, "returns.read")
    known = returning.read(row, now=now)
    order, terms = known.order, known.terms
    if order is None or not is_buyer(row, order):
        return Around()
    past = reading.past_of(order.id, email=row.email, but=[row.id])
    companion = None
    choosing = row.state == "draft" and row.kind not in CANCELLATIONS and row.channel == "self_service"
    if choosing and (found := stored.beside(row.id)) is not None:
        beside = stored.of(found.id)
        page = reading.read(found, beside, now=now) if beside is not None else None
        companion = page if page is not None and page.lines else None
    zone = ZoneInfo(known.zone)
    offered = choosing and terms.cancellations
    return Around(
        buyer=True,
        order=order,
        offers=core.offers(order, terms, now=now, zone=zone) if offered else (),
        companion=companion,
        past=past,
        proposals=tuple(one for one in past if _waits(one, now)),
        totals=core.totals(order),
    )


def proposals(actor: Actor, return_id: UUID, *, now: datetime) -> tuple[PastRow, ...]:
    """What waits for the buyer's answer in the order of a return; nothing for anybody else."""
    row = scope.return_row(actor, return_id, "returns.read")
    order = returning.read(row, now=now).order
    if order is None or not is_buyer(row, order):
        return ()
    past = reading.past_of(order.id, email=row.email, but=[row.id])
    return tuple(one for one in past if _waits(one, now))


def _waits(one: PastRow, now: datetime) -> bool:
    return one.state == "proposed" and (one.expires_at is None or one.expires_at > now)


def is_buyer(row: Return, order: Order | OrderFacts) -> bool:
    """Whether the return is in the name of the address that the order was placed with."""
    return bool(row.email) and row.email == order.email.lower()


def choose(
    actor: Actor, return_id: UUID, choices: Sequence[Choice], *, gateways: Gateways, now: datetime
) -> UUID | None:
    """Set what shall be taken out beside a draft return, all of it; answers the cancellation's id, None for nothing.

    Nothing is held by it. Raises ``Refused`` with all that stands against it, ``Conflict``: ``not_a_draft``,
    ``not_the_buyer``, ``negative_units``; ``NotFound``.
    """
    row = scope.return_row(actor, return_id, "returns.create")
    if row.order_id is None or row.kind in CANCELLATIONS:
        raise NotFound
    wanted = [one for one in choices if one.units]
    asked = asking.constraints(orders.facts(row.order_id), gateways=gateways, now=now) if wanted else None
    with transaction():
        stored.hold_order(row.order_id)
        row = scope.return_row(actor, return_id, "returns.create", lock=True)
        if row.state != "draft":
            raise Conflict("not_a_draft", state=row.state)
        head = orders.head(row.order_id) if row.order_id else None
        if head is None or not is_buyer(row, head):
            raise Conflict("not_the_buyer")
        companion = stored.beside(row.id, lock=True)
        if not wanted:
            if companion is not None:
                _write(companion, (), now=now)
            return None
        order = orders.facts(head.id)
        request, estimate = reading.estimated(
            order,
            wanted,
            "",
            constraints=asked.found if asked else (),
            policy_id=row.policy_id,
            by_customer=True,
            now=now,
        )
        if estimate.verdict.outcome == "refused":
            raise Refused(estimate.verdict)
        if companion is None:
            companion = _begin(actor, row, head, now=now)
        merchant, _, _ = merchants.with_terms(row.merchant_id, row.policy_id)
        day = now.astimezone(ZoneInfo(merchant.zone)).date()
        lines = new_lines(companion, order, request.wanted, by_agent=False, day=day)
        _write(companion, lines, now=now)
        companion.breakdown = breakdowns.to_json(estimate.breakdown)
        companion.estimate_minor = estimate.breakdown.amount
        return companion.id


def _begin(actor: Actor, row: Return, head: Order, *, now: datetime) -> Return:
    """A draft beside the customer's own, by the same policy and in the same language."""
    made = new_return(
        head,
        policy_id=row.policy_id,
        state=CANCELLATION.start,
        channel=row.channel,
        language=row.language,
        together_with=row.id,
        now=now,
    )
    made.language, made.name, made.name_key = row.language, row.name, row.name_key
    db.session.add(made)
    db.session.flush()
    db.session.add(
        Cancellation(
            id=uuid7(),
            merchant_id=made.merchant_id,
            return_id=made.id,
            asked_by="customer",
            requested_at=now,
            totals={},
            answer={},
            ended={},
            comment="",
            warehouse="",
            warehouse_state="none",
        )
    )
    db.session.flush()
    telling.happened(actor, "order_line.cancellation_started", made, now)
    return made


def _write(row: Return, lines: Sequence[ReturnLine], *, now: datetime) -> None:
    """Put ``lines`` in the place of those that were chosen before."""
    db.session.execute(sa.delete(ReturnLine).where(ReturnLine.return_id == row.id))
    db.session.add_all(lines)
    row.version += 1
    beside = stored.of(row.id)
    if beside is not None:
        beside.requested_at = now
    db.session.flush()

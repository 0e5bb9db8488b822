"""What people look at: lists, what waits for them, one return with everything on it, orders and customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor, NotFound
from portal.core.facts import OrderFacts
from portal.core.intake import number_key
from portal.core.lifecycles import RETURN
from portal.core.links import LinkFacts
from portal.core.merchants import MerchantFacts
from portal.core.money import Minor
from portal.core.numbers import is_valid, normalize
from portal.core.policy.terms import Terms
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.breakdown import from_json as breakdown_from_json
from portal.core.shipping import tidy_tracking_number
from portal.db import history, merchants, orders, shipments
from portal.db.base import db
from portal.db.merchants import Merchant
from portal.db.orders import Order, OrderLine, OutsideRefund
from portal.db.returns import Inspection, Return, ReturnLine
from portal.db.shipments import Shipment, ShipmentEvent
from portal.services import links, notices, refunds, scope, stock
from portal.services.notices import MailFacts
from portal.services.refunds import RefundFacts
from portal.services.returns import Page, read

MOST = 1000
"""Counters stop there: "1000+" is as good as the exact number, and never slow."""

FEW = 5


@dataclass(frozen=True, kw_only=True)
class ReturnRow:
    """One return in a list."""

    id: UUID
    merchant_id: UUID
    merchant_name: str
    number: str | None
    state: str
    refund_state: str
    kind: str
    channel: str
    name: str
    email: str
    order_number: str
    currency: str
    estimate: Minor | None
    created_at: datetime
    submitted_at: datetime | None
    ship_by: date | None
    units: int
    first_line: str
    lines: int


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One page of a list. ``next`` continues it; ``exact`` is the one return that was typed exactly."""

    rows: tuple[ReturnRow, ...]
    next: UUID | None
    exact: UUID | None
    counts: dict[str, int]


def listing(
    actor: Actor,
    *,
    state: str | None = None,
    query: str = "",
    merchant_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Listing:
    """Returns of the actor's merchants, newest first; ``query`` finds number, order, e-mail, name, SKU, parcel."""
    ids = _merchants(actor, merchant_id)
    found = sa.select(Return.id).where(Return.merchant_id.in_(ids))
    if state:
        found = found.where(Return.state == state)
    text = query.strip()
    if text:
        found = found.where(_matches(text, ids))
    if after is not None:
        found = found.where(Return.id < after)
    hits = db.session.scalars(found.order_by(Return.id.desc()).limit(limit + 1)).all()
    rows = _rows(hits[:limit])
    exact = _exact(text, ids) if text else None
    return Listing(
        rows=rows,
        next=hits[limit - 1] if len(hits) > limit else None,
        exact=exact,
        counts=_counts(ids),
    )


def _merchants(actor: Actor, merchant_id: UUID | None) -> tuple[UUID, ...]:
    """The merchants to look at. Raises ``NotFound`` for one that is not the actor's."""
    if merchant_id is not None and merchant_id not in actor.merchant_ids:
        raise NotFound
    wanted = (merchant_id,) if merchant_id is not None else actor.merchant_ids
    return tuple(one for one in wanted if actor.may("returns.read", one))


def _exact(text: str, ids: Sequence[UUID]) -> UUID | None:
    if not is_valid(text):
        return None
    return db.session.scalar(
        sa.select(Return.id).where(Return.merchant_id.in_(ids), Return.number == normalize(text))
    )


def _matches(text: str, ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    """Each kind of thing that may have been typed, by an index of its own."""
    lower, key = text.lower(), number_key(text)
    by_sku = sa.select(ReturnLine.return_id).where(
        ReturnLine.merchant_id.in_(ids), ReturnLine.sku.in_({text, text.upper(), lower})
    )
    by_parcel = sa.select(Shipment.return_id).where(
        Shipment.merchant_id.in_(ids), Shipment.tracking_number == tidy_tracking_number(text)
    )
    tests = [
        Return.number == normalize(text),
        Return.email.startswith(lower, autoescape=True),
        Return.name_key.contains(lower, autoescape=True),
        Return.id.in_(by_sku),
        Return.id.in_(by_parcel),
    ]
    if key:
        tests.append(Return.order_number_key.startswith(key, autoescape=True))
    return sa.or_(*tests)


def _counts(ids: Sequence[UUID]) -> dict[str, int]:
    """state -> returns in it, up to ``MOST``; one query."""
    parts = [
        sa.select(
            sa.literal(state).label("state"),
            sa.select(sa.func.count())
            .select_from(
                sa.select(Return.id)
                .where(Return.merchant_id.in_(ids), Return.state == state)
                .limit(MOST)
                .subquery()
            )
            .scalar_subquery()
            .label("units"),
        )
        for state in RETURN.states
    ]
    return {row.state: row.units for row in db.session.execute(sa.union_all(*parts))}


def _rows(ids: Sequence[UUID]) -> tuple[ReturnRow, ...]:
    if not ids:
        return ()
    lines: dict[UUID, list[ReturnLine]] = {}
    wanted = sa.select(ReturnLine).where(ReturnLine.return_id.in_(ids)).order_by(ReturnLine.position)
    for line in db.session.scalars(wanted):
        lines.setdefault(line.return_id, []).append(line)
    found = db.session.execute(
        sa.select(Return, Merchant.name)
        .join(Merchant, Merchant.id == Return.merchant_id)
        .where(Return.id.in_(ids))
        .order_by(Return.id.desc())
    )
    return tuple(_row(row, name, lines.get(row.id, [])) for row, name in found)


def _row(row: Return, merchant_name: str, lines: Sequence[ReturnLine]) -> ReturnRow:
    same = {
        name: getattr(row, name)
        for name in (
            "id", "merchant_id", "number", "state", "refund_state", "kind", "channel", "name", "email",
            "order_number", "currency", "created_at", "submitted_at", "ship_by",
        )
    }  # fmt: skip
    return ReturnRow(
        **same,
        merchant_name=merchant_name,
        estimate=row.estimate_minor,
        units=sum(line.units for line in lines),
        first_line=lines[0].name if lines else "",
        lines=len(lines),
    )


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What waits of one kind: how many, and the oldest few."""

    count: int
    rows: tuple[ReturnRow, ...]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The desk: what waits for people, oldest first."""

    to_approve: Queue
    to_inspect: Queue
    to_refund: Queue
    failed_refunds: Queue
    asked_anew: Queue
    recent: tuple[ReturnRow, ...]
    counts: dict[str, int]


def waiting(actor: Actor) -> Waiting:
    """What waits at the actor's merchants."""
    ids = _merchants(actor, None)
    mine = Return.merchant_id.in_(ids)
    asked = sa.select(history.Happening.subject_id).where(
        history.Happening.merchant_id.in_(ids), history.Happening.what == "return.link.requested"
    )
    open_refund = ("none", "calculated", "canceled", "partially_refunded", "pending_approval")
    recent = db.session.scalars(sa.select(Return.id).where(mine).order_by(Return.id.desc()).limit(8)).all()
    return Waiting(
        to_approve=_queue(mine, Return.state == "requested"),
        to_inspect=_queue(mine, Return.state.in_(("received", "partially_received"))),
        to_refund=_queue(mine, Return.state == "inspected", Return.refund_state.in_(open_refund)),
        failed_refunds=_queue(mine, Return.refund_state.in_(("failed", "requires_action"))),
        asked_anew=_queue(mine, Return.state == "draft", Return.id.in_(asked)),
        recent=_rows(recent),
        counts=_counts(ids),
    )


def _queue(*tests: Any) -> Queue:
    ids = sa.select(Return.id).where(*tests).order_by(Return.id)
    counted = sa.select(sa.func.count()).select_from(ids.limit(MOST).subquery())
    count = db.session.scalar(counted) or 0
    rows = _rows(db.session.scalars(ids.limit(FEW)).all()) if count else ()
    return Queue(count=count, rows=tuple(reversed(rows)))


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """One thing the carrier told."""

    at: datetime
    status: str
    location: str
    description: str


@dataclass(frozen=True, kw_only=True)
class ParcelFacts:
    """One parcel with what its carrier told, oldest first."""

    id: UUID
    carrier: str
    service: str
    method: str
    state: str
    tracking_number: str
    tracking_url: str
    handoff_code: str
    cost: Minor
    sending: dict[str, Any]
    error: str
    handed_over_at: datetime | None
    created_at: datetime
    events: tuple[EventFacts, ...]


@dataclass(frozen=True, kw_only=True)
class HappeningFacts:
    """One row of the history."""

    at: datetime
    what: str
    actor_kind: str
    actor_name: str
    details: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class InspectionFacts:
    """What the dock found of some units."""

    line_id: UUID
    units: int
    grade: str
    disposition: str
    accepted: bool
    note: str
    at: datetime
    by_name: str


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """One return with everything that is known of it."""

    page: Page
    confirmed: Breakdown | None
    """The estimate the customer confirmed."""
    verdict: dict[str, Any] | None
    submitted_at: datetime | None
    approved_at: datetime | None
    received_at: datetime | None
    closed_at: datetime | None
    closed_reason: str
    ship_by: date | None
    refund_state: str
    decline_reason: str
    decline_message: str
    created_by: UUID | None
    history: tuple[HappeningFacts, ...]
    parcels: tuple[ParcelFacts, ...]
    documents: tuple[dict[str, str], ...]
    refunds: tuple[RefundFacts, ...]
    links: tuple[LinkFacts, ...]
    mails: tuple[MailFacts, ...]
    inspections: tuple[InspectionFacts, ...]
    stock: dict[str, dict[str, int]]
    allowed: tuple[str, ...]
    """Steps of the lifecycle that the actor may take now."""


STEP_NEEDS = {
    "submit": "returns.create",
    "authorize": "returns.create",
    "approve": "returns.approve",
    "decline": "returns.approve",
    "undo": "returns.approve",
    "cancel": "returns.create",
    "receive": "returns.receive",
    "receive_some": "returns.receive",
    "inspect": "returns.inspect",
    "close": "returns.approve",
    "ship": "returns.receive",
    "reopen": "returns.override",
}
"""Which permission a person needs for a step; a step that is missing here is nobody's."""


def dossier(actor: Actor, return_id: UUID, *, now: datetime) -> Dossier:
    """Raises ``NotFound``, ``NotAllowed``."""
    row = scope.return_row(actor, return_id, "returns.read")
    page = read(row, now=now)
    steps = RETURN.allowed(row.state)
    paid = refunds.of_return(return_id)
    return Dossier(
        page=page,
        confirmed=breakdown_from_json(row.breakdown) if row.breakdown else None,
        verdict=row.verdict,
        submitted_at=row.submitted_at,
        approved_at=row.approved_at,
        received_at=row.received_at,
        closed_at=row.closed_at,
        closed_reason=row.closed_reason,
        ship_by=row.ship_by,
        refund_state=row.refund_state,
        decline_reason=row.decline_reason,
        decline_message=row.decline_message,
        created_by=row.created_by,
        history=tuple(
            HappeningFacts(
                at=one.at,
                what=one.what,
                actor_kind=one.actor_kind,
                actor_name=one.actor_name,
                details=one.details,
            )
            for one in history.of([return_id])
        ),
        parcels=parcels(return_id),
        documents=_documents(return_id),
        refunds=paid,
        links=tuple(links.of_return(return_id)),
        mails=tuple(notices.of_return(return_id)),
        inspections=_inspections(page),
        stock=stock.levels(row.merchant_id, [line.sku for line in page.draft.lines if line.sku]),
        allowed=tuple(
            step for step in steps if step in STEP_NEEDS and actor.may(STEP_NEEDS[step], row.merchant_id)
        ),
    )


def parcels(return_id: UUID) -> tuple[ParcelFacts, ...]:
    """The parcels of a return, oldest first; the caller has passed the gate."""
    events: dict[UUID, list[EventFacts]] = {}
    mine = sa.select(Shipment.id).where(Shipment.return_id == return_id)
    told = sa.select(ShipmentEvent).where(ShipmentEvent.shipment_id.in_(mine)).order_by(ShipmentEvent.at)
    for event in db.session.scalars(told):
        facts = EventFacts(
            at=event.at, status=event.status, location=event.location, description=event.description
        )
        events.setdefault(event.shipment_id, []).append(facts)
    found = db.session.scalars(
        sa.select(Shipment).where(Shipment.return_id == return_id).order_by(Shipment.id)
    )
    return tuple(
        ParcelFacts(
            id=one.id,
            carrier=one.carrier,
            service=one.service,
            method=one.method,
            state=one.state,
            tracking_number=one.tracking_number,
            tracking_url=one.tracking_url,
            handoff_code=one.handoff_code,
            cost=one.cost_minor,
            sending=one.sending,
            error=one.error,
            handed_over_at=one.handed_over_at,
            created_at=one.created_at,
            events=tuple(events.get(one.id, ())),
        )
        for one in found
    )


def _documents(return_id: UUID) -> tuple[dict[str, str], ...]:
    paper = shipments.Document
    rows = db.session.execute(
        sa.select(paper.kind, paper.format, paper.size).where(paper.return_id == return_id).order_by(paper.id)
    )
    return tuple({"kind": row.kind, "format": row.format, "size": row.size} for row in rows)


def _inspections(page: Page) -> tuple[InspectionFacts, ...]:
    ids = [line.id for line in page.draft.lines]
    found = db.session.scalars(
        sa.select(Inspection).where(Inspection.return_line_id.in_(ids)).order_by(Inspection.id)
    )
    return tuple(
        InspectionFacts(
            line_id=one.return_line_id,
            units=one.units,
            grade=one.grade,
            disposition=one.disposition,
            accepted=one.accepted,
            note=one.note,
            at=one.at,
            by_name=one.by_name,
        )
        for one in found
    )


@dataclass(frozen=True, kw_only=True)
class OrderHit:
    """One order in a list of hits."""

    id: UUID
    merchant_id: UUID
    number: str
    name: str
    email: str
    phone: str
    language: str
    postcode: str
    currency: str
    placed_at: datetime
    paid: Minor
    lines: int


def find_orders(
    actor: Actor, *, query: str, merchant_id: UUID | None = None, limit: int = 20
) -> list[OrderHit]:
    """Orders by number, e-mail, name, phone, postcode, SKU or customer reference, newest first."""
    ids = tuple(one for one in _merchants(actor, merchant_id) if actor.may("orders.read", one))
    text = query.strip()
    found = sa.select(Order).where(Order.merchant_id.in_(ids))
    if text:
        found = found.where(_order_matches(text, ids))
    rows = db.session.scalars(found.order_by(Order.placed_at.desc(), Order.id.desc()).limit(limit)).all()
    sums = _sums([row.id for row in rows])
    return [_hit(row, *sums.get(row.id, (0, 0))) for row in rows]


def _order_matches(text: str, ids: Sequence[UUID]) -> sa.ColumnElement[bool]:
    lower, key = text.lower(), number_key(text)
    by_sku = sa.select(OrderLine.order_id).where(
        OrderLine.merchant_id.in_(ids), OrderLine.sku.in_({text, text.upper(), lower})
    )
    tests = [
        Order.email.startswith(lower, autoescape=True),
        sa.func.lower(Order.name).contains(lower, autoescape=True),
        Order.phone.contains(text, autoescape=True),
        Order.postcode == text.upper().replace(" ", ""),
        Order.customer_ref == text,
        Order.id.in_(by_sku),
    ]
    if key:
        tests.append(Order.number_key.startswith(key, autoescape=True))
    return sa.or_(*tests)


def _sums(ids: Sequence[UUID]) -> dict[UUID, tuple[Minor, int]]:
    rows = db.session.execute(
        sa.select(OrderLine.order_id, sa.func.sum(OrderLine.paid_minor), sa.func.count())
        .where(OrderLine.order_id.in_(ids))
        .group_by(OrderLine.order_id)
    )
    return {order_id: (int(paid or 0), lines) for order_id, paid, lines in rows}


def _hit(row: Order, paid: Minor, lines: int) -> OrderHit:
    names = (
        "id",
        "merchant_id",
        "number",
        "name",
        "email",
        "phone",
        "language",
        "postcode",
        "currency",
        "placed_at",
    )
    return OrderHit(**{name: getattr(row, name) for name in names}, paid=paid, lines=lines)


@dataclass(frozen=True, kw_only=True)
class CustomerHit:
    """Somebody who ordered, as the last order has them."""

    name: str
    email: str
    phone: str
    language: str
    orders: int
    last_order_at: datetime | None


def customers(actor: Actor, *, merchant_id: UUID, query: str, limit: int = 10) -> list[CustomerHit]:
    """People who ordered at that merchant, by name, e-mail, phone or order number; the latest first."""
    scope.require(actor, "orders.read", merchant_id)
    found: dict[str, CustomerHit] = {}
    for hit in find_orders(actor, query=query, merchant_id=merchant_id, limit=limit * 4):
        if not hit.email:
            continue
        known = found.get(hit.email)
        found[hit.email] = CustomerHit(
            name=known.name if known else hit.name,
            email=hit.email,
            phone=known.phone if known else hit.phone,
            language=known.language if known else hit.language,
            orders=(known.orders if known else 0) + 1,
            last_order_at=known.last_order_at if known else hit.placed_at,
        )
    return list(found.values())[:limit]


@dataclass(frozen=True, kw_only=True)
class OutsideFacts:
    """A refund made without us."""

    at: datetime
    amount: Minor
    goods: Minor
    reason: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class OrderPage:
    """An order as people look at it."""

    order: OrderFacts
    merchant: MerchantFacts
    terms: Terms
    name: str
    email: str
    phone: str
    language: str
    state: str
    source: str
    customer_ref: str
    address: dict[str, Any]
    notes: tuple[str, ...]
    outside: tuple[OutsideFacts, ...]
    returns: tuple[ReturnRow, ...]


def order(actor: Actor, order_id: UUID) -> OrderPage:
    """One order with its returns. Raises ``NotFound``, ``NotAllowed``."""
    row = orders.head(order_id)
    if row is None:
        raise NotFound
    scope.require(actor, "orders.read", row.merchant_id)
    merchant, _, terms = merchants.with_terms(row.merchant_id)
    made = db.session.scalars(
        sa.select(OutsideRefund).where(OutsideRefund.order_id == order_id).order_by(OutsideRefund.at)
    )
    ids = db.session.scalars(sa.select(Return.id).where(Return.order_id == order_id)).all()
    return OrderPage(
        order=orders.facts(order_id),
        merchant=merchant,
        terms=terms,
        name=row.name,
        email=row.email,
        phone=row.phone,
        language=row.language,
        state=row.state,
        source=row.source,
        customer_ref=row.customer_ref,
        address=row.address,
        notes=tuple(row.notes),
        outside=tuple(
            OutsideFacts(
                at=one.at,
                amount=one.amount_minor,
                goods=one.goods_minor,
                reason=one.reason,
                reference=one.external_id,
            )
            for one in made
        ),
        returns=_rows(ids),
    )

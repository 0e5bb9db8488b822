"""One return with everything that is known of it."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from portal.core.access import Actor
from portal.core.facts import CANCELLATIONS
from portal.core.lifecycles import RETURN
from portal.core.links import LinkFacts
from portal.core.money import Minor
from portal.core.refunds.breakdown import Breakdown
from portal.core.refunds.breakdown import from_json as breakdown_from_json
from portal.db import history, shipments
from portal.db.base import db
from portal.db.returns import Inspection
from portal.db.shipments import Shipment, ShipmentEvent
from portal.services import links, scope
from portal.services.filing.returns import Page, read
from portal.services.refunding import refunds
from portal.services.refunding.refunds import RefundFacts
from portal.services.stockroom import stock
from portal.services.talking import notices
from portal.services.talking.notices import MailFacts


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
    changed: dict[str, Any] = field(default_factory=dict)
    """field -> [before, after]"""


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
    missing_accessories: tuple[str, ...] = ()
    used: int | None = None
    id: UUID | None = None
    checklist: dict[str, bool] = field(default_factory=dict)
    proposed: str = ""


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
    "ask": "messages.send",
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
    steps = () if row.kind in CANCELLATIONS else RETURN.allowed(row.state)
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
        history=happenings(return_id),
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


def changes(actor: Actor, return_id: UUID) -> int:
    """How often something happened to a return: whoever saw so much has nothing to look at anew.

    Raises ``NotFound``, ``NotAllowed``.
    """
    scope.return_row(actor, return_id, "returns.read")
    return history.count(return_id)


def happenings(subject_id: UUID) -> tuple[HappeningFacts, ...]:
    """The history of a return, oldest first; the caller has passed the gate."""
    return tuple(happening_facts(one) for one in history.of([subject_id]))


def latest(subject_id: UUID) -> HappeningFacts | None:
    """What happened last to a return, refund or order; the caller has passed the gate."""
    happening = history.Happening
    wanted = sa.select(happening).where(happening.subject_id == subject_id).order_by(happening.id.desc())
    one = db.session.scalar(wanted.limit(1))
    return happening_facts(one) if one is not None else None


def happening_facts(one: history.Happening) -> HappeningFacts:
    """A row of history as it is told."""
    return HappeningFacts(
        at=one.at,
        what=one.what,
        actor_kind=one.actor_kind,
        actor_name=one.actor_name,
        details=one.details,
        changed=one.changed,
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
            missing_accessories=tuple(one.missing_accessories or ()),
            used=one.used,
            id=one.id,
            checklist=dict(one.checklist or {}),
            proposed=one.proposed,
        )
        for one in found
    )
